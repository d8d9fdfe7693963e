"""What may be used, but hardly means what it seems to: each is a warning that names it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from biomask.errors import BiomaskWarning, listed
from biomask.masks.expression import state_of
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.mask import Mask

_LEAST = 10  # samples from which a gene that follows the label is no chance
_LOOKED_AT = 200  # samples whose totals tell how the data were normalised


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
    found += [_of_copies(X, values, groups), _of_labels(X, values, labels)]
    for text in filter(None, found):
        warnings.warn(text, BiomaskWarning, stacklevel=4)


def warn_of_classes(labels: np.ndarray, classes: list[str], held_out: Sequence[np.ndarray]) -> None:
    """Warn of classes that a fold cannot learn, or has nothing of to predict.

    Folds are not balanced by class: see `biomask.inference.folds`.

    Parameters
    ----------
    labels : array, shape (n,)
        Numbers of the classes.
    classes : list of str
    held_out : sequence of int arrays
        Positions of the held-out samples of each fold.
    """
    parts = [np.bincount(labels[part].astype(int), minlength=len(classes)) for part in held_out]
    counts = np.array(parts)  # (folds, classes)
    for places, said in (
        (counts == counts.sum(axis=0), "all samples of {} are held out: none is left to learn"),
        (counts == 0, "no sample of {} is held out: nothing there tells how well it is predicted"),
    ):
        found = [f"class {classes[c]!r} in fold {f + 1}" for f, c in np.argwhere(places)]
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


def _of_state(values: np.ndarray) -> str:
    state, advice = state_of(values, values[:_LOOKED_AT])
    return f"the values look like this: {state}. {advice}" if advice else ""


def _of_copies(X: pd.DataFrame, values: np.ndarray, groups: np.ndarray | None) -> str:
    subjects = range(len(X)) if groups is None else groups.tolist()
    first: dict[bytes, tuple[object, int]] = {}
    copies = []
    for name, subject, row in zip(X.index, subjects, values, strict=True):
        other, of_subject = first.setdefault(row.tobytes(), (name, subject))
        if of_subject != subject:
            copies.append(f"{name} = {other}")
    if not copies:
        return ""
    return (
        f"{len(copies)} samples are exact copies of others ({listed(copies, 3)}): a fold may hold "
        "out what it was trained on. Pass groups that keep them together, or remove them."
    )


def _of_labels(X: pd.DataFrame, values: np.ndarray, labels: np.ndarray | None) -> str:
    if labels is None or len(X) < _LEAST:
        return ""
    labels = labels.reshape(len(X), -1).T
    labels = labels - labels.mean(axis=1, keepdims=True)
    size = values.std(axis=0) * np.sqrt(len(X)) * np.linalg.norm(labels, axis=1)[:, None]
    same = ((size > 0) & (np.abs(labels @ values) > (1 - 1e-5) * size)).any(axis=0)
    if not same.any():
        return ""
    return (
        f"labels are among the genes: {listed(X.columns[same], 3)} follow y exactly. Remove them "
        "from X and from the mask."
    )
