"""A mask or a hierarchy restricted to some of its genes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import sparse

from biomask.errors import MaskError
from biomask.masks.alignment_report import Entry
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.levels import OWN
from biomask.masks.mask import Mask

_ADDED = ("own genes", "residual")  # kinds of units that are no pathways, and notes on them


def restricted_mask(mask: Mask, there: np.ndarray, kept: np.ndarray) -> Mask:
    """The kept pathways and those of their genes that are there.

    Parameters
    ----------
    mask : Mask
    there : bool array, shape (n_genes,)
    kept : bool array, shape (n_pathways,)
    """
    rows, cols = mask.edge_index
    used = np.zeros(mask.shape[0], dtype=bool)
    used[rows[kept[cols]]] = True
    return mask.select(genes=mask.genes[used & there], pathways=mask.pathways[kept])


def hierarchy_sets(hier: Hierarchy) -> Mask:
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
    pathways = np.flatnonzero(~table["kind"].isin(_ADDED))
    return flat.derive(flat.to_scipy()[:, pathways], flat.genes, flat.pathways[pathways], [])


def with_residual_genes(hier: Hierarchy, sets: Mask, names: Iterable[str]) -> Mask:
    """`sets` with all `names` among its genes, if `hier` has a unit for genes in no pathway."""
    if not hier.residual:
        return sets
    there = set(sets.genes)
    extra = [name for name in dict.fromkeys(names) if name and name not in there]
    rows = sparse.csc_array((len(extra), sets.shape[1]), dtype=np.float32)
    matrix = sparse.vstack([sets.to_scipy(), rows])
    return sets.derive(matrix, [*sets.genes, *extra], sets.pathways, [])


def restricted_hierarchy(
    hier: Hierarchy, sets: Mask, min_genes: int, log: list[Entry]
) -> Hierarchy:
    """The hierarchy of these gene sets and the relations of `hier`, built again by its rules.

    Parameters
    ----------
    hier : Hierarchy
    sets : Mask
        `hierarchy_sets` of it, with fewer genes or other genes in no set.
    min_genes : int
    log : list of Entry
        Gets an entry for each unit of genes that are in no child, and for genes left out.
    """
    kinds, relations = hier.table["kind"], hier.relations
    before = [note for note in hier.notes if note.action not in _ADDED]  # those are said anew
    result = Hierarchy.from_sets(
        sets,
        relations[~relations["child"].map(kinds).isin(_ADDED)],
        min_genes=max(min_genes, 1),
        residual=hier.residual,
        notes=before,
    )
    log += [
        Entry("note", "pathway", note.subject, detail=f"{note.action}: {note.detail}")
        for note in result.notes[len(before) :]
        if not note.action.startswith("dropped")  # which `align` tells by itself
    ]
    log.append(Entry("note", "pathway", "max_genes", detail="has no say in a hierarchy"))
    return result
