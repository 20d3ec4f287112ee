"""Sweeps: the figures are those of single runs, and nothing about how they are computed changes them."""

from __future__ import annotations

import dataclasses
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.units import muldiv
from sim import costs, run
from sim.honesty import trials
from sim.run import Setting, figures, simulate
from sim.sweep import SweepInterrupted, combinations, parse_grid, sweep, window, work
from sim.sweep.core.account import STEP, commission, scaled, wanted, worth
from sim.sweep.core.market import deal
from sim.sweep.core.statistics import scratch
from sim.sweep.core.words import TILE, compare, wish_words
from sim.sweep.program import Sheet, program, sides
from sim.sweep.work import Case
from strategies import get
from strategies.api import StrategyError, as_bars
from strategies.columnar import ABOVE, COMPARISONS, Wish, holds, targets
from strategies.columnar import Test as Compare
from strategies.sizing import Size, full_lots

from tests.sim.sweep import markets

VALUES = {"fast": [3, 5, 8, 13], "slow": [10, 20, 40], "allow_short": [0, 1]}
SAME = ("final_equity_e8", "fees_e8", "trades", "orders", "fills", "refused")
NEAR = ("total_return", "max_drawdown", "sharpe", "win_rate", "exposure")


def same_figures(found, number: int, sim) -> None:  # type: ignore[no-untyped-def]
    """Hold one row of a sweep against a run of the engine."""
    row, whole = found.row(number), figures(sim)
    whole |= {"final_equity_e8": whole["final_equity"], "fees_e8": whole["fees"], "refused": int(sim.book.refusals().sum())}
    assert {name: row[name] for name in SAME} == {name: whole[name] for name in SAME}
    for name in NEAR:
        assert (row[name] is None) == (whole[name] is None), name
        assert row[name] is None or row[name] == pytest.approx(whole[name], rel=1e-7, abs=1e-10), name


@pytest.mark.parametrize("setting", [Setting(), Setting(size="shares:100", commission="bps:10"), Setting(cash="500")])
@pytest.mark.parametrize("kernel", ["words", "bars"])
def test_each_row_has_the_figures_of_the_engines_run(setting: Setting, kernel: str) -> None:
    strategy, history = markets.crossing(), markets.walk(2300, 7)
    if kernel == "bars":
        strategy = dataclasses.replace(strategy, columnar=None)
    found = sweep(history, strategy, VALUES, setting, jobs=1)
    assert len(found) == 22 and found.refused == 2
    for number in (0, 7, 13, 19):
        params = found.combos[0][number]
        same_figures(found, number, simulate([history], strategy, params, setting))


def test_both_kernels_give_the_same_table_with_money_to_the_last_unit() -> None:
    strategy, history = markets.crossing(), markets.walk(3000, 8)
    tables = [sweep(history, one, VALUES, jobs=1) for one in (strategy, dataclasses.replace(strategy, columnar=None))]
    assert set(tables[0].table["kernel"]) <= {"words", "book"} and "bars" in set(tables[1].table["kernel"])
    for name in (*SAME, "total_return", "win_rate", "exposure"):
        assert np.array_equal(tables[0].table[name], tables[1].table[name], equal_nan=tables[0].table[name].dtype.kind == "f"), name
    for name in ("max_drawdown", "sharpe"):  # one kernel sums bars, the other takes many bars at once
        assert np.allclose(tables[0].table[name], tables[1].table[name], rtol=1e-9, atol=1e-14, equal_nan=True), name
    assert np.allclose(tables[0].blocks, tables[1].blocks, rtol=1e-9, atol=1e-14)


def test_block_moments_are_those_of_the_equity_curve() -> None:
    strategy, history = markets.crossing(), markets.walk(2500, 9)
    for period in ("day", "bar"):
        found = sweep(history, strategy, {"fast": [5], "slow": [17]}, jobs=1, blocks=7, period=period)
        case = Case((history,), strategy, Setting(), 7, period)
        plain = work.moments_of(simulate([history], strategy, found.combos[0][0]).values, case)
        assert np.allclose(found.blocks, plain, rtol=1e-9, atol=1e-13) and (found.blocks[0, :, 2] == plain[0, :, 2]).all()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0, -1.0, 0.5, float("nan")]), st.integers(1, 400)), min_size=1, max_size=12),
    st.integers(0, 10**6), st.integers(1, 9), st.sampled_from(["day", "bar"]), st.booleans(), st.sampled_from(["percent:60", "shares:10"]),
)  # fmt: skip
def test_block_moments_and_depths_of_any_wishes_are_those_of_the_equity_curve(runs_of, seed, blocks, period, daily, size) -> None:  # type: ignore[no-untyped-def]
    """Long stretches without a position, trades at every bar, at the edges of tiles and of blocks, and at the last bar;
    ten shares swing too little to be taken bar by bar, most of the account too much for anything else."""
    wishes = np.concatenate([np.full(length, target) for target, length in runs_of] + [np.array([0.0, 1.0] * 3)])
    history = markets.walk(wishes.size, seed, hours=1 if daily else 7, step=0.004)
    strategy = markets.scripted(wishes)
    found = sweep(history, strategy, {}, Setting(size=size), jobs=1, blocks=blocks, period=period)
    assert found.table["kernel"][0] == "words"
    sim = simulate([history], strategy, found.combos[0][0], Setting(size=size))
    plain = work.moments_of(sim.values, Case((history,), strategy, Setting(), blocks, period))
    assert (found.blocks[0, :, 2] == plain[0, :, 2]).all() and np.allclose(found.blocks, plain, rtol=1e-7, atol=1e-13)
    for name in ("max_drawdown", "exposure"):
        assert found.table[name][0] == pytest.approx(figures(sim)[name], rel=1e-9, abs=1e-12)


def test_wishes_alike_on_negative_and_positive_columns_and_a_tie_is_not_above() -> None:
    """The words of columns without a negative number are made by a shorter formula."""
    close = np.array([0.0, 1.0, 1.0 + 1e-15, 1.0 + 3e-14, 2.0, float("nan"), 5e-324, 0.0])
    other = np.array([0.0, 1.0, 1.0, 1.0, 3.0, 1.0, 0.0, 5e-324])
    for sign in (1.0, -1.0):
        bars = as_bars(np.arange(close.size), close, close, close, sign * close, sign * other)
        sheet = Sheet(bars, close.size)
        sheet.hold(("close", "volume"), lambda function, items: [function(item) for item in items])
        assert sheet.positive[: len(sheet.rows)].all() == (sign > 0)
        test = Compare("close", ABOVE, "volume")
        table, out = program([(Wish(1.0, (test,)),)], sheet), scratch(1, 1)
        compare(table.tests[0, 0], 0.0, table.sheet, table.known_from, table.positive, 0, out.yes[0], out.known[0])
        assert [bool(int(out.yes[0, 0]) >> place & 1) for place in range(close.size)] == list(holds(test, bars))


def test_a_strategy_of_many_instruments_and_a_tiered_commission_go_through_the_book() -> None:
    several = [markets.walk(400, seed)._replace(symbol=f"S{seed}") for seed in (1, 2)]
    found = sweep(several[0], "sma_cross", {"fast": [5], "slow": [20]}, commissions=["ibkr-tiered", "ibkr-fixed"], jobs=1)
    assert list(found.table["kernel"]) == ["book", "words"]
    both = sweep(several, "sma_cross", {"fast": [5], "slow": [20]}, together=True, jobs=1)
    strategy = markets.crossing()
    same_figures(both, 0, simulate(several, strategy, strategy.params(5, 20, 0)))
    alone = sweep(several, "sma_cross", {"fast": [5, 6], "slow": [20]}, jobs=1)
    assert list(alone.table["symbol"]) == ["S1", "S1", "S2", "S2"]


@pytest.mark.parametrize("jobs", [2, 5])
def test_the_number_of_threads_changes_no_bit(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "GROUP", 3)
    history = markets.walk(2500, 10)
    one = sweep(history, "sma_cross", VALUES, jobs=1)
    assert sweep(history, "sma_cross", VALUES, jobs=jobs).digest == one.digest


def test_a_small_sheet_gives_the_same_table_in_more_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    history = markets.walk(2500, 11)
    one = sweep(history, "sma_cross", VALUES, jobs=1)
    monkeypatch.setattr(Sheet.__init__, "__defaults__", (1,))
    monkeypatch.setattr(work, "PART", 5)
    assert sweep(history, "sma_cross", VALUES, jobs=1).digest == one.digest


def test_a_grid_with_more_columns_than_the_sheet_is_computed_in_blocks_and_told_in_its_own_order(monkeypatch: pytest.MonkeyPatch) -> None:
    history, values = markets.walk(700, 18), {"fast": range(2, 14), "slow": range(20, 32)}
    whole = sweep(history, "sma_cross", values, commissions=["zero", "bps:10"], jobs=1)
    monkeypatch.setattr(Sheet.__init__, "__defaults__", (1,))
    bench = work.Bench(Case((history,), markets.crossing(), Setting()), whole.combos[0])
    assert bench.sheet.rows_max == 8 and sorted(bench.order) == list(range(144)) != bench.order
    columns = [{number for one in bench.coded[part.start : part.stop] for number in one.reads} for part in bench.parts]
    assert max(map(len, columns)) <= 8 and sum(map(len, columns)) <= 9 * 8, "in its own order each of 12 rows would need 13"
    found = sweep(history, "sma_cross", values, commissions=["zero", "bps:10"], jobs=2)
    assert found.digest == whole.digest and found.combos == whole.combos


def test_a_part_that_was_cut_short_is_computed_again(tmp_path: Path) -> None:
    history, values = markets.walk(300, 20), {"fast": [3, 5], "slow": [10, 20]}
    whole = sweep(history, "sma_cross", values, jobs=1, out=tmp_path)
    (part,) = (tmp_path / "parts").iterdir()
    for content in (part.read_bytes()[:500], b""):
        part.write_bytes(content)
        assert sweep(history, "sma_cross", values, jobs=1, out=tmp_path, resume=True).digest == whole.digest
        assert part.stat().st_size > 500


@pytest.mark.parametrize("split", [False, True])
def test_a_sweep_whose_columns_are_made_a_stretch_at_a_time_gives_the_same_table(split: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    history = markets.walk(4 * TILE + 9, 19, step=0.003)
    if split:  # prices seen through a factor that changes within a stretch
        history = history._replace(signal_factor=np.where(np.arange(4 * TILE + 9) < 2 * TILE + 100, 0.5, 1.0))
    whole = sweep(history, "sma_cross", VALUES, jobs=1)
    for module in (work, window):
        monkeypatch.setattr(module, "STRETCH_OF_MANY", TILE)
    case = Case((history,), markets.crossing(), Setting())
    assert work.Bench(case, whole.combos[0]).at_once > 0
    assert sweep(history, "sma_cross", VALUES, jobs=1).digest == sweep(history, "sma_cross", VALUES, jobs=2).digest == whole.digest
    far = work.Bench(case, [markets.crossing().params(3, TILE // 4 + 1, 0)])
    assert far.at_once == 0, "a column that looks back so far would be made over and over"


def test_an_interrupt_keeps_what_is_done_and_a_second_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "PART", 6)
    history, heard = markets.walk(900, 12), []

    def stop(done: int, whole: int) -> None:
        heard.append((done, whole))
        if done == 12:
            raise KeyboardInterrupt

    with pytest.raises(SweepInterrupted, match=r"12 of 22 combinations are kept"):
        sweep(history, "sma_cross", VALUES, jobs=2, out=tmp_path, say=stop)
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()}
    assert len(kept) == 2 and heard == [(6, 22), (12, 22)]
    resumed = sweep(history, "sma_cross", VALUES, jobs=1, out=tmp_path, resume=True)
    assert {name: (tmp_path / "parts" / name).stat().st_mtime_ns for name in kept} == kept
    assert resumed.digest == sweep(history, "sma_cross", VALUES, jobs=1).digest
    changed = sweep(history, "sma_cross", VALUES, Setting(cash="5000"), jobs=1, out=tmp_path, resume=True)
    assert changed.digest == sweep(history, "sma_cross", VALUES, Setting(cash="5000"), jobs=1).digest


@pytest.mark.slow
def test_dask_gives_the_same_digest() -> None:
    history = markets.walk(900, 13)
    words = {"commissions": ["ibkr-fixed", "bps:10"]}
    assert sweep(history, "sma_cross", VALUES, jobs=1, engine="dask", **words).digest == sweep(history, "sma_cross", VALUES, jobs=1, **words).digest


@pytest.mark.slow
def test_the_workers_of_a_running_scheduler_give_the_same_digest_or_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import LocalCluster

    from sim.sweep import cluster

    history = markets.walk(900, 13)
    words = {"jobs": 1, "commissions": ["ibkr-fixed", "bps:10"]}
    with LocalCluster(n_workers=1, threads_per_worker=2, host="127.0.0.1", dashboard_address=None) as there:
        at = there.scheduler_address
        found = sweep(history, "sma_cross", VALUES, engine="dask", scheduler=at, **words)
        assert found.digest == sweep(history, "sma_cross", VALUES, **words).digest
        monkeypatch.setattr(cluster, "own_code", lambda: "another release")
        with pytest.raises(StrategyError, match="another onebook than here"):
            sweep(history, "sma_cross", VALUES, engine="dask", scheduler=at, **words)
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None) as there, pytest.raises(StrategyError, match="has no workers"):
        sweep(history, "sma_cross", VALUES, engine="dask", scheduler=there.scheduler_address, **words)


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from sim.sweep import cluster

    monkeypatch.setattr(cluster, "CONNECT_S", 1)
    history = markets.walk(900, 13)
    for address in ("tcp://127.0.0.1:9", "not an address"):
        with pytest.raises(StrategyError, match="no Dask scheduler answers at"):
            sweep(history, "sma_cross", VALUES, engine="dask", scheduler=address)
    with pytest.raises(StrategyError, match="is for engine='dask'"):
        sweep(history, "sma_cross", VALUES, scheduler="tcp://127.0.0.1:9")



def test_every_combination_is_a_trial_once_and_a_backtest_of_it_is_the_same_trial(tmp_path: Path) -> None:
    history, book = markets.walk(300, 14), tmp_path / "book.db"
    found = sweep(history, "sma_cross", VALUES, jobs=1, book=book)
    family = trials.family(run.configuration(simulate([history], get("sma_cross"), found.combos[0][3]), *found.source))
    assert trials.count(book, family) == 22
    sweep(history, "sma_cross", VALUES, jobs=1, book=book)
    assert trials.count(book, family) == 22
    sim = simulate([history], get("sma_cross"), found.combos[0][3])
    assert trials.hashes_of(run.configuration(sim, *found.source), [sim.params._asdict()]) == [found.trials[3]]


def test_bayes_finds_the_best_of_a_small_grid_and_the_same_seed_tries_the_same() -> None:
    history = markets.walk(900, 15)
    whole = sweep(history, "sma_cross", VALUES, jobs=1)
    found = sweep(history, "sma_cross", VALUES, method="bayes", trials=22, seed=1, jobs=1)
    assert found.best()[0]["sharpe"] == whole.best()[0]["sharpe"]
    few = [sweep(history, "sma_cross", VALUES, method="bayes", trials=6, seed=3, jobs=jobs).digest for jobs in (1, 2)]
    assert few[0] == few[1]


def test_results_go_to_parquet_and_pictures(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    found = sweep(markets.walk(300, 16), "sma_cross", {"fast": [3, 5], "slow": [10, 290, 299]}, jobs=1)
    table = pq.read_table(found.to_parquet(tmp_path / "sweep.parquet"))
    assert table.num_rows == 6 and table["hash"].to_pylist() == list(found.trials)
    assert table["win_rate"].to_pylist()[2] is None and np.isnan(found.table["win_rate"][2]), "no trade: unknown, not 0"
    assert found.heatmap("fast", "slow", tmp_path / "map.png").read_bytes()[:4] == b"\x89PNG"
    page = found.heatmap("fast", "slow", tmp_path / "map.html", "total_return").read_text()
    assert page.count("<td") == 6 and "fast=5, slow=10" in page
    with pytest.raises(StrategyError, match="no parameter"):
        found.heatmap("fats", "slow", tmp_path / "map.png")


def test_the_memory_of_more_combinations_is_their_rows_and_no_curves() -> None:
    history = markets.walk(60_000, 17, step=0.001)
    sweep(history, "sma_cross", {"fast": [5], "slow": [60]}, jobs=1)
    peaks = []
    for count in (50, 500):
        tracemalloc.start()
        found = sweep(history, "sma_cross", {"fast": range(5, 5 + count // 25), "slow": range(100, 125)}, jobs=1)
        assert set(found.table["kernel"]) == {"words"}
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    per_combination = (peaks[1] - peaks[0] - 18 * 8 * 61_440) / 450
    assert per_combination < 8_000, "a curve of 60,000 bars would be 480,000 bytes"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.just(float("nan")), st.sampled_from([0.0, 1.0, 1.0 + 1e-15, 2.0, -3.0])), min_size=1, max_size=200),
    st.lists(st.one_of(st.just(float("nan")), st.sampled_from([0.0, 1.0, 2.0, -3.0])), min_size=200, max_size=200),
    st.sampled_from(COMPARISONS), st.sampled_from([None, 1.0, -3.0]), st.sampled_from(COMPARISONS),
)  # fmt: skip
def test_a_words_bits_are_the_slow_twins_answers(left, right, comparison, number, second) -> None:  # type: ignore[no-untyped-def]
    close, volume = np.array(left), np.array(right)[: len(left)]
    bars = as_bars(np.arange(close.size), close, close, close, close, volume)
    first = Compare("close", comparison, "volume" if number is None else number)
    wishes = (
        Wish(0.5, (first, Compare("volume", second, 1.0))), Wish(-1.0, (first,)), Wish(0.0, (Compare("close", second, "volume"),)),
        Wish(0.5, (Compare("close", "<=", 0.0),)),
    )  # fmt: skip
    sheet = Sheet(bars, close.size)
    sheet.hold(sides(wishes), lambda function, items: [function(item) for item in items])
    table = program([wishes], sheet)
    buffers = scratch(table.tests.shape[1], table.targets.shape[1])
    for p in range(table.tests.shape[1]):
        compare(
            table.tests[0, p], table.numbers[0, p], table.sheet, table.known_from, table.positive, 0, buffers.yes[p], buffers.known[p]
        )  # fmt: skip
    wish_words(table.wishes[0], buffers.yes, buffers.known, close.size, buffers.words)
    *bits, none, any_wish = (
        [bool(int(word) >> place & 1) for word in line for place in range(64)][: close.size] for line in buffers.words
    )
    answer = np.full(close.size, np.nan)
    for line, target in zip(bits, table.targets[0], strict=True):
        answer[line] = target / 1e6
    assert not any(none) and np.array_equal(any_wish, ~np.isnan(answer))
    assert np.array_equal(answer, targets(wishes, bars), equal_nan=True)
    assert not holds(first, bars)[np.isnan(close)].any()


@given(st.integers(0, 2**56), st.integers(0, 10**11), st.sampled_from([10**4, 10**8]))
def test_narrow_scaling_rounds_as_the_128_bit_one(a: int, rate: int, whole: int) -> None:
    rate = min(rate, 10**8) if whole == 10**8 else rate
    if a * rate // whole < 2**62:
        assert scaled(a, rate, whole) == muldiv(a, rate, whole)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["ibkr-fixed", "lean-ibkr", "zero", "bps:10", "per-order:1.5", "per-share:0.00501,minimum=1,cap=0.7"]),
    st.integers(0, 10**10), st.integers(1, 10**8), st.sampled_from(["percent:95", "shares:7", "value:1234.5", "each:33.3333"]),
    st.integers(-(10**6), 10**6), st.integers(-(10**13), 10**15),
)  # fmt: skip
def test_fees_and_sizes_are_those_of_their_rooms(fees, lots, price, size, target, equity) -> None:  # type: ignore[no-untyped-def]
    from strategies.sizing import parse_rule

    mine = deal(markets.walk(5), Setting(commission=fees, size=size), True)
    value = worth(mine, price, min(lots, 10**9))
    assert commission(mine, min(lots, 10**9), value) == costs.commission(costs.parse(fees), 1, min(lots, 10**9), price, value, STEP)
    rule: Size = parse_rule(size, 4).size(1)
    assert wanted(mine, target, equity, price) == full_lots(rule, rule.amount, target, equity, 0, price, 1, 1, STEP)


def test_a_grid_is_read_exactly_and_random_draws_never_repeat() -> None:
    strategy = markets.crossing()
    assert parse_grid(strategy, ["fast=5:50:15", "slow=20,60"]).values == {"fast": (5, 20, 35, 50), "slow": (20, 60)}
    rsi = get("rsi_reversion")
    assert parse_grid(rsi, ["low=0.1:0.3:0.1"]).values == {"low": (0.1, 0.2, 0.3)}
    wide = parse_grid(strategy, ["fast=1:40", "slow=41:90"])
    drawn = [combinations(strategy, wide, 300, seed).params for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2] and len(set(drawn[0])) == 300
    assert set(combinations(strategy, wide, 5_000, 1).params) == set(combinations(strategy, wide).params)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["fats=1:3"], "did you mean fast"), (["fast"], "not of the form"), (["fast=1:2:0"], "no range"), (["fast=a"], "not a number"),
        (["fast=1", "fast=2"], "given twice"), (["fast=0:3"], "fast=0 is wrong"), (["fast=1.5"], "whole number"), (["fast=50", "slow=20"], "no combination is left"),
        (["fast=1:100000", "slow=2:100000"], "take wider steps"),
    ],
)  # fmt: skip
def test_a_grid_that_means_nothing_is_refused_in_words(texts: list[str], words: str) -> None:
    strategy = markets.crossing()
    with pytest.raises(StrategyError, match=words):
        sweep(markets.walk(60), strategy, parse_grid(strategy, texts), jobs=1)
