"""One bucket for every message to the gateway: orders before cancels before questions.

Theory of operation. IBKR closes the connection of a client that sends more than 50
messages in a second, whichever second that is. So two things hold: in any second at most
`rate` messages go, and a bucket of `burst` turns fills at `rate` a second. Whoever wants
to send asks for a turn; a question never takes the turns that are kept for orders, so a
long list of questions never holds one up. The arithmetic is in nanoseconds
of the injected clock; the bucket has no timer of its own. When that clock is set back, what went before is
moved back with it: an hour set back is no hour of silence.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum

SECOND_NS = 1_000_000_000


class Rank(IntEnum):
    """Who goes first."""

    ORDER = 0
    CANCEL = 1
    QUESTION = 2


class Pacer:
    """The bucket. Ask `wait_ns`, and `take` when it says 0."""

    def __init__(self, rate: int, burst: int, now_ns: int) -> None:
        if not 1 <= rate <= 49 or burst < 1:
            raise ValueError(f"rate {rate} and burst {burst}: the gateway allows 50 messages a second, so 1 to 49 and at least 1")
        self._gap_ns = SECOND_NS // rate
        self._gone: deque[int] = deque(maxlen=rate)
        self._burst = burst
        self._full_at_ns = now_ns
        """When the bucket is full again; each message moves it on by one gap."""

    def wait_ns(self, now_ns: int, rank: Rank = Rank.ORDER) -> int:
        """Return how long to wait for a turn, 0 when there is one now. Questions leave a quarter of the bucket to orders."""
        self._follow(now_ns)
        reserve = self._burst // 4 if rank is Rank.QUESTION else 0
        used_ns = max(0, self._full_at_ns - now_ns)
        bucket_ns = used_ns - (self._burst - 1 - reserve) * self._gap_ns
        most = max(1, (self._gone.maxlen or 1) - reserve)
        window_ns = self._gone[-most] + SECOND_NS - now_ns if len(self._gone) >= most else 0
        return max(0, bucket_ns, window_ns)

    def take(self, now_ns: int) -> None:
        """Count one message."""
        self._follow(now_ns)
        self._full_at_ns = max(self._full_at_ns, now_ns) + self._gap_ns
        self._gone.append(now_ns)

    def _follow(self, now_ns: int) -> None:
        """Move what went before back with a clock that was set back."""
        back_ns = self._gone[-1] - now_ns if self._gone else 0
        if back_ns > 0:
            self._gone = deque((at - back_ns for at in self._gone), self._gone.maxlen)
            self._full_at_ns -= back_ns
