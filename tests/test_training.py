"""Networks trained side by side: each is the network trained alone."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from reference_network import Network, train
from sklearn.utils.class_weight import compute_class_weight
from test_deep_effects import HIER

import biomask as bm
from biomask.errors import ModelError
from biomask.inference import training
from biomask.inference.block_trainer import BlockTrainer, in_batches, pre_activations
from biomask.inference.feeding import feeding
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


# ---------------------------------------------------------------------------- without references


def log_loss(p, y):
    return -np.log(np.where(y == 1, p, 1 - p))


def test_mean_losses_are_those_of_all_samples_at_once(mask):
    """300 samples, of which 128 go together; weighted by class where that is asked."""
    rng = np.random.default_rng(3)
    X, Y = rng.normal(size=(300, 15)).astype(np.float32), rng.integers(0, 2, (300, 4))
    settings = Settings("binary", None, "tanh", 1, BATCH, RATE, 0.3, DECAY)
    for weight in (None, "balanced"):
        trainer = BlockTrainer(mask, settings._replace(class_weight=weight), 4)
        trainer.load(rng.normal(size=trainer.edges().shape), rng.normal(size=(4, 6)))
        losses = log_loss(trainer.model.predict(X, verbose=0), Y)
        if weight:
            trainer._class_weights.assign([[1, 2], [3, 1], [1, 1], [0, 5]])
            losses *= np.array([[1, 2], [3, 1], [1, 1], [0, 5]])[np.arange(4), Y]
        found = trainer._mean_losses(feeding(X, Y))
        np.testing.assert_allclose(found, losses.mean(axis=0), rtol=1e-4)


def test_the_risk_set_of_a_watched_sample_is_everybody_who_is_watched(mask):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(200, 15)).astype(np.float32)
    time = np.stack([rng.permutation(200) for _ in range(2)], axis=1)
    event = rng.integers(0, 2, (200, 2))
    trainer = BlockTrainer(mask, Settings("survival", None, "tanh", 1, 16, RATE, 0.0, 0.0), 2)
    trainer.load(rng.normal(size=trainer.edges().shape), rng.normal(size=(2, 6)))
    risk = trainer.model.predict(X, verbose=0).astype(float)
    expected = np.zeros(2)
    for r in range(2):
        for i in np.flatnonzero(event[:, r]):
            at_risk = risk[time[:, r] >= time[i, r], r]
            expected[r] += (np.log(np.exp(at_risk).sum()) - risk[i, r]) / 200
    found = trainer._mean_losses(feeding(X, np.stack([time, event], axis=-1)))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("n", "a_round", "rounds"),
    [(26, 8, 11), (40, 9, 10), (128, 8, 11), (129, 9, 10)],  # 2, 3, 8, 9 steps an epoch
)
def test_a_network_that_does_not_get_better_waits_80_steps(mask, n, a_round, rounds):
    """Rounds of at least 8 steps; steps too small to change a weight."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(n, 15)).astype(np.float32), rng.integers(0, 2, (n, 4))
    settings = Settings("binary", None, "tanh", 50, 16, 1e-30, 0.0, 0.0)
    trainer = BlockTrainer(mask, settings, 4)
    steps = trainer.fit((X, Y), (X[:20], Y[:20]), SEEDS, ORDER)
    assert steps.tolist() == [a_round] * 4
    assert int(trainer.model.optimizer.iterations) == a_round * rounds


def test_without_watched_samples_all_epochs_are_trained(mask):
    (X, Y), _ = data("binary")
    settings = Settings("binary", None, "tanh", 3, BATCH, RATE, 0.0, DECAY)
    trainer = BlockTrainer(mask, settings, 4)
    steps = trainer.fit((X, Y), (X[:0], Y[:0]), SEEDS, ORDER)
    assert steps.tolist() == [24] * 4  # 3 rounds of 4 epochs of 2 steps
    assert int(trainer.model.optimizer.iterations) == 24
    started = BlockTrainer(mask, settings, 4)
    started.restart(SEEDS)
    assert (np.abs(trainer.edges() - started.edges()).max(axis=0) > 0.05).all()


def test_weights_that_are_no_numbers_are_refused_where_nothing_is_watched(mask):
    (X, Y), _ = data("binary")
    X = X.copy()
    X[3, 7] = np.nan
    trainer = BlockTrainer(mask, Settings("binary", None, "tanh", 1, BATCH, RATE, 0.0, 0.0), 4)
    with pytest.raises(ModelError) as error:
        trainer.fit((X, Y), (X[:0], Y[:0]), SEEDS, ORDER)
    assert "weights of 'pathways', 'head' are no numbers after training" in str(error.value)
    assert error.value.code == "E-DIVERGED"
    assert "g7" in error.value.genes


def test_some_networks_without_any_finite_loss_are_counted(mask):
    (X, Y), _ = data("regression")
    Y = Y.copy()
    Y[:, 1] = np.nan
    settings = Settings("regression", None, "tanh", 1, BATCH, RATE, 0.0, 0.0)
    with pytest.raises(ModelError, match="the loss of 1 of 4 networks was never a number") as error:
        BlockTrainer(mask, settings, 4).fit((X, Y), (X, Y), SEEDS, ORDER)
    assert error.value.code == "E-DIVERGED"
    assert list(error.value.genes) == []


def test_the_dropout_of_every_level_has_a_seed_of_its_own():
    settings = Settings("binary", None, "tanh", 1, BATCH, RATE, 0.5, 0.0)
    trainer = BlockTrainer(HIER, settings, 2)
    trainer._reset_dropout(2**32 - 2)
    states = [v.numpy().tolist() for v in trainer.model.non_trainable_variables
              if "seed_generator_state" in v.path]  # fmt: skip
    assert states == [[2**32 - 2, 0], [2**32 - 1, 0], [0, 0]]


def test_steps_are_compiled_from_so_many_weights(mask, monkeypatch):
    n_weights = 4 * (mask.n_edges + 6 + 6 + 1)
    for limit, compiled in ((n_weights, True), (n_weights + 1, False)):
        monkeypatch.setattr(training, "COMPILED", limit)
        assert trainer_of(mask, "binary")._update._jit_compile == compiled


def test_the_settings_reach_the_model(mask):
    settings = Settings("multiclass", 3, "relu", 1, BATCH, 0.03, 0.4, 0.2)
    model = BlockTrainer(mask, settings, 2).model
    assert float(model.optimizer.learning_rate) == pytest.approx(0.03)
    layer = model.get_layer("pathways")
    assert layer.activation.__name__ == "relu"
    assert model.get_layer("pathways_dropout").rate == 0.4
    assert model.output_shape == (None, 2, 3)
    weights = [layer.kernel.numpy(), model.get_layer("head").kernel.numpy()]
    expected = 0.2 * sum((w**2).sum() for w in weights)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("n_classes", [None, 3])
def test_the_head_of_a_hierarchy_whose_roots_alone_are_read(n_classes):
    """0 for every other unit; and nothing stands beside the pathways."""
    task = "multiclass" if n_classes else "binary"
    settings = Settings(task, n_classes, "tanh", 1, BATCH, RATE, 0.0, 0.0, outputs="top")
    trainer = BlockTrainer(HIER, settings, 2)
    head = trainer.model.get_layer("head")
    rng = np.random.default_rng(0)
    kernel, bias = (rng.normal(size=w.shape).astype(np.float32) for w in head.get_weights())
    head.set_weights([kernel, bias])
    weights, found = trainer.head()
    assert weights.shape == (2, HIER.shape[1], n_classes or 1)
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(found, bias.reshape(2, -1))
    read = [name in ("top", "e") for name in HIER.pathways]
    assert (weights[:, ~np.array(read)] == 0).all()
    X = rng.normal(size=(5, 8)).astype(np.float32)
    z = np.einsum("nrp,rpc->nrc", trainer.activations(X), weights) + found
    p = 1 / (1 + np.exp(-z[..., 0])) if not n_classes else np.exp(z)
    p = p / p.sum(axis=2, keepdims=True) if n_classes else p
    np.testing.assert_allclose(trainer.model.predict(X, verbose=0), p, rtol=1e-4)
    assert trainer.covariate_weights() is None


def test_a_log_risk_has_no_bias(mask):
    trainer = BlockTrainer(mask, Settings("survival", None, "tanh", 1, 16, RATE, 0.0, 0.0), 2)
    bias = trainer.head()[1]
    assert bias.dtype == np.float32
    np.testing.assert_array_equal(bias, [[0], [0]])


def test_functions_of_many_samples_come_in_their_order():
    X = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    sizes = []

    def twice(part):
        sizes.append(len(part))
        return 2 * part[:, :, None]

    found = in_batches(twice, X)
    np.testing.assert_array_equal(found, 2 * X[:, :, None])
    assert found.dtype == np.float32
    assert sizes == [128, 128, 44]


def test_flags_of_networks_broadcast_against_every_variable(mask):
    trainer = BlockTrainer(mask, Settings("multiclass", 3, "tanh", 1, 16, RATE, 0.0, 0.0), 4)
    flag = tf.constant([True, False, False, True])
    for variable in trainer.model.trainable_variables:
        shown = np.broadcast_to(trainer.flags(variable, flag), variable.shape)
        axis = list(variable.shape).index(4)  # of the edges the last, else the first
        moved = np.moveaxis(shown, axis, 0)
        assert [part.all() for part in moved] == [True, False, False, True]
        assert [part.any() for part in moved] == [True, False, False, True]
