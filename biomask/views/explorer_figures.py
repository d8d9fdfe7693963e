"""The pictures of one pathway, each with the numbers behind it."""

from __future__ import annotations

import base64
import html
import io
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from biomask.views.explorer_details import Details
from biomask.views.explorer_source import Source
from biomask.views.figures import BLUE, VERMILION, canvas, style, styled
from biomask.views.labels import literal, wrap
from biomask.views.plots_effects import plot_null
from biomask.views.plots_interpretation import plot_activity, plot_edge_weights
from biomask.views.plots_masks import plot_coverage, plot_mask_overlap, plot_mask_sizes
from biomask.views.report_text import p_number

GENES = 12  # with a bar
WIDTH, HEIGHT = 3.0, 2.6  # inches
DPI = 160
_PIXELS = 106  # on the screen for an inch: text of 8 points has 12 pixels


class Picture(NamedTuple):
    """A figure, its title, what it shows in words, and its numbers."""

    key: str
    title: str
    figure: Figure
    alternative: str
    data: pd.DataFrame


def pictures(source: Source, found: Details, grouping: pd.DataFrame | None) -> list[Picture]:
    """Genes, activity and null of a pathway of a study; size and overlap in a mask."""
    if source.study is None:
        drawn = [_sizes(source, found), _coverage(source, found), _overlap(source, found)]
    else:
        drawn = [
            _genes(found),
            _activity(source, found, grouping),
            _null(source, found),
        ]
    return [picture for picture in drawn if picture is not None]


def picture_html(picture: Picture) -> str:
    """The figure as a PNG inside the page, with its title."""
    buffer = io.BytesIO()
    with style():  # savefig would draw it twice, once to lay it out
        FigureCanvasAgg(picture.figure).print_png(buffer)
    content = base64.b64encode(buffer.getvalue()).decode()
    width = picture.figure.get_figwidth() * _PIXELS
    return (
        f'<figure style="flex: 1 1 {width:.0f}px; max-width: {1.35 * width:.0f}px">'
        f"<figcaption>{html.escape(picture.title)}</figcaption>"
        f'<img src="data:image/png;base64,{content}" alt="{html.escape(picture.alternative)}">'
        "</figure>"
    )


# ------------------------------------------------------------------------ of a study


def _genes(found: Details) -> Picture | None:
    if not found.tested:
        return None
    tested = found.genes.dropna(subset=["effect"]).assign(pathway=found.name)
    ax = _axes()
    plot_edge_weights(tested, pathway=found.name, value="effect", n=GENES, ax=ax)
    ax.set_title("", loc="left")
    best = tested.iloc[0]
    words = f"{best['gene']} has the largest effect, {best['effect']:.3g}"
    return Picture("genes", "Genes: held-out effect of each connection", ax.figure, words, tested)


def _null(source: Source, found: Details) -> Picture | None:
    null = source.study.null
    if null.empty or found.name not in null:
        return None
    row = source.table.loc[found.name]
    ax = _axes()
    plot_null(null[found.name], row["effect"], p=row["p"], ax=ax)
    ax.set_title("", loc="right")  # p stands above the pictures
    words = (
        f"Observed effect {row['effect']:.3g}, largest of {len(null):,} under permuted labels "
        f"{null[found.name].max():.3g}, p = {p_number(row['p'])}"
    )
    data = null[[found.name]].assign(observed=row["effect"])
    return Picture("null", "Effect, real and permuted labels", ax.figure, words, data)


def _activity(source: Source, found: Details, grouping: pd.DataFrame | None) -> Picture | None:
    study = source.study
    if found.name not in study.activity:
        return None
    values = study.activity[found.name]
    if grouping is None:
        return _activity_by_value(study, values)
    values = values.loc[grouping.index]
    levels = grouping.iloc[:, 0].nunique() * (1 if grouping.shape[1] == 1 else 2)
    ax = _axes(max(WIDTH, 1.0 + 0.2 * levels))
    plot_activity(values, grouping, ax=ax)
    ax.set_ylabel("Activity")
    by = " and ".join(map(str, grouping.columns))
    return Picture(
        "activity",
        f"Activity on held-out samples, by {by}",
        ax.figure,
        f"Boxes of the activity by {by}",
        grouping.assign(activity=values).rename_axis("sample"),
    )


def _activity_by_value(study, values: pd.Series) -> Picture:
    """Activity against the number, or the time, that was to be predicted."""
    if study.settings["task"] == "survival":
        against = study.predictions["time"]
    else:
        against = study.predictions["y"].rename(study.settings.get("outcome") or "outcome")
    ax = _axes()
    _scatter(ax, against, values)
    words = f"Activity against {against.name}"
    data = pd.DataFrame({against.name: against, "activity": values}).rename_axis("sample")
    return Picture("activity", "Activity on held-out samples", ax.figure, words, data)


@styled
def _scatter(ax: Axes, x: pd.Series, y: pd.Series) -> None:
    canvas(ax, WIDTH, HEIGHT)
    ax.scatter(x, y, s=8, color=BLUE, alpha=0.5, linewidths=0)
    ax.set_xlabel(literal(x.name))
    ax.set_ylabel("Activity")


# ------------------------------------------------------------------------ of a mask


def _sizes(source: Source, found: Details) -> Picture:
    sizes, own = source.table["size"], source.table.loc[found.name, "size"]
    ax = _axes()
    plot_mask_sizes(sizes, ax=ax)
    _mark(ax, own)
    words = f"{own:,} genes; half of the pathways have {sizes.median():g} or fewer"
    title = f"Size: {own:,} genes (black) among all pathways"
    return Picture("size", title, ax.figure, words, sizes.to_frame())


@styled
def _mark(ax: Axes, size: int) -> None:
    ax.axvline(size, color="black", linewidth=1.6)


def _coverage(source: Source, found: Details) -> Picture | None:
    if source.coverage is None:
        return None
    ax = _axes()
    plot_coverage(source.coverage, ax=ax)
    row = source.coverage.loc[found.name]
    _ring(ax, row["size"], row["coverage"])
    title = f"Coverage: {row['present']:,} of {row['size']:,} genes are in the data"
    return Picture("coverage", title, ax.figure, title, source.coverage)


@styled
def _ring(ax: Axes, x: float, y: float) -> None:
    ax.scatter([x], [y], s=60, facecolors="none", edgecolors=VERMILION, linewidths=1.6, zorder=5)


def _overlap(source: Source, found: Details) -> Picture | None:
    if found.neighbours.empty:
        return None
    names = [found.name, *found.neighbours.index]
    members = source.members[:, source.table.index.get_indexer(names)]
    shared = (members.T @ members).toarray()
    sizes = np.diag(shared)
    table = pd.DataFrame(shared / (sizes[:, None] + sizes - shared), names, names)
    ax = _axes(4.6, 3.0)
    plot_mask_overlap(table, ax=ax)
    numbers = [str(i + 1) for i in range(len(names))]
    ax.set_xticks(ax.get_xticks(), numbers, rotation=0)
    shown = [f"{literal(wrap(name, 30))}  {n}" for name, n in zip(names, numbers, strict=True)]
    ax.set_yticks(ax.get_yticks(), shown)
    words = f"{found.neighbours.index[0]} shares most: {found.neighbours['jaccard'].iloc[0]:.2f}"
    return Picture("overlap", "Overlap with its neighbours", ax.figure, words, table)


def _axes(width: float = WIDTH, height: float = HEIGHT) -> Axes:
    """Axes outside pyplot: nothing is shown by the notebook, nothing has to be closed."""
    with style():
        return Figure(figsize=(width, height), dpi=DPI, layout="constrained").subplots()
