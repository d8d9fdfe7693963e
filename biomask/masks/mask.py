"""Mask: which gene feeds which pathway."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterable, Mapping

import numpy as np
import pandas as pd
from scipy import sparse

from biomask.errors import BiomaskWarning
from biomask.masks import checks, transforms
from biomask.masks.html import mask_html
from biomask.masks.notes import Note
from biomask.masks.parts import dense_parts, set_parts

__all__ = ["Mask", "Note"]


class Mask:
    """Which gene feeds which pathway: immutable, labelled, sparse.

    Parameters
    ----------
    matrix : sparse array or matrix, shape (n_genes, n_pathways)
        A stored, non-zero value is an edge; its value is the edge's weight (1 when unweighted).
        A negative weight means that the gene inhibits the pathway.
    genes, pathways : sequence of str
        Unique names of the rows and the columns.
    descriptions : mapping, optional
        Pathway name to free text, such as a Reactome id.
    notes : iterable of Note, optional
        What was dropped, merged or renamed to arrive at this mask; see `report`.

    Raises
    ------
    MaskError
        Names are repeated, empty or of the wrong number, a weight is not finite, or no edge is
        left.
    """

    def __init__(
        self,
        matrix,
        genes: Iterable[Hashable],
        pathways: Iterable[Hashable],
        *,
        descriptions: Mapping[str, str] | None = None,
        notes: Iterable[Note] = (),
    ):
        matrix = sparse.csc_array(matrix, dtype=np.float32, copy=True)
        matrix.sum_duplicates()  # also sorts the genes inside each pathway
        matrix.eliminate_zeros()
        self._genes = checks.unique_names(genes, matrix.shape[0], "gene")
        self._pathways = checks.unique_names(pathways, matrix.shape[1], "pathway")
        checks.check_edges(matrix, self._genes)
        for array in (matrix.data, matrix.indices, matrix.indptr):
            array.setflags(write=False)
        self._matrix = matrix
        self._descriptions = {
            name: str(descriptions[name]) for name in self._pathways if name in (descriptions or {})
        }
        self._notes = tuple(notes)
        self._digest = checks.content_digest(matrix, self._genes, self._pathways)
        if min(self.shape) > 1 and self.density == 1:
            warnings.warn(
                f"the mask is dense: every one of {self.shape[0]} genes feeds every one of "
                f"{self.shape[1]} pathways, so it carries no knowledge",
                BiomaskWarning,
                stacklevel=2,
            )

    # ------------------------------------------------------------------ other ways to make one

    @classmethod
    def from_dense(
        cls,
        array,
        genes: Iterable[Hashable] | None = None,
        pathways: Iterable[Hashable] | None = None,
        *,
        weighted: bool = False,
    ) -> Mask:
        """A mask from a 0/1 matrix.

        Parameters
        ----------
        array : array-like or DataFrame, shape (n_genes, n_pathways)
            Only 0 and 1, unless `weighted`. A DataFrame brings its own names.
        genes, pathways : sequence of str, optional
            Without them, rows are called ``gene_0, gene_1, ...`` and columns ``pathway_0, ...``.
        weighted : bool
            Accept any finite value as an edge weight; 0 is still "no edge".

        Raises
        ------
        MaskError
            A value is neither 0 nor 1, the array is not 2-D, or names do not fit it.
        """
        return cls(*dense_parts(array, genes, pathways, weighted=weighted))

    @classmethod
    def from_sets(
        cls,
        sets: Mapping[str, Iterable[str]],
        *,
        genes: Iterable[Hashable] | None = None,
        descriptions: Mapping[str, str] | None = None,
        notes: Iterable[Note] = (),
    ) -> Mask:
        """A mask from a mapping of pathway name to its genes.

        Genes are ordered by first appearance unless `genes` gives the order.
        """
        return cls(*set_parts(sets, genes), descriptions=descriptions, notes=notes)

    # ------------------------------------------------------------------ what it is

    @property
    def genes(self) -> pd.Index:
        """Names of the rows: unique, str."""
        return self._genes

    @property
    def pathways(self) -> pd.Index:
        """Names of the columns: unique, str."""
        return self._pathways

    @property
    def shape(self) -> tuple[int, int]:
        """(number of genes, number of pathways)."""
        return self._matrix.shape

    @property
    def n_edges(self) -> int:
        """Number of allowed connections."""
        return int(self._matrix.nnz)

    @property
    def density(self) -> float:
        """Share of the possible connections that are allowed, 0 to 1."""
        return self.n_edges / (self.shape[0] * self.shape[1])

    @property
    def weighted(self) -> bool:
        """Whether any edge weight differs from 1."""
        return bool((self._matrix.data != 1).any())

    @property
    def digest(self) -> str:
        """sha256 over the names, in order, and the edges with their weights."""
        return self._digest

    @property
    def descriptions(self) -> pd.Series:
        """Free text of each pathway, "" where there is none; indexed by pathway."""
        text = [self._descriptions.get(name, "") for name in self._pathways]
        return pd.Series(text, index=self._pathways, name="description", dtype=object)

    @property
    def report(self) -> pd.DataFrame:
        """What was dropped, merged, renamed or skipped on the way here, a row each."""
        frame = pd.DataFrame(list(self._notes), columns=list(Note._fields))
        return frame.astype({"line": "Int64"})

    @property
    def notes(self) -> tuple[Note, ...]:
        """The rows of `report`."""
        return self._notes

    @property
    def edge_index(self) -> tuple[np.ndarray, np.ndarray]:
        """(gene position, pathway position) of every edge, int32, sorted by pathway then gene.

        This is the order of every edge vector in biomask.
        """
        cols = np.repeat(np.arange(self.shape[1], dtype=np.int32), np.diff(self._matrix.indptr))
        return self._matrix.indices.astype(np.int32), cols

    @property
    def edge_values(self) -> np.ndarray:
        """The weight of every edge, float32, in the order of `edge_index`. Read-only."""
        return self._matrix.data

    def sizes(self) -> pd.Series:
        """Number of genes of each pathway, indexed by pathway."""
        return pd.Series(np.diff(self._matrix.indptr), index=self._pathways, name="size")

    def degrees(self) -> pd.Series:
        """Number of pathways of each gene, indexed by gene."""
        counts = np.bincount(self._matrix.indices, minlength=self.shape[0])
        return pd.Series(counts, index=self._genes, name="degree")

    def to_scipy(self) -> sparse.csc_array:
        """A copy as float32 `csc_array`, shape (n_genes, n_pathways)."""
        return self._matrix.copy()

    def to_dense(self) -> pd.DataFrame:
        """Genes x pathways: 0/1 (int8), or the weights (float32) of a weighted mask."""
        values = self._matrix if self.weighted else self._matrix.astype(np.int8)
        return pd.DataFrame(values.toarray(), index=self._genes, columns=self._pathways)

    def to_edges(self) -> pd.DataFrame:
        """One row an edge: ``gene``, ``pathway``, ``weight``; sorted by pathway then gene."""
        rows, cols = self.edge_index
        return pd.DataFrame(
            {
                "gene": self._genes[rows],
                "pathway": self._pathways[cols],
                "weight": self._matrix.data.copy(),
            }
        )

    def to_sets(self) -> dict[str, list[str]]:
        """Pathway name to its genes, in the order of `genes`."""
        pieces = np.split(self._genes.to_numpy()[self._matrix.indices], self._matrix.indptr[1:-1])
        return {name: list(piece) for name, piece in zip(self._pathways, pieces, strict=True)}

    # ------------------------------------------------------------------ other masks from this one

    def filter(self, min_genes: int = 1, max_genes: int | None = None) -> Mask:
        """Keep the pathways of `min_genes` to `max_genes` genes. Genes all stay.

        Raises
        ------
        MaskError
            No pathway is left.
        """
        return transforms.keep_sizes(self, min_genes, max_genes)

    def select(
        self, genes: Iterable[str] | None = None, pathways: Iterable[str] | None = None
    ) -> Mask:
        """The mask of these genes and these pathways, in the order given.

        Raises
        ------
        MaskError
            A name is not in the mask, is given twice, or no edge is left.
        """
        return transforms.keep_names(self, genes, pathways)

    def merge_identical(self) -> Mask:
        """Pathways with the same genes (and weights) become one, named ``"A | B"``."""
        return transforms.merge_identical(self)

    def rewire(self, seed: int) -> Mask:
        """A random mask with exactly these pathway sizes and gene degrees.

        Curveball trades between pathways, ten for each pathway (Strona et al. 2014, Nature
        Communications 5:4114). The weights of a pathway are dealt anew to its new genes.

        Parameters
        ----------
        seed : int
            The same seed gives the same mask.
        """
        return transforms.rewire(self, seed)

    def derive(
        self,
        matrix,
        genes: Iterable[Hashable],
        pathways: Iterable[Hashable],
        notes: Iterable[Note],
        *,
        descriptions: Mapping[str, str] | None = None,
    ) -> Mask:
        """Another mask that remembers this one's notes, and its descriptions by name."""
        descriptions = self._descriptions if descriptions is None else descriptions
        notes = (*self._notes, *notes)
        return Mask(matrix, genes, pathways, descriptions=descriptions, notes=notes)

    # ------------------------------------------------------------------ as a value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mask) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)

    def __repr__(self) -> str:
        n_genes, n_pathways = self.shape
        return (
            f"Mask({n_genes:,} genes x {n_pathways:,} pathways, {self.n_edges:,} edges, "
            f"density {self.density:.2%}, digest {self._digest[:8]})"
        )

    def _repr_html_(self) -> str:
        return mask_html(self)
