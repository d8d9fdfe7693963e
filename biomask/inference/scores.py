"""How well networks predict samples they never saw."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special
from sklearn import metrics

from biomask.inference.blocks import Plan
from biomask.inference.survival import survival_score


def score_table(plan: Plan, first: dict, classes: list) -> pd.DataFrame:
    """How well each network of the real labels predicts its held-out samples."""
    rows = []
    for fold in sorted(first):
        y = plan.labels[plan.held_out[fold]]
        for k, outputs in enumerate(np.moveaxis(first[fold]["outputs"], 1, 0)):
            found = score(y, outputs, plan.settings.task)
            rows.append({"fold": fold, "seed": k, **found, **recall(y, outputs, classes)})
    return pd.DataFrame(rows)


def recall(y: np.ndarray, outputs: np.ndarray, classes: list) -> dict[str, float]:
    """Share of each class's samples that are predicted to be of it; NaN where it has none."""
    if not classes:
        return {}
    found = outputs.argmax(axis=1) if outputs.shape[1] > 1 else outputs[:, 0] > 0
    right = found == y
    return {
        f"recall_{name}": float(right[y == c].mean()) if (y == c).any() else float("nan")
        for c, name in enumerate(classes)
    }


def score(y: np.ndarray, outputs: np.ndarray, task: str) -> dict[str, float]:
    """Held-out scores of one network.

    Parameters
    ----------
    y : array, shape (n,), or (n, 2) for survival
    outputs : float array, shape (n, C)
        The head's outputs: logits, values, or log risks.
    task : str

    Returns
    -------
    dict
        ``log_loss``, ``accuracy`` and, for two classes, ``auc`` (NaN when only one is there); or
        ``squared_error`` and ``r2``, in units of the variance of y; or those of `survival_score`.
    """
    outputs = outputs.astype(np.float64)
    if task == "survival":
        return survival_score(y, outputs[:, 0])
    if task == "regression":
        error = float(np.mean((y - outputs[:, 0]) ** 2))
        return {"squared_error": error, "r2": 1 - error / float(np.var(y)) if np.var(y) else np.nan}
    logits = outputs if task == "multiclass" else np.hstack([np.zeros_like(outputs), outputs])
    y = y.astype(int)
    losses = -special.log_softmax(logits, axis=1)[np.arange(len(y)), y]
    found = {
        "log_loss": float(losses.mean()),
        "accuracy": float((logits.argmax(axis=1) == y).mean()),
    }
    if task == "binary":
        both = len(np.unique(y)) == 2
        found["auc"] = float(metrics.roc_auc_score(y, outputs[:, 0])) if both else float("nan")
    return found
