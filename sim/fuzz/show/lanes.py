"""Swim lanes: one column for each lane, one row for each move, a rule where the lane changes.

Theory of operation. A failure is replayed once more with a watcher, so what is drawn is
what happened. An effect is written `~label`, an answer `label <`, a report `label`, a fault
`!! label fault`. The strip on the right is what the scenario shows of its state
(`world.show`), after the move, where it changed. `terminal.py` sets lanes as text, `page.py` as HTML.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sim.fuzz.choices import Draw, Tape
from sim.fuzz.explore import Failure, Scenario
from sim.fuzz.faults import KINDS, parse
from sim.fuzz.processes import Lane, ScenarioError, said
from sim.fuzz.replay import Script, perform
from sim.fuzz.world import World

ROWS_MAX = 400


class Column(NamedTuple):
    """One lane."""

    name: str
    title: str


class Row(NamedTuple):
    """One move."""

    step: int
    column: int | None
    kind: str
    label: str
    fault: str
    switch: bool
    touched: bool
    state: dict[str, str]
    chosen: bool = False
    """Another move would have come by itself."""


class Lanes(NamedTuple):
    """A schedule, drawn."""

    columns: list[Column]
    rows: list[Row]
    violation: str
    dials: dict[str, int]
    draws: tuple[Draw, ...] = ()


class _Recorder:
    """Writes down every move of a world."""

    def __init__(self, world: World) -> None:
        self.world, self.moves, self.states = world, list[tuple[str, str, str, str, str]](), list[dict[str, str]]()
        self.titles: dict[str, str] = {}
        world.watch = self

    def __call__(self, step: str, lane: Lane | None) -> None:
        """Keep a move that is about to happen, and the state that the last one left."""
        self.states.append(self.state())
        name, fault = parse(step.partition("~")[0])
        if lane is None:
            lane = next((held for held in self.world.held if held.name == name), None)
        if lane is None or (fault and "!" not in step):
            self.moves.append(("", "fault", step.partition("~")[0], fault, ""))
            return
        kind = "effect" if lane.effect is not None else "answer" if lane.future is not None else "report"
        owner = lane.process.title if lane.process is not None else ""
        given = lane.task.get_name() if lane.task is not None else lane.name
        title = given if given != lane.name else lane.title.rpartition(".<locals>.")[2] or lane.name
        self.titles.setdefault(lane.name, f"{owner}: {title}" if owner and title != lane.name else title)
        self.moves.append((lane.name, kind, lane.label, fault, lane.resource))

    def state(self) -> dict[str, str]:
        """Return what the scenario shows of its state."""
        try:
            return {name: str(show()) for name, show in self.world.shown}
        except Exception as error:
            raise ScenarioError(f"what world.show shows raised {said(error)}") from error


def lanes_of(scenario: Scenario, failure: Failure, strict: bool = True) -> Lanes:
    """Replay a failure and draw it."""
    world = World(Tape(script=failure.draws), failure.dials)
    recorder = _Recorder(world)
    script = Script(world, failure.steps, strict)
    found = perform(scenario, world, script)
    states = [*recorder.states[1:], recorder.state()]
    names = list(dict.fromkeys(move[0] for move in recorder.moves if move[0]))
    last = recorder.moves[-1][4] if recorder.moves else ""
    rows, before = [], ""
    for number, (move, state, chosen) in enumerate(zip(recorder.moves, states, script.chosen, strict=False)):
        name, kind, label, fault, resource = move
        column = names.index(name) if name else None
        switch = bool(name and before and name != before)
        rows.append(Row(number, column, kind, label, fault, switch, bool(last) and resource == last, state, chosen))
        before = name or before
    columns = [Column(name, recorder.titles[name]) for name in names]
    return Lanes(columns, rows, f"{found.name}: {found.message}" if found else "", dict(world.dials), tuple(world.tape.draws))


def document(lanes: Lanes) -> dict[str, Any]:
    """Return lanes as the JSON that sim/fuzz/README.md describes; of very many rows the first and the last."""
    rows = lanes.rows if len(lanes.rows) <= ROWS_MAX else [*lanes.rows[: ROWS_MAX // 2], *lanes.rows[-ROWS_MAX // 2 :]]
    return {
        "columns": [column._asdict() for column in lanes.columns],
        "rows": [row._asdict() for row in rows],
        "left_out": len(lanes.rows) - len(rows),
        "violation": lanes.violation,
    }


def words(row: Row) -> str:
    """Return what stands in a row's cell."""
    if row.kind == "fault":
        return f"!! {row.label}"
    text = {"effect": f"~{row.label}", "answer": f"{row.label} <", "report": row.label}[row.kind]
    return f"!! {text} {row.fault}" if row.fault else text


def changed(rows: list[Row], at: int) -> str:
    """Return the strip of a row: what differs from the row before."""
    before = rows[at - 1].state if at else {}
    return "  ".join(f"{name}={value}" for name, value in rows[at].state.items() if before.get(name) != value)


def strikes(lanes: Lanes) -> list[str]:
    """Return the faults that struck, in their order, each with what it stands for."""
    return [f"{fault}: {KINDS[fault].meaning}" for fault in dict.fromkeys(row.fault for row in lanes.rows if row.fault)]


def drawn(lanes: Lanes) -> Iterator[str]:
    """Yield the draws that are not 0; of several under one label it says which."""
    labels = [draw.label for draw in lanes.draws]
    for at, draw in enumerate(lanes.draws):
        if draw.value:
            which = f" #{labels[:at].count(draw.label) + 1}" if labels.count(draw.label) > 1 else ""
            yield f"{draw.label}{which} = {draw.value}"
