"""Plots of paths gene -> pathway -> parent -> outcome: one for paper, one to hover over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from biomask.errors import ArgumentError
from biomask.inference.study import Study
from biomask.views.figures import BLACK, GREY, PAGE, PALE, SEQUENTIAL, SMALL, canvas, styled
from biomask.views.labels import display_names, shorten
from biomask.views.paths import END, GENE, Node, path_links, pathway_effects, steps_to

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

WIDEST, THINNEST = 9.0, 0.4  # points: the largest effect, and what can still be seen
CHARACTER = 0.062  # inches of an average one at 7 points, with some room
WORD = 13  # characters that most words have at most
GAP = 0.3  # share of a column that is left to the links


@styled
def plot_paths(study: Study, *, n_paths: int = 20, ax: Axes | None = None) -> Axes:
    """The strongest paths from genes through pathways and their parents to the outcome.

    The width of a link is its held-out effect, and so is the shade of a pathway: never a weight.
    See `biomask.plots.path_links`, the table behind the figure, for what a path and a link are.

    Parameters
    ----------
    study : Study
        Of a mask or a hierarchy.
    n_paths : int
        How many paths at most.
    ax : Axes, optional

    Raises
    ------
    ArgumentError
        `study` is none, or no path leads from a gene to the outcome.
    """
    links = path_links(study, n_paths=n_paths)
    place = _places(links, steps_to(links))
    nodes = list(place)
    ends = [0, place[END][0]]
    last = max(y for _, y in place.values())
    ax = canvas(ax, PAGE, 0.7 + 0.36 * (last + 1))
    ax.set_xlim(ends[0] - 0.5, ends[1] + 0.5)
    ax.set_ylim(last + 0.6, -0.6)
    _draw_links(ax, links, place)
    image = _draw_nodes(ax, nodes, place, pathway_effects(study, nodes))
    ax.set_yticks([])
    ax.set_xticks(range(ends[1] + 1), ["Genes", *_headings(ends[1] - 1), "Outcome"])
    ax.tick_params(axis="x", length=0)
    ax.spines[:].set_visible(False)
    widest = links["effect"].max()
    ax.set_title(f"Widest link: effect {widest:.2g}", loc="left", fontsize=SMALL, color=GREY)
    ax.figure.colorbar(image, ax=ax, label="Effect of the pathway", shrink=0.6, pad=0.01)
    return ax


def sankey_paths(study: Study, *, n_paths: int = 20) -> Figure:
    """`plot_paths` as an interactive plotly figure: full names and effects where the mouse is.

    Parameters
    ----------
    study : Study
        Of a mask or a hierarchy.
    n_paths : int
        How many paths at most.

    Returns
    -------
    plotly.graph_objects.Figure
        One Sankey diagram; the values of its links are effects.

    Raises
    ------
    ArgumentError
        The package plotly is missing (E-PLOTLY), `study` is none, or no path leads from a gene
        to the outcome.
    """
    try:
        from plotly import graph_objects  # optional: only this figure needs it
    except ImportError as error:
        raise ArgumentError(
            "the package plotly, which draws interactive figures, is not installed",
            code="E-PLOTLY",
            hint="Run: pip install plotly. plot_paths draws the same paths without it.",
        ) from error
    links = path_links(study, n_paths=n_paths)
    nodes = list(steps_to(links))
    position = {node: i for i, node in enumerate(nodes)}
    effects = pathway_effects(study, nodes)
    shade = _shades(effects)
    plain = dict.fromkeys("<>&", "")  # plotly reads names as HTML
    names = [shorten(n.name).translate(str.maketrans(plain)) for n in nodes]
    return graph_objects.Figure(
        graph_objects.Sankey(
            node={
                "label": names,
                "color": [mpl.colors.to_hex(_color(shade, value)) for value in effects],
                "customdata": ["" if np.isnan(v) else f"effect {v:.3g}" for v in effects],
                "hovertemplate": "%{label}<br>%{customdata}<extra></extra>",
            },
            link={
                "source": [position[Node(*ends)] for ends in _ends(links, "source")],
                "target": [position[Node(*ends)] for ends in _ends(links, "target")],
                "value": links["effect"].tolist(),
                "color": PALE,
                "hovertemplate": "%{source.label} → %{target.label}<br>"
                "effect %{value:.3g}<extra></extra>",
            },
        ),
        {"font": {"size": 11}, "height": 120 + 26 * len(nodes) // 2},
    )


def _ends(links: pd.DataFrame, end: str) -> list[tuple[str, str]]:
    return list(zip(links[f"{end}_kind"], links[end], strict=True))


def _headings(n: int) -> list[str]:
    """What the columns of pathways hold: those that genes enter first, then theirs."""
    return ["Pathways", "Parents", *(f"Parents {i}" for i in range(2, n))][:n]


def _places(links: pd.DataFrame, column: dict[Node, int]) -> dict[Node, tuple[float, float]]:
    """x and y of every node: from the outcome back, each beside what it leads to."""
    leads_to: dict[Node, list[Node]] = {}
    for source, target in zip(_ends(links, "source"), _ends(links, "target"), strict=True):
        leads_to.setdefault(Node(*source), []).append(Node(*target))
    rows = max(pd.Series(column.values()).value_counts())
    place: dict[Node, tuple[float, float]] = {}
    for x in range(max(column.values()), -1, -1):
        held = [node for node in column if column[node] == x]
        wanted = {
            node: np.mean([place[other][1] for other in leads_to.get(node, [])] or [0.0])
            for node in held
        }
        held.sort(key=wanted.get)  # stable: the stronger path first
        for i, node in enumerate(held):
            place[node] = (x, (i + 0.5) * rows / len(held) - 0.5)
    return {node: _beside_what_leads_there(node, links, place) for node in place}


def _beside_what_leads_there(node: Node, links: pd.DataFrame, place: dict) -> tuple[float, float]:
    """The place of a node; alone in its column it would stand in the way of others' links."""
    x, y = place[node]
    if node.kind == END.kind or sum(other == x for other, _ in place.values()) > 1:
        return x, y
    ends = zip(_ends(links, "source"), _ends(links, "target"), strict=True)
    below = [place[Node(*source)][1] for source, target in ends if Node(*target) == node]
    return x, float(np.mean(below or [y]))


def _draw_links(ax: Axes, links: pd.DataFrame, place: dict[Node, tuple[float, float]]) -> None:
    scale = WIDEST / links["effect"].max()
    for source, target, effect in zip(
        _ends(links, "source"), _ends(links, "target"), links["effect"], strict=True
    ):
        (x0, y0), (x1, y1) = place[Node(*source)], place[Node(*target)]
        middle = (x0 + x1) / 2
        curve = Path([(x0, y0), (middle, y0), (middle, y1), (x1, y1)], [1, 4, 4, 4])
        width = max(THINNEST, effect * scale)
        style = {"facecolor": "none", "edgecolor": GREY, "alpha": 0.45, "capstyle": "butt"}
        ax.add_patch(PathPatch(curve, linewidth=width, zorder=1, **style))


def _draw_nodes(ax: Axes, nodes: list[Node], place: dict, effects: np.ndarray) -> ScalarMappable:
    """A box with its name for every node; returns what the shades mean."""
    shade = _shades(effects)
    columns = max(x for x, _ in place.values()) + 1
    room = (1 - GAP) * ax.get_window_extent().width / ax.figure.dpi / columns
    names = display_names([node.name for node in nodes], max(WORD, int(room / CHARACTER)), 3)
    for node, name, value in zip(nodes, names, effects, strict=True):
        color = _color(shade, value)
        light = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] >= 0.5
        ax.text(
            *place[node],
            name,
            ha="center",
            va="center",
            fontsize=SMALL,
            fontstyle="italic" if node.kind == GENE else "normal",
            linespacing=0.95,
            color=BLACK if light else "white",
            bbox={"boxstyle": "round,pad=0.2", "facecolor": color, "edgecolor": "none"},
        )
    return shade


def _shades(effects: np.ndarray) -> ScalarMappable:
    """Effects to colours, from nothing to the largest."""
    return ScalarMappable(Normalize(0, np.nanmax(effects)), SEQUENTIAL)


def _color(shade: ScalarMappable, value: float) -> tuple[float, ...]:
    return mpl.colors.to_rgba("white" if np.isnan(value) else shade.to_rgba(value))
