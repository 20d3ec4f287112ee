"""Every figure of the tear sheet against somebody else's formula, on twenty years of real prices.

Returns: quantstats. What quantstats has not, or defines otherwise, is pandas by the published definition (empyrical's and FIX's words).
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from sim import curves
from sim.data import load
from sim.metrics import DEFINITIONS, measure

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.filterwarnings("ignore::FutureWarning")]
START = 100_000 * 10**8
CHECKED: set[str] = set()


class Record:
    """A run made of real prices: in the market on the days that `held` says, from the close before."""

    def __init__(self, source: str, held: slice | None = None, seed: int = 3) -> None:
        bars = load(source)[0]
        returns = np.diff(bars.close_ticks, prepend=bars.close_ticks[0]) / np.concatenate((bars.close_ticks[:1], bars.close_ticks[:-1]))
        inside = np.zeros(len(returns), bool)
        inside[held or slice(None)] = True
        self.time_ns, self.days, self.invested = bars.end_ns, bars.day, inside
        self.equity = np.round(START * np.cumprod(1 + np.where(inside, returns, 0.0))).astype(np.int64)
        rng = np.random.default_rng(seed)
        self.pnl = rng.integers(-5_000, 6_000, 80) * 10**8
        self.open_ns = np.sort(rng.choice(bars.start_ns[:-50], 80, replace=False))
        self.close_ns = self.open_ns + rng.integers(1, 40, 80) * 86_400 * 10**9
        self.figures = measure(
            self.equity, self.time_ns, self.days, inside, start_e8=START, traded_e8=7 * START, fees_e8=12_345_678_900,
            pnl_e8=self.pnl, open_ns=self.open_ns, close_ns=self.close_ns,
        )  # fmt: skip
        index = pd.to_datetime(self.days - 719_163, unit="D")
        self.series = pd.Series(self.equity / START, index)
        self.returns = pd.Series(self.equity / np.concatenate(([START], self.equity[:-1])) - 1.0, index)
        self.trades = pd.DataFrame({"pnl": self.pnl / 1e8, "days": (self.close_ns - self.open_ns) / 86_400e9})


@pytest.fixture(scope="module", params=["sp500", "nasdaq", "half"])
def record(request):
    return Record("sp500", slice(500, 2_500)) if request.param == "half" else Record(request.param)


@pytest.fixture(scope="module")
def stats():
    import quantstats

    return quantstats.stats


def same(record: Record, name: str, wanted: float, tolerance: float = 1e-9) -> None:
    CHECKED.add(name)
    value = record.figures[name]
    scale = 1e8 if name in ("final_equity", "fees", "expectancy", "avg_win", "avg_loss", "best_trade", "worst_trade") else 1.0
    assert value / scale == pytest.approx(float(wanted), rel=tolerance, abs=1e-12), name


def test_returns_and_risk_are_those_of_quantstats(record, stats):
    same(record, "total_return", stats.comp(record.returns))
    same(record, "volatility", stats.volatility(record.returns, periods=252))
    same(record, "sharpe", stats.sharpe(record.returns, periods=252))
    same(record, "sortino", stats.sortino(record.returns, periods=252))
    same(record, "max_drawdown", stats.max_drawdown(record.returns))


def test_growth_and_calmar_are_those_of_the_published_formulas(record):
    years = len(record.returns) / 252
    growth = record.series.iloc[-1] ** (1 / years) - 1
    depth = (record.series / np.maximum(record.series.cummax(), 1.0) - 1).min()
    same(record, "cagr", growth)
    same(record, "calmar", growth / abs(depth))
    same(record, "final_equity", record.series.iloc[-1] * START / 1e8, 1e-12)


def test_time_under_water_is_what_pandas_counts(record):
    under = record.series < np.maximum(record.series.cummax(), 1.0)
    runs = under.groupby((~under).cumsum()).sum()
    same(record, "max_drawdown_duration", runs.max())
    dates = record.series.index
    # The day that regains the peak still belongs to the recovery.
    wanted, start = 0, None
    for at, below in enumerate(under):
        if below and start is None:
            start = max(0, at - 1)
        if start is not None and (not below or at == len(under) - 1):
            wanted, start = max(wanted, (dates[at] - dates[start]).days), None if not below else start
    same(record, "max_drawdown_days", wanted)


def test_trades_are_counted_as_pandas_counts_them(record):
    pnl = record.trades["pnl"]
    wins, losses = pnl[pnl > 0], pnl[pnl < 0]
    same(record, "trades", len(pnl))
    same(record, "winning_trades", len(wins))
    same(record, "losing_trades", len(losses))
    same(record, "win_rate", len(wins) / len(pnl))
    same(record, "profit_factor", wins.sum() / -losses.sum())
    same(record, "expectancy", pnl.mean())
    same(record, "avg_win", wins.mean())
    same(record, "avg_loss", losses.mean())
    same(record, "best_trade", pnl.max())
    same(record, "worst_trade", pnl.min())
    same(record, "avg_holding_days", record.trades["days"].mean())


def test_exposure_turnover_and_fees(record):
    same(record, "exposure", record.invested.mean())
    same(record, "turnover", 7 * START / record.equity.astype(float).mean())
    same(record, "fees", 123.456789)


def test_months_years_and_rolling_sharpe_are_those_of_pandas(record):
    first = pd.Series([1.0], [record.series.index[0] - pd.Timedelta(days=40)])
    for found, rule in ((curves.monthly_returns, "ME"), (curves.yearly_returns, "YE")):
        closing = record.series.resample(rule).last()
        wanted = pd.concat([first, closing]).pct_change().dropna()
        made = found(record.equity, record.days, START)
        values = [month.change for month in made] if rule == "ME" else list(made.values())
        assert np.allclose(values, wanted.to_numpy(), rtol=1e-9, atol=1e-12) and len(values) == len(wanted)
    rolling = record.returns.rolling(126).mean() / record.returns.rolling(126).std() * math.sqrt(252)
    made = curves.rolling_sharpe(record.equity, record.days, START)
    flat = record.returns.rolling(126).apply(lambda part: float(np.ptp(part) > 0), raw=True) == 0
    wanted = rolling.where(~flat)
    assert np.allclose(made, wanted.to_numpy(), rtol=1e-6, atol=1e-6, equal_nan=True)


def test_the_deepest_drawdowns_are_those_of_quantstats(record, stats):
    details = stats.drawdown_details(stats.to_drawdown_series(record.returns))
    wanted = sorted(details["max drawdown"].to_numpy() / 100)[:5]
    assert np.allclose([fall.depth for fall in curves.falls(record.equity, record.days, START)], wanted, rtol=1e-6)


def test_the_histogram_holds_every_day_once(record):
    found = curves.histogram(record.equity, record.days, START)
    assert found.counts.sum() + found.unchanged == len(record.returns)
    assert found.unchanged == int((record.returns == 0).sum())


def test_every_figure_was_checked():
    assert {*DEFINITIONS} - CHECKED == set()


@pytest.mark.parametrize("name", sorted(set(DEFINITIONS) - {"fees", "trades", "winning_trades", "losing_trades", "final_equity", "exposure"}))
def test_a_figure_that_is_undefined_for_a_lone_flat_bar_is_none(name):
    none = np.empty(0, np.int64)
    one = np.array([0], np.int64)
    figures = measure(one, one, one, one > 0, start_e8=0, traded_e8=0, fees_e8=0, pnl_e8=none, open_ns=none, close_ns=none)
    assert figures[name] is None
