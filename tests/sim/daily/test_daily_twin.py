"""Every daily figure against a slow twin that walks fills and closes in fractions, whatever a day is and whatever is unknown."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.api import figures
from ledger import views
from ledger.book import event
from ledger.explain import days_of, explain_day
from ledger.journal import Journal
from ledger.units import decimal_text
from ledger.vocabulary import EventKind as K
from sim.daily import report
from sim.output.stored import points

E8, EPOCH = 10**8, 719_163
SHAPES = {
    "round the clock": (0, 24, 1), "session": (9.5, 16, 1), "half day": (9.5, 13, 1), "evening": (-7, 16, 1), "week": (-86.5, 16, 7),
}  # fmt: skip
"""When a day begins and ends, in hours after the midnight of its date, and how many dates lie between two of them."""
ZONES = ["UTC", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe", "America/Havana"]
FIRSTS = [date(2026, 1, 2), date(2026, 3, 6), date(2026, 10, 30), date(2026, 4, 3)]
"""Fridays; the clock of a zone is changed on the Sunday after most of them."""


class Twin:
    """A session as it is told, and beside its events the account in fractions; days are what the teller says they are."""

    def __init__(self, seed: int, shape: str, zone: str, count: int, begun: bool) -> None:
        self.draw, self.zone, self.begun, self.events = Random(seed), zone, begun, [None] * 0
        self.lots: dict[int, list[tuple[Fraction, Fraction, bool]]] = {1: [], 2: []}
        self.marks, self.cash, self.execs = {}, Fraction(0), 0
        self.realized, self.fees, self.fills, self.closings = defaultdict(Fraction), defaultdict(Fraction), Counter(), Counter()
        self.unpaid, self.ends = set(), {}
        begin, end, step = SHAPES[shape]
        self.date = self.draw.choice(FIRSTS)
        for number in self.lots:
            self.tell(K.INSTRUMENT, self.at(begin), instrument=number, revision=2, price_ticks=1, qty_lots=1, target_lots=1)
        self.cash += 10**6
        self.tell(K.DEPOSIT, self.at(begin), cash_e8=10**6 * E8)
        for _ in range(count):
            self.live(self.at(begin), self.at(end))
            self.date += timedelta(days=step * self.draw.choice([1, 1, 1, 3]))

    def at(self, hours: float) -> int:
        """Return when the zone's clock shows so many hours after the midnight of the day's date, UTC ns."""
        wall = datetime(self.date.year, self.date.month, self.date.day, tzinfo=ZoneInfo(self.zone)) + timedelta(hours=hours)
        return int(wall.astimezone(UTC).timestamp()) * 10**9

    def tell(self, kind: K, time_ns: int, **fields: int) -> int:
        """Add an event; return its day, whose last known equity is the account's after it."""
        self.events.append(event(kind, time_ns=time_ns, **fields))
        shown = datetime.fromtimestamp(time_ns // 10**9, ZoneInfo(self.zone)).date()
        day = (self.date if self.begun else shown).toordinal() - EPOCH
        self.ends[day] = self.equity()
        return day

    def equity(self) -> Fraction | None:
        held = {number: sum(lot[0] for lot in lots) for number, lots in self.lots.items()}
        if any(shares and number not in self.marks for number, shares in held.items()):
            return None
        return self.cash + sum(shares * self.marks[number] for number, shares in held.items() if shares)

    def live(self, begin: int, end: int) -> None:
        if self.begun:
            self.tell(K.DAY, begin, revision=self.date.toordinal())
        within = sorted(self.draw.randrange(begin + 1, end) for _ in range(self.draw.randrange(3)))
        for moment in [begin] * self.draw.randrange(2) + within:
            self.fill(moment)
        if self.draw.random() < 0.3:
            self.cash += 7
            self.tell(self.draw.choice([K.DEPOSIT, K.INTEREST]), end, cash_e8=7 * E8)
        for number in self.lots:
            if self.draw.random() < 0.8:
                self.marks[number] = Fraction(self.draw.randint(100, 10_000), 100)
                self.tell(K.MARK, end, instrument=number, price_ticks=int(self.marks[number] * 100))
        for _ in range(self.draw.randrange(2)):
            self.fill(end)

    def fill(self, moment: int) -> None:
        """Trade at a moment: match lots by FIFO, at times without a known fee."""
        number, shares = self.draw.choice([1, 2]), self.draw.choice([-30, -20, -10, 10, 20])
        price, fee = Fraction(self.draw.randint(100, 10_000), 100), self.draw.choice([None, Fraction(1), Fraction(33, 100)])
        self.execs += 1
        closed, unpaid, left, lots = Fraction(0), fee is None, Fraction(shares), self.lots[number]
        matched = False
        while left and lots and lots[0][0] * left < 0:
            held, paid, known = lots.pop(0)
            part = max(held, -left) if held < 0 else min(held, -left)
            closed, unpaid, matched = closed + part * (price - paid), unpaid or not known, True
            left += part
            if held != part:
                lots.insert(0, (held - part, paid, known))
        if left:
            lots.append((left, price, fee is not None))
        self.cash -= shares * price
        side = 1 if shares > 0 else -1
        day = self.tell(K.FILL, moment, instrument=number, side=side, qty_lots=abs(shares), price_ticks=int(price * 100), exec_id=self.execs)
        self.fills[day] += 1
        if matched:
            self.realized[day] += closed
            self.closings[day] += 1
            self.unpaid |= {day} if unpaid else set()
        if fee is not None:
            self.cash -= fee
            self.fees[day] += fee
            self.tell(K.COMMISSION, moment, exec_id=self.execs, fee_e8=int(fee * E8))


def e8(amount: Fraction | None) -> int | None:
    """Return an amount as the book has it; every one of these sessions is whole units."""
    assert amount is None or (amount * E8).denominator == 1
    return None if amount is None else int(amount * E8)


@settings(max_examples=1_000 if os.environ.get("ONEBOOK_SOAK") else 25, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(list(SHAPES)), st.sampled_from(ZONES), st.integers(1, 8), st.booleans())
def test_every_figure_of_every_day_is_the_twins_and_the_days_add_up(tmp_path_factory: Any, seed: int, shape: str, zone: str, count: int, begun: bool):
    twin = Twin(seed, shape, zone, count, begun)
    with Journal.open(tmp_path_factory.mktemp("twin") / "a.db") as journal:
        session = journal.begin("paper", "DU1", config={"timezone": zone})
        session.record_all(np.array(twin.events))
        session.end()
        ends = {day: e8(equity) for day, equity in twin.ends.items()}
        realized, unpaid = {day: e8(amount) for day, amount in twin.realized.items()}, twin.unpaid

        assert days_of(journal, 1) == list(ends)
        before = 0
        for day, after in ends.items():
            told = explain_day(journal, 1, day)
            assert (told.before_e8, told.after_e8) == (before, after)
            assert told.residual_e8 == (None if None in (before, after) else 0)
            before = after

        rows = views.pnl_days(journal, 1)
        assert {row.day: row.pnl_e8 for row in rows} == realized and {row.day for row in rows if row.net_e8 is None} == unpaid
        account = views.totals(journal, 1)
        assert sum(row.pnl_e8 for row in rows) == account.realized_e8
        assert before == account.equity_e8

        curve = points(journal, 1)
        assert (np.diff(curve[:, 0]) > 0).all()
        assert {int(row[1]) - EPOCH: None if row[4] else int(row[2] + row[3]) for row in curve} == ends

        last = list(ends)[-1]
        assert views.newest_day(journal, 1) == last
        shown = figures.pnl(journal, journal.sessions()[0])
        net = next((row.net_e8 for row in rows if row.day == last), 0)
        assert (shown["day"], shown["daily"]) == (date.fromordinal(last + EPOCH).isoformat(), None if net is None else decimal_text(net))

        windows = figures.performance(journal, journal.sessions()[0])
        first = account.deposits_e8 if len(ends) == 1 else list(ends.values())[-2]
        change = None if curve[:, 4].any() or first <= 0 else ends[last] / first - 1
        assert (windows["daily"]["total_return"], windows["daily"]["total_trades"]) == (change, twin.closings[last])
        assert windows["all"]["total_trades"] == sum(twin.closings.values())

        reports = {day: report(journal, 1, day) for day in ends}
        assert report(journal, 1).day == last
        for day, found in reports.items():
            assert (found.executed.executions, found.executed.fees_e8) == (twin.fills[day], e8(twin.fees[day]))
            assert found.totals[0].value == realized.get(day, 0) and all(total.agrees for total in found.totals)
        assert sum(found.executed.executions for found in reports.values()) == account.fills
