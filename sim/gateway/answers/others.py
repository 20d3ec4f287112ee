"""Small answers: time, ids, news, groups, and what the simulator does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.gateway.answers.registry import Answers, Values, answer
from sim.gateway.core.config import SECOND_NS

if TYPE_CHECKING:
    from sim.gateway.core.session import Session

NOT_HERE = "Error validating request: the simulator does not have this."


@answer("reqCurrentTime")
def current_time(answers: Answers, session: Session, values: Values) -> None:
    """Send the gateway's clock."""
    session.send("currentTime", {"time": answers.now_ns // SECOND_NS})


@answer("reqIds")
def ids(answers: Answers, session: Session, values: Values) -> None:
    """Send the next order id."""
    session.send("nextValidId", {"orderId": answers.gateway.next_id(session.client_id)})


@answer("reqManagedAccts")
def accounts(answers: Answers, session: Session, values: Values) -> None:
    """Send the accounts."""
    session.send("managedAccounts", {"accounts": answers.gateway.config.account})


@answer("requestFA", "replaceFA")
def adviser(answers: Answers, session: Session, values: Values) -> None:
    """Say that this is no adviser's account."""
    session.error(values.get("reqId") or -1, 321, "Error validating request: FA data operations are for FA accounts only.")


@answer("reqFundamentalData", "reqWshMetaData", "reqWshEventData", "reqNewsArticle", "exerciseOptions")
def not_here(answers: Answers, session: Session, values: Values) -> None:
    """Say that the simulator has none of this; a request is never left without an answer."""
    session.error(values["reqId"] or 0, 430 if "reportType" in values else 10276 if "providerCode" in values else 321, NOT_HERE)


@answer("reqHistoricalNews")
def headlines(answers: Answers, session: Session, values: Values) -> None:
    """Send no headlines."""
    session.send("historicalNewsEnd", {"reqId": values["reqId"], "hasMore": False})


@answer("reqNewsProviders")
def providers(answers: Answers, session: Session, values: Values) -> None:
    """Send no providers."""
    session.send("newsProviders", {"providers": []})


@answer("reqSoftDollarTiers")
def tiers(answers: Answers, session: Session, values: Values) -> None:
    """Send no tiers."""
    session.send("softDollarTiers", {"reqId": values["reqId"], "tiers": []})


@answer("reqFamilyCodes")
def family(answers: Answers, session: Session, values: Values) -> None:
    """Send the account without a family."""
    session.send("familyCodes", {"codes": [{"accountId": answers.gateway.config.account, "familyCode": ""}]})


@answer("reqUserInfo")
def user(answers: Answers, session: Session, values: Values) -> None:
    """Send no white branding."""
    session.send("userInfo", {"reqId": values["reqId"], "whiteBrandingId": ""})


@answer("queryDisplayGroups")
def groups(answers: Answers, session: Session, values: Values) -> None:
    """Send the window groups."""
    session.send("displayGroupList", {"reqId": values["reqId"], "groups": "1|2|3|4|5|6|7"})


@answer("subscribeToGroupEvents", "updateDisplayGroup")
def group_events(answers: Answers, session: Session, values: Values) -> None:
    """Send a window group's contract: none, or the one it was given."""
    session.send("displayGroupUpdated", {"reqId": values["reqId"], "contractInfo": values.get("contractInfo") or "none"})


@answer("reqNewsBulletins", "cancelNewsBulletins", "setServerLogLevel", "unsubscribeFromGroupEvents", "cancelFundamentalData",
        "cancelWshMetaData", "cancelWshEventData", "cancelCalculateImpliedVolatility", "cancelCalculateOptionPrice",
        "cancelHeadTimeStamp", "cancelHistogramData", "startApi")  # fmt: skip
def nothing(answers: Answers, session: Session, values: Values) -> None:
    """Take note; these have no answer."""
