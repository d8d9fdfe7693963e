"""Plots of training: learning curves and held-out quality."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score, roc_curve

from biomask.errors import ArgumentError
from biomask.views import tables
from biomask.views.figures import (
    BLUE,
    COLUMN,
    GREY,
    PALETTE,
    VERMILION,
    canvas,
    styled,
)
from biomask.views.labels import display_names, literal, shorten

_LOWER_IS_BETTER = ("loss", "error", "mse", "mae", "entropy")
_DASHED = (0, (4, 2))


@styled
def plot_learning_curves(
    history: pd.DataFrame | Mapping, *, metric: str = "loss", ax: Axes | None = None
) -> Axes:
    """A metric after each epoch on training and validation samples, and its best epoch.

    Parameters
    ----------
    history : DataFrame or mapping
        One row an epoch, with the column `metric` and, where there is a validation set,
        ``val_<metric>``; what ``model.fit(...).history`` holds. Epochs count from 1 unless there
        is a column ``epoch``. With a column ``replicate``, every replicate is a thin line and
        the median over replicates a thick one.
    metric : str
    ax : Axes, optional

    Raises
    ------
    ArgumentError
        There is no such column.
    """
    table = pd.DataFrame(history) if isinstance(history, Mapping) else history
    table = tables.checked(table, "plot_learning_curves", numbers=(metric,))
    validation = f"val_{metric}"
    if "epoch" not in table:
        groups = table.groupby("replicate") if "replicate" in table else None
        epochs = np.arange(len(table)) if groups is None else groups.cumcount().to_numpy()
        table = table.assign(epoch=epochs + 1)
    ax = canvas(ax, COLUMN, 2.3)
    _draw_curve(ax, table, metric, "training", BLUE)
    if validation in table:
        tables.finite(table[validation].dropna(), "plot_learning_curves", validation)
        _mark_best(ax, _draw_curve(ax, table, validation, "validation", VERMILION), metric)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.set_xlabel("Epoch")
    ax.set_ylabel(tables.sentence(metric))
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, columnspacing=1)
    return ax


def _draw_curve(ax: Axes, table: pd.DataFrame, column: str, label: str, color: str) -> pd.Series:
    table = table.dropna(subset=[column])  # a validation every few epochs leaves gaps
    if "replicate" in table:
        for _, one in table.groupby("replicate"):
            ax.plot(one["epoch"], one[column], color=color, linewidth=0.5, alpha=0.3)
    middle = table.groupby("epoch")[column].median()
    marker = "o" if len(middle) == 1 else None
    ax.plot(middle.index, middle, color=color, linewidth=1.4, label=label, marker=marker)
    return middle


def _mark_best(ax: Axes, curve: pd.Series, metric: str) -> None:
    lower = any(word in metric.lower() for word in _LOWER_IS_BETTER)
    best = curve.idxmin() if lower else curve.idxmax()
    ax.axvline(best, color=GREY, linewidth=0.8, linestyle=_DASHED)
    ax.set_title(f"best epoch {best}", loc="right", color=GREY)


@styled
def plot_roc(y_true: object, score: object, *, ax: Axes | None = None) -> Axes:
    """Receiver operating characteristic, with the area under it.

    Parameters
    ----------
    y_true : array-like, shape (n_samples,)
        Two classes; the one that sorts last is the positive one.
    score : array-like, shape (n_samples,), or DataFrame, shape (n_samples, n_curves)
        Higher means more probably positive. Each column of a DataFrame is one curve.
    ax : Axes, optional

    Raises
    ------
    ArgumentError
        Not two classes, not as many scores as labels, or a score that is not finite.
    """
    positive = _two_classes(y_true, "plot_roc")
    curves = score if isinstance(score, pd.DataFrame) else pd.DataFrame({"": np.ravel(score)})
    _same_length(positive, curves, "plot_roc")
    tables.finite(curves, "plot_roc", "score")
    if curves.shape[1] > len(PALETTE):
        raise ArgumentError(
            f"plot_roc draws at most {len(PALETTE)} curves, received {curves.shape[1]}",
            code="E-PLOT-VALUES",
        )
    ax = canvas(ax, 2.8, 2.8)
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=_DASHED)
    for color, (name, values) in zip(PALETTE, curves.items(), strict=False):
        false, true, _ = roc_curve(positive, values)
        text = f"AUC {roc_auc_score(positive, values):.3f}"
        label = f"{literal(shorten(name, 20))}, {text}" if name != "" else text
        ax.plot(false, true, color=color, label=label, clip_on=False)
    _unit_square(ax, "False positive rate", "True positive rate")
    ax.legend(loc="lower right")
    return ax


@styled
def plot_calibration(
    y_true: object, probability: object, *, bins: int = 10, ax: Axes | None = None
) -> Axes:
    """Predicted probability against the observed share of positives, in equally filled bins.

    Parameters
    ----------
    y_true : array-like, shape (n_samples,)
        Two classes; the one that sorts last is the positive one.
    probability : array-like, shape (n_samples,)
        Between 0 and 1.
    bins : int
    ax : Axes, optional

    Raises
    ------
    ArgumentError
        Not two classes, not as many probabilities as labels, or one outside 0 to 1.
    """
    tables.at_least_one(bins, "plot_calibration")
    positive = _two_classes(y_true, "plot_calibration")
    probability = tables.finite(np.ravel(probability), "plot_calibration", "probability")
    _same_length(positive, probability, "plot_calibration")
    if probability.min() < 0 or probability.max() > 1:
        raise ArgumentError(
            "plot_calibration needs probabilities, between 0 and 1", code="E-PLOT-VALUES"
        )
    observed, predicted = calibration_curve(positive, probability, n_bins=bins, strategy="quantile")
    ax = canvas(ax, 2.8, 2.8)
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=_DASHED)
    ax.plot(predicted, observed, color=BLUE, marker="o", clip_on=False)
    _unit_square(ax, "Predicted probability", "Observed share")
    return ax


@styled
def plot_confusion(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Confusion matrix: counts, coloured by the share of the true class (the row).

    Parameters
    ----------
    table : DataFrame, shape (n_classes, n_classes)
        Counts, true classes as rows and predicted ones as columns, as
        ``pandas.crosstab(true, predicted)`` gives them; a class missing from either counts 0.
    ax : Axes, optional

    Raises
    ------
    ArgumentError
        A count is negative or not finite.
    """
    table = tables.checked(table, "plot_confusion")
    first, other = sorted((table.index, table.columns), key=len, reverse=True)
    if first.isin(other).any():  # crosstab leaves out what is never there, or never predicted
        classes = first.append(other[~other.isin(first)])
        table = table.reindex(index=classes, columns=classes, fill_value=0)
    counts = tables.finite(table, "plot_confusion", "count")
    if counts.min() < 0:
        raise ArgumentError("plot_confusion needs counts, not below 0", code="E-PLOT-VALUES")
    total = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    rows, columns = (display_names(names, width=18) for names in (table.index, table.columns))
    ax = canvas(ax, 1.5 + 0.5 * len(columns), 1.0 + 0.38 * len(rows))
    texts = np.vectorize(lambda n, share: f"{n:,.0f}\n{share:.0%}", otypes=[object])
    tables.heat_map(
        ax,
        shares,
        rows,
        columns,
        rotation=90 if len(columns) > 3 else 0,
        annot=texts(counts, shares),
        cbar=False,
    )
    ax.set_xlabel("Predicted")
    ax.set_ylabel("True")
    return ax


def _two_classes(y_true: object, plot: str) -> np.ndarray:
    labels = np.ravel(y_true)
    classes = pd.unique(labels)
    if len(classes) != 2 or pd.isna(classes).any():
        raise ArgumentError(
            f"{plot} needs two classes in y_true, found {len(classes)}",
            code="E-PLOT-CLASSES",
            genes=classes,
        )
    return labels == max(classes)


def _same_length(y_true: np.ndarray, score: object, plot: str) -> None:
    if len(y_true) != len(score):
        raise ArgumentError(
            f"{plot}: {len(y_true)} labels, but {len(score)} scores", code="E-PLOT-LENGTH"
        )


def _unit_square(ax: Axes, x: str, y: str) -> None:
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_aspect("equal")
    ax.set_xlabel(x)
    ax.set_ylabel(y)
