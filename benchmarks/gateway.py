"""How many orders a second the simulated gateway takes over TCP, and what a long list of open orders costs it.

Theory of operation. The gateway runs in a process of its own, as it does for a user, with the rate limit off. A bare client
writes limit orders far from the market and counts answers: a round trip is a placed order up to its
`orderStatus`. Sixteen orders are on their way at a time, so that neither side waits for the other's scheduler.
Afterwards the open orders are asked for: their number must be what was sent, or the figure is not printed.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

from benchmarks.measures import Line
from sim.gateway.wire import requests
from sim.gateway.wire.frames import Splitter, frame, join, split

ROOT = Path(__file__).resolve().parent.parent
VERSION, WINDOW, BATCH = 178, 16, 2_000
STEPS = (10, 1_000, 10_000, 100_000)


class Client:
    """A bare client: frames and tables."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.splitter = Splitter()
        self.order = {
            "conId": 265598, "action": "BUY", "totalQuantity": Decimal(1), "orderType": "LMT", "lmtPrice": Decimal(1),
            "tif": "GTC", "transmit": True,
        }  # fmt: skip
        self.socket.sendall(b"API\0" + frame(b"v157..178"))
        self.read_until(lambda fields: fields[0] == "178")
        self.socket.sendall(join(["71", "2", "1", ""]))
        self.read_until(lambda fields: fields[0] == "9")

    def read(self) -> list[bytes]:
        """Return the bodies that one read of the socket completes."""
        data = self.socket.recv(1 << 16)
        assert data, "the gateway closed the connection"
        return list(self.splitter.feed(data))

    def read_until(self, wanted: object) -> None:
        """Read up to a message."""
        while not any(wanted(split(body)) for body in self.read()):  # type: ignore[operator]
            pass

    def place(self, first: int, count: int) -> None:
        """Place orders, WINDOW on their way at a time, until each has its status."""
        sent = done = 0
        frames = [join(requests.BY_NAME["placeOrder"].encode({**self.order, "orderId": first + n}, VERSION)) for n in range(count)]
        while done < count:
            more = frames[sent : done + WINDOW]
            if more:
                self.socket.sendall(b"".join(more))
                sent += len(more)
            done += sum(body.startswith(b"3\0") for body in self.read())

    def open_orders(self) -> int:
        """Return how many orders are open."""
        self.socket.sendall(join(["5", "1"]))
        count = 0
        while True:
            for body in self.read():
                if body.startswith(b"53\0"):
                    return count
                count += body.startswith(b"5\0")


def orders_over_tcp(most: int) -> list[Line]:
    """Time order round trips with ever more orders open, up to `most`."""
    words = [sys.executable, str(ROOT / "onebook.py"), "gateway", "--port", "0", "--memory", "--rate-limit", "0", "--json", "-q"]
    words += ["--cash", "1000000000"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            return _measured(Client(_port(process)), most, process.pid)
        finally:
            process.terminate()
            process.wait()


def _port(process: subprocess.Popen[str]) -> int:
    import json

    text = ""
    for line in process.stdout or ():
        text += line
        try:
            return int(json.loads(text)["port"])
        except ValueError:
            continue
    raise AssertionError("the gateway said no port")


def _cpu_s(pid: int) -> float | None:
    """Return the processor seconds of a process where the system tells them."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _measured(client: Client, most: int, pid: int) -> list[Line]:
    placed, lines = 1, []
    client.place(placed, 200)
    placed += 200
    for step in (s for s in STEPS if s <= most):
        if step > placed:
            client.place(placed, step - placed)
            placed = step
        used, began = _cpu_s(pid), time.perf_counter()
        client.place(placed, BATCH)
        spent, after = time.perf_counter() - began, _cpu_s(pid)
        placed += BATCH
        rate = BATCH / spent
        counted = client.open_orders()
        assert counted == placed - 1, f"{placed - 1} orders were placed and {counted} are open"
        what = f"gateway over TCP, order round trips, {placed - 1 - BATCH:,} orders open before"
        own = "" if used is None or after is None else f"; gateway's own processor time {(after - used) / BATCH * 1e6:.0f} µs/order"
        lines.append(Line(what, f"{rate:,.0f}/s{own}", "5,000/s", f"{counted:,} open orders listed afterwards"))
    return lines
