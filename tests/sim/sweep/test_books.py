"""The books of both kernels against the engine's, digest for digest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.invariants import Invariant, check
from sim.data import load
from sim.run import BacktestError, Setting, figures, simulate
from sim.sweep import single, stream
from sim.sweep.core import market as markets_of
from sim.sweep.core.account import R_QTY
from sim.sweep.core.words import TILE
from sim.sweep.single import kernel_run
from strategies import get, names
from strategies.api import parse_params
from strategies.columnar import ABOVE, Wish, column
from strategies.columnar import Test as Compare
from strategies.columnar import targets as declared_targets
from strategies.indicators import ema, sma
from sim.engine.signals import seen, wishes

from tests.sim.backtest import tapes
from tests.sim.sweep import markets

ROOT = Path(__file__).resolve().parents[3]
LEAN = ROOT.parent / "shared" / "data" / "lean"
SIZES = ("percent:95", "percent:150", "percent:40", "shares:100", "shares:7", "value:30000", "each:33.3333")
FEES = ("ibkr-fixed", "lean-ibkr", "zero", "bps:10", "per-order:1.5", "per-share:0.005,minimum=1,cap=1", "bps:250")
TARGETS = (float("nan"), 0.0, 1.0, -1.0, 0.5, -0.25, 0.333333, 1e-6)
a_setting = st.builds(
    lambda *words: Setting(*words), st.sampled_from(["100000", "1000", "12345.67", "50000000"]), st.sampled_from(SIZES), st.sampled_from(FEES)
)


def both(history, strategy, params, setting):  # type: ignore[no-untyped-def]
    """Yield the kernel's runs beside the engine's."""
    whole = simulate([history], strategy, params, setting)
    for kernel in ("words", "bars"):
        yield kernel, kernel_run(history, strategy, params, setting, kernel), whole


def assert_same(history, strategy, params, setting) -> int:  # type: ignore[no-untyped-def]
    compared = 0
    for kernel, fast, whole in both(history, strategy, params, setting):
        if fast is None:
            continue
        compared += 1
        assert fast.log.shape == whole.log.shape and (fast.log == whole.log).all(), kernel
        assert fast.book.digest() == whole.book.digest(), kernel
        assert (fast.values == whole.values).all() and (fast.equity_e8 == whole.values[:, 2] + whole.values[:, 3]).all(), kernel
    return compared


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.sampled_from(TARGETS), min_size=2, max_size=150), st.integers(0, 10**6), st.sampled_from([0, 2, 4, 6, 8]),
    st.booleans(), a_setting,
)  # fmt: skip
def test_any_wishes_give_the_engines_book_through_both_kernels(targets, seed, exp, short, setting):  # type: ignore[no-untyped-def]
    history = markets.walk(len(targets), seed, exp)
    assert_same(history, markets.scripted(np.array(targets), short), tapes.NoParams(), setting)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 30), st.integers(1, 60), st.booleans(), st.integers(0, 10**6), a_setting)
def test_crossovers_give_the_engines_book_through_both_kernels(fast, more, short, seed, setting):  # type: ignore[no-untyped-def]
    strategy = markets.crossing()
    assert_same(markets.walk(700, seed), strategy, strategy.params(fast, fast + more, int(short)), setting)


def test_the_kernels_do_take_the_ordinary_runs_and_a_tile_edge_changes_nothing() -> None:
    strategy = markets.crossing()
    for bars in (TILE - 1, TILE, TILE + 1, 5000):
        assert assert_same(markets.walk(bars, bars), strategy, strategy.params(5, 17, 0), Setting()) == 2


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 4 * TILE + 9), st.integers(1, 40), st.sampled_from([1, 300, TILE]), st.booleans(), st.integers(0, 10**6))
@example(490, 1, 1, False, 9)  # left to the engine
def test_a_history_walked_stretch_by_stretch_gives_the_decisions_of_the_whole(bars, fast, more, split, seed) -> None:  # type: ignore[no-untyped-def]
    history, strategy = markets.walk(bars, seed, step=0.003), markets.crossing()
    if split:  # prices seen through a factor that changes within a stretch
        factor = np.where(np.arange(bars) < bars // 2, 0.5, 1.0)
        history = history._replace(signal_factor=factor)
    params, rich = strategy.params(fast, fast + more, seed % 2), Setting(cash="50000000", size="shares:100")
    assert stream.can_stream(strategy.columnar(params))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "STRETCH", TILE)
        patch.setattr(stream, "counted", lambda *given: None)
        streamed = kernel_run(history, strategy, params, rich)
        patch.setattr(single, "can_stream", lambda declared: False)
        whole = kernel_run(history, strategy, params, rich)
    asked = kernel_run(history, strategy, params, rich, kernel="bars")
    # A run that meets what the kernels leave to the engine is left by all three.
    records = [run if run is None else run.record for run in (streamed, whole, asked)]
    assert np.array_equal(records[0], records[1]) and np.array_equal(records[0], records[2])  # type: ignore[arg-type]


def test_a_column_that_looks_back_further_than_a_stretch_or_at_all_bars_is_not_streamed() -> None:
    def wish(*columns):  # type: ignore[no-untyped-def]
        return (Wish(1.0, tuple(Compare(one, ABOVE, "close") for one in columns)),)

    assert stream.can_stream(wish("open", column(sma, "high", stream.STRETCH)))
    for one in (column(sma, "close", stream.STRETCH + 1), column(ema, "close", 9), column(sma, column(sma, "close", 3), 5), "volume"):
        assert not stream.can_stream(wish("open", one))


def test_every_declaration_wishes_what_on_bar_wishes() -> None:
    history, declared = markets.walk(900, 3), [get(name) for name in names() if get(name).columnar is not None]
    assert declared
    for strategy in declared:
        for short in (0, 1):
            params = strategy.params(**({"allow_short": short} if "allow_short" in strategy.params._fields else {}))
            asked = wishes(strategy, [history], params)[:, 0]
            assert np.array_equal(asked, declared_targets(strategy.columnar(params), seen(history)), equal_nan=True), strategy.name


@pytest.mark.parametrize("symbol", ["SPY", "AAPL", "IBM", "BAC"])
def test_real_prices_give_the_engines_book_through_both_kernels(symbol: str) -> None:
    if not LEAN.exists():
        pytest.skip("the LEAN prices are not here: ../shared/data/lean is absent")
    strategy, (history,) = markets.crossing(), load(str(LEAN), [symbol], prices="adjusted", repairs=["allow-jumps"])
    for texts in (["fast=10", "slow=30"], ["fast=3", "slow=200", "allow_short=1"]):
        assert assert_same(history, strategy, parse_params(strategy, texts), Setting()) == 2


def test_the_bundled_index_gives_the_engines_book_and_figures() -> None:
    strategy, (history,) = markets.crossing(), load("sp500")
    fast, whole = kernel_run(history, strategy, strategy.params()), simulate([history], strategy, strategy.params())
    assert fast is not None and fast.book.digest() == whole.book.digest() and check(fast.book) == Invariant.HOLDS
    assert figures(fast) == figures(whole)


def test_a_decision_that_the_gate_would_not_make_stops_the_replay() -> None:
    """Ablation: the book of a kernel's run is not believed but decided again."""
    strategy = markets.crossing()
    fast = kernel_run(markets.walk(700), strategy, strategy.params(5, 17, 0))
    assert fast is not None
    fast.record[3, R_QTY] += 10_000
    with pytest.raises(BacktestError, match="refused event"):
        _ = fast.book


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"account": "margin"}, "account='margin'"), ({"commission": "ibkr-tiered"}, "month"), ({"size": "atr:1"}, "size atr:1"),
        ({"size": "percent:95,buffer=1"}, "buffer"), ({"lot": "0.1"}, "lot"), ({"borrow_bps": "50"}, "borrow_bps"),
    ],
)  # fmt: skip
def test_what_a_kernel_cannot_have_is_named_and_left_to_the_engine(change, words: str) -> None:  # type: ignore[no-untyped-def]
    setting, strategy = Setting()._replace(**change), markets.crossing()
    assert words in markets_of.refusal(markets.walk(50), setting)
    assert kernel_run(markets.walk(50), strategy, strategy.params(), setting) is None


def test_an_account_beyond_the_kernels_range_is_given_up_and_not_wrapped() -> None:
    strategy = markets.scripted(np.array([1.0] * 20))
    setting = Setting(cash="900000000", commission="zero")
    assert kernel_run(markets.walk(20), strategy, tapes.NoParams(), setting) is None
    assert simulate([markets.walk(20)], strategy, tapes.NoParams(), setting).book.valuation().equity is not None


CHILD = """
from sim.sweep.single import kernel_run
from sim.run import Setting
from tests.sim.sweep import markets
s = markets.crossing()
for kernel in KERNELS:
    print(kernel_run(markets.walk(400, 5), s, s.params(3, 11, 1), Setting(size="shares:100"), kernel).book.digest())
"""


@pytest.mark.parametrize(
    ("mode", "kernels"), [({"NUMBA_DISABLE_JIT": "1"}, ("words",)), ({"NUMBA_BOUNDSCHECK": "1"}, ("words", "bars"))]
)
def test_interpreted_and_bounds_checked_kernels_give_the_same_book(mode: dict[str, str], kernels: tuple[str, ...]) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", f"KERNELS = {kernels!r}{CHILD}"], capture_output=True, text=True, check=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)} | mode
    )
    strategy = markets.crossing()
    wanted = simulate([markets.walk(400, 5)], strategy, strategy.params(3, 11, 1), Setting(size="shares:100")).book.digest()
    assert answer.stdout.split() == [wanted] * len(kernels) and not answer.stderr
