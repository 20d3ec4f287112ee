"""What `onebook paper run` does: read the configuration, compose the runner with a gateway, trade, leave in order.

Theory of operation. The embedded gateway runs on the runner's own loop and is reached
through a real loopback socket, so that the runner is the same program in both cases. It keeps its
account in a file beside the book and is started by whoever owns the book, so nobody else has
that file open. A stop ends the runner first, then the gateway. Ctrl-C is heard from the
first moment of the loop on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
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


def configured(path: str | None, book: str | None, flags: dict[str, Any]) -> PaperConfig:
    """Return the session's configuration: the file's keys, then ONEBOOK_PAPER_* variables, then what the flags say.

    Raises:
        live.config.ConfigError: naming the key.
    """
    import msgspec

    from live.config import PaperConfig, checked, from_environment, read

    config = from_environment(read(Path(path)) if path else PaperConfig(), os.environ)
    plain = ("strategy", "bar", "host", "port", "client_id", "accept_changes")
    told = {name: flags[name] for name in plain if flags.get(name) is not None}
    told |= {key: flags[flag] for key, flag in (("size", "size_rule"), ("account", "paper_account")) if flags.get(flag) is not None}
    if flags.get("symbols") is not None:
        told["symbols"] = tuple(symbol.strip().upper() for symbol in flags["symbols"].split(",") if symbol.strip())
    if flags.get("params"):
        told["params"] = {**config.params, **dict(_number(text) for text in flags["params"])}
    return checked(msgspec.structs.replace(config, book=book or config.book, **told))


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
        What the runner raises. live.ib.GatewayError: it ended by itself and no gateway ever let it open a book.
    """
    leaving = _Leaving(asyncio.get_running_loop())
    from live.config import address
    from live.ib import GatewayError
    from live.runner import Runner

    where = address(config)
    label = "" if where else "SIMULATED "

    def say(line: str) -> None:
        click.echo(f"{time.strftime('%H:%M:%S')} {label}{line}", err=speaker.as_json)

    runner = Runner(config, where.host if where else "127.0.0.1", where.port if where else 0, fees(settings), say, simulated=where is None)
    runner.fees = settings("commission")
    runner.people.own()
    async with contextlib.AsyncExitStack() as life:
        if where is None:
            runner.port = await embedded(life, gateway_file(config.book), config, settings, seed)
            say(f"gateway on 127.0.0.1:{runner.port}: prices drawn with seed {seed}, no market, no money")
        leaving.stops(runner)
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, runner.stop)
        await runner.run()
    if runner.trader is None and not leaving.asked:
        raise GatewayError(f"stopped before a book was open: it was {runner.link.state.value}: {runner.link.reason}")
    _farewell(config, runner, speaker)
    return leaving.asked


async def embedded(life: contextlib.AsyncExitStack, file: Path | None, config: PaperConfig, settings: Settings, seed: int) -> int:
    """Start the simulated gateway on a free loopback port; it stops with `life`, and keeps its account in the file, if any."""
    from sim.gateway.core.config import Config
    from sim.gateway.core.gateway import Gateway
    from sim.gateway.core.store import FileStore
    from sim.gateway.transport.tcp import serve

    store = FileStore(file) if file else None
    cash = settings("cash") if config.cash is None else config.cash
    gateway = Gateway(Config(seed=seed, cash=cash, commission=settings("commission"), start_ns=time.time_ns()), None, store)
    stop, listening = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(gateway, 0, ready=listening.set_result, stop=stop), name="paper.gateway")

    async def end() -> None:
        stop.set()
        await task

    life.push_async_callback(end)
    return int(await listening)


def gateway_file(book: str) -> Path:
    """Return where the embedded gateway of a book keeps its account; a file of that name is nobody else's."""
    return Path(book).with_name(f"{Path(book).name}.gateway")


class _Leaving:
    """Ctrl-C and SIGTERM, from the first moment on: one that comes before there is a runner stops it as soon as there is."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.asked = False
        self._runner: Runner | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, RuntimeError):  # no such signals on this system's loop, or not the main thread
                loop.add_signal_handler(number, self._leave)

    def stops(self, runner: Runner) -> None:
        """Have the runner stopped, at once if that was asked already."""
        self._runner = runner
        if self.asked:
            runner.stop()

    def _leave(self) -> None:
        self.asked = True
        if self._runner is not None:
            self._runner.stop()


def _farewell(config: PaperConfig, runner: Runner, speaker: Voice) -> None:
    state = runner.folder.state() or {}
    speaker.document({"book": config.book, **{name: state.get(name) for name in ("session", "bars", "live_orders")}})
    if speaker.as_json:
        return
    if runner.trader is None:
        click.echo(f"stopped before a book was open: {state.get('reason')}")
        return
    left = f"{state.get('live_orders')} orders and {len(state.get('positions') or {})} positions stay as they are"
    click.echo(f"stopped; {left}; session {state.get('session')} in {config.book}: `onebook book status --book {config.book}`")
