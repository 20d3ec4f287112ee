"""A stop in any moment ends a runner: no task is left, the account is free, and nothing waits for ever."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from tests.scenarios.paper import Day

from live.link import State

LONG_S = 600.0
TURNS = range(0, 130, 3)


class Stopped(Day):
    """A runner that is asked to stop after some turns of the loop, or whose consumer fails then."""

    def after(self, turns: int, fails: bool) -> bool:
        """Return whether the runner had come to READY; its task must end."""
        reached: list[State] = []

        async def story() -> None:
            runner = self.begin()
            assert self.task is not None
            for _ in range(turns):
                await asyncio.sleep(0)
            reached.append(runner.link.state)
            if fails:
                runner.queue.put_nowait("no item that anybody knows")  # type: ignore[arg-type]
                runner._handle = self._failing  # type: ignore[method-assign]
            else:
                runner.stop()
            done, _ = await asyncio.wait({self.task}, timeout=LONG_S)
            assert done, f"after {turns} turns the runner, {runner.link.state.value}, does not end"
            assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("paper.")]
            assert (self.task.exception() is None) != fails and runner.folder.own()
            runner.folder.leave()

        self.run(story)
        return reached == [State.READY]

    @staticmethod
    def _failing(item: object) -> None:
        raise ZeroDivisionError(f"made to fail: {item}")


@pytest.mark.parametrize("fails", [False, True], ids=["asked to stop", "a task fails"])
def test_a_runner_ends_whatever_it_waits_for(fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    came = [Stopped(monkeypatch, tmp_path / str(turns)).after(turns, fails) for turns in TURNS]
    assert not came[0] and came[-1]


def test_where_wait_for_forgets_a_cancel_a_runner_that_does_not_heed_it_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`asyncio.wait_for` forgot one in Python 3.11; since 3.12 it makes no task of its own, and nothing hangs."""
    monkeypatch.setattr("live.ib.heed_cancel", lambda: None)
    hung = []
    for turns in TURNS[:5]:
        try:
            Stopped(monkeypatch, tmp_path / str(turns)).after(turns, fails=False)
        except AssertionError:
            hung.append(turns)
    assert bool(hung) == (sys.version_info < (3, 12)), hung
