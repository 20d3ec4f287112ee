"""Daily and longer-kept bars from Yahoo through yfinance, an extra that is imported when it is asked for.

Theory of operation. The library downloads and answers with an empty table when the network or
Yahoo says no; both end in one sentence that says what to do. Its prices are floats with noise behind
the eighth decimal, so they are rounded to 1e-8 (`round-prices`) and counted as any repair is.
"""

from __future__ import annotations

import importlib
from datetime import date, timedelta
from typing import Any

from sim.data.errors import DataError

INTERVALS = {"1m": "1m", "2m": "2m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "60m", "1d": "1d"}
REPAIRS = ("round-prices", "drop-unfinished")


def csv_of(symbol: str, bar: str, start: date, end: date) -> bytes:
    """Return the bars of a symbol as the text of a CSV, prices adjusted for splits and dividends.

    Raises:
        DataError: yfinance is not installed, nothing came, or a bar length that Yahoo has not.
    """
    if bar not in INTERVALS:
        raise DataError("Yahoo has no bars of this length", column="bar", value=bar, fix=f"use one of {', '.join(INTERVALS)}")
    try:
        library: Any = importlib.import_module("yfinance")
    except ImportError:
        raise DataError(
            "yfinance is not installed", column="from", value="yahoo",
            fix="install the extra: pip install 'onebook[yahoo]', or use --from ib",
        ) from None
    try:
        frame = library.Ticker(symbol).history(
            interval=INTERVALS[bar], start=start.isoformat(), end=(end + timedelta(days=1)).isoformat(), auto_adjust=True, actions=False
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise _nothing(symbol, f"{type(error).__name__}: {error}") from None
    except Exception as error:  # yfinance has exceptions of its own, and those of its network library
        if type(error).__module__.split(".")[0] not in ("yfinance", "curl_cffi", "requests", "urllib3"):
            raise
        raise _nothing(symbol, f"{type(error).__name__}: {error}") from None
    if frame is None or not len(frame):
        raise _nothing(symbol, "the answer was empty")
    return text_of(frame, bar == "1d")


def _nothing(symbol: str, reason: str) -> DataError:
    return DataError(
        f"nothing came from Yahoo ({reason})", column="symbol", value=symbol,
        fix="check the network, the symbol and the dates; minutes go back a few weeks only",
    )  # fmt: skip


def text_of(frame: Any, daily: bool) -> bytes:
    """Return a table of yfinance as the text of a CSV; prices in 10 decimals, times in UTC."""
    lines = ["date,open,high,low,close,volume" if daily else "time,open,high,low,close,volume"]
    stamps = frame.index.strftime("%Y-%m-%d") if daily else frame.index.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    columns = [[_number(value) for value in frame[name].tolist()] for name in ("Open", "High", "Low", "Close")]
    volume = [_number(value) for value in frame["Volume"].tolist()]
    lines += [",".join(row) for row in zip(stamps, *columns, volume, strict=True)]
    return ("\n".join(lines) + "\n").encode()


def _number(value: Any) -> str:
    text = f"{float(value):.10f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
