"""A small made-up data set whose answer is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from biomask.errors import ArgumentError
from biomask.masks.mask import Mask

if TYPE_CHECKING:
    from anndata import AnnData

N_PATHWAYS = 12
SIZES = range(8, 16)  # genes of a pathway
SHARED = 2  # genes that a pathway shares with the next
EFFECT = 1.0  # standard deviations by which the planted genes differ between the classes


def toy(n_samples: int = 200, *, random_state: int = 0) -> tuple[AnnData, Mask]:
    """A small data set and a matching mask with one planted pathway, for examples and tests.

    Every value is standard normal noise; in samples with ``y == 1`` each gene of one pathway is
    higher by 1. The 12 pathways ``P1`` to ``P12`` have 8 to 15 genes, and each shares two with
    the next (``P12`` with ``P1``), so the neighbours of the planted one carry a little of it.

    Parameters
    ----------
    n_samples : int
        At least 2. Half of them (rounded down) have ``y == 1``.
    random_state : int
        The same number gives the same mask and data; another one plants another pathway.

    Returns
    -------
    adata : AnnData
        ``X``: float32, samples x genes, columns in the order of ``mask.genes``; ``obs["y"]``: 0 or
        1; ``uns["truth"]``: the planted ``pathway``, its ``genes`` and the ``effect``.
    mask : Mask

    Raises
    ------
    ArgumentError
        `n_samples` is less than 2.
    """
    from anndata import AnnData

    if n_samples < 2:
        raise ArgumentError(
            f"n_samples must be at least 2, one of each class; received {n_samples}",
            code="E-SAMPLES",
        )
    rng = np.random.default_rng(random_state)
    mask = _ring(rng)
    planted = mask.pathways[rng.integers(N_PATHWAYS)]
    member = mask.to_dense()[planted].to_numpy()
    y = rng.permutation(np.arange(n_samples) < n_samples // 2).astype(np.int64)
    values = rng.standard_normal((n_samples, len(mask.genes))) + EFFECT * np.outer(y, member)
    samples = [f"sample_{i + 1}" for i in range(n_samples)]
    adata = AnnData(
        X=values.astype(np.float32),
        obs=pd.DataFrame({"y": y}, index=samples),
        var=pd.DataFrame(index=mask.genes),
    )
    genes = mask.genes[member == 1].to_list()
    adata.uns["truth"] = {"pathway": planted, "genes": genes, "effect": EFFECT}
    return adata, mask


def _ring(rng: np.random.Generator) -> Mask:
    """Pathways that follow each other around a circle of genes, each overlapping the next."""
    sizes = rng.integers(SIZES.start, SIZES.stop, size=N_PATHWAYS)
    n_genes = int(sizes.sum()) - SHARED * N_PATHWAYS
    starts = np.cumsum(sizes - SHARED) - (sizes - SHARED)
    cols = np.repeat(np.arange(N_PATHWAYS), sizes)
    rows = np.concatenate([np.arange(a, a + k) for a, k in zip(starts, sizes, strict=True)])
    rows = rng.permutation(n_genes)[rows % n_genes]
    edges = sparse.coo_array((np.ones(rows.size), (rows, cols)), shape=(n_genes, N_PATHWAYS))
    genes = [f"G{i + 1:03d}" for i in range(n_genes)]
    return Mask(edges, genes, [f"P{j + 1}" for j in range(N_PATHWAYS)])
