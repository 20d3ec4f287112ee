"""Faults of what is told of orders: late, twice, never, in another order, with other contents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.gateway.desk.orders import FILLED, WORKING, Order
from sim.gateway.faults.rules import Item, Rule, fault

if TYPE_CHECKING:
    from sim.gateway.core.session import Session

ACKS = ("openOrder", "orderStatus")
FILLS = ("execDetails", "commissionReport")


def order_of(session: Session, item: Item) -> Order | None:
    """Return the order that a message is about."""
    _, name, values = item
    desk = session.gateway.desk
    if name in ACKS:
        return desk.orders.get((values["clientId"], values["orderId"]))
    if name == "execDetails":
        return desk.by_perm.get(values["execution"].perm_id) if values["reqId"] == -1 else None
    if name == "commissionReport":
        done = next((e for e in reversed(desk.trader.filler.executions) if e.name == values["execId"]), None)
        return desk.by_perm.get(done.perm_id) if done else None
    return None


def picked(rule: Rule, session: Session, items: list[Item], *names: str) -> list[bool]:
    """Return for each message whether it is of these kinds and of an order that the rule picks."""
    return [item[1] in names and rule.picks(order_of(session, item)) for item in items]


def _delayed(rule: Rule, session: Session, items: list[Item], *names: str) -> list[Item]:
    hit = picked(rule, session, items, *names)
    return [(item[0] + rule.ns("seconds"), *item[1:]) if yes else item for item, yes in zip(items, hit)]


def _without(rule: Rule, session: Session, items: list[Item], *names: str) -> list[Item]:
    hit = picked(rule, session, items, *names)
    return [item for item, yes in zip(items, hit) if not yes]


def _twice(rule: Rule, session: Session, items: list[Item], *names: str) -> list[Item]:
    hit = picked(rule, session, items, *names)
    return [again for item, yes in zip(items, hit) for again in ([item, item] if yes else [item])]


def _is_list(items: list[Item]) -> bool:
    """Say whether these messages answer a question for open orders."""
    return any(name == "openOrderEnd" for _, name, _ in items)


def _first(rule: Rule, session: Session, items: list[Item], name: str) -> list[Item]:
    hit = picked(rule, session, items, name)
    return [item for item, yes in zip(items, hit) if yes] + [item for item, yes in zip(items, hit) if not yes]


@fault("ack-delay", "batch", seconds=5.0)
def ack_delay(rule: Rule, session: Session, items: list[Item]) -> list[Item]:
    """Acknowledgements (openOrder, orderStatus) arrive `seconds` late; executions and lists do not wait for them."""
    return items if _is_list(items) else _delayed(rule, session, items, *ACKS)


@fault("ack-never", "batch")
def ack_never(rule: Rule, session: Session, items: list[Item]) -> list[Item]:
    """Acknowledgements never arrive; only lists show where an order stands."""
    return items if _is_list(items) else _without(rule, session, items, *ACKS)


@fault("exec-first", "batch")
def exec_first(rule: Rule, session: Session, items: list[Item]) -> list[Item]:
    """The execution arrives before the first openOrder."""
    return _first(rule, session, items, "execDetails")


@fault("commission-first", "batch")
def commission_first(rule: Rule, session: Session, items: list[Item]) -> list[Item]:
    """The commission arrives before its execution."""
    return _first(rule, session, items, "commissionReport")


@fault("commission-late", "batch", seconds=180.0)
def commission_late(rule: Rule, session: Session, items: list[Item]) -> list[Item]:
    """The commission arrives `seconds` after its execution."""
    return _delayed(rule, session, items, "commissionReport")


@fault("commission-never", "batch")
def commission_never(rule: Rule, session: Session, items: list[Item]) -> list[Item]:
    """The commission never arrives."""
    return _without(rule, session, items, "commissionReport")


@fault("fill-untold", "batch")
def fill_untold(rule: Rule, session: Session, items: list[Item]) -> list[Item]:
    """Executions and commissions never arrive; only reqExecutions shows them."""
    listed = {values["execution"].name for _, name, values in items if name == "execDetails" and values["reqId"] != -1}
    hit = picked(rule, session, items, *FILLS)
    return [item for item, yes in zip(items, hit) if not yes or item[2].get("execId") in listed]


@fault("status-twice", "batch")
def status_twice(rule: Rule, session: Session, items: list[Item]) -> list[Item]:
    """Every orderStatus arrives twice."""
    return _twice(rule, session, items, "orderStatus")


@fault("exec-twice", "batch")
def exec_twice(rule: Rule, session: Session, items: list[Item]) -> list[Item]:
    """Every execution arrives twice under the same id."""
    return _twice(rule, session, items, *FILLS)


@fault("exec-two-ids", "batch")
def exec_two_ids(rule: Rule, session: Session, items: list[Item]) -> list[Item]:
    """Every execution arrives twice under two different ids, though only one happened."""
    out = []
    for item, yes in zip(items, picked(rule, session, items, "execDetails")):
        out.append(item)
        if yes:
            done = item[2]["execution"]
            other = done._replace(exec_id=done.exec_id[:8] + ".9" + done.exec_id[10:])
            out.append((item[0], item[1], {**item[2], "execution": other}))
    return out


@fault("status-backwards", "batch")
def status_backwards(rule: Rule, session: Session, items: list[Item]) -> list[Item]:
    """After Filled an old Submitted arrives."""
    out = []
    for item, yes in zip(items, picked(rule, session, items, "orderStatus")):
        out.append(item)
        if yes and item[2]["status"] == FILLED:
            old = {**item[2], "status": WORKING, "filled": "0", "remaining": item[2]["filled"], "avgFillPrice": "0"}
            out.append((item[0], item[1], old))
    return out


@fault("no-submitted", "batch")
def no_submitted(rule: Rule, session: Session, items: list[Item]) -> list[Item]:
    """Submitted is never told; lists show it."""
    if _is_list(items):
        return items
    hit = picked(rule, session, items, *ACKS)
    return [item for item, yes in zip(items, hit) if not (yes and item[2]["status"] == WORKING)]


@fault("shuffled", "batch")
def shuffled(rule: Rule, session: Session, items: list[Item]) -> list[Item]:
    """The messages of a turn about orders arrive in a drawn order."""
    if not rule.in_time():
        return items
    places = [at for at, yes in enumerate(picked(rule, session, items, *ACKS, *FILLS)) if yes]
    turn = rule.state["turn"] = rule.state.get("turn", 0) + 1
    drawn = sorted(places, key=lambda at: rule.draw(turn * 4096 + at))
    out = list(items)
    for place, other in zip(places, drawn):
        out[place] = items[other]
    return out


@fault("unknown-zone", "batch", zone="MET/Nowhere")
def unknown_zone(rule: Rule, session: Session, items: list[Item]) -> list[Item]:
    """Executions carry a time zone `zone` that nobody knows."""
    hit = picked(rule, session, items, "execDetails")
    return [(*item[:2], {**item[2], "override": {"time": _zoned(rule, item)}}) if yes else item for item, yes in zip(items, hit)]


def _zoned(rule: Rule, item: Item) -> str:
    from sim.gateway.desk.words import stamp

    return stamp(item[2]["execution"].time_ns, 174).rpartition(" ")[0] + f" {rule['zone']}"


@fault("unset-doubles", "batch")
def unset_doubles(rule: Rule, session: Session, items: list[Item]) -> list[Item]:
    """Commission and realized profit are told as numbers that were not set."""
    hit = picked(rule, session, items, "commissionReport")
    unset = {"commission": None, "realizedPNL": None}
    return [(*item[:2], {**item[2], **unset}) if yes else item for item, yes in zip(items, hit)]
