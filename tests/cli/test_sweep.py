"""`onebook sweep`: its document, its refusals, and what an interrupt leaves."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

from sim.sweep import run as sweeps

from tests.cli.conftest import document, invoke

DOC = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
SMALL = ("sweep", "sma_cross", "-p", "fast=5:15:5", "-p", "slow=20,40", "--start", "2016-01-04", "--end", "2016-12-30", "--jobs", 1)


def test_every_key_of_the_document_is_documented_and_a_backtest_of_the_best_agrees(tmp_path: Path) -> None:
    told = document(*SMALL, "--heatmap", "fast,slow", "--book", tmp_path / "b.db")
    section = DOC[DOC.index("## Sweeps") : DOC.index("## Is it luck?")]
    words = set(re.findall(r"`(\w+)`", section))
    best = told["best"][0]
    assert set(told) <= words and set(best) - {"fast", "slow", "allow_short"} <= words
    assert told["combinations"] == 6 and all(Path(path).exists() for path in told["files"].values())
    given = [word for name in ("fast", "slow") for word in ("-p", f"{name}={best[name]}")]
    run = document("backtest", "run", "sma_cross", *given, *SMALL[6:10], "--book", tmp_path / "b.db", "--no-picture")
    assert (run["final_equity"], run["fees"], run["orders"]) == (best["final_equity"], best["fees"], best["orders"])


def test_values_that_mean_nothing_are_a_usage_error() -> None:
    wrong = (("--by", "luck"), ("--by", "kernel"), ("--heatmap", "fast"), ("--heatmap", "fast,fast"), ("--heatmap", "fast,slw"), ("--profile", "best"), ("--trials", 5))
    for words in (("-p", "fats=1:3"), ("-p", "fast=1:3:0"), ("--method", "random"), *wrong):
        answer = invoke("sweep", "sma_cross", *words, "--start", "2016-01-04", "--end", "2016-12-30")
        assert answer.exit_code == 2, answer.output
        assert "combinations" not in answer.output, "a wrong word is found before anything is computed"


def test_an_interrupt_ends_with_130_and_says_what_was_kept(monkeypatch) -> None:
    kept = sweeps.keep

    def stop(job, figures):
        kept(job, figures)
        raise KeyboardInterrupt

    monkeypatch.setattr(sweeps, "keep", stop)
    answer = invoke(*SMALL)
    assert answer.exit_code == 130 and "--resume" in answer.output and "combinations are kept" in answer.output
    monkeypatch.undo()
    assert document(*SMALL, "--resume")["combinations"] == 6


def test_an_interrupted_bayesian_search_goes_on_to_the_same_document(monkeypatch, tmp_path: Path) -> None:
    words = (*SMALL, "--method", "bayes", "--trials", 6, "--seed", 5, "--by", "final_equity", "--book", tmp_path / "b.db")
    whole = document(*words, "--out", tmp_path / "whole")
    kept = sweeps.keep

    def stop(job, figures):
        kept(job, figures)
        raise KeyboardInterrupt

    monkeypatch.setattr(sweeps, "keep", stop)
    answer = invoke(*words, "--out", tmp_path / "cut")
    assert answer.exit_code == 130 and "--resume" in answer.output
    monkeypatch.undo()
    resumed = document(*words, "--out", tmp_path / "cut", "--resume")
    assert (resumed["digest"], resumed["best"], resumed["by"]) == (whole["digest"], whole["best"], "final_equity")


def test_what_could_not_be_run_is_told_with_its_reason_and_the_rest_is_ranked(tmp_path: Path) -> None:
    prices = [0.1] * 30 + [0.1 + day / 1000 for day in range(10)] + [100_000.0] * 20
    lines = [f"{date(2020, 1, 1) + timedelta(day)},{price:.4f},{price:.4f},{price:.4f},{price:.4f},1000" for day, price in enumerate(prices)]
    (tmp_path / "jump.csv").write_text("\n".join(["date,open,high,low,close,volume", *lines, ""]))
    words = ("sweep", "sma_cross", "-p", "fast=2", "-p", "slow=5,7,9,12,900", "--data", "jump.csv", "--calendar", "none")
    words = (*words, "--repair", "allow-jumps", "--book", tmp_path / "b.db", "--heatmap", "fast,slow", "--jobs", 1)
    told = document(*words)
    section = DOC[DOC.index("## Sweeps") : DOC.index("## Is it luck?")]
    assert set(told["failures"][0]) - {"fast", "slow", "allow_short"} <= set(re.findall(r"`(\w+)`", section))
    assert (told["combinations"], told["failed"], [row["slow"] for row in told["best"]]) == (5, 4, [900])
    assert [row["slow"] for row in told["failures"]] == [5, 7, 9, 12] and all("OVERFLOW" in row["reason"] for row in told["failures"])
    shown = invoke(*words).output
    assert "4 of 5 combinations could not be run:" in shown and "slow=5: at 2020-" in shown and "and 1 more" in shown
    nothing = invoke(*words[:5], "slow=5,7", *words[6:])
    assert nothing.exit_code == 1 and "none of the 2 combinations could be run" in nothing.output
