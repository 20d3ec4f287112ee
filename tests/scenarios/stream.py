"""What a backtest and a paper session must have in common, to the byte: the stream of events without the wire's own words.

`stream` is the one place that leaves anything out. It leaves out, and nothing else:
  - LIMIT and GATE: a live book is told its limits and whether its link is up; a backtest has neither. Refusals that
    they cause are REFUSED events, and those stay in.
  - SENDING, SUBMITTED and CANCEL: when an order left, when somebody acknowledged it, when its end was asked for.
  - the moment of the set-up (INSTRUMENT, DEPOSIT), of a COMMISSION, which the wire does not tell, and of a CANCELED, which is
    when the broker confirmed it; their places among the other events stay.
  - the number of an execution's name: executions are numbered in the order in which they came, on both sides.
  - the first revision of an execution, which the wire calls 1 and a backtest 0: revisions count from 0 on both sides.
  - the instrument of a CANCELED, where it stands in the key alone.
  - `ref`, the number of a text in a session's table of names: symbols, evidence.
Everything else is compared: kind, key, instrument, side, quantities, prices, cash, fees, types, flags, the time of
every day, mark, claim, refusal and fill, and the order of all of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ledger.book import E_EXEC, E_INSTRUMENT, E_KEY, E_KIND, E_REF, E_REVISION, E_TIME
from ledger.keys import instrument_of
from ledger.vocabulary import EventKind

LEFT_OUT = (EventKind.LIMIT, EventKind.GATE, EventKind.SENDING, EventKind.SUBMITTED, EventKind.CANCEL)
TIMELESS = (EventKind.INSTRUMENT, EventKind.DEPOSIT, EventKind.COMMISSION, EventKind.CANCELED)
HAS_EXEC = (EventKind.FILL, EventKind.COMMISSION)


def stream(log: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return int64[n, EVENT_WIDTH]: the events that backtest and paper share; the log is not changed."""
    kept = log[~np.isin(log[:, E_KIND], LEFT_OUT)].copy()
    kept[np.isin(kept[:, E_KIND], TIMELESS), E_TIME] = 0
    kept[:, E_REF] = 0
    silent = (kept[:, E_KIND] == EventKind.CANCELED) & (kept[:, E_INSTRUMENT] == 0)
    kept[silent, E_INSTRUMENT] = [int(instrument_of(key)) for key in kept[silent, E_KEY].tolist()]
    numbers: dict[int, int] = {}
    fills = kept[:, E_KIND] == EventKind.FILL
    kept[fills, E_REVISION] -= min(kept[fills, E_REVISION], default=0)
    for line in kept:
        if line[E_KIND] in HAS_EXEC:
            line[E_EXEC] = numbers.setdefault(int(line[E_EXEC]), len(numbers) + 1)
    return kept
