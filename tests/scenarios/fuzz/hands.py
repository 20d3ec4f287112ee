"""The runner depth with a person at the same account: orders typed in by hand, shares that come and go without a trade.

`onebook fuzz run hands.scenario`

Theory of operation. The broker tells no program what a person does. An order typed in works a while and fills, and stands in
the lists that are asked for; shares that are transferred stand in the positions alone. So one list may show it and the one
before it not, while orders of the runner fill. Demanded besides what the runner depth demands: executions of a
person are booked like any other; what nobody executed never is; and either way the instrument ends closed for
entries, which only a person may open again.
"""

from __future__ import annotations

from decimal import Decimal

from sim.fuzz import World
from tests.scenarios.fuzz.runner import Burst, begin
from tests.scenarios.fuzz.stage.broker import ByHand

DEEDS = ("nothing", "buy", "buy", "sell", "transfer in", "transfer out")
SYMBOLS = ("AAPL", "MSFT")
SHARES = 5


def scenario(world: World) -> None:
    """Fill a world with one account, its broker, its runner, and a person who meddles at most twice."""
    burst = begin(world)
    for _ in range(1 + world.draw("meddles again", 2)):
        deed, symbol = DEEDS[world.draw("deed", len(DEEDS))], SYMBOLS[world.draw("deed with", len(SYMBOLS))]
        if deed != DEEDS[0]:
            burst.broker.happens("hand", deed, lambda deed=deed, symbol=symbol: _meddle(burst, deed, symbol))


def _meddle(burst: Burst, deed: str, symbol: str) -> None:
    broker = burst.broker
    if deed.startswith("transfer"):
        broker.came[symbol] += SHARES if deed.endswith("in") else -SHARES
    else:
        broker.order_by_hand(ByHand(symbol, deed.upper(), Decimal(SHARES)))
