"""Which labels may change places, and in how many ways."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from biomask.errors import DataError

# Tasks whose labels are names: exchanging two of them poses the same question.
NAMED = ("binary", "multiclass", "autoencoder")


class Exchange(NamedTuple):
    """Units whose labels may be exchanged inside blocks.

    Attributes
    ----------
    unit : int array, shape (n,)
        Unit of every sample: the sample itself, or its subject.
    first : int array, shape (n_units,)
        A sample of every unit.
    block : int array, shape (n_units,)
        Labels move only between units of one block.
    code : int array, shape (n_units,)
        The label of every unit, as a number.
    """

    unit: np.ndarray
    first: np.ndarray
    block: np.ndarray
    code: np.ndarray


def exchange_units(y, groups=None, strata=None) -> Exchange:
    """Decide which labels may change places.

    Without `groups`, samples inside a stratum. With `groups`, by what the labels are:

    - constant within every subject (case, control): whole subjects change places with subjects of
      the same stratum, whatever their numbers of samples;
    - varying within every subject (before, after): samples change places inside their subject and
      stratum. This supposes that, but for the label, a subject's samples are alike: it is wrong
      for a drift over time that has nothing to do with the label;
    - varying within some subjects only: refused, because either rule throws away part of the
      comparison. With ``strata=groups`` as well, samples change places inside subjects, and the
      subjects with one label only stay as they are.

    Parameters
    ----------
    y : array-like, shape (n,) or (n, k)
        Labels; a row of several columns (time, event) is one label.
    groups, strata : array-like, shape (n,) or (n, k), optional
        Subject and stratum of every sample; several columns mean their combinations.

    Raises
    ------
    DataError
        Missing values, unequal lengths, labels that vary within some subjects only, or a subject
        in several strata whose samples would have to move together.
    """
    code = codes(y, "labels")
    n = len(code)
    stratum = np.zeros(n, dtype=np.intp) if strata is None else codes(strata, "strata", n)
    everyone = np.arange(n)
    if groups is None:
        return Exchange(everyone, everyone, stratum, code)
    subject = codes(groups, "groups", n)
    varying = varies_within(code, subject)
    nested = strata is not None and not varies_within(subject, stratum).any()
    if varying.all() or (varying.any() and nested):
        block = codes(np.column_stack([subject, stratum]), "strata")
        return Exchange(everyone, everyone, block, code)
    first = np.unique(subject, return_index=True)[1]
    _refuse_ambiguous(varying, varies_within(stratum, subject), _names(groups, first))
    return Exchange(subject, first, stratum[first], code[first])


def count(units: Exchange) -> int:
    """Number of distinct label vectors: a product of multinomial coefficients."""
    total = 1
    for row in _table(units).tolist():
        total *= math.factorial(sum(row)) // math.prod(math.factorial(k) for k in row if k > 1)
    return total


def symmetries(units: Exchange, task: str | None) -> int:
    """In how many ways the classes can be renamed without changing any block's counts."""
    if task not in NAMED:
        return 1
    alike = np.unique(_table(units), axis=1, return_counts=True)[1]
    return math.prod(math.factorial(int(k)) for k in alike)


def codes(values, what: str, length: int | None = None) -> np.ndarray:
    """Rows as numbers 0, 1, ... in sorted order where they can be sorted."""
    frame = pd.DataFrame(values).reset_index(drop=True)
    frame.columns = range(frame.shape[1])
    if length is not None and len(frame) != length:
        raise DataError(f"{what} has {len(frame)} entries for {length} samples", code="E-LENGTH")
    if frame.isna().any(axis=None):
        missing = np.flatnonzero(frame.isna().any(axis=1))
        raise DataError(
            f"{what} are missing for {len(missing)} samples, first at position {missing[0]}",
            code="E-MISSING",
        )
    return frame.groupby([*frame.columns], sort=True, observed=True).ngroup().to_numpy()


def varies_within(code: np.ndarray, subject: np.ndarray) -> np.ndarray:
    """For every subject, whether its samples have more than one code."""
    pairs = np.unique(np.column_stack([subject, code]), axis=0)
    return np.bincount(pairs[:, 0]) > 1


def _refuse_ambiguous(varying: np.ndarray, crossing: np.ndarray, names: np.ndarray) -> None:
    if varying.any():
        raise DataError(
            f"labels vary within {varying.sum()} of {len(varying)} subjects and are constant in "
            f"the others, so neither subjects nor samples within subjects can be permuted: "
            f"{', '.join(names[varying][:10])} vary",
            code="E-GROUPS-MIXED",
            hint="Leave out one kind of subject, or pass the subjects as strata too to permute "
            "within subjects only.",
        )
    if crossing.any():
        raise DataError(
            f"subjects {', '.join(names[crossing][:10])} have samples in several strata, so they "
            "cannot change places as a whole",
            code="E-GROUPS-STRATA",
            hint="Give every subject one stratum, or leave strata out.",
        )


def _names(values, first: np.ndarray) -> np.ndarray:
    return pd.DataFrame(values).iloc[first].astype(str).agg(" ".join, axis=1).to_numpy()


def _table(units: Exchange) -> np.ndarray:
    """Units of every block and label, shape (blocks, labels)."""
    table = np.zeros((units.block.max() + 1, units.code.max() + 1), dtype=np.int64)
    np.add.at(table, (units.block, units.code), 1)
    return table
