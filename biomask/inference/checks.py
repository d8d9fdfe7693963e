"""Arguments that several calls refuse in the same words."""

from __future__ import annotations

import numpy as np

from biomask.errors import ArgumentError


def check_class_weight(class_weight: str | None, task: str) -> None:
    if class_weight not in (None, "balanced") or (
        class_weight and task not in ("binary", "multiclass")
    ):
        raise ArgumentError(
            "class_weight must be None, or 'balanced' where there are classes. Received: "
            f"class_weight={class_weight!r}, task={task!r}",
            code="E-ARGUMENT",
        )


def check_counts(least: int = 1, **counts: int) -> None:
    """Refuse what is not a whole number of at least so much.

    Raises
    ------
    ArgumentError
        Names the argument.
    """
    for name, value in counts.items():
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or not least <= value < 2**32:
            raise ArgumentError(
                f"{name} must be a whole number of at least {least}. Received: {name}={value!r}",
                code="E-ARGUMENT",
            )
