"""Several modalities per gene: one mask row, and one column of X, for each gene and modality.

A column is called ``TP53 (mutation)``; `feature_names` makes such names and `split_modality` takes
them apart, and nothing else knows their form.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Hashable, Iterable, Iterator, Mapping

import numpy as np
import pandas as pd
from scipy import sparse

from biomask.errors import AlignmentError, ArgumentError, BiomaskError, DataError, listed
from biomask.masks.alignment_report import AlignmentReport, Entry, present_sizes
from biomask.masks.mask import Mask
from biomask.masks.matrices import sample_values

_FORM = r"^(?P<gene>.+) \((?P<modality>[^()]+)\)$"  # a gene may have brackets, a modality not


def feature_names(genes: Iterable[str], modality: str) -> list[str]:
    """What the columns of these genes are called in this modality: ``TP53 (mutation)``."""
    return [f"{gene} ({modality})" for gene in genes]


def split_modality(table: pd.DataFrame) -> pd.DataFrame:
    """The table with ``gene`` parted into ``gene`` and ``modality``, such as ``study.edges``.

    Parameters
    ----------
    table : DataFrame
        With the column ``gene``, of a mask that `align` made for several modalities:
        ``study.edges``, ``edge_weights(model)``, ``aligned.mask.to_edges()``.

    Returns
    -------
    DataFrame
        A copy; ``modality`` follows ``gene``.

    Raises
    ------
    DataError
        There is no column ``gene``, or a gene has no modality.
    """
    if "gene" not in table:
        raise DataError(
            "the table has no column 'gene'",
            code="E-COLUMN",
            hint=f"Its columns are {listed(table.columns)}.",
        )
    names = table["gene"].astype(str)
    parts = names.str.extract(_FORM)
    plain = parts["gene"].isna()
    if plain.any():
        raise DataError(
            f"{names[plain].nunique()} genes have no modality",
            code="E-MODALITY",
            genes=names[plain].unique(),
            hint="Only masks that bm.align made for several modalities name their genes "
            "'GENE (MODALITY)'.",
        )
    result = table.assign(gene=parts["gene"])
    result.insert(result.columns.get_loc("gene") + 1, "modality", parts["modality"])
    return result


def check_modalities(data: Mapping, known: Iterable[str] | None = None) -> None:
    """Refuse names that cannot be told from a gene's, and modalities other than the `known`.

    Raises
    ------
    ArgumentError
    """
    wrong = [m for m in data if not isinstance(m, str) or not m.strip() or set("()") & set(m)]
    if wrong or not data:
        raise ArgumentError(
            f"modalities need names without brackets, received {listed(wrong) or 'none'}",
            code="E-MODALITY",
            hint='Such as bm.align(mask, {"expression": X1, "mutation": X2}).',
        )
    if known is not None and set(data) != set(known):
        raise ArgumentError(
            f"the modalities must be {listed(sorted(known))}, received {listed(sorted(data))}",
            code="E-MODALITY",
            hint="New data needs every modality the mask was aligned with, under the same name.",
        )


def common_samples(data: Mapping) -> tuple[dict, list[Entry]]:
    """Every modality restricted to the samples that all have, in the order of the first.

    Parameters
    ----------
    data : mapping of modality to DataFrame (samples x genes), AnnData or Aligned

    Returns
    -------
    (dict, list of Entry)
        An entry for each sample that some modality lacks.

    Raises
    ------
    DataError
        A modality has no sample names, or repeats one.
    AlignmentError
        No sample is in all of them.
    """
    tables, samples = {}, {}
    for modality, values in data.items():
        values, by_name = sample_values(values, f"modality {modality!r}")
        inner = getattr(values, "X", None)
        table = inner if isinstance(inner, pd.DataFrame) else values  # Aligned
        names = getattr(table, "obs_names", getattr(table, "index", None))
        if not by_name or not isinstance(names, pd.Index) or not names.is_unique:
            what = "repeats" if by_name and isinstance(names, pd.Index) else "has no"
            some = f" {listed(names[names.duplicated()].unique(), 3)}" if what == "repeats" else ""
            raise DataError(
                f"modality {modality!r} {what} sample names{some}",
                code="E-SAMPLES",
                hint="Modalities are matched by sample name: pass DataFrames or AnnData with a "
                "unique index.",
            )
        tables[modality], samples[modality] = table, names
    first, *others = samples.values()
    common = first[np.all([first.isin(names) for names in [first, *others]], axis=0)]
    if not len(common):
        some = "; ".join(f"{modality}: {listed(names, 3)}" for modality, names in samples.items())
        raise AlignmentError(
            f"no sample is in all of the {len(samples)} modalities ({some})",
            code="E-ALIGN-SAMPLES",
            hint="Samples are matched by the index of each table; give them the same names.",
        )
    everyone = first.append(list(others)).unique()
    log = [
        Entry("dropped", "sample", str(name), detail=f"not in {_lacking(samples, name)}")
        for name in everyone[~everyone.isin(common)]
    ]
    return {modality: _rows(table, common) for modality, table in tables.items()}, log


def _lacking(samples: Mapping[str, pd.Index], name: Hashable) -> str:
    return ", ".join(modality for modality, names in samples.items() if name not in names)


def _rows(table, names: pd.Index):
    return table.loc[names] if isinstance(table, pd.DataFrame) else table[names]


@contextlib.contextmanager
def named(modality: str) -> Iterator[None]:
    """Errors and warnings from inside say which modality they are about."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
    except BiomaskError as error:
        raise type(error)(
            f"modality {modality!r}: {error.problem}",
            code=error.code,
            genes=error.genes,
            hint=error.hint,
            problems=error.problems if error.problems != [error] else (),
        ) from error
    for warning in caught:
        text = f"modality {modality!r}: {warning.message}"
        warnings.warn(text, warning.category, stacklevel=5)


def joint_mask(mask: Mask, pathways: pd.Index, genes: Mapping[str, pd.Index]) -> Mask:
    """The mask of these pathways over genes and modalities, gene by gene.

    Parameters
    ----------
    mask : Mask
        Over genes.
    pathways : Index
        To keep.
    genes : mapping of modality to Index
        The genes that each modality has.
    """
    mask = mask.select(pathways=pathways)
    matrix = mask.to_scipy().tocsr()
    used = np.diff(matrix.indptr) > 0
    rows, names = [], []
    there = {modality: used & mask.genes.isin(found) for modality, found in genes.items()}
    for row in np.flatnonzero(np.any(list(there.values()), axis=0)):
        for modality in there:
            if there[modality][row]:
                rows.append(row)
                names += feature_names([mask.genes[row]], modality)
    return mask.derive(sparse.csc_array(matrix[rows]), names, pathways, ())


def joint_frame(features: pd.Index, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The columns `features` of tables (samples x genes) with the same samples, float32."""
    frames = [
        table.set_axis(feature_names(table.columns, m), axis=1) for m, table in tables.items()
    ]
    return pd.concat(frames, axis=1)[features]


def joint_report(
    mask: Mask,
    there: np.ndarray,
    kept: np.ndarray,
    reports: Mapping[str, AlignmentReport],
    log: Iterable[Entry],
    *,
    n_samples: int,
) -> AlignmentReport:
    """One report on all modalities; the details of an entry begin with its modality.

    Parameters
    ----------
    mask : Mask
        Before it was restricted.
    there : bool array, shape (n_genes,)
        Which of its genes are in the data of any modality.
    kept : bool array, shape (n_pathways,)
    reports : mapping of modality to AlignmentReport
    log : iterable of Entry
        On samples and pathways.
    n_samples : int
    """
    sizes, present = mask.sizes(), present_sizes(mask, there)
    coverage = pd.DataFrame({"size": sizes, "present": present}, index=mask.pathways)
    coverage["coverage"] = present / np.maximum(sizes, 1)
    coverage["kept"] = kept
    entries = [
        entry._replace(detail=f"{modality}: {entry.detail}" if entry.detail else modality)
        for modality, report in reports.items()
        for entry in report.entries
        if (entry.action, entry.side) != ("dropped", "pathway")  # for all modalities together
    ]
    extra = [report.only_in_data for report in reports.values()]
    return AlignmentReport(
        matched=mask.genes[there],
        only_in_mask=mask.genes[~there],
        only_in_data=extra[0].append(extra[1:]).unique(),
        coverage=coverage,
        entries=[*log, *entries],
        n_samples=n_samples,
        state=_each(reports, "state"),
        cause=_each(reports, "cause"),
    )


def _each(reports: Mapping[str, AlignmentReport], name: str) -> str:
    texts = {modality: getattr(report, name) for modality, report in reports.items()}
    return "; ".join(f"{modality}: {text}" for modality, text in texts.items() if text)
