"""One bar at a time gives the run that all at once gives: same book, same events."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.book import E_KIND, E_PRICE, E_TIME
from ledger.vocabulary import EventKind
from sim.engine.drive.feed import COLUMNS, NewBar
from sim.run import BacktestError, Setting, feed, simulate

from tests.sim.backtest import tapes
from tests.sim.backtest.test_exchange import CAPS, CASH, SLIPPAGES, bars, signal_row, wishes
from tests.sim.backtest.twin import PROFILES, Wish


def new_bar(history, at: int) -> NewBar:
    return NewBar(*(int(getattr(history, name)[at]) for name in COLUMNS), float(history.signal_factor[at]))


def head(history, count: int):
    columns = {name: getattr(history, name)[:count] for name in (*COLUMNS, "signal_factor")}
    return history._replace(**columns)


@pytest.mark.parametrize("profile", list(PROFILES))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_bar_by_bar_equals_all_at_once_event_for_event(profile, data):
    tape = [data.draw(bars(4, 8)) for _ in range(data.draw(st.integers(1, 2)))]
    count = min(len(rows) for rows in tape)
    histories = [tapes.bars_of(rows[:count], name) for rows, name in zip(tape, ("AAA", "BBB"))]
    strategy = tapes.played([signal_row(wish) for wish in data.draw(wishes(count))])
    setting = Setting(
        str(CASH), data.draw(st.sampled_from(["shares:40", "percent:60"])), "ibkr-fixed", profile=profile,
        slippage=data.draw(st.sampled_from(list(SLIPPAGES))), participation=data.draw(st.sampled_from(list(CAPS))), worlds=0,
    )  # fmt: skip
    whole = simulate(histories, strategy, tapes.NoParams(), setting)
    growing = feed([head(history, 1) for history in histories], strategy, tapes.NoParams(), setting)
    pieces = [growing.log.copy()]
    for at in range(1, count):
        pieces.append(growing.append({history.symbol: new_bar(history, at) for history in histories}).copy())
    pieces.append(growing.finish().copy())
    assert np.array_equal(np.concatenate(pieces), whole.log)
    assert np.array_equal(growing.log, whole.log)
    assert growing.book.digest() == whole.book.digest()


def test_what_is_decided_at_a_close_fills_at_an_open_of_the_same_nanosecond():
    """Minute bars begin when the last one ends: the order must not wait a bar."""
    history = tapes.bars_of([(50, 50, 50, 50, 9), (51, 51, 51, 51, 9), (52, 52, 52, 52, 9)])
    start = history.start_ns[0] + np.arange(3) * 60 * 10**9
    minutes = history._replace(start_ns=start, end_ns=start + 60 * 10**9, day=np.full(3, tapes.FIRST_DAY), bar="1m")
    strategy = tapes.played([signal_row(Wish(1.0))] * 3)
    sim = simulate([minutes], strategy, tapes.NoParams(), Setting(str(CASH), "shares:1", "zero"))
    fills = sim.log[sim.log[:, E_KIND] == EventKind.FILL]
    assert fills[:, E_PRICE].tolist() == [51] and fills[:, E_TIME].tolist() == [start[1]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda bar: {"CCC": bar}, "no instrument 'CCC'; it has AAA"),
        (lambda bar: {"AAA": bar._replace(start_ns=0)}, "begins before the feed's last one ended"),
        (lambda bar: {"AAA": bar._replace(end_ns=bar.start_ns)}, "begins before"),
    ],
)
def test_a_bar_the_feed_cannot_take_is_refused_and_nothing_is_lost(change, words):
    history = tapes.bars_of([(50, 50, 50, 50, 9), (51, 51, 51, 51, 9)])
    growing = feed([head(history, 1)], tapes.played([signal_row(Wish(1.0))] * 2), tapes.NoParams(), Setting(str(CASH), "shares:1"))
    before = growing.book.digest()
    with pytest.raises(BacktestError, match=words):
        growing.append(change(new_bar(history, 1)))
    assert growing.book.digest() == before
    assert len(growing.append({"AAA": new_bar(history, 1)}))
