"""Calls of the real clock, of chance, of sockets, threads and programs: each fails at once in simulated code, by name.

Theory of operation. While a search runs, the functions below are wrapped. A call from a
simulated process's own code raises Escaped and says what to use instead; calls from the
world, the standard library and installed packages pass (logging may stamp its lines). A
schedule that depends on such a call could not be replayed. What leads out of the world for good (a socket, a thread, a program, a
sleep that stops everything) is refused where a library does it for the program as well, unless that is the library's own affair.

A person's module that imported such a function by name (`from os import rename`) is given the wrapper for as long. What is kept
elsewhere (in a table, as a default) and what is no function of a module (`datetime.now`) pass the wrappers. So the first
schedule of a search is watched as well: Python reports each call of it, and one that asks for the time or for chance ends the
search with its file and line. Where another tool listens to Python's calls already, a profiler for example, it is not
watched; then its being run twice may tell.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import events
from asyncio.mixins import _LoopBoundMixin
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache, partial
from importlib import import_module
from inspect import isawaitable
from random import Random
from types import CodeType, FrameType
from typing import Any

from sim.fuzz.fence.keeps import KEEPING, keeps_nothing
from sim.fuzz.fence.blame import blamed, caller_blamed
from sim.fuzz.fence.spins import patient
from sim.fuzz.loop import Escaped, Loop
from sim.fuzz.places import is_own, is_plumbing, line_in, persons_modules
from sim.fuzz.processes import LANE, Faulty, ScenarioError

Wrapper = tuple[Any, str, Callable[[Callable[..., Any]], Any]]
"""Where a function is, its name, and what wraps it."""
TODAY = ("now", "utcnow", "today")
CLOCK = "a clock that is handed in: world.now_ns here, time.time_ns in the real program"
INSTEAD = "asyncio.get_running_loop().time(), or world.now_ns()"
PORT = "a port of the world: await world.io(label, effect)"
NETWORK = "the world's ports, or world.loop.connect"
TASKS = "asyncio tasks, or await asyncio.to_thread(function): an executor's function runs inline"
SLEEP = "await asyncio.sleep(): this one stops every task"
FENCED: dict[str, tuple[tuple[str, ...], str]] = {
    "time": (("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"), INSTEAD),
    "random": (("random", "randint", "randrange", "choice", "choices", "shuffle", "sample", "uniform", "getrandbits"), "world.draw()"),
    "uuid": (("uuid1", "uuid4"), "an id that follows from what it names"),
    "os": (("urandom",), "an id that follows from what it names"),
    "os:programs": (("system", "popen"), PORT),
    "subprocess": (("run", "call", "check_call", "check_output", "getoutput"), PORT),
    "secrets": (("token_hex", "token_bytes", "token_urlsafe", "randbelow", "choice"), "an id that follows from what it names"),
    "socket": (("create_connection",), NETWORK),
    "threading": (("Thread",), TASKS),
    "signal": (("signal", "alarm", "setitimer"), "the real program's main for it, outside of what is simulated; a crash is a fault here"),
}
"""Module -> functions that a program may not call itself, and what to use instead."""
OUT: dict[str, tuple[tuple[str, ...], str]] = {
    "time": (("sleep",), SLEEP),
    "socket": (("socket",), NETWORK),
    "subprocess": (("Popen",), PORT),
    "os": (("fork",), PORT),
    "threading": (("Thread.start",), TASKS),
}
"""Module -> functions that nobody may call for it either."""
SEED = "world.draw(), or give it a seed"
DICE = (
    "rand", "randn", "random", "random_sample", "randint", "normal", "standard_normal", "uniform", "exponential", "poisson", "binomial",
    "choice", "shuffle", "permutation", "bytes",
)  # fmt: skip
"""What numpy throws with its one generator for all."""


def _guard(
    name: str, instead: str, for_libraries: bool, real: Callable[..., Any], when: Callable[..., bool] | None = None
) -> Callable[..., Any]:
    def guarded(*args: Any, **options: Any) -> Any:
        if LANE.get(None) is not None and (when is None or when(*args, **options)):
            caller = sys._getframe(1)
            found = caller_blamed(caller) or (blamed(caller) if for_libraries else None)
            if found is not None:
                raise Escaped(f"{name}() in a simulated process could not be replayed ({found.place}); use {instead}")
        return real(*args, **options)

    return guarded


def _is_unseeded(seed: Any = None, *_args: Any, **_options: Any) -> bool:
    """Say whether a generator begins where nobody knows."""
    return seed is None


def _random_is_unseeded(_generator: Any, x: Any = None, **_options: Any) -> bool:
    return x is None


def _of_this_loop(real: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what gives a lock, an event or a queue its loop, and refuses one that an earlier schedule used."""

    def guarded(lock: Any) -> Any:
        kept, now = lock._loop, events._get_running_loop()
        if kept is not None and kept is not now and isinstance(now, Loop):
            found = blamed(sys._getframe(1))
            where = f" ({found.place})" if found is not None else ""
            kind = type(lock).__name__
            raise Faulty(f"asyncio.{kind}{where} was used by another schedule before: it is made at import, perhaps; make it inside main")
        return real(lock)

    return guarded


def _in_order(real: Callable[..., Any]) -> Callable[..., Any]:
    """Return `as_completed` that begins its coroutines as they were written: the real one makes a set of them, ordered by address."""

    def ordered(fs: Any, **options: Any) -> Any:
        loop = events._get_running_loop()
        if isinstance(loop, Loop) and not isawaitable(fs):
            fs = map(partial(asyncio.ensure_future, loop=loop), dict.fromkeys(fs))  # made when the real one asks, and futures have an order
        return real(fs, **options)

    return ordered


def _functions(table: dict[str, tuple[tuple[str, ...], str]]) -> Iterator[tuple[Any, str, str, str]]:
    """Yield (holder, attribute, what people call it, what to use instead) of what a table names and this Python has."""
    for place, (names, instead) in table.items():
        module = import_module(place.partition(":")[0])
        for name in names:
            inside, _, attribute = name.rpartition(".")
            holder = getattr(module, inside) if inside else module
            real = getattr(holder, attribute, None)
            if real is not None:
                title = f"{module.__name__}.{name}"
                yield (real, "__init__", title, instead) if isinstance(real, type) else (holder, attribute, title, instead)


def _wrappers() -> Iterator[Wrapper]:
    """Yield every function that is fenced, and what wraps it."""
    for table, for_libraries in ((FENCED, False), (OUT, True)):
        for holder, name, title, instead in _functions(table):
            yield holder, name, partial(_guard, title, instead, for_libraries)
    for holder, name, changes in KEEPING:
        if hasattr(holder, name):
            yield holder, name, partial(keeps_nothing, holder, name, changes)


WRAPPERS: tuple[Wrapper, ...] = (
    *_wrappers(),
    (_LoopBoundMixin, "_get_loop", _of_this_loop),
    *((module, "as_completed", _in_order) for module in (asyncio, asyncio.tasks)),
    (Random, "__init__", partial(_guard, "random.Random", SEED, False, when=_random_is_unseeded)),
)


@cache
def _dice_of_numpy() -> tuple[Wrapper, ...]:
    """Return what is fenced where a program has loaded numpy; nobody is made to load it."""
    dice, seed = sys.modules["numpy.random"], partial(_guard, "numpy.random.default_rng", SEED, False, when=_is_unseeded)
    thrown = ((dice, name, partial(_guard, f"numpy.random.{name}", SEED, False)) for name in DICE)
    return (*thrown, (dice, "default_rng", seed))


def _by_name(wrapped: dict[int, Any]) -> list[tuple[Any, str, Any]]:
    """Return where persons' modules have one of these functions under a name of their own: module, name, function."""
    return [
        (module, name, value)
        for module in persons_modules()
        if not wrapped.keys().isdisjoint(map(id, module.__dict__.values()))
        for name, value in module.__dict__.items()
        if id(value) in wrapped
    ]


@contextmanager
def fenced() -> Iterator[None]:
    """Keep simulated code from the real world; a search within a search is behind the fence already."""
    put_back: list[tuple[Any, str, Any]] = []
    wrapped: dict[int, Any] = {}
    try:
        for holder, name, wrap in (*WRAPPERS, *(_dice_of_numpy() if "numpy.random" in sys.modules else ())):
            before = getattr(holder, name)
            if not hasattr(before, "fence"):
                put_back.append((holder, name, before))
                wrapper = wrapped[id(before)] = wrap(before)
                wrapper.fence = True
                setattr(holder, name, wrapper)
        for module, name, real in _by_name(wrapped):
            put_back.append((module, name, real))
            setattr(module, name, wrapped[id(real)])
        with patient():
            yield
    finally:
        for holder, name, real in reversed(put_back):
            setattr(holder, name, real)


def _instead() -> tuple[dict[Any, tuple[str, str]], dict[CodeType, tuple[str, str]]]:
    """Return the name of each fenced function and what to use instead: of those written in C, and by the code of the others."""
    compiled: dict[Any, tuple[str, str]] = {}
    written: dict[CodeType, tuple[str, str]] = {}
    for table in (FENCED, OUT):
        for holder, attribute, title, instead in _functions(table):
            real = getattr(holder, attribute)
            if attribute == "__init__":
                continue
            if hasattr(real, "__code__"):
                written.setdefault(real.__code__, (title, instead))
            else:
                compiled[real] = title, instead
    return compiled, written


_COMPILED, _WRITTEN = _instead()


def _asked(event: str, frame: FrameType, called: Any) -> tuple[str, str] | None:
    """Return the name of a call that asks the real world, and what to use instead."""
    if event == "call":
        return _WRITTEN.get(frame.f_code)
    if event != "c_call":
        return None
    kind = getattr(called, "__self__", None)
    if isinstance(kind, type) and issubclass(kind, date) and called.__name__ in TODAY:
        return f"{kind.__name__}.{called.__name__}", CLOCK
    return _COMPILED.get(called)


@contextmanager
def watched() -> Iterator[None]:
    """Watch what a schedule calls.

    Raises:
        ScenarioError: code of a simulated process asked the real clock or real chance; with its file and line.
    """
    found: list[str] = []

    def see(frame: FrameType, event: str, called: Any) -> None:
        said = _asked(event, frame, called)
        caller = frame.f_back if event == "call" else frame
        if said is None or found or caller is None or LANE.get(None) is None:
            return
        if is_own(caller) and not is_plumbing(caller):
            found.append(f"{said[0]}() in a simulated process could not be replayed ({line_in(caller)}); use {said[1]}")

    if sys.getprofile() is not None:
        yield
        return
    sys.setprofile(see)
    try:
        yield
    finally:
        sys.setprofile(None)
        if found:  # also where the schedule failed: what it asked may be why
            raise ScenarioError(found[0])
