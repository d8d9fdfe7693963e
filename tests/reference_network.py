"""One network of one hidden masked layer, trained by hand in float64: slow, and nobody's code.

Gradients are written out and Adam follows Kingma & Ba 2015, algorithm 1 in the form of section 2's
last paragraph (Keras' epsilon 1e-7 is added to the uncorrected root).
"""

from __future__ import annotations

import numpy as np


class Network:
    """tanh units over the edges (rows, cols) of a mask, and a linear head."""

    def __init__(self, edges, kernel, unit_bias, head, head_bias, task: str):
        self.edges, self.task = edges, task
        parts = kernel, unit_bias, head, head_bias  # (E,), (P,), (P, C), (C,)
        self.weights = [np.array(part, np.float64) for part in parts]

    def dense(self) -> np.ndarray:
        kernel = np.zeros((self.edges[0].max() + 1, len(self.weights[1])))
        kernel[self.edges] = self.weights[0]
        return kernel

    def hidden(self, X, without: int | None = None) -> np.ndarray:
        """Activations; `without` is an edge whose contribution is left out."""
        kernel = self.dense()
        if without is not None:
            kernel[self.edges[0][without], self.edges[1][without]] = 0
        return np.tanh(X[:, : len(kernel)] @ kernel + self.weights[1])

    def output(self, hidden) -> np.ndarray:
        return hidden @ self.weights[2] + self.weights[3]

    def probabilities(self, z) -> np.ndarray:
        """Of classes 0 to C - 1, or the value itself, from the linear output (n, C)."""
        if self.task == "regression":
            return z
        if self.task == "binary":
            z = np.hstack([np.zeros_like(z), z])
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def loss(self, X, y) -> float:
        found = self.probabilities(self.output(self.hidden(X)))
        if self.task == "regression":
            return float(np.mean((y - found[:, 0]) ** 2))
        return float(-np.mean(np.log(found[np.arange(len(y)), y.astype(int)])))

    def gradients(self, X, y, l2: float) -> list[np.ndarray]:
        h = self.hidden(X)
        found = self.probabilities(self.output(h))
        if self.task == "regression":
            slope = 2 * (found - y[:, None]) / len(y)
        else:
            slope = found.copy()
            slope[np.arange(len(y)), y.astype(int)] -= 1
            slope /= len(y)
            slope = slope[:, 1:] if self.task == "binary" else slope
        below = slope @ self.weights[2].T * (1 - h**2)
        kernel = (X.T @ below)[self.edges] + 2 * l2 * self.weights[0]
        head = h.T @ slope + 2 * l2 * self.weights[2]
        return [kernel, below.sum(axis=0), head, slope.sum(axis=0)]


def train(
    network: Network,
    fitted,
    watched,
    *,
    order_seed: int,
    rounds: int,
    epochs_a_round: int,
    patience: int,
    batch_size: int,
    learning_rate: float,
    l2: float,
) -> int:
    """Adam with early stopping; leaves the best weights and returns the step they are of."""
    rng = np.random.default_rng(order_seed)
    m = [np.zeros_like(w) for w in network.weights]
    v = [np.zeros_like(w) for w in network.weights]
    best, best_step, kept, waited, step = np.inf, 0, None, 0, 0
    for _ in range(rounds):
        for _ in range(epochs_a_round):
            order = rng.permutation(len(fitted[1]))
            for start in range(0, len(order), batch_size):
                rows = order[start : start + batch_size]
                step += 1
                rate = learning_rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
                gradients = network.gradients(fitted[0][rows], fitted[1][rows], l2)
                for k, g in enumerate(gradients):
                    m[k] = 0.9 * m[k] + 0.1 * g
                    v[k] = 0.999 * v[k] + 0.001 * g**2
                    network.weights[k] = network.weights[k] - rate * m[k] / (np.sqrt(v[k]) + 1e-7)
        loss = network.loss(*watched)
        waited += 1
        if loss < best:
            best, best_step, waited = loss, step, 0
            kept = [w.copy() for w in network.weights]
        if waited >= patience:
            break
    network.weights = kept
    return best_step
