"""The root command: gathers the commands and gives every failure a sentence and a code.

Theory of operation. `Commands.invoke` is the one place where exceptions end. A known
one becomes "error: sentence" on standard error and its exit code; an interrupt becomes
one line and 130; anything else is a bug, says so, and shows its traceback when
ONEBOOK_DEBUG is set. With --json the error is also the one document on standard output.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Any

import click

from cli.api import market, performance, pnl, serve, status
from cli.app import app
from cli.book import book
from cli.common import leaf
from cli.compare import compare
from cli.data import data
from cli.demo import demo
from cli.exits import Code, code_of, sentence
from cli.fuzz import fuzz
from cli.gateway import gateway
from cli.honesty import overfit, walkforward
from cli.output import Voice, table, voice
from cli.paper import paper
from cli.parity import parity
from cli.report import report
from cli.rescue import audit, breakdown, import_, rebook, repair
from cli.runs import backtest
from cli.strategy import check, new_strategy, strategies
from cli.sweep import sweep

SHELLS = ("bash", "zsh", "fish")


class Commands(click.Group):
    """A group that turns exceptions into exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; end every exception here."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            # What a command itself finds wrong (no such session) has --json behind it; a wrong option came before.
            _document(ctx, error.format_message(), Code(error.exit_code))
            raise
        except (click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt as stop:
            _report(ctx, str(stop) or "interrupted; nothing was left half-written", Code.INTERRUPTED)
        except BrokenPipeError:
            # Whoever read our output has heard enough; a second complaint at exit would have nowhere to go.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(Code.FAILED) from None
        except Exception as error:
            code = code_of(error)
            if os.environ.get("ONEBOOK_DEBUG"):
                raise
            if code is None:
                kind = type(error).__name__
                _report(ctx, f"{kind}: {error} (this is a bug; ONEBOOK_DEBUG=1 shows where)", Code.FAILED)
            _report(ctx, sentence(error), code or Code.FAILED)


def _report(ctx: click.Context, message: str, code: Code) -> None:
    """Say what went wrong and leave."""
    click.echo(f"error: {message}" if code != Code.INTERRUPTED else message, err=True)
    _document(ctx, message, code)
    raise click.exceptions.Exit(int(code))


def _document(ctx: click.Context, message: str, code: Code) -> None:
    """Print an error as the one document, if a document was asked for and standard output can still be written to."""
    speaker = ctx.find_object(Voice) or Voice()
    with suppress(OSError):
        speaker.document({"error": {"code": code.name.lower(), "exit_code": int(code), "message": message}})


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="onebook")
@click.pass_context
def root(ctx: click.Context) -> None:
    """One book for backtest, fuzz and paper: exact money, one order gate, every event kept.

    Exit codes: 0 done, 1 failed, 2 usage or config, 3 finding, 4 environment, 5 locked, 130 interrupted.
    """
    ctx.ensure_object(Voice)


root.add_command(app)
for asked in (status, market, pnl, performance, serve):
    root.add_command(asked)
root.add_command(backtest)
root.add_command(book)
for rescue in (import_, audit, breakdown, rebook, repair):
    book.add_command(rescue)
root.add_command(compare)
root.add_command(data)
root.add_command(demo)
root.add_command(fuzz)
root.add_command(gateway)
root.add_command(overfit)
root.add_command(paper)
root.add_command(parity)
root.add_command(report)
root.add_command(strategies)
root.add_command(sweep)
root.add_command(walkforward)
root.add_command(new_strategy)
root.add_command(check)


@root.command()
@leaf
def config(settings: Any) -> None:
    """Show every setting, its value and where it comes from."""
    from cli.settings import MEANING

    speaker = voice()
    speaker.document({key: {"value": value, "origin": origin} for key, (value, origin) in settings.items()})
    rows = [(key, value, origin, MEANING[key]) for key, (value, origin) in settings.items()]
    speaker.show(
        table("Settings: default < onebook.toml < ONEBOOK_* < flag", ("key", "value", "from", "meaning"), rows)
    )


@root.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    For bash: eval "$(onebook completion bash)".
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    click.echo(kind(root, {}, "onebook", "_ONEBOOK_COMPLETE").source())


def main() -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # A sign that a terminal does not know is a ?, and no reason to stop.
    try:
        return int(root.main(prog_name="onebook", standalone_mode=True) or 0)
    except SystemExit as leaving:
        return int(leaving.code or 0)
