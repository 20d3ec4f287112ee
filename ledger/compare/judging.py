"""One decision in two sessions: in which fields it differs, why, and what the difference is worth.

Theory of operation. What a decision added to the final equity is the worth of its shares at the
reference price less what was paid for them. From the first session's contribution to the second's one thing
is swapped at a time, in this order, each step an integer:

    split basis -> quantity -> time -> price

The quantity is swapped at the first session's mean price; then the cost of that quantity moves with the
market from the first session's times to the second's; what is left is price. Quantities that differ go through the
gap, which says whose they are. Fees are apart from all this.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from ledger.compare.model import Cause, Leg
from ledger.compare.reading import Decision, JoinKey, Reading, half_even
from ledger.compare.scale import Own, Scale
from ledger.keys import Key
from ledger.vocabulary import EventKind, OrderStatus, Outcome, Purpose

WISHES = (Purpose.TARGET, Purpose.ADD, Purpose.EXIT, Purpose.PASSIVE, Purpose.ACCUMULATE)
"""Purposes that say what a strategy wants; the others follow from what is held."""
SECOND_NS = 10**9
WORDS = {1: "long", 0: "flat", -1: "short"}


class Filled(NamedTuple):
    """What one session filled of a decision, in common units."""

    units: int
    cost_e8: int


class Pair(NamedTuple):
    """One decision in both sessions."""

    joined: JoinKey
    key: Key | None
    one: Decision | None
    two: Decision | None
    a: Leg | None
    b: Leg | None


class Amounts(NamedTuple):
    """What a pair differs by: money with a cause of its own, and a quantity that goes to the gap."""

    fixed: tuple[tuple[Cause, int], ...]
    units: int
    quantity_e8: int
    own: tuple[tuple[Cause, int], ...]
    reason: str


NOTHING = Amounts((), 0, 0, (), "")


def differing(a: Leg | None, b: Leg | None) -> tuple[str, ...]:
    """Return the fields in which two legs differ, in the order of an order's life."""
    if a is not None and b is not None and a[3:] == b[3:] and a.status == b.status:
        return ()
    if a is None or b is None:
        return ("decision",)
    pairs = (
        ("target", a.target_lots, b.target_lots), ("refused", (a.refused, a.refusals), (b.refused, b.refusals)),
        ("status", a.status, b.status), ("ordered", a.ordered_lots, b.ordered_lots), ("filled", a.filled_lots, b.filled_lots),
        ("price", a.price_e8, b.price_e8), ("value", a.value_e8, b.value_e8), ("executions", a.executions, b.executions),
        ("time", (a.first_ns, a.last_ns), (b.first_ns, b.last_ns)), ("fee", a.fee_e8, b.fee_e8),
    )  # fmt: skip
    # Where only one session came to an order, everything about the order differs, and saying so hides why.
    told = {"target", "refused", "filled"} if (a.number is None) != (b.number is None) and a.key else {name for name, _, _ in pairs}
    return tuple(name for name, mine, theirs in pairs if name in told and mine != theirs)


def judge(pair: Pair, scale: Scale, a: Reading, b: Reading) -> Amounts:
    """Return what a pair's difference is worth; the sum of all amounts is the second contribution less the first, before fees."""
    if scale.alike and pair.a is not None and pair.b is not None and _moved(pair.a) == _moved(pair.b):
        return NOTHING
    mine, theirs = _filled(scale.a, pair.one), _filled(scale.b, pair.two)
    if mine == theirs == Filled(0, 0):
        return NOTHING
    fixed: list[tuple[Cause, int]] = []
    if pair.joined[0] == "adjustment":
        mine, theirs = _without_basis(pair, mine, theirs, fixed)
    if mine.units == 0 or theirs.units == 0 or (mine.units > 0) != (theirs.units > 0):
        return _one_sided(pair, scale, a, b, mine, theirs, fixed)
    mine = _same_basis(pair, scale, mine, theirs, fixed)
    at_our_price = half_even(mine.cost_e8 * theirs.units, mine.units)
    quantity = scale.worth(theirs.units) - at_our_price - (scale.worth(mine.units) - mine.cost_e8)
    fixed += _time_and_price(pair, scale, mine, theirs, at_our_price)
    own, reason = _size_causes(pair, scale, mine, theirs)
    return Amounts(tuple(part for part in fixed if part[1]), theirs.units - mine.units, quantity, own, reason)


def _moved(leg: Leg) -> tuple[int, int, int, int | None, int | None]:
    """Return what counts of one side: equal in both, nothing differs that costs anything but fees."""
    return leg.filled_lots, leg.value_e8, leg.executions, leg.first_ns, leg.last_ns


def _filled(own: Own | None, decision: Decision | None) -> Filled:
    if own is None or decision is None:
        return Filled(0, 0)
    units = sum(own.final(entry) for entry in decision.fills)
    # Shares that come without a trade are not paid for: the other side is the owner's deposits.
    return Filled(units, sum(entry.side * entry.value_e8 for entry in decision.fills))


def _without_basis(pair: Pair, mine: Filled, theirs: Filled, fixed: list[tuple[Cause, int]]) -> tuple[Filled, Filled]:
    """Book what shares without a trade brought in at their basis; from there on they are as good as bought at it."""
    fixed.append((_adjusted(pair), theirs.cost_e8 - mine.cost_e8))
    return mine, theirs


def _adjusted(pair: Pair) -> Cause:
    shown = pair.two or pair.one
    return Cause.CORPORATE_ACTION if shown is not None and shown.exchanged else Cause.ADJUSTMENT


def _one_sided(
    pair: Pair, scale: Scale, a: Reading, b: Reading, mine: Filled, theirs: Filled, fixed: list[tuple[Cause, int]]
) -> Amounts:
    """Judge a pair of which one session has nothing, or the opposite."""
    quantity = scale.worth(theirs.units) - theirs.cost_e8 - (scale.worth(mine.units) - mine.cost_e8)
    cause, reason = _why(pair, a, b, mine, theirs)
    units = theirs.units - mine.units
    if units == 0:  # bought and given back within one decision: money went, and no quantity is left to follow
        fixed.append((cause, quantity))
    return Amounts(tuple(part for part in fixed if part[1]), units, quantity if units else 0, ((cause, units),), reason)


def _why(pair: Pair, a: Reading, b: Reading, mine: Filled, theirs: Filled) -> tuple[Cause, str]:
    """Return why only one session traded, with the evidence as a sentence."""
    kind = pair.joined[0]
    if kind == "adjustment":
        return _adjusted(pair), f"shares without a trade: {pair.joined[1]}"
    if mine.units and theirs.units:
        return Cause.SIGNAL, "the two sessions traded in opposite directions"
    lacking, other, having = (pair.two, b, a) if mine.units else (pair.one, a, b)
    absent = Cause.MISSED if mine.units else Cause.EXTRA
    name = "the first session" if other is a else "the second session"
    if kind == "foreign":
        return absent, f"{name} has no such execution"
    if lacking is not None and lacking.order is None and lacking.refusals:
        return Cause.REFUSED, f"{name} refused it: {Outcome(lacking.refusals[-1].reason).name}"
    if lacking is not None and lacking.order is not None:
        return absent, f"{name} ordered it and nothing was filled: {OrderStatus(lacking.order.status).name}"
    return _unwished(pair, other, having, absent, name)


def _unwished(pair: Pair, other: Reading, having: Reading, absent: Cause, name: str) -> tuple[Cause, str]:
    """Say whether a session that has no word of a decision wished something else, or had no chance to decide."""
    key, symbol = pair.key, pair.joined[2]
    if key is None or key.purpose not in WISHES:
        return absent, f"{name} has no such order"
    if symbol not in other.by_symbol:
        return absent, f"{name} does not know {symbol}"
    if not _saw(other, having, symbol, key.bar_s):
        return absent, f"{name} recorded no price of this bar"
    wanted = pair.two or pair.one
    sign = _sign(_target(wanted))
    stood = _standing(other, (pair.joined[1], symbol), key.bar_s)
    if stood != sign:
        return Cause.SIGNAL, f"the strategy of {name} wished to be {WORDS[stood]} at that time"
    return absent, f"the strategy of {name} wished the same side at that time, and made no such order"


def _target(decision: Decision | None) -> int:
    if decision is None or decision.order is None:
        return 0
    return decision.order.target_lots


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _standing(reading: Reading, name: tuple[str, str], bar_s: int) -> int:
    """Return the side that a session's last recorded wish asked for; before the first one it is flat."""
    wishes = reading.wishes.get(name, [])
    place = bisect_right(wishes, (bar_s, 2)) - 1
    return wishes[place][1] if place >= 0 else 0


def _saw(other: Reading, having: Reading, symbol: str, bar_s: int) -> bool:
    """Say whether a session recorded a price of the symbol between a decision and the next price of who decided."""
    start = bar_s * SECOND_NS
    mine, theirs = having.marks.get(symbol), other.marks.get(symbol)
    if mine is None or theirs is None:
        first, last = other.span or (0, -1)
        return first <= start <= last
    after = int(mine[:, 0].searchsorted(start, side="right"))
    until = int(mine[after, 0]) if after < len(mine) else start + 1
    place = int(theirs[:, 0].searchsorted(start, side="left"))
    return place < len(theirs) and int(theirs[place, 0]) < until


def _same_basis(pair: Pair, scale: Scale, mine: Filled, theirs: Filled, fixed: list[tuple[Cause, int]]) -> Filled:
    """Return the first session's fill on the second one's split basis, where its prices say that it is the same basis.

    A split that only one session booked either stood in the other's adjusted prices (then prices differ by the ratio and
    quantities of the end agree), or the other one missed it (then prices agree and its shares never multiplied).
    """
    ours, others = _raw(scale.a, pair.one), _raw(scale.b, pair.two)
    if mine.units * others == theirs.units * ours:
        return mine
    adjusted = abs(mine.cost_e8 * theirs.units - theirs.cost_e8 * mine.units) * abs(ours * others)
    missed = abs(mine.cost_e8 * others - theirs.cost_e8 * ours) * abs(mine.units * theirs.units)
    if adjusted <= missed:
        return mine
    units = half_even(ours * theirs.units, others)
    if units * mine.units <= 0:  # shares that came and went around a split have no basis to speak of
        return mine
    fixed.append((Cause.CORPORATE_ACTION, scale.worth(units) - scale.worth(mine.units)))
    return Filled(units, mine.cost_e8)


def _raw(own: Own | None, decision: Decision | None) -> int:
    if own is None or decision is None:
        return 0
    return sum(entry.side * entry.qty_lots * own.lots for entry in decision.fills)


def _time_and_price(pair: Pair, scale: Scale, mine: Filled, theirs: Filled, at_our_price: int) -> list[tuple[Cause, int]]:
    """Split what the same quantity cost more or less: the market's move between the times, and the rest."""
    change = at_our_price - theirs.cost_e8
    if pair.one is None or pair.two is None or scale.a is None or scale.b is None:
        return [(Cause.PRICE, change)]
    times = [{entry.time_ns for entry in decision.fills} for decision in (pair.one, pair.two)]
    if times[0] == times[1] and len(times[0]) == 1:
        return [(Cause.PRICE, change)]
    ours, others = scale.at_market(scale.a, pair.one), scale.at_market(scale.b, pair.two)
    if ours is None or others is None:
        return [(Cause.PRICE_OR_DELAY, change)]
    moved = half_even(ours * theirs.units, mine.units) - others
    return [(Cause.DELAY, moved), (Cause.PRICE, change - moved)]


def _size_causes(pair: Pair, scale: Scale, mine: Filled, theirs: Filled) -> tuple[tuple[tuple[Cause, int], ...], str]:
    """Return why two fills of one decision have different quantities: ordered otherwise, or filled otherwise."""
    change = theirs.units - mine.units
    if change == 0:
        return (), ""
    kind = pair.joined[0]
    if kind == "adjustment":
        return ((_adjusted(pair), change),), f"shares without a trade: {pair.joined[1]}"
    less = abs(theirs.units) < abs(mine.units)
    absent = Cause.MISSED if less else Cause.EXTRA
    if kind == "foreign" or pair.one is None or pair.two is None:
        return ((absent, change),), "another quantity of the same execution"
    if _sign(_target(pair.one)) != _sign(_target(pair.two)):
        return ((Cause.SIGNAL, change),), "the strategies wished different sides"
    ordered = _ordered(pair, scale, mine, theirs)
    reason = f"filled {pair.a.filled_lots} and {pair.b.filled_lots} lots" if pair.a and pair.b else ""
    if ordered == 0:
        return ((absent, change),), f"the same order, {reason}"
    return ((Cause.SIZE, ordered), (absent, change - ordered)), f"other quantities ordered, {reason}"


def _ordered(pair: Pair, scale: Scale, mine: Filled, theirs: Filled) -> int:
    """Return the second ordered quantity less the first, in common units of the end."""
    sizes = []
    for own, decision, filled in ((scale.a, pair.one, mine), (scale.b, pair.two, theirs)):
        raw = _raw(own, decision)
        ordered = decision.order.side * decision.order.qty_lots * own.lots if own and decision and decision.order else 0
        sizes.append(half_even(ordered * filled.units, raw) if raw else ordered)
    return sizes[1] - sizes[0]


def first_time(pair: Pair) -> int:
    """Return when a pair first moved anything, or was decided."""
    filled = [leg.first_ns for leg in (pair.a, pair.b) if leg is not None and leg.first_ns is not None]
    decided = [leg.decided_ns for leg in (pair.a, pair.b) if leg is not None and leg.decided_ns is not None]
    return min(filled or decided, default=0)


def fee_of(decision: Decision | None) -> int:
    """Return the fees of a decision's executions as the book counts them, e8."""
    return 0 if decision is None else sum(entry.fee_e8 for entry in decision.fills if entry.kind == EventKind.FILL)
