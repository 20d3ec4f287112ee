"""Contracts: what can be traded here, and how a client's words find it.

Theory of operation. `Catalogue` knows stocks, indices, currency pairs and futures as rows, and
makes options when they are asked for: any expiry, strike and right that the chain of
their underlying has. A contract's number is IB's where it is public and otherwise
drawn from its name, so it is the same in every run. `find` answers with every
contract that fits all the words a client gave; an unknown one fits nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from sim.gateway.core.chance import below, key_of
from sim.gateway.desk.amounts import text

FX_SIZE = "IDEALPRO"
STOCK_VENUES = "SMART,AMEX,NYSE,CBOE,PHLX,ISE,CHX,ARCA,NASDAQ,DRCTEDGE,BEX,BATS,EDGEA,BYX,IEX,EDGX,PEARL,NYSENAT,LTSE,MEMX,PSX"
ORDER_TYPES = "ACTIVETIM,DAY,FOK,GTC,GTD,IOC,LIT,LMT,LOC,LOO,LTH,MIT,MKT,MOC,MOO,NONALGO,OCA,OTH,STP,STPLMT,TRAIL,TRAILLMT,WHATIF"


class Contract(NamedTuple):
    """One contract; prices are whole numbers of 10**-price_exp, quantities of 10**-4."""

    con_id: int
    symbol: str
    sec_type: str
    exchange: str
    primary: str
    currency: str
    local: str
    trading_class: str
    name: str
    price_exp: int
    step: int
    """Smallest price step, in units of 10**-price_exp."""
    base: int
    """The price the model begins with."""
    multiplier: int = 1
    expiry: str = ""
    strike: Decimal = Decimal(0)
    right: str = ""
    rule: int = 26
    under_id: int = 0
    zone: str = "US/Eastern"
    hours: str = "stock"
    qty_step: int = 10_000
    volatility: float = 0.25
    industry: str = ""
    category: str = ""

    def fields(self) -> dict[str, Any]:
        """Return the contract as the tables name its fields."""
        return {
            "conId": self.con_id, "symbol": self.symbol, "secType": self.sec_type, "strike": self.strike,
            "lastTradeDateOrContractMonth": self.expiry, "lastTradeDate": self.expiry, "right": self.right,
            "multiplier": str(self.multiplier) if self.multiplier > 1 else "", "exchange": self.exchange,
            "primaryExchange": self.primary, "currency": self.currency, "localSymbol": self.local,
            "tradingClass": self.trading_class,
        }  # fmt: skip

    @property
    def min_tick(self) -> Decimal:
        """The smallest price step."""
        return Decimal(text(self.step, self.price_exp))


_STOCKS = """
AAPL 265598 NASDAQ 230.00 NMS Technology|Computers|APPLE INC
MSFT 272093 NASDAQ 415.00 NMS Technology|Software|MICROSOFT CORP
TSLA 76792991 NASDAQ 250.00 NMS Consumer, Cyclical|Auto Manufacturers|TESLA INC
INTC 270639 NASDAQ 24.00 NMS Technology|Semiconductors|INTEL CORP
AMD 4391 NASDAQ 150.00 NMS Technology|Semiconductors|ADVANCED MICRO DEVICES
NVDA 4815747 NASDAQ 130.00 NMS Technology|Semiconductors|NVIDIA CORP
AMZN 3691937 NASDAQ 190.00 NMS Communications|Internet|AMAZON.COM INC
GOOG 208813720 NASDAQ 170.00 NMS Communications|Internet|ALPHABET INC-CL C
GOOGL 208813719 NASDAQ 169.00 NMS Communications|Internet|ALPHABET INC-CL A
META 107113386 NASDAQ 560.00 NMS Communications|Internet|META PLATFORMS INC-CLASS A
NFLX 15124833 NASDAQ 700.00 NMS Communications|Internet|NETFLIX INC
IBM 8314 NYSE 215.00 IBM Technology|Computers|INTL BUSINESS MACHINES CORP
GE 498843743 NYSE 175.00 GE Industrial|Miscellaneous Manufactur|GENERAL ELECTRIC
BAC 10098 NYSE 41.00 BAC Financial|Banks|BANK OF AMERICA CORP
JPM 1520593382 NYSE 215.00 JPM Financial|Banks|JPMORGAN CHASE & CO
XOM 13977 NYSE 117.00 XOM Energy|Oil&Gas|EXXON MOBIL CORP
KO 8894 NYSE 68.00 KO Consumer, Non-cyclical|Beverages|COCA-COLA CO/THE
F 9599491 NYSE 11.00 F Consumer, Cyclical|Auto Manufacturers|FORD MOTOR CO
T 37018770 NYSE 21.00 T Communications|Telecommunications|AT&T INC
SPY 756733 ARCA 570.00 SPY ETF|Equity Fund|SPDR S&P 500 ETF TRUST
QQQ 320227571 NASDAQ 490.00 NMS ETF|Equity Fund|INVESCO QQQ TRUST SERIES 1
IWM 9579970 ARCA 220.00 IWM ETF|Equity Fund|ISHARES RUSSELL 2000 ETF
GLD 51529211 ARCA 245.00 GLD ETF|Commodity Fund|SPDR GOLD SHARES
TLT 15547841 NASDAQ 98.00 NMS ETF|Debt Fund|ISHARES 20+ YEAR TREASURY BD
"""
_INDICES = """
SPX 416904 CBOE 5700.00 S&P 500 Stock Index
NDX 416843 NASDAQ 19900.00 NASDAQ 100 Stock Index
VIX 13455763 CBOE 17.00 CBOE Volatility Index
"""
_PAIRS = """
EUR.USD 12087792 1.08450 5
GBP.USD 12087797 1.30250 5
AUD.USD 14433401 0.67350 5
USD.JPY 15016059 148.250 3
USD.CHF 12087820 0.86450 5
USD.CAD 15016062 1.37250 5
EUR.GBP 12087807 0.83250 5
"""
_FUTURES = "ES CME 50 5720.00 25 E-mini S&P 500\nNQ CME 20 19950.00 25 E-mini NASDAQ 100\nCL NYMEX 1000 72.00 1 Light Sweet Crude Oil"
MONTHS = "FGHJKMNQUVXZ"


def _price(text: str, exp: int) -> int:
    return int(Decimal(text).scaleb(exp))


def own_id(*parts: object) -> int:
    """Return a contract number drawn from a name, above those in use."""
    return 900_000_000 + below(key_of("contract", *parts), 0, 99_000_000)


def stock(symbol: str, con_id: int = 0, primary: str = "NASDAQ", price: str = "100", trading_class: str = "", name: str = "",
          industry: str = "", category: str = "") -> Contract:  # fmt: skip
    """Return a stock of US dollars."""
    return Contract(
        con_id or own_id("STK", symbol), symbol, "STK", "SMART", primary, "USD", symbol, trading_class or "NMS",
        name or symbol, 4, 100, _price(price, 4), industry=industry, category=category,
    )  # fmt: skip


def _rows(table: str) -> Iterator[list[str]]:
    for line in table.strip().splitlines():
        yield line.split(" ")


def _built_in() -> Iterator[Contract]:
    for symbol, number, primary, price, trading_class, *rest in _rows(_STOCKS):
        industry, category, name = " ".join(rest).split("|")
        yield stock(symbol, int(number), primary, price, trading_class, name, industry, category)
    for symbol, number, venue, price, *words in _rows(_INDICES):
        yield Contract(
            int(number), symbol, "IND", venue, "", "USD", symbol, symbol, " ".join(words), 4, 100, _price(price, 4), volatility=0.15
        )
    for pair, number, price, exp in _rows(_PAIRS):
        base, quote = pair.split(".")
        yield Contract(
            int(number), base, "CASH", FX_SIZE, "", quote, pair, pair, f"{base} against {quote}", int(exp), 5,
            _price(price, int(exp)), rule=239, hours="forex", volatility=0.08,
        )  # fmt: skip


def futures(today: date) -> Iterator[Contract]:
    """Yield the quarterly (crude oil: monthly) futures of the next months."""
    for root, venue, multiplier, price, step, *name in _rows(_FUTURES):
        for ahead in range(12):
            year, month = divmod(today.year * 12 + today.month - 1 + ahead, 12)
            expiry = third_friday(year, month + 1)
            if expiry < today or (root != "CL" and (month + 1) % 3):
                continue
            local = f"{root}{MONTHS[month]}{year % 10}"
            yield Contract(
                own_id("FUT", root, expiry), root, "FUT", venue, "", "USD", local, root, " ".join(name), 4, int(step) * 100,
                _price(price, 4), int(multiplier), expiry.strftime("%Y%m%d"), rule=67, zone="US/Central", hours="future",
            )  # fmt: skip


def third_friday(year: int, month: int) -> date:
    """Return the third Friday of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(4 - first.weekday()) % 7 + 14)


class Chain(NamedTuple):
    """The options of one underlying."""

    under: Contract
    trading_class: str
    expirations: tuple[str, ...]
    strikes: tuple[Decimal, ...]


def chain_of(under: Contract, today: date) -> Chain:
    """Return the chain: eight Fridays and the third Fridays of a year; strikes around the model's first price."""
    friday = today + timedelta(days=(4 - today.weekday()) % 7)
    days = {friday + timedelta(weeks=week) for week in range(8)}
    for ahead in range(12):
        year, month = divmod(today.year * 12 + today.month - 1 + ahead, 12)
        days.add(third_friday(year, month + 1))
    price = Decimal(under.base).scaleb(-under.price_exp)
    step = Decimal(5) if price > 1000 else Decimal("2.5") if price > 100 else Decimal(1)
    middle = (price / step).to_integral_value() * step
    strikes = tuple(middle + step * offset for offset in range(-60, 61) if middle + step * offset > 0)
    return Chain(under, under.symbol, tuple(sorted(day.strftime("%Y%m%d") for day in days if day >= today)), strikes)


def option(under: Contract, expiry: str, strike: Decimal, right: str) -> Contract:
    """Return an option on a stock or an index."""
    local = f"{under.symbol:<6}{expiry[2:]}{right}{int(strike * 1000):08d}"
    return Contract(
        own_id("OPT", under.symbol, expiry, f"{strike:f}", right), under.symbol, "OPT", "SMART", "", under.currency, local,
        under.symbol, under.name, 4, 500 if under.sec_type == "IND" else 100, 0, 100, expiry, strike, right, rule=109,
        under_id=under.con_id, volatility=under.volatility,
    )  # fmt: skip


class Catalogue:
    """Every contract that can be found."""

    def __init__(self, today: date, extra: Iterable[Contract] = ()) -> None:
        self.today = today
        self.by_id: dict[int, Contract] = {}
        self._by_symbol: dict[str, list[Contract]] = {}
        for contract in (*extra, *_built_in(), *futures(today)):
            if not any(c.sec_type == contract.sec_type and c.local == contract.local for c in self._by_symbol.get(contract.symbol, ())):
                self.add(contract)

    def add(self, contract: Contract) -> Contract:
        """Make a contract known."""
        self.by_id[contract.con_id] = contract
        self._by_symbol.setdefault(contract.symbol, []).append(contract)
        return contract

    def all(self) -> list[Contract]:
        """Return every contract, options only if they were asked for before."""
        return list(self.by_id.values())

    def chain(self, con_id: int) -> Chain | None:
        """Return the option chain of a contract, None if it has none."""
        under = self.by_id.get(con_id)
        return chain_of(under, self.today) if under and under.sec_type in ("STK", "IND") else None

    def find(self, wanted: Mapping[str, Any]) -> list[Contract]:
        """Return every contract that fits what a client wrote."""
        number, symbol = wanted.get("conId") or 0, wanted.get("symbol") or ""
        if number:
            known = self.by_id.get(number)
            return [known] if known is not None and (not symbol or symbol == known.symbol) else []
        kind = wanted.get("secType") or ""
        if kind in ("OPT", "FOP"):
            return list(self._options(wanted))
        if not symbol and wanted.get("localSymbol"):
            return [c for c in self.by_id.values() if c.local == wanted["localSymbol"] and _fits(c, wanted)]
        return [contract for contract in self._by_symbol.get(symbol, ()) if _fits(contract, wanted)]

    def _options(self, wanted: Mapping[str, Any]) -> Iterator[Contract]:
        for under in self._by_symbol.get(wanted.get("symbol") or "", ()):
            chain = chain_of(under, self.today)
            if under.sec_type not in ("STK", "IND") or wanted.get("tradingClass") not in ("", None, under.symbol):
                continue
            expiry, strike, right = wanted.get("lastTradeDateOrContractMonth") or "", wanted.get("strike"), (wanted.get("right") or "")[:1]
            for day in chain.expirations:
                if not day.startswith(expiry):
                    continue
                for at in chain.strikes if not strike else (strike,) if strike in chain.strikes else ():
                    for side in "CP" if right not in ("C", "P") else right:
                        made = option(under, day, at, side)
                        yield self.by_id.get(made.con_id) or self.add(made)

    def matching(self, pattern: str) -> list[Contract]:
        """Return stocks and indices whose symbol or name begins with a pattern, at most sixteen."""
        upper = pattern.upper()
        fit = [c for c in self.by_id.values() if c.sec_type in ("STK", "IND") and (c.symbol.startswith(upper) or c.name.startswith(upper))]
        return fit[:16]


def _fits(contract: Contract, wanted: Mapping[str, Any]) -> bool:
    """Say whether a contract fits every word that is not empty."""
    expiry = wanted.get("lastTradeDateOrContractMonth") or ""
    venue = wanted.get("exchange") or ""
    return (
        (wanted.get("secType") or contract.sec_type) in (contract.sec_type, "CONTFUT" if contract.sec_type == "FUT" else "")
        and (wanted.get("currency") or contract.currency) == contract.currency
        and (wanted.get("localSymbol") or contract.local) == contract.local
        and (wanted.get("tradingClass") or contract.trading_class) == contract.trading_class
        and contract.expiry.startswith(expiry)
        and (not venue or venue in venues(contract))
        and (wanted.get("primaryExchange") or contract.primary) in (contract.primary, "ISLAND" if contract.primary == "NASDAQ" else "")
    )


def venues(contract: Contract) -> tuple[str, ...]:
    """Return where a contract trades."""
    if contract.sec_type == "STK":
        return (*STOCK_VENUES.split(","), contract.primary)
    if contract.sec_type == "OPT":
        return ("SMART", "CBOE", "AMEX", "ISE", "PHLX")
    return (contract.exchange, "GLOBEX") if contract.exchange == "CME" else (contract.exchange,)


PRICE_RULES: dict[int, tuple[tuple[str, str], ...]] = {
    26: (("0", "0.01"),),
    67: (("0", "0.25"),),
    109: (("0", "0.05"), ("3", "0.1")),
    239: (("0", "0.00005"),),
}
"""Market rules: from which price on which step holds."""
