"""One network: every approach against biomask, a bare training step and inside `fit`.

    python -m benchmarks.one_network [seed middle large huge]

Writes results/one_network.csv. PyTorch's approaches are run where torch is installed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmarks import approaches
from benchmarks.inputs import (
    BASE,
    DENSE,
    SIZES,
    TORCH,
    Size,
    approaches_at,
    free_bytes,
    make_data,
    make_mask,
)
from benchmarks.timing import repeated, summary, take_turns, write_results

# Epochs of one turn of `fit`: what it does once (copying X, tracing) should weigh as in a training.
EPOCHS = {"seed": 10, "middle": 4, "large": 4, "huge": 1}


def that_fit(size: Size) -> list[str]:
    """The approaches whose dense kernels, gradients and optimizer state fit beside each other."""
    needed = 7 * len(DENSE) * size.n_genes * size.n_pathways * 4
    fits = needed < 0.9 * free_bytes()
    return [name for name in approaches_at(size) if fits or name not in DENSE]


def bare_run(name: str, ours, X: np.ndarray, y: np.ndarray) -> Callable[[], float]:
    """One training step on one batch, as a function that returns its loss."""
    if name in TORCH:
        import torch

        from benchmarks.torch_approaches import Network

        network, x, y = Network(name, ours), torch.as_tensor(X), torch.as_tensor(y)
        return lambda: network.train_on(x, y)
    model = ours if name == BASE else approaches.other_model(name, ours)
    return approaches.bare_step(model, X, y)


def fit_run(
    name: str, ours, X: np.ndarray, y: np.ndarray, batch: int, epochs: int, steps_a_call: int = 1
):
    """A call of `fit`, as a function; Keras looks up from its work after so many steps."""
    if name in TORCH:
        import torch

        from benchmarks.torch_approaches import Network

        network, X, y = Network(name, ours), torch.as_tensor(X), torch.as_tensor(y)
        return lambda: network.fit(X, y, batch_size=batch, epochs=epochs)
    model = ours if name == BASE else approaches.other_model(name, ours)
    model.steps_per_execution = steps_a_call
    return lambda: model.fit(X, y, batch_size=batch, epochs=epochs, verbose=0)


def compare(key: str, size: Size) -> pd.DataFrame:
    """Both tables of one size, below each other."""
    mask = make_mask(size.n_genes, size.n_pathways)
    X, y = make_data(mask, size.n_samples)
    steps = size.n_samples // size.batch
    tables = {}
    ours = approaches.biomask_model(mask)
    calls = {"seed": 10, "middle": 2}.get(key, 1)
    runs = {
        name: repeated(bare_run(name, ours, X[: size.batch], y[: size.batch]), calls)
        for name in that_fit(size)
    }
    seconds = 15 if key in ("seed", "middle") else 25
    tables["step"] = summary(take_turns(runs, seconds=seconds), BASE, calls=calls)
    del runs
    in_fit = [n for n in that_fit(size) if key != "large" or n not in DENSE]
    for steps_a_call in (1, 8) if key == "seed" else (1,):
        ours = approaches.biomask_model(mask)
        runs = {
            name: fit_run(name, ours, X, y, size.batch, EPOCHS[key], steps_a_call)
            for name in in_fit
        }
        times = take_turns(runs, seconds=60 if key == "seed" else seconds, warm_up=1)
        measured = "fit" if steps_a_call == 1 else f"fit, {steps_a_call} steps a call"
        tables[measured] = summary(times, BASE, calls=steps * EPOCHS[key])
    table = pd.concat(tables, names=["measured"]).reset_index()
    table.insert(0, "size", str(size))
    table.insert(1, "edges", mask.n_edges)
    table.insert(2, "batch", size.batch)
    return table


def main() -> None:
    keys = sys.argv[1:] or list(SIZES)
    write_results("one_network", pd.concat([compare(key, SIZES[key]) for key in keys]))


if __name__ == "__main__":
    main()
