"""A hierarchy restricted to some of its genes: built again from what its pathways have left."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import sparse

from biomask.errors import MaskError
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.levels import OWN, RESIDUAL
from biomask.masks.mask import Mask

_STATES = {"own genes", "residual"}  # notes on what there is, which the next hierarchy says anew


def gene_sets(hier: Hierarchy) -> Mask:
    """The genes of every pathway, without the units that the hierarchy added.

    Raises
    ------
    MaskError
        Own genes are not those of the pathway they are named after (E-HIERARCHY-REWIRED).
    """
    table = hier.table
    own = table.index[table["kind"] == "own genes"]
    moved = own[table.loc[own, "parents"] != own.str.removesuffix(OWN)]
    if len(moved):
        raise MaskError(
            "the hierarchy was rewired, and own genes are no longer those of their pathway",
            code="E-HIERARCHY-REWIRED",
            genes=moved,
            hint="Align first, then rewire.",
        )
    flat = hier.flatten()
    named = np.flatnonzero(table["kind"].isin(["leaf", "inner"]))
    return flat.derive(flat.to_scipy()[:, named], flat.genes, flat.pathways[named], [])


def has_residual(hier: Hierarchy) -> bool:
    """Whether genes in no pathway have a unit."""
    return RESIDUAL in hier.pathways


def with_genes(mask: Mask, names: Iterable[str]) -> Mask:
    """The mask with those of `names` that it does not have as genes of no pathway."""
    extra = [name for name in dict.fromkeys(names) if name and name not in mask.genes]
    rows = sparse.csc_array((len(extra), mask.shape[1]), dtype=np.float32)
    matrix = sparse.vstack([mask.to_scipy(), rows])
    return mask.derive(matrix, [*mask.genes, *extra], mask.pathways, [])


def restricted(hier: Hierarchy, sets: Mask, min_genes: int) -> Hierarchy:
    """The hierarchy of these gene sets and the relations of `hier`.

    Parameters
    ----------
    hier : Hierarchy
    sets : Mask
        `gene_sets` of it, with fewer genes, or other names of genes.
    min_genes : int
    """
    added = hier.table["kind"].isin(["own genes", "residual"])
    relations = hier.relations
    relations = relations[~relations["child"].isin(added.index[added])]
    return Hierarchy.from_sets(
        sets,
        relations,
        min_genes=min_genes,
        residual=has_residual(hier),
        notes=[note for note in hier.notes if note.action not in _STATES],
    )


def added_units(hier: Hierarchy) -> pd.DataFrame:
    """The rows of the report on genes that enter by a unit of their own, or not at all."""
    report = hier.report
    return report[report["action"].isin([*_STATES, "left out genes"])]
