"""ACCEPTANCE, row 55: files made to run code, to reach outside, or to fill the memory.

The payloads write a canary; it must not be there afterwards. Every forged file has right digests,
so that it is its content that is refused.
"""

from __future__ import annotations

import base64
import io
import json
import pickle
import re
import struct
import sys
import zipfile
from pathlib import Path

import anndata
import h5py
import keras
import numpy as np
import pandas as pd
import pytest

import biomask as bm
from biomask import hdf5
from biomask.masks.backed import read_data
from biomask.storage import read_zip, unzip, write_zip

ARCHIVE = Path(__file__).parents[1] / "data" / "0.1.0"
FILES = {"study": ARCHIVE / "study.biomask", "model": ARCHIVE / "model.keras"}
LOAD = {"study": bm.load_study, "model": bm.load_model}
WEIGHTS = "model.weights.h5"


@pytest.fixture
def canary(tmp_path):
    path = tmp_path / "canary"
    yield path
    assert not path.exists()


@pytest.fixture
def forge(tmp_path):
    """Write a file like the archived one, its manifest in order, but for what is changed."""

    def write(kind, changed=(), **manifest_changes):
        path = tmp_path / f"forged{FILES[kind].suffix}"
        manifest, members = read_zip(FILES[kind])
        write_zip(path, {**members, **dict(changed)}, {**manifest, **manifest_changes})
        return path

    return write


def refused(kind, path, match, code=None):
    with pytest.raises(bm.StorageError, match=match) as caught:
        LOAD[kind](path)
    assert caught.value.file == str(path)
    assert code in (None, caught.value.code)


class Payload:
    """Unpickled, it writes the canary."""

    def __init__(self, target):
        self.target = str(target)

    def __reduce__(self):
        return open, (self.target, "w")


# ------------------------------------------------------------------------ classes


def with_layer(layer):
    """The configuration with its dropout layer replaced by `layer`."""
    config = json.loads(read_zip(FILES["model"])[1]["config.json"])
    for i, node in enumerate(config["config"]["layers"]):
        if node["class_name"] == "Dropout":
            config["config"]["layers"][i] = {**node, **layer}
    return {"config.json": json.dumps(config).encode()}


def lambda_layer(canary):
    target = str(canary)
    return keras.layers.Lambda(lambda x: (open(target, "w").close(), x)[1])


def inside(layer, **config):
    return {"module": "keras.layers", "class_name": layer, "registered_name": None, **config}


def flaws(canary):
    """A layer for each flaw of Keras that a configuration could use, aimed at the canary."""
    lambda_config = keras.saving.serialize_keras_object(lambda_layer(canary))
    torch = base64.b64encode(pickle.dumps(Payload(canary))).decode()
    return {
        "CVE-2025-1550": {
            "module": "builtins", "class_name": "function", "registered_name": "exec",
            "config": f"open({str(canary)!r}, 'w')",
        },
        "CVE-2025-8747": {
            "module": "keras.utils", "class_name": "get_file", "registered_name": None,
            "config": {"fname": "canary", "origin": "file:///etc/hostname"},
        },
        "CVE-2025-9906": {
            "module": "keras.config", "class_name": "enable_unsafe_deserialization",
            "registered_name": None, "config": {},
        },
        "CVE-2025-49655": inside("TorchModuleWrapper", config={"module": torch}),
        "CVE-2026-1462": inside("TFSMLayer", config={"filepath": str(canary.parent)}),
        "CVE-2026-12481": inside("TimeDistributed", config={"layer": lambda_config}),
    }  # fmt: skip


@pytest.mark.parametrize("flaw", list(flaws(Path("canary"))))
def test_row_55_a_file_for_each_flaw_of_kerass_configurations(forge, canary, flaw):
    """Refused by the name of what it asks for."""
    path = forge("model", with_layer(flaws(canary)[flaw]))
    refused("model", path, "is not a class that biomask loads.*Do not trust", "E-UNSAFE")


def test_row_55_a_lambda_layer_is_refused_and_does_not_run(canary, forge, tmp_path):
    """CVE-2026-12481 and older; the payload is a live one, as Keras shows without its guard."""
    keras.Sequential([keras.Input((2,)), lambda_layer(canary)]).save(tmp_path / "lambda.keras")
    canary.unlink()  # building ran it
    path = forge("model", unzip(tmp_path / "lambda.keras"))
    refused("model", path, r"keras\.layers\.Lambda", "E-UNSAFE")
    assert not canary.exists()
    keras.saving.load_model(tmp_path / "lambda.keras", safe_mode=False)
    canary.unlink()


@pytest.mark.parametrize("name", ["lambda.h5", "lambda.keras"])
def test_row_55_an_hdf5_model_is_refused_under_any_name(canary, tmp_path, name):
    """CVE-2025-9905: in such files Keras' safe mode did nothing."""
    keras.Sequential([keras.Input((2,)), lambda_layer(canary)]).save(tmp_path / "lambda.h5")
    canary.unlink()
    (tmp_path / "lambda.h5").rename(tmp_path / name)
    refused("model", tmp_path / name, r"HDF5.*can hold code.*biomask\.save_model", "E-HDF5")


@keras.saving.register_keras_serializable("foreign")
class Foreign(keras.layers.Layer):
    """A layer that somebody registered in this process."""

    def __init__(self, target=None, **kwargs):
        super().__init__(**kwargs)
        open(target, "w").close()


@pytest.mark.parametrize(
    ("module", "name", "registered"),
    [
        ("os", "system", None),
        ("os", "system", "biomask>MaskedDense"),
        ("os", "__class__", None),
        ("subprocess", "Popen", "biomask>MaskedDense_"),
        ("test_row_55_hostile_files", "Foreign", "foreign>Foreign"),
        ("biomask.networks.layers", "Foreign", "foreign>Foreign"),
        ("biomask.storage", "write_zip", "biomask>write_zip"),
        ("keras.layers", "Dense", "foreign>Foreign"),
        ("keras.layers", "Lambda", None),
        ("keras.layers", "TFSMLayer", None),
        ("keras.layers", "TorchModuleWrapper", None),
        ("keras.layers", "StringLookup", None),
        ("keras.layers", "TextVectorization", None),
        ("keras.layers", "__class__", None),
        ("keras.src.layers.core.lambda_layer", "Lambda", None),
        ("keras.models", "load_model", None),
        ("builtins", "function", "eval"),
        (None, "__lambda__", None),
        (None, "MaskedDense", None),
        ("keras.layers", ["Dense"], None),
    ],
)
def test_row_55_only_harmless_keras_classes_and_our_own_are_loaded(
    forge, canary, module, name, registered
):
    """Whatever else a configuration asks for is refused."""
    config = {"target": str(canary), "name": "pathways_dropout"}
    layer = {"module": module, "class_name": name, "registered_name": registered, "config": config}
    path = forge("model", with_layer(layer))
    refused("model", path, "which is not a class that biomask loads", "E-UNSAFE")


def test_row_55_a_function_as_activation_is_refused(forge, canary):
    """Not only layers are looked at."""
    function = {"module": "builtins", "class_name": "function", "config": "exec"}
    layer = {"config": {"name": "d", "activation": function, "rate": 0.5}}
    refused("model", forge("model", with_layer(layer)), r"builtins\.function", "E-UNSAFE")


def test_row_55_the_forger_of_these_tests_writes_loadable_files(forge):
    """Otherwise every refusal might be for another reason."""
    content = change_weights(lambda group: None)
    loaded = bm.load_model(forge("model", {WEIGHTS: content, **with_layer({})}))
    original = bm.load_model(FILES["model"])
    np.testing.assert_array_equal(loaded.get_weights()[0], original.get_weights()[0])
    assert bm.load_study(forge("study")).mask == original.get_layer("pathways").mask


# ------------------------------------------------------------------------ pickles


@pytest.mark.parametrize(
    ("kind", "member"),
    [
        ("model", WEIGHTS),
        ("model", "config.json"),
        ("model", "metadata.json"),
        ("study", "null.npy"),
        ("study", "pathways.json"),
        ("study", "mask.json"),
    ],
)
def test_row_55_a_pickle_as_member_is_never_opened(forge, canary, kind, member):
    """Neither as it is, nor as the objects of a NumPy array."""
    content = pickle.dumps(Payload(canary))
    if member.endswith(".npy"):
        buffer = io.BytesIO()
        np.save(buffer, np.array([Payload(canary)], dtype=object), allow_pickle=True)
        content = buffer.getvalue()
        np.load(io.BytesIO(content), allow_pickle=True)[0].close()
    else:
        pickle.loads(content).close()
    canary.unlink()  # so the payload is a live one
    refused(kind, forge(kind, {member: content}), "damaged|rebuild")


@pytest.mark.parametrize("kind", LOAD)
def test_row_55_a_pickle_as_the_whole_file_is_never_opened(tmp_path, canary, kind):
    """Not a zip: refused."""
    path = tmp_path / "pickled"
    path.write_bytes(pickle.dumps(Payload(canary)))
    refused(kind, path, "truncated or damaged", "E-TRUNCATED")


# ------------------------------------------------------------------------ outside


@pytest.mark.parametrize(
    "name", ["../escaped", "/tmp/escaped", "a/../../escaped", "C:/escaped", "..\\escaped"]
)
@pytest.mark.parametrize("kind", LOAD)
def test_row_55_members_outside_the_file_are_refused(forge, tmp_path, kind, name):
    """Nothing is written anywhere."""
    refused(kind, forge(kind, {name: b"x"}), "points outside the file", "E-UNSAFE")
    assert not list(tmp_path.parent.rglob("escaped"))
    assert not Path("/tmp/escaped").exists()


@pytest.mark.parametrize("kind", LOAD)
def test_row_55_a_symlink_as_member_is_refused(tmp_path, kind):
    """Nothing is read through it."""
    path, members = tmp_path / FILES[kind].name, unzip(FILES[kind])
    with zipfile.ZipFile(path, "w") as target:
        for i, name in enumerate(members):
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if i == 1 else 0o100644) << 16
            target.writestr(info, b"/etc/passwd" if i == 1 else members[name])
    refused(kind, path, "points outside the file", "E-UNSAFE")


def change_weights(change) -> bytes:
    """The archived model's weights after `change`, which gets those of the masked layer."""
    buffer = io.BytesIO(read_zip(FILES["model"])[1][WEIGHTS])
    with h5py.File(buffer, "a") as store:
        change(store["layers/masked_dense/vars"])
    return buffer.getvalue()


def virtual(group, secret):
    layout = h5py.VirtualLayout((10,), "f4")
    layout[:] = h5py.VirtualSource(secret, "x", (10,))
    group.create_virtual_dataset("0", layout)


REACHING = {
    "CVE-2026-1669 external data": lambda g, secret: g.create_dataset(
        "0", (10,), "f4", external=[(secret, 0, 40)]
    ),
    "external link": lambda g, secret: g.__setitem__("0", h5py.ExternalLink(secret, "/x")),
    "virtual": virtual,
    "soft link": lambda g, _: g.__setitem__("0", h5py.SoftLink("/layers/dense/vars/0")),
}


@pytest.mark.parametrize("reach", REACHING)
def test_row_55_weights_that_reach_outside_are_refused(forge, tmp_path, reach):
    """A file beside holds what they point at; it is not read."""
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as store:
        store["x"] = np.arange(10, dtype="f4")

    def change(group):
        del group["0"]
        REACHING[reach](group, str(secret))

    path = forge("model", {WEIGHTS: change_weights(change)})
    refused("model", path, "points to another file.*Do not trust", "E-UNSAFE")


# ------------------------------------------------------------------------ HDF5 that never ends


def never_ending(content: bytes) -> bytes:
    """The free space in every global heap said to be 0 bytes: HDF5 steps over it for ever."""
    raw, heap = bytearray(content), -1
    while (heap := raw.find(b"GCOL", heap + 1)) >= 0:
        place = heap + 16
        while struct.unpack_from("<H", raw, place)[0]:
            place += 16 + -(-struct.unpack_from("<Q", raw, place + 8)[0] // 8) * 8
        struct.pack_into("<Q", raw, place + 8, 0)
    assert raw != content
    return bytes(raw)


@pytest.fixture
def h5ad(tmp_path):
    """A file with a matrix in varm, and names in uns."""
    data = anndata.AnnData(np.ones((2, 3), np.float32), var=pd.DataFrame(index=list("abc")))
    data.varm["mask"], data.uns["mask"] = np.eye(3), list("xyz")
    data.write_h5ad(tmp_path / "data.h5ad")
    return tmp_path / "data.h5ad"


def test_row_55_an_h5ad_file_that_hdf5_reads_for_ever(h5ad, monkeypatch):
    """Given up after a time that grows with the file."""
    assert bm.read_varm(h5ad, "mask").n_edges == 3
    monkeypatch.setattr(hdf5, "SECONDS", 2)
    h5ad.write_bytes(never_ending(h5ad.read_bytes()))
    told = "has not read it after 2 seconds.*download or write it again"
    with pytest.raises(bm.ReadError, match=told) as caught:
        bm.read_varm(h5ad, "mask")
    assert (caught.value.file, caught.value.code) == (str(h5ad), "E-HDF5-FAILS")


def test_row_55_data_on_disk_that_hdf5_reads_for_ever(h5ad, monkeypatch):
    """Their names are in such a heap."""
    assert read_data(h5ad, pd.Index(list("abc"))).shape == (2, 3)
    monkeypatch.setattr(hdf5, "SECONDS", 2)
    h5ad.write_bytes(never_ending(h5ad.read_bytes()))
    with pytest.raises(bm.StorageError, match="has not read it after 2 seconds") as caught:
        read_data(h5ad, pd.Index(list("abc")))
    assert (caught.value.file, caught.value.code) == (str(h5ad), "E-HDF5-FAILS")


def test_row_55_data_on_disk_whose_tree_of_chunks_has_no_end(tmp_path):
    """The root of the tree is its own child, which no stack is deep enough for."""
    path, genes = tmp_path / "data.h5ad", [f"g{i}" for i in range(20)]
    data = anndata.AnnData(np.ones((20, 20), np.float32), var=pd.DataFrame(index=genes))
    data.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        del file["X"]
        file.create_dataset("X", data=data.X, chunks=(1, 1)).attrs.update(
            {"encoding-type": "array", "encoding-version": "0.2.0"}
        )
    assert read_data(path, pd.Index(genes)).shape == (20, 20)
    raw = bytearray(path.read_bytes())
    trees = [found.start() for found in re.finditer(rb"TREE\x01", raw)]  # of chunks
    (root,) = (place for place in trees if raw[place + 5])  # the only one that is no leaf
    first_child = root + 24 + (4 + 4 + 8 * 3)  # behind the head of the node, and a key
    struct.pack_into("<Q", raw, first_child, root)
    path.write_bytes(raw)
    with pytest.raises(bm.StorageError, match="crashes on it: status -11") as caught:
        read_data(path, pd.Index(genes))
    assert (caught.value.file, caught.value.code) == (str(path), "E-HDF5-FAILS")


def test_row_55_data_on_disk_that_link_to_other_files(h5ad, tmp_path):
    """The values would be those of the other file."""
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["X"] = np.ones((2, 3))
    with h5py.File(h5ad, "r+") as file:
        del file["X"]
        file["X"] = h5py.ExternalLink(tmp_path / "secret.h5", "X")
    with pytest.raises(bm.StorageError, match="links to other files") as caught:
        read_data(h5ad, pd.Index(list("abc")))
    assert (caught.value.file, caught.value.code) == (str(h5ad), "E-LINK")


def test_row_55_weights_that_hdf5_reads_for_ever(forge, monkeypatch):
    """The type of a weight, which Keras looks for, is in such a heap."""
    content = change_weights(lambda group: group["0"].attrs.update(dtype="float32"))
    assert bm.load_model(forge("model", {WEIGHTS: content})).get_weights()
    monkeypatch.setattr(hdf5, "SECONDS", 2)
    path = forge("model", {WEIGHTS: never_ending(content)})
    refused("model", path, "has not read it after 2 seconds", "E-HDF5-FAILS")


def test_row_55_a_file_on_which_hdf5_crashes(h5ad, tmp_path, monkeypatch):
    """Played by a process that kills itself; ours goes on."""
    crash = tmp_path / "python"
    crash.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crash.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(crash))
    with pytest.raises(bm.ReadError, match="crashes on it: status -11") as caught:
        bm.read_varm(h5ad, "mask")
    assert (caught.value.file, caught.value.code) == (str(h5ad), "E-HDF5-FAILS")


def test_row_55_text_that_a_file_holds_once_and_names_often(h5ad):
    """8,000 references to 10,000 characters: 80 MB of 170 kB."""
    with h5py.File(h5ad, "r+") as file:
        del file["uns/mask"]
        names = file.create_dataset("uns/mask", (8000,), h5py.string_dtype())
        names[0], names[1] = "x" * 10_000, "y"
        place = names.id.get_offset()
    raw = bytearray(h5ad.read_bytes())
    raw[place : place + 16 * 8000] = raw[place : place + 16] * 8000
    h5ad.write_bytes(raw)
    with pytest.raises(bm.ReadError, match="would unpack to 80") as caught:
        bm.read_varm(h5ad, "mask")
    assert (caught.value.file, caught.value.code) == (str(h5ad), "E-BOMB")


# ------------------------------------------------------------------------ bombs


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda g: g.create_dataset("0", (10**12,), "f4", chunks=(1000,)), "claims 4000000000000"),
        (
            lambda g: [g.create_dataset(x, (4000,), "f4") for x in "09"],
            r"claims 16000 .*, 32\d+ with",
        ),
        (lambda g: g.__setitem__("0", g["1"]), "under two names"),
        (lambda g: g.__setitem__("0", g.file), "under two names|damaged"),
    ],
    ids=["CVE-2026-0897 shape", "together", "twice", "cycle"],
)
def test_row_55_weights_larger_than_their_file_are_refused(forge, make, told):
    """Before anything is allocated."""

    def change(group):
        del group["0"]
        make(group)

    refused("model", forge("model", {WEIGHTS: change_weights(change)}), told)


def npy_of_a_terabyte() -> bytes:
    buffer = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 6)}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("member", "content"),
    [
        ("null.npy", npy_of_a_terabyte()),
        ("scores.json", b"[" * 100_000),
        ("scores.json", b'{"a":' * 990 + b"1" + b"}" * 990),
        (
            "predictions.json",
            b'{"index": {"name": null, "dtype": "int8", "values": [1e999]}, "columns": []}',
        ),
        ("mask.json", b'{"genes": [], "pathways": [], "n_edges": 1000000000000}'),
        ("pathways.json", b"[]"),
        ("edges.json", b"{}"),
        ("stability.json", b"null"),
    ],
    ids=["terabyte", "deep list", "deep dict", "overflow", "edges", "list", "empty", "null"],
)
def test_row_55_a_study_of_nonsense_is_refused(forge, member, content):
    """Whatever NumPy and pandas raise, the user reads which file is damaged and what to do."""
    path = forge("study", {member: content})
    refused("study", path, "study inside is damaged.*Restore it from a copy", "E-STUDY-FILE")


@pytest.mark.parametrize("settings", [None, [], "x"])
def test_row_55_a_study_without_settings_is_refused(forge, settings):
    """The manifest too may be nonsense."""
    refused("study", forge("study", settings=settings), "damaged", "E-STUDY-FILE")


@pytest.mark.parametrize("kind", LOAD)
def test_row_55_a_zip_bomb_is_refused(tmp_path, kind):
    """80 MB in 80 kB."""
    path = tmp_path / FILES[kind].name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("biomask.json", bytes(80 << 20))
    refused(kind, path, "would unpack to 83886080", "E-BOMB")
