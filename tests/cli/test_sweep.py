"""`onebook sweep`: its document, its refusals, and what an interrupt leaves."""

from __future__ import annotations

import re
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
