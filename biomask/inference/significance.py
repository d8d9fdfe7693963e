"""p-values, family-wise p-values and false discovery rates from the effects of permuted labels.

The tests are exact because the real label vector and the permuted ones are exchangeable when the
expression does not depend on the labels. Two things protect that: labels move only between units
that are exchangeable (`biomask.inference.exchange`), and every number computed here treats row 0,
the real labels, exactly as it treats the others.
"""

from __future__ import annotations

import math

import numpy as np
import scipy  # scipy.stats is loaded by its first use: it takes half a second

from biomask.errors import DataError


def p_values(effects: np.ndarray) -> np.ndarray:
    """p = (1 + #{b >= 1: T_b >= T_0}) / (B + 1); a tie counts against the pathway.

    Parameters
    ----------
    effects : float array, shape (B + 1, P)
        T of every label vector; row 0 is the real one.

    Returns
    -------
    float array, shape (P,)
        Never 0 (Phipson & Smyth 2010, SAGMB 9:39).

    Raises
    ------
    DataError
        An effect is NaN or infinite.
    """
    effects = _checked(effects)
    return (1 + (effects[1:] >= effects[0]).sum(axis=0)) / len(effects)


def standardise(effects: np.ndarray) -> np.ndarray:
    """Z = (T - mean_b T) / sd_b T, each pathway on its own scale, which removes size and hub bias.

    Mean and standard deviation run over b = 0 to B, the real labels included. Without them Z_0
    alone would be measured against numbers it is no part of, and max-T would reject too often.
    Leaving each b out of its own mean and deviation would be a monotone function of this Z, the
    same one for all pathways, and give the same p_fwer.

    Returns
    -------
    float array, shape (B + 1, P)
        -inf throughout for a pathway whose effect is the same under every label vector (to
        rounding): it can be neither significant nor anybody's maximum.
    """
    effects = _checked(effects)
    deviation = effects.std(axis=0)
    constant = deviation <= 1e-12 * np.abs(effects).max(axis=0)
    z = (effects - effects.mean(axis=0)) / np.where(constant, 1.0, deviation)
    z[:, constant] = -np.inf
    return z


def fwer_p_values(effects: np.ndarray) -> np.ndarray:
    """p_fwer = (1 + #{b >= 1: max_q Z_q^b >= Z_p^0}) / (B + 1), single-step max-T.

    Westfall & Young 1993, with Z of `standardise`. Parameters and errors as `p_values`.
    """
    z = standardise(effects)
    highest = np.sort(z[1:].max(axis=1))
    return (1 + len(highest) - np.searchsorted(highest, z[0], side="left")) / len(z)


def q_values(p: np.ndarray) -> np.ndarray:
    """Benjamini-Hochberg q; see `resolution_note` for when the permutations resolve it."""
    return scipy.stats.false_discovery_control(p)


def permutations_needed(n_pathways: int, n_rejected: int = 1, *, level: float = 0.05) -> int:
    """Smallest B that can reject `n_rejected` of `n_pathways` at q: B >= P / (q R) - 1."""
    return max(0, math.ceil(n_pathways / (level * n_rejected) - 1 - 1e-9))


def resolution_note(
    n_pathways: int, n_permutations: int, n_rejected: int = 0, *, level: float = 0.05
) -> str:
    """Why q could not have fallen to `level`, or "" when it could.

    Parameters
    ----------
    n_pathways, n_permutations : int
    n_rejected : int
        Pathways with q <= `level`.
    level : float
    """
    needed = permutations_needed(n_pathways, max(1, n_rejected), level=level)
    if n_permutations >= needed:
        return ""
    together = math.ceil(n_pathways / (level * (n_permutations + 1)) - 1e-9)
    least = (
        f"fewer than {together} of the {n_pathways} pathways together"
        if together <= n_pathways
        else f"any of the {n_pathways} pathways"
    )
    return (
        f"{n_permutations} permutations are too few for q: they cannot bring {least} to "
        f"q <= {level:g} ({needed} permutations could); rely on p_fwer"
    )


def edge_q_values(
    p: np.ndarray, pathways: np.ndarray, selected: np.ndarray, n_pathways: int
) -> np.ndarray:
    """q of the edges inside selected pathways (Benjamini & Bogomolov 2014, JRSS B 76:297).

    Testing the edges of each selected pathway at level q |S| / P keeps the expected mean, over
    the selected pathways, of their false discovery proportions below q. That level is folded
    into the values: edge e is a discovery at q when its value here is <= q.

    Parameters
    ----------
    p : float array, shape (E,)
    pathways : int array, shape (E,)
        Pathway position of every edge.
    selected : int array
        Positions of the selected pathways S.
    n_pathways : int
        How many pathways were tested, P.

    Returns
    -------
    float array, shape (E,)
        Benjamini-Hochberg within the pathway, times P / |S|, at most 1; NaN outside S.
    """
    q = np.full(len(p), np.nan)
    for pathway in np.unique(selected):
        inside = np.asarray(pathways) == pathway
        if inside.any():
            family = scipy.stats.false_discovery_control(np.asarray(p)[inside])
            q[inside] = np.minimum(1, family * n_pathways / len(np.unique(selected)))
    return q


def _checked(effects: np.ndarray) -> np.ndarray:
    effects = np.asarray(effects, dtype=np.float64)
    if effects.ndim != 2 or not np.isfinite(effects).all():
        raise DataError(
            f"effects must be a finite matrix of label vectors x pathways, received shape "
            f"{effects.shape} with {(~np.isfinite(effects)).sum()} values not finite",
            code="E-EFFECTS",
            hint="A network whose loss became NaN has no effects: lower the learning rate.",
        )
    return effects
