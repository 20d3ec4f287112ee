"""`onebook report daily`: its document, its codes, and mail to a server that lives in the test."""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Iterator
from email import message_from_bytes
from decimal import Decimal
from email.policy import default
from pathlib import Path

import numpy as np
import pytest

from ledger.journal import Journal
from tests.cli.conftest import document, invoke
from tests.ledger.compare.test_causes import Told

LEAN = Path(__file__).resolve().parents[4] / "shared" / "data" / "lean"
DOC = (Path(__file__).resolve().parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")


@pytest.fixture
def book(tmp_path: Path) -> Path:
    told = Told().trade("10", "10", "100").trade("0", "-10", "110", at=60).end()
    with Journal.open(tmp_path / "book.db") as journal:
        session = journal.begin("backtest", "AAPL", config={"strategies": {"1": "cross"}})
        session.names_of(told.names)
        session.record_all(np.array(told.events))
    return tmp_path / "book.db"


class Mailbox(socketserver.StreamRequestHandler):
    """As much of SMTP as a sender needs; refuses receivers called `nobody`."""

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline().decode().strip():
            word = line.upper()
            if word.startswith("DATA"):
                self._say("354 go on")
                self.server.messages.append(self._message())  # type: ignore[attr-defined]
                self._say("250 kept")
            elif word.startswith("QUIT"):
                self._say("221 bye")
                return
            else:
                self._say("550 nobody here" if "<nobody@" in line else "250 fine")

    def _message(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return b"".join(lines)

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@pytest.fixture
def mailbox() -> Iterator[socketserver.TCPServer]:
    with socketserver.TCPServer(("127.0.0.1", 0), Mailbox) as server:
        server.messages = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def settings(server: socketserver.TCPServer, to: str = "a@example.org") -> dict[str, str]:
    port = server.server_address[1]
    return {"ONEBOOK_SMTP": f"plain:127.0.0.1:{port}", "ONEBOOK_MAIL_FROM": "bot@example.org", "ONEBOOK_MAIL_TO": to}


def test_the_document_says_what_the_page_of_commands_says(book, tmp_path):
    found = document("report", "daily", "--book", book, "--out", tmp_path / "out")
    section = DOC.split("## Daily report")[1].split("\n## ")[0]
    spoken = set(re.findall(r"`(\w+)`", section))
    assert found.keys() <= spoken and found["totals"][0].keys() <= spoken
    assert (found["date"], found["residual"], found["causes"]["trades"], found["trades"]) == ("2026-01-02", "0.00", "100.00", 1)
    assert found["since"] == {"date": None, "changes": []} and found["sent_to"] == []
    assert sorted(Path(path).name for path in found["files"].values()) == sorted(path.name for path in (tmp_path / "out").iterdir())


def test_a_report_is_sent_with_its_files(book, tmp_path, mailbox):
    found = document("report", "daily", "--book", book, "--out", tmp_path, "--mail", **settings(mailbox, "a@example.org, b@example.org"))
    assert found["sent_to"] == ["a@example.org", "b@example.org"]
    message = message_from_bytes(mailbox.messages[0], policy=default)
    assert message["Subject"] == "onebook 2026-01-02: AAPL" and message["To"] == "a@example.org, b@example.org"
    assert "realized on the day: 100.00 in the book, 100.00 by executions" in message.get_body(("plain",)).get_content()
    names = {part.get_filename(): part.get_content() for part in message.iter_attachments()}
    assert set(names) == {"daily-book-1-2026-01-02.html", "daily-book-1-2026-01-02-trades.csv", "daily-book-1-2026-01-02-totals.csv"}
    assert "Why equity changed" in names["daily-book-1-2026-01-02.html"]


def test_a_refused_receiver_is_left_out_and_a_dead_server_is_a_sentence(book, tmp_path, mailbox):
    told = settings(mailbox, "nobody@example.org, b@example.org")
    assert document("report", "daily", "--book", book, "--out", tmp_path, "--mail", **told)["sent_to"] == ["b@example.org"]
    dead = {**told, "ONEBOOK_SMTP": "plain:127.0.0.1:1"}
    result = invoke("report", "daily", "--book", book, "--out", tmp_path, "--mail", **dead)
    assert result.exit_code == 1 and "was written and not sent" in result.output


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ONEBOOK_SMTP": "none"}, "no mail server is set"), ({"ONEBOOK_SMTP": "plain:mail.example.org:25"}, "without encryption"),
        ({"ONEBOOK_SMTP": "mail.example.org"}, "host:port"), ({"ONEBOOK_MAIL_TO": " , "}, "mail_to"),
        ({"ONEBOOK_MAIL_TO": "a@example.org\nBcc: b@example.org"}, "no address"),
    ],
)  # fmt: skip
def test_a_wrong_mail_setting_is_a_sentence(book, tmp_path, mailbox, changed, message):
    result = invoke("report", "daily", "--book", book, "--out", tmp_path, "--mail", **{**settings(mailbox), **changed})
    assert result.exit_code == 2 and message in result.output and mailbox.messages == []


def test_a_wrong_date_is_a_sentence(book):
    result = invoke("report", "daily", "--book", book, "--date", "yesterday")
    assert result.exit_code == 2 and "write 2026-01-02" in result.output


def test_a_total_that_differs_is_a_finding(book, tmp_path, monkeypatch):
    from sim.daily import facts

    honest = facts.recount
    monkeypatch.setattr(facts, "recount", lambda entries, *rest: honest([one for one in entries if one.side < 0], *rest))
    result = invoke("report", "daily", "--book", book, "--out", tmp_path)
    assert result.exit_code == 3 and "NO" in result.stdout


@pytest.mark.skipif(not (LEAN / "minute").is_dir(), reason="real LEAN data is absent: ../shared/data/lean, seen from the project root, is not there")
def test_the_parts_of_a_day_add_up_to_it_and_stand_on_the_exchanges_clock(tmp_path: Path) -> None:
    words = ("--data", LEAN, "--symbol", "SPY", "--bar", "1m", "--start", "2013-10-07", "--end", "2013-10-09", "--no-picture")
    document("backtest", "run", "sma_cross", *words, "--book", tmp_path / "m.db")
    asked = ("report", "daily", "--book", tmp_path / "m.db", "--out", tmp_path)
    told = document(*asked, "--by", "1h")
    assert [row["period"] for row in told["periods"]] == [f"2013-10-09 {hour}" for hour in ("09:30", *(f"{hour}:00" for hour in range(10, 16)))]
    profit = sum(Decimal(row["profit"]) for row in told["periods"])
    assert profit == Decimal(told["after"]) - Decimal(told["before"]) and sum(row["fills"] for row in told["periods"]) == told["executions"]
    assert len(Path(told["files"]["periods"]).read_text().splitlines()) == 8 and "Over the day" in Path(told["files"]["html"]).read_text()
    assert "periods" not in document(*asked) and "By 30min" in invoke(*asked, "--by", "30min").stdout
    for by, words_ in (("week", "a day has no such periods"), ("1s", "further apart"), ("soon", "not known")):
        assert (answer := invoke(*asked, "--by", by)).exit_code == 2 and words_ in answer.stderr
