"""Covariates of the samples as columns of numbers: checked, categories as 0/1."""

from __future__ import annotations

import numpy as np
import pandas as pd

from biomask.errors import ArgumentError, DataError, listed
from biomask.masks.matrices import sample_values


def covariate_columns(covariates) -> dict[str, pd.Series | np.ndarray]:
    """The columns of a table, or of a named Series, by name; arrays where rows have no names.

    Raises
    ------
    ArgumentError
        It is neither, has no column, or a name is repeated.
    """
    covariates, by_name = sample_values(covariates, "covariates")
    if isinstance(covariates, pd.Series) and covariates.name is not None:
        covariates = covariates.to_frame()
    if not isinstance(covariates, pd.DataFrame) or not covariates.shape[1]:
        raise ArgumentError(
            f"covariates must be a DataFrame (samples x covariates), received "
            f"{type(covariates).__name__} of shape {np.shape(covariates)}",
            code="E-COVARIATES",
            hint="Such as adata.obs[['age', 'batch']].",
        )
    names = covariates.columns.map(str)
    if not names.is_unique:
        raise ArgumentError(
            f"covariates are repeated: {listed(names[names.duplicated()].unique())}",
            code="E-COVARIATES",
        )
    columns = [covariates.iloc[:, k] for k in range(len(names))]
    return dict(zip(names, columns if by_name else map(np.asarray, columns), strict=True))


def covariate_numbers(columns: dict[str, pd.Series]) -> pd.DataFrame:
    """Covariates as float64, in the order of their names.

    Numbers stay as they are. Text, categories and booleans become a 0/1 column for every level
    but the first, called ``batch=B``; a number that only names a batch must be given as text.

    Raises
    ------
    DataError
        A value is infinite, or a covariate is the same for every sample.
    """
    parts = [_numbers(columns[name], name) for name in sorted(columns)]
    return pd.concat(parts, axis=1)


def _numbers(values: pd.Series, name: str) -> pd.DataFrame:
    if values.nunique() < 2:
        raise DataError(
            f"covariate {name!r} is {values.iloc[0]!s} for every sample",
            code="E-COVARIATES",
            hint="Leave it out.",
        )
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        numbers = values.astype(np.float64)
        infinite = values.index[~np.isfinite(numbers)]
        if len(infinite):
            raise DataError(
                f"covariate {name!r} is infinite for {len(infinite)} samples, such as "
                f"{listed(infinite, 3)}",
                code="E-COVARIATES",
            )
        return numbers.to_frame(name)
    text = values.map(str)
    levels = sorted(text.unique())[1:]
    return pd.DataFrame({f"{name}={level}": text.eq(level).astype(float) for level in levels})
