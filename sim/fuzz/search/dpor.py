"""`dpor`: one schedule of each class that differs in the order of dependent moves only.

Theory of operation. Source-set DPOR with sleep sets (Abdulla, Aronis, Jonsson, Sagonas,
POPL 2014), by running again from the start. After each move its footprint is known: what its
effect touched (`resource`), what the code said it touched (`world.touch`), and, unless the
scenario promises to say everything (`tracked`), the memory of its process. Two moves depend on
each other when they are of one lane, one made the other's event, or they touch the
same thing and one writes. Each race that a run shows is reversed in another run. Good where
tasks are unlike each other; for bursts of alike ones `exhaust` needs far fewer runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sim.fuzz.explore import Kind, Scenario, Verdict, first_come, quiet_memory
from sim.fuzz.processes import Lane
from sim.fuzz.search.runs import Pruned, Runs, require_rest
from sim.fuzz.world import World

Touched = frozenset[tuple[str, bool]]
"""(what, was it written)."""


class Move(NamedTuple):
    """One made move: whose, what it touched, and the moves that happen before it (a bit each, itself included)."""

    lane: str
    touched: Touched
    past: int


class Node:
    """A point of choice on the path."""

    __slots__ = ("backtrack", "chosen", "enabled", "sleep")

    def __init__(self, enabled: tuple[str, ...], sleep: dict[str, Touched]) -> None:
        self.enabled, self.sleep = enabled, sleep
        self.backtrack: set[str] = set()
        self.chosen = ""


def depend(one: Touched, other: Touched) -> bool:
    """Say whether two footprints do not commute."""
    return any(what == also and (written or overwritten) for what, written in one for also, overwritten in other)


class _Search:
    def __init__(self, tracked: bool) -> None:
        self.tracked = tracked
        self.nodes: list[Node] = []
        self.moves: list[Move] = []
        self._world = World()
        self._makers: dict[str, int] = {}
        self._running: tuple[str, set[tuple[str, bool]]] | None = None
        self._known: set[str] = set()
        self._depth = 0

    def begin(self, world: World) -> None:
        """Start a run; the path up to the last node is followed."""
        self._world, self.moves, self._makers, self._running, self._known = world, [], {}, None, set()
        self._depth = len(self.nodes)

    def pick(self, pending: list[Lane]) -> int:
        """Finish the last move, then follow the path or take a move that is not asleep."""
        require_rest(self._world)
        self.settle()
        at = len(self.moves)
        if at == len(self.nodes):
            self.nodes.append(self._new_node(tuple(lane.name for lane in pending)))
        node = self.nodes[at]
        if not node.chosen:
            awake = [name for name in node.enabled if name not in node.sleep]
            if not awake:
                raise Pruned
            node.chosen = awake[0]
            node.backtrack.add(node.chosen)
        index = next(i for i, lane in enumerate(pending) if lane.name == node.chosen)
        self._start(pending[index])
        return index

    def _new_node(self, enabled: tuple[str, ...]) -> Node:
        """Return the node after the last move: what slept there and commutes with the move sleeps on."""
        if not self.nodes:
            return Node(enabled, {})
        before, last = self.nodes[-1], self.moves[-1]
        sleep = {name: touched for name, touched in before.sleep.items() if name != last.lane and not depend(touched, last.touched)}
        return Node(enabled, {name: touched for name, touched in sleep.items() if name in enabled})

    def _start(self, lane: Lane) -> None:
        touched = {(lane.resource, True)} if lane.effect is not None and lane.resource else set()
        if not self.tracked and (lane.effect is None or not lane.resource):
            touched.add((f"memory {lane.process.letter if lane.process is not None else ''}", True))
        self._world.touched = touched
        self._running = (lane.name, touched)

    def settle(self) -> None:
        """Learn the footprint of the last move, what happens before it, and which races it is in."""
        if self._running is None:
            self._known = {lane.name for lane in self._world.pending}
            return
        name, touched = self._running
        self._running = None
        footprint, at = frozenset(touched), len(self.moves)
        past = self._past(name, footprint)
        self.moves.append(Move(name, footprint, past | 1 << at))
        if at >= self._depth - 1:
            self._races(at, past)
        now = {lane.name for lane in self._world.pending}
        for fresh in now - self._known:
            self._makers[fresh] = at
        self._known = now - {name} if name not in now else now
        if name in now:
            self._makers[name] = at

    def _past(self, name: str, footprint: Touched) -> int:
        past = 0
        maker = self._makers.get(name)
        if maker is not None:
            past |= self.moves[maker].past
        for move in self.moves:
            if move.lane == name or depend(move.touched, footprint):
                past |= move.past
        return past

    def _races(self, at: int, past: int) -> None:
        """Give every move that races with move `at` another order to be tried."""
        last = self.moves[at]
        for early in range(at - 1, -1, -1):
            move = self.moves[early]
            if move.lane == last.lane or not past >> early & 1 or not depend(move.touched, last.touched):
                continue
            if self._made_by(last.lane, early):
                continue
            between = [i for i in range(early + 1, at) if past >> i & 1 and self.moves[i].past >> early & 1]
            if between:
                continue
            self._reverse(early, at)

    def _made_by(self, lane: str, early: int) -> bool:
        maker = self._makers.get(lane)
        return maker is not None and bool(self.moves[maker].past >> early & 1)

    def _reverse(self, early: int, at: int) -> None:
        """Make sure that at `early` some lane is tried that can lead to `at` without it."""
        rest = [i for i in range(early + 1, at) if not self.moves[i].past >> early & 1] + [at]
        node, initials = self.nodes[early], []
        for position, i in enumerate(rest):
            name = self.moves[i].lane
            if name in (self.moves[j].lane for j in rest[:position]):
                continue
            if not any(self.moves[i].past >> j & 1 for j in rest[:position]) and name in node.enabled:
                initials.append(name)
        if not initials:
            node.backtrack.update(node.enabled)
        elif not node.backtrack & set(initials):
            node.backtrack.add(initials[-1])

    def next_path(self) -> bool:
        """Go back to the deepest node with something left to try; say whether there is one."""
        while self.nodes:
            node = self.nodes[-1]
            if node.chosen and len(self.moves) >= len(self.nodes):
                node.sleep[node.chosen] = self.moves[len(self.nodes) - 1].touched
            left = sorted(name for name in node.backtrack if name not in node.sleep)
            if left:
                node.chosen = left[0]
                return True
            self.nodes.pop()
        return False


def dpor(
    scenario: Scenario, *, dials: dict[str, int] | None = None, runs: int = 20_000, tracked: bool = False,
    ended: Callable[[World], None] | None = None,
) -> Verdict:  # fmt: skip
    """Try one schedule of every class of equivalent ones; faults do not take part.

    Args:
        runs: budget. tracked: the scenario says all it touches with `world.touch`; without that, moves of one process depend on
            each other. ended: called with each world that ran to its end.
    """
    search, past = _Search(tracked), Runs(scenario, dials, ended)
    with quiet_memory() as between:
        first_come(scenario, dials)
        while True:
            verdict = past.once(search)
            if verdict is not None:
                return verdict
            between(past.count)
            if not search.next_path():
                bound = f"every class of interleavings at rest, no faults ({past.count:,} runs)"
                return Verdict(Kind.COMPLETE, past.count, bound, None, past.moves)
            if past.count >= runs:
                bound = f"not every class of interleavings ({past.count:,} runs)"
                return Verdict(Kind.CUT, past.count, bound, None, past.moves)
