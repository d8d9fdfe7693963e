"""The moments of simulated data against the formulas of the docstring."""

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
