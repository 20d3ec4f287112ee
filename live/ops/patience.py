"""How long a runner goes on trying to connect, and how long it waits in between.

Theory of operation. Most errors of a connection mend by themselves: the pause doubles up to its bound. Three do not, and
end the run with an instruction: accounts that are not provably one paper account; at a start, an instrument that nobody
knows; a client id that stays in use, because orders belong to their id and no other one may be tried. A question too
many is answered by a minute of silence.
"""

from __future__ import annotations

import asyncio

from live.config import ConfigError, Timeouts, require_paper_accounts
from live.ib import ClientIdInUse, GatewayError, NoSuchStock, TooFast
from live.link import back_off_s

SECOND_NS = 1_000_000_000
AFTER_TOO_FAST_S = 60.0


class Patience:
    """What is remembered between attempts."""

    def __init__(self, client_id: int, account: str | None, waits: Timeouts) -> None:
        self._client_id, self._account, self._waits = client_id, account, waits
        self._taken_ns = 0

    def pause_s(self, error: GatewayError, failures: int, chance: float, now_ns: int, starting: bool) -> float:
        """Return the seconds until the next attempt.

        Args:
            failures: attempts in a row that came to nothing. chance: 0..1. starting: no book is open yet.
        Raises:
            ConfigError: trying again mends nothing; the message says what does.
        """
        if error.accounts is not None:
            require_paper_accounts(error.accounts, self._account)
        if isinstance(error, NoSuchStock) and starting:
            raise ConfigError(str(error)) from error
        self._taken_ns = (self._taken_ns or now_ns) if isinstance(error, ClientIdInUse) else 0
        if self._taken_ns and now_ns - self._taken_ns >= self._waits.client_id_in_use * SECOND_NS:
            raise ConfigError(
                f"client id {self._client_id} has been in use for {self._waits.client_id_in_use:.0f} s: another program has it, or the "
                "gateway keeps a dead connection. End that program, or restart the gateway; orders belong to their client id, so no "
                "other one is tried"
            ) from error
        pause = back_off_s(failures, chance, self._waits.back_off_most)
        return max(pause, AFTER_TOO_FAST_S) if isinstance(error, TooFast) else pause


def lost(broken: BaseException) -> GatewayError:
    """Return what ended a question as an error of the connection.

    ib_async cancels what was asked when the socket closes, and whoever awaits it hears a CancelledError that nobody meant for
    him: a task that passes it on ends without a word, and a group of tasks takes that for an end in order.

    Raises:
        asyncio.CancelledError: the task itself is meant.
    """
    task = asyncio.current_task()
    if isinstance(broken, asyncio.CancelledError) and task is not None and task.cancelling():
        raise broken
    return broken if isinstance(broken, GatewayError) else GatewayError("the socket closed while something was asked")
