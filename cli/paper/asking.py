"""Asking a runner: how it stands, what it is to do, what leaving everything would do.

Theory of operation. A runner alone may write its book; others read the state it writes and leave wishes in the folder
beside the book (`live.control`). A wish has an answer, and whoever asked waits for it.
"""

from __future__ import annotations

import getpass
import time
from pathlib import Path
from typing import Any, NamedTuple

from cli.settings import ConfigError

ANSWERED_WITHIN_S = 20.0


class Nobody(ConfigError):
    """There is no runner to ask."""


class Asked(NamedTuple):
    """What came of a wish: whether a runner took it, whether it is done, and in words."""

    taken: bool
    done: bool
    text: str


def state_of(book: str) -> dict[str, Any]:
    """Return the runner's last state with its age.

    Raises:
        Nobody: no runner ever wrote one.
    """
    from live.control import Folder

    folder = Folder(Path(book))
    state = folder.state()
    if state is None:
        raise Nobody(f"nobody has traded {book} yet; `onebook paper run` does")
    age = (time.time_ns() - int(state["written_ns"])) // 10**9
    return {"running": folder.is_running(), "age_s": age, **state}


def ask(book: str, do: str, why: str, symbol: str = "", price: str = "", kind: str = "") -> Asked:
    """Leave a wish for the runner; return what came of it.

    Raises:
        Nobody: no runner is there to take it, and it is no wish to halt, which the next one takes.
    """
    from live.control import Folder, Wish

    folder, wish = Folder(Path(book)), Wish(do, getpass.getuser(), why, symbol, price, kind=kind)
    if not folder.is_running():
        if do != "halt":
            raise Nobody(f"no runner trades {book} now; `onebook paper run` starts one")
        folder.ask(wish)
        return Asked(False, True, f"no runner trades {book} now; the next one refuses entries from its first moment on")
    path = folder.ask(wish)
    until = time.monotonic() + ANSWERED_WITHIN_S
    while time.monotonic() < until:
        if (answer := folder.answer_to(path)) is not None:
            return Asked(True, answer.done, answer.text)
        if do == "stop" and not folder.is_running():
            return Asked(True, True, "the runner has stopped")
        time.sleep(0.05)
    if path.exists() and do != "halt":
        path.unlink(missing_ok=True)
        return Asked(False, False, f"the runner did not take it within {ANSWERED_WITHIN_S:.0f} s, so it is taken back; is it busy?")
    told = f"the runner has not answered within {ANSWERED_WITHIN_S:.0f} s; `onebook paper status` shows what it does"
    return Asked(not path.exists(), False, told)


def plan_of(book: str) -> list[dict[str, str | None]]:
    """Return what leaving everything would do, step by step: cancels of the account's last session first, then positions."""
    from ledger import keys, views
    from ledger.journal import Journal
    from ledger.units import decimal_text
    from live.market.exits import plan

    with Journal.read(book) as journal:
        mine = [info for info in journal.sessions() if info.kind == "paper"]
        if not mine:
            return []
        found, rows = journal.book(mine[-1].id), views.positions(journal, mine[-1].id)
    symbols = {row.instrument: row.symbol for row in rows}
    exps = {row.symbol: row.qty_exp for row in rows}
    return [
        {
            "do": step.do, "side": "BUY" if step.side > 0 else "SELL", "qty": decimal_text(step.qty_lots, exps[step.symbol]),
            "symbol": step.symbol, "order": keys.text(step.key, {}, symbols) if step.key else None,
        }
        for step in plan(found, symbols)
    ]  # fmt: skip
