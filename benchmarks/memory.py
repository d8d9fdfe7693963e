"""Peak memory of every approach, each in a process of its own.

    python -m benchmarks.memory

Writes results/memory.csv. This process imports neither TensorFlow nor PyTorch: a child's peak is
never below what its parent occupied when it was started.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pandas as pd

from benchmarks.inputs import DENSE, MEMORY_ONLY, SIZES, approaches_at, free_bytes
from benchmarks.timing import write_results

# size, batch
CASES = [("seed", 128), ("middle", 128), ("large", 128), ("huge", 64), ("wide", 256)]
CHILD = """
import json, resource, sys
key, batch, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
from benchmarks import one_network
from benchmarks.approaches import biomask_model
from benchmarks.inputs import MEMORY_ONLY, SIZES, TORCH, make_data, make_mask
size = {**SIZES, **MEMORY_ONLY}[key]
mask = make_mask(size.n_genes, size.n_pathways)
X, y = make_data(mask, 2 * batch)
if name in TORCH:
    import torch
ours = biomask_model(mask)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
one_network.fit_run(name, ours, X, y, batch, 2)()
print(json.dumps({
    "size": str(size), "edges": mask.n_edges, "batch": batch, "approach": name,
    "data_mb": X.nbytes / 2**20, "before_fit_mb": before, "peak_mb": peak(),
}))
"""


def measured(key: str, batch: int, name: str) -> dict:
    """Peak resident memory, MiB, before and after four training steps in `fit`."""
    command = [sys.executable, "-c", CHILD, key, str(batch), name]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name} at {key} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    rows = []
    for key, batch in CASES:
        size = {**SIZES, **MEMORY_ONLY}[key]
        dense_fits = 8 * size.n_genes * size.n_pathways * 4 < 0.8 * free_bytes()
        for name in approaches_at(size):
            if key == "wide" and name != "biomask":
                continue
            if dense_fits or name not in DENSE:
                rows.append(measured(key, batch, name))
    write_results("memory", pd.DataFrame(rows))


if __name__ == "__main__":
    main()
