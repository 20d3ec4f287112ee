"""What waits to be sent: each order once, in READY, with its id on record before it leaves.

Theory of operation. The order manager records SENDING and returns a Submit; that Submit
goes into the outbox and out of it at most once. `due` gives what may leave now:
no order while the link is not READY, orders before cancels, and as many as the pacer has
turns for. A cancel of an order that has not left takes it out instead (`take_back`).
A cancel leaves while broker and book are compared as well: it can make nothing worse.
A Submit that is still here when the link breaks never reached the socket; its order
becomes UNKNOWN at the next start like any other that may have been sent, and
the broker's lists say that it never was. So nothing here is ever sent again.

Line by line, with what a crash after it leaves behind:
  1 claim recorded       CLAIMED: released at the next start, nothing was sent
  2 SENDING recorded     UNKNOWN at the next start: looked for by reference, id on record
  3 put into the outbox  the same
  4 handed to the wire   the same, and the broker may have it
  5 first callback       SUBMITTED
"""

from __future__ import annotations

from collections import deque

from ledger.port import Cancel, Submit
from live import link as links
from live.pacer import Pacer, Rank

Sending = Submit | Cancel


class Outbox:
    """Orders and cancels on their way out."""

    def __init__(self, pacer: Pacer) -> None:
        self.pacer = pacer
        self._submits: deque[Submit] = deque()
        self._cancels: deque[Cancel] = deque()
        self._left: set[int] = set()

    def put(self, effect: Sending) -> None:
        """Take an effect in. A key that left or waits already is a fault of the program.

        Raises:
            RuntimeError: a second Submit for one key.
        """
        if isinstance(effect, Cancel):
            self._cancels.append(effect)
            return
        if effect.key in self._left or any(waiting.key == effect.key for waiting in self._submits):
            raise RuntimeError(f"order {effect.key} was handed over twice; only the first one counts, and the runner must stop")
        self._submits.append(effect)

    def due(self, link: links.Link, now_ns: int) -> list[Sending]:
        """Return what leaves now, in this order; each is counted as gone."""
        found: list[Sending] = []
        while links.may_cancel(link):
            orders = self._submits if links.may_send(link) else None
            if orders and self.pacer.wait_ns(now_ns, Rank.ORDER) == 0:
                submit = orders.popleft()
                self._left.add(submit.key)
                found.append(submit)
            elif self._cancels and not orders and self.pacer.wait_ns(now_ns, Rank.CANCEL) == 0:
                found.append(self._cancels.popleft())
            else:
                break
            self.pacer.take(now_ns)
        return found

    def wait_ns(self, link: links.Link, now_ns: int) -> int | None:
        """Return how long until something may be due, None when nothing waits that may leave."""
        waits = self._cancels or (self._submits and links.may_send(link))
        return self.pacer.wait_ns(now_ns) if waits and links.may_cancel(link) else None

    def waiting(self) -> set[int]:
        """Return the keys of the orders that have not left."""
        return {submit.key for submit in self._submits}

    def take_back(self, key: int) -> bool:
        """Take an order out that has not left; False when it has, or never came in. It is never put in again."""
        found = [submit for submit in self._submits if submit.key == key]
        for submit in found:
            self._submits.remove(submit)
            self._left.add(key)
        return bool(found)

    def drop(self) -> list[int]:
        """Forget what waits, because the link broke; return the keys of the orders that were never sent."""
        keys = [submit.key for submit in self._submits]
        self._submits.clear()
        self._cancels.clear()
        return keys

    def __len__(self) -> int:
        return len(self._submits) + len(self._cancels)
