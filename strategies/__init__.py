"""Strategies: pure signals and the registry of their names; see README.md in this folder.

Theory of operation. The registry maps a name to a module and imports it only when it
is asked for, so that a command which lists names does not wait for the compiler. A
new strategy is one file with a `STRATEGY` in it and one row below. A strategy that
lives in another package is named `package.module:STRATEGY` and needs no row.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strategies.api import Strategy

MODULES = {
    "buy_and_hold": "strategies.library.buy_and_hold",
    "donchian_breakout": "strategies.library.donchian_breakout",
    "ema_cross": "strategies.library.ema_cross",
    "macd_trend": "strategies.library.macd_trend",
    "ml_trend": "strategies.library.ml_trend",
    "momentum_rotation": "strategies.library.momentum_rotation",
    "pairs": "strategies.library.pairs",
    "regime_switch": "strategies.library.regime_switch",
    "rsi_reversion": "strategies.library.rsi_reversion",
    "sma_cross": "strategies.library.sma_cross",
}


def names() -> list[str]:
    """Return the names of all strategies of this package, sorted."""
    return sorted(MODULES)


def get(name: str) -> Strategy:
    """Return the strategy called `name` (`sma_cross`, `sma-cross` or `package.module:STRATEGY`).

    Raises:
        strategies.api.StrategyError: unknown name; the message lists near names.
    """
    from strategies.api import known_name

    module, colon, attribute = name.partition(":")
    if not colon:
        module = MODULES[known_name("strategy", name.replace("-", "_"), MODULES)]
    return _load(name, module, attribute or "STRATEGY")


def _load(name: str, module: str, attribute: str) -> Strategy:
    from strategies.api import Strategy, StrategyError

    try:
        found: Any = getattr(import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        if error.name is None or not (module + ".").startswith(error.name + "."):
            raise  # the module exists and one of its own imports is missing
        raise StrategyError(f"strategy {name!r}: there is no module {module!r} on the path") from error
    if not isinstance(found, Strategy):
        raise StrategyError(f"strategy {name!r}: {module}.{attribute} is not a strategies.api.Strategy")
    return found
