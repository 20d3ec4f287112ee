"""`check` holds declared columns against `on_bar`: what a sweep believes is what paper will trade."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import strategies
from strategies.api import StrategyError, guarded, market
from strategies.check import examine
from strategies.columnar import ABOVE, LESS, Wish, column, opposite, targets
from strategies.columnar import Test as Compare
from strategies.indicators import ema, sma
from tests.strategies.samples import real, walk_of

CROSS = strategies.get("sma_cross")
PARAMS = CROSS.params(5, 20, 0)


def fast_and_slow(make: Any, params: Any) -> tuple[Any, Any]:
    return column(make, "close", params.fast), column(make, "close", params.slow)


def other_average(params: Any) -> tuple[Wish, ...]:
    fast, slow = fast_and_slow(ema, params)
    return opposite(1.0, 0.0, Compare(fast, ABOVE, slow))


def too_long(params: Any) -> tuple[Wish, ...]:
    fast, slow = fast_and_slow(sma, params._replace(slow=params.slow + 1))
    return opposite(1.0, 0.0, Compare(fast, ABOVE, slow))


def never_flat(params: Any) -> tuple[Wish, ...]:
    fast, slow = fast_and_slow(sma, params)
    return (Wish(1.0, (Compare(fast, ABOVE, slow),)),)


def checked(strategy: Any, bars: Any, params: Any = PARAMS) -> Any:
    return examine(strategy, [bars], params, cuts=4, starts=2)


@pytest.mark.parametrize("name", [name for name in strategies.names() if strategies.get(name).columnar is not None])
def test_the_declarations_of_the_library_are_compared_and_hold_on_shares(name: str) -> None:
    strategy = strategies.get(name)
    for bars in (walk_of(3, 1_500), *(one for one in real("SPY", "AAPL", "BAC"))):
        report = examine(strategy, [bars], strategy.params(), cuts=2, starts=1)
        assert report.columnar and report.findings == ()


def test_a_strategy_without_a_declaration_says_that_nothing_was_compared() -> None:
    assert not checked(replace(CROSS, columnar=None), walk_of(1, 200)).columnar


@pytest.mark.parametrize("declared", [other_average, too_long, never_flat])
def test_a_declaration_that_wishes_anything_else_is_found_at_its_first_bar(declared: Any) -> None:
    bars = walk_of(1, 400)
    (found,) = checked(replace(CROSS, columnar=declared), bars).findings
    asked, said = targets(CROSS.columnar(PARAMS), bars), targets(declared(PARAMS), bars)
    wrong = np.flatnonzero(~((asked == said) | (np.isnan(asked) & np.isnan(said))))
    assert (found.kind, found.field, found.bar, found.time_ns) == ("columns", "target", wrong[0], bars.time_ns[wrong[0]])
    assert (found.disagree, found.runs, found.history) == (wrong.size, 400, 400)
    np.testing.assert_array_equal([found.whole, found.part], [asked[wrong[0]], said[wrong[0]]])


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1_000), bar=st.integers(20, 199))
def test_one_wrong_bar_among_all_is_found(seed: int, bar: int) -> None:
    bars = walk_of(seed, 200)
    truth = targets(CROSS.columnar(PARAMS), bars)
    wrong = truth.copy()
    wrong[bar] = 1.0 - np.nan_to_num(truth[bar])
    planted = replace(CROSS, columnar=lambda params: (Wish(1.0, (Compare(column(lambda close: wrong, "close"), ">", 0.5),)),
                                                      Wish(0.0, (Compare(column(lambda close: wrong, "close"), LESS, 0.5),))))  # fmt: skip
    (found,) = checked(planted, bars).findings
    assert (found.kind, found.bar, found.disagree) == ("columns", bar, 1)


def test_columns_cannot_carry_a_guard_and_one_that_on_bar_sets_is_found() -> None:
    def stopped(bars: Any, columns: Any, t: int, state: Any, params: Any) -> Any:
        wish = getattr(CROSS.on_bar, "py_func", CROSS.on_bar)(bars, columns, t, state, params)
        return guarded(wish, bars.close[t] * 0.9, 0.0, 0.0) if wish.target > 0.0 else wish

    (found,) = checked(replace(CROSS, on_bar=stopped), walk_of(2, 300)).findings
    assert (found.kind, found.field, found.part) == ("columns", "stop_loss", 0.0)


@pytest.mark.parametrize("declared", [lambda params: None, lambda params: (Compare("close", ABOVE, 1.0),), lambda params: params.nothing])
def test_a_declaration_that_cannot_be_computed_is_named(declared: Any) -> None:
    with pytest.raises(StrategyError, match="sma_cross: its columns cannot be computed"):
        checked(replace(CROSS, columnar=declared), walk_of(1, 200))


def test_a_wish_of_nan_and_no_wish_are_the_same() -> None:
    silent = replace(CROSS, on_bar=lambda bars, columns, t, state, params: market(np.nan), columnar=lambda params: ())
    assert checked(silent, walk_of(1, 200)).findings == ()
