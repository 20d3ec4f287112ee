"""Candidates from words: `fast=5,10,20` and `slow=30:90:30` make every combination that fits together.

Theory of operation. A value list is written with commas, a range as first:last:step with
both ends. A combination that the strategy itself refuses (fast above slow) is left out and
counted; a value out of range is an error, because nobody meant it.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from itertools import product
from typing import Any, NamedTuple

from sim.honesty.windows import HonestyError
from strategies.api import Strategy, StrategyError, parse_params

MOST = 20_000


class Grid(NamedTuple):
    """The combinations that fit, in the order of the words, and how many did not."""

    params: tuple[Any, ...]
    refused: int


def grid(strategy: Strategy, texts: Iterable[str]) -> Grid:
    """Return every combination of `name=values` words; a parameter left out keeps its default.

    Raises:
        HonestyError: too many combinations, none that fits, or a range that is none.
        StrategyError: an unknown parameter, or a value that is none.
    """
    words = [_values(text) for text in texts]
    count = 1
    for _, values in words:
        count *= len(values)
    if count > MOST:
        raise HonestyError(f"{count} combinations are more than {MOST}; use fewer values, or `onebook sweep`")
    for name, values in words:
        for value in values:
            _known(strategy, name, value)
    found, refused = [], 0
    for combination in product(*([f"{name}={value}" for value in values] for name, values in words)):
        try:
            found.append(parse_params(strategy, combination))
        except StrategyError:
            refused += 1
    if not found:
        # One of them says why none fits.
        parse_params(strategy, [f"{name}={values[0]}" for name, values in words])
    return Grid(tuple(dict.fromkeys(found)), refused)


def _known(strategy: Strategy, name: str, value: str) -> None:
    """Refuse a value that no combination could make right: its name, its kind or its range is wrong."""
    alone = strategy.__class__(**{**vars(strategy), "check": None})
    parse_params(alone, [f"{name}={value}"])


def _values(text: str) -> tuple[str, list[str]]:
    name, equals, rest = (part.strip() for part in text.partition("="))
    if not equals or not name or not rest:
        raise HonestyError(f"{text!r} is not of the form name=value, name=1,2,3 or name=first:last:step")
    return name, [value for part in rest.split(",") for value in _range(text, part.strip())]


def _range(text: str, part: str) -> list[str]:
    """Return the values of `first:last:step`, both ends included, or the one value that a part is."""
    if ":" not in part:
        return [part]
    try:
        first, last, step = (Decimal(word) for word in part.split(":"))
    except (InvalidOperation, ValueError):
        raise HonestyError(f"{text!r}: {part!r} is not a range; write first:last:step, as in fast=5:50:5") from None
    if not (first.is_finite() and last.is_finite() and step.is_finite() and step > 0 and first <= last) or (last - first) / step > MOST:
        raise HonestyError(f"{text!r}: {part!r} must rise from first to last in steps above 0, {MOST} at most")
    count = int((last - first) / step) + 1
    return [f"{first + step * number:f}" for number in range(count)]
