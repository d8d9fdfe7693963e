"""Every kernel at densities of 0.1 % to 100 % and 1 to 256 networks, and what "auto" picks.

    python -m benchmarks.crossover [--draw]

Writes results/crossover.csv and the figure crossover (.png, .pdf, .csv); with --draw nothing is
timed, and what "auto" picks today is put beside the times that are there.

Timed is what differs between kernels: the product and the gradients that training asks for. In a
first layer that is the weights' gradient; where every network has an input of its own (a later
layer) it is the input's gradient too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.inputs import make_mask
from benchmarks.timing import RESULTS, load, repeated, take_turns, write_results


class Panel(NamedTuple):
    """A shape of layer, and whether each network has an input of its own."""

    n_genes: int
    n_pathways: int
    own_input: bool
    most: int  # edges x networks beyond which nothing is run


PANELS = (
    Panel(500, 50, False, 10_000_000),
    Panel(2_000, 100, False, 60_000_000),
    Panel(9_180, 230, False, 20_000_000),
    Panel(1_000, 200, True, 60_000_000),
)
DENSITIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
REPLICATES = (1, 2, 4, 16, 64, 256)
BATCH = 128
HOPELESS = 40.0  # a kernel so many times slower than the best is not tried with more networks,
SLOW_MS = 700.0  # nor is one that takes so long without being the best


def training_product(kernel, edges, batch: int = BATCH) -> Callable[[], object]:
    """The product and its gradients with random numbers, as a function."""
    import tensorflow as tf

    rng = np.random.default_rng(0)

    def random(*shape):
        return tf.constant(rng.standard_normal(shape, dtype=np.float32))

    many = () if edges.replicates is None else (edges.replicates,)
    x = random(batch, *(many if edges.own_input else ()), edges.n_genes)
    dy = random(batch, *edges.output_shape)
    w = random(len(edges), *many)

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            tape.watch([w, x] if edges.own_input else w)
            y = kernel(x, w)
        return tape.gradient(y, [w, x] if edges.own_input else w, output_gradients=dy)

    def run() -> None:
        found = gradients()
        tf.nest.flatten(found)[-1].numpy() if edges.own_input else found.numpy()

    return run


def point(edges, names: list[str]) -> pd.DataFrame:
    """Seconds of these kernels in turn, columns by kernel."""
    from benchmarks.timing import time_once
    from biomask.networks.kernels import KERNELS

    runs = {name: training_product(KERNELS[name](edges), edges) for name in names}
    longest = max(time_once(run) for run in runs.values())
    calls = int(np.clip(0.02 / longest, 1, 10))
    several = {name: repeated(run, calls) for name, run in runs.items()}
    return take_turns(several, rounds=7, seconds=1.5, warm_up=1) / calls


def measured(panel: Panel) -> list[dict]:
    """One row for each density and number of networks."""
    from biomask.networks.kernels import KERNELS, Edges

    rows = []
    for density in DENSITIES:
        mean = density * panel.n_genes
        mask = make_mask(panel.n_genes, panel.n_pathways, mean=mean, spread=min(1, 1 - density))
        tried = list(KERNELS)
        for replicates in REPLICATES:
            if mask.n_edges * replicates > panel.most:
                break
            many = replicates if panel.own_input or replicates > 1 else None
            edges = Edges(*mask.edge_index, *mask.shape, many, panel.own_input)
            ms = point(edges, tried).median() * 1e3
            rows.append(
                {
                    **{key: value for key, value in panel._asdict().items() if key != "most"},
                    "density": mask.density,
                    "edges": mask.n_edges,
                    "replicates": replicates,
                    **{f"ms_{name}": ms.get(name, np.nan) for name in KERNELS},
                }
            )
            print(rows[-1], load(), flush=True)
            ratios = ms / ms.min()
            tried = [
                name for name in tried if ratios[name] < (HOPELESS if ms[name] < SLOW_MS else 1.01)
            ]
    return rows


def with_auto(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the fastest kernel, the one "auto" picks, and how much slower that is."""
    from biomask.networks.kernels import KERNELS, Edges, pick_kernel

    def picked(row) -> str:
        # The rule counts edges and does not look where they run.
        nowhere = np.zeros(row.edges, np.int32)
        return pick_kernel(
            Edges(nowhere, nowhere, row.n_genes, row.n_pathways, row.replicates, row.own_input)
        )

    ms = table[[f"ms_{name}" for name in KERNELS]].set_axis(list(KERNELS), axis=1)
    auto = [picked(row) for row in table.itertuples()]
    chosen = ms.to_numpy()[np.arange(len(ms)), ms.columns.get_indexer(auto)]
    return table.assign(best=ms.idxmin(axis=1), auto=auto, auto_over_best=chosen / ms.min(axis=1))


def draw(table: pd.DataFrame) -> None:
    """One map for each panel: the best kernel's colour, and how much slower auto's choice is."""
    import matplotlib.pyplot as plt

    import biomask as bm
    from biomask.views.figures import BLUE, GREEN, ORANGE, style

    colours = {"csr": BLUE, "batched": ORANGE, "dense": GREEN}
    panels = table.groupby(["n_genes", "n_pathways", "own_input"], sort=False)
    with style():
        fig, axes = plt.subplots(2, 2, figsize=(7.0, 5.6), layout="constrained")
        for ax, ((n_genes, n_pathways, own_input), points) in zip(axes.flat, panels, strict=True):
            kind = "an input for each" if own_input else "input shared"
            densities = list(points["density"].unique())
            for row in points.itertuples():
                x = densities.index(row.density)
                y = REPLICATES.index(row.replicates)
                ax.add_patch(plt.Rectangle((x, y), 1, 1, color=colours[row.best], lw=0, alpha=0.55))
                ax.text(x + 0.5, y + 0.68, row.auto, ha="center", va="center", fontsize=6.5)
                slower = f"{row.auto_over_best:.2f}×"
                weight = "bold" if row.auto_over_best > 1.3 else "normal"
                ax.text(
                    x + 0.5, y + 0.3, slower, ha="center", va="center", fontsize=6, weight=weight
                )
            ax.set(
                xlim=(0, len(densities)),
                ylim=(0, len(REPLICATES)),
                title=f"{n_genes:,} × {n_pathways:,}, {kind}",
                xlabel="density of the mask",
                ylabel="networks",
            )
            ax.set_xticks(
                np.arange(len(densities)) + 0.5,
                [f"{float(f'{d * 100:.2g}'):g} %" for d in densities],
            )
            ax.set_yticks(np.arange(len(REPLICATES)) + 0.5, REPLICATES)
            ax.tick_params(length=0)
        handles = [
            plt.Rectangle((0, 0), 1, 1, color=c, lw=0, alpha=0.55, label=f"{name} is fastest")
            for name, c in colours.items()
        ]
        fig.legend(handles=handles, loc="outside lower center", ncols=3)
    bm.save_figure(fig, "crossover", table, folder=RESULTS)


def main() -> None:
    if "--draw" in sys.argv:
        table = pd.read_csv(RESULTS / "crossover.csv")
    else:
        table = pd.DataFrame([row for panel in PANELS for row in measured(panel)])
    table = with_auto(table)
    write_results("crossover", table)
    draw(table)


if __name__ == "__main__":
    main()
