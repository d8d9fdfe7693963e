"""Matrix and names of a mask, from what people have at hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy import sparse

from biomask.errors import MaskError
from biomask.masks import checks
from biomask.masks.matrices import sample_values

Parts = tuple[sparse.csc_array, list, list]  # matrix, genes, pathways


def dense_parts(array, genes, pathways, *, weighted: bool) -> Parts:
    """Of a 2-D matrix of genes x pathways; see `Mask.from_dense`."""
    array, by_name = sample_values(array, "the mask")
    if isinstance(array, pd.DataFrame):
        genes = array.index if genes is None and by_name else genes
        pathways = array.columns if pathways is None else pathways
    values = checks.numeric_matrix(array)
    if values.ndim != 2:
        raise MaskError(
            f"a mask needs a 2-D matrix of genes x pathways, received shape {values.shape}",
            code="E-MASK-SHAPE",
        )
    n_genes, n_pathways = values.shape
    genes = [f"gene_{i}" for i in range(n_genes)] if genes is None else genes
    pathways = [f"pathway_{j}" for j in range(n_pathways)] if pathways is None else pathways
    genes = checks.unique_names(genes, n_genes, "gene")
    pathways = checks.unique_names(pathways, n_pathways, "pathway")
    matrix = sparse.csc_array(values)
    if not weighted:
        checks.check_binary(matrix, genes, pathways)
    return matrix, genes, pathways


def set_parts(sets: Mapping[str, Iterable[str]], genes: Iterable | None) -> Parts:
    """Of a mapping of pathway name to its genes; see `Mask.from_sets`."""
    if not hasattr(sets, "items"):
        raise MaskError(
            f"the gene sets must be a mapping of pathway name to its genes, received "
            f"a {type(sets).__name__}",
            code="E-MASK-NAMES",
            hint="Such as {'Apoptosis': ['TP53', 'BAX']}; bm.read_gmt reads a file of them.",
        )
    sets = {
        name: checks.name_list(members, f"the genes of {name!r}") for name, members in sets.items()
    }
    flat = np.array([gene for members in sets.values() for gene in members], dtype=object)
    names = pd.unique(flat) if genes is None else genes
    index = checks.unique_names(names, None, "gene")
    rows = index.get_indexer(pd.Index(flat, dtype=object))  # pandas 3 would make it text
    if (rows < 0).any():
        raise MaskError(
            "genes of the sets are missing from the given genes",
            code="E-MASK-NAMES",
            genes=pd.unique(flat[rows < 0]),
        )
    cols = np.repeat(np.arange(len(sets)), [len(members) for members in sets.values()])
    matrix = sparse.coo_array(
        (np.ones(len(rows), np.float32), (rows, cols)), shape=(len(index), len(sets))
    ).tocsc()
    matrix.data[:] = 1  # a gene listed twice in a set is one edge
    return matrix, index, list(sets)
