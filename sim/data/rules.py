"""The rules about a sequence of bars: order, doubles, range, now, jumps.

Theory of operation. Each function takes a `Draft` and a `Gate` and returns the
draft it may continue with. Their order matters: sort before doubles, doubles
before neighbours are compared. A repair drops or reorders
rows, it never invents a price.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sim.data.errors import DataError, moment, repair_hint
from sim.data.gate import Gate
from sim.data.history import Float64Array, Int64Array
from sim.data.prices import Draft

JUMP = 0.6  # a price below 0.6 or above 1/0.6 of the one before is a jump of more than 40 %
WICK = 2.5  # a high or low so many times beyond open and close is a misplaced decimal point
RATIO_TOLERANCE = 0.05  # a split opens within a few per cent of its ratio
PRINT_TOLERANCE = 0.01  # a wrong multiple is exact; real panics of declared stocks are not


def _stamp(draft: Draft) -> Callable[[int], str]:
    return lambda at: moment(int(draft.ns[at]))


def in_order(draft: Draft, gate: Gate, column: str) -> Draft:
    """Demand rising times; `sort` sorts them (stable)."""
    back = np.zeros(len(draft.ns), np.bool_)
    back[1:] = draft.ns[1:] < draft.ns[:-1]
    if gate.judge(
        back,
        draft.row,
        "the rows are not in order of time",
        column=column,
        value=_stamp(draft),
        repair="sort",
    ):
        return draft.take(np.argsort(draft.ns, kind="stable"))
    return draft


def without_doubles(draft: Draft, gate: Gate, column: str) -> Draft:
    """Demand one row per time; identical rows and different rows have different repairs."""
    same = np.zeros(len(draft.ns), np.bool_)
    same[1:] = draft.ns[1:] == draft.ns[:-1]
    if not same.any():
        return draft
    equal = same.copy()
    for values in draft[2:]:
        equal[1:] &= values[1:] == values[:-1]
    keep_one = next((name for name in ("keep-first", "keep-last") if name in gate.asked), "")
    if equal.any() and (not keep_one or "drop-duplicates" in gate.asked):
        gate.judge(
            equal,
            draft.row,
            "the same row stands twice",
            column=column,
            value=_stamp(draft),
            repair="drop-duplicates",
        )
        return without_doubles(draft.take(~equal), gate, column)
    gate.judge(
        same,
        draft.row,
        "two different rows have the same time",
        column=column,
        value=_stamp(draft),
        repair=keep_one or "keep-first",
        fix=repair_hint("keep-last"),
    )
    if keep_one == "keep-last":
        return draft.take(np.append(~same[1:], True))
    return draft.take(~same)


def in_range(draft: Draft, gate: Gate) -> Draft:
    """Demand low <= open, close <= high."""
    drop = np.zeros(len(draft.ns), np.bool_)
    for name, wrong, rule in (
        ("high", draft.high < draft.low, "high is below low"),
        ("open", (draft.open < draft.low) | (draft.open > draft.high), "open is outside low..high"),
        ("close", (draft.close < draft.low) | (draft.close > draft.high), "close is outside low..high"),
    ):
        if gate.judge(
            wrong & ~drop,
            draft.row,
            rule,
            column=name,
            value=_ticks_of(draft, name),
            repair="drop-inconsistent",
        ):
            drop |= wrong
    return draft.take(~drop) if drop.any() else draft


def _ticks_of(draft: Draft, name: str) -> Callable[[int], str]:
    values: Int64Array = getattr(draft, name)
    return lambda at: f"{values[at]} ticks, low {draft.low[at]}, high {draft.high[at]}"


def enough(count: int, row: int, gate: Gate) -> None:
    """Demand two bars: nothing can be decided on one and filled on the next otherwise."""
    if count == 0:
        raise DataError(
            "no bars are left", file=gate.file, fix="choose a file, a range or repairs that leave bars"
        )
    rule = "there is only one bar"
    if count == 1 and not gate.allows("allow-one-bar", 1, row, rule):
        raise DataError(
            rule,
            file=gate.file,
            row=row,
            fix=repair_hint("allow-one-bar", "choose a longer history"),
        )


def is_past(draft: Draft, end_ns: Int64Array, now_ns: int, gate: Gate, column: str) -> NDArray[np.bool_]:
    """Return the bars to keep: those that are complete at `now_ns`."""
    late = end_ns > now_ns
    gate.judge(
        late,
        draft.row,
        "the bar ends in the future",
        column=column,
        value=_stamp(draft),
        repair="drop-unfinished",
        fix="correct the date",
    )
    return ~late


def no_jumps(draft: Draft, factor: Float64Array, declared: bool, gate: Gate) -> None:
    """Refuse a jump of more than 40 % by an integer ratio: an unadjusted split, or a bad print.

    With `declared` splits (a factor file) a jump that stays is real news; one that the same or the
    next bar takes back at an integer ratio is a bad print.
    """
    if len(draft.ns) < 2:
        return
    # Floats serve only to find suspects here; no money is computed from them.
    opens, closes = draft.open * factor, draft.close * factor
    before = closes[:-1]
    open_ratio, close_ratio = opens[1:] / before, closes[1:] / before
    next_open = np.append(opens[2:] / before[:-1], 1.0)
    tolerance = PRINT_TOLERANCE if declared else RATIO_TOLERANCE
    suspect_open, suspect_close = (
        _is_split_like(open_ratio, tolerance),
        _is_split_like(close_ratio, tolerance),
    )
    if declared:
        suspect_open &= ~_is_jump(close_ratio)
        suspect_close &= ~_is_jump(next_open) & _is_jump(close_ratio)
    wrong = np.zeros(len(draft.ns), np.bool_)
    wrong[1:] = suspect_open | suspect_close
    rule = (
        "the price jumps by an integer ratio and comes back: a bad print"
        if declared
        else "the price jumps by an integer ratio: it looks like an unadjusted split"
    )

    def text(at: int) -> str:
        """Say how far the price jumped."""
        use = open_ratio if suspect_open[at - 1] else close_ratio
        return f"{use[at - 1]:.4f} x the close before"

    gate.judge(
        wrong,
        draft.row,
        rule,
        column="open/close",
        value=text,
        repair="allow-jumps",
        fix="adjust the prices, correct the row, choose start or end around it",
    )
    if not declared:
        _no_spikes(draft, factor, wrong, gate)


def _no_spikes(draft: Draft, factor: Float64Array, known: NDArray[np.bool_], gate: Gate) -> None:
    """Refuse a price that is far away for one bar only: a bad print, whatever its ratio."""
    opens, highs, lows, closes = (ticks * factor for ticks in (draft.open, draft.high, draft.low, draft.close))
    gone = np.zeros(len(closes), np.bool_)
    gone[1:-1] = _is_jump(closes[1:-1] / closes[:-2]) & ~_is_jump(closes[2:] / closes[:-2])
    wick = (highs > WICK * np.maximum(opens, closes)) | (lows * WICK < np.minimum(opens, closes))
    rules = (
        (gone, "close", "the close is more than 40 % away for one bar and comes back: a bad print", closes),
        (wick & ~gone, "high/low", f"the high or low is more than {WICK} times away from open and close: a bad print", highs),
    )
    for wrong, column, rule, prices in rules:
        gate.judge(
            wrong & ~known,
            draft.row,
            rule,
            column=column,
            value=lambda at, prices=prices: f"{prices[at] / max(opens[at], 1e-300):.4f} x the open",  # type: ignore[misc]
            repair="allow-jumps",
            fix="correct the row",
        )


def _is_jump(ratio: Float64Array) -> NDArray[np.bool_]:
    return (ratio < JUMP) | (ratio > 1 / JUMP)


def _is_split_like(ratio: Float64Array, tolerance: float) -> NDArray[np.bool_]:
    """Return which ratios are more than 40 % and within `tolerance` of n:1 or 1:n."""
    large = np.maximum(ratio, 1 / ratio)
    whole = np.maximum(np.rint(large), 2.0)
    return _is_jump(ratio) & (np.abs(large / whole - 1) <= tolerance)
