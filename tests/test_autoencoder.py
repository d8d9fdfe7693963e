"""task="autoencoder": masked both ways, plain and variational, one network or many."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from scipy import integrate, stats

import biomask as bm
from biomask.networks.autoencoder import GaussianLatent, divergence
from biomask.networks.models import pathway_layer, restart, task_of

FORMS = [{}, {"variational": True}]


def _model(mask, **kwargs):
    return bm.build_model(mask, "autoencoder", seed=1, **kwargs)


def _fit(model, X, epochs=3):
    model.fit(X, X, epochs=epochs, batch_size=16, shuffle=False, verbose=0)
    return model


@pytest.fixture(scope="module", name="X")
def expression(small_data):
    return small_data[0].to_numpy()


# ------------------------------------------------------------------ what is built


@pytest.mark.parametrize("replicates", [None, 3])
@pytest.mark.parametrize("form", FORMS)
def test_layers_shapes_and_parameters(form, replicates, small_mask):
    model = _model(small_mask, replicates=replicates, **form)
    names = ["genes", "pathways", "pathways_dropout", "reconstruction"]
    if form:
        names[2:2] = ["pathways_log_variance", "latent"]
    assert [layer.name for layer in model.layers] == names
    assert model.output_shape == ((None, 8) if replicates is None else (None, 3, 8))
    edges_and_biases = (10 + 5) * (2 if form else 1) + (10 + 8)
    seeds = 1 + (model.count_params() - edges_and_biases * (replicates or 1))  # of the noise
    assert seeds in (1, 3)
    n = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert n == edges_and_biases * (replicates or 1)
    assert task_of(model) == "autoencoder"
    assert pathway_layer(model).name == "pathways"
    decoder = model.get_layer("reconstruction")
    assert decoder.mask.genes.equals(small_mask.pathways)
    assert decoder.mask.pathways.equals(small_mask.genes)


def test_a_forward_pass_worked_out_by_hand():
    mask = bm.Mask.from_sets({"p": ["a", "b"], "q": ["b", "c"]})
    model = _model(mask, activation="linear")
    encoder, decoder = model.get_layer("pathways"), model.get_layer("reconstruction")
    encoder.kernel.assign([1.0, 2.0, 3.0, -1.0])  # a-p, b-p, b-q, c-q
    encoder.bias.assign([0.5, 0.0])
    decoder.kernel.assign([2.0, 1.0, -1.0, 4.0])  # p-a, p-b, q-b, q-c
    decoder.bias.assign([0.0, 1.0, 0.0])
    # p = 1 + 2*2 + .5 = 5.5; q = 3*2 - 3 = 3; a = 2*5.5; b = 5.5 - 3 + 1; c = 4*3
    np.testing.assert_allclose(model(np.array([[1.0, 2.0, 3.0]])), [[11.0, 3.5, 12.0]])
    x = np.array([[1.0, 2.0, 3.0]])
    assert model.evaluate(x, x, verbose=0)[0] == pytest.approx((100 + 1.5**2 + 81) / 3)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("kernel", "replicates"), [("csr", None), ("csr", 2), ("dense", 2), ("batched", 2)]
)
def test_the_decoder_is_exactly_0_off_the_mask_after_training(
    kernel, replicates, form, small_mask, X
):
    model = _model(
        small_mask, replicates=replicates, kernel=kernel, l2=0.1, learning_rate=0.1, **form
    )
    _fit(model, X)
    allowed = small_mask.to_dense().to_numpy().T != 0
    kernel = model.get_layer("reconstruction").dense_kernel()
    assert (kernel[~allowed] == 0).all()
    assert (kernel[allowed] != 0).all()
    moved = pathway_layer(model).dense_kernel()
    assert (moved[~allowed.T] == 0).all()


def test_a_gene_moves_only_the_pathways_that_it_belongs_to(small_mask, small_data):
    frame = small_data[0]
    model = _fit(_model(small_mask, variational=True), frame.to_numpy())
    changed = frame.assign(g2=frame["g2"] + 5)
    before, after = (bm.pathway_activity(model, data) for data in (frame, changed))
    assert (before != after).any().loc[lambda moved: moved].index.tolist() == ["p1", "p2"]


# ------------------------------------------------------------------ the loss


def test_the_loss_is_that_of_the_formula(small_mask, X):
    """[sum of squares + 2 beta KL + l2 sum w^2] / G, the mean over samples; in NumPy."""
    model = _model(small_mask, variational=True, beta=3.0, l2=0.2, activation="linear")
    rng = np.random.default_rng(0)
    masked = [x for x in model.layers if hasattr(x, "dense_kernel")]
    for layer in masked:
        layer.set_weights([rng.normal(size=w.shape) * 0.5 for w in layer.get_weights()])
    encoder, spread, decoder = (
        model.get_layer(name) for name in ("pathways", "pathways_log_variance", "reconstruction")
    )
    mean = X @ encoder.dense_kernel() + encoder.bias.numpy()
    log_variance = X @ spread.dense_kernel() + spread.bias.numpy()
    out = mean @ decoder.dense_kernel() + decoder.bias.numpy()
    kl = (mean**2 + np.exp(log_variance) - log_variance - 1) / 2
    weights = sum((layer.edges**2).sum() for layer in masked)
    expected = ((X - out) ** 2).sum(axis=1).mean() + 6 * kl.sum(axis=1).mean() + 0.2 * weights
    assert model.evaluate(X, X, batch_size=48, verbose=0)[0] == pytest.approx(
        expected / 8, rel=1e-5
    )


@pytest.mark.parametrize(("mean", "variance"), [(0.0, 1.0), (1.5, 0.3), (-2.0, 4.0)])
def test_the_divergence_is_the_integral_that_defines_it(mean, variance):
    q, p = stats.norm(mean, np.sqrt(variance)), stats.norm()
    integral = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -25, 25)[0]
    found = divergence(np.float32(mean), np.float32(np.log(variance)))
    assert float(found) == pytest.approx(integral, abs=1e-5)


@pytest.mark.parametrize("shape", [(4, 3), (4, 2, 3)])
def test_the_divergence_is_summed_over_replicates_and_averaged_over_the_batch(shape):
    layer = GaussianLatent(0.5)
    layer([np.ones(shape, np.float32), np.zeros(shape, np.float32)])  # KL of each: 1/2
    assert float(layer.losses[0]) == pytest.approx(0.5 * 0.5 * np.prod(shape[1:]))


def test_latent_variables_are_drawn_in_training_only():
    mean, log_variance = np.full((4000, 2), 1.0), np.full((4000, 2), np.log(4.0))
    layer = GaussianLatent(1.0, seed=3)
    inputs = [mean.astype(np.float32), log_variance.astype(np.float32)]
    np.testing.assert_array_equal(layer(inputs), mean)
    drawn = np.asarray(layer(inputs, training=True))
    np.testing.assert_allclose(drawn.mean(axis=0), 1, atol=4 * 2 / np.sqrt(4000))
    np.testing.assert_allclose(drawn.std(axis=0), 2, atol=4 * 2 / np.sqrt(8000))
    assert not np.array_equal(drawn, layer(inputs, training=True))


def test_beta_pulls_the_latent_variables_to_their_prior(small_mask, X):
    norms = []
    for beta in (0.0, 100.0):
        model = _model(small_mask, variational=True, beta=beta, learning_rate=0.05)
        _fit(model, X, epochs=20)
        norms.append(float(np.square(bm.pathway_activity(model, X)).mean().mean()))
    assert norms[1] < 0.05 * norms[0]


# ------------------------------------------------------------------ replicates


@pytest.mark.parametrize("kernel", ["csr", "batched"])
def test_a_replicate_trains_as_if_alone(kernel, small_mask, X):
    together = _model(small_mask, replicates=2, l2=0.1, learning_rate=0.02, kernel=kernel)
    _fit(together, X, epochs=5)
    outputs, activity = together.predict(X, verbose=0), bm.pathway_activity(together, X)
    for r in range(2):
        alone = bm.build_model(
            small_mask, "autoencoder", seed=1 + r, l2=0.1, learning_rate=0.02, kernel=kernel
        )
        _fit(alone, X, epochs=5)
        np.testing.assert_allclose(outputs[:, r], alone.predict(X, verbose=0), atol=1e-5)
        np.testing.assert_allclose(activity[r], bm.pathway_activity(alone, X), atol=1e-5)


@pytest.mark.parametrize("form", [{}, {"variational": True, "beta": 0.3}])
def test_a_replicate_taken_out_is_the_same_network(form, small_mask, X):
    together = _fit(_model(small_mask, replicates=3, dropout=0.2, l2=0.1, **form), X)
    outputs = together.predict(X, verbose=0)
    for r in range(3):
        alone = bm.take_replicate(together, r)
        np.testing.assert_allclose(alone.predict(X, verbose=0), outputs[:, r], atol=1e-6)
        assert pathway_layer(alone).kernel_regularizer.l2 == pytest.approx(0.1 / 8)
        assert alone.get_layer("pathways_dropout").rate == 0.2
        if form:
            assert alone.get_layer("latent").weight == pytest.approx(2 * 0.3 / 8)


def test_restart_gives_the_network_that_these_seeds_start(small_mask, X):
    model = _fit(_model(small_mask, replicates=2, variational=True), X)
    restart(model, [7, 9])
    for r, seed in enumerate((7, 9)):
        fresh = bm.build_model(small_mask, "autoencoder", seed=seed, variational=True)
        for layer in fresh.layers:
            if layer.get_weights() and hasattr(layer, "dense_kernel"):
                kernel, bias = model.get_layer(layer.name).get_weights()
                np.testing.assert_array_equal(kernel[:, r], layer.kernel)
                np.testing.assert_array_equal(bias[r], layer.bias)
    assert all(not v.numpy().any() for v in model.optimizer.variables[2:])


def test_replicates_stop_early_each_on_its_own(small_mask, X):
    model = _model(small_mask, replicates=2, variational=True, learning_rate=0.05)
    stopping = bm.ReplicateEarlyStopping(patience=2)
    model.fit(X[:32], X[:32], validation_data=(X[32:], X[32:]), epochs=15, verbose=0,
              callbacks=[stopping])  # fmt: skip
    errors = np.square(model.predict(X[32:], verbose=0) - X[32:, None]).mean(axis=(0, 2))
    np.testing.assert_allclose(errors, stopping.best, rtol=1e-5)


# ------------------------------------------------------------------ names, reading, saving


@pytest.mark.parametrize("form", FORMS)
def test_the_order_of_genes_and_pathways_changes_nothing(form, small_mask, small_data):
    frame = small_data[0]
    turned = small_mask.select(small_mask.genes[::-1], small_mask.pathways[::-1])
    one, other = _model(small_mask, **form), _model(turned, **form)
    if not form:  # the noise follows positions, as dropout does
        _fit(one, frame.to_numpy())
        _fit(other, frame[turned.genes].to_numpy())
    found = [
        bm.pathway_activity(one, frame),
        bm.pathway_activity(other, frame)[small_mask.pathways],
    ]
    np.testing.assert_allclose(*found, atol=1e-5)
    weights = [bm.edge_weights(m).set_index(["gene", "pathway"]).sort_index() for m in (one, other)]
    np.testing.assert_allclose(*weights, atol=1e-5)


def test_loadings_are_those_of_the_decoder_by_name(small_mask, X):
    model = _fit(_model(small_mask, replicates=2), X)
    kernel = model.get_layer("reconstruction").dense_kernel()  # (pathways, genes, R)
    table = bm.edge_weights(model)
    assert list(table) == ["gene", "pathway", "replicate", "weight", "loading"]
    for row in table.itertuples():
        where = small_mask.pathways.get_loc(row.pathway), small_mask.genes.get_loc(row.gene)
        assert row.loading == kernel[(*where, row.replicate)]
    alone = bm.edge_weights(bm.take_replicate(model, 1))
    np.testing.assert_array_equal(alone["loading"], table.query("replicate == 1")["loading"])


def test_signed_edges_keep_their_sign_both_ways(X):
    values = np.zeros((8, 2), np.float32)
    values[:3, 0], values[2:6, 1] = [1, -1, 1], [-1, 1, -1, 1]
    mask = bm.Mask.from_dense(values, weighted=True)
    table = bm.edge_weights(_fit(_model(mask, signed=True, learning_rate=0.1), X))
    for column in ("weight", "loading"):
        np.testing.assert_array_equal(np.sign(table[column]), mask.edge_values)


@pytest.mark.parametrize("replicates", [None, 2])
@pytest.mark.parametrize("form", FORMS)
def test_a_saved_model_comes_back_to_the_bit(form, replicates, small_mask, X, tmp_path):
    model = _fit(_model(small_mask, replicates=replicates, l2=0.1, dropout=0.1, **form), X)
    bm.save_model(model, tmp_path / "m.keras")
    back = bm.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(back.predict(X, verbose=0), model.predict(X, verbose=0))
    assert bm.edge_weights(back).equals(bm.edge_weights(model))


def test_a_loaded_model_trains_on_as_the_saved_one_does(small_mask, X, tmp_path):
    model = _fit(_model(small_mask, l2=0.1), X)
    bm.save_model(model, tmp_path / "m.keras")
    models = [_fit(one, X, epochs=1) for one in (model, bm.load_model(tmp_path / "m.keras"))]
    np.testing.assert_array_equal(*(one.predict(X, verbose=0) for one in models))


def test_the_same_seed_gives_the_same_variational_network(small_mask, X):
    one, other = (_fit(_model(small_mask, variational=True, dropout=0.3), X) for _ in range(2))
    np.testing.assert_array_equal(one.predict(X, verbose=0), other.predict(X, verbose=0))
    keras.backend.clear_session()


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"task": "binary", "variational": True}, "variational belongs to task='autoencoder'"),
        ({"beta": 1.0}, "beta belongs to variational=True. Received: beta=1.0"),
        ({"variational": True, "beta": -1.0}, "beta must be a number of at least 0"),
        ({"variational": True, "beta": float("nan")}, "beta must be a number of at least 0"),
        ({"variational": True, "beta": True}, "beta must be a number of at least 0"),
        ({"n_classes": 2}, "n_classes belongs to task='multiclass'"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(given, message, small_mask):
    with pytest.raises(bm.ArgumentError, match=message):
        bm.build_model(small_mask, **{"task": "autoencoder", **given})


@pytest.mark.parametrize("read", [bm.gene_attributions, bm.pathway_attributions])
def test_attributions_are_refused(read, small_mask, small_data):
    model = _fit(_model(small_mask), small_data[0].to_numpy())
    with pytest.raises(bm.ModelError, match="an autoencoder predicts none"):
        read(model, small_data[0])


def test_a_full_mask_warns_once(recwarn):
    with pytest.warns(bm.BiomaskWarning, match="the mask is dense"):
        mask = bm.Mask.from_dense(np.ones((3, 2)))
    recwarn.clear()
    _model(mask)
    assert not [w for w in recwarn if issubclass(w.category, bm.BiomaskWarning)]
