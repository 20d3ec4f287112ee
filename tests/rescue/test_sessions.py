"""Import sessions: every row word for word, every trade booked to the last digit, the original untouched."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import views
from ledger.journal import Journal
from ledger.rescue import RescueError
from ledger.rescue.audit import run
from ledger.rescue.schema import Options
from ledger.rescue.sessions import evidence_intact, import_file, legacy_of_session, source_of
from ledger.units import decimal_text
from ledger.vocabulary import Method
from tests.rescue.bottrader import clean as clean_bottrader
from tests.rescue.robo import GENERATIONS, Robo, clean
from tests.rescue.twin import Deal, fifo

E8 = 10**8


@pytest.fixture
def journal(tmp_path):
    with Journal.open(tmp_path / "book.db") as opened:
        yield opened


def rows_of(path):
    """Return every row of every table, as SQLite gives them."""
    connection = sqlite3.connect(path)
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'market_data' ORDER BY rowid")]
    found = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}
    connection.close()
    return found


@pytest.mark.parametrize("generation", GENERATIONS)
def test_every_row_of_every_table_is_kept_and_the_file_is_untouched(journal, database, generation):
    clean(generation).save(database)
    connection = sqlite3.connect(database)
    connection.execute("ALTER TABLE trades ADD COLUMN mood")
    connection.execute("UPDATE trades SET mood = x'00ff' WHERE id = 1")
    connection.execute("UPDATE trades SET mood = 9e999 WHERE id = 2")
    connection.execute("CREATE TABLE diary (day TEXT, words TEXT)")
    connection.execute("INSERT INTO diary VALUES ('2026-01-05', 'a \"quote\", a\nline, é')")
    connection.commit()
    connection.close()
    before = hashlib.sha256(database.read_bytes()).hexdigest()
    done = import_file(journal, database, Options())
    assert hashlib.sha256(database.read_bytes()).hexdigest() == before == done.source.sha256
    kept = {name: list(table.rows()) for name, table in source_of(journal, done.session_id).tables.items()}
    assert kept == rows_of(database)
    assert evidence_intact(journal, done.session_id) and journal.verify(done.session_id).ok


def test_the_audit_of_a_session_is_the_audit_of_its_file(journal, database):
    bot = clean()
    bot.positions[0]["quantity"] += 7
    done = import_file(journal, bot.save(database), Options())
    assert run(legacy_of_session(journal, done.session_id)).findings == run(done.legacy).findings != []


def test_the_same_file_is_stored_once_and_another_reading_of_it_again(journal, database):
    clean().save(database)
    first, second = (import_file(journal, database, Options()) for _ in range(2))
    other = import_file(journal, database, Options(start_cash="5000"))
    lifo = import_file(journal, database, Options(), Method.LIFO)
    assert (second.session_id, second.again) == (first.session_id, True)
    assert len({first.session_id, other.session_id, lifo.session_id}) == 3 and not other.again


def test_kept_rows_that_were_changed_are_noticed(journal, database):
    done = import_file(journal, clean().save(database), Options())
    journal.connection.execute("DROP TRIGGER broker_event_update")
    journal.connection.execute("UPDATE broker_event SET body = replace(body, '182.13', '181.13') WHERE session_id = ?", (done.session_id,))
    assert not evidence_intact(journal, done.session_id)


def test_an_import_that_was_interrupted_is_not_audited(journal, database, monkeypatch):
    import ledger.rescue.sessions as sessions

    monkeypatch.setattr(sessions, "record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        import_file(journal, clean().save(database), Options())
    with pytest.raises(RescueError, match="did not finish"):
        legacy_of_session(journal, 1)
    monkeypatch.undo()
    assert import_file(journal, database, Options()).session_id == 2


def test_a_file_that_is_written_while_it_is_read_does_not_count(journal, database):
    clean().save(database)

    def disturb(text):
        if text.startswith("booking"):
            with database.open("ab") as stream:
                stream.write(b"x")

    with pytest.raises(RescueError, match="written to while"):
        import_file(journal, database, Options(), progress=disturb)
    with pytest.raises(RescueError, match="did not finish"):
        legacy_of_session(journal, 1)


def test_the_views_of_every_session_work_on_an_imported_one(journal, tmp_path):
    done = import_file(journal, clean_bottrader().save_dump(tmp_path / "bot.sql"), Options())
    assert sum(row.pnl_e8 for row in views.pnl_trades(journal, done.session_id)) == int(done.legacy and sum(r.pnl_e8 for r in views.pnl_symbols(journal, done.session_id)))
    assert {row.symbol for row in views.positions(journal, done.session_id)} == {"SAPIEN-USD", "AVAX-USD"}
    assert views.unmatched(journal, done.session_id) == [] and views.totals(journal, done.session_id).deposits_e8 == 5000 * E8


qty = st.integers(1, 9_999)
price = st.integers(1, 10**7).map(lambda n: Decimal(n) / 10**4)
deals = st.lists(st.tuples(st.sampled_from(["BUY", "SELL"]), st.sampled_from(["A", "B", "C"]), qty, price), min_size=1, max_size=40)


@settings(max_examples=25, deadline=None)
@given(deals)
def test_booked_profit_is_that_of_fifo_in_decimal_to_the_last_digit(made):
    import tempfile
    from pathlib import Path

    from tests.rescue.conftest import audited

    bot = Robo("G2", "100000000")
    for n, (side, symbol, size, worth) in enumerate(made):
        bot.trade(f"2026-01-05 15:{n // 60:02d}:{n % 60:02d}", side, symbol, size, str(worth))
    with tempfile.TemporaryDirectory() as folder:
        truth = audited(bot.save(Path(folder) / "t.db")).case.truth
    closed, _ = fifo(bot.deals)
    assert truth.gross_e8.tolist() == [int(one.profit * E8) for one in closed]
    assert truth.closed_e8.tolist() == [int(one.quantity * E8) for one in closed]
    assert truth.unmatched_e8.tolist() == [int(one.missing * E8) for one in closed]


def test_booked_profit_is_that_of_beancount_to_the_last_digit(journal, database):
    pytest.importorskip("beancount")
    bot = clean("G3", days=12)
    done = import_file(journal, bot.save(database), Options())
    ours = {row.symbol: decimal_text(row.pnl_e8) for row in views.pnl_symbols(journal, done.session_id)}
    assert {symbol: Decimal(text) for symbol, text in ours.items()} == beancount_profit(bot.deals)


def beancount_profit(made: list[Deal]) -> dict[str, Decimal]:
    """Return realized profit per symbol, as beancount's FIFO books it."""
    from beancount import loader

    lines = ["2000-01-01 open Assets:Cash", "2000-01-01 open Income:Profit"]
    symbols = sorted({deal.symbol for deal in made})
    lines += [f'2000-01-01 open Assets:{s.title()} {s} "FIFO"' for s in symbols]
    for deal in made:
        account, day = f"Assets:{deal.symbol.title()}", deal.time[:10]
        lines += [f'{day} * "{deal.symbol}"', f"  {account}  {deal.sign * deal.qty} {deal.symbol} " + (f"{{{deal.price} USD}}" if deal.sign > 0 else "{} ")]
        lines += [f"  Assets:Cash  {-deal.sign * deal.qty * deal.price} USD"] + (["  Income:Profit"] if deal.sign < 0 else [])
    entries, errors, _ = loader.load_string("\n".join(lines))
    assert not errors, errors[:2]
    found: dict[str, Decimal] = {}
    for entry in entries:
        for posting in getattr(entry, "postings", []):
            if posting.account == "Income:Profit":
                found[entry.narration] = found.get(entry.narration, Decimal(0)) - posting.units.number
    return found


def test_the_config_of_an_import_says_where_it_came_from(journal, database):
    done = import_file(journal, clean().save(database), Options())
    config = json.loads(journal.sessions()[done.session_id - 1].config)
    assert config["import"]["sha256"] == done.source.sha256 and config["timezone"] == "America/New_York"
