"""compare_models: every number from the stored outputs again, and no held-out row in any fit."""

from __future__ import annotations

import inspect
import warnings
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from disk_case import on_disk
from reference_network import Network, train
from scipy import special, stats
from sklearn import metrics
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

import biomask as bm
from biomask.errors import ArgumentError, BiomaskWarning
from biomask.inference import blocks, compare, training
from biomask.inference.compare import DENSE, FOREST, LINEAR, MASKED, MEANS, REWIRED
from biomask.inference.folds import outer_folds
from biomask.inference.simulated_masks import decoy_mask
from biomask.inference.stacking import StackTrainer, stack_masks
from biomask.inference.training import Settings
from biomask.masks import backed

N_REWIRED = 19
CALL = {
    "folds": 2,
    "seeds": 2,
    "rewired": N_REWIRED,
    "epochs": 30,
    "batch_size": 32,
    "dropout": 0.2,
    "l2": 0.1,
    "random_state": 3,
    "progress": False,
}
MASK = decoy_mask(jaccard_index=0.0, n_decoys=0, n_pathways=12, size=10)


def simulated(task: str, n_subjects: int | None = None):
    return bm.simulate(
        MASK,
        n_samples=80,
        active=["planted"],
        effect=6.0,
        task=task,
        gene_correlation=0.4,
        n_subjects=n_subjects,
        random_state=1,
    )


def compared(task: str, **given) -> SimpleNamespace:
    """The table, and what the networks put out on the held-out samples of each fold."""
    sim, stored = simulated(task, given.pop("n_subjects", None)), []
    groups = sim.groups
    real = StackTrainer.outputs

    def keep(self, X):
        stored.append(real(self, X))
        return stored[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StackTrainer, "outputs", keep)
        with warnings.catch_warnings():
            warnings.simplefilter("error", BiomaskWarning)
            table = bm.compare_models(MASK, sim.X, sim.y, task, groups, **{**CALL, **given})
    X, y = sim.X.sort_index(), sim.y.sort_index().to_numpy(float)
    codes = None if groups is None else pd.factorize(groups.sort_index(), sort=True)[0]
    held = outer_folds(80, 2, CALL["random_state"], codes, None)
    y = (y - y.mean()) / y.std() if task == "regression" else y
    return SimpleNamespace(table=table, X=X, y=y, held=held, stored=stored, task=task, groups=codes)


@pytest.fixture(scope="module")
def binary():
    return compared("binary")


@pytest.fixture(scope="module")
def regression():
    return compared("regression", rewired=2, seeds=1)


# ---------------------------------------------------------------------------- the table


def outputs_again(done) -> dict[str, np.ndarray]:
    """Logits, or values, of every model for the samples in the order of the folds."""
    parts: dict[str, list] = {}
    for fold, held in enumerate(done.held):
        stack, dense = done.stored[2 * fold : 2 * fold + 2]  # (n, K, M, C), in the order of fits
        for m in range(stack.shape[2]):
            name = MASKED if m == 0 else f"{REWIRED} {m}"
            parts.setdefault(name, []).append(stack[:, :, m, 0].mean(axis=1))
        parts.setdefault(DENSE, []).append(dense[:, :, 0, 0].mean(axis=1))
        for name, values in baselines(done, held).items():
            parts.setdefault(name, []).append(values)
    return {name: np.concatenate(pieces) for name, pieces in parts.items()}


def baselines(done, held) -> dict[str, np.ndarray]:
    X, y = done.X.to_numpy(np.float64), done.y.astype(np.float32)
    left = np.setdiff1d(np.arange(80), held)
    Z = StandardScaler().fit(X[left]).transform(X).clip(-10, 10).astype(np.float32)
    means = np.stack(
        [Z[:, MASK.genes.get_indexer(g)].mean(axis=1) for g in MASK.to_sets().values()], axis=1
    )
    means = means / means[left].std(axis=0)
    found = {}
    for name, values in ((LINEAR, Z), (FOREST, Z), (MEANS, means)):
        if done.task == "regression":
            model = (
                Ridge(alpha=40) if name != FOREST else RandomForestRegressor(500, random_state=3)
            )
            found[name] = model.fit(values[left], y[left]).predict(values[held])
        else:
            model = LogisticRegression(C=0.01, max_iter=2000)
            if name == FOREST:
                model = RandomForestClassifier(500, random_state=3)
            chance = model.fit(values[left], y[left]).predict_proba(values[held]).clip(1e-3)
            found[name] = np.log(chance[:, 1] / chance[:, 0])
    return found


def losses_again(done) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    y = done.y[np.concatenate(done.held)]
    outputs = outputs_again(done)
    if done.task == "regression":
        return pd.DataFrame({k: (y - z) ** 2 for k, z in outputs.items()}), outputs
    sign = np.where(y == 1, -1, 1)
    return pd.DataFrame({k: np.logaddexp(0, sign * z) for k, z in outputs.items()}), outputs


@pytest.mark.parametrize("name", [MASKED, DENSE, LINEAR, FOREST, MEANS])
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_row_is_what_its_outputs_say(request, task, name):
    done = request.getfixturevalue(task)
    losses, outputs = losses_again(done)
    y, row = done.y[np.concatenate(done.held)], done.table.loc[name]
    if task == "binary":
        chance = special.expit(outputs[name])
        assert row["loss"] == pytest.approx(metrics.log_loss(y, chance), rel=1e-4)
        assert row["auc"] == pytest.approx(metrics.roc_auc_score(y, chance), abs=2e-3)
        assert row["accuracy"] == pytest.approx(metrics.accuracy_score(y, chance > 0.5), abs=0.013)
    else:
        assert row["loss"] == pytest.approx(metrics.mean_squared_error(y, outputs[name]), rel=1e-4)
        assert row["r2"] == pytest.approx(metrics.r2_score(y, outputs[name]), rel=1e-3)
    paired = losses[name] - losses[MASKED]
    interval = paired.mean() + stats.sem(paired) * stats.t.ppf([0.025, 0.975], 79)
    assert row["difference"] == pytest.approx(paired.mean(), rel=1e-3, abs=1e-6)
    np.testing.assert_allclose(row[["low", "high"]].astype(float), interval, rtol=1e-3, atol=1e-6)


def test_the_row_of_the_rewired_masks_is_their_mean(binary):
    losses, _ = losses_again(binary)
    names = [f"{REWIRED} {r}" for r in range(1, N_REWIRED + 1)]
    means = losses[names].mean()
    np.testing.assert_allclose(binary.table.attrs["rewired"], means, rtol=1e-4)
    row = binary.table.loc[REWIRED]
    assert row["loss"] == pytest.approx(means.mean(), rel=1e-4)
    paired = losses[names].mean(axis=1) - losses[MASKED]
    assert row["high"] - row["low"] == pytest.approx(
        2 * stats.sem(paired) * stats.t.ppf(0.975, 79), rel=1e-3
    )


def test_p_annotation_counts_the_rewired_masks_at_least_as_good(binary):
    """The data were chosen so that none is, to see the smallest p: of about 18 simulated cases this
    alone reached it. It is no evidence that a true mask usually beats rewired ones."""
    table = binary.table
    better = sum(loss <= table.loc[MASKED, "loss"] for loss in table.attrs["rewired"])
    assert table.attrs["p_annotation"] == (1 + better) / (1 + N_REWIRED)
    assert table.attrs["p_annotation"] == 0.05
    assert table.index.tolist() == [MASKED, REWIRED, DENSE, LINEAR, FOREST, MEANS]


def test_the_sentence_says_it_both_ways():
    assert compare.annotation_sentence(0.048, 20).startswith(
        "The annotation is better than random masks of the same shape at predicting the outcome "
        "(p = 0.048, 20 rewired masks)."
    )
    said = compare.annotation_sentence(0.3333, 2)
    assert said.startswith("The annotation is not better than random masks of the same shape")
    assert "(p = 0.333, 2 rewired masks)" in said
    assert "anti-conservative" in said


def test_the_table_carries_its_sentence(regression):
    attrs = regression.table.attrs
    assert attrs["sentence"] == compare.annotation_sentence(attrs["p_annotation"], 2)


def test_with_subjects_each_counts_once():
    done = compared("binary", n_subjects=16, rewired=1, seeds=1, epochs=1)
    losses, _ = losses_again(done)
    subject = done.groups[np.concatenate(done.held)]
    paired = (losses[LINEAR] - losses[MASKED]).groupby(subject).mean()
    row = done.table.loc[LINEAR]
    assert row["difference"] == pytest.approx(paired.mean(), rel=1e-3)
    half = stats.sem(paired) * stats.t.ppf(0.975, 15)
    assert row["high"] - row["difference"] == pytest.approx(half, rel=1e-3)


# ---------------------------------------------------------------------------- leaks


def test_no_held_out_row_reaches_any_fit(monkeypatch):
    sim = simulated("binary")
    marked = sim.X.sort_index()
    seen = []

    def spy_network(self, fitted, watched, seeds, order_seed):
        seen.append(np.concatenate([fitted[0], watched[0]]))
        return np.ones(self.n_networks, int)

    def spy(cls):
        real = cls.fit

        def fit(self, X, y):
            seen.append(np.asarray(X))
            return real(self, X, y)

        monkeypatch.setattr(cls, "fit", fit)

    monkeypatch.setattr(StackTrainer, "fit", spy_network)
    spy(LogisticRegression)
    spy(RandomForestClassifier)
    bm.compare_models(MASK, sim.X, sim.y, **{**CALL, "rewired": 1, "seeds": 1})
    held = outer_folds(80, 2, CALL["random_state"], None, None)
    assert len(seen) == 10  # in each fold a stack, a dense network and three plain models
    for fold, of_fold in enumerate((seen[:5], seen[5:])):
        left = np.setdiff1d(np.arange(80), held[fold])
        Z = StandardScaler().fit(marked.iloc[left]).transform(marked)
        members = MASK.to_dense().to_numpy() / 10
        for rows in of_fold:
            scale = None if rows.shape[1] == 120 else (Z @ members)[left].std(axis=0)
            expected = Z if scale is None else Z @ members / scale
            distance = np.abs(rows[:, None] - expected[None]).max(axis=2)
            assert (distance.min(axis=1) < 1e-3).all(), "a row of no sample"
            assert sorted(distance.argmin(axis=1)) == left.tolist()


def test_a_training_part_with_one_class_is_predicted_as_it_is():
    rng = np.random.default_rng(0)
    part = blocks.Part(
        np.arange(4, 8),
        np.arange(4),
        np.arange(4),
        np.arange(0),
        rng.normal(size=(8, MASK.shape[0])).astype(np.float32),
        None,
    )
    plan = SimpleNamespace(
        mask=MASK,
        labels=np.array([1, 1, 1, 1, 0, 0, 1, 0]),
        settings=Settings("binary", None, "tanh", 1, 8, 1e-3, 0.0, 0.0),
        random_state=0,
    )
    for outputs in compare._baseline_outputs(plan, part).values():
        np.testing.assert_allclose(outputs, np.log(1 / 1e-3) * np.ones((4, 1)))


# ---------------------------------------------------------------------------- masks in a stack


def test_rewired_masks_have_exactly_the_sizes_and_degrees_of_the_mask(monkeypatch):
    sent = []

    class StopHereError(Exception):
        pass

    def collect(run, models, *rest):
        sent.append(models)
        raise StopHereError

    monkeypatch.setattr(compare, "run_jobs", collect)
    mask = decoy_mask(jaccard_index=0.5, n_decoys=3, n_pathways=8, size=6)
    sim = bm.simulate(mask, n_samples=20)
    with pytest.raises(StopHereError):
        bm.compare_models(mask, sim.X, sim.y, **CALL)
    stack, dense = sent[0].masks, sent[0].full
    assert stack[0] == mask
    assert len({other.digest for other in stack}) == 1 + N_REWIRED
    for other in stack[1:]:
        pd.testing.assert_series_equal(other.sizes(), mask.sizes())
        pd.testing.assert_series_equal(other.degrees(), mask.degrees())
    assert dense.density == 1


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_every_network_of_a_stack_equals_the_network_trained_alone(task, monkeypatch):
    monkeypatch.setattr(training, "MIN_STEPS", 4)
    monkeypatch.setattr(training, "PATIENCE", 8)  # 2 rounds of 4 steps
    masks, seeds = [MASK, MASK.rewire(1), MASK.rewire(2)], [3, 9]
    rng = np.random.default_rng(2)
    X = rng.normal(size=(60, 120)).astype(np.float32)
    X[:, :10] += rng.normal(size=(60, 1))  # the genes of "planted"
    y = X[:, :10].sum(axis=1) / 3
    y = (np.digitize(y, [-0.5, 0.5]) if task == "multiclass" else y > 0).astype(np.float32)
    Y = np.repeat(y[:, None], 6, axis=1)
    n_classes = 3 if task == "multiclass" else None
    settings = Settings(task, n_classes, "tanh", 24, 16, 0.01, 0.0, 1e-3)
    stack = StackTrainer(masks, settings, 2)
    stack.restart(seeds)
    head = stack._head.kernel.numpy().reshape(2, 3, 12, -1)
    steps = stack.fit((X[:30], Y[:30]), (X[30:], Y[30:]), seeds, 5)
    outputs = stack.outputs(X)
    for k, seed in enumerate(seeds):
        for m, mask in enumerate(masks):
            alone = bm.build_model(
                mask, task, n_classes, kernel_initializer=training.START, seed=seed
            )
            kernel, bias, _, head_bias = alone.get_weights()
            network = Network(mask.edge_index, kernel, bias, head[k, m], head_bias, task)
            best_step = train(
                network,
                (X[:30].astype(float), y[:30]),
                (X[30:].astype(float), y[30:]),
                order_seed=5,
                rounds=24,
                epochs_a_round=2,
                patience=2,
                batch_size=16,
                learning_rate=0.01,
                l2=1e-3,
            )
            assert steps[k * 3 + m] == best_step
            expected = network.output(network.hidden(X.astype(float)))
            np.testing.assert_allclose(outputs[:, k, m], expected, atol=1e-4)
    assert len(set(steps)) > 1, "all stop together: early stopping was not put to the test"


def small_stack(n_classes=None, **changes) -> tuple[StackTrainer, list[bm.Mask]]:
    """2 seeds on each of 3 masks of 5 genes x 4 pathways, which have 6, 7 and 8 edges."""
    rng = np.random.default_rng(0)
    masks = []
    for n_edges in (6, 7, 8):
        dense = rng.permutation(np.repeat([1, 0], [n_edges, 20 - n_edges])).reshape(5, 4)
        masks.append(bm.Mask.from_dense(pd.DataFrame(dense, list("abcde"), list("pqrs"))))
    task = "multiclass" if n_classes else "binary"
    settings = Settings(task, n_classes, "tanh", 1, 16, 0.01, 0.5, 0.1)
    return StackTrainer(masks, settings._replace(**changes), 2), masks


@pytest.mark.filterwarnings("ignore:.*no gene")
@pytest.mark.parametrize("n_classes", [None, 3])
def test_the_outputs_of_a_stack_are_those_of_each_network_alone(n_classes):
    """300 samples, of which 128 go together, without dropout."""
    stack, masks = small_stack(n_classes)
    rng = np.random.default_rng(1)
    X, C = rng.normal(size=(300, 5)).astype(np.float32), n_classes or 1
    edges, unit_bias = rng.normal(size=(21, 2)), rng.normal(size=(2, 12))
    head, bias = rng.normal(size=(2, 3, 4, C)), rng.normal(size=(2, 3, C))
    values = edges, unit_bias, head, bias
    shapes = [(21, 2), (2, 12), (2, 3, 4, C), (2, 3, C)]
    if not n_classes:
        shapes = [(21, 2), (2, 12), (2, 3, 4), (2, 3)]
    assert [tuple(v.shape) for v in stack.model.trainable_variables] == shapes
    for variable, value in zip(stack.model.trainable_variables, values, strict=True):
        variable.assign(value.reshape(variable.shape))
    found = stack.outputs(X)
    assert found.shape == (300, 2, 3, C)
    predicted = stack.model.predict(X, verbose=0)
    flags = np.arange(6) % 4 == 1  # networks 1 and 5: of seed 0 on mask 1, of seed 1 on mask 2
    shown = [np.broadcast_to(stack.flags(v, tf.constant(flags)), v.shape)
             for v in stack.model.trainable_variables]  # fmt: skip
    first = 0
    for m, mask in enumerate(masks):
        rows, cols = mask.edge_index
        part = slice(first, first + mask.n_edges)
        first = part.stop
        for k in range(2):
            kernel = np.zeros((5, 4))
            kernel[rows, cols] = edges[part, k]
            units = slice(4 * m, 4 * m + 4)
            z = np.tanh(X @ kernel + unit_bias[k, units]) @ head[k, m] + bias[k, m]
            np.testing.assert_allclose(found[:, k, m], z, rtol=1e-4, atol=1e-4)
            p = special.softmax(z, axis=1) if n_classes else special.expit(z[:, 0])
            np.testing.assert_allclose(predicted[:, k * 3 + m], p, rtol=1e-3, atol=1e-5)
            for flag in (shown[0][part, k], shown[1][k, units], shown[2][k, m], shown[3][k, m]):
                assert np.unique(flag).tolist() == [flags[k * 3 + m]]
    expected = 0.1 * ((edges**2).sum() + (head**2).sum())
    assert float(sum(stack.model.losses)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.filterwarnings("ignore:.*no gene")
def test_the_settings_of_a_stack():
    stack, _ = small_stack(l2=0.0, activation="relu", learning_rate=0.03)
    assert stack.model.losses == []
    assert float(stack.model.optimizer.learning_rate) == pytest.approx(0.03)
    assert stack.n_networks == 6
    assert stack.model.output_shape == (None, 6)
    rates = [layer.rate for layer in stack.model.layers if hasattr(layer, "rate")]
    assert rates == [0.5]
    X, out = np.ones((1, 5)), []
    for task in ("regression", "binary"):
        stack, _ = small_stack(task=task, activation="relu")
        stack.restart([1, 2])
        stack._layer.bias.assign(-100 * np.ones((2, 12)))  # relu: nothing is left of a unit
        stack._head.bias.assign(np.full((2, 3), -2.0))
        out.append(stack.model.predict(X, verbose=0)[0])
    np.testing.assert_allclose(out[0], [-2] * 6, rtol=1e-5)
    np.testing.assert_allclose(out[1], [1 / (1 + np.exp(2))] * 6, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:.*no gene")
@pytest.mark.parametrize("n_classes", [None, 3])
def test_a_stack_starts_as_its_seeds_say(n_classes):
    stack, masks = small_stack(n_classes)
    fitted = np.ones((6, 5), np.float32), np.tile([[0], [1]], (3, 6))
    stack.fit(fitted, fitted, [4, 5], 1)  # moves all weights, and the optimizer
    stack.restart([7, 8])
    edges, first = stack._layer.kernel.numpy(), 0
    for mask in masks:
        for k, seed in enumerate((7, 8)):
            alone = bm.build_model(mask, kernel_initializer=training.START, seed=seed)
            part = edges[first : first + mask.n_edges, k]
            np.testing.assert_allclose(part, alone.get_weights()[0], rtol=1e-6)
        first += mask.n_edges
    head = stack._head.kernel.numpy()
    limit = np.sqrt(6 / (4 + (n_classes or 1)))  # Glorot: 4 pathways in, so many outputs out
    assert 0.8 * limit < head.max() <= limit
    assert -limit <= head.min() < -0.8 * limit
    assert len(np.unique(head)) == head.size
    assert (stack._layer.bias.numpy() == 0).all()
    assert (stack._head.bias.numpy() == 0).all()
    rate, *state = sorted(stack.model.optimizer.variables, key=lambda v: v.name != "learning_rate")
    assert float(rate) == pytest.approx(0.01)
    assert state
    assert all((np.asarray(v) == 0).all() for v in state)
    stack.restart([8, 7])
    np.testing.assert_array_equal(stack._head.kernel.numpy(), head[::-1])


def test_stacked_masks_stand_side_by_side_and_warn_no_second_time():
    dense = pd.DataFrame(np.ones((2, 2)), ["a", "b"], ["p", "q"])
    with pytest.warns(BiomaskWarning):
        full = bm.Mask.from_dense(dense)
    one = bm.Mask.from_dense(pd.DataFrame([[0], [1]], ["a", "b"], ["p"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stacked = stack_masks([full, one, full])
        assert stack_masks([full, full]).density == 1
    assert stacked.pathways.tolist() == ["0: p", "0: q", "1: p", "2: p", "2: q"]
    assert stacked.to_dense().to_numpy().tolist() == [[1, 1, 0, 1, 1], [1, 1, 1, 1, 1]]


# ---------------------------------------------------------------------------- without training


class FakeStack:
    """Outputs are the number of the mask, ten times the seed's, and the first gene."""

    fits: ClassVar[list] = []

    def __init__(self, masks, settings, n_seeds):
        self.masks, self.settings, self.n_seeds = masks, settings, n_seeds
        self.n_networks = len(masks) * n_seeds

    def fit(self, *arguments):
        self.fits.append((self, *arguments))

    def outputs(self, X):
        grid = np.arange(len(self.masks)) + 10 * np.arange(self.n_seeds)[:, None]
        return (X[:, 0, None, None] + grid)[..., None]


def plan_and_part(task, rng):
    """16 samples of which 5 are held out, in a plan as far as it is looked at."""
    classes = 3 if task == "multiclass" else None
    settings = Settings(task, classes, "tanh", 1, 8, 1e-3, 0.0, 0.0)
    part = blocks.Part(
        held_out=np.arange(5),
        training=np.arange(5, 16),
        fitted=np.arange(5, 12),
        watched=np.arange(12, 16),
        X=rng.normal(size=(16, MASK.shape[0])).astype(np.float32),
        covariates=None,
    )
    labels = rng.normal(size=16) if task == "regression" else np.arange(16) % (classes or 2)
    plan = SimpleNamespace(
        mask=MASK, settings=settings, labels=labels.astype("f4"), random_state=3, seeds=[7, 8]
    )
    return plan, part


def test_every_network_of_a_fold_is_trained_on_the_same(monkeypatch):
    monkeypatch.setattr(compare, "StackTrainer", FakeStack)
    monkeypatch.setattr(FakeStack, "fits", [])
    monkeypatch.setattr(compare, "_baseline_outputs", lambda plan, part: {"a baseline": part})
    plan, part = plan_and_part("binary", np.random.default_rng(0))
    monkeypatch.setattr(compare, "split", lambda given, fold: part)
    masks, full = (MASK, MASK.rewire(1), MASK.rewire(2)), MASK.rewire(3)
    compare._stack.cache_clear()
    found = compare._fold_outputs(compare.Models(plan, masks, full), 4)
    compare._stack.cache_clear()
    assert list(found) == [MASKED, DENSE, f"{REWIRED} 1", f"{REWIRED} 2", "a baseline"]
    first = part.X[:5, :1]  # the mean of two seeds adds 5
    for name, number in [(MASKED, 0), (f"{REWIRED} 1", 1), (f"{REWIRED} 2", 2), (DENSE, 0)]:
        np.testing.assert_allclose(found[name], first + 5 + number, rtol=1e-6)
    assert [fit[0].masks for fit in FakeStack.fits] == [masks, (full,)]
    for stack, fitted, watched, seeds, order_seed in FakeStack.fits:
        assert (stack.settings, stack.n_seeds) == (plan.settings, 2)
        for given, rows in [(fitted, part.fitted), (watched, part.watched)]:
            np.testing.assert_array_equal(given[0], part.X[rows])
            assert given[1].shape == (len(rows), stack.n_networks)
            assert (given[1] == plan.labels[rows, None]).all()
        assert (seeds, order_seed) == ([7, 8], 304)


@pytest.fixture
def small_forests(monkeypatch):
    """Of 5 trees where there should be 500."""
    for kind in (RandomForestClassifier, RandomForestRegressor):
        monkeypatch.setattr(
            compare, kind.__name__, lambda trees, kind=kind, **more: kind(trees - 495, **more)
        )


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_models_without_a_network_are_those_of_scikit_learn(task, small_forests):
    plan, part = plan_and_part(task, np.random.default_rng(1))
    X, y = part.X, plan.labels[5:]
    means = np.stack(
        [X[:, MASK.genes.get_indexer(g)].mean(axis=1) for g in MASK.to_sets().values()]
    )
    scaled = (means / means[:, 5:].std(axis=1, keepdims=True)).T
    if task == "regression":
        linear, forest = (
            [Ridge(alpha=11), Ridge(alpha=11)],
            RandomForestRegressor(5, random_state=3),
        )
    else:
        linear = [LogisticRegression(C=0.01, max_iter=2000) for _ in range(2)]
        forest = RandomForestClassifier(5, random_state=3)
    found = compare._baseline_outputs(plan, part)
    assert list(found) == [LINEAR, FOREST, MEANS]
    for name, model, values in [
        (LINEAR, linear[0], X),
        (FOREST, forest, X),
        (MEANS, linear[1], scaled),
    ]:
        model.fit(values[5:], y)
        if task == "regression":
            expected = model.predict(values[:5])[:, None]
        else:
            logits = np.log(model.predict_proba(values[:5]).clip(1e-3))
            expected = logits if task == "multiclass" else logits[:, 1:] - logits[:, :1]
        np.testing.assert_allclose(found[name], expected, rtol=1e-3, atol=1e-4)


def test_a_pathway_that_never_varies_is_left_at_its_value(small_forests):
    plan, part = plan_and_part("regression", np.random.default_rng(1))
    part.X[:, :10] = 0  # the genes of the first pathway
    outputs = compare._baseline_outputs(plan, part)
    assert all(np.isfinite(found).all() for found in outputs.values())


def test_chances_become_logits():
    """A class that no training sample has gets the least chance there is, .001."""
    chances = np.array([[0.25, 0.75], [0, 1]])
    model = SimpleNamespace(
        classes_=np.array([0, 2]),
        predict_proba=lambda features: chances[: len(features)],
        predict=lambda features: features[:, 0] * 2,
    )
    settings = Settings("multiclass", 3, "tanh", 1, 8, 1e-3, 0.0, 0.0)
    found = compare._outputs_of(model, np.zeros((2, 1)), settings)
    np.testing.assert_allclose(found, np.log([[0.25, 1e-3, 0.75], [1e-3, 1e-3, 1]]))
    model.classes_ = np.array([0, 1])
    binary = settings._replace(task="binary", n_classes=None)
    found = compare._outputs_of(model, np.zeros((2, 1)), binary)
    np.testing.assert_allclose(found, np.log([[3], [1000]]))
    values = compare._outputs_of(model, np.ones((2, 1)), settings._replace(task="regression"))
    assert values.tolist() == [[2], [2]]


def test_losses_by_hand():
    y = np.array([0.0, 1, 1])
    logits = np.log([[3.0], [3], [1]])
    np.testing.assert_allclose(compare._losses(y, logits, "binary"), np.log([4, 4 / 3, 2]))
    found = compare._losses(y, np.array([[2.0], [1], [0]]), "regression")
    assert found.tolist() == [4, 0, 1]
    several = np.log([[1.0, 1, 2], [2, 1, 1], [1, 3, 4]])
    found = compare._losses(y, several, "multiclass")
    np.testing.assert_allclose(found, np.log([4, 4, 8 / 3]))


def fake_outputs(rng, n):
    names = [MASKED, DENSE, f"{REWIRED} 1", f"{REWIRED} 2", LINEAR, FOREST, MEANS]
    return {name: rng.normal(size=(n, 1)) for name in names}


@pytest.mark.parametrize("grouped", [False, True])
def test_a_table_of_outputs(grouped):
    rng = np.random.default_rng(0)
    y, outputs = rng.normal(size=12), fake_outputs(rng, 12)
    outputs[f"{REWIRED} 2"] = outputs[MASKED].copy()  # as good: that counts against the mask
    outputs[f"{REWIRED} 1"] = outputs[MASKED] + 9
    groups = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 4, 4]) if grouped else None
    table = compare._table(y, outputs, "regression", groups)
    assert table.index.tolist() == [MASKED, REWIRED, DENSE, LINEAR, FOREST, MEANS]
    assert table.index.name == "model"
    assert table.columns.tolist() == ["loss", "r2", "difference", "low", "high"]
    errors = {name: (y - out[:, 0]) ** 2 for name, out in outputs.items()}
    random = [errors.pop(f"{REWIRED} {r}") for r in (1, 2)]
    errors[REWIRED] = sum(random) / 2
    for name, row in table.iterrows():
        differ = errors[name] - errors[MASKED]
        if grouped:
            differ = np.array([differ[groups == g].mean() for g in range(5)])
        assert row["loss"] == pytest.approx(errors[name].mean())
        assert row["r2"] == pytest.approx(1 - errors[name].mean() / y.var())
        assert row["difference"] == pytest.approx(differ.mean())
        if name != MASKED:
            low, high = stats.t.interval(0.95, len(differ) - 1, differ.mean(), stats.sem(differ))
            assert row[["low", "high"]].tolist() == pytest.approx([low, high])
    assert table.attrs == {
        "p_annotation": 2 / 3,
        "sentence": compare.annotation_sentence(2 / 3, 2),
        "rewired": pytest.approx([random[0].mean(), random[1].mean()]),
    }


def test_a_table_of_classes_has_their_scores():
    rng = np.random.default_rng(0)
    table = compare._table(np.arange(12) % 2, fake_outputs(rng, 12), "binary", None)
    assert table.columns.tolist() == ["loss", "accuracy", "auc", "difference", "low", "high"]


def test_one_in_twenty_is_better():
    assert compare.annotation_sentence(0.05, 19).startswith("The annotation is better than")
    assert compare.annotation_sentence(0.0501, 19).startswith("The annotation is not better")


def sent_off(monkeypatch, **given):
    """What a call sends to its folds, and the table of what comes back, the last fold first."""
    sent, rng = [], np.random.default_rng(0)
    width = np.ones(3 if given.get("task") == "multiclass" else 1)

    def collect(run, models, jobs, n_jobs, bar):
        sent.append((models, list(jobs), bar))
        bar.refresh()
        names = list(fake_outputs(rng, 0))
        for (fold,) in reversed(sent[0][1]):
            held = models.plan.held_out[fold]
            yield fold, {name: held[:, None] * width * (k + 1) / 9 for k, name in enumerate(names)}

    monkeypatch.setattr(compare, "run_jobs", collect)
    sim = simulated(given.get("task", "binary"), given.pop("n_subjects", None))
    table = bm.compare_models(MASK, sim.X, sim.y, groups=sim.groups, **{**CALL, **given})
    return sim, *sent[0], table


def test_every_sample_is_compared_with_its_own_label(monkeypatch, capsys):
    sim, _, jobs, bar, table = sent_off(
        monkeypatch, n_subjects=16, rewired=2, task="regression", folds=3
    )
    assert jobs == [(0,), (1,), (2,)]
    assert bar.total == 3
    assert capsys.readouterr().err == ""
    y = sim.y.sort_index().to_numpy()
    y = (y - y.mean()) / y.std()
    position = np.arange(80)
    errors = [(y - position * (k + 1) / 9) ** 2 for k in range(7)]
    np.testing.assert_allclose(table.loc[MASKED, "loss"], errors[0].mean(), rtol=1e-5)
    np.testing.assert_allclose(table.loc[MEANS, "loss"], errors[6].mean(), rtol=1e-5)
    subjects = pd.Series(errors[6] - errors[0]).groupby(sim.groups.sort_index().to_numpy()).mean()
    np.testing.assert_allclose(table.loc[MEANS, "difference"], subjects.mean(), rtol=1e-5)


def test_what_is_asked_for_is_what_is_sent(monkeypatch, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error", BiomaskWarning)
        _, models, _, _, _ = sent_off(
            monkeypatch, rewired=2, seeds=3, progress=True, activation="relu", learning_rate=0.02
        )
    plan = models.plan
    assert plan.settings == Settings("binary", None, "relu", 30, 32, 0.02, 0.2, 0.1)
    assert plan.seeds == [3000, 3001, 3002]
    assert plan.random_state == 3
    assert plan.vectors.shape == (1, 80)
    assert models.masks == (MASK, MASK.rewire(30_001), MASK.rewire(30_002))
    assert models.full.to_dense().to_numpy().tolist() == np.ones(MASK.shape).tolist()
    assert models.full.genes.equals(MASK.genes)
    assert models.full.pathways.equals(MASK.pathways)
    shown = capsys.readouterr().err
    assert "folds:   0%" in shown
    assert "0/2" in shown
    assert "fold/s" in shown
    _, models, _, _, _ = sent_off(monkeypatch, task="multiclass", rewired=2, random_state=0)
    assert models.plan.settings.n_classes == 3


def test_samples_of_a_stratum_are_spread_over_the_folds(monkeypatch):
    sent = []
    monkeypatch.setattr(compare, "make_plan", lambda mask, samples, *rest: sent.append(samples))
    sim, strata = simulated("binary"), np.arange(80) % 4
    with pytest.raises(AttributeError):  # there is no plan
        bm.compare_models(MASK, sim.X, sim.y, strata=strata, **CALL)
    assert sorted(set(sent[0].strata)) == [0, 1, 2, 3]


def test_defaults_are_those_of_crossfit():
    defaults = {
        name: one.default for name, one in inspect.signature(bm.compare_models).parameters.items()
    }
    crossfit = inspect.signature(bm.crossfit).parameters
    own = {name: value for name, value in defaults.items() if value != crossfit_of(crossfit, name)}
    assert own == {"seeds": 3, "rewired": 20}


def crossfit_of(parameters, name):
    return parameters[name].default if name in parameters else None


# ---------------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rewired": 0}, "rewired must be a whole number of at least 1. Received: rewired=0"),
        ({"seeds": 0}, "seeds must be a whole number of at least 1"),
        ({"folds": 1}, "folds must be between 2 and"),
        ({"task": "ranking"}, "task must be one of"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_by_name(given, message):
    sim = simulated("binary")
    with pytest.raises(ArgumentError, match=message):
        bm.compare_models(MASK, sim.X, sim.y, **{**CALL, **given})


@pytest.mark.parametrize(
    ("given", "code", "problem"),
    [
        ({"folds": 0}, "E-ARGUMENT",
         "folds must be a whole number of at least 1. Received: folds=0"),
        ({"epochs": 0}, "E-ARGUMENT",
         "epochs must be a whole number of at least 1. Received: epochs=0"),
        ({"batch_size": 0}, "E-ARGUMENT",
         "batch_size must be a whole number of at least 1. Received: batch_size=0"),
        ({"random_state": -1}, "E-ARGUMENT",
         "random_state must be a whole number of at least 0. Received: random_state=-1"),
        ({"task": "autoencoder"}, "E-TASK",
         "compare_models compares predictions of y, and an autoencoder makes none. Received: "
         "task='autoencoder'"),
        ({"task": "survival"}, "E-TASK",
         "compare_models has no task 'survival': most of what it compares with has no partial "
         "likelihood"),
    ],
)  # fmt: skip
def test_calls_that_make_no_sense_are_refused(given, code, problem):
    sim = simulated("binary")
    with pytest.raises(ArgumentError) as caught:
        bm.compare_models(MASK, sim.X, sim.y, **{**CALL, **given})
    assert (caught.value.problem, caught.value.code) == (problem, code)


def test_a_hierarchy_is_refused():
    mask = bm.Mask.from_sets({"a": ["g0"], "b": ["g1"], "top": ["g0", "g1"]})
    parents = pd.DataFrame({"child": ["a", "b"], "parent": ["top", "top"]})
    with pytest.raises(ArgumentError) as caught:
        bm.compare_models(bm.Hierarchy.from_sets(mask, parents), None, None)
    assert caught.value.problem == "compare_models compares masks, and received a Hierarchy"
    assert caught.value.code == "E-ARGUMENT"


def test_data_on_disk_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(backed, "IN_MEMORY", 0)
    sim = simulated("binary")
    with pytest.raises(bm.DataError, match=r"^compare_models needs X in memory"):
        bm.compare_models(MASK, on_disk(sim.X, "h5ad dense", tmp_path), sim.y, epochs=1, rewired=1)
