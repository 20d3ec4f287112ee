"""Heat maps: colours say above or below 0, every cell its number, the best one is framed, names are text."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.sweep.picture import FAINT, STRONG, Drawing, _png, page, tone

RISING = st.floats(-1e6, 1e6, allow_nan=False)


def drawing(cells: list[list[float]], figure: str = "sharpe", title: str = "sma_cross on SPY") -> Drawing:
    """Return a map of these cells over 5, 10, ... and 20, 30, ..."""
    shown = np.array(cells, np.float64)
    across, up = 5.0 * (1 + np.arange(shown.shape[1])), 20.0 + 10.0 * np.arange(shown.shape[0])
    return Drawing(across, up, shown, "fast", "slow", figure, title, "commission zero")


@given(values=st.lists(RISING, min_size=2, max_size=8))
def test_more_is_never_paler_on_the_side_of_gains_and_signs_have_their_colours(values: list[float]) -> None:
    low, high = min(values), max(values)
    tones = [tone(value, low, high) for value in sorted(values)]
    assert all(FAINT <= much <= STRONG for _, much in tones)
    gains, losses = ([much for word, much in tones if word == which] for which in ("up", "down"))
    assert gains == sorted(gains) and losses == sorted(losses, reverse=True)
    assert all(word == ("up" if value > 0.0 else "down") for (word, _), value in zip(tones, sorted(values), strict=True) if value != 0.0)


def test_a_page_says_every_number_frames_the_best_and_leaves_the_unknown_empty() -> None:
    text = page(drawing([[0.5, np.nan], [-0.25, 1.5]]))
    assert text.count("<td") == 4 and len(re.findall(r"<td class='\w+ best'", text)) == 1
    assert "<td title='fast=10, slow=20: unknown'></td>" in text
    assert "best' style='--much:78' title='fast=10, slow=30: 1.5'>1.50</td>" in text
    assert "class='down'" in text and "prefers-color-scheme:dark" in text and "-0.25 to 1.5" in text


@pytest.mark.parametrize(("figure", "cells", "shown"), [
    ("total_return", [[0.1234, -0.5]], ["12.3", "-50"]), ("final_equity_e8", [[123_456_789_000_000.0, 5e8]], ["1,234,568", "5"]),
    ("trades", [[7.0, 1234.0]], ["7", "1,234"]), ("max_drawdown", [[-0.021, -0.5]], ["-2.10", "-50"]),
])  # fmt: skip
def test_numbers_have_the_units_people_read(figure: str, cells: list[list[float]], shown: list[str]) -> None:
    assert re.findall(r">([-\d.,]+)</td>", page(drawing(cells, figure))) == shown


def test_where_less_is_better_the_least_is_framed_and_more_is_a_loss() -> None:
    text = page(drawing([[3e8, 1e8, 2e8]], "fees_e8"))
    assert "fast=10, slow=20: 1'>1</td>" in text and text.index("best'") < text.index("fast=10, slow=20") and "class='up" not in text


@pytest.mark.parametrize("cells", [[[np.nan, np.nan]], [[0.0, 0.0]], [[1.0]], [[-1.0, -1.0]], [[-1.0, 0.0, 1.0]], [[np.nan, -3.0]]])
def test_maps_with_nothing_one_number_or_no_spread_are_drawn(cells: list[list[float]]) -> None:
    made = drawing(cells)
    assert _png(made)[:4] == b"\x89PNG" and page(made).count("<td") == len(cells[0])
    assert ("nothing is known" in page(made)) == (made.best is None)


def test_names_are_text_and_a_large_map_says_its_numbers_when_pointed_at(tmp_path: Path) -> None:
    text = page(drawing([[1.0, 2.0]], title="$x^2$ on <img onerror=x>"))
    assert "<img" not in text and "&lt;img" in text
    assert _png(drawing([[1.0, 2.0]], title="$x^{2 on <b>"))[:4] == b"\x89PNG"
    large = page(drawing(np.arange(900.0).reshape(30, 30).tolist()))
    assert large.count("<td") == 900 and not re.search(r">[\d.]+</td>", large) and "title='fast=5, slow=310: 870'" in large
