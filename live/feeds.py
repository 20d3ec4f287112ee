"""The bars of a connection: the past once, the stretch nobody listened to, and live pieces while it lasts.

Theory of operation. One Feeds lives as long as the runner; its subscriptions live as long as a
connection. Questions about the past are asked for `tasks` symbols at a time, and the runner's
pacer counts each of them. The past of a symbol is loaded once; after an interruption the
bars of it are asked for, shown to the strategies, and no order is made of them. Delayed
data is flagged, and used only where the configuration allows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple, TypeVar

from live.broker.codes import DataNews, data_news
from live.broker.heard import HistoryBar
from live.config import PaperConfig
from live.ib import Gateway, GatewayError, Listing
from live.market.feed import bar_size
from live.market.market import Market
from live.trader import Trader

DELAYED = 3
"""IBKR's number of the kind of data that is asked for where delayed data is allowed."""
Found = TypeVar("Found")


async def at_a_time(most: int, jobs: Sequence[Callable[[], Coroutine[Any, Any, Found]]]) -> list[Found]:
    """Run jobs, `most` of them at a time; return what they return, in their order.

    No TaskGroup: in Python 3.11 one whose child fails leaves the task it is in marked as cancelled for good, and whoever heeds
    that mark later (`live.clock`, `live.ops.patience`) would end it.

    Raises:
        What the first job that failed raised; the others are cancelled.
    """
    gate = asyncio.Semaphore(most)

    async def one(job: Callable[[], Coroutine[Any, Any, Found]]) -> Found:
        async with gate:
            return await job()

    tasks = [asyncio.create_task(one(job)) for job in jobs]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Piece(NamedTuple):
    """A five-second bar of one instrument, by its place in the configuration."""

    place: int
    bar: HistoryBar


class Feeds:
    """The data of a session's instruments, by place."""

    def __init__(
        self, config: PaperConfig, market: Market, now_ns: Callable[[], int], say: Callable[[str], None],
        hear: Callable[[Piece], None],
    ) -> None:  # fmt: skip
        self._config, self._market, self._now_ns, self._say, self._hear = config, market, now_ns, say, hear
        self.lost = False
        """The connection said that it sends no data any more."""
        self.no_data: dict[str, str] = {}
        """Why no bars come, by symbol."""
        self._loaded: set[int] = set()
        self._adopted = False
        self._open = AsyncExitStack()

    async def listings(self, gateway: Gateway) -> list[Listing]:
        """Return what each symbol of the configuration is at the broker."""
        config, wait = self._config, self._config.timeouts.request
        return await at_a_time(
            config.tasks,
            [lambda symbol=symbol: gateway.listing(symbol, config.exchange, config.currency, wait) for symbol in config.symbols],  # type: ignore[misc]
        )

    async def begin(self, life: AsyncExitStack) -> None:
        """Begin a connection: its subscriptions end with it."""
        self._open = await life.enter_async_context(AsyncExitStack())

    async def again(self, gateway: Gateway, listings: Sequence[Listing], trader: Trader) -> None:
        """Subscribe anew on the same connection."""
        await self._open.aclose()
        await self.subscribe(gateway, listings, trader)

    async def subscribe(self, gateway: Gateway, listings: Sequence[Listing], trader: Trader) -> None:
        """Load what is missing of the past, and have live pieces heard.

        Raises:
            GatewayError: the past was refused at a start.
        """
        self.lost = False
        self._market.delay("")
        if self._config.allow_delayed:
            gateway.market_data_type(DELAYED)
        jobs = [lambda place=place, listing=listing: self._past(gateway, place, listing) for place, listing in enumerate(listings)]
        await at_a_time(self._config.tasks, jobs)
        for place, listing in enumerate(listings):
            await self._open.enter_async_context(gateway.live_bars(listing.contract, self._piece(place), self._refusal(listing.symbol)))
        if not self._adopted:
            self._market.adopt(trader)
        self._adopted = True
        self._market.catch_up(trader)

    async def _past(self, gateway: Gateway, place: int, listing: Listing) -> None:
        """Load an instrument's past, or the stretch of it that nobody listened to."""
        market = self._market
        if place in self._loaded and not market.has_hole(place, self._now_ns()):
            return
        try:
            past = await gateway.history(
                listing.contract, market.duration(), bar_size(market.length_ns), self._config.timeouts.history
            )
        except GatewayError as error:
            if place not in self._loaded:
                raise
            self._say(f"MISSED BARS: {listing.symbol}: {error}; the strategies have not seen them")
            return
        if place in self._loaded:
            count = market.fill(place, past, self._now_ns())
            self._say(f"MISSED BARS: {listing.symbol}: {count} bars of the interruption were loaded; no order is made of them")
        elif not market.load(place, past, self._now_ns()):
            self._say(f"NO HISTORY: {listing.symbol}: the strategy has no opinion before enough bars were seen")
        self._loaded.add(place)

    def _piece(self, place: int) -> Callable[[HistoryBar], None]:
        return lambda bar: self._hear(Piece(place, bar))

    def _refusal(self, symbol: str) -> Callable[[int, str], None]:
        """Return what says that an instrument gets no bars, or old ones; nothing is decided for it then."""

        def refused(code: int, text: str) -> None:
            if data_news(code) is DataNews.DELAYED:
                self._market.delay(symbol)
                used = "it is used, as `allow_delayed` says" if self._config.allow_delayed else "it is not used; `allow_delayed` would"
                self._say(f"DELAYED DATA: {symbol}: {text} {used}")
                return
            self.no_data[symbol] = f"{code}: {text}"
            self._say(f"NO DATA: {symbol}: {code}: {text}; nothing is decided for it until bars come")

        return refused
