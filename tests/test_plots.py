"""The plots, read back from their artists."""

from __future__ import annotations

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from real_studies import KINDS, study_of

from biomask.errors import ArgumentError, MaskError
from biomask.masks.mask import Mask
from biomask.views import plots
from biomask.views.figures import BLUE, DIVERGING, GREY, PALE, PALETTE, SEQUENTIAL, VERMILION
from biomask.views.labels import display_names

LONG = "Respiratory electron transport, ATP synthesis by chemiosmotic coupling, and heat production"


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture
def mask():
    return Mask.from_sets(
        {"A": ["g1", "g2", "g3"], "B": ["g2", "g3", "g4", "g5"], "C": ["g6"], "D": ["g6"]}
    )


def offsets(ax, which=0):
    return np.asarray(ax.collections[which].get_offsets())


def colors(artist):
    return [mpl.colors.to_hex(color).upper() for color in artist.get_facecolor()]


def rows(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def columns(ax):
    return [label.get_text() for label in ax.get_xticklabels()]


def titles(ax):
    return [ax.get_title(loc=loc) for loc in ("left", "center", "right") if ax.get_title(loc=loc)]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def drawn(axis):
    """The tick labels inside the limits; the others are not drawn."""
    low, high = sorted(axis.get_view_interval())
    return [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]


def cut_off(ax):
    """Texts that reach beyond the figure."""
    fig = ax.figure
    fig.canvas.draw()
    width, height = fig.canvas.get_width_height()
    texts = [*drawn(ax.xaxis), *drawn(ax.yaxis), ax.xaxis.label, ax.yaxis.label]
    texts += [ax.title, ax._left_title, ax._right_title, *ax.texts]
    if ax.get_legend() is not None:
        texts += ax.get_legend().get_texts()
    boxes = [t.get_window_extent() for t in texts if t.get_text() and t.get_visible()]
    return [b for b in boxes if b.x0 < -1 or b.y0 < -1 or b.x1 > width + 1 or b.y1 > height + 1]


def overlapping(labels):
    boxes = [label.get_window_extent() for label in labels if label.get_text()]
    return [
        (i, j)
        for i, one in enumerate(boxes)
        for j, other in enumerate(boxes[:i])
        if one.shrunk(0.9, 0.9).overlaps(other.shrunk(0.9, 0.9))
    ]


# ------------------------------------------------------------------------ masks


def test_mask_sizes_counts_pathways(mask):
    ax = plots.plot_mask_sizes(mask)  # sizes 3, 4, 1, 1
    heights = [bar.get_height() for bar in ax.patches]
    centres = [bar.get_x() + bar.get_width() / 2 for bar in ax.patches]
    assert dict(zip(centres, heights, strict=True)) == {1: 2, 2: 0, 3: 1, 4: 1}
    assert ax.lines[0].get_xdata()[0] == 2
    assert titles(ax) == ["median 2 genes"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Genes in the pathway", "Pathways")
    assert ax.get_xscale() == "linear"


def test_mask_sizes_far_apart_are_logarithmic_and_all_counted():
    sizes = pd.Series([1, 2, 3, 4, 7, 8, 15, 16, 1000])
    ax = plots.plot_mask_sizes(sizes)
    edges = [bar.get_x() for bar in ax.patches]
    assert ax.get_xscale() == "log"
    assert edges == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert [bar.get_height() for bar in ax.patches] == [1, 2, 2, 2, 1, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("sizes", [[10, 300], [5] * 3, [8, 9, 10, 11, 500], [1, 20], [1, 21]])
def test_mask_sizes_loses_no_pathway(sizes):
    ax = plots.plot_mask_sizes(pd.Series(sizes))
    assert sum(bar.get_height() for bar in ax.patches) == len(sizes)


def test_mask_overlap_shows_the_jaccard_index(mask):
    ax = plots.plot_mask_overlap(mask, pathways=["B", "A", "C"])
    # A and B share 2 of 5 genes
    np.testing.assert_allclose(
        ax.collections[0].get_array(), [[1, 0.4, 0], [0.4, 1, 0], [0, 0, 1]], rtol=1e-6
    )
    assert rows(ax) == columns(ax) == ["B", "A", "C"]
    texts = [t.get_text() for t in ax.texts]
    assert texts == ["1", ".40", ".00", ".40", "1", ".00", ".00", ".00", "1"]
    light = [mpl.colors.to_rgb(t.get_color())[0] > 0.5 for t in ax.texts]
    assert light == [text == "1" for text in texts]  # on the dark cells
    assert ax.collections[0].get_cmap().name == SEQUENTIAL
    assert ax.collections[0].get_clim() == (0, 1)


def test_mask_overlap_chooses_the_pairs_that_share_most():
    sets = {f"P{i}": [f"u{i}_{j}" for j in range(5)] for i in range(30)}
    sets["P20"] = [*sets["P3"][:4], "more"]  # 4 of 6
    sets["P25"] = sets["P7"]
    for i in range(8, 20, 2):  # weak pairs, more than fit
        sets[f"P{i}"][0] = sets[f"P{i + 1}"][0]
    sets["P0"] = [f"u{i}_0" for i in (1, 2, 4, 5, 6)]
    shown = rows(plots.plot_mask_overlap(Mask.from_sets(sets)))
    assert len(shown) == 15
    assert {"P20", "P3", "P25", "P7"} <= set(shown)
    assert abs(shown.index("P25") - shown.index("P7")) == 1  # similar ones side by side
    assert abs(shown.index("P20") - shown.index("P3")) == 1


def test_mask_overlap_takes_a_table(mask):
    table = pd.DataFrame([[1, 0.5], [0.5, 1]], index=["x", "y"], columns=["x", "y"])
    ax = plots.plot_mask_overlap(table, pathways=["y", "x"])
    assert rows(ax) == ["y", "x"]
    for wrong in (table.iloc[:, :1], table.iloc[::-1], table * 3, table - 0.9):
        with pytest.raises(ArgumentError):
            plots.plot_mask_overlap(wrong)
    for wrong, error in ((table, ArgumentError), (mask, MaskError)):
        with pytest.raises(error) as caught:
            plots.plot_mask_overlap(wrong, pathways=["z"])
        assert caught.value.genes == ["z"]


def test_small_mask_is_a_picture_of_its_edges():
    frame = pd.DataFrame([[1, 0], [-2, 0], [0, 3]], index=list("abc"), columns=["P", "Q"])
    ax = plots.plot_mask(Mask.from_dense(frame, weighted=True))
    mesh = ax.collections[0]
    np.testing.assert_array_equal(mesh.get_array().reshape(3, 2), [[1, 0], [-1, 0], [0, 1]])
    shown = mesh.to_rgba(np.array([-1, 0, 1]))
    assert [mpl.colors.to_hex(c).upper() for c in shown] == [VERMILION, "#FFFFFF", BLUE]
    assert rows(ax) == ["a", "b", "c"]
    assert columns(ax) == ["P", "Q"]
    assert ax.get_ylim() == (3, 0)  # the first gene on top
    assert titles(ax) == ["3 edges, density 50 %"]


def test_large_mask_is_a_dot_an_edge():
    mask = Mask.from_sets({f"P{i}": [f"g{i}", f"g{i + 50}"] for i in range(50)})
    ax = plots.plot_mask(mask)
    genes, pathways = mask.edge_index
    np.testing.assert_array_equal(offsets(ax), np.column_stack([pathways, genes]))
    assert ax.collections[0].get_rasterized()  # a million dots make no million-line PDF
    assert ax.get_xlabel() == "Pathways (50)"
    assert ax.get_ylabel() == "Genes (100)"
    with pytest.raises(ArgumentError, match="from_dense"):
        plots.plot_mask(mask.to_dense())


def coverage():
    return pd.DataFrame(
        {"size": [10, 4, 20], "present": [5, 4, 0], "kept": [True, False, False]},
        index=["A", "B", "C"],
    )


def test_coverage_shows_the_share_of_each_pathway():
    ax = plots.plot_coverage(coverage())
    np.testing.assert_allclose(offsets(ax, 0), [[4, 1], [20, 0]])
    np.testing.assert_allclose(offsets(ax, 1), [[10, 0.5]])
    assert colors(ax.collections[0])[0][:7] == VERMILION
    assert colors(ax.collections[1])[0][:7] == BLUE
    assert ax.lines[0].get_ydata()[0] == pytest.approx(9 / 34)
    assert legend(ax) == ["left out (2)", "kept (1)", "overall 26%"]


def test_coverage_of_pathways_of_like_sizes_has_plain_numbers_on_its_axis():
    sizes = pd.DataFrame({"size": [32, 200], "present": [30, 100], "kept": True}, ["A", "B"])
    ax = plots.plot_coverage(sizes)
    ax.figure.canvas.draw()
    low, high = ax.get_xlim()
    shown = {
        tick.get_loc(): tick.label1.get_text()
        for tick in (*ax.xaxis.get_major_ticks(), *ax.xaxis.get_minor_ticks())
        if low <= tick.get_loc() <= high and tick.label1.get_text()
    }
    assert shown == {50: "50", 100: "100", 200: "200"}


def test_coverage_refuses_more_than_all():
    with pytest.raises(ArgumentError, match="exceed"):
        plots.plot_coverage(coverage().assign(present=[11, 4, 0]))
    with pytest.raises(ArgumentError) as caught:
        plots.plot_coverage(coverage().drop(columns="kept"))
    assert caught.value.column == "kept"


# ------------------------------------------------------------------------ training


HISTORY = {"loss": [3.0, 2, 1], "val_loss": [3.0, 2, 2.5], "auc": [0.5, 0.6, 0.7]}


def test_learning_curves_draw_both_and_mark_the_best_epoch():
    ax = plots.plot_learning_curves(HISTORY)
    training, validation, best = ax.lines
    assert list(training.get_xdata()) == [1, 2, 3]
    assert list(training.get_ydata()) == [3, 2, 1]
    assert list(validation.get_ydata()) == [3, 2, 2.5]
    assert (training.get_color(), validation.get_color()) == (BLUE, VERMILION)
    assert best.get_xdata()[0] == 2
    assert titles(ax) == ["best epoch 2"]
    assert legend(ax) == ["training", "validation"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Epoch", "Loss")


def test_learning_curves_know_that_a_high_auc_is_good():
    history = pd.DataFrame(HISTORY).assign(val_auc=[0.6, 0.8, 0.7])
    assert titles(plots.plot_learning_curves(history, metric="auc")) == ["best epoch 2"]


def test_learning_curves_of_replicates_have_a_thick_median():
    history = pd.DataFrame(
        {"replicate": [0, 0, 1, 1, 2, 2], "loss": [3.0, 1, 4, 2, 9, 9], "epoch": [1, 2] * 3}
    )
    for table in (history, history.drop(columns="epoch")):
        lines = plots.plot_learning_curves(table).lines
        assert [list(line.get_ydata()) for line in lines] == [[3, 1], [4, 2], [9, 9], [4, 2]]
        assert lines[3].get_linewidth() > 2 * lines[0].get_linewidth()
        assert list(lines[3].get_xdata()) == [1, 2]


def test_learning_curves_bridge_epochs_without_validation():
    table = pd.DataFrame({"loss": [4.0, 3, 2, 1], "val_loss": [np.nan, 3, np.nan, 4]})
    validation = plots.plot_learning_curves(table).lines[1]
    assert list(validation.get_xdata()) == [2, 4]


def test_roc_by_hand():
    ax = plots.plot_roc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])  # 3 of 4 pairs in order
    diagonal, curve = ax.lines
    assert list(diagonal.get_xdata()) == [0, 1]
    assert list(curve.get_xdata()) == [0, 0, 0.5, 0.5, 1]
    assert list(curve.get_ydata()) == [0, 0.5, 0.5, 1, 1]
    assert legend(ax) == ["AUC 0.750"]


def test_roc_of_several_models_and_text_labels():
    score = pd.DataFrame({"net": [0.1, 0.9], "worst": [0.9, 0.1]})
    ax = plots.plot_roc(["control", "stimulated"], score)
    assert legend(ax) == ["net, AUC 1.000", "worst, AUC 0.000"]
    assert [line.get_color() for line in ax.lines[1:]] == list(PALETTE[:2])


def test_roc_refuses():
    for y, score, code in (
        ([0, 1, 2], [1, 2, 3], "E-PLOT-CLASSES"),
        ([1, 1], [1, 2], "E-PLOT-CLASSES"),
        ([0, 1], [1, 2, 3], "E-PLOT-LENGTH"),
        ([0, 1], [1, np.nan], "E-PLOT-VALUES"),
        ([0, 1], pd.DataFrame(np.ones((2, 8))), "E-PLOT-VALUES"),
    ):
        with pytest.raises(ArgumentError) as caught:
            plots.plot_roc(y, score)
        assert caught.value.code == code


def test_calibration_by_hand():
    y, p = [0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.7, 0.8]
    y[1] = 1
    curve = plots.plot_calibration(y, p, bins=2).lines[1]
    np.testing.assert_allclose(curve.get_xdata(), [0.2, 0.7])
    np.testing.assert_allclose(curve.get_ydata(), [1 / 3, 1])
    with pytest.raises(ArgumentError, match="probabilities"):
        plots.plot_calibration([0, 1], [0.2, 1.2])


def test_confusion_writes_counts_and_colours_shares():
    table = pd.DataFrame([[8, 2], [0, 5]], index=["ctrl", "stim"], columns=["ctrl", "stim"])
    ax = plots.plot_confusion(table)
    np.testing.assert_allclose(ax.collections[0].get_array(), [[0.8, 0.2], [0, 1]])
    assert [t.get_text() for t in ax.texts] == ["8\n80%", "2\n20%", "0\n0%", "5\n100%"]
    assert [t.get_position() for t in ax.texts] == [(0.5, 0.5), (1.5, 0.5), (0.5, 1.5), (1.5, 1.5)]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Predicted", "True")
    assert rows(ax) == columns(ax) == ["ctrl", "stim"]
    with pytest.raises(ArgumentError):
        plots.plot_confusion(-table)


def test_confusion_with_a_class_that_never_occurs():
    ax = plots.plot_confusion(pd.DataFrame([[0, 0], [1, 1]]))
    np.testing.assert_allclose(ax.collections[0].get_array(), [[0, 0], [0.5, 0.5]])


# ------------------------------------------------------------------------ interpretation


EDGES = pd.DataFrame(
    {
        "gene": ["a", "b", "c", "d", "e"],
        "pathway": ["P", "P", "P", "P", "Q"],
        "weight": [0.1, -3.0, 2.0, -0.5, 9.0],
    }
)


def test_edge_weights_are_the_largest_of_one_pathway():
    ax = plots.plot_edge_weights(EDGES, pathway="P", n=3)
    assert rows(ax) == ["c", "d", "b"]  # 2, -0.5, -3: the most positive on top
    assert [bar.get_width() for bar in ax.patches] == [2, -0.5, -3]
    shown = [mpl.colors.to_hex(bar.get_facecolor()).upper() for bar in ax.patches]
    assert shown == [BLUE, VERMILION, VERMILION]
    assert ax.get_ylim() == (2.6, -0.6)
    assert ax.get_xlabel() == "Weight (3 of 4 genes)"
    assert titles(ax) == ["P"]


def test_edge_weights_take_another_column_and_need_a_pathway():
    ax = plots.plot_edge_weights(EDGES.rename(columns={"weight": "effect"})[4:], value="effect")
    assert ax.get_xlabel() == "Effect"
    with pytest.raises(ArgumentError, match="holds 2"):
        plots.plot_edge_weights(EDGES)
    with pytest.raises(ArgumentError) as caught:
        plots.plot_edge_weights(EDGES, pathway="nowhere")
    assert caught.value.genes == ["nowhere"]
    with pytest.raises(ArgumentError) as caught:
        plots.plot_edge_weights(EDGES.assign(weight=[1, 2, 3, np.inf, 5]), pathway="P")
    assert caught.value.code == "E-PLOT-VALUES"


def test_attributions_of_a_series():
    series = pd.Series([1.0, -4, 2], index=pd.Index(["x", "y", "z"], name="pathway"))
    ax = plots.plot_attributions(series, n=2)
    assert rows(ax) == ["z", "y"]
    assert [bar.get_width() for bar in ax.patches] == [2, -4]
    assert titles(ax) == ["2 of 3 pathways"]
    frame = series.rename("attribution").reset_index().rename(columns={"pathway": "gene"})
    assert titles(plots.plot_attributions(frame, n=2)) == ["2 of 3 genes"]


def test_attributions_of_samples_say_what_to_do():
    with pytest.raises(ArgumentError, match=r"table\.mean\(\)") as caught:
        plots.plot_attributions(pd.DataFrame(np.ones((2, 50))))
    assert len(str(caught.value)) < 400  # not all 50 columns


def activity():
    values = pd.DataFrame({"P": [1.0, 3, -2, -6], "Q": [0.0, 1, 2, 3]}, index=list("wxyz"))
    groups = pd.DataFrame(
        {"cell": ["T", "T", "B", "B"], "condition": ["ctrl", "stim", "ctrl", "stim"]},
        index=values.index,
    )
    return values, groups


def test_activity_of_several_pathways_is_a_heat_map_of_means():
    values, groups = activity()
    ax = plots.plot_activity(values, groups["cell"])
    np.testing.assert_allclose(ax.collections[0].get_array(), [[-4, 2], [2.5, 0.5]])
    assert columns(ax) == ["B", "T"]
    assert rows(ax) == ["P", "Q"]
    assert ax.collections[0].get_clim() == (-4, 4)  # 0 is white
    assert ax.collections[0].get_cmap().name == DIVERGING


def test_activity_by_two_columns_names_both():
    ax = plots.plot_activity(*activity())
    assert columns(ax) == ["B · ctrl", "B · stim", "T · ctrl", "T · stim"]
    np.testing.assert_allclose(ax.collections[0].get_array()[0], [-2, -6, 1, 3])


def test_activity_of_one_pathway_is_a_box_a_group():
    values, groups = activity()
    order = pd.Categorical(groups["cell"], ["T", "B", "unused"])
    ax = plots.plot_activity(values["P"], pd.Series(order, index=groups.index, name="cell"))
    assert columns(ax) == ["T", "B"]  # the order of the categories
    assert ax.get_ylabel() == "P\nactivity"
    medians = [line.get_ydata()[0] for line in ax.lines if line.get_color() == "white"]
    assert medians == [2, -4]
    assert ax.get_legend() is None


def test_activity_of_one_pathway_is_coloured_by_the_second_column():
    values, groups = activity()
    ax = plots.plot_activity(values[["P"]], groups)
    assert legend(ax) == ["ctrl", "stim"]
    medians = [(*line.get_xdata(), *line.get_ydata()[:1]) for line in ax.lines]
    medians = [m for m, line in zip(medians, ax.lines, strict=True) if line.get_color() == "white"]
    middles = [(round((left + right) / 2), value) for left, right, value in medians]
    assert middles == [(0, -2), (1, 1), (0, -6), (1, 3)]  # B and T at 0 and 1; ctrl, then stim
    shown = {mpl.colors.to_hex(box.get_facecolor()).upper() for box in ax.patches}
    assert {BLUE, VERMILION} <= shown


def test_activity_refuses_other_samples():
    values, groups = activity()
    for wrong in (
        groups.iloc[::-1],
        groups.assign(more=1),
        groups.replace("T", None),
        groups.iloc[:2],
    ):
        with pytest.raises(ArgumentError):
            plots.plot_activity(values, wrong)


# ------------------------------------------------------------------------ rankings


def test_rank_agreement_shows_each_training():
    ranks = pd.DataFrame({"s0": [1, 2, 3], "s1": [3, 2, 1]}, index=["A", "B", "C"])
    ax = plots.plot_weight_rank_agreement(ranks, n=2)
    assert rows(ax) == ["A", "B"]
    np.testing.assert_allclose(offsets(ax, 1), [[1, 0], [2, 1]])
    np.testing.assert_allclose(offsets(ax, 2), [[3, 0], [2, 1]])
    spans = [segment[:, 0].tolist() for segment in ax.collections[0].get_segments()]
    assert spans == [[1, 3], [2, 2]]
    assert titles(ax) == ["mean Spearman −1.00"]
    assert legend(ax) == ["s0", "s1"]
    assert ax.get_xlabel() == "Rank (of 3)"
    with pytest.raises(ArgumentError, match="rank"):
        plots.plot_weight_rank_agreement(ranks - 1)
    with pytest.raises(ArgumentError):
        plots.plot_weight_rank_agreement(ranks[["s0"]])


def test_weight_by_size_prints_spearman():
    table = pd.DataFrame({"size": [1, 2, 3, 4], "effect": [1.0, 2, 4, 3]})
    ax = plots.plot_weight_by_size(table, value="effect")
    np.testing.assert_allclose(offsets(ax), table.to_numpy())
    assert titles(ax) == ["Spearman 0.80"]  # 1 - 6 * 2 / (4 * 15)
    assert ax.get_ylabel() == "Effect"
    flat = plots.plot_weight_by_size(table.assign(importance=1))
    assert titles(flat) == ["Spearman not defined"]


# ------------------------------------------------------------------------ studies


@pytest.fixture(scope="module")
def pathways():
    return study_of("binary").pathways


@pytest.mark.parametrize("kind", KINDS)
def test_effects_stand_beside_their_null(kind):
    pathways = study_of(kind).pathways.astype({"p": float})
    pathways.iloc[0, pathways.columns.get_loc("p")] = 1e-4
    ax = plots.plot_effects(pathways, n=8)
    order = sorted(pathways.index, key=lambda name: -pathways["effect"][name])[:8]
    shown = [pathways.loc[name] for name in order]
    assert rows(ax) == display_names(order)
    np.testing.assert_allclose(offsets(ax), [[row["effect"], i] for i, row in enumerate(shown)])
    bands = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches]
    np.testing.assert_allclose(bands, [[row["null_low"], row["null_high"]] for row in shown])
    assert mpl.colors.to_hex(ax.patches[0].get_facecolor()).upper() == PALE
    assert colors(ax.collections[0]) == [BLUE if row["selected"] else "#FFFFFF" for row in shown]
    texts = ["p = 1e−4" if row["p"] == 1e-4 else f"p = {row['p']:.3f}" for row in shown]
    assert [t.get_text() for t in ax.texts] == texts
    assert titles(ax) == [f"8 of {len(pathways)} pathways"]


def test_effects_with_only_what_is_needed(pathways):
    table = pathways[["effect", "p"]].assign(effect_low=-1, effect_high=1)
    ax = plots.plot_effects(table, n=2)
    assert len(ax.patches) == 0
    assert [s[:, 0].tolist() for s in ax.collections[0].get_segments()] == [[-1, 1]] * 2
    assert ax.get_legend() is None


def test_effects_refuse_half_an_interval(pathways):
    with pytest.raises(ArgumentError) as caught:
        plots.plot_effects(pathways.drop(columns="null_high"))
    assert caught.value.column == "null_high"
    with pytest.raises(ArgumentError, match="above"):
        plots.plot_effects(pathways.assign(null_low=1))


def test_null_counts_and_prints_the_p_value():
    null = np.array([-1.0, 0, 0, 1, 2, 3, 0, 1, 0])
    ax = plots.plot_null(null, 2.0)  # 2 of 9 reach it: (1 + 2) / 10
    assert titles(ax) == ["p = 0.300"]
    assert sum(bar.get_height() for bar in ax.patches) == 9
    assert ax.lines[0].get_xdata()[0] == 2
    assert set(legend(ax)) == {"permuted labels (9)", "observed"}
    assert titles(plots.plot_null(null, 2.0, p=0.02)) == ["p = 0.020"]


@pytest.mark.parametrize("kind", KINDS)
def test_stability_draws_the_range_of_ranks(kind):
    ranks = study_of(kind).pathways[["rank_median", "rank_high", "rank_low"]]
    ax = plots.plot_stability(ranks, n=9)
    order = sorted(ranks.index, key=lambda name: tuple(ranks.loc[name])[:2])[:9]
    assert rows(ax) == display_names(order)
    spans = [segment[:, 0].tolist() for segment in ax.collections[0].get_segments()]
    assert spans == [[ranks["rank_low"][name], ranks["rank_high"][name]] for name in order]
    assert list(offsets(ax, 1)[:, 0]) == [ranks["rank_median"][name] for name in order]
    with pytest.raises(ArgumentError, match="rank_median"):
        plots.plot_stability(ranks.assign(rank_median=99))


def test_qq_of_ideal_p_values_lies_on_the_diagonal():
    ax = plots.plot_pvalue_qq(np.array([0.75, 0.25, 0.5]))
    points = offsets(ax, 1)
    np.testing.assert_allclose(points[:, 0], -np.log10([0.25, 0.5, 0.75]))
    np.testing.assert_allclose(points[:, 1], points[:, 0])


def test_qq_band_by_hand():
    # one p-value: Beta(1, 1), so that the band runs from .025 to .975
    ax = plots.plot_pvalue_qq([0.5])
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose([band.min(), band.max()], [-np.log10(0.975), -np.log10(0.025)])
    for wrong in ([0.0, 0.5], [1.1], [np.nan]):
        with pytest.raises(ArgumentError):
            plots.plot_pvalue_qq(wrong)


def test_qq_names_each_test():
    table = pd.DataFrame({"by subject": [0.5, 0.9], "by cell": [0.1, 0.2]})
    assert legend(plots.plot_pvalue_qq(table)) == ["95 % under the null", *table.columns]


def test_power_is_a_curve_a_method():
    table = pd.DataFrame(
        {"n_samples": [100, 50, 50, 100], "power": [0.9, 0.4, 0.1, 0.3], "method": list("aabb")}
    )
    ax = plots.plot_power(table, x="n_samples", alpha=0.01)
    level, first, second = ax.lines
    assert level.get_ydata()[0] == 0.01
    assert [list(first.get_xdata()), list(first.get_ydata())] == [[50, 100], [0.4, 0.9]]
    assert list(second.get_ydata()) == [0.1, 0.3]
    assert ax.get_xlabel() == "N samples"
    assert legend(ax) == ["a", "b"]
    with pytest.raises(ArgumentError, match="between 0 and 1"):
        plots.plot_power(table.assign(power=2), x="n_samples")


def test_comparison_marks_the_first_model():
    table = pd.DataFrame(
        {"AUC": [0.9, 0.8], "low": [0.85, 0.7], "high": [0.95, 0.9]}, index=["masked", "dense"]
    )
    ax = plots.plot_comparison(table, metric="AUC")
    assert rows(ax) == ["masked", "dense"]
    np.testing.assert_allclose(offsets(ax, 1), [[0.9, 0], [0.8, 1]])
    assert colors(ax.collections[1]) == [BLUE, GREY]
    spans = [segment[:, 0].tolist() for segment in ax.collections[0].get_segments()]
    assert spans == [[0.85, 0.95], [0.7, 0.9]]
    assert ax.lines[0].get_xdata()[0] == 0.9
    assert ax.get_xlabel() == "AUC"


# ------------------------------------------------------------------------ all of them


def every_plot(name="A"):
    """Each plot with 12 rows, the first of which is called `name`."""

    def table():
        return study_of("binary").pathways.head(12).set_axis(pd.Index(names, name="pathway"))

    def study():
        real, old = study_of("regression"), "Interferon alpha"
        pathways = real.pathways.rename(index={old: name})
        return real.replace(pathways=pathways, edges=real.edges.replace({"pathway": {old: name}}))

    names = [name, *(f"{LONG} {i}" for i in range(11))]
    genes = [f"HLA-DRB{i}" for i in range(12)]
    edges = pd.DataFrame({"gene": genes, "pathway": name, "weight": np.arange(12.0) - 5})
    series = pd.Series(np.arange(12.0) - 5, index=names)
    mask = Mask.from_sets({p: ["g", f"g{i}"] for i, p in enumerate(names)})
    values = pd.DataFrame(np.arange(24.0).reshape(2, 12), columns=names)
    groups = pd.Series(["control", "stimulated"], name="condition")
    ranks = pd.DataFrame({f"seed {i}": np.roll(np.arange(1, 13), i) for i in range(3)}, index=names)
    scores = pd.DataFrame({"score": 0.9, "low": 0.8, "high": 0.95}, pd.Index(names, name="model"))
    power = pd.DataFrame({"effect": [0, 1], "power": [0.05, 1], "method": [name, LONG]})
    return {
        "mask_sizes": lambda **k: plots.plot_mask_sizes(mask, **k),
        "mask_overlap": lambda **k: plots.plot_mask_overlap(mask, **k),
        "mask": lambda **k: plots.plot_mask(mask, **k),
        "coverage": lambda **k: plots.plot_coverage(coverage(), **k),
        "learning_curves": lambda **k: plots.plot_learning_curves(HISTORY, **k),
        "roc": lambda **k: plots.plot_roc([0, 1], pd.DataFrame({name: [0, 1]}), **k),
        "calibration": lambda **k: plots.plot_calibration([0, 1, 1], [0.1, 0.5, 0.9], **k),
        "confusion": lambda **k: plots.plot_confusion(
            pd.DataFrame(np.eye(4), index=names[:4], columns=names[:4]), **k
        ),
        "edge_weights": lambda **k: plots.plot_edge_weights(edges, **k),
        "attributions": lambda **k: plots.plot_attributions(series, **k),
        "activity": lambda **k: plots.plot_activity(values, groups, **k),
        "activity_box": lambda **k: plots.plot_activity(values[name], groups, **k),
        "ranks": lambda **k: plots.plot_weight_rank_agreement(ranks, **k),
        "by_size": lambda **k: plots.plot_weight_by_size(
            pd.DataFrame({"size": [1, 99], "importance": [1, 2]}), **k
        ),
        "effects": lambda **k: plots.plot_effects(table(), n=8, **k),
        "null": lambda **k: plots.plot_null(np.arange(99), 100, **k),
        "stability": lambda **k: plots.plot_stability(table(), n=8, **k),
        "survival": lambda **k: plots.plot_survival(
            pd.DataFrame({"time": [1, 2, 3], "event": [1, 0, 1], "prediction": [1, 2, 3]}), **k
        ),
        "qq": lambda **k: plots.plot_pvalue_qq(pd.DataFrame({name: [0.1, 0.5]}), **k),
        "power": lambda **k: plots.plot_power(power, **k),
        "comparison": lambda **k: plots.plot_comparison(scores, **k),
        "paths": lambda **k: plots.plot_paths(study(), **k),
    }


NAMES = sorted(every_plot())


def test_every_public_plot_is_in_the_list():
    called = {name for plot in every_plot().values() for name in plot.__code__.co_names}
    assert {n for n in plots.__all__ if n.startswith("plot_")} == {
        n for n in called if n.startswith("plot_")
    }


@pytest.mark.parametrize("which", NAMES)
def test_draws_legibly_at_journal_size(which):
    ax = every_plot(LONG)[which]()
    assert cut_off(ax) == []
    assert overlapping(drawn(ax.yaxis)) == []
    assert overlapping(drawn(ax.xaxis)) == []
    assert ax.figure.get_figwidth() <= 7
    texts = ax.figure.findobj(lambda t: isinstance(t, mpl.text.Text) and t.get_text())
    assert {text.get_size() for text in texts} <= {7, 8}
    names = ("mask_sizes", "coverage", "learning_curves", "edge_weights", "attributions", "effects")
    if which in names:
        assert ax.figure.get_figwidth() == 3.5


@pytest.mark.parametrize("which", NAMES)
def test_draws_into_the_axes_given(which):
    with mpl.rc_context({"font.size": 22, "axes.spines.top": True}):
        fig, (left, right) = plt.subplots(1, 2)
        assert every_plot()[which](ax=right) is right
    assert plt.get_fignums() == [fig.number]
    assert not left.has_data()
    assert not right.spines["top"].get_visible() or which == "mask"
    assert right.xaxis.label.get_size() == 8
    assert all(label.get_size() == 7 for label in right.get_xticklabels())


@pytest.mark.parametrize("which", NAMES)
def test_names_are_shown_as_they_are(which):
    name = "$x_1$ <b> {p_q}^2 100%"
    ax = every_plot(name)[which]()
    for text in ax.figure.findobj(mpl.text.Text):
        shown, mathematics = text._preprocess_math(text.get_text())
        if "x_1" in shown:
            assert mathematics is False
            assert "$x_1$ <b>" in shown


@pytest.mark.parametrize("which", NAMES)
def test_axes_must_be_axes(which):
    with pytest.raises(ArgumentError) as caught:
        every_plot()[which](ax=np.array([1, 2]))
    assert caught.value.code == "E-PLOT-AX"


def test_an_empty_table_or_no_table_is_refused():
    for plot in (plots.plot_effects, plots.plot_stability, plots.plot_coverage, plots.plot_power):
        for wrong in (pd.DataFrame(), None, [1, 2]):
            with pytest.raises(ArgumentError) as caught:
                plot(wrong)
            assert caught.value.code == "E-PLOT-TABLE"


@pytest.mark.parametrize("n", [0, -1, 2.5, True, "3"])
def test_the_number_of_rows_must_be_one(pathways, n):
    for plot in (plots.plot_effects, plots.plot_stability):
        with pytest.raises(ArgumentError) as caught:
            plot(pathways, n=n)
        assert caught.value.code == "E-PLOT-N"


def test_tables_are_left_as_they_were(pathways):
    table, before = pathways.copy(), pathways.copy()
    plots.plot_effects(table)
    plots.plot_stability(table)
    pd.testing.assert_frame_equal(table, before)
