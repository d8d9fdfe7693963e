"""Rows of a samples x genes matrix that stays on disk, read a few at a time."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy import sparse

READ = 1 << 25  # bytes of float32 that are made in one go
NEAR = 1 << 18  # bytes between two rows below which reading them is quicker than a second call
CACHED = 1 << 18  # elements that are scaled at a time: they stay in cache
LARGEST = 10  # deviations from the mean beyond which nothing goes
_END = object()


class Store:
    """A matrix on disk: opened when first read, and again by the process that it is sent to.

    Parameters
    ----------
    place : str or zarr.Group
        An HDF5 file, or the root of a Zarr store.
    key : str
        Of the matrix, such as ``X``.
    """

    def __init__(self, place, key: str):
        self.place, self.key = place, key

    def __getstate__(self) -> dict:
        return {"place": self.place, "key": self.key}

    @functools.cached_property
    def root(self):
        """The open file, or the group."""
        if not isinstance(self.place, str):
            return self.place
        import h5py

        return h5py.File(self.place, "r")

    @functools.cached_property
    def matrix(self):
        """With ``shape``, ``dtype`` and ``[start:stop]``, which gives an array or a CSR matrix."""
        found = self.root[self.key]
        if hasattr(found, "dtype"):
            return found
        from anndata.io import sparse_dataset

        return sparse_dataset(found)

    @functools.cached_property
    def row_bytes(self) -> int:
        """Of a row on disk, about."""
        n_rows, n_genes = self.matrix.shape
        if not self.is_sparse:
            return max(1, n_genes * self.matrix.dtype.itemsize)
        values, places = self.root[self.key]["data"], self.root[self.key]["indices"]
        each = values.dtype.itemsize + places.dtype.itemsize
        return max(1, values.shape[0] * each // max(1, n_rows))

    @property
    def is_sparse(self) -> bool:
        return hasattr(self.matrix, "format")

    @functools.cached_property
    def chunk_rows(self) -> int:
        """Rows that the store keeps, and reads, together: 1 where it has no chunks."""
        held = self.root[self.key]["data"] if self.is_sparse else self.matrix
        if held.chunks is None:
            return 1
        if not self.is_sparse:
            return held.chunks[0]
        return max(1, held.chunks[0] * self.matrix.shape[0] // max(1, held.shape[0]))


class Rows:
    """Some samples and genes of a matrix on disk, as float32.

    ``rows[int array]`` is fewer samples, still on disk; ``rows[start:stop]`` and
    ``numpy.asarray(rows)`` read them, whatever the order in which they lie.

    Parameters
    ----------
    store : Store
    rows, columns : int arrays, shapes (n,) and (genes,)
        Positions in the store.
    mean, scale : float64 arrays, shape (genes,), optional
        Values become (x - mean) / scale, and nothing goes beyond ten.
    """

    def __init__(self, store: Store, rows: np.ndarray, columns: np.ndarray, mean=None, scale=None):
        self.store, self.rows, self.columns = store, rows, columns
        self.mean, self.scale = mean, scale

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows), len(self.columns)

    @property
    def nbytes(self) -> int:
        """As float32 in memory."""
        return 4 * len(self.rows) * len(self.columns)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index):
        fewer = copy.copy(self)
        fewer.rows = self.rows[index]
        return np.asarray(fewer) if isinstance(index, slice) else fewer

    def scaled(self, mean: np.ndarray, scale: np.ndarray) -> Rows:
        """The same rows, scaled where they are read."""
        return Rows(self.store, self.rows, self.columns, mean, scale)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        values = np.empty(self.shape, np.float32)
        order = np.argsort(self.rows, kind="stable")
        rows = self.rows[order]
        for span in self._spans(rows):
            low, high = int(rows[span][0]), int(rows[span][-1]) + 1
            self._fill(values, order[span], self.store.matrix[low:high], rows[span] - low)
        return values if dtype is None else values.astype(dtype, copy=False)

    def _spans(self, rows: np.ndarray) -> Iterator[slice]:
        """Rising rows in pieces that lie close together, of bounded extent."""
        if not len(rows):
            return
        row_bytes, chunk_rows = self.store.row_bytes, self.store.chunk_rows
        far = np.diff(rows, prepend=rows[0]) > max(NEAR // row_bytes, chunk_rows)
        first = np.maximum.accumulate(np.where(far, rows, rows[0]))
        most = max(READ // row_bytes, 1)
        if chunk_rows <= 8 * most:  # whole chunks, where that is not much more
            most = -(-most // chunk_rows) * chunk_rows
        piece = (rows - first) // most
        cuts = np.flatnonzero(far[1:] | (np.diff(piece) != 0)) + 1
        edges = [0, *cuts.tolist(), len(rows)]
        yield from map(slice, edges, edges[1:])

    def _fill(self, values: np.ndarray, places: np.ndarray, block, picked: np.ndarray) -> None:
        """Put the picked rows of a block that was read where they belong."""
        is_sparse = sparse.issparse(block)
        if is_sparse:
            block = sparse.csr_array(
                (block.data, self._place[block.indices], block.indptr),
                shape=(block.shape[0], len(self.columns) + 1),
            )
        block = block if (np.diff(picked) == 1).all() else block[picked]
        step = max(1, CACHED // max(1, len(self.columns)))
        for i in range(0, len(places), step):
            part = block[i : i + step]
            if is_sparse:
                part = part.toarray()[:, :-1]
            elif self._place is not None:
                part = part[:, self.columns]
            # What becomes infinite is reported with its gene.
            with np.errstate(over="ignore", under="ignore"):
                part = part.astype(np.float32, copy=False)
            values[places[i : i + step]] = part if self.mean is None else self._scaled(part)

    def _scaled(self, part: np.ndarray) -> np.ndarray:
        wide = part.astype(np.float64)
        wide -= self.mean
        wide /= self.scale
        part = wide.astype(np.float32)
        return part.clip(-LARGEST, LARGEST, out=part)

    @functools.cached_property
    def _place(self) -> np.ndarray | None:
        """Where a gene of the store goes, the last place for those left out; None: all as is."""
        n_genes = self.store.matrix.shape[1]
        as_is = len(self.columns) == n_genes and (self.columns == np.arange(n_genes)).all()
        if as_is and not self.store.is_sparse:
            return None
        place = np.full(n_genes, len(self.columns), np.int32)
        place[self.columns] = np.arange(len(self.columns))
        return place


def batches(X: np.ndarray | Rows, size: int | None = None) -> Iterator[tuple]:
    """(where, float32 rows) in pieces of `size`.

    An array comes in its own order, and whole without `size`; `where` is a slice. Rows on disk come
    in the order of the disk, the next ones read meanwhile, and no more of them than are read in one
    go; `where` is an int array of positions.
    """
    if not isinstance(X, Rows):
        size = size or max(1, len(X))
        yield from ((slice(i, i + size), X[i : i + size]) for i in range(0, len(X), size))
        return
    order = np.argsort(X.rows, kind="stable")
    step = max(1, READ // (4 * max(1, X.shape[1])))
    size = min(size or step, step)
    step -= step % size
    pieces = (order[i : i + step] for i in range(0, len(X), step))
    for where, values in ahead((where, np.asarray(X[where])) for where in pieces):
        for i in range(0, len(where), size):
            yield where[i : i + size], values[i : i + size]


def ahead(items) -> Iterator:
    """The items, each made by a thread while the one before it is used."""
    items = iter(items)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(next, items, _END)
        while (item := waiting.result()) is not _END:
            waiting = thread.submit(next, items, _END)
            yield item


def row_mean(X: np.ndarray | Rows) -> np.ndarray:
    """Mean of every gene over the samples, float32."""
    if not isinstance(X, Rows):
        return X.mean(axis=0)
    total = np.zeros(X.shape[1])
    for _, values in batches(X):
        total += values.sum(axis=0, dtype=np.float64)
    return (total / len(X)).astype(np.float32)
