"""Which samples are held out. Folds never look at the labels.

Folds balanced by the real labels would treat them better than the permuted ones, and the
permutation test would no longer be exact.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, StratifiedKFold

from biomask.errors import ArgumentError


def outer_folds(
    n: int, folds: int, seed: int, groups: np.ndarray | None, strata: np.ndarray | None
) -> list[np.ndarray]:
    """Held-out samples of each fold: sorted positions, every sample in exactly one.

    Parameters
    ----------
    n : int
        Number of samples.
    folds : int
    seed : int
    groups : int array, shape (n,), optional
        Subjects; one is never split. Folds have equally many subjects, give or take one.
    strata : int array, shape (n,), optional
        Spread evenly over the folds, except where a stratum has fewer samples (or subjects) than
        there are folds, or a subject is in several strata.

    Raises
    ------
    ArgumentError
        Fewer than 2 folds, or more than there are samples or subjects.
    """
    unit, first = np.arange(n), np.arange(n)
    if groups is not None:
        _, first, unit = np.unique(groups, return_index=True, return_inverse=True)
    if not 2 <= folds <= len(first):
        kind = "samples" if groups is None else "subjects"
        raise ArgumentError(
            f"folds must be between 2 and the number of {kind}, {len(first)}. "
            f"Received: folds={folds}",
            code="E-FOLDS",
        )
    stratum = None if strata is None else strata[first]
    if stratum is None or (stratum[unit] != strata).any() or np.bincount(stratum).max() < folds:
        splits = KFold(folds, shuffle=True, random_state=seed).split(first)
    else:
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
        splits = splitter.split(first, pd.factorize(stratum)[0])
    with warnings.catch_warnings():  # a stratum smaller than the number of folds is allowed here
        warnings.filterwarnings("ignore", message="The least populated class")
        return [np.flatnonzero(np.isin(unit, held)) for _, held in splits]


def inner_split(
    training: np.ndarray, share: float, seed: int, groups: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """(fitted, watched): the training samples, parted for early stopping.

    Whole subjects are watched where there are groups. At least one sample, or subject, is in each;
    a single one is fitted.

    Parameters
    ----------
    training : int array
        Positions of the training samples.
    share : float
        Of them to watch, between 0 and 1.
    seed : int
    groups : int array over all samples, optional
    """
    unit = training if groups is None else groups[training]
    names = np.unique(unit)
    order = np.random.default_rng(seed).permutation(len(names))
    n_watched = min(max(1, round(share * len(names))), len(names) - 1)
    watched = np.isin(unit, names[order[:n_watched]])
    return training[~watched], training[watched]
