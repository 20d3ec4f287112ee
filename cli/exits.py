"""Exit codes, and which exception means which.

Theory of operation. A script that calls `onebook` reads the exit code and not the
words. Exceptions are known by their names, because importing their classes
would import the rooms; an exception that is raised has brought its class along.
"""

from __future__ import annotations

import errno
from enum import IntEnum


class Code(IntEnum):
    """What a command's exit says."""

    DONE = 0
    FAILED = 1  # the run itself failed
    USAGE = 2  # a wrong argument, option, file or config key; click's own number
    FINDING = 3  # the command worked and found something wrong
    ENVIRONMENT = 4  # no book, no permission, no room on the disk
    LOCKED = 5  # another process holds the book
    INTERRUPTED = 130


CODES: dict[str, Code] = {
    "cli.ConfigError": Code.USAGE,
    "strategies.StrategyError": Code.USAGE,
    "sim.DataError": Code.USAGE,
    "sim.HonestyError": Code.USAGE,
    "sim.ExportError": Code.USAGE,
    "sim.Refused": Code.ENVIRONMENT,
    "ledger.UnitError": Code.USAGE,
    "sim.BacktestError": Code.FAILED,
    "sim.BindError": Code.USAGE,
    "sim.PlanError": Code.USAGE,
    "sim.StoreError": Code.USAGE,
    "sim.JournalFileError": Code.USAGE,
    "sim.ParityError": Code.USAGE,
    "sim.TokenError": Code.USAGE,
    "sim.ReleaseError": Code.USAGE,
    "sim.Diverged": Code.FAILED,
    "sim.Unsteady": Code.FAILED,
    "sim.ScenarioError": Code.USAGE,
    "sim.VectorbtError": Code.ENVIRONMENT,
    "live.ConfigError": Code.USAGE,
    "live.GatewayError": Code.ENVIRONMENT,
    "ledger.JournalLocked": Code.LOCKED,
    "ledger.JournalForeign": Code.USAGE,
    "ledger.JournalShortened": Code.FINDING,
    "ledger.JournalFull": Code.ENVIRONMENT,
    "ledger.JournalHalted": Code.FAILED,
    "ledger.CompareError": Code.FINDING,
    "ledger.JournalError": Code.ENVIRONMENT,
    "ledger.SourceLocked": Code.LOCKED,
    "ledger.RescueError": Code.USAGE,
    "builtins.OSError": Code.ENVIRONMENT,
    "builtins.MemoryError": Code.ENVIRONMENT,
    "builtins.KeyboardInterrupt": Code.INTERRUPTED,
}
"""By room and class: in which file of its room a class stands is the room's own affair."""


def code_of(error: BaseException) -> Code | None:
    """Return the exit code of an exception we know, most special class first; None for one we do not."""
    for kind in type(error).__mro__:
        if (name := f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}") in CODES:
            return CODES[name]
    return None


ADVICE: dict[int, str] = {
    errno.ENOSPC: "make room there and run it again",
    errno.EDQUOT: "make room there and run it again",
    errno.EACCES: "name a place that you may use",
    errno.EPERM: "name a place that you may use",
    errno.EROFS: "name a place that can be written to",
    errno.EEXIST: "a file stands where a folder is needed; name another",
    errno.ENOTDIR: "a file stands where a folder is needed; name another",
    errno.EISDIR: "a folder stands where a file is needed; name another",
    errno.ENAMETOOLONG: "name a shorter one",
    errno.EADDRINUSE: "end what listens there, or name another --port",
}
"""What to do about what an operating system refuses."""


def sentence(error: Exception) -> str:
    """Return what an exception says; what the operating system refused is said with the place, and what to do."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    place = f"{error.filename}: " if error.filename else ""
    advice = ADVICE.get(error.errno or 0, "")
    return f"{place}{error.strerror[:1].lower()}{error.strerror[1:]}{f'; {advice}' if advice else ''}"
