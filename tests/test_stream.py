"""Training from disk: every row once an epoch, and the same studies as from memory."""

import hashlib
import tracemalloc
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from disk_case import on_disk, rows_on_disk, table

import biomask as bm
from biomask.errors import AlignmentError, ArgumentError, BiomaskWarning, DataError, StorageError
from biomask.inference import blocks, feeding
from biomask.inference.block_trainer import in_batches
from biomask.inference.effects import pathway_means
from biomask.inference.feeding import InMemory, OnDisk, mixtures, read
from biomask.inference.feeding import feeding as feeding_of
from biomask.inference.moments import Moments, fold_moments, scale_of
from biomask.inference.survey import Survey
from biomask.masks import backed, rows
from biomask.masks.backed import DiskTable, read_data
from biomask.masks.rows import Rows

CALL = {"folds": 2, "seeds": 2, "permutations": 19, "epochs": 4, "batch_size": 16}


@pytest.fixture
def stays(monkeypatch):
    """Small data stay on disk; some rows are read at a time."""
    monkeypatch.setattr(backed, "IN_MEMORY", 0)
    monkeypatch.setattr(rows, "READ", 4 * 30 * 12)


@pytest.fixture
def in_pieces(stays, monkeypatch):
    """And 32 of them are mixed at a time."""
    monkeypatch.setattr(feeding, "MIXED", 4 * 32 * 12)


@pytest.fixture(scope="module")
def mask():
    """Four pathways over 12 genes; p1 and p2 share g4."""
    sets = {
        "p0": ["g1", "g0"],
        "p1": ["g4", "g2", "g3"],
        "p2": ["g4", "g5", "g6", "g7"],
        "p3": ["g8", "g9", "g10", "g11"],
    }
    return bm.Mask.from_sets(sets)


@pytest.fixture(scope="module")
def frame():
    """120 samples on a log scale."""
    return np.log1p(table(120))


@pytest.fixture(scope="module")
def y(frame):
    """High where p2's genes are."""
    total = frame[["g4", "g5", "g6", "g7"]].sum(axis=1)
    return pd.Series(np.where(total > total.median(), "high", "low"), frame.index, name="level")


def numbered(frame) -> pd.DataFrame:
    """The first gene tells the row."""
    return frame.assign(g1=np.arange(len(frame), dtype=np.float32))


def epoch_of(dataset) -> tuple[np.ndarray, np.ndarray]:
    parts = [(x.numpy(), labels.numpy()) for x, labels in dataset]
    return np.concatenate([x for x, _ in parts]), np.concatenate([labels for _, labels in parts])


# ------------------------------------------------------------------------ stream


@pytest.mark.parametrize("form", ["h5ad csr", "zarr dense", "zarr path", "subset"])
def test_rows_and_labels_belong_together_by_name(frame, mask, y, form, tmp_path, in_pieces):
    data, number = on_disk(numbered(frame), form, tmp_path), mask.genes.get_loc("g1")
    moved = y.sample(frac=1, random_state=3)
    for x, labels in bm.stream(data, mask, moved, batch_size=16):
        assert (x.dtype, labels.dtype) == (tf.float32, tf.float32)
        place = x.numpy()[:, number].astype(int)
        np.testing.assert_array_equal(x, numbered(frame)[mask.genes].to_numpy()[place])
        np.testing.assert_array_equal(labels, (y == "low").to_numpy()[place])


@pytest.mark.parametrize("on", ["disk", "memory"])
def test_every_epoch_has_every_row_once_in_another_order(frame, mask, y, on, tmp_path, in_pieces):
    whole = numbered(frame)
    data = on_disk(whole, "h5ad csr", tmp_path) if on == "disk" else whole
    dataset = bm.stream(data, mask, y, batch_size=16, seed=4)
    assert dataset.cardinality() == 8 == len(list(dataset))
    number = mask.genes.get_loc("g1")
    orders = [epoch_of(dataset)[0][:, number] for _ in range(2)]
    for order in orders:
        assert sorted(order) == list(range(120))
    assert (orders[0] != orders[1]).mean() > 0.8
    streams = [bm.stream(data, mask, y, batch_size=16, seed=seed) for seed in (4, 4, 5)]
    one, same, other = (epoch_of(again)[0][:, number] for again in streams)
    np.testing.assert_array_equal(one, same)
    assert (one != other).mean() > 0.8


def test_neighbours_on_disk_end_up_far_apart(frame, mask, tmp_path, in_pieces):
    whole = on_disk(numbered(frame), "h5ad csr", tmp_path)
    place = pd.Series(np.arange(120), whole.obs_names)
    _, labels = epoch_of(bm.stream(whole, mask, place, batch_size=16))
    assert np.abs(np.corrcoef(labels, np.arange(120))[0, 1]) < 0.5
    assert np.abs(np.diff(labels)).mean() > 15  # 40 where all are shuffled, 1 where none are


def test_without_shuffling_rows_come_in_the_order_of_the_data(frame, mask, tmp_path, in_pieces):
    data = on_disk(frame, "h5ad csr", tmp_path)
    number = pd.Series(np.arange(120), data.obs_names)
    x, labels = epoch_of(bm.stream(data, mask, number, batch_size=50, shuffle=False))
    assert labels.tolist() == list(range(120))
    np.testing.assert_array_equal(x, frame.loc[data.obs_names, mask.genes])


def test_fit_evaluate_and_predict_from_disk(frame, mask, y, tmp_path, in_pieces):
    data = on_disk(frame, "h5ad csr", tmp_path)
    model = bm.build_model(mask, seed=0, learning_rate=0.05)
    train = data[:80]
    losses = model.fit(bm.stream(train, mask, y), epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    found = model.predict(bm.stream(data, mask, y, shuffle=False), verbose=0)
    expected = model.predict(frame.loc[data.obs_names, mask.genes].to_numpy(), verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert model.evaluate(bm.stream(data[80:], mask, y), verbose=0)[0] > 0


def test_labels_are_numbered_as_in_crossfit(frame, mask):
    def numbers(y):
        return epoch_of(bm.stream(frame, mask, y, shuffle=False))[1].tolist()

    thirds = np.arange(120) % 3
    assert numbers(thirds) == thirds.tolist()
    assert numbers(thirds + 0.5) == (thirds + 0.5).tolist()
    assert numbers(thirds > 1) == (thirds > 1).tolist()
    assert numbers(np.array(["c", "a", "b"])[thirds]) == [2, 0, 1] * 40
    order = pd.Categorical(np.array(["c", "a", "b"])[thirds], ["c", "b", "a"])
    assert numbers(pd.Series(order, frame.index)) == [0, 2, 1] * 40


def test_a_layer_is_streamed(frame, mask, y):
    import anndata as ad

    data = ad.AnnData(frame * 0, layers={"log": frame.to_numpy()})
    x, _ = epoch_of(bm.stream(data, mask, y, layer="log", shuffle=False))
    np.testing.assert_array_equal(x, frame[mask.genes])


def test_64_samples_in_the_order_of_seed_0_unless_told_otherwise(frame, mask, y):
    by_default = list(bm.stream(frame, mask, y))
    assert [len(x) for x, _ in by_default] == [64, 56]
    told = bm.stream(frame, mask, y, 64, shuffle=True, seed=0)
    for found, expected in zip(by_default, told, strict=True):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_data_in_memory_are_not_copied_whole(mask):
    X = pd.DataFrame(np.zeros((20_000, 12), np.float32), columns=mask.genes)  # 960 kB
    dataset = bm.stream(X, mask, np.zeros(20_000), batch_size=500)
    tracemalloc.start()
    try:
        assert len(list(dataset)) == 40
        assert tracemalloc.get_traced_memory()[1] < X.to_numpy().nbytes * 0.9
    finally:
        tracemalloc.stop()


def test_what_stream_refuses(frame, mask, y, tmp_path, stays):
    data = on_disk(frame, "h5ad csr", tmp_path)
    with pytest.raises(ArgumentError, match="batch_size=0"):
        bm.stream(data, mask, y, batch_size=0)
    with pytest.raises(ArgumentError, match="seed=-1"):
        bm.stream(data, mask, y, seed=-1)
    with pytest.raises(DataError, match="y has no entry for 1 of 120 samples"):
        bm.stream(data, mask, y.iloc[1:])
    with pytest.raises(AlignmentError, match="lack 2 of 14 genes"):
        bm.stream(data, bm.Mask.from_sets({"p": [*mask.genes, "TP53", "MYC"]}), y)


# ------------------------------------------------------------------------ mixtures


@pytest.mark.parametrize(
    ("mixed", "n_genes", "batch_size", "sizes"),
    [
        (8 * 12, 2, 4, [12, 8]),  # 8 bytes a row: 12 rows, whole batches
        (8 * 11 + 7, 2, 4, [8, 8, 4]),
        (4 * 8, 1, 4, [8, 8, 4]),
        (8 * 3, 2, 4, [4] * 5),  # at least one batch
        (8 * 40, 2, 4, [20]),
    ],
)
def test_mixtures_hold_whole_batches(monkeypatch, mixed, n_genes, batch_size, sizes):
    monkeypatch.setattr(feeding, "MIXED", mixed)
    X = rows_on_disk(np.zeros((20, n_genes), np.float32))
    in_order = mixtures({"genes": X, "covariates": np.zeros((20, 1))}, 20, batch_size, None)
    assert [part.tolist() for part in in_order] == [
        list(range(end - size, end)) for end, size in zip(np.cumsum(sizes), sizes, strict=True)
    ]
    shuffled = mixtures(X, 20, batch_size, np.random.default_rng(0))
    assert [len(part) for part in shuffled] == sizes
    assert sorted(np.concatenate(shuffled)) == list(range(20))


def test_64_mb_are_shuffled_together():
    """As the documentation of `stream` says: 1024 rows of 64 kB."""
    X = rows_on_disk(np.zeros((2000, 1)), 500)
    X.columns = np.zeros(1 << 14, int)
    assert [len(part) for part in mixtures(X, 2000, 64, None)] == [1024, 976]


@pytest.mark.parametrize(
    ("size", "stored", "chunk"),
    [(32, 1, 2), (32, 3, 3), (20, 50, 5), (21, 50, 6)],
    ids=["16 chunks", "chunks of the store", "at least 4 chunks", "at least 4 chunks, rounded"],
)
def test_a_mixture_is_made_of_chunks_that_lie_together(monkeypatch, size, stored, chunk):
    monkeypatch.setattr(feeding, "MIXED", 4 * size)
    n = 60
    X = rows_on_disk(np.zeros((n, 1), np.float32), stored)
    X = X[np.random.default_rng(1).permutation(n)]
    parts = mixtures(X, n, 1, np.random.default_rng(0))
    taken = [set((X.rows[part] // chunk).tolist()) for part in parts]
    cut = len(parts) - 1 if size % chunk else 0  # chunks that two mixtures share
    assert sum(map(len, taken)) <= n / chunk + cut
    assert len(taken[0]) == -(-size // chunk)
    assert sorted(taken[0]) != list(range(len(taken[0])))  # drawn from anywhere
    again = mixtures(X, n, 1, np.random.default_rng(0))
    assert all(map(np.array_equal, parts, again))


def test_samples_that_fit_into_one_mixture_are_shuffled_as_in_memory(monkeypatch):
    monkeypatch.setattr(feeding, "MIXED", 4 * 20)
    for X in (rows_on_disk(np.zeros((20, 1), np.float32)), np.zeros((20, 1))):
        (found,) = mixtures(X, 20, 5, np.random.default_rng(3))
        assert found.tolist() == np.random.default_rng(3).permutation(20).tolist()
    (found,) = mixtures(np.zeros((20, 1)), 20, 5, None)
    assert found.tolist() == list(range(20))


def test_what_is_read_keeps_the_structure_and_becomes_float32():
    values = np.arange(6).reshape(3, 2)
    found = read({"genes": rows_on_disk(values), "covariates": values / 4}, np.array([2, 0]))
    assert {name: part.dtype for name, part in found.items()} == {
        "genes": np.float32,
        "covariates": np.float32,
    }
    assert found["genes"].tolist() == [[4, 5], [0, 1]]
    assert found["covariates"].tolist() == [[1, 1.25], [0, 0.25]]


def test_training_in_memory_has_one_piece_in_a_random_order():
    X = {"genes": np.arange(10.0).reshape(5, 2), "covariates": np.arange(5.0)[:, None]}
    source = feeding_of(X, np.arange(5) * 2)
    assert isinstance(source, InMemory)
    ((inputs, labels, order),) = source.epoch(np.random.default_rng(3), 2)
    assert order.numpy().tolist() == np.random.default_rng(3).permutation(5).tolist()
    assert order.dtype == tf.int32
    ((inputs_too, labels_too),) = source.pieces()
    for name, part in X.items():
        assert inputs[name] is inputs_too[name]
        assert inputs[name].dtype == tf.float32
        assert inputs[name].numpy().tolist() == part.tolist()
    assert labels is labels_too
    assert labels.numpy().tolist() == [0, 2, 4, 6, 8]


# ------------------------------------------------------------------------ crossfit


@pytest.fixture(scope="module")
def from_memory(frame, mask, y):
    return bm.crossfit(mask, frame, y, progress=False, **CALL)


def same_tables(one, other, **close):
    names = ("pathways", "edges", "scores", "null", "predictions", "activity", "effects")
    for name in names:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), **close)


def test_data_that_fit_into_memory_give_the_same_bytes(frame, mask, y, from_memory, tmp_path):
    data = on_disk(frame, "h5ad csr", tmp_path)
    study = bm.crossfit(mask, data, y, progress=False, **CALL)
    study = study.replace(
        predictions=study.predictions.loc[frame.index], activity=study.activity.loc[frame.index]
    )
    same_tables(study, from_memory, check_exact=True)
    assert study.settings == from_memory.settings


@pytest.mark.parametrize("form", ["h5ad csr", "zarr dense"])
def test_one_mixture_of_all_rows_is_training_in_memory(
    frame, mask, y, from_memory, form, tmp_path, stays
):
    data = on_disk(frame, form, tmp_path)
    study = bm.crossfit(mask, data, y, progress=False, **CALL)
    study = study.replace(
        predictions=study.predictions.loc[frame.index], activity=study.activity.loc[frame.index]
    )
    assert (study.activity.dtypes == np.float32).all()  # half the memory of so many samples
    study = study.replace(activity=study.activity.astype(np.float64))
    same_tables(study, from_memory, rtol=1e-4, atol=1e-5)
    assert len(study.edges) > 0
    changed = {k for k, v in study.settings.items() if v != from_memory.settings[k]}
    assert changed == {"data", "on_disk"}


def test_mixtures_find_the_same(frame, mask, y, from_memory, tmp_path, in_pieces):
    data = on_disk(frame, "h5ad csr", tmp_path)
    study = bm.crossfit(mask, data, y, progress=False, **CALL)
    assert study.pathways["effect"].idxmax() == from_memory.pathways["effect"].idxmax() == "p2"
    assert not study.pathways["effect"].equals(from_memory.pathways["effect"])
    assert study.pathways["effect"].corr(from_memory.pathways["effect"]) > 0.98


def test_processes_open_the_store_again(frame, mask, y, tmp_path, monkeypatch):
    monkeypatch.setattr(backed, "IN_MEMORY", 0)  # read by the parent alone
    data = on_disk(frame, "zarr csr", tmp_path)
    alone = bm.crossfit(mask, data, y, progress=False, **CALL)
    two = bm.crossfit(mask, data, y, progress=False, n_jobs=2, **CALL)
    same_tables(two, alone, check_exact=True)


def test_a_checkpoint_goes_on_and_knows_its_data(frame, mask, y, tmp_path, in_pieces, monkeypatch):
    data, call = on_disk(frame, "h5ad csr", tmp_path), {**CALL, "progress": False}
    folder = tmp_path / "blocks"
    first = bm.crossfit(mask, data, y, checkpoint=folder, **call)
    monkeypatch.setattr(blocks, "trainer_of", None)  # nothing is trained again
    same_tables(bm.crossfit(mask, data, y, checkpoint=folder, **call), first, check_exact=True)
    other = frame.copy()
    other.loc["s7", "g3"] += 1e-3
    (tmp_path / "b").mkdir()
    changed = on_disk(other, "h5ad csr", tmp_path / "b")
    with pytest.raises(StorageError, match="data: "):
        bm.crossfit(mask, changed, y, checkpoint=folder, **call)
    with pytest.raises(StorageError, match="data: "):  # in memory batches are others
        bm.crossfit(mask, frame, y, checkpoint=folder, **call)


def test_the_digest_depends_on_values_and_names_alone(frame, mask, tmp_path, stays):
    found = []
    for k, form in enumerate(["h5ad csr", "zarr dense", "subset"]):
        (tmp_path / str(k)).mkdir()
        data = read_data(on_disk(frame, form, tmp_path / str(k)), mask.genes[:: (-1) ** k])
        data = data.take(data.index.argsort(), data.index.sort_values())
        found.append(Survey(data, None).digest)
    assert len(set(found)) == 1


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_other_tasks_from_disk(frame, mask, y, task, tmp_path, stays):
    y = pd.Series(np.arange(120) % 3, frame.index) if task == "multiclass" else frame["g4"] ** 2
    call = {**CALL, "permutations": 3, "progress": False, "task": task}
    studies = [
        bm.crossfit(mask, data, y, **call) for data in (frame, on_disk(frame, "h5ad csr", tmp_path))
    ]
    pd.testing.assert_frame_equal(*(s.pathways for s in studies), rtol=1e-4, atol=1e-5)


def test_covariates_groups_and_a_hierarchy_from_disk(frame, mask, y, tmp_path, stays):
    hier = bm.Hierarchy.from_sets(
        bm.Mask.from_sets({**mask.to_sets(), "top": [f"g{i}" for i in range(8)]}),
        pd.DataFrame({"child": ["p0", "p1", "p2"], "parent": ["top"] * 3}),
    )
    call = {**CALL, "progress": False}
    call["groups"] = pd.Series(np.arange(120) // 2, frame.index)
    call["covariates"] = pd.DataFrame({"age": np.arange(120) // 2 % 7}, frame.index)
    y = y.groupby(call["groups"]).transform("first")
    studies = [
        bm.crossfit(hier, data, y, **call) for data in (frame, on_disk(frame, "h5ad csr", tmp_path))
    ]
    for name in ("pathways", "edges"):
        tables = [getattr(study, name) for study in studies]
        pd.testing.assert_frame_equal(*tables, rtol=1e-4, atol=1e-5)


def test_training_in_the_order_of_mixtures(frame, mask, tmp_path, in_pieces):
    X = read_data(on_disk(numbered(frame), "h5ad csr", tmp_path), mask.genes).rows
    Y = np.arange(120.0)[:, None]
    number, values = mask.genes.get_loc("g1"), np.asarray(X)
    source = feeding_of({"genes": X, "covariates": Y}, Y)
    assert isinstance(source, OnDisk)
    parts = list(source.epoch(np.random.default_rng(0), 16))
    assert [len(labels) for _, labels, _ in parts] == [32, 32, 32, 24]  # whole batches
    for inputs, labels, order in parts:
        place = labels.numpy()[:, 0].astype(int)
        np.testing.assert_array_equal(inputs["genes"], values[place])
        np.testing.assert_array_equal(inputs["covariates"], labels)
        np.testing.assert_array_equal(order, range(len(labels)))
    places = np.concatenate([labels[:, 0] for _, labels, _ in parts])
    assert sorted(places) == list(range(120))
    seen = []
    for inputs, labels in source.pieces():
        np.testing.assert_array_equal(inputs["genes"], values[labels.numpy()[:, 0].astype(int)])
        np.testing.assert_array_equal(inputs["covariates"], labels)
        seen.append(inputs["genes"].numpy()[:, number])
    assert len(seen) > 1
    assert sorted(np.concatenate(seen)) == sorted(values[:, number])


def test_functions_of_rows_come_back_in_their_order(frame, mask, tmp_path, stays):
    X = read_data(on_disk(frame, "h5ad csr", tmp_path), mask.genes).rows
    X = X[np.random.default_rng(0).permutation(120)]
    values = np.asarray(X)
    np.testing.assert_array_equal(in_batches(lambda x: x[:, 0] + x[:, 1], X), values[:, :2].sum(1))
    np.testing.assert_allclose(pathway_means(X, mask), pathway_means(values, mask), rtol=1e-6)


# ------------------------------------------------------------------------ what the pass finds


def test_moments_of_parts_are_those_of_the_whole():
    """By hand; the second gene is so large that sums of float32 lose it."""
    values = np.array([[1, 0], [3, 2], [5, 4], [5, 6], [16, 8]], np.float32)
    values[:, 1] += 2**24
    moments = Moments(2)
    for part in (values[:2], values[:0], values[2:]):
        moments.add(part)
    moments.join(Moments(2))
    assert moments.n == 5
    assert moments.mean.tolist() == [6, 2**24 + 4]
    np.testing.assert_allclose(moments.squares, [136, 40], rtol=1e-14)
    np.testing.assert_allclose(moments.sd, np.sqrt([136 / 5, 8]), rtol=1e-14)
    none = Moments(1)
    none.join(Moments(1))
    assert (none.n, none.mean.tolist(), none.squares.tolist()) == (0, [0], [0])


def test_moments_of_folds_are_those_of_the_other_folds(monkeypatch):
    monkeypatch.setattr(rows, "READ", 4 * 2 * 3)
    values = np.random.default_rng(0).integers(0, 9, (10, 2)).astype(np.float32)
    X = rows_on_disk(values)[np.array([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])]
    held_out = [np.array([7, 0]), np.array([2, 5, 9, 1]), np.array([3, 4, 6, 8])]
    found = fold_moments(X, held_out)
    assert [one.n for one in found] == [8, 6, 6]
    for part, moments in zip(held_out, found, strict=True):
        training = np.delete(values[X.rows], part, axis=0).astype(np.float64)
        np.testing.assert_allclose(moments.mean, training.mean(axis=0), rtol=1e-14)
        np.testing.assert_allclose(moments.sd, training.std(axis=0), rtol=1e-14)


def test_a_gene_is_constant_where_it_varies_by_a_millionth_of_its_mean():
    mean = np.array([1, 1, -2, -2, 0, 0, 1e-12])
    sd = np.array([1e-6, 1.1e-6, 1.9e-6, 2.1e-6, 0.9e-12, 0, 0.9e-18])
    expected = [np.inf, 1.1e-6, np.inf, 2.1e-6, 0.9e-12, np.inf, np.inf]
    assert scale_of(mean, sd).tolist() == expected


def survey_of(values, labels=None) -> Survey:
    """Of genes b and a, samples in the order opposite to that on disk."""
    values = np.asarray(values, np.float32)
    X = rows_on_disk(values[::-1])[np.arange(len(values))[::-1]]
    index = pd.Index([f"s{i}" for i in range(len(values))])
    return Survey(DiskTable(X, index, pd.Index(["b", "a"])), labels)


def test_what_a_survey_finds(monkeypatch):
    monkeypatch.setattr(rows, "READ", 4 * 2 * 203)  # two pieces
    values = np.stack([np.arange(205) + 3, np.arange(205) % 7], axis=1)
    labels = np.stack([np.arange(205) % 2 - 0.5, np.arange(205) - 102.0])
    seen, by_name = survey_of(values, labels), values[:, ::-1].astype(np.float32)
    assert seen.genes.tolist() == ["a", "b"]
    assert (seen.low, seen.high, seen.whole) == (0, 207, True)
    assert seen.first.tolist() == by_name[:4:-1].tolist()  # 200 as they come from the disk
    assert seen.contents == [hashlib.sha256(row.tobytes()).digest() for row in by_name]
    assert seen.digest == hashlib.sha256(b"".join(seen.contents)).hexdigest()
    assert seen.moments.n == 205
    np.testing.assert_allclose(seen.moments.mean, by_name.mean(axis=0, dtype=float))
    np.testing.assert_allclose(seen.products, labels @ by_name)
    assert survey_of(values).products is None


@pytest.mark.parametrize(
    ("values", "low", "high", "whole"),
    [
        ([[0, 1], [2, 3], [4, 5]], 0, 5, True),
        ([[1, 1], [2, 3], [4, 5]], 1, 5, True),
        ([[-1, 1], [2, 3], [4, 5]], -1, 5, False),
        ([[0, 1], [2, 3.5], [4, 5]], 0, 5, False),
        ([[0, 1], [2, 3], [4, 5.5]], 0, 5.5, False),  # the one that is read first
        ([[-4, -3.5], [-3, -2], [-1, -1]], -4, -1, False),
    ],
)
def test_range_and_whole_numbers_of_all_pieces(monkeypatch, values, low, high, whole):
    monkeypatch.setattr(rows, "READ", 4 * 2)  # row by row
    seen = survey_of(values)
    assert (seen.low, seen.high, seen.whole) == (low, high, whole)


@pytest.mark.parametrize("n", [1, 3])
def test_samples_that_are_all_the_same_are_refused(monkeypatch, n):
    monkeypatch.setattr(rows, "READ", 4 * 2)
    with pytest.raises(DataError, match=f"every gene is the same in all {n} samples") as error:
        survey_of([[1, 2]] * n)
    assert error.value.code == "E-DATA-CONSTANT"
    assert survey_of([[1, 2]] * n + [[1, 3]]).high == 3


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_values_that_are_no_numbers_are_found_with_gene_and_sample(
    frame, mask, y, value, tmp_path, stays
):
    broken = frame.astype(np.float64)
    broken.loc["s7", "g3"] = value
    data = on_disk(broken, "h5ad dense", tmp_path, np.float64)
    with pytest.raises(DataError, match=r"\('s7'\) and 1 genes: 'g3'"):
        bm.crossfit(mask, data, y, progress=False, **CALL)


def test_constant_data_are_refused(frame, mask, y, tmp_path, stays):
    data = on_disk(frame * 0 + 3, "h5ad dense", tmp_path)
    with pytest.raises(DataError, match="every gene is the same in all 120 samples"):
        bm.crossfit(mask, data, y, progress=False, **CALL)


@pytest.mark.parametrize("change", ["counts", "copies", "label", "nothing"])
def test_warnings_are_those_of_data_in_memory(frame, mask, change, tmp_path, stays):
    y = pd.Series(np.arange(120) % 2, frame.index)
    X = frame.copy()
    if change == "counts":
        X = np.expm1(X).round()
    if change == "copies":
        X.loc["s5"] = X.loc["s9"]
    if change == "label":
        X["g2"] = y.to_numpy() * 2.0 + 1
    texts = []
    for data in (X.astype(np.float32), on_disk(X, "h5ad csr", tmp_path)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            bm.crossfit(mask, data, y, progress=False, **{**CALL, "permutations": 1, "epochs": 1})
        ours = [w for w in caught if issubclass(w.category, BiomaskWarning)]
        assert all(w.filename == __file__ for w in ours)
        texts.append([str(w.message) for w in ours])
    assert texts[0] == texts[1]
    assert bool(texts[0]) == (change != "nothing")


@pytest.mark.parametrize("task", ["survival", "autoencoder", "compare_models"])
def test_what_needs_data_in_memory_says_so(frame, mask, y, task, tmp_path, stays):
    data = on_disk(frame, "h5ad csr", tmp_path)
    if task == "survival":
        y = pd.DataFrame({"time": np.arange(120) + 1, "event": 1}, frame.index)
    call = bm.compare_models if task == "compare_models" else partial(bm.crossfit, task=task)
    with pytest.raises(DataError, match=rf"{task}.* needs X in memory.*to_memory") as error:
        call(mask, data, y, progress=False)
    assert error.value.code == "E-DATA-DISK"


def test_a_dataset_is_not_taken_for_data(frame, mask, y):
    """Folds need samples that have names and stay where they are."""
    with pytest.raises(DataError, match=r"Pass what bm\.stream was given.*E-DATA-STREAM"):
        bm.crossfit(mask, bm.stream(frame, mask, y), y, progress=False)


def test_the_plan_sends_no_data(frame, mask, y, tmp_path, stays, monkeypatch):
    plans = []
    run = blocks.run_block
    monkeypatch.setattr(
        "biomask.inference.crossfit.run_block", lambda plan, b: plans.append(plan) or run(plan, b)
    )
    data = on_disk(frame, "h5ad csr", tmp_path)
    bm.crossfit(mask, data, y, progress=False, **{**CALL, "permutations": 1})
    assert isinstance(plans[0].X, Rows)
    assert isinstance(blocks.split(plans[0], 0).X, Rows)
    assert not isinstance(read_data(frame, mask.genes), DiskTable)
