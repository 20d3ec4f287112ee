"""One declaration over a long history, a stretch at a time: columns live only while their bars are worked on.

Theory of operation. A column that needs no more than the last n bars (a price, an average of one) need not be
made for the whole history before the first bar is walked. So a window moves over the history: its rows begin `lead` bars before the
stretch that is walked next, which is all that any of the columns looks back. Each value is made by the same additions as in a
sheet, so the words are the same; what differs is that nothing of the length of the history is written but decisions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.data import History
from sim.sweep.core.account import FINE, RECORD, S_ROWS, S_STATUS
from sim.sweep.core.closed import tables
from sim.sweep.core.kernels import Accounts, Program, by_words
from sim.sweep.core.market import Deal, Survey, bare, look, surveyed
from sim.sweep.core.statistics import scratch
from sim.sweep.core.sums import NEAR, TILES, Course, Sums, by_sums
from sim.sweep.core.words import TILE, WORDS
from sim.sweep.program import Side, program, sides
from sim.sweep.window import PRICES, STRETCH, Window, is_near
from sim.sweep.work import empty
from strategies.columnar import Wish

Ints = NDArray[np.int64]
ROOM = 65_536
"""Decisions a run has room for at first: more memory than it needs would be zeroed, page by page, as it is touched."""
UNKNOWN = Survey("", 1, True)
"""What is supposed of bars that are judged while they are walked."""
NOWHERE = np.zeros(0, np.int64)
FACTORS = (1e-9, 1e9)
"""Between these no float of a price comes near the ends of its range."""


def can_stream(declared: tuple[Wish, ...]) -> bool:
    """Say whether every column of a declaration is a price, or an average of one that looks back less than a stretch."""
    return all(is_near(side, STRETCH) for side in sides(declared))


def by_stream(history: History, declared: tuple[Wish, ...], numbers: Deal, found: Survey) -> Accounts:
    """Run one declaration that `can_stream`: by sums of ticks where they decide, by the very floats elsewhere."""
    window, where = Window(history, tuple(dict.fromkeys(sides(declared))), STRETCH), bare(history)
    table = program([declared], window)
    buffers, made = scratch(table.tests.shape[1], table.targets.shape[1]), tables()
    sums, course = counted(history, table, tuple(window.rows), found), Course(False, look(history), NOWHERE, NOWHERE)
    accounts, at = empty(1, 1, min(window.count, ROOM)), 0
    while at < window.count and accounts.state[0, S_STATUS] == FINE:
        ends = min(window.count, at + STRETCH)
        accounts = with_room(accounts, ends - at)
        reached = by_sums(where, numbers, sums, accounts, buffers, course, at) if sums else at
        if reached == at:
            by_words(where, numbers, table, accounts, buffers, made, at, ends, window.move(at, ends))
            reached = ends
        at = reached
    return accounts


class Whole(NamedTuple):
    """A run in one pass: its account, its equity curve int64[T], and what was found out about its bars."""

    accounts: Accounts
    equity: Ints
    found: Survey


def at_once(history: History, declared: tuple[Wish, ...], numbers: Deal) -> Whole | None:
    """Run one declaration that `can_stream` over bars that nobody has judged, each price read from memory once.

    Args:
        numbers: a deal without division whose bound on lots holds for any price; whoever calls looks at the bound afterwards.
    Returns:
        None where that cannot be done: a bar is wrong, averages are too near, or the account was given up.
    """
    window, bars = Window(history, tuple(dict.fromkeys(sides(declared))), STRETCH), history.end_ns.size
    table = program([declared], window)
    sums = counted(history, table, tuple(window.rows), UNKNOWN)
    if sums is None:
        return None
    course = Course(True, look(history), np.array([0, 0, numbers.cash, 0]), np.empty(bars, np.int64))
    accounts, at, where = empty(1, 1, min(bars, ROOM)), 0, bare(history)
    buffers = scratch(table.tests.shape[1], table.targets.shape[1])
    while at < bars:
        accounts = with_room(accounts, min(STRETCH, bars - at))
        reached = by_sums(where, numbers, sums, accounts, buffers, course, at)
        if reached == at or accounts.state[0, S_STATUS] != FINE:
            return None
        at = reached
    return Whole(accounts, course.equity, surveyed(history, course.look))


def with_room(accounts: Accounts, more: int) -> Accounts:
    """Return accounts with room for so many more decisions of the first; at least twice the room they have, or the same ones."""
    rows, room = int(accounts.state[0, S_ROWS]), accounts.record.shape[0]
    if room - rows >= more:
        return accounts
    record = np.empty((max(2 * room, rows + more), RECORD), np.int64)
    record[:rows] = accounts.record[:rows]
    return accounts._replace(record=record)


def counted(history: History, table: Program, columns: tuple[Side, ...], found: Survey) -> Sums | None:
    """Return a declaration as sums of ticks, or None where a side is a number, or a sum could leave int64 or its floats."""
    averages = [(side, 1) if isinstance(side, str) else (side.parts[0], side.parts[1]) for side in columns]
    longest, stretch = max((bars for _, bars in averages), default=0), TILES * TILE
    dearest = (2**62 - 1) // (longest + stretch)
    sane = found.steady and found.dearest <= dearest and FACTORS[0] < history.signal_factor[0] < FACTORS[1]
    if not sane or longest == 0 or (table.tests[0, :, 2] < 0).any():
        return None
    ticks = [np.ascontiguousarray(getattr(history, f"{price}_ticks"), np.int64) for price in PRICES]
    rows = np.array([(PRICES.index(price), bars) for price, bars in averages], np.int64)
    running = np.empty((len(PRICES), longest + stretch + 1), np.int64)
    yes = np.empty((TILES, table.tests.shape[1], WORDS), np.uint64)
    prices, (tests, wishes, targets) = (ticks[0], ticks[1], ticks[2], ticks[3]), (table.tests[0], table.wishes[0], table.targets[0])
    return Sums(prices, rows, tests, wishes, targets, NEAR, dearest, running, yes)
