"""Mean and deviation of every gene, in one pass over samples that come a few at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from biomask.masks.rows import Rows, batches

ROUNDING = {"float32": 1e-6, "float64": 1e-12}  # of the mean: what sums of such values lose


class Moments:
    """Number, mean and sum of squared deviations; parts are joined without loss.

    With n = n_a + n_b and d = mean_b - mean_a (Chan, Golub & LeVeque 1983, The American
    Statistician 37:242, equation 1.5),

        mean = mean_a + d n_b / n,    M = M_a + M_b + d^2 n_a n_b / n.

    Attributes
    ----------
    n : int
    mean, squares : float64 arrays, shape (genes,)
    """

    def __init__(self, n_genes: int):
        self.n, self.mean, self.squares = 0, np.zeros(n_genes), np.zeros(n_genes)

    def add(self, values: np.ndarray) -> None:
        """More samples, (m, genes)."""
        if not len(values):
            return
        part = Moments(0)
        part.n, part.mean = len(values), values.mean(axis=0, dtype=np.float64)
        away = values - part.mean
        part.squares = np.einsum("ng,ng->g", away, away)
        self.join(part)

    def join(self, other: Moments) -> None:
        """The samples of the other ones too."""
        n = self.n + other.n
        if not n:
            return
        between = other.mean - self.mean
        self.mean = self.mean + between * (other.n / n)
        self.squares = self.squares + other.squares + between**2 * (self.n * other.n / n)
        self.n = n

    @property
    def sd(self) -> np.ndarray:
        """Deviation, as ``numpy.std`` without arguments gives it."""
        return np.sqrt(self.squares / self.n)


def fold_moments(X: Rows, held_out: Sequence[np.ndarray]) -> list[Moments]:
    """Moments of the training samples of every fold, in one pass for all folds.

    Every sample is held out in one fold: a training part is the held-out parts of the others.
    """
    fold = np.empty(len(X), int)
    for f, part in enumerate(held_out):
        fold[part] = f
    held = [Moments(X.shape[1]) for _ in held_out]
    for where, values in batches(X):
        for f in np.unique(fold[where]):
            held[f].add(values[fold[where] == f])
    training = [Moments(X.shape[1]) for _ in held_out]
    for f, total in enumerate(training):
        for g, part in enumerate(held):
            if g != f:
                total.join(part)
    return training


def scale_of(mean: np.ndarray, sd: np.ndarray, dtype=np.float32) -> np.ndarray:
    """What to divide by: the deviation, or infinity where values differ by rounding alone.

    The mean and the type of the values say how large that is, so that units do not matter.
    """
    return np.where(sd <= ROUNDING[np.dtype(dtype).name] * np.abs(mean), np.inf, sd)


def standardised(values: np.ndarray) -> np.ndarray:
    """Float64 columns with mean 0 and deviation 1; 0 where a column is constant."""
    mean, sd = values.mean(axis=0), values.std(axis=0)
    return (values - mean) / scale_of(mean, sd, np.float64)
