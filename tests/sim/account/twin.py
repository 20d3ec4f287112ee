"""A slow account: what a run must come to, in plain Python integers and one order a wish.

It knows nothing of the book, its events or its gate. Instruments share all their days; every
order fills whole at the next open. Commissions come from `sim.costs.commission`, which has
a twin of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

from ledger.units import money, to_grid
from sim.costs import commission, parse
from sim.data import History
from sim.engine.account.terms import parse_account
from strategies.sizing import parse_rule

SHARE = 10_000


def near(value: Fraction) -> int:
    """Round half to even, as every product of the book is rounded."""
    return round(value)


@dataclass
class Line:
    """One instrument of the account."""

    history: History
    position: int = 0
    cost: int = 0  # of the open lots, >= 0
    mark: int = 0
    last: int | None = None  # the accepted target, -1, 0 or 1
    pending: tuple[int, int, int] | None = None  # target, reserve, accepted wish
    night: int = 0

    @property
    def value(self) -> int:
        return self.position * self.mark


@dataclass
class SlowAccount:
    """The account; `run` plays digits (0 flat, 1 long, 2 short) and returns (cash, value) after each bar."""

    histories: list[History]
    setting: Any
    short: bool = True
    cash: int = 0
    income: int = 0
    fees: int = 0
    floor: int = 0
    refused: int = 0
    calls: int = 0
    day: int = 0
    unsettled: list[tuple[int, int]] = field(default_factory=list)  # (days passed at the sale, proceeds)
    days_passed: int = 0
    month: tuple[int, int] = (0, 0)
    shares: int = 0

    def __post_init__(self) -> None:
        self.cash = money(self.setting.cash)
        self.model, self.margin = parse(self.setting.commission), parse_account(self.setting.account)
        self.rule, self.settle = parse_rule(self.setting.size), int(self.setting.settlement)
        self.step = to_grid(self.setting.lot, 4)
        self.lines = [Line(history) for history in self.histories]

    def rate(self, text: str) -> Fraction:
        return Fraction(text) / 10_000 / 360

    @property
    def equity(self) -> int:
        return self.cash + sum(line.value for line in self.lines)

    def run(self, digits: list[int]) -> list[tuple[int, int]]:
        curve = []
        for bar in range(len(self.histories[0].day)):
            for line in self.lines:
                self.open(line, bar)
            for line in self.lines:
                line.mark = int(line.history.close_ticks[bar])
            called = self.called()
            for line in self.lines:
                self.wish(line, bar, digits[bar], called)
            if bar == len(self.histories[0].day) - 1:
                for line in self.lines:
                    self.end(line)
            curve.append((self.cash, sum(line.value for line in self.lines)))
        return curve

    def open(self, line: Line, bar: int) -> None:
        day = int(line.history.day[bar])
        if day > self.day:
            self.new_day(day)
        if line.night and line.position < 0:
            self.pay(-near(-line.value * self.rate(self.setting.borrow_bps) * (day - line.night)))
        line.night = day
        due = [act for act in line.history.actions if act.day == day and bar > 0]
        for act in sorted(due, key=lambda act: act.kind == "split"):
            if act.kind == "dividend":
                self.pay(near(Fraction(line.position * act.amount_e8, SHARE)))
            elif act.kind == "split":
                self.split(line, act.numerator, act.denominator)
        if line.pending:
            self.fill(line, int(line.history.open_ticks[bar]), day)

    def new_day(self, day: int) -> None:
        if self.day:
            base = self.cash + sum(min(0, line.value) for line in self.lines)
            rate = self.rate(self.setting.interest_bps if base > 0 else self.setting.debit_bps)
            self.pay(near(base * rate * (day - self.day)))
        self.day, self.days_passed = day, self.days_passed + 1
        if self.settle:
            self.floor = self.held_back()

    def held_back(self) -> int:
        return sum(proceeds for when, proceeds in self.unsettled if self.days_passed - when < self.settle)

    def pay(self, amount: int) -> None:
        self.cash += amount
        self.income += amount

    def split(self, line: Line, new: int, old: int) -> None:
        target, wish = (line.pending[0], line.pending[2]) if line.pending else (None, None)
        line.pending = None
        before = line.position
        line.position = near(Fraction(line.position * new, old))
        line.mark = near(Fraction(line.mark * old, new))
        if before and not line.position:
            line.cost = 0
        rest = abs(line.position) % self.step
        if rest:
            side = 1 if line.position > 0 else -1
            self.cash += side * rest * line.mark
            line.cost -= near(Fraction(line.cost * rest, abs(line.position)))
            line.position -= side * rest
        if target is not None:
            line.last = None
            scaled = near(Fraction(target * new, old))
            whole = abs(scaled) // self.step * self.step * (1 if scaled >= 0 else -1)
            if line.mark and self.claim(line, whole, wish):
                line.last = wish

    def fill(self, line: Line, price: int, day: int) -> None:
        target, _, _ = line.pending or (0, 0, 0)
        line.pending = None
        delta = target - line.position
        qty, side = abs(delta), 1 if delta > 0 else -1
        this = date.fromordinal(day)
        if self.month != (this.year, this.month):
            self.month, self.shares = (this.year, this.month), 0
        fee = int(commission(self.model, side, qty, price, qty * price, SHARE, self.shares))
        self.shares += qty
        closing = min(qty, max(0, -side * line.position))
        if side < 0 and self.settle:
            self.unsettled.append((self.days_passed, closing * price))
        if closing:
            line.cost -= near(Fraction(line.cost * closing, abs(line.position)))
        line.cost += (qty - closing) * price
        line.position = target
        self.cash -= side * qty * price + fee
        self.fees += fee
        if self.settle:
            self.floor = self.held_back()

    def called(self) -> bool:
        long = sum(max(0, line.value) for line in self.lines)
        short = sum(max(0, -line.value) for line in self.lines)
        needed = near(Fraction(long * self.margin.long_bps, 10_000)) + near(Fraction(short * self.margin.short_bps, 10_000))
        return self.margin.kind == 1 and self.equity < needed

    def wish(self, line: Line, bar: int, digit: int, called: bool) -> None:
        wish = -1 if digit == 2 else digit
        if called:
            line.pending = None
            if line.position:
                line.pending = (0, 0, line.last or 0)
                self.calls += 1
            return
        if wish == line.last:
            return
        target = self.lots(line, wish)
        if target == line.position:
            line.last = wish
            return
        if self.margin.kind == 1:
            self.credit(line, target)
        line.last = wish if self.claim(line, target, wish) else None

    def lots(self, line: Line, wish: int) -> int:
        if self.rule.kind == "shares":
            return wish * (self.rule.amount // self.step * self.step)
        weight = Fraction(self.rule.amount // len(self.lines), 10**6)
        fee = 0
        while True:
            free = max(0, self.equity) * (10_000 - self.rule.buffer_bps) // 10_000 - fee
            budget = int(max(0, free) * weight) if wish else 0
            lots = wish * (budget // line.mark // self.step * self.step)
            qty = abs(lots - line.position)
            side = 1 if lots > line.position else -1
            needed = int(commission(self.model, side, qty, line.mark, qty * line.mark, SHARE)) if self.rule.with_fee else 0
            if needed <= fee:
                return lots
            fee = needed

    def parts(self, line: Line, target: int) -> tuple[int, int, int, int]:
        delta = target - line.position
        side = 1 if delta > 0 else -1
        closing = min(abs(delta), max(0, -side * line.position))
        worst = max(1, line.mark + side * (line.mark * 400 // 10_000))
        return side, closing, abs(delta) - closing, worst

    def hold(self, line: Line) -> int:
        return 2 * line.cost if line.position < 0 else 0

    def credit(self, line: Line, target: int) -> None:
        gross = sum(abs(one.value) for one in self.lines)
        power = near(Fraction(max(0, self.equity) * 10_000, self.margin.initial_bps)) - gross
        worst = max(1, line.mark + line.mark * 400 // 10_000)
        if line.position < 0 < target:
            power -= max(0, self.hold(line) + line.position * worst + line.value)
        self.floor = self.cash - sum(map(self.hold, self.lines)) - power

    def claim(self, line: Line, target: int, wish: int | None) -> bool:
        """The gate: cash above the floor, less reservations and what shorts hold, must carry the worst case."""
        side, closing, opening, worst = self.parts(line, target)
        if target == line.position:
            return False
        if opening and side < 0 and not self.short:
            self.refused += 1
            return False
        reserve = 0
        if opening:
            most = abs(target) + abs(line.position)
            fee = int(commission(self.model, side, most, worst, most * worst, SHARE))
            freed = closing * worst
            if side > 0 and closing:
                freed = near(Fraction(self.hold(line) * closing, -line.position)) - closing * worst
            reserve = max(0, opening * worst - freed) + fee
            taken = sum(one.pending[1] for one in self.lines if one.pending)
            if reserve > self.cash - taken - sum(map(self.hold, self.lines)) - self.floor:
                self.refused += 1
                return False
        line.pending = (target, reserve, wish or 0)
        return True

    def end(self, line: Line) -> None:
        line.pending = None
        if any(act.kind == "delisting" for act in line.history.actions):
            self.cash += 0 if self.setting.delisting == "worthless" else line.value
            line.position = line.cost = 0
