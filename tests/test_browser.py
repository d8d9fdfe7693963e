"""The explorer in JupyterLab, used in a real browser as somebody would use it."""

from __future__ import annotations

import lab
import numpy as np
import pytest
from real_studies import EVIL, EVIL_GENE, study_of

from biomask.views.explorer_source import seed_table

reason = lab.why_no_browser()
pytestmark = pytest.mark.skipif(bool(reason), reason=reason)

SOURCE = """
import pandas as pd
import biomask as bm
study = bm.load_study("s.biomask")
bm.explore(study, groups=pd.Series(["T", "B"] * 30, study.activity.index, name="<b>kind</b>"))
"""
KIND = "covariates"  # whose two seeds rank the pathways differently
WAIT = 60_000  # milliseconds for an answer of the kernel, on a busy machine
CONTRAST = """element => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  let back = element;
  const clear = style => parse(style).length === 4 && parse(style)[3] === 0;
  while (clear(getComputedStyle(back).backgroundColor)) back = back.parentElement;
  return [parse(getComputedStyle(element).color), parse(getComputedStyle(back).backgroundColor)];
}"""


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """The page of a notebook with an explorer, and the folder it lies in."""
    folder = tmp_path_factory.mktemp("lab")
    study_of(KIND).save(folder / "s.biomask")
    lab.write_notebook(folder / "explorer.ipynb", SOURCE)
    with lab.jupyterlab(folder) as address, lab.chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        lab.run_all(page, address, "explorer.ipynb")
        yield page, folder


@pytest.fixture
def page(opened):
    """With empty searches, sliders at "all", and the first pathway chosen."""
    page, _ = opened
    for box in page.locator(".bm-controls input[type=text]").all()[:2]:
        box.fill("")
    for place, key in ((0, "End"), (1, "Home")):
        page.locator(".noUi-handle").nth(place).press(key)
    answer(page, "13 of 13 pathways")
    row(page, "Interferon alpha").click()
    page.wait_for_selector(".bm-details h3:has-text('Interferon alpha')", timeout=WAIT)
    return page


def row(page, name):
    return page.locator(".bm-table .bm-row button").filter(has_text=name).first


def names(page):
    """Of the pathways on the page."""
    return page.locator(".bm-table .bm-row button:visible").all_inner_texts()


def first_ten(table):
    return list(table["effect"].sort_values(ascending=False).index[:10])


def answer(page, text):
    page.wait_for_function(
        "text => document.querySelector('.biomask [role=status]').innerText.includes(text)",
        arg=text,
        timeout=WAIT,
    )


def picture(page, title):
    return page.locator(f"figure:has-text('{title}') img").get_attribute("src")


def test_a_gene_is_typed_and_a_pathway_picked(page):
    before = picture(page, "Genes")
    page.get_by_placeholder("such as IRF7").press_sequentially("stat1")
    answer(page, "2 of 13 pathways have STAT1")
    effects = study_of(KIND).pathways["effect"]
    assert names(page) == sorted([EVIL, "Interferon gamma"], key=effects.get, reverse=True)
    row(page, "Interferon gamma").click()
    page.wait_for_selector(".bm-details h3:has-text('Interferon gamma')", timeout=WAIT)
    page.wait_for_function(
        "old => document.querySelector('figure img').src !== old", arg=before, timeout=WAIT
    )
    assert page.locator(".biomask mark").all_inner_texts() == ["STAT1"]
    size = "img => img.complete && img.naturalWidth"
    assert page.locator("figure img").first.evaluate(size) > 300


def test_a_slider_is_moved_by_the_keyboard(page):
    page.locator(".noUi-handle").first.focus()
    for _ in range(4):  # from "all" to p_fwer at most .05
        page.keyboard.press("ArrowLeft")
    answer(page, "1 of 13 pathways")
    assert names(page) == ["Interferon alpha"]
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    answer(page, "13 of 13 pathways")
    page.locator(".noUi-handle").nth(1).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    answer(page, "seed 2 alone")
    assert names(page) == first_ten(seed_table(study_of(KIND), 1))
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("!document.querySelector('.biomask').innerText.includes('alone')")


def test_no_mouse_is_needed(page):
    page.get_by_placeholder("words of its name").focus()
    seen = []
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.innerText"))
        if "Interferon alpha" in seen[-1]:
            break
    heads = ["Pathway", "Genes", "Effect ▼", "p", "p_fwer", "Rank"]
    assert [text.strip() for text in seen[-7:-1]] == heads
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")  # the third row
    page.keyboard.press("Enter")
    third = first_ten(study_of(KIND).pathways)[2]
    page.wait_for_selector(f".bm-details h3:has-text('{third}')", timeout=WAIT)
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_a_name_that_is_a_script_stays_a_name(page):
    title = page.title()
    row(page, "<script>").click()
    page.wait_for_selector(".bm-details h3:has-text('<script>')", timeout=WAIT)
    assert page.locator(".bm-details h3 bdi").inner_text() == EVIL
    page.locator(".bm-details table th", has_text=EVIL_GENE).wait_for(timeout=WAIT)  # after it
    assert EVIL_GENE in page.locator(".bm-details table th").all_inner_texts()
    assert page.locator(".biomask script, .biomask img:not([alt])").count() == 0
    assert page.title() == title


def test_a_picture_is_grouped_anew_and_written(page, opened):
    before = picture(page, "Activity")
    page.get_by_label("Activity by").select_option("class")
    page.wait_for_selector("figure:has-text('by class') img", timeout=WAIT)
    assert picture(page, "Activity") != before
    page.get_by_role("button", name="Pictures").click()
    page.wait_for_selector(".biomask >> text=Wrote explorer_genes.png", timeout=WAIT)
    written = {path.name for path in (opened[1] / "figures").iterdir()}
    assert {"explorer_null.pdf", "explorer_activity.csv", "explorer_genes.png"} <= written


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_texts_are_readable_in_every_theme(page, theme):
    lab.change_theme(page, theme)
    page.mouse.move(0, 0)
    parts = (".bm-row button", ".bm-head button", ".bm-cells span", ".bm-details p", ".soft",
             ".bm-details td", ".bm-details thead th", "figcaption", "h3 .mark")  # fmt: skip
    for part in parts:
        element = page.locator(f".biomask {part}:visible").last
        ink, paper = (luminance(color) for color in element.evaluate(CONTRAST))
        contrast = (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05)
        assert contrast >= 4.5, f"{part}: {contrast:.1f}"  # WCAG 2.2, 1.4.3


def luminance(color):
    """Relative luminance of an sRGB colour, 0 to 255 (WCAG 2.2)."""
    channels = np.array(color[:3]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
