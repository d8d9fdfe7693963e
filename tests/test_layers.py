"""MaskedDense: a good Keras citizen whose forbidden weights stay exactly zero."""

from __future__ import annotations

import inspect
import json
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.testing import TestCase

import biomask as bm
from biomask.networks.layers import MaskedDense

SMALL = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]])  # 4 genes, 3 pathways, 5 edges
KERNELS = ["csr", "dense", "batched"]


class _Harness(TestCase):
    def runTest(self):  # noqa: N802  unittest's own name
        """`run_layer_test` is called from outside."""


def _harness(layer_cls=MaskedDense, *, input_shape=(2, 4), output_shape=(2, 3), losses=0, **kwargs):
    case = _Harness()
    case.setUp()
    case.run_layer_test(
        layer_cls,
        {"mask": bm.Mask.from_dense(SMALL), **kwargs},
        input_shape=input_shape,
        expected_output_shape=output_shape,
        expected_num_trainable_weights=2 if kwargs.get("use_bias", True) else 1,
        expected_num_non_trainable_weights=0,
        expected_num_seed_generators=0,
        expected_num_losses=losses,
        supports_masking=True,
        custom_objects={layer_cls.__name__: layer_cls},
    )


# ------------------------------------------------------------------ Keras's own harness


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_bias": False, "activation": "relu"},
        {"input_shape": (2, 5, 4), "output_shape": (2, 5, 3), "activation": "softmax"},
        {"kernel": "dense", "kernel_regularizer": "l2", "bias_regularizer": "l1", "losses": 2},
        {"kernel": "batched", "activity_regularizer": "l2", "losses": 1},
        {"kernel_constraint": "non_neg", "bias_constraint": "max_norm", "kernel": "csr"},
        {"signed": True, "seed": 3, "kernel_initializer": "he_normal", "bias_initializer": "ones"},
        {"replicates": 2, "output_shape": (2, 2, 3), "seed": [5, 1]},
        {"replicates": 2, "input_shape": (3, 2, 4), "output_shape": (3, 2, 3), "kernel": "csr"},
        {"replicates": 3, "output_shape": (2, 3, 3), "kernel": "batched", "use_bias": False},
    ],
    ids=str,
)
def test_keras_layer_harness(options):
    _harness(**options)


def test_the_harness_notices_a_mask_left_out_of_get_config():
    class Forgetful(MaskedDense):
        def get_config(self):
            config = super().get_config()
            del config["mask"]
            return config

    with pytest.raises(TypeError, match="mask"):
        _harness(Forgetful)


def test_the_harness_notices_an_array_in_get_config():
    class Arrayed(MaskedDense):
        def get_config(self):
            return {**super().get_config(), "mask": self.mask.to_dense().to_numpy()}

    with pytest.raises((TypeError, AssertionError)):
        _harness(Arrayed)


# ------------------------------------------------------------------ numbers worked out by hand


@pytest.mark.parametrize("kernel", KERNELS)
def test_output_and_gradients_by_hand(kernel):
    # edges g0->p0, g1->p0, g1->p1, g2->p1, g3->p2 weigh 1 to 5, biases 10, 20, 30
    layer = MaskedDense(SMALL, "relu", kernel=kernel)
    layer.build((None, 4))
    layer.set_weights([np.float32([1, 2, 3, 4, 5]), np.float32([10, 20, 30])])
    x = tf.constant([[1.0, -2.0, 0.5, -7.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        loss = tf.reduce_sum(y * [1.0, 2.0, 3.0])
    # before relu: 1 - 4 + 10 = 7, -6 + 2 + 20 = 16, -35 + 30 = -5
    assert y.numpy().tolist() == [[7, 16, 0]]
    d_kernel, d_bias, d_x = tape.gradient(loss, [layer.kernel.value, layer.bias.value, x])
    assert d_kernel.numpy().tolist() == [1, -2, -4, 1, 0]
    assert d_bias.numpy().tolist() == [1, 2, 0]
    assert d_x.numpy().tolist() == [[1, 2 * 1 + 3 * 2, 4 * 2, 0]]


def test_the_2x2_example():
    layer = MaskedDense([[1, 0], [1, 1]], use_bias=False)
    layer.build((None, 2))
    layer.set_weights([np.float32([2, 3, 5])])
    assert layer(np.float32([[10, 100]])).numpy().tolist() == [[320, 500]]
    assert layer.dense_kernel().tolist() == [[2, 0], [3, 5]]


@pytest.mark.parametrize("kernel", KERNELS)
def test_time_steps_and_deeper_inputs(kernel):
    layer = MaskedDense(SMALL, "tanh", kernel=kernel)
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    expected = np.tanh(x @ _built(layer, x).dense_kernel())
    np.testing.assert_allclose(layer(x), expected, atol=1e-6)


def _built(layer, x):
    layer(x)
    return layer


@pytest.mark.parametrize("kernel", KERNELS)
def test_replicates_with_a_shared_input_and_with_their_own(kernel):
    x = np.random.default_rng(0).normal(size=(6, 3, 4)).astype(np.float32)
    own = MaskedDense(SMALL, "tanh", replicates=3, kernel=kernel, seed=1, bias_initializer="ones")
    shared = MaskedDense(
        SMALL, "tanh", replicates=3, kernel=kernel, seed=1, bias_initializer="ones"
    )
    y_own, y_shared = own(x).numpy(), shared(x[:, 0]).numpy()
    dense = own.dense_kernel()
    assert dense.shape == (4, 3, 3)
    for r in range(3):
        np.testing.assert_allclose(y_own[:, r], np.tanh(x[:, r] @ dense[..., r] + 1), atol=1e-6)
        np.testing.assert_allclose(y_shared[:, r], np.tanh(x[:, 0] @ dense[..., r] + 1), atol=1e-6)


def test_the_layer_of_the_question_has_edges_plus_230_parameters():
    rng = np.random.default_rng(0)
    mask = rng.random((9180, 230)) < 13_600 / (9180 * 230)
    layer = MaskedDense(mask.astype(int))
    layer.build((None, 9180))
    assert layer.count_params() == mask.sum() + 230
    assert sum(int(np.prod(v.shape)) for v in layer.trainable_variables) == mask.sum() + 230
    np.testing.assert_array_equal(layer.dense_kernel() != 0, mask)


# ------------------------------------------------------------------ initial weights


def test_initial_variance_is_that_of_each_unit():
    rng = np.random.default_rng(0)
    mask = np.zeros((900, 20), int)
    sizes = np.repeat([100, 400], 10)
    for j, size in enumerate(sizes):
        mask[rng.choice(900, size, replace=False), j] = 1
    layer = MaskedDense(mask, kernel_initializer="he_normal", seed=0)
    layer.build((None, 900))
    dense = layer.dense_kernel()
    for size in (100, 400):
        weights = dense[:, sizes == size][mask[:, sizes == size] == 1]
        assert weights.var() == pytest.approx(2 / size, rel=0.15)


def test_permuting_genes_and_pathways_changes_nothing_by_name(small_mask):
    genes, pathways = small_mask.genes[::-1], small_mask.pathways[[3, 0, 4, 2, 1]]
    shuffled = small_mask.select(genes, pathways)
    x = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    a, b = MaskedDense(small_mask, "tanh", seed=4), MaskedDense(shuffled, "tanh", seed=4)
    y_a, y_b = a(x).numpy(), b(x[:, ::-1]).numpy()
    np.testing.assert_array_equal(a.dense_kernel()[::-1][:, [3, 0, 4, 2, 1]], b.dense_kernel())
    np.testing.assert_allclose(y_a[:, [3, 0, 4, 2, 1]], y_b, atol=1e-7)


def test_replicate_r_starts_as_the_network_of_seed_r():
    many = MaskedDense(SMALL, replicates=3, seed=10)
    many.build((None, 4))
    for r in range(3):
        one = MaskedDense(SMALL, seed=10 + r)
        one.build((None, 4))
        np.testing.assert_array_equal(many.edges[:, r], one.edges)


def test_seeds_come_from_the_layer_else_the_initializer_else_keras():
    def edges(**kwargs):
        layer = MaskedDense(SMALL, **kwargs)
        layer.build((None, 4))
        return layer.edges

    glorot = keras.initializers.GlorotUniform
    np.testing.assert_array_equal(edges(kernel_initializer=glorot(seed=3)), edges(seed=3))
    np.testing.assert_array_equal(edges(kernel_initializer=glorot(seed=3), seed=5), edges(seed=5))
    assert not np.array_equal(edges(), edges())
    keras.utils.set_random_seed(1)
    first = edges()
    keras.utils.set_random_seed(1)
    np.testing.assert_array_equal(edges(), first)


# ------------------------------------------------------------------ training in every way


@pytest.mark.parametrize("kernel", ["csr", "batched"])
def test_a_sequential_model_that_fit_builds(kernel):
    """Compiled before it is built: the layer must not promise XLA what its kernel cannot do."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 4)).astype(np.float32)
    y = x[:, 0] - x[:, 1]
    model = keras.Sequential([MaskedDense(SMALL, kernel=kernel, seed=0), keras.layers.Dense(1)])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.compile(keras.optimizers.Adam(0.05), "mse", jit_compile=True)
    assert any("jit_compile=True" in str(w.message) for w in caught) == (kernel == "csr")
    losses = model.fit(x, y, batch_size=64, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2
    assert model.jit_compile == (kernel == "batched")


def _step(layer, optimizer, x):
    """One step of a hand-written training loop, as the Keras guides write it."""

    @tf.function
    def step(target):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(layer(x) - target))
        gradients = tape.gradient(loss, layer.trainable_variables)
        optimizer.apply_gradients(zip(gradients, layer.trainable_variables, strict=True))
        return loss

    return step


def test_a_hand_written_gradient_tape_loop_trains():
    x = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    true = np.array([[2, 0, 0], [1, -1, 0], [0, 3, 0], [0, 0, 0.5]], np.float32)
    layer = MaskedDense(SMALL, seed=0)
    step = _step(layer, keras.optimizers.SGD(0.3), x)
    for _ in range(150):
        step(x @ true)
    np.testing.assert_allclose(layer.dense_kernel(), true, atol=1e-3)


def test_signed_edges_keep_their_sign():
    signs = np.array([[1, 0], [-1, 1], [0, -1]])
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    layer = MaskedDense(bm.Mask.from_dense(signs, weighted=True), signed=True, seed=0)
    step = _step(layer, keras.optimizers.Adam(0.1), x)
    for _ in range(40):  # towards a target in which every sign is the opposite
        step(x @ (-2.0 * signs).astype(np.float32))
        kernel = layer.dense_kernel()
        assert (kernel * signs >= 0).all()
        assert (kernel[signs == 0] == 0).all()
    for _ in range(150):
        step(x @ (2.0 * signs).astype(np.float32))
    np.testing.assert_allclose(layer.dense_kernel(), 2 * signs, atol=0.01)


def test_unsigned_edges_take_either_sign():
    layer = MaskedDense(bm.Mask.from_dense([[1.0], [-1.0]], weighted=True))
    layer.build((None, 2))
    layer.set_weights([np.float32([-4, 4]), np.zeros(1)])
    assert layer.edges.tolist() == [-4, 4]


def test_regularizers_and_constraints_see_the_edges():
    layer = MaskedDense(SMALL, kernel_regularizer=keras.regularizers.L2(0.5))
    layer.build((None, 4))
    layer.set_weights([np.float32([1, 2, 3, 4, 5]), np.zeros(3)])
    assert float(layer.losses[0]) == 0.5 * 55


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    "make",
    [
        lambda: tf.sparse.from_dense(np.eye(4, dtype=np.float32)),
        lambda: keras.Input((4,), sparse=True),
        lambda: tf.ragged.constant([[1.0, 2.0], [3.0]]),
    ],
    ids=["tf.sparse", "keras.Input(sparse=True)", "ragged"],
)
def test_sparse_inputs_are_refused(make):
    with pytest.raises(bm.ModelError, match="needs a dense input") as caught:
        MaskedDense(SMALL, name="pathways")(make())
    assert caught.value.code == "E-SPARSE-INPUT"
    assert "keras.Input(..., sparse=False)" in str(caught.value)


@pytest.mark.parametrize(
    ("replicates", "shape", "expected"),
    [
        (None, (2, 3), r"\(batch, 4\), .* Received: shape \(2, 3\)"),
        (None, (4,), r"\(batch, 4\), .* Received: shape \(4,\)"),
        (2, (2, 3), r"\(batch, 4\) or \(batch, 2, 4\), .* Received: shape \(2, 3\)"),
        (2, (5, 3, 4), r"\(batch, 4\) or \(batch, 2, 4\), .* Received: shape \(5, 3, 4\)"),
    ],
)
def test_wrong_width_names_both(replicates, shape, expected):
    with pytest.raises(bm.ModelError, match=expected) as caught:
        MaskedDense(SMALL, replicates=replicates)(np.zeros(shape, np.float32))
    assert "biomask.align" in str(caught.value)


def test_wrong_width_after_it_was_built():
    layer = MaskedDense(SMALL)
    layer.build((None, 4))
    with pytest.raises(bm.ModelError, match=r"Received: shape \(2, 5\)"):
        layer(np.zeros((2, 5), np.float32))


def test_an_input_for_all_and_one_for_each_are_not_mixed():
    """Reshaped silently, (batch, R, genes) would pass as batch x R samples."""
    layer = MaskedDense(SMALL, replicates=2)
    layer(np.zeros((3, 4), np.float32))
    with pytest.raises(bm.ModelError, match=r"expects input of shape \(batch, 4\)"):
        layer(np.zeros((3, 2, 4), np.float32))
    other = MaskedDense(SMALL, replicates=2)
    other(np.zeros((3, 2, 4), np.float32))
    with pytest.raises(bm.ModelError, match=r"expects input of shape \(batch, 2, 4\)"):
        other(np.zeros((3, 4), np.float32))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"kernel": "fast"}, r"kernel must be 'auto' or one of .*kernel='fast'"),
        ({"replicates": 0}, "replicates must be None or a whole number"),
        ({"seed": [1, 2]}, "one for each of 1 networks. Received: 2 seeds"),
        ({"activation": "nope"}, "no such activation. Received: activation='nope'"),
        ({"kernel_initializer": "nope"}, "no such kernel_initializer"),
        ({"bias_initializer": "nope"}, "no such bias_initializer"),
        ({"kernel_regularizer": "nope"}, "no such kernel_regularizer"),
        ({"bias_constraint": "nope"}, "no such bias_constraint"),
    ],
)
def test_bad_arguments(arguments, expected):
    with pytest.raises(bm.ArgumentError, match=expected):
        MaskedDense(SMALL, **arguments)


@pytest.mark.parametrize("mask", [[1, 0], [[0, 0]], [[0.5]], "mask.gmt"])
def test_bad_masks(mask):
    with pytest.raises(bm.MaskError):
        MaskedDense(mask)


# ------------------------------------------------------------------ XLA


@pytest.mark.parametrize("replicates", [None, 2])
@pytest.mark.parametrize("kernel", KERNELS)
def test_supports_jit_is_known_before_and_after_build(kernel, replicates):
    layer = MaskedDense(SMALL, kernel=kernel, replicates=replicates)
    assert layer.supports_jit == (kernel != "csr")
    layer.build((None, 4))
    assert layer.supports_jit == (kernel != "csr")


def test_jit_compile_is_refused_where_it_cannot_work(small_mask):
    model = bm.build_model(small_mask, kernel="csr")
    with pytest.warns(UserWarning, match="doesn't support `jit_compile=True`"):
        model.compile("sgd", "binary_crossentropy", jit_compile=True)
    assert not model.jit_compile


# ------------------------------------------------------------------ export to a SavedModel


@pytest.mark.parametrize("shape", [(4,), (2, 4)], ids=str)
@pytest.mark.parametrize("kernel", KERNELS)
def test_an_exported_model_predicts_and_explains_the_same(tmp_path, kernel, shape):
    """Gradients for attributions too; the second shape is an input for each of two networks."""
    replicates = 2 if len(shape) == 2 else None
    layer = MaskedDense(SMALL, "tanh", kernel=kernel, replicates=replicates, seed=1)
    model = keras.Sequential([keras.Input(shape), layer])
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    x = tf.constant(np.random.default_rng(0).normal(size=(5, *shape)), tf.float32)
    found, expected = [], []
    for predict, into in ((served.serve, found), (model, expected)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = predict(x)
        into += [y, tape.gradient(y, x)]
    found.append(keras.layers.TFSMLayer(tmp_path / "served", call_endpoint="serve")(x))
    for a, b in zip(found, [*expected, expected[0]], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


# ------------------------------------------------------------------ config and clones


def test_config_is_json_and_carries_mask_and_names(small_mask):
    layer = MaskedDense(small_mask, "tanh", replicates=2, seed=[1, 2], signed=True)
    config = json.loads(json.dumps(layer.get_config()))
    again = MaskedDense.from_config(config)
    assert again.mask == small_mask
    assert list(again.mask.genes) == list(small_mask.genes)
    assert again.mask.digest == small_mask.digest
    assert (again.replicates, again.seed, again.signed) == (2, [1, 2], True)


def test_every_argument_is_in_config():
    """A harness that compares a config with itself cannot see what both leave out."""
    given = {
        "activation": "relu",
        "use_bias": False,
        "replicates": 2,
        "kernel": "batched",
        "signed": True,
        "kernel_initializer": "he_normal",
        "bias_initializer": "ones",
        "kernel_regularizer": "l1",
        "bias_regularizer": "l2",
        "activity_regularizer": "l2",
        "kernel_constraint": "non_neg",
        "bias_constraint": "max_norm",
        "seed": [3, 4],
    }
    arguments = set(inspect.signature(MaskedDense.__init__).parameters)
    assert arguments - {"self", "mask", "kwargs"} == set(given)
    config = MaskedDense(SMALL, **given).get_config()
    default = MaskedDense(SMALL).get_config()
    assert [name for name in given if config[name] == default[name]] == []
    assert MaskedDense.from_config(config).get_config() == config


def test_a_weighted_mask_survives_in_config():
    mask = bm.Mask.from_dense([[0.5, 0], [-2, 1]], weighted=True)
    again = MaskedDense.from_config(json.loads(json.dumps(MaskedDense(mask).get_config())))
    assert again.mask.digest == mask.digest


def test_clone_model_keeps_mask_and_names(small_mask, small_data):
    X, _ = small_data
    model = bm.build_model(small_mask, seed=3)
    clone = keras.models.clone_model(model)
    assert clone.get_layer("pathways").mask == small_mask
    assert [layer.name for layer in clone.layers] == [layer.name for layer in model.layers]
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone(X.to_numpy()), model(X.to_numpy()))


def test_a_trained_layer_serves_under_a_new_head(small_mask, small_data):
    X, y = small_data
    trained = bm.build_model(small_mask, seed=0)
    layer = trained.get_layer("pathways")
    layer.trainable = False
    head = keras.layers.Dense(2, activation="softmax")(layer.output)
    model = keras.Model(trained.input, head)
    model.compile("adam", "sparse_categorical_crossentropy")
    before = layer.edges
    model.fit(X.to_numpy(), y, epochs=1, verbose=0)
    np.testing.assert_array_equal(layer.edges, before)
    assert bm.edge_weights(model)["weight"].tolist() == before.tolist()
