"""task="survival" from the loss to the report: by hand, by slow loops, and against lifelines."""

from __future__ import annotations

import inspect
import math
import re
import warnings

import keras
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.utils import concordance_index

import biomask as bm
from biomask.inference import losses
from biomask.inference.crossfit import make_plan
from biomask.inference.labels import read_samples
from biomask.inference.simulated_masks import decoy_mask
from biomask.inference.survival import (
    check_folds,
    checked_outcome,
    event_ranks,
    read_outcome,
    survival_score,
)
from biomask.inference.training import Settings
from biomask.networks.replicates import per_replicate
from biomask.networks.survival import CoxLoss, cox_costs

mpl.use("Agg")

TIME = [5.0, 3.0, 3.0, 3.0, 1.0, 2.0]
EVENT = [1.0, 1.0, 1.0, 0.0, 1.0, 0.0]
Y = np.array([TIME, EVENT], np.float32).T
Z = np.log(np.arange(1.0, 7.0))[:, None].astype(np.float32)  # risks 1 to 6
# Time 1: log(21 / 5). Time 3: risks 2 and 3 of 1 + 2 + 3 + 4. Time 5: alone.
BY_HAND = {
    "breslow": math.log(21 / 5) + math.log(10 / 2) + math.log(10 / 3),
    "efron": math.log(21 / 5) + math.log(10 / 2) + math.log((10 - 5 / 2) / 3),
}


def slow_loss(time, event, z, ties):
    """Sum over events, one risk set at a time, float64."""
    total = 0.0
    for t in np.unique(time[event == 1]):
        dying = np.exp(z[(time == t) & (event == 1)])
        at_risk = np.exp(z[time >= t]).sum()
        for k, risk in enumerate(dying):
            out = k / len(dying) * dying.sum() if ties == "efron" else 0.0
            total += math.log(at_risk - out) - math.log(risk)
    return total


def outcomes(rng, *shape, steps=9):
    return np.stack([rng.integers(1, steps, shape), rng.integers(0, 2, shape)], -1).astype("f4")


# ------------------------------------------------------------------------ the loss


@pytest.mark.parametrize("ties", BY_HAND)
def test_loss_by_hand(ties):
    costs = cox_costs(Y, Z, ties).numpy()
    assert costs.shape == (6, 1)
    assert costs.sum() == pytest.approx(BY_HAND[ties], rel=1e-6)
    assert (costs[np.array(EVENT) == 0] == 0).all()
    assert float(CoxLoss(ties)(Y, Z)) == pytest.approx(BY_HAND[ties] / 6, rel=1e-6)


@pytest.mark.parametrize("ties", BY_HAND)
def test_loss_of_replicates_equals_the_slow_one_for_each(ties):
    rng = np.random.default_rng(1)
    y, z = outcomes(rng, 40, 3), rng.normal(size=(40, 3)).astype("f4")
    expected = [slow_loss(*y[:, r].T, z[:, r].astype(float), ties) for r in range(3)]
    np.testing.assert_allclose(cox_costs(y, z, ties).numpy().sum(axis=0), expected, rtol=1e-5)
    assert float(CoxLoss(ties)(y, z)) == pytest.approx(sum(expected) / 40, rel=1e-5)
    shared = [slow_loss(*y[:, 0].T, z[:, r].astype(float), ties) for r in range(3)]
    np.testing.assert_allclose(cox_costs(y[:, 0], z, ties).numpy().sum(axis=0), shared, rtol=1e-5)


@pytest.mark.parametrize("ties", BY_HAND)
def test_gradient_equals_differences(ties):
    rng = np.random.default_rng(2)
    y, z = outcomes(rng, 15), rng.normal(size=15)
    risk = tf.Variable(z[:, None], dtype="float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(cox_costs(y, risk, ties))
    found = tape.gradient(loss, risk).numpy()[:, 0]
    steps = np.eye(15) * 1e-5
    slope = [(slow_loss(*y.T, z + s, ties) - slow_loss(*y.T, z - s, ties)) / 2e-5 for s in steps]
    np.testing.assert_allclose(found, slope, atol=2e-5)


def test_loss_at_the_fit_of_lifelines_is_its_log_likelihood():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(150, 3)), columns=list("abc"))
    frame[["time", "event"]] = outcomes(rng, 150, steps=30)  # ties
    fit = CoxPHFitter().fit(frame, "time", "event")
    z = frame[["a", "b", "c"]].to_numpy() @ fit.params_.to_numpy()
    costs = cox_costs(frame[["time", "event"]].to_numpy(), z[:, None].astype("f4"))
    assert -float(tf.reduce_sum(costs)) == pytest.approx(fit.log_likelihood_, rel=1e-6)


@pytest.mark.parametrize("ties", BY_HAND)
def test_a_batch_without_events_or_with_one_sample_costs_nothing(ties):
    for y in (Y * [1, 0], Y[:1]):
        z = tf.Variable(Z[: len(y)])
        with tf.GradientTape() as tape:
            loss = CoxLoss(ties)(y, z)
        assert float(loss) == 0
        np.testing.assert_array_equal(tape.gradient(loss, z).numpy(), 0)


@pytest.mark.parametrize("ties", BY_HAND)
def test_risks_of_any_size_and_constants_leave_it_finite(ties):
    z = np.array([[1000.0], [-1000.0], [0.0], [500.0]], np.float32)
    y = np.array([[1, 1], [2, 1], [2, 1], [3, 0]], np.float32)
    risk = tf.Variable(z)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(cox_costs(y, risk, ties))
    # time 1: 0; time 2, before -1000 and 0 die beside 500: 1500 and 500
    assert float(loss) == pytest.approx(2000, rel=1e-6)
    np.testing.assert_allclose(tape.gradient(loss, risk)[:, 0], [0, -1, -1, 2], atol=1e-5)
    higher = tf.reduce_sum(cox_costs(Y, Z + 3, ties))
    assert float(higher) == pytest.approx(BY_HAND[ties], rel=1e-5)


def test_order_of_samples_is_irrelevant():
    rng = np.random.default_rng(4)
    y, z = outcomes(rng, 30, 2), rng.normal(size=(30, 2)).astype("f4")
    order = rng.permutation(30)
    mixed = cox_costs(y[order], z[order]).numpy().sum(axis=0)
    np.testing.assert_allclose(mixed, cox_costs(y, z).numpy().sum(axis=0), rtol=1e-6)
    costs = cox_costs(y, z, "breslow").numpy()  # each sample's own, where it is one
    np.testing.assert_allclose(cox_costs(y[order], z[order], "breslow"), costs[order], rtol=1e-5)


def test_ties_are_efron_or_breslow():
    with pytest.raises(bm.ArgumentError, match="must be one of efron, breslow"):
        CoxLoss("exact")
    assert CoxLoss.from_config(CoxLoss("breslow").get_config()).ties == "breslow"
    np.testing.assert_array_equal(per_replicate("partial_likelihood", Y, Z), cox_costs(Y, Z))


# ------------------------------------------------------------------------ the model


def linear_problem(n=600, seed=5):
    """Three genes, each alone in a pathway, and coarse times; with lifelines' coefficients."""
    mask = bm.Mask.from_dense(np.eye(3), ["a", "b", "c"], ["A", "B", "C"])
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)).astype("f4")
    time = np.ceil(8 * rng.exponential(size=n) / np.exp(X @ [0.8, -0.5, 0.0]))
    limit = np.ceil(8 * rng.exponential(2.0, size=n))
    y = np.column_stack([np.minimum(time, limit), time <= limit]).astype("f4")
    frame = pd.DataFrame(np.hstack([X, y]), columns=["a", "b", "c", "time", "event"])
    return mask, X, y, CoxPHFitter().fit(frame, "time", "event")


def coefficients(model):
    head = model.get_layer("head").kernel.numpy()[:, 0]
    return bm.edge_weights(model).set_index("gene")["weight"].to_numpy() * head


def test_a_linear_model_finds_the_coefficients_of_lifelines():
    mask, X, y, fit = linear_problem()
    assert len(np.unique(y[y[:, 1] == 1, 0])) < 100  # of some 400 events: ties matter
    model = bm.build_model(mask, "survival", activation="linear", learning_rate=0.1, seed=0)
    for _ in range(150):
        model.train_on_batch(X, y)
    np.testing.assert_allclose(coefficients(model), fit.params_, atol=1e-3)
    model.compile(keras.optimizers.Adam(0.1), loss=CoxLoss("breslow"))
    for _ in range(60):
        model.train_on_batch(X, y)
    assert np.abs(coefficients(model) - fit.params_)[:2].min() > 3e-3  # ties are not forgotten


@pytest.mark.parametrize(("size", "epochs", "most"), [(60, 20, 0.6), (200, 40, 0.4)])
def test_batches_reach_it_within_a_part_of_a_standard_error(size, epochs, most):
    """Not closer: what batches converge to has a variance of its own, less in larger ones."""
    mask, X, y, fit = linear_problem()
    rate = keras.optimizers.schedules.CosineDecay(0.05, epochs * 600 // size)
    model = bm.build_model(mask, "survival", activation="linear", seed=0)
    model.compile(keras.optimizers.Adam(rate), loss=CoxLoss(), jit_compile=False)
    model.fit(X, y, batch_size=size, epochs=epochs, verbose=0)
    error = (coefficients(model) - fit.params_) / fit.standard_errors_
    assert error.abs().max() < most


def test_output_names_and_the_absent_bias(small_mask):
    for replicates, shape in ((None, (None, 1)), (3, (None, 3))):
        model = bm.build_model(small_mask, "survival", replicates=replicates)
        assert model.output_shape == shape
        assert model.output_names == ["log_risk"]
        assert model.get_layer("head").bias is None


def small_outcome(X):
    rng = np.random.default_rng(0)
    time = rng.exponential(size=len(X)) * np.exp(-X.to_numpy()[:, :1].sum(axis=1))
    return np.column_stack([time, rng.random(len(X)) < 0.7]).astype("f4")


def test_replicates_are_the_networks_alone(small_mask, small_data):
    X = small_data[0]
    y = small_outcome(X)
    mixed = np.stack([y, y[::-1], np.roll(y, 7, axis=0)], axis=1)
    call = {"l2": 1e-2, "learning_rate": 1e-2}
    many = bm.build_model(small_mask, "survival", replicates=3, seed=5, **call)
    many.fit(X, mixed, batch_size=16, epochs=6, shuffle=False, verbose=0)
    for r in range(3):
        alone = bm.build_model(small_mask, "survival", seed=5 + r, **call)
        alone.fit(X, mixed[:, r], batch_size=16, epochs=6, shuffle=False, verbose=0)
        # Relative to their mean: the bias of the empty pathway follows rounding, and is the same
        # for all samples.
        expected = centred(alone.predict(X, verbose=0)[:, 0])
        found = many.predict(X, verbose=0)[:, r]
        np.testing.assert_allclose(centred(found), expected, atol=1e-5)
        taken = bm.take_replicate(many, r).predict(X, verbose=0)[:, 0]
        np.testing.assert_allclose(taken, found, atol=1e-6)


def centred(values):
    return values - values.mean()


def test_every_replicate_stops_by_its_own_partial_likelihood(small_mask, small_data):
    X = small_data[0]
    y = small_outcome(X)
    model = bm.build_model(small_mask, "survival", replicates=2, learning_rate=0.05, seed=1)
    stopping = bm.ReplicateEarlyStopping(patience=3)
    held = X.iloc[32:], y[32:]
    model.fit(X.iloc[:32], y[:32], validation_data=held, epochs=60, callbacks=[stopping], verbose=0)
    z = model.predict(held[0], verbose=0).astype(float)
    expected = [slow_loss(*held[1].T, z[:, r], "efron") / 16 for r in range(2)]
    np.testing.assert_allclose(stopping.best, expected, rtol=1e-4)


@pytest.mark.parametrize("replicates", [None, 2])
def test_saved_and_loaded_is_bit_equal(small_mask, small_data, tmp_path, replicates):
    X = small_data[0]
    y = small_outcome(X)
    model = bm.build_model(small_mask, "survival", replicates=replicates, seed=0)
    model.fit(X, y, epochs=2, shuffle=False, verbose=0)
    bm.save_model(model, tmp_path / "m.keras")
    again = bm.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    for one in (model, again):  # compiled: it goes on in the same way
        one.fit(X, y, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    assert isinstance(again.loss, CoxLoss)


# ------------------------------------------------------------------------ times and events


def frame(time, event, index=None):
    return pd.DataFrame({"time": time, "event": event}, index=index)


def test_ranks_are_what_the_partial_likelihood_sees():
    y = frame([0.5, 2.0, 2.0, 2.5, 7.0, 9.0], [0, 1, 0, 0, 1, 0])
    ranks = event_ranks(y)
    np.testing.assert_array_equal(ranks[:, 0], [0, 1, 1, 1, 2, 2])  # events at 2 and 7
    assert ranks.dtype == np.float32
    rng = np.random.default_rng(6)
    y, z = frame(*outcomes(rng, 80, steps=25).T.astype(float)), rng.normal(size=80)
    ranks = event_ranks(y).T
    for ties in BY_HAND:
        expected = slow_loss(y["time"].to_numpy(), y["event"].to_numpy(), z, ties)
        assert slow_loss(*ranks, z, ties) == pytest.approx(expected, rel=1e-12)
    expected = concordance_index(y["time"], -z, y["event"])
    assert concordance_index(ranks[0], -z, ranks[1]) == expected


def test_columns_of_an_outcome():
    table = pd.DataFrame({"event": [1, 0], "time": [3.0, 4]}, index=["a", "b"])
    found = read_outcome(table)
    assert list(found) == ["time", "event"]
    pd.testing.assert_series_equal(found["time"], table["time"])
    pd.testing.assert_series_equal(found["event"], table["event"])
    found = read_outcome([[3.0, 1], [4, 0], [5, 1]])
    assert {name: values.tolist() for name, values in found.items()} == {
        "time": [3, 4, 5],
        "event": [1, 0, 1],
    }


@pytest.mark.parametrize(
    ("y", "problem"),
    [
        (
            pd.DataFrame(np.ones((2, 7)), columns=list("abcdefg")),
            "y has the columns 'a', 'b', 'c', 'd', 'e' and 2 more, task='survival' needs exactly "
            "'time' and 'event'",
        ),
        (
            pd.DataFrame({"time": [1], "event": [1], 3: [1]}),
            "y has the columns 'time', 'event', '3', task='survival' needs exactly 'time' and "
            "'event'",
        ),
        *(
            (
                np.ones(shape),
                f"y has shape {shape}, task='survival' needs a time and an event for each sample",
            )
            for shape in [(2,), (2, 1), (4, 3), (2, 2, 2)]
        ),
    ],
)
def test_other_outcomes_are_refused(y, problem):
    with pytest.raises(bm.DataError) as caught:
        read_outcome(y)
    assert (caught.value.problem, caught.value.code) == (problem, "E-SURVIVAL")


def test_a_checked_outcome_is_numbers():
    y = frame(["0", "2.5"], [False, True], ["a", "b"])
    expected = frame([0.0, 2.5], [0, 1], ["a", "b"])
    pd.testing.assert_frame_equal(checked_outcome(y), expected)


@pytest.mark.parametrize(
    ("time", "event", "code", "problem"),
    [
        ([1, -1, np.inf, -np.inf, -2], [1] * 5, "E-LABELS",
         "time is negative or infinite for 4 samples, such as 'b', 'c', 'd' and 1 more"),
        ([1, 2, 3, 4, 5], [1, 2.5, -1, 3, 4], "E-LABELS",
         "event is neither 0 nor 1 for 4 samples, such as 'b', 'c', 'd' and 1 more (2.5)"),
        ([1, 2, 3, 4, 5], [1, 0, 0, 0, 3], "E-LABELS",
         "event is neither 0 nor 1 for 1 samples, such as 'e' (3)"),
        ([1, 2, 3, 4, 5], [0] * 5, "E-EVENTS",
         "no sample has an event (event = 1), so there is nothing to learn"),
        ([7.5] * 5, [1, 0, 1, 0, 1], "E-LABELS", "time is 7.5 for every sample"),
    ],
)  # fmt: skip
def test_outcomes_that_are_none_are_refused(time, event, code, problem):
    with pytest.raises(bm.DataError) as caught:
        checked_outcome(frame(time, event, list("abcde")))
    assert (caught.value.problem, caught.value.code) == (problem, code)


def test_an_outcome_of_text_is_refused():
    with pytest.raises(bm.DataError, match=r"^time and event must be numbers: co") as caught:
        checked_outcome(frame(["long", 2], [1, 0]))
    assert caught.value.code == "E-LABELS"


def test_two_events_a_fold_are_the_least():
    folds = [np.arange(3), np.arange(3, 6)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_folds(np.array([1, 0, 1, 1, 1, 0]), folds)
        check_folds(np.array([1, 0, 0, 1, 1, 1]), folds)
    with pytest.raises(bm.DataError) as caught:
        check_folds(np.array([1, 0, 1, 1, 0, 0]), folds)
    assert caught.value.problem == "3 events are too few for 2 folds: 2 for each are the least"
    assert caught.value.code == "E-EVENTS"


def test_every_fold_without_an_event_is_named():
    folds = np.split(np.arange(16), 4)

    def as_deep_as_crossfit(event):
        def make_plan():
            check_folds(event, folds)

        make_plan()

    def caller(event):
        as_deep_as_crossfit(event)

    with pytest.warns(bm.BiomaskWarning) as caught:
        caller(np.repeat([0, 1, 1, 0], 4))
    assert str(caught[0].message) == (
        "no event is held out in fold 1, 4 of 4, which adds nothing to any effect and has no "
        "score. Use fewer folds or another random_state."
    )
    first = inspect.getsourcelines(caller)[1]
    assert (caught[0].filename, caught[0].lineno) == (__file__, first + 1)


def test_score_by_hand():
    found = survival_score(Y, Z[:, 0])
    assert found["partial_loss"] == pytest.approx(BY_HAND["breslow"] / 4, rel=1e-6)
    # pairs: 1 with five later (risk 5 beats all but 6), 3 and 3 with 5 and with the censored 3
    assert found["concordance"] == pytest.approx((4 + 1 + 1) / 9)
    assert all(np.isnan(v) for v in survival_score(Y * [1, 0], Z[:, 0]).values())


def test_change_of_huge_risks_is_finite():
    rng = np.random.default_rng(7)
    labels = outcomes(rng, 20, 2)
    drop, weights = rng.normal(size=(20, 2, 3)), rng.normal(size=(2, 3, 1)) * 300
    outputs = rng.normal(size=(20, 2, 1)) * 300
    z = np.stack([outputs[:, 0, 0] - drop[:, 0, k] * weights[0, k, 0] for k in range(3)], axis=1)
    found = losses.survival_change_exact(drop, weights, outputs, labels)
    for k in range(3):
        expected = slow_shifted(labels[:, 0], z[:, k]) - slow_shifted(
            labels[:, 0], outputs[:, 0, 0]
        )
        assert found[:, 0, k].sum() == pytest.approx(expected, rel=1e-9)


def slow_shifted(y, z):
    time, event = y.T
    return sum(np.logaddexp.reduce(z[time >= time[i]]) - z[i] for i in range(len(z)) if event[i])


PROBLEM = decoy_mask(jaccard_index=0.3, n_decoys=2, n_pathways=6, size=8)
CALL = {"folds": 3, "seeds": 2, "permutations": 19, "epochs": 12, "random_state": 3}
CALL |= {"learning_rate": 3e-3, "progress": False}


@pytest.mark.parametrize(
    ("y", "text"),
    [
        (np.ones(20), r"y has shape \(20,\).* needs a time and an event"),
        (np.ones((20, 3)), r"y has shape \(20, 3\)"),
        (np.ones((19, 2)), "time has shape"),
        (pd.DataFrame({"days": [1] * 20, "event": 1}), "columns 'days', 'event'.*E-SURVIVAL"),
        (np.tile([[1.0, 1], [-2, 0]], (10, 1)), "negative or infinite for 10 samples.*E-LABELS"),
        (np.tile([[1.0, 1], [2, 2]], (10, 1)), r"neither 0 nor 1 for 10 samples.*\(2\)"),
        (np.tile([[1.0, 0], [2, 0]], (10, 1)), "no sample has an event.*E-EVENTS"),
        (np.tile([[1.0, 1], [1, 0]], (10, 1)), "time is 1 for every sample"),
        (np.tile([[1.0, 1], [np.nan, 0]], (10, 1)), "time is missing for 10 samples"),
        (np.tile([["a", 1], ["b", 0]], (10, 1)), "time and event must be numbers"),
        (np.array([[i, i < 5] for i in range(20)], float), "5 events are too few for 3 folds"),
    ],
)
def test_outcomes_that_cannot_be_used_are_refused(y, text):
    n = 20
    X = bm.simulate(PROBLEM, n, random_state=1).X
    if isinstance(y, pd.DataFrame):
        y = y.set_index(X.index)
    with pytest.raises(bm.DataError) as caught:
        bm.crossfit(PROBLEM, X, y, "survival", **CALL)
    assert re.search(text, str(caught.value)), str(caught.value)


def test_columns_are_known_by_name_and_samples_by_index():
    sim = bm.simulate(PROBLEM, 20, task="survival", random_state=1)
    y = sim.y.assign(event=sim.y["event"] == 1)
    expected = read_samples(PROBLEM, sim.X, sim.y, "survival")
    for other in (y[["event", "time"]].iloc[::-1], sim.y.to_numpy()):
        found = read_samples(PROBLEM, sim.X, other, "survival")
        pd.testing.assert_frame_equal(found.y, expected.y)
        np.testing.assert_array_equal(found.numbers, expected.numbers)
    assert expected.y.index.equals(expected.X.index)
    with pytest.raises(bm.DataError, match="time has no entry for 1 of 20 samples"):
        read_samples(PROBLEM, sim.X, sim.y.iloc[1:], "survival")


def test_a_gene_that_is_the_time_is_named():
    sim = bm.simulate(PROBLEM, 20, task="survival", random_state=1)
    with pytest.warns(bm.BiomaskWarning, match="'g2' follow y exactly"):
        read_samples(PROBLEM, sim.X.assign(g2=-sim.y["time"]), sim.y, "survival")


def plan_of(n=30, **parts):
    sim = bm.simulate(PROBLEM, n, task="survival", censoring=0.5, random_state=1)
    samples = read_samples(PROBLEM, sim.X, parts.pop("y", sim.y), "survival", **parts)
    settings = Settings("survival", None, "tanh", 5, 16, 1e-3, 0.0, 0.0)
    return make_plan(PROBLEM, samples, settings, 3, 1, 19, 0), samples


def test_pairs_of_time_and_event_are_permuted_inside_strata():
    plan, samples = plan_of(strata=np.arange(30) % 2)
    assert plan.vectors.shape == (20, 30, 2)
    real = plan.labels
    for row in plan.vectors[1:]:
        assert (row != real).any()
        for s in (0, 1):
            inside = samples.strata == s
            pairs = [sorted(map(tuple, part[inside])) for part in (real, row)]
            assert pairs[0] == pairs[1]


def test_subjects_are_permuted_whole():
    groups = np.arange(30) // 2
    sim = bm.simulate(PROBLEM, 30, task="survival", censoring=0.3, n_subjects=15, random_state=1)
    plan, samples = plan_of(y=sim.y.to_numpy(), groups=groups)
    for row in plan.vectors[1:]:
        moved = pd.DataFrame(row).groupby(samples.groups).nunique()
        assert (moved == 1).all(axis=None)


def test_a_fold_without_an_event_is_warned_of():
    y = np.column_stack([np.arange(1.0, 31), np.zeros(30)])
    held = plan_of()[0].held_out  # folds do not look at the labels
    order = bm.simulate(PROBLEM, 30).X.index.astype(str).argsort()
    y[order[np.concatenate(held[:2])], 1] = 1
    with pytest.warns(bm.BiomaskWarning, match="no event is held out in fold 3 of 3"):
        plan_of(y=y)


def test_samples_are_watched_where_enough_of_them_have_an_event():
    """15 % of 400 training samples are 60; with half of the events, 30 of the 50 asked for."""
    assert plan_of(600)[0].watched == 0
    everyone = bm.simulate(PROBLEM, 600, task="survival", censoring=0.0, random_state=1)
    assert plan_of(600, y=everyone.y)[0].watched == 0.15


# ------------------------------------------------------------------------ a study


@pytest.fixture(scope="module")
def sim():
    return bm.simulate(
        PROBLEM, 150, ["planted"], 1.2, task="survival", censoring=0.3, random_state=2
    )


@pytest.fixture(scope="module")
def study(sim):
    return bm.crossfit(PROBLEM, sim.X, sim.y, "survival", **CALL)


def test_the_planted_pathway_is_found_with_its_direction(study):
    row = study.pathways.loc["planted"]
    assert study.top(1).index[0] == "planted"
    assert row["p"] == 1 / 20
    assert row["direction"] > 0  # higher risk
    assert study.scores["concordance"].mean() > 0.6


def test_predictions_and_scores_are_of_the_held_out_samples(study, sim):
    table = study.predictions
    assert list(table) == ["time", "event", "fold", "prediction"]
    pd.testing.assert_frame_equal(table[["time", "event"]], sim.y, check_names=False)
    np.testing.assert_allclose(table.groupby("fold")["prediction"].mean(), 0, atol=1e-6)
    assert list(study.scores) == ["fold", "seed", "partial_loss", "concordance"]
    for fold, part in table.groupby("fold"):
        together = concordance_index(part["time"], -part["prediction"], part["event"])
        each = study.scores.loc[study.scores["fold"] == fold, "concordance"]
        assert together == pytest.approx(each.mean(), abs=0.05)  # two seeds, much alike


def test_the_order_of_samples_changes_nothing(study, sim):
    mixed = sim.X.sample(frac=1, random_state=0)
    again = bm.crossfit(PROBLEM, mixed, sim.y.sample(frac=1, random_state=1), "survival", **CALL)
    pd.testing.assert_frame_equal(again.pathways, study.pathways)
    pd.testing.assert_frame_equal(again.predictions.loc[sim.X.index], study.predictions)


def test_a_study_is_saved_and_reported(study, tmp_path):
    study.save(tmp_path / "s.biomask")
    again = bm.load_study(tmp_path / "s.biomask")
    pd.testing.assert_frame_equal(again.predictions, study.predictions)
    page = bm.report(again, tmp_path / "r.html").read_text("utf-8")
    text = re.sub(r"<[^>]+>", "", page)
    assert "Pathways that predict the time to the event" in text
    assert "minimising the negative log partial likelihood" in text
    assert "19 permutations of the pairs of time and event" in text
    assert "higher risk" in text
    assert "compare_models, which would, has no survival models" in text
    # What equal risks would cost: the mean of log(number at risk) over the events of each fold.
    constant = np.mean([
        np.mean([np.log((part["time"] >= t).sum()) for t in part.loc[part["event"] == 1, "time"]])
        for _, part in study.predictions.groupby("fold")
    ])  # fmt: skip
    assert f"{constant:.3f}" in text


def test_survival_curves_are_those_of_kaplan_and_meier(study):
    ax = bm.plots.plot_survival(study.predictions)
    table = study.predictions
    higher = table[table["prediction"] > table["prediction"].median()]
    curve = KaplanMeierFitter().fit(higher["time"], higher["event"]).survival_function_
    np.testing.assert_allclose(ax.lines[2].get_ydata(), curve.iloc[:, 0])
    assert ax.get_legend().get_texts()[1].get_text() == "Higher predicted risk (n = 75)"
    assert len(ax.lines[3].get_xdata()) == (higher["event"] == 0).sum()
    with pytest.raises(bm.ArgumentError, match="half are higher"):
        bm.plots.plot_survival(table.assign(prediction=0.0))


def test_models_are_not_compared(sim):
    with pytest.raises(bm.ArgumentError, match="compare_models has no task 'survival'"):
        bm.compare_models(PROBLEM, sim.X, sim.y, "survival")


def test_planted_pathways_are_found_in_small_data_sets():
    found = []
    for seed in range(4):
        sim = bm.simulate(
            PROBLEM, 120, ["planted"], 1.0, task="survival", censoring=0.3, random_state=seed
        )
        study = bm.crossfit(PROBLEM, sim.X, sim.y, "survival", **(CALL | {"seeds": 1}))
        found.append(study.pathways.loc["planted", "p"] <= 0.05)
    assert np.mean(found) >= 0.75


# ------------------------------------------------------------------------ simulation


@pytest.mark.parametrize("censoring", [0.0, 0.3, 0.8])
def test_simulated_effect_is_the_log_hazard_ratio(censoring):
    sim = bm.simulate(
        PROBLEM, 8000, ["planted"], -0.7, task="survival", censoring=censoring, random_state=1
    )
    assert 1 - sim.y["event"].mean() == pytest.approx(censoring, abs=0.02)
    genes = PROBLEM.to_edges().query("pathway == 'planted'")["gene"]
    activity = sim.X[genes].sum(axis=1)
    table = sim.y.assign(activity=activity / activity.std())
    fit = CoxPHFitter().fit(table, "time", "event")
    assert abs(fit.params_["activity"] + 0.7) < 4 * fit.standard_errors_["activity"]
    assert list(sim.y) == ["time", "event"]
    assert sim.y["event"].dtype == np.int64
