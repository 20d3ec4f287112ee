"""Properties: what was written is what is read, and the fast roads agree with slow, obvious twins."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.sim.data import data_samples as samples
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sim.data import DataError, History, load
from sim.data.text import decimals, typed
from sim.data.text.table import column_of
from sim.data.zones import localize, zone_of

CALM = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PRICE = st.integers(10_000_000, 13_900_000)  # in 1e-5: moves of less than 40 %, so no bar looks like a split


@st.composite
def bars(draw: st.DrawFn) -> samples.Rows:
    """Draw valid daily bars with 0 to 5 decimals."""
    result = []
    for day in samples.sessions(draw(st.integers(2, 12))):
        low, middle, other, high = sorted(draw(st.lists(PRICE, min_size=4, max_size=4)))
        opened, closed = draw(st.permutations([middle, other]))
        prices = [str(Decimal(ticks).scaleb(-5)) for ticks in (opened, high, low, closed)]
        result.append([day.isoformat(), *prices, str(draw(st.integers(0, 10**12)))])
    return result


def _ticks(text: str, exp: int) -> int:
    value = Decimal(text).scaleb(exp)
    assert value == int(value)
    return int(value)


@CALM
@given(lines=bars())
def test_a_valid_history_survives_writing_and_loading_unchanged(lines: samples.Rows, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text(samples.text(lines))
    history = load(str(path))[0]
    for array, column in zip(history[8:12], (1, 2, 3, 4), strict=True):
        assert array.tolist() == [_ticks(line[column], history.price_exp) for line in lines]
    assert history.volume.tolist() == [int(line[5]) for line in lines]
    assert [np.datetime64(int(day) - 719_163, "D").astype(str) for day in history.day] == [
        line[0] for line in lines
    ]
    path.write_text(samples.text(_as_rows(history)))
    again = load(str(path))[0]
    assert all((a == b).all() for a, b in zip(history[5:13], again[5:13], strict=True))
    assert again.price_exp == history.price_exp and again.repairs == history.repairs == ()


def _as_rows(history: History) -> samples.Rows:
    prices = [
        [str(Decimal(tick).scaleb(-history.price_exp)) for tick in array.tolist()] for array in history[8:12]
    ]
    days = [str(np.datetime64(day - 719_163, "D")) for day in history.day.tolist()]
    return [list(row) for row in zip(days, *prices, map(str, history.volume.tolist()), strict=True)]


@CALM
@given(lines=bars(), data=st.data())
def test_a_mutated_file_is_refused_or_read_as_exactly_what_it_says(
    lines: samples.Rows, data: st.DataObject, tmp_path: Path
) -> None:
    text = samples.text(lines)
    at = data.draw(st.integers(len(samples.HEADER) + 1, len(text) - 1))
    new = data.draw(st.sampled_from(list('0123456789.,-"; \n\teEnN\0\xe9/:')) | st.just(""))
    mutated = text[:at] + new + text[at + 1 :]
    assume(mutated != text)
    path = tmp_path / "bars.csv"
    path.write_text(mutated)
    try:
        history = load(str(path))[0]
    except DataError as error:
        assert error.fix
        return
    assert history.repairs == ()
    said = [line.split(",") for line in mutated.splitlines()[1:]]
    for array, column in zip(history[8:12], (1, 2, 3, 4), strict=True):
        assert array.tolist() == [_ticks(line[column].replace('"', ""), history.price_exp) for line in said]
    assert history.volume.tolist() == [int(Decimal(line[5].replace('"', ""))) for line in said]


@CALM
@given(
    st.lists(
        st.one_of(
            st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=10**8, places=8).map(
                str
            ),
            st.text("0123456789.-+,eE xnaif", max_size=12),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_the_vectorised_number_parser_agrees_with_decimal(texts: list[str]) -> None:
    numbers = decimals.parse(column_of(texts), max(map(len, texts)))
    for at, text in enumerate(texts):
        if numbers.status[at] == decimals.OK:
            assert Fraction(int(numbers.mantissa[at]), 10 ** int(numbers.scale[at])) == Fraction(
                Decimal(text)
            )


@CALM
@given(
    values=st.lists(st.integers(0, 10**11), min_size=1, max_size=20),
    over=st.integers(1, 10**16),
    under=st.integers(1, 10**13),
)
def test_scaling_by_a_fraction_is_exact_and_half_even_on_both_roads(
    values: list[int], over: int, under: int
) -> None:
    factor = Fraction(over, under)
    assume(max(values) * over // under < 2**62)
    for part in (values, [value for value in values if value <= 10**10]):
        found = decimals.scale_exact(np.array(part, np.int64), factor)
        assert found.tolist() == [round(value * factor) for value in part]


def test_rounding_to_the_grid_is_half_even() -> None:
    texts = ["1.000000005", "1.000000015", "1.0000000150000001", "2.5"]
    numbers = decimals.parse(column_of(texts), 18)
    want = [int(Decimal(text).scaleb(8).quantize(Decimal(1), ROUND_HALF_EVEN)) for text in texts]
    assert decimals.to_ticks(numbers, 8).tolist() == want


@pytest.mark.parametrize(
    "name", ["America/New_York", "Europe/London", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]
)
def test_zones_agree_with_zoneinfo_hour_by_hour(name: str) -> None:
    first = datetime(2023, 1, 1, tzinfo=UTC)
    moments = [first + timedelta(minutes=30 * step) for step in range(2 * 24 * 400)]
    utc = np.array([int(moment.timestamp()) for moment in moments], np.int64) * 10**9
    zone, info = zone_of(name, int(utc[0]), int(utc[-1])), ZoneInfo(name)
    offsets = [moment.astimezone(info).utcoffset() for moment in moments]
    assert zone.offset_at(utc).tolist() == [
        int(offset.total_seconds()) * 10**9 for offset in offsets if offset is not None
    ]
    local = localize(zone.to_local(utc), zone)
    assert ((local.first == utc) | (local.second == utc)).all() and not local.missing.any()


@pytest.mark.parametrize("kind", ["text", "float", "decimal", "date", "timestamp"])
def test_parquet_columns_of_every_kind_give_the_history_of_the_csv(kind: str, tmp_path: Path) -> None:
    lines = samples.rows(60)
    csv = tmp_path / "bars.csv"
    csv.write_text(samples.text(lines))
    columns: dict[str, Any] = dict(zip(samples.HEADER.split(","), zip(*lines, strict=True), strict=True))
    days = [datetime.fromisoformat(day) for day in columns["date"]]
    if kind == "date":
        columns["date"] = [day.date() for day in days]
    elif kind == "timestamp":
        columns["date"] = pyarrow.array(days, pyarrow.timestamp("ns"))
    elif kind in ("float", "decimal"):
        maker = float if kind == "float" else Decimal
        columns |= {
            name: [maker(text) for text in columns[name]] for name in ("open", "high", "low", "close")
        }
        columns["volume"] = [int(text) for text in columns["volume"]]
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "bars.parquet")
    good, other = load(str(csv))[0], load(str(tmp_path / "bars.parquet"))[0]
    assert all((a == b).all() for a, b in zip(good[5:13], other[5:13], strict=True))
    assert good[:1] + good[2:5] == other[:1] + other[2:5]


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), 0.0, 0.1 + 0.2 - 0.3])
def test_parquet_numbers_that_are_no_prices_are_refused(value: float | None, tmp_path: Path) -> None:
    columns: dict[str, Any] = dict(
        zip(samples.HEADER.split(","), zip(*samples.rows(20), strict=True), strict=True)
    )
    columns["low"] = [float(text) for text in columns["low"]]
    columns["low"][7] = value
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "bars.parquet")
    with pytest.raises(DataError, match="row 8, column low"):
        load(str(tmp_path / "bars.parquet"))


def test_a_shuffled_file_sorts_back_to_the_good_one(tmp_path: Path) -> None:
    lines = samples.rows(80)
    path = tmp_path / "bars.csv"
    path.write_text(samples.text(lines))
    good = load(str(path))[0]
    random.Random(7).shuffle(lines)
    path.write_text(samples.text(lines))
    other = load(str(path), repairs=["sort"])[0]
    assert all((a == b).all() for a, b in zip(good[5:13], other[5:13], strict=True))
    assert other.repairs[0].name == "sort"


PRICES = st.one_of(
    st.integers(1, 10**7).map(lambda cents: cents / 100), st.decimals("0.00000001", "99999", places=8).map(float), st.floats(1e-9, 1e16),
    st.sampled_from([0.1 + 0.2, 1 / 3, 1e15, 123456789.12345678, 5e-324, float("nan"), float("inf"), 0.0, -0.0, -1.0, 2.0**53]),
)  # fmt: skip


def said(path: Path, **reading: Any) -> Any:
    """Return what a file loads as, or the complaint."""
    try:
        found = load(str(path), **reading)[0]
    except DataError as error:
        return re.sub(r"(:\d\d)\.0+", r"\1", str(error)).replace("'-0'", "'0'")  # a unit's zeros are written or not
    return [column.tolist() if isinstance(column, np.ndarray) else column for column in found]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(PRICES, min_size=2, max_size=12), st.sampled_from(["ns", "us", "ms", "s"]), st.sampled_from([None, "UTC", "America/New_York"]),
    st.sampled_from([None, "iso", "epoch-s"]), st.sampled_from([1, 60, 86_400]), st.sampled_from([0, 10**18, -1, 2.5, 7]),
)
def test_numbers_and_times_taken_as_such_say_what_their_text_says(
    tmp_path_factory: pytest.TempPathFactory, prices: list[float], unit: str, zone: str | None, form: str | None, step: int, volume: float
) -> None:
    times = pyarrow.array([(1_420_000_000 + at * step) * 10**9 for at in range(len(prices))], pyarrow.int64())
    stamp = times.cast(pyarrow.timestamp("ns", zone)).cast(pyarrow.timestamp(unit, zone), safe=False)
    columns = {name: pyarrow.array(prices, pyarrow.float64()) for name in ("open", "high", "low", "close")}
    path = tmp_path_factory.mktemp("typed") / "x.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"time": stamp, **columns, "volume": [volume] * len(prices)}), path)
    reading: dict[str, Any] = {"timezone": zone or "UTC", "calendar": "none", "date_format": form, "repairs": ["allow-jumps", "allow-gaps"]}
    taken = said(path, **reading)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typed, "known", lambda role, values: None)
        assert said(path, **reading) == taken


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e17, max_value=1e17) | st.integers(-(10**15), 10**15).map(lambda n: n / 1e6))
def test_a_float_is_taken_as_a_decimal_only_where_that_is_its_shortest_one(value: float) -> None:
    found = typed.decimals(np.array([value]))
    if found is not None:
        assert Decimal(int(found.value[0])).scaleb(-found.scale) == Decimal(repr(value))
    else:
        assert Decimal(repr(value)).normalize().as_tuple().exponent < -8 or abs(value) * 10**8 >= 10**15 or abs(value) >= 10**15
