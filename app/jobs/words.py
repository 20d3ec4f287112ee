"""From the fields of a form to the words of a command line, and nothing else.

Theory of operation. A page never calls what runs a backtest: it makes the very command a person would type, shows it and
starts it. Values come from a browser, so each is checked here and joined to its option by `=`, where
no value can be taken for another option; there is no shell. What the values mean, the command judges.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from strategies import names

NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,12})?")
VALUES = re.compile(r"-?[\d.]{1,16}([:,]-?[\d.]{1,16}){0,40}")
SYMBOL = re.compile(r"[A-Za-z0-9^][A-Za-z0-9._=^-]{0,31}")
ZOO = re.compile(r"zoo\.[a-z][a-z_]{0,60}")
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .:,_=%+/-]{0,79}")


class WordError(ValueError):
    """A value that cannot stand in a command, as a sentence."""


def backtest(strategy: str, params: Mapping[str, str], options: Mapping[str, str], book: str) -> list[str]:
    """Return the words of `onebook backtest run`."""
    words = ["backtest", "run", _strategy(strategy)]
    return [*words, *_params(params, NUMBER), *_options(options), f"--book={book}", "--no-picture", "--json"]


def sweep(
    strategy: str,
    params: Mapping[str, str],
    options: Mapping[str, str],
    book: str,
    out: str,
    heat: tuple[str, str] | None,
) -> list[str]:
    """Return the words of `onebook sweep`; `heat` are the two parameters of its map."""
    words = [
        "sweep",
        _strategy(strategy),
        *_params(params, VALUES),
        *_options(options),
        f"--book={book}",
        f"--out={out}",
    ]
    return [*words, *([f"--heatmap={heat[0]},{heat[1]}"] if heat else []), "--json"]


def walkforward(
    strategy: str, params: Mapping[str, str], options: Mapping[str, str], book: str, learn: int, test: int
) -> list[str]:
    """Return the words of `onebook walkforward`."""
    words = [
        "walkforward",
        _strategy(strategy),
        *_params(params, VALUES),
        f"--learn={int(learn)}",
        f"--test={int(test)}",
    ]
    return [*words, *_options(options), f"--book={book}", "--json"]


def overfit(session: int, params: Mapping[str, str], book: str) -> list[str]:
    """Return the words of `onebook overfit` for a stored session."""
    return ["overfit", str(int(session)), *_params(params, VALUES), f"--book={book}", "--json"]


def paper(
    strategy: str, params: Mapping[str, str], symbols: Sequence[str], bar: str, seconds: int, book: str, seed: int
) -> list[str]:
    """Return the words of a demo paper session on the embedded gateway; there is no field for another one."""
    wrong = [symbol for symbol in symbols if not SYMBOL.fullmatch(symbol)]
    if wrong or not symbols:
        raise WordError(f"symbols are letters and digits, as AAPL,MSFT; {', '.join(wrong) or 'nothing'} is none")
    words = [
        "paper",
        "run",
        f"--strategy={_strategy(strategy)}",
        f"--symbols={','.join(symbols)}",
        *_params(params, NUMBER),
    ]
    return [
        *words,
        f"--bar={_plain('bar', bar)}",
        f"--for={int(seconds)}",
        f"--seed={int(seed)}",
        f"--book={book}",
        "--json",
    ]


def fuzz_run(scenario: str, schedules: int, book: str) -> list[str]:
    """Return the words of `onebook fuzz run` for a scenario of the zoo; the page starts no other code by name."""
    if not ZOO.fullmatch(scenario):
        raise WordError(f"{scenario!r} is no scenario of the zoo, as zoo.no_lock")
    return ["fuzz", "run", scenario, f"--schedules={int(schedules)}", f"--book={book}", "--json"]


def fuzz_zoo(seeds: int, book: str) -> list[str]:
    """Return the words of `onebook fuzz zoo`."""
    return ["fuzz", "zoo", f"--seeds={int(seeds)}", f"--book={book}", "--json"]


def fuzz_campaign(minutes: float, book: str) -> list[str]:
    """Return the words of `onebook fuzz campaign` against the real guard."""
    return ["fuzz", "campaign", f"--minutes={float(minutes):g}", "--cores=1", f"--book={book}", "--json"]


def audit(session: int, book: str) -> list[str]:
    """Return the words of `onebook book audit` for an import session."""
    return ["book", "audit", str(int(session)), f"--book={book}", "--json"]


def _strategy(name: str) -> str:
    if name not in names():
        raise WordError(f"{name!r} is no strategy of the registry; it has {', '.join(names())}")
    return name


def _params(params: Mapping[str, str], form: re.Pattern[str]) -> list[str]:
    """Return -p words; an empty value leaves the strategy's default."""
    found = []
    for name, value in params.items():
        said = value.strip().replace(" ", "")
        if not said:
            continue
        if not name.isidentifier() or not form.fullmatch(said):
            example = "a number, as 10" if form is NUMBER else "values to try, as 5:50:5 or 5,10,20"
            raise WordError(f"{name} is {example}; {value!r} is not")
        found.append(f"--param={name}={said}")
    return found


def _options(options: Mapping[str, str]) -> list[str]:
    return [f"--{name}={_plain(name, value)}" for name, value in options.items() if value.strip()]


def _plain(name: str, value: str) -> str:
    said = value.strip()
    if not PLAIN.fullmatch(said):
        raise WordError(f"{name} holds a character that no value of it has: {value!r}")
    return said
