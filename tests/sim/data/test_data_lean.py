"""Real data in LEAN layout: renames, exact adjustment, actions, hours, and what is refused for a reason."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import zipfile
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from sim.data import DataError, load
from sim.data.lean.factors import split_ratio

ROOT = Path(__file__).resolve().parents[3]


def _rows(path: Path) -> list[list[str]]:
    with zipfile.ZipFile(path) as archive:
        return list(csv.reader(io.StringIO(archive.read(archive.namelist()[0]).decode())))


def _factors(path: Path) -> list[tuple[str, Decimal, Decimal]]:
    return [(row[0], Decimal(row[1]), Decimal(row[2])) for row in csv.reader(path.read_text().splitlines())]


@pytest.mark.parametrize("symbol", ["spy", "aapl", "aig"])
def test_adjusted_prices_are_the_exact_products_rounded_once(symbol: str, lean: Path) -> None:
    history = load(str(lean), [symbol])[0]
    factors = _factors(lean / "factor_files" / f"{symbol}.csv")
    rows = _rows(lean / "daily" / f"{symbol}.zip")
    assert len(rows) == len(history.day) == 5849 and history.price_exp == 8 and history.repairs == ()
    for at in range(0, len(rows), 7):
        price, split = next((p, s) for last, p, s in factors if last >= rows[at][0][:8])
        for array, text in zip(history[8:12], rows[at][1:5], strict=True):
            exact = Decimal(text).scaleb(4) * price * split
            assert array[at] == int(exact.quantize(Decimal(1), ROUND_HALF_EVEN))
        assert history.volume[at] == round(Fraction(rows[at][5]) / Fraction(split))


def test_raw_prices_are_the_file_and_carry_their_actions(lean: Path) -> None:
    history = load(str(lean), ["AAPL"], prices="raw")[0]
    rows = _rows(lean / "daily" / "aapl.zip")
    assert history.close_ticks.tolist() == [int(row[4]) for row in rows] and history.price_exp == 4
    splits = [
        (date.fromordinal(a.day).isoformat(), a.numerator, a.denominator)
        for a in history.actions
        if a.kind == "split"
    ]
    assert splits == [("2000-06-21", 2, 1), ("2005-02-28", 2, 1), ("2014-06-09", 7, 1), ("2020-08-31", 4, 1)]
    paid = [a.amount_e8 / 10**8 for a in history.actions if a.kind == "dividend"]
    assert paid[:9] == [2.65, 2.65, 2.65, 3.05, 3.05, 3.05, 3.05, 3.29, 0.47] and len(paid) == 35
    starts = dict(zip(history.day.tolist(), history.start_ns.tolist(), strict=True))
    assert all(starts[action.day] == action.time_ns for action in history.actions)


def test_signal_factors_make_raw_prices_look_adjusted(lean: Path) -> None:
    raw, adjusted = load(str(lean), ["aapl"], prices="raw")[0], load(str(lean), ["aapl"])[0]
    seen = raw.close_ticks / 10**4 * raw.signal_factor
    assert abs(seen / (adjusted.close_ticks / 10**8) - 1).max() < 1e-6
    assert (adjusted.signal_factor == 1).all() and adjusted.actions == ()


def test_actions_replayed_on_raw_prices_give_the_adjusted_return(lean: Path) -> None:
    """A holder who reinvests each dividend at the reference close has the return of the adjusted prices."""
    raw, adjusted = load(str(lean), ["aig"], prices="raw")[0], load(str(lean), ["aig"])[0]
    shares, closes = 1.0, dict(zip(raw.day.tolist(), raw.close_ticks.tolist(), strict=True))
    days = raw.day.tolist()
    for action in raw.actions:
        before = closes[days[days.index(action.day) - 1]] / 10**4
        shares *= (
            action.numerator / action.denominator
            if action.kind == "split"
            else (1 / (1 - action.amount_e8 / 10**8 / before))
        )
    held = shares * raw.close_ticks[-1] / raw.close_ticks[0]
    assert held == pytest.approx(adjusted.close_ticks[-1] / adjusted.close_ticks[0], rel=1e-4)


def test_a_reverse_split_and_a_stock_dividend_are_read_back_from_rounded_factors(lean: Path) -> None:
    found = [
        (a.numerator, a.denominator)
        for a in load(str(lean), ["aig"], prices="raw")[0].actions
        if a.kind == "split"
    ]
    assert found == [(3, 2), (5, 4), (3, 2), (1, 20)]
    assert load(str(lean), ["goog"], prices="raw")[0].actions[0][2:5] == ("split", 1_000_000, 997_307)
    assert split_ratio(Fraction("0.00892857"), Fraction("0.01785710")) == 2


def test_map_files_stitch_a_history_across_its_tickers(lean: Path) -> None:
    googl = load(str(lean), ["googl"])[0]
    assert googl.day[0] == date(2004, 8, 19).toordinal() and len(googl.day) == 4183
    goog = load(str(lean), ["goog"])[0]
    assert goog.day[0] == date(2014, 3, 27).toordinal()
    fox = load(str(lean), ["tfcfa"], end="2013-07-02")[0]
    assert [date.fromordinal(day).isoformat() for day in fox.day] == [
        "2013-06-27",
        "2013-06-28",
        "2013-07-01",
        "2013-07-02",
    ]
    facebook = load(str(lean), ["fb"])[0]
    assert facebook.day[0] == date(2012, 5, 18).toordinal()


def test_bars_of_another_company_under_the_same_ticker_are_left_out_and_noted(lean: Path) -> None:
    """bac.zip holds the old BankAmerica until September 1998; today's BAC was NationsBank (NB) then."""
    history = load(str(lean), ["bac"])[0]
    assert history.day[0] == date(1998, 10, 1).toordinal()
    assert [repair.name for repair in history.repairs] == ["ticker-not-in-data"]


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("qqq", {}, "traded as qqqq in 2004-12-01..2011-03-22"),
    ("ibm", {}, "bad print"),
    ("goocv", {}, "ask for goog"),
    ("nb", {}, "ask for bac"),
    ("twx", {}, "delisted on 2018-06-15"),
    ("aaa", {}, "no factor file"),
    ("tfcfa", {"end": "2013-07-02", "bar": "1h"}, "not in the data"),
    ("appl", {}, "for example aapl"),
    ("../spy", {}, "pass the ticker only"),
    ("spy", {"bar": "7s"}, "1d, 1h, 1m"),
    ("spy", {"timezone": "UTC"}, "New York"),
    ("spy", {"bar": "1m"}, "2467 sessions are missing"),
    ("aapl", {"start": "2022-01-01"}, "no bars between"),
]


@pytest.mark.parametrize(
    ("symbol", "options", "words"), REFUSED, ids=[f"{case[0]}-{case[2][:12]}" for case in REFUSED]
)
def test_a_refusal_of_real_data_says_why_and_what_to_do(
    symbol: str, options: dict[str, Any], words: str, lean: Path
) -> None:
    with pytest.raises(DataError) as caught:
        load(str(lean), [symbol], **options)
    assert words in str(caught.value) and caught.value.fix and str(lean) not in str(caught.value)


def test_a_folder_without_a_symbol_lists_what_it_has(lean: Path) -> None:
    with pytest.raises(DataError, match="needs symbols.*aapl"):
        load(str(lean))


def test_hours_begin_with_the_session_and_end_with_it(lean: Path) -> None:
    history = load(str(lean), ["spy"], bar="1h", start="2013-11-27", end="2013-11-29")[0]
    spans = [
        (_hour(a), _hour(b)) for a, b in zip(history.start_ns.tolist(), history.end_ns.tolist(), strict=True)
    ]
    assert (
        spans[0] == ("14:30", "15:00") and spans[6] == ("20:00", "21:00") and spans[-1] == ("17:00", "18:00")
    )
    full = load(str(lean), ["spy"], bar="1h")[0]
    notes = {repair.name: repair.count for repair in full.repairs}
    assert notes["regular-hours"] == 47 and len(full.day) == 40_832 - 47


def _hour(ns: int) -> str:
    return datetime.fromtimestamp(ns / 10**9, UTC).strftime("%H:%M")


def test_minutes_cover_the_regular_session_of_each_day(lean: Path) -> None:
    history = load(str(lean), ["aapl"], bar="1m")[0]
    assert len(history.day) == 3 * 390 and history.bar == "1m"
    assert (_hour(history.start_ns[0]), _hour(history.end_ns[-1])) == ("13:30", "20:00")
    assert load(str(lean), ["spy"], bar="1m", end="2013-10-11")[0].day[-1] == date(2013, 10, 11).toordinal()


def test_the_hash_covers_bars_factors_and_names(lean: Path) -> None:
    one, two = load(str(lean), ["spy"])[0], load(str(lean), ["spy"], start="2010-01-04")[0]
    assert one.sha256 == two.sha256 != load(str(lean), ["aapl"])[0].sha256


def _copied(lean: Path, target: Path, replace: tuple[str, str]) -> str:
    for name in ("factor_files/aapl.csv", "map_files/aapl.csv"):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes((lean / name).read_bytes())
    (target / "daily").mkdir()
    text = "\n".join(",".join(row) for row in _rows(lean / "daily" / "aapl.zip")).replace(*replace)
    with zipfile.ZipFile(target / "daily" / "aapl.zip", "w") as archive:
        archive.writestr("aapl.csv", text)
    return str(target)


@pytest.mark.parametrize(
    ("replace", "words"),
    [
        (("20121106 00:00,", "20121106 00:00,-"), "greater than zero"),
        (("20121106 00:00,", "20121105 00:00,"), "same time"),
        (("20121106 00:00,", "2012-11-06,"), "mixed date formats"),
        (("5828600", "5838600"), "reference price"),
        (("20000620 00:00", "garbage"), "row 622"),
    ],
)
def test_a_damaged_lean_file_is_refused(
    replace: tuple[str, str], words: str, lean: Path, tmp_path: Path
) -> None:
    source = _copied(lean, tmp_path, replace)
    with pytest.raises(DataError, match=words):
        load(source, ["aapl"])


def test_an_unreadable_zip_is_refused(lean: Path, tmp_path: Path) -> None:
    source = _copied(lean, tmp_path, ("", ""))
    path = tmp_path / "daily" / "aapl.zip"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match="zip is unreadable"):
        load(source, ["aapl"])


@pytest.mark.parametrize("arguments", ['"sp500"', "{lean!r}, ['spy']"])
def test_a_small_load_imports_neither_pandas_nor_arch_nor_pyarrow(arguments: str, lean: Path) -> None:
    """The calendar cache is warm after the first call; a second process must not pay for it again."""
    call = f"from sim.data import load; load({arguments.format(lean=str(lean))})"
    code = (
        f"{call}; import sys; print([n for n in ('pandas', 'arch', 'pyarrow', 'numba') if n in sys.modules])"
    )
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("ticker", ["../secret", "sub/secret", "/etc/secret", "a..b", ""])
def test_a_map_file_cannot_lead_out_of_its_folder(ticker: str, lean: Path, tmp_path: Path) -> None:
    source = _copied(lean, tmp_path, ("", ""))
    (tmp_path / "map_files" / "aapl.csv").write_text(f"19980102,aapl,Q\n20501231,{ticker},Q\n")
    with pytest.raises(DataError, match="not a ticker"):
        load(source, ["aapl"])
