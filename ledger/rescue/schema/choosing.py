"""Which program wrote a file, told by its tables and columns and never by its date or name.

Theory of operation. Each schema has a test of the columns that only it has. If none fits, the message
says what was found and what each schema needs. A user may name the schema (`--as`); the test must then
still hold, because reading a file as something else gives figures without a meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ledger.rescue.errors import RescueError
from ledger.rescue.legacy import Legacy
from ledger.rescue.raw import RawFile
from ledger.rescue.readers.opening import Progress
from ledger.rescue.schema import bottrader, ib_statement, plain, robo_trader
from ledger.rescue.schema.options import Options


class Schema(NamedTuple):
    """How a schema is known, what it needs, and what reads it."""

    fits: Callable[[RawFile], str | None]
    needs: str
    read: Callable[[RawFile, str, Options, Progress | None], Legacy]


FORMS: Mapping[str, Schema] = {
    "robo-trader": Schema(robo_trader.generation, robo_trader.NEEDS, robo_trader.read),
    "bottrader": Schema(bottrader.generation, bottrader.NEEDS, bottrader.read),
    "ib-flex": Schema(ib_statement.generation, ib_statement.NEEDS, ib_statement.read),
    "trades-csv": Schema(plain.generation, plain.NEEDS, plain.read),
}
"""In the order in which they are tried: the most particular first."""


def identify(source: RawFile, wanted: str | None = None) -> tuple[str, str]:
    """Return (schema, generation) of a file.

    Raises:
        RescueError: none fits, or not the wanted one; the message names tables and columns.
    """
    for name in [wanted] if wanted else FORMS:
        if (found := FORMS[name].fits(source)) is not None:
            return name, found
    tables = "; ".join(f"{t.name} ({', '.join(t.columns[:8])})" for t in list(source.tables.values())[:6]) or "no table"
    needs = "\n".join(f"  {name}: {FORMS[name].needs}" for name in ([wanted] if wanted else FORMS))
    raise RescueError(f"{source.path} is of no schema known here. Found: {tables}. Expected one of:\n{needs}")


def legacy_of(source: RawFile, options: Options, progress: Progress | None = None) -> Legacy:
    """Return what a file says of its account.

    Raises:
        RescueError: no schema fits.
    """
    name, generation = identify(source, options.form)
    return FORMS[name].read(source, generation, options, progress)
