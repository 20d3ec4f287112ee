"""`onebook strategies` and `onebook new-strategy`: choose a strategy, or write one.

Theory of operation. `strategies` lists what the registry knows. `new-strategy` copies `strategies/template.py`, which
is a working strategy, under a new name, and never writes over a file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from cli.common import leaf
from cli.output import table, voice
from cli.settings import Settings

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@click.command()
@leaf
def strategies(settings: Settings) -> None:
    """List the strategies: what they do, their parameters and the ranges of these."""
    from strategies import get, names

    documents = [_strategy_document(get(name)) for name in names()]
    speaker = voice()
    speaker.document({"strategies": documents})
    rows = [
        (document["name"], document["summary"], "\n".join(_parameter_line(*item) for item in document["parameters"].items()))
        for document in documents
    ]
    speaker.show(table("", ("strategy", "what it does", "parameters (range)"), rows))


def _strategy_document(strategy: Any) -> dict[str, Any]:
    defaults = strategy.params()._asdict()
    bounds = {key: list(strategy.ranges[key]) if key in strategy.ranges else None for key in defaults}
    parameters = {key: {"default": value, "range": bounds[key]} for key, value in defaults.items()}
    fewest, most = strategy.symbols
    return {
        "name": strategy.name, "summary": strategy.summary, "parameters": parameters, "symbols": [fewest, most],
        "allow_short": strategy.allow_short, "together": strategy.prepare_universe is not None,
    }  # fmt: skip


def _parameter_line(name: str, parameter: dict[str, Any]) -> str:
    bounds = "" if parameter["range"] is None else f" ({parameter['range'][0]:g}..{parameter['range'][1]:g})"
    return f"{name}={parameter['default']}{bounds}"


@click.command("new-strategy")
@click.argument("name")
@leaf
def new_strategy(settings: Settings, name: str) -> None:
    """Write NAME.py here: a working, commented strategy to change."""
    from strategies import names

    name = name.removesuffix(".py").replace("-", "_")
    if not NAME.fullmatch(name):
        raise click.UsageError(f"{name!r} is no name for a strategy; use small letters, digits and _, such as my_idea")
    if name in names():
        raise click.UsageError(f"{name} is a strategy of onebook; choose another name, such as my_{name}")
    path = Path(f"{name}.py")
    content = Path(__file__).resolve().parents[2].joinpath("strategies", "template.py").read_text("utf-8")
    content = content.replace('name="template"', f'name="{name}"').replace("./template.py", f"./{path}")
    try:
        with path.open("x", encoding="utf-8") as file:  # "x" fails when the file exists: nothing is ever written over
            file.write(content)
    except FileExistsError:
        raise click.UsageError(f"{path} exists already and is left as it is; choose another name") from None
    speaker = voice()
    speaker.document({"path": str(path), "name": name})
    if not speaker.as_json:
        click.echo(f"wrote {path}; try: onebook check ./{path}, then: onebook backtest run ./{path}")
