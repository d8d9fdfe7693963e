"""The report in a real browser: at the width of a laptop and of a phone, and in print."""

from __future__ import annotations

import lab
import pytest

import biomask as bm

reason = lab.why_no_browser()
pytestmark = pytest.mark.skipif(bool(reason), reason=reason)

FONT = "element => parseFloat(getComputedStyle(element).fontSize)"
WIDER = "() => document.documentElement.scrollWidth - innerWidth"


@pytest.fixture(scope="module")
def address(study_of, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "r.html"
    return bm.report(study_of("binary"), path).as_uri()


@pytest.fixture(scope="module")
def browser():
    with lab.chromium() as browser:
        yield browser


@pytest.fixture
def page(browser, address):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(address)
    yield page
    page.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window_and_every_figure_is_drawn(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    assert page.evaluate(WIDER) <= 0
    images = page.locator("figure img").all()
    assert images
    assert all(image.evaluate("e => e.naturalWidth > 0 && e.width > 100") for image in images)


def test_names_that_are_html_stay_text(page):
    assert page.title().startswith("Pathways that tell")
    assert page.locator("img:not([src^='data:'])").count() == 0


def test_a_click_sorts_the_pathways_and_a_second_one_turns_them_round(page):
    table = page.locator("table.sortable").first
    column = "rows => rows.map(row => Number(row.cells[1].dataset.key))"
    button = table.locator("thead button").nth(1)  # genes
    for direction in (1, -1):
        button.click()
        sizes = table.locator("tbody tr").evaluate_all(column)
        assert len(set(sizes)) > 1
        assert sizes == sorted(sizes, reverse=direction < 0)


def test_on_a_phone_each_value_says_what_it_is(page):
    page.set_viewport_size({"width": 390, "height": 900})
    cell = page.locator("table.sortable tbody td").first
    label = cell.evaluate("e => getComputedStyle(e, '::before').content")
    assert "Genes" in label
    assert page.locator("table.sortable thead").first.bounding_box()["width"] <= 1


def test_in_print_small_text_is_smaller_and_nothing_is_cut_off(page):
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 680, "height": 1000})
    text = page.locator("section > p:not(.soft):not(.screen)").first.evaluate(FONT)
    assert text == pytest.approx(10 * 96 / 72, abs=0.01)  # 10 points
    for small in ("caption", "figcaption", "p.soft"):
        assert page.locator(small).first.evaluate(FONT) < text
    cut = "parts => parts.map(part => part.scrollHeight - part.clientHeight)"
    assert max(page.locator(".scroll").evaluate_all(cut)) <= 1
    assert not any(link.is_visible() for link in page.locator("a[download]").all())
