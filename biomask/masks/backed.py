"""Data that lie on disk, with names: a backed AnnData, or an AnnData store of Zarr or HDF5."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from biomask.errors import AlignmentError, DataError, StorageError, listed
from biomask.masks.matrices import as_frame, is_anndata
from biomask.masks.naming import text_names
from biomask.masks.rows import Rows, Store

IN_MEMORY = 1 << 27  # bytes of float32 up to which data on disk are simply read


@dataclass(frozen=True, eq=False)
class DiskTable:
    """Samples x genes whose values stay on disk.

    Attributes
    ----------
    rows : Rows
        In the order of `index` and `columns`.
    index, columns : Index
        Names of samples and genes.
    content : str
        A digest of the values; "" before they were looked at.
    """

    rows: Rows
    index: pd.Index
    columns: pd.Index
    content: str = ""

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, genes: Iterable[str]) -> DiskTable:
        genes = pd.Index(genes)
        columns = self.rows.columns[self.columns.get_indexer(genes)]
        rows = Rows(self.rows.store, self.rows.rows, columns)
        return replace(self, rows=rows, columns=genes)

    def take(self, order: np.ndarray, names: pd.Index) -> DiskTable:
        """These samples, by position, under these names."""
        return replace(self, rows=self.rows[order], index=names)


def read_data(X, genes: pd.Index, *, layer: str | None = None) -> pd.DataFrame | DiskTable:
    """The values of `genes`, in that order: what is large and on disk stays there.

    Parameters
    ----------
    X : as `as_frame` takes it; or a backed AnnData, a path of its file or Zarr store, a zarr.Group
        On disk `X` or `layer` is an array of any real numbers or a CSR matrix. Of a subset of a
        backed AnnData its samples and genes are taken.
    genes : Index
        Matched by name. Further genes of the data are ignored.
    layer : str, optional

    Raises
    ------
    AlignmentError
        Data on disk lack genes.
    DataError
        See `as_frame`; and a matrix on disk is no CSR matrix and no array of real numbers.
    StorageError
        The store cannot be opened, or it links to other files.
    """
    if hasattr(X, "element_spec"):  # a tf.data.Dataset: batches without names or a fixed order
        raise DataError(
            "X is a tf.data.Dataset, whose samples have no names",
            code="E-DATA-STREAM",
            hint="Pass what bm.stream was given, the AnnData or its path: it stays on disk too.",
        )
    if not is_on_disk(X):
        return as_frame(X, genes, layer=layer)
    table = _opened(X, "X" if layer is None else f"layers/{layer}")
    table = _restricted(table, genes)
    if table.rows.nbytes > IN_MEMORY:
        return table
    values = np.asarray(table.rows)
    return as_frame(pd.DataFrame(values, index=table.index, columns=genes), genes)


def is_on_disk(X) -> bool:
    """Whether these are data that `read_data` would leave on disk."""
    return isinstance(X, str | Path) or _is_group(X) or (is_anndata(X) and X.isbacked)


def refuse_on_disk(X: pd.DataFrame | DiskTable, what: str) -> None:
    """Refuse data that stayed on disk, for what needs them in memory.

    Raises
    ------
    DataError
        Says how large they are.
    """
    if isinstance(X, DiskTable):
        raise DataError(
            f"{what} needs X in memory, where these {len(X):,} samples and {len(X.columns):,} "
            f"genes take {X.rows.nbytes / 2**30:.1f} GB",
            code="E-DATA-DISK",
            hint="Read them (adata.to_memory(), anndata.io.read_zarr), all or a part.",
        )


def _is_group(X) -> bool:
    # By name: zarr takes half a second to import.
    return type(X).__module__.split(".")[0] == "zarr" and type(X).__name__ == "Group"


def _opened(X, key: str) -> DiskTable:
    """The table with every sample and gene of the data."""
    if not (isinstance(X, str | Path) or _is_group(X)):  # a backed AnnData
        store = _store(str(Path(X.filename).resolve()), key)
        names = X.obs_names, X.var_names
        parts = (X._oidx, X._vidx) if X.is_view else (slice(None), slice(None))
        places = [np.arange(n)[part] for n, part in zip(store.matrix.shape, parts, strict=True)]
    else:
        store = _store(_root(X, key), key)
        names = [pd.Index(_names(store, axis)) for axis in ("obs", "var")]
        places = [np.arange(n) for n in store.matrix.shape]
    if [len(part) for part in names] != [len(part) for part in places]:
        raise StorageError(
            f"{key} has shape {store.matrix.shape}, and there are {len(names[0])} names of "
            f"samples and {len(names[1])} of genes",
            code="E-STORE",
            file=_file(store),
            hint="Write the store again.",
        )
    if not len(names[0]):
        raise DataError("X has no sample", code="E-DATA-EMPTY")
    return DiskTable(Rows(store, *places), names[0], pd.Index(text_names(names[1]), dtype=object))


def _root(X, key: str):
    if _is_group(X):
        return X
    if not Path(X).exists() and "://" not in str(X):
        raise StorageError("there is no such file or folder", code="E-STORE", file=X)
    import h5py

    if Path(X).is_file() and h5py.is_hdf5(X):
        from biomask.hdf5 import check_table

        check_table(X, key)
        return str(Path(X).resolve())
    import zarr

    try:
        return zarr.open_group(X, mode="r")
    except (OSError, ValueError) as error:
        raise StorageError(
            f"no HDF5 file and no Zarr store: {error}",
            code="E-STORE",
            file=X,
            hint="Pass what anndata wrote with write_h5ad or write_zarr.",
        ) from error


def _store(place, key: str) -> Store:
    store = Store(place, key)
    try:
        matrix = store.matrix
        fit = len(matrix.shape) == 2 and matrix.dtype.kind in "biuf"
    except (KeyError, OSError, ValueError, TypeError, AttributeError) as error:
        raise StorageError(
            f"{key} cannot be read: {error}",
            code="E-STORE",
            file=_file(store),
            hint="Check the name of the layer, and that no other program writes to the file.",
        ) from error
    if not fit:
        raise DataError(
            f"{key} on disk holds {matrix.dtype} of shape {matrix.shape}, not real numbers of "
            "samples x genes",
            code="E-DATA-DTYPE",
        )
    if getattr(matrix, "format", "csr") != "csr":
        raise DataError(
            f"{key} on disk is stored gene by gene (CSC): a few samples cannot be read without "
            "reading all",
            code="E-DATA-CSC",
            hint="Write it once more sample by sample: adata.X = adata.X.tocsr(), then write_h5ad.",
        )
    return store


def _names(store: Store, axis: str) -> np.ndarray:
    from anndata.io import read_elem

    try:
        group = store.root[axis]
        return np.asarray(read_elem(group[group.attrs["_index"]]), dtype=object)
    except (KeyError, OSError, TypeError) as error:
        raise StorageError(
            f"the names in {axis} cannot be read: {error}",
            code="E-STORE",
            file=_file(store),
            hint="Pass what anndata wrote with write_h5ad or write_zarr.",
        ) from error


def _file(store: Store) -> str:
    return store.place if isinstance(store.place, str) else str(store.place.store_path)


def _restricted(table: DiskTable, genes: pd.Index) -> DiskTable:
    """The table with these genes, in this order."""
    found = table.columns[table.columns.isin(genes)]
    if not found.is_unique:
        raise DataError(
            "X has several columns of the same gene",
            code="E-DATA-DUPLICATE",
            genes=found[found.duplicated()].unique(),
            hint="Merge them before writing the store.",
        )
    absent = genes[~genes.isin(found)]
    if len(absent):
        raise AlignmentError(
            f"the data on disk lack {len(absent)} of {len(genes)} genes of the mask, and have "
            f"others, such as {listed(table.columns[~table.columns.isin(genes)], 3) or 'none'}",
            code="E-ALIGN-GENES",
            genes=absent,
            hint="Restrict the mask first: bm.align(mask, adata[:500].to_memory()).mask looks at "
            "some samples and reports, mask.select(genes=mask.genes[mask.genes.isin("
            "adata.var_names)]) only drops genes.",
        )
    return table[genes]
