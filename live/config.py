"""What a paper session is told: one frozen value, from defaults, a TOML file, the environment and flags.

Theory of operation. The fields are the keys; a key nobody knows is an error that names
the near ones, and so is a value out of range, before anything is started. There is no
field for live money: a port is accepted only when it is one that paper gateways use and an
account only when its number is a paper number, on every connection, and again before
every order is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from live.ops.windows import parse

PAPER_PORTS = frozenset({4002, 7497, 4004, 7499})
"""Ports of paper trading: IB Gateway and TWS, and the same two as container images publish them."""
DEFAULT_PORT = 4002
LIVE_PORTS = frozenset({4001, 7496, 4003, 7498})
PAPER_ACCOUNT = re.compile(r"D[A-Z]?[0-9A-Z]{4,12}")
ACCUMULATE_MOST = 16
CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


class ConfigError(ValueError):
    """A setting that does not exist, is out of range, or would reach real money."""


class Timeouts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds. Every wait of the runner has one of these."""

    connect: float = 20.0
    request: float = 15.0
    history: float = 60.0
    heartbeat: float = 10.0
    heartbeat_every: float = 30.0
    reconcile_every: float = 300.0
    second_look: float = 11.0
    back_off_most: float = 60.0
    code_check_every: float = 30.0
    state_every: float = 1.0
    tick: float = 1.0
    alert_down_after: float = 120.0
    client_id_in_use: float = 120.0
    alarm_every: float = 5.0


class RiskLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of the account; None is no limit. Money and shares as decimal text."""

    max_position_shares: str | None = None
    max_notional: str | None = None
    max_open: int | None = 20
    orders_per_day: int | None = 200
    orders_per_symbol_day: int | None = 20
    daily_loss: str | None = None
    burst_count: int | None = 10
    burst_window_s: int = 60
    max_repeat: int | None = 3
    price_collar_bps: int | None = 2_000
    """How far from the last price an order may be priced; guards and worst prices count too, so it is wider than a day's move."""
    allow_short: bool = False


class Alarms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is worth an alarm, and whom to tell."""

    same_trade_minutes: float = 5.0
    burst_orders: int = 10
    burst_seconds: int = 60
    drawdown_percent: float = 5.0
    command: str | None = None
    """Run with the alarm's kind and text as its last two arguments; no shell reads them."""
    mail_to: str | None = None
    mail_from: str = "onebook@localhost"
    smtp: str = "localhost:25"


class Windows(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Interruptions that are known beforehand, by the wall clock of `zone`; empty is none."""

    restart: str = ""
    """The nightly restart, as 23:45-23:55."""
    login: str = ""
    """The weekly login, as sun 01:00-07:00."""
    zone: str = "America/New_York"


class Passive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How entries are quoted instead of sent to the market."""

    lifetime_s: float = 30.0
    """How long a quote works before it is cancelled."""
    offset_bps: int = 0
    """How far from the last price: below it for a buyer, above it for a seller."""
    requotes: int = 3
    """How often a quote that ended is made anew, 0 to 13."""
    then: Literal["market", "give up"] = "market"
    """What becomes of the rest after the last quote."""


class SecondNet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a position is left by an order of ours, because the broker's stop is not there or does not work."""

    on: bool = True
    unprotected_s: float = 60.0
    through_s: float = 10.0


class Accumulate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A purchase made once each trading day."""

    symbol: str
    size: str = "value:100"
    """How much each day: `value:100` of the currency, or `shares:1`."""
    at: str = "10:00"
    """From when on, on the exchange's clock."""


class PaperConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A paper session. Without `host` the embedded gateway is started and traded."""

    strategy: str = "sma_cross"
    also: tuple[str, ...] = ()
    """Further strategies that share the account, each as `name` or `name fast=5 slow=20`."""
    symbols: tuple[str, ...] = ("AAPL", "MSFT")
    params: dict[str, float | int] = {}
    bar: str = "1m"
    size: str = "percent:20"
    cash: str | None = None
    """What the embedded gateway begins with; None is the setting `cash` of every command."""
    host: str | None = None
    port: int | None = None
    """A host without a port is asked on 4002, a port without a host is on this machine; without both the embedded one is traded."""
    client_id: int = 17
    account: str | None = None
    book: str = "runs/paper.db"
    tasks: int = 8
    messages_per_s: int = 40
    allow_delayed: bool = False
    """Decide on data that is a quarter of an hour old; it is flagged wherever it is shown."""
    calendar: str = "auto"
    """Whose hours entries keep: `auto` (New York for a real gateway, none for the embedded one), `none`, or a name such as XLON."""
    currency: str = "USD"
    exchange: str = "SMART"
    accept_changes: bool = False
    """Go on in a book that was begun with another configuration; the change is kept in it."""
    alarms: Alarms = Alarms()
    windows: Windows = Windows()
    limits: RiskLimits = RiskLimits()
    brackets: bool = True
    """Guards whose prices are known go to the broker together with the entry."""
    passive: Passive | None = None
    accumulate: tuple[Accumulate, ...] = ()
    """Purchases made once a day; what they buy belongs to no strategy."""
    second_net: SecondNet = SecondNet()
    timeouts: Timeouts = Timeouts()


class Address(NamedTuple):
    """Where a gateway listens."""

    host: str
    port: int


def address(config: PaperConfig) -> Address | None:
    """Return where the gateway is that a session trades; None: the embedded one."""
    if config.host is None and config.port is None:
        return None
    return Address(config.host or "127.0.0.1", DEFAULT_PORT if config.port is None else config.port)


def read(path: Path) -> PaperConfig:
    """Return the configuration of a TOML file, checked.

    Raises:
        ConfigError: naming the file, the key and what was expected.
    """
    try:
        return checked(msgspec.toml.decode(path.read_bytes(), type=PaperConfig))
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}{_near(str(error))}; the keys stand in docs/paper.md") from error


def _near(message: str) -> str:
    """Return what an unknown key may have meant."""
    unknown = UNKNOWN_KEY.search(message)
    if unknown is None:
        return ""
    known = [name for part in PARTS for name in part.__struct_fields__]
    near = get_close_matches(unknown[1], known, n=1, cutoff=0.5)
    return f": did you mean {near[0]}?" if near else ""


PREFIX = "ONEBOOK_PAPER_"


def from_environment(config: PaperConfig, environment: Mapping[str, str]) -> PaperConfig:
    """Return the configuration with the keys that ONEBOOK_PAPER_* variables say, as in ONEBOOK_PAPER_PORT=7497.

    Raises:
        ConfigError: a variable that is no key, a key that is a table (it belongs in the file), or a value of the wrong type.
    """
    told = {}
    for name, text in environment.items():
        if not name.startswith(PREFIX) or not text:
            continue
        key = name.removeprefix(PREFIX).lower()
        if key not in PaperConfig.__struct_fields__:
            near = get_close_matches(key, PaperConfig.__struct_fields__, n=1, cutoff=0.5)
            raise ConfigError(f"environment variable {name} is no setting{f'; did you mean {PREFIX}{near[0].upper()}?' if near else ''}")
        told[key] = _typed(name, key, text)
    return msgspec.structs.replace(config, **told)


def _typed(name: str, key: str, text: str) -> Any:
    kind = next(field.type for field in msgspec.structs.fields(PaperConfig) if field.name == key)
    words: Any = [word.strip() for word in text.split(",") if word.strip()] if key in LISTS else text
    try:
        return msgspec.convert(words, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"environment variable {name}={text!r}: {error}; tables belong in --paper-config") from error


def checked(config: PaperConfig) -> PaperConfig:
    """Return the configuration, or say what is out of range.

    Raises:
        ConfigError: naming the key, the value and what was expected.
    """
    if not config.symbols or len(set(config.symbols)) != len(config.symbols):
        raise ConfigError(f"symbols {', '.join(config.symbols) or '(none)'}: name at least one, and each once")
    for part, prefix in ((config, ""), (config.alarms, "alarms."), (config.limits, "limits."), (config.second_net, "second_net.")):
        for key, least, most, why in RANGES.get(type(part), ()):
            value = getattr(part, key)
            if value is not None and not least <= value <= most:
                raise ConfigError(f"{prefix}{key} {value:g}: {why}")
    _check_texts(config)
    if config.passive is not None and not (config.passive.lifetime_s > 0 and 0 <= config.passive.requotes <= 13):
        raise ConfigError("passive: lifetime_s above 0 and requotes from 0 to 13, because a decision has 16 keys")
    strange = [rule.symbol for rule in config.accumulate if rule.symbol not in config.symbols]
    if strange or len(config.accumulate) > ACCUMULATE_MOST:
        raise ConfigError(f"accumulate: {', '.join(strange) or len(config.accumulate)}: name symbols of `symbols`, in at most 16 rules")
    odd = [rule.at for rule in config.accumulate if not CLOCK.fullmatch(rule.at)]
    if odd:
        raise ConfigError(f"accumulate: at {odd[0]!r}: write a time of the exchange's clock, as in 09:35")
    waits = [(name, wait) for name, wait in msgspec.structs.asdict(config.timeouts).items() if not 0 < wait < float("inf")]
    if waits:
        raise ConfigError(f"timeouts.{waits[0][0]} {waits[0][1]:g}: seconds, more than 0")
    if (where := address(config)) is not None:
        require_paper_port(where.port)
    if config.account is not None:
        require_paper_accounts([config.account], config.account)
    return config


def _check_texts(config: PaperConfig) -> None:
    """Say which text is not what its key takes."""
    from ledger.units import money
    from live.market.feed import bar_ns, bar_size

    told: tuple[tuple[str, Any, Any], ...] = (
        ("bar", config.bar, lambda text: bar_size(bar_ns(text))), ("cash", config.cash, money),
        ("limits.max_notional", config.limits.max_notional, money), ("limits.daily_loss", config.limits.daily_loss, money),
        ("limits.max_position_shares", config.limits.max_position_shares, money), ("windows.zone", config.windows.zone, ZoneInfo),
        ("windows.restart", config.windows.restart, lambda text: parse("restart", text)),
        ("windows.login", config.windows.login, lambda text: parse("login", text)),
    )  # fmt: skip
    for key, text, judge in told:
        try:
            judge(text) if text is not None else None
        except ZoneInfoNotFoundError as error:
            raise ConfigError(f"{key} {text!r} is no time zone; write one as America/New_York") from error
        except ValueError as error:
            raise ConfigError(f"{key}: {error}") from error


PARTS: tuple[Any, ...] = (PaperConfig, Alarms, Windows, RiskLimits, Passive, Accumulate, SecondNet, Timeouts)
UNKNOWN_KEY = re.compile(r"unknown field `(\w+)`")
LISTS = frozenset({"symbols", "also"})
MANY = float(2**31 - 1)
RANGES: dict[type, tuple[tuple[str, float, float, str], ...]] = {
    PaperConfig: (
        ("client_id", 1, MANY, "1 to 2147483647; 0 would bind orders that people enter by hand"),
        ("tasks", 1, 64, "1 to 64 symbols at a time"),
        ("messages_per_s", 1, 49, "1 to 49; the gateway closes the connection of a client that sends more than 50 in a second"),
    ),
    Alarms: (
        ("same_trade_minutes", 0, MANY, "minutes, 0 for no such alarm"), ("burst_orders", 1, MANY, "at least 1 order"),
        ("burst_seconds", 1, MANY, "at least 1 second"), ("drawdown_percent", 0.01, 100, "0.01 to 100 percent"),
    ),
    RiskLimits: (
        *((key, 0, MANY, "a number of orders or stocks, at least 0") for key in ("max_open", "orders_per_day", "orders_per_symbol_day")),
        ("burst_count", 1, MANY, "at least 1 entry"), ("burst_window_s", 1, 86_400, "1 to 86400 seconds"),
        ("max_repeat", 1, MANY, "at least 1 entry"), ("price_collar_bps", 1, MANY, "at least 1 basis point"),
    ),
    SecondNet: (("unprotected_s", 0, MANY, "seconds, at least 0"), ("through_s", 0, MANY, "seconds, at least 0")),
}  # fmt: skip
"""By part: key, least, most, and what is expected."""


def require_paper_port(port: int) -> None:
    """Refuse a port that could lead to real money.

    Raises:
        ConfigError: naming the port and those that are accepted.
    """
    allowed = ", ".join(str(known) for known in sorted(PAPER_PORTS))
    if port in LIVE_PORTS:
        raise ConfigError(f"port {port} is where gateways trade REAL MONEY; onebook trades paper only, on {allowed}")
    if port not in PAPER_PORTS:
        raise ConfigError(f"port {port} is not known to be a paper port; onebook trades paper only, on {allowed}")


def require_paper_accounts(accounts: Iterable[str], wanted: str | None) -> str:
    """Return the account to trade, when every managed account is a paper account.

    Raises:
        ConfigError: no account, one that is not provably paper, or a choice that has to be made.
    """
    found = [account for account in accounts if account]
    if not found:
        raise ConfigError("the gateway named no account; log in to it, and look at `onebook paper doctor`")
    real = [account for account in found if not PAPER_ACCOUNT.fullmatch(account)]
    if real:
        raise ConfigError(f"{', '.join(real)} is not a paper account (those begin with D); onebook does not trade it, nor beside it")
    if wanted is not None and wanted not in found:
        raise ConfigError(f"account {wanted} is not managed by this gateway, which has {', '.join(found)}")
    if wanted is None and len(found) > 1:
        raise ConfigError(f"the gateway manages {', '.join(found)}; say which one with `account`")
    return wanted or found[0]
