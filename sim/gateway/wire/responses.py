"""What the gateway may say: one table a message.

Theory of operation. Field orders are those a client of server versions 157 to 178 reads.
Where a real gateway's message has a version number of its own, it is a constant here.
The two tables of orders have a file of their own.
"""

from __future__ import annotations

from sim.gateway.wire.fragments import CONTRACT_LEAD, CONTRACT_SHORT
from sim.gateway.wire.orders import COMPLETED_ORDER, OPEN_ORDER
from sim.gateway.wire.table import Message, many, switch

_PORTFOLIO = CONTRACT_LEAD + "primaryExchange currency localSymbol tradingClass "
_BAR = "date open:num high:num low:num close:num volume:num wap:num barCount:int"

RESPONSES = (
    Message("tickPrice", 1, "=6 reqId:int tickType:int price:num size:num attrMask:int", says="a price tick"),
    Message("tickSize", 2, "=6 reqId:int tickType:int size:num", says="a size tick"),
    Message("orderStatus", 3, "orderId:int status filled:num remaining:num avgFillPrice:num permId:int parentId:int "
            "lastFillPrice:num clientId:int whyHeld mktCapPrice:num", says="where an order stands"),
    Message("error", 4, "=2 reqId:int code:int text advancedOrderRejectJson>=166", says="an error, a warning or a notice"),
    OPEN_ORDER,
    Message("updateAccountValue", 6, "=2 key value currency account", says="an account value"),
    Message("updatePortfolio", 7, "=8 " + _PORTFOLIO
            + "position:num marketPrice:num marketValue:num averageCost:num unrealizedPNL:num realizedPNL:num account",
            says="a position with its worth"),
    Message("updateAccountTime", 8, "=1 timeStamp", says="when the values were taken"),
    Message("nextValidId", 9, "=1 orderId:int", says="the lowest order id that may be used"),
    Message("contractDetails", 10,
            "=8<164 reqId:int symbol secType lastTradeDate strike:num right exchange currency localSymbol marketName "
            "tradingClass conId:int minTick:num =100<164 multiplier orderTypes validExchanges priceMagnifier:int "
            "underConId:int longName primaryExchange contractMonth industry category subcategory timeZoneId tradingHours "
            "liquidHours evRule evMultiplier:num", many("secIdList", "tag value"),
            "aggGroup:int underSymbol underSecType marketRuleIds realExpirationDate stockType sizeMinTick:num>=163<164 "
            "minSize:num>=164 sizeIncrement:num>=164 suggestedSizeIncrement:num>=164", says="one contract"),
    Message("execDetails", 11, "reqId:int orderId:int " + CONTRACT_SHORT
            + "execId time acctNumber execExchange side shares:num price:num permId:int clientId:int liquidation:int cumQty:num "
            "avgPrice:num orderRef evRule evMultiplier:num modelCode lastLiquidity:int pendingPriceRevision:bool>=178",
            says="an execution; reqId is -1 when it has just happened"),
    Message("updateMktDepth", 12, "=1 reqId:int position:int operation:int side:int price:num size:num", says="a row of the order book"),
    Message("updateMktDepthL2", 13, "=1 reqId:int position:int marketMaker operation:int side:int price:num size:num "
            "isSmartDepth:bool", says="a row of the order book with its venue"),
    Message("managedAccounts", 15, "=1 accounts", says="the accounts"),
    Message("receiveFA", 16, "=1 faDataType:int cxml", says="an adviser's groups"),
    Message("historicalData", 17, "reqId:int start end", many("bars", _BAR), says="bars of the past"),
    Message("scannerParameters", 19, "=1 xml", says="what can be scanned for"),
    Message("scannerData", 20, "=3 reqId:int", many("rows", "rank:int conId:int symbol secType lastTradeDate strike:num right "
            "exchange currency localSymbol marketName tradingClass distance benchmark projection legsStr"), says="a scan's result"),
    Message("tickOptionComputation", 21, "reqId:int tickType:int tickAttrib:int impliedVol:num delta:num optPrice:num "
            "pvDividend:num gamma:num vega:num theta:num undPrice:num", says="greeks"),
    Message("tickGeneric", 45, "=6 reqId:int tickType:int value:num", says="a number tick"),
    Message("tickString", 46, "=6 reqId:int tickType:int value", says="a text tick"),
    Message("currentTime", 49, "=1 time:int", says="the gateway's clock, seconds since 1970"),
    Message("realtimeBar", 50, "=3 reqId:int time:int open:num high:num low:num close:num volume:num wap:num count:int",
            says="a bar of five seconds"),
    Message("fundamentalData", 51, "=1 reqId:int data", says="a fundamental report"),
    Message("contractDetailsEnd", 52, "=1 reqId:int", says="no more contracts"),
    Message("openOrderEnd", 53, "=1", says="no more open orders"),
    Message("accountDownloadEnd", 54, "=1 account", says="the account's values are complete"),
    Message("execDetailsEnd", 55, "=1 reqId:int", says="no more executions"),
    Message("tickSnapshotEnd", 57, "=1 reqId:int", says="the snapshot is complete"),
    Message("marketDataType", 58, "=1 reqId:int marketDataType:int", says="which kind of data follows"),
    Message("commissionReport", 59, "=1 execId commission:dmax currency realizedPNL:dmax yield:dmax yieldRedemptionDate",
            says="what an execution cost"),
    Message("position", 61, "=3 account " + CONTRACT_SHORT + "position:num avgCost:num", says="a position"),
    Message("positionEnd", 62, "=1", says="no more positions"),
    Message("accountSummary", 63, "=1 reqId:int account tag value currency", says="a value of the summary"),
    Message("accountSummaryEnd", 64, "=1 reqId:int", says="the summary is complete"),
    Message("displayGroupList", 67, "=1 reqId:int groups", says="window groups"),
    Message("displayGroupUpdated", 68, "=1 reqId:int contractInfo", says="a window group's contract"),
    Message("positionMulti", 71, "=1 reqId:int account " + CONTRACT_SHORT + "position:num avgCost:num modelCode", says="a position"),
    Message("positionMultiEnd", 72, "=1 reqId:int", says="no more positions"),
    Message("accountUpdateMulti", 73, "=1 reqId:int account modelCode key value currency", says="an account value"),
    Message("accountUpdateMultiEnd", 74, "=1 reqId:int", says="no more account values"),
    Message("securityDefinitionOptionParameter", 75, "reqId:int exchange underlyingConId:int tradingClass multiplier",
            many("expirations", "value"), many("strikes", "value:num"), says="an option chain of one venue"),
    Message("securityDefinitionOptionParameterEnd", 76, "reqId:int", says="no more chains"),
    Message("softDollarTiers", 77, "reqId:int", many("tiers", "name value displayName"), says="soft dollar tiers"),
    Message("familyCodes", 78, many("codes", "accountId familyCode"), says="family codes"),
    Message("symbolSamples", 79, "reqId:int", many("samples", "conId:int symbol secType primaryExchange currency",
            many("derivatives", "secType"), "description>=176 issuerId>=176"), says="contracts that fit a pattern"),
    Message("mktDepthExchanges", 80, many("descriptions", "exchange secType listingExch serviceDataType aggGroup:imax"),
            says="venues with an order book"),
    Message("tickReqParams", 81, "reqId:int minTick:num bboExchange snapshotPermissions:int", says="what a subscription means"),
    Message("smartComponents", 82, "reqId:int", many("components", "bitNumber:int exchange exchangeLetter"), says="letters of venues"),
    Message("newsArticle", 83, "reqId:int articleType:int articleText", says="a news article"),
    Message("tickNews", 84, "reqId:int timeStamp:int providerCode articleId headline extraData", says="a headline"),
    Message("newsProviders", 85, many("providers", "code name"), says="news providers"),
    Message("historicalNews", 86, "reqId:int time providerCode articleId headline", says="a headline of the past"),
    Message("historicalNewsEnd", 87, "reqId:int hasMore:bool", says="no more headlines"),
    Message("headTimestamp", 88, "reqId:int time", says="how far back data go"),
    Message("histogramData", 89, "reqId:int", many("items", "price:num size:int"), says="volume by price"),
    Message("historicalDataUpdate", 90, "reqId:int barCount:int date open:num close:num high:num low:num wap:num volume:num",
            says="the last bar, again or anew"),
    Message("rerouteMktDataReq", 91, "reqId:int conId:int exchange", says="ask for another contract's data"),
    Message("rerouteMktDepthReq", 92, "reqId:int conId:int exchange", says="ask for another contract's depth"),
    Message("marketRule", 93, "marketRuleId:int", many("increments", "lowEdge:num increment:num"), says="price steps"),
    Message("pnl", 94, "reqId:int dailyPnL:dmax unrealizedPnL:dmax realizedPnL:dmax", says="profit and loss of the account"),
    Message("pnlSingle", 95, "reqId:int position:num dailyPnL:dmax unrealizedPnL:dmax realizedPnL:dmax value:dmax",
            says="profit and loss of a position"),
    Message("historicalTicks", 96, "reqId:int", many("ticks", "time:int =0 price:num size:num"), "done:bool", says="midpoints of the past"),
    Message("historicalTicksBidAsk", 97, "reqId:int", many("ticks", "time:int mask:int priceBid:num priceAsk:num sizeBid:num "
            "sizeAsk:num"), "done:bool", says="quotes of the past"),
    Message("historicalTicksLast", 98, "reqId:int", many("ticks", "time:int mask:int price:num size:num exchange specialConditions"),
            "done:bool", says="trades of the past"),
    Message("tickByTick", 99, "reqId:int tickType:int time:int", switch("tickType",
            _1="price:num size:num mask:int exchange specialConditions", _2="price:num size:num mask:int exchange specialConditions",
            _3="bidPrice:num askPrice:num bidSize:num askSize:num mask:int", _4="midPoint:num"), says="one tick"),
    Message("orderBound", 100, "permId:int clientId:int orderId:int", says="an order by hand has got an id"),
    COMPLETED_ORDER,
    Message("completedOrdersEnd", 102, says="no more completed orders"),
    Message("replaceFAEnd", 103, "reqId:int text", says="an adviser's groups are replaced"),
    Message("wshMetaData", 104, "reqId:int dataJson", says="what the event calendar has"),
    Message("wshEventData", 105, "reqId:int dataJson", says="the event calendar"),
    Message("historicalSchedule", 106, "reqId:int start end timeZone", many("sessions", "start end refDate"), says="trading sessions"),
    Message("userInfo", 107, "reqId:int whiteBrandingId", says="white branding"),
)  # fmt: skip
BY_NUMBER = {str(message.number): message for message in RESPONSES}
BY_NAME = {message.name: message for message in RESPONSES}
