"""`onebook gateway`: what it prints, what it refuses, and the commands for journals of frames."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from cli.exits import Code
from sim.gateway.core.gateway import Gateway
from sim.gateway.wire.journal import FrameJournal
from tests.cli.conftest import document, hear_interrupts, invoke
from tests.sim.gateway.peer import Peer, fresh

ROOT = Path(__file__).resolve().parent.parent.parent
CLI = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def journal(path: Path, seed: int = 7, orders: int = 2) -> Path:
    """Write the journal of a short conversation."""
    writer, gateway = FrameJournal(path), fresh(seed=seed, cash="100000")
    gateway.listeners.append(writer.note)
    peer = Peer(gateway)
    for number in range(orders):
        peer.order(number + 1, quantity="10")
        peer.wait(1)
    writer.close()
    return path


def test_a_newcomer_is_told_that_it_is_simulated_where_it_listens_and_how_to_connect(tmp_path):
    words = [sys.executable, str(ROOT / "onebook.py"), "gateway", "--port", "0", "-q", "--journal", "frames.log"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, **pipes, text=True, cwd=tmp_path, env=environment, preexec_fn=hear_interrupts) as process:
        lines = [process.stdout.readline() for _ in range(6)]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert lines[0].startswith("SIMULATED") and re.search(r"listening on 127\.0\.0\.1:\d+", lines[1])
    port = re.search(r":(\d+)", lines[1])[1]
    assert f'ib_async.IB().connect("127.0.0.1", {port}, clientId=1)' in lines[5]
    assert process.returncode == Code.INTERRUPTED
    assert (tmp_path / "runs" / "gateway.db").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--host", "0.0.0.0"), "not a loopback address"), (("--account", "U123"), "begins with D"), (("--start", "soon"), "is not a time"),
        (("--plan", "absent.toml"), "absent.toml"), (("--data", "absent.csv"), "absent.csv"), (("--port", "99999"), "99999"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_listens(words, told):
    result = invoke("gateway", "--memory", "--port", "0", *words)
    assert result.exit_code in (Code.USAGE, Code.ENVIRONMENT) and told in result.stderr


def test_a_state_file_of_another_account_is_refused(tmp_path):
    from sim.gateway.core.config import Config
    from sim.gateway.core.store import FileStore, StoreError

    store = FileStore(tmp_path / "state.db")
    Gateway(Config(account="DU2"), store=store)
    store.close()
    result = invoke("gateway", "--port", "0", "--state", tmp_path / "state.db")
    assert result.exit_code == Code.USAGE and "kept with account DU2" in result.stderr
    refused = FileStore(tmp_path / "state.db")
    with pytest.raises(StoreError, match="use the same, or another file"):
        Gateway(Config(account="DU1"), store=refused)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        refused.load(Gateway(Config()))


def test_a_journal_is_shown_with_the_keys_that_are_documented(tmp_path):
    shown = document("gateway", "show", journal(tmp_path / "a.log"))
    assert {frame["message"] for frame in shown["frames"]} >= {"version", "startApi", "placeOrder", "openOrder", "execDetails"}
    assert all(f"`{key}`" in CLI for key in shown["frames"][0])


def test_a_journal_replays_without_a_difference_and_another_seed_differs_in_values(tmp_path):
    path = journal(tmp_path / "a.log")
    assert document("gateway", "replay", path, "--values") == {"differences": 0, "rows": []}
    result = invoke("gateway", "replay", path, "--seed", "8", "--values", "--json")
    assert result.exit_code == Code.FINDING and json.loads(result.stdout)["differences"] > 0
    assert invoke("gateway", "replay", path, "--seed", "8").exit_code == Code.DONE


def test_two_journals_are_compared_message_by_message(tmp_path):
    one, other = journal(tmp_path / "a.log"), journal(tmp_path / "b.log", orders=1)
    assert document("gateway", "diff", one, one)["differences"] == 0
    result = invoke("gateway", "diff", one, other, "--json")
    rows = json.loads(result.stdout)["rows"]
    assert result.exit_code == Code.FINDING and {row["what"] for row in rows} == {"only in the first"}
    assert all(f"`{key}`" in CLI for key in rows[0])


def test_a_file_that_is_no_journal_is_named_with_its_line(tmp_path):
    (tmp_path / "x.log").write_text('{"t":1,"c":1,"d":">","f":["a"]}\nnonsense\n{"t":2}\n')
    result = invoke("gateway", "show", tmp_path / "x.log")
    assert result.exit_code == Code.USAGE and "line 2" in result.stderr
