"""The page docs/gateway.md: every message of the wire and every fault, written from the tables.

Theory of operation. `page()` returns the text; `python -m sim.gateway.page` writes it, and a test
holds the file against it. Nothing on the page is written by hand but its introduction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from sim.gateway.faults import planned  # noqa: F401  (fills the catalogue)
from sim.gateway.faults.rules import CATALOGUE, When
from sim.gateway.wire.kinds import KINDS
from sim.gateway.wire.requests import REQUESTS
from sim.gateway.wire.responses import RESPONSES
from sim.gateway.wire.table import NEWEST, OLDEST, Field, Many, Message, Part
from sim.gateway.wire.table import When as Behind

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "gateway.md"
HEAD = """# The simulated gateway's wire, and what can go wrong on it

Written by `make docs` from the tables in `sim/gateway`; a test holds it against them. How to run the gateway stands in
[cli.md](cli.md), how it is built in `sim/gateway/README.md`.

A frame is an unsigned 32-bit big-endian length and a body; a body is text fields, each ended by NUL. The first field is the
message's number. The client opens with `API` NUL and a frame `v157..178`; the server answers `[version, time]` with the
highest version both speak, from 157 to 178, and then says nothing until START_API (71).

In the lists below a field is written `name:kind`, text when no kind is given; `=6` is a constant; `>=176` and `<177` say which
server versions have it; `rows[...]` is a count and that many rows; `{condition: ...}` is there only if the condition holds.

| kind | meaning |
|---|---|
"""


def _word(field: Field) -> str:
    kind = f":{field.kind.name}" if field.kind and field.kind.name != "text" else ""
    since = f">={field.since}" if field.since > OLDEST else ""
    before = f"<{field.before}" if field.before <= NEWEST else ""
    return f"{'' if field.kind else '='}{field.name}{kind}{since}{before}"


def written(parts: Sequence[Part]) -> str:
    """Return a table's parts in a line."""
    return " ".join(_parts(parts))


def _parts(parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, Field):
            yield _word(part)
        elif isinstance(part, Many):
            yield f"{part.name}[{written(part.parts)}]"
        elif isinstance(part, Behind):
            yield f"{{{part.says}: {written(part.parts)}}}"
        else:
            cases = "; ".join(f"{key}: {written(case)}" for key, case in part.cases.items())
            yield f"{{by {part.name} {cases}}}"


def _section(title: str, messages: Sequence[Message]) -> str:
    blocks = [f"\n## {title}\n"]
    blocks += [f"\n**{m.number} {m.name}**: {m.says}.\n\n```text\n{_wrapped(written(m.parts))}\n```\n" for m in messages]
    return "".join(blocks)


def _wrapped(text: str, width: int = 118) -> str:
    lines, line = [], ""
    for word in (text or "(no fields)").split(" "):
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*lines, line])


def _faults() -> str:
    rows = ["\n## Faults\n\nA plan is a TOML file of `[[fault]]` tables for `onebook gateway --plan`:\n\n```toml\n" + EXAMPLE + "```\n"]
    rows.append(f"\nConditions of every fault: {', '.join(f'`{name}`' for name in When._fields)}. Seconds count from the start.\n")
    rows.append("\n| fault | parameters | what happens |\n|---|---|---|\n")
    for name in sorted(CATALOGUE):
        injector = CATALOGUE[name]
        params = ", ".join(f"`{key} = {_toml(value)}`" for key, value in injector.defaults.items())
        rows.append(f"| {name} | {params} | {injector.says} |\n")
    return "".join(rows)


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


EXAMPLE = """[[fault]]
name = "partial-fills"
parts = 3
ref = "run1:*"

[[fault]]
name = "link-lost"
after = 120
seconds = 30
restored = 1101
"""


def page() -> str:
    """Return the whole page."""
    kinds = "".join(f"| {kind.name} | {kind.meaning} |\n" for kind in KINDS.values())
    return HEAD + kinds + _section("From the client", REQUESTS) + _section("To the client", RESPONSES) + _faults()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
