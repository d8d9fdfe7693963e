"""Acceptance, row 49: the same seed gives the same bytes, in whatever process."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import biomask as bm

SCRIPT = Path(__file__).with_name("produced.py")
FILES = [
    "effects.csv",
    "effects.pdf",
    "effects.png",
    "model.keras",
    "report.html",
    "study.biomask",
]
RUNS = {"hash seed 0": ("0", "2"), "hash seed 1": ("1", "2"), "hash seed 2": ("2", "2")}
RUNS["one thread"] = ("0", "1")


@pytest.fixture(scope="module")
def produced(tmp_path_factory):
    """Folder of every run; two at a time."""
    folders, running = {}, []
    for name, (hash_seed, threads) in RUNS.items():
        folders[name] = tmp_path_factory.mktemp("run")
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "MPLBACKEND": "Agg"}
        environment |= {"TF_NUM_INTRAOP_THREADS": threads, "TF_NUM_INTEROP_THREADS": threads}
        environment["OMP_NUM_THREADS"] = threads
        command = [sys.executable, str(SCRIPT), str(folders[name])]
        running.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE))
        if len(running) == 2:
            _finish(running)
    _finish(running)
    return folders


def _finish(running: list[subprocess.Popen]) -> None:
    while running:
        process = running.pop()
        error = process.communicate()[1].decode()
        assert process.returncode == 0, error[-3000:]


@pytest.mark.parametrize("file", FILES)
def test_row_49_every_file_has_the_same_bytes_in_three_processes(file, produced):
    """Study, report, figure and model: one sha256 under three PYTHONHASHSEEDs, on the CPU.

    On a GPU sums run in no fixed order without TensorFlow's enable_op_determinism; see
    `build_model`. No GPU is tested here.
    """
    runs = [name for name in RUNS if name.startswith("hash")]
    contents = [(produced[name] / file).read_bytes() for name in runs]
    assert len({hashlib.sha256(content).hexdigest() for content in contents}) == 1
    assert len(contents) == 3


def test_row_49_nothing_else_is_written(produced):
    """Exactly these files, and no temporary ones."""
    for folder in produced.values():
        assert sorted(path.name for path in folder.iterdir()) == FILES


def test_row_49_one_thread_gives_the_numbers_of_two(produced):
    """Effects, null, predictions and weights with one thread and with two: to 1e-6; same calls."""
    folders = produced["hash seed 0"], produced["one thread"]
    a, b = (bm.load_study(folder / "study.biomask") for folder in folders)
    for name in ("effect", "p", "q", "direction"):
        np.testing.assert_allclose(a.pathways[name], b.pathways[name], atol=1e-6)
    assert (a.pathways["q"] < 0.05).equals(b.pathways["q"] < 0.05)
    np.testing.assert_allclose(a.null, b.null, atol=1e-6)
    np.testing.assert_allclose(a.predictions["prediction"], b.predictions["prediction"], atol=1e-6)
    a, b = (bm.load_model(folder / "model.keras").get_weights() for folder in folders)
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
