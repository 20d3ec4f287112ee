"""Importing another release beside the running one, under an alias, without a change to its files.

Theory of operation. The release with digest 1a2b3c4d is the package `onebook_1a2b3c4d`; a finder of its own on
`sys.meta_path` answers for names below that, and for no others. Each of its modules runs with an `__import__` of its own: where
the release's text says `from ledger.book import Book`, the module of the release is meant, so
`onebook_1a2b3c4d.ledger.book` is imported; every other name is Python's. Nothing of the release finds the running
build, and the other way round: what they exchange is the journal.

Compiled kernels are the one thing that two releases may share, and only when every file that a kernel
comes from is the same, byte for byte: equal text compiles to equal code. Then the release's decorators hand out the
running build's compiled functions. Otherwise the kernels of the release run as plain Python, which gives the
same numbers, about a hundred times slower, and spares a person minutes of compiling for a search of seconds.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from ledger.kernel import ROOT, sources
from sim.fuzz.builds.release import PACKAGES, Release, release

KERNELS = ("ledger/core.py", "ledger/invariants.py", "ledger/kernels/fees.py")
"""From these files, and what they import, every kernel of the book comes."""
DECORATORS = ("jit", "kernel", "inlined")


class Build(NamedTuple):
    """The rooms of one build that order code needs, as modules."""

    book: Any
    core: Any
    invariants: Any
    keys: Any
    oms: Any
    port: Any
    units: Any
    vocabulary: Any
    prefix: str
    """What stands before the names of its modules: nothing for the running build."""
    compiled: bool

    def module(self, name: str) -> Any:
        """Return another module of this build, such as `ledger.journal`."""
        return import_module(f"{self.prefix}{name}")


@cache
def this_build() -> Build:
    """Return the running build."""
    return _build("", True)


@cache
def build_of(said: str) -> Build:
    """Return another release, imported under its alias.

    Args:
        said: a folder, an archive, or a commit (see `release`).
    Raises:
        ReleaseError: no release was found there.
    """
    found = release(said)
    finder = Finder(found)
    if all(other.alias != finder.alias for other in sys.meta_path if isinstance(other, Finder)):
        sys.meta_path.insert(0, finder)  # before the finder of paths, which would find the files as well
    return _build(f"{finder.alias}.", finder.shares_kernels)


def _build(prefix: str, compiled: bool) -> Build:
    rooms: dict[str, Any] = {name: import_module(f"{prefix}ledger.{name}") for name in Build._fields[:-2]}
    return Build(**rooms, prefix=prefix, compiled=compiled)


def same_kernels(root: Path) -> bool:
    """Say whether every file that this build's kernels come from is the same in a release."""
    own = {path for name in KERNELS for path in sources(ROOT / name)}
    others = [(path, root / path.relative_to(ROOT)) for path in own]
    return all(other.is_file() and other.read_bytes() == path.read_bytes() for path, other in others)


class Finder(MetaPathFinder):
    """Finds the modules of one release, by names that begin with its alias."""

    def __init__(self, found: Release) -> None:
        self.root, self.alias = found.root, f"onebook_{found.digest}"
        self.shares_kernels = same_kernels(found.root)

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return where a module of the release is; None for what is not of it."""
        if fullname == self.alias:
            top = ModuleSpec(fullname, None, is_package=True)
            top.submodule_search_locations = [str(self.root)]
            return top
        if not fullname.startswith(f"{self.alias}."):
            return None
        place = self.root.joinpath(*fullname.split(".")[1:])
        package = place / "__init__.py"
        file = package if package.is_file() else place.with_suffix(".py")
        if not file.is_file():
            return None
        return spec_from_file_location(fullname, file, loader=Loader(fullname, str(file), self))


class Loader(SourceFileLoader):
    """Loads one module of a release."""

    def __init__(self, fullname: str, path: str, finder: Finder) -> None:
        super().__init__(fullname, path)
        self._alias, self._shares = finder.alias, finder.shares_kernels

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Write nothing beside the release's files."""

    def exec_module(self, module: ModuleType) -> None:
        """Run a module of the release, with imports of its own and with the decorators of this finder."""
        vars(module)["__builtins__"] = vars(builtins) | {"__import__": self._import}
        super().exec_module(module)
        if module.__name__ == f"{self._alias}.ledger.kernel":
            for name in DECORATORS:
                setattr(module, name, self._shared if self._shares else _plain)

    def _import(self, name: str, scope: Any = None, inner: Any = None, wanted: Sequence[str] | None = (), level: int = 0) -> Any:
        """Import what a module of the release means by a name."""
        top = name.partition(".")[0]
        if level or top not in PACKAGES:
            return builtins.__import__(name, scope, inner, wanted or (), level)
        found = builtins.__import__(f"{self._alias}.{name}", scope, inner, wanted or (), 0)
        # `import ledger.book` binds the first part of the name, which is `ledger` to the release.
        return found if wanted else sys.modules[f"{self._alias}.{top}"]

    def _shared(self, function: Callable[..., Any]) -> Any:
        """Return the running build's compiled form of a function of the same name in the same text."""
        running = import_module(function.__module__.removeprefix(f"{self._alias}."))
        return getattr(running, function.__name__)


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """Leave a kernel as plain Python."""
    return function
