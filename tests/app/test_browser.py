"""The main story in a real browser: a backtest, a demo paper session, their comparison, a fuzz failure; and names that would be code."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from app.shell.entry import PAGES

ROOT = Path(__file__).resolve().parent.parent.parent
BROWSER = os.environ.get("CHROMIUM") or next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="NO BROWSER: install Debian's chromium (or set CHROMIUM) to try the app's main story"),
]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE_MS = 240_000
"""On a machine that has no compiled kernel yet, the first backtest compiles for a minute or two."""
EVIL = "<img src=x onerror=window.stolen=1>"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def served(book, tmp_path_factory):
    """Start `onebook app` over a folder with a good and a hostile book; yield (address, folder)."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copy(book, folder / "onebook.db")
    hostile(folder / "strange.db")
    port = free_port()
    words = [sys.executable, str(ROOT / "onebook.py"), "app", "--no-browser", f"--port={port}", f"--book={folder}/onebook.db"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        for _ in range(600):
            assert server.poll() is None, (folder / "log").read_text()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1) as answer:
                    assert answer.status == 200
                    break
            except OSError:
                server_waits(0.1)
        yield f"http://127.0.0.1:{port}", folder
    finally:
        server.terminate()
        server.wait(20)


def server_waits(seconds: float) -> None:
    """Give a starting server a moment; how many there are is bounded by the caller."""
    import time

    time.sleep(seconds)


def hostile(path: Path) -> None:
    """Write a book whose names would be code where they are taken for more than text."""
    from ledger.book import event
    from ledger.journal import Journal
    from ledger.units import money
    from ledger.vocabulary import EventKind

    with Journal.open(path) as journal:
        session = journal.begin("import", f"{EVIL} =1+1", config={"strategy": f"**{EVIL}**", "params": {EVIL: 1}, "data": EVIL})
        for number, symbol in enumerate((EVIL, "=cmd|'/c calc'!A1", "ΑΒΓ 株式 🚀", "[a](javascript:window.stolen=1)"), 1):
            assert session.name(symbol) == number
            session.record(event(EventKind.INSTRUMENT, instrument=number, revision=4, order_type=4, price_ticks=100, qty_lots=10_000, target_lots=1, ref=number))
        session.record(event(EventKind.DEPOSIT, cash_e8=money("10000"), time_ns=10**18))
        for number in range(1, 5):
            fills = (1, 1_000_000, 10**18 + number), (-1, 1_200_000, 2 * 10**18 + number)
            for side, price, when in fills if number < 4 else fills[:1]:
                name = session.name(f"{EVIL}{number}{side}")
                session.record(event(EventKind.FILL, instrument=number, side=side, qty_lots=20_000, price_ticks=price, exec_id=name, time_ns=when))
            session.record(event(EventKind.MARK, instrument=number, price_ticks=1_100_000, time_ns=2 * 10**18 + 9))
        session.record(event(EventKind.GATE, reason=16, side=1, instrument=1, ref=session.name(f"why: {EVIL}"), time_ns=2 * 10**18 + 10))
        session.end("done")


@pytest.fixture
def tab(served):
    """Yield a tab that remembers what it asked for, and fails the test when that was not the server or ran a name."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=BROWSER, args=QUIET)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.set_default_timeout(60_000)
        yield page
        assert page.evaluate("window.stolen") is None
        foreign = [url for url in asked if not url.startswith((served[0], served[0].replace("http", "ws"), "data:", "blob:"))]
        assert foreign == [] and not any(url.endswith("/x") for url in asked)
        browser.close()


def idle(tab) -> None:
    """Wait until the script has run."""
    tab.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


def test_the_main_story(served, tab):
    address, folder = served
    tab.goto(f"{address}/backtest")
    idle(tab)
    tab.get_by_role("tab", name="One run").click()
    tab.get_by_label("First day").first.fill("2015-01-02")
    tab.get_by_label("First day").first.press("Enter")
    tab.get_by_role("button", name="Run the backtest").click()
    tab.get_by_role("button", name="Look at it").first.wait_for(timeout=PATIENCE_MS)
    tab.get_by_role("button", name="Look at it").first.click()
    tab.get_by_role("heading", name="Performance").wait_for()
    assert "2015-" in tab.get_by_text("as of event").first.inner_text() or tab.get_by_text("Final equity").count()
    tab.locator('[data-testid="stECharts"], canvas').first.wait_for()

    tab.goto(f"{address}/backtest")
    tab.get_by_role("tab", name="Demo paper session").click()
    tab.get_by_label("Stop after seconds").fill("12")
    tab.get_by_label("Stop after seconds").press("Enter")
    tab.get_by_role("button", name="Start the demo session").click()
    tab.get_by_role("button", name="Compare it").last.wait_for(timeout=PATIENCE_MS)
    tab.get_by_role("button", name="Compare it").last.click()
    tab.get_by_role("heading", name="Compare", exact=True).wait_for()
    tab.get_by_text("Left unexplained").wait_for()
    tab.get_by_role("heading", name="Certificate").wait_for()
    said = tab.locator('[data-testid="stMetricValue"]').all_inner_texts()
    assert said[4] == "0"

    tab.goto(f"{address}/fuzz")
    tab.get_by_role("tab", name="Start one").click()
    tab.get_by_role("button", name="Search").click()
    tab.get_by_role("button", name="Look at it").first.wait_for(timeout=PATIENCE_MS)
    tab.get_by_role("tab", name="Campaigns").click()
    tab.get_by_role("heading", name="The schedule that breaks it").wait_for()
    assert "fz2:zoo.no_lock" in tab.locator("code").first.inner_text()
    tab.locator('[data-testid="stVegaLiteChart"]').first.wait_for()
    assert not list(folder.glob("*.db-journal"))


def test_every_page_has_an_address_of_its_name(served, tab):
    address, _ = served
    for title, name in [(title, name) for rows in PAGES.values() for name, title, _ in rows]:
        tab.goto(f"{address}/{name}?book=onebook.db")
        tab.get_by_role("heading", name=title, exact=True).first.wait_for()
        assert tab.get_by_text("Page not found").count() == 0, name


def test_a_running_search_is_cancelled_from_the_page(served, tab):
    address, _ = served
    tab.goto(f"{address}/fuzz")
    tab.get_by_role("tab", name="Start one").click()
    tab.get_by_text("campaign", exact=True).click()
    tab.get_by_label("Minutes").fill("20")
    tab.get_by_label("Minutes").press("Enter")
    tab.get_by_role("button", name="Attack the real guard").click()
    tab.get_by_role("button", name="Cancel").click()
    tab.get_by_text("cancelled").first.wait_for(timeout=PATIENCE_MS)


@pytest.mark.parametrize("page", ["positions", "orders", "trades", "pnl", "performance", "runs", "leaderboard", "audit", "", "overview", "risk"])
def test_names_that_would_be_code_are_shown_as_text(served, tab, page):
    address, _ = served
    tab.goto(f"{address}/{page}?book=strange.db&session=1")
    tab.locator('[data-testid="stHeading"]').first.wait_for()
    idle(tab)
    assert tab.locator('[data-testid="stException"]').count() == 0
    assert tab.locator("img[src=x]").count() == 0 and tab.locator('a[href^="javascript"]').count() == 0


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_a_page_of_another_site_gets_no_connection(served, origin):
    address, _ = served
    host, port = address.removeprefix("http://").split(":")
    assert handshake(host, int(port), f"{host}:{port}", origin).startswith("HTTP/1.1 403")
    assert handshake(host, int(port), "evil.example", "http://evil.example").startswith("HTTP/1.1 403")
    assert handshake(host, int(port), f"localhost:{port}", f"http://localhost:{port}").startswith("HTTP/1.1 101")


def handshake(host: str, port: int, name: str, origin: str) -> str:
    """Return the first line of the answer to a websocket handshake."""
    lines = (
        "GET /_stcore/stream HTTP/1.1", f"Host: {name}", "Upgrade: websocket", "Connection: Upgrade", f"Origin: {origin}",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: streamlit", "", "",
    )  # fmt: skip
    with socket.create_connection((host, port), timeout=10) as line:
        line.sendall("\r\n".join(lines).encode())
        return line.recv(200).decode("latin1")


def test_the_server_listens_on_this_machine_alone(served):
    psutil = pytest.importorskip("psutil")

    port = int(served[0].rsplit(":", 1)[1])
    listening = {one.laddr.ip for one in psutil.net_connections("tcp") if one.status == "LISTEN" and one.laddr.port == port}
    assert listening == {"127.0.0.1"}
