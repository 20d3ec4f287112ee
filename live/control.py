"""How a runner and the command line talk: a folder beside the book, written whole or not at all.

Theory of operation. The runner alone may write its book, so other processes ask it. Its
state stands in `state.json`, replaced once a second; a wish of a person is a file that
appears under its final name and is deleted when the runner took it, and what came of it is
a file that whoever asked deletes. All are private to the user. A state says when it was
written: an old one is shown with its age and never as the present. Without a runner nobody
takes wishes, and `is_running` says so: the runner's process holds a lock that the system
frees when it dies. A wish to halt is kept for the next runner; any other one that nobody
took is not done later, because it was about another moment.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from ledger.journal.store.locks import FileLock

WORDS = ("halt", "resume", "flat", "look", "stop", "open", "settle", "adjust", "cash")
"""What a person may ask a runner for: `open` lets an instrument trade again that was closed, `settle` ends an order
that no list of the broker knows (its key stands in `symbol`), `adjust` books the broker's position where it differs,
`cash` the broker's cash where that differs, as what `kind` says it was."""


class Wish(NamedTuple):
    """Something a person asked for."""

    do: str
    who: str
    why: str
    symbol: str = ""
    price: str = ""
    """What a share cost that an adjustment brings; empty: what the broker says it cost."""
    name: str = ""
    """The file it came in, which its answer is named after."""
    kind: str = ""
    """What cash was: a key of `broker.cash.KINDS`."""


class Answer(NamedTuple):
    """What came of a wish."""

    done: bool
    text: str


class Folder:
    """The folder beside a book."""

    def __init__(self, book: Path) -> None:
        self.path = book.with_name(f"{book.name}.paper")
        self._lock = FileLock(self.path / "runner.lock")
        self._number = 0

    def own(self) -> bool:
        """Become the runner; False when there is one."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._lock.acquire(wait=False)

    def leave(self) -> None:
        """Be the runner no more."""
        self._lock.release()

    def is_running(self) -> bool:
        """Say whether a runner holds the folder."""
        if not self.path.is_dir():
            return False
        probe = FileLock(self.path / "runner.lock")
        free = probe.acquire(wait=False)
        if free:
            probe.release()
        return not free

    def write_state(self, state: dict[str, Any]) -> None:
        """Replace the state."""
        self._put(self.path / "state.json", state)

    def state(self) -> dict[str, Any] | None:
        """Return the last state, None when no runner ever wrote one."""
        try:
            found: dict[str, Any] = json.loads((self.path / "state.json").read_text("utf-8"))
        except FileNotFoundError:
            return None
        return found

    def ask(self, wish: Wish) -> Path:
        """Leave a wish for the runner; return the file that disappears when it was taken.

        Raises:
            ValueError: no word a runner knows.
        """
        if wish.do not in WORDS:
            raise ValueError(f"{wish.do!r} is nothing to ask of a runner; it knows {', '.join(WORDS)}")
        self._number += 1
        path = self.path / f"wish-{os.getpid()}-{self._number}.json"
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._put(path, wish._asdict())
        return path

    def answer(self, wish: Wish, answer: Answer) -> None:
        """Say what came of a wish."""
        self._put(self.path / f"answer-{wish.name}.json", answer._asdict())

    def answer_to(self, wish: Path) -> Answer | None:
        """Return what came of a wish and delete it; None: nothing yet."""
        path = self.path / f"answer-{wish.stem}.json"
        try:
            said = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        path.unlink(missing_ok=True)
        return Answer(bool(said["done"]), str(said["text"]))

    def left(self) -> list[Wish]:
        """Return the wishes that nobody took before this runner, and clear away what nobody fetched."""
        for path in self.path.glob("answer-*.json"):
            path.unlink(missing_ok=True)
        return self.take()

    def take(self) -> list[Wish]:
        """Return the wishes that wait, oldest first, and delete them. One that cannot be read is left out and deleted."""
        found = []
        for path in sorted(self.path.glob("wish-*.json"), key=lambda p: (p.stat().st_mtime_ns, p.name)):
            try:
                said = json.loads(path.read_text("utf-8"))
                wish = Wish(**{name: str(said.get(name, "")) for name in Wish._fields} | {"name": path.stem})
            except (ValueError, AttributeError):
                wish = Wish("", "", "")
            path.unlink(missing_ok=True)
            if wish.do in WORDS:
                found.append(wish)
        return found

    def _put(self, path: Path, value: dict[str, Any]) -> None:
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(value, file)
        temporary.replace(path)
