"""What IBKR's message codes prove, as rows of data; a code nobody listed proves nothing.

Theory of operation. A message from the gateway carries a number. What follows from it
depends on what it is about: the link, an order, or data. Each table maps numbers to
one word, and the words are all that the rest of this room knows. The rule for orders
is a whitelist: only the codes under REJECTED say that nothing is live, and only
before the broker acknowledged the order; every other code leaves it as it was or
makes it UNKNOWN, which is left by evidence alone.

Source: IBKR's TWS API message codes, and what users of the API reported of them.
"""

from __future__ import annotations

from enum import Enum


class LinkNews(Enum):
    """What a code says of the connection between gateway and IBKR."""

    LOST = "lost"  # no order may leave; callbacks are still worked off
    RESTORED = "restored"  # reconcile
    RESTORED_DATA_LOST = "restored, data lost"  # reconcile and subscribe anew
    PORT_MOVED = "port moved"  # connect again
    RATE_EXCEEDED = "rate exceeded"  # our pacer has a fault: halt, reconcile
    ID_IN_USE = "client id in use"  # try the same id again, never another one
    DATA_STALE = "data stale"
    DATA_FRESH = "data fresh"
    OTHER_LOGIN = "another login has the data"
    INFORMATION = "information"


class OrderNews(Enum):
    """What a code says of one order."""

    REJECTED = "rejected"  # nothing is live, if the broker had not acknowledged it
    CANCELED = "canceled"
    EXISTS = "exists"  # whatever was refused, the order itself is there
    NOTE = "note"
    MISSING = "missing"  # this gateway's book does not have the id: find out
    ID_TAKEN = "id taken"  # perhaps by our own lost order: find out
    INVALID = "invalid request"  # also how a read-only gateway answers
    UNPROVEN = "unproven"  # not listed: find out


class DataNews(Enum):
    """What a code says of a request for data."""

    NO_CONTRACT = "no such contract"
    NOT_SUBSCRIBED = "not subscribed"
    DELAYED = "delayed data"
    HISTORY = "historical request refused"
    HARMLESS = "harmless"


LINK: dict[int, LinkNews] = {
    1100: LinkNews.LOST,
    2110: LinkNews.LOST,
    1101: LinkNews.RESTORED_DATA_LOST,
    1102: LinkNews.RESTORED,
    1300: LinkNews.PORT_MOVED,
    100: LinkNews.RATE_EXCEEDED,
    326: LinkNews.ID_IN_USE,
    2103: LinkNews.DATA_STALE,
    2105: LinkNews.DATA_STALE,
    2157: LinkNews.DATA_STALE,
    10197: LinkNews.OTHER_LOGIN,
    2104: LinkNews.DATA_FRESH,
    2106: LinkNews.DATA_FRESH,
    2158: LinkNews.DATA_FRESH,
    2107: LinkNews.INFORMATION,
    2108: LinkNews.INFORMATION,
    2119: LinkNews.INFORMATION,
    2109: LinkNews.INFORMATION,
    2100: LinkNews.INFORMATION,
    2148: LinkNews.INFORMATION,
}

ORDER: dict[int, OrderNews] = {
    **dict.fromkeys((110, 200, 201, 203, 382, 383, 388, 434, 460), OrderNews.REJECTED),
    202: OrderNews.CANCELED,
    **dict.fromkeys((104, 105, 161, 404, 10148), OrderNews.EXISTS),
    **dict.fromkeys((399, 2109, 10349, 10167), OrderNews.NOTE),
    **dict.fromkeys((135, 10147, 10149), OrderNews.MISSING),
    103: OrderNews.ID_TAKEN,
    **dict.fromkeys((320, 321, 322), OrderNews.INVALID),
}

DATA: dict[int, DataNews] = {
    200: DataNews.NO_CONTRACT,
    **dict.fromkeys((354, 10089, 10090, 10168, 10186), DataNews.NOT_SUBSCRIBED),
    10167: DataNews.DELAYED,
    162: DataNews.HISTORY,
    **dict.fromkeys((300, 366), DataNews.HARMLESS),
}


def link_news(code: int) -> LinkNews | None:
    """Return what a system message says of the link, or None when the code is about something else."""
    return LINK.get(code)


def order_news(code: int) -> OrderNews:
    """Return what a message says of the order it names; 21xx are notes, and what nobody listed proves nothing."""
    return ORDER.get(code, OrderNews.NOTE if 2100 <= code < 2200 else OrderNews.UNPROVEN)


def data_news(code: int) -> DataNews | None:
    """Return what a message says of the data request it names, or None when the code is not listed."""
    return DATA.get(code)


def is_pacing(code: int, text: str) -> bool:
    """Say whether a refused historical request was one too many."""
    return code == 162 and "pacing" in text.lower()


def is_empty(code: int, text: str) -> bool:
    """Say whether a refused historical request was answered: there is nothing in that stretch."""
    return code == 162 and "no data" in text.lower()


def is_read_only(code: int, text: str) -> bool:
    """Say whether the gateway was set to take no orders."""
    return code == 321 and "read-only" in text.lower()


LIVE_STATUS = frozenset({"PreSubmitted", "Submitted"})
"""Words of orderStatus that prove that the broker has a live order."""
GONE_STATUS = frozenset({"Cancelled", "ApiCancelled"})
IDLE_STATUS = frozenset({"Inactive"})
"""Not working, and not dead: an order that waits for shares to borrow comes back to life."""
