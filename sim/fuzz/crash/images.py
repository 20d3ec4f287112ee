"""What a crash may leave of files, from a log of what the disk was told.

Theory of operation. A recording file system keeps a log of writes, truncations, deletions and syncs. A crash point is a
place in that log. A process that is killed there leaves every byte it wrote, because the system's cache
survives it. A power cut leaves what was synced, and of the rest what chance has it: nothing, everything, any
subset of 512-byte sectors, or all but a last write that is torn. A sync makes everything durable
that its file was told before it; a deletion and a truncation are kept or lost as one.

Pure: bytes in, bytes out. Chance comes from the caller. The recorder lives with the tests, because it
needs apsw; so does the judgement of an image, because only a journal knows what was acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

SECTOR = 512
WAYS = ("kill", "none", "all", "subset", "torn")
"""How a crash leaves what was not synced; `kill` and `all` leave the same bytes, by different causes."""

Files = dict[str, bytes]
Below = Callable[[int], int]
"""Returns a choice of range(n)."""


class Told(Protocol):
    """What the disk was told: kind write, truncate (offset = size), sync or delete; other kinds are remarks."""

    @property
    def kind(self) -> str:
        """Return the kind."""

    @property
    def name(self) -> str:
        """Return the file."""

    @property
    def offset(self) -> int:
        """Return the place in the file, or its new size."""

    @property
    def content(self) -> bytes:
        """Return what was written."""


class Image(NamedTuple):
    """The files after a crash, where in the log it was, and in which way."""

    cut: int
    way: str
    files: Files


class _Disk:
    """A disk at one place of the log.

    Attributes:
        now: the files with everything they were told, as a kill leaves them. safe: each file as it was when it was last synced.
        loose: what files were told since then, in order. last: the last write of all.
    """

    def __init__(self, base: Files) -> None:
        self._content = {name: bytearray(content) for name, content in base.items()}
        self.now, self.safe = dict(base), dict(base)
        self.loose: list[Told] = []
        self.last: Told | None = None

    def hear(self, told: Told) -> None:
        """Take the next entry of the log."""
        if told.kind == "sync":
            self.loose = [waiting for waiting in self.loose if waiting.name != told.name]
            _keep(self.safe, told.name, self.now.get(told.name))
        elif told.kind in ("write", "truncate", "delete"):
            self.loose.append(told)
            self.last = told if told.kind == "write" else self.last
            _tell(self._content, told, "all", _nothing)
            content = self._content.get(told.name)
            _keep(self.now, told.name, None if content is None else bytes(content))

    def after(self, way: str, below: Below) -> Files:
        """Return the files as a crash at this place leaves them."""
        if way in ("kill", "all"):
            return dict(self.now)
        if way == "none":
            return dict(self.safe)
        files = dict(self.safe)
        changed = {told.name: bytearray(files[told.name]) for told in self.loose if told.name in files}
        for told in self.loose:
            files.pop(told.name, None)
            _tell(changed, told, "all" if way == "torn" and told is not self.last else way, below)
        return files | {name: bytes(content) for name, content in changed.items()}


def _nothing(bound: int) -> int:
    return 0


def _keep(files: Files, name: str, content: bytes | None) -> None:
    """Set a file (modified in place), or take it out where it is no more."""
    if content is None:
        files.pop(name, None)
    else:
        files[name] = content


def image(base: Files, log: Sequence[Told], cut: int, way: str, below: Below) -> Files:
    """Return the files as a crash after `cut` entries of the log leaves them.

    Args:
        base: the files before the first entry. way: one of WAYS. below: chance, for `subset` and `torn`.
    Raises:
        ValueError: no such way.
    """
    if way not in WAYS:
        raise ValueError(f"{way!r} is no way to crash; the ways are {', '.join(WAYS)}")
    disk = _Disk(base)
    for told in log[:cut]:
        disk.hear(told)
    return disk.after(way, below)


def _tell(files: dict[str, bytearray], told: Told, fate: str, below: Below) -> None:
    """Let one entry of the log reach the files (modified in place), as far as its fate has it."""
    if told.kind == "write":
        for offset, piece in _pieces(told, fate, below):
            _write(files.setdefault(told.name, bytearray()), offset, piece)
    elif told.kind in ("truncate", "delete") and (fate == "all" or (fate in ("subset", "torn") and below(2) == 1)):
        if told.kind == "delete":
            files.pop(told.name, None)
        else:
            del files.setdefault(told.name, bytearray())[told.offset :]


def _pieces(told: Told, fate: str, below: Below) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, bytes) of what a write leaves."""
    if fate == "all":
        yield told.offset, told.content
    elif fate == "torn":
        yield told.offset, told.content[: SECTOR * below(len(told.content) // SECTOR + 1)]
    elif fate == "subset":
        for start in range(0, len(told.content), SECTOR):
            if below(2) == 1:
                yield told.offset + start, told.content[start : start + SECTOR]


def _write(file: bytearray, offset: int, content: bytes) -> None:
    if len(file) < offset:
        file.extend(bytes(offset - len(file)))
    file[offset : offset + len(content)] = content


def images(base: Files, log: Sequence[Told], below: Below, draws: int = 2) -> Iterator[Image]:
    """Yield the image of every crash point in every way, those with chance `draws` times; equal neighbours once."""
    seen: set[int] = set()
    disk = _Disk(base)
    for cut in range(len(log) + 1):
        if cut:
            disk.hear(log[cut - 1])
        for way in WAYS:
            for _ in range(draws if way in ("subset", "torn") else 1):
                files = disk.after(way, below)
                fingerprint = hash(tuple(sorted(files.items())))
                remark = way == "kill" or cut == len(log) or log[cut - 1].kind not in ("write", "sync", "truncate", "delete")
                if fingerprint not in seen or remark:
                    seen.add(fingerprint)
                    yield Image(cut, way, files)
