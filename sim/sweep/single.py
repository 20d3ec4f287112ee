"""One run by a kernel: decisions in milliseconds, the book when somebody asks for it.

Theory of operation. A strategy that declares its wishes as columns, under a setting that a Deal can
express, is run by the same `by_words` that sweeps use, with its decisions kept. What comes back is a
Simulation like that of `sim.run.simulate`, digest for digest; it differs in that nothing but the decisions
(and the equity, where it is drawn on the way) exists before it is read. What can be made in one pass over the
bars is (`_whole`); what that gives up is made again with the bars judged first (`_judged`), which says no with a reason.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.data import History
from sim.engine.signals import seen
from sim.run import Setting
from sim.sweep.core.account import FINE, R_TARGET, S_ROWS, S_STATUS
from sim.sweep.book import KernelRun
from sim.sweep.core.closed import tables
from sim.sweep.core.kernels import Accounts, by_bars, by_words
from sim.sweep.core.market import Deal, Survey, bare, deal, survey
from sim.sweep.program import Sheet, Sight, program, sides
from sim.sweep.core.statistics import scratch
from sim.sweep.stream import UNKNOWN, at_once, by_stream, can_stream
from sim.sweep.work import WORDS, Case, empty, over, why_not
from strategies.api import Strategy, is_compiled, may_short

Ints = NDArray[np.int64]


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
    if why_not(case, UNKNOWN) or (strategy.columnar is None if kernel == WORDS else not is_compiled(strategy)):
        return None
    return (_whole(case, params) if kernel == WORDS else None) or _judged(case, params, kernel)


def _judged(case: Case, params: Any, kernel: str) -> KernelRun | None:
    """Return a run over bars that are judged first."""
    history, found = case.histories[0], survey(case.histories[0])
    if found.unusual:
        return None
    numbers = deal(history, case.setting, may_short(case.strategy, params), found)
    accounts = _by_words(case, params, numbers, found) if kernel == WORDS else _by_bars(case, params, numbers)
    return _run(case, params, numbers, accounts) if accounts.state[0, S_STATUS] == FINE else None


def _whole(case: Case, params: Any) -> KernelRun | None:
    """Return a run in one pass, or None where it cannot be had so."""
    history, declared = case.histories[0], case.strategy.columnar(params)  # type: ignore[misc]
    loose, short = deal(history, case.setting, True, UNKNOWN), may_short(case.strategy, params)
    if history.end_ns.size == 0 or loose.divide != 1 or not can_stream(declared):
        return None
    done = at_once(history, declared, loose._replace(short=int(short)))
    if done is None or done.found.unusual:
        return None
    numbers = deal(history, case.setting, short, done.found)
    # No decision looked at more lots than its own target and the position, which is an earlier one.
    targets = done.accounts.record[: done.accounts.state[0, S_ROWS], R_TARGET]
    if 2 * max(int(targets.max(initial=0)), -int(targets.min(initial=0))) > numbers.lots_cap:
        return None
    run = _run(case, params, numbers, done.accounts)
    run.__dict__["equity_e8"] = done.equity
    return run


def _run(case: Case, params: Any, numbers: Deal, accounts: Accounts) -> KernelRun:
    record = _fitting(accounts.record, int(accounts.state[0, S_ROWS]))
    return KernelRun(case.histories[0], case.strategy, params, case.setting, numbers, record)


def _fitting(record: Ints, rows: int) -> Ints:
    """Return the rows that were written, without the memory behind them where that is most of it."""
    return record[:rows] if 2 * rows >= len(record) else record[:rows].copy()


def _by_words(case: Case, params: Any, numbers: Deal, found: Survey) -> Accounts:
    """Return the account of a declaration."""
    history, declared = case.histories[0], case.strategy.columnar(params)  # type: ignore[misc]
    if can_stream(declared):
        return by_stream(history, declared, numbers, found)
    sheet = Sheet(Sight(history), history.end_ns.size)
    sheet.hold(sides(declared), over(None))
    table = program([declared], sheet)
    buffers, accounts = scratch(table.tests.shape[1], table.targets.shape[1]), empty(1, 1, sheet.count + 1)
    by_words(bare(history), numbers, table, accounts, buffers, tables(), 0, sheet.count, 0)
    return accounts


def _by_bars(case: Case, params: Any, numbers: Deal) -> Accounts:
    """Return the account of a strategy that is asked at every bar."""
    history, strategy = case.histories[0], case.strategy
    bars, memory = seen(history), np.zeros(max(1, strategy.state_size))
    columns = np.ascontiguousarray(strategy.prepare(bars, params), np.float64)
    where, accounts = bare(history), empty(1, 1, history.end_ns.size + 1)
    by_bars(where, numbers, accounts, 0, scratch(1, 1), strategy.on_bar, bars, columns, memory, params)
    return accounts
