"""Files and requests: what may be written in several ways, and what a wrong kind of file is told."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from tests.sim.data import data_samples as samples
import pytest

from sim.data import DataError, History, load

NOW = int(datetime(2026, 1, 2, tzinfo=UTC).timestamp()) * 10**9
NEW_YORK = "America/New_York"


def _one(path: str, **options: Any) -> History:
    return load(path, now_ns=NOW, **options)[0]


def test_a_byte_order_mark_crlf_upper_case_and_a_last_column_more_change_nothing(
    written: Callable[..., str],
) -> None:
    good = _one(written(samples.text(samples.rows())))
    odd = (
        b"\xef\xbb\xbf"
        + samples.text([[*line, "x"] for line in samples.rows()], "DATE, Open,HIGH,Low,Close ,VOLUME,note")
        .replace("\n", "\r\n")
        .encode()
    )
    other = _one(written(odd))
    assert other._replace(sha256="")[:5] == good[:5]
    assert all((a == b).all() for a, b in zip(other[5:13], good[5:13], strict=True))


@pytest.mark.parametrize(
    ("form", "options"),
    [
        (lambda day: f"{day[5:7]}/{day[8:]}/{day[:4]}", {}),
        (lambda day: f"{int(day[8:])}.{int(day[5:7])}.{day[:4]}", {}),
        (lambda day: day.replace("-", ""), {}),
        (lambda day: f"{day} 00:00:00", {}),
        (lambda day: f"{day}T00:00:00-05:00", {"timezone": NEW_YORK}),
        (
            lambda day: str(int(datetime.fromisoformat(day + "T05:00+00:00").timestamp() * 1000)),
            {"timezone": NEW_YORK, "date_format": "epoch-ms"},
        ),
    ],
    ids=["m/d/y", "d.m.y", "compact", "midnight", "offset", "epoch-ms"],
)
def test_the_same_days_in_other_writing_give_the_same_history(
    form: Callable[[str], str], options: dict[str, Any], written: Callable[..., str]
) -> None:
    good = _one(written(samples.text(samples.rows(40))))
    other = _one(written(samples.times(lambda at, day: form(day), 40)), **options)
    assert (other.start_ns == good.start_ns).all() and (other.end_ns == good.end_ns).all()
    assert (other.day == good.day).all()


def test_tickers_stay_the_text_they_are(written: Callable[..., str]) -> None:
    tickers = ["NA", "1E5", "0700", "TRUE", "nan"]
    lines = [[ticker, *line] for line in samples.rows(30) for ticker in tickers]
    path = written(samples.text(lines, "symbol," + samples.HEADER))
    assert [history.symbol for history in load(path, now_ns=NOW)] == tickers
    assert [history.symbol for history in load(path, ["0700", "NA"], now_ns=NOW)] == ["0700", "NA"]
    with pytest.raises(DataError, match="not in the data.*0700"):
        load(path, ["700"], now_ns=NOW)


def test_a_missing_ticker_is_refused(written: Callable[..., str]) -> None:
    lines = [["" if at == 5 else "AAPL", *line] for at, line in enumerate(samples.rows(30))]
    with pytest.raises(DataError, match="row 7.*symbol"):
        load(written(samples.text(lines, "symbol," + samples.HEADER)), now_ns=NOW)


def test_two_readings_of_a_date_need_a_declared_format(written: Callable[..., str]) -> None:
    lines = [[day, "10", "11", "9", "10", "1"] for day in ("03/04/2025", "04/04/2025")]
    path = written(samples.text(lines))
    assert _one(path, date_format="d/m/y").day[0] == date(2025, 4, 3).toordinal()
    with pytest.raises(DataError, match="sessions are missing"):
        _one(path, date_format="m/d/y")


def test_one_row_that_excludes_a_reading_decides_for_the_file(written: Callable[..., str]) -> None:
    lines = [[day, "10", "11", "9", "10", "1"] for day in ("11/04/2025", "14/04/2025")]
    assert _one(written(samples.text(lines))).day[0] == date(2025, 4, 11).toordinal()


def test_daily_dates_before_1970_are_history_and_not_a_mistake(written: Callable[..., str]) -> None:
    lines = [[f"1962-01-{day:02d}", "10", "11", "9", "10", "1"] for day in (2, 3, 4, 5, 8, 9)]
    history = _one(written(samples.text(lines)))
    assert history.day[0] == date(1962, 1, 2).toordinal() and history.start_ns[0] < 0


def test_a_half_day_ends_at_its_early_close(written: Callable[..., str]) -> None:
    lines = [[f"2024-11-{day}", "10", "11", "9", "10", "1"] for day in (27, 29)]
    history = _one(written(samples.text(lines)))
    closes = [datetime.fromtimestamp(ns / 10**9, UTC).strftime("%H:%M") for ns in history.end_ns.tolist()]
    assert closes == ["21:00", "18:00"]


REQUESTS: list[tuple[str, dict[str, Any], str]] = [
    ("start_after_end", {"start": "2024-05-01", "end": "2024-04-01"}, "start is after end"),
    ("outside", {"start": "1999-01-01", "end": "1999-05-01"}, "no bars between"),
    ("partly_outside", {"start": "1999-01-01"}, "does not reach start"),
    ("no_date", {"start": "first of May"}, "not a date"),
    ("no_bar", {"bar": "2w"}, "bar length"),
    ("other_bar", {"bar": "1h"}, "asked for were 1h"),
    ("no_prices", {"prices": "nice"}, "'adjusted' or 'raw'"),
    ("no_zone", {"timezone": "Mars/Olympus"}, "time zone is not known"),
    ("no_format", {"date_format": "y/y/y"}, "date format is not known"),
    ("no_repair", {"repairs": ["allow-gap"]}, "allow-gaps"),
    ("two_keeps", {"repairs": ["keep-first", "keep-last"]}, "exclude each other"),
    ("traversal", {"symbols": ["../../etc/passwd"]}, "pass the ticker only"),
    ("dots", {"symbols": ["a..b"]}, "pass the ticker only"),
    ("twice", {"symbols": ["BARS", "BARS"]}, "asked for twice"),
    ("unknown", {"symbols": ["BARX"]}, "for example BARS"),
]


@pytest.mark.parametrize(
    ("options", "words"), [case[1:] for case in REQUESTS], ids=[case[0] for case in REQUESTS]
)
def test_a_request_that_cannot_be_met_says_what_to_change(
    options: dict[str, Any], words: str, written: Callable[..., str]
) -> None:
    with pytest.raises(DataError) as caught:
        load(written(samples.text(samples.rows())), now_ns=NOW, **options)
    assert words in str(caught.value) and caught.value.fix


def _zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.csv", "x")
    return stream.getvalue()


FILES: list[tuple[str, str, bytes, str]] = [
    ("zip_named_csv", "a.csv", _zipped(), "not text"),
    ("gzip_named_csv", "a.csv", gzip.compress(b"x"), "not text"),
    ("csv_named_gzip", "a.csv.gz", b"date,open\n", "damaged"),
    ("cut_gzip", "a.csv.gz", gzip.compress(b"date,open\n" * 99)[:-9], "damaged"),
    ("csv_named_parquet", "a.parquet", b"date,open\n", "Parquet"),
    ("empty_parquet", "a.parquet", b"", "empty"),
    ("workbook", "a.xlsx", b"PK", "kind of file"),
    ("binary", "a.csv", bytes(range(1, 256)), "not UTF-8"),
]


@pytest.mark.parametrize(
    ("name", "content", "words"), [case[1:] for case in FILES], ids=[case[0] for case in FILES]
)
def test_a_file_of_the_wrong_kind_is_named(
    name: str, content: bytes, words: str, written: Callable[..., str]
) -> None:
    with pytest.raises(DataError, match=words):
        load(written(content, name), now_ns=NOW)


def test_a_missing_file_a_folder_and_a_wrong_folder_are_told_apart(
    written: Callable[..., str], tmp_path: Path
) -> None:
    written("x", "prices.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="does not exist.*prices.csv"):
        load(str(tmp_path / "price.csv"))
    with pytest.raises(DataError, match="not in LEAN layout"):
        load(str(tmp_path / "folder.csv"), ["SPY"])
    with pytest.raises(DataError, match="a source is needed"):
        load("")


def test_what_lies_outside_the_range_is_not_judged(written: Callable[..., str]) -> None:
    path = written(samples.edited(5, 4, "nan"))
    assert len(_one(path, start=samples.rows()[6][0]).day) == 194


def test_the_arrays_are_read_only_contiguous_and_of_one_length() -> None:
    history = load("sp500")[0]
    for array in history[5:14]:
        assert not array.flags.writeable and array.flags.c_contiguous and len(array) == 5031
    assert history.price_exp == 6 and history.close_ticks[0] == 1_228_099_976 and history.symbol == "SPX"


def test_an_error_survives_the_way_to_another_process() -> None:
    error = DataError("a rule", file="a.csv", row=3, column="open", value="-1", fix="do this")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error) == "a.csv, row 3, column open, value '-1': a rule; to fix: do this"
    assert (copy.row, copy.fix) == (3, "do this")


def test_control_characters_of_a_file_never_reach_the_terminal(written: Callable[..., str]) -> None:
    with pytest.raises(DataError) as caught:
        load(written(samples.edited(20, 1, "\x1b[31m9")), now_ns=NOW)
    assert "\x1b" not in str(caught.value)


def test_a_bar_of_today_is_refused_until_its_session_has_closed(written: Callable[..., str]) -> None:
    path = written(samples.text(samples.rows(20)))
    close = int(load(path, now_ns=NOW)[0].end_ns[-1])
    assert len(load(path, now_ns=close)[0].day) == 20
    with pytest.raises(DataError, match="row 21.*ends in the future"):
        load(path, now_ns=close - 1)
    cut = load(path, now_ns=close - 1, repairs=["drop-unfinished"])[0]
    assert len(cut.day) == 19 and cut.repairs[0].count == 1
