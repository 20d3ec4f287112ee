"""A page in a real browser: it draws, reads, zooms, sorts, and asks the network for nothing."""

from __future__ import annotations

import shutil

import pytest

from sim.output import page
from tests.sim.output.test_export import again, run  # noqa: F401

BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
pytestmark = [
    pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine: pages are not tried in a browser"),
]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def seen(again, tmp_path_factory):  # noqa: F811
    """Yield the page of a stored run in a browser, with what it asked for and complained about."""
    sync_api = pytest.importorskip("playwright.sync_api")
    path = tmp_path_factory.mktemp("page") / "run.html"
    path.write_text(page.html(again), encoding="utf-8")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=BROWSER, args=QUIET)
        tab = browser.new_page(viewport={"width": 1200, "height": 900})
        tab.asked, tab.complaints = [], []
        tab.on("request", lambda request: tab.asked.append(request.url))
        tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.on("console", lambda said: tab.complaints.append(said.text) if said.type == "error" else None)
        tab.goto(path.as_uri())
        tab.wait_for_selector("svg.panel path.line")
        yield tab
        assert tab.complaints == [] and tab.asked == [path.as_uri()]
        browser.close()


def points(tab) -> int:
    return tab.locator("svg.panel").first.locator("path.line.c1").first.get_attribute("d").count(",")


def test_four_panels_are_drawn_with_no_more_points_than_pixels(seen):
    assert seen.locator("svg.panel").count() == 4
    assert 2 < points(seen) <= 2 * 1200


def test_the_reading_line_names_the_values_of_a_moment(seen):
    box = seen.locator("svg.panel").first.bounding_box()
    seen.mouse.move(box["x"] + 600, box["y"] + 120)
    text = seen.locator(".tip").inner_text()
    assert "equity" in text and "$" in text and "drawdown" in text and "2016" in text
    assert seen.locator("svg.panel .cross circle").count() >= 3


def test_dragging_zooms_and_escape_shows_everything_again(seen):
    before = points(seen)
    box = seen.locator("svg.panel").first.bounding_box()
    seen.mouse.move(box["x"] + 400, box["y"] + 120)
    seen.mouse.down()
    seen.mouse.move(box["x"] + 500, box["y"] + 130, steps=3)
    seen.mouse.up()
    assert points(seen) < before / 2
    seen.keyboard.press("Escape")
    seen.get_by_role("button", name="All").click()
    assert points(seen) == before


def test_trades_sort_by_the_heading_that_is_clicked(seen, again):  # noqa: F811
    column = seen.locator("#trades tbody tr td:nth-child(10)")

    def shown() -> list[float]:
        return [float(text.replace("$", "").replace(",", "")) for text in column.all_inner_texts()]

    seen.get_by_role("button", name="P&L").click()
    assert shown() == sorted(shown(), reverse=True) and shown()[0] == pytest.approx(again["figures"]["best_trade"] / 1e8, abs=0.005)
    seen.get_by_role("button", name="P&L").click()
    assert shown() == sorted(shown()) and shown()[0] == pytest.approx(again["figures"]["worst_trade"] / 1e8, abs=0.005)


def test_light_and_dark_change_places(seen):
    colour = "getComputedStyle(document.body).backgroundColor"
    before = seen.evaluate(colour)
    seen.locator("#theme").click()
    assert seen.evaluate(colour) != before


def test_a_telephone_needs_no_sideways_scrolling(seen):
    seen.set_viewport_size({"width": 420, "height": 900})
    assert seen.evaluate("document.documentElement.scrollWidth") <= 420
    seen.set_viewport_size({"width": 1200, "height": 900})
