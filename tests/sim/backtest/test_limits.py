"""Limits of the account hold for all strategies together, and refuse by the names that paper trading uses."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.book import E_KIND, E_QTY, E_SIDE, H_LIMIT, I_POSITION, I_WORKING, Book
from ledger.core import apply
from ledger.units import UnitError
from ledger.vocabulary import EventKind, Limit, Outcome
from live.config import RiskLimits
from live.ops.opening import limits as of_paper
from sim import run as runs
from sim.engine.limits import NAMES, parse
from sim.honesty import evidence, trials
from sim.run import Setting, simulate
from sim.sweep import sweep
from sim.sweep.core.market import refusal
from strategies import get

from tests.sim.backtest import tapes

FLAT = [1_000_000] * 6  # 100.00
FALL = [1_000_000, 1_000_000, 1_000_000, 800_000, 800_000, 800_000]


def team(limits: str, scripts: list[list[int]], closes: list[int] = FLAT, symbols: str = "A", size: str = "shares:40") -> runs.Simulation:
    """Run a strategy for each script on one account of 100,000."""
    members = [(tapes.strategy(tapes.scripted, tapes.Script, short=True), tapes.script(script)) for script in scripts]
    histories = [tapes.history(closes, symbol) for symbol in symbols]
    return simulate(histories, *members[0], Setting(size=size, commission="zero", account="margin", limits=limits, worlds=0), members[1:])


BOTH = [[1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0]]
CASES = {
    "max-position-shares=60": (Outcome.MAX_POSITION, BOTH, FLAT, "A"),
    "max-notional=6000": (Outcome.MAX_NOTIONAL, BOTH, FLAT, "A"),
    "max-open=1": (Outcome.MAX_OPEN, BOTH[:1], FLAT, "AB"),
    "orders-per-day=1": (Outcome.MAX_DAILY_ORDERS, BOTH, FLAT, "A"),
    "orders-per-symbol-day=1": (Outcome.MAX_DAILY_ORDERS, BOTH, FLAT, "A"),
    "burst-count=1": (Outcome.BURST, BOTH, FLAT, "A"),
    "burst-notional=5000": (Outcome.BURST, BOTH, FLAT, "A"),
    "max-repeat=1": (Outcome.REPEATED, BOTH, FLAT, "A"),
    "daily-loss=500": (Outcome.DAILY_LOSS, [[1, 1, 1, 1, 0, 0], [0, 0, 0, 1, 1, 0]], FALL, "A"),
    "price-collar-bps=300": (Outcome.PRICE_COLLAR, BOTH, FLAT, "A"),
}


def refused(sim: runs.Simulation) -> dict[Outcome, int]:
    """Return how often each outcome refused something."""
    return {outcome: int(sim.book.refusals()[outcome]) for outcome in Outcome if sim.book.refusals()[outcome] > 0}


@pytest.mark.parametrize("limits", CASES)
def test_a_limit_refuses_by_its_own_outcome_in_runs_of_one_and_of_several(limits: str) -> None:
    outcome, scripts, closes, symbols = CASES[limits]
    sim, free = team(limits, scripts, closes, symbols), team("none", scripts, closes, symbols)
    assert set(refused(sim)) == {outcome} and refused(free) == {}, "without the limit nothing is refused"
    held, held_free = (int(np.abs(one.values[:, 3]).sum()) for one in (sim, free))
    assert held < held_free, "what was refused was held later, or never"
    assert any(f"signals were refused: {outcome.name}." in note for note in runs._notes(sim))
    assert int(sim.book.instruments[1, I_POSITION]) == 0, "exits pass"


@settings(deadline=None, max_examples=25)
@given(
    scripts=st.lists(st.lists(st.integers(0, 2), min_size=6, max_size=6), min_size=1, max_size=3),
    closes=st.lists(st.integers(900_000, 1_100_000), min_size=6, max_size=6), shares=st.integers(10, 130), orders=st.integers(1, 4),
)  # fmt: skip
def test_no_run_ever_goes_beyond_its_limits(scripts: list[list[int]], closes: list[int], shares: int, orders: int) -> None:
    sim = team(f"max-position-shares={shares},orders-per-day={orders}", scripts, closes)
    book, entries = Book(), 0
    for line in sim.log:
        held, planned = 0, 0
        if len(book.instruments) > 1:
            held, planned = int(book.instruments[1, I_POSITION]), int(book.instruments[1, I_POSITION] + book.instruments[1, I_WORKING])
        assert apply(book, line) == Outcome.APPLIED
        if line[E_KIND] == EventKind.DAY:
            entries = 0
        if line[E_KIND] == EventKind.CLAIM:
            after = planned + int(line[E_SIDE] * line[E_QTY])
            entries += abs(after) > abs(planned) or after * planned < 0
            assert entries <= orders
        if line[E_KIND] == EventKind.FILL:
            assert abs(int(book.instruments[1, I_POSITION])) <= max(abs(held), shares * 10_000), "a fill may only shrink what is beyond"


def test_a_limit_that_never_binds_changes_no_event_but_its_own() -> None:
    sim, free = team("max-notional=1000000,burst-count=50", BOTH), team("none", BOTH)
    rows = [one.log[one.log[:, E_KIND] != EventKind.LIMIT] for one in (sim, free)]
    np.testing.assert_array_equal(*rows)
    assert int(sim.book.arena[H_LIMIT + Limit.BURST_WINDOW_NS]) == 60 * 10**9


def test_names_and_units_are_those_of_paper_trading() -> None:
    text = {
        "max_position_shares": "60.5", "max_notional": "6000.25", "max_open": "3", "orders_per_day": "7", "orders_per_symbol_day": "2",
        "daily_loss": "500", "burst_count": "4", "burst_window_s": "30", "max_repeat": "5", "price_collar_bps": "900",
    }  # fmt: skip
    numbers = {name: int(value) if RiskLimits.__annotations__[name].startswith("int") else value for name, value in text.items()}
    paper = of_paper(RiskLimits(**numbers))  # type: ignore[arg-type]
    ours = parse(",".join(f"{name}={value}" for name, value in text.items()))
    assert ours == {limit: paper[limit] for limit in ours} and len(ours) == len(text)
    assert {name.replace("_", "-") for name in text} == NAMES.keys() - {"burst-notional"}


@pytest.mark.parametrize("text", ["max-notionl=5", "max-notional", "max-notional=", "max-open=0", "max-open=-1", "max-open=1.5", "max-open=٣",
                                  "daily-loss=0", "daily-loss=nan", "max-open=1,max-open=2", ",", "burst-count=99999999999"])  # fmt: skip
def test_a_limit_that_means_nothing_is_refused_in_words(text: str) -> None:
    with pytest.raises(UnitError, match="limit"):
        parse(text)


def test_the_sweep_and_the_trial_know_of_limits() -> None:
    history = tapes.history([1_000_000 + 3_000 * (at * 7 % 23) for at in range(120)])
    limited = Setting(limits="max-notional=20000")
    assert "limits" in refusal(history, limited) and refusal(history, Setting()) == ""
    found = sweep(history, "sma_cross", {"fast": [2], "slow": [5]}, limited, jobs=1)
    sim = simulate([history], get("sma_cross"), get("sma_cross").params(2, 5, 0), limited)
    assert found.table["refused"][0] == sum(refused(sim).values()) > 0 and found.table["kernel"][0] == "book"
    free = runs.configuration(simulate([history], get("sma_cross"), get("sma_cross").params(2, 5, 0)), "x", "y")
    told = runs.configuration(sim, "x", "y")
    assert "limits" not in free["setting"] and trials.hashes_of(free, [free["params"]]) != trials.hashes_of(told, [told["params"]])
    assert evidence.setting_of(told).limits == "max-notional=20000" and evidence.setting_of(free).limits == "none"
    assert Decimal(evidence.setting_of(free).cash) == 100_000
