"""A contract's prices: its days, and each day's minutes and seconds.

Theory of operation. A day's bar comes from a file where one has that day, and else from the model:
noise of many lengths added up, which is a wandering price that is a pure function of
seed, contract and day. The model is shifted so that it meets the price the contract
begins with, or the last close of the file. Minutes and seconds are split from the day's
bar (`paths.split`), the time before the opening leads from yesterday's close to it, and
the time after it stays near the close. Kept are a few days and minutes; all can be had
again at any time.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from math import exp, log
from typing import NamedTuple

import numpy as np

from sim.gateway.core.chance import MASK, key_of, mix, uniform
from sim.gateway.core.config import SECOND_NS
from sim.gateway.desk.contracts import Contract
from sim.gateway.desk.hours import MINUTE_NS, Hours, local_day, minute_ns, trades_on
from sim.gateway.feed.paths import CLOSE, HIGH, LOW, OPEN, Bar, Ints, joined, noise, split

SPANS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
KEPT = 64


class Real(NamedTuple):
    """Bars of a file by local day: whole days, or the minutes of each day (int64[n, 6], minute first)."""

    days: dict[int, Bar]
    minutes: dict[int, Ints]


class Series:
    """The prices of one contract."""

    def __init__(self, contract: Contract, hours: Hours, seed: int, anchor_day: int, real: Real | None = None) -> None:
        self.contract, self.hours, self.real = contract, hours, real or Real({}, {})
        self.key = key_of("series", seed, contract.symbol, contract.sec_type, contract.currency, contract.expiry[:6])
        self.first_day = min(self.real.days, default=anchor_day - 5000)
        anchor, base = anchor_day - 1, contract.base
        if self.real.days:
            anchor = max(self.real.days)
            base = self.real.days[anchor].close
        self._shift = log(max(base, contract.step)) - self._wander(anchor)
        self._kept: OrderedDict[tuple[int, int, int], Ints] = OrderedDict()

    def _wander(self, day: int) -> float:
        """Return the logarithm of the model's close, unshifted."""
        daily = self.contract.volatility / 15.87
        whole = 0.0
        for span in SPANS:  # not `sum`, which rounds otherwise since Python 3.12: prices are the same under every Python
            whole += daily * 1.6 * math.sqrt(span) * noise(self.key, day, span)
        return whole

    def _model_close(self, day: int) -> int:
        step = self.contract.step
        return max(1, round(exp(self._wander(day) + self._shift) / step)) * step

    def previous(self, day: int) -> int:
        """Return the last day before `day` that has a session."""
        day -= 1
        while day > self.first_day and not self.has(day):
            day -= 1
        return day

    def has(self, day: int) -> bool:
        """Say whether a day has prices: days of the file while it lasts, then days of session."""
        if self.real.days and day <= max(self.real.days):
            return day in self.real.days
        return trades_on(self.hours, day)

    def day(self, day: int) -> Bar:
        """Return the bar of a day's regular session; a day without one repeats the last close."""
        known = self.real.days.get(day)
        if known is not None:
            return known
        if not self.has(day):
            flat = self.day(self.previous(day)).close if day > self.first_day else self._model_close(day)
            return Bar(flat, flat, flat, flat, 0)
        return self._model_day(day)

    def _model_day(self, day: int) -> Bar:
        step, daily = self.contract.step, self.contract.volatility / 15.87
        before = self.real.days.get(day - 1)
        last = before.close if before is not None else self._model_close(day - 1)
        close = self._model_close(day)
        key = mix(self.key ^ mix(day))
        first = max(1, round(last * exp(daily * 0.4 * (uniform(key, 1) - 0.5)) / step)) * step
        top, bottom = max(first, close), min(first, close)
        high = top + round(last * daily * 0.6 * uniform(key, 2) / step) * step
        low = max(step, bottom - round(last * daily * 0.6 * uniform(key, 3) / step) * step)
        return Bar(first, high, low, close, int(4_000_000 * (0.5 + uniform(key, 4))))

    def _keep(self, key: tuple[int, int, int], rows: Ints) -> Ints:
        self._kept[key] = rows
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return rows

    def minutes(self, day: int, part: int = 1) -> Ints:
        """Return int64[n, 5], the minutes of a day: part 0 before the session, 1 within, 2 after it."""
        kept = self._kept.get((day, part, -1))
        if kept is not None:
            return kept
        pieces = (
            self.hours.open - self.hours.full_open, self.hours.close - self.hours.open, self.hours.full_close - self.hours.close
        )[part]  # fmt: skip
        if pieces == 0:
            return np.zeros((0, 5), np.int64)
        if part == 1 and day in self.real.minutes:
            return self._keep((day, part, -1), self._filled(day, pieces))
        return self._keep((day, part, -1), split(self._part(day, part), pieces, mix(self.key ^ mix(day * 3 + part)), self.contract.step))

    def _part(self, day: int, part: int) -> Bar:
        bar, step = self.day(day), self.contract.step
        if part == 1:
            return bar
        first, last = (self.day(self.previous(day)).close, bar.open) if part == 0 else (bar.close, bar.close)
        return Bar(first, max(first, last) + 2 * step, max(step, min(first, last) - 2 * step), last, bar.volume // 40)

    def _filled(self, day: int, pieces: int) -> Ints:
        """Return the minutes of a file, those without a trade filled with the last close."""
        rows, last = np.zeros((pieces, 5), np.int64), self.real.days[day].open
        given = {int(row[0]) - self.hours.open: row[1:] for row in self.real.minutes[day]}
        for minute in range(pieces):
            rows[minute] = given.get(minute, (last, last, last, last, 0))
            last = int(rows[minute, CLOSE])
        return rows

    def seconds(self, day: int, part: int, minute: int) -> Ints:
        """Return int64[60, 5], the seconds of the minute number `minute` of a part of a day."""
        place = (day, part, minute)
        kept = self._kept.get(place)
        if kept is not None:
            self._kept.move_to_end(place)
            return kept
        row = self.minutes(day, part)[minute]
        key = mix(self.key ^ mix((day * 3 + part) * 2048 + minute) ^ 0x5EC)
        return self._keep(place, split(Bar(*map(int, row)), 60, key & MASK, self.contract.step))

    def place(self, time_ns: int) -> tuple[int, int, int, int] | None:
        """Return (day, part, minute, second) of a moment; None where nothing is traded."""
        day = local_day(time_ns, self.hours.zone)
        if not self.has(day):
            return None
        total, rest = divmod(time_ns - minute_ns(self.hours.zone, day, 0), MINUTE_NS)
        minute, hours = int(total), self.hours
        if not hours.full_open <= minute < hours.full_close:
            return None
        part, first = (0, hours.full_open) if minute < hours.open else (1, hours.open) if minute < hours.close else (2, hours.close)
        return day, part, minute - first, int(rest // SECOND_NS)

    def second(self, time_ns: int) -> Bar:
        """Return the bar of the second that contains a moment; outside all sessions the last close, with no volume."""
        place = self.place(time_ns)
        if place is None:
            return self._resting(time_ns)
        day, part, minute, second = place
        row = self.seconds(day, part, minute)[second]
        return Bar(int(row[0]), int(row[1]), int(row[2]), int(row[3]), int(row[4]))

    def _resting(self, time_ns: int) -> Bar:
        day = local_day(time_ns, self.hours.zone)
        if not self.has(day) or time_ns < minute_ns(self.hours.zone, day, self.hours.full_open):
            day = self.previous(day)
        last = self.day(day).close
        return Bar(last, last, last, last, 0)

    def today(self, time_ns: int) -> Bar:
        """Return the regular session of the day so far, or of the last day; whole minutes and the running one."""
        place = self.place(time_ns)
        if place is None or place[1] != 1:
            day = local_day(time_ns, self.hours.zone)
            after = self.has(day) and time_ns >= minute_ns(self.hours.zone, day, self.hours.close)
            return self.day(day if after else self.previous(day))
        day, _, minute, second = place
        running = self.seconds(day, 1, minute)[: second + 1]
        before = self.minutes(day, 1)[:minute]
        return joined(np.vstack((before, running)))

    def last_close(self, time_ns: int) -> int:
        """Return the close of the session before the one of this moment."""
        return self.day(self.previous(local_day(time_ns, self.hours.zone))).close


def mapped(rows: Ints, price: np.ufunc | None) -> Ints:
    """Return rows with every price replaced by what a rising or falling function makes of it."""
    if price is None:
        return rows
    out = rows.copy()
    for column in (OPEN, HIGH, LOW, CLOSE):
        out[:, column] = price(rows[:, column])
    high, low = np.maximum(out[:, HIGH], out[:, LOW]), np.minimum(out[:, HIGH], out[:, LOW])
    out[:, HIGH], out[:, LOW] = high, low
    return out
