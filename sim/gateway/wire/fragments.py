"""Runs of fields that several tables share."""

from __future__ import annotations

from sim.gateway.wire.table import Part, many, one_of, positive, present, switch, when

CONTRACT_LEAD = "conId:int symbol secType lastTradeDateOrContractMonth strike:num right multiplier "
CONTRACT = CONTRACT_LEAD + "exchange primaryExchange currency localSymbol tradingClass "
"""The twelve fields by which a client names a contract."""
CONTRACT_SHORT = CONTRACT_LEAD + "exchange currency localSymbol tradingClass "
"""The same without the primary exchange: what a gateway answers with."""

is_bag = one_of("BAG")
is_pegged = one_of("PEG BENCH", "PEGBENCH")


def yes(value: object) -> bool:
    """Say whether a flag is set."""
    return bool(value)


LEGS_SHORT = when("secType", is_bag, "secType is BAG", many("comboLegs", "conId:int ratio:int action exchange"))
COMBO_LEGS = many(
    "comboLegs", "conId:int ratio:int action exchange openClose:int shortSaleSlot:int designatedLocation exemptCode:int"
)
ORDER_LEGS = many("orderComboLegs", "price:num")
ROUTING = many("smartComboRoutingParams", "tag value")
SCALE_MORE = when(
    "scalePriceIncrement", positive, "scalePriceIncrement above 0",
    "scalePriceAdjustValue:num scalePriceAdjustInterval:int scaleProfitOffset:num scaleAutoReset:bool "
    "scaleInitPosition:int scaleInitFillQty:int scaleRandomPercent:bool",
)  # fmt: skip
HEDGE_MORE = when("hedgeType", present, "hedgeType set", "hedgeParam")
DELTA_NEUTRAL = when("deltaNeutral", yes, "deltaNeutral is 1", "dncConId:int dncDelta:num dncPrice:num")
ALGO_MORE = when("algoStrategy", present, "algoStrategy set", many("algoParams", "tag value"))
PEGGED = when(
    "orderType", is_pegged, "orderType is PEG BENCH",
    "referenceContractId:int isPeggedChangeAmountDecrease:bool peggedChangeAmount:num referenceChangeAmount:num "
    "referenceExchangeId",
)  # fmt: skip
CONDITION = switch(
    "condType",
    _1="conjunction isMore:bool price:num conId:int exch triggerMethod:int",
    _3="conjunction isMore:bool time",
    _4="conjunction isMore:bool percent:int",
    _5="conjunction secType exch symbol",
    _6="conjunction isMore:bool volume:int conId:int exch",
    _7="conjunction isMore:bool changePercent:num conId:int exch",
)
CONDITIONS = many("conditions", "condType:int", CONDITION)
CONDITIONS_MORE = when("conditions", present, "there are conditions", "conditionsIgnoreRth:bool conditionsCancelOrder:bool")
PEG_OFFSETS = (
    "minTradeQty:int>=170 minCompeteSize:int>=170 competeAgainstBestOffset:num>=170 midOffsetAtWhole:num>=170 "
    "midOffsetAtHalf:num>=170"
)
ORDER_TAIL: tuple[Part | str, ...] = (CONDITIONS, CONDITIONS_MORE)
