"""What a paper session is told: one frozen value, from defaults, a TOML file, the environment and flags.

Theory of operation. The fields are the keys; a key nobody knows is an error that names
the near ones. There is no field for live money: `require_paper` accepts a port only
when it is one that paper gateways use and an account only when its number is a paper
number, at the start, and again before every order is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from live.ops.windows import parse

PAPER_PORTS = frozenset({4002, 7497, 4004, 7499})
"""Ports of paper trading: IB Gateway and TWS, and the same two as container images publish them."""
LIVE_PORTS = frozenset({4001, 7496, 4003, 7498})
PAPER_ACCOUNT = re.compile(r"D[A-Z]?[0-9A-Z]{4,12}")
ACCUMULATE_MOST = 16
CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


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
    cash: str = "100000"
    host: str | None = None
    port: int = 4002
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


def read(path: Path) -> PaperConfig:
    """Return the configuration of a TOML file, checked.

    Raises:
        ConfigError: naming the file, the key and what was expected.
    """
    try:
        return checked(msgspec.toml.decode(path.read_bytes(), type=PaperConfig))
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: {error}; the keys stand in docs/paper.md") from error


def checked(config: PaperConfig) -> PaperConfig:
    """Return the configuration, or say what is out of range."""
    if not config.symbols or len(set(config.symbols)) != len(config.symbols):
        raise ConfigError(f"symbols {', '.join(config.symbols) or '(none)'}: name at least one, and each once")
    if not 1 <= config.client_id <= 2**31 - 1:
        raise ConfigError(f"client_id {config.client_id}: 1 to 2147483647; 0 would bind orders that people enter by hand")
    for name in ("restart", "login"):
        try:
            parse(name, getattr(config.windows, name))
        except ValueError as error:
            raise ConfigError(str(error)) from error
    if not 1 <= config.tasks <= 64:
        raise ConfigError(f"tasks {config.tasks}: 1 to 64 symbols at a time")
    if config.passive is not None and not (config.passive.lifetime_s > 0 and 0 <= config.passive.requotes <= 13):
        raise ConfigError("passive: lifetime_s above 0 and requotes from 0 to 13, because a decision has 16 keys")
    strange = [rule.symbol for rule in config.accumulate if rule.symbol not in config.symbols]
    if strange or len(config.accumulate) > ACCUMULATE_MOST:
        raise ConfigError(f"accumulate: {', '.join(strange) or len(config.accumulate)}: name symbols of `symbols`, in at most 16 rules")
    odd = [rule.at for rule in config.accumulate if not CLOCK.fullmatch(rule.at)]
    if odd:
        raise ConfigError(f"accumulate: at {odd[0]!r}: write a time of the exchange's clock, as in 09:35")
    if config.host is not None:
        require_paper_port(config.port)
    return config


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
