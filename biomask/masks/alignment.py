"""Data and mask, both restricted to the genes they share: by name, and with a report."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from biomask.errors import AlignmentError, ArgumentError, BiomaskWarning, listed
from biomask.masks.alignment_report import (
    AlignmentReport,
    Entry,
    build_report,
    present_sizes,
)
from biomask.masks.expression import state_of
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.mask import Mask
from biomask.masks.matrices import Table, check_finite, read_table
from biomask.masks.mismatch import little_overlap, missing_genes
from biomask.masks.naming import SPREADSHEET
from biomask.masks.renaming import (
    MERGES,
    NameRules,
    check_duplicates,
    column_names,
    mask_with_clean_names,
    positions_of,
)
from biomask.masks.restriction import (
    hierarchy_sets,
    restricted_hierarchy,
    restricted_mask,
    with_residual_genes,
)

__all__ = ["Aligned", "AlignmentReport", "align"]

_LOOKED_AT = 200  # samples whose totals tell how the data were normalised


@dataclass(frozen=True, eq=False)
class Aligned:
    """A mask and data with the same genes in the same order.

    Attributes
    ----------
    mask : Mask or Hierarchy
    X : DataFrame, shape (n_samples, n_genes), float32
        The columns are ``mask.genes``; the index is that of the data.
    report : AlignmentReport
    rules : NameRules
        How names were treated; `match` treats new data the same way.
    means : Series, index gene
        Mean of each gene in the data the mask was aligned with.
    """

    mask: Mask | Hierarchy
    X: pd.DataFrame
    report: AlignmentReport
    rules: NameRules
    means: pd.Series

    def __repr__(self) -> str:
        return f"Aligned({len(self.X):,} samples, {self.mask!r})"

    def match(self, data, *, fill: str | None = None, layer: str | None = None) -> Aligned:
        """New data with exactly these genes, by name; the mask stays as it is.

        Parameters
        ----------
        data : DataFrame, AnnData, or array of shape (n_samples, n_genes)
        fill : {"train_mean"}, optional
            Give missing genes their mean in the data aligned at first, instead of failing.
            The report lists them.
        layer : str, optional
            Layer of an AnnData; ``.X`` without it.

        Returns
        -------
        Aligned
            Genes that the mask does not have are ignored; ``report.only_in_data`` lists them.

        Raises
        ------
        AlignmentError
            Genes are missing, or occur several times and the rules do not say what to do.
        DataError
            A value is not a finite number.
        """
        if fill not in (None, "train_mean"):
            raise ArgumentError(
                f"fill must be None or 'train_mean', received {fill!r}", code="E-ARGUMENT"
            )
        log: list[Entry] = []
        table = read_table(data, layer=layer, genes=self.mask.genes)
        names = column_names(table.genes, self.rules, log)
        there = self.mask.genes.isin(names)
        if not there.all() and (fill is None or not there.any()):
            raise missing_genes(self.mask, names, there)
        check_duplicates(names, self.mask.genes, table.genes, self.rules, log)
        X = _values(table, names, self.mask.genes[there], self.rules)
        absent = self.mask.genes[~there]
        filled = X.reindex(columns=self.mask.genes)
        filled[absent] = self.means[absent].to_numpy()
        log += [Entry("filled", "data", gene, detail="mean of the first data") for gene in absent]
        mask = self.mask.flatten() if isinstance(self.mask, Hierarchy) else self.mask
        kept = np.ones(mask.shape[1], dtype=bool)
        report = build_report(mask, names, there, kept, log, n_samples=len(X))
        return Aligned(self.mask, filled, report, self.rules, self.means)


def align(
    mask: Mask | Hierarchy,
    data,
    *,
    min_genes: int = 10,
    max_genes: int | None = 300,
    min_overlap: float = 0.25,
    layer: str | None = None,
    on_duplicate: str = "error",
    rename: Mapping[str, str] | None = None,
    strip_versions: bool = False,
) -> Aligned:
    """Restrict a mask and data to the genes they share, by name.

    Nothing is normalised, and nothing is dropped, renamed or merged without an entry in the
    report. Neither input is changed.

    Parameters
    ----------
    mask : Mask or Hierarchy
        A hierarchy is built again from the genes that are there, by the rules of
        `Hierarchy.from_sets`. One with a unit ``"(residual)"`` takes every gene of the data.
    data : DataFrame (samples x genes), AnnData, or array of shape (n_samples, n_genes of the mask)
        Of an AnnData ``.X`` is used, or `layer`; never ``.raw``.
    min_genes, max_genes : int
        Keep pathways with this many genes present in the data. Genes in no kept pathway go.
        In a hierarchy `max_genes` has no say: a large pathway is computed from its children, and
        what is left out would only make its parent's own genes more.
    min_overlap : float
        Fail when a smaller share of the mask's genes is in the data.
    layer : str, optional
        Layer of an AnnData.
    on_duplicate : {"error", "sum", "mean", "max", "first"}
        What to do when a gene of the mask has several columns.
    rename : mapping, optional
        Name in the data to name in the mask, such as ``{"SEPT2": "SEPTIN2"}``; what
        ``report.candidates`` proposes is never applied without it.
    strip_versions : bool
        Drop ``.15`` and ``_PAR_Y`` of Ensembl ids, on both sides. Other names keep their dots.

    Returns
    -------
    Aligned
        ``mask``, ``X`` (float32 DataFrame, columns ``mask.genes``) and ``report``.

    Raises
    ------
    AlignmentError
        Too few or no genes in common (with the probable cause), data or mask transposed, repeated
        names, or no pathway of the wanted size.
    DataError
        A value is not a finite number, or there is no sample.
    MaskError
        A hierarchy was rewired; align first.

    Warns
    -----
    BiomaskWarning
        Names that a spreadsheet converted, or values that are counts or logged twice.
    """
    _check_arguments(mask, min_genes, max_genes, min_overlap)
    rules = NameRules({} if rename is None else dict(rename), strip_versions, on_duplicate)
    log: list[Entry] = []
    hier = mask if isinstance(mask, Hierarchy) else None
    mask = mask_with_clean_names(mask if hier is None else hierarchy_sets(hier), rules, log)
    table = read_table(data, layer=layer, genes=mask.genes)
    names = column_names(table.genes, rules, log)
    there = mask.genes.isin(names)
    if there.mean() < min_overlap or not there.any():
        raise little_overlap(mask, names, there, min_overlap, data)
    if hier is not None:
        max_genes, mask = None, with_residual_genes(hier, mask, names)
        there = mask.genes.isin(names)
    check_duplicates(names, mask.genes, table.genes, rules, log)
    kept = _kept_pathways(mask, there, min_genes, max_genes)
    if hier is None:
        result = restricted_mask(mask, there, kept)
    else:
        result = restricted_hierarchy(hier, mask.select(genes=mask.genes[there]), min_genes, log)
    X = _values(table, names, result.genes, rules)
    noticed, state = _noticed(table, X, data, layer)
    log += [*noticed, *_dropped(mask, there, kept, result)]
    report = build_report(mask, names, there, kept, log, n_samples=len(X), state=state)
    _warn_of_spreadsheet(report)
    return Aligned(result, X, report, rules, X.mean())


# ------------------------------------------------------------------------ steps


def _check_arguments(mask, min_genes: int, max_genes: int | None, min_overlap: float) -> None:
    if not isinstance(mask, Mask | Hierarchy):
        raise ArgumentError(
            f"the first argument must be a Mask or a Hierarchy, received {type(mask).__name__}",
            code="E-ARGUMENT",
            hint="The order is bm.align(mask, data).",
        )
    if min_genes < 0 or (max_genes is not None and max_genes < min_genes):
        raise ArgumentError(
            f"min_genes={min_genes} and max_genes={max_genes} admit no pathway size",
            code="E-ARGUMENT",
            hint="min_genes must not exceed max_genes; max_genes=None sets no upper limit.",
        )
    if not 0 <= min_overlap <= 1:
        raise ArgumentError(
            f"min_overlap must be a share between 0 and 1, received {min_overlap!r}",
            code="E-ARGUMENT",
        )


def _kept_pathways(mask: Mask, there: np.ndarray, min_genes: int, max_genes) -> np.ndarray:
    present = present_sizes(mask, there)
    kept = present >= max(min_genes, 1)  # a pathway without a gene would be a dead unit
    if max_genes is not None:
        kept &= present <= max_genes
    if not kept.any():
        limit = "any number of" if max_genes is None else max_genes
        raise AlignmentError(
            f"no pathway has {min_genes} to {limit} genes in the data; the {mask.shape[1]} "
            f"pathways of the mask have {present.min()} to {present.max()}",
            code="E-ALIGN-EMPTY",
            hint=f"Change min_genes={min_genes} or max_genes={max_genes} (they select pathways by "
            "their genes present in the data); min_genes=1, max_genes=None keeps all.",
        )
    return kept


def _values(table: Table, names: pd.Index, genes: pd.Index, rules: NameRules) -> pd.DataFrame:
    """The columns of `genes`, repeats merged, every value a finite number."""
    places = positions_of(names, genes)
    values = table.columns(np.array([places[gene][0] for gene in genes]))
    if rules.on_duplicate in MERGES:
        for j, gene in enumerate(genes):
            if len(places[gene]) > 1:
                columns = table.columns(places[gene]).astype(np.float64)
                values[:, j] = MERGES[rules.on_duplicate](columns, axis=1)
    X = pd.DataFrame(values, index=table.samples, columns=genes)
    check_finite(X, what="the data")
    return X


def _dropped(mask: Mask, there: np.ndarray, kept: np.ndarray, result: Mask) -> list[Entry]:
    present = present_sizes(mask, there)
    pathways = [
        Entry("dropped", "pathway", name, detail=f"{size} genes in the data")
        for name, size in zip(mask.pathways[~kept], present[~kept], strict=True)
    ]
    idle = mask.genes[there & ~mask.genes.isin(result.genes)]
    return pathways + [Entry("dropped", "gene", g, detail="in no kept pathway") for g in idle]


def _noticed(table: Table, X: pd.DataFrame, data, layer: str | None) -> tuple[list[Entry], str]:
    """What is odd about the values, and the state they are in."""
    state, advice = state_of(X.to_numpy(), table.rows(_LOOKED_AT))
    entries = [Entry("note", "data", "values", detail=f"{state}. {advice}".strip())]
    if advice:
        warnings.warn(f"the values look like this: {state}. {advice}", BiomaskWarning, stacklevel=3)
    same = X.eq(X.iloc[0]).all().to_numpy() & (len(X) > 1)
    entries += [
        Entry("constant", "data", gene, detail=f"{value:g} in every sample")
        for gene, value in X.loc[:, same].iloc[0].items()
    ]
    if not table.samples.is_unique:
        repeated = table.samples[table.samples.duplicated()].unique()
        entries.append(Entry("note", "sample", listed(repeated, 3), detail="repeated names"))
    if not isinstance(data, pd.DataFrame) and getattr(data, "raw", None) is not None:
        used = ".X" if layer is None else f"layer {layer!r}"
        entries.append(Entry("note", "data", ".raw", detail=f"not used; the values are {used}"))
    return entries, state


def _warn_of_spreadsheet(report: AlignmentReport) -> None:
    found = report.candidates
    found = found[found["detail"] == SPREADSHEET]
    if len(found):
        pairs = (found["name"] + " (" + found["to"].replace("", "no known gene") + ")").tolist()
        warnings.warn(
            f"{len(found)} names of the data look converted by a spreadsheet: "
            f"{listed(pairs)}. Restore them from the source, or pass rename={{...}}; "
            "none was guessed.",
            BiomaskWarning,
            stacklevel=3,
        )
