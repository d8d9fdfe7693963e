"""Data and mask, both restricted to the genes they share: by name, and with a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from biomask.errors import AlignmentError, ArgumentError
from biomask.masks import modalities as several
from biomask.masks.alignment_report import AlignmentReport, Entry, build_report
from biomask.masks.alignment_steps import (
    dropped_entries,
    kept_pathways,
    notices,
    values_of,
    warn_of_spreadsheet,
)
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.mask import Mask
from biomask.masks.matrices import read_table
from biomask.masks.mismatch import little_overlap, missing_genes
from biomask.masks.renaming import (
    NameRules,
    check_duplicates,
    column_names,
    mask_with_clean_names,
)
from biomask.masks.restriction import (
    hierarchy_sets,
    restricted_hierarchy,
    restricted_mask,
    with_residual_genes,
)

__all__ = ["Aligned", "AlignmentReport", "align"]


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
    modalities : dict of str to Aligned
        Every modality on its own, where there are several; see `align`.
    """

    mask: Mask | Hierarchy
    X: pd.DataFrame
    report: AlignmentReport
    rules: NameRules
    means: pd.Series
    modalities: Mapping[str, Aligned] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Aligned({len(self.X):,} samples, {self.mask!r})"

    def match(self, data, *, fill: str | None = None, layer: str | None = None) -> Aligned:
        """New data with exactly these genes, by name; the mask stays as it is.

        Parameters
        ----------
        data : DataFrame, AnnData, or array of shape (n_samples, n_genes)
            With several modalities a mapping, as in `align`.
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
        if self.modalities or isinstance(data, Mapping):
            return _match_each(self, data, fill=fill, layer=layer)
        log: list[Entry] = []
        table = read_table(data, layer=layer, genes=self.mask.genes)
        names = column_names(table.genes, self.rules, log)
        there = self.mask.genes.isin(names)
        if not there.all() and (fill is None or not there.any()):
            raise missing_genes(self.mask, names, there)
        check_duplicates(names, self.mask.genes, table.genes, self.rules, log)
        X = values_of(table, names, self.mask.genes[there], self.rules)
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
        Of an AnnData ``.X`` is used, or `layer`; never ``.raw``. Or a mapping of these for several
        modalities of a gene, such as ``{"expression": X1, "mutation": X2}``: each is aligned by
        gene name, and the samples that all of them have are kept, by name. A column of the result
        is a gene in a modality, ``TP53 (mutation)``; a pathway receives every modality of its
        genes, each with a weight of its own. A gene that a modality lacks is not there for it.
    min_genes, max_genes : int
        Keep pathways with this many genes present in the data. Genes in no kept pathway go. A
        gene counts once, in however many modalities it is. In a hierarchy `max_genes` has no say: a
        large pathway is computed from its children, and what is left out would only make its
        parent's own genes more.
    min_overlap : float
        Fail when a smaller share of the mask's genes is in the data, or in one modality.
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
        ``mask``, ``X`` (float32 DataFrame, columns ``mask.genes``) and ``report``; of every
        modality, ``modalities[name].report``.

    Raises
    ------
    AlignmentError
        Too few or no genes in common (with the probable cause), data or mask transposed, repeated
        names, no pathway of the wanted size, or no sample in all modalities.
    DataError
        A value is not a finite number, there is no sample, or a modality has no sample names.
    MaskError
        A hierarchy was rewired; align first.

    Warns
    -----
    BiomaskWarning
        Names that a spreadsheet converted, or values that are counts or logged twice.

    Notes
    -----
    P-NET (Elmarakeby et al. 2021, Nature 598:348) puts a unit for each gene between its modalities
    and the pathways: the gene weighs its modalities once, and hands one number to all its pathways.
    Here each pathway weighs every modality itself, so that there is one hidden layer, and taking
    away a pathway or one modality of a gene is exact. `split_modality` parts the two names.
    """
    _check_arguments(mask, min_genes, max_genes, min_overlap)
    rules = NameRules({} if rename is None else dict(rename), strip_versions, on_duplicate)
    if isinstance(data, Mapping):
        limits = {"min_genes": min_genes, "max_genes": max_genes, "min_overlap": min_overlap}
        return _align_each(mask, data, rules, layer=layer, **limits)
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
    kept = kept_pathways(mask, there, min_genes, max_genes)
    if hier is None:
        result = restricted_mask(mask, there, kept)
    else:
        result = restricted_hierarchy(hier, mask.select(genes=mask.genes[there]), min_genes, log)
    X = values_of(table, names, result.genes, rules)
    noticed, state = notices(table, X, data, layer)
    log += [*noticed, *dropped_entries(mask, there, kept, result)]
    report = build_report(mask, names, there, kept, log, n_samples=len(X), state=state)
    warn_of_spreadsheet(report)
    return Aligned(result, X, report, rules, X.mean())


# ------------------------------------------------------------------------ several modalities


def _align_each(
    mask: Mask, data: Mapping, rules: NameRules, *, min_genes: int, max_genes: int | None, **options
) -> Aligned:
    if isinstance(mask, Hierarchy):
        raise ArgumentError(
            "several modalities need a Mask, received a Hierarchy",
            code="E-MODALITY",
            hint="Align its first mask, hierarchy[0], or give the hierarchy one modality.",
        )
    several.check_modalities(data)
    data, log = several.common_samples(data)
    parts = {}
    for name, values in data.items():
        with several.named(name):
            parts[name] = align(mask, values, min_genes=1, max_genes=None, **vars(rules), **options)
    mask = mask_with_clean_names(mask, rules, [])
    found = {name: part.report.matched for name, part in parts.items()}
    there = np.any([mask.genes.isin(genes) for genes in found.values()], axis=0)
    kept = kept_pathways(mask, there, min_genes, max_genes)
    joint = several.joint_mask(mask, mask.pathways[kept], found)
    log += dropped_entries(mask, there, kept, restricted_mask(mask, there, kept))
    parts = {name: _part(part, mask.pathways[kept], name) for name, part in parts.items()}
    X = several.joint_frame(joint.genes, {name: part.X for name, part in parts.items()})
    reports = {name: part.report for name, part in parts.items()}
    report = several.joint_report(mask, there, kept, reports, log, n_samples=len(X))
    return Aligned(joint, X, report, rules, X.mean(), parts)


def _part(part: Aligned, pathways: pd.Index, name: str) -> Aligned:
    """One modality, with the genes it has in these pathways."""
    kept = part.mask.pathways.isin(pathways)
    if not kept.any():
        raise AlignmentError(
            f"modality {name!r} has no gene of the {len(pathways)} pathways that are kept",
            code="E-ALIGN-EMPTY",
            hint="Leave it out, or change min_genes and max_genes.",
        )
    mask = restricted_mask(part.mask, np.ones(len(part.mask.genes), dtype=bool), kept)
    return replace(part, mask=mask, X=part.X[mask.genes], means=part.means[mask.genes])


def _match_each(aligned: Aligned, data, **options) -> Aligned:
    if not isinstance(data, Mapping) or not aligned.modalities:
        wanted = "a mapping of" if aligned.modalities else "one table, not"
        raise ArgumentError(
            f"the mask was aligned with {wanted} modalities, received {type(data).__name__}",
            code="E-MODALITY",
            hint="Pass new data in the form that bm.align got.",
        )
    several.check_modalities(data, aligned.modalities)
    data, log = several.common_samples({name: data[name] for name in aligned.modalities})
    parts = {}
    for name, part in aligned.modalities.items():
        with several.named(name):
            parts[name] = part.match(data[name], **options)
    X = several.joint_frame(aligned.mask.genes, {name: part.X for name, part in parts.items()})
    there = [several.feature_names(part.report.matched, name) for name, part in parts.items()]
    there = aligned.mask.genes.isin(np.concatenate(there))
    kept = np.ones(aligned.mask.shape[1], dtype=bool)
    reports = {name: part.report for name, part in parts.items()}
    report = several.joint_report(aligned.mask, there, kept, reports, log, n_samples=len(X))
    return replace(aligned, X=X, report=report, modalities=parts)


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
