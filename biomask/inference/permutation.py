"""Permuted labels: drawing them, and how small a p-value they allow."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pandas as pd

from biomask.errors import ArgumentError, DataError
from biomask.inference.exchange import (
    NAMED,
    codes,
    count,
    exchange_units,
    symmetries,
    varies_within,
)
from biomask.inference.moments import standardised


def permute_labels(
    y,
    n_permutations: int,
    rng: np.random.Generator | int,
    groups=None,
    strata=None,
    *,
    task: str | None = None,
) -> np.ndarray:
    """Index arrays that permute the labels: ``np.asarray(y)[index[b]]`` is label vector b + 1.

    The label vectors are drawn uniformly, without replacement, from those that differ from the
    real one and from each other, so that p = (1 + #{T_b >= T_0}) / (B + 1) is exact at every
    number of them and becomes the full permutation test when they run out.

    Parameters
    ----------
    y, groups, strata
        See `exchange_units`.
    n_permutations : int
        How many are wanted.
    rng : numpy Generator or int
        An int is a seed.
    task : str, optional
        For "binary", "multiclass" and "autoencoder" (two groups), vectors that differ only in the
        names of the classes pose the same question and count as one; see `count_tests`.

    Returns
    -------
    int array, shape (B, n), B = min(`n_permutations`, `count_tests` - 1)
        Entries point at the sample whose label is taken: a permutation of the samples, except that
        with whole subjects it is a sample of the subject whose label is taken.

    Raises
    ------
    ArgumentError
        `n_permutations` is negative.
    DataError
        See `exchange_units`; or there is only one way to deal the labels.
    """
    if n_permutations < 0:
        raise ArgumentError(
            f"permutations must be 0 or more, received {n_permutations}", code="E-PERMUTATIONS"
        )
    units = exchange_units(y, groups, strata)
    available = count(units) // symmetries(units, task) - 1
    if n_permutations and not available:
        raise DataError(
            "no permutation of these labels poses another question than the real ones",
            code="E-NO-PERMUTATION",
            hint="Labels must differ inside a stratum, or between the subjects of a stratum.",
        )
    rng = np.random.default_rng(rng)
    seen = {_key(units.code, task)}
    drawn = []
    by_block = np.argsort(units.block, kind="stable")
    while len(drawn) < min(n_permutations, available):
        source = np.empty_like(by_block)
        source[by_block] = np.lexsort((rng.random(len(by_block)), units.block))
        key = _key(units.code[source], task)
        if key not in seen:
            seen.add(key)
            drawn.append(units.first[source][units.unit])
    return np.array(drawn, dtype=np.intp).reshape(len(drawn), len(units.unit))


def count_permutations(y, groups=None, strata=None) -> int:
    """Number of distinct label vectors, the real one among them; exact, of any size.

    The product over blocks of the multinomial coefficient n! / (n_1! n_2! ...).
    """
    return count(exchange_units(y, groups, strata))


def count_tests(y, task: str | None, groups=None, strata=None) -> int:
    """Number of label vectors that pose different questions: the smallest p is one over this.

    3 against 3 samples can be labelled in 20 ways, but "these three against those three" is one
    question whichever side is called 1, and a network answers both alike: 10 remain. Classes are
    interchangeable in this way when they have equally many units in every block.
    """
    units = exchange_units(y, groups, strata)
    return count(units) // symmetries(units, task)


def attainable_note(
    y, task: str | None, n_permutations: int, groups=None, strata=None, *, alpha: float = 0.05
) -> str:
    """Why no p-value can reach `alpha`, or "" when one can."""
    units = exchange_units(y, groups, strata)
    tests = count(units) // symmetries(units, task)
    if tests < 1 / alpha:  # tests may be too large for a float
        kind = "samples" if len(units.first) == len(units.unit) else "subjects"
        sizes = np.bincount(units.code)
        classes = task in NAMED
        who = " against ".join(map(str, sizes)) if classes else f"{len(units.code)} {kind}"
        return (
            f"no p can reach {alpha:g} with {who}: the labels can be dealt in only {tests} "
            f"different ways, so the smallest p is {1 / tests:.2g}"
        )
    if (n_permutations + 1) * alpha < 1:
        return (
            f"no p can reach {alpha:g} with {n_permutations} permutations: the smallest p is "
            f"{1 / (n_permutations + 1):.2g}; use at least {math.ceil(1 / alpha) - 1}"
        )
    return ""


def freedman_lane(
    y,
    covariates,
    n_permutations: int,
    rng: np.random.Generator | int,
    groups=None,
    strata=None,
) -> np.ndarray:
    """Label vectors for a regression that allows for covariates.

    y is regressed on the covariates and an intercept; the residuals are permuted and added back
    to the fitted values: y_b = fitted + residual[index_b] (Freedman & Lane 1983; Winkler et al.
    2014, NeuroImage 92:381, table 2). Approximate, not exact, and good from a few dozen samples.
    Where residuals move inside blocks only (strata, subjects), every block has an intercept of its
    own: what differs between blocks must not pass for an effect of a covariate.

    Parameters
    ----------
    y : array-like of float, shape (n,)
    covariates : array-like of float, shape (n, k)
    n_permutations, rng, groups, strata
        See `permute_labels`.

    Returns
    -------
    float array, shape (B + 1, n); row 0 is `y`

    Raises
    ------
    DataError
        Values not finite, y explained by the covariates alone, or a covariate that varies within
        subjects while y does not: then no residual belongs to a subject as a whole.
    """
    y = np.asarray(y, dtype=float)
    table = np.column_stack([y, np.asarray(covariates, dtype=float).reshape(len(y), -1)])
    if not np.isfinite(table).all():
        raise DataError("y or the covariates contain NaN or infinity", code="E-LABELS")
    if groups is not None:
        subject = codes(groups, "groups", len(y))
        moving = varies_within(codes(table, "labels"), subject)
        if moving.any() and not varies_within(codes(y, "labels"), subject).any():
            raise DataError(
                "a covariate varies within subjects while y does not",
                code="E-COVARIATES",
                hint="Average the covariate over each subject.",
            )
    units = exchange_units(table, groups, strata)
    blocks = np.eye(units.block.max() + 1)[units.block[units.unit]]  # their sum is the intercept
    design = np.column_stack([blocks, standardised(table[:, 1:])])
    fitted = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    residual = y - fitted
    if np.abs(residual).max() <= 1e-10 * np.abs(y).max():
        raise DataError("y is explained by the covariates alone", code="E-COVARIATES")
    index = permute_labels(table, n_permutations, rng, groups, strata)
    return np.vstack([y, fitted + residual[index]])


def _key(code: np.ndarray, task: str | None) -> bytes:
    """What two label vectors have in common exactly when they pose the same question."""
    if task in NAMED:
        code = pd.factorize(code)[0]  # classes named in order of appearance
    return hashlib.blake2b(code.astype(np.int32).tobytes(), digest_size=16).digest()
