"""Published results of LEAN on its own sample data, by onebook and by a few lines that know nothing of it."""

from __future__ import annotations

import re
import zipfile
from decimal import ROUND_HALF_UP
from decimal import Decimal as D
from pathlib import Path

import pytest

from ledger.units import decimal_text
from sim.data import load
from sim.run import Setting, Simulation, figures, simulate
from strategies import get
from strategies.api import Strategy

ROOT = Path(__file__).resolve().parents[3]
LIKE_LEAN = Setting(size="percent:100,buffer=0.25,fees=1", commission="lean-ibkr", account="margin")


def adjusted_bars(lean: str, first: str, last: str) -> list[tuple[D, D]]:
    """Return (open, close) of SPY, raw price x factors, without rounding."""
    factors = [line.split(",") for line in (Path(lean) / "factor_files/spy.csv").read_text().split()]
    with zipfile.ZipFile(Path(lean) / "daily/spy.zip") as archive:
        lines = [line.split(",") for line in archive.read(archive.namelist()[0]).decode().splitlines()]
    found = []
    for line in lines:
        if first <= line[0][:8] <= last:
            price, split = next((D(f[1]), D(f[2])) for f in factors if line[0][:8] <= f[0])
            found.append((D(line[1]) / 10_000 * price * split, D(line[4]) / 10_000 * price * split))
    return found


def fee(shares: D, price: D) -> D:
    by_share = shares * D("0.005")
    return D(1) if by_share < 1 else min(by_share, shares * price * D("0.005"))


def size(equity: D, price: D) -> D:
    """Return the whole shares a flat account buys with all its equity less a quarter percent and the fee."""
    target = equity - equity * D("0.0025")
    while True:
        shares = target // price
        target = equity - fee(shares, price) - equity * D("0.0025")
        if shares * price <= target:
            return shares


def average(values: list[D], n: int) -> list[D | None]:
    """Return the exponential average, seeded by the mean of its first n values."""
    out: list[D | None] = [None] * (n - 1) + [sum(values[:n], D(0)) / n]
    for value in values[n:]:
        out.append(out[-1] + (value - out[-1]) * 2 / (n + 1))  # type: ignore[operator]
    return out


def trade(bars: list[tuple[D, D]], wishes: list[int | None]) -> tuple[D, D]:
    """Return (final equity, fees) of wishes at closes that fill at the next open."""
    cash, held, paid, order = D(100_000), D(0), D(0), None
    for (opening, close), wish in zip(bars, wishes, strict=True):
        if order is not None:
            paid += fee(abs(order - held), opening)
            cash -= (order - held) * opening + fee(abs(order - held), opening)
            held, order = order, None
        if wish == 1 and held == 0:
            order = size(cash, close)
        elif wish == 0 and held > 0:
            order = D(0)
    return cash + held * bars[-1][1], paid


def macd_wishes(closes: list[D]) -> list[int | None]:
    fast, slow = average(closes, 12), average(closes, 26)
    line = [f - s for f, s in zip(fast[25:], slow[25:], strict=True)]  # type: ignore[operator]
    wishes: list[int | None] = [None] * 25
    for at, (value, signal) in enumerate(zip(line, average(line, 9), strict=True), 25):
        gap = (value - signal) / fast[at] if signal is not None else D(0)
        wishes.append(1 if gap > D("0.0025") else 0 if gap < D("-0.0025") else None)
    return wishes


def ours(lean: str, strategy: Strategy, start: str, end: str, symbols: tuple[str, ...] = ("spy",)) -> Simulation:
    return simulate(load(lean, list(symbols), start=start, end=end), strategy, strategy.params(), LIKE_LEAN)


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Strategy:
    """Return the strategy that stands on the page, from a file of its own."""
    page = (ROOT / "docs/other-engines.md").read_text()
    path = tmp_path_factory.mktemp("user") / "macd_lean.py"
    path.write_text(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0])
    return get(str(path))


def test_the_published_macd_trend_of_lean_is_met_to_the_cent(lean: str, documented: Strategy) -> None:
    bars = adjusted_bars(lean, "20040101", "20150101")
    equity, fees = trade(bars, macd_wishes([close for _, close in bars]))
    assert (round(equity, 2), fees) == (D("137751.04"), D("468.54"))  # LEAN, MACDTrendAlgorithm.cs, ExpectedStatistics
    sim = ours(lean, documented, "2004-01-01", "2015-01-01")
    shown = figures(sim)
    assert abs(D(decimal_text(int(shown["final_equity"]))) - equity) < D("0.001")
    assert D(decimal_text(int(shown["fees"]))) == fees
    assert (shown["trades"], round(shown["win_rate"], 2), round(shown["max_drawdown"], 3)) == (42, 0.57, -0.349)


def test_the_published_buy_and_hold_of_lean_is_met_to_the_cent(lean: str) -> None:
    bars = adjusted_bars(lean, "20131008", "20131017")
    equity, fees = trade(bars, [1] * len(bars))
    assert (round(equity, 2), fees) == (D("104486.22"), D("3.485"))  # LEAN, BasicTemplateDailyAlgorithm.cs
    sim = ours(lean, get("buy_and_hold"), "2013-10-08", "2013-10-17")
    shown = figures(sim)
    assert abs(D(decimal_text(int(shown["final_equity"]))) - equity) < D("0.00001")
    assert D(decimal_text(int(shown["fees"]))) == fees


PUBLISHED = {  # LEAN's Algorithm.CSharp, ExpectedStatistics: end equity, fees, orders, drawdown
    "macd_both": ("ConvertToFrameworkAlgorithm", ("SPY",), "2004-01-01", "2015-01-01", "70553.97", "797.27", 85, 0.529),
    "ribbon": ("DisplacedMovingAverageRibbon", ("SPY",), "2009-01-01", "2015-01-01", "253075.04", "49.40", 7, 0.124),
    "dip": ("MarginRemainingRegressionAlgorithm", ("SPY", "AAPL"), "2007-01-01", "2010-01-01", "119303.75", "45.18", 2, 0.421),
}  # fmt: skip


@pytest.mark.parametrize("sample", PUBLISHED)
def test_a_published_result_of_lean_is_met_to_the_cent(lean: str, sample: str) -> None:
    _, symbols, start, end, equity, fees, orders, drawdown = PUBLISHED[sample]
    strategy = get(str(Path(__file__).parent / f"lean_samples/{sample}.py"))
    shown = figures(ours(lean, strategy, start, end, symbols))
    cents = [D(decimal_text(int(shown[name]))).quantize(D("0.01"), ROUND_HALF_UP) for name in ("final_equity", "fees")]
    assert cents == [D(equity), D(fees)]
    assert (shown["orders"], round(-shown["max_drawdown"], 3)) == (orders, drawdown)
