"""Alarms, the log, planned interruptions: each by its own rule, and in the whole runner."""

from __future__ import annotations

import asyncio
import json
import smtplib
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.live.fakes import AAPL, MSFT, START_NS, desk, execution, status_seen

from ledger.book import event
from ledger.vocabulary import EventKind
from live import link as links
from live.config import Alarms
from live.ops.alarms import Alarm, Bell, Watch
from live.ops.log import ALWAYS, Log
from live.ops.windows import current, parse

READY = links.Link(links.State.READY, "test", START_NS)
SYMBOLS = {1: "AAPL", 2: "MSFT"}
ZONE = ZoneInfo("America/New_York")
SECOND = 10**9


class Now:
    ns = START_NS

    def __call__(self) -> int:
        return self.ns


def filled(d, shares: int, bar: int, exec_id: str, order: int, contract=AAPL) -> None:
    d.buy(shares, bar=bar, contract=contract)
    d.pump()
    side = "BOT" if d.wire.placed[-1].action == "BUY" else "SLD"
    d.trader.on_fact(execution(d.ref(), order, exec_id, int(d.wire.placed[-1].quantity), side=side))


@pytest.mark.parametrize(("minutes", "rings"), [(5.0, True), (0.0, False)], ids=["within five minutes", "ablation: no time at all"])
def test_the_same_trade_twice_by_two_orders_rings_and_its_parts_do_not(tmp_path: Path, minutes: float, rings: bool) -> None:
    with desk(tmp_path) as d:
        watch = Watch(Alarms(same_trade_minutes=minutes), 120)
        assert watch.look(d.session.book, READY, SYMBOLS, START_NS, False) == []
        d.buy(10)
        d.pump()
        for part in ("0001.01.01", "0001.02.01"):
            d.trader.on_fact(execution(d.ref(), 1, part, 5))
        assert watch.look(d.session.book, READY, SYMBOLS, START_NS, False) == [], "two parts of one order are one trade"
        d.buy(15, bar=1)
        d.pump()
        d.trader.on_fact(execution(d.ref(), 2, "0001.03.01", 5)._replace(time_ns=START_NS + SECOND))
        found = watch.look(d.session.book, READY, SYMBOLS, START_NS, False)
        assert [(alarm.kind, alarm.text[:14]) for alarm in found] == ([("SAME TRADE TWICE", "BUY 5 of AAPL ")] if rings else [])
        assert watch.look(d.session.book, READY, SYMBOLS, START_NS, False) == [], "told once"


def test_a_burst_rings_once_until_it_is_over(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        watch = Watch(Alarms(burst_orders=2, burst_seconds=60), 120)
        watch.look(d.session.book, READY, SYMBOLS, START_NS, False)
        d.buy(10)
        d.buy(10, contract=MSFT)
        rung = [watch.look(d.session.book, READY, SYMBOLS, START_NS + at * SECOND, False) for at in (1, 2, 120, 121)]
        assert [[alarm.kind for alarm in each] for each in rung] == [["BURST"], [], [], []]


def test_a_drawdown_rings_and_an_unknown_price_does_not(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        watch = Watch(Alarms(drawdown_percent=1.0), 120)
        d.buy(1000)
        d.pump()
        d.trader.on_fact(status_seen(1, "Submitted"))
        d.trader.on_fact(execution(d.ref(), 1, "0001.01.01", 1000))
        assert watch.look(d.session.book, READY, SYMBOLS, START_NS, False) == []
        for price, kinds in ((2_300_000, []), (2_250_000, []), (2_150_000, ["DRAWDOWN"]), (2_100_000, [])):
            d.session.record(event(EventKind.MARK, time_ns=START_NS, instrument=1, price_ticks=price))
            assert [alarm.kind for alarm in watch.look(d.session.book, READY, SYMBOLS, START_NS, False)] == kinds, price


@pytest.mark.parametrize(("planned", "kinds"), [(False, ["DOWN"]), (True, [])])
def test_a_link_that_is_down_rings_after_its_time_unless_that_was_planned(planned: bool, kinds: list[str]) -> None:
    watch, down = Watch(Alarms(), 120), links.Link(links.State.DOWN, "gone", START_NS)
    assert watch.look(None, down, {}, START_NS + 119 * SECOND, planned) == []
    assert [alarm.kind for alarm in watch.look(None, down, {}, START_NS + 120 * SECOND, planned)] == kinds
    assert watch.look(None, down, {}, START_NS + 180 * SECOND, planned) == []
    assert watch.look(None, READY, {}, START_NS + 181 * SECOND, planned) == []
    assert [a.kind for a in watch.look(None, down._replace(since_ns=START_NS), {}, START_NS + 400 * SECOND, planned)] == kinds, "it rings anew"


def test_an_alarm_goes_to_log_file_command_and_mail_and_a_broken_teller_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    sent = []

    class Server:
        def __init__(self, host, port, timeout) -> None:
            sent.append((host, port))

        def __enter__(self):
            return self

        def __exit__(self, *_) -> None:
            return None

        def send_message(self, mail) -> None:
            sent.append((mail["Subject"], mail["To"], mail.get_content().strip()))

    monkeypatch.setattr(smtplib, "SMTP", Server)
    out = tmp_path / "told by command"
    script = tmp_path / "tell.sh"
    script.write_text(f'#!/bin/sh\nprintf "%s|%s" "$1" "$2" > "{out}"\n')
    script.chmod(0o700)
    config = Alarms(command=str(script), mail_to="me@here", smtp="mail:2525")
    alarm = Alarm(START_NS, "BURST", 'ten; rm -rf "$HOME"')
    asyncio.run(Bell(config, tmp_path / "alarms.log", said.append).ring(alarm))
    assert said == ['ALERT BURST: ten; rm -rf "$HOME"'] and out.read_text() == 'BURST|ten; rm -rf "$HOME"'
    assert json.loads((tmp_path / "alarms.log").read_text())["kind"] == "BURST" and (tmp_path / "alarms.log").stat().st_mode & 0o777 == 0o600
    assert sent == [("mail", 2525), ("onebook: BURST", "me@here", 'ten; rm -rf "$HOME"')]
    bell = Bell(Alarms(command=str(tmp_path / "nobody")), tmp_path / "alarms.log", said.append)
    for _ in range(3):
        asyncio.run(bell.ring(alarm))
    assert sum("ALERT NOT TOLD by command" in line for line in said) == 1


def test_what_is_said_again_within_a_minute_is_counted_and_orders_never_are(tmp_path: Path) -> None:
    now, told = Now(), []
    log = Log(tmp_path / "runner.log", told.append, now)
    for number in range(833):
        log.say(f"the gateway lost its connection, notice {number}")
        log.say("SENT: BUY 10 AAPL MKT as x")
        now.ns += SECOND // 100
    now.ns += 60 * SECOND
    log.tick(now.ns)
    assert sum(line.startswith("SENT") for line in told) == 833
    others = [line for line in told if not line.startswith(ALWAYS)]
    assert others == ["the gateway lost its connection, notice 0", "said 832 times more within a minute: the gateway lost its connection, notice #"]
    assert [json.loads(line)["line"] for line in (tmp_path / "runner.log").read_text().splitlines()] == told


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60))
def test_no_message_is_lost_without_being_counted(gaps: list[int]) -> None:
    now, told = Now(), []
    log = Log(Path("/nowhere/runner.log"), told.append, now)
    for gap in gaps:
        now.ns += gap * SECOND
        log.say("the same")
    now.ns += 61 * SECOND
    log.tick(now.ns)
    assert sum(int(line.split()[1]) if line.startswith("said ") else 1 for line in told) == len(gaps)


def test_the_log_turns_over_and_never_grows_past_its_files(tmp_path: Path) -> None:
    now = Now()
    log = Log(tmp_path / "runner.log", lambda line: None, now, size=2_000, kept=3)
    for number in range(400):
        log.say(f"SENT: {number} {'x' * 50}")
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["runner.log", "runner.log.1", "runner.log.2", "runner.log.3"]
    assert all(path.stat().st_size < 2_200 and path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("text", "moment", "planned"),
    [
        ("23:45-23:55", "2026-03-03T23:42:59", False), ("23:45-23:55", "2026-03-03T23:43:00", True),
        ("23:45-23:55", "2026-03-03T23:54:59", True), ("23:45-23:55", "2026-03-03T23:55:00", False),
        ("23:50-00:10", "2026-03-04T00:09:00", True), ("23:50-00:10", "2026-03-04T00:10:00", False),
        ("00:01-00:10", "2026-03-03T23:59:30", True), ("sun 01:00-07:00", "2026-03-08T06:59:00", True),
        ("sun 01:00-07:00", "2026-03-09T06:59:00", False), ("", "2026-03-08T06:59:00", False),
    ],
)  # fmt: skip
def test_a_window_lasts_from_two_minutes_before_it_begins(text: str, moment: str, planned: bool) -> None:
    windows = tuple(window for window in (parse("restart", text),) if window)
    assert (current(windows, at(moment), ZONE) is not None) is planned


@pytest.mark.parametrize("text", ["25:00-26:00", "23:45", "moon 01:00-02:00", "01:00-01:00"])
def test_a_text_that_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no window; write 23:45-23:55"):
        parse("restart", text)
