"""Same bars in, same fills out: paper on the simulator with the backtest's fills gives the backtest's event stream, to the byte."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.scenarios.paper import Day
from tests.scenarios.stream import HAS_EXEC, LEFT_OUT, TIMELESS, stream

from ledger.book import E_EXEC, E_KIND, E_REF, E_TIME, EVENT_COLUMNS, EVENT_WIDTH
from ledger.journal import Journal
from ledger.journal.replay import slices
from ledger.vocabulary import EventKind
from live.config import RiskLimits, SecondNet, Timeouts
from live.link import State
from sim import costs
from sim.data import History
from sim.gateway.core.config import DEFAULT_START_NS, Config
from sim.gateway.desk import hours
from sim.gateway.feed.files import load_files
from sim.run import Setting, simulate
from strategies import get
from strategies.api import may_short, parse_params

MINUTE_NS = 60 * 10**9
DAY_NS = 86_400 * 10**9
BARS = 390
"""Minutes of a session."""
OPEN_NS = DEFAULT_START_NS
"""Monday 2026-03-02 09:30 in New York; the days of a test follow it."""
MONDAY = 719_163 + OPEN_NS // DAY_NS
SETTING = Setting(cash="100000", size="percent:40", commission="ibkr-fixed")
NO_LIMITS = RiskLimits(
    max_open=None, orders_per_day=None, orders_per_symbol_day=None, burst_count=None, max_repeat=None, price_collar_bps=None
)


def opening(day: int) -> int:
    """Return when the session of the day so many days after the Monday opens; the clocks change on day 6."""
    return int(hours.minute_ns("US/Eastern", MONDAY + int(day), 570))


def minutes(symbol: str, seed: int, days: tuple[int, ...], length: int, base: int = 2_000_000) -> History:
    """Return whole sessions of one-minute bars: a walk in cents with gaps between bars and wicks."""
    draw, count = np.random.default_rng(seed), len(days) * length
    close = base + 100 * np.cumsum(draw.integers(-15, 16, count))
    first = np.concatenate([[base], close[:-1]]) + 100 * draw.integers(-3, 4, count)
    high = np.maximum(first, close) + 100 * draw.integers(0, 5, count)
    low = np.minimum(first, close) - 100 * draw.integers(0, 5, count)
    day = np.repeat(np.array(days), length)
    start = np.array([opening(each) for each in day]) + np.tile(np.arange(length), len(days)) * MINUTE_NS
    ordinal = MONDAY + day
    columns = (start, start + MINUTE_NS, ordinal, first, high, low, close, draw.integers(1_000, 9_000, count))
    return History(
        symbol, "made up", "1m", "America/New_York", 4, *(np.ascontiguousarray(c, np.int64) for c in columns), np.ones(count), (), (), "0" * 64
    )


def fee_of(_instrument: int, side: int, qty_lots: int, price_ticks: int) -> int:
    return int(costs.commission(costs.parse(SETTING.commission), side, qty_lots, price_ticks, qty_lots * price_ticks, 10_000))


def live(histories: list[History], strategy: str, params: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch, until_ns: int,
         second_net: bool = True, **more: Any) -> Day:  # fmt: skip
    """Trade the bars on paper, from before the open until the bar that closes at a moment has been worked off."""
    config = Config(
        start_ns=OPEN_NS - MINUTE_NS, always_open=False, cash=SETTING.cash, commission=SETTING.commission, fill_bar_s=60
    )._replace(**more)
    chosen = parse_params(get(strategy), params)._asdict()
    day = Day(
        monkeypatch, folder, config, files=load_files(histories), fee_of=fee_of, strategy=strategy, params=chosen, size=SETTING.size,
        limits=msgspec.structs.replace(NO_LIMITS, allow_short=may_short(get(strategy), parse_params(get(strategy), params))),
        symbols=tuple(history.symbol for history in histories), second_net=SecondNet(on=second_net),
        timeouts=Timeouts(tick=20.0, code_check_every=10**6, state_every=10**6, heartbeat_every=3600.0, reconcile_every=7200.0),
    )  # fmt: skip

    async def story() -> None:
        runner = day.begin()
        await asyncio.sleep((until_ns - config.start_ns) / 1e9 + 8.5)
        assert runner.link.state is State.READY, day.lines[-6:]
        await day.end(runner)

    day.run(story)
    return day


def journal_log(path: str) -> np.ndarray:
    """Return every event of the last session of a book."""
    with Journal.read(path) as journal:
        session = journal.sessions()[-1].id
        tables = [table for table, _ in slices(journal.connection, session, 0, journal.book(session).seq)]
    return np.concatenate(tables)[:, -EVENT_WIDTH:]


def backtested(histories: list[History], strategy: str, params: list[str], until_ns: int) -> np.ndarray:
    """Return the log of a backtest up to a moment; the bar that opens then has opened, and has not closed."""
    cut = [h._replace(**{name: getattr(h, name)[h.start_ns <= until_ns] for name in COLUMNS}) for h in histories]
    log = simulate(cut, get(strategy), parse_params(get(strategy), params), SETTING).log
    return log[log[:, E_TIME] <= until_ns]


COLUMNS = ("start_ns", "end_ns", "day", "open_ticks", "high_ticks", "low_ticks", "close_ticks", "volume", "signal_factor")
CASES = [
    ("sma_cross", ["fast=3", "slow=7"], 1),
    ("rsi_reversion", ["n=3", "low=35", "high=65"], 5),
    ("pairs", ["window=10", "entry=0.5", "leave=0.25", "confidence=0"], 9),
]
if os.environ.get("ONEBOOK_SOAK"):
    CASES += [("sma_cross", [f"fast={2 + seed % 5}", f"slow={8 + seed % 7}"], 10 * seed) for seed in range(1, 41)]


def require_equal(tested: np.ndarray, traded: np.ndarray) -> None:
    for at, (one, other) in enumerate(zip(tested, traded)):
        assert one.tolist() == other.tolist(), f"event {at}: {named(one)} and {named(other)}"
    assert tested.tobytes() == traded.tobytes()


def named(line: np.ndarray) -> dict[str, int]:
    return {name: value for name, value in zip(EVENT_COLUMNS, line.tolist(), strict=True) if value}


def counts(log: np.ndarray) -> dict[str, int]:
    return {kind.name: int((log[:, E_KIND] == kind).sum()) for kind in EventKind}


@pytest.mark.parametrize(("strategy", "params", "seed"), CASES)
def test_a_paper_session_writes_the_backtests_event_stream_to_the_byte(
    strategy: str, params: list[str], seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    histories = [minutes("AAPL", seed, (0,), BARS), minutes("MSFT", seed + 1, (0,), BARS, 4_000_000)]
    until = OPEN_NS + 90 * MINUTE_NS
    day = live(histories, strategy, params, tmp_path, monkeypatch, until)
    tested, traded = stream(backtested(histories, strategy, params, until)), stream(journal_log(day.config.book))
    require_equal(tested, traded)
    found = counts(tested)
    assert found["MARK"] == 180 and found["FILL"] == found["COMMISSION"] >= 6 and found["CLAIM"] >= 6, found
    day.agree()


def test_nights_a_weekend_and_the_change_of_clocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders that are decided at a session's last close fill at the next session's open, in the new day, on both sides."""
    monkeypatch.setitem(hours.SESSIONS, "stock", (570, 580, 560, 590))
    histories = [minutes("AAPL", 3, (3, 4, 7), 10), minutes("MSFT", 6, (3, 4, 7), 10, 4_000_000)]
    until, begin = opening(7) + 9 * MINUTE_NS, opening(3) - MINUTE_NS
    day = live(histories, "sma_cross", ["fast=2", "slow=3"], tmp_path, monkeypatch, until, start_ns=begin)
    tested, traded = stream(backtested(histories, "sma_cross", ["fast=2", "slow=3"], until)), stream(journal_log(day.config.book))
    require_equal(tested, traded)
    fills = tested[tested[:, E_KIND] == EventKind.FILL, E_TIME]
    assert counts(tested)["DAY"] == 3 and any(time in (opening(4), opening(7)) for time in fills.tolist()), "no order was held overnight"


def test_the_comparison_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ablation: whatever number of whatever event that is compared is changed by one, the streams are different."""
    histories = [minutes("AAPL", 1, (0,), BARS), minutes("MSFT", 2, (0,), BARS, 4_000_000)]
    log = backtested(histories, "sma_cross", ["fast=3", "slow=7"], OPEN_NS + 30 * MINUTE_NS)
    whole, hidden = stream(log).tobytes(), 0
    for at in range(len(log)):
        kind = EventKind(int(log[at, E_KIND]))
        for column in range(EVENT_WIDTH):
            changed = log.copy()
            changed[at, column] += 1
            if stream(changed).tobytes() == whole:
                hidden += 1
                allowed = kind in LEFT_OUT or column == E_REF or (column == E_TIME and kind in TIMELESS)
                assert allowed or (column == E_EXEC and kind in HAS_EXEC), f"{kind.name}.{EVENT_COLUMNS[column]} is not compared"
    assert hidden < len(log) * EVENT_WIDTH / 4
    dropped = [stream(np.delete(log, at, axis=0)).tobytes() == whole for at in range(len(log))]
    assert not any(same for same, line in zip(dropped, log) if line[E_KIND] not in LEFT_OUT)


@pytest.mark.parametrize("wrong", [{"fill_bar_s": 0}, {"commission": "zero"}, {"cash": "100001"}], ids=str)
def test_another_fill_model_commission_or_cash_gives_another_stream(wrong: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ablation: the equality is not the kind that always holds."""
    histories = [minutes("AAPL", 1, (0,), BARS), minutes("MSFT", 2, (0,), BARS, 4_000_000)]
    until = OPEN_NS + 15 * MINUTE_NS
    day = live(histories, "sma_cross", ["fast=3", "slow=7"], tmp_path, monkeypatch, until, **wrong)
    tested, traded = stream(backtested(histories, "sma_cross", ["fast=3", "slow=7"], until)), stream(journal_log(day.config.book))
    assert counts(traded)["FILL"] > 0 and tested.tobytes() != traded.tobytes()
