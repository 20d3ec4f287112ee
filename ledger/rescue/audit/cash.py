"""Cash and equity of an account against its trades.

Theory of operation. Three sums, each blind to what another sees. Cash must be start + deposits - purchases + sales -
fees; a bug that deducts cash for each phantom purchase passes this one. The economic identity
takes the stored positions, too: cash + cost of what is held = start + deposits + realized - fees, so cash that went into shares
nobody holds is left over, to the cent. And a cash that equals the start although trades moved it was never read
from anywhere: an error path made it up.
"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.rescue.amounts import worth
from ledger.rescue.audit.finding import CERTAIN, ERROR, LIKELY, WARNING, Case, Finding, slack, text, total
from ledger.rescue.audit.positions import held_by_symbol, stored_cost
from ledger.rescue.legacy import StoredAccount
from ledger.rescue.truth import Truth
from ledger.units import MONEY_SCALE
from ledger.vocabulary import Method


def _sure(origin: str) -> str:
    return LIKELY if origin == "assumed" else CERTAIN


def _accounts(case: Case) -> Iterator[tuple[StoredAccount, int, str]]:
    """Yield the accounts with a cash and a start."""
    for account in case.legacy.accounts:
        start, origin = case.start_of(account.portfolio)
        if account.cash_e8 is not None and origin != "unknown":
            yield account, start, origin


def expected_cash(case: Case, portfolio: str) -> int:
    """Return what the trades leave of the start cash."""
    mine = case.legacy.of(portfolio)
    return case.start_of(portfolio)[0] + case.moved_e8(portfolio) + total(case.flow_e8[mine])


def fabricated(account: StoredAccount, start: int, expected: int, gross: int) -> bool:
    """Say whether a cash is the start itself although trades moved it."""
    return account.cash_e8 == start and abs(expected - start) > slack(gross)


def footing(case: Case) -> Iterator[Finding]:
    """Find accounts whose cash is not what the trades leave of the start."""
    for account, start, origin in _accounts(case):
        mine = case.legacy.of(account.portfolio)
        flows, moved = total(case.flow_e8[mine]), case.moved_e8(account.portfolio)
        gross = total(case.truth.value_e8[mine])
        expected = start + moved + flows
        difference = (account.cash_e8 or 0) - expected
        if abs(difference) <= slack(gross):
            continue
        made_up = fabricated(account, start, expected, gross)
        what = (
            "is the start cash, although trades moved it: it was made up" if made_up else "is not what the trades leave"
        )
        yield Finding(
            "cash-fabricated" if made_up else "cash-does-not-foot",
            ERROR,
            f"cash of {account.portfolio} {what}",
            difference,
            [account.row],
            f"stored {text(account.cash_e8)} - (start {text(start)} ({origin}) + deposits {text(moved)} + trades "
            f"after fees {text(flows)}) "
            f"= {text(difference)}",
            _sure(origin),
            sql="SELECT SUM(CASE WHEN side IN ('SELL','SELL_SHORT') THEN 1 ELSE -1 END * quantity * price - commission) FROM trades",
        )


def identity(case: Case) -> Iterator[Finding]:
    """Find cash that was spent on shares nobody holds, or that came from nowhere."""
    if held_by_symbol(case) is None:
        return
    for account, start, origin in _accounts(case):
        costs = _stored_costs(case, account.portfolio)
        if costs is None:
            continue
        cost, value = costs
        residuals = list(_residuals(case, account, start, cost))
        found = residuals[0]
        realized, fees = _realized(case, account.portfolio, case.truth)
        gross = total(case.truth.value_e8[case.legacy.of(account.portfolio)])
        if min(map(abs, residuals)) <= slack(gross, 1 + len(case.legacy.positions or [])):
            continue
        yield Finding(
            "phantom-cash",
            ERROR,
            f"equity of {account.portfolio} leaves a residual of {text(found)}",
            found,
            [account.row],
            f"cash {text(account.cash_e8)} + cost of what is held {text(cost)} - start {text(start)} ({origin}) - "
            f"deposits "
            f"{text(case.moved_e8(account.portfolio))} - realized {text(realized)} + fees {text(fees)} = "
            f"{text(found)}; that is equity - start - "
            f"deposits - realized - unrealized, with equity = cash + {text(value)} at the stored prices",
            _sure(origin),
        )


def _residuals(case: Case, account: StoredAccount, start: int, cost: int) -> Iterator[int]:
    """Yield the residual under each way in which stored costs are kept: FIFO or running average, without fees or with them."""
    yield from _residual(case, account, start, cost, case.truth)
    for position in case.legacy.positions or []:
        stored, at = stored_cost(case, position), position.symbol
        mine = case.legacy.symbols[at].portfolio == account.portfolio and stored is not None
        if mine and abs((stored or 0) - int(case.truth.open_cost_e8[at])) > slack(stored or 0):
            yield from _residual(case, account, start, cost, case.under(Method.AVERAGE))
            return


def _residual(case: Case, account: StoredAccount, start: int, cost: int, truth: Truth) -> Iterator[int]:
    realized, fees = _realized(case, account.portfolio, truth)
    unmatched = _unmatched_proceeds(case, account.portfolio, truth)
    residual = (account.cash_e8 or 0) + cost - start - case.moved_e8(account.portfolio) - realized - unmatched + fees
    yield residual
    yield residual - total(truth.open_fees_e8[case.symbols_of(account.portfolio)])


def _realized(case: Case, portfolio: str, truth: Truth) -> tuple[int, int]:
    mine = case.symbols_of(portfolio)
    return total(truth.realized_e8[mine]), total(truth.fees_e8[mine])


def _unmatched_proceeds(case: Case, portfolio: str, truth: Truth) -> int:
    """Return what sales without a lot brought in: no profit, and no part of the residual either."""
    trades, mine = case.legacy.trades, case.legacy.of(portfolio)
    places = (
        [at for at in range(len(trades)) if mine[at] and truth.unmatched_e8[at]] if truth.unmatched_e8.any() else []
    )
    return sum(worth(int(truth.value_e8[at]), int(truth.unmatched_e8[at]), int(trades.qty_e8[at])) for at in places)


def _stored_costs(case: Case, portfolio: str) -> tuple[int, int] | None:
    """Return (cost, value) of what is held by the stored positions; None when a cost is not known."""
    cost = value = 0
    for position in case.legacy.positions or []:
        if case.legacy.symbols[position.symbol].portfolio != portfolio:
            continue
        stored = stored_cost(case, position)
        if stored is None and position.qty_e8:
            return None
        cost += stored or 0
        value += worth(position.mark_e8 or 0, position.qty_e8, MONEY_SCALE)
    return cost, value


def equity_sum(case: Case) -> Iterator[Finding]:
    """Find accounts whose equity is not cash + what is held at the stored prices."""
    for account in case.legacy.accounts:
        costs = _stored_costs(case, account.portfolio) if case.legacy.positions is not None else None
        priced = all(p.mark_e8 for p in case.legacy.positions or [] if p.qty_e8)
        if account.equity_e8 is None or account.cash_e8 is None or costs is None or not priced:
            continue
        difference = account.equity_e8 - account.cash_e8 - costs[1]
        if abs(difference) > slack(account.equity_e8, 1 + len(case.legacy.positions or [])):
            yield Finding(
                "equity-is-no-sum",
                WARNING,
                f"equity of {account.portfolio} is not cash + positions",
                difference,
                [account.row],
                f"{text(account.equity_e8)} - cash {text(account.cash_e8)} - positions {text(costs[1])} = "
                f"{text(difference)}; "
                "prices may have moved between the two writes",
                LIKELY,
            )


def realized_books(case: Case) -> Iterator[Finding]:
    """Find accounts whose realized profit agrees with neither the trades' own column nor the booked trades."""
    trades = case.legacy.trades
    for account in case.legacy.accounts:
        mine = case.legacy.of(account.portfolio)
        if account.realized_e8 is None or not mine.any():
            continue
        gross, fees = _realized(case, account.portfolio, case.truth)
        net = gross - total((case.truth.open_fee_e8 + case.truth.close_fee_e8)[mine])
        stored = total(trades.pnl_e8[mine & trades.pnl_known])
        allowed = slack(total(case.truth.value_e8[mine]), int(case.truth.closers[mine].sum()))
        if min(abs(account.realized_e8 - true) for true in (gross, net, gross - fees)) <= allowed:
            continue
        same = trades.has_pnl and abs(account.realized_e8 - stored) <= allowed
        books = "two" if same else "three" if trades.has_pnl else "two"
        column = f", trades.pnl adds up to {text(stored)}" if trades.has_pnl else ""
        yield Finding(
            "books-disagree",
            ERROR,
            f"{books} values for the realized profit of {account.portfolio}",
            account.realized_e8 - gross,
            [account.row],
            f"the account says {text(account.realized_e8)}{column}, the trades booked FIFO give {text(gross)} "
            f"({text(net)} after fees)",
            CERTAIN,
            sql="SELECT realized_pnl, (SELECT SUM(pnl) FROM trades) FROM account",
            detail=(
                {
                    "account": text(account.realized_e8),
                    "column": text(stored),
                    "booked": text(gross),
                    "booked_net": text(net),
                },
            ),
        )
