"""The trial ledger: what was tried stays counted, once, whatever happens; older books are read and brought up to date."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.journal import Journal, JournalError, trials
from ledger.journal.store import files, migrations
from tests.ledger.journal.journal_streams import opening

FAMILY = "sma_cross on SPX 1d"


def _hash(text: object) -> str:
    return hashlib.sha256(str(text).encode()).hexdigest()


def _config(**more: object) -> dict:
    instrument = {"symbol": "SPX", "bar": "1d", "bars": 10, "sha256": "0" * 64}
    return {"strategy": "sma_cross", "params": {"fast": 10}, "instruments": [instrument], "data": "sp500", **more}


def _backtest(path: Path, **more: object) -> None:
    with Journal.open(path) as journal:
        journal.begin("backtest", "SPX", config=_config(**more)).record(opening()[0])


def _as_version_1(path: Path) -> None:
    """Take out what later versions added: the file is then one that the first release wrote."""
    connection = sqlite3.connect(path, isolation_level=None)
    for name in migrations.expected_schema().keys() - migrations.expected_schema(1).keys():
        for kind in ("TRIGGER", "TABLE") if name.startswith("sqlite_") else ("TRIGGER", "TABLE", "INDEX"):
            if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ? AND type = ?", (name, kind.lower())).fetchone():
                connection.execute(f"DROP {kind} {name}")
    connection.execute("PRAGMA user_version = 1")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _count(path: Path, family: str = FAMILY) -> trials.TrialCount:
    with Journal.read(path) as journal:
        return trials.count(journal, family)


@settings(max_examples=15, deadline=None)
@given(calls=st.lists(st.lists(st.integers(0, 12), max_size=8), max_size=5), families=st.integers(1, 2))
def test_a_count_is_the_number_of_different_hashes_however_often_and_by_whom_they_are_recorded(tmp_path_factory, calls, families):
    path = tmp_path_factory.mktemp("book") / "a.db"
    seen: dict[str, set[int]] = {f"f{n}": set() for n in range(families)}
    for turn, numbers in enumerate(calls):
        family = f"f{turn % families}"
        with Journal.open(path) as journal:  # each call is a process of its own
            new = journal.add_trials(family, [_hash(n) for n in numbers])
        assert new == len(set(numbers) - seen[family])
        seen[family] |= set(numbers)
    if calls:
        assert {name: _count(path, name).trials for name in seen} == {name: len(known) for name, known in seen.items()}


def test_a_known_sharpe_is_kept_as_first_recorded(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "a.db") as journal:
        assert journal.add_trials(FAMILY, [_hash(1), _hash(2)], None, {_hash(1): 0.05}) == 2
        assert journal.add_trials(FAMILY, [_hash(1), _hash(3)], None, {_hash(1): 9.0}) == 1
    assert _count(tmp_path / "a.db") == trials.TrialCount(3, 0, (0.05,))


def test_a_bad_hash_records_nothing_of_its_call(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "a.db") as journal:
        for bad in ("", "xyz", "ab" * 31, "ab" * 33):
            with pytest.raises(JournalError, match="64 hex digits"):
                journal.add_trials(FAMILY, [_hash(1), bad])
    assert _count(tmp_path / "a.db").trials == 0


def test_neither_update_nor_delete_nor_replace_takes_a_trial_away(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "a.db") as journal:
        journal.add_trials(FAMILY, [_hash(1)], None, {_hash(1): 0.25})
        for sql in (
            "DELETE FROM trial", "DELETE FROM trial_family", "UPDATE trial SET sharpe = 0", "UPDATE trial_family SET name = 'x'",
        ):  # fmt: skip
            with pytest.raises(sqlite3.IntegrityError, match="rows are never"):
                journal.connection.execute(sql)
        journal.connection.execute("INSERT OR REPLACE INTO trial SELECT family_id, hash, NULL, 1, 9.0 FROM trial")
        journal.connection.execute("INSERT OR REPLACE INTO trial_family (id, name) VALUES (1, 'other')")
    assert _count(tmp_path / "a.db") == trials.TrialCount(1, 0, (0.25,))


@pytest.mark.parametrize("trigger", ["trial_insert", "trial_update", "trial_delete", "trial_family_insert"])
def test_without_its_trigger_a_trial_can_be_lost_and_verify_says_so(tmp_path: Path, trigger: str) -> None:
    path = tmp_path / "a.db"
    _backtest(path)
    with Journal.open(path) as journal:
        journal.add_trials(FAMILY, [_hash(1)])
        journal.connection.execute(f"DROP TRIGGER {trigger}")
        attack = {
            "trial_insert": "INSERT OR REPLACE INTO trial SELECT family_id, hash, NULL, 1, 9.0 FROM trial",
            "trial_update": "UPDATE trial SET hash = zeroblob(32)",
            "trial_delete": "DELETE FROM trial",
            "trial_family_insert": "INSERT OR REPLACE INTO trial_family (id, name) VALUES (7, 'sma_cross on SPX 1d')",
        }[trigger]
        before = journal.connection.execute("SELECT * FROM trial, trial_family").fetchall()
        journal.connection.execute("PRAGMA foreign_keys = OFF")  # as other programs leave it
        journal.connection.execute(attack)
        assert journal.connection.execute("SELECT * FROM trial, trial_family").fetchall() != before
        assert any(trigger in finding.text for finding in journal.verify(1).findings)


def test_a_stored_backtest_is_a_trial_even_when_nobody_recorded_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    _backtest(path)
    _backtest(path)
    _backtest(path, params={"fast": 11})
    _backtest(path, strategy="other")
    _backtest(path, instruments=[])
    assert _count(path) == trials.TrialCount(2, 2, ())
    with Journal.open(path) as journal:
        assert journal.add_trials(FAMILY, [trials.trial_hash(_config())], 1) == 1
    assert _count(path) == trials.TrialCount(2, 1, ())
    with Journal.read(path) as journal:
        assert trials.families(journal) == [(FAMILY, 1)]


def test_a_trial_is_what_was_tried_and_not_where_its_data_lay() -> None:
    same = trials.trial_hash(_config())
    assert trials.trial_hash(_config(data="elsewhere.csv", timezone="UTC", strategies={"1": "x"})) == same
    assert trials.trial_hash(_config(params={"fast": 10.0})) == same
    for more in ({"params": {"fast": 11}}, {"setting": {"cash": "1"}}, {"profile": "close"}, {"strategy": "x"}, {"instruments": []}):
        assert trials.trial_hash(_config(**more)) != same
    with pytest.raises(ValueError, match="JSON compliant"):
        trials.trial_hash(_config(params={"fast": float("nan")}))


def test_a_book_of_the_first_release_is_read_verified_and_counted_without_being_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    _backtest(path)
    _as_version_1(path)
    before = path.read_bytes()
    assert _count(path) == trials.TrialCount(1, 1, ())
    with Journal.read(path) as journal:
        assert journal.verify(1).ok and journal.book(1).seq == 1 and trials.families(journal) == []
    assert path.read_bytes() == before


def test_opening_a_book_of_the_first_release_to_write_makes_it_what_a_new_one_is(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    _backtest(path)
    _as_version_1(path)
    with Journal.open(path) as journal:
        assert journal.add_trials(FAMILY, [_hash("x")], 1) == 1 and journal.verify(1).ok
        stored = dict(journal.connection.execute("SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'").fetchall())
    expected = {name: sql for name, sql in migrations.expected_schema().items() if not name.startswith("sqlite_")}
    assert stored == expected and _count(path).trials == 2
    with Journal.read(files.sidecar(path, f"before-{migrations.VERSION}")) as backup:
        assert migrations.version_of(backup.connection) == 1
        assert [finding.part for finding in backup.verify(1).findings] == ["mark"], "a copy has no mark of its own"
