"""Acceptance, row 49: the same seed gives the same bytes, in whatever process."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from small_problem import CALL, problem

import biomask as bm
from biomask.errors import ModelError
from biomask.inference.blocks import trainer_of

SCRIPT = Path(__file__).with_name("produced.py")
FILES = [
    "effects.csv",
    "effects.pdf",
    "effects.png",
    "model.keras",
    "report.html",
    "study.biomask",
]
RUNS = {
    "hash seed 0": {"PYTHONHASHSEED": "0"},
    "hash seed 1": {"PYTHONHASHSEED": "1", "LC_ALL": "C", "PYTHONUTF8": "0", "TZ": "Asia/Tokyo"},
    "hash seed 2": {"PYTHONHASHSEED": "2", "PYTHONWARNINGS": "error::FutureWarning"},
    "one thread": {"PYTHONHASHSEED": "0", "TF_NUM_INTRAOP_THREADS": "1"},
}
TABLES = ("pathways", "edges", "scores", "null", "predictions", "activity", "effects")


@pytest.fixture(scope="module")
def produced(tmp_path_factory):
    """Folder of every run; two at a time."""
    folders, running = {}, []
    for name, own in RUNS.items():
        folders[name] = tmp_path_factory.mktemp("run")
        threads = own.get("TF_NUM_INTRAOP_THREADS", "2")
        environment = {**os.environ, "TF_NUM_INTRAOP_THREADS": "2", "MPLBACKEND": "Agg", **own}
        environment |= {"TF_NUM_INTEROP_THREADS": threads, "OMP_NUM_THREADS": threads}
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

    In other locales and time zones too.

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


# ------------------------------------------------------------------------ what the session has set

OPTIONS = tf.config.optimizer.get_experimental_options, tf.config.optimizer.set_experimental_options
POLICY = keras.config.dtype_policy, keras.config.set_dtype_policy
SETTINGS = {  # getter, setter, value, and that of a new process
    "float16": (*POLICY, "mixed_float16", "float32"),
    "bfloat16": (*POLICY, "mixed_bfloat16", "float32"),
    "float64": (*POLICY, "float64", "float32"),
    "floatx": (keras.config.floatx, keras.config.set_floatx, "float16", "float32"),
    "epsilon": (keras.config.epsilon, keras.config.set_epsilon, 0.49, 1e-7),
    "eager": (
        tf.config.functions_run_eagerly, tf.config.run_functions_eagerly, True, False
    ),
    "no passes": (*OPTIONS, {"disable_meta_optimizer": True}, {"disable_meta_optimizer": False}),
}  # fmt: skip
ALL_TASKS = "binary", "regression", "survival", "autoencoder"


@contextlib.contextmanager
def session(name: str):
    """A setting of the session, which must be as it was made when the block ends."""
    get, put, value, default = SETTINGS[name]
    put(value)
    drawn = random.getstate(), np.random.get_state()[1].tolist()
    before = get()
    try:
        yield
        after = get()
    finally:
        put(default)
    assert after == before
    assert (random.getstate(), np.random.get_state()[1].tolist()) == drawn


def study_here(task: str, **changes) -> bm.Study:
    """A study whose networks are compiled anew: those of another session would hide this one."""
    trainer_of.cache_clear()
    mask, X, y = problem()
    if task == "survival":
        y = pd.DataFrame({"time": np.exp(-X["g3"]), "event": 1})
    y = X["g3"] if task == "regression" else y
    return bm.crossfit(mask, X, y, **CALL | {"task": task, "learning_rate": 0.01} | changes)


plain_study = functools.cache(study_here)


@pytest.mark.parametrize(
    ("setting", "task"),
    [
        *((setting, task) for setting in ("float16", "bfloat16") for task in ALL_TASKS),
        *((setting, "binary") for setting in SETTINGS if setting not in ("float16", "bfloat16")),
    ],
)
def test_row_49_settings_of_the_session_change_no_study(setting, task):
    expected = plain_study(task)
    with session(setting):
        found = study_here(task)
    for name in TABLES:
        pd.testing.assert_frame_equal(
            getattr(found, name), getattr(expected, name), check_exact=True
        )
    assert found.settings == expected.settings


def test_row_49_a_study_draws_from_no_generator_of_the_session():
    drawn = []
    for study in (False, True):
        keras.utils.set_random_seed(5)
        if study:
            study_here("binary")
        numbers = tf.random.uniform([2]), keras.random.uniform([2])
        drawn.append([*np.ravel(numbers), np.random.random(), random.random()])
    assert drawn[0] == drawn[1]


def test_row_49_a_study_that_fails_leaves_the_session_as_it_was():
    with session("bfloat16"), pytest.raises(ModelError):
        study_here("binary", learning_rate=1e30)
