"""One style sheet for every figure, and `save_figure`: picture, print and numbers in one call."""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from biomask.errors import ArgumentError, StorageError
from biomask.storage import atomic_write
from biomask.views.places import checked_name, figures_folder, made_folder
from biomask.views.spreadsheet import csv_text

COLUMN = 3.5  # inches: one column of a journal page
PAGE = 7.0  # inches: both columns

# Okabe & Ito 2008, "Color universal design": told apart with any colour vision. Yellow is left
# out, since a thin yellow line on white is seen by nobody.
BLUE, VERMILION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
SKY, PURPLE, BLACK = "#56B4E9", "#CC79A7", "#000000"
PALETTE = (BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE, BLACK)
GREY, PALE = "#666666", "#D9D9D9"  # what is not the point: reference lines, null bands
SEQUENTIAL, DIVERGING = "Blues", "RdBu_r"

TEXT, SMALL = 8, 7  # points
# Some libraries change the defaults when they are imported (decoupler: those of legends).
_OF_SESSION = ("backend", "interactive", "toolbar", "webagg", "keymap", "tk", "macosx", "animation")
_DEFAULTS = {k: v for k, v in mpl.rcParamsDefault.items() if not k.startswith(_OF_SESSION)}
STYLE = _DEFAULTS | {
    "font.family": ["DejaVu Sans"],  # comes with Matplotlib, so that every machine has it
    "font.size": SMALL,
    "axes.labelsize": TEXT,
    "axes.titlesize": TEXT,
    "axes.titleweight": "normal",
    "axes.labelpad": 3,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "black",
    "axes.facecolor": "white",
    "axes.labelcolor": "black",
    "axes.axisbelow": True,
    "axes.grid": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": mpl.cycler(color=PALETTE),
    "axes.unicode_minus": True,
    "text.color": "black",
    "text.usetex": False,  # names hold underscores and dollars
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "xtick.color": "black",
    "ytick.color": "black",
    "legend.fontsize": SMALL,
    "legend.title_fontsize": SMALL,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "legend.borderaxespad": 0.3,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "patch.linewidth": 0.6,
    "figure.facecolor": "white",
    "figure.dpi": 144,
    "savefig.facecolor": "white",
    "savefig.dpi": 300,
    "savefig.bbox": "standard",
    "savefig.transparent": False,
    "pdf.fonttype": 42,  # text stays text, as journals ask
    "ps.fonttype": 42,
    "pdf.compression": 6,
    "svg.hashsalt": "biomask",
}


# ------------------------------------------------------------------------ style


@contextlib.contextmanager
def style() -> Iterator[None]:
    """The style sheet, for figures put together by hand: ``with style(): plt.subplots(...)``."""
    with mpl.rc_context(STYLE):
        yield
        # The first figure of a notebook starts its backend, which turns this on for good.
        interactive = mpl.is_interactive()
    mpl.interactive(interactive)


def use_style() -> None:
    """Make the style sheet the default of this session.

    The plots need it not; a notebook that adds its own titles and legends does, once, at its top.
    """
    mpl.rcParams.update(STYLE)


def styled(plot: Callable[..., Axes]) -> Callable[..., Axes]:
    """Make a plot draw in the one style, whatever the notebook has set."""

    @functools.wraps(plot)
    def inside(*args, **kwargs) -> Axes:
        with style():
            return plot(*args, **kwargs)

    return inside


def panels(
    rows: int, columns: int, *, width: float = PAGE, height: float = 2.6, **kwargs
) -> tuple[Figure, object]:
    """A figure of `rows` x `columns` axes in the one style, to hand to the plots as `ax`.

    Parameters
    ----------
    width, height : float
        Inches of the whole figure and of one row: 3.5 is one column of a page, 7 two.
    kwargs
        For `matplotlib.pyplot.subplots`, such as ``width_ratios``.

    Returns
    -------
    (figure, axes), as `matplotlib.pyplot.subplots` returns them.
    """
    with style():
        size = (width, height * rows)
        return plt.subplots(rows, columns, figsize=size, layout="constrained", **kwargs)


def canvas(ax: Axes | None, width: float, height: float) -> Axes:
    """`ax` in the one style, or the axes of a new figure of `width` x `height` inches."""
    if ax is None:
        return plt.subplots(figsize=(width, height), layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise ArgumentError(
            f"ax must be a Matplotlib Axes, received {type(ax).__name__}",
            code="E-PLOT-AX",
            hint="With several panels, pass one of them: ax=axes[0].",
        )
    # Axes made outside the style keep the sizes they were made with.
    ax.tick_params(labelsize=SMALL, width=0.6, length=2.5)
    ax.xaxis.label.set_size(TEXT)
    ax.yaxis.label.set_size(TEXT)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_linewidth(0.6)
    return ax


# ------------------------------------------------------------------------ saving


def save_figure(
    fig: Figure,
    name: str,
    data: pd.DataFrame,
    *,
    folder: str | Path | None = None,
    overwrite: bool = True,
) -> Path:
    """Write NAME.png (300 dpi), NAME.pdf and NAME.csv (the numbers behind the figure).

    Each file is replaced atomically, and none before all three are written, so that a full disk
    leaves the old set. The same figure and numbers give the same bytes: no dates, no versions,
    fixed number format.

    Parameters
    ----------
    fig : Figure
    name : str
        Without folder and extension.
    data : DataFrame
        What the figure shows. Numbers are written with six significant digits. A text cell or
        name that a spreadsheet would take for a formula (it starts with ``= + - @``, a tab or a
        line end) gets an apostrophe in front. The index is written unless it only counts rows.
    folder : path, optional
        Without it: the environment variable ``BIOMASK_FIGURES``; else ``figures`` of the biomask
        checkout that the working directory lies in; else ``figures`` in the working directory.
        It is made when missing.
    overwrite : bool
        False refuses to replace a file.

    Returns
    -------
    Path
        The PNG.

    Raises
    ------
    ArgumentError
        `fig` is no figure, `data` no table or empty, or `name` cannot name a file.
    StorageError
        A file exists and `overwrite` is False, or the folder cannot be made or written.
    """
    _check_figure(fig, name, data)
    # All three are made before the first is written: a drawing that fails leaves the old set.
    contents = {
        "csv": csv_text(data).encode("utf-8"),
        "pdf": _rendered(fig, "pdf"),
        "png": _rendered(fig, "png"),
    }
    folder = made_folder(figures_folder() if folder is None else Path(folder))
    paths = {kind: folder / f"{name}.{kind}" for kind in contents}
    taken = [path for path in paths.values() if not overwrite and path.exists()]
    if taken:
        raise StorageError(
            "the file exists",
            code="E-EXISTS",
            file=taken[0],
            hint="Pass overwrite=True to replace it.",
        )
    with contextlib.ExitStack() as written:  # no file is replaced before all three are written
        for kind, content in contents.items():
            temporary = written.enter_context(atomic_write(paths[kind], overwrite=overwrite))
            temporary.write_bytes(content)
    return paths["png"]


def _rendered(fig: Figure, kind: str) -> bytes:
    dated = {"pdf": ("Creator", "Producer", "CreationDate"), "png": ("Software",)}[kind]
    box = "tight" if fig.get_layout_engine() is None else None  # no label is cut off
    buffer = io.BytesIO()
    with style(), _places_kept(fig):
        fig.savefig(
            buffer, format=kind, metadata=dict.fromkeys(dated), bbox_inches=box, pad_inches=0.03
        )
    return buffer.getvalue()


@contextlib.contextmanager
def _places_kept(fig: Figure) -> Iterator[None]:
    """Put the axes back where they were: a layout starts from the one before, and so differs."""
    places = [
        (
            ax,
            ax.get_in_layout(),
            ax.get_position(original=True).frozen(),
            ax.get_position().frozen(),
        )
        for ax in fig.axes
    ]
    try:
        yield
    finally:
        for ax, in_layout, original, active in places:
            ax.set_position(original, which="original")
            ax.set_position(active, which="active")
            ax.set_in_layout(in_layout)


def _check_figure(fig: object, name: object, data: object) -> None:
    if not isinstance(fig, Figure):
        raise ArgumentError(
            f"fig must be a Matplotlib Figure, received {type(fig).__name__}",
            code="E-FIGURE",
            hint="Of axes, pass ax.figure.",
        )
    if not isinstance(data, pd.DataFrame) or data.empty:
        found = "an empty one" if isinstance(data, pd.DataFrame) else type(data).__name__
        raise ArgumentError(
            f"data must be a DataFrame of the numbers behind the figure, received {found}",
            code="E-FIGURE-DATA",
        )
    checked_name(name)
