"""The people who ask a runner for something: one runner a book and an account, their wishes taken, each of them answered.

Theory of operation. Whoever starts becomes the book's only runner, and then the account's, or is told who is. What was asked
while nobody ran is looked through then: a wish to halt is obeyed before anything is decided, anything else was about another
moment and is said and dropped. From then on wishes are heeded once a tick, by the consumer.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ledger.journal import JournalLocked
from live.control import Answer, Wish
from live.ops.obey import obey, who
from live.ops.seat import Seat

if TYPE_CHECKING:
    from live.runner import Runner
    from live.trader import Trader


class People:
    """The people around one runner."""

    def __init__(self, runner: Runner) -> None:
        self._runner, self._owns = runner, False
        self._seat: Seat | None = None
        self.halts: list[Wish] = []
        """Wishes to halt from before the book was open."""
        self.looks: list[Wish] = []
        """Wishes to compare that wait for their answer."""

    def own(self) -> None:
        """Become the one runner of the book; being it already is well.

        Raises:
            JournalLocked: there is another one.
        """
        folder = self._runner.folder
        if self._owns:
            return
        if not folder.own():
            pid = (folder.state() or {}).get("pid", "unknown")
            book = self._runner.config.book
            raise JournalLocked(f"a runner trades {book} already, pid {pid}; ask it with `onebook paper status` or `stop`")
        self._owns = True
        folder.write_state(self._runner.state())  # so that whoever comes next is told of this process, and of no earlier one
        for wish in folder.left():
            if wish.do == "halt":
                self.halts.append(wish)
            done = "done now" if wish.do == "halt" else "not done, because nobody took it then"
            self._runner.say(f"LEFT OVER: {wish.do} asked for by {who(wish)}; {done}")

    def sit(self, account: str) -> None:
        """Become the one runner of the account on this machine; the embedded gateway's account is nobody else's.

        Raises:
            JournalLocked: there is another one, with a book of its own.
        """
        runner = self._runner
        if not runner.simulated:
            self._seat = Seat(account)
            self._seat.take(Path(runner.config.book), runner.config.client_id, runner.clock.now_ns())

    def leave(self) -> None:
        """Be the runner no more."""
        if self._seat is not None:
            self._seat.leave()
        self._runner.folder.leave()
        self._owns = False

    def begin(self, trader: Trader) -> None:
        """Halt, if somebody asked for that before the book was open."""
        for wish in self.halts:
            trader.halt(who(wish))
        self.halts.clear()

    def heed(self) -> None:
        """Take what is asked for and answer it."""
        for wish in self._runner.folder.take():
            self._runner.say(f"{wish.do.upper()} asked for by {who(wish)}")
            self._answer(wish, obey(self._runner, wish))

    def looked(self, answer: Answer) -> None:
        """Answer whoever waits for a comparison."""
        waiting, self.looks = self.looks, []
        for wish in waiting:
            self._answer(wish, answer)

    def _answer(self, wish: Wish, answer: Answer | None) -> None:
        if answer is not None:
            self._runner.say(f"{wish.do.upper()}{'' if answer.done else ' NOT DONE'}: {answer.text}")
            self._runner.folder.answer(wish, answer)
