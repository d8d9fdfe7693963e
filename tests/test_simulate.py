"""The moments of simulated data against the formulas of the docstring."""

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score

import biomask as bm
from biomask.inference.simulated_masks import decoy_mask, hub_mask

MASK = bm.Mask.from_sets(
    {
        "P1": ["a", "b", "c", "d"],
        "P2": ["d", "e", "f", "g"],
        "P3": ["h", "i", "j", "k"],
        "P4": ["l", "m", "n", "d"],
    },
    genes=[*"abcdefghijklmn", "free"],
)


def activity(X, genes, signs=None):
    """The mean of some genes, scaled by what the sample shows."""
    values = X[list(genes)].to_numpy(dtype=float) @ (
        np.ones(len(genes)) if signs is None else signs
    )
    return values / values.std()


def test_variance_and_correlation_of_genes():
    X = bm.simulate(MASK, 40_000, gene_correlation=0.4).X
    assert list(X.columns) == list(MASK.genes)
    assert (X.dtypes == np.float32).all()
    np.testing.assert_allclose(X.mean(), 0, atol=0.025)
    np.testing.assert_allclose(X.var(), 1, atol=0.035)
    correlation = X.corr()
    # d is in three pathways: .4 / sqrt(3) with the genes of one; a and e share none
    for pair, expected in {"ab": 0.4, "ad": 0.4 / 3**0.5, "de": 0.4 / 3**0.5, "ae": 0,
                           "hi": 0.4}.items():  # fmt: skip
        assert correlation.loc[pair[0], pair[1]] == pytest.approx(expected, abs=0.02), pair
    assert correlation.loc["free"].drop("free").abs().max() < 0.02


def test_an_inhibiting_gene_runs_against_its_pathway():
    mask = bm.Mask.from_dense(pd.DataFrame({"P": [1, 1, -1]}, index=list("abc")), weighted=True)
    sim = bm.simulate(mask, 20_000, ["P"], task="regression", gene_correlation=0.5)
    assert sim.X.corr().loc["a", "c"] == pytest.approx(-0.5, abs=0.02)
    slope = LinearRegression().fit(activity(sim.X, "abc", [1, 1, -1])[:, None], sim.y).coef_
    assert slope[0] == pytest.approx(1, abs=0.03)
    assert list(sim.edges["sign"]) == [1, 1, -1]


def test_binary_effect_is_the_log_odds_per_deviation():
    sim = bm.simulate(MASK, 40_000, ["P3", "P1"], [0.8, -1.2])
    assert sim.y.value_counts().to_dict() == {0: 20_000, 1: 20_000}
    predictors = np.column_stack([activity(sim.X, "hijk"), activity(sim.X, "abcd")])
    fit = LogisticRegression(C=1e6).fit(predictors, sim.y)
    np.testing.assert_allclose(fit.coef_[0], [0.8, -1.2], atol=0.06)


def test_classes_are_equal_at_every_size():
    for n in (6, 7, 50):
        assert bm.simulate(MASK, n, ["P1"]).y.sum() == n - n // 2


def test_oracle_auc_rises_with_the_effect():
    aucs = []
    for effect in (0, 0.5, 1, 2, 4):
        sim = bm.simulate(MASK, 4000, ["P1"], effect, random_state=5)
        aucs.append(roc_auc_score(sim.y, activity(sim.X, "abcd")))
    assert aucs[0] == pytest.approx(0.5, abs=0.03)
    assert np.diff(aucs).min() > 0.05
    # P(eta + logistic orders like eta) by numerical integration for effect 1
    a = np.linspace(-8, 8, 1601)
    up = stats.norm.pdf(a) / (1 + np.exp(-a))
    down = stats.norm.pdf(a) / (1 + np.exp(a))
    expected = (up * np.cumsum(down)).sum() / (up.sum() * down.sum())
    assert aucs[2] == pytest.approx(expected, abs=0.02)


def test_regression_effect_is_the_slope():
    sim = bm.simulate(MASK, 20_000, ["P2"], -0.7, task="regression")
    fit = LinearRegression().fit(activity(sim.X, "defg")[:, None], sim.y)
    assert fit.coef_[0] == pytest.approx(-0.7, abs=0.03)
    assert (sim.y - fit.predict(activity(sim.X, "defg")[:, None])).std() == (
        pytest.approx(1, abs=0.03)
    )


def test_samples_are_censored_as_often_as_asked():
    for censoring in (0.0, 0.4, 0.95):
        sim = bm.simulate(MASK, 8000, ["P1"], 1.0, task="survival", censoring=censoring)
        assert sim.y["event"].mean() == pytest.approx(1 - censoring, abs=0.02)
        assert (censoring == 0) == sim.y["event"].all()
    for censoring in (0.02, 0.98):  # where nothing moves the times
        sim = bm.simulate(MASK, 8000, task="survival", censoring=censoring)
        assert sim.y["event"].mean() == pytest.approx(1 - censoring, abs=0.02)


def test_each_class_has_its_pathway():
    sim = bm.simulate(MASK, 30_000, ["P1", "P3"], 1.5, task="multiclass")
    assert sorted(sim.y.unique()) == [0, 1, 2]
    fit = LogisticRegression(C=1e6).fit(
        np.column_stack([activity(sim.X, "abcd"), activity(sim.X, "hijk")]), sim.y
    )
    # softmax coefficients, centred over classes: 1.5 (1[c = j] - 1/3)
    np.testing.assert_allclose(fit.coef_, [[1, -0.5], [-0.5, 1], [-0.5, -0.5]], atol=0.08)


def test_global_null_has_nothing_active_and_no_association():
    for sim in (
        bm.simulate(MASK, 4000),
        bm.simulate(MASK, 4000, ["P1"], 0.0),
        bm.simulate(MASK, 4000, effect=[]),
    ):
        assert not sim.truth["active"].any()
        assert not sim.edges["active"].any()
        assert max(abs(sim.X.corrwith(sim.y))) < 0.06


def test_truth():
    sim = bm.simulate(MASK, 20, ["P3", "P1"], [0.5, -2])
    expected = pd.DataFrame(
        {
            "active": [True, False, True, False],
            "effect": [-2, 0, 0.5, 0],
            "sign": [-1, 0, 1, 0],
            "overlap": [1, 1 / 7, 1, 1 / 7],
        },
        index=MASK.pathways,
    )
    pd.testing.assert_frame_equal(sim.truth, expected, check_exact=False)
    assert len(sim.edges) == MASK.n_edges
    assert set(sim.edges.query("sign == -1")["pathway"]) == {"P1"}
    assert sim.groups is None
    assert sim.batch is None


def test_effects_may_be_anything_that_gives_numbers():
    given = {"P3": 0.5, "P1": -2.0}
    for effects in (given.values(), (value for value in given.values()), np.array([0.5, -2.0])):
        truth = bm.simulate(MASK, 20, iter(given), effects).truth
        assert truth["effect"].tolist() == [-2, 0, 0.5, 0]
    assert bm.simulate(MASK, 20, ["P2"], np.array(3.0)).truth["effect"].tolist() == [0, 3, 0, 0]


def test_planted_edges_are_the_only_ones_read():
    edges = pd.DataFrame({"gene": ["h", "k"], "pathway": "P3", "sign": [1, -1]})
    sim = bm.simulate(
        MASK, 30_000, ["P3", "P1"], [1.0, -1.0], task="regression", gene_correlation=0.2,
        edges=edges,
    )  # fmt: skip
    predictors = sim.X[list("hijk")].assign(P1=activity(sim.X, "abcd"))
    slopes = LinearRegression().fit(predictors, sim.y).coef_
    # var(h - k) = 2 - 2 * .2; P1 has no planted edge, so all its genes are read
    scale = 1 / 1.6**0.5
    np.testing.assert_allclose(slopes, [scale, 0, 0, -scale, -1], atol=0.03)
    active = sim.edges[sim.edges["active"]]
    assert active.set_index(["pathway", "gene"])["sign"].to_dict() == {
        ("P3", "h"): 1, ("P3", "k"): -1, **{("P1", g): -1 for g in "abcd"},
    }  # fmt: skip


class TestSubjectsAndBatches:
    def test_as_many_subjects_as_samples_and_batches_as_subjects(self):
        sim = bm.simulate(MASK, 6, n_subjects=6, n_batches=6, batch_share=0.2)
        assert sim.groups.nunique() == sim.batch.nunique() == 6

    def test_shares_of_variance(self):
        sim = bm.simulate(
            MASK, 24_000, n_subjects=2000, subject_share=0.3, n_batches=1000, batch_share=0.2
        )
        assert sim.groups.value_counts().eq(12).all()
        assert sim.groups.groupby(sim.batch).nunique().eq(2).all()
        assert sim.batch.groupby(sim.groups).nunique().eq(1).all()
        assert sim.y.groupby(sim.groups).nunique().eq(1).all()
        assert sim.y.groupby(sim.groups).first().sum() == 1000
        np.testing.assert_allclose(sim.X.var(), 1, atol=0.09)
        # two samples of a subject share .5 of their variance, of two subjects in a batch .2
        X = sim.X.to_numpy().reshape(2000, 12, -1)
        batch = sim.batch.to_numpy().reshape(2000, 12)[:, 0]
        first = X[np.argsort(batch, kind="stable"), 0].reshape(1000, 2, -1)
        np.testing.assert_allclose((X[:, 0] * X[:, 5]).mean(axis=0), 0.5, atol=0.09)
        np.testing.assert_allclose((first[:, 0] * first[:, 1]).mean(axis=0), 0.2, atol=0.12)

    def test_correlation_inside_a_pathway_stays(self):
        X = bm.simulate(MASK, 30_000, n_subjects=3000, gene_correlation=0.4).X
        assert X.corr().loc["a", "b"] == pytest.approx(0.4, abs=0.04)

    @pytest.mark.parametrize("share", [0.0, 0.6])
    def test_effect_per_deviation_between_subjects(self, share):
        sim = bm.simulate(
            MASK, 20_000, ["P3"], 1.3, task="regression", n_subjects=4000, subject_share=share
        )
        by_subject = sim.X.groupby(sim.groups, sort=False).mean()
        y = sim.y.groupby(sim.groups, sort=False).first()
        slope = LinearRegression().fit(activity(by_subject, "hijk")[:, None], y).coef_[0]
        assert slope == pytest.approx(1.3, abs=0.07)

    def test_outcome_from_batch_only(self):
        sim = bm.simulate(MASK, 4000, n_batches=2, batch_effect=1.5, batch_share=0.4)
        fit = LogisticRegression(C=1e6).fit(sim.batch.to_numpy()[:, None] * 2 - 1, sim.y)
        assert fit.coef_[0, 0] == pytest.approx(1.5, abs=0.15)
        assert not sim.truth["active"].any()
        marginal = sim.X.corrwith(sim.y).abs().max()
        within = max(
            sim.X[sim.batch == b].corrwith(sim.y[sim.batch == b]).abs().max() for b in (0, 1)
        )
        assert within < 0.08 < 0.15 < marginal

    def test_subjects_share_their_expression_under_the_null(self):
        """What makes permuting cells wrong: with 8 subjects genes and labels go together."""
        sim = bm.simulate(MASK, 1600, n_subjects=8)
        assert sim.X.corrwith(sim.y).abs().max() > 0.2
        assert sim.y.groupby(sim.groups).first().sum() == 4


def test_same_seed_same_data_and_the_truth_does_not_change_expression():
    one, two = bm.simulate(MASK, 30, ["P1"]), bm.simulate(MASK, 30, ["P1"])
    pd.testing.assert_frame_equal(one.X, two.X)
    pd.testing.assert_series_equal(one.y, two.y)
    other = bm.simulate(MASK, 30, ["P2"], 3, task="regression")
    pd.testing.assert_frame_equal(one.X, other.X)
    assert (bm.simulate(MASK, 30, random_state=1).X.to_numpy() != one.X.to_numpy()).all()


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"active": ["P1", "P9"]}, bm.MaskError, "'P9'"),
        ({"task": "ranking"}, bm.ArgumentError, "received 'ranking'"),
        ({"task": "survival", "censoring": 1.0}, bm.ArgumentError, "censoring must be 0 to"),
        ({"n_samples": 1}, bm.ArgumentError, "n_samples must be at least 2, received 1"),
        ({"task": "multiclass", "n_classes": 1}, bm.ArgumentError, "n_classes"),
        ({"gene_correlation": 1.0}, bm.ArgumentError, "gene_correlation"),
        ({"active": ["P1"], "effect": [1, 2]}, bm.ArgumentError, "2 effects for 1 active"),
        ({"n_subjects": 0}, bm.ArgumentError, "n_subjects must be 2 to 20, received 0"),
        ({"n_subjects": 21}, bm.ArgumentError, "n_subjects must be 2 to 20, received 21"),
        ({"n_subjects": 4, "n_batches": 5}, bm.ArgumentError, "n_batches must be 2 to 4"),
        ({"n_subjects": 4, "subject_share": 1.0}, bm.ArgumentError, "below 1 together"),
        (
            {
                "active": ["P1"],
                "edges": pd.DataFrame({"gene": ["h"], "pathway": ["P3"], "sign": 1}),
            },
            bm.MaskError,
            "1 planted edges are not edges of active pathways: 'h -> P3'",
        ),
        (
            {
                "active": ["P1"],
                "edges": pd.DataFrame({"gene": ["h"], "pathway": ["P1"], "sign": 1}),
            },
            bm.MaskError,
            "'h -> P1'",
        ),
        (
            {
                "active": ["P1"],
                "edges": pd.DataFrame({"gene": ["a", "a"], "pathway": ["P1", "P4"], "sign": 1}),
            },
            bm.MaskError,
            "1 planted edges are not edges of active pathways: 'a -> P4'",
        ),
        (
            {"active": ["P1"], "edges": pd.DataFrame({"gene": ["a"], "pathway": ["P1"]})},
            bm.ArgumentError,
            "need the columns gene, pathway and sign",
        ),
        (
            {
                "active": ["P1"],
                "edges": pd.DataFrame({"gene": ["a"], "pathway": ["P1"], "sign": 2}),
            },
            bm.ArgumentError,
            "signs -1 and 1",
        ),
    ],
)
def test_errors(arguments, error, text):
    with pytest.raises(error, match=text):
        bm.simulate(MASK, **({"n_samples": 20} | arguments))


def test_the_least_of_everything():
    sim = bm.simulate(MASK, 2, task="multiclass", n_classes=2, gene_correlation=0)
    assert sim.X.shape == (2, 15)
    assert bm.simulate(MASK).X.shape == (200, 15)  # when nothing is asked for
    assert bm.simulate(MASK, 2, n_subjects=2, subject_share=0).groups.nunique() == 2


def test_a_batch_that_all_share_moves_nothing():
    plain, moved = bm.simulate(MASK, 30, ["P1"]), bm.simulate(MASK, 30, ["P1"], batch_effect=9)
    pd.testing.assert_series_equal(plain.y, moved.y)


def test_problems_are_reported_together():
    with pytest.raises(bm.ArgumentError) as caught:
        bm.simulate(MASK, 1, gene_correlation=-1)
    assert len(caught.value.problems) == 2


class TestMasks:
    @pytest.mark.parametrize(("index", "shared"), [(0.2, 7), (0.5, 13), (0.8, 18), (1.0, 20)])
    def test_decoys_have_the_overlap_asked_for(self, index, shared):
        mask = decoy_mask(jaccard_index=index)
        truth = bm.simulate(mask, 4, ["planted"]).truth["overlap"]
        assert mask.shape[1] == 20
        assert mask.sizes().eq(20).all()
        np.testing.assert_allclose(truth.filter(like="decoy"), shared / (40 - shared), rtol=1e-6)
        assert shared / (40 - shared) == pytest.approx(index, abs=0.03)
        assert len(truth.filter(like="decoy")) == 3
        assert (truth.filter(like="other") == 0).all()

    def test_decoys_by_hand(self):
        mask = decoy_mask(jaccard_index=1 / 3, n_decoys=2, n_pathways=4, size=4)
        assert mask.to_sets() == {
            "planted": ["g0", "g1", "g2", "g3"],
            "decoy_1": ["g0", "g1", "g4", "g5"],
            "decoy_2": ["g0", "g1", "g6", "g7"],
            "other_1": ["g8", "g9", "g10", "g11"],
        }

    def test_hubs_are_drawn_with_weights(self):
        mask = hub_mask([2, 3], 5, hubness=2.0, random_state=3)
        rng = np.random.default_rng(3)
        weight = [math.exp(2 * value) for value in rng.standard_normal(5)]
        share = np.array(weight) / sum(weight)
        drawn = [rng.choice(5, size, replace=False, p=share) for size in (2, 3)]
        assert {name: set(genes) for name, genes in mask.to_sets().items()} == {
            f"P{k}": {f"g{gene}" for gene in genes} for k, genes in enumerate(drawn, 1)
        }
        assert sorted(mask.genes) == ["g0", "g1", "g2", "g3", "g4"]
        assert hub_mask([20, 30], 90) == hub_mask([20, 30], 90, hubness=1.0, random_state=0)

    def test_hubs(self):
        sizes = [5, 50, 500]
        mask = hub_mask(sizes * 10, 2000)
        assert list(mask.sizes()) == sizes * 10
        assert mask.shape == (2000, 30)
        flat = hub_mask(sizes * 10, 2000, hubness=0.0).degrees()
        assert mask.degrees().var() > 2 * flat.var()
        assert hub_mask(sizes, 2000) == hub_mask(sizes, 2000)
        assert hub_mask(sizes, 2000) != hub_mask(sizes, 2000, random_state=1)


@pytest.mark.parametrize("task", ["binary", "multiclass", "survival"])
def test_the_defaults_are_those_that_are_shown(task):
    shown = {"n_samples": 200, "active": [], "effect": 1.0, "n_classes": 3, "censoring": 0.3}
    shown |= {"gene_correlation": 0.3, "subject_share": 0.5, "batch_share": 0.3}
    shown |= {"batch_effect": 0.0, "random_state": 0}
    for parts in ({}, {"n_subjects": 20}, {"n_batches": 2}):
        left, given = (bm.simulate(MASK, task=task, **parts, **more) for more in ({}, shown))
        pd.testing.assert_frame_equal(left.X, given.X, check_exact=True)
        assert left.y.equals(given.y)
    shown["active"] = ["P1"]
    left, given = (bm.simulate(MASK, task=task, **more) for more in ({"active": ["P1"]}, shown))
    assert left.y.equals(given.y)


SIGNED = bm.Mask.from_dense(
    pd.DataFrame({"P1": [2, -0.5, 0, 0, 0], "P2": [0, 1, 1, -3, 0], "P3": [0, 0, 0, 1, 0]},
                 index=["a", "b", "c", "d", "free"]), weighted=True)  # fmt: skip
SIGNS = np.sign([[2, 0, 0], [-0.5, 1, 0], [0, 1, 0], [0, -3, 1], [0, 0, 0]])
DEGREE = [1, 2, 1, 2, 0]
RHO = 0.36


def looped(rng, unit, batch, shares) -> np.ndarray:
    """Expression, (samples, genes), one sum at a time."""
    parts = [(1 - sum(shares), np.arange(len(unit)))]
    parts += [part for part in zip(shares, (unit, batch), strict=True) if part[0]]
    drawn = [(share, rng.standard_normal((max(of) + 1, 8))[of]) for share, of in parts]
    x = np.zeros((len(unit), 5))
    for i in range(len(unit)):
        value = [sum(math.sqrt(share) * draws[i, k] for share, draws in drawn) for k in range(8)]
        for g in range(5):
            for p in range(3):
                if SIGNS[g, p]:
                    x[i, g] += math.sqrt(RHO / DEGREE[g]) * SIGNS[g, p] * value[p]
            x[i, g] += (math.sqrt(1 - RHO) if DEGREE[g] else 1) * value[3 + g]
    return x


def deviation(reading) -> float:
    """Of the sum of the genes with these signs."""
    variance = 0.0
    for g in range(5):
        for h in range(5):
            shared = sum(SIGNS[g, p] * SIGNS[h, p] for p in range(3))
            both = RHO * shared / math.sqrt(max(DEGREE[g] * DEGREE[h], 1))
            variance += reading[g] * reading[h] * (both + (1 - RHO if g == h else 0))
    return math.sqrt(variance)


def drawn_outcome(task, pull, confounder, rng) -> np.ndarray:
    eta = pull.sum(axis=1) + confounder
    n = len(eta)
    if task == "regression":
        return eta + rng.standard_normal(n)
    if task == "binary":
        noisy = eta + rng.logistic(size=n)
        return (noisy >= sorted(noisy)[n // 2]).astype(int)
    if task == "multiclass":  # the first pathway raises class 0, the second class 1
        of_class = np.column_stack([pull[:, 0], pull[:, 1], np.zeros(n)])
        of_class += confounder[:, None] * np.array([-1, 0, 1]) * math.sqrt(1.5)
        return (of_class + rng.gumbel(size=(n, 3))).argmax(axis=1)
    waited, limit = rng.exponential(size=(2, n))
    low, high = -20.0, 20.0  # of the logarithm of the hazard of censoring
    for _ in range(100):
        middle = (low + high) / 2
        hazard = math.exp(middle)
        below = np.mean([hazard / (hazard + math.exp(value)) for value in eta]) < 0.3
        low, high = (middle, high) if below else (low, middle)
    time, limit = waited / np.exp(eta), limit / hazard
    return np.column_stack([np.minimum(time, limit), time <= limit])


@pytest.mark.parametrize("parts", [{}, {"n_subjects": 5, "n_batches": 2}])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression", "survival"])
def test_a_seed_gives_the_data_of_the_formulas_in_every_release(task, parts):
    edges = pd.DataFrame({"gene": ["a"], "pathway": ["P1"], "sign": [-1]})
    effects = [Fraction(3, 2), -0.5]
    sim = bm.simulate(
        SIGNED, 13, ["P1", "P2"], effects, task=task, gene_correlation=RHO, edges=edges,
        batch_effect=0.7, subject_share=0.25, batch_share=0.11, random_state=8, **parts,
    )  # fmt: skip
    rng = np.random.default_rng(8)
    unit = np.array([i * 5 // 13 for i in range(13)]) if parts else np.arange(13)
    shares = (0.25, 0.11) if parts else (0, 0)
    x = looped(rng, unit, unit % 2, shares)
    np.testing.assert_allclose(sim.X, x, rtol=1e-5, atol=1e-6)
    n_units = max(unit) + 1
    pull = np.zeros((n_units, 2))
    for k, reading in enumerate([[-1, 0, 0, 0, 0], SIGNS[:, 1]]):
        for u in range(n_units):
            rows = np.flatnonzero(unit == u)
            variance = (1 - sum(shares)) / len(rows) + sum(shares)
            activity = np.mean([x[i] @ reading for i in rows]) / deviation(reading)
            pull[u, k] = float(effects[k]) * activity / math.sqrt(variance)
    batch = np.arange(n_units) % 2
    c = (batch - batch.mean()) / batch.std() if parts else np.zeros(n_units)
    y = drawn_outcome(task, pull, 0.7 * c, rng)[unit]
    np.testing.assert_allclose(sim.y, y, rtol=1e-6)


def test_everything_is_named():
    sim = bm.simulate(SIGNED, 5, ["P2"], n_subjects=2, n_batches=2)
    samples = pd.Index(["S1", "S2", "S3", "S4", "S5"], dtype=object, name="sample")
    columns = pd.Index(SIGNED.genes)
    for part in (sim.X, sim.y, sim.groups, sim.batch):
        pd.testing.assert_index_equal(part.index, samples)
    pd.testing.assert_index_equal(sim.X.columns, columns)
    assert (sim.y.name, sim.y.dtype) == ("y", np.int64)
    assert sim.groups.tolist() == ["subject_1"] * 3 + ["subject_2"] * 2
    assert sim.batch.tolist() == [0, 0, 0, 1, 1]
    assert (sim.groups.name, sim.batch.name) == ("subject", "batch")
    y = bm.simulate(SIGNED, 5, task="survival").y
    pd.testing.assert_index_equal(y.index, samples)
    assert y.dtypes.to_dict() == {"time": np.float64, "event": np.int64}
    assert sim.edges.to_dict("list") == {
        "gene": ["a", "b", "b", "c", "d", "d"],
        "pathway": ["P1", "P1", "P2", "P2", "P2", "P3"],
        "active": [False, False, True, True, True, False],
        "sign": [0, 0, 1, 1, -1, 0],
    }
    with pytest.raises(AttributeError):
        sim.y = None
