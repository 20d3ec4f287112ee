"""BotTrader's tables, from a SQLite copy, a PostgreSQL dump in both styles and a CSV: clean ones, and each known fault."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.rescue.bottrader import BotTrader, clean
from tests.rescue.conftest import audited, found
from tests.rescue.twin import fifo

E8 = 10**8
SAVERS = {
    "sqlite": lambda bot, path: bot.save_sqlite(path),
    "dump": lambda bot, path: bot.save_dump(path),
    "inserts": lambda bot, path: bot.save_dump(path, inserts=1),
    "rows per insert": lambda bot, path: bot.save_dump(path, inserts=4),
}


@pytest.mark.parametrize("form", SAVERS)
def test_clean_tables_have_no_finding_and_the_same_trades_in_every_form(tmp_path, form):
    bot = clean()
    result = audited(SAVERS[form](bot, tmp_path / "bot.file"))
    assert result.findings == [] and result.case.legacy.schema == "bottrader"
    profits = [round(closed.profit * E8) for closed in fifo(bot.deals)[0]]
    assert all(abs(a - b) <= 1 for a, b in zip(result.case.truth.gross_e8.tolist(), profits, strict=True))
    assert [move.amount_e8 for move in result.case.legacy.moves] == [5000 * E8]
    assert result.case.legacy.trades.extra["trigger"] == [order["trigger"] for order in bot.orders]
    assert any("24 hours" in note for note in result.notes)


def test_a_csv_of_the_records_alone_is_known_by_its_columns(tmp_path):
    result = audited(clean().save_csv(tmp_path / "anything.csv"))
    assert result.findings == [] and result.case.legacy.generation == "trade_records"


def test_a_sell_imported_before_its_buy_is_found_with_the_exact_error(tmp_path):
    bot = BotTrader().order("2025-09-05 10:00:00", "buy", "SAPIEN-USD", "188.9", "0.2349", "0")
    bot.order("2025-09-06 10:00:00", "sell", "SAPIEN-USD", "188.9", "0.24", "0")
    bot.order("2025-12-04 10:00:00", "buy", "SAPIEN-USD", "188.9", "0.17477", "0").order("2025-12-04 19:37:12", "sell", "SAPIEN-USD", "188.9", "0.17357", "0")
    bot.settle()
    true, wrong = Decimal("188.9") * (Decimal("0.17357") - Decimal("0.17477")), Decimal("188.9") * (Decimal("0.17357") - Decimal("0.2349"))
    assert true == Decimal("-0.22668") and wrong.quantize(Decimal("0.001")) == Decimal("-11.585")
    bot.orders[3] |= {"parent_id": "o-0001", "pnl_usd": float(wrong), "realized_profit": float(wrong)}
    path = bot.save_sqlite(tmp_path / "bot.db")
    (parent,) = found(path, "parent-exhausted")
    assert parent.rows == ["trade_records#o-0004"] and parent.amount_e8 == round((wrong - true) * E8)
    (engines,) = found(path, "books-disagree")
    (stored,) = found(path, "pnl-differs")
    assert engines.amount_e8 == stored.amount_e8 == parent.amount_e8


def test_a_purchase_allocated_twice_is_found_with_the_excess(tmp_path):
    bot = clean()
    first = bot.allocations[0]
    bot.allocations.append({**first, "id": 99, "sell_order_id": "o-9999"})
    (finding,) = found(bot.save_dump(tmp_path / "bot.sql"), "allocated-twice")
    assert finding.amount_e8 == round(Decimal("188.9") * Decimal("0.17") * E8) and "#99" in finding.rows[-1]


def test_a_sale_without_allocations_is_found_with_the_profit_that_reports_miss(tmp_path):
    bot = clean()
    sale = bot.allocations[-1]["sell_order_id"]
    bot.allocations = [row for row in bot.allocations if row["sell_order_id"] != sale]
    (finding,) = found(bot.save_sqlite(tmp_path / "bot.db"), "allocation-incomplete")
    place = [order["order_id"] for order in bot.orders].index(sale)
    assert finding.rows == [f"trade_records#{sale}"]
    assert abs(finding.amount_e8 + round(fifo(bot.deals)[0][place].profit * E8)) <= 1


def test_an_allocation_to_a_later_purchase_is_found(tmp_path):
    bot = clean()
    row = bot.allocations[0]
    row["buy_order_id"], row["buy_time"] = bot.orders[-4]["order_id"], bot.orders[-4]["order_time"]
    assert found(bot.save_sqlite(tmp_path / "bot.db"), "sold-before-bought")[0].rows == ["fifo_allocations#1"]


def test_a_profit_of_the_wrong_size_in_the_allocations_is_found_to_the_cent(tmp_path):
    bot = clean()
    bot.allocations[1]["pnl_usd"] = str(Decimal(bot.allocations[1]["pnl_usd"]) - Decimal("276.26"))
    (finding,) = found(bot.save_sqlite(tmp_path / "bot.db"), "allocation-profit-differs")
    assert abs(finding.amount_e8 + 27626 * 10**6) <= 2


def test_a_remaining_size_that_was_not_written_is_found(tmp_path):
    bot = clean()
    used = next(order for order in bot.orders if order["side"] == "buy" and order["remaining_size"] == 0.0)
    used["remaining_size"] = used["size"]
    (finding,) = found(bot.save_sqlite(tmp_path / "bot.db"), "remaining-size")
    assert finding.rows == [f"trade_records#{used['order_id']}"] and finding.amount_e8 == round(Decimal(str(used["size"])) * Decimal(str(used["price"])) * E8)


def test_orders_that_never_traded_are_no_trades_and_are_noted(tmp_path):
    bot = clean()
    bot.orders[0]["status"] = "cancelled"
    result = audited(bot.save_csv(tmp_path / "bot.csv"))
    assert "1 rows of bot are no trades: status cancelled" in result.notes


def test_a_dump_that_ends_early_and_one_in_custom_format_say_what_to_do(tmp_path):
    from ledger.rescue import RescueError

    path = clean().save_dump(tmp_path / "bot.sql")
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(RescueError, match="truncated"):
        audited(path)
    path = clean().save_dump(tmp_path / "rows.sql", inserts=4)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(RescueError, match="truncated"):
        audited(path)
    path.write_bytes(b"PGDMP\x01\x0e\x00")
    with pytest.raises(RescueError, match="pg_restore"):
        audited(path)


def test_bytes_that_are_not_utf8_in_a_dump_or_csv_are_kept_and_found(tmp_path):
    for path in (clean().save_dump(tmp_path / "bot.sql"), clean().save_csv(tmp_path / "bot.csv")):
        path.write_bytes(path.read_bytes().replace(b"sighook", b"sigh\xffook", 2))
        (finding,) = found(path, "not-utf8")
        assert finding.title == "2 texts are not UTF-8"
