"""The front door: whatever bars come in, the same run comes out."""

from __future__ import annotations

import pandas as pd
import pytest

from ledger.units import money
from sim import backtest
from sim.data import DataError, load
from sim.run import Setting, simulate
from strategies import get
from strategies.api import StrategyError, parse_params


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    history = load("sp500", start="2017-01-01", end="2018-12-28")[0]
    days = pd.to_datetime(history.day - 719_163, unit="D")
    columns = {name: getattr(history, f"{name}_ticks") / 10.0**history.price_exp for name in ("open", "high", "low", "close")}
    return pd.DataFrame(columns | {"volume": history.volume}, index=days)


def test_a_dataframe_gives_the_book_that_its_file_gives(frame):
    chosen = get("sma_cross")
    result = backtest(frame, "sma_cross", fast=5, slow=20, cash=50_000)
    history = load("sp500", start="2017-01-01", end="2018-12-28")[0]
    same = simulate([history], chosen, parse_params(chosen, ["fast=5", "slow=20"]), Setting(cash="50000"))
    assert result.equity_e8.tolist() == (same.values[:, 2] + same.values[:, 3]).tolist()
    assert result.book.valuation() == same.book.valuation()


def test_a_dict_of_frames_and_a_named_source_run_too(frame):
    both = backtest({"AAA": frame, "BBB": frame}, "sma_cross", fast=5, slow=20)
    assert set(both.fills["symbol"]) == {"AAA", "BBB"}
    assert backtest(data="sp500", reading={"start": "2017-01-01"}).book.valuation().equity is not None


def test_the_tables_add_up_to_the_books_own_money(frame):
    result = backtest(frame, "sma_cross", fast=5, slow=20)
    worth = result.book.valuation()
    assert int(result.trades["pnl_e8"].sum()) + worth.unrealized == worth.equity - money("100000") + _open_fee(result)
    assert len(result.fills) == result.figures["fills"] and len(result.orders) == result.figures["orders"]
    assert result.equity.iloc[-1] == pytest.approx(worth.equity / 1e8)
    assert (result.orders["filled"] <= result.orders["qty"]).all()


def _open_fee(result):
    from ledger.kernels.fees import fee_shares

    opening, closing, _ = fee_shares(result.book.arena)
    return worth_of(result) - int(opening.sum() + closing.sum())


def worth_of(result):
    return result.book.valuation().fees


def test_a_result_reads_well_and_unknown_is_not_zero(frame):
    result = backtest(frame, "sma_cross", fast=5, slow=20)
    assert "sma_cross(fast=5, slow=20" in repr(result) and "<table>" in result._repr_html_()
    silent = backtest(frame.iloc[:10], "sma_cross", fast=5, slow=20)
    assert silent.figures["win_rate"] is None and "unknown" in repr(silent)


def test_a_saved_result_is_a_session(frame, tmp_path):
    result = backtest(frame, "sma_cross", fast=5, slow=20)
    assert result.save(tmp_path / "book.db") == 1


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda frame: backtest(frame, "sma_cross", fats=3), StrategyError, "did you mean fast"),
        (lambda frame: backtest(frame, "sma_crss"), StrategyError, "did you mean sma_cross"),
        (lambda frame: backtest(), DataError, "give bars or data"),
        (lambda frame: backtest(frame, "sma_cross", data="sp500"), DataError, "give bars or data"),
        (lambda frame: backtest(3, "sma_cross"), DataError, "DataFrame"),
        (lambda frame: backtest(frame.drop(columns="high"), "sma_cross"), DataError, "high"),
        (lambda frame: backtest(frame, "sma_cross", fast=0), StrategyError, "fast=0"),
    ],
)
def test_what_cannot_be_run_is_refused_in_words(frame, call, error, words):
    with pytest.raises(error, match=words):
        call(frame)
