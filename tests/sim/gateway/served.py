"""A gateway on a real socket in a thread of its own, as a user has it in a process of its own."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager

from sim.gateway.core.config import Config
from sim.gateway.core.gateway import Gateway
from sim.gateway.core.store import FileStore
from sim.gateway.transport.tcp import serve


@contextmanager
def served(config=None, state=None, speed=1.0):
    """Yield (port, gateway); at the end the gateway's loop must be empty."""
    listening, box = threading.Event(), {}

    async def main():
        box["stop"], box["loop"] = asyncio.Event(), asyncio.get_running_loop()

        # SQLite files belong to the thread that opened them.
        gateway = box["gateway"] = Gateway(config or Config(), store=FileStore(state) if state else None)

        def ready(port):
            box["port"] = port
            listening.set()

        await serve(gateway, 0, speed=speed, ready=ready, stop=box["stop"])
        await asyncio.sleep(0.05)
        box["left"] = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert listening.wait(30)
    try:
        yield box["port"], box["gateway"]
    finally:
        box["loop"].call_soon_threadsafe(box["stop"].set)
        thread.join(30)
    assert box["left"] == [] and not box["gateway"].connections
