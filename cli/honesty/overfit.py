"""`onebook overfit SESSION`: how much of a stored result is luck, given everything that was tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cli.common import StrategyName, leaf
from cli.honesty.sweeps import YEAR, fields_of, judge_file, known_days, number, percent
from cli.output import table, voice
from cli.settings import Settings


@click.command()
@click.argument("what", metavar="SESSION|SWEEP")
@click.option(
    "-p", "--param", "params", multiple=True, metavar="NAME=VALUES",
    help="Run these candidates on the session's bars too: fast=5,10 or fast=5:50:5. Each is counted as a trial.",
)  # fmt: skip
@click.option("--strategy", "name", type=StrategyName(), help="What the candidates run; default: the session's own strategy.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of everything that is drawn.")
@click.option("--draws", type=click.IntRange(100, 100_000), default=2_000, show_default=True, help="Samples of each resampling.")
@click.option("--book", type=click.Path(), help="Journal to read.")
@leaf
def overfit(settings: Settings, what: str, params: tuple[str, ...], name: str | None, seed: int, draws: int) -> None:
    """Judge a stored backtest: deflated Sharpe ratio with the true number of trials, intervals, Monte Carlo.

    With -p the candidates compete on the same bars: probability of overfitting, reality check, stability, paths. A Parquet
    file that a sweep wrote is judged by the block moments in it.
    """
    if not what.isdecimal():
        if params or name:
            raise click.UsageError("candidates compete with a session; a sweep's file has its own, so leave out -p and --strategy")
        judge_file(settings, Path(what))
        return
    session = int(what)
    speaker = voice()
    with speaker.progress() as say:
        say("loading")
        from cli.stored import open_book, session_of
        from sim.honesty import evidence, overfit, trials
        from sim.honesty.luck.dice import dice

        book, chance = Path(settings("book")), dice(seed)
        with open_book(settings) as journal:
            run = evidence.of_session(journal, session_of(journal, session), bars=bool(params))
        if run.family is None:
            raise click.UsageError(f"session {session} does not name its strategy and instruments; its trials cannot be counted")
        ran = _candidates(run, name, params, book, say) if params else None
        say("drawing")
        verdict = overfit.judge(run, trials.counted(book, run.family), chance, draws)
        contest = None if ran is None else overfit.contest(ran, chance, draws)
    document = {"session": session, "family": run.family, "seed": seed, "draws": draws, **_verdict(verdict), **_contest(contest)}
    speaker.document(document)
    _show(document)


def _candidates(run: Any, name: str | None, params: tuple[str, ...], book: Path, say: Any) -> Any:
    """Run the candidates on the session's own bars and record them as trials."""
    from sim.honesty import evidence, overfit, trials
    from sim.honesty.grid import grid
    from strategies import get

    if run.histories is None:
        raise click.UsageError(f"candidates need the bars of the run: {run.missing}")
    strategy = get(name or run.config["strategy"])
    if strategy.name != run.config["strategy"]:
        raise click.UsageError(f"the session ran {run.config['strategy']}, not {strategy.name}; only trials of one family compete")
    told = {key: value for key, value in run.config.items() if key != "walkforward"}
    setting = evidence.setting_of(run.config)
    ran = overfit.candidates_of(run.histories, strategy, grid(strategy, params).params, setting, told, say)
    known = {digest: sharpe for digest, sharpe in ran.trials.items() if sharpe is not None}
    trials.record(book, run.family, list(ran.trials), None, known)
    return ran


def _verdict(verdict: Any) -> dict[str, Any]:
    """Return the verdict as a document: names said out loud, Sharpe ratios annualised, unknown as None."""
    deflated = verdict.deflated
    return {
        "trials": verdict.trials.trials, "unrecorded_trials": verdict.trials.unrecorded,
        "known_sharpes": len(verdict.trials.sharpes), "days": verdict.days, "sharpe": verdict.sharpe,
        "probabilistic_sharpe": verdict.probabilistic,
        "deflated_sharpe": None if deflated is None else deflated.probability,
        "luckiest_sharpe": None if deflated is None else deflated.benchmark * YEAR,
        "trial_variance": None if deflated is None else ("measured" if deflated.measured else "assumed"),
        "min_track_record_days": verdict.track_record,
        **{name: fields_of(getattr(verdict, name)) for name in ("sharpe_interval", "return_interval", "beats_holding")},
        **{name: fields_of(getattr(verdict, name)) for name in ("trade_luck", "rule_luck")},
    }  # fmt: skip


def _contest(contest: Any) -> dict[str, Any]:
    if contest is None:
        return {"contest": None}
    named = {name: fields_of(getattr(contest, name)) for name in ("pbo", "beats_holding", "stability")}
    failures = [{**params, "reason": why} for params, why in contest.failures]
    return {"contest": {"candidates": contest.candidates, **named, "path_sharpes": list(contest.path_sharpes), "failures": failures}}


def _show(document: dict[str, Any]) -> None:
    speaker = voice()
    title = f"Session {document['session']}, one of {document['trials']:,} tried of {document['family']}"
    columns = ("question", "answer", "what it means")
    speaker.show(table(title, columns, _answers(document), numbers=("answer",)))
    if document["contest"]:
        speaker.show(table("The candidates", columns, _contest_answers(document["contest"]), numbers=("answer",)))


def _answers(document: dict[str, Any]) -> list[tuple[str, str | None, str]]:
    luck, rule, holding = document["trade_luck"], document["rule_luck"], document["beats_holding"]
    spread = f"best ratio to expect without skill; spread of the tries {document['trial_variance'] or 'unknown'}"
    return [
        ("Sharpe ratio", number(document["sharpe"]), f"annualised, over {document['days']:,} days"),
        ("95 % interval", _interval(document["sharpe_interval"], number), "of the ratio, resampled in blocks of days"),
        ("Return interval", _interval(document["return_interval"], percent), "of the total return, resampled likewise"),
        ("Probabilistic Sharpe", percent(document["probabilistic_sharpe"]), "chance that the true ratio is above 0"),
        ("Luckiest of all tries", number(document["luckiest_sharpe"]), spread),
        ("Deflated Sharpe", percent(document["deflated_sharpe"]), "chance that the true ratio is above that; 95 % is usual"),
        ("Minimum track record", known_days(document["min_track_record_days"]), "to say at 95 % that the ratio is above 0"),
        ("Beats holding (p)", number(holding and holding["consistent"], 3), "chance to look so good against holding without an edge"),
        ("Beats random entries (p)", number(rule and rule["p_value"], 3), "same spells, other moments"),
        ("Drawdown of the trades", percent(luck and luck["drawdown"]), "in the order they came"),
        ("... in a bad order", percent(luck and luck["shuffled_drawdown"]["low"]), "one order in twenty is worse"),
        ("Trades drawn anew lose", percent(luck and luck["loss"]), "share of the draws that end below the start"),
    ]  # fmt: skip


def _contest_answers(contest: dict[str, Any]) -> list[tuple[str, str | None, str]]:
    pbo, holding, near = contest["pbo"], contest["beats_holding"], contest["stability"]
    ways = [value for value in contest["path_sharpes"] if value is not None]
    spread = f"{min(ways):.2f} to {max(ways):.2f}" if ways else None
    lost = contest["failures"]
    ran = f"run on the same bars; {len(lost):,} could not be: {lost[0]['reason']}" if lost else "run on the same bars"
    return [
        ("Candidates", f"{contest['candidates']:,}", ran),
        ("Probability of overfitting", percent(pbo and pbo["pbo"]), "the best of one half is below the median of the other"),
        ("Loss after choosing", percent(pbo and pbo["loss"]), "share of the splits in which the best then lost"),
        ("Reality check (p)", number(holding and holding["reality_check"], 3), "that the best beats holding only by luck"),
        ("Neighbours / best", percent(near and near["share"]), "a plateau is near 100 %, a needle is not"),
        ("Chosen along paths", spread, f"Sharpe ratios of {len(ways)} cross-validated paths"),
    ]  # fmt: skip


def _interval(found: dict[str, Any] | None, text: Any) -> str | None:
    return None if found is None else f"{text(found['low'])} to {text(found['high'])}"
