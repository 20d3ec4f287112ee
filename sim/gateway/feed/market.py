"""The market: quotes of every contract at every moment.

Theory of operation. `Market` makes a Series for a contract when somebody first asks and answers with a
quote: the last second's close, one step of spread on either side and drawn sizes. An
option's price is Black and Scholes' of its underlying at a fixed volatility and no
interest, so it moves with it. Nothing here depends on who asks or how often.
"""

from __future__ import annotations

from datetime import datetime
from math import erf, exp, log, pi, sqrt
from typing import NamedTuple

from sim.gateway.core.chance import below, key_of, mix
from sim.gateway.core.config import SECOND_NS, Config
from sim.gateway.desk.contracts import Catalogue, Contract
from sim.gateway.desk.hours import Hours, hours_of, is_open, local_day, minute_ns
from sim.gateway.feed.paths import Bar
from sim.gateway.feed.series import Real, Series

YEAR_S = 365.25 * 86400


class Quote(NamedTuple):
    """What is bid and asked at a moment: prices in the contract's unit, sizes in shares."""

    time_ns: int
    bid: int
    ask: int
    last: int
    bid_size: int
    ask_size: int
    last_size: int


class Greeks(NamedTuple):
    """An option's sensitivities."""

    volatility: float
    price: float
    delta: float
    gamma: float
    vega: float
    theta: float
    under: float


def black_scholes(spot: float, strike: float, years: float, volatility: float, call: bool) -> Greeks:
    """Return price and greeks of a European option without interest or dividends (Black, Scholes 1973)."""
    years = max(years, 1 / YEAR_S)
    deviation = volatility * sqrt(years)
    d1 = log(spot / strike) / deviation + deviation / 2
    d2 = d1 - deviation
    above, both = (1 + erf(d1 / sqrt(2))) / 2, (1 + erf(d2 / sqrt(2))) / 2
    density = exp(-d1 * d1 / 2) / sqrt(2 * pi)
    price = spot * above - strike * both
    if not call:
        price, above = price - spot + strike, above - 1
    return Greeks(
        volatility, max(price, 0.0), above, density / (spot * deviation), spot * density * sqrt(years) / 100,
        -spot * density * volatility / (2 * sqrt(years)) / 365.25, spot,
    )  # fmt: skip


class Market:
    """Quotes and bars, by contract and time."""

    def __init__(self, config: Config, catalogue: Catalogue, real: dict[int, Real] | None = None) -> None:
        self.config, self.catalogue, self.real = config, catalogue, real or {}
        self._series: dict[int, Series] = {}
        self._anchor = local_day(config.start_ns, "US/Eastern")
        self._key = key_of("market", config.seed)
        self._quotes: dict[int, tuple[int, Quote]] = {}
        self._seconds: dict[int, tuple[int, Bar]] = {}

    def hours(self, contract: Contract) -> Hours:
        """Return when a contract trades."""
        return hours_of(contract.hours, contract.zone, self.config.always_open)

    def open(self, contract: Contract, time_ns: int, outside: bool = False) -> bool:
        """Say whether a contract trades now."""
        return is_open(self.hours(contract), time_ns, outside)

    def series(self, contract: Contract) -> Series:
        """Return the prices of a contract; an option has its underlying's."""
        con_id = contract.under_id or contract.con_id
        known = self._series.get(con_id)
        if known is None:
            owner = self.catalogue.by_id[con_id]
            known = Series(owner, self.hours(owner), self.config.seed, self._anchor, self.real.get(con_id))
            self._series[con_id] = known
        return known

    def second(self, contract: Contract, time_ns: int) -> Bar:
        """Return the bar of the second that ended last; worked out once a second."""
        second = time_ns // SECOND_NS
        kept = self._seconds.get(contract.con_id)
        if kept is not None and kept[0] == second:
            return kept[1]
        bar = self._second(contract, second * SECOND_NS)
        self._seconds[contract.con_id] = (second, bar)
        return bar

    def _second(self, contract: Contract, time_ns: int) -> Bar:
        bar = self.series(contract).second(time_ns - 1)
        if not contract.under_id:
            return bar
        prices = [self.worth(contract, price, time_ns) for price in bar[:4]]
        return Bar(prices[0], max(prices), min(prices), prices[3], bar.volume // 1000)

    def years(self, contract: Contract, time_ns: int) -> float:
        """Return how long an option lives, in years."""
        expiry = datetime.strptime(contract.expiry, "%Y%m%d").toordinal()
        return (minute_ns(contract.zone, expiry, 960) - time_ns) / SECOND_NS / YEAR_S

    def greeks(self, contract: Contract, spot_units: int, time_ns: int) -> Greeks:
        """Return an option's price and greeks at a price of its underlying."""
        under = self.catalogue.by_id[contract.under_id]
        years = self.years(contract, time_ns)
        spot = spot_units / 10**under.price_exp
        return black_scholes(spot, float(contract.strike), years, contract.volatility, contract.right == "C")

    def worth(self, contract: Contract, spot_units: int, time_ns: int) -> int:
        """Return an option's price at a price of its underlying."""
        price = self.greeks(contract, spot_units, time_ns).price
        return max(1, round(price * pow(10.0, contract.price_exp) / contract.step)) * contract.step

    def quote(self, contract: Contract, time_ns: int) -> Quote:
        """Return the quote at a moment; within one second it does not change, so it is worked out once."""
        second = time_ns // SECOND_NS
        kept = self._quotes.get(contract.con_id)
        if kept is not None and kept[0] == second:
            return kept[1]
        quote = self._quote(contract, second * SECOND_NS, self.second(contract, time_ns))
        self._quotes[contract.con_id] = (second, quote)
        return quote

    def quote_at(self, contract: Contract, second: int) -> Quote:
        """Return the quote of a second since 1970, without keeping it."""
        return self._quote(contract, second * SECOND_NS, self._second(contract, second * SECOND_NS))

    def _quote(self, contract: Contract, time_ns: int, bar: Bar) -> Quote:
        last = bar.close
        key, second = mix(self._key ^ contract.con_id), time_ns // SECOND_NS
        unit = 100_000 if contract.sec_type == "CASH" else 100 if contract.sec_type == "STK" else 1
        sizes = [unit * (1 + below(key, 3 * second + place, 9)) for place in range(3)]
        step = contract.step
        return Quote(time_ns, max(step, last - step), last + step, last, *sizes)
