"""What is due when: a queue of calls ordered by time, then by the order of asking.

Theory of operation. Nothing in the gateway sleeps. Whoever wants to go on later says when and
what; the transport asks when the next call is due and lets time pass. Calls due at
one moment run in the order in which they were asked for, on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count


class Timer:
    """A call that is due; `stop` forgets it."""

    __slots__ = ("call", "due_ns")

    def __init__(self, due_ns: int, call: Callable[[], None]) -> None:
        self.due_ns = due_ns
        self.call: Callable[[], None] | None = call

    def stop(self) -> None:
        """Forget the call."""
        self.call = None


class Schedule:
    """Calls by due time. Invariant: `now_ns` never goes back."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns
        self._heap: list[tuple[int, int, Timer]] = []
        self._number = count()

    def at(self, due_ns: int, call: Callable[[], None]) -> Timer:
        """Have `call` run at a time; one in the past runs at the next step."""
        timer = Timer(max(due_ns, self.now_ns), call)
        heappush(self._heap, (timer.due_ns, next(self._number), timer))
        return timer

    def after(self, delay_ns: int, call: Callable[[], None]) -> Timer:
        """Have `call` run after a delay."""
        return self.at(self.now_ns + delay_ns, call)

    def next_ns(self) -> int | None:
        """Return when the next call is due; None when nothing is."""
        while self._heap and self._heap[0][2].call is None:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def advance(self, now_ns: int) -> None:
        """Run what is due up to a time, each call at its own moment."""
        while (due := self.next_ns()) is not None and due <= now_ns:
            timer = heappop(self._heap)[2]
            self.now_ns = max(self.now_ns, due)
            call, timer.call = timer.call, None
            if call is not None:
                call()
        self.now_ns = max(self.now_ns, now_ns)
