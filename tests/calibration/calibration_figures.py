"""The figures of `make calibrate`, each from the table that is written beside it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from biomask.views.figures import BLACK, GREEN, GREY, ORANGE, VERMILION, panels, save_figure, style


def null_quantiles(named: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Share of the tests of each experiment with p <= t, at every attainable t up to 1."""
    rows = []
    for name, table in named.items():
        p = table["p"].to_numpy()
        for t in np.unique(np.round(p, 9)):
            rows.append((name, t, float((p <= t + 1e-9).mean())))
    return pd.DataFrame(rows, columns=["experiment", "p", "share"])


@style()
def plot_null(quantiles: pd.DataFrame) -> None:
    """Under the null the share of p <= t is t; a guard rises above it."""
    fig, axes = panels(1, 2)
    colors = (BLACK, GREEN, ORANGE, "#0072B2", VERMILION, "#CC79A7")
    for ax, scale in zip(axes, ("linear", "log"), strict=True):
        ax.plot([0.005, 1], [0.005, 1], color=GREY, lw=0.6, ls="--")
        for color, (name, rows) in zip(
            colors, quantiles.groupby("experiment", sort=False), strict=False
        ):
            ax.plot(rows["p"], rows["share"], color=color, label=name, marker=".", ms=2)
        ax.set(xlabel="p", ylabel="share of tests at or below p", xscale=scale, yscale=scale)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save_figure(fig, "fig_calibration_null", quantiles)


@style()
def plot_power(table: pd.DataFrame) -> None:
    """Power against effect size and against the number of samples.

    Parameters
    ----------
    table : DataFrame
        ``panel`` ("effect" or "n"), ``experiment``, ``x``, ``power``, ``power_fwer``, ``accuracy``.
    """
    fig, axes = panels(1, 2, sharey=True, height=3.0)
    labels = {"effect": "effect (log-odds per deviation), n = 100", "n": "samples, effect 1"}
    names = list(dict.fromkeys(table["experiment"]))
    colors = dict(zip(names, (BLACK, GREY, GREEN, ORANGE), strict=True))
    shown = {}
    for ax, (panel, label) in zip(axes, labels.items(), strict=True):
        points = table[table["panel"] == panel]
        for name, rows in points.groupby("experiment", sort=False):
            shown[name] = ax.plot(rows["x"], rows["power"], "o-", color=colors[name], ms=3)[0]
        rows = points[points["experiment"] == names[0]]
        shown[f"{names[0]}, p_fwer"] = ax.plot(rows["x"], rows["power_fwer"], ":", color=BLACK)[0]
        shown[f"{names[0]}, accuracy"] = ax.plot(rows["x"], rows["accuracy"], color=VERMILION)[0]
        shown["what chance would give"] = ax.axhline(0.05, color=GREY, lw=0.6, ls="--")
        ax.set(xlabel=label, ylim=(0, 1.03))
    axes[1].set_xscale("log")
    axes[1].set_xticks([50, 100, 200, 500, 1000], ["50", "100", "200", "500", "1,000"])
    axes[1].minorticks_off()
    axes[0].set_ylabel("share of planted pathways\nwith p (or p_fwer) ≤ .05; accuracy")
    fig.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=3)
    save_figure(fig, "fig_calibration_power", table)


@style()
def plot_decoys(rates: pd.DataFrame) -> None:
    """Rates by Jaccard index: ``jaccard``, ``kind``, and a column for each test."""
    fig, axes = panels(1, 3, sharey=True)
    tests = ["network effect", "network weight", "t-test"]
    for ax, kind in zip(axes, ("planted", "decoy", "other"), strict=True):
        rows = rates[rates["kind"] == kind]
        for k, (test, color) in enumerate(zip(tests, (BLACK, ORANGE, VERMILION), strict=True)):
            ax.bar(np.arange(len(rows)) + 0.27 * (k - 1), rows[test], 0.25, color=color, label=test)
        ax.set_xticks(range(len(rows)), [f"{j:g}" for j in rows["jaccard"]])
        ax.axhline(0.05, color=GREY, lw=0.6, ls="--")
        ax.set(title=kind, xlabel="Jaccard index of the decoys", ylim=(0, 1))
    axes[0].set_ylabel("share with p ≤ .05")
    axes[2].legend(loc="upper right")
    save_figure(fig, "fig_calibration_decoys", rates)


@style()
def plot_size(table: pd.DataFrame) -> None:
    """Effects under the null against pathway size, a row for each size."""
    fig, axes = panels(1, 2)
    axes[0].fill_between(table["size"], table["low"], table["high"], color="#D9D9D9", lw=0)
    axes[0].plot(table["size"], table["effect"], color=BLACK, marker="o", ms=3)
    axes[0].set(xlabel="genes in the pathway", ylabel="effect, 90 % of null data sets")
    axes[1].plot(table["size"], table["p"], color=BLACK, marker="o", ms=3)
    axes[1].axhline(0.5, color=GREY, lw=0.6, ls="--")
    axes[1].set(xlabel="genes in the pathway", ylabel="mean p", ylim=(0, 1))
    for ax in axes:
        ax.set_xscale("log")
        ax.set_xticks([5, 10, 20, 50, 100, 200, 500], [5, 10, 20, 50, 100, 200, 500])
        ax.minorticks_off()
    save_figure(fig, "fig_calibration_size", table)
