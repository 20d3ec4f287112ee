"""Sheets and pages for the tests of what people read."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np

from sim.metrics import measure
from sim.output.sheet import Sheet

E8 = 10**8
DAY_NS = 86_400 * 10**9
EVIL = "<img src=x onerror=alert(1)> [red]$x$[/red] {{ 7 * 7 }} </script><script>alert(2)</script>"


def curve(equity: list[int] | np.ndarray, start: int = 100, step_ns: int = DAY_NS, **changes: Any) -> Sheet:
    """Return a sheet of bars from 2 January 2024 on, with days but without a book; amounts are whole units."""
    amounts = np.array(equity, np.int64) * E8
    time_ns = np.arange(amounts.size, dtype=np.int64) * step_ns + 19_724 * DAY_NS
    days = time_ns // DAY_NS + 719_163
    none = np.empty(0, np.int64)
    nothing: dict[str, Any] = {"traded_e8": 0, "fees_e8": 0, "pnl_e8": none, "open_ns": none, "close_ns": none}
    figures = measure(amounts, time_ns, days, np.ones(amounts.size, bool), start_e8=start * E8, **nothing)
    drawn: Sheet = {
        "symbol": "AAPL", "strategy": "sma_cross(fast=10)", "currency": "USD", "figures": figures, "start_e8": start * E8,
        "time_ns": time_ns, "equity_e8": amounts, "days": days, "positions_e8": amounts // 2, "known": np.ones(amounts.size, bool),
    }  # fmt: skip
    return {**drawn, **changes}  # type: ignore[typeddict-item]


class Tags(HTMLParser):
    """Collect every tag, every attribute and all text of a page; scripts apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.scripts: list[str] = []
        self.inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend(attrs)
        self.inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts[-1] += data
        elif self.inside != "style":
            self.text += data


def drawn_data(page: str) -> dict[str, Any]:
    """Return what the script of a page would draw."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])
