"""The fence: code under test that asks the real clock, real chance, a socket or a thread fails at once, by name.

Theory of operation. While a search runs, the functions below are wrapped. A call from a
simulated process's own code raises Escaped and says what to use instead; calls from the
world, the standard library and installed packages pass (logging may stamp its lines). A
schedule that depends on such a call could not be replayed. What was imported by name
before (`from time import time`) passes the fence; then the first schedule, which is run
twice, may tell.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from sim.fuzz.loop import Escaped
from sim.fuzz.processes import LANE

INSTEAD = "asyncio.get_running_loop().time(), or world.now_ns()"
FENCED: dict[str, tuple[tuple[str, ...], str]] = {
    "time": (("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"), INSTEAD),
    "time:blocking": (("sleep",), "await asyncio.sleep(): this one stops every task"),
    "random": (("random", "randint", "randrange", "choice", "choices", "shuffle", "sample", "uniform", "getrandbits"), "world.draw()"),
    "uuid": (("uuid1", "uuid4"), "an id that follows from what it names"),
    "os": (("urandom",), "an id that follows from what it names"),
    "secrets": (("token_hex", "token_bytes", "token_urlsafe", "randbelow", "choice"), "an id that follows from what it names"),
    "socket": (("socket", "create_connection"), "the world's ports, or world.loop.connect"),
    "threading": (("Thread",), "asyncio tasks; an executor's function runs inline"),
}
"""Module -> functions, and what to use instead."""


def _guard(name: str, real: Callable[..., Any], instead: str) -> Callable[..., Any]:
    def guarded(*args: Any, **options: Any) -> Any:
        if LANE.get(None) is not None and _own_code(sys._getframe(1)):
            raise Escaped(f"{name}() in a simulated process could not be replayed; use {instead}")
        return real(*args, **options)

    guarded.fence = True  # type: ignore[attr-defined]
    return guarded


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
        yield
    finally:
        for module, name, real in reversed(put_back):
            setattr(module, name, real)
