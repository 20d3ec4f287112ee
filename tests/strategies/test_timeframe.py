"""Longer bars: against pandas, on edges of the clock, and never known before their time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.api import Bars, head, part
from strategies.timeframe import DAY_NS, HOUR_NS, MONDAY_NS, WEEK_NS, bucket_end, higher, spread
from tests.strategies.samples import real

MINUTE_NS = HOUR_NS // 60
offsets = st.lists(st.integers(1, 40), min_size=1, max_size=60)


def bars_at(times):
    rng = np.random.default_rng(len(times))
    close = 100 + np.cumsum(rng.normal(size=len(times)))
    return Bars(np.array(times, np.int64), close - 0.1, close + 1.0, close - 1.0, close, np.arange(1.0, len(times) + 1.0))


def slow_known(bars, span, origin):
    """For each bar the end, open, high, low, close and volume of the newest longer bar it knows, or None."""
    answers = []
    for t in range(bars.close.size):
        groups: dict[int, list[int]] = {}
        for i in range(t + 1):
            groups.setdefault(-(-(int(bars.time_ns[i]) - origin) // span), []).append(i)
        first = min(groups)
        over = [b for b in groups if b != first and origin + b * span <= bars.time_ns[t]]
        rows = groups[max(over)] if over else None
        answers.append(rows and (
            origin + max(over) * span, bars.open[rows[0]], bars.high[rows].max(), bars.low[rows].min(), bars.close[rows[-1]],
            bars.volume[rows].sum(),
        ))  # fmt: skip
    return answers


@settings(deadline=None)
@given(steps=offsets, span=st.integers(1, 100), origin=st.integers(-50, 50))
def test_a_bar_knows_the_longer_bars_that_a_plain_count_says_it_knows(steps, span, origin):
    bars = bars_at(np.cumsum(steps))
    longer, known = higher(bars, span, origin)
    columns = [spread(column.astype(np.float64), known) for column in longer]
    for t, wanted in enumerate(slow_known(bars, span, origin)):
        got = [column[t] for column in columns]
        assert np.isnan(got).all() if wanted is None else got == pytest.approx(wanted)


@settings(deadline=None)
@given(steps=offsets, span=st.integers(1, 100), cut=st.integers(0, 60), start=st.integers(0, 59))
def test_what_is_known_does_not_change_when_history_ends_earlier_or_starts_later(steps, span, cut, start):
    bars = bars_at(np.cumsum(steps))
    longer, known = higher(bars, span, 0)
    whole = spread(longer.close, known)
    early, known_early = higher(head(bars, cut), span, 0)
    assert spread(early.close, known_early).tobytes() == whole[:cut].tobytes()
    late, known_late = higher(part(bars, start, bars.close.size), span, 0)
    shown = spread(late.close, known_late)
    assert (shown[~np.isnan(shown)] == whole[start:][~np.isnan(shown)]).all()


def test_weeks_of_the_index_are_those_of_pandas_and_known_on_the_next_monday():
    bars = real("sp500")[0]
    longer, known = higher(bars, WEEK_NS, MONDAY_NS)
    frame = pd.DataFrame({"close": bars.close, "high": bars.high, "low": bars.low}, index=pd.to_datetime(bars.time_ns))
    weeks = frame.resample("W-SUN").agg({"close": "last", "high": "max", "low": "min"}).dropna()
    np.testing.assert_array_equal(longer.close, weeks["close"])
    np.testing.assert_array_equal(longer.high, weeks["high"])
    np.testing.assert_array_equal(longer.low, weeks["low"])
    assert (pd.to_datetime(longer.time_ns).day_of_week == 0).all()
    shown = spread(longer.close, known)
    weekday = frame.index.day_of_week
    mondays = np.flatnonzero(weekday == 0)
    mondays = mondays[mondays > 10]
    assert (shown[mondays] == bars.close[mondays - 1]).all()
    fridays = np.flatnonzero((weekday == 4) & (np.arange(len(weekday)) > 10))
    assert (shown[fridays] != bars.close[fridays]).mean() > 0.99


def test_an_hour_made_of_minutes_is_known_with_its_last_minute():
    times = [9 * HOUR_NS + minute * MINUTE_NS for minute in range(1, 181)]
    bars = bars_at(times)
    longer, known = higher(bars, HOUR_NS, 0)
    assert list(longer.time_ns) == [10 * HOUR_NS, 11 * HOUR_NS, 12 * HOUR_NS]
    shown = spread(longer.close, known)
    assert np.isnan(shown[:119]).all()  # the first hour may have begun before the history did
    assert shown[119] == bars.close[119] and shown[178] == bars.close[119] and shown[179] == bars.close[179]


def test_buckets_end_on_the_edges_of_the_clock_before_1970_too():
    assert bucket_end(HOUR_NS, HOUR_NS, 0) == HOUR_NS and bucket_end(HOUR_NS + 1, HOUR_NS, 0) == 2 * HOUR_NS
    assert bucket_end(-1, HOUR_NS, 0) == 0 and bucket_end(0, HOUR_NS, 0) == 0 and bucket_end(1, HOUR_NS, 0) == HOUR_NS
    assert pd.Timestamp(bucket_end(0, WEEK_NS, MONDAY_NS)).day_of_week == 0 and WEEK_NS == 7 * DAY_NS


def test_an_unknown_price_stays_unknown_in_its_longer_bar():
    bars = bars_at(np.arange(1, 13) * 10)
    bars.high[5] = bars.low[5] = np.nan
    longer, _ = higher(bars, 30, 0)
    assert np.isnan(longer.high[1]) and np.isnan(longer.low[1]) and not np.isnan(longer.high[[0, 2, 3]]).any()


def test_no_bars_have_no_longer_bars_and_a_span_of_nothing_is_refused():
    longer, known = higher(bars_at([]), 10, 0)
    assert longer.close.size == known.size == 0
    with pytest.raises(ValueError):
        higher(bars_at([1, 2]), 0, 0)
