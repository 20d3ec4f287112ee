"""The options the app is safe with, and the refusal to show anything without them.

Theory of operation. `OPTIONS` is what `onebook app` passes to Streamlit; `.streamlit/config.toml` says the
same to whoever starts `streamlit run app_streamlit.py`. Both can be overruled by flags and by the environment, so
the entry asks `faults` first and shows an account only when nothing is wrong. An address that others can reach is
allowed only behind a log-in of Streamlit's own ([auth] in its secrets).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

OPTIONS: dict[str, str | int | bool | list[str]] = {
    "server.address": "127.0.0.1",
    "server.allowedHosts": ["localhost", "127.0.0.1"],
    "server.enableCORS": True,
    "server.enableXsrfProtection": True,
    "server.headless": True,
    "server.showEmailPrompt": False,
    "server.fileWatcherType": "none",
    "server.maxUploadSize": 1,
    "server.disconnectedSessionTTL": 120,
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.toolbarMode": "minimal",
    "client.showSidebarNavigation": True,
    "runner.magicEnabled": False,
}
BOOK_VARIABLE = "ONEBOOK_BOOK"
DEFAULT_BOOK = "runs/onebook.db"
NEEDED = ("server.enableCORS", "server.enableXsrfProtection")
"""Options without which a page of another site could talk to this server."""


def is_loopback(address: str | None) -> bool:
    """Say whether an address is reached from this machine alone; no address means every interface."""
    if not address:
        return False
    if address == "localhost":
        return True
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def faults(option: Callable[[str], Any], log_in: bool) -> list[str]:
    """Return why the app must not show anything, as sentences; empty when it may.

    Args:
        option: returns the value of a Streamlit option. log_in: the secrets have an [auth] section.
    """
    return list(_faults(option, log_in))


def _faults(option: Callable[[str], Any], log_in: bool) -> Iterator[str]:
    address = option("server.address")
    if not is_loopback(address) and not log_in:
        where = f"on {address}" if address else "on every interface"
        yield (
            f"The server listens {where} and nobody has to log in. Start it with `onebook app` or with --server.address=127.0.0.1; "
            "to be seen from elsewhere it needs a log-in: an [auth] section in Streamlit's secrets."
        )
    for name in NEEDED:
        if not option(name):
            yield f"{name} is off, so a page of another site could talk to this server. Start it without that option."
    if is_loopback(address) and not option("server.allowedHosts"):
        yield "server.allowedHosts is empty, so a foreign name that leads to this machine would be served. Set localhost and 127.0.0.1."


def flags(address: str | None = None, port: int | None = None) -> list[str]:
    """Return the options as words of a command line."""
    chosen = OPTIONS | ({"server.address": address} if address else {}) | ({"server.port": port} if port else {})
    if address:
        chosen["server.allowedHosts"] = sorted({"localhost", "127.0.0.1", address})
    return [word for name, value in chosen.items() for word in _words(name, value)]


def _words(name: str, value: str | int | bool | list[str]) -> list[str]:
    if isinstance(value, list):
        return [f"--{name}={each}" for each in value]
    return [f"--{name}={str(value).lower() if isinstance(value, bool) else value}"]
