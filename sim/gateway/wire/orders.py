"""The three long tables: placing an order, an open order, a completed order.

Theory of operation. Optional fields come and go by server version and by the order's own
type; both stand here and nowhere else. A gateway says `None`, the word, for a delta
neutral order type that was not set, and so the eight fields behind it are there.
"""

from __future__ import annotations

from sim.gateway.wire.fragments import (
    ALGO_MORE, COMBO_LEGS, CONDITIONS, CONDITIONS_MORE, CONTRACT, CONTRACT_SHORT, DELTA_NEUTRAL, HEDGE_MORE, ORDER_LEGS,
    PEG_OFFSETS, PEGGED, ROUTING, SCALE_MORE, is_bag,
)  # fmt: skip
from sim.gateway.wire.kinds import INFINITE
from sim.gateway.wire.table import Message, one_of, present, when

_DELTA_IN = when(
    "deltaNeutralOrderType", present, "deltaNeutralOrderType set",
    "deltaNeutralConId:int deltaNeutralSettlingFirm deltaNeutralClearingAccount deltaNeutralClearingIntent "
    "deltaNeutralOpenClose deltaNeutralShortSale:bool deltaNeutralShortSaleSlot:int deltaNeutralDesignatedLocation",
)  # fmt: skip
_DELTA_DONE = when(
    "deltaNeutralOrderType", present, "deltaNeutralOrderType set",
    "deltaNeutralConId:int deltaNeutralShortSale:bool deltaNeutralShortSaleSlot:int deltaNeutralDesignatedLocation",
)  # fmt: skip
_PEG_BEST = when(
    "orderType", one_of("PEG BEST", "PEGBEST"), "orderType is PEG BEST",
    "minCompeteSize:int>=170 competeAgainstBestOffset:num>=170",
    when("competeAgainstBestOffset", lambda value: value == INFINITE, "competeAgainstBestOffset is infinite",
         "midOffsetAtWhole:num>=170 midOffsetAtHalf:num>=170"),
)  # fmt: skip
_PEG_MID = when(
    "orderType", one_of("PEG MID", "PEGMID"), "orderType is PEG MID", "midOffsetAtWhole:num>=170 midOffsetAtHalf:num>=170"
)

PLACE_ORDER = Message(
    "placeOrder", 3,
    "orderId:int " + CONTRACT + "secIdType secId action totalQuantity:num orderType lmtPrice:num auxPrice:num tif ocaGroup "
    "account openClose origin:int orderRef transmit:bool parentId:int blockOrder:bool sweepToFill:bool displaySize:int "
    "triggerMethod:int outsideRth:bool hidden:bool",
    when("secType", is_bag, "secType is BAG", COMBO_LEGS, ORDER_LEGS, ROUTING),
    "sharesAllocation discretionaryAmt:num goodAfterTime goodTillDate faGroup faMethod faPercentage faProfile<177 modelCode "
    "shortSaleSlot:int designatedLocation exemptCode:int ocaType:int rule80A settlingFirm allOrNone:bool minQty:int "
    "percentOffset:num eTradeOnly:bool firmQuoteOnly:bool nbboPriceCap:num auctionStrategy:int startingPrice:num "
    "stockRefPrice:num delta:num stockRangeLower:num stockRangeUpper:num overridePercentageConstraints:bool volatility:num "
    "volatilityType:int deltaNeutralOrderType deltaNeutralAuxPrice:num",
    _DELTA_IN,
    "continuousUpdate:bool referencePriceType:int trailStopPrice:num trailingPercent:num scaleInitLevelSize:int "
    "scaleSubsLevelSize:int scalePriceIncrement:num",
    SCALE_MORE,
    "scaleTable activeStartTime activeStopTime hedgeType",
    HEDGE_MORE,
    "optOutSmartRouting:bool clearingAccount clearingIntent notHeld:bool deltaNeutral:bool",
    DELTA_NEUTRAL,
    "algoStrategy",
    ALGO_MORE,
    "algoId whatIf:bool orderMiscOptions solicited:bool randomizeSize:bool randomizePrice:bool",
    PEGGED,
    CONDITIONS,
    CONDITIONS_MORE,
    "adjustedOrderType triggerPrice:num lmtPriceOffset:num adjustedStopPrice:num adjustedStopLimitPrice:num "
    "adjustedTrailingAmount:num adjustableTrailingUnit:int extOperator softDollarTierName softDollarTierValue cashQty:num "
    "mifid2DecisionMaker mifid2DecisionAlgo mifid2ExecutionTrader mifid2ExecutionAlgo dontUseAutoPriceForHedge:bool "
    "isOmsContainer:bool discretionaryUpToLimitPrice:bool usePriceMgmtAlgo:bool duration:int>=158 postToAts:int>=160 "
    "autoCancelParent:bool>=162 advancedErrorOverride>=166 manualOrderTime>=169",
    when("exchange", one_of("IBKRATS"), "exchange is IBKRATS", "minTradeQty:int>=170"),
    _PEG_BEST,
    _PEG_MID,
    says="place an order, or change the one with this id",
)  # fmt: skip

_HEAD = (
    CONTRACT_SHORT + "action totalQuantity:num orderType lmtPrice:dmax auxPrice:dmax tif ocaGroup account openClose "
    "origin:int orderRef "
)
_RANGE = "startingPrice:dmax stockRefPrice:dmax delta:dmax stockRangeLower:dmax stockRangeUpper:dmax displaySize:imax "
_STATE = (
    "status initMarginBefore:dmax maintMarginBefore:dmax equityWithLoanBefore:dmax initMarginChange:dmax "
    "maintMarginChange:dmax equityWithLoanChange:dmax initMarginAfter:dmax maintMarginAfter:dmax equityWithLoanAfter:dmax "
    "commission:dmax minCommission:dmax maxCommission:dmax commissionCurrency warningText "
)

OPEN_ORDER = Message(
    "openOrder", 5,
    "orderId:int " + _HEAD + "clientId:int permId:int outsideRth:bool hidden:bool discretionaryAmt:num goodAfterTime "
    "sharesAllocation faGroup faMethod faPercentage faProfile<177 modelCode goodTillDate rule80A percentOffset:dmax "
    "settlingFirm shortSaleSlot:int designatedLocation exemptCode:int auctionStrategy:int " + _RANGE
    + "blockOrder:bool sweepToFill:bool allOrNone:bool minQty:imax ocaType:int eTradeOnly:bool firmQuoteOnly:bool "
    "nbboPriceCap:dmax parentId:int triggerMethod:int volatility:dmax volatilityType:int deltaNeutralOrderType "
    "deltaNeutralAuxPrice:dmax",
    _DELTA_IN,
    "continuousUpdate:bool referencePriceType:int trailStopPrice:dmax trailingPercent:dmax basisPoints:dmax "
    "basisPointsType:imax comboLegsDescrip",
    COMBO_LEGS, ORDER_LEGS, ROUTING,
    "scaleInitLevelSize:imax scaleSubsLevelSize:imax scalePriceIncrement:dmax",
    SCALE_MORE,
    "hedgeType",
    HEDGE_MORE,
    "optOutSmartRouting:bool clearingAccount clearingIntent notHeld:bool deltaNeutral:bool",
    DELTA_NEUTRAL,
    "algoStrategy",
    ALGO_MORE,
    "solicited:bool whatIf:bool " + _STATE + "randomizeSize:bool randomizePrice:bool",
    PEGGED,
    CONDITIONS,
    CONDITIONS_MORE,
    "adjustedOrderType triggerPrice:dmax adjustedTrailStopPrice:dmax lmtPriceOffset:dmax adjustedStopPrice:dmax "
    "adjustedStopLimitPrice:dmax adjustedTrailingAmount:dmax adjustableTrailingUnit:int softDollarTierName "
    "softDollarTierValue softDollarTierDisplayName cashQty:num dontUseAutoPriceForHedge:bool isOmsContainer:bool "
    "discretionaryUpToLimitPrice:bool usePriceMgmtAlgo:bool duration:int>=158 postToAts:int>=160 autoCancelParent:bool>=162 "
    + PEG_OFFSETS,
    says="an open order as it stands",
)  # fmt: skip

COMPLETED_ORDER = Message(
    "completedOrder", 101,
    _HEAD + "permId:int outsideRth:bool hidden:bool discretionaryAmt:num goodAfterTime faGroup faMethod faPercentage "
    "faProfile<177 modelCode goodTillDate rule80A percentOffset:dmax settlingFirm shortSaleSlot:int designatedLocation "
    "exemptCode:int " + _RANGE + "sweepToFill:bool allOrNone:bool minQty:imax ocaType:int triggerMethod:int volatility:dmax "
    "volatilityType:int deltaNeutralOrderType deltaNeutralAuxPrice:dmax",
    _DELTA_DONE,
    "continuousUpdate:bool referencePriceType:int trailStopPrice:dmax trailingPercent:dmax comboLegsDescrip",
    COMBO_LEGS, ORDER_LEGS, ROUTING,
    "scaleInitLevelSize:imax scaleSubsLevelSize:imax scalePriceIncrement:dmax",
    SCALE_MORE,
    "hedgeType",
    HEDGE_MORE,
    "clearingAccount clearingIntent notHeld:bool deltaNeutral:bool",
    DELTA_NEUTRAL,
    "algoStrategy",
    ALGO_MORE,
    "solicited:bool status randomizeSize:bool randomizePrice:bool",
    PEGGED,
    CONDITIONS,
    CONDITIONS_MORE,
    "adjustedTrailStopPrice:dmax lmtPriceOffset:dmax cashQty:num dontUseAutoPriceForHedge:bool isOmsContainer:bool "
    "autoCancelDate filledQuantity:num refFuturesConId:int autoCancelParent:bool shareholder imbalanceOnly:bool "
    "routeMarketableToBbo:bool parentPermId:int completedTime completedStatus " + PEG_OFFSETS,
    says="an order that is done; it has neither order id nor client id",
)  # fmt: skip
