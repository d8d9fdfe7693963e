"""What the plots ask of their tables, and the marks that several of them share."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy  # scipy.stats is loaded by its first use: it takes half a second
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from biomask.errors import ArgumentError, listed
from biomask.views.figures import BLACK, BLUE, GREY, SEQUENTIAL, VERMILION
from biomask.views.labels import display_names, literal


def checked(
    table: object,
    plot: str,
    numbers: tuple[str, ...] = (),
    names: tuple[str, ...] = (),
    hint: str = "",
) -> pd.DataFrame:
    """`table` as a DataFrame that has these columns, with finite numbers in `numbers`.

    A column of `names` may also be the index, which then becomes a column.

    Raises
    ------
    ArgumentError
        No table, no rows, a column is missing, or a number is missing, infinite or text.
    """
    if not isinstance(table, pd.DataFrame) or table.empty:
        found = "an empty table" if isinstance(table, pd.DataFrame) else type(table).__name__
        raise ArgumentError(f"{plot} draws a DataFrame, received {found}", code="E-PLOT-TABLE")
    for name in names:
        if name not in table.columns and table.index.name == name:
            table = table.reset_index()
    if names and names[0] not in table.columns and not isinstance(table.index, pd.RangeIndex):
        table = table.rename_axis(names[0]).reset_index()
    missing = [column for column in (*names, *numbers) if column not in table.columns]
    if missing:
        raise ArgumentError(
            f"{plot} needs the columns {', '.join(map(repr, missing))}; "
            f"the table has {listed(table.columns)}",
            code="E-PLOT-COLUMNS",
            column=missing[0],
            hint=hint,
        )
    for column in numbers:
        finite(table[column], plot, column)
    return table


def finite(values: object, plot: str, column: str) -> np.ndarray:
    """`values` as float64.

    Raises
    ------
    ArgumentError
        There is none, or one is missing, infinite or text.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.array([np.nan])
    wrong = int((~np.isfinite(array)).sum())
    if wrong or not array.size:
        raise ArgumentError(
            f"{plot} needs finite numbers, {wrong} of {array.size} are not",
            code="E-PLOT-VALUES",
            column=column,
            hint="Drop or fill those rows first.",
        )
    return array


def both_or_none(table: pd.DataFrame, plot: str, low: str, high: str) -> bool:
    """Whether the table has an interval.

    Raises
    ------
    ArgumentError
        It has one end of it, or a low end above the high one.
    """
    present = [column for column in (low, high) if column in table.columns]
    if not present:
        return False
    checked(table, plot, numbers=(low, high))
    if (table[low] > table[high]).any():
        raise ArgumentError(
            f"{plot}: {low!r} is above {high!r} in {int((table[low] > table[high]).sum())} rows",
            code="E-PLOT-VALUES",
            column=low,
        )
    return True


def at_least_one(n: object, plot: str) -> None:
    """Refuse a number of rows to show that is not 1, 2, ..."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise ArgumentError(
            f"{plot}: n must be a whole number >= 1, received {n!r}", code="E-PLOT-N"
        )


# ------------------------------------------------------------------------ shared marks


def rows_height(names: list[str], frame: float = 0.65) -> float:
    """Inches that a figure with one row a name needs, beside `frame` for the x axis."""
    lines = max(text.count("\n") + 1 for text in names)
    return frame + len(names) * (0.09 + 0.105 * lines)


def label_rows(ax: Axes, names: list[str]) -> np.ndarray:
    """Name the rows, the first on top, and return their y positions."""
    y = np.arange(len(names))
    ax.set_yticks(y, names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    return y


def show_count(ax: Axes, shown: int, total: int, what: str) -> None:
    """Say above the axes, and above a legend there, that only some rows are drawn."""
    if shown < total:
        pad = 4 if ax.get_legend() is None else 16
        text = f"{shown:,} of {total:,} {what}"
        ax.set_title(text, loc="right", fontsize=7, color=GREY, pad=pad)


def rank_correlation(ax: Axes, x: object, y: object, loc: str = "left") -> float:
    """Write Spearman's coefficient above the axes, and return it (NaN when a side is constant)."""
    constant = np.ptp(x) == 0 or np.ptp(y) == 0
    rho = np.nan if constant else float(scipy.stats.spearmanr(x, y).statistic)
    ax.set_title("Spearman not defined" if constant else f"Spearman {signed(rho)}", loc=loc)
    return rho


def sentence(column: str) -> str:
    """A column's name as an axis label."""
    text = column.replace("_", " ")
    return literal(text[:1].upper() + text[1:])


def signed(value: float) -> str:
    """Two decimals with a typographic minus."""
    return f"{value:.2f}".replace("-", "−")


def p_text(p: float) -> str:
    """A p-value as papers print it."""
    return f"p = {p:.3f}" if p >= 0.001 else f"p = {p:.0e}".replace("e-0", "e-").replace("-", "−")


def rank_axis(ax: Axes, total: int) -> None:
    """Ranks from 1 to `total`, logarithmic when there are many."""
    if total > 30:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        ax.set_xlim(0.8, total * 1.2)
    else:
        ax.set_xlim(0.5, total + 0.5)
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.set_xlabel(f"Rank (of {total:,})")


def signed_bars(ax: Axes, names: list[object], values: np.ndarray, label: str) -> None:
    """Horizontal bars, blue above zero and vermilion below, with a zero line."""
    y = label_rows(ax, display_names(names))
    ax.barh(y, values, height=0.72, color=np.where(values < 0, VERMILION, BLUE))
    ax.axvline(0, color=BLACK, linewidth=0.6)
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.set_xlabel(label)


def heat_map(
    ax: Axes, values: np.ndarray, rows: list[str], columns: list[str], *, rotation: int = 90, **look
) -> None:
    """Coloured cells, the first row on top, with every row and column named."""
    look = {"cmap": SEQUENTIAL, "vmin": 0, "vmax": 1} | look
    sns.heatmap(values, ax=ax, fmt="", xticklabels=False, yticklabels=False, **look)
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows)
    ax.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=rotation)
    ax.tick_params(length=0)
