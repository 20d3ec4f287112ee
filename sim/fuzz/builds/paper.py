"""The journal's file between two builds: begun by one, opened by either, left by those that end and by those that die.

Theory of operation. A file that a build has begun is made once for each build and copied for each schedule into
one folder of this process, in memory where there is such a place. A life opens it with its own build's journal, so schema,
locks, leases and marks are the real ones. A life that was killed leaves as the system would have it: no write of it passes its first
named point any more, its locks are free and its connection is closed.

What is replaced, and only while a journal is opened: the hash of the source tree, which takes 50 ms and is the same all the time.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ledger.book import Row
from ledger.journal import Journal
from sim.fuzz.builds.alias import Build
from sim.fuzz.processes import Dead, Process
from sim.fuzz.world import World
from sim.fuzz.zoo.real import Disk

SCOPE, NAME = "paper:two builds", "paper.db"
HASHERS = ("ledger.journal.store.leases", "ledger.journal.journal")


@cache
def folder(purpose: str) -> Path:
    """Return a private folder of this process."""
    shared = Path("/dev/shm")
    place = shared if shared.is_dir() and os.access(shared, os.W_OK) else None
    made = Path(tempfile.mkdtemp(prefix=f"onebook-{purpose}-", dir=place))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


@cache
def _code(build: Build) -> str:
    found: str = build.module("ledger.journal").source_hash()
    return found


@contextmanager
def _hashed_once(build: Build) -> Iterator[None]:
    code = _code(build)
    with ExitStack() as life:
        for name in HASHERS:
            module = build.module(name)
            before = module.source_hash
            life.callback(setattr, module, "source_hash", before)
            module.source_hash = lambda: code
        yield


@cache
def begun(build: Build, symbols: tuple[str, ...], cash: int) -> Path:
    """Return a folder with a journal that a build has begun, with instruments and a deposit."""
    place = folder(f"begun-{build.prefix or 'this'}".rstrip(".")) / NAME
    disk = Disk(symbols, cash)
    with _hashed_once(build), build.module("ledger.journal").Journal.open(place) as journal:
        session = journal.begin("paper", SCOPE, config={})
        for row, symbol in zip(disk.events, (*symbols, ""), strict=True):
            row[build.book.E_REF] = session.name(symbol) if symbol else 0
        session.record_all(np.array(disk.events))
    return place.parent


class Paper(Disk):
    """What survives a crash: the folder of the journal; and what people see of those who use it."""

    def __init__(self, symbols: list[str], cash: int, began: Build) -> None:
        super().__init__(symbols, cash)
        self.path = folder("builds") / NAME
        for left in self.path.parent.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        shutil.copytree(begun(began, tuple(self.numbers), cash), self.path.parent, dirs_exist_ok=True)
        self.opened: list[Opened] = []
        self.refused_by: list[Process] = []
        self._last: dict[str, int] = {}

    def opened_by(self, build: Build, world: World) -> Opened | None:
        """Open the journal as a new process of a build does; None when the account is another's, or the file of another release."""
        errors, process = build.module("ledger.journal"), world.here()
        try:
            with _hashed_once(build):
                opened = Opened(self, build, world, process)
        except errors.JournalLocked:
            world.note("JOURNAL_LOCKED")
            return None
        except errors.JournalForeign:
            world.note("JOURNAL_FOREIGN")
            self.refused_by.append(process)
            return None
        self.opened.append(opened)
        self.open = opened  # type: ignore[assignment]  # it answers as a journal of rows does
        return opened

    def length(self) -> int:
        """Return how many events the life has recorded that opened the journal last."""
        return self.open.book.seq if self.open is not None else 0

    def positions(self) -> dict[str, int]:
        """Return the shares of each symbol in the book of the life that opened the journal last, as long as it lived."""
        if self.open is not None:
            self._last = super().positions()
        return self._last

    def closes_what(self, process: Process) -> None:
        """Close what a process had open that was killed, as the system does."""
        for opened in self.opened:
            if opened.process is process:
                opened.leave()

    def one_owner(self) -> str:
        """Say who else has the account."""
        owners = [opened.process.title for opened in self.opened if opened.process.alive and opened.has_it]
        return f"{' and '.join(owners)} have the account at once" if len(owners) > 1 else ""

    def verifies(self) -> str:
        """Say what this build finds wrong with the file."""
        with Journal.read(self.path) as journal:
            found = journal.verify(1)
        return "" if found.ok else "; ".join(finding.text for finding in found.findings)


class Opened:
    """`ledger.oms.Ledger` over the journal as one life has it open."""

    def __init__(self, paper: Paper, build: Build, world: World, process: Process) -> None:
        self.build, self.process, self._paper, self.has_it = build, process, paper, True
        self._journal = build.module("ledger.journal").Journal.open(paper.path, at=self._at, clock=world.now_ns)
        try:
            self._session: Any = self._journal.resume(1)
        except BaseException:
            self.leave()
            raise

    def _at(self, point: str) -> None:
        if not self.process.alive:
            raise Dead(f"killed at {point}")

    @property
    def book(self) -> Any:
        """Return the book after the last record."""
        return self._session.book

    def record(self, row: Row) -> Any:
        """Apply one event and make it durable."""
        return self._session.record(row)

    def gate(self, signal: Row) -> Any:
        """Decide, and make the claim or the refusal durable."""
        return self._session.gate(signal)

    def name(self, text: str) -> int:
        """Return the number of a text."""
        return int(self._session.name(text))

    def leave(self) -> None:
        """Close what this life has open; a life that was killed writes nothing more."""
        self.has_it = False
        if self._paper.open is self:  # type: ignore[comparison-overlap]
            self._paper.open = None
        for _ in range(2):
            with suppress(Dead):
                self._journal.close()
