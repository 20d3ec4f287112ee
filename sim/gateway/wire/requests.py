"""What a client may say: one table a message.

Theory of operation. Facts: the field orders that clients of server versions 157 to 178 send
(DESIGN 8; the official API's documentation and BSD-licensed ib_async's sender). The
placing of an order has a file of its own.
"""

from __future__ import annotations

from sim.gateway.wire.fragments import CONTRACT, CONTRACT_SHORT, DELTA_NEUTRAL, LEGS_SHORT
from sim.gateway.wire.orders import PLACE_ORDER
from sim.gateway.wire.table import Message

_DEPTH_CONTRACT = CONTRACT

REQUESTS = (
    Message("reqMktData", 1, "=11 reqId:int " + CONTRACT, LEGS_SHORT, "deltaNeutral:bool", DELTA_NEUTRAL,
            "genericTickList snapshot:bool regulatorySnapshot:bool mktDataOptions", says="subscribe to ticks"),
    Message("cancelMktData", 2, "=2 reqId:int", says="end a tick subscription"),
    PLACE_ORDER,
    Message("cancelOrder", 4, "=1 orderId:int manualCancelOrderTime>=169", says="cancel one order"),
    Message("reqOpenOrders", 5, "=1", says="open orders of this client"),
    Message("reqAccountUpdates", 6, "=2 subscribe:bool acctCode", says="account values, portfolio, and their changes"),
    Message("reqExecutions", 7, "=3 reqId:int clientId:int acctCode time symbol secType exchange side", says="today's executions"),
    Message("reqIds", 8, "=1 numIds:int", says="the next order id"),
    Message("reqContractDetails", 9, "=8 reqId:int " + CONTRACT + "includeExpired:bool secIdType secId issuerId>=176",
            says="everything known of the contracts that fit"),
    Message("reqMktDepth", 10, "=5 reqId:int " + _DEPTH_CONTRACT + "numRows:int isSmartDepth:bool mktDepthOptions",
            says="subscribe to the order book"),
    Message("cancelMktDepth", 11, "=1 reqId:int isSmartDepth:bool", says="end a depth subscription"),
    Message("reqNewsBulletins", 12, "=1 allMsgs:bool", says="subscribe to bulletins"),
    Message("cancelNewsBulletins", 13, "=1", says="end bulletins"),
    Message("setServerLogLevel", 14, "=1 logLevel:int", says="how much the gateway logs"),
    Message("reqAutoOpenOrders", 15, "=1 autoBind:bool", says="client 0: bind orders placed by hand"),
    Message("reqAllOpenOrders", 16, "=1", says="open orders of every client, once"),
    Message("reqManagedAccts", 17, "=1", says="the accounts"),
    Message("requestFA", 18, "=1 faDataType:int", says="an adviser's groups"),
    Message("replaceFA", 19, "=1 faDataType:int cxml reqId:int", says="replace an adviser's groups"),
    Message("reqHistoricalData", 20, "reqId:int " + CONTRACT
            + "includeExpired:bool endDateTime barSizeSetting durationStr useRTH:bool whatToShow formatDate:int",
            LEGS_SHORT, "keepUpToDate:bool chartOptions", says="bars of the past, and on request their continuation"),
    Message("exerciseOptions", 21, "=2 reqId:int " + CONTRACT_SHORT
            + "exerciseAction:int exerciseQuantity:int account override:int", says="exercise an option"),
    Message("reqScannerSubscription", 22,
            "reqId:int numberOfRows:int instrument locationCode scanCode abovePrice:num belowPrice:num aboveVolume:int "
            "marketCapAbove:num marketCapBelow:num moodyRatingAbove moodyRatingBelow spRatingAbove spRatingBelow "
            "maturityDateAbove maturityDateBelow couponRateAbove:num couponRateBelow:num excludeConvertible:bool "
            "averageOptionVolumeAbove:int scannerSettingPairs stockTypeFilter filterOptions subscriptionOptions",
            says="subscribe to a market scan"),
    Message("cancelScannerSubscription", 23, "=1 reqId:int", says="end a scan"),
    Message("reqScannerParameters", 24, "=1", says="what can be scanned for"),
    Message("cancelHistoricalData", 25, "=1 reqId:int", says="end historical bars"),
    Message("reqCurrentTime", 49, "=1", says="the gateway's clock; also the heartbeat"),
    Message("reqRealTimeBars", 50, "=3 reqId:int " + CONTRACT + "barSize:int whatToShow useRTH:bool realTimeBarsOptions",
            says="subscribe to bars of five seconds"),
    Message("cancelRealTimeBars", 51, "=1 reqId:int", says="end bars of five seconds"),
    Message("reqFundamentalData", 52, "=2 reqId:int conId:int symbol secType exchange primaryExchange currency localSymbol "
            "reportType optionCount:int options", says="a fundamental report"),
    Message("cancelFundamentalData", 53, "=1 reqId:int", says="end a fundamental report"),
    Message("calculateImpliedVolatility", 54, "=3 reqId:int " + CONTRACT + "optionPrice:num underPrice:num optionCount:int options",
            says="volatility that a price implies"),
    Message("calculateOptionPrice", 55, "=3 reqId:int " + CONTRACT + "volatility:num underPrice:num optionCount:int options",
            says="price that a volatility implies"),
    Message("cancelCalculateImpliedVolatility", 56, "=1 reqId:int", says="end that calculation"),
    Message("cancelCalculateOptionPrice", 57, "=1 reqId:int", says="end that calculation"),
    Message("reqGlobalCancel", 58, "=1", says="cancel every order of every client"),
    Message("reqMarketDataType", 59, "=1 marketDataType:int", says="1 live, 2 frozen, 3 delayed, 4 delayed and frozen"),
    Message("reqPositions", 61, "=1", says="positions, and their changes"),
    Message("reqAccountSummary", 62, "=1 reqId:int groupName tags", says="chosen account values, every three minutes"),
    Message("cancelAccountSummary", 63, "=1 reqId:int", says="end the summary"),
    Message("cancelPositions", 64, "=1", says="end positions"),
    Message("queryDisplayGroups", 67, "=1 reqId:int", says="window groups"),
    Message("subscribeToGroupEvents", 68, "=1 reqId:int groupId:int", says="follow a window group"),
    Message("updateDisplayGroup", 69, "=1 reqId:int contractInfo", says="change a window group"),
    Message("unsubscribeFromGroupEvents", 70, "=1 reqId:int", says="leave a window group"),
    Message("startApi", 71, "=2 clientId:int optionalCapabilities", says="who the client is; opens the gate"),
    Message("reqPositionsMulti", 74, "=1 reqId:int account modelCode", says="positions of one account or model"),
    Message("cancelPositionsMulti", 75, "=1 reqId:int", says="end them"),
    Message("reqAccountUpdatesMulti", 76, "=1 reqId:int account modelCode ledgerAndNLV:bool", says="values of one account or model"),
    Message("cancelAccountUpdatesMulti", 77, "=1 reqId:int", says="end them"),
    Message("reqSecDefOptParams", 78, "reqId:int underlyingSymbol futFopExchange underlyingSecType underlyingConId:int",
            says="expirations and strikes of an option chain"),
    Message("reqSoftDollarTiers", 79, "reqId:int", says="soft dollar tiers"),
    Message("reqFamilyCodes", 80, says="family codes"),
    Message("reqMatchingSymbols", 81, "reqId:int pattern", says="contracts whose symbol or name begins so"),
    Message("reqMktDepthExchanges", 82, says="venues with an order book"),
    Message("reqSmartComponents", 83, "reqId:int bboExchange", says="the letters of venues in a quote"),
    Message("reqNewsArticle", 84, "reqId:int providerCode articleId options", says="a news article"),
    Message("reqNewsProviders", 85, says="news providers"),
    Message("reqHistoricalNews", 86, "reqId:int conId:int providerCodes startDateTime endDateTime totalResults:int options",
            says="headlines of the past"),
    Message("reqHeadTimeStamp", 87, "reqId:int " + CONTRACT + "includeExpired:bool useRTH:bool whatToShow formatDate:int",
            says="how far back data go"),
    Message("reqHistogramData", 88, "reqId:int " + CONTRACT + "includeExpired:bool useRTH:bool timePeriod", says="volume by price"),
    Message("cancelHistogramData", 89, "reqId:int", says="end a histogram"),
    Message("cancelHeadTimeStamp", 90, "reqId:int", says="end a head time stamp"),
    Message("reqMarketRule", 91, "marketRuleId:int", says="the price steps of a rule"),
    Message("reqPnL", 92, "reqId:int account modelCode", says="profit and loss of the account, and its changes"),
    Message("cancelPnL", 93, "reqId:int", says="end it"),
    Message("reqPnLSingle", 94, "reqId:int account modelCode conId:int", says="profit and loss of one position"),
    Message("cancelPnLSingle", 95, "reqId:int", says="end it"),
    Message("reqHistoricalTicks", 96, "reqId:int " + CONTRACT
            + "includeExpired:bool startDateTime endDateTime numberOfTicks:int whatToShow useRth:bool ignoreSize:bool miscOptions",
            says="ticks of the past"),
    Message("reqTickByTickData", 97, "reqId:int " + CONTRACT + "tickType numberOfTicks:int ignoreSize:bool", says="every tick"),
    Message("cancelTickByTickData", 98, "reqId:int", says="end it"),
    Message("reqCompletedOrders", 99, "apiOnly:bool", says="today's orders that are done"),
    Message("reqWshMetaData", 100, "reqId:int", says="what the event calendar has"),
    Message("cancelWshMetaData", 101, "reqId:int", says="end it"),
    Message("reqWshEventData", 102, "reqId:int conId:int filter>=171 fillWatchlist:bool>=171 fillPortfolio:bool>=171 "
            "fillCompetitors:bool>=171 startDate>=173 endDate>=173 totalLimit:int>=173", says="the event calendar"),
    Message("cancelWshEventData", 103, "reqId:int", says="end it"),
    Message("reqUserInfo", 104, "reqId:int", says="white branding"),
)  # fmt: skip
BY_NUMBER = {str(message.number): message for message in REQUESTS}
BY_NAME = {message.name: message for message in REQUESTS}
