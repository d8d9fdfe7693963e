"""Samples and labels as a study needs them: matched by name, checked, numbered."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from biomask.errors import ArgumentError, DataError, listed
from biomask.masks.mask import Mask
from biomask.masks.matrices import as_frame

TASKS = ("binary", "multiclass", "regression")


class Samples(NamedTuple):
    """X and what belongs to its rows.

    Attributes
    ----------
    X : DataFrame, float32, samples x mask.genes
    y : Series on X.index
    numbers : array, shape (n,)
        0 to C - 1 (float32), or y with mean 0 and deviation 1.
    classes : list of str
        The class of each number; empty for regression.
    groups, strata : int arrays, shape (n,), or None
    """

    X: pd.DataFrame
    y: pd.Series
    numbers: np.ndarray
    classes: list[str]
    groups: np.ndarray | None
    strata: np.ndarray | None


def read_samples(mask: Mask, X, y, task: str, groups=None, strata=None) -> Samples:
    """Match X to the genes of the mask and y, groups, strata to the samples of X, all by name.

    Parameters
    ----------
    mask, X, y, task, groups, strata
        See `biomask.crossfit`.

    Raises
    ------
    ArgumentError
        The task is not known.
    DataError
        Samples or genes do not fit, values are missing, or the labels do not suit the task.
    """
    if task not in TASKS:
        raise ArgumentError(
            f"task must be one of {', '.join(TASKS)}. Received: task={task!r}", code="E-TASK"
        )
    X = as_frame(X, mask.genes)
    if X.index.has_duplicates:
        repeated = X.index[X.index.duplicated()].unique()
        raise DataError(
            f"{len(repeated)} sample names are repeated, such as {listed(repeated, 3)}",
            code="E-SAMPLES",
            hint="Give every sample a name of its own.",
        )
    y = _of_samples(y, X.index, "y")
    numbers, classes = _numbered(y, task)
    parts = [
        None if part is None else pd.factorize(_of_samples(part, X.index, name), sort=True)[0]
        for name, part in (("groups", groups), ("strata", strata))
    ]
    return Samples(X, y, numbers, classes, *parts)


def _of_samples(values, samples: pd.Index, what: str) -> pd.Series:
    """The values in the order of the samples; a Series is matched by its index."""
    if isinstance(values, pd.DataFrame):
        values = values.squeeze(axis=1)
    if isinstance(values, pd.Series):
        lost = samples[~samples.isin(values.index)]
        if len(lost) or values.index.has_duplicates:
            problem = (
                f"{what} has no entry for {len(lost)} of {len(samples)} samples, such as "
                f"{listed(lost, 3)}"
                if len(lost)
                else f"{what} has several entries for one sample"
            )
            raise DataError(
                problem,
                code="E-SAMPLES",
                hint=f"{what} is matched to X by its index; pass {what}.to_numpy() only if its "
                "order is that of X.",
            )
        values = values.reindex(samples)
    else:
        values = np.asarray(values)
        if values.shape != (len(samples),):
            raise DataError(
                f"{what} has shape {values.shape}, X has {len(samples)} samples", code="E-SAMPLES"
            )
        values = pd.Series(values, index=samples)
    if values.isna().any():
        missing = samples[values.isna().to_numpy()]
        raise DataError(
            f"{what} is missing for {len(missing)} samples, such as {listed(missing, 3)}",
            code="E-MISSING",
            hint="Remove these samples from X, or fill the gaps.",
        )
    return values


def _numbered(y: pd.Series, task: str) -> tuple[np.ndarray, list[str]]:
    if task == "regression":
        try:
            values = y.to_numpy(np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"y must be numbers for task='regression', received {y.dtype}", code="E-LABELS"
            ) from error
        if not np.isfinite(values).all() or values.std() == 0:
            raise DataError("y is constant or not finite", code="E-LABELS")
        return ((values - values.mean()) / values.std()).astype(np.float32), []
    codes, classes = pd.factorize(y, sort=True)
    counts = np.bincount(codes)
    rare = [str(name) for name, size in zip(classes, counts, strict=True) if size < 2]
    wanted = {"binary": "exactly 2", "multiclass": "at least 2"}[task]
    if len(classes) < 2 or (task == "binary" and len(classes) > 2):
        raise DataError(
            f"y has {len(classes)} classes ({listed(classes, 5)}), task={task!r} needs {wanted}",
            code="E-CLASSES",
        )
    if rare:
        raise DataError(
            f"classes with a single sample cannot be held out and learnt: {listed(rare)}",
            code="E-CLASSES",
            hint="Remove them, or join them to another class.",
        )
    return codes.astype(np.float32), [str(name) for name in classes]
