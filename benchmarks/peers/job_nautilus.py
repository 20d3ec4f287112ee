"""The first job in nautilus_trader, run in its own environment: `python job_nautilus.py bars.npz result.npz`.

Theory of operation. The same signals as `job_backtesting`. nautilus fills a market order that
is sent from `on_bar` at that bar's own close, so its fills are the decisions themselves: the
caller compares those, and no equity, because the prices are others by design.
"""

from __future__ import annotations

import sys
import time
from decimal import Decimal

import numpy as np
import pandas as pd
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig, StrategyConfig
from nautilus_trader.indicators import SimpleMovingAverage
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.trading.strategy import Strategy

TIE = 1e-9
NAME = InstrumentId(Symbol("AAA"), Venue("SIM"))
BARS = BarType.from_str("AAA.SIM-1-HOUR-LAST-EXTERNAL")


class CrossConfig(StrategyConfig):
    """Nothing to configure."""


class Cross(Strategy):
    """Long while the fast average is above the slow one; keeps fills as it goes."""

    def __init__(self, config: CrossConfig) -> None:
        super().__init__(config)
        self.fast, self.slow = SimpleMovingAverage(10), SimpleMovingAverage(30)
        self.held, self.bar, self.fills = 0, -1, []

    def on_start(self) -> None:
        """Ask for bars."""
        self.subscribe_bars(BARS)

    def on_bar(self, bar: object) -> None:
        """Decide at a close."""
        self.bar += 1
        self.fast.update_raw(bar.close.as_double())
        self.slow.update_raw(bar.close.as_double())
        if not self.slow.initialized:
            return
        fast, slow = self.fast.value, self.slow.value
        above = fast - slow > TIE * max(abs(fast), abs(slow))
        if above != (self.held > 0):
            side = OrderSide.BUY if above else OrderSide.SELL
            self.held = 100 if above else 0
            self.submit_order(self.order_factory.market(NAME, side, Quantity.from_int(100)))

    def on_order_filled(self, event: object) -> None:
        """Keep a fill."""
        sign = 1 if event.order_side == OrderSide.BUY else -1
        self.fills.append((self.bar, sign * event.last_qty.as_double(), event.last_px.as_double()))


def main(source: str, target: str) -> None:
    """Run the job and write what it did."""
    with np.load(source) as bars:
        index = pd.to_datetime(bars["time_ns"], utc=True)
        frame = pd.DataFrame({name: bars[name] for name in ("open", "high", "low", "close")} | {"volume": 1_000_000.0}, index=index)
    instrument = Equity(
        instrument_id=NAME, raw_symbol=Symbol("AAA"), currency=USD, price_precision=2, price_increment=Price.from_str("0.01"),
        lot_size=Quantity.from_int(1), ts_event=0, ts_init=0, maker_fee=Decimal("0.001"), taker_fee=Decimal("0.001"),
    )  # fmt: skip
    start = time.perf_counter()
    engine = BacktestEngine(config=BacktestEngineConfig(logging=LoggingConfig(log_level="OFF", bypass_logging=True)))
    engine.add_venue(
        venue=Venue("SIM"), oms_type=OmsType.NETTING, account_type=AccountType.CASH, starting_balances=[Money(1_000_000, USD)],
        base_currency=USD,
    )  # fmt: skip
    engine.add_instrument(instrument)
    engine.add_data(BarDataWrangler(BARS, instrument).process(frame))
    strategy = Cross(CrossConfig())
    engine.add_strategy(strategy)
    engine.run()
    seconds = time.perf_counter() - start
    np.savez(target, fills=np.array(strategy.fills, float), equity=np.zeros(0), seconds=seconds)


if __name__ == "__main__":
    main(*sys.argv[1:3])
