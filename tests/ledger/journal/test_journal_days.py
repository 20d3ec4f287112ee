"""Profit belongs to the day on the exchange's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import views
from ledger.book import event
from ledger.journal import Journal, JournalError
from ledger.journal.days import trading_days
from ledger.vocabulary import EventKind, Outcome

ZONES = ["America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"]


@given(st.lists(st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)), max_size=20), st.sampled_from(ZONES))
def test_a_trading_day_is_the_date_that_a_wall_clock_shows(moments: list[datetime], name: str) -> None:
    zone, start = ZoneInfo(name), datetime(1970, 1, 1, tzinfo=UTC)
    seconds = [(moment.replace(tzinfo=UTC, microsecond=0) - start) // timedelta(seconds=1) for moment in moments]
    expected = [moment.replace(tzinfo=UTC).astimezone(zone).date().toordinal() - 719_163 for moment in moments]
    assert trading_days(np.array(seconds, np.int64) * 10**9, zone).tolist() == expected


def test_a_sale_at_half_past_eight_in_the_evening_counts_for_that_day(tmp_path: Path) -> None:
    """The field report: trades after 19:00 or 20:00 in New York fell into the next day's profit."""
    evening = int(datetime(2026, 1, 26, 20, 30, tzinfo=ZoneInfo("America/New_York")).timestamp()) * 10**9
    with Journal.open(tmp_path / "a.db") as journal:
        session = journal.begin("backtest", "x", config={})
        for line in (
            event(EventKind.INSTRUMENT, instrument=1, revision=4, order_type=4, price_ticks=1, qty_lots=1, target_lots=1),
            event(EventKind.FILL, instrument=1, side=1, qty_lots=10_000, price_ticks=10_000, exec_id=1, time_ns=evening - 10),
            event(EventKind.FILL, instrument=1, side=-1, qty_lots=10_000, price_ticks=20_000, exec_id=2, time_ns=evening),
        ):
            assert session.record(line) == Outcome.APPLIED
        (day,) = views.pnl_days(journal, session.id)
        assert day.day + 719_163 == datetime(2026, 1, 26).toordinal()
        assert journal.verify(session.id).ok


def test_a_zone_that_does_not_exist_stops_the_session_before_it_begins(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "a.db") as journal:
        with pytest.raises(JournalError, match="Mars/Olympus"):
            journal.begin("backtest", "x", config={"timezone": "Mars/Olympus"})
        assert journal.sessions() == []
