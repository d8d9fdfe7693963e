"""The steps of an alignment: which pathways stay, the values of their genes, what is noticed."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from biomask.errors import AlignmentError, BiomaskWarning, listed
from biomask.masks.alignment_report import AlignmentReport, Entry, present_sizes
from biomask.masks.expression import state_of
from biomask.masks.mask import Mask
from biomask.masks.matrices import Table, check_finite
from biomask.masks.naming import SPREADSHEET
from biomask.masks.renaming import MERGES, NameRules, positions_of

_LOOKED_AT = 200  # samples whose totals tell how the data were normalised


def kept_pathways(mask: Mask, there: np.ndarray, min_genes: int, max_genes) -> np.ndarray:
    """Which pathways have the wanted number of genes in the data; an error when none has."""
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


def values_of(table: Table, names: pd.Index, genes: pd.Index, rules: NameRules) -> pd.DataFrame:
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


def dropped_entries(mask: Mask, there: np.ndarray, kept: np.ndarray, result: Mask) -> list[Entry]:
    """Of the pathways that are not kept, and of genes in no kept one."""
    present = present_sizes(mask, there)
    pathways = [
        Entry("dropped", "pathway", name, detail=f"{size} genes in the data")
        for name, size in zip(mask.pathways[~kept], present[~kept], strict=True)
    ]
    idle = mask.genes[there & ~mask.genes.isin(result.genes)]
    return pathways + [Entry("dropped", "gene", g, detail="in no kept pathway") for g in idle]


def notices(table: Table, X: pd.DataFrame, data, layer: str | None) -> tuple[list[Entry], str]:
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


def warn_of_spreadsheet(report: AlignmentReport) -> None:
    """Warn of names that a spreadsheet has changed."""
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
