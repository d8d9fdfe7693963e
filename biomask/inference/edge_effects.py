"""Held-out ablation of many edges in many networks, compiled into one loop.

What `biomask.inference.effects.edge_ablation` computes, for losses in which samples are
independent. NumPy makes a pass over memory for every operation; here one pass makes them all.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf
from keras import activations
from scipy import special

from biomask.inference import losses
from biomask.inference.effects import edge_ablation

CHUNK = 256  # edges of one call
COMPILED = 50_000_000  # edges x networks x samples from which compiling pays
ROWS = 128  # samples of one call: a pathway's arrays stay in cache, sums of float32 stay short


def fused_edge_ablation(
    a: np.ndarray,
    x: np.ndarray,
    gene_means: np.ndarray,
    edge_weights: np.ndarray,
    edges: tuple[np.ndarray, np.ndarray],
    weights: np.ndarray,
    outputs: np.ndarray,
    y: np.ndarray,
    task: str,
    activation: str,
) -> np.ndarray:
    """As `biomask.inference.effects.edge_ablation`, for the tasks in `FUSED`; ten times faster.

    Parameters
    ----------
    activation : str
        One that Keras knows.

    Returns
    -------
    float64 array, shape (R, E)
    """
    edge_weights, weights, outputs = (
        np.asarray(array, np.float32) for array in (edge_weights, weights, outputs)
    )
    labels = losses.check_labels(y, outputs.shape[:2], outputs.shape[2], task)
    genes, place = np.unique(edges[0], return_inverse=True)
    head = np.ascontiguousarray(weights.transpose(1, 2, 0))  # (P, C, R)
    ends = place.astype(np.int32), edges[1].astype(np.int32)
    function = activations.get(activation)
    sums = _compiled(task, activation)
    chunks = _chunks(edge_weights, *ends)
    total = np.zeros(edge_weights.shape)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for start in range(0, len(x), ROWS):
            rows = slice(start, start + ROWS)
            known = FUSED[task](outputs[rows], labels[rows])
            before = tf.constant(_filled(a[rows]).transpose(2, 0, 1))  # (P, n, R)
            shared = [
                before,
                function(before),
                _filled(x[rows][:, genes] - gene_means[genes]).T,
                head,
                tuple(np.moveaxis(_filled(part), -1, 0) for part in known),  # (C, n, R)
            ]
            shared = tf.nest.map_structure(tf.constant, shared)
            parts = list(threads.map(lambda chunk, s=shared: sums(*s, *chunk).numpy(), chunks))
            total += np.concatenate(parts)[: len(total)]
    total = total.T
    lost = np.flatnonzero(~np.isfinite(total).all(axis=1))  # exp() left the range of float32
    if len(lost):
        networks = edge_weights[:, lost], edges, weights[lost], outputs[:, lost], y[:, lost]
        total[lost] = edge_ablation(a[:, lost], x, gene_means, *networks, task, activation)
    return total


@functools.lru_cache
def _compiled(task: str, activation: str):
    """The sums over samples for a chunk of edges: (CHUNK, R)."""
    function, change = activations.get(activation), _CHANGES[task]

    @tf.function(jit_compile=True)
    def sums(before, after, centred, head, known, kernel, genes, pathways):
        def of_edge(edge):
            weight, gene, pathway = edge
            cut = function(before[pathway] - centred[gene][:, None] * weight)
            return tf.reduce_sum(change(after[pathway] - cut, head[pathway], *known), axis=0)

        return tf.map_fn(of_edge, (kernel, genes, pathways), fn_output_signature=tf.float32)

    return sums


def _binary_change(drop, v, sign, share, slope):
    """With t = tanh(+-d / 2), expm1(+-d) = 2 t / (1 - t): twice as fast as expm1 is here."""
    d = drop * v[0]
    t = tf.tanh(sign[0] * d / 2)
    ratio = share[0] * t / (1 - t + share[0] * t)
    return tf.math.log1p(2 * ratio / (1 - ratio)) + slope[0] * d


def _binary_known(outputs, labels):
    positive = outputs >= 0
    sign = np.where(positive, np.float32(1), np.float32(-1))
    return sign, special.expit(-np.abs(outputs)), labels[..., None] - positive.astype(np.float32)


def _multiclass_change(drop, v, share, top, true):
    each = v[:, None, :]  # (C, 1, R)
    of_top = tf.reduce_sum(top * each, axis=0)
    terms = share * tf.math.expm1((of_top - each) * drop)
    of_true = tf.reduce_sum(true * each, axis=0)
    return tf.math.log1p(tf.reduce_sum(terms, axis=0)) + (of_true - of_top) * drop


def _multiclass_known(outputs, labels):
    eye = np.eye(outputs.shape[2], dtype=np.float32)
    return special.softmax(outputs, axis=2), eye[outputs.argmax(axis=2)], eye[labels]


def _regression_change(drop, v, twice_residual):
    d = drop * v[0]
    return d * (twice_residual[0] + d)


def _regression_known(outputs, labels):
    return (2 * (labels[..., None] - outputs),)


# The formulas of `biomask.inference.losses`, in two parts: what is known of the samples before
# anything is removed, arrays (n, R, C); and the change for each edge, of arrays (C, n, R).
_CHANGES = {
    "binary": _binary_change,
    "multiclass": _multiclass_change,
    "regression": _regression_change,
}
FUSED = {
    "binary": _binary_known,
    "multiclass": _multiclass_known,
    "regression": _regression_known,
}


def _filled(rows: np.ndarray) -> np.ndarray:
    """Zeros up to ROWS samples: a centred gene of zero takes nothing away."""
    short = ROWS - len(rows)
    return np.pad(rows, [(0, short)] + [(0, 0)] * (rows.ndim - 1)).astype(np.float32, copy=False)


def _chunks(*arrays: np.ndarray) -> list[Sequence[tf.Tensor]]:
    """The arrays, CHUNK rows at a time; the last chunk is filled up with its own rows."""
    return [
        [tf.constant(np.resize(a[i : i + CHUNK], (CHUNK, *a.shape[1:]))) for a in arrays]
        for i in range(0, len(arrays[0]), CHUNK)
    ]
