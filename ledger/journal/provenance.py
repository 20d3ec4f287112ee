"""Who wrote a session: process, machine, source tree, versions.

Theory of operation. The scar is an old process that kept running after the fix
was written. So a session keeps the hash of every source file of the rooms as they
were on disk when it began, and a runner can compare `source_hash()` with it at any
time. The files are looked at every time, which takes 2 ms, and read again when one of them
has another inode, size or time of change, which takes 10 ms; git is asked once per process.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import socket
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np

from ledger.kernel import ROOT

ROOMS = ("ledger", "strategies", "sim", "live", "app")
CORE = ("book.py", "core.py", "kernel.py", "keys.py", "units.py", "vocabulary.py")


class Owner(NamedTuple):
    """A process, as another process can recognise it."""

    pid: int
    host: str
    boot_id: str


def source_hash() -> str:
    """Return the SHA-256 (hex) over path and text of every .py and .sql file of the rooms, as they are on disk now."""
    return _hash_of(tuple(sorted([*_sources(ROOT, deep=False), *(seen for room in ROOMS for seen in _sources(ROOT / room))])))


class Seen(NamedTuple):
    """A source file as the folder shows it: whoever changes the file changes this, also where time and size are put back."""

    path: str
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


def _sources(folder: Path | str, deep: bool = True) -> Iterator[Seen]:
    """Yield the source files of a folder; of the root only its own .py files count."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if deep and entry.is_dir(follow_symlinks=False):
                    yield from _sources(entry.path)
                elif entry.name.endswith((".py", ".sql") if deep else ".py") and entry.is_file():
                    stat = entry.stat()
                    yield Seen(entry.path, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    except FileNotFoundError:
        return  # a room that is not installed has no sources


@functools.lru_cache(maxsize=1)
def _hash_of(files: tuple[Seen, ...]) -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(seen.path) for seen in files):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@functools.lru_cache(maxsize=1)
def core_hash() -> str:
    """Return 16 hex digits over the files that decide what a replay gives: a snapshot belongs to one such code."""
    digest = hashlib.sha256()
    ledger = ROOT / "ledger"
    for path in [ledger / name for name in CORE] + sorted((ledger / "kernels").glob("*.py")):
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def owner() -> Owner:
    """Return this process."""
    return Owner(os.getpid(), socket.gethostname(), _boot_id())


@functools.lru_cache(maxsize=1)
def _boot_id() -> str:
    """Return what tells one boot of the machine from the next, where the system says it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"node-{platform.node()}"


@functools.lru_cache(maxsize=1)
def git_state() -> tuple[str, int]:
    """Return (commit, dirty) of the source tree; a tree that git cannot read is ("", 1): unknown is not clean."""
    try:
        commit = _git("rev-parse", "HEAD").strip()
        return commit, 1 if _git("status", "--porcelain", "--untracked-files=no").strip() else 0
    except (OSError, subprocess.SubprocessError):
        return "", 1


def _git(*words: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(ROOT), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout


@functools.lru_cache(maxsize=1)
def versions() -> str:
    """Return the versions a result depends on, as canonical JSON."""
    try:
        own = metadata.version("onebook")
    except metadata.PackageNotFoundError:
        own = "source"
    return canonical_json(
        {
            "python": platform.python_version(),
            "numba": numba.__version__,
            "numpy": np.__version__,
            "sqlite": sqlite3.sqlite_version,
            "onebook": own,
        }
    )


def canonical_json(value: Mapping[str, Any]) -> str:
    """Return JSON with sorted keys and no spaces: equal configurations give equal text.

    Raises:
        TypeError: a value that JSON has no word for.
        ValueError: NaN or infinity.
    """
    return json.dumps(dict(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
