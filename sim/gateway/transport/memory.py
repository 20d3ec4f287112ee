"""Two transports joined in memory.

Theory of operation. What one side writes waits in a queue of that direction, and one pump a
direction delivers it in order, after the latency, whole or in chunks. asyncio does not
promise an order among timers of one moment, so there is never more than one timer a
direction: bytes cannot overtake each other. Closing delivers what was written, then
both protocols hear of the end once; aborting drops it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

EOF = object()
CLOSE = object()


class MemoryTransport(asyncio.Transport):
    """One end; `far` is the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.BaseProtocol, latency_s: float, chunk: int) -> None:
        super().__init__()
        self.loop, self.protocol, self.latency_s, self.chunk = loop, protocol, latency_s, chunk
        self.far: MemoryTransport
        self._queue: deque[tuple[float, Any]] = deque()
        self._pump: asyncio.Handle | None = None
        self._closing = self._lost = self._ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes."""
        if self._closing or self._ended:
            return
        data = bytes(data)
        size = self.chunk or len(data)
        for at in range(0, len(data), max(1, size)):
            self._put(data[at : at + size])

    def _put(self, item: Any) -> None:
        now = self.loop.time()
        self._queue.append((now + self.latency_s, item))
        if self._pump is None:
            self._arrange(now)

    def _arrange(self, now: float) -> None:
        # A library object that is collected after its loop was closed still says goodbye: nobody can hear it.
        if self._queue and not self._lost and not self.loop.is_closed():
            delay = self._queue[0][0] - now
            self._pump = self.loop.call_later(delay, self._deliver) if delay > 0 else self.loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._pump, now = None, self.loop.time()
        if self._queue and self._queue[0][0] <= now + 1e-9:
            item = self._queue.popleft()[1]
            if not self.far._lost:
                self.far._arrive(item)
            if item is CLOSE:
                self.lose(None)
        if self._pump is None:
            self._arrange(now)

    def _arrive(self, item: Any) -> None:
        if item is CLOSE:
            self.lose(None)
        elif item is EOF:
            if not self.protocol.eof_received():  # type: ignore[attr-defined]
                self.close()
        else:
            self.protocol.data_received(item)  # type: ignore[attr-defined]

    def write_eof(self) -> None:
        """Send no more."""
        if not self._ended and not self._closing:
            self._ended = True
            self._put(EOF)

    def can_write_eof(self) -> bool:
        """Say that a half can be closed."""
        return True

    def close(self) -> None:
        """End the connection when all is sent."""
        if not self._closing:
            self._closing = True
            self._put(CLOSE)

    def abort(self) -> None:
        """End the connection now; what was not delivered is lost."""
        self._closing = True
        self._queue.clear()
        self.loop.call_soon(self.lose, None)
        self.loop.call_soon(self.far.lose, ConnectionResetError(104, "the other side aborted the connection"))

    def lose(self, error: Exception | None) -> None:
        """Tell the protocol, once, that it is over."""
        if not self._lost:
            self._lost = self._closing = True
            self._queue.clear()
            self.protocol.connection_lost(error)

    def is_closing(self) -> bool:
        """Say whether it ends."""
        return self._closing

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait."""
        return sum(len(item) for _, item in self._queue if isinstance(item, bytes))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Know nothing of sockets."""
        return default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Change who hears."""
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return who hears."""
        return self.protocol

    def is_reading(self) -> bool:
        """Say whether bytes are delivered."""
        return not self._lost

    def pause_reading(self) -> None:
        """Deliver anyway: queues in memory have no other end to slow down."""

    def resume_reading(self) -> None:
        """Nothing was paused."""


def connect_pair(
    loop: asyncio.AbstractEventLoop, near: asyncio.BaseProtocol, far: asyncio.BaseProtocol, latency_s: float, chunk: int
) -> MemoryTransport:
    """Join two protocols; return the transport of the first."""
    one, other = MemoryTransport(loop, near, latency_s, chunk), MemoryTransport(loop, far, latency_s, chunk)
    one.far, other.far = other, one
    far.connection_made(other)
    near.connection_made(one)
    return one
