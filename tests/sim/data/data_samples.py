"""Small files for the data tests: a good one, and ways to break it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

HEADER = "date,open,high,low,close,volume"
Rows = list[list[str]]


def sessions(count: int, first: date = date(2024, 1, 2)) -> list[date]:
    """Return XNYS sessions of 2024, from the calendar the code itself uses."""
    from sim.data.sessions import new_york_sessions

    days = new_york_sessions(date(2024, 12, 31).toordinal()).day
    return [date.fromordinal(int(day)) for day in days[days >= first.toordinal()][:count]]


def rows(count: int = 200) -> Rows:
    """Return good daily bars: prices move a little, in cents."""
    result = []
    for at, day in enumerate(sessions(count)):
        price = 100 + (at * 7 % 13) / 10
        result.append(
            [
                day.isoformat(),
                f"{price:.2f}",
                f"{price + 1:.2f}",
                f"{price - 1:.2f}",
                f"{price + 0.5:.2f}",
                str(1000 + at),
            ]
        )
    return result


def minutes(count: int = 200, first: str = "2024-01-02 09:30", step: int = 1) -> Rows:
    """Return good minute bars within one day."""
    start = datetime.fromisoformat(first)
    return [
        [(start + timedelta(minutes=at * step)).strftime("%Y-%m-%d %H:%M:%S"), "10", "11", "9", "10.5", "7"]
        for at in range(count)
    ]


def text(lines: Sequence[Sequence[str]], header: str = HEADER) -> str:
    """Return rows as the text of a CSV."""
    return "\n".join([header, *(",".join(line) for line in lines)]) + "\n"


def edited(at: int, column: int, value: str, count: int = 200) -> str:
    """Return the good file with one field replaced."""
    lines = rows(count)
    lines[at][column] = value
    return text(lines)


def times(change: Callable[[int, str], str], count: int = 200) -> str:
    """Return the good file with every date rewritten."""
    return text([[change(at, line[0]), *line[1:]] for at, line in enumerate(rows(count))])
