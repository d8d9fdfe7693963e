"""What the names and the numbers of a mask have to satisfy."""

from __future__ import annotations

import contextlib
import hashlib
import numbers
from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from biomask.errors import MaskError, listed


def name_list(names: Iterable[Hashable], what: str) -> list[str]:
    """The names as a list of str; integers (Entrez ids) become text.

    Raises
    ------
    MaskError
        A single text, which would be cut into letters, or anything else that is no list of names.
    """
    if isinstance(names, str | bytes | Mapping | pd.DataFrame) or not np.iterable(names):
        text = isinstance(names, str | bytes)
        given = f"the single text {names!r}" if text else f"a {type(names).__name__}"
        raise MaskError(
            f"{what} must be a list of names, received {given}",
            code="E-MASK-NAMES",
            hint="Put the names in a list, such as ['TP53', 'MYC'].",
        )
    names = list(names)
    bad = [n for n in names if not isinstance(n, str | numbers.Integral) or isinstance(n, bool)]
    if bad:
        raise MaskError(
            f"{what} must be text",
            code="E-MASK-NAMES",
            genes=bad,
            hint="Read the names as text (dtype=str, keep_default_na=False), and drop empty cells.",
        )
    return [str(name) for name in names]


def unique_names(names: Iterable[Hashable], expected: int | None, kind: str) -> pd.Index:
    """`name_list` as an Index of unique, non-empty names, `expected` of them unless it is None."""
    names = name_list(names, f"{kind} names")
    if expected is not None and len(names) != expected:
        raise MaskError(
            f"the matrix has {expected} {kind}s, but {len(names)} {kind} names were given",
            code="E-MASK-NAMES",
            hint="A mask is genes x pathways; transpose the matrix if it is the other way round.",
        )
    index = pd.Index(names, dtype=object, name=kind)
    if (index == "").any():
        places = listed(np.flatnonzero(index == "") + 1)
        raise MaskError(
            f"{kind} names are empty at positions {places}",
            code="E-MASK-NAMES",
            hint="Name them, or leave them out.",
        )
    if not index.is_unique:
        repeated = index[index.duplicated()].unique()
        places = [(np.flatnonzero(index == name) + 1).tolist() for name in repeated[:10]]
        raise MaskError(
            f"{len(repeated)} {kind} names are repeated, at positions {places}",
            code="E-MASK-DUPLICATE",
            genes=repeated,
            hint="Every name must occur once; merge or rename the repeats first.",
        )
    return index


def is_name(value: object) -> bool:
    """Whether a cell of a table is a name: text that is not blank, or an integer."""
    if isinstance(value, numbers.Integral):
        return not isinstance(value, bool | np.bool_)
    return isinstance(value, str) and bool(value.strip())


def numeric_matrix(array) -> np.ndarray | sparse.sparray | sparse.spmatrix:
    """An array or sparse matrix of real numbers of a kind that scipy.sparse knows."""
    values = array if sparse.issparse(array) else np.asarray(array)
    kind = values.dtype.kind
    if kind in "biuf" and values.dtype not in (np.float16, np.longdouble):
        return values
    with contextlib.suppress(TypeError, ValueError):
        if kind != "c":  # which would lose its imaginary part
            return values.astype(np.float64)
    raise MaskError(
        f"a mask must hold numbers, received dtype {values.dtype}",
        code="E-MASK-VALUE",
        hint="Pass 0 and 1, or weights, as numbers: array.astype(float).",
    )


def check_binary(matrix: sparse.csc_array, genes: Sequence, pathways: Sequence) -> None:
    """Refuse values other than 0 and 1, naming the first of them."""
    wrong = np.flatnonzero((matrix.data != 0) & (matrix.data != 1))  # NaN is neither
    if not len(wrong):
        return
    places = [
        f"{genes[matrix.indices[i]]} x {pathways[np.searchsorted(matrix.indptr, i, 'right') - 1]}"
        f" = {matrix.data[i]}"
        for i in wrong[:10]
    ]
    raise MaskError(
        f"{len(wrong)} values are neither 0 nor 1: {'; '.join(places)}",
        code="E-MASK-VALUE",
        hint="Pass weighted=True if these are edge weights.",
    )


def check_edges(matrix: sparse.csc_array, genes: pd.Index) -> None:
    """Refuse a mask without an edge, or with a weight that is not finite."""
    if matrix.nnz == 0:
        raise MaskError(
            f"no connection in a mask of {matrix.shape[0]} genes x {matrix.shape[1]} pathways",
            code="E-MASK-EMPTY",
            hint="Check that the names or the file are the ones you meant.",
        )
    wrong = ~np.isfinite(matrix.data)
    if wrong.any():
        raise MaskError(
            f"{int(wrong.sum())} edge weights are not finite",
            code="E-MASK-VALUE",
            genes=genes[np.unique(matrix.indices[wrong])],
            hint="Correct them, or set them to 0, which is no edge.",
        )


def checked_csc(data, indices, indptr, shape: tuple[int, int]) -> sparse.csc_array:
    """A csc_array from parts that nobody vouches for.

    SciPy itself accepts indices out of range and then crashes the process, so every part is
    checked first.
    """
    try:
        matrix = sparse.csc_array((data, indices, indptr), shape=shape)
        matrix.check_format(full_check=True)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise MaskError(
            f"the sparse matrix is damaged: {error}",
            code="E-MASK-SPARSE",
            hint="Write the file again from its source.",
        ) from error
    return matrix


def positions(index: pd.Index, names: Iterable[str], kind: str) -> np.ndarray:
    """Where each of `names`, or the one name, stands in `index`."""
    names = name_list([names] if isinstance(names, str) else names, f"{kind}s")
    names = pd.Index(names, dtype=object)
    if names.has_duplicates:
        raise MaskError(
            f"{kind}s are asked for twice",
            code="E-MASK-DUPLICATE",
            genes=names[names.duplicated()].unique(),
            hint="Ask for each once.",
        )
    found = index.get_indexer(names)
    if (found < 0).any():
        raise MaskError(
            f"{int((found < 0).sum())} of {len(names)} {kind}s are not in the mask",
            code="E-MASK-UNKNOWN",
            genes=names[found < 0],
            hint=f"The mask's {kind}s are in mask.{kind}s, such as {listed(index[:3])}.",
        )
    return found


def content_digest(matrix: sparse.csc_array, genes: pd.Index, pathways: pd.Index) -> str:
    """sha256 over both lists of names, in order, and the edges with their weights."""
    sha = hashlib.sha256()
    for names in (genes, pathways):
        for name in names:
            encoded = name.encode("utf-8", "surrogatepass")
            sha.update(len(encoded).to_bytes(8, "little") + encoded)
        sha.update(len(names).to_bytes(8, "little"))
    sha.update(matrix.indptr.astype("<i8").tobytes())
    sha.update(matrix.indices.astype("<i8").tobytes())
    sha.update(matrix.data.astype("<f4").tobytes())
    return sha.hexdigest()
