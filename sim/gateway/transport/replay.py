"""Replay: what a fresh gateway says to what a client once said.

Theory of operation. The client's frames of a journal are fed to a new gateway at their recorded
distances in time, connection by connection; what it says is returned as frames of the same
kind, so that the two can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable

from sim.gateway.core.gateway import Gateway
from sim.gateway.core.session import Session
from sim.gateway.wire.frames import frame as framed
from sim.gateway.wire.frames import join
from sim.gateway.wire.journal import Frame


def replay(frames: Iterable[Frame], gateway: Gateway, after_ns: int = 1_000_000_000) -> list[Frame]:
    """Return the whole conversation as this gateway has it.

    Args:
        frames: a journal; only what the client said is used. after_ns: how long to listen at the end.
    """
    heard: list[Frame] = []
    gateway.listeners.append(lambda *row: heard.append(Frame(*row)))
    sessions: dict[int, Session] = {}
    first_ns: int | None = None
    for frame in frames:
        if frame.direction != ">":
            continue
        first_ns = frame.time_ns if first_ns is None else first_ns
        gateway.advance(gateway.config.start_ns + max(0, frame.time_ns - first_ns))
        _settle(gateway)
        session = sessions.get(frame.connection)
        if session is None:
            session = sessions[frame.connection] = gateway.connect()
            session.number = frame.connection
            session.receive(b"API\0" + framed("\0".join(frame.fields).encode()))
        else:
            session.receive(join(frame.fields))
        _settle(gateway)
    gateway.advance(gateway.schedule.now_ns + after_ns)
    _settle(gateway)
    return heard


def _settle(gateway: Gateway) -> None:
    gateway.settle()
    for session in list(gateway.connections):
        session.take()
        if session.closing:
            session.closed()
