"""Opening an account's book: the session, its instruments, its limits, its first deposit.

Theory of operation. An account has one open session in a book file: it is resumed, or begun
with an empty book. Instruments of the configuration that the book does not know are
defined; the grid of one it knows is never changed. Limits are recorded when they differ
from the configuration, so that the book always says by which limits it was trading.
The first deposit is the broker's cash, when the broker holds what the book holds of the
instruments that are traded; where it does not, the positions are shown as differences, a
person adjusts, and the deposit follows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from ledger.book import H_LIMIT, I_LIMIT, I_POSITION, I_PRICE_EXP, I_QTY_EXP, N_KIND, Row, event
from ledger.journal import Journal, JournalError
from ledger.journal.replay import session_row
from ledger.oms import live_keys
from ledger.units import AMOUNT_MAX, money, to_grid
from ledger.vocabulary import EventKind, Limit, Outcome
from live.broker.fold import Contract
from live.config import ConfigError, PaperConfig, RiskLimits

if TYPE_CHECKING:
    from ledger.journal.session import Session
    from live.ib import Listing

PRICE_EXP = QTY_EXP = 4
SECOND_NS = 1_000_000_000


class Told(NamedTuple):
    """What a book needs to know of a contract at the broker."""

    symbol: str
    con_id: int
    min_tick: Decimal


def strategies_of(config: PaperConfig) -> dict[str, str]:
    """Return the names of the strategies by the ids that keys of orders carry."""
    names = [config.strategy, *(text.split()[0] for text in config.also)]
    return {str(number): name for number, name in enumerate(names, 1)} | ({"500": "accumulate"} if config.accumulate else {})


def _require_same(journal: Journal, session_id: int, config: PaperConfig) -> bool:
    """Say whether a session goes on with these strategies; False when it is over and another one may begin.

    Raises:
        ConfigError: its orders carry other strategies' numbers, and it still holds something of theirs.
    """
    kept = json.loads(session_row(journal.connection, session_id)["config"]).get("strategies", {})
    wanted, numbers = strategies_of(config), set(kept) & set(strategies_of(config))
    if all(kept[number] == wanted[number] for number in numbers):
        return True
    book = journal.book(session_id)
    if not book.instruments[:, I_POSITION].any() and not live_keys(book):
        return False
    told, asked = (", ".join(f"{n} {name}" for n, name in sorted(names.items())) for names in (kept, wanted))
    raise ConfigError(
        f"this account's session trades {told}, and the configuration says {asked}: keys of orders and positions carry the numbers. "
        "Leave its positions first (`onebook paper flat` with the old configuration), or add strategies behind the old ones"
    )


def open_session(journal: Journal, account: str, config: PaperConfig) -> Session:
    """Resume the account's open session, or begin one; a flat session of other strategies is ended.

    Raises:
        ConfigError: the session holds positions of other strategies.
        ledger.journal.JournalLocked: another process trades this account; the message names it.
        ledger.journal.JournalError: the book cannot be trusted as it is.
    """
    scope = f"paper:{account}"
    mine = [info for info in journal.sessions() if info.kind == "paper" and info.scope == scope and info.status == "open"]
    kept: dict[str, Any] = msgspec.to_builtins(config)
    if mine:
        if _require_same(journal, mine[-1].id, config):
            session = journal.resume(mine[-1].id)
            session.snapshot_if_due()
            begun = json.loads(str(session_row(journal.connection, session.id)["config"]))
            _require_told(session, begun, kept, config.accept_changes)
            return session
        old = journal.resume(mine[-1].id)
        old.end()
    return journal.begin("paper", scope, config={**kept, "strategies": strategies_of(config), "timezone": "America/New_York"})


DECIDING = ("params", "bar", "size", "client_id", "currency", "exchange")
"""Keys beside the strategies that say what a book is about: the same decisions, by the same client, of the same size."""


def _require_told(session: Session, begun: dict[str, Any], wanted: dict[str, Any], accepted: bool) -> None:
    """Keep a change that was accepted in the book.

    Raises:
        ConfigError: a key that decides differs from what this book was last traded with, and nobody accepted that.
    """
    for _, _, body in session.kept("config"):
        begun = {**begun, **json.loads(body)}
    plain = json.loads(json.dumps(wanted))
    changed = {key: (begun[key], plain[key]) for key in DECIDING if key in begun and begun[key] != plain[key]}
    if changed and not accepted:
        told = "; ".join(f"{key} was {before!r} and is {now!r} now" for key, (before, now) in changed.items())
        session.close()
        raise ConfigError(
            f"this book was traded with another configuration: {told}. Take another book, put the key back, or say --accept-changes: "
            "positions and orders stay, and the change is kept in the book"
        )
    if changed:
        session.keep("config", json.dumps({key: now for key, (_, now) in changed.items()}))
        session.heartbeat()


def contracts(session: Session, listings: Sequence[Listing | Told], now_ns: int) -> list[Contract]:
    """Return the contract of each listing, defining the instruments that the book does not know.

    Raises:
        JournalError: the book refused a definition.
    """
    known = {symbol: number for number, symbol in session.symbols().items()}
    found = []
    for listing in listings:
        number = known.get(listing.symbol)
        if number is None:
            number = len(known) + 1
            known[listing.symbol] = number
            _record(session, _definition(session, listing, number, now_ns))
        row = session.book.instruments[number]
        price_exp = int(row[I_PRICE_EXP])
        tick = max(1, to_grid(listing.min_tick, price_exp, "min tick"))
        found.append(Contract(number, listing.symbol, listing.con_id, price_exp, int(row[I_QTY_EXP]), tick))
    return found


def _definition(session: Session, listing: Listing | Told, number: int, now_ns: int) -> Row:
    # Executions come in finer steps than orders may be priced in, so the tick of the book is the finest.
    return event(
        EventKind.INSTRUMENT, time_ns=now_ns, instrument=number, revision=PRICE_EXP, order_type=QTY_EXP, price_ticks=1,
        qty_lots=10**QTY_EXP, target_lots=1, ref=session.name(listing.symbol),
    )  # fmt: skip


def _record(session: Session, line: Row) -> None:
    outcome = session.record(line)
    if outcome not in (Outcome.APPLIED, Outcome.DUPLICATE):
        raise JournalError(f"the book answered {outcome.name} to an opening event of kind {int(line[1])}; look at `onebook book check`")


def deposit(session: Session, cash: Decimal | None, now_ns: int) -> bool:
    """Record the broker's cash as the first deposit of a book that has seen none and no trade; return whether that was done."""
    entries, moved = session.book.entries, (EventKind.FILL, EventKind.DEPOSIT, EventKind.ADJUST_CASH)
    if session.book.valuation().cash or np.isin(entries[:, N_KIND], moved).any() or cash is None or cash <= 0:
        return False
    line = event(EventKind.DEPOSIT, time_ns=now_ns, cash_e8=money(cash), ref=session.name("cash told by the broker at the start"))
    _record(session, line)
    return True


def limits(config: RiskLimits) -> Mapping[Limit, int]:
    """Return every limit as the book holds it; AMOUNT_MAX is no limit.

    Raises:
        ledger.units.UnitError: a number that is none.
    """
    shares = None if config.max_position_shares is None else to_grid(config.max_position_shares, QTY_EXP, "max_position_shares")
    wanted: dict[Limit, int | None] = {
        Limit.MAX_POSITION: shares,
        Limit.MAX_NOTIONAL: None if config.max_notional is None else money(config.max_notional),
        Limit.SYMBOL_DAILY_ORDERS: config.orders_per_symbol_day,
        Limit.PRICE_COLLAR_BPS: config.price_collar_bps,
        Limit.MAX_REPEAT: config.max_repeat,
        Limit.MAX_OPEN: config.max_open,
        Limit.DAILY_ORDERS: config.orders_per_day,
        Limit.DAILY_LOSS: None if config.daily_loss is None else money(config.daily_loss),
        Limit.BURST_COUNT: config.burst_count,
    }
    found = {limit: AMOUNT_MAX if value is None else value for limit, value in wanted.items()}
    return {**found, Limit.ALLOW_SHORT: int(config.allow_short), Limit.BURST_WINDOW_NS: config.burst_window_s * SECOND_NS}


def set_limits(session: Session, config: RiskLimits, now_ns: int) -> int:
    """Record the limits that differ from the book's; return how many."""
    changed = 0
    for limit, value in limits(config).items():
        if int(session.book.arena[H_LIMIT + limit]) != value:
            _record(session, event(EventKind.LIMIT, time_ns=now_ns, reason=limit, cash_e8=value))
            changed += 1
    return changed


def let_accumulate(session: Session, config: PaperConfig, now_ns: int) -> None:
    """Lift the limit of entries in a row from instruments that are bought a little each day: there it is the plan."""
    numbers = {symbol: number for number, symbol in session.symbols().items()}
    for symbol in {rule.symbol for rule in config.accumulate}:
        if int(session.book.instruments[numbers[symbol], I_LIMIT + Limit.MAX_REPEAT]) != AMOUNT_MAX:
            line = event(EventKind.LIMIT, time_ns=now_ns, instrument=numbers[symbol], reason=Limit.MAX_REPEAT, cash_e8=AMOUNT_MAX)
            _record(session, line)
