"""Time, handed in: nothing in this room reads a clock of its own.

Theory of operation. `Clock` answers what time it is and waits. The real one reads the
machine's clock; tests and the fuzzer hand in a loop whose time they move. Deadlines are
made with `asyncio.timeout`, which runs on the loop's time, so a virtual loop moves both.
"""

from __future__ import annotations

import asyncio
from time import time_ns
from typing import Protocol


class Clock(Protocol):
    """What the runner knows of time."""

    def now_ns(self) -> int:
        """Return UTC nanoseconds."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class MachineClock:
    """The machine's own clock."""

    def now_ns(self) -> int:
        """Return UTC nanoseconds."""
        return time_ns()

    async def sleep(self, seconds: float) -> None:
        """Wait on the running loop."""
        await asyncio.sleep(seconds)


class LoopClock:
    """The running loop's time, counted from a moment: for loops whose time is virtual."""

    def __init__(self, start_ns: int) -> None:
        self._start_ns = start_ns

    def now_ns(self) -> int:
        """Return the start and the loop's seconds since it began."""
        return self._start_ns + int(asyncio.get_running_loop().time() * 1_000_000_000)

    async def sleep(self, seconds: float) -> None:
        """Wait on the running loop."""
        await asyncio.sleep(seconds)


def heed_cancel() -> None:
    """Raise the cancel that a library forgot: `asyncio.wait_for` loses one, in Python 3.11, that comes in the moment of its answer.

    Raises:
        asyncio.CancelledError: the running task was asked to end and did not.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
