"""A stored backtest to ask questions about: made once, by the command itself."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result

from cli.root import root


class Stored(NamedTuple):
    """A journal with one backtest, and the JSON document its run printed."""

    book: Path
    run: dict


def hear_interrupts() -> None:
    """Undo, in a child, what a suite that runs in the background passes on: interrupts are ignored there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def invoke(*words: object, **environment: str) -> Result:
    """Run `onebook` in this process, with a clean environment but for what is given."""
    clean = dict.fromkeys(("ONEBOOK_BOOK", "ONEBOOK_DATA", "ONEBOOK_CASH", "ONEBOOK_DEBUG", "NO_COLOR"), None)
    return CliRunner().invoke(root, [str(word) for word in words], env=clean | environment)


def document(*words: object, **environment: str) -> dict:
    """Run `onebook ... --json` and return its one document; it must succeed."""
    result = invoke(*words, "--json", **environment)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="session")
def stored(tmp_path_factory):
    """Run the demo's strategy on two years of bundled prices, stored in a journal of its own."""
    book = tmp_path_factory.mktemp("runs") / "onebook.db"
    words = ("backtest", "run", "sma_cross", "--start", "2016-01-04", "--end", "2017-12-29", "--book", book, "--no-picture")
    return Stored(book, document(*words))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Stand in an empty folder: a test that writes where it should not is seen at once."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
