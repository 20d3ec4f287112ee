"""`onebook fuzz replay TOKEN` and `onebook fuzz explain TOKEN`: one failing schedule, again."""

from __future__ import annotations

from pathlib import Path

import click

from cli.common import leaf
from cli.exits import Code
from cli.fuzz.campaign import OLD, searching
from cli.output import voice
from cli.settings import Settings


@click.command()
@click.argument("token")
@click.option("--lenient", is_flag=True, help="Leave out moves that can no longer happen instead of failing at the first.")
@OLD
@leaf
def replay(settings: Settings, token: str, lenient: bool, old: str) -> None:
    """Run the schedule of a TOKEN again: exit code 3 when it still fails, 0 when it passes.

    It fails loudly (exit code 1) at the first move that cannot happen any more, because the code, the scenario or the
    Python changed.
    """
    speaker = voice()
    with searching():
        from sim.fuzz import tokens
        from sim.fuzz.replay import replay as again

        said = tokens.read(token)
        scenario = tokens.scenario_of(said, old)
        other = tokens.other_code(said, scenario)
        if other:
            speaker.say(f"note: {other}")
        world, found = again(scenario, said.steps, dials=said.dials, draws=said.draws, strict=not lenient)
    name, message = (found.name, found.message) if found is not None else (None, None)
    speaker.document(
        {"token": token, "scenario": said.scenario, "fails": found is not None, "invariant": name, "message": message,
         "moves": len(world.trace), "other_code": other or None}
    )  # fmt: skip
    if not speaker.as_json:
        outcome = f"FAILS: {name}: {message}" if found is not None else "passes"
        click.echo(f"{outcome} ({len(world.trace)} moves)")
    if found is not None:
        raise click.exceptions.Exit(Code.FINDING)


@click.command()
@click.argument("token")
@click.option("--html", "page", is_flag=True, help="Also write one page that needs no network to the folder --out.")
@click.option("--lenient", is_flag=True, help="Leave out moves that can no longer happen.")
@OLD
@click.option("--out", type=click.Path(), help="Folder for the page.")
@leaf
def explain(settings: Settings, token: str, page: bool, lenient: bool, old: str) -> None:
    """Draw the schedule of a TOKEN as swim lanes: who moved when, what struck, and what broke."""
    speaker = voice()
    with searching():
        from sim.fuzz import tokens
        from sim.fuzz.show import lanes, terminal
        from sim.fuzz.show.page import page as drawn_page

        said = tokens.read(token)
        scenario = tokens.scenario_of(said, old)
        drawn = lanes.lanes_of(scenario, tokens.failure_of_token(said), strict=not lenient)
    files = {}
    if page:
        path = Path(settings("out")) / f"fuzz-{said.scenario.replace(':', '-')}-{token[-4:]}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(drawn_page(said.scenario, [(token, drawn)]), encoding="utf-8")
        files["lanes"] = str(path)
    about = " ".join((scenario.__doc__ or "").split())
    speaker.document({"token": token, "scenario": said.scenario, "about": about, "lanes": lanes.document(drawn), "files": files})
    if not speaker.as_json:
        click.echo("\n".join(filter(None, (about, terminal.text(drawn, token), *files.values()))))
