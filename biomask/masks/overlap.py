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
