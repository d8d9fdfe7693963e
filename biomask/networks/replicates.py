"""Many networks trained as one: their loss, their metrics, their early stopping."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from biomask.errors import ModelError
from biomask.networks.layers import MaskedDense
from biomask.networks.survival import cox_costs

# What one sample costs in one network; shapes as in `per_replicate`.
LOSS_OF_TASK = {
    "binary": "log_loss",
    "multiclass": "log_loss",
    "regression": "squared_error",
    "survival": "partial_likelihood",
    "autoencoder": "reconstruction",
}


def per_replicate(kind: str, y_true, y_pred):
    """A number for each sample and replicate, shape (batch, R).

    Parameters
    ----------
    kind : {"log_loss", "squared_error", "partial_likelihood", "accuracy", "reconstruction"}
    y_true : tensor, shape (batch,), (batch, 1) or (batch, R)
        Labels shared by all replicates, or one column for each; "partial_likelihood" has a last
        axis of 2, see `cox_costs`. For "reconstruction" the genes, (batch, G), shared by all.
    y_pred : tensor, shape (batch, R), or (batch, R, C) where C classes, or genes, are predicted
    """
    if kind == "partial_likelihood":
        return cox_costs(y_true, y_pred)
    if kind == "reconstruction":
        return ops.mean(ops.square(y_pred - ops.expand_dims(y_true, 1)), axis=-1)
    several = len(y_pred.shape) == 3
    y_true = ops.reshape(y_true, (ops.shape(y_pred)[0], -1))
    y_true = ops.broadcast_to(y_true, ops.shape(y_pred)[:2])
    if kind == "squared_error":
        return ops.square(y_pred - ops.cast(y_true, y_pred.dtype))
    if kind == "accuracy":
        found = ops.argmax(y_pred, axis=-1) if several else ops.cast(y_pred > 0.5, "int32")
        return ops.cast(ops.equal(ops.cast(found, "int32"), ops.cast(y_true, "int32")), "float32")
    if several:
        return ops.sparse_categorical_crossentropy(ops.cast(y_true, "int32"), y_pred)
    return ops.binary_crossentropy(ops.cast(y_true, y_pred.dtype), y_pred)


@keras.saving.register_keras_serializable(package="biomask")
class ReplicateLoss(keras.losses.Loss):
    """The sum over replicates of each one's mean loss, so that none changes another's gradient."""

    def __init__(self, task: str, name: str = "replicate_loss", reduction="sum_over_batch_size"):
        super().__init__(name=name, reduction=reduction)
        self.task = task

    def call(self, y_true, y_pred):
        return ops.sum(per_replicate(LOSS_OF_TASK[self.task], y_true, y_pred), axis=1)

    def get_config(self):
        return {**super().get_config(), "task": self.task}


@keras.saving.register_keras_serializable(package="biomask")
class ReplicateMean(keras.metrics.Metric):
    """A metric of each replicate; `result` is their mean, `each` the array of shape (R,)."""

    def __init__(self, kind: str, replicates: int, name: str | None = None, dtype=None):
        super().__init__(name=name or kind, dtype=dtype)
        self.kind = kind
        self.replicates = replicates
        self.total = self.add_weight(shape=(replicates,), initializer="zeros", name="total")
        self.count = self.add_weight(shape=(), initializer="zeros", name="count")

    def update_state(self, y_true, y_pred, sample_weight=None):
        values = ops.cast(per_replicate(self.kind, y_true, y_pred), self.dtype)
        weight = ops.ones(ops.shape(values)[0], self.dtype)
        if sample_weight is not None:
            weight = ops.cast(ops.reshape(sample_weight, (-1,)), self.dtype)
        self.total.assign_add(ops.sum(values * weight[:, None], axis=0))
        self.count.assign_add(ops.sum(weight))

    def each(self) -> np.ndarray:
        """The metric of each replicate since the last reset, float32, shape (R,)."""
        return self.total.value.numpy() / max(float(self.count), 1e-12)

    def result(self):
        return ops.mean(ops.divide_no_nan(self.total, self.count))

    def get_config(self):
        return {**super().get_config(), "kind": self.kind, "replicates": self.replicates}


def replicate_metrics(task: str, replicates: int) -> list[ReplicateMean]:
    """The metrics of a replicated model: its loss first, then accuracy where there are classes."""
    kinds = [LOSS_OF_TASK[task]] + (["accuracy"] if task in ("binary", "multiclass") else [])
    return [ReplicateMean(kind, replicates) for kind in kinds]


class ReplicateEarlyStopping(keras.callbacks.Callback):
    """Early stopping for every replicate on its own, each keeping its best weights.

    A replicate whose validation loss has not improved for `patience` epochs goes back to its best
    weights and no longer changes; `fit` ends when all have stopped. At the end every replicate has
    the weights of its best epoch.

    Parameters
    ----------
    patience : int
        Epochs without improvement that a replicate is allowed, at least 1.
    min_delta : float
        A smaller gain is none.

    Attributes
    ----------
    best : float array, shape (R,)
        The best validation loss of each replicate.
    best_epoch : int array, shape (R,)
        The epoch, from 0, at which it was reached.
    stopped : bool array, shape (R,)
        Which replicates stopped before `fit` ended.

    Raises
    ------
    ModelError
        The model has no replicates, or `fit` has no validation data.
    """

    def __init__(self, patience: int = 5, min_delta: float = 0.0):
        super().__init__()
        self.patience = patience
        self.min_delta = min_delta

    def on_train_begin(self, logs=None):
        n = _replicates_of(self.model)
        self.best = np.full(n, np.inf)
        self.best_epoch = np.zeros(n, int)
        self.stopped = np.zeros(n, bool)
        self._gates = [_Gate(v, axis, n) for v, axis in _replicate_variables(self.model)]
        self.model.make_train_function(force=True)  # so that the gates are part of the step

    def on_epoch_end(self, epoch, logs=None):
        if not any(name.startswith("val_") for name in logs or {}):
            raise ModelError(
                "early stopping needs validation data",
                code="E-NO-VALIDATION",
                hint="Pass validation_data to fit.",
            )
        values = _loss_metric(self.model).each()
        better = ~self.stopped & (values < self.best - self.min_delta)
        self.best[better], self.best_epoch[better] = values[better], epoch
        self.stopped |= epoch - self.best_epoch >= self.patience
        for gate in self._gates:
            gate.keep(better)
            gate.close(self.stopped)
        if self.stopped.all():
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        everyone = np.ones_like(self.stopped)
        for gate in self._gates:
            gate.close(everyone)
            gate.remove()
        self.model.make_train_function(force=True)


class _Gate:
    """Holds a variable's slices of the stopped replicates at their best values.

    It is a constraint, so that it acts inside the training step, after any optimizer.
    """

    def __init__(self, variable, axis: int, replicates: int):
        self.variable, self.axis = variable, axis
        self.constraint = variable.constraint
        self._shape = [replicates if i == axis else 1 for i in range(len(variable.shape))]
        self._held = tf.Variable(tf.convert_to_tensor(variable), trainable=False)
        self._closed = tf.Variable(tf.zeros(self._shape, tf.bool), trainable=False)
        variable.constraint = self

    def __call__(self, value):
        free = value if self.constraint is None else self.constraint(value)
        return tf.where(self._closed, self._held, free)

    def keep(self, replicates: np.ndarray) -> None:
        """Remember the present values of these replicates as their best."""
        mask = tf.constant(replicates.reshape(self._shape))
        self._held.assign(tf.where(mask, tf.convert_to_tensor(self.variable), self._held))

    def close(self, replicates: np.ndarray) -> None:
        """Put these replicates back to their best values and hold them there."""
        self._closed.assign(replicates.reshape(self._shape))
        now = tf.where(self._closed, self._held, tf.convert_to_tensor(self.variable))
        self.variable.assign(now)

    def remove(self) -> None:
        """Give the variable its own constraint back."""
        self.variable.constraint = self.constraint


def _replicates_of(model: keras.Model) -> int:
    for layer in model.layers:
        if isinstance(layer, MaskedDense) and layer.replicates is not None:
            return layer.replicates
    raise ModelError(
        "early stopping for every replicate needs a model with replicates",
        code="E-REPLICATES",
        hint="Use biomask.build_model(..., replicates=R), or keras.callbacks.EarlyStopping.",
    )


def _loss_metric(model: keras.Model) -> ReplicateMean:
    compiled = [inner for metric in model.metrics for inner in getattr(metric, "metrics", ())]
    return next(m for m in compiled if getattr(m, "kind", None) in LOSS_OF_TASK.values())


def _replicate_variables(model: keras.Model) -> list[tuple[keras.Variable, int]]:
    """Every trainable variable and the axis of its replicates."""
    kernels = {id(x.kernel) for x in model.layers if isinstance(x, MaskedDense)}
    return [(v, 1 if id(v) in kernels else 0) for v in model.trainable_variables]
