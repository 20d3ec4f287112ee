"""Sessions of every kind, finished or not, of one file or two: what is joined, and what is said about what is missing."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from ledger.compare import Cause, compare, curves, story
from ledger.journal import Journal, JournalError
from ledger.journal.journal import KINDS
from ledger.units import money
from ledger.vocabulary import EventKind as K
from tests.ledger.compare.test_causes import START, Told


def stored(path: Path, kind: str, told: Told) -> Path:
    with Journal.open(path) as journal:
        session = journal.begin(kind, "x", config={"strategies": {"1": "cross"}}, exclusive=False)
        session.names_of(told.names)
        session.record_all(np.array(told.events))
        session.end()
    return path


@pytest.mark.parametrize(("one", "two"), list(product(KINDS, KINDS)))
def test_any_kind_is_compared_with_any_kind(tmp_path, one, two):
    first = stored(tmp_path / "a.db", one, Told().trade("10", "10", "100").end())
    second = stored(tmp_path / "b.db", two, Told().trade("10", "10", "101", fee="2").end())
    with Journal.read(first) as a, Journal.read(second) as b:
        found = compare(a, 1, b, 1)
        assert {part.cause: part.amount_e8 for part in found.parts if part.amount_e8} == {Cause.PRICE: -money("10"), Cause.FEE: -money("1")}
        assert (found.a.info.kind, found.b.info.kind, found.residual_e8) == (one, two, 0)
        assert [step.what for step in story(b, 1, found.rows[0].b.key).steps] == ["CLAIM", "FILL", "COMMISSION"]
        assert int(curves([(a, 1), (b, 1)]).difference_e8[1][-1]) == -money("11")


def foreign(told: Told, names: list[str], exec_id: int) -> Told:
    told.names = names
    told.events[0][-1] = names.index("AAPL") + 1
    return told.add(K.FILL, 5, instrument=1, side=1, qty_lots=20_000, price_ticks=1_000_000, exec_id=exec_id)


def test_a_foreign_fill_is_joined_by_the_brokers_id_where_it_was_told_one(tmp_path):
    first = stored(tmp_path / "a.db", "paper", foreign(Told(), ["AAPL", "0001.4f2.01"], 2).end())
    second = stored(tmp_path / "b.db", "import", foreign(Told(), ["0001.4f2.01", "x", "AAPL"], 1).end())
    other = stored(tmp_path / "c.db", "import", foreign(Told(), ["0001.999.01", "x", "AAPL"], 1).end())
    with Journal.read(first) as a, Journal.read(second) as b, Journal.read(other) as c:
        assert compare(a, 1, b, 1).certificate.equal
        found = compare(a, 1, c, 1)
        assert [row.kind for row in found.rows] == ["foreign", "foreign"] and found.difference_e8 == 0 and not found.certificate.equal


def test_a_session_that_is_being_written_says_what_is_not_compared(tmp_path):
    told = Told().trade("10", "10", "100").end()
    path = stored(tmp_path / "a.db", "backtest", told)
    with Journal.open(path) as journal:
        live = journal.begin("paper", "DU1", config={"strategies": {"1": "cross"}})
        live.names_of(told.names)
        for line in told.events:
            live.record(line)
        with Journal.read(path) as reader:
            found = compare(reader, 1, reader, 2)
            late = found.b.behind
            assert late > 0 and f"Session 2 is being written; its last {late} events are not compared." in found.notes
            assert found.b.seq + late == len(told.events)
        live.project()
        with Journal.read(path) as reader:
            found = compare(reader, 1, reader, 2)
            assert found.b.behind == 0 and found.certificate.equal and found.certificate.same_book


def test_a_story_that_nobody_knows_is_a_sentence(tmp_path):
    with Journal.read(stored(tmp_path / "a.db", "backtest", Told().end())) as journal:
        with pytest.raises(JournalError, match="no event with key 5"):
            story(journal, 1, 5)
        with pytest.raises(JournalError, match="no session 3"):
            story(journal, 3, 5)


def test_a_refusal_and_its_later_claim_are_one_story(tmp_path):
    from ledger.vocabulary import Gate

    told = Told().add(K.GATE, side=1, reason=Gate.HALTED, ref=3).wish("10").add(K.GATE, 1, side=-1, reason=Gate.HALTED, ref=3).trade("10", "10", "100").end()
    with Journal.read(stored(tmp_path / "a.db", "backtest", told)) as journal:
        steps = story(journal, 1, told.last).steps
        assert [step.what for step in steps] == ["REFUSED", "CLAIM", "FILL", "COMMISSION"]
        assert steps[0].detail == "BUY REFUSED HALTED: wished 10.00" and steps[0].time_ns == START * 10**9
        leg = compare(journal, 1, journal, 1).rows[0].a
        assert (leg.refused.name, leg.refusals, leg.filled_lots) == ("HALTED", 1, 100_000)
