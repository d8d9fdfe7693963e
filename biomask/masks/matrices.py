"""Samples x genes, however they were given, as float32 with names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from biomask.errors import DataError, listed
from biomask.masks.naming import text_names

_ROWS = 4096  # samples read at a time from data that is not in memory


class Table(NamedTuple):
    """Samples x genes whose values are read only when asked for.

    Attributes
    ----------
    samples : Index, length n_samples
    genes : object array of str, length n_genes
        "" where a name is missing.
    columns : callable
        Positions of k genes to a new float32 array, shape (n_samples, k).
    rows : callable
        A number of samples to the first so many, all genes with numbers, float32.
    """

    samples: pd.Index
    genes: np.ndarray
    columns: Callable[[np.ndarray], np.ndarray]
    rows: Callable[[int], np.ndarray]


def as_frame(X, genes: Iterable[str], *, what: str = "X", layer: str | None = None) -> pd.DataFrame:
    """The values of `genes`, in that order, as float32.

    Parameters
    ----------
    X : DataFrame, AnnData, Aligned, or array or sparse matrix of shape (n_samples, len(genes))
        Names are matched exactly and further genes are ignored. A bare array has no names: its
        columns are taken to be `genes`. Never changed; a DataFrame that is already what is asked
        for is returned itself.
    genes : sequence of str
        Unique names.
    what : str
        What to call `X` in messages.
    layer : str, optional
        Of an AnnData; ``.X`` without it.

    Returns
    -------
    DataFrame, shape (n_samples, len(genes))

    Raises
    ------
    DataError
        Genes are missing or repeated, a value is not a finite number, there is no sample, or an
        array has another width.
    """
    genes = genes if isinstance(genes, pd.Index) else pd.Index(list(genes), dtype=object)
    table = read_table(X, layer=layer, genes=genes, what=what)
    index = pd.Index(table.genes, dtype=object)
    wanted = index[index.isin(genes)]
    if not wanted.is_unique:
        raise DataError(
            f"{what} has several columns of the same gene",
            code="E-DATA-DUPLICATE",
            genes=wanted[wanted.duplicated()].unique(),
            hint="bm.align(mask, data, on_duplicate=...) merges them.",
        )
    positions = index.get_indexer(genes)
    if (positions < 0).any():
        raise DataError(
            f"{what} lacks {int((positions < 0).sum())} of {len(genes)} genes",
            code="E-DATA-GENES",
            genes=genes[positions < 0],
            hint="Names must be those of mask.genes; bm.align restricts mask and data to what "
            "they share, and its result's match(data) does so for new data.",
        )
    if isinstance(X, pd.DataFrame) and X.columns.equals(genes) and (X.dtypes == np.float32).all():
        frame = X
    else:
        frame = pd.DataFrame(table.columns(positions), index=table.samples, columns=genes)
    check_finite(frame, what=what)
    return frame


def read_table(data, *, layer: str | None = None, genes=None, what: str = "the data") -> Table:
    """A `Table` of a DataFrame, AnnData, Aligned or (with `genes`) array of that width.

    Raises
    ------
    DataError
        `data` is none of these, has no sample or no such layer, or an array has another width.
    """
    data = as_pandas(data, what)
    if is_anndata(data):
        table = _from_anndata(data, layer, what)
    elif layer is not None:
        raise DataError(
            f"layer={layer!r} needs an AnnData, received {type(data).__name__}",
            code="E-DATA-LAYER",
            hint="Leave layer out.",
        )
    elif isinstance(data, pd.DataFrame):
        table = _from_frame(data, what)
    elif isinstance(getattr(data, "X", None), pd.DataFrame):  # Aligned
        table = _from_frame(data.X, what)
    else:
        table = _from_array(data, genes, what)
    if not len(table.samples):
        raise DataError(f"{what} has no sample", code="E-DATA-EMPTY")
    return table


def as_pandas(data, what: str = "the data"):
    """Named data of other libraries as pandas or AnnData objects; all else unchanged.

    Raises
    ------
    DataError
        The names cannot be read, or it holds several tables, as a MuData does.
    """
    kind = type(data).__name__
    if isinstance(data, pd.DataFrame | pd.Series | pd.Index) or is_anndata(data):
        return data
    if hasattr(data, "mod") and hasattr(data, "obs"):
        raise DataError(
            f"{what} is a {kind}, which holds several modalities",
            code="E-DATA-NAMED",
            hint='Pass one of them, such as mdata["rna"]; bm.align also takes several: '
            '{"rna": mdata["rna"], "atac": mdata["atac"]}.',
        )
    if hasattr(data, "obs_names") and hasattr(data, "var_names") and hasattr(data, "to_adata"):
        return data.to_adata()  # adata.raw
    if isinstance(data, np.ndarray) and data.dtype.names:
        return pd.DataFrame.from_records(data)
    if isinstance(data, list | tuple) and any(isinstance(x, pd.Series | Mapping) for x in data):
        raise _unread(
            what, f"a {kind} of named rows", "Make a table of them: pandas.DataFrame(rows)."
        )
    if hasattr(data, "dims") and hasattr(data, "coords"):  # xarray
        if not set(map(str, data.dims)) & set(map(str, data.coords)):
            return np.asarray(data)
    elif not any(hasattr(data, name) for name in _NAMED):
        return data
    for lazy in ("collect", "compute"):
        if hasattr(data, lazy) and not hasattr(data, "to_numpy"):
            data = getattr(data, lazy)()
    try:
        for convert in ("to_pandas", "_to_pandas", "toPandas"):
            if hasattr(data, convert):
                data = getattr(data, convert)()
                break
    except Exception as error:  # whatever the other library raises
        raise _unread(what, f"a {kind} that cannot become a pandas table: {error}") from error
    if not isinstance(data, pd.DataFrame | pd.Series | pd.Index):
        raise _unread(what, f"a {kind}, whose names cannot be read")
    return data


_NAMED = ("to_pandas", "_to_pandas", "toPandas", "columns", "column_names", "var_names")


def _unread(what: str, found: str, hint: str = "Pass a DataFrame, or an AnnData.") -> DataError:
    return DataError(f"{what} is {found}", code="E-DATA-NAMED", hint=hint)


def sample_values(data, what: str):
    """`as_pandas` of something with a row for each sample, and whether its rows have names."""
    named = as_pandas(data, what)
    return named, named is data or not isinstance(getattr(named, "index", None), pd.RangeIndex)


def check_finite(frame: pd.DataFrame, *, what: str = "X") -> None:
    """Refuse NaN and infinite values, naming their genes and samples."""
    bad = ~np.isfinite(frame.to_numpy())
    if not bad.any():
        return
    nan = int(np.isnan(frame.to_numpy()).sum())
    samples = frame.index[bad.any(axis=1)]
    raise DataError(
        f"{what} has {nan} NaN and {int(bad.sum()) - nan} infinite values in {len(samples)} "
        f"samples ({listed(samples)}) and {int(bad.any(axis=0).sum())} genes",
        code="E-DATA-NAN",
        genes=frame.columns[bad.any(axis=0)],
        hint="Impute or drop them first; float32 holds numbers up to 3.4e38.",
    )


# ------------------------------------------------------------------------ one function a kind


def is_anndata(data) -> bool:
    """Whether it is an AnnData, or a subclass of it."""
    # By name, because importing anndata takes a second that most callers need not spend.
    return any(
        base.__module__.split(".")[0] == "anndata" and base.__name__ == "AnnData"
        for base in type(data).__mro__
    )


def _from_frame(frame: pd.DataFrame, what: str) -> Table:
    numeric = [pd.api.types.is_numeric_dtype(t) and t.kind in "biuf" for t in frame.dtypes]
    numeric = np.array(numeric, dtype=bool)

    def columns(positions: np.ndarray) -> np.ndarray:
        wrong = positions[~numeric[positions]]
        if len(wrong):
            raise DataError(
                f"columns of {what} do not hold numbers (dtype {frame.dtypes.iloc[wrong[0]]})",
                code="E-DATA-DTYPE",
                genes=frame.columns[wrong],
                hint="Convert them with pandas.to_numeric.",
            )
        return _numbers(frame.iloc[:, positions])

    def rows(n: int) -> np.ndarray:
        return _numbers(frame.iloc[:n, np.flatnonzero(numeric)])

    return Table(frame.index, text_names(frame.columns), columns, rows)


def _numbers(frame: pd.DataFrame) -> np.ndarray:
    # What becomes infinite is reported with its gene.
    with np.errstate(over="ignore", under="ignore"):
        values = frame.to_numpy(dtype=np.float32, na_value=np.nan)
    return values if values.flags.writeable and values.flags.owndata else values.copy()


def _from_anndata(data, layer: str | None, what: str) -> Table:
    if layer is not None and layer not in data.layers:
        raise DataError(
            f"{what} has no layer {layer!r}",
            code="E-DATA-LAYER",
            hint=f"Its layers are: {listed(data.layers.keys()) or 'none'}.",
        )
    matrix = data.X if layer is None else data.layers[layer]
    if matrix is None:
        raise DataError(
            f"{what} has an empty .X",
            code="E-DATA-EMPTY",
            hint=f"Choose one of its layers with layer=...: {listed(data.layers.keys())}.",
        )
    return _from_matrix(matrix, data.obs_names, text_names(data.var_names), what)


def _from_array(array, genes, what: str) -> Table:
    if not sparse.issparse(array):
        array = np.asarray(array)
    width = None if genes is None else len(genes)
    if array.ndim != 2 or array.shape[1] != width:
        raise DataError(
            f"{what} has shape {array.shape} and no names; an array needs shape "
            f"(n_samples, {width}), its columns being mask.genes in that order",
            code="E-DATA-SHAPE",
            hint="Pass a DataFrame whose columns are gene names, or an AnnData.",
        )
    samples = pd.RangeIndex(array.shape[0])
    return _from_matrix(array, samples, np.array(list(genes), dtype=object), what)


def _from_matrix(matrix, samples: pd.Index, genes: np.ndarray, what: str) -> Table:
    if getattr(matrix, "dtype", np.dtype(object)).kind not in "biuf":
        raise DataError(
            f"{what} holds {getattr(matrix, 'dtype', type(matrix))}, not real numbers",
            code="E-DATA-DTYPE",
            hint="Convert them to numbers, as numpy.asarray(X, dtype=float) does.",
        )
    if sparse.issparse(matrix) and matrix.format not in ("csr", "csc"):
        matrix = matrix.tocsr()
    in_memory = sparse.issparse(matrix) or isinstance(matrix, np.ndarray)

    def columns(positions: np.ndarray) -> np.ndarray:
        if in_memory:
            return _dense(matrix[:, positions])
        blocks = range(0, len(samples), _ROWS)
        parts = [_dense(_loaded(matrix[i : i + _ROWS])[:, positions]) for i in blocks]
        return np.concatenate(parts)

    return Table(samples, genes, columns, lambda n: _dense(_loaded(matrix[:n])))


def _loaded(block):
    """Into memory, when it is a lazy (dask) array."""
    return block.compute() if hasattr(block, "compute") else block


def _dense(block) -> np.ndarray:
    block = block.toarray() if sparse.issparse(block) else np.asarray(block)
    with np.errstate(over="ignore", under="ignore"):
        return np.array(block, dtype=np.float32)
