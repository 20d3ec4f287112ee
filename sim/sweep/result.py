"""What a sweep found: a table with a row a combination, block moments, pictures, a file.

Theory of operation. Reads only; every number was made by a kernel or by the book. A row's `hash` is the
name its trial has in the trial ledger, and a later backtest of the same combination has the same one. A combination
that could not be run is a row, too, and a trial: it is told with its reason, ranked nowhere, and its figures are null.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sim import run as runs
from sim.honesty import trials
from sim.sweep.work import FIGURED, UNKNOWN, Case, Figures
from strategies.api import StrategyError, known_name

if TYPE_CHECKING:
    import pyarrow as pa

LESS_IS_BETTER = frozenset({"fees_e8", "refused"})


@dataclass(frozen=True)
class SweepResult:
    """Figures of every combination of every case, in the order of cases and combinations."""

    table: dict[str, NDArray[Any]]  # symbol, commission, the parameters, then `work.COLUMNS`
    blocks: NDArray[np.float64]  # [rows, S, 3] sum of returns, of their squares, count
    cases: tuple[Case, ...]
    combos: tuple[tuple[Any, ...], ...]  # of each case
    refused: int  # combinations that the strategy's own check left out
    source: tuple[str, str] = ("bars", "as given")

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.blocks)

    @property
    def names(self) -> tuple[str, ...]:
        """The strategy's parameters."""
        return tuple(self.cases[0].strategy.params._fields)

    @cached_property
    def trials(self) -> tuple[str, ...]:
        """The trial hash of each row."""
        return tuple(name for case, combos in zip(self.cases, self.combos, strict=True) for name in hashes(case, combos, self.source))

    @cached_property
    def digest(self) -> str:
        """SHA-256 over every figure, bit for bit: equal digests, equal results."""
        sha = hashlib.sha256()
        for name, column in self.table.items():
            if name == "failed":
                continue  # A reason is words; that a row failed is told by its figures.
            sha.update(name.encode() + (column.tobytes() if column.dtype.kind in "if" else "\0".join(map(str, column)).encode()))
        sha.update(np.ascontiguousarray(self.blocks).tobytes())
        return sha.hexdigest()

    @cached_property
    def failed(self) -> NDArray[np.bool_]:
        """Which rows could not be run."""
        return np.asarray(self.table["failed"] != "", np.bool_)

    def figure(self, name: str) -> NDArray[np.float64]:
        """Return a figure of every row, NaN where it is unknown."""
        known_name("figure", name, FIGURED)
        return np.where(self.failed, np.nan, self.table[name])

    def best(self, by: str = "sharpe", count: int = 1) -> list[dict[str, Any]]:
        """Return the best rows by a figure as dicts, the best first; unknown figures come last, ties in table order.

        What could not be run is not among them; `failures` has it.
        """
        column = self.figure(by)
        worth = np.where(np.isnan(column), np.inf, column if by in LESS_IS_BETTER else -column)
        ranked = [int(number) for number in np.argsort(worth, kind="stable") if not self.failed[number]]
        return [self.row(number) for number in ranked[:count]]

    def failures(self, count: int | None = None) -> list[dict[str, Any]]:
        """Return the rows that could not be run, the first `count` in table order; `failed` says why."""
        return [self.row(int(number)) for number in np.flatnonzero(self.failed)[:count]]

    def row(self, number: int) -> dict[str, Any]:
        """Return one row, unknown as None."""
        values = {name: np.asarray(column[number]).item() for name, column in self.table.items()}
        return {name: None if value in (UNKNOWN, "") or value != value else value for name, value in values.items()}

    def to_parquet(self, path: Path | str) -> Path:
        """Write the table, the hashes and the block moments as one Parquet file; unknown is null."""
        import pyarrow as pa

        table = arrow(Figures(self.table, self.blocks)).append_column("hash", pa.array(self.trials))
        return write(table, Path(path))

    def heatmap(self, x: str, y: str, path: Path | str, figure: str = "sharpe", row: int = 0) -> Path:
        """Draw a figure over two parameters into a .png or .html file; the rest as in row `row` of the table.

        Raises:
            StrategyError: a name that is no parameter or figure, or an ending that is neither.
        """
        from sim.sweep.picture import heatmap

        return heatmap(self, x, y, Path(path), figure, row)


def hashes(case: Case, combos: Sequence[Any], source: tuple[str, str]) -> list[str]:
    """Return the trial hash of each combination, equal to that of a stored backtest of it."""
    return trials.hashes_of(configuration(case, combos[0], source), (params._asdict() for params in combos)) if combos else []


def configuration(case: Case, params: Any, source: tuple[str, str]) -> dict[str, Any]:
    """Return the configuration that a backtest of these parameters would be stored with."""
    return runs.configuration(runs.unrun(case.histories, case.strategy, params, case.setting), *source)


def arrow(found: Figures) -> pa.Table:
    """Return figures as a table; unknown is null, block moments are one list a row."""
    import pyarrow as pa

    columns = {
        name: pa.array(column, pa.string() if column.dtype.kind == "O" else None, mask=_unknown(column))
        for name, column in found.table.items()
    }
    flat = pa.array(np.ascontiguousarray(found.blocks).ravel())
    columns["blocks"] = pa.FixedSizeListArray.from_arrays(flat, int(np.prod(found.blocks.shape[1:])))
    return pa.table(columns)


def _unknown(column: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where a column knows nothing: no number, UNKNOWN, or no reason to have failed."""
    if column.dtype.kind == "f":
        return np.asarray(np.isnan(column), np.bool_)
    return np.asarray(column == (UNKNOWN if column.dtype.kind == "i" else ""), np.bool_)


def figures_of(table: pa.Table) -> Figures:
    """Return the figures of a table that `arrow` made."""
    nothing = {"i": UNKNOWN, "f": np.nan, "O": ""}
    columns = {}
    for name in table.column_names:
        if name != "blocks":
            kind = np.dtype(table.schema.field(name).type.to_pandas_dtype()).kind
            column = table[name].fill_null(nothing[kind]).to_numpy()
            columns[name] = column.astype(str) if name == "kernel" else column
    columns.setdefault("failed", np.full(table.num_rows, "", object))  # parts of before, when a failure kept nothing
    flat = table["blocks"].combine_chunks().flatten().to_numpy()
    return Figures(columns, flat.reshape(table.num_rows, -1, 3).copy())


def write(table: pa.Table, path: Path) -> Path:
    """Write a Parquet file; it appears under its name only when it is whole."""
    import os

    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        pq.write_table(table, part)
        return part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def axis(result: SweepResult, name: str) -> NDArray[Any]:
    """Return the values a parameter takes in a result, rising."""
    if name not in result.names:
        raise StrategyError(f"{name!r} is no parameter of {result.cases[0].strategy.name}; it has {', '.join(result.names)}")
    return np.unique(result.table[name])
