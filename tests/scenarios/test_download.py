"""The real client library against the simulated gateway on a real socket: a download from end to end."""

from __future__ import annotations

import asyncio
import socket
import threading
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from live.ib_history import Errors, Library
from sim.data import load
from sim.data.store.download import PastBar, Question, Refused, Slowed, Unanswered
from sim.gateway.core.config import Config
from sim.gateway.core.gateway import Gateway
from sim.gateway.transport.tcp import serve
from tests.cli.conftest import document, invoke

ERRORS = Errors(Slowed, Unanswered, Refused)
START = datetime(2024, 6, 14, 17, tzinfo=ZoneInfo("America/New_York"))


class Served:
    """A gateway in a thread of its own, on a free port."""

    def __init__(self, **config) -> None:
        self.port, self._ready = 0, threading.Event()
        self._config = Config(start_ns=int(START.timestamp()) * 10**9, always_open=False, **config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    async def _run(self) -> None:
        self._stop, self._loop = asyncio.Event(), asyncio.get_running_loop()

        def ready(port: int) -> None:
            self.port = port
            self._ready.set()

        await serve(Gateway(self._config), 0, ready=ready, stop=self._stop)

    def __enter__(self) -> Served:
        self._thread.start()
        assert self._ready.wait(120)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)


@pytest.fixture(scope="module")
def served():
    with Served() as gateway:
        yield gateway


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def download(served, *words: object):
    return invoke("data", "download", "AAPL", "--port", served.port, "--calendar", "none", "--json", *words)


def test_days_are_downloaded_and_kept(served, elsewhere):
    result = download(served, "--start", "2023-01-03", "--end", "2024-06-12")
    assert result.exit_code == 0, result.output
    history = load("store", ["AAPL"], calendar="none")[0]
    assert history.bar == "1d" and date.fromordinal(int(history.day[0])) <= date(2023, 1, 4) and len(history.day) > 350
    assert date.fromordinal(int(history.day[-1])) == date(2024, 6, 12) and history.source == "ib TRADES"


def test_a_second_download_asks_only_for_what_is_missing(served, elsewhere):
    first = document("data", "download", "AAPL", "--port", served.port, "--calendar", "none", "--start", "2024-01-03", "--end", "2024-05-01")
    again = document("data", "download", "AAPL", "--port", served.port, "--calendar", "none", "--start", "2024-01-03", "--end", "2024-05-01")
    more = document("data", "download", "AAPL", "--port", served.port, "--calendar", "none", "--start", "2024-01-03", "--end", "2024-06-03")
    assert [one["kept"][0]["done"] for one in (first, again, more)] == ["new", "same", "extended"]
    assert again["kept"][0]["questions"] == 0 and more["kept"][0]["bars"] > first["kept"][0]["bars"]


def test_minutes_come_day_by_day_without_a_hole(served, elsewhere):
    result = download(served, "--bar", "1m", "--start", "2024-06-10", "--end", "2024-06-12")
    assert result.exit_code == 0, result.output
    assert len(load("store", ["AAPL"], calendar="none")[0].day) == 3 * 390


def test_what_the_rules_refuse_is_set_aside_and_not_lost(served, elsewhere):
    result = invoke("data", "download", "AAPL", "--port", served.port, "--start", "2024-05-20", "--end", "2024-06-03")
    if result.exit_code == 0:
        pytest.skip("the model keeps the exchange's holidays: nothing is refused")
    assert result.exit_code == 2 and "onebook data check" in result.output
    assert (elsewhere / "store" / "refused" / "1d" / "AAPL.csv").read_text().startswith("date,open")


@pytest.mark.parametrize(("question", "error"), [
    (Question("NOSUCHSYMBOL9", 0, "1 M", "1 day", "TRADES"), Refused), (Question("AAPL", 0, "1 M", "1 parsec", "TRADES"), Refused),
])  # fmt: skip
def test_a_question_that_makes_no_sense_is_refused_at_once(served, question, error):
    with Library(ERRORS, PastBar, port=served.port, client_id=78, timeout_s=20) as library, pytest.raises(error):
        library.bars(question)


def test_the_history_begins_where_the_gateway_says(served):
    with Library(ERRORS, PastBar, port=served.port, client_id=79) as library:
        head = library.head_ns("AAPL", "TRADES")
        rows = library.bars(Question("AAPL", 0, "5 D", "1 day", "TRADES"))
    assert head is not None and len(rows) == 5 and all(row.start_ns > head for row in rows)


def test_no_gateway_no_paper_account_and_another_machine_are_named(elsewhere):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = invoke("data", "download", "AAPL", "--port", port, "--start", "2024-01-03")
    assert result.exit_code == 4 and "no gateway at" in result.output
    result = invoke("data", "download", "AAPL", "--host", "192.0.2.1", "--start", "2024-01-03")
    assert result.exit_code == 4 and "not this machine" in result.output
    with Served(account="U7654321") as live:
        result = invoke("data", "download", "AAPL", "--port", live.port, "--start", "2024-01-03")
    assert result.exit_code == 4 and "no paper account" in result.output


@pytest.mark.parametrize(("words", "named"), [
    (("--start", "soon"), "not a date"), (("--start", "2024-05-01", "--end", "2024-04-01"), "after --end"), ((), "--start"),
])  # fmt: skip
def test_a_wrong_word_is_named_before_anything_is_asked(elsewhere, words, named):
    result = invoke("data", "download", "AAPL", *words)
    assert result.exit_code == 2 and named in result.output and list(elsewhere.iterdir()) == []
