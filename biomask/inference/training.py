"""Training a block of networks side by side, and what they do with held-out samples."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from biomask.errors import ModelError
from biomask.inference.feeding import InMemory, OnDisk, feeding
from biomask.networks.divergence import not_finite
from biomask.networks.replicates import LOSS_OF_TASK, per_replicate

MIN_STEPS = 8  # of a round, which is an epoch or several: a data set of one batch is trained too
PATIENCE = 80  # steps without improvement before a network stops, at least
COMPILED = 100_000  # weights from which one pass over them saves more than compiling it takes
# Edges start at a tenth of Glorot's size. A unit then becomes what its genes have in common rather
# than a random mixture of them: on 10 data sets of 100 samples with one planted pathway in 20, the
# held-out area under the curve rose from .66 to .73, and networks of permuted labels stop sooner.
START = keras.initializers.VarianceScaling(0.01, "fan_avg", "uniform", seed=0)


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


def epoch_of(n_fitted: int, batch_size: int) -> tuple[int, int]:
    """(passes over the samples, steps) of an epoch of this many samples."""
    steps = -(-n_fitted // batch_size)
    passes = -(-MIN_STEPS // steps)
    return passes, passes * steps


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
            X float32 (n, genes), in memory or on disk; Y (n, R), a label vector for each network,
            or (n, R, 2) of time and event.
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
            The loss of a network was never a number or, with no watched samples, weights are none.
        """
        self.restart(seeds)
        self._reset_dropout(order_seed)
        n_fitted, n_watched = len(fitted[1]), len(watched[1])
        if self.settings.class_weight is not None:
            weights = balanced_weights(fitted[1], self._class_weights.shape[1])
            self._class_weights.assign(weights)
        samples, watched = feeding(*fitted), feeding(*watched)
        epochs_a_round, steps_a_round = epoch_of(n_fitted, self.settings.batch_size)
        patience = -(-PATIENCE // steps_a_round)  # in rounds
        rng = np.random.default_rng(order_seed)
        best = np.full(self.n_networks, np.inf)
        best_step, looks = np.zeros(self.n_networks, int), np.zeros(self.n_networks, int)
        for round_ in range(1, self.settings.epochs + 1):
            for _ in range(epochs_a_round):
                for X, Y, order in samples.epoch(rng, self.settings.batch_size):
                    self._epoch(X, Y, order)
            if not n_watched:
                best_step[:] = round_ * steps_a_round
                continue
            losses = self._mean_losses(watched)
            better = (looks < patience) & (losses < best)
            best[better], best_step[better] = losses[better], round_ * steps_a_round
            looks = np.where(better, 0, looks + 1)
            self._keep(tf.constant(better))
            if (looks >= patience).all():
                break
        # Nobody looked on the way where nothing was watched.
        layers, genes = ([], ()) if n_watched else not_finite(self.model)
        if layers or not best_step.all():  # the best weights would be those of the fit before
            lost = (best_step == 0).sum()
            problem = f"the loss of {lost} of {self.n_networks} networks was never a number"
            if layers:
                problem = f"weights of {', '.join(layers)} are no numbers after training"
            raise ModelError(
                problem,
                code="E-DIVERGED",
                genes=genes,
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

    def _mean_losses(self, samples: InMemory | OnDisk) -> np.ndarray:
        """Of every network, (R,)."""
        sizes, losses = zip(
            *((len(Y), self._losses(X, Y).numpy()) for X, Y in samples.pieces()), strict=True
        )
        return np.average(losses, axis=0, weights=sizes)

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
