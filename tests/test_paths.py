"""The strongest paths of a study: worked out by hand, and read back from both figures."""

from __future__ import annotations

import sys
import time
from functools import cache
from itertools import pairwise

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from real_studies import CALL, EVIL_GENE, KINDS

import biomask as bm
from biomask.errors import ArgumentError
from biomask.views import plots
from biomask.views.figures import PALE
from biomask.views.paths import Node, steps_to

SETS = {"a": ["g0", "g1"], "b": ["g2", "same"], "same": ["g3", "g4"], "top": ["g0", "g1", "g2"]}
RELATIONS = pd.DataFrame(
    [("a", "mid"), ("b", "mid"), ("mid", "top"), ("same", "top")], columns=["child", "parent"]
)
EFFECTS = {"a": 0.3, "b": 0.2, "same": 0.1, "mid": 0.5, "top": 0.6}
EDGES = [
    (0, "g0", "a", 0.25),
    (0, "g1", "a", 0.05),
    (0, "g2", "b", 0.15),
    (0, "same", "b", 0.02),
    (0, "g3", "same", -0.01),
    (0, "g4", "same", 0.07),
    (1, "a", "mid", 0.28),
    (1, "b", "mid", 0.12),
    (2, "mid", "top", 0.4),
    (2, "same", "top", 0.04),
]


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@cache
def trained(outputs):
    """A study of three levels."""
    below = {name: SETS[name] for name in ("a", "b", "same")}
    genes = sorted({gene for level, gene, _, _ in EDGES if level == 0})
    sets = below | {"mid": ["g0", "g1", "g2", "same"], "top": genes}
    hier = bm.Hierarchy.from_sets(bm.Mask.from_sets(sets), RELATIONS)
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(40, len(genes))), columns=genes)
    y = (X["g0"] > 0).astype(int)
    return bm.crossfit(hier, X, y, **(CALL | {"outputs": outputs, "epochs": 1}), progress=False)


def deep_study(outputs="top", edges=EDGES):
    """With the effects above, as if every pathway had been selected."""
    study = trained(outputs)
    pathways = study.pathways.assign(effect=pd.Series(EFFECTS), selected=True)
    table = pd.DataFrame(edges, columns=["level", "gene", "pathway", "effect"])
    return study.replace(pathways=pathways, edges=table)


def rows_of(links):
    return list(links.itertuples(index=False, name=None))


# ------------------------------------------------------------------------ which paths


def test_the_strongest_path_is_the_one_with_the_strongest_weakest_link():
    """g0: min(.25, .28, .4, .6) = .25; g2: .12; g1: .05; g4: .04; "same" into b: .02."""
    links = plots.path_links(deep_study(), n_paths=1)
    assert rows_of(links) == [
        ("gene", "g0", "pathway", "a", 0.25),
        ("pathway", "a", "pathway", "mid", 0.28),
        ("pathway", "mid", "pathway", "top", 0.4),
        ("pathway", "top", "outcome", "outcome", 0.6),
    ]
    assert links.attrs == {"paths": 1}
    order = plots.path_links(deep_study(), n_paths=9)
    genes = order.loc[order["source_kind"] == "gene", "source"].tolist()
    assert genes == ["g0", "g2", "g1", "g4", "same"]
    assert order.attrs == {"paths": 5}  # g3 has a negative effect


def test_links_shared_by_paths_are_listed_once():
    links = plots.path_links(deep_study(), n_paths=3)
    assert len(links) == 3 + 2 + 1 + 1
    assert not links.duplicated(["source_kind", "source", "target"]).any()


def test_a_gene_named_like_a_pathway_is_another_node():
    links = plots.path_links(deep_study(), n_paths=9)
    kinds = links.loc[links["source"] == "same", ["source_kind", "target"]]
    assert sorted(kinds.itertuples(index=False, name=None)) == [
        ("gene", "b"),
        ("pathway", "top"),
    ]


def test_a_head_that_reads_every_level_ends_paths_at_every_level():
    links = plots.path_links(deep_study("all"), n_paths=4)
    # .25 thrice: g0 -> a -> (mid -> (top)), the outcome read from each; then g2 -> b: .15
    ends = links.loc[links["target"] == "outcome", ["source", "effect"]]
    assert dict(ends.itertuples(index=False, name=None)) == {
        "a": 0.3, "mid": 0.5, "top": 0.6, "b": 0.2,
    }  # fmt: skip


def test_a_pathway_without_a_selected_parent_leads_to_the_outcome():
    measured = [edge for edge in EDGES if edge[2] != "top"]
    links = plots.path_links(deep_study(edges=measured), n_paths=1)
    assert rows_of(links)[-1] == ("pathway", "mid", "outcome", "outcome", 0.5)


def test_equal_paths_are_ranked_by_their_first_link():
    edges = [(0, "g0", "a", 0.2), (0, "g1", "a", 0.3), (1, "a", "mid", 0.1), (2, "mid", "top", 0.1)]
    links = plots.path_links(deep_study(edges=edges), n_paths=1)
    assert links["source"].iloc[0] == "g1"


def strengths(study, target, weakest):
    """Of every path that ends in `target` and has positive effects on all its links."""
    for _, edge in study.edges[study.edges["pathway"] == target].iterrows():
        if edge["effect"] > 0:
            now = min(weakest, edge["effect"])
            yield from strengths(study, edge["gene"], now) if edge.get("level", 0) else [now]


def agree_with_search(study, ends):
    found = (strengths(study, name, study.pathways["effect"][name]) for name in ends)
    every = sorted((strength for paths in found for strength in paths), reverse=True)
    for n in range(1, len(every) + 1):
        links = plots.path_links(study, n_paths=n)
        assert links.attrs == {"paths": n}
        assert links["effect"].min() == every[n - 1]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "autoencoder"])
def test_paths_of_a_study_are_those_of_a_search_through_all(study_of, kind):
    study = study_of(kind)  # whose head reads every pathway
    assert len(study.edges)
    agree_with_search(study, study.edges["pathway"].unique())


def test_paths_of_three_levels_are_those_of_a_search_through_all():
    rng = np.random.default_rng(0)
    for _ in range(20):
        edges = [(*edge[:3], float(rng.normal(0.1, 0.2))) for edge in EDGES]
        agree_with_search(deep_study(edges=edges), ["top"])


def test_no_path_and_no_study_are_refused(study_of):
    nothing = study_of("autoencoder")  # in which no pathway is selected
    for wrong, code in ((nothing, "E-PATHS-NONE"), (nothing.pathways, "E-PATHS-STUDY")):
        with pytest.raises(ArgumentError) as caught:
            plots.plot_paths(wrong)
        assert caught.value.code == code
    with pytest.raises(ArgumentError, match="0 of 13 pathways are selected"):
        plots.path_links(nothing)
    with pytest.raises(ArgumentError, match="whole number"):
        plots.path_links(study_of("binary"), n_paths=0)


# ------------------------------------------------------------------------ the figures


def test_columns_are_the_longest_way_from_a_gene():
    column = steps_to(plots.path_links(deep_study(), n_paths=9))
    found = {name: x for (kind, name), x in column.items() if kind != "gene"}
    assert found == {"a": 1, "b": 1, "same": 1, "mid": 2, "top": 3, "outcome": 4}
    assert column[Node("gene", "same")] == 0


def test_links_are_as_wide_as_their_effects_and_nodes_as_dark():
    ax = plots.plot_paths(deep_study(), n_paths=9)
    links = plots.path_links(deep_study(), n_paths=9)
    widths = [patch.get_linewidth() for patch in ax.patches]
    np.testing.assert_allclose(widths, np.maximum(0.4, 9 * links["effect"] / 0.6))
    color = {t.get_text(): t.get_bbox_patch().get_facecolor() for t in ax.texts if t.get_text()}
    shade = mpl.colormaps["Blues"]
    for name in ("a", "mid", "top"):
        np.testing.assert_allclose(color[name], shade(EFFECTS[name] / 0.6))
    assert color["g0"] == color["outcome"] == (1, 1, 1, 1)
    styles = {t.get_text(): t.get_fontstyle() for t in ax.texts}
    assert (styles["g0"], styles["top"]) == ("italic", "normal")
    headings = [label.get_text() for label in ax.get_xticklabels()]
    assert headings == ["Genes", "Pathways", "Parents", "Parents 2", "Outcome"]
    assert ax.get_title(loc="left") == "Widest link: effect 0.6"


def test_links_start_and_end_at_their_nodes():
    ax = plots.plot_paths(deep_study(), n_paths=1)
    place = {t.get_text(): t.get_position() for t in ax.texts}
    ends = [patch.get_path().vertices[[0, -1]].tolist() for patch in ax.patches]
    way = ["g0", "a", "mid", "top", "outcome"]
    assert ends == [[list(place[one]), list(place[other])] for one, other in pairwise(way)]


def test_no_two_boxes_overlap():
    ax = plots.plot_paths(deep_study(), n_paths=9)
    ax.figure.canvas.draw()
    boxes = [t.get_bbox_patch().get_window_extent() for t in ax.texts]
    assert len(boxes) == 11  # 5 genes, 5 pathways, the outcome
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])


def test_sankey_has_the_same_links():
    pytest.importorskip("plotly")
    links = plots.path_links(deep_study(), n_paths=9)
    figure = plots.sankey_paths(deep_study(), n_paths=9)
    (sankey,) = figure.data
    assert type(sankey).__name__ == "Sankey"
    labels = sankey.node.label
    ends = zip(sankey.link.source, sankey.link.target, strict=True)
    named = [(labels[i], labels[j]) for i, j in ends]
    assert named == list(zip(links["source"], links["target"], strict=True))
    assert list(sankey.link.value) == links["effect"].tolist()
    assert labels.count("same") == 2  # the gene and the pathway
    assert sankey.link.color == PALE
    darkest = sankey.node.color[labels.index("top")]
    assert darkest == mpl.colors.to_hex(mpl.colormaps["Blues"](1.0))
    assert sankey.node.customdata[labels.index("mid")] == "effect 0.5"


def test_sankey_shows_no_name_as_html(study_of):
    pytest.importorskip("plotly")
    study = study_of("binary")
    edges = study.edges.replace({"gene": {"IFIT3": EVIL_GENE}})
    (sankey,) = plots.sankey_paths(study.replace(edges=edges)).data
    assert not [label for label in sankey.node.label if set(label) & set("<>&")]


def test_without_plotly_the_other_figure_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(ArgumentError, match=r"pip install plotly.*plot_paths") as caught:
        plots.sankey_paths(deep_study())
    assert caught.value.code == "E-PLOTLY"


def test_all_of_reactome_is_drawn_within_seconds(study_of):
    hier = bm.load_hierarchy("reactome")
    rng = np.random.default_rng(0)
    edges = hier.to_edges().rename(columns={"source": "gene", "target": "pathway"})
    edges["effect"] = rng.exponential(size=len(edges))
    pathways = pd.DataFrame(
        {"effect": rng.exponential(size=hier.shape[1]), "selected": True}, index=hier.pathways
    )
    study = study_of("hierarchy").replace(mask=hier, pathways=pathways, edges=edges)
    begun = time.process_time()
    ax = plots.plot_paths(study, n_paths=30)
    ax.figure.canvas.draw()
    assert time.process_time() - begun < 10
    assert len(ax.patches) >= 30
