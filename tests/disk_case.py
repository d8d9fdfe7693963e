"""A small data set in memory and on disk, in every form that is read a few rows at a time."""

from __future__ import annotations

import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import zarr
from scipy import sparse

from biomask.masks.rows import Rows, Store

FORMS = ("h5ad csr", "h5ad dense", "zarr csr", "zarr dense", "path", "zarr path", "subset")


def table(n=90, n_genes=12, seed=0) -> pd.DataFrame:
    """Whole numbers from 0 to 5, half of them 0; names in no order."""
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 6, (n, n_genes)) * rng.integers(0, 2, (n, n_genes))
    names = [f"s{i}" for i in rng.permutation(n)], [f"g{i}" for i in range(n_genes)]
    return pd.DataFrame(values.astype(np.float32), *names)


def on_disk(frame: pd.DataFrame, form: str, folder: Path, dtype=np.float32):
    """The same values on disk, their genes and samples in another order."""
    rng = np.random.default_rng(5)
    extra = pd.DataFrame({"other": np.arange(len(frame))}, index=frame.index)
    moved = frame.join(extra).iloc[rng.permutation(len(frame)), rng.permutation(frame.shape[1] + 1)]
    if form == "subset":
        strangers = moved.set_axis([f"not {name}" for name in moved.index]) * 0 + 4
        whole = pd.concat([strangers, moved]).iloc[rng.permutation(2 * len(moved))]
        return _written(whole, "h5ad csr", folder, dtype)[moved.index]
    return _written(moved, form, folder, dtype)


def rows_on_disk(values: np.ndarray, chunk: int = 1) -> Rows:
    """The values in a store that keeps so many rows together."""
    matrix = zarr.array(values, chunks=(chunk, values.shape[1]))
    return Rows(Store({"X": matrix}, "X"), *map(np.arange, values.shape))


def _written(moved: pd.DataFrame, form: str, folder: Path, dtype):
    values = moved.to_numpy().astype(dtype)
    X = values if "dense" in form else sparse.csr_matrix(values)
    data = ad.AnnData(X, pd.DataFrame(index=moved.index), pd.DataFrame(index=moved.columns))
    if "zarr" in form:
        with warnings.catch_warnings(action="ignore"):  # of the version of Zarr's format
            data.write_zarr(folder / "data.zarr", chunks=(7, 5) if "dense" in form else None)
        path = folder / "data.zarr"
        return path if "path" in form else zarr.open_group(path, mode="r")
    data.write_h5ad(folder / "data.h5ad")
    path = folder / "data.h5ad"
    return path if form == "path" else ad.read_h5ad(path, backed="r")
