"""The pieces of a cross-fit: what is in one, how it is kept, and what its networks are asked."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import h5py
import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler
from test_deep_effects import HIER, brute_force, ends_of, forward
from test_wired import KINDS, put_weights

import biomask as bm
from biomask.errors import StorageError
from biomask.inference import blocks
from biomask.inference.block_trainer import BlockTrainer
from biomask.inference.blocks import Block, Plan, Trained
from biomask.inference.moments import fold_moments
from biomask.inference.training import Settings
from biomask.masks.rows import Rows, Store
from biomask.storage import write_zip

MASK = KINDS["mask"]


def plan_of(mask=MASK, task="binary", beside=True, n=34) -> Plan:
    """3 label vectors of 2 seeds, in blocks of 2 vectors: the second block has one to fill up."""
    rng = np.random.default_rng(6)
    X = rng.normal(2, 3, (n, mask.shape[0])).astype(np.float32)
    X[1::2] += rng.normal(0, 3, mask.shape[0]).astype(np.float32)  # one fold is unlike the other
    vectors = {"binary": rng.integers(0, 2, (3, n)), "regression": rng.normal(size=(3, n))}[task]
    names = ("age", "sex") if beside else ()
    return Plan(
        mask,
        X,
        vectors.astype(np.float32),
        rng.normal(50, 9, (n, 2)).astype(np.float32) if beside else None,
        [np.arange(0, n, 2), np.arange(1, n, 2)],
        None,
        [11, 12],
        0.2,
        Settings(task, None, "tanh", 1, 16, 1e-2, 0.0, 0.0, names),
        2,
        5,
    )


def test_blocks_fold_by_fold_and_their_files():
    plan = plan_of()
    assert plan.blocks == [(0, 0), (0, 2), (1, 0), (1, 2)]
    assert [block.file for block in plan.blocks[1:3]] == [
        "fold00_labels00002.zip", "fold01_labels00000.zip"
    ]  # fmt: skip
    assert Block(12, 345).units_file == "fold12_labels00345_units.zip"
    np.testing.assert_array_equal(plan.labels, plan.vectors[0])
    with pytest.raises(FrozenInstanceError):
        plan.random_state = 6


def test_how_many_label_vectors_make_a_block(monkeypatch):
    monkeypatch.setattr(blocks, "MAX_REPLICATES", 12)
    count = blocks.labels_a_block
    assert MASK.shape[1] == 4
    assert MASK.n_edges == 10
    assert [count(n, 3, 1, MASK) for n in (1, 3, 4, 5, 8, 9)] == [1, 3, 4, 3, 4, 3]
    assert count(7, 5, 1, MASK) == 2  # 10 networks, and not 15
    assert count(9, 12, 1, MASK) == count(9, 13, 1, MASK) == 1
    # One label vector takes 3 x 8 x 20 x 4 = 1920 bytes, or 3 x 24 x 10 = 720 of few samples.
    monkeypatch.setattr(blocks, "MEMORY", 3839)
    assert count(4, 3, 20, MASK) == 1
    monkeypatch.setattr(blocks, "MEMORY", 3840)
    assert count(4, 3, 20, MASK) == 2
    monkeypatch.setattr(blocks, "MEMORY", 1439)
    assert count(4, 3, 1, MASK) == 1
    monkeypatch.setattr(blocks, "MEMORY", 1440)
    assert count(4, 3, 1, MASK) == 2
    monkeypatch.setattr(blocks, "MEMORY", 1)
    assert count(4, 3, 1, MASK) == 1


def test_the_limits_of_a_block():
    """256 networks, and half a gigabyte: 8 bytes x 1000 samples x 4 pathways x 1 seed a vector."""
    assert blocks.labels_a_block(256, 1, 1, MASK) == 256
    assert blocks.labels_a_block(257, 1, 1, MASK) == 129
    assert blocks.labels_a_block(1000, 1, 2**29 // 32 // 100, MASK) == 100
    assert blocks.labels_a_block(101, 1, 2**29 // 32 // 100 + 1, MASK) == 51


def test_samples_are_watched_where_fifty_can_be(monkeypatch):
    assert [blocks.watched_share(n) for n in (333, 334)] == [0.0, 0.15]  # 49.95, 50.1
    monkeypatch.setattr(blocks, "MIN_WATCHED", 15)
    assert [blocks.watched_share(n) for n in (99, 100)] == [0.0, 0.15]


def test_the_parts_of_a_fold(monkeypatch):
    plan = plan_of()
    part = blocks.split(plan, 1)
    np.testing.assert_array_equal(part.held_out, np.arange(1, 34, 2))
    np.testing.assert_array_equal(part.training, np.arange(0, 34, 2))
    np.testing.assert_array_equal(np.sort([*part.fitted, *part.watched]), part.training)
    assert len(part.watched) == 3  # a fifth of 17
    for values, given in ((part.X, plan.X), (part.covariates, plan.covariates)):
        expected = StandardScaler().fit(given[::2]).transform(given)
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)
    inputs = part.inputs(part.watched)
    np.testing.assert_array_equal(inputs["genes"], part.X[part.watched])
    np.testing.assert_array_equal(inputs["covariates"], part.covariates[part.watched])
    watched = {tuple(blocks.split(replace(plan, random_state=s), f).watched // 2)
               for s in (5, 6, 7) for f in (0, 1)}  # fmt: skip
    assert len(watched) > 4  # of every fold and random state its own
    subjects = replace(plan, groups=np.arange(34) // 4)
    part = blocks.split(subjects, 0)
    assert not set(subjects.groups[part.fitted]) & set(subjects.groups[part.watched])


def test_nothing_is_watched_and_nothing_stands_beside_the_genes():
    part = blocks.split(replace(plan_of(beside=False), watched=0.0), 0)
    np.testing.assert_array_equal(part.fitted, part.training)
    assert part.watched.tolist() == []
    assert part.covariates is None
    np.testing.assert_array_equal(part.inputs(part.fitted), part.X[part.fitted])


def test_many_rows_are_scaled_as_few():
    """Also far from 0, where sums of float32 lose the digits that differ."""
    X = np.random.default_rng(0).normal([0, 0, 3e5], size=(1300, 3)).astype(np.float32)
    X[7, 0], X[1299, 1] = 1000, -1000
    training = np.arange(100, 1200)
    expected = StandardScaler().fit(X[training].astype(float)).transform(X.astype(float))
    assert np.abs(expected).max() > 10
    found = blocks._scaled(X, training)
    np.testing.assert_allclose(found, expected.clip(-10, 10), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("unit", [1e-30, 1, 1e30])
def test_rows_on_disk_are_scaled_as_those_in_memory(unit, tmp_path):
    plan = plan_of()
    wanted = [blocks.split(plan, fold).X for fold in (0, 1)]
    plan = replace(plan, X=plan.X * np.float32(unit))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["X"] = plan.X
    rows = Rows(Store(str(tmp_path / "x.h5"), "X"), np.arange(34), np.arange(plan.X.shape[1]))
    on_disk = replace(plan, X=rows, moments=fold_moments(rows, plan.held_out))
    for fold in (0, 1):
        found, expected = blocks.split(on_disk, fold), blocks.split(plan, fold)
        np.testing.assert_allclose(np.asarray(found.X), expected.X, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(expected.X, wanted[fold], rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(found.fitted, expected.fitted)


@pytest.mark.parametrize("several", [False, True])
def test_the_labels_of_every_network_of_a_block(several):
    """Label vector by label vector, all seeds of each; filled up with the real labels."""
    plan = plan_of()
    if several:  # of survival: time and event
        plan = replace(plan, vectors=np.stack([plan.vectors, 1 - plan.vectors], axis=-1))
    real, one, two = plan.vectors
    found = blocks._label_columns(plan, Block(1, 0))
    np.testing.assert_array_equal(found, np.stack([real, real, one, one], axis=1))
    found = blocks._label_columns(plan, Block(1, 2))
    np.testing.assert_array_equal(found, np.stack([two, two, real, real], axis=1))


def test_seeds_of_blocks_are_their_own():
    numbers = [(0, 1, 0), (0, 2, 0), (1, 1, 0), (0, 1, 1), (0, 1, 0, 0), (0, 1, 0, 1)]
    assert len({blocks.block_seed(*each) for each in numbers}) == 6 - 1  # zeros at the end
    assert blocks.block_seed(0, 1, 0) == blocks.block_seed(0, 1, 0)


def test_arrays_are_kept_as_they_are(tmp_path):
    arrays = {"a": np.arange(6, dtype=np.int64).reshape(2, 3), "b": np.float32([0.5])}
    blocks.write_arrays(tmp_path / "x.zip", arrays, {"fold": 1})
    found = blocks.read_arrays(tmp_path / "x.zip")
    assert list(found) == ["a", "b"]
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_no_python_objects_are_written_or_read(tmp_path):
    objects = np.array([{}], object)
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        blocks.write_arrays(tmp_path / "x.zip", {"a": objects}, {})
    np.save(tmp_path / "a.npy", objects)
    for content in ((tmp_path / "a.npy").read_bytes(), b"", b"\x93NUMPY"):
        write_zip(tmp_path / "x.zip", {"a.npy": content}, {})
        with pytest.raises(StorageError, match="an array is damaged: ") as caught:
            blocks.read_arrays(tmp_path / "x.zip")
        assert caught.value.code == "E-ARRAY"
        assert caught.value.file == str(tmp_path / "x.zip")


def test_a_block_is_read_back_in_parts(tmp_path):
    plan, rng = plan_of(), np.random.default_rng(0)
    arrays = {name: rng.normal(size=3) for name in ("activity", "head", "outputs", "steps")}
    units = {"edges": rng.normal(size=2), "unit_bias": rng.normal(size=4)}
    for block in plan.blocks:
        numbers = {**arrays, "activity": np.array([block.fold, block.first])}
        Trained(numbers, units).write(block, tmp_path)
    assert blocks.results(block, tmp_path).keys() == {"head", "outputs", "steps"}
    np.testing.assert_array_equal(blocks.results(block, tmp_path)["steps"], arrays["steps"])
    assert [a.tolist() for a in blocks.activities(plan, tmp_path)] == [[0, 0], [1, 0]]
    found = blocks.trained_networks(block, tmp_path)
    assert found.keys() == {"edges", "head", "outputs", "unit_bias"}
    for name, array in found.items():
        np.testing.assert_array_equal(array, {**arrays, **units}[name])
    Trained(arrays).write(Block(7, 0), tmp_path)
    assert [path.name for path in tmp_path.glob("fold07*")] == ["fold07_labels00000.zip"]


class Given:
    """Networks with random weights in place of trained ones, and how they were asked for."""

    def __init__(self, plan: Plan, monkeypatch):
        rng, shape = np.random.default_rng(3), plan.mask.shape
        self.net = {
            "w": rng.normal(size=(len(ends_of(plan.mask)), 4)),
            "b": rng.normal(size=(4, shape[1])) * 0.3,
            "v": rng.normal(size=(4, shape[1], 1)),
            "c": rng.normal(size=(4, 1)),
            "beside": None if plan.covariates is None else rng.normal(size=(4, 2, 1)),
            "activation": np.tanh,
            "h_mean": np.zeros((4, shape[1])),
        }
        self.asked = []
        monkeypatch.setattr(BlockTrainer, "fit", self.fit_of)

    @property
    def fit_of(self):
        def fit(trainer, *asked):
            self.asked.append(asked)
            put_weights(trainer, self.net)
            return np.array([3, 1, 4, 1], np.int32)

        return fit

    def on(self, plan: Plan, fold: int, y: np.ndarray) -> dict:
        """The networks as `forward` and `brute_force` know them, on held-out samples."""
        held, training = plan.held_out[fold], plan.held_out[1 - fold]
        scaled = StandardScaler().fit(plan.X[training]).transform(plan.X)
        net = {**self.net, "x": scaled[held], "x_mean": np.zeros(plan.mask.shape[0]), "y": y[held]}
        whole = {**net, "x": scaled[training]}
        means = [forward(plan.mask, whole, r)[1].mean(axis=0) for r in range(4)]
        net["h_mean"] = np.array(means)
        if plan.covariates is not None:
            beside = StandardScaler().fit(plan.covariates[training]).transform(plan.covariates)
            added = np.einsum("nk,rkc->rnc", beside[held], self.net["beside"])
            net["c"] = net["c"][:, None] + added
        return net


@pytest.mark.parametrize(
    ("mask", "task", "beside"), [(MASK, "binary", True), (HIER, "regression", False)]
)
def test_a_block_by_the_networks_run_again(mask, task, beside, monkeypatch):
    plan = plan_of(mask, task, beside)
    given, block = Given(plan, monkeypatch), Block(1, 0)
    Y = np.stack([plan.vectors[k] for k in (0, 0, 1, 1)], axis=1)
    net = given.on(plan, 1, Y)
    arrays, units = blocks.run_block(plan, block)
    removals = [{"unit": p} for p in range(mask.shape[1])]
    expected = brute_force(mask, net, task, removals).reshape(2, 2, -1)
    np.testing.assert_allclose(arrays["effects"], expected, rtol=1e-3, atol=1e-4)
    assert arrays["steps"].tolist() == [3, 1, 4, 1]
    assert arrays["steps"].dtype == np.int64
    np.testing.assert_allclose(arrays["head"], given.net["v"], rtol=1e-5)
    np.testing.assert_allclose(arrays["head_bias"], given.net["c"], rtol=1e-5)
    h = np.stack([forward(mask, net, r)[1] for r in range(4)], axis=1)
    z = np.stack([h[:, r] @ net["v"][r] + net["c"][r] for r in range(4)], axis=1)
    np.testing.assert_allclose(arrays["outputs"], z, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(units["edges"], given.net["w"], rtol=1e-5)
    np.testing.assert_allclose(units["unit_bias"], given.net["b"], rtol=1e-5)
    names = {"effects", "steps", "head", "head_bias", "outputs"}
    real = {"activity", "direction", "turn", "orientation"}
    assert arrays.keys() == names | real | ({"covariates"} if beside else set())
    if beside:
        np.testing.assert_allclose(arrays["covariates"], given.net["beside"], rtol=1e-5)
    # Of the real labels' two networks alone: units turned to rise with the mean of their genes.
    sets = (mask.flatten() if mask is HIER else mask).to_sets()
    places = [mask.genes.get_indexer(sets[name]) for name in mask.pathways]
    genes = np.stack([net["x"][:, place].mean(axis=1) for place in places], axis=1)
    turn = [[np.sign(np.cov(h[:, r, p], genes[:, p])[0, 1]) for p in range(mask.shape[1])]
            for r in range(2)]  # fmt: skip
    np.testing.assert_array_equal(arrays["turn"], turn)
    np.testing.assert_allclose(
        arrays["activity"], (h[:, :2] * turn).mean(axis=1), rtol=1e-3, atol=1e-4
    )
    assert arrays["direction"].shape == arrays["orientation"].shape == (2, mask.shape[1])
    if mask is MASK:
        np.testing.assert_allclose(arrays["orientation"], given.net["v"][:2, :, 0], rtol=1e-5)
        one = Y[plan.held_out[1], 0] == 1
        change = (h[one].mean(axis=0) - h[~one].mean(axis=0))[:2] * turn
        expected = np.abs(given.net["v"][:2, :, 0]) * change
        np.testing.assert_allclose(arrays["direction"], expected, rtol=1e-3, atol=1e-4)
    # What the networks were trained on
    ((fitted, watched, seeds, order_seed),) = given.asked
    assert seeds == [11, 12, 11, 12]
    assert order_seed == blocks.block_seed(5, 2, 1, 0)
    part = blocks.split(plan, 1)
    for (X, y), rows in ((fitted, part.fitted), (watched, part.watched)):
        np.testing.assert_array_equal(y, Y[rows])
        np.testing.assert_array_equal(X["genes"] if beside else X, part.X[rows])
    # Some of its edges
    trained = {**units, "head": arrays["head"], "outputs": arrays["outputs"]}
    asked = np.array([1, 8, 4])
    expected = brute_force(mask, net, task, [{"edge": ends_of(mask)[e]} for e in asked])
    found = blocks.edge_block(plan, block, trained, asked)
    expected = expected.reshape(2, 2, 3).mean(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_a_block_of_permuted_labels_holds_less(monkeypatch):
    plan = plan_of(beside=False)
    given = Given(plan, monkeypatch)
    arrays, _ = blocks.run_block(plan, Block(0, 2))
    assert arrays.keys() == {"effects", "steps", "head", "head_bias", "outputs"}
    assert given.asked[0][3] == blocks.block_seed(5, 2, 0, 2)
    Y = np.stack([plan.vectors[k] for k in (2, 2, 0, 0)], axis=1)
    expected = brute_force(MASK, given.on(plan, 0, Y), "binary", [{"unit": p} for p in range(4)])
    np.testing.assert_allclose(arrays["effects"], expected.reshape(2, 2, 4), rtol=1e-3, atol=1e-4)


def test_a_pathway_without_genes_is_turned_neither_way(monkeypatch):
    plan = plan_of(bm.Mask.from_sets({"p": ["a", "b"], "none": [], "q": ["b"]}), beside=False)
    Given(plan, monkeypatch)
    arrays, _ = blocks.run_block(plan, Block(0, 0))
    assert (arrays["turn"][:, 1] == 0).all()
    assert (arrays["activity"][:, 1] == 0).all()
    assert (arrays["effects"][:, :, 1] == 0).all()
    assert (np.abs(arrays["turn"][:, [0, 2]]) == 1).all()
