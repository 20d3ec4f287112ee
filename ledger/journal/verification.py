"""Verification: everything about a session that can be compared with something else.

Theory of operation. The schema says whether the guards are all there, the chain
whether events are what was recorded, the replay whether this code still gives the same answers, the end row and the snapshots whether
the book is the same, the high-water mark whether the tail is there, and the replayed
book whether the projections say what it says. Findings are listed in that order;
an unreadable page is a finding too.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from ledger.book import Book, section_rows
from ledger.journal import projection, replay, snapshots
from ledger.journal.days import zone_of
from ledger.journal.store import chain, files, migrations
from ledger.journal.errors import JournalError
from ledger.journal.store.mark import read_marks
from ledger.journal.names import Names
from ledger.journal.tables import PROJECT_EVERY
from ledger.vocabulary import Method


class Finding(NamedTuple):
    """Something that is not as it should be. `part`: sqlite, schema, chain, names, end, snapshot, mark, projection."""

    part: str
    text: str


class Verification(NamedTuple):
    """What was checked, and what was found. `digest` is of the replayed book."""

    session_id: int
    events: int
    digest: str
    findings: list[Finding]

    @property
    def ok(self) -> bool:
        """Say whether nothing was found."""
        return not self.findings


class _Checker:
    def __init__(self, connection: sqlite3.Connection, database: Path, session_id: int) -> None:
        self.connection, self.database, self.session_id = connection, database, session_id
        self.book = Book()
        self.genesis = b""
        self.last = self.projected = self.may_be_behind = 0
        self.then = self.book
        """The book that the tables should say: that of the event they came to."""
        self.whole = False

    def sqlite(self) -> Iterator[str]:
        for (line,) in self.connection.execute("PRAGMA integrity_check"):
            if line != "ok":
                yield line

    def schema(self) -> Iterator[str]:
        """A guard that was dropped, or a table whose text was damaged, guards nothing."""
        stored = dict(self.connection.execute("SELECT name, sql FROM sqlite_schema").fetchall())
        for name, sql in migrations.expected_schema(migrations.version_of(self.connection)).items():
            if stored.get(name) != sql:
                yield f"{name} is not as schema.sql says; restore it from there, or restore a backup"

    def chain(self) -> Iterator[str]:
        row = replay.session_row(self.connection, self.session_id)
        self.genesis, self.last = chain.genesis(row), replay.last_seq(self.connection, self.session_id)
        self.book = Book(method=Method(row["method"]))
        ended = self.connection.execute("SELECT 1 FROM session_end WHERE session_id = ?", (self.session_id,)).fetchone()
        self.may_be_behind = PROJECT_EVERY - 1 if row["exclusive"] and not ended else 0
        sql = "SELECT coalesce(max(seq), 0) FROM account WHERE session_id = ?"
        self.projected = min(int(self.connection.execute(sql, (self.session_id,)).fetchone()[0]), self.last)
        replayed = replay.extend(self.connection, self.session_id, self.book, self.genesis, self.projected)
        self.then = self.book if self.projected == self.last else self.book.copy()
        if replayed.broken is None and self.projected < self.last:
            replayed = replay.extend(self.connection, self.session_id, self.book, replayed.head, self.last)
        if replayed.broken is not None:
            yield f"event {replayed.broken.seq} {replayed.broken.reason}"
        self.whole = replayed.broken is None

    def names(self) -> Iterator[str]:
        try:
            Names(self.session_id, self.genesis).load(self.connection)
        except JournalError as error:
            yield str(error)

    def end(self) -> Iterator[str]:
        rows = self.connection.execute("SELECT events, digest FROM session_end WHERE session_id = ?", (self.session_id,))
        found = rows.fetchone()
        if found and found[0] != self.last:
            yield f"the session ended with {found[0]} events and has {self.last}"
        elif found and self.whole and found[1] != self.book.digest():
            yield f"the session ended with book {found[1][:12]} and its events give {self.book.digest()[:12]}"

    def snapshot(self) -> Iterator[str]:
        rows = self.connection.execute(
            "SELECT seq, event_hash, digest, file_hash, file FROM snapshot WHERE session_id = ?", (self.session_id,)
        )
        for seq, event_hash, digest, file_hash, file in rows.fetchall():
            book, fault = snapshots.read_file(files.sidecar(self.database, "snapshots") / file, file_hash)
            if book is None:
                yield fault
            elif replay.hash_at(self.connection, self.session_id, seq) != event_hash:
                yield f"snapshot {file} names event {seq}, which has another hash"
            elif book.digest() != digest or book.seq != seq:
                yield f"snapshot {file} is not the book its row names"

    def mark(self) -> Iterator[str]:
        marks, bad = read_marks(files.sidecar(self.database, "mark"))
        if self.session_id in bad:
            yield "the high-water mark of this session is unreadable; a lost tail would go unseen until the next commit"
        mine = [mark for mark in marks if mark.session_id == self.session_id]
        if not mine and self.last and self.session_id not in bad:
            yield "this session has no high-water mark; a lost tail would go unseen until the next commit"
        for mark in mine:
            if mark.seq > self.last:
                yield f"event {mark.seq} was committed and the journal ends at {self.last}: its tail is lost"
            elif (replay.hash_at(self.connection, self.session_id, mark.seq) if mark.seq else self.genesis) != mark.hash:
                yield f"event {mark.seq} is not the one that was committed"

    def projection(self) -> Iterator[str]:
        if not self.whole:
            return
        behind = self.last - self.projected
        if behind > self.may_be_behind:
            yield f"the tables came to event {self.projected} of {self.last}; they may be {self.may_be_behind} events behind at most"
        names = dict(self.connection.execute("SELECT number, text FROM name WHERE session_id = ?", (self.session_id,)).fetchall())
        defined = self.connection.execute(
            "SELECT instrument, ref FROM event WHERE session_id = ? AND kind = 1 AND ref > 0", (self.session_id,)
        )
        symbols = {number: names.get(ref, "") for number, ref in defined}
        config = self.connection.execute("SELECT config FROM session WHERE id = ?", (self.session_id,)).fetchone()[0]
        zone = zone_of(json.loads(config))
        for table, columns, expected in wanted_rows(self.then, symbols, zone):
            sql = " ".join(("SELECT", columns, "FROM", table, "WHERE session_id = ? ORDER BY 1"))
            stored = self.connection.execute(sql, (self.session_id,)).fetchall()
            if stored != expected:
                yield _difference(table, columns, stored, expected)


def wanted_rows(book: Book, symbols: dict[int, str], zone: ZoneInfo) -> Iterator[tuple[str, str, projection.Rows]]:
    """Yield (table, columns, rows) of every projection, from the book alone."""
    for table in projection.TABLES:
        first = 1 if table is projection.INSTRUMENT else 0
        numbers = np.arange(first, len(section_rows(book.arena, table.section)))
        columns = ", ".join(["number", *projection.column_names(table)])
        yield table.name, columns, projection.table_rows(book.arena, table, numbers, symbols, zone)
    fees = projection.fee_rows(book.arena).tolist()
    yield "alloc_fee", "number, open_fee_e8, close_fee_e8, known", [(n, *line) for n, line in enumerate(fees)]
    account: projection.Rows = [projection.account_row(book.arena)] if book.seq else []
    yield "account", ", ".join(projection.ACCOUNT_COLUMNS), account


def _difference(table: str, columns: str, stored: projection.Rows, expected: projection.Rows) -> str:
    """Name the first row and column of a projection that is not what the events give."""
    if len(stored) != len(expected):
        return f"{table} has {len(stored)} rows and the events give {len(expected)}"
    was, should = next((a, b) for a, b in zip(stored, expected, strict=True) if a != b)
    column, one, other = next((c, a, b) for c, a, b in zip(columns.split(", "), was, should, strict=True) if a != b)
    return f"{table} row {was[0]}: {column} is {one!r} and the events give {other!r}"


def verify(connection: sqlite3.Connection, database: Path, session_id: int) -> Verification:
    """Check all that can be checked about a session; nothing is raised for what is found."""
    check = _Checker(connection, database, session_id)
    findings: list[Finding] = []
    steps: tuple[Callable[[], Iterator[str]], ...] = (
        check.sqlite, check.schema, check.chain, check.names, check.end, check.snapshot, check.mark, check.projection,
    )  # fmt: skip
    own = not connection.in_transaction
    try:
        if own:
            connection.execute("BEGIN")
        for step in steps:
            _collect(step, findings)
    finally:
        if own and connection.in_transaction:
            connection.execute("ROLLBACK")
    return Verification(session_id, check.last, check.book.digest(), findings)


def _collect(step: Callable[[], Iterator[str]], findings: list[Finding]) -> None:
    part = step.__name__
    try:
        findings.extend(Finding(part, text) for text in step())
    except (sqlite3.Error, JournalError, ValueError, TypeError, OverflowError) as error:
        findings.append(Finding(part, f"cannot be read: {error}"))
