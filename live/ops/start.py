"""Taking up a book: what a runner does first in its session, and a replay of it the same.

Theory of operation. Everything it depends on stands in a Start, which the tape keeps; nothing else is looked at.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ledger.book import H_GATES
from ledger.journal import source_hash
from ledger.vocabulary import Gate, Side
from live.market.market import team_of
from live.ops import opening
from live.trader import Trader

if TYPE_CHECKING:
    from ledger.journal.session import Session
    from live.config import PaperConfig
    from live.pacer import Pacer
    from live.tape import Tape


class Start(NamedTuple):
    """What a process knew when it took the book up."""

    config: dict[str, Any]
    account: str
    tag: str
    since_ns: int
    born_ns: int
    """When the process began to count its messages."""
    simulated: bool
    fees: str
    """The commission that orders were checked against, in the settings' words; empty where nobody said."""
    code: str
    listings: Sequence[Sequence[Any]]
    """Symbol, the broker's number and the smallest step of prices of each instrument."""


def take_up(session: Session, config: PaperConfig, start: Start, pacer: Pacer, say: Callable[[str], None], tape: Tape) -> Trader:
    """Define what the book does not know, set its limits, and return the trader of what it holds."""
    now = tape.now_ns()
    told = [opening.Told(symbol, con_id, Decimal(tick)) for symbol, con_id, tick in start.listings]
    contracts = opening.contracts(session, told, now)
    opening.set_limits(session, config.limits, now)
    opening.let_accumulate(session, config, now)
    trader = Trader(session, start.tag, config.client_id, start.account, contracts, pacer, say, tape.now_ns, start.since_ns)
    trader.tape = tape
    trader.on_start()
    if int(session.book.arena[H_GATES]) & Gate.STALE_CODE:  # the process that was stale is gone; this one is what is on disk
        trader.stale(Side.SELL)
    return trader


def strategy_hash(config: PaperConfig) -> str:
    """Return the SHA-256 (hex) of the code that decides: the rooms' sources and the file of each strategy."""
    digest = hashlib.sha256(source_hash().encode())
    for strategy, _ in team_of(config):
        path = getattr(sys.modules.get(getattr(strategy.on_bar, "__module__", "")), "__file__", None)
        digest.update(Path(path).read_bytes() if path else b"")
    return digest.hexdigest()
