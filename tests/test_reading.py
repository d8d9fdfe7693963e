"""What one trained model says, against NumPy and against cases with a known answer."""

from __future__ import annotations

import anndata
import keras
import numpy as np
import pandas as pd
import pytest

import biomask as bm
from biomask.networks.layers import MaskedDense


def _with_weights(model, seed=0):
    """Give every weight a value of its own, so that no zero bias hides a mistake."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=w.shape).astype(np.float32) for w in model.get_weights()]
    model.set_weights(weights)
    return model


@pytest.fixture(scope="module")
def model(small_mask):
    return _with_weights(bm.build_model(small_mask, activation="tanh"))


@pytest.fixture(scope="module")
def linear(small_mask):
    return _with_weights(bm.build_model(small_mask, "regression", activation="linear"), 1)


@pytest.fixture(scope="module")
def classes(small_mask):
    return _with_weights(bm.build_model(small_mask, "multiclass", 3), 2)


@pytest.fixture(scope="module")
def many(small_mask):
    return _with_weights(bm.build_model(small_mask, replicates=2), 3)


def _logit(model, x):
    """The head's output before sigmoid or softmax, float64, in NumPy."""
    pathways, head = model.get_layer("pathways"), model.get_layer("head")
    hidden = np.asarray(x, np.float64) @ pathways.dense_kernel() + pathways.bias.numpy()
    if pathways.activation is keras.activations.tanh:
        hidden = np.tanh(hidden)
    return hidden @ head.kernel.numpy().astype(np.float64) + head.bias.numpy()


# ------------------------------------------------------------------ predictions


def _shuffled(X):
    return X[X.columns[::-1]].assign(other=0.0)


@pytest.mark.parametrize("form", ["frame", "anndata", "array"])
def test_predict_goes_by_gene_name(model, small_mask, small_data, form):
    X = small_data[0]
    data = {"frame": _shuffled(X), "anndata": anndata.AnnData(_shuffled(X)), "array": X.to_numpy()}
    found = bm.predict(model, data[form])
    wanted = 1 / (1 + np.exp(-_logit(model, X)[:, 0]))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert found.index.tolist() == (list(range(48)) if form == "array" else X.index.tolist())
    assert found.attrs == {"filled": [], "ignored": [] if form == "array" else ["other"]}


def test_predict_names_what_each_column_is(classes, many, small_mask, small_data):
    X = small_data[0]
    found = bm.predict(classes, _shuffled(X))
    logits = _logit(classes, X)
    wanted = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    assert found.columns.tolist() == [0, 1, 2]
    one = bm.take_replicate(many, 1)
    assert bm.predict(many, X).columns.name == "replicate"
    np.testing.assert_allclose(bm.predict(many, X)[1], bm.predict(one, X), rtol=1e-5)
    three = bm.predict(bm.build_model(small_mask, "multiclass", 3, replicates=2), X)
    assert three.columns.tolist() == [(r, c) for r in range(2) for c in range(3)]
    decoder = bm.build_model(small_mask, "autoencoder", seed=0)
    again = bm.predict(decoder, _shuffled(X))
    assert again.columns.equals(small_mask.genes)
    np.testing.assert_allclose(again, decoder.predict(X.to_numpy(), verbose=0), rtol=1e-5)


def test_predict_fills_missing_genes_only_when_told_how(model, small_data):
    X = small_data[0]
    less = X.drop(columns=["g0", "g4"])
    with pytest.raises(bm.DataError, match="lacks 2 of 8 genes") as caught:
        bm.predict(model, less)
    assert list(caught.value.genes) == ["g0", "g4"]
    means = X.mean()
    with pytest.warns(bm.BiomaskWarning, match="'g0', 'g4'"):
        found = bm.predict(model, less, fill=means)
    np.testing.assert_allclose(
        found, bm.predict(model, X.assign(g0=means["g0"], g4=means["g4"])), rtol=1e-5
    )
    assert found.attrs["filled"] == ["g0", "g4"]
    with pytest.raises(bm.DataError) as caught:
        bm.predict(model, less, fill={"g0": 1.0})
    assert list(caught.value.genes) == ["g4"]
    with pytest.raises(bm.DataError, match="NaN"):
        bm.predict(model, X.assign(g0=np.nan))


def test_predict_refuses_a_model_with_covariates(small_mask, small_data):
    model = bm.build_model(small_mask, covariates=["age"])
    with pytest.raises(bm.ModelError, match="covariates"):
        bm.predict(model, small_data[0])


# ------------------------------------------------------------------ edge weights


def test_edge_weights_by_hand():
    mask = bm.Mask.from_dense([[1, 0], [1, 1]], ["A", "B"], ["P", "Q"])
    model = bm.build_model(mask)
    model.get_layer("pathways").set_weights([np.float32([2, 3, 5]), np.zeros(2)])
    edges = bm.edge_weights(model)
    assert edges.columns.tolist() == ["gene", "pathway", "weight"]
    assert edges.to_numpy().tolist() == [["A", "P", 2.0], ["B", "P", 3.0], ["B", "Q", 5.0]]


def test_edge_weights_of_signed_edges_carry_the_sign():
    mask = bm.Mask.from_dense([[1, 0], [-1, 1]], ["A", "B"], ["P", "Q"], weighted=True)
    model = bm.build_model(mask, signed=True)
    model.get_layer("pathways").set_weights([np.float32([-2, 3, 5]), np.zeros(2)])
    assert bm.edge_weights(model)["weight"].tolist() == [2.0, -3.0, 5.0]


def test_edge_weights_of_replicates():
    mask = bm.Mask.from_dense([[1], [1]], ["A", "B"], ["P"])
    model = bm.build_model(mask, replicates=2)
    model.get_layer("pathways").set_weights([np.float32([[1, 10], [2, 20]]), np.zeros((2, 1))])
    edges = bm.edge_weights(model)
    assert edges.columns.tolist() == ["gene", "pathway", "replicate", "weight"]
    expected = [["A", "P", 0, 1.0], ["B", "P", 0, 2.0], ["A", "P", 1, 10.0], ["B", "P", 1, 20.0]]
    assert edges.to_numpy().tolist() == expected


def test_edge_weights_agree_with_the_dense_kernel(model, small_mask):
    dense = pd.DataFrame(
        model.get_layer("pathways").dense_kernel(), small_mask.genes, small_mask.pathways
    )
    edges = bm.edge_weights(model)
    assert len(edges) == small_mask.n_edges
    for gene, pathway, weight in edges.itertuples(index=False):
        assert dense.loc[gene, pathway] == np.float32(weight)


# ------------------------------------------------------------------ pathway activity


def test_pathway_activity_is_the_formula(model, small_data, small_mask):
    X = small_data[0]
    layer = model.get_layer("pathways")
    expected = np.tanh(X.to_numpy() @ layer.dense_kernel() + layer.bias.numpy())
    found = bm.pathway_activity(model, X)
    assert found.index.equals(X.index)
    assert found.columns.tolist() == small_mask.pathways.tolist()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_activity_of_replicates(many, small_data):
    X = small_data[0]
    layer = many.get_layer("pathways")
    found = bm.pathway_activity(many, X)
    assert found.columns.names == ["replicate", "pathway"]
    for r in range(2):
        dense, bias = layer.dense_kernel()[..., r], layer.bias.numpy()[r]
        np.testing.assert_allclose(found[r], np.tanh(X.to_numpy() @ dense + bias), atol=1e-6)


def test_genes_are_matched_by_name_and_extra_ones_ignored(model, small_data):
    X = small_data[0]
    shuffled = X.iloc[:, ::-1].assign(unrelated=np.float32(99))
    expected = bm.pathway_activity(model, X)
    pd.testing.assert_frame_equal(bm.pathway_activity(model, shuffled), expected)
    adata = anndata.AnnData(shuffled)
    pd.testing.assert_frame_equal(bm.pathway_activity(model, adata), expected)
    array = bm.pathway_activity(model, X.to_numpy())
    np.testing.assert_array_equal(array, expected)


def test_more_samples_than_a_batch(model, small_data):
    X = pd.concat([small_data[0]] * 12, ignore_index=True)  # 576: two batches and a bit
    found = bm.pathway_activity(model, X)
    np.testing.assert_allclose(found.iloc[-48:], found.iloc[:48], atol=1e-6)
    assert found.index.tolist() == list(range(576))


def test_any_model_with_the_layer_can_be_read(small_mask, small_data):
    X = small_data[0]
    sequential = keras.Sequential([keras.Input((8,)), MaskedDense(small_mask, "relu")])
    found = bm.pathway_activity(sequential, X)
    np.testing.assert_allclose(found, sequential(X.to_numpy()), atol=1e-6)


def test_a_subclassed_model_is_refused(small_mask, small_data):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.pathways = MaskedDense(small_mask)

        def call(self, x):
            return self.pathways(x)

    own = Own()
    own(small_data[0].to_numpy())
    with pytest.raises(bm.ModelError, match="functional API") as caught:
        bm.pathway_activity(own, small_data[0])
    assert caught.value.code == "E-NOT-FUNCTIONAL"
    assert len(bm.edge_weights(own)) == 10


def test_inputs_are_not_changed(model, small_data):
    X = small_data[0]
    before = X.copy(deep=True)
    bm.pathway_activity(model, X)
    bm.gene_attributions(model, X.iloc[:2], steps=2)
    pd.testing.assert_frame_equal(X, before)


# ------------------------------------------------------------------ attributions


def test_gene_attributions_of_a_linear_model_are_weight_times_value(linear, small_data):
    """f = sum_p v_p sum_g w_gp x_g, so gene g gets x_g sum_p w_gp v_p, whatever the rule."""
    X = small_data[0]
    slope = linear.get_layer("pathways").dense_kernel() @ linear.get_layer("head").kernel.numpy()
    expected = X.to_numpy() * slope[:, 0]
    for steps in (1, 4):
        found = bm.gene_attributions(linear, X, steps=steps)
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.columns.tolist() == X.columns.tolist()
    assert found.index.equals(X.index)
    assert (found["g5"] == 0).all()  # in no pathway


def test_one_gene_through_tanh_by_hand():
    # f(x) = 3 tanh(2 x): from 0 to x the one gene gets all of it
    model = bm.build_model(bm.Mask.from_dense([[1]], ["A"], ["P"]), "regression")
    model.set_weights([np.float32([2]), np.float32([0]), np.float32([[3]]), np.float32([7])])
    X = pd.DataFrame({"A": [0.0, 0.5, -1.0]})
    expected = 3 * np.tanh([0.0, 1.0, -2.0])
    np.testing.assert_allclose(bm.gene_attributions(model, X)["A"], expected, atol=1e-5)
    np.testing.assert_allclose(bm.pathway_attributions(model, X)["P"], expected, atol=1e-5)
    base = pd.Series({"A": 0.5})
    expected -= 3 * np.tanh(1.0)
    found = bm.gene_attributions(model, X, baseline=base)["A"]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    found = bm.pathway_attributions(model, X, baseline=base)["P"]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("attributions", [bm.gene_attributions, bm.pathway_attributions])
def test_rows_sum_to_the_change_of_the_logit(attributions, model, small_data):
    X = small_data[0]
    baseline = X.mean()
    found = attributions(model, X, baseline=baseline)
    change = _logit(model, X)[:, 0] - _logit(model, baseline.to_frame().T)[:, 0]
    np.testing.assert_allclose(found.sum(axis=1), change, atol=1e-4)
    assert np.abs(change).max() > 0.5


@pytest.mark.parametrize("attributions", [bm.gene_attributions, bm.pathway_attributions])
def test_each_class_has_its_own(attributions, classes, small_data):
    X = small_data[0]
    change = _logit(classes, X) - _logit(classes, np.zeros((1, 8)))
    for target in range(3):
        found = attributions(classes, X, target=target)
        np.testing.assert_allclose(found.sum(axis=1), change[:, target], atol=1e-4)


def test_gene_attributions_equal_a_fine_riemann_sum(model, small_data):
    """The definition by brute force: 500 midpoints, gradients by central differences."""
    x = small_data[0].iloc[:2].to_numpy().astype(np.float64)
    points = (np.arange(500)[:, None, None] + 0.5) / 500 * x
    total, step = np.zeros_like(x), 1e-5
    for g in range(x.shape[1]):
        move = step * (np.arange(8) == g)
        rise = _logit(model, points + move) - _logit(model, points - move)
        total[:, g] = rise[..., 0].mean(axis=0) / (2 * step)
    found = bm.gene_attributions(model, small_data[0].iloc[:2])
    np.testing.assert_allclose(found, x * total, atol=1e-4)


def test_pathway_attributions_are_head_weight_times_activity(model, small_data):
    X = small_data[0]
    zero = pd.DataFrame(np.zeros((1, 8), np.float32), columns=X.columns)
    moved = bm.pathway_activity(model, X) - bm.pathway_activity(model, zero).to_numpy()
    expected = moved * model.get_layer("head").kernel.numpy()[:, 0]
    found = bm.pathway_attributions(model, X)
    pd.testing.assert_frame_equal(found, expected, atol=1e-6)
    assert (found["p3"] == 0).all()  # without genes it never moves


def test_attributions_follow_names(model, small_data):
    X = small_data[0].iloc[:5]
    baseline = X.mean()
    for attributions in (bm.gene_attributions, bm.pathway_attributions):
        found = attributions(model, X.iloc[:, ::-1], baseline=baseline[::-1])
        pd.testing.assert_frame_equal(found, attributions(model, X, baseline=baseline))


# ------------------------------------------------------------------ what is refused


READERS = [bm.pathway_activity, bm.gene_attributions, bm.pathway_attributions]


@pytest.mark.parametrize("reader", READERS)
def test_models_without_the_layer_are_refused(reader, small_data):
    other = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
    with pytest.raises(bm.ModelError, match="no MaskedDense layer"):
        reader(other, small_data[0])
    with pytest.raises(bm.ModelError, match="no MaskedDense layer"):
        bm.edge_weights(other)


@pytest.mark.parametrize("attributions", READERS[1:])
def test_attributions_are_of_one_trained_network(attributions, many, small_mask, small_data):
    X = small_data[0]
    with pytest.raises(bm.ModelError, match=r"this model holds 2.*take_replicate"):
        attributions(many, X)
    with pytest.raises(bm.ModelError, match="not trained") as caught:
        attributions(bm.build_model(small_mask), X)
    assert caught.value.code == "E-UNTRAINED"
    other = keras.Sequential([keras.Input((8,)), MaskedDense(small_mask)])
    other.set_weights([np.ones(10), np.ones(5)])
    with pytest.raises(bm.ModelError, match="the last layer is"):
        attributions(other, X)


@pytest.mark.parametrize("attributions", READERS[1:])
def test_bad_targets(attributions, model, classes, small_data):
    X = small_data[0].iloc[:2]
    for wrong in (None, 3, -1, 1.5, "a"):
        with pytest.raises(bm.ArgumentError, match="target must be a class from 0 to 2"):
            attributions(classes, X, target=wrong)
    with pytest.raises(bm.ArgumentError, match="target belongs to a multiclass model"):
        attributions(model, X, target=0)


def test_bad_steps_and_baselines(model, small_data):
    X = small_data[0].iloc[:2]
    for wrong in (0, -3, 2.5):
        with pytest.raises(bm.ArgumentError, match="steps must be a whole number of at least 1"):
            bm.gene_attributions(model, X, steps=wrong)
    with pytest.raises(bm.DataError, match="baseline lacks 7 of 8 genes"):
        bm.gene_attributions(model, X, baseline=pd.Series({"g0": 1.0}))
