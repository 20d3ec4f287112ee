"""Books to look at: one with two backtests, and files that are no books."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def book(tmp_path_factory) -> Path:
    """Return a book with two backtests of the same strategy with other parameters."""
    from sim import backtest

    path = tmp_path_factory.mktemp("books") / "onebook.db"
    for fast, slow in ((10, 30), (20, 100)):
        backtest(data="sp500", strategy="sma_cross", fast=fast, slow=slow, reading={"start": "2008-01-02"}).save(path, "sp500")
    return path


@pytest.fixture
def show(monkeypatch):
    """Return a function that opens a page of a book and returns what it drew."""
    from streamlit.testing.v1 import AppTest

    def shown(path: Path, page: str = "", **query: str) -> AppTest:
        monkeypatch.setenv("ONEBOOK_BOOK", str(path))
        test = AppTest.from_file(str(ROOT / "app_streamlit.py"), default_timeout=60)
        for name, value in query.items():
            test.query_params[name] = value
        test.run()
        if page:
            test.switch_page(str(ROOT / "app" / "pages" / f"{page}.py")).run()
        assert not test.exception, [one.value for one in test.exception]
        return test

    return shown


def words(test) -> str:
    """Return everything that a page says, for looking something up."""
    said = [one.value for kind in ("header", "subheader", "markdown", "caption", "info", "warning", "error", "success") for one in getattr(test, kind)]
    return "\n".join([*map(str, said), *(f"{one.label}: {one.value}" for one in test.metric)])
