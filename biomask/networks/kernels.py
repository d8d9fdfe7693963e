"""Ways to multiply by a sparse kernel, and the rule that picks one.

Each kernel is made once for a mask and then called as ``y = kernel(x, w)``:

- ``w``: the edge weights, ``(n_edges,)`` for one network or ``(n_edges, R)`` for R of them, edges
  sorted by pathway then gene;
- ``x``: ``(batch, genes)``, shared by all networks, or ``(batch, R, genes)``, one input each;
- ``y``: ``(batch, pathways)`` or ``(batch, R, pathways)``.

All of them are equal up to rounding; they differ in time and memory. Everything is float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

GRADIENT_CHUNK = 4096  # edges at a time in a weight gradient: temporaries stay in cache
BUCKET_CHUNK = 32_768  # padded edges at a time in the batched kernel, for the same reason


@dataclass(frozen=True)
class Edges:
    """Where the edges of a layer run.

    Parameters
    ----------
    rows, cols : int32 arrays, shape (n_edges,)
        Gene and pathway of each edge, sorted by pathway then gene.
    n_genes, n_pathways : int
    replicates : int or None
        Number of networks; None for a layer without a replicate axis.
    own_input : bool
        Whether each network has an input of its own.
    """

    rows: np.ndarray
    cols: np.ndarray
    n_genes: int
    n_pathways: int
    replicates: int | None = None
    own_input: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def networks(self) -> int:
        """Number of networks, 1 without a replicate axis."""
        return self.replicates or 1

    @property
    def output_shape(self) -> list[int]:
        """Shape of the output after its batch axis."""
        return [self.n_pathways] if self.replicates is None else [self.replicates, self.n_pathways]


class CsrKernel:
    """A compressed-sparse-row product; the networks are blocks of one tall sparse matrix.

    The weight gradient gathers a few thousand edges at a time, so that memory does not grow with
    edges x batch.
    """

    supports_jit = False  # TensorFlow has no XLA kernel for sparse products

    def __init__(self, edges: Edges):
        self.edges = edges
        shift = np.arange(edges.networks, dtype=np.int64)[:, None]
        source = edges.rows[None] + shift * (edges.n_genes if edges.own_input else 0)
        target = edges.cols[None] + shift * edges.n_pathways
        with tf.init_scope():
            self._source = tf.constant(source.ravel(), tf.int32)
            self._target = tf.constant(target.ravel(), tf.int32)
            self._index = tf.constant(np.stack([target.ravel(), source.ravel()], axis=1))
        blocks = edges.networks if edges.own_input else 1
        self._n_inputs = edges.n_genes * blocks
        self._n_outputs = edges.n_pathways * edges.networks

    def __call__(self, x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        @tf.custom_gradient
        def product(x, w):
            values = tf.reshape(tf.transpose(w), [-1])
            inputs = tf.transpose(tf.reshape(x, [-1, self._n_inputs]))
            outputs = tf.raw_ops.SparseMatrixMatMul(a=self._matrix(values), b=inputs)
            y = tf.reshape(tf.transpose(outputs), [-1, *self.edges.output_shape])
            ends = _in_forward_pass(self._source, self._target)

            def gradient(dy):
                d_outputs = tf.transpose(tf.reshape(dy, [-1, self._n_outputs]))
                # Made again, since a SavedModel keeps no sparse matrix for a gradient; a graph
                # makes the two one. SparseMatrixMatMul(transpose_a=True) would add up in whatever
                # order its threads end.
                turned = tf.raw_ops.SparseMatrixTranspose(
                    input=self._matrix(values), type=tf.float32
                )
                d_inputs = tf.raw_ops.SparseMatrixMatMul(a=turned, b=d_outputs)
                d_weights = _weight_gradient(inputs, d_outputs, *ends)
                shape = [self.edges.networks, len(self.edges)]
                d_w = tf.reshape(tf.transpose(tf.reshape(d_weights, shape)), tf.shape(w))
                return tf.reshape(tf.transpose(d_inputs), tf.shape(x)), d_w

            return y, gradient

        return product(x, w)

    def _matrix(self, values: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.SparseTensorToCSRSparseMatrix(
            indices=self._index, values=values, dense_shape=[self._n_outputs, self._n_inputs]
        )


def _in_forward_pass(*indices: tf.Tensor) -> list[tf.Tensor]:
    """For a gradient to use: what it alone held, a SavedModel (`model.export`) could not hold."""
    return [tf.identity(index) for index in indices]


def _weight_gradient(
    inputs: tf.Tensor, d_outputs: tf.Tensor, sources: tf.Tensor, targets: tf.Tensor
) -> tf.Tensor:
    """Of a CSR product: one sum over the batch for each edge."""

    def of_chunk(chunk):
        source, target = chunk
        return tf.reduce_sum(tf.gather(inputs, source) * tf.gather(d_outputs, target), axis=1)

    n = sources.shape[0]
    whole = n - n % GRADIENT_CHUNK
    parts = []
    if whole:
        chunks = [tf.reshape(index[:whole], [-1, GRADIENT_CHUNK]) for index in (sources, targets)]
        sums = tf.map_fn(
            of_chunk, tuple(chunks), fn_output_signature=tf.float32, parallel_iterations=2
        )
        parts.append(tf.reshape(sums, [-1]))
    if whole < n:
        parts.append(of_chunk((sources[whole:], targets[whole:])))
    return tf.concat(parts, axis=0)


class DenseKernel:
    """The edge weights scattered into a dense matrix; best when the mask is nearly full."""

    supports_jit = True

    def __init__(self, edges: Edges):
        self.edges = edges
        cell = edges.rows.astype(np.int64) * edges.n_pathways + edges.cols
        with tf.init_scope():
            self._cell = tf.constant(cell[:, None])

    def __call__(self, x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        edges = self.edges
        n, shape = edges.networks, [edges.n_genes, edges.n_pathways]
        # An edge's weights of all networks lie side by side and are scattered as one piece.
        matrix = tf.scatter_nd(self._cell, tf.reshape(w, [len(edges), n]), [shape[0] * shape[1], n])
        if edges.own_input:
            return tf.einsum("brg,rgp->brp", x, tf.reshape(tf.transpose(matrix), [n, *shape]))
        y = tf.matmul(x, tf.reshape(matrix, [shape[0], shape[1] * n]))
        if n > 1:
            y = tf.transpose(tf.reshape(y, [-1, shape[1], n]), [0, 2, 1])
        return tf.reshape(y, [-1, *edges.output_shape])


class BatchedKernel:
    """Pathways of similar size multiplied together, padded to the same number of genes.

    Networks that share their input share the gather, which is most of the work: a hundred
    networks cost little more than one. Sizes are rounded up to half an octave.
    """

    supports_jit = True

    def __init__(self, edges: Edges):
        self.edges = edges
        groups = _buckets(edges)
        order = np.concatenate([pathways for pathways, _ in groups])
        position = np.full(edges.n_pathways, len(order))  # empty pathways read a row of zeros
        position[order] = np.arange(len(order))
        slots = np.concatenate([slots.ravel() for _, slots in groups])
        slot_of_edge = np.empty(len(edges), np.int64)
        slot_of_edge[slots[slots < len(edges)]] = np.flatnonzero(slots < len(edges))
        genes = np.append(edges.rows, 0)  # padding reads gene 0 with a weight of zero
        with tf.init_scope():
            self._slots = [tf.constant(slots, tf.int32) for _, slots in groups]
            self._genes = [tf.constant(genes[slots], tf.int32) for _, slots in groups]
            self._all_genes = tf.constant(genes[slots], tf.int32)
            self._position = tf.constant(position, tf.int32)
            self._order = tf.constant(order, tf.int32)
            self._slot_of_edge = tf.constant(slot_of_edge, tf.int32)

    def __call__(self, x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        multiply = _OwnInput if self.edges.own_input else _SharedInput

        @tf.custom_gradient
        def product(x, w):
            inputs = multiply.genes_first(x)
            padded = tf.pad(tf.reshape(w, [len(self.edges), -1]), [[0, 1], [0, 0]])
            weights = [tf.gather(padded, slots) for slots in self._slots]
            outputs = [
                multiply.forward(kernel, tf.gather(inputs, genes))
                for kernel, genes in zip(weights, self._genes, strict=True)
            ]
            stacked = tf.pad(tf.concat(outputs, axis=0), [[0, 1], [0, 0], [0, 0]])
            y = tf.gather(stacked, self._position)  # (pathways, batch, R)
            y = tf.transpose(tf.reshape(y, [self.edges.n_pathways, -1]))  # fastest in two axes
            order, all_genes, slot_of_edge = _in_forward_pass(
                self._order, self._all_genes, self._slot_of_edge
            )

            def gradient(dy):
                turned = tf.transpose(tf.reshape(dy, [-1, self.edges.n_pathways]))
                n_pathways, networks = self.edges.n_pathways, self.edges.networks
                turned = tf.reshape(turned, [n_pathways, -1, networks])
                d_outputs = tf.gather(turned, order)
                d_outputs = tf.split(d_outputs, [slots.shape[0] for slots in self._slots])
                d_slots, d_gathered = [], []
                for kernel, genes, d_out in zip(weights, self._genes, d_outputs, strict=True):
                    d_slots.append(multiply.weight_gradient(tf.gather(inputs, genes), d_out))
                    d_gathered.append(multiply.input_gradient(kernel, d_out))
                d_w = tf.gather(tf.concat(d_slots, axis=0), slot_of_edge)
                d_inputs = tf.math.unsorted_segment_sum(
                    tf.concat(d_gathered, axis=0), all_genes, self.edges.n_genes
                )
                return multiply.batch_first(d_inputs), tf.reshape(d_w, tf.shape(w))

            return tf.reshape(y, [-1, *self.edges.output_shape]), gradient

        return product(x, w)


class _SharedInput:
    """One bucket's products: kernel (p, K, R), gathered (p, K, batch), outputs (p, batch, R)."""

    @staticmethod
    def genes_first(x):
        return tf.transpose(x)

    @staticmethod
    def batch_first(d_inputs):
        return tf.transpose(d_inputs)

    @staticmethod
    def forward(kernel, gathered):
        return tf.matmul(gathered, kernel, transpose_a=True)

    @staticmethod
    def weight_gradient(gathered, d_out):
        d_kernel = tf.matmul(gathered, d_out)
        return tf.reshape(d_kernel, [-1, d_kernel.shape[2]])

    @staticmethod
    def input_gradient(kernel, d_out):
        d_gathered = tf.matmul(kernel, d_out, transpose_b=True)
        return tf.reshape(d_gathered, [-1, tf.shape(d_gathered)[2]])


class _OwnInput:
    """The same where every network has its own input; gathered inputs (p, K, R, batch)."""

    @staticmethod
    def genes_first(x):
        return tf.transpose(x, [2, 1, 0])

    @staticmethod
    def batch_first(d_inputs):
        return tf.transpose(d_inputs, [2, 1, 0])

    @staticmethod
    def forward(kernel, gathered):
        return tf.einsum("pkr,pkrb->pbr", kernel, gathered)

    @staticmethod
    def weight_gradient(gathered, d_out):
        d_kernel = tf.einsum("pkrb,pbr->pkr", gathered, d_out)
        return tf.reshape(d_kernel, [-1, d_kernel.shape[2]])

    @staticmethod
    def input_gradient(kernel, d_out):
        d_gathered = tf.einsum("pkr,pbr->pkrb", kernel, d_out)
        shape = tf.shape(d_gathered)
        return tf.reshape(d_gathered, [-1, shape[2], shape[3]])


def _buckets(edges: Edges) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pathways grouped by size: (pathways (p,), edge number of every slot (p, K)).

    A slot that is padding holds ``len(edges)``.
    """
    sizes = np.bincount(edges.cols, minlength=edges.n_pathways)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    half_octave = np.ceil(2 * np.log2(np.maximum(sizes, 1))).astype(int)
    groups = []
    for level in np.unique(half_octave[sizes > 0]):
        members = np.flatnonzero((half_octave == level) & (sizes > 0))
        width = sizes[members].max()
        step = max(1, BUCKET_CHUNK // width)
        for pathways in np.split(members, range(step, len(members), step)):
            offset = np.arange(width)
            slots = starts[pathways][:, None] + offset
            groups.append(
                (pathways, np.where(offset < sizes[pathways][:, None], slots, len(edges)))
            )
    return groups


KERNELS: dict[str, Callable[[Edges], object]] = {
    "csr": CsrKernel,
    "dense": DenseKernel,
    "batched": BatchedKernel,
}


def pick_kernel(edges: Edges) -> str:
    """The kernel that should cost least, by what `make bench` measured.

    Milliseconds of a training step with 128 samples on two cores: what any step costs, and what
    each multiplication adds. A dense product knows where its numbers are and takes a fiftieth of
    the time for each; the batched one looks them up once for all networks.
    """
    weights, cells = len(edges) * edges.networks, edges.n_genes * edges.n_pathways * edges.networks
    if edges.own_input:  # nothing is shared: each network looks up its own
        cost = {"csr": 0.5 + 1e-4 * weights, "dense": 0.5 + 5e-6 * cells}
    else:
        batched = 1.2 + 1e-4 * len(edges) + 4e-6 * weights
        cost = {"csr": 0.5 + 1e-4 * weights, "dense": 0.4 + 2e-6 * cells, "batched": batched}
    return min(cost, key=cost.get)
