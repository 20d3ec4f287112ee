"""`onebook fuzz`: a failure has a token, a picture and a place in the book, and every command agrees about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import document, invoke

DOC = (Path(__file__).resolve().parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")
BOT = '''
import asyncio
from sim.fuzz.ports import Desk

def scenario(world):
    """A bot that looks, waits and buys."""
    desk = Desk(world)
    async def main():
        held = set()
        async def handle(symbol):
            if symbol not in held:
                await desk.quote(symbol)
                await desk.broker.place(symbol, 100)
                held.add(symbol)
        await desk.burst(handle, ["AAPL"] * world.dial("signals", 6, 1))
    world.process("bot", main)
    desk.demand_at_most(100, ["AAPL"])
'''


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """One failed run, stored."""
    folder = tmp_path_factory.mktemp("fuzz")
    result = invoke("fuzz", "run", "zoo.send_then_record", "--book", folder / "b.db", "--html", "--out", folder, "--json")
    assert result.exit_code == 3, result.output
    return folder, json.loads(result.stdout)


def test_a_failure_is_a_finding_with_a_token_and_every_key_is_documented(failed):
    folder, found = failed
    assert found["verdict"] == "failed" and found["schedules"] <= 200
    first = found["failures"][0]
    assert first["invariant"] == "bought once" and len(first["token"]) <= 80 and "VIOLATION" in first["text"]
    keys = {*found, *first, *found["scenarios"][0], *found["coverage"][0], *first["after"]}
    assert {key for key in keys if f"`{key}`" not in DOC} == set()
    html = Path(found["files"]["lanes"]).read_text()
    assert first["token"] in html and "http" not in html and "<script" not in html


def test_the_report_is_in_the_book_and_a_view_gives_it_back(failed):
    from ledger import views
    from ledger.journal import Journal

    folder, found = failed
    with Journal.read(folder / "b.db") as journal:
        info = journal.sessions()[-1]
        report = views.fuzz_report(journal, info.id)
        assert journal.verify(info.id).ok
    assert (info.kind, info.scope, info.id) == ("fuzz", "zoo.send_then_record", found["session"])
    assert report == {key: value for key, value in found.items() if key not in ("session",)}


def test_the_token_replays_and_is_explained(failed):
    token = failed[1]["failures"][0]["token"]
    result = invoke("fuzz", "replay", token, "--json")
    again = json.loads(result.stdout)
    assert result.exit_code == 3 and again["fails"] and again["invariant"] == "bought once" and again["other_code"] is None
    drawn = document("fuzz", "explain", token)
    assert drawn["lanes"]["violation"].startswith("bought once") and drawn["about"].startswith("The order is sent before")
    assert "!! crash.A" in invoke("fuzz", "explain", token).stdout


def test_a_token_that_does_not_fit_fails_loudly(failed):
    from sim.fuzz import tokens
    from sim.fuzz.explore import Failure

    wrong = tokens.make("zoo.no_lock", tokens.resolve("zoo.no_lock"), Failure("", "", ("A", "B7"), {"signals": 2}))
    result = invoke("fuzz", "replay", wrong)
    assert result.exit_code == 1 and "move 2 of 2 is 'B7'" in result.stderr
    assert invoke("fuzz", "replay", wrong[:-1] + "x").exit_code == 2
    assert invoke("fuzz", "run", "zoo.nothing").exit_code == 2


def test_a_strangers_module_in_the_current_folder_is_searched(elsewhere):
    (elsewhere / "my_bot.py").write_text(BOT)
    result = invoke("fuzz", "run", "my_bot:scenario", "--no-store", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 3 and found["failures"][0]["token"].startswith("fz2:my_bot/scenario:")
    assert found["failures"][0]["after"]["signals"] == 2 and found["session"] is None
    assert invoke("fuzz", "replay", found["failures"][0]["token"]).exit_code == 3


def test_a_bot_that_spins_is_a_finding_with_its_line_and_a_token_that_spins_again(elsewhere, monkeypatch):
    from sim.fuzz.fence import spins

    for name, value in (("TICK", 0.01), ("OWN", 0.15), ("AGAIN", 0.05), ("TELL", 0.03)):
        monkeypatch.setattr(spins, name, value)
    (elsewhere / "my_spinning_bot.py").write_text(BOT.replace("held.add(symbol)", "while True: pass"))
    result = invoke("fuzz", "run", "my_spinning_bot:scenario", "--no-store", "--json")
    assert "one schedule has not moved for" in result.stderr and "runs on in handle" in result.stderr
    assert result.exit_code == 3, result.output
    (found,) = json.loads(result.stdout)["failures"]
    assert found["invariant"] == "lets others run" and "runs on in handle (my_spinning_bot.py, line 14)" in found["message"]
    assert found["reruns"] <= 10 and invoke("fuzz", "replay", found["token"]).exit_code == 3


def test_faults_and_dials_can_be_named():
    found = document("fuzz", "run", "zoo.send_then_record", "--fault", "none", "--schedules", 50, "--no-store")
    assert found["verdict"] == "cut" and found["failures"] == [] and found["schedules"] == 50
    assert document("fuzz", "run", "zoo.no_lock", "--dial", "signals=1", "--schedules", 20, "--no-store")["verdict"] == "cut"
    wrong = invoke("fuzz", "run", "zoo.no_lock", "--fault", "thunder")
    assert wrong.exit_code == 2 and "the kinds are slow," in wrong.stderr
    assert invoke("fuzz", "run", "zoo.no_lock", "--dial", "signals=x").exit_code == 2


def test_the_zoo_is_a_table_in_the_book(tmp_path):
    found = document("fuzz", "zoo", "--seeds", 2, "--guard", "no_lock", "--schedules", 40, "--book", tmp_path / "z.db")
    assert [line["guard"] for line in found["zoo"]] == ["no_lock", "real"] and found["zoo"][0]["found"] == 2
    assert {key for key in found["zoo"][0] if f"`{key}`" not in DOC} == set()
    assert found["moves"] == sum(line["moves"] for line in found["scenarios"]) > found["schedules"] > 0
    shown = invoke("fuzz", "zoo", "--seeds", 1, "--guard", "no_lock", "--schedules", 20, "--no-store")
    assert shown.exit_code == 0 and "no_lock" in shown.stdout and "Eight tasks look" in shown.stdout
    assert invoke("fuzz", "zoo", "--guard", "tiger").exit_code == 2


def test_a_campaign_on_two_cores_gives_what_one_core_gives():
    from time import perf_counter

    from sim.fuzz.campaign import campaign

    reports = [campaign(["zoo.real"], clock=perf_counter, schedules=300, cores=cores) for cores in (1, 2)]
    assert [report.lines for report in reports] == [reports[0].lines] * 2 and reports[0].schedules == 300
    assert reports[0].coverage.rows() == reports[1].coverage.rows()


def test_a_campaign_ends_in_time_and_says_what_never_happened():
    found = document("fuzz", "campaign", "--minutes", "0.01", "--cores", "1", "--no-store")
    assert found["verdict"] == "cut" and {line["scenario"] for line in found["scenarios"]} == {"zoo.real", "zoo.real_cash"}
    assert found["per_second"] > 0 and len({row["fault"] for row in found["coverage"]}) >= 16


def test_an_exhaustive_search_may_end_complete_and_says_within_which_bound():
    words = ("fuzz", "run", "zoo.two_processes", "--exhaustive", "--fault", "none", "--dial", "signals=3", "--no-store")
    found = document(*words, "--schedules", 50_000)
    assert found["verdict"] == "complete" and found["bound"].startswith("every interleaving at rest (signals 3; no faults;")
    assert document(*words, "--schedules", 20)["verdict"] == "cut"
    assert invoke("fuzz", "run", "zoo.no_lock", "--exhaustive", "--dial", "signals=3", "--no-store").exit_code == 3


def test_the_short_forms_mean_run_and_replay(failed, tmp_path, monkeypatch):
    (tmp_path / "my_short_bot.py").write_text(BOT)
    monkeypatch.syspath_prepend(tmp_path)
    short = invoke("fuzz", "my_short_bot:scenario", "--book", tmp_path / "b.db", "--json")
    assert short.exit_code == 3 and json.loads(short.stdout)["verdict"] == "failed"
    assert invoke("fuzz", failed[1]["failures"][0]["token"], "--json").exit_code == 3
    assert invoke("fuzz", "nothing").exit_code == 2


def test_an_old_build_is_named_runs_beside_and_is_needed_again_by_its_token(tmp_path):
    import shutil

    from ledger.kernel import ROOT

    shutil.copytree(ROOT / "ledger", tmp_path / "old" / "ledger", ignore=shutil.ignore_patterns("__pycache__"))
    manager = tmp_path / "old" / "ledger" / "oms.py"
    records = "if self._record(EventKind.SENDING, key, time_ns, way) != _APPLIED:"
    assert manager.read_text().count(records) == 1
    manager.write_text(manager.read_text().replace(records, "if not key:"))
    words = ("fuzz", "run", "builds.rows", "--old", tmp_path / "old", "--schedules", 1000, "--seed", 4, "--book", tmp_path / "b.db")
    result = invoke(*words, "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 3 and found["failures"][0]["invariant"] == "bought once", result.output
    token = found["failures"][0]["token"]
    assert invoke("fuzz", "replay", token).exit_code == 2 and "--old" in invoke("fuzz", "replay", token).stderr
    again = invoke("fuzz", "replay", token, "--old", tmp_path / "old", "--json")
    assert again.exit_code == 3 and json.loads(again.stdout)["other_code"] is None
    assert document("fuzz", "explain", token, "--old", tmp_path / "old")["lanes"]["violation"].startswith("bought once")
    assert "old: " in invoke("fuzz", "explain", token, "--old", tmp_path / "old").stdout
    assert invoke("fuzz", "run", "zoo.no_lock", "--old", tmp_path / "old").exit_code == 2
    assert invoke("fuzz", "run", "builds.rows", "--old", "no-such-release").exit_code == 2


def test_mutants_of_the_real_code_are_a_table_of_the_zoo_where_the_tests_are(tmp_path, monkeypatch):
    words = ("fuzz", "zoo", "--mutants", "--seeds", 1, "--guard", "no dedup", "--guard", "never opened", "--cores", 1)
    found = document(*words, "--book", tmp_path / "m.db")
    assert [(line["intact"], line["found"]) for line in found["zoo"]] == [(True, 0), (False, 1), (True, 0), (False, 1)]
    assert found["verdict"] == "cut" and found["survivors"] == [] and {key for key in found if f"`{key}`" not in DOC} == set()
    assert invoke(*words, "--schedules", 1, "--no-store").exit_code in (0, 3)
    wrong = invoke("fuzz", "zoo", "--mutants", "--guard", "tiger")
    assert wrong.exit_code == 2 and "no dedup" in wrong.stderr
    monkeypatch.setattr("ledger.kernel.ROOT", tmp_path)
    missing = invoke("fuzz", "zoo", "--mutants")
    assert missing.exit_code == 2 and "this installation has no tests; run it in a checkout" in missing.stderr


def test_tokens_are_replayed_in_fresh_processes_and_a_broken_promise_is_a_finding(monkeypatch):
    words = ("fuzz", "replays", "--seeds", 1, "--guard", "cycle_set", "--guard", "last_report_wins", "--count", 6)
    found = document(*words)
    assert (found["replays"], found["reproduced"], found["tokens"], found["otherwise"]) == (6, 6, 4, [])
    assert {key for key in found if f"`{key}`" not in DOC} == set()
    from sim.fuzz.campaign import fresh

    real = fresh._promise
    monkeypatch.setattr(fresh, "_promise", lambda *words: real(*words)._replace(message="another"))
    broken = invoke("fuzz", "replays", "--seeds", 1, "--guard", "no_lock", "--count", 2)
    assert broken.exit_code == 3 and "0 of 2 replays" in broken.stdout and "under hash seed" in broken.stdout
    assert invoke("fuzz", "replays", "--guard", "tiger").exit_code == 2


def test_what_happened_is_told_so_that_a_bot_that_does_nothing_is_seen(tmp_path):
    said = invoke("fuzz", "run", "zoo.real", "--schedules", 20, "--no-store")
    line = next(line for line in said.stdout.splitlines() if line.startswith("happened: "))
    assert "signal " in line and "order " in line and len(line.split(", ")) <= 13
    found = json.loads(invoke("fuzz", "run", "zoo.real", "--schedules", 20, "--no-store", "--json").stdout)
    assert found["happened"]["signal"] > found["happened"]["order"] > 0 and sum(found["happened"].values()) <= found["moves"]


@pytest.mark.parametrize(("old", "new", "words"), [
    ('    desk.demand_at_most(100, ["AAPL"])\n', "", "nothing was demanded: only exceptions and a program that does not end are found"),
    ("await desk.burst", "desk.burst", "happened: nothing"), ("def main", "def main", ""),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:coroutine")
def test_a_search_that_could_find_nothing_says_so(elsewhere, old, new, words):
    name = f"my_quiet_bot_{len(old)}"
    (elsewhere / f"{name}.py").write_text(BOT.replace(old, new).replace("6, 1)", "1, 1)"))
    said = invoke("fuzz", "run", f"{name}:scenario", "--schedules", 20, "--no-store")
    assert said.exit_code == 0 and words in said.stdout
    assert bool(words) == ("nothing" in said.stdout)


@pytest.mark.parametrize(("name", "words"), [
    ("my_bot.py:scenario", "give its module: my_bot:scenario"), ("./my_bot.py:scenario", "give its module: my_bot:scenario"),
    ("bots/my_bot.py", "give its module: my_bot:scenario"), (".:scenario", "is no scenario: give module:function"),
    ("my_other_bot:scenario", "no module 'my_other_bot'"),
])  # fmt: skip
def test_a_scenario_that_is_named_otherwise_is_told_how(name, words):
    result = invoke("fuzz", "run", name, "--no-store")
    assert result.exit_code == 2 and words in result.stderr
