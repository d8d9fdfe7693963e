"""R networks trained as one against R separate fits.

    python -m benchmarks.replicates

Writes results/replicates.csv. Separate fits are not run R times: one is timed in every round and
counted R times, without the second or two that building and tracing each would cost on top.
"""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd

from benchmarks.approaches import ACTIVATION, biomask_model, other_model
from benchmarks.inputs import SIZES, make_data, make_mask
from benchmarks.timing import take_turns, write_results

REPLICATES = (1, 8, 32, 128, 256)
XLA_FROM = 32  # replicates; below, compiling cannot pay
DENSE = "kernel x mask"


def replicated(mask, replicates: int, *, xla: bool = False) -> keras.Model:
    """biomask's model of that many networks, compiled by XLA or as it comes."""
    import biomask as bm

    kernel = "batched" if xla else "auto"
    model = bm.build_model(
        mask, activation=ACTIVATION, replicates=replicates, seed=0, kernel=kernel
    )
    if xla:
        model.jit_compile = True
    return model


def main() -> None:
    size = SIZES["seed"]
    mask = make_mask(size.n_genes, size.n_pathways)
    X, y = make_data(mask, size.n_samples)
    labels = (np.random.default_rng(2).random((len(y), max(REPLICATES))) < 0.5).astype(np.float32)
    single = biomask_model(mask)
    models = {(DENSE, 1): other_model(DENSE, single), ("biomask, one by one", 1): single}
    for r in REPLICATES:
        models["biomask, together", r] = replicated(mask, r)
        if r >= XLA_FROM:
            models["biomask, together, XLA", r] = replicated(mask, r, xla=True)

    def fit(key):
        target = y if "together" not in key[0] else labels[:, : key[1]]
        return lambda: models[key].fit(X, target, batch_size=size.batch, epochs=1, verbose=0)

    times = take_turns({key: fit(key) for key in models}, rounds=9, seconds=60, warm_up=1)
    ms = times / (size.n_samples // size.batch) * 1e3
    rows = []
    for (how, r), column in ms.items():
        if "together" not in how:
            continue
        rows.append(
            {
                "networks": r,
                "how": how,
                "ms_a_step": column.median(),
                "ms_a_network_step": column.median() / r,
                "network_steps_a_second": 1e3 * r / column.median(),
                "over_separate_dense_fits": (r * ms[DENSE, 1] / column).median(),
                "over_separate_biomask_fits": (r * ms["biomask, one by one", 1] / column).median(),
                "ms_of_one_dense_fit_step": ms[DENSE, 1].median(),
                "rounds": len(ms),
            }
        )
    write_results("replicates", pd.DataFrame(rows))


if __name__ == "__main__":
    main()
