"""The change of each loss when something is taken away from a network's output.

Block functions take what was removed from the hidden unit, `drop` (n, R, K), its head weights
`weights` (R, K, C), the full outputs `outputs` (n, R, C) and labels (n, R[, 2]), and return
loss(outputs - weights * drop) - loss(outputs), shape (n, R, K), without ever subtracting two
losses: a change of 1e-6 in a loss of 0.7 keeps its digits in float32. Where what is removed
reaches several classes on ways of their own, `drop` is (n, R, K, C), and the outputs become
outputs - drop.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from biomask.errors import ArgumentError, DataError


def binary_change(
    drop: np.ndarray, weights: np.ndarray, outputs: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Log-loss. With d = v drop and logit z, and s = 1 when z >= 0, else 0,

    D = softplus(z - d) - softplus(z) + y d
      = log1p(sigmoid(-|z|) expm1(+-d)) + (y - s) d,      + when z >= 0,

    where the weight sigmoid(-|z|) <= 1/2 keeps the logarithm's argument >= 1/2.
    """
    d = drop * weights[..., 0]
    positive = outputs >= 0  # (n, R, 1)
    change = np.where(positive, np.float32(1), np.float32(-1)) * d
    np.expm1(change, out=change)
    change *= special.expit(-np.abs(outputs))
    np.log1p(change, out=change)
    d *= labels[..., None] - positive
    change += d
    return change


def multiclass_change(
    drop: np.ndarray, weights: np.ndarray, outputs: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Softmax cross-entropy. With class probabilities q_c, likeliest class k and true class y,

    D = log1p(sum_c q_c expm1((v_k - v_c) drop)) + (v_y - v_k) drop.
    """
    if drop.ndim == 4:
        return _change_by_output(drop, outputs, labels)
    by_class = np.ascontiguousarray(np.moveaxis(weights, 2, 1))  # (R, C, K)
    replicate = np.arange(weights.shape[0])
    top = by_class[replicate, outputs.argmax(axis=2)]  # (n, R, K)
    share = special.softmax(outputs, axis=2)
    change = np.zeros_like(drop)
    for c in range(weights.shape[2]):
        term = top - by_class[:, c]
        term *= drop
        np.expm1(term, out=term)
        term *= share[:, :, c, None]
        change += term
    np.log1p(change, out=change)
    change += (by_class[replicate, labels] - top) * drop
    return change


def _change_by_output(drop: np.ndarray, outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """`multiclass_change` with d_c for v_c drop."""
    top = _of_class(drop, outputs.argmax(axis=2))
    change = np.expm1(top[..., None] - drop) * special.softmax(outputs, axis=2)[:, :, None]
    return np.log1p(change.sum(axis=3)) + _of_class(drop, labels) - top


def _of_class(values: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """(n, R, K, C) -> (n, R, K): the value of one class for each sample and replicate."""
    return np.take_along_axis(values, classes[:, :, None, None], 3)[..., 0]


def regression_change(
    drop: np.ndarray, weights: np.ndarray, outputs: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Squared error: (y - z + d)^2 - (y - z)^2 = d (2 (y - z) + d)."""
    d = drop * weights[..., 0]
    return d * (2 * (labels[..., None] - outputs) + d)


def survival_change(
    drop: np.ndarray, weights: np.ndarray, outputs: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Negative log partial likelihood (Cox 1972), ties after Breslow; n is the whole fold.

    A sample's loss is event * (log sum over its risk set of exp(z) - z), the risk set being every
    sample whose time is not shorter. With d = v drop, less its largest value over the samples, so
    that no term below is negative, and weights w_ij that are softmax(z) within the risk set of i,

    D_i = event_i (log1p(sum_j w_ij expm1(-d_j)) + d_i).

    Sums over risk sets run down the samples in the order of falling time.
    """
    n, n_replicates, _ = drop.shape
    time, event = labels[..., 0], labels[..., 1] != 0
    order = np.lexsort((event, -time), axis=0)  # (n, R): events behind the others of their time
    column = np.arange(n_replicates)
    time, event = time[order, column], event[order, column]
    share = outputs[order, column, 0]
    share = np.exp(share - share.max(axis=0))
    d = drop[order, column]
    d *= weights[..., 0]
    d -= d.max(axis=0)
    term = np.negative(d)
    np.expm1(term, out=term)
    term *= share[..., None]
    for i in range(1, n):  # faster than cumsum along the first axis
        term[i] += term[i - 1]
    last = _last_of_equals(time)
    row, at = np.nonzero(event)
    end = last[row, at]
    change = np.zeros_like(d)
    ratio = term[end, at]
    ratio /= np.cumsum(share, axis=0)[end, at][:, None]
    np.log1p(ratio, out=ratio)
    ratio += d[row, at]
    change[order[row, at], at] = ratio
    return change


def _last_of_equals(falling: np.ndarray) -> np.ndarray:
    """Row of the last of equal values, in columns that fall; (n, R)."""
    n = len(falling)
    ends = np.ones(falling.shape, bool)
    ends[:-1] = falling[1:] != falling[:-1]
    rows = np.where(ends, np.arange(n)[:, None], n)
    return np.minimum.accumulate(rows[::-1], axis=0)[::-1]


def survival_change_exact(
    drop: np.ndarray, weights: np.ndarray, outputs: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """As `survival_change`, for log risks of any size; slower, in float64."""
    change = np.empty(drop.shape, dtype=np.float64)
    for r in range(drop.shape[1]):
        time, event = labels[:, r, 0], labels[:, r, 1]
        full = outputs[:, r].astype(np.float64)
        ablated = full - drop[:, r] * weights[r, :, 0]
        change[:, r] = partial_likelihood(ablated, time, event)
        change[:, r] -= partial_likelihood(full, time, event)
    return change


def partial_likelihood(z: np.ndarray, time: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Negative log partial likelihood (Breslow), each sample's part, in the order given.

    Parameters
    ----------
    z : float64 array, shape (n, K)
        Log risks of K models.
    time, event : arrays, shape (n,)
    """
    order = np.argsort(-time, kind="stable")
    last = _last_of_equals(time[order, None])[:, 0]  # ties share one risk set
    risk = np.logaddexp.accumulate(z[order], axis=0)[last]
    loss = np.empty_like(z)
    loss[order] = risk - z[order]
    return loss * event[:, None]


def cross_entropy_change_exact(
    drop: np.ndarray, weights: np.ndarray, outputs: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """As `binary_change` and `multiclass_change`, for logits of any size; slower, in float64."""
    if weights.shape[2] == 1:  # a logit is the second of two classes, the first being 0
        weights = np.concatenate([np.zeros_like(weights), weights], axis=2)
        outputs = np.concatenate([np.zeros_like(outputs), outputs], axis=2)
    true = labels.astype(np.intp)[..., None]
    full = special.logsumexp(outputs, axis=2, keepdims=True) - np.take_along_axis(outputs, true, 2)
    by_output = drop if drop.ndim == 4 else drop[..., None] * weights  # (n, R, K, C)
    ablated = outputs[:, :, None, :] - by_output
    right = np.take_along_axis(ablated, true[..., None], 3)[..., 0]
    return special.logsumexp(ablated, axis=3) - right - full


CHANGES = {
    "binary": binary_change,
    "multiclass": multiclass_change,
    "regression": regression_change,
    "survival": survival_change,
}
# What replaces them where exp() leaves the range of float32.
EXACT = {
    "binary": cross_entropy_change_exact,
    "multiclass": cross_entropy_change_exact,
    "survival": survival_change_exact,
}


def check_labels(y, shape: tuple[int, int], n_outputs: int, task: str) -> np.ndarray:
    """Labels of every replicate, shape (n, R), or (n, R, 2) for "survival": time and event.

    Raises
    ------
    ArgumentError
        The shape fits neither (n,) nor (n, R).
    DataError
        Binary labels other than 0 and 1, class numbers outside 0 to C - 1, or values not finite.
    """
    y = np.asarray(y)
    tail = (2,) if task == "survival" else ()
    if y.shape == (shape[0], *tail):
        y = y[:, None]
    if y.shape not in {(*shape, *tail), (shape[0], 1, *tail)}:
        raise ArgumentError(
            f"labels of shape {y.shape} do not fit {shape[0]} samples and {shape[1]} replicates",
            code="E-SHAPE",
            hint="Pass one label a sample, or one a sample and replicate; for survival a last "
            "axis of time and event.",
        )
    allowed = {"binary": 2, "multiclass": n_outputs}.get(task)
    if allowed and not np.isin(y, np.arange(allowed)).all():
        raise DataError(
            f"{task} labels must be 0 to {allowed - 1}, received {np.unique(y)[:10]}",
            code="E-LABELS",
        )
    if not np.isfinite(y).all():
        raise DataError("labels contain NaN or infinity", code="E-LABELS")
    y = np.broadcast_to(y, (*shape, *tail))
    return y.astype({"multiclass": np.intp, "survival": np.float64}.get(task, np.float32))


def contrast(labels: np.ndarray, task: str) -> np.ndarray:
    """Weights c (n, R) for which sum_i c_i h_i is the difference or covariance of `direction`."""
    if task == "binary":
        return class_contrasts(labels.astype(np.intp), 2)[..., 1]
    n = len(labels)
    values = martingale_residuals(labels) if task == "survival" else labels
    return ((values - values.mean(axis=0)) / max(n - 1, 1)).astype(np.float32)


def class_contrasts(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Weights (n, R, C): mean of class c minus mean of the others; NaN when either is empty."""
    inside = labels[..., None] == np.arange(n_classes)
    size = inside.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = inside / size - ~inside / (len(labels) - size)
    empty = (size == 0) | (size == len(labels))
    return np.where(empty, np.nan, weights).astype(np.float32)


def martingale_residuals(labels: np.ndarray) -> np.ndarray:
    """event - Nelson-Aalen cumulative hazard at the sample's time; (n, R, 2) -> (n, R)."""
    out = np.empty(labels.shape[:2])
    for r in range(labels.shape[1]):
        time, event = labels[:, r, 0], labels[:, r, 1]
        order = np.argsort(time, kind="stable")
        rising = time[order]
        at_risk = len(time) - np.searchsorted(rising, rising, side="left")
        hazard = np.cumsum(event[order] / at_risk)
        hazard = hazard[np.searchsorted(rising, rising, side="right") - 1]
        out[order, r] = event[order] - hazard
    return out
