"""The figures of a report, each as the text of an SVG file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from biomask.views import plots, report_latent, tables
from biomask.views.figures import BLUE, GREY, canvas, style, styled
from biomask.views.labels import display_names
from biomask.views.report_text import p_number

if TYPE_CHECKING:
    from biomask.inference.study import Study

SHOWN = 15  # pathways in a figure
DETAILED = 3  # pathways with a figure of their own
WIDTH = 4.4  # inches of a figure with a row a pathway
GENES = 12  # in the figure of a pathway


class Figure(NamedTuple):
    """A picture and its width, what it shows in words, and the name or sentence beside it."""

    svg: bytes
    inches: float
    alternative: str
    caption: str


def effects(study: Study) -> Figure:
    """Pathways by effect, with the band of the permuted labels."""
    table = study.pathways.drop(columns=_bands(study))
    n = min(SHOWN, len(table))
    ax = _rows(table.nlargest(n, "effect").index)
    return Figure(
        *_svg(plots.plot_effects(table, n=n, ax=ax)),
        f"Held-out effect of the {n} pathways where it is largest; {table['effect'].idxmax()} "
        "comes first. The table holds the numbers.",
        "Held-out effect of each pathway and its p-value, which is not corrected for the number "
        "of pathways; filled dots are selected. "
        + ("Grey: 90 % of the effects under permuted labels." if not _bands(study) else ""),
    )


def stability(study: Study) -> Figure:
    """Where seeds and folds rank the pathways."""
    n = min(SHOWN, len(study.pathways))
    ax = _rows(study.pathways.nsmallest(n, "rank_median").index)
    return Figure(
        *_svg(plots.plot_stability(study.pathways, n=n, ax=ax)),
        f"Ranks over folds and seeds of the {n} pathways with the lowest median rank.",
        "Rank of each pathway by effect in every fold and seed: the median, and the range that "
        "holds 90 % of them. Short bars at the top are a stable ranking.",
    )


def nulls(study: Study) -> list[Figure]:
    """The effects under permuted labels, for the pathways of the largest effect."""
    if study.null.empty:
        return []
    figures = []
    for name, row in study.top(DETAILED).iterrows():
        ax = plots.plot_null(study.null[name], row["effect"], p=row["p"])
        words = (
            f"{name}: observed effect {row['effect']:.3g}, largest under permuted labels "
            f"{study.null[name].max():.3g}, p = {p_number(row['p'])}."
        )
        figures.append(Figure(*_svg(ax), words, name))
    return figures


def genes(study: Study) -> list[Figure]:
    """Effects of the edges of the selected pathways with the largest effect."""
    held = set(study.edges["pathway"])
    top = [name for name in study.top(len(study.pathways)).index if name in held][:DETAILED]
    figures = []
    for name in top:
        inside = study.edges[study.edges["pathway"] == name]
        ax = plots.plot_edge_weights(inside, pathway=name, value="effect", n=GENES)
        ax.set_title("", loc="left")  # the caption has the whole name
        best = inside.loc[inside["effect"].idxmax(), "gene"]
        words = f"Held-out effects of the genes of {name}; {best} has the largest."
        figures.append(Figure(*_svg(ax), words, name))
    return figures


def prediction(study: Study) -> Figure:
    """How well held-out samples are predicted, in the picture that suits the task."""
    table, task = study.predictions, study.settings["task"]
    caption = "Held-out prediction of every sample, the mean over seeds."
    if task == "binary":
        positive = table["y"].map(str) == str(study.settings["classes"][1])
        ax = plots.plot_roc(positive, table["prediction"])
        caption += " The networks of different folds share one curve."
    elif task == "multiclass":
        ax = plots.plot_confusion(_confusion(table, study.settings["classes"]))
    elif task == "survival":
        ax = plots.plot_survival(table)
        caption += " Risks are relative to the mean of the fold; ticks are censored samples."
    elif task == report_latent.TASK:
        ax, caption = _errors(table), report_latent.RECONSTRUCTION
    else:
        ax = _observed(table["y"].astype(float), table["prediction"])
    return Figure(*_svg(ax), "Held-out predictions against the truth; see the table.", caption)


def comparison(table: pd.DataFrame) -> Figure:
    """The models beside each other."""
    ax = plots.plot_comparison(table, metric="difference")
    ax.set_xlabel("Held-out loss minus that of the masked network")
    return Figure(
        *_svg(ax),
        "Difference in held-out loss of every model; the table holds the numbers.",
        "Held-out loss of each model minus that of the masked network, with its 95 % interval; "
        "left of the dashed line is better.",
    )


def _rows(names: pd.Index) -> Axes:
    """Axes for a row a name: wider than the plots' own, since long names leave little of those."""
    height = tables.rows_height(display_names(names), frame=0.9)
    return plots.panels(1, 1, width=WIDTH, height=height)[1]


def _bands(study: Study) -> list[str]:
    """Columns that cannot be drawn because nothing was permuted."""
    return ["null_mean", "null_low", "null_high"] if study.null.empty else []


def _confusion(predictions: pd.DataFrame, classes: list) -> pd.DataFrame:
    """How many samples of every class (rows) are predicted to be of which (columns)."""
    names = list(map(str, classes))
    likeliest = predictions[[f"prediction_{name}" for name in names]].to_numpy().argmax(axis=1)
    true = pd.Categorical(predictions["y"].map(str), names)
    return pd.crosstab(true, pd.Categorical.from_codes(likeliest, names), dropna=False)


@styled
def _errors(table: pd.DataFrame) -> Axes:
    """Boxes of the reconstruction's error, one a group."""
    ax = plots.plot_activity(table["squared_error"], table["y"], ax=canvas(None, 2.8, 2.4))
    ax.set_ylabel("Squared error")
    return ax


@styled
def _observed(y: pd.Series, predicted: pd.Series) -> Axes:
    ax = canvas(None, 2.8, 2.8)
    limits = [min(y.min(), predicted.min()), max(y.max(), predicted.max())]
    ax.plot(limits, limits, color=GREY, linewidth=0.8, linestyle=(0, (4, 2)))
    ax.scatter(y, predicted, s=8, color=BLUE, alpha=0.5, linewidths=0)
    if np.ptp(predicted):
        ax.set_title(f"Pearson {np.corrcoef(y, predicted)[0, 1]:.2f}".replace("-", "−"))
    ax.set_xlabel("Observed")
    ax.set_ylabel("Predicted")
    return ax


def _svg(ax: Axes) -> tuple[bytes, float]:
    """The figure of `ax`, without date or version, and its width; it is closed."""
    buffer = io.BytesIO()
    with style():
        ax.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(ax.figure)
    return buffer.getvalue(), float(ax.figure.get_figwidth())
