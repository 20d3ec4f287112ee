"""The exchange with one rule taken out, run without the compiler: `python -m tests.sim.backtest.mutants`.

Theory of operation. Each mutant replaces one function of the engine for as long as a set of
cases runs, and the cases that notice are printed as JSON. A rule whose loss nobody notices is
not tested, or not needed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from sim.engine import claims, exchange, fills, parts, walk
from sim.engine.drive import worlds

from tests.sim.backtest import test_exchange, test_guards

Change = tuple[Any, str, Any]


def better(rules: Any, price: int, side: int, qty: int, volume: int, tick: int) -> int:
    """Slippage for the trader instead of against him."""
    return price - side


def by_age(a: Any, link: int, other: int) -> bool:
    """The rule at an open without the rank of guards: guards first, then the older claim."""
    mine, theirs = (other == 0 or fills.protective(a[fills.row(a, fills.S_ORDER, one - 1) + fills.O_KEY]) for one in (link, other))
    return bool(other == 0 or (mine if mine != theirs else link < other))


MUTANTS: dict[str, list[Change]] = {
    "nothing is changed": [],
    "guards are never claimed": [(parts, "sync", lambda *_: False), (claims, "sync", lambda *_: False)],
    "nothing fills at the open": [(parts, "fill_at_open", lambda *_: 0)],
    "the older order comes first, guard or not": [(fills, "_before", lambda a, link, other: other == 0 or link < other)],
    "guards at an open act by age": [(fills, "_before", by_age)],
    "no share of a volume is exact": [(exchange, "EXACT_SHARE", 0)],
    "the volume has no cap": [(walk, "volume_cap", lambda *_: -1)],
    "a guard's fill cancels nothing": [(fills, "find_live", lambda *_: 0)],
    "trails stand still": [(walk, "follow", lambda *_: None)],
    "both walks count as alike": [(parts, "alike", lambda *_: True)],
    "a wish is never the same": [(claims, "same_order", lambda *_: False)],
    "a split leaves the guards' prices": [(parts, "rescale", lambda *_: None)],
    "day orders live for ever": [(parts, "write_expiries", lambda *_: None)],
    "slippage helps the trader": [(fills, "slipped", better), (walk, "slipped", better)],
    "slippage is rounded for the trader": [(exchange, "ceil_muldiv", lambda a, b, c: a * b // c - 1)],
    "worlds do not fork": [(worlds, "_other_way", lambda machine: machine.fork())],
    "a strategy's guards may be shared": [(claims, "GUARD_SHARED", 0)],
}
"""`slippage helps the trader` must be noticed by every run that fills: the checks of a fill stop it."""


def cases() -> dict[str, Callable[[], None]]:
    """Return the cases by name."""
    found: dict[str, Callable[[], None]] = {
        row[0]: (lambda row=row: test_guards.test_one_bar_fills_as_the_rules_say(*row)) for row in test_guards.TABLE
    }
    for name in (
        "test_what_the_volume_does_not_fill_works_on_and_the_guards_grow_with_the_position",
        "test_a_stopped_wish_stays_out_until_it_changes_and_vectorbt_opens_anew", "test_a_split_carries_the_guards_over",
        "test_a_guard_in_a_shared_instrument_is_refused_in_words",
    ):
        found[name] = getattr(test_guards, name)
    found["guards by rank"] = lambda: test_exchange.test_the_engine_and_its_twin_agree_where_they_once_did_not(
        "a woken trail that waits for volume is replaced, and its heir meets the target at an open"
    )
    found["a share of volume"] = test_exchange.test_slippage_by_share_of_volume_that_is_a_whole_tick_is_not_rounded_up
    found["slippage"] = lambda: test_guards.test_slippage_is_what_the_model_says_rounded_against_the_trader("bps:150", 51)
    found["an ambiguous bar"] = ambiguous
    found["a drifting equity"] = drifting
    found["a partly filled entry is stopped"] = stopped_entry
    found["a trail in two bars"] = trailed
    found["a day order"] = day_order
    return found


def ambiguous() -> None:
    tape = [test_guards.CALM, test_guards.CALM, test_exchange.Bar(50, 57, 44, 50, 9)]
    sim = test_exchange.engine(tape, [test_guards.LONG] * 3, "next-open", "none", "none", worlds=8)
    assert (sim.interval.low_e8, sim.interval.high_e8) == (99_998_000_000, 100_002_000_000)
    assert sim.interval.ambiguous_bars == 1


def drifting() -> None:
    tape = [test_exchange.Bar(price, price, price, price, 9) for price in (50, 50, 60, 70, 70)]
    sim = test_exchange.engine(tape, [test_exchange.Wish(1.0)] * 5, "next-open", "none", "none", "percent:50")
    assert len(test_exchange.fills_of(sim)) == 1


def stopped_entry() -> None:
    tape = [test_guards.CALM, test_exchange.Bar(50, 50, 50, 50, 20), test_exchange.Bar(44, 50, 44, 50, 20), test_guards.CALM]
    sim = test_exchange.engine(tape, [test_guards.LONG] * 4, "next-open", "none", "50")
    assert [(bar, side) for bar, side, _, _ in test_exchange.fills_of(sim)] == [(1, 1), (2, -1)]


def day_order() -> None:
    wanted = [test_exchange.Wish(1.0, test_exchange.LIMIT, 47, tif=test_exchange.DAY), *[test_exchange.Wish(None)] * 2]
    tape = [test_guards.CALM, test_guards.CALM, test_exchange.Bar(47, 50, 46, 50, 9)]
    assert test_exchange.fills_of(test_exchange.engine(tape, wanted, "next-open", "none", "none")) == []


def trailed() -> None:
    wish = test_exchange.Wish(1.0, trail=5)
    tape = [test_guards.CALM, test_guards.CALM, test_exchange.Bar(50, 54, 50, 54, 9), test_exchange.Bar(54, 54, 48, 48, 9)]
    sim = test_exchange.engine(tape, [wish] * 4, "next-open", "none", "none")
    assert [(bar, side, price) for bar, side, _, price in test_exchange.fills_of(sim)] == [(1, 1, 50), (3, -1, 49)]


def noticed(change: list[Change]) -> list[str]:
    """Return the names of the cases that fail while a change is in force."""
    before = [(module, name, getattr(module, name)) for module, name, _ in change]
    failed = []
    try:
        for module, name, value in change:
            setattr(module, name, value)
        for name, case in cases().items():
            try:
                case()
            except KeyboardInterrupt:
                raise
            except BaseException:  # pytest's own failures are no Exceptions
                failed.append(name)
    finally:
        for module, name, value in before:
            setattr(module, name, value)
    return failed


if __name__ == "__main__":
    json.dump({name: noticed(change) for name, change in MUTANTS.items()}, sys.stdout)
