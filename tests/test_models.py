"""build_model: one network or many, as an ordinary Keras model."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import biomask as bm
from biomask.networks.models import pathway_layer, restart, task_of
from biomask.networks.replicates import ReplicateMean, per_replicate

TASKS = ["binary", "multiclass", "regression"]
OUTPUTS = {"binary": "probability", "multiclass": "class_probabilities", "regression": "prediction"}


def _model(mask, task, **kwargs):
    return bm.build_model(mask, task, n_classes=3 if task == "multiclass" else None, **kwargs)


def _labels(task, X):
    """Labels that follow the data: 0/1, 0/1/2 or a number."""
    score = X.iloc[:, 0].to_numpy() + X.iloc[:, 2].to_numpy()
    if task == "regression":
        return score.astype(np.float32)
    return np.digitize(score, [0.0] if task == "binary" else [-0.5, 0.5]).astype(np.int64)


# ------------------------------------------------------------------ what is built


@pytest.mark.parametrize("task", TASKS)
def test_layers_and_shapes_of_one_network(task, small_mask):
    model = _model(small_mask, task)
    names = ["genes", "pathways", "pathways_dropout", "head", OUTPUTS[task]]
    assert [layer.name for layer in model.layers] == names
    assert model.input_shape == (None, 8)
    assert model.input.dtype == "float32"
    assert model.output_shape == (None, 3 if task == "multiclass" else 1)
    outputs = 3 if task == "multiclass" else 1
    assert model.count_params() == 10 + 5 + (5 + 1) * outputs  # edges, biases, head
    assert task_of(model) == task
    assert pathway_layer(model).mask == small_mask


@pytest.mark.parametrize("task", TASKS)
def test_layers_and_shapes_of_many_networks(task, small_mask):
    model = _model(small_mask, task, replicates=4)
    assert [layer.name for layer in model.layers][-1] == OUTPUTS[task]
    assert model.output_shape == ((None, 4, 3) if task == "multiclass" else (None, 4))
    outputs = 3 if task == "multiclass" else 1
    assert model.count_params() == 4 * (10 + 5 + (5 + 1) * outputs)
    assert task_of(model) == task


def test_outputs_are_probabilities_or_numbers(small_mask, small_data):
    X = small_data[0].to_numpy()
    binary = _model(small_mask, "binary", seed=1)(X).numpy()
    assert ((binary > 0) & (binary < 1)).all()
    classes = _model(small_mask, "multiclass", seed=1)(X).numpy()
    np.testing.assert_allclose(classes.sum(axis=1), 1, atol=1e-6)
    numbers = _model(small_mask, "regression", seed=1)(X).numpy()
    assert numbers.min() < 0


def test_the_output_is_the_formula(small_mask, small_data):
    """sigmoid(v . tanh(x W + b) + c), in NumPy, by the names of the layers."""
    X = small_data[0].to_numpy()
    model = _model(small_mask, "binary", seed=1)
    for layer in (model.get_layer("pathways"), model.get_layer("head")):
        layer.bias.assign(np.linspace(-1, 1, layer.bias.shape[0]))
    pathways, head = model.get_layer("pathways"), model.get_layer("head")
    hidden = np.tanh(X @ pathways.dense_kernel() + pathways.bias.numpy())
    logit = hidden @ head.kernel.numpy() + head.bias.numpy()
    np.testing.assert_allclose(model(X), 1 / (1 + np.exp(-logit)), atol=1e-6)


def test_loss_is_that_of_the_task_plus_l2(small_mask, small_data):
    X, y = small_data
    model = _model(small_mask, "binary", l2=0.1, seed=1)
    p = model(X.to_numpy()).numpy()[:, 0]
    log_loss = -np.mean(np.where(y == 1, np.log(p), np.log(1 - p)))
    weights = [model.get_layer("pathways").edges, model.get_layer("head").kernel.numpy()]
    decay = 0.1 * sum((w**2).sum() for w in weights)
    results = model.evaluate(X.to_numpy(), y, batch_size=48, verbose=0, return_dict=True)
    assert results["loss"] == pytest.approx(log_loss + decay, rel=1e-5)
    assert results["accuracy"] == pytest.approx(np.mean((p > 0.5) == y))
    assert set(results) == {"loss", "accuracy", "auc"}


@pytest.mark.parametrize(
    ("task", "names"),
    [("multiclass", {"loss", "accuracy"}), ("regression", {"loss", "mae"})],
)
def test_metrics_of_the_other_tasks(task, names, small_mask, small_data):
    X = small_data[0]
    y = _labels(task, X)
    model = _model(small_mask, task, seed=1)
    found = model(X.to_numpy()).numpy()
    results = model.evaluate(X.to_numpy(), y, batch_size=48, verbose=0, return_dict=True)
    assert set(results) == names
    if task == "regression":
        assert results["loss"] == pytest.approx(np.mean((found[:, 0] - y) ** 2), rel=1e-5)
        assert results["mae"] == pytest.approx(np.mean(np.abs(found[:, 0] - y)), rel=1e-5)
    else:
        chosen = found[np.arange(len(y)), y]
        assert results["loss"] == pytest.approx(-np.log(chosen).mean(), rel=1e-5)
        assert results["accuracy"] == pytest.approx(np.mean(found.argmax(axis=1) == y))


def test_arguments_reach_their_layers(small_mask):
    model = bm.build_model(
        small_mask, activation="relu", dropout=0.25, learning_rate=0.5, kernel="dense", seed=9
    )
    layer = model.get_layer("pathways")
    assert layer.activation is keras.activations.relu
    assert layer.kernel_kind == "dense"
    assert layer.seed == [9]
    assert model.get_layer("pathways_dropout").rate == 0.25
    assert float(model.optimizer.learning_rate) == 0.5
    weighted = bm.Mask.from_dense([[1, 0], [-2, 1]], weighted=True)
    signed = bm.build_model(weighted, signed=True, seed=0)
    assert np.sign(signed.get_layer("pathways").dense_kernel()).tolist() == [[1, 0], [-1, 1]]


def test_a_plain_array_is_a_mask():
    model = bm.build_model([[1, 0], [1, 1]])
    assert list(pathway_layer(model).mask.genes) == ["gene_0", "gene_1"]


# ------------------------------------------------------------------ seeds and names


def test_the_seed_fixes_every_weight(small_mask):
    first, again, other = (bm.build_model(small_mask, seed=s).get_weights() for s in (4, 4, 5))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[2], other[2])


@pytest.mark.parametrize("replicates", [None, 2])
@pytest.mark.parametrize("task", TASKS)
def test_initial_head_weights_belong_to_pathway_names(task, replicates, small_mask):
    order = [4, 0, 3, 1, 2]
    shuffled = small_mask.select(pathways=small_mask.pathways[order])
    heads = [
        _model(mask, task, replicates=replicates, seed=6).get_layer("head").kernel.numpy()
        for mask in (small_mask, shuffled)
    ]
    straight = heads[0][order] if replicates is None else heads[0][:, order]
    np.testing.assert_array_equal(straight, heads[1])
    assert len(np.unique(heads[1])) == heads[1].size  # no weight is drawn twice


def test_without_a_seed_kerass_own_decides(small_mask):
    def weights():
        return bm.build_model(small_mask).get_weights()[0]

    assert not np.array_equal(weights(), weights())
    keras.utils.set_random_seed(3)
    first = weights()
    keras.utils.set_random_seed(3)
    np.testing.assert_array_equal(weights(), first)


# ------------------------------------------------------------------ many networks as one


@pytest.mark.parametrize("task", TASKS)
def test_each_replicate_is_the_network_trained_alone(task, small_mask, small_data):
    X = small_data[0]
    y = _labels(task, X)
    columns = np.stack([y, np.random.default_rng(1).permutation(y)], axis=1)

    def fitted(labels, seed, replicates=None):
        model = _model(
            small_mask, task, replicates=replicates, seed=seed, l2=0.01, learning_rate=0.02
        )
        settings = {"epochs": 5, "batch_size": 16, "shuffle": False, "verbose": 0}
        losses = model.fit(X.to_numpy(), labels, **settings).history["loss"]
        return model(X.to_numpy()).numpy(), np.array(losses)

    alone = [fitted(columns[:, r], seed) for r, seed in enumerate([8, 3])]
    found, loss = fitted(columns, [8, 3], 2)  # y (batch, R): one label vector each
    for r in (0, 1):
        np.testing.assert_allclose(found[:, r].reshape(alone[r][0].shape), alone[r][0], atol=1e-5)
    np.testing.assert_allclose(loss, alone[0][1] + alone[1][1], rtol=1e-4)
    found, _ = fitted(y, [3, 8], 2)  # y (batch,): shared by all
    np.testing.assert_allclose(found[:, 1].reshape(alone[0][0].shape), alone[0][0], atol=1e-5)


def test_take_replicate_is_that_network(small_mask, small_data):
    X, y = small_data
    many = _model(small_mask, "binary", replicates=3, seed=0, learning_rate=0.1)
    many.fit(X.to_numpy(), y, epochs=1, verbose=0)
    one = bm.take_replicate(many, 2)
    np.testing.assert_allclose(one(X.to_numpy())[:, 0], many(X.to_numpy())[:, 2], atol=1e-6)
    for wrong in (3, -1, 1.0):
        with pytest.raises(bm.ArgumentError, match="replicate must be from 0 to 2"):
            bm.take_replicate(many, wrong)
    with pytest.raises(bm.ModelError, match="single network already"):
        bm.take_replicate(one, 0)


def test_restart_is_the_model_of_other_seeds(small_mask, small_data):
    X, y = small_data
    model = _model(small_mask, "binary", replicates=2, seed=0)
    model.train_on_batch(X.to_numpy(), y)
    restart(model, [6, 2])
    fresh = _model(small_mask, "binary", replicates=2, seed=[6, 2])
    for a, b in zip(model.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for each in (model, fresh):  # with the optimizer back at its start too
        each.train_on_batch(X.to_numpy(), y)
    for a, b in zip(model.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_dropout_differs_between_replicates(small_mask, small_data):
    model = _model(small_mask, "binary", replicates=2, dropout=0.5)
    hidden = np.ones((64, 2, 5), np.float32)
    dropped = model.get_layer("pathways_dropout")(hidden, training=True).numpy() == 0
    assert 0.3 < dropped.mean() < 0.7
    assert not np.array_equal(dropped[:, 0], dropped[:, 1])


def test_replicate_metrics_are_means_and_per_replicate(small_mask, small_data):
    X, y = small_data
    model = _model(small_mask, "binary", replicates=2, seed=0)
    results = model.evaluate(X.to_numpy(), y, verbose=0, return_dict=True)
    p = model(X.to_numpy()).numpy()
    accuracies = np.mean((p > 0.5) == y[:, None], axis=0)
    log_losses = -np.mean(np.where(y[:, None] == 1, np.log(p), np.log(1 - p)), axis=0)
    assert results["accuracy"] == pytest.approx(accuracies.mean())
    assert results["log_loss"] == pytest.approx(log_losses.mean(), rel=1e-5)
    assert results["loss"] == pytest.approx(log_losses.sum(), rel=1e-5)
    metric = ReplicateMean("accuracy", 2)
    metric.update_state(y, p)
    np.testing.assert_allclose(metric.each(), accuracies)
    np.testing.assert_allclose(float(metric.result()), accuracies.mean())


def test_per_replicate_by_hand():
    # two samples, two replicates; regression: (1 - 3)^2, (1 - 1)^2, (2 - 2)^2, (2 - 5)^2
    squared = per_replicate("squared_error", np.array([1, 2]), np.float32([[3, 1], [2, 5]]))
    assert np.asarray(squared).tolist() == [[4, 0], [0, 9]]
    own = per_replicate("squared_error", np.array([[1, 0], [2, 5]]), np.float32([[3, 1], [2, 5]]))
    assert np.asarray(own).tolist() == [[4, 1], [0, 0]]
    classes = np.float32([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]])
    log_loss = np.asarray(per_replicate("log_loss", np.array([2]), classes))
    np.testing.assert_allclose(log_loss, [[-np.log(0.25), -np.log(0.8)]], rtol=1e-5)
    assert np.asarray(per_replicate("accuracy", np.array([2]), classes)).tolist() == [[0, 1]]


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"task": "survive"}, "task must be one of .*'survive'"),
        ({"task": None}, "task must be one of"),
        ({"task": "multiclass"}, "needs n_classes.*n_classes=None"),
        ({"task": "multiclass", "n_classes": 1}, "at least 2. Received: n_classes=1"),
        ({"task": "multiclass", "n_classes": 2.5}, "whole number"),
        ({"n_classes": 2}, "n_classes belongs to task='multiclass'"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1. Received: dropout=1.0"),
        ({"dropout": -0.1}, "dropout must be"),
        ({"dropout": "half"}, "dropout must be .* Received: dropout='half'"),
        ({"dropout": float("nan")}, "dropout must be"),
        ({"l2": -1e-3}, "l2 must be a number of at least 0"),
        ({"l2": float("inf")}, "l2 must be"),
        ({"learning_rate": 0}, "learning_rate must be a number above 0"),
        ({"learning_rate": None}, "learning_rate must be"),
        ({"activation": "nope"}, "no such activation"),
        ({"kernel": "fast"}, "kernel must be"),
        ({"replicates": 0}, "replicates must be"),
        ({"replicates": "two"}, "replicates must be"),
        ({"seed": 1.5}, "seed must be"),
        ({"replicates": 2, "seed": [1, 2, 3]}, "one for each of 2 networks. Received: 3 seeds"),
    ],
    ids=str,
)
def test_bad_arguments(arguments, expected, small_mask):
    with pytest.raises(bm.ArgumentError, match=expected) as caught:
        bm.build_model(small_mask, **arguments)
    assert caught.value.code == "E-ARGUMENT"


def test_models_of_others_have_no_mask_and_no_task():
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="dense")])
    with pytest.raises(bm.ModelError, match="no MaskedDense layer"):
        pathway_layer(other)
    with pytest.raises(bm.ModelError, match="the last layer is 'dense'"):
        task_of(other)
    with pytest.raises(bm.ModelError, match="no MaskedDense layer"):
        pathway_layer(None)
