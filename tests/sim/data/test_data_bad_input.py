"""Every bad input ends in a sentence that names it, or in a repair that was asked for; never in silence.

The rows follow the two lists this room is measured by: 24 faults of bars, 18 faults of CSV files,
then faults of requests and files.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.sim.data import data_samples as samples
import pytest

from sim.data import REPAIRS, DataError, load
from sim.data.findings import check

NOW = int(datetime(2026, 1, 2, tzinfo=UTC).timestamp()) * 10**9
NEW_YORK = "America/New_York"


class Bad(NamedTuple):
    id: str
    content: Callable[[], str | bytes]
    words: str
    repair: str = ""
    options: dict[str, Any] = {}
    more_repairs: tuple[str, ...] = ()
    row: int = 0


def _inserted(at: int, line: list[str]) -> str:
    lines = samples.rows()
    return samples.text([*lines[:at], line, *lines[at:]])


def _doubles() -> str:
    lines = samples.rows()
    return samples.text([*lines[:10], lines[9], *lines[10:50], lines[49], *lines[50:]])


def _shuffled() -> str:
    lines = samples.rows()
    lines[3], lines[50] = lines[50], lines[3]
    return samples.text(lines)


def _split_at(at: int) -> str:
    lines = samples.rows()
    for line in lines[at:]:
        line[1:5] = [f"{float(price) / 10:.3f}" for price in line[1:5]]
    return samples.text(lines)


def _without(first: int, last: int) -> str:
    lines = samples.rows()
    return samples.text(lines[:first] + lines[last:])


def _epoch(unit: int) -> str:
    return samples.times(
        lambda at, day: str(int(datetime.fromisoformat(day + "T00:00+00:00").timestamp()) * unit)
    )


def _repeated_hour() -> str:
    lines = samples.minutes(60, "2024-11-03 00:00", 1) + samples.minutes(60, "2024-11-03 01:00", 1)
    return samples.text(
        lines + samples.minutes(60, "2024-11-03 01:00") + samples.minutes(30, "2024-11-03 02:00")
    )


BARS = [
    Bad("01_bars_repeated", _doubles, "the same row stands twice", "drop-duplicates"),
    Bad(
        "02_same_time_two_prices",
        lambda: _inserted(10, [samples.rows()[9][0], "99", "101", "98", "100", "5"]),
        "two different rows have the same time",
        "keep-first",
        row=12,
    ),
    Bad("03_shuffled_rows", _shuffled, "not in order", "sort"),
    Bad(
        "04_nan_close",
        lambda: samples.edited(20, 4, "NaN"),
        "missing",
        "drop-missing",
        {},
        ("allow-gaps",),
        22,
    ),
    Bad(
        "05_nan_row",
        lambda: _inserted(199, ["2024-10-15", *["nan"] * 4, "0"]),
        "missing",
        "drop-missing",
        {},
        ("allow-gaps", "sort"),
    ),
    Bad(
        "06_zero_price",
        lambda: samples.edited(20, 1, "0.00"),
        "greater than zero",
        "drop-nonpositive",
        {},
        ("allow-gaps",),
        22,
    ),
    Bad(
        "07_negative_price",
        lambda: samples.edited(20, 3, "-3.5"),
        "greater than zero",
        "drop-nonpositive",
        {},
        ("allow-gaps",),
        22,
    ),
    Bad(
        "08_high_below_low",
        lambda: samples.edited(20, 2, "90.00"),
        "high is below low",
        "drop-inconsistent",
        {},
        ("allow-gaps",),
        22,
    ),
    Bad(
        "09_close_above_high",
        lambda: samples.edited(20, 4, "109.00"),
        "close is outside",
        "drop-inconsistent",
        {},
        ("allow-gaps",),
        22,
    ),
    Bad(
        "09_open_above_high",
        lambda: samples.edited(20, 1, "109.00"),
        "open is outside",
        "drop-inconsistent",
        {},
        ("allow-gaps",),
        22,
    ),
    Bad(
        "09_open_below_low",
        lambda: samples.edited(20, 1, "70.00"),
        "open is outside",
        "drop-inconsistent",
        {},
        ("allow-gaps",),
        22,
    ),
    Bad(
        "09_close_below_low",
        lambda: samples.edited(20, 4, "70.00"),
        "close is outside",
        "drop-inconsistent",
        {},
        ("allow-gaps",),
        22,
    ),
    Bad(
        "10_infinite",
        lambda: samples.edited(20, 2, "inf"),
        "infinite",
        "drop-infinite",
        {},
        ("allow-gaps",),
        22,
    ),
    Bad(
        "11_mixed_time_zones",
        lambda: samples.times(lambda at, day: f"{day} 00:00:00" + ("Z" if at > 9 else "")),
        "mixed date formats or time zones",
        row=12,
    ),
    Bad(
        "12_repeated_hour",
        _repeated_hour,
        "happens twice",
        "split-repeated-hour",
        {"timezone": NEW_YORK},
        ("allow-off-calendar", "allow-gaps"),
    ),
    Bad("13_unadjusted_split", lambda: _split_at(100), "unadjusted split", "allow-jumps", row=102),
    Bad(
        "14_text_number",
        lambda: samples.edited(20, 4, '"1,234.50"'),
        "thousands",
        "strip-thousands",
        {},
        ("drop-inconsistent", "allow-gaps"),
        22,
    ),
    Bad(
        "16_no_close",
        lambda: samples.text([line[:4] + line[5:] for line in samples.rows()], "date,open,high,low,volume"),
        "column close is missing",
    ),
    Bad("18_epoch_milliseconds", lambda: _epoch(1000), "date_format='epoch-ms'"),
    Bad("18_epoch_seconds", lambda: _epoch(1), "date_format='epoch-s'"),
    Bad("18_epoch_microseconds", lambda: _epoch(10**6), "date_format='epoch-us'"),
    Bad("18_epoch_nanoseconds", lambda: _epoch(10**9), "date_format='epoch-ns'"),
    Bad(
        "19_ms_read_as_ns", lambda: _epoch(1000), "not after 1970-01-01", options={"date_format": "epoch-ns"}
    ),
    Bad("19_date_of_1970", lambda: samples.times(lambda at, day: "1970-01-01"), "not after 1970-01-01"),
    Bad("20_volume_nan", lambda: samples.edited(20, 5, "nan"), "volume is missing", "zero-volume", row=22),
    Bad(
        "21_hundred_bars_missing", lambda: _without(50, 150), "100 sessions are missing", "allow-gaps", row=52
    ),
    Bad(
        "21_minutes_missing",
        lambda: samples.text(samples.minutes()[:50] + samples.minutes()[150:]),
        "missing within a day",
        "allow-gaps",
        {"timezone": NEW_YORK},
        row=52,
    ),
    Bad("22_empty", lambda: "", "empty"),
    Bad("22_header_only", lambda: samples.HEADER + "\n", "no bars"),
    Bad("23_one_bar", lambda: samples.text(samples.rows(1)), "only one bar", "allow-one-bar"),
    Bad("24_word", lambda: samples.edited(20, 1, "n/a"), "missing", "drop-missing", {}, ("allow-gaps",), 22),
    Bad("24_other_word", lambda: samples.edited(20, 1, "ten"), "not a plain decimal", row=22),
]

CSV = [
    Bad("utf16", lambda: samples.text(samples.rows()).encode("utf-16"), "UTF-16"),
    Bad("utf16_without_mark", lambda: samples.text(samples.rows()).encode("utf-16-le"), "NUL"),
    Bad("latin1", lambda: samples.edited(20, 0, "M\xe4rz").encode("latin-1"), "not UTF-8", row=22),
    Bad(
        "two_digit_year",
        lambda: samples.times(lambda at, day: f"{day[5:7]}/{day[8:]}/{day[2:4]}"),
        "two-digit year",
    ),
    Bad(
        "field_too_many",
        lambda: _inserted(7, ["2024-01-11", "1", "1", "1", "1", "1", "9"]),
        "too many fields",
        row=9,
    ),
    Bad("field_too_few", lambda: _inserted(7, ["2024-01-11", "1", "1", "1", "1"]), "too few fields", row=9),
    Bad("empty_line", lambda: _inserted(7, [""]), "empty line", row=9),
    Bad("day_or_month_first", lambda: samples.times(lambda at, day: "03/04/2025", 1), "ambiguous date"),
    Bad(
        "truncated_last_line",
        lambda: samples.text(samples.rows())[:-3],
        "no newline",
        "allow-unfinished-last-line",
    ),
    Bad("short_last_line", lambda: samples.text(samples.rows())[:-12], "too few fields"),
    Bad(
        "duplicate_close",
        lambda: samples.text([[*line, "1"] for line in samples.rows()], samples.HEADER + ",Close"),
        "column names must differ",
    ),
    Bad(
        "date_and_time",
        lambda: samples.text([[*line, "1"] for line in samples.rows()], samples.HEADER + ",time"),
        "more than one column",
    ),
    Bad("weekly_bars", lambda: samples.text(samples.rows()[::5]), "weekly or longer"),
    Bad(
        "semicolons",
        lambda: samples.text(samples.rows()).replace(",", ";"),
        "separate the fields with commas",
        row=1,
    ),
    Bad(
        "semicolons_and_decimal_commas",
        lambda: samples.text(samples.rows()).replace(",", ";").replace(".", ","),
        "the fields are separated by semicolons",
        row=1,
    ),
    Bad(
        "mixed_offsets",
        lambda: samples.times(lambda at, day: f"{day}T00:00:00-0{at % 2 + 4}:00"),
        "mixed UTC offsets",
    ),
    Bad(
        "offsets_of_another_zone",
        lambda: samples.times(lambda at, day: f"{day}T00:00:00-0{at % 2 + 4}:00"),
        "not those of",
        options={"timezone": NEW_YORK},
    ),
    Bad("nul_in_a_number", lambda: samples.edited(20, 1, "10\0.5"), "NUL", row=22),
    Bad("lone_carriage_return", lambda: samples.text(samples.rows()).replace("\n", "\r"), "carriage return"),
    Bad("open_quote", lambda: samples.edited(20, 1, '"100'), "quote"),
    Bad("no_such_date", lambda: samples.edited(20, 0, "2024-02-30"), "does not exist", row=22),
    Bad(
        "no_such_hour",
        lambda: samples.text(samples.minutes(90, "2024-03-10 01:30")),
        "does not exist",
        options={"timezone": NEW_YORK},
    ),
    Bad("times_without_zone", lambda: samples.text(samples.minutes()), "without a time zone"),
    Bad("far_year", lambda: samples.edited(20, 0, "9024-01-31"), "year must be in", row=22),
    Bad("future", lambda: samples.times(lambda at, day: day.replace("2024", "2028"), 4), "future"),
    Bad("off_grid_price", lambda: samples.edited(20, 1, "100.123456789"), "no grid", "round-prices", row=22),
    Bad("huge_price", lambda: samples.edited(20, 1, "99999999999999999"), "too large", row=22),
    Bad("too_many_digits", lambda: samples.edited(20, 1, "9" * 30), "plain decimal", row=22),
    Bad("long_field", lambda: samples.edited(20, 1, "9" * 90), "longer than", row=22),
    Bad("part_of_a_share", lambda: samples.edited(20, 5, "12.5"), "whole number", "round-volume", row=22),
    Bad("negative_volume", lambda: samples.edited(20, 5, "-5"), "must not be negative", row=22),
    Bad(
        "no_volume",
        lambda: samples.text([line[:5] for line in samples.rows()], "date,open,high,low,close"),
        "volume is missing",
        "no-volume",
    ),
    Bad(
        "weekend",
        lambda: _inserted(4, ["2024-01-06", "100", "101", "99", "100", "5"]),
        "no session",
        "allow-off-calendar",
        {},
        ("sort",),
    ),
    Bad(
        "holiday",
        lambda: samples.edited(9, 0, "2024-01-15"),
        "no session",
        "allow-off-calendar",
        {},
        ("allow-gaps",),
    ),
    Bad("hundredfold_bar", lambda: _hundredfold(20), "unadjusted split", "allow-jumps", row=22),
    Bad(
        "overlapping_minutes",
        lambda: samples.text(
            samples.minutes(100)
            + [
                ["2024-01-02 11:09:30", "10", "11", "9", "10.5", "7"],
                ["2024-01-02 11:10:00", "10", "11", "9", "10.5", "7"],
            ]
        ),
        "overlap",
        options={"timezone": NEW_YORK},
    ),
]


def _hundredfold(at: int) -> str:
    lines = samples.rows()
    lines[at][1:5] = [f"{float(price) * 100:.2f}" for price in lines[at][1:5]]
    return samples.text(lines)


@pytest.mark.parametrize("bad", [*BARS, *CSV], ids=lambda bad: bad.id)
def test_every_bad_input_is_refused_in_words_that_name_it(bad: Bad, written: Callable[..., str]) -> None:
    path = written(bad.content())
    with pytest.raises(DataError) as caught:
        load(path, now_ns=NOW, **bad.options)
    error = caught.value
    assert bad.words in str(error) and error.fix and error.rule in str(error)
    assert error.file in ("bars.csv", "") and str(Path(path).parent) not in str(error)
    assert not bad.row or error.row == bad.row
    assert not bad.repair or f"--repair {bad.repair} (in Python repairs=['{bad.repair}'])" in str(error)
    found = check(path, now_ns=NOW, **bad.options).findings
    assert found and not any(one.repair and REPAIRS[one.repair] in one.rule for one in found), "a check says what is wrong, too"


@pytest.mark.parametrize("bad", [bad for bad in [*BARS, *CSV] if bad.repair], ids=lambda bad: bad.id)
def test_a_named_repair_is_made_and_counted(bad: Bad, written: Callable[..., str]) -> None:
    history = load(
        written(bad.content()), repairs=(bad.repair, *bad.more_repairs), now_ns=NOW, **bad.options
    )[0]
    made = {repair.name: repair for repair in history.repairs}
    assert made[bad.repair].count >= 1 and made.keys() <= REPAIRS.keys()
    assert (history.low_ticks <= history.open_ticks).all() and (
        history.close_ticks <= history.high_ticks
    ).all()
    assert (history.start_ns[1:] > history.start_ns[:-1]).all() and (history.low_ticks > 0).all()


@pytest.mark.parametrize(
    ("content", "options", "value"),
    [
        (_shuffled, {}, "value '2024-01-08'"),
        (_doubles, {}, "value '2024-01-16'"),
        (lambda: samples.text(samples.minutes()[:50] + samples.minutes()[49:]), {"timezone": NEW_YORK}, "value '2024-01-02T15:19:00'"),
    ],
    ids=["order", "twice", "minute"],
)
def test_a_time_in_a_message_is_the_time_of_the_row(content, options, value, written) -> None:
    with pytest.raises(DataError, match=value):
        load(written(content()), now_ns=NOW, **options)


def test_the_second_pass_of_a_repeated_hour_is_winter_time(written: Callable[..., str]) -> None:
    history = load(
        written(_repeated_hour()), timezone=NEW_YORK, repairs=["split-repeated-hour", "allow-off-calendar"]
    )[0]
    assert set((history.start_ns[1:] - history.start_ns[:-1]).tolist()) == {60 * 10**9}
