"""Does the rule know anything? Its entries against entries at random moments.

Theory of operation. A rule that is in the market most of the time earns what the market
earns. So its spells (how long it is long, short or out) are kept and laid out in a random
order: same number of entries, same holding times, same exposure, other moments. The
p-value is the share of such layouts that earn at least as much as the rule. With several
instruments each is laid out anew and their earnings are added.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DRAWS = 2_000


class RuleLuck(NamedTuple):
    """How the rule's entries compare with random ones; earnings are sums of the market's returns while exposed."""

    entries: int
    earned: float
    random_mean: float
    p_value: float


def rule_luck(
    positions: Sequence[Floats], returns: Sequence[Floats], dice: Generator, draws: int = DRAWS
) -> RuleLuck | None:
    """Compare a rule with random entries; None when it never entered, or was never out.

    Args:
        positions: per instrument float64[T], -1, 0 or 1: the side held from one bar's price to the next.
        returns: per instrument float64[T]: the market's return over the same stretch.
    Raises:
        ValueError: columns of different lengths.
    """
    if [p.shape for p in positions] != [r.shape for r in returns]:
        raise ValueError("positions and returns must have one entry a bar and instrument")
    laid_out = [(sides, lengths, market) for p, market in zip(positions, returns, strict=True) for sides, lengths in [spells(p)]]
    entries = sum(int((sides != 0).sum()) for sides, _, _ in laid_out)
    movable = any(sides.size > 1 for sides, _, _ in laid_out)
    if not entries or not movable:
        return None
    earned = float(sum(p @ r for p, r in zip(positions, returns, strict=True)))
    drawn = np.zeros(draws)
    for sides, lengths, market in laid_out:
        total = np.concatenate(([0.0], np.cumsum(market)))
        for draw in range(draws):
            order = dice.permutation(sides.size)
            ends = np.cumsum(lengths[order])
            drawn[draw] += float(sides[order] @ (total[ends] - total[ends - lengths[order]]))
    # The rule itself is one of the layouts, so a p-value is never 0; sums in another order differ by rounding.
    as_good = int((drawn >= earned - 1e-12).sum())
    return RuleLuck(entries, earned, float(drawn.mean()), (1 + as_good) / (1 + draws))


def spells(position: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return (side, length in bars) of each stretch of one position."""
    if not position.size:
        return np.zeros(0), np.zeros(0, np.int64)
    starts = np.concatenate(([0], np.flatnonzero(np.diff(position)) + 1))
    return position[starts], np.diff(np.concatenate((starts, [position.size]))).astype(np.int64)
