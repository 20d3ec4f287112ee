"""The first run of a fresh process, import included, beside vectorbt: with compiled code on the disk, and with none.

Theory of operation. Each process gets the same stored bars and prints its closed trades and final equity, which must
agree before a figure is shown. What is told is the processor time of the whole process, the least of several in turns;
with empty folders for compiled code each is started once more, because whoever installs something meets that first.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.measures import ROOT, Line
from benchmarks.sweeps import ENGINES, history

JOBS = {"onebook": "fresh_onebook.py", **dict.fromkeys(ENGINES, "fresh_vectorbt.py")}


def _spent(who: str, bars: Path, kept: Path | None) -> tuple[float, list[float]]:
    """Return the seconds of processor time of one process, and what it printed; compiled code in `kept`, or in its usual place."""
    words = [sys.executable, str(Path(__file__).with_name(JOBS[who])), str(bars), *([] if who == "onebook" else [who])]
    places = {} if kept is None else {"ONEBOOK_KERNELS": str(kept), "NUMBA_CACHE_DIR": str(kept)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(words, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT), **places})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, json.loads(done.stdout)


def first_run(place: Path, bars_count: int = 5_000, rounds: int = 3) -> list[Line]:
    """Time fresh processes in turns."""
    bars, path = history(bars_count), place / "bars.npz"
    columns = {"start": bars.start_ns, "end": bars.end_ns, "day": bars.day, "volume": bars.volume}
    prices = {name: getattr(bars, f"{name}_ticks") for name in ("open", "high", "low", "close")}
    np.savez(path, **columns, **prices)
    said = {who: _spent(who, path, None)[1] for who in JOBS}
    for engine in ENGINES:
        assert said[engine][0] == said["onebook"][0] and abs(said[engine][1] / said["onebook"][1] - 1) < 1e-9, f"{engine} differs"
    warm: dict[str, list[float]] = {who: [] for who in JOBS}
    for _ in range(rounds):
        for who, times in warm.items():
            times.append(_spent(who, path, None)[0])
    with tempfile.TemporaryDirectory(dir=place) as empty:
        cold = {who: _spent(who, path, Path(empty, who))[0] for who in JOBS}
    checked = f"{said['onebook'][0]:,} closed trades equal, final equity to 1e-9"
    return [
        _line("compiled code on the disk", {who: min(times) for who, times in warm.items()}, "2 s", checked),
        _line("nothing compiled before", cold, "", checked),
    ]


def _line(what: str, spent: dict[str, float], goal: str, checked: str) -> Line:
    peers = ", ".join(f"vectorbt ({engine}) {spent[engine]:.1f} s" for engine in ENGINES)
    return Line(f"fresh process, import and first small run, {what}; processor time", f"{spent['onebook']:.2f} s, {peers}", goal, checked)
