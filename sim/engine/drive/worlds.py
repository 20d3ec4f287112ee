"""The P&L interval: what the account would be worth had every ambiguous bar gone the other way.

Theory of operation. A bar that reaches a stop and a target does not say which came first. The
run books one way, its profile's, and at each such bar a world forks off that goes the other
way; worlds fork in turn. Worlds advance side by side with the run, so that two of them can be
compared at the same step. Two worlds that differ in nothing but money have the same future:
the poorest and the richest of them stand for all. When sizes are fixed that is exact; when they
follow equity it is exact up to the rounding to whole lots, and is done only when more than
`most` worlds live. If there are still too many, those in the middle are given up and the
interval says that it is not proven.

The invariant: the booked equity lies in the interval, and while `proven` holds, so does the
equity of every way through the ambiguous bars.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.book import (
    H_CASH, H_VALUE, I_LIVE_FIRST, I_POSITION, O_FILLED, O_KEY, O_NEXT, O_PRICE, O_QTY, O_SIDE, O_STOP, O_TRAIL, O_TYPE,
    S_ORDER, row,
)  # fmt: skip
from ledger.keys import purpose_of, strategy_of
from sim.engine import layout
from sim.engine.drive.machine import BacktestError, Machine
from sim.engine.exchange import BETTER, WORSE
from strategies.sizing import SHARES

Ints = NDArray[np.int64]


class Interval(NamedTuple):
    """Final equity, e8, over all ways through the ambiguous bars."""

    low_e8: int
    high_e8: int
    ambiguous_bars: int
    proven: bool
    """False: so many bars were ambiguous in different ways that some worlds were given up; the true bounds may be wider."""


def run_worlds(machine: Machine, steps: Ints, most: int) -> Interval | None:
    """Run a machine to its end, its worlds beside it; None when no worlds are wanted (`most` 0).

    Args:
        machine: modified in place; what it books does not depend on its worlds.
        most: worlds that may live beside the run.
    Raises:
        BacktestError: the run itself had to stop. A world that has to stop is given up.
    """
    cursor = machine.memory.cursor
    cursor[layout.C_PAUSE] = 1 if most else 0
    worlds: list[Machine] = []
    proven = True
    while not machine.advance(steps):
        here = steps[: int(cursor[layout.C_STEP])]
        worlds, lost = _side_by_side(worlds, here, most)
        worlds.append(_other_way(machine))
        machine.force(machine.rules.path)
        proven = proven and not lost
    if most == 0:
        return None
    worlds, lost = _side_by_side(worlds, steps, most)
    equities = [_equity(world) for world in [machine, *worlds]]
    return Interval(min(equities), max(equities), int(cursor[layout.C_AMBIGUOUS]), proven and not lost)


def _other_way(machine: Machine) -> Machine:
    """Return the world that goes the way at a pause that the machine does not go."""
    world = machine.fork()
    world.force(WORSE if machine.rules.path == BETTER else BETTER)
    return world


def _side_by_side(worlds: list[Machine], steps: Ints, most: int) -> tuple[list[Machine], bool]:
    """Advance every world through the steps; say whether any was lost.

    The hindmost pause is dealt with first: every world that stands there goes both ways, by one step, and
    those that are alike after it are thinned out before they go on.
    """
    ready, paused, done, lost = list(worlds), list[Machine](), list[Machine](), False
    while ready or paused:
        for world in ready:
            try:
                (done if world.advance(steps) else paused).append(world)
            except BacktestError:
                lost = True
        if not paused:
            break
        step = min(_step(world) for world in paused)
        both = []
        for world in [world for world in paused if _step(world) == step]:
            both.append(_other_way(world))
            world.force(world.rules.path)
            both.append(world)
        paused = [world for world in paused if _step(world) != step]
        ready, given_up = _thin([world for world in both if world.advance(steps[: step + 1])], most)
        lost = lost or given_up
    thinned, given_up = _thin(done, most)
    return thinned, lost or given_up


def _step(world: Machine) -> int:
    return int(world.memory.cursor[layout.C_STEP])


def _thin(worlds: list[Machine], most: int) -> tuple[list[Machine], bool]:
    """Return at most about `most` worlds: of those alike but for money the poorest and the richest; say whether others went."""
    if len(worlds) <= most and not (worlds and worlds[0].account.size.kind == SHARES):
        return worlds, False
    alike: dict[bytes, list[Machine]] = {}
    for world in worlds:
        alike.setdefault(_shape(world), []).append(world)
    kept = []
    for group in alike.values():
        group.sort(key=_equity)
        kept += [group[0]] if len(group) == 1 else [group[0], group[-1]]
    if len(kept) <= most:
        return kept, False
    kept.sort(key=_equity)
    half = max(1, most // 2)
    return kept[:half] + kept[-half:], True


def _equity(machine: Machine) -> int:
    """Return what the account of a world is worth now, e8."""
    return int(machine.book.arena[H_CASH] + machine.book.arena[H_VALUE])


def _shape(world: Machine) -> bytes:
    """Return everything that decides a world's future except its money."""
    a, memory = world.book.arena, world.memory
    slots = memory.slot.copy()
    slots[:, layout.P_PARENT] = 0  # a name, not a fact
    tables = (memory.last_target, memory.wish, slots, memory.next_action, world.account.notes)
    parts = [table.tobytes() for table in tables]
    cursor = memory.cursor[[layout.C_STEP, layout.C_STAGE, layout.C_WHO]]
    parts += [cursor.tobytes(), world.book.instruments[:, I_POSITION].tobytes()]
    for instrument in range(1, len(world.book.instruments)):
        link = int(world.book.instruments[instrument, I_LIVE_FIRST])
        while link > 0:
            order = row(a, S_ORDER, link - 1)
            key = int(a[order + O_KEY])
            facts = [a[order + c] for c in (O_SIDE, O_QTY, O_FILLED, O_TYPE, O_PRICE, O_STOP, O_TRAIL)]
            parts.append(np.array([instrument, strategy_of(key), purpose_of(key), *facts, *memory.order[link - 1]], np.int64).tobytes())
            link = int(a[order + O_NEXT])
    return b"".join(parts)
