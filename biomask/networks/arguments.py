"""Checks of what `build_model` is asked for."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable

import numpy as np

from biomask.errors import ArgumentError

OUTPUTS = ("all", "top")  # of a hierarchy


def checked_outputs(task: str, n_classes: int | None, tasks: Iterable[str]) -> int:
    """How many numbers the head predicts for a sample.

    Raises
    ------
    ArgumentError
        The task is not one of `tasks`, or `n_classes` does not go with it.
    """
    if task not in tasks:
        raise ArgumentError(
            f"task must be one of {sorted(tasks)}. Received: task={task!r}",
            code="E-ARGUMENT",
        )
    if task != "multiclass":
        if n_classes is not None:
            raise ArgumentError(
                f"n_classes belongs to task='multiclass'. Received: task={task!r}, "
                f"n_classes={n_classes!r}",
                code="E-ARGUMENT",
            )
        return 1
    whole = isinstance(n_classes, int | np.integer) and not isinstance(n_classes, bool)
    if not whole or n_classes < 2:
        raise ArgumentError(
            f"task='multiclass' needs n_classes, a whole number of at least 2. "
            f"Received: n_classes={n_classes!r}",
            code="E-ARGUMENT",
        )
    return int(n_classes)


def check_number(name: str, value, inside: Callable[[float], bool], expected: str) -> None:
    """Refuse what is not a finite number that is `inside`.

    Raises
    ------
    ArgumentError
        Names the argument, and says what was `expected`.
    """
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (number and np.isfinite(value) and inside(value)):
        raise ArgumentError(
            f"{name} must be {expected}. Received: {name}={value!r}", code="E-ARGUMENT"
        )


def check_variational(task: str, variational: bool, beta: float | None) -> float:
    """Beta, 1 unless given.

    Raises
    ------
    ArgumentError
        `variational` with another task, `beta` without it, or a `beta` that is no weight.
    """
    if variational and task != "autoencoder":
        raise ArgumentError(
            f"variational belongs to task='autoencoder'. Received: task={task!r}",
            code="E-ARGUMENT",
        )
    if beta is not None and not variational:
        raise ArgumentError(
            f"beta belongs to variational=True. Received: beta={beta!r}", code="E-ARGUMENT"
        )
    if beta is None:
        return 1.0
    check_number("beta", beta, lambda x: x >= 0, "a number of at least 0")
    return float(beta)


def check_no_covariates(task: str, covariates) -> None:
    """Refuse covariates where there is no head that could read them.

    Raises
    ------
    ArgumentError
    """
    if covariates is not None:
        raise ArgumentError(
            f"covariates enter the head, and task={task!r} has none. Received: "
            f"covariates={covariates!r}",
            code="E-ARGUMENT",
            hint="Pass strata, so that groups are compared within each value of a covariate.",
        )


def check_outputs(outputs: str) -> None:
    """Refuse what names no way for the head to read a hierarchy.

    Raises
    ------
    ArgumentError
    """
    if outputs not in OUTPUTS:
        raise ArgumentError(
            f"outputs must be one of {OUTPUTS}. Received: outputs={outputs!r}", code="E-ARGUMENT"
        )


def check_one_level(task: str, hierarchy: bool, skip: bool) -> None:
    """Refuse what an autoencoder has no layers for.

    Raises
    ------
    ArgumentError
        A hierarchy, or connections that skip the pathways, without a head.
    """
    if task == "autoencoder" and (hierarchy or skip):
        raise ArgumentError(
            "an autoencoder leads from genes to pathways and back: it takes a mask, and no "
            f"skip connections. Received: {'a Hierarchy' if hierarchy else 'skip=True'}",
            code="E-ARGUMENT",
            hint="Pass hierarchy.flatten(), in which every pathway reads the genes below it.",
        )
