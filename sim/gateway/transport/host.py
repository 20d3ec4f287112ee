"""The host: lets a gateway live on an event loop.

Theory of operation. A Host turns the loop's time into the gateway's (start + elapsed times speed), hands
bytes to sessions, and after every turn writes what they want to send and arranges to be
called when something is due. It is the only owner of its one timer; connections are
Protocols, so there are no tasks that could be forgotten. It works on sockets and on the
in-memory loop alike, because it asks for nothing but `time`, `call_at` and a transport.
"""

from __future__ import annotations

import asyncio
import socket
import struct

from sim.gateway.core.config import SECOND_NS
from sim.gateway.core.gateway import Gateway
from sim.gateway.core.session import Session
from sim.gateway.faults.faults import Cut

BUFFER_MAX = 256 * 1024 * 1024
"""A client that does not read this much is let go; a list of 100,000 open orders is 90 MB."""


class Host:
    """One gateway on one loop."""

    def __init__(self, gateway: Gateway, loop: asyncio.AbstractEventLoop, speed: float = 1.0) -> None:
        self.gateway, self.loop, self.speed = gateway, loop, speed
        self.wires: dict[Session, Wire] = {}
        self.refusing = False
        self._began = loop.time()
        self._start_ns = gateway.schedule.now_ns
        self._timer: asyncio.TimerHandle | None = None
        self._turning = False
        self.finish()

    def now_ns(self) -> int:
        """Return the gateway's time."""
        return self._start_ns + int((self.loop.time() - self._began) * self.speed * SECOND_NS)

    def protocol(self) -> Wire:
        """Return the protocol of a new connection."""
        return Wire(self)

    def begin(self) -> None:
        """Begin a turn: catch up with time."""
        self.gateway.advance(self.now_ns())

    def finish(self) -> None:
        """End a turn: write what is to be said, and arrange the next turn."""
        self.gateway.settle()
        for wire in list(self.wires.values()):
            wire.flush()
        due = self.gateway.next_ns()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None:
            when = self._began + (due - self._start_ns) / SECOND_NS / self.speed
            self._timer = self.loop.call_at(when, self._due)

    def _due(self) -> None:
        # The loop's clock is a float; a turn that comes a hair early would find nothing due and come again.
        self._timer = None
        due = self.gateway.next_ns()
        try:
            self.gateway.advance(max(self.now_ns(), due or 0))
        finally:
            self.finish()  # Whatever happened, the next turn is arranged: a clock that stands still would look like silence.

    def stop(self) -> None:
        """Close every connection and forget the timer."""
        for wire in list(self.wires.values()):
            wire.end()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Wire(asyncio.Protocol):
    """A connection: a transport on one side, a session on the other."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.transport: asyncio.Transport | None = None
        self.session: Session | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Give the connection its session."""
        self.transport = transport  # type: ignore[assignment]
        self.host.begin()
        if self.host.gateway.shut():
            self.transport.abort()  # type: ignore[union-attr]
            return
        self.session = self.host.gateway.connect()
        self.host.wires[self.session] = self
        self.host.finish()

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the session."""
        if self.session is None:
            return
        self.host.begin()
        try:
            self.session.receive(data)
        finally:
            self.host.finish()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the session that the connection is gone."""
        self.transport = None
        if self.session is not None and self.host.wires.pop(self.session, None) is not None:
            self.session.closed()
            self.host.finish()

    def flush(self) -> None:
        """Write what the session wants to say; close when it wants that."""
        session, transport = self.session, self.transport
        if session is None or transport is None:
            return
        data = session.take()
        if data:
            faults = self.host.gateway.faults
            pieces = faults.cut(session, data) if faults.bytes else ((0, data),)
            for delay_ns, piece in pieces:
                self._write(piece) if not delay_ns else self._write_later(delay_ns, piece)
        while session.held:
            self._write(session.held.pop(0))
        if session.closing and self.transport is not None:
            self.transport.close()
        elif transport.get_write_buffer_size() > BUFFER_MAX:
            transport.abort()

    def _write_later(self, delay_ns: int, piece: bytes | Cut) -> None:
        self.host.loop.call_later(delay_ns / SECOND_NS / self.host.speed, self._write, piece)

    def _write(self, piece: bytes | Cut) -> None:
        if self.transport is None:
            return
        if piece is Cut.ABORT or piece is Cut.RESET:
            plug = self.transport.get_extra_info("socket")
            if piece is Cut.RESET and plug is not None:
                plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        elif piece is Cut.HALF_CLOSE:
            self.transport.write_eof()
        elif isinstance(piece, bytes) and not self.transport.is_closing():
            self.transport.write(piece)

    def end(self) -> None:
        """Close the connection from our side."""
        if self.transport is not None:
            self.transport.close()
