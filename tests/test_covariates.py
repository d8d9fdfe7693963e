"""Covariates beside the mask: in the head, in place under ablation, and in the null."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from reference_network import Network
from scipy import stats
from sklearn.preprocessing import StandardScaler

import biomask as bm
from biomask.errors import ArgumentError, BiomaskWarning, DataError, StorageError
from biomask.inference import assembly, conditional, crossfit
from biomask.inference.blocks import read_arrays
from biomask.inference.conditional import attainable, conditional_labels, label_vectors
from biomask.inference.labels import read_samples
from biomask.inference.permutation import permute_labels
from biomask.networks.heads import covariate_head
from biomask.networks.models import restart

CALL = {"folds": 2, "seeds": 1, "permutations": 2, "epochs": 6, "learning_rate": 1e-2}
CALL |= {"dropout": 0.0, "progress": False}


@pytest.fixture(scope="module")
def mask():
    return bm.Mask.from_sets({f"P{p}": [f"g{3 * p + k:02d}" for k in range(3)] for p in range(4)})


def problem(mask, task="binary", n=60, seed=0, link=1.5):
    """y depends on age alone, and so do the genes of P0."""
    rng = np.random.default_rng(seed)
    names = [f"s{i:02d}" for i in range(n)]
    age = rng.normal(size=n)
    X = rng.normal(size=(n, mask.shape[0]))
    X[:, mask.genes.isin(mask.to_sets()["P0"])] += age[:, None]
    y = link * age + (rng.normal(size=n) if task == "regression" else rng.logistic(size=n))
    y = y if task == "regression" else np.digitize(y, [0] if task == "binary" else [-1, 1])
    frame = pd.DataFrame({"age": age, "sex": np.where(rng.random(n) < 0.5, "f", "m")}, index=names)
    X = pd.DataFrame(X.astype(np.float32), index=names, columns=mask.genes)
    return X, pd.Series(y, index=names), frame


# ------------------------------------------------------------------------ the model


def inputs(mask, n=48):
    rng = np.random.default_rng(3)
    return {
        "genes": rng.normal(size=(n, mask.shape[0])).astype(np.float32),
        "covariates": rng.normal(size=(n, 2)).astype(np.float32),
    }


def trained(mask, task="binary", **arguments):
    n_classes = 3 if task == "multiclass" else None
    model = bm.build_model(
        mask, task, n_classes, learning_rate=0.05, covariates=["age", "batch=B"], **arguments
    )
    x = inputs(mask)
    score = x["genes"][:, 0] + 2 * x["covariates"][:, 0]
    cuts = {"binary": [0], "multiclass": [-1, 1]}.get(task)
    y = score if cuts is None else np.digitize(score, cuts)
    model.fit(x, y, epochs=4, batch_size=16, verbose=0, shuffle=False)
    return model, x


def test_covariates_are_added_to_the_head_and_to_nothing_else(mask):
    model, x = trained(mask, seed=1)
    pathways, head = model.get_layer("pathways"), model.get_layer("head")
    hidden = np.tanh(x["genes"] @ pathways.dense_kernel() + pathways.bias.numpy())
    beside = covariate_head(model).kernel.numpy()
    assert beside.shape == (1, 2, 1)
    assert np.abs(beside).min() > 0.01
    logit = hidden @ head.kernel.numpy() + head.bias.numpy() + x["covariates"] @ beside[0]
    np.testing.assert_allclose(model(x), 1 / (1 + np.exp(-logit)), atol=1e-6)
    assert model.count_params() == 12 + 4 + 4 + 1 + 2  # edges, biases, head, its bias, covariates
    turned = {name: x[name] for name in ("covariates", "genes")}
    np.testing.assert_array_equal(model.predict(turned, verbose=0), model.predict(x, verbose=0))
    activity = bm.pathway_activity(model, pd.DataFrame(x["genes"], columns=mask.genes))
    np.testing.assert_allclose(activity, hidden, atol=1e-6)
    shares = bm.gene_attributions(model, pd.DataFrame(x["genes"], columns=mask.genes))
    at_zero = np.tanh(pathways.bias.numpy()) @ head.kernel.numpy()
    expected = (hidden @ head.kernel.numpy() - at_zero)[:, 0]
    np.testing.assert_allclose(shares.sum(axis=1), expected, atol=1e-4)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_replicates_are_the_networks_trained_alone(mask, task, tmp_path):
    together, x = trained(mask, task, replicates=2, seed=[4, 9], dropout=0.0)
    outputs = together.predict(x, verbose=0)
    alone, taken = trained(mask, task, seed=9)[0](x).numpy(), bm.take_replicate(together, 1)
    assert covariate_head(taken).names == ["age", "batch=B"]
    np.testing.assert_allclose(taken(x), alone, atol=2e-5)
    np.testing.assert_allclose(outputs[:, 1].reshape(alone.shape), alone, atol=2e-5)
    bm.save_model(together, tmp_path / "m.keras")
    loaded = bm.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), outputs)
    assert covariate_head(loaded).names == ["age", "batch=B"]


def test_a_restart_forgets_the_covariates(mask):
    model, x = trained(mask, seed=1)
    restart(model, [2])
    fresh = bm.build_model(mask, covariates=2, seed=2)
    np.testing.assert_array_equal(model(x), fresh(x))
    assert covariate_head(fresh).names == ["covariate_0", "covariate_1"]


@pytest.mark.parametrize("wrong", [0, -1, True, "age", ["a", "a"], [""], [1, 2], []])
def test_covariates_need_a_number_or_names(mask, wrong):
    with pytest.raises(ArgumentError, match="covariates must be a whole number of at least 1"):
        bm.build_model(mask, covariates=wrong)


# ------------------------------------------------------------------------ the samples


def test_covariates_are_matched_by_name_and_categories_become_columns(mask):
    X, y, frame = problem(mask)
    frame["batch"] = pd.Categorical(["c", "a", "b"] * 20, categories=["z", "b", "c", "a"])
    frame["ill"] = [True, False] * 30
    found = read_samples(mask, X, y, "binary", covariates=frame.sample(frac=1, random_state=1))
    assert found.covariates.columns.tolist() == ["age", "batch=b", "batch=c", "ill=True", "sex=m"]
    assert found.covariates.index.equals(found.X.index)
    assert found.covariates["age"].to_dict() == frame["age"].to_dict()
    assert found.covariates["batch=c"].to_dict() == (frame["batch"] == "c").astype(float).to_dict()
    assert found.covariates["sex=m"].sum() == (frame["sex"] == "m").sum()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop("s03"), "covariate 'age' has no entry for 1 of 60 samples"),
        (lambda f: f.assign(age=f["age"].where(f.index != "s07")), "'age' is missing for 1 .*s07"),
        (lambda f: f.assign(age=np.inf * f["age"]), "covariate 'age' is infinite for 60"),
        (lambda f: f.assign(age=1), "covariate 'age' is 1 for every sample"),
        (lambda f: f.to_numpy(), "covariates must be a DataFrame"),
        (lambda f: f.set_axis(["a", "a"], axis=1), "covariates are repeated: 'a'"),
    ],
)
def test_unusable_covariates_are_named(mask, change, message):
    X, y, frame = problem(mask)
    with pytest.raises((ArgumentError, DataError), match=message):
        read_samples(mask, X, y, "binary", covariates=change(frame))


# ------------------------------------------------------------------------ the label vectors


def test_chains_reach_each_permutation_with_its_probability():
    """4 units of 3 classes: 12 label vectors, against their exact probabilities."""
    rng = np.random.default_rng(0)
    logp = np.log(rng.dirichlet([1, 1, 1], size=4))
    start = np.array([0, 1, 2, 2])
    block = np.zeros(4, int)
    pairs = [conditional._pairs(block, rng) for _ in range(40)]
    drawn = conditional._chain(np.repeat(start[None], 40_000, axis=0), logp, pairs, rng)
    vectors = sorted(set(itertools.permutations(start.tolist())))
    weight = np.array([np.exp(logp[np.arange(4), vector].sum()) for vector in vectors])
    expected = weight / weight.sum()
    share = [(drawn == vector).all(axis=1).mean() for vector in vectors]
    assert len(vectors) == 12
    np.testing.assert_allclose(share, expected, atol=0.01)


@pytest.mark.parametrize("of_four", [0, 2])  # the first block or the last one
def test_every_unit_of_a_block_is_paired_but_one_of_an_odd_one(of_four):
    rng = np.random.default_rng(0)
    block = np.abs(np.array([2, 0, 0, 2, 1, 2, 0, 0, 2, 2]) - of_four)  # and of 1 and 5
    seen = set()
    for _ in range(200):
        left, right = conditional._pairs(block, rng)
        assert (block[left] == block[right]).all()
        paired = np.concatenate([left, right])
        assert len(set(paired)) == len(paired)
        assert np.bincount(block[paired], minlength=3).tolist() == [4, 0, 4]
        seen |= {frozenset(pair) for pair in zip(left.tolist(), right.tolist(), strict=True)}
    assert len(seen) == 10 + 6  # every pair there can be


def test_label_vectors_keep_what_the_labels_owe_to_a_covariate(mask):
    X, y, frame = problem(mask, n=200, link=1.5)
    samples = read_samples(mask, X, y, "binary", covariates=frame)
    vectors = label_vectors(samples, "binary", 99, 0)
    age = samples.covariates["age"].to_numpy()
    assert (vectors[0] == samples.numbers).all()
    assert (vectors.sum(axis=1) == vectors[0].sum()).all()
    link = np.array([np.corrcoef(row, age)[0, 1] for row in vectors])
    assert abs(link[1:].mean() - link[0]) < 0.05
    assert link[0] > 0.4
    free = samples.numbers[permute_labels(samples.numbers, 99, 0, task="binary")]
    assert abs(np.mean([np.corrcoef(row, age)[0, 1] for row in free])) < 0.05
    assert (vectors[1:] != vectors[0]).sum(axis=1).min() > 20


def test_classes_move_inside_strata_and_subjects_as_a_whole(mask):
    rng = np.random.default_rng(2)
    subject = np.repeat(np.arange(60), 3)
    age = rng.normal(size=60)[subject]
    y = (rng.normal(size=60) > 0).astype(int)[subject]
    strata = (np.arange(60) % 2)[subject]
    drawn = conditional_labels(y, age[:, None], 30, 0, groups=subject, strata=strata)
    for row in drawn:
        assert (pd.Series(row).groupby(subject).nunique() == 1).all()
        assert row[strata == 0].sum() == y[strata == 0].sum()
    assert (drawn[1:] != y).any(axis=1).all()


def test_what_cannot_be_permuted_given_covariates():
    rng = np.random.default_rng(0)
    age, y = rng.normal(size=(40, 1)), np.arange(40) % 2
    with pytest.raises(DataError, match="labels that vary within subjects"):
        conditional_labels(y, age, 5, 0, groups=np.arange(40) // 2)
    with pytest.raises(DataError, match="a covariate varies within subjects"):
        conditional_labels(np.arange(40) // 2 % 2, age, 5, 0, groups=np.arange(40) // 2)
    with pytest.raises(DataError, match="the covariates determine the labels"):
        conditional_labels(y, y[:, None] + 0.0, 5, 0)
    with pytest.warns(BiomaskWarning, match="40 samples .* are few for 5 covariates and strata"):
        conditional_labels(y, rng.normal(size=(40, 5)), 5, 0)


def test_covariates_that_nearly_determine_the_labels_are_noted(mask):
    X, _, frame = problem(mask)
    y = (frame["age"] > 0).astype(int)
    samples = read_samples(mask, X, y, "binary", covariates=frame[["sex"]])
    vectors = np.repeat(samples.numbers[None], 20, axis=0)
    vectors[2:, :2] = [[0, 1]]
    vectors[2:, :2] = 1 - vectors[0, :2]
    assert "1 of the 19 label vectors drawn are the real one" in attainable(
        samples, "binary", vectors
    )
    assert attainable(samples, "binary", label_vectors(samples, "binary", 39, 0)) == ""


def test_residuals_are_permuted_for_regression(mask):
    X, y, frame = problem(mask, "regression")
    samples = read_samples(mask, X, 50 + 10 * y, "regression", covariates=frame[["age"]])
    vectors = label_vectors(samples, "regression", 19, 0)
    np.testing.assert_array_equal(vectors[0], samples.numbers)
    age = samples.covariates["age"].to_numpy()
    slope, intercept = stats.linregress(age, samples.numbers)[:2]
    residual = vectors - intercept - slope * age
    for row in residual[1:]:
        np.testing.assert_allclose(np.sort(row), np.sort(residual[0]), atol=1e-5)
        assert np.abs(row - residual[0]).max() > 0.1
    exact = read_samples(mask, X, 3 + 2 * frame["age"], "regression", covariates=frame[["age"]])
    with pytest.raises(DataError, match="explained by the covariates alone"):
        label_vectors(exact, "regression", 5, 0)


# ------------------------------------------------------------------------ the cross-fit


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_effects_are_those_of_the_definition_with_the_covariates_in_place(
    mask, task, tmp_path, monkeypatch
):
    monkeypatch.setattr(assembly, "LEVEL", 1.0)  # the edges of every pathway
    X, y, frame = problem(mask, task)
    shuffled = frame.sample(frac=1, random_state=3)
    study = bm.crossfit(
        mask, X, y, task, covariates=shuffled, checkpoint=tmp_path, random_state=1, **CALL
    )
    samples = read_samples(mask, X, y, task, covariates=frame)
    vectors = label_vectors(samples, task, CALL["permutations"], 1)
    fold_of = study.predictions["fold"].to_numpy()
    X, C = samples.X.to_numpy(np.float64), samples.covariates.to_numpy()
    T, edges = np.zeros((3, 4)), np.zeros((3, 12))
    for fold in (0, 1):
        held = fold_of == fold
        Z, D = (StandardScaler().fit(part[~held]).transform(part) for part in (X, C))
        arrays = read_arrays(tmp_path / f"fold{fold:02d}_labels00000.zip")
        arrays |= read_arrays(tmp_path / f"fold{fold:02d}_labels00000_units.zip")
        for b in range(3):
            beside = D[held] @ arrays["covariates"][b]
            weights = (arrays["unit_bias"][b], arrays["head"][b], arrays["head_bias"][b])
            network = Network(mask.edge_index, arrays["edges"][:, b], *weights, task)
            full, labels = network.hidden(Z[held]), vectors[b][held]
            loss = loss_of(network, full, beside, labels)
            means = network.hidden(Z[~held]).mean(axis=0)
            for p in range(4):
                without = full.copy()
                without[:, p] = means[p]
                T[b, p] += (loss_of(network, without, beside, labels) - loss) / len(y)
            for e, (gene, pathway) in enumerate(zip(*mask.edge_index, strict=True)):
                cut, without = Z[held].copy(), full.copy()
                cut[:, gene] = Z[~held][:, gene].mean()
                without[:, pathway] = network.hidden(cut)[:, pathway]
                edges[b, e] += (loss_of(network, without, beside, labels) - loss) / len(y)
        if task == "regression":
            predicted = network_output(arrays, mask, Z[held]) + D[held] @ arrays["covariates"][0]
            predicted = predicted[:, 0] * y.std(ddof=0) + y.mean()  # in the units of y
            np.testing.assert_allclose(
                study.predictions["prediction"][held], predicted, rtol=1e-3, atol=1e-4
            )
    np.testing.assert_allclose(study.pathways["effect"], T[0], rtol=1e-3, atol=2e-6)
    np.testing.assert_allclose(study.null, T[1:], rtol=1e-3, atol=2e-6)
    np.testing.assert_allclose(study.edges["effect"], edges[0], rtol=1e-3, atol=2e-6)
    assert study.settings["covariates"] == ["age", "sex=m"]
    bm.report(study, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text("utf-8")
    assert "Covariates (age, sex=m)" in text
    assert ("Freedman &amp; Lane 1983" in text) == (task == "regression")
    assert "covariates=covariates" in text
    changed = frame.assign(age=frame["age"] * 2)
    with pytest.raises(StorageError, match="covariate_values"):
        bm.crossfit(
            mask,
            *problem(mask, task)[:2],
            task,
            covariates=changed,
            checkpoint=tmp_path,
            random_state=1,
            **CALL,
        )


def network_output(arrays, mask, Z):
    weights = (arrays["unit_bias"][0], arrays["head"][0], arrays["head_bias"][0])
    network = Network(mask.edge_index, arrays["edges"][:, 0], *weights, "regression")
    return network.output(network.hidden(Z))


def loss_of(network, hidden, beside, y) -> float:
    """Summed over the samples."""
    found = network.probabilities(network.output(hidden) + beside)
    if network.task == "regression":
        return np.sum((y - found[:, 0]) ** 2)
    return -np.sum(np.log(found[np.arange(len(y)), y.astype(int)]))


def free(samples, task, n_permutations, rng):
    """Labels permuted as if there were no covariates."""
    y = samples.numbers
    return np.vstack([y, y[permute_labels(y, n_permutations, rng, task=task)]])


@pytest.mark.parametrize(("task", "wrong"), [("binary", "free"), ("regression", "without")])
def test_a_pathway_that_follows_a_covariate_is_no_discovery(task, wrong, monkeypatch):
    """The guard: labels permuted freely, or no covariates, find what is not there."""
    mask = bm.Mask.from_sets({f"P{p}": [f"g{5 * p + k}" for k in range(5)] for p in range(8)})
    call = {**CALL, "permutations": 19, "epochs": 12, "dropout": 0.5}
    rejected = {"given": 0, wrong: 0}
    for number in range(4):
        X, y, frame = problem(mask, task, n=100, seed=number, link=2.0)
        for kind in rejected:
            monkeypatch.setattr(
                crossfit, "label_vectors", free if kind == "free" else label_vectors
            )
            age = None if kind == "without" else frame[["age"]]
            study = bm.crossfit(mask, X, y, task, covariates=age, random_state=number, **call)
            rejected[kind] += int(study.pathways.loc["P0", "p"] <= 0.05)
    assert rejected["given"] <= 1  # of 4: 2 or more come with probability .014
    assert rejected[wrong] >= 2  # as improbable where the test is right
