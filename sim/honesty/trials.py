"""Counting what was tried: every configuration of every run, across sessions, by hash.

Theory of operation. The best of a thousand random strategies looks good; how good is
known once it is known that there were a thousand. So each run records its trial in the
book it is stored in: a backtest one, a sweep one a combination, a walk-forward one a
combination and window. Recording again adds nothing. Statistics that judge a
result ask `count` and never the number of columns that happen to be in front of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.journal import Journal
from ledger.journal import trials as ledger_of_trials
from ledger.journal.trials import TrialCount, family_name, family_of, trial_hash, trial_hashes
from sim.honesty.luck.sharpe import moments
from sim.metrics import daily_returns

Ints = NDArray[np.int64]
__all__ = [
    "TrialCount", "count", "counted", "family", "family_name", "family_of", "hashes_of", "record", "record_run", "trial_hash",
]  # fmt: skip


def family(configuration: Mapping[str, Any]) -> str:
    """Return the family of a configuration (`sim.run.configuration`): the strategy and its instruments.

    Raises:
        ValueError: the configuration names no strategy or no instruments.
    """
    found = family_of(configuration)
    if found is None:
        raise ValueError("a configuration names its `strategy` and its `instruments`, each with `symbol` and `bar`")
    return found


def hashes_of(configuration: Mapping[str, Any], params: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the trial hash of each parameter set, all else being as in `configuration`."""
    return trial_hashes(configuration, params)


def record_run(journal: Journal, config: Mapping[str, Any], session: int, values: Ints, start_e8: int) -> int:
    """Record the trial of a stored backtest from its equity rows int64[m, 6]; return 1 when it is new, else 0."""
    name = family_of(config)
    if name is None:
        return 0
    digest = trial_hash(config)
    returns = daily_returns(values[:, 2] + values[:, 3], values[:, 1], start_e8) if len(values) else None
    known = None if returns is None else moments(returns)
    return journal.add_trials(name, [digest], session, {} if known is None else {digest: known.sharpe})


def record(
    book_path: Path | str,
    family: str,
    hashes: Sequence[str],
    session: int | None = None,
    sharpes: Mapping[str, float] | None = None,
) -> int:
    """Record trials in a book, which is made when there is none; return how many were new.

    Args:
        session: the session that ran them, if one was stored.
        sharpes: mean over deviation of the daily returns, not annualised, by hash, where known.
    Raises:
        JournalError: the book cannot be written; no trial was recorded then.
    """
    with Journal.open(book_path) as journal:
        return journal.add_trials(family, hashes, session, sharpes)


def count(book_path: Path | str, family: str) -> int:
    """Return how many configurations of a family were tried in a book, stored backtests included; 0 without a book."""
    return counted(book_path, family).trials


def counted(book_path: Path | str, family: str) -> TrialCount:
    """Return the count of a family with the Sharpe ratios that are known.

    Raises:
        JournalError: the book is there and cannot be read.
    """
    path = Path(book_path)
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return TrialCount(0, 0, ())
    with Journal.read(path) as journal:
        return ledger_of_trials.count(journal, family)
