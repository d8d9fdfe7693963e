"""Masks with a known difficulty: overlapping decoys, and hub genes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from biomask.masks.mask import Mask


def decoy_mask(
    *, jaccard_index: float, n_decoys: int = 3, n_pathways: int = 20, size: int = 20
) -> Mask:
    """Pathways of one size: ``planted``, decoys that share genes with it, others that share none.

    Parameters
    ----------
    jaccard_index : float
        Of each decoy with ``planted``, as near as whole genes allow; 1 makes identical pathways.
        Decoys ``decoy_1``, ... share the same genes of ``planted`` and have others of their own.
    n_decoys, n_pathways, size : int
        ``n_pathways`` counts all: planted, decoys, and ``other_1``, ...
    """
    shared = round(2 * size * jaccard_index / (1 + jaccard_index))
    sets = {"planted": [f"g{k}" for k in range(size)]}
    used = size
    for k in range(n_pathways - 1):
        is_decoy = k < n_decoys
        name = f"decoy_{k + 1}" if is_decoy else f"other_{k + 1 - n_decoys}"
        borrowed = shared if is_decoy else 0
        own = [f"g{g}" for g in range(used, used + size - borrowed)]
        used += len(own)
        sets[name] = sets["planted"][:borrowed] + own
    return Mask.from_sets(sets)


def hub_mask(
    sizes: Iterable[int], n_genes: int, *, hubness: float = 1.0, random_state: int = 0
) -> Mask:
    """Random pathways of the given sizes, in which some genes occur far oftener than others.

    Genes are drawn without replacement with weights exp(hubness * standard normal). Genes that no
    pathway drew stay in the mask.
    """
    rng = np.random.default_rng(random_state)
    weight = np.exp(hubness * rng.standard_normal(n_genes))
    genes = np.array([f"g{k}" for k in range(n_genes)], dtype=object)
    sets = {
        f"P{k + 1}": rng.choice(genes, size, replace=False, p=weight / weight.sum())
        for k, size in enumerate(sizes)
    }
    return Mask.from_sets(sets, genes=genes)
