"""Longer bars: equal to a slow loop and to pandas, never known early, never half a bar."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.data import DataError, History, load
from sim.data.history import Repair, frozen
from sim.data.place import bar_called
from sim.data.resample import known_at, resample
from sim.data.sessions import new_york_sessions
from tests.sim.data import data_samples as samples

NEW_YORK = "America/New_York"
MINUTE = 60 * 10**9
COLUMNS = ("start_ns", "end_ns", "day", "open_ticks", "high_ticks", "low_ticks", "close_ticks", "volume")


def minutes(days: list[date], step: int = 5, drop: frozenset[int] = frozenset(), seed: int = 1, bar: str = "5m") -> History:
    """Return bars of whole sessions without those numbered in `drop`."""
    rng = np.random.default_rng(seed)
    rows = []
    table = new_york_sessions(max(days).toordinal())
    for day in days:
        opens, closes = (int(values[0]) for values in table.minutes(np.array([day.toordinal()])))
        for minute in range(opens, closes, step):
            moment = datetime.combine(day, datetime.min.time(), ZoneInfo(NEW_YORK)) + timedelta(minutes=minute)
            start = int(moment.timestamp()) * 10**9
            low, high = sorted(rng.integers(50, 150, 2).tolist())
            first, last = rng.integers(low, high + 1, 2).tolist()
            rows.append((start, start + step * MINUTE, day.toordinal(), first, high, low, last, int(rng.integers(0, 99))))
    kept = np.array([row for at, row in enumerate(rows) if at not in drop], np.int64).reshape(-1, 8)
    columns = dict(zip(COLUMNS, (frozen(kept[:, at]) for at in range(8))))
    ones = np.ones(len(kept))
    return History("X", "test", bar, NEW_YORK, 2, signal_factor=ones, actions=(), repairs=(), sha256="", **columns)


def slow(history: History, bar: str) -> list[tuple[int, ...]]:
    """Resample bar by bar: the twin. Returns the rows of COLUMNS."""
    size = {"h": 60, "m": 1}.get(bar[-1], 0) * int(bar.removesuffix("mo").rstrip("mhdw"))
    zone, table = ZoneInfo(NEW_YORK), new_york_sessions(int(history.day.max()))
    groups: dict[object, list[int]] = {}
    for at in range(len(history.day)):
        day = int(history.day[at])
        local = datetime.fromtimestamp(history.start_ns[at] / 1e9, zone)
        key = (day - 1) // 7 if bar == "1w" else date.fromordinal(day).replace(day=1) if bar == "1mo" else day if bar == "1d" else (day, (local.hour * 60 + local.minute) // size)
        groups.setdefault(key, []).append(at)
    rows = []
    for key, members in groups.items():
        if bar == "1w":
            inside = table.between(key * 7 + 1, key * 7 + 7)
            first, last = int(inside[0]), int(inside[-1])
        elif bar == "1mo":
            after = (key + timedelta(days=31)).replace(day=1)
            inside = table.between(key.toordinal(), after.toordinal() - 1)
            first, last = int(inside[0]), int(inside[-1])
        else:
            first = last = key if bar == "1d" else key[0]
        opens, closes = utc(first, int(table.minutes(np.array([first]))[0][0])), utc(last, int(table.minutes(np.array([last]))[1][0]))
        if size:
            opens, closes = max(opens, utc(first, key[1] * size)), min(closes, utc(first, (key[1] + 1) * size))
        a, b = members[0], members[-1]
        whole = (a > 0 or history.start_ns[0] <= opens) and (b < len(history.day) - 1 or history.end_ns[-1] >= closes)
        if whole:
            rows.append((
                int(history.start_ns[a]), closes, int(history.day[b]), int(history.open_ticks[a]),
                max(int(history.high_ticks[k]) for k in members), min(int(history.low_ticks[k]) for k in members),
                int(history.close_ticks[b]), sum(int(history.volume[k]) for k in members),
            ))  # fmt: skip
    return rows


def utc(day: int, minute: int) -> int:
    moment = datetime.combine(date.fromordinal(day), datetime.min.time(), ZoneInfo(NEW_YORK)) + timedelta(minutes=minute)
    return int(moment.timestamp()) * 10**9


def rows_of(history: History) -> list[tuple[int, ...]]:
    return list(zip(*(getattr(history, name).tolist() for name in COLUMNS)))


@settings(deadline=None, max_examples=40)
@given(
    bar=st.sampled_from(["10m", "15m", "30m", "1h", "2h", "4h", "1d", "1w"]),
    first=st.sampled_from([date(2024, 11, 18), date(2024, 3, 4), date(2024, 10, 28), date(2024, 12, 16)]),
    count=st.integers(2, 12), drop=st.frozensets(st.integers(0, 400), max_size=120), seed=st.integers(0, 99),
)  # fmt: skip
def test_longer_bars_are_those_of_the_slow_twin(bar, first, count, drop, seed):
    history = minutes(samples.sessions(count, first), drop=drop, seed=seed)
    wanted = slow(history, bar)
    if not wanted:
        with pytest.raises(DataError, match="no whole bar"):
            resample(history, bar)
        return
    made = resample(history, bar)
    assert rows_of(made) == wanted and made.bar == bar


@settings(deadline=None, max_examples=20)
@given(
    bar=st.sampled_from(["1w", "1mo"]), first=st.dates(date(2019, 1, 1), date(2024, 9, 1)), count=st.integers(2, 70),
    drop=st.frozensets(st.integers(0, 600), max_size=200),
)  # fmt: skip
def test_weeks_and_months_are_those_of_the_slow_twin(bar, first, count, drop):
    history = minutes(samples.sessions(count, first), step=30, drop=drop, bar="30m")
    wanted = slow(history, bar) if len(history.day) else []
    if len(history.day) and wanted:
        assert rows_of(resample(history, bar)) == wanted


@pytest.mark.parametrize(("text", "name"), [
    ("5min", "5m"), ("5 minutes", "5m"), ("60min", "1h"), ("1hour", "1h"), ("90s", "90s"), ("120sec", "2m"), ("session", "1d"), ("Day", "1d"),
    ("week", "1w"), ("1wk", "1w"), ("month", "1mo"), ("1mo", "1mo"), (" 4H ", "4h"), ("1D", "1d"), ("24h", "24h"),
])  # fmt: skip
def test_a_length_has_one_name_however_it_is_written(text, name):
    if name != "24h":
        assert bar_called(text) == name == bar_called(name)
    else:
        assert bar_called(text) == "1d"


@pytest.mark.parametrize("text", ["1M", "5Min", "2d", "12mo", "0m", "-5m", "m", "", "5", "fortnight", "1.5h", "00005m", "99999m", "5m5m", "٥m"])
def test_a_length_that_nobody_knows_or_that_could_be_two_is_refused(text):
    with pytest.raises(DataError, match="bar length is not known"):
        bar_called(text)


@settings(deadline=None, max_examples=40)
@given(bar=st.sampled_from(["10m", "1h", "4h", "1d", "1w"]), drop=st.frozensets(st.integers(0, 900), max_size=200), cut=st.integers(5, 900))
def test_a_longer_bar_never_knows_what_comes_after_its_end(bar, drop, cut):
    history = minutes(samples.sessions(12, date(2024, 10, 28)), drop=drop)
    known = history._replace(**{name: frozen(getattr(history, name)[:cut]) for name in COLUMNS}, signal_factor=history.signal_factor[:cut])
    try:
        early = rows_of(resample(known, bar))
    except DataError:
        early = []
    late = rows_of(resample(history, bar))
    assert late[: len(early)] == early
    # What the short history lacks was not over when it ended.
    assert all(row[1] > known.end_ns[-1] for row in late[len(early):])


@pytest.mark.parametrize("path", [("10m", "1h"), ("15m", "30m", "1h", "1d", "1w"), ("1d", "1w"), ("30m", "4h"), ("1h", "1d", "1mo")])
def test_steps_on_the_way_change_nothing(path):
    history = minutes(samples.sessions(50, date(2024, 10, 1)))
    step = history
    for bar in path:
        step = resample(step, bar)
    assert rows_of(step) == rows_of(resample(history, path[-1]))


def test_a_half_day_ends_with_its_session():
    made = resample(minutes([date(2024, 11, 27), date(2024, 11, 29)]), "1h")
    ends = [datetime.fromtimestamp(end / 1e9, ZoneInfo(NEW_YORK)).strftime("%d %H:%M") for end in made.end_ns]
    assert ends[6:] == ["27 16:00", "29 10:00", "29 11:00", "29 12:00", "29 13:00"]


def test_what_is_read_at_a_bars_end_was_known_then():
    short, long = minutes(samples.sessions(8)), resample(minutes(samples.sessions(8)), "1h")
    known = known_at(short, long)
    assert (known[:5] == -1).all() and known[5] == 0, "09:30 to 10:00 is known with the bar that ends at 10:00"
    assert (long.end_ns[known[known >= 0]] <= short.end_ns[known >= 0]).all()
    later = known[known < len(long.end_ns) - 1]
    assert (long.end_ns[later + 1] > short.end_ns[: len(later)]).all()


@pytest.mark.parametrize(("have", "want", "words"), [
    ("5m", "1m", "made longer, never shorter"), ("5m", "7m", "multiple"), ("5m", "12m", "multiple"), ("5m", "50m", "divides a day"),
    ("1w", "1mo", "whole sessions"), ("1mo", "1w", "never shorter"), ("1d", "1h", "never shorter"), ("5m", "2d", "bar length"), ("5m", "1y", "bar length"),
])  # fmt: skip
def test_a_length_that_does_not_fit_is_refused(have, want, words):
    history = minutes(samples.sessions(70), step=65, bar="65m") if have in ("1w", "1mo") else minutes(samples.sessions(3))
    with pytest.raises(DataError, match=words):
        resample(resample(history, have) if have != "5m" else history, want)


def test_volumes_that_would_wrap_are_refused_and_those_at_the_edge_add_up():
    history = minutes([date(2024, 1, 2)], step=195, bar="195m")
    half = history._replace(volume=frozen(np.full(2, 2**61)))
    assert resample(half, "1d").volume.tolist() == [2**62]
    with pytest.raises(DataError, match="volume"):
        resample(history._replace(volume=frozen(np.full(2, 2**61 + 1))), "1d")


def test_a_file_is_read_in_longer_bars_and_says_so(written: Callable[..., str]) -> None:
    path = written(samples.text(samples.rows()))
    days, weeks = load(path)[0], load(path, bar="1w")[0]
    assert weeks.bar == "1w" and weeks.repairs == (Repair("incomplete-bar", 1, 0), Repair("resampled", 197, 0))
    assert weeks.volume.sum() == days.volume[:-3].sum()
    assert load(path, bar="1d")[0].repairs == ()


def test_coins_have_weeks_of_seven_days(written: Callable[..., str]) -> None:
    lines = [[str(date(2024, 1, 1) + timedelta(days=at)), "10", "11", "9", "10", "1"] for at in range(24)]
    weeks = load(written(samples.text(lines)), timezone="UTC", bar="1w")[0]
    assert weeks.volume.tolist() == [7, 7, 7] and weeks.end_ns[0] - weeks.start_ns[0] == 7 * 86_400 * 10**9


def test_real_weeks_are_those_of_pandas(lean: Path) -> None:
    import pandas as pd

    days, weeks = load(str(lean), ["SPY"])[0], load(str(lean), ["SPY"], bar="1w")[0]
    names = {"open_ticks": "first", "high_ticks": "max", "low_ticks": "min", "close_ticks": "last", "volume": "sum"}
    frame = pd.DataFrame({name: getattr(days, name) for name in names}, index=pd.to_datetime(days.day - 719_163, unit="D"))
    wanted = frame.resample("W-SUN").agg(names).dropna().astype(np.int64)[1:-1]  # type: ignore[arg-type]
    assert len(wanted) == 1212 and all((wanted[name].to_numpy() == getattr(weeks, name)).all() for name in names)


def test_real_months_are_those_of_pandas(lean: Path) -> None:
    import pandas as pd

    days, months = load(str(lean), ["SPY"])[0], load(str(lean), ["SPY"], bar="month")[0]
    names = {"open_ticks": "first", "high_ticks": "max", "low_ticks": "min", "close_ticks": "last", "volume": "sum"}
    frame = pd.DataFrame({name: getattr(days, name) for name in names}, index=pd.to_datetime(days.day - 719_163, unit="D"))
    wanted = frame.resample("ME").agg(names).astype(np.int64)  # type: ignore[arg-type]
    assert months.bar == "1mo" and len(wanted) == len(months.day) == 279
    assert all((wanted[name].to_numpy() == getattr(months, name)).all() for name in names)


def test_real_minutes_make_the_days_and_half_hours_they_are_part_of(lean: Path) -> None:
    options = {"start": "2013-10-07", "end": "2013-10-11"}
    minute, day = load(str(lean), ["SPY"], bar="1m", **options)[0], load(str(lean), ["SPY"], **options)[0]
    made = load(str(lean), ["SPY"], bar="30m", **options)[0]
    assert len(made.day) == 5 * 13 and made.volume.sum() == minute.volume.sum()
    whole = resample(minute, "1d")
    for name in ("start_ns", "end_ns", "day", "open_ticks", "high_ticks", "close_ticks", "volume"):
        assert (getattr(whole, name) == getattr(day, name)).all(), name


def test_raw_prices_are_not_joined_over_a_split_or_dividend(lean: Path) -> None:
    with pytest.raises(DataError, match="split or dividend lies inside"):
        load(str(lean), ["SPY"], bar="1w", prices="raw")
    quiet = load(str(lean), ["SPY"], bar="1w", prices="raw", start="2010-01-04", end="2010-03-12")[0]
    assert len(quiet.day) == 10
