"""Training from disk on 100,000 cells x 20,000 genes: peak memory, and speed beside memory.

    python -m benchmarks.streaming

Writes results/streaming.csv. Cells are simulated, 5 % of their values are not zero, and lie in an
.h5ad as anndata writes it, 0.8 GB in a temporary folder. Peaks are those of a process each that
goes through all cells. Speed is compared in one process, in turns, on the first cells, as many as
fit into memory with ease. The operating system keeps the file in memory where it can, as it does
for anybody.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from benchmarks.inputs import make_mask
from benchmarks.timing import take_turns, write_results

CELLS, GENES, PATHWAYS, SHARE = 100_000, 20_000, 2_000, 0.05
FIT_CELLS, STUDY_CELLS, BATCH = 10_000, 4_000, 128
CALL = {"folds": 5, "seeds": 1, "permutations": 1, "epochs": 1, "batch_size": BATCH}


def write_store(path: Path, n_cells: int) -> None:
    """Logged counts of cells whose class, in ``obs["y"]``, raises the genes of pathway p0."""
    import anndata
    import h5py

    mask = make_mask(GENES, PATHWAYS)
    rng = np.random.default_rng(0)
    raised = mask.genes.isin(mask.to_sets()["p0"])
    y = rng.integers(0, 2, n_cells)
    step = min(n_cells, 5_000)
    obs = pd.DataFrame({"y": y}, index=[f"cell{i}" for i in rng.permutation(n_cells)])
    first = anndata.AnnData(
        _cells(rng, raised, y[:step]), obs[:step], pd.DataFrame(index=mask.genes)
    )
    first.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        matrix = anndata.io.sparse_dataset(file["X"])
        for i in range(step, n_cells, step):
            matrix.append(_cells(rng, raised, y[i : i + step]))
        del file["obs"]
        anndata.io.write_elem(file, "obs", obs)


def _cells(rng, raised: np.ndarray, y: np.ndarray) -> sparse.csr_matrix:
    counts = rng.binomial(GENES, SHARE, len(y))
    rows = np.repeat(np.arange(len(y)), counts)
    genes = rng.integers(0, GENES, len(rows))
    values = rng.gamma(2.0, 0.7, len(rows)) * (1 + (raised[genes] & (y[rows] == 1)))
    shape = (len(y), GENES)
    cells = sparse.csr_matrix((values.astype(np.float32), (rows, genes)), shape=shape)
    cells.sum_duplicates()
    return cells


# ------------------------------------------------------------------------ inside a process


def peak_mb() -> float:
    """Highest resident memory of this process so far, MiB: a parent's is not in it."""
    status = Path("/proc/self/status").read_text()
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kilobytes) / 1024


def fit_all(path: str) -> dict:
    """An epoch of `fit` over every cell."""
    import biomask as bm

    mask, data = make_mask(GENES, PATHWAYS), _opened(path)
    model = bm.build_model(mask, seed=0)
    dataset = bm.stream(data, mask, data.obs["y"], batch_size=BATCH)
    before, start = peak_mb(), time.perf_counter()
    model.fit(dataset, epochs=1, shuffle=False, verbose=0)
    return {"what": "fit, all cells, one epoch", **_row(data, before, start)}


def crossfit_all(path: str) -> dict:
    """A small cross-fit of every cell."""
    import biomask as bm

    mask, data = make_mask(GENES, PATHWAYS), _opened(path)
    before, start = peak_mb(), time.perf_counter()
    study = bm.crossfit(mask, data, data.obs["y"], progress=False, **CALL)
    first = study.pathways["effect"].idxmax()
    row = {"what": "crossfit, all cells, ten networks of one epoch", "strongest": first}
    return {**row, **_row(data, before, start)}


def fit_speed(path: str) -> dict:
    """An epoch of `fit` from disk and from memory, in turns."""
    import biomask as bm

    mask, some, X = _few(path, FIT_CELLS)
    model = bm.build_model(mask, seed=0)
    values, labels = X.to_numpy(), some.obs["y"].to_numpy(np.float32)
    dataset = bm.stream(some, mask, some.obs["y"], batch_size=BATCH)
    runs = {
        "memory": lambda: model.fit(values, labels, batch_size=BATCH, epochs=1, verbose=0),
        "disk": lambda: model.fit(dataset, epochs=1, shuffle=False, verbose=0),
    }
    return _compared("fit, one epoch", runs, FIT_CELLS)


def crossfit_speed(path: str) -> dict:
    """A cross-fit from disk and from memory, in turns."""
    import biomask as bm

    mask, some, X = _few(path, STUDY_CELLS)
    runs = {
        name: lambda data=data: bm.crossfit(mask, data, some.obs["y"], progress=False, **CALL)
        for name, data in (("memory", X), ("disk", some))
    }
    return _compared("crossfit", runs, STUDY_CELLS)


def _few(path: str, n_cells: int) -> tuple:
    """The mask, the first cells on disk, and the same in memory."""
    mask, some = make_mask(GENES, PATHWAYS), _opened(path)[:n_cells]
    loaded = some.to_memory()
    return mask, some, pd.DataFrame(loaded.X.toarray(), loaded.obs_names, loaded.var_names)


def _compared(what: str, runs: dict[str, Callable], n_cells: int) -> dict:
    times = take_turns(runs, rounds=5, seconds=60, warm_up=1)
    return {
        "what": f"{what}, from disk beside memory",
        "cells": n_cells,
        "seconds": times["disk"].median(),
        "samples_per_second": n_cells / times["disk"].median(),
        "in_memory_per_second": n_cells / times["memory"].median(),
        "speed_over_memory": (times["memory"] / times["disk"]).median(),
    }


def _opened(path: str):
    import anndata

    return anndata.read_h5ad(path, backed="r")


def _row(data, before: float, start: float) -> dict:
    seconds = time.perf_counter() - start
    rate = data.n_obs / seconds
    parts = {"seconds": seconds, "samples_per_second": rate, "before_mb": before}
    return {"cells": data.n_obs, **parts, "peak_mb": peak_mb()}


PARTS: dict[str, Callable[[str], dict]] = {
    part.__name__: part for part in (fit_all, fit_speed, crossfit_all, crossfit_speed)
}


def measured(benchmark: str, part: str, path: Path) -> dict:
    """The row of one part of a benchmark, which runs in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{benchmark}", part, str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{part} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.h5ad"
        write_store(path, CELLS)
        rows = [measured("streaming", part, path) for part in PARTS]
    write_results("streaming", pd.DataFrame(rows))


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(PARTS[sys.argv[1]](sys.argv[2])))
    else:
        main()
