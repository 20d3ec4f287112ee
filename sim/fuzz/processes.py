"""Processes and lanes: who moves in a schedule.

Theory of operation. A Program is what a supervisor starts; a Process is one life of it,
named A, B, C in the order of starting; a Lane is one thing in the world that can move:
a task with I/O under way, a queue of reports to a process, a restart. A context
variable says on whose lane code runs, so tasks, timers and events know their
process without being told. A lane shows one event at a time, its oldest; what comes
after it waits in the lane's queue, because one connection does not overtake itself.
"""

from __future__ import annotations

import string
from asyncio import tasks
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from contextvars import Context, ContextVar
from types import TracebackType
from typing import Any, NamedTuple

from sim.fuzz.places import line_of, own_line_of


class Violation(Exception):
    """An invariant does not hold: `name` says which, `message` what was seen."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name, self.message = name, message


def as_violation(callback: Any, error: Exception) -> Violation:
    """Return the finding that a callback raised."""
    if isinstance(error, Violation):
        return error
    name = getattr(callback, "__qualname__", repr(callback))
    return Violation("no exception", f"callback {name} raised {said(error)}")


def said(error: BaseException, group_line: str = "") -> str:
    """Return the kind of an exception and its words; of a group, those of the first one in it that is none.

    Args:
        group_line: where own code met the group that the exception came in: tells more than a library's line.
    """
    if isinstance(error, BaseExceptionGroup):
        more = f" (and {len(error.exceptions) - 1} more)" if len(error.exceptions) > 1 else ""
        return f"{type(error).__name__} of {said(error.exceptions[0], own_line_of(error) or group_line)}{more}"
    place = f" ({own_line_of(error) or group_line or line_of(error)})" if error.__traceback__ is not None else ""
    text = f"{type(error).__name__}: {error}"
    return text if place in text else f"{text}{place}"


def lost_exception(processes: list[Process], complaints: list[dict[str, Any]]) -> Violation | None:
    """Return what asyncio would only have logged: a task of the living that failed unasked, or a complaint of the loop."""
    for process in processes:
        for lane in process.lanes if process.alive else ():
            if lane.task._log_traceback:
                error = lane.task.exception()
                if isinstance(error, Violation):
                    return error
                name = f"{lane.name} ({lane.title.rpartition('.<locals>.')[2]})"
                return Violation("no exception", f"task {name} ended with {said(error)}; nobody asked it")
    for context in complaints:
        return Violation("no exception", f"{context.get('message', 'asyncio complains')}: {context.get('exception')!r}")
    return None


def judge(name: str, found: object) -> None:
    """Raise what a check of an invariant said, unless it holds."""
    if found is False or (found and found is not True):
        raise Violation(name, found if isinstance(found, str) else "it does not hold")


def ask(checks: Iterable[tuple[str, Callable[[], object]]]) -> None:
    """Ask all checks; raise for the first that does not hold."""
    for name, check in checks:
        try:
            judge(name, check())
        except Violation:
            raise
        except Exception as error:
            raise of_check(name, error) from error


def of_check(name: str, error: Exception) -> Exception:
    """Return what an exception in a check means: an assertion does not hold, anything else is a fault of the check."""
    if isinstance(error, AssertionError):
        return Violation(name, str(error) or "its assertion does not hold")
    return ScenarioError(f"the check {name!r} raised {said(error)}; it returns True, False or a sentence")


class ScenarioError(ValueError):
    """A scenario that cannot be run at all: it raises, starts nothing, or starts what is no coroutine."""


class Faulty(SystemExit):
    """Raised in a program where it shows that the scenario cannot be run: asyncio keeps any other exception in the task."""


class Dead(BaseException):
    """Code of a process that was killed tried to act; no handler of exceptions may stop this one."""


class Event(NamedTuple):
    """What a lane will do next, while it waits behind another event of that lane."""

    label: str
    act: Callable[[], Any]
    faults: tuple[str, ...]
    resource: str


UNDRAWN = 1 << 32
"""The priority of a lane that has none yet: above that of any word of the tape."""


class Lane:
    """One thing that can move.

    Attributes:
        name: what tokens call it. label: what its event is about, "" when it has none.
        effect: what happens at the far side, None once it has. future: whom the answer wakes.
        act: the event of a lane without a future. faults: kinds that may strike this event.
        resource: what the event touches. survives: the effect happens although its process died.
        priority, left: what policies keep, for priorities and for the moves they expect of it.
    """

    __slots__ = (
        "act", "effect", "error", "faults", "future", "label", "left", "name", "priority", "process", "queue", "resource", "spares",
        "survives", "task", "title", "value",
    )  # fmt: skip

    def __init__(self, name: str, process: Process | None, title: str = "") -> None:
        self.name, self.process, self.title = name, process, title
        self.label = self.resource = ""
        self.effect: Callable[..., Any] | None = None
        self.act: Callable[[], Any] | None = None
        self.future: Any = None
        self.task: Any = None
        self.value: Any = None
        self.error: BaseException | None = None
        self.faults: tuple[str, ...] = ()
        self.survives = False
        self.queue: deque[Event] | None = None
        self.spares: list[Lane] | None = None
        self.priority = UNDRAWN
        self.left: int | None = None

    def __enter__(self) -> None:
        """Begin an effect."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        """Keep what an effect raised: it is the answer that its caller will get."""
        if error is None or not isinstance(error, Exception) or isinstance(error, Violation):
            return False
        self.error = error
        return True

    def clear(self) -> None:
        """Forget the event."""
        self.label, self.effect, self.act, self.future, self.value, self.error = "", None, None, None, None, None

    def spare(self) -> Lane:
        """Return a free lane for a second event of one task at the same time."""
        self.spares = self.spares if self.spares is not None else []
        for lane in self.spares:
            if not lane.label:
                return lane
        lane = Lane(f"{self.name}x{len(self.spares) + 2}", self.process, self.title)
        lane.task = self.task
        self.spares.append(lane)
        return lane


LANE: ContextVar[Lane] = ContextVar("LANE")
"""On whose lane the running code is; unset in the world itself."""

Main = Callable[[], Coroutine[Any, Any, Any]]


class Program(NamedTuple):
    """What is started, and again after a crash. A daemon need not end; `old` is the previous release's main."""

    name: str
    main: Main
    old: Main | None = None
    restarts: bool = True
    daemon: bool = False


async def _over() -> None:
    """Be the main of a life that is over."""


FEW = 3
"""Tasks whose places are told."""


def place_of(task: Any) -> str:
    """Return the function and line in which a task waits, and before it those of who called that."""
    coroutine, places = task.get_coro(), list[str]()
    while coroutine is not None and getattr(coroutine, "cr_frame", None) is not None:
        places.append(f"{coroutine.cr_code.co_qualname.rpartition('.<locals>.')[2]}, line {coroutine.cr_frame.f_lineno}")
        coroutine = coroutine.cr_await
    return " > ".join(places[-2:]) or "its start"


class Process:
    """One life of a program.

    Attributes:
        tasks: the factory that it gave its loop; None: tasks begin when their turn comes.
    """

    def __init__(self, number: int, program: Program, build: str) -> None:
        self.number, self.program, self.build = number, program, build
        letters = string.ascii_uppercase
        self.letter = letters[number] if number < len(letters) else f"Z{number}z"
        self.alive = True
        self.lanes: list[Lane] = []
        self.main: Any = None
        self.tasks: Callable[..., Any] | None = None

    @property
    def title(self) -> str:
        """Return the name people read."""
        return f"{self.program.name}{'' if self.build == 'new' else f' ({self.build} build)'}"

    def new_lane(self, coroutine: Any) -> Lane:
        """Return the lane of a new task: A for the main one, then A1, A2."""
        count = len(self.lanes)
        lane = Lane(f"{self.letter}{count}" if count else self.letter, self, getattr(coroutine, "__qualname__", "task"))
        self.lanes.append(lane)
        return lane

    def owns(self, context: Context) -> bool:
        """Say whether code in this context is the process's own."""
        lane = context.get(LANE)
        return lane is not None and lane.process is self

    def where(self) -> str:
        """Return the function and line in which the main coroutine waits, and where its tasks do that have not ended."""
        waiting = [lane for lane in self.lanes if lane.task is not None and lane.task is not self.main and not lane.task.done()]
        told = [place_of(self.main), *(f"{lane.name} in {place_of(lane.task)}" for lane in waiting[:FEW])]
        return "; ".join([*told, *(["..."] if len(waiting) > FEW else [])])

    def bury(self) -> None:
        """Close every coroutine, so that nothing of this life runs later; what its cleaning up raises dies with it."""
        self.alive = False
        forget = tasks._unregister_task
        for lane in self.lanes:
            task, lane.task = lane.task, None
            if task is None:
                continue
            forget(task)
            if not task.done():
                task._log_destroy_pending = False
                with suppress(Exception, Dead):
                    task.get_coro().close()
            else:
                task._log_traceback = False
        # A scenario's functions know the world: without them the world is free as soon as nobody asks for it any more.
        self.main, self.lanes, self.program = None, [], self.program._replace(main=_over, old=None)


def unended(processes: list[Process]) -> str:
    """Return where the programs are that should have ended, or the tasks that go on after them."""
    alive = [process for process in processes if process.alive]
    waiting = [process for process in alive if not process.program.daemon and not process.main.done()]
    return "; ".join(f"{process.title} in {process.where()}" for process in waiting or alive) or "no program is left"
