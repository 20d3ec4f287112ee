"""Backtest: forms that make commands, run them in the background, and draw what they say.

Theory of operation. Every button shows the exact command it starts. The command runs in a process of its own and stores
its result in the book like any other; the page follows it through files (`app.jobs`), so a reload loses nothing.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.jobs import results, store, view, words
from app.shell import books, choice, parts, text
from strategies import get, names

BARS = ("5s", "10s", "30s", "1m", "5m")
PROFILES = ("next-open", "close", "pessimistic", "optimistic", "vectorbt")
HELPS = {
    "data": "sp500 and nasdaq are bundled; store is the local price store; or a path of a CSV, a Parquet file or a LEAN folder.",
    "size": "percent:95 of equity, shares:100, volatility:15, atr:1, kelly:50",
    "commission": "ibkr-fixed, ibkr-tiered, lean-ibkr, zero, bps:10, per-share:0.005, per-order:1",
    "profile": "When orders fill. Pessimistic and optimistic take the worse and the better way through each bar.",
    "slippage": "none, ticks:2, bps:5 or volume-share:0.1",
}


def strategy_of(key: str) -> str:
    """Let the reader choose a strategy of the registry."""
    known = names()
    chosen = st.selectbox(
        "Strategy",
        known,
        index=known.index("sma_cross"),
        key=f"{key}-strategy",
        format_func=lambda name: name.replace("_", " "),
    )
    st.caption(text.plain(get(chosen).summary))
    return chosen


def params_of(strategy: str, key: str, tried: dict[str, str] | None = None) -> dict[str, str]:
    """Let the reader set the strategy's parameters; `tried` are values to try instead of the defaults."""
    made = get(strategy)
    defaults = made.params()._asdict()
    columns = st.columns(min(5, max(1, len(defaults))))
    found = {}
    for place, (name, default) in enumerate(defaults.items()):
        low, high = made.ranges.get(name, (None, None))
        hint = f"from {low:g} to {high:g}" if low is not None and high is not None else None
        start = f"{default:g}" if tried is None else tried.get(name, "")
        found[name] = columns[place % len(columns)].text_input(
            name, start, key=f"{key}-{strategy}-{name}", help=hint, max_chars=120
        )
    return found


def options_of(key: str, trading: bool = True) -> dict[str, str]:
    """Let the reader say what is read and how the account trades; empty fields keep the defaults."""
    one, two, three, four = st.columns(4)
    found = {
        "data": one.selectbox(
            "Data", ["sp500", "nasdaq", "store"], key=f"{key}-data", help=HELPS["data"], accept_new_options=True
        )
        or "",
        "symbol": two.text_input("Symbols", "", key=f"{key}-symbol", placeholder="all of a file", max_chars=60),
        "start": three.text_input("First day", "", key=f"{key}-start", placeholder="2015-01-02", max_chars=10),
        "end": four.text_input("Last day", "", key=f"{key}-end", placeholder="2018-12-31", max_chars=10),
    }
    if not trading:
        return found
    one, two, three, four = st.columns(4)
    found["cash"] = one.text_input("Cash", "100000", key=f"{key}-cash", max_chars=20)
    found["size"] = two.text_input("Size", "percent:95", key=f"{key}-size", help=HELPS["size"], max_chars=40)
    found["commission"] = three.text_input(
        "Costs", "ibkr-fixed", key=f"{key}-commission", help=HELPS["commission"], max_chars=40
    )
    found["slippage"] = four.text_input("Slippage", "none", key=f"{key}-slippage", help=HELPS["slippage"], max_chars=40)
    return found


def draw() -> None:
    """Draw the page."""
    book = choice.book_path()
    place = store.folder_of(book)
    parts.header(
        "Backtest",
        "Try a strategy, many settings of it, its luck, and a day on paper. Each button shows the command it starts.",
    )
    tabs = st.tabs(["One run", "Sweep", "Walk-forward", "Luck", "Demo paper session"])
    for tab, part in zip(tabs, (_one, _sweep, _walk, _luck, _paper), strict=True):
        with tab:
            part(book, place)


def _one(book: str, place: Path) -> None:
    strategy = strategy_of("one")
    params, options = params_of(strategy, "one"), options_of("one")
    options["profile"] = (
        st.segmented_control("Fills", PROFILES, default=PROFILES[0], key="one-profile", help=HELPS["profile"])
        or PROFILES[0]
    )
    view.button(
        "Run the backtest", "backtest", lambda: words.backtest(strategy, params, options, book), place, "run-one"
    )
    view.followed(place, ["backtest"], results.show)


def _sweep(book: str, place: Path) -> None:
    strategy = strategy_of("sweep")
    st.caption("Values to try: 5:50:5 (both ends included) or 5,10,20. Empty keeps the default.")
    params = params_of(strategy, "sweep", {"fast": "5:50:5", "slow": "20:200:20"})
    options = options_of("sweep", trading=False)
    view.button(
        "Run the sweep",
        "sweep",
        lambda: words.sweep(strategy, params, options, book, str(Path(book).parent / "sweeps"), None),
        place,
        "run-sweep",
    )
    view.followed(place, ["sweep"], results.show, 1)


def _walk(book: str, place: Path) -> None:
    strategy = strategy_of("walk")
    st.caption(
        "Candidates: 5:50:5 or 5,10,20. The best of each stretch trades the time after it; all tests together are one account."
    )
    params = params_of(strategy, "walk", {"fast": "5:20:5", "slow": "30:120:30"})
    options = options_of("walk", trading=False)
    left, right, _ = st.columns([1, 1, 2])
    learn = left.number_input("Trading days to learn on", 20, 5_000, 756, key="walk-learn")
    test = right.number_input("Trading days to trade", 5, 2_000, 252, key="walk-test")
    view.button(
        "Walk forward",
        "walkforward",
        lambda: words.walkforward(strategy, params, options, book, int(learn), int(test)),
        place,
        "run-walk",
    )
    view.followed(place, ["walkforward"], results.show, 1)


def _luck(book: str, place: Path) -> None:
    """Ask how much of a stored backtest is luck."""
    found = choice.chosen("backtest")
    if found is None:
        return
    info, _ = found
    strategy = str(books.config(info).get("strategy") or "")
    st.caption(
        text.plain(
            f"How much of session {info.id} is luck, given everything that was tried of its family? Candidates fill the second row."
        )
    )
    params = params_of(strategy, "luck", {"fast": "5,10,20", "slow": "30,60,120"}) if strategy in names() else {}
    view.button("Judge it", "overfit", lambda: words.overfit(info.id, params, book), place, "run-luck")
    view.followed(place, ["overfit"], results.show, 1)


def _paper(book: str, place: Path) -> None:
    st.info(
        "**SIMULATED**: the embedded gateway draws prices. No account, no network, no market, no money.",
        icon=":material/science:",
    )
    strategy = strategy_of("paper")
    params = params_of(strategy, "paper", {"fast": "3", "slow": "6"})
    one, two, three, four = st.columns(4)
    symbols = one.text_input("Symbols", "AAPL,MSFT,NVDA", key="paper-symbols", max_chars=80)
    bar = two.selectbox("Bar", BARS, key="paper-bar")
    seconds = three.number_input("Stop after seconds", 5, 86_400, 300, key="paper-seconds")
    seed = four.number_input("Seed of the prices", 0, 2**31 - 1, 7, key="paper-seed")
    wanted = [symbol.strip().upper() for symbol in symbols.split(",") if symbol.strip()]
    view.button(
        "Start the demo session",
        "paper",
        lambda: words.paper(strategy, params, wanted, str(bar), int(seconds), book, int(seed)),
        place,
        "run-paper",
    )
    st.caption(
        "Watch it on the page Overview while it runs; stopping it leaves a clean book, and the next start goes on from it."
    )
    view.followed(place, ["paper"], results.show)


if __name__ == "__main__":
    parts.guarded(draw)
