"""Tokens: a failing schedule as one line of text that replays it anywhere.

    fz1:zoo.no_lock:311.9c2e:s2:A1*2-A2*4:73aa
     |   scenario    |      dials   moves     checksum
     |               Python 3.11, code 9c2e
     format

Theory of operation. The token names the scenario, the Python and the code it was made
with, the dials, the labelled draws if any was not 0, and the moves, with repeats
counted. A mistyped token is refused by its checksum. Other code is told, not refused: the
replay itself says loudly where it does not fit. Scenarios are functions: `module:function`
(in a token `module/function`), or a name from a shelf, such as `zoo.no_lock`.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
import sys
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, cast

from sim.fuzz.explore import Failure, Scenario

SHELVES = {
    "zoo": "sim.fuzz.zoo.scenarios",
    "example": "sim.fuzz.examples.bot",
    "runner": "tests.scenarios.fuzz.runner",
    "wire": "tests.scenarios.fuzz.wire",
}
"""Short names of modules with scenarios."""
LENGTH_MAX = 80
_DIAL = re.compile(r"([a-z_]+)(\d+)")
_ROOT = Path(__file__).resolve().parents[2]


class TokenError(ValueError):
    """A token that cannot be read, or a scenario that cannot be found."""


class Token(NamedTuple):
    """What a token says."""

    scenario: str
    python: str
    code: str
    dials: dict[str, int]
    draws: tuple[int, ...]
    steps: tuple[str, ...]


def resolve(name: str) -> Scenario:
    """Return a scenario by name: `module:function` or `shelf.name`.

    Raises:
        TokenError: saying which part was not found.
    """
    module_name, mark, attribute = name.replace("/", ":").partition(":")
    if not mark:
        shelf, _, attribute = name.partition(".")
        if shelf not in SHELVES or not attribute:
            raise TokenError(f"{name!r} is no scenario: give module:function, or a name from {', '.join(SHELVES)} such as zoo.no_lock")
        module_name = SHELVES[shelf]
    for place in (str(_ROOT), str(Path.cwd())):
        if place not in sys.path:
            sys.path.insert(0, place)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise TokenError(f"no module {module_name!r} for scenario {name!r} ({error}); run this in the folder that has it") from error
    found = getattr(module, attribute, None)
    if not callable(found):
        functions = [key for key, value in vars(module).items() if inspect.isfunction(value) and value.__module__ == module.__name__]
        raise TokenError(f"{module_name} has no function {attribute!r}; it has {', '.join(functions) or 'none'}")
    return cast(Scenario, found)


@cache
def _hash_of(*folders: str) -> str:
    whole = hashlib.sha256()
    for folder in folders:
        for path in sorted(Path(folder).rglob("*.py")) if Path(folder).is_dir() else [Path(folder)]:
            whole.update(path.name.encode())
            whole.update(path.read_bytes())
    return whole.hexdigest()


def code_version(scenario: Scenario) -> str:
    """Return four hex digits of the code under test: the scenario's file, the ledger and the fuzzer."""
    module = sys.modules.get(getattr(scenario, "__module__", ""), None)
    own = [module.__file__] if module is not None and module.__file__ else []
    return _hash_of(*own, str(_ROOT / "ledger"), str(_ROOT / "sim" / "fuzz"))[:4]


def python_version() -> str:
    """Return the running Python as in 311."""
    return f"{sys.version_info.major}{sys.version_info.minor}"


def make(name: str, scenario: Scenario, failure: Failure, needed: int | None = None) -> str:
    """Return the token of a failure: with every move if they fit in a line, else with the `needed` first ones."""
    token = _written(name, scenario, failure)
    if len(token) <= LENGTH_MAX or needed is None:
        return token
    return _written(name, scenario, failure._replace(steps=failure.steps[:needed]))


def _written(name: str, scenario: Scenario, failure: Failure) -> str:
    letters = [key[0] for key in failure.dials]
    dials = ",".join(f"{key[0] if letters.count(key[0]) == 1 else key}{value}" for key, value in failure.dials.items()) or "0"
    fields = ["fz1", name.replace(":", "/"), f"{python_version()}.{code_version(scenario)}", dials]
    if any(failure.draws):
        fields.append("d" + ".".join(map(str, failure.draws)).rstrip(".0"))
    fields.append(_packed(failure.steps))
    text = ":".join(fields)
    return f"{text}:{_checksum(text)}"


def _packed(steps: tuple[str, ...]) -> str:
    runs = ((step, len(list(run))) for step, run in groupby(steps))
    return "-".join(f"{step}*{count}" if count > 1 else step for step, count in runs) or "0"


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:4]


def read(token: str) -> Token:
    """Return what a token says.

    Raises:
        TokenError: not a token, or a mistyped one.
    """
    text, _, checksum = token.strip().rpartition(":")
    fields = text.split(":")
    if fields[0] != "fz1" or len(fields) not in (5, 6):
        raise TokenError(f"{token!r} is no token; one looks like fz1:zoo.no_lock:311.9c2e:s2:A1*2-A2*4:73aa")
    if _checksum(text) != checksum:
        raise TokenError(f"the token's checksum is {checksum!r} and should be {_checksum(text)!r}: a character was lost or changed")
    python, _, code = fields[2].partition(".")
    dials = {key: int(value) for key, value in _DIAL.findall(fields[3])}
    draws = tuple(int(value) for value in fields[4][1:].split(".") if value) if len(fields) == 6 else ()
    return Token(fields[1].replace("/", ":"), python, code, dials, draws, _unpacked(fields[-1]))


def _unpacked(text: str) -> tuple[str, ...]:
    steps: list[str] = []
    for part in text.split("-") if text != "0" else ():
        step, _, count = part.partition("*")
        steps += [step] * int(count or 1)
    return tuple(steps)


def failure_of_token(token: Token) -> Failure:
    """Return the schedule of a token as a failure whose words are not known yet."""
    return Failure("", "", token.steps, token.dials, token.draws)


def other_code(token: Token, scenario: Scenario) -> str:
    """Return a sentence when a token was made with other code or another Python than are running, else ""."""
    made, now = (token.python, token.code), (python_version(), code_version(scenario))
    if made == now:
        return ""
    return f"the token was made with Python {made[0]} and code {made[1]}; this is {now[0]} and {now[1]}: the moves may no longer fit"
