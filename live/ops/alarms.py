"""What is worth waking somebody for, found in the book and the link, and how it is told.

Theory of operation. `Watch.look` reads the book and the link once a tick and returns new alarms: the same trade twice within
minutes with nothing between, a burst of orders, a drawdown of the day, a link that has been down. An alarm is told once and
rings again only after what it is about has ended. `Bell` tells: into the log, into a file beside the book, to a
command, by e-mail. A teller that fails is said once and never stops the runner.
"""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ledger.book import (
    I_QTY_EXP,
    N_FLAGS,
    N_INSTRUMENT,
    N_KIND,
    N_ORDER,
    N_QTY,
    N_SIDE,
    N_TIME,
    O_TIME,
    Book,
)  # fmt: skip
from ledger.units import decimal_text
from ledger.vocabulary import EntryFlag, EventKind
from live import link as links
from live.config import Alarms
from live.ops.log import open_private

SECOND_NS = 1_000_000_000
TELL_WITHIN_S = 20.0


class Alarm(NamedTuple):
    """One thing to tell; `kind` is one of SAME TRADE TWICE, BURST, DRAWDOWN, DOWN, HALTED."""

    time_ns: int
    kind: str
    text: str


class Watch:
    """What has been seen and told so far."""

    def __init__(self, config: Alarms, down_after_s: float) -> None:
        self._config, self._down_ns = config, int(down_after_s * SECOND_NS)
        self._seen: int | None = None
        self._trades: dict[int, tuple[int, int, int, int]] = {}
        self._ringing: set[str] = set()
        self._peak_e8 = self._well_ns = 0

    def look(self, book: Book | None, link: links.Link, symbols: dict[int, str], now_ns: int, planned: bool) -> list[Alarm]:
        """Return what is new.

        Args:
            book: None before the book is open. planned: an interruption that was announced is under way.
        """
        found = [] if book is None else [*self._trades_of(book, symbols), *self._burst(book, now_ns), *self._drawdown(book, now_ns)]
        if link.state is links.State.READY or self._well_ns == 0:
            self._well_ns = now_ns if link.state is links.State.READY else link.since_ns
        down = link.state is not links.State.READY and now_ns - self._well_ns >= self._down_ns and not planned
        found += self._rings("HALTED" if link.state is links.State.HALTED else "DOWN", down, now_ns, f"{link.state.value}: {link.reason}")
        return found

    def _rings(self, kind: str, true: bool, now_ns: int, text: str) -> list[Alarm]:
        if not true:
            self._ringing.discard(kind)
            return []
        if kind in self._ringing:
            return []
        self._ringing.add(kind)
        return [Alarm(now_ns, kind, text)]

    def _trades_of(self, book: Book, symbols: dict[int, str]) -> list[Alarm]:
        """Return an alarm for each order that did what the order before it in its instrument did, within minutes."""
        entries, found = book.entries, []
        for line in entries[len(entries) if self._seen is None else self._seen :]:
            if line[N_KIND] != EventKind.FILL or line[N_FLAGS] & EntryFlag.SUPERSEDED:
                continue
            number, order, side, qty, at = (int(line[c]) for c in (N_INSTRUMENT, N_ORDER, N_SIDE, N_QTY, N_TIME))
            last = self._trades.get(number)
            self._trades[number] = (order, side, qty, at)
            near = last is not None and abs(at - last[3]) <= self._config.same_trade_minutes * 60 * SECOND_NS
            if last is not None and near and last[0] != order and last[1:3] == (side, qty):
                word = "BUY" if side > 0 else "SELL"
                shares = decimal_text(qty, int(book.instruments[number, I_QTY_EXP]), 0)
                text = f"{word} {shares} of {symbols.get(number, f'#{number}')} by two orders within {(at - last[3]) // SECOND_NS} s"
                found.append(Alarm(at, "SAME TRADE TWICE", text))
        self._seen = len(entries)
        return found

    def _burst(self, book: Book, now_ns: int) -> list[Alarm]:
        window = self._config.burst_seconds * SECOND_NS
        recent = int((book.orders[-self._config.burst_orders :, O_TIME] >= now_ns - window).sum())
        text = f"{recent} orders within {self._config.burst_seconds} s"
        return self._rings("BURST", recent >= self._config.burst_orders, now_ns, text)

    def _drawdown(self, book: Book, now_ns: int) -> list[Alarm]:
        worth = book.valuation()
        equity = worth.equity
        if equity is None:
            return []  # a position without a price: what all is worth is not known
        self._peak_e8 = max(self._peak_e8, equity)
        fallen = self._peak_e8 - equity
        deep = self._peak_e8 > 0 and fallen * 10_000 >= self._peak_e8 * int(self._config.drawdown_percent * 100)
        text = f"equity {decimal_text(equity, places=2)} is {decimal_text(fallen, places=2)} below its highest since the start"
        return self._rings("DRAWDOWN", deep, now_ns, text)


class Bell:
    """Tells alarms to whoever is named."""

    def __init__(self, config: Alarms, file: Path, say: Callable[[str], None]) -> None:
        self._config, self._file, self._say = config, file, say
        self._failed: set[str] = set()

    async def ring(self, alarm: Alarm) -> None:
        """Tell one alarm everywhere."""
        self._say(f"ALERT {alarm.kind}: {alarm.text}")
        with open_private(self._file) as file:
            file.write(json.dumps(alarm._asdict()) + "\n")
        for name, wanted, tell in (("command", self._config.command, self._run), ("mail", self._config.mail_to, self._mail)):
            if wanted:
                try:
                    async with asyncio.timeout(TELL_WITHIN_S):
                        await tell(alarm)
                except (OSError, ValueError, TimeoutError) as error:
                    if name not in self._failed:
                        self._failed.add(name)
                        self._say(f"ALERT NOT TOLD by {name}: {type(error).__name__}: {error}; look at [alarms] in the configuration")

    async def _run(self, alarm: Alarm) -> None:
        """Run the command with kind and text as its last two arguments; no shell reads them.

        Raises:
            ValueError: it ended with an error.
        """
        program = await asyncio.create_subprocess_exec(
            *shlex.split(self._config.command or ""), alarm.kind, alarm.text,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        if await program.wait():
            raise ValueError(f"the command ended with {program.returncode}")

    async def _mail(self, alarm: Alarm) -> None:
        await asyncio.to_thread(send_mail, self._config, alarm)


def send_mail(config: Alarms, alarm: Alarm) -> None:
    """Send one mail through the server named in the configuration; it is asked for no password, so it stands on this network.

    Raises:
        OSError: the server is not there or refuses.
    """
    import smtplib
    from email.message import EmailMessage

    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = f"onebook: {alarm.kind}", config.mail_from, config.mail_to
    mail.set_content(alarm.text)
    host, _, port = config.smtp.partition(":")
    with smtplib.SMTP(host, int(port or 25), timeout=TELL_WITHIN_S) as server:
        server.send_message(mail)
