"""What people may ask of a runner, done: the one place that turns a wish of `live.control` into acts.

Theory of operation. Called by the consumer between two facts, without an await, so an act is never torn by news. Each
wish has an answer, which whoever asked is shown: done, or why not. A comparison takes a while, so its answer is given
by the runner when it is over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.book import I_GATES
from ledger.units import UnitError, to_grid
from ledger.vocabulary import Gate, Outcome
from live import link as links
from live.broker.cash import KINDS, OF_AN_INSTRUMENT
from live.control import Answer, Wish
from live.ops.opening import PRICE_EXP

if TYPE_CHECKING:
    from live.broker.reconcile import Difference
    from live.runner import Runner
    from live.trader import Trader


def obey(runner: Runner, wish: Wish) -> Answer | None:
    """Do what a person asked for; None: the answer comes when the comparison is over."""
    trader = runner.trader
    if wish.do == "stop":
        runner.stop()
        return Answer(True, "the runner stops; positions and orders at the broker stay as they are")
    if wish.do == "halt":
        return _halt(runner, wish)
    if trader is None:
        return Answer(False, f"the book is not open yet, because the runner is {runner.link.state.value}: {runner.link.reason}")
    return _with_book(runner, trader, wish)


def _halt(runner: Runner, wish: Wish) -> Answer:
    if runner.trader is None:
        runner.people.halts.append(wish)
        return Answer(True, "entries are refused from the gateway's first answer on, until `onebook paper resume`")
    runner.trader.halt(who(wish))
    return Answer(True, "every order's cancel is asked for, and entries are refused, also after restarts, until `onebook paper resume`")


def _with_book(runner: Runner, trader: Trader, wish: Wish) -> Answer | None:
    if wish.do == "resume":
        return _resume(runner, trader, wish)
    if wish.do == "flat":
        symbols = ", ".join(runner.market.flat(trader, who(wish)))
        text = f"{symbols}: orders are cancelled, then positions closed; strategies go on, unless `onebook paper halt`"
        return Answer(True, text if symbols else "no position and no order")
    if wish.do == "look":
        if runner.link.state not in (links.State.SYNCING, links.State.READY):
            return Answer(False, f"there is nobody to compare with, because the runner is {runner.link.state.value}: {runner.link.reason}")
        runner.people.looks.append(wish)
        runner.look_now.set()
        return None
    if wish.do == "cash":
        runner.look_now.set()
        return _cash(runner, trader, wish)
    if wish.do == "settle":
        done = wish.symbol.isdecimal() and trader.settle(int(wish.symbol), who(wish))
        return Answer(done, f"order {wish.symbol} {'is ended in your name' if done else 'is no order in doubt'}")
    return _about_instrument(runner, trader, wish)


def _resume(runner: Runner, trader: Trader, wish: Wish) -> Answer:
    if trader.resume(who(wish)) != Outcome.APPLIED and runner.link.state is not links.State.HALTED:
        return Answer(False, "nothing was halted")
    runner.change(links.resumed(runner.link, runner.clock.now_ns()))
    return Answer(True, "the kill switch is released; entries open when broker and book agree")


def _about_instrument(runner: Runner, trader: Trader, wish: Wish) -> Answer:
    number = {contract.symbol: n for n, contract in trader.contracts.items()}.get(wish.symbol)
    if number is None:
        return Answer(False, f"{wish.symbol} is not traded here; {', '.join(c.symbol for c in trader.contracts.values())} are")
    differs = next((found for found in (runner.comparison.differences if runner.comparison else ()) if found.instrument == number), None)
    if wish.do == "adjust":
        return _adjust(runner, trader, differs, wish)
    if differs is not None:
        return Answer(False, f"{trader.differs(differs)}; find out why, then `onebook paper adjust --symbol {wish.symbol}`")
    if not trader.session.book.instruments[number, I_GATES] & Gate.BLOCKED:
        return Answer(False, f"{wish.symbol} is not closed")
    outcome = trader.open_instrument(number, who(wish))
    return Answer(outcome == Outcome.APPLIED, f"{wish.symbol} may be traded again: {outcome.name}")


def _adjust(runner: Runner, trader: Trader, differs: Difference | None, wish: Wish) -> Answer:
    """Book what the broker holds more or less than the book, at the price that was told or that the broker says it cost."""
    if differs is None:
        return Answer(False, f"{wish.symbol} does not differ")
    if differs.broker_lots is None:
        return Answer(False, f"{wish.symbol}: the broker's quantity is not on the book's grid")
    lots = differs.broker_lots - differs.book_lots
    try:
        price = _cost(runner, trader, differs.instrument) if lots > 0 and not wish.price else to_grid(wish.price, PRICE_EXP, "price")
    except UnitError as error:
        return Answer(False, f"{error}; say with --price what a share was worth when it {'came' if lots > 0 else 'went'}")
    outcome = trader.adjust(differs.instrument, lots, price, who(wish))
    runner.look_now.set()
    text = f"{trader.differs(differs)}: the book holds what the broker holds now; `onebook paper allow --symbol {wish.symbol}` opens it"
    return Answer(outcome == Outcome.APPLIED, text if outcome == Outcome.APPLIED else f"{wish.symbol}: the book answered {outcome.name}")


def _cash(runner: Runner, trader: Trader, wish: Wish) -> Answer:
    """Book the cash that the broker has more or less than the book, as what a person says it was."""
    cash, gap_e8 = runner.cash, runner.cash.gap_e8()
    if cash.broker() is None:
        return Answer(False, "the broker has not told its cash")
    if not gap_e8:
        return Answer(False, "cash does not differ, or not for as long as the broker may take to tell it (200 s)")
    if wish.kind not in KINDS or KINDS[wish.kind].direction * gap_e8 < 0:
        return Answer(False, f"{cash.differs()}, which is no {wish.kind}")
    number = {contract.symbol: n for n, contract in trader.contracts.items()}.get(wish.symbol, 0)
    if not number and (wish.symbol or wish.kind in OF_AN_INSTRUMENT):
        return Answer(False, f"say with --symbol whose {wish.kind} it is; {', '.join(c.symbol for c in trader.contracts.values())} are")
    kind, direction = KINDS[wish.kind]
    differed = cash.differs()
    outcome = trader.book_cash(kind, abs(gap_e8) if direction else gap_e8, number, who(wish))
    done = outcome == Outcome.APPLIED
    return Answer(done, f"{differed}; it is booked as {wish.kind}" if done else f"the book answered {outcome.name}")


def _cost(runner: Runner, trader: Trader, instrument: int) -> int:
    """Return what a share of an instrument cost by the broker's last list, in ticks.

    Raises:
        UnitError: the broker did not say.
    """
    contract = trader.contracts[instrument]
    for held in (trader.last_whole.positions if trader.last_whole else None) or ():
        if held.con_id == contract.con_id and held.average_cost > 0:
            return to_grid(round(held.average_cost, contract.price_exp), contract.price_exp, "average cost")
    raise UnitError(f"the broker does not say what {contract.symbol} cost")


def who(wish: Wish) -> str:
    """Return in whose name something is done, and why."""
    return f"{wish.who or 'somebody'}: {wish.why}"
