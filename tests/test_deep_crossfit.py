"""crossfit of a hierarchy: its definition worked out again, planted units found, same bytes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from test_deep_effects import HIER

import biomask as bm
from biomask.errors import ArgumentError, StorageError
from biomask.inference import assembly
from biomask.inference.blocks import read_arrays, split
from biomask.inference.crossfit import make_plan
from biomask.inference.labels import read_samples
from biomask.inference.training import Settings
from biomask.inference.wired import wired
from biomask.masks.steps import sorted_hierarchy

CALL = {
    "folds": 2,
    "seeds": 2,
    "permutations": 19,
    "epochs": 12,
    "batch_size": 16,
    "learning_rate": 1e-2,
    "dropout": 0.1,
    "progress": False,
}


def forest() -> bm.Hierarchy:
    """3 roots of 2 children of 2 leaves of 6 genes: 21 units, 72 genes."""
    leaves = [(r, c, k) for r in range(3) for c in range(2) for k in range(2)]
    sets: dict[str, list[str]] = {}
    pairs = set()
    for i, (r, c, k) in enumerate(leaves):
        genes = [f"g{6 * i + j}" for j in range(6)]
        names = f"leaf {r}{c}{k}", f"mid {r}{c}", f"root {r}"
        for name in names:
            sets.setdefault(name, []).extend(genes)
        pairs |= {names[:2], names[1:]}
    relations = pd.DataFrame(sorted(pairs), columns=["child", "parent"])
    return bm.Hierarchy.from_sets(bm.Mask.from_sets(sets), relations)


@pytest.fixture(scope="module")
def leaf_study(tmp_path_factory):
    """One leaf planted; returns (hierarchy, simulation, study, checkpoint folder)."""
    hier, folder = forest(), tmp_path_factory.mktemp("leaf") / "blocks"
    sim = bm.simulate(hier.flatten(), 120, ["leaf 011"], 3.0, random_state=1)
    return hier, sim, bm.crossfit(hier, sim.X, sim.y, checkpoint=folder, **CALL), folder


def test_a_planted_leaf_is_first(leaf_study):
    study = leaf_study[2]
    table = study.pathways
    assert table["effect"].idxmax() == "leaf 011"
    assert table.loc["leaf 011", "p_fwer"] == 0.05
    above = ["mid 01", "root 0"]
    decoys = table.drop(["leaf 011", *above])["effect"]
    assert decoys.max() < table.loc["leaf 011", "effect"] / 10
    assert table.loc["leaf 011", "direction"] > 0


def test_a_planted_inner_pathway_is_first():
    """Both leaves of it carry the signal, each a part."""
    hier = forest()
    sim = bm.simulate(hier.flatten(), 120, ["mid 20"], 3.0, random_state=1)
    table = bm.crossfit(hier, sim.X, sim.y, outputs="top", **CALL).pathways
    inside = {"mid 20", "root 2", "leaf 200", "leaf 201"}
    assert set(table["effect"].nlargest(4).index) == inside
    assert table.loc["mid 20", "p_fwer"] == 0.05
    leaves = table.loc[["leaf 200", "leaf 201"], "effect"]
    assert table.loc["mid 20", "effect"] > leaves.max()
    assert table.drop(list(inside))["effect"].max() < table.loc["mid 20", "effect"] / 10


def test_the_tables_know_the_hierarchy(leaf_study):
    hier, _, study, _ = leaf_study
    assert study.mask is hier
    table = study.pathways
    assert table.index.equals(hier.pathways)
    pd.testing.assert_frame_equal(
        table[["level", "depth", "parents"]], hier.table[["level", "depth", "parents"]]
    )
    assert table["size"].equals(hier.sizes())
    assert study.null.columns.equals(hier.pathways)
    assert study.activity.shape == (120, 21)
    selected = table.index[table["selected"]]
    edges = study.edges
    expected = hier.to_edges()
    expected = expected[expected["target"].isin(selected)]
    found = set(zip(edges["level"], edges["gene"], edges["pathway"], strict=True))
    assert found == set(zip(expected["level"], expected["source"], expected["target"], strict=True))
    planted = edges[edges["pathway"] == "leaf 011"]
    assert len(planted) == 6
    assert (planted["sign"] == 1).all()
    assert (planted["sign_agreement"] >= 0.75).all()


def test_effects_are_those_of_the_networks_run_again(leaf_study):
    """The real labels' T from the trained weights, with plain matrices in float64."""
    hier, sim, study, folder = leaf_study
    ordered = sorted_hierarchy(hier)
    samples = read_samples(ordered, sim.X, sim.y, "binary")
    settings = Settings("binary", None, "tanh", 12, 16, 1e-2, 0.1, 1e-3)
    plan = make_plan(ordered, samples, settings, 2, 2, 19, 0)
    reading = wired(ordered, settings)
    place = {name: k for k, name in enumerate(ordered.pathways)}
    total = pd.Series(0.0, index=ordered.pathways)
    for block in plan.blocks:
        if block.first:
            continue
        part = split(plan, block.fold)
        arrays, units = (read_arrays(folder / f) for f in (block.file, block.units_file))
        y = plan.labels[part.held_out]

        def run(X, r, held=None, mean=None, units=units):
            h = np.zeros((len(X), len(place)))
            for p in range(len(place)):
                a = np.full(len(X), float(units["unit_bias"][r, p]))
                for e in np.flatnonzero(reading.targets == p):
                    source = reading.sources[e]
                    inside = reading.level[e] > 0
                    values = (
                        h[:, place[source]] if inside else X[:, plan.mask.genes.get_loc(source)]
                    )
                    a += units["edges"][e, r] * values
                h[:, p] = mean if p == held else np.tanh(a)
            return h

        for r in range(2):
            head, bias = arrays["head"][r, :, 0], arrays["head_bias"][r, 0]
            means = run(part.X[part.training].astype(float), r).mean(axis=0)
            X = part.X[part.held_out].astype(float)

            def loss(h, head=head, bias=bias, y=y):
                z = h @ head + bias
                return (np.logaddexp(0, z) - y * z).sum()

            full = loss(run(X, r))
            for p, name in enumerate(ordered.pathways):
                total[name] += (loss(run(X, r, p, means[p])) - full) / 2 / 120
    expected = total[hier.pathways]
    np.testing.assert_allclose(study.pathways["effect"], expected, rtol=1e-4, atol=1e-6)


def test_the_study_is_saved_with_its_hierarchy(leaf_study, tmp_path):
    hier, _, study, _ = leaf_study
    study.save(tmp_path / "s")
    loaded = bm.load_study(tmp_path / "s")
    assert loaded.mask == hier
    for name in ("pathways", "edges", "null", "activity", "predictions"):
        pd.testing.assert_frame_equal(getattr(loaded, name), getattr(study, name))


def test_the_report_says_how_a_hierarchy_is_wired(leaf_study, tmp_path):
    bm.report(leaf_study[2], tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "the units lie in 3 levels" in page
    assert "outputs=" in page
    assert "held at its training mean, the levels above computed again, averaged" in page


def test_no_order_changes_a_byte_and_a_checkpoint_belongs_to_its_hierarchy(leaf_study, tmp_path):
    hier, sim, _, folder = leaf_study
    turned = bm.Hierarchy(
        [hier[0].select(genes=hier.genes[::-1], pathways=hier[0].pathways), *hier.masks[1:]]
    )
    with pytest.raises(StorageError, match="another study"):
        bm.crossfit(turned, sim.X, sim.y, checkpoint=folder, **CALL)
    few = {**CALL, "permutations": 2, "epochs": 2}
    first = bm.crossfit(hier, sim.X, sim.y, **few)
    again = bm.crossfit(turned, sim.X.iloc[::-1, ::-1], sim.y.iloc[::-1], **few)
    again = again.replace(mask=hier, settings=first.settings)
    first.save(tmp_path / "a")
    again.replace(
        predictions=again.predictions.loc[first.predictions.index],
        activity=again.activity.loc[first.activity.index],
    ).save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("task", ["multiclass", "regression", "survival"])
def test_other_tasks_find_the_leaf_and_its_edges(task, monkeypatch):
    monkeypatch.setattr(assembly, "LEVEL", 1.0)  # the edges of every unit
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(90, 8)), columns=HIER.genes)
    score = X["g0"] + X["g1"]
    y = {
        "multiclass": pd.cut(score, 3, labels=list("abc")).astype(str),
        "regression": score,
        "survival": pd.DataFrame({"time": np.exp(-score), "event": rng.integers(0, 4, 90) > 0}),
    }[task]
    study = bm.crossfit(HIER, X, y, task, **{**CALL, "permutations": 1})
    assert study.pathways["effect"].idxmax() == "a"
    assert len(study.edges) == HIER.n_edges
    best = study.edges.nlargest(3, "effect")
    assert set(zip(best["gene"], best["pathway"], strict=True)) == {
        ("g0", "a"), ("g1", "a"), ("a", "ab"),
    }  # fmt: skip
    assert (best["sign"] == 1).all()  # however the units of a seed are turned
    assert (best["sign_agreement"] == 1).all()


def test_covariates_stay_where_they_are():
    """They enter the head beside the units: what they add is in the outputs, not in an effect."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(90, 8)), columns=HIER.genes)
    age = pd.DataFrame({"age": rng.normal(size=90)})
    y = X["g0"] + X["g1"] + 2 * age["age"]
    few = {**CALL, "permutations": 1}
    with_age = bm.crossfit(HIER, X, y, "regression", covariates=age, **few)
    without = bm.crossfit(HIER, X, y, "regression", **few)
    assert with_age.pathways["effect"].idxmax() == "a"
    assert with_age.scores["r2"].mean() > without.scores["r2"].mean() + 0.3


def test_an_autoencoder_takes_no_hierarchy():
    X = pd.DataFrame(np.zeros((10, 8)), columns=HIER.genes)
    with pytest.raises(ArgumentError, match="flatten"):
        bm.crossfit(HIER, X, [0, 1] * 5, "autoencoder")
    with pytest.raises(ArgumentError, match="flatten"):
        bm.build_model(HIER, "autoencoder")
    with pytest.raises(ArgumentError, match="skip=True"):
        bm.build_model(HIER[0], "autoencoder", skip=True)


def test_pathways_with_the_same_genes_below_are_not_separable():
    sets = bm.Mask.from_sets({"child": ["a", "b", "c"], "parent": ["a", "b", "c"], "x": ["d", "e"]})
    hier = bm.Hierarchy.from_sets(sets, pd.DataFrame({"child": ["child"], "parent": ["parent"]}))
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 5)), columns=list("abcde"))
    few = {**CALL, "permutations": 0, "seeds": 1, "epochs": 1}
    groups = bm.crossfit(hier, X, X["a"] > 0, **few).pathways["not_separable"]
    assert groups["child"] == groups["parent"] == 1
    assert groups.isna()["x"]


def test_one_planted_node_among_a_hundred():
    """The experiment of KPNN (Fortelny & Bock 2020): 3,504 genes, 101 nodes, one planted."""
    sets: dict[str, list[str]] = {}
    pairs = set()
    for i, part in enumerate(np.array_split(np.arange(3504), 80)):
        names = f"leaf {i}", f"mid {i // 5}", f"top {i // 20}", "root"
        for name in names:
            sets.setdefault(name, []).extend(f"g{g}" for g in part)
        pairs |= set(pairwise(names))
    relations = pd.DataFrame(sorted(pairs), columns=["child", "parent"])
    hier = bm.Hierarchy.from_sets(bm.Mask.from_sets(sets), relations)
    assert hier.shape == (3504, 101)
    sim = bm.simulate(hier[0], 1000, ["leaf 37"], 3.0, random_state=0)
    study = bm.crossfit(
        hier, sim.X, sim.y, folds=2, seeds=2, permutations=0, epochs=30, progress=False
    )
    effect = study.pathways["effect"] / study.pathways.loc["leaf 37", "effect"]
    assert effect.idxmax() == "leaf 37"
    assert effect.drop(["leaf 37", "mid 7", "top 1", "root"]).max() < 0.1


def test_comparing_models_needs_a_mask():
    with pytest.raises(ArgumentError, match="flatten"):
        bm.compare_models(HIER, pd.DataFrame(np.zeros((10, 8)), columns=HIER.genes), [0, 1] * 5)


def test_unknown_outputs():
    X = pd.DataFrame(np.zeros((10, 8)), columns=HIER.genes)
    with pytest.raises(ArgumentError, match="outputs"):
        bm.crossfit(HIER, X, [0, 1] * 5, outputs="some")
