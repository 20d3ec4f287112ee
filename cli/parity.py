"""`onebook parity vectorbt`: the differential oracle on drawn or on a person's own prices.

Theory of operation. The command draws cases, hands them to `sim.parity.oracle` and prints
its report. A difference is a finding: exit code 3.
"""

from __future__ import annotations

from typing import Any

import click

from cli.common import leaf
from cli.exits import Code
from cli.output import facts, table, voice
from cli.settings import Settings


@click.group()
def parity() -> None:
    """Compare onebook with other engines, order by order."""


@parity.command("vectorbt")
@click.option("--runs", type=click.IntRange(1, 1_000_000), default=300, show_default=True, help="Random configurations.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Names the configurations.")
@click.option("--engine", type=click.Choice(("both", "numba", "rust")), default="both", show_default=True, help="Of vectorbt.")
@click.option("--data", "source", help="Prices to draw from: sp500, nasdaq, a CSV or Parquet file, a LEAN folder.")
@click.option("--symbol", "symbols", multiple=True, metavar="A,B", help="Instruments of --data; a LEAN folder needs them.")
@click.option("--start", metavar="DATE", help="First trading date of --data.")
@click.option("--end", metavar="DATE", help="Last trading date of --data.")
@click.option("--repair", "repairs", multiple=True, metavar="NAME", help="A repair --data may get.")
@leaf
def vectorbt(
    settings: Settings, runs: int, seed: int, engine: str, source: str | None, symbols: tuple[str, ...],
    start: str | None, end: str | None, repairs: tuple[str, ...],
) -> None:  # fmt: skip
    """Run random configurations through onebook's ledger and through vectorbt, and name what differs.

    Orders, shared-cash weights and signals with stops, in turns: the same bar, column, side, size, price and fee bit
    for bit, and the same cash to 1e-6 in 1e6. Exit code 3 when anything differs.
    """
    speaker = voice()
    with speaker.progress() as say:
        say("loading vectorbt (its numba engine compiles for 10 to 20 seconds)")
        from sim.parity import oracle, vbt

        engines = vbt.ENGINES if engine == "both" else (engine,)
        market = None
        if source is not None:
            from sim.data import load

            wanted = [name.strip() for text in symbols for name in text.split(",") if name.strip()]
            reading: dict[str, Any] = {key: value for key, value in (("start", start), ("end", end)) if value is not None}
            market = oracle.market_of(load(source, wanted, repairs=repairs, **reading))
        report = oracle.parity(runs, seed, engines=engines, market=market, progress=say)
    document = report.document()
    speaker.document({**document, "data": source})
    _show(speaker, document)
    if not report.agrees:
        raise click.exceptions.Exit(Code.FINDING)


def _show(speaker: Any, document: dict[str, Any]) -> None:
    """Print the report as tables."""
    versions = ", ".join(f"{name} {number or 'not installed'}" for name, number in document["versions"].items())
    families = [(row["family"], row["runs"], row["judged"], row["orders"]) for row in document["families"]]
    numbers = ("runs", "judged", "filled")
    speaker.show(table(f"vectorbt beside onebook: {versions}", ("family", *numbers), families, numbers=numbers))
    reasons = [(row["vectorbt"], row["onebook"], row["count"]) for row in document["reasons"]]
    speaker.show(table("What became of the orders", ("vectorbt", "onebook", "count"), reasons, numbers=("count",)))
    rows: list[tuple[str, object]] = [
        (f"largest cash difference per 1e6, {engine}", f"{drift:.1e}") for engine, drift in document["cash_drift"].items()
    ]
    rows += [
        (f"one share in steps of 0.1 fills, {engine} (never drawn)", size)
        for engine, size in document["granularity_0.1"].items()
    ]
    rows += [("wishes our gate judged alike, long only", document["gate_asked"])]
    rows += [("fills of short positions our gate would refuse", document["gate_stricter"])]
    rows += [("differences", len(document["differences"]))]
    speaker.show(facts("", rows))
    found = [
        (d["case"], d["engine"], d["bar"], d["column"], d["field"], d["ours"], d["theirs"], d["likely"])
        for d in document["differences"][:20]
    ]
    if found:
        columns = ("case", "engine", "bar", "column", "field", "ours", "theirs", "likely because")
        speaker.show(table("First difference of each case", columns, found))
