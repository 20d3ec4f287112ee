"""The decorators of compiled functions, and where the compiled code is kept.

Theory of operation. Every compiled function in onebook is decorated with `jit`,
or with `kernel` if it allocates nothing, from this file, so that the flags of the compiler live in one place. numba keys
its disk cache by the file a function stands in, not by the files of the
functions it calls: an edited callee would leave a stale caller behind. So the
cache directory carries a hash of every source file that can hold a kernel;
one edit anywhere and all kernels are compiled anew.

A kernel that takes another kernel as an argument (the backtest loop takes the
strategy's `on_bar`) is looked up in that cache by the identity of the argument,
and numba gives each process a fresh identity: the cache would never hit. So
they name the identity by module, function and source instead; the second run
of a backtest then compiles nothing.

Flags: `nogil`, so that threads may run sweeps side by side; no `fastmath`
anywhere near money; `error_model` stays "python", so a division by zero is an
error and not a quiet zero.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba import config

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("ledger", "strategies", "sim", "live")

F = TypeVar("F", bound=Callable[..., Any])


@lru_cache(maxsize=1)
def kernel_hash() -> str:
    """Return 16 hex digits over the text of every file of ours that can hold a compiled function."""
    digest = hashlib.sha256()
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            text = path.read_bytes()
            if b"ledger.kernel import" in text:
                digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + text)
    return digest.hexdigest()[:16]


def cache_directory() -> Path:
    """Return the folder of this build's compiled kernels (ONEBOOK_KERNELS moves its parent)."""
    home = os.environ.get("ONEBOOK_KERNELS")
    parent = Path(home) if home else ROOT / ".kernels"
    mode = "checked" if config.BOUNDSCHECK else "plain"
    return parent / f"{kernel_hash()}-{mode}"


if not config.DISABLE_JIT:
    config.CACHE_DIR = str(cache_directory())


def jit(function: F) -> F:
    """Compile `function` with the flags every compiled function of onebook shares.

    Args:
        function: takes scalars, arrays and NamedTuples of them; nothing else.
    Returns:
        The dispatcher, or `function` itself under NUMBA_DISABLE_JIT=1.
    """
    return _named(numba.njit(cache=True, nogil=True)(function), function)


def kernel(function: F) -> F:
    """Compile a function that allocates nothing, like `jit`, but without reference counts.

    Each call between compiled functions would count references to its arrays with
    atomic additions: measured, that is more than half of the time of one event.
    A kernel borrows its arrays from the caller, which outlives it. numba refuses to
    compile one that allocates.
    """
    return _named(numba.njit(cache=True, nogil=True, _nrt=False)(function), function)


def inlined(function: F) -> F:
    """Compile a small kernel so that its callers take it in: a call costs more than what it does.

    Only for leaves. The code of an inlined function is compiled again in each caller,
    so inlining everything made the backtest loop take four minutes to compile.
    """
    options = {"cache": True, "nogil": True, "_nrt": False, "forceinline": True}
    return _named(numba.njit(**options)(function), function)


def _named(dispatcher: Any, function: F) -> F:
    """Give a dispatcher an identity that is the same in every process."""
    if not config.DISABLE_JIT:
        dispatcher._set_uuid(f"{function.__module__}.{function.__qualname__}:{_source_hash(function)}")
    return dispatcher  # type: ignore[no-any-return]


def _source_hash(function: Callable[..., Any]) -> str:
    """Return the hash of the file a kernel stands in: a user's strategy is in no room of ours."""
    text = Path(function.__code__.co_filename).read_bytes()
    return hashlib.sha256(kernel_hash().encode() + text).hexdigest()[:16]
