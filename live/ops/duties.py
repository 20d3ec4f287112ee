"""What a runner does by the clock: ticks, heartbeats, and the question whether it is still the code on the disk.

Theory of operation. Each duty is a task of the runner's one TaskGroup, so what it raises stops the runner, closed and
recorded. A duty never touches the book while the consumer does: it puts something on the queue, or records one gate
in one step without an await.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ledger.book import event
from ledger.journal import source_hash
from ledger.vocabulary import EventKind, Gate, Side
from live import link as links

if TYPE_CHECKING:
    from live.runner import Runner


class Tick(NamedTuple):
    """Time has passed."""

    now_ns: int


async def ticks(runner: Runner) -> None:
    """Let the consumer know that time passes."""
    while True:
        await runner.clock.sleep(runner.config.timeouts.tick)
        runner.queue.put_nowait(Tick(runner.clock.now_ns()))


async def heartbeats(runner: Runner) -> None:
    """Ask the gateway whether it is there, and show the book that its owner is."""
    waits = runner.config.timeouts
    while True:
        await runner.clock.sleep(waits.heartbeat_every)
        gateway = runner.gateway
        if gateway is not None and runner.link.state in (links.State.READY, links.State.SYNCING, links.State.DEGRADED):
            answered = await gateway.heartbeat(waits.heartbeat)
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
            runner.trader.session.record(event(EventKind.GATE, time_ns=runner.clock.now_ns(), side=side, reason=Gate.STALE_CODE))
            runner.say("STALE CODE: the files on disk are not the code that runs; entries are refused until a restart" if stale
                      else "the files on disk are the code that runs again")  # fmt: skip


DUTIES = (ticks, heartbeats, code_checks)
