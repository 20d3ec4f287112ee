"""What a command may be told: defaults, `onebook.toml`, ONEBOOK_* variables, flags.

Theory of operation. Each key has one value and one origin, and the later of default,
file, environment and flag wins. A key nobody knows is an error that names where it
stands and what it may have meant: a misspelt risk setting that is ignored is worse
than a command that does not run. Keys exist here only when a command reads them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

FILE = "onebook.toml"
PREFIX = "ONEBOOK_"

DEFAULTS: dict[str, str | bool] = {
    "book": "runs/onebook.db",
    "data": "sp500",
    "prices": "adjusted",
    "store": "store",
    "cash": "100000",
    "size": "percent:95",
    "commission": "ibkr-fixed",
    "account": "cash",
    "settlement": "0",
    "borrow_bps": "0",
    "interest_bps": "0",
    "debit_bps": "0",
    "delisting": "last",
    "lot": "1",
    "profile": "next-open",
    "slippage": "none",
    "participation": "none",
    "limits": "none",
    "out": "runs",
    "picture": True,
    "smtp": "none",
    "smtp_user": "",
    "mail_from": "",
    "mail_to": "",
}
MEANING: dict[str, str] = {
    "book": "the journal that runs are stored in and read from",
    "data": "sp500, nasdaq, store, a folder in LEAN layout, or a CSV or Parquet file",
    "prices": "adjusted or raw (LEAN folders)",
    "store": "folder of the local price store; --data store reads it",
    "cash": "money at the start of a backtest",
    "size": "full size: percent:95 of equity, shares:100, volatility:15, atr:1, kelly:50, ...",
    "commission": "ibkr-fixed, ibkr-tiered, lean-ibkr, zero, bps:10, per-share:0.005, per-order:1",
    "account": "cash, or margin:initial=50,maintenance=25,short=30",
    "settlement": "trading days until proceeds of sales may be spent (cash accounts)",
    "borrow_bps": "annual fee for borrowed shares, in basis points",
    "interest_bps": "annual interest on cash, in basis points",
    "debit_bps": "annual interest on borrowed cash, in basis points",
    "delisting": "last (close at the last price) or worthless",
    "lot": "smallest quantity: 1 for whole shares, 0.0001 for fractions",
    "profile": "when orders fill: next-open, close, pessimistic, optimistic or vectorbt",
    "slippage": "none, ticks:2, bps:5 or volume-share:0.1",
    "participation": "most of a bar's volume that fills may take, in percent, or none",
    "limits": "limits of the account, as max-notional=20000,daily-loss=1000,burst-count=5, or none",
    "out": "folder that pictures and tear sheets go to",
    "picture": "draw the equity curve",
    "smtp": "mail server of reports: host:port for STARTTLS, tls:host:port, plain:host:port (this machine only), or none",
    "smtp_user": "name to log in with; the password is ONEBOOK_SMTP_PASSWORD and stands in no file",
    "mail_from": "address that reports come from",
    "mail_to": "addresses that reports go to, joined by commas",
}


class ConfigError(ValueError):
    """A setting that does not exist or is not what it should be."""


class Setting(NamedTuple):
    """One key's value and where it comes from."""

    value: Any
    origin: str


class Settings(dict[str, Setting]):
    """All keys; `settings("book")` is the value."""

    def __call__(self, key: str) -> Any:
        """Return the value of a key."""
        return self[key].value


def resolve(config: str | None, overrides: Sequence[str], flags: Mapping[str, Any]) -> Settings:
    """Return every key with its value and origin.

    Args:
        config: a file that must exist; None reads `onebook.toml` in this folder if there is one.
        overrides: `key=value` texts of -o. flags: options by key, None when they were not given.
    Raises:
        ConfigError: an unknown key or a wrong type, named with its place and near names.
    """
    found = Settings({key: Setting(value, "default") for key, value in DEFAULTS.items()})
    path = Path(config) if config else Path(FILE)
    if config or path.exists():
        found.update({key: Setting(value, str(path)) for key, value in read_file(path).items()})
    found.update(read_environment(os.environ))
    for text in overrides:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            raise ConfigError(f"-o {text!r} is not of the form key=value, as in cash=50000")
        key = known(key, "-o")
        found[key] = Setting(typed(key, value, "-o"), "-o")
    found.update(
        {key: Setting(value, f"--{key}") for key, value in flags.items() if value is not None and key in DEFAULTS}
    )
    if found["data"].value == "store":
        found["data"] = found["data"]._replace(value=found["store"].value)
    return found


def read_file(path: Path) -> dict[str, Any]:
    """Return the keys of a config file, strictly typed.

    Raises:
        ConfigError: no such file, no TOML, an unknown key or a value of the wrong type.
    """
    import msgspec

    try:
        raw = msgspec.toml.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"config file {path} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"config file {path} is not TOML: {error}") from error
    for key in raw:
        known(key, str(path))
    fields = [(key, bool if isinstance(value, bool) else str | int, msgspec.UNSET) for key, value in DEFAULTS.items()]
    shape = msgspec.defstruct("Config", fields, forbid_unknown_fields=True)
    try:
        read = msgspec.convert(raw, shape, strict=True)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f'config file {path}: {error}; write money and sizes as text, as in cash = "100000"'
        ) from error
    return {key: getattr(read, key) if isinstance(DEFAULTS[key], bool) else str(getattr(read, key)) for key in raw}


def read_environment(environment: Mapping[str, str]) -> dict[str, Setting]:
    """Return the keys set by ONEBOOK_* variables; a near miss is an error, a name far from every key is not ours."""
    found: dict[str, Setting] = {}
    for name, value in environment.items():
        key = name.removeprefix(PREFIX).lower()
        if not name.startswith(PREFIX) or value == "":
            continue
        if key in DEFAULTS:
            found[key] = Setting(typed(key, value, name), name)
        elif near := get_close_matches(key, DEFAULTS, n=1, cutoff=0.75):
            raise ConfigError(f"environment variable {name} is no setting; did you mean {PREFIX}{near[0].upper()}?")
    return found


def known(key: str, place: str) -> str:
    """Return `key`, or say where an unknown one stands and what it may have meant."""
    if key in DEFAULTS:
        return key
    near = get_close_matches(key, DEFAULTS, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise ConfigError(f"{place}: unknown key {key!r}; {hint}known: {', '.join(DEFAULTS)}")


def typed(key: str, value: str, place: str) -> str | bool:
    """Return a text as the type of its key."""
    if not isinstance(DEFAULTS[key], bool):
        return value
    if value.lower() in ("true", "1", "yes", "on"):
        return True
    if value.lower() in ("false", "0", "no", "off"):
        return False
    raise ConfigError(f"{place}: {key} is true or false, not {value!r}")
