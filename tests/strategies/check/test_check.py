"""The check finds every planted fault, names it, and accuses none of the strategies that come with onebook."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from numba import config
from numpy.typing import NDArray

import strategies
from ledger.kernel import jit, kernel
from strategies.api import Bars, Signal, Strategy, StrategyError, alone, first_column, market, no_columns
from strategies.check import examine, unlike
from strategies.indicators import ema, sma
from strategies.latch import latch
from strategies.rolling import log_returns
from tests.strategies.samples import DAY, real, walk_of

Floats = NDArray[np.float64]
pytestmark = pytest.mark.slow  # hundreds of runs over twenty years: a job for the compiler


class Params(NamedTuple):
    """None to speak of."""

    n: int = 20


def plain_column(bars: Bars, columns: Floats, t: int, state: Floats, params: Params) -> Signal:
    return market(columns[0, t])


def of(prepare: Any, warm: int = 40, on_bar: Any = plain_column, **words: Any) -> Strategy:
    words = {"name": "planted", "params": Params, "prepare": prepare, "on_bar": on_bar, "warmup": lambda p: warm} | words
    return Strategy(**({"state_size": 1, "summary": "Cheats.", "allow_short": True} | words))


def long_where(condition: NDArray[np.bool_]) -> Floats:
    return np.where(condition, 1.0, 0.0)[None, :]


def window_means(close: Floats, n: int, ahead: int) -> Floats:
    """The mean of n closes, the last of them `ahead` bars after the bar."""
    out = np.full(close.size, np.nan)
    mean = sma(close, n)
    out[: close.size - ahead] = mean[ahead:]
    return out


def centred(bars: Bars, params: Params) -> Floats:
    return long_where(bars.close > window_means(bars.close, 11, 5))


def whole_range(bars: Bars, params: Params) -> Floats:
    low, high = bars.close.min(), bars.close.max()
    return long_where((bars.close - low) / (high - low) > 0.5)


def tomorrow(bars: Bars, params: Params) -> Floats:
    return long_where(np.append(bars.close[1:], np.nan) > bars.close)


def whole_mean(bars: Bars, params: Params) -> Floats:
    return long_where((bars.close - bars.close.mean()) / bars.close.std() < 0.0)


def ranked(bars: Bars, params: Params) -> Floats:
    import pandas as pd

    return long_where(pd.Series(bars.close).rank(pct=True).to_numpy() < 0.5)


def filled_backwards(bars: Bars, params: Params) -> Floats:
    import pandas as pd

    sparse = pd.Series(np.where(np.arange(bars.close.size) % 10 == 9, bars.close, np.nan))
    return long_where(sparse.bfill().to_numpy() > bars.close)


def gradient(bars: Bars, params: Params) -> Floats:
    return long_where(np.gradient(bars.close) > 0.0)


def whole_spectrum(bars: Bars, params: Params) -> Floats:
    spectrum = np.fft.rfft(bars.close)
    spectrum[len(spectrum) // 20 :] = 0.0
    return long_where(np.fft.irfft(spectrum, bars.close.size) > bars.close)


def fitted_on_everything(bars: Bars, params: Params) -> Floats:
    from sklearn.linear_model import LogisticRegression

    change = np.nan_to_num(log_returns(bars.close, 1))
    x = np.stack([change, np.roll(change, 1), np.roll(change, 2)], axis=1)
    y = np.append(change[1:] > 0.0, False)
    return long_where(LogisticRegression(C=1e6).fit(x, y).predict(x) > 0.5)


def week_known_on_monday(bars: Bars, params: Params) -> Floats:
    week = (bars.time_ns - 4 * DAY) // (7 * DAY)
    last = np.searchsorted(week, week, side="right") - 1
    return long_where(bars.close[last] > bars.close)


def rarely(bars: Bars, params: Params) -> Floats:
    """Look ahead only where it matters: before the few great falls."""
    fall = np.append(bars.close[1:] / bars.close[:-1] - 1.0, 0.0)
    return long_where(fall > -0.045)


def averages(bars: Bars, params: Params) -> Floats:
    return sma(bars.close, params.n)[None, :]


@kernel
def past_the_end(bars: Bars, columns: Floats, t: int, state: Floats, params: Params) -> Signal:
    return market(1.0 if bars.close[t + 1] > bars.close[t] else 0.0)


LOOK_AHEAD = {
    "a centred window": of(centred),
    "the range of the whole history": of(whole_range),
    "the close of tomorrow": of(tomorrow),
    "mean and deviation of everything": of(whole_mean),
    "ranks among all closes": of(ranked),
    "a value filled backwards": of(filled_backwards),
    "a gradient, which is centred": of(gradient),
    "a spectrum of everything": of(whole_spectrum),
    "a model fitted on the future": of(fitted_on_everything),
    "a week that is known on its Monday": of(week_known_on_monday),
    "tomorrow, but only on rare days": of(rarely),
}


@pytest.mark.parametrize("name", LOOK_AHEAD)
def test_a_planted_look_ahead_is_found_and_named(name: str) -> None:
    bars = real("sp500")[0]
    found = [one for one in examine(LOOK_AHEAD[name], [bars], Params()).findings if one.kind == "look-ahead"]
    assert len(found) == 1
    assert found[0].field == "target" and found[0].whole != found[0].part
    assert found[0].time_ns == bars.time_ns[found[0].bar] and found[0].bar < found[0].history
    assert 1 <= found[0].disagree <= found[0].runs
    assert [column.row for column in found[0].columns] == [0]


@pytest.mark.compiled
@pytest.mark.skipif(bool(config.BOUNDSCHECK), reason="with index checks the strategy fails by itself")
def test_compiled_code_that_reads_past_the_end_finds_no_price_there_and_is_caught() -> None:
    found = examine(of(averages, on_bar=past_the_end), real("sp500"), Params()).findings
    assert [one.kind for one in found] == ["look-ahead"]


def impatient(bars: Bars, params: Params) -> Floats:
    return long_where(bars.close > ema(bars.close, 200))


def since_the_beginning(bars: Bars, params: Params) -> Floats:
    return long_where(bars.close > np.cumsum(bars.close) / np.arange(1, bars.close.size + 1))


def blind_latch(bars: Bars, params: Params) -> Floats:
    """A position that is flat at first, whatever was before: what most people write."""
    out = np.zeros((1, bars.close.size))
    mean = sma(bars.close, 20)
    for t in range(1, bars.close.size):
        buy, sell = bars.close[t] > 1.03 * mean[t], bars.close[t] < 0.97 * mean[t]
        out[0, t] = 1.0 if buy else 0.0 if sell else out[0, t - 1]
    return out


@jit
def every_tenth(bars: Bars, params: Params) -> Floats:
    columns = np.zeros((1, bars.close.shape[0]))
    columns[0, ::10] = 1.0
    return columns


@kernel
def counting(bars: Bars, columns: Floats, t: int, state: Floats, params: Params) -> Signal:
    state[0] += 1.0
    return market(1.0 if state[0] % 7.0 == 0.0 else 0.0)


START_UP = {
    "a recursion that is not warm": of(impatient, warm=20),
    "a mean since the beginning": of(since_the_beginning, warm=250),
    "a position that is flat at first": of(blind_latch, warm=20),
    "bars counted from the first one": of(every_tenth, warm=5, on_bar=first_column),
    "bars counted in the state": of(no_columns, warm=5, on_bar=counting),
}


@pytest.mark.parametrize("name", START_UP)
def test_a_planted_dependence_on_the_start_is_found_and_nothing_else(name: str) -> None:
    strategy = START_UP[name]
    report = examine(strategy, real("sp500"), Params())
    assert [one.kind for one in report.findings] == ["start-up"]
    found = report.findings[0]
    assert found.history >= strategy.warmup(None) and found.whole != found.part
    assert report.start_up[0].disagree == found.disagree > 0


def test_the_check_says_how_much_history_would_have_been_enough() -> None:
    short = examine(of(impatient, warm=20), real("sp500"), Params(), starts=20)
    needed = short.findings[0].enough
    assert needed is not None and 20 < needed <= 2_500
    wrong = {row.length: row.disagree for row in short.start_up}
    assert wrong[20] == short.findings[0].disagree and wrong[20] >= wrong[40] >= wrong[100]
    assert examine(of(impatient, warm=2_400), real("sp500"), Params()).findings == ()


def test_what_a_strategy_does_not_know_yet_is_no_finding() -> None:
    def patient(bars: Bars, params: Params) -> Floats:
        mean, none = sma(bars.close, 20), np.zeros(bars.close.size, bool)
        return latch(bars.close > 1.03 * mean, bars.close < 0.97 * mean, none, none, 0, 19)[None, :]

    assert examine(of(patient, warm=20), real("sp500"), Params()).findings == ()


def test_chance_is_found_before_it_looks_like_anything_else() -> None:
    rolls = np.random.default_rng(1)
    dice = of(lambda bars, params: rolls.integers(0, 2, (1, bars.close.size)).astype(float))
    assert [one.kind for one in examine(dice, real("sp500"), Params()).findings] == ["chance"]


def test_a_strategy_that_changes_its_bars_is_found_and_the_callers_bars_are_whole() -> None:
    def careless(bars: Bars, params: Params) -> Floats:
        bars.close[10:20] = 0.0
        return long_where(bars.close > 1.0)

    bars = walk_of(1, 300)
    before = bars.close.copy()
    report = examine(of(careless), [bars], Params())
    assert [(one.kind, one.field, one.bar) for one in report.findings] == [("writes", "close", 10)]
    assert (bars.close == before).all()


def test_a_universe_that_knows_the_winner_is_found() -> None:
    def winners(universe: tuple[Bars, ...], params: Params) -> tuple[Floats, ...]:
        gains = [bars.close[-1] / bars.close[0] if bars.close.size else 0.0 for bars in universe]
        best = int(np.argmax(gains))
        return tuple(np.full((1, bars.close.size), float(at == best)) for at, bars in enumerate(universe))

    strategy = of(alone(winners), prepare_universe=winners, on_bar=first_column)
    report = examine(strategy, real("sp500", "nasdaq"), Params())
    assert {one.kind for one in report.findings} == {"look-ahead", "start-up"}
    assert {one.instrument for one in report.findings} == {0, 1}


def test_a_guard_that_looks_ahead_is_found_by_the_name_of_its_field() -> None:
    @kernel
    def stopped(bars: Bars, columns: Floats, t: int, state: Floats, params: Params) -> Signal:
        plain = market(1.0)
        return Signal(
            plain.target, plain.order_type, 0.0, columns[0, t], 0.0, 0.0, 0.0, plain.time_in_force, plain.from_fill
        )

    def lowest_ahead(bars: Bars, params: Params) -> Floats:
        return np.minimum(bars.low, np.append(bars.low[1:], np.inf))[None, :]

    found = examine(of(lowest_ahead, on_bar=stopped), [walk_of(2, 400)], Params()).findings
    assert [(one.kind, one.field) for one in found] == [("look-ahead", "stop_loss")]


def test_noise_of_rounding_is_no_finding_and_a_lot_is() -> None:
    row = np.array([[0.5, 0, 0, 90.0, 0, 0, 0, 0, 0]])
    for column, by, differs in [(0, 1e-6, False), (0, 3e-6, True), (3, 1e-9, False), (3, 1e-6, True), (1, 1, True)]:
        other = row.copy()
        other[0, column] += by
        assert unlike(row, other).any() == differs
    silent = row.copy()
    silent[0, 0] = np.nan
    other = silent.copy()
    other[0, 3] = 80.0
    assert unlike(row, silent).any() and not unlike(silent, other).any()


def test_too_few_bars_to_show_anything_are_an_error_and_not_a_pass() -> None:
    with pytest.raises(StrategyError, match="give at least 82"):
        examine(of(tomorrow), [walk_of(1, 81)], Params())


def test_a_strategy_that_fails_on_less_history_says_on_how_much() -> None:
    def brittle(bars: Bars, params: Params) -> Floats:
        if bars.close.size < 300:
            raise ValueError("need more")
        return long_where(bars.close > 0.0)

    with pytest.raises(StrategyError, match=r"works on the whole history and fails on \d+ bars of it: need more"):
        examine(of(brittle), [walk_of(1, 300)], Params())


VARIANTS = [(name, ()) for name in strategies.names()] + [
    (name, (("allow_short", 1),)) for name in strategies.names() if "allow_short" in strategies.get(name).params._fields
] + [("macd_trend", (("above_zero", 1),)), ("momentum_rotation", (("weekly", 1), ("top", 1))), ("pairs", (("confidence", 0),))]  # fmt: skip
SLOW = {"ml_trend": 12}


@pytest.mark.parametrize(("name", "changed"), VARIANTS)
def test_no_strategy_of_ours_is_accused_on_real_prices(name: str, changed: tuple[tuple[str, int], ...]) -> None:
    strategy = strategies.get(name)
    universe = real("sp500", "nasdaq") if strategy.prepare_universe else real("nasdaq")
    report = examine(strategy, universe, strategy.params()._replace(**dict(changed)), cuts=SLOW.get(name, 40))
    assert report.findings == () and report.cuts > 10 and report.starts == 8


@pytest.mark.parametrize("name", strategies.names())
def test_no_strategy_of_ours_is_accused_on_shares(name: str) -> None:
    strategy = strategies.get(name)
    shares = real("SPY", "AAPL", "BAC", "AIG")
    universe = shares[: min(4, strategy.symbols[1])] if strategy.prepare_universe else shares[1:2]
    assert examine(strategy, universe, strategy.params(), cuts=SLOW.get(name, 20), starts=5).findings == ()


def test_the_template_passes_its_own_check() -> None:
    from strategies.template import STRATEGY

    assert examine(STRATEGY, real("sp500"), STRATEGY.params()).findings == ()
