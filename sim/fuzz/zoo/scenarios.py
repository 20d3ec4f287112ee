"""The zoo's scenarios: every guard in the world in which its hole shows, and the real guard in all of them.

Theory of operation. An Exhibit names a guard, the faults of its world and what it must
keep. Each is also a scenario function of that name (`zoo.no_lock`), so tokens and the
command line can name it. `intact.NAME` is the real guard in the same world.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.fuzz.explore import Scenario
from sim.fuzz.ports import Desk
from sim.fuzz.world import World
from sim.fuzz.zoo import buying, recording

if TYPE_CHECKING:
    from sim.fuzz.builds.alias import Build
    from sim.fuzz.zoo.real import Disk

Guard = Callable[[Desk, list[str]], Coroutine[Any, Any, None]]
SYMBOLS = ("AAPL", "MSFT", "NVDA", "AMD")
QTY = buying.QTY


class Exhibit(NamedTuple):
    """One guard and its world."""

    guard: Guard
    faults: dict[str, int]
    demand: str = "once"
    old: Guard | None = None
    cash: int = 1_000_000
    each_own: bool = False
    held: bool = False
    synchronous: str = "FULL"


ZOO: dict[str, Exhibit] = {
    "no_lock": Exhibit(buying.no_lock, {}),
    "check_outside_lock": Exhibit(buying.check_outside_lock, {}),
    "fresh_lock": Exhibit(buying.fresh_lock, {}),
    "set_per_runner": Exhibit(buying.set_per_runner, {"clock": 2, "late": 2}),
    "cycle_set": Exhibit(buying.cycle_set, {"clock": 2, "late": 2}),
    "lagging_database": Exhibit(buying.lagging_database, {"slow": 2}),
    "stale_snapshot": Exhibit(buying.stale_snapshot, {"late": 2}),
    "retry_after_reject": Exhibit(buying.retry_after_reject, {"reject": 2}),
    "resend_on_timeout": Exhibit(buying.resend_on_timeout, {"clock": 2, "late": 2, "lost": 1}),
    "pending_expires": Exhibit(buying.pending_expires, {"clock": 2, "late": 2}),
    "cancel_releases": Exhibit(buying.cancel_releases, {"cancel": 2}),
    "busy_swallowed": Exhibit(buying.busy_swallowed, {"busy": 2}),
    "cash_check": Exhibit(buying.cash_check, {}, demand="cash", cash=25_000, each_own=True),
    "sell_twice": Exhibit(buying.sell_twice, {}, held=True),
    "positions_not_loaded": Exhibit(recording.positions_not_loaded, {"crash": 1}),
    "send_then_record": Exhibit(recording.send_then_record, {"crash": 1}),
    "two_processes": Exhibit(recording.two_processes, {"twin": 1}),
    "lease_without_fence": Exhibit(recording.lease_without_fence, {"twin": 1, "clock": 4}),
    "old_build": Exhibit(recording.claiming, {"old": 1}, old=recording.before_claims),
    "power_forgets": Exhibit(recording.power_forgets, {"power": 1}, synchronous="NORMAL"),
    "fills_counted_twice": Exhibit(recording.fills_counted_twice, {"dup": 2, "refill": 1}, demand="book"),
    "correction_is_a_fill": Exhibit(recording.correction_is_a_fill, {"correct": 1, "bust": 1}, demand="book"),
    "executions_in_memory": Exhibit(recording.executions_in_memory, {"crash": 1}, demand="book"),
    "last_report_wins": Exhibit(recording.last_report_wins, {"partial": 2, "reorder": 2}, demand="book"),
    "partial_is_resent": Exhibit(recording.partial_is_resent, {"partial": 2}),
}
EVERY_FAULT = {
    "slow": 2, "late": 2, "unsent": 1, "lost": 1, "reject": 1, "partial": 2, "refill": 1, "correct": 1, "bust": 1, "dup": 2, "reorder": 2,
    "busy": 1, "crash": 2, "power": 1, "twin": 1, "old": 1, "clock": 2, "cancel": 2,
}  # fmt: skip
"""The real guard stands in all of them at once."""


def _symbols(world: World, own: bool) -> list[str]:
    count = world.dial("signals", 8, 1)
    return [f"S{number}" for number in range(count)] if own else [SYMBOLS[number % len(SYMBOLS)] for number in range(0, 2 * count, 2)]


def build(world: World, exhibit: Exhibit) -> Desk:
    """Fill a world with an exhibit."""
    symbols = _symbols(world, exhibit.each_own)
    desk = Desk(world, exhibit.cash, synchronous=exhibit.synchronous)
    if exhibit.held:
        desk.broker.held.update(dict.fromkeys(symbols, QTY))
    for kind, at_most in exhibit.faults.items():
        world.allow(kind, at_most=at_most)
    before = exhibit.old
    old = None if before is None else lambda: before(desk, symbols)
    world.process("bot", lambda: exhibit.guard(desk, symbols), old=old)
    _demand(desk, exhibit.demand, symbols)
    return desk


def _demand(desk: Desk, demand: str, symbols: list[str]) -> None:
    desk.demand_at_most(QTY, list(dict.fromkeys(symbols)))
    if demand == "cash":
        desk.demand_cash()
    if demand == "book":
        desk.demand_same_book(lambda: desk.database.rows("book"))


def intact(
    world: World, faults: dict[str, int] | None = None, cash: int = 1_000_000, each_own: bool = False, old: Build | None = None
) -> Disk:
    """Fill a world with the real guard; by default every fault may happen. `old` is the release of the fault `old`."""
    from sim.fuzz.zoo.real import Disk, demand_of_the_book  # the compiled ledger is loaded by those who need it: replaying a bug does not
    from sim.fuzz.zoo.real import real as real_bot

    symbols = _symbols(world, each_own)
    desk, disk = Desk(world, cash), Disk(symbols, cash)
    for kind, at_most in (EVERY_FAULT if faults is None else faults).items():
        world.allow(kind, at_most=at_most)
    world.process("bot", lambda: real_bot(desk, symbols, disk), old=lambda: real_bot(desk, symbols, disk, old))
    desk.demand_at_most(QTY, list(dict.fromkeys(symbols)))
    desk.demand_cash()
    demand_of_the_book(desk, disk)
    world.show("refused", lambda: disk.refused)
    return disk


def real(world: World, old: Build | None = None) -> None:
    """The real guard under every fault."""
    intact(world, old=old)


def real_cash(world: World, old: Build | None = None) -> None:
    """The real guard with money for two orders of eight."""
    intact(world, cash=25_000, each_own=True, old=old)


def _scenario(name: str, exhibit: Exhibit) -> Scenario:
    def scenario(world: World) -> None:
        build(world, exhibit)

    scenario.__name__ = scenario.__qualname__ = name
    scenario.__doc__ = exhibit.guard.__doc__
    return scenario


def _beside(exhibit: Exhibit) -> Scenario:
    def scenario(world: World) -> None:
        intact(world, exhibit.faults, exhibit.cash, exhibit.each_own)

    return scenario


SCENARIOS: dict[str, Scenario] = {name: _scenario(name, exhibit) for name, exhibit in ZOO.items()}
BESIDE: dict[str, Scenario] = {name: _beside(exhibit) for name, exhibit in ZOO.items()}
"""The real guard in each exhibit's world."""
globals().update(SCENARIOS)

__all__ = ["BESIDE", "EVERY_FAULT", "SCENARIOS", "ZOO", "Exhibit", "build", "intact", "real", "real_cash"]
