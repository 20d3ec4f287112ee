"""Names: the texts that events carry as numbers.

Theory of operation. An event is integers, so symbols, execution ids, strategies,
operators and evidence are interned: dense numbers from 1, per session, never
changed. Names are hash-chained like events. A process that owns its session alone
writes a new name together with the first event that can use it. Where several
processes share a session a number must be settled before anybody uses it, so there
each new name is committed at once.

An import of a million rows needs no text for each execution: from KEPT on a number is that of a kept message.
"""

from __future__ import annotations

import sqlite3

from ledger.journal.store import chain
from ledger.journal.errors import JournalError


KEPT = 2**40
"""An execution id KEPT + n says: it stands in message n that `Session.keep` kept. No session has so many names."""


class Names:
    """The names of one session, as far as this process knows them."""

    def __init__(self, session_id: int, genesis: bytes) -> None:
        self._session_id = session_id
        self._texts: list[str] = []
        self._numbers: dict[str, int] = {}
        self._stored = 0
        self._head = genesis

    def number(self, text: str) -> int:
        """Return a text's number, or 0 when it has none."""
        return self._numbers.get(text, 0)

    def text(self, number: int) -> str:
        """Return the text of a number.

        Raises:
            JournalError: a number that no text has.
        """
        if not 1 <= number <= len(self._texts):
            raise JournalError(f"session {self._session_id} has no name {number}; it has 1..{len(self._texts)}")
        return self._texts[number - 1]

    def add(self, text: str) -> int:
        """Give a new text the next number; `store` writes it."""
        if not text or "\0" in text:
            raise JournalError(f"{text!r} cannot be a name: it must not be empty and has no NUL")
        self._texts.append(text)
        self._numbers[text] = len(self._texts)
        return len(self._texts)

    def __len__(self) -> int:
        """Return how many names this process knows; they are numbered from 1."""
        return len(self._texts)

    def all(self) -> dict[int, str]:
        """Return every number and its text."""
        return dict(enumerate(self._texts, 1))

    def load(self, connection: sqlite3.Connection) -> None:
        """Read the names that other processes stored since the last load."""
        rows = connection.execute(
            "SELECT number, text, hash FROM name WHERE session_id = ? AND number > ? ORDER BY number",
            (self._session_id, self._stored),
        )
        for number, text, stored_hash in rows.fetchall():
            self._head = chain.name_hash(self._head, self._session_id, number, text)
            if self._head != bytes(stored_hash):
                raise JournalError(
                    f"name {number} of session {self._session_id} ({text!r}) does not match its hash: it was changed after "
                    "it was stored; restore a backup"
                )
            if number > len(self._texts):
                self.add(text)
            self._stored = number

    def pending(self) -> bool:
        """Say whether a name waits to be stored."""
        return self._stored < len(self._texts)

    def store(self, connection: sqlite3.Connection) -> None:
        """Write the names that wait, inside the caller's transaction.

        If that transaction fails the session is halted and this object is not used again.
        """
        rows = []
        for number in range(self._stored + 1, len(self._texts) + 1):
            self._head = chain.name_hash(self._head, self._session_id, number, self._texts[number - 1])
            rows.append((self._session_id, number, self._texts[number - 1], self._head))
        connection.executemany("INSERT INTO name (session_id, number, text, hash) VALUES (?, ?, ?, ?)", rows)
        self._stored = len(self._texts)
