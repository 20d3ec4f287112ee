"""The documents over HTTP, read-only, on this machine alone.

Theory of operation. Each request opens the journal to read, makes the document that the command line makes, and closes it: no
state, nothing to go stale. The Host header must be one of this machine's own names, so that a page from elsewhere whose name was
rebound to 127.0.0.1 gets nothing; there is no CORS header, and no method but GET and HEAD. `/api/events` sends the events of a session
as they are stored, each under its sequence number, and goes on where `Last-Event-ID` or `after` says.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from cli.api.events import events_after
from cli.api.figures import document

NAMES = ("status", "market", "pnl", "performance")
ALIASES = {"/api/market/status": "market"}
POLL_S = 0.25
BEAT_S = 15.0
BATCH = 500
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'",
}


def is_loopback(host: str) -> bool:
    """Say whether an address can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def allowed_hosts(port: int) -> frozenset[str]:
    """Return what the Host header may say."""
    names = ("127.0.0.1", "localhost", "[::1]")
    return frozenset({*names, *(f"{name}:{port}" for name in names)})


class OnlyThisMachine:
    """Let a request pass when its Host is this machine's own name and it only reads."""

    def __init__(self, app: Any, hosts: frozenset[str]) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer 421 to a foreign Host and 405 to a method that writes."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        from starlette.responses import JSONResponse

        host = next((value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"), "")
        if host not in self.hosts:
            await JSONResponse({"error": "this server answers to its own name on this machine only"}, 421)(
                scope, receive, send
            )
        elif scope["method"] not in ("GET", "HEAD"):
            await JSONResponse({"error": "this server is read-only"}, 405)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def application(book: str, session_id: int | None, port: int, clock: Callable[[], int] = time.time_ns) -> Any:
    """Return the ASGI application of a journal."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import JSONResponse, StreamingResponse
    from starlette.routing import Route

    def answer(name: str) -> Callable[[Any], Any]:
        def endpoint(_request: Any) -> Any:
            found = document(name, book, session_id, clock())
            return JSONResponse(found, 503 if found["error"] is not None else 200, headers=HEADERS)

        return endpoint

    async def events(request: Any) -> Any:
        after = request.headers.get("last-event-id") or request.query_params.get("after", "0")
        if not (after.isascii() and after.isdecimal() and len(after) < 19):
            return JSONResponse({"error": "after is the number of the last event you have"}, 400, headers=HEADERS)
        stream = _stream(book, session_id, int(after), request.query_params.get("follow", "1") != "0")
        return StreamingResponse(stream, media_type="text/event-stream", headers=HEADERS)

    def health(_request: Any) -> Any:
        return JSONResponse({"ok": True}, headers=HEADERS)

    routes = [Route(f"/api/{name}", answer(name)) for name in NAMES]
    routes += [Route(path, answer(name)) for path, name in ALIASES.items()]
    routes += [Route("/api/events", events), Route("/health", health)]
    return Starlette(routes=routes, middleware=[Middleware(OnlyThisMachine, hosts=allowed_hosts(port))])


async def _stream(book: str, session_id: int | None, after: int, follow: bool) -> AsyncIterator[str]:
    """Yield the events after a number as server-sent events, and a beat while there is none."""
    import click
    from starlette.concurrency import run_in_threadpool

    from ledger.journal import JournalError

    quiet, own = 0.0, session_id
    while True:
        try:
            # A session that begins later has numbers of its own: a stream stays with the session it began with.
            own, rows = await run_in_threadpool(events_after, book, own, after, BATCH)
        except (JournalError, OSError, click.UsageError) as error:
            # The stream ends with the reason; the browser comes back by itself with the last number it has.
            yield f"event: error\ndata: {json.dumps({'error': str(error)})}\n\n"
            return
        for row in rows:
            after = row["seq"]
            yield f"id: {after}\nevent: {row['kind']}\ndata: {json.dumps(row)}\n\n"
        if len(rows) == BATCH:
            continue
        if not follow:
            return
        quiet = 0.0 if rows else quiet + POLL_S
        if quiet >= BEAT_S:
            quiet = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(POLL_S)
