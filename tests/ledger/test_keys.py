"""Order keys: a bijection between decisions and positive int64, readable as text, for ever the same."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger import keys
from ledger.vocabulary import Purpose

LAST_SECOND = 2**33 - 1 - keys.EPOCH_1900
parts = st.tuples(
    st.integers(1, 511), st.integers(1, 8191), st.sampled_from(list(Purpose)), st.integers(-keys.EPOCH_1900, LAST_SECOND), st.integers(0, 15)
)


@given(parts)
@example((511, 8191, Purpose.ACCUMULATE, LAST_SECOND, 15))
@example((1, 1, Purpose.TARGET, -keys.EPOCH_1900, 0))
def test_packing_and_unpacking_are_inverse_and_fit_a_positive_int64(decision: tuple[int, int, Purpose, int, int]) -> None:
    key = keys.make(*decision)
    assert 0 < key < 2**63
    assert keys.unpack(key) == decision
    assert (keys.strategy_of(key), keys.instrument_of(key), keys.purpose_of(key)) == decision[:3]


@given(parts, parts)
def test_different_decisions_have_different_keys(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    assert (keys.make(*one) == keys.make(*other)) == (one == other)  # type: ignore[arg-type]


@given(st.integers(1, 2**63 - 1))
def test_a_number_is_a_key_only_if_packing_gives_it_back(number: int) -> None:
    try:
        decision = keys.unpack(number)
    except ValueError:
        return
    assert keys.pack(*decision) == number


@pytest.mark.parametrize("key", [0, -1, -(2**63), 1, 2**41])
def test_what_pack_never_made_is_no_key(key: int) -> None:
    with pytest.raises(ValueError, match="not an order key"):
        keys.unpack(key)


@pytest.mark.parametrize(("decision", "place"), [
    ((0, 1, 1, 0, 0), "strategy"), ((512, 1, 1, 0, 0), "strategy"), ((1, 0, 1, 0, 0), "instrument"), ((1, 8192, 1, 0, 0), "instrument"),
    ((1, 1, 0, 0, 0), "purpose"), ((1, 1, 16, 0, 0), "purpose"), ((1, 1, 1, -keys.EPOCH_1900 - 1, 0), "bar"),
    ((1, 1, 1, LAST_SECOND + 1, 0), "bar"), ((1, 1, 1, 0, -1), "leg"), ((1, 1, 1, 0, 16), "leg"),
])  # fmt: skip
def test_a_part_out_of_range_gives_no_key_and_an_error_that_names_it(decision: tuple[int, ...], place: str) -> None:
    assert keys.pack(*decision) == 0
    with pytest.raises(ValueError, match=place):
        keys.make(*decision)  # type: ignore[arg-type]


@given(parts)
def test_the_text_of_a_key_is_read_back_to_the_same_key(decision: tuple[int, int, Purpose, int, int]) -> None:
    key = keys.make(*decision)
    names, symbols = {decision[0]: "sma_cross"}, {decision[1]: "BRK B"}
    named = keys.text(key, names, symbols)
    assert keys.parse(named, {"sma_cross": decision[0]}, {"BRK B": decision[1]}) == key
    assert keys.parse(keys.text(key, {}, {}), {}, {}) == key


def test_the_text_of_a_key_is_what_people_read() -> None:
    key = keys.make(3, 7, Purpose.STOP_LOSS, 1_767_387_600, 2)
    assert keys.text(key, {3: "sma_cross"}, {7: "AAPL"}) == "sma_cross|AAPL|STOP_LOSS|2026-01-02T21:00:00Z|2"


@pytest.mark.parametrize("line", ["", "a|b|c", "sma|AAPL|TARGET|2026-01-02T21:00:00Z|0", "#1|#1|NO|2026-01-02T21:00:00Z|0", "#1|#1|TARGET|x|0"])
def test_a_text_nobody_wrote_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="order reference|does not match"):
        keys.parse(line, {}, {})


@pytest.mark.parametrize(("exec_id", "base", "revision"), [
    ("0001.4f2.01.02", "0001.4f2.01", 2), ("0000e0d5.68b2.01.01", "0000e0d5.68b2.01", 1), ("abc", "abc", 0), ("abc.x1", "abc.x1", 0),
    (".5", ".5", 0), ("a.", "a.", 0), ("", "", 0),
])  # fmt: skip
def test_a_correction_differs_from_its_execution_only_after_the_last_dot(exec_id: str, base: str, revision: int) -> None:
    assert keys.split_exec_id(exec_id) == (base, revision)


@given(st.text(max_size=12).map(lambda tail: "1." + tail))
@example("1.²")
def test_no_execution_id_breaks_the_split(exec_id: str) -> None:
    base, revision = keys.split_exec_id(exec_id)
    assert revision >= 0 and exec_id.startswith(base)
