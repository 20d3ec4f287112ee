"""Two conversations side by side: what one gateway said and another did not.

Theory of operation. Only what gateways say is compared, connection by connection. Messages are
matched by their kind, in order (the longest common run), so one that is missing does not
shift all others. Matched messages are compared in shape: the number of fields, and which of
them are set; with `values` also what they say, but for what must differ between any two runs
(times, permanent ids, execution ids, accounts). Prices of two gateways differ anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

from sim.gateway.wire import responses
from sim.gateway.wire.journal import Frame
from sim.gateway.wire.kinds import UNSET_DOUBLE, UNSET_INT
from sim.gateway.wire.table import WireError

VOLATILE = frozenset((
    "time", "permId", "execId", "account", "acctNumber", "accounts", "timeStamp", "parentPermId", "completedTime", "date", "start", "end",
))  # fmt: skip


class Difference(NamedTuple):
    """One thing that is not the same."""

    connection: int
    place: int
    message: str
    what: str


def name_of(frame: Frame) -> str:
    """Return what kind of message a frame is."""
    if len(frame.fields) == 2 and frame.fields[0].isdecimal() and int(frame.fields[0]) >= 100 and " " in frame.fields[1]:
        return "version"
    table = responses.BY_NUMBER.get(frame.fields[0]) if frame.fields else None
    return table.name if table else f"unknown {frame.fields[:1]}"


def conversations(frames: Iterable[Frame]) -> dict[int, tuple[int, list[Frame]]]:
    """Return {connection: (server version, what the gateway said)}."""
    found: dict[int, tuple[int, list[Frame]]] = {}
    for frame in frames:
        said = found.setdefault(frame.connection, (0, []))[1]
        if frame.direction != "<":
            continue
        said.append(frame)
        if len(said) == 1 and name_of(frame) == "version":
            found[frame.connection] = (int(frame.fields[0]), said)
    return found


def compare(ours: Iterable[Frame], theirs: Iterable[Frame], values: bool = False) -> list[Difference]:
    """Return every difference between two journals."""
    left, right = conversations(ours), conversations(theirs)
    found: list[Difference] = []
    for connection in sorted(left.keys() | right.keys()):
        (version, a), (other, b) = left.get(connection, (0, [])), right.get(connection, (0, []))
        if version != other:
            found.append(Difference(connection, 0, "version", f"{version} and {other}"))
        found += _of_connection(connection, version, a, b, values)
    return found


def _of_connection(connection: int, version: int, a: list[Frame], b: list[Frame], values: bool) -> Iterator[Difference]:
    names, others = [name_of(frame) for frame in a], [name_of(frame) for frame in b]
    for tag, i, j, k, m in SequenceMatcher(None, names, others, autojunk=False).get_opcodes():
        if tag == "equal":
            for at in range(j - i):
                for what in _of_message(names[i + at], version, a[i + at], b[k + at], values):
                    yield Difference(connection, i + at, names[i + at], what)
            continue
        yield from (Difference(connection, i, name, "only in the first") for name in names[i:j])
        yield from (Difference(connection, i, name, "only in the second") for name in others[k:m])


def _of_message(name: str, version: int, a: Frame, b: Frame, values: bool) -> Iterator[str]:
    table = responses.BY_NAME.get(name)
    if table is None:
        return
    if len(a.fields) != len(b.fields) and not any(list in map(type, _decoded(table, f, version).values()) for f in (a, b)):
        yield f"{len(a.fields)} fields and {len(b.fields)}"
        return
    left, right = _decoded(table, a, version), _decoded(table, b, version)
    for field in left.keys() | right.keys():
        mine, other = left.get(field), right.get(field)
        if _is_set(mine) != _is_set(other) or (values and field not in VOLATILE and mine != other):
            yield f"{field}: {mine!r} and {other!r}"


def _decoded(table: object, frame: Frame, version: int) -> dict[str, object]:
    try:
        return table.decode(frame.fields, version)  # type: ignore[attr-defined, no-any-return]
    except WireError:
        return {}


def _is_set(value: object) -> bool:
    return value not in (None, "", UNSET_INT, UNSET_DOUBLE)
