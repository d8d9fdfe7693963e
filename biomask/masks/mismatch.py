"""The errors for names of data and mask that do not meet, with the likely cause."""

from __future__ import annotations

import numpy as np
import pandas as pd

from biomask.errors import AlignmentError, listed
from biomask.masks.alignment_report import present_sizes
from biomask.masks.mask import Mask
from biomask.masks.naming import probable_cause, text_names

_EXAMPLES = 5


def little_overlap(
    mask: Mask, names: pd.Index, there: np.ndarray, min_overlap: float, data
) -> AlignmentError:
    """For a mask of whose genes too few are in the data.

    Parameters
    ----------
    mask : Mask
    names : Index
        Names of the data's columns, cleaned.
    there : bool array, shape (n_genes,)
        Which genes of the mask are among `names`.
    min_overlap : float
        The share that was asked for.
    data : DataFrame or AnnData
        As given, to look for the genes elsewhere in it.
    """
    transposed = _transposed(mask, names, there, data)
    if transposed is not None:
        return transposed
    found = int(there.sum())
    absent, extra = mask.genes[~there], names[~names.isin(mask.genes)]
    cause = probable_cause(extra, absent, among=names) or "unknown; compare the names above."
    elsewhere = _matching_column(mask, there, data)
    share = f"{found} of the mask's {len(there)} genes ({there.mean():.1%})"
    coverage = present_sizes(mask, there) / np.maximum(mask.sizes().to_numpy(), 1)
    return AlignmentError(
        f"{share if found else f'none of the {len(there)} genes of the mask'} "
        f"{'are' if found else 'is'} in the data"
        + (f", fewer than min_overlap={min_overlap:.0%}" if found else "")
        + f". Only in the mask: {listed(absent, _EXAMPLES)}. "
        f"Only in the data: {listed(extra, _EXAMPLES)}"
        + (
            f". Half or more of their genes: {int((coverage >= 0.5).sum())} of {len(coverage)} "
            "pathways"
            if found
            else ""
        ),
        code="E-ALIGN-LOW" if found else "E-ALIGN-NONE",
        hint=f"Probable cause: {cause}{elsewhere}"
        + (" Lower min_overlap to go on; the report's coverage shows each pathway." * bool(found)),
    )


def missing_genes(mask: Mask, names: pd.Index, there: np.ndarray) -> AlignmentError:
    """For new data that lack genes of an aligned mask."""
    extra = names[~names.isin(mask.genes)]
    cause = probable_cause(extra, mask.genes[~there], among=names)
    offer = 'fill="train_mean" gives them their mean in the first data.' if there.any() else ""
    return AlignmentError(
        f"{int((~there).sum())} of {len(there)} genes of the mask are not in the new data",
        code="E-ALIGN-MISSING",
        genes=mask.genes[~there],
        hint=f"{f'Probable cause: {cause} ' if cause else ''}{offer}".strip(),
    )


def _transposed(mask: Mask, names: pd.Index, there: np.ndarray, data) -> AlignmentError | None:
    samples = getattr(data, "obs_names", getattr(data, "index", None))
    rows = 0 if samples is None else int(mask.genes.isin(text_names(samples)).sum())
    if rows > there.sum():
        return AlignmentError(
            f"the data look transposed: {rows} genes of the mask are among the rows, "
            f"{int(there.sum())} among the columns",
            code="E-ALIGN-TRANSPOSED",
            hint="Samples are rows and genes are columns: pass data.T.",
        )
    pathways = int(mask.pathways.isin(names).sum())
    if pathways > there.sum():
        return AlignmentError(
            f"the mask looks transposed: {pathways} of its pathways are named like columns of the "
            f"data, {int(there.sum())} of its genes are",
            code="E-ALIGN-TRANSPOSED",
            hint="Genes are the rows of a mask: transpose the matrix before making it.",
        )
    return None


def _matching_column(mask: Mask, there: np.ndarray, data) -> str:
    """The column of an AnnData's .var that holds the mask's names, as a sentence."""
    var = getattr(data, "var", None)
    if not isinstance(var, pd.DataFrame):
        return ""
    found = {name: int(mask.genes.isin(var[name].astype(str)).sum()) for name in var.columns}
    best = max(found, key=found.get, default=None)
    if best is None or found[best] <= there.sum():
        return ""
    return (
        f" Column {best!r} of .var has {found[best]} of the mask's genes: set data.var_names to it "
        "(in a copy)."
    )
