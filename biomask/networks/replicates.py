"""Many networks trained as one: their loss, their metrics, their early stopping."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

# What one sample costs in one network; shapes as in `per_replicate`.
_LOSS_OF_TASK = {"binary": "log_loss", "multiclass": "log_loss", "regression": "squared_error"}


def per_replicate(kind: str, y_true, y_pred):
    """A number for each sample and replicate, shape (batch, R).

    Parameters
    ----------
    kind : {"log_loss", "squared_error", "accuracy"}
    y_true : tensor, shape (batch,), (batch, 1) or (batch, R)
        Labels shared by all replicates, or one column for each.
    y_pred : tensor, shape (batch, R), or (batch, R, C) where C classes are predicted
    """
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
        return ops.sum(per_replicate(_LOSS_OF_TASK[self.task], y_true, y_pred), axis=1)

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
        return ops.convert_to_numpy(self.total) / max(float(self.count), 1e-12)

    def result(self):
        return ops.mean(ops.divide_no_nan(self.total, self.count))

    def get_config(self):
        return {**super().get_config(), "kind": self.kind, "replicates": self.replicates}


def replicate_metrics(task: str, replicates: int) -> list[ReplicateMean]:
    """The metrics of a replicated model: its loss first, then accuracy where there are classes."""
    kinds = [_LOSS_OF_TASK[task]] + (["accuracy"] if task != "regression" else [])
    return [ReplicateMean(kind, replicates) for kind in kinds]
