"""What people may ask of a runner, done: the one place that turns a wish of `live.control` into acts.

Theory of operation. Called by the consumer between two facts, without an await, so an act is never torn by news.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from live import link as links
from live.control import Wish

if TYPE_CHECKING:
    from live.runner import Runner


def obey(runner: Runner, wish: Wish) -> None:
    """Do what a person asked for; without an open book there is nothing to do it to."""
    trader = runner.trader
    if trader is None:
        return
    who = f"{wish.who}: {wish.why}"
    if wish.do == "halt":
        trader.halt(who)
    elif wish.do == "resume":
        trader.resume(who)
        runner.change(links.resumed(runner.link, runner.clock.now_ns()))
    elif wish.do == "flat":
        runner.say(f"FLAT: {', '.join(runner.market.flat(trader, who)) or 'no position and no order'}")
    elif wish.do == "look":
        runner.look_now.set()
    elif wish.do == "open":
        number = {contract.symbol: n for n, contract in trader.contracts.items()}.get(wish.symbol)
        runner.say(f"OPEN {wish.symbol}: {trader.open_instrument(number, who).name if number else 'not traded here'}")
    elif wish.do == "settle":
        done = wish.symbol.isdecimal() and trader.settle(int(wish.symbol), who)
        runner.say(f"SETTLED: order {wish.symbol}" if done else f"NOT SETTLED: {wish.symbol} is no order in doubt")
    else:
        runner.stop()
