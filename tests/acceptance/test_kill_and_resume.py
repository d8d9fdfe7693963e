"""Acceptance, rows 47 and 48: work that is killed goes on, and never with another mask or data."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from small_problem import CALL, other_mask, problem

import biomask as bm

HERE = Path(__file__).parent


def killed(work: str, folder: Path) -> tuple[dict, list[dict], dict]:
    """(the uninterrupted life, those that were killed, the last one)."""
    command = [sys.executable, str(HERE / "killed.py"), work, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    whole, *lives, last = json.loads(done.stdout.splitlines()[-1])
    assert whole["code"] == last["code"] == 0, done.stderr[-3000:]
    assert {life["code"] for life in lives} == {-signal.SIGKILL}
    return whole, lives, last


def test_row_47_a_study_killed_twenty_times_is_the_uninterrupted_one(tmp_path):
    """SIGKILL at 20 random moments, from the first epoch to the last edge: the same bytes."""
    whole, lives, last = killed("crossfit", tmp_path)
    assert len(lives) == 20
    moments = {life["said"] for life in lives}
    assert moments >= {"_epoch", "writestr", "edge_block"}  # training, writing, and after it
    assert moments & {"fsync", "replace"}  # a file that was written, and not yet in its place
    finished = [life["blocks"] for life in lives]
    assert finished == sorted(finished)  # none is lost again
    assert len(set(finished)) >= 6  # spread over the work
    assert last["blocks"] == whole["blocks"] == 8
    assert int(last["said"]) < int(whole["said"])  # the last had less to do
    paths = [tmp_path / name / "result" for name in ("whole", "killed")]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert not list(tmp_path.glob("killed/blocks/.*"))  # what was cut while it was written


def test_row_47_a_fit_killed_at_random_batches_loses_at_most_one_epoch(tmp_path):
    """keras.callbacks.BackupAndRestore and SIGKILL: the uninterrupted model, byte for byte.

    So with shuffle=False. The order in which `fit` shuffles begins anew in every process, and is
    in no backup; nor are X and y, so that it is `crossfit` alone that refuses other data. Keras
    writes its backup in two files, neither atomically: killed in that moment, it may repeat an
    epoch, or need double_checkpoint=True.
    """
    whole, lives, last = killed("fit", tmp_path)
    assert whole["epochs"] == [str(epoch) for epoch in range(8)]
    begun = [int(epoch) for epoch in last["epochs"]]
    lengths = [len(life["epochs"]) for life in lives]  # each holds those of the lives before
    for before in lengths:
        assert begun[before] == begun[before - 1]  # the epoch that was cut, and none before it
    assert begun[-1] == 7
    assert len(begun) == 8 + len(lives)
    models = [tmp_path / name / "result.keras" for name in ("whole", "killed")]
    assert models[0].read_bytes() == models[1].read_bytes()


# ------------------------------------------------------------------------ 48


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A finished study's checkpoint."""
    folder = tmp_path_factory.mktemp("checkpoint")
    bm.crossfit(*problem(), **CALL, checkpoint=folder)
    return folder


CHANGES = {
    "mask": lambda mask, X, y: (other_mask(mask), X, y),
    "data": lambda mask, X, y: (mask, X + 1, y),
    "labels": lambda mask, X, y: (mask, X, 1 - y),
}


@pytest.mark.parametrize("what", CHANGES)
def test_row_48_a_study_is_not_resumed_with_another(what, begun):
    """Another mask with as many edges, other data, other labels: refused, with both digests."""
    mask, X, y = problem()
    changed = CHANGES[what](mask, X, y)
    assert changed[0].n_edges == mask.n_edges
    with pytest.raises(bm.StorageError, match="the checkpoint belongs to another study") as caught:
        bm.crossfit(*changed, **CALL, checkpoint=begun)
    assert caught.value.code == "E-CHECKPOINT"
    kept = json.loads((begun / "study.json").read_text())[what]
    assert f"{what}: {kept!r} there, " in str(caught.value)
    assert len(kept) == 64
    assert "Use another folder" in caught.value.hint


def test_row_48_a_backup_of_another_mask_is_refused(tmp_path):
    """fit with BackupAndRestore: weights of a mask with as many edges do not fit into another."""
    mask, X, y = problem()
    backup = keras.callbacks.BackupAndRestore(tmp_path / "b", delete_checkpoint=False)
    how = {"epochs": 1, "verbose": 0, "callbacks": [backup]}
    bm.build_model(mask, seed=0).fit(X[mask.genes].to_numpy(), y.to_numpy(), **how)
    other = other_mask(mask)
    model = bm.build_model(other, seed=0)
    edges = model.get_layer("pathways").edges
    with pytest.raises(ValueError, match="these weights belong to another mask") as caught:
        model.fit(X[mask.genes].to_numpy(), y.to_numpy(), **how)
    for digest in (mask.digest, other.digest):
        assert digest[:12] in str(caught.value)
    np.testing.assert_array_equal(model.get_layer("pathways").edges, edges)
    again = {**how, "epochs": 2}
    bm.build_model(mask, seed=0).fit(X[mask.genes].to_numpy(), y.to_numpy(), **again)  # its own
