"""What README.md shows is what the commands print."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import invoke

README = (Path(__file__).resolve().parent.parent.parent / "README.md").read_text(encoding="utf-8")


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


@pytest.fixture
def demo(elsewhere):
    """Run the demo of the README in a folder of its own and return what it printed."""
    result = invoke("backtest", "run", "sma_cross", COLUMNS="100")
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_readme_shows_what_the_demo_prints(demo):
    shown = lines(README)
    start = shown.index(lines(demo)[0])
    assert shown[start : start + len(lines(demo))] == lines(demo)


def test_the_readme_shows_what_explain_prints(demo):
    result = invoke("book", "explain", "2005-01-01", "2008-12-31", COLUMNS="100")
    shown = lines(README)
    start = shown.index(lines(result.stdout)[0])
    assert shown[start : start + len(lines(result.stdout))] == lines(result.stdout)


def test_the_readme_shows_the_schedule_that_the_fuzzer_finds(elsewhere):
    printed = lines(invoke("fuzz", "run", "zoo.no_lock", COLUMNS="100").stdout)
    first = next(at for at, line in enumerate(printed) if line.startswith("step"))
    last = next(at for at, line in enumerate(printed) if "VIOLATION" in line)
    shown = lines(README)
    start = shown.index(printed[first])
    assert shown[start : start + last + 1 - first] == printed[first : last + 1]
