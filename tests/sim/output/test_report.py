"""Reports: unknown is a word, names are never markup, pictures keep the worst day."""

from __future__ import annotations

import subprocess
import sys
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.metrics import DEFINITIONS, measure
from sim.output.picture import png, thin
from sim.output.report import GROUPS, figure_text, label, money_text, plain, rows
from sim.output.sheet import Sheet

E8 = 10**8
DAY_NS = 86_400 * 10**9
EVIL = "<img src=x onerror=alert(1)> [red]$x$[/red] {{ 7 * 7 }}"


def sheet(equity: list[int], **changes: Any) -> Sheet:
    """Return a sheet of daily bars from 2 January 2024 on; amounts are whole units."""
    curve = np.array(equity, np.int64) * E8
    days = np.arange(curve.size, dtype=np.int64) + 19_724
    none = np.empty(0, np.int64)
    figures = measure(
        curve,
        days * DAY_NS,
        days,
        np.ones(curve.size, bool),
        start_e8=100 * E8,
        traded_e8=0,
        fees_e8=35_000_000,
        pnl_e8=none,
        open_ns=none,
        close_ns=none,
    )
    drawn: Sheet = {
        "symbol": "AAPL",
        "strategy": "sma_cross fast=10 slow=30",
        "currency": "USD",
        "figures": figures,
        "start_e8": 100 * E8,
        "time_ns": days * DAY_NS,
        "equity_e8": curve,
    }
    return {**drawn, **changes}  # type: ignore[typeddict-item]


@given(amount=st.integers(-(2**62), 2**62))
def test_shown_money_is_the_exact_amount_rounded_half_even_to_cents(amount: int) -> None:
    cents = (Decimal(amount) / E8).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
    shown = Decimal(money_text(amount, "USD").replace("$", "").replace(",", ""))
    assert shown == (cents if cents or not amount else Decimal(amount) / E8)


@settings(deadline=None)
@given(values=st.lists(st.integers(-9, 9), min_size=1, max_size=300), columns=st.integers(1, 40))
def test_a_thinned_curve_keeps_its_ends_and_its_extremes_and_fits_the_screen(
    values: list[int], columns: int
) -> None:
    curve = np.array(values)
    kept = thin(curve, columns)
    assert kept[0] == 0
    assert kept[-1] == len(values) - 1
    assert (np.diff(kept) > 0).all()
    assert kept.size <= 2 * columns + 2
    assert (curve[kept].min(), curve[kept].max()) == (min(values), max(values))


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("sharpe", None, "unknown"),
        ("best_trade", None, "unknown"),
        ("sharpe", 0.0, "0.00"),
        ("sharpe", 1.005, "1.00"),
        ("total_return", -0.1234, "-12.34 %"),
        ("cagr", 1e12, "1e+14 %"),
        ("trades", 0, "0"),
        ("trades", 1234, "1,234"),
        ("max_drawdown_duration", 12, "12 bars"),
        ("max_drawdown_days", 40, "40 days"),
        ("avg_holding_days", 1.5, "1.50 days"),
        ("final_equity", 123_456_789_000_000, "$1,234,567.89"),
        ("worst_trade", -5 * E8, "-$5.00"),
        ("fees", 0, "$0.00"),
        ("fees", 35, "$0.00000035"),
    ],
)
def test_a_figure_is_shown_with_its_unit_and_unknown_as_a_word(name: str, value: Any, text: str) -> None:
    assert figure_text(name, value, "USD") == text


def test_an_unlisted_currency_is_shown_by_its_code() -> None:
    assert money_text(-1_234_50000000, "CHF") == "-CHF 1,234.50"


def test_every_figure_is_shown_exactly_once_and_with_its_definition() -> None:
    names = [name for group in GROUPS.values() for name in group]
    assert sorted(names) == sorted(DEFINITIONS)
    assert len({label(name) for name in names}) == len(names)
    assert [definition for *_, definition in rows(sheet([100]))] == [DEFINITIONS[name] for name in names]


def test_a_figure_that_is_missing_from_the_sheet_is_unknown_too() -> None:
    assert {value for _, _, value, _ in rows(sheet([100], figures={}))} == {"unknown"}


def test_the_terminal_report_of_a_short_run_reads_like_this() -> None:
    lines = plain(sheet([110, 99, 121], notes=["3 bars were repaired."])).splitlines()
    assert lines[:3] == [
        "AAPL · sma_cross fast=10 slow=30 · 2024-01-02 to 2024-01-04",
        "$100.00 became $121.00 (+21.00 %)",
        "! 3 bars were repaired.",
    ]
    body = {cells[1].strip(): cells[2].strip() for line in lines if len(cells := line.split("│")) == 4}
    assert body["Final equity"] == "$121.00"
    assert body["Maximum drawdown"] == "-10.00 %"
    assert body["Fees"] == "$0.35"
    assert body["Win rate"] == body["Best trade"] == "unknown"
    assert body["Closed trades"] == "0"


def test_a_symbol_that_looks_like_markup_is_printed_as_it_is() -> None:
    assert plain(sheet([100], symbol=EVIL)).startswith(EVIL)


def long_curve(count: int) -> list[int]:
    return [100 + t % 17 for t in range(count)]


@pytest.mark.parametrize(
    "drawn",
    [
        sheet([]),
        sheet([100]),
        sheet([100, 100]),
        sheet([100, -40, 10]),
        sheet([0, 0], start_e8=0),
        sheet(long_curve(5_000), entries=np.arange(200), exits=np.arange(200, 401)),
        sheet(long_curve(9), benchmark_e8=np.arange(9) * E8, entries=np.array([2]), exits=np.array([5])),
        sheet([100, 110], symbol="$\\frac{$\n\x00" + EVIL * 9),
    ],
    ids=["no bars", "one bar", "flat", "debt", "nothing", "many marks", "benchmark", "hostile name"],
)
def test_a_picture_is_drawn_of_any_run_in_the_size_asked_for(drawn: Sheet) -> None:
    image = png(drawn, width=600, height=360)
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(image[16:20], "big"), int.from_bytes(image[20:24], "big")) == (600, 360)


def test_the_same_run_gives_the_same_picture_byte_for_byte() -> None:
    drawn = sheet(long_curve(50))
    assert png(drawn, 600, 360) == png(drawn, 600, 360)


def test_importing_reports_and_figures_loads_no_heavy_library() -> None:
    code = (
        "import sys, sim.metrics, sim.output.report, sim.output.picture, sim.output.page, sim.output.export, sim.output.compare\n"
        "print([m for m in ('pandas', 'matplotlib', 'jinja2', 'rich', 'vectorbt') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "[]"
