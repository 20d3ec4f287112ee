"""Frames: a length and that many bytes, and text fields that end in NUL.

Theory of operation. Everything either side sends after the client's opening `API` NUL is
a frame: an unsigned 32-bit big-endian length and a body. A body is fields, each ended
by a NUL byte. `Splitter` takes bytes in pieces of any size and gives whole bodies;
what is left waits for the next piece, and never more than one frame of LENGTH_MAX is
kept. Bytes that are no UTF-8 are kept as their escapes, as clients do it, so that a
field always is text and nothing raises on what a stranger sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct

LENGTH = Struct(">I")
LENGTH_MAX = 16 * 1024 * 1024
"""The longest body that is read: 16 MB, as the official clients have it."""


class FrameError(ValueError):
    """The bytes cannot be frames; the connection has to be closed."""


def frame(body: bytes) -> bytes:
    """Return a body with its length before it."""
    return LENGTH.pack(len(body)) + body


def join(fields: Sequence[str]) -> bytes:
    """Return the frame of text fields; a NUL inside a field would end it, so it is shown as a blank."""
    text = "\0".join(fields)
    if text.count("\0") != max(0, len(fields) - 1):
        text = "\0".join(field.replace("\0", " ") for field in fields)
    body = (text + "\0").encode("utf-8", "backslashreplace")
    return LENGTH.pack(len(body)) + body


def split(body: bytes) -> list[str]:
    """Return the fields of a body; one that does not end in NUL counts its rest as a field."""
    fields = body.decode("utf-8", "backslashreplace").split("\0")
    if not fields[-1]:
        fields.pop()
    return fields


class Splitter:
    """Bytes in, bodies out. Invariant: what waits is shorter than one whole frame."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting = bytearray()

    def __len__(self) -> int:
        """Return how many bytes wait for the rest of their frame."""
        return len(self._waiting)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield every body that is complete with these bytes.

        Raises:
            FrameError: a length above LENGTH_MAX.
        """
        waiting = self._waiting
        waiting += data
        at = 0
        try:
            while len(waiting) - at >= 4:
                (length,) = LENGTH.unpack_from(waiting, at)
                if length > LENGTH_MAX:
                    raise FrameError(f"a frame of {length} bytes is announced; at most {LENGTH_MAX} are read")
                if len(waiting) - at - 4 < length:
                    break
                body = bytes(waiting[at + 4 : at + 4 + length])
                at += 4 + length
                yield body
        finally:
            del waiting[:at]
