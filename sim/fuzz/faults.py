"""Every kind of fault by name: where it strikes and what it stands for.

Theory of operation. A fault is a variant of a move (an effect or a delivery that goes
another way) or a move of its own (a crash). A schedule writes it as `A3!lost` or
`crash.A`, so policies, the exhaustive search, the shrinker and tokens treat all alike.
Where a kind says "port", the port that made the event knows what it means; every other
kind is carried out by the world itself.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Where(Enum):
    """What a fault changes."""

    EFFECT = "effect"  # the request on its way to, or at, the far side
    ANSWER = "answer"  # the acknowledgement or report on its way back
    WORLD = "world"  # a move of its own


class Kind(NamedTuple):
    """One kind of fault."""

    where: Where
    by_port: bool
    meaning: str


KINDS: dict[str, Kind] = {
    "slow": Kind(Where.EFFECT, False, "the write or request takes long: everything else may happen before it does"),
    "unsent": Kind(Where.EFFECT, False, "the request is lost on its way and nobody says so"),
    "twice": Kind(Where.EFFECT, False, "the request arrives twice"),
    "busy": Kind(Where.EFFECT, True, "the database is locked by another writer"),
    "reject": Kind(Where.EFFECT, True, "the broker rejects the order"),
    "partial": Kind(Where.EFFECT, True, "the broker fills a part at once and the rest later"),
    "refill": Kind(Where.EFFECT, True, "the broker reports the fill twice, under one execution id"),
    "correct": Kind(Where.EFFECT, True, "the broker corrects the execution afterwards"),
    "bust": Kind(Where.EFFECT, True, "the broker takes the execution back"),
    "lost": Kind(Where.ANSWER, False, "the answer never arrives"),
    "late": Kind(Where.ANSWER, False, "the answer arrives after everything else that can happen"),
    "dup": Kind(Where.ANSWER, False, "the answer or report is delivered twice"),
    "reorder": Kind(Where.ANSWER, False, "a later report of the same lane overtakes this one"),
    "crash": Kind(Where.WORLD, False, "kill -9: the process is gone, committed rows and sent orders stay; a supervisor restarts it"),
    "power": Kind(Where.WORLD, False, "power cut: as crash, and what the database had not synced is gone"),
    "torn": Kind(Where.WORLD, False, "power cut that keeps an arbitrary part of the sectors of the last write"),
    "twin": Kind(Where.WORLD, False, "a second process of the same program is started while the first lives"),
    "old": Kind(Where.WORLD, False, "the previous release is started beside the new one"),
    "clock": Kind(Where.WORLD, False, "time passes to the next timer although answers are still on their way"),
    "cancel": Kind(Where.WORLD, False, "a task is cancelled at the await it is in"),
    "drop": Kind(Where.WORLD, False, "the connection to the broker is lost; every answer on its way is gone"),
}

ANSWERS = frozenset(name for name, kind in KINDS.items() if kind.where is Where.ANSWER)
EFFECTS = frozenset(name for name, kind in KINDS.items() if kind.where is Where.EFFECT)
WORLDS = frozenset(name for name, kind in KINDS.items() if kind.where is Where.WORLD)
BY_PORT = frozenset(name for name, kind in KINDS.items() if kind.by_port)


def require(kind: str) -> str:
    """Return a kind's name, or raise ValueError naming the kinds there are."""
    if kind not in KINDS:
        raise ValueError(f"no fault is called {kind!r}; the kinds are {', '.join(KINDS)}")
    return kind


def parse(step: str) -> tuple[str, str]:
    """Split a step into (lane, fault): "A3!lost" is ("A3", "lost"), "crash.A" is ("A", "crash"), "A3" is ("A3", "")."""
    lane, mark, fault = step.partition("!")
    if mark:
        return lane, fault
    kind, dot, target = step.partition(".")
    return (target, kind) if dot and kind in WORLDS else (step, "clock" if step == "clock" else "")
