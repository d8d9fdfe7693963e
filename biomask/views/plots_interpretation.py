"""Plots of one trained network: edges, attributions, activities."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from biomask.errors import ArgumentError
from biomask.views import tables
from biomask.views.figures import BLACK, COLUMN, DIVERGING, PALETTE, canvas, styled
from biomask.views.labels import display_names, literal, shorten, wrap


@styled
def plot_edge_weights(
    edges: pd.DataFrame,
    *,
    pathway: str | None = None,
    value: str = "weight",
    n: int = 20,
    ax: Axes | None = None,
) -> Axes:
    """Signed bars: the genes of one pathway, those with the largest absolute value.

    Parameters
    ----------
    edges : DataFrame
        Columns ``gene``, ``pathway`` and `value`, as `biomask.edge_weights` gives them, or the
        ``edges`` of a study.
    pathway : str, optional
        Which one; may be left out when the table holds only one.
    value : str
        The column to draw.
    n : int
        How many genes at most.
    ax : Axes, optional

    Raises
    ------
    ArgumentError
        A column or the pathway is missing, or there are several pathways and none is chosen.
    """
    tables.at_least_one(n, "plot_edge_weights")
    table = tables.checked(edges, "plot_edge_weights", numbers=(value,), names=("gene", "pathway"))
    held = table["pathway"].unique()
    if pathway is None and len(held) > 1:
        raise ArgumentError(
            f"plot_edge_weights draws one pathway, the table holds {len(held):,}",
            code="E-PLOT-NAMES",
            hint="Choose one with pathway=.",
        )
    pathway = held[0] if pathway is None else pathway
    table = table[table["pathway"] == pathway]
    if table.empty:
        raise ArgumentError(
            "plot_edge_weights: the table has no such pathway", code="E-PLOT-NAMES", genes=[pathway]
        )
    top = _largest(table, value, n)
    ax = canvas(ax, COLUMN, tables.rows_height(list(top["gene"]), frame=0.9))
    shown = f" ({len(top)} of {len(table):,} genes)" if len(top) < len(table) else ""
    tables.signed_bars(ax, top["gene"], top[value].to_numpy(), tables.sentence(value) + shown)
    ax.set_title(literal(wrap(pathway)), loc="left")
    return ax


@styled
def plot_attributions(
    attributions: pd.Series | pd.DataFrame,
    *,
    value: str = "attribution",
    n: int = 20,
    ax: Axes | None = None,
) -> Axes:
    """Signed bars: the genes or pathways with the largest absolute attribution.

    Parameters
    ----------
    attributions : Series, or DataFrame with the column `value`
        Indexed by gene or pathway, whose kind is the name of the index; or a DataFrame with a
        column ``gene`` or ``pathway``.
    value : str
    n : int
        How many bars at most.
    ax : Axes, optional

    Raises
    ------
    ArgumentError
        A column is missing or not finite.
    """
    tables.at_least_one(n, "plot_attributions")
    table = attributions.to_frame(value) if isinstance(attributions, pd.Series) else attributions
    kind = _kind(tables.checked(table, "plot_attributions"))
    hint = "Of a table samples x genes, pass its mean over samples: table.mean()."
    table = tables.checked(table, "plot_attributions", (value,), (kind,), hint)
    top = _largest(table, value, n)
    names = display_names(top[kind])
    ax = canvas(ax, COLUMN, tables.rows_height(names))
    tables.signed_bars(ax, top[kind], top[value].to_numpy(), tables.sentence(value))
    tables.show_count(ax, len(top), len(table), f"{kind}s")
    return ax


@styled
def plot_activity(
    activity: pd.DataFrame | pd.Series,
    groups: pd.DataFrame | pd.Series,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Pathway activity by group of samples.

    One pathway: a box a group (quartiles, whiskers to 1.5 interquartile ranges), coloured by the
    second column of `groups`. Several: a heat map of the means, blue below 0 and red above.

    Parameters
    ----------
    activity : DataFrame, shape (n_samples, n_pathways), or Series
        As `biomask.pathway_activity` gives it.
    groups : Series or DataFrame, indexed like `activity`
        One or two columns, such as cell type and condition.
    ax : Axes, optional

    Raises
    ------
    ArgumentError
        The samples of the two differ, or `groups` has missing values or more than two columns.
    """
    activity = activity.to_frame() if isinstance(activity, pd.Series) else activity
    activity = tables.checked(activity, "plot_activity")
    tables.finite(activity, "plot_activity", "activity")
    groups = groups.to_frame(groups.name or "group") if isinstance(groups, pd.Series) else groups
    groups = tables.checked(groups, "plot_activity")
    _check_groups(activity, groups)
    draw = _draw_boxes if activity.shape[1] == 1 else _draw_means
    return draw(activity, groups, ax)


def _check_groups(activity: pd.DataFrame, groups: pd.DataFrame) -> None:
    if not groups.index.equals(activity.index):
        raise ArgumentError(
            "plot_activity: groups must have the samples of activity, in the same order",
            code="E-PLOT-NAMES",
            hint="Use groups.loc[activity.index].",
        )
    if groups.shape[1] > 2 or groups.isna().to_numpy().any():
        raise ArgumentError(
            f"plot_activity needs one or two columns of groups without missing values, received "
            f"{groups.shape[1]} columns with {int(groups.isna().to_numpy().sum())} missing",
            code="E-PLOT-VALUES",
        )


def _levels(group: pd.Series) -> list[str]:
    """The groups that occur, in the order of the categories, else sorted."""
    return [
        str(level)
        for level in group.astype("category").cat.remove_unused_categories().cat.categories
    ]


def _draw_boxes(activity: pd.DataFrame, groups: pd.DataFrame, ax: Axes | None) -> Axes:
    values = activity.iloc[:, 0].to_numpy(np.float64)
    levels = _levels(groups.iloc[:, 0])
    hues = _levels(groups.iloc[:, 1]) if groups.shape[1] == 2 else [""]
    where = groups.iloc[:, 0].astype(str).to_numpy()
    which = groups.iloc[:, 1].astype(str).to_numpy() if groups.shape[1] == 2 else ""
    names = display_names(levels, width=20)
    ax = canvas(ax, max(COLUMN, 0.9 + 0.15 * len(levels) * max(2, len(hues))), 2.8)
    for j, hue in enumerate(hues):
        boxes = [values[(where == level) & (which == hue)] for level in levels]
        at = np.arange(len(levels)) + 0.75 * ((j + 0.5) / len(hues) - 0.5)
        _boxes(ax, boxes, at, 0.66 / len(hues), PALETTE[j % len(PALETTE)], hue)
    upright = max(map(len, names)) * len(names) < 40
    ax.set_xticks(range(len(levels)), names, rotation=0 if upright else 90)
    ax.set_ylabel(literal(wrap(activity.columns[0], 30)) + "\nactivity")
    if len(hues) > 1:
        ax.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=4, columnspacing=1, handletextpad=0.4
        )
    return ax


def _boxes(
    ax: Axes, boxes: list[np.ndarray], at: np.ndarray, width: float, color: str, label: str
) -> None:
    thin = {"linewidth": 0.6}
    ax.boxplot(
        boxes,
        positions=at,
        widths=width,
        patch_artist=True,
        manage_ticks=False,
        label=literal(shorten(label, 20)),
        boxprops={"facecolor": color, **thin},
        medianprops={"color": "white", "linewidth": 1.2},
        whiskerprops=thin,
        capprops=thin,
        flierprops={"marker": "o", "markersize": 1, "markerfacecolor": BLACK},
    )


def _draw_means(activity: pd.DataFrame, groups: pd.DataFrame, ax: Axes | None) -> Axes:
    keys = [pd.Categorical(groups[c].astype(str), _levels(groups[c])) for c in groups.columns]
    means = activity.groupby(keys, observed=True).mean().T
    columns = [" · ".join(key) if isinstance(key, tuple) else key for key in means.columns]
    rows = display_names(means.index)
    height = tables.rows_height(rows, frame=1.5)
    ax = canvas(ax, max(COLUMN, 2.9 + 0.17 * len(columns)), height)
    limit = float(np.abs(means.to_numpy()).max()) or 1.0
    tables.heat_map(
        ax,
        means.to_numpy(),
        rows,
        display_names(columns),
        cmap=DIVERGING,
        vmin=-limit,
        vmax=limit,
        cbar_kws={"label": "Mean activity", "shrink": 0.8, "pad": 0.02},
    )
    return ax


def _kind(table: pd.DataFrame) -> str:
    """What the rows are."""
    known = [kind for kind in ("gene", "pathway") if kind in table.columns]
    return known[0] if known else table.index.name or "gene"


def _largest(table: pd.DataFrame, value: str, n: int) -> pd.DataFrame:
    """The `n` rows with the largest absolute value, the most positive first."""
    order = np.argsort(-table[value].abs().to_numpy(), kind="stable")[:n]
    return table.iloc[order].sort_values(value, ascending=False, kind="stable")
