"""A campaign of a depth can be shared out, counts what it ran, and says how to run again what failed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.fuzz import tokens
from sim.fuzz.replay import replay
from tests.scenarios.fuzz import campaign
from tests.scenarios.fuzz.runner import scenario
from tests.scenarios.fuzz.runner_mutants import MUTANTS, without_guard


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(1, 40))
def test_shares_do_not_overlap_and_are_the_whole(first: int, count: int, of: int) -> None:
    shares = [campaign.share(first, count, f"{k}/{of}") for k in range(1, of + 1)]
    assert [s.stop for s in shares[:-1]] == [s.start for s in shares[1:]]
    assert (shares[0].start, shares[-1].stop) == (first, first + count)


@pytest.mark.parametrize("part", ["0/2", "3/2", "1", "a/b", "1/2/3", ""])
def test_a_share_that_is_none_is_refused(part: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        campaign.main(["runner", "--schedules", "4", "--share", part])
    assert ended.value.code == 2 and "is not one of 1/n to n/n" in capsys.readouterr().err


@pytest.mark.parametrize("depth", ["runner", "wire"])
def test_a_campaign_counts_its_share_and_calls_it_cut(depth: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "EVERY_S", 0.0)
    assert campaign.main([depth, "--schedules", "6", "--first", "10", "--share", "2/2", "--seed", "5"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{depth}: 3 of 3 schedules from 13 of seed 5 hold, ") and said.out.endswith(": cut\n")
    assert [line.split(", ")[1] for line in said.err.splitlines()] == ["next is 14", "next is 15", "next is 16"]


def test_a_campaign_without_a_guard_fails_with_a_token_that_fails_again(capsys: pytest.CaptureFixture[str]) -> None:
    with without_guard(next(mutant for mutant in MUTANTS if mutant.name == "send before record")):
        assert campaign.main(["runner", "--schedules", "50", "--seed", "3"]) == 3
        line = capsys.readouterr().out
        kept = tokens.failure_of_token(tokens.read(line.rpartition("onebook fuzz replay ")[2].strip()))
        _, again = replay(scenario, kept.steps, dials=kept.dials, draws=kept.draws)
    assert again is not None and f": failed: {again.name}" in line
