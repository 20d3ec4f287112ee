"""Each check fires where it should, is silent where it should be, and says so when it cannot judge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ledger.book import Book, event
from ledger.core import apply
from ledger.journal import Journal
from ledger.units import money
from ledger.vocabulary import EventKind, Outcome
from sim import run as runs
from sim.data import load
from sim.data.history import frozen
from sim.honesty import checks, evidence
from sim.honesty.linter import lint
from sim.honesty.trials import TrialCount
from sim.honesty.windows import HonestyError
from sim.trades import Trades
from strategies import get
from tests.sim.honesty.cheats import STRATEGY as CHEAT

SMA = get("sma_cross")


def made(strategy=SMA, params=None, setting=None, start="2009-01-02", end="2018-12-31", **changes):
    """Run a strategy on the bundled index, with columns of its bars changed."""
    histories = [history._replace(**changes) for history in load("sp500", (), start=start, end=end)]
    sim = runs.simulate(histories, strategy, params or strategy.params(), setting)
    return evidence.of_run(sim)


@pytest.fixture(scope="module")
def good():
    """Return ten years with many trades, volume, costs: nothing that the bars themselves could be blamed for."""
    return made(params=SMA.params(3, 12))


def trades(*pnl):
    e8 = np.array([money(str(amount)) for amount in pnl], np.int64)
    rest = dict.fromkeys(Trades._fields, np.ones(e8.size, np.int64))
    return Trades(**rest | {"pnl_e8": e8, "open_ns": np.arange(e8.size), "close_ns": np.arange(e8.size) + 1})


def curve(run, equity, held=None):
    """Return the run with another equity curve, and with positions as given."""
    values = run.values[: len(equity)].copy()
    values[:, 2], values[:, 3] = [money(str(round(float(amount), 2))) for amount in equity], 0
    values[:, 5] = 1 if held is None else held
    return replace(run, values=values)


def flat_prices(run, track, start, stop):
    history = run.histories[0]
    raw, high, low = track.raw_close.copy(), history.high_ticks.copy(), history.low_ticks.copy()
    for column in (raw, high, low):
        column[start:stop] = raw[start]
    return replace(run, tracks=(track._replace(raw_close=raw),), histories=(history._replace(high_ticks=high, low_ticks=low),))


def with_volume(run, volume):
    history = run.histories[0]
    return replace(run, histories=(history._replace(volume=frozen(np.full(history.volume.size, volume, np.int64))),))


def with_sides(run, *sides, params=None):
    track = run.tracks[0]
    side = np.resize(np.array(sides, np.float64), track.side.size)
    return replace(run, tracks=(track._replace(side=side),), config={**run.config, "params": params or {"allow_short": 1}})


def figures(run, **changes):
    return replace(run, figures={**run.figures, **changes})


# name, a run that fires, one that does not: each made from the good run.
CASES = {
    "few-trades": (lambda r: replace(r, trades=trades(*[1] * 29)), lambda r: replace(r, trades=trades(*[1] * 30))),
    "tiny-sample": (lambda r: replace(r, values=r.values[:251]), lambda r: replace(r, values=r.values[:252])),
    "many-parameters": (lambda r: replace(r, trades=trades(*[1] * 29)), lambda r: replace(r, trades=trades(*[1] * 30))),
    "lucky-trade": (lambda r: replace(r, trades=trades(5, 5, 11)), lambda r: replace(r, trades=trades(5, 6, 11))),
    "flat-equity": (
        lambda r: curve(r, [100000] * 100, [1] * 20 + [0] * 51 + [1] * 29), lambda r: curve(r, [100000] * 100, ([1] + [0] * 49) * 2),
    ),
    "stale-fills": (
        lambda r: flat_prices(r, r.tracks[0], r.tracks[0].fill_after[5] - 4, r.tracks[0].fill_after[5]),
        lambda r: flat_prices(r, r.tracks[0], r.tracks[0].fill_after[5] - 3, r.tracks[0].fill_after[5]),
    ),
    "thin-volume": (lambda r: with_volume(r, 1000), lambda r: with_volume(r, 10**9)),
    "look-ahead": (lambda r: made(CHEAT, start="2016-01-04"), lambda r: r),
    "too-good": (lambda r: figures(r, sharpe=3.1), lambda r: figures(r, sharpe=2.9)),
    "costs": (lambda r: made(setting=runs.Setting(commission="zero"), start="2016-01-04"), lambda r: r),
    "drawdown-open": (
        lambda r: curve(r, [100000] * 70 + [99000] * 30), lambda r: curve(r, [100000, 99000] * 50 + [100000] * 20),
    ),
    "benchmark": (lambda r: figures(r, total_return=0.1), lambda r: figures(r, total_return=9.9)),
    "one-sided": (lambda r: with_sides(r, 1, 0, params={"allow_short": 1}), lambda r: with_sides(r, 1, -1)),
    "many-trials": (None, None),
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name, pair in CASES.items() if pair[0]])
def test_a_check_fires_where_it_should_and_is_silent_where_it_should_be(good, name):
    fires, silent = CASES[name]
    found = {finding.check: finding for finding in lint(fires(good)).findings}
    assert name in found and found[name].severity == checks.CHECKS[name][0] and found[name].sentence
    assert np.isfinite([found[name].figure, found[name].threshold]).all()
    assert name in lint(silent(good)).passed


def test_every_check_has_a_case():
    assert CASES.keys() == checks.CHECKS.keys()


def test_the_count_of_trials_decides_whether_the_best_is_believed(good):
    """Returns with a ratio that one try makes credible and ten thousand do not."""
    wave = np.cumprod(1 + np.resize([0.01, -0.0085, 0.004, -0.0035, 0.0005], 1500)) * 100000
    run = curve(good, wave)
    assert "many-trials" in lint(run, TrialCount(1, 0, ())).passed
    assert "many-trials" in [finding.check for finding in lint(run, TrialCount(10_000, 0, ())).findings]
    assert ("many-trials", "the trials were not counted") in lint(run).unknown


UNKNOWN = {
    "many-parameters": lambda r: replace(r, config={**r.config, "params": {}}),
    "lucky-trade": lambda r: replace(r, trades=trades(-5, 3)),
    "stale-fills": lambda r: replace(r, tracks=(), histories=None, missing="gone"),
    "thin-volume": lambda r: with_volume(r, 0),
    "look-ahead": lambda r: replace(r, histories=None, missing="the file is gone"),
    "too-good": lambda r: figures(r, sharpe=None),
    "costs": lambda r: figures(r, fills=0),
    "benchmark": lambda r: replace(r, tracks=(), histories=None, missing="gone"),
    "one-sided": lambda r: r,
    "flat-equity": lambda r: replace(r, values=r.values[:0]),
    "drawdown-open": lambda r: replace(r, values=r.values[:0]),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_check_that_cannot_judge_says_why_and_is_not_taken_for_passed(good, name):
    found = lint(UNKNOWN[name](good))
    assert dict(found.unknown)[name] and name not in found.passed
    assert name not in [finding.check for finding in found.findings]


def test_findings_come_worst_first_and_nothing_is_left_out(good):
    found = lint(replace(good, trades=trades(1, 20)))
    order = [("high", "medium", "low").index(finding.severity) for finding in found.findings]
    assert order == sorted(order)
    everything = [f.check for f in found.findings] + list(found.passed) + [name for name, _ in found.unknown]
    assert sorted(everything) == sorted(checks.CHECKS)


def test_equal_closes_are_stale_only_where_nothing_moved_between_them(good):
    track = good.tracks[0]
    still = flat_prices(good, track, track.fill_after[5] - 4, track.fill_after[5])
    moved = replace(still, histories=good.histories)
    assert "stale-fills" in lint(moved).passed, "the closes are equal, the highs and lows are not"
    assert "stale-fills" in [finding.check for finding in lint(replace(still, histories=None)).findings], "daily closes are all there is"
    config = {**good.config, "instruments": [{**good.config["instruments"][0], "bar": "1m"}]}
    short = lint(replace(still, histories=None, missing="the file is gone", config=config))
    assert "the file is gone" in dict(short.unknown)["stale-fills"]


def test_a_fill_after_days_without_a_price_is_stale(good):
    track = good.tracks[0]
    gap = track.fill_ns.copy()
    gap[3] = track.time_ns[track.fill_after[3] - 1] + 8 * 86_400 * 10**9
    found = lint(replace(good, tracks=(track._replace(fill_ns=gap),)))
    assert "stale-fills" in [finding.check for finding in found.findings]


def test_a_stored_session_gives_the_same_evidence_as_the_run(tmp_path):
    done = runs.run("sma_cross", ["fast=3", "slow=12"], book=tmp_path / "a.db", start="2014-01-02", end="2016-12-30")
    mine = evidence.of_run(done.simulation, runs.configuration(done.simulation, "sp500", "adjusted"))
    with Journal.read(tmp_path / "a.db") as journal:
        theirs = evidence.of_session(journal, journal.sessions()[0])
        assert evidence.of_session(journal, journal.sessions()[0], bars=False).histories is None
    assert (mine.values == theirs.values).all() and mine.figures == theirs.figures and {**mine.config, "reading": theirs.config["reading"]} == theirs.config
    for a, b in zip(mine.tracks, theirs.tracks, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert theirs.histories[0].sha256 == mine.histories[0].sha256 and lint(mine) == lint(theirs)
    held = mine.held_returns()
    close = mine.histories[0].close_ticks
    assert np.prod(1 + held) == pytest.approx(close[-1] / close[0]) and held.size == mine.returns.size


def test_changed_bars_are_not_taken_for_those_of_the_run(tmp_path):
    path = tmp_path / "bars.csv"
    rows = "\n".join(f"2024-01-{day:02d},10,11,9,{10 + day % 2},1000" for day in (2, 3, 4, 5, 8, 9, 10, 11, 12))
    path.write_text(f"date,open,high,low,close,volume\n{rows}\n")
    runs.run("buy_and_hold", data=str(path), book=tmp_path / "a.db")
    with Journal.read(tmp_path / "a.db") as journal:
        assert evidence.of_session(journal, journal.sessions()[0]).histories is not None
        path.write_text(path.read_text().replace("2024-01-08,10,11", "2024-01-08,10,11.5"))
        changed = evidence.of_session(journal, journal.sessions()[0])
        assert changed.histories is None and "other bars" in changed.missing
        path.write_text("nonsense")
        assert "cannot be read again" in evidence.of_session(journal, journal.sessions()[0]).missing
        path.unlink()
        assert "not there any more" in evidence.of_session(journal, journal.sessions()[0]).missing


def test_bars_are_read_again_as_they_were_read(tmp_path):
    """A file whose dates and duplicates need words is read with the same words."""
    path = tmp_path / "bars.csv"
    days = (2, 3, 3, 4, 5, 8, 9, 10, 11, 12)
    path.write_text("date,open,high,low,close,volume\n" + "".join(f"1/{day}/2024,10,11,9,{10 + day % 2},1000\n" for day in days))
    words = {"date_format": "m/d/y", "repairs": ("drop-duplicates",), "start": "2024-01-03"}
    done = runs.run("buy_and_hold", data=str(path), book=tmp_path / "a.db", **words)
    with Journal.read(tmp_path / "a.db") as journal:
        found = evidence.of_session(journal, journal.sessions()[0])
    assert found.missing == "" and (found.histories[0].close_ticks == done.simulation.histories[0].close_ticks).all()
    assert found.config["reading"] == {"date_format": "m/d/y", "repairs": ["drop-duplicates"], "start": "2024-01-03"}


def test_what_is_no_finished_backtest_is_refused(tmp_path):
    with Journal.open(tmp_path / "a.db") as journal:
        journal.begin("fuzz", "x", config={}).end("done")
        journal.begin("backtest", "x", config={})
        for info in journal.sessions():
            with pytest.raises(HonestyError, match="only a backtest that is done"):
                evidence.of_session(journal, info)


def test_splits_do_not_look_like_crashes():
    book = Book()
    assert apply(book, event(EventKind.INSTRUMENT, instrument=1, price_ticks=1, qty_lots=1, target_lots=1, ref=1)) == Outcome.APPLIED
    rows = np.array(
        [
            [EventKind.MARK, 10, 1, 0, 0, 100], [EventKind.FILL, 15, 1, 1, 7, 100], [EventKind.MARK, 20, 1, 0, 0, 110],
            [EventKind.SPLIT, 25, 1, 0, 2, 1], [EventKind.MARK, 30, 1, 0, 0, 55], [EventKind.FILL, 35, 1, -1, 14, 55],
            [EventKind.MARK, 40, 1, 0, 0, 55],
        ],
        np.int64,
    )  # fmt: skip
    (track,) = evidence._tracks(rows, book, ["A"])
    assert track.close.tolist() == [100, 110, 110, 110] and track.side.tolist() == [0, 1, 1, 0]
    assert track.returns() == pytest.approx([0.1, 0, 0]) and track.fill_after.tolist() == [1, 3]
