"""`onebook fuzz zoo | replays`: what the fuzzer finds when something is missing, and whether its tokens keep their word."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from cli.common import leaf
from cli.exits import Code
from cli.fuzz.campaign import stored
from cli.output import table, voice
from cli.settings import Settings

MUTANTS = "tests.scenarios.fuzz.mutants"
NO_TESTS = (
    "--mutants takes the guards of the core and the runner out with the tools of onebook's own tests, and this installation has no "
    "tests; run it in a checkout of onebook"
)
BUDGET, BUDGET_OF_MUTANTS = 200, 2_000


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True, help="How many independent searches of each guard.")
@click.option("--schedules", type=click.IntRange(1), help=f"Budget of one search (default {BUDGET}, of mutants {BUDGET_OF_MUTANTS:,}).")
@click.option("--guard", "guards", multiple=True, metavar="NAME", help="Only these guards; may be repeated.")
@click.option("--mutants", is_flag=True, help="Instead of the zoo: each guard of the real core and runner, taken out.")
@click.option("--cores", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="all", help="Processes, for --mutants.")
@click.option("--book", type=click.Path(), help="Journal that the result is stored in.")
@click.option("--no-store", is_flag=True, help="Store nothing.")
@leaf
def zoo(settings: Settings, seeds: int, schedules: int | None, guards: tuple[str, ...], mutants: bool, cores: int, no_store: bool) -> None:
    """Show every way to buy twice that the zoo has, how soon each is found, and the real guard standing.

    With --mutants: the real core and runner with one guard taken out at a time, and the intact code standing.
    Exit code 3 when a bug or a mutant was missed, or the real code fell.
    """
    speaker = voice()
    with speaker.progress() as say:
        say("loading")
        if mutants:
            content = _mutants(seeds, schedules or BUDGET_OF_MUTANTS, guards, cores, say)
        else:
            content = _zoo(seeds, schedules or BUDGET, guards, say)
    content["session"] = None if no_store else stored(settings, content, "mutants" if mutants else "zoo", 0)
    speaker.document(content)
    rows = [
        (line["guard"], f"{line['found']}/{line['seeds']}", _known(line["median"]), _known(line["max"]), f"{line['schedules']:,}",
         line["disaster"])
        for line in content["zoo"]
    ]  # fmt: skip
    columns = ("guard", "found", "median", "max", "schedules", "what became of it" if mutants else "its hole")
    speaker.show(table("Found within the budget; median and max: schedules to the first failure", columns, rows, numbers=columns[1:5]))
    if content["verdict"] == "failed":
        raise click.exceptions.Exit(Code.FINDING)


def _zoo(seeds: int, schedules: int, guards: tuple[str, ...], say: Callable[[str], None]) -> dict[str, Any]:
    from sim.fuzz.campaign import Report, document
    from sim.fuzz.campaign.coverage import Coverage
    from sim.fuzz.campaign.run import ScenarioLine
    from sim.fuzz.zoo.scenarios import ZOO
    from sim.fuzz.zoo.table import table as ablation

    began = time.perf_counter()
    if unknown := sorted(set(guards) - ZOO.keys()):
        raise click.UsageError(f"no guard {unknown[0]!r}; the zoo has {', '.join(ZOO)}")
    lines = ablation(range(seeds), schedules, guards, told=lambda line: say(f"{line.guard}: {line.found} of {line.seeds}"))
    scenarios = [ScenarioLine(f"zoo.{line.guard}", line.schedules, line.moves, 0) for line in lines]
    report = Report(scenarios, [], Coverage(), time.perf_counter() - began, 1, 0)
    content = document(report, f"{seeds} seeds, {schedules} schedules each", lines)
    wrong = [line for line in lines if (line.found > 0 if line.intact else line.found < line.seeds)]
    return content | {"verdict": "failed" if wrong else "cut"}


def _mutants(seeds: int, schedules: int, guards: tuple[str, ...], cores: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Search the mutants with what the test suite brings; say so where there is none."""
    import sys

    from ledger.kernel import ROOT

    if not ROOT.joinpath(*MUTANTS.split(".")).with_suffix(".py").is_file():
        raise click.UsageError(NO_TESTS)
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    tool, began = import_module(MUTANTS), time.perf_counter()
    if unknown := sorted(set(guards) - set(tool.names())):
        raise click.UsageError(f"no mutant {unknown[0]!r}; there are: {', '.join(tool.names())}")
    content: dict[str, Any] = tool.measured(seeds, schedules, cores, lambda row: say(f"{row.depth}: {row.name}"), guards)
    seconds = time.perf_counter() - began
    return content | {"seconds": round(seconds, 3), "per_second": round(content["schedules"] / seconds, 1)}


def _known(count: float | None) -> str:
    return "-" if count is None else f"{count:g}"


@click.command()
@click.option("--count", type=click.IntRange(1), default=1_000, show_default=True, help="How many replays.")
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True, help="In how many seeds each bug is found first.")
@click.option("--guard", "guards", multiple=True, metavar="NAME", help="Only these bugs; may be repeated.")
@click.option("--cores", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="all", help="Processes at a time.")
@leaf
def replays(settings: Settings, count: int, seeds: int, guards: tuple[str, ...], cores: int) -> None:
    """Replay tokens of the zoo, each in a fresh process under a hash seed of its own.

    Exit code 3 when one comes out otherwise.
    """
    speaker, began = voice(), time.perf_counter()
    with speaker.progress() as say:
        say("loading")
        from sim.fuzz.campaign.fresh import promises
        from sim.fuzz.campaign.fresh import replays as keep
        from sim.fuzz.zoo.scenarios import ZOO

        if unknown := sorted(set(guards) - ZOO.keys()):
            raise click.UsageError(f"no guard {unknown[0]!r}; the zoo has {', '.join(ZOO)}")
        say("finding every bug")
        made = list(promises(range(seeds), guards))
        step = max(1, count // 20)
        kept = keep(made, count, cores, lambda done, broken: say(f"{done:,} replays, {broken} otherwise") if done % step == 0 else None)
    seconds = time.perf_counter() - began
    same = kept.replays - len(kept.broken)
    speaker.document(
        {"replays": kept.replays, "reproduced": same, "tokens": kept.tokens, "otherwise": kept.broken, "seconds": round(seconds, 3)}
    )
    if not speaker.as_json:
        said = f"{same:,} of {kept.replays:,} replays of {kept.tokens:,} tokens in fresh processes came out the same"
        click.echo("\n".join([*kept.broken, said]))
    if kept.broken:
        raise click.exceptions.Exit(Code.FINDING)
