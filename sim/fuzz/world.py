"""The simulated world: processes, I/O in two events, faults, invariants, one schedule from start to end.

Theory of operation. `run` alternates: empty the loop's ready queue in its order, check
the invariants, then let the policy pick which pending lane moves. A lane with an effect
performs it and stays; a lane whose effect is done delivers the answer, which makes a task
ready. So between any two moves nothing runs (but for code that polls: see SPINS), and a schedule is the list of its moves,
written as text: "A3" (task 3 of process A moves), "A3!lost", "crash.A". In `mid` mode a move
may come while handles are ready ("A3~2": after two of them), as asyncio's selector allows.

States of a lane: idle (no label) -> effect -> answer -> idle; held = slow or late, back in
`pending` when nothing else is left. A schedule ends when every main coroutine that must
end has ended and nothing is under way; a main that waits for what can never come breaks
the invariant "ends".
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from sim.fuzz.choices import Tape
from sim.fuzz.faults import require
from sim.fuzz.fence.spins import WATCH, ended_by
from sim.fuzz.loop import Loop
from sim.fuzz.moves import Moves
from sim.fuzz.processes import (
    LANE, Dead, Event, Lane, Main, Process, Program, ScenarioError, Violation, as_violation, ask, judge, lost_exception, of_check, said,
    unended,
)  # fmt: skip

Check = Callable[[], object]
Pick = Callable[[list[Lane]], int]
"""Returns the index of the lane that moves, or -1 when it did something else to the world itself."""

STEPS_MAX = 10_000
SPINS = 1_000
"""After so many handles in a row the world moves although others are ready: code that polls with `sleep(0)` waits for it."""
ENDLESS = "the schedule did not end within {:,} moves; a program that runs for ever is started with daemon=True, or world.until ends it"
_Future: Callable[..., asyncio.Future[Any]] = asyncio.Future
_lane_now = LANE.get


class World(Moves):
    """One schedule's world. A scenario is a function that fills one.

    Attributes:
        loop, tape: the schedule's. pending: lanes that can move. held: lanes that are slow or late.
        trace: the moves so far. processes: every life of every program, in order of starting.
        crashed: called with (process, "crash" | "power" | "torn") when one dies; ports lose there what a crash loses.
        dropped: called with the process whose connection is lost (fault `drop`); without one this fault does not happen.
        watch: called before each move with (step, lane or None); for lanes and coverage, None when nobody looks.
        until: ends the schedule when it returns True; by default the mains do.
        linger: virtual seconds for which timers still fire after the last main ended.
    """

    def __init__(self, tape: Tape | None = None, dials: dict[str, int] | None = None) -> None:
        self.tape = tape if tape is not None else Tape()
        self.loop = Loop()  # type: ignore[abstract]  # the rest is refused by name
        self.loop.inline = self.inline
        self.pending: list[Lane] = []
        self.held: list[Lane] = []
        self.trace: list[str] = []
        WATCH.trace = self.trace
        self.processes: list[Process] = []
        self.allowed: dict[str, int] = {}
        self.dials: dict[str, int] = {}
        self.checks: list[tuple[str, Check]] = []
        self.ends: list[tuple[str, Check]] = []
        self.shared: list[Any] = []
        self.noted: list[tuple[int, str]] = []
        self.touched: set[tuple[str, bool]] = set()
        self.shown: list[tuple[str, Callable[[], object]]] = []
        self.crashed: list[Callable[[Process, str], None]] = []
        self.dropped: list[Callable[[Process], None]] = []
        self.watch: Callable[[str, Lane | None], None] | None = None
        self.until: Callable[[], bool] | None = None
        self.early: Callable[[int], bool] | None = None
        self.linger = 60.0
        self.steps_max, self._rounds = STEPS_MAX, 0
        self._wanted = dials or {}
        self._lanes: dict[str, Lane] = {}
        self._over_at: float | None = None

    # For scenarios.

    def dial(self, name: str, default: int, least: int = 1) -> int:
        """Return a size of the scenario, such as how many signals come; the shrinker turns it down to `least`.

        A token may call it by its first letter.
        """
        value = max(self._wanted.get(name, self._wanted.get(name[0], default)), least)
        self.dials[name] = value
        return value

    def draw(self, label: str, bound: int) -> int:
        """Return a labelled choice of range(bound); 0 must be the harmless one, replays that know no better answer it."""
        return self.tape.draw(label, bound)

    def allow(self, *kinds: str, at_most: int = 1) -> None:
        """Let faults of these kinds happen, each at most so often in one schedule."""
        for kind in kinds:
            self.allowed[require(kind)] = at_most

    def always(self, name: str, check: Check) -> None:
        """Demand something after every event: a check that returns False or a sentence is broken; True and None hold."""
        self.checks.append((name, check))

    def at_end(self, name: str, check: Check) -> None:
        """Demand something when nothing is left to happen."""
        self.ends.append((name, check))

    def show(self, name: str, value: Callable[[], object]) -> None:
        """Show a state beside the lanes of a failure."""
        self.shown.append((name, value))

    def note(self, code: str) -> None:
        """Note a refusal or another answer by its code, for coverage."""
        self.noted.append((len(self.trace), code))

    def touch(self, what: str, write: bool = True) -> None:
        """Say that the running code reads or writes something other tasks see, for the search that orders dependent moves."""
        self.touched.add((what, write))

    def share(self, *things: Any) -> None:
        """Name objects whose state belongs to the world's; the exhaustive search looks into them."""
        self.shared.extend(things)

    def process(self, name: str, main: Main, *, old: Main | None = None, restarts: bool = True, daemon: bool = False) -> Process:
        """Start a program.

        Args:
            main: makes the coroutine of one life; everything a crash loses must be made inside it.
            old: the previous release's main, for the fault `old`. restarts: a supervisor starts it again after a crash.
            daemon: the schedule may end while it runs.
        """
        return self.start(Program(name, main, old, restarts, daemon))

    def start(self, program: Program, build: str = "new") -> Process:
        """Start one life of a program."""
        process = Process(len(self.processes), program, build)
        self.processes.append(process)
        root = Lane(process.letter, process)
        context = copy_context()
        context.run(LANE.set, root)
        main = program.old if build == "old" and program.old is not None else program.main
        process.main = context.run(self._begin, main)
        return process

    def _begin(self, main: Main) -> Any:
        coroutine = main() if callable(main) else main
        if not asyncio.iscoroutine(coroutine):
            kind = type(coroutine).__name__
            raise ScenarioError(f"a program's main makes a coroutine, this one made {kind}: write `async def main()`, pass `main`")
        return self.loop.create_task(coroutine)

    def io(
        self, label: str, effect: Callable[..., Any] | None = None, faults: tuple[str, ...] = (), resource: str = "", survives: bool = False
    ) -> asyncio.Future[Any]:  # fmt: skip
        """Return the future of one I/O of the running task: an effect at the far side, then its acknowledgement.

        Args:
            label: what is done, for people and coverage. effect: what the far side does; its value or exception is the answer.
                None: nothing happens there, one event only. A fault of a kind marked "port" is given to it as its argument.
            faults: kinds that may strike here. resource: what it touches (see `explore`).
            survives: the request is on the wire, so it arrives although its process dies.
        """
        lane = _lane_now()
        if not lane.process.alive:  # type: ignore[union-attr]
            raise Dead(f"{lane.name} was killed")
        if lane.label:
            lane = lane.spare()
        future = lane.future = _Future(loop=self.loop)
        lane.label, lane.effect, lane.faults, lane.resource = label, effect, faults, resource
        lane.survives = survives and effect is not None
        self.pending.append(lane)
        return future

    def inline(self, function: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Run a function as an executor would: one event runs it, another brings its result."""
        context = copy_context()  # the function is the program's as well, and behind the fence
        return self.io(getattr(function, "__name__", "executor"), lambda: context.run(function, *args), resource="executor")

    def post(
        self, lane: str, label: str, act: Callable[[], Any], *, to: Process | None = None, faults: tuple[str, ...] = (), resource: str = ""
    ) -> None:
        """Put an event into a lane that nobody awaits: a report, a callback. It is lost when the process `to` dies."""
        found = self._lanes.get(lane)
        if found is None or found.process is not to:
            found = self._lanes[lane] = Lane(lane, to, lane)
        if found.label:
            if found.queue is None:
                found.queue = deque()
            found.queue.append(Event(label, act, faults, resource))
            return
        found.label, found.act, found.faults, found.resource = label, act, faults, resource
        self.pending.append(found)

    def now_ns(self) -> int:
        """Return virtual time, ns UTC."""
        return self.loop.now_ns

    def here(self) -> Process:
        """Return the process whose code is running."""
        process = LANE.get().process
        assert process is not None
        return process

    # One schedule.

    def run(self, pick: Pick) -> None:
        """Let things happen until nothing is left; raise Violation when an invariant breaks."""
        if not self.processes:
            raise ScenarioError("the scenario starts no program; call world.process(name, main)")
        before = self.loop.enter()
        try:
            self._run(pick)
            if WATCH.verdict is not None:
                raise WATCH.verdict
            self._require_no_lost_exception()
            ask(self.ends)
        except SystemExit as left:
            raise ended_by(left) from left
        finally:
            try:
                for process in self.processes:
                    process.bury()
            finally:
                self._let_go()
                self.loop.leave(before)

    def _require_no_lost_exception(self) -> None:
        found = lost_exception(self.processes, self.loop.errors)
        if found is not None:
            raise found

    def _let_go(self) -> None:
        """Break the circles of references, so that a schedule's memory is free before the next one begins."""
        self.demands = len(self.checks) + len(self.ends)
        self.checks, self.ends, self.crashed, self.dropped, self.shared = [], [], [], [], []
        self.until = self.early = self.watch = None
        self.loop.inline = None

    def _run(self, pick: Pick) -> None:
        # The hot loop of the fuzzer: what it asks at each move is in local names, and the commonest things are written out.
        pending, ready, trace, checks = self.pending, self.loop.ready, self.trace, self.checks
        next_ready, early, deliver, watch, most = ready.popleft, self.early, self.deliver, self.watch, self.steps_max
        while True:
            ran = 0
            while ready and ran < SPINS:
                if early is not None and ran and pending and early(ran):
                    self._move_early(pick, ran)
                    ran = 0
                    continue
                ran += 1
                handle = next_ready()
                if handle:
                    callback, args, context = handle
                    try:
                        # A call with `*args` takes several times as long as one that names them.
                        if len(args) == 1:
                            context.run(callback, args[0])
                        elif args:
                            context.run(callback, *args)
                        else:
                            context.run(callback)
                    except Exception as error:
                        raise as_violation(callback, error) from error
            try:
                for name, check in checks:
                    found = check()
                    if found is False or (found and found is not True):
                        judge(name, found)
            except Violation:
                raise
            except Exception as error:
                raise of_check(name, error) from error
            if self.until is not None and self.until():
                return
            if not pending:
                if self._goes_on():
                    continue
                return
            index = pick(pending)
            if index >= 0:
                lane = pending[index]
                if watch is not None:
                    watch(lane.name, lane)
                trace.append(lane.name)
                future = lane.future
                if future is not None and lane.effect is None and lane.error is None:
                    # The commonest move: an answer that is no exception.
                    value = lane.value
                    lane.future, lane.value, lane.label = None, None, ""
                    del pending[index]
                    if not future.done():
                        future.set_result(value)
                else:
                    deliver(index)
            if len(trace) > most:
                raise self._unended(ENDLESS.format(most))

    def _move_early(self, pick: Pick, ran: int) -> None:
        """Let a move come after so many ready handles, while others wait (mid mode)."""
        length = len(self.trace)
        index = pick(self.pending)
        if index >= 0:
            lane = self.pending[index]
            if self.watch is not None:
                self.watch(lane.name, lane)
            self.trace.append(lane.name)
            self.deliver(index)
        if len(self.trace) > length:
            self.trace[-1] += f"~{ran}"

    def deliver(self, index: int) -> None:
        """Let a pending lane move: its effect, or its answer."""
        lane = self.pending[index]
        effect = lane.effect
        if effect is not None:
            lane.effect = None
            with lane:
                lane.value = effect()
            return
        del self.pending[index]
        future = lane.future
        if future is None:
            act, process = lane.act, lane.process
            self._next(lane)
            if act is not None:
                self._perform(act, process)
            return
        value, error = lane.value, lane.error
        lane.label = ""
        lane.future = lane.value = lane.error = None
        if not future.done():
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)

    def _perform(self, act: Callable[[], Any], process: Process | None) -> None:
        """Run a report's act, in its process's context when it has one."""
        context = copy_context()
        if process is not None:
            context.run(LANE.set, process.lanes[0])
        try:
            context.run(act)
        except Violation:
            raise
        except Exception as error:
            raise as_violation(act, error) from error

    def _next(self, lane: Lane) -> None:
        """Show the lane's next event, if one waits."""
        lane.clear()
        if lane.queue:
            lane.label, lane.act, lane.faults, lane.resource = lane.queue.popleft()
            self.pending.append(lane)

    def _goes_on(self) -> bool:
        """Make something happen when no lane can move; say whether anything did."""
        self._rounds += 1
        if self._rounds > self.steps_max:
            raise self._unended(ENDLESS.format(self.steps_max))
        if self.held:
            self.pending.extend(self.held)
            self.held.clear()
            return True
        if self._over():
            when = self.loop.next_timer()
            self._over_at = self.loop.now if self._over_at is None else self._over_at
            if self.until is not None or when is None or when > self._over_at + self.linger:
                return False
        if self.loop.next_timer() is not None:
            self.loop.advance()
            return True
        raise self._unended("waits for what can no longer happen")

    def _unended(self, message: str) -> Violation:
        """Return that the schedule does not end; where a task failed and nobody asked it, that is why, and is raised instead."""
        self._require_no_lost_exception()
        return Violation("ends", f"{message}: {unended(self.processes)}")

    def _over(self) -> bool:
        """Say whether every main that must end has ended; an exception that ended one is a finding."""
        over = True
        for process in self.processes:
            if process.alive and not process.program.daemon:
                over = over and process.main.done()
            if process.main.done() and not process.main.cancelled() and process.main.exception() is not None:
                error = process.main.exception()
                if isinstance(error, Violation):
                    raise error
                raise Violation("no exception", f"{process.title} ended with {said(error)}") from error
        return over
