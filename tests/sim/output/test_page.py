"""Pages: nothing from outside becomes markup, nothing is fetched, never more points than a screen has."""

from __future__ import annotations

import base64
import hashlib

import numpy as np
import pytest

from sim import curves
from sim.metrics import DEFINITIONS
from sim.output import charts, compare, page
from sim.output.report import rows
from tests.sim.output.pages import E8, EVIL, Tags, curve, drawn_data

RNG = np.random.default_rng(5)


def walk(count: int) -> np.ndarray:
    return 10_000 + np.cumsum(RNG.integers(-20, 22, count))


def test_hostile_names_are_text_in_the_page_and_in_its_data():
    made = page.html(curve([100, 110], symbol=EVIL, strategy="<script>x</script>", notes=["</p><iframe>"], provenance=[(EVIL, EVIL)]))
    seen = Tags(made)
    assert len(seen.scripts) == 2 and not {"img", "iframe", "object", "link"} & set(seen.tags)
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert EVIL in seen.text and "</p><iframe>" in seen.text


def test_the_data_block_cannot_be_ended_by_what_it_holds():
    text = page.safe_json({"name": EVIL + "\u2028"})
    assert not {"<", ">", "&", "\u2028"} & set(text)


def test_a_page_needs_no_network_and_may_run_only_its_own_script():
    seen = Tags(page.html(curve([100, 110])))
    assert not [value for name, value in seen.attributes if name in {"src", "href", "action"}]
    policy = next(value for name, value in seen.attributes if name == "content" and value and "default-src" in value)
    digest = base64.b64encode(hashlib.sha256(seen.scripts[-1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and policy.startswith("default-src 'none'")
    assert not [word for word in ("fetch(", "XMLHttpRequest", "http://", "https://", "eval(", "innerHTML") if word in
                seen.scripts[-1].replace("http://www.w3.org/2000/svg", "")]  # fmt: skip


def test_a_page_shows_every_figure_and_every_definition():
    drawn = curve([110, 99, 121])
    seen = Tags(page.html(drawn))
    tips = {value for name, value in seen.attributes if name == "data-tip"}
    assert set(DEFINITIONS.values()) <= tips
    assert [name + value for _, name, value, _ in rows(drawn) if name + value not in seen.text] == []
    for definition in [*DEFINITIONS.values(), *curves.CURVE_DEFINITIONS.values()]:
        assert definition in seen.text


@pytest.mark.parametrize("count", [1_000, 1_000_000])
def test_a_page_holds_no_more_points_than_it_could_draw(count):
    drawn = curve(walk(count), step_ns=60 * 10**9)
    data = charts.run_data(drawn)
    most = max(len(times) for times in data["times"])
    assert most == min(count, most) and most <= 3 * (2 * charts.COLUMNS + 2)
    assert max(v for v in data["panels"][0]["series"][0]["v"]) == drawn["equity_e8"].max() / E8
    assert len(page.html(drawn)) < 2_000_000


def test_the_steps_of_a_times_list_add_up_to_its_times():
    times = np.array([7, 9, 30], np.int64) * 10**9
    assert np.cumsum(charts.steps(times)).tolist() == [7, 9, 30]


@pytest.mark.parametrize(
    ("drawn", "words"),
    [
        (curve([]), "There are no bars"),
        (curve([100]), "unknown"),
        (curve([100, 100, 100]), "Figures"),
        (curve([100, -40, 10]), "unknown"),
        (curve([0, 0], start=0), "unknown"),
    ],
    ids=["no bars", "one bar", "flat", "debt", "nothing"],
)
def test_a_run_with_little_to_show_gets_words(drawn, words):
    made = page.html(drawn)
    assert words in Tags(made).text
    assert "NaN" not in made and "Infinity" not in made.replace("-Infinity;", "").replace("= Infinity", "").replace("-Infinity", "")
    drawn_data(made)


def test_the_page_of_a_minute_run_says_so_in_its_trades_only_by_the_clock():
    data = charts.run_data(curve(walk(500), step_ns=60 * 10**9))
    assert data["trades"] is None


def test_compared_runs_start_at_a_hundred_and_differ_from_the_first():
    one, other = curve([100, 110]), curve([100, 120], symbol=EVIL)
    made = compare.html([one, other], ["session 1", "session 2"])
    panel = drawn_data(made)["panels"][0]
    assert [series["v"] for series in panel["series"]] == [[100.0, 110.0], [100.0, 120.0]]
    assert EVIL in Tags(made).text and "+$10.00" in Tags(made).text
    final = compare.documents([one, other], ["1", "2"])[0]
    assert final == {"figure": "final_equity", "values": {"1": "110.00", "2": "120.00"}, "differences": {"2": "10.00"}}


def test_a_difference_to_the_unknown_is_unknown():
    assert compare.difference("sharpe", None, 1.0) is None and compare.difference("fees", 1, None) is None
    assert compare.difference_text("sharpe", None, "USD") == "unknown"


@pytest.mark.parametrize(("name", "values", "winners"), [
    ("sharpe", (1.0, 2.0, None), {1}), ("volatility", (0.1, 0.2, 0.1), {0, 2}), ("trades", (1, 2, 3), set()),
    ("sharpe", (1.0, 1.0, 1.0), set()), ("sharpe", (None, None, 1.0), set()), ("max_drawdown", (-0.5, -0.1, -0.2), {1}),
])  # fmt: skip
def test_the_best_of_a_row_is_the_one_a_reader_would_choose(name, values, winners):
    assert compare.best(name, [curve([100], figures={name: value}) for value in values]) == winners
