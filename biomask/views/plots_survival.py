"""Survival of samples that were predicted to be at higher and at lower risk."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from biomask.errors import ArgumentError
from biomask.views import tables
from biomask.views.figures import BLUE, VERMILION, canvas, styled


@styled
def plot_survival(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Kaplan-Meier curves (1958, JASA 53:457) of the upper and lower half by predicted risk.

    Parameters
    ----------
    table : DataFrame
        ``time``, ``event`` (1 seen, 0 censored) and ``prediction``, the log risk: the
        ``predictions`` of a survival study. Ticks mark censored samples.
    ax : Axes, optional

    Raises
    ------
    ArgumentError
        A column is missing, a value is not finite, or all predictions are the same.
    """
    table = tables.checked(table, "plot_survival", ("time", "event", "prediction"))
    higher = table["prediction"] > table["prediction"].median()
    if not higher.any():
        raise ArgumentError(
            "plot_survival needs predictions of which half are higher than the others",
            code="E-PLOT-VALUES",
            column="prediction",
        )
    ax = canvas(ax, 3.2, 2.8)
    for part, name, colour in ((~higher, "Lower", BLUE), (higher, "Higher", VERMILION)):
        half = table[part]
        curve = kaplan_meier(half["time"], half["event"])
        label = f"{name} predicted risk (n = {len(half):,})"
        ax.step(curve.index, curve, where="post", color=colour, label=label)
        censored = np.sort(half.loc[half["event"] == 0, "time"])
        at = curve.to_numpy()[np.searchsorted(curve.index, censored, side="right") - 1]
        ax.plot(censored, at, "|", color=colour, markersize=4)
    ax.set_xlabel("Time")
    ax.set_ylabel("Share without event")
    ax.set_ylim(0, 1.02)
    ax.set_xlim(left=0)
    ax.legend(loc="best")
    return ax


def kaplan_meier(time: pd.Series, event: pd.Series) -> pd.Series:
    """Share without event from each time on, index time, beginning with 1 at 0."""
    from lifelines import KaplanMeierFitter  # takes two seconds to import

    return KaplanMeierFitter(label="share").fit(time, event).survival_function_["share"]
