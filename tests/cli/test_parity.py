"""`onebook parity vectorbt`: what it prints and which exit code it leaves with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import document, invoke

pytestmark = pytest.mark.compiled
DOC = (Path(__file__).resolve().parent.parent.parent / "docs" / "cli.md").read_text(encoding="utf-8")
WORDS = ("parity", "vectorbt", "--runs", "6", "--engine", "rust")


def test_agreement_is_said_with_counts_and_versions_and_every_key_is_documented():
    found = document(*WORDS, "--seed", "3")
    assert found["agrees"] and found["differences"] == [] and found["engines"] == ["rust"] and found["seed"] == 3
    assert found["orders"] == sum(row["orders"] for row in found["families"]) > 0
    assert found["versions"]["vectorbt"] and found["versions"]["rust"] and found["cash_drift"]["rust"] < 1e-6
    assert {key for key in found if f"`{key}`" not in DOC} == set()


def test_ones_own_prices_can_be_drawn_from():
    found = document(*WORDS, "--data", "sp500", "--start", "2010-01-04", "--end", "2012-12-31")
    assert found["agrees"] and found["data"] == "sp500" and found["orders"] > 0


def test_the_tables_show_engines_and_reasons():
    shown = invoke(*WORDS)
    assert shown.exit_code == 0 and "FILLED" in shown.stdout and "never drawn" in shown.stdout


def test_a_difference_is_a_finding_and_is_named(monkeypatch):
    from sim.parity import rules

    monkeypatch.setattr(rules, "floored", lambda size, step: max(1.0, size // 2))
    found = invoke(*WORDS, "--json")
    assert found.exit_code == 3
    first = json.loads(found.stdout)["differences"][0]
    assert first.keys() >= {"case", "engine", "bar", "column", "field", "ours", "theirs", "likely"} and first["ours"] != first["theirs"]
    assert "First difference" in invoke(*WORDS).stdout


def test_a_missing_engine_is_the_environments_fault(monkeypatch):
    from sim.parity import vbt

    monkeypatch.setattr(vbt, "versions", lambda: {"vectorbt": "1.2.0", "numba": "0.68", "rust": None})
    result = invoke(*WORDS)
    assert result.exit_code == 4 and "vectorbt-rust==1.2.0" in result.stderr


def test_symbols_without_a_common_bar_are_refused(monkeypatch):
    import sim.data
    from tests.sim.backtest.tapes import history

    late = history([1, 2, 3], "LATE")
    pair = [history([1, 2, 3]), late._replace(end_ns=late.end_ns + 1)]
    monkeypatch.setattr(sim.data, "load", lambda *_, **__: pair)
    result = invoke(*WORDS, "--data", "any.csv")
    assert result.exit_code == 2 and "no bar in common" in result.stderr
