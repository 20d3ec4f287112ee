"""What `onebook paper replay` does: open the book for reading, replay into another file, say what came of it.

Theory of operation. The replayed book is a temporary file unless a new one is named; the recorded book is never written.
"""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cli.output import Voice


def replayed(book: str, session: int | None, day: int | None, into: str | None, accept_changes: bool, commission: str) -> dict[str, Any]:
    """Return the replay as a document.

    Raises:
        click.UsageError: no such book or session, or a file that exists already. live.config.ConfigError: it cannot be replayed.
    """
    from cli.paper.compose import fees_of
    from ledger.journal import Journal
    from live.ops.replay import replay

    if not Path(book).exists():
        raise click.UsageError(f"there is no book {book}; `onebook paper run` makes one")
    if into is not None and Path(into).exists():
        raise click.UsageError(f"{into} exists already; name a new file for the replayed book")
    with tempfile.TemporaryDirectory(prefix="onebook-replay-") as folder, Journal.read(book) as recorded:
        mine = [info.id for info in recorded.sessions() if info.kind == "paper" and session in (None, info.id)]
        if not mine:
            raise click.UsageError(f"{book} has no paper session{f' {session}' if session else ''}; see `onebook book sessions`")
        with Journal.open(into or Path(folder) / "replay.db") as target:
            found = replay(recorded, mine[-1], day, target, lambda told: fees_of(told or commission), accept_changes=accept_changes)
    equal = found.divergence is None and found.recorded_digest == found.replayed_digest and not found.stopped
    first = found.divergence._asdict() if found.divergence else None
    return {
        "equal": equal, **found._asdict(), "day": date.fromordinal(found.day).isoformat(), "divergence": first,
        "stopped": found.stopped or None, "into": into,
    }  # fmt: skip


def tell(found: dict[str, Any], speaker: Voice) -> None:
    """Say what came of a replay."""
    speaker.document(found)
    if speaker.as_json:
        return
    click.echo(f"session {found['session']} from its start to the end of {found['day']}: {found['acts']} acts, {found['events']} events, "
               f"{len(found['sent'])} messages would have been sent")  # fmt: skip
    if found["equal"]:
        click.echo(f"EQUAL: every event, and the digest {found['recorded_digest']}")
        return
    first = found["divergence"]
    if first is None:
        click.echo("DIFFERENT: every event is the same and the digest is not; look at `onebook book verify`")
    else:
        sides = ("none" if first[side] is None else first[side] for side in ("recorded", "replayed"))
        click.echo("DIFFERENT from event {event} on, {kind}.{field}: recorded {}, replayed {}".format(*sides, **first))
    if found["stopped"]:
        click.echo(f"stopped early: {found['stopped']}")
