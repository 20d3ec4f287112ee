"""How a gateway is set up.

Theory of operation. One frozen value, made by the command line or by a test. Everything that
could differ between two runs stands here, so equal Configs and equal bytes in give
equal bytes out.
"""

from __future__ import annotations

from typing import NamedTuple

SECOND_NS = 1_000_000_000
DEFAULT_START_NS = 1_772_461_800 * SECOND_NS
"""Monday 2026-03-02 09:30 in New York: what an in-memory gateway begins with."""


class Config(NamedTuple):
    """The settings of a gateway."""

    seed: int = 7
    account: str = "DU1000001"
    cash: str = "1000000"
    currency: str = "USD"
    commission: str = "ibkr-fixed"
    start_ns: int = DEFAULT_START_NS
    always_open: bool = True
    """Markets never close; otherwise each contract keeps its exchange's hours."""
    read_only: bool = False
    rate_limit: int = 50
    """Messages a client may send within one second; 0 means any number."""
    rate_breaks: int = 3
    """How often a client may break the rate before it is disconnected."""
    clients_max: int = 32
    ack_delay_ns: int = 0
    fill_delay_ns: int = 0
    fill_bar_s: int = 0
    """Seconds of a bar: orders trade bar by bar as in a backtest, and executions carry the bar's time (`sim/gateway/barwise.py`).
    0: second by second, at the other side of the last quote."""
    liquidity: str = ""
    """Shares that trade within one second; empty: any number."""
    first_order_id: int = 1
    leverage_percent: int = 100
    """Buying power as a percentage of equity: 100 is a cash account."""
    subscriptions: tuple[int, ...] = (1,)
    """Market data types the account has: 1 live, 2 frozen, 3 delayed, 4 delayed and frozen."""
