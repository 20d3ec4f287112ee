"""A sweep's file judged: was its best combination found, or was it bound to be found?

Theory of operation. A sweep keeps one row a combination with its parameters, its trial
hash and, for each block of time, the sum of its returns, of their squares and their
count. That is all that PBO and Sharpe ratios need. Third and fourth moments are not kept, so
the deflated ratio takes returns as normal here; a stored run of the best says it exactly.
Rows compete within one symbol and one cost model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.journal import Journal
from ledger.journal.trials import count, family_of_hash
from sim.honesty.luck.pbo import Overfitting, overfitting
from sim.honesty.luck.sharpe import Deflated, Moments, deflated, minimum_track_record, probabilistic
from sim.honesty.luck.stability import Stability, stability
from sim.honesty.windows import HonestyError
from sim.metrics import DAYS_PER_YEAR, DEVIATION_MIN

Floats = NDArray[np.float64]
NEEDED = ("symbol", "commission", "total_return", "sharpe", "blocks", "hash")
NORMAL_SKEW, NORMAL_KURTOSIS = 0.0, 3.0


class Sweep(NamedTuple):
    """The rows of a sweep's file."""

    symbols: tuple[str, ...]
    commissions: tuple[str, ...]
    params: tuple[dict[str, Any], ...]
    hashes: tuple[str, ...]
    sharpes: Floats  # annualised, NaN where undefined
    blocks: Floats  # [rows, S, 3]


class SweepVerdict(NamedTuple):
    """What can be said of the best combination of one symbol under one cost model."""

    symbol: str
    commission: str
    candidates: int
    params: dict[str, Any] | None  # the best; None when no combination has a ratio
    days: int
    sharpe: float | None  # annualised
    probabilistic: float | None
    deflated: Deflated | None
    track_record: float | None
    trials: int
    counted: bool  # the trials were counted by a book; otherwise they are the rows of the file
    pbo: Overfitting | None
    stability: Stability | None


def read(path: Path | str) -> Sweep:
    """Return the rows of a Parquet file that a sweep wrote.

    Raises:
        HonestyError: no such file, or not the file of a sweep.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = Path(path)
    if not place.is_file():
        raise HonestyError(f"there is no file {place}; give a session's number, or the Parquet file of a sweep")
    try:
        table = pq.read_table(place)
    except (pa.ArrowInvalid, OSError) as error:
        raise HonestyError(f"{place} is no Parquet file: {error}") from error
    missing = [name for name in NEEDED if name not in table.column_names]
    if missing:
        raise HonestyError(f"{place} is not the file of a sweep: it has no column {', '.join(missing)}")
    names = table.column_names[2 : table.column_names.index("total_return")]
    flat = table["blocks"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    blocks = np.asarray(flat, np.float64).reshape(table.num_rows, -1, 3)
    rows = table.select(names).to_pylist()
    sharpes = np.asarray(table["sharpe"].to_numpy(zero_copy_only=False), np.float64)
    texts = [tuple(map(str, table[name].to_pylist())) for name in ("symbol", "commission", "hash")]
    return Sweep(texts[0], texts[1], tuple(rows), texts[2], sharpes, blocks)


def judge_sweep(sweep: Sweep, book: Path | str | None) -> list[SweepVerdict]:
    """Return a verdict for each symbol and cost model; `book` is where the trials were recorded, if anywhere."""
    groups = sorted(set(zip(sweep.symbols, sweep.commissions, strict=True)))
    pairs = list(zip(sweep.symbols, sweep.commissions, strict=True))
    return [_judge(sweep, group, np.array([pair == group for pair in pairs]), book) for group in groups]


def _judge(sweep: Sweep, group: tuple[str, str], mine: NDArray[np.bool_], book: Path | str | None) -> SweepVerdict:
    rows = np.flatnonzero(mine)
    blocks, ratios = sweep.blocks[rows], ratios_of(sweep.blocks[rows])
    ratios[np.isnan(sweep.sharpes[rows])] = np.nan  # an account that was ruined has none
    params, values = [sweep.params[row] for row in rows], [None if np.isnan(ratio) else float(ratio) for ratio in ratios]
    competing = ~np.isnan(ratios) | (blocks[:, :, 1].sum(axis=1) == 0)
    pbo = overfitting(blocks[competing]) if blocks.shape[1] % 2 == 0 and blocks.shape[1] > 1 else None
    if np.isnan(ratios).all():
        return SweepVerdict(*group, rows.size, None, 0, None, None, None, None, rows.size, False, pbo, None)
    best = int(np.nanargmax(ratios))
    trials, counted = _count(book, sweep.hashes[rows[best]], rows.size)
    known = Moments(int(blocks[best, :, 2].sum()), float(ratios[best]), NORMAL_SKEW, NORMAL_KURTOSIS)
    near = stability(params, [None if value is None else value * DAYS_PER_YEAR**0.5 for value in values])
    return SweepVerdict(
        *group, rows.size, params[best], known.length, known.sharpe * DAYS_PER_YEAR**0.5, probabilistic(known),
        deflated(known, trials, [value for value in values if value is not None]), minimum_track_record(known), trials, counted,
        pbo, near,
    )  # fmt: skip


def ratios_of(blocks: Floats) -> Floats:
    """Return float64[rows]: mean over deviation (n - 1) of all returns of float64[rows, S, 3], NaN without deviation."""
    total, square, count_ = (blocks[:, :, part].sum(axis=1) for part in range(3))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / count_
        variance = (square - count_ * mean**2) / (count_ - 1)
        return np.asarray(np.where(variance > DEVIATION_MIN**2, mean / np.sqrt(variance), np.nan), np.float64)


def _count(book: Path | str | None, digest: str, rows: int) -> tuple[int, bool]:
    """Return how many trials there were and whether a book counted them; never fewer than the file's own rows."""
    if book is None or not Path(book).is_file():
        return rows, False
    with Journal.read(book) as journal:
        family = family_of_hash(journal, digest)
        return (rows, False) if family is None else (max(rows, count(journal, family).trials), True)
