"""Files and tables -> Mask or Hierarchy. Told by what is inside, never by what a file is called."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from biomask.errors import ReadError
from biomask.masks.arrays import mask_from_npy, mask_from_npz
from biomask.masks.checks import name_list
from biomask.masks.edges import read_edges
from biomask.masks.gmt import read_gmt
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.mask import Mask
from biomask.masks.relations import named, read_relations
from biomask.masks.tables import matrix_from_text
from biomask.masks.text import HDF5, NUMPY, ZIP, decode, read_bytes, reading
from biomask.masks.varm import read_varm

__all__ = ["read_edges", "read_gmt", "read_hierarchy", "read_matrix", "read_varm"]


def read_matrix(
    path: str | Path,
    *,
    weighted: bool = False,
    genes: Iterable[str] | None = None,
    encoding: str = "utf-8",
) -> Mask:
    """Read a mask from a matrix of genes x pathways that holds only 0 and 1.

    Parameters
    ----------
    path : path
        A table separated by commas or tabs, with the pathways in the first row and the genes in
        the first column, every name read as the text it is; or ``.npz`` of a dense array or of
        `scipy.sparse.save_npz`, with text arrays ``genes`` and ``pathways`` inside (names are
        generated, and noted, where these are absent); or ``.npy``. Tables and ``.npy`` may be
        gzip.
    weighted : bool
        Accept any finite value as an edge weight; 0 is still "no edge".
    genes : list of str, optional
        Genes of the data. With them a matrix that lies on its side is recognised.
    encoding : str
        How the text of a table is encoded. Nothing is guessed.

    Returns
    -------
    Mask
        Genes and pathways in the order of the file.

    Raises
    ------
    ReadError
        With all problems of the file: names that are missing, empty or repeated, rows of the
        wrong length, values other than 0 and 1; a file that is truncated, damaged, a bomb, or
        holds pickled objects; or more of `genes` among the pathways than among the genes
        (E-TRANSPOSED).
    """
    with reading(path), Path(path).open("rb") as file:
        start = file.read(8)
    if start.startswith(ZIP):
        mask = mask_from_npz(path, weighted=weighted)
    else:
        raw = read_bytes(path)
        if raw.startswith(NUMPY):
            mask = mask_from_npy(raw, path, weighted=weighted)
        elif raw.startswith(HDF5):
            raise ReadError(
                "this is an HDF5 file, not a matrix",
                code="E-FORMAT",
                file=path,
                hint="Use read_varm for a mask inside an h5ad file.",
            )
        else:
            text = decode(raw, path, kind="a table", encoding=encoding)
            mask = matrix_from_text(text, path, weighted=weighted)
    if genes is not None:
        _check_side(mask, genes, path)
    return mask


def read_hierarchy(
    gmt: str | Path | Mask,
    relations: str | Path | pd.DataFrame,
    *,
    min_genes: int = 1,
    max_depth: int | None = None,
    residual: bool = False,
    part_of: bool = False,
    encoding: str = "utf-8",
) -> Hierarchy:
    """Read a hierarchy from gene sets and a table of which pathway is part of which.

    `Hierarchy.from_sets` states the rules by which it is built. Pathways are matched by name, or
    by the description of the gene set (a GMT file's second column, where Reactome's has the id).

    Parameters
    ----------
    gmt : path or Mask
        The gene sets of all pathways, parents too.
    relations : path or DataFrame
        Told by content, plain or gzip. A table with columns ``child`` and ``parent``, or
        ``child_id`` and ``parent_id``, in any order and among others; a table of two columns
        without a header, the parent first, which is Reactome's ``ReactomePathwaysRelation.txt``
        (other species in it are left out, and noted); or an OBO file, such as Gene Ontology's, of
        which the ``is_a`` relations are taken (needs the package obonet).
    min_genes : int
        At least so many genes make a pathway.
    max_depth : int, optional
        The longest path from a root that is kept.
    residual : bool
        Give the genes that are in no kept pathway a unit of their own, ``"(residual)"``.
    part_of : bool
        Of an OBO file, take the ``part_of`` relations too.
    encoding : str
        How the text of both files is encoded. Nothing is guessed.

    Raises
    ------
    ReadError
        With all problems of a file: what `read_gmt` raises; columns that do not say which is the
        child (E-COLUMN), a row of the wrong length (E-RAGGED), an id that is empty or no text
        (E-NAME), a pathway that is its own parent (E-SELF-LOOP), an id that describes several
        gene sets (E-RELATION-AMBIGUOUS), no id that is known (E-HIERARCHY-UNKNOWN), relations that
        go around in a circle (E-HIERARCHY-CYCLE, printed), no pathway that is large enough
        (E-MASK-EMPTY), a damaged OBO file (E-OBO).
    ArgumentError
        A limit is no number from 1, `part_of` was asked of what is no OBO file, or obonet is
        missing (E-OBONET).
    """
    sets = gmt if isinstance(gmt, Mask) else read_gmt(gmt, encoding=encoding)
    where = "DataFrame" if isinstance(relations, pd.DataFrame) else relations
    rows = read_relations(relations, part_of=part_of, encoding=encoding)
    frame, notes = named(rows, sets, where)
    with reading(where):
        return Hierarchy.from_sets(
            sets,
            frame,
            min_genes=min_genes,
            max_depth=max_depth,
            residual=residual,
            notes=[*sets.notes, *notes],
        )


def _check_side(mask: Mask, genes: Iterable[str], path: str | Path) -> None:
    genes = {*name_list(genes, "genes")}
    rows, columns = int(mask.genes.isin(genes).sum()), int(mask.pathways.isin(genes).sum())
    if columns > rows:
        raise ReadError(
            f"the matrix looks transposed: {columns} of its {len(mask.pathways)} columns are genes "
            f"of the data, and {rows} of its {len(mask.genes)} rows",
            code="E-TRANSPOSED",
            file=path,
            genes=mask.pathways[mask.pathways.isin(genes)],
            hint="A mask has genes in rows and pathways in columns; transpose the file.",
        )
