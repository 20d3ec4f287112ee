"""A sweep's file: judged by its own rows, counted by the book, refused when it is something else."""

from __future__ import annotations

import numpy as np
import pytest

from sim.honesty import trials
from sim.honesty.luck.dice import dice
from sim.honesty.luck.pbo import block_moments, overfitting
from sim.honesty.sweeps import judge_sweep, ratios_of, read
from sim.honesty.windows import HonestyError

pa = pytest.importorskip("pyarrow")
FAMILY = "sma_cross on SPX 1d"


def written(path, returns, symbols=None, drop=()):
    """Write what a sweep writes: a row a combination, moments of its returns in 16 blocks."""
    import pyarrow.parquet as pq

    blocks = block_moments(returns, 16)
    count = returns.shape[1]
    sharpes = [None if np.isnan(r) else r * 252**0.5 for r in ratios_of(blocks)]
    params = [{"fast": 5 + number % 4, "slow": 30 + number // 4} for number in range(count)]
    columns = {
        "symbol": symbols or ["SPX"] * count, "commission": ["zero"] * count, "fast": [p["fast"] for p in params],
        "slow": [p["slow"] for p in params], "total_return": [0.0] * count, "sharpe": sharpes,
        "blocks": pa.FixedSizeListArray.from_arrays(pa.array(blocks.ravel()), 48),
        "hash": [trials.trial_hash({"params": p}) for p in params],
    }  # fmt: skip
    pq.write_table(pa.table({name: column for name, column in columns.items() if name not in drop}), path)
    return path


@pytest.fixture(scope="module")
def returns():
    drawn = dice(3).standard_normal((800, 24)) * 0.01
    drawn[:, 10] += 0.0012
    return drawn


def test_a_file_is_judged_like_the_returns_it_was_made_of(returns, tmp_path):
    (found,) = judge_sweep(read(written(tmp_path / "s.parquet", returns)), None)
    assert found.params == {"fast": 7, "slow": 32} and found.days == 800 and found.candidates == 24
    column = returns[:, 10]
    assert found.sharpe == pytest.approx(column.mean() / column.std(ddof=1) * 252**0.5)
    assert found.pbo == overfitting(block_moments(returns, 16)) and found.deflated.measured
    assert (found.trials, found.counted) == (24, False) and found.stability.params == found.params


def test_the_book_counts_what_the_file_does_not_hold(returns, tmp_path):
    sweep, book = read(written(tmp_path / "s.parquet", returns)), tmp_path / "a.db"
    trials.record(book, FAMILY, [*sweep.hashes, *(trials.trial_hash({"n": n}) for n in range(1000))])
    alone, counted = (judge_sweep(sweep, place)[0] for place in (None, book))
    assert (counted.trials, counted.counted) == (1024, True)
    assert counted.deflated.probability < alone.deflated.probability
    other = tmp_path / "b.db"
    trials.record(other, FAMILY, [trials.trial_hash({"n": 1})])
    assert judge_sweep(sweep, other)[0] == alone, "a book that never saw the best counts nothing"


def test_symbols_are_judged_apart_and_ruined_or_idle_rows_are_not_chosen(returns, tmp_path):
    changed = returns.copy()
    changed[:, 3] = 0.0
    path = written(tmp_path / "s.parquet", changed, symbols=["A"] * 12 + ["B"] * 12)
    sweep = read(path)
    ruined = sweep.sharpes.copy()
    ruined[10] = np.nan
    first, second = judge_sweep(sweep._replace(sharpes=ruined), None)
    assert (first.symbol, second.symbol) == ("A", "B") and first.candidates == second.candidates == 12
    assert first.params != {"fast": 7, "slow": 32} and first.pbo.strategies == 11, "the idle one takes part, the ruined one does not"
    (idle,) = judge_sweep(read(written(tmp_path / "i.parquet", np.zeros((800, 4)))), None)
    assert (idle.params, idle.sharpe, idle.deflated, idle.pbo, idle.stability) == (None,) * 5


def test_what_is_no_sweep_is_refused(returns, tmp_path):
    for path, words in (
        (tmp_path / "none.parquet", "there is no file"), (tmp_path, "there is no file"),
        (written(tmp_path / "cut.parquet", returns, drop=("blocks", "hash")), "no column blocks, hash"),
    ):  # fmt: skip
        with pytest.raises(HonestyError, match=words):
            read(path)
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(HonestyError, match="no Parquet file"):
        read(tmp_path / "text.parquet")
