"""What happened to every name when data and a mask were brought together."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from biomask.masks.mask import Mask
from biomask.masks.naming import candidates, probable_cause

_SHOWN = 8  # pathways in the notebook view


class Entry(NamedTuple):
    """One thing that was done, or noticed, while aligning.

    ``action`` is one of renamed, merged, ignored, dropped, filled, candidate, constant, note;
    ``side`` one of data, mask, gene, pathway, sample; ``to`` the new or the probable name.
    """

    action: str
    side: str
    name: str
    to: str = ""
    detail: str = ""


class AlignmentReport:
    """What matched, what did not, and everything that was changed on the way.

    Attributes
    ----------
    matched : Index
        Genes of the mask that are in the data, in mask order.
    only_in_mask, only_in_data : Index
        Genes without a partner.
    coverage : DataFrame, index pathway (all of the mask's)
        ``size``, ``present`` (genes found in the data), ``coverage`` (their share), ``kept``.
    entries : tuple of Entry
        Everything renamed, merged, dropped, filled or noticed; `to_frame` is the same as a table.
    state : str
        What the values look like: raw counts, logged, ...; "" when there were none to look at.
    cause : str
        Why the names that do not match probably do not; "" when there is nothing to say.
    n_samples : int
    """

    def __init__(
        self,
        *,
        matched: pd.Index,
        only_in_mask: pd.Index,
        only_in_data: pd.Index,
        coverage: pd.DataFrame,
        entries: Iterable[Entry],
        n_samples: int,
        state: str = "",
        cause: str = "",
    ):
        self.matched = matched
        self.only_in_mask = only_in_mask
        self.only_in_data = only_in_data
        self.coverage = coverage
        self.entries = tuple(entries)
        self.n_samples = n_samples
        self.state = state
        self.cause = cause

    @property
    def counts(self) -> pd.Series:
        """How many genes matched, were only on one side, and how many pathways were kept."""
        return pd.Series(
            {
                "samples": self.n_samples,
                "matched": len(self.matched),
                "only_in_mask": len(self.only_in_mask),
                "only_in_data": len(self.only_in_data),
                "pathways": len(self.coverage),
                "pathways_kept": int(self.coverage["kept"].sum()),
            },
            name="count",
        )

    @property
    def renamed(self) -> pd.DataFrame:
        """Names that were changed, on either side, and why."""
        return self._of("renamed")

    @property
    def duplicates(self) -> pd.DataFrame:
        """Names that occurred several times in the data, where, and what was done."""
        table = self.to_frame()
        return table[table["action"].isin(["merged", "ignored"])].reset_index(drop=True)

    @property
    def dropped(self) -> pd.DataFrame:
        """Genes and pathways that are in the input and not in the result, and why."""
        return self._of("dropped")

    @property
    def candidates(self) -> pd.DataFrame:
        """Names of the data that probably mean a gene of the mask; none was applied."""
        return self._of("candidate")

    @property
    def constant(self) -> pd.DataFrame:
        """Genes with the same value in every sample."""
        return self._of("constant")

    def to_frame(self) -> pd.DataFrame:
        """Every entry, a row each: ``action``, ``side``, ``name``, ``to``, ``detail``."""
        return pd.DataFrame(self.entries, columns=list(Entry._fields), dtype=object)

    def _of(self, action: str) -> pd.DataFrame:
        table = self.to_frame()
        return table[table["action"] == action].reset_index(drop=True)

    # ------------------------------------------------------------------ to be looked at

    def _lines(self) -> list[str]:
        n = self.counts
        n_mask, n_data = n["matched"] + n["only_in_mask"], n["matched"] + n["only_in_data"]
        done = self.to_frame().groupby(["action", "side"], sort=False).size()
        return [
            f"{n['matched']:,} of the mask's {n_mask:,} genes are in the data "
            f"({n['matched'] / max(n_mask, 1):.1%})",
            f"data: {n['samples']:,} samples x {n_data:,} genes, "
            f"{n['only_in_data']:,} not in the mask",
            f"pathways: {n['pathways_kept']:,} of {n['pathways']:,} kept",
            *([f"values: {self.state}"] if self.state else []),
            *(f"{action} ({side}): {count:,}" for (action, side), count in done.items()),
            *([f"probable cause: {self.cause}"] if self.cause else []),
        ]

    def __repr__(self) -> str:
        return "\n  ".join(["AlignmentReport", *self._lines()])

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{html.escape(line)}</li>" for line in self._lines())
        lowest = self.coverage.sort_values("coverage", kind="stable").head(_SHOWN)
        return (
            f"<p><b>AlignmentReport</b></p><ul>{items}</ul>"
            f"<p>Pathways with the lowest coverage</p>{lowest.to_html(escape=True)}"
        )


def present_sizes(mask: Mask, there: np.ndarray) -> np.ndarray:
    """Number of genes of each pathway that are in the data; `there` is a bool for each gene."""
    rows, cols = mask.edge_index
    return np.bincount(cols[there[rows]], minlength=mask.shape[1])


def build_report(
    mask: Mask,
    names: pd.Index,
    there: np.ndarray,
    kept: np.ndarray,
    log: Iterable[Entry],
    *,
    n_samples: int,
    state: str = "",
) -> AlignmentReport:
    """The report on a mask and the names of the data.

    Parameters
    ----------
    mask : Mask
        Before it was restricted.
    names : Index
        Names of the data's columns, cleaned; "" is no name.
    there : bool array, shape (n_genes,)
        Which genes of the mask are in the data.
    kept : bool array, shape (n_pathways,)
    log : iterable of Entry
        What was done so far; genes without a partner and candidates are added.
    n_samples, state
        As in `AlignmentReport`.
    """
    absent = mask.genes[~there]
    extra = names[~names.isin(mask.genes) & (names != "")].unique()
    sizes, present = mask.sizes(), present_sizes(mask, there)
    coverage = pd.DataFrame({"size": sizes, "present": present}, index=mask.pathways)
    coverage["coverage"] = present / np.maximum(sizes, 1)
    coverage["kept"] = kept
    proposed = candidates(extra, absent, among=names)
    entries = [
        *log,
        *(Entry("dropped", "mask", gene, detail="not in the data") for gene in absent),
        *(Entry("dropped", "data", gene, detail="not in the mask") for gene in extra),
        *(Entry("candidate", "data", *found) for found in proposed),
    ]
    return AlignmentReport(
        matched=mask.genes[there],
        only_in_mask=absent,
        only_in_data=extra,
        coverage=coverage,
        entries=entries,
        n_samples=n_samples,
        state=state,
        cause=probable_cause(extra, absent, proposed, among=names),
    )
