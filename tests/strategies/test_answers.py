"""Every strategy of one instrument says what a slow twin of its own words says, on real prices and on small known cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

import strategies
from strategies.api import Bars, parse_params
from strategies.causality import signals
from tests.strategies.samples import DAY, bars_of, real

NAN = math.nan


def targets(name, bars, *texts):
    strategy = strategies.get(name)
    return signals(strategy, bars, parse_params(strategy, texts))[:, 0]


def same(got, wanted):
    np.testing.assert_array_equal(np.array(got), np.array(wanted, float))


def ema_twin(x, n, seed_at=0):
    """The recursion as the books have it, in Python floats."""
    out, value = [NAN] * len(x), None
    for t in range(seed_at + n - 1, len(x)):
        value = sum(x[seed_at : seed_at + n]) / n if value is None else value + 2 / (n + 1) * (x[t] - value)
        out[t] = value
    return out


@pytest.mark.parametrize("short", [0, 1])
def test_the_exponential_cross_is_long_exactly_while_the_fast_average_is_greater(short):
    bars = real("sp500")[0]
    close = [float(v) for v in bars.close]
    fast, slow = ema_twin(close, 12), ema_twin(close, 26)
    warm = 26 + math.ceil(math.log(1e-9) / math.log(1 - 2 / 27))
    wanted = [NAN if t < warm - 1 else 1.0 if fast[t] > slow[t] else -float(short) for t in range(len(close))]
    same(targets("ema_cross", bars, f"allow_short={short}"), wanted)


@pytest.mark.parametrize(("zero", "short"), [(0, 0), (0, 1), (1, 1)])
def test_macd_is_long_exactly_while_its_line_is_above_its_signal(zero, short):
    bars = real("nasdaq")[0]
    close = [float(v) for v in bars.close]
    line = [a - b for a, b in zip(ema_twin(close, 12), ema_twin(close, 26))]
    signal = ema_twin(line, 9, 25)
    warm = strategies.get("macd_trend").warmup(strategies.get("macd_trend").params())
    assert warm == 26 + 270 + 9 + 93
    wanted = []
    for t in range(len(close)):
        up = line[t] > signal[t] and (not zero or line[t] > 0)
        down = short and line[t] < signal[t] and (not zero or line[t] < 0)
        wanted.append(NAN if t < warm - 1 else 1.0 if up else -1.0 if down else 0.0)
    same(targets("macd_trend", bars, f"above_zero={zero}", f"allow_short={short}"), wanted)


def test_flat_prices_after_a_move_never_trade_on_what_is_left_of_it():
    moved = bars_of([10_000 + (at * 37) % 900 for at in range(400)] + [10_500] * 1_500)
    for name in ("ema_cross", "macd_trend", "sma_cross"):
        late = targets(name, moved)[1_000:]
        assert (late == 0.0).all()


def positions(events, first):
    """A position that is flat at first, moved by (enter long, leave long, enter short, leave short)."""
    held, out = 0.0, []
    for t, (buy, sell, short, cover) in enumerate(events):
        if t >= first:
            held = 0.0 if (held > 0 and sell) or (held < 0 and cover) else held
            held = 1.0 if buy else -1.0 if short else held
        out.append(held)
    return out


def agrees_once_known(got, held):
    """The latch is silent at first and then holds what the twin, who knows the beginning, holds."""
    known = ~np.isnan(got)
    assert known[known.argmax() :].all() and known.mean() > 0.9
    np.testing.assert_array_equal(got[known], np.array(held)[known])
    return int(known.argmax())


@pytest.mark.parametrize("short", [0, 1])
def test_donchian_buys_above_the_channel_before_the_bar_and_sells_below_the_shorter_one(short):
    bars = real("sp500")[0]
    high, low, close = ([float(v) for v in column] for column in (bars.high, bars.low, bars.close))
    events = [(False,) * 4] * 20
    for t in range(20, len(close)):
        events.append((
            close[t] > max(high[t - 20 : t]), close[t] < min(low[t - 10 : t]),
            bool(short) and close[t] < min(low[t - 20 : t]), close[t] > max(high[t - 10 : t]),
        ))  # fmt: skip
    first = agrees_once_known(targets("donchian_breakout", bars, f"allow_short={short}"), positions(events, 20))
    assert 20 <= first < 60


def test_donchian_on_a_known_path():
    close = [100, 101, 102, 101, 103, 104, 100, 99, 104, 103]
    bars = Bars(np.arange(10) * DAY, *[np.array(close, float)] * 4, np.ones(10))
    # Entry: above the highest of the 3 closes before. Exit: below the lowest of the 2 before.
    same(targets("donchian_breakout", bars, "enter=3", "leave=2"), [NAN, NAN, NAN, NAN, 1, 1, 0, 0, 0, 0])
    same(targets("donchian_breakout", bars, "enter=2", "leave=1"), [NAN, NAN, 1, 0, 1, 1, 0, 0, 1, 0])


def rsi_twin(close, n):
    change = [b - a for a, b in zip(close, close[1:])]
    up, down, out = 0.0, 0.0, [NAN] * len(close)
    for t in range(1, len(close)):
        gain, loss = max(change[t - 1], 0.0), max(-change[t - 1], 0.0)
        if t < n:
            up, down = up + gain, down + loss
            continue
        up, down = ((up + gain) / n, (down + loss) / n) if t == n else ((up * (n - 1) + gain) / n, (down * (n - 1) + loss) / n)
        out[t] = 100 * up / (up + down)
    return out


@pytest.mark.parametrize("short", [0, 1])
def test_rsi_buys_low_and_sells_in_the_middle(short):
    bars = real("nasdaq")[0]
    index = rsi_twin([float(v) for v in bars.close], 14)
    events = [(v < 35, v > 50, bool(short) and v > 65, v < 50) for v in index]
    warm = strategies.get("rsi_reversion").warmup(strategies.get("rsi_reversion").params())
    got = targets("rsi_reversion", bars, "low=35", "high=65", f"allow_short={short}")
    assert agrees_once_known(got, positions(events, warm - 1)) < warm + 100
    assert set(got[~np.isnan(got)]) == ({-1.0, 0.0, 1.0} if short else {0.0, 1.0})


def test_regimes_follow_trends_buy_dips_in_ranges_and_halve_in_storms():
    bars = real("sp500")[0]
    close = bars.close
    returns = np.append(NAN, np.log(close[1:] / close[:-1]))

    def deviation(x, t, n):
        return np.std(x[t - n + 1 : t + 1], ddof=1)

    trend, storm, held, wanted = None, None, 0.0, []
    for t in range(close.size):
        if t < 250:
            wanted.append(NAN)
            continue
        ratio = abs(close[t] - close[t - 50]) / np.abs(np.diff(close[t - 50 : t + 1])).sum()
        trend = True if ratio > 0.3 else False if ratio < 0.2 else trend
        wind = deviation(returns, t, 20) / deviation(returns, t, 250)
        storm = True if wind > 1.5 else False if wind < 1.2 else storm
        z = (close[t] - close[t - 19 : t + 1].mean()) / deviation(close, t, 20)
        if trend:
            held = 1.0 if close[t] > close[t - 49 : t + 1].mean() else 0.0
        elif trend is False:
            held = 1.0 if z < -1.5 else 0.0 if z > 0 else held
        wanted.append(held * (0.5 if storm else 1.0))
    agrees_once_known(targets("regime_switch", bars), wanted)
    assert set(wanted[250:]) == {0.0, 0.5, 1.0}


def test_a_storm_halves_what_the_calm_holds():
    calm = targets("regime_switch", real("sp500")[0], "storm_size=1")
    half = targets("regime_switch", real("sp500")[0], "storm_size=0.25")
    ratio = half[calm == 1.0]
    assert set(ratio[~np.isnan(ratio)]) == {0.25, 1.0}


@pytest.mark.parametrize("name", ["sma_cross", "ema_cross", "macd_trend", "rsi_reversion", "donchian_breakout", "regime_switch", "ml_trend"])
def test_a_bar_with_an_unknown_price_is_no_reason_to_fail_or_to_go_wild(name):
    bars = real("sp500")[0]
    holed = Bars(*(column.copy() for column in bars))
    for column in holed[1:5]:
        column[3_000] = NAN
    got, clean = targets(name, holed), targets(name, bars)
    np.testing.assert_array_equal(got[:3_000], clean[:3_000])
    assert np.isnan(got[3_000]) or got[3_000] in (0.0, 0.5, 1.0)
    spoken = got[~np.isnan(got)]
    assert ((spoken >= 0) & (spoken <= 1)).all()


@pytest.mark.parametrize(
    ("name", "texts", "words"),
    [
        ("ema_cross", ["fast=26"], ["fast=26", "slow=26", "swap"]),
        ("macd_trend", ["fast=30"], ["fast=30", "slow=26"]),
        ("rsi_reversion", ["low=60"], ["must rise", "low=60", "leave=50"]),
        ("rsi_reversion", ["n=1"], ["n=1", "from 2"]),
        ("donchian_breakout", ["leave=21"], ["leave=21", "enter=20"]),
        ("regime_switch", ["ranging=0.5"], ["ranging=0.5", "trending=0.3"]),
        ("regime_switch", ["calm=2"], ["calm=2", "storm=1.5"]),
        ("regime_switch", ["short_vol=300"], ["short_vol=300", "long_vol=250"]),
        ("pairs", ["confidence=80"], ["confidence=80", "90, 95 or 99"]),
        ("pairs", ["entry=5"], ["must rise", "entry=5", "stop=4"]),
        ("momentum_rotation", ["top=0"], ["top=0", "from 1"]),
        ("ml_trend", ["leave=0.6"], ["leave=0.6", "enter=0.55"]),
        ("ml_trend", ["higher_hours=24"], ["higher_hours=24", "1440 minutes"]),
    ],
)
def test_parameters_that_do_not_fit_together_are_refused_by_name(name, texts, words):
    with pytest.raises(strategies.api.StrategyError) as error:
        parse_params(strategies.get(name), texts)
    assert all(word in str(error.value) for word in [name, *words])
