"""kill -9 in virtual time: a runner ends between two lines, writes nothing more, and gives its locks back as the system would."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from live.runner import Runner


class Killed(BaseException):
    """The process is gone here."""


def arm(runner: Runner, due: Callable[[str], bool]) -> None:
    """Kill a runner at the first point for which `due` answers True: a point of the journal, `wire-before` or `wire-after`."""

    def at(point: str) -> None:
        if due(point):
            runner._leave = lambda: None  # type: ignore[method-assign]
            raise Killed(point)

    journal, trader = runner._journal, runner.trader
    assert journal is not None and trader is not None
    journal.at = at
    wire = runner.gateway
    if wire is not None:
        place = wire.place

        def placed(*arguments: Any) -> None:
            at("wire-before")
            place(*arguments)
            at("wire-after")

        wire.place = placed  # type: ignore[method-assign]


def was_killed(error: BaseException) -> bool:
    """Say whether a task ended because it was killed, whatever else failed in the moment of that."""
    return any(map(was_killed, error.exceptions)) if isinstance(error, BaseExceptionGroup) else isinstance(error, Killed)


async def bury(day: Any, runner: Runner, delivered: bool) -> None:
    """End what is left of a killed runner. `delivered`: what it had written to its socket still arrives.

    Raises:
        AssertionError: it was not killed, it failed by itself.
    """
    runner._leave = lambda: None  # type: ignore[method-assign]
    day.task.cancel()
    try:
        await day.task
    except asyncio.CancelledError:
        pass
    except BaseException as error:
        if not was_killed(error):
            raise AssertionError("the runner failed by itself") from error
    if delivered:
        await asyncio.sleep(0.001)
    day.cut()
    if runner.gateway is not None:
        runner.gateway.close()
    journal = runner._journal
    if journal is not None:
        for session in journal._sessions:
            if session._lock is not None:
                session._lock.release()
            session._lock, session._stopped = None, "killed"
        journal.mark.close()
        journal.connection.close()
        journal._turn.release()
    runner.folder.leave()
    await asyncio.sleep(0.001)
