"""One look at all values of data on disk: may they be used, and what should be said of them?"""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from biomask.errors import DataError
from biomask.inference.moments import Moments
from biomask.masks.backed import DiskTable
from biomask.masks.matrices import check_finite
from biomask.masks.rows import batches

LOOKED_AT = 200  # samples whose totals tell how the data were normalised


class Survey:
    """What one pass over a table on disk has found.

    Parameters
    ----------
    table : DiskTable
    labels : float array, shape (k, n), or None
        Centred; what a gene could follow.

    Attributes
    ----------
    genes : Index
        Sorted by name: what is found does not depend on the order of the mask.
    low, high : float
    peak : float32 array, shape (genes,)
        See `peaks`.
    whole : bool
        Whether all values are whole numbers from 0 on.
    first : float32 array, shape (at most LOOKED_AT, genes)
        Some samples.
    contents : list of bytes
        sha256 of every sample's values, in the order of the table.
    moments : Moments
    products : float64 array, shape (k, genes), or None
        Labels times values.

    Raises
    ------
    DataError
        A value is not a finite number, or every gene is constant.
    """

    def __init__(self, table: DiskTable, labels: np.ndarray | None):
        table = table[sorted(table.columns)]
        self.genes = table.columns
        self.low, self.high, self.whole = np.inf, -np.inf, True
        self.peak = np.zeros(len(self.genes), np.float32)
        self.first = None
        self.contents = [b""] * len(table)
        self.moments = Moments(len(self.genes))
        self.products = None if labels is None else np.zeros((len(labels), len(self.genes)))
        varies = False
        for where, values in batches(table.rows):
            self._look_at(table, where, values)
            varies = varies or bool((values != self.first[0]).any())
            if labels is not None:
                self.products += labels[:, where] @ values
        if not varies:
            raise constant(len(table))

    def _look_at(self, table: DiskTable, where: np.ndarray, values: np.ndarray) -> None:
        low, high = float(values.min()), float(values.max())
        if not np.isfinite(low + high):  # either is NaN where a value is
            check_finite(pd.DataFrame(values, index=table.index[where], columns=self.genes))
        if self.first is None:
            self.first = values[:LOOKED_AT].copy()
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.peak = np.maximum(self.peak, peaks(values))
        self.whole = self.whole and low >= 0 and bool((values == np.floor(values)).all())
        self.moments.add(values)
        for place, row in zip(where.tolist(), values, strict=True):
            self.contents[place] = hashlib.sha256(row).digest()

    @property
    def digest(self) -> str:
        """sha256 over those of the samples."""
        return hashlib.sha256(b"".join(self.contents)).hexdigest()


def peaks(values: np.ndarray) -> np.ndarray:
    """The largest size of a value of each gene."""
    return np.maximum(values.max(axis=0), -values.min(axis=0))


def constant(n_samples: int) -> DataError:
    """For data in which nothing varies."""
    return DataError(
        f"every gene is the same in all {n_samples} samples",
        code="E-DATA-CONSTANT",
        hint="Check that X holds the values you meant, on their own scale: below 1e-45, "
        "float32 has only 0.",
    )
