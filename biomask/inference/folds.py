"""Which samples are held out. Folds never look at the labels.

Folds balanced by the real labels would treat them better than the permuted ones, and the
permutation test would no longer be exact.
"""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

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
        Subjects; one is never split.
    strata : int array, shape (n,), optional
        Spread evenly over the folds.

    Raises
    ------
    ArgumentError
        Fewer than 2 folds, or more than there are samples or subjects.
    """
    units = n if groups is None else len(np.unique(groups))
    if not 2 <= folds <= units:
        kind = "samples" if groups is None else "subjects"
        raise ArgumentError(
            f"folds must be between 2 and the number of {kind}, {units}. Received: folds={folds}",
            code="E-FOLDS",
        )
    if groups is None:
        if strata is None or np.bincount(strata).min() < folds:
            splits = KFold(folds, shuffle=True, random_state=seed).split(np.zeros(n))
        else:
            splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
            splits = splitter.split(np.zeros(n), strata)
    elif strata is None:
        splitter = GroupKFold(folds, shuffle=True, random_state=seed)
        splits = splitter.split(np.zeros(n), groups=groups)
    else:
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        splits = splitter.split(np.zeros(n), strata, groups)
    return [np.sort(held) for _, held in splits]


def inner_split(
    training: np.ndarray, share: float, seed: int, groups: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """(fitted, watched): the training samples, parted for early stopping.

    Whole subjects are watched where there are groups. At least one sample, or subject, is in each.

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
