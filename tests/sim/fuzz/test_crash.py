"""Every crash point of every journal transaction, in every way: nothing acknowledged is lost, and the replay is the same book."""

from __future__ import annotations

import itertools
import os
import sqlite3
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.book import Book, event
from ledger.journal import Journal, JournalError, replay
from ledger.journal.store import chain
from ledger.vocabulary import EventKind, Method
from sim.fuzz.crash.images import WAYS, Files, Image, image, images
from tests.ledger.journal.journal_disk import Connection, Disk, Op, use
from tests.ledger.journal.journal_streams import opening, signal

SOAK = bool(os.environ.get("ONEBOOK_SOAK"))
STEPS = 40 if SOAK else 6
_names = (f"crash{number}" for number in itertools.count())


class Recorded:
    """A day on a recording disk: the files before it, the log, and the digest of the book after each event."""

    def __init__(self, folder: Path, synchronous: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = folder / "a.db"
        with Journal.open(self.path) as journal:
            session = journal.begin("paper", "DU1", config={})
            session.record_all(np.array(opening()))
            self.digests = {session.book.seq: session.book.digest()}
        self.base = {"a.db": self.path.read_bytes()}
        disk = Disk(next(_names))
        with monkeypatch.context() as patched:
            use(patched, disk, synchronous, exclusive=False)
            journal = Journal.open(self.path)
            reader = Connection(self.path, disk, synchronous, exclusive=False)
            session = journal.resume(1)
            for step in range(STEPS):
                self._step(session, step, disk.log)
                assert reader.execute("SELECT max(seq) FROM event").fetchone()[0] == session.book.seq
            self.log = list(disk.log)
            reader.close()
            journal.close()

    def _ack(self, session: Any, log: list[Op]) -> None:
        self.digests[session.book.seq] = session.book.digest()
        log.append(Op("ack", "", session.book.seq))

    def _step(self, session: Any, step: int, log: list[Op]) -> None:
        """Pass every transaction a session has: claim, record, name, bulk, project, heartbeat, snapshot row."""
        wish = signal(1, 10_000 * (step + 1), step)
        session.gate(wish)
        self._ack(session, log)
        fill = event(EventKind.FILL, key=int(wish[2]), instrument=1, side=1, qty_lots=10_000, price_ticks=1_000_000, exec_id=step + 1, time_ns=int(wish[0]))
        session.keep("ib", f"execution {step}")
        session.record(fill)
        self._ack(session, log)
        session.record(event(EventKind.COMMISSION, exec_id=step + 1, fee_e8=10**8, ref=session.name(f"evidence {step}")))
        self._ack(session, log)
        if step % 3 == 1:
            session.record_all(np.array([event(EventKind.MARK, instrument=n, price_ticks=1_000_000 + step, time_ns=int(wish[0])) for n in (1, 2)]))
            self._ack(session, log)
        if step % 3 == 2:
            session.project()
            session.heartbeat()
            session.snapshot()

    def judge(self, found: Image, folder: Path) -> str:
        """Return what is wrong with an image, or nothing."""
        for old in os.listdir(folder):
            os.unlink(f"{folder}/{old}")
        for name, content in found.files.items():
            if not name.endswith("-shm"):  # SQLite makes it anew from the log
                with open(f"{folder}/{name}", "wb", buffering=0) as file:
                    file.write(content)
        acked = max([min(self.digests), *(op.offset for op in self.log[: found.cut] if op.kind == "ack")])
        connection = sqlite3.connect(folder / "a.db", isolation_level=None)
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # the log's index in memory: recovered alike, and no file to map
            if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
                return "corrupt"
            row = replay.session_row(connection, 1)
            last = replay.last_seq(connection, 1)
            again = replay.extend(connection, 1, Book(method=Method(row["method"])), chain.genesis(row), last)
        except (sqlite3.Error, JournalError) as error:
            return f"corrupt: {error}"
        finally:
            connection.close()
        if last < acked:
            return "lost"
        known = self.digests.get(last)
        if again.broken is not None or (known is not None and again.book.digest() != known):
            return "corrupt: another book"
        return ""

    def crash(self, folder: Path, draw: Random, ways: tuple[str, ...] = WAYS) -> dict[str, int]:
        """Return how many images were wrong in which way."""
        wrong: dict[str, int] = {"images": 0}
        for found in images(self.base, self.log, draw.randrange):
            if found.way in ways:
                wrong["images"] += 1
                what = self.judge(found, folder)
                if what:
                    wrong[what.split(":")[0]] = wrong.get(what.split(":")[0], 0) + 1
        return wrong


@pytest.fixture
def ram(tmp_path: Path) -> Any:
    """Yield a folder for images, in memory where there is one: a thousand of them are written."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


@pytest.mark.slow
def test_no_crash_at_any_point_in_any_way_loses_an_acknowledged_event(tmp_path: Path, ram: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded(tmp_path, "FULL", monkeypatch)
    found = recorded.crash(ram, Random(1))
    assert set(found) == {"images"} and found["images"] > 100 * (STEPS // 6), found


@pytest.mark.slow
def test_the_same_points_show_that_weaker_settings_lose_acknowledged_events(tmp_path: Path, ram: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Recorded(tmp_path, "NORMAL", monkeypatch).crash(ram, Random(2), ("kill", "none", "subset"))
    assert found.get("lost", 0) > 10 and "corrupt" not in found
    assert "lost" not in Recorded(tmp_path / "k", "NORMAL", monkeypatch).crash(ram, Random(2), ("kill",)), "a kill loses nothing even so"


def plain_image(base: Files, log: list[Op], cut: int, way: str, draw: Random) -> Files:
    """The slow twin: the whole log from its beginning, each entry with a fate of its own."""
    synced = {told.name: number for number, told in enumerate(log[:cut]) if told.kind == "sync"}
    last = max((number for number, told in enumerate(log[:cut]) if told.kind == "write"), default=-1)
    files = {name: bytearray(content) for name, content in base.items()}
    for number, told in enumerate(log[:cut]):
        durable = number < synced.get(told.name, -1)
        fate = "all" if durable or way == "kill" or (way == "torn" and number != last) else way
        if told.kind == "write":
            pieces = [(told.offset, told.content)] if fate == "all" else []
            if fate == "torn":
                pieces = [(told.offset, told.content[: 512 * draw.randrange(len(told.content) // 512 + 1)])]
            elif fate == "subset":
                pieces = [(told.offset + at, told.content[at : at + 512]) for at in range(0, len(told.content), 512) if draw.randrange(2) == 1]
            for offset, piece in pieces:
                file = files.setdefault(told.name, bytearray())
                file.extend(bytes(max(0, offset - len(file))))
                file[offset : offset + len(piece)] = piece
        elif told.kind in ("delete", "truncate") and (fate == "all" or (fate in ("subset", "torn") and draw.randrange(2) == 1)):
            if told.kind == "delete":
                files.pop(told.name, None)
            else:
                del files.setdefault(told.name, bytearray())[told.offset :]
    return {name: bytes(content) for name, content in files.items()}


_ops = st.one_of(
    st.builds(Op, st.just("write"), st.sampled_from("ab"), st.integers(0, 1500), st.binary(min_size=1, max_size=1600)),
    st.builds(Op, st.just("truncate"), st.sampled_from("ab"), st.integers(0, 1500)),
    st.builds(Op, st.sampled_from(["sync", "delete", "ack"]), st.sampled_from("ab")),
)


@given(st.dictionaries(st.sampled_from("ab"), st.binary(max_size=1200)), st.lists(_ops, max_size=10), st.integers(0, 1 << 30))
def test_a_disk_that_is_told_step_by_step_leaves_what_the_whole_log_would(base: Files, log: list[Op], seed: int) -> None:
    for cut, way in itertools.product(range(len(log) + 1), WAYS):
        draw = Random(seed)
        assert image(base, log, cut, way, Random(seed).randrange) == plain_image(base, log, cut, way, draw), (cut, way)
    draw, seen, wanted = Random(seed), set(), []
    for cut, way in itertools.product(range(len(log) + 1), WAYS):
        for _ in range(2 if way in ("subset", "torn") else 1):
            files = plain_image(base, log, cut, way, draw)
            key = tuple(sorted(files.items()))
            if key not in seen or way == "kill" or cut == len(log) or log[cut - 1].kind == "ack":
                wanted.append((cut, way, files))
            seen.add(key)
    assert [tuple(found) for found in images(base, log, Random(seed).randrange)] == wanted


LOG = [
    Op("write", "a", 0, b"x" * 1024), Op("sync", "a"), Op("write", "a", 512, b"y" * 1024), Op("write", "b", 0, b"z" * 512), Op("ack", "", 7),
    Op("truncate", "a", 512), Op("delete", "b"),
]  # fmt: skip


def never(_: int) -> int:
    return 0


def always(bound: int) -> int:
    return bound - 1


def test_what_was_synced_stays_and_the_rest_is_as_the_way_says() -> None:
    assert image({}, LOG, 4, "none", never) == {"a": b"x" * 1024}
    assert image({}, LOG, 4, "kill", never) == image({}, LOG, 4, "all", never) == {"a": b"x" * 512 + b"y" * 1024, "b": b"z" * 512}
    assert image({}, LOG, 4, "subset", never) == {"a": b"x" * 1024}
    assert image({}, LOG, 4, "subset", always) == image({}, LOG, 4, "all", never)
    assert image({}, LOG, 3, "torn", lambda n: 1 if n == 3 else 0) == {"a": b"x" * 512 + b"y" * 512}
    assert image({}, LOG, 7, "kill", never) == {"a": b"x" * 512}
    assert image({}, LOG, 7, "none", never) == {"a": b"x" * 1024}
    with pytest.raises(ValueError, match="no way to crash"):
        image({}, LOG, 1, "fire", never)
