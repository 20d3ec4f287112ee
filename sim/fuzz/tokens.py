"""Tokens: a failing schedule as one line of text that replays it anywhere.

    fz2:zoo.retry_after_reject:311.9c2e:s2:A*2-A1*1!reject*4-A2*5:73aa
     |   scenario               |       dials   moves          checksum
     |                          Python 3.11, code 9c2e
     format

Theory of operation. The token names the scenario, the Python and the code it was made with (and the old build
that ran beside it, as in `311.9c2e.1a2b`), the dials, the labelled draws that are not 0 (`d4=3.17=5`: the
fifth and the eighteenth), and the moves: a lane and what it did, `*2` for two plain moves, `!reject` for a move that a
fault struck, `~2` for one that came after two ready handles. Where all moves are too many for a line, the third format
(`fz3`) names those that were chosen and counts the others: `*11-crash.A` is a crash after eleven moves that came by
themselves, `0` a schedule without any choice, `!lost^3` a fault three times, `d4=2,3,1` are three draws in a row.
A mistyped token is refused by its checksum. Other code is told, not refused: the replay itself says loudly where it does
not fit. Tokens of the first format (`fz1`) are read as well. Scenarios are functions: `module:function` (in a token
`module/function`), or a name from a shelf, such as `zoo.no_lock`; `@` and a release after a name give the scenario an
old build to run beside this one.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
import sys
from functools import cache, wraps
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import unquote

from sim.fuzz.explore import Failure, Scenario
from sim.fuzz.replay import Onward
from sim.fuzz.world import World

SHELVES = {
    "zoo": "sim.fuzz.zoo.scenarios",
    "builds": "sim.fuzz.builds.scenarios",
    "example": "sim.fuzz.examples.bot",
    "mutant": "tests.scenarios.fuzz.unguarded",
    "runner": "tests.scenarios.fuzz.runner",
    "hands": "tests.scenarios.fuzz.hands",
    "wire": "tests.scenarios.fuzz.wire",
}
"""Short names of modules with scenarios."""
LENGTH_MAX = 80
_DIAL = re.compile(r"([a-z_]+)(\d+)")
_DRAW = re.compile(r"(\d+)=([\d,]+)")
_FILE = re.compile(r"(?:.*[/\\])?(\w+)\.py(?:[:/](\w*))?")
_STEP = re.compile(r"([^!~]*)((?:!\w+)?(?:~\d+)?)")
_DEED = re.compile(r"\*(\d+)|((?:!\w+)?(?:~\d+)?)(?:\^(\d+))?")
_MARKS = {ord(mark): f"%{ord(mark):02X}" for mark in "%-*:!~ "}
"""What a lane may not be called in a token, and how it is written instead."""
_ROOT = Path(__file__).resolve().parents[2]
WAITS_ITSELF = 312
"""Since this Python `asyncio.wait_for` makes no task of its own, so the tasks of a bot that calls it have other numbers."""


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
    old: str = ""
    """Four hex digits of the old build that ran beside, "" without one."""


def resolve(full: str) -> Scenario:
    """Return a scenario by name: `module:function` or `shelf.name`, and `@` with a release that runs beside this one.

    Raises:
        TokenError: saying which part was not found. ReleaseError: there is no such release.
    """
    name, _, old = full.partition("@")
    found = _named(name)
    return _beside(name, found, old) if old else found


def _named(name: str) -> Scenario:
    if file := _FILE.fullmatch(name):
        raise TokenError(f"{name!r} is a file: go to its folder and give its module: {file[1]}:{file[2] or 'scenario'}")
    module_name, mark, attribute = name.replace("/", ":").partition(":")
    shelf, _, on_shelf = name.partition(".")
    if not mark and shelf in SHELVES and on_shelf:
        module_name, attribute = SHELVES[shelf], on_shelf
    elif not mark or module_name.startswith("."):
        raise TokenError(f"{name!r} is no scenario: give module:function, or a name from {', '.join(SHELVES)} such as zoo.no_lock")
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


def _beside(name: str, found: Any, old: str) -> Scenario:
    """Return a scenario that is given an old build."""
    from sim.fuzz.builds import build_of, release  # a search without an old build needs no releases

    if "old" not in inspect.signature(found).parameters:
        raise TokenError(f"{name} runs no old build; a scenario that does takes the parameter `old`, as builds.rows and zoo.real do")
    build = build_of(old)

    @wraps(found)
    def scenario(world: World) -> None:
        found(world, old=build)

    scenario.old = release(old).digest[:4]  # type: ignore[attr-defined]
    return scenario


def scenario_of(token: Token, old: str = "") -> Scenario:
    """Return the scenario of a token, with the release that is given as its old build.

    Raises:
        TokenError: there is no such scenario, or the token needs an old build and none is given.
    """
    if token.old and not old:
        raise TokenError(f"in the token's schedule an old build ({token.old}) runs beside the new one; say where it is: --old PATH|COMMIT")
    return resolve(f"{token.scenario}@{old}" if old else token.scenario)


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


def make(name: str, scenario: Scenario, failure: Failure, needed: tuple[str, ...] | None = None) -> str:
    """Return the token of a failure: with every move if they fit in a line, else with the `needed` ones, which were chosen."""
    token = _written(name, scenario, failure)
    if len(token) <= LENGTH_MAX or needed is None:
        return token
    return _written(name, scenario, failure._replace(steps=needed), "fz3")


def _written(name: str, scenario: Scenario, failure: Failure, form: str = "fz2") -> str:
    letters = [key[0] for key in failure.dials]
    dials = ",".join(f"{key[0] if letters.count(key[0]) == 1 else key}{value}" for key, value in failure.dials.items()) or "0"
    versions = [python_version(), code_version(scenario), *filter(None, [getattr(scenario, "old", "")])]
    fields = [form, name.partition("@")[0].replace(":", "/"), ".".join(versions), dials]
    if any(failure.draws):
        fields.append("d" + (_sparse(failure.draws) if form == "fz2" else _in_runs(failure.draws)))
    fields.append(_packed(failure.steps, form == "fz3"))
    text = ":".join(fields)
    return f"{text}:{_checksum(text)}"


def _sparse(draws: tuple[int, ...]) -> str:
    """Return the draws that are not 0, each behind its number."""
    return ".".join(f"{at}={value}" for at, value in enumerate(draws) if value)


def _in_runs(draws: tuple[int, ...]) -> str:
    """Return the draws that are not 0, neighbours behind one number: `4=2,3,1`."""
    text = ""
    for at, value in enumerate(draws):
        if value:
            text += f",{value}" if at and draws[at - 1] else f".{at}={value}"
    return text[1:]


def _packed(steps: tuple[str, ...], short: bool) -> str:
    """Return moves as text: those that are listed, and how many come by themselves between them."""
    pieces: list[str] = []
    for by_itself, run in groupby(steps, key=lambda step: isinstance(step, Onward)):
        found = list(run)
        pieces += found if by_itself else _listed(found, short)
    return "-".join(pieces) or "0"


def _listed(steps: list[str], short: bool) -> list[str]:
    """Return each lane in turn, and what it did until another lane moved."""
    parts = [cast("re.Match[str]", _STEP.fullmatch(step)).groups() for step in steps]
    pieces = []
    for lane, run in groupby(parts, key=lambda part: part[0]):
        texts = [""]
        for deed, same in groupby(deed for _, deed in run):
            count = len(list(same))
            if deed.startswith("~") and texts[-1][-1:].isalpha():
                texts.append("")  # `!lost~1` is one deed: `!lost` and then `~1` are written as two pieces
            texts[-1] += f"*{count}" if not deed else f"{deed}^{count}" if short and count > 1 else deed * count
        pieces += [lane.translate(_MARKS) + ("" if text == "*1" else text) for text in texts]
    return pieces


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:4]


def read(token: str) -> Token:
    """Return what a token says.

    Raises:
        TokenError: not a token, one of a format that this release does not know, or a mistyped one.
    """
    text, _, checksum = token.strip().rpartition(":")
    fields = text.split(":")
    if fields[0] not in _FORMATS and re.fullmatch(r"fz\d+", fields[0]):
        known = ", ".join(_FORMATS)
        raise TokenError(f"{token!r} has format {fields[0]}, and this release reads {known}: replay it with the release that made it")
    if fields[0] not in _FORMATS or len(fields) not in (5, 6):
        raise TokenError(f"{token!r} is no token; one looks like fz2:zoo.no_lock:311.9c2e:s2:A1*2-A2*4:73aa")
    if _checksum(text) != checksum:
        raise TokenError(f"the token's checksum is {checksum!r} and should be {_checksum(text)!r}: a character was lost or changed")
    draws_of, steps_of = _FORMATS[fields[0]]
    python, code, old = (*fields[2].split("."), "", "")[:3]
    dials = {key: int(value) for key, value in _DIAL.findall(fields[3])}
    draws = draws_of(fields[4][1:]) if len(fields) == 6 else ()
    return Token(fields[1].replace("/", ":"), python, code, dials, draws, steps_of(fields[-1]), old)


def _draws(text: str) -> tuple[int, ...]:
    values = {int(at) + more: int(value) for at, run in _DRAW.findall(text) for more, value in enumerate(run.split(","))}
    return tuple(values.get(at, 0) for at in range(max(values, default=-1) + 1))


def _unpacked(text: str) -> tuple[str, ...]:
    steps: list[str] = []
    for piece in text.split("-") if text != "0" else ():
        if piece.startswith("*"):
            steps.append(Onward(piece))
            continue
        lane, deeds = cast("re.Match[str]", re.fullmatch(r"([^*!~]*)(.*)", piece)).groups()
        lane = unquote(lane)
        for count, deed, times in _DEED.findall(deeds or "*1"):
            steps += [lane + deed] * int(count or times or bool(deed))
    return tuple(steps)


def _first_draws(text: str) -> tuple[int, ...]:
    return tuple(int(value) for value in text.split(".") if value)


def _first_unpacked(text: str) -> tuple[str, ...]:
    steps: list[str] = []
    for part in text.split("-") if text != "0" else ():
        step, _, count = part.partition("*")
        steps += [step] * int(count or 1)
    return tuple(steps)


_FORMATS = {"fz1": (_first_draws, _first_unpacked), "fz2": (_draws, _unpacked), "fz3": (_draws, _unpacked)}
"""How each format writes draws and moves; the second is shorter, and keeps draws that end with 0; the third counts what comes by itself."""


def failure_of_token(token: Token) -> Failure:
    """Return the schedule of a token as a failure whose words are not known yet."""
    return Failure("", "", token.steps, token.dials, token.draws)


def other_code(token: Token, scenario: Scenario) -> str:
    """Return a sentence when a token was made with other code or another Python than are running, else ""."""
    old = getattr(scenario, "old", "")
    made, now = (token.python, token.code, token.old), (python_version(), code_version(scenario), old)
    if made == now:
        return ""
    beside = f" beside the old build {token.old or '(none)'}; here that is {old or '(none)'}" if token.old != old else ""
    words = f"the token was made with Python {made[0]} and code {made[1]}; this is {now[0]} and {now[1]}"
    return f"{words}: the moves may no longer fit{beside}{_numbered_otherwise(token.python)}"


def _numbered_otherwise(made: str) -> str:
    """Return why tasks may have other numbers here than in a token of another Python."""
    if not made.isdigit() or (int(made) < WAITS_ITSELF) == (int(python_version()) < WAITS_ITSELF):
        return ""
    return "; `asyncio.wait_for` makes a task of its own before Python 3.12, so the tasks of a bot that calls it have other numbers there"
