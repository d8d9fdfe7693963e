"""The three kernels against a dense NumPy product that shares no code with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from biomask.networks import kernels
from biomask.networks.kernels import KERNELS, Edges, pick_kernel

ALL = sorted(KERNELS)


def _random_dense(rng):
    dense = rng.random((30, 12)) < 0.15
    dense[:, 3] = False  # an empty pathway in the middle,
    dense[:, 11] = False  # one at the end
    dense[[0, 7, 29]] = False  # genes in no pathway
    dense[:, 5] = True  # a pathway of all genes, those included
    dense[[0, 29], 5] = False
    return dense


MASKS = {
    "2x2": np.array([[1, 0], [1, 1]], bool),
    "4x3": np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], bool),
    "random": _random_dense(np.random.default_rng(1)),
    "full": np.ones((6, 4), bool),
    "one gene": np.ones((1, 5), bool),
    "one pathway": np.array([[1], [0], [1], [1]], bool),
    "one edge": np.array([[0, 0], [0, 1]], bool),
    "first pathways empty": np.array([[0, 0, 1], [0, 0, 1]], bool),
}
LAYOUTS = [(None, False), (1, False), (3, False), (1, True), (3, True)]  # replicates, own input


def _edges(dense, replicates=None, own_input=False) -> Edges:
    cols, rows = (index.astype(np.int32) for index in np.nonzero(dense.T))
    return Edges(rows, cols, *dense.shape, replicates, own_input)


def _reference(edges, x, w, dy):
    """y, dL/dw and dL/dx in float64, network by network, for the loss sum(y * dy)."""
    networks = edges.networks
    x, w, dy = (np.asarray(a, np.float64) for a in (x, w, dy))
    w = w.reshape(len(edges), networks)
    dy = dy.reshape(-1, networks, edges.n_pathways)
    y, dw = np.zeros_like(dy), np.zeros_like(w)
    dx = np.zeros((len(dy), networks, edges.n_genes))
    for r in range(networks):
        dense = np.zeros((edges.n_genes, edges.n_pathways))
        dense[edges.rows, edges.cols] = w[:, r]
        own = x[:, r] if edges.own_input else x
        y[:, r] = own @ dense
        dw[:, r] = (own.T @ dy[:, r])[edges.rows, edges.cols]
        dx[:, r] = dy[:, r] @ dense.T
    return y, dw, dx if edges.own_input else dx.sum(axis=1)


def _arguments(edges, batch=9, seed=0):
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return rng.normal(size=shape).astype(np.float32)

    networks = () if edges.replicates is None else (edges.replicates,)
    own = networks if edges.own_input else ()
    x, w = draw(batch, *own, edges.n_genes), draw(len(edges), *networks)
    return x, w, draw(batch, *edges.output_shape)


def _run(kernel, x, w, dy):
    x, w = tf.constant(x), tf.constant(w)
    with tf.GradientTape() as tape:
        tape.watch([x, w])
        y = kernel(x, w)
        loss = tf.reduce_sum(y * dy)
    return y.numpy(), *(g.numpy() for g in tape.gradient(loss, [w, x]))


def _assert_equal(found, expected, shapes):
    for name, a, b, shape in zip(("y", "dw", "dx"), found, expected, shapes, strict=True):
        assert a.shape == shape, name
        # 1e-6 of the largest terms: sums of up to 30 float32 products round that much.
        scale = max(1.0, np.abs(b).max(initial=0))
        np.testing.assert_allclose(a, b.reshape(shape), rtol=0, atol=1e-6 * scale, err_msg=name)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("kind", ALL)
def test_output_and_both_gradients_equal_a_dense_product(kind, mask, layout):
    edges = _edges(MASKS[mask], *layout)
    x, w, dy = _arguments(edges)
    found = _run(KERNELS[kind](edges), x, w, dy)
    _assert_equal(found, _reference(edges, x, w, dy), (dy.shape, w.shape, x.shape))


@pytest.mark.parametrize("kind", ALL)
def test_by_hand_2x2(kind):
    # edges g0->p0 = 2, g1->p0 = 3, g1->p1 = 5; x = (10, 100)
    kernel = KERNELS[kind](_edges(MASKS["2x2"]))
    dy = np.array([[1.0, 7.0]], np.float32)
    y, dw, dx = _run(kernel, np.float32([[10, 100]]), np.float32([2, 3, 5]), dy)
    assert y.tolist() == [[10 * 2 + 100 * 3, 100 * 5]]
    assert dw.tolist() == [10 * 1, 100 * 1, 100 * 7]
    assert dx.tolist() == [[2 * 1, 3 * 1 + 5 * 7]]


@pytest.mark.parametrize("kind", ALL)
def test_by_hand_4x3_of_two_networks(kind):
    # edges in order: g0->p0, g1->p0, g1->p1, g2->p1, g3->p2
    kernel = KERNELS[kind](_edges(MASKS["4x3"], 2))
    w = np.float32([[1, 10], [2, 20], [3, 30], [4, 40], [5, 50]])
    dy = np.float32([[[1, 1, 1], [0, 0, 2]]])
    y, dw, dx = _run(kernel, np.float32([[1, 2, 3, 4]]), w, dy)
    assert y.tolist() == [[[1 + 4, 6 + 12, 20], [10 + 40, 60 + 120, 200]]]
    assert dw.tolist() == [[1, 0], [2, 0], [2, 0], [3, 0], [4, 8]]
    assert dx.tolist() == [[1, 2 + 3, 4, 5 + 2 * 50]]


@pytest.mark.parametrize("kind", ALL)
def test_chunks_join_without_a_seam(kind, monkeypatch):
    """More edges than a chunk of the gradient or of a bucket, and not a multiple of it."""
    monkeypatch.setattr(kernels, "GRADIENT_CHUNK", 7)
    monkeypatch.setattr(kernels, "BUCKET_CHUNK", 11)
    edges = _edges(MASKS["random"], 3)
    assert len(edges) > 7
    assert len(edges) % 7
    x, w, dy = _arguments(edges)
    found = _run(KERNELS[kind](edges), x, w, dy)
    _assert_equal(found, _reference(edges, x, w, dy), (dy.shape, w.shape, x.shape))


@pytest.mark.parametrize("kind", ALL)
def test_a_gene_in_no_pathway_has_no_effect_and_an_empty_pathway_gives_zero(kind):
    edges = _edges(MASKS["random"])
    kernel = KERNELS[kind](edges)
    x, w, dy = _arguments(edges)
    y, _, dx = _run(kernel, x, w, dy)
    assert not y[:, [3, 11]].any()
    assert not dx[:, [0, 29]].any()
    x[:, [0, 29]] = 1e6
    np.testing.assert_array_equal(kernel(tf.constant(x), tf.constant(w)).numpy(), y)


@pytest.mark.parametrize("kind", ALL)
def test_batch_of_one_and_unknown_batch_inside_a_function(kind):
    edges = _edges(MASKS["4x3"])
    kernel = KERNELS[kind](edges)
    w = tf.constant(np.float32([1, 2, 3, 4, 5]))
    traced = tf.function(
        kernel,
        input_signature=[tf.TensorSpec([None, 4], tf.float32), tf.TensorSpec([5], tf.float32)],
    )
    assert traced(tf.ones([1, 4]), w).numpy().tolist() == [[3, 7, 5]]
    assert traced(tf.ones([2, 4]), w).numpy().tolist() == [[3, 7, 5]] * 2


@pytest.mark.parametrize("kind", ALL)
def test_supports_jit_is_true_to_what_xla_does(kind):
    edges = _edges(MASKS["4x3"])
    kernel = KERNELS[kind](edges)
    x, w, dy = _arguments(edges)

    @tf.function(jit_compile=True)
    def compiled(x, w):
        with tf.GradientTape() as tape:
            tape.watch([x, w])
            y = kernel(x, w)
            loss = tf.reduce_sum(y * dy)
        return y, *tape.gradient(loss, [w, x])

    if kernel.supports_jit:
        found = [part.numpy() for part in compiled(tf.constant(x), tf.constant(w))]
        _assert_equal(found, _reference(edges, x, w, dy), (dy.shape, w.shape, x.shape))
    else:
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"SparseMatrix|XLA"):
            compiled(tf.constant(x), tf.constant(w))


@pytest.mark.parametrize("kind", ALL)
def test_networks_do_not_touch_each_other(kind):
    """Changing the weights of network 1 leaves network 0's output and gradients, to the bit."""
    edges = _edges(MASKS["random"], 2, own_input=True)
    kernel = KERNELS[kind](edges)
    x, w, dy = _arguments(edges)
    before = _run(kernel, x, w, dy)
    x[:, 1], w[:, 1], dy[:, 1] = np.nan, np.nan, np.nan
    after = _run(kernel, x, w, dy)
    np.testing.assert_array_equal(before[0][:, 0], after[0][:, 0])
    np.testing.assert_array_equal(before[1][:, 0], after[1][:, 0])
    np.testing.assert_allclose(before[2][:, 0], after[2][:, 0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("part", ["output", "weight gradient", "input gradient"])
@pytest.mark.parametrize("kind", ALL)
def test_the_same_bytes_every_time(kind, part):
    edges = _edges(np.random.default_rng(0).random((500, 200)) < 0.1)
    kernel, arguments = KERNELS[kind](edges), _arguments(edges, batch=64)
    which = ["output", "weight gradient", "input gradient"].index(part)
    runs = {_run(kernel, *arguments)[which].tobytes() for _ in range(5)}
    assert len(runs) == 1


def test_the_kernel_that_is_picked_exists_for_every_layout():
    for dense in MASKS.values():
        for layout in LAYOUTS:
            assert pick_kernel(_edges(dense, *layout)) in KERNELS


def test_pick_kernel_never_scatters_a_large_sparse_mask():
    rng = np.random.default_rng(0)
    cols = np.sort(rng.integers(0, 230, 13_600)).astype(np.int32)
    rows = rng.integers(0, 9180, 13_600).astype(np.int32)
    assert pick_kernel(Edges(rows, cols, 9180, 230)) == "csr"
    assert pick_kernel(Edges(rows, cols, 9180, 230, 128)) == "batched"


@pytest.mark.parametrize(
    ("genes", "pathways", "density", "replicates", "own_input", "picked"),
    [
        (2000, 100, 0.01, None, False, "csr"),
        (2000, 100, 0.05, None, False, "dense"),
        (200, 20, 0.01, None, False, "dense"),  # so small that nothing is saved
        (2000, 100, 0.10, 16, False, "batched"),
        (2000, 100, 0.30, 8, False, "dense"),
        (2000, 100, 0.30, 64, False, "batched"),
        (2000, 100, 1.00, 64, False, "dense"),
        (2000, 100, 0.03, 64, True, "csr"),
        (2000, 100, 0.20, 64, True, "dense"),
    ],
)
def test_pick_kernel_by_density_and_networks(
    genes, pathways, density, replicates, own_input, picked
):
    per_pathway = round(density * genes)
    cols = np.repeat(np.arange(pathways), per_pathway).astype(np.int32)
    rows = np.tile(np.arange(per_pathway), pathways).astype(np.int32)
    assert pick_kernel(Edges(rows, cols, genes, pathways, replicates, own_input)) == picked


def test_auto_is_close_to_the_fastest_wherever_it_was_measured():
    """The committed table of `make bench`; nothing is timed here."""
    path = Path(__file__).resolve().parents[1] / "benchmarks" / "results" / "crossover.csv"
    table = pd.read_csv(path)
    assert table["density"].min() < 0.002
    assert table["density"].max() == 1
    assert set(table["replicates"]) == {1, 2, 4, 16, 64, 256}
    for row in table.itertuples():
        nowhere = np.zeros(row.edges, np.int32)
        layout = row.replicates, row.own_input
        picked = pick_kernel(Edges(nowhere, nowhere, row.n_genes, row.n_pathways, *layout))
        fastest = min(ms for ms in (row.ms_csr, row.ms_dense, row.ms_batched) if ms == ms)
        assert getattr(row, f"ms_{picked}") <= 1.3 * fastest, row
