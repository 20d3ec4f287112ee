"""Freezing objects: anything a task can see, as a tuple that two equal states share.

Theory of operation. Values are kept, containers and objects are walked, coroutines are
the chain of their frames: code, instruction, locals, and what lies on the value stack
(a loop's iterator lives nowhere else). An object met again is a reference to its number
in the order of the walk, so aliases count. What cannot be looked into raises Opaque: a
search that guesses would call states equal that are not. Objects may offer `snapshot()`.

Tasks in the shared part of a state become Holes, filled with the task's own signature
later: that is what makes alike tasks exchangeable. Inside a task its own name is "ME".
"""

from __future__ import annotations

import asyncio
import gc
from collections import deque
from collections.abc import Callable
from contextvars import Context
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import partial
from types import (
    AsyncGeneratorType, BuiltinFunctionType, CellType, CodeType, CoroutineType, FrameType, FunctionType, GeneratorType,
    MethodType, ModuleType,
)  # fmt: skip
from typing import Any

from sim.fuzz.choices import Tape
from sim.fuzz.loop import Handle, Loop
from sim.fuzz.moves import Moves
from sim.fuzz.processes import Lane, Process, Program

Frozen = Any
PLAIN = (int, str, bytes, type(None), bool)
VALUES = (Decimal, Fraction, datetime, date, time, timedelta, tzinfo, complex, range)
_MADE: tuple[Any, ...] = (
    iter([]), iter(()), iter({}), iter({}.items()), iter({}.values()), iter(range(0)), iter(set()), iter(""),
    enumerate(()), zip(), map(str, ()), filter(None, ()), reversed([]), iter(deque()),
)  # fmt: skip
ITERATORS = tuple(type(made) for made in _MADE)
_PLUMBING = frozenset((FrameType, CodeType, CellType, dict, str))
"""What a frame refers to besides its locals and its value stack: code, cells, globals and builtins, names."""


class Opaque(Exception):
    """An object that cannot be looked into: give it `snapshot()`, or keep it out of the scenario's state."""


class Hole:
    """A task's place in a frozen state, equal to another when their signatures are."""

    __slots__ = ("name", "signature")

    def __init__(self, name: str) -> None:
        self.name, self.signature = name, None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hole) and self.signature == other.signature

    def __hash__(self) -> int:
        return hash(self.signature)


class Names:
    """The tasks of one state: by the name of their lane, and the names by the task's id."""

    def __init__(self, tasks: dict[str, Any]) -> None:
        self.tasks = tasks
        self.lanes = {id(task): name for name, task in tasks.items()}


class Freezer:
    """One walk.

    Args:
        me: the task whose part of the state is walked; None for the shared part.
        shared: numbers of the objects of the shared part, by id.
        others: object id -> number, of what several tasks have and the shared part has not.
    """

    def __init__(
        self, names: Names, me: Any = None, shared: dict[int, int] | None = None, others: dict[int, int] | None = None
    ) -> None:
        self.names, self.me, self.shared, self.others = names.tasks, me, shared or {}, others
        self.lanes = names.lanes
        self.numbers: dict[int, int] = {}
        self.holes: list[Hole] = []
        self.kept: list[Any] = []
        """Keeps what was made on the way alive: an id is a name only while its object lives."""

    def __call__(self, thing: Any) -> Frozen:
        """Return the frozen form of anything."""
        kind = type(thing)
        if kind is str:
            return self._text(thing)
        if kind in PLAIN:
            return thing
        if kind is tuple:
            return ("tuple", *map(self, thing))
        if kind in _WALKS:
            return self._identified(thing, _WALKS[kind])
        if kind is float:
            return ("float", thing)
        if isinstance(thing, Enum):
            return ("enum", kind.__qualname__, thing.name)
        if isinstance(thing, VALUES):
            return ("value", kind.__name__, thing)
        if isinstance(thing, type | ModuleType | CodeType | BuiltinFunctionType) and getattr(thing, "__self__", None) is None:
            return ("name", getattr(thing, "__qualname__", getattr(thing, "__name__", "")))
        return self._identified(thing, None)

    def _text(self, text: str) -> Frozen:
        task = self.names.get(text)
        if task is None:
            return text
        if self.me is None:
            return ("task", self._hole(task))
        return ("ME",) if task is self.me else text

    def _hole(self, task: Any) -> Hole:
        hole = Hole(self.lanes.get(id(task), "?"))
        self.holes.append(hole)
        return hole

    def _identified(self, thing: Any, walk: Callable[[Freezer, Any], Frozen] | None) -> Frozen:
        """Freeze an object that has an identity: once, and then by its number."""
        number = self.shared.get(id(thing))
        if number is not None:
            return ("shared", number)
        number = self.numbers.get(id(thing))
        if number is not None:
            return ("again", number)
        world = self._of_the_world(thing) if walk is None else None
        if world is not None:
            return world
        self.numbers[id(thing)] = len(self.numbers)
        self.kept.append(thing)
        tag = ()
        if self.others is not None and id(thing) in self.others:
            tag = ("common", self.others[id(thing)])  # type: ignore[assignment]
        return (*tag, *(walk(self, thing) if walk is not None else self._inside(thing)))

    def _of_the_world(self, thing: Any) -> Frozen:
        """Return the name of what the search accounts for elsewhere, or what a future stands for."""
        if isinstance(thing, asyncio.Task):
            if self.me is None:
                return ("task", self._hole(thing))
            return ("ME",) if thing is self.me else ("task", self.lanes.get(id(thing), "?"))
        if isinstance(thing, asyncio.Future):
            return self._future(thing)
        if isinstance(thing, Moves | Loop | Tape | Context):
            return ("world", type(thing).__name__)
        if isinstance(thing, Process):
            return ("process", thing.letter, thing.alive)
        if isinstance(thing, Program):
            return ("program", thing.name)
        if isinstance(thing, Lane):
            return ("lane", self._text(thing.name))
        if isinstance(thing, Handle):
            return ("handle", bool(thing))
        return None

    def _future(self, future: Any) -> Frozen:
        if not future.done():
            waiters = [getattr(callback, "__self__", None) for callback, _ in future._callbacks or ()]
            return ("future", *(self(task) for task in waiters if isinstance(task, asyncio.Task)))
        if future.cancelled():
            return ("future", "cancelled")
        error = future.exception()
        return ("future", "done", self(error) if error is not None else self(future.result()))

    def _inside(self, thing: Any) -> Frozen:
        """Freeze what an object consists of."""
        kind = type(thing)
        if isinstance(thing, tuple):
            return ("tuple", kind.__qualname__, *map(self, thing))
        if kind in ITERATORS:
            return ("iterator", kind.__name__, self(thing.__reduce__()))
        for name in ("snapshot", "digest"):
            if callable(hook := getattr(thing, name, None)):
                return (name, kind.__qualname__, self(hook()))
        return self._object(thing, kind)

    def _object(self, thing: Any, kind: type) -> Frozen:
        if hasattr(thing, "tobytes") and hasattr(thing, "dtype"):
            return ("array", str(thing.dtype), thing.shape, thing.tobytes())
        fields = dict(getattr(thing, "__dict__", {}))
        for base in kind.__mro__:
            slots = base.__dict__.get("__slots__", ())
            for slot in (slots,) if isinstance(slots, str) else slots:
                if slot not in ("__dict__", "__weakref__") and hasattr(thing, slot):
                    fields[slot] = getattr(thing, slot)
        inner: tuple[Any, ...] = ()
        for container in (dict, list, set, deque):
            if isinstance(thing, container):
                inner = _WALKS[container](self, thing)
        if isinstance(thing, BaseException):
            inner = ("args", *map(self, thing.args))
        if not fields and not inner and kind.__module__ == "builtins" and kind is not object:
            raise Opaque(f"an object of type {kind.__qualname__} cannot be looked into")
        return ("object", kind.__qualname__, *inner, *((name, self(fields[name])) for name in sorted(fields)))

    def coroutine(self, thing: Any) -> Frozen:
        """Freeze the frames of a coroutine or generator and of what it awaits."""
        frames: list[Frozen] = []
        while thing is not None:
            if isinstance(thing, CoroutineType):
                frame, awaited = thing.cr_frame, thing.cr_await
            elif isinstance(thing, AsyncGeneratorType):
                frame, awaited = thing.ag_frame, thing.ag_await
            elif isinstance(thing, GeneratorType):
                frame, awaited = thing.gi_frame, thing.gi_yieldfrom
            elif type(thing).__name__ in ("async_generator_asend", "async_generator_athrow", "anext_awaitable", "coroutine_wrapper"):
                thing = next((x for x in gc.get_referents(thing) if isinstance(x, CoroutineType | AsyncGeneratorType)), None)
                continue
            else:
                break
            if frame is None:
                frames.append("ended")
                break
            frames.append(self._frame(thing, frame, awaited))
            thing = awaited
        return ("frames", *frames)

    def _frame(self, owner: Any, frame: FrameType, awaited: Any) -> Frozen:
        visible = frame.f_locals
        known = {id(value) for value in visible.values()}
        hidden = [
            self(thing) for thing in gc.get_referents(owner)
            if type(thing) not in _PLUMBING and id(thing) not in known and thing is not awaited
            and not (isinstance(thing, FunctionType) and thing.__code__ is frame.f_code) and "Future" not in type(thing).__name__
        ]  # fmt: skip
        code = frame.f_code
        return (code.co_qualname, code.co_firstlineno, frame.f_lasti, *((name, self(value)) for name, value in visible.items()), *hidden)


def _function(freezer: Freezer, thing: Any) -> Frozen:
    cells = [freezer(cell.cell_contents) if _filled(cell) else "empty" for cell in thing.__closure__ or ()]
    return ("function", thing.__qualname__, thing.__code__.co_firstlineno, *cells, *map(freezer, thing.__defaults__ or ()),
            *((name, freezer(value)) for name, value in (thing.__kwdefaults__ or {}).items()))  # fmt: skip


def _filled(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018  (asking is the only way to know)
    except ValueError:
        return False
    return True


_WALKS: dict[type, Callable[[Freezer, Any], Frozen]] = {
    list: lambda freezer, thing: ("list", *map(freezer, thing)),
    deque: lambda freezer, thing: ("deque", *map(freezer, thing)),
    dict: lambda freezer, thing: ("dict", *((freezer(key), freezer(value)) for key, value in thing.items())),
    set: lambda freezer, thing: ("set", *sorted(map(freezer, thing), key=repr)),
    frozenset: lambda freezer, thing: ("set", *sorted(map(freezer, thing), key=repr)),
    bytearray: lambda freezer, thing: ("bytes", bytes(thing)),
    CellType: lambda freezer, thing: ("cell", freezer(thing.cell_contents) if _filled(thing) else "empty"),
    FunctionType: _function,
    MethodType: lambda freezer, thing: ("method", thing.__func__.__qualname__, freezer(thing.__self__)),
    BuiltinFunctionType: lambda freezer, thing: ("method", thing.__qualname__, freezer(thing.__self__)),
    partial: lambda freezer, thing: ("partial", freezer(thing.func), *map(freezer, thing.args), freezer(thing.keywords)),
    CoroutineType: lambda freezer, thing: freezer.coroutine(thing),
    GeneratorType: lambda freezer, thing: freezer.coroutine(thing),
    AsyncGeneratorType: lambda freezer, thing: freezer.coroutine(thing),
}
