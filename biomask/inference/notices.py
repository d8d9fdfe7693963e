"""What may be used, but hardly means what it seems to: each is a warning that names it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from biomask.errors import BiomaskWarning, listed
from biomask.inference.moments import Moments
from biomask.inference.survey import LOOKED_AT, Survey, peaks
from biomask.masks.backed import DiskTable
from biomask.masks.expression import state_from, state_of
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.mask import Mask
from biomask.masks.rows import batches

_LEAST = 10  # samples from which a gene that follows the label is no chance


def warn_of_data(
    mask: Mask | Hierarchy,
    X: pd.DataFrame,
    labels: np.ndarray | None,
    groups: np.ndarray | None,
    *,
    aligned: bool,
) -> None:
    """Warn of dead units, values that are no log expression, copies, and labels among the genes.

    Parameters
    ----------
    mask : Mask or Hierarchy
    X : DataFrame, samples x genes
    labels : float array, shape (n,) or (n, k), or None
        What a gene could follow exactly.
    groups : int array, shape (n,), or None
    aligned : bool
        Whether `align` has looked at the values already.
    """
    values = X.to_numpy()
    found = [_of_units(mask), "" if aligned else _of_state(values)]
    found.append(_of_size(X.columns, peaks(values)))
    found.append(_of_copies(X.index, (row.tobytes() for row in values), groups))
    if labels is not None:
        labels, moments, products = centred(labels), Moments(values.shape[1]), 0.0
        for where, part in batches(values, 512):
            moments.add(part)
            products = products + labels[:, where] @ part
        found.append(_of_labels(X.columns, labels, products, moments.sd))
    for text in filter(None, found):
        warnings.warn(text, BiomaskWarning, stacklevel=4)


def warn_of_survey(mask: Mask | Hierarchy, X: DiskTable, seen: Survey, groups, labels) -> None:
    """`warn_of_data` from one look at data on disk."""
    found = [_of_units(mask), _of_range(*state_from(seen.low, seen.high, seen.whole, seen.first))]
    found.append(_of_size(seen.genes, seen.peak))
    found.append(_of_copies(X.index, seen.contents, groups))
    if labels is not None:
        parts = centred(labels), seen.products, seen.moments.sd
        found.append(_of_labels(seen.genes, *parts))
    for text in filter(None, found):
        warnings.warn(text, BiomaskWarning, stacklevel=4)


def centred(labels: np.ndarray) -> np.ndarray:
    """Labels (n,) or (n, k) as rows with a mean of 0, float64, (k, n)."""
    labels = labels.reshape(len(labels), -1).T.astype(np.float64)
    return labels - labels.mean(axis=1, keepdims=True)


def warn_of_classes(labels: np.ndarray, classes: list, held_out: Sequence[np.ndarray]) -> None:
    """Warn of classes that a fold cannot learn, or has nothing of to predict.

    Folds are not balanced by class: see `biomask.inference.folds`.

    Parameters
    ----------
    labels : array, shape (n,)
        Numbers of the classes.
    classes : list
    held_out : sequence of int arrays
        Positions of the held-out samples of each fold.
    """
    parts = [np.bincount(labels[part].astype(int), minlength=len(classes)) for part in held_out]
    counts = np.array(parts)  # (folds, classes)
    for places, said in (
        (counts == counts.sum(axis=0), "all samples of {} are held out: none is left to learn"),
        (counts == 0, "no sample of {} is held out: nothing there tells how well it is predicted"),
    ):
        found = [f"class '{classes[c]}' in fold {f + 1}" for f, c in np.argwhere(places)]
        if found:
            which = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if found[3:] else "")
            warnings.warn(
                f"{said.format(which)}. Use fewer folds or another random_state, or "
                "leave rare classes out.",
                BiomaskWarning,
                stacklevel=4,
            )


def _of_units(mask: Mask | Hierarchy) -> str:
    empty = mask.pathways[mask.sizes().to_numpy() == 0]
    if not len(empty):
        return ""
    return (
        f"{len(empty)} pathways have no gene ({listed(empty, 3)}): their units never move and have "
        "no effect. bm.align leaves them out."
    )


def _of_size(genes: pd.Index, peak: np.ndarray) -> str:
    # Before float32 ends, at 1.2e-38: a library may have told the processor to make that 0.
    small = genes[(peak > 0) & (peak < 1e-36)]
    if not len(small):
        return ""
    return (
        f"{len(small)} genes have no value above 1e-36 ({listed(small, 3)}), where float32 ends "
        "and smaller values become 0. Give X in larger units."
    )


def _of_state(values: np.ndarray) -> str:
    return _of_range(*state_of(values, values[:LOOKED_AT]))


def _of_range(state: str, advice: str) -> str:
    return f"the values look like this: {state}. {advice}" if advice else ""


def _of_copies(names: pd.Index, rows: Iterable[bytes], groups: np.ndarray | None) -> str:
    subjects = range(len(names)) if groups is None else groups.tolist()
    first: dict[bytes, tuple[object, int]] = {}
    copies = []
    for name, subject, row in zip(names, subjects, rows, strict=True):
        other, of_subject = first.setdefault(row, (name, subject))
        if of_subject != subject:
            copies.append(f"{name} = {other}")
    if not copies:
        return ""
    return (
        f"{len(copies)} samples are exact copies of others ({listed(copies, 3)}): a fold may hold "
        "out what it was trained on. Pass groups that keep them together, or remove them."
    )


def _of_labels(genes: pd.Index, labels: np.ndarray, products: np.ndarray, sd: np.ndarray) -> str:
    """From centred labels (k, n), their products with the genes (k, genes), and deviations."""
    n = labels.shape[1]
    if n < _LEAST:
        return ""
    size = sd * np.sqrt(n) * np.linalg.norm(labels, axis=1)[:, None]
    same = ((size > 0) & (np.abs(products) > (1 - 1e-5) * size)).any(axis=0)
    if not same.any():
        return ""
    return (
        f"labels are among the genes: {listed(genes[same], 3)} follow y exactly. Remove them "
        "from X and from the mask."
    )
