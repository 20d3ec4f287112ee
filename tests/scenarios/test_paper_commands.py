"""`onebook paper` as a person types it: what is refused before anything starts, and one real run that is asked and stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.live.test_config_page import PARTS

from cli.paper.compose import configured, gateway_file
from cli.paper.shown import told
from cli.root import root
from live import config as configuration
from live.config import Address, ConfigError, PaperConfig, address, from_environment
from live.control import Folder, Wish

ROOT = Path(__file__).resolve().parents[2]


def paper(*words: object, **environment: str) -> Result:
    clean = {name: None for name in os.environ if name.startswith("ONEBOOK_")}
    return CliRunner().invoke(root, ["paper", *map(str, words)], env=clean | environment)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


REFUSED = [
    (("--port", 7496), "REAL MONEY"), (("--host", "localhost", "--port", 4001), "REAL MONEY"), (("--port", 80), "not known to be a paper port"),
    (("--account", "U1234567"), "U1234567 is not a paper account"), (("--client-id", 0), "client_id 0"), (("--bar", "7s"), "bar '7s' is not known"),
    (("--bar", "12h"), "IBKR has no bars of 43200 s"), (("--symbols", ",,"), "name at least one"), (("--symbols", ""), "name at least one"), (("--symbols", "A,A"), "each once"),
    (("--strategy", "nope"), "unknown strategy 'nope'"), (("-p", "nope=3"), "unknown parameter"), (("--size", "banana"), "size 'banana'"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "said"), REFUSED, ids=[" ".join(map(str, row[0])) for row in REFUSED])
def test_what_is_wrong_is_refused_before_a_gateway_is_started(words: tuple[object, ...], said: str, tmp_path: Path) -> None:
    result = paper("run", "--for", 3, *words)
    assert (result.exit_code, said in result.output) == (2, True), result.output
    assert "gateway on" not in result.output and not list(tmp_path.glob("runs/*.db*"))


FILES = [
    ('hots = "x"', "did you mean host?"), ("[limits]\nmax_opne = 3", "did you mean max_open?"), ("live_money = true", "unknown field `live_money`"),
    ('[limits]\nmax_notional = "many"', "limits.max_notional: money 'many' is not a number"), ("[timeouts]\nconnect = -1.0", "timeouts.connect -1"),
    ("messages_per_s = 50", "messages_per_s 50: 1 to 49"), ('[windows]\nzone = "Mars/Base"', "windows.zone 'Mars/Base' is no time zone"),
    ('[windows]\nlogin = "moon 01:00-02:00"', "is no window"), ("[alarms]\ndrawdown_percent = -5.0", "alarms.drawdown_percent -5"),
    ("port = 7497\nport = 4002", "paper.toml"), ("port = 4001", "REAL MONEY"), ('calendar = "XXXX"', "calendar 'XXXX' is not known"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), FILES, ids=[row[0].replace("\n", " ") for row in FILES])
def test_a_wrong_file_is_refused_with_the_key(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "paper.toml").write_text(text + "\n")
    result = paper("run", "--for", 3, "--paper-config", "paper.toml")
    assert (result.exit_code, said in result.output) == (2, True), result.output
    assert "bug" not in result.output and "account DU" not in result.output


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_range_names_a_key(part: Any) -> None:
    assert {row[0] for row in configuration.RANGES.get(part, ())} <= set(part.__struct_fields__)
    assert part in configuration.PARTS


def test_file_then_environment_then_flags_say_where_the_gateway_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "paper.toml").write_text('host = "gate"\nport = 7497\naccount = "DU1111111"\n')
    assert address(PaperConfig()) is None
    for name, value in (("HOST", "other"), ("ACCOUNT", "DU2222222"), ("SYMBOLS", "A, B"), ("ACCEPT_CHANGES", "true")):
        monkeypatch.setenv(f"ONEBOOK_PAPER_{name}", value)
    found = configured("paper.toml", None, {"port": 4004, "paper_account": "DU3333333"})
    assert address(found) == Address("other", 4004) and found.account == "DU3333333"
    assert found.symbols == ("A", "B") and found.accept_changes is True and found.book == "runs/paper.db"


@pytest.mark.parametrize(("port", "host", "where"), [(7497, None, ("127.0.0.1", 7497)), (None, "gate", ("gate", 4002)), (None, None, None)])
def test_a_port_or_a_host_alone_is_a_gateway_and_not_the_embedded_one(port: int | None, host: str | None, where: Any) -> None:
    assert address(configured(None, None, {"port": port, "host": host})) == where


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("ONEBOOK_PAPER_PROT", "7497", "did you mean ONEBOOK_PAPER_PORT?"), ("ONEBOOK_PAPER_PORT", "many", "ONEBOOK_PAPER_PORT='many'"),
     ("ONEBOOK_PAPER_LIMITS", "{}", "tables belong in --paper-config")],
)  # fmt: skip
def test_a_variable_that_is_no_setting_is_named(name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("?", r"\?")):
        from_environment(PaperConfig(), {name: value})


@pytest.mark.parametrize("word", ["stop", "flat", "reconcile", "resume", "status"])
def test_without_a_runner_that_is_said_in_a_sentence_and_as_a_document(word: str) -> None:
    result = paper(word, "--json", *(("--why", "x") if word == "resume" else ()))
    assert result.exit_code == 2 and "Usage:" not in result.output
    assert json.loads(result.stdout)["error"]["message"].endswith(("`onebook paper run` starts one", "`onebook paper run` does"))


def test_halt_without_a_runner_is_kept_for_the_next_one(tmp_path: Path) -> None:
    result = paper("halt", "--why", "look first")
    assert result.exit_code == 0 and "the next one refuses entries" in result.output
    (wish,) = Folder(tmp_path / "runs" / "paper.db").left()
    assert isinstance(wish, Wish) and (wish.do, wish.why) == ("halt", "look first")


def test_a_run_that_never_found_a_gateway_ends_as_such(tmp_path: Path) -> None:
    result = paper("run", "--host", "127.0.0.1", "--port", 7499, "--for", 0.3)
    assert result.exit_code == 4 and "error: stopped before a book was open" in result.output and not list(tmp_path.rglob("*.db"))


def test_doctor_without_a_gateway_tries_the_embedded_one_and_leaves_nothing(tmp_path: Path) -> None:
    result = paper("doctor", "--json")
    checks = {row["check"]: row["ok"] for row in json.loads(result.stdout)["checks"]}
    assert result.exit_code == 0 and {"embedded", "gateway", "account", "symbols"} <= set(checks) and all(checks.values())
    assert not list(tmp_path.rglob("*.gateway"))
    assert json.loads(paper("doctor", "--symbols", "NOSUCH", "--json").stdout)["checks"][-1]["found"].startswith("NOSUCH: the gateway does not")
    refused = paper("doctor", "--port", 4001)
    assert refused.exit_code == 3 and "WRONG configuration: port 4001 is where gateways trade REAL MONEY" in refused.output


STATE: dict[str, Any] = {
    "running": True, "age_s": 1, "pid": 7, "host": "h", "port": 4002, "link": "READY", "reason": "well", "planned": None, "account": "DU1",
    "session": 1, "simulated": True, "live_orders": 0, "strategies": {"1": "x"}, "bars": 2, "late_pieces": 0, "data_stale": False,
    "hours": {"calendar": "none", "open": True, "next_open": None, "next_close": None}, "limits": {"max_open": 20, "daily_loss": None},
    "reconciled": None, "gates": [], "closed": [], "equity": "1.00", "cash": "1.00", "positions": {}, "leaving": {}, "delayed_data": [],
    "without_guard": [], "without_exit_rule": [], "no_data": {}, "stale_code": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "entries open"), ({"gates": ["HALTED"]}, "entries REFUSED: HALTED by the kill switch"), ({"running": False}, "runner NONE RUNS"),
        ({"gates": ["STALE_CODE"]}, "STALE CODE"), ({"running": False}, "was KILLED"), ({"running": False, "link": "STOPPED"}, "stopped in order"),
        ({"running": False, "gates": ["HALTED"]}, "nobody trades; HALTED"), ({"equity": None, "cash": None}, "equity, cash None"),
        ({"closed": ["AAPL"]}, "closed AAPL; see"), ({"no_data": {"AAPL": "354: no"}}, "no data AAPL 354: no"), ({}, "limits max_open 20"),
        ({"data_stale": True}, "data STALE"), ({"planned": "restart until 23:55"}, "planned restart"), ({}, "compared None"),
    ],
)  # fmt: skip
def test_a_state_is_told_in_words(changes: dict[str, Any], words: str) -> None:
    assert words in "\n".join(f"{name} {value}" for name, value in told(STATE | changes))


def test_a_real_run_is_asked_answered_and_interrupted(tmp_path: Path) -> None:
    """One process over TCP in real time: it says SIMULATED, refuses a second runner untouched, halts, and leaves a clean book on Ctrl-C."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ONEBOOK_")} | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "onebook.py"), "paper", "run", "--bar", "5s"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment) as run:
        assert run.stdout is not None
        lines: list[str] = []
        for line in run.stdout:
            lines.append(line)
            if "TRADING sma_cross on AAPL, MSFT" in line:
                break
        assert all(" SIMULATED " in line for line in lines) and any("first deposit" in line for line in lines)
        file = gateway_file("runs/paper.db")
        before = file.read_bytes()
        second = paper("run", "--for", 3)
        assert second.exit_code == 5 and f"pid {run.pid}" in second.output and "gateway on" not in second.output
        assert file.read_bytes() == before, "nobody else opened the gateway's file"
        assert paper("halt", "--why", "the test").exit_code == 0
        assert paper("allow", "--symbol", "aapl", "--why", "x").output == "allow NOT DONE: AAPL is not closed\n"
        status = paper("status")
        assert status.output.startswith("SIMULATED ") and "HALTED by the kill switch" in status.output
        assert paper("reconcile").exit_code == 0 and "asked by nobody else" in paper("doctor").output
        run.send_signal(signal.SIGINT)
        rest = run.stdout.read()
        assert run.wait() == 130 and "stopped; 0 orders and 0 positions stay as they are" in rest, rest
    status = paper("status", "--json")
    assert json.loads(status.stdout)["link"] == "STOPPED" and json.loads(status.stdout)["gates"] == ["HALTED", "DISCONNECTED"]
    assert paper("replay").output.splitlines()[-1].startswith("EQUAL")
