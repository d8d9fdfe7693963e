"""ACCEPTANCE, "Saving/loading": rows 51 to 58 but for the hostile files of row 55."""

from __future__ import annotations

import contextlib
import errno
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl

mpl.use("Agg")

import h5py
import keras
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from small_problem import other_mask

import biomask as bm
from biomask.inference import study as studies
from biomask.networks import storage as models
from biomask.storage import read_zip, unzip, write_zip
from biomask.views import figures, report_figures

ARCHIVE = Path(__file__).parents[1] / "data"
RELEASES = sorted(path.name for path in ARCHIVE.iterdir() if path.is_dir())
LOAD = {".biomask": bm.load_study, ".keras": bm.load_model}
STUDY, MODEL = (ARCHIVE / RELEASES[-1] / name for name in ("study.biomask", "model.keras"))
WEIGHTS = "model.weights.h5"


@pytest.fixture(scope="module")
def study():
    return bm.load_study(STUDY)


@pytest.fixture(scope="module")
def trained(small_mask, small_data):
    X, y = small_data
    model = bm.build_model(small_mask, seed=1)
    model.fit(X.to_numpy(), y, epochs=1, verbose=0)
    return model


@pytest.fixture(scope="module")
def writers(study, trained):
    """By kind: the name of the file, and what writes it to a path."""
    fig, table = plt.figure(figsize=(1, 1)), study.pathways

    def figure(path):
        bm.save_figure(fig, path.stem, table, folder=path.parent)

    def page(path):  # without the figures: drawing takes longer than writing
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(report_figures, "_svg", lambda ax: (b"<svg/>", 1.0))
            bm.report(study, path)
        plt.close("all")

    return {
        "study": ("a.biomask", study.save),
        "model": ("a.keras", lambda path: bm.save_model(trained, path)),
        "figure": ("a.png", figure),
        "report": ("a.html", page),
        "gmt": ("a.gmt.gz", lambda path: bm.write_gmt(study.mask, path)),
        "edges": ("a.csv", lambda path: bm.write_edges(study.mask, path)),
        "csv": ("a.csv", lambda path: bm.save_table(table, path)),
        "xlsx": ("a.xlsx", lambda path: bm.save_table(table, path)),
    }


KINDS = ("study", "model", "figure", "report", "gmt", "edges", "csv", "xlsx")
ALONE = tuple(kind for kind in KINDS if kind != "figure")  # one file each


def refused(load, path, match, code=None):
    with pytest.raises(bm.StorageError, match=match) as caught:
        load(path)
    assert caught.value.file == str(path)
    assert code in (None, caught.value.code)


# ------------------------------------------------------------------------ 51: failures


@contextlib.contextmanager
def full_disk(size: int):
    """No file of this process grows beyond `size` bytes: the kernel itself refuses the rest."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def fail_at(patch, step: str, n: int) -> None:
    """The n-th call of this step finds no space."""
    home, name = {
        "mkstemp": (__import__("tempfile"), "mkstemp"),
        "fsync": (os, "fsync"),
        "chmod": (Path, "chmod"),
        "replace": (os, "replace"),
    }[step]
    real, calls = getattr(home, name), []

    def full(*args, **kwargs):
        calls.append(name)
        if len(calls) == n:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args, **kwargs)

    patch.setattr(home, name, full)


def old_set(folder: Path, writers, kind: str) -> dict[str, bytes]:
    """Files of these names, with other content."""
    name, write = writers[kind]
    write(folder / name)
    for path in folder.iterdir():
        path.write_bytes(b"the old file")
    return contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
@pytest.mark.parametrize("kind", KINDS)
def test_row_51_a_full_disk_leaves_the_old_file_and_no_temporary(writers, tmp_path, kind, share):
    """Disk full, refused by the kernel at this share of the file."""
    name, write = writers[kind]
    write(tmp_path / name)
    size = max(map(len, contents(tmp_path).values()))
    old = old_set(tmp_path, writers, kind)
    with full_disk(int(share * size)), pytest.raises(bm.StorageError, match="space") as caught:
        write(tmp_path / name)
    assert contents(tmp_path) == old
    assert caught.value.code == "E-WRITE"
    assert Path(caught.value.file).stem == Path(name).stem
    write(tmp_path / name)
    assert contents(tmp_path)[name] != b"the old file"


@pytest.mark.parametrize("step", ["mkstemp", "fsync", "chmod", "replace"])
@pytest.mark.parametrize("kind", ALONE)
def test_row_51_a_failure_at_any_step_leaves_the_old_file(writers, tmp_path, kind, step):
    """Whatever call fails: the old file untouched, the temporary removed, a clear error."""
    name, write = writers[kind]
    old = old_set(tmp_path, writers, kind)
    with pytest.MonkeyPatch.context() as patch:
        fail_at(patch, step, 1)
        with pytest.raises(bm.StorageError, match=r"No space left.*is untouched") as caught:
            write(tmp_path / name)
    assert contents(tmp_path) == old
    assert (caught.value.code, caught.value.file) == ("E-WRITE", str(tmp_path / name))


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("step", ["mkstemp", "fsync", "chmod", "replace"])
def test_row_51_a_figure_is_three_files_each_old_or_new(writers, tmp_path, step, n):
    """The n-th of three fails: no temporary, and no file that is neither the old nor the new."""
    name, write = writers["figure"]
    write(tmp_path / name)
    new = contents(tmp_path)
    old = old_set(tmp_path, writers, "figure")
    with pytest.MonkeyPatch.context() as patch:
        fail_at(patch, step, n)
        with pytest.raises(bm.StorageError, match="No space left"):
            write(tmp_path / name)
    found = contents(tmp_path)
    assert found.keys() == old.keys()
    assert all(found[name] in (old[name], new[name]) for name in found)
    assert n > 1 or found == old


@pytest.mark.parametrize("n", range(1, 6))
def test_row_51_a_checkpoint_goes_on_after_a_full_disk(small_mask, small_data, tmp_path, n):
    """The n-th file of a cross-fit cannot be written: nothing half, and the next call goes on."""
    mask = small_mask.filter(min_genes=1)
    call = {"folds": 2, "seeds": 1, "permutations": 3, "epochs": 1, "progress": False}
    folder = tmp_path / "blocks"
    with pytest.MonkeyPatch.context() as patch:
        fail_at(patch, "replace", n)
        with pytest.raises(bm.StorageError, match="No space left"):
            bm.crossfit(mask, *small_data, checkpoint=folder, **call)
    assert len(contents(folder)) == n - 1
    bm.crossfit(mask, *small_data, checkpoint=folder, **call).save(tmp_path / "resumed")
    bm.crossfit(mask, *small_data, **call).save(tmp_path / "whole")
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "whole").read_bytes()
    assert len(contents(folder)) == 5  # study.json, and two files for either fold


def test_row_51_loading_says_that_the_temporary_folder_is_full(tmp_path):
    """A model is copied before Keras opens it; that too can find no space."""
    with full_disk(1000):
        refused(bm.load_model, MODEL, "temporary folder.*space", "E-READ")


# ------------------------------------------------------------------------ 52: damaged files


@pytest.mark.parametrize("path", [STUDY, MODEL], ids=lambda path: path.name)
def test_row_52_a_flipped_byte_in_each_kb_is_refused_or_harmless(tmp_path, path):
    """Flipped: refused; only fields of the zip itself, such as a date, change without effect."""
    whole, members = path.read_bytes(), unzip(path)
    flipped = tmp_path / path.name
    places = range(100, len(whole), 500)
    n_refused = 0
    for place in places:
        flipped.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        try:
            LOAD[path.suffix](flipped)
        except bm.StorageError as error:
            n_refused += error.file == str(flipped)
        else:
            assert unzip(flipped) == members
    assert n_refused >= 0.9 * len(places)


def test_row_52_a_flipped_bit_in_the_directory_of_the_zip_is_refused_or_harmless(tmp_path):
    """Each byte of the central directory, and each bit of its end: never another exception."""
    whole, members = STUDY.read_bytes(), unzip(STUDY)
    flipped = tmp_path / STUDY.name
    start, end = whole.index(b"PK\x01\x02"), len(whole) - 22
    bits = [(place, place % 8) for place in range(start, end)]
    bits += [(place, bit) for place in range(end, len(whole)) for bit in range(8)]
    for place, bit in bits:
        changed = bytearray(whole)
        changed[place] ^= 1 << bit
        flipped.write_bytes(changed)
        with contextlib.suppress(bm.StorageError):
            assert read_zip(flipped)[1] == read_zip(STUDY)[1], (place, bit)
            assert unzip(flipped) == members


@pytest.mark.parametrize(
    ("path", "member"),
    [(path, member) for path in (STUDY, MODEL) for member in read_zip(path)[1]],
    ids=lambda value: getattr(value, "name", value),
)
def test_row_52_a_changed_member_is_named(tmp_path, path, member):
    """The zip's own checksums are right, so that only the sha256 can tell."""
    changed = tmp_path / path.name
    with zipfile.ZipFile(changed, "w") as target:
        for name, content in unzip(path).items():
            altered = bytearray(content)
            if name == member:
                altered[len(altered) // 2] ^= 4
            target.writestr(name, bytes(altered))
    refused(LOAD[path.suffix], changed, rf"'{member}' is not what was written: sha256", "E-SHA256")


@pytest.mark.parametrize("tenth", range(10))
@pytest.mark.parametrize("path", [STUDY, MODEL], ids=lambda path: path.name)
def test_row_52_a_truncated_file_is_refused(tmp_path, path, tenth):
    """Cut at every tenth: the size found is told."""
    whole = path.read_bytes()
    cut = tmp_path / path.name
    cut.write_bytes(whole[: tenth * len(whole) // 10])
    told = rf"truncated or damaged \({cut.stat().st_size} bytes\).*again"
    refused(LOAD[path.suffix], cut, told, "E-TRUNCATED")


def test_row_52_files_of_another_kind_are_named(tmp_path, trained):
    """Wrong type: what the file is, and which function reads it."""
    for name, content in (("text", b"a,b\n"), ("empty", b""), ("png", b"\x89PNG\r\n")):
        (tmp_path / name).write_bytes(content)
        refused(bm.load_study, tmp_path / name, "truncated or damaged")
        refused(bm.load_model, tmp_path / name, "truncated or damaged")
    refused(bm.load_study, MODEL, "is a biomask model, not a biomask study.*load_study", "E-KIND")
    refused(bm.load_model, STUDY, "is a biomask study, not a biomask model.*load_model", "E-KIND")
    trained.save(tmp_path / "plain.keras")
    refused(bm.load_model, tmp_path / "plain.keras", "biomask did not write this", "E-MANIFEST")
    refused(bm.load_model, tmp_path, "a file, not a folder", "E-READ")
    refused(bm.load_study, tmp_path / "none", "no such file.*Check the name", "E-NO-FILE")


@pytest.mark.parametrize("path", [STUDY, MODEL], ids=lambda path: path.name)
def test_row_52_a_newer_schema_says_which_biomask_it_needs(tmp_path, path):
    """Newer: "needs biomask >= x", the version that wrote it; no schema at all: damaged."""
    manifest, members = read_zip(path)
    manifest |= {"schema": 2, "biomask": "9.1"}
    if "settings" in manifest:
        manifest["settings"]["biomask"] = manifest.pop("biomask")
    newer = tmp_path / path.name
    write_zip(newer, members, manifest)
    refused(LOAD[path.suffix], newer, r"schema 2.*needs biomask >= 9\.1", "E-SCHEMA")
    for schema in (None, 0, "1", True):
        write_zip(newer, members, {**manifest, "schema": schema})
        refused(LOAD[path.suffix], newer, "no biomask ever wrote", "E-SCHEMA")


def test_row_52_an_older_schema_is_read(monkeypatch):
    """Older: loads, by a biomask whose own schema is higher."""
    monkeypatch.setattr(studies, "SCHEMA", 2)
    monkeypatch.setattr(models, "SCHEMA", 2)
    assert bm.load_study(STUDY).mask == bm.load_model(MODEL).get_layer("pathways").mask


# ------------------------------------------------------------------------ 53, 54: masks stay


def test_row_53_weights_of_another_mask_with_as_many_edges_are_refused(
    trained, small_mask, tmp_path
):
    """Two masks, same shape, same number of edges: refused with both digests."""
    other = other_mask(small_mask)
    assert (other.n_edges, other.shape) == (small_mask.n_edges, small_mask.shape)
    for name, model in (("one", trained), ("other", bm.build_model(other, seed=1))):
        bm.save_model(model, tmp_path / f"{name}.keras")
        model.save_weights(tmp_path / f"{name}.weights.h5")
    manifest, members = read_zip(tmp_path / "one.keras")
    members[WEIGHTS] = read_zip(tmp_path / "other.keras")[1][WEIGHTS]
    write_zip(tmp_path / "forged.keras", members, manifest)
    with pytest.raises(bm.ModelError, match="belong to another mask") as caught:
        bm.load_model(tmp_path / "forged.keras")
    assert caught.value.code == "E-OTHER-MASK"
    assert small_mask.digest[:12] in str(caught.value)
    assert other.digest[:12] in str(caught.value)
    with pytest.raises(ValueError, match="belong to another mask"):  # Keras lists what failed
        bm.build_model(small_mask).load_weights(tmp_path / "other.weights.h5")
    with h5py.File(tmp_path / "one.weights.h5", "a") as store:
        del store["layers/masked_dense/vars/mask_sha256"]
    with pytest.raises(ValueError, match="digest none"):
        bm.build_model(small_mask).load_weights(tmp_path / "one.weights.h5")


def _new_head(model, folder):
    head = keras.layers.Dense(1)(model.get_layer("pathways").output)
    return keras.Model(model.input, head)


def _from_json(model, folder):
    return keras.models.model_from_json(model.to_json())


def _saved(model, folder):
    bm.save_model(model, folder / "m.keras")
    return bm.load_model(folder / "m.keras")


@pytest.mark.parametrize(
    "made_again",
    [
        lambda model, folder: keras.models.clone_model(model),
        lambda model, folder: type(model).from_config(model.get_config()),
        _from_json,
        _saved,
        _new_head,
    ],
    ids=["clone_model", "from_config", "json", "saved", "new head"],
)
def test_row_54_mask_and_names_survive(trained, small_mask, small_data, tmp_path, made_again):
    """Copied, then fine-tuned: digest and names equal, forbidden weights exactly 0."""
    X, y = small_data
    model = made_again(trained, tmp_path)
    model.compile("adam", "mse")
    model.fit(X.to_numpy(), y, epochs=2, verbose=0)
    layer = model.get_layer("pathways")
    assert layer.mask.digest == small_mask.digest
    assert list(layer.mask.genes) == list(small_mask.genes)
    assert list(layer.mask.pathways) == list(small_mask.pathways)
    kernel = np.asarray(layer.dense_kernel())
    assert (kernel[small_mask.to_dense().to_numpy() == 0] == 0).all()
    assert (kernel != 0).sum() == small_mask.n_edges


# ------------------------------------------------------------------------ 56: for ever


@pytest.mark.parametrize("name", ["model", "networks", "deep"])
@pytest.mark.parametrize("release", RELEASES)
def test_row_56_models_of_every_release_predict_as_they_did(release, name):
    """Another day, system or processor: within 1e-5 of what was recorded when it was saved."""
    expected = json.loads((ARCHIVE / release / "expected.json").read_text())[name]
    model = bm.load_model(ARCHIVE / release / f"{name}.keras")
    found = model.predict(np.float32(expected["X"]), verbose=0)
    np.testing.assert_allclose(found, expected["predictions"], atol=1e-5)
    assert (
        list(bm.edge_weights(model)["gene"].unique())[: len(expected["genes"])] == expected["genes"]
    )


@pytest.mark.parametrize("name", ["study", "hierarchy"])
@pytest.mark.parametrize("release", RELEASES)
def test_row_56_studies_of_every_release_say_what_they_said(release, name):
    """Effects, p and q by name, those of edges, and the digest of the mask."""
    expected = json.loads((ARCHIVE / release / "expected.json").read_text())[name]
    study = bm.load_study(ARCHIVE / release / f"{name}.biomask")
    wanted = pd.DataFrame(expected["pathways"])
    found = study.pathways[["effect", "p", "q"]]
    pd.testing.assert_frame_equal(found, wanted, check_names=False, atol=1e-5)
    np.testing.assert_allclose(study.edges[["effect", "p"]], expected["edges"], atol=1e-5)
    assert study.mask.digest == expected["mask"]
    assert study.settings["biomask"] == release


# ------------------------------------------------------------------------ 57: at once


def save_often(job: SimpleNamespace, start, value: int) -> None:
    """Save figures and studies that hold nothing but `value`."""
    figures._rendered = lambda fig, kind: bytes([65 + value]) * 100_000  # drawing takes longest
    fig, table = plt.figure(), pd.DataFrame({"value": [value] * 3})
    study = bm.load_study(STUDY).replace(notes=[str(value)] * 2)
    start.wait()
    for _ in range(job.saves):
        if job.kind == "figure":
            bm.save_figure(fig, "shared", table, folder=job.folder)
        else:
            study.save(job.folder / "shared.biomask")


def whole(path: Path) -> bool:
    """Whether one process alone wrote this file."""
    if path.suffix == ".biomask":
        return len(set(bm.load_study(path).notes)) == 1
    content = path.read_bytes()
    if path.suffix == ".csv":
        return content in [b"value\n" + b"%d\n" % value * 3 for value in range(8)]
    return content in [bytes([65 + value]) * 100_000 for value in range(8)]


@pytest.mark.parametrize(("kind", "saves"), [("figure", 25), ("study", 50)])
def test_row_57_eight_processes_save_one_file_and_every_read_is_whole(tmp_path, kind, saves):
    """Replaced in one step: no read finds a mixture, and nothing else is left."""
    context = multiprocessing.get_context("fork")
    start, job = context.Event(), SimpleNamespace(kind=kind, saves=saves, folder=tmp_path)
    workers = [context.Process(target=save_often, args=(job, start, v)) for v in range(8)]
    for worker in workers:
        worker.start()
    start.set()
    seen, names = set(), {"figure": ["csv", "pdf", "png"], "study": ["biomask"]}[kind]
    while any(worker.is_alive() for worker in workers) or not seen:
        for path in tmp_path.glob("shared.*"):
            seen.add(path.read_bytes())
            assert whole(path)
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert len(seen) > 4  # the reader did watch them replace each other
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"shared.{s}" for s in names]


@pytest.mark.parametrize("kind", ["figure", "gmt", "edges", "csv"])
def test_row_57_overwrite_false_keeps_what_is_there(study, tmp_path, kind):
    """The file exists: refused, and what to do is said."""
    write = {
        "figure": lambda: bm.save_figure(
            plt.figure(figsize=(1, 1)), "a", study.scores, folder=tmp_path, overwrite=False
        ),
        "gmt": lambda: bm.write_gmt(study.mask, tmp_path / "a.gmt", overwrite=False),
        "edges": lambda: bm.write_edges(study.mask, tmp_path / "a.tsv", overwrite=False),
        "csv": lambda: bm.save_table(study.scores, tmp_path / "a.csv", overwrite=False),
    }[kind]
    write()
    before = contents(tmp_path)
    with pytest.raises(bm.StorageError, match="overwrite=True") as caught:
        write()
    assert caught.value.code == "E-EXISTS"
    assert contents(tmp_path) == before


# ------------------------------------------------------------------------ 58: places


@contextlib.contextmanager
def read_only(folder: Path):
    """A folder that may be read and not written; nor by root, who is somebody else."""
    root = os.geteuid() == 0
    modes = {path: path.stat().st_mode for path in (folder, *folder.parents)}
    for path, mode in modes.items():
        if not mode & 0o001 and root:
            path.chmod(mode | 0o011)  # others may pass
    folder.chmod(0o555)
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for path, mode in modes.items():
            if path.stat().st_mode != mode:
                path.chmod(mode)


@pytest.mark.parametrize("kind", KINDS)
def test_row_58_a_read_only_folder_is_named(writers, tmp_path, kind):
    """Not allowed to write: which file, and why."""
    name, write = writers[kind]
    write(tmp_path / name)  # and what is imported on first use is
    before = contents(tmp_path)
    with read_only(tmp_path), pytest.raises(bm.StorageError, match="Permission denied") as caught:
        write(tmp_path / name)
    assert caught.value.code == "E-WRITE"
    assert Path(caught.value.file).stem == Path(name).stem
    assert contents(tmp_path) == before


@pytest.mark.parametrize("kind", KINDS)
def test_row_58_long_and_unicode_paths(writers, tmp_path, kind):
    """Any letters; a name of 255 bytes works, a longer one says that it is too long."""
    name, write = writers[kind]
    suffix = "".join(Path(name).suffixes)
    folder = tmp_path / "Ünï cödé 模型" / ("d" * 200) / ("e" * 200)
    folder.mkdir(parents=True)
    longest = folder / ("é" * ((255 - len(suffix)) // 2) + suffix)
    write(longest)
    assert longest.stat().st_size
    before = contents(folder)
    with pytest.raises(bm.StorageError, match="name too long"):
        write(folder / ("n" * 255 + suffix))
    with pytest.raises(bm.StorageError, match="E-WRITE"):
        write(longest / name)  # a file where a folder should be
    assert contents(folder) == before
    if longest.suffix in LOAD:
        LOAD[longest.suffix](longest)


def test_row_58_without_a_home(tmp_path):
    """No folder where HOME points, and none can be made: all is read and written the same."""
    code = """
import sys
from pathlib import Path
import matplotlib; matplotlib.use("Agg")
import matplotlib.pyplot as plt
import biomask as bm
study, model, folder = bm.load_study(sys.argv[1]), bm.load_model(sys.argv[2]), Path(sys.argv[3])
study.save(folder / "a.biomask")
bm.save_model(model, folder / "a.keras")
bm.save_figure(plt.figure(figsize=(1, 1)), "a", study.scores, folder=folder)
"""
    folder, spare, file = tmp_path / "written", tmp_path / "spare", tmp_path / "file"
    folder.mkdir(), spare.mkdir(), file.touch()
    home = str(file / "home")  # below a file: not even root can make it
    places = {"HOME": home, "TMPDIR": str(spare), "KERAS_HOME": str(spare)}
    command = [sys.executable, "-W", "ignore", "-c", code, str(STUDY), str(MODEL), str(folder)]
    done = subprocess.run(command, env={**os.environ, **places}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    suffixes = sorted(path.suffix for path in folder.iterdir())
    assert suffixes == [".biomask", ".csv", ".keras", ".pdf", ".png"]
    assert (folder / "a.biomask").read_bytes() == STUDY.read_bytes()
