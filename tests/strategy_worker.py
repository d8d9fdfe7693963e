"""One worker of a training that several processes share, or all of it in one process.

    python strategy_worker.py HOW WIRING FOLDER [--kill EPOCH] [--other]

HOW is one, mirrored (two logical devices) or workers (see the variable TF_CONFIG). WIRING is mask
or hierarchy. In the epoch EPOCH the second worker kills itself; --other trains another mask with as
many edges. Prints JSON: the loss of every epoch, and all weights at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import biomask as bm

EPOCHS = 5


class KillAt(keras.callbacks.Callback):
    """SIGKILL in the middle of an epoch."""

    def __init__(self, at: int):
        super().__init__()
        self.at, self.epoch = at, None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def strategy_of(how: str) -> tf.distribute.Strategy:
    if how == "mirrored":
        (cpu,) = tf.config.list_physical_devices("CPU")
        half = tf.config.LogicalDeviceConfiguration()
        tf.config.set_logical_device_configuration(cpu, [half, half])
        return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    return bm.MultiWorkerMirroredStrategy() if how == "workers" else tf.distribute.get_strategy()


def wiring_of(name: str, other: bool) -> bm.Mask | bm.Hierarchy:
    """12 genes, 4 pathways of 4, and two above them; the other's genes are the other way round."""
    sets = {f"p{k}": [f"g{(3 * k + j) % 12:02d}" for j in range(4)] for k in range(4)}
    mask = bm.Mask.from_sets(sets)
    if other:
        mask = bm.Mask.from_dense(mask.to_dense().to_numpy()[::-1], mask.genes, mask.pathways)
    if name == "mask":
        return mask
    above = bm.Mask.from_sets({"a": ["p0", "p1"], "b": ["p2", "p3"]})
    return bm.Hierarchy([mask, above])


def backup_of(folder: Path, first: bool) -> keras.callbacks.Callback:
    """Written by the first worker, read by all."""
    if first:
        return keras.callbacks.BackupAndRestore(folder, delete_checkpoint=False)
    return keras.callbacks.BackupAndRestore(folder, save_freq=sys.maxsize, delete_checkpoint=False)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("how")
    parser.add_argument("wiring")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kill", type=int)
    parser.add_argument("--other", action="store_true")
    given = parser.parse_args()
    strategy = strategy_of(given.how)
    first = given.how != "workers" or strategy.cluster_resolver.task_id == 0
    with strategy.scope():
        model = bm.build_model(
            wiring_of(given.wiring, given.other), dropout=0.0, learning_rate=0.01, seed=0
        )
    callbacks = [backup_of(given.folder, first)]
    if given.kill is not None and not first:
        callbacks.append(KillAt(given.kill))
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 12)).astype(np.float32)
    y = (X[:, :4].sum(axis=1) > 0).astype(np.float32)
    batches = tf.data.Dataset.from_tensor_slices((X, y)).batch(20)
    history = model.fit(batches, epochs=EPOCHS, verbose=0, callbacks=callbacks)
    weights = np.concatenate([w.ravel() for w in model.get_weights()])
    print(json.dumps({"loss": history.history["loss"], "weights": weights.tolist()}))


if __name__ == "__main__":
    main()
