"""What the runner sees and wants: pieces become bars, bars are marked, the strategy is asked, wishes go to the gate.

Theory of operation. All of this runs inside the runner's one consumer, without an await. A
bar does the same things in the same order as in a backtest: the day begins, the
instrument is marked, the strategies are asked, and what is news becomes a wish. While the
link is not READY the strategies are asked all the same, because their state must not miss a
bar, and their answers make no order. `guard` runs after everything that may have changed the book.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from ledger.book import H_DAY, H_GATES, I_POSITION, event
from ledger.journal.days import trading_days
from ledger.units import to_grid
from ledger.vocabulary import EventKind, Gate, Side
from live.broker.fold import Contract
from live.broker.heard import HistoryBar
from live.config import PaperConfig
from live.market.accumulate import ACCUMULATOR, Accumulator
from live.market.desk import Desk
from live.market.exits import Exits
from live.market.feed import SECOND_NS, Gatherer, bar_ns, bar_size
from live.market.guards import Guards, working
from live.market.history import Asker, Bar, OldBar, Past
from live.market.holdings import live
from live.market.hours import AlwaysOpen, Calendar
from live.market.stops import Net, Price
from live.market.wishes import FeeOf, Maker, NotTradable
from live.ops import opening
from live.orders import STRATEGY_ID
from live.tape import Tape, act
from live.trader import Trader
from strategies import get
from strategies.api import Strategy, parse_params
from strategies.sizing import parse_rule, weights
from strategies.sizing.weights import bars_per_year

EPOCH_ORDINAL = 719_163
PIECE_NS = 5 * SECOND_NS
LATENESS_NS = 2 * SECOND_NS
"""How long after its end a bar is still waited for."""
AGAIN_NS = 20 * SECOND_NS
"""Gateways refuse the same question about the past within fifteen seconds."""
SESSION_S = 6 * 3600
CORRECTIONS_MAX = 8
"""Corrections of one instrument's guards at a time; three guards need six at most."""


class Market:
    """The bars of all instruments of a session, and the strategies that look at them. Instruments by place, from 0."""

    def __init__(
        self, config: PaperConfig, fee_of: FeeOf, zone: ZoneInfo, say: Callable[[str], None], calendar: Calendar | None = None
    ) -> None:  # fmt: skip
        self.config, self._zone, self._say, self.calendar = config, zone, say, calendar or AlwaysOpen()
        self.tape: Tape | None = None
        self.delayed: set[str] = set()
        """Symbols whose data the gateway calls delayed; nothing is decided for them unless the configuration allows it."""
        team = team_of(config)
        self._rule = parse_rule(config.size)
        # Targets of strategies that see all their instruments are weights of the whole account already, as in a backtest.
        wide = all(strategy.prepare_universe is not None for strategy, _ in team)
        self._sharing = len(team) * (1 if wide else len(config.symbols))
        self.pasts = [Past(opening.PRICE_EXP) for _ in config.symbols]
        self.guards, self.exits = Guards(), Exits(say)
        self.net = Net(config.second_net, self.guards)
        maker, ids = Maker(self._rule.size(self._sharing), fee_of), range(STRATEGY_ID, STRATEGY_ID + len(team))
        collected = {rule.symbol: ACCUMULATOR for rule in config.accumulate}
        self._accumulator = Accumulator(config.accumulate, fee_of, zone, say)
        self.desks = [
            Desk(number, Asker(strategy, params, self.pasts), maker, self.guards, ids, say, config.passive, config.brackets, collected)
            for number, (strategy, params) in zip(ids, team, strict=True)
        ]
        self.length_ns = bar_ns(config.bar)
        bar_size(self.length_ns)
        self._prices: list[Price | None] = [None] * len(config.symbols)
        self._complaints: dict[tuple[int, int], str] = {}
        self._waiting: dict[int, dict[int, Bar]] = {}
        self._missed: dict[int, dict[int, Bar]] = {}
        self._asked_ns = [0] * len(config.symbols)
        self._gatherers = [Gatherer(self.length_ns) for _ in config.symbols]
        self.bars_seen = 0

    def waits_for(self, now_ns: int) -> str:
        """Say what is traded and what the next decision waits for."""
        hours, names = self.calendar.at(now_ns), ", ".join(desk.asker.strategy.name for desk in self.desks)
        what = f"TRADING {names} on {', '.join(self.config.symbols)}, {len(self.pasts[0])} bars of {self.config.bar} loaded; "
        if not hours.is_open and hours.next_open_ns is not None:
            return f"{what}the exchange opens {utc(hours.next_open_ns)}"
        return f"{what}the next bar ends {utc(now_ns - now_ns % self.length_ns + self.length_ns, seconds=True)}"

    @property
    def late(self) -> int:
        """Return how many pieces came for bars that were given away already."""
        return sum(gatherer.late for gatherer in self._gatherers)

    def duration(self) -> str:
        """Return how much past the strategies need for their first opinion, in IBKR's words."""
        warmup = max(desk.asker.strategy.warmup(desk.asker.params) for desk in self.desks)
        need_s = (warmup + 2) * self.length_ns // SECOND_NS
        return f"{max(1, -(-need_s // SESSION_S))} D"

    @act
    def load(self, place: int, past: Sequence[HistoryBar], now_ns: int) -> bool:
        """Take an instrument's past; return whether there was any."""
        bars = [bar for bar in (in_ticks(piece, self.length_ns) for piece in past) if bar.end_ns <= now_ns]
        for bar in bars:
            self.pasts[place].add(bar)
        if bars:
            self._gatherers[place].start_after(bars[-1].end_ns)
            self._prices[place] = Price(bars[-1].close, bars[-1].end_ns)
        return bool(bars)

    def has_hole(self, place: int, now_ns: int) -> bool:
        """Say whether a whole bar of an instrument has passed unseen, so that history should be asked for it."""
        last = self.pasts[place].last
        return last is not None and self.calendar.at(now_ns).is_open and now_ns >= max(
            last.end_ns + self.length_ns + LATENESS_NS, self._asked_ns[place] + AGAIN_NS
        )  # fmt: skip

    @act
    def fill(self, place: int, past: Sequence[HistoryBar], now_ns: int) -> int:
        """Take the bars of a stretch in which nobody listened; return how many there are. `catch_up` works them off."""
        self._asked_ns[place] = now_ns
        last = self.pasts[place].last
        bars = [bar for bar in (in_ticks(piece, self.length_ns) for piece in past) if bar.end_ns <= now_ns]
        missed = [bar for bar in bars if last is None or bar.start_ns >= last.end_ns]
        for bar in missed:
            self._missed.setdefault(bar.end_ns, {})[place] = bar
            self._gatherers[place].start_after(bar.end_ns)
        return len(missed)

    @act
    def catch_up(self, trader: Trader) -> None:
        """Add and mark the bars that were missed, and ask the strategies about them: their state sees every bar, no order is made."""
        for end_ns in sorted(self._missed):
            bars = self._missed.pop(end_ns)
            added = [place for place in sorted(bars) if self._add(place, bars[place], trader)]
            for place in added:
                self._ask(place, bars[place], trader, may_send=False)

    @act
    def adopt(self, trader: Trader) -> None:
        """Ask for all of the past, and take the last answers for acted upon where the book says that they were."""
        for place, contract in enumerate(trader.contracts.values()):
            for desk in self.desks:
                said = desk.asker.in_force(place) if len(self.pasts[place]) else None
                if said is not None:
                    desk.adopt(trader.session.book, contract, said)

    @act
    def delay(self, symbol: str) -> None:
        """Take an instrument's data for delayed from now on; no symbol: none is any more."""
        self.delayed = self.delayed | {symbol} if symbol else set()

    @act
    def on_piece(self, place: int, piece: HistoryBar, trader: Trader, may_send: bool) -> None:
        """Take a five-second bar; a delayed one only where that is allowed."""
        if self.config.symbols[place] in self.delayed and not self.config.allow_delayed:
            return
        bar = in_ticks(piece, PIECE_NS)
        self._prices[place] = Price(bar.close, bar.end_ns)
        self._take(place, self._gatherers[place].add(bar))
        self._release(None, trader, may_send)

    @act
    def on_tick(self, now_ns: int, trader: Trader, may_send: bool) -> None:
        """Give away the bars whose end has passed, and keep the exchange's hours."""
        self._keep_hours(now_ns, trader)
        for place, gatherer in enumerate(self._gatherers):
            self._take(place, gatherer.flush(now_ns - LATENESS_NS))
        self._release(now_ns, trader, may_send)
        if not may_send:
            self.net.forget()

    def _keep_hours(self, now_ns: int, trader: Trader) -> None:
        """Raise or lower the gate MARKET_CLOSED when the exchange closed or opened."""
        hours, session = self.calendar.at(now_ns), trader.session
        closed = bool(session.book.arena[H_GATES] & Gate.MARKET_CLOSED)
        if closed == hours.is_open:
            side = Side.SELL if hours.is_open else Side.BUY
            session.record(event(EventKind.GATE, time_ns=now_ns, side=side, reason=Gate.MARKET_CLOSED))
            moment = hours.next_close_ns if hours.is_open else hours.next_open_ns
            until = f" until {utc(moment)}" if moment is not None else ""
            self._say(f"MARKET {'OPEN' if hours.is_open else 'CLOSED'}{until}: {self.calendar.name}")

    def _take(self, place: int, bar: Bar | None) -> None:
        if bar is not None:
            self._waiting.setdefault(bar.end_ns, {})[place] = bar

    def _release(self, now_ns: int | None, trader: Trader, may_send: bool) -> None:
        """Work off the moments whose bars are all here, or that nobody waits for any longer.

        All bars of a moment are added and marked before the strategy is asked for any: it may look at
        all of them, and sizes are parts of the equity that all of them make.
        """
        for end_ns in sorted(self._waiting):
            whole = len(self._waiting[end_ns]) == len(self.config.symbols)
            if whole or (now_ns is not None and now_ns >= end_ns + LATENESS_NS):
                bars = self._waiting.pop(end_ns)
                added = [place for place in sorted(bars) if self._add(place, bars[place], trader)]
                for place in added:
                    self._ask(place, bars[place], trader, may_send)

    def _add(self, place: int, bar: Bar, trader: Trader) -> bool:
        """Add a bar to the past and mark its instrument; False when it came too late."""
        try:
            self.pasts[place].add(bar)
        except OldBar as error:
            self._say(f"LATE BAR: {self.config.symbols[place]}: {error}")
            return False
        self.bars_seen += 1
        number, session = list(trader.contracts)[place], trader.session
        self.begin_day(trader, bar.start_ns)
        session.record(event(EventKind.MARK, time_ns=bar.end_ns, instrument=number, price_ticks=bar.close))
        return True

    @act
    def begin_day(self, trader: Trader, time_ns: int) -> None:
        """Begin the trading day of a moment, unless it has begun; it begins with its first bar or execution, whichever is heard of."""
        start_ns = time_ns - time_ns % self.length_ns
        day = int(trading_days(np.array([start_ns], np.int64), self._zone)[0]) + EPOCH_ORDINAL
        if day > trader.session.book.arena[H_DAY]:
            trader.session.record(event(EventKind.DAY, time_ns=start_ns, revision=day))

    def _ask(self, place: int, bar: Bar, trader: Trader, may_send: bool) -> None:
        """Ask the strategies, and hand their wishes to the gate."""
        contract = list(trader.contracts.values())[place]
        for desk in self.desks:
            said = desk.asker.ask(place)
            if said is None or not may_send or self.exits.leaving(contract.number):
                continue
            try:
                desk.consider(trader, contract, bar, self._weight(place), said)
            except NotTradable as error:
                self._complain(desk.number, place, str(error))

    def _complain(self, strategy: int, place: int, text: str) -> None:
        """Say what is wrong with a strategy's wishes, once for each sentence."""
        if self._complaints.get((strategy, place)) != text:
            self._complaints[strategy, place] = text
            self._say(f"{self.config.symbols[place]}: {text}")

    @act
    def guard(self, trader: Trader, now_ns: int) -> None:
        """Go on with every instrument: what is to be left, what waits, and guards in line with positions."""
        is_open = not trader.session.book.arena[H_GATES] & Gate.MARKET_CLOSED
        if not is_open:
            self.net.forget()
        for place, contract in enumerate(trader.contracts.values()):
            price = self._prices[place]
            reason = self.net.watch(trader.session.book, contract, price, now_ns) if is_open else ""
            if reason:
                self.leave(contract, reason)
            self.exits.step(trader, contract, price.ticks if price else 0, now_ns, is_open)
            leaving = self.exits.leaving(contract.number)
            for desk in self.desks:
                if not leaving:
                    desk.settle(trader, contract, price.ticks if price else 0, now_ns)
            if is_open and not leaving:
                self._accumulator.step(trader, contract, price.ticks if price else 0, now_ns)
            for _ in range(CORRECTIONS_MAX):
                if not self.guards.sync(trader, contract, now_ns, may_claim=is_open and not leaving):
                    break

    def leave(self, contract: Contract, why: str) -> None:
        """Leave an instrument at once: cancel what works for it, then close what is held."""
        if self.exits.leave(contract.number, why):
            self._say(f"LEAVING: {contract.symbol}: {why}")
            for desk in self.desks:
                desk.drop(contract.number)

    @act
    def flat(self, trader: Trader, why: str) -> list[str]:
        """Leave every instrument that has a position or a live order; return their symbols."""
        book = trader.session.book
        busy = [c for c in trader.contracts.values() if book.instruments[c.number, I_POSITION] != 0 or live(book, c.number)]
        for contract in busy:
            self.leave(contract, why)
        return [contract.symbol for contract in busy]

    def without_exit_rule(self, trader: Trader) -> list[str]:
        """Return the symbols of positions that no order at the broker and no wanted guard would ever close."""
        book = trader.session.book
        held = [c for c in trader.contracts.values() if book.instruments[c.number, I_POSITION] != 0]
        return [c.symbol for c in held if not working(book, c.number) and not self.guards.wanted(c.number)]

    def _weight(self, place: int) -> int:
        if not self._rule.statistical:
            return self._rule.size(self._sharing).amount
        universe = [past.bars() for past in self.pasts]
        return int(weights(self._rule, universe, bars_per_year(self.config.bar), self._sharing)[place][-1])


def team_of(config: PaperConfig) -> list[tuple[Strategy, Any]]:
    """Return the strategies of a session with their parameters, in the order of their ids.

    Raises:
        strategies.api.StrategyError: a name or a parameter that does not exist.
    """
    texts = [" ".join([config.strategy, *(f"{name}={value:g}" for name, value in config.params.items())]), *config.also]
    found = []
    for text in texts:
        name, *words = text.split()
        chosen = get(name)
        found.append((chosen, parse_params(chosen, words)))
    return found


def utc(time_ns: int, seconds: bool = False) -> str:
    """Return a moment as people read it."""
    return datetime.fromtimestamp(time_ns // SECOND_NS, UTC).strftime(f"%Y-%m-%d %H:%M{':%S' if seconds else ''} UTC")


def in_ticks(bar: HistoryBar, length_ns: int) -> Bar:
    """Return a bar in ticks; prices finer than the grid are rounded, because no money is made of them."""
    opened, high, low, close = (
        to_grid(round(price, opening.PRICE_EXP), opening.PRICE_EXP, "bar price") for price in (bar.open, bar.high, bar.low, bar.close)
    )
    return Bar(bar.start_ns, bar.start_ns + length_ns, opened, high, low, close, float(bar.volume))
