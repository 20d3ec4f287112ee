"""What the commands of `onebook paper` do: compose the runner with a gateway, ask a runner, look around.

Theory of operation. The embedded gateway runs on the runner's own loop and is reached
through a real loopback socket, so that the runner is the same program in both cases. One
TaskGroup owns both; a stop ends the runner first, then the gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cli.output import Voice
    from cli.settings import Settings
    from live.config import PaperConfig
    from live.runner import Runner

TAKEN_WITHIN_S = 5.0


def configured(path: str | None, book: str, flags: dict[str, Any]) -> PaperConfig:
    """Return the session's configuration: the file's keys, then what the flags say.

    Raises:
        live.config.ConfigError: naming the key.
    """
    import msgspec

    from live.config import PaperConfig, checked, read

    config = read(Path(path)) if path else PaperConfig()
    plain = ("strategy", "bar", "host", "port", "account", "client_id", "accept_changes")
    told = {name: flags[name] for name in plain if flags.get(name) is not None}
    if flags.get("size_rule") is not None:
        told["size"] = flags["size_rule"]
    if flags.get("symbols"):
        told["symbols"] = tuple(symbol.strip().upper() for symbol in flags["symbols"].split(",") if symbol.strip())
    if flags.get("params"):
        told["params"] = {**config.params, **dict(_number(text) for text in flags["params"])}
    return checked(msgspec.structs.replace(config, book=book, **told))


def _number(text: str) -> tuple[str, float]:
    name, _, value = (part.strip() for part in text.partition("="))
    try:
        return name, float(value)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not of the form name=number, as in fast=10", param_hint="--param") from None


def fees(settings: Settings) -> Callable[[int, int, int, int], int]:
    """Return what an order of stock can cost at most under the settings' commission, e8."""
    return fees_of(settings("commission"))


def fees_of(commission: str) -> Callable[[int, int, int, int], int]:
    """Return what an order of stock can cost at most under a commission in the settings' words, e8."""
    from sim import costs

    model = costs.parse(commission)

    def fee_of(_instrument: int, side: int, qty_lots: int, price_ticks: int) -> int:
        return int(costs.commission(model, side, qty_lots, price_ticks, qty_lots * price_ticks, 10_000))

    return fee_of


async def trade(config: PaperConfig, settings: Settings, seed: int, seconds: float | None, speaker: Voice) -> bool:
    """Run a session; return whether a person stopped it.

    Raises:
        What the runner raises.
    """
    from live.runner import Runner

    embedded = config.host is None
    label = "SIMULATED " if embedded else ""

    def say(line: str) -> None:
        click.echo(f"{time.strftime('%H:%M:%S')} {label}{line}", err=speaker.as_json)

    interrupted = asyncio.Event()
    async with contextlib.AsyncExitStack() as life:
        port = await _embedded(life, settings, seed) if embedded else config.port
        if embedded:
            say(f"gateway on 127.0.0.1:{port}: prices drawn with seed {seed}, no market, no money")
        runner = Runner(config, config.host or "127.0.0.1", port, fees(settings), say, simulated=embedded)
        runner.fees = settings("commission")
        _on_signals(runner, interrupted)
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, runner.stop)
        await runner.run()
    _farewell(config, runner, speaker)
    return interrupted.is_set()


async def _embedded(life: contextlib.AsyncExitStack, settings: Settings, seed: int) -> int:
    """Start the simulated gateway on a free loopback port; it stops with `life`."""
    from sim.gateway.core.config import Config
    from sim.gateway.core.gateway import Gateway
    from sim.gateway.core.store import FileStore
    from sim.gateway.transport.tcp import serve

    Path("runs").mkdir(exist_ok=True)
    gateway = Gateway(
        Config(seed=seed, cash=settings("cash"), commission=settings("commission"), start_ns=time.time_ns()), None,
        FileStore(Path("runs/gateway.db")),
    )  # fmt: skip
    stop, listening = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(gateway, 0, ready=listening.set_result, stop=stop), name="paper.gateway")

    async def end() -> None:
        stop.set()
        await task

    life.push_async_callback(end)
    return int(await listening)


def _on_signals(runner: Runner, interrupted: asyncio.Event) -> None:
    def leave() -> None:
        interrupted.set()
        runner.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # this system has no such signals on its loop
            loop.add_signal_handler(number, leave)


def _farewell(config: PaperConfig, runner: Runner, speaker: Voice) -> None:
    state = runner.folder.state() or {}
    speaker.document({"book": config.book, **{name: state.get(name) for name in ("session", "bars", "live_orders")}})
    if not speaker.as_json:
        click.echo(f"stopped; session {state.get('session')} in {config.book}: `onebook book status --book {config.book}`")


def state_of(book: str) -> dict[str, Any]:
    """Return the runner's last state with its age.

    Raises:
        click.ClickException: no runner ever wrote one.
    """
    from live.control import Folder

    folder = Folder(Path(book))
    state = folder.state()
    if state is None:
        raise click.UsageError(f"nobody has traded {book} yet; `onebook paper run` does")
    age = (time.time_ns() - int(state["written_ns"])) // 10**9
    return {"running": folder.is_running(), "age_s": age, **state}


def ask(book: str, do: str, why: str, symbol: str = "") -> bool:
    """Leave a wish for the runner; return whether it took it within some seconds.

    Raises:
        click.UsageError: no runner is there to take it.
    """
    from live.control import Folder, Wish

    folder = Folder(Path(book))
    if not folder.is_running():
        raise click.UsageError(f"no runner trades {book} now; `onebook paper run` starts one")
    path = folder.ask(Wish(do, getpass.getuser(), why, symbol))
    until = time.monotonic() + TAKEN_WITHIN_S
    while path.exists() and time.monotonic() < until:
        time.sleep(0.05)
    return not path.exists()


def plan_of(book: str) -> list[dict[str, str | None]]:
    """Return what leaving everything would do, step by step: cancels of the account's last session first, then positions."""
    from ledger import keys, views
    from ledger.journal import Journal
    from ledger.units import decimal_text
    from live.market.exits import plan

    with Journal.read(book) as journal:
        mine = [info for info in journal.sessions() if info.kind == "paper"]
        if not mine:
            return []
        found, rows = journal.book(mine[-1].id), views.positions(journal, mine[-1].id)
    symbols = {row.instrument: row.symbol for row in rows}
    exps = {row.symbol: row.qty_exp for row in rows}
    return [
        {
            "do": step.do, "side": "BUY" if step.side > 0 else "SELL", "qty": decimal_text(step.qty_lots, exps[step.symbol]),
            "symbol": step.symbol, "order": keys.text(step.key, {}, symbols) if step.key else None,
        }
        for step in plan(found, symbols)
    ]  # fmt: skip


async def examine(book: str, host: str, port: int, client_id: int) -> list[dict[str, Any]]:
    """Return the checks: name, whether it is well, what was found."""
    from live.config import ConfigError, require_paper_accounts, require_paper_port
    from live.ib import TESTED, VERSION, Gateway, GatewayError

    rows = [_row("ib_async", VERSION == TESTED, f"{VERSION}, tested with {TESTED}"), _sqlite(), _book(book)]
    try:
        require_paper_port(port)
        rows.append(_row("port", True, f"{port} is a paper port"))
    except ConfigError as error:
        return [*rows, _row("port", False, str(error))]
    gateway = Gateway(lambda fact: None, lambda: None, lambda fault: None, time.time_ns)
    try:
        accounts = await gateway.open(host, port, client_id, 5.0)
        rows.append(_row("gateway", True, f"{host}:{port} answers every start-up request"))
        rows.append(_row("account", True, require_paper_accounts(accounts, None if len(accounts) == 1 else accounts[0])))
    except GatewayError as error:
        rows.append(_row("gateway", False, str(error)))
    except ConfigError as error:
        rows.append(_row("account", False, str(error)))
    finally:
        gateway.close()
    return rows


def _row(check: str, ok: bool, found: str) -> dict[str, Any]:
    return {"check": check, "ok": ok, "found": found}


def _sqlite() -> dict[str, Any]:
    """Say whether this SQLite has the fault that two checkpointing connections can damage a file; one writer avoids it."""
    version = sqlite3.sqlite_version_info
    known = (3, 7, 0) <= version <= (3, 51, 2)
    note = "its known fault with two checkpointers is avoided: only the writer checkpoints" if known else "no known fault"
    return _row("sqlite", True, f"{sqlite3.sqlite_version}; {note}")


def _book(book: str) -> dict[str, Any]:
    from ledger.journal import Journal, JournalError

    if not Path(book).exists():
        return _row("book", True, f"{book} will be made")
    try:
        with Journal.read(book) as journal:
            found = [info.id for info in journal.sessions() if not journal.verify(info.id).ok]
    except JournalError as error:
        return _row("book", False, str(error))
    told = f"sessions {found} have findings; see `onebook book verify`" if found else "verified"
    return _row("book", not found, f"{book}: {told}")
