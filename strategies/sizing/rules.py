"""Sizing rules as text: what a person writes after `--size`.

Theory of operation. A rule is `KIND:NUMBER`, then options `,name=value`. The number is
what the kind is about; an option left out has the default of its kind. Reading is
exact: a percentage is an integer of basis points, and a number that has no such grid is
an error that shows the form expected. `Rule.size` gives the numbers a kernel needs.

Sharing among symbols. `percent` and `equal` give every symbol the same part of the
percentage, `inverse-volatility` a part that depends on how restless it is, and the
statistical kinds share their cap: so the full sizes of all symbols add to no more
than the percentage, and leverage is a number somebody wrote. `each` is for strategies
whose targets are themselves weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import NamedTuple

from ledger.units import UnitError, money, to_grid
from strategies.sizing.lots import EDGE, EQUITY, SHARES, VALUE, WEIGHT_MAX_E6, Size

BARS_MAX = 100_000
E6 = 4  # a percentage on a grid of 1e-4 is a weight at 1e-6

FORMS: Mapping[str, str] = {
    "shares": "shares:100",
    "value": "value:10000",
    "percent": "percent:95",
    "equal": "equal:95",
    "each": "each:95",
    "inverse-volatility": "inverse-volatility:95,bars=60",
    "volatility": "volatility:15,bars=60,max=100",
    "atr": "atr:1,multiple=2,bars=14,max=100",
    "kelly": "kelly:50,bars=252,max=100",
}
"""Each kind and how it is written; numbers are percentages but for shares and value."""

_BARS = {"inverse-volatility": 60, "volatility": 60, "atr": 14, "kelly": 252}
_CAPPED = ("volatility", "atr", "kelly")
_KINDS = {"shares": SHARES, "value": VALUE, "kelly": EDGE}


class Rule(NamedTuple):
    """A sizing rule; numbers are integers on the grid that the comment names."""

    kind: str
    amount: int  # shares: lots; value: money at 1e-8; the others: percent at 1e-4, so a weight at 1e-6
    bars: int  # bars of the statistic; 0: none
    multiple_e4: int  # of the average true range that is at risk, at 1e-4; 0: none
    max_e6: int  # most that a statistic may ask for, as a weight at 1e-6; 0: none
    buffer_bps: int  # of equity, kept free
    with_fee: int  # 1: the order's fee is paid out of the budget

    @property
    def statistical(self) -> bool:
        """Say whether the full size changes from bar to bar."""
        return self.bars > 0

    def size(self, symbols: int) -> Size:
        """Return what a kernel needs, the percentage shared by so many symbols."""
        shared = self.kind in ("percent", "equal")
        amount = self.amount // max(1, symbols) if shared else self.amount
        return Size(_KINDS.get(self.kind, EQUITY), amount, self.buffer_bps, self.with_fee)


def parse_rule(text: str, qty_exp: int = 4) -> Rule:
    """Return the rule of a text such as `percent:95` or `atr:1,multiple=2,bars=14,buffer=0.25,fees=1`.

    Args:
        text: one of FORMS; any kind takes the options `buffer` (percent of equity) and `fees` (0 or 1).
        qty_exp: the grid that a number of shares must be on.
    Raises:
        UnitError: names the rule, what is wrong with it and what was expected.
    """
    head, *rest = (part.strip() for part in text.split(","))
    kind, colon, number = (part.strip() for part in head.partition(":"))
    if kind not in FORMS or not colon or not number:
        near = get_close_matches(kind, FORMS, n=1, cutoff=0.5)
        hint = f"; did you mean {FORMS[near[0]]}?" if near else ""
        raise UnitError(f"size {text!r} is not known{hint}; write one of {', '.join(FORMS.values())}")
    options = _options(text, kind, rest)
    return Rule(
        kind,
        _amount(text, kind, number, qty_exp),
        _whole(text, options, "bars", _BARS.get(kind, 0), 2 if kind in _BARS else 0, BARS_MAX),
        _grid(text, options, "multiple", "2" if kind == "atr" else "0", 4, 1_000_000),
        _grid(text, options, "max", "100" if kind in _CAPPED else "0", E6, WEIGHT_MAX_E6),
        _grid(text, options, "buffer", "0", 2, 9_999),
        _whole(text, options, "fees", 0, 0, 1),
    )


def _options(text: str, kind: str, parts: list[str]) -> dict[str, str]:
    """Return the options by name; an unknown or repeated one is an error."""
    known = ["buffer", "fees"] if kind != "shares" else []
    known += ["bars"] if kind in _BARS else []
    known += ["max"] if kind in _CAPPED else []
    known += ["multiple"] if kind == "atr" else []
    found: dict[str, str] = {}
    for part in parts:
        name, equals, value = (word.strip() for word in part.partition("="))
        if name not in known or not equals or not value:
            takes = ", ".join(f"{word}=..." for word in known) or "none"
            raise UnitError(f"size {text!r}: {part!r} is no option of {kind}; its options are: {takes}")
        if name in found:
            raise UnitError(f"size {text!r}: {name} is given twice; keep one")
        found[name] = value
    return found


def _amount(text: str, kind: str, number: str, qty_exp: int) -> int:
    """Return the number of the rule on its grid, above 0 and within its range."""
    if kind == "shares":
        amount, most = to_grid(number, qty_exp, "size shares"), 2**60
    elif kind == "value":
        amount, most = money(number), 2**60
    else:
        amount, most = to_grid(number, E6, f"size {kind}"), 10 * 1_000_000
    if not 0 < amount <= most:
        what = "a percentage above 0 and at most 1000" if kind not in ("shares", "value") else "above 0 and within range"
        raise UnitError(f"size {text!r}: {number} is wrong; expected {what}")
    return amount


def _grid(text: str, options: Mapping[str, str], name: str, default: str, exp: int, most: int) -> int:
    """Return an option as an integer of 10**-exp, above 0 when it was written."""
    value = to_grid(options.get(name, default), exp, f"size option {name}")
    if not (int(name in options and name != "buffer") <= value <= most):
        raise UnitError(f"size {text!r}: {name}={options[name]} is out of range")
    return value


def _whole(text: str, options: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """Return an option as a whole number in least..most."""
    value = to_grid(options.get(name, str(default)), 0, f"size option {name}")
    if not least <= value <= most:
        raise UnitError(f"size {text!r}: {name}={value} is wrong; expected a whole number from {least} to {most}")
    return value
