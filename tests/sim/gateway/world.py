"""ib_async and the gateway in one process, on virtual time, without a socket.

ib_async reads wall clocks at five places; here they read the loop's clock, so that two runs are equal.
"""

from __future__ import annotations

import asyncio
import datetime as real
import hashlib
import json
import logging
import types
from contextlib import contextmanager

import ib_async

from sim.gateway.core.config import SECOND_NS, Config
from sim.gateway.core.gateway import Gateway
from sim.gateway.transport.host import Host
from sim.gateway.transport.simloop import SimLoop

PORT = 4002


class DecoderErrors(logging.Handler):
    """Collects what ib_async could not decode; it only logs that."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.found = []

    def emit(self, record):
        self.found.append(record.getMessage())


@contextmanager
def decoder_errors():
    """Yield the list of ib_async's decoder errors."""
    handler = DecoderErrors()
    logger = logging.getLogger("ib_async.Decoder")
    logger.addHandler(handler)
    try:
        yield handler.found
    finally:
        logger.removeHandler(handler)


def clocks(loop, start_ns):
    """Return stand-ins for the modules `time` and `datetime` that read the loop's clock."""

    def now_s():
        return start_ns / SECOND_NS + loop.time()

    class Moment(real.datetime):
        @classmethod
        def now(cls, tz=None):
            return real.datetime.fromtimestamp(now_s(), tz)

    module = types.SimpleNamespace(**{name: getattr(real, name) for name in real.__all__})
    module.datetime = Moment
    return types.SimpleNamespace(time=now_s), module, Moment


class World:
    """One gateway and any number of ib_async clients."""

    def __init__(self, monkeypatch, config=None, faults=None, store=None, latency_s=0.0, chunk=0, speed=1.0, files=None):
        self.loop = SimLoop(latency_s, chunk)
        asyncio.set_event_loop(self.loop)
        extra, real = (files.extra, files.real) if files else ((), None)
        self.gateway = Gateway(config or Config(), faults, store, extra, real)
        self.transcript = []
        self.gateway.listeners.append(lambda *row: self.transcript.append(row))
        self.host = Host(self.gateway, self.loop, speed)
        self.loop.listen("127.0.0.1", PORT, self.host.protocol)
        self.clients = []
        clock, module, moment = clocks(self.loop, self.gateway.config.start_ns)
        monkeypatch.setattr("ib_async.wrapper.datetime", moment)
        for place in ("ib_async.wrapper.time", "ib_async.client.time", "ib_async.ib.time"):
            monkeypatch.setattr(place, clock)
        monkeypatch.setattr("ib_async.ib.datetime", module)

    async def client(self, client_id=1, **more):
        """Return a connected ib_async client."""
        ib = ib_async.IB()
        self.clients.append(ib)
        await ib.connectAsync("127.0.0.1", PORT, clientId=client_id, **{"timeout": 20, "raiseSyncErrors": True, **more})
        return ib

    def run(self, coroutine):
        """Run to the end and disconnect everybody; no decoder error may have happened."""
        with decoder_errors() as errors:
            try:
                result = self.loop.run_until_complete(coroutine)
                for ib in self.clients:
                    ib.disconnect()
                self.loop.run_until_complete(asyncio.sleep(1))
            finally:
                self.host.stop()
                self.loop.close()
                asyncio.set_event_loop(None)
        assert errors == []
        return result

    def digest(self):
        """Return the SHA-256 of everything that was said."""
        return hashlib.sha256(json.dumps(self.transcript).encode()).hexdigest()
