"""Orders that rest, by contract: who is next when the price moves.

Theory of operation. Limits and stops wait in heaps ordered by price, then by time, so that a second in
which nothing trades costs the same with ten orders and with a hundred thousand. A
cancelled or changed order leaves its entry behind; the entry is void because its number
is no longer the order's, and void entries go when they reach the top, or all at once
when they are more than half.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from sim.gateway.desk.orders import Order

Entry = tuple[int, int, Order]


class Queue:
    """Orders by a key, lowest first; equal keys in order of arrival."""

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self._live = 0

    def __len__(self) -> int:
        """Return how many live entries there are."""
        return self._live

    def add(self, key: int, number: int, order: Order) -> None:
        """Let an order wait under a number that is its own."""
        order.place, order.waits_in = number, self
        heappush(self._heap, (key, number, order))
        self._live += 1

    def drop(self, order: Order) -> None:
        """Make an order's entry void."""
        order.place, order.waits_in = 0, None
        self._live -= 1
        if len(self._heap) > 64 and self._live * 2 < len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].place == entry[1]]
            heapify(self._heap)

    def first(self) -> tuple[int, Order] | None:
        """Return the lowest key and its order."""
        heap = self._heap
        while heap and heap[0][2].place != heap[0][1]:
            heappop(heap)
        return (heap[0][0], heap[0][2]) if heap else None

    def __iter__(self) -> Iterator[Order]:
        """Yield live orders, in no promised order."""
        return (entry[2] for entry in self._heap if entry[2].place == entry[1])


class Ladder:
    """The resting orders of one contract."""

    __slots__ = ("limits", "stops", "trails")

    def __init__(self) -> None:
        self.limits = {1: Queue(), -1: Queue()}
        self.stops = {1: Queue(), -1: Queue()}
        self.trails: list[Order] = []

    def __len__(self) -> int:
        """Return how many orders rest."""
        return len(self.trails) + sum(len(queue) for queue in (*self.limits.values(), *self.stops.values()))

    def add_limit(self, order: Order, number: int) -> None:
        """Let a limit order rest; the best price is first."""
        self.limits[order.side].add(-order.side * order.limit, number, order)

    def add_stop(self, order: Order, number: int, side: int) -> None:
        """Let a stop rest that prices reach from below (+1) or from above (-1); the one that is touched first is first."""
        self.stops[side].add(side * order.stop, number, order)

    def add_trail(self, order: Order, number: int) -> None:
        """Let a trailing stop rest."""
        order.place, order.waits_in = number, self.trails
        self.trails.append(order)

    def drop(self, order: Order) -> None:
        """Take an order out, wherever it rests."""
        if order.waits_in is self.trails:
            self.trails.remove(order)
            order.place, order.waits_in = 0, None
        elif order.waits_in is not None:
            order.waits_in.drop(order)
