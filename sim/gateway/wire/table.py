"""Message tables: one declaration from which encoding, decoding, the page and the fuzzing come.

Theory of operation. A Message is a name, the number that opens it and its parts in the order of
the wire. Most parts are written as words, `reqId:int`, `issuerId>=176`, `faProfile<177`:
a name, a kind (text if none), the first server version that has it and the first
that no longer has it. `=8<164` is a constant. Three parts have structure: Many (a
count and that many rows), When (only if an earlier field says so), Switch (which fields
follow depends on an earlier one). `plan(version)` lays a message out for one server
version, once; the plan encodes a mapping of values into fields and decodes fields
into a mapping. Decoding never trusts a count: it cannot exceed the fields that are
there. Fields beyond the last are counted and left alone, as every client does it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from sim.gateway.wire.kinds import KINDS, BadField, Kind

OLDEST, NEWEST = 157, 178
"""The server versions that are spoken."""
WORD = re.compile(r"(=?[A-Za-z0-9_]+)(?::(\w+))?(?:>=(\d+))?(?:<(\d+))?")
Values = dict[str, Any]


class WireError(ValueError):
    """A message that its table cannot read; the text names message and field."""


class Field(NamedTuple):
    """One field; a constant has its text as name and no kind."""

    name: str
    kind: Kind | None
    since: int = OLDEST
    before: int = NEWEST + 1


class Many(NamedTuple):
    """A count, then that many rows; in values a list of mappings under `name`. `shared` has one count for several lists."""

    name: str
    parts: tuple[Any, ...]


class When(NamedTuple):
    """Parts that are there only when the test holds for the value of an earlier field."""

    name: str
    test: Callable[[Any], bool]
    parts: tuple[Any, ...]
    says: str


class Switch(NamedTuple):
    """Parts chosen by the value of an earlier field."""

    name: str
    cases: Mapping[Any, tuple[Any, ...]]


Part = Field | Many | When | Switch


def words(text: str) -> list[Field]:
    """Return the fields that a line of words declares.

    Raises:
        ValueError: a word that is none, or an unknown kind.
    """
    found = []
    for word in text.split():
        match = WORD.fullmatch(word)
        if match is None or (match[2] or "text") not in KINDS:
            raise ValueError(f"{word!r} declares no field")
        kind = None if match[1][0] == "=" else KINDS[match[2] or "text"]
        found.append(Field(match[1].lstrip("="), kind, int(match[3] or OLDEST), int(match[4] or NEWEST + 1)))
    return found


def parts_of(*given: str | Part) -> tuple[Part, ...]:
    """Return parts, words expanded."""
    found: list[Part] = []
    for part in given:
        if isinstance(part, str):
            found += words(part)
        else:
            found.append(part)
    return tuple(found)


def many(name: str, *given: str | Part) -> Many:
    """Declare a counted list of rows."""
    return Many(name, parts_of(*given))


def when(name: str, test: Callable[[Any], bool], says: str, *given: str | Part) -> When:
    """Declare parts that depend on an earlier field; `says` is the test in words."""
    return When(name, test, parts_of(*given), says)


def switch(name: str, **cases: str) -> Switch:
    """Declare parts chosen by an earlier whole number; cases are written `_1="..."`."""
    return Switch(name, {int(key[1:]): parts_of(text) for key, text in cases.items()})


class Message:
    """A message's table."""

    def __init__(self, name: str, number: int, *given: str | Part, says: str = "", since: int = OLDEST) -> None:
        self.name, self.number, self.says, self.since = name, number, says, since
        self.parts = parts_of(*given)
        self._plans: dict[int, Plan] = {}

    def __repr__(self) -> str:
        return f"Message({self.name!r}, {self.number})"

    def plan(self, version: int) -> Plan:
        """Return the layout for one server version."""
        known = self._plans.get(version)
        if known is None:
            known = self._plans[version] = Plan(self.name, str(self.number), _laid_out(self.parts, version))
        return known

    def encode(self, values: Mapping[str, Any], version: int) -> list[str]:
        """Return the fields, number first; what `values` does not have is not set.

        Raises:
            ValueError: a Switch value that the table does not know.
        """
        return self.plan(version).encode(values)

    def decode(self, fields: Sequence[str], version: int) -> Values:
        """Return the values of fields, number first.

        Raises:
            WireError: too few fields, or one that its kind cannot read.
        """
        return self.plan(version).decode(fields)


def _laid_out(parts: Sequence[Part], version: int) -> tuple[Any, ...]:
    """Return steps for one version: runs of fields as (names, writers, readers), and the structured parts."""
    steps: list[Any] = []
    run: list[Field] = []
    for part in parts:
        if isinstance(part, Field):
            if part.since <= version < part.before:
                run.append(part)
            continue
        if run:
            steps.append(_Run(run))
            run = []
        if isinstance(part, Many):
            steps.append(_Rows(part.name, _laid_out(part.parts, version)))
        elif isinstance(part, When):
            steps.append(_Branch(part.name, part.test, _laid_out(part.parts, version)))
        else:
            steps.append(_Cases(part.name, {key: _laid_out(case, version) for key, case in part.cases.items()}))
    if run:
        steps.append(_Run(run))
    return tuple(steps)


class _Run:
    """Consecutive fields."""

    __slots__ = ("fields", "readers", "size", "writers")

    def __init__(self, fields: Sequence[Field]) -> None:
        self.fields = tuple(fields)
        self.size = len(fields)
        self.writers = tuple((f.name, _constant(f.name) if f.kind is None else f.kind.write) for f in fields)
        # Text is its own value and most fields are empty, so for both no function is called.
        self.readers = tuple(
            (f.name if f.kind else "", None if f.kind is None or f.kind.name == "text" else (f.kind.read, f.kind.read("")))
            for f in fields
        )

    def write(self, values: Mapping[str, Any], out: list[str]) -> None:
        get = values.get
        out += [write(get(name)) for name, write in self.writers]

    def read(self, fields: Sequence[str], at: int, values: Values) -> int:
        end = at + self.size
        if end > len(fields):
            missing = self.readers[max(0, len(fields) - at)][0]
            raise WireError(f"the message ends before {missing or 'its version'}: {len(fields)} fields")
        name = ""
        try:
            for (name, reader), field in zip(self.readers, fields[at:end]):
                values[name] = field if reader is None else reader[0](field) if field else reader[1]
        except BadField as error:
            raise WireError(f"{name}: {error}") from error
        return end


def _constant(text: str) -> Callable[[Any], str]:
    return lambda _: text


class _Rows:
    """A count and that many rows."""

    __slots__ = ("name", "steps")

    def __init__(self, name: str, steps: tuple[Any, ...]) -> None:
        self.name, self.steps = name, steps

    def write(self, values: Mapping[str, Any], out: list[str]) -> None:
        rows = values.get(self.name) or ()
        out.append(str(len(rows)))
        for row in rows:
            for step in self.steps:
                step.write(row, out)

    def read(self, fields: Sequence[str], at: int, values: Values) -> int:
        if at >= len(fields):
            raise WireError(f"the message ends before the number of {self.name}")
        try:
            count = KINDS["int"].read(fields[at]) or 0
        except BadField as error:
            raise WireError(f"number of {self.name}: {error}") from error
        at += 1
        if not 0 <= count <= len(fields) - at:
            raise WireError(f"{count} {self.name} are announced and {len(fields) - at} fields follow")
        rows: list[Values] = []
        for _ in range(count):
            row: Values = {}
            for step in self.steps:
                at = step.read(fields, at, row)
            row.pop("", None)
            rows.append(row)
        values[self.name] = rows
        return at

    def steers(self, usual: Any, changed: Any) -> bool:
        return bool(usual) or bool(changed)


class _Branch:
    """Steps behind a test of an earlier value."""

    __slots__ = ("name", "steps", "test")

    def __init__(self, name: str, test: Callable[[Any], bool], steps: tuple[Any, ...]) -> None:
        self.name, self.test, self.steps = name, test, steps

    def write(self, values: Mapping[str, Any], out: list[str]) -> None:
        if self.test(values.get(self.name)):
            for step in self.steps:
                step.write(values, out)

    def read(self, fields: Sequence[str], at: int, values: Values) -> int:
        if self.test(values.get(self.name)):
            for step in self.steps:
                at = step.read(fields, at, values)
        return at

    def steers(self, usual: Any, changed: Any) -> bool:
        return self.test(usual) or self.test(changed)


class _Cases:
    """Steps chosen by an earlier value."""

    __slots__ = ("cases", "name")

    def __init__(self, name: str, cases: dict[Any, tuple[Any, ...]]) -> None:
        self.name, self.cases = name, cases

    def write(self, values: Mapping[str, Any], out: list[str]) -> None:
        for step in self._steps(values.get(self.name)):
            step.write(values, out)

    def read(self, fields: Sequence[str], at: int, values: Values) -> int:
        for step in self._steps(values.get(self.name)):
            at = step.read(fields, at, values)
        return at

    def _steps(self, value: Any) -> tuple[Any, ...]:
        if value not in self.cases:
            raise WireError(f"{self.name} {value!r} is none of {', '.join(map(str, self.cases))}")
        return self.cases[value]

    def steers(self, usual: Any, changed: Any) -> bool:
        return True


class Plan:
    """A message laid out for one server version."""

    __slots__ = ("name", "number", "steps")

    def __init__(self, name: str, number: str, steps: tuple[Any, ...]) -> None:
        self.name, self.number, self.steps = name, number, steps

    def encode(self, values: Mapping[str, Any]) -> list[str]:
        """Return the fields, number first."""
        out = [self.number]
        for step in self.steps:
            step.write(values, out)
        return out

    def decode(self, fields: Sequence[str]) -> Values:
        """Return the values of fields, number first.

        Raises:
            WireError: naming the message and what is wrong.
        """
        values: Values = {}
        at = 1
        try:
            for step in self.steps:
                at = step.read(fields, at, values)
        except WireError as error:
            raise WireError(f"{self.name}: {error}") from None
        values.pop("", None)
        return values


def _names(step: Any) -> set[str]:
    """Return the names of all fields within a structured step; a list's own name is its steering, not a field."""
    if isinstance(step, _Run):
        return {name for name, _ in step.writers}
    if isinstance(step, _Rows):
        return set()
    inner = [each for case in step.cases.values() for each in case] if isinstance(step, _Cases) else step.steps
    return set().union(*(_names(each) for each in inner))


class Template:
    """A message laid out with usual values, of which a few are changed: the way to write a long message often.

    Invariant: it writes what the plan writes. Changes that decide which other fields are there go to the plan.
    """

    def __init__(self, plan: Plan, usual: Mapping[str, Any]) -> None:
        self.plan, self.usual = plan, usual
        self._fields = plan.encode(usual)
        self._places: dict[str, tuple[int, Callable[[Any], str]]] = {}
        self._steering: list[tuple[str, Any]] = []
        self._inner: set[str] = set()
        at = 1
        for step in plan.steps:
            if isinstance(step, _Run):
                for name, write in step.writers:
                    self._places[name] = (at, write)
                    at += 1
            else:
                self._steering.append((step.name, step))
                self._inner |= _names(step)
                out: list[str] = []
                step.write(usual, out)
                at += len(out)

    def encode(self, changes: Mapping[str, Any]) -> list[str]:
        """Return the fields with some values changed."""
        for name, step in self._steering:
            if name in changes and step.steers(self.usual.get(name), changes[name]):
                return self.plan.encode({**self.usual, **changes})
        if not self._inner.isdisjoint(changes):
            return self.plan.encode({**self.usual, **changes})
        out = self._fields.copy()
        places = self._places
        for name, value in changes.items():
            place = places.get(name)
            if place is not None:
                out[place[0]] = place[1](value)
        return out


def flat(parts: Sequence[Part], depth: int = 0) -> Iterator[tuple[int, Part]]:
    """Yield every part of a table with its depth, in the order of the wire."""
    for part in parts:
        yield depth, part
        if isinstance(part, Many | When):
            yield from flat(part.parts, depth + 1)
        elif isinstance(part, Switch):
            for case in part.cases.values():
                yield from flat(case, depth + 1)


@cache
def one_of(*names: str) -> Callable[[Any], bool]:
    """Return a test for membership."""
    return lambda value: value in names


def present(value: Any) -> bool:
    """Say whether a field was set and is not empty."""
    return bool(value)


def positive(value: Any) -> bool:
    """Say whether a number is set and above 0."""
    return value is not None and value > 0
