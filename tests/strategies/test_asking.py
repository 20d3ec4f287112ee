"""Strategies are asked by one loop; what numba cannot compile runs in Python, with the same answers, and says so."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

import strategies
from ledger.kernel import jit
from strategies.api import LIMIT, GTC, Signal, is_compiled, market
from strategies.asking import WISH, NotCompiledWarning, ask, ask_on
from strategies.causality import signals
from tests.strategies.samples import walk_of

BARS = walk_of(1, 200)


def plain(bars, columns, t, state, params):
    recent = {at: bars.close[at] for at in range(max(0, t - 3), t + 1)}  # a dict of what Python can do and numba not
    return market(float(sorted(recent.values(), key=str)[0] == bars.close[t]))


def every_field(bars, columns, t, state, params):
    state[0] += 1.0
    return Signal(0.5, LIMIT, 1.0 + t, 2.0, 3.0, 4.0, 5.0, GTC, 1 if state[0] > 2.0 else 0)


def of(on_bar, **words):
    return replace(strategies.get("buy_and_hold"), name="mine", on_bar=on_bar, **words)


@pytest.mark.compiled
def test_what_numba_cannot_compile_runs_in_python_and_says_so():
    base = strategies.get("buy_and_hold")
    with pytest.warns(NotCompiledWarning, match="mine: numba cannot compile on_bar, so it runs in plain Python, slower"):
        slow = signals(of(jit(plain)), BARS, base.params())
    assert slow.tobytes() == signals(of(plain), BARS, base.params()).tobytes()
    assert set(slow[:, 0]) == {0.0, 1.0}


def test_a_plain_python_strategy_is_known_to_be_one_and_runs_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = signals(of(plain), BARS, strategies.get("buy_and_hold").params())
    assert not is_compiled(of(plain)) and not np.isnan(rows).any()


@pytest.mark.compiled
def test_compiled_and_plain_loops_write_every_field_of_a_signal_alike():
    base = strategies.get("buy_and_hold")
    compiled = of(jit(every_field), state_size=1)
    assert is_compiled(compiled) and is_compiled(base)
    rows = ask(compiled, BARS, np.empty((0, 200)), base.params())
    assert rows.tobytes() == ask(of(every_field, state_size=1), BARS, np.empty((0, 200)), base.params()).tobytes()
    assert list(rows[7]) == [0.5, LIMIT, 8.0, 2.0, 3.0, 4.0, 5.0, GTC, 1.0] and rows[1, -1] == 0.0


def test_an_error_inside_a_strategy_is_its_own_and_not_the_compilers():
    def broken(bars, columns, t, state, params):
        raise ValueError("my own mistake")

    with pytest.raises(ValueError, match="my own mistake"):
        signals(of(broken), BARS, strategies.get("buy_and_hold").params())


@pytest.mark.compiled
@pytest.mark.parametrize("on_bar", [every_field, jit(every_field)], ids=["plain", "compiled"])
def test_asking_one_bar_at_a_time_gives_the_answers_of_asking_for_all(on_bar):
    strategy, params = of(on_bar, state_size=1), strategies.get("buy_and_hold").params()
    columns, state = np.zeros((0, BARS.close.size)), np.zeros(1)
    whole = ask(strategy, BARS, columns, params)
    one_by_one = [
        signal
        for first in range(0, BARS.close.size, 3)
        for signal in ask_on(strategy, type(BARS)(*(column[: first + 3] for column in BARS)), columns[:, : first + 3], params, state, first)
    ]
    assert len(one_by_one) == len(whole) and whole.shape[1] == WISH
    assert np.array(one_by_one, np.float64).tobytes() == whole.tobytes()
    assert isinstance(one_by_one[0].order_type, int) and isinstance(one_by_one[0].from_fill, int)
