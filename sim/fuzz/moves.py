"""The moves of a world by name: which are possible now, and how each is made.

Theory of operation. `World` inherits this. A move without a fault is the world's own
`deliver`; a fault bends the event of a lane (it is held, dropped, doubled, overtaken, or
handed to the port that made it) or strikes a process, a task or the clock. Nothing
here draws a choice: policies, plans, scripts and searches say which move is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sim.fuzz.faults import ANSWERS, BY_PORT, EFFECTS, WORLDS, parse
from sim.fuzz.processes import Event, Lane, Process, Program

if TYPE_CHECKING:
    from sim.fuzz.loop import Loop


class Moves:
    """What policies, scripts and searches may do to a world."""

    loop: Loop
    pending: list[Lane]
    held: list[Lane]
    trace: list[str]
    processes: list[Process]
    crashed: list[Callable[[Process, str], None]]
    dropped: list[Callable[[Process], None]]
    watch: Callable[[str, Lane | None], None] | None
    deliver: Callable[[int], None]
    post: Callable[..., None]
    start: Callable[[Program, str], Process]
    _next: Callable[[Lane], None]

    def options(self, kind: str) -> list[str]:
        """Return every step by which a fault of this kind can happen now, most senior lane first."""
        if kind in WORLDS:
            return self._world_options(kind)
        answers = kind in ANSWERS
        lanes = [x for x in self.pending if kind in x.faults and (x.effect is None) is answers]
        return [f"{lane.name}!{kind}" for lane in lanes if kind != "reorder" or lane.queue]

    def _world_options(self, kind: str) -> list[str]:
        if kind == "clock":
            return ["clock"] if self.loop.next_timer() is not None and self.pending else []
        if kind == "cancel":
            lanes = [x for x in self.pending if x.task is not None and x.task is not x.process.main and x.process.alive]  # type: ignore[union-attr]
            return [f"cancel.{lane.name}" for lane in lanes]
        if kind == "drop" and not self.dropped:
            return []
        alive = [process for process in self.processes if process.alive and (kind in ("crash", "power", "torn") or not process.main.done())]
        if kind in ("twin", "old"):
            alive = [process for process in alive if process.build == "new" and (kind != "old" or process.program.old is not None)]
        return [f"{kind}.{process.letter}" for process in alive]

    def can(self, step: str) -> bool:
        """Say whether a step is possible now."""
        step = step.partition("~")[0]
        lane, fault = parse(step)
        if not fault:
            return any(x.name == lane for x in self.pending) or any(x.name == lane for x in self.held)
        return f"{fault}.{lane}" in self.options(fault) if fault in WORLDS and fault != "clock" else step in self.options(fault)

    def do(self, step: str) -> None:
        """Make one step, fault or not; `can` says whether it is possible."""
        lane, fault = parse(step.partition("~")[0])
        index = next((i for i, x in enumerate(self.pending) if x.name == lane), -1)
        if self.watch is not None:
            self.watch(step, self.pending[index] if index >= 0 else None)
        self.trace.append(step.partition("~")[0])
        if fault in WORLDS:
            self._strike(fault, lane)
        elif index < 0:
            self._release(lane)
        elif fault in BY_PORT:
            self._perform_fault(self.pending[index], fault)
        elif fault in EFFECTS | ANSWERS:
            self._bend(index, fault)
        else:
            self.deliver(index)

    def _release(self, name: str) -> None:
        """Bring a held lane back and let it move."""
        index = next(i for i, lane in enumerate(self.held) if lane.name == name)
        self.pending.append(self.held.pop(index))
        self.deliver(len(self.pending) - 1)

    def _perform_fault(self, lane: Lane, fault: str) -> None:
        effect, lane.effect = lane.effect, None
        assert effect is not None
        with lane:
            lane.value = effect(fault)

    def _bend(self, index: int, fault: str) -> None:
        """Carry out a fault that no port has to know of."""
        lane = self.pending[index]
        if fault in ("slow", "late"):
            self.held.append(self.pending.pop(index))
        elif fault in ("unsent", "lost"):
            del self.pending[index]
            self._next(lane)
        elif fault == "twice":
            effect = lane.effect
            self.deliver(index)
            with Lane("again", None):
                effect()  # type: ignore[misc]
        elif fault == "dup":
            again = Event(lane.label, lane.act, (), lane.resource)  # type: ignore[arg-type]
            self.deliver(index)
            self.post(lane.name, again.label, again.act, to=lane.process)
        else:
            assert lane.queue is not None and lane.act is not None
            overtaken = Event(lane.label, lane.act, lane.faults, lane.resource)
            lane.label, lane.act, lane.faults, lane.resource = lane.queue.popleft()
            lane.queue.appendleft(overtaken)
            self.deliver(index)

    def _strike(self, fault: str, target: str) -> None:
        if fault == "clock":
            self.loop.advance()
        elif fault == "cancel":
            next(lane for lane in self.pending if lane.name == target).task.cancel()
        else:
            process = next(p for p in self.processes if p.letter == target)
            if fault in ("twin", "old"):
                self.start(process.program, "old" if fault == "old" else process.build)
            elif fault == "drop":
                self.disconnect(process)
            else:
                self.kill(process, fault)

    def disconnect(self, process: Process) -> None:
        """Lose everything that is on its way to a process from the wire, and tell the ports that listen for this."""
        for lane in [lane for lane in self.pending if lane.process is process]:
            if lane.queue:
                lane.queue.clear()
            if lane.act is not None or (lane.survives and lane.effect is None):
                self.pending.remove(lane)
                lane.clear()
        for lost in self.dropped:
            lost(process)

    def kill(self, process: Process, how: str = "crash") -> None:
        """End a process at once: nothing of it runs again; requests on the wire still arrive."""
        process.alive = False
        waiting = [handle for handle in self.loop.ready if handle and not process.owns(handle[2])]
        self.loop.ready.clear()
        self.loop.ready.extend(waiting)
        for _, _, timer in self.loop.timers:
            if timer and process.owns(timer[2]):
                timer.cancel()
        for lanes in (self.pending, self.held):
            for lane in [lane for lane in lanes if lane.process is process]:
                if lane.effect is not None and lane.survives:
                    lane.future, lane.act, lane.faults = None, None, ()
                else:
                    lanes.remove(lane)
                if lane.queue:
                    lane.queue.clear()
        for lost in self.crashed:
            lost(process, how)
        if process.program.restarts:
            self.post(f"up.{process.letter}", "restart", lambda: self._restart(process) and None)

    def _restart(self, process: Process) -> Process:
        return self.start(process.program, process.build)
