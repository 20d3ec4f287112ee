"""`onebook fuzz`: try the order in which the world may answer, on our order path or on your own.

Theory of operation. The commands hand words to `sim.fuzz` and show what it returns. Scenarios
are functions named `module:function` or `shelf.name`, so those that compose rooms, and
those of a person's own bot, are reached by name and imported by nobody here.
"""

from __future__ import annotations

import re

import click

from cli.fuzz.campaign import campaign, run
from cli.fuzz.tokens import explain, replay
from cli.fuzz.zoo import replays, zoo


class Fuzz(click.Group):
    """The group; what is no command and has a colon is a scenario to run, or a token to replay."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that was named or meant, and its words."""
        first = args[0] if args else ""
        meant = "replay" if re.match(r"fz\d+:", first) else "run" if ":" in first else None
        return super().resolve_command(ctx, [meant, *args] if meant else args)


@click.group(cls=Fuzz)
def fuzz() -> None:
    """Prove that an order handler cannot buy twice, or show the schedule in which it does.

    A scenario is module:function (your own; see sim/fuzz/README.md) or a name such as zoo.no_lock.
    `onebook fuzz my_module:scenario` is short for `onebook fuzz run my_module:scenario`.
    """


for _command in (run, campaign, zoo, replay, explain, replays):
    fuzz.add_command(_command)

__all__ = ["fuzz"]
