"""Another release beside this one: really another one, handed nothing but the journal, and its bugs are found."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from ledger.journal.store.migrations import VERSION
from ledger.kernel import ROOT
from sim.fuzz import Kind, explore, replay, tokens
from sim.fuzz.builds import ReleaseError, build_of, release, this_build
from sim.fuzz.builds.alias import Build
from sim.fuzz.builds.release import digest_of
from sim.fuzz.search import exhaust
from sim.fuzz.shrink import shrink

SOAK = bool(os.environ.get("ONEBOOK_SOAK"))
FORGETS_SENDING = ("ledger/oms.py", "if self._record(EventKind.SENDING, key, time_ns, way) != _APPLIED:", "if not key:")
"""The release before SENDING was recorded: what it sent looks as if it had never left."""
TWO_ENTRIES = (
    "ledger/kernels/gate.py",
    "    delta = s[E_TARGET] - position - a[instrument + I_WORKING]\n    if a[instrument + I_LIVE_ENTRIES] > 0 and",
    "    delta = s[E_TARGET] - position\n    if False and",
)
"""The release whose gate did not look at orders under way."""
NO_LOCK = ("ledger/journal/store/leases.py", "    if lock.acquire(wait=False):\n        return lock\n", "    return lock\n")
EARLIER_SCHEMA = ("ledger/journal/store/migrations.py", "VERSION = len(SCHEMAS)", "SCHEMAS = SCHEMAS[:-1]\nVERSION = len(SCHEMAS)")


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """Make a release of this tree's ledger with one piece of text replaced, or with none; return its folder's name."""

    def made(*edit: str) -> str:
        root = tmp_path_factory.mktemp("release")
        shutil.copytree(ROOT / "ledger", root / "ledger", ignore=shutil.ignore_patterns("__pycache__"))
        if edit:
            file, before, after = edit
            text = (root / file).read_text()
            assert text.count(before) == 1, f"{file} changed: write the edit anew"
            (root / file).write_text(text.replace(before, after))
        return str(root)

    return made


@pytest.fixture(scope="module")
def unchanged(released):
    return released()


def beside(name: str, old: str):
    return tokens.resolve(f"{name}@{old}")


def test_a_release_is_another_program_and_its_files_stay_as_they_are(unchanged):
    before = sorted(path for path in Path(unchanged).rglob("*"))
    old, new = build_of(unchanged), this_build()
    journal = old.module("ledger.journal")
    assert old.prefix == f"onebook_{release(unchanged).digest}." and old.oms.OrderManager is not new.oms.OrderManager
    assert journal.Journal.__module__ == f"{old.prefix}ledger.journal.journal" and journal.__file__.startswith(unchanged)
    assert old.vocabulary.Outcome is not new.vocabulary.Outcome and build_of(unchanged) is old
    for name, module in list(sys.modules.items()):
        if name.startswith(old.prefix):
            strangers = {
                key: value for key, value in vars(module).items()
                if str(getattr(value, "__module__", "")).startswith("ledger") and not hasattr(value, "py_func")
            }  # fmt: skip
            assert strangers == {}, f"{name} has something of the running build"
    assert sorted(path for path in Path(unchanged).rglob("*")) == before


def test_compiled_kernels_are_shared_when_every_file_of_theirs_is_the_same_and_run_as_plain_python_when_not(unchanged, released):
    new, same, other = this_build(), build_of(unchanged), build_of(released(*TWO_ENTRIES))
    assert same.compiled and same.core.apply_event is new.core.apply_event
    assert not other.compiled and not hasattr(other.core.apply_event, "py_func")
    digests = {_some_book(build) for build in (new, same, other)}
    assert len(digests) == 1, "the same events give the same book, compiled or not"


def _some_book(build: Build) -> str:
    book, kinds = build.book.Book(), build.vocabulary.EventKind
    rows = [
        build.book.event(kinds.INSTRUMENT, instrument=1, revision=2, order_type=4, price_ticks=1, qty_lots=1, target_lots=1),
        build.book.event(kinds.DEPOSIT, cash_e8=10**13),
        build.book.event(kinds.FILL, instrument=1, side=1, qty_lots=30_000, price_ticks=12_345, exec_id=1),
        build.book.event(kinds.FILL, instrument=1, side=-1, qty_lots=10_000, price_ticks=12_346, exec_id=2),
    ]
    assert [int(build.core.apply(book, row)) for row in rows] == [0, 0, 0, 0]
    return book.digest()


@pytest.mark.parametrize(("name", "schedules"), [("builds.rows", 20_000 if SOAK else 200), ("builds.file", 2_000 if SOAK else 25), ("zoo.real", 5_000 if SOAK else 60)])
def test_an_unchanged_release_beside_this_one_finds_nothing(unchanged, name, schedules):
    verdict = explore(beside(name, unchanged), schedules=schedules, seed=2)
    assert verdict.kind is Kind.CUT, verdict.failure


def test_a_release_that_forgot_to_record_what_it_sent_is_found_and_its_token_needs_that_release(released, unchanged):
    old = released(*FORGETS_SENDING)
    scenario = beside("builds.rows", old)
    verdict = explore(scenario, seed=4, schedules=1_000)
    assert verdict.kind is Kind.FAILED and verdict.failure.invariant == "bought once"
    made = shrink(scenario, verdict.failure)
    token = tokens.make(f"builds.rows@{old}", scenario, made.failure, made.needed)
    said = tokens.read(token)
    assert len(token) <= tokens.LENGTH_MAX and old not in token and said.old == release(old).digest[:4], token
    _, again = replay(tokens.scenario_of(said, old), said.steps, dials=said.dials, draws=said.draws)
    assert again is not None and again.name == "bought once"
    assert tokens.other_code(said, tokens.scenario_of(said, old)) == ""
    with pytest.raises(tokens.TokenError, match="say where it is: --old"):
        tokens.scenario_of(said)
    repaired = tokens.scenario_of(said, unchanged)
    assert f"beside the old build {said.old}; here that is {release(unchanged).digest[:4]}" in tokens.other_code(said, repaired)
    assert replay(repaired, said.steps, dials=said.dials, draws=said.draws, strict=False)[1] is None


@pytest.mark.parametrize(
    ("name", "edit", "invariant"),
    [("builds.rows", TWO_ENTRIES, "every invariant of the book"), ("builds.file", NO_LOCK, "one owner")],
)
def test_a_release_without_one_guard_is_found(released, name, edit, invariant):
    verdict = explore(beside(name, released(*edit)), seed=1, schedules=200)
    assert verdict.kind is Kind.FAILED and verdict.failure.invariant in (invariant, "bought once"), verdict


def test_every_interleaving_of_two_builds_is_searched(unchanged):
    verdict = exhaust(beside("builds.rows", unchanged), faults={}, dials={"signals": 4 if SOAK else 2}, runs=20_000)
    assert verdict.kind is Kind.COMPLETE, verdict


def test_a_release_that_does_not_know_the_schema_refuses_the_journal_and_changes_no_byte(released, tmp_path):
    new, old = this_build().module("ledger.journal"), build_of(released(*EARLIER_SCHEMA)).module("ledger.journal")
    path = tmp_path / "a.db"
    with new.Journal.open(path) as journal:
        journal.begin("paper", "DU1", config={}).close()
    before = _bytes(tmp_path)
    with pytest.raises(old.JournalForeign, match=f"has schema {VERSION} and this onebook knows up to {VERSION - 1}: it was written by a newer release"):
        old.Journal.open(path)
    after = _bytes(tmp_path)
    assert {name: after[name] for name in before} == before and {*after} - {*before} <= {"a.db-wal", "a.db-shm"}
    assert (tmp_path / "a.db-wal").stat().st_size == 0, "SQLite makes the files of a log; nothing is in it"
    with new.Journal.open(path) as journal:
        journal.resume(1).close()


def _bytes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir()) if path.is_file()}


def test_journals_go_from_an_older_schema_to_this_one_while_the_old_build_trades(released):
    scenario, noted, begun = beside("builds.file", released(*EARLIER_SCHEMA)), Counter(), Counter()

    def counted(world):
        scenario(world)
        begun[world.tape.draws[0].value] += 1
        world.at_end("noted", lambda: noted.update(code for _, code in world.noted))

    verdict = explore(counted, seed=1, schedules=300 if SOAK else 30)
    assert verdict.kind is Kind.CUT, verdict.failure
    assert noted["JOURNAL_FOREIGN"] > 0 and noted["JOURNAL_LOCKED"] > 0 and noted["APPLIED"] > 20 and min(begun[0], begun[1]) > 5


def test_a_release_is_the_same_from_a_folder_a_wheel_a_source_archive_and_git(unchanged, tmp_path, monkeypatch):
    root, digest = Path(unchanged), release(unchanged).digest
    with zipfile.ZipFile(tmp_path / "onebook-0.1.0-py3-none-any.whl", "w") as wheel:
        for path in root.rglob("*.*"):
            wheel.write(path, path.relative_to(root))
        wheel.writestr("ledger/../../outside.py", "raise SystemExit")
    with tarfile.open(tmp_path / "onebook-0.1.0.tar.gz", "w:gz") as archive:
        archive.add(root, "onebook-0.1.0")
        link = tarfile.TarInfo("onebook-0.1.0/ledger/link.py")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link, io.BytesIO())
    shutil.copytree(root / "ledger", tmp_path / "git" / "ledger")
    words = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["add", "."], [*words, "commit", "-qm", "first"], ["tag", "v0.0.9"]):
        subprocess.run(["git", *command], cwd=tmp_path / "git", check=True, capture_output=True)
    monkeypatch.chdir(tmp_path / "git")
    for said in (tmp_path / "onebook-0.1.0-py3-none-any.whl", tmp_path / "onebook-0.1.0.tar.gz", "v0.0.9", "HEAD", tmp_path / "git"):
        assert release(str(said)).digest == digest == digest_of(release(str(said)).root), said
    assert not list(tmp_path.rglob("outside.py"))


def test_what_is_no_release_is_refused_with_what_was_expected(tmp_path):
    (tmp_path / "a.whl").write_bytes(b"no archive")
    for said, words in (("no-such-tag", "git knows no such tag"), (str(tmp_path), "has no ledger/core.py"), (str(tmp_path / "a.whl"), "no archive"), ("--help", "no release")):
        with pytest.raises(ReleaseError, match=words):
            release(said)
    with pytest.raises(tokens.TokenError, match="runs no old build"):
        tokens.resolve(f"zoo.no_lock@{ROOT}")
