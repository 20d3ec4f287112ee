"""Any value in any cell: the audit ends with findings or a sentence, never with a crash, and the session has the same findings."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger.journal import Journal
from ledger.rescue import RescueError
from ledger.rescue.audit import Case, run
from ledger.rescue.differences import differences
from ledger.rescue.explaining import explain_stored
from ledger.rescue.repair import apply_plan, plan
from ledger.rescue.schema import Options
from ledger.rescue.sessions import import_file, legacy_of_session
from ledger.rescue.truth import truth_of
from tests.rescue.conftest import audited
from tests.rescue.robo import GENERATIONS, clean

values = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(max_size=6), st.binary(max_size=4),
    st.sampled_from([0, -1, 10**15, 1e300, "", "abc", "1e9", "NaN", "2026-13-45", "2026-01-05T10:00:00-05:00", "BUY", "SELL_SHORT", "\x00", "1,000"]),
)  # fmt: skip
cells = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), values), min_size=1, max_size=6)


def spoil(path: Path, changes: list) -> None:
    """Overwrite some cells; what a constraint refuses stays."""
    connection = sqlite3.connect(path)
    tables = [t for (t,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")]
    tables = [t for t in tables if connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0]]
    for table, column, row, value in changes:
        name = tables[table % len(tables)]
        columns = [c[1] for c in connection.execute(f"PRAGMA table_info({name})")]
        rowid = connection.execute(f"SELECT rowid FROM {name} ORDER BY rowid").fetchall()
        words = f"UPDATE OR IGNORE {name} SET {columns[column % len(columns)]} = ? WHERE rowid = ?"
        try:
            connection.execute(words, (value, rowid[row % len(rowid)][0]))
        except (sqlite3.IntegrityError, UnicodeEncodeError):
            continue
    connection.commit()
    connection.close()


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(GENERATIONS), cells)
def test_no_value_in_any_cell_makes_the_audit_crash(generation, changes):
    with tempfile.TemporaryDirectory() as folder:
        path = clean(generation, days=3).save(Path(folder) / "t.db")
        spoil(path, changes)
        content = path.read_bytes()
        try:
            found = audited(path)
        except RescueError as error:
            assert str(error)
            return
        finally:
            assert path.read_bytes() == content
        differences(found.case)
        plan(found.case)
        try:
            explain_stored(found.case, "start", "end")
        except RescueError as error:
            assert str(error)


@settings(max_examples=5, deadline=None)
@example([(1, 1, 0, "")])
@example([(1, 1, 0, "A\x00B")])
@given(cells)
def test_a_spoilt_file_can_be_imported_audited_and_repaired(changes):
    with tempfile.TemporaryDirectory() as folder, Journal.open(Path(folder) / "book.db") as journal:
        path = clean("G2", days=3).save(Path(folder) / "t.db")
        spoil(path, changes)
        try:
            done = import_file(journal, path, Options())
        except RescueError as error:
            assert str(error)
            return
        legacy = legacy_of_session(journal, done.session_id)
        assert run(legacy).findings == run(done.legacy).findings
        case = Case(legacy, truth_of(legacy))
        applied = apply_plan(journal, done.session_id, case, plan(case), "tester")
        assert journal.verify(applied.session_id).ok and journal.verify(done.session_id).ok


def test_stored_costs_and_prices_beyond_any_account_are_findings_and_make_no_mark(tmp_path):
    bot = clean("G2", days=3)
    bot.positions[0] |= {"market_price": 4.5e10, "avg_cost": 4.5e10, "quantity": 10**10}
    result = audited(bot.save(tmp_path / "t.db"))
    assert {"position-does-not-foot", "phantom-cash", "equity-is-no-sum"} <= {finding.audit for finding in result.findings}
    assert plan(result.case).steps == []
