"""Masks made from a mask: fewer, merged, renamed or rewired; each keeps the notes and adds its own.

The functions of the methods of the same purpose: `Mask.filter`, `Mask.select`, ...
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from biomask.errors import BiomaskWarning, MaskError
from biomask.masks import checks
from biomask.masks.notes import Note
from biomask.masks.overlap import identical_columns
from biomask.masks.rewiring import curveball

if TYPE_CHECKING:
    from biomask.masks.mask import Mask


def keep_sizes(mask: Mask, min_genes: int, max_genes: int | None) -> Mask:
    """The pathways of `min_genes` to `max_genes` genes."""
    sizes = mask.sizes().to_numpy()
    keep = sizes >= min_genes
    if max_genes is not None:
        keep &= sizes <= max_genes
    if not keep.any():
        raise MaskError(
            f"no pathway has {min_genes} to "
            f"{'any number of' if max_genes is None else max_genes} genes; "
            f"sizes run from {sizes.min()} to {sizes.max()}",
            code="E-MASK-EMPTY",
            hint="Widen min_genes and max_genes.",
        )
    span = f"{min_genes} to {'any' if max_genes is None else max_genes}"
    notes = [
        Note("dropped pathway", name, f"{size} genes, outside {span}")
        for name, size in zip(mask.pathways[~keep], sizes[~keep], strict=True)
    ]
    return _take(mask, slice(None), np.flatnonzero(keep), notes)


def keep_names(mask: Mask, genes: Iterable[str] | None, pathways: Iterable[str] | None) -> Mask:
    """These genes and these pathways, in the order given."""
    rows, cols, notes = slice(None), slice(None), []
    if genes is not None:
        rows = checks.positions(mask.genes, genes, "gene")
        notes += _left_out(mask.genes, rows, "gene")
    if pathways is not None:
        cols = checks.positions(mask.pathways, pathways, "pathway")
        notes += _left_out(mask.pathways, cols, "pathway")
    return _take(mask, rows, cols, notes)


def merge_identical(mask: Mask) -> Mask:
    """Pathways with the same genes (and weights) become one, named ``"A | B"``."""
    matrix = mask.to_scipy()
    groups = identical_columns(matrix)
    names = [" | ".join(mask.pathways[members]) for members in groups]
    texts = mask.descriptions.to_numpy()
    descriptions = {
        name: " | ".join(filter(None, texts[members]))
        for name, members in zip(names, groups, strict=True)
    }
    notes = [
        Note("merged pathways", name, f"{len(members)} pathways have the same genes")
        for name, members in zip(names, groups, strict=True)
        if len(members) > 1
    ]
    first = [members[0] for members in groups]
    return mask.derive(matrix[:, first], mask.genes, names, notes, descriptions=descriptions)


def rewire(mask: Mask, seed: int) -> Mask:
    """Random membership with exactly the same sizes and degrees."""
    rng = np.random.default_rng(seed)
    matrix = mask.to_scipy()
    pieces = np.split(matrix.indices, matrix.indptr[1:-1])
    members = curveball(pieces, trades=10 * mask.shape[1], rng=rng)
    if mask.weighted:
        for start, stop in zip(matrix.indptr, matrix.indptr[1:], strict=False):
            rng.shuffle(matrix.data[start:stop])
    dealt = sparse.csc_array(
        (matrix.data, np.concatenate(members), matrix.indptr), shape=mask.shape
    )
    note = Note("rewired", f"seed {seed}", "sizes and degrees kept, membership random")
    return mask.derive(dealt, mask.genes, mask.pathways, [note])


def rewire_upward(mask: Mask, seed: int, n_carried: int) -> Mask:
    """`rewire`, but for the last `n_carried` columns of a mask of a hierarchy, which stay."""
    matrix = mask.to_scipy()
    new = matrix.shape[1] - n_carried
    with warnings.catch_warnings():  # few units, each of which may well feed every other
        warnings.simplefilter("ignore", BiomaskWarning)
        part = mask.derive(matrix[:, :new], mask.genes, mask.pathways[:new], [])
        whole = sparse.hstack([rewire(part, seed).to_scipy(), matrix[:, new:]])
        return mask.derive(whole, mask.genes, mask.pathways, [])


def rename_genes(mask: Mask, changes: Mapping[str, str]) -> Mask:
    """The same edges under other names.

    Parameters
    ----------
    mask : Mask
    changes : mapping of a gene's name to its new one
        Genes it does not name stay as they are.

    Raises
    ------
    MaskError
        Two genes come to have the same name.
    """
    names = [changes.get(name, name) for name in mask.genes]
    notes = [
        Note("renamed gene", old, f"now {new}")
        for old, new in zip(mask.genes, names, strict=True)
        if old != new
    ]
    return mask.derive(mask.to_scipy(), names, mask.pathways, notes)


def _take(mask: Mask, rows, cols, notes: Iterable[Note]) -> Mask:
    matrix = mask.to_scipy()[rows, :][:, cols]
    return mask.derive(matrix, mask.genes[rows], mask.pathways[cols], notes)


def _left_out(index: pd.Index, kept: np.ndarray, kind: str) -> list[Note]:
    dropped = np.delete(np.arange(len(index)), kept)
    return [Note(f"dropped {kind}", index[i], "not selected") for i in dropped]
