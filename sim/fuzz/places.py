"""Whose code runs: the person's own, a library's, onebook's, or the fuzzer's.

Theory of operation. A stack is read from its innermost frame outward, and ends where the fuzzer begins: what lies beyond
called the search and is no part of a schedule. Python's own modules and what is installed are libraries. Everything
else is somebody's own, where it is not onebook's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePath
from types import CodeType, FrameType, ModuleType

ROOT = Path(__file__).parents[2]
FUZZ = ROOT / "sim" / "fuzz"
OURS = tuple(str(ROOT / folder) for folder in ("ledger", "live", "sim", "tests/scenarios"))
"""Code that may keep files: its journals are made anew for each schedule."""
ENGINE = tuple(str(FUZZ / part) for part in ("explore.py", "replay.py", "search", "shrink", "campaign"))
"""Where a stack ends: what called this is no part of a schedule."""
WORLD = str(FUZZ / "world.py")
PLUMBING = tuple(str(FUZZ / part) for part in ("world.py", "loop.py", "moves.py", "processes.py", "fence"))
"""What lies between a program's code and what it calls; it does nothing by itself."""
INSTALLED = ("site-packages", "dist-packages")


def name_of(frame: FrameType) -> str:
    """Return the name of the module that code belongs to."""
    return str(frame.f_globals.get("__name__", ""))


def _is_own(module: str, file: str) -> bool:
    return module.partition(".")[0] not in sys.stdlib_module_names and not any(word in file for word in INSTALLED)


def is_own(frame: FrameType) -> bool:
    """Say whether code is neither Python's nor that of an installed package; onebook's counts as own."""
    return _is_own(name_of(frame), frame.f_code.co_filename)


@cache
def _is_a_persons(name: str) -> bool:
    file = str(sys.modules[name].__dict__.get("__file__", ""))
    return _is_own(name, file) and not file.startswith(OURS) and not name.startswith("onebook_")


def persons_modules() -> list[ModuleType]:
    """Return the loaded modules that are neither Python's, an installed package's nor onebook's; a lazy one is not made to load."""
    return [module for name, module in [*sys.modules.items()] if type(module) is ModuleType and _is_a_persons(name)]


def is_ours(frame: FrameType) -> bool:
    """Say whether code is onebook's, this build's or an old one's."""
    return frame.f_code.co_filename.startswith(OURS) or name_of(frame).startswith("onebook_")


def is_library(frame: FrameType) -> bool:
    """Say whether code is not the person's own."""
    return is_ours(frame) or not is_own(frame)


def is_plumbing(frame: FrameType) -> bool:
    """Say whether code only hands a call on."""
    return frame.f_code.co_filename.startswith(PLUMBING)


def is_the_world(frame: FrameType) -> bool:
    """Say whether this is the loop of a schedule."""
    return frame.f_code.co_name == "_run" and frame.f_code.co_filename == WORLD


def own_part(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield the frames of a schedule that are not the fuzzer's, innermost first."""
    while frame is not None and not is_the_world(frame) and not frame.f_code.co_filename.startswith(ENGINE):
        yield frame
        frame = frame.f_back


def file_of(code: CodeType) -> str:
    """Return the name of a file without its folders."""
    return PurePath(code.co_filename).name


def line_in(frame: FrameType) -> str:
    """Return the file and line that code has come to."""
    return f"{file_of(frame.f_code)}, line {frame.f_lineno}"


def own_line_of(error: BaseException) -> str:
    """Return the file and line of own code in which an exception was raised or came up last, "" for none."""
    found, trace = "", error.__traceback__
    while trace is not None:
        if not is_library(trace.tb_frame):
            found = f"{file_of(trace.tb_frame.f_code)}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return found


def line_of(error: BaseException) -> str:
    """Return the file and line in which an exception was raised: the last one of own code, or where there is none the last one."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return own_line_of(error) or (f"{file_of(last.tb_frame.f_code)}, line {last.tb_lineno}" if last is not None else "nowhere")
