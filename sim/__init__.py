"""See README.md in this folder; `from sim import backtest` is the front door for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.api import Result, backtest

__all__ = ["Result", "backtest"]


def __getattr__(name: str) -> Any:
    """Import the front door when it is first asked for: a list of commands must not wait for the compiler."""
    if name in __all__:
        from sim import api

        return getattr(api, name)
    raise AttributeError(f"module 'sim' has no attribute {name!r}")
