"""Names of time zones that users give."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from ledger.rescue.errors import RescueError


def zone_named(name: str | None) -> ZoneInfo | None:
    """Return the zone of naive times; None is UTC.

    Raises:
        RescueError: no such zone.
    """
    if name is None or name.upper() == "UTC":
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise RescueError(f"{name!r} is no time zone; write an IANA name such as America/New_York, or UTC") from error
