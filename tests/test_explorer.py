"""explore: what is found, in which order, what is shown of it, and that no name becomes a tag."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import textwrap
from html.parser import HTMLParser

import matplotlib as mpl

mpl.use("Agg")

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from example_study import (
    EFFECTS,
    EVIL,
    EVIL_GENE,
    FORMULA,
    SAMPLES,
    SETS,
    example_study,
)

import biomask as bm
from biomask.errors import ArgumentError
from biomask.masks.overlap import jaccard, nearest
from biomask.views import explorer_figures, explorer_relatives
from biomask.views.explorer_details import LEVELS, details, groupings
from biomask.views.explorer_query import ROWS, Finder, Query, page
from biomask.views.explorer_source import seed_table, study_source

BY_EFFECT = [
    "Interferon alpha",
    EVIL,
    "Interferon gamma",
    FORMULA,
    "Twin one",
    "Twin two",
    *(f"Filler {k:02d}" for k in range(1, 8)),
]


@pytest.fixture(scope="module")
def study():
    return example_study()


@pytest.fixture(scope="module")
def source(study):
    return study_source(study)


@pytest.fixture(scope="module")
def finder(source):
    return Finder(source)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BIOMASK_FIGURES", str(tmp_path))
    return tmp_path


def found(finder, **asked):
    return list(finder.find(Query(**asked)).table.index)


def measure(source, text):
    return next(m for m in source.measures if m.text == text)


# ------------------------------------------------------------------------ finding


def test_at_first_everything_is_there_the_largest_effect_first(finder):
    answer = finder.find(Query())
    assert list(answer.table.index) == BY_EFFECT
    assert answer.sentence == "13 of 13 pathways"
    assert answer.genes == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("interferon", ["Interferon alpha", "Interferon gamma"]),
        ("ALPHA inter", ["Interferon alpha"]),  # any order, any case
        ("<script>", [EVIL]),
        ("(", [FORMULA]),  # not a regular expression
        ("nothing", []),
    ],
)
def test_names_are_searched_by_words(finder, text, names):
    assert found(finder, text=text) == names


@pytest.mark.parametrize(
    ("genes", "names", "sentence"),
    [
        ("irf7", ["Interferon alpha", "Interferon gamma"], "2 of 13 pathways have IRF7"),
        ("IFIT", ["Interferon alpha", "Interferon gamma"], "2 of 13 pathways have IFIT1, IFIT3"),
        ("IFIT MX1", ["Interferon alpha"], "1 of 13 pathways have IFIT1, IFIT3, MX1"),
        ("IRF7, STAT1", ["Interferon gamma"], "1 of 13 pathways have IRF7, STAT1"),
        ("F1", ["Filler 01"], "1 of 13 pathways have F1"),  # the whole name, so not IFIT1
        ("IRF7 zzz", [], "0 of 13 pathways: no gene here has 'zzz' in its name"),
    ],
)
def test_genes_are_searched_by_name_or_part_of_it(finder, genes, names, sentence):
    answer = finder.find(Query(genes=genes))
    assert list(answer.table.index) == names
    assert answer.sentence == sentence


def test_many_genes_are_counted(finder):
    text = finder.find(Query(genes="f")).sentence  # IFIT1, IFIT3, IRF7 and F1 to F7
    assert text == "9 of 13 pathways have IFIT1, IFIT3, IRF7, F1, F2, F3 and 4 more"


def test_limits_keep_what_is_at_them(finder, source):
    at_most = measure(source, "p_fwer at most")
    assert found(finder, measure=at_most, limit=0.04) == BY_EFFECT[:3]
    assert found(finder, measure=at_most, limit=0.039) == [BY_EFFECT[0], BY_EFFECT[2]]
    assert found(finder, measure=at_most) == BY_EFFECT
    at_least = measure(source, "genes, at least")
    assert found(finder, measure=at_least, limit=4) == ["Interferon alpha"]


def test_a_missing_number_passes_no_limit():
    table = example_study().pathways.assign(p_fwer=np.nan)
    finder = Finder(study_source(example_study(pathways=table)))
    at_most = measure(finder.source, "p_fwer at most")
    assert found(finder, measure=at_most, limit=0.5) == []
    assert len(found(finder, measure=at_most)) == 13


def test_sorting_is_stable_and_puts_missing_values_last(finder):
    sizes = found(finder, by="size", falling=True)
    assert sizes[:4] == ["Interferon alpha", "Interferon gamma", "Twin one", "Twin two"]
    assert sizes[4:] == [EVIL, FORMULA, *BY_EFFECT[6:]]  # of two genes: by effect
    assert found(finder, by="p_fwer", falling=False)[:3] == [BY_EFFECT[k] for k in (0, 2, 1)]
    names = found(finder, by="pathway", falling=False)
    assert names == sorted(SETS, key=str.lower)
    table = example_study().pathways
    table.loc["Interferon alpha", "p"] = np.nan
    other = Finder(study_source(example_study(pathways=table)))
    for falling in (True, False):
        assert found(other, by="p", falling=falling)[-1] == "Interferon alpha"


def test_pages_hold_ten_and_stop_at_the_ends(source):
    table = source.table
    first, number, pages = page(table, 0)
    assert (list(first.index), number, pages) == (list(table.index[:10]), 0, 2)
    assert list(page(table, 1)[0].index) == list(table.index[10:])
    assert page(table, 7)[1:] == (1, 2)
    assert page(table, -1)[1:] == (0, 2)
    assert page(table.iloc[:0], 3)[1:] == (0, 1)
    assert page(table.iloc[:10], 0)[2] == 1


# ------------------------------------------------------------------------ seeds


def test_the_effects_of_one_seed_by_hand(study):
    one, other = seed_table(study, 0), seed_table(study, 1)
    # 8 samples with 1.25 of it and 4 with half of it: (8 * 1.25 + 4 * .5) / 12 = 1
    np.testing.assert_allclose(one["effect"].iloc[:5], 2 * np.array(EFFECTS[:5]))
    assert one.loc["Twin two", "effect"] == pytest.approx(-0.02)
    assert list(one["rank_median"].iloc[:6]) == [1, 3, 2, 4, 5, 13]
    assert (one["rank_low"] == one["rank_high"]).all()
    assert other["effect"].idxmax() == "Twin two"
    assert other.loc["Twin two", "rank_median"] == 1
    assert other.loc["Interferon alpha", "rank_median"] == 7.5  # twelve equal ones share 2 to 13
    pd.testing.assert_series_equal(one["p"], study.pathways["p"])
    mean = (one["effect"] + other["effect"]) / 2
    np.testing.assert_allclose(mean, study.pathways["effect"])


def test_a_seed_sorts_by_its_own_effects(finder):
    assert found(finder, seed=1)[0] == "Twin two"
    assert found(finder, seed=0)[-1] == "Twin two"


def test_without_effects_of_seeds_or_with_one_seed_there_is_no_slider(study):
    assert study_source(study).seeds == [0, 1]
    assert study_source(study.replace(effects=pd.DataFrame())).seeds == []
    rows = study.scores["seed"] == 0
    one = study.replace(scores=study.scores[rows], effects=study.effects[rows.to_numpy()])
    assert study_source(one).seeds == []


# ------------------------------------------------------------------------ one pathway


def test_genes_of_a_pathway_with_their_effects(source):
    shown = details(source, "Interferon alpha").genes
    assert list(shown["gene"]) == ["IFIT3", "IRF7", "IFIT1", "MX1"]
    assert list(shown["effect"]) == [0.2, 0.1, 0.01, -0.01]
    assert list(shown["pathways"]) == [2, 2, 1, 1]
    untested = details(source, "Twin one")
    assert not untested.tested
    assert list(untested.genes["gene"]) == ["TP53", "CDKN1A", "BAX"]


def test_neighbours_by_hand(source):
    shown = details(source, "Interferon alpha").neighbours
    assert list(shown.index) == ["Interferon gamma"]
    assert list(shown.iloc[0]) == [2, pytest.approx(2 / 5), True]
    twin = details(source, "Twin one")
    assert list(twin.neighbours.index) == ["Twin two", FORMULA]
    assert list(twin.neighbours["jaccard"]) == [1, pytest.approx(1 / 4)]
    assert list(twin.neighbours["separable"]) == [False, True]
    assert twin.inseparable == ["Twin two"]
    assert details(source, EVIL).inseparable == []


@pytest.fixture(scope="module")
def hierarchy():
    sets = {
        "Leaf <one>": ["a", "b"],
        "Leaf two": ["b", "c", "d"],
        "Middle": ["a", "b", "c", "d"],
        "Root": ["a", "b", "c", "d", "e"],
    }
    relations = pd.DataFrame(
        {"child": ["Leaf <one>", "Leaf two", "Middle"], "parent": ["Middle", "Middle", "Root"]}
    )
    return bm.read_hierarchy(bm.Mask.from_sets(sets), relations, min_genes=1)


def test_a_hierarchy_gives_parents_children_and_the_genes_of_children(hierarchy):
    explorer = bm.explore(hierarchy)
    explorer.choose("Middle")
    shown = explorer._details
    assert shown.parents == ["Root"]
    assert shown.children == ["Leaf <one>", "Leaf two"]
    assert sorted(shown.genes["gene"]) == ["a", "b", "c", "d"]
    assert {"Root", "Leaf <one>", "Leaf two"} <= set(buttons(explorer._neighbours))
    press(explorer._neighbours._family, "Root")
    assert explorer.chosen == "Root"


def test_a_study_of_a_hierarchy_has_levels_and_relatives(hierarchy):
    names = hierarchy.pathways
    facts = hierarchy.table.loc[names, ["level", "parents"]]
    study = example_study()
    pathways = study.pathways.iloc[: len(names)].set_axis(names)
    wide = {part: getattr(study, part).iloc[:, : len(names)].set_axis(names, axis=1)
            for part in ("activity", "null", "effects")}  # fmt: skip
    source = study_source(
        study.replace(mask=hierarchy, pathways=pathways.join(facts), edges=study.edges[:0], **wide)
    )
    assert [heading.column for heading in source.headings][2] == "level"
    assert details(source, "Leaf two").parents == ["Middle"]
    assert sorted(details(source, "Middle").genes["gene"]) == ["a", "b", "c", "d"]
    assert set(Finder(source).find(Query(genes="a c")).table.index) == {"Middle", "Root"}


@pytest.mark.parametrize(
    ("cell", "names"),
    [("a", ["a"]), ("a; b", ["a"]), (["a", "x"], ["a"]), (None, []), ("a; c", ["a", "c"])],
)
def test_parents_are_read_as_names_or_lists(cell, names):
    table = pd.DataFrame({"parents": [cell, ""]}, ["child", "a"], dtype=object)
    table = pd.concat([table, pd.DataFrame({"parents": [""]}, ["c"])])
    assert explorer_relatives.parents_of(table).get("child", []) == names


# ------------------------------------------------------------------------ groups


def test_groups_are_matched_by_name_not_by_place(study):
    kinds = pd.Series(["T"] * 6 + ["B"] * 6, SAMPLES, name="kind")
    found = groupings(study, kinds[::-1])
    assert list(found) == ["kind and class", "kind", "class"]
    assert list(found["kind"]["kind"]) == list(kinds)
    assert list(found["kind and class"]["class"]) == ["ctrl", "stim"] * 6
    more = pd.concat([kinds, pd.Series({"elsewhere": "T"})])
    assert list(groupings(study, more.rename("kind"))["kind"].index) == SAMPLES


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (["T"] * 12, "Series or DataFrame"),
        (pd.Series("T", SAMPLES[1:]), "lacks samples of the study: 's0'"),
        (pd.Series("T", [*SAMPLES, "s3"]), "names samples twice: 's3'"),
        (pd.Series(["T", None] * 6, SAMPLES), "no value for some samples"),
    ],
)
def test_groups_that_do_not_fit_are_refused(study, groups, said):
    with pytest.raises(ArgumentError, match=re.escape(said)) as caught:
        bm.explore(study, groups=groups)
    assert caught.value.code == "E-GROUPS"


def test_only_the_largest_of_many_groups_are_drawn(study):
    n = LEVELS + 5
    names = [f"n{k}" for k in range(2 * n)]
    activity = pd.DataFrame(0.0, names, study.activity.columns)
    predictions = pd.DataFrame({"y": "ctrl", "fold": 0}, names)
    large = study.replace(activity=activity, predictions=predictions)
    kinds = pd.Series([f"k{k % n}" for k in range(2 * n)], names, name="kind")
    assert groupings(large, kinds)["kind"]["kind"].nunique() == LEVELS


# ------------------------------------------------------------------------ pictures


def drawn(study, name, grouping=None):
    source = study_source(study)
    return {p.key: p for p in explorer_figures.pictures(source, details(source, name), grouping)}


def test_pictures_show_the_numbers_of_the_pathway(study):
    kinds = groupings(study, None)["class"]
    shown = drawn(study, "Interferon gamma", kinds)
    assert list(shown) == ["genes", "activity", "null"]
    bars = shown["genes"].figure.axes[0].patches
    assert [bar.get_width() for bar in bars] == [0.15, 0.05, 0.02]
    (line,) = shown["null"].figure.axes[0].lines
    assert line.get_xdata()[0] == 0.2
    assert list(shown["activity"].data["activity"]) == list(study.activity["Interferon gamma"])
    labels = shown["activity"].figure.axes[0].get_xticklabels()
    assert [label.get_text() for label in labels] == ["ctrl", "stim"]
    assert plt.get_fignums() == []  # nothing is left for the notebook to show again


def test_without_permutations_or_tested_edges_their_pictures_are_left_out(study):
    bare = study.replace(null=study.null.iloc[:0])
    kinds = groupings(study, None)["class"]
    assert list(drawn(bare, "Twin one", kinds)) == ["activity"]
    assert bm.explore(bare).chosen == "Interferon alpha"


def test_an_outcome_that_is_a_number_is_drawn_against_activity(study):
    y = pd.DataFrame({"y": np.arange(12.0), "fold": study.predictions["fold"]}, SAMPLES)
    settings = {**study.settings, "task": "regression", "classes": []}
    regression = study.replace(predictions=y, settings=settings)
    assert groupings(regression, None) == {}
    shown = drawn(regression, "Twin one")["activity"]
    points = shown.figure.axes[0].collections[0].get_offsets()
    np.testing.assert_array_equal(points[:, 0], np.arange(12))
    np.testing.assert_array_equal(points[:, 1], study.activity["Twin one"])
    assert shown.figure.axes[0].get_xlabel() == "outcome"
    named = regression.replace(settings=settings | {"outcome": "age"})
    assert drawn(named, "Twin one")["activity"].figure.axes[0].get_xlabel() == "age"
    bm.explore(regression).choose("Twin two")


# ------------------------------------------------------------------------ widgets


def every(widget):
    """The widget and all inside it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from every(child)


def buttons(widget):
    return [w.description for w in every(widget) if isinstance(w, widgets.Button)]


def rows(explorer):
    """Names on the page, as the buttons say."""
    shown = [row for row in explorer._table._rows if row.layout.display != "none"]
    return [row.children[0].description for row in shown]


def press(explorer, text):
    (button,) = [
        w for w in every(explorer) if isinstance(w, widgets.Button) and w.description == text
    ]
    button.click()


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {name for name, _ in attrs}))

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_follows_search_sorting_and_turning(study):
    explorer = bm.explore(study)
    assert rows(explorer) == BY_EFFECT[:ROWS]
    press(explorer, "Next ▶")
    assert rows(explorer) == BY_EFFECT[ROWS:]
    assert explorer._table._where.value == "11–13 of 13"
    press(explorer, "Genes")
    assert rows(explorer)[0] == "Interferon alpha"  # and page one
    press(explorer, "Genes ▼")
    assert rows(explorer)[0] == EVIL  # two genes, the largest effect of those
    explorer._gene.value = "STAT1"
    assert rows(explorer) == [EVIL, "Interferon gamma"]
    explorer._text.value = "gamma"
    assert rows(explorer) == ["Interferon gamma"]
    assert "1 of 13 pathways have STAT1" in explorer._message.value
    assert "<mark><bdi>STAT1</bdi></mark>" not in explorer._genes.value  # of Interferon alpha
    explorer.choose("Interferon gamma")
    assert "<mark><bdi>STAT1</bdi></mark>" in explorer._genes.value
    explorer._text.value = explorer._gene.value = ""
    assert len(explorer.shown) == 13


def test_limits_and_seeds_follow_their_sliders(study):
    explorer = bm.explore(study)
    explorer._measure.value = measure(explorer.source, "p_fwer at most")
    assert len(explorer.shown) == 13
    explorer._limit.value = 0.05
    assert rows(explorer) == BY_EFFECT[:3]
    explorer._measure.value = measure(explorer.source, "genes, at least")
    assert len(explorer.shown) == 13  # a new measure starts with everything
    explorer._seed.value = 1
    assert rows(explorer)[0] == "Twin two"
    assert "seed 2 alone (auc 0.650 held out)" in explorer._message.value


def test_a_name_chooses_and_so_does_a_neighbour(study):
    explorer = bm.explore(study)
    assert explorer.chosen == "Interferon alpha"
    before = explorer._figures.value
    explorer._table._rows[2].children[0].click()
    assert explorer.chosen == "Interferon gamma"
    assert explorer._figures.value != before
    text = "".join(Tags(explorer._facts.value).words)
    assert text == (
        "Interferon gamma selected3 genes · effect 0.200 nats · p = 0.015 · p_fwer = 0.020 · "
        "q = 0.013 · rank 3 (2–4) of 13 · genes up →\xa0stim"
    )
    chosen = [row for row in explorer._table._rows if "bm-chosen" in row._dom_classes]
    assert [row.children[0].description for row in chosen] == ["Interferon gamma"]
    explorer._neighbours._rows[0].children[0].click()
    assert explorer.chosen == "Interferon alpha"
    with pytest.raises(ArgumentError, match="no such pathway: 'elsewhere'"):
        explorer.choose("elsewhere")


def test_every_name_is_escaped(study):
    kinds = pd.Series([EVIL, "B"] * 6, SAMPLES, name=EVIL)
    explorer = bm.explore(study, groups=kinds)
    explorer._gene.value = EVIL_GENE
    explorer.choose(EVIL)
    explorer._name.value = f"../{EVIL}"
    press(explorer, "Table")
    texts = [w.value for w in every(explorer) if isinstance(w, widgets.HTML)]
    allowed = {"src", "alt", "style", "class", "role", "scope", "data-label", "data-key"}
    for text in texts:
        for tag, attributes in Tags(text).tags:
            assert tag != "script"
            assert attributes <= allowed
            assert tag != "img" or attributes == {"src", "alt"}
    words = " ".join("".join(Tags(text).words) for text in texts)
    assert EVIL in words
    assert EVIL_GENE in words
    assert "cannot name a figure" in explorer._status.value
    assert repr(explorer) == f"Explorer(13 pathways, chosen: {EVIL!r})"


def test_every_control_has_a_name_for_screen_readers(study):
    explorer = bm.explore(study, groups=pd.Series("T", SAMPLES))
    named = (widgets.Text, widgets.Dropdown, widgets.SelectionSlider)
    controls = [w for w in every(explorer) if isinstance(w, named)]
    assert len(controls) == 7
    assert [w.description for w in controls if w is not explorer._limit].count("") == 0
    images = [
        tag
        for w in every(explorer)
        if isinstance(w, widgets.HTML)
        for tag in Tags(w.value).tags
        if tag[0] == "img"
    ]
    assert len(images) == 3
    assert all("alt" in attributes for _, attributes in images)


# ------------------------------------------------------------------------ saving


def test_the_table_is_saved_as_filtered_and_disarmed(study, folder):
    explorer = bm.explore(study)
    explorer._measure.value = measure(explorer.source, "p_fwer at most")
    explorer._limit.value = 0.1
    explorer._name.value = "mine"
    press(explorer, "Table")
    assert f"Wrote 4 pathways to {folder / 'mine.csv'}" in explorer._status.value
    saved = pd.read_csv(folder / "mine.csv", index_col=0)
    assert list(saved.index) == [*BY_EFFECT[:3], "'" + FORMULA]
    assert list(saved["effect"]) == [0.3, 0.25, 0.2, 0.1]
    explorer._limit.value = 0.001
    press(explorer, "Table")
    assert "the table is empty" in explorer._status.value


def test_the_pictures_are_saved_with_their_numbers(study, folder):
    explorer = bm.explore(study)
    press(explorer, "Pictures")
    names = {f"explorer_{key}.{kind}" for key in ("genes", "activity", "null")
             for kind in ("png", "pdf", "csv")}  # fmt: skip
    assert {path.name for path in folder.iterdir()} == names
    saved = pd.read_csv(io.BytesIO((folder / "explorer_genes.csv").read_bytes()))
    assert list(saved["gene"]) == ["IFIT3", "IRF7", "IFIT1", "MX1"]


# ------------------------------------------------------------------------ masks


def test_nearest_agrees_with_all_pairs():
    rng = np.random.default_rng(0)
    matrix = bm.Mask.from_dense((rng.random((40, 15)) < 0.15).astype(int)).to_scipy()
    pairs = jaccard(matrix)
    np.fill_diagonal(pairs, -1)
    which, index = nearest(matrix)
    np.testing.assert_allclose(index, np.maximum(pairs.max(axis=0), 0), rtol=1e-6)
    shares = index > 0
    np.testing.assert_array_equal(which[shares], pairs.argmax(axis=0)[shares])
    alone = bm.Mask.from_sets({"a": ["x"], "b": ["y"], "c": ["y", "z"]}).to_scipy()
    assert [list(part) for part in nearest(alone)] == [[0, 2, 1], [0, 0.5, 0.5]]


def test_a_mask_shows_sizes_and_overlap():
    mask = bm.Mask.from_sets(SETS)
    explorer = bm.explore(mask)
    table = explorer.source.table
    assert list(table.loc["Interferon alpha"]) == [4, 2, pytest.approx(0.4), "Interferon gamma"]
    assert table.loc[EVIL, "only_here"] == 1
    assert explorer.shown.index[0] == "Interferon alpha"
    assert "18 genes, 18 of them in a pathway" in explorer.source.subtitle
    explorer._measure.value = measure(explorer.source, "Jaccard, at least")
    explorer._limit.value = 0.4
    assert set(rows(explorer)) == {"Interferon alpha", "Interferon gamma", "Twin one", "Twin two"}
    explorer.choose("Twin one")
    assert [p.key for p in explorer._pictures] == ["size", "overlap"]
    assert list(explorer._pictures[1].data.iloc[0]) == [1, 1, pytest.approx(0.25)]


def test_an_alignment_shows_coverage():
    mask = bm.Mask.from_sets({"p": ["a", "b", "c", "d"], "r": ["a", "b"], "gone": ["z"]})
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(4, 3)), columns=["a", "b", "c"])
    explorer = bm.explore(bm.align(mask, X, min_genes=1))
    assert list(explorer.shown["coverage"]) == [0.75, 1.0]
    assert explorer.source.notes == ["1 of 3 pathways were left out by align"]
    assert "the data have 3 of 4" in explorer._facts.value
    assert [p.key for p in explorer._pictures] == ["size", "coverage", "overlap"]


def test_what_cannot_be_explored_is_refused():
    with pytest.raises(ArgumentError, match=r"Received: str.*load_study"):
        bm.explore("study.biomask")
    with pytest.raises(ArgumentError, match="a mask has none"):
        bm.explore(bm.Mask.from_sets(SETS), groups=pd.Series(dtype=str))


# ------------------------------------------------------------------------ TensorFlow


def test_a_saved_study_opens_without_tensorflow(study, tmp_path):
    study.save(tmp_path / "s.biomask")
    code = f"""
        import sys
        import biomask as bm
        print(bm.explore(bm.load_study({str(tmp_path / "s.biomask")!r})))
        print(*[name for name in ("tensorflow", "keras") if name in sys.modules])
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "Explorer(13 pathways, chosen: 'Interferon alpha')\n\n"
