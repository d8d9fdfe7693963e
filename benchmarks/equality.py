"""What speed must not change: replicates against networks trained alone, processes, threads.

    python -m benchmarks.equality

Writes results/equality.csv.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.timing import write_results

EPOCHS, SAMPLES, REPLICATES = 5, 256, 256
CHILD = """
import sys
import keras, numpy as np
from benchmarks.approaches import biomask_model
from benchmarks.inputs import SIZES, make_data, make_mask
replicates, path = int(sys.argv[1]) or None, sys.argv[2]
keras.utils.set_random_seed(0)
mask = make_mask(*SIZES["seed"][:2])
X, y = make_data(mask, 256)
model = biomask_model(mask, replicates=replicates)
model.fit(X, y, batch_size=32, epochs=3, verbose=0)
np.savez(path, *model.get_weights())
"""


def alone_difference() -> float:
    """The largest difference of a prediction between a replicate and the network alone."""
    import biomask as bm
    from benchmarks.approaches import ACTIVATION
    from benchmarks.inputs import SIZES, make_data, make_mask

    mask = make_mask(*SIZES["seed"][:2])
    X, y = make_data(mask, SAMPLES)
    fit = {"batch_size": 64, "epochs": EPOCHS, "shuffle": False, "verbose": 0}
    together = bm.build_model(mask, activation=ACTIVATION, replicates=REPLICATES, seed=0)
    together.fit(X, y, **fit)
    found = together.predict(X, verbose=0)
    worst = 0.0
    for r in (0, REPLICATES // 2, REPLICATES - 1):
        alone = bm.build_model(mask, activation=ACTIVATION, seed=r)
        alone.fit(X, y, **fit)
        worst = max(worst, np.abs(found[:, r] - alone.predict(X, verbose=0)[:, 0]).max())
    return float(worst)


def trained(replicates: int, threads: int, folder: Path) -> list[np.ndarray]:
    """The weights of a model trained in a process of its own."""
    path = folder / f"{replicates}_{threads}_{len(list(folder.iterdir()))}.npz"
    environment = {
        **os.environ,
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
    }
    command = [sys.executable, "-c", CHILD, str(replicates), str(path)]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    with np.load(path) as arrays:
        return [arrays[name] for name in arrays.files]


def difference(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    """The largest difference of a weight."""
    return max(float(np.abs(x - y).max()) for x, y in zip(a, b, strict=True))


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for replicates in (0, 8):
            what = f"{replicates} networks" if replicates else "one network"
            first, second, one = (trained(replicates, n, Path(name)) for n in (2, 2, 1))
            rows.append((f"{what}: two processes, weights", difference(first, second)))
            rows.append((f"{what}: one thread and two, weights", difference(first, one)))
    what = f"{REPLICATES} networks and each alone, {EPOCHS} epochs, probabilities"
    rows.append((what, alone_difference()))
    write_results("equality", pd.DataFrame(rows, columns=["compared", "largest_difference"]))


if __name__ == "__main__":
    main()
