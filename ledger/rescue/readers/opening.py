"""Which reader a file needs, and the promise that the file stays as it is.

Theory of operation. The format is told by the file's first bytes, never by its name. The SHA-256 of
the file (and of the log beside it, where SQLite keeps one) is taken before the first and
after the last row is read; if they differ somebody wrote in between and nothing that was read counts.
Nothing here opens the file to write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.rescue.errors import RescueError
from ledger.rescue.raw import RawFile, file_sha256
from ledger.rescue.readers import activity, csv_file, flex_xml, pg_dump, sqlite_file

Progress = Callable[[str], None]
_HEAD = 8192
_SQLITE, _CUSTOM_DUMP = b"SQLite format 3\0", b"PGDMP"


@contextmanager
def open_file(path: str | Path, form: str | None = None, progress: Progress | None = None) -> Iterator[RawFile]:
    """Open somebody's file to read, as the format that it has; see that it is unchanged at the end.

    Args:
        form: sqlite, pg-dump, csv, flex-xml or activity; found out if None.
    Raises:
        RescueError: not a file, empty, damaged, of no known format, or changed while it was read.
        SourceLocked: another program is writing to it.
    """
    place = Path(path)
    _require_file(place)
    (progress or _silent)(f"hashing {place.name}")
    before = file_sha256(place)
    kind = form or detect(place)
    source = READERS[kind](place, before)
    try:
        yield source
    finally:
        source.close()
    if file_sha256(place) != before:
        raise RescueError(f"{place} was written to while it was read; stop the program that uses it, or bring a copy")


def _silent(_text: str) -> None:
    """Say nothing."""


def _require_file(place: Path) -> None:
    if not place.exists():
        raise RescueError(f"{place} does not exist; name the database, dump or CSV that the bot wrote")
    if not place.is_file():
        raise RescueError(f"{place} is a folder or a device; name one file")
    if place.stat().st_size == 0:
        raise RescueError(
            f"{place} is empty: there is nothing to rescue in it; look for a backup or a -wal file beside it"
        )


def detect(place: Path) -> str:
    """Return the format of a file by its first bytes.

    Raises:
        RescueError: a format that is not read here; the message says what to do.
    """
    with place.open("rb") as stream:
        head = stream.read(_HEAD)
    if head.startswith(_SQLITE):
        return "sqlite"
    if head.startswith(_CUSTOM_DUMP):
        raise RescueError(
            f"{place} is a PostgreSQL dump in custom format; write it as text first: pg_restore -f dump.sql "
            f"{place.name}"
        )
    text = head.decode("utf-8", "replace").lstrip("\ufeff").lstrip()
    if b"\0" in head:
        raise RescueError(
            f"{place} is neither a SQLite database nor text; bring the database file, a text dump, CSV or Flex XML"
        )
    if text.startswith("<"):
        return "flex-xml"
    if pg_dump.looks_like(text):
        return "pg-dump"
    return "activity" if activity.looks_like(text) else "csv"


READERS: dict[str, Callable[[Path, str], RawFile]] = {
    "sqlite": sqlite_file.read,
    "pg-dump": pg_dump.read,
    "csv": csv_file.read,
    "flex-xml": flex_xml.read,
    "activity": activity.read,
}
