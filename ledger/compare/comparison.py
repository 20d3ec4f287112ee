"""The comparison: join, judge, add up, and prove that nothing is left over.

Theory of operation. The two sides of the proof come from different places. The difference is that of the
accounts' own final equities (cash and worth of positions as the core booked them). The parts are
made of executions, flows and marks. What is between them is the residual, and it must be 0: a cause that nobody
thought of, or a table that does not say what the events say, cannot hide in a rest.

Only ROUNDING is computed as a difference, of roundings: a position is rounded once where the parts it is made
of are rounded one by one. It is at most half a unit for each of them, and that is checked too.
"""

from __future__ import annotations

import gc
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction

from ledger.compare.certificate import certify
from ledger.compare.gap import Gap
from ledger.compare.judging import Amounts, Pair, differing, fee_of, first_time, judge
from ledger.compare.model import MEANING, Cause, Comparison, Grids, Leg, Part, Row
from ledger.compare.reading import Decision, JoinKey, Reading, leg_of
from ledger.compare.words import moment
from ledger.compare.scale import Own, Scale, scale_of
from ledger.journal import Journal, JournalError
from ledger.keys import Key, unpack
from ledger.vocabulary import EventKind

_FLOWS = {
    EventKind.DEPOSIT: Cause.DEPOSIT, EventKind.WITHDRAWAL: Cause.DEPOSIT, EventKind.DIVIDEND: Cause.CORPORATE_ACTION,
    EventKind.INTEREST: Cause.INTEREST, EventKind.BORROW_FEE: Cause.INTEREST, EventKind.ADJUST_CASH: Cause.ADJUSTMENT,
}  # fmt: skip
_TRADES = (
    Cause.SIGNAL, Cause.REFUSED, Cause.MISSED, Cause.EXTRA, Cause.SIZE, Cause.DELAY, Cause.PRICE, Cause.PRICE_OR_DELAY,
    Cause.CORPORATE_ACTION, Cause.ADJUSTMENT, Cause.UNMATCHED, Cause.MARK, Cause.ROUNDING,
)  # fmt: skip
"""Causes that need a price; they are unknown together with a symbol's."""


CAUSES = tuple(Cause)


class CompareError(JournalError):
    """Two sessions whose difference cannot be explained by what their tables say."""


def compare(journal_a: Journal, a: int, journal_b: Journal, b: int) -> Comparison:
    """Hold session `b` against session `a`: what differs, why, and what it cost.

    Args:
        journal_a, journal_b: opened with `Journal.read`; the same one, or two.
    Raises:
        JournalError: no such session. CompareError: the residual is not 0: a table does not say what the events say.
    """
    with _without_collection():
        return Comparing(Reading(journal_a, a), Reading(journal_b, b)).result()


def compare_many(sources: Sequence[tuple[Journal, int]]) -> list[Comparison]:
    """Return the comparison of each session after the first with the first."""
    (journal, first), *others = sources
    with _without_collection():
        base = Reading(journal, first)
        return [Comparing(base, Reading(other, number)).result() for other, number in others]


@contextmanager
def _without_collection() -> Iterator[None]:
    """Keep Python from looking for garbage: millions of small rows are made, none in a circle, and looking takes a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class Comparing:
    """Two readings, and the amounts that are found between them."""

    def __init__(self, a: Reading, b: Reading) -> None:
        self.a, self.b = a, b
        self.pairs = sorted(_joined(a, b), key=lambda pair: (first_time(pair), pair.joined))
        self.totals: defaultdict[Cause, int] = defaultdict(int)
        self.shares: list[Counter[Cause]] = [Counter() for _ in self.pairs]
        self.own: list[Amounts | None] = [None] * len(self.pairs)
        self.closes: dict[int, tuple[int, Cause]] = {}
        self.scales: dict[str, Scale] = {}
        self.unpriced: set[str] = set()

    def result(self) -> Comparison:
        """Return the comparison; the residual is 0 or an error."""
        by_symbol: defaultdict[str, list[int]] = defaultdict(list)
        for place, pair in enumerate(self.pairs):
            by_symbol[pair.joined[2]].append(place)
        for symbol in sorted({*self.a.by_symbol, *self.b.by_symbol, *by_symbol}):
            self._symbol(symbol, by_symbol[symbol])
        self._flows()
        self._fees()
        one, two = self.a.side(str(self.a.journal.path)), self.b.side(str(self.b.journal.path))
        known = one.equity_e8 is not None and two.equity_e8 is not None
        difference = (two.equity_e8 or 0) - (one.equity_e8 or 0) if known else None
        residual = None if difference is None else difference - sum(self.totals.values())
        if residual:
            raise CompareError(
                f"the parts leave {residual} units of 1e-8 of the difference between sessions {self.a.id} and {self.b.id} unexplained: "
                "a table does not say what the events say; look at `onebook book verify`"
            )
        rows = self._rows()
        parts, grids = self._parts(rows), {symbol: _grids(self.a, self.b, symbol) for symbol in self.scales}
        certificate = certify(self.a, self.b, rows, {**self.totals}, difference)
        return Comparison(one, two, difference, parts, residual, rows, grids, certificate, self._notes(rows))

    def _symbol(self, symbol: str, places: list[int]) -> None:
        """Judge everything that happened to one symbol (totals and shares are modified in place)."""
        scale = self.scales[symbol] = scale_of(self.a, self.b, symbol, _last_price(self.a, self.b, symbol))
        if scale.mark is None:
            self.unpriced.add(symbol)
        gap = Gap()
        for place in places:
            found = self.own[place] = judge(self.pairs[place], scale, self.a, self.b)
            if scale.mark is None:
                continue
            for cause, amount in found.fixed:
                self._add(place, cause, amount)
            if found.units:
                for row, cause, amount in gap.trade(place, found.units, found.quantity_e8, found.own):
                    self._add(row, cause, amount)
                    if row != place:
                        self.closes.setdefault(place, (row, cause))
        if scale.mark is not None:
            self._held(scale, [self.pairs[place] for place in places])

    def _add(self, place: int, cause: Cause, amount: int) -> None:
        self.totals[cause] += amount
        self.shares[place][cause] += amount

    def _held(self, scale: Scale, pairs: list[Pair]) -> None:
        """Add what the final position of a symbol is worth beyond the orders that made it."""
        for own, sign, decisions in ((scale.a, -1, [p.one for p in pairs]), (scale.b, 1, [p.two for p in pairs])):
            if own is None:
                continue
            units = [sum(own.final(entry) for entry in decision.fills) for decision in decisions if decision is not None]
            stray = own.position - sum(units)
            self.totals[Cause.MARK] += sign * (own.value_e8 - scale.worth(own.position))
            self.totals[Cause.ROUNDING] += sign * (scale.worth(own.position) - sum(map(scale.worth, units)) - scale.worth(stray))
            if cause := _stray_cause(own):
                self.totals[cause] += sign * scale.worth(stray)

    def _flows(self) -> None:
        for reading, sign in ((self.a, -1), (self.b, 1)):
            for flow in reading.flows:
                cause = Cause.CORPORATE_ACTION if flow.exchanged else _FLOWS[EventKind(flow.kind)]
                self.totals[cause] += sign * flow.amount_e8

    def _fees(self) -> None:
        for place, pair in enumerate(self.pairs):
            if change := fee_of(pair.one) - fee_of(pair.two):
                self._add(place, Cause.FEE, change)

    def _rows(self) -> tuple[Row, ...]:
        found = []
        for place, (pair, shares) in enumerate(zip(self.pairs, self.shares, strict=True)):
            kind, said, symbol, _ = pair.joined
            parts = tuple((cause, shares[cause]) for cause in CAUSES if shares[cause]) if shares else ()
            cause, reason = self._why(place)
            found.append(
                Row(
                    kind, said if kind == "order" else None, symbol, pair.key, first_time(pair), pair.a, pair.b,
                    differing(pair.a, pair.b), cause, reason, parts,
                    None if symbol in self.unpriced else sum(amount for _, amount in parts),
                )
            )  # fmt: skip
        return tuple(found)

    def _why(self, place: int) -> tuple[Cause | None, str]:
        """Return why a row's quantities differ; one that gives back an earlier difference says whose."""
        own = self.own[place]
        if own is None or not own.own:
            return None, ""
        if place not in self.closes:
            return own.own[0][0], own.reason
        opener, cause = self.closes[place]
        pair = self.pairs[opener]
        since = "" if pair.key is None else f" by the decision of {moment(pair.key.bar_s * 10**9)}"
        return cause, f"gives back the difference opened{since}"

    def _parts(self, rows: tuple[Row, ...]) -> tuple[Part, ...]:
        counts = Counter(cause for row in rows for cause, _ in row.parts)
        unknown = set(_TRADES) if self.unpriced else set()
        return tuple(
            Part(cause, None if cause in unknown else self.totals[cause], counts[cause], MEANING[cause]) for cause in Cause
        )

    def _notes(self, rows: tuple[Row, ...]) -> tuple[str, ...]:
        notes = [
            f"{symbol} is held and has no price: what it is worth, and so the difference, is unknown." for symbol in sorted(self.unpriced)
        ]
        for reading in (self.a, self.b):
            side = reading.side("")
            if side.fees_unknown:
                notes.append(f"{side.fees_unknown} executions of session {reading.id} have no commission yet; they count without one.")
            if reading.behind:
                notes.append(f"Session {reading.id} is being written; its last {reading.behind} events are not compared.")
            if not reading.seq:
                notes.append(f"Session {reading.id} has no event.")
        return tuple(notes)


def _joined(a: Reading, b: Reading) -> list[Pair]:
    """Return every decision of either session; those of the first one first."""
    keys: dict[JoinKey, None] = dict.fromkeys(a.decisions)
    keys.update(dict.fromkeys(b.decisions))
    found = []
    for joined in keys:
        one, two = a.decisions.get(joined), b.decisions.get(joined)
        found.append(Pair(joined, _key(one or two), one, two, _leg(a, one), _leg(b, two)))
    return found


def _leg(reading: Reading, decision: Decision | None) -> Leg | None:
    return None if decision is None else leg_of(decision, reading.instruments.get(decision.instrument))


def _key(decision: Decision | None) -> Key | None:
    if decision is None or decision.key == 0:
        return None
    try:
        return unpack(decision.key)
    except ValueError:
        return None


def _last_price(a: Reading, b: Reading, symbol: str) -> Fraction | None:
    """Return the price of the last execution of a symbol in currency units: a stand-in where nothing is held."""
    for reading in (a, b):
        row = reading.by_symbol.get(symbol)
        for (_, _, name, _), decision in reversed(reading.decisions.items()):
            if name == symbol and decision.fills and row is not None:
                return Fraction(decision.fills[-1].price_ticks, 10**row.price_exp)
    return None


def _stray_cause(own: Own) -> Cause | None:
    """Return what explains a position that is not the sum of its executions; None: nothing may."""
    if own.unmatched:
        return Cause.UNMATCHED
    return Cause.CORPORATE_ACTION if own.splits else None


def _grids(a: Reading, b: Reading, symbol: str) -> Grids:
    one, two = (reading.by_symbol.get(symbol) for reading in (a, b))
    return Grids((one.price_exp, one.qty_exp) if one else None, (two.price_exp, two.qty_exp) if two else None)
