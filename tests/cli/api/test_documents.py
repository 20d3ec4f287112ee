"""The documents that other programs read: the same keys on every path, null for unknown, one truth on every door."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from cli.api import figures, schema
from cli.api.server import application, is_loopback
from ledger import views
from ledger.journal import Journal
from ledger.rescue.schema import Options
from ledger.rescue.sessions import import_file
from ledger.units import decimal_text
from tests.cli.conftest import document, invoke
from tests.rescue.robo import clean

ROOT = Path(__file__).resolve().parents[3]
DOC = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
NAMES = {"status": schema.STATUS, "market": schema.MARKET, "pnl": schema.PNL, "performance": schema.PERFORMANCE}
NOW = int(datetime(2026, 1, 13, 16, 0, tzinfo=UTC).timestamp()) * 10**9


class Client:
    """Requests to an application, without a socket."""

    def __init__(self, app, base_url: str) -> None:
        self._app, self._base_url = app, base_url

    def request(self, method: str, path: str, **more) -> httpx.Response:
        async def asked() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url=self._base_url) as client:
                return await client.request(method, path, **more)

        return asyncio.run(asked())

    def get(self, path: str, **more) -> httpx.Response:
        return self.request("GET", path, **more)


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """Return a journal with one imported session."""
    folder = tmp_path_factory.mktemp("api")
    with Journal.open(folder / "book.db") as journal:
        import_file(journal, clean().save(folder / "t.db"), Options())
    return str(folder / "book.db")


@pytest.fixture(scope="module")
def client(imported):
    return Client(application(imported, None, 8600, lambda: NOW), base_url="http://127.0.0.1:8600")


@pytest.mark.parametrize("name", NAMES)
def test_every_path_has_the_same_keys_with_and_without_a_book(imported, tmp_path, name):
    good = figures.document(name, imported, None, NOW)
    (tmp_path / "empty.db").touch()
    (tmp_path / "words.db").write_text("no database")
    paths = [str(tmp_path / "none.db"), str(tmp_path / "empty.db"), str(tmp_path / "words.db"), imported]
    bad = [figures.document(name, path, 99 if path == imported else None, NOW) for path in paths]
    for found in (good, *bad):
        assert tuple(found) == NAMES[name]
    inner = {"status": ("pnl", "market"), "performance": tuple(schema.WINDOWS)}.get(name, ())
    assert all(good[key].keys() == found[key].keys() for key in inner for found in bad)


@pytest.mark.parametrize("name", ["pnl", "performance", "status"])
def test_what_cannot_be_read_is_null_and_never_a_number(tmp_path, name):
    found = figures.document(name, str(tmp_path / "none.db"), None, NOW)
    numbers = [v for key, value in found.items() if key != "market" for v in (value.values() if isinstance(value, dict) else [value])]
    assert found["stale"] is True and found["error"] and {type(v) for v in numbers} <= {type(None), bool, str}
    assert all(found[key] is None for key in NAMES[name] if key not in ("stale", "error", "market", "pnl", *schema.WINDOWS))


def test_every_door_shows_the_same_equity_cash_and_profit(imported, client):
    with Journal.read(imported) as journal:
        totals = views.totals(journal, 1)
    said = [client.get("/api/pnl").json(), client.get("/api/status").json()["pnl"], json.loads(invoke("pnl", "--book", imported, "--json").stdout)]
    assert said[0] == said[1] == said[2]
    assert said[0]["equity"] == decimal_text(totals.equity_e8) and said[0]["cash"] == decimal_text(totals.cash_e8)
    assert json.loads(invoke("performance", "--book", imported, "--json").stdout) == client.get("/api/performance").json()
    assert client.get("/api/market").json() == client.get("/api/market/status").json() == client.get("/api/status").json()["market"]


def test_the_performance_of_everything_is_the_tear_sheet_of_a_backtest(stored):
    found = figures.document("performance", str(stored.book), None, NOW)["all"]
    same = {"total_return": "total_return", "win_rate": "win_rate", "total_trades": "trades", "winning_trades": "winning_trades", "avg_win": "avg_win",
            "avg_loss": "avg_loss", "best_trade": "best_trade", "worst_trade": "worst_trade", "profit_factor": "profit_factor",
            "max_drawdown": "max_drawdown", "volatility": "volatility", "sharpe": "sharpe"}  # fmt: skip
    assert {name: found[name] for name in same} == {name: stored.run[key] for name, key in same.items()}


@pytest.mark.parametrize(("now", "session", "is_open", "next_open", "next_close"), [
    ("2026-01-13T16:00:00Z", "regular", True, "2026-01-14T14:30:00Z", "2026-01-13T21:00:00Z"),
    ("2026-01-13T13:00:00Z", "pre-market", False, "2026-01-13T14:30:00Z", "2026-01-13T21:00:00Z"),
    ("2026-01-13T22:00:00Z", "after-hours", False, "2026-01-14T14:30:00Z", "2026-01-14T21:00:00Z"),
    ("2026-01-14T03:00:00Z", "closed", False, "2026-01-14T14:30:00Z", "2026-01-14T21:00:00Z"),
    ("2026-01-17T16:00:00Z", "closed", False, "2026-01-20T14:30:00Z", "2026-01-20T21:00:00Z"),
    ("2026-11-27T17:30:00Z", "regular", True, "2026-11-30T14:30:00Z", "2026-11-27T18:00:00Z"),
    ("2026-11-27T18:30:00Z", "after-hours", False, "2026-11-30T14:30:00Z", "2026-11-30T21:00:00Z"),
    ("2026-07-06T13:30:00Z", "regular", True, "2026-07-07T13:30:00Z", "2026-07-06T20:00:00Z"),
])  # fmt: skip
def test_the_market_knows_half_days_holidays_and_both_next_times(now, session, is_open, next_open, next_close):
    found = figures.market(ns(now), None)
    assert (found["session"], found["is_open"], found["next_open"], found["next_close"]) == (session, is_open, next_open, next_close)
    assert found["seconds_until_open"] == (0 if is_open else (ns(next_open) - ns(now)) // 10**9)


def test_a_value_that_the_schema_does_not_have_is_refused():
    with pytest.raises(KeyError, match="realised"):
        schema.filled(schema.PNL, {"realised": "1"})


def test_every_key_of_every_document_is_in_the_documentation():
    keys = {key for name in NAMES.values() for key in name} | set(schema.WINDOW)
    assert {key for key in keys if f"`{key}`" not in DOC} == set()


def test_a_book_that_cannot_be_read_leaves_with_four_and_one_document(tmp_path):
    result = invoke("pnl", "--book", tmp_path / "none.db", "--json")
    assert result.exit_code == 4 and tuple(json.loads(result.stdout)) == schema.PNL


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8600", "127.0.0.1:9", "", "127.0.0.1.evil.example:8600"])
def test_a_foreign_host_header_gets_nothing(client, host):
    answer = client.get("/api/pnl", headers={"Host": host})
    assert answer.status_code == 421 and "equity" not in answer.text


@pytest.mark.parametrize("host", ["localhost:8600", "127.0.0.1", "[::1]:8600", "LOCALHOST:8600"])
def test_the_machines_own_names_are_answered(client, host):
    assert client.get("/api/pnl", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_but_reading_is_answered(client, method):
    assert client.request(method, "/api/pnl").status_code == 405


def test_no_answer_lets_another_page_read_it(client):
    headers = client.get("/api/pnl", headers={"Origin": "http://evil.example"}).headers
    assert "access-control-allow-origin" not in headers and headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("host", "ours"), [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
                                            ("192.168.1.4", False), ("::", False), ("example.com", False), ("", False)])  # fmt: skip
def test_only_addresses_of_this_machine_are_listened_on(host, ours):
    assert is_loopback(host) is ours
    if not ours:
        result = invoke("serve", "--host", host or "x")
        assert result.exit_code == 2 and "SSH tunnel" in result.stderr


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_port_that_is_taken_is_told_and_no_address_is(words):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = invoke("serve", "--port", str(taken.getsockname()[1]), *words)
    assert result.exit_code == 4 and "address already in use" in result.stderr and "another --port" in result.stderr
    assert "http://" not in result.stdout


def test_the_address_that_is_told_is_the_one_that_answers(imported):
    command = [sys.executable, "onebook.py", "serve", "--port", "0", "--book", imported, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as server:
        try:
            told = json.loads("".join(iter(server.stdout.readline, "}\n")) + "}")
            assert httpx.get(f"{told['url']}/health").json() == {"ok": True} and not told["url"].endswith(":0")
        finally:
            server.terminate()


def events_of(text: str) -> list[tuple[int, dict]]:
    found = []
    for block in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        found.append((int(lines["id"]), json.loads(lines["data"])))
    return found


def test_the_stream_has_every_event_once_and_goes_on_where_it_was_left(imported, client):
    with Journal.read(imported) as journal:
        last = journal.sessions()[-1].events
    whole = events_of(client.get("/api/events?follow=0").text)
    assert [number for number, _ in whole] == list(range(1, last + 1))
    rest = events_of(client.get("/api/events?follow=0", headers={"Last-Event-ID": "40"}).text)
    assert rest == whole[40:] == events_of(client.get("/api/events?follow=0&after=40").text)
    fill = next(event for _, event in whole if event["kind"] == "FILL")
    assert (fill["symbol"], fill["side"], fill["quantity"], fill["price"]) == ("AAPL", "buy", "10", "182.13")
    assert client.get("/api/events?after=-1").status_code == client.get("/api/events?after=x").status_code == 400


def test_a_server_without_a_book_says_so_with_every_key(tmp_path):
    client = Client(application(str(tmp_path / "none.db"), None, 8600, lambda: NOW), base_url="http://localhost:8600")
    answer = client.get("/api/pnl")
    assert answer.status_code == 503 and tuple(answer.json()) == schema.PNL and answer.json()["equity"] is None
    assert client.get("/health").json() == {"ok": True} and client.get("/nothing").status_code == 404
    assert "event: error" in client.get("/api/events?follow=0").text


def test_a_stream_that_follows_sends_what_is_recorded_while_it_waits(tmp_path, monkeypatch):
    from cli.api import server
    from ledger.book import event
    from ledger.vocabulary import EventKind

    monkeypatch.setattr(server, "POLL_S", 0.001)
    book = tmp_path / "book.db"
    with Journal.open(book) as journal:
        session = journal.begin("paper", "U1", config={})
        session.record(event(EventKind.DEPOSIT, cash_e8=10**10, time_ns=NOW))

        async def listened() -> list[str]:
            stream = server._stream(str(book), None, 0, True)
            first = await anext(stream)
            session.record(event(EventKind.DEPOSIT, cash_e8=5 * 10**8, time_ns=NOW + 1))
            second = await anext(stream)
            await stream.aclose()
            return [first, second]

        numbers = [(number, data["cash"]) for text in asyncio.run(listened()) for number, data in events_of(text)]
        session.close()
    assert numbers == [(1, "100.00"), (2, "5.00")]


def amounts_of(kind: str, **columns: int) -> dict[str, str | None]:
    """Return the amounts told of an event of instrument 1 (cents, whole shares) with these columns."""
    from types import SimpleNamespace

    from cli.api.events import told
    from cli.stored import Exponents
    from ledger.vocabulary import EventKind

    blank = {"seq": 7, "instrument": 1, "side": 1, "qty_lots": 0, "price_ticks": 0, "cash_e8": 0, "fee_e8": 0, "time_ns": NOW}
    found = told(1, SimpleNamespace(kind=EventKind[kind], **{**blank, **columns}), {1: Exponents(2, 0)}, {1: "AAPL"})
    return {name: found[name] for name in ("side", "quantity", "price", "cash", "fee") if found[name] is not None}


@pytest.mark.parametrize("kind, columns, shown", [
    ("INSTRUMENT", {"qty_lots": 1, "price_ticks": 1}, {}),
    ("LIMIT", {"cash_e8": 10**12}, {}),
    ("GATE", {"side": -1}, {}),
    ("SPLIT", {"qty_lots": 4, "price_ticks": 1}, {}),
    ("REFUSED", {"price_ticks": 18000, "fee_e8": 10**8, "side": 0}, {}),
    ("CLAIM", {"qty_lots": 5, "price_ticks": 0, "cash_e8": 9 * 10**8, "fee_e8": 10**8}, {"side": "buy", "quantity": "5"}),
    ("CLAIM", {"qty_lots": 5, "price_ticks": 18213}, {"side": "buy", "quantity": "5", "price": "182.13"}),
    ("FILL", {"side": -1, "qty_lots": 0, "price_ticks": 0}, {"side": "sell", "quantity": "0", "price": "0.00"}),
    ("ADJUST_POSITION", {"qty_lots": 3, "price_ticks": 0}, {"side": "buy", "quantity": "3", "price": "0.00"}),
    ("COMMISSION", {"fee_e8": 0}, {"fee": "0.00"}),
    ("COMMISSION", {"fee_e8": -25_000_000}, {"fee": "-0.25"}),
    ("MARK", {"price_ticks": 18213}, {"price": "182.13"}),
    ("DIVIDEND", {"cash_e8": 5 * 10**7}, {"cash": "0.50"}),
])  # fmt: skip
def test_an_event_tells_an_amount_only_where_its_kind_carries_one(kind, columns, shown):
    assert amounts_of(kind, **columns) == shown


def test_an_event_without_a_time_has_no_time_and_not_the_year_1970(imported, client):
    told = [event for _, event in events_of(client.get("/api/events?follow=0").text)]
    assert not [event for event in told if (event["time"] or "").startswith("1970")]
    assert [event["kind"] for event in told if event["time"] is None]


@pytest.mark.parametrize("profile", ["next-open", "close"])
def test_the_newest_day_of_bars_that_end_at_midnight_is_that_of_the_last_bar(tmp_path, profile):
    closes = [100, 101, 103, 102, 99, 97, 101, 104, 106, 103]
    opens = [99, *closes[:-1]]
    lines = [f"2026-01-{at:02},{a},{max(a, b) + 1},{min(a, b) - 1},{b},1000" for at, (a, b) in enumerate(zip(opens, closes, strict=True), 1)]
    (tmp_path / "COIN.csv").write_text("\n".join(["date,open,high,low,close,volume", *lines]) + "\n")
    book, chosen = tmp_path / "a.db", ("--data", tmp_path / "COIN.csv", "--calendar", "24/7", "--profile", profile)
    document("backtest", "run", "sma_cross", *chosen, "-p", "fast=1", "-p", "slow=2", "--book", book, "--no-picture")
    with Journal.read(book) as journal:
        *_, before, last = (point.equity_e8 for point in views.equity(journal, 1))
        traded = views.pnl_days(journal, 1)
    # The last close falls below the one before, so a run that trades at closes sells at the midnight that ends the last bar.
    net = traded[-1].net_e8 if profile == "close" else 0
    told, window = document("pnl", "--book", book), document("performance", "--book", book)["daily"]
    assert (told["day"], told["daily"]) == ("2026-01-10", decimal_text(net))
    assert window["total_return"] == pytest.approx(last / before - 1) and window["total_pnl"] == decimal_text(net)
    assert document("book", "pnl", "--by", "day", "--book", book)["rows"][-1]["day"] == ("2026-01-10" if net else "2026-01-05")
    day = document("report", "daily", "--book", book, "--out", tmp_path)
    assert (day["date"], day["before"], day["after"]) == ("2026-01-10", decimal_text(before), decimal_text(last))
    assert (day["trades"], day["orders"]) == (int(profile == "close"), 1), "the sale that the last close calls for is that day's"
