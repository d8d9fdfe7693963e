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
from real_studies import assert_same
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


def labels(n: int = 20) -> np.ndarray:
    return np.arange(n) % 2


@pytest.fixture
def study(study_of):
    return study_of("binary")


# ---------------------------------------------------------------------------- the tables


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
    assert found["size"].tolist() == [4, 5, 5, 2]
    assert found["not_separable"].tolist() == [pd.NA, 1, 1, pd.NA]
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
    """Of two edges of different pathways and one of a third; only the second is selected."""
    mask = study.mask
    edges = mask.to_edges()
    positions = np.array([0, 5, len(edges) - 1])
    cols = mask.pathways.get_indexer(edges["pathway"].iloc[positions])
    selected = study.pathways.assign(selected=np.arange(13) == cols[1])
    effects = np.tile(np.arange(20.0, 0, -1)[:, None], (1, 3))
    effects[3, 1] = 50
    weights = np.array([[1.0, 1, -1], [-1, 2, 3]])  # of two seeds of a fold
    real = [
        {"edges": weights.T, "orientation": np.ones((2, 13))},
        {"edges": weights[1:].T, "orientation": -np.ones((1, 13))},
    ]
    plan = SimpleNamespace(mask=mask, settings=SETTINGS)
    found = assembly.with_edges(study.replace(pathways=selected), plan, positions, effects, real)
    expected = pd.DataFrame(
        {
            "gene": edges["gene"].iloc[positions].tolist(),
            "pathway": edges["pathway"].iloc[positions].tolist(),
            "effect": [20.0, 20, 20],
            "p": [0.05, 0.1, 0.05],
            "q": np.where(cols == cols[1], 1.0, np.nan),  # .1 x 13 pathways, at most 1
            "sign": [1, 1, -1],
            "sign_agreement": [2 / 3, 2 / 3, 2 / 3],
        }
    )
    assert len(set(cols)) == 3
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


def test_tables_are_put_in_the_order_asked_for(study_of):
    study = study_of("regression")  # edges of two pathways
    names = study.mask.pathways[::-1]
    asked = study.mask.select(study.mask.genes[::-1], names)
    order = np.random.default_rng(0).permutation(60)
    samples = SimpleNamespace(given=study.predictions.index[order])
    found = assembly.in_given_order(study, asked, samples)
    assert found.mask is asked
    pd.testing.assert_frame_equal(found.pathways, study.pathways.loc[names])
    pd.testing.assert_frame_equal(found.null, study.null[names])
    pd.testing.assert_frame_equal(found.effects, study.effects[names])
    pd.testing.assert_frame_equal(found.predictions, study.predictions.iloc[order])
    pd.testing.assert_frame_equal(found.edges, study.edges[::-1].reset_index(drop=True))


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


def test_three_against_three_says_that_no_p_can_reach_the_level(tmp_path):
    X = pd.DataFrame(
        np.random.default_rng(0).normal(size=(6, 10)), columns=[f"g{i}" for i in range(10)]
    )
    call = {"folds": 2, "seeds": 1, "epochs": 1, "permutations": 19, "progress": False}
    study = bm.crossfit(bm.Mask.from_sets(SETS), X, [0, 0, 0, 1, 1, 1], **call)
    assert len(study.null) == 9  # of 20 ways to deal the labels, ten are different questions
    assert study.notes[0].startswith("no p can reach 0.05 with 3 against 3")
    assert "the stability of the ranking was not assessed" in study.notes
    study.save(tmp_path / "s")
    assert_same(bm.load_study(tmp_path / "s"), study)  # samples and labels are numbers here


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


# ---------------------------------------------------------------------------- files


def test_the_same_study_has_the_same_bytes(study, tmp_path):
    study.save(tmp_path / "a")
    bm.load_study(tmp_path / "a").save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_written_without_the_effects_of_seeds_is_read(study, tmp_path):
    study.save(tmp_path / "s")
    manifest, members = read_zip(tmp_path / "s")
    older = {name: content for name, content in members.items() if "effects" not in name}
    write_zip(tmp_path / "t", older, {k: v for k, v in manifest.items() if k != "members"})
    found = bm.load_study(tmp_path / "t")
    assert found.effects.empty
    assert_same(found.replace(effects=study.effects), study)


TYPES = pd.DataFrame(
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
    study.replace(scores=TYPES).save(tmp_path / "s")
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
    expected = TYPES.assign(seen=TYPES["seen"].map(str))
    pd.testing.assert_frame_equal(
        read.astype({"name": object, "seen": object}),
        expected.astype({"name": object, "seen": object}),
    )


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
        ({"settings": None}, "settings are None"),
        ({"settings": [1]}, "settings are [1]"),
        ({"notes": 7}, "not iterable"),
        ({"stability.json": None}, "'stability.json' is missing"),
        ({"mask.json": b'{"genes": [], "pathways": []}'}, "KeyError('n_edges')"),
        ({"mask.json": b"{}"}, "a stored mask is damaged"),
        ({"pathways.json": b"[]"}, "the study inside is damaged"),
        ({"edges.json": b"{}"}, "'index' is missing"),
        ({"null.npy": b"nonsense"}, "pickled"),
        (
            {"scores.json": b'{"index": {"values": [1, 2]}, "columns": []}'},
            "'dtype' is missing",
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
    assert said in caught.value.problem
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
    assert "&lt;script&gt;document" in page
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


def test_top_orders_by_effect_and_keeps_the_order_of_equal_ones(study):
    effects = study.pathways["effect"]
    assert study.top(3).index.tolist() == effects.nlargest(3).index.tolist()
    assert len(study.top()) == 10
    level = study.replace(pathways=study.pathways.assign(effect=np.arange(13) % 3))
    names = study.pathways.index
    assert level.top(6).index.tolist() == [*names[2::3], *names[1:5:3]]


def test_repr_counts(study):
    assert repr(study) == "Study(13 pathways, 60 samples, 2 folds x 2 seeds x 20 label vectors)"
    large = study.replace(settings=study.settings | {"samples": 12345})
    assert "12,345 samples" in repr(large)


def test_the_page_of_a_study(study):
    page = study.replace(notes=["one & two", "three"])._repr_html_()
    assert page.startswith(
        f"<p><b>{study!r}</b></p><ul><li>one &amp; two</li><li>three</li></ul><table"
    )
    cells = re.findall(r"<t[hd]>(.*?)</t[hd]>", page)
    assert cells[:8] == ["", "size", "effect", "p", "p_fwer", "q", "rank_low", "rank_high"]
    assert cells[17:20] == ["4", f"{study.pathways['effect'].max():.3g}", "0.05"]
    assert len(cells) == 8 * 12  # ten pathways, the columns and the name of the index


def test_studies_are_told_apart_as_objects(study):
    assert len({study, study.replace()}) == 2
