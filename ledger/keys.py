"""Order keys: where an order comes from, packed into one positive int64.

Theory of operation. A key (FIX ClOrdID, IB orderRef) is
`strategy | instrument | purpose | decision bar | leg`. Packing is a bijection,
not a hash: the same decision gives the same key in every process, for ever, and
a key read back from a broker says which decision it was. Nothing random, no
clock, no counter that a fresh process could reset.

Bits, from the top: strategy 9, instrument 13, purpose 4, bar 33 (seconds since
1900-01-01 UTC), leg 4. The sign bit stays 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from ledger.kernel import inlined, kernel
from ledger.vocabulary import Purpose

STRATEGIES_MAX, INSTRUMENTS_MAX, SECONDS_MAX, LEGS_MAX = 1 << 9, 1 << 13, 1 << 33, 1 << 4
EPOCH_1900 = 2_208_988_800
"""Seconds from 1900-01-01 to 1970-01-01 UTC."""


class Key(NamedTuple):
    """The parts of an order key."""

    strategy: int
    instrument: int
    purpose: int
    bar_s: int
    """Decision bar, seconds since 1970-01-01 UTC."""
    leg: int


@kernel
def pack(strategy: int, instrument: int, purpose: int, bar_s: int, leg: int) -> int:
    """Return the key, or 0 when a part is out of range (no legal key is 0).

    Args:
        strategy: 1..511. instrument: 1..8191. purpose: a Purpose.
        bar_s: seconds since 1970-01-01 UTC, from 1900 to 2172. leg: 0..15.
    """
    seconds = bar_s + EPOCH_1900
    if strategy < 1 or strategy >= STRATEGIES_MAX or instrument < 1 or instrument >= INSTRUMENTS_MAX:
        return 0
    if purpose < Purpose.TARGET or purpose > Purpose.ACCUMULATE or leg < 0 or leg >= LEGS_MAX:
        return 0
    if seconds < 0 or seconds >= SECONDS_MAX:
        return 0
    return (((strategy << 13 | instrument) << 4 | purpose) << 33 | seconds) << 4 | leg


@inlined
def instrument_of(key: int) -> int:
    """Return the instrument id inside a key."""
    return (key >> 41) & 0x1FFF


@inlined
def purpose_of(key: int) -> int:
    """Return the Purpose inside a key."""
    return (key >> 37) & 0xF


@inlined
def strategy_of(key: int) -> int:
    """Return the strategy id inside a key."""
    return key >> 54


def unpack(key: int) -> Key:
    """Return the parts of a key.

    Raises:
        ValueError: not a key that `pack` could have made.
    """
    parts = Key(key >> 54, (key >> 41) & 0x1FFF, (key >> 37) & 0xF, ((key >> 4) & 0x1FFFFFFFF) - EPOCH_1900, key & 0xF)
    if key <= 0 or pack(*parts) != key:
        raise ValueError(f"{key} is not an order key; keys are made by ledger.keys.pack")
    return parts


def make(strategy: int, instrument: int, purpose: Purpose, bar_s: int, leg: int = 0) -> int:
    """Return the key; like `pack`, but a part out of range is an error.

    Raises:
        ValueError: naming the parts and their ranges.
    """
    key = pack(strategy, instrument, int(purpose), bar_s, leg)
    if key == 0:
        raise ValueError(
            f"no key for strategy {strategy} (1..511), instrument {instrument} (1..8191), purpose {int(purpose)} (1..9), "
            f"bar {bar_s} s (years 1900..2172), leg {leg} (0..15)"
        )
    return int(key)


def text(key: int, strategies: Mapping[int, str], symbols: Mapping[int, str]) -> str:
    """Return the key as people and IB's orderRef read it: `sma_cross|AAPL|TARGET|2026-01-02T21:00:00Z|0`."""
    parts = unpack(key)
    purpose = Purpose(parts.purpose).name if parts.purpose in set(Purpose) else str(parts.purpose)
    bar = datetime.fromtimestamp(parts.bar_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    strategy, symbol = strategies.get(parts.strategy, f"#{parts.strategy}"), symbols.get(parts.instrument, f"#{parts.instrument}")
    return f"{strategy}|{symbol}|{purpose}|{bar}|{parts.leg}"


def parse(line: str, strategies: Mapping[str, int], symbols: Mapping[str, int]) -> int:
    """Return the key that `text` wrote.

    Raises:
        ValueError: not five parts, or a name nobody knows.
    """
    pieces = line.split("|")
    if len(pieces) != 5:
        raise ValueError(f"order reference {line!r} is not strategy|instrument|purpose|bar|leg")
    strategy, symbol, purpose, bar, leg = pieces
    try:
        moment = datetime.strptime(bar, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        return make(_number(strategy, strategies), _number(symbol, symbols), Purpose[purpose], int(moment.timestamp()), int(leg))
    except KeyError as error:
        raise ValueError(f"order reference {line!r} names {error.args[0]!r}, which this book does not know") from error


def _number(name: str, numbers: Mapping[str, int]) -> int:
    return int(name[1:]) if name.startswith("#") and name[1:].isascii() and name[1:].isdecimal() else numbers[name]


def split_exec_id(exec_id: str) -> tuple[str, int]:
    """Split an IB execution id into its base and its revision: `0001.4f2.01.02` -> (`0001.4f2.01`, 2).

    A correction repeats the id with only the digits after the last dot changed
    (IB API documentation of execDetails). An id without a numeric tail is revision 0.
    """
    base, dot, tail = exec_id.rpartition(".")
    return (base, int(tail)) if dot and tail.isascii() and tail.isdecimal() and base else (exec_id, 0)
