"""Plain CSVs, IBKR Flex XML and activity statements; and files that cannot be read."""

from __future__ import annotations

import hashlib
import sqlite3

import pytest

from ledger.rescue import RescueError, SourceLocked
from ledger.rescue.schema.columns import number
from tests.rescue.conftest import audited, found
from tests.rescue.robo import clean

PLAIN = """Trade ID,Date/Time,Ticker,Action,Qty,Fill_Price,Commission,Strategy,Mood
1,2026-01-05 15:00:00,JD,BUY,100,29.60,1.00,sma,good
2,2026-01-06 15:00:00,JD,SELL,40,30.10,1.00,sma,bad
"""
FLEX = """<?xml version="1.0" encoding="UTF-8"?>
<FlexQueryResponse queryName="q" type="AF"><FlexStatements count="1"><FlexStatement accountId="U1" fromDate="20260105" toDate="20260109" period="">
<Trades>
<Trade currency="USD" assetCategory="STK" symbol="JD" ibExecID="0001.01" ibOrderID="7" dateTime="20260105;100000" buySell="BUY" quantity="100" tradePrice="29.6" ibCommission="-1" fifoPnlRealized="0" multiplier="1" levelOfDetail="EXECUTION" newColumn="kept"/>
<Trade currency="USD" assetCategory="STK" symbol="JD" ibExecID="0002.01" ibOrderID="8" dateTime="20260106;100000" buySell="SELL" quantity="-40" tradePrice="30.1" ibCommission="-1" fifoPnlRealized="18.6" multiplier="1" levelOfDetail="EXECUTION"/>
<Trade currency="USD" assetCategory="CASH" symbol="EUR.USD" ibExecID="0003.01" ibOrderID="9" dateTime="20260106;110000" buySell="BUY" quantity="1000" tradePrice="1.1" ibCommission="-2" fifoPnlRealized="0" levelOfDetail="EXECUTION"/>
</Trades>
<OpenPositions><OpenPosition currency="USD" assetCategory="STK" symbol="JD" position="60" markPrice="30" costBasisPrice="29.61" levelOfDetail="SUMMARY"/></OpenPositions>
<CashReport><CashReportCurrency currency="BASE_SUMMARY" startingCash="10000" endingCash="8242"/></CashReport>
</FlexStatement></FlexStatements></FlexQueryResponse>"""
ACTIVITY = """Statement,Header,Field Name,Field Value
Statement,Data,BrokerName,Interactive Brokers
Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,T. Price,Proceeds,Comm/Fee,Realized P/L,Code
Trades,Data,Order,Stocks,USD,JD,"2026-01-05, 10:00:00","1,000",29.60,"-29,600",-5,0,O
Trades,Data,Order,Stocks,USD,JD,"2026-01-06, 10:00:00",-400,30.10,"12,040",-2,196,C
Trades,SubTotal,,Stocks,USD,JD,,600,,"-17,560",-7,196,
Open Positions,Header,DataDiscriminator,Asset Category,Currency,Symbol,Quantity,Cost Price,Close Price
Open Positions,Data,Summary,Stocks,USD,JD,600,29.605,30.00
"""


def test_a_plain_csv_is_read_by_the_usual_names_of_its_columns(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(PLAIN)
    result = audited(path)
    assert result.findings == [] and result.case.legacy.schema == "trades-csv"
    assert result.case.truth.gross_e8.tolist() == [0, 20 * 10**8] and result.case.legacy.trades.extra["strategy"] == ["sma", "sma"]


def test_columns_of_other_names_are_declared_and_a_missing_one_is_named(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("what,how_many,at_what,when\nJD,100,29.6,2026-01-05T15:00:00Z\nJD,-40,30.1,2026-01-06T15:00:00Z\n")
    with pytest.raises(RescueError, match="it has what, how_many, at_what, when. Declare it: --column symbol=NAME"):
        audited(path)
    columns = {"symbol": "what", "qty": "how_many", "price": "at_what", "time": "when"}
    result = audited(path, form="trades-csv", columns=columns)
    assert result.findings == [] and result.case.truth.gross_e8.tolist() == [0, 20 * 10**8]
    with pytest.raises(RescueError, match="'nothing'"):
        audited(path, form="trades-csv", columns=columns | {"price": "nothing"})
    with pytest.raises(RescueError, match="no field 'prise'"):
        audited(path, form="trades-csv", columns=columns | {"prise": "at_what"})


def test_a_flex_query_foots_and_conversions_are_noted(tmp_path):
    path = tmp_path / "flex.xml"
    path.write_text(FLEX)
    result = audited(path)
    assert result.findings == [] and result.case.legacy.generation == "Flex XML"
    assert any("asset category CASH" in note for note in result.notes)


@pytest.mark.parametrize(("old", "new", "audit"), [
    ('fifoPnlRealized="18.6"', 'fifoPnlRealized="28.6"', "pnl-differs"),
    ('position="60"', 'position="160"', "position-does-not-foot"),
    ('endingCash="8242"', 'endingCash="8252"', "cash-does-not-foot"),
])  # fmt: skip
def test_a_changed_flex_query_has_its_finding_of_ten_or_a_hundred(tmp_path, old, new, audit):
    path = tmp_path / "flex.xml"
    path.write_text(FLEX.replace(old, new))
    (finding,) = found(path, audit)
    assert abs(finding.amount_e8) in (10 * 10**8, 2961_60000000)


def test_an_activity_statement_with_thousands_and_totals_foots(tmp_path):
    path = tmp_path / "activity.csv"
    path.write_text(ACTIVITY)
    result = audited(path)
    assert result.findings == [] and result.case.legacy.generation == "activity statement"
    assert result.case.truth.gross_e8.tolist() == [0, 200 * 10**8]


def test_a_short_sale_and_an_option_of_a_flex_query_foot(tmp_path):
    common = 'currency="USD" ibOrderID="1" levelOfDetail="EXECUTION"'
    short = f'{common} assetCategory="STK" symbol="TSLA" multiplier="1" ibCommission="-1"'
    option = f'{common} assetCategory="OPT" symbol="JD 260116C30" multiplier="100" ibCommission="-0.65"'
    trades = [
        f'<Trade {short} ibExecID="a" dateTime="20260105;100000" buySell="SELL" quantity="-10" tradePrice="424.5" fifoPnlRealized="0" openCloseIndicator="O"/>',
        f'<Trade {short} ibExecID="b" dateTime="20260106;100000" buySell="BUY" quantity="4" tradePrice="411.25" fifoPnlRealized="51.6" openCloseIndicator="C"/>',
        f'<Trade {option} ibExecID="c" dateTime="20260106;110000" buySell="BUY" quantity="2" tradePrice="1.25" fifoPnlRealized="0" openCloseIndicator="O"/>',
    ]
    held = '<OpenPosition symbol="TSLA" position="-6" markPrice="410" costBasisPrice="424.4" levelOfDetail="SUMMARY"/>'
    held += '<OpenPosition symbol="JD 260116C30" position="2" markPrice="1.5" costBasisPrice="1.25325" levelOfDetail="SUMMARY"/>'
    cash = 10_000 + 4245 - 1645 - 250 - 2.65
    path = tmp_path / "flex.xml"
    path.write_text(
        f'<FlexQueryResponse><FlexStatements><FlexStatement><Trades>{"".join(trades)}</Trades><OpenPositions>{held}</OpenPositions><CashReport>'
        f'<CashReportCurrency currency="BASE_SUMMARY" startingCash="10000" endingCash="{cash}"/></CashReport></FlexStatement></FlexStatements></FlexQueryResponse>'
    )
    result = audited(path)
    assert result.findings == [] and result.case.truth.gross_e8.tolist() == [0, 53 * 10**8, 0]


def test_entities_in_a_flex_query_are_refused(tmp_path):
    path = tmp_path / "flex.xml"
    path.write_text('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><FlexQueryResponse>&x;</FlexQueryResponse>')
    with pytest.raises(RescueError, match="no sound XML"):
        audited(path)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_locked_database_says_so_and_stays_as_it_is(database):
    before = digest(clean().save(database))
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    with pytest.raises(SourceLocked, match="another program"):
        audited(database)
    connection.execute("ROLLBACK")
    connection.close()
    assert digest(database) == before and audited(database).findings == []


def test_a_database_with_a_write_ahead_log_is_read_with_it_and_nothing_appears_beside_it(database, tmp_path):
    clean().save(database)
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("UPDATE positions SET quantity = quantity + 5 WHERE symbol = 'TEM'")
    connection.commit()
    names, before = sorted(p.name for p in tmp_path.iterdir()), [digest(p) for p in sorted(tmp_path.iterdir()) if not p.name.endswith("-shm")]
    assert [f.symbol for f in found(database, "position-does-not-foot")] == ["TEM"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    assert [digest(p) for p in sorted(tmp_path.iterdir()) if not p.name.endswith("-shm")] == before
    connection.close()
    names = sorted(p.name for p in tmp_path.iterdir())
    audited(database)
    assert sorted(p.name for p in tmp_path.iterdir()) == names


@pytest.mark.parametrize("cut", [100, 5000, 9000])
def test_a_truncated_database_is_an_error_or_a_finding_and_never_clean(database, cut):
    content = clean().save(database).read_bytes()
    database.write_bytes(content[:cut])
    try:
        assert audited(database).findings
    except RescueError as error:
        assert "damaged" in str(error)
    assert database.read_bytes() == content[:cut]


def test_overwritten_pages_are_an_error_or_a_finding_and_never_clean(database):
    content = bytearray(clean().save(database).read_bytes())
    for start in range(4096, len(content), 4096):
        broken = content.copy()
        broken[start : start + 64] = b"\xff" * 64
        database.write_bytes(broken)
        try:
            assert audited(database).findings, start
        except RescueError as error:
            assert "damaged" in str(error) or "no schema" in str(error)


@pytest.mark.parametrize(("content", "says"), [
    (b"", "empty"), (b"\x00\x01\x02", "neither"), (b"hello", "at least two columns"), (b"a,b\n1,2\n", "no column for symbol"),
    (b"<html></html>", "FlexQueryResponse"), (b"<a", "no sound XML"), (b"-- PostgreSQL database dump\n", "without rows"),
])  # fmt: skip
def test_a_file_that_is_nothing_of_ours_gets_a_sentence(tmp_path, content, says):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(RescueError, match=says):
        audited(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_told_what_was_found_and_what_is_needed(database):
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE prices (day TEXT, close REAL)")
    connection.close()
    with pytest.raises(RescueError, match=r"prices \(day, close\)[\s\S]*robo-trader: a table trades"):
        audited(database)
    with pytest.raises(RescueError, match="bottrader"):
        audited(database, form="bottrader")


def test_text_that_is_not_utf8_is_kept_and_found(database):
    bot = clean()
    bot.save(database)
    connection = sqlite3.connect(database)
    connection.execute("UPDATE trades SET symbol = CAST(x'4ac3' AS TEXT) WHERE symbol = 'TEM'")
    connection.execute("UPDATE positions SET symbol = CAST(x'4ac3' AS TEXT) WHERE symbol = 'TEM'")
    connection.commit()
    connection.close()
    (finding,) = audited(database).findings
    assert finding.audit == "not-utf8" and "4ac3" in finding.derivation


def test_numbers_beyond_any_account_are_findings_and_not_overflows(database):
    bot = clean()
    bot.trades[0]["price"], bot.trades[1]["quantity"], bot.trades[2]["price"] = 1e300, 2**62, float("inf")
    named = {row for f in audited(bot.save(database)).findings if f.audit == "unreadable-value" for row in f.rows}
    assert named == {"trades#1", "trades#2", "trades#3"}


@pytest.mark.parametrize(("text", "read"), [("1,029.60", "1029.60"), ("-29,600", "-29600"), ("$1,234,567", "1234567"), ("(1,000.5)", "(1000.5)"), ("29,60", "29,60"), ("0,5", "0,5"), ("1,0000", "1,0000"), ("1000,000", "1000,000"), ("1,00,000", "1,00,000"), ("29.60", "29.60")])  # fmt: skip
def test_a_comma_separates_thousands_or_the_text_is_no_number(text, read):
    assert number(text) == read


def test_decimal_commas_are_a_finding_and_never_a_hundredfold_price(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("time;symbol;side;quantity;price;fee\n2026-01-05T15:00:00Z;JD;buy;100;29,60;1,00\n2026-01-06T15:00:00Z;JD;sell;60;30,10;1,00\n")
    result = audited(path)
    assert [finding.title for finding in result.findings if "price is no number in 2 rows" in finding.title]
    assert not result.case.truth.gross_e8.any()
