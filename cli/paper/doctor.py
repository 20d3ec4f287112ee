"""What `onebook paper doctor` looks at: versions, the book, the gateway, the account.

Theory of operation. Each check is a row that is well or not and says what was found; the checks of a gateway end with the first
that is not well. Nothing is sent but questions. Where a runner trades the book it is asked instead of the gateway, so that
nothing disturbs it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cli.settings import Settings
    from live.config import PaperConfig


async def examine(book: str, config: PaperConfig, settings: Settings) -> list[dict[str, Any]]:
    """Return the checks: name, whether it is well, what was found. Without host and port the embedded gateway is tried."""
    from cli.paper.compose import embedded
    from live.config import address
    from live.control import Folder
    from live.ib import TESTED, VERSION

    rows = [_row("ib_async", VERSION == TESTED, f"{VERSION}, tested with {TESTED}"), _sqlite(), _book(book)]
    folder = Folder(Path(book))
    if folder.is_running():
        state = folder.state() or {}
        found = f"pid {state.get('pid')} trades {book}: {state.get('link')}, {state.get('reason')}; its gateway is asked by nobody else"
        return [*rows, _row("runner", state.get("link") == "READY", found)]
    where = address(config)
    if where is not None:
        return [*rows, *await _gateway(where.host, where.port, config)]
    async with contextlib.AsyncExitStack() as life:
        port = await embedded(life, None, config, settings, 7)
        rows.append(_row("embedded", True, "no host and no port was told: the gateway that `onebook paper run` starts is tried"))
        rows += await _gateway("127.0.0.1", port, config, embedded=True)
    return rows


async def _gateway(host: str, port: int, config: PaperConfig, embedded: bool = False) -> list[dict[str, Any]]:
    """Return what a gateway answers: its port, its first answers, its account, the stocks of the configuration."""
    from live.config import ConfigError, require_paper_accounts, require_paper_port
    from live.ib import Gateway, GatewayError

    rows: list[dict[str, Any]] = []
    gateway, step = Gateway(lambda fact: None, lambda: None, lambda fault: None, time.time_ns), "port"
    try:
        if not embedded:
            require_paper_port(port)
            rows.append(_row("port", True, f"{port} is a paper port"))
        step = "gateway"
        accounts = await gateway.open(host, port, config.client_id, config.timeouts.connect)
        rows.append(_row("gateway", True, f"{host}:{port} answers every start-up request of client {config.client_id}"))
        step = "account"
        account = require_paper_accounts(accounts, config.account)
        cash = gateway.cash(account, config.currency)
        rows.append(_row("account", cash is not None, f"{account}, cash {'unknown' if cash is None else cash} {config.currency}"))
        step = "symbols"
        for symbol in config.symbols:
            await gateway.listing(symbol, config.exchange, config.currency, config.timeouts.request)
        rows.append(_row("symbols", True, f"{', '.join(config.symbols)} are known on {config.exchange} in {config.currency}"))
    except (ConfigError, GatewayError) as error:
        rows.append(_row(step, False, str(error)))
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
