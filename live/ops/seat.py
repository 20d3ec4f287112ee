"""One runner for an account on a machine, whatever book it trades from.

Theory of operation. A book's own lock keeps a second runner off that book. Two books of one account know nothing of each
other's orders, and under two client ids the broker takes both: each sees no position, and each buys. So a runner that
trades at a gateway of its own choosing also takes the account's seat: a locked file in the user's state folder
(ONEBOOK_STATE, or XDG_STATE_HOME/onebook, or ~/.local/state/onebook), which names who sits there. The system gives the
seat back when its process dies. The embedded gateway is nobody else's, and its account needs none. Another user
and another machine are not seen; what they trade shows as a position that differs.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from ledger.journal import JournalLocked
from ledger.journal.store.locks import FileLock
from live.config import ConfigError


def state_folder() -> Path:
    """Return the folder of this user's seats."""
    home = os.environ.get("ONEBOOK_STATE")
    if home:
        return Path(home)
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "onebook"


class Seat:
    """The seat of an account: free, or taken by one process."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._lock = FileLock(state_folder() / f"paper-{account}.lock")

    def take(self, book: Path, client_id: int, now_ns: int) -> None:
        """Sit down.

        Raises:
            JournalLocked: somebody sits there; the message names process, book and start.
            ConfigError: the state folder cannot be written.
        """
        since = datetime.fromtimestamp(now_ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        me = {"pid": os.getpid(), "book": str(book.resolve()), "client_id": client_id, "since": since}
        try:
            self._lock.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            taken = self._lock.acquire(wait=False)
            if taken:
                self._notice.write_text(json.dumps(me), "utf-8")
        except OSError as error:
            raise ConfigError(f"the seat of account {self._account} cannot be taken: {error}; name a folder in ONEBOOK_STATE") from error
        if not taken:
            raise JournalLocked(
                f"account {self._account} is traded on this machine already, by {self._owner()}; one runner for an account: "
                "two books do not know of each other's orders. Stop that one (`onebook paper stop --book ...`), or trade its book"
            )

    def leave(self) -> None:
        """Stand up; the file stays, so that nobody locks one that is about to vanish."""
        self._lock.release()

    @property
    def _notice(self) -> Path:
        return self._lock.path.with_suffix(".json")

    def _owner(self) -> str:
        try:
            said = json.loads(self._notice.read_text("utf-8"))
            return f"pid {said['pid']} from the book {said['book']} as client {said['client_id']} since {said['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "a process that has not said yet who it is"
