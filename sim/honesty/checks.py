"""The checks of the linter: one function each, with its threshold beside it.

Theory of operation. A check returns a Judged or raises Unknown with the reason. It
reads and never changes anything. To add one: a function and a row of CHECKS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ledger.units import decimal_text
from sim.data import History
from sim.engine import signals
from sim.honesty.evidence import Evidence, Track
from sim.honesty.luck.sharpe import deflated, moments
from sim.honesty.trials import TrialCount
from sim.honesty.windows import cut
from sim.metrics import DAY_NS, exact_sum
from strategies import get
from strategies.api import Strategy, StrategyError

TRADES_LEAST = 30
DAYS_LEAST = 252
TRADES_PER_PARAMETER = 10
LUCKY_SHARE = 0.5
IDLE_SHARE = 0.5
STALE_MARKS, STALE_DAYS = 3, 7
VOLUME_SHARE = 0.05
SHARPE_MOST = 3.0
COST_BPS_LEAST = 0.05
UNDER_WATER_SHARE = 0.25
MINOR_SIDE = 0.1
DEFLATED_LEAST = 0.95
CUTS = (0.35, 0.6, 0.85)


class Unknown(Exception):
    """A check cannot judge this run; the text says why."""


class Judged(NamedTuple):
    """What a check found."""

    fires: bool
    figure: float
    threshold: float
    sentence: str


def few_trades(run: Evidence, tried: TrialCount | None) -> Judged:
    """Too few closed trades to tell skill from luck."""
    count = int(run.trades.pnl_e8.size)
    return Judged(count < TRADES_LEAST, count, TRADES_LEAST, f"{count} closed trades say little; a few lucky ones make the result")


def tiny_sample(run: Evidence, tried: TrialCount | None) -> Judged:
    """Less than a year of days."""
    days = int(np.unique(run.values[:, 1]).size)
    return Judged(days < DAYS_LEAST, days, DAYS_LEAST, f"{days} trading days are less than a year: no other weather was seen")


def many_parameters(run: Evidence, tried: TrialCount | None) -> Judged:
    """Too many parameters for the trades they were fitted to."""
    count = len(run.config["params"])
    if not count:
        raise Unknown("the run has no parameters of its own")
    ratio = run.trades.pnl_e8.size / count
    sentence = f"{run.trades.pnl_e8.size} trades for {count} parameters: {ratio:.1f} each; so few can be fitted by chance"
    return Judged(ratio < TRADES_PER_PARAMETER, ratio, TRADES_PER_PARAMETER, sentence)


def lucky_trade(run: Evidence, tried: TrialCount | None) -> Judged:
    """One trade carries the result."""
    pnl = run.trades.pnl_e8
    net = exact_sum(pnl)
    if pnl.size < 2 or net <= 0:
        raise Unknown("there are fewer than two trades" if pnl.size < 2 else "the closed trades earned nothing to be carried")
    best = int(pnl.max())
    sentence = f"the best trade earned {decimal_text(best)} of {decimal_text(net)}: without it {decimal_text(net - best)} is left"
    return Judged(best / net > LUCKY_SHARE, best / net, LUCKY_SHARE, sentence)


def flat_equity(run: Evidence, tried: TrialCount | None) -> Judged:
    """A long stretch in which nothing was held: the figures of the rest are diluted, or the strategy broke."""
    if not len(run.values):
        raise Unknown("the run has no equity curve")
    held = np.concatenate(([True], run.values[:, 5] > 0, [True]))
    longest = int(np.diff(np.flatnonzero(held)).max()) - 1
    share = longest / len(run.values)
    return Judged(share > IDLE_SHARE, share, IDLE_SHARE, f"nothing was held for {longest} of {len(run.values)} bars on end")


def stale_fills(run: Evidence, tried: TrialCount | None) -> Judged:
    """Fills after the price stood still or was long unknown: probably nobody would have traded there."""
    if run.histories is None and any(row["bar"] != "1d" for row in run.config["instruments"]):
        raise Unknown(f"closes of short bars are often equal, and {run.missing}")
    bars = run.histories or (None,) * len(run.tracks)
    stale = [_stale(track, history) for track, history in zip(run.tracks, bars, strict=True)]
    total, bad = sum(flags.size for flags in stale), int(sum(flags.sum() for flags in stale))
    if not total:
        raise Unknown("nothing was filled")
    sentence = f"{bad} of {total} fills came after {STALE_MARKS} bars without any move, or {STALE_DAYS} days without a price"
    return Judged(bad > 0, bad, 0, sentence)


def _stale(track: Track, history: History | None) -> NDArray[np.bool_]:
    """Return bool[fills]: nothing moved in the bars before a fill, or the last one was long ago."""
    still = np.diff(track.raw_close) == 0
    if history is not None and history.high_ticks.size == track.raw_close.size:
        still &= (history.high_ticks == history.low_ticks)[1:]
    same = np.concatenate(([0], np.cumsum(still)))  # how often the price stood still up to a mark
    last = track.fill_after - 1
    first = np.maximum(last - STALE_MARKS, 0)
    stood = (last >= STALE_MARKS) & (same[np.maximum(last, 0)] - same[first] == STALE_MARKS)
    old = track.fill_ns - track.time_ns[np.maximum(last, 0)] > STALE_DAYS * DAY_NS
    return np.asarray((last >= 0) & (stood | old))


def thin_volume(run: Evidence, tried: TrialCount | None) -> Judged:
    """Fills too large for the volume of their bar."""
    if run.histories is None:
        raise Unknown(run.missing)
    worst = 0.0
    for track, history in zip(run.tracks, run.histories, strict=True):
        if not track.fill_ns.size:
            continue
        if not history.volume.any():
            raise Unknown(f"the data of {track.symbol} has no volume")
        bar = np.minimum(np.searchsorted(history.end_ns, track.fill_ns), history.volume.size - 1)
        shares = track.fill_lots / 10.0**track.qty_exp
        # A bar without volume cannot have filled anything: any share of it is too much.
        part = np.where(history.volume[bar] > 0, shares / np.maximum(history.volume[bar], 1), np.where(shares > 0, 1e9, 0.0))
        worst = max(worst, float(part.max()))
    sentence = f"the largest fill took {worst:.1%} of its bar's volume" if worst < 1e9 else "a fill stands on a bar without any volume"
    return Judged(worst > VOLUME_SHARE, worst, VOLUME_SHARE, sentence)


ASK_AS = "ask as"
"""Where a reader's word for the session's strategy stands in its configuration: a book keeps a strategy's name, not its file."""


def look_ahead(run: Evidence, tried: TrialCount | None) -> Judged:
    """Asked again on cut histories, the strategy gives other signals: it knew the future."""
    if run.histories is None:
        raise Unknown(run.missing)
    if "walkforward" in run.config:
        raise Unknown("a walk-forward has its parameters chosen anew; check the strategy itself")
    try:
        strategy = get(run.config.get(ASK_AS, run.config["strategy"]))
        params = strategy.params(**run.config["params"])
    except (StrategyError, TypeError) as error:
        raise Unknown(f"the strategy cannot be asked again: {error}; one from a file of yours needs --strategy FILE") from None
    days = np.unique(np.concatenate([history.day for history in run.histories]))
    whole = _wishes(strategy, run.histories, params)
    differing = 0
    for share in CUTS:
        until = int(days[int(days.size * share)])
        if any(history.day[0] >= until for history in run.histories):
            continue
        short = _wishes(strategy, cut(run.histories, until), params)
        differing += any(not np.array_equal(mine[: len(theirs)], theirs) for mine, theirs in zip(whole, short, strict=True))
    sentence = f"on {differing} of {len(CUTS)} histories cut short the strategy gave other signals for the same bars: it looks ahead"
    return Judged(differing > 0, differing, 0, sentence)


def _wishes(strategy: Strategy, histories: Sequence[History], params: object) -> list[NDArray[np.int64]]:
    """Return the wishes of each instrument as bits: two NaN are the same wish."""
    rows = signals.wishes(strategy, histories, params).view(np.int64)
    return np.split(rows, np.cumsum([history.end_ns.size for history in histories])[:-1])


def too_good(run: Evidence, tried: TrialCount | None) -> Judged:
    """A Sharpe ratio that hardly anybody has: suspect the data or a look ahead before rejoicing."""
    sharpe = run.figures["sharpe"]
    if sharpe is None:
        raise Unknown("the Sharpe ratio is undefined")
    return Judged(sharpe > SHARPE_MOST, sharpe, SHARPE_MOST, f"a Sharpe ratio of {sharpe:.2f} is more often a fault than a find")


def costs(run: Evidence, tried: TrialCount | None) -> Judged:
    """Trading was free, or nearly so."""
    traded, fees = float(run.figures["turnover"] or 0.0), int(run.figures["fees"] or 0)
    if not run.figures["fills"] or not traded or not len(run.values):
        raise Unknown("nothing was filled, or the turnover is undefined")
    value = traded * exact_sum(run.equity_e8) / len(run.values)
    bps = fees / value * 1e4
    sentence = f"commissions were {bps:.3f} bps of what was traded; nobody trades that cheaply"
    return Judged(bps < COST_BPS_LEAST, bps, COST_BPS_LEAST, sentence)


def drawdown_open(run: Evidence, tried: TrialCount | None) -> Judged:
    """The run ends long under water: its drawdown was never recovered."""
    equity = run.equity_e8
    if not equity.size:
        raise Unknown("the run has no equity curve")
    peak = np.maximum.accumulate(np.maximum(equity, run.start_e8))
    dry = np.flatnonzero(equity >= peak)
    since = equity.size - (int(dry[-1]) + 1 if dry.size else 0)
    depth = float(equity[-1] / peak[-1] - 1)
    sentence = f"the last {since} of {equity.size} bars are one drawdown that was not recovered ({depth:.1%} at the end)"
    return Judged(since / equity.size > UNDER_WATER_SHARE, since / equity.size, UNDER_WATER_SHARE, sentence)


def benchmark(run: Evidence, tried: TrialCount | None) -> Judged:
    """Holding the same instruments earned more."""
    held, total = run.held_returns(), run.figures["total_return"]
    if held is None or total is None:
        raise Unknown("the run or its benchmark has no return")
    other = float(np.prod(1.0 + held)) - 1.0
    words = "dividends left out" if run.config.get("prices") == "raw" else "in the same prices"
    sentence = f"the run returned {total:.1%}; holding its instruments returned {other:.1%}, {words}"
    return Judged(total <= other, float(total), other, sentence)


def one_sided(run: Evidence, tried: TrialCount | None) -> Judged:
    """A strategy that may go both ways went one way: it was tested in one kind of market."""
    longs, shorts = (sum(int(((track.side == side) & (np.roll(track.side, 1) != side)).sum()) for track in run.tracks) for side in (1, -1))
    if not shorts and not run.config["params"].get("allow_short"):
        raise Unknown("the strategy was not allowed to be short")
    if not longs + shorts:
        raise Unknown("nothing was held")
    share = min(longs, shorts) / (longs + shorts)
    return Judged(share < MINOR_SIDE, share, MINOR_SIDE, f"{longs} entries were long and {shorts} short: one side is hardly tested")


def many_trials(run: Evidence, tried: TrialCount | None) -> Judged:
    """After all that was tried, the best would look as good by luck."""
    returns = run.returns
    known = None if returns is None else moments(returns)
    if tried is None or known is None:
        raise Unknown("the trials were not counted" if tried is None else "the Sharpe ratio is undefined")
    found = deflated(known, max(tried.trials, 1), tried.sharpes)
    if found.probability is None:
        raise Unknown("the deflated Sharpe ratio is undefined for such returns")
    sentence = f"after {found.trials} tries it is {found.probability:.1%} likely to be better than the luckiest of them without skill"
    return Judged(found.probability < DEFLATED_LEAST, found.probability, DEFLATED_LEAST, sentence)


Check = Callable[[Evidence, TrialCount | None], Judged]
CHECKS: dict[str, tuple[str, Check]] = {
    "look-ahead": ("high", look_ahead),
    "stale-fills": ("high", stale_fills),
    "costs": ("high", costs),
    "lucky-trade": ("high", lucky_trade),
    "many-trials": ("high", many_trials),
    "few-trades": ("medium", few_trades),
    "many-parameters": ("medium", many_parameters),
    "thin-volume": ("medium", thin_volume),
    "too-good": ("medium", too_good),
    "benchmark": ("medium", benchmark),
    "tiny-sample": ("medium", tiny_sample),
    "drawdown-open": ("low", drawdown_open),
    "flat-equity": ("low", flat_equity),
    "one-sided": ("low", one_sided),
}
"""Name, severity and function of each check, in the order they are asked."""
