"""crossfit against its definition, worked out again slowly; no leaks; interruptions; same bytes."""

from __future__ import annotations

import hashlib
import inspect
import json
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from joblib.externals.loky import get_reusable_executor
from reference_network import Network
from sklearn import metrics
from sklearn.preprocessing import StandardScaler

import biomask as bm
from biomask.errors import ArgumentError, DataError, StorageError
from biomask.inference import assembly, blocks, crossfit, scores, wired
from biomask.inference.block_trainer import BlockTrainer
from biomask.inference.blocks import read_arrays, split
from biomask.inference.checkpoint import digest, study_folder
from biomask.inference.checks import check_class_weight, check_counts
from biomask.inference.folds import outer_folds
from biomask.inference.labels import read_samples
from biomask.inference.permutation import permute_labels
from biomask.inference.simulated_masks import decoy_mask
from biomask.inference.training import Settings

CALL = {
    "folds": 2,
    "seeds": 2,
    "permutations": 19,
    "epochs": 15,
    "batch_size": 32,
    "learning_rate": 1e-2,
    "dropout": 0.2,
    "random_state": 4,
    "progress": False,
}
MAX_REPLICATES = 16  # so that 20 label vectors x 2 seeds make blocks of 7, 7 and 6 label vectors


def problem(task: str = "binary"):
    mask = decoy_mask(jaccard_index=0.4, n_decoys=2, n_pathways=8, size=6)
    sim = bm.simulate(
        mask, n_samples=80, active=["planted", "other_1"], effect=3.0, task=task, random_state=2
    )
    return mask, sim.X, sim.y


@pytest.fixture(scope="module", params=["binary", "multiclass", "regression"])
def done(request, tmp_path_factory):
    return run(request.param, tmp_path_factory)


@pytest.fixture(scope="module")
def binary(tmp_path_factory):
    return run("binary", tmp_path_factory)


RUNS: dict[str, SimpleNamespace] = {}


def run(task: str, tmp_path_factory) -> SimpleNamespace:
    """A finished study, its checkpoint and its file; binary once, with 19 permutations."""
    if task not in RUNS:
        mask, X, y = problem(task)
        folder = tmp_path_factory.mktemp(task)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(blocks, "MAX_REPLICATES", MAX_REPLICATES)
            call = {**CALL, "checkpoint": folder / "blocks"}
            if task != "binary":  # small, with the edges of every pathway
                patch.setattr(assembly, "LEVEL", 1.0)
                call["permutations"] = 2
            study = bm.crossfit(mask, X, y, task, **call)
        study.save(folder / "study")
        RUNS[task] = SimpleNamespace(
            study=study, mask=mask, X=X, y=y, task=task, folder=folder, call=call
        )
    return RUNS[task]


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "MAX_REPLICATES", MAX_REPLICATES)


def bytes_of(study, path: Path) -> bytes:
    study.save(path)
    return path.read_bytes()


# ---------------------------------------------------------------------------- the definition


def slow(done) -> SimpleNamespace:
    if not hasattr(done, "slow"):
        done.slow = worked_out_again(done)
    return done.slow


def worked_out_again(done) -> SimpleNamespace:
    """T of every pathway and edge and label vector from the trained weights alone."""
    mask = done.mask.select(sorted(done.mask.genes), sorted(done.mask.pathways))
    X = done.X.sort_index()[mask.genes].to_numpy(np.float64)
    y = done.y[sorted(done.y.index)].to_numpy()
    labels = (y - y.mean()) / y.std() if done.task == "regression" else y
    B, K = done.call["permutations"], CALL["seeds"]
    index = permute_labels(labels, B, CALL["random_state"], task=done.task)
    index = np.vstack([np.arange(len(y)), index])
    fold_of = done.study.predictions["fold"].sort_index().to_numpy()
    found = SimpleNamespace(
        mask=mask,
        pathways=np.zeros((B + 1, mask.shape[1])),
        edges=np.zeros((B + 1, mask.n_edges)),
        outcome={},
        labels=labels,
        fold_of=fold_of,
    )
    for fold in (0, 1):
        held = fold_of == fold
        Z = StandardScaler().fit(X[~held]).transform(X).clip(-10, 10)
        for b, k, weights in networks_of(done, fold, B):
            network = Network(mask.edge_index, *weights, done.task)
            args = network, Z[~held], Z[held], labels[index[b]][held]
            found.pathways[b] += pathway_changes(*args) * held.sum() / (K * len(y))
            found.edges[b] += edge_changes(*args, mask) * held.sum() / (K * len(y))
            if b == 0:
                outputs = network.output(network.hidden(Z[held]))
                found.outcome[fold, k] = network.probabilities(outputs)
    return found


def networks_of(done, fold: int, n_permutations: int):
    """(label vector, seed, weights) of every network of a fold, from the checkpoint."""
    for file in sorted((done.folder / "blocks").glob(f"fold{fold:02d}_labels?????.zip")):
        first = int(file.stem[-5:])
        arrays = read_arrays(file)
        arrays |= read_arrays(file.with_name(f"{file.stem}_units.zip"))
        for r in range(arrays["edges"].shape[1]):
            b, k = first + r // 2, r % 2
            if b <= n_permutations:
                yield (
                    b,
                    k,
                    [
                        arrays["edges"][:, r],
                        arrays["unit_bias"][r],
                        arrays["head"][r],
                        arrays["head_bias"][r],
                    ],
                )


def loss_of(network: Network, hidden: np.ndarray, y: np.ndarray) -> float:
    found = network.probabilities(network.output(hidden))
    if network.task == "regression":
        return np.mean((y - found[:, 0]) ** 2)
    return -np.mean(np.log(found[np.arange(len(y)), y]))


def pathway_changes(network, training, held, y) -> np.ndarray:
    full = network.hidden(held)
    means = network.hidden(training).mean(axis=0)
    changes = []
    for p in range(full.shape[1]):
        without = full.copy()
        without[:, p] = means[p]
        changes.append(loss_of(network, without, y) - loss_of(network, full, y))
    return np.array(changes)


def edge_changes(network, training, held, y, mask) -> np.ndarray:
    full = network.hidden(held)
    changes = []
    for gene, pathway in zip(*mask.edge_index, strict=True):
        cut = held.copy()
        cut[:, gene] = training[:, gene].mean()
        without = full.copy()
        without[:, pathway] = network.hidden(cut)[:, pathway]
        changes.append(loss_of(network, without, y) - loss_of(network, full, y))
    return np.array(changes)


def test_effects_and_p_values_are_those_of_the_definition(done):
    expected, study = slow(done), done.study
    T = pd.DataFrame(expected.pathways, columns=expected.mask.pathways)[done.mask.pathways]
    np.testing.assert_allclose(study.pathways["effect"], T.iloc[0], rtol=1e-4, atol=2e-6)
    np.testing.assert_allclose(study.null, T.iloc[1:], rtol=1e-4, atol=2e-6)
    p = (1 + (T.iloc[1:] >= T.iloc[0]).sum()) / len(T)
    np.testing.assert_allclose(study.pathways["p"], p)
    z = (T - T.mean()) / T.std(ddof=0)
    highest = z.iloc[1:].max(axis=1).to_numpy()
    p_fwer = [(1 + (highest >= z.iloc[0][name]).sum()) / len(T) for name in T]
    np.testing.assert_allclose(study.pathways["p_fwer"], p_fwer)


def test_edge_effects_are_those_of_the_definition(done):
    expected, study = slow(done), done.study
    edges = expected.mask.to_edges()
    T = pd.DataFrame(
        expected.edges, columns=pd.MultiIndex.from_frame(edges[["pathway", "gene"]])
    ).sort_index(axis=1)
    table = study.edges.set_index(["pathway", "gene"]).sort_index()
    chosen = set(study.pathways.index[study.pathways["selected"]])
    assert chosen, "nothing was selected: this test needs a stronger effect"
    assert set(table.index) == {pair for pair in T.columns if pair[0] in chosen}
    T = T[table.index]
    np.testing.assert_allclose(table["effect"], T.iloc[0], rtol=1e-3, atol=2e-6)
    p = (1 + (T.iloc[1:] >= T.iloc[0]).sum()) / len(T)
    close = (np.abs(T.iloc[1:] - T.iloc[0]) < 1e-6).any()  # float32 may see a tie otherwise
    np.testing.assert_allclose(table["p"][~close], p[~close])


def test_the_planted_pathway_is_found_and_its_edges_point_the_right_way(binary):
    study = binary.study
    assert study.pathways["effect"].idxmax() in ("planted", "other_1")
    top = study.pathways.loc[study.pathways["effect"].idxmax()]
    assert top["p"] == 1 / 20
    assert top["direction"] > 0
    agreed = study.edges.query("pathway == @top.name and sign_agreement == 1")
    assert len(agreed) >= 3
    assert (agreed["sign"] == 1).all()


def test_predictions_and_scores_are_of_held_out_samples(done):
    expected, study = slow(done), done.study
    predictions = study.predictions.sort_index()
    columns = [name for name in predictions if name.startswith("prediction")]
    for fold in (0, 1):
        held = expected.fold_of == fold
        outcome = [expected.outcome[fold, k] for k in range(2)]
        mean = np.mean(outcome, axis=0)
        shown = predictions.loc[held, columns].to_numpy()
        y = done.y.sort_index()
        if done.task == "binary":
            mean = mean[:, 1:]
        elif done.task == "regression":
            mean = mean * y.std(ddof=0) + y.mean()
        np.testing.assert_allclose(shown, mean, rtol=1e-4, atol=1e-5)
        for k, row in study.scores.query("fold == @fold").set_index("seed").iterrows():
            labels, found = expected.labels[held], outcome[k]
            if done.task == "regression":
                assert row["squared_error"] == pytest.approx(
                    metrics.mean_squared_error(labels, found[:, 0]), rel=1e-4
                )
                assert row["r2"] == pytest.approx(metrics.r2_score(labels, found[:, 0]), abs=1e-4)
            else:
                assert row["log_loss"] == pytest.approx(metrics.log_loss(labels, found), rel=1e-4)
                assert row["accuracy"] == metrics.accuracy_score(labels, found.argmax(axis=1))
            if done.task == "binary":
                assert row["auc"] == pytest.approx(metrics.roc_auc_score(labels, found[:, 1]))
    assert predictions["y"].to_numpy().tolist() == done.y.sort_index().tolist()


def test_tables_come_in_the_order_of_the_mask_and_of_the_samples(done):
    study = done.study
    assert study.mask is done.mask
    assert study.pathways.index.equals(done.mask.pathways)
    assert study.null.columns.equals(done.mask.pathways)
    assert study.activity.columns.equals(done.mask.pathways)
    assert study.predictions.index.tolist() == done.X.index.tolist()
    assert study.activity.index.tolist() == done.X.index.tolist()
    order = done.mask.to_edges().reset_index().set_index(["gene", "pathway"])["index"]
    shown = order[pd.MultiIndex.from_frame(study.edges[["gene", "pathway"]])]
    assert shown.is_monotonic_increasing


# ---------------------------------------------------------------------------- blocks


def test_label_vectors_that_fill_up_the_last_block_count_nowhere(
    binary, tmp_path, monkeypatch, small_blocks
):
    shutil.copytree(binary.folder / "blocks", tmp_path / "blocks")
    last = list((tmp_path / "blocks").glob("*labels00014*"))
    assert len(last) == 4  # two folds, two files each
    for file in last:
        file.unlink()
    real = blocks._label_columns

    def garbage(plan, block):
        Y = real(plan, block)
        left = len(plan.vectors) - block.first
        if left < plan.labels_a_block:
            Y[:, left * len(plan.seeds) :] = 1 - Y[:, left * len(plan.seeds) :]
        return Y

    monkeypatch.setattr(blocks, "_label_columns", garbage)
    call = {**binary.call, "checkpoint": tmp_path / "blocks"}
    study = bm.crossfit(binary.mask, binary.X, binary.y, **call)
    assert bytes_of(study, tmp_path / "s") == (binary.folder / "study").read_bytes()


def test_blocks_are_of_nearly_equal_size_and_bounded():
    mask = problem()[0]
    assert blocks.labels_a_block(20, 2, 40, mask) == 20  # 40 of at most 256 networks
    assert blocks.labels_a_block(200, 5, 40, mask) == 50  # 4 blocks of 51 at most
    assert blocks.labels_a_block(10, 300, 40, mask) == 1
    bytes_each = 5 * max(8 * 10**6 * mask.shape[1], 24 * mask.n_edges)
    assert bytes_each * blocks.labels_a_block(200, 5, 10**6, mask) <= blocks.MEMORY


def test_large_arrays_are_not_read_for_the_tables(binary):
    names = read_arrays(binary.folder / "blocks" / "fold00_labels00007.zip").keys()
    assert names == {"effects", "steps", "head", "head_bias", "outputs"}  # none with genes or units


# ---------------------------------------------------------------------------- leaks


def plan_of(mask, X, y, groups=None):
    settings = Settings("binary", None, "tanh", 1, 64, 1e-3, 0.5, 1e-3)
    samples = read_samples(mask, X, y, "binary", groups)
    return crossfit.make_plan(mask, samples, settings, 2, 1, 3, 0)


def test_scaling_uses_the_training_part_only():
    mask, X, y = problem()
    X = X.assign(g3=7.0)  # constant
    plan = plan_of(mask, X, y)
    part = split(plan, 0)
    np.testing.assert_allclose(part.X[part.training].mean(axis=0), 0, atol=1e-6)
    deviation = part.X[part.training].std(axis=0)
    constant = X.columns.get_loc("g3")
    np.testing.assert_allclose(np.delete(deviation, constant), 1, atol=1e-5)
    assert (part.X[:, constant] == 0).all()
    wild = X.sort_index().copy()
    wild.iloc[part.held_out] = wild.iloc[part.held_out] * -50 + 1000
    changed = split(plan_of(mask, wild, y), 0)
    assert np.array_equal(changed.X[part.training], part.X[part.training])
    assert np.abs(changed.X[part.held_out]).max() == 10  # nothing goes beyond ten deviations


def test_no_held_out_row_reaches_a_fit_and_no_subject_is_parted(monkeypatch):
    mask, X, y = problem()
    rng = np.random.default_rng(0)
    groups = pd.Series(rng.permutation(np.repeat(np.arange(20), 4)), index=X.index)
    y = (groups % 2).rename("y")
    seen = []

    def spy(self, fitted, watched, seeds, order_seed):
        seen.append((fitted, watched))
        return np.ones(self.n_networks, int)

    monkeypatch.setattr(BlockTrainer, "fit", spy)
    monkeypatch.setattr(blocks, "MIN_WATCHED", 1)
    study = bm.crossfit(mask, X, y, groups=groups, **{**CALL, "permutations": 3})
    assert len(seen) == 2
    fold_of = study.predictions["fold"]
    for fold, (fitted, watched) in enumerate(seen):
        held = fold_of == fold
        genes = X[sorted(X.columns)].to_numpy()  # the order that networks are trained in
        scaled = StandardScaler().fit(genes[~held]).transform(genes).clip(-10, 10)
        rows = [samples_in(part[0], scaled, X.index) for part in (fitted, watched)]
        assert sorted(rows[0] + rows[1]) == sorted(X.index[~held])
        assert len(rows[1]) == 8  # 15 % of ten subjects
        subjects = [set(groups[rows[0]]), set(groups[rows[1]]), set(groups[held])]
        assert sum(map(len, subjects)) == 20
        assert len(set.union(*subjects)) == 20
        for part, names in zip((fitted, watched), rows, strict=True):
            assert part[1][:, 0].tolist() == y[names].tolist()  # the real labels are the first


def samples_in(rows: np.ndarray, scaled: np.ndarray, names: pd.Index) -> list[str]:
    """Whose rows these are."""
    distance = np.abs(rows[:, None] - scaled[None]).max(axis=2)
    assert (distance.min(axis=1) < 1e-4).all(), "a row of no sample"
    return list(names[distance.argmin(axis=1)])


def test_the_label_vectors_of_whole_subjects_are_whole():
    mask, X, _ = problem()
    groups = pd.Series(np.arange(80) // 4, index=X.index)
    plan = plan_of(mask, X, (groups % 2), groups)
    for row in plan.vectors:
        assert (pd.Series(row).groupby(plan.groups).nunique() == 1).all()


# ---------------------------------------------------------------------------- order


def test_the_order_of_samples_genes_and_pathways_changes_nothing(binary, tmp_path, small_blocks):
    rng = np.random.default_rng(5)
    mask = binary.mask.select(
        rng.permutation(binary.mask.genes), rng.permutation(binary.mask.pathways)
    )
    X = binary.X.iloc[rng.permutation(80)][rng.permutation(binary.X.columns)]
    y = binary.y.iloc[rng.permutation(80)]
    study, before = bm.crossfit(mask, X, y, **CALL), binary.study
    same = {"check_exact": True, "check_dtype": True}
    order = before.mask.pathways
    pd.testing.assert_frame_equal(study.pathways.loc[order], before.pathways, **same)
    pd.testing.assert_frame_equal(study.null[order], before.null, **same)
    pd.testing.assert_frame_equal(study.scores, before.scores, **same)
    pd.testing.assert_series_equal(study.stability, before.stability, **same)
    rows = before.predictions.index
    pd.testing.assert_frame_equal(study.predictions.loc[rows], before.predictions, **same)
    pd.testing.assert_frame_equal(study.activity.loc[rows, order], before.activity, **same)
    by = ["pathway", "gene"]
    a, b = (s.edges.sort_values(by, ignore_index=True) for s in (study, before))
    pd.testing.assert_frame_equal(a, b, **same)
    assert study.predictions.index.tolist() == X.index.tolist()
    assert study.edges["pathway"].drop_duplicates().tolist() == [
        name for name in mask.pathways if name in set(study.edges["pathway"])
    ]


# ---------------------------------------------------------------------------- interruptions


def test_an_interrupted_run_goes_on_where_it_stopped(binary, tmp_path, monkeypatch, small_blocks):
    real, calls = crossfit.run_block, []

    def breaks(plan, block):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(block)
        return real(plan, block)

    call = {**CALL, "checkpoint": tmp_path / "blocks"}
    monkeypatch.setattr(crossfit, "run_block", breaks)
    with pytest.raises(KeyboardInterrupt):
        bm.crossfit(binary.mask, binary.X, binary.y, **call)
    assert len(list((tmp_path / "blocks").glob("fold*[0-9].zip"))) == 2
    rest = []
    monkeypatch.setattr(
        crossfit,
        "run_block",
        lambda plan, block: rest.append(block) or real(plan, block),
    )
    study = bm.crossfit(binary.mask, binary.X, binary.y, **call)
    assert bytes_of(study, tmp_path / "s") == (binary.folder / "study").read_bytes()
    assert len(rest) == 4
    assert not set(rest) & set(calls)


def test_two_processes_at_a_time_give_the_same_bytes(binary, tmp_path, small_blocks):
    try:
        study = bm.crossfit(binary.mask, binary.X, binary.y, **CALL, n_jobs=2)
    finally:
        get_reusable_executor().shutdown(wait=True)
    assert bytes_of(study, tmp_path / "s") == (binary.folder / "study").read_bytes()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"mask": lambda m: m.select(pathways=m.pathways[::-1])}, "mask: "),
        ({"X": lambda X: X + 1}, "data: "),
        ({"y": lambda y: 1 - y}, "labels: "),
        ({"groups": lambda _: np.arange(80)}, "subjects: None there, 80 here"),
        ({"seeds": lambda _: 3}, "seeds: 2 there, 3 here"),
        ({"learning_rate": lambda _: 0.5}, "learning_rate: 0.01 there, 0.5 here"),
        ({"random_state": lambda _: 5}, "random_state: 4 there, 5 here"),
    ],
)
def test_the_checkpoint_of_another_study_is_refused(binary, change, named, small_blocks):
    call = {"mask": binary.mask, "X": binary.X, "y": binary.y, **binary.call}
    for name, changed in change.items():
        call[name] = changed(call.get(name))
    with pytest.raises(StorageError, match="the checkpoint belongs to another study") as caught:
        bm.crossfit(**call)
    assert named in str(caught.value)
    assert caught.value.code == "E-CHECKPOINT"


FACTS = {"mask": "d4", "seeds": 2, "subjects": None}


def kept(folder) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_a_checkpoint_is_made_and_found_again(tmp_path):
    folder = tmp_path / "new" / "blocks"
    with study_folder(str(folder), FACTS) as found:
        assert found == folder
        (folder / "fold00_labels00000.zip").write_text("")
        (folder / ".x.tmp.zip").write_text("")
        (folder / ".x.zip").write_text("")
    note = folder / "study.json"
    assert note.read_text("utf-8") == ('{\n "mask": "d4",\n "seeds": 2,\n "subjects": null\n}')
    note.write_text(json.dumps(FACTS))
    with study_folder(folder, FACTS) as found:
        assert found == folder
    assert kept(folder) == {"study.json", "fold00_labels00000.zip", ".x.zip"}
    assert note.read_text() == json.dumps(FACTS)  # as it was


def test_without_a_checkpoint_the_folder_goes():
    with study_folder(None, FACTS) as folder:
        assert folder.name.startswith("biomask")
        assert kept(folder) == set()
    assert not folder.exists()


def test_every_difference_from_the_checkpoint_is_named(tmp_path):
    here = {"mask": "e5", "seeds": 2, "strata": 3}
    with study_folder(tmp_path, FACTS | {"n": 1}):
        pass
    with pytest.raises(StorageError) as caught, study_folder(tmp_path, here):
        pass
    assert caught.value.problem == (
        "the checkpoint belongs to another study (mask: 'd4' there, 'e5' here; "
        "strata: None there, 3 here; n: 1 there, None here)"
    )
    assert (caught.value.code, caught.value.file) == ("E-CHECKPOINT", str(tmp_path))


def test_blocks_of_no_known_study_are_refused(tmp_path):
    (tmp_path / "fold00_labels00000.zip").write_text("")
    with pytest.raises(StorageError) as caught, study_folder(tmp_path, FACTS):
        pass
    assert caught.value.problem == (
        "the checkpoint belongs to another study (it has blocks but no study.json)"
    )
    assert caught.value.file == str(tmp_path)
    assert kept(tmp_path) == {"fold00_labels00000.zip"}


@pytest.mark.parametrize("content", ["[1, 2]", "{", "7"])
def test_a_note_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "study.json").write_text(content)
    with pytest.raises(StorageError) as caught, study_folder(tmp_path, FACTS):
        pass
    assert caught.value.problem.startswith("the checkpoint cannot be read: ")
    assert caught.value.code == "E-CHECKPOINT"
    assert caught.value.file == str(tmp_path / "study.json")


def test_digests_are_of_the_bytes_and_of_the_names():
    names = b'["1", "b"]'
    whole = b"16:" + np.arange(2.0).tobytes() + b"10:" + names + b"4:null"
    found = digest(np.arange(4.0).reshape(2, 2).T[0] / 2, [1, "b"], None)
    assert found == hashlib.sha256(whole).hexdigest()
    assert digest(["a", "b"]) != digest(["a"], ["b"])


def test_groups_and_strata_are_not_the_same_labels():
    g = np.array([0, 1, 0, 1])
    assert digest(g, g, None) != digest(g, None, g)
    assert digest(["a", "b"]) != digest(["a\0b"])


@pytest.mark.parametrize("part", ["fold01_labels00007.zip", "fold01_labels00007_units.zip"])
def test_a_damaged_block_is_refused(binary, tmp_path, part, small_blocks):
    shutil.copytree(binary.folder / "blocks", tmp_path / "blocks")
    file = tmp_path / "blocks" / part
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(StorageError) as caught:
        bm.crossfit(
            binary.mask, binary.X, binary.y, **{**binary.call, "checkpoint": tmp_path / "blocks"}
        )
    assert caught.value.file == str(file)


@pytest.mark.parametrize("content", ["[1, 2]", "{", None])
def test_a_folder_that_is_no_checkpoint_is_refused(binary, tmp_path, content, small_blocks):
    folder = tmp_path / "blocks"
    shutil.copytree(binary.folder / "blocks", folder)
    (folder / "study.json").unlink()
    if content is not None:
        (folder / "study.json").write_text(content)
    with pytest.raises(StorageError) as caught:
        bm.crossfit(binary.mask, binary.X, binary.y, **{**binary.call, "checkpoint": folder})
    assert caught.value.code == "E-CHECKPOINT"


# ---------------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"folds": 1}, "folds must be between 2 and"),
        ({"seeds": 0}, "seeds must be a whole number of at least 1. Received: seeds=0"),
        ({"seeds": True}, "seeds must be a whole number"),
        ({"epochs": 2.5}, "epochs must be a whole number"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"permutations": -1}, "permutations must be a whole number of at least 0"),
        ({"permutations": 9.0}, "permutations must be a whole number"),
        ({"random_state": -1}, "random_state must be a whole number of at least 0"),
        ({"activation": "step"}, "activation 'step' has no NumPy counterpart"),
        ({"task": "ranking"}, "task must be one of binary"),
        ({"learning_rate": 0.0}, "learning_rate must be a number above 0"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_by_name(given, message):
    mask, X, y = problem()
    with pytest.raises(ArgumentError, match=message):
        bm.crossfit(mask, X, y, **{**CALL, **given})


def test_labels_that_cannot_be_permuted_are_refused():
    mask, X, y = problem()
    with pytest.raises(DataError, match="no permutation of these labels"):
        bm.crossfit(mask, X, y, strata=y, **CALL)


def test_settings_hold_everything_that_was_asked_for(binary):
    settings = binary.study.settings
    for name, value in CALL.items():
        if name != "progress":
            assert settings[name] == value
    assert settings["mask"] == binary.mask.digest
    assert settings["samples"] == 80
    assert settings["labels_a_block"] == 7
    left_out = {"mask", "X", "y", "groups", "strata", "n_jobs", "checkpoint", "progress"}
    assert set(inspect.signature(bm.crossfit).parameters) - left_out <= settings.keys()


def test_edges_are_the_same_when_many_are_ablated_in_one_loop(binary, monkeypatch):
    monkeypatch.setattr(wired, "COMPILED", 0)
    monkeypatch.setattr(blocks, "MAX_REPLICATES", MAX_REPLICATES)
    call = {name: value for name, value in binary.call.items() if name != "checkpoint"}
    study = bm.crossfit(binary.mask, binary.X, binary.y, **call)
    assert len(study.edges)
    found, expected = (s.edges.set_index(["gene", "pathway"]) for s in (study, binary.study))
    np.testing.assert_allclose(found["effect"], expected["effect"], atol=1e-6)
    assert found["p"].equals(expected["p"])


# ---------------------------------------------------------------------------- classes


def test_recall_is_by_class_and_name():
    y = np.array([0.0, 0, 0, 1, 1])
    logits = np.array([-1.0, -2, 1, 3, -1])[:, None]
    assert scores.recall(y, logits, ["ctrl", "stim"]) == pytest.approx(
        {"recall_ctrl": 2 / 3, "recall_stim": 1 / 2}
    )
    several = np.array([[2.0, 1, 0], [0, 2, 1], [2, 1, 0]])
    found = scores.recall(np.array([0.0, 1, 1]), several, ["a", "b", "c"])
    assert list(found) == ["recall_a", "recall_b", "recall_c"]
    assert list(found.values())[:2] == [1, 0.5]
    assert np.isnan(found["recall_c"])


def test_a_rare_class_is_found_when_classes_are_balanced():
    mask = decoy_mask(jaccard_index=0.4, n_decoys=2, n_pathways=8, size=6)
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(80, len(mask.genes))), columns=mask.genes)
    y = pd.Series(np.where(np.arange(80) % 8 == 0, "rare", "common"))
    X.loc[y == "rare", mask.to_sets()["planted"]] += 0.7
    call = {**CALL, "permutations": 0, "seeds": 1}
    plain = bm.crossfit(mask, X, y, **call).scores
    balanced = bm.crossfit(mask, X, y, class_weight="balanced", **call)
    assert balanced.scores["recall_rare"].mean() > plain["recall_rare"].mean() + 0.1
    assert balanced.settings["class_weight"] == "balanced"
    assert balanced.predictions["y"].unique().tolist() == ["rare", "common"]


@pytest.mark.parametrize(("weight", "task"), [("equal", "binary"), ("balanced", "regression")])
def test_class_weights_need_classes(weight, task):
    mask, X, y = problem(task)
    with pytest.raises(ArgumentError, match="class_weight must be None, or 'balanced' where"):
        bm.crossfit(mask, X, y, task, class_weight=weight, **CALL)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_classes_may_be_weighted(task):
    check_class_weight("balanced", task)
    check_class_weight(None, task)
    with pytest.raises(ArgumentError):
        check_class_weight("", task)


@pytest.mark.parametrize("task", ["regression", "survival"])
def test_no_other_task_has_class_weights(task):
    check_class_weight(None, task)
    with pytest.raises(ArgumentError) as caught:
        check_class_weight("balanced", task)
    assert caught.value.problem == (
        "class_weight must be None, or 'balanced' where there are classes. Received: "
        f"class_weight='balanced', task={task!r}"
    )
    assert caught.value.code == "E-ARGUMENT"


def test_whole_numbers_of_at_least_so_much():
    check_counts(folds=1, seeds=np.int64(2), epochs=2**32 - 1)
    check_counts(0, random_state=0)
    check_counts(3, folds=3)


@pytest.mark.parametrize("value", [0, 2**32, True, np.bool_(True), 1.0, "1", None])
def test_anything_else_is_refused(value):
    with pytest.raises(ArgumentError) as caught:
        check_counts(folds=5, seeds=value)
    assert caught.value.problem == (
        f"seeds must be a whole number of at least 1. Received: seeds={value!r}"
    )
    assert caught.value.code == "E-ARGUMENT"
    with pytest.raises(ArgumentError, match="folds must be a whole number of at least 3"):
        check_counts(3, folds=2)


# ---------------------------------------------------------------------------- piece by piece


def test_the_defaults_are_those_documented():
    parameters = inspect.signature(bm.crossfit).parameters.values()
    found = {p.name: p.default for p in parameters if p.default is not p.empty}
    assert found == {
        "task": "binary", "groups": None, "strata": None, "folds": 5, "seeds": 5,
        "permutations": 199, "epochs": 50, "batch_size": 64, "learning_rate": 1e-3,
        "dropout": 0.5, "l2": 1e-3, "random_state": 0, "n_jobs": None, "checkpoint": None,
        "progress": True, "activation": "tanh", "covariates": None, "class_weight": None,
        "outputs": "all",
    }  # fmt: skip
    assert found["progress"] is True


def pieces(task="binary", seeds=2, permutations=3, **given):
    """(samples, plan) of 40 samples, half of them held out at a time; no subject is parted."""
    mask, rng = bm.Mask.from_sets({"q": ["b", "c"], "p": ["a", "b"]}), np.random.default_rng(0)
    names = [f"s{k:02d}" for k in range(40)]
    X = pd.DataFrame(rng.normal(size=(40, 3)), names, ["c", "a", "b"])
    y = np.repeat(rng.permutation(np.repeat(["no", "yes"], 10)), 2)
    y = pd.Series(y, names, name="answer")
    if task == "survival":
        y = pd.DataFrame({"time": rng.permutation(40) + 1.0, "event": np.arange(40) % 2}, names)
    samples = read_samples(mask, X, y, task, **given)
    samples = samples._replace(X=samples.X[mask.genes])
    beside = () if samples.covariates is None else tuple(samples.covariates)
    settings = Settings(task, None, "tanh", 7, 16, 0.02, 0.1, 0.3, beside)
    return samples, crossfit.make_plan(mask, samples, settings, 2, seeds, permutations, 6)


def test_a_plan_of_all_that_is_random():
    age = pd.DataFrame({"age": np.arange(40) // 2 % 7.0}, [f"s{k:02d}" for k in range(40)])
    groups = pd.Series(np.arange(40) // 2, age.index)
    samples, plan = pieces(covariates=age, groups=groups)
    assert plan.seeds == [6000, 6001]
    assert plan.random_state == 6
    assert (plan.X.dtype, plan.covariates.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(plan.X, samples.X, rtol=1e-6)
    np.testing.assert_array_equal(plan.covariates[:, 0], age["age"])
    np.testing.assert_array_equal(plan.labels, samples.numbers)
    assert plan.vectors.shape == (4, 40)
    assert plan.labels_a_block == 4
    assert sorted(np.concatenate(plan.held_out)) == list(range(40))
    assert not set(plan.groups[plan.held_out[0]]) & set(plan.groups[plan.held_out[1]])
    assert plan.watched == 0.0
    assert plan.moments is None
    assert pieces()[1].covariates is None


@pytest.mark.parametrize(
    ("task", "least", "watched"),
    [("binary", 3, 0.15), ("binary", 4, 0.0), ("survival", 1, 0.15), ("survival", 2, 0.0)],
)
def test_samples_are_watched_where_enough_tell_a_loss(task, least, watched, monkeypatch):
    """15 % of 20 training samples are 3; of survival half have an event, which makes 1.5."""
    monkeypatch.setattr(blocks, "MIN_WATCHED", least)
    assert pieces(task)[1].watched == watched


def test_blocks_are_of_the_largest_fold_and_of_all_labels_where_they_change_no_network(monkeypatch):
    monkeypatch.setattr(blocks, "MAX_REPLICATES", 4)
    assert pieces()[1].labels_a_block == 2
    assert pieces("autoencoder")[1].labels_a_block == 4
    monkeypatch.setattr(blocks, "MAX_REPLICATES", 256)
    monkeypatch.setattr(blocks, "MEMORY", 8 * 20 * 2 * 2 * 2)  # held out x pathways x seeds, twice
    assert pieces()[1].labels_a_block == 2


def test_folds_that_lack_a_class_or_an_event_are_told_of():
    mask = bm.Mask.from_sets({"p": ["a", "b"]})
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(12, 2)), columns=["a", "b"])
    settings = Settings("binary", None, "tanh", 1, 16, 1e-3, 0.0, 0.0)
    rare = np.isin(np.arange(12), outer_folds(12, 2, 0, None, None)[0][:2])
    samples = read_samples(mask, X, rare, "binary")
    with pytest.warns(
        bm.errors.BiomaskWarning, match="no sample of class 'True' in fold 2 is held out"
    ):
        crossfit.make_plan(mask, samples, settings, 2, 1, 0, 0)
    y = np.stack([np.arange(12) + 1, rare], axis=1)
    samples = read_samples(mask, X, y, "survival")
    with pytest.raises(DataError, match="event"):
        crossfit.make_plan(mask, samples, settings._replace(task="survival"), 2, 1, 0, 0)


def test_the_facts_are_all_that_a_result_depends_on():
    names = [f"s{k:02d}" for k in range(40)]
    age = pd.DataFrame({"age": np.arange(40) // 2 % 7.0}, names)
    groups = pd.Series(np.arange(40) // 2, names)
    strata = pd.Series(np.arange(40) // 20, names)
    samples, plan = pieces(covariates=age, groups=groups, strata=strata)
    facts = crossfit._facts(plan, samples, plan.mask)
    assert facts == {
        "biomask": bm.__version__,
        "versions": {m.__name__: m.__version__ for m in (keras, np, tf)},
        "mask": plan.mask.digest,
        "data": digest(samples.X.to_numpy(np.float32), names),
        "labels": digest(samples.numbers, samples.y, groups.to_numpy(), strata.to_numpy()),
        "classes": ["no", "yes"],
        "outcome": "answer",
        "task": "binary",
        "n_classes": None,
        "activation": "tanh",
        "epochs": 7,
        "batch_size": 16,
        "learning_rate": 0.02,
        "dropout": 0.1,
        "l2": 0.3,
        "class_weight": None,
        "outputs": "all",
        "covariates": ["age"],
        "covariate_values": digest(age.to_numpy()),
        "folds": 2,
        "seeds": 2,
        "permutations": 3,
        "labels_a_block": 4,
        "watched": 0.0,
        "passes": [4],  # 20 samples in batches of 16 are two steps
        "on_disk": False,
        "random_state": 6,
        "samples": 40,
        "genes": 3,
        "subjects": 20,
        "strata": 2,
        "exchanged": "subjects",
        "exhaustive": False,
        "attainable": facts["attainable"],
    }
    assert facts["attainable"].startswith("no p can reach 0.05")  # with 3 permutations
    json.dumps(facts)
    samples, plan = pieces()
    facts = crossfit._facts(plan, samples, plan.mask)
    assert facts["covariate_values"] is facts["subjects"] is facts["strata"] is None


def trained(plan, block) -> blocks.Trained:
    """Numbers in place of trained networks."""
    rng = np.random.default_rng([block.fold, block.first])
    n_edges, n_pathways = plan.mask.n_edges, plan.mask.shape[1]
    arrays = {
        "head": rng.normal(size=(4, n_pathways, 1)),
        "outputs": rng.normal(size=(20, 4, 1)),
        "turn": rng.normal(size=(2, n_pathways)),
        "orientation": rng.normal(size=(2, n_pathways)),
    }
    units = {"edges": rng.normal(size=(n_edges, 4)), "unit_bias": rng.normal(size=(4, n_pathways))}
    return blocks.Trained(arrays, units)


def test_only_blocks_that_are_not_there_are_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "MAX_REPLICATES", 4)
    plan, seen = pieces()[1], []

    def run(plan, block):
        seen.append(block)
        return trained(plan, block)

    first, *others = plan.blocks
    assert len(others) == 3
    trained(plan, first).write(first, tmp_path)
    crossfit._run(run, plan, tmp_path, 1, False)
    assert seen == others
    assert all((tmp_path / block.units_file).exists() for block in plan.blocks)


def test_the_sums_of_edges_are_put_together(tmp_path, monkeypatch):
    """Over folds, and label vector by label vector; the last block is filled up."""
    monkeypatch.setattr(blocks, "MAX_REPLICATES", 4)
    plan = pieces(permutations=2)[1]
    assert plan.blocks == [(0, 0), (0, 2), (1, 0), (1, 2)]
    rng, sums = np.random.default_rng(0), {}
    for block in plan.blocks:
        trained(plan, block).write(block, tmp_path)
        sums[block] = rng.normal(size=(2, 3))

    def edge_block(plan, block, networks, edges):
        assert edges.tolist() == [0, 2, 3]
        np.testing.assert_array_equal(networks["edges"], trained(plan, block).units["edges"])
        return sums[block]

    monkeypatch.setattr(crossfit, "edge_block", edge_block)
    found = crossfit._edge_effects(plan, tmp_path, np.array([0, 2, 3]), 1, False)
    both = [sums[0, first] + sums[1, first] for first in (0, 2)]
    np.testing.assert_allclose(found, np.vstack([both[0], both[1][:1]]) / 40)


def test_units_of_the_real_labels_alone_are_read_for_signs(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "MAX_REPLICATES", 4)
    plan = pieces()[1]
    made = [trained(plan, block) for block in plan.blocks]
    for block, part in zip(plan.blocks, made, strict=True):
        part.write(block, tmp_path)
    asked = np.array([1, 3])
    found = crossfit._real_units(plan, tmp_path, asked, [part.arrays for part in made])
    assert len(found) == 2
    for part, of_fold in zip(found, (made[0], made[2]), strict=True):
        np.testing.assert_array_equal(part["edges"], of_fold.units["edges"][asked, :2])
        np.testing.assert_array_equal(part["orientation"], of_fold.arrays["orientation"])


def test_masks_are_sorted_by_name_without_a_second_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mask = bm.Mask.from_dense(pd.DataFrame([[1, 1], [1, 1]], ["b", "a"], ["q", "p"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = crossfit._sorted(mask)
    assert found.genes.tolist() == ["a", "b"]
    assert found.pathways.tolist() == ["p", "q"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"folds": 2.0}, "folds must be a whole number of at least 1"),
        ({"epochs": 0}, "epochs must be a whole number of at least 1"),
        ({"batch_size": 1.5}, "batch_size must be a whole number"),
        ({"random_state": 0.5}, "random_state must be a whole number of at least 0"),
        ({"outputs": "some"}, "outputs"),
    ],
)
def test_other_arguments_that_make_no_sense(given, message):
    mask, X, y = problem()
    with pytest.raises(ArgumentError, match=message):
        bm.crossfit(mask, X, y, **{**CALL, **given})


@pytest.fixture
def untrained(monkeypatch):
    """Networks stay as their seeds start them."""

    def fit(self, fitted, watched, seeds, order_seed):
        self.restart(seeds)
        return np.ones(self.n_networks, int)

    monkeypatch.setattr(BlockTrainer, "fit", fit)


@pytest.mark.parametrize("level", [1.0, -1.0])  # every pathway is selected, or none
def test_tables_of_untrained_networks_in_the_order_given(level, untrained, monkeypatch, capsys):
    monkeypatch.setattr(assembly, "LEVEL", level)
    samples, _ = pieces()
    mask = bm.Mask.from_sets({"q": ["b", "c"], "p": ["a", "b"]}, genes=["c", "a", "b"])
    X, y = samples.X.iloc[::-1], samples.y
    call = {"folds": 2, "seeds": 1, "permutations": 1, "epochs": 1}
    study = bm.crossfit(mask, X, y, **call)
    said = capsys.readouterr().err
    assert "networks: 100%" in said
    assert ("edges: 100%" in said) == (level > 0)
    assert "2/2" in said
    assert "block" in said.split("edges:")[-1]
    assert study.mask is mask
    assert study.pathways.index.tolist() == ["q", "p"]
    assert study.activity.index.tolist() == X.index.tolist()
    pairs = list(zip(study.edges["gene"], study.edges["pathway"], strict=True))
    assert pairs == ([("c", "q"), ("b", "q"), ("a", "p"), ("b", "p")] if level > 0 else [])
    capsys.readouterr()
    turned = bm.crossfit(mask, X[["b", "c", "a"]], y, **call, progress=False)
    assert capsys.readouterr().err == ""
    pd.testing.assert_frame_equal(study.pathways, turned.pathways)
    pd.testing.assert_frame_equal(study.edges, turned.edges)
    in_order = mask.select(["a", "b", "c"], ["p", "q"])
    turned = bm.crossfit(in_order, X, y, **call, progress=False)
    pd.testing.assert_frame_equal(study.pathways, turned.pathways.loc[["q", "p"]])


def test_tables_of_untrained_autoencoders(untrained):
    samples, _ = pieces()
    mask = bm.Mask.from_sets({"q": ["b", "c"], "p": ["a", "b"]})
    call = {"folds": 2, "seeds": 1, "permutations": 1, "epochs": 1, "progress": False}
    study = bm.crossfit(mask, samples.X, samples.y, "autoencoder", **call)
    assert study.pathways.index.equals(mask.pathways)
    assert list(study.scores) == ["fold", "seed", "squared_error", "r2"]


@pytest.mark.parametrize(
    "given",
    [
        {"outputs": "some"},
        {"class_weight": "equal"},
        {"activation": "step"},
        {"task": "autoencoder"},
        {"epochs": 0},
        {"permutations": -1},
    ],
)
def test_what_makes_no_sense_is_refused_before_a_folder_is_made(given, tmp_path):
    sets = bm.Mask.from_sets({"child": ["a", "b"], "parent": ["a", "b", "c"]})
    hier = bm.Hierarchy.from_sets(sets, pd.DataFrame({"child": ["child"], "parent": ["parent"]}))
    samples, _ = pieces()
    with pytest.raises(ArgumentError):
        bm.crossfit(hier, samples.X, samples.y, checkpoint=tmp_path / "blocks", **given)
    assert not (tmp_path / "blocks").exists()


def test_a_hierarchy_is_sorted_at_every_level():
    sets = bm.Mask.from_sets({"z": ["b", "c"], "y": ["a", "b"], "all": ["c", "b", "a"]})
    relations = pd.DataFrame({"child": ["z", "y"], "parent": ["all", "all"]})
    found = crossfit._sorted(bm.Hierarchy.from_sets(sets, relations))
    assert found.genes.tolist() == ["a", "b", "c"]
    assert found.pathways.tolist() == ["y", "z", "all"]


# ------------------------------------------------------------------------ units


@pytest.mark.parametrize("unit", [1e-30, 1e30])
@pytest.mark.parametrize(
    ("what", "task"),
    [("X", "binary"), ("X", "autoencoder"), ("y", "regression"), ("age", "regression"),
     ("age", "binary"), ("time", "survival")],
)  # fmt: skip
def test_effects_do_not_depend_on_units(what, task, unit):
    """Of molar concentrations, for example, of which all were constant once."""
    mask, X, y = problem("binary" if task == "autoencoder" else task)
    age = pd.DataFrame({"age": np.random.default_rng(0).normal(50, 10, len(X))}, X.index)
    age["age"] += 10 * X.iloc[:, 0]

    def study(**units):
        beside = {"covariates": age * units.get("age", 1)} if what == "age" else {}
        labels = y * units["y"] if "y" in units else y
        labels = y.assign(time=y["time"] * units["time"]) if "time" in units else labels
        call = CALL | {"task": task, "epochs": 3, "permutations": 9, "seeds": 1} | beside
        return bm.crossfit(mask, X * units.get("X", 1), labels, **call)

    found, expected = study(**{what: unit}), study()
    for name in ("effect", "p"):
        wanted = expected.pathways[name]
        np.testing.assert_allclose(found.pathways[name], wanted, rtol=1e-3, atol=1e-5)
