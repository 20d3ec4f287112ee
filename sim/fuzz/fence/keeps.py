"""What one schedule would leave to the next: files, folders and databases on the disk.

Theory of operation. The functions of Python by which anything gets to the disk are wrapped while a search runs. A call is refused,
before it does anything, where a person's code made it, itself or through a library (`frame.to_csv`, `numpy.save`,
`shutil.copy`, a log's handler): the next schedule would find what this one left, and nothing would happen in it any more. What
changes nothing passes: reading, making a folder that is there, removing what is not, a database in memory.
A library that writes without asking Python (a file format in C or Rust) is not seen.
"""

from __future__ import annotations

import builtins
import io
import os
import sqlite3
import sys
from collections.abc import Callable
from sqlite3 import dbapi2
from typing import Any

from sim.fuzz.fence.blame import blamed
from sim.fuzz.loop import Escaped
from sim.fuzz.processes import LANE

MEMORY = "desk.database, or what the scenario function makes in memory, such as sqlite3.connect(':memory:') or io.StringIO()"
LOG = "a handler that is made outside of the scenario, or none: what a handler of the program's writes is refused"
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
SHOWN = (os.devnull, "/dev/tty", "/dev/stdout", "/dev/stderr")
"""Files that keep nothing."""
IN_MEMORY = ("file::memory:", "mode=memory", "vfs=memdb")


def _is_on_disk(database: Any = ":memory:", *_args: Any, **_options: Any) -> bool:
    """Say whether a database outlives the schedule."""
    return str(database) not in ("", ":memory:") and not any(word in str(database) for word in IN_MEMORY)


def _is_shown(file: Any) -> bool:
    """Say whether a file is open already, or keeps nothing."""
    return isinstance(file, int) or str(file) in SHOWN


def _writes(file: Any, mode: str = "r", *_args: Any, **_options: Any) -> bool:
    """Say whether a file is opened to write to it."""
    return any(letter in mode for letter in "wax+") and not _is_shown(file)


def _writes_raw(path: Any, flags: int, *_args: Any, **_options: Any) -> bool:
    """Say whether a file is opened to write to it, by the system's own flags."""
    return bool(flags & WRITING) and not _is_shown(path)


def _is_there(path: Any, *_args: Any, **options: Any) -> bool:
    """Say whether there is something to change."""
    return options.get("dir_fd") is not None or isinstance(path, int) or os.path.lexists(path)


def _is_new(path: Any, *_args: Any, **options: Any) -> bool:
    """Say whether something would be made that is not there."""
    return options.get("dir_fd") is not None or not os.path.lexists(path)


def _moves(src: Any, *_args: Any, **options: Any) -> bool:
    """Say whether there is something to move."""
    return options.get("src_dir_fd") is not None or os.path.lexists(src)


def _always(*_args: Any, **_options: Any) -> bool:
    return True


KEEPING: tuple[tuple[Any, str, Callable[..., bool]], ...] = (
    (builtins, "open", _writes), (io, "open", _writes), (os, "open", _writes_raw),
    *((module, "connect", _is_on_disk) for module in (dbapi2, sqlite3)),
    *((os, name, _is_there) for name in ("remove", "unlink", "rmdir", "truncate", "utime", "chmod")),
    *((os, name, _moves) for name in ("rename", "replace")),
    *((os, name, _is_new) for name in ("mkdir", "mkfifo", "mknod")),
    *((os, name, _always) for name in ("symlink", "link")),
)  # fmt: skip
"""Where a function is, its name, and when a call of it changes anything."""


def keeps_nothing(holder: Any, name: str, changes: Callable[..., bool], real: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does what the real one does, and refuses what would be left to the next schedule."""
    title = name if holder in (builtins, io) else f"{holder.__name__}.{name}"

    def guarded(*args: Any, **options: Any) -> Any:
        if LANE.get(None) is not None and changes(*args, **options) and (found := blamed(sys._getframe(1))) is not None:
            shown = f"{title}({str(args[0])!r})" if args else f"{title}()"
            called = f"{found.through}() calls {shown}, which" if found.through else f"{shown} in a simulated process"
            instead = LOG if "Handler" in found.through or found.through == "basicConfig" else MEMORY
            raise Escaped(f"{called} leaves something to the next schedule ({found.place}); use {instead}")
        return real(*args, **options)

    return guarded
