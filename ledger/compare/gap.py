"""The difference of two positions as a book of its own: who opened it, and who closed it again.

Theory of operation. Whatever makes the second session hold more or less than the first opens a gap; a
later order that differs the other way closes it, first in, first out. What a closing order
gains or loses belongs to the row and the cause that opened the gap: a refused buy costs what the first session
earned until it sold, and not what the shares are worth years later. An amount that goes to several is
split by quantity with the remainder carried on, so the parts are the whole to the last unit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from ledger.compare.model import Cause
from ledger.compare.reading import half_even


@dataclass(slots=True)
class Lot:
    """A part of the gap: the row and cause that opened it, and the units that are still open."""

    row: int
    cause: Cause
    units: int


class Gap:
    """The open difference of one symbol, in common units, signed: above 0 the second session holds more."""

    def __init__(self) -> None:
        self._lots: deque[Lot] = deque()

    def trade(self, row: int, units: int, amount_e8: int, own: Sequence[tuple[Cause, int]]) -> list[tuple[int, Cause, int]]:
        """Take a difference in; return (row, cause, amount) of those it belongs to, their sum is `amount_e8`.

        Args:
            row: the row that differs. units: by how much, not 0.
            own: its own causes and what each has of `units`, used for what closes nothing.
        """
        taken = self._close(units)
        left = units - sum(size for _, _, size in taken)
        opened = _share(left, own)
        for cause, size in opened:
            self._lots.append(Lot(row, cause, size))
        pieces = [*taken, *((row, cause, size) for cause, size in opened)]
        return _split(amount_e8, units, pieces)

    def _close(self, units: int) -> list[tuple[int, Cause, int]]:
        """Take lots of the other sign, oldest first; return (row, cause, units of this trade)."""
        taken: list[tuple[int, Cause, int]] = []
        while units and self._lots and (self._lots[0].units > 0) != (units > 0):
            lot = self._lots[0]
            part = units if abs(units) <= abs(lot.units) else -lot.units
            taken.append((lot.row, lot.cause, part))
            units -= part
            lot.units += part
            if lot.units == 0:
                self._lots.popleft()
        return taken


def _share(left: int, own: Sequence[tuple[Cause, int]]) -> list[tuple[Cause, int]]:
    """Return the causes of what opens: in their order, those that point its way, and all of the rest the first of these."""
    ways = [(cause, size) for cause, size in own if size and (size > 0) == (left > 0)] or [(own[0][0], left)]
    shares, rest = [], left
    for cause, size in ways[1:]:
        part = size if abs(size) < abs(rest) else rest
        shares.append((cause, part))
        rest -= part
    return [(cause, size) for cause, size in [(ways[0][0], rest), *shares] if size]


def _split(amount_e8: int, units: int, pieces: Sequence[tuple[int, Cause, int]]) -> list[tuple[int, Cause, int]]:
    found, before, done = [], 0, 0
    for row, cause, size in pieces:
        before += size
        upto = half_even(amount_e8 * before, units)
        found.append((row, cause, upto - done))
        done = upto
    return found
