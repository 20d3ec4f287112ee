"""Broken cores: each mutant takes one safeguard away from the pure-Python form of the kernels.

Run as a program under NUMBA_DISABLE_JIT=1; it prints, as JSON, what each mutant
was caught by: {name: "what went red"}, null for one that survived.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from ledger.book import E_FLAGS, H_CASH, H_METHOD, H_RESERVED, I_LOT_LAST, O_STATUS, S_ORDER, row
from ledger.kernels import executions, gate, lots, orders
from ledger.vocabulary import LIVE_LAST, Method, OrderFlag, Outcome
from tests.arbitrary import Seeded, Stream
from tests.ledger.twin.comparison import Pair
from tests.ledger.twin.refusals import answer_to, causes

SEEDS, STEPS, DROPS_MAX = 30, 80, 2_000


class EndlessError(Exception):
    """A loop that would not have ended."""


# The nine classic ones. Each takes the original function and returns the broken one.


def reservation_leak(change: Callable[..., Any]) -> Callable[..., Any]:
    def broken(a, number, status, filled):  # type: ignore[no-untyped-def]
        before = a[H_RESERVED]
        change(a, number, status, filled)
        if not 1 <= a[row(a, S_ORDER, number) + O_STATUS] <= LIVE_LAST:
            a[H_RESERVED] = before

    return broken


def lifo_instead_of_fifo(pick: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, instrument, side: a[instrument + I_LOT_LAST] if pick(a, instrument, side) > 0 else 0


def fee_not_in_cash(commission: Callable[..., Any]) -> Callable[..., Any]:
    def broken(a, e):  # type: ignore[no-untyped-def]
        cash = a[H_CASH]
        answer = commission(a, e)
        a[H_CASH] = cash
        return answer

    return broken


def rounding_loss(share: Callable[..., Any]) -> Callable[..., Any]:
    return lambda money, part, whole: int(money) * int(part) // int(whole)


def position_skipped_when_a_lot_opens(realize: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, instrument, profit, cost, qty: realize(a, instrument, profit, cost, qty if profit or qty > 0 else 0)


def average_cost_instead_of_fifo(open_: Callable[..., Any]) -> Callable[..., Any]:
    def broken(a, *rest):  # type: ignore[no-untyped-def]
        method, a[H_METHOD] = a[H_METHOD], Method.AVERAGE
        open_(a, *rest)
        a[H_METHOD] = method

    return broken


def exhausted_lot_kept(drop: Callable[..., Any]) -> Callable[..., Any]:
    calls = [0]

    def broken(a, instrument, link):  # type: ignore[no-untyped-def]
        calls[0] += 1
        if calls[0] > DROPS_MAX:
            raise EndlessError("the same lot was exhausted again and again")

    return broken


def no_dedup_of_executions(seen: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, e: -1


def no_check_for_a_live_entry(wish: Callable[..., Any]) -> Callable[..., Any]:
    def broken(a, instrument, s):  # type: ignore[no-untyped-def]
        eager = s.copy()
        eager[E_FLAGS] |= OrderFlag.PYRAMID
        return wish(a, instrument, eager)

    return broken


CLASSIC: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "reservation_leak": (orders, "change", reservation_leak),
    "lifo_instead_of_fifo": (lots, "_pick", lifo_instead_of_fifo),
    "fee_not_in_cash": (executions, "commission", fee_not_in_cash),
    "rounding_loss": (lots, "share", rounding_loss),
    "position_skipped_on_one_path": (lots, "_realize", position_skipped_when_a_lot_opens),
    "average_cost_instead_of_fifo": (lots, "_open", average_cost_instead_of_fifo),
    "exhausted_lot_kept": (lots, "_drop", exhausted_lot_kept),
    "no_dedup_of_executions": (executions, "seen", no_dedup_of_executions),
    "no_check_for_a_live_entry": (gate, "_wish", no_check_for_a_live_entry),
}

# Each refusal of the gate taken away: (function, outcome). The table of causes must go red.
REFUSALS = [
    ("_malformed", "UNKNOWN_INSTRUMENT"), ("_malformed", "BAD_EVENT"), ("_malformed", "OVERFLOW"), ("_known_key", "KEY_CONFLICT"),
    ("_known_key", "DUP_KEY"), ("_closed_gate", "HALTED"), ("_closed_gate", "NOT_RECONCILED"), ("_closed_gate", "DISCONNECTED"),
    ("_wish", "AT_TARGET"), ("_wish", "LIVE_ENTRY"), ("_wish", "OFF_GRID"), ("_wish", "NO_QTY"), ("_guard", "AT_TARGET"),
    ("_guard", "OFF_GRID"), ("_guard", "NO_QTY"), ("_priced", "MARKET_CLOSED"), ("_priced", "PRICE_COLLAR"),
    ("_entry_gates", "STALE_CODE"), ("_entry_gates", "BLOCKED"), ("_entry_gates", "NO_PRICE"), ("_entry_gates", "STALE_QUOTE"),
    ("_exposure", "MAX_POSITION"), ("_exposure", "MAX_NOTIONAL"), ("_exposure", "MAX_OPEN"), ("_counted", "MAX_DAILY_ORDERS"),
    ("_counted", "REPEATED"), ("_daily_loss", "DAILY_LOSS"), ("_daily_loss", "NO_PRICE"), ("_burst", "BURST"), ("_affordable", "NO_CASH"), ("size", "HALTED"),
]  # fmt: skip


def refusal_removed(outcome: Outcome, check: Callable[..., Any]) -> Callable[..., Any]:
    """Return the check without one of its refusals."""

    def broken(*arguments):  # type: ignore[no-untyped-def]
        answer = check(*arguments)
        if isinstance(answer, tuple):
            return (Outcome.APPLIED, *answer[1:]) if answer[0] == outcome else answer
        return Outcome.APPLIED if answer == outcome else answer

    return broken


def with_mutant(home: Any, name: str, mutate: Callable[..., Any], trial: Callable[[], str | None]) -> str | None:
    """Run a trial while a function is replaced in every module that uses it."""
    original = getattr(home, name)
    broken = mutate(original)
    users = [m for key, m in list(sys.modules.items()) if key.startswith("ledger") and getattr(m, name, None) is original]
    for user in users:
        setattr(user, name, broken)
    try:
        return trial()
    finally:
        for user in users:
            setattr(user, name, original)


def caught_by_streams() -> str | None:
    """Return what the comparison with the twin or an invariant found first, by seed and step."""
    for seed in range(SEEDS):
        pair = Pair(seed % 4)
        stream = Stream(Seeded(seed), pair.twin)
        try:
            for event in stream.opening():
                pair.tell(event)
            for _ in range(STEPS):
                pair.tell(stream.next())
        except EndlessError as error:
            return f"seed {seed}, event {len(pair.rows)}: {error}"
        except AssertionError as error:
            return f"seed {seed}, event {len(pair.rows)}: {str(error).splitlines()[0][:150] if str(error) else 'state'}"
    return None


def caught_by_table() -> str | None:
    """Return the first row of the table of causes that is answered otherwise."""
    for cause in causes():
        try:
            answer = answer_to(cause)
        except (AssertionError, IndexError, ZeroDivisionError) as error:
            return f"{cause.name}: {type(error).__name__}"
        if answer != cause.expected:
            return f"{cause.name}: {cause.expected.name} became {answer.name}"
    return None


def main() -> None:
    """Try the intact core, then every mutant."""
    found: dict[str, str | None] = {"intact_table": caught_by_table(), "intact_streams": caught_by_streams()}
    for name, (home, function, mutate) in CLASSIC.items():
        found[name] = with_mutant(home, function, mutate, caught_by_streams)
    for function, outcome in REFUSALS:
        mutate = partial(refusal_removed, Outcome[outcome])
        found[f"{function}-{outcome}"] = with_mutant(gate, function, mutate, caught_by_table)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
