"""One client's connection: bytes in, bytes out.

Theory of operation. A session begins OPENING: it waits for the client's `API` and version range.
Then it is GREETED: the version frame is out and nothing else may follow until START_API
has come. Then it is READY, and requests are read by their tables and handed on. CLOSED
is for ever. What is to be sent collects as bytes until the transport takes it; frames
keep their order. A message that cannot be read is answered by error 320 and forgotten;
one of an unknown number is counted and forgotten; bytes that are no frames close the
connection. The session never raises on what a client sends.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from sim.gateway.core.config import SECOND_NS
from sim.gateway.desk import words
from sim.gateway.desk.hours import local
from sim.gateway.desk.orders import OPEN_DEFAULTS
from sim.gateway.wire import requests, responses
from sim.gateway.wire.frames import FrameError, Splitter, join, split
from sim.gateway.wire.table import NEWEST, OLDEST, Template, Values, WireError

if TYPE_CHECKING:
    from sim.gateway.core.gateway import Gateway

API = b"API\0"
ENCODE = responses.BY_NAME
TEMPLATES: dict[int, Template] = {}


class Phase(Enum):
    """Where a connection stands."""

    OPENING = "OPENING"
    GREETED = "GREETED"
    READY = "READY"
    CLOSED = "CLOSED"


def version_of(offer: str) -> int | None:
    """Return the server version for a client's offer `v157..178 options`, None when there is none in common."""
    words_ = offer.split(" ")[0].lstrip("v").split("..")
    if not all(word.isascii() and word.isdecimal() and len(word) < 6 for word in words_):
        return None
    least, most = int(words_[0]), int(words_[-1])
    version = min(most, NEWEST)
    return version if max(least, OLDEST) <= version else None


class Session:
    """One connection."""

    def __init__(self, gateway: Gateway, number: int) -> None:
        self.gateway, self.number = gateway, number
        self.phase = Phase.OPENING
        self.version, self.client_id = 0, -1
        self.unknown = 0
        self.closing = self.mute = False
        self.data_type = 1
        self._splitter = Splitter()
        self._api_seen = b""
        self._out: list[bytes] = []
        self.held: list[bytes] = []
        """Bytes that were held back and may go now, past the faults."""
        self._busy_until_ns = 0
        self._breaks = 0
        self._batch: list[tuple[str, Values]] = []
        self.state: dict[str, Any] = {}
        """What the answers keep for this client: subscriptions and the like."""

    # Bytes in

    def receive(self, data: bytes) -> None:
        """Take bytes from the client, in pieces of any size."""
        if self.closing or self.phase is Phase.CLOSED:
            return
        if len(self._api_seen) < len(API):
            data = self._api_seen + data
            self._api_seen, data = data[: len(API)], data[len(API) :]
            if not API.startswith(self._api_seen):
                self.close()
                return
        try:
            for body in self._splitter.feed(data):
                if not self.closing:
                    self._body(body)
        except FrameError:
            self.close()

    def _body(self, body: bytes) -> None:
        gateway = self.gateway
        if self.phase is Phase.OPENING:
            self._greet(body.decode("utf-8", "backslashreplace"))
            return
        fields = split(body)
        gateway.heard(self, fields)
        if not fields:
            return
        if self.phase is Phase.GREETED:
            if fields[0] == "71":
                self._start(fields)
        elif self._within_rate():
            self._request(fields)

    def _greet(self, offer: str) -> None:
        self.gateway.heard(self, [offer])
        version = version_of(offer)
        if version is None:
            self.close()
            return
        self.version, self.phase = version, Phase.GREETED
        here = local(self.gateway.schedule.now_ns, "US/Eastern")
        self._send_fields([str(version), f"{here:%Y%m%d %H:%M:%S} EST"])

    def _start(self, fields: list[str]) -> None:
        try:
            values = requests.BY_NAME["startApi"].decode(fields, self.version)
        except WireError:
            self.close()
            return
        self.gateway.admit(self, values["clientId"] if values["clientId"] is not None else 0)

    def _within_rate(self) -> bool:
        """Count a message; say whether the client kept the rate. Breaking it too often ends the connection."""
        config, now = self.gateway.config, self.gateway.schedule.now_ns
        if not config.rate_limit:
            return True
        # A bucket that holds one second's messages and fills evenly: a client that counts its own seconds keeps within it
        # although its messages arrive a little earlier or later than they were sent.
        gap_ns = SECOND_NS // config.rate_limit
        busy_until = max(self._busy_until_ns, now)
        if busy_until - now <= (config.rate_limit - 1) * gap_ns:
            self._busy_until_ns = busy_until + gap_ns
            return True
        self._breaks += 1
        count = f"max={config.rate_limit} rec={config.rate_limit + 1} ({self._breaks})"
        self.error(-1, 100, f"Max rate of messages per second has been exceeded:{count}")
        if self._breaks >= config.rate_breaks:
            self.close()
        return False

    def _request(self, fields: list[str]) -> None:
        table = requests.BY_NUMBER.get(fields[0])
        if table is None:
            self.unknown += 1
            return
        try:
            values = table.decode(fields, self.version)
        except WireError as error:
            number = next((word for word in fields[1:4] if word.isascii() and word.lstrip("-").isdecimal()), "-1")
            self.error(int(number) if len(number) < 12 else -1, 320, f"Error reading request. {error}")
            return
        self.gateway.handle(self, table.name, values)

    # Bytes out

    def send(self, name: str, values: Values) -> None:
        """Send a message; faults may have their way with it."""
        if self.phase is not Phase.READY or self.closing:
            return
        if self.gateway.faults.frames:
            self._batch.append((name, dict(values)))
        else:
            self.emit(name, values)

    def emit(self, name: str, values: Values) -> None:
        """Encode a message and queue its bytes."""
        if self.phase is Phase.CLOSED:
            return
        done = values.get("execution")
        if done is not None:
            zone = values.get("zone", words.ZONE)
            extra = values.get("override", {})
            values = {**words.execution(done, self.gateway.config.account, values["reqId"], self.version, zone), **extra}
        if name == "openOrder":
            self._send_fields(self._open_order().encode(values))
        else:
            usual = OPEN_DEFAULTS if name == "completedOrder" else {}
            self._send_fields(ENCODE[name].plan(self.version).encode({**usual, **values} if usual else values))

    def _open_order(self) -> Template:
        """Return the template of an open order at this version; orders differ from it in a few fields of 135."""
        known = TEMPLATES.get(self.version)
        if known is None:
            known = TEMPLATES[self.version] = Template(ENCODE["openOrder"].plan(self.version), OPEN_DEFAULTS)
        return known

    def error(self, number: int, code: int, text: str) -> None:
        """Send an error, a warning or a notice."""
        self.send("error", {"reqId": number, "code": code, "text": text})

    def _send_fields(self, fields: list[str]) -> None:
        self.gateway.said(self, fields)
        self._out.append(join(fields))

    def push(self, data: bytes) -> None:
        """Queue bytes that were framed before and held back."""
        self.held.append(data)

    def settle(self) -> None:
        """Let what faults watch go its way; called at the end of every turn."""
        if self._batch:
            batch, self._batch = self._batch, []
            for delay_ns, name, values in self.gateway.faults.pass_on(self, batch):
                if delay_ns <= 0:
                    self.emit(name, values)
                else:
                    self.gateway.schedule.after(delay_ns, lambda name=name, values=values: self.emit(name, values))  # type: ignore[misc]

    def take(self) -> bytes:
        """Return the bytes to send, once."""
        out, self._out = b"".join(self._out), []
        return out

    def close(self) -> None:
        """End the connection after what is queued is sent."""
        self.closing = True

    def closed(self) -> None:
        """Be told by the transport that the connection is gone."""
        if self.phase is not Phase.CLOSED:
            self.settle()
            self.phase, self.closing = Phase.CLOSED, True
            self._out.clear()
            self.held.clear()
            self._batch.clear()
            self.gateway.leave(self)
