"""What a comparison says: causes, rows, the certificate, curves. Values only; nothing is computed here.

Money is e8 of the currency. A difference is always the second session's less the first's. Unknown is None.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.journal import SessionInfo
from ledger.keys import Key
from ledger.vocabulary import OrderStatus, Outcome

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Cause(StrEnum):
    """Why two sessions ended with different money. The order is the order of the waterfall."""

    DEPOSIT = "deposit"
    SIGNAL = "signal"
    REFUSED = "refused"
    MISSED = "missed"
    EXTRA = "extra"
    SIZE = "size"
    DELAY = "delay"
    PRICE = "price"
    PRICE_OR_DELAY = "price or delay"
    FEE = "fee"
    CORPORATE_ACTION = "corporate action"
    INTEREST = "interest"
    ADJUSTMENT = "adjustment"
    UNMATCHED = "unmatched"
    MARK = "mark"
    ROUNDING = "rounding"


MEANING: dict[Cause, str] = {
    Cause.DEPOSIT: "money put in, less money taken out",
    Cause.SIGNAL: "the strategies wished different positions at this decision",
    Cause.REFUSED: "the gate of one session refused what the other one traded",
    Cause.MISSED: "the first session traded, the second one did not although nothing refused it",
    Cause.EXTRA: "the second session traded, the first one did not although nothing refused it",
    Cause.SIZE: "the same wish, ordered in another quantity",
    Cause.DELAY: "how far the market moved between the two times of the fills",
    Cause.PRICE: "another fill price than the market's move explains",
    Cause.PRICE_OR_DELAY: "other prices at other times, with no mark that says how far the market had moved",
    Cause.FEE: "commissions and fees of executions; one nobody reported yet counts as the book counts it, not at all",
    Cause.CORPORATE_ACTION: "dividends, split fractions, and shares exchanged for cash without a trade",
    Cause.INTEREST: "interest, less borrow fees",
    Cause.ADJUSTMENT: "cash and shares adjusted by an operator, with evidence",
    Cause.UNMATCHED: "sales that found no lot: money came and no position went",
    Cause.MARK: "what is still held is valued at another price",
    Cause.ROUNDING: "a position is rounded once, the parts it is made of are rounded one by one",
}


class Part(NamedTuple):
    """One bar of the waterfall: a cause, its amount, and how many rows have a share in it."""

    cause: Cause
    amount_e8: int | None
    rows: int
    meaning: str


class Leg(NamedTuple):
    """What one session made of a decision."""

    key: int
    """The order key in this session's own numbers; 0 = no order of ours."""
    number: int | None
    """Row of the order in `views.orders`; None = no order."""
    status: OrderStatus | None
    refused: Outcome | None
    """The last refusal of this key; None = it was never refused."""
    refusals: int
    target_lots: int | None
    ordered_lots: int
    """Signed: above 0 buys."""
    filled_lots: int
    """Signed. Lots are this session's own, see `Row.grids`."""
    value_e8: int
    """Money that was paid, below 0: received."""
    price_e8: int | None
    """Mean price a share, rounded half to even; None = nothing was filled."""
    fee_e8: int | None
    """None = at least one fee was not reported yet."""
    executions: int
    decided_ns: int | None
    first_ns: int | None
    last_ns: int | None


class Row(NamedTuple):
    """One decision (or foreign fill, or fact) in both sessions, and what its difference cost."""

    kind: str
    """order, foreign (a fill that no order of ours explains) or adjustment (shares without a trade)."""
    strategy: str | None
    symbol: str
    key: Key | None
    """Purpose, decision bar and leg; `strategy` and `instrument` are the numbers of the session that has it."""
    time_ns: int
    a: Leg | None
    b: Leg | None
    differs: tuple[str, ...]
    """Fields in which the two legs differ; empty = equal in all."""
    cause: Cause | None
    """Why quantities differ; None = they do not."""
    reason: str
    """A sentence for `cause`, or empty."""
    parts: tuple[tuple[Cause, int], ...]
    """What this row adds to each cause, e8. What a later order won back is counted where the difference began."""
    effect_e8: int | None
    """Sum of `parts`; None = the symbol has no price in a session that still holds it."""

    @property
    def text(self) -> str:
        """The decision key as people read it."""
        if self.key is None:
            return f"{self.kind}|{self.symbol}"
        return key_text(self.strategy, self.symbol, self.key)


def key_text(strategy: str | None, symbol: str, key: Key) -> str:
    """Return `strategy|symbol|purpose|bar|leg`, as `ledger.keys.text` writes it."""
    from ledger import keys

    return keys.text(
        keys.pack(*key), {key.strategy: strategy or f"#{key.strategy}"}, {key.instrument: symbol}
    )  # type: ignore[call-overload, no-any-return, unused-ignore]


class Grids(NamedTuple):
    """Decimals of prices and quantities of one symbol in each session; None = the session does not know it."""

    a: tuple[int, int] | None
    """(price_exp, qty_exp)."""
    b: tuple[int, int] | None


class Side(NamedTuple):
    """One session of a comparison."""

    path: str
    info: SessionInfo
    label: str
    seq: int
    """Events its tables show."""
    behind: int
    """Stored events its tables do not show yet."""
    first_ns: int | None
    last_ns: int | None
    equity_e8: int | None
    cash_e8: int | None
    unpriced: tuple[str, ...]
    """Symbols that are held and have no price: why the equity is unknown."""
    fees_unknown: int
    orders: int
    executions: int
    refusals: int


class Divergence(NamedTuple):
    """The first place at which two sessions differ."""

    place: str
    """`event 17`, or the key of an order."""
    seq_a: int | None
    seq_b: int | None
    field: str
    a: str | None
    b: str | None
    reason: str


class Certificate(NamedTuple):
    """How equal two sessions are."""

    equal: bool
    """No order, fill, fee, refusal, flow or final equity differs."""
    same_book: bool
    """The books are equal by digest."""
    digest_a: str
    digest_b: str
    events_a: int
    events_b: int
    events_equal: int
    """Events from the start that are equal in every column."""
    rows: int
    rows_equal: int
    first_event: Divergence | None
    first_row: Divergence | None


class Comparison(NamedTuple):
    """Two sessions held against each other; the second less the first."""

    a: Side
    b: Side
    difference_e8: int | None
    """Final equity of b less that of a; None while either is unknown."""
    parts: tuple[Part, ...]
    """Every cause, in the order of the waterfall; they add up to `difference_e8`."""
    residual_e8: int | None
    """What the parts leave unexplained: 0, or None while an equity is unknown."""
    rows: tuple[Row, ...]
    """Every decision of either session, oldest first."""
    grids: dict[str, Grids]
    certificate: Certificate
    notes: tuple[str, ...]
    """Sentences a reader must not miss."""

    @property
    def different(self) -> tuple[Row, ...]:
        """The rows that differ."""
        return tuple(row for row in self.rows if row.differs)


class Curves(NamedTuple):
    """Equity and drawdown of sessions on one time axis; a value holds until the next one. Arrays [sessions, T]."""

    time_ns: Ints
    equity_e8: Ints
    drawdown_e8: Ints
    """Equity less its greatest known value so far: 0 or below."""
    drawdown_e6: Ints
    """The same as millionths of that greatest value; 0 where that is not above 0."""
    difference_e8: Ints
    """Equity less the first session's; row 0 is 0."""
    known: Flags
    """False before a session's first point and where it had a position without a price: show nothing there."""
    both_known: Flags
    """Where the difference is known."""


class Step(NamedTuple):
    """One thing that happened to an order."""

    seq: int
    time_ns: int
    what: str
    """Name of the event's kind."""
    detail: str


class Story(NamedTuple):
    """The life of one decision in one session."""

    key: str
    steps: tuple[Step, ...]
    allocations: tuple[str, ...]
    """Which lots its executions took or opened, and the profit of each part."""
