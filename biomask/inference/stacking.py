"""Networks on many masks trained as one, to compare the masks."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers, regularizers
from scipy import sparse

from biomask.errors import BiomaskWarning
from biomask.inference.training import START, Networks, Settings
from biomask.masks.mask import Mask
from biomask.networks.heads import HEAD
from biomask.networks.layers import MaskedDense


class StackTrainer(Networks):
    """K networks on each of M masks over the same genes and with as many pathways.

    The masks stand side by side in one masked layer, and the head of a network reads the pathways
    of its own mask only. Networks are ordered seed by seed, all masks of a seed together.

    Parameters
    ----------
    masks : sequence of Mask
    settings : Settings
    n_seeds : int
        K.
    """

    def __init__(self, masks: Sequence[Mask], settings: Settings, n_seeds: int):
        n_masks, n_pathways = len(masks), masks[0].shape[1]
        self._masks = list(masks)
        self._stack = stack_masks(masks)
        self._mask_of_edge = tf.constant(self._stack.edge_index[1] // n_pathways)
        self._shape = (n_seeds, n_masks)
        decay = regularizers.L2(settings.l2) if settings.l2 else None
        genes = keras.Input((masks[0].shape[0],), name="genes")
        self._layer = MaskedDense(
            self._stack,
            settings.activation,
            replicates=n_seeds,
            kernel_regularizer=decay,
            seed=list(range(n_seeds)),
        )
        x = layers.Reshape((n_seeds, n_masks, n_pathways))(self._layer(genes))
        x = layers.Dropout(settings.dropout, seed=0)(x)
        classes = settings.n_classes
        self._head = layers.EinsumDense(
            "bkmp,kmpc->bkmc" if classes else "bkmp,kmp->bkm",
            output_shape=(n_seeds, n_masks, classes) if classes else (n_seeds, n_masks),
            bias_axes="kmc" if classes else "km",
            kernel_regularizer=decay,
            name=HEAD,
        )
        x = self._head(x)
        x = layers.Reshape((n_seeds * n_masks, classes) if classes else (n_seeds * n_masks,))(x)
        outcome = {"binary": "sigmoid", "multiclass": "softmax"}.get(settings.task, "linear")
        model = keras.Model(genes, layers.Activation(outcome)(x))
        model.compile(keras.optimizers.Adam(settings.learning_rate))
        super().__init__(model, settings, n_seeds * n_masks)

    def restart(self, seeds: Sequence[int]) -> None:
        """One seed for each of the K networks of a mask."""
        self._layer.kernel.assign(np.concatenate([_start(mask, seeds) for mask in self._masks]))
        shape = tuple(self._head.kernel.shape)
        limit = np.sqrt(6 / (shape[2] + (shape[3] if len(shape) == 4 else 1)))  # Glorot
        draws = [np.random.default_rng(seed).uniform(-limit, limit, shape[1:]) for seed in seeds]
        self._head.kernel.assign(np.stack(draws))
        state = [v for v in self.model.optimizer.variables if v.name != "learning_rate"]
        for variable in [self._layer.bias, self._head.bias, *state]:
            variable.assign(tf.zeros_like(variable))

    def flags(self, variable: keras.Variable, of_network: tf.Tensor) -> tf.Tensor:
        of_network = tf.reshape(of_network, self._shape)
        if variable is self._layer.kernel:
            return tf.transpose(tf.gather(of_network, self._mask_of_edge, axis=1))
        if variable is self._layer.bias:
            return tf.repeat(of_network, variable.shape[1] // self._shape[1], axis=1)
        extra = len(variable.shape) - 2
        return tf.reshape(of_network, [*self._shape, *[1] * extra])

    def outputs(self, X: np.ndarray) -> np.ndarray:
        """Linear outputs of the head, float32, shape (n, K, M, C); C is 1 without classes."""
        linear = keras.Model(self.model.input, self._head.output)
        parts = [linear(X[i : i + 128], training=False).numpy() for i in range(0, len(X), 128)]
        outputs = np.concatenate(parts)
        return outputs if self.settings.n_classes else outputs[..., None]


def _start(mask: Mask, seeds: Sequence[int]) -> np.ndarray:
    """Edges as networks on this mask alone start, shape (n_edges, K): a stack has larger fans."""
    alone = MaskedDense(mask, replicates=len(seeds), kernel_initializer=START, seed=list(seeds))
    return alone.initial_edges((mask.n_edges, len(seeds))).numpy()


def stack_masks(masks: Sequence[Mask]) -> Mask:
    """Masks over the same genes, side by side; pathways are named "number: name"."""
    matrix = sparse.hstack([mask.to_scipy() for mask in masks], format="csc")
    names = [f"{m}: {name}" for m, mask in enumerate(masks) for name in mask.pathways]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BiomaskWarning)  # each mask has given its own
        return Mask(matrix, masks[0].genes, names)
