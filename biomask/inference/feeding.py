"""Samples handed to training: all at once from memory, or in mixtures from disk.

A mixture is some chunks of rows that lie together on disk, taken at random and shuffled in memory.
Every row is in one mixture of an epoch, and mixtures hold whole batches, so that an epoch from disk
has the steps of an epoch from memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from biomask.masks.rows import Rows, ahead, batches

MIXED = 1 << 26  # bytes of float32 shuffled together
CHUNKS = 16  # of which a mixture consists, where the store's own chunks are not larger


def feeding(X, Y: np.ndarray) -> InMemory | OnDisk:
    """How to hand over these samples: X an array, rows on disk, or a dict of such."""
    return (OnDisk if rows_of(X) is not None else InMemory)(X, Y)


def rows_of(X) -> Rows | None:
    """The part of the inputs that is on disk."""
    return next((part for part in tf.nest.flatten(X) if isinstance(part, Rows)), None)


def mixtures(X, n: int, batch_size: int, rng: np.random.Generator | None) -> list[np.ndarray]:
    """Positions of all samples, a mixture each; without `rng` in their own order.

    Parameters
    ----------
    X : array, Rows, or dict of such
    n : int
        Number of samples.
    batch_size : int
    """
    rows, size = rows_of(X), n
    if rows is not None:
        size = max(1, MIXED // (4 * max(1, rows.shape[1])) // batch_size) * batch_size
    if rng is None:
        return np.split(np.arange(n), range(size, n, size))
    if size >= n:
        return [rng.permutation(n)]
    chunk = min(max(size // CHUNKS, rows.store.chunk_rows), -(-size // 4))
    chunks = np.split(np.argsort(rows.rows, kind="stable"), range(chunk, n, chunk))
    order = np.concatenate([chunks[k] for k in rng.permutation(len(chunks))])
    return [rng.permutation(order[i : i + size]) for i in range(0, n, size)]


def read(X, where: np.ndarray):
    """Float32 values of the samples at these positions, in the structure of X."""
    return tf.nest.map_structure(lambda part: np.asarray(part[where], np.float32), X)


class InMemory:
    """Samples that are one tensor for the whole training.

    Parameters
    ----------
    X : float32 array, shape (n, genes), or dict of such
    Y : array, shape (n, ...)
    """

    def __init__(self, X, Y: np.ndarray):
        self._n = len(Y)
        self._X, self._Y = _constants(X), _constants(Y)

    def epoch(self, rng: np.random.Generator, batch_size: int) -> Iterator[tuple]:
        """(X, Y, order of the rows) to train on, one after the other."""
        yield self._X, self._Y, tf.constant(rng.permutation(self._n), tf.int32)

    def pieces(self) -> Iterator[tuple]:
        """(X, Y), one after the other, in no particular order."""
        yield self._X, self._Y


class OnDisk:
    """Samples that are read again for every epoch, a mixture while the one before is used."""

    def __init__(self, X, Y: np.ndarray):
        self._X, self._Y = X, Y

    def epoch(self, rng: np.random.Generator, batch_size: int) -> Iterator[tuple]:
        """As `InMemory.epoch`; every row comes once."""
        parts = mixtures(self._X, len(self._Y), batch_size, rng)
        for where, values in ahead((where, read(self._X, where)) for where in parts):
            yield _constants(values), _constants(self._Y[where]), tf.range(len(where))

    def pieces(self) -> Iterator[tuple]:
        """As `InMemory.pieces`."""
        on_disk = rows_of(self._X)
        for where, values in batches(on_disk):
            inputs = tf.nest.map_structure(
                lambda part, w=where, v=values: v if part is on_disk else part[w], self._X
            )
            yield _constants(inputs), _constants(self._Y[where])


def _constants(part):
    return tf.nest.map_structure(lambda values: tf.constant(values, tf.float32), part)
