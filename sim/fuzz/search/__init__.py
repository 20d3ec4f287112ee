"""Complete searches: every interleaving of a small burst, by state hashing, by DPOR or plainly."""

from sim.fuzz.search.dpor import dpor
from sim.fuzz.search.exhaust import exhaust

__all__ = ["dpor", "exhaust"]
