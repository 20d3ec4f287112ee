"""`onebook gateway record | show | replay | diff`: journals of frames.

Theory of operation. Thin skins over the recorder, the replay and the comparison. `diff` and `replay` end with the
code for a finding when two gateways did not say the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.common import leaf
from cli.exits import Code
from cli.output import table, voice

if TYPE_CHECKING:
    from cli.settings import Settings

FILE = click.Path(exists=True, dir_okay=False)
ROWS = 50


@click.command()
@click.argument("file", type=click.Path(dir_okay=False))
@click.option("--port", type=click.IntRange(0, 65535), default=4001, show_default=True, help="Port that clients connect to.")
@click.option("--to", "target", default="127.0.0.1:4002", show_default=True, help="The gateway that is recorded, HOST:PORT.")
@leaf
def record(settings: Settings, file: str, port: int, target: str) -> None:
    """Pass everything between a client and a gateway, and write every frame to FILE.

    Put it between your client and a paper account: the simulator can then be held against the real thing.
    FILE holds account names and orders; keep it to yourself.
    """
    import asyncio
    import time

    from sim.gateway.transport.recorder import record as run
    from sim.gateway.wire.journal import FrameJournal

    host, _, number = target.rpartition(":")
    if not host or not number.isdecimal():
        raise click.BadParameter(f"{target!r} is not HOST:PORT", param_hint="--to")
    speaker, journal = voice(), FrameJournal(Path(file))

    def ready(listening: int) -> None:
        speaker.document({"port": listening, "to": target, "file": file})
        if not speaker.as_json:
            click.echo(f"recording 127.0.0.1:{listening} to {target} into {file}; Ctrl-C ends it")

    try:
        asyncio.run(run(port, host, int(number), journal, time.time_ns, ready=ready))
    finally:
        journal.close()


@click.command()
@click.argument("file", type=FILE)
@leaf
def show(settings: Settings, file: str) -> None:
    """Show a journal of frames, message by message."""
    from sim.gateway.wire import requests
    from sim.gateway.wire.compare import name_of
    from sim.gateway.wire.journal import read

    rows = []
    for frame in read(Path(file)):
        known = requests.BY_NUMBER.get(frame.fields[0]) if frame.fields else None
        name = name_of(frame) if frame.direction == "<" else known.name if known else "version"
        rows.append([frame.time_ns, frame.connection, frame.direction, name, ",".join(frame.fields)])
    speaker = voice()
    keys = ("time_ns", "connection", "direction", "message", "fields")
    speaker.document({"frames": [dict(zip(keys, row)) for row in rows]})
    speaker.show(table(f"{len(rows)} frames", keys, rows))


def _tell(found: list[Any], first: str, second: str) -> None:
    """Print differences; a difference is a finding."""
    speaker = voice()
    keys = ("connection", "place", "message", "what")
    speaker.document({"differences": len(found), "rows": [difference._asdict() for difference in found]})
    shown = [list(difference) for difference in found[:ROWS]]
    speaker.show(table(f"{len(found)} differences between {first} and {second}, {len(shown)} shown", keys, shown))
    if found:
        raise click.exceptions.Exit(int(Code.FINDING))


@click.command()
@click.argument("first", type=FILE)
@click.argument("second", type=FILE)
@click.option("--values", is_flag=True, help="Compare what fields say, not only which are set.")
@leaf
def diff(settings: Settings, first: str, second: str, values: bool) -> None:
    """Compare what two gateways said."""
    from sim.gateway.wire.compare import compare
    from sim.gateway.wire.journal import read

    _tell(compare(read(Path(first)), read(Path(second)), values), first, second)


@click.command()
@click.argument("file", type=FILE)
@click.option("--seed", type=int, default=7, show_default=True, help="What prices are drawn with.")
@click.option("--values", is_flag=True, help="Compare what fields say, not only which are set.")
@leaf
def replay(settings: Settings, file: str, seed: int, values: bool) -> None:
    """Say to the simulator what a client once said, and compare the answers with those of FILE."""
    from sim.gateway.core.config import Config
    from sim.gateway.core.gateway import Gateway
    from sim.gateway.transport.replay import replay as run
    from sim.gateway.wire.compare import compare
    from sim.gateway.wire.journal import read

    frames = list(read(Path(file)))
    said = run(frames, Gateway(Config(seed=seed, cash=settings("cash"))))
    _tell(compare(frames, said, values), file, "the simulator")
