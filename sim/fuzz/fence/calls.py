"""The fence: code under test that asks the real clock, real chance, a socket, a thread or the disk fails at once, by name.

Theory of operation. While a search runs, the functions below are wrapped. A call from a
simulated process's own code raises Escaped and says what to use instead; calls from the
world, the standard library and installed packages pass (logging may stamp its lines). A
schedule that depends on such a call could not be replayed. A file or a database on the disk would be found by the
next schedule as this one left it, and nothing would happen in that any more: those are refused as well.

What was imported by name before (`from time import time`) and what is no function of a module (`datetime.now`) pass the
fence. So the first schedule of a search is watched as well: Python reports each call of it, and one that asks for
the time or for chance ends the search with its file and line. Where another tool listens to Python's calls already, a
profiler for example, it is not watched; then its being run twice may tell.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from importlib import import_module
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from sim.fuzz.fence.places import OURS as OUR_FILES
from sim.fuzz.fence.spins import patient
from sim.fuzz.loop import Escaped
from sim.fuzz.processes import LANE, ScenarioError

TODAY = ("now", "utcnow", "today")
CLOCK = "a clock that is handed in: world.now_ns here, time.time_ns in the real program"
INSTEAD = "asyncio.get_running_loop().time(), or world.now_ns()"
PORT = "a port of the world: await world.io(label, effect)"
FENCED: dict[str, tuple[tuple[str, ...], str]] = {
    "time": (("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"), INSTEAD),
    "time:blocking": (("sleep",), "await asyncio.sleep(): this one stops every task"),
    "random": (("random", "randint", "randrange", "choice", "choices", "shuffle", "sample", "uniform", "getrandbits"), "world.draw()"),
    "uuid": (("uuid1", "uuid4"), "an id that follows from what it names"),
    "os": (("urandom",), "an id that follows from what it names"),
    "os:programs": (("system", "popen"), PORT),
    "subprocess": (("run", "call", "check_call", "check_output", "getoutput"), PORT),
    "secrets": (("token_hex", "token_bytes", "token_urlsafe", "randbelow", "choice"), "an id that follows from what it names"),
    "socket": (("socket", "create_connection"), "the world's ports, or world.loop.connect"),
    "threading": (("Thread",), "asyncio tasks; an executor's function runs inline"),
}
"""Module -> functions, and what to use instead."""
MEMORY = "desk.database, or what the scenario function makes in memory, such as sqlite3.connect(':memory:')"


def _is_on_disk(database: Any = ":memory:", *_args: Any, **_options: Any) -> bool:
    """Say whether a database outlives the schedule."""
    return str(database) not in ("", ":memory:") and not any(word in str(database) for word in ("mode=memory", "vfs=memdb"))


def _writes(_file: Any, mode: str = "r", *_args: Any, **_options: Any) -> bool:
    """Say whether a file is opened to write to it."""
    return any(letter in mode for letter in "wax+")


def _always(*_args: Any, **_options: Any) -> bool:
    return True


def _keeping() -> list[tuple[Any, str, str, Callable[..., bool]]]:
    """Return (holder, name, what people call it, when) of the functions by which a schedule leaves something to the next one."""
    files = [(builtins, "open", "open", _writes), (Path, "open", "Path.open", _writes)]
    written = [(Path, name, f"Path.{name}", _always) for name in ("write_text", "write_bytes")]
    # A program that has no database is not made to load one.
    database = [(sys.modules["sqlite3"], "connect", "sqlite3.connect", _is_on_disk)] if "sqlite3" in sys.modules else []
    return [*files, *written, *database]


def _guard(name: str, real: Callable[..., Any], instead: str) -> Callable[..., Any]:
    def guarded(*args: Any, **options: Any) -> Any:
        if LANE.get(None) is not None and _own_code(sys._getframe(1)):
            raise Escaped(f"{name}() in a simulated process could not be replayed; use {instead}")
        return real(*args, **options)

    guarded.fence = True  # type: ignore[attr-defined]
    return guarded


def _keeps_nothing(name: str, real: Callable[..., Any], keeps: Callable[..., bool]) -> Callable[..., Any]:
    def guarded(*args: Any, **options: Any) -> Any:
        caller = sys._getframe(1)
        if LANE.get(None) is not None and keeps(*args, **options) and _own_code(caller) and not _is_ours(caller):
            raise Escaped(f"{name}() in a simulated process leaves something to the next schedule; use {MEMORY}")
        return real(*args, **options)

    guarded.fence = True  # type: ignore[attr-defined]
    return guarded


def _is_ours(frame: Any) -> bool:
    """Say whether code is onebook's, this build's or an old one's."""
    return frame.f_code.co_filename.startswith(OUR_FILES) or str(frame.f_globals.get("__name__", "")).startswith("onebook_")


def _own_code(frame: Any) -> bool:
    module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return module not in sys.stdlib_module_names and "site-packages" not in frame.f_code.co_filename


@contextmanager
def fenced() -> Iterator[None]:
    """Keep simulated code from the real world; a search within a search is behind the fence already."""
    put_back: list[tuple[Any, str, Any]] = []
    try:
        for place, (names, instead) in FENCED.items():
            module = import_module(place.partition(":")[0])
            for name in names:
                real = getattr(module, name)
                holder, attribute = (real, "__init__") if isinstance(real, type) else (module, name)
                before = getattr(holder, attribute)
                if not hasattr(before, "fence"):
                    put_back.append((holder, attribute, before))
                    setattr(holder, attribute, _guard(f"{module.__name__}.{name}", before, instead))
        for holder, name, title, keeps in _keeping():
            before = getattr(holder, name)
            if not hasattr(before, "fence"):
                put_back.append((holder, name, before))
                setattr(holder, name, _keeps_nothing(title, before, keeps))
        with patient():
            yield
    finally:
        for module, name, real in reversed(put_back):
            setattr(module, name, real)


def _instead() -> tuple[dict[Any, tuple[str, str]], dict[CodeType, tuple[str, str]]]:
    """Return the name of each fenced function and what to use instead: of those written in C, and by the code of the others."""
    compiled: dict[Any, tuple[str, str]] = {}
    written: dict[CodeType, tuple[str, str]] = {}
    for place, (names, instead) in FENCED.items():
        module = import_module(place.partition(":")[0])
        for name in names:
            real = getattr(module, name)
            said = f"{module.__name__}.{name}", instead
            if hasattr(real, "__code__"):
                written.setdefault(real.__code__, said)
            elif not isinstance(real, type):
                compiled[real] = said
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
        if caller.f_globals is not globals() and _own_code(caller):
            place = f"{Path(caller.f_code.co_filename).name}, line {caller.f_lineno}"
            found.append(f"{said[0]}() in a simulated process could not be replayed ({place}); use {said[1]}")

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
