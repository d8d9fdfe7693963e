"""Study: tables worked out by hand, what is said with them, and files that keep every bit."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import subprocess
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import biomask as bm
from biomask.errors import StorageError
from biomask.inference import assembly, blocks, crossfit
from biomask.inference.labels import read_samples
from biomask.inference.scores import score
from biomask.inference.training import Settings
from biomask.storage import read_zip, write_zip

TABLES = ("pathways", "edges", "scores", "null", "predictions", "activity", "effects")
SETS = {
    "<b>one</b> & \"two\" 'é'": ["g0", "g1", "g2", "g3"],
    "twin": ["g4", "g5", "g6", "g7", "g8"],
    "twin again": ["g4", "g5", "g6", "g7", "g8"],
    "Z": ["g9", "g0"],
}


def made(
    y,
    task: str = "binary",
    *,
    permutations: int = 19,
    effects: np.ndarray | None = None,
    seeds: int = 2,
    folds: int = 2,
    index=None,
) -> bm.Study:
    """A study whose networks were never trained: the blocks hold chosen or random numbers.

    `effects` are the sums of a fold, (label vectors, seeds, pathways), the same in each.
    """
    mask, rng = bm.Mask.from_sets(SETS), np.random.default_rng(0)
    n, P = len(y), mask.shape[1]
    X = pd.DataFrame(rng.normal(size=(n, 10)), columns=mask.genes, index=index)
    samples = read_samples(mask, X, y, task)
    n_classes = len(samples.classes) if task == "multiclass" else None
    settings = Settings(task, n_classes, "tanh", 5, 64, 1e-3, 0.5, 1e-3)
    plan = crossfit.make_plan(mask, samples, settings, folds, seeds, permutations, 0)
    C, blocks = n_classes or 1, []
    for block in plan.blocks:
        held = len(plan.held_out[block.fold])
        random = rng.normal(size=(plan.labels_a_block, seeds, P))
        blocks.append(
            {
                "effects": random if effects is None else effects,
                "outputs": rng.normal(size=(held, seeds, C)).astype(np.float32),
                "direction": rng.normal(size=(seeds, P, C) if n_classes else (seeds, P)),
                "orientation": rng.normal(size=(seeds, P)),
                "edges": rng.normal(size=(mask.n_edges, seeds)),
            }
        )
    facts = crossfit._facts(plan, samples, mask)
    parts = [rng.normal(size=(len(held), P)).astype(np.float32) for held in plan.held_out]
    activity = assembly.activity_table(plan, samples, parts, mask.pathways)
    study = assembly.assemble(plan, samples, blocks, facts, activity)
    edges = rng.normal(size=(len(plan.vectors), mask.n_edges))
    study = assembly.with_edges(study, plan, np.arange(mask.n_edges), edges, blocks)
    return assembly.in_given_order(study, mask, samples)


def labels(n: int = 20) -> np.ndarray:
    return np.arange(n) % 2


@pytest.fixture(scope="module")
def study():
    return made(labels())


# ---------------------------------------------------------------------------- the tables


def test_effects_p_values_and_the_null_by_hand():
    sums = np.zeros((20, 2, 4))
    sums[:, :, 1] = np.arange(20, 0, -1)[:, None]  # the real labels have the largest effect
    sums[:, :, 2] = np.arange(20)[:, None]  # the smallest
    sums[:, :, 3] = np.where(np.arange(20) < 5, 3, 1)[:, None]  # four ties with the real ones
    sums[0, :, 1] += [-4, 4]  # seeds are averaged
    table = made(labels(20), effects=sums).pathways
    # 20 samples in two folds: the effect is (sum + sum) / 20
    np.testing.assert_allclose(table["effect"], [0, 2.0, 0, 0.3])
    np.testing.assert_allclose(table["p"], [1, 1 / 20, 1, 5 / 20])
    np.testing.assert_allclose(table["null_mean"], [0, 1.0, 1.0, (4 * 0.3 + 15 * 0.1) / 19])
    np.testing.assert_allclose(table["null_low"].iloc[1], np.quantile(np.arange(1, 20) / 10, 0.05))
    np.testing.assert_allclose(table["q"], [1, 0.2, 1, 0.5])
    assert table["size"].tolist() == [4, 5, 5, 2]
    assert table["not_separable"].tolist() == [pd.NA, 1, 1, pd.NA]
    assert table["p_fwer"].iloc[0] == 1, "what never changes cannot be significant"


def test_effects_of_folds_and_seeds_average_to_those_of_the_study():
    sums = np.zeros((20, 2, 4))
    sums[0] = [[1, 2, 3, 4], [9, 8, 7, 6]]
    study = made(labels(20), effects=sums)
    # ten samples a fold; rows as in the scores: fold 0 with seeds 0 and 1, then fold 1
    np.testing.assert_allclose(study.effects.iloc[:2], sums[0] / 10)
    np.testing.assert_allclose(study.effects.iloc[2:], sums[0] / 10)
    assert study.scores[["fold", "seed"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    np.testing.assert_allclose(study.effects.mean(), study.pathways["effect"])
    assert list(study.effects.columns) == list(study.pathways.index)


def test_ranks_and_stability_by_hand():
    sums = np.zeros((1, 2, 4))
    sums[0] = [[4, 3, 2, 1], [4, 3, 1, 2]]  # the two seeds swap the last two
    study = made(labels(), permutations=0, effects=sums)
    assert study.pathways["rank_median"].tolist() == [1, 2, 3.5, 3.5]
    assert study.stability["seeds"] == pytest.approx(0.8)  # Spearman: 1 - 6 * 2 / (4 * 15)
    assert study.stability["folds"] == pytest.approx(1)
    assert study.stability["top"] == 2
    assert study.stability["top_index"] == pytest.approx(1)
    assert study.pathways["p"].tolist() == [1] * 4  # without permutations nothing is significant
    assert not study.pathways["selected"].any()


def test_a_direction_is_the_mean_over_folds_by_size_and_passes_over_a_fold_without_one():
    directions = [np.array([[1.0, 2, np.nan, np.nan]]), np.array([[2.0, np.nan, 4, np.nan]])]

    class TwoFolds:
        held_out = (np.arange(3), np.arange(3, 5))

    first = {f: {"direction": d} for f, d in enumerate(directions)}
    found = assembly._directions(TwoFolds, first, [])["direction"]
    np.testing.assert_allclose(found, [(3 * 1 + 2 * 2) / 5, 2, 4, np.nan])


def test_a_direction_that_is_infinite_counts_as_none():
    first = {f: {"direction": np.array([[d]])} for f, d in enumerate([np.inf, 3.0])}
    plan = SimpleNamespace(held_out=(np.arange(3), np.arange(3, 5)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert assembly._directions(plan, first, [])["direction"].tolist() == [3]


def test_several_classes_have_a_column_each_whatever_they_are_called():
    study = made(["y", "fold", "x"] * 6, "multiclass", permutations=2)
    names = ["prediction_fold", "prediction_x", "prediction_y"]
    assert study.predictions.columns.tolist() == ["y", "fold", *names]
    np.testing.assert_allclose(study.predictions[names].sum(axis=1), 1, rtol=1e-6)
    assert {"direction_fold", "direction_x", "direction_y"} <= set(study.pathways)


def test_a_score_of_a_fold_with_one_class_has_no_auc():
    found = score(np.ones(3), np.array([[1e4], [0.0], [2.0]]), "binary")
    assert np.isnan(found["auc"])
    assert found["log_loss"] == pytest.approx((0 + np.log(2) + np.log1p(np.exp(-2))) / 3)
    assert found["accuracy"] == pytest.approx(2 / 3)  # a tie goes to class 0


def plan_in_blocks(monkeypatch, folds: int = 3):
    """20 samples in folds of 7, 7 and 6; 5 label vectors in blocks of 2, the last one filled up."""
    monkeypatch.setattr(blocks, "MAX_REPLICATES", 4)
    mask = bm.Mask.from_sets(SETS)
    X = np.random.default_rng(0).normal(size=(20, 10))
    samples = read_samples(mask, pd.DataFrame(X, columns=mask.genes), labels(), "binary")
    settings = Settings("binary", None, "tanh", 5, 64, 1e-3, 0.5, 1e-3)
    return crossfit.make_plan(mask, samples, settings, folds, 2, 4, 0), samples


def test_blocks_become_tables(monkeypatch):
    plan, samples = plan_in_blocks(monkeypatch)
    assert [(block.fold, block.first) for block in plan.blocks[:4]] == [
        (0, 0),
        (0, 2),
        (0, 4),
        (1, 0),
    ]
    rng = np.random.default_rng(1)
    sums = rng.normal(size=(3, 6, 2, 4))  # of folds, label vectors, seeds, pathways
    outputs = [rng.normal(size=(len(part), 4, 1)).astype("f4") for part in plan.held_out]
    directions = rng.normal(size=(3, 2, 4))
    found = [
        {
            "effects": sums[block.fold, block.first : block.first + 2],
            "outputs": outputs[block.fold] if block.first == 0 else np.full((1, 4, 1), np.nan),
            "direction": directions[block.fold] if block.first == 0 else np.full((2, 4), 9),
        }
        for block in plan.blocks
    ]
    facts, activity = {"attainable": "said first"}, pd.DataFrame()
    study = assembly.assemble(plan, samples, found, facts, activity)
    names = plan.mask.pathways
    held = np.array([len(part) for part in plan.held_out])
    assert sorted(held) == [6, 7, 7]
    T = sums[:, :5].sum(axis=0).mean(axis=1) / 20
    null = pd.DataFrame(T[1:], pd.RangeIndex(4, name="permutation"), names)
    pd.testing.assert_frame_equal(study.null, null)
    np.testing.assert_allclose(study.pathways["effect"], T[0])
    each = sums[:, 0] / held[:, None, None]
    pd.testing.assert_frame_equal(study.effects, pd.DataFrame(np.concatenate(each), columns=names))
    ranks = np.quantile(stats.rankdata(-np.concatenate(each), axis=1), [0.05, 0.5, 0.95], axis=0)
    shown = study.pathways[["rank_low", "rank_median", "rank_high"]]
    np.testing.assert_allclose(shown, ranks.T)
    turned = (directions.mean(axis=1) * held[:, None]).sum(axis=0) / 20
    np.testing.assert_allclose(study.pathways["direction"], turned)
    by_seed = stats.spearmanr(*sums[:, 0].sum(axis=0)).statistic
    by_fold = each.mean(axis=1)
    pairs = [stats.spearmanr(by_fold[a], by_fold[b]).statistic for a, b in [(0, 1), (0, 2), (1, 2)]]
    assert study.stability["seeds"] == pytest.approx(by_seed)
    assert study.stability["folds"] == pytest.approx(np.mean(pairs))
    assert study.scores[["fold", "seed"]].to_numpy().tolist() == [
        [f, k] for f in range(3) for k in range(2)
    ]
    for fold, part in enumerate(plan.held_out):
        logits = outputs[fold][:, :2, 0].astype(float)
        rows = study.predictions.iloc[part]
        np.testing.assert_allclose(rows["prediction"], (1 / (1 + np.exp(-logits))).mean(axis=1))
        assert (rows["fold"] == fold).all()
    assert study.predictions["y"].tolist() == labels().tolist()
    assert study.mask is plan.mask
    assert study.settings is facts
    assert study.activity is activity
    assert study.notes[0] == "said first"
    assert len(study.edges) == 0


def predicted(task, outputs, y, classes=()):
    """Samples a to d, of which b and d are the first fold."""
    index = list("abcd")
    y = y.set_axis(index)
    plan = SimpleNamespace(
        settings=SimpleNamespace(task=task),
        held_out=[np.array([1, 3]), np.array([0, 2])],
        X=np.zeros((4, 2)),
    )
    samples = SimpleNamespace(y=y, classes=list(classes), X=pd.DataFrame(index=index))
    outputs = np.array(outputs, "f4")
    return assembly._predictions(
        plan, samples, {1: {"outputs": outputs[2:]}, 0: {"outputs": outputs[:2]}}
    )


def test_predictions_are_probabilities_or_values():
    logit, index = np.log(3), list("abcd")
    outputs = [[[0], [0]], [[logit], [0]], [[logit], [logit]], [[-logit], [0]]]
    y = pd.Series([0, 1, 1, 0], name="ill")
    table = pd.DataFrame({"y": [0, 1, 1, 0], "fold": [1, 0, 1, 0]}, index)
    expected = table.assign(prediction=[0.75, 0.5, 0.375, 0.625])
    pd.testing.assert_frame_equal(predicted("binary", outputs, y), expected)
    values = pd.Series([0.0, 0, 4, 4])  # mean 2, deviation 2
    outputs = [[[0], [2]], [[1], [1]], [[-1], [1]], [[3], [4]]]
    expected = table.assign(y=values.tolist(), prediction=[2.0, 4.0, 9.0, 4.0])
    pd.testing.assert_frame_equal(predicted("regression", outputs, values), expected)


def test_predictions_of_classes_and_of_risks():
    index = list("abcd")
    rows = np.log([[1, 1, 2], [2, 1, 1]]), np.log([[1, 3, 4], [1, 3, 4]])
    found = predicted("multiclass", [rows[0], rows[1]] * 2, pd.Series(list("xyzx")), "xyz")
    even, first = [0.375, 0.25, 0.375], [0.125, 0.375, 0.5]
    expected = pd.DataFrame(
        [even, even, first, first], index, [f"prediction_{name}" for name in "xyz"]
    )
    expected.insert(0, "fold", [1, 0, 1, 0])
    expected.insert(0, "y", pd.Series(list("xyzx"), index))
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    risks = [[[0], [1], [3]], [[2], [5], [3]], [[7], [0], [2]], [[7], [4], [8]]]
    y = pd.DataFrame({"time": [1.0, 2, 3, 4], "event": [1, 0, 1, 1]})
    expected = y.set_axis(index).assign(fold=[1, 0, 1, 0], prediction=[-5 / 3, -1, 5 / 3, 1])
    pd.testing.assert_frame_equal(predicted("survival", risks, y), expected)


def test_activity_comes_in_the_order_asked_for():
    n = 1300
    rng = np.random.default_rng(0)
    mixed, shuffled = rng.permutation(n), rng.permutation(n)
    inside = pd.Index([f"s{k:04d}" for k in range(n)])
    whole = rng.normal(size=(n, 4)).astype("f4") + 100
    held_out = [mixed[:700], mixed[700:]]
    plan = SimpleNamespace(held_out=held_out, mask=bm.Mask.from_sets(SETS), X=whole)
    samples = SimpleNamespace(X=pd.DataFrame(index=inside), given=inside[shuffled])
    asked = plan.mask.pathways[[2, 0, 3, 1]]
    found = assembly.activity_table(plan, samples, (whole[part] for part in held_out), asked)
    expected = pd.DataFrame(whole[shuffled][:, [2, 0, 3, 1]], inside[shuffled], asked)
    pd.testing.assert_frame_equal(found, expected)
    found = assembly.by_sample(plan, samples, [whole[part] for part in held_out])
    pd.testing.assert_frame_equal(found, pd.DataFrame(whole, inside, plan.mask.pathways))
    found = assembly.by_sample(plan, samples, [whole[part] for part in held_out], list("abcd"))
    assert found.columns.tolist() == list("abcd")
    fold = assembly.fold_column(plan)
    assert np.issubdtype(fold.dtype, np.integer)
    assert (fold[held_out[0]] == 0).all()
    assert (fold[held_out[1]] == 1).all()


def test_the_table_of_pathways_by_hand():
    mask = bm.Mask.from_sets(SETS)
    effects = np.zeros((20, 4))
    effects[:, 1] = np.arange(20, 0, -1)
    effects[:, 2] = np.where(np.arange(20) < 1, 3, 1)
    effects[:, 3] = [*range(19), 100]
    each = np.array([[[4, 3, 2, 1], [4, 3, 1, 2]], [[1, 2, 3, 4], [4, 3, 2, 1.0]]])
    found = assembly.pathway_table(mask, effects, each, {"direction": np.arange(4.0)})
    assert found.columns.tolist() == [
        *["size", "effect", "p", "p_fwer", "q", "null_mean", "null_low", "null_high", "selected"],
        *["rank_low", "rank_median", "rank_high", "direction", "not_separable"],
    ]
    assert found.index.equals(mask.pathways)
    np.testing.assert_allclose(found["p"], [1, 0.05, 0.05, 1])
    np.testing.assert_allclose(found["q"], [1, 0.1, 0.1, 1])
    np.testing.assert_allclose(found["p_fwer"], [1, 0.1, 0.05, 1])
    np.testing.assert_allclose(found["null_mean"], [0, 10, 1, 271 / 19])
    np.testing.assert_allclose(found["null_low"], [0, 1.9, 1, 1.9])
    np.testing.assert_allclose(found["null_high"], [0, 18.1, 1, 18 + 0.1 * 82])
    assert found["selected"].tolist() == [False, False, True, False]
    np.testing.assert_allclose(found["rank_low"], [1, 2, 2.15, 1.3])
    np.testing.assert_allclose(found["rank_high"], [3.55, 2.85, 3.85, 4])
    assert found["direction"].tolist() == [0, 1, 2, 3]


def test_q_alone_selects_too():
    effects = np.tile(np.arange(20.0, 0, -1)[:, None], (1, 4))
    effects[:, 1] = [3, 2.9, *[0] * 18]
    found = assembly.pathway_table(bm.Mask.from_sets(SETS), effects, np.zeros((1, 1, 4)), {})
    np.testing.assert_allclose(found["p_fwer"], [0.1, 0.05, 0.1, 0.1])
    np.testing.assert_allclose(found["q"], 0.05)
    assert found["selected"].all()


def test_the_null_of_one_permutation_is_that_one():
    effects = np.array([[1.0, 2, 3, 4], [5, 6, 7, 8]])
    found = assembly.pathway_table(bm.Mask.from_sets(SETS), effects, np.zeros((1, 1, 4)), {})
    for name in ("null_mean", "null_low", "null_high"):
        assert found[name].tolist() == [5, 6, 7, 8]


def small_hierarchy() -> bm.Hierarchy:
    """g0 and g1 below units, one of them called like a gene, below the unit top."""
    mask = bm.Mask.from_sets({"g1": ["g0"], "b": ["g1"], "top": ["g0", "g1"]})
    return bm.Hierarchy.from_sets(
        mask, pd.DataFrame({"child": ["g1", "b"], "parent": ["top", "top"]})
    )


def test_the_table_of_a_hierarchy_says_where_units_stand():
    units = small_hierarchy()
    P = len(units.pathways)
    found = assembly.pathway_table(units, np.zeros((1, P)), np.zeros((1, 1, P)), {})
    assert found.columns.tolist()[-4:] == ["not_separable", "level", "depth", "parents"]
    assert found["parents"].to_dict() == {"g1": "top", "b": "top", "top": ""}
    assert found["level"].to_dict() == {"g1": 0, "b": 0, "top": 1}
    assert found["null_mean"].isna().all()


SETTINGS = Settings("binary", None, "tanh", 5, 64, 1e-3, 0.5, 1e-3)


def test_the_table_of_edges_by_hand(study):
    """Of two edges of the first pathway and one of the last; the first is not selected."""
    mask = study.mask
    edges = mask.to_edges()
    positions = np.array([0, 5, len(edges) - 1])
    cols = mask.pathways.get_indexer(edges["pathway"].iloc[positions])
    selected = study.pathways.assign(selected=np.arange(4) == cols[1])
    effects = np.tile(np.arange(20.0, 0, -1)[:, None], (1, 3))
    effects[3, 1] = 50
    weights = np.array([[1.0, 1, -1], [-1, 2, 3]])  # of two seeds of a fold
    real = [
        {"edges": weights.T, "orientation": np.ones((2, 4))},
        {"edges": weights[1:].T, "orientation": -np.ones((1, 4))},
    ]
    plan = SimpleNamespace(mask=mask, settings=SETTINGS)
    found = assembly.with_edges(study.replace(pathways=selected), plan, positions, effects, real)
    expected = pd.DataFrame(
        {
            "gene": edges["gene"].iloc[positions].tolist(),
            "pathway": edges["pathway"].iloc[positions].tolist(),
            "effect": [20.0, 20, 20],
            "p": [0.05, 0.1, 0.05],
            "q": np.where(cols == cols[1], 0.4, np.nan),
            "sign": [1, 1, -1],
            "sign_agreement": [2 / 3, 2 / 3, 2 / 3],
        }
    )
    assert cols[0] != cols[1] != cols[2]
    pd.testing.assert_frame_equal(found.edges, expected, check_dtype=False)


def test_edges_of_a_hierarchy_have_a_level(study):
    units = small_hierarchy()
    plan = SimpleNamespace(mask=units, settings=SETTINGS)
    P = len(units.pathways)
    table = pd.DataFrame({"selected": [True] * P}, index=units.pathways)
    given = study.replace(pathways=table, mask=units)
    real = [{"edges": np.ones((4, 1)), "orientation": np.ones((1, P))}]
    found = assembly.with_edges(given, plan, np.arange(4), np.ones((2, 4)), real).edges
    rows = found[["gene", "pathway", "level"]].to_numpy().tolist()
    assert sorted(rows[:2]) == [["g0", "g1", 0], ["g1", "b", 0]]
    assert sorted(rows[2:]) == [["b", "top", 1], ["g1", "top", 1]]


def test_tables_are_put_in_the_order_asked_for(study):
    asked = study.mask.select(study.mask.genes[::-1], study.mask.pathways[[2, 0, 3, 1]])
    order = np.random.default_rng(0).permutation(20)
    samples = SimpleNamespace(given=study.predictions.index[order])
    found = assembly.in_given_order(study, asked, samples)
    names = asked.pathways
    assert found.mask is asked
    pd.testing.assert_frame_equal(found.pathways, study.pathways.loc[names])
    pd.testing.assert_frame_equal(found.null, study.null[names])
    pd.testing.assert_frame_equal(found.effects, study.effects[names])
    pd.testing.assert_frame_equal(found.predictions, study.predictions.iloc[order])
    pairs = [(name, gene) for name in names for gene in asked.genes if gene in SETS[name]]
    keyed = study.edges.set_index(["pathway", "gene"], drop=False).loc[pairs]
    pd.testing.assert_frame_equal(found.edges, keyed.reset_index(drop=True))


def test_edges_above_genes_are_put_in_the_order_of_units(study):
    """The unit g1 stands before the unit b, and the gene g1 behind the gene g0."""
    units = small_hierarchy()
    assert units.pathways.tolist() == ["g1", "b", "top"]
    edges = pd.DataFrame(
        [("b", "top", 1), ("g1", "top", 1), ("g1", "b", 0), ("g0", "g1", 0)],
        columns=["gene", "pathway", "level"],
    )
    columns = {name: pd.DataFrame(columns=units.pathways) for name in ("null", "effects")}
    rows = pd.DataFrame(index=units.pathways)
    samples = SimpleNamespace(given=study.predictions.index)
    given = study.replace(pathways=rows, edges=edges, **columns)
    found = assembly.in_given_order(given, units, samples).edges
    assert found.to_numpy().tolist() == [
        *[["g0", "g1", 0], ["g1", "b", 0], ["g1", "top", 1], ["b", "top", 1]]
    ]


def test_blocks_of_a_fold_are_put_together():
    plan = SimpleNamespace(
        blocks=[blocks.Block(1, 0), blocks.Block(0, 0), blocks.Block(1, 2), blocks.Block(0, 2)],
        vectors=np.zeros((3, 9)),
    )
    arrays = [np.array([[[value]], [[value + 0.5]]]) for value in (10, 0, 12, 2)]
    found = assembly.fold_sums(plan, arrays)
    assert found[:, :, 0, 0].tolist() == [[0, 0.5, 2], [10, 10.5, 12]]


def test_stability_is_of_half_the_pathways_and_ten_at_most():
    rng = np.random.default_rng(0)
    for P, m in [(2, 1), (3, 1), (5, 2), (19, 9), (20, 10), (24, 10)]:
        each = rng.normal(size=(3, 2, P))
        found = assembly.stability_of(each[0], each[1], each)
        top = bm.inference.stability.nogueira(stats.rankdata(-each.reshape(6, P), axis=1) <= m)
        assert found["top"] == m
        assert found.tolist()[3:] == [top.index, top.low, top.high]
    assert found.name == "stability"
    alone = assembly.stability_of(np.ones((2, 1)), np.ones((2, 1)), np.ones((2, 2, 1)))
    assert alone["top"] == 1
    assert alone.drop("top").isna().all()


def test_a_study_without_edges_has_their_columns():
    found = assembly.no_edges()
    columns = ["gene", "pathway", "effect", "p", "q", "sign", "sign_agreement"]
    assert found.dtypes.astype(str).to_dict() == dict(
        zip(columns, ["object", "object", *["float64"] * 3, "int64", "float64"], strict=True)
    )
    assert len(found) == 0


# ---------------------------------------------------------------------------- what is said


def test_three_against_three_says_that_no_p_can_reach_the_level():
    study = made([0, 0, 0, 1, 1, 1])
    assert len(study.null) == 9  # of 20 ways to deal the labels, ten are different questions
    assert study.notes[0] == (
        "no p can reach 0.05 with 3 against 3: the labels can be dealt in only 10 different "
        "ways, so the smallest p is 0.1"
    )


def test_notes_of_all_kinds():
    pathways = pd.DataFrame({"q": [0.05, 0.04, 0.06, 1], "selected": [True, True, True, False]})
    null, stability = pd.DataFrame(np.zeros((9, 4))), pd.Series({"seeds": 0.5})
    assert assembly.shared_notes(pathways, null, stability, {"attainable": "no p can"}) == [
        "no p can",
        "9 permutations are too few for q: they cannot bring any of the 4 pathways to q <= 0.05 "
        "(39 permutations could); rely on p_fwer",
        "the stability of the ranking is intermediate",
        "3 of 4 pathways are selected (p_fwer or q at most 0.05)",
    ]
    many = pd.DataFrame(np.zeros((39, 4)))
    assert assembly.shared_notes(pathways, many, stability, {"attainable": ""}) == [
        "the stability of the ranking is intermediate",
        "3 of 4 pathways are selected (p_fwer or q at most 0.05)",
    ]


def test_too_few_permutations_for_q_are_said():
    notes = made(labels(), permutations=19).notes
    assert any(
        note.startswith("19 permutations are too few for q") and "rely on p_fwer" in note
        for note in notes
    )
    assert not any("too few for q" in note for note in made(labels(), permutations=79).notes)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ([1, 2, 3, 4], "the ranking is stable"),
        ([2, 1, 4, 3], "the stability of the ranking is intermediate"),  # Spearman .6
        ([2, 4, 1, 3], "the ranking is not stable"),  # Spearman 0
    ],
)
def test_the_stability_of_the_ranking_is_said(second, said):
    sums = np.array([[[1, 2, 3, 4], second]], float)
    assert said in made(labels(), permutations=0, effects=sums).notes


def test_with_one_seed_no_stability_is_claimed():
    assert any("was not assessed" in note for note in made(labels(), seeds=1).notes)


def test_the_number_of_selected_pathways_is_said():
    sums = np.tile(np.arange(20.0)[::-1, None, None], (1, 2, 4))
    study = made(labels(), effects=sums)
    assert study.pathways["selected"].all()
    assert "4 of 4 pathways are selected (p_fwer or q at most 0.05)" in study.notes


# ---------------------------------------------------------------------------- files


def assert_same(a: bm.Study, b: bm.Study) -> None:
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(a, name), getattr(b, name), check_exact=True)
        assert getattr(a, name).columns.tolist() == getattr(b, name).columns.tolist()
    pd.testing.assert_series_equal(a.stability, b.stability, check_exact=True)
    assert a.mask == b.mask
    assert a.settings == b.settings
    assert a.notes == b.notes


@pytest.mark.parametrize(
    ("y", "task", "index"),
    [
        (labels(), "binary", None),
        (labels() == 1, "binary", [f"s{k}" for k in range(20)]),
        (np.where(labels(), "case", "control"), "binary", range(5, 25)),
        (pd.Categorical(list("abcde") * 4), "multiclass", [f"<{k}>" for k in range(20)]),
        (np.linspace(-1, 1e-9, 20), "regression", pd.date_range("2020-01-01", periods=20)),
    ],
)
def test_what_is_saved_is_what_is_read(tmp_path, y, task, index):
    study = made(y, task, index=index)
    study.save(tmp_path / "s.biomask")
    assert_same(bm.load_study(tmp_path / "s.biomask"), study)


def test_the_same_study_has_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        made(labels()).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    bm.load_study(tmp_path / "a").save(tmp_path / "c")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "c").read_bytes()


def test_a_file_written_without_the_effects_of_seeds_is_read(study, tmp_path):
    study.save(tmp_path / "s")
    manifest, members = read_zip(tmp_path / "s")
    older = {name: content for name, content in members.items() if "effects" not in name}
    write_zip(tmp_path / "t", older, {k: v for k, v in manifest.items() if k != "members"})
    found = bm.load_study(tmp_path / "t")
    assert found.effects.empty
    assert_same(found.replace(effects=study.effects), study)


@pytest.mark.parametrize(
    ("member", "content"),
    [
        ("pathways.json", b"[]"),
        ("edges.json", b"{}"),
        ("null.npy", b"nonsense"),
        ("mask.json", b"{}"),
        ("scores.json", json.dumps({"index": {"values": [1, 2]}, "columns": []}).encode()),
        ("stability.json", None),
    ],
)
def test_a_study_with_sound_hashes_and_unsound_content_is_refused(study, tmp_path, member, content):
    study.save(tmp_path / "s")
    manifest, members = read_zip(tmp_path / "s")
    if content is None:
        del members[member]
    else:
        members[member] = content
    write_zip(tmp_path / "t", members, manifest)
    with pytest.raises(StorageError):
        bm.load_study(tmp_path / "t")


KINDS = pd.DataFrame(
    {
        "small": np.array([-7, 300], "int16"),
        "count": np.array([1, 2], "uint8"),
        "share": np.array([0.1, 0.25], "float32"),
        "effect": [0.1, 1e-300],
        "yes": [True, False],
        "group": pd.array([3, pd.NA], "Int64"),
        "name": ["é", "b"],
        "seen": pd.to_datetime(["2020-01-01", "2021-02-03"]),
    },
    index=pd.Index([5, 6], name="fold"),
)


def test_tables_are_written_with_their_types(study, tmp_path):
    study.replace(scores=KINDS).save(tmp_path / "s")
    manifest, members = read_zip(tmp_path / "s")
    assert manifest == {
        "kind": "biomask study",
        "schema": 1,
        "settings": study.settings,
        "notes": study.notes,
    }
    names = [f"{name}.json" for name in (*TABLES, "stability", "mask")]
    assert sorted(members) == sorted([*names, "null.npy", "activity.npy", "effects.npy"])
    assert json.loads(members["scores.json"]) == {
        "index": {"name": "fold", "dtype": "int64", "values": [5, 6]},
        "columns": [
            {"name": "small", "dtype": "int16", "values": [-7, 300]},
            {"name": "count", "dtype": "uint8", "values": [1, 2]},
            {"name": "share", "dtype": "float32", "values": [float(np.float32(0.1)), 0.25]},
            {"name": "effect", "dtype": "float64", "values": [0.1, 1e-300]},
            {"name": "yes", "dtype": "bool", "values": [True, False]},
            {"name": "group", "dtype": "Int64", "values": [3, None]},
            {"name": "name", "dtype": "object", "values": ["é", "b"]},
            {
                "name": "seen",
                "dtype": "object",
                "values": ["2020-01-01 00:00:00", "2021-02-03 00:00:00"],
            },
        ],
    }
    assert json.loads(members["effects.json"])["columns"] == []
    read = bm.load_study(tmp_path / "s").scores
    expected = KINDS.assign(seen=KINDS["seen"].map(str))
    pd.testing.assert_frame_equal(
        read.astype({"name": object, "seen": object}),
        expected.astype({"name": object, "seen": object}),
    )


def test_the_study_of_a_hierarchy_is_read_with_it(study, tmp_path):
    hierarchy = small_hierarchy()
    units = hierarchy.pathways
    tables = {
        name: pd.DataFrame(np.eye(2, len(units)), columns=units)
        for name in ("null", "activity", "effects")
    }
    study.replace(mask=hierarchy, **tables).save(tmp_path / "s")
    found = bm.load_study(tmp_path / "s")
    assert isinstance(found.mask, bm.Hierarchy)
    assert found.mask == hierarchy
    pd.testing.assert_frame_equal(found.null, tables["null"])


def test_a_study_without_edges_is_read_as_it_was(study, tmp_path):
    study.replace(edges=assembly.no_edges()).save(tmp_path / "s")
    found = bm.load_study(tmp_path / "s").edges
    pd.testing.assert_frame_equal(found, assembly.no_edges().reset_index(drop=True))
    assert found.index.dtype == np.int64


def test_pickles_are_neither_written_nor_read(study, tmp_path):
    with pytest.raises(ValueError, match="allow_pickle=False"):
        study.replace(null=study.null.astype(object)).save(tmp_path / "s")
    study.save(tmp_path / "s")
    manifest, members = read_zip(tmp_path / "s")
    buffer = io.BytesIO()
    np.save(buffer, study.null.to_numpy(object), allow_pickle=True)
    write_zip(tmp_path / "t", members | {"null.npy": buffer.getvalue()}, manifest)
    with pytest.raises(StorageError, match="Object arrays cannot be loaded"):
        bm.load_study(tmp_path / "t")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": None}, "the study inside is damaged: TypeError('settings are None')"),
        ({"settings": [1]}, "the study inside is damaged: TypeError('settings are [1]')"),
        ({"notes": 7}, "the study inside is damaged: TypeError(\"'int' object is not iterable\")"),
        ({"stability.json": None}, "the study inside is damaged: 'stability.json' is missing"),
        (
            {"mask.json": b'{"genes": [], "pathways": []}'},
            "the study inside is damaged: a stored mask is damaged: KeyError('n_edges')",
        ),
    ],
)
def test_what_is_wrong_inside_is_said(study, tmp_path, change, said):
    study.save(tmp_path / "s")
    manifest, members = read_zip(tmp_path / "s")
    for name, content in change.items():
        if name in manifest:
            manifest[name] = content
        elif content is None:
            del members[name]
        else:
            members[name] = content
    write_zip(tmp_path / "t", members, manifest)
    with pytest.raises(StorageError) as caught:
        bm.load_study(tmp_path / "t")
    assert caught.value.problem == said
    assert (caught.value.code, caught.value.file) == ("E-STUDY-FILE", str(tmp_path / "t"))


@pytest.mark.parametrize(
    ("settings", "needed"), [({"biomask": "9.9"}, "biomask >= 9.9"), ([], "a later biomask")]
)
def test_a_newer_file_says_what_it_needs(study, tmp_path, settings, needed):
    study.save(tmp_path / "s")
    manifest, members = read_zip(tmp_path / "s")
    write_zip(tmp_path / "t", members, manifest | {"schema": 2, "settings": settings})
    with pytest.raises(StorageError) as caught:
        bm.load_study(tmp_path / "t")
    assert caught.value.code == "E-SCHEMA"
    assert caught.value.hint == f"It needs {needed}."
    write_zip(tmp_path / "t", members, manifest | {"kind": "biomask model"})
    with pytest.raises(StorageError, match="this is a biomask model, not a biomask study"):
        bm.load_study(tmp_path / "t")


def test_a_study_opens_without_tensorflow(study, tmp_path):
    study.save(tmp_path / "s")
    code = (
        "import sys, biomask as bm\n"
        f"study = bm.load_study({str(tmp_path / 's')!r})\n"
        "study._repr_html_(), study.top(2)\n"
        "print(sorted({'tensorflow', 'keras', 'sklearn', 'joblib'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


# ---------------------------------------------------------------------------- as an object


def test_names_are_escaped_in_html(study):
    page = study.replace(notes=["1 < 2 <script>"])._repr_html_()
    assert "&lt;b&gt;one&lt;/b&gt; &amp;" in page
    assert "<b>one" not in page
    assert "<script>" not in page
    assert "1 &lt; 2" in page


def test_a_study_cannot_be_changed_by_accident(study, tmp_path):
    before = {name: getattr(study, name).copy() for name in TABLES}
    with pytest.raises(dataclasses.FrozenInstanceError):
        study.pathways = None
    other = study.replace(notes=[])
    assert study.notes
    assert not other.notes
    study.top(1), study._repr_html_(), repr(study), study.save(tmp_path / "s")
    for name, table in before.items():
        pd.testing.assert_frame_equal(getattr(study, name), table, check_exact=True)


def test_top_orders_by_effect(study):
    effects = study.top(3)["effect"]
    assert effects.tolist() == sorted(study.pathways["effect"], reverse=True)[:3]


def test_repr_counts(study):
    assert repr(study) == "Study(4 pathways, 20 samples, 2 folds x 2 seeds x 20 label vectors)"


def many(study, n: int = 60) -> bm.Study:
    """A study of n pathways, 20 of each effect."""
    table = pd.DataFrame(
        {"effect": np.arange(n) % 3 + 1 / 3, "size": 7}, [f"P{k}" for k in range(n)]
    )
    columns = dict.fromkeys(["p", "p_fwer", "q", "rank_low", "rank_high"], 0.123456)
    return study.replace(pathways=table.assign(**columns, direction=0.5))


def test_top_keeps_the_order_of_equal_effects(study):
    found = many(study)
    assert found.top(22).index.tolist() == [
        *[f"P{k}" for k in range(2, 60, 3)],
        "P1",
        "P4",
    ]
    assert len(found.top()) == 10


def test_large_numbers_are_grouped(study):
    found = many(study, 1200).replace(settings=study.settings | {"samples": 12345})
    assert (
        repr(found) == "Study(1,200 pathways, 12,345 samples, 2 folds x 2 seeds x 20 label vectors)"
    )


def test_the_page_of_a_study(study):
    found = many(study).replace(notes=["one & two", "three"])
    page = found._repr_html_()
    assert page.startswith(
        f"<p><b>{found!r}</b></p><ul><li>one &amp; two</li><li>three</li></ul><table"
    )
    cells = re.findall(r"<t[hd]>(.*?)</t[hd]>", page)
    assert cells[:8] == ["", "size", "effect", "p", "p_fwer", "q", "rank_low", "rank_high"]
    assert cells[8:16] == ["P2", "7", "2.33", *["0.123"] * 5]
    assert len(cells) == 8 * 11  # ten pathways below the names


def test_studies_are_told_apart_as_objects(study):
    assert len({study, study.replace()}) == 2
