"""The decorators of compiled functions, and where the compiled code is kept.

Theory of operation. Every compiled function in onebook is decorated with `jit`,
or with `kernel` if it allocates nothing, from this file, so that the flags of the compiler live in one place. numba keys
its disk cache by the file a function stands in, not by the files of the
functions it calls: an edited callee would leave a stale caller behind. So the
cache directory of a file carries a hash of that file and of every file of ours it
imports, directly or not: an edit compiles anew whatever could call it, and nothing else.

A kernel that takes another kernel as an argument (the backtest loop takes the
strategy's `on_bar`) is looked up in that cache by the identity of the argument,
and numba gives each process a fresh identity: the cache would never hit. So
they name the identity by module, function and source instead; the second run
of a backtest then compiles nothing.

numba reads the index of a function's versions whole, and with it imports the module of every
type in it. A version for the parameters of a strategy in somebody's folder would make
the index unreadable wherever that folder is not on the path, or once the file is gone. So a version
that names a type from a file its function does not import is kept with that file (`Homes`).

Flags: `nogil`, so that threads may run sweeps side by side; no `fastmath`
anywhere near money; `error_model` stays "python", so a division by zero is an
error and not a quiet zero.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba import config
from numba.core.caching import FunctionCache, NullCache
from numba.core.errors import NumbaError

ROOT = Path(__file__).resolve().parent.parent
IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)|import[ \t]+([\w.]+))", re.MULTILINE)

CannotCompile = NumbaError
"""What calling a function raises that the compiler does not accept; nothing of it has run then."""
F = TypeVar("F", bound=Callable[..., Any])


@cache
def _files(module: str, beside: str) -> tuple[Path, ...]:
    """Return the file of a module of ours, or of one beside a user's strategy; none for a library's."""
    path = module.replace(".", "/")
    places = (f"{home}/{path}{ending}" for home in (str(ROOT), beside) for ending in (".py", "/__init__.py"))
    return tuple(file for place in places if (file := Path(place)).is_file())


@cache
def _imported(path: Path) -> tuple[Path, ...]:
    """Return the files of ours that a source file names in its imports; `from a import b` may mean `a` or `a.b`."""
    found, beside = dict[Path, None](), str(path.parent)
    for package, names, plain in IMPORT.findall(path.read_text("utf-8")):
        mine = _files(plain or package, beside)
        found.update(dict.fromkeys(mine))
        # A plain file holds no modules; names of libraries and of folders are looked up one by one.
        if package and not (mine and all(place.name != "__init__.py" for place in mine)):
            found.update((place, None) for name in re.findall(r"\w+", names) for place in _files(f"{package}.{name}", beside))
    return tuple(found)


@cache
def sources(path: Path) -> tuple[Path, ...]:
    """Return a source file and every file of ours it imports, directly or not, sorted."""
    found, open_files = {path}, [path]
    while open_files:
        new = [place for place in _imported(open_files.pop()) if place not in found]
        found.update(new)
        open_files += new
    return tuple(sorted(found))


@cache
def kernel_hash(path: Path) -> str:
    """Return 16 hex digits over the text of every file that can change what the kernels of a file compile to."""
    digest = hashlib.sha256()
    for source in sources(path):
        text = source.read_bytes()
        name = source.relative_to(ROOT).as_posix() if source.is_relative_to(ROOT) else source.name
        digest.update(f"{name}\0{len(text)}\0".encode() + text)
    return digest.hexdigest()[:16]


def cache_directory(path: Path) -> Path:
    """Return the folder of a file's compiled kernels (ONEBOOK_KERNELS moves its parent)."""
    home = os.environ.get("ONEBOOK_KERNELS")
    parent = Path(home) if home else ROOT / ".kernels"
    mode = "checked" if config.BOUNDSCHECK else "plain"
    return parent / f"{path.stem}-{kernel_hash(path)}-{mode}"


def jit(function: F) -> F:
    """Compile `function` with the flags every compiled function of onebook shares.

    Args:
        function: takes scalars, arrays and NamedTuples of them; nothing else.
    Returns:
        The dispatcher, or `function` itself under NUMBA_DISABLE_JIT=1.
    """
    return _compiled(function)


def kernel(function: F) -> F:
    """Compile a function that allocates nothing, like `jit`, but without reference counts.

    Each call between compiled functions would count references to its arrays with
    atomic additions: measured, that is more than half of the time of one event.
    A kernel borrows its arrays from the caller, which outlives it. numba refuses to
    compile one that allocates.
    """
    return _compiled(function, _nrt=False)


def inlined(function: F) -> F:
    """Compile a small kernel so that its callers take it in: a call costs more than what it does.

    Only for leaves. The code of an inlined function is compiled again in each caller,
    so inlining everything made the backtest loop take four minutes to compile.
    """
    return _compiled(function, _nrt=False, forceinline=True)


def _compiled(function: F, **options: bool) -> F:
    """Return the dispatcher, its cache in its file's folder and its identity the same in every process."""
    if config.DISABLE_JIT:
        return function
    path = Path(function.__code__.co_filename).resolve()
    if not path.is_file():  # typed into a console or a notebook: there is no file to keep its code with
        return numba.njit(nogil=True, **options)(function)  # type: ignore[no-any-return]
    dispatcher: Any = numba.njit(nogil=True, **options)(function)
    dispatcher._cache = Homes(function, path)
    dispatcher._set_uuid(f"{function.__module__}.{function.__qualname__}:{kernel_hash(path)}")
    return dispatcher  # type: ignore[no-any-return]


class Homes(NullCache):
    """Where the versions of one compiled function lie: with its own file, or with the file of a type it does not know."""

    def __init__(self, function: Callable[..., Any], path: Path) -> None:
        self._function, self._path = function, path
        # The module's name is part of the place: a user's file may be imported under several.
        own = cache_directory(path)
        self._own = self._at(own if path.is_relative_to(ROOT) else own / function.__module__)

    def _at(self, folder: Path) -> Any:
        config.CACHE_DIR = str(folder)  # numba reads it once, when a cache is made
        return FunctionCache(self._function)  # type: ignore[no-untyped-call]

    @property
    def cache_path(self) -> str:
        """Return the folder of the versions for types that the function's file knows."""
        return str(self._own.cache_path)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the stored version for a signature, or None."""
        return self._home(sig).load_overload(sig, target_context)

    def save_overload(self, sig: Any, cres: Any) -> None:
        """Store a compiled version."""
        self._home(sig).save_overload(sig, cres)

    def _home(self, sig: Any) -> Any:
        """Return the cache that versions for this signature belong to; one that keeps nothing for types without a file."""
        known = sources(self._path)
        named = {place for kind in getattr(sig, "args", sig) for place in _places(kind)}
        strangers = sorted(place for place in named if place[1] not in known)
        if not strangers:
            return self._own
        if not all(file.is_file() for _, file in strangers):
            return NullCache()
        module, file = strangers[0]
        text = "".join(f"{name}:{kernel_hash(path)}\0" for name, path in strangers) + kernel_hash(self._path)
        return self._at(cache_directory(file) / module / hashlib.sha256(text.encode()).hexdigest()[:16])


def _places(kind: Any) -> Iterator[tuple[str, Path]]:
    """Yield (module, file) of every named tuple and every compiled function in a numba type."""
    if (named := getattr(kind, "instance_class", None)) is not None:
        file = getattr(sys.modules.get(named.__module__), "__file__", None)
        yield named.__module__, Path(file or "").resolve()
    if (dispatcher := getattr(kind, "dispatcher", None)) is not None:
        yield dispatcher.py_func.__module__, Path(dispatcher.py_func.__code__.co_filename).resolve()
    for part in getattr(kind, "types", ()):
        yield from _places(part)
