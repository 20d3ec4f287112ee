"""The deterministic asyncio loop: ready handles stay first in, first out; time is virtual.

Theory of operation. asyncio promises that callbacks run in the order in which they were
scheduled. This loop keeps the promise, so code that relies on it is never failed for
that. It never waits: `World` empties the ready queue, then chooses which event of the
world is delivered, which fills the queue again. A timer fires when the world moves the
clock. Sockets, signals, subprocesses and threads are refused by name; an executor's
function runs inline, as an effect and an acknowledgement of its own.

Invariants. Handles run in the order of `call_soon`; timers in the order (when, made).
Tasks hash by their sequence number, so a set of tasks has one order in every process.
"""

from __future__ import annotations

import asyncio
import heapq
import sys
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any

from sim.fuzz.processes import LANE, Process

EPOCH_NS = 1_767_623_400_000_000_000
"""Where virtual time begins: 2026-01-05 14:30 UTC, a Monday's opening in New York."""


COMPLAINTS_MAX = 100
"""Complaints of one schedule that are kept: a program that tries again for ever makes millions, and the first one convicts it."""


class Escaped(RuntimeError):
    """Code of a schedule reached for the real world. It is a finding also where that code catches it, so the loop is told."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        loop = events._get_running_loop()
        if isinstance(loop, Loop) and len(loop.errors) < COMPLAINTS_MAX:
            loop.errors.append({"message": "caught by the program", "exception": self})


class Handle(list[Any]):
    """A callback that waits for its turn: [callback, args, context]; empty once it is cancelled."""

    __slots__ = ()

    def cancel(self) -> None:
        """Take the callback out."""
        self.clear()

    def cancelled(self) -> bool:
        """Say whether it was taken out."""
        return not self


class Timer(Handle):
    """A callback that waits for a time."""

    __slots__ = ("due",)
    due: float

    def when(self) -> float:
        """Return the virtual time at which it is due."""
        return self.due


Runs = Coroutine[Any, Any, Any] | Generator[Any, None, Any]
_lane_now, _be_on = LANE.get, LANE.set
_new_task = asyncio.Task.__new__
_begin_task: Callable[..., None] = asyncio.Task.__init__


class Task(asyncio.Task):  # type: ignore[type-arg]
    """A task whose hash is its number in the schedule."""

    __slots__ = ("number",)
    number: int

    def __hash__(self) -> int:
        return self.number

    __eq__ = object.__eq__


class Future(asyncio.Future):  # type: ignore[type-arg]
    """A future whose hash is its number in the schedule."""

    number = 0

    def __hash__(self) -> int:
        return self.number

    __eq__ = object.__eq__


def _scheduler(ready: deque[Handle | tuple[Any, ...]]) -> Callable[..., Any]:
    """Return the `call_soon` of one loop: a plain function, because futures look it up and call it at every move."""
    append = ready.append

    def call_soon(callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Handle | None:
        """Run a callback after those that wait already; with a context of its own it cannot be cancelled."""
        if context is not None:
            # So call tasks and futures, for every step of every task, and they never keep the handle.
            append((callback, args, context))
            return None
        handle = Handle((callback, args, copy_context()))
        append(handle)
        return handle

    return call_soon


class Loop(asyncio.AbstractEventLoop):
    """One schedule's event loop.

    Attributes:
        ready: handles that run next, oldest first. call_soon, call_soon_threadsafe: put one behind them.
        timers: heap of (when, number, handle). now: virtual seconds. now_ns: the same as a time, ns UTC.
        inline: called to run an executor's function; the world makes two events of it.
        errors: contexts given to the exception handler.
        connect, listen: what create_connection and create_server do, if the scenario brings a network of its own.
    """

    def __init__(self) -> None:
        self.ready: deque[Handle | tuple[Any, ...]] = deque()
        self.timers: list[tuple[float, int, Timer]] = []
        self.now, self.now_ns = 0.0, EPOCH_NS
        self.errors: list[dict[str, Any]] = []
        self.inline: Callable[..., Any] | None = None
        self.connect: Callable[..., Any] | None = None
        self.listen: Callable[..., Any] | None = None
        self._made = 0
        self.call_soon = self.call_soon_threadsafe = _scheduler(self.ready)  # type: ignore[method-assign, assignment]

    # The beginning and the end of a schedule.

    def enter(self) -> tuple[Any, Any]:
        """Be the running loop; return what `leave` puts back."""
        before = events._get_running_loop(), sys.get_asyncgen_hooks()
        events._set_running_loop(self)
        sys.set_asyncgen_hooks(firstiter=None, finalizer=self._close_generator)
        return before

    def leave(self, before: tuple[Any, Any]) -> None:
        """Let the loop run again that ran before."""
        events._set_running_loop(before[0])
        sys.set_asyncgen_hooks(*before[1])

    def _close_generator(self, generator: Any) -> None:
        """Close a generator that nobody iterates over any more: in a task of its own, as asyncio does; with its process it just ends."""
        lane = _lane_now(None)
        if lane is not None and lane.process is not None and lane.process.alive:
            self.call_soon(self.create_task, generator.aclose())

    # What asyncio calls all the time.

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Timer:  # type: ignore[override]
        """Run a callback when the clock reaches `when`."""
        timer = Timer((callback, args, copy_context() if context is None else context))
        timer.due = when
        self._made += 1
        heapq.heappush(self.timers, (when, self._made, timer))
        return timer

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Timer:  # type: ignore[override]
        """Run a callback `delay` virtual seconds from now."""
        return self.call_at(self.now + delay, callback, *args, context=context)

    def time(self) -> float:
        """Return virtual seconds since the schedule began."""
        return self.now

    def create_future(self) -> Future:
        """Return a future that hashes by its number."""
        future = Future(loop=self)
        self._made += 1
        future.number = self._made
        return future

    def create_task(self, coro: Runs, *, name: str | None = None, context: Context | None = None, **more: Any) -> Task:
        """Schedule a coroutine as a task of the process that asks; `more` is what else a task of this Python takes."""
        parent = _lane_now(None) if context is None else context.get(LANE)
        if parent is None or parent.process is None:
            coro.close()
            raise Escaped("create_task outside any process; start programs with world.process(name, main)")
        lane = parent.process.new_lane(coro)
        context = copy_context() if context is None else context
        context.run(_be_on, lane)
        if parent.process.tasks is not None:
            more.setdefault("eager_start", True)
        self._made += 1
        task = lane.task = _new_task(Task)
        task.number = self._made
        _begin_task(task, coro, loop=self, name=name or lane.name, context=context, **more)
        return task

    # Time.

    def next_timer(self) -> float | None:
        """Return when the earliest timer that still counts is due."""
        timers = self.timers
        while timers and not timers[0][2]:
            heapq.heappop(timers)
        return timers[0][0] if timers else None

    def advance(self) -> None:
        """Move the clock to the earliest timer and make everything that is due by then ready."""
        when = self.next_timer()
        if when is None:
            return
        self.now = max(self.now, when)
        self.now_ns = EPOCH_NS + round(self.now * 1e9)
        self.expire()

    def expire(self) -> None:
        """Make every timer ready that is due now, in the order (when, made)."""
        while self.timers and self.timers[0][0] <= self.now:
            timer = heapq.heappop(self.timers)[2]
            if timer:
                self.ready.append(timer)

    # What is rare.

    def set_task_factory(self, factory: Callable[..., Any] | None) -> None:
        """Have the running program's tasks begin at once, as asyncio's eager factory does; refuse another one."""
        if factory is not None and factory is not getattr(asyncio, "eager_task_factory", None):
            raise Escaped(
                "loop.set_task_factory() with a factory of one's own: a schedule moves tasks that are the simulated loop's; "
                "leave it to the real program's main, or set asyncio.eager_task_factory (Python 3.12)"
            )
        _program().tasks = factory

    def get_task_factory(self) -> Callable[..., Any] | None:
        """Return what the running program has set."""
        return _program().tasks

    def set_default_executor(self, executor: Any) -> None:
        """Accept an executor and leave it unused: functions run inline."""

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:  # type: ignore[override]
        """Run a function inline, as one event of the world; its result is acknowledged by another."""
        if self.inline is None:
            raise Escaped("this loop runs no executor: no world is attached to it")
        return self.inline(func, *args)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what asyncio complains of; the world judges it when the schedule ends."""
        self.errors.append(context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Do what `call_exception_handler` does."""
        self.errors.append(context)

    def get_exception_handler(self) -> None:
        """Return None: complaints are kept."""

    def set_exception_handler(self, handler: Any) -> None:
        """Accept a handler and leave it unused: complaints are kept for the verdict."""

    get_debug = staticmethod(bool)
    """Returns False: debug mode reads the real clock. asyncio asks for each future, and `bool()` answers at once."""

    def set_debug(self, enabled: bool) -> None:
        """Accept and ignore the wish."""

    def is_running(self) -> bool:
        """Return True: whoever can ask is run by it."""
        return True

    def is_closed(self) -> bool:
        """Return False: a schedule ends, its loop is dropped."""
        return False

    def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def stop(self) -> None:
        """Refuse: the schedule ends when nothing is left to happen."""
        raise Escaped("loop.stop() inside a schedule; return from the main coroutine instead")

    async def shutdown_asyncgens(self) -> None:
        """Do nothing: generators are closed with their tasks."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Do nothing: there is no executor."""

    async def create_connection(self, *args: Any, **options: Any) -> Any:
        """Connect through the scenario's own network."""
        if self.connect is None:
            raise Escaped("a socket in a simulated world; give the scenario a network (loop.connect) or use its ports")
        return await self.connect(*args, **options)

    async def create_server(self, *args: Any, **options: Any) -> Any:
        """Listen on the scenario's own network."""
        if self.listen is None:
            raise Escaped("a listening socket in a simulated world; give the scenario a network (loop.listen)")
        return await self.listen(*args, **options)


def _program() -> Process:
    """Return the process whose code runs: what it sets dies with it."""
    lane = _lane_now(None)
    if lane is None or lane.process is None:
        raise Escaped("a task factory outside any process; ask for it in the program's main")
    return lane.process


REFUSED = (
    "run_forever", "run_until_complete", "subprocess_exec", "subprocess_shell", "add_reader", "add_writer", "remove_reader",
    "remove_writer", "sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into", "sock_sendall", "sock_sendto", "sock_sendfile",
    "sock_connect", "sock_accept", "connect_accepted_socket", "create_datagram_endpoint", "create_unix_connection",
    "create_unix_server", "connect_read_pipe", "connect_write_pipe", "getaddrinfo", "getnameinfo", "start_tls", "sendfile",
)  # fmt: skip
SIGNALS = ("add_signal_handler", "remove_signal_handler")
ONLY = "a simulated one has io events and virtual time only"
MAIN = "leave it to the real program's main, outside of what is simulated; a crash is a fault here"


def _refuse(name: str, instead: str) -> Callable[..., Any]:
    def refused(self: Loop, *args: Any, **options: Any) -> Any:
        raise Escaped(f"loop.{name}() reaches for the real world; {instead}")

    return refused


for _names, _instead in ((REFUSED, ONLY), (SIGNALS, MAIN)):
    for _name in _names:
        setattr(Loop, _name, _refuse(_name, _instead))
