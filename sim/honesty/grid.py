"""Candidates from words such as `fast=5,10,20` and `slow=30:90:30`: the sweep's grid, small enough to be judged.

Theory of operation. Reading the words is the sweep's affair. Here stands only what a
judge needs on top: that the candidates are few enough to be run in full, and that one is left.
"""

from __future__ import annotations

from collections.abc import Iterable

from sim.honesty.windows import HonestyError
from sim.sweep.grid import Combos, combinations, parse_grid
from strategies.api import Strategy, checked

MOST = 20_000


def grid(strategy: Strategy, texts: Iterable[str]) -> Combos:
    """Return every combination of `name=values` words; a parameter left out keeps its default.

    Raises:
        HonestyError: too many combinations.
        StrategyError: an unknown parameter, a value that is none, or no combination that fits.
    """
    wanted = parse_grid(strategy, list(texts))
    if wanted.size > MOST:
        raise HonestyError(f"{wanted.size} combinations are more than {MOST}; use fewer values, or `onebook sweep`")
    found = combinations(strategy, wanted)
    if not found.params:
        # One of them says why none fits.
        checked(strategy, strategy.params(**{name: values[0] for name, values in wanted.values.items()}))
    return found
