"""The numbers of an account, read once from a run's Setting.

Theory of operation. `terms` reads every text into integers and lays out the few arrays in
which an account remembers what the book does not say: they are Terms' own and are modified in
place by the hooks. Nothing here is called from the compiled loop.

Kinds of account. `cash` never borrows: an entry needs cash, a short position its proceeds and as
much again. With `settlement` days above 0, proceeds of sales may be spent that many trading days
later, counted by the run's own days. `margin` may borrow: new positions need `initial` percent
of their value in equity; when equity falls below `maintenance` percent of long and `short` percent of
short positions at a bar's close, every position is sold at the next open.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.book import N_INSTRUMENT, N_KIND, N_REF, S_ORDER, Arena, Book
from ledger.units import UnitError, to_grid
from ledger.vocabulary import EventKind
from sim import costs
from sim.costs import Carry, CostModel
from sim.data.history import History
from sim.engine.signals import seen
from strategies.sizing import Size, bars_per_year, parse_rule, weights

Ints = NDArray[np.int64]
QTY_EXP = 4
CASH, MARGIN = 0, 1
SETTLE_MAX = 5
KEEP, LAST_PRICE, WORTHLESS = 0, 1, 2
"""What becomes of a position at its instrument's end: nothing, or, when delisted, its last price or nothing paid."""

REFERENCES = ("delisting", "cash in lieu of a fraction")
"""Why shares came or went without a trade: the journal's names for `ref`, after those of the symbols."""
DELISTING, CASH_IN_LIEU = range(2)

# Columns of Terms.notes, one row an instrument.
N_NIGHT, N_FRACTION, N_AGAIN, N_AGAIN_KEY, N_AGAIN_WISH, NOTES = range(6)
# Places of Terms.tally.
T_MOMENT, T_CALL, T_CALLS, T_UNSIZED, TALLY = range(5)


class Margin(NamedTuple):
    """What an account may borrow and must keep; basis points of position values."""

    kind: int
    initial_bps: int
    long_bps: int
    short_bps: int


class Terms(NamedTuple):
    """The numbers of an account: how wishes are sized, what trading and holding cost, what may be borrowed."""

    size: Size
    costs: CostModel
    carry: Carry
    margin: Margin
    settle_days: int
    worst_bps: int  # how far beyond the last close its own orders reserve cash
    strategy: int  # in the keys of orders that the account itself makes
    instruments: int  # their number, so that references follow the symbols
    weights: Ints  # int64[bars of the tape] of full size, or int64[0] when it never changes
    endings: Ints  # int64[instruments + 1] of KEEP, LAST_PRICE, WORTHLESS
    month: Ints  # the month and its volume; see sim.costs.volume
    started: Ints  # the month's volume at the first fill of each order
    settling: Ints  # int64[1 + SETTLE_MAX]: all unsettled proceeds, then those of today, yesterday, ...
    notes: Ints  # int64[instruments + 1, NOTES]: last night charged, fraction due, what to claim again
    tally: Ints  # moment of the last check and its verdict, margin calls, wishes without a size


def parse_account(text: str) -> Margin:
    """Return the kind of account of `cash`, `margin` or `margin:initial=50,maintenance=25,short=30`.

    Raises:
        UnitError: another word, or a percentage out of range.
    """
    kind, colon, rest = (part.strip() for part in text.partition(":"))
    if kind == "cash" and not colon:
        return Margin(CASH, 10_000, 0, 0)
    if kind != "margin" or (colon and not rest):
        raise UnitError(f"account {text!r} is not known; write cash, margin or margin:initial=50,maintenance=25,short=30")
    percent = {"initial": 5_000, "maintenance": 2_500, "short": 3_000}
    for part in filter(None, rest.split(",")):
        name, equals, number = (word.strip() for word in part.partition("="))
        if name not in percent or not equals:
            raise UnitError(f"account {text!r}: {part!r} is no option; the options are initial=50, maintenance=25, short=30")
        percent[name] = to_grid(number, 2, f"account {name}")
        if not 100 <= percent[name] <= 10_000:
            raise UnitError(f"account {text!r}: {name} must be from 1 to 100 percent")
    return Margin(MARGIN, percent["initial"], percent["maintenance"], percent["short"])


def terms(setting: Any, symbols: int, histories: Sequence[History], strategy: int = 1) -> Terms:
    """Return the numbers of a run's Setting.

    Args:
        symbols: how many wishes share the account; 1 when targets are weights already.
        histories: the instruments, for statistics of their bars. strategy: its id in keys.
    Raises:
        UnitError: a text that is no size, cost model, account or rate.
    """
    rule, margin = parse_rule(setting.size, QTY_EXP), parse_account(setting.account)
    settle_days = to_grid(setting.settlement, 0, "settlement")
    if not 0 <= settle_days <= SETTLE_MAX or (settle_days > 0 and margin.kind == MARGIN):
        raise UnitError(f"settlement {settle_days} is wrong; expected 0 to {SETTLE_MAX} trading days, and 0 for a margin account")
    table = [np.zeros(0, np.int64)]
    if rule.statistical:
        table = weights(rule, [seen(history) for history in histories], bars_per_year(histories[0].bar), symbols)
    count = len(histories)
    return Terms(
        rule.size(symbols), costs.parse(setting.commission),
        costs.parse_carry(setting.borrow_bps, setting.interest_bps, setting.debit_bps), margin, settle_days,
        int(setting.worst_bps), strategy, count,
        np.concatenate(table), _endings(setting.delisting, histories), np.zeros(2, np.int64), np.zeros(0, np.int64),
        np.zeros(1 + SETTLE_MAX, np.int64), np.zeros((count + 1, NOTES), np.int64), np.zeros(TALLY, np.int64),
    )  # fmt: skip


def _endings(text: str, histories: Sequence[History]) -> Ints:
    """Return what becomes of each instrument's position after its last bar."""
    if text not in ("last", "worthless"):
        raise UnitError(f"delisting {text!r} is not known; write last (close at the last price) or worthless")
    end = LAST_PRICE if text == "last" else WORTHLESS
    gone = [any(act.kind == "delisting" for act in history.actions) for history in histories]
    return np.array([KEEP, *(end if one else KEEP for one in gone)], np.int64)


def with_room(account: Terms, a: Arena) -> Terms:
    """Return the terms with a place for each order the book can take; call it whenever the book has grown."""
    started = np.zeros(int(a[3 * S_ORDER + 1]), np.int64)
    started[: account.started.size] = account.started
    return account._replace(started=started)


def remarks(account: Terms, book: Book, histories: Sequence[History]) -> tuple[str, ...]:
    """Return the sentences about an account that a reader of a run must not miss."""
    said = []
    if account.tally[T_CALLS]:
        said.append(f"{account.tally[T_CALLS]} positions were closed by margin calls.")
    if account.tally[T_UNSIZED]:
        said.append(f"{account.tally[T_UNSIZED]} wishes came before their size was known; nothing was ordered for them.")
    left = book.entries[book.entries[:, N_KIND] == EventKind.ADJUST_POSITION]
    for number, history in enumerate(histories, 1):
        gone = left[(left[:, N_INSTRUMENT] == number) & (left[:, N_REF] == account.instruments + 1 + DELISTING)]
        how = "at its last close" if account.endings[number] == LAST_PRICE else "as worthless"
        said += [f"{history.symbol} was delisted; the position was closed {how}."] * len(gone)
    return tuple(said)
