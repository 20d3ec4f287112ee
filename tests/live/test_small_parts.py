"""The link, the pacer, the feed and the configuration: each by its own rule."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from live import link as links
from live.broker.codes import LinkNews
from live.broker.facts import PositionSeen
from live.broker.fold import Contract
from live.broker.reconcile import held_lots
from live.config import ConfigError, PaperConfig, checked, read, require_paper_accounts, require_paper_port
from live.market.feed import Gatherer, bar_ns, bar_size
from live.market.history import Bar
from live.link import Link, State, Todo
from live.market.market import in_ticks
from live.pacer import Pacer, Rank

MOVES = st.one_of(
    st.sampled_from([links.connecting, links.connected, links.closed, links.reconciled, links.resumed]).map(lambda f: lambda k: f(k, 1)),
    st.sampled_from(list(LinkNews)).map(lambda said: lambda k: links.news(k, 1, said)),
    st.booleans().map(lambda answered: lambda k: links.beat(k, 1, answered)),
    st.just(lambda k: links.failed(k, 1, "no")),
    st.just(lambda k: links.halted(k, 1, "stop")),
)


@given(st.lists(MOVES, max_size=40))
def test_ready_is_reached_only_from_syncing_by_the_reconciler_and_left_with_the_gate_closed(moves: list) -> None:  # type: ignore[type-arg]
    link = Link()
    for move in moves:
        before, (link, todo) = link, move(link)
        if link.state is State.READY and before.state is not State.READY:
            assert before.state is State.SYNCING and link.reason == "connected and reconciled"
        if before.state is State.READY and link.state is not State.READY:
            assert Todo.CLOSE_GATE in todo
        if before.state is State.HALTED and link.state is not State.HALTED:
            assert link.reason == "resumed by a person"
        assert links.may_send(link) == (link.state is State.READY)


S, T = State, Todo
STANDS = (S.SYNCING, S.READY, S.DEGRADED)
GONE = (S.DOWN, (T.CLOSE_GATE, T.CONNECT))
MENDED = (S.SYNCING, (T.CLOSE_GATE, T.SUBSCRIBE, T.RECONCILE))
Step = Callable[[Link], links.Change]


def told(said: LinkNews) -> Step:
    return lambda link: links.news(link, 1, said)


# What happens -> from which state to which, and what is to be done then; from every other state it changes nothing.
STEPS: list[tuple[str, Step, dict[State, tuple[State, tuple[Todo, ...]]]]] = [
    ("begin to connect", lambda k: links.connecting(k, 1), {S.DOWN: (S.CONNECTING, ())}),
    ("connected", lambda k: links.connected(k, 1), {S.CONNECTING: (S.SYNCING, (T.RECONCILE, T.SUBSCRIBE))}),
    ("an attempt fails", lambda k: links.failed(k, 1, "no"), dict.fromkeys((S.DOWN, S.CONNECTING, *STANDS), GONE)),
    ("the socket closes", lambda k: links.closed(k, 1), dict.fromkeys((S.CONNECTING, *STANDS), GONE)),
    ("the lists agree", lambda k: links.reconciled(k, 1), {S.SYNCING: (S.READY, ())}),
    ("a fault", lambda k: links.halted(k, 1, "stop"), dict.fromkeys(S, (S.HALTED, (T.CLOSE_GATE, T.HALT)))),
    ("a person resumes", lambda k: links.resumed(k, 1), {S.READY: (S.SYNCING, (T.CLOSE_GATE, T.RECONCILE)), S.HALTED: (S.DOWN, (T.CONNECT,))}),
    ("1100", told(LinkNews.LOST), dict.fromkeys((S.SYNCING, S.READY), (S.DEGRADED, (T.CLOSE_GATE,)))),
    ("1101", told(LinkNews.RESTORED_DATA_LOST), dict.fromkeys(STANDS, MENDED)),
    ("1102", told(LinkNews.RESTORED), dict.fromkeys(STANDS, MENDED)),
    ("1300", told(LinkNews.PORT_MOVED), dict.fromkeys(STANDS, GONE)),
    ("100", told(LinkNews.RATE_EXCEEDED), dict.fromkeys(S, (S.HALTED, (T.CLOSE_GATE, T.HALT)))),
    *((said.value, told(said), {}) for said in (LinkNews.ID_IN_USE, LinkNews.INFORMATION)),
]


@pytest.mark.parametrize(("step", "leads"), [row[1:] for row in STEPS], ids=[row[0] for row in STEPS])
def test_the_link_moves_as_the_table_says_and_otherwise_not_at_all(step: Step, leads: dict[State, tuple[State, tuple[Todo, ...]]]) -> None:
    for state in State:
        link, todo = step(Link(state))
        assert (link.state, todo) == leads.get(state, (state, ()))
        assert state in leads or link == Link(state)


@pytest.mark.parametrize("state", State)
def test_news_of_the_data_moves_no_link_and_is_kept(state: State) -> None:
    for said, stale in ((LinkNews.DATA_STALE, True), (LinkNews.DATA_FRESH, False), (LinkNews.OTHER_LOGIN, True)):
        assert links.news(Link(state, data_stale=not stale), 1, said) == (Link(state, data_stale=stale), ())


def test_attempts_that_fail_are_counted_until_one_succeeds() -> None:
    link = Link()
    for number in (1, 2, 3):
        link = links.failed(links.connecting(link, 1).link, 1, "no").link
        assert link.failures == number
    assert links.connected(links.connecting(link, 1).link, 1).link.failures == 0


def test_a_flood_of_1100_does_nothing_after_the_first() -> None:
    link = links.news(Link(State.READY), 1, LinkNews.LOST).link
    for number in range(833):
        again = links.news(link, number, LinkNews.LOST)
        assert again.link is link and again.todo == ()


def test_two_missed_heartbeats_are_a_lost_connection_and_one_is_not() -> None:
    once = links.beat(Link(State.READY), 1, False).link
    assert once.state is State.READY and links.beat(once, 2, True).link == Link(State.READY)
    assert links.beat(once, 2, False).link.state is State.DOWN


def test_a_broken_rate_limit_halts() -> None:
    assert links.news(Link(State.READY), 1, LinkNews.RATE_EXCEEDED).link.state is State.HALTED


@given(st.integers(0, 100), st.floats(0, 1))
def test_back_off_grows_and_stays_below_its_bound(failures: int, jitter: float) -> None:
    assert 1.0 <= links.back_off_s(failures, jitter) <= 75.0


@given(st.lists(st.tuples(st.integers(0, 400_000_000), st.sampled_from(list(Rank))), min_size=1, max_size=200))
def test_no_second_has_more_messages_than_the_rate(asks: list[tuple[int, Rank]]) -> None:
    pacer, now, sent = Pacer(20, 10, 0), 0, []
    for gap, rank in asks:
        now += gap
        if pacer.wait_ns(now, rank) == 0:
            pacer.take(now)
            sent.append(now)
    for first in sent:
        assert sum(first <= moment < first + 10**9 for moment in sent) <= 20


def test_a_full_bucket_does_not_let_two_seconds_of_messages_into_one() -> None:
    pacer, sent = Pacer(40, 40, 0), []
    for now in range(0, 10**9, 10**7):
        while pacer.wait_ns(now) == 0:
            pacer.take(now)
            sent.append(now)
    assert len(sent) == 40


@pytest.mark.parametrize("unasked", [0, 1], ids=["asked for a turn first", "sent without asking"])
def test_a_clock_that_is_set_back_keeps_nobody_waiting_for_it(unasked: int) -> None:
    pacer, hour = Pacer(40, 40, 0), 3600 * 10**9
    for _ in range(40):
        pacer.take(2 * hour)
    for _ in range(unasked):  # as what the library sends by itself when it connects
        pacer.take(hour)
    assert 0 < pacer.wait_ns(hour) <= 10**9, "what went within the last second still counts"
    assert pacer.wait_ns(hour + 10**9) == 0


def test_questions_leave_turns_to_orders() -> None:
    pacer = Pacer(40, 40, 0)
    while pacer.wait_ns(0, Rank.QUESTION) == 0:
        pacer.take(0)
    assert pacer.wait_ns(0, Rank.ORDER) == 0


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (50, 1), (40, 0)])
def test_a_rate_the_gateway_would_punish_is_refused(rate: int, burst: int) -> None:
    with pytest.raises(ValueError, match="50 messages"):
        Pacer(rate, burst, 0)


def piece(second: int, price: int, volume: float = 1.0) -> Bar:
    return Bar(second * 10**9, (second + 5) * 10**9, price, price + 1, price - 1, price, volume)


@given(st.lists(st.integers(0, 400), unique=True, min_size=1, max_size=60), st.integers(1, 6))
def test_gathered_bars_hold_every_piece_once_inside_their_edges(places: list[int], minutes: int) -> None:
    gatherer, length = Gatherer(bar_ns(f"{minutes}m")), minutes * 60 * 10**9
    if 86_400 % (minutes * 60):
        return
    pieces = [piece(5 * place, 1000 + place) for place in sorted(places)]
    bars = [bar for one in pieces if (bar := gatherer.add(one)) is not None]
    last = gatherer.flush(10**20)
    bars += [last] if last is not None else []
    assert sum(bar.volume for bar in bars) == len(pieces)
    for bar in bars:
        mine = [p for p in pieces if bar.start_ns <= p.start_ns < bar.end_ns]
        assert bar.end_ns - bar.start_ns == length and bar.start_ns % length == 0
        assert (bar.open, bar.close) == (mine[0].open, mine[-1].close)
        assert (bar.high, bar.low) == (max(p.high for p in mine), min(p.low for p in mine))


def test_a_late_piece_is_counted_and_changes_no_bar_given_away() -> None:
    gatherer = Gatherer(bar_ns("1m"))
    gatherer.add(piece(0, 100))
    assert gatherer.add(piece(60, 101)) is not None
    assert gatherer.add(piece(30, 999)) is None and gatherer.late == 1
    bar = gatherer.flush(10**20)
    assert bar is not None and bar.high == 102


def test_missing_bars_are_counted_and_not_invented() -> None:
    gatherer = Gatherer(bar_ns("1m"))
    for second in (0, 60, 300):
        gatherer.add(piece(second, 100))
    gatherer.flush(10**20)
    assert gatherer.missing == 3


@pytest.mark.parametrize("text", ["", "7s", "1d", "0m", "-1m", "7m", "13h", "1.5m", "m"])
def test_a_bar_that_does_not_divide_a_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected 5s to 12h"):
        bar_ns(text)


def test_bars_in_words_of_ibkr() -> None:
    assert bar_size(bar_ns("1m")) == "1 min" and bar_size(bar_ns("4h")) == "4 hours"
    bar = in_ticks(type("B", (), {"start_ns": 0, "open": Decimal("1.00005"), "high": Decimal(2), "low": Decimal(1), "close": Decimal("1.5"), "volume": Decimal(3)})(), 5)
    assert (bar.open, bar.high, bar.low, bar.close, bar.end_ns) == (10_000, 20_000, 10_000, 15_000, 5)


@pytest.mark.parametrize("port", [4001, 7496, 4003, 7498])
def test_a_live_port_is_refused_by_name(port: int) -> None:
    with pytest.raises(ConfigError, match="REAL MONEY"):
        require_paper_port(port)


@pytest.mark.parametrize("port", [0, 80, 4005, 65_536])
def test_an_unknown_port_is_refused(port: int) -> None:
    with pytest.raises(ConfigError, match="not known to be a paper port"):
        require_paper_port(port)


@pytest.mark.parametrize(
    ("accounts", "wanted", "words"),
    [
        ([], None, "named no account"), ([""], None, "named no account"), (["U1234567"], None, "not a paper account"),
        (["DU1234567", "U1234567"], "DU1234567", "not a paper account"), (["DU1234567"], "DU7654321", "not managed"),
        (["DU1234567", "DU7654321"], None, "say which one"), (["F1234567"], None, "not a paper account"), (["du1234567"], None, "not a paper"),
    ],
)  # fmt: skip
def test_an_account_that_is_not_provably_paper_is_refused(accounts: list[str], wanted: str | None, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        require_paper_accounts(accounts, wanted)


def test_paper_accounts_are_accepted() -> None:
    assert require_paper_accounts(["DU1234567"], None) == "DU1234567"
    assert require_paper_accounts(["DU1234567", "DF7654321"], "DF7654321") == "DF7654321"


@pytest.mark.parametrize(
    "text", ["strategi = 'x'", "port = 'x'", "port = 4001\nhost = '127.0.0.1'", "symbols = []", "symbols = ['A', 'A']", "client_id = 0",
             "tasks = 0", "[limits]\nmax_opne = 3", "live = true", "x"],
)  # fmt: skip
def test_a_wrong_configuration_is_an_error_that_names_it(tmp_path, text: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "paper.toml"
    path.write_text(text)
    with pytest.raises(ConfigError):
        read(path)


def test_a_configuration_that_is_not_utf_8_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "paper.toml"
    path.write_text("strategy = 'é'", encoding="latin-1")
    with pytest.raises(ConfigError, match=r"paper\.toml: .*utf-8"):
        read(path)


@given(st.decimals() | st.none(), st.integers(0, 8))
def test_a_position_in_lots_is_what_decimals_say_and_none_between_two_lots(quantity: Decimal | None, exp: int) -> None:
    contract, zero = Contract(1, "AAPL", 1, 4, exp), Decimal(0)
    held = None if quantity is None else PositionSeen(0, "DU1", 1, "AAPL", quantity, zero)
    try:
        scaled = (zero if quantity is None else quantity).scaleb(exp)
        expected = int(scaled) if scaled == scaled.to_integral_value() else None
    except ArithmeticError as error:
        with pytest.raises(type(error)):
            held_lots(held, contract)
    else:
        assert held_lots(held, contract) == expected


def test_the_defaults_are_a_valid_configuration() -> None:
    assert checked(PaperConfig()) == PaperConfig()


def test_what_ib_async_complains_of_is_not_printed_beside_the_runners_lines() -> None:
    """Python prints errors of a logger that nobody handles; ours has a handler once a connection was tried."""
    program = (
        "import asyncio, logging\n"
        "from live.ib import Gateway, GatewayError\n"
        "async def story():\n"
        "    try:\n"
        "        await Gateway(print, print, print, lambda: 0).open('127.0.0.1', 1, 17, 1.0)\n"
        "    except GatewayError:\n"
        "        logging.getLogger('ib_async.wrapper').error('Error 162')\n"
        "asyncio.run(story())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).resolve().parents[2], check=True)
    assert (done.stdout, done.stderr) == ("", "")
