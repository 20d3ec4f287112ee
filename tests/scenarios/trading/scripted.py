"""Strategies for scenarios: what they want is written down, minute by minute, beside the last close."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import strategies.api as api
from strategies.api import Bars, Signal, Strategy, no_columns

START_NS = 1_772_461_800 * 10**9
MINUTE_NS = 60 * 10**9
NONE = Signal(float("nan"), api.MARKET, 0.0, 0.0, 0.0, 0.0, 0.0, api.GTC, 0)
Script = Callable[[Bars, int, int], Signal]
"""(bars, row of the bar, minutes since the gateway's start) -> the wish."""


class Params(NamedTuple):
    """Which script."""

    number: int = 0


SCRIPTS: list[Script] = []


def scripted(script: Script) -> dict[str, Any]:
    """Return the configuration of a session that trades a script."""
    if script not in SCRIPTS:
        SCRIPTS.append(script)
    return {"strategy": "tests.scenarios.trading.scripted:STRATEGY", "params": {"number": SCRIPTS.index(script)}}


def on_bar(bars: Bars, columns: Any, t: int, state: Any, params: Params) -> Signal:
    """Ask the script."""
    minute = int((bars.time_ns[t] - START_NS) // MINUTE_NS)
    return SCRIPTS[params.number](bars, t, minute) if minute > 0 else NONE


STRATEGY = Strategy(
    name="scripted", params=Params, prepare=no_columns, on_bar=on_bar, warmup=lambda params: 1, state_size=0,
    summary="What a scenario wants.", allow_short=True,
)  # fmt: skip
