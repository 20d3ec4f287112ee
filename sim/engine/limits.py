"""Limits of the account in a backtest: the gate's own, by the names they have in paper trading.

Theory of operation. A text such as `max-notional=20000,daily-loss=1000` becomes LIMIT events before the first bar; from there on
`ledger.core.decide` judges every wish of every strategy as it does live, and refuses by the same names. Nothing is judged
here. The limits are of the account: all its strategies, positions and working orders count together.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import NamedTuple

from ledger.units import UnitError, money, to_grid
from ledger.vocabulary import Limit
from sim.engine.account import QTY_EXP

NONE = "none"
SECOND_NS = 1_000_000_000
COUNT_MAX = 1_000_000_000


class Name(NamedTuple):
    """A limit by its name in words."""

    limit: Limit
    read: Callable[[str, str], int]


def _money(text: str, name: str) -> int:
    try:
        return money(text)
    except UnitError as error:
        raise UnitError(f"limit {name}: {error}") from error


def _shares(text: str, name: str) -> int:
    return to_grid(text, QTY_EXP, f"limit {name}")


def _count(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= COUNT_MAX):
        raise UnitError(f"limit {name}={text!r} is wrong; write a whole number, as in {name}=5")
    return int(text)


def _seconds(text: str, name: str) -> int:
    return _count(text, name) * SECOND_NS


NAMES = {
    "max-position-shares": Name(Limit.MAX_POSITION, _shares),
    "max-notional": Name(Limit.MAX_NOTIONAL, _money),
    "max-open": Name(Limit.MAX_OPEN, _count),
    "orders-per-day": Name(Limit.DAILY_ORDERS, _count),
    "orders-per-symbol-day": Name(Limit.SYMBOL_DAILY_ORDERS, _count),
    "daily-loss": Name(Limit.DAILY_LOSS, _money),
    "burst-count": Name(Limit.BURST_COUNT, _count),
    "burst-notional": Name(Limit.BURST_NOTIONAL, _money),
    "burst-window-s": Name(Limit.BURST_WINDOW_NS, _seconds),
    "max-repeat": Name(Limit.MAX_REPEAT, _count),
    "price-collar-bps": Name(Limit.PRICE_COLLAR_BPS, _count),
}
BURSTS = (Limit.BURST_COUNT, Limit.BURST_NOTIONAL)
WINDOW_S = 60
"""Seconds of a burst's window when none is named, as in paper trading."""


def parse(text: str) -> dict[Limit, int]:
    """Return the limits of a text, in the book's units; `none` and an empty text are no limit.

    Raises:
        UnitError: an unknown or repeated name, or a value that is no number above 0.
    """
    found: dict[Limit, int] = {}
    for piece in [] if text.strip() in (NONE, "") else text.split(","):
        name, equals, value = (part.strip() for part in piece.partition("="))
        name = name.replace("_", "-")
        if not equals or name not in NAMES:
            near = get_close_matches(name, NAMES, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UnitError(f"limit {piece.strip()!r} is not known; {hint}write NAME=VALUE of {', '.join(NAMES)}")
        limit, read = NAMES[name]
        if limit in found:
            raise UnitError(f"limit {name} is given twice; keep one")
        found[limit] = read(value, name)
        if found[limit] < 1:
            raise UnitError(f"limit {name}={value} must be above 0; leave it out for no limit")
    if any(limit in found for limit in BURSTS):
        found.setdefault(Limit.BURST_WINDOW_NS, WINDOW_S * SECOND_NS)
    return found
