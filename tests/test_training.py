"""Networks trained side by side: each is the network trained alone."""

from __future__ import annotations

import numpy as np
import pytest
from reference_network import Network, train
from sklearn.utils.class_weight import compute_class_weight

import biomask as bm
from biomask.errors import ModelError
from biomask.inference import training
from biomask.inference.block_trainer import BlockTrainer, pre_activations
from biomask.inference.training import Settings

SEEDS, ORDER = [5, 6, 5, 6], 3  # two label vectors, two seeds each
ROUNDS, BATCH, RATE, DECAY = 24, 16, 0.01, 1e-3


@pytest.fixture(scope="module")
def mask():
    rng = np.random.default_rng(0)
    sets = {f"p{k}": [f"g{g}" for g in rng.choice(15, 5, replace=False)] for k in range(6)}
    return bm.Mask.from_sets(sets, genes=[f"g{g}" for g in range(15)])


def data(task: str):
    """(fitted, watched) for four networks: real labels, and permuted ones."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(44, 15)).astype(np.float32)
    score = X[:, 0] + X[:, 1] - X[:, 2] + 0.5 * rng.normal(size=44)
    y = {"binary": score > 0, "multiclass": np.digitize(score, [-0.7, 0.7]), "regression": score}
    y = y[task].astype(np.float32)
    Y = np.repeat(np.stack([y, rng.permutation(y)], axis=1), 2, axis=1)
    return (X[:26], Y[:26]), (X[26:], Y[26:])


def trainer_of(mask, task: str, dropout: float = 0.0) -> BlockTrainer:
    n_classes = 3 if task == "multiclass" else None
    return BlockTrainer(
        mask, Settings(task, n_classes, "tanh", ROUNDS, BATCH, RATE, dropout, DECAY), len(SEEDS)
    )


@pytest.fixture(scope="module")
def dropping(mask):
    return trainer_of(mask, "binary", dropout=0.5)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_every_network_equals_the_network_trained_alone(mask, task, monkeypatch):
    monkeypatch.setattr(training, "MIN_STEPS", 4)  # 26 samples make 2 steps: rounds of 2 epochs
    monkeypatch.setattr(training, "PATIENCE", 12)  # 3 rounds
    fitted, watched = data(task)
    trainer = trainer_of(mask, task)
    steps = trainer.fit(fitted, watched, SEEDS, ORDER)
    kernel, bias, (head, head_bias) = trainer.edges(), trainer.unit_bias(), trainer.head()
    for r, seed in enumerate(SEEDS):
        n_classes = 3 if task == "multiclass" else None
        alone = bm.build_model(mask, task, n_classes, kernel_initializer=training.START, seed=seed)
        network = Network(mask.edge_index, *alone.get_weights(), task)
        best_step = train(
            network,
            (fitted[0].astype(float), fitted[1][:, r]),
            (watched[0].astype(float), watched[1][:, r]),
            order_seed=ORDER,
            rounds=ROUNDS,
            epochs_a_round=2,
            patience=3,
            batch_size=BATCH,
            learning_rate=RATE,
            l2=DECAY,
        )
        assert steps[r] == best_step
        for ours, theirs in zip(
            (kernel[:, r], bias[r], head[r], head_bias[r]), network.weights, strict=True
        ):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert len(set(steps)) > 1, "all stop together: early stopping was not put to the test"
    assert steps.min() < ROUNDS * 4 - 12, "none was stopped before the others"


def test_a_fit_leaves_nothing_behind_for_the_next(dropping):
    fitted, watched = data("binary")
    first = dropping.fit(fitted, watched, SEEDS, ORDER), dropping.edges(), *dropping.head()
    other = dropping.fit(fitted, watched, [1, 2, 3, 4], 8), dropping.edges(), *dropping.head()
    again = dropping.fit(fitted, watched, SEEDS, ORDER), dropping.edges(), *dropping.head()
    for a, b in zip(first, again, strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(first[1], other[1])


def test_dropout_is_drawn_from_the_order_seed_and_differs_between_networks(dropping):
    fitted, watched = data("binary")
    same_labels = np.repeat(fitted[1][:, :1], 4, axis=1)
    dropping.fit((fitted[0], same_labels), watched, [5] * 4, ORDER)
    edges = dropping.edges()
    assert np.abs(edges[:, 1:] - edges[:, :1]).max(axis=0).min() > 1e-3
    dropping.fit((fitted[0], same_labels), watched, [5] * 4, ORDER + 1)
    assert not np.array_equal(dropping.edges(), edges)


def test_a_network_without_any_finite_loss_is_refused(dropping):
    fitted, (X, Y) = data("binary")
    with pytest.raises(ModelError, match="the loss of 4 of 4 networks was never a number") as error:
        dropping.fit(fitted, (np.full_like(X, np.nan), Y), SEEDS, ORDER)
    assert "Lower the learning rate, 0.01" in str(error.value)


def test_what_is_read_from_the_networks_makes_up_their_output(mask, dropping):
    fitted, watched = data("binary")
    dropping.fit(fitted, watched, SEEDS, ORDER)
    X = np.tile(fitted[0], (8, 1))  # 208 samples: more than one batch of 128
    trained = dropping.edges(), dropping.unit_bias()
    before = pre_activations(mask, np.arange(6), *trained, X)
    after = dropping.activations(X)
    assert before.shape == after.shape == (208, 4, 6)
    kernel = np.zeros((15, 6, 4))
    kernel[dropping.model.get_layer("pathways").mask.edge_index] = dropping.edges()
    expected = np.einsum("ng,gpr->nrp", X, kernel) + dropping.unit_bias()
    np.testing.assert_allclose(before, expected, atol=1e-5)
    np.testing.assert_allclose(after, np.tanh(expected), atol=1e-5)
    np.testing.assert_allclose(
        dropping.mean_activation(X), np.tanh(expected).mean(axis=0), atol=1e-5
    )
    head, bias = dropping.head()
    logits = np.einsum("nrp,rpc->nrc", after, head)[..., 0] + bias[:, 0]
    predicted = dropping.model.predict(X, verbose=0)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), predicted, atol=1e-5)


@pytest.mark.parametrize("n", [37, 208])  # in one batch of 128, and in two
def test_the_mean_of_a_unit_that_never_varies_is_its_value(mask, n):
    """Else removing a pathway without genes would change the outputs by a rounding error."""
    still = trainer_of(mask, "binary")
    still.load(np.zeros_like(still.edges()), np.random.default_rng(0).normal(size=(4, 6)))
    X = np.random.default_rng(1).normal(size=(n, 15)).astype(np.float32)
    values = still.activations(X)
    np.testing.assert_array_equal(values, np.broadcast_to(values[0], values.shape))
    np.testing.assert_array_equal(still.mean_activation(X), values[0])


def test_pre_activations_of_some_pathways_are_those_of_all(mask, dropping):
    fitted, watched = data("binary")
    dropping.fit(fitted, watched, SEEDS, ORDER)
    trained = dropping.edges(), dropping.unit_bias()
    every = pre_activations(mask, np.arange(6), *trained, fitted[0])
    some = pre_activations(mask, np.array([1, 4]), *trained, fitted[0])
    np.testing.assert_allclose(some, every[:, :, [1, 4]], atol=1e-6)


def test_class_weights_are_those_of_scikit_learn_for_every_label_vector():
    rng = np.random.default_rng(0)
    Y = rng.choice(3, size=(50, 4), p=[0.6, 0.3, 0.1])
    Y[:, 3] = np.arange(50) == 0  # one sample of class 1, and two of class 2
    Y[48:, 3] = 2
    found = training.balanced_weights(Y, 3)
    for r in range(4):
        expected = compute_class_weight("balanced", classes=np.arange(3), y=Y[:, r])
        np.testing.assert_allclose(found[r], expected, rtol=1e-6)
    Y[Y == 1] = 0  # a class that is not there
    found = training.balanced_weights(Y, 3)[0]
    expected = compute_class_weight("balanced", classes=np.array([0, 2]), y=Y[:, 0])
    np.testing.assert_allclose(found, [expected[0], 0, expected[1]], rtol=1e-6)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_a_balanced_network_is_that_of_the_rare_class_repeated(mask, task):
    """4, 8 (and 12) samples of the classes, against 24 of each, in one batch."""
    rng = np.random.default_rng(2)
    sizes = [4, 8] if task == "binary" else [4, 8, 12]
    y = np.repeat(np.arange(len(sizes)), sizes).astype(np.float32)
    X = rng.normal(size=(len(y), 15)).astype(np.float32)
    often = np.repeat(np.arange(len(y)), np.repeat([24 // k for k in sizes], sizes))
    n_classes = 3 if task == "multiclass" else None
    settings = Settings(task, n_classes, "tanh", 3, 100, RATE, 0.0, DECAY)
    networks = []
    for rows, weight in ((np.arange(len(y)), "balanced"), (often, None)):
        trainer = BlockTrainer(mask, settings._replace(class_weight=weight), 2)
        part = X[rows], np.repeat(y[rows, None], 2, axis=1)
        trainer.fit(part, part, [1, 2], ORDER)
        networks.append([trainer.edges(), trainer.unit_bias(), *trainer.head()])
    for weighted, repeated in zip(*networks, strict=True):
        np.testing.assert_allclose(weighted, repeated, atol=2e-5)


def test_compiled_steps_are_the_same_steps(mask, monkeypatch):
    fitted, watched = data("binary")
    plain = trainer_of(mask, "binary")
    monkeypatch.setattr(training, "COMPILED", 0)
    compiled = trainer_of(mask, "binary")
    assert [t._update._jit_compile for t in (plain, compiled)] == [False, True]
    for trainer in (plain, compiled):
        trainer.fit(fitted, watched, SEEDS, ORDER)
    np.testing.assert_allclose(compiled.edges(), plain.edges(), atol=1e-5)
    np.testing.assert_allclose(compiled.head()[0], plain.head()[0], atol=1e-5)
