"""Options that every command has, and the option types they share.

Theory of operation. `leaf` wraps a command: it adds --json, --quiet, --config and -o,
sets the voice, resolves the settings from them and from the command's own flags, and
hands the settings over. So a command reads `settings("book")` and never asks where
the value came from.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from cli.output import Voice
from cli.settings import DEFAULTS, resolve

F = TypeVar("F", bound=Callable[..., Any])


def leaf(function: F) -> F:
    """Give a command the shared options; it receives `settings` instead of them."""

    @functools.wraps(function)
    def command(as_json: bool, quiet: bool, config_file: str | None, overrides: tuple[str, ...], **flags: Any) -> Any:
        speaker = click.get_current_context().ensure_object(Voice)
        speaker.as_json, speaker.quiet = as_json, quiet
        own = {key: value for key, value in flags.items() if key not in DEFAULTS}
        return function(settings=resolve(config_file, overrides, flags), **own)

    options = (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output."),
        click.option("-q", "--quiet", is_flag=True, help="Say nothing on standard error but errors."),
        click.option(
            "--config", "config_file", type=click.Path(), help="Config file (default: onebook.toml here, if any)."
        ),
        click.option(
            "-o", "overrides", multiple=True, metavar="KEY=VALUE", help="Set one config key; see `onebook config`."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command  # type: ignore[return-value]


def paged(function: F) -> F:
    """Add --page and --rows to a command that lists rows; the total is always shown."""
    for option in (
        click.option("--page", type=click.IntRange(min=1), default=1, show_default=True, help="Which page to show."),
        click.option(
            "--rows", type=click.IntRange(min=0), default=50, show_default=True, help="Rows of a page; 0 shows all."
        ),
    ):
        function = option(function)
    return function


def stored(function: F) -> F:
    """Add --book and --session to a command that reads a stored session."""
    for option in (
        click.option(
            "--session", "session_id", type=click.IntRange(min=1), help="Which session; default: the last one."
        ),
        click.option("--book", type=click.Path(), help="Journal to read; default: ONEBOOK_BOOK, else runs/onebook.db."),
    ):
        function = option(function)
    return function


def symbols_of(texts: Sequence[str]) -> list[str]:
    """Return the instruments that --symbol names, in several words or behind commas; none was said: none.

    Raises:
        click.UsageError: it was said, and named nothing; an unset variable of a script must not mean every instrument there is.
    """
    wanted = [symbol.strip() for text in texts for symbol in text.split(",") if symbol.strip()]
    if texts and not wanted:
        raise click.UsageError("--symbol names no instrument; write --symbol AAPL,MSFT or leave it out")
    return wanted


class StrategyName(click.ParamType[str]):
    """A strategy's name, completed from the registry without importing any strategy."""

    name = "strategy"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """Return the names that begin like this."""
        from click.shell_completion import CompletionItem

        from strategies import names

        return [CompletionItem(name) for name in names() if name.startswith(incomplete)]
