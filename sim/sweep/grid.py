"""Which combinations a sweep tries: a grid, or a draw from it.

Theory of operation. A text such as `fast=5:50:5` names a parameter and its values: single ones joined by
commas, or first:last:step with both ends in it. The grid is their product in the order given, the last
parameter running fastest. What the strategy's own check refuses is left out and counted. A random sweep takes
combinations from that grid without repeating one; the same seed takes the same ones on every machine.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, get_type_hints

from strategies.api import Strategy, StrategyError, checked, known_name

VALUES_MAX = 10_000_000
"""Combinations a grid may have before anyone has looked at it."""
NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,12})?")


class Grid(NamedTuple):
    """Values to try, by parameter."""

    values: dict[str, tuple[float | int, ...]]

    @property
    def size(self) -> int:
        """The number of combinations, refused ones included."""
        count = 1
        for values in self.values.values():
            count *= len(values)
        return count


class Combos(NamedTuple):
    """The combinations to try, and how many of the grid the strategy's own check refused."""

    params: list[Any]
    refused: int


def parse_grid(strategy: Strategy, texts: Sequence[str]) -> Grid:
    """Return the grid of texts such as `fast=5:50:5` and `slow=20,50,100`.

    Raises:
        StrategyError: an unknown or repeated parameter, or values that are no numbers of its type.
    """
    values: dict[str, tuple[float | int, ...]] = {}
    for text in texts:
        name, equals, raw = (part.strip() for part in text.partition("="))
        if not equals or not raw:
            raise StrategyError(f"{strategy.name}: {text!r} is not of the form name=first:last:step or name=1,2,3")
        if name in values:
            raise StrategyError(f"{strategy.name}: parameter {name} is given twice; join its values by commas")
        values[name] = _values(strategy, name, raw)
    return grid(strategy, values)


def grid(strategy: Strategy, values: Mapping[str, Any]) -> Grid:
    """Return the grid of values by name: a number, or anything that yields numbers.

    Raises:
        StrategyError: an unknown parameter, no value, a value of another type, or too many combinations.
    """
    kinds = get_type_hints(strategy.params)
    kept: dict[str, tuple[float | int, ...]] = {}
    for name, given in values.items():
        known_name(f"parameter of {strategy.name}", name, kinds)
        several = given if hasattr(given, "__iter__") and not isinstance(given, str) else [given]
        kept[name] = tuple(dict.fromkeys(_typed(strategy, name, value, kinds[name]) for value in several))
        if not kept[name]:
            raise StrategyError(f"{strategy.name}: parameter {name} has no values to try")
    made = Grid(kept)
    if made.size > VALUES_MAX:
        raise StrategyError(f"{strategy.name}: {made.size:,} combinations are more than {VALUES_MAX:,}; take wider steps")
    return made


def _typed(strategy: Strategy, name: str, value: Any, kind: type) -> int | float:
    number = float(value)
    if kind is int and not number.is_integer():
        raise StrategyError(f"{strategy.name}: parameter {name}={value} is wrong; expected a whole number")
    return int(value) if kind is int else number


def _values(strategy: Strategy, name: str, raw: str) -> tuple[int | float, ...]:
    """Return the values of a text, exactly: 0.1:0.3:0.1 has three."""
    kind = get_type_hints(strategy.params).get(name, float)
    found: list[Decimal] = []
    for piece in raw.split(","):
        numbers = [_decimal(strategy, name, part.strip()) for part in piece.split(":")]
        if len(numbers) == 1:
            found += numbers
            continue
        first, last, step = (*numbers, Decimal(1))[:3]
        if len(numbers) > 3 or step <= 0 or last < first or (last - first) / step > VALUES_MAX:
            raise StrategyError(f"{strategy.name}: {name}={piece} is no range; write first:last or first:last:step, step above 0")
        found += [first + step * n for n in range(int((last - first) / step) + 1)]
    return tuple(int(value) if kind is int and value == int(value) else float(value) for value in found)


def _decimal(strategy: Strategy, name: str, text: str) -> Decimal:
    try:
        if NUMBER.fullmatch(text):
            return Decimal(text)
    except InvalidOperation:
        pass
    raise StrategyError(f"{strategy.name}: parameter {name}: {text!r} is not a number; write fast=5:50:5 or fast=5,10,20")


def combinations(strategy: Strategy, wanted: Grid, trials: int | None = None, seed: int = 0) -> Combos:
    """Return the combinations of a grid that the strategy's check lets through; `trials` of them at random when given.

    Raises:
        StrategyError: a value that is out of the parameter's own range.
    """
    for name, values in wanted.values.items():
        low, high = strategy.ranges.get(name, (float("-inf"), float("inf")))
        if not low <= min(values) <= max(values) <= high:
            checked(strategy, strategy.params(**{name: min(values) if min(values) < low else max(values)}))
    numbers: Iterator[int] | range = range(wanted.size) if trials is None else _draws(wanted.size, seed)
    kept, refused = [], 0
    for number in numbers:
        params = _combination(strategy, wanted, number)
        if strategy.check is not None and strategy.check(params):
            refused += 1
            continue
        kept.append(params)
        if trials is not None and len(kept) == trials:
            break
    return Combos(kept, refused)


def _combination(strategy: Strategy, wanted: Grid, number: int) -> Any:
    """Return combination `number` of a grid; the last parameter runs fastest."""
    chosen: dict[str, int | float] = {}
    for name, values in reversed(wanted.values.items()):
        number, place = divmod(number, len(values))
        chosen[name] = values[place]
    return strategy.params(**chosen)


def _draws(size: int, seed: int) -> Iterator[int]:
    """Yield the numbers 0..size-1 in an order that the seed decides: a Feistel walk, nothing of that size is kept."""
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    keys = [int.from_bytes(hashlib.sha256(f"{seed}:{turn}".encode()).digest()[:8], "little") for turn in range(4)]
    for number in itertools.count():
        if number >> (2 * half):
            return
        left, right = number >> half, number & mask
        for key in keys:
            mixed = ((right ^ key) * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
            left, right = right, left ^ ((mixed >> 29) & mask)
        drawn = left << half | right
        if drawn < size:
            yield drawn
