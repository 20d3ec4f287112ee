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
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from ledger.units import decimal_text
from sim.daily.facts import EPOCH_ORDINAL, Report, plain
from sim.data.errors import DataError
from sim.output.export import csv_bytes, harmless, whole_file
from sim.output.page import render
from sim.output.periods import frame, periods
from sim.output.report import money_text
from sim.output.sheet import Sheet
from sim.periods import MONTHS, Period, called

UNKNOWN = "unknown"
LONGER = ("1w", *MONTHS)


class Change(NamedTuple):
    """A figure in this report and in an earlier one, as exact text."""

    name: str
    now: str | None
    before: str | None


def stem(found: Report) -> str:
    """Return the name of a report's files without their ending."""
    return f"daily-{Path(found.book).stem}-{found.info.id}-{found.date}"


def write(found: Report, folder: Path, parts: Sequence[Period] = ()) -> dict[str, Path]:
    """Write the files of a report into a folder and return them by kind: html, trades, totals, figures, and periods if there are any.

    Args:
        parts: periods of the day, as `day_parts` returns them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    earlier, same = kept(found, folder)
    contents = {
        "html": (".html", html(found, earlier, same, parts).encode()),
        "trades": ("-trades.csv", _csv(*_trade_rows(found))),
        "totals": ("-totals.csv", _csv(*_total_rows(found))),
        "figures": (".json", json.dumps(plain(found), indent=2, ensure_ascii=False).encode()),
    } | ({"periods": ("-periods.csv", csv_bytes(frame(list(parts))))} if parts else {})
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


def day_parts(sheet: Sheet, found: Report, by: str) -> list[Period]:
    """Return the periods of the report's day: `5min`, `1h` ... on the exchange's clock, or the session.

    Raises:
        DataError: no such kind, one that is longer than a session, or one finer than the points of the session.
    """
    if called(by) in LONGER:
        raise DataError("a day has no such periods", column="by", value=by, fix="use 5min, 1h ... or session")
    return [part for part in periods(sheet, by) if part.day == found.day + EPOCH_ORDINAL]


def html(
    found: Report, earlier: dict[str, Any] | None = None, same: dict[str, Any] | None = None, parts: Sequence[Period] = ()
) -> str:
    """Return the page of a report.

    Args:
        earlier: plain figures of the last report of an earlier day. same: those of an earlier report of this day. parts: as for `write`.
    """
    explained, now = found.explanation, plain(found)
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
        outcome=_outcome(explained.before_e8, explained.after_e8),
        report=found, money=_grouped_money, causes=[(part.name, _grouped_money(part.amount_e8), part.meaning) for part in explained.parts],
        totals=[list(map(_grouped, row)) for row in _total_rows(found)[1]],
        trades=_trades_on_clock(found), trade_columns=_trade_rows(found)[0],
        since=_grouped_changes(now, earlier), since_date=earlier["date"] if earlier else None, again=_grouped_changes(now, same),
        quantity=lambda lots, exp: _grouped(_quantity(lots, exp)), periods=_period_rows(parts),
    )  # fmt: skip


def _outcome(before_e8: int | None, after_e8: int | None) -> str:
    """Return the day in one line, in cents; the exact change stands below it, cause by cause."""
    if before_e8 is None or after_e8 is None:
        texts = (UNKNOWN if amount is None else money_text(amount, "USD") for amount in (before_e8, after_e8))
        return "Equity {} became {}".format(*texts)
    change = after_e8 - before_e8
    share = f", {change / before_e8:+.2%}" if before_e8 > 0 else ""
    plus = "+" if change > 0 else ""
    return f"Equity {money_text(before_e8, 'USD')} became {money_text(after_e8, 'USD')} ({plus}{money_text(change, 'USD')}{share})"


NUMBER = re.compile(r"(-?)(\d+)(?:\.(\d+))?")


def _grouped(text: str) -> str:
    """Return an exact number with thousands apart; anything else as it is."""
    found = NUMBER.fullmatch(text)
    if found is None:
        return text
    fraction = "" if found[3] is None else f".{found[3]}"
    return f"{found[1]}{int(found[2]):,}{fraction}"


def _grouped_money(amount_e8: int | None) -> str:
    return _grouped(_money(amount_e8))


def _grouped_changes(now: dict[str, Any], before: dict[str, Any] | None) -> list[Change]:
    texts = (None if text is None else _grouped(text) for change in changes(now, before) for text in change[1:])
    return [Change(change.name, *pair) for change, pair in zip(changes(now, before), zip(texts, texts, strict=True), strict=True)]


def _period_rows(parts: Sequence[Period]) -> list[list[str]]:
    """Return the periods of the day as text, and their sums when there are several."""
    rows = [
        [part.label, _grouped_money(part.profit_e8), _grouped_money(part.equity_e8), f"{part.fills:,}", _grouped_money(part.fees_e8),
         f"{part.closed:,}", _grouped_money(part.realized_e8)]
        for part in parts
    ]  # fmt: skip
    if len(parts) < 2:
        return rows
    profits = [part.profit_e8 for part in parts]
    whole = None if None in profits else sum(profit or 0 for profit in profits)
    counts = f"{sum(part.fills for part in parts):,}", f"{sum(part.closed for part in parts):,}"
    fees, realized = (_grouped_money(sum(getattr(part, name) for part in parts)) for name in ("fees_e8", "realized_e8"))
    return [*rows, ["all", _grouped_money(whole), "", counts[0], fees, counts[1], realized]]


def _money(amount_e8: int | None) -> str:
    return UNKNOWN if amount_e8 is None else decimal_text(amount_e8)


def _trades_on_clock(found: Report) -> list[list[str]]:
    """Return the rows of `_trade_rows` as people read them: thousands apart, times on the exchange's clock."""
    rows = [list(map(_grouped, row)) for row in _trade_rows(found)[1]]
    for row, trade in zip(rows, found.trades, strict=True):
        row[3:5] = (_clock(time_ns, found) for time_ns in (trade.open_time_ns, trade.close_time_ns))
    return rows


def _clock(time_ns: int, found: Report) -> str:
    """Return a time in the report's zone; its date only when it is another day."""
    when = datetime.fromtimestamp(time_ns // 10**9, ZoneInfo(found.zone))
    return f"{when:%H:%M:%S}" if when.date().isoformat() == found.date else f"{when:%Y-%m-%d %H:%M:%S}"


def _quantity(lots: int, exp: int) -> str:
    """Return a quantity; a whole one has no decimals, which money always has."""
    return decimal_text(lots, exp).removesuffix(".00")


def _trade_rows(found: Report) -> tuple[list[str], list[list[str]]]:
    """Return the day's trades as text: header and rows."""
    from ledger.compare.words import moment

    columns = ["symbol", "side", "quantity", "opened", "closed", "cost", "proceeds", "profit", "fees", "net"]
    rows = []
    for trade in found.trades:
        fees = None if trade.net_e8 is None else trade.pnl_e8 - trade.net_e8
        what = [trade.symbol, "long" if trade.side > 0 else "short", _quantity(trade.qty_lots, trade.qty_exp)]
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
