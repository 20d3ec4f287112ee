"""Plans of faults: TOML in, rules out.

Theory of operation. A plan is a list of `[[fault]]` tables: `name`, conditions (`after`, `until`,
`nth`, `times`, `chance`, `ref`, `client`) and the injector's own parameters. A word that
neither knows is an error that names it and what there is: a misspelt fault that does
nothing would look like a passed test.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sim.gateway.faults.faults import Faults
from sim.gateway.faults.planned import PlannedFaults
from sim.gateway.faults.rules import CATALOGUE, Rule, When


class PlanError(ValueError):
    """A plan that cannot be read."""


def load_plan(path: Path, seed: int) -> Faults:
    """Return the faults of a file.

    Raises:
        PlanError: not TOML, an unknown fault, condition or parameter, or a value of another kind.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PlanError(f"{path}: not a TOML plan: {error}") from error
    if unknown := set(document) - {"seed", "fault"}:
        raise PlanError(f"{path}: {', '.join(sorted(unknown))} is not known; a plan has `seed` and `[[fault]]` tables")
    return plan(document.get("fault", []), document.get("seed", seed), str(path))


def plan(faults: Sequence[dict[str, Any]], seed: int, source: str = "plan") -> PlannedFaults:
    """Return the faults of tables such as `{"name": "ack-delay", "nth": 2, "seconds": 5}`.

    Raises:
        PlanError: an unknown fault, condition or parameter, or a value of another kind.
    """
    return PlannedFaults([_rule(table, seed, place, f"{source}, fault {place + 1}") for place, table in enumerate(faults)])


def _rule(table: dict[str, Any], seed: int, place: int, source: str) -> Rule:
    name = table.get("name")
    injector = CATALOGUE.get(name) if isinstance(name, str) else None
    if injector is None:
        near = get_close_matches(str(name), CATALOGUE, 3)
        raise PlanError(f"{source}: no fault is named {name!r}; {'did you mean ' + ', '.join(near) if near else 'see docs/gateway.md'}")
    conditions: dict[str, Any] = {}
    params: dict[str, Any] = {}
    for key, value in table.items():
        if key == "name":
            continue
        known = When._field_defaults if key in When._fields else injector.defaults
        if key not in known:
            raise PlanError(f"{source} ({name}): {key!r} is not known; it has {', '.join([*injector.defaults, *When._fields])}")
        _same_kind(source, key, value, known[key])
        (conditions if key in When._fields else params)[key] = value
    return Rule(injector, When(**conditions), params, seed, place)


def _same_kind(source: str, key: str, value: Any, default: Any) -> None:
    """Demand a value of the default's kind; a whole number stands for a fraction."""
    wanted = (int, float) if isinstance(default, float) else (type(default),)
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        raise PlanError(f"{source}: {key} is {value!r}; expected {type(default).__name__}, such as {default!r}")
    if isinstance(value, int | float) and not isinstance(value, bool) and not -1e9 < value < 1e9:
        raise PlanError(f"{source}: {key} is {value!r}; that is out of range")
