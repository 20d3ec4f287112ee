"""The core with one guard taken away at a time, against the event depth. For plain Python: NUMBA_DISABLE_JIT=1.

Theory of operation. A mutant replaces one function (or the table of states) of the kernels, in every module of the
ledger that uses it and nowhere else, so the fuzzer's own judgement stays intact. It is killed by the number of the
first schedule that is convicted, or that ends with an exception.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from ledger import core
from ledger.book import (
    E_CASH, E_KIND, E_QTY, E_REASON, E_REF, E_SIDE, H_CASH, H_RESERVED, I_GATES, N_FLAGS, N_REF, O_FILLED, O_FLAGS, O_STATUS, S_ENTRY,
    S_INSTRUMENT, S_KEYS, S_ORDER, find, row,
)  # fmt: skip
from ledger.kernels import entries, executions, gate, lots, orders
from ledger.vocabulary import EventKind, Gate, OrderFlag, OrderStatus, Outcome
from sim.fuzz.event.run import Player, words
from tests.ledger.twin.mutants import (
    exhausted_lot_kept, fee_not_in_cash, no_check_for_a_live_entry, no_dedup_of_executions, position_skipped_when_a_lot_opens, refusal_removed,
    reservation_leak,
)  # fmt: skip

S, K = OrderStatus, EventKind


class CoreMutant(NamedTuple):
    """One guard of the core that is missing."""

    name: str
    guard: str
    home: Any
    function: str
    mutate: Callable[[Any], Any]


def refused(home: Any, function: str, outcome: Outcome, guard: str) -> CoreMutant:
    """Return the mutant that no longer answers one refusal."""
    return CoreMutant(f"no {outcome.name} in {function}", guard, home, function, partial(refusal_removed, outcome))


def stale_claims(size: Callable[..., Any]) -> Callable[..., Any]:
    def broken(a, s):  # type: ignore[no-untyped-def]
        if s[E_KIND] == K.CLAIM:
            return Outcome.APPLIED, s[E_SIDE], s[E_QTY], s[E_QTY] * s[E_REASON], s[E_CASH]
        return size(a, s)

    return broken


def without_evidence(step: Callable[..., Any]) -> Callable[..., Any]:
    def broken(a, e):  # type: ignore[no-untyped-def]
        sure = e.copy()
        sure[E_REF] = 1
        return step(a, sure)

    return broken


def table(*rows: tuple[int, int, int]) -> Callable[[Any], Any]:
    """Return what makes the table of states allow (status, step) -> next as well."""

    def mutate(then: Any) -> Any:
        changed = then.copy()
        for status, step, result in rows:
            changed[status, step] = result
        return changed

    return mutate


def not_closed_after(fill: Callable[..., Any]) -> Callable[..., Any]:
    def broken(a, e):  # type: ignore[no-untyped-def]
        answer = fill(a, e)
        for number in range(1, a[3 * S_INSTRUMENT + 2]):
            a[row(a, S_INSTRUMENT, number) + I_GATES] &= ~Gate.BLOCKED
        return answer

    return broken


def answered(outcome: Outcome, instead: Outcome) -> Callable[[Any], Any]:
    """Return what answers one outcome in the place of another."""

    def mutate(check: Callable[..., Any]) -> Callable[..., Any]:
        def broken(*arguments):  # type: ignore[no-untyped-def]
            answer = check(*arguments)
            return instead if answer == outcome else answer

        return broken

    return mutate


def correction_keeps_the_old_cash(correct: Callable[..., Any]) -> Callable[..., Any]:
    def broken(a, e, instrument, old):  # type: ignore[no-untyped-def]
        cash = a[H_CASH]
        answer = correct(a, e, instrument, old)
        if answer == Outcome.APPLIED:
            a[H_CASH] = cash
        return answer

    return broken


def correction_forgets_its_order(correct: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, number, before, entry: None


def doubt_frees_the_reservation(live: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, order: 1 <= a[order + O_STATUS] < S.UNKNOWN


def released_although_filled(step: Callable[..., Any]) -> Callable[..., Any]:
    def broken(a, e):  # type: ignore[no-untyped-def]
        number = find(a, S_KEYS, e[2], S_ORDER)
        if e[E_KIND] == K.RELEASED and number >= 0 and orders.live(a, row(a, S_ORDER, number)):
            orders.change(a, number, int(S.RELEASED), a[row(a, S_ORDER, number) + O_FILLED])
            return Outcome.APPLIED
        return step(a, e)

    return broken


def overfill_unflagged(fill_order: Callable[..., Any]) -> Callable[..., Any]:
    def broken(a, number, qty, value, entry):  # type: ignore[no-untyped-def]
        fill_order(a, number, qty, value, entry)
        a[row(a, S_ORDER, number) + O_FLAGS] &= ~OrderFlag.OVERFILL
        a[entry + N_FLAGS] &= ~8

    return broken


def late_fill_refused(first: Callable[..., Any]) -> Callable[..., Any]:
    def broken(a, e, instrument):  # type: ignore[no-untyped-def]
        number = find(a, S_KEYS, e[2], S_ORDER) if e[2] > 0 else -1
        if number >= 0 and not orders.live(a, row(a, S_ORDER, number)):
            return Outcome.ILLEGAL_TRANSITION
        return first(a, e, instrument)

    return broken


def foreign_fill_refused(first: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, e, instrument: first(a, e, instrument) if e[2] > 0 else Outcome.UNKNOWN_KEY


def refused_claim_reserves(claim: Callable[..., Any]) -> Callable[..., Any]:
    def broken(a, e):  # type: ignore[no-untyped-def]
        answer = claim(a, e)
        if answer != Outcome.APPLIED:
            a[H_RESERVED] += e[E_CASH]
        return answer

    return broken


def depends_on_what_was_there(write: Callable[..., Any]) -> Callable[..., Any]:
    calls = [0]

    def broken(a, e, value):  # type: ignore[no-untyped-def]
        calls[0] += 1
        number = write(a, e, value)
        a[row(a, S_ENTRY, number) + N_REF] = calls[0]  # something a replay cannot know
        return number

    return broken


MUTANTS = (
    refused(gate, "_known_key", Outcome.DUP_KEY, "a key makes one order, for ever"),
    refused(gate, "_known_key", Outcome.KEY_CONFLICT, "a key with another body is refused"),
    refused(gate, "_closed_gate", Outcome.HALTED, "the kill switch keeps orders in"),
    refused(gate, "_wish", Outcome.AT_TARGET, "a target that is reached is no order"),
    refused(gate, "_wish", Outcome.NO_QTY, "no sale beyond the position without leave to be short"),
    refused(gate, "_guard", Outcome.NO_QTY, "a guard sells no more than there is"),
    refused(gate, "_entry_gates", Outcome.BLOCKED, "an instrument with a surprise takes no entry"),
    refused(gate, "_exposure", Outcome.MAX_POSITION, "the largest position"),
    refused(gate, "_exposure", Outcome.MAX_OPEN, "the number of open positions"),
    refused(gate, "_burst", Outcome.BURST, "entries within a window"),
    refused(gate, "_affordable", Outcome.NO_CASH, "an entry reserves cash that is there"),
    CoreMutant("two live entries", "one live entry for an instrument", gate, "_wish", no_check_for_a_live_entry),
    CoreMutant("stale claims", "a claim is decided again when it is applied", core, "size", stale_claims),
    CoreMutant("no evidence", "doubt is left by evidence only", orders, "apply_step", without_evidence),
    CoreMutant("released although filled", "what was executed cannot be given up", orders, "apply_step", released_although_filled),
    CoreMutant("reopened", "a closed order stays closed", orders, "NEXT", table((S.CANCELED, K.SUBMITTED, S.SUBMITTED), (S.FILLED, K.SUBMITTED, S.SUBMITTED))),
    CoreMutant("cancelled when filled", "a filled order is not cancelled", orders, "NEXT", table((S.FILLED, K.CANCELED, S.SUBMITTED))),
    CoreMutant("sent after release", "a released order is never sent", orders, "NEXT", table((S.RELEASED, K.SENDING, S.SENDING))),
    CoreMutant("doubt frees cash", "an order in doubt keeps its reservation", orders, "live", doubt_frees_the_reservation),
    CoreMutant("reservation leak", "a closed order frees its reservation", orders, "change", reservation_leak),
    CoreMutant("no dedup", "an execution counts once", entries, "seen", no_dedup_of_executions),
    CoreMutant("old revisions count", "an older revision changes nothing", entries, "repeat", answered(Outcome.SUPERSEDED, Outcome.APPLIED)),
    CoreMutant("corrections ignored", "a higher revision replaces the lower one", entries, "repeat", answered(Outcome.APPLIED, Outcome.DUPLICATE)),
    CoreMutant("other content ignored", "the same revision saying something else is a conflict", entries, "repeat", answered(Outcome.KEY_CONFLICT, Outcome.DUPLICATE)),
    CoreMutant("old cash kept", "a correction takes the old money back", executions, "_correct", correction_keeps_the_old_cash),
    CoreMutant("order not corrected", "a correction changes what its order filled", executions, "_correct_order", correction_forgets_its_order),
    CoreMutant("surprises not closed", "late, over and foreign fills close the instrument", executions, "fill", not_closed_after),
    CoreMutant("overfill not flagged", "too much executed is flagged", executions, "_fill_order", overfill_unflagged),
    CoreMutant("late fill refused", "a fill is broker truth, however late", executions, "_first_fill", late_fill_refused),
    CoreMutant("foreign fill refused", "a fill is broker truth, whoever ordered it", executions, "_first_fill", foreign_fill_refused),
    CoreMutant("fee not paid", "a commission is paid from cash", executions, "commission", fee_not_in_cash),
    CoreMutant("lot without position", "a lot that opens moves the position", lots, "_realize", position_skipped_when_a_lot_opens),
    CoreMutant("exhausted lot kept", "a lot that is closed is out of the list", lots, "_drop", exhausted_lot_kept),
    CoreMutant("refused claim reserves", "a refused event changes nothing", core, "_claim", refused_claim_reserves),
    CoreMutant("replay differs", "a replay gives the same book, word for word", entries, "write_entry", depends_on_what_was_there),
)  # fmt: skip


@contextmanager
def without_guard(mutant: CoreMutant) -> Iterator[None]:
    """Take a guard away in every module of the ledger that uses it."""
    original = getattr(mutant.home, mutant.function)
    broken = mutant.mutate(original)
    users = [module for name, module in list(sys.modules.items()) if name.startswith("ledger") and getattr(module, mutant.function, None) is original]
    for user in users:
        setattr(user, mutant.function, broken)
    try:
        yield
    finally:
        for user in users:
            setattr(user, mutant.function, original)


def found_after(mutant: CoreMutant | None, seed: int, budget: int) -> tuple[int, str]:
    """Return how many schedules it took to convict a mutant (0: it survived) and of what; None is the intact core."""
    player = Player()
    if mutant is None:
        run = player.search(seed, 0, budget, thorough=True)
        return (run.held + 1, words(run.verdict)) if run.verdict else (0, "")
    with without_guard(mutant):
        for number in range(budget):
            try:
                run = player.search(seed, number, 1, thorough=True)
            except Exception as error:
                return number + 1, f"{type(error).__name__}"
            if run.verdict:
                return number + 1, words(run.verdict)
    return 0, ""
