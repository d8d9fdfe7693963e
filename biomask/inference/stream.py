"""Data larger than memory as a tf.data.Dataset, for `fit`, `evaluate` and `predict` of Keras."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pandas as pd
import tensorflow as tf

from biomask.inference.checks import check_counts
from biomask.inference.feeding import mixtures, read
from biomask.inference.labels import class_codes, matched_values
from biomask.masks.backed import DiskTable, read_data
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.mask import Mask
from biomask.masks.rows import ahead


def stream(
    data,
    mask: Mask | Hierarchy,
    y,
    batch_size: int = 64,
    *,
    layer: str | None = None,
    shuffle: bool = True,
    seed: int = 0,
) -> tf.data.Dataset:
    """Batches of samples and labels, read from disk while the network trains.

    ``model.fit(bm.stream(adata, mask, y), shuffle=False)`` trains a ``bm.build_model(mask)`` on
    data of any size: memory holds a few hundred megabytes of them at a time. (The dataset is
    shuffled already; without ``shuffle=False`` Keras warns that it does not do so again.) Values
    are handed on as they are stored. Where they have to be scaled, map the dataset, with numbers of
    the training samples alone: ``dataset.map(lambda x, y: ((x - mean) / sd, y))``.

    Parameters
    ----------
    data : AnnData, path, zarr.Group, or whatever `crossfit` takes
        On disk: an AnnData opened with ``backed="r"``, or a subset of one, ``adata[train]``; the
        path of a file that `write_h5ad` wrote, or of a store that `write_zarr` wrote; an open
        zarr.Group of such a store. The matrix is an array of any real numbers, such as int8, or
        CSR, of which a few rows at a time are made dense.
    mask : Mask or Hierarchy
        Its genes are matched to the data by name, and all must be there:
        ``bm.align(mask, adata[:500].to_memory()).mask`` restricts a mask, and reports.
    y : Series (matched to the samples by its index) or array, shape (n_samples,)
        Numbers are handed on as float32. Text, booleans and categories are classes: they become 0
        to C - 1 as in `crossfit`, in the order of their names or categories.
    batch_size : int
    layer : str, optional
        Layer of an AnnData or store; ``X`` without it. On disk it is the one in the file.
    shuffle : bool
        Every epoch in another random order: chunks of samples that lie together on disk are drawn
        at random, and some 64 MB of them shuffled at a time. False keeps the order of the data,
        which is what `predict` and `evaluate` want.
    seed : int
        Of the order. The first epoch of a new stream with the same seed has the same order.

    Returns
    -------
    tf.data.Dataset
        Of (x, y): float32, (batch, genes) with columns ``mask.genes``, and float32, (batch,). Its
        cardinality is the number of batches; the last one may be smaller.

    Raises
    ------
    AlignmentError
        The data on disk lack genes of the mask.
    DataError
        y does not fit the samples, or the matrix is stored gene by gene (CSC) or holds no real
        numbers. Values on disk are not looked at beforehand: a value that is no finite number
        makes the loss none, see `StopOnNaN`.
    ArgumentError
        `batch_size` is no whole number from 1.
    StorageError
        The file or store cannot be opened.
    """
    check_counts(batch_size=batch_size)
    check_counts(0, seed=seed)
    table = read_data(data, mask.genes, layer=layer)
    X = table.rows if isinstance(table, DiskTable) else table.to_numpy()
    numbers = _numbers(matched_values(y, table.index, "y"))
    epochs = itertools.count()

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        rng = np.random.default_rng([seed, next(epochs)]) if shuffle else None
        parts = mixtures(X, len(numbers), batch_size, rng)
        if not isinstance(table, DiskTable):  # batch by batch, so that nothing is copied whole
            parts = [p[i : i + batch_size] for p in parts for i in range(0, len(p), batch_size)]
        for where, values in ahead((where, read(X, where)) for where in parts):
            for i in range(0, len(where), batch_size):
                yield values[i : i + batch_size], numbers[where[i : i + batch_size]]

    signature = (
        tf.TensorSpec((None, X.shape[1]), tf.float32),
        tf.TensorSpec((None,), tf.float32),
    )
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    n_batches = -(-len(numbers) // batch_size)
    return dataset.apply(tf.data.experimental.assert_cardinality(n_batches)).prefetch(2)


def _numbers(y: pd.Series) -> np.ndarray:
    if pd.api.types.is_numeric_dtype(y) and not pd.api.types.is_bool_dtype(y):
        return y.to_numpy(np.float32)
    return class_codes(y)[0].astype(np.float32)
