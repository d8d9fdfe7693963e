"""What an explorer looks at: a study, a mask or an alignment, as one table of pathways."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from biomask.masks.hierarchy import Hierarchy
from biomask.masks.overlap import nearest
from biomask.views.explorer_relatives import parents_of
from biomask.views.report_text import design, effect_meaning, heading, unresolved

if TYPE_CHECKING:
    from biomask.inference.study import Study
    from biomask.masks.alignment import Aligned
    from biomask.masks.mask import Mask

P_LIMITS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
SIZE_LIMITS = (2, 5, 10, 15, 20, 30, 50, 100, 200, 300, 500, 1000)
SHARE_LIMITS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Heading(NamedTuple):
    """A column of the table; `width` in pixels, `falling` where its largest values come first."""

    column: str
    text: str
    meaning: str
    width: int
    falling: bool = False


class Measure(NamedTuple):
    """A number to filter by; keeps values of at least the limit where `least`, else at most."""

    column: str
    text: str
    limits: tuple[float, ...]
    least: bool = False


@dataclass(frozen=True, eq=False)
class Source:
    """One table of pathways, and what belongs to it.

    Attributes
    ----------
    title, subtitle : str
        Plain text.
    notes : list of str
    table : DataFrame, indexed by pathway
        Has the columns of `headings` and `measures`, and ``size``.
    headings : list of Heading
        The first is that of the names.
    by : str
        Column that sorts at first.
    measures : list of Measure
    genes : Index of str
    members : csc_array of 0/1, shape (n_genes, n_pathways)
        Genes of each row of the table.
    descriptions : Series, indexed by pathway
    parents : dict
        Pathway to its parents, where there is a hierarchy.
    study : Study or None
    coverage : DataFrame or None
    """

    title: str
    subtitle: str
    notes: list[str]
    table: pd.DataFrame
    headings: list[Heading]
    by: str
    measures: list[Measure]
    genes: pd.Index
    members: sparse.csc_array
    descriptions: pd.Series
    parents: dict[str, list[str]] = field(default_factory=dict)
    study: Study | None = None
    coverage: pd.DataFrame | None = None

    @property
    def seeds(self) -> list[int]:
        """Those that can be looked at alone: none when there is only one."""
        if self.study is None or self.study.effects.empty:
            return []
        seeds = sorted(int(seed) for seed in self.study.scores["seed"].unique())
        return seeds if len(seeds) > 1 else []


# ------------------------------------------------------------------------ of a study


def study_source(study: Study) -> Source:
    """The pathways of a study with their effects and p-values."""
    table, mask = study.pathways, _flat(study.mask)
    parents = parents_of(table)
    headings = [
        Heading("pathway", "Pathway", "sort by name", 0),
        Heading("size", "Genes", "genes of the pathway in the data", 64, True),
        Heading("effect", "Effect", effect_meaning(study), 88, True),
        Heading("p", "p", "permutation p-value, not corrected", 72),
        Heading("p_fwer", "p_fwer", "corrected for all pathways at once, by max-T", 72),
        Heading("q", "q", "false discovery rate at which the pathway is found", 72),
        Heading("rank_median", "Rank", "median rank over folds and seeds, range of 90 %", 112),
    ]
    measures = [
        Measure("q", "q at most", P_LIMITS),
        Measure("p_fwer", "p_fwer at most", P_LIMITS),
        Measure("p", "p at most", P_LIMITS),
        Measure("size", "genes, at least", SIZE_LIMITS, True),
    ]
    if parents:
        headings.insert(2, Heading("level", "Level", "of the hierarchy", 56))
    if unresolved(study):  # too few permutations for any q to be small
        headings = [heading for heading in headings if heading.column != "q"]
        measures = measures[1:]
    return Source(
        heading(study),
        design(study),
        list(study.notes),
        table.rename_axis("pathway"),
        [part for part in headings if part.column in (*table.columns, "pathway")],
        "effect",
        measures,
        mask.genes,
        _members(mask, table.index),
        mask.descriptions.reindex(table.index, fill_value=""),
        parents,
        study,
    )


def seed_table(study: Study, seed: int) -> pd.DataFrame:
    """The pathways with the effects, and the ranks by them, of one seed alone.

    The p-values stay: they are about the mean over seeds. An effect is the mean over folds,
    weighted by their samples, as in the study itself.
    """
    rows = (study.scores["seed"] == seed).to_numpy()
    weights = study.scores.loc[rows, "fold"].map(study.predictions["fold"].value_counts())
    effect = np.average(study.effects[rows], axis=0, weights=weights.to_numpy(float))
    effect = pd.Series(effect, study.effects.columns).reindex(study.pathways.index)
    rank = effect.rank(ascending=False)
    return study.pathways.rename_axis("pathway").assign(
        effect=effect, rank_low=rank, rank_median=rank, rank_high=rank
    )


def _flat(mask: Mask | Hierarchy) -> Mask:
    """From the genes straight to every pathway, those of upper levels too."""
    return mask.flatten() if isinstance(mask, Hierarchy) else mask


def _members(mask: Mask, names: pd.Index) -> sparse.csc_array:
    """The genes of these pathways, 0/1."""
    members = sparse.csc_array((mask.to_scipy() != 0).astype(np.float32))
    return members[:, mask.pathways.get_indexer(names)]


# ------------------------------------------------------------------------ of a mask


def mask_source(mask: Mask | Hierarchy, coverage: pd.DataFrame | None = None) -> Source:
    """The pathways of a mask: how large they are, and how near to another one."""
    parents = parents_of(mask.table) if isinstance(mask, Hierarchy) else {}
    mask = _flat(mask)
    members = sparse.csc_array((mask.to_scipy() != 0).astype(np.float32))
    which, index = nearest(members)
    table = pd.DataFrame(
        {
            "size": mask.sizes(),
            "only_here": _only_here(members),
            "jaccard": index,
            "nearest": np.where(index > 0, mask.pathways[which], ""),
        },
        index=mask.pathways.rename("pathway"),
    )
    headings = [
        Heading("pathway", "Pathway", "sort by name", 0),
        Heading("size", "Genes", "genes of the pathway", 72, True),
        Heading("only_here", "Only here", "genes that are in no other pathway", 88, True),
        Heading("jaccard", "Jaccard", "genes shared with the nearest pathway, of both", 80, True),
        Heading("nearest", "Nearest pathway", "the pathway that shares most", 232),
    ]
    measures = [
        Measure("size", "genes, at least", SIZE_LIMITS, True),
        Measure("size", "genes, at most", SIZE_LIMITS),
        Measure("jaccard", "Jaccard, at least", SHARE_LIMITS, True),
    ]
    used = int((mask.degrees() > 0).sum())
    subtitle = (
        f"{mask.shape[0]:,} genes, {used:,} of them in a pathway · {mask.shape[1]:,} pathways · "
        f"{mask.n_edges:,} connections of {mask.shape[0] * mask.shape[1]:,} possible · "
        f"median size {mask.sizes().median():g}"
    )
    if coverage is not None:
        table = table.assign(coverage=coverage["coverage"].reindex(table.index))
        meaning = "genes of the pathway that the data have, of those in the whole mask"
        headings.insert(2, Heading("coverage", "In the data", meaning, 96))
        measures.append(Measure("coverage", "in the data, at least", SHARE_LIMITS, True))
    return Source(
        "Pathways of a mask",
        subtitle,
        [],
        table,
        headings,
        "size",
        measures,
        mask.genes,
        members,
        mask.descriptions,
        parents,
        coverage=coverage,
    )


def aligned_source(aligned: Aligned) -> Source:
    """A mask on data, with the share of each pathway that the data have."""
    coverage = aligned.report.coverage
    source = mask_source(aligned.mask, coverage)
    dropped = int((~coverage["kept"]).sum())
    note = f"{dropped:,} of {len(coverage):,} pathways were left out by align"
    return replace(source, notes=[note])


def _only_here(members: sparse.csc_array) -> np.ndarray:
    """Genes of each pathway that no other one has."""
    single = np.asarray(members.sum(axis=1)).ravel() == 1
    return np.asarray(members[single].sum(axis=0)).ravel().astype(int)
