"""Alarms and planned interruptions in the whole runner: on virtual time, and once over TCP with a real command and a real mail server."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from tests.scenarios.paper import CONFIG, Day
from tests.scenarios.trading.scripted import NONE, scripted
from tests.scenarios.trading.test_orders import MINUTE, WIDE

import strategies.api as api
from live.config import Alarms, Timeouts, Windows
from live.link import State
from live.runner import Runner
from sim.gateway.core.config import Config
from sim.gateway.core.gateway import Gateway
from sim.gateway.faults.plan import plan
from sim.gateway.transport.tcp import serve
from strategies.api import Bars, Signal

SHORT = Timeouts(code_check_every=36_000.0, state_every=60.0, heartbeat_every=600.0, alert_down_after=60.0)


def rung(day: Day) -> list[str]:
    """Return the kinds of alarms in the file beside the book, in their order; each was said as well."""
    path = Path(f"{day.config.book}.paper") / "alarms.log"
    told = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    assert all(f"ALERT {alarm['kind']}: {alarm['text']}" in day.lines for alarm in told)
    return [alarm["kind"] for alarm in told]


def climbing(bars: Bars, t: int, now: int) -> Signal:
    """Want a little more every minute, the same number of shares each time, from minute 2 on."""
    return api.market(min(0.25 * (now - 1), 1.0)) if now >= 2 else NONE


CASES: list[tuple[str, Alarms, list[str]]] = [
    ("the same trade twice", Alarms(same_trade_minutes=5.0, drawdown_percent=100.0), ["SAME TRADE TWICE"]),
    ("ablation: no minutes at all", Alarms(same_trade_minutes=0.0, drawdown_percent=100.0), []),
    ("a burst", Alarms(same_trade_minutes=0.0, burst_orders=3, burst_seconds=300, drawdown_percent=100.0), ["BURST"]),
    ("a drawdown", Alarms(same_trade_minutes=0.0, drawdown_percent=0.01), ["DRAWDOWN"]),
]


@pytest.mark.parametrize(("alarms", "kinds"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_each_alarm_rings_in_a_session_and_only_then(alarms: Alarms, kinds: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day(monkeypatch, tmp_path, symbols=("AAPL",), limits=WIDE, size="shares:400", alarms=alarms, timeouts=SHORT, **scripted(climbing))

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(30 * MINUTE)
        await day.end(runner)

    day.run(story)
    assert sum(line.startswith("SENT") for line in day.lines) == 4
    assert sorted(set(rung(day))) == kinds, day.lines
    day.agree()


def flipping(bars: Bars, t: int, now: int) -> Signal:
    return api.market(0.5 if now % 2 else 0.0)


@pytest.mark.parametrize(
    ("windows", "quiet"),
    [(Windows(restart="09:40-09:55"), True), (Windows(login="mon 09:40-09:55"), True), (Windows(), False), (Windows(login="tue 09:40-09:55"), False)],
    ids=["a nightly restart", "a weekly login", "ablation: nothing was planned", "planned for another day"],
)
def test_an_interruption_that_was_planned_is_waited_out_in_silence(
    windows: Windows, quiet: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 09:41 in New York every connection ends and for ten minutes nobody is let in; in a window nothing is decided from 09:38 on."""
    away = plan([{"name": "no-login", "after": 11 * 60.0, "until": 21 * 60.0}], seed=7)
    day = Day(monkeypatch, tmp_path, faults=away, symbols=("AAPL",), limits=WIDE, windows=windows, timeouts=SHORT, **scripted(flipping))
    sent: dict[str, int] = {}

    def count(name: str) -> None:
        sent[name] = sum(line.startswith("SENT") for line in day.lines)

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep(8.2 * MINUTE)
        count("before")
        assert bool(runner.state()["planned"]) is quiet
        await asyncio.sleep(2.85 * MINUTE)
        count("lead")
        day.cut()
        await asyncio.sleep(9 * MINUTE)
        assert runner.link.state is not State.READY
        await asyncio.sleep(15 * MINUTE)
        count("after")
        assert runner.link.state is State.READY and runner.state()["planned"] is None
        await day.end(runner)

    day.run(story)
    assert sent["before"] >= 4 and sent["after"] >= sent["lead"] + 4, "it trades before and goes on by itself"
    assert (sent["lead"] == sent["before"]) is quiet and (rung(day) == []) is quiet, rung(day)
    waits = [line for line in day.lines if "trying again in" in line and not line.startswith("said ")]
    assert waits and all("until Mon 09:55" in line for line in waits) is quiet, "whoever waits is told until when"
    day.agree()


class Post:
    """A mail server on this machine that remembers what it was given."""

    def __init__(self) -> None:
        self.mails: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        text, data = "", False
        while line := (await reader.readline()).decode():
            word = line.strip().upper()
            if data and word == ".":
                self.mails.append(text)
                text, data = "", False
            elif data:
                text += line
                continue
            data = data or word == "DATA"
            writer.write(b"354 go on\r\n" if word == "DATA" else b"221 bye\r\n" if word == "QUIT" else b"250 well\r\n")
            await writer.drain()
        writer.close()


def test_over_tcp_alarms_reach_a_command_and_a_mail_box(tmp_path: Path) -> None:
    """Real time, real sockets: the first order is a burst of one, and a gateway that goes away is down after a second."""
    told, post, lines = tmp_path / "told", Post(), []
    script = tmp_path / "tell.sh"
    script.write_text(f'#!/bin/sh\nprintf "%s|%s\\n" "$1" "$2" >> "{told}"\n')
    script.chmod(0o700)

    async def until(what: Any) -> None:
        for _ in range(1200):
            if what():
                return
            await asyncio.sleep(0.05)
        raise AssertionError("\n".join(lines[-12:] + post.mails))

    async def story() -> None:
        gateway, stop, port = Gateway(Config(start_ns=time.time_ns())), asyncio.Event(), asyncio.get_running_loop().create_future()
        server = await asyncio.start_server(post.serve, "127.0.0.1", 0)
        served = asyncio.create_task(serve(gateway, 0, ready=port.set_result, stop=stop))
        alarms = Alarms(
            burst_orders=1, command=str(script), mail_to="me@here", smtp=f"127.0.0.1:{server.sockets[0].getsockname()[1]}", drawdown_percent=100.0
        )
        waits = Timeouts(tick=0.2, alarm_every=0.2, alert_down_after=1.0, connect=2.0, state_every=60.0, code_check_every=3600.0,
                         heartbeat=1.0, heartbeat_every=0.5)  # fmt: skip
        changes = {"book": str(tmp_path / "paper.db"), "strategy": "buy_and_hold", "params": {}, "bar": "5s", "alarms": alarms, "timeouts": waits}
        config = type(CONFIG)(**{name: getattr(CONFIG, name) for name in CONFIG.__struct_fields__} | changes)
        runner = Runner(config, "127.0.0.1", await port, lambda *_: 10**8, lines.append, simulated=True)
        task = asyncio.create_task(runner.run())
        await until(lambda: any("BURST" in mail for mail in post.mails))
        stop.set()
        await served
        await until(lambda: any("DOWN" in mail for mail in post.mails))
        runner.stop()
        await task
        server.close()

    asyncio.run(story())
    kinds = [line.split("|")[0] for line in told.read_text().splitlines()]
    assert kinds == ["BURST", "DOWN"] and not any("NOT TOLD" in line for line in lines)
    assert [mail.split("Subject: ")[1].splitlines()[0] for mail in post.mails] == ["onebook: BURST", "onebook: DOWN"]
