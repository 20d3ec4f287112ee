"""The report as files: one HTML page, CSV of trades and of totals, and the plain figures the next report is compared with.

Theory of operation. The plain figures of each report are kept beside it as JSON. A report is held against the last
one of an earlier day (what changed since) and, when its own day was reported before, against that: a total of a day that is over
should not change, and when a late fee or fill changes it the reader is told. Names are text in HTML and no
formula in CSV.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ledger.units import decimal_text
from sim.daily.facts import Report, plain
from sim.output.export import harmless, whole_file
from sim.output.page import render

UNKNOWN = "unknown"


class Change(NamedTuple):
    """A figure in this report and in an earlier one, as exact text."""

    name: str
    now: str | None
    before: str | None


def stem(found: Report) -> str:
    """Return the name of a report's files without their ending."""
    return f"daily-{Path(found.book).stem}-{found.info.id}-{found.date}"


def write(found: Report, folder: Path) -> dict[str, Path]:
    """Write the files of a report into a folder and return them by kind: html, trades, totals, figures."""
    folder.mkdir(parents=True, exist_ok=True)
    earlier, same = kept(found, folder)
    contents = {
        "html": (".html", html(found, earlier, same).encode()),
        "trades": ("-trades.csv", _csv(*_trade_rows(found))),
        "totals": ("-totals.csv", _csv(*_total_rows(found))),
        "figures": (".json", json.dumps(plain(found), indent=2, ensure_ascii=False).encode()),
    }
    return {kind: whole_file(folder / f"{stem(found)}{ending}", content) for kind, (ending, content) in contents.items()}


def kept(found: Report, folder: Path) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return the plain figures of the last report of an earlier day, and those of an earlier report of this day."""
    return _earlier(found, folder), _read(folder / f"{stem(found)}.json")


def _earlier(found: Report, folder: Path) -> dict[str, Any] | None:
    """Return the plain figures of the last report of an earlier day of this session, or None."""
    start = stem(found).removesuffix(found.date)
    names = sorted(path.name for path in folder.glob("daily-*.json") if path.name.startswith(start) and path.name < f"{stem(found)}.json")
    return _read(folder / names[-1]) if names else None


def _read(path: Path) -> dict[str, Any] | None:
    """Return the figures of an earlier report; a file that is none is passed over."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return read if isinstance(read, dict) and isinstance(read.get("totals"), dict) else None


def changes(now: dict[str, Any], before: dict[str, Any] | None) -> list[Change]:
    """Return the figures that differ between two reports; nothing without an earlier one."""
    if before is None:
        return []
    names = ("equity", "executions", "bought", "sold", "trades", "orders", "refusals", "fees_unknown")
    pairs = [(name.replace("_", " "), now.get(name), before.get(name)) for name in names]
    pairs += [(name, value, before["totals"].get(name)) for name, value in now["totals"].items()]
    return [Change(name, _text(one), _text(other)) for name, one, other in pairs if one != other]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def html(found: Report, earlier: dict[str, Any] | None = None, same: dict[str, Any] | None = None) -> str:
    """Return the page of a report.

    Args:
        earlier: plain figures of the last report of an earlier day. same: those of an earlier report of this day.
    """
    explained, now = found.explanation, plain(found)
    change = None if explained.before_e8 is None or explained.after_e8 is None else explained.after_e8 - explained.before_e8
    notes = [
        f"{total.name}: the book says {_money(total.value)} and executions say {_money(total.recounted)}."
        for total in found.totals
        if total.agrees is False
    ]
    if explained.residual_e8:
        notes.append(f"The causes leave {_money(explained.residual_e8)} of the change unexplained.")
    if found.fees_unknown:
        notes.append(f"{found.fees_unknown} executions have no commission yet; they count without one.")
    return render(
        {"unit": "", "times": [], "panels": [], "trades": None}, template="daily.html", tables_only=True,
        title=f"{found.date} · {found.info.kind} {found.info.id} · {found.info.scope}", notes=notes,
        subtitle=f"trading day in {found.zone}; made of {found.events:,} events of {Path(found.book).name}",
        outcome=f"Equity {_money(explained.before_e8)} became {_money(explained.after_e8)}: {_money(change)}",
        report=found, money=_money, causes=[(part.name, _money(part.amount_e8), part.meaning) for part in explained.parts],
        totals=_total_rows(found)[1], trades=_trade_rows(found)[1], trade_columns=_trade_rows(found)[0],
        since=changes(now, earlier), since_date=earlier["date"] if earlier else None, again=changes(now, same), quantity=decimal_text,
    )  # fmt: skip


def _money(amount_e8: int | None) -> str:
    return UNKNOWN if amount_e8 is None else decimal_text(amount_e8)


def _trade_rows(found: Report) -> tuple[list[str], list[list[str]]]:
    """Return the day's trades as text: header and rows."""
    from ledger.compare.words import moment

    columns = ["symbol", "side", "quantity", "opened", "closed", "cost", "proceeds", "profit", "fees", "net"]
    rows = []
    for trade in found.trades:
        fees = None if trade.net_e8 is None else trade.pnl_e8 - trade.net_e8
        what = [trade.symbol, "long" if trade.side > 0 else "short", decimal_text(trade.qty_lots, trade.qty_exp)]
        when = [str(moment(trade.open_time_ns)), str(moment(trade.close_time_ns))]
        rows.append([*what, *when, *map(_money, (trade.cost_e8, trade.proceeds_e8, trade.pnl_e8, fees, trade.net_e8))])
    return columns, rows


def _total_rows(found: Report) -> tuple[list[str], list[list[str]]]:
    """Return the totals, each beside its recount, as text: header and rows."""
    words = {True: "yes", False: "NO", None: UNKNOWN}
    rows = [[total.name, _money(total.value), _money(total.recounted), words[total.agrees], total.meaning] for total in found.totals]
    return ["total", "book", "recounted from executions", "agrees", "meaning"], rows


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Return a table as CSV: unknown is an empty cell, and no cell is a formula."""
    paper = io.StringIO()
    writer = csv.writer(paper, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if cell == UNKNOWN else harmless(cell) for cell in row] for row in rows)
    return paper.getvalue().encode()
