"""Another program's database is left as it was, to the last byte and mode."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ledger.journal import Journal, JournalForeign


def test_opening_a_foreign_database_to_write_changes_no_byte_and_no_mode_of_it(tmp_path: Path) -> None:
    path = tmp_path / "trading_data.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE trades (id INTEGER PRIMARY KEY, symbol TEXT)")
        connection.execute("INSERT INTO trades VALUES (1, 'AAPL')")
    connection.close()
    path.chmod(0o644)
    before = (path.read_bytes(), path.stat().st_mode, sorted(entry.name for entry in tmp_path.iterdir()))
    with pytest.raises(JournalForeign, match="no onebook journal"):
        Journal.open(path)
    assert (path.read_bytes(), path.stat().st_mode, sorted(entry.name for entry in tmp_path.iterdir())) == before
