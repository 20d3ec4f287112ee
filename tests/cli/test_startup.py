"""The command line starts at once, explains itself, and says everything in the agreed way."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cli.exits import CODES, Code, code_of
from cli.root import SHELLS, root
from tests.cli.conftest import invoke

ROOT = Path(__file__).resolve().parent.parent.parent
DOC = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
HEAVY = ("numba", "numpy", "pandas", "streamlit", "matplotlib", "vectorbt", "sklearn", "rich", "ledger", "sim", "sqlite3")


def leaves(group: click.Group = root, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    """Return every command with its words."""
    found = []
    for name, command in group.commands.items():
        found += leaves(command, (*path, name)) if isinstance(command, click.Group) else [((*path, name), command)]
    return found


def run_python(code: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60)


@pytest.mark.parametrize("words", ["--help", "book --help", "backtest run --help", "completion bash"])
def test_help_imports_nothing_heavy(words):
    code = f"""
import sys
from cli.root import root
root.main({words.split()!r}, prog_name="onebook", standalone_mode=False)
print("HEAVY", sorted(set(sys.modules) & set({HEAVY!r})))
"""
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "HEAVY []"


def test_the_program_runs_as_a_file_and_answers_help():
    result = subprocess.run([sys.executable, str(ROOT / "onebook.py"), "--help"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and "backtest" in result.stdout and result.stderr == ""


def test_a_wrong_command_is_a_usage_error_in_a_real_process():
    result = subprocess.run([sys.executable, str(ROOT / "onebook.py"), "bok"], capture_output=True, text=True, timeout=60)
    assert result.returncode == Code.USAGE and "No such command" in result.stderr and result.stdout == ""


@pytest.mark.parametrize(("words", "command"), leaves(), ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_every_command_says_what_it_does_and_has_json(words, command):
    assert command.help and command.help.strip()
    options = {option for parameter in command.params for option in parameter.opts}
    assert words == ("completion",) or {"--json", "--quiet", "--config", "-o"} <= options


@pytest.mark.parametrize("words", [" ".join(words) for words, _ in leaves()])
def test_every_command_is_in_the_documents(words):
    assert f"`onebook {words}" in DOC


def test_every_option_of_every_command_is_in_the_documents():
    missing = {opt for _, command in leaves() for p in command.params for opt in p.opts if opt.startswith("--") and opt not in DOC}
    assert missing == set()


@pytest.mark.parametrize("code", list(Code))
def test_every_exit_code_is_in_the_documents(code):
    assert re.search(rf"^\| {int(code)} \| {code.name.lower()} \|", DOC, re.MULTILINE)


PLACES = {
    "BindError": "sim.gateway.transport.tcp", "PlanError": "sim.gateway.faults.plan", "StoreError": "sim.gateway.core.store",
    "GatewayError": "live.ib", "JournalFileError": "sim.gateway.wire.journal",
    "ConfigError": "cli.settings", "StrategyError": "strategies.api", "DataError": "sim.data.errors", "UnitError": "ledger.units",
    "BacktestError": "sim.run", "HonestyError": "sim.honesty.windows", "ExportError": "sim.output.export", "Refused": "sim.data.store.download",
    "ParityError": "sim.parity.oracle", "VectorbtError": "sim.parity.vbt", "RescueError": "ledger.rescue.errors",
    "SourceLocked": "ledger.rescue.errors",
    "Unsteady": "sim.fuzz.explore", "ScenarioError": "sim.fuzz.processes", "CompareError": "ledger.compare", "TokenError": "sim.fuzz.tokens", "Diverged": "sim.fuzz.replay",
    "ReleaseError": "sim.fuzz.builds",
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in CODES if not name.startswith("builtins.")])
def test_every_exception_that_has_a_code_exists(name):
    from importlib import import_module

    kind = name.partition(".")[2]
    error = getattr(import_module(PLACES.get(kind, "ledger.journal")), kind)
    assert code_of(error.__new__(error)) == CODES[name]


def test_the_most_special_class_decides():
    from ledger.journal import JournalError, JournalLocked

    assert code_of(JournalLocked("x")) == Code.LOCKED and code_of(JournalError("x")) == Code.ENVIRONMENT
    assert code_of(FileNotFoundError()) == Code.ENVIRONMENT and code_of(ZeroDivisionError()) is None


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_scripts_are_printed_for(shell):
    result = invoke("completion", shell)
    assert result.exit_code == 0 and "_ONEBOOK_COMPLETE" in result.stdout


def test_strategy_names_are_completed():
    from cli.common import StrategyName

    assert [item.value for item in StrategyName().shell_complete(None, None, "sma")] == ["sma_cross"]


def test_an_interrupt_ends_with_one_line_and_130(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("strategies.names", interrupted)
    result = invoke("strategies")
    assert result.exit_code == Code.INTERRUPTED
    assert result.stderr == "interrupted; nothing was left half-written\n" and result.stdout == ""


def test_a_bug_is_called_a_bug_and_is_still_one_document(monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("strategies.names", broken)
    result = invoke("strategies", "--json")
    assert result.exit_code == Code.FAILED and "this is a bug" in result.stderr
    assert json.loads(result.stdout)["error"]["exit_code"] == 1


def test_strategies_are_listed_with_their_parameters():
    result = invoke("strategies", "--json")
    names = {entry["name"]: entry for entry in json.loads(result.stdout)["strategies"]}
    assert names["sma_cross"]["parameters"]["fast"] == {"default": 10, "range": [1, 100_000]}
    assert "sma_cross" in invoke("strategies").stdout


def run_words(*words: str, stdout: object = subprocess.PIPE, **environment: str) -> subprocess.CompletedProcess:
    """Run `onebook` in a process of its own, with its streams as an environment makes them."""
    told = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run([sys.executable, str(ROOT / "onebook.py"), *words], stdout=stdout, stderr=subprocess.PIPE, env=told, timeout=60)


def test_a_terminal_that_knows_few_signs_gets_the_answer_and_json_stays_whole():
    shown = run_words("config", "-o", "book=名前.db", PYTHONIOENCODING="ascii")
    assert shown.returncode == 0 and b"??.db" in shown.stdout and not shown.stderr
    told = run_words("config", "--json", "-o", "book=名前.db", PYTHONIOENCODING="ascii")
    assert json.loads(told.stdout.decode("ascii"))["book"]["value"] == "名前.db"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize("words", [("config",), ("config", "--json")])
def test_an_answer_that_finds_no_room_is_a_sentence_and_exit_4(words):
    with open("/dev/full", "w") as full:
        left = run_words(*words, stdout=full)
    assert (left.returncode, left.stderr) == (4, b"error: no space left on device; make room there and run it again\n")
