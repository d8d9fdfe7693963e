"""Covariates beside the mask: in the head, in place under ablation, and in the null."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
from reference_network import Network
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

import biomask as bm
from biomask.errors import ArgumentError, BiomaskWarning, DataError, StorageError
from biomask.inference import assembly, conditional, crossfit
from biomask.inference.blocks import read_arrays
from biomask.inference.conditional import attainable, conditional_labels, label_vectors
from biomask.inference.covariates import covariate_columns, covariate_numbers
from biomask.inference.crossfit import make_plan
from biomask.inference.exchange import Exchange
from biomask.inference.labels import read_samples
from biomask.inference.permutation import freedman_lane, permute_labels
from biomask.inference.training import Settings
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


def test_covariates_by_name():
    frame = pd.DataFrame({7: [1, 2], "b": ["x", "y"]}, index=["s", "t"])
    found = covariate_columns(frame)
    assert list(found) == ["7", "b"]
    assert found["7"].to_dict() == {"s": 1, "t": 2}
    assert found["b"].to_dict() == {"s": "x", "t": "y"}
    assert list(covariate_columns(frame["b"])) == ["b"]


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (pd.Series([1, 2, 3]), "received Series of shape (3,)"),
        (pd.DataFrame(index=range(3)), "received DataFrame of shape (3, 0)"),
        (np.ones((3, 2)), "received ndarray of shape (3, 2)"),
    ],
)
def test_covariates_are_a_table(wrong, problem):
    with pytest.raises(ArgumentError) as caught:
        covariate_columns(wrong)
    assert caught.value.problem == (
        f"covariates must be a DataFrame (samples x covariates), {problem}"
    )
    assert caught.value.code == "E-COVARIATES"


def test_repeated_covariates_are_named_once():
    with pytest.raises(ArgumentError) as caught:
        covariate_columns(pd.DataFrame(np.ones((2, 6)), columns=[1, "1", "b", "a", "a", "a"]))
    assert caught.value.problem == "covariates are repeated: '1', 'a'"
    assert caught.value.code == "E-COVARIATES"


def test_covariates_as_numbers():
    index = ["s", "t", "u"]
    columns = {
        "sex": pd.Series(["m", "f", "m"], index),
        "age": pd.Series([3, 1, 2], index),
        "ill": pd.Series([True, False, False], index),
        "Site": pd.Categorical(["c", "a", "b"], categories=["z", "c", "b", "a"]),
    }
    columns["Site"] = pd.Series(columns["Site"], index)
    expected = {
        "Site=b": [0.0, 0, 1],
        "Site=c": [1.0, 0, 0],
        "age": [3.0, 1, 2],
        "ill=True": [1.0, 0, 0],
        "sex=m": [1.0, 0, 1],
    }
    pd.testing.assert_frame_equal(covariate_numbers(columns), pd.DataFrame(expected, index))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ([0.5] * 5, "covariate 'c' is 0.5 for every sample"),
        (["a"] * 5, "covariate 'c' is a for every sample"),
        ([1, np.inf, 2, 3, 4], "covariate 'c' is infinite for 1 samples, such as 't'"),
        (
            [-np.inf, np.inf, np.inf, 3, np.inf],
            "covariate 'c' is infinite for 4 samples, such as 's', 't', 'u' and 1 more",
        ),
    ],
)
def test_covariates_that_cannot_be_numbers(values, problem):
    with pytest.raises(DataError) as caught:
        covariate_numbers({"c": pd.Series(values, list("stuvw"))})
    assert caught.value.problem == problem
    assert caught.value.code == "E-COVARIATES"


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


def walked(labels, pairs, logp, rng):
    """Chains of swaps, a row each, one pair at a time."""
    labels = [list(row) for row in labels]
    for left, right in pairs:
        for row in labels:
            for i, j in zip(left, right, strict=True):
                swapped, kept = logp[i, row[j]] + logp[j, row[i]], logp[i, row[i]] + logp[j, row[j]]
                if rng.random() < 1 / (1 + np.exp(kept - swapped)):
                    row[i], row[j] = row[j], row[i]
    return np.array(labels)


def fit_again(design, y):
    return LogisticRegression(C=100, max_iter=5000).fit(design, y).predict_log_proba(design)


def test_vectors_are_those_of_the_paper():
    """50 steps back to a common origin, and the same 50 steps forth to each vector."""
    rng = np.random.default_rng(5)
    c, stratum = rng.normal(size=(50, 2)) * [1, 30] + [5, 0], np.arange(50) % 4 // 2 + 7
    code = (c[:, 0] + rng.normal(size=50) > 5).astype(int)
    design = np.column_stack([(c - c.mean(axis=0)) / c.std(axis=0), stratum == 8])
    logp, draws = fit_again(design, code), np.random.default_rng(3)
    pairs = [conditional._pairs(stratum - 7, draws) for _ in range(50)]
    origin = walked([code], pairs[::-1], logp, draws)
    drawn = walked(np.repeat(origin, 3, axis=0), pairs, logp, draws)
    y = np.array([4, 9])[code]
    found = conditional_labels(y.tolist(), c.astype(object), 3, 3, strata=stratum)
    np.testing.assert_array_equal(found, np.vstack([y, np.array([4, 9])[drawn]]))
    np.testing.assert_array_equal(conditional_labels(y, c, 0, 3), [y])


def test_labels_given_covariates_are_a_logistic_regression_inside_strata():
    rng = np.random.default_rng(1)
    c, block = rng.normal(size=(60, 2)) * [1, 1000] + [50, 0], np.arange(60) % 3
    code = np.digitize(c[:, 0] - 50 + rng.normal(size=60) / 2, [-1, 1])
    units = Exchange(np.arange(60), np.arange(60), block, code)
    scaled = (c - c.mean(axis=0)) / c.std(axis=0)
    design = np.column_stack([scaled, block == 1, block == 2])
    expected = fit_again(design, code)
    np.testing.assert_allclose(conditional._log_probabilities(units, c), expected, rtol=1e-6)
    constant = np.column_stack([c, np.ones(60)])
    found = conditional._log_probabilities(units, constant)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_collinear_covariates_are_fitted_to_the_end():
    """Scikit-learn takes 172 steps, and stops after a hundred unless told."""
    rng = np.random.default_rng(0)
    y = np.digitize(np.sin(3 * rng.normal(size=100)), [-0.5, 0.5])
    c = rng.normal(size=(100, 9)) / np.arange(1, 10) ** 3 @ rng.normal(size=(9, 9))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        conditional_labels(y, c, 1, 0)


def test_ten_samples_for_each_column_are_enough(mask):
    X, y, frame = problem(mask, n=40)
    frame = frame.assign(batch=np.tile(["a", "b"], 20), site=np.repeat(["x", "y"], 20))
    settings = Settings("binary", None, "tanh", 1, 64, 1e-3, 0.5, 1e-3)

    def plan_of(n):  # as deep as crossfit
        samples = read_samples(mask, X[:n], y[:n], "binary", covariates=frame[:n])
        return make_plan(mask, samples, settings, 2, 1, 2, 0)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plan_of(40)
    with pytest.warns(BiomaskWarning) as caught:
        plan_of(39)
    assert [w.filename for w in caught] == [__file__]
    assert str(caught[0].message) == (
        "39 samples (or subjects) are few for 4 covariates and strata: the permutation given "
        "covariates is only as good as the fit of the labels on them. Leave some out, or join "
        "categories."
    )


def test_label_vectors_without_covariates(mask):
    X, _, _ = problem(mask, n=6)
    samples = read_samples(mask, X, [0, 1, 0, 1, 0, 1], "binary")
    vectors = label_vectors(samples, "binary", 100, 0)
    assert vectors.dtype == np.float32
    assert vectors[0].tolist() == [0, 1, 0, 1, 0, 1]
    # 20 ways to deal 3 against 3, of which two each differ in the names of the classes only
    assert len({tuple(row) for row in np.vstack([vectors, 1 - vectors])}) == 20
    assert len(vectors) == 10


def test_times_are_not_permuted_given_covariates(mask):
    X, _, frame = problem(mask)
    y = np.column_stack([np.arange(60) + 1.0, np.ones(60)])
    samples = read_samples(mask, X, y, "survival", covariates=frame)
    with pytest.raises(ArgumentError) as caught:
        label_vectors(samples, "survival", 5, 0)
    assert caught.value.problem == (
        "covariates go with classes and regression: times cannot yet be permuted given them"
    )
    assert caught.value.code == "E-COVARIATES"


def test_the_vectors_of_a_regression_are_those_of_freedman_and_lane(mask):
    X, y, frame = problem(mask, "regression")
    strata = np.arange(60) % 2
    samples = read_samples(mask, X, y * 7 + 3, "regression", None, strata, frame)
    found = label_vectors(samples, "regression", 9, 4)
    standard = (y - y.mean()) / y.std(ddof=0)
    expected = freedman_lane(standard, samples.covariates, 9, 4, None, strata)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_attainable_counts_the_vectors_that_are_the_real_one(mask):
    X, y, frame = problem(mask)
    samples = read_samples(mask, X, y, "binary", covariates=frame)

    def said(same, of, **level):
        vectors = np.tile(1 - samples.numbers, (of, 1))
        vectors[: same + 1] = samples.numbers
        return attainable(samples, "binary", vectors, **level)

    assert said(0, 20) == ""  # one of 20
    assert said(1, 40) == ""
    assert said(28, 100, alpha=0.29) == ""  # though 0.29 * 100 < 29 in floats
    assert said(1, 39) == (
        "no p can reach 0.05: the covariates nearly determine the labels, and 1 of the 38 label "
        "vectors drawn are the real one"
    )
    assert said(1, 40, alpha=0.04).startswith("no p can reach 0.04: the cov")
    assert said(0, 19).startswith("no p can reach 0.05 with 18 permutations")


def test_attainable_by_the_ways_to_deal(mask):
    """6 values of two kinds can be dealt in 20 ways; their residuals, all unlike, in 720."""
    X, _, frame = problem(mask, n=6)
    y = [1.0, 0, 1, 0, 1, 0]
    alone = read_samples(mask, X, y, "regression")
    vectors = np.vstack([alone.numbers, np.zeros((99, 6))])
    assert attainable(alone, "regression", vectors, alpha=0.04).startswith(
        "no p can reach 0.04 with 6 samples: the labels can be dealt in only 20 different ways"
    )
    beside = read_samples(mask, X, y, "regression", covariates=frame[["age"]])
    assert attainable(beside, "regression", vectors, alpha=0.04) == ""
    classes = read_samples(mask, X, y, "binary", covariates=frame[["age"]])
    assert attainable(classes, "binary", vectors).startswith("no p can reach 0.05 with 3 against 3")


def test_times_that_stay_are_counted_by_pair(mask):
    """A vector with the real times and other events is another one."""
    X, _, _ = problem(mask, n=20)
    y = np.column_stack([np.arange(20) + 1.0, np.arange(20) % 2])
    samples = read_samples(mask, X, y, "survival")
    vectors = np.tile(samples.numbers, (20, 1, 1))
    vectors[1:, :, 1] = 1 - vectors[1:, :, 1]
    assert attainable(samples, "survival", vectors) == ""
    vectors[7] = samples.numbers
    assert "and 1 of the 19 label vectors" in attainable(samples, "survival", vectors)


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
