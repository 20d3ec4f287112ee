"""The two-phase kernel beside an equal one in C: how much a compiler of Python leaves on the table.

Theory of operation. `kernel.c` is built with the system's compiler for this very machine; without one the row says so and
nothing is compared. Both sides sweep the same bars and windows in one thread and must come to the same cash, fees, trades,
wins and position of every combination to the last unit, and to the same depth and moments to float noise. What is timed is
processor time, in turns, the least of each: the machine is shared, and waiting is nobody's work.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import sweeps
from benchmarks.measures import Line
from sim.data import History
from sim.sweep import SweepResult

FLAGS = ("-O3", "-march=native", "-ffast-math", "-shared", "-fPIC")
ACCOUNT = np.dtype(
    [(name, np.int64) for name in ("cash", "position", "cost", "entry_fee", "fees", "fills", "trades", "wins", "refused", "wants")]
    + [(name, np.float64) for name in ("peak", "trough", "depth", "before", "sum", "square")]
)
CASH, LOTS, RATE, WORST_BPS = 50_000_000 * 10**8, 100 * 10**4, 10 * 10**4, 400
"""`sweeps.SETTING` as integers."""
TILE = 1024


def beside_c(bars_count: int, combos: int, rounds: int = 5) -> list[Line]:
    """Time our sweep and the one in C in turns, after their accounts were found equal."""
    what = f"two-phase kernel beside C, {combos:,} combinations x {bars_count:,} bars, 1 thread"
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        print("SKIPPED: no C compiler (cc, gcc, clang) here; our kernel is compared with none", file=sys.stderr)
        return [Line(what, "skipped", "1.6x", "no C compiler on this machine")]
    bars = sweeps.history(bars_count)
    with tempfile.TemporaryDirectory() as folder:
        run = prepared(bars, sweeps.values(combos), build(compiler, Path(folder)))
        found, accounts = sweeps.ours(bars, combos), run()
        checked = require_equal(found, accounts)
        ours, theirs = sweeps.in_turns(rounds, lambda: sweeps.ours(bars, combos), run)
    cell = bars_count * combos / 1e9
    version = subprocess.run([compiler, "-dumpfullversion"], capture_output=True, text=True, check=False).stdout.strip()
    figure = f"{ours / cell:.2f} ns, C {theirs / cell:.2f} ns = {ours / theirs:.2f}x"
    return [Line(f"{what}; processor time, cc {version}", figure, "1.6x", checked)]


def build(compiler: str, folder: Path) -> Any:
    """Return kernel.c as a library.

    Raises:
        subprocess.CalledProcessError: it does not compile.
    """
    target = folder / "kernel.so"
    subprocess.run([compiler, *FLAGS, "-o", str(target), str(Path(__file__).with_name("kernel.c"))], check=True)
    return ctypes.CDLL(str(target))


def prepared(bars: History, values: dict[str, list[int]], library: Any) -> Callable[[], np.ndarray]:
    """Return what makes the averages and sweeps all pairs of windows in C, and returns the accounts."""
    pairs = np.array([(fast, slow) for fast in values["fast"] for slow in values["slow"]], np.int64)
    windows, rows = np.unique(pairs, return_inverse=True)
    fast, slow = (np.ascontiguousarray(rows.reshape(pairs.shape)[:, place], np.int64) for place in (0, 1))
    begins = pairs[:, 1] - 1
    opens, closes = np.ascontiguousarray(bars.open_ticks), np.ascontiguousarray(bars.close_ticks)
    count, width = closes.size, -(-closes.size // TILE) * TILE

    def run() -> np.ndarray:
        means, sums = np.empty((windows.size, width)), np.concatenate([[0], np.cumsum(closes)])
        for row, window in zip(means, windows.tolist(), strict=True):
            library.average(*_c(count, sums, window, row))
        price, accounts = np.concatenate([closes, np.zeros(64)]), np.zeros(len(pairs), ACCOUNT)
        numbers = (CASH, LOTS, RATE, WORST_BPS)
        library.sweep(*_c(count, opens, closes, price, means, width, len(pairs), fast, slow, begins, *numbers, accounts))
        return accounts

    return run


def _c(*given: Any) -> list[Any]:
    """Return arguments as C takes them: numbers of 64 bits, and addresses of arrays."""
    return [ctypes.c_void_p(one.ctypes.data) if isinstance(one, np.ndarray) else ctypes.c_int64(one) for one in given]


def require_equal(found: SweepResult, accounts: np.ndarray) -> str:
    """Compare every combination's account."""
    table, last = found.table, int(found.cases[0].histories[0].close_ticks[-1])
    exact = {"fees_e8": "fees", "trades": "trades", "fills": "fills", "refused": "refused"}
    for mine, theirs in exact.items():
        assert np.array_equal(table[mine], accounts[theirs]), f"{mine} differ from C's"
    assert np.array_equal(table["final_equity_e8"], accounts["cash"] + accounts["position"] * last), "final equity differs from C's"
    assert np.allclose(table["win_rate"] * accounts["trades"], accounts["wins"]), "wins differ from C's"
    assert np.allclose(table["max_drawdown"], accounts["depth"], rtol=0, atol=1e-12), "drawdowns differ from C's"
    sums = found.blocks.sum(axis=1)
    assert np.allclose(sums[:, 0], accounts["sum"], rtol=1e-7, atol=1e-12), "sums of returns differ from C's"
    assert np.allclose(sums[:, 1], accounts["square"], rtol=1e-7, atol=1e-16), "squares of returns differ from C's"
    return f"cash, fees, fills, trades, wins of all {len(accounts):,} combinations equal to the last unit"
