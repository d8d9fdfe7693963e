"""Plots of a mask: how large its pathways are, what they share, what the data cover."""

from __future__ import annotations

from collections.abc import Iterable

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from biomask.errors import ArgumentError
from biomask.masks.checks import name_list
from biomask.masks.mask import Mask
from biomask.masks.overlap import jaccard
from biomask.views import tables
from biomask.views.figures import (
    BLUE,
    COLUMN,
    GREY,
    PALE,
    VERMILION,
    canvas,
    styled,
)
from biomask.views.labels import display_names

NAMED = 40  # genes and pathways that `plot_mask` still names
WRITTEN = 8  # pathways up to which the overlap is written into the cells


@styled
def plot_mask_sizes(mask: Mask | pd.Series, *, ax: Axes | None = None) -> Axes:
    """Histogram of the number of genes of each pathway, with the median.

    Parameters
    ----------
    mask : Mask, or the Series that ``mask.sizes()`` gives
    ax : Axes, optional
        Drawn into; without it, a new figure one journal column wide.

    Returns
    -------
    Axes
    """
    sizes = mask.sizes() if isinstance(mask, Mask) else mask
    sizes = tables.finite(sizes, "plot_mask_sizes", "size")
    ax = canvas(ax, COLUMN, 2.3)
    edges, logarithmic = _size_bins(sizes)
    if logarithmic:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:,.0f}"))
        ax.xaxis.set_minor_formatter(mpl.ticker.NullFormatter())
    ax.hist(sizes, edges, color=BLUE, edgecolor="white")
    median = np.median(sizes)
    ax.axvline(median, color=VERMILION, linewidth=1)
    ax.set_title(f"median {median:g} genes", color=VERMILION, loc="right")
    ax.set_xlabel("Genes in the pathway")
    ax.set_ylabel("Pathways")
    ax.yaxis.set_major_locator(mpl.ticker.MaxNLocator(5, integer=True))
    return ax


def _size_bins(sizes: np.ndarray) -> tuple[np.ndarray, bool]:
    """Edges between whole numbers of genes, and whether they double (every other one)."""
    low, high = max(sizes.min(), 1), max(sizes.max(), 2)
    if high <= 20 * low:
        step = max(1, int(np.ceil((high - low) / 20)))
        return np.arange(low, high + step + 1, step) - 0.5, False
    factor = 2 if low < 8 else np.sqrt(2)
    steps = np.arange(np.floor(np.log(low) / np.log(factor)), np.log(high) / np.log(factor) + 1)
    return np.ceil(factor**steps - 1e-9) - 0.5 if factor != 2 else factor**steps, True


@styled
def plot_mask_overlap(
    mask: Mask | pd.DataFrame, *, pathways: Iterable[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Heat map of the Jaccard index (shared genes over all genes) of pairs of pathways.

    Parameters
    ----------
    mask : Mask or DataFrame
        A square DataFrame holds the indices themselves, pathways x pathways.
    pathways : sequence of str, optional
        Which to show, in this order. Without it, all of a table; of a mask, the 15 of the pairs
        that share most, similar ones side by side.
    ax : Axes, optional

    Raises
    ------
    ArgumentError
        A table that is not square, or with values outside 0 to 1.
    MaskError
        A pathway is not in the mask.
    """
    table = _overlap_table(mask, pathways)
    n = len(table)
    names = display_names(table.index)
    ax = canvas(ax, 2.6 + 0.26 * n, 1.6 + 0.26 * n)
    texts = table.map(lambda value: f"{value:.2f}".lstrip("0") if value < 1 else "1")
    tables.heat_map(
        ax,
        table.to_numpy(),
        names,
        names,
        annot=texts.to_numpy() if n <= WRITTEN else None,
        cbar_kws={"label": "Jaccard index", "shrink": 0.7, "pad": 0.02},
    )
    return ax


def _overlap_table(mask: Mask | pd.DataFrame, pathways: Iterable[str] | None) -> pd.DataFrame:
    if isinstance(mask, Mask):
        chosen = mask if pathways is None else mask.select(pathways=pathways)
        table = pd.DataFrame(jaccard(chosen.to_scipy()), chosen.pathways, chosen.pathways)
        return table if pathways is not None else _most_shared(table, mask.sizes().to_numpy(), 15)
    table = tables.checked(mask, "plot_mask_overlap")
    if table.shape[0] != table.shape[1] or list(table.index) != list(table.columns):
        raise ArgumentError(
            f"plot_mask_overlap needs a square table with the same names on both sides, "
            f"received shape {table.shape}",
            code="E-PLOT-TABLE",
        )
    if pathways is not None:
        pathways = name_list([pathways] if isinstance(pathways, str) else pathways, "pathways")
        unknown = [name for name in pathways if name not in table.index]
        if unknown:
            raise ArgumentError(
                "pathways missing from the table", code="E-PLOT-NAMES", genes=unknown
            )
        table = table.loc[pathways, pathways]
    values = tables.finite(table, "plot_mask_overlap", "Jaccard index")
    if values.min() < 0 or values.max() > 1 + 1e-6:
        raise ArgumentError("a Jaccard index lies between 0 and 1", code="E-PLOT-VALUES")
    return table


def _most_shared(table: pd.DataFrame, sizes: np.ndarray, n: int) -> pd.DataFrame:
    """The pairs that share most, the larger ones first, until there are `n` pathways."""
    values = table.to_numpy()
    first, second = np.nonzero(np.triu(values, 1))
    order = np.lexsort((-np.minimum(sizes[first], sizes[second]), -values[first, second]))
    paired = np.column_stack([first, second])[order].ravel()
    chosen = list(dict.fromkeys([*paired.tolist(), *range(len(values))]))[:n]
    table = table.iloc[chosen, chosen]
    if len(table) < 3:
        return table
    from scipy.cluster import hierarchy  # a tenth of a second that only this picture needs
    from scipy.spatial import distance

    apart = distance.squareform(1 - table.to_numpy(np.float64), checks=False)
    order = hierarchy.leaves_list(hierarchy.linkage(apart, "average", optimal_ordering=True))
    return table.iloc[order, order]


@styled
def plot_mask(mask: Mask, *, ax: Axes | None = None) -> Axes:
    """The mask itself: a cell or dot where a gene feeds a pathway.

    Up to 40 genes and pathways are named, one cell each, blue, or vermilion where the edge weight
    is negative. A larger mask is a cloud of dots, in the order of its rows and columns.

    Parameters
    ----------
    mask : Mask
    ax : Axes, optional
    """
    if not isinstance(mask, Mask):
        raise ArgumentError(
            f"plot_mask draws a Mask, received {type(mask).__name__}",
            code="E-PLOT-TABLE",
            hint="Mask.from_dense makes one of a 0/1 matrix.",
        )
    n_genes, n_pathways = mask.shape
    if max(mask.shape) <= NAMED:
        ax = canvas(ax, 1.6 + 0.2 * n_pathways, 1.7 + 0.15 * n_genes)
        _draw_cells(ax, mask)
    else:
        ax = canvas(ax, COLUMN, 3.5)
        rows, cols = mask.edge_index
        size = np.clip(1.2e4 / mask.n_edges, 0.2, 4)
        ax.scatter(cols, rows, s=size, color=BLUE, linewidths=0, rasterized=True)
        ax.set_xlim(-0.5, n_pathways - 0.5)
        ax.set_ylim(n_genes - 0.5, -0.5)
        ax.set_xlabel(f"Pathways ({n_pathways:,})")
        ax.set_ylabel(f"Genes ({n_genes:,})")
        ax.xaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:,.0f}"))
        ax.yaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:,.0f}"))
        ax.spines[:].set_visible(True)
    ax.set_title(f"{mask.n_edges:,} edges, density {100 * mask.density:.3g} %", loc="right")
    return ax


def _draw_cells(ax: Axes, mask: Mask) -> None:
    tables.heat_map(
        ax,
        np.sign(mask.to_dense().to_numpy(np.float32)),
        display_names(mask.genes),
        display_names(mask.pathways),
        cmap=ListedColormap([VERMILION, "white", BLUE]),
        vmin=-1,
        vmax=1,
        linewidths=0.4,
        linecolor=PALE,
        cbar=False,
    )
    ax.set_xlabel("Pathway")
    ax.set_ylabel("Gene")


@styled
def plot_coverage(coverage: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """How much of each pathway the data hold: its size in the mask against the share found.

    Parameters
    ----------
    coverage : DataFrame
        ``report.coverage`` of `biomask.align`: columns ``size`` (genes in the mask), ``present``
        (of these, in the data) and ``kept`` (whether the pathway was kept).
    ax : Axes, optional

    Raises
    ------
    ArgumentError
        A column is missing, or more genes are present than the pathway has.
    """
    table = tables.checked(coverage, "plot_coverage", numbers=("size", "present", "kept"))
    size, present = table["size"].to_numpy(), table["present"].to_numpy()
    if (present > size).any() or (size < 1).any():
        raise ArgumentError(
            "plot_coverage: present must not exceed size, nor size be 0",
            code="E-PLOT-VALUES",
            column="present",
        )
    ax = canvas(ax, COLUMN, 2.6)
    kept = table["kept"].to_numpy(bool)
    for shown, color, word in ((~kept, VERMILION, "left out"), (kept, BLUE, "kept")):
        ax.scatter(
            size[shown],
            present[shown] / size[shown],
            s=7,
            color=color,
            alpha=0.6,
            linewidths=0,
            label=f"{word} ({int(shown.sum()):,})",
            rasterized=len(table) > 5000,
        )
    overall = present.sum() / size.sum()
    ax.axhline(
        overall, color=GREY, linewidth=0.8, linestyle=(0, (4, 2)), label=f"overall {overall:.0%}"
    )
    if size.max() > 30:
        ax.set_xscale("log")
        if size.max() < 30 * size.min():  # a power of ten or two would be few ticks
            ax.xaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:,.0f}"))
        ax.xaxis.set_minor_formatter(mpl.ticker.NullFormatter())
    ax.set_ylim(-0.03, 1.03)
    ax.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1))
    ax.set_xlabel("Genes in the pathway")
    ax.set_ylabel("Of these, in the data")
    ax.legend(
        ncols=3, loc="lower left", bbox_to_anchor=(0, 1), handletextpad=0.2, columnspacing=0.8
    )
    return ax
