"""Who is to blame for a call: the nearest code that is no library's.

Theory of operation. `frame.to_csv("x")` is five calls deep when it opens the file, and what people need is their own line. What
a library does is blamed on the code that called it, and on nobody where it is the library's own affair: an import
writes its bytecode, a compiler its cache, a log its lines. Onebook's own code may keep files.
"""

from __future__ import annotations

from types import FrameType
from typing import NamedTuple

from sim.fuzz.places import is_own, is_ours, is_plumbing, line_in, name_of, own_part
from sim.fuzz.processes import LANE, place_of

TRUSTED = {"numba", "llvmlite", "tempfile", "tqdm"}
"""Libraries whose files and threads are their own affair: no schedule finds them, or all find the same in them."""
LOGS = ("emit", "handle")


class Blame(NamedTuple):
    """The place in a person's code that did something, and the library's function through which it did, "" for none."""

    place: str
    through: str = ""


def _is_its_own_affair(frame: FrameType) -> bool:
    module = name_of(frame)
    if module.partition(".")[0] in TRUSTED or frame.f_code.co_filename.startswith("<frozen importlib"):
        return True
    return module.partition(".")[0] == "logging" and frame.f_code.co_name in LOGS


def blamed(frame: FrameType) -> Blame | None:
    """Return who is to blame for what code at a frame does, whichever libraries it came through; None for nobody."""
    through = ""
    for found in own_part(frame):
        if is_plumbing(found):
            continue
        if is_own(found):
            return None if is_ours(found) else Blame(line_in(found), through)
        if _is_its_own_affair(found):
            return None
        through = found.f_code.co_qualname.rpartition(".<locals>.")[2]
    lane = LANE.get(None)
    task = lane.task if lane is not None else None
    return Blame(place_of(task) if task is not None else "in a callback", through)


def caller_blamed(frame: FrameType) -> Blame | None:
    """Return whom to blame for a call where libraries may make it: the code that makes it itself, onebook's too."""
    if is_plumbing(frame):
        return blamed(frame)
    return Blame(line_in(frame)) if is_own(frame) else None
