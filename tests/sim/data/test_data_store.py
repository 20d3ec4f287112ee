"""The store: what comes out is what went in, a changed byte is noticed, a refused import changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.data import DataError, load
from sim.data.findings import check, check_store
from sim.data.resample import resample
from sim.data.store import Kept, Store
from sim.data.store.folder import COLUMNS, MARKER, file_name
from tests.sim.data import data_samples as samples
from tests.sim.data.test_data_bad_input import BARS, CSV, NOW, Bad

WHEN = 1_700_000_000 * 10**9


def history(written: Callable[..., str], first: int = 0, last: int = 200, name: str = "X.csv", lines: samples.Rows | None = None):
    return load(written(samples.text((lines or samples.rows())[first:last]), name))[0]


def keep(store: Store, made, **options):
    return store.keep(made, "adjusted", None, WHEN, **options)[0]


def content(store: Store) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(store.folder.rglob("*")) if path.is_file()}


def same(one, other) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in (*COLUMNS, "signal_factor")) and (
        one.symbol, one.bar, one.timezone, one.price_exp, one.actions) == (other.symbol, other.bar, other.timezone, other.price_exp, other.actions)  # fmt: skip


def test_what_comes_out_of_the_store_is_what_went_in(tmp_path, written):
    made, store = history(written), Store(tmp_path / "store")
    assert keep(store, made) is Kept.NEW
    read = load(str(store.folder), ["X"])[0]
    assert same(read, made) and not read.close_ticks.flags.writeable
    (entry,) = store.entries()
    assert (entry.symbol, entry.bars, entry.first) == ("X", 200, "2024-01-02") and entry.about["source_sha256"] == made.sha256
    assert read.sha256 == entry.about["sha256"]


def test_raw_prices_keep_their_actions(tmp_path, lean):
    made = load(str(lean), ["AAPL"], prices="raw", start="2014-01-02", end="2015-01-02")[0]
    store = Store(tmp_path / "store")
    store.keep(made, "raw", None, WHEN)
    assert made.actions and same(load(str(store.folder), ["AAPL"], prices="raw")[0], made)
    with pytest.raises(DataError, match="prices='raw'"):
        load(str(store.folder), ["AAPL"])


def test_the_same_import_again_changes_no_byte(tmp_path, written):
    store = Store(tmp_path / "store")
    keep(store, history(written))
    before = content(store)
    assert keep(store, history(written)) is Kept.SAME and keep(store, history(written, 20, 90)) is Kept.SAME
    assert content(store) == before


@given(cut=st.integers(10, 190), overlap=st.integers(0, 8), data=st.data())
def test_two_halves_in_any_order_make_the_whole(tmp_path_factory, cut, overlap, data):
    folder = tmp_path_factory.mktemp("store")

    def write(text: str, name: str) -> str:
        (folder / name).write_text(text)
        return str(folder / name)

    halves = [history(write, 0, cut + overlap), history(write, cut, 200)]
    store = Store(folder / "store")
    if data.draw(st.booleans()):
        halves.reverse()
    assert [keep(store, half) for half in halves] == [Kept.NEW, Kept.EXTENDED]
    assert same(load(str(store.folder), ["X"])[0], history(write))


def test_a_finer_grid_of_new_prices_keeps_the_old_ones_exact(tmp_path, written):
    lines = samples.rows()
    lines[150][1] = "100.1234567"
    store = Store(tmp_path / "store")
    keep(store, history(written, 0, 100))
    assert keep(store, history(written, 100, 200, lines=lines)) is Kept.EXTENDED
    assert same(load(str(store.folder), ["X"])[0], history(written, lines=lines))


def changed(at: int, column: int, value: str) -> samples.Rows:
    lines = samples.rows()
    lines[at][column] = value
    return lines


@pytest.mark.parametrize(("first", "lines", "words"), [
    (0, changed(50, 4, "100.40"), "another close for 1 of the same bars"), (0, changed(50, 5, "1"), "another volume"),
    (110, None, "sessions are missing"),
])  # fmt: skip
def test_an_import_that_contradicts_the_store_is_refused_and_changes_nothing(tmp_path, written, first, lines, words):
    store = Store(tmp_path / "store")
    keep(store, history(written, 0, 100))
    before = content(store)
    with pytest.raises(DataError, match=words):
        keep(store, history(written, first, 200, lines=lines))
    assert content(store) == before
    assert keep(store, history(written, first, 200, lines=lines), replace=True) is Kept.REPLACED
    assert len(load(str(store.folder), ["X"])[0].day) == 200 - first


def test_a_hole_between_imports_stands_only_when_it_was_asked_for(tmp_path, written):
    store = Store(tmp_path / "store")
    keep(store, history(written, 0, 100))
    assert keep(store, history(written, 110, 200), repairs=("allow-gaps",)) is Kept.EXTENDED
    read = load(str(store.folder), ["X"])[0]
    assert len(read.day) == 190 and [(made.name, made.count) for made in read.repairs] == [("allow-gaps", 10)]


def test_any_changed_number_is_noticed(tmp_path, written):
    store = Store(tmp_path / "store")
    keep(store, history(written))
    (entry,) = store.entries()
    table = pq.read_table(entry.path)
    close = table.column("close_ticks").to_numpy().copy()
    close[7] += 1
    pq.write_table(table.set_column(table.schema.get_field_index("close_ticks"), "close_ticks", [close]), entry.path)
    with pytest.raises(DataError, match="SHA-256 differs"):
        load(str(store.folder), ["X"])
    report = check_store(str(store.folder))
    assert report.total == 1 and "SHA-256" in report.findings[0].rule


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"no parquet at all"])
def test_a_damaged_file_is_named(tmp_path, written, damage):
    store = Store(tmp_path / "store")
    keep(store, history(written))
    next(iter(store.entries())).path.write_bytes(damage)
    with pytest.raises(DataError, match=r"X\.parquet"):
        load(str(store.folder), ["X"])


@pytest.mark.parametrize(("options", "words"), [
    ({"symbols": ["Y"]}, "for example X"), ({"bar": "1h"}, "asked for were 1h"), ({"start": "2023-01-02"}, "does not reach start"),
    ({"start": "2030-01-02"}, "no bars between"), ({"symbols": ["../X"]}, "ticker only"),
])  # fmt: skip
def test_a_request_the_store_cannot_meet_says_what_to_change(tmp_path, written, options, words):
    store = Store(tmp_path / "store")
    keep(store, history(written))
    with pytest.raises(DataError, match=words):
        load(str(store.folder), **options)


def test_a_folder_without_the_marker_is_no_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="onebook data import"):
        load("store", ["X"])
    with pytest.raises(DataError, match="onebook data import"):
        list(Store(tmp_path).entries())


def test_bars_of_several_lengths_need_a_choice_and_longer_ones_are_made(tmp_path, written):
    minutes = load(written(samples.text(samples.minutes(390)), "X.csv"), timezone="America/New_York", repairs=["allow-gaps"])[0]
    store = Store(tmp_path / "store")
    for made in (minutes, resample(minutes, "1h")):
        keep(store, made)
    with pytest.raises(DataError, match="1h, 1m"):
        load(str(store.folder), ["X"])
    assert load(str(store.folder), ["X"], bar="30m")[0].bar == "30m" and load(str(store.folder), ["X"], bar="2h")[0].repairs
    assert (store.folder / MARKER).is_file()


@given(symbols=st.lists(st.text("aAbB.^=-%CON", min_size=1, max_size=6), min_size=2, max_size=8, unique=True))
def test_no_two_symbols_share_a_file_even_where_case_does_not_count(symbols):
    names = [file_name(symbol).lower() for symbol in symbols]
    assert len(set(names)) == len(names)
    assert not [name for name in names if name.split(".")[0] in ("con", "prn", "aux", "nul") or "/" in name or name.startswith(".")]


@pytest.mark.parametrize("bad", [*BARS, *CSV], ids=lambda bad: bad.id)
def test_a_check_lists_every_bad_input_with_its_rule_and_repair(bad: Bad, written: Callable[..., str]) -> None:
    report = check(written(bad.content()), now_ns=NOW, **bad.options)
    assert report.total >= 1 and report.total >= len(report.findings) >= 1
    assert all(finding.rule and (finding.repair or finding.fix) for finding in report.findings)
    assert not bad.repair or bad.repair in {finding.repair for finding in report.findings}
    assert not bad.row or bad.row in {finding.row for finding in report.findings}


def test_a_check_lists_each_missing_session_and_each_wrong_row(written):
    lines = samples.rows()
    lines[20][4], lines[30][4] = "NaN", "NaN"
    report = check(written(samples.text(lines[:100] + lines[103:])))
    rules = [finding.rule for finding in report.findings]
    assert report.total == 7 and rules.count("the price is missing (empty or NaN)") == 2
    assert [f.value for f in report.findings if f.repair == "allow-gaps"] == ["2024-01-31", "2024-02-14", "2024-05-24", "2024-05-28", "2024-05-29"]
    (calendar,) = report.calendars
    assert (calendar.bars, calendar.sessions, calendar.missing, calendar.calendar) == (195, 200, 5, "XNYS")


def test_an_accepted_repair_is_not_a_finding(written):
    path = written(samples.text(samples.rows()[:50] + samples.rows()[53:]))
    assert check(path).total == 3 and check(path, repairs=("allow-gaps",)).total == 0


def test_each_symbol_of_a_file_is_checked_for_itself(written):
    good, bad = samples.rows(60), samples.rows(60)
    bad[9][4] = "0"
    lines = [["GOOD", *line] for line in good] + [["BAD", *line] for line in bad]
    report = check(written(samples.text(lines, "symbol," + samples.HEADER)))
    assert {finding.symbol for finding in report.findings} == {"BAD"} and [c.symbol for c in report.calendars] == ["GOOD", "BAD"]


def test_half_days_and_clock_changes_are_counted(written):
    report = check(written(samples.text(samples.rows(252))))
    assert report.total == 0 and (report.calendars[0].half_days, report.calendars[0].clock_changes) == (3, 2)


def test_a_store_is_checked_file_by_file(tmp_path: Path, written: Callable[..., str]) -> None:
    store = Store(tmp_path / "store")
    keep(store, history(written))
    keep(store, history(written, 0, 50, "Y.csv"))
    report = check_store(str(store.folder))
    assert report.total == 0 and [calendar.bars for calendar in report.calendars] == [200, 50]
