"""Chance, for statistics: the one place where a seed becomes a generator.

Theory of operation. Every function that draws takes the generator from its caller, and
every command says its seed, so a figure can be computed again to the last digit. The
exchange and the book never draw: chance is for judging results, not for making them.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator


def dice(seed: int) -> Generator:
    """Return a generator; the same seed gives the same draws.

    Raises:
        ValueError: a negative seed.
    """
    return np.random.default_rng(seed)
