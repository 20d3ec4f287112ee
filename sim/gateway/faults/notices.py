"""Faults that announce themselves: lost links, broken farms, other logins, pacing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.gateway.core.config import SECOND_NS
from sim.gateway.faults.rules import Item, Rule, Values, fault

if TYPE_CHECKING:
    from sim.gateway.core.session import Session

TEXTS = {
    1100: "Connectivity between IBKR and the gateway has been lost.",
    1101: "Connectivity between IBKR and the gateway has been restored - data lost.",
    1102: "Connectivity between IBKR and the gateway has been restored - data maintained.",
    1300: "The socket port has been reset and this connection is being dropped.",
    2103: "Market data farm connection is broken:usfarm",
    2104: "Market data farm connection is OK:usfarm",
    2105: "HMDS data farm connection is broken:ushmds",
    2106: "HMDS data farm connection is OK:ushmds",
    2107: "HMDS data farm connection is inactive but should be available upon demand.:ushmds",
    2108: "Market data farm connection is inactive but should be available upon demand.:usfarm",
    2110: "Connectivity between the gateway and the server is broken. It will be restored automatically.",
    2119: "Market data farm is connecting:usfarm",
    2157: "Sec-def data farm connection is broken:secdefnj",
    2158: "Sec-def data farm connection is OK:secdefnj",
    10197: "No market data during competing live session",
}
ORDER_MESSAGES = ("openOrder", "orderStatus", "execDetails", "commissionReport")
MENDED = {2103: 2104, 2105: 2106, 2157: 2158}


def tell_all(rule: Rule, code: int, text: str = "") -> None:
    """Send a system notice to every client."""
    for session in list(rule.gateway.sessions.values()):
        session.error(-1, code, text or TEXTS.get(code, "A notice."))


@fault("link-lost", "start", seconds=30.0, every=1.0, restored=1102)
def link_lost(rule: Rule) -> None:
    """At `after` notices 1100 begin, one each `every` seconds; after `seconds` comes 1101 or 1102. Orders go on trading meanwhile."""
    schedule = rule.gateway.schedule
    first = int(rule.when.after * SECOND_NS)
    for at in range(0, rule.ns("seconds"), max(SECOND_NS // 1000, rule.ns("every"))):
        schedule.after(first + at, lambda: tell_all(rule, 1100))
    schedule.after(first + rule.ns("seconds"), lambda: tell_all(rule, rule["restored"]))


@fault("callbacks-lost", "batch")
def callbacks_lost(rule: Rule, session: Session, items: list[Item]) -> list[Item]:
    """From `after` to `until` nothing about orders arrives, though orders trade: fills within a lost link."""
    return [item for item in items if item[1] not in ORDER_MESSAGES] if rule.in_time() else items


@fault("farm-broken", "start", seconds=10.0, code=2103)
def farm_broken(rule: Rule) -> None:
    """At `after` a farm breaks (`code` 2103, 2105 or 2157), `seconds` later it is mended (2104, 2106, 2158)."""
    first = int(rule.when.after * SECOND_NS)
    rule.gateway.schedule.after(first, lambda: tell_all(rule, rule["code"]))
    rule.gateway.schedule.after(first + rule.ns("seconds"), lambda: tell_all(rule, MENDED.get(rule["code"], 2104)))


@fault("notice", "start", code=2110, text="")
def notice(rule: Rule) -> None:
    """At `after` every client gets the notice `code`: 2107, 2108, 2110, 2119, 1300 or any other."""
    rule.gateway.schedule.after(int(rule.when.after * SECOND_NS), lambda: tell_all(rule, rule["code"], rule["text"]))


@fault("other-login", "start", seconds=60.0)
def other_login(rule: Rule) -> None:
    """At `after` somebody logs in elsewhere: 10197 to every client, and no ticks until `seconds` later."""
    first = int(rule.when.after * SECOND_NS)

    def begin() -> None:
        tell_all(rule, 10197)
        rule.gateway.answers.muted_until_ns = rule.gateway.schedule.now_ns + rule.ns("seconds")

    rule.gateway.schedule.after(first, begin)


@fault("pacing", "request")
def pacing(rule: Rule, session: Session, name: str, values: Values) -> bool:
    """A request for bars or ticks of the past is answered with 162, pacing violation."""
    if name not in ("reqHistoricalData", "reqHistoricalTicks") or not rule.fires(session.client_id):
        return False
    session.error(values["reqId"] or 0, 162, "Historical Market Data Service error message:Historical data request pacing violation")
    return True


@fault("no-data", "request")
def no_data(rule: Rule, session: Session, name: str, values: Values) -> bool:
    """A request for bars of the past is answered with 162, no data."""
    if name != "reqHistoricalData" or not rule.fires(session.client_id):
        return False
    session.error(values["reqId"] or 0, 162, "Historical Market Data Service error message:HMDS query returned no data")
    return True


@fault("not-subscribed", "request", code=354)
def not_subscribed(rule: Rule, session: Session, name: str, values: Values) -> bool:
    """A request for ticks is answered with `code`: 354, 10089, 10090, 10168, 10186."""
    if name != "reqMktData" or not rule.fires(session.client_id):
        return False
    session.error(values["reqId"] or 0, rule["code"], "Requested market data is not subscribed.")
    return True


@fault("midnight", "request")
def midnight(rule: Rule, session: Session, name: str, values: Values) -> bool:
    """Executions are gone: reqExecutions is answered with an empty list, as after midnight."""
    if name != "reqExecutions" or not rule.fires(session.client_id):
        return False
    session.send("execDetailsEnd", {"reqId": values["reqId"]})
    return True
