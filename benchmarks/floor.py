"""How far a step is from the floor, and where the time of one step of `fit` goes.

    python -m benchmarks.floor

Writes results/floor.csv (product and weight gradient: biomask, a C program, SciPy) and
results/profile.csv (what each layer of software adds to a step). The C program is compiled with
gcc when this runs and left out where there is none.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

import biomask as bm
from benchmarks.inputs import SIZES, Size, make_data, make_mask
from benchmarks.timing import repeated, summary, take_turns, write_results

SOURCE = Path(__file__).with_name("floor.c")
EPOCHS = 10  # of a call of `fit` in the profile
FLAGS = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]


def compiled_product() -> Callable | None:
    """`product_and_gradient` of floor.c, or None without gcc."""
    if shutil.which("gcc") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "floor.so"
        subprocess.run(["gcc", *FLAGS, str(SOURCE), "-o", str(library)], check=True)
        product = ctypes.CDLL(str(library)).product_and_gradient
    floats = np.ctypeslib.ndpointer(np.float32, flags="C")
    ints = np.ctypeslib.ndpointer(np.int32, flags="C")
    number = ctypes.c_int
    product.argtypes = [floats] * 3 + [ints] * 2 + [number] * 3 + [floats] * 2
    return product


def c_run(mask: bm.Mask, x: np.ndarray, w: np.ndarray, dy: np.ndarray):
    """The C program on these arrays, as a function that returns (y, dw); None without gcc."""
    product = compiled_product()
    if product is None:
        return None
    rows, _ = mask.edge_index
    rows = np.ascontiguousarray(rows, np.int32)
    start = np.concatenate([[0], np.cumsum(mask.sizes())]).astype(np.int32)

    def run() -> tuple[np.ndarray, np.ndarray]:
        y, dw = np.empty_like(dy), np.empty_like(w)
        if product(x, w, dy, rows, start, len(x), *mask.shape, y, dw):
            raise MemoryError("the C program found no memory")
        return y, dw

    return run


def floor(size: Size) -> pd.DataFrame:
    """Product and weight gradient of one batch."""
    from benchmarks.crossover import training_product
    from biomask.networks.kernels import KERNELS, Edges, pick_kernel

    mask = make_mask(size.n_genes, size.n_pathways)
    edges = Edges(*mask.edge_index, *mask.shape)
    x, _ = make_data(mask, size.batch)
    rng = np.random.default_rng(0)
    w = rng.standard_normal(mask.n_edges, dtype=np.float32)
    dy = rng.standard_normal((size.batch, size.n_pathways), dtype=np.float32)
    matrix = sparse.csr_array((w, mask.edge_index[::-1]), shape=mask.shape[::-1])
    transposed = np.ascontiguousarray(x.T)
    runs = {
        "biomask": training_product(KERNELS[pick_kernel(edges)](edges), edges, size.batch),
        "C, one thread": c_run(mask, x, w, dy),
        "SciPy, product only, x transposed before": lambda: matrix @ transposed,
        "transposing x alone (NumPy)": lambda: np.ascontiguousarray(x.T),
    }
    runs = {name: run for name, run in runs.items() if run is not None}
    calls = 10 if mask.n_edges < 50_000 else 2
    several = {name: repeated(run, calls) for name, run in runs.items()}
    base = "C, one thread" if "C, one thread" in runs else "biomask"
    table = summary(take_turns(several, seconds=8), base, calls=calls).reset_index()
    table.insert(0, "size", str(size))
    return table.rename(columns={"ratio": "ratio_to_c"} if base != "biomask" else {})


def profile(size: Size) -> pd.DataFrame:
    """A step of `fit`, from the inside out; each row does what the row above does, and more."""
    import tensorflow as tf

    from benchmarks.approaches import bare_step, biomask_model
    from benchmarks.crossover import training_product
    from biomask.networks.kernels import KERNELS, Edges, pick_kernel

    mask = make_mask(size.n_genes, size.n_pathways)
    X, y = make_data(mask, size.n_samples)
    x1, y1 = X[: size.batch], y[: size.batch]
    edges = Edges(*mask.edge_index, *mask.shape)
    steps = size.n_samples // size.batch
    product = training_product(KERNELS[pick_kernel(edges)](edges), edges, size.batch)
    one_batch = tf.data.Dataset.from_tensors((x1, y1)).repeat(steps)

    def fit(data, labels=None, steps_a_call=1, **kwargs):
        model = biomask_model(mask)
        model.steps_per_execution = steps_a_call
        batch = None if labels is None else size.batch
        return lambda: model.fit(data, labels, batch_size=batch, epochs=EPOCHS, verbose=0, **kwargs)

    n = EPOCHS * steps
    as_it_is = "+ shuffling: fit as it is"
    runs = {
        "product and weight gradient": repeated(product, n),
        "+ head, loss, Adam (bare step)": repeated(bare_step(biomask_model(mask), x1, y1), n),
        "+ fit: metrics, callbacks, dispatch": fit(one_batch),
        "+ batches cut from the arrays": fit(X, y, shuffle=False),
        as_it_is: fit(X, y),
        "fit with steps_per_execution=8": fit(X, y, 8),
    }
    times = take_turns(runs, seconds=60, warm_up=1)
    table = summary(times, as_it_is, calls=n).reset_index()
    table.insert(2, "ms_added", table["ms"].diff().fillna(table["ms"]))
    table.insert(0, "size", str(size))
    return table.rename(columns={"approach": "what is done"})


def main() -> None:
    sizes = [SIZES[key] for key in ("seed", "middle", "large")]
    write_results("floor", pd.concat([floor(size) for size in sizes]))
    write_results("profile", profile(SIZES["seed"]))


if __name__ == "__main__":
    main()
