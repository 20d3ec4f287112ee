"""Import sessions: a file's rows kept word for word, its trades booked, and both read back for an audit.

Theory of operation. `import_file` reads a file twice: once to understand it and to take the digest over its rows, once to
store them. Each raw row becomes a kept message (table, JSON) whose number is the row's number in the file, and each
bookable trade a FILL with KEPT + that number as execution id: from any figure of the book one can go back to the row.
The session's config, which the hash chain covers, holds the file's SHA-256, the digest of the rows, the columns and definitions of
each table and the options, so that `source_of` gives the audit exactly what the importer saw. A session that was not
ended as `done` was interrupted and is not audited.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.book import E_REF
from ledger.journal import Journal, Session
from ledger.rescue.booking import Grid, definitions, facts, marks, openings
from ledger.rescue.errors import RescueError
from ledger.rescue.legacy import Legacy, name_text
from ledger.rescue.raw import CHUNK, Digest, RawFile, RawRow, RawTable, decode, encode
from ledger.rescue.readers import Progress, open_file
from ledger.rescue.schema import Options, legacy_of
from ledger.vocabulary import Method

DONE = "done"
_ROWS = "SELECT body FROM broker_event WHERE session_id = ? AND number BETWEEN ? AND ? ORDER BY number"


class Imported(NamedTuple):
    """What an import stored."""

    session_id: int
    legacy: Legacy
    source: RawFile
    again: bool
    """Whether the same file was imported before, in the same way: then nothing was stored."""


def import_file(
    journal: Journal, path: str | Path, options: Options, method: Method = Method.FIFO, progress: Progress | None = None
) -> Imported:
    """Store a file as an import session; return the session that has it already, if there is one.

    Raises:
        RescueError: the file cannot be read, is of no known schema, or changed meanwhile; nothing counts then.
    """
    say = progress or (lambda _text: None)
    with open_file(path, progress=progress) as source:
        legacy = legacy_of(source, options, progress)
        options = Options(legacy.schema, options.start_cash, options.naive_zone, options.columns)
        say("taking the digest of the rows")
        config = _config(source, legacy, options)
        if (known := _known(journal, config, method)) is not None:
            return Imported(known, legacy, source, True)
        session = journal.begin("import", f"import:{source.path.name}", config=config, method=method)
        try:
            _keep_rows(session, source, say)
            record(session, legacy, say)
        except BaseException:
            session.close()
            raise
    # The file is known to be unchanged only now; until it is ended the session does not count.
    session.end(DONE)
    return Imported(session.id, legacy, source, False)


def _config(source: RawFile, legacy: Legacy, options: Options) -> dict[str, Any]:
    digest = Digest()
    for name, table in source.tables.items():
        for row in table.rows():
            digest.add(name, encode(table.columns, row))
    return {
        "timezone": legacy.zone,
        "data": source.path.name,
        "import": {
            "schema": legacy.schema, "generation": legacy.generation, "form": source.form, "file": source.path.name,
            "bytes": source.size, "sha256": source.sha256, "rows_sha256": digest.text(), "options": options.document(),
            "tables": [{"name": t.name, "columns": list(t.columns), "rows": t.size} for t in source.tables.values()],
            "definitions": source.definitions, "facts": source.facts, "left_out": source.left_out,
        },
    }  # fmt: skip


def _known(journal: Journal, config: dict[str, Any], method: Method) -> int | None:
    """Return the session that holds the same rows, read in the same way."""
    wanted = json.loads(json.dumps(config["import"]))
    for info in journal.sessions():
        if info.kind == "import" and info.status == DONE and info.method == method:
            stored = json.loads(info.config).get("import")
            if stored == wanted:
                return info.id
    return None


def _keep_rows(session: Session, source: RawFile, say: Progress) -> None:
    """Store every row of every table."""
    done = 0
    for name, table in source.tables.items():
        for _, rows in table.chunks():
            for row in rows:
                session.keep(name, encode(table.columns, row))
            session.flush()
            done += len(rows)
            say(f"keeping raw rows: {done:,}")


def record(session: Session, legacy: Legacy, say: Progress) -> None:
    """Record the events that a file's trades make."""
    grid = Grid(legacy)
    table = definitions(legacy, grid)
    table[:, E_REF] = session.names_of([name_text(legacy.label(code)) for code in range(len(legacy.symbols))])
    for events in _parts(legacy, grid, table):
        if len(events):
            session.record_all(events)
            say(f"booking: {session.book.seq:,} events")


def _parts(legacy: Legacy, grid: Grid, table: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    yield table
    yield openings(legacy)
    yield from facts(legacy, grid)
    yield marks(legacy, grid)


def described(journal: Journal, session_id: int) -> dict[str, Any]:
    """Return what the config of an import session says of its file.

    Raises:
        RescueError: no such session, no import, or one that did not finish.
    """
    info = next((one for one in journal.sessions() if one.id == session_id), None)
    if info is None:
        raise RescueError(f"{journal.path} has no session {session_id}; `onebook backtest list` shows them")
    found: dict[str, Any] | None = json.loads(info.config).get("import")
    if info.kind != "import" or found is None:
        raise RescueError(
            f"session {session_id} is of kind {info.kind} and holds no foreign file; `onebook book import FILE` "
            f"makes one that does"
        )
    if info.status == "repaired":
        raise RescueError(
            f"session {session_id} is repaired from session {info.parent}, which holds the file; name that one"
        )
    if info.status != DONE:
        raise RescueError(f"session {session_id} is {info.status}: its import did not finish; import the file again")
    return found


def source_of(journal: Journal, session_id: int) -> RawFile:
    """Return the file of an import session, from its kept rows.

    Raises:
        RescueError: see `described`; or the rows are not those that were stored.
    """
    found = described(journal, session_id)
    source = RawFile(
        Path(found["file"]),
        found["form"],
        found["bytes"],
        found["sha256"],
        {},
        found["definitions"],
        found["facts"],
        found["left_out"],
    )
    first = 1
    for table in found["tables"]:
        rows = partial(_rows, journal, session_id, first, table["rows"])
        source.tables[table["name"]] = RawTable(table["name"], tuple(table["columns"]), table["rows"], rows)
        first += table["rows"]
    return source


def _bodies(journal: Journal, session_id: int, first: int, count: int) -> Iterator[str]:
    for start in range(first, first + count, CHUNK):
        last = min(start + CHUNK, first + count) - 1
        yield from (body for (body,) in journal.connection.execute(_ROWS, (session_id, start, last)).fetchall())


def _rows(journal: Journal, session_id: int, first: int, count: int) -> Iterator[RawRow]:
    yield from map(decode, _bodies(journal, session_id, first, count))


def evidence_intact(journal: Journal, session_id: int) -> bool:
    """Say whether the kept rows are those whose digest the session's config holds."""
    found, digest, first = described(journal, session_id), Digest(), 1
    for table in found["tables"]:
        for body in _bodies(journal, session_id, first, table["rows"]):
            digest.add(table["name"], body)
        first += table["rows"]
    return bool(digest.text() == found["rows_sha256"])


def options_of(journal: Journal, session_id: int) -> Options:
    """Return how the file was read."""
    stored = described(journal, session_id)["options"]
    return Options(stored["form"], stored["start_cash"], stored["naive_zone"], stored["columns"])


def legacy_of_session(journal: Journal, session_id: int, progress: Progress | None = None) -> Legacy:
    """Return what the file of an import session says, read from its kept rows."""
    return legacy_of(source_of(journal, session_id), options_of(journal, session_id), progress)
