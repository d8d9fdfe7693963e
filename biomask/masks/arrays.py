"""NumPy and SciPy files -> masks. No pickle is ever opened, and no size in a header believed."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from scipy import sparse

from biomask.errors import MaskError, ReadError
from biomask.masks import checks
from biomask.masks.mask import Mask
from biomask.masks.notes import Note
from biomask.masks.text import NUMPY, reading
from biomask.storage import unzip

NAMES = ("genes", "pathways")
_AGAIN = "Write the file again from its source."
_LONGEST = 10_000_000  # rows or columns; a damaged shape must not make us invent that many names
_LAYOUTS = {
    "csc": ("data", "indices", "indptr"),
    "csr": ("data", "indices", "indptr"),
    "coo": ("data", "row", "col"),
}


def mask_from_npy(raw: bytes, path: str | Path, *, weighted: bool) -> Mask:
    """A mask from the bytes of a ``.npy`` file: a 2-D array of numbers, names generated.

    Raises
    ------
    ReadError
        The file is truncated or damaged (E-NPY), holds Python objects (E-PICKLE), or its values
        make no mask.
    """
    matrix = _numbers(array_from_bytes(raw, path), path)
    return labelled_mask(matrix, path, {}, weighted=weighted)


def mask_from_npz(path: str | Path, *, weighted: bool) -> Mask:
    """A mask from a ``.npz`` file: one dense 2-D array, or what `scipy.sparse.save_npz` writes.

    Text arrays ``genes`` and ``pathways`` inside the file name the rows and the columns.

    Raises
    ------
    ReadError
        The file is truncated (E-TRUNCATED), a bomb (E-BOMB), holds Python objects (E-PICKLE) or a
        sparse matrix that is damaged (E-NPZ), or its values make no mask.
    """
    with reading(path):
        members = unzip(path)
    if "[Content_Types].xml" in members:
        raise ReadError(
            "this is an Office document, not an array",
            code="E-FORMAT",
            file=path,
            hint="Save the sheet as CSV.",
        )
    arrays = {
        name.removesuffix(".npy"): array_from_bytes(raw, path, member=name)
        for name, raw in members.items()
    }
    names = {kind: _names(arrays.pop(kind), kind, path) for kind in NAMES if kind in arrays}
    matrix = _sparse(arrays, path) if "format" in arrays else _dense(arrays, path)
    return labelled_mask(matrix, path, names, weighted=weighted)


def labelled_mask(
    matrix: np.ndarray | sparse.sparray,
    path: str | Path,
    names: Mapping[str, list[str]],
    *,
    weighted: bool,
    notes: Iterable[Note] = (),
) -> Mask:
    """A mask of a matrix (n_genes, n_pathways), with names generated, and noted, where none are.

    Raises
    ------
    ReadError
        Not 2-D, not numbers, values other than 0 and 1 unless `weighted`, or names that do not
        fit.
    """
    if matrix.ndim != 2:
        raise ReadError(
            f"a mask needs a 2-D matrix of genes x pathways, found shape {matrix.shape}",
            code="E-MASK-SHAPE",
            file=path,
            hint="Save one 2-D array, genes in rows; np.squeeze drops sides of length 1.",
        )
    if max(matrix.shape) > _LONGEST:
        raise ReadError(
            f"shape {tuple(matrix.shape)} is beyond {_LONGEST:,} genes or pathways",
            code="E-NPZ",
            file=path,
            hint=_AGAIN,
        )
    notes, both = list(notes), []
    for kind, count in zip(NAMES, matrix.shape, strict=True):
        if kind not in names:
            start = f"{kind.removesuffix('s')}_"
            both.append([f"{start}{i}" for i in range(count)])
            notes.append(Note("generated names", kind, f"{start}0 to {start}{count - 1}"))
        else:
            both.append(names[kind])
    with reading(path):
        for kind, count, given in zip(NAMES, matrix.shape, both, strict=True):
            checks.unique_names(given, count, kind.removesuffix("s"))
        values = sparse.csc_array(matrix)
        values.sum_duplicates()
        if not weighted:
            checks.check_binary(values, *both)
        return Mask(values, *both, notes=notes)


def _names(array: np.ndarray, kind: str, path: str | Path) -> list[str]:
    if array.dtype.kind not in "USiu" or array.ndim != 1:
        raise ReadError(
            f"{kind} must be a 1-D array of text, found {array.dtype} of shape {array.shape}",
            code="E-NPZ",
            file=path,
            column=kind,
            hint="Save names as text: np.array(names, dtype=str).",
        )
    try:
        return [name.decode() if isinstance(name, bytes) else str(name) for name in array.tolist()]
    except (ValueError, SystemError) as error:  # no UTF-8, numbers beyond Unicode
        raise ReadError(
            f"{kind} holds text that is damaged: {error}",
            code="E-NPZ",
            file=path,
            column=kind,
            hint=_AGAIN,
        ) from error


# ------------------------------------------------------------------------ matrices


def _dense(arrays: Mapping[str, np.ndarray], path: str | Path) -> np.ndarray:
    if len(arrays) != 1:
        raise ReadError(
            f"expected one matrix beside genes and pathways, found {sorted(arrays) or 'none'}",
            code="E-NPZ",
            file=path,
            hint="Write one array, such as np.savez(path, mask=..., genes=..., pathways=...), "
            "or use scipy.sparse.save_npz.",
        )
    return _numbers(*arrays.values(), path)


def _sparse(arrays: Mapping[str, np.ndarray], path: str | Path) -> sparse.sparray:
    layout = " ".join(_names(arrays["format"].ravel(), "format", path))
    wanted = _LAYOUTS.get(layout)
    if wanted is None:
        raise ReadError(
            f"sparse format {layout!r} is not one of {', '.join(_LAYOUTS)}",
            code="E-NPZ",
            file=path,
            hint="Convert the matrix first: matrix.tocsc().",
        )
    missing = [name for name in (*wanted, "shape") if name not in arrays]
    if missing:
        raise ReadError(
            f"the file lacks {', '.join(missing)}",
            code="E-NPZ",
            file=path,
            hint="Write it with scipy.sparse.save_npz.",
        )
    data = _numbers(arrays["data"], path)
    first, second = (_positions(arrays[name], name, path) for name in wanted[1:])
    shape = _shape(arrays["shape"], path)
    try:
        if layout == "coo":
            return sparse.coo_array((data, (first, second)), shape=shape)
        turned = shape if layout == "csc" else shape[::-1]
        matrix = checks.checked_csc(data, first, second, turned)
    except (MaskError, ValueError) as error:
        raise ReadError(
            getattr(error, "problem", f"the sparse matrix is damaged: {error}"),
            code="E-NPZ",
            file=path,
            hint=_AGAIN,
        ) from error
    return matrix if layout == "csc" else matrix.T


def _shape(array: np.ndarray, path: str | Path) -> tuple[int, int]:
    sides = array.ravel().tolist() if array.dtype.kind in "iu" and array.size == 2 else []
    if len(sides) != 2 or not all(0 < side <= _LONGEST for side in sides):
        raise ReadError(
            f"shape must be two numbers from 1 to {_LONGEST:,}, found {sides or array.dtype}",
            code="E-NPZ",
            file=path,
            hint=_AGAIN,
        )
    return sides[0], sides[1]


def _positions(array: np.ndarray, name: str, path: str | Path) -> np.ndarray:
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise ReadError(
            f"{name} must be a 1-D array of whole numbers, found {array.dtype} of shape "
            f"{array.shape}",
            code="E-NPZ",
            file=path,
            column=name,
            hint=_AGAIN,
        )
    if array.size and (array.min() < 0 or array.max() > np.iinfo(np.int64).max):
        wrong = array.min() if array.min() < 0 else array.max()
        raise ReadError(f"{name} holds {wrong}", code="E-NPZ", file=path, column=name, hint=_AGAIN)
    return array.astype(np.int64)


def _numbers(array: np.ndarray, path: str | Path) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        raise ReadError(
            f"a mask must hold numbers, found dtype {array.dtype}",
            code="E-MASK-VALUE",
            file=path,
            hint="Save 0 and 1, or weights, as numbers: array.astype(float).",
        )
    if array.dtype.kind == "b":
        return array.view(np.uint8)  # a damaged file may hold other bytes than 0 and 1
    return array if array.dtype.kind != "f" else array.astype(np.float64, copy=False)


# ------------------------------------------------------------------------ one array


def array_from_bytes(raw: bytes, path: str | Path, *, member: str | None = None) -> np.ndarray:
    """The array in the bytes of a ``.npy`` file, without pickle.

    Nothing is allocated for what the header promises: the bytes must be there.

    Raises
    ------
    ReadError
        Not an array, Python objects inside, or not as long as its header says.
    """
    place = "" if member is None else f"member {member!r}: "
    if not raw.startswith(NUMPY):
        raise ReadError(
            f"{place}not a NumPy array",
            code="E-NPZ",
            file=path,
            column=member,
            hint="Save arrays only: np.savez(path, mask=..., genes=..., pathways=...).",
        )
    stream = io.BytesIO(raw)
    try:
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        shape, fortran, dtype = read[npy.read_magic(stream)](stream)
    except Exception as error:  # the header is Python source: NumPy parses it, and may fail anyhow
        raise ReadError(
            f"{place}the header of the array is damaged ({error})",
            code="E-NPY",
            file=path,
            hint=_AGAIN,
        ) from error
    if dtype.hasobject:
        raise ReadError(
            f"{place}the array holds Python objects (pickle), which may run code; not opened",
            code="E-PICKLE",
            file=path,
            hint="Save names as text: np.array(names, dtype=str).",
        )
    count, found = math.prod(shape), len(raw) - stream.tell()
    if count * dtype.itemsize != found or not dtype.itemsize or min(shape, default=0) < 0:
        raise ReadError(
            f"{place}the array is truncated or damaged: {found} bytes of "
            f"{count * dtype.itemsize} for shape {shape}",
            code="E-TRUNCATED",
            file=path,
            hint="Download or write it again.",
        )
    array = np.frombuffer(raw, dtype, count, stream.tell())
    array = array.reshape(shape, order="F" if fortran else "C")
    return array.astype(
        dtype.newbyteorder("=")
    )  # a copy: SciPy sorts in place, bytes do not change
