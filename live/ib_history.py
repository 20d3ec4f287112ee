"""Past bars of a paper gateway on this machine: the questions of a download, asked through ib_async.

Theory of operation. A `Library` is one read-only connection of its own, with a client id of its own, so a
download shares nothing with trading. It is synchronous: one question, one answer, a time limit
on each. Errors of the gateway are told apart by their numbers: asked too fast, nothing
there, will not answer. Prices leave as the shortest decimal text of what came.

The names of the three errors and the shape of a question are those of the caller, who hands
them in; this file imports nothing of the simulation.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, date, datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

import ib_async

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TIMEOUT_S = 60.0
NO_DATA = "no data"
PACING = "pacing"
REFUSING = frozenset({200, 321, 354, 10089, 10090, 10168, 10186, 10187})
"""Numbers that no second question changes: no such contract, a wrong request, no subscription."""


class Errors(NamedTuple):
    """The caller's exceptions: asked too fast, no answer this time, no answer ever."""

    slowed: type[Exception]
    unanswered: type[Exception]
    refused: type[Exception]


class Library:
    """A connection that answers questions about the past; use it in a `with`."""

    def __init__(
        self, errors: Errors, row: Callable[..., Any], *, host: str = "127.0.0.1", port: int = 4002, client_id: int = 77,
        exchange: str = "SMART", currency: str = "USD", timeout_s: float = TIMEOUT_S,
    ) -> None:  # fmt: skip
        """Remember where to connect; nothing is sent before `with`.

        Args:
            errors: what to raise. row: makes a bar of (start_ns, open, high, low, close, volume).
        """
        self.errors, self.row = errors, row
        self.host, self.port, self.client_id = host, port, client_id
        self.exchange, self.currency, self.timeout_s = exchange, currency, timeout_s
        self._ib = ib_async.IB()
        self._runner = asyncio.Runner()
        self._said: list[tuple[int, str]] = []
        self._contracts: dict[str, Any] = {}
        self._ended: asyncio.Future[None] | None = None

    def __enter__(self) -> Self:
        if self.host not in LOOPBACK:
            raise self.errors.refused(f"{self.host} is not this machine; the gateway runs here, at 127.0.0.1")
        # Without a handler Python prints the library's complaints on its own; they come to `_heard` as well.
        logging.getLogger("ib_async").addHandler(logging.NullHandler())
        self._ib.errorEvent += self._heard
        try:
            self._runner.run(self._connect())
        except (OSError, TimeoutError) as error:
            self._runner.close()
            reason = str(error) or "it did not answer in time"
            raise self.errors.refused(f"no gateway at {self.host}:{self.port}: {reason}; start one, or pass --port") from error
        except Exception:
            self._runner.close()
            raise
        return self

    async def _connect(self) -> None:
        await self._ib.connectAsync(
            self.host, self.port, self.client_id, timeout=10, readonly=True, raiseSyncErrors=False, fetchFields=ib_async.StartupFetch(0)
        )
        live = [account for account in self._ib.managedAccounts() if not account.startswith("D")]
        if live:
            self._ib.disconnect()
            raise self.errors.refused(f"account {live[0]} is no paper account; log the gateway in to paper trading")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        async def leave() -> None:
            self._ib.disconnect()

        self._runner.run(leave())
        self._runner.close()

    def _heard(self, _request: int, code: int, text: str, _contract: Any = None) -> None:
        if not 2100 <= code < 2200:  # notices about data farms answer no question
            self._said.append((code, text))
        if code in REFUSING and self._ended is not None and not self._ended.done():
            # The library takes some of these for warnings and would wait for an answer that never comes.
            self._ended.set_result(None)

    def _contract(self, symbol: str) -> Any:
        return self._contracts.setdefault(symbol, ib_async.Stock(symbol, self.exchange, self.currency))

    def head_ns(self, symbol: str, what: str) -> int | None:
        """Return when the first bar began in UTC ns, None when the gateway does not say."""
        question = self._ib.reqHeadTimeStampAsync(self._contract(symbol), what, True, 2)
        when = self._answer(question)
        return int(when.timestamp()) * 10**9 if isinstance(when, datetime) else None

    def bars(self, question: Any) -> list[Any]:
        """Return the bars of a question (symbol, end_ns, duration, size, what), oldest first."""
        end: Any = datetime.fromtimestamp(question.end_ns // 10**9, UTC) if question.end_ns else ""
        asked = self._ib.reqHistoricalDataAsync(
            self._contract(question.symbol), end, question.duration, question.size, question.what, True, 2, False, [], self.timeout_s
        )
        found = self._answer(asked)
        return [self._row(bar) for bar in found or []]

    def _row(self, bar: Any) -> Any:
        when = bar.date
        if isinstance(when, datetime):
            start_ns = round(when.timestamp()) * 10**9
        else:
            start_ns = (when.toordinal() - date(1970, 1, 1).toordinal()) * 86_400 * 10**9
        numbers = [_text(value) for value in (bar.open, bar.high, bar.low, bar.close)]
        return self.row(start_ns, *numbers, _text(max(0.0, float(bar.volume))))

    def _answer(self, question: Any) -> Any:
        """Wait for an answer; raise what the gateway's error means."""
        self._said.clear()
        try:
            found = self._runner.run(self._limited(question))
        except TimeoutError:
            raise self.errors.unanswered("no answer in time") from None
        except ConnectionError as error:
            raise self.errors.unanswered(f"the connection to the gateway was lost: {error}") from error
        if not found and self._said:
            self._refused()
        if not found and not self._ib.isConnected():
            raise self.errors.unanswered("the connection to the gateway was lost")
        return found

    async def _limited(self, question: Any) -> Any:
        """Return the answer, or None when an error has ended the question."""
        self._ended = asyncio.get_running_loop().create_future()
        asked = asyncio.ensure_future(question)
        try:
            done, _ = await asyncio.wait({asked, self._ended}, timeout=self.timeout_s + 5, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                raise TimeoutError
            return asked.result() if asked in done else None
        finally:
            asked.cancel()
            self._ended = None

    def _refused(self) -> None:
        """Return for an empty stretch; raise for everything else the gateway said."""
        code, text = next(((code, text) for code, text in self._said if code in (162, 420) or code in REFUSING), self._said[-1])
        if PACING in text.lower() or code == 420:
            raise self.errors.slowed(text)
        if code == 162 and NO_DATA in text.lower():
            return
        if code in REFUSING or code == 162:
            raise self.errors.refused(f"the gateway answers {code}: {text}")
        raise self.errors.unanswered(f"the gateway answers {code}: {text}")


def _text(value: float) -> str:
    """Return a number that came as float in its shortest decimal form, without an exponent."""
    text = f"{value:.10f}".rstrip("0").rstrip(".") if "e" in repr(value) else repr(value)
    return text.removesuffix(".0")
