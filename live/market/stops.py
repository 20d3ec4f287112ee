"""The second net under a position: an exit of our own, for when the broker's stop is not there or does not work.

Theory of operation. Stops live at the broker. `watch` looks at one position whose strategy wants
a stop loss or a trail, and gives a reason to leave it at once in two cases only:
  - no stop order of it has been acknowledged by the broker for `unprotected_s` seconds: it is
    missing, was refused, or nobody knows what became of it;
  - the price has been through the stop's level for `through_s` seconds and the position
    is still there, so that the broker's order, if there is one, did not do its work.
It never sells itself: the reason goes to `exits.Exits`, which takes the broker's orders away
first and waits until they are gone. A second that is not READY, or in which the market is
closed, does not count, and neither does one without a fresh price.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.book import I_POSITION, O_STATUS, Book
from ledger.vocabulary import OrderStatus, Purpose
from live.broker.fold import Contract
from live.config import SecondNet
from live.market.guards import Guards, working

SECOND_NS = 1_000_000_000
FRESH_NS = 30 * SECOND_NS
STOPS = (Purpose.STOP_LOSS, Purpose.TRAIL)
ACKNOWLEDGED = frozenset({int(OrderStatus.SUBMITTED), int(OrderStatus.PARTIALLY_FILLED)})


class Seen(NamedTuple):
    """Since when something has been wrong with a position, in ns; 0: it is not."""

    bare_ns: int = 0
    through_ns: int = 0


class Price(NamedTuple):
    """The last price of an instrument, and when it was."""

    ticks: int
    time_ns: int


class Net:
    """The positions that are watched."""

    def __init__(self, rule: SecondNet, guards: Guards) -> None:
        self._rule, self._guards = rule, guards
        self._seen: dict[int, Seen] = {}

    def forget(self) -> None:
        """Begin to count anew: the seconds before were not watched."""
        self._seen.clear()

    def watch(self, book: Book, contract: Contract, price: Price | None, now_ns: int) -> str:
        """Return why a position must be left at once, "" when it need not.

        Args:
            price: None when no price was seen yet.
        """
        number = contract.number
        position = int(book.instruments[number, I_POSITION])
        levels = {purpose: self._guards.level(book, contract, purpose) for purpose in STOPS}
        if not self._rule.on or position == 0 or not any(levels.values()):
            self._seen.pop(number, None)
            return ""
        before = self._seen.get(number, Seen())
        bare = not any(int(order[O_STATUS]) in ACKNOWLEDGED for purpose, order in working(book, number).items() if purpose in STOPS)
        through = _is_through(position, levels[Purpose.STOP_LOSS], price, now_ns)
        seen = Seen((before.bare_ns or now_ns) if bare else 0, (before.through_ns or now_ns) if through else 0)
        self._seen[number] = seen
        return self._reason(seen, now_ns)

    def _reason(self, seen: Seen, now_ns: int) -> str:
        if seen.through_ns and now_ns - seen.through_ns >= self._rule.through_s * SECOND_NS:
            return f"SOFTWARE STOP: the price has been through the stop for {self._rule.through_s:g} s and the broker has not sold"
        if seen.bare_ns and now_ns - seen.bare_ns >= self._rule.unprotected_s * SECOND_NS:
            return f"SOFTWARE STOP: the broker has held no stop for this position for {self._rule.unprotected_s:g} s"
        return ""


def _is_through(position: int, level: int, price: Price | None, now_ns: int) -> bool:
    """Say whether a fresh price is at or beyond the level of a stop loss."""
    if level == 0 or price is None or now_ns - price.time_ns > FRESH_NS:
        return False
    return price.ticks <= level if position > 0 else price.ticks >= level
