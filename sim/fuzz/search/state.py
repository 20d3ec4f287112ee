"""The state of a world between two moves, as a key: equal keys have equal futures.

Theory of operation. A key holds what can still make a difference: the shared objects
(reached from the scenario's closures, invariants and main coroutines), each task's frames
and the event it waits for, timers, reports under way, what is left of the fault budget. Tasks
that are alike are a multiset: who is who does not matter. Results of finished tasks
keep their place, because whoever gathered them sees the order.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from sim.fuzz.faults import parse
from sim.fuzz.processes import LANE, Lane
from sim.fuzz.search.freeze import Freezer, Frozen, Names, Opaque
from sim.fuzz.world import World

__all__ = ["Opaque", "State", "state_of"]


class State(NamedTuple):
    """A world at rest: its key, and the signature of each task by the name of its lane."""

    key: Frozen
    alike: dict[str, Frozen]


def state_of(world: World, budget: dict[str, int], symmetry: bool = True) -> State:
    """Return the state of a world at rest.

    Args:
        budget: faults that may still happen. symmetry: alike tasks may change places.
    Raises:
        Opaque: a part of the state cannot be looked into.
    """
    names = Names({lane.name: lane.task for process in world.processes for lane in process.lanes if lane.task is not None})
    mains = {id(process.main) for process in world.processes}
    shared = Freezer(names)
    root = _root(world, shared)
    tasks = {lane.name: lane for process in world.processes if process.alive for lane in process.lanes if id(lane.task) not in mains}
    signatures = _signatures(world, tasks, names, shared)
    if not symmetry:
        signatures = {name: (name, signature) for name, signature in signatures.items()}
    for hole in shared.holes:
        hole.signature = signatures.get(hole.name, ("main", hole.name))
    multiset = frozenset(Counter(signatures.values()).items())
    return State((root, multiset, tuple(sorted(budget.items()))), signatures)


def _signatures(world: World, tasks: dict[str, Lane], names: Names, shared: Freezer) -> dict[str, Frozen]:
    """Freeze each task; once more, with numbers for them, when several reach an object that the shared part does not."""
    owners: dict[int, str] = {}
    common: dict[int, int] = {}
    found, kept = {}, []
    for name, lane in tasks.items():
        walk = Freezer(names, lane.task, shared.numbers)
        found[name] = _task(lane, world, walk)
        kept.append(walk.kept)
        for thing in walk.kept:
            if owners.setdefault(id(thing), name) != name and _mutable(thing):
                common.setdefault(id(thing), len(common))
    if common:
        found = {name: _task(lane, world, Freezer(names, lane.task, shared.numbers, common)) for name, lane in tasks.items()}
    return found


def _root(world: World, freeze: Freezer) -> Frozen:
    """Freeze what no single task owns."""
    parts: list[Frozen] = [world.loop.now]
    parts += [freeze(check) for _, check in (*world.checks, *world.ends)]
    parts += [freeze(thing) for thing in world.shared]
    parts += [freeze(hook) for hook in world.crashed]
    if world.until is not None:
        parts.append(freeze(world.until))
    for process in world.processes:
        parts.append((process.letter, process.alive, process.build, freeze(process.program.main), freeze(process.program.old)))
        if process.alive and process.main is not None:
            parts.append(_task(process.lanes[0], world, freeze))
    parts += [_timer(world, when, handle, freeze) for when, _, handle in sorted(world.loop.timers, key=lambda t: t[:2]) if handle]
    for at, lanes in enumerate((world.pending, world.held)):
        loose = [lane for lane in lanes if lane.task is None or not lane.process.alive]  # type: ignore[union-attr]
        parts += [(at, _event(lane, freeze, whole=True)) for lane in sorted(loose, key=lambda lane: lane.name)]
    return tuple(parts)


def _timer(world: World, when: float, handle: Any, freeze: Freezer) -> Frozen:
    lane = handle[2].get(LANE)
    owner = lane.task if lane is not None else None
    return ("timer", when - world.loop.now, freeze(owner), getattr(handle[0], "__qualname__", ""))


def _task(lane: Lane, world: World, freeze: Freezer) -> Frozen:
    """Freeze one task: how it ended, or where it is and what it waits for."""
    task = lane.task
    if task.done():
        if task.cancelled():
            return ("cancelled",)
        error = task.exception()
        result = error if error is not None else task.result()
        return ("done",) if result is None else ("done", lane.name, freeze(result))
    events = [_event(one, freeze) for one in (lane, *(lane.spares or ())) if one.label]
    held = any(one in world.held for one in (lane, *(lane.spares or ())))
    return ("task", lane.process.letter, freeze.coroutine(task.get_coro()), held, *events)  # type: ignore[union-attr]


def _event(lane: Lane, freeze: Freezer, whole: bool = False) -> Frozen:
    """Freeze the event of a lane; `whole` when no frame says what its effect will do."""
    queue = tuple((event.label, freeze(event.act)) for event in lane.queue or ())
    value = (freeze(lane.value), freeze(lane.error))
    acts = (lane.name, freeze(lane.effect), freeze(lane.act)) if whole else ()
    return (lane.label, lane.effect is None, lane.future is not None and lane.future.done(), value, acts, queue)


def _mutable(thing: Any) -> bool:
    return not isinstance(thing, tuple | frozenset) and not (callable(thing) and not hasattr(thing, "__dict__"))


def spent(trace: list[str], allowed: dict[str, int]) -> dict[str, int]:
    """Return what is left of a fault budget after some moves."""
    left = dict(allowed)
    for step in trace:
        if "." not in step and "!" not in step and not step.startswith("clock"):
            continue
        fault = parse(step.partition("~")[0])[1]
        if fault in left:
            left[fault] -= 1
    return left
