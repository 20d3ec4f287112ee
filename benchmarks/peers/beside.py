"""The first job beside other engines: one symbol, SMA 10/30, arrays in, fills and equity curve out.

Theory of operation. Everybody gets the same bars and the same rules: long 100 shares while the fast
average stands above the slow one at a close, flat otherwise, filled at the next open, 10 bps of
commission. Each engine runs in its own environment, at a size it can do, and its own clock times the run
alone; we are timed right before and right after it, at that size. Nothing is printed before its fills are
ours, one by one, and its equity of every bar is ours to float noise. nautilus fills at the
close it decides on, so there the decisions and their prices are compared, and no equity.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.measures import Line
from benchmarks.peers.environments import PATIENCE_S, environment
from ledger.book import I_PRICE_EXP, I_QTY_EXP, N_INSTRUMENT, N_KIND, N_PRICE, N_QTY, N_SIDE, N_TIME
from ledger.vocabulary import EventKind
from sim.api import Result, backtest
from sim.data.history import History, frozen
from strategies import get
from strategies.api import Bars, Signal, Strategy, market, no_opinion

HOUR_NS = 3600 * 10**9
FIRST_NS = 631_152_000 * 10**9  # 1990-01-01
EPOCH_DAY = 719_163
RULES: dict[str, Any] = {"cash": "1000000", "size": "shares:100", "commission": "bps:10"}


class Peer(NamedTuple):
    """An engine: its job, what it needs, and how many bars it is given."""

    name: str
    job: str
    packages: tuple[str, ...]
    bars: int
    same_fills: bool


PEERS = (
    Peer("backtesting.py 0.6.6", "job_backtesting.py", ("backtesting==0.6.6", "pandas<4", "numpy<3"), 100_000, True),
    Peer("backtrader 1.9.78", "job_backtrader.py", ("backtrader==1.9.78.123", "pandas<3", "numpy<3"), 20_000, True),
    Peer("nautilus_trader 1.221", "job_nautilus.py", ("nautilus_trader==1.221.0",), 20_000, False),
)


def bars_of(count: int) -> History:
    """Return hourly bars in cents, a random walk with a fixed seed."""
    rng = np.random.default_rng(1)
    close = np.maximum(100, np.round(10_000 * np.exp(np.cumsum(rng.normal(0, 0.002, count))))).astype(np.int64)
    opened = np.maximum(1, np.concatenate([close[:1], close[:-1]]) + rng.integers(-5, 6, count))
    high, low = np.maximum(opened, close) + rng.integers(0, 9, count), np.minimum(opened, close) - rng.integers(0, 9, count)
    start = FIRST_NS + np.arange(count, dtype=np.int64) * HOUR_NS
    ones = np.ones(count)
    ones.setflags(write=False)
    columns = (start, start + HOUR_NS, start // (24 * HOUR_NS) + EPOCH_DAY, opened, high, low, close, np.full(count, 1_000_000))
    return History("AAA", "benchmark", "1h", "UTC", 2, *(frozen(c.astype(np.int64)) for c in columns), ones, (), (), "0" * 64)


def plain() -> Strategy:
    """Return the same strategy with an `on_bar` that no compiler has seen."""
    compiled = get("sma_cross")

    def on_bar(bars: Bars, columns: np.ndarray, t: int, state: np.ndarray, params: Any) -> Signal:
        fast, slow = columns[0, t], columns[1, t]
        if fast != fast or slow != slow:
            return no_opinion()
        return market(1.0 if fast - slow > 1e-9 * max(abs(fast), abs(slow)) else 0.0)

    return replace(compiled, on_bar=on_bar)


def side_by_side(scale: int) -> list[Line]:
    """Run the job in every engine whose environment can be made, and say which could not."""
    lines: list[Line] = []
    for peer in PEERS:
        place = environment(peer.job.removeprefix("job_").removesuffix(".py"), peer.packages)
        if place.python is None:
            lines.append(Line(f"one symbol, SMA cross, beside {peer.name}", "left out", "", f"no environment: {place.why}"))
            continue
        lines += _beside(peer, place.python, max(2_000, peer.bars // scale))
    return lines


def _beside(peer: Peer, python: Path, count: int) -> list[Line]:
    """Return the lines of one engine, after its fills and equity were found equal to ours."""
    history = bars_of(count)
    ours = [_timed(history, get("sma_cross")) for _ in range(3)]
    slow = [_timed(history, plain()) for _ in range(2)]
    theirs = _run(peer, python, history)
    ours += [_timed(history, get("sma_cross")) for _ in range(3)]
    slow += [_timed(history, plain()) for _ in range(2)]
    result, mine = ours[-1][0], min(seconds for _, seconds in ours[1:])
    assert slow[-1][0].book.digest() == result.book.digest(), "the plain strategy must leave the same book"
    checked = _require_equal(peer, history, result, theirs)
    seconds, in_python = float(theirs["seconds"]), min(spent for _, spent in slow)
    what = f"one symbol, {count:,} bars, SMA cross"
    shown = f"{mine * 1e3:.1f} ms, {peer.name} {seconds * 1e3:,.0f} ms = {seconds / mine:,.0f}x"
    python_line = f"{in_python * 1e3:.1f} ms, {peer.name} {seconds * 1e3:,.0f} ms = {seconds / in_python:,.1f}x"
    goal = "10x" if "backtrader" in peer.name else ""
    return [
        Line(f"{what}, compiled strategy, beside {peer.name}", shown, "", checked),
        Line(f"{what}, strategy in plain Python, beside {peer.name}", python_line, goal, f"{checked}; same book as compiled"),
    ]


def _timed(history: History, strategy: Strategy) -> tuple[Result, float]:
    start = time.perf_counter()
    result = backtest(history, strategy, **RULES)
    _ = result.equity_e8
    return result, time.perf_counter() - start


def _run(peer: Peer, python: Path, history: History) -> dict[str, np.ndarray]:
    """Run an engine's job in its environment and return what it wrote.

    Raises:
        RuntimeError: the job failed; with its last words.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "bars.npz"), Path(folder, "result.npz")
        prices = {name: getattr(history, f"{name}_ticks") / 100 for name in ("open", "high", "low", "close")}
        np.savez(source, time_ns=history.end_ns, **prices)
        job = Path(__file__).with_name(peer.job)
        done = subprocess.run([python, job, source, target], check=False, capture_output=True, text=True, timeout=PATIENCE_S)
        if done.returncode != 0:
            raise RuntimeError(f"{peer.name} failed: {done.stderr.strip()[-300:]}")
        with np.load(target) as result:
            return {name: result[name] for name in result.files}


def _fills(history: History, result: Result) -> np.ndarray:
    """Return float64[n, 3]: bar, signed shares, price of our fills."""
    rows = result.book.entries
    rows = rows[rows[:, N_KIND] == EventKind.FILL]
    grid = result.book.instruments[rows[:, N_INSTRUMENT]]
    shares = rows[:, N_SIDE] * rows[:, N_QTY] / 10.0 ** grid[:, I_QTY_EXP]
    at = np.searchsorted(history.start_ns, rows[:, N_TIME])
    return np.column_stack([at, shares, rows[:, N_PRICE] / 10.0 ** grid[:, I_PRICE_EXP]])


def _require_equal(peer: Peer, history: History, result: Result, theirs: dict[str, np.ndarray]) -> str:
    """Return the sentence that says what was equal.

    Raises:
        AssertionError: something was not.
    """
    mine, other = _fills(history, result), theirs["fills"]
    if not peer.same_fills:
        decided = mine[:, 0].astype(int) - 1
        closes = np.column_stack([decided, mine[:, 1], history.close_ticks[decided] / 100])
        assert np.allclose(other[: len(mine)], closes, atol=1e-9) and len(other) - len(mine) in (0, 1), f"{peer.name}: decisions differ"
        return f"same {len(mine)} decisions; it fills each at the close it was made on, so equity differs by design"
    if peer.job == "job_backtesting.py" and mine[:, 1].sum() != 0:
        mine = mine[:-1]  # its list has no trade that is still open; its equity has
    assert mine.shape == other.shape and np.allclose(mine, other, atol=1e-9), f"{peer.name}: fills differ"
    apart = np.max(np.abs(theirs["equity"] / (result.equity_e8 / 1e8) - 1))
    assert apart < 1e-9, f"{peer.name}: equity differs by {apart:.1e}"
    return f"same {len(mine)} fills, equity of every bar within {apart:.0e}"
