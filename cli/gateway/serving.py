"""From the options of `onebook gateway` to a gateway, and what is printed when it listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cli.settings import Settings
    from sim.gateway.core.gateway import Gateway
    from sim.gateway.feed.files import Files
    from sim.gateway.wire.journal import FrameJournal


@dataclass
class Built:
    """A gateway and what belongs to it."""

    gateway: Gateway
    prices: str
    state: str
    plan: str
    journal: FrameJournal | None

    def close(self) -> None:
        """Close the journal; the store is the gateway's."""
        if self.journal is not None:
            self.journal.close()


def build(settings: Settings, options: dict[str, Any], say: Callable[[str], None]) -> Built:
    """Return a gateway for the options."""
    from sim.gateway.core.config import Config
    from sim.gateway.core.gateway import Gateway
    from sim.gateway.core.store import FileStore
    from sim.gateway.faults.plan import load_plan
    from sim.gateway.transport.tcp import loopback
    from sim.gateway.wire.journal import FrameJournal

    loopback(options["host"])
    say("starting")
    files = _files(settings, options)
    account = options["paper_account"]
    if not account.startswith("D"):
        raise click.BadParameter("a paper account's name begins with D", param_hint="--account")
    config = Config(
        seed=options["seed"], account=account, cash=settings("cash"), commission=settings("commission"),
        start_ns=_start(options, files), always_open=options["hours"] == "always", read_only=options["read_only"],
        rate_limit=options["rate_limit"], leverage_percent=options["leverage"], liquidity=options["liquidity"],
        fill_bar_s=options["fill_bar"],
    )  # fmt: skip
    plan = load_plan(Path(options["plan"]), config.seed) if options["plan"] else None
    store = None if options["memory"] else FileStore(Path(options["state_file"]))
    gateway = Gateway(config, plan, store, files.extra if files else (), files.real if files else None)
    journal = None
    if options["journal_file"]:
        journal = FrameJournal(Path(options["journal_file"]))
        gateway.listeners.append(journal.note)
    prices = f"of {settings('data')}" if files else f"drawn with seed {config.seed}"
    kept = "kept nowhere" if options["memory"] else f"kept in {options['state_file']}"
    return Built(gateway, prices, kept, options["plan"] or "", journal)


def _files(settings: Settings, options: dict[str, Any]) -> Files | None:
    if settings["data"].origin == "default":
        return None
    from sim.data import load
    from sim.gateway.feed.files import load_files

    return load_files(load(settings("data"), options["symbols"], prices=settings("prices")))


def _start(options: dict[str, Any], files: Files | None) -> int:
    """Return the simulated time to begin with: as asked, else the files' last day, else now."""
    import time
    from zoneinfo import ZoneInfo

    if options["begin"]:
        try:
            moment = datetime.fromisoformat(options["begin"])
        except ValueError:
            raise click.BadParameter(f"{options['begin']!r} is not a time like 2026-03-02T09:30", param_hint="--start") from None
        return int((moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo("US/Eastern"))).timestamp()) * 10**9
    return files.last_ns if files else time.time_ns()


def listening(built: Built, host: str, port: int) -> dict[str, Any]:
    """Return what a gateway that listens says of itself."""
    gateway = built.gateway
    config, desk = gateway.config, gateway.desk
    connect = f'ib_async.IB().connect("{host}", {port}, clientId=1)'
    opened, held = len(desk.open_orders()), len(desk.account.holdings())
    lines = [
        "SIMULATED IB Gateway: no order leaves this machine, and no price here is a quote.",
        f"listening on {host}:{port}, server versions 157 to 178; Ctrl-C ends it",
        f"account {config.account}, {held} positions, {opened} open orders, {built.state}",
        f"prices {built.prices}; markets {'always open' if config.always_open else 'keep exchange hours'}",
        *([f"faults of {built.plan}"] if built.plan else []),
        "connect with:",
        f"    {connect}",
    ]
    return {
        "simulated": True, "host": host, "port": port, "account": config.account, "positions": held, "open_orders": opened,
        "connect": connect, "lines": lines,
    }  # fmt: skip
