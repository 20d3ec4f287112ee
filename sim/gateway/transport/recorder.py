"""A loopback proxy that writes down every frame between a client and a gateway, real or simulated.

Theory of operation. For each client that connects, a connection to the gateway is opened and bytes
pass both ways unchanged; a copy goes through a Splitter and into the journal of frames. What
is no frame is still passed on, only no longer written down. Opening the other connection is
the only thing that takes a task, and one TaskGroup owns them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count

from sim.gateway.transport.tcp import loopback
from sim.gateway.wire.frames import FrameError, Splitter, split
from sim.gateway.wire.journal import FrameJournal

API = b"API\0"


class Tape:
    """The frames of one connection, on their way into the journal."""

    def __init__(self, journal: FrameJournal, clock: Callable[[], int], number: int) -> None:
        self.journal, self.clock, self.number = journal, clock, number
        self._splitters = {">": Splitter(), "<": Splitter()}
        self._opening = b""

    def note(self, direction: str, data: bytes) -> None:
        """Write down the frames that these bytes complete."""
        splitter = self._splitters.get(direction)
        if splitter is None:
            return
        if direction == ">" and len(self._opening) < len(API):
            data = self._opening + data
            self._opening, data = data[: len(API)], data[len(API) :]
        try:
            for body in splitter.feed(data):
                self.journal.note(self.clock(), self.number, direction, split(body))
        except FrameError:
            del self._splitters[direction]


class Side(asyncio.Protocol):
    """One of two connections; what arrives here leaves at the other."""

    def __init__(self, tape: Tape, direction: str) -> None:
        self.tape, self.direction = tape, direction
        self.other: Side | None = None
        self.transport: asyncio.Transport | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Pass bytes on, or keep them until there is somewhere to pass them to."""
        self.tape.note(self.direction, data)
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)
        else:
            self._early.append(data)

    def join(self, other: Side) -> None:
        """Learn the other side; bytes that came early leave now."""
        self.other, other.other = other, self
        for data in self._early:
            other.transport.write(data)  # type: ignore[union-attr]
        self._early.clear()
        if self.transport is None:
            other.end()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other side, too."""
        self.transport = None
        if self.other is not None:
            self.other.end()

    def end(self) -> None:
        """Close after what is written."""
        if self.transport is not None:
            self.transport.close()


async def record(
    port: int, to_host: str, to_port: int, journal: FrameJournal, clock: Callable[[], int], address: str = "127.0.0.1",
    ready: Callable[[int], None] | None = None, stop: asyncio.Event | None = None,
) -> None:  # fmt: skip
    """Pass and record until `stop` is set.

    Raises:
        BindError: not a loopback address. OSError: the port is taken.
    """
    loop, numbers, sides = asyncio.get_running_loop(), count(1), set[Side]()
    stop = stop or asyncio.Event()

    async def reach(near: Side) -> None:
        try:
            _, far = await loop.create_connection(lambda: Side(near.tape, "<"), to_host, to_port)
        except OSError:
            near.end()
            return
        sides.add(far)
        near.join(far)

    async with asyncio.TaskGroup() as group:

        def accept() -> Side:
            near = Side(Tape(journal, clock, next(numbers)), ">")
            sides.add(near)
            group.create_task(reach(near), name=f"recorder.{near.tape.number}")
            return near

        server = await loop.create_server(accept, loopback(address), port)
        try:
            if ready is not None:
                ready(server.sockets[0].getsockname()[1])
            await stop.wait()
        finally:
            server.close()
            for side in sides:
                side.end()
