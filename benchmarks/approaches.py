"""Other ways to a masked layer in Keras, each written from its idea.

Every layer computes ``tanh(x @ W + b)`` and starts from given edge weights, so that all of them
must give biomask's numbers.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

import biomask as bm
from biomask.networks.deep import PATHWAYS
from biomask.networks.heads import HEAD

ACTIVATION = "tanh"


class _Masked(keras.layers.Layer):
    """A dense layer of which only the edges of a mask count."""

    edges_only = True  # one parameter for each edge, and no others

    def __init__(self, mask: bm.Mask, edges: np.ndarray, **kwargs):
        super().__init__(**kwargs)
        self.mask = mask
        self.rows, self.cols = mask.edge_index
        self._start = edges

    def build(self, input_shape):
        start = self._start if self.edges_only else self._dense_start()
        self.kernel = self.add_weight(name="kernel", shape=start.shape, initializer="zeros")
        self.kernel.assign(start)
        self.bias = self.add_weight(name="bias", shape=(self.mask.shape[1],), initializer="zeros")

    def call(self, x):
        return tf.tanh(self.product(x) + tf.convert_to_tensor(self.bias))

    def _dense_start(self) -> np.ndarray:
        dense = np.zeros(self.mask.shape, np.float32)
        dense[self.rows, self.cols] = self._start
        return dense


class KernelTimesMask(_Masked):
    """A dense kernel multiplied by the 0/1 matrix in every step: the usual answer."""

    edges_only = False

    def build(self, input_shape):
        super().build(input_shape)
        zeros_and_ones = np.zeros(self.mask.shape, np.float32)
        zeros_and_ones[self.rows, self.cols] = 1
        self._mask = tf.constant(zeros_and_ones)

    def product(self, x):
        return tf.matmul(x, tf.convert_to_tensor(self.kernel) * self._mask)


class ScatterToDense(_Masked):
    """A vector of edge weights, scattered into a dense kernel in every step, as P-NET does."""

    def build(self, input_shape):
        super().build(input_shape)
        self._index = tf.constant(np.stack([self.rows, self.cols], axis=1), tf.int32)

    def product(self, x):
        edges = tf.convert_to_tensor(self.kernel)
        return tf.matmul(x, tf.scatter_nd(self._index, edges, self.mask.shape))


class SparseMatmul(_Masked):
    """A `tf.sparse` product with the transposed batch, as GenNet does."""

    supports_jit = False

    def build(self, input_shape):
        super().build(input_shape)
        self._index = tf.constant(np.stack([self.cols, self.rows], axis=1), tf.int64)

    def product(self, x):
        shape = self.mask.shape[::-1]
        kernel = tf.sparse.SparseTensor(self._index, tf.convert_to_tensor(self.kernel), shape)
        return tf.transpose(tf.sparse.sparse_dense_matmul(kernel, tf.transpose(x)))


LAYERS = {
    "kernel x mask": KernelTimesMask,
    "scatter to dense": ScatterToDense,
    "tf.sparse matmul": SparseMatmul,
}


def biomask_model(mask: bm.Mask, **kwargs) -> keras.Model:
    """One network of biomask, from seed 0."""
    return bm.build_model(mask, activation=ACTIVATION, seed=0, **kwargs)


def other_model(name: str, like: keras.Model) -> keras.Model:
    """The network `like` with its masked layer replaced by one of `LAYERS`, compiled alike.

    Parameters
    ----------
    like : keras.Model
        From `biomask_model`; weights are copied.
    """
    ours = like.get_layer(PATHWAYS)
    genes = keras.Input((ours.mask.shape[0],), dtype="float32")
    hidden = LAYERS[name](ours.mask, ours.edges, name=PATHWAYS)(genes)
    head = keras.layers.Dense(1, name=HEAD)
    outcome = keras.layers.Activation("sigmoid", name=like.layers[-1].name)(head(hidden))
    head.set_weights(like.get_layer(HEAD).get_weights())
    model = keras.Model(genes, outcome)
    model.compile(
        keras.optimizers.Adam(float(like.optimizer.learning_rate)),
        loss="binary_crossentropy",
        metrics=["accuracy", keras.metrics.AUC(name="auc")],
        steps_per_execution=like.steps_per_execution,
        jit_compile=like.jit_compile,
    )
    return model


def bare_step(model: keras.Model, x: np.ndarray, y: np.ndarray):
    """One training step without `fit`: forward, loss, backward, Adam. Returns a function."""
    x, y = tf.constant(x), tf.constant(y[:, None])
    variables = model.trainable_variables
    model.optimizer.build(variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.binary_crossentropy(y, model(x, training=True)))
        model.optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    return lambda: step().numpy()
