"""Masks kept beside the data, in ``AnnData.varm``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from biomask.errors import BiomaskError, ReadError, listed
from biomask.masks import checks
from biomask.masks.arrays import labelled_mask
from biomask.masks.mask import Mask
from biomask.masks.notes import Note
from biomask.masks.text import HDF5, reading
from biomask.storage import check_unpacked_size

if TYPE_CHECKING:
    import h5py
    from anndata import AnnData


def read_varm(
    adata: AnnData | str | Path,
    key: str,
    *,
    pathways: str | Iterable[str] | None = None,
    weighted: bool = False,
) -> Mask:
    """Read a mask of genes x pathways from ``adata.varm[key]``; the genes are ``adata.var_names``.

    Parameters
    ----------
    adata : AnnData or path
        A path is that of an ``.h5ad`` file, of which only ``var``, ``varm`` and ``uns`` are read.
        Damage in a few places makes the HDF5 library read for ever, whoever calls it: interrupt.
    key : str
        Name of the matrix: a DataFrame, whose columns are the pathways, or a dense or sparse
        array.
    pathways : str or list of str, optional
        Names of the columns of an array: a list, or the key of one in ``adata.uns``. Without it
        ``uns[key + "_names"]``, ``uns[key]`` and ``uns["terms"]`` are tried, and the first list
        of the right length is taken and noted; failing that names are generated and noted.
    weighted : bool
        Accept any finite value as an edge weight; 0 is still "no edge".

    Raises
    ------
    ReadError
        No such key (E-KEY, listing those there are), values or names that make no mask, or a file
        that is truncated (E-TRUNCATED), links to other files (E-LINK) or is no h5ad (E-H5AD).
    """
    wanted = [pathways] if isinstance(pathways, str) else [f"{key}_names", key, "terms"]
    if isinstance(adata, str | Path):
        path = f"{adata}: varm[{key!r}]"
        values, genes, uns = _from_file(adata, key, wanted)
    else:
        path = f"varm[{key!r}]"
        _check_key(key, adata.varm, None)
        values, genes = adata.varm[key], adata.var_names
        uns = {name: adata.uns[name] for name in wanted if name in adata.uns}
    names, notes = _pathway_names(pathways, values, uns, path)
    if not sparse.issparse(values):
        with reading(path):
            values = checks.numeric_matrix(values)
    given = {"genes": list(genes)} | ({} if names is None else {"pathways": names})
    return labelled_mask(values, path, given, weighted=weighted, notes=notes)


def _pathway_names(
    pathways: str | Iterable[str] | None, values: Any, uns: Mapping[str, Any], path: str
) -> tuple[list[str] | None, list[Note]]:
    """The names of the columns, None if nothing names them, and where they are from."""
    if isinstance(pathways, str):
        if pathways not in uns:
            raise ReadError(
                f"uns has no key {pathways!r}",
                code="E-KEY",
                file=path,
                hint="Pass the names as a list, or the key of a list in uns.",
            )
        return list(uns[pathways]), [_named_by(pathways)]
    if pathways is not None:
        return list(pathways), []
    if isinstance(values, pd.DataFrame):
        return list(values.columns), []
    for key, value in uns.items():
        names = np.asarray(value, dtype=object)
        right_length = names.shape == (values.shape[-1],)
        if right_length and all(isinstance(name, str) for name in names):
            return names.tolist(), [_named_by(key)]
    return None, []


def _named_by(key: str) -> Note:
    return Note("named pathways", f"uns[{key!r}]", "the columns took these names")


def _check_key(key: str, keys: Iterable[str], file: str | Path | None) -> None:
    keys = list(keys)
    if key not in keys:
        raise ReadError(
            f"varm has no key {key!r}; it has {listed(keys) or 'none'}",
            code="E-KEY",
            file=file,
            hint="Pass one of these keys." if keys else "Put the matrix there first.",
        )


# ------------------------------------------------------------------------ h5ad files


def _from_file(
    path: str | Path, key: str, wanted: list[str]
) -> tuple[Any, pd.Index, dict[str, Any]]:
    """``varm[key]``, the names of the genes and the `wanted` members of ``uns``, of a file."""
    import h5py
    from anndata.io import read_elem  # seconds to import, and only this function needs it

    with reading(path), Path(path).open("rb") as raw:
        if raw.read(len(HDF5)) != HDF5:
            raise ReadError(
                "this is not an HDF5 file, so no h5ad",
                code="E-H5AD",
                file=path,
                hint="bm.read_matrix reads tables and arrays, bm.read_gmt gene sets.",
            )
    try:
        with h5py.File(path, "r") as file:
            _check_inside(file, path)
            for group in ("var", "varm"):
                if group not in file:
                    raise ReadError(
                        f"no {group} in the file",
                        code="E-H5AD",
                        file=path,
                        hint="Write it with AnnData.write_h5ad.",
                    )
            _check_key(key, file["varm"], path)
            with reading(path):
                _check_size(file, [f"varm/{key}", "var", *(f"uns/{name}" for name in wanted)], path)
            uns = {name: read_elem(file["uns"][name]) for name in wanted if f"uns/{name}" in file}
            return read_elem(file["varm"][key]), read_elem(file["var"]).index, uns
    except BiomaskError:
        raise
    except Exception as error:  # a damaged file fails anywhere inside HDF5, with any error
        raise _damaged(error, path) from error


def _damaged(error: Exception, path: str | Path) -> ReadError:
    sizes = re.search(r"eof = (\d+).*stored_eof = (\d+)", str(error))
    if sizes:
        return ReadError(
            f"the file is truncated: {sizes[1]} of {sizes[2]} bytes",
            code="E-TRUNCATED",
            file=path,
            hint="Download or write it again.",
        )
    return ReadError(
        f"the file is damaged or no h5ad: {error}",
        code="E-H5AD",
        file=path,
        hint="Write it again with AnnData.write_h5ad.",
    )


def _check_inside(file: h5py.File, path: str | Path) -> None:
    """Refuse a file that would have us read other files."""
    import h5py

    outside = []

    def visit_link(name: str, link: object) -> None:
        if isinstance(link, h5py.ExternalLink):
            outside.append(f"{name} -> {link.filename}")

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
            outside.append(f"{name} (data in other files)")

    file.visititems_links(visit_link)
    file.visititems(visit)
    if outside:
        raise ReadError(
            f"the file links to other files: {listed(outside)}",
            code="E-LINK",
            file=path,
            hint="biomask follows no such link; copy the data into one file.",
        )


def _check_size(file: h5py.File, names: list[str], path: str | Path) -> None:
    import h5py

    total = 0

    def add(_name: str, item: object) -> None:
        nonlocal total
        if isinstance(item, h5py.Dataset):
            total += item.size * item.dtype.itemsize

    for name in names:
        if name in file:
            item = file[name]
            item.visititems(add) if isinstance(item, h5py.Group) else add(name, item)
    check_unpacked_size(total, Path(path).stat().st_size, path)
