"""The trial ledger: which configurations were ever tried, counted by hash.

Theory of operation. A trial is added once, by whoever ran it, in one transaction; it
is never changed and never taken out, so a count only grows. A stored backtest is a
trial whether or not a row speaks of it (an older release stored none, and a process
may die between storing and counting): its hash follows from its config, so the count
is that of the rows and the sessions together, each hash once. A book of schema 1 has
no table of trials and is counted from its sessions alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ledger.journal.errors import JournalError
from ledger.journal.provenance import canonical_json

if TYPE_CHECKING:
    from ledger.journal.journal import Journal

HASH_BYTES = 32
MARK = "\0params\0"
"""Stands for parameters in a text that is about them; no name or path can hold it."""
PLACES = frozenset({"data", "reading", "strategies", "timezone"})
"""Keys of a config that say where things lie and not what was tried: another way to the same bars is no new trial."""


class TrialCount(NamedTuple):
    """How many configurations of a family were tried, and what is known of their Sharpe ratios (per day)."""

    trials: int
    unrecorded: int  # of these: stored backtests that no trial row speaks of
    sharpes: tuple[float, ...]


def trial_hash(configuration: Mapping[str, Any]) -> str:
    """Return 64 hex digits that name what was tried: strategy, parameters, data, setting; 10 and 10.0 are one value.

    Raises:
        TypeError: a value that JSON has no word for. ValueError: NaN or infinity.
    """
    kept = {key: _plain(value) for key, value in configuration.items() if key not in PLACES}
    return hashlib.sha256(canonical_json(kept).encode()).hexdigest()


def trial_hashes(configuration: Mapping[str, Any], params: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return `trial_hash` of each parameter set, all else being equal: the text around them is written once."""
    kept = {key: _plain(value) for key, value in configuration.items() if key not in PLACES}
    before, after = canonical_json({**kept, "params": MARK}).split(json.dumps(MARK))
    start, end = hashlib.sha256(before.encode()), after.encode()
    found = []
    for values in params:
        one = start.copy()
        one.update(canonical_json(_plain(values)).encode() + end)
        found.append(one.hexdigest())
    return found


def _plain(value: Any) -> Any:
    """Return a value with numpy's numbers as Python's, and whole floats as integers."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def family_name(strategy: str, instruments: Iterable[tuple[str, str]]) -> str:
    """Return the name of a family: the strategy, and each (symbol, bar) it ran on, in sorted order.

    Neither dates nor the data's hash are in it: one more day of prices does not make what was tried before untried.
    """
    return f"{strategy} on {', '.join(sorted(f'{symbol} {bar}' for symbol, bar in set(instruments)))}"


def family_of(config: Mapping[str, Any]) -> str | None:
    """Return the family of a backtest by its config, or None when the config does not say."""
    strategy, instruments = config.get("strategy"), config.get("instruments")
    if not isinstance(strategy, str) or not isinstance(instruments, list) or not instruments:
        return None
    try:
        return family_name(strategy, [(row["symbol"], row["bar"]) for row in instruments])
    except (KeyError, TypeError):
        return None


def add(
    journal: Journal, family: str, hashes: Iterable[str], session_id: int | None, sharpes: Mapping[str, float]
) -> int:
    """Add the trials that are not there yet, inside the caller's transaction; return how many were new.

    Args:
        hashes: 64 hex digits each. sharpes: mean over deviation of the daily returns, by hash, where known.
    Raises:
        JournalError: a hash that is none.
    """
    connection, now = journal.connection, journal.clock()
    connection.execute("INSERT OR IGNORE INTO trial_family (name) VALUES (?)", (family,))
    number = connection.execute("SELECT id FROM trial_family WHERE name = ?", (family,)).fetchone()[0]
    rows = [(number, _digest(text), session_id, now, sharpes.get(text)) for text in hashes]
    before = connection.total_changes
    connection.executemany(
        "INSERT OR IGNORE INTO trial (family_id, hash, session_id, recorded_ns, sharpe) VALUES (?, ?, ?, ?, ?)", rows
    )
    return connection.total_changes - before


def _digest(text: str) -> bytes:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != HASH_BYTES:
        raise JournalError(f"{text!r} is no trial hash: it must have {2 * HASH_BYTES} hex digits, as `trial_hash` makes them")
    return digest


def count(journal: Journal, family: str) -> TrialCount:
    """Return how many configurations of a family were ever tried."""
    with journal.reading():
        rows = _rows(journal, family)
        unrecorded = {digest for digest in _sessions(journal, family) if digest not in rows}
    known = tuple(sharpe for sharpe in rows.values() if sharpe is not None)
    return TrialCount(len(rows) + len(unrecorded), len(unrecorded), known)


def _rows(journal: Journal, family: str) -> dict[bytes, float | None]:
    """Return the recorded trials of a family with their Sharpe ratios, by hash."""
    if not _has_table(journal):
        return {}
    sql = "SELECT hash, sharpe FROM trial WHERE family_id = (SELECT id FROM trial_family WHERE name = ?) ORDER BY hash"
    return dict(journal.connection.execute(sql, (family,)).fetchall())


def _has_table(journal: Journal) -> bool:
    return journal.connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'trial'").fetchone() is not None


def _sessions(journal: Journal, family: str) -> Iterator[bytes]:
    """Yield the trial hash of every stored backtest of a family."""
    for (text,) in journal.connection.execute("SELECT config FROM session WHERE kind = 'backtest'"):
        config = json.loads(text)
        if family_of(config) == family:
            yield bytes.fromhex(trial_hash(config))


def family_of_hash(journal: Journal, text: str) -> str | None:
    """Return the family a trial was recorded in, or None when it was not."""
    if not _has_table(journal):
        return None
    sql = "SELECT f.name FROM trial AS t JOIN trial_family AS f ON f.id = t.family_id WHERE t.hash = ? ORDER BY f.id"
    found = journal.connection.execute(sql, (_digest(text),)).fetchone()
    return None if found is None else str(found[0])


def families(journal: Journal) -> list[tuple[str, int]]:
    """Return (family, recorded trials) of every family, by name; a book of schema 1 has none."""
    if not _has_table(journal):
        return []
    sql = (
        "SELECT f.name, count(t.hash) FROM trial_family AS f LEFT JOIN trial AS t ON t.family_id = f.id"
        " GROUP BY f.id ORDER BY f.name"
    )
    return [(name, int(number)) for name, number in journal.connection.execute(sql)]
