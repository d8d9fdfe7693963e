"""Many networks as one: stopped early each on its own, and taken out one by one."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest

import biomask as bm
from biomask.errors import ArgumentError, ModelError
from biomask.networks.replicates import ReplicateLoss, ReplicateMean, per_replicate

SEED, REPLICATES, PATIENCE = 5, 3, 2


@pytest.fixture(scope="module")
def mask():
    return bm.Mask.from_dense((np.random.default_rng(0).random((60, 8)) < 0.2).astype(int))


def data(task: str):
    """Fitted and watched samples with a label vector for each replicate: one real, two not."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(120, 60)).astype(np.float32)
    score = X[:, :5].sum(axis=1)
    y = score if task == "regression" else (score > 0).astype(np.float32)
    Y = np.stack([y, y[::-1], rng.permutation(y)], axis=1)
    return (X[:80], Y[:80]), (X[80:], Y[80:])


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_each_replicate_stops_as_the_network_alone_would(mask, task):
    fitted, watched = data(task)
    arguments = {"task": task, "learning_rate": 0.02}
    arguments |= {"n_classes": 2} if task == "multiclass" else {}
    fit = {"epochs": 25, "batch_size": 32, "shuffle": False, "verbose": 0}
    model = bm.build_model(mask, replicates=REPLICATES, seed=SEED, **arguments)
    stopping = bm.ReplicateEarlyStopping(patience=PATIENCE)
    model.fit(*fitted, validation_data=watched, callbacks=[stopping], **fit)
    assert len(set(stopping.best_epoch)) > 1, "all stopped together: nothing was put to the test"
    for r in range(REPLICATES):
        alone = bm.build_model(mask, seed=SEED + r, **arguments)
        early = keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)
        history = alone.fit(
            fitted[0],
            fitted[1][:, r],
            validation_data=(watched[0], watched[1][:, r]),
            callbacks=[early],
            **fit,
        )
        assert stopping.best_epoch[r] == int(np.argmin(history.history["val_loss"]))
        expected = alone.predict(watched[0], verbose=0)
        ours = model.predict(watched[0], verbose=0)[:, r].reshape(expected.shape)
        np.testing.assert_allclose(ours, expected, atol=1e-5)
        taken = bm.take_replicate(model, r)
        np.testing.assert_allclose(taken.predict(watched[0], verbose=0), expected, atol=1e-5)


def test_a_stopped_replicate_no_longer_changes(mask):
    fitted, watched = data("binary")
    model = bm.build_model(mask, replicates=REPLICATES, seed=SEED, learning_rate=0.02)
    stopping = bm.ReplicateEarlyStopping(patience=1)
    seen = []

    def look(epoch, logs):
        weights = [model.get_layer("pathways").kernel.numpy().T, model.get_layer("head").kernel]
        seen.append((stopping.stopped.copy(), [np.array(w) for w in weights]))

    model.fit(
        *fitted,
        validation_data=watched,
        epochs=15,
        batch_size=32,
        verbose=0,
        callbacks=[stopping, keras.callbacks.LambdaCallback(on_epoch_end=look)],
    )
    changes = 0
    for (stopped, before), (_, after) in itertools.pairwise(seen):
        for a, b in zip(before, after, strict=True):
            assert np.array_equal(a[stopped], b[stopped])
            changes += (a[~stopped] != b[~stopped]).any() if (~stopped).any() else 0
    assert seen[-2][0].any(), "none had stopped before the end"
    assert changes > 0


def test_the_constraints_are_given_back(mask):
    fitted, watched = data("binary")
    model = bm.build_model(mask, replicates=REPLICATES, seed=SEED)
    layer = model.get_layer("pathways")
    layer.kernel.constraint = keras.constraints.NonNeg()
    fit = {"epochs": 2, "verbose": 0, "validation_data": watched}
    model.fit(*fitted, callbacks=[bm.ReplicateEarlyStopping()], **fit)
    assert isinstance(layer.kernel.constraint, keras.constraints.NonNeg)
    assert layer.kernel.numpy().min() >= 0
    assert model.get_layer("head").kernel.constraint is None


def test_early_stopping_says_what_it_needs(mask):
    fitted, watched = data("binary")
    many = bm.build_model(mask, replicates=REPLICATES)
    with pytest.raises(ModelError, match="validation_data"):
        many.fit(*fitted, verbose=0, callbacks=[bm.ReplicateEarlyStopping()])
    one = bm.build_model(mask)
    with pytest.raises(ModelError, match="replicates=R"):
        one.fit(
            fitted[0],
            fitted[1][:, 0],
            verbose=0,
            validation_data=(watched[0], watched[1][:, 0]),
            callbacks=[bm.ReplicateEarlyStopping()],
        )


def test_take_replicate_refuses_what_is_not_there(mask):
    with pytest.raises(ArgumentError, match="from 0 to 2"):
        bm.take_replicate(bm.build_model(mask, replicates=3), 3)
    with pytest.raises(ModelError, match="single network"):
        bm.take_replicate(bm.build_model(mask), 0)


def test_losses_by_hand():
    y, p = np.array([1.0, 0.0]), np.array([[0.8, 0.5], [0.4, 0.5]], np.float32)
    expected = -np.log([[0.8, 0.5], [0.6, 0.5]])
    np.testing.assert_allclose(per_replicate("log_loss", y, p), expected, rtol=1e-5)
    np.testing.assert_allclose(
        per_replicate("squared_error", y, p), [[0.04, 0.25], [0.16, 0.25]], rtol=1e-5
    )
    np.testing.assert_array_equal(per_replicate("accuracy", y, p), [[1, 0], [1, 1]])
    own = np.array([[1.0, 0.0], [0.0, 1.0]])  # a label vector for each replicate
    np.testing.assert_allclose(
        per_replicate("log_loss", own, p), -np.log([[0.8, 0.5], [0.6, 0.5]]), rtol=1e-5
    )
    total = expected.sum(axis=1).mean()
    assert float(ReplicateLoss("binary")(y, p)) == pytest.approx(total, rel=1e-5)


def test_metric_of_each_replicate_by_hand():
    metric = ReplicateMean("squared_error", 2)
    metric.update_state(np.array([1.0]), np.array([[0.0, 1.0]], np.float32))
    metric.update_state(np.array([1.0]), np.array([[1.0, 0.5]], np.float32))
    np.testing.assert_allclose(metric.each(), [0.5, 0.125])
    assert float(metric.result()) == pytest.approx(0.3125)
    weighted = ReplicateMean("squared_error", 1)
    weighted.update_state(np.array([1.0, 1.0]), np.array([[0.0], [1.0]]), np.array([3.0, 1.0]))
    assert float(weighted.result()) == pytest.approx(0.75)
