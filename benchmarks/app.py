"""How long the app takes to show a session of a million bars and a hundred thousand trades.

Theory of operation. A real browser opens each page of a served book twice: the first time the server reads the book, the second
time it has the answers. A page counts as shown when its script has run and the figure on it is the one that
the journal says; a page with an error on it is an AssertionError. A refresh is what the overview does once a second.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measures import ROOT, Line

PAGES = ("overview", "positions", "orders", "trades", "pnl", "performance", "risk", "audit")
GOAL = "usable: seconds once, then at most 3 s"


def pages(place: Path, bars: int) -> list[Line]:
    """Return the load times of the pages, first and second, and the time of a refresh."""
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if browser is None:
        print("no Chromium: the app was not measured", file=sys.stderr)
        return []
    book, trades = _book(place, bars)
    with served(place, f"--book={book}") as address:
        first, second = _visits(address, browser, book)
    slow = max(first, key=lambda name: first[name])
    told = ", ".join(f"{name} {first[name]:.1f} s" for name in PAGES)
    what = f"app, {bars:,} bars, {trades:,} trades"
    checked = "equity on the page is the journal's; no error on any page"
    return [
        Line(
            f"{what}: first look at each page",
            f"median {statistics.median(first.values()):.1f} s, most {first[slow]:.1f} s ({told})",
            GOAL,
            checked,
        ),
        Line(
            f"{what}: second look",
            f"median {statistics.median(second.values()):.1f} s, most {max(second.values()):.1f} s",
            GOAL,
            checked,
        ),
        Line(
            f"{what}: one refresh of the overview",
            f"{_refresh(book) * 1e3:.0f} ms",
            "below its interval of 1 s",
            "the answers are those of a fresh read",
        ),
    ]


def _book(place: Path, bars: int) -> tuple[Path, int]:
    """Return a book with one long backtest of drawn prices, and how many trades it closed."""
    import pandas as pd

    from sim import backtest

    draw = np.random.default_rng(3)
    close = np.round(np.clip(100 + np.cumsum(draw.standard_normal(bars) * 0.02), 5, None), 2)
    begin = np.concatenate((close[:1], close[:-1]))
    columns = {
        "open": begin,
        "high": np.maximum(begin, close),
        "low": np.minimum(begin, close),
        "close": close,
        "volume": 1000,
    }
    frame = pd.DataFrame(columns, index=pd.date_range("2015-01-02", periods=bars, freq="min", tz="UTC"))
    run = backtest(
        frame, "sma_cross", fast=2, slow=5, reading={"calendar": "24/7"}, commission="zero", size="shares:10"
    )
    path = place / "long.db"
    run.save(path)
    return path, int(run.figures["trades"])


@contextmanager
def served(folder: Path, *more: str) -> Iterator[str]:
    """Start the app in a folder, with more words for its command; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, str(ROOT / "onebook.py"), "app", "--no-browser", f"--port={port}", *more]
    server = subprocess.Popen(
        words,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1):
                    break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


def _visits(address: str, path: str, book: Path) -> tuple[dict[str, float], dict[str, float]]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        _visit(browser, f"{address}/runs")  # the server's own imports are no page's cost
        rounds = [
            {
                name: _visit(browser, f"{address}/{name}?session=1", book if name == "overview" else None)
                for name in PAGES
            }
            for _ in range(2)
        ]
        browser.close()
    return rounds[0], rounds[1]


def _visit(browser: Any, url: str, book: Path | None = None) -> float:
    """Return the seconds until a page is shown; with a book its equity is compared."""
    tab = browser.new_context().new_page()
    tab.set_default_timeout(300_000)
    began = time.perf_counter()
    tab.goto(url)
    tab.locator('[data-testid="stHeading"]').first.wait_for()
    tab.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    seconds = time.perf_counter() - began
    assert tab.locator('[data-testid="stException"]').count() == 0, url
    if book is not None:
        from ledger import views
        from ledger.journal import Journal
        from sim.output.report import money_text

        with Journal.read(book) as journal:
            known = views.totals(journal, 1)
        assert known is not None and known.equity_e8 is not None
        assert tab.locator('[data-testid="stMetricValue"]').first.inner_text() == money_text(known.equity_e8, "USD")
    tab.close()
    return seconds


def _refresh(book: Path) -> float:
    """Return the seconds that the overview needs to see that nothing new came."""
    from app.shell import books

    times = []
    for _ in range(7):
        began = time.perf_counter()
        info, at = books.session(str(book), 1), books.picked(str(book), 1)
        times.append(time.perf_counter() - began)
        assert at.events == info.events
    return statistics.median(times)
