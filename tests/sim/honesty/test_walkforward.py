"""Walk-forward: nothing of the future is known, the account goes on, and one candidate is a plain run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.book import E_KIND, E_TIME
from ledger.invariants import Invariant, check
from ledger.units import money
from ledger.vocabulary import EventKind
from sim import run as runs
from sim.data import load
from sim.data.history import Action
from sim.honesty import trials
from sim.honesty import walkforward as wf
from sim.honesty.replayed import WISH, replayed, silent, standing
from sim.honesty.windows import HonestyError, cut, trading_days, windows
from strategies import get

from tests.sim.sweep.markets import jump

SMA = get("sma_cross")
CANDIDATES = [SMA.params(fast, slow) for fast in (5, 20) for slow in (30, 60)]
PLAN = wf.Plan(250, 100, False, "sharpe")


@pytest.fixture(scope="module")
def prices():
    return load("sp500", (), start="2013-01-02", end="2015-12-31")


@pytest.fixture(scope="module")
def walked(prices):
    return wf.walk_forward(prices, SMA, CANDIDATES, PLAN)


@given(count=st.integers(3, 400), learn=st.integers(2, 200), test=st.integers(1, 90), anchored=st.booleans())
def test_tests_lie_end_to_end_and_learning_ends_where_the_test_begins(count, learn, test, anchored):
    days = np.arange(count) * 3 + 700_000
    if count <= learn:
        with pytest.raises(HonestyError, match="leave nothing to test"):
            windows(days, learn, test, anchored=anchored)
        return
    found = windows(days, learn, test, anchored=anchored)
    tested = [day for w in found for day in days if w.test_from <= day < w.test_until]
    assert tested == days[learn:].tolist()
    for w in found:
        learnt = days[(days >= w.learn_from) & (days < w.test_from)]
        assert learnt.size == (learn if not anchored else np.count_nonzero(days < w.test_from)) and w.learn_from in days


def test_windows_need_days():
    for learn, test in ((1, 5), (5, 0)):
        with pytest.raises(HonestyError, match="at least 2 days"):
            windows(np.arange(50), learn, test)


def test_cutting_takes_bars_and_actions_away_and_an_instrument_without_a_past_is_named(prices):
    history = prices[0]
    late, early = int(history.day[100]), int(history.day[10])
    actions = tuple(Action(day, 0, "dividend", 0, 1, 10**8) for day in (early, late))
    (short,) = cut([history._replace(actions=actions)], late)
    assert short.day.max() < late and short.signal_factor.size == short.close_ticks.size == 100 and short.actions == actions[:1]
    assert not short.close_ticks.flags.writeable and not short.signal_factor.flags.writeable
    with pytest.raises(HonestyError, match="SPX has no bar before"):
        cut([history], int(history.day[0]))


def test_wishes_that_are_replayed_give_the_run_of_the_strategy_itself(prices):
    params = SMA.params(10, 30)
    direct = runs.simulate(prices, SMA, params)
    again = runs.simulate(prices, *replayed(SMA, prices, wf.signals.wishes(SMA, prices, params), False))
    assert again.book.digest() == direct.book.digest() and (again.log == direct.log).all()


def test_the_wish_that_stands_is_taken_over():
    asked = silent(6)
    asked[1, 0], asked[4, 0] = 1.0, 0.0
    taken = standing(asked, 3, 6)[:, 0]
    assert taken[0] == 1.0 and taken[1] == 0.0 and np.isnan(taken[2])
    assert standing(asked, 0, 2)[0, 0] == 0.0, "who never said anything wants nothing"
    assert standing(asked, 4, 6)[0, 0] == 0.0 and standing(asked, 6, 6).shape == (0, WISH)


def test_one_candidate_is_a_plain_run_that_begins_late(prices):
    """With nothing to choose, walking forward is trading the same wishes from the first test day on."""
    only = [SMA.params(10, 30)]
    walked = wf.walk_forward(prices, SMA, only, PLAN)
    start = trading_days(prices)[PLAN.learn]
    wishes = wf.signals.wishes(SMA, prices, only[0])
    first = int(np.searchsorted(prices[0].day, start))
    wishes[:first, 0] = np.nan
    plain = runs.simulate(prices, *replayed(SMA, prices, wishes, False))
    assert walked.simulation.book.digest() == plain.book.digest()
    assert (walked.simulation.values == plain.values[plain.values[:, 1] >= start]).all()


def test_the_account_goes_on_from_window_to_window(walked):
    sim = walked.simulation
    assert check(sim.book) == Invariant.HOLDS
    equity = sim.values[:, 2] + sim.values[:, 3]
    grown = np.prod([1 + segment.total_return for segment in walked.segments])
    assert grown == pytest.approx(int(equity[-1]) / money("100000")) and walked.figures["total_return"] == pytest.approx(grown - 1)
    deposits = (sim.log[:, E_KIND] == EventKind.DEPOSIT).sum()
    assert deposits == 1, "one account, one deposit"


def test_nothing_is_traded_before_the_first_test_day(walked, prices):
    start = trading_days(prices)[PLAN.learn]
    fills = walked.simulation.log[walked.simulation.log[:, E_KIND] == EventKind.FILL]
    opens = prices[0].start_ns[np.searchsorted(prices[0].day, start)]
    assert len(fills) and fills[:, E_TIME].min() > opens
    assert walked.simulation.values[0, 1] == start


def poisoned(history, day):
    """Return a history whose bars from `day` on are absurd: whoever knows them chooses and trades otherwise."""
    later = history.day >= day
    columns = {}
    for name in ("open_ticks", "high_ticks", "low_ticks", "close_ticks"):
        column = getattr(history, name).copy()
        column[later] = column[later] * 3 + np.arange(later.sum()) % 7 * 1000
        columns[name] = column
    high = np.maximum.reduce(list(columns.values()))
    return history._replace(**columns | {"high_ticks": high, "low_ticks": np.minimum.reduce(list(columns.values()))})


@pytest.mark.parametrize("anchored", [False, True])
def test_no_window_knows_what_comes_after_its_test_begins(prices, anchored):
    plan = PLAN._replace(anchored=anchored)
    true = wf.walk_forward(prices, SMA, CANDIDATES, plan)
    for at in (1, 3):
        day = true.segments[at].window.test_from
        other = wf.walk_forward([poisoned(prices[0], day)], SMA, CANDIDATES, plan)
        for mine, theirs in zip(true.segments[: at + 1], other.segments):
            assert (mine.params, mine.in_sample) == (theirs.params, theirs.in_sample)
        assert true.segments[:at] == other.segments[:at]
        assert true.segments[at:] != other.segments[at:], "the poison is felt as soon as it may be"


def test_without_the_cut_the_future_would_be_known(prices, monkeypatch):
    true = wf.walk_forward(prices, SMA, CANDIDATES, PLAN)
    monkeypatch.setattr(wf, "cut", lambda histories, until: list(histories))
    leaking = wf.walk_forward(prices, SMA, CANDIDATES, PLAN)
    assert [s.in_sample for s in leaking.segments] != [s.in_sample for s in true.segments]


def test_the_best_known_figure_is_chosen_and_undefined_ones_never(prices):
    never = SMA.params(5, 4000)
    walked = wf.walk_forward(prices, SMA, [never, *CANDIDATES], PLAN)
    assert all(segment.params != never and segment.undefined == 1 for segment in walked.segments)
    flat = wf.walk_forward(prices, SMA, [never], PLAN)
    assert all(segment.params is None and segment.in_sample is None for segment in flat.segments)
    assert flat.figures["total_return"] == 0.0 and flat.figures["sharpe"] is None and flat.efficiency is None
    assert [s.sharpe for s in flat.segments] == [None] * len(flat.segments) and flat.winning_windows == 0.0


def test_a_candidate_that_cannot_be_run_is_told_and_another_is_chosen():
    history = jump()
    setting, plan = runs.Setting(commission="zero"), wf.Plan(50, 15, True, "max_drawdown")
    never, held = SMA.params(2, 900), SMA.params(2, 5)
    walked = wf.walk_forward([history], SMA, [held, never], plan, setting)
    assert all(segment.params == never and segment.undefined == 1 for segment in walked.segments)
    assert all(params == held and "OVERFLOW" in why for segment in walked.segments for params, why in segment.failures)
    assert [len(segment.failures) for segment in walked.segments] == [1] * len(walked.segments) and len(walked.trials) == 2 * len(walked.segments)
    with pytest.raises(runs.BacktestError, match=r"none of the 1 candidates could be run in any window; the first: at .*OVERFLOW"):
        wf.walk_forward([history], SMA, [held], plan, setting)


def test_in_sample_figures_are_those_of_a_run_of_the_window_alone(prices):
    """Anchored, the first window is a plain backtest of its days."""
    walked = wf.walk_forward(prices, SMA, CANDIDATES, PLAN._replace(anchored=True))
    first = walked.segments[0]
    alone = [runs.figures(runs.simulate(cut(prices, first.window.test_from), SMA, params))["sharpe"] for params in CANDIDATES]
    assert first.in_sample == max(alone) and first.params == CANDIDATES[int(np.argmax(alone))]


def test_every_candidate_of_every_window_is_a_trial_and_the_book_says_how_it_was_walked(walked, prices, tmp_path):
    assert len(walked.trials) == len(CANDIDATES) * len(walked.segments)
    told = wf.configuration(walked, ("sp500", "adjusted"))
    session = runs.store(walked.simulation, tmp_path / "a.db", told)
    assert wf.record(walked, tmp_path / "a.db", told, session) == len(walked.trials)
    assert wf.record(walked, tmp_path / "a.db", told, session) == 0
    assert trials.count(tmp_path / "a.db", "sma_cross on SPX 1d") == len(walked.trials) + 1
    assert told["walkforward"]["learn"] == 250 and len(told["walkforward"]["chosen"]) == len(walked.segments)


def test_two_instruments_of_different_length_walk_together():
    both = [load("sp500", (), start="2013-01-02", end="2014-12-31")[0], load("nasdaq", (), start="2013-03-01", end="2014-11-28")[0]]
    walked = wf.walk_forward(both, SMA, CANDIDATES[:2], wf.Plan(200, 100, True, "total_return"))
    assert check(walked.simulation.book) == Invariant.HOLDS and walked.efficiency is None
    assert len(walked.simulation.book.entries) > 4 and set(walked.simulation.symbols) == {both[0].symbol, both[1].symbol}


def test_what_cannot_be_walked_is_refused(prices):
    for candidates, plan, words in (
        ([], PLAN, "no candidate"), (CANDIDATES, PLAN._replace(figure="fees"), "nothing can be chosen by 'fees'"),
        (CANDIDATES, PLAN._replace(learn=5000), "leave nothing to test"),
    ):  # fmt: skip
        with pytest.raises(HonestyError, match=words):
            wf.walk_forward(prices, SMA, candidates, plan)
