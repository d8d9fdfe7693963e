"""What an explorer shows of its table: which pathways, in which order, on which page."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from biomask.errors import listed
from biomask.views.explorer_source import Measure, Source, seed_table

ROWS = 10  # on a page
_NAMED = 6  # genes in the sentence about the search


class Query(NamedTuple):
    """What was asked for; the default asks for everything.

    Attributes
    ----------
    text : str
        Words that the name of the pathway holds, in any order; upper and lower case are one.
    genes : str
        Names of genes, or parts of them, separated by spaces or commas. A pathway must have a gene
        for each. A word that is the whole name of a gene means that gene only.
    measure : Measure, optional
    limit : float, optional
        Of the measure; without it nothing is left out.
    seed : int, optional
        Effects and ranks of this seed alone.
    by : str
        Column to sort by, "" for the source's own.
    falling : bool
        Largest first.
    """

    text: str = ""
    genes: str = ""
    measure: Measure | None = None
    limit: float | None = None
    seed: int | None = None
    by: str = ""
    falling: bool = True


class Found(NamedTuple):
    """Pathways that a query asks for, sorted, the genes that its words mean, and a sentence."""

    table: pd.DataFrame
    genes: list[str]
    sentence: str


class Finder:
    """Answers queries about one source; names are prepared once."""

    def __init__(self, source: Source):
        self.source = source
        self._names = pd.Series(source.table.index.str.lower(), dtype=object)
        self._genes = pd.Series(source.genes.str.lower(), dtype=object)
        self._by_gene = source.members.tocsr()
        self._seeds: dict[int, pd.DataFrame] = {}

    def find(self, query: Query) -> Found:
        """The pathways that fit, sorted."""
        table = self._table(query.seed)
        keep = np.ones(len(table), bool)
        for word in query.text.lower().split():
            keep &= self._names.str.contains(word, regex=False).to_numpy(bool)
        meant = [self._meant(word) for word in query.genes.replace(",", " ").lower().split()]
        for positions in meant:
            keep &= self._having(positions)
        if query.measure is not None and query.limit is not None:
            values = table[query.measure.column].to_numpy(float)
            least = query.measure.least
            keep &= values >= query.limit if least else values <= query.limit
        shown = self._sorted(table[keep], query)
        genes = list(self.source.genes[np.unique(np.concatenate([[], *meant])).astype(int)])
        return Found(shown, genes, self._sentence(query, len(shown), genes, meant))

    def _table(self, seed: int | None) -> pd.DataFrame:
        if seed is None:
            return self.source.table
        if seed not in self._seeds:
            self._seeds[seed] = seed_table(self.source.study, seed)
        return self._seeds[seed]

    def _meant(self, word: str) -> np.ndarray:
        """Positions of the gene of that name, else of the genes whose name holds the word."""
        whole = np.flatnonzero(self._genes == word)
        if len(whole):
            return whole
        return np.flatnonzero(self._genes.str.contains(word, regex=False).to_numpy(bool))

    def _having(self, positions: np.ndarray) -> np.ndarray:
        return np.asarray(self._by_gene[positions].sum(axis=0)).ravel() > 0

    def _sorted(self, table: pd.DataFrame, query: Query) -> pd.DataFrame:
        by, rising = query.by or self.source.by, not query.falling
        if by == "pathway":
            return table.sort_index(ascending=rising, key=lambda names: names.str.lower())
        # equals stand as they did at first
        table = table.sort_values(self.source.by, ascending=False, kind="stable")
        return table.sort_values(by, ascending=rising, kind="stable", na_position="last")

    def _sentence(self, query: Query, shown: int, genes: list[str], meant: list) -> str:
        text = f"{shown:,} of {len(self.source.table):,} pathways"
        words = query.genes.replace(",", " ").split()
        unknown = [w for w, positions in zip(words, meant, strict=True) if not len(positions)]
        if unknown:
            return f"{text}: no gene here has {listed(unknown)} in its name"
        if not words:
            return text
        more = f" and {len(genes) - _NAMED:,} more" if len(genes) > _NAMED else ""
        return f"{text} have {', '.join(genes[:_NAMED])}{more}"


def page(table: pd.DataFrame, number: int) -> tuple[pd.DataFrame, int, int]:
    """The rows of a page, its number made one that exists, and the number of pages.

    Parameters
    ----------
    table : DataFrame
    number : int
        From 0.
    """
    pages = max(1, -(-len(table) // ROWS))
    number = min(max(number, 0), pages - 1)
    return table.iloc[number * ROWS : (number + 1) * ROWS], number, pages
