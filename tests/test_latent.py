"""crossfit of autoencoders: the difference in activity, worked out again; blind to labels."""

from __future__ import annotations

import warnings
from dataclasses import replace
from types import SimpleNamespace

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler

import biomask as bm
from biomask.inference import latent
from biomask.inference.block_trainer import BlockTrainer
from biomask.inference.blocks import Block, block_seed
from biomask.inference.crossfit import _facts, make_plan
from biomask.inference.labels import read_samples
from biomask.inference.latent import standardised_difference
from biomask.inference.permutation import permute_labels
from biomask.inference.significance import p_values
from biomask.inference.simulated_masks import decoy_mask
from biomask.inference.training import Settings
from biomask.networks.extraction import take_replicate

CALL = {
    "folds": 2,
    "seeds": 2,
    "permutations": 39,
    "epochs": 12,
    "batch_size": 32,
    "learning_rate": 1e-2,
    "dropout": 0.2,
    "random_state": 4,
    "progress": False,
}
TABLES = ("pathways", "scores", "null", "predictions", "activity")


def study_of(mask, X, y, **changes):
    return bm.crossfit(mask, X, y, "autoencoder", **{**CALL, **changes})


@pytest.fixture(scope="module")
def problem():
    mask = decoy_mask(jaccard_index=0.4, n_decoys=2, n_pathways=8, size=6)
    sim = bm.simulate(mask, n_samples=80, active=["planted"], effect=3.0, random_state=2)
    return SimpleNamespace(mask=mask, X=sim.X, y=sim.y.map({0: "sick", 1: "well"}))


@pytest.fixture(scope="module")
def done(problem, tmp_path_factory):
    """A finished study, its checkpoint, and the networks that it trained."""
    networks, real = [], latent.training_moments

    def spy(trainer, X, plan):
        networks.append([take_replicate(trainer.model, k) for k in range(2)])
        return real(trainer, X, plan)

    folder = tmp_path_factory.mktemp("latent")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latent, "training_moments", spy)
        study = study_of(**vars(problem), checkpoint=folder / "blocks")
    study.save(folder / "study")
    return SimpleNamespace(**vars(problem), study=study, networks=networks, folder=folder)


# ---------------------------------------------------------------------------- the statistic


def test_the_difference_by_hand():
    activity = np.array([[1.0, 5.0], [3.0, 5.0], [4.0, 5.0], [8.0, 5.0]])
    # means 2 and 6; squares within 1 + 1 + 4 + 4 = 10 over 2; second label vector: 2.5 and 5.5,
    # within 2.25 + 2.25 + 6.25 + 6.25 = 17 over 2
    found = standardised_difference(activity, np.array([[0, 0, 1, 1], [0, 1, 0, 1]]))
    np.testing.assert_allclose(found[:, 0], [4 / np.sqrt(5), 3 / np.sqrt(8.5)])
    assert (found[:, 1] == 0).all()  # a constant differs in nothing


def test_the_difference_is_that_of_a_slow_loop_at_any_group_sizes():
    rng = np.random.default_rng(0)
    activity = rng.normal(size=(30, 4)) * [1, 10, 100, 1e-3] + [0, 1000, 0, 5]
    labels = (rng.random((20, 30)) < rng.uniform(0.1, 0.9, (20, 1))).astype(int)
    labels[:, :2] = [0, 1]
    for y, row in zip(labels, standardised_difference(activity, labels), strict=True):
        for a, d in zip(activity.T, row, strict=True):
            one, zero = a[y == 1], a[y == 0]
            within = ((one - one.mean()) ** 2).sum() + ((zero - zero.mean()) ** 2).sum()
            assert d == pytest.approx((one.mean() - zero.mean()) / np.sqrt(within / 28), rel=1e-6)


def test_moments_of_training_samples_are_those_of_all_at_once(problem):
    """However many are read at a time."""
    rng = np.random.default_rng(0)
    X, n_pathways = rng.normal(size=(300, len(problem.mask.genes))), len(problem.mask.pathways)
    h = rng.normal(size=(300, 2, n_pathways)).astype(np.float32)
    means = (X[:, None, :] @ problem.mask.to_dense().to_numpy())[:, 0] / problem.mask.sizes().values
    rows = {x.tobytes(): k for k, x in enumerate(X)}
    trainer = SimpleNamespace(activations=lambda part: h[[rows[x.tobytes()] for x in part]])
    mean, sd, turn = latent.training_moments(trainer, X, SimpleNamespace(mask=problem.mask))
    np.testing.assert_allclose(mean, h.mean(axis=0, dtype=float), rtol=1e-9)
    np.testing.assert_allclose(sd, h.std(axis=0, dtype=float), rtol=1e-9)
    for r in range(2):
        for k in range(n_pathways):
            assert turn[r, k] == np.sign(np.cov(h[:, r, k], means[:, k])[0, 1])


def test_every_table_is_that_of_the_trained_networks(done):
    """Activity, effects, null and scores from the weights alone, by name."""
    X, study = done.X.sort_index(), done.study
    fold_of = study.predictions["fold"][X.index].to_numpy()
    activity = pd.DataFrame(0.0, X.index, sorted(done.mask.pathways))
    for fold, networks in enumerate(done.networks):
        held = fold_of == fold
        for k, network in enumerate(networks):
            pathways, genes = activity.columns, network.get_layer("pathways").mask.genes
            scaler = StandardScaler().fit(X.loc[~held, genes])
            Z = pd.DataFrame(scaler.transform(X[genes]).clip(-10, 10), X.index, genes)
            h = bm.pathway_activity(network, Z)[pathways].astype(float)
            train = h[~held]
            mean = {p: Z.loc[~held, done.mask.to_sets()[p]].mean(axis=1) for p in pathways}
            turn = np.sign([np.cov(train[p], mean[p])[0, 1] for p in pathways])
            activity[held] += ((h - train.mean()) / train.std(ddof=0) * turn)[held] / 2
            out = network.predict(Z[held].to_numpy(np.float32), verbose=0)
            row = study.scores.set_index(["fold", "seed"]).loc[(fold, k)]
            assert row["squared_error"] == pytest.approx(((Z[held] - out) ** 2).to_numpy().mean())
            size = (Z[held] ** 2).to_numpy().mean()
            assert row["r2"] == pytest.approx(1 - row["squared_error"] / size, abs=1e-5)
    found = study.activity.loc[X.index, activity.columns]
    np.testing.assert_allclose(found, activity, rtol=1e-3, atol=1e-4)
    y = (done.y[X.index] == "well").to_numpy().astype(int)
    index = permute_labels(y, 39, CALL["random_state"], task="binary")
    labels = np.vstack([y, y[index]])
    d = pd.DataFrame(standardised_difference(activity.to_numpy(), labels), columns=activity.columns)
    table = study.pathways.loc[activity.columns]
    np.testing.assert_allclose(table["direction"], d.iloc[0], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(table["effect"], d.iloc[0].abs(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(study.null[activity.columns], d[1:].abs(), rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(
        study.pathways["p"], p_values(np.vstack([study.pathways["effect"], study.null]))
    )


def test_r2_is_that_of_scikit_learn_where_the_held_out_means_are_those_of_training(done):
    """A sanity check of its scale: near sklearn's, which knows the held-out means."""
    network, X = done.networks[0][0], done.X.sort_index()
    genes = network.get_layer("pathways").mask.genes
    held = (done.study.predictions["fold"][X.index] == 0).to_numpy()
    scaler = StandardScaler().fit(X.loc[~held, genes])
    Z = scaler.transform(X.loc[held, genes]).clip(-10, 10).astype(np.float32)
    out = network.predict(Z, verbose=0)
    expected = r2_score(Z, out, multioutput="variance_weighted")
    assert done.study.scores["r2"][0] == pytest.approx(expected, abs=0.05)


def test_the_effects_of_folds_and_seeds_are_those_of_their_own_samples(done):
    """Rows as in scores; a fold's difference does not change when its activity is rescaled."""
    study, X = done.study, done.X.sort_index()
    fold_of = study.predictions["fold"][X.index].to_numpy()
    y = (done.y[X.index] == "well").to_numpy().astype(int)
    assert len(study.effects) == len(study.scores) == 4
    for row, (fold, k) in enumerate(study.scores[["fold", "seed"]].to_numpy()):
        held, network = fold_of == fold, done.networks[fold][k]
        genes = network.get_layer("pathways").mask.genes
        Z = StandardScaler().fit(X.loc[~held, genes]).transform(X[genes]).clip(-10, 10)
        h = bm.pathway_activity(network, Z[held])[study.effects.columns]
        d = standardised_difference(h.to_numpy(), y[None, held])[0]
        np.testing.assert_allclose(study.effects.iloc[row], np.abs(d), rtol=1e-3, atol=1e-4)
    ranks = (-study.effects).T.rank().median(axis=1)
    np.testing.assert_allclose(study.pathways["rank_median"], ranks[study.pathways.index])


# ---------------------------------------------------------------------------- what it finds


def test_the_planted_pathway_comes_first_and_points_the_right_way(done):
    top = done.study.top(1)
    assert top.index[0] == "planted"
    assert top["p"].iloc[0] == top["p_fwer"].iloc[0] == 1 / 40
    assert top["selected"].iloc[0]
    assert top["direction"].iloc[0] > 0  # its genes are up in "well", which sorts last
    assert (done.study.scores["r2"] > 0).all()


def test_p_is_uniform_where_labels_have_nothing_to_do_with_expression(done):
    """200 data sets: the networks never see y, so the same ones serve."""
    rng, activity = np.random.default_rng(1), done.study.activity.to_numpy()
    p = []
    for seed in range(200):
        y = rng.permutation(np.repeat([0, 1], 40))
        labels = y[np.vstack([np.arange(80), permute_labels(y, 39, seed, task="autoencoder")])]
        p.append(p_values(np.abs(standardised_difference(activity, labels))))
    p = np.array(p)
    for alpha in (0.05, 0.1, 0.5):
        shares = (p <= alpha).mean(axis=1)  # of a data set; its pathways are correlated
        assert abs(shares.mean() - alpha) < 3.3 * shares.std() / np.sqrt(len(shares))


def test_networks_never_see_the_labels(done, problem, monkeypatch):
    seen, real = [], BlockTrainer.fit

    def spy(self, fitted, watched, *rest):
        seen.append(all(np.array_equal(*part) for part in (fitted, watched)))
        return real(self, fitted, watched, *rest)

    monkeypatch.setattr(BlockTrainer, "fit", spy)
    shuffled = problem.y.sample(frac=1, random_state=0).set_axis(problem.y.index)
    study = study_of(problem.mask, problem.X, shuffled)
    assert seen == [True, True]  # one block a fold, whatever the number of permutations
    pd.testing.assert_frame_equal(study.activity, done.study.activity)
    pd.testing.assert_frame_equal(study.scores, done.study.scores)


def test_other_names_of_the_groups_turn_the_direction_alone(done, problem):
    study = study_of(problem.mask, problem.X, problem.y.map({"sick": 1, "well": 0}))
    np.testing.assert_allclose(
        study.pathways["direction"], -done.study.pathways["direction"], rtol=1e-9
    )
    np.testing.assert_allclose(study.pathways["effect"], done.study.pathways["effect"], rtol=1e-9)
    np.testing.assert_allclose(study.pathways["p"], done.study.pathways["p"])


# ---------------------------------------------------------------------------- names, files


def test_the_order_of_genes_pathways_and_samples_changes_no_number(done, problem):
    mask = problem.mask.select(problem.mask.genes[::-1], problem.mask.pathways[::-1])
    X = problem.X.iloc[::-1, np.random.default_rng(0).permutation(problem.X.shape[1])]
    study = study_of(mask, X, problem.y)
    assert study.pathways.index.equals(mask.pathways)
    assert study.activity.index.equals(X.index)
    for name in TABLES:
        table, expected = getattr(study, name), getattr(done.study, name)
        table = table.loc[expected.index, expected.columns]
        table = table.drop(columns="not_separable", errors="ignore")
        assert table.equals(expected[table.columns]), name


def test_a_study_goes_on_from_its_checkpoint_and_comes_back_from_its_file(done, problem, tmp_path):
    blocks = done.folder / "blocks"
    assert sorted(p.name for p in blocks.glob("*.zip")) == [
        "fold00_labels00000.zip",
        "fold01_labels00000.zip",
    ]
    (blocks / "fold01_labels00000.zip").unlink()
    study_of(**vars(problem), checkpoint=blocks).save(tmp_path / "study")
    assert (tmp_path / "study").read_bytes() == (done.folder / "study").read_bytes()
    back = bm.load_study(tmp_path / "study")
    for name in (*TABLES, "edges"):
        pd.testing.assert_frame_equal(getattr(back, name), getattr(done.study, name))


def test_notes_say_what_the_p_values_are_of_and_why_there_are_no_edges(done):
    assert done.study.edges.empty
    assert list(done.study.edges) == [
        "gene", "pathway", "effect", "p", "q", "sign", "sign_agreement"
    ]  # fmt: skip
    said = " ".join(done.study.notes)
    assert "of differences in held-out latent activity between two groups, not of a predic" in said
    assert "no edges are tested" in said


def test_the_report_speaks_of_activity_and_promises_no_prediction(done, tmp_path):
    page = bm.report(done.study, tmp_path / "report.html").read_text("utf-8")
    for words in (
        "Pathways whose activity differs between “well” and “sick”",
        "standard deviations higher in “well” than in “sick”",
        "Reconstruction of held-out samples",
        "without knowing which are “well” and which “sick”",
        "The comparison was repeated for 39 permutations",
        "No gene was tested",
        "compare_models, which would, compares predictions",
    ):
        assert words in page, words
    for words in ("how much worse", "the loss rises", "Connections were tested", "no better than"):
        assert words not in page, words


# ---------------------------------------------------------------------------- hard cases


def test_a_pathway_without_genes_has_no_activity_and_no_effect(small_mask, small_data):
    X, y = small_data
    study = study_of(small_mask, X, y, permutations=9)
    assert (study.activity["p3"] == 0).all()
    assert study.pathways.loc["p3", ["effect", "direction", "p"]].tolist() == [0, 0, 1]
    assert study.pathways["effect"].idxmax() in ("p0", "p1", "p2")  # y follows g0 and g2


def test_subjects_move_as_a_whole_and_a_fold_may_lack_a_group(small_mask, small_data):
    X = small_data[0]
    groups = np.repeat(np.arange(8), 6)
    y = (groups < 4).astype(int)
    study = study_of(small_mask, X, y, groups=groups, folds=8, seeds=1, permutations=19)
    assert study.predictions.groupby("fold")["y"].nunique().eq(1).all()  # one subject a fold
    d = standardised_difference(study.activity.to_numpy(), y[None])[0]
    np.testing.assert_allclose(study.pathways["direction"], d, rtol=1e-5, atol=1e-7)
    assert np.isfinite(study.pathways[["effect", "p", "rank_median"]]).all(axis=None)
    assert np.isnan(study.stability["folds"])
    assert study.effects.empty


def test_effects_of_folds_are_left_out_where_one_lacks_a_group(small_mask, small_data):
    groups = np.repeat(np.arange(8), 6)
    y = (groups < 2).astype(int)  # two of eight subjects: no more than two of four folds
    study = study_of(small_mask, small_data[0], y, groups=groups, folds=4, seeds=1, permutations=3)
    both = study.predictions.groupby("fold")["y"].nunique() == 2
    assert both.any()
    assert not both.all()
    assert study.effects.empty
    assert list(study.effects) == list(small_mask.pathways)


@pytest.mark.parametrize("y", [np.arange(48) % 3, np.zeros(48)])
def test_other_than_two_groups_are_refused(y, small_mask, small_data):
    with pytest.raises(bm.DataError, match="task='autoencoder' needs exactly 2"):
        study_of(small_mask, small_data[0], y)


def test_covariates_are_refused(small_mask, small_data):
    X, y = small_data
    age = pd.DataFrame({"age": np.arange(48.0)}, index=X.index)
    with pytest.raises(bm.ArgumentError, match="covariates enter the head"):
        study_of(small_mask, X, y, covariates=age)


def test_models_are_not_compared(small_mask, small_data):
    with pytest.raises(bm.ArgumentError, match="compares predictions of y"):
        bm.compare_models(small_mask, *small_data, "autoencoder")


# ---------------------------------------------------------------------------- by given networks


def plan_and_samples(mask, data, held_out=None, **changes):
    """30 of the samples, 4 label vectors, 2 seeds, 3 folds unless others are given."""
    X, y = data[0][:30], data[1][:30]
    samples = read_samples(mask, X, y, "autoencoder")
    settings = Settings("autoencoder", None, "tanh", 1, 16, 1e-2, 0.5, 0.0)
    plan = make_plan(mask, samples._replace(X=samples.X[mask.genes]), settings, 3, 2, 3, 7)
    return replace(plan, **changes, held_out=held_out or plan.held_out), samples


def d_of(a, y) -> float:
    one, zero = a[y == 1], a[y == 0]
    within = ((one - one.mean()) ** 2).sum() + ((zero - zero.mean()) ** 2).sum()
    return (one.mean() - zero.mean()) / np.sqrt(within / (len(y) - 2))


def given_blocks(plan):
    rng, n_pathways = np.random.default_rng(1), plan.mask.shape[1]
    return [
        {
            "activity": rng.normal(size=(len(held), 2, n_pathways)).astype(np.float32),
            "squared_error": rng.uniform(1, 2, (len(held), 2)).astype(np.float32),
            "size": rng.uniform(1, 4, len(held)),
        }
        for held in plan.held_out
    ]


def assembled(mask, plan, samples, arrays):
    facts = _facts(plan, samples, mask)
    return latent.assemble_latent(plan, samples, arrays, facts, mask.pathways[::-1])


@pytest.mark.parametrize("folds", ["all hold out both groups", "one lacks a group", "none"])
def test_the_tables_of_given_activities(folds, small_mask, small_data):
    plan, samples = plan_and_samples(small_mask, small_data)
    y = plan.labels
    if folds != "all hold out both groups":
        ones, zeros = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
        parts = [ones[:3], np.sort([*ones[3:], *zeros])] if folds == "one lacks a group" else None
        plan = replace(plan, held_out=parts or [ones, zeros])
    arrays, names = given_blocks(plan), small_mask.pathways
    study = assembled(small_mask, plan, samples, arrays)
    every = np.empty((30, 2, len(names)))
    for held, block in zip(plan.held_out, arrays, strict=True):
        every[held] = block["activity"]
    shown, order = every.mean(axis=1), samples.X.index
    activity = pd.DataFrame(shown, order, names)[names[::-1]].loc[samples.given]
    pd.testing.assert_frame_equal(study.activity, activity, check_dtype=False, rtol=1e-5)
    T = np.array([[d_of(a, labels) for a in shown.T] for labels in plan.vectors])
    np.testing.assert_allclose(study.pathways["direction"], T[0], rtol=1e-4)
    np.testing.assert_allclose(study.pathways["effect"], np.abs(T[0]), rtol=1e-4)
    np.testing.assert_allclose(study.null, np.abs(T[1:]), rtol=1e-4)
    assert study.null.index.name == "permutation"
    assert study.null.columns.equals(names)
    by_seed = np.abs([[d_of(a, y) for a in every[:, k].T] for k in range(2)])
    both = [held for held in plan.held_out if len(set(y[held])) == 2]
    each = np.abs([[[d_of(a, y[held]) for a in every[held, k].T] for k in range(2)]
                   for held in both])  # fmt: skip
    assert len(both) == {"all hold out both groups": 3, "one lacks a group": 1, "none": 0}[folds]
    rows = each.reshape(-1, len(names))
    if len(both) == 3:
        np.testing.assert_allclose(study.effects, rows, rtol=1e-4)
    else:
        assert study.effects.shape == (0, len(names))
    assert study.effects.columns.equals(names)
    each = each if len(both) else by_seed[None]
    ranks = pd.DataFrame(-each.reshape(-1, len(names)), columns=names).T.rank().median(axis=1)
    np.testing.assert_allclose(study.pathways["rank_median"], ranks)
    expected = pd.DataFrame(by_seed.T).corr("spearman").iloc[0, 1]
    assert study.stability["seeds"] == pytest.approx(expected)
    means = pd.DataFrame(each.mean(axis=1).T).corr("spearman").to_numpy()
    above = means[np.triu_indices(len(means), 1)]
    expected = above.mean() if len(above) else np.nan
    assert study.stability["folds"] == pytest.approx(expected, nan_ok=True)
    assert list(study.predictions) == ["y", "fold", "squared_error"]
    assert study.predictions.index.equals(order)
    assert study.predictions["y"].tolist() == samples.y.tolist()
    for f, (held, block) in enumerate(zip(plan.held_out, arrays, strict=True)):
        table = study.predictions.iloc[held]
        assert (table["fold"] == f).all()
        np.testing.assert_allclose(table["squared_error"], block["squared_error"].mean(axis=1))
    assert study.predictions["squared_error"].dtype == np.float64
    assert study.notes[-2:] == list(latent.NOTES)
    assert len(study.notes) > 2
    assert study.edges.empty


def test_the_scores_of_given_errors(small_mask, small_data):
    plan, samples = plan_and_samples(small_mask, small_data)
    arrays = given_blocks(plan)
    arrays[1]["size"][:] = 0  # no gene varied
    scores = assembled(small_mask, plan, samples, arrays).scores
    assert list(scores) == ["fold", "seed", "squared_error", "r2"]
    assert scores[["fold", "seed"]].to_numpy().tolist() == [
        [f, k] for f in range(3) for k in (0, 1)
    ]
    for (f, k), row in scores.set_index(["fold", "seed"]).iterrows():
        error = arrays[f]["squared_error"][:, k].astype(float).mean()
        assert row["squared_error"] == pytest.approx(error, rel=1e-9)
        r2 = np.nan if f == 1 else 1 - error / arrays[f]["size"].mean()
        assert row["r2"] == pytest.approx(r2, nan_ok=True)


def test_a_block_by_given_networks(small_mask, small_data, monkeypatch):
    plan, _ = plan_and_samples(small_mask, small_data, watched=0.2)
    rng, asked = np.random.default_rng(2), []
    edges, bias = rng.normal(size=(small_mask.n_edges, 2)), rng.normal(size=(2, 5))
    edges[small_mask.edge_index[1] == 2, 1] = 1e-9  # does nothing in the second network

    def fit(trainer, *given):
        asked.append((trainer, *given))
        trainer.load(edges, bias)
        head = trainer.model.layers[-1]
        head.set_weights(
            [np.random.default_rng(3).normal(size=w.shape) for w in head.get_weights()]
        )
        return np.array([4, 2], np.int32)

    monkeypatch.setattr(BlockTrainer, "fit", fit)
    arrays, units = latent.latent_block(plan, Block(1, 0))
    assert units is None
    assert arrays.keys() == {"activity", "squared_error", "size", "steps"}
    held = plan.held_out[1]
    training = np.setdiff1d(np.arange(30), held)
    X = StandardScaler().fit(plan.X[training]).transform(plan.X).astype(np.float32)
    ((trainer, fitted, watched, seeds, order_seed),) = asked
    assert seeds == plan.seeds == [7000, 7001]
    assert order_seed == block_seed(7, 2, 1, 0)
    for one, other in (fitted, watched):
        np.testing.assert_array_equal(one, other)
    assert len(watched[0]) == 4
    found = np.vstack([fitted[0], watched[0]])
    np.testing.assert_allclose(
        np.sort(found, axis=0), np.sort(X[training], axis=0), rtol=1e-4, atol=1e-5
    )
    expected = np.zeros((len(held), 2, 5))
    for r, p in np.ndindex(2, 5):
        rows = small_mask.edge_index[0][small_mask.edge_index[1] == p]
        weights = edges[small_mask.edge_index[1] == p, r]
        h = np.tanh(X[:, rows] @ weights + bias[r, p])
        if h[training].std() > 1e-6:
            turn = np.sign(np.cov(h[training], X[training][:, rows].mean(axis=1))[0, 1])
            expected[:, r, p] = (turn * (h - h[training].mean()) / h[training].std())[held]
    assert (expected[:, 1, 2] == 0).all()
    np.testing.assert_allclose(arrays["activity"], expected, rtol=1e-3, atol=1e-4)
    assert arrays["activity"].dtype == np.float32
    made = trainer.model.predict(X[held], verbose=0)
    np.testing.assert_allclose(
        arrays["squared_error"], ((made - X[held][:, None]) ** 2).mean(axis=2), rtol=1e-4
    )
    np.testing.assert_allclose(arrays["size"], (X[held] ** 2).mean(axis=1), rtol=1e-4)
    assert arrays["size"].dtype == np.float64
    assert arrays["steps"].tolist() == [4, 2]
    assert arrays["steps"].dtype == np.int64


@pytest.mark.filterwarnings("error:divide by zero")  # NumPy's
def test_the_difference_where_a_class_is_empty_or_small():
    activity = np.array([[1.0], [2.0], [4.0]])
    found = standardised_difference(activity, np.array([[0, 0, 0], [1, 1, 1], [0, 0, 1]]))
    assert np.isnan(found[:2, 0]).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(standardised_difference(activity[:2], np.zeros((1, 2)))).all()
    # 4 - 1.5 over the root of (0.25 + 0.25) / 1
    assert found[2, 0] == pytest.approx(2.5 / np.sqrt(0.5))
    inexact = np.array([[0.1], [0.2], [0.4]])  # less their mean, they sum to -6e-17
    assert np.isnan(standardised_difference(inexact, np.ones((1, 3)))).all()
    two = standardised_difference(np.array([[1.0], [3.0]]), np.array([[0, 1]]))
    assert two[0, 0] == pytest.approx(2 / np.sqrt(1e-12 * 2))  # nothing varies within
