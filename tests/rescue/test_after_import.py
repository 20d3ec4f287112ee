"""After an import: stored beside true, repair without deleting, and where stored equity went."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from ledger.invariants import Invariant, check
from ledger.journal import Journal
from ledger.rescue.audit import Case
from ledger.rescue.differences import NO_LOT, NOT_STORED, differences, everything, sums
from ledger.rescue.explaining import explain_stored
from ledger.rescue.repair import apply_plan, plan
from ledger.rescue.schema import Options
from ledger.rescue.sessions import import_file, legacy_of_session
from ledger.rescue.truth import truth_of
from ledger.vocabulary import Method
from tests.cli.conftest import invoke
from tests.rescue.conftest import audited
from tests.rescue.robo import Robo, at, clean
from tests.rescue.test_robo_disasters import TABLE, disaster
from tests.rescue.twin import fifo

E8 = 10**8


def case_of(path):
    return audited(path).case


def test_each_closer_stands_with_both_profits_their_difference_and_why(database):
    bot = clean()
    closers = [row for row in bot.trades if row["pnl"] is not None]
    closers[0]["pnl"] += 10
    closers[1]["pnl"] = None
    closers[2]["pnl"] *= -1
    bot.trade("2026-02-02 16:00:00", "SELL", "NONE", 5, "10").trades[-1]["pnl"] = 4.0
    found = differences(case_of(bot.save(database)))
    by_row = {line.row: line for line in found.lines}
    assert by_row[f"trades#{closers[0]['id']}"].difference_e8 == 10 * E8
    assert (by_row[f"trades#{closers[1]['id']}"].stored_e8, by_row[f"trades#{closers[1]['id']}"].reason) == (None, NOT_STORED)
    assert by_row[f"trades#{closers[2]['id']}"].reason == "right size, wrong sign"
    assert (by_row[f"trades#{bot.trades[-1]['id']}"].true_e8, by_row[f"trades#{bot.trades[-1]['id']}"].reason) == (None, NO_LOT)
    true = [one.profit for one in fifo(bot.deals)[0] if one.quantity]
    assert sum(line.true_e8 or 0 for line in found.lines) == round(sum(true) * E8)
    for by in ("symbol", "day"):
        parts = sums(found.lines, by)
        whole = everything(found.lines)
        assert sum(part.stored_e8 for part in parts) == whole.stored_e8 and sum(part.true_e8 for part in parts) == whole.true_e8
        assert (whole.not_stored, whole.without_lot, whole.closers) == (1, 1, len(found.lines))


def test_another_lot_method_gives_its_own_truth(database):
    bot = Robo("G2").trade(at("2026-01-20", 0), "BUY", "A", 10, "10").trade(at("2026-01-20", 30), "BUY", "A", 10, "20")
    bot.trade(at("2026-01-20", 60), "SELL", "A", 10, "25").settle()
    case = case_of(bot.save(database))
    true = {method: everything(differences(case, method).lines).true_e8 for method in Method}
    assert true == {Method.FIFO: 150 * E8, Method.LIFO: 50 * E8, Method.HIFO: 50 * E8, Method.AVERAGE: 100 * E8}


@pytest.fixture
def journal(tmp_path):
    with Journal.open(tmp_path / "book.db") as opened:
        yield opened


def test_the_duplicate_buy_disaster_is_repaired_without_deleting_and_every_invariant_holds(journal, database):
    bot, phantom = disaster()
    done = import_file(journal, bot.save(database), Options())
    before = journal.book(done.session_id).digest()
    case = Case(done.legacy, truth_of(done.legacy))
    made = plan(case)
    assert sum(step.cash_e8 for step in made.steps) == round(sum(phantom.values()) * E8) and made.questions == []
    applied = apply_plan(journal, done.session_id, case, made, "tester")
    assert {s: q // E8 for s, q in applied.after.positions.items()} == {symbol: row[2] for symbol, row in TABLE.items()}
    held = sum(row[2] * Decimal(row[3]) for row in TABLE.values())
    assert applied.after.cash_e8 == round((bot.start - held) * E8)
    book = journal.book(applied.session_id)
    assert check(book) == Invariant.HOLDS and journal.verify(applied.session_id).ok
    assert journal.book(done.session_id).digest() == before and journal.verify(done.session_id).ok
    kept = journal.connection.execute("SELECT body FROM broker_event WHERE session_id = ? AND source = 'repair'", (applied.session_id,)).fetchall()
    assert len(kept) == len(made.steps) and "never held" in json.loads(kept[0][0])["evidence"]


def test_shares_that_were_never_recorded_come_in_at_their_stored_cost(journal, database):
    bot = clean()
    bot.positions[0]["quantity"] += 7
    bot.positions[0]["avg_cost"] = 182.25
    done = import_file(journal, bot.save(database), Options())
    case = Case(done.legacy, truth_of(done.legacy))
    made = plan(case)
    assert [(step.kind, step.qty_e8) for step in made.steps] == [("bring in", 7 * E8)]
    applied = apply_plan(journal, done.session_id, case, made, "tester")
    assert applied.after.positions["AAPL"] - applied.before.positions["AAPL"] == 7 * E8 and applied.after.cash_e8 == applied.before.cash_e8


def test_cash_of_deleted_rows_comes_back_and_a_sale_without_a_lot_is_a_question(journal, database):
    bot = clean()
    path = bot.save(database)
    import sqlite3

    connection = sqlite3.connect(path)
    lost = connection.execute("SELECT sum(quantity * price - commission), count(*) FROM trades WHERE side = 'SELL'").fetchone()
    connection.execute("DELETE FROM trades WHERE side = 'SELL'")
    connection.commit()
    connection.close()
    done = import_file(journal, path, Options())
    case = Case(done.legacy, truth_of(done.legacy))
    cash = [step for step in plan(case).steps if step.kind == "adjust cash"]
    assert [step.cash_e8 for step in cash] == [round(Decimal(str(lost[0])) * E8)]
    bot = Robo("G2").trade("2026-01-20 15:00:00", "SELL", "NVDA", 10, "182.13").settle()
    questions = plan(case_of(bot.save(database.with_suffix(".2")))).questions
    assert len(questions) == 1 and "trades#1: 10 NVDA were sold" in questions[0]


def test_a_drop_of_stored_equity_is_split_by_cause_with_nothing_left_over(database):
    bot, phantom = disaster()
    found, one, two = explain_stored(case_of(bot.save(database)), "start", "end")
    parts = {part.name: part.amount_e8 for part in found.parts}
    assert parts["phantom"] == -round(sum(phantom.values()) * E8) == two.equity_e8 - one.equity_e8 and found.residual_e8 == 0
    assert sum(amount for name, amount in parts.items() if name != "phantom") == 0


def test_trades_fees_marks_and_unexplained_cash_are_told_apart_between_two_days(database):
    bot = clean()
    for row in bot.days[3:]:
        row["cash"] -= 408
        row["equity"] -= 408
    days = [row["date"] for row in bot.days]
    found, one, two = explain_stored(case_of(bot.save(database)), days[1], days[4])
    parts = {part.name: part.amount_e8 for part in found.parts}
    assert (one.name, two.name) == (days[1], days[4]) and found.residual_e8 == 0 and parts["unexplained cash"] == -408 * E8
    between = [deal for deal in bot.deals if days[1] < deal.time[:10] <= days[4]]
    assert parts["fees"] == -round(sum(deal.fee for deal in between) * E8)
    closed = fifo(bot.deals)[0]
    assert parts["trades"] == round(sum(c.profit for c, deal in zip(closed, bot.deals, strict=True) if deal in between) * E8)
    assert sum(parts.values()) == two.equity_e8 - one.equity_e8


def test_the_commands_go_from_import_to_repair(database, tmp_path):
    bot, _ = disaster()
    bot.save(database)
    book = ("--book", tmp_path / "b.db")
    assert invoke("book", "import", database, *book).exit_code == 0
    audit = invoke("book", "audit", "1", *book, "--json", "--html", tmp_path / "a.html")
    assert audit.exit_code == 3 and json.loads(audit.stdout)["total"] == 15
    assert "JD" in (tmp_path / "a.html").read_text() and "<script" not in (tmp_path / "a.html").read_text()
    assert json.loads(invoke("book", "audit", database, "--json").stdout)["session"] is None
    dry = invoke("book", "repair", "1", "--dry-run", *book)
    assert dry.exit_code == 0 and "nothing was written" in dry.stdout
    assert invoke("book", "repair", "1", "--dry-run", "--apply", *book).exit_code == 2
    applied = invoke("book", "repair", "1", "--apply", *book, "--json")
    assert applied.exit_code == 0 and json.loads(applied.stdout)["applied"] == 2
    assert invoke("book", "check", "--session", "2", *book).exit_code == 0
    for words in (("book", "rebook", "1", "--compare"), ("book", "rebook", "--compare", "--by", "trade"), ("compare", "legacy", "rebooked")):
        assert invoke(*words, *book, "--json").exit_code == 0
    explained = json.loads(invoke("book", "explain", "start", "end", "--session", "1", *book, "--json").stdout)
    assert explained["parts"]["phantom"] == "-916412.04" and explained["residual"] == "0.00"


def test_a_wrong_stored_profit_makes_the_comparison_leave_with_three(database, tmp_path):
    bot = clean()
    next(row for row in bot.trades if row["pnl"])["pnl"] += 5
    bot.save(database)
    book = ("--book", tmp_path / "b.db")
    invoke("book", "import", database, *book)
    result = invoke("compare", "legacy", "rebooked", *book, "--json")
    assert result.exit_code == 3 and json.loads(result.stdout)["total"]["difference"] == "5.00"


def test_the_page_of_a_database_with_hostile_names_has_no_markup_of_theirs(database, tmp_path):
    bot = Robo("G2").trade(at("2026-01-20", 0), "SELL", "<script>alert(1)</script>", 1, "5").settle()
    bot.save(database)
    assert invoke("book", "audit", database, "--html", tmp_path / "a.html").exit_code == 3
    assert "<script>" not in (tmp_path / "a.html").read_text() and "&lt;script&gt;" in (tmp_path / "a.html").read_text()


def test_an_imported_session_that_was_repaired_is_audited_by_its_import(journal, database):
    done = import_file(journal, disaster()[0].save(database), Options())
    case = Case(done.legacy, truth_of(done.legacy))
    applied = apply_plan(journal, done.session_id, case, plan(case), "tester")
    from ledger.rescue import RescueError

    with pytest.raises(RescueError, match="repaired"):
        legacy_of_session(journal, applied.session_id)


def test_groups_of_an_import_are_named_by_its_own_rows_and_add_up_to_the_profit(journal, tmp_path):
    from ledger import views
    from tests.rescue.bottrader import clean as clean_bottrader

    bot = clean_bottrader()
    for n, order in enumerate(order for order in bot.orders if order["side"] == "sell"):
        order["trigger"] = '{"trigger": "take_profit"}' if n % 2 else "stop_loss"
        order["source"] = "webhook" if n % 3 else None
    done = import_file(journal, bot.save_dump(tmp_path / "bot.sql"), Options())
    whole = sum(row.pnl_e8 for row in views.pnl_trades(journal, done.session_id))
    for by, names in (("purpose", {"take_profit", "stop_loss"}), ("source", {"webhook", "websocket"}), ("strategy", {"not stored"}), ("symbol", {"AVAX-USD", "SAPIEN-USD"})):
        groups = views.profit_by(journal, done.session_id, by)
        assert {group.name for group in groups} == names and sum(group.pnl_e8 for group in groups) == whole
    exits = views.exit_quality(journal, done.session_id)
    nets = [row.net_e8 for row in views.pnl_trades(journal, done.session_id)]
    assert sum(one.net_e8 for one in exits) == sum(nets) and sum(one.winners for one in exits) == sum(net > 0 for net in nets)


def test_the_breakdown_command_shows_groups_ranks_and_exits(database, tmp_path):
    bot = Robo("G2")
    for n, price in enumerate(("11", "12", "9", "13", "8.5")):
        bot.trade(at("2026-01-20", 20 * n), "BUY", "A", 10, "10").trade(at("2026-01-20", 20 * n + 10), "SELL", "A", 10, price)
    invoke("book", "import", bot.settle().save(database), "--book", tmp_path / "b.db")
    result = invoke("book", "breakdown", "--by", "trigger", "--minimum", "2", "--book", tmp_path / "b.db", "--json")
    found = json.loads(result.stdout)
    (exit_,) = found["exits"]
    # Winners earn 10, 20 and 30, losers 10 and 15: 20 / 12.5, and 12.5 / 32.5 of winners would break even.
    assert (exit_["mean_win"], exit_["mean_loss"], exit_["reward_risk"], exit_["win_rate"]) == ("20.00", "-12.50", "1.60", "0.60")
    assert exit_["break_even"] == "0.384615" and exit_["mean_holding_seconds"] == 600 and found["leaderboard"][0]["net"] == "35.00"


def test_every_key_of_every_document_is_in_the_documentation(database, tmp_path):
    from pathlib import Path

    doc = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    disaster()[0].save(database)
    book = ("--book", tmp_path / "b.db", "--json")
    said = [invoke("book", *words, *book) for words in (
        ("import", database), ("audit", "1"), ("rebook", "1", "--compare", "--by", "trade"), ("rebook", "1"), ("repair", "1"), ("breakdown",),
    )]  # fmt: skip
    keys = {key for result in said for key in json.loads(result.stdout)}
    keys |= set(json.loads(said[1].stdout)["findings"][0]) | set(json.loads(said[4].stdout)["steps"][0])
    assert {key for key in keys if f"`{key}`" not in doc} == set()


@pytest.mark.parametrize(("words", "code", "says"), [
    (("import", "nothing.db"), 2, "does not exist"), (("audit", "nothing.db"), 2, "does not exist"), (("audit",), 4, "no journal"),
    (("import", "words.txt"), 2, "no table"), (("import", "words.txt", "--column", "price"), 2, "field=name"),
    (("import", "words.txt", "--naive-zone", "Mars"), 2, "no table"), (("import", "words.txt", "--start-cash", "lots"), 2, "lots"),
])  # fmt: skip
def test_a_wrong_word_gets_a_sentence_and_its_code_and_writes_nothing(tmp_path, monkeypatch, words, code, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.txt").write_text("hello")
    before = sorted(tmp_path.rglob("*"))
    result = invoke("book", *words, "--book", tmp_path / "b.db")
    assert result.exit_code == code and says in result.stderr and "bug" not in result.stderr, result.output
    assert sorted(tmp_path.rglob("*")) == before
