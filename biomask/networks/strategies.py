"""One model trained by several processes, each with its share of every batch."""

from __future__ import annotations

import tensorflow as tf


class MultiWorkerMirroredStrategy(tf.distribute.MultiWorkerMirroredStrategy):
    """`tf.distribute.MultiWorkerMirroredStrategy` with which `fit` of Keras 3 works.

    Keras 3.15 hands `reduce` a whole batch, (x, y), at the start of `fit`, where TensorFlow takes
    one tensor, and has it average scalar losses over an axis they do not have (keras-team/keras
    issue 20585); both end in an error there, and are answered here.

    Every worker runs the same program with its own environment variable ``TF_CONFIG``, as
    TensorFlow describes. Make the strategy before any other tensor, and the model in its scope:

    >>> strategy = bm.MultiWorkerMirroredStrategy()  # doctest: +SKIP
    >>> with strategy.scope():  # doctest: +SKIP
    ...     model = bm.build_model(mask)

    Batches are those of all workers together, and the losses those of one process but for rounding
    (1e-5), where `dropout` is 0: replicas draw their own units to drop.

    A worker that dies ends the others. Started again, all go on from one backup in a folder that
    all can read, which the first of them writes:

    >>> backup = keras.callbacks.BackupAndRestore  # doctest: +SKIP
    >>> if strategy.cluster_resolver.task_id == 0:  # doctest: +SKIP
    ...     callback = backup(folder)
    ... else:
    ...     callback = backup(folder, save_freq=sys.maxsize, delete_checkpoint=False)
    """

    def reduce(self, reduce_op, value, axis=None):
        """Every tensor of a structure over replicas and, unless it is a scalar, over the axis."""
        reduced = super().reduce

        def one(part):
            local = tf.convert_to_tensor(self.experimental_local_results(part)[0])
            return reduced(reduce_op, part, axis if local.shape.rank else None)

        return tf.nest.map_structure(one, value)
