"""What relations and masks have to satisfy to make a `Hierarchy`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from biomask.errors import ArgumentError, MaskError, listed
from biomask.masks.checks import is_name
from biomask.masks.mask import Mask


def relation_names(relations: pd.DataFrame, column: str) -> list[str]:
    """The names in a column of a table of relations; integers become text, as in a `Mask`."""
    if not isinstance(relations, pd.DataFrame) or column not in relations:
        found = list(relations) if isinstance(relations, pd.DataFrame) else type(relations).__name__
        raise ArgumentError(
            f"relations must be a DataFrame with columns child and parent, received {found}",
            code="E-ARGUMENT",
            hint="bm.read_hierarchy reads the usual files.",
        )
    names = relations[column].tolist()
    bad = [i for i, name in enumerate(names, 1) if not is_name(name)]
    if bad:
        raise ArgumentError(
            f"the {column} is no name in rows {listed(bad)} of the relations (from 1)",
            code="E-ARGUMENT",
            hint="Fill them in, or drop the rows; a root needs none.",
        )
    return [str(name) for name in names]


def checked_masks(masks: Sequence[Mask]) -> tuple[Mask, ...]:
    """The masks as a tuple; refuse anything else, and weights."""
    masks = tuple(masks)
    if not masks or not all(isinstance(mask, Mask) for mask in masks):
        raise ArgumentError(
            f"a hierarchy is made of one or more Masks, received "
            f"{[type(mask).__name__ for mask in masks]}",
            code="E-ARGUMENT",
            hint="Hierarchy.from_sets makes them from gene sets and relations.",
        )
    for level, mask in enumerate(masks):
        if mask.weighted:
            raise _broken(level, "it has weights")
    return masks


def check_chain(masks: Sequence[Mask]) -> tuple[int, ...]:
    """How many columns each mask carries on from the one before.

    Raises
    ------
    MaskError
        E-HIERARCHY-CHAIN: rows are not the columns before, a unit occurs twice, carried columns
        are not the last ones or have another edge, a unit without children or one that nothing
        reads, or a unit computed earlier than its depth says.
    """
    carried, seen = [0], set(masks[0].pathways)
    _check_no_idle(masks[0], 0, set())
    for level, (below, mask) in enumerate(pairwise(masks), 1):
        if not mask.genes.equals(below.pathways):
            raise _broken(level, "its rows are not the columns of the mask before, in their order")
        is_carried = mask.pathways.isin(below.pathways)
        n = int(is_carried.sum())
        new = mask.pathways[~is_carried]
        if is_carried[: len(new)].any():
            raise _broken(level, "carried columns must come last", mask.pathways[is_carried])
        if again := [name for name in new if name in seen]:
            raise _broken(level, "units are computed a second time", again)
        if not len(new):
            raise _broken(level, "it computes no unit")
        seen.update(new)
        _check_carried(mask, level, n)
        _check_no_idle(mask, level, set(below.pathways[: len(below.pathways) - carried[-1]]))
        carried.append(n)
    return tuple(carried)


def _check_carried(mask: Mask, level: int, n: int) -> None:
    rows, cols = mask.edge_index
    extra = cols >= mask.shape[1] - n
    wrong = mask.pathways[cols[extra]][mask.genes[rows[extra]] != mask.pathways[cols[extra]]]
    if len(wrong) or extra.sum() != n:
        raise _broken(level, "a carried column has one edge, from itself", wrong.unique())


def _check_no_idle(mask: Mask, level: int, fresh: set[str]) -> None:
    """No column without an edge, no row that nothing reads; `fresh` rows are read by new columns.

    A unit is computed one level below the deepest of its parents: later than its children, and
    no earlier than need be.
    """
    empty = mask.pathways[mask.sizes().to_numpy() == 0]
    if len(empty):
        raise _broken(level, "units have no edge", empty)
    unread = mask.genes[mask.degrees().to_numpy() == 0]
    if len(unread):
        raise _broken(level, "nothing reads some rows", unread)
    if level < 2:
        return
    rows, cols = mask.edge_index
    read = set(mask.genes[rows[mask.pathways[cols] != mask.genes[rows]]])
    early = [name for name in mask.genes if name in fresh and name not in read]
    if early:
        raise _broken(level, "the mask before computes units that no unit here reads", early)


def _broken(level: int, problem: str, names: Sequence[str] | np.ndarray = ()) -> MaskError:
    return MaskError(
        f"mask {level} of the hierarchy: {problem}" + (f": {listed(names)}" if len(names) else ""),
        code="E-HIERARCHY-CHAIN",
        hint="Hierarchy.from_sets makes a chain that fits.",
    )
