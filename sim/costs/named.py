"""Cost models as text, and the table of those that have a name.

Theory of operation. A text is a name of the table, or a unit and a number, then options
`,name=value`; `+fees` behind a broker's name adds what third parties take. The table is data
with its sources; the formula is in `model`.

| name | commission | minimum | cap |
|---|---|---|---|
| `ibkr-fixed` | 0.005 a share | 1.00 an order (0.01 below one share) | 1 % of value, also below the minimum |
| `ibkr-tiered` | by the month's shares, see below | 0.35 an order (0.01) | 1 % |
| `lean-ibkr` | 0.005 a share | 1.00 | 0.5 %, only where the fee is above the minimum |
| `zero` | none | none | none |

Tiered: 0.0035 a share up to 300,000 a month, 0.0020 up to 3 million, 0.0015 up to 20 million, 0.0010 up to
100 million, 0.0005 beyond.

| third party | rate | who pays |
|---|---|---|
| exchange, for taking liquidity | 0.0030 a share, the most Regulation NMS allowed | tiered |
| clearing (NSCC, DTC) | 0.00020 a share, at most 0.5 % of value | tiered |
| NYSE and FINRA pass-through | 0.000175 and 0.000563 of the commission | tiered |
| FINRA audit trail | 0.000072 a share | both |
| SEC, on sales | 0.0000278 of value | both |
| FINRA trading activity, on sales | 0.000166 a share, at most 8.30 | both |

Sources: interactivebrokers.co.uk, Commissions Stocks, United States (rates of 2025; the SEC sets its rate
anew each year and set it to 0 for some months); LEAN's InteractiveBrokersFeeModel.cs for its own reading.
Rates of other years are `CostModel._replace` away.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ledger.units import UnitError, to_grid
from sim.costs.model import FREE, NO_TIERS, ONE_E8, ZERO, CostModel

IBKR_FIXED = ZERO._replace(
    tier_rates_e8=(500_000,) * 5, minimum_e8=ONE_E8, minimum_fraction_e8=1_000_000, cap_rate_e8=1_000_000
)
IBKR_TIERED = IBKR_FIXED._replace(
    tier_tops=(300_000, 3_000_000, 20_000_000, 100_000_000, NO_TIERS[4]),
    tier_rates_e8=(350_000, 200_000, 150_000, 100_000, 50_000),
    minimum_e8=35_000_000,
)
LEAN_IBKR = IBKR_FIXED._replace(minimum_fraction_e8=ONE_E8, cap_rate_e8=500_000, cap_spares_minimum=1)

REGULATORY: dict[str, Any] = {"sale_rate_e8": 2_780, "activity_e8": 16_600, "activity_cap_e8": 830_000_000, "audit_e8": 7_200}
THIRD_PARTY = REGULATORY | {
    "pass_through_e8": 73_800, "exchange_e8": 300_000, "clearing_e8": 20_000, "clearing_cap_e8": 500_000,
}  # fmt: skip

NAMED: Mapping[str, CostModel] = {
    "ibkr-fixed": IBKR_FIXED,
    "ibkr-fixed+fees": IBKR_FIXED._replace(**REGULATORY),
    "ibkr-tiered": IBKR_TIERED,
    "ibkr-tiered+fees": IBKR_TIERED._replace(**THIRD_PARTY),
    "lean-ibkr": LEAN_IBKR,
    "zero": ZERO,
}
FORMS = (*NAMED, "bps:10", "per-share:0.005", "per-order:1", "per-share:0.005,minimum=1,cap=1")

# The grid a number is written on, what one unit of it is at 1e-8, and the most it may be.
_UNITS = {"bps": (4, ONE_E8), "per-share": (8, 1_000 * ONE_E8), "per-order": (8, 1_000_000 * ONE_E8)}
_OPTIONS = {"minimum": (8, 1_000_000 * ONE_E8), "cap": (6, 100 * 1_000_000)}


def parse(text: str) -> CostModel:
    """Return the model of a text such as `ibkr-tiered+fees`, `bps:10` or `per-share:0.005,minimum=1,cap=1`.

    Options of the numbered forms: `minimum` in money for an order, `cap` in percent of its value.

    Raises:
        UnitError: unknown name or option, missing or superfluous number, or a number out of range.
    """
    head, *rest = (part.strip() for part in text.split(","))
    if head in NAMED and not rest:
        return NAMED[head]
    unit, _, number = head.partition(":")
    if unit not in _UNITS or not number:
        raise UnitError(f"unknown cost model {text!r}; write one of {', '.join(FORMS)}")
    amount = _checked(text, unit, number, *_UNITS[unit])
    model = {
        "bps": ZERO._replace(rate_e8=amount),
        "per-share": ZERO._replace(tier_rates_e8=(amount,) * 5 if amount else FREE),
        "per-order": ZERO._replace(per_order_e8=amount),
    }[unit]
    for part in rest:
        name, equals, value = (word.strip() for word in part.partition("="))
        if name not in _OPTIONS or not equals:
            raise UnitError(f"cost model {text!r}: {part!r} is no option; the options are minimum=1 and cap=1")
        units = _checked(text, name, value, *_OPTIONS[name])
        if name == "minimum":
            model = model._replace(minimum_e8=units, minimum_fraction_e8=units)
        else:
            model = model._replace(cap_rate_e8=units)
    return model


def _checked(text: str, name: str, number: str, exp: int, units_max: int) -> int:
    """Return a number on its grid: money at 1e-8, basis points at 1e-4 and percent at 1e-6 are all 1e-8 of one."""
    units = to_grid(number, exp, name)
    if 0 <= units <= units_max:
        return units
    raise UnitError(f"cost model {text!r}: {name} {number} is out of range; a fee is zero or more, up to the whole value")
