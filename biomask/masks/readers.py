"""Files and tables -> Mask. Told by what is inside, never by what a file is called."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from biomask.errors import ReadError
from biomask.masks.arrays import mask_from_npy, mask_from_npz
from biomask.masks.edges import read_edges
from biomask.masks.gmt import read_gmt
from biomask.masks.mask import Mask
from biomask.masks.tables import matrix_from_text
from biomask.masks.text import HDF5, NUMPY, ZIP, decode, read_bytes, reading
from biomask.masks.varm import read_varm

__all__ = ["read_edges", "read_gmt", "read_matrix", "read_varm"]


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


def _check_side(mask: Mask, genes: Iterable[str], path: str | Path) -> None:
    genes = {str(gene) for gene in genes}
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
