"""Rebalancing many symbols out of one purse, as fast as memory allows, with the book of the general path.

Theory of operation. The account is weighed at a day's close; each symbol's weight of it,
divided by the close, is the number of shares it should hold; the difference is traded at that
same close, in whole shares, toward the target and never across it. Sales come first, then purchases,
each group in the order of the symbols, so that sales pay for purchases. A purchase that cash
does not cover is cut to what it does cover. Lots are first in, first out.

    run = rebalance(close_ticks, when, weights_e6, cash="1000000", commission="ibkr-fixed")
    run.equity, run.fills, run.profits, run.cut
    book = book_of(run)                    # the ledger's own book of it

`kernel` does it on int64, `run` checks and calls it, `events` tells it again to `ledger.core`, where every
claim is decided anew: cash, lots and allocations of that book are the kernel's, row by row.
Trading at the close one decides on is the profile `close`: a live order cannot do it exactly.
"""

from sim.rebalance.events import book_of, log
from sim.rebalance.run import Rebalanced, rebalance

__all__ = ["Rebalanced", "book_of", "log", "rebalance"]
