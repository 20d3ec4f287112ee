"""Draw docs/screenshots/: every page of the app over the book of `onebook demo`, light and dark.

Theory of operation. The demo makes a book in a temporary folder (a backtest, a simulated paper day, a fuzz campaign), the
app is started over it as a person would start it, and Debian's Chromium looks at each page. Pictures are
made small by a palette of 256 colours that keeps the rare ones. Run it with `python -m docs.make_screenshots`, then look at every picture.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.app import served
from benchmarks.measures import ROOT

OUT = ROOT / "docs" / "screenshots"
WIDTH, COLOURS = 1280, 256
SETTLED_MS = 1_800
PAGES: tuple[tuple[str, str, int, bool], ...] = (
    ("compare", "", 1480, False),
    ("compare-dark", "", 1000, True),
    ("overview", "overview?session=3", 980, False),
    ("positions", "positions?session=7", 760, False),
    ("orders", "orders?session=3", 900, False),
    ("trades", "trades?session=1", 1000, False),
    ("trades-dark", "trades?session=1", 1000, True),
    ("pnl", "pnl?session=1", 1000, False),
    ("performance", "performance?session=1", 1000, False),
    ("performance-dark", "performance?session=1", 1000, True),
    ("risk", "risk?session=3", 900, False),
    ("leaderboard", "leaderboard", 560, False),
    ("runs", "runs", 560, False),
    ("ablation", "fuzz?session=8", 1000, False),
    ("fuzz", "fuzz?session=4", 1000, False),
    ("fuzz-dark", "fuzz?session=4", 1000, True),
    ("audit", "audit?session=3", 760, False),
)
"""Name of the picture, address, height in pixels, dark."""


def command(*words: str, cwd: Path) -> None:
    """Run a command of onebook; a finding (exit 3) is what a fuzz search is for."""
    line = [sys.executable, str(ROOT / "onebook.py"), *words]
    done = subprocess.run(line, check=False, cwd=cwd, env=_environment(), capture_output=True, text=True)
    if done.returncode not in (0, 3):
        sys.exit(f"onebook {' '.join(words)} failed: {done.stderr[-2000:]}")


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def make_book(folder: Path) -> Path:
    """Return the book of the demo with two more backtests and the ablation table."""
    book = folder / "runs" / "onebook.db"
    command("demo", "--no-picture", cwd=folder)
    command("backtest", "run", "sma_cross", "-p", "fast=20", "-p", "slow=100", "--no-picture", cwd=folder)
    command("backtest", "run", "rsi_reversion", "--data", "nasdaq", "--no-picture", cwd=folder)
    command("backtest", "run", "buy_and_hold", "--data", "nasdaq", "--no-picture", cwd=folder)
    command("fuzz", "zoo", "--seeds", "3", cwd=folder)
    return book


def small(png: bytes) -> bytes:
    """Return a picture with a palette, optimized."""
    from PIL import Image

    paper = io.BytesIO()
    full = Image.open(io.BytesIO(png)).convert("RGB")
    full.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(paper, "PNG", optimize=True)
    return paper.getvalue()


def idle(tab: Any) -> None:
    """Wait until the page has run and its pictures are drawn."""
    tab.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for(timeout=60_000)
    tab.wait_for_timeout(SETTLED_MS)


def sweep_picture(tab: Any, address: str) -> bytes:
    """Return the Backtest page after a sweep was run from it."""
    tab.set_viewport_size({"width": WIDTH, "height": 1400})
    tab.goto(f"{address}/backtest")
    tab.get_by_role("tab", name="Sweep").click()
    tab.get_by_role("button", name="Run the sweep").click()
    tab.get_by_text("done", exact=True).first.wait_for(timeout=300_000)
    idle(tab)
    return bytes(tab.screenshot())


def main() -> int:
    """Draw every picture."""
    from playwright.sync_api import sync_playwright

    browser_path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        sys.exit("no Chromium on this machine; install it or set CHROMIUM")
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        book = make_book(Path(folder))
        browser = play.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        with served(book.parent.parent) as address:
            for dark in (False, True):
                tab = browser.new_context(viewport={"width": WIDTH, "height": 900}, color_scheme="dark" if dark else "light").new_page()
                for name, path, height, wanted in PAGES:
                    if wanted == dark:
                        _write(name, lambda tab=tab, path=path, height=height: _picture(tab, f"{address}/{path}", height))  # type: ignore[misc]
                if not dark:
                    _write("backtest", lambda tab=tab: sweep_picture(tab, address))  # type: ignore[misc]
    return 0


def _picture(tab: Any, url: str, height: int) -> bytes:
    tab.set_viewport_size({"width": WIDTH, "height": height})
    tab.goto(url)
    tab.locator('[data-testid="stHeading"]').first.wait_for(timeout=60_000)
    idle(tab)
    return bytes(tab.screenshot())


def _write(name: str, take: Callable[[], bytes]) -> None:
    content = small(take())
    (OUT / f"{name}.png").write_bytes(content)
    sys.stdout.write(f"{name}.png {len(content) // 1024} kB\n")


if __name__ == "__main__":
    sys.exit(main())
