"""Plots of the method itself: power, and the comparison with other models."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from biomask.errors import ArgumentError
from biomask.views import tables
from biomask.views.figures import BLUE, COLUMN, GREY, PALETTE, canvas, styled
from biomask.views.labels import display_names, literal, shorten

_DASHED = (0, (4, 2))


@styled
def plot_power(
    table: pd.DataFrame, *, x: str = "effect", alpha: float = 0.05, ax: Axes | None = None
) -> Axes:
    """Share of data sets in which a planted pathway is found, against `x`.

    Parameters
    ----------
    table : DataFrame
        Columns `x` and ``power`` (0 to 1). Drawn when there: ``low`` and ``high`` (an interval),
        ``method`` (one curve each).
    x : str
        Such as ``effect`` or ``n_samples``.
    alpha : float
        The level of the test: a dashed line, where power lies when there is no effect.
    ax : Axes, optional

    Raises
    ------
    ArgumentError
        A column is missing, not finite, or power lies outside 0 to 1.
    """
    plot = "plot_power"
    table = tables.checked(table, plot, numbers=(x, "power"))
    interval = tables.both_or_none(table, plot, "low", "high")
    if table["power"].min() < 0 or table["power"].max() > 1:
        raise ArgumentError(
            f"{plot}: power lies between 0 and 1", code="E-PLOT-VALUES", column="power"
        )
    methods = table["method"] if "method" in table else pd.Series("", index=table.index)
    ax = canvas(ax, COLUMN, 2.4)
    ax.axhline(alpha, color=GREY, linewidth=0.8, linestyle=_DASHED)
    for i, (method, curve) in enumerate(table.groupby(methods, sort=False)):
        curve, color = curve.sort_values(x), PALETTE[i % len(PALETTE)]
        label = literal(shorten(method, 30)) or None
        ax.plot(curve[x], curve["power"], color=color, marker="o", label=label, clip_on=False)
        if interval:
            ax.fill_between(
                curve[x], curve["low"], curve["high"], color=color, alpha=0.15, linewidth=0
            )
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set_xlabel(tables.sentence(x))
    ax.set_ylabel("Power")
    if "method" in table:
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, columnspacing=1)
    return ax


@styled
def plot_comparison(table: pd.DataFrame, *, metric: str = "score", ax: Axes | None = None) -> Axes:
    """Held-out score of each model, a dot with its interval, in the order of the table.

    The first model is the reference: it is blue, and a dashed line marks its score.

    Parameters
    ----------
    table : DataFrame, index model
        Columns `metric`, ``low`` and ``high``.
    metric : str
        The column with the score; its name is the label of the axis.
    ax : Axes, optional

    Raises
    ------
    ArgumentError
        A column is missing or not finite, or an interval is upside down.
    """
    plot = "plot_comparison"
    table = tables.checked(table, plot, numbers=(metric, "low", "high"), names=("model",))
    tables.both_or_none(table, plot, "low", "high")
    names = display_names(table["model"])
    ax = canvas(ax, COLUMN, tables.rows_height(names, frame=0.7))
    y = tables.label_rows(ax, names)
    colors = [BLUE] + [GREY] * (len(table) - 1)
    ax.axvline(table[metric].iloc[0], color=BLUE, linewidth=0.8, linestyle=_DASHED, zorder=1)
    ax.hlines(y, table["low"], table["high"], colors=colors, linewidth=1.4)
    ax.scatter(table[metric], y, s=22, c=np.array(colors), linewidths=0, zorder=3)
    ax.set_xlabel(tables.sentence(metric))
    ax.margins(x=0.08)
    return ax
