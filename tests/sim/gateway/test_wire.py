"""The wire: every table at every version reads back what it wrote, and nothing read can break it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.gateway.desk.orders import OPEN_DEFAULTS
from sim.gateway.page import PAGE, page
from sim.gateway.wire import requests, responses
from sim.gateway.wire.frames import Splitter, frame, join, split
from sim.gateway.wire.kinds import INFINITE, UNSET_DOUBLE, UNSET_INT, BadField, KINDS
from sim.gateway.wire.table import NEWEST, OLDEST, Field, Many, Switch, Template, When, WireError, words
from tests.sim.gateway.peer import Peer, fresh, names

TABLES = [*requests.REQUESTS, *responses.RESPONSES]
VERSIONS = range(OLDEST, NEWEST + 1)
TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=6)
NUMBER = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9)
VALUES = {
    "text": TEXT, "int": st.none() | st.integers(-(2**31), 2**31 - 2), "imax": st.none() | st.integers(-(2**31), 2**31 - 2),
    "num": st.none() | NUMBER | st.just(INFINITE), "dmax": st.none() | NUMBER, "bool": st.booleans(),
}  # fmt: skip
STEERING = {
    "secType": st.sampled_from(["STK", "BAG", "OPT"]), "orderType": st.sampled_from(["LMT", "PEG BENCH", "PEG BEST", "PEG MID"]),
    "exchange": st.sampled_from(["SMART", "IBKRATS"]), "deltaNeutralOrderType": st.sampled_from(["", "None", "LMT"]),
    "hedgeType": st.sampled_from(["", "D"]), "algoStrategy": st.sampled_from(["", "Adaptive"]),
}  # fmt: skip


@st.composite
def values(draw, parts, version):
    """Draw what a table can carry at a version."""
    found = {}
    for part in parts:
        if isinstance(part, Field):
            if part.kind is not None and part.since <= version < part.before:
                found[part.name] = draw(STEERING.get(part.name, VALUES[part.kind.name]))
        elif isinstance(part, Many):
            found[part.name] = draw(st.lists(values(part.parts, version), max_size=3))
        elif isinstance(part, When):
            if part.test(found.get(part.name)):
                found.update(draw(values(part.parts, version)))
        elif isinstance(part, Switch):
            case = draw(st.sampled_from(sorted(part.cases)))
            found[part.name] = case
            found.update(draw(values(part.cases[case], version)))
    return found


@pytest.mark.parametrize("table", TABLES, ids=lambda table: f"{table.number}-{table.name}")
@settings(max_examples=25, deadline=None)
@given(data=st.data(), version=st.integers(OLDEST, NEWEST))
def test_every_table_reads_back_what_it_wrote_at_every_version(table, data, version):
    sent = data.draw(values(table.parts, version))
    fields = table.encode(sent, version)
    (body,) = Splitter().feed(join(fields))
    assert split(body) == fields or fields[-1] == ""
    assert table.decode(fields, version) == sent


@pytest.mark.parametrize("version", VERSIONS)
def test_at_every_version_every_table_lays_out_and_reads_its_own_empty_message(version):
    for table in TABLES:
        empty = {part.name: sorted(part.cases)[0] for part in table.parts if isinstance(part, Switch)}
        assert table.decode(table.encode(empty, version), version) is not None


@pytest.mark.parametrize(
    ("name", "counts"),
    [("openOrder", {157: 128, 170: 136, 176: 136, 177: 135, 178: 135}), ("completedOrder", {157: 96, 176: 101, 178: 100})],
)
def test_orders_have_as_many_fields_as_a_real_gateway_sends(name, counts):
    table = responses.BY_NAME[name]
    assert {v: len(table.encode({"deltaNeutralOrderType": "None"}, v)) for v in counts} == counts


@pytest.mark.parametrize(("name", "count"), [("tickPrice", 7), ("commissionReport", 8), ("position", 16), ("updatePortfolio", 20)])
def test_messages_that_clients_read_strictly_have_exactly_their_fields(name, count):
    for version in VERSIONS:
        assert len(responses.BY_NAME[name].encode({}, version)) == count


def test_numbers_and_names_are_used_once_in_each_direction():
    for tables in (requests.REQUESTS, responses.RESPONSES):
        assert len({t.number for t in tables}) == len({t.name for t in tables}) == len(tables)


@pytest.mark.parametrize("unset", ["", UNSET_INT, UNSET_DOUBLE, "1.7976931348623157e+308"])
def test_a_number_that_was_not_set_is_none_and_never_zero(unset):
    assert KINDS["num"].read(unset) is None
    assert unset not in ("", UNSET_INT) or KINDS["int"].read(unset) is None


@pytest.mark.parametrize("field", ["abc", "nan", "-inf", "1_0.5", "0x1", "1e-60", "--1"])
def test_what_is_no_number_is_refused(field):
    with pytest.raises(BadField):
        KINDS["num"].read(field)


@pytest.mark.parametrize("field", ["1.5", "inf", "99999999999999999999", "1e400", "x" * 10_000])
def test_what_is_no_whole_number_is_refused(field):
    with pytest.raises(BadField):
        KINDS["int"].read(field)


@pytest.mark.parametrize("field", ["2", "yes", "-1", "TRUE"])
def test_what_is_no_flag_is_refused(field):
    with pytest.raises(BadField):
        KINDS["bool"].read(field)


def test_a_word_that_declares_no_field_is_an_error():
    for word in ("a:", "a:nothing", "a>157", "*"):
        with pytest.raises(ValueError, match="declares no field"):
            words(word)


def test_a_count_beyond_the_fields_that_follow_is_refused_at_once():
    with pytest.raises(WireError, match="2000000000 bars are announced"):
        responses.BY_NAME["historicalData"].decode(["17", "1", "", "", "2000000000"], 178)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=6), st.integers(1, 9))
def test_frames_come_out_whole_however_they_are_cut(bodies, size):
    data, splitter, found = b"".join(map(frame, bodies)), Splitter(), []
    for at in range(0, len(data), size):
        found += splitter.feed(data[at : at + size])
    assert found == bodies and len(splitter) == 0


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_truncated_extended_and_random_messages_never_break_a_session(data):
    peer = Peer(fresh())
    for _ in range(data.draw(st.integers(1, 4))):
        table = data.draw(st.sampled_from(requests.REQUESTS))
        fields = table.encode(data.draw(values(table.parts, peer.version)), peer.version)
        kind = data.draw(st.sampled_from(["cut", "more", "garble", "noise"]))
        if kind == "cut":
            fields = fields[: data.draw(st.integers(1, len(fields)))]
        elif kind == "more":
            fields = [*fields, *data.draw(st.lists(TEXT, max_size=5))]
        elif kind == "garble":
            fields[data.draw(st.integers(0, len(fields) - 1))] = data.draw(TEXT)
        else:
            peer.raw(frame(data.draw(st.binary(max_size=60))))
        peer.raw(join(fields))
        peer.wait(2)
    if not peer.session.closing:
        assert "currentTime" in names(peer.ask("reqCurrentTime"))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_never_break_a_connection(data):
    gateway = fresh()
    session = gateway.connect()
    session.receive(data)
    session.receive(b"API\0" + data)
    gateway.settle()
    session.take()
    session.closed()
    assert not gateway.connections


def test_the_page_of_messages_and_faults_is_what_the_tables_give():
    assert PAGE.read_text(encoding="utf-8") == page(), "docs/gateway.md is out of date; run make docs"


def test_decimals_pass_through_without_an_exponent():
    for number in ("100", "0.00005", "1E+2", "1E-7"):
        assert Decimal(KINDS["num"].write(Decimal(number))) == Decimal(number) and "E" not in KINDS["num"].write(Decimal(number))


@settings(max_examples=200, deadline=None)
@given(data=st.data(), version=st.integers(OLDEST, NEWEST))
def test_a_template_writes_what_the_plan_writes(data, version):
    plan = responses.BY_NAME["openOrder"].plan(version)
    drawn = data.draw(values(responses.BY_NAME["openOrder"].parts, version))
    kept = data.draw(st.lists(st.sampled_from(sorted(drawn)), max_size=40))
    changes = {name: drawn[name] for name in kept} if data.draw(st.booleans()) else drawn
    assert Template(plan, OPEN_DEFAULTS).encode(changes) == plan.encode({**OPEN_DEFAULTS, **changes})
