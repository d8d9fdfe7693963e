"""Training a block of networks side by side, and what they do with held-out samples."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from biomask.errors import ModelError
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.mask import Mask
from biomask.masks.steps import levels_of
from biomask.networks.deep import pathway_layers, read_names, unit_names, unit_values
from biomask.networks.heads import HEAD, covariate_head
from biomask.networks.kernels import KERNELS, Edges, pick_kernel
from biomask.networks.models import build_model, masked_layers, restart
from biomask.networks.replicates import LOSS_OF_TASK, per_replicate

MIN_STEPS = 8  # of a round, which is an epoch or several: a data set of one batch is trained too
PATIENCE = 80  # steps without improvement before a network stops, at least
COMPILED = 100_000  # weights from which one pass over them saves more than compiling it takes
# Edges start at a tenth of Glorot's size. A unit then becomes what its genes have in common rather
# than a random mixture of them: on 10 data sets of 100 samples with one planted pathway in 20, the
# held-out area under the curve rose from .66 to .73, and networks of permuted labels stop sooner.
START = keras.initializers.VarianceScaling(0.01, "fan_avg", "uniform")


class Settings(NamedTuple):
    """How every network of a study is trained; `crossfit` documents the fields."""

    task: str
    n_classes: int | None
    activation: str
    epochs: int
    batch_size: int
    learning_rate: float
    dropout: float
    l2: float
    covariates: tuple[str, ...] = ()
    class_weight: str | None = None
    outputs: str = "all"


def balanced_weights(Y: np.ndarray, n_classes: int) -> np.ndarray:
    """n / (number of classes there x n_c) for every class c, so that all classes weigh alike.

    That is ``compute_class_weight("balanced", ...)`` of scikit-learn, for every column of labels
    (n, R); float32, shape (R, C). A class that is not there has no weight.
    """
    counts = (Y[:, :, None] == np.arange(n_classes)).sum(axis=0)
    there = counts > 0
    weights = len(Y) / (there.sum(axis=1, keepdims=True) * np.where(there, counts, 1))
    return (weights * there).astype(np.float32)


def _constants(part):
    return tf.nest.map_structure(lambda values: tf.constant(values, tf.float32), part)


def _rows(X, rows):
    return tf.nest.map_structure(lambda values: tf.gather(values, rows), X)


class Networks(abc.ABC):
    """Independent networks inside one Keras model, each stopped early on its own.

    Subclasses make the model, put it back to its start, and know which part of a variable belongs
    to which network. Compiled once, used for every block and fold.

    Parameters
    ----------
    model : keras.Model
        Output (batch, R), or (batch, R, C) for classes.
    settings : Settings
    n_networks : int
        R.
    """

    def __init__(self, model: keras.Model, settings: Settings, n_networks: int):
        self.model, self.settings, self.n_networks = model, settings, n_networks
        self.model.optimizer.build(self.model.trainable_variables)
        self._kind = LOSS_OF_TASK[settings.task]
        n_classes = 0 if settings.class_weight is None else settings.n_classes or 2
        self._class_weights = tf.Variable(tf.ones((n_networks, n_classes)), trainable=False)
        n_weights = sum(int(np.prod(v.shape)) for v in self.model.trainable_variables)
        self._update = tf.function(self._decayed_step, jit_compile=n_weights >= COMPILED)
        self._best = [tf.Variable(v, trainable=False) for v in self.model.trainable_variables]

    @abc.abstractmethod
    def restart(self, seeds: Sequence[int]) -> None:
        """Put every weight back to where these seeds start."""

    @abc.abstractmethod
    def flags(self, variable: keras.Variable, of_network: tf.Tensor) -> tf.Tensor:
        """A flag for each network, (R,), in a shape that broadcasts against the variable."""

    def fit(
        self,
        fitted: tuple[np.ndarray, np.ndarray],
        watched: tuple[np.ndarray, np.ndarray],
        seeds: Sequence[int],
        order_seed: int,
    ) -> np.ndarray:
        """Train from scratch; every network ends with the weights of its best look.

        Without watched samples, all are trained for all epochs and keep their last weights.

        Parameters
        ----------
        fitted, watched : (X, Y)
            X float32 (n, genes); Y (n, R), a label vector for each network, or (n, R, 2) of time
            and event.
        seeds : sequence of int
            Of the initial weights, as the subclass wants them.
        order_seed : int
            Of the order of the samples, the same for all networks, and of dropout.

        Returns
        -------
        int array, shape (R,)
            The step of each network's best look.

        Raises
        ------
        ModelError
            The loss of a network was never a number.
        """
        self.restart(seeds)
        self._reset_dropout(order_seed)
        X, Y = (_constants(part) for part in fitted)
        n_fitted, n_watched = len(fitted[1]), len(watched[1])
        watched = tuple(_constants(part) for part in watched)
        if self.settings.class_weight is not None:
            weights = balanced_weights(fitted[1], self._class_weights.shape[1])
            self._class_weights.assign(weights)
        steps_an_epoch = -(-n_fitted // self.settings.batch_size)
        epochs_a_round = -(-MIN_STEPS // steps_an_epoch)
        steps_a_round = epochs_a_round * steps_an_epoch
        patience = -(-PATIENCE // steps_a_round)  # in rounds
        rng = np.random.default_rng(order_seed)
        best = np.full(self.n_networks, np.inf)
        best_step, looks = np.zeros(self.n_networks, int), np.zeros(self.n_networks, int)
        for round_ in range(1, self.settings.epochs + 1):
            for _ in range(epochs_a_round):
                self._epoch(X, Y, tf.constant(rng.permutation(n_fitted), tf.int32))
            if not n_watched:
                best_step[:] = round_ * steps_a_round
                continue
            losses = self._losses(*watched).numpy()
            better = (looks < patience) & (losses < best)
            best[better], best_step[better] = losses[better], round_ * steps_a_round
            looks = np.where(better, 0, looks + 1)
            self._keep(tf.constant(better))
            if (looks >= patience).all():
                break
        if not best_step.all():  # its best weights would be those of the fit before
            raise ModelError(
                f"the loss of {(best_step == 0).sum()} of {self.n_networks} networks was never a "
                "number",
                code="E-DIVERGED",
                hint=f"Lower the learning rate, {self.settings.learning_rate:g}.",
            )
        if n_watched:
            for variable, kept in zip(self.model.trainable_variables, self._best, strict=True):
                variable.assign(kept)
        return best_step

    @tf.function(reduce_retracing=True)
    def _epoch(self, X, Y, order):
        for start in tf.range(0, tf.shape(order)[0], self.settings.batch_size):
            batch = order[start : start + self.settings.batch_size]
            with tf.GradientTape() as tape:
                outcome = self.model(_rows(X, batch), training=True)
                costs = self._costs(tf.gather(Y, batch), outcome)
                loss = tf.reduce_sum(tf.reduce_mean(costs, axis=0))
            self._update(tape.gradient(loss, self.model.trainable_variables))

    def _decayed_step(self, gradients):
        """Weight decay and the optimizer's step."""
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            decay = tf.add_n([0.0, *self.model.losses])
        decays = tape.gradient(
            decay, [v.value for v in variables], unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        total = [g + d for g, d in zip(gradients, decays, strict=True)]
        self.model.optimizer.apply(total, variables)

    @tf.function(reduce_retracing=True)
    def _losses(self, X, Y):
        total = tf.zeros(self.n_networks)
        n = tf.shape(Y)[0]
        # A sample's risk set is everybody who is watched.
        step = n if self.settings.task == "survival" else 128
        for start in tf.range(0, n, step):
            rows = tf.range(start, tf.minimum(start + step, n))
            outcome = self.model(_rows(X, rows), training=False)
            total += tf.reduce_sum(self._costs(tf.gather(Y, rows), outcome), axis=0)
        return total / tf.cast(n, tf.float32)

    def _costs(self, Y, outcome):
        """Of every sample in every network, (batch, R), weighted by class where that is asked."""
        costs = per_replicate(self._kind, Y, outcome)
        if self.settings.class_weight is None:
            return costs
        own = tf.one_hot(tf.cast(Y, tf.int32), self._class_weights.shape[1])
        return costs * tf.reduce_sum(own * self._class_weights, axis=2)

    @tf.function
    def _keep(self, better):
        for variable, kept in zip(self.model.trainable_variables, self._best, strict=True):
            value = tf.convert_to_tensor(variable)
            kept.assign(tf.where(self.flags(variable, better), value, kept))

    def _reset_dropout(self, seed: int) -> None:
        states = [v for v in self.model.non_trainable_variables if "seed_generator_state" in v.path]
        for i, state in enumerate(states):  # a unit left out says nothing of those above it
            state.assign(np.array([(seed + i) % 2**32, 0], np.uint32))


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
        """Mean of every pathway unit over the samples, float32, shape (R, P)."""
        total = 0.0
        for i in range(0, len(X), 128):
            total = total + tf.reduce_sum(self._after(tf.constant(X[i : i + 128])), axis=0)
        return total.numpy() / len(X)

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


def in_batches(function, X: np.ndarray) -> np.ndarray:
    """A function of a batch of samples, for all of them."""
    return np.concatenate([function(tf.constant(X[i : i + 128])) for i in range(0, len(X), 128)])
