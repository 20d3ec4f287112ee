"""`onebook compare`: its words, its document, its exit codes, its page."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from ledger.journal import Journal
from tests.cli.conftest import document, invoke
from tests.ledger.compare.test_causes import Told, bars

DOC = (Path(__file__).resolve().parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")
KEY = "cross|{}|TARGET|2026-01-02T21:01:00Z|0"


def stored(path: Path, *sessions: Told) -> Path:
    with Journal.open(path) as journal:
        for told in sessions:
            session = journal.begin("backtest", "AAPL", config={"strategies": {"1": "cross"}})
            session.names_of(told.names)
            session.record_all(np.array(told.events))
            session.end()
    return path


def first(symbol: str = "AAPL") -> Told:
    return bars(Told(symbol=symbol), "100", "110").trade("10", "10", "100").trade("0", "-10", "110", at=60).end()


def second(symbol: str = "AAPL") -> Told:
    return bars(Told(symbol=symbol), "100", "110").trade("10", "10", "100").trade("0", "-10", "109", at=60, fee="2").end()


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return stored(tmp_path / "book.db", first(), second(), first())


def test_the_document_says_what_the_page_of_commands_says(book):
    found = document("compare", 1, 2, 3, "--book", book)
    assert found.keys() == {"comparisons", "stories", "files"}
    one, two = found["comparisons"]
    amounts = {part["cause"]: part["amount"] for part in one["parts"] if part["amount"] != "0.00"}
    assert (one["difference"], one["residual"], amounts) == ("-11.00", "0.00", {"price": "-10.00", "fee": "-1.00"})
    assert (one["rows"], one["rows_different"], two["certificate"]["same_book"]) == (2, 1, True)
    section = DOC.split("## Comparing sessions")[1].split("\n## ")[0]
    spoken = set(re.findall(r"`(\w+)`", section))
    for part in (one, one["a"], one["parts"][0], one["listed"][0], one["listed"][0]["a"], one["certificate"], one["certificate"]["first_row"]):
        assert set(part) <= spoken, set(part) - spoken
    for part in one["parts"]:
        assert part["cause"] in section


def test_assert_equal_leaves_with_a_finding(book):
    assert invoke("compare", 1, 2, "--book", book).exit_code == 0
    assert invoke("compare", 1, 2, "--book", book, "--assert-equal").exit_code == 3
    assert invoke("compare", 1, 3, "--book", book, "--assert-equal").exit_code == 0
    assert invoke("compare", 1, 3, 2, "--book", book, "--assert-equal").exit_code == 3
    failed = invoke("compare", 1, 2, "--book", book, "--assert-equal", "--json")
    assert failed.exit_code == 3 and json.loads(failed.stdout)["comparisons"][0]["certificate"]["equal"] is False


def test_a_book_may_be_named_with_or_without_a_session(book, tmp_path):
    other = stored(tmp_path / "other.db", second(), first())
    assert document("compare", f"{book}#1", other)["comparisons"][0]["certificate"]["equal"]
    assert document("compare", 1, f"{other}#1", "--book", book)["comparisons"][0]["difference"] == "-11.00"


def test_only_what_differs_is_listed_and_rows_are_limited(book):
    listed = document("compare", 1, 2, "--book", book, "--only-differences")["comparisons"][0]["listed"]
    assert [row["key"] for row in listed] == [KEY.format("AAPL")] and listed[0]["differs"] == ["price", "value", "fee"]
    assert len(document("compare", 1, 2, "--book", book, "--rows", 1)["comparisons"][0]["listed"]) == 1
    assert len(document("compare", 1, 2, "--book", book, "--rows", 0)["comparisons"][0]["listed"]) == 2


def test_both_stories_of_an_order_are_told(book):
    story, = document("compare", 1, 2, "--book", book, "--story", KEY.format("AAPL"))["stories"]
    assert [step["what"] for step in story["a"]["steps"]] == ["CLAIM", "FILL", "COMMISSION"]
    assert story["a"]["steps"][1]["detail"] == "sell 10.00 at 110.00 (execution 2)"
    assert story["b"]["lots"] == ["closed 10.00 of lot 0: 1000.00 became 1090.00, profit 90.00"]
    told = invoke("compare", 1, 2, "--book", book, "--story", KEY.format("AAPL"))
    assert "in the second session" in told.stdout and "profit 90.00" in told.stdout
    assert invoke("compare", 1, 2, "--book", book, "--story", "nobody").exit_code == 2


def test_people_read_the_waterfall_and_the_first_difference(book):
    told = invoke("compare", 1, 2, "--book", book).stdout
    assert "Why the final equities differ" in told and "-11.00" in told and "must be 0" in told
    assert "NOT EQUAL: 1 of 2 decisions are equal" in told and f"first difference: {KEY.format('AAPL')}, price: 110.00 and 109.00" in told
    assert "EQUAL: the same book" in invoke("compare", 1, 3, "--book", book).stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("1",), "two or three"), (("1", "2", "3", "1"), "two or three"), (("1", "9"), "no session 9"),
        (("1", "{book}#x"), "the number of a session"), (("1", "nowhere.db"), "nowhere.db"),
    ],
)  # fmt: skip
def test_wrong_words_get_a_sentence(book, words, message):
    result = invoke("compare", *(word.format(book=book) for word in words), "--book", book)
    assert result.exit_code in (2, 4) and message in result.output and "Traceback" not in result.output


class Tags(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def test_the_page_is_whole_and_names_are_text(tmp_path):
    hostile = "<img onerror=1>"
    book = stored(tmp_path / "b.db", first(hostile), second(hostile))
    found = document("compare", 1, 2, "--book", book, "--html", "--out", tmp_path / "out")
    page = Tags(Path(found["files"]["page"]).read_text(encoding="utf-8"))
    assert "img" not in page.tags and KEY.format(hostile) in page.text and "-11.00" in page.text
    assert "Difference to the first" in page.text and "fetch" not in page.text and "https:" not in page.text
