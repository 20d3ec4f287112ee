"""Faults of the connection: bytes, sockets, admission, rate, restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.gateway.core.session import Phase
from sim.gateway.faults.faults import Cut
from sim.gateway.faults.rules import Rule, Values, fault
from sim.gateway.wire.frames import join

if TYPE_CHECKING:
    from sim.gateway.core.session import Session

Pieces = list[tuple[int, bytes | Cut]]
PAGE = 4096


def _at_byte(rule: Rule, session: Session, pieces: Pieces, end: Cut) -> Pieces:
    """Let bytes through up to a place of the connection, then end it."""
    out: Pieces = []
    for delay, piece in pieces:
        seen = rule.state.get(session, 0)
        if not isinstance(piece, bytes) or seen < 0:
            continue
        left = rule["at"] - seen
        if len(piece) < left or not rule.fires(session.client_id):
            rule.state[session] = seen + len(piece)
            out.append((delay, piece))
            continue
        rule.state[session] = -1
        out += [(delay, piece[: max(0, left)]), (delay, end)]
    return out


@fault("abort", "cut", at=1000)
def abort(rule: Rule, session: Session, pieces: Pieces) -> Pieces:
    """The connection is aborted after `at` bytes, in the middle of a frame or not."""
    return _at_byte(rule, session, pieces, Cut.ABORT)


@fault("reset", "cut", at=1000)
def reset(rule: Rule, session: Session, pieces: Pieces) -> Pieces:
    """The connection is reset (RST) after `at` bytes."""
    return _at_byte(rule, session, pieces, Cut.RESET)


@fault("half-close", "cut", at=1000)
def half_close(rule: Rule, session: Session, pieces: Pieces) -> Pieces:
    """The gateway stops writing after `at` bytes and goes on reading."""
    return _at_byte(rule, session, pieces, Cut.HALF_CLOSE)


@fault("split", "cut", size=1)
def split(rule: Rule, session: Session, pieces: Pieces) -> Pieces:
    """Bytes arrive in pieces of 1 to `size` bytes."""
    out: Pieces = []
    for delay, piece in pieces:
        if not isinstance(piece, bytes) or not rule.in_time():
            out.append((delay, piece))
            continue
        at = 0
        while at < len(piece):
            width = 1 + int(rule.draw(at) * max(1, rule["size"]))
            out.append((delay, piece[at : at + width]))
            at += width
    return out


@fault("coalesce", "cut", seconds=0.1)
def coalesce(rule: Rule, session: Session, pieces: Pieces) -> Pieces:
    """Everything of `seconds` arrives as one burst."""
    if not rule.in_time():
        return pieces
    held: list[bytes] = rule.state.setdefault(session, [])
    empty = not held
    held += [piece for _, piece in pieces if isinstance(piece, bytes)]

    def burst() -> None:
        session.push(b"".join(held))
        held.clear()

    if empty and held:
        rule.gateway.schedule.after(rule.ns("seconds"), burst)
    return []


@fault("burst-4096", "cut")
def burst(rule: Rule, session: Session, pieces: Pieces) -> Pieces:
    """Each burst is filled with a notice 2106 up to a multiple of 4096 bytes, which some clients cannot read."""
    out: Pieces = []
    for delay, piece in pieces:
        if isinstance(piece, bytes) and session.phase is Phase.READY and rule.fires(session.client_id):
            json = [""] if session.version >= 166 else []
            bare = len(join(["4", "2", "-1", "2106", "", *json]))
            more = -(len(piece) + bare) % PAGE
            piece += join(["4", "2", "-1", "2106", "x" * more, *json])
        out.append((delay, piece))
    return out


@fault("client-id-in-use", "admit")
def client_id_in_use(rule: Rule, session: Session, client_id: int) -> bool:
    """The client is refused with 326, as if its id were connected."""
    return rule.fires(client_id)


@fault("rate-exceeded", "request")
def rate_exceeded(rule: Rule, session: Session, name: str, values: Values) -> bool:
    """A request is answered with error 100 and the connection ends."""
    if not rule.fires(session.client_id):
        return False
    session.error(-1, 100, "Max rate of messages per second has been exceeded")
    session.settle()
    session.close()
    return True


@fault("read-only", "request")
def read_only(rule: Rule, session: Session, name: str, values: Values) -> bool:
    """Orders and cancels are answered with error 321."""
    if name not in ("placeOrder", "cancelOrder") or not rule.fires(session.client_id):
        return False
    session.error(values["orderId"] or 0, 321, "Error validating request: the API interface is in Read-Only mode.")
    return True


@fault("unanswered", "request", message="reqPositions")
def unanswered(rule: Rule, session: Session, name: str, values: Values) -> bool:
    """A request of the kind `message` gets no answer, ever."""
    return name == rule["message"] and rule.fires(session.client_id)


@fault("refused-321", "request", message="reqPositions")
def refused(rule: Rule, session: Session, name: str, values: Values) -> bool:
    """A request of the kind `message` is answered with error 321."""
    if name != rule["message"] or not rule.fires(session.client_id):
        return False
    number = values.get("reqId", values.get("orderId"))
    session.error(-1 if number is None else number, 321, "Error validating request")
    return True


@fault("no-login", "admit")
def no_login(rule: Rule, session: Session, client_id: int) -> bool:
    """From `after` to `until` the socket opens and nothing follows: the gateway waits for somebody to log in."""
    if rule.in_time():
        session.mute = True
    return False


@fault("connections-refused", "shut")
def connections_refused(rule: Rule) -> bool:
    """From `after` to `until` nobody can connect."""
    return rule.in_time()


@fault("restart", "start", seconds=60.0)
def restart(rule: Rule) -> None:
    """At `after` every connection ends; `seconds` long nobody can connect. The nightly restart."""
    rule.gateway.schedule.after(int(rule.when.after * 10**9), lambda: _restart(rule))


def _restart(rule: Rule) -> None:
    gateway = rule.gateway
    gateway.shut_until_ns = gateway.schedule.now_ns + rule.ns("seconds")
    for session in list(gateway.connections):
        session.close()


@fault("lost-at-restart", "request", seconds=60.0, window=5.0)
def lost_at_restart(rule: Rule, session: Session, name: str, values: Values) -> bool:
    """Orders sent within `window` before the restart at `after` are lost, and the next order id is rolled back to the first of them."""
    elapsed, after = rule.elapsed(), rule.when.after
    if not rule.state.get("armed"):
        rule.state["armed"] = True
        rule.gateway.schedule.after(max(0, int((after - elapsed) * 10**9)), lambda: _restart(rule))
    if name != "placeOrder" or not after - rule["window"] <= elapsed < after:
        return False
    client = session.client_id
    rule.gateway.next_ids[client] = min(rule.gateway.next_ids.get(client, values["orderId"] or 0), values["orderId"] or 0)
    return True


@fault("ids-reset", "start", seconds=60.0)
def ids_reset(rule: Rule) -> None:
    """The restart at `after` sets every client's next order id back to 1."""

    def again() -> None:
        rule.gateway.next_ids.clear()
        _restart(rule)

    rule.gateway.schedule.after(int(rule.when.after * 10**9), again)


@fault("silence", "cut")
def silence(rule: Rule, session: Session, pieces: Pieces) -> Pieces:
    """From `after` to `until` the connection stays open and nothing arrives; what was said is lost."""
    return [] if rule.in_time() else pieces
