"""An event loop without a clock, a socket or a thread: time passes when nothing is left to do.

Theory of operation. SimLoop is asyncio's own BaseEventLoop, so tasks, timers and callbacks run in
the order asyncio promises. Only waiting is different: where a real loop would sleep until
its next timer, this one moves its clock there. When there is neither work nor a timer,
nothing can ever happen again, and that is an error with a name and not a hang. Every
turn costs a microsecond, because code that rearms a timer for "now" would otherwise never
let time pass. Connections go to endpoints in the same process; real sockets, threads and
subprocesses are refused.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from sim.gateway.transport.memory import MemoryTransport, connect_pair

TURN_S = 1e-6
Factory = Callable[[], asyncio.BaseProtocol]


class Deadlock(RuntimeError):
    """Everything waits and nothing is due."""


class _Waiting:
    """Stands where a selector would: it waits by moving the clock."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        """Let time pass until the next timer."""
        if timeout is None:
            raise Deadlock("every task waits and no timer is set; something was never answered")
        self._loop.now += timeout + TURN_S
        return []


class SimLoop(asyncio.BaseEventLoop):
    """A loop on virtual time."""

    _closed: bool
    _ready: deque[asyncio.Handle]

    def __init__(self, latency_s: float = 0.0, chunk: int = 0) -> None:
        super().__init__()
        self.now = 0.0
        self.latency_s, self.chunk = latency_s, chunk
        self.endpoints: dict[tuple[str, int], Factory] = {}
        self._selector = _Waiting(self)

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self.now

    def listen(self, host: str, port: int, factory: Factory) -> None:
        """Answer connections to an address with protocols of this factory."""
        self.endpoints[host, port] = factory

    async def create_connection(self, protocol_factory: Factory, host: str | None = None, port: int | None = None, **_: Any) -> Any:
        """Connect to an endpoint in this process.

        Raises:
            ConnectionRefusedError: nobody listens there.
        """
        await asyncio.sleep(0)
        factory = self.endpoints.get((host or "", port or 0))
        if factory is None:
            raise ConnectionRefusedError(111, f"nobody listens on {host}:{port} in memory")
        mine, theirs = protocol_factory(), factory()
        near: MemoryTransport = connect_pair(self, mine, theirs, self.latency_s, self.chunk)
        return near, mine

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """Refuse: a thread would run on real time."""
        raise RuntimeError("no threads here; a blocking call cannot be simulated")

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:  # type: ignore[override]
        """Call in the next turn; what BaseEventLoop does outside debug mode, in one step instead of three."""
        if self._closed:
            return super().call_soon(callback, *args, context=context)  # which says so
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.Handle:
        """Call soon; there is one thread."""
        return self.call_soon(callback, *args, context=context)

    def _process_events(self, event_list: list[Any]) -> None:
        """Have no events: nothing outside exists."""

    def _write_to_self(self) -> None:
        """Need no waking: nobody else is awake."""
