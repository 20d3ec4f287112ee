"""`onebook serve`: the documents of `status`, `market`, `pnl` and `performance` over loopback HTTP."""

from __future__ import annotations

import socket

import click

from cli.common import leaf, stored
from cli.output import voice
from cli.settings import Settings


@click.command()
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; only this machine's own are taken."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8600, show_default=True, help="Port to listen on.")
@stored
@leaf
def serve(settings: Settings, session_id: int | None, host: str, port: int) -> None:
    """Serve the journal's documents and its events on this machine, read-only, until Ctrl-C.

    GET /api/status, /api/market, /api/pnl, /api/performance are the documents of the commands; /api/events sends each event
    as it is stored (server-sent events; `after` or Last-Event-ID goes on behind a sequence number).
    """
    from cli.api.server import application, is_loopback

    if not is_loopback(host):
        raise click.UsageError(
            f"{host} can be reached by others, and nobody would have to log in; use 127.0.0.1 and an SSH tunnel"
        )
    import uvicorn

    with _listening(host.strip("[]"), port) as listening:
        port = listening.getsockname()[1]
        book, url = str(settings("book")), f"http://{host}:{port}"
        voice().document({"url": url, "book": book, "session": session_id})
        if not voice().as_json:
            click.echo(f"onebook on {url}, book {book}; Ctrl-C stops it")
        app = application(book, session_id, port)
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        uvicorn.Server(config).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens: nothing is promised before, for the port may be taken."""
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
