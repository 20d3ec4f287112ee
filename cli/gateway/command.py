"""`onebook gateway`: a simulated IB Gateway on this machine.

Theory of operation. The command reads its options into a Config, starts the gateway on a loopback
port and prints what it is, where it listens and how to connect. It runs until Ctrl-C.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli.common import leaf
from cli.gateway import frames
from cli.output import voice

if TYPE_CHECKING:
    from cli.settings import Settings


class Gateway(click.Group):
    """A group whose own name runs the gateway."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take `onebook gateway --port 4002` for `onebook gateway run --port 4002`."""
        if not args or (args[0].startswith("-") and args[0] not in ("-h", "--help")):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=Gateway)
def gateway() -> None:
    """Simulate an IB Gateway on this machine; any client of the TWS protocol connects.

    Without a subcommand it runs: `onebook gateway --port 4002`. Everything is SIMULATED.
    """


@gateway.command()
@click.option("--port", type=click.IntRange(0, 65535), default=4002, show_default=True, help="Port; 0 takes a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address; no other is opened.")
@click.option("--seed", type=int, default=7, show_default=True, help="What prices and faults are drawn with.")
@click.option("--data", help="Real prices: as `onebook backtest run --data`; without it a seeded model.")
@click.option("--symbol", "symbols", multiple=True, help="Symbol of the data; repeatable.")
@click.option("--plan", type=click.Path(), help="Faults: a TOML plan.")
@click.option("--journal", "journal_file", type=click.Path(), help="Write every frame to this file.")
@click.option("--state", "state_file", type=click.Path(), default="runs/gateway.db", show_default=True,
              help="Where orders and positions are kept.")  # fmt: skip
@click.option("--memory", is_flag=True, help="Keep nothing; every start is the first.")
@click.option("--start", "begin", help="Simulated time to begin with, like 2026-03-02T09:30 (New York).")
@click.option("--speed", type=click.FloatRange(0.01, 10_000), default=1.0, show_default=True, help="Simulated seconds per second.")
@click.option("--hours", type=click.Choice(("always", "exchange")), default="always", show_default=True,
              help="When markets are open.")  # fmt: skip
@click.option("--account", "paper_account", default="DU1000001", show_default=True, help="Account; its name begins with D.")
@click.option("--cash", help="Money of a new account.")
@click.option("--commission", help="Commission of stocks: ibkr-fixed, zero, bps:10, per-share:0.005.")
@click.option("--leverage", type=click.IntRange(100, 1000), default=100, show_default=True, help="Buying power, percent of equity.")
@click.option("--liquidity", default="", help="Shares that trade within a second; without it any number.")
@click.option("--fill-bar", type=click.IntRange(0, 86_400), default=0, show_default=True,
              help="Seconds of a bar: market orders fill at the open of the running bar, as in a backtest; 0: at the quote.")  # fmt: skip
@click.option("--rate-limit", type=click.IntRange(0), default=50, show_default=True, help="Messages a second; 0 is no limit.")
@click.option("--read-only", is_flag=True, help="Refuse orders with error 321.")
@leaf
def run(settings: Settings, **options: Any) -> None:
    """Run the gateway until Ctrl-C."""
    import asyncio

    from cli.gateway.serving import build, listening
    from sim.gateway.transport.tcp import serve

    speaker = voice()
    built = build(settings, options, speaker.say)

    def ready(port: int) -> None:
        document = listening(built, options["host"], port)
        speaker.document(document)
        if not speaker.as_json:
            click.echo("\n".join(document["lines"]))

    try:
        asyncio.run(serve(built.gateway, options["port"], options["host"], options["speed"], ready))
    finally:
        built.close()


for command in (frames.record, frames.show, frames.replay, frames.diff):
    gateway.add_command(command)
