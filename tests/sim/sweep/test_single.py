"""One run by a kernel: what decides by sums of ticks decides as the floats do, and one pass finds every bad bar."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.data import History
from sim.run import Setting
from sim.sweep import single, stream
from sim.sweep.book import KernelRun
from sim.sweep.core.market import SECOND, Survey, deal, refusal, survey
from sim.sweep.core.sums import TILES
from sim.sweep.core.words import TILE
from sim.sweep.single import kernel_run
from sim.sweep.trades import closed_trades
from sim.sweep.work import Case
from sim.trades import closed_trades as of_book
from strategies.api import Strategy
from strategies.columnar import ABOVE, AT_LEAST, AT_MOST, COMPARISONS, GREATER, Wish, column
from strategies.columnar import Test as Compare
from strategies.indicators import sma

from tests.sim.sweep import markets

RICH = Setting(cash="50000000", size="shares:100")
STRETCH = TILES * TILE
a_column = st.one_of(
    st.sampled_from(stream.PRICES), st.builds(lambda price, n: column(sma, price, n), st.sampled_from(stream.PRICES), st.integers(1, 90))
)
a_test = st.builds(Compare, a_column, st.sampled_from(COMPARISONS), a_column)
some_wishes = st.lists(
    st.builds(Wish, st.sampled_from([1.0, 0.0, -1.0, 0.5]), st.lists(a_test, min_size=1, max_size=2).map(tuple)), min_size=1, max_size=3
).map(tuple)


def declaring(wishes: tuple[Wish, ...]) -> Strategy:
    """Return a strategy that may sell short and wishes what is declared."""
    return dataclasses.replace(markets.crossing(), columnar=lambda params: wishes)


def ran(history: History, wishes: tuple[Wish, ...], setting: Setting = RICH) -> KernelRun | None:
    strategy = declaring(wishes)
    return kernel_run(history, strategy, strategy.params(2, 3, 1), setting)


def by_floats(history: History, wishes: tuple[Wish, ...], setting: Setting = RICH) -> KernelRun | None:
    """Run the same with whole columns of floats: the slow twin."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(single, "can_stream", lambda declared: False)
        return ran(history, wishes, setting)


def case_of(history: History, wishes: tuple[Wish, ...], setting: Setting = RICH) -> tuple[Case, NamedTuple]:
    strategy = declaring(wishes)
    return Case((history,), strategy, setting, 1, "bar"), strategy.params(2, 3, 1)


def in_one_pass(history: History, wishes: tuple[Wish, ...], setting: Setting = RICH) -> KernelRun | None:
    return single._whole(*case_of(history, wishes, setting))


def judged_first(history: History, wishes: tuple[Wish, ...], setting: Setting = RICH) -> KernelRun | None:
    return single._judged(*case_of(history, wishes, setting), "words")


def with_ties(bars: int, seed: int, coarse: int, exp: int) -> History:
    """Return a walk of prices on a coarse grid that stands still now and then, so that many averages are equal."""
    walk, rng = markets.walk(bars, seed, exp, step=0.002), np.random.default_rng(seed)
    still = np.repeat(rng.random(bars // 64 + 1) < 0.3, 64)[:bars]
    at = np.maximum.accumulate(np.where(still, 0, np.arange(bars)))

    def grid(ticks: np.ndarray) -> np.ndarray:
        return np.maximum(ticks[at] // coarse, 1) * coarse

    opens, close = grid(walk.open_ticks), grid(walk.close_ticks)
    return walk._replace(
        open_ticks=opens, close_ticks=close, high_ticks=np.maximum(opens, close), low_ticks=np.minimum(opens, close)
    )  # fmt: skip


def same(one: KernelRun | None, two: KernelRun | None) -> bool:
    return (one is None) == (two is None) and (one is None or np.array_equal(one.record, two.record))  # type: ignore[union-attr]


@settings(max_examples=60, deadline=None)
@given(some_wishes, st.integers(1, 2 * STRETCH + 99), st.integers(0, 10**6), st.sampled_from([1, 100, 30_000]), st.sampled_from([0, 4, 8]))
def test_sums_of_ticks_decide_as_the_floats_do(wishes, bars, seed, coarse, exp) -> None:  # type: ignore[no-untyped-def]
    history = with_ties(bars, seed, coarse, exp) if coarse > 1 else markets.walk(bars, seed, exp, step=0.002)
    run, twin = ran(history, wishes), by_floats(history, wishes)
    assert same(run, twin) and same(judged_first(history, wishes), twin)
    if run is not None:
        assert np.array_equal(run.equity_e8, run.values[:, 2] + run.values[:, 3])


@pytest.mark.parametrize("comparison", [ABOVE, GREATER, AT_MOST])
def test_equal_averages_are_left_to_the_floats(comparison: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ablation: sums of ticks see a tie where floats, added and divided, see a difference of rounding."""
    history, bars = markets.walk(3 * STRETCH, 1), 3 * STRETCH
    close = 1_000_001 + 7 * (np.arange(bars, dtype=np.int64) % 3 == 0) + 1_000 * (np.arange(bars) % 200 < 100)
    history = history._replace(open_ticks=close, high_ticks=close, low_ticks=close, close_ticks=close)
    test = Compare(column(sma, "close", 3), comparison, column(sma, "close", 6))
    wishes = (Wish(1.0, (test,)), Wish(0.0, (Compare("close", AT_LEAST, "open"),)))
    twin = by_floats(history, wishes)
    assert same(ran(history, wishes), twin) and twin is not None and len(twin.record) > 50
    monkeypatch.setattr(stream, "NEAR", 0.0)
    assert not same(ran(history, wishes), twin)


def reaches(history: History, wishes: tuple[Wish, ...], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the bars at which the sums stopped."""
    stops: list[int] = []
    by_sums = stream.by_sums
    monkeypatch.setattr(stream, "by_sums", lambda *given: stops.append(by_sums(*given)) or stops[-1])
    assert ran(history, wishes) is not None
    return stops


CROSS = (Wish(1.0, (Compare(column(sma, "close", 5), ABOVE, column(sma, "close", 17)),)),)


def test_the_sums_decide_an_ordinary_run_alone_and_stop_where_two_averages_tie(monkeypatch: pytest.MonkeyPatch) -> None:
    bars = 3 * STRETCH + 5
    history = markets.walk(bars, 3, exp=8)
    assert reaches(history, CROSS, monkeypatch) == [bars]
    close = history.close_ticks.copy()
    close[STRETCH + 100 : STRETCH + 200] = close[STRETCH + 100]
    changed = {f"{name}_ticks": close for name in ("open", "high", "low", "close")}
    assert reaches(history._replace(**changed), CROSS, monkeypatch)[0] == STRETCH


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({}, True), ({"signal_factor": np.full(700, 0.25)}, True), ({"signal_factor": np.linspace(0.5, 1.0, 700)}, False),
        ({"signal_factor": np.full(700, np.nan)}, False), ({"signal_factor": np.full(700, -1.0)}, False),
        ({"signal_factor": np.full(700, 1e-300)}, False), ({"close_ticks": np.r_[np.zeros(1, np.int64), np.full(699, 5)]}, False),
        ({"high_ticks": np.full(700, 2**62 // (17 + STRETCH), np.int64)}, True),
        ({"high_ticks": np.full(700, 2**62 // (17 + STRETCH) + 1, np.int64)}, False),
    ],
)  # fmt: skip
def test_sums_are_made_only_where_they_cannot_wrap_and_the_floats_follow_them(change, counts: bool) -> None:  # type: ignore[no-untyped-def]
    history = markets.walk(700, 2)._replace(**change)
    window = stream.Window(history, tuple(dict.fromkeys(stream.sides(CROSS))))
    table = stream.program([CROSS], window)
    assert (stream.counted(history, table, tuple(window.rows), survey(history)) is not None) == counts
    assert same(ran(history, CROSS), by_floats(history, CROSS))


def test_more_decisions_than_there_was_room_for_are_all_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every bar a decision: the record grows while the run goes on, through sums and through floats."""
    history = markets.walk(2 * STRETCH + 77, 5, exp=8)
    wishes = (Wish(1.0, (Compare("close", GREATER, "open"),)), Wish(-1.0, (Compare("close", AT_MOST, "open"),)))
    whole = by_floats(history, wishes)
    for sums in (stream.counted, lambda *given: None):
        for room in (1, STRETCH, 65_536):
            monkeypatch.setattr(stream, "counted", sums)
            monkeypatch.setattr(stream, "ROOM", room)
            monkeypatch.setattr(stream, "STRETCH", STRETCH)
            assert same(ran(history, wishes), whole)
    assert whole is not None and len(whole.record) > STRETCH


def twin_survey(history: History) -> Survey:
    """Judge bar by bar, in Python."""
    start, end = history.start_ns.tolist(), history.end_ns.tolist()
    unusual, after = "", zip(start[1:], end[1:], end, strict=False)
    opens = zip(*(getattr(history, f"{name}_ticks").tolist() for name in ("open", "high", "low")), strict=True)
    if any(begins < before or ends <= before or ends // SECOND <= before // SECOND for begins, ends, before in after):
        unusual = "bars overlap or share a second"
    elif any(first < low or first > high or low < 1 for first, high, low in opens):
        unusual = "a bar opens outside its range"
    steady = bool(min(history.close_ticks.tolist()) > 0 and len(set(history.signal_factor.tolist())) == 1)
    return Survey(unusual, max(history.high_ticks.tolist() + history.close_ticks.tolist()), steady)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 40), st.integers(0, 10**6),
    st.lists(
        st.tuples(
            st.sampled_from(["start_ns", "end_ns", "open_ticks", "high_ticks", "low_ticks", "close_ticks", "signal_factor"]),
            st.integers(0, 39), st.sampled_from([-(10**12), -(10**9) + 1, -(10**8), -4, -1, 1, 5, 10**8, 10**9, 4 * 10**12]),
        ),
        max_size=3,
    ),
)  # fmt: skip
def test_one_pass_finds_what_a_look_at_every_bar_finds(bars, seed, changes) -> None:  # type: ignore[no-untyped-def]
    history = markets.walk(bars, seed)
    for name, at, by in changes:
        values = getattr(history, name).copy()
        values[at % bars] += by
        history = history._replace(**{name: values})
    assert survey(history) == twin_survey(history)


HOUR, LONG = markets.HOUR, STRETCH + 1000
FAULTS = {
    "opens above": ("open_ticks", lambda h, t: h.high_ticks[t] + 1, "outside its range"),
    "opens below": ("open_ticks", lambda h, t: h.low_ticks[t] - 1, "outside its range"),
    "no price": ("low_ticks", lambda h, t: 0, "outside its range"),
    "ends before": ("end_ns", lambda h, t: h.end_ns[t - 1] - 1, "overlap"),
    "begins before": ("start_ns", lambda h, t: h.end_ns[t - 1] - 1, "overlap"),
    "same second": ("end_ns", lambda h, t: h.end_ns[t - 1] + 1, "share a second"),
}


@pytest.mark.parametrize("at", [0, 1, 7, STRETCH - 1, STRETCH, STRETCH + 1, LONG - 1])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_bar_is_found_wherever_it_stands(fault: str, at: int) -> None:
    history, (name, value, says) = markets.walk(LONG, 4, step=0.002), FAULTS[fault]
    history = history._replace(end_ns=history.end_ns - 10**8)
    if at == 0 and says != "outside its range":
        return  # nothing is before the first bar
    values = getattr(history, name).copy()
    values[at] = value(history, at)
    bad = history._replace(**{name: values})
    assert says in survey(bad).unusual and says in refusal(bad, Setting())
    assert ran(bad, CROSS) is None and in_one_pass(bad, CROSS) is None and in_one_pass(history, CROSS) is not None


@pytest.mark.parametrize(
    ("name", "value"), [("signal_factor", 0.5), ("close_ticks", 0), ("high_ticks", 2**62 // (17 + STRETCH) + 1)]
)
def test_what_one_pass_cannot_have_is_judged_first(name: str, value: float) -> None:
    """Ablation: each of these, in a late bar, would make sums that mislead or wrap."""
    history = markets.walk(LONG, 4, step=0.002)
    values = getattr(history, name).copy()
    values[-9] = value
    changed = history._replace(**{name: values})
    assert in_one_pass(changed, CROSS) is None and same(ran(changed, CROSS), by_floats(changed, CROSS))


def test_more_lots_than_a_deal_allows_are_given_up_after_the_pass() -> None:
    """Ablation: the pass walks with a bound for any price, so its products may have wrapped."""
    history, setting = markets.walk(700, 4), Setting(size="shares:3000000000")
    case, params = case_of(history, CROSS, setting)
    loose = deal(history, setting, True, stream.UNKNOWN)
    assert stream.at_once(history, CROSS, loose) is not None
    assert single._whole(case, params) is None and ran(history, CROSS, setting) is None


def test_a_division_of_values_is_left_to_the_other_road() -> None:
    history = markets.walk(700, 4, exp=6)
    assert in_one_pass(history, CROSS) is None and judged_first(history, CROSS) is not None


def test_what_one_pass_knows_changes_no_deal() -> None:
    history = markets.walk(300, 6)
    for size in ("shares:5", "percent:95"):
        setting = Setting(size=size)
        assert deal(history, setting, True, survey(history)) == deal(history, setting, True)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 1.0, -1.0, 0.5, -0.25, 0.333333]), min_size=2, max_size=120), st.integers(0, 10**6),
    st.sampled_from([0, 2, 4, 6, 8]), st.sampled_from(["percent:95", "percent:40", "shares:7", "value:30000"]),
    st.sampled_from(["ibkr-fixed", "zero", "bps:10", "per-share:0.005,minimum=1,cap=1"]),
)  # fmt: skip
def test_the_closed_trades_are_those_of_the_book(targets, seed, exp, size, fees) -> None:  # type: ignore[no-untyped-def]
    strategy = markets.scripted(np.array(targets))
    run = kernel_run(markets.walk(len(targets), seed, exp), strategy, strategy.params(), Setting(size=size, commission=fees))
    if run is None:
        return
    for name, mine, theirs in zip(run.trades._fields, run.trades, of_book(run.book), strict=True):
        assert np.array_equal(mine, theirs), name


def test_there_are_no_trades_before_the_first_close() -> None:
    history = markets.walk(50)
    run = ran(history, (Wish(1.0, (Compare("close", AT_LEAST, "low"),)),))
    assert run is not None and len(run.record) == 1 and run.trades.pnl_e8.size == 0
    assert closed_trades(run.fills[:0], history.start_ns, run.deal).pnl_e8.size == 0
