"""The gateway on a loopback socket.

Theory of operation. `serve` listens until it is told to stop; one TaskGroup owns what runs. A host name
must be a loopback address: an account that anybody in the network can trade is not
opened, and there is no switch for it.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable

from sim.gateway.core.gateway import Gateway
from sim.gateway.transport.host import Host


class BindError(ValueError):
    """An address that is not a loopback address."""


def loopback(address: str) -> str:
    """Return the address if it is a loopback one.

    Raises:
        BindError: it is not.
    """
    try:
        good = address == "localhost" or ipaddress.ip_address(address).is_loopback
    except ValueError:
        good = False
    if not good:
        raise BindError(f"{address!r} is not a loopback address; the simulator listens on 127.0.0.1 or ::1 only")
    return "127.0.0.1" if address == "localhost" else address


async def serve(
    gateway: Gateway, port: int, address: str = "127.0.0.1", speed: float = 1.0,
    ready: Callable[[int], None] | None = None, stop: asyncio.Event | None = None,
) -> None:  # fmt: skip
    """Listen until `stop` is set; `ready` is told the port, which matters when 0 was asked for.

    Raises:
        BindError: not a loopback address. OSError: the port is taken.
    """
    loop = asyncio.get_running_loop()
    host = Host(gateway, loop, speed)
    server = await loop.create_server(host.protocol, loopback(address), port)
    stop = stop or asyncio.Event()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(stop.wait(), name="gateway.stop")
            if ready is not None:
                ready(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        host.stop()
        gateway.store.close()
        # A closed socket's protocol hears of it in the next turn of the loop.
        await asyncio.sleep(0)
