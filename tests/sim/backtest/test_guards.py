"""What must hold of every run: properties on random tapes, tables of single bars, and rules whose loss a test notices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.book import (
    E_INSTRUMENT, E_KEY, E_KIND, E_QTY, E_SIDE, E_TIME, I_POSITION, Book,
)  # fmt: skip
from ledger.core import apply, apply_all
from ledger.keys import purpose_of, strategy_of
from ledger.vocabulary import EventKind, Outcome, Purpose
from sim.engine import profiles
from sim.run import BacktestError, Setting, simulate
from strategies import get
from strategies.api import StrategyError, parse_params

from tests.sim.backtest import tapes
from tests.sim.backtest.test_exchange import CAPS, LOTS, SLIPPAGES, bars, engine, fills_of, signal_row, wishes
from tests.sim.backtest.twin import DAY, LIMIT, PROFILES, STOP, STOP_LIMIT, TRAIL, Bar, Wish

GUARDS = (Purpose.STOP_LOSS, Purpose.TAKE_PROFIT, Purpose.TRAIL)
CALM = Bar(50, 50, 50, 50, 100)


def fills(sim) -> np.ndarray:
    return sim.log[sim.log[:, E_KIND] == EventKind.FILL]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_guards_never_exceed_the_position_and_one_cancels_the_others(data):
    tape = data.draw(bars(5, 9))
    profile, cap = data.draw(st.sampled_from(list(PROFILES))), data.draw(st.sampled_from(list(CAPS)))
    sim = engine(tape, data.draw(wishes(len(tape))), profile, "none", cap)
    book = Book()
    live: dict[int, int] = {}
    for event in sim.log:
        assert apply(book, event) == Outcome.APPLIED
        key, kind = int(event[E_KEY]), int(event[E_KIND])
        if kind == EventKind.CLAIM and purpose_of(key) in GUARDS:
            live[key] = int(event[E_QTY])
        if kind == EventKind.FILL and key in live:
            live[key] -= int(event[E_QTY])
        if kind in (EventKind.CANCELED, EventKind.EXPIRED) or live.get(key) == 0:
            live.pop(key, None)
        # After a fill the guards follow in the next rows; a row that is neither fill nor cancel sees them in line.
        if kind in (EventKind.MARK, EventKind.DAY):
            assert all(lots <= abs(int(book.instruments[1, I_POSITION])) for lots in live.values())
    assert int(book.instruments[1, I_POSITION]) == int((fills(sim)[:, E_SIDE] * fills(sim)[:, E_QTY]).sum())


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_every_fill_is_in_its_bar_on_the_lot_within_the_volume_and_after_its_claim(data):
    tape = data.draw(bars(5, 9))
    profile, cap = data.draw(st.sampled_from(list(PROFILES))), data.draw(st.sampled_from(["50", "10"]))
    sim = engine(tape, data.draw(wishes(len(tape))), profile, "none", cap)
    claimed = {int(row[E_KEY]): int(row[E_TIME]) for row in sim.log if row[E_KIND] == EventKind.CLAIM}
    taken = dict.fromkeys(range(len(tape)), 0)
    for row, (bar, _, lots, price) in zip(fills(sim), fills_of(sim)):
        assert tape[bar].low <= price <= tape[bar].high and lots % LOTS == 0
        assert row[E_TIME] >= claimed[int(row[E_KEY])]
        taken[bar] += lots
    assert all(lots <= tape[bar].volume * LOTS * CAPS[cap] for bar, lots in taken.items())


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_the_better_way_is_worth_no_less_at_the_first_ambiguous_bar_and_replay_gives_the_book(data):
    tape = data.draw(bars(4, 8))
    wanted = data.draw(wishes(len(tape)))
    for profile in PROFILES:
        sim = engine(tape, wanted, profile, data.draw(st.sampled_from(list(SLIPPAGES))), "none", worlds=8)
        again = Book()
        assert apply_all(again, sim.log) == len(sim.log) and again.digest() == sim.book.digest()
        assert sim.interval.low_e8 <= sim.book.valuation().equity <= sim.interval.high_e8


LONG = Wish(1.0, stop_loss=45, take_profit=55)
# name, bars after a quiet one in which the wish is made, wish, profile -> fills (bar, side, price)
TABLE = [
    ("a stop inside the bar fills at the stop", [CALM, Bar(50, 52, 44, 46, 9)], LONG, "next-open", [(1, 1, 50), (2, -1, 45)]),
    ("a stop the open has passed fills at the open", [CALM, Bar(40, 52, 39, 46, 9)], LONG, "next-open", [(1, 1, 50), (2, -1, 40)]),
    ("a target the open has passed fills at the open", [CALM, Bar(60, 62, 58, 58, 9)], LONG, "next-open", [(1, 1, 50), (2, -1, 60)]),
    ("stop and target in one bar: the worse", [CALM, Bar(50, 57, 44, 50, 9)], LONG, "next-open", [(1, 1, 50), (2, -1, 45)]),
    ("stop and target in one bar: the better", [CALM, Bar(50, 57, 44, 50, 9)], LONG, "optimistic", [(1, 1, 50), (2, -1, 55)]),
    ("the entry bar counts from the entry on", [Bar(50, 51, 44, 50, 9)], LONG, "next-open", [(1, 1, 50), (1, -1, 45)]),
    ("vectorbt does not test the entry bar", [Bar(50, 51, 44, 50, 9)], LONG, "vectorbt", [(0, 1, 50), (1, -1, 45)]),
    ("vectorbt books the stop although the open is past the target", [Bar(60, 62, 40, 58, 9)], LONG, "vectorbt", [(0, 1, 50), (1, -1, 45)]),
    ("close fills at the signal's own close", [CALM], Wish(1.0), "close", [(0, 1, 50)]),
    ("a buy limit fills at its limit", [Bar(52, 53, 46, 50, 9)], Wish(1.0, LIMIT, 47), "next-open", [(1, 1, 47)]),
    ("a buy limit fills at the open when that is better", [Bar(45, 53, 44, 50, 9)], Wish(1.0, LIMIT, 47), "next-open", [(1, 1, 45)]),
    ("a buy stop fills at its stop", [Bar(50, 56, 46, 50, 9)], Wish(1.0, STOP, stop=54), "next-open", [(1, 1, 54)]),
    ("a buy stop the open has passed fills at the open", [Bar(56, 58, 46, 50, 9)], Wish(1.0, STOP, stop=54), "next-open", [(1, 1, 56)]),
    ("a stop-limit whose limit is out of reach waits", [Bar(58, 59, 57, 57, 9), Bar(57, 57, 53, 54, 9)],
     Wish(1.0, STOP_LIMIT, 55, 54), "next-open", [(2, 1, 55)]),
    ("a trailing buy follows the low", [Bar(50, 50, 40, 48, 9)], Wish(1.0, TRAIL, trail=5), "next-open", [(1, 1, 45)]),
    ("a day order is gone the day after", [CALM, Bar(47, 50, 46, 50, 9)], Wish(1.0, LIMIT, 47, tif=DAY), "next-open", [(2, 1, 47)]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "after", "wish", "profile", "expected"), TABLE, ids=[row[0] for row in TABLE])
def test_one_bar_fills_as_the_rules_say(name, after, wish, profile, expected):
    tape = [CALM, *after]
    sim = engine(tape, [wish] * len(tape), profile, "none", "none")
    assert [(bar, side, price) for bar, side, _, price in fills_of(sim)] == expected


@pytest.mark.parametrize(
    ("slippage", "price"), [("none", 50), ("ticks:2", 52), ("bps:100", 51), ("volume-share:1", 58)]
)
def test_slippage_is_what_the_model_says_rounded_against_the_trader(slippage, price):
    sim = engine([CALM, CALM], [Wish(1.0)] * 2, "next-open", slippage, "none")
    assert fills_of(sim) == [(1, 1, 40 * LOTS, price)]  # 40 of 100 shares: 50 x 1 x 0.4^2 = 8


def test_what_the_volume_does_not_fill_works_on_and_the_guards_grow_with_the_position():
    tape = [CALM, Bar(50, 50, 50, 50, 30), Bar(50, 50, 50, 50, 100), Bar(50, 50, 44, 44, 100)]
    sim = engine(tape, [LONG] * 4, "next-open", "none", "50")
    assert [(bar, side, lots // LOTS) for bar, side, lots, _ in fills_of(sim)] == [(1, 1, 15), (2, 1, 25), (3, -1, 40)]
    claims = sim.log[(sim.log[:, E_KIND] == EventKind.CLAIM)]
    stops = [int(row[E_QTY]) // LOTS for row in claims if purpose_of(int(row[E_KEY])) == Purpose.STOP_LOSS]
    assert stops == [15, 40]


def test_a_stopped_wish_stays_out_until_it_changes_and_vectorbt_opens_anew():
    tape = [CALM, CALM, Bar(50, 50, 44, 44, 9), CALM, CALM]
    assert len(fills_of(engine(tape, [LONG] * 5, "next-open", "none", "none"))) == 2
    assert len(fills_of(engine(tape, [LONG] * 5, "vectorbt", "none", "none"))) == 3
    spoken = [LONG, LONG, LONG, Wish(None), LONG]
    assert len(fills_of(engine([*tape, CALM], [*spoken, LONG], "next-open", "none", "none"))) == 3


def test_strategies_keep_their_own_targets_and_share_one_account():
    """One is long, one short of the same instrument: each order carries its strategy, the account holds the sum."""
    history = tapes.bars_of([(50, 50, 50, 50, 100)] * 5)
    first = tapes.played([signal_row(Wish(1.0))] * 5, "first")
    second = tapes.played([signal_row(wish) for wish in (Wish(0.0), Wish(0.0), Wish(-0.5), Wish(-0.5), Wish(0.0))], "second")
    sim = simulate(
        [history], first, tapes.NoParams(), Setting("1000", "shares:40", "zero"), also=[(second, tapes.NoParams())]
    )  # fmt: skip
    made = [(strategy_of(int(row[E_KEY])), int(row[E_SIDE]), int(row[E_QTY]) // LOTS) for row in fills(sim)]
    assert made == [(1, 1, 40), (2, -1, 20)]
    assert int(sim.book.instruments[1, I_POSITION]) == 20 * LOTS


def test_two_strategies_on_two_symbols_spend_one_pot_of_cash():
    tape = [(50, 50, 50, 50, 100)] * 4
    team = [tapes.played([signal_row(Wish(1.0))] * 4, name) for name in ("first", "second")]
    sim = simulate(
        [tapes.bars_of(tape, "AAA"), tapes.bars_of(tape, "BBB")], team[0], tapes.NoParams(), Setting("1000", "percent:80", "zero"),
        also=[(team[1], tapes.NoParams())],
    )  # fmt: skip
    spent = {(strategy_of(int(r[E_KEY])), int(r[E_INSTRUMENT])): int(r[E_QTY]) // LOTS for r in fills(sim)}
    assert spent == dict.fromkeys([(1, 1), (1, 2), (2, 1), (2, 2)], 40_000)


def test_a_guard_in_a_shared_instrument_is_refused_in_words():
    history = tapes.bars_of([(50, 50, 50, 50, 100)] * 3)
    team = [tapes.played([signal_row(LONG)] * 3, name) for name in ("first", "second")]
    with pytest.raises(BacktestError, match="a guard needs a run of its own"):
        simulate([history], team[0], tapes.NoParams(), Setting("1000", "shares:4", "zero"), also=[(team[1], tapes.NoParams())])


def test_a_split_carries_the_guards_over():
    from sim.data import Action

    rows = [(1000, 1000, 1000, 1000, 100)] * 3 + [(500, 500, 500, 500, 100), (500, 500, 440, 440, 100)]
    split = Action(tapes.FIRST_DAY + 3, 0, "split", 2, 1, 0)
    history = tapes.bars_of(rows)._replace(actions=(split,))
    wish = signal_row(Wish(1.0, stop_loss=900))
    sim = simulate([history], tapes.played([wish] * 5), tapes.NoParams(), Setting("1000", "shares:40", "zero"))
    assert fills_of(sim) == [(1, 1, 40 * LOTS, 1000), (4, -1, 80 * LOTS, 450)]


@pytest.mark.parametrize("text", ["next", "", "NEXT-OPEN"])
def test_an_unknown_profile_lists_the_known_ones(text):
    with pytest.raises(ValueError, match="next-open, close, pessimistic, optimistic, vectorbt"):
        profiles.rules(text)


@pytest.mark.parametrize("text", ["ticks", "ticks:-1", "bps:x", "volume-share:1000", "much", "none:1", "ticks:1.5"])
def test_a_slippage_that_means_nothing_is_refused(text):
    with pytest.raises(ValueError, match="slippage|ticks|bps"):
        profiles.parse_slippage(text)


@pytest.mark.parametrize("text", ["0", "101", "-3", "half", ""])
def test_a_volume_cap_that_means_nothing_is_refused(text):
    with pytest.raises(ValueError, match="participation|number"):
        profiles.parse_participation(text)


OWN = """
from typing import NamedTuple
from strategies.api import Strategy, market, no_columns
from helper_of_mine import FULL
class Params(NamedTuple):
    size: float = 1.0
def on_bar(bars, columns, t, state, params):
    return market(params.size * FULL)
STRATEGY = Strategy("mine", Params, no_columns, on_bar, lambda _: 0, 0, "mine", False)
"""


def test_a_strategy_runs_from_a_file_of_ones_own_in_plain_python(tmp_path):
    (tmp_path / "my_strategy.py").write_text(OWN)
    (tmp_path / "helper_of_mine.py").write_text("FULL = 1.0\n")
    mine = get(str(tmp_path / "my_strategy.py"))
    sim = simulate([tapes.bars_of([(50, 50, 50, 50, 100)] * 3)], mine, parse_params(mine, ["size=0.5"]), Setting("1000", "shares:40"))
    assert int(sim.book.instruments[1, I_POSITION]) == 20 * LOTS
    assert any("plain Python" in note for note in sim.remarks)
    assert get(f"{tmp_path / 'my_strategy.py'}:STRATEGY").name == "mine"


@pytest.mark.parametrize(("text", "words"), [("x = 1\n", "is not a strategies.api.Strategy"), ("def (\n", "line 1 of"), (None, "there is no file")])
def test_a_file_that_is_no_strategy_is_refused_in_words(tmp_path, text, words):
    path = tmp_path / "broken.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(StrategyError, match=words):
        get(str(path))
