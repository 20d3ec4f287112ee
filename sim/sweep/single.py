"""One run by a kernel: decisions in milliseconds, the book when somebody asks for it.

Theory of operation. A strategy that declares its wishes as columns, under a setting that a Deal can
express, is run by the same `by_words` that sweeps use, with its decisions kept. What comes back is a
Simulation like that of `sim.run.simulate`, digest for digest; it differs in that nothing but the decisions
exists before it is read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.data import History
from sim.engine.signals import seen
from sim.run import Setting
from sim.sweep.core.account import FINE, S_ROWS, S_STATUS
from sim.sweep.book import KernelRun
from sim.sweep.core.kernels import Accounts, by_bars, by_words
from sim.sweep.core.market import Deal, bare, deal
from sim.sweep.program import Sheet, Sight, program, sides
from sim.sweep.core.statistics import scratch
from sim.sweep.stream import by_stream, can_stream
from sim.sweep.work import WORDS, Case, empty, over, why_not
from strategies.api import Strategy, is_compiled, may_short


def kernel_run(
    history: History, strategy: Strategy, params: Any, setting: Setting | None = None, kernel: str = WORDS
) -> KernelRun | None:
    """Return the run of one strategy over one history, or None when the kernel cannot have it (then `simulate` can).

    Args:
        kernel: "words" (needs a declaration as columns) or "bars" (asks a compiled `on_bar` at every bar).
    Raises:
        UnitError: a setting that is no number.
    """
    setting = setting or Setting()
    case = Case((history,), strategy, setting, 1, "bar")
    if why_not(case) or (strategy.columnar is None if kernel == WORDS else not is_compiled(strategy)):
        return None
    numbers = deal(history, setting, may_short(strategy, params))
    accounts = empty(1, 1, history.end_ns.size + 1)
    (_by_words if kernel == WORDS else _by_bars)(case, params, numbers, accounts)
    state = accounts.state[0]
    if state[S_STATUS] != FINE:
        return None
    return KernelRun(history, strategy, params, setting, numbers, accounts.record[: state[S_ROWS]].copy())


def _by_words(case: Case, params: Any, numbers: Deal, accounts: Accounts) -> None:
    """Run the declaration (accounts modified in place)."""
    history, declared = case.histories[0], case.strategy.columnar(params)  # type: ignore[misc]
    if can_stream(declared):
        by_stream(history, declared, numbers, accounts)
        return
    sheet = Sheet(Sight(history), history.end_ns.size)
    sheet.hold(sides(declared), over(None))
    table = program([declared], sheet)
    buffers = scratch(table.tests.shape[1], table.targets.shape[1])
    by_words(bare(history), numbers, table, accounts, buffers, 0, sheet.count, 0)


def _by_bars(case: Case, params: Any, numbers: Deal, accounts: Accounts) -> None:
    """Ask the strategy at every bar (accounts modified in place)."""
    history, strategy = case.histories[0], case.strategy
    bars, memory = seen(history), np.zeros(max(1, strategy.state_size))
    columns = np.ascontiguousarray(strategy.prepare(bars, params), np.float64)
    where = bare(history)
    by_bars(where, numbers, accounts, 0, scratch(1, 1), strategy.on_bar, bars, columns, memory, params)
