"""R networks on one mask or hierarchy, trained side by side, and what is read from them."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from biomask.inference.training import START, Networks, Settings
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.mask import Mask
from biomask.masks.rows import Rows, batches
from biomask.masks.steps import levels_of
from biomask.networks.deep import pathway_layers, read_names, unit_names, unit_values
from biomask.networks.heads import HEAD, covariate_head
from biomask.networks.kernels import KERNELS, Edges, pick_kernel
from biomask.networks.models import build_model, masked_layers, restart


class BlockTrainer(Networks):
    """R networks on one mask or hierarchy, which differ in labels, initial weights and dropout.

    Parameters
    ----------
    mask : Mask or Hierarchy
        Its units are P in all, its edges E, in the order of `biomask.masks.steps`.
    settings : Settings
    replicates : int
        R.
    """

    def __init__(self, mask: Mask | Hierarchy, settings: Settings, replicates: int):
        model = build_model(
            mask,
            settings.task,
            settings.n_classes,
            settings.activation,
            settings.dropout,
            settings.l2,
            settings.learning_rate,
            replicates,
            covariates=settings.covariates or None,
            kernel_initializer=START,
            seed=0,
            outputs=settings.outputs,
        )
        self._layers, self._levels = pathway_layers(model), levels_of(mask)
        self._read = unit_names(model).get_indexer(read_names(model))
        self._kernels = {id(layer.kernel) for layer in masked_layers(model)}
        super().__init__(model, settings, replicates)

    def restart(self, seeds: Sequence[int]) -> None:
        """One seed for each network."""
        restart(self.model, seeds)

    def flags(self, variable: keras.Variable, of_network: tf.Tensor) -> tf.Tensor:
        axis = 1 if id(variable) in self._kernels else 0
        shape = [self.n_networks if i == axis else 1 for i in range(len(variable.shape))]
        return tf.reshape(of_network, shape)

    def pre_activations(self, X: np.ndarray) -> np.ndarray:
        """Of all units of every network for every sample, float32, shape (n, R, P)."""
        return in_batches(self._before, X)

    def activations(self, X: np.ndarray) -> np.ndarray:
        """The same, activated."""
        return in_batches(self._after, X)

    def mean_activation(self, X: np.ndarray) -> np.ndarray:
        """Mean of every pathway unit over the samples, float32, shape (R, P).

        Summed as differences from the first sample: of a unit that never varies, such as that of
        a pathway without genes, the mean is its value to the last bit, and its effect exactly 0.
        """
        total, first = 0.0, None
        for _, values in batches(X, 128):
            active = self._after(tf.constant(values))
            first = active[0] if first is None else first
            total = total + tf.reduce_sum(active - first, axis=0)
        return (first + total / len(X)).numpy()

    def head(self) -> tuple[np.ndarray, np.ndarray]:
        """Weights (R, P, C) and bias (R, C) of the linear head; C is 1 without classes.

        The weight of a unit that the head does not read is 0.
        """
        kernel, *bias = self.model.get_layer(HEAD).get_weights()
        kernel = kernel.reshape(self.n_networks, len(self._read), -1)
        n_units = sum(layer.mask.shape[1] for layer in self._layers)
        weights = np.zeros((self.n_networks, n_units, kernel.shape[2]), np.float32)
        weights[:, self._read] = kernel
        if not bias:  # a log risk has none
            return weights, np.zeros((self.n_networks, 1), np.float32)
        return weights, bias[0].reshape(self.n_networks, -1)

    def covariate_weights(self) -> np.ndarray | None:
        """Weights of the covariates, float32, shape (R, k, C), where there are any."""
        beside = covariate_head(self.model)
        return None if beside is None else beside.kernel.numpy()

    def edges(self) -> np.ndarray:
        """The weight of every edge in every network, float32, shape (E, R)."""
        return np.concatenate([layer.edges for layer in self._layers])

    def unit_bias(self) -> np.ndarray:
        """Bias of every pathway unit, float32, shape (R, P)."""
        return np.concatenate([layer.bias.numpy() for layer in self._layers], axis=1)

    def load(self, edges: np.ndarray, unit_bias: np.ndarray) -> None:
        """Put trained units back."""
        n_edges, n_units = 0, 0
        for layer in self._layers:
            mask = layer.mask
            layer.kernel.assign(edges[n_edges : n_edges + mask.n_edges])
            layer.bias.assign(unit_bias[:, n_units : n_units + mask.shape[1]])
            n_edges, n_units = n_edges + mask.n_edges, n_units + mask.shape[1]

    @tf.function(reduce_retracing=True)
    def _before(self, X):
        return unit_values(self._layers, self._levels, X)[0]

    @tf.function(reduce_retracing=True)
    def _after(self, X):
        return unit_values(self._layers, self._levels, X)[1]


def pre_activations(
    mask: Mask, pathways: np.ndarray, edges: np.ndarray, unit_bias: np.ndarray, X: np.ndarray
) -> np.ndarray:
    """Pre-activations of some pathway units of R trained networks: float32, (n, R, pathways).

    Parameters
    ----------
    mask : Mask
    pathways : int array
        Positions of these pathways, rising.
    edges, unit_bias : arrays, shapes (n_edges, R) and (R, P)
        Of all pathways, as `BlockTrainer.edges` and `BlockTrainer.unit_bias` give them.
    X : float32 array, shape (n, genes)
    """
    rows, cols = mask.edge_index
    kept = np.flatnonzero(np.isin(cols, pathways))
    place = np.searchsorted(pathways, cols[kept])
    where = Edges(rows[kept], place, mask.shape[0], len(pathways), edges.shape[1])
    product, kernel = KERNELS[pick_kernel(where)](where), tf.constant(edges[kept])
    bias = unit_bias[:, pathways]
    return in_batches(lambda x: product(x, kernel) + bias, X)


def in_batches(function, X: np.ndarray | Rows) -> np.ndarray:
    """A function of a batch of samples, for all of them."""
    found = None
    for where, values in batches(X, 128):
        part = np.asarray(function(tf.constant(values)))
        if found is None:
            found = np.empty((len(X), *part.shape[1:]), part.dtype)
        found[where] = part
    return found
