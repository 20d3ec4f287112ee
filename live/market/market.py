"""What the runner sees and wants: pieces become bars, bars are marked, the strategy is asked, wishes go to the gate.

Theory of operation. All of this runs inside the runner's one consumer, without an await. A
bar does the same things in the same order as in a backtest: the day begins, the
instrument is marked, the strategy is asked, and a new target becomes a wish. While the
link is not READY the strategy is asked all the same, because its state must not miss a
bar, and its answer makes no order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

import numpy as np

from ledger.book import E_TARGET, H_DAY, I_POSITION, Row, event
from ledger.journal.days import trading_days
from ledger.units import UnitError, to_grid
from ledger.vocabulary import EventKind, Outcome
from live import opening
from live.broker.heard import HistoryBar
from live.config import PaperConfig
from live.market.feed import SECOND_NS, Gatherer, bar_ns
from live.market.guards import Guards, working
from live.market.history import Asker, Bar, OldBar
from live.market.wishes import FeeOf, NotTradable, Sizing, Wishes
from live.trader import STRATEGY_ID, Trader
from strategies import get
from strategies.api import Signal, parse_params
from strategies.sizing import parse_rule, weights
from strategies.sizing.weights import bars_per_year

WORST_BPS = 400
EPOCH_ORDINAL = 719_163
PIECE_NS = 5 * SECOND_NS
LATENESS_NS = 2 * SECOND_NS
"""How long after its end a bar is still waited for."""
SESSION_S = 6 * 3600
CORRECTIONS_MAX = 8
"""Corrections of one instrument's guards at a time; three guards need six at most."""
BAR_SIZES = {
    5: "5 secs", 10: "10 secs", 15: "15 secs", 30: "30 secs", 60: "1 min", 120: "2 mins", 180: "3 mins", 300: "5 mins",
    600: "10 mins", 900: "15 mins", 1200: "20 mins", 1800: "30 mins", 3600: "1 hour", 7200: "2 hours", 10800: "3 hours",
    14400: "4 hours", 28800: "8 hours",
}  # fmt: skip


class Market:
    """The bars of all instruments of a session, and the strategy that looks at them. Instruments by place, from 0."""

    def __init__(self, config: PaperConfig, fee_of: FeeOf, zone: ZoneInfo, say: Callable[[str], None]) -> None:
        self.config, self._zone, self._say = config, zone, say
        strategy = get(config.strategy)
        params = parse_params(strategy, [f"{name}={value:g}" for name, value in config.params.items()])
        self._asker = Asker(strategy, params, [opening.PRICE_EXP] * len(config.symbols))
        self._rule = parse_rule(config.size)
        # Targets of a strategy that sees all its instruments are weights of the whole account already, as in a backtest.
        self._sharing = 1 if strategy.prepare_universe is not None else len(config.symbols)
        self._wishes = Wishes(Sizing(STRATEGY_ID, self._rule.size(self._sharing), WORST_BPS, fee_of))
        self.length_ns = bar_ns(config.bar)
        bar_size(self.length_ns)
        self.guards = Guards()
        self._deferred: dict[int, tuple[Row, Signal]] = {}
        self._waiting: dict[int, dict[int, Bar]] = {}
        self._gatherers = [Gatherer(self.length_ns) for _ in config.symbols]
        self.bars_seen = 0

    @property
    def late(self) -> int:
        """Return how many pieces came for bars that were given away already."""
        return sum(gatherer.late for gatherer in self._gatherers)

    def duration(self) -> str:
        """Return how much past the strategy needs for its first opinion, in IBKR's words."""
        need_s = (self._asker.strategy.warmup(self._asker.params) + 2) * self.length_ns // SECOND_NS
        return f"{max(1, -(-need_s // SESSION_S))} D"

    def load(self, place: int, past: Sequence[HistoryBar], now_ns: int) -> bool:
        """Take an instrument's past; return whether there was any."""
        bars = [bar for bar in (in_ticks(piece, self.length_ns) for piece in past) if bar.end_ns <= now_ns]
        self._asker.load(place, bars)
        if bars:
            self._gatherers[place].start_after(bars[-1].end_ns)
        return bool(bars)

    def adopt(self, trader: Trader) -> None:
        """Ask for all of the past, and take the last targets for being in force where the book's position agrees."""
        for place, number in enumerate(trader.contracts):
            said = self._asker.in_force(place) if len(self._asker.pasts[place]) else None
            if said is not None:
                self._wishes.adopt(trader.session.book, number, said.target)
                self.guards.want(number, said)

    def on_piece(self, place: int, piece: HistoryBar, trader: Trader, may_send: bool) -> None:
        """Take a five-second bar."""
        self._take(place, self._gatherers[place].add(in_ticks(piece, PIECE_NS)))
        self._release(None, trader, may_send)

    def on_tick(self, now_ns: int, trader: Trader, may_send: bool) -> None:
        """Give away the bars whose end has passed."""
        for place, gatherer in enumerate(self._gatherers):
            self._take(place, gatherer.flush(now_ns - LATENESS_NS))
        self._release(now_ns, trader, may_send)

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
            self._asker.pasts[place].add(bar)
        except OldBar as error:
            self._say(f"LATE BAR: {self.config.symbols[place]}: {error}")
            return False
        self.bars_seen += 1
        number, session = list(trader.contracts)[place], trader.session
        self.begin_day(trader, bar.start_ns)
        session.record(event(EventKind.MARK, time_ns=bar.end_ns, instrument=number, price_ticks=bar.close))
        return True

    def begin_day(self, trader: Trader, time_ns: int) -> None:
        """Begin the trading day of a moment, unless it has begun; it begins with its first bar or execution, whichever is heard of."""
        start_ns = time_ns - time_ns % self.length_ns
        day = int(trading_days(np.array([start_ns], np.int64), self._zone)[0]) + EPOCH_ORDINAL
        if day > trader.session.book.arena[H_DAY]:
            trader.session.record(event(EventKind.DAY, time_ns=start_ns, revision=day))

    def _ask(self, place: int, bar: Bar, trader: Trader, may_send: bool) -> None:
        """Ask the strategy, and hand its wish to the gate."""
        symbol, number, session = self.config.symbols[place], list(trader.contracts)[place], trader.session
        said = self._asker.ask(place)
        if said is None or not may_send:
            return
        try:
            wish = self._wishes.wish(session.book, number, bar, self._weight(place), said)
        except NotTradable as error:
            self._say(f"{symbol}: {error}")
            return
        if wish is None:
            return
        self._deferred.pop(number, None)
        position, target = int(session.book.instruments[number, I_POSITION]), int(wish[E_TARGET])
        if abs(target) < abs(position) or target * position < 0:
            # Guards hold the quantity; they are withdrawn before the strategy's own exit asks for it.
            self.guards.withdraw(number)
            self._deferred[number] = (wish, said)
        else:
            self._hand_over(trader, number, wish, said)

    def _hand_over(self, trader: Trader, number: int, wish: Row, said: Signal) -> None:
        """Hand a wish to the gate; from here on its guards are the instrument's."""
        self.guards.want(number, said)
        outcome = trader.on_wish(wish)
        if outcome not in (Outcome.APPLIED, Outcome.AT_TARGET):
            self._wishes.forget(number)
            self._say(f"{trader.contracts[number].symbol}: wish refused: {outcome.name}")

    def guard(self, trader: Trader, now_ns: int) -> None:
        """Bring the guards of every instrument into line with its position; hand over exits whose guards are gone."""
        for contract in trader.contracts.values():
            if contract.number in self._deferred and not working(trader.session.book, contract.number):
                self._hand_over(trader, contract.number, *self._deferred.pop(contract.number))
            for _ in range(CORRECTIONS_MAX):
                if not self.guards.sync(trader, contract, now_ns):
                    break

    def worst_prices(self, trader: Trader) -> dict[int, int]:
        """Return the price at which leaving each position is reserved, by instrument; 1 tick where no bar was seen."""
        prices = {}
        for place, number in enumerate(trader.contracts):
            last = self._asker.pasts[place].last
            position = int(trader.session.book.instruments[number, I_POSITION])
            close = last.close if last is not None else 1
            prices[number] = max(1, close - (1 if position > 0 else -1) * (close * WORST_BPS // 10_000))
        return prices

    def _weight(self, place: int) -> int:
        if not self._rule.statistical:
            return self._rule.size(self._sharing).amount
        universe = [past.bars() for past in self._asker.pasts]
        return int(weights(self._rule, universe, bars_per_year(self.config.bar), self._sharing)[place][-1])


def in_ticks(bar: HistoryBar, length_ns: int) -> Bar:
    """Return a bar in ticks; prices finer than the grid are rounded, because no money is made of them."""
    opened, high, low, close = (
        to_grid(round(price, opening.PRICE_EXP), opening.PRICE_EXP, "bar price") for price in (bar.open, bar.high, bar.low, bar.close)
    )
    return Bar(bar.start_ns, bar.start_ns + length_ns, opened, high, low, close, float(bar.volume))


def bar_size(length_ns: int) -> str:
    """Return a bar length in IBKR's words.

    Raises:
        UnitError: a length that IBKR has no bars of.
    """
    seconds = length_ns // SECOND_NS
    if seconds not in BAR_SIZES:
        raise UnitError(f"IBKR has no bars of {seconds} s; it has {', '.join(BAR_SIZES.values())}")
    return BAR_SIZES[seconds]
