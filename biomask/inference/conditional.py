"""Label vectors that leave in place what the labels owe to covariates."""

from __future__ import annotations

import warnings

import numpy as np
from scipy import special
from sklearn.linear_model import LogisticRegression

from biomask.errors import ArgumentError, BiomaskWarning, DataError
from biomask.inference.exchange import (
    Exchange,
    codes,
    count,
    exchange_units,
    symmetries,
    varies_within,
)
from biomask.inference.labels import Samples
from biomask.inference.moments import standardised
from biomask.inference.permutation import attainable_note, freedman_lane, permute_labels

STEPS = 50  # of the chain between two label vectors and their common origin, as in the paper
PENALTY = 100.0  # C of scikit-learn: hardly any, so that p(y | C) is not drawn towards p(y)
UNITS_A_COLUMN = 10  # fewer estimate p(y | C) too badly


def label_vectors(
    samples: Samples, task: str, n_permutations: int, rng: np.random.Generator | int
) -> np.ndarray:
    """The real labels and the permuted ones, float32, shape (B + 1, n); row 0 is the real one.

    Of shape (B + 1, n, 2) for survival.

    Without covariates see `permute_labels`. With them a free permutation would also break the link
    between labels and covariates, and whatever in X follows a covariate would look significant:
    then see `freedman_lane` for regression and `conditional_labels` for classes.

    Raises
    ------
    ArgumentError
        Covariates with survival.
    DataError
        See those functions.
    """
    y, parts = samples.numbers, (samples.groups, samples.strata)
    if samples.covariates is None:
        index = permute_labels(y, n_permutations, rng, *parts, task=task)
        return np.concatenate([y[None], y[index]])
    if task == "survival":
        raise ArgumentError(
            "covariates go with classes and regression: times cannot yet be permuted given them",
            code="E-COVARIATES",
            hint="Pass a categorical covariate as strata.",
        )
    draw = conditional_labels
    if task == "regression":
        # Not rounded, to see a fit without residuals.
        draw, y = freedman_lane, standardised(samples.y.to_numpy())
    vectors = draw(y, samples.covariates.to_numpy(), n_permutations, rng, *parts)
    return vectors.astype(np.float32)


def attainable(samples: Samples, task: str, vectors: np.ndarray, *, alpha: float = 0.05) -> str:
    """Why no p-value can reach `alpha` with these label vectors, or "" when one can."""
    n_permutations = len(vectors) - 1
    note = attainable_note(
        _moved(samples, task), task, n_permutations, samples.groups, samples.strata, alpha=alpha
    )
    same = int((vectors[1:] == vectors[0]).all(axis=tuple(range(1, vectors.ndim))).sum())
    if note or 1 + same <= alpha * len(vectors) + 1e-9:
        return note
    return (
        f"no p can reach {alpha:g}: the covariates nearly determine the labels, and {same} of the "
        f"{n_permutations} label vectors drawn are the real one"
    )


def _moved(samples: Samples, task: str) -> np.ndarray:
    """What tells samples apart that change places: labels, or what residuals come from."""
    if samples.covariates is None or task != "regression":
        return samples.numbers
    return np.column_stack([samples.numbers, samples.covariates])


def exchange_facts(samples: Samples, task: str, n_permutations: int) -> dict:
    """What changed places under permutation, and whether every other label vector was drawn."""
    units = exchange_units(_moved(samples, task), samples.groups, samples.strata)
    exchanged = "samples"
    if samples.groups is not None:
        whole = len(units.first) == len(np.unique(samples.groups))
        exchanged = "subjects" if whole else "samples within subjects"
    drawn_at_will = samples.covariates is None or task == "regression"  # else vectors may repeat
    every = count(units) // symmetries(units, task) - 1
    return {"exchanged": exchanged, "exhaustive": drawn_at_will and n_permutations == every}


def conditional_labels(
    y,
    covariates,
    n_permutations: int,
    rng: np.random.Generator | int,
    groups=None,
    strata=None,
) -> np.ndarray:
    """Class labels permuted with the probability that their covariates give each permutation.

    A permutation s of the labels is drawn with probability proportional to
    prod_i p(y_s(i) | c_i), by chains of swaps between disjoint pairs that start from a common
    origin, itself a chain away from the real labels (Berrett, Wang, Barber & Samworth 2020,
    JRSS-B 82:175, algorithms 1 and 2, with labels in the place of their X). The real and the drawn
    vectors are then exchangeable when labels and expression are independent given the covariates;
    drawn vectors may repeat. p(y | c) is logistic regression on the covariates and the strata,
    fitted here: the test is as good as that model.

    Parameters
    ----------
    y : array, shape (n,)
    covariates : float array, shape (n, k)
    n_permutations, rng
        See `permute_labels`.
    groups, strata
        See `exchange_units`. Subjects with one label each change places as a whole.

    Returns
    -------
    array, shape (B + 1, n); row 0 is `y`

    Raises
    ------
    DataError
        Labels vary within subjects, a covariate varies within subjects, or every vector drawn is
        the real one.

    Warns
    -----
    BiomaskWarning
        Fewer than 10 samples, or subjects, for each column of the logistic regression.
    """
    y, covariates = np.asarray(y), np.asarray(covariates, dtype=float)
    units = exchange_units(y, groups, strata)
    _refuse_within_subjects(units, covariates, groups)
    rng = np.random.default_rng(rng)
    logp = _log_probabilities(units, covariates[units.first])
    pairs = [_pairs(units.block, rng) for _ in range(STEPS)]
    origin = _chain(units.code[None, :], logp, pairs[::-1], rng)
    drawn = _chain(np.repeat(origin, n_permutations, axis=0), logp, pairs, rng)
    if n_permutations and (drawn == units.code).all():
        raise DataError(
            "the covariates determine the labels: given them, no other label vector is likely",
            code="E-NO-PERMUTATION",
            hint="Leave out the covariate that is a stand-in for the labels.",
        )
    values = y[units.first][np.unique(units.code, return_index=True)[1]]
    return np.vstack([y, values[drawn][:, units.unit]])


def _refuse_within_subjects(units: Exchange, covariates: np.ndarray, groups) -> None:
    if groups is None:
        return
    subject = codes(groups, "groups")
    if varies_within(units.code[units.unit], subject).any():
        raise DataError(
            "labels that vary within subjects cannot be permuted given covariates",
            code="E-COVARIATES",
            hint="A subject's samples share its covariates already: leave covariates out, or "
            "average over each subject and label.",
        )
    if varies_within(codes(covariates, "covariates"), subject).any():
        raise DataError(
            "a covariate varies within subjects while y does not",
            code="E-COVARIATES",
            hint="Average the covariate over each subject.",
        )


def _log_probabilities(units: Exchange, covariates: np.ndarray) -> np.ndarray:
    """log p(label | covariates, block) of every unit, shape (n_units, C)."""
    design = np.column_stack(
        [standardised(covariates), np.eye(units.block.max() + 1)[units.block][:, 1:]]
    )
    if len(design) < UNITS_A_COLUMN * design.shape[1]:
        warnings.warn(
            f"{len(design)} samples (or subjects) are few for {design.shape[1]} covariates and "
            "strata: the permutation given covariates is only as good as the fit of the labels on "
            "them. Leave some out, or join categories.",
            BiomaskWarning,
            stacklevel=6,
        )
    model = LogisticRegression(C=PENALTY, max_iter=5000).fit(design, units.code)
    return model.predict_log_proba(design)


def _pairs(block: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Units paired at random inside their blocks; one of an odd block stays alone."""
    order = np.lexsort((rng.random(len(block)), block))
    start = np.searchsorted(block[order], block[order])
    left = np.flatnonzero((np.arange(len(block)) - start) % 2 == 0)
    left = left[left + 1 < len(block)]
    left = left[block[order[left]] == block[order[left + 1]]]
    return order[left], order[left + 1]


def _chain(labels: np.ndarray, logp: np.ndarray, pairs, rng: np.random.Generator) -> np.ndarray:
    """Swap every pair of every chain (chains, n_units) with the odds of the swapped labels."""
    labels = labels.copy()
    for i, j in pairs:
        a, b = labels[:, i], labels[:, j]
        odds = logp[i, b] + logp[j, a] - logp[i, a] - logp[j, b]
        swap = rng.random(odds.shape) < special.expit(odds)
        labels[:, i], labels[:, j] = np.where(swap, b, a), np.where(swap, a, b)
    return labels
