"""Which pathways share their genes."""

from __future__ import annotations

import numpy as np
from scipy import sparse


def identical_columns(matrix: sparse.csc_array) -> list[np.ndarray]:
    """Groups of column positions with the same entries, in order of first appearance."""
    groups: dict[tuple[bytes, bytes], list[int]] = {}
    for j, (start, stop) in enumerate(zip(matrix.indptr, matrix.indptr[1:], strict=False)):
        key = matrix.indices[start:stop].tobytes(), matrix.data[start:stop].tobytes()
        groups.setdefault(key, []).append(j)
    return [np.array(members) for members in groups.values()]


def jaccard(matrix: sparse.csc_array) -> np.ndarray:
    """Shared genes over all genes of every pair of columns, shape (n_pathways, n_pathways).

    Two pathways without any gene have an index of 0.
    """
    binary = (matrix != 0).astype(np.float32)
    shared = (binary.T @ binary).toarray()
    sizes = np.diag(shared)
    union = sizes[:, None] + sizes[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def linked(matrix: sparse.csc_array, threshold: float) -> sparse.coo_array:
    """Pairs of columns whose `jaccard` is at least a threshold above 0: their indices, sparse.

    Only pairs that share a gene are looked at.
    """
    binary = sparse.csc_array((matrix != 0).astype(np.float32))
    shared = sparse.coo_array(binary.T @ binary)
    sizes = np.diff(binary.indptr).astype(np.float32)
    one, other = shared.coords
    index = shared.data / (sizes[one] + sizes[other] - shared.data)
    near = index >= threshold
    return sparse.coo_array((index[near], (one[near], other[near])), shape=shared.shape)


def nearest(matrix: sparse.csc_array) -> tuple[np.ndarray, np.ndarray]:
    """For every column the other one with the largest Jaccard index, and that index.

    Only pairs that share a gene are looked at, so that ten thousand pathways are no obstacle.

    Returns
    -------
    which : int array, shape (n_pathways,)
        Its own position where it shares no gene with any; of equals the first.
    index : float array, shape (n_pathways,)
    """
    binary = sparse.csc_array((matrix != 0).astype(np.float32))
    shared = sparse.csc_array(binary.T @ binary)
    shared.sort_indices()
    sizes = np.diff(binary.indptr)
    which, best = np.arange(matrix.shape[1]), np.zeros(matrix.shape[1])
    for j, (start, stop) in enumerate(zip(shared.indptr, shared.indptr[1:], strict=False)):
        others, both = shared.indices[start:stop], shared.data[start:stop]
        index = np.where(others == j, 0, both / (sizes[others] + sizes[j] - both))
        if index.any():
            which[j], best[j] = others[index.argmax()], index.max()
    return which, best
