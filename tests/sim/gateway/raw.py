"""A raw client on the in-memory loop: it writes a script of requests and keeps every byte that comes back, with its time."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from sim.gateway.core.config import Config
from sim.gateway.core.gateway import Gateway
from sim.gateway.transport.host import Host
from sim.gateway.transport.simloop import SimLoop
from sim.gateway.wire import requests, responses
from sim.gateway.wire.frames import Splitter, frame, join, split

VERSION = 178
APPLE = {"conId": 265598}


class Raw(asyncio.Protocol):
    """Keeps what happens: ("data", time, bytes), ("eof", time), ("lost", time)."""

    def __init__(self, loop):
        self.loop, self.seen, self.transport = loop, [], None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.seen.append(("data", round(self.loop.time(), 2), data))

    def eof_received(self):
        self.seen.append(("eof", round(self.loop.time(), 2), b""))
        return True

    def connection_lost(self, exc):
        self.seen.append(("lost", round(self.loop.time(), 2), b""))

    def ask(self, name, **values):
        self.transport.write(join(requests.BY_NAME[name].encode(values, VERSION)))

    def order(self, order_id, kind="MKT", action="BUY", quantity=100, **more):
        fields = {**APPLE, "orderId": order_id, "action": action, "totalQuantity": Decimal(quantity), "orderType": kind,
                  "transmit": True, "orderRef": f"r{order_id}"}  # fmt: skip
        self.ask("placeOrder", **{**fields, **more})

    def start(self, client_id=1):
        self.transport.write(b"API\0" + frame(b"v157..178"))
        self.transport.write(join(["71", "2", str(client_id), ""]))

    def said(self):
        """Return every whole message: (time, name, values)."""
        splitter, found = Splitter(), []
        for kind, at, data in self.seen:
            for body in splitter.feed(data) if kind == "data" else ():
                fields = split(body)
                if len(fields) > 2 or fields[0] in responses.BY_NUMBER:
                    table = responses.BY_NUMBER[fields[0]]
                    found.append((at, table.name, table.decode(fields, VERSION)))
        return found


async def story(loop):
    """Everything a fault could touch: requests, a fill, a resting order changed and cancelled, a child, data, a second connection."""
    first = Raw(loop)
    await loop.create_connection(lambda: first, "127.0.0.1", 4002)
    first.start()
    await asyncio.sleep(0.5)
    for name, values in (("reqPositions", {}), ("reqMktData", {"reqId": 5, **APPLE}), ("reqOpenOrders", {})):
        first.ask(name, **values)
    first.order(1)
    await asyncio.sleep(10)
    first.order(2, "LMT", lmtPrice=Decimal(100), tif="GTC")
    await asyncio.sleep(10)
    first.order(2, "LMT", lmtPrice=Decimal(101), tif="GTC")
    await asyncio.sleep(1)
    first.ask("cancelOrder", orderId=2)
    first.ask("reqExecutions", reqId=8)
    first.ask("reqHistoricalData", reqId=9, **APPLE, barSizeSetting="1 hour", durationStr="2 D", whatToShow="TRADES", formatDate=1)
    first.order(3, "MKT", "SELL", 40)
    await asyncio.sleep(60)
    first.order(4, "MKT", "SELL", 10)
    await asyncio.sleep(300)
    first.transport.close()
    second = Raw(loop)
    await loop.create_connection(lambda: second, "127.0.0.1", 4002)
    second.start()
    await asyncio.sleep(5)
    second.ask("reqOpenOrders")
    second.ask("reqExecutions", reqId=10)
    await asyncio.sleep(30)
    second.transport.close()
    await asyncio.sleep(1)
    return first, second


def run(coroutine=story, faults=None, **settings):
    """Return (what the coroutine returned, gateway)."""
    loop = SimLoop()
    gateway = Gateway(Config(**{"rate_limit": 0, **settings}), faults)
    host = Host(gateway, loop)
    loop.listen("127.0.0.1", 4002, host.protocol)
    try:
        return loop.run_until_complete(coroutine(loop)), gateway
    finally:
        host.stop()
        loop.close()
