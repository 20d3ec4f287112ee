"""What a broker said, word for word enough to be kept, as plain values.

Theory of operation. The adapter turns each callback of the wire into one Fact, before
any library above the wire has had an opinion. Facts carry the broker's own numbers:
quantities and prices as Decimal, money as Decimal or None where the wire said "unset".
A fact never changes; everything that is concluded from facts is concluded in `fold.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from json.encoder import encode_basestring_ascii
from types import NoneType
from typing import Any, NamedTuple

UNSET = Decimal("1e300")
"""Amounts at or beyond this are the wire's word for "not set"."""


class OrderSeen(NamedTuple):
    """An order in openOrder or completedOrder. `order_id` 0 and `client_id` -1: the message carried none."""

    time_ns: int
    order_ref: str
    order_id: int
    client_id: int
    perm_id: int
    account: str
    con_id: int
    symbol: str
    action: str
    quantity: Decimal
    order_type: str
    status: str
    filled: Decimal
    completed: bool
    reason: str = ""


class StatusSeen(NamedTuple):
    """An orderStatus. It says where an order stands, and never what was executed."""

    time_ns: int
    order_id: int
    client_id: int
    perm_id: int
    status: str
    filled: Decimal
    why_held: str = ""


class ExecutionSeen(NamedTuple):
    """An execDetails: an execution, or a correction of one. `time_ns` is the exchange's, not ours."""

    time_ns: int
    exec_id: str
    order_ref: str
    order_id: int
    client_id: int
    perm_id: int
    account: str
    con_id: int
    symbol: str
    side: str
    shares: Decimal
    price: Decimal
    cum_qty: Decimal


class CommissionSeen(NamedTuple):
    """A commissionReport. `commission` is None when the wire said "unset": unknown, and never 0."""

    time_ns: int
    exec_id: str
    commission: Decimal | None
    currency: str


class MessageSeen(NamedTuple):
    """An error, warning or note. `req_id` is an order's id, a request's id, or -1."""

    time_ns: int
    req_id: int
    code: int
    text: str


class PositionSeen(NamedTuple):
    """A position the broker holds for an account."""

    time_ns: int
    account: str
    con_id: int
    symbol: str
    quantity: Decimal
    average_cost: Decimal


Fact = OrderSeen | StatusSeen | ExecutionSeen | CommissionSeen | MessageSeen | PositionSeen


def amount(value: Any) -> Decimal | None:
    """Return a number of the wire as Decimal, None where it is unset or no number."""
    number = Decimal(str(value))
    return number if number.is_finite() and abs(number) < UNSET else None


def _form(kind: Any) -> str:
    """Return a fact's JSON with room for its values: making a dict of every fact, and encoding that, takes twice as long."""
    fields = ",".join(f'"{name}":%s' for name in kind._fields)
    return f'{{"fact":"{kind.__name__}",{fields}}}'


_KINDS: dict[str, Any] = {
    kind.__name__: kind for kind in (OrderSeen, StatusSeen, ExecutionSeen, CommissionSeen, MessageSeen, PositionSeen)
}
_FORMS = {kind: _form(kind) for kind in _KINDS.values()}
_VALUES: dict[type, Callable[[Any], str]] = {
    str: encode_basestring_ascii, int: str, bool: {True: "true", False: "false"}.__getitem__, NoneType: lambda _: "null",
    Decimal: lambda value: f'"{value!s}"',
}  # fmt: skip


def text(fact: Fact) -> str:
    """Return a fact as JSON: Decimals as text."""
    return _FORMS[type(fact)] % tuple([_VALUES.get(type(value), json.dumps)(value) for value in fact])


def from_words(said: dict[str, Any]) -> Fact:
    """Return the fact that `text` wrote, of what it says.

    Raises:
        ValueError: not one of the facts of this file.
    """
    kind = _KINDS.get(str(said.get("fact")))
    if kind is None:
        raise ValueError(f"{said.get('fact')!r} is no fact; expected one of {', '.join(_KINDS)}")
    decimals = {name for name, hint in kind.__annotations__.items() if "Decimal" in str(hint)}
    values = {
        name: Decimal(said[name]) if name in decimals and said[name] is not None else said[name] for name in kind._fields
    }
    fact: Fact = kind(**values)
    return fact
