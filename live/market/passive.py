"""Passive entries: a limit that works for a while, is cancelled, and is quoted anew, one at a time.

Theory of operation. With `passive` in the configuration a strategy's market order that opens
or adds is quoted as a limit beside the last price instead. A quote lives `lifetime_s`; then
its cancel is asked for, and only when the broker has confirmed the end is the next leg
quoted at the price of that moment, under the next key of the same decision. The target
is the position wanted in the end, so what filled before or while the cancel was under
way is counted by the gate itself, and two entries never live at once. After the last
quote the rest goes to the market or is given up, as the configuration says. Exits are
never passive.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.book import O_KEY, O_TIME, Row
from ledger.keys import purpose_of, unpack
from ledger.vocabulary import Purpose
from live.broker.fold import Contract
from live.config import Passive
from strategies.api import DAY, LIMIT, MARKET, Signal

SECOND_NS = 1_000_000_000


class Quote(NamedTuple):
    """A passive entry on its way."""

    lots: int
    """The position wanted in the end."""
    said: Signal
    time_ns: int
    """The decision's moment: the first part of every leg's key."""
    leg: int
    until_ns: int


def opens(held: int, lots: int) -> bool:
    """Say whether going from one position to another only opens or adds."""
    return held * lots >= 0 and abs(lots) > abs(held)


def is_passive(rule: Passive | None, said: Signal, held: int, lots: int) -> bool:
    """Say whether an order is quoted passively."""
    return rule is not None and said.order_type == MARKET and said.time_in_force <= DAY and opens(held, lots)


def begin(rule: Passive, lots: int, said: Signal, time_ns: int, now_ns: int) -> Quote:
    """Return the first quote of a decision."""
    return Quote(lots, said, time_ns, 0, now_ns + int(rule.lifetime_s * SECOND_NS))


def after(rule: Passive, quote: Quote, now_ns: int) -> Quote | None:
    """Return the leg after one that ended; None when there is none any more."""
    last = rule.requotes + (1 if rule.then == "market" else 0)
    if quote.leg >= last:
        return None
    return quote._replace(leg=quote.leg + 1, until_ns=now_ns + int(rule.lifetime_s * SECOND_NS))


def priced(rule: Passive, quote: Quote, last_ticks: int, held: int, contract: Contract) -> Signal:
    """Return the order of a leg: a limit beside the last price, or a market order when the quotes are used up."""
    if quote.leg > rule.requotes:
        return quote.said
    side = 1 if quote.lots >= held else -1
    away = last_ticks - side * (last_ticks * rule.offset_bps // 10_000)
    return quote.said._replace(order_type=LIMIT, limit=away / 10.0**contract.price_exp, time_in_force=DAY)


def adopted(rule: Passive, order: Row, lots: int, said: Signal) -> Quote | None:
    """Return the quote that a live order of before the start belongs to; None when it is no quote."""
    key = int(order[O_KEY])
    if int(purpose_of(key)) != Purpose.PASSIVE:
        return None
    parts = unpack(key)
    until_ns = int(order[O_TIME]) + int(rule.lifetime_s * SECOND_NS)
    return Quote(lots, said, parts.bar_s * SECOND_NS, parts.leg, until_ns)
