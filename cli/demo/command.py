"""`onebook demo`: the three doors and the comparison, in a minute and without a network.

Theory of operation. Each step calls what its own command calls and stores a session in one book; nothing here knows a
result beforehand. The last lines say which commands and which page show more.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from cli.common import leaf
from cli.output import table, voice
from cli.settings import Settings

ATTACKED = ("zoo.real", "zoo.no_lock")
"""The real guard, and the one whose hole cost a real account its cash."""
SCHEDULES = 400


@click.command()
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="Draws the prices of the simulated day.")
@click.option("--book", type=click.Path(), help="Journal to store everything in.")
@click.option("--out", type=click.Path(), help="Folder for pictures and pages.")
@click.option("--picture/--no-picture", default=None, help="Draw the equity curve (PNG and HTML).")
@leaf
def demo(settings: Settings, seed: int) -> None:
    """Backtest on real prices, trade a simulated paper day, attack the order path, and say why the paper day differed.

    Needs no account and no network. Everything that is not a real price is labelled SIMULATED.
    """
    from cli.stored import require_journal

    speaker, book = voice(), Path(settings("book"))
    require_journal(book)
    with speaker.progress() as say:
        say("1/4 backtest of a moving-average crossover on 20 years of real prices")
        run, sheet, files = _backtest(settings, book, say)
        say("2/4 a SIMULATED paper day in virtual time, and the same bars as a backtest")
        tested, traded = _day(book, seed)
        say("3/4 a fuzz campaign against the order path")
        fuzzed = _fuzz(book, seed)
        say("4/4 why did paper differ?")
        found, page = _compared(book, tested, traded, settings)
    files["comparison"] = page
    from ledger.compare.words import document

    words, paths = document(found), {kind: str(path) for kind, path in files.items()}
    sessions = {"backtest": run.session, "day_backtest": tested, "day_paper": traded, "fuzz": fuzzed["session"]}
    speaker.document({"book": str(book), "sessions": sessions, "comparison": words, "fuzz": fuzzed, "files": paths})
    if not speaker.as_json:
        from sim.output.report import table as tear_sheet

        speaker.show(tear_sheet(sheet))
        _tell(words, fuzzed, sessions, book, files)


def _backtest(settings: Settings, book: Path, say: Any) -> tuple[Any, Any, dict[str, Path]]:
    from cli.backtest import TRADING, draw
    from sim import run as sim_run

    setting = sim_run.Setting(**{key: settings(key) for key in TRADING})
    run = sim_run.run("sma_cross", setting=setting, book=book, progress=say)
    sheet = sim_run.sheet(run.simulation, run.figures)
    return run, sheet, draw(sheet, Path(settings("out")), run.session) if settings("picture") else {}


def _day(book: Path, seed: int) -> tuple[int, int]:
    from cli.demo import day

    bars = day.histories(seed)
    return day.backtest(bars, book), day.paper(bars, book, seed, lambda line: None)


def _fuzz(book: Path, seed: int) -> dict[str, Any]:
    """Attack the real guard and a broken one; the campaign is stored, and its failure with a token to replay."""
    from ledger.journal import Journal
    from sim.fuzz.campaign import campaign, document, keep
    from sim.fuzz.campaign.run import Settings as Told

    content = document(campaign(list(ATTACKED), clock=time.perf_counter, schedules=SCHEDULES, settings=Told(seed)))
    with Journal.open(book) as journal:
        session = keep(journal, content, "demo", seed)
    token = content["failures"][0]["token"] if content["failures"] else None
    return {"session": session, "scenarios": content["scenarios"], "schedules": content["schedules"], "token": token}


def _compared(book: Path, tested: int, traded: int, settings: Settings) -> tuple[Any, Path]:
    from ledger.compare import compare, curves
    from ledger.journal import Journal
    from sim.output import export, sessions

    folder = Path(settings("out"))
    folder.mkdir(parents=True, exist_ok=True)
    with Journal.read(book) as journal:
        found = compare(journal, tested, journal, traded)
        lines = curves([(journal, tested), (journal, traded)])
    return found, export.whole_file(folder / f"compare-{tested}-{traded}.html", sessions.html([found], lines).encode())


def _tell(words: dict[str, Any], fuzzed: dict[str, Any], sessions: dict[str, int], book: Path, files: dict[str, Path]) -> None:
    speaker = voice()
    rows = [(line["scenario"], line["verdict"], f"{line['schedules']:,}", line["failures"]) for line in fuzzed["scenarios"]]
    title = "Can it buy twice? The real guard (real) and one that looks before it buys (no_lock)"
    speaker.show(table(title, ("scenario", "verdict", "schedules", "failures"), rows, numbers=("schedules", "failures")))
    parts = [(part["cause"], part["amount"], part["meaning"]) for part in words["parts"] if part["amount"] != "0.00"]
    ends = [
        ("residual", words["residual"], "must be 0"),
        ("difference", words["difference"], f"{words['a']['equity']} -> {words['b']['equity']}"),
    ]
    title = f"Why did the SIMULATED paper day ({sessions['day_paper']}) differ from its backtest ({sessions['day_backtest']})?"
    speaker.show(table(title, ("cause", "amount", "meaning"), [*parts, *ends], numbers=("amount",)))
    told = ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in sessions.items())
    lines = [f"stored in {book}: sessions {told}", *(f"{kind}: {path}" for kind, path in files.items())]
    if fuzzed["token"]:
        lines.append(f"watch it buy twice: onebook fuzz explain '{fuzzed['token']}'")
    named = "" if str(book) == "runs/onebook.db" else f" --book {book}"
    lines.append(f"every decision: onebook compare {sessions['day_backtest']} {sessions['day_paper']}{named} --only-differences")
    lines.append(f"in the browser: onebook app{named}")
    for line in lines:
        click.echo(line)
