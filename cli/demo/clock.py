"""ib_async on virtual time: its readings of the machine's clock become those of the loop.

Theory of operation. ib_async asks the machine for the time at five places. A day that is lived through in seconds needs
the loop's time there, and the machine's again afterwards: `virtual` replaces the five names and puts back what it found.
No file of ib_async is changed, and nothing outside this process.
"""

from __future__ import annotations

import asyncio
import datetime as real
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

PLACES = (("wrapper", "datetime"), ("wrapper", "time"), ("client", "time"), ("ib", "time"), ("ib", "datetime"))


@contextmanager
def virtual(loop: asyncio.AbstractEventLoop, start_ns: int) -> Iterator[None]:
    """Let ib_async read `start_ns` plus the loop's seconds until the block ends; `live.ib` was imported before."""

    def now_s() -> float:
        return start_ns / 1e9 + loop.time()

    class Moment(real.datetime):
        """datetime, with the loop's now."""

        @classmethod
        def now(cls, tz: real.tzinfo | None = None) -> Any:
            return real.datetime.fromtimestamp(now_s(), tz)

    module = SimpleNamespace(**{name: getattr(real, name) for name in real.__all__})
    module.datetime = Moment
    stands = {("wrapper", "datetime"): Moment, ("ib", "datetime"): module}
    with ExitStack() as undo:
        for place, name in PLACES:
            owner: ModuleType = sys.modules[f"ib_async.{place}"]
            undo.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, stands.get((place, name), SimpleNamespace(time=now_s)))
        yield
