"""The gate every rule passes: refuse, or make a repair that was asked for and count it.

Theory of operation. A rule computes the mask of rows that break it and hands it to
`Gate.judge`. No row: nothing happens. A row, and the named repair was asked for:
the rows are counted and the rule repairs them. Otherwise a `DataError` names the
first row. A `Gate` lives as long as the load of one instrument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from sim.data.errors import DataError, check_repairs, repair_hint
from sim.data.history import Int64Array, Repair


class Gate:
    """Repairs that were asked for, and those that were made, for one instrument of one file."""

    def __init__(self, file: str, repairs: Iterable[str] = ()) -> None:
        self.file = file
        self.asked = check_repairs(repairs)
        self._made: dict[str, Repair] = {}

    def note(self, name: str, count: int, first_row: int) -> None:
        """Record rows that were changed or left out under `name`; several calls add up."""
        before = self._made.get(name)
        if before is not None:
            count, first_row = count + before.count, min(first_row, before.first_row)
        self._made[name] = Repair(name, int(count), int(first_row))

    def allows(self, name: str, count: int, first_row: int, rule: str, values: Sequence[str] = ()) -> bool:
        """Return whether the repair was asked for; when it was, it is counted.

        Args:
            rule, values: what is wrong and with what, for a gate that lists findings.
        """
        if name not in self.asked:
            return False
        self.note(name, count, first_row)
        return True

    def judge(
        self,
        wrong: NDArray[np.bool_],
        row: Int64Array,
        rule: str,
        *,
        column: str = "",
        value: Callable[[int], object] = lambda at: "",
        repair: str = "",
        fix: str = "",
    ) -> bool:
        """Return False when no row is wrong, True when the repair shall be made; else raise DataError.

        Args:
            wrong: mask [T]; row: 1-based lines [T]; value: the text to show for an index;
            repair: name in REPAIRS, "" when there is none; fix: what else can be done.
        """
        count = int(wrong.sum())
        if not count:
            return False
        at = int(np.argmax(wrong))
        if repair and self.allows(repair, count, int(row[at]), rule):
            return True
        many = f" ({count} rows)" if count > 1 else ""
        raise DataError(
            rule + many,
            file=self.file,
            row=int(row[at]),
            column=column,
            value=value(at),
            fix=repair_hint(repair, fix) if repair else fix,
        )

    def made(self) -> tuple[Repair, ...]:
        """Return the repairs made, by name."""
        return tuple(self._made[name] for name in sorted(self._made))
