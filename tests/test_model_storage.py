"""Models on disk: the same in another process, and nothing in a file is ever run."""

from __future__ import annotations

import functools
import os
import random
import subprocess
import sys
import time
import zipfile

import keras
import numpy as np
import pytest

import biomask as bm
from biomask.networks import storage as model_storage
from biomask.networks.layers import MaskedDense
from biomask.storage import read_zip, unzip, write_zip

WEIGHTS = "model.weights.h5"


def _train(mask, X, y, epochs=2, **kwargs):
    model = bm.build_model(mask, learning_rate=0.05, seed=1, **kwargs)
    model.fit(X.to_numpy(), y, epochs=epochs, batch_size=16, shuffle=False, verbose=0)
    return model


@pytest.fixture(scope="module")
def trained(small_mask, small_data):
    return _train(small_mask, *small_data)


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "m.keras"
    bm.save_model(trained, path)
    return path


@pytest.fixture
def forged(saved, tmp_path):
    """Write a file like `saved`, its manifest in order, but for what is changed."""
    manifest, members = read_zip(saved)

    def forge(changed=(), **manifest_changes):
        path = tmp_path / "forged.keras"
        write_zip(path, {**members, **dict(changed)}, {**manifest, **manifest_changes})
        return path

    forge.members = members
    return forge


def _refused(path, match, code=None):
    with pytest.raises(bm.StorageError, match=match) as caught:
        bm.load_model(path)
    assert caught.value.file == str(path)
    if code is not None:
        assert caught.value.code == code


# ------------------------------------------------------------------ another process

SCRIPT = """
import sys
import numpy as np
import pandas as pd
import biomask as bm

folder, name = sys.argv[1:]
with np.load(f"{folder}/data.npz") as data:
    x, y = data["x"], data["y"]
outputs = {k: bm.load_model(f"{folder}/{k}.keras").predict(x, verbose=0) for k in ("one", "many")}
mask = bm.load_model(f"{folder}/one.keras").get_layer("pathways").mask
model = bm.build_model(mask, learning_rate=0.05, seed=1)
model.fit(x, y, epochs=2, batch_size=16, shuffle=False, verbose=0)
bm.save_model(model, f"{folder}/{name}.keras")
np.savez(f"{folder}/{name}.npz", digest=mask.digest, genes=list(mask.genes), **outputs)
for _ in range(8):
    bm.save_model(model, f"{folder}/shared.keras")
"""


@pytest.fixture(scope="module")
def elsewhere(trained, small_mask, small_data, tmp_path_factory):
    """Two fresh processes that load, train and save; while they run, their file is read."""
    folder = tmp_path_factory.mktemp("elsewhere")
    X, y = small_data
    many = bm.build_model(small_mask, "multiclass", 3, replicates=2, seed=5)
    bm.save_model(trained, folder / "one.keras")
    bm.save_model(many, folder / "many.keras")
    np.savez(folder / "data.npz", x=X.to_numpy(), y=y)
    processes = []
    for name, threads in (("same", "2"), ("single", "1")):
        environment = {**os.environ, "PYTHONHASHSEED": "7", "TF_NUM_INTRAOP_THREADS": threads}
        environment.pop("HOME", None)
        command = [sys.executable, "-c", SCRIPT, str(folder), name]
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE))
    reads = []
    while any(p.poll() is None for p in processes):
        time.sleep(0.1)
        if (folder / "shared.keras").exists():
            reads.append(read_zip(folder / "shared.keras")[0]["kind"])
    for process in processes:
        assert process.wait() == 0, process.stderr.read().decode()[-2000:]
    return folder, trained, many, reads


def test_predictions_are_bit_equal_in_a_fresh_process(elsewhere, small_mask, small_data):
    folder, trained, many, _ = elsewhere
    x = small_data[0].to_numpy()
    with np.load(folder / "same.npz") as found:
        np.testing.assert_array_equal(found["one"], trained.predict(x, verbose=0))
        np.testing.assert_array_equal(found["many"], many.predict(x, verbose=0))
        assert str(found["digest"]) == small_mask.digest
        assert list(found["genes"]) == list(small_mask.genes)


def test_the_same_training_in_another_process_gives_the_same_bytes(elsewhere):
    folder = elsewhere[0]
    ours, theirs = unzip(folder / "one.keras"), unzip(folder / "same.keras")
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert (folder / "one.keras").read_bytes() == (folder / "same.keras").read_bytes()


def test_one_thread_trains_to_the_same_weights(elsewhere):
    folder, trained, *_ = elsewhere
    single = bm.load_model(folder / "single.keras")
    for a, b in zip(trained.get_weights(), single.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_processes_that_save_to_one_file_never_mix(elsewhere):
    folder, *_, reads = elsewhere
    assert reads  # every one of them was whole, or read_zip would have raised
    assert set(reads) == {"biomask model"}
    assert bm.load_model(folder / "shared.keras").name == "biomask"
    assert not [p.name for p in folder.iterdir() if ".tmp" in p.name]


# ------------------------------------------------------------------ what is kept


def test_a_loaded_model_is_compiled_and_equal(saved, trained, small_data, small_mask):
    X, y = small_data
    loaded = bm.load_model(saved)
    assert loaded.get_layer("pathways").mask == small_mask
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in trained.layers]
    for a, b in zip(trained.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    results = loaded.evaluate(X.to_numpy(), y, verbose=0, return_dict=True)
    assert results == trained.evaluate(X.to_numpy(), y, verbose=0, return_dict=True)


def test_the_optimizer_carries_on(saved, small_mask, small_data):
    X, y = small_data
    whole = _train(small_mask, X, y, epochs=4)
    resumed = bm.load_model(saved)
    resumed.fit(X.to_numpy(), y, epochs=2, batch_size=16, shuffle=False, verbose=0)
    assert int(resumed.optimizer.iterations) == int(whole.optimizer.iterations) == 12
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_saving_again_gives_the_same_bytes(saved, trained, tmp_path):
    bm.save_model(trained, tmp_path / "again.keras")
    assert (tmp_path / "again.keras").read_bytes() == saved.read_bytes()
    bm.save_model(bm.load_model(saved), tmp_path / "loaded.keras")
    assert (tmp_path / "loaded.keras").read_bytes() == saved.read_bytes()


def test_the_manifest_names_the_mask(saved, small_mask):
    manifest, members = read_zip(saved)
    assert manifest["masks"] == {"pathways": small_mask.digest}
    assert manifest["schema"] == model_storage.SCHEMA
    assert members.keys() == {"config.json", "metadata.json", WEIGHTS}


def test_it_is_an_ordinary_keras_file(saved, trained, small_data):
    x = small_data[0].to_numpy()
    np.testing.assert_array_equal(keras.saving.load_model(saved)(x), trained(x))


def test_other_models_with_the_layer_are_kept_too(tmp_path):
    mask = bm.Mask.from_dense([[1, 0], [-2, 1]], weighted=True)
    model = keras.Sequential(
        [
            keras.Input((2,)),
            MaskedDense(mask, signed=True, kernel_regularizer="l1", kernel_constraint="max_norm"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1, kernel_initializer=keras.initializers.HeNormal(seed=1)),
        ]
    )
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    model.compile(keras.optimizers.SGD(schedule), keras.losses.Huber(), [keras.metrics.AUC()])
    bm.save_model(model, tmp_path / "m.keras")
    loaded = bm.load_model(tmp_path / "m.keras")
    x = np.float32([[1, 2], [3, -4]])
    np.testing.assert_array_equal(loaded(x), model(x))
    assert loaded.layers[0].mask.digest == mask.digest


def test_operations_constants_and_quantised_layers_are_kept_too(tmp_path, small_mask, small_data):
    x = small_data[0].to_numpy()
    genes = keras.Input((x.shape[1],))
    hidden = MaskedDense(small_mask, "tanh")(genes)
    both = keras.ops.concatenate([hidden[:, :2] * np.float32([2, 3]), hidden + 1], axis=-1)
    quantised = keras.layers.Dense(3)
    model = keras.Model(genes, quantised(both))
    quantised.quantize("int8")
    bm.save_model(model, tmp_path / "m.keras")
    np.testing.assert_array_equal(bm.load_model(tmp_path / "m.keras")(x), model(x))


def test_saving_leaves_no_trace(trained, tmp_path):
    """The file is loaded once to see that it can be; weights drawn later are the same."""
    before, policy = random.getstate(), keras.config.dtype_policy()
    bm.save_model(trained, tmp_path / "m.keras")
    assert random.getstate() == before
    assert keras.config.dtype_policy() == policy


def test_a_million_edges_are_saved_and_loaded(tmp_path):
    rng = np.random.default_rng(0)
    cols = np.repeat(np.arange(1000), 1000)
    rows = (rng.integers(0, 20, 1_000_000) + 20 * np.tile(np.arange(1000), 1000)).astype(np.int32)
    from scipy import sparse

    matrix = sparse.coo_array((np.ones(1_000_000, np.float32), (rows, cols)), shape=(20_000, 1000))
    mask = bm.Mask(matrix, [f"g{i}" for i in range(20_000)], [f"p{i}" for i in range(1000)])
    assert mask.n_edges == 1_000_000
    model = bm.build_model(mask, seed=0)
    bm.save_model(model, tmp_path / "m.keras")
    loaded = bm.load_model(tmp_path / "m.keras").get_layer("pathways")
    assert loaded.mask.digest == mask.digest
    np.testing.assert_array_equal(loaded.edges, model.get_layer("pathways").edges)


def test_a_model_whose_weights_lie_where_hdf5_files_may_begin(forged):
    """At 512, 1024, 2048, ... bytes: the file is still a zip, and none of HDF5."""
    raw = forged(note="").read_bytes()
    start = raw.index(b"\x89HDF")
    path = forged(note="x" * (2 ** start.bit_length() - start))
    assert path.read_bytes().index(b"\x89HDF") == 2 ** start.bit_length()
    assert bm.load_model(path).get_weights()


# ------------------------------------------------------------------ damage


def test_swapped_members_are_refused(saved, tmp_path):
    path = tmp_path / "swapped.keras"
    swap = {"config.json": "metadata.json", "metadata.json": "config.json"}
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            target.writestr(swap.get(name, name), source.read(name))
    _refused(path, "config.json", "E-SHA256")


def test_members_that_are_missing_or_extra(forged, saved, tmp_path):
    _refused(forged({"model.weights.npz": b"x"}), "this file .*npz", "E-UNSAFE")
    manifest, members = read_zip(saved)
    del members[WEIGHTS]
    write_zip(tmp_path / "less.keras", members, manifest)
    _refused(tmp_path / "less.keras", "a model holds", "E-UNSAFE")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000], ids=len)
def test_a_damaged_config_is_refused(forged, content):
    _refused(forged({"config.json": content}), "model", "E-MODEL-FILE")


def test_a_config_nested_too_deeply_is_refused(forged):
    depth = sys.getrecursionlimit() - 200
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    _refused(forged({"config.json": deep}), "nested too deeply|damaged|rebuild")


# ------------------------------------------------------------------ writing fails


def test_only_keras_is_a_name_for_a_model(trained, tmp_path):
    for name in ("m.h5", "m.hdf5", "m", "m.keras.zip"):
        with pytest.raises(bm.StorageError, match=r"ends in \.keras") as caught:
            bm.save_model(trained, tmp_path / name)
        assert caught.value.code == "E-SUFFIX"
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ code of the user's own


def squared(true, predicted):
    return keras.ops.mean(keras.ops.square(keras.ops.cast(true, predicted.dtype) - predicted), -1)


@keras.saving.register_keras_serializable("mine")
class Registered(keras.losses.Loss):
    def call(self, true, predicted):
        return squared(true, predicted)


class Slower(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.1 / (1.0 + keras.ops.cast(step, "float32"))

    def get_config(self):
        return {}


class Small(keras.regularizers.Regularizer):
    def __call__(self, x):
        return keras.ops.sum(x)

    def get_config(self):
        return {}


class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2 * x


class Subclassed(keras.Model):
    def __init__(self, mask):
        super().__init__()
        self.pathways, self.head = MaskedDense(mask), keras.layers.Dense(1)

    def call(self, x):
        return self.head(self.pathways(x))


def relu(x):
    """Not what Keras, which knows it by this name, would put in its place."""
    return 0.5 * x


def compiled(optimizer="adam", loss="mse", metrics=()):
    def make(mask):
        model = bm.build_model(mask, seed=0)
        model.compile(optimizer, loss, metrics=list(metrics))
        return model

    return make


def stacked(layer):
    return lambda mask: keras.Sequential([keras.Input((mask.shape[0],)), MaskedDense(mask), layer])


def subclassed(mask):
    model = Subclassed(mask)
    model(np.zeros((1, mask.shape[0]), np.float32))
    return model


Dense = functools.partial(keras.layers.Dense, 1, name="head")
OWN_CODE = {
    "loss": (compiled(loss=squared), r"squared \(biomask\.loss\)"),
    "registered loss": (compiled(loss=Registered()), "Registered"),
    "lambda as loss": (compiled(loss=lambda true, predicted: squared(true, predicted)), "lambda"),
    "partial loss": (compiled(loss=functools.partial(squared)), "squared"),
    "metric": (compiled(metrics=[squared]), r"squared \(biomask\.metrics\)"),
    "schedule": (compiled(keras.optimizers.Adam(Slower())), r"Slower \(.*learning_rate\)"),
    "layer": (stacked(Doubled(name="twice")), r"Doubled \(.*\.twice\)"),
    "Lambda": (stacked(keras.layers.Lambda(lambda x: x, name="same")), r"Lambda \(.*same\)"),
    "regularizer": (stacked(Dense(kernel_regularizer=Small())), r"Small \(.*head\.kernel_reg"),
    "lambda": (stacked(Dense(activation=lambda x: x)), r"lambda> \(head\.activation\)"),
    "activation called as Keras'": (stacked(Dense(activation=relu)), r"relu \(head\.activation\)"),
    "subclass": (subclassed, "Subclassed"),
}


@pytest.mark.parametrize("kind", OWN_CODE)
def test_what_load_model_would_refuse_is_not_saved(small_mask, tmp_path, kind):
    """It is named, and a good file of that name stays."""
    make, named = OWN_CODE[kind]
    path = tmp_path / "m.keras"
    path.write_bytes(b"a good file")
    with pytest.raises(bm.ModelError, match=named) as caught:
        bm.save_model(make(small_mask), path)
    assert (caught.value.code, caught.value.file) == ("E-OWN-CODE", str(path))
    assert path.read_bytes() == b"a good file"
