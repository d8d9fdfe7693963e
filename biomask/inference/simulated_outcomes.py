"""Outcomes with a planted truth: classes, values, survival times."""

from __future__ import annotations

import numpy as np
from scipy import optimize


def outcome(
    task: str, pull: np.ndarray, confounder: np.ndarray, n_classes: int, censoring: float, rng
) -> np.ndarray:
    """Outcome of every unit, (units,), or (units, 2) of time and event; see `simulate`.

    Parameters
    ----------
    task : str
    pull : float array, shape (units, active)
        Effect times activity.
    confounder : float array, shape (units,)
    n_classes : int
    censoring : float
    rng : numpy Generator
    """
    n_units, n_active = pull.shape
    if task == "multiclass":
        classes = np.arange(n_classes)
        raised = (np.arange(n_active)[:, None] % n_classes == classes) - 1 / n_classes
        eta = pull @ raised + confounder[:, None] * standard(classes)
        return (eta + rng.gumbel(size=eta.shape)).argmax(axis=1)
    eta = pull.sum(axis=1) + confounder
    if task == "regression":
        return eta + rng.standard_normal(n_units)
    if task == "survival":
        return survival(eta, censoring, rng)
    rank = (eta + rng.logistic(size=n_units)).argsort().argsort()
    return (rank >= n_units // 2).astype(np.int64)


def survival(eta: np.ndarray, censoring: float, rng) -> np.ndarray:
    """Exponential times with hazard exp(eta), and exponential censoring; (units, 2).

    Bender, Augustin & Blettner 2005 (Stat Med 24:1713, eq. 3). The hazard c of censoring is the
    same for all units and solves mean_i c / (c + exp(eta_i)) = `censoring`.
    """
    hazard = np.exp(eta)
    time, limit = rng.exponential(size=(2, len(eta)))
    time /= hazard
    if not censoring:
        return np.column_stack([time, np.ones(len(eta))])

    def missed(log_c: float) -> float:
        return np.mean(1 / (1 + hazard * np.exp(-log_c))) - censoring

    log_odds = np.log(censoring / (1 - censoring))
    limit /= np.exp(optimize.brentq(missed, eta.min() + log_odds - 1, eta.max() + log_odds + 1))
    return np.column_stack([np.minimum(time, limit), time <= limit])


def standard(values: np.ndarray) -> np.ndarray:
    """Mean 0 and variance 1; all 0 where nothing varies."""
    centred = values - values.mean()
    return centred / (centred.std() or 1.0)
