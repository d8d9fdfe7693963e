"""Plots that show why a ranking by weight is not to be trusted: seeds differ, size decides."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from biomask.errors import ArgumentError
from biomask.views import tables
from biomask.views.figures import BLUE, COLUMN, PALE, PALETTE, canvas, styled
from biomask.views.labels import display_names, literal, shorten


@styled
def plot_weight_rank_agreement(ranks: pd.DataFrame, *, n: int = 10, ax: Axes | None = None) -> Axes:
    """The rank of a pathway in several trainings: a dot each, joined by a line.

    Shown are the pathways among the first `n` of the first training. Above stands the mean
    pairwise Spearman coefficient over all pathways.

    Parameters
    ----------
    ranks : DataFrame, shape (n_pathways, n_trainings)
        Rank 1 is the most important pathway. A column is one training, such as a seed.
    n : int
    ax : Axes, optional

    Raises
    ------
    ArgumentError
        Fewer than two trainings or pathways, or a rank below 1.
    """
    tables.at_least_one(n, "plot_weight_rank_agreement")
    ranks = tables.checked(ranks, "plot_weight_rank_agreement")
    values = tables.finite(ranks, "plot_weight_rank_agreement", "rank")
    if values.shape[0] < 2 or values.shape[1] < 2 or values.min() < 1:
        raise ArgumentError(
            "plot_weight_rank_agreement needs ranks, 1 the most important, of at least two "
            f"pathways in two trainings, received shape {values.shape} from {values.min():g}",
            code="E-PLOT-VALUES",
            hint="importances.rank(ascending=False) makes ranks.",
        )
    top = ranks.iloc[np.argsort(values[:, 0], kind="stable")[:n]]
    names = display_names(top.index)
    ax = canvas(ax, COLUMN, tables.rows_height(names, frame=1.0))
    y = tables.label_rows(ax, names)
    ax.hlines(y, top.min(axis=1), top.max(axis=1), color=PALE, linewidth=2, zorder=1)
    for i, column in enumerate(top.columns):
        label = literal(shorten(column, 12))
        color = PALETTE[i % len(PALETTE)]
        ax.scatter(top[column], y, s=16, color=color, label=label, alpha=0.9, linewidths=0)
    tables.rank_axis(ax, len(ranks))
    ax.set_title(f"mean Spearman {tables.signed(_mean_spearman(ranks))}", loc="right", pad=16)
    ax.legend(
        loc="lower right",
        bbox_to_anchor=(1, 0.99),
        ncols=4,
        handletextpad=0,
        columnspacing=0.6,
    )
    return ax


def _mean_spearman(ranks: pd.DataFrame) -> float:
    pairs = ranks.corr(method="spearman").to_numpy()
    return float(pairs[np.triu_indices(len(pairs), 1)].mean())


@styled
def plot_weight_by_size(
    table: pd.DataFrame, *, value: str = "importance", ax: Axes | None = None
) -> Axes:
    """Importance of each pathway against its number of genes, with Spearman's coefficient.

    Parameters
    ----------
    table : DataFrame
        Columns ``size`` (genes, at least 1) and `value`, one row a pathway.
    value : str
        Such as ``importance``, ``effect`` or ``weight``.
    ax : Axes, optional

    Raises
    ------
    ArgumentError
        A column is missing or not finite, or a size below 1.
    """
    table = tables.checked(table, "plot_weight_by_size", numbers=("size", value))
    if table["size"].min() < 1:
        raise ArgumentError(
            "plot_weight_by_size needs sizes >= 1", code="E-PLOT-VALUES", column="size"
        )
    ax = canvas(ax, COLUMN, 2.6)
    ax.scatter(
        table["size"],
        table[value],
        s=9,
        color=BLUE,
        alpha=0.6,
        linewidths=0,
        rasterized=len(table) > 5000,
    )
    if table["size"].max() > 30:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:,.0f}"))
    ax.set_xlabel("Genes in the pathway")
    ax.set_ylabel(tables.sentence(value))
    tables.rank_correlation(ax, table["size"], table[value], loc="right")
    return ax
