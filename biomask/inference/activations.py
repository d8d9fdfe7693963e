"""NumPy counterparts of Keras' activations, so that reading a network needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special

from biomask.errors import ArgumentError

ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda a: a,
    "tanh": np.tanh,
    "sigmoid": special.expit,
    "relu": lambda a: np.maximum(a, 0),
    "leaky_relu": lambda a: np.where(a > 0, a, a * a.dtype.type(0.2)),
    "elu": lambda a: np.where(a > 0, a, np.expm1(np.minimum(a, 0))),
    "selu": lambda a: np.where(a > 0, a, 1.6732632 * np.expm1(np.minimum(a, 0))) * 1.0507010,
    "gelu": lambda a: a * special.ndtr(a),
    "silu": lambda a: a * special.expit(a),
    "swish": lambda a: a * special.expit(a),
    "softplus": lambda a: np.logaddexp(a, a.dtype.type(0)),
    "softsign": lambda a: a / (1 + np.abs(a)),
}


def activation_function(
    activation: str | Callable[[np.ndarray], np.ndarray] | None,
) -> Callable[[np.ndarray], np.ndarray]:
    """The NumPy function of a Keras activation's name, with Keras' default parameters.

    Raises
    ------
    ArgumentError
        The name is not known; a callable from array to array always is.
    """
    if activation is None:
        return ACTIVATIONS["linear"]
    if callable(activation):
        return activation
    if activation not in ACTIVATIONS:
        raise ArgumentError(
            f"activation {activation!r} has no NumPy counterpart here",
            code="E-ACTIVATION",
            hint=f"Use one of {', '.join(ACTIVATIONS)}, or pass a function of a NumPy array.",
        )
    return ACTIVATIONS[activation]
