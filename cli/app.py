"""`onebook app`: the browser app on this machine, with the options it is safe with.

Theory of operation. The command becomes Streamlit: it replaces itself, so Ctrl-C and signals reach the server. The
options stand in `app.shell.options`. An address that others can reach is refused here already, unless Streamlit's
secrets name a log-in; the app itself looks again, whoever started it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from cli.common import leaf
from cli.output import voice
from cli.settings import Settings

SECRETS = (Path(".streamlit", "secrets.toml"), Path.home() / ".streamlit" / "secrets.toml")


@click.command()
@click.option(
    "--book", type=click.Path(), help="Book to show first; the others of its folder can be chosen in the app."
)
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True, help="Port to listen on.")
@click.option(
    "--address", default="127.0.0.1", show_default=True, help="Another one than this machine's own needs a log-in."
)
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open a browser window.")
@click.option("--dry-run", is_flag=True, help="Only print the command that would be run.")
@leaf
def app(settings: Settings, port: int, address: str, browser: bool, dry_run: bool) -> None:
    """Open the pages: compare, overview, positions, orders, trades, P&L, performance, risk, backtests, fuzzing, audit.

    They read books and never write them. What a page starts (a backtest, a simulated paper session) is a command of
    this program, and the page shows it.
    """
    from app.shell.options import BOOK_VARIABLE, flags, is_loopback

    if not is_loopback(address) and not has_log_in(SECRETS):
        raise click.UsageError(
            f"{address} can be reached by others, and nobody would have to log in. Leave out --address and use an SSH tunnel, "
            "or set up [auth] in .streamlit/secrets.toml"
        )
    entry = Path(__file__).resolve().parent.parent / "app_streamlit.py"
    words = [sys.executable, "-m", "streamlit", "run", str(entry), *flags(address, port)]
    if browser and not dry_run:
        words[words.index("--server.headless=true")] = "--server.headless=false"
    url = f"http://{'localhost' if is_loopback(address) else address}:{port}"
    voice().document({"url": url, "book": settings("book"), "command": words})
    if not voice().as_json:
        click.echo(f"onebook on {url}, book {settings('book')}; Ctrl-C stops it")
    if dry_run:
        return
    sys.stdout.flush()
    environment: dict[str, Any] = {**os.environ, BOOK_VARIABLE: str(settings("book"))}
    os.execve(sys.executable, words, environment)


def has_log_in(files: tuple[Path, ...]) -> bool:
    """Say whether one of Streamlit's secret files has an [auth] section; nothing of it is read but its name."""
    import tomllib

    return any(path.is_file() and "auth" in tomllib.loads(path.read_text("utf-8")) for path in files)
