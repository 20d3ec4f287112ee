"""Throw-away environments for other engines: each wants its own pandas, none of them ours.

Theory of operation. An environment is a folder in the user's cache (XDG_CACHE_HOME, or ONEBOOK_PEERS), named
by the packages in it, made once with uv or venv and pip and kept for the next time. When it
cannot be made the caller gets the sentence that says why, and leaves that engine out.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

PATIENCE_S = 600


class Environment(NamedTuple):
    """The interpreter of an environment, or why there is none."""

    python: Path | None
    why: str


def folder() -> Path:
    """Return where environments are kept."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("ONEBOOK_PEERS") or cache / "onebook" / "peers")


def environment(name: str, packages: tuple[str, ...]) -> Environment:
    """Return the environment of an engine, made now if there is none."""
    label = hashlib.sha256(" ".join((*packages, *map(str, sys.version_info[:2]))).encode()).hexdigest()[:10]
    place = folder() / f"{name}-{label}"
    python = place / "bin" / "python"
    if (place / "ready").exists() and python.exists():
        return Environment(python, "")
    shutil.rmtree(place, ignore_errors=True)
    try:
        _make(place, python, packages)
    except (OSError, subprocess.SubprocessError) as error:
        shutil.rmtree(place, ignore_errors=True)
        words = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        return Environment(None, words[-1][:160] if words else type(error).__name__)
    (place / "ready").touch()
    return Environment(python, "")


def _make(place: Path, python: Path, packages: tuple[str, ...]) -> None:
    """Make the environment and install the packages.

    Raises:
        OSError, subprocess.SubprocessError: it could not be made.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    if shutil.which("uv"):
        _call("uv", "venv", "--quiet", "--no-project", "--python", sys.executable, str(place))
        _call("uv", "pip", "install", "--quiet", "--python", str(python), *packages)
    else:
        _call(sys.executable, "-m", "venv", str(place))
        _call(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages)


def _call(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True, timeout=PATIENCE_S)
