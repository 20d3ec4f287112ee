"""Downloads: never too fast, never for ever, nothing that came is lost."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.data import DataError
from sim.data.load import load_text
from sim.data.store import download, yahoo
from sim.data.store.download import (
    RETRIES, SECOND_NS, SIZES, Clock, Fetched, Pace, PastBar, Question, Refused, Slowed, Unanswered, csv_text, fetch,
)  # fmt: skip
from tests.sim.data import data_samples as samples

DAY_NS = 86_400 * SECOND_NS
NOW = int(datetime(2025, 1, 2, 12, tzinfo=UTC).timestamp()) * SECOND_NS


class Time:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now_ns, self.waited = NOW, 0

    def clock(self) -> Clock:
        return Clock(lambda: self.now_ns, self.wait)

    def wait(self, nanoseconds: int) -> None:
        assert nanoseconds > 0
        self.now_ns += nanoseconds
        self.waited += nanoseconds


class Archive:
    """A source with daily bars of the sessions of 2024, whose answers follow a script of faults."""

    def __init__(self, time: Time, faults: list[type[Exception] | None] | None = None, per_answer: int = 60, head: bool = True) -> None:
        self.time, self.faults, self.per_answer, self.head = time, list(faults or []), per_answer, head
        self.asked: list[tuple[int, Question]] = []
        lines = samples.rows(252)
        self.all = [PastBar((date.fromisoformat(d) - date(1970, 1, 1)).days * DAY_NS, o, h, lo, c, v) for d, o, h, lo, c, v in lines]

    def head_ns(self, symbol: str, what: str) -> int | None:
        return self.all[0].start_ns if self.head else None

    def bars(self, question: Question) -> list[PastBar]:
        self.asked.append((self.time.now_ns, question))
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault("the script says so")
        end = question.end_ns or self.time.now_ns
        return [row for row in self.all if row.start_ns < end][-self.per_answer :]


def run(source: Archive, time: Time, start: date = date(2024, 1, 2), end: date = date(2024, 12, 27), **more) -> Fetched:
    return fetch(source, "X", "1d", start, end, pace=Pace(), clock=time.clock(), **more)


@settings(deadline=None)
@given(per_answer=st.integers(5, 300), first=st.integers(0, 250), last=st.integers(0, 251), head=st.booleans())
def test_whatever_the_pieces_the_whole_range_comes_once(per_answer, first, last, head):
    first, last = min(first, last), max(first, last)
    time = Time()
    source = Archive(time, per_answer=per_answer, head=head)
    days = [date(1970, 1, 1) + timedelta(row.start_ns // DAY_NS) for row in source.all]
    found = run(source, time, days[first], days[last])
    assert found.bars == source.all[first : last + 1] and found.stopped == ""
    assert found.questions == len(source.asked) <= 300 // per_answer + 60


@settings(deadline=None, max_examples=30)
@given(times=st.lists(st.integers(0, 20 * SECOND_NS), min_size=1, max_size=150), kinds=st.lists(st.integers(0, 3), min_size=1, max_size=9))
def test_the_pace_never_breaks_a_limit_and_never_waits_without_need(times, kinds):
    pace, now, sent = Pace(), 0, []
    for at, gap in enumerate(times):
        question = Question("AB"[kinds[at % len(kinds)] % 2], kinds[at % len(kinds)], "1 D", "1 min", "TRADES")
        now += gap
        wait = pace.wait_ns(question, now)
        # The twin looks at every limit from the definition.
        def breaks(when: int) -> bool:
            same = any(other == question and when - t < 15 * SECOND_NS for t, other in sent)
            burst = sum(other.symbol == question.symbol and when - t < 2 * SECOND_NS for t, other in sent) >= 5
            return same or burst or sum(when - t < 600 * SECOND_NS for t, _ in sent) >= 60

        assert not breaks(now + wait) and (wait == 0 or breaks(now + wait - 1))
        now += wait
        pace.asked(question, now)
        sent.append((now, question))


@pytest.mark.parametrize("faults", [
    [Slowed], [Unanswered, Unanswered], [None, Slowed, Slowed, Slowed], [None, None, Unanswered],
])  # fmt: skip
def test_a_question_that_failed_is_asked_again_and_nothing_is_missing(faults):
    time = Time()
    source = Archive(time, faults)
    found = run(source, time)
    assert len(found.bars) == 250 and found.stopped == "" and time.waited > 0


@pytest.mark.parametrize(("fault", "count"), [(Slowed, RETRIES + 1), (Unanswered, RETRIES + 1), (Refused, 1)])
def test_asking_again_has_an_end_and_what_came_is_kept(fault, count):
    time = Time()
    source = Archive(time, [None, None, *[fault] * 50])
    found = run(source, time)
    assert found.stopped == "the script says so" and found.questions == 2 + count
    assert found.bars == [row for row in source.all if date(1970, 1, 1) + timedelta(row.start_ns // DAY_NS) <= date(2024, 12, 27)][-len(found.bars):]
    assert len(found.bars) >= 100, "without a hole, up to the newest"


def test_a_source_that_repeats_itself_is_not_asked_for_ever():
    class Stuck(Archive):
        def bars(self, question: Question) -> list[PastBar]:
            self.asked.append((0, question))
            return self.all[100:110] if len(self.asked) < 500 else []

    time = Time()
    source = Stuck(time, head=False)
    found = run(source, time, start=date(1990, 1, 2))
    assert found.bars == source.all[100:110] and found.questions <= 8
    assert all(a[1].end_ns > b[1].end_ns for a, b in zip(source.asked, source.asked[1:]))


def test_an_empty_archive_ends_after_a_few_questions():
    time = Time()
    source = Archive(time, head=False)
    source.all = []
    found = run(source, time, start=date(2000, 1, 3))
    assert found.bars == [] and found.stopped == "" and found.questions <= 6


@pytest.mark.parametrize("bar", sorted(SIZES))
def test_every_length_has_a_duration_that_is_its_span(bar):
    number, unit = SIZES[bar].duration.split()
    assert int(number) * {"S": SECOND_NS, "D": DAY_NS, "W": 7 * DAY_NS, "M": 30 * DAY_NS, "Y": 365 * DAY_NS}[unit] == SIZES[bar].span_ns


def test_a_length_that_the_source_has_not_is_refused():
    with pytest.raises(DataError, match="use one of"):
        download.size_for("7m")


def test_downloaded_bars_pass_the_rules_of_every_file():
    time = Time()
    found = run(Archive(time), time)
    made = load_text(csv_text(found.bars, True), "X", "ib TRADES", timezone="America/New_York", now_ns=NOW)
    assert len(made.day) == 250 and made.source == "ib TRADES"
    broken = [*found.bars[:9], found.bars[9]._replace(close="900"), *found.bars[10:]]
    with pytest.raises(DataError, match="row 11, column close"):
        load_text(csv_text(broken, True), "X", "ib TRADES", timezone="America/New_York", now_ns=NOW)


def test_yahoo_is_an_extra_that_says_how_to_get_it(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(yahoo.importlib, "import_module", absent)
    with pytest.raises(DataError, match=r"onebook\[yahoo\]"):
        yahoo.csv_of("SPY", "1d", date(2024, 1, 2), date(2024, 1, 9))


class Finance:
    """What yfinance looks like to us; `answer` is a table, or an exception to raise."""

    def __init__(self, answer):
        self.answer = answer

    def Ticker(self, symbol):
        return self

    def history(self, **words):
        assert words["auto_adjust"] is True and words["end"] == "2024-01-13"
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_what_yahoo_gives_is_validated_with_its_noise_rounded_and_counted(monkeypatch):
    import pandas as pd

    index = pd.DatetimeIndex([datetime.fromisoformat(row[0]) for row in samples.rows(8)], tz="America/New_York")
    prices = [100.12345678901234 + at for at in range(8)]
    table = pd.DataFrame({"Open": prices, "High": prices, "Low": prices, "Close": prices, "Volume": [5] * 8}, index)
    monkeypatch.setattr(yahoo.importlib, "import_module", lambda name: Finance(table))
    text = yahoo.csv_of("SPY", "1d", date(2024, 1, 2), date(2024, 1, 12))
    made = load_text(text, "SPY", "yahoo", timezone="America/New_York", repairs=yahoo.REPAIRS)
    assert made.close_ticks[0] == 10_012_345_679 and [(r.name, r.count) for r in made.repairs] == [("round-prices", 32)]


@pytest.mark.parametrize("answer", [OSError("no route"), ValueError("no JSON"), None])
def test_no_network_is_one_sentence(monkeypatch, answer):
    monkeypatch.setattr(yahoo.importlib, "import_module", lambda name: Finance(answer))
    with pytest.raises(DataError, match="check the network"):
        yahoo.csv_of("SPY", "1d", date(2024, 1, 2), date(2024, 1, 12))
