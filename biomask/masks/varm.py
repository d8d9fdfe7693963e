"""Masks kept beside the data, in ``AnnData.varm``."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from biomask.errors import ReadError
from biomask.masks import checks
from biomask.masks.arrays import labelled_mask
from biomask.masks.mask import Mask
from biomask.masks.notes import Note
from biomask.masks.text import HDF5, reading

if TYPE_CHECKING:
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
        A path is that of an ``.h5ad`` file, of which only ``var``, ``varm`` and ``uns`` are read,
        in a process of its own, because damage can make the HDF5 library read for ever.
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
        that is truncated (E-TRUNCATED), links to other files (E-LINK), is no h5ad (E-H5AD), or on
        which the HDF5 library crashes or never ends (E-HDF5-FAILS).
    """
    from biomask import hdf5  # brings h5py, and only this module needs it

    wanted = [pathways] if isinstance(pathways, str) else [f"{key}_names", key, "terms"]
    if isinstance(adata, str | Path):
        path = f"{adata}: varm[{key!r}]"
        values, genes, uns = _from_file(adata, key, wanted)
    else:
        path = f"varm[{key!r}]"
        hdf5.check_key(key, adata.varm)
        values, genes = adata.varm[key], adata.var_names
        uns = {name: adata.uns[name] for name in wanted if name in adata.uns}
    names, notes = _pathway_names(pathways, values, uns, path)
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


# ------------------------------------------------------------------------ h5ad files


def _from_file(
    path: str | Path, key: str, wanted: list[str]
) -> tuple[Any, pd.Index, dict[str, Any]]:
    """``varm[key]``, the names of the genes and the `wanted` members of ``uns``, of a file."""
    import h5py
    from anndata.io import read_elem  # seconds to import, and only this function needs it

    from biomask import hdf5

    with reading(path), Path(path).open("rb") as raw:
        if raw.read(len(HDF5)) != HDF5:
            raise ReadError(
                "this is not an HDF5 file, so no h5ad",
                code="E-H5AD",
                file=path,
                hint="bm.read_matrix reads tables and arrays, bm.read_gmt gene sets.",
            )
    with reading(path), tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "elements.h5")
        hdf5.copy_elements(path, copy, key, wanted)
        try:
            with h5py.File(copy, "r") as file:
                uns = file.get("uns", {})
                named = {name: read_elem(uns[name]) for name in wanted if name in uns}
                return read_elem(file[f"varm/{key}"]), read_elem(file["var"]).index, named
        except Exception as error:  # anndata fails with any error
            raise hdf5.damaged_h5ad(error, path) from error
