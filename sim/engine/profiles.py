"""Named profiles: what a person writes, as the numbers the exchange works with.

Theory of operation. A profile is one row of `Rules`; slippage, volume cap and the reserve of
orders without a limit are added to it from the run's Setting. `PROFILES` is also what the
documents and the command line print.

| profile | market orders fill | when the order of high and low matters | guards in the entry bar |
|---|---|---|---|
| next-open | at the next bar's open | the worse order is booked | from the entry on |
| close | at the close of the signal's bar, sellers first | the worse order is booked | from the entry on |
| pessimistic | as next-open | the worse order is booked | from the entry on |
| optimistic | as next-open | the better order is booked | from the entry on |
| vectorbt | as close | guards once a bar: the stop before the target, at the open when it is beyond | not |
"""

from __future__ import annotations

from decimal import Decimal

from ledger.units import UnitError, to_grid
from sim.engine.exchange import BETTER, BPS, NO_SLIPPAGE, TICKS, VOLUME_SHARE, WORSE, Rules

_NEXT_OPEN = Rules(0, WORSE, 1, 0, 0, NO_SLIPPAGE, 0, 0, 0)
_RULES = {
    "next-open": _NEXT_OPEN,
    "close": _NEXT_OPEN._replace(at_close=1),
    "pessimistic": _NEXT_OPEN,
    "optimistic": _NEXT_OPEN._replace(path=BETTER),
    "vectorbt": _NEXT_OPEN._replace(at_close=1, entry_bar=0, stop_first=1, reenter=1),
}
PROFILES = {
    "next-open": "a signal at a bar's close fills at the next open; an ambiguous bar is booked the worse way",
    "close": "market orders fill at the close of the bar that made the signal, sellers before buyers",
    "pessimistic": "as next-open; an ambiguous bar is booked the worse way",
    "optimistic": "as next-open; an ambiguous bar is booked the better way",
    "vectorbt": "as vectorbt: fills at the close; stop before target, not in the entry bar; a stopped wish opens anew",
}


def parse_slippage(text: str) -> tuple[int, int]:
    """Return (kind, amount) of `none`, `ticks:2`, `bps:5` or `volume-share:0.1`.

    Raises:
        UnitError: another word, or a number out of range.
    """
    kind, colon, number = text.strip().partition(":")
    if kind == "none" and not colon:
        return NO_SLIPPAGE, 0
    wanted = {"ticks": (TICKS, 0, 10**9), "bps": (BPS, 2, 10**6), "volume-share": (VOLUME_SHARE, 6, 10**8)}
    if kind not in wanted or not number:
        raise UnitError(f"slippage {text!r} is not known; write none, ticks:2, bps:5 or volume-share:0.1")
    code, exp, most = wanted[kind]
    amount = to_grid(number, exp, f"slippage {kind}")
    if not 0 <= amount <= most:
        raise UnitError(f"slippage {text!r} is out of range; at most {Decimal(most).scaleb(-exp)}")
    return code, amount


def parse_participation(text: str) -> int:
    """Return the volume cap in bps of `none` or a percentage such as `2.5`.

    Raises:
        UnitError: no number, or not above 0 and at most 100.
    """
    if text.strip() == "none":
        return 0
    bps = to_grid(text.removesuffix("%"), 2, "participation percent")
    if not 0 < bps <= 10_000:
        raise UnitError(f"participation {text!r}: write none, or a percentage of each bar's volume above 0 up to 100")
    return bps


def rules(profile: str, slippage: str = "none", participation: str = "none", worst_bps: int = 400) -> Rules:
    """Return the rules of a profile with slippage, volume cap and reserve.

    Raises:
        UnitError: no such profile, or a text that means nothing; the message lists what there is.
    """
    if profile not in _RULES:
        raise UnitError(f"profile {profile!r} is not known; write one of {', '.join(_RULES)}")
    kind, amount = parse_slippage(slippage)
    if not 0 <= worst_bps <= 9_999:
        raise UnitError(f"worst_bps {worst_bps} must be from 0 to 9,999: how far beyond the last price cash is reserved")
    return _RULES[profile]._replace(
        slip_kind=kind, slip_amount=amount, participation_bps=parse_participation(participation), worst_bps=worst_bps
    )  # fmt: skip
