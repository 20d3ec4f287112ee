"""How large a position is: the whole of sizing under one name.

Theory of operation. `rules` reads a text such as `percent:95,buffer=0.25` into a
Rule. `weights` turns the bars an instrument has shown so far into the share of
equity that a full position may take: floats, because volatility is a statistic, that
end as integers at 1e-6. `lots` turns weight, target, equity and price into whole
steps of lots: integers only. Backtest and live trading call the same functions.
"""

from strategies.sizing.lots import (
    EDGE,
    EQUITY,
    ONE_BPS,
    ONE_E6,
    PERCENT_BPS_MAX,
    ROOM_BPS,
    SHARES,
    UNKNOWN_WEIGHT,
    VALUE,
    WEIGHT_MAX_E6,
    Size,
    fixed,
    floor_muldiv,
    fraction_e6,
    full_lots,
    percent_of_equity,
    weight_of_equity,
)  # fmt: skip
from strategies.sizing.rules import FORMS, Rule, parse_rule
from strategies.sizing.weights import bars_per_year, weights

__all__ = [
    "EDGE", "EQUITY", "FORMS", "ONE_BPS", "ONE_E6", "PERCENT_BPS_MAX", "ROOM_BPS", "SHARES", "UNKNOWN_WEIGHT", "VALUE",
    "WEIGHT_MAX_E6", "Rule", "Size", "bars_per_year", "fixed", "floor_muldiv", "fraction_e6", "full_lots", "parse_rule",
    "percent_of_equity", "weight_of_equity", "weights",
]  # fmt: skip
