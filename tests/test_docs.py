"""docs/ is computed again: its arithmetic runs, its tables are those that were measured."""

import re
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
SCALING = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert links
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def test_the_arithmetic_of_the_biobank_holds(monkeypatch):
    monkeypatch.chdir(ROOT)
    (block,) = [b for b in re.findall(r"```python\n(.*?)```", SCALING, re.S) if "assert" in b]
    exec(block, {})


def test_the_slopes_are_those_that_were_measured():
    measured = pd.read_csv(ROOT / "benchmarks/results/scaling_slopes.csv", index_col=0)
    for what, row in measured.iterrows():
        (said,) = re.findall(rf"^\| {what} \|(.*)\|$", SCALING, re.M)
        assert [float(cell) for cell in said.split("|")] == list(row.abs().round(2))
