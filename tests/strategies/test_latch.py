"""The latch against a twin that tries every beginning."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.latch import latch

flags = st.lists(st.tuples(*[st.booleans()] * 4), min_size=0, max_size=40)


def columns(rows):
    table = np.array(rows, bool).reshape(len(rows), 4)
    return [np.ascontiguousarray(table[:, k]) for k in range(4)]


def one_life(position, rows, allow_short):
    """The position after each bar for somebody who knows how it began."""
    out = []
    for enter_long, leave_long, enter_short, leave_short in rows:
        enter_short = enter_short and allow_short
        if (position == 1 and leave_long) or (position == -1 and leave_short):
            position = 0
        if enter_long != enter_short:
            position = 1 if enter_long else -1
        out.append(position)
    return out


@settings(deadline=None)
@given(rows=flags, allow_short=st.integers(0, 1))
def test_the_latch_says_what_all_possible_beginnings_agree_on_and_nothing_else(rows, allow_short):
    lives = [one_life(start, rows, allow_short) for start in ((1, 0, -1) if allow_short else (1, 0))]
    got = latch(*columns(rows), allow_short, 0)
    for t, answers in enumerate(zip(*lives)):
        assert np.isnan(got[t]) if len(set(answers)) > 1 else got[t] == answers[0]


@settings(deadline=None)
@given(rows=flags, allow_short=st.integers(0, 1), start=st.integers(0, 40))
def test_what_a_later_start_says_the_longer_history_says_too(rows, allow_short, start):
    whole = latch(*columns(rows), allow_short, 0)[start:]
    late = latch(*columns(rows[start:]), allow_short, 0)
    known = ~np.isnan(late)
    assert (late[known] == whole[known]).all()


def test_events_before_the_first_bar_that_counts_are_not_seen():
    rows = [(True, False, False, False)] * 3 + [(False, False, False, False)] * 2
    assert np.isnan(latch(*columns(rows), 0, 3)).all()
    assert list(latch(*columns(rows), 0, 2)[2:]) == [1.0, 1.0, 1.0]
    assert list(latch(*columns(rows), 0, -5)) == [1.0] * 5
