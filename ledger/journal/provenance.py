"""Who wrote a session: process, machine, source tree, versions.

Theory of operation. The scar is an old process that kept running after the fix
was written. So a session keeps the hash of every source file of the rooms as they
were on disk when it began, and a runner can compare `source_hash()` with it at any
time. Reading all sources takes about 10 ms; git is asked once per process.
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
from collections.abc import Mapping
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
    digest = hashlib.sha256()
    for path in _sources():
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _sources() -> list[Path]:
    found = list(ROOT.glob("*.py"))
    for room in ROOMS:
        for suffix in ("py", "sql"):
            found += (ROOT / room).rglob(f"*.{suffix}")
    return sorted(found)


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
