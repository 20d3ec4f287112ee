"""Strategies: pure signals and the registry of their names; see README.md in this folder.

Theory of operation. The registry maps a name to a module and imports it only when it
is asked for, so that a command which lists names does not wait for the compiler. A
new strategy is one file with a `STRATEGY` in it and one row below. A strategy that
lives in another package is named `package.module:STRATEGY` and needs no row.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
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
    """Return the strategy called `name`.

    Args:
        name: `sma_cross`, `sma-cross`, `package.module:STRATEGY`, or a file: `path/to/my_strategy.py`, `my.py:OTHER`,
            `models/trend.skops` (see `strategies.models`).
    Raises:
        strategies.api.StrategyError: unknown name or no such file; the message lists near names.
    """
    from strategies.api import StrategyError, known_name

    if name.endswith(".skops"):
        from strategies.models import strategy

        return strategy(name)
    path, dot_py, attribute = name.rpartition(".py")
    if dot_py and (not attribute or attribute[0] == ":"):
        return _load_file(name, path + dot_py, attribute[1:] or "STRATEGY")
    module, colon, attribute = name.partition(":")
    if not colon and "/" in name:
        raise StrategyError(f"strategy {name!r}: a file with a strategy ends in .py, one with a fitted model in .skops")
    if not colon:
        module = MODULES[known_name("strategy", name.replace("-", "_"), MODULES)]
    return _load(name, module, attribute or "STRATEGY")


def _load(name: str, module: str, attribute: str) -> Strategy:
    from strategies.api import StrategyError

    try:
        found: Any = getattr(import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        if error.name is None or not (module + ".").startswith(error.name + "."):
            raise  # the module exists and one of its own imports is missing
        raise StrategyError(f"strategy {name!r}: there is no module {module!r} on the path") from error
    return _checked(name, found, f"{module}.{attribute}")


def _load_file(name: str, path: str, attribute: str) -> Strategy:
    """Load a strategy from a file of the user's; what stands beside the file can be imported by it."""
    from strategies.api import StrategyError

    file = Path(path).expanduser().resolve()
    if not file.is_file():
        raise StrategyError(f"strategy {name!r}: there is no file {path}; `onebook new-strategy` writes one to start from")
    # The name is the same in every process, so compiled code is found again, and differs for equal names elsewhere.
    module = f"{file.stem}_{sha256(str(file).encode()).hexdigest()[:8]}"
    spec = spec_from_file_location(module, file)
    if spec is None or spec.loader is None:
        raise StrategyError(f"strategy {name!r}: {path} cannot be read as Python")
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    loaded = sys.modules[module] = module_from_spec(spec)
    try:
        spec.loader.exec_module(loaded)
    except SyntaxError as error:
        raise StrategyError(f"strategy {name!r}: line {error.lineno} of {path} is not Python: {error.msg}") from error
    return _checked(name, getattr(loaded, attribute, None), f"{path}: {attribute}")


def _checked(name: str, found: Any, where: str) -> Strategy:
    from strategies.api import Strategy, StrategyError

    if not isinstance(found, Strategy):
        raise StrategyError(f"strategy {name!r}: {where} is not a strategies.api.Strategy")
    return found
