"""Swim lanes as text: at most 120 columns, and no more lines than it takes.

Theory of operation. A short failure of a few lanes has a column for each lane and a line for each move. Where that would be
too wide or too long, lanes share columns: the tasks of a process one (all processes one, if there are many), and everything
else that moves another, "around"; each move then says whose it is. There a line holds the moves that came one after the
other by themselves; a move that was chosen has its own line, marked `>`. Moves that repeat themselves, such as
looks at the same lists, are told once, with how often they came.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from textwrap import wrap
from typing import NamedTuple

from sim.fuzz.show.lanes import Lanes, Row, changed, drawn, strikes, words

WIDTH = 120
MARGIN = 9
"""Signs of a line before the lanes: the numbers of the moves."""
PLAIN = 45
"""Up to so many lines, rules counted, each move has its own."""
HEAD, TAIL = 60, 30
"""Lines that are shown when there are more."""
PERIOD_MAX, WORTH = 24, 6
"""Longest stretch of moves that is looked for again behind itself, and how many moves this must save."""
PROCESSES_MAX = 2
AROUND, PROCESSES = "around", "processes"
_TASK = re.compile(r"([A-Z]|Z\d+z)(\d+(x\d+)?)?")


class Line(NamedTuple):
    """A line of the picture: its column (None: it goes through all), its moves, what they were, the state that changed."""

    column: int | None
    first: int
    last: int
    says: str
    state: str = ""
    alone: bool = True
    """It takes no other moves in."""


def text(lanes: Lanes, title: str = "", width: int = WIDTH) -> str:
    """Return lanes for a terminal."""
    heads, lines = _plain(lanes)
    body = list(_set(heads, lines, width))
    if len(body) > PLAIN or MARGIN + sum(_widths(heads, lines)) > width:
        body = list(_set(*_shared(lanes, width), width))
    if len(body) > HEAD + TAIL:
        body = [*body[:HEAD], f"{'':{MARGIN}}... {len(body) - HEAD - TAIL:,} lines ...", *body[-TAIL:]]
    said = f"VIOLATION  {lanes.violation}" if lanes.violation else "nothing was violated"
    return "\n".join([*([title] if title else []), *_legend(lanes, width), "", *body, *_wrapped(said, width, MARGIN)])


def _wrapped(said: str, width: int, indent: int) -> list[str]:
    """Return lines of prose."""
    return wrap(said, width, initial_indent=" " * indent, subsequent_indent=" " * indent, break_on_hyphens=False)


def _legend(lanes: Lanes, width: int) -> list[str]:
    """Return what lanes are, where their names do not say it, what the faults stand for, and what was drawn that is not 0."""
    names: dict[str, list[str]] = {}
    for column in lanes.columns:
        if column.title != column.name:
            names.setdefault(column.title, []).append(column.name)
    told = [f"{' '.join(own)}  {title}" for title, own in names.items()]
    what = ", ".join(drawn(lanes))
    struck = [f"!! {said}" for said in strikes(lanes)]
    return [line for said in [*told, *struck, *([f"drawn: {what}"] if what else [])] for line in _wrapped(said, width, 2)]


def _plain(lanes: Lanes) -> tuple[list[str], list[Line]]:
    """Return a column for each lane and a line for each move."""
    lines = [Line(row.column, row.step, row.step, words(row), changed(lanes.rows, at)) for at, row in enumerate(lanes.rows)]
    return [column.name for column in lanes.columns], lines


def _shared(lanes: Lanes, width: int) -> tuple[list[str], list[Line]]:
    """Return a column for each process and one for everything else, and lines in which moves share."""
    owners = [_process(column.name) for column in lanes.columns]
    if len({*owners} - {AROUND}) > PROCESSES_MAX:
        owners = [owner if owner == AROUND else PROCESSES for owner in owners]
    heads = sorted({*owners}, key=lambda owner: (owner == AROUND, owner))
    room = (width - MARGIN) // (len(heads) + (AROUND in heads))
    rooms = [2 * room if head == AROUND else room for head in heads]
    lines: list[Line] = []
    for line in _told(lanes, [heads.index(owner) for owner in owners]):
        most = rooms[line.column] - 2 if line.column is not None else width - MARGIN
        if lines and (both := _joined(lines[-1], line, most)):
            lines[-1] = both
        else:
            lines.append(line if len(line.says) <= most else line._replace(says=f"{line.says[: most - 3]}..."))
    return heads, lines


def _process(name: str) -> str:
    """Return the process that a lane's task belongs to."""
    match = _TASK.fullmatch(name)
    return match[1] if match else AROUND


def _joined(before: Line, after: Line, most: int) -> Line | None:
    """Return two lines as one, None where they do not go together."""
    says = f"{before.says}, {after.says}"
    if before.alone or after.alone or before.state or before.column != after.column or len(says) > most:
        return None
    return after._replace(first=before.first, says=says)


def _told(lanes: Lanes, columns: list[int]) -> Iterator[Line]:
    """Yield a line for each move, and one for each stretch that came again."""
    rows, at = lanes.rows, 0
    keys = [_key(rows, at) for at in range(len(rows))]
    while at < len(rows):
        size, times = _again(keys, at)
        for place in range(at, at + size):
            yield _line(lanes, columns, place)
        at += size
        if times:
            again = f"... the same {size} moves {times} times more " if size > 1 else f"... and this {times} times more "
            yield Line(None, rows[at].step, rows[at + size * times - 1].step, again)
        at += size * times


def _key(rows: list[Row], at: int) -> object:
    """Return what is alike for moves that say nothing new when they come again."""
    row = rows[at]
    return row.step if row.chosen or row.fault or changed(rows, at) else (row.column, row.kind, row.label)


def _again(keys: list[object], at: int) -> tuple[int, int]:
    """Return how many moves from a place on come again behind themselves, and how often; (1, 0) if that saves too little."""
    best = (1, 0)
    for size in range(1, min(PERIOD_MAX, (len(keys) - at) // 2) + 1):
        block, times = keys[at : at + size], 0
        while keys[at + size * (times + 1) : at + size * (times + 2)] == block:
            times += 1
        if size * times >= WORTH and size * times > best[0] * best[1]:
            best = (size, times)
    return best


def _line(lanes: Lanes, columns: list[int], at: int) -> Line:
    row = lanes.rows[at]
    if row.column is None:
        return Line(None, row.step, row.step, f"{words(row)} ", changed(lanes.rows, at))
    says = f"{'> ' if row.chosen else ''}{lanes.columns[row.column].name}: {words(row)}"
    return Line(columns[row.column], row.step, row.step, says, changed(lanes.rows, at), row.chosen)


def _widths(heads: list[str], lines: list[Line]) -> list[int]:
    """Return how wide each column must be."""
    return [max([len(head), 10, *(len(line.says) for line in lines if line.column == at)]) + 2 for at, head in enumerate(heads)]


def _set(heads: list[str], lines: list[Line], width: int) -> Iterator[str]:
    """Yield the lines of the picture: a rule where the column changes, and the state on the right, or below where there is no room."""
    widths = _widths(heads, lines)
    whole, before = sum(widths), None
    yield f"{'step':<{MARGIN}}" + "".join(f"{head:<{room}}" for head, room in zip(heads, widths, strict=True)).rstrip()
    for line in lines:
        if line.column is not None:
            if before not in (None, line.column):
                yield " " * MARGIN + "-" * (whole - 2)
            before = line.column
        steps = f"{line.first}" if line.first == line.last else f"{line.first}-{line.last}"
        cells = [line.says if at == line.column else "|" for at in range(len(heads))]
        body = "".join(f"{cell:<{room}}" for cell, room in zip(cells, widths, strict=True))
        shown = f"{steps:>{MARGIN - 2}}  {body if line.column is not None else f'{line.says:-<{whole - 2}}'}"
        beside = f"{shown}  {line.state}".rstrip()
        yield from [beside] if len(beside) <= width else [shown.rstrip(), *_wrapped(line.state, width, MARGIN + 2)]
