"""Write docs/order-states.md from the table that the core runs on.

Theory of operation. `ledger.kernels.orders.TRANSITIONS` is the whole life of an order;
a page written by hand would sooner or later say something else. `make docs` writes
the page, and a test compares it with what `page()` gives now.
"""

from __future__ import annotations

from pathlib import Path

from ledger.kernels.orders import COMPLETE, TRANSITIONS
from ledger.vocabulary import LIVE_LAST, EventKind, OrderStatus

PAGE = Path(__file__).resolve().parent / "order-states.md"

MEANING: dict[OrderStatus, str] = {
    OrderStatus.NONE: "No such order yet.",
    OrderStatus.CLAIMED: "Intent and reservation are durable; nothing was sent. A crash here is safe to release.",
    OrderStatus.SENDING: "The next thing that happens is the send. After a crash nobody knows whether it left.",
    OrderStatus.SUBMITTED: "The broker has spoken about it.",
    OrderStatus.PARTIALLY_FILLED: "A part was executed; the rest is working.",
    OrderStatus.UNKNOWN: "Nobody can say. It keeps its reservation, and leaves this state by evidence (`ref`) only.",
    OrderStatus.FILLED: "All of it was executed.",
    OrderStatus.CANCELED: "The broker confirmed the cancel.",
    OrderStatus.EXPIRED: "Its time in force ran out.",
    OrderStatus.REJECTED: "The broker refused it.",
    OrderStatus.RELEASED: "Given up by us, proven never sent. Its key stays used for ever.",
}


def step_name(step: int) -> str:
    """Return the name of a step: an event kind, or the fill that leaves nothing open."""
    return "FILL (last)" if step == COMPLETE else EventKind(step).name


def diagram() -> str:
    """Return the states as a Mermaid diagram; steps that lead back to the same state are in the table only."""
    lines = ["```mermaid", "stateDiagram-v2"]
    for status, steps in TRANSITIONS.items():
        targets: dict[OrderStatus, list[str]] = {}
        for step, then in steps.items():
            targets.setdefault(then, []).append(step_name(step))
        source = "[*]" if status == OrderStatus.NONE else status.name
        lines += [
            f"    {source} --> {then.name} : {', '.join(names)}" for then, names in targets.items() if then != status
        ]
    lines += [f"    {status.name} --> [*]" for status in TRANSITIONS if status > LIVE_LAST]
    return "\n".join([*lines, "```"])


def table() -> str:
    """Return the whole table, one row a state, one column a step."""
    steps = sorted({step for row in TRANSITIONS.values() for step in row})
    lines = ["| state | " + " | ".join(step_name(step) for step in steps) + " |", "|---" * (len(steps) + 1) + "|"]
    for status, row in TRANSITIONS.items():
        cells = [row[step].name if step in row else "·" for step in steps]
        lines.append(f"| **{status.name}** | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def page() -> str:
    """Return the whole page."""
    states = "\n".join(
        f"| {status.name} | {int(status)} | {'yes' if 1 <= status <= LIVE_LAST else 'no'} | {MEANING[status]} |"
        for status in OrderStatus
    )
    return f"""# Order states

Generated from `ledger.kernels.orders.TRANSITIONS` by `make docs`; a test says when it is out of date.

{diagram()}

A live order holds its reservation: cash in proportion to what is left of it, and its leaves against the position.

| state | number | live | meaning |
|---|---|---|---|
{states}

## Every step

A step that is not in the table is refused (ILLEGAL_TRANSITION) and changes nothing. A step to the same state is a
DUPLICATE, except for executions: those are always booked. "FILL (last)" is the execution that leaves nothing open.

{table()}

- An order leaves UNKNOWN, and SENDING is released, only with evidence: `ref` must name it (NEEDS_EVIDENCE).
- An order with executions is never released (ILLEGAL_TRANSITION), and SUBMITTED after a part was filled reads as PARTIALLY_FILLED.
- A late execution of a closed order is booked and flagged; the order stays closed and the instrument is blocked for entries.
- CANCEL only asks for a cancel: it sets a flag, and the order stays what it is until the broker speaks.
"""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
