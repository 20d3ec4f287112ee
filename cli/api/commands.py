"""`onebook status`, `market`, `pnl`, `performance`: one document each, with the keys that dashboards know.

Theory of operation. The document is that of `cli.api.figures`; a table for people shows the same. A book that cannot be
read still gives the document, with null and `error`, and leaves with 4.
"""

from __future__ import annotations

import time
from typing import Any

import click

from cli.api.figures import document
from cli.api.schema import WINDOW, WINDOWS
from cli.common import leaf, stored
from cli.exits import Code
from cli.output import facts, table, voice
from cli.settings import Settings


def _told(name: str, settings: Settings, session_id: int | None) -> dict[str, Any]:
    """Print the document and return it."""
    found = document(name, str(settings("book")), session_id, time.time_ns())
    voice().document(found)
    return found


def _left(found: dict[str, Any]) -> None:
    """Say what could not be read, and leave with its code."""
    if found["error"] is not None:
        click.echo(f"error: {found['error']}", err=True)
        raise click.exceptions.Exit(int(Code.ENVIRONMENT))


@click.command()
@stored
@leaf
def status(settings: Settings, session_id: int | None) -> None:
    """Show what a session is doing, who owns it, its profit and its market, for people and for programs."""
    found = _told("status", settings, session_id)
    plain = [(key, value) for key, value in found.items() if not isinstance(value, dict | list)]
    plain += [
        ("gates", ", ".join(found["gates"] or []) or "none"),
        ("equity", found["pnl"]["equity"]),
        ("market", found["market"]["status_text"]),
    ]
    voice().show(facts("Status", plain))
    _left(found)


@click.command()
@stored
@leaf
def market(settings: Settings, session_id: int | None) -> None:
    """Show whether New York's exchange is open, and when it opens and closes next."""
    found = _told("market", settings, session_id)
    voice().show(facts("Market", list(found.items())))
    _left(found)


@click.command()
@stored
@leaf
def pnl(settings: Settings, session_id: int | None) -> None:
    """Show the profit of a session: realized, unrealized, of its newest day, and its equity."""
    found = _told("pnl", settings, session_id)
    voice().show(facts("Profit", list(found.items())))
    _left(found)


@click.command()
@stored
@leaf
def performance(settings: Settings, session_id: int | None) -> None:
    """Show the figures of the newest day, week and month of a session, and of everything."""
    found = _told("performance", settings, session_id)
    rows = [(name, *(found[window][name] for window in WINDOWS)) for name in WINDOW]
    voice().show(table("Performance", ("figure", *WINDOWS), rows, numbers=WINDOWS))
    _left(found)
