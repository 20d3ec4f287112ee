"""Same bars in, same fills out, for entries at a price: limits, stops, stop limits and trailing stops give the backtest's stream."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.scenarios.stream import stream
from tests.scenarios.test_paper_is_backtest import BARS, MINUTE_NS, OPEN_NS, backtested, counts, journal_log, live, minutes, require_equal
from tests.scenarios.trading.scripted import NONE, Script, scripted

import strategies.api as api
from ledger.book import E_KEY, E_KIND
from ledger.keys import purpose_of
from ledger.vocabulary import EventKind, Purpose
from strategies.api import Bars, Signal

GUARDS = {int(Purpose.STOP_LOSS), int(Purpose.TAKE_PROFIT), int(Purpose.TRAIL)}
EVERY = 9
"""Minutes after which a new order is decided; until then the last one stands."""
UNTIL = OPEN_NS + 120 * MINUTE_NS


def each(wish: Any) -> Script:
    """Return the script that decides every nine minutes, in turns to be long and flat, on that minute's close."""

    def script(bars: Bars, t: int, now: int) -> Signal:
        began = t - now % EVERY
        if began < 0 or now < EVERY:
            return NONE
        return wish(0.8 if now // EVERY % 2 else 0.0, round(float(bars.close[began]), 2))

    return script


def at(close: float, cents: int) -> float:
    return round(close + cents / 100, 2)


def sided(target: float, cents: int) -> int:
    return -cents if target else cents


KINDS: dict[str, Script] = {
    "limit": each(lambda target, close: api.limit(target, at(close, sided(target, 12)), api.GTC)),
    "limit through the market": each(lambda target, close: api.limit(target, at(close, -sided(target, 5)), api.GTC)),
    "limit for the day": each(lambda target, close: api.limit(target, at(close, sided(target, 4)))),
    "stop": each(lambda target, close: api.stop(target, at(close, -sided(target, 12)))),
    "stop limit": each(lambda target, close: api.stop_limit(target, at(close, -sided(target, 9)), at(close, -sided(target, 11)))),
    "stop limit that gives back": each(lambda target, close: api.stop_limit(target, at(close, -sided(target, 9)), at(close, -sided(target, 4)))),
    "trailing": each(lambda target, close: api.trailing(target, 0.15)),
}
SEEDS = [1, *(range(2, 8) if os.environ.get("ONEBOOK_SOAK") else ())]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_entries_at_a_price_write_the_backtests_event_stream_to_the_byte(
    kind: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = scripted(KINDS[kind])
    histories = [minutes("AAPL", seed, (0,), BARS)]
    params = [f"number={told['params']['number']}"]
    day = live(histories, told["strategy"], params, tmp_path, monkeypatch, UNTIL)
    tested, traded = stream(backtested(histories, told["strategy"], params, UNTIL)), stream(journal_log(day.config.book))
    require_equal(tested, traded)
    found = counts(tested)
    assert found["FILL"] >= (3 if seed == 1 else 1) and found["MARK"] == 120, found
    day.agree()


# Guards. Their claims differ by name, and nothing else may.


def unguarded(log: Any) -> Any:
    """Return a stream without the claims and ends of guards; their executions keep their purpose instead of their key.

    A backtest claims guards when their entry has filled, at the bar's moment, and claims them anew; a runner claims them with the
    entry, or when it hears of the fill, and cancels what the broker has not. So their keys and moments differ, and the places of
    these events; what they did does not.
    """
    guards = np.array([int(purpose_of(key)) in GUARDS for key in log[:, E_KEY].tolist()])
    kept = log[~(guards & np.isin(log[:, E_KIND], (EventKind.CLAIM, EventKind.CANCELED)))].copy()
    kept[:, E_KEY] = [int(purpose_of(key)) if int(purpose_of(key)) in GUARDS else key for key in kept[:, E_KEY].tolist()]
    return kept


def long_only(entry: Any, stop: int, target: int, trail: float = 0.0) -> Script:
    """Return the script of a guarded entry every nine minutes, for six of them."""

    def script(bars: Bars, t: int, now: int) -> Signal:
        began = t - now % EVERY
        if began < 0 or now < EVERY:
            return NONE
        close = round(float(bars.close[began]), 2)
        wish = api.guarded(entry(close), at(close, -stop) if stop else 0.0, at(close, target) if target else 0.0, trail)
        return wish if now % EVERY < 6 else api.market(0.0)

    return script


GUARDED: dict[str, Script] = {
    "stop loss": long_only(lambda close: api.market(0.8), 8, 0),
    "take profit": long_only(lambda close: api.market(0.8), 0, 8),
    "bracket": long_only(lambda close: api.market(0.8), 15, 12),
    "trail": long_only(lambda close: api.market(0.8), 0, 0, 0.12),
    "all three": long_only(lambda close: api.market(0.8), 20, 12, 0.15),
    "bracket on a limit": long_only(lambda close: api.limit(0.8, at(close, -4), api.GTC), 15, 12),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", GUARDED)
def test_guarded_positions_trade_the_same_and_only_their_claims_differ(kind: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the second net: it counts seconds, and here a stop acts when its bar is over."""
    told = scripted(GUARDED[kind])
    histories = [minutes("AAPL", seed, (0,), BARS)]
    params = [f"number={told['params']['number']}"]
    day = live(histories, told["strategy"], params, tmp_path, monkeypatch, UNTIL, second_net=False)
    tested, traded = stream(backtested(histories, told["strategy"], params, UNTIL)), stream(journal_log(day.config.book))
    require_equal(unguarded(tested), unguarded(traded))
    exits = [key for kind, key in unguarded(tested)[:, [E_KIND, E_KEY]].tolist() if kind == EventKind.FILL and key in GUARDS]
    assert len(exits) >= (2 if seed == 1 else 1), "guards filled"
    day.agree()


def test_with_the_second_net_a_stop_that_acts_at_the_bars_end_is_left_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The difference by name: the price is through the stop for ten seconds, nobody has sold, and the runner leaves by itself."""
    told = scripted(GUARDED["stop loss"])
    day = live([minutes("AAPL", 1, (0,), BARS)], told["strategy"], [f"number={told['params']['number']}"], tmp_path, monkeypatch, UNTIL)
    left = [int(purpose_of(key)) for key in journal_log(day.config.book)[:, E_KEY].tolist()].count(Purpose.LIQUIDATE)
    assert left > 0 and any("SOFTWARE STOP" in line for line in day.lines)
    day.agree()


@pytest.mark.parametrize("seconds", [0, 120])
def test_by_the_second_or_by_other_bars_the_same_orders_fill_otherwise(seconds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ablation: the equality is not the kind that always holds."""
    told = scripted(KINDS["limit"])
    histories, params = [minutes("AAPL", 1, (0,), BARS)], [f"number={told['params']['number']}"]
    day = live(histories, told["strategy"], params, tmp_path, monkeypatch, UNTIL, fill_bar_s=seconds)
    tested, traded = stream(backtested(histories, told["strategy"], params, UNTIL)), stream(journal_log(day.config.book))
    assert counts(traded)["FILL"] > 0 and tested.tobytes() != traded.tobytes()
