"""A runner that stands ready is what one that has just started is, however often it was put back."""

from __future__ import annotations

import gc
from collections import deque
from decimal import Decimal
from enum import Enum
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import pytest

from ledger.journal import JournalLocked, Session
from ledger.journal.store.mark import Mark, read_marks
from live.trader import Trader
from sim.fuzz import Profile, World, explore, sample
from sim.fuzz.loop import EPOCH_NS
from tests.scenarios.fuzz.runner import Burst, scenario
from tests.scenarios.fuzz.stage.desk import Desk
from tests.scenarios.fuzz.stage.standing import SHARED, Photograph, agreed, standing
from tests.scenarios.fuzz.stage.storage import STANDING, storage


def nowhere(_point: str) -> None:
    """Do nothing at a point of a write."""


def epoch() -> int:
    """Return the first moment of every schedule."""
    return EPOCH_NS


def plain(thing: Any, tag: str) -> Any:
    """Return what a thing of ours holds as plain values, without who lives around it."""
    if isinstance(thing, str):
        return thing.replace(tag, "TAG")
    if isinstance(thing, np.ndarray):
        return thing.tolist()
    if isinstance(thing, dict):
        return [(plain(key, tag), plain(value, tag)) for key, value in thing.items()]
    if isinstance(thing, set | frozenset):
        return sorted(thing)
    if isinstance(thing, list | tuple | deque):
        return [plain(one, tag) for one in thing]
    if type(thing).__module__.startswith(("ledger.", "live.")) and not isinstance(thing, (*SHARED, Session)) and hasattr(thing, "__dict__"):
        return [type(thing).__name__, plain(vars(thing), tag)]
    return thing if thing is None or isinstance(thing, int | bytes | Decimal | Enum) else type(thing).__name__


def cold() -> Trader:
    """Return the trader of a process that has just opened an account, connected, and agreed with a broker that has nothing."""
    opened = storage().take_over(storage().next_session(), nowhere, epoch)
    return agreed(opened.session, opened.tag())


def test_a_runner_that_was_put_back_is_what_one_that_has_just_started_is() -> None:
    explore(scenario, seed=8, schedules=2 * STANDING)
    fresh = cold()
    wanted, book = plain(fresh, fresh.tag), fresh.session.book.digest()
    kept = standing().take(storage().next_session(standing=True), nowhere, epoch)
    assert (plain(kept.trader, kept.tag()), kept.session.book.digest()) == (wanted, book)
    assert Mark(kept.session.id, kept.session.book.seq, kept.session._head) in read_marks(kept.journal.mark.path)[0]
    kept.session.heartbeat()  # it owns its account in the database as well
    assert kept.journal.connection not in storage()._pool, "no other process writes on its connection"


def worlds_within(*roots: object) -> set[int]:
    """Return the ids of the worlds that can be reached from some objects, by way of objects, containers and functions."""
    seen, waiting, found = set[int](), list(roots), set[int]()
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, type | ModuleType):
            continue
        seen.add(id(thing))
        if isinstance(thing, World):
            found.add(id(thing))
        elif isinstance(thing, FunctionType):
            waiting += [cell.cell_contents for cell in thing.__closure__ or ()]
        elif isinstance(thing, MethodType):
            waiting += [thing.__self__]
        else:
            waiting += gc.get_referents(thing)
    return found


def test_a_runner_that_was_put_back_knows_the_world_of_its_own_schedule_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[tuple[set[int], ...]] = []
    stand = Desk._stand

    def looking(self: Desk) -> None:
        stand(self)
        journal = self.opened.session._journal
        known.append(({id(self.world)}, worlds_within(journal.at), worlds_within(journal.clock), worlds_within(self.trader, self.opened.session)))

    monkeypatch.setattr(Desk, "_stand", looking)
    explore(scenario, seed=9, schedules=2 * STANDING)
    assert len(known) > STANDING and all(worlds == (worlds[0],) * 4 for worlds in known)


def test_a_schedule_takes_the_same_course_on_every_account(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[tuple[tuple[str, ...], str]] = []
    judge = Burst.ends_well

    def ends_well(self: Burst) -> object:
        ends.append((tuple(self.world.trace), self.desks[-1].opened.session._book.digest()))
        return judge(self)

    monkeypatch.setattr(Burst, "ends_well", ends_well)
    for number in range(40):
        ends.clear()
        for _ in range(3):
            sample(scenario, 5, number, Profile())
        assert len(ends) == 3 and len(set(ends)) == 1, number


def test_a_process_that_dies_gives_its_account_back_and_one_that_lives_does_not() -> None:
    number = storage().next_session(standing=True)
    kept = standing().take(number, nowhere, epoch)
    with pytest.raises(JournalLocked, match="belongs to pid"):
        storage().take_over(number, nowhere, epoch)
    kept.die()
    opened = storage().take_over(number, nowhere, epoch)
    assert opened.session.book.digest() == kept.session._book.digest()
    opened.die()
    again = standing().take(number, nowhere, epoch)
    with pytest.raises(JournalLocked, match="belongs to pid"):
        storage().take_over(number, nowhere, epoch)
    storage().lose_owner_lock(number)
    standing().take(number, nowhere, epoch)
    assert again.session._lock is not None and again.session._lock._names_our_file()


def test_a_photograph_puts_back_what_was_changed_replaced_added_and_taken_away() -> None:
    trader = cold()
    photo, before = Photograph(trader, trader.session), plain(trader, "")
    trader._order_ids[7], trader._heard, trader.look_wanted = 8, {}, True
    trader._new.add(3)
    trader.contracts.clear()
    trader.session._book.arena[:] = 0
    trader.session._book.arena = np.zeros(5, np.int64)
    trader.session._raw.append((1, "a", "b"))
    del trader.last_whole
    assert plain(trader, "") != before
    photo.put_back()
    assert plain(trader, "") == before and trader.session._raw == [] and trader.session.book.seq > 3
