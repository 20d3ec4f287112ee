"""Jobs are followed and cancelled through files; forms become exactly the words a person would type."""

from __future__ import annotations

import json
import os
import time

import pytest

from app.jobs import store, supervise, words
from app.jobs.words import WordError


def wait(folder, wanted: str) -> store.Job:
    """Return the job once it is in a state; a supervisor that never gets there fails the test by its own end."""
    for _ in range(1_200):
        found = store.job(folder)
        if found.state == wanted:
            return found
        if not found.live:
            break
        time.sleep(0.05)
    raise AssertionError(f"{found.state} and not {wanted}: {store.said(folder)}")


def test_a_job_runs_beside_the_app_and_leaves_its_document_and_exit_code(tmp_path):
    started = store.start(tmp_path / "jobs", "backtest", ["config", "--json"])
    assert started.live and started.text == "onebook config --json"
    found = wait(started.folder, "done")
    assert found.exit_code == 0 and store.document(found.folder)["book"]["value"]
    assert [job.folder for job in store.jobs(tmp_path / "jobs")] == [found.folder]


def test_a_failed_command_is_failed_with_its_own_sentence(tmp_path):
    found = wait(store.start(tmp_path, "backtest", ["backtest", "show", "7", f"--book={tmp_path}/none.db"]).folder, "failed")
    assert "there is no journal" in found.line and found.exit_code == 4


def test_cancel_interrupts_the_command_as_a_person_would(tmp_path):
    started = store.start(tmp_path, "fuzz", ["gateway", "run", "--port=0", "--memory"])
    while "127.0.0.1" not in (started.folder / "stdout").read_text() if (started.folder / "stdout").exists() else True:
        assert store.job(started.folder).live, store.said(started.folder)
        time.sleep(0.05)
    store.cancel(started.folder)
    assert wait(started.folder, "cancelled").exit_code == 130


def test_no_more_jobs_start_than_may_run(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "most_at_once", lambda: 1)
    first = store.start(tmp_path, "sweep", ["gateway", "run", "--port=0", "--memory"])
    with pytest.raises(RuntimeError, match="wait for one"):
        store.start(tmp_path, "backtest", ["config"])
    store.cancel(first.folder)
    wait(first.folder, "cancelled")
    wait(store.start(tmp_path, "backtest", ["config", "--json"]).folder, "done")


def test_a_job_without_supervisor_and_result_is_lost_and_one_just_begun_waits(tmp_path):
    folder = tmp_path / "1-backtest"
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps({"kind": "backtest", "words": ["x"], "started_ns": 1_000}))
    assert store.job(folder, now_ns=2_000).state == "waiting"
    assert store.job(folder, now_ns=10**12).state == "lost"
    (folder / "lock").touch()
    assert store.job(folder, now_ns=10**12).state == "lost"


def test_a_second_supervisor_of_a_job_does_nothing(tmp_path):
    from ledger.journal.store.locks import FileLock

    lock = FileLock(tmp_path / "lock")
    assert lock.acquire(wait=False) and supervise.main(tmp_path) == 5
    lock.release()


def test_folders_that_are_no_jobs_are_passed_over_and_old_ones_deleted(tmp_path, monkeypatch):
    (tmp_path / "2-broken").mkdir()
    (tmp_path / "2-broken" / "job.json").write_text("{")
    (tmp_path / "3-empty").mkdir()
    assert store.jobs(tmp_path) == []
    monkeypatch.setattr(store, "KEPT", 1)
    for number in (10, 11, 12):
        folder = tmp_path / f"{number}-sweep"
        folder.mkdir()
        (folder / "job.json").write_text(json.dumps({"kind": "sweep", "words": [], "started_ns": number}))
        (folder / "result.json").write_text(json.dumps({"exit_code": 0, "ended_ns": number + 5}))
    store._clean(tmp_path)
    assert [job.folder.name for job in store.jobs(tmp_path)] == ["12-sweep"]


@pytest.mark.parametrize(("line", "share"), [("120 of 480 combinations, 3 s to go", 0.25), ("1,200 of 1,200", 1.0), ("loading", None), ("3 of 0", None)])
def test_the_share_is_what_the_command_says(line, share):
    assert store._share(line) == share


def test_a_form_is_the_command_a_person_would_type():
    made = words.backtest("sma_cross", {"fast": "10", "slow": " 30 "}, {"data": "sp500", "end": ""}, "runs/x.db")
    assert made == ["backtest", "run", "sma_cross", "--param=fast=10", "--param=slow=30", "--data=sp500", "--book=runs/x.db", "--no-picture", "--json"]


@pytest.mark.parametrize("value", ["--book=/etc/passwd", "$(id)", "a;b", "x\ny", "`id`", "<b>", "..\\x", "\0", "1" * 200])
def test_no_value_of_a_form_can_be_more_than_a_value(value):
    with pytest.raises(WordError):
        words.backtest("sma_cross", {"fast": value}, {}, "x.db")
    with pytest.raises(WordError):
        words.backtest("sma_cross", {}, {"size": value}, "x.db")
    with pytest.raises(WordError):
        words.backtest(value, {}, {}, "x.db")
    with pytest.raises(WordError):
        words.paper("sma_cross", {}, [value], "5s", 5, "x.db", 1)


def test_every_form_is_a_command_that_click_accepts():
    import click

    from cli.root import root

    made = [
        words.backtest("sma_cross", {"fast": "10"}, {"data": "sp500", "cash": "5", "slippage": "none", "profile": "close"}, "b.db"),
        words.sweep("sma_cross", {"fast": "5:10:5"}, {"data": "sp500", "symbol": "SPX"}, "b.db", "out", ("fast", "slow")),
        words.walkforward("sma_cross", {"fast": "5,10"}, {"data": "sp500"}, "b.db", 100, 50),
        words.overfit(3, {"fast": "5,10"}, "b.db"),
        words.paper("sma_cross", {"fast": "3"}, ["AAPL"], "5s", 10, "b.db", 7),
        words.fuzz_run("zoo.no_lock", 10, "b.db"),
        words.fuzz_zoo(2, "b.db"),
        words.fuzz_campaign(0.5, "b.db"),
        words.audit(2, "b.db"),
    ]
    for line in made:
        command, rest = root, list(line)
        while isinstance(command, click.Group):
            command, rest = command.commands[rest[0]], rest[1:]
        with command.make_context(command.name, rest, resilient_parsing=False):
            pass


def test_the_command_inherits_no_ignored_interrupt(tmp_path):
    folder = tmp_path / "1-fuzz"
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps({"kind": "fuzz", "words": ["--version"], "started_ns": time.time_ns()}))
    import signal

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert supervise.main(folder) == 0 and signal.getsignal(signal.SIGINT) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)
    assert "onebook" in (folder / "stdout").read_text() and os.access(folder / "result.json", os.R_OK)
