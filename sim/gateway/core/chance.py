"""Chance without state: a seed and a place give a number, always the same one.

Theory of operation. `mix` is splitmix64's finisher, a bijection of 64 bits that looks random
(Steele, Lea, Flood 2014). A draw is the mix of a seed and of what it is drawn
for, so nothing depends on how many draws came before: prices at noon are the same
whether or not anybody looked at the prices of the morning.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

MASK = 0xFFFFFFFFFFFFFFFF
Floats = NDArray[np.float64]


def key_of(*parts: object) -> int:
    """Return 64 bits for names and numbers."""
    text = "\0".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def mix(value: int) -> int:
    """Return 64 well-mixed bits."""
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def uniform(key: int, place: int) -> float:
    """Return a number in [0, 1)."""
    return (mix(key ^ mix(place)) >> 11) / (1 << 53)


def below(key: int, place: int, bound: int) -> int:
    """Return a whole number from 0 to bound - 1."""
    return mix(key ^ mix(place)) % bound


def uniforms(key: int, first: int, count: int) -> Floats:
    """Return float64[count] in [0, 1): the same as `uniform` at the places first, first + 1, ..."""
    places = np.arange(first, first + count, dtype=np.int64).astype(np.uint64)
    mixed = _mixed(np.uint64(key) ^ _mixed(places))
    return (mixed >> np.uint64(11)).astype(np.float64) / (1 << 53)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        values = values + np.uint64(0x9E3779B97F4A7C15)
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def bells(key: int, first: int, count: int) -> Floats:
    """Return float64[count], bell-shaped with mean 0 and variance 1, bounded: four uniform numbers added."""
    total: Floats = uniforms(key, 4 * first, 4 * count).reshape(count, 4).sum(axis=1)
    return (total - 2.0) * 1.7320508075688772
