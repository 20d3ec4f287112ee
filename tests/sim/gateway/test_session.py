"""The session: handshake, gate, client ids, rate, bytes in any shape."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.gateway.core.session import Phase, version_of
from sim.gateway.wire.frames import LENGTH_MAX, frame, join
from tests.sim.gateway.peer import Peer, fresh, names, only


@pytest.mark.parametrize(
    ("offer", "version"),
    [("v157..178", 178), ("v100..157", 157), ("v100..225", 178), ("v157..160 +PACEAPI", 160), ("v178", 178), ("v163..163", 163),
     ("v100..156", None), ("v179..225", None), ("", None), ("v..", None), ("x", None), ("v1..99999999", None)],
)  # fmt: skip
def test_the_version_is_the_highest_both_speak(offer, version):
    assert version_of(offer) == version


def test_nothing_is_said_between_the_version_and_start_api():
    peer = Peer(fresh(), start=False)
    assert peer.hello == ["178", "20260302 09:30:00 EST"]
    for name in ("reqCurrentTime", "reqPositions", "placeOrder"):
        assert peer.ask(name) == []
    peer.raw(join(["71", "2", "1", ""]))
    assert names(peer.look())[:2] == ["managedAccounts", "nextValidId"]


def test_a_client_that_speaks_no_common_version_is_let_go():
    peer = Peer(fresh(), offer="v100..156", start=False)
    assert peer.session.closing and peer.bodies == []


def test_a_client_id_in_use_is_refused_with_326_and_the_first_client_stays():
    gateway = fresh()
    first, second = Peer(gateway, 5), Peer(gateway, 5)
    assert [row["code"] for row in only(second.look(), "error")] == [326]
    assert second.session.closing and gateway.sessions[5] is first.session
    second.session.closed()
    assert names(first.ask("reqCurrentTime")) == ["currentTime"]
    first.session.closed()
    assert names(Peer(gateway, 5).look())[:2] == ["managedAccounts", "nextValidId"]


def test_the_fifty_first_message_of_a_second_is_refused_with_100_and_the_third_time_ends_it():
    gateway = fresh(rate_limit=50)
    peer = Peer(gateway)
    peer.look()
    for _ in range(50):
        assert names(peer.ask("reqCurrentTime")) == ["currentTime"]
    for _ in range(3):
        assert [row["code"] for row in only(peer.ask("reqCurrentTime"), "error")] == [100]
    assert peer.session.closing
    other = Peer(gateway, 2)
    for _ in range(50):
        other.ask("reqCurrentTime")
    other.wait(1)
    assert names(other.ask("reqCurrentTime")) == ["currentTime"]


def test_a_read_only_gateway_answers_orders_with_321():
    peer = Peer(fresh(read_only=True))
    assert [row["code"] for row in only(peer.order(1), "error")] == [321]
    assert [row["code"] for row in only(peer.ask("cancelOrder", orderId=1), "error")] == [321]
    assert names(peer.ask("reqPositions")) == ["positionEnd"]


def test_next_valid_id_belongs_to_the_client_id_and_survives_reconnecting():
    gateway = fresh()
    first = Peer(gateway, 1)
    first.order(41)
    first.session.closed()
    assert only(Peer(gateway, 1).look(), "nextValidId")[0]["orderId"] == 42
    assert only(Peer(gateway, 2).look(), "nextValidId")[0]["orderId"] == 1


def scripted() -> bytes:
    return b"API\0" + frame(b"v157..178") + b"".join(join(f) for f in (["71", "2", "1", ""], ["61", "1"], ["49", "1"], ["99", "0"]))


def transcript(pieces) -> bytes:
    gateway = fresh()
    session = gateway.connect()
    out = b""
    for piece in pieces:
        session.receive(piece)
        gateway.settle()
        out += session.take()
    return out


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, len(scripted()) - 1), max_size=12))
def test_bytes_in_pieces_of_any_size_give_the_same_answer(cuts):
    data = scripted()
    edges = [0, *sorted(set(cuts)), len(data)]
    assert transcript([data[a:b] for a, b in zip(edges, edges[1:])]) == transcript([data])


def test_one_byte_at_a_time_gives_the_same_answer():
    data = scripted()
    assert transcript([data[i : i + 1] for i in range(len(data))]) == transcript([data])


def test_a_frame_above_sixteen_megabytes_ends_the_connection_before_it_is_read():
    peer = Peer(fresh())
    peer.raw((LENGTH_MAX + 1).to_bytes(4, "big"))
    assert peer.session.closing


def test_an_unknown_message_is_counted_and_the_session_goes_on():
    peer = Peer(fresh())
    peer.raw(join(["9999", "1", "x"]))
    assert peer.session.unknown == 1 and peer.session.phase is Phase.READY
    assert names(peer.ask("reqCurrentTime")) == ["currentTime"]


def test_a_message_that_cannot_be_read_is_answered_with_320_and_its_id():
    peer = Peer(fresh())
    peer.look()
    peer.raw(join(["94", "17"]))
    (row,) = only(peer.look(), "error")
    assert (row["reqId"], row["code"]) == (17, 320) and "pnl" in row["text"].lower()
