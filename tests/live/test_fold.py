"""What the broker said gives one book, whatever order it was said in and however often."""

from __future__ import annotations

import json
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.live.fakes import ACCOUNT, CLIENT, AAPL, MSFT, commission, desk, execution, order_seen, status_seen

from ledger.book import H_FEES, I_GATES, I_POSITION, N_FLAGS
from ledger.invariants import Invariant, check
from ledger.vocabulary import EntryFlag, Gate, OrderStatus, Outcome
from live.broker import codes
from live.broker.codes import OrderNews
from live.broker.facts import (
    CommissionSeen, ExecutionSeen, Fact, MessageSeen, OrderSeen, PositionSeen, StatusSeen, amount, from_words, text,
)  # fmt: skip
from live.broker.fold import Fold
from live.broker.refs import key_of, order_ref

quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def a_days_facts(ref: str, order_id: int) -> list[Fact]:
    """Return everything the broker says of one order filled in two parts, the first corrected."""
    return [
        order_seen(ref, order_id, "PreSubmitted"), status_seen(order_id, "PreSubmitted"), status_seen(order_id, "Submitted"),
        execution(ref, order_id, "0001.01.01", 4), execution(ref, order_id, "0001.01.02", 3), execution(ref, order_id, "0002.01.01", 7),
        commission("0001.01.02", "0.35"), commission("0002.01.01", "0.65"),
        order_seen(ref, order_id, "Filled"), status_seen(order_id, "Filled"), order_seen(ref, 0, "Filled", completed=True),
    ]  # fmt: skip


@quick
@given(st.data())
def test_shuffled_and_doubled_facts_give_the_same_money_position_and_order(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder, desk(Path(folder)) as d:
        d.buy(10)
        d.pump()
        facts = a_days_facts(d.ref(), d.wire.placed[0].order_id)
        told = data.draw(st.permutations(facts + data.draw(st.lists(st.sampled_from(facts), max_size=6))))
        for fact in told:
            d.trader.on_fact(fact)
        book = d.session.book
        assert int(book.instruments[1, I_POSITION]) == 100_000 and d.status == OrderStatus.FILLED
        assert book.valuation().cash == 10**14 - 10 * 230 * 10**8 - int(book.arena[H_FEES])
        assert check(book) == Invariant.HOLDS


@quick
@given(st.permutations(range(3)))
def test_a_rejection_is_a_rejection_whichever_of_its_messages_comes_first(order: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder, desk(Path(folder)) as d:
        d.buy(10)
        d.pump()
        number = d.wire.placed[0].order_id
        facts: list[Fact] = [
            MessageSeen(0, number, 201, "Order rejected - reason: margin"), order_seen(d.ref(), number, "Inactive"), status_seen(number, "Inactive"),
        ]  # fmt: skip
        for place in order:
            d.trader.on_fact(facts[place])
        assert d.status == OrderStatus.REJECTED


NOT_PROOF = [code for code in (*codes.ORDER, 10329, 478, 2109, 2137) if codes.order_news(code) not in (OrderNews.REJECTED, OrderNews.CANCELED)]


@pytest.mark.parametrize("code", NOT_PROOF)
def test_a_code_that_proves_nothing_leaves_the_order_alive(tmp_path: Path, code: int) -> None:
    with desk(tmp_path) as d:
        d.buy(10)
        d.pump()
        number = d.wire.placed[0].order_id
        d.trader.on_fact(order_seen(d.ref(), number, "Submitted"))
        d.trader.on_fact(MessageSeen(0, number, code, "whatever it says"))
        assert d.status == OrderStatus.SUBMITTED


@pytest.mark.parametrize("code", [code for code, news in codes.ORDER.items() if news is OrderNews.REJECTED])
def test_a_rejecting_code_closes_a_new_order_and_not_an_acknowledged_one(tmp_path: Path, code: int) -> None:
    for acknowledged in (False, True):
        with desk(tmp_path / str(acknowledged)) as d:
            d.buy(10)
            d.pump()
            number = d.wire.placed[0].order_id
            if acknowledged:
                d.trader.on_fact(order_seen(d.ref(), number, "Submitted"))
            d.trader.on_fact(MessageSeen(0, number, code, "no"))
            assert d.status == (OrderStatus.SUBMITTED if acknowledged else OrderStatus.REJECTED)


def test_a_code_nobody_listed_means_unproven_and_never_cancelled() -> None:
    assert {codes.order_news(code) for code in (10329, 999, 1, 50_000)} == {OrderNews.UNPROVEN}
    assert codes.order_news(2150) is OrderNews.NOTE


def test_an_unset_commission_stays_unknown_and_is_not_zero(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.buy(10)
        d.pump()
        d.trader.on_fact(execution(d.ref(), 1, "0001.01.01", 10))
        d.trader.on_fact(commission("0001.01.01", None))
        assert not d.session.book.entries[-1, N_FLAGS] & EntryFlag.FEE_KNOWN
        d.trader.on_fact(commission("0001.01.01", "1.05"))
        assert d.session.book.entries[-1, N_FLAGS] & EntryFlag.FEE_KNOWN and int(d.session.book.arena[H_FEES]) == 105_000_000
    assert amount(1.7976931348623157e308) is None and amount(0.0) == 0


def test_an_execution_of_nobodys_order_is_booked_flagged_and_closes_the_instrument(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.trader.on_fact(execution("", 0, "0009.01.01", 5, perm=99))
        assert int(d.session.book.instruments[1, I_POSITION]) == 50_000
        assert d.session.book.entries[-1, N_FLAGS] & EntryFlag.FOREIGN
        assert d.buy(10) == Outcome.BLOCKED and any("FOREIGN FILL" in line for line in d.alerts)


def test_an_execution_off_the_grid_is_alerted_and_not_bent(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.trader.on_fact(execution("", 0, "0009.01.01", "0.00001"))
        assert len(d.session.book.entries) == 1 and any("UNBOOKABLE" in line for line in d.alerts)


def test_a_second_permanent_id_of_one_order_is_said(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.buy(10)
        d.pump()
        d.trader.on_fact(order_seen(d.ref(), 1, "Submitted", perm=14))
        d.trader.on_fact(order_seen(d.ref(), 1, "Submitted", perm=15))
        assert any("SECOND PERMANENT ID" in line for line in d.alerts)


def test_a_reused_order_id_of_another_reference_does_not_touch_our_order(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.buy(10)
        d.pump()
        d.trader.on_fact(order_seen("somebody.else", 1, "Cancelled", perm=77))
        d.trader.on_fact(execution("somebody.else", 1, "0007.01.01", 10, perm=77))
        assert d.status == OrderStatus.SENDING
        assert d.session.book.entries[-1, N_FLAGS] & EntryFlag.FOREIGN


def test_orders_of_others_are_said_once_while_they_work(tmp_path: Path) -> None:
    fold = Fold("abcdef", CLIENT, ACCOUNT, [AAPL])
    other = order_seen(order_ref("123456", 1 << 54 | 1 << 41 | 1 << 37 | 1 << 4), 3, "Submitted")
    assert "another book's" in fold.add(other)[0].line and fold.add(other) == []
    assert len(fold.foreign) == 1 and fold.add(other._replace(status="Cancelled")) == [] and not fold.foreign


@quick
@given(st.integers(1, 511), st.integers(1, 8191), st.integers(1, 9), st.integers(0, 4 * 10**9), st.integers(0, 15))
def test_a_reference_gives_its_key_back_and_only_to_its_own_book(strategy: int, instrument: int, purpose: int, bar: int, leg: int) -> None:
    from ledger import keys

    key = keys.make(strategy, instrument, keys.Purpose(purpose), bar, leg)
    ref = order_ref("abc123", key)
    assert key_of(ref, "abc123") == key and key_of(ref, "abc124") == 0
    assert len(ref) <= 24 and set(ref) <= set("abcdefghijklmnopqrstuvwxyz0123456789.")


@pytest.mark.parametrize("ref", ["", "x", "ob1.abc123.", "ob1.abc123.-1", "ob1.abc123.zzzzzzzzzzzzzzzzzzz", "ob1.abc123.0", "ob2.abc123.1", "ob1.abc123.1.2"])
def test_a_text_that_is_no_reference_has_no_key(ref: str) -> None:
    assert key_of(ref, "abc123") == 0


@given(st.one_of(map(st.from_type, (OrderSeen, StatusSeen, ExecutionSeen, CommissionSeen, MessageSeen, PositionSeen))))
def test_a_fact_is_written_as_json_writes_it(fact: Fact) -> None:
    assert fact._fields[0] == "time_ns", "what is news is everything behind the time"
    said = {name: str(value) if isinstance(value, Decimal) else value for name, value in fact._asdict().items()}
    assert text(fact) == json.dumps({"fact": type(fact).__name__, **said}, separators=(",", ":"))


def test_every_fact_is_kept_word_for_word(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.buy(10)
        facts = a_days_facts(d.ref(), 1)
        for fact in facts:
            d.trader.on_fact(fact)
        d.session.heartbeat()
        kept = [from_words(json.loads(body)) for _, source, body in d.session.kept() if source == "ib"]
        assert kept == facts
        assert [from_words(json.loads(text(fact))) for fact in facts] == facts


def test_a_foreign_fill_closes_its_instrument_alone(tmp_path: Path) -> None:
    with desk(tmp_path) as d:
        d.trader.on_fact(execution("", 0, "0009.01.01", 5))
        gates = d.session.book.instruments[:, I_GATES]
        assert gates[1] & Gate.BLOCKED and not gates[2] & Gate.BLOCKED
        assert d.buy(10, contract=MSFT) == Outcome.APPLIED
