"""Smaller orders of moves, for the shrinker to try: pure functions of a schedule's steps.

Theory of operation. A step is text, so what is made of a schedule without running it is text, too: fewer tasks, called by
the numbers that will be left, the pieces of a lane joined, all moves of a lane at one place. Whether such
an order is possible shows when it is replayed leniently.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from itertools import groupby
from typing import TypeVar

from sim.fuzz.faults import parse

Steps = tuple[str, ...]
T = TypeVar("T")
_NUMBERED = re.compile(r"([a-z]+)(\d+)((?:!\w+)?(?:~\d+)?)")
_TASK = re.compile(r"([A-Z])(\d+)")
_LIFE = re.compile(r"((?:cancel|crash|power|torn|twin|old|up|drop)\.)?([A-Z])(\d.*)?([!~].*)?")
_IN_STEP = re.compile(r"((?:cancel\.)?[A-Z])(\d+)((?:x\d+)?(?:!\w+)?(?:~\d+)?)")


def lane_of(step: str) -> str:
    """Return the lane that a step moves, or the process that it strikes."""
    return parse(step.partition("~")[0])[0]


def fault_of(step: str) -> str:
    """Return the fault of a step, "" for none."""
    return parse(step.partition("~")[0])[1]


def chunks(things: list[T]) -> Iterator[set[T]]:
    """Yield all of the things (when there are several), then its halves, its quarters, and so on down to each one."""
    size = len(things)
    while size > 0:
        yield from (set(things[at : at + size]) for at in range(0, len(things), size))
        size = 0 if size == 1 else (size + 1) // 2


def gathered(steps: Steps) -> Iterator[Steps]:
    """Yield orders with all moves of a lane where its first one was, or its last."""
    owners = [lane_of(step) for step in steps]
    for lane in sorted(set(owners), key=lambda lane: (-owners.count(lane), lane)):
        own = [step for step, owner in zip(steps, owners, strict=True) if owner == lane]
        for place in (owners.index(lane), len(owners) - 1 - owners[::-1].index(lane)):
            before = [step for step, owner in zip(steps[:place], owners, strict=False) if owner != lane]
            after = [step for step, owner in zip(steps[place:], owners[place:], strict=True) if owner != lane]
            yield (*before, *own, *after)


def joined(steps: Steps) -> Iterator[Steps]:
    """Yield orders with a piece of a lane joined to the piece before it, or to the one after it."""
    pieces = [tuple(piece) for _, piece in groupby(steps, key=lane_of)]
    names = [lane_of(piece[0]) for piece in pieces]
    for at, name in enumerate(names):
        earlier = [i for i in range(at - 1, -1, -1) if names[i] == name]
        if earlier:
            order = [*pieces[: earlier[0] + 1], pieces[at], *pieces[earlier[0] + 1 : at], *pieces[at + 1 :]]
            yield tuple(step for piece in order for step in piece)
            order = [*pieces[: earlier[0]], *pieces[earlier[0] + 1 : at], pieces[earlier[0]], *pieces[at:]]
            yield tuple(step for piece in order for step in piece)


def first_task(steps: Steps) -> int:
    """Return the lowest number of a task that moves: where the tasks begin that a dial counts, as a rule."""
    return min((int(match[2]) for step in steps if (match := _IN_STEP.fullmatch(step))), default=1)


def without_tasks(steps: Steps, gone: range, first: int) -> Steps:
    """Return the steps without some of the tasks that are counted from number `first` on; those behind them move up."""
    left = []
    for step in steps:
        match = _IN_STEP.fullmatch(step)
        place = int(match[2]) - first if match else -1
        if match is None or place < gone.start:
            left.append(step)
        elif place not in gone:
            left.append(f"{match[1]}{first + place - len(gone)}{match[3]}")
    return tuple(left)


def renumbered(steps: tuple[str, ...], count: int) -> Iterator[tuple[str, ...]]:
    """Return the steps with their tasks called 1 to `count`: in the order of their numbers, and of their moves.

    Where fewer tasks are started, the one that was struck by a fault may be called otherwise.
    """
    parsed = [parse(step.partition("~")[0]) for step in steps]
    names = [match for lane, _ in parsed if (match := _TASK.fullmatch(lane))]
    struck = [match for lane, fault in parsed if fault and (match := _TASK.fullmatch(lane))]
    for order in (struck + names, names, sorted(names, key=lambda match: int(match[2]))):
        for first in (1, 2):
            numbers: dict[str, int] = {}
            for match in order:
                numbers.setdefault(match[2], len(numbers) + first)
            kept = {old: new for old, new in numbers.items() if new <= count}
            told = tuple(changed for step in steps if (changed := _with_number(step, kept)))
            yield tuple(_clipped(step, count - 1) for step in told)
            if count <= 2 and order is not names:
                yield _with_fewer(told, count)


def _with_number(step: str, numbers: dict[str, int]) -> str:
    """Return a step with its task's new number, "" when the task is left out."""
    match = _IN_STEP.fullmatch(step)
    if match is None:
        return step
    return f"{match[1]}{numbers[match[2]]}{match[3]}" if match[2] in numbers else ""


def _clipped(step: str, last: int) -> str:
    """Return the step of a numbered lane that is no task's (order 3 at the market) with a number that will exist."""
    match = _NUMBERED.fullmatch(step)
    return f"{match[1]}{min(int(match[2]), last)}{match[3]}" if match else step


def _with_fewer(steps: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Return the steps with the last `count` of the numbered lanes that are no task's, called 0, 1, 2.

    What became of the others (a fill less, and so a report less) is taken from the beginning of the lanes without a number.
    """
    numbers = sorted({int(match[2]) for step in steps if (match := _NUMBERED.fullmatch(step))})
    kept = {old: new for new, old in enumerate(numbers[-count:])}
    left = [step for step in steps if (match := _NUMBERED.fullmatch(step)) is None or int(match[2]) in kept]
    fewer = dict.fromkeys((lane for lane in map(lane_of, left) if not lane[-1:].isdigit() and lane[:1].islower()), len(steps) - len(left))
    found = []
    for step in left:
        if fewer.get(step, 0) > 0:
            fewer[step] -= 1
        elif match := _NUMBERED.fullmatch(step):
            found.append(f"{match[1]}{kept[int(match[2])]}{match[3]}")
        else:
            found.append(step)
    return tuple(found)


def heirs(steps: Steps) -> Iterator[tuple[str, str, str]]:
    """Yield (fault, process, heir) for each process that a fault ended and that was started again: the heir is its next life."""
    ended: dict[str, str] = {}
    started = 1
    for step in steps:
        fault, process = fault_of(step), lane_of(step)
        if fault in ("crash", "power", "torn"):
            ended[process] = step
        started += fault in ("twin", "old") or process.startswith("up.")
        if process.startswith("up.") and process[3:] in ended:
            yield ended[process[3:]], process[3:], string.ascii_uppercase[min(started, 26) - 1]


def moves_of(steps: Steps, process: str) -> set[str]:
    """Return those of the steps that are moves of a process's tasks."""
    return {step for step in steps if (match := _LIFE.fullmatch(step)) and match[2] == process and not match[1]}


def as_one_life(steps: Steps, process: str, heir: str) -> Steps:
    """Return the steps with a process and its heir called by one name, and those that were started later by the letter before theirs."""
    found = []
    for step in steps:
        match = _LIFE.fullmatch(step)
        if match is not None and match[2] >= heir:
            letter = process if match[2] == heir else chr(ord(match[2]) - 1)
            step = f"{match[1] or ''}{letter}{match[3] or ''}{match[4] or ''}"
        found.append(step)
    return tuple(found)


def left_of(values: tuple[int, ...], gone: range, count: int) -> tuple[int, ...]:
    """Return the values of a label without those of the signals that are gone, if there is one for each signal."""
    return tuple(value for at, value in enumerate(values) if at not in gone) if len(values) == count else values
