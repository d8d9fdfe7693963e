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
from real_studies import EVIL, EVIL_GENE, FORMULA, KINDS, SETS

import biomask as bm
from biomask.errors import ArgumentError
from biomask.masks.overlap import jaccard, nearest
from biomask.views import explorer_figures, explorer_relatives
from biomask.views.explorer_details import LEVELS, details, groupings
from biomask.views.explorer_html import seed_html
from biomask.views.explorer_query import ROWS, Finder, Query, page
from biomask.views.explorer_source import seed_table, study_source

NAMED_F = [name for name in SETS if name.startswith(("Interferon", "Filler"))]
TASKS = [kind for kind in KINDS if kind != "watched"]  # of two seeds
# Of each task what its papers report, and of the kinds of binary studies what binary is.
SCORES = {"multiclass": "accuracy", "gaps": "accuracy", "regression": "r2",
          "survival": "concordance", "autoencoder": "r2"}  # fmt: skip


@pytest.fixture(scope="module")
def study(study_of):
    return study_of("binary")


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


def falling(values, names=None):
    """The names, or those among them, from the largest value to the smallest."""
    return sorted(values.index if names is None else names, key=lambda name: -values[name])


def found(finder, **asked):
    return list(finder.find(Query(**asked)).table.index)


def measure(source, text):
    return next(m for m in source.measures if m.text == text)


# ------------------------------------------------------------------------ finding


def test_at_first_everything_is_there_the_largest_effect_first(study, finder):
    assert found(finder) == falling(study.pathways["effect"])


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
        ("f", NAMED_F, "9 of 13 pathways have IFIT1, IFIT3, IRF7, F1, F2, F3 and 4 more"),
    ],
)
def test_genes_are_searched_by_name_or_part_of_it(study, finder, genes, names, sentence):
    answer = finder.find(Query(genes=genes))
    assert list(answer.table.index) == falling(study.pathways["effect"], names)
    assert answer.sentence == sentence


def test_limits_keep_what_is_at_them(study, finder, source):
    at_most, p = measure(source, "p_fwer at most"), study.pathways["p_fwer"]
    limit = sorted(p)[3]
    kept = [name for name in falling(study.pathways["effect"]) if p[name] <= limit]
    assert found(finder, measure=at_most, limit=limit) == kept
    assert found(finder, measure=at_most, limit=limit - 1e-9) == [n for n in kept if p[n] < limit]
    at_least = measure(source, "genes, at least")
    assert found(finder, measure=at_least, limit=4) == ["Interferon alpha"]


def test_a_missing_number_passes_no_limit(study):
    table = study.pathways.assign(p_fwer=np.nan)
    finder = Finder(study_source(study.replace(pathways=table)))
    assert found(finder, measure=measure(finder.source, "p_fwer at most"), limit=1.0) == []


def test_equal_values_are_sorted_by_effect_and_missing_ones_last(study, finder):
    by_effect = falling(study.pathways["effect"])
    sizes = found(finder, by="size", falling=True)
    assert sizes == sorted(by_effect, key=lambda name: -len(SETS[name]))
    assert found(finder, by="pathway", falling=False) == sorted(SETS, key=str.lower)
    table = study.pathways.copy()
    table.loc["Interferon alpha", "p"] = np.nan
    other = Finder(study_source(study.replace(pathways=table)))
    for order in (True, False):
        assert found(other, by="p", falling=order)[-1] == "Interferon alpha"


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


def effects_of_seed(study, seed):
    """Mean over the folds, each weighted by its samples, added up one by one."""
    total = dict.fromkeys(study.effects, 0.0)
    for (fold, of), (_, row) in zip(
        study.scores[["fold", "seed"]].to_numpy(), study.effects.iterrows(), strict=True
    ):
        n = sum(study.predictions["fold"] == fold)
        for name in total:
            total[name] += (of == seed) * n * row[name] / len(study.predictions)
    return pd.Series(total)


@pytest.mark.parametrize("kind", TASKS)
def test_the_effects_of_one_seed_by_hand(study_of, kind):
    study = study_of(kind)
    finder = Finder(study_source(study))
    for seed in (0, 1):
        by_hand = effects_of_seed(study, seed)
        alone = seed_table(study, seed)
        np.testing.assert_allclose(alone["effect"], by_hand[study.pathways.index])
        places = [1 + falling(by_hand).index(name) for name in alone.index]
        assert list(alone["rank_median"]) == list(alone["rank_low"]) == places
        pd.testing.assert_series_equal(alone["p"], study.pathways["p"])
        assert found(finder, seed=seed) == falling(by_hand)


def test_equal_effects_of_a_seed_share_a_rank(study):
    effects = study.effects.assign(**{"Interferon gamma": study.effects["Interferon alpha"]})
    ranks = seed_table(study.replace(effects=effects), 0)["rank_median"]
    assert list(ranks[["Interferon alpha", "Interferon gamma"]]) == [1.5, 1.5]


def test_without_effects_of_seeds_or_with_one_seed_there_is_no_slider(study_of, study):
    assert study_source(study).seeds == [0, 1]
    assert study_source(study.replace(effects=pd.DataFrame())).seeds == []
    assert study_source(study_of("watched")).seeds == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_has_the_main_score_of_its_task(study_of, kind):
    study, name = study_of(kind), SCORES.get(kind, "auc")
    mine = [row[name] for _, row in study.scores.iterrows() if row["seed"] == 0]
    assert f"({name} {sum(mine) / len(mine):.3f} held out)" in seed_html(study, 0)


# ------------------------------------------------------------------------ one pathway


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_study_is_explored(study_of, kind):
    study = study_of(kind)
    explorer = bm.explore(study)
    assert explorer.chosen == falling(study.pathways["effect"])[0]
    for name in ("Interferon alpha", EVIL, "Twin one"):
        explorer.choose(name)
        assert "".join(Tags(explorer._facts.value).words).startswith(name)
        keys = {picture.key for picture in explorer._pictures}
        tested = name in set(study.edges["pathway"])
        assert keys == {"activity", "null"} | ({"genes"} if tested else set())


def test_genes_of_a_pathway_with_their_effects(study, source):
    shown = details(source, "Interferon alpha").genes
    edges = study.edges[study.edges["pathway"] == "Interferon alpha"].set_index("gene")
    assert list(shown["gene"]) == falling(edges["effect"])
    assert list(shown["effect"]) == sorted(edges["effect"], reverse=True)
    having = [sum(gene in members for members in SETS.values()) for gene in shown["gene"]]
    assert list(shown["pathways"]) == having
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


def test_a_study_of_a_hierarchy_has_levels_and_relatives(study_of):
    source = study_source(study_of("hierarchy"))
    assert [heading.column for heading in source.headings][2] == "level"
    assert details(source, "Interferon gamma").parents == ["Interferon"]
    above = details(source, "Interferon")
    assert above.children == ["Interferon alpha", "Interferon gamma"]
    assert found(Finder(source), genes="MX1 STAT1") == ["Interferon"]


@pytest.mark.parametrize(
    ("cell", "names"),
    [("a", ["a"]), ("a; b", ["a"]), (["a", "x"], ["a"]), (None, []), ("a; c", ["a", "c"])],
)
def test_parents_are_read_as_names_or_lists(cell, names):
    table = pd.DataFrame({"parents": [cell, ""]}, ["child", "a"], dtype=object)
    table = pd.concat([table, pd.DataFrame({"parents": [""]}, ["c"])])
    assert explorer_relatives.parents_of(table).get("child", []) == names


# ------------------------------------------------------------------------ groups


def kinds_of(study, name="kind"):
    """A group of every sample, "T" and "B" by turns."""
    return pd.Series(["T", "B"] * (len(study.activity) // 2), study.activity.index, name=name)


def test_groups_are_matched_by_name_not_by_place(study):
    kinds = kinds_of(study)
    shown = groupings(study, pd.concat([kinds[::-1], pd.Series({"elsewhere": "T"}, name="kind")]))
    assert list(shown) == ["kind and class", "kind", "class"]
    pd.testing.assert_series_equal(shown["kind"]["kind"], kinds)
    assert list(shown["kind and class"]["class"]) == list(study.predictions["y"])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (list, "Series or DataFrame"),
        (lambda kinds: kinds[1:], "lacks samples of the study: 's0'"),
        (lambda kinds: pd.concat([kinds, kinds[3:4]]), "names samples twice: 's3'"),
        (lambda kinds: kinds.replace("T", None), "no value for some samples"),
    ],
)
def test_groups_that_do_not_fit_are_refused(study, wrong, said):
    with pytest.raises(ArgumentError, match=re.escape(said)) as caught:
        bm.explore(study, groups=wrong(kinds_of(study)))
    assert caught.value.code == "E-GROUPS"


def test_only_the_largest_of_many_groups_are_drawn(study):
    donors = np.repeat(np.arange(LEVELS + 5), [3] * 10 + [2] * (LEVELS - 5))
    donors = pd.Series(donors, study.activity.index, name="donor")
    shown = groupings(study, donors)["donor"]["donor"]
    assert shown.nunique() == LEVELS
    assert set(range(10)) <= set(shown.astype(int))  # three samples each; the others have two


# ------------------------------------------------------------------------ pictures


def drawn(study, name, grouping=None):
    source = study_source(study)
    return {p.key: p for p in explorer_figures.pictures(source, details(source, name), grouping)}


def test_pictures_show_the_numbers_of_the_pathway(study):
    shown = drawn(study, "Interferon alpha", groupings(study, None)["class"])
    bars = shown["genes"].figure.axes[0].patches
    assert [bar.get_width() for bar in bars] == sorted(study.edges["effect"], reverse=True)
    (line,) = shown["null"].figure.axes[0].lines
    assert line.get_xdata()[0] == study.pathways.loc["Interferon alpha", "effect"]
    assert list(shown["activity"].data["activity"]) == list(study.activity["Interferon alpha"])
    labels = shown["activity"].figure.axes[0].get_xticklabels()
    assert [label.get_text() for label in labels] == ["ctrl", "stim"]
    assert plt.get_fignums() == []  # nothing is left for the notebook to show again


def test_without_permutations_there_is_no_picture_of_them(study):
    bare = study.replace(null=study.null.iloc[:0])
    assert list(drawn(bare, "Twin one", groupings(study, None)["class"])) == ["activity"]


@pytest.mark.parametrize(
    ("kind", "column", "label"), [("regression", "y", "dose"), ("survival", "time", "time")]
)
def test_an_outcome_that_is_a_number_is_drawn_against_activity(study_of, kind, column, label):
    study = study_of(kind)
    assert groupings(study, None) == {}
    moved = study.replace(predictions=study.predictions.iloc[:, ::-1])  # names count, not places
    ax = drawn(moved, "Twin one")["activity"].figure.axes[0]
    points = ax.collections[0].get_offsets()
    np.testing.assert_array_equal(points[:, 0], study.predictions[column])
    np.testing.assert_array_equal(points[:, 1], study.activity["Twin one"])
    assert ax.get_xlabel() == label


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
    by_effect = falling(study.pathways["effect"])
    assert rows(explorer) == by_effect[:ROWS]
    press(explorer, "Next ▶")
    assert rows(explorer) == by_effect[ROWS:]
    assert explorer._table._where.value == "11–13 of 13"
    press(explorer, "Genes")
    assert rows(explorer)[0] == "Interferon alpha"  # and page one
    press(explorer, "Genes ▼")
    assert len(SETS[rows(explorer)[0]]) == 2
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


def test_limits_and_seeds_follow_their_sliders(study_of):
    study = study_of("regression")
    explorer = bm.explore(study)
    explorer._measure.value = measure(explorer.source, "p_fwer at most")
    explorer._limit.value = 0.05
    assert rows(explorer) == ["Interferon alpha", "Interferon gamma"]
    explorer._measure.value = measure(explorer.source, "genes, at least")
    assert len(explorer.shown) == 13  # a new measure starts with everything
    explorer._seed.value = 1
    assert rows(explorer) == falling(effects_of_seed(study, 1))[:ROWS]
    assert "seed 2 alone (r2 " in explorer._message.value


def test_a_name_chooses_and_so_does_a_neighbour(study):
    explorer = bm.explore(study)
    before = explorer._figures.value
    place = rows(explorer).index("Interferon gamma")
    explorer._table._rows[place].children[0].click()
    assert explorer.chosen == "Interferon gamma"
    assert explorer._figures.value != before
    chosen = [row for row in explorer._table._rows if "bm-chosen" in row._dom_classes]
    assert [row.children[0].description for row in chosen] == ["Interferon gamma"]
    explorer._neighbours._rows[0].children[0].click()
    assert explorer.chosen == "Interferon alpha"
    row, facts = study.pathways.loc["Interferon alpha"], "".join(Tags(explorer._facts.value).words)
    assert facts.startswith("Interferon alpha selectedR-HSA-909733 <i>4 genes · ")
    assert f"effect {row['effect']:.3f} nats · p = {row['p']:.3f}" in facts
    assert facts.endswith("genes up →\xa0stim")
    with pytest.raises(ArgumentError, match="no such pathway: 'elsewhere'"):
        explorer.choose("elsewhere")


def test_every_name_is_escaped(study):
    explorer = bm.explore(study, groups=kinds_of(study, EVIL).replace("T", EVIL))
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


def test_every_control_has_a_name_for_screen_readers(study):
    explorer = bm.explore(study, groups=kinds_of(study))
    named = (widgets.Text, widgets.Dropdown, widgets.SelectionSlider)
    controls = [w for w in every(explorer) if isinstance(w, named)]
    assert len(controls) == 7
    assert [w.description for w in controls if w is not explorer._limit].count("") == 0
    images = [tag for tag in Tags(explorer._figures.value).tags if tag[0] == "img"]
    assert len(images) == 3
    assert all("alt" in attributes for _, attributes in images)


# ------------------------------------------------------------------------ saving


def test_the_table_is_saved_as_filtered_and_disarmed(study, folder):
    explorer = bm.explore(study)
    explorer._text.value = "="
    explorer._name.value = "mine"
    press(explorer, "Table")
    assert f"Wrote 2 pathways to {folder / 'mine.csv'}" in explorer._status.value
    saved = pd.read_csv(folder / "mine.csv", index_col=0)
    names = falling(study.pathways["effect"], [EVIL, FORMULA])
    assert list(saved.index) == [name.replace(FORMULA, "'" + FORMULA) for name in names]
    np.testing.assert_allclose(saved["effect"], study.pathways.loc[names, "effect"], rtol=1e-5)
    explorer._text.value = "nothing"
    press(explorer, "Table")
    assert "the table is empty" in explorer._status.value


def test_the_pictures_are_saved_with_their_numbers(study, folder):
    press(bm.explore(study), "Pictures")
    names = {f"explorer_{key}.{kind}" for key in ("genes", "activity", "null")
             for kind in ("png", "pdf", "csv")}  # fmt: skip
    assert {path.name for path in folder.iterdir()} == names
    saved = pd.read_csv(io.BytesIO((folder / "explorer_genes.csv").read_bytes()))
    assert list(saved["gene"]) == falling(study.edges.set_index("gene")["effect"])


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
