"""`onebook fuzz run | campaign`: searches, their progress, and what the book keeps of them."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from cli.common import leaf
from cli.exits import Code
from cli.output import table, voice
from cli.settings import Settings

REAL = ("zoo.real", "zoo.real_cash")
"""What a campaign attacks when nothing is named: the real guard under every fault."""
SHOWN = 12
"""Labels of what happened that fit into a line or two."""
UNDEMANDED = "nothing was demanded: only exceptions and a program that does not end are found; see desk.demand_at_most and world.always"


def _pairs(texts: tuple[str, ...], what: str) -> dict[str, int] | None:
    """Return NAME=NUMBER pairs; a name alone counts 1."""
    found = {}
    for text in texts:
        name, mark, number = text.partition("=")
        if (mark and not number.isdecimal()) or not name:
            raise click.UsageError(f"{what} {text!r}: expected NAME or NAME=NUMBER, as in clock=2")
        found[name] = int(number) if mark else 1
    return found or None


def _faults(texts: tuple[str, ...]) -> dict[str, int] | None:
    """Return the faults that are allowed instead of the scenario's own; `none` allows none."""
    if texts == ("none",):
        return {}
    from sim.fuzz.faults import require

    found = _pairs(texts, "--fault")
    for kind in found or ():
        try:
            require(kind)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    return found


@contextmanager
def searching() -> Iterator[Callable[[str], None]]:
    """Yield a function that says how far a search is; where one schedule runs on for seconds, it says so as well."""
    with voice().progress() as say:
        say("loading")
        from sim.fuzz.fence import telling

        with telling(None if voice().quiet else say):
            yield say


def _progress(say: Callable[[str], None]) -> Callable[[int, float, int], None]:
    """Return a listener that says how far a search is, a few times a second at most."""
    spoken = [-1.0]

    def told(schedules: int, seconds: float, failures: int) -> None:
        if seconds - spoken[0] >= 0.25:
            spoken[0] = seconds
            rate = schedules / seconds if seconds else 0.0
            say(f"{schedules:,} schedules, {rate:,.0f}/s, {failures} failures")

    return told


OLD = click.option(
    "--old", metavar="PATH|COMMIT", default="", help="An older release that runs beside this one: a folder, an archive, or a tag or commit."
)


def _beside(scenario: str, old: str) -> str:
    """Return the name of a scenario with the old build that it is given."""
    return f"{scenario}@{old}" if old else scenario


@click.command()
@click.argument("scenario")
@click.option("--schedules", type=click.IntRange(1), default=2_000, show_default=True, help="How many to try.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Names the schedules.")
@click.option("--dial", "dials", multiple=True, metavar="NAME=N", help="A size of the scenario, such as signals=4; may be repeated.")
@click.option("--fault", "faults", multiple=True, metavar="KIND[=N]", help="Only these faults, at most N times each; `none` for none.")
@OLD
@click.option("--exhaustive", is_flag=True, help="Try every interleaving (small sizes); --schedules is then the budget of runs.")
@click.option("--keep-going", is_flag=True, help="Do not stop at the first failure.")
@click.option("--cores", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--html", "page", is_flag=True, help="Write the lanes of each failure as one page to the folder --out.")
@click.option("--book", type=click.Path(), help="Journal that the result is stored in.")
@click.option("--no-store", is_flag=True, help="Store nothing.")
@click.option("--out", type=click.Path(), help="Folder for the page.")
@leaf
def run(
    settings: Settings, scenario: str, schedules: int, seed: int, dials: tuple[str, ...], faults: tuple[str, ...],
    old: str, exhaustive: bool, keep_going: bool, cores: int, page: bool, no_store: bool,
) -> None:  # fmt: skip
    """Search one SCENARIO: module:function of your own, or zoo.NAME. Exit code 3 when it fails.

    A sample that finds nothing is `cut`: it proves nothing. With --exhaustive the verdict may be `complete`.
    """
    with searching() as say:
        from sim.fuzz.campaign import campaign as search
        from sim.fuzz.campaign import document
        from sim.fuzz.campaign.run import Settings as Told
        from sim.fuzz.tokens import resolve

        full = _beside(scenario, old)
        resolve(full)
        told = Told(seed, _pairs(dials, "--dial"), _faults(faults))
        if exhaustive:
            from sim.fuzz.campaign.proof import prove

            report, kind, bound = prove(full, told, schedules, time.perf_counter, _progress(say))
            content = document(report, bound)
            content["verdict"] = content["scenarios"][0]["verdict"] = kind.value
        else:
            report = search(
                [full], clock=time.perf_counter, schedules=schedules, cores=cores, settings=told, stop_at_first=not keep_going,
                told=_progress(say),
            )  # fmt: skip
            content = document(report)
    _finish(settings, content, scenario, seed, page, no_store)


@click.command()
@click.argument("scenarios", nargs=-1)
@click.option("--minutes", type=click.FloatRange(min=0.0, min_open=True), default=1.0, show_default=True, help="How long.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Names the schedules.")
@OLD
@click.option("--cores", type=click.IntRange(1), default=os.cpu_count() or 1, show_default="all", help="Processes.")
@click.option("--html", "page", is_flag=True, help="Write the lanes of each failure as one page to the folder --out.")
@click.option("--book", type=click.Path(), help="Journal that the result is stored in.")
@click.option("--no-store", is_flag=True, help="Store nothing.")
@click.option("--out", type=click.Path(), help="Folder for the page.")
@leaf
def campaign(
    settings: Settings, scenarios: tuple[str, ...], minutes: float, seed: int, old: str, cores: int, page: bool, no_store: bool
) -> None:
    """Attack SCENARIOS (default: the real guard under every fault) for some minutes on every core."""
    with searching() as say:
        from sim.fuzz.campaign import campaign as search
        from sim.fuzz.campaign import document
        from sim.fuzz.campaign.run import Settings as Told
        from sim.fuzz.tokens import resolve

        names = [_beside(name, old) for name in dict.fromkeys(scenarios or REAL)]
        for name in names:
            resolve(name)
        report = search(
            names, clock=time.perf_counter, seconds=60.0 * minutes, cores=cores, settings=Told(seed), told=_progress(say)
        )
        content = document(report)
    _finish(settings, content, names[0] if len(names) == 1 else "campaign", seed, page, no_store)


def _finish(settings: Settings, content: dict[str, Any], scope: str, seed: int, page: bool, no_store: bool) -> None:
    """Store, print, draw, and leave with the code of the verdict."""
    speaker = voice()
    content["files"] = {"lanes": _page(settings, content, scope)} if page and content["failures"] else {}
    content["session"] = None if no_store else stored(settings, content, scope, seed)
    speaker.document(content)
    if not speaker.as_json:
        _show(content)
    if content["verdict"] == "failed":
        raise click.exceptions.Exit(Code.FINDING)


def _show(content: dict[str, Any]) -> None:
    speaker = voice()
    for failure in content["failures"]:
        click.echo(failure["text"])
        before, after = failure["before"], failure["after"]
        click.echo(
            f"found after {failure['found_after']:,} schedules; {before['moves']} moves came down to {after['moves']} in "
            f"{failure['reruns']} re-runs\nreplay: onebook fuzz replay '{failure['token']}'{_old_of(failure['scenario'])}\n"
        )
    rows = [
        (line["scenario"], line["verdict"], f"{line['schedules']:,}", f"{line['moves']:,}", line["failures"])
        for line in content["scenarios"]
    ]
    columns = ("scenario", "verdict", "schedules", "moves", "failures")
    rate = f"{content['per_second']:,.0f}/s" if content["per_second"] else "unknown rate"
    title = f"{content['verdict'].upper()}: {content['bound']}; {rate} on {content['cores']} cores"
    speaker.show(table(title, columns, rows, numbers=columns[2:]))
    happened = [f"{label or 'nothing named'} {count:,}" for label, count in content["happened"].items()]
    if happened:
        click.echo(f"happened: {', '.join(happened[:SHOWN])}{', ...' if len(happened) > SHOWN else ''}")
    elif content["moves"] == 0:
        click.echo("happened: nothing; no program awaited a port or world.io (is an `await` missing?)")
    if content["demands"] == 0:
        click.echo(UNDEMANDED)
    never = [f"{row['fault']} on {row['label']}" for row in content["coverage"] if not row["count"]]
    if never and content["verdict"] == "cut":
        click.echo(f"never happened: {', '.join(never)}")
    if content["session"] is not None:
        click.echo(f"stored as session {content['session']}")
    for kind, path in content["files"].items():
        click.echo(f"{kind}: {path}")


def _old_of(scenario: str) -> str:
    """Return the option that gives a replay the same old build."""
    old = scenario.partition("@")[2]
    return f" --old {shlex.quote(old)}" if old else ""


def stored(settings: Settings, content: dict[str, Any], scope: str, seed: int) -> int:
    """Keep a report in the book; return the session's number."""
    from ledger.journal import Journal
    from sim.fuzz.campaign import keep

    path = Path(settings("book"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with Journal.open(path) as journal:
        return keep(journal, content, scope, seed)


def _page(settings: Settings, content: dict[str, Any], scope: str) -> str:
    """Write the lanes of every failure to one page; return its path."""
    from sim.fuzz.show.lanes import lanes_of
    from sim.fuzz.show.page import page
    from sim.fuzz.tokens import failure_of_token, read, resolve

    drawn = []
    for failure in content["failures"]:
        said = read(failure["token"])
        drawn.append((failure["token"], lanes_of(resolve(failure["scenario"]), failure_of_token(said))))
    path = Path(settings("out")) / f"fuzz-{scope.replace(':', '-').replace('/', '-')}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(f"{scope}: {len(drawn)} failures", drawn), encoding="utf-8")
    return str(path)
