"""The fence: what simulated code may not reach, because no schedule that depends on it could be replayed.

Theory of operation. `calls.py` stops the real clock, chance, sockets, threads and programs by name; `keeps.py` stops what
would be found on the disk by the next schedule; `spins.py` ends code that never lets anything else happen;
`blame.py` says whose code it was. A search puts all of it up, and takes it down again.
"""

from sim.fuzz.fence.calls import fenced, watched
from sim.fuzz.fence.spins import telling

__all__ = ["fenced", "telling", "watched"]
