"""From a failing schedule to the one a person can read."""

from sim.fuzz.shrink.shrinker import RERUNS_MAX, Shrunk, Size, shrink, size_of

__all__ = ["RERUNS_MAX", "Shrunk", "Size", "shrink", "size_of"]
