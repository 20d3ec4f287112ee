"""Whose order a fact is about, and what a single word of the broker says of it: the fold without a book."""

from __future__ import annotations

from typing import Any

import pytest
from tests.live.fakes import AAPL, ACCOUNT, CLIENT, START_NS, execution, order_seen, status_seen

from ledger import keys
from ledger.port import Acknowledged, Alert, Ended, Executed, Fate
from ledger.vocabulary import Purpose
from live.broker.facts import Fact, MessageSeen
from live.broker.fold import Fold, Said
from live.broker.refs import order_ref

TAG, OTHER_TAG, OTHER = "abc123", "def456", CLIENT + 1
ONE, TWO = (keys.make(1, 1, Purpose.TARGET, START_NS // 10**9 + 60 * bar) for bar in (0, 1))
MANUAL = {"order_id": 0, "client_id": -1}
"""How a fact is numbered whose order no program of the API sent."""


def fold(since_ns: int = 0) -> Fold:
    return Fold(TAG, CLIENT, ACCOUNT, [AAPL], since_ns)


def ref(key: int = ONE) -> str:
    return order_ref(TAG, key)


def said(code: int, number: int = 1) -> MessageSeen:
    return MessageSeen(START_NS, number, code, "the test says so")


def ends(found: list[Said]) -> list[tuple[int, Fate]]:
    """Return which orders ended, and how."""
    return [(one.key, one.fate) for one in found if isinstance(one, Ended)]


def key_of_fill(here: Fold, text: str, **names: Any) -> int:
    """Return to which order an execution with these names is booked, 0 for none of ours."""
    (fill,) = [one for one in here.add(execution(text, 1, "0001.01.01", 1, perm=0)._replace(**names)) if isinstance(one, Executed)]
    return fill.key


WHO = [
    ("our reference, whatever the numbers", ref(TWO), {"order_id": 1, "perm_id": 11}, TWO),
    ("the number our client gave out", "", {"order_id": 1}, ONE),
    ("that number before a permanent id", "", {"order_id": 1, "perm_id": 22}, ONE),
    ("another client's order of that number", "", {"order_id": 1, "client_id": OTHER}, 0),
    ("a permanent id", "", {**MANUAL, "perm_id": 22}, TWO),
    ("no name at all", "", {**MANUAL, "perm_id": 0}, 0),
    ("another book's reference", order_ref(OTHER_TAG, ONE), {"order_id": 1, "perm_id": 22}, 0),
    ("a person's reference", "mine", {"order_id": 1, "perm_id": 22}, 0),
]


@pytest.mark.parametrize(("text", "names", "key"), [row[1:] for row in WHO], ids=[row[0] for row in WHO])
def test_an_order_is_known_by_reference_then_by_our_number_then_by_its_permanent_id(text: str, names: dict[str, int], key: int) -> None:
    here = fold()
    here.sent(1, ONE)
    here.add(order_seen(ref(TWO), 2, "Submitted", perm=22))
    assert key_of_fill(here, text, **names) == key


LEARNED = [
    ("ours", {}, True, True), ("of another client", {"client_id": OTHER}, False, True), ("without a number", {"order_id": 0}, False, True),
    ("completed", {**MANUAL, "completed": True}, False, True), ("without a permanent id", {"perm_id": 0}, True, False),
]  # fmt: skip


@pytest.mark.parametrize(("names", "number", "perm"), [row[1:] for row in LEARNED], ids=[row[0] for row in LEARNED])
def test_a_fact_with_our_reference_teaches_its_numbers_as_far_as_they_are_ours(names: dict[str, Any], number: bool, perm: bool) -> None:
    here = fold()
    fact = order_seen(ref(), 5, "Submitted", perm=14)._replace(**names)
    assert here.add(fact) == here.add(fact) and not any(isinstance(one, Alert) for one in here.add(fact)), "again, it says no more"
    assert (here.order_ids() == {5: ONE}) is number and (here.order_ids() == {}) is not number
    assert bool(ends(here.add(said(202, 5)))) is number, "an error of that number is about it"
    assert (here.perm_ids(ONE) == {14}) is perm and key_of_fill(here, "", **MANUAL, perm_id=fact.perm_id) == (ONE if perm else 0)


def test_an_execution_teaches_the_names_of_our_order_and_none_of_somebody_elses() -> None:
    here = fold()
    here.add(execution(ref(), 5, "0001.01.01", 1, perm=14))
    for perm in (77, 78):
        assert [type(one) for one in here.add(execution("mine", 6, f"{perm}.01", 1, perm=perm))] == [Executed]
    assert here.order_ids() == {5: ONE} and here.perm_ids(ONE) == {14} and here.perm_ids(0) == frozenset()


def test_a_number_that_was_given_out_on_an_earlier_connection_is_an_orders_again_once_it_is_named_on_this_one() -> None:
    for names in (lambda here: here.sent(1, ONE), lambda here: here.add(order_seen(ref(), 1, "Submitted")), lambda here: here.add(status_seen(1, "Submitted"))):
        here = fold()
        here.sent(1, ONE)
        here.connected()
        assert here.add(said(202)) == []
        names(here)
        assert ends(here.add(said(202))) == [(ONE, Fate.CANCELED)]


@pytest.mark.parametrize("number", [0, -1])
def test_a_message_about_no_number_is_about_no_order(number: int) -> None:
    here = fold()
    here.sent(number, ONE)
    assert here.add(said(202, number)) == []


def test_a_status_that_comes_before_its_order_is_known_waits_for_it() -> None:
    gone: list[Fact] = [status_seen(1, "Cancelled")]
    early = fold()
    assert [early.add(fact) for fact in gone] == [[]]
    assert ends(early.add(order_seen(ref(TWO), 1, "Submitted")._replace(client_id=OTHER))) == [], "the other's number 1 is not ours"
    assert ends(early.sent(1, ONE)) == [(ONE, Fate.CANCELED)] and early.sent(1, ONE) == [], "once"
    listed = fold()
    listed.add(gone[0])
    assert ends(listed.add(order_seen(ref(), 1, "PreSubmitted"))) == [(ONE, Fate.CANCELED)]
    for stranger in ({"client_id": OTHER}, {"order_id": 0}):
        here, fact = fold(), status_seen(1, "Cancelled")._replace(**stranger)
        assert here.add(fact) == [] == here.sent(fact.order_id, ONE)


WORDS = [
    ("PreSubmitted", [Acknowledged]), ("Submitted", [Acknowledged]), ("Cancelled", [Ended]), ("ApiCancelled", [Ended]),
    ("Inactive", []), ("Filled", []), ("PendingSubmit", []), ("PendingCancel", []), ("", []),
]  # fmt: skip


@pytest.mark.parametrize(("word", "means"), WORDS)
def test_a_word_acknowledges_or_ends_an_order_only_where_it_proves_that(word: str, means: list[type]) -> None:
    for fact in (order_seen(ref(), 1, word), status_seen(1, word)):
        here = fold()
        here.sent(1, ONE)
        assert [type(one) for one in here.add(fact)] == means


REJECTIONS: list[tuple[list[Fact], list[tuple[int, Fate]]]] = [
    ([said(201)], [(ONE, Fate.REJECTED)]),
    ([status_seen(1, "Submitted"), said(201)], []),
    ([status_seen(1, "Submitted"), said(201), status_seen(1, "Inactive")], [(ONE, Fate.REJECTED)]),
    ([status_seen(1, "Submitted"), status_seen(1, "Inactive"), said(201)], [(ONE, Fate.REJECTED)]),
    ([status_seen(1, "Inactive")], []),
    ([said(201), status_seen(1, "Cancelled")], [(ONE, Fate.REJECTED)] * 2),
    ([status_seen(1, "Cancelled")], [(ONE, Fate.CANCELED)]),
    ([said(202)], [(ONE, Fate.CANCELED)]),
]


@pytest.mark.parametrize(("facts", "fates"), REJECTIONS)
def test_a_code_rejects_an_order_that_nothing_shows_alive(facts: list[Fact], fates: list[tuple[int, Fate]]) -> None:
    here = fold()
    here.sent(1, ONE)
    assert ends([one for fact in facts for one in here.add(fact)]) == fates


@pytest.mark.parametrize(("code", "alerts"), [(399, 0), (161, 0), (2109, 0), (10147, 1), (103, 1), (321, 1), (99_999, 1)])
def test_a_code_that_puts_an_order_in_doubt_is_said_and_a_note_is_not(code: int, alerts: int) -> None:
    here = fold()
    here.sent(1, ONE)
    assert [type(one) for one in here.add(said(code))] == [Alert] * alerts


@pytest.mark.parametrize(("done", "works"), [({}, True), ({"status": "Cancelled"}, False), ({"status": "Filled"}, False), ({"completed": True}, False)])
@pytest.mark.parametrize("text", ["", "mine", order_ref(OTHER_TAG, ONE)])
def test_an_order_of_others_is_kept_while_it_works_under_what_names_it(text: str, done: dict[str, Any], works: bool) -> None:
    here, two = fold(), fold()
    fact = order_seen(text, 3, "Submitted", perm=77)
    (line,) = here.add(fact)
    assert isinstance(line, Alert) and ("another book's" in line.line) == text.startswith("ob1")
    assert here.add(fact._replace(**done)) == [] and list(here.foreign.values()) == [fact] * works
    assert len(two.add(fact)) == 1 and len(two.add(fact._replace(perm_id=78))) == (1 if text == "" else 0)


@pytest.mark.parametrize(("text", "booked"), [("", False), (ref(), True)])
def test_what_was_executed_before_the_book_began_is_booked_only_for_its_own_orders(text: str, booked: bool) -> None:
    for earlier_ns, counts in ((1, booked), (0, True)):
        found = fold(START_NS + earlier_ns).add(execution(text, 9, "0001.01.01", 1))
        assert [type(one) for one in found] == [Executed] * counts


def test_an_execution_of_another_account_or_unknown_to_the_book_is_not_booked() -> None:
    fill = execution(ref(), 1, "0001.01.01", 1)
    assert fold().add(fill._replace(account="DU1000002")) == []
    for strange in (fill._replace(con_id=1), fill._replace(side="")):
        (line,) = fold().add(strange)
        assert isinstance(line, Alert) and line.line.startswith("UNBOOKABLE EXECUTION: 0001.01.01")
