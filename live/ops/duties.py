"""What a runner does by the clock: alarms, ticks, heartbeats, and the question whether it is still the code on the disk.

Theory of operation. Each duty is a task of the runner's one TaskGroup, so what it raises stops the runner, closed and
recorded. A duty never touches the book while the consumer does: it puts something on the queue, or records one gate
in one step without an await.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from ledger.journal import source_hash
from ledger.vocabulary import Side
from live import link as links
from live.ops.alarms import Bell, Watch
from live.ops.patience import lost
from live.ops.windows import current, parse

if TYPE_CHECKING:
    from live.runner import Runner


class Tick(NamedTuple):
    """Time has passed."""

    now_ns: int


JUMP_S = 5.0
"""A wall clock that is so far from where the seconds slept put it has jumped, or the machine was asleep."""


async def ticks(runner: Runner) -> None:
    """Let the consumer know that time passes; after a jump of the clock say so, and compare broker and book."""
    steady = asyncio.get_running_loop().time
    wall_ns, since = runner.clock.now_ns(), steady()
    while True:
        await runner.clock.sleep(runner.config.timeouts.tick)
        now_ns, now = runner.clock.now_ns(), steady()
        jump_s = (now_ns - wall_ns) / 10**9 - (now - since)
        if abs(jump_s) > JUMP_S:
            runner.say(f"CLOCK JUMPED by {jump_s:+.0f} s, or the machine was asleep: bars and hours follow it, and the books are compared")
            runner.look_now.set()
        wall_ns, since = now_ns, now
        runner.queue.put_nowait(Tick(now_ns))


async def heartbeats(runner: Runner) -> None:
    """Ask the gateway whether it is there, and show the book that its owner is."""
    waits = runner.config.timeouts
    while True:
        await runner.clock.sleep(waits.heartbeat_every)
        gateway = runner.gateway
        if gateway is not None and runner.link.state in (links.State.READY, links.State.SYNCING, links.State.DEGRADED):
            try:
                answered = await gateway.heartbeat(waits.heartbeat)
            except asyncio.CancelledError as broken:
                lost(broken)
                answered = False
            runner.change(links.beat(runner.link, runner.clock.now_ns(), answered))
        if runner.trader is not None:
            runner.trader.session.heartbeat()


async def code_checks(runner: Runner) -> None:
    """Refuse entries when the files on disk are no longer the code that runs."""
    while True:
        await runner.clock.sleep(runner.config.timeouts.code_check_every)
        stale = source_hash() != runner.code
        if stale != runner.stale_code and runner.trader is not None:
            runner.stale_code = stale
            side = Side.BUY if stale else Side.SELL
            runner.trader.stale(side)
            runner.say("STALE CODE: the files on disk are not the code that runs; entries are refused until a restart" if stale
                      else "the files on disk are the code that runs again")  # fmt: skip


async def alarms(runner: Runner) -> None:
    """Look for what is worth an alarm, and for planned interruptions that begin or end."""
    config = runner.config
    watch = Watch(config.alarms, config.timeouts.alert_down_after)
    bell = Bell(config.alarms, runner.folder.path / "alarms.log", runner.say)
    named = (parse("restart", config.windows.restart), parse("login", config.windows.login))
    windows, zone = tuple(window for window in named if window), ZoneInfo(config.windows.zone)
    while True:
        await runner.clock.sleep(config.timeouts.alarm_every)
        now, before = runner.clock.now_ns(), runner.planned
        runner.planned = current(windows, now, zone)
        if runner.planned != before:
            runner.say(f"PLANNED: {runner.planned}; nothing new is decided" if runner.planned else "PLANNED interruption is over")
            runner.look_now.set()
        trader = runner.trader
        book = trader.session.book if trader else None
        symbols = {number: contract.symbol for number, contract in trader.contracts.items()} if trader else {}
        for alarm in watch.look(book, runner.link, symbols, now, planned=runner.planned is not None):
            await bell.ring(alarm)


DUTIES = (alarms, ticks, heartbeats, code_checks)
