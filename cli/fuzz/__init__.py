"""`onebook fuzz`: try the order in which the world may answer, on our order path or on your own.

Theory of operation. The commands hand words to `sim.fuzz` and show what it returns. Scenarios
are functions named `module:function` or `shelf.name`, so those that compose rooms, and
those of a person's own bot, are reached by name and imported by nobody here.
"""

from __future__ import annotations

import click

from cli.fuzz.campaign import campaign, run, zoo
from cli.fuzz.tokens import explain, replay


@click.group()
def fuzz() -> None:
    """Prove that an order handler cannot buy twice, or show the schedule in which it does.

    A scenario is module:function (your own; see sim/fuzz/README.md) or a name such as zoo.no_lock.
    """


for _command in (run, campaign, zoo, replay, explain):
    fuzz.add_command(_command)

__all__ = ["fuzz"]
