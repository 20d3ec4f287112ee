"""The disasters of the field reports, replayed into databases: each is found, and its amount is exact."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

from tests.rescue.conftest import audited, found
from tests.rescue.robo import GENERATIONS, Robo, at, clean
from tests.rescue.twin import fifo

E8 = 10**8
TABLE = {"JD": (52, 8783, 33, "29.6"), "TERN": (35, 4130, 118, "42.35"), "TRIP": (29, 5220, 180, "14.87"), "SNDK": (24, 240, 10, "512.4"),
         "CYBR": (24, 288, 12, "430.05"), "GS": (22, 88, 4, "951.11"), "T": (21, 4200, 200, "24.03")}  # fmt: skip
"""Symbol -> (purchases recorded, shares recorded, shares held, price)."""


def e8(amount) -> int:
    return int(Decimal(str(amount)) * E8)


def disaster(generation: str = "G2") -> tuple[Robo, dict[str, Decimal]]:
    """Return an hour in which one purchase of each symbol happened and many were recorded, and the phantom cash of each."""
    bot, phantom, recorded = Robo(generation, "10000000"), {}, []
    for place, (symbol, (orders, shares, held, price)) in enumerate(TABLE.items()):
        sizes = [held] + [(shares - held) // (orders - 1)] * (orders - 2)
        sizes.append(shares - sum(sizes))
        for n, size in enumerate(sizes):
            recorded.append((f"2026-01-26 18:{19 + n // 2:02d}:{(n % 2) * 30 + place:02d}", symbol, size, price))
        phantom[symbol] = (shares - held) * Decimal(price)
    for time, symbol, size, price in sorted(recorded):
        bot.trade(time, "BUY", symbol, size, price)
    bot.settle()
    for row in bot.positions:
        row["quantity"] = TABLE[row["symbol"]][2]
    bot.account["equity"] = bot.account["cash"] + sum(p["quantity"] * p["market_price"] for p in bot.positions)
    return bot, phantom


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_duplicate_buy_disaster_is_found_symbol_by_symbol_to_the_cent(database, generation):
    bot, phantom = disaster(generation)
    result = audited(bot.save(database))
    by_audit = Counter(finding.audit for finding in result.findings)
    foot = {f.symbol: f for f in result.findings if f.audit == "position-does-not-foot"}
    assert {symbol: f.amount_e8 for symbol, f in foot.items()} == {symbol: e8(amount) for symbol, amount in phantom.items()}
    for symbol, (orders, shares, held, _) in TABLE.items():
        detail = foot[symbol].detail[0]
        assert (detail["orders"], detail["bought"], detail["held"], detail["phantom_shares"]) == (orders, str(shares), str(held), str(shares - held))
    identity = next(f for f in result.findings if f.audit == "phantom-cash")
    assert identity.amount_e8 == -e8(sum(phantom.values()))
    assert by_audit["duplicate-suspected"] == len(TABLE)
    # Cash alone cannot see it: every phantom was paid for.
    assert by_audit["cash-does-not-foot"] == 0
    duplicates = {f.symbol: f for f in result.findings if f.audit == "duplicate-suspected"}
    assert all(f.sure == "likely" and f.amount_e8 == e8(phantom[s]) and len(f.rows) == TABLE[s][0] - 1 for s, f in duplicates.items())


def test_seven_phantoms_of_one_order_are_exactly_their_price(database):
    bot = Robo("G1").trade("2026-01-26 18:19:00", "BUY", "JD", 169, "29.6")
    for n in range(1, 8):
        bot.trade(f"2026-01-26 18:{19 + n}:00", "BUY", "JD", 169, "29.6")
    bot.settle().positions[0]["quantity"] = 169
    (finding,) = found(bot.save(database), "phantom-cash")
    assert finding.amount_e8 == -e8("35016.80") and "35016.80" in finding.derivation


def test_profits_that_are_null_are_counted_and_their_sum_is_exact(database):
    bot = Robo("G2", "1000000")
    for n in range(206):
        bot.trade(at("2026-01-20", n), "BUY", f"S{n}", 10, "50.25").trade(at("2026-01-21", n), "SELL", f"S{n}", 10, str(Decimal("49.00") + n))
    for row in bot.trades:
        row["pnl"] = None
    (finding,) = found(bot.settle().save(database), "pnl-null")
    true = sum(closed.profit for closed in fifo(bot.deals)[0])
    assert len(finding.rows) == 206 and finding.amount_e8 == -e8(true)


@pytest.mark.parametrize("which", ["running", "overall", "plain"])
def test_an_average_of_all_buys_is_recognised_in_each_of_its_forms(database, which):
    bot = Robo("G2")
    for n, (side, qty, price) in enumerate([("BUY", 100, "10"), ("SELL", 100, "13"), ("BUY", 50, "20"), ("SELL", 50, "21"), ("BUY", 10, "30"), ("SELL", 5, "31")]):
        bot.trade(at("2026-01-20", 10 * n), side, "UPST", qty, price)
    stored = Decimal(0)
    for n, (row, deal) in enumerate(zip(bot.trades, bot.deals, strict=True)):
        buys = [d for d in bot.deals[: n if which == "running" else None] if d.side == "BUY"]
        if deal.side == "SELL":
            mean = sum(d.qty * d.price for d in buys) / sum(d.qty for d in buys) if which != "plain" else sum(d.price for d in buys) / len(buys)
            row["pnl"] = float(deal.qty * (deal.price - mean))
            stored += deal.qty * (deal.price - mean)
    (finding,) = found(bot.settle().save(database), "pnl-average-of-all-buys")
    true = sum(c.profit for c in fifo(bot.deals)[0])
    wrong = [Decimal(f["stored"]) - Decimal(f["true"]) for f in finding.detail]
    assert abs(finding.amount_e8 - e8((stored - true).quantize(Decimal("1e-8")))) <= len(wrong)


def test_a_wrong_profit_and_a_made_up_zero_are_two_findings_with_their_amounts(database):
    bot = clean("G2")
    closers = [row for row in bot.trades if row["pnl"] is not None]
    off, zero = closers[0], closers[1]
    lost = Decimal(str(zero["pnl"]))
    off["pnl"] += 276.26
    zero["pnl"] = 0.0
    path = bot.save(database)
    assert found(path, "pnl-differs")[0].amount_e8 == e8("276.26")
    assert found(path, "pnl-fabricated")[0].amount_e8 == -e8(lost)


def test_the_clean_up_that_deletes_every_sell_is_found_and_named(database):
    bot = Robo("G2")
    for n in range(38):
        bot.trade(at("2026-01-26", n % 7 * 2 + 60 * (n // 19)), "BUY", "JD", 10, "29.60")
        if n < 30:
            bot.trade(at("2026-01-26", 150 + n), "SELL", "JD", 10, "29.90")
    cash = bot.cash
    bot.settle()
    path = bot.save(database)
    import sqlite3

    connection = sqlite3.connect(path)
    connection.execute(
        "DELETE FROM trades WHERE id NOT IN (SELECT MIN(id) FROM trades WHERE side='BUY' GROUP BY symbol, strftime('%Y-%m-%d %H', timestamp))"
    )
    left = connection.execute("SELECT count(*), sum(quantity * price) FROM trades").fetchone()
    connection.commit()
    connection.close()
    (finding,) = found(path, "rows-deleted")
    assert finding.detail[0]["deleted"] == 68 - left[0] and finding.sure == "certain"
    assert finding.amount_e8 == e8(cash - bot.start) + round(left[1] * E8)
    assert "GROUP BY symbol, hour" in finding.derivation and "no sale is left" in finding.title


def test_a_sell_before_its_buy_has_no_basis_and_its_profit_is_made_up(database):
    bot = Robo("G2").trade("2026-01-20 15:00:00", "SELL", "NVDA", 10, "182.13")
    bot.trades[0]["pnl"] = 12.5
    bot.trade("2026-01-20 16:00:00", "BUY", "NVDA", 10, "180.00").settle()
    (finding,) = found(bot.save(database), "sell-without-basis")
    assert finding.rows == ["trades#1"] and finding.amount_e8 == e8("12.5")


def test_cash_made_up_on_error_is_named_in_account_and_history(database):
    bot = clean("G2")
    true = Decimal(str(bot.account["cash"]))
    bot.account |= {"cash": 100000.0, "equity": 100000.0}
    bot.days[2] |= {"cash": 100000.0, "positions_value": 0.0, "equity": 100000.0}
    expected = Decimal("100000") - Decimal(str(clean("G2", days=3).account["cash"]))
    findings = {f.rows[0]: f for f in found(bot.save(database), "cash-fabricated")}
    assert findings["account#1"].amount_e8 == e8(100000 - true)
    assert findings["equity_history#3"].amount_e8 == e8(expected)


def test_a_lost_cash_write_is_found_with_its_amount(database):
    bot = clean("G2")
    bot.account["cash"] += 1821.30
    bot.account["equity"] += 1821.30
    (finding,) = found(bot.save(database), "cash-does-not-foot")
    assert finding.amount_e8 == e8("1821.30")


def test_a_hand_edited_equity_row_is_found_with_its_amount(database):
    bot = clean("G2")
    bot.days[3]["equity"] += 2452440.78
    (finding,) = found(bot.save(database), "equity-edited")
    assert finding.amount_e8 == e8("2452440.78") and finding.rows == ["equity_history#4"]


def test_cash_that_jumps_without_a_trade_is_found_once_with_its_amount(database):
    bot = clean("G2")
    for row in bot.days[3:]:
        row["cash"] += 408
        row["equity"] += 408
    (finding,) = found(bot.save(database), "equity-cash-jump")
    assert finding.amount_e8 == e8("408") and finding.rows == ["equity_history#4"]


def test_a_day_without_equity_is_found(database):
    import numpy as np

    bot = clean("G2")
    del bot.days[2]
    findings = [f for f in audited(bot.save(database), lambda first, last: np.arange(first, last + 1)[(np.arange(first, last + 1) + 3) % 7 < 5]).findings]
    assert [(f.audit, f.rows) for f in findings] == [("equity-day-missing", ["2026-01-07"])]


def test_a_total_that_stops_at_a_query_limit_is_found_with_what_it_misses(database):
    bot = Robo("G2", "1000000")
    for n in range(700):
        bot.deals.clear()
        bot.trade(at("2026-01-20", 0), "BUY", f"S{n}", 1, "10").trade(at("2026-01-20", 60), "SELL", f"S{n}", 1, str(Decimal(11) + n))
    bot.account = {"id": 1, "cash": 1000000.0, "equity": 1000000.0, "realized_pnl": float(sum(1 + n for n in range(200, 700)))}
    (finding,) = found(bot.save(database), "query-truncated")
    assert finding.amount_e8 == -e8(sum(1 + n for n in range(200))) and "LIMIT 1000" in finding.derivation


def test_local_times_stored_as_utc_are_found_and_reading_them_right_makes_them_clean(database):
    bot = Robo("G2")
    for n, hour in enumerate(range(9, 16)):
        bot.trade(f"2026-01-20 {hour:02d}:31:00", "BUY", f"S{n}", 1, "10")
        bot.trade(f"2026-01-21 03:{n + 10}:00", "SELL", f"S{n}", 1, "11")
    path = bot.settle().save(database)
    assert len(found(path, "time-zone")[0].rows) == 7


def test_profit_of_an_evening_is_found_to_fall_on_the_next_day(database):
    bot = Robo("G2").trade("2026-01-20 15:00:00", "BUY", "JD", 10, "29.60").trade("2026-01-21 00:30:00", "SELL", "JD", 10, "30.10")
    (finding,) = found(bot.settle().save(database), "profit-on-the-next-day")
    assert finding.amount_e8 == e8("5.00") and finding.rows == ["trades#2"]


def test_values_that_cannot_be_read_are_named_and_not_booked(database):
    bot = clean("G2")
    bot.trades[0]["price"], bot.trades[1]["quantity"], bot.trades[2]["side"] = "abc", -0.0, "HOLD"
    bot.trades[3]["timestamp"] = "yesterday"
    result = audited(bot.save(database))
    named = {row for f in result.findings if f.audit == "unreadable-value" for row in f.rows}
    assert named == {"trades#1", "trades#2", "trades#3", "trades#4"}
    assert int(result.case.legacy.trades.bookable.sum()) == len(bot.trades) - 3


def test_four_buys_in_two_seconds_are_suspected_and_the_first_of_another_size_is_none_of_them(database):
    bot = Robo("G2")
    for second, size in ((0, 1), (0, 7), (1, 7), (2, 7)):
        bot.trade(f"2026-01-27 15:00:0{second}", "BUY", "APP", size, "612.5")
    for _ in range(3):
        bot.trade("2026-01-27 16:00:00", "BUY", "GME", 167, "23.4")
    by_symbol = {f.symbol: f for f in found(bot.settle().save(database), "duplicate-suspected")}
    assert by_symbol["APP"].rows == ["trades#3", "trades#4"] and by_symbol["APP"].amount_e8 == e8(14 * Decimal("612.5"))
    assert by_symbol["GME"].rows == ["trades#6", "trades#7"] and by_symbol["GME"].sure == "suspected"
    assert "trades#2 (other quantities)" in by_symbol["APP"].derivation and "planned addition" in by_symbol["GME"].derivation


def test_each_portfolio_is_held_against_its_own_cash_and_positions(database):
    import sqlite3

    path = clean("G3").save(database)
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO portfolios (id, name, starting_cash, active) VALUES ('swing', 'Swing', 5000, 1)")
    row = "INSERT INTO trades (symbol, side, quantity, price, commission, timestamp, portfolio_id) VALUES ('AAPL', ?, ?, ?, 0, ?, 'swing')"
    connection.execute(row, ("BUY", 10, 180.5, "2026-01-13 15:00:00"))
    connection.execute("INSERT INTO positions (symbol, quantity, avg_cost, market_price, portfolio_id) VALUES ('AAPL', 10, 180.5, 181, 'swing')")
    connection.execute("INSERT INTO account (id, cash, equity, portfolio_id) VALUES (2, 3195, 5005, 'swing')")
    connection.commit()
    assert audited(path).findings == []
    connection.execute("UPDATE account SET cash = cash + 12.5, equity = equity + 12.5 WHERE portfolio_id = 'swing'")
    connection.execute("UPDATE positions SET quantity = 11 WHERE portfolio_id = 'swing'")
    connection.commit()
    connection.close()
    result = {f.audit: f for f in audited(path).findings}
    assert result["cash-does-not-foot"].amount_e8 == e8("12.5") and "swing" in result["cash-does-not-foot"].title
    assert result["position-does-not-foot"].symbol == "swing/AAPL"


def test_every_kind_of_finding_is_found_somewhere_in_these_tests():
    import re
    from pathlib import Path

    import ledger.rescue.audit as audit

    code = "".join(path.read_text() for path in Path(audit.__file__).parent.glob("*.py"))
    kinds = set(re.findall(r'^\s+"([a-z]+(?:-[a-z0-9]+)+)",?$', code, re.MULTILINE)) | set(re.findall(r'Group\("([a-z-]+)"', code))
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert len(kinds) > 20 and {kind for kind in kinds if kind not in tests} == set()


def test_a_page_list_that_sqlite_finds_damaged_is_a_finding_where_the_rows_can_be_read(database):
    content = bytearray(clean().save(database).read_bytes())
    content[36:40] = (7).to_bytes(4, "big")
    database.write_bytes(content)
    (finding,) = found(database, "damaged-file")
    assert "reelist" in finding.derivation


def test_a_cost_that_is_none_of_these_shares_is_found_with_its_amount(database):
    bot = clean()
    row = bot.positions[0]
    row["avg_cost"] = round(row["avg_cost"] + 2, 8)
    (finding,) = found(bot.save(database), "position-cost")
    assert abs(finding.amount_e8 - e8(2 * row["quantity"])) <= 100 and finding.symbol == row["symbol"]


def test_an_equity_that_is_no_sum_and_a_day_written_again_are_found(database):
    bot = clean()
    bot.account["equity"] += 55.5
    bot.days.append(bot.days.pop(1))
    path = bot.save(database)
    assert found(path, "equity-is-no-sum")[0].amount_e8 == e8("55.5")
    assert found(path, "equity-rewritten")[0].rows == [f"equity_history#{len(bot.days)}"]


def test_a_clock_that_ran_back_is_found_and_the_trades_are_booked_by_time(database):
    bot = Robo("G2").trade("2026-01-20 15:10:00", "BUY", "A", 1, "10").trade("2026-01-20 15:20:00", "BUY", "A", 1, "12")
    bot.trade("2026-01-20 15:30:00", "SELL", "A", 1, "13")
    bot.trades[0]["timestamp"] = "2026-01-20 15:25:00"
    path = bot.save(database)
    assert found(path, "time-backwards")[0].rows == ["trades#2"]
    assert int(audited(path).case.truth.gross_e8.sum()) == e8(1)


def test_a_plan_that_buys_the_same_twice_in_minutes_is_no_suspect_and_a_loop_is(database):
    bot = Robo("G2")
    for n in range(3):
        bot.trade(f"2026-01-20 15:0{n}:00", "BUY", "PLAN", 10, "20").trade(f"2026-01-20 16:0{n}:30", "BUY", "LOOP", 10, "20")
    bot.trade("2026-01-20 16:03:30", "BUY", "LOOP", 10, "20")
    bot.deals.sort(key=lambda deal: deal.time)
    bot.trades.sort(key=lambda row: row["timestamp"])
    assert [f.symbol for f in found(bot.settle().save(database), "duplicate-suspected")] == ["LOOP"]
