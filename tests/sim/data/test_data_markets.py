"""Ordinary files of other markets and vendors pass without a repair; holes in them do not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from tests.sim.data import data_samples as samples
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from sim.data import REPAIRS, DataError, History, load
from sim.data.errors import NOTES
from sim.data.sessions import new_york_sessions
from sim.data.text.files import read_bytes

NEW_YORK = "America/New_York"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the calendar library and its pandas
PRICES = ["10", "11", "9", "10.5", "7"]


def _regular(step: int, first: int = 570, stop: int = 960, days: int = 12) -> list[list[str]]:
    """Return bars of the last days of November 2024 (a half day among them), by minutes of the day."""
    result = []
    for day in samples.sessions(days, date(2024, 11, 18)):
        close = min(stop, 780) if day == date(2024, 11, 29) else stop
        for minute in [first, *range(first - first % step + step, close, step)]:
            result.append([f"{day} {minute // 60:02d}:{minute % 60:02d}", *PRICES])
    return result


def _around_the_clock(hours: int, keep: Callable[[datetime], bool] = lambda moment: True) -> list[list[str]]:
    start = datetime(2024, 3, 4, tzinfo=UTC)
    moments = [start + timedelta(hours=at) for at in range(hours)]
    return [[moment.strftime("%Y-%m-%dT%H:%M:%SZ"), *PRICES] for moment in moments if keep(moment)]


def _forex(moment: datetime) -> bool:
    """Open from Sunday 22:00 to Friday 22:00 UTC."""
    hours = moment.isoweekday() % 7 * 24 + moment.hour
    return 22 <= hours < 5 * 24 + 22


def _london() -> list[list[str]]:
    """Daily bars of 2024 without the eight bank holidays."""
    closed = {
        "2024-01-01",
        "2024-03-29",
        "2024-04-01",
        "2024-05-06",
        "2024-05-27",
        "2024-08-26",
        "2024-12-25",
        "2024-12-26",
    }
    days = [date(2024, 1, 2) + timedelta(days=at) for at in range(363)]
    return [[str(day), *PRICES] for day in days if day.isoweekday() < 6 and str(day) not in closed]


GOOD: list[tuple[str, list[list[str]], str | None, str]] = [
    ("minutes_of_new_york", _regular(1), NEW_YORK, "1m"),
    ("half_hours", _regular(30), NEW_YORK, "30m"),
    ("hours_from_half_past", [line for line in _regular(30) if line[0][14:16] == "30"], NEW_YORK, "1h"),
    ("hours_with_a_short_first_one", _regular(60), NEW_YORK, "1h"),
    ("minutes_with_the_hours_before_and_after", _regular(1, 240, 1200), NEW_YORK, "1m"),
    ("coin_hours", _around_the_clock(24 * 60), None, "1h"),
    ("forex_hours", _around_the_clock(24 * 60, _forex), None, "1h"),
    ("london_days", _london(), "Europe/London", "1d"),
    ("coin_days", [[str(date(2024, 1, 1) + timedelta(days=at)), *PRICES] for at in range(200)], "UTC", "1d"),
]


@pytest.mark.parametrize(
    ("lines", "zone", "bar"), [case[1:] for case in GOOD], ids=[case[0] for case in GOOD]
)
def test_an_ordinary_file_loads_without_a_repair(
    lines: list[list[str]], zone: str | None, bar: str, written: Callable[..., str]
) -> None:
    history = _load(written(samples.text(lines)), zone)
    assert history.bar == bar and len(history.day) == len(lines) and history.repairs == ()
    assert (history.end_ns > history.start_ns).all() and (history.end_ns[:-1] <= history.start_ns[1:]).all()


def _load(path: str, zone: str | None, repairs: tuple[str, ...] = ()) -> History:
    return load(path, timezone=zone, repairs=repairs)[0]


@pytest.mark.parametrize(("lines", "zone"), [case[1:3] for case in GOOD], ids=[case[0] for case in GOOD])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.77])
def test_a_hundred_bars_missing_anywhere_are_noticed(
    lines: list[list[str]], zone: str | None, share: float, written: Callable[..., str]
) -> None:
    at, count = int(len(lines) * share), min(100, len(lines) // 8)
    path = written(samples.text(lines[:at] + lines[at + count :]))
    with pytest.raises(DataError, match="missing"):
        _load(path, zone)
    made = _load(path, zone, ("allow-gaps",)).repairs
    assert [repair.name for repair in made] == ["allow-gaps"]


def test_the_end_of_a_day_that_is_missing_is_noticed(written: Callable[..., str]) -> None:
    lines = [
        line for line in _regular(1) if not (line[0].startswith("2024-11-21") and line[0][11:] > "14:20")
    ]
    with pytest.raises(DataError, match="missing within a day"):
        _load(written(samples.text(lines)), NEW_YORK)


def test_a_time_zone_moves_the_trading_date(written: Callable[..., str]) -> None:
    path = written(samples.text(_around_the_clock(24 * 30)))
    assert _load(path, None).day[0] == date(2024, 3, 4).toordinal()
    assert _load(path, "Asia/Tokyo").day[20] == date(2024, 3, 5).toordinal()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_zoned_timestamps_of_parquet_are_instants(unit: str, tmp_path: Path) -> None:
    moments = [datetime(2024, 1, 2, 14, 30, tzinfo=UTC) + timedelta(minutes=at) for at in range(60)]
    columns = {
        "timestamp": pyarrow.array(moments, pyarrow.timestamp(unit, NEW_YORK)),
        **{
            name: [float(value)] * 60
            for name, value in zip(samples.HEADER.split(",")[1:], PRICES, strict=True)
        },
    }
    columns["symbol"] = pyarrow.array(["NA"] * 60).dictionary_encode()
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "x.parquet")
    history = load(str(tmp_path / "x.parquet"), timezone=NEW_YORK)[0]
    assert history.start_ns[0] == int(moments[0].timestamp()) * 10**9 and history.bar == "1m"
    assert history.symbol == "NA"


def test_a_damaged_calendar_cache_is_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEBOOK_CACHE", str(tmp_path))
    want = new_york_sessions(date(2024, 5, 1).toordinal()).day
    for damage in (b"not a table", np.arange(9).tobytes()):
        (tmp_path / "xnys-2.npy").write_bytes(damage)
        new_york_sessions.__globals__["_sessions"].cache_clear()
        assert (new_york_sessions(date(2024, 5, 1).toordinal()).day == want).all()
    new_york_sessions.__globals__["_sessions"].cache_clear()


def test_a_cache_folder_that_cannot_be_written_only_costs_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ONEBOOK_CACHE", str(tmp_path / "file" / "cache"))
    new_york_sessions.__globals__["_sessions"].cache_clear()
    assert len(new_york_sessions(date(2024, 5, 1).toordinal()).day) > 13_000


def test_a_file_that_is_too_large_is_refused(written: Callable[..., str]) -> None:
    with pytest.raises(DataError, match="larger than 10 bytes"):
        read_bytes(Path(written("x" * 11)), 10)


def test_the_readme_names_every_repair_and_note() -> None:
    text = (Path(__file__).resolve().parents[3] / "sim" / "data" / "README.md").read_text()
    assert not [name for name in {**REPAIRS, **NOTES} if f"`{name}`" not in text]


def _session_bars(calendar: str, first: str, days: int, step: int) -> list[list[str]]:
    """Return intraday bars in UTC of a calendar's sessions, straight from the library; breaks left out."""
    import exchange_calendars

    made = exchange_calendars.get_calendar(calendar)
    lines = []
    for session in made.sessions_window(first, days):
        for moment in made.session_minutes(session):
            if moment.minute % step == 0 and (moment.minute // step) * step == moment.minute:
                lines.append([moment.strftime("%Y-%m-%dT%H:%M:%SZ"), *PRICES])
    return lines


MARKETS = [("XTKS", "Asia/Tokyo"), ("XLON", "Europe/London"), ("XHKG", "Asia/Hong_Kong"), ("CMES", "America/Chicago"), ("24/7", "UTC")]


@pytest.mark.parametrize(("calendar", "zone"), MARKETS)
def test_the_sessions_of_another_market_pass_by_its_calendar_and_a_hole_does_not(
    calendar: str, zone: str, written: Callable[..., str]
) -> None:
    lines = _session_bars(calendar, "2025-03-10", 8, 30)
    history = load(written(samples.text(lines)), calendar=calendar)[0]
    assert (history.timezone, history.bar, len(history.day), history.repairs) == (zone, "30m", len(lines), ())
    sessions = np.unique(history.day)
    assert len(sessions) == 8 and (history.end_ns[:-1] <= history.start_ns[1:]).all()
    holed = [line for at, line in enumerate(lines) if at not in range(len(lines) // 2, len(lines) // 2 + 3)]
    with pytest.raises(DataError, match="missing"):
        load(written(samples.text(holed)), calendar=calendar)


def test_a_london_holiday_is_no_session_and_a_missing_day_is_named(written: Callable[..., str]) -> None:
    lines = _london()
    history = load(written(samples.text(lines)), calendar="XLON")[0]
    assert history.timezone == "Europe/London" and len(history.day) == len(lines)
    with pytest.raises(DataError, match="1 sessions are missing.*2024-01-16|value '2024-01-16'"):
        load(written(samples.text(lines[:10] + lines[11:])), calendar="XLON")
    with pytest.raises(DataError, match="no session"):
        load(written(samples.text(sorted([*lines, ["2024-05-06", *PRICES]]))), calendar="XLON")


def test_an_unknown_calendar_is_refused_with_near_names(written: Callable[..., str]) -> None:
    with pytest.raises(DataError, match="XLON"):
        load(written(samples.text(_london())), calendar="XLOM")


def test_without_a_calendar_the_rhythm_of_the_data_decides(written: Callable[..., str]) -> None:
    lines = samples.rows(60)
    assert len(load(written(samples.text(lines[:9] + lines[10:])), calendar="none")[0].day) == 59


def test_bars_after_an_early_close_are_refused_where_other_days_keep_their_hours(written: Callable[..., str]) -> None:
    late = [[f"2024-11-29 {hour}:{minute}", *PRICES] for hour in (13, 14, 15) for minute in ("00", "30")]
    lines = sorted([*_regular(30), *late])
    with pytest.raises(DataError, match="outside the hours of its session") as caught:
        _load(written(samples.text(lines)), NEW_YORK)
    assert "2024-11-29T18:00:00 UTC" in str(caught.value)
    assert [made.name for made in _load(written(samples.text(lines)), NEW_YORK, ("allow-outside-hours",)).repairs] == ["allow-outside-hours"]


def test_bars_stamped_in_another_zone_are_refused(written: Callable[..., str]) -> None:
    shifted = [[(datetime.fromisoformat(line[0]) + timedelta(hours=9)).strftime("%Y-%m-%d %H:%M"), *line[1:]] for line in _regular(30)]
    mixed = _regular(30)[:-40] + shifted[-40:]
    with pytest.raises(DataError, match="outside the hours|missing"):
        _load(written(samples.text(mixed)), NEW_YORK)
