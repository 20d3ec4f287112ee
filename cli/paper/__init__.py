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
from cli.output import table, voice

if TYPE_CHECKING:
    from cli.settings import Settings

DEFAULT_BOOK = "runs/paper.db"
BOOK = click.option("--book", "paper_book", type=click.Path(), default=DEFAULT_BOOK, show_default=True, envvar="ONEBOOK_PAPER_BOOK",
                    help="The account's book.")  # fmt: skip

CASH_KINDS = ("deposit", "withdrawal", "dividend", "interest", "borrow-fee", "adjustment")
"""`live.broker.cash.KINDS`, which is not imported for the sake of a quick `--help`."""


def where(function: Any) -> Any:
    """Give a command the options that say which gateway."""
    for option in (
        click.option("--paper-config", type=click.Path(exists=True, dir_okay=False), help="A TOML file with all keys; flags win."),
        click.option("--account", "paper_account", help="Which paper account, when the gateway manages several."),
        click.option("--client-id", type=int, help="Client id; keep it, orders belong to it.  [default: 17]"),
        click.option("--port", type=int, help="Its port: 4002 or 7497 (4004, 7499 in containers).  [default: 4002]"),
        click.option("--host", help="An IB Gateway or TWS in paper mode. Without host and port the embedded gateway is started."),
    ):
        function = option(function)
    return function


@click.group()
def paper() -> None:
    """Trade on paper: against an embedded, SIMULATED gateway, or an IB Gateway in paper mode. Never real money."""


@paper.command()
@click.option("--strategy", help="Name, module:NAME or file of a strategy.  [default: sma_cross]")
@click.option("--symbols", help="Instruments, as AAPL,MSFT.")
@click.option("-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the strategy; may be repeated.")
@click.option("--bar", help="Bar length: 5s, 1m, 5m, 1h ...  [default: 1m]")
@click.option("--size", "size_rule", help="Full size, as in a backtest.  [default: percent:20]")
@click.option("--accept-changes", is_flag=True, default=None, help="Go on in a book that was traded with another configuration.")
@click.option("--seed", type=int, default=7, show_default=True, help="What the embedded gateway draws prices with.")
@click.option("--for", "seconds", type=click.FloatRange(0.0), help="Stop by itself after so many seconds.")
@click.option("--book", "paper_book", type=click.Path(), help="The account's book.  [default: runs/paper.db]")
@where
@leaf
def run(settings: Settings, paper_book: str | None, seed: int, seconds: float | None, paper_config: str | None, **flags: Any) -> None:
    """Trade until Ctrl-C; the book is left clean and the next start goes on from it.

    Each key can also be an environment variable, as in ONEBOOK_PAPER_PORT=7497: file, then environment, then flags.
    """
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
    from cli.paper.asking import state_of
    from cli.paper.shown import told

    state = state_of(paper_book)
    voice().document(state)
    voice().show(table(f"{_simulated(state)}paper trading in {paper_book}", ("", "how it stands"), told(state)))


def _simulated(state: dict[str, Any]) -> str:
    return "SIMULATED " if state["simulated"] else ""


def _asked(paper_book: str, do: str, why: str, symbol: str = "", price: str = "", kind: str = "") -> None:
    """Ask a runner, say what came of it, and end with code 1 when it was not done."""
    from cli.paper.asking import ask

    asked = ask(paper_book, do, why, symbol, price, kind)
    voice().document({"asked": do, "why": why, "symbol": symbol or None, **asked._asdict()})
    if not voice().as_json:
        click.echo(f"{'allow' if do == 'open' else do}{'' if asked.done else ' NOT DONE'}: {asked.text}")
    if not asked.done:
        raise click.exceptions.Exit(1)


@paper.command()
@click.option("--why", required=True, help="The reason; it is kept in the book.")
@BOOK
@leaf
def halt(settings: Settings, paper_book: str, why: str) -> None:
    """Trip the kill switch: cancel every order and refuse entries, also after restarts, until `resume`.

    Without a runner the next one is halted from its first moment on.
    """
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
    _asked(paper_book, "open", why, symbol.upper())


@paper.command()
@click.option("--symbol", required=True, help="The instrument whose position differs.")
@click.option("--price", default="", help="What a share was worth when it came or went.  [default: what the broker says it cost]")
@click.option("--why", required=True, help="What was found out; it is kept in the book.")
@BOOK
@leaf
def adjust(settings: Settings, paper_book: str, symbol: str, price: str, why: str) -> None:
    """Book the position that the broker holds, where the book holds another one; cash is not touched."""
    _asked(paper_book, "adjust", why, symbol.upper(), price)


@paper.command()
@click.option("--as", "kind", required=True, type=click.Choice(CASH_KINDS), help="What it was; an adjustment is anything else.")
@click.option("--symbol", default="", help="Whose dividend or borrow fee.")
@click.option("--why", required=True, help="What was found out; it is kept in the book.")
@BOOK
@leaf
def cash(settings: Settings, paper_book: str, kind: str, symbol: str, why: str) -> None:
    """Book the cash that the broker has more or less than the book, as what it was; `reconcile` shows how much."""
    _asked(paper_book, "cash", why, symbol.upper(), kind=kind)


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
    from cli.paper.asking import plan_of

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
    from cli.paper.asking import ask, state_of
    from cli.paper.shown import compared

    asked = ask(paper_book, "look", "asked from the command line")
    state = state_of(paper_book)
    found = state["reconciled"]
    voice().document({"reconciled": found, "age_s": state["age_s"], **asked._asdict()})
    if not asked.done:
        click.echo(f"NOT COMPARED: {asked.text}", err=True)
        raise click.exceptions.Exit(1)
    voice().show(table(f"{_simulated(state)}broker and book of {paper_book}", ("", "found"), compared(found)))
    if found is None or not found["complete"] or found["differences"] or found["in_doubt"] or found["cash_differs"]:
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
@click.option("--symbols", help="Instruments, as AAPL,MSFT.")
@BOOK
@where
@leaf
def doctor(settings: Settings, paper_book: str, paper_config: str | None, **flags: Any) -> None:
    """Check what paper trading needs: versions, the book, the gateway, the account; exit code 3 when something is wrong.

    With --host or --port that gateway is asked, otherwise the embedded one.
    """
    import asyncio

    from cli.paper.compose import configured
    from cli.paper.doctor import examine
    from live.config import ConfigError

    try:
        config = configured(paper_config, paper_book, flags)
        rows = asyncio.run(examine(paper_book, config, settings))
    except ConfigError as error:
        rows = [{"check": "configuration", "ok": False, "found": str(error)}]
    voice().document({"checks": rows})
    if not voice().as_json:
        for row in rows:
            click.echo(f"{'ok   ' if row['ok'] else 'WRONG'} {row['check']}: {row['found']}")
    if not all(row["ok"] for row in rows):
        raise click.exceptions.Exit(3)
