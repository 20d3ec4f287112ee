"""Periods of a run: they add up to the run, keep to sessions and half days, and know which fill was whose."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import backtest
from sim import run as runs
from sim.data import DataError, load
from sim.output.periods import documents, frame, periods
from sim.periods import Period, called
from strategies import get

from tests.sim.data.data_samples import sessions
from tests.sim.data.test_data_resample import minutes

HALF_DAYS = [date(2024, 11, 26), date(2024, 11, 27), date(2024, 11, 29), date(2024, 12, 2)]
CROSS = get("sma_cross")


def run_of(history, profile: str = "next-open", **words) -> runs.Simulation:  # type: ignore[no-untyped-def]
    setting = runs.Setting(profile=profile, worlds=0, size="percent:50", **words)
    return runs.simulate([history], CROSS, CROSS.params(1, 3, 0), setting)


def of(sim: runs.Simulation, by: str) -> list[Period]:
    return periods(runs.sheet(sim, runs.figures(sim)), by)


def cut(history, count: int):  # type: ignore[no-untyped-def]
    names = ("start_ns", "end_ns", "day", "open_ticks", "high_ticks", "low_ticks", "close_ticks", "volume", "signal_factor")
    return history._replace(**{name: getattr(history, name)[:count] for name in names})


KINDS = ["30m", "1h", "90min", "2h", "session", "week", "month", "quarter", "year"]


@settings(deadline=None, max_examples=30)
@given(
    by=st.sampled_from(KINDS[:2] + KINDS[3:]), seed=st.integers(0, 99), profile=st.sampled_from(["next-open", "close"]),
    first=st.sampled_from([date(2024, 11, 18), date(2024, 3, 4), date(2024, 12, 23)]), count=st.integers(1, 9),
    drop=st.frozensets(st.integers(0, 80), max_size=30),
)  # fmt: skip
def test_periods_add_up_to_the_run_to_the_last_unit(by, seed, profile, first, count, drop):  # type: ignore[no-untyped-def]
    history = minutes(sessions(count, first), step=30, seed=seed, bar="30m", drop=drop)
    if len(history.day) < 4:
        return
    sim = run_of(history, profile)
    whole, found = runs.figures(sim), of(sim, by)
    assert sum(one.profit_e8 for one in found) == whole["final_equity"] - 100_000 * 10**8
    assert (sum(one.fills for one in found), sum(one.fees_e8 for one in found)) == (whole["fills"], whole["fees"])
    assert sum(one.closed for one in found) == whole["trades"] and found[-1].equity_e8 == whole["final_equity"]
    assert min(one.drawdown for one in found) == whole["max_drawdown"]
    assert [one.until_ns for one in found] == sorted({one.until_ns for one in found})
    assert len({one.label for one in found}) == len(found)


@pytest.mark.parametrize("profile", ["next-open", "close"])
def test_a_fill_lies_in_the_period_of_the_bar_that_it_was_made_in(profile: str) -> None:
    history = minutes(HALF_DAYS, step=30, seed=3, bar="30m")
    whole = of(run_of(history, profile), "30m")
    assert sum(one.fills for one in whole) > 15
    fills, realized = 0, 0
    for count, one in enumerate(whole, 1):
        # A run over the bars so far has booked what these bars booked: the twin that cannot look at a later one.
        early = run_of(cut(history, count), profile)
        figures = runs.figures(early)
        assert one.fills == figures["fills"] - fills
        fills = figures["fills"]
        gained = of(early, "year")[0].realized_e8
        assert one.realized_e8 == gained - realized
        realized = gained


def test_a_half_day_ends_at_its_close_and_a_night_belongs_to_the_session_after_it() -> None:
    history = minutes(HALF_DAYS, step=30, bar="30m")
    found = of(run_of(history), "1h")
    assert [one.label for one in found[7:18]] == [
        *(f"2024-11-27 {hour}" for hour in ("09:30", "10:00", "11:00", "12:00", "13:00", "14:00", "15:00")),
        *(f"2024-11-29 {hour}" for hour in ("09:30", "10:00", "11:00", "12:00")),
    ]
    until = datetime.fromtimestamp(found[17].until_ns / 1e9, UTC).astimezone(ZoneInfo("America/New_York"))
    assert (until.hour, until.minute) == (13, 0) and found[18].label == "2024-12-02 09:30"
    days = of(run_of(history), "session")
    assert [one.label for one in days] == [str(day) for day in HALF_DAYS]
    assert days[2].profit_e8 == days[2].equity_e8 - days[1].equity_e8


@pytest.mark.parametrize(("first", "offset"), [(date(2024, 3, 8), -5), (date(2024, 11, 1), -4)])
def test_hours_follow_the_clock_of_the_exchange_over_a_change_of_it(first: date, offset: int) -> None:
    days = sessions(2, first)
    found = of(run_of(minutes(days, step=30, bar="30m")), "1h")
    assert [one.label[11:] for one in found] == ["09:30", "10:00", "11:00", "12:00", "13:00", "14:00", "15:00"] * 2
    assert {datetime.fromtimestamp(one.until_ns / 1e9, UTC).hour for one in found if one.label[11:] == "15:00"} == {20, 21}


def test_every_kind_of_period_has_its_name() -> None:
    sim = run_of(load("sp500", start="2018-11-30", end="2018-12-31")[0])
    assert [of(sim, by)[0].label for by in KINDS[4:]] == ["2018-11-30", "2018-W48", "2018-11", "2018-Q4", "2018"]
    assert of(sim, "week")[-1].label == "2019-W01", "the ISO week of New Year's Eve"
    assert [called(text) for text in ("Quarterly", "annual", "1Y", "day", "5 min")] == ["1q", "1y", "1y", "1d", "5m"]


@pytest.mark.parametrize(("by", "words"), [("fortnight", "not known"), ("1M", "not known"), ("", "not known"), ("1h", "further apart"), ("5min", "further apart")])
def test_a_kind_that_is_unknown_or_finer_than_the_bars_is_refused(by: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        of(run_of(load("sp500", start="2018-11-30", end="2018-12-31")[0]), by)


def test_what_nobody_knows_is_none_and_stays_out_of_sums() -> None:
    sim = run_of(load("sp500", start="2018-10-01", end="2018-12-31")[0])
    sheet = runs.sheet(sim, runs.figures(sim))
    known = np.ones(len(sheet["time_ns"]), np.bool_)
    known[np.flatnonzero(sheet["days"] < date(2018, 11, 1).toordinal())[-1]] = False
    found = periods({**sheet, "known": known}, "month")  # type: ignore[typeddict-item]
    assert [one.profit_e8 is None for one in found] == [True, True, False], "it began with an equity nobody knows"
    assert [one.equity_e8 is None for one in found] == [True, False, False] and found[0].drawdown is None
    rows = documents(found)
    assert rows[0]["equity"] is None and rows[0]["profit"] is None and rows[0]["return"] is None and rows[0]["fees"] is not None
    assert frame(found).size == 3


def test_an_account_that_begins_with_nothing_has_no_return() -> None:
    sim = run_of(load("sp500", start="2018-10-01", end="2018-12-31")[0])
    found = periods({**runs.sheet(sim, runs.figures(sim)), "start_e8": 0}, "month")  # type: ignore[typeddict-item]
    assert found[0].change is None and found[1].change is not None


def test_a_notebook_gets_periods_as_a_table(lean: Path) -> None:
    result = backtest(data=str(lean), symbols=["SPY"], reading={"start": "2013-10-07", "end": "2013-10-11", "bar": "5min"})
    table = result.periods("session")
    assert list(table.index) == [f"2013-10-{day:02d}" for day in range(7, 12)]
    assert table["profit"].sum() == pytest.approx(result.figures["final_equity"] / 1e8 - 100_000)
    assert len(result.periods("1h")) == 35
