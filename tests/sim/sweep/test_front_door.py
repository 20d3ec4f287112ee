"""`sim.backtest` by a kernel and by the engine: every attribute of the Result agrees."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ledger.journal import Journal
from sim import backtest
from sim.api import Result
from sim.run import Setting, simulate
from sim.sweep.book import KernelRun
from strategies import get
from strategies.api import parse_params

from tests.sim.sweep import markets

CASES = {
    "ordinary": (700, ["fast=5", "slow=17"], Setting()),
    "short": (700, ["fast=3", "slow=30", "allow_short=1"], Setting(cash="12345.67", size="percent:40")),
    "refusals": (400, ["fast=2", "slow=9"], Setting(cash="500", size="shares:100")),
    "silent": (10, ["fast=5", "slow=20"], Setting()),
}
TABLES = ("fills", "orders", "trades")


def both(case: str) -> tuple[Result, Result]:
    """Return the Result of the front door, made by a kernel, and the engine's."""
    bars, texts, setting = CASES[case]
    strategy, history = get("sma_cross"), markets.walk(bars, 8)
    params = parse_params(strategy, texts)
    fast = backtest(history, strategy, setting=setting, **params._asdict())
    assert type(fast.simulation) is KernelRun
    return fast, Result(simulate([history], strategy, params, setting))


@pytest.mark.parametrize("case", CASES)
def test_every_attribute_of_a_result_is_the_engines(case: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    fast, whole = both(case)
    assert np.array_equal(fast.equity_e8, whole.equity_e8) and np.array_equal(fast.log, whole.log)
    assert fast.book.digest() == whole.book.digest()
    pd.testing.assert_series_equal(fast.equity, whole.equity)
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(fast, name), getattr(whole, name))
    assert fast.figures == whole.figures and fast.interval == whole.interval is not None
    mine, theirs = fast.simulation, whole.simulation
    assert (mine.symbols, mine.params, mine.setting, mine.remarks, mine.also) == (
        theirs.symbols, theirs.params, theirs.setting, theirs.remarks, theirs.also,
    )  # fmt: skip
    assert repr(fast) == repr(whole) and fast._repr_html_() == whole._repr_html_()
    written = [result.to_json(tmp_path / name) for result, name in ((fast, "fast"), (whole, "whole"))]
    assert [path.read_bytes() for path in written[0].values()] == [path.read_bytes() for path in written[1].values()]


def test_a_saved_run_is_stored_as_the_engines_is(tmp_path) -> None:  # type: ignore[no-untyped-def]
    fast, whole = both("ordinary")
    path = tmp_path / "runs.book"
    sessions = fast.save(path), whole.save(path)
    with Journal.read(path) as journal:
        one, two = (journal.book(session).digest() for session in sessions)
    assert one == two == whole.book.digest()


def test_what_a_kernel_cannot_have_goes_to_the_engine() -> None:
    history = markets.walk(60)
    for setting in (Setting(account="margin"), Setting(worlds=2), Setting(profile="close")):
        assert type(backtest(history, "sma_cross", fast=3, slow=9, setting=setting).simulation) is not KernelRun
    assert type(backtest(history, "sma_cross", also=["sma_cross fast=2 slow=5"]).simulation) is not KernelRun
