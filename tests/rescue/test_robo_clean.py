"""A database without a fault has no finding, in every generation and shape."""

from __future__ import annotations

import numpy as np
import pytest

from tests.rescue.conftest import audited
from tests.rescue.robo import GENERATIONS, Robo, at, clean, workdays


def weekdays(first, last):
    days = np.arange(first, last + 1)
    return days[(days + 3) % 7 < 5]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_clean_database_has_no_finding(database, generation):
    result = audited(clean(generation).save(database), weekdays)
    assert result.findings == []
    assert result.case.legacy.generation == generation and len(result.case.legacy.trades) == 45


@pytest.mark.parametrize("start", ["25000", "250000", "1000000"])
def test_another_usual_start_cash_is_no_finding(database, start):
    assert audited(clean("G2", start=start).save(database), weekdays).findings == []


def test_one_trade_no_trade_and_a_flat_account_are_clean(database):
    assert audited(Robo("G2").settle().save(database)).findings == []
    for count, bot in enumerate([Robo("G1").trade("2026-01-05 15:00:00", "BUY", "JD", 5, "29.6"),
                                 Robo("G2").trade("2026-01-05 15:00:00", "BUY", "JD", 5, "29.6").trade("2026-01-05 16:00:00", "SELL", "JD", 5, "29.7")]):  # fmt: skip
        assert audited(bot.settle().save(database.with_suffix(f".{count}"))).findings == []


def test_a_short_position_is_clean(database):
    bot = Robo("G2").trade("2026-01-05 15:00:00", "SELL_SHORT", "TSLA", 10, "424.5", "1")
    bot.trade("2026-01-06 15:00:00", "BUY_TO_COVER", "TSLA", 4, "411.25", "1")
    result = audited(bot.settle().save(database))
    assert result.findings == [] and int(result.case.truth.gross_e8.sum()) == 53 * 10**8


def test_profits_rounded_to_cents_or_after_fees_are_clean(database):
    bot = clean("G2")
    for row in bot.trades:
        row["pnl"] = None if row["pnl"] is None else round(row["pnl"], 2)
    assert audited(bot.save(database), weekdays).findings == []


def test_planned_additions_on_other_days_are_no_duplicates(database):
    bot = Robo("G2")
    for day in workdays("2026-01-05", 4):
        bot.trade(at(day, 0), "BUY", "JD", 50, "29.60").trade(at(day, 5), "BUY", "JD", 50, "29.61").close_day(day)
    assert audited(bot.settle().save(database), weekdays).findings == []
