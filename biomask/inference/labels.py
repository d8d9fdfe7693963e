"""Samples and labels as a study needs them: matched by name, checked, numbered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from biomask.errors import ArgumentError, DataError, listed
from biomask.inference.covariates import covariate_columns, covariate_numbers
from biomask.inference.moments import standardised
from biomask.inference.notices import centred, warn_of_data, warn_of_survey
from biomask.inference.survey import Survey, constant
from biomask.inference.survival import checked_outcome, event_ranks, read_outcome
from biomask.masks.alignment import Aligned
from biomask.masks.backed import DiskTable, read_data, refuse_on_disk
from biomask.masks.mask import Mask
from biomask.masks.matrices import sample_values

TASKS = ("binary", "multiclass", "regression", "survival", "autoencoder")


class Samples(NamedTuple):
    """X and what belongs to its rows, in the order of the sample names.

    That order makes a study the same however the rows of X came: folds, permutations and batches
    are drawn by position.

    Attributes
    ----------
    X : DataFrame, float32, or DiskTable, samples x mask.genes
        Sorted by sample name: int, or str for names of any other kind.
    y : Series on X.index
        Classes as in `classes`; values as float64; named as it came. A DataFrame of time and event
        for survival.
    numbers : float32 array, shape (n,)
        0 to C - 1, or y with mean 0 and deviation 1. For survival (n, 2), see `event_ranks`.
    classes : list of bool, int, float or str
        The class of each number, see `class_codes`; empty for regression and survival.
    groups, strata : int arrays, shape (n,), or None
    given : Index
        The sample names in the order of the caller.
    covariates : DataFrame, float64, samples x columns, or None
        Categories are columns of 0 and 1; see `covariate_numbers`.
    """

    X: pd.DataFrame | DiskTable
    y: pd.Series | pd.DataFrame
    numbers: np.ndarray
    classes: list
    groups: np.ndarray | None
    strata: np.ndarray | None
    given: pd.Index
    covariates: pd.DataFrame | None = None

    @property
    def outcome(self) -> str | None:
        """What y is called, where it came with a name."""
        name = getattr(self.y, "name", None)
        return None if name is None else str(name)


def read_samples(mask: Mask, X, y, task: str, groups=None, strata=None, covariates=None) -> Samples:
    """Match X to the genes of the mask, and all else to the samples of X, by name.

    What may be used, but hardly means what it seems to, is warned of; see `notices`.

    Parameters
    ----------
    mask, X, y, task, groups, strata, covariates
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
    aligned, X = isinstance(X, Aligned), read_data(X, mask.genes)
    if task in ("survival", "autoencoder"):
        refuse_on_disk(X, f"task={task!r}")
    names = X.index if pd.api.types.is_integer_dtype(X.index) else X.index.map(str).astype(object)
    if names.has_duplicates:
        repeated = names[names.duplicated()].unique()
        raise DataError(
            f"{len(repeated)} sample names are repeated, such as {listed(repeated, 3)}",
            code="E-SAMPLES",
            hint="Give every sample a name of its own.",
        )
    order = names.argsort()
    labels = read_outcome(y) if task == "survival" else {"y": y}
    columns = {
        name: None if values is None else matched_values(values, X.index, name).iloc[order]
        for name, values in {**labels, "groups": groups, "strata": strata}.items()
    }
    if covariates is not None:
        covariates = {
            name: matched_values(values, X.index, f"covariate {name!r}").iloc[order]
            for name, values in covariate_columns(covariates).items()
        }
        covariates = covariate_numbers(covariates).set_axis(names[order])
    on_disk = isinstance(X, DiskTable)
    X = X.take(order, names[order]) if on_disk else X.iloc[order].set_axis(names[order])
    given = pd.DataFrame({name: columns[name] for name in labels}).set_axis(X.index)
    y, numbers, classes = _numbered(
        given if task == "survival" else given["y"].rename(columns["y"].name), task
    )
    parts = [
        None if columns[name] is None else pd.factorize(columns[name], sort=True)[0]
        for name in ("groups", "strata")
    ]
    followed = y.to_numpy() if task == "survival" else numbers
    followed = None if task == "multiclass" else followed
    if on_disk:
        seen = Survey(X, None if followed is None else centred(followed))
        warn_of_survey(mask, X, seen, parts[0], followed)
        X = replace(X, content=seen.digest)
    else:
        _check_variation(X)
        warn_of_data(mask, X, followed, parts[0], aligned=aligned)
    return Samples(X, y, numbers, classes, *parts, names, covariates)


def _check_variation(X: pd.DataFrame) -> None:
    values = X.to_numpy()
    if (values == values[0]).all():
        raise constant(len(X))


def matched_values(values, samples: pd.Index, what: str) -> pd.Series:
    """The values in the order of the samples; a Series is matched by its index.

    Raises
    ------
    DataError
        Some sample has none or several, or an array has another length.
    """
    if isinstance(values, Mapping):
        values = pd.Series(values)
    values, by_name = sample_values(values, what)
    if isinstance(values, pd.DataFrame):
        values = values.squeeze(axis=1)
    if isinstance(values, pd.Series) and not by_name:
        values = values.to_numpy()
    if isinstance(values, pd.Series):
        values = _matched(values, samples, what)
    else:
        if np.shape(values) != (len(samples),):
            raise DataError(
                f"{what} has shape {np.shape(values)}, X has {len(samples)} samples",
                code="E-SAMPLES",
                hint="Pass one entry for each sample, or a Series; X is samples x genes.",
            )
        values = pd.Series(values, index=samples)
    missing = samples[values.isna().to_numpy()]
    if len(missing):
        raise DataError(
            f"{what} is missing for {len(missing)} samples, such as {listed(missing, 3)}",
            code="E-MISSING",
            hint="Remove these samples from X, or fill the gaps.",
        )
    return values


def _matched(values: pd.Series, samples: pd.Index, what: str) -> pd.Series:
    lost = samples[~samples.isin(values.index)]
    if len(lost):
        raise DataError(
            f"{what} has no entry for {len(lost)} of {len(samples)} samples, such as "
            f"{listed(lost, 3)}",
            code="E-SAMPLES",
            hint=f"{what} is matched to X by its index; pass {what}.to_numpy() only if its order "
            "is that of X.",
        )
    values = values[values.index.isin(samples)]
    repeated = values.index[values.index.duplicated()].unique()
    if len(repeated):
        raise DataError(
            f"{what} has several entries for {len(repeated)} samples, such as "
            f"{listed(repeated, 3)}",
            code="E-SAMPLES",
            hint=f"Leave one entry of {what} for each sample.",
        )
    return values.reindex(samples)


def _numbered(y, task: str) -> tuple[pd.Series | pd.DataFrame, np.ndarray, list]:
    if task == "survival":
        y = checked_outcome(y)
        return y, event_ranks(y), []
    if task == "regression":
        values = _values(y)
        return values, standardised(values.to_numpy()).astype(np.float32), []
    codes, classes = class_codes(y)
    y = pd.Series(classes.to_numpy()[codes], y.index, classes.dtype, y.name)
    counts = np.bincount(codes)
    if len(classes) < 2 or (task != "multiclass" and len(classes) > 2):
        wanted = "at least 2" if task == "multiclass" else "exactly 2"
        raise DataError(
            f"y has {len(classes)} classes ({listed(classes, 5)}), task={task!r} needs {wanted}",
            code="E-CLASSES",
            hint="Keep the samples of two classes, or choose task='multiclass', or 'regression' "
            "for amounts."
            if len(classes) > 2 and task == "binary"
            else "",
        )
    alone = y[counts[codes] < 2]
    if len(alone):
        which = (f"{name!s} ({sample!s})" for sample, name in alone.items())
        raise DataError(
            f"classes with a single sample cannot be held out and learnt: {listed(which)}",
            code="E-CLASSES",
            hint="Remove them, or join them to another class.",
        )
    return y, codes.astype(np.float32), classes.tolist()


def class_codes(y: pd.Series) -> tuple[np.ndarray, pd.Series]:
    """Number every sample's class, and name the classes.

    Returns
    -------
    codes : int array, shape (n,)
    classes : Series of bool, int64, float64 or str
        Sorted, or in the order of the categories. These values, which JSON keeps, are what a class
        is called everywhere in a study.
    """
    if y.dtype == "category":
        y = y.cat.remove_unused_categories()
        names = _plain(y.cat.categories.to_series())
        codes, classes = pd.factorize(names)  # once more: two categories may read alike
        codes = codes[y.cat.codes]
    else:
        names = _plain(y)
        codes, classes = pd.factorize(names, sort=True)
    return codes, pd.Series(classes, dtype=names.dtype)


def _plain(values: pd.Series) -> pd.Series:
    """Classes as bool, int64, float64 or str."""
    values = values.infer_objects()
    kind = values.dtype.kind
    if kind == "f":
        if (values % 1 == 0).all():  # 0.0 and 1.0 are 0 and 1
            return values.astype(np.int64)
        short = values.to_numpy().astype(str)  # 0.1 of float32 is 0.1, not 0.10000000149011612
        return pd.Series(short.astype(np.float64), values.index, name=values.name)
    if kind in "biu":
        return values.astype(bool if kind == "b" else np.int64)
    return values.map(str).astype(object)


def _values(y: pd.Series) -> pd.Series:
    try:
        y = y.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"y must be numbers for task='regression', received {y.dtype}: {error}",
            code="E-LABELS",
        ) from error
    infinite = y.index[~np.isfinite(y)]
    if len(infinite):
        raise DataError(
            f"y is infinite for {len(infinite)} samples, such as {listed(infinite, 3)}",
            code="E-LABELS",
        )
    if not standardised(y.to_numpy()).any():
        raise DataError(f"y is {y.iloc[0]:g} for every sample", code="E-LABELS")
    return y
