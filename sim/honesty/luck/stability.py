"""A parameter's neighbourhood: a plateau or a needle?

Theory of operation. Two combinations are neighbours when they differ in one parameter by
one step of the values that were tried. A result that its neighbours do not share is most
likely luck: the market does not know whether the average was of 37 or of 38 days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

Number = int | float


class Stability(NamedTuple):
    """One combination beside its neighbours."""

    params: dict[str, Number]
    value: float
    neighbours: int
    mean: float  # of the neighbours whose figure is known
    worst: float
    share: float | None  # mean of the neighbours / value; None when the value is not above 0
    unknown: int  # neighbours without a figure


def stability(
    params: Sequence[Mapping[str, Number]], values: Sequence[float | None], chosen: int | None = None
) -> Stability | None:
    """Return the neighbourhood of a combination; None when it has no figure or no neighbour with one.

    Args:
        params: the combinations tried. values: the figure of each, None where it is undefined.
        chosen: which one; the best when left out.
    Raises:
        ValueError: lists of different lengths.
    """
    if len(params) != len(values):
        raise ValueError(f"there must be one value a combination; got {len(params)} and {len(values)}")
    known = [index for index, value in enumerate(values) if _known(value)]
    if not known:
        return None
    at = max(known, key=lambda index: float(values[index] or 0.0)) if chosen is None else chosen
    own, near = values[at], _neighbours(params, at)
    found = [float(value) for index in near if _known(value := values[index]) and value is not None]
    if own is None or not _known(own) or not found:
        return None
    mean = float(np.mean(found))
    share = mean / float(own) if own > 0 else None
    return Stability(dict(params[at]), float(own), len(near), mean, min(found), share, len(near) - len(found))


def _known(value: float | None) -> bool:
    return value is not None and bool(np.isfinite(value))


def _neighbours(params: Sequence[Mapping[str, Number]], at: int) -> list[int]:
    """Return the combinations that differ from `at` in one parameter by one step."""
    own = params[at]
    steps = {name: sorted({row[name] for row in params}) for name in own}
    places = [{name: steps[name].index(row[name]) for name in own} for row in params]
    here = places[at]
    return [
        index
        for index, place in enumerate(places)
        if sum(abs(place[name] - here[name]) for name in own) == 1
    ]
