"""One backtest from words to a stored session.

Theory of operation. `simulate` turns histories, a strategy and a Setting into a
Simulation: it defines the instruments, deposits the cash, lays the tape out, runs
the compiled loop and checks every invariant of the book it leaves. `run` does the
same from names and texts, stores the log as a session of the journal and adds the
figures. Everything that decides about money happened inside the loop; this file
only lays out and reads off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ledger.book import (
    EVENT_WIDTH, Book, Capacity, event,
)  # fmt: skip
from ledger.core import apply
from ledger.invariants import Invariant, check
from ledger.units import UnitError, decimal_text, money, to_grid
from ledger.vocabulary import EventKind, Limit, Method, Outcome
from sim import metrics
from sim.data import History, load
from sim.data.errors import told
from sim.data.sessions import calendar_of
from sim.engine import layout, limits, profiles, signals
from sim.engine.account import QTY_EXP, REFERENCES, remarks, terms, with_room
from sim.engine.drive.feed import Feed
from sim.engine.drive.machine import BacktestError, Machine
from sim.engine.drive.worlds import Interval, run_worlds
from sim.honesty import trials
from sim.output.sheet import Sheet, from_book, held
from strategies import get
from strategies.api import Strategy, is_compiled, may_short, parse_params

EPOCH_DAY = 719_163
"""Ordinal of 1970-01-01: the journal counts days from there."""
NOT_COMPILED = "The strategy {} is plain Python: it was asked bar by bar, slower than a compiled one."
STRATEGY_ID = 1
SHOWN_INSTRUMENTS = 20
Ints = layout.Ints
__all__ = ["BacktestError", "Run", "Setting", "Simulation", "figures", "run", "sheet", "simulate", "store"]


SNAPSHOT_FROM = 300_000
"""Events from which a stored run keeps its book's bytes beside the journal: a replay would take seconds."""


class Setting(NamedTuple):
    """How a run is made; texts as a person writes them."""

    cash: str = "100000"
    size: str = "percent:95"
    commission: str = "ibkr-fixed"
    worst_bps: int = 400
    method: Method = Method.FIFO
    account: str = "cash"
    settlement: str = "0"
    borrow_bps: str = "0"
    interest_bps: str = "0"
    debit_bps: str = "0"
    delisting: str = "last"
    lot: str = "1"
    profile: str = "next-open"
    slippage: str = "none"
    participation: str = "none"
    worlds: int = 8
    limits: str = limits.NONE


@dataclass(frozen=True)
class Simulation:
    """What a run leaves: the book, its event log int64[n, 20] and the equity curve int64[m, 6]."""

    book: Book
    log: Ints
    values: Ints
    histories: tuple[History, ...]
    strategy: Strategy
    params: Any
    setting: Setting
    remarks: tuple[str, ...] = ()
    interval: Interval | None = None
    also: tuple[tuple[Strategy, Any], ...] = ()

    @property
    def symbols(self) -> tuple[str, ...]:
        """The instruments, in the order of their ids from 1."""
        return tuple(history.symbol for history in self.histories)

    @property
    def equity_e8(self) -> Ints:
        """int64[m]: cash and positions at each moment, at 1e-8 of the currency."""
        return np.asarray(self.values[:, 2] + self.values[:, 3])

    @property
    def times_ns(self) -> Ints:
        """int64[m]: the moments of the equity curve, UTC ns."""
        return np.asarray(self.values[:, 0])


def _setup(histories: Sequence[History], short: bool, setting: Setting, cash_e8: int) -> list[Ints]:
    """Return the events every run begins with: instruments, limits, cash."""
    first, step = min(int(history.start_ns[0]) for history in histories), to_grid(setting.lot, QTY_EXP, "lot")
    if step < 1:
        raise UnitError(f"lot {setting.lot!r} is wrong; write 1 for whole shares, 0.0001 for fractions")
    events = [
        event(
            EventKind.INSTRUMENT, time_ns=first, instrument=number, revision=history.price_exp, order_type=QTY_EXP,
            price_ticks=1, qty_lots=step, target_lots=1, ref=number,
        )
        for number, history in enumerate(histories, 1)
    ]  # fmt: skip
    asked = {Limit.ALLOW_SHORT: int(short), **limits.parse(setting.limits)}
    events += [event(EventKind.LIMIT, time_ns=first, reason=limit, cash_e8=value) for limit, value in asked.items()]
    events.append(event(EventKind.DEPOSIT, time_ns=first, cash_e8=cash_e8))
    return events


def simulate(
    histories: Sequence[History], strategy: Strategy, params: Any, setting: Setting | None = None,
    also: Sequence[tuple[Strategy, Any]] = (),
) -> Simulation:  # fmt: skip
    """Run one strategy over validated histories and return the book it leaves.

    Args:
        also: further strategies, each with its parameters, that share the account; see `sim/engine/README.md`.
    Raises:
        UnitError: a setting that is no number. BacktestError: the run had to stop, or its book breaks an invariant.
    """
    setting, team = setting or Setting(), ((strategy, params), *also)
    machine, steps = prepared(histories, team, setting)
    interval = run_worlds(machine, steps, setting.worlds)
    book, broken = machine.book, check(machine.book)
    if broken != Invariant.HOLDS:
        raise BacktestError(f"the book of the run breaks the invariant {broken.name}; please report this run")
    log = machine.log[: machine.memory.cursor[layout.C_LOG]]
    said = [NOT_COMPILED.format(one.name) for one, _ in team if not is_compiled(one)]
    return Simulation(
        book, log, machine.memory.values, tuple(histories), strategy, params, setting,
        (*remarks(machine.account, book, histories), *said), interval, tuple(also),
    )  # fmt: skip


def feed(
    histories: Sequence[History], strategy: Strategy, params: Any, setting: Setting | None = None,
    also: Sequence[tuple[Strategy, Any]] = (),
) -> Feed:  # fmt: skip
    """Return a run over the bars so far that takes further bars one at a time; see `sim.engine.drive.feed`."""
    setting, team = setting or Setting(), ((strategy, params), *also)
    return Feed(prepared(histories, team, setting)[0], histories, team, setting)


def prepared(histories: Sequence[History], team: Sequence[tuple[Strategy, Any]], setting: Setting) -> tuple[Machine, Ints]:
    """Return a machine before its first step, and the steps: instruments defined, limits set, cash deposited.

    Raises:
        UnitError: a setting that is no number. BacktestError: the book refused the set-up.
    """
    rules = profiles.rules(setting.profile, setting.slippage, setting.participation, setting.worst_bps)
    # Targets of a strategy that sees all its instruments are weights of the whole account already.
    wide = all(strategy.prepare_universe is not None for strategy, _ in team)
    account = terms(setting, len(team) * (1 if wide else len(histories)), histories, STRATEGY_ID)
    cash_e8 = money(setting.cash)
    if cash_e8 <= 0:
        raise UnitError(f"cash {setting.cash} must be above 0")
    tape = layout.tape(histories)
    wishes = np.stack([signals.wishes(strategy, histories, params) for strategy, params in team])
    steps, actions = layout.steps(tape, bool(rules.at_close)), layout.actions(histories)
    book, setup = Book(method=setting.method, capacity=Capacity(instruments=len(histories) + 1)), []
    short = any(may_short(strategy, params) for strategy, params in team)
    for line in _setup(histories, short, setting, cash_e8):
        if apply(book, line) != Outcome.APPLIED:
            raise BacktestError("the book refused the set-up of the run; is the cash within 46 billion?")
        setup.append(line)
    log = np.zeros((2 * layout.STEP_ROOM + len(steps) // 2 + len(setup), EVENT_WIDTH), np.int64)
    log[: len(setup)] = setup
    moments = int((steps[:, 0] == layout.VALUE).sum())
    memory = layout.memory(len(histories), len(team), actions, moments, len(setup), signals.WISH)
    return Machine(book, log, memory, tape, wishes, with_room(account, book.arena), rules, actions), steps


def figures(sim: Simulation) -> metrics.Figures:
    """Return every figure of `metrics.DEFINITIONS` for a run, with `orders` and `fills` counted from its book."""
    return metrics.measure_book(sim.book, sim.values, money(sim.setting.cash))


def sheet(sim: Simulation, measured: metrics.Figures) -> Sheet:
    """Return the sheet of a run: figures, curve, book, and buy and hold of the first symbol."""
    first, start = sim.histories[0], money(sim.setting.cash)
    close = first.close_ticks * first.signal_factor
    shown = ", ".join(f"{name}={value}" for name, value in sim.params._asdict().items())
    return from_book(
        sim.book, sim.values, symbols=sim.symbols, strategy=f"{sim.strategy.name}({shown})", start_e8=start, figures=measured,
        benchmark_e8=held(start, close, first.end_ns, sim.values[:, 0]), notes=_notes(sim), provenance=_made(sim),
        clock=(first.timezone, calendar_of(None, first.timezone)),
    )  # fmt: skip


def _made(sim: Simulation) -> list[tuple[str, str]]:
    """Return how a run was made, as label and value."""
    setting = [(name.replace("_", " ").capitalize(), str(getattr(value, "name", value))) for name, value in sim.setting._asdict().items()]
    bars = [(f"Bars of {h.symbol}", f"{h.end_ns.size:,} of {h.bar}, SHA-256 {h.sha256}") for h in sim.histories[:SHOWN_INSTRUMENTS]]
    return [("Book (SHA-256)", sim.book.digest()), *setting, *bars]


def _notes(sim: Simulation) -> list[str]:
    """Return the sentences a reader must not miss: repairs made, refusals met, orders never filled."""
    notes = [
        told(history.symbol, *repair)
        for history in sim.histories
        for repair in history.repairs
    ]
    refused = sim.book.refusals()
    notes += [f"{int(refused[o])} signals were refused: {o.name}." for o in Outcome if refused[o] > 0]
    return notes + list(sim.remarks) + ambiguity(sim) + _idle(sim)


def _idle(sim: Simulation) -> list[str]:
    """Return why a run made no order at all, where nothing else says it: a flat line must not look like a fault of the data."""
    if len(sim.book.orders) or sim.book.refusals().any():
        return []
    team = ((sim.strategy, sim.params), *sim.also)
    targets = (signals.wishes(one, sim.histories, params)[:, signals.W_TARGET] for one, params in team)
    if any((np.nan_to_num(target) != 0.0).any() for target in targets):
        return [f"No order was made: full size ({sim.setting.size}) was never as much as the smallest quantity ({sim.setting.lot} shares)."]
    return ["No order was made: in these bars the strategy never wished to hold anything."]


def ambiguity(sim: Simulation) -> list[str]:
    """Return the sentence about bars that do not say what happened first; nothing when every bar is plain."""
    if sim.interval is None or sim.interval.ambiguous_bars == 0:
        return []
    low, high = (decimal_text(amount, places=2) for amount in sim.interval[:2])
    known = "lies between" if sim.interval.proven else "lies at least between"
    return [f"{sim.interval.ambiguous_bars} bars do not say what came first; the final equity {known} {low} and {high}."]


@dataclass(frozen=True)
class Run:
    """A stored run."""

    simulation: Simulation
    figures: metrics.Figures
    session: int
    path: Path

    def document(self) -> dict[str, Any]:
        """Return the JSON document of the run: money as decimal strings, unknown as None."""
        sim = self.simulation
        shown = {
            name: decimal_text(int(value)) if name in metrics.MONEY and value is not None else value
            for name, value in self.figures.items()
        }
        return {
            "session": self.session, "book": str(self.path), "strategy": sim.strategy.name, "params": sim.params._asdict(),
            "symbols": list(sim.symbols), "start_cash": decimal_text(money(sim.setting.cash)), "bars": len(sim.values),
            "digest": sim.book.digest(), "profile": sim.setting.profile, **_interval(sim), **shown, "notes": _notes(sim),
        }  # fmt: skip


def _interval(sim: Simulation) -> dict[str, Any]:
    """Return the bounds of the final equity as a document; None when worlds were not asked for."""
    found = sim.interval
    if found is None:
        return dict.fromkeys(("ambiguous_bars", "equity_low", "equity_high", "interval_proven"))
    return {
        "ambiguous_bars": found.ambiguous_bars, "equity_low": decimal_text(found.low_e8),
        "equity_high": decimal_text(found.high_e8), "interval_proven": found.proven,
    }  # fmt: skip


def unrun(histories: Sequence[History], strategy: Strategy, params: Any, setting: Setting) -> Simulation:
    """Return a run of which nothing has happened yet, to be asked for its `configuration`."""
    none = np.empty((0, 0), np.int64)
    return Simulation(Book(), none, none, tuple(histories), strategy, params, setting)


def configuration(sim: Simulation, source: str, prices: str) -> dict[str, Any]:
    """Return what the session row keeps of a run's making; equal configurations give equal runs."""
    setting = {**sim.setting._asdict(), "method": sim.setting.method.name}
    if setting["limits"] == limits.NONE:
        del setting["limits"]  # A run without limits is the same trial as before there were any.
    return {
        "strategy": sim.strategy.name, "params": sim.params._asdict(),
        "strategies": {str(at): one.name for at, one in enumerate((sim.strategy, *(one for one, _ in sim.also)), STRATEGY_ID)},
        "also": [{"strategy": one.name, "params": params._asdict()} for one, params in sim.also],
        "timezone": sim.histories[0].timezone,
        "data": source, "prices": prices, "setting": setting,
        "profile": sim.setting.profile,
        "instruments": [
            {
                "symbol": h.symbol, "bar": h.bar, "bars": int(h.end_ns.size), "sha256": h.sha256, "timezone": h.timezone,
                "start_ns": int(h.start_ns[0]), "end_ns": int(h.end_ns[-1]),
                "repairs": [repair._asdict() for repair in h.repairs],
            }
            for h in sim.histories
        ],
    }  # fmt: skip


def reading_told(reading: Mapping[str, Any]) -> dict[str, Any]:
    """Return how prices were read, as the session row keeps it: whoever judges the run later reads the same bars again."""
    told = {name: value for name, value in reading.items() if value is not None and name != "now_ns"}
    return {name: list(value) if isinstance(value, list | tuple) else str(value) for name, value in told.items()}


def store(sim: Simulation, path: Path, config: dict[str, Any]) -> int:
    """Write a run into the journal at `path` as a finished session and return its id.

    Raises:
        ledger.journal.JournalError: the journal cannot be written; nothing of the run is in it then.
    """
    from ledger.journal import Journal

    with Journal.open(path) as journal:
        session = journal.begin("backtest", ",".join(sim.symbols)[:200], config=config, method=sim.setting.method)
        for number, symbol in enumerate(sim.symbols, 1):
            if session.name(symbol) != number:
                raise BacktestError(f"the journal numbered {symbol} unlike the run; symbols must differ")
        for number, why in enumerate(REFERENCES, 1 + len(sim.symbols)):
            if session.name(why) != number:
                raise BacktestError(f"the journal numbered {why!r} unlike the run; no symbol may be called so")
        try:
            session.record_all(sim.log)
            session.valuations(sim.values[:, :5] - np.array([0, EPOCH_DAY, 0, 0, 0], np.int64))
            same = session.book == sim.book
            if same and len(sim.log) >= SNAPSHOT_FROM:
                session.snapshot()  # whoever looks at a long run later need not replay all of it
        except KeyboardInterrupt:
            session.end("interrupted")
            raise
        session.end("done" if same else "failed")
        trials.record_run(journal, config, session.id, sim.values, money(sim.setting.cash))
        if not same:
            raise BacktestError("the stored book differs from the run's; the session is not to be trusted")
        return int(session.id)


def member(text: str) -> tuple[Strategy, Any]:
    """Return a further strategy and its parameters from one line of words."""
    name, *words = text.split() or [""]
    chosen = get(name)
    return chosen, parse_params(chosen, words)


def run(
    strategy: str,
    params: Sequence[str] = (),
    *,
    data: str = "sp500",
    symbols: Sequence[str] = (),
    prices: str = "adjusted",
    setting: Setting | None = None,
    book: Path | str = "runs/onebook.db",
    progress: Callable[[str], None] = lambda line: None,
    also: Sequence[str] = (),
    **reading: Any,
) -> Run:
    """Read data, run a strategy, store the session; `reading` goes to `sim.data.load` (start, end, bar, repairs, ...).

    Args:
        also: further strategies that share the account, as `rsi_reversion` or `sma_cross fast=5 slow=20`.
    Raises:
        StrategyError, DataError, UnitError: what the caller asked for does not exist or is no number.
        BacktestError: the run had to stop. JournalError: it could not be stored.
    """
    chosen = get(strategy)
    values = parse_params(chosen, params)
    progress("reading data")
    histories = load(data, symbols, prices=prices, **reading)
    progress("running (the first run on this machine compiles for about a minute)")
    sim = simulate(histories, chosen, values, setting, [member(text) for text in also])
    progress("storing")
    path = Path(book)
    session = store(sim, path, configuration(sim, data, prices) | {"reading": reading_told(reading)})
    return Run(sim, figures(sim), session, path)
