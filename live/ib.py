"""The only file that knows ib_async: one connection to a gateway, its raw callbacks as facts.

Theory of operation. ib_async parses the wire and keeps pictures of orders and fills of its
own. The pictures lose, merge and invent states (`tests/scenarios/pitfalls/test_ib_pitfalls.py` pins
how), so they are not looked at. A tap sits on the wrapper's methods, below the pictures:
each callback first becomes a Fact and goes to `on_fact`, then the library may have it.
Handlers of the library swallow exceptions; the tap hands them to `on_fault`, and a frame
that could not be decoded is a fault as well, because an execution may have been in it.

A Gateway object is one connection and is not used again. Orders are sent through the
library's client, below its pictures, with ids reserved here. Every question has a time
limit; questions that share an answer channel are asked one after the other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, NamedTuple, cast

import ib_async

from live.broker.codes import is_empty, is_pacing
from live.broker.facts import (
    CommissionSeen,
    ExecutionSeen,
    Fact,
    MessageSeen,
    OrderSeen,
    PositionSeen,
    StatusSeen,
    amount,
)  # fmt: skip
from live.broker.heard import DecoderFaults, HistoryBar, history_bar, live_bar, moment_ns, order_fact
from live.broker.reconcile import Snapshot
from live.broker.tickets import Ticket
from live.clock import heed_cancel
from live.config import require_paper_accounts

TAPPED = ("openOrder", "orderStatus", "execDetails", "commissionReport", "completedOrder", "position", "error")
ABSENT_ORDER_ID = 2_147_483_647
VERSION, TESTED = str(ib_async.__version__), "2.1.0"


class GatewayError(ConnectionError):
    """The gateway did not do what a connection needs; the message says what and what to look at."""

    accounts: tuple[str, ...] | None = None
    """The accounts that it named before it failed, None when it came to none."""


class ClientIdInUse(GatewayError):
    """Another connection has this client id; orders belong to it, so no other id is tried."""


class TooFast(GatewayError):
    """The gateway counts a question for the past as one too many; a minute of silence mends it."""


QUIET = logging.NullHandler()


class NoSuchStock(GatewayError):
    """The gateway knows no such stock."""


class Listing(NamedTuple):
    """What the gateway says of a contract that is to be traded."""

    symbol: str
    con_id: int
    min_tick: Decimal
    exchange: str
    currency: str
    time_zone: str
    trading_hours: str
    liquid_hours: str
    contract: Any


class Gateway:
    """One connection. Open it, use it, close it; a broken one is thrown away."""

    def __init__(
        self, on_fact: Callable[[Fact], None], on_closed: Callable[[], None], on_fault: Callable[[str], None], now_ns: Callable[[], int]
    ) -> None:
        self._on_fact, self._on_closed, self._on_fault, self._now_ns = on_fact, on_closed, on_fault, now_ns
        self._ib = ib_async.IB()
        self._ib.client.MaxRequests = 0  # its queue would hide orders that never reached the socket; the pacer counts
        self._ib.RaiseRequestErrors = True
        self._orders: list[OrderSeen] | None = None
        self._executions: list[ExecutionSeen] | None = None
        self._completed: list[OrderSeen] | None = None
        self._positions: dict[tuple[str, int], PositionSeen] = {}
        self._named: tuple[str, ...] | None = None
        self._refused: dict[int, Callable[[int, str], None]] = {}
        self._question = asyncio.Lock()
        self.permit: Callable[[tuple[str, ...]], str] = lambda accounts: require_paper_accounts(accounts, None)
        """Asked before every order that is sent: it raises unless the accounts the gateway manages now are provably paper."""
        self.turn = _at_once
        """Awaited before every question, so that whoever counts messages counts these as well."""
        self._decoder = DecoderFaults(on_fault)
        self._told_id = 0
        """The next order id as the gateway told it when this connection began; the library's own count runs ahead of it."""
        self._tap()

    # The connection.

    async def open(self, host: str, port: int, client_id: int, timeout: float) -> tuple[str, ...]:
        """Connect, with every start-up question answered; return the managed accounts.

        Raises:
            GatewayError: nobody there, no answer in time, or the client id is in use.
        """
        messages: list[str] = []
        self._ib.errorEvent += lambda req_id, code, text, contract: messages.append(f"{code}: {text}")
        # Without a handler Python prints the library's complaints on its own; the tap hears each of them as well.
        logging.getLogger("ib_async").addHandler(QUIET)
        logging.getLogger("ib_async.Decoder").addHandler(self._decoder)
        try:
            async with asyncio.timeout(3 * timeout):
                await self._ib.connectAsync(host, port, client_id, timeout=timeout, raiseSyncErrors=True)
                heed_cancel()
        except (OSError, TimeoutError) as error:
            self.close()
            heed_cancel()
            heard = f"; it said {'; '.join(messages)}" if messages else ""
            kind = ClientIdInUse if any(line.startswith("326:") for line in messages) else GatewayError
            failed = kind(
                f"no working connection to a gateway at {host}:{port} as client {client_id}: "
                f"{str(error) or 'it did not answer in time'}{heard}. Is it running, logged in, and set to accept API clients?"
            )
            failed.accounts = self._named
            raise failed from error
        self._ib.disconnectedEvent += self._on_closed
        return tuple(self._ib.managedAccounts())

    def close(self) -> None:
        """Close the connection; closing twice is allowed."""
        self._ib.disconnectedEvent.clear()
        logging.getLogger("ib_async.Decoder").removeHandler(self._decoder)
        self._ib.disconnect()

    def cash(self, account: str, currency: str) -> Decimal | None:
        """Return the cash the broker told last, None when it told none in this currency; its total is another one where its base is."""
        told = {(v.tag, v.currency): v.value for v in self._ib.accountValues(account)}
        total = told.get(("TotalCashBalance", "BASE")) if ("NetLiquidation", currency) in told else None
        found = told.get(("TotalCashBalance", currency), total)
        return None if found is None else amount(found)

    def is_open(self) -> bool:
        """Say whether the socket is connected; it may be and the gateway dead all the same."""
        return bool(self._ib.isConnected())

    async def heartbeat(self, timeout: float) -> bool:
        """Ask for the gateway's time; return whether it answered in time."""
        await self.turn()
        try:
            async with asyncio.timeout(timeout):
                await self._ib.reqCurrentTimeAsync()
        except (TimeoutError, ConnectionError):
            return False
        return True

    # Orders.

    def reserve_order_id(self) -> int:
        """Return the next order id of this client; ids only grow within a connection."""
        return int(self._ib.client.getReqId())

    def place(self, ticket: Ticket, contract: Any) -> None:
        """Write an order to the socket, once.

        Raises:
            ConnectionError: the socket is closed; nothing was written. ConfigError: not provably paper; nothing was written.
        """
        self.permit(tuple(self._ib.managedAccounts()))
        order = ib_async.Order(
            orderId=ticket.order_id, clientId=self._ib.client.clientId, orderRef=ticket.order_ref, account=ticket.account,
            action=ticket.action, totalQuantity=float(ticket.quantity), orderType=ticket.order_type, tif=ticket.tif,
            outsideRth=ticket.outside_rth, parentId=ticket.parent_id, ocaGroup=ticket.oca_group,
            ocaType=1 if ticket.oca_group else 0, transmit=ticket.transmit,
        )  # fmt: skip
        if ticket.limit is not None:
            order.lmtPrice = float(ticket.limit)
        if ticket.aux is not None:
            order.auxPrice = float(ticket.aux)
        client: Any = self._ib.client
        client.placeOrder(ticket.order_id, contract, order)

    def cancel(self, order_id: int) -> None:
        """Ask for a cancel.

        Raises:
            ConnectionError: the socket is closed; nothing was written.
        """
        client: Any = self._ib.client
        client.cancelOrder(order_id, "")

    # Questions.

    async def snapshot(self, account: str, timeout: float) -> Snapshot:
        """Return every list the broker has, each in full or None."""
        async with self._question:
            positions = await self._answered(self._ib.reqPositionsAsync, timeout)
            own = await self._orders_of(self._ib.reqOpenOrdersAsync, timeout)
            everyone = await self._orders_of(self._ib.reqAllOpenOrdersAsync, timeout)
            executions = await self._executions_of(account, timeout)
            completed = await self._completed_of(timeout)
            next_id = self._told_id
        held = tuple(self._positions.values()) if positions else None
        return Snapshot(self._now_ns(), next_id, held, own, everyone, executions, completed)

    async def _answered(self, ask: Callable[[], Any], timeout: float) -> bool:
        await self.turn()
        try:
            async with asyncio.timeout(timeout):
                await ask()
        except (TimeoutError, ConnectionError, ib_async.RequestError):
            return False
        return True

    async def _orders_of(self, ask: Callable[[], Any], timeout: float) -> tuple[OrderSeen, ...] | None:
        self._orders = []
        answered = await self._answered(ask, timeout)
        found, self._orders = self._orders, None
        return tuple(found) if answered else None

    async def _executions_of(self, account: str, timeout: float) -> tuple[ExecutionSeen, ...] | None:
        self._executions = []
        # Some gateways never answer an empty filter, so the account is named.
        named = ib_async.ExecutionFilter(acctCode=account)
        answered = await self._answered(lambda: self._ib.reqExecutionsAsync(named), timeout)
        found, self._executions = self._executions, None
        return tuple(found) if answered else None

    async def _completed_of(self, timeout: float) -> tuple[OrderSeen, ...] | None:
        self._completed = []
        answered = await self._answered(lambda: self._ib.reqCompletedOrdersAsync(False), timeout)
        found, self._completed = self._completed, None
        return tuple(found) if answered else None

    async def listing(self, symbol: str, exchange: str, currency: str, timeout: float) -> Listing:
        """Return what a stock is at the broker.

        Raises:
            GatewayError: no such contract, or several.
        """
        await self.turn()
        try:
            async with asyncio.timeout(timeout):
                found = await self._ib.reqContractDetailsAsync(ib_async.Stock(symbol, exchange, currency))
        except TimeoutError as error:
            raise GatewayError(f"{symbol}: the gateway did not say in time what it is") from error
        except ib_async.RequestError as error:
            raise NoSuchStock(f"{symbol}: the gateway does not know this stock on {exchange} in {currency}: {error.message}") from error
        if len(found) != 1:
            raise GatewayError(f"{symbol}: {len(found)} contracts on {exchange} in {currency}; expected exactly one, name it more closely")
        detail, contract = found[0], cast(Any, found[0].contract)
        return Listing(
            symbol, contract.conId, Decimal(str(detail.minTick)), contract.exchange, contract.currency, detail.timeZoneId,
            detail.tradingHours, detail.liquidHours, contract,
        )  # fmt: skip

    async def history(self, contract: Any, duration: str, bar_size: str, timeout: float) -> list[HistoryBar]:
        """Return past bars, oldest first, regular hours.

        Raises:
            GatewayError: refused (code and text in the message), or no answer in time.
        """
        await self.turn()
        try:
            async with asyncio.timeout(timeout):
                bars = await self._ib.reqHistoricalDataAsync(
                    contract, "", duration, bar_size, "TRADES", useRTH=True, formatDate=2, timeout=0
                )
        except (TimeoutError, ib_async.RequestError) as error:
            if isinstance(error, ib_async.RequestError) and is_empty(error.code, error.message):
                return []
            fast = isinstance(error, ib_async.RequestError) and is_pacing(error.code, error.message)
            kind = TooFast if fast else GatewayError
            raise kind(f"{contract.symbol}: no history of {duration} in {bar_size}: {error or 'no answer in time'}") from error
        return [history_bar(bar) for bar in bars]

    @asynccontextmanager
    async def live_bars(
        self, contract: Any, on_bar: Callable[[HistoryBar], None], on_refused: Callable[[int, str], None]
    ) -> AsyncIterator[None]:
        """Have `on_bar` called with each five-second bar while the block runs, `on_refused` when there will be none."""
        await self.turn()
        bars = self._ib.reqRealTimeBars(contract, 5, "TRADES", True)

        def taken(found: Any, new: bool) -> None:
            if new:
                self._guarded(lambda: on_bar(live_bar(found[-1])))

        bars.updateEvent += taken
        self._refused[bars.reqId] = on_refused
        try:
            yield
        finally:
            del self._refused[bars.reqId]
            bars.updateEvent -= taken
            if self.is_open():
                self._ib.cancelRealTimeBars(bars)

    def market_data_type(self, number: int) -> None:
        """Ask for live (1), frozen (2), delayed (3) or delayed frozen (4) data."""
        self._ib.reqMarketDataType(number)

    # The tap.

    def _tap(self) -> None:
        """Put a listener before each callback that carries a fact."""
        for name in TAPPED:
            original, said = getattr(self._ib.wrapper, name), getattr(self, f"_said_{name}")
            setattr(self._ib.wrapper, name, self._before(original, said))
        original_accounts = self._ib.wrapper.managedAccounts

        def accounts(text: str) -> None:
            # The library forgets them when the rest of the start fails, and they say why it did.
            self._named = tuple(text.split(","))
            original_accounts(text)

        setattr(self._ib.wrapper, "managedAccounts", accounts)  # noqa: B010 - mypy forbids to assign to a method
        client: Any = self._ib.client
        client.updateReqId = self._before(client.updateReqId, self._said_next_id)

    def _before(self, original: Callable[..., None], said: Callable[..., None]) -> Callable[..., None]:
        def callback(*arguments: Any) -> None:
            self._guarded(lambda: said(*arguments))
            original(*arguments)

        return callback

    def _guarded(self, work: Callable[[], None]) -> None:
        """Run a listener; the library would swallow what it raises."""
        try:
            work()
        except Exception as error:
            self._on_fault(f"{type(error).__name__}: {error}")
            raise

    def _said_next_id(self, order_id: int) -> None:
        self._told_id = self._told_id or order_id

    def _said_openOrder(self, order_id: int, contract: Any, order: Any, state: Any) -> None:
        if order.whatIf:
            return
        fact = order_fact(self._now_ns(), order_id, contract, order, state, completed=False)
        if self._orders is not None:
            self._orders.append(fact)
        self._on_fact(fact)

    def _said_completedOrder(self, contract: Any, order: Any, state: Any) -> None:
        fact = order_fact(self._now_ns(), 0, contract, order, state, completed=True)
        if self._completed is not None:
            self._completed.append(fact)
        self._on_fact(fact)

    def _said_orderStatus(
        self, order_id: int, status: str, filled: float, _remaining: float, _average: float, perm_id: int, _parent: int,
        _last: float, client_id: int, why_held: str, *_rest: Any,
    ) -> None:  # fmt: skip
        self._on_fact(StatusSeen(self._now_ns(), order_id, client_id, perm_id, status, Decimal(str(filled)), why_held or ""))

    def _said_execDetails(self, _req_id: int, contract: Any, execution: Any) -> None:
        order_id = 0 if execution.orderId == ABSENT_ORDER_ID else execution.orderId
        fact = ExecutionSeen(
            moment_ns(execution.time), execution.execId, execution.orderRef or "", order_id, execution.clientId,
            execution.permId, execution.acctNumber, contract.conId, contract.symbol, execution.side,
            Decimal(str(execution.shares)), Decimal(str(execution.price)), Decimal(str(execution.cumQty)),
        )  # fmt: skip
        if self._executions is not None:
            self._executions.append(fact)
        self._on_fact(fact)

    def _said_commissionReport(self, report: Any) -> None:
        self._on_fact(CommissionSeen(self._now_ns(), report.execId, amount(report.commission), report.currency))

    def _said_position(self, account: str, contract: Any, size: float, average: float) -> None:
        fact = PositionSeen(
            self._now_ns(), account, contract.conId, contract.symbol, Decimal(str(size)), Decimal(str(average))
        )
        self._positions[account, contract.conId] = fact
        self._on_fact(fact)

    def _said_error(self, req_id: int, code: int, text: str, *_rest: Any) -> None:
        self._on_fact(MessageSeen(self._now_ns(), req_id, code, text))
        refused = self._refused.get(req_id)
        if refused is not None and not 2100 <= code < 2200:
            refused(code, text)


async def _at_once() -> None:
    """Let a question go at once."""
