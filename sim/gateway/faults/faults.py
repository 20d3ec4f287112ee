"""The switchboard of faults; without a plan it does nothing."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.gateway.core.gateway import Gateway
    from sim.gateway.core.session import Session

Batch = list[tuple[str, dict[str, Any]]]


class Cut(Enum):
    """What may be written in place of bytes."""

    ABORT = "ABORT"
    RESET = "RESET"
    HALF_CLOSE = "HALF_CLOSE"


class Faults:
    """No faults."""

    frames = False
    """Whether messages are collected and passed through `pass_on`."""
    bytes = False
    """Whether bytes are passed through `cut`."""

    def attach(self, gateway: Gateway) -> None:
        """Do nothing."""

    def connected(self, session: Session) -> None:
        """Do nothing."""

    def refuses(self, session: Session, client_id: int) -> bool:
        """Refuse nobody."""
        return False

    def swallows(self, session: Session, name: str, values: dict[str, Any]) -> bool:
        """Swallow nothing."""
        return False

    def pass_on(self, session: Session, batch: Batch) -> Iterable[tuple[int, str, dict[str, Any]]]:
        """Pass everything on."""
        return [(0, name, values) for name, values in batch]

    def shut(self) -> bool:
        """Say whether connections are refused now: never."""
        return False

    def cut(self, session: Session, data: bytes) -> Iterable[tuple[int, bytes | Cut]]:  # type: ignore[valid-type]
        """Pass the bytes on in one piece."""
        return [(0, data)]
