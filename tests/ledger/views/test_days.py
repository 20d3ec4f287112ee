"""Trading days: the day in force where there is one, the clock where there is none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import views
from ledger.book import event
from ledger.journal import Journal
from ledger.views.days import EPOCH_ORDINAL, Days, event_days, recorded_days
from ledger.vocabulary import EventKind as K
from tests.ledger.journal.journal_streams import stream


def ns(text: str) -> int:
    """Return a time in UTC as ns."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def day(text: str) -> int:
    return datetime.fromisoformat(text).toordinal() - EPOCH_ORDINAL


ROUND_THE_CLOCK = ("UTC", [(4, "2026-01-01T00:00", "2026-01-01"), (9, "2026-01-02T00:00", "2026-01-02")])
WEEKS = ("America/New_York", [(4, "2026-01-05T14:30", "2026-01-09"), (9, "2026-01-12T14:30", "2026-01-16")])
EVENINGS = ("America/Chicago", [(4, "2026-01-04T23:00", "2026-01-05"), (9, "2026-01-05T23:00", "2026-01-06")])
PAPER = ("America/New_York", [(4, "2026-01-02T14:30", "2026-01-02"), (9, "2026-01-06T14:30", "2026-01-06")])
CASES = [
    ("a bar that ends at midnight ends its own day", ROUND_THE_CLOCK, 8, "2026-01-02T00:00", "2026-01-01"),
    ("what happens when a day begins is the new day's", ROUND_THE_CLOCK, 10, "2026-01-02T00:00", "2026-01-02"),
    ("the last bar of a session ends its own day", ROUND_THE_CLOCK, 12, "2026-01-03T00:00", "2026-01-02"),
    ("a deposit at the first bar's beginning is the first day's", EVENINGS, 2, "2026-01-04T23:00", "2026-01-05"),
    ("a deposit before the first day is the clock's", EVENINGS, 2, "2026-01-04T22:00", "2026-01-04"),
    ("an evening session is the next day's", EVENINGS, 6, "2026-01-05T01:00", "2026-01-05"),
    ("a week's bar is its last day's, from its first moment on", WEEKS, 5, "2026-01-05T14:30", "2026-01-09"),
    ("so is its last moment", WEEKS, 8, "2026-01-09T21:00", "2026-01-09"),
    ("an evening in New York is tomorrow in UTC and today there", PAPER, 6, "2026-01-03T01:30", "2026-01-02"),
    ("nothing begins a day on a Saturday, so Friday is in force", PAPER, 7, "2026-01-03T16:00", "2026-01-02"),
    ("an execution that is heard of a day late was made when it was made", PAPER, 12, "2026-01-05T20:00", "2026-01-05"),
    ("a clock that runs ahead of the day that is in force", PAPER, 8, "2026-01-07T15:00", "2026-01-07"),
    ("a session without days goes by the clock of its zone", ("America/New_York", []), 8, "2026-01-03T01:30", "2026-01-02"),
]


@pytest.mark.parametrize(("told", "session", "seq", "time", "expected"), CASES, ids=[case[0] for case in CASES])
def test_a_fact_belongs_to_the_day_in_force_when_it_was_heard_of(told, session, seq, time, expected):
    zone, begun = session
    table = np.array([(at, ns(when), day(on)) for at, when, on in begun], np.int64).reshape(-1, 3)
    found = Days(table[:, 0], table[:, 1], table[:, 2], ZoneInfo(zone)).of(np.array([seq]), np.array([ns(time)]))
    assert found.tolist() == [day(expected)], told


def test_the_newest_day_is_the_one_in_force_and_not_the_date_of_the_last_moment(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "a.db") as journal:
        session = journal.begin("backtest", "x", config={"timezone": "UTC"})
        assert views.newest_day(journal, session.id) is None
        session.record(event(K.DEPOSIT, cash_e8=10**8, time_ns=ns("2026-01-01T00:00")))
        assert views.newest_day(journal, session.id) == day("2026-01-01")
        session.record(event(K.DAY, revision=day("2026-01-02") + EPOCH_ORDINAL, time_ns=ns("2026-01-02T00:00")))
        session.record(event(K.DEPOSIT, cash_e8=10**8, time_ns=ns("2026-01-03T00:00")))
        assert views.newest_day(journal, session.id) == day("2026-01-02")


def test_what_was_defined_without_a_time_makes_no_day_and_a_time_before_1970_does(tmp_path: Path) -> None:
    share = event(K.INSTRUMENT, instrument=1, revision=2, price_ticks=1, qty_lots=1, target_lots=1)
    early = event(K.DEPOSIT, cash_e8=10**8, time_ns=ns("1965-03-01T12:00"))
    late = event(K.DEPOSIT, cash_e8=10**8, time_ns=ns("2026-01-02T12:00"))
    for lines, expected in (([share, late], ["2026-01-02"] * 2), ([early], ["1965-03-01"]), ([share], ["1970-01-01"])):
        assert event_days(np.array(lines), ZoneInfo("UTC")).tolist() == [day(text) for text in expected]
    with Journal.open(tmp_path / "a.db") as journal:
        session = journal.begin("import", "x", config={"timezone": "UTC"})
        session.record(share)
        assert views.newest_day(journal, session.id) is None
        other = journal.begin("backtest", "x", config={"timezone": "UTC"})
        other.record(early)
        assert views.newest_day(journal, other.id) == day("1965-03-01")
        assert [recorded_days(journal, number).tolist() for number in (1, 2)] == [[0], [day("1965-03-01")]]


@given(st.integers(0, 10**6), st.integers(1, 200), st.sampled_from(["America/New_York", "UTC", "America/Goose_Bay"]))
def test_days_never_fall_and_a_day_that_began_is_in_force_until_the_next(seed: int, steps: int, zone: str) -> None:
    events, _ = stream(seed, steps)
    found, in_force = event_days(events, ZoneInfo(zone)), None
    assert (np.diff(found) >= 0).all()
    for line, on in zip(events, found.tolist(), strict=True):
        in_force = int(line[10]) - EPOCH_ORDINAL if line[1] == K.DAY else in_force
        assert in_force in (None, on)


def test_a_clock_that_is_set_back_over_midnight_shows_no_day_twice() -> None:
    """In Goose Bay clocks went back at 00:01, so a Sunday of a minute stood between two Saturdays."""
    moments = [ns("2010-11-07T02:59:00") + seconds * 10**9 for seconds in (0, 90, 1_260, 4_000)]
    events = np.array([event(K.DEPOSIT, cash_e8=1, time_ns=moment) for moment in moments])
    assert event_days(events, ZoneInfo("America/Goose_Bay")).tolist() == [day("2010-11-06")] * 3 + [day("2010-11-07")]
