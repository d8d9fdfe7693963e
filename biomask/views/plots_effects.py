"""Plots of a study: effects against their null, p-values, stability of the ranking."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import scipy  # scipy.stats is loaded by its first use: it takes half a second
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from biomask.errors import ArgumentError
from biomask.views import tables
from biomask.views.figures import (
    BLACK,
    BLUE,
    COLUMN,
    GREY,
    PALE,
    PALETTE,
    VERMILION,
    canvas,
    styled,
)
from biomask.views.labels import display_names, literal, shorten


@styled
def plot_effects(pathways: pd.DataFrame, *, n: int = 20, ax: Axes | None = None) -> Axes:
    """Effect of each pathway on held-out samples, with its null band and p-value.

    Parameters
    ----------
    pathways : DataFrame, index pathway
        Columns ``effect`` and ``p``. Drawn when there: ``null_low`` and ``null_high`` (a grey
        band: where permuted labels put the effect), ``effect_low`` and ``effect_high`` (an
        interval), ``selected`` (bool: filled dots).
    n : int
        How many pathways at most, those with the largest effect.
    ax : Axes, optional

    Raises
    ------
    ArgumentError
        A column is missing or not finite, or an interval has one end.
    """
    plot = "plot_effects"
    tables.at_least_one(n, plot)
    table = tables.checked(pathways, plot, numbers=("effect", "p"), names=("pathway",))
    band = tables.both_or_none(table, plot, "null_low", "null_high")
    interval = tables.both_or_none(table, plot, "effect_low", "effect_high")
    top = table.sort_values("effect", ascending=False, kind="stable").head(n)
    names = display_names(top["pathway"])
    ax = canvas(ax, COLUMN, tables.rows_height(names, frame=0.9))
    y = tables.label_rows(ax, names)
    if band:
        width = top["null_high"] - top["null_low"]
        ax.barh(y, width, left=top["null_low"], height=0.7, color=PALE)
    if interval:
        ax.hlines(y, top["effect_low"], top["effect_high"], color=BLUE, linewidth=1)
    selected = top["selected"].to_numpy(bool) if "selected" in top else np.ones(len(top), bool)
    faces = np.where(selected, BLUE, "white")
    ax.scatter(top["effect"], y, s=18, c=faces, edgecolors=BLUE, linewidths=1, zorder=3)
    ax.axvline(0, color=BLACK, linewidth=0.6, zorder=1)
    for row, p in zip(y, top["p"], strict=True):
        place = ax.get_yaxis_transform()
        ax.text(1.02, row, tables.p_text(p), transform=place, va="center", fontsize=7)
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(mpl.ticker.MaxNLocator(4))
    ax.set_xlabel("Held-out effect")
    _effects_legend(ax, band, "selected" in top)
    tables.show_count(ax, len(top), len(table), "pathways")
    return ax


def _effects_legend(ax: Axes, band: bool, selected: bool) -> None:
    dot = {"color": "none", "marker": "o", "markersize": 4.5, "markeredgecolor": BLUE}
    handles = [Patch(color=PALE, label="permuted labels")] if band else []
    if selected:
        handles += [
            Line2D([], [], markerfacecolor=BLUE, label="selected", **dot),
            Line2D([], [], markerfacecolor="white", label="not selected", **dot),
        ]
    if handles:
        ax.legend(
            handles=handles,
            loc="lower right",
            bbox_to_anchor=(1.25, 0.99),
            ncols=3,
            columnspacing=0.8,
            handletextpad=0.4,
        )


@styled
def plot_null(
    null: object, observed: float, *, p: float | None = None, ax: Axes | None = None
) -> Axes:
    """Effects of one pathway under permuted labels, and the observed one.

    Parameters
    ----------
    null : array-like, shape (permutations,)
    observed : float
    p : float, optional
        Printed; without it (1 + #{null >= observed}) / (permutations + 1), Phipson & Smyth 2010.
    ax : Axes, optional

    Raises
    ------
    ArgumentError
        A value is missing or not finite.
    """
    null = tables.finite(np.ravel(null), "plot_null", "null")
    observed = float(tables.finite([observed], "plot_null", "observed")[0])
    if p is None:
        p = (1 + int((null >= observed).sum())) / (len(null) + 1)
    ax = canvas(ax, COLUMN, 2.1)
    bins = min(40, max(8, int(np.sqrt(len(null)))))
    ax.hist(null, bins, color=PALE, edgecolor="white", label=f"permuted labels ({len(null):,})")
    ax.axvline(observed, color=VERMILION, linewidth=1.6, label="observed")
    ax.set_title(tables.p_text(p), loc="right")
    ax.set_xlabel("Effect")
    ax.set_ylabel("Permutations")
    ax.margins(x=0.04)
    ax.xaxis.set_major_locator(mpl.ticker.MaxNLocator(5))
    ax.yaxis.set_major_locator(mpl.ticker.MaxNLocator(5, integer=True))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, columnspacing=1)
    return ax


@styled
def plot_stability(pathways: pd.DataFrame, *, n: int = 20, ax: Axes | None = None) -> Axes:
    """Where seeds and folds rank a pathway: the median, and the range that holds 90 % of them.

    Parameters
    ----------
    pathways : DataFrame, index pathway
        Columns ``rank_low``, ``rank_median``, ``rank_high``; rank 1 is the largest effect.
    n : int
        How many pathways at most, those with the lowest median rank.
    ax : Axes, optional

    Raises
    ------
    ArgumentError
        A column is missing or not finite, or the three are not in ascending order.
    """
    plot = "plot_stability"
    tables.at_least_one(n, plot)
    columns = ("rank_low", "rank_median", "rank_high")
    table = tables.checked(pathways, plot, numbers=columns, names=("pathway",))
    low, median, high = (table[column] for column in columns)
    if ((low > median) | (median > high) | (low < 1)).any():
        raise ArgumentError(
            f"{plot} needs 1 <= rank_low <= rank_median <= rank_high",
            code="E-PLOT-VALUES",
            column="rank_median",
        )
    top = table.sort_values(["rank_median", "rank_high"], kind="stable").head(n)
    names = display_names(top["pathway"])
    ax = canvas(ax, COLUMN, tables.rows_height(names))
    y = tables.label_rows(ax, names)
    ax.hlines(y, top["rank_low"], top["rank_high"], color=BLUE, linewidth=3, alpha=0.35)
    ax.scatter(top["rank_median"], y, s=16, color=BLUE, linewidths=0, zorder=3)
    tables.rank_axis(ax, len(table))
    tables.show_count(ax, len(top), len(table), "pathways")
    return ax


@styled
def plot_pvalue_qq(p: pd.DataFrame | pd.Series | np.ndarray, *, ax: Axes | None = None) -> Axes:
    """Observed against expected p-values (-log10), with the band that holds 95 % under the null.

    The i-th smallest of m uniform values follows Beta(i, m - i + 1); its mean is i / (m + 1).

    Parameters
    ----------
    p : array-like, shape (m,), or DataFrame, shape (m, n_tests)
        Above 0, at most 1. Each column of a DataFrame is one cloud.
    ax : Axes, optional

    Raises
    ------
    ArgumentError
        A value is not finite or outside (0, 1].
    """
    table = p if isinstance(p, pd.DataFrame) else pd.DataFrame({"": np.ravel(p)})
    values = tables.finite(table, "plot_pvalue_qq", "p")
    if values.min() <= 0 or values.max() > 1:
        raise ArgumentError(
            "plot_pvalue_qq needs p-values above 0 and at most 1",
            code="E-PLOT-VALUES",
            hint="A permutation p-value is (1 + hits) / (permutations + 1), never 0.",
        )
    m = len(values)
    i = np.arange(1, m + 1)
    expected = -np.log10(i / (m + 1))
    band = -np.log10(scipy.stats.beta.ppf([[0.025], [0.975]], i, m - i + 1))
    ax = canvas(ax, 2.8, 3.0 + 0.14 * table.shape[1])
    ax.fill_between(
        expected, band[1], band[0], color=PALE, linewidth=0, label="95 % under the null"
    )
    ax.plot([0, expected[0]], [0, expected[0]], color=GREY, linewidth=0.8)
    for color, name, column in zip(PALETTE, table.columns, values.T, strict=False):
        label = literal(shorten(name, 24)) if name != "" else None
        observed = -np.log10(np.sort(column))
        ax.scatter(expected, observed, s=7, color=color, linewidths=0, label=label, clip_on=False)
    ax.set_xlim(0, None)
    ax.set_ylim(0, None)
    ax.set_xlabel("Expected −log10 p")
    ax.set_ylabel("Observed −log10 p")
    ax.set_box_aspect(1)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), handletextpad=0.4)
    return ax
