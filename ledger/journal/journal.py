"""The journal: a file of sessions, opened to write by one kind of process and to read by all others.

Theory of operation. `open` prepares the file (private, WAL, the schema, migrations)
and compares it with its high-water mark; a file that lost its tail is not written
to. `read` opens the same file so that nothing can be changed by accident. Sessions
are begun and resumed here; what they record is in `session.py`, what can be wrong
with them in `verification.py`.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from time import time_ns
from types import TracebackType
from typing import Any, NamedTuple, Self

from ledger.book import SCHEMA_VERSION, Book
from ledger.journal import replay, snapshots, trials, verification
from ledger.journal.store import chain, files, leases, migrations
from ledger.journal.days import zone_of
from ledger.journal.errors import JournalError, JournalHalted, JournalShortened, refuse_damage
from ledger.journal.store.locks import FileLock
from ledger.journal.store.mark import Mark, MarkFile, read_marks
from ledger.journal.provenance import canonical_json, git_state, owner, source_hash, versions
from ledger.journal.session import Session
from ledger.vocabulary import Method

_INSERT = (
    "INSERT INTO session (id, kind, scope, exclusive, parent, started_ns, pid, host, boot_id, git_sha, dirty, source_hash,"
    " config_hash, config, versions, seed, method, book_version)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
KINDS = ("backtest", "fuzz", "paper", "import")


class SessionInfo(NamedTuple):
    """A session as the journal lists it. Times in ns UTC; `status` is open until the session is ended."""

    id: int
    kind: str
    scope: str
    parent: int
    started_ns: int
    ended_ns: int | None
    status: str
    events: int
    digest: str | None
    git_sha: str
    dirty: int
    source_hash: str
    config_hash: str
    versions: str
    seed: int
    method: int
    config: str
    exclusive: int
    pid: int
    host: str


def _nowhere(_point: str) -> None:
    """Do nothing at a named point."""


class Journal:
    """A journal file. Use as a context manager; closing gives accounts back and the file stays."""

    def __init__(self, connection: sqlite3.Connection, path: Path, at: Callable[[str], None], clock: Callable[[], int]) -> None:
        self.connection, self.path, self.at, self.clock = connection, path, at, clock
        self.writable = False
        self.quarantine: JournalShortened | None = None
        self.mark = MarkFile(files.sidecar(path, "mark"))
        self._turn = FileLock(files.sidecar(path, "turn"))
        self._sessions: list[Session] = []
        self._pid = os.getpid()

    @classmethod
    def open(
        cls, path: str | Path, *, at: Callable[[str], None] | None = None, clock: Callable[[], int] | None = None
    ) -> Self:
        """Open a journal to write, creating it if there is none.

        Args:
            at: called with the name of each point a write passes (see `session.POINTS`); tests kill or raise there.
            clock: returns ns UTC.
        Raises:
            JournalForeign: not a journal, or of a release this code does not know.
            JournalShortened: the file ends before its high-water mark; it is not written to.
        """
        place = path if isinstance(path, Path) else Path(path)
        cls._refuse_foreign(place)
        files.prepare(place)
        journal = cls(files.connect_writer(place), place, at or _nowhere, clock or time_ns)
        journal.writable = True
        try:
            journal._settle(migrations.MIGRATIONS)
        except BaseException:
            journal.connection.close()
            raise
        return journal

    @staticmethod
    def _refuse_foreign(place: Path) -> None:
        """Refuse another program's database before a byte or a mode of it is changed.

        A file with a write-ahead log beside it may have its schema there; opening it for writing tells.
        """
        if not place.is_file() or place.stat().st_size == 0 or place.with_name(f"{place.name}-wal").exists():
            return
        connection = files.connect_reader(place)
        try:
            if not migrations.is_blank(connection):
                migrations.check(connection, place, migrations.MIGRATIONS)
        finally:
            connection.close()

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Open a journal to look at it; a file that lost its tail can be read, `quarantine` then says so."""
        place = Path(path)
        journal = cls(files.connect_reader(place), place, _nowhere, time_ns)
        try:
            if migrations.is_blank(journal.connection):
                raise JournalError(f"{place} is an empty database: whoever made it did not come to write the schema")
            migrations.check(journal.connection, place)
            journal.quarantine = journal._shortened()
        except BaseException:
            journal.connection.close()
            raise
        return journal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
        refuse_damage(error, self.path)

    def close(self) -> None:
        """Close every session and the file. Closing twice is allowed."""
        if self._pid != os.getpid():
            return
        for session in self._sessions:
            session.close()
        if not self.writable:
            self.connection.close()
            return
        self.mark.close()
        # The last connection to close folds the write-ahead log into the file: that needs the turn.
        with self.turn():
            self.connection.close()
        self._turn.release()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the turn to write."""
        self.take_turn()
        try:
            yield
        finally:
            self.give_turn()

    def take_turn(self) -> None:
        """Wait for the turn to write. SQLite's own waiting is unfair: some wait seconds while others pass."""
        if not self.writable:
            raise JournalError(f"{self.path} was opened with Journal.read; open it with Journal.open to write")
        self._turn.acquire(wait=True)

    def give_turn(self) -> None:
        """Let the next one write."""
        self._turn.release(keep_open=True)

    def _settle(self, steps: Mapping[int, tuple[str, ...]]) -> None:
        """Bring a file just opened to the state in which sessions can write to it."""
        with self.turn():
            if migrations.is_blank(self.connection):
                migrations.create(self.connection, self.at)
            version = migrations.check(self.connection, self.path, steps)
        if version < migrations.VERSION:
            self.backup(files.sidecar(self.path, f"before-{migrations.VERSION}"))
            self.at("migrate-backup")
            with self.turn():
                migrations.migrate(self.connection, version, self.at, steps)
        shortened = self._shortened()
        if shortened is not None:
            raise shortened

    def _shortened(self) -> JournalShortened | None:
        """Compare the file with its high-water mark; the mark is read first, because the file only grows."""
        for mark in read_marks(self.mark.path)[0]:
            stored = self._hash_at(mark)
            if stored == mark.hash:
                continue
            last = replay.last_seq(self.connection, mark.session_id)
            what = f"ends at event {last}" if last < mark.seq else f"holds another event {mark.seq}"
            return JournalShortened(
                f"{self.path} is quarantined: session {mark.session_id} {what}, and its high-water mark says that event "
                f"{mark.seq} was committed. Read it with Journal.read, compare with the broker, restore a backup; to go on "
                f"with what is left, move {self.mark.path.name} away",
                mark.session_id, last, mark.seq,
            )  # fmt: skip
        return None

    def _hash_at(self, mark: Mark) -> bytes | None:
        """Return the hash the file has where the mark stands; before the first event it is that of the session's row."""
        if mark.seq:
            return replay.hash_at(self.connection, mark.session_id, mark.seq)
        known = self.connection.execute("SELECT 1 FROM session WHERE id = ?", (mark.session_id,)).fetchone()
        return chain.genesis(replay.session_row(self.connection, mark.session_id)) if known else None

    def begin(
        self,
        kind: str,
        scope: str,
        *,
        config: Mapping[str, Any],
        method: Method = Method.FIFO,
        parent: int | None = None,
        seed: int = 0,
        exclusive: bool | None = None,
    ) -> Session:
        """Begin a session with an empty book.

        Args:
            kind: backtest, fuzz, paper or import. scope: the account, or what the session is about.
            config: everything the session was told, kept as canonical JSON; `timezone` says whose days count.
            exclusive: one writer, by file lock and lease; the default for paper.
        Raises:
            JournalLocked: another process owns the account.
            JournalError: the account has an exclusive session that was not ended: resume that one.
        """
        if kind not in KINDS:
            raise JournalError(f"a session is one of {', '.join(KINDS)}, not {kind!r}")
        zone_of(config)
        owned = kind == "paper" if exclusive is None else exclusive
        row = self._session_row(kind, scope, owned, config, method, parent or 0, seed)
        with self._locked(scope) if owned else nullcontext() as lock:
            try:
                with self._write():
                    row["id"] = self.connection.execute("SELECT coalesce(max(id), 0) + 1 FROM session").fetchone()[0]
                    self.connection.execute(_INSERT, [row[name] for name in replay.SESSION_COLUMNS])
                    self.at("session")
                    fence = leases.pass_lease(self.connection, scope, row["id"], self.clock()) if owned else 0
                    self.at("lease")
            except sqlite3.IntegrityError as error:
                raise JournalError(f"no {kind} session of {scope}: {error}; resume that one, or end it") from error
            genesis = chain.genesis(row)
            replayed = replay.Replayed(Book(method=method, capacity=replay.room(0)), genesis, None)
            return self._opened(row, genesis, replayed, fence, lock)

    def _session_row(
        self, kind: str, scope: str, exclusive: bool, config: Mapping[str, Any], method: Method, parent: int, seed: int
    ) -> dict[str, Any]:
        """Return the row of a new session, but its id."""
        me, (git_sha, dirty), text = owner(), git_state(), canonical_json(config)
        return {
            "kind": kind, "scope": scope, "exclusive": int(exclusive), "parent": parent, "started_ns": self.clock(),
            "pid": me.pid, "host": me.host, "boot_id": me.boot_id, "git_sha": git_sha, "dirty": dirty,
            "source_hash": source_hash(), "config_hash": hashlib.sha256(text.encode()).hexdigest(), "config": text,
            "versions": versions(), "seed": seed, "method": int(method), "book_version": SCHEMA_VERSION,
        }  # fmt: skip

    def resume(self, session_id: int, *, exclusive: bool | None = None) -> Session:
        """Open a session that was begun before, replayed and verified, to record more.

        Raises:
            JournalLocked: another process owns the account. JournalError: it has ended, or is not what was recorded.
        """
        row = replay.session_row(self.connection, session_id)
        owned = bool(row["exclusive"])
        if exclusive is not None and exclusive != owned:
            word = "exclusive" if owned else "shared"
            raise JournalError(f"session {session_id} was begun as {word} and stays so; leave out `exclusive`")
        if self.connection.execute("SELECT 1 FROM session_end WHERE session_id = ?", (session_id,)).fetchone():
            raise JournalError(f"session {session_id} has ended and takes no event; begin a new one with parent={session_id}")
        with self._locked(row["scope"]) if owned else nullcontext() as lock:
            fence = 0
            if owned:
                with self._write():
                    fence = leases.pass_lease(self.connection, row["scope"], session_id, self.clock())
                    self.at("lease")
            genesis = chain.genesis(row)
            return self._opened(row, genesis, self._replay(row, genesis, None, True), fence, lock)

    def _opened(self, row: dict[str, Any], genesis: bytes, replayed: replay.Replayed, fence: int, lock: FileLock | None) -> Session:
        session = Session(self, row, genesis, replayed, fence, lock)
        with self.turn():
            # The process before may have died between a commit and its mark.
            if replay.last_seq(self.connection, session.id) == replayed.book.seq:
                self.mark.write(Mark(session.id, replayed.book.seq, replayed.head))
        session.adopt_tables(replayed.last)
        self._sessions.append(session)
        return session

    @contextmanager
    def _locked(self, scope: str) -> Iterator[FileLock | None]:
        """Take the lock of an account; give it back if the block fails, else it is the session's."""
        lock = leases.lock_account(self.path, scope, self.connection)
        try:
            self.at("lease-lock")
            yield lock
        except BaseException:
            lock.release()
            raise

    @contextmanager
    def _write(self) -> Iterator[None]:
        """Run a write that is no session's: committed, or rolled back."""
        if self._pid != os.getpid():
            raise JournalHalted(f"{self.path} was opened by pid {self._pid}: a forked process opens a journal of its own")
        with self.turn(), migrations.Transaction(self.connection):
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Run several queries on one state of the file."""
        if self.connection.in_transaction:
            yield
            return
        self.connection.execute("BEGIN")
        try:
            yield
        finally:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def sessions(self) -> list[SessionInfo]:
        """Return every session, oldest first."""
        sql = " ".join(("SELECT", ", ".join(SessionInfo._fields), "FROM v_sessions ORDER BY id"))
        return [SessionInfo(*line) for line in self.connection.execute(sql)]

    def add_trials(
        self, family: str, hashes: Iterable[str], session_id: int | None = None, sharpes: Mapping[str, float] | None = None
    ) -> int:
        """Count configurations that were tried, all or none of them; return how many were new (see `trials.add`)."""
        with self._write():
            return trials.add(self, family, hashes, session_id, sharpes or {})

    def book(self, session_id: int, upto: int | None = None, verified: bool = True) -> Book:
        """Return a session's book, after its last event or after event `upto`.

        Args:
            verified: check each replayed event against the hash chain.
        Raises:
            JournalError: no such session or event, or the events are not what was recorded.
        """
        row = replay.session_row(self.connection, session_id)
        return self._replay(row, chain.genesis(row), upto, verified).book

    def _replay(self, row: dict[str, Any], genesis: bytes, upto: int | None, verified: bool) -> replay.Replayed:
        """Return the book from the newest usable snapshot and the events after it, or from all events."""
        session_id = int(row["id"])
        with self.reading():
            last = replay.last_seq(self.connection, session_id)
            if upto is not None and not 0 <= upto <= last:
                raise JournalError(f"session {session_id} has events 1..{last}; there is no state after event {upto}")
            goal = last if upto is None else upto
            loaded, _ = snapshots.load(self.connection, self.path, session_id, goal)
            book, head = loaded or (Book(method=Method(row["method"]), capacity=replay.room(goal)), genesis)
            replayed = replay.extend(self.connection, session_id, book, head, goal, verified=verified)
        return replay.require(replayed, session_id)

    def verify(self, session_id: int) -> verification.Verification:
        """Check all that can be checked about a session; what is wrong is listed, never raised."""
        return verification.verify(self.connection, self.path, session_id)

    def backup(self, path: str | Path) -> None:
        """Copy the journal while it is in use; the copy is checked, private and complete under its name.

        Raises:
            JournalError: the copy is not sound; nothing is left under `path`.
        """
        goal = Path(path)
        temporary = goal.with_name(f"{goal.name}.{os.getpid()}.tmp")
        temporary.unlink(missing_ok=True)
        files.prepare(temporary)
        try:
            with closing(sqlite3.connect(temporary, isolation_level=None)) as copy:
                self.connection.backup(copy)
                self.at("backup-copy")
                # A copy is one file: without this its last pages could stay behind in a log of their own.
                copy.execute("PRAGMA journal_mode = DELETE")
                fault = copy.execute("PRAGMA integrity_check").fetchone()[0]
        except sqlite3.Error as error:
            fault = str(error)
        if fault != "ok":
            for left in (temporary, temporary.with_name(f"{temporary.name}-journal")):
                left.unlink(missing_ok=True)
            raise JournalError(f"the backup of {self.path} is not sound: {fault}; look at Journal.verify, keep older backups")
        files.sync(temporary)
        temporary.replace(goal)
        files.sync(goal.parent)
        self.at("backup")

