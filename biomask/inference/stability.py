"""How far seeds and folds agree, and which pathways cannot be told apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy  # scipy.stats is loaded by its first use: it takes half a second
from scipy import sparse

from biomask.errors import ArgumentError
from biomask.masks.mask import Mask
from biomask.masks.overlap import linked

NOT_STABLE, STABLE = 0.4, 0.75  # below the first, from the second on


class SelectionStability(NamedTuple):
    """Nogueira's index with its confidence interval.

    Attributes
    ----------
    index : float
        1: always the same selection. 0: no more alike than selections at random.
    low, high : float
        Confidence interval, `high` at most 1.
    variance : float
        Of the index.
    """

    index: float
    low: float
    high: float
    variance: float


def mean_rank_correlation(effects: np.ndarray) -> float:
    """Mean Spearman correlation over all pairs of rows.

    Parameters
    ----------
    effects : float array, shape (M, P)
        T of every pathway for M seeds, or M folds.

    Returns
    -------
    float
        NaN with fewer than two rows or two pathways. A row that ranks nothing (all effects equal)
        agrees with no other: its correlations count as 0.
    """
    effects = _rows(effects)
    n_rows, n_pathways = effects.shape
    if n_rows < 2 or n_pathways < 2:
        return float("nan")
    ranks = scipy.stats.rankdata(effects, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    length = np.linalg.norm(ranks, axis=1, keepdims=True)
    unit = np.divide(ranks, length, out=np.zeros_like(ranks), where=length > 0)
    correlation = unit @ unit.T
    return float(correlation[np.triu_indices(n_rows, 1)].mean())


def stability_wording(correlation: float) -> str:
    """What a report says about a mean rank correlation: below .4, .4 to .75, from .75 on."""
    if np.isnan(correlation):
        return "the stability of the ranking was not assessed"
    if correlation < NOT_STABLE:
        return "the ranking is not stable"
    if correlation < STABLE:
        return "the stability of the ranking is intermediate"
    return "the ranking is stable"


def select_top(effects: np.ndarray, m: int) -> np.ndarray:
    """The `m` largest effects of every row.

    Parameters
    ----------
    effects : float array, shape (M, P)
    m : int

    Returns
    -------
    bool array, shape (M, P)
        A row selects fewer than `m` where equal effects straddle the limit: to take the first of
        them would make an arbitrary order look stable.

    Raises
    ------
    ArgumentError
        `m` is not between 1 and P - 1.
    """
    effects = _rows(effects)
    if not 1 <= m < effects.shape[1]:
        raise ArgumentError(
            f"cannot select the top {m} of {effects.shape[1]} pathways",
            code="E-TOP",
            hint="Select at least 1 and fewer than all.",
        )
    return scipy.stats.rankdata(-effects, method="max", axis=1) <= m


def nogueira(selected: np.ndarray, *, confidence: float = 0.95) -> SelectionStability:
    """Stability of a selection (Nogueira, Sechidis & Brown 2018, JMLR 18:174).

    With M selections among P pathways, p_f the share that selects pathway f, k_i the size of
    selection i and k their mean (definition 4):

        index = 1 - mean_f[ M/(M-1) p_f (1 - p_f) ] / [ k/P (1 - k/P) ]

    and variance 4/M^2 sum_i (phi_i - mean phi)^2 (theorem 7), where

        phi_i = [ mean_f(z_if p_f) - k_i k/P^2 + index/2 (2 k_i k/P^2 - k_i/P - k/P + 1) ]
                / [ k/P (1 - k/P) ].

    Parameters
    ----------
    selected : bool array, shape (M, P)
        See `select_top`.
    confidence : float

    Returns
    -------
    SelectionStability
        All NaN where the index is not defined: fewer than two selections, nothing selected ever,
        or everything always. The interval takes the selections for independent; seeds on the same
        data, and folds that share training samples, are not, so it is rather too narrow.
    """
    z = _rows(selected).astype(float)
    n_rows, n_pathways = z.shape
    share = z.mean(axis=0)
    size = z.sum(axis=1) / n_pathways  # k_i / P
    chance = size.mean() * (1 - size.mean())
    if n_rows < 2 or chance <= 0:
        return SelectionStability(*[float("nan")] * 4)
    index = 1 - n_rows / (n_rows - 1) * (share * (1 - share)).mean() / chance
    product = size * size.mean()
    phi = (z * share).mean(axis=1) - product
    phi += index / 2 * (2 * product - size - size.mean() + 1)
    phi /= chance
    variance = 4 / n_rows**2 * ((phi - phi.mean()) ** 2).sum()
    half = scipy.stats.norm.ppf((1 + confidence) / 2) * np.sqrt(variance)
    return SelectionStability(
        float(index), float(index - half), float(min(1, index + half)), float(variance)
    )


def rank_summary(effects: np.ndarray, pathways: pd.Index) -> pd.DataFrame:
    """Where each pathway ranks over seeds and folds; rank 1 is the largest effect.

    Parameters
    ----------
    effects : float array, shape (M, P)
        A row for every seed of every fold. Ties share their mean rank.
    pathways : pandas Index, length P

    Returns
    -------
    DataFrame, index `pathways`
        ``rank_low``, ``rank_median``, ``rank_high``: 5 %, 50 % and 95 % quantiles of the rank.
    """
    ranks = scipy.stats.rankdata(-_rows(effects), axis=1)
    low, median, high = np.quantile(ranks, [0.05, 0.5, 0.95], axis=0)
    return pd.DataFrame({"rank_low": low, "rank_median": median, "rank_high": high}, index=pathways)


def sign_agreement(
    weights: np.ndarray, pathways: np.ndarray, orientation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How many replicates agree on the sign of an edge.

    A unit and its head weight can both change sign without changing the network, so a raw sign
    means nothing. What is compared is sign(w_gp) o_p, with o_p the sign of the head weight v_p for
    one output (the way the gene moves the output) or, for several, the unit's turn.

    Parameters
    ----------
    weights : float array, shape (M, E)
        Kernel values of E edges in M replicates (seeds and folds).
    pathways : int array, shape (E,)
        Pathway position of every edge.
    orientation : float array, shape (M, P)
        Only its sign is used.

    Returns
    -------
    agreement : float array, shape (E,)
        Share of the replicates that have the commoner sign; .5 is a coin, 1 is unanimous. A weight
        of exactly 0 agrees with neither.
    sign : int array, shape (E,)
        The commoner sign, 0 where both are equally common.
    """
    signs = np.sign(_rows(weights)) * np.sign(_rows(orientation))[:, pathways]
    positive, negative = (signs > 0).sum(axis=0), (signs < 0).sum(axis=0)
    return np.maximum(positive, negative) / len(signs), np.sign(positive - negative)


def not_separable(mask: Mask, *, threshold: float = 0.8) -> pd.Series:
    """Groups of pathways whose genes are nearly the same.

    Parameters
    ----------
    mask : Mask
    threshold : float
        Pathways with a Jaccard index of at least this, above 0, are linked; a group is everything
        linked directly or through others.

    Returns
    -------
    Series of Int64, index ``mask.pathways``, name ``not_separable``
        Number of the group, from 1 in the order of `mask.pathways`; missing for a pathway that
        stands alone.
    """
    pairs = linked(mask.to_scipy(), threshold)
    label = sparse.csgraph.connected_components(pairs, directed=False)[1]
    shared = np.bincount(label)[label] > 1
    groups = pd.Series(pd.NA, index=mask.pathways, name="not_separable", dtype="Int64")
    groups[shared] = pd.factorize(label[shared])[0] + 1
    return groups


def _rows(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim != 2 or 0 in values.shape:
        raise ArgumentError(
            f"expected a row for each replicate, received shape {values.shape}", code="E-SHAPE"
        )
    return values
