"""Hierarchy: which gene feeds which pathway, and which pathway is part of which."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from biomask.masks.chain import check_chain, checked_masks, relation_names
from biomask.masks.html import hierarchy_html
from biomask.masks.levels import RESIDUAL, Limits, build_levels, quiet_when_dense
from biomask.masks.mask import Mask
from biomask.masks.notes import Note
from biomask.masks.transforms import rewire_upward
from biomask.masks.units import edge_table, level_table, reach, unit_table

__all__ = ["Hierarchy"]


class Hierarchy:
    """A chain of masks, from the genes up to the roots; every pathway is exactly one unit.

    The depth of a pathway is the longest path to it from a root, which has depth 1. In a chain of
    L masks ``hier[0]`` leads from the genes to every unit that takes genes itself, whatever its
    depth. The rows of ``hier[i]``, i >= 1, are the columns of ``hier[i - 1]``; its first columns
    are the pathways of depth L - i that have children, computed there from them. Its last
    ``n_carried(i)`` columns are units computed further down that a parent further up has yet to
    read, or that are roots: they are carried on unchanged, and their only edge comes from
    themselves. The columns of the last mask are the roots.

    A pathway with children takes no genes itself. What its set has beyond those of its children
    enters through one more child, named ``"<pathway> (own genes)"``.

    Parameters
    ----------
    masks : sequence of Mask
        Such a chain. `from_sets` makes one from gene sets and relations.
    notes : iterable of Note, optional
        What was dropped, joined or added to arrive at it; see `report`.
    residual : bool
        Whether `align` gives the data's genes that are in no pathway a unit; see `from_sets`.

    Raises
    ------
    MaskError
        The masks are no such chain (E-HIERARCHY-CHAIN).
    """

    def __init__(
        self, masks: Sequence[Mask], *, notes: Iterable[Note] = (), residual: bool = False
    ):
        self._masks = checked_masks(masks)
        self._notes = tuple(notes)
        self._carried = check_chain(self._masks)
        self._reach = reach(self._masks, self._carried)
        sha = hashlib.sha256("".join(mask.digest for mask in self._masks).encode())
        self._digest = sha.hexdigest()
        self._residual = residual or RESIDUAL in self._masks[0].pathways

    @classmethod
    def from_sets(
        cls,
        sets: Mask,
        relations: pd.DataFrame,
        *,
        min_genes: int = 1,
        max_depth: int | None = None,
        residual: bool = False,
        genes: Iterable[str] | None = None,
        notes: Iterable[Note] = (),
    ) -> Hierarchy:
        """A hierarchy from gene sets and what is part of what.

        These rules are applied in this order, and `report` has a row for every application:

        1. A name in `relations` without a gene set is left out, and its children become children
           of its parents.
        2. The genes of a pathway are its own and those of everything below it. Where the gene
           sets of parents lack genes of their children (as in GO), they are added.
        3. A pathway with fewer than `min_genes` genes goes, and with it what is below it, which
           has no more genes. They stay genes of the pathways above.
        4. A pathway deeper than `max_depth` goes. Its genes are genes of the pathways above.
        5. A pathway without children takes its genes itself. Any other takes its children; genes
           that reach none of these enter through a unit of its own, ``"<pathway> (own genes)"``.
           When they are fewer than `min_genes` they are left out there, and enter further up
           where they are among enough.
        6. Genes that are in no unit go, or, with `residual`, enter through one root
           ``"(residual)"``.

        A pathway in no relation is a leaf and a root at once.

        Parameters
        ----------
        sets : Mask
            The gene sets of all pathways, parents too; without weights.
        relations : DataFrame
            Columns ``child`` and ``parent``: names of pathways. Other columns are ignored.
        min_genes : int
            At least so many genes make a pathway.
        max_depth : int, optional
            The longest path from a root that is kept, and the largest number of masks. A unit of
            own genes counts as one step.
        residual : bool
            Give the genes that are in no kept pathway a unit, a root like any other.
        genes : iterable of str, optional
            All genes there are, for `residual`: those of the data. Without it those of `sets`.
        notes : iterable of Note, optional
            What happened before; first in the report.

        Raises
        ------
        MaskError
            The relations go around in a circle (E-HIERARCHY-CYCLE), name no pathway of `sets`
            (E-HIERARCHY-UNKNOWN), no pathway is large enough (E-MASK-EMPTY), the sets have
            weights (E-HIERARCHY-WEIGHTS) or a name that is reserved (E-HIERARCHY-NAME).
        ArgumentError
            `relations` lacks a column or holds what is no name, or a limit is no number from 1.
        """
        pairs = zip(
            relation_names(relations, "child"), relation_names(relations, "parent"), strict=True
        )
        limits = Limits(min_genes, max_depth)
        masks, made = build_levels(sets, pairs, limits, genes=genes, residual=residual)
        return cls(masks, notes=[*notes, *made], residual=residual)

    # ------------------------------------------------------------------ the chain

    @property
    def masks(self) -> tuple[Mask, ...]:
        """The masks, from the genes up."""
        return self._masks

    def __len__(self) -> int:
        return len(self._masks)

    def __getitem__(self, level: int) -> Mask:
        return self._masks[level]

    def __iter__(self) -> Iterator[Mask]:
        return iter(self._masks)

    def n_carried(self, level: int) -> int:
        """How many of the last columns of ``hier[level]`` are carried on unchanged."""
        return self._carried[level]

    def computed(self, level: int) -> pd.Index:
        """Names of the units that ``hier[level]`` computes: its columns without the carried."""
        names = self._masks[level].pathways
        return names[: len(names) - self._carried[level]]

    # ------------------------------------------------------------------ what it is

    @property
    def genes(self) -> pd.Index:
        """Names of the rows of the first mask: unique, str."""
        return self._masks[0].genes

    @property
    def pathways(self) -> pd.Index:
        """Every unit once, in the order in which they are computed."""
        return pd.Index(
            np.concatenate([self.computed(i) for i in range(len(self))]),
            dtype=object,
            name="pathway",
        )

    @property
    def roots(self) -> pd.Index:
        """The columns of the last mask."""
        return self._masks[-1].pathways

    @property
    def shape(self) -> tuple[int, int]:
        """(number of genes, number of units)."""
        return self._reach.shape

    @property
    def n_edges(self) -> int:
        """Number of connections; what is carried on unchanged is none."""
        return sum(mask.n_edges for mask in self._masks) - sum(self._carried)

    @property
    def digest(self) -> str:
        """sha256 over the digests of the masks."""
        return self._digest

    @property
    def descriptions(self) -> pd.Series:
        """Free text of each unit, "" where there is none; indexed by pathway."""
        pieces = [m.descriptions[self.computed(i)] for i, m in enumerate(self._masks)]
        return pd.concat(pieces).rename_axis("pathway")

    @property
    def report(self) -> pd.DataFrame:
        """What was dropped, joined or added on the way here, a row each."""
        frame = pd.DataFrame(list(self._notes), columns=list(Note._fields))
        return frame.astype({"line": "Int64"})

    @property
    def notes(self) -> tuple[Note, ...]:
        """The rows of `report`."""
        return self._notes

    @property
    def relations(self) -> pd.DataFrame:
        """One row an edge between units, ``child`` and ``parent``, units of own genes too."""
        edges = self.to_edges()
        edges = edges[edges["level"] > 0].reset_index(drop=True)
        return pd.DataFrame({"child": edges["source"], "parent": edges["target"]})

    @property
    def table(self) -> pd.DataFrame:
        """One row a unit, indexed by its name, in the order of `pathways`.

        ``level`` is the mask that computes it, ``depth`` the longest path from a root, ``genes``
        as in `sizes`; ``n_children`` and ``n_parents`` count units; ``parents`` are their names,
        joined by "; "; ``kind`` is "leaf", "inner", "own genes" or "residual".
        """
        return unit_table(self)

    @property
    def levels(self) -> pd.DataFrame:
        """One row a mask: its ``inputs``, ``units`` computed, ``carried`` on, ``edges``."""
        return level_table(self)

    def sizes(self) -> pd.Series:
        """Number of genes from which a path leads to each unit, indexed by pathway."""
        return pd.Series(np.diff(self._reach.indptr), index=self.pathways, name="size")

    @property
    def residual(self) -> bool:
        """Whether genes in no pathway have a unit, or get one when there are such genes."""
        return self._residual

    def flatten(self) -> Mask:
        """One mask from the genes straight to every unit that a path leads to."""
        texts = self.descriptions.to_dict()
        with quiet_when_dense():
            return Mask(self._reach, self.genes, self.pathways, descriptions=texts)

    def to_edges(self) -> pd.DataFrame:
        """One row an edge: ``level``, ``source`` (a gene at level 0) and ``target``.

        Sorted by level, then target, then source, in the order of the masks.
        """
        return edge_table(self)

    def rewire(self, seed: int) -> Hierarchy:
        """A random hierarchy in which every unit keeps its degrees at every level.

        `Mask.rewire` of every mask without its carried columns, which stay as they are.

        Parameters
        ----------
        seed : int
            The same seed gives the same hierarchy.
        """
        masks = [rewire_upward(mask, seed, n) for mask, n in zip(self, self._carried, strict=True)]
        note = Note("rewired", f"seed {seed}", "degrees kept at every level, membership random")
        return Hierarchy(masks, notes=[*self._notes, note], residual=self._residual)

    # ------------------------------------------------------------------ as a value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hierarchy) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)

    def __repr__(self) -> str:
        units = " -> ".join(f"{n:,}" for n in [len(self.genes), *self.levels["units"]])
        return (
            f"Hierarchy({units} units, {self.n_edges:,} edges, {len(self.roots):,} roots, "
            f"digest {self._digest[:8]})"
        )

    def _repr_html_(self) -> str:
        return hierarchy_html(self)
