"""`onebook paper`: trade a strategy on paper, and talk to the runner that does.

Theory of operation. `run` composes what may not know each other: the runner of `live`, the
simulated gateway and the cost model of `sim`. The other commands read the folder beside
the book, or leave a wish there and wait until the runner took it. Everything that
comes from the embedded gateway is labelled SIMULATED.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli.common import leaf
from cli.output import facts, voice

if TYPE_CHECKING:
    from cli.settings import Settings

BOOK = click.option("--book", "paper_book", type=click.Path(), default="runs/paper.db", show_default=True, help="The account's book.")


@click.group()
def paper() -> None:
    """Trade on paper: against an embedded, SIMULATED gateway, or an IB Gateway in paper mode. Never real money."""


@paper.command()
@click.option("--strategy", help="Name, module:NAME or file of a strategy.  [default: sma_cross]")
@click.option("--symbols", help="Instruments, as AAPL,MSFT.")
@click.option("-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the strategy; may be repeated.")
@click.option("--bar", help="Bar length: 5s, 1m, 5m, 1h ...  [default: 1m]")
@click.option("--size", "size_rule", help="Full size, as in a backtest.  [default: percent:20]")
@click.option("--host", help="An IB Gateway or TWS in paper mode; without it the embedded gateway is started.")
@click.option("--port", type=int, help="Its port: 4002 or 7497 (4004, 7499 in containers).")
@click.option("--client-id", type=int, help="Client id; keep it, orders belong to it.")
@click.option("--account", help="Which paper account, when the gateway manages several.")
@click.option("--paper-config", type=click.Path(exists=True, dir_okay=False), help="A TOML file with all keys; flags win.")
@click.option("--accept-changes", is_flag=True, default=None, help="Go on in a book that was traded with another configuration.")
@click.option("--seed", type=int, default=7, show_default=True, help="What the embedded gateway draws prices with.")
@click.option("--for", "seconds", type=click.FloatRange(0.0), help="Stop by itself after so many seconds.")
@BOOK
@leaf
def run(settings: Settings, paper_book: str, seed: int, seconds: float | None, paper_config: str | None, **flags: Any) -> None:
    """Trade until Ctrl-C; the book is left clean and the next start goes on from it."""
    import asyncio

    from cli.paper.compose import configured, trade

    config = configured(paper_config, paper_book, flags)
    stopped = asyncio.run(trade(config, settings, seed, seconds, voice()))
    if stopped:
        raise click.exceptions.Exit(130)


@paper.command()
@BOOK
@leaf
def status(settings: Settings, paper_book: str) -> None:
    """Say how the runner stands and how old that is."""
    from cli.paper.compose import state_of

    state = state_of(paper_book)
    speaker = voice()
    speaker.document(state)
    shown = [(key, value) for key, value in state.items() if key != "reconciled"]
    shown += [(f"reconciled: {key}", value) for key, value in (state["reconciled"] or {}).items()]
    speaker.show(facts(f"{'SIMULATED ' if state['simulated'] else ''}paper trading in {paper_book}", shown))


def _asked(paper_book: str, do: str, why: str, symbol: str = "") -> None:
    from cli.paper.compose import ask

    taken = ask(paper_book, do, why, symbol)
    voice().document({"asked": do, "why": why, "symbol": symbol or None, "taken": taken})
    if not voice().as_json:
        click.echo(f"{do}: {'the runner took it' if taken else 'left for the runner, which did not take it yet'}")


@paper.command()
@click.option("--why", required=True, help="The reason; it is kept in the book.")
@BOOK
@leaf
def halt(settings: Settings, paper_book: str, why: str) -> None:
    """Trip the kill switch: cancel every order and refuse entries, also after restarts, until `resume`."""
    _asked(paper_book, "halt", why)


@paper.command()
@click.option("--why", required=True, help="What was looked at; it is kept in the book.")
@BOOK
@leaf
def resume(settings: Settings, paper_book: str, why: str) -> None:
    """Release the kill switch; broker and book are compared before anything trades."""
    _asked(paper_book, "resume", why)


@paper.command()
@BOOK
@leaf
def stop(settings: Settings, paper_book: str) -> None:
    """Stop the runner; positions and orders at the broker stay as they are."""
    _asked(paper_book, "stop", "asked from the command line")


@paper.command()
@click.option("--symbol", required=True, help="The instrument that was closed.")
@click.option("--why", required=True, help="What was looked at; it is kept in the book.")
@BOOK
@leaf
def allow(settings: Settings, paper_book: str, symbol: str, why: str) -> None:
    """Let an instrument trade again that a difference or a foreign fill closed."""
    _asked(paper_book, "open", why, symbol)


@paper.command()
@click.option("--order", "key", required=True, help="The order's key, as `onebook paper reconcile` shows it.")
@click.option("--why", required=True, help="Where you looked; it is kept in the book.")
@BOOK
@leaf
def settle(settings: Settings, paper_book: str, key: str, why: str) -> None:
    """End an order in doubt that you looked for at the broker and did not find; no list of the broker may know it."""
    _asked(paper_book, "settle", why, key)


@paper.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be cancelled, sold and covered, in that order.")
@BOOK
@leaf
def flat(settings: Settings, paper_book: str, dry_run: bool) -> None:
    """Cancel every order and close every position at the market."""
    if not dry_run:
        _asked(paper_book, "flat", "asked from the command line")
        return
    from cli.paper.compose import plan_of

    rows = plan_of(paper_book)
    speaker = voice()
    speaker.document({"orders": rows})
    if not speaker.as_json:
        steps = [f"{row['do']} {row['side']} {row['qty']} {row['symbol']} {row['order'] or 'at the market'}" for row in rows]
        click.echo("\n".join(steps) or "no position and no order; nothing to do")


@paper.command()
@BOOK
@leaf
def reconcile(settings: Settings, paper_book: str) -> None:
    """Have the runner compare broker and book now, and show what differs; exit code 3 when something does."""
    from cli.paper.compose import ask, state_of

    ask(paper_book, "look", "asked from the command line")
    state = state_of(paper_book)
    found = state["reconciled"]
    speaker = voice()
    speaker.document({"reconciled": found, "age_s": state["age_s"]})
    if not speaker.as_json:
        speaker.show(facts(f"Broker and book, {state['age_s']} s ago", list((found or {"complete": None}).items())))
    if found is None or not found["complete"] or found["differences"] or found["in_doubt"]:
        raise click.exceptions.Exit(3)


@paper.command()
@click.argument("day", required=False, type=click.DateTime(["%Y-%m-%d"]))
@click.option("--session", "session_id", type=click.IntRange(min=1), help="Which session of the book; default: the last one on paper.")
@click.option("--into", type=click.Path(), help="Keep the replayed book in this new file.")
@click.option("--accept-changes", is_flag=True, help="Replay with this code although the session was traded by other code.")
@BOOK
@leaf
def replay(
    settings: Settings, paper_book: str, day: Any, session_id: int | None, into: str | None, accept_changes: bool
) -> None:
    """Live through a recorded session again, in virtual time, up to the end of DAY; exit code 3 when the books differ.

    The same runner code gets what the session recorded from its start on, because the state of DAY came from the days before it.
    Nothing is sent. DAY is a date as 2026-03-02; default: the session's last day.
    """
    from cli.paper.replaying import replayed, tell

    found = replayed(paper_book, session_id, day.date().toordinal() if day else None, into, accept_changes, settings("commission"))
    tell(found, voice())
    if not found["equal"]:
        raise click.exceptions.Exit(3)


@paper.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=int, default=4002, show_default=True)
@click.option("--client-id", type=int, default=17, show_default=True)
@BOOK
@leaf
def doctor(settings: Settings, paper_book: str, host: str, port: int, client_id: int) -> None:
    """Check what paper trading needs: versions, the book, the gateway, the account; exit code 3 when something is wrong."""
    import asyncio

    from cli.paper.compose import examine

    rows = asyncio.run(examine(paper_book, host, port, client_id))
    speaker = voice()
    speaker.document({"checks": rows})
    if not speaker.as_json:
        for row in rows:
            click.echo(f"{'ok   ' if row['ok'] else 'WRONG'} {row['check']}: {row['found']}")
    if not all(row["ok"] for row in rows):
        raise click.exceptions.Exit(3)
