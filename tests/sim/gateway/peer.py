"""A bare client: it knows frames and tables and nothing else."""

from __future__ import annotations

from sim.gateway.core.config import SECOND_NS, Config
from sim.gateway.core.gateway import Gateway
from sim.gateway.wire import requests, responses
from sim.gateway.wire.frames import Splitter, frame, join, split

AAPL = {"conId": 265598}


class Peer:
    """One client of a gateway in the same process; `said` holds every message since it was last looked at."""

    def __init__(self, gateway: Gateway, client_id: int = 1, offer: str = "v157..178", start: bool = True) -> None:
        self.gateway, self.client_id = gateway, client_id
        self.session = gateway.connect()
        self.splitter = Splitter()
        self.bodies: list[list[str]] = []
        self.raw(b"API\0" + frame(offer.encode()))
        self.version = self.session.version
        self.hello = self.bodies.pop(0) if self.bodies else None
        if start:
            self.raw(join(["71", "2", str(client_id), ""]))

    def raw(self, data: bytes) -> None:
        """Send bytes and collect what comes back."""
        self.session.receive(data)
        self.pull()

    def pull(self) -> None:
        self.gateway.settle()
        for body in self.splitter.feed(self.session.take()):
            self.bodies.append(split(body))

    def ask(self, name: str, **values) -> list[tuple[str, dict]]:
        """Send a request; return what came back, decoded."""
        self.look()
        self.raw(join(requests.BY_NAME[name].encode(values, self.version)))
        return self.look()

    def look(self) -> list[tuple[str, dict]]:
        """Return what was said since the last look: (name, values)."""
        self.pull()
        bodies, self.bodies = self.bodies, []
        return [(table.name, table.decode(body, self.version)) for body in bodies for table in [responses.BY_NUMBER[body[0]]]]

    def wait(self, seconds: float) -> list[tuple[str, dict]]:
        """Let time pass; return what was said meanwhile."""
        self.gateway.advance(self.gateway.schedule.now_ns + int(seconds * SECOND_NS))
        return self.look()

    def order(self, order_id: int, action: str = "BUY", quantity: str = "100", kind: str = "MKT", **more):
        """Place an order for Apple."""
        fields = {**AAPL, "orderId": order_id, "action": action, "totalQuantity": quantity, "orderType": kind, "transmit": True}
        return self.ask("placeOrder", **{**fields, **more})


def names(said) -> list[str]:
    return [name for name, _ in said]


def only(said, name: str) -> list[dict]:
    return [values for found, values in said if found == name]


def fresh(**settings) -> Gateway:
    return Gateway(Config(**{"rate_limit": 0, **settings}))
