"""The runner depth: the real parts survive every schedule, and every schedule is a function of its seed and number.

A campaign of a depth can be shared out, counts what it ran, and says how to run again what failed.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.book import E_KIND, H_CASH, H_FEES, H_OPEN, H_REBOOKS, H_RESERVED, Book, Row
from ledger.core import apply
from ledger.invariants import Invariant, check_arena
from ledger.journal import Session
from ledger.vocabulary import EventKind, Outcome
from sim.fuzz import Kind, Profile, explore, sample, tokens
from sim.fuzz.replay import replay
from tests.live.fakes import opening
from tests.scenarios.fuzz import campaign, hands, runner
from tests.scenarios.fuzz.stage.desk import Desk
from tests.scenarios.fuzz.runner import Burst, first_broken, scenario
from tests.scenarios.fuzz.runner_mutants import MUTANTS, without_guard

SOAK = 1_000_000
TOTALS = range(H_CASH, H_REBOOKS + 1)
"""The account row from cash on: what every total is recounted for, and no link that could lead out of the book."""


@pytest.mark.parametrize("seed", [0, 1])
def test_no_schedule_makes_a_second_order_loses_a_fill_or_leaves_a_wish_without_an_answer(seed: int) -> None:
    found = explore(scenario, seed=seed, schedules=250)
    assert found.kind is Kind.CUT, f"{found.bound}: {found.failure}"


@pytest.mark.parametrize("seed", [0, 1])
def test_what_a_person_does_by_hand_is_booked_or_closes_its_instrument(seed: int) -> None:
    found = explore(hands.scenario, seed=seed, schedules=150)
    assert found.kind is Kind.CUT, f"{found.bound}: {found.failure}"


def test_a_person_is_met_while_orders_work_and_while_lists_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    met: set[tuple[str, ...]] = set()

    def meddle(burst: Burst, deed: str, symbol: str) -> None:
        works = any(order.works and order.ticket.symbol == symbol for order in burst.broker.orders)
        met.add((deed, "while one works" if works else "", "while lists come" if burst.broker.world.pending else ""))
        original(burst, deed, symbol)

    original = hands._meddle
    monkeypatch.setattr(hands, "_meddle", meddle)
    explore(hands.scenario, seed=2, schedules=200)
    assert {(deed, "while one works", "while lists come") for deed in hands.DEEDS[1:]} <= met


# Schedules in which the judge, or the runner, was wrong once: moves that were chosen, what was drawn, signals.
KEPT = {
    # The looks of a life were used up four seconds before an order that lay on a closed line was worked off.
    "the last order of a life of many reconnects is waited for": (
        "*1-A4-*10-facts.0!reorder*1-*5-net.0-facts.0-twin.A-net.0-*1-facts.0-A5-B-facts.0-A-*1-facts.1-net.2-facts.2!lost-A3-*17-net.2",
        (7, 13, 9, 5, 12, 2, 1, 1, 0, 1, 2, 173, 160, 2, 1, 1, 2, 0, 0, 5, 1, 1, 1, 6), 4,
    ),
    # A list was lost between two whole looks; the id that would have proven the order absent was used by the next one, and a crash came.
    "an order that an earlier life set aside because of a hole is still for a person": (
        "*1-A2-A3-A4-A9-*1-net.0!late-*15-A6-A8-A7-*1-net.1-facts.1-*13-facts.2!lost-*7-facts.2!dup-crash.A-*2-up.A-*1-venue.101-"
        "venue.102-*2-net.3-B4-*8-B6-B7-*1-net.3-facts.3-net.3-facts.3-net.3-facts.3",
        (7, 6, 11, 9, 7, 10, 1, 12, 11, 2, 0, 0, 0, 1, 1, 1, 2, 0, 0, 52, 99, 2, 6, 5, 1, 0, 1, 3, 8), 8,
    ),
    # The lock vanished; the owner closed the gate in its last look, another process took over, and then the owner read on.
    "what a process recorded while it owned the account may be acknowledged afterwards": (
        "A-lock~1-A~2-A5-*8-venue.101-facts.0-*1-venue.101-*3-line~3-A2~3-twin.A~1-A4~2-B*1~4-facts.0~1-B5-B3~1-net.1~2-*3-up.A~1-"
        "B~1-net.3-facts.3-*5-B2~4",
        (7, 6, 3, 8, 6, 2, 2, 0, 1, 0, 1, 172, 312, 2, 7, 1, 7, 1, 1), 4,
    ),
}  # fmt: skip


@pytest.mark.parametrize("moves, draws, signals", KEPT.values(), ids=KEPT.keys())
def test_a_schedule_that_was_judged_wrongly_once_holds(moves: str, draws: tuple[int, ...], signals: int) -> None:
    _, found = replay(scenario, tokens._unpacked(moves), dials={"signals": signals}, draws=draws)
    assert found is None


@pytest.mark.soak
def test_a_million_schedules_of_the_real_parts_hold() -> None:
    found = explore(scenario, seed=int(os.environ.get("ONEBOOK_SEED", "100")), schedules=SOAK)
    assert found.kind is Kind.CUT, f"{found.bound}: {found.failure}"


@pytest.mark.soak
def test_a_hundred_thousand_schedules_with_a_person_hold() -> None:
    found = explore(hands.scenario, seed=int(os.environ.get("ONEBOOK_SEED", "100")), schedules=SOAK // 10)
    assert found.kind is Kind.CUT, f"{found.bound}: {found.failure}"


def test_a_schedule_is_its_seed_and_number() -> None:
    def trace(number: int) -> tuple[str, ...]:
        world, found = sample(scenario, 3, number, Profile())
        assert found is None
        return tuple(world.trace)

    first = [trace(number) for number in range(25)]
    assert [trace(number) for number in range(25)] == first and len(set(first)) > 20


def test_the_generator_reaches_crashes_inside_writes_second_owners_and_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[str] = set()
    original = Burst.ends_well

    def ends_well(self: Burst) -> object:
        seen.update(outcome.name for outcome in self.answers.values())
        seen.update(f"stopped {desk.opened.session._stopped.split(':')[0]}" for desk in self.desks)
        seen.update("locked out" for _ in range(self.locked_out))
        return original(self)

    monkeypatch.setattr(runner.Burst, "ends_well", ends_well)
    explore(scenario, seed=4, schedules=250)
    wanted = {"APPLIED", "AT_TARGET", "DUP_KEY", "KEY_CONFLICT", "LIVE_ENTRY", "stopped Dead", "stopped OperationalError", "locked out"}
    assert wanted - seen == set()


def looks_always(self: Burst) -> object:
    """Recount every book after every event, whether it changed or not."""
    for desk in self.desks[-2:]:
        if not desk.opened.session._stopped and (found := check_arena(desk.opened.session._book.arena)) != Invariant.HOLDS:
            return Invariant(found).name
    return None


@pytest.mark.parametrize("word", [H_CASH, H_RESERVED, H_FEES, H_OPEN])
def test_looking_at_a_book_when_it_changed_finds_what_recounting_after_every_event_finds(word: int, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Session.record

    def damages(self: Session, event: Row) -> Outcome:
        outcome = record(self, event)
        if event[E_KIND] == EventKind.FILL and outcome == Outcome.APPLIED and self._book.seq % 3 == 0:
            self._book.arena[word] += 1
        return outcome

    monkeypatch.setattr(Session, "record", damages)
    found = explore(scenario, seed=6, schedules=40)
    monkeypatch.setattr(Burst, "book_holds", looks_always)
    assert found == explore(scenario, seed=6, schedules=40) and found.kind is Kind.FAILED


def test_a_book_that_is_damaged_after_its_last_event_is_convicted(monkeypatch: pytest.MonkeyPatch) -> None:
    def damages(self: Burst, desk: Desk) -> None:
        self.ended += 1
        desk.trader.session._book.arena[H_FEES] += 1
        desk.trader.session._book.arena[H_CASH] -= 1

    monkeypatch.setattr(Burst, "finished", damages)
    found = explore(scenario, seed=6, schedules=1)
    assert found.failure is not None and found.failure.message == "FEES_ARE_EXECUTIONS"


@given(st.lists(st.tuples(st.sampled_from(TOTALS), st.integers(-2, 2)), max_size=3))
def test_the_number_of_the_first_broken_invariant_is_what_the_recount_says(damage: list[tuple[int, int]]) -> None:
    book = Book()
    for line in opening():
        apply(book, line)
    for place, by in damage:
        book.arena[place] += by
    assert first_broken(book.arena) == check_arena(book.arena)


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(1, 40))
def test_shares_do_not_overlap_and_are_the_whole(first: int, count: int, of: int) -> None:
    shares = [campaign.share(first, count, f"{k}/{of}") for k in range(1, of + 1)]
    assert [s.stop for s in shares[:-1]] == [s.start for s in shares[1:]]
    assert (shares[0].start, shares[-1].stop) == (first, first + count)


@pytest.mark.parametrize("part", ["0/2", "3/2", "1", "a/b", "1/2/3", ""])
def test_a_share_that_is_none_is_refused(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        campaign.main(["runner", "--schedules", "4", "--share", part])
    assert ended.value.code == 2 and "is not one of 1/n to n/n" in capsys.readouterr().err


@pytest.mark.parametrize("depth", ["runner", "wire"])
def test_a_campaign_counts_its_share_and_calls_it_cut(depth: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "EVERY_S", 0.0)
    assert campaign.main([depth, "--schedules", "6", "--first", "10", "--share", "2/2", "--seed", "5"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{depth}: 3 of 3 schedules from 13 of seed 5 hold, ") and said.out.endswith(": cut\n")
    assert [line.split(", ")[1] for line in said.err.splitlines()] == ["next is 14", "next is 15", "next is 16"]


def test_a_campaign_in_a_fresh_process_begins_with_schedules_that_are_steady() -> None:
    words = [sys.executable, "-m", "tests.scenarios.fuzz.campaign", "runner", "--schedules", "40", "--seed", "2026"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0 and "40 of 40 schedules from 0 of seed 2026 hold" in done.stdout, done.stdout + done.stderr


def test_a_campaign_without_a_guard_fails_with_a_token_that_fails_again(capsys: pytest.CaptureFixture[str]) -> None:
    with without_guard(next(mutant for mutant in MUTANTS if mutant.name == "send before record")):
        assert campaign.main(["runner", "--schedules", "50", "--seed", "3"]) == 3
        line = capsys.readouterr().out
        kept = tokens.failure_of_token(tokens.read(line.rpartition("onebook fuzz replay ")[2].strip()))
        _, again = replay(scenario, kept.steps, dials=kept.dials, draws=kept.draws)
    assert again is not None and f": failed: {again.name}" in line
