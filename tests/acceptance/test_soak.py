"""Acceptance: many studies in one process leave no file, thread or compiled network behind."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path

from small_problem import CALL, problem

import biomask as bm
from biomask.inference import block_trainer


def handles() -> list[str]:
    """What every open file handle of this process points to."""
    found = [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return sorted(str(path.readlink()) for path in found if path.exists())


def study(k: int, tmp_path, **changes) -> bm.Study:
    """One with a checkpoint, saved and loaded."""
    mask, X, y = problem()
    call = {**CALL, "checkpoint": tmp_path / f"blocks{k}", "permutations": 1, "random_state": k}
    bm.crossfit(mask, X, y, **{**call, **changes}).save(tmp_path / f"{k}")
    return bm.load_study(tmp_path / f"{k}")


def test_ten_studies_leave_no_file_open_and_no_thread(tmp_path):
    """After the first, which starts TensorFlow's threads, ten more change neither."""
    study(0, tmp_path)
    before, threads = handles(), threading.active_count()
    for k in range(1, 11):
        study(k, tmp_path)
    assert handles() == before
    assert threading.active_count() == threads


def test_compiled_networks_of_earlier_studies_are_freed(tmp_path, monkeypatch):
    """Of six masks, the networks of the last two are kept for the next call, and no others."""
    made = []

    class Counted(block_trainer.BlockTrainer):
        def __init__(self, *args):
            super().__init__(*args)
            made.append(weakref.ref(self.model))

    monkeypatch.setattr("biomask.inference.blocks.BlockTrainer", Counted)
    mask, X, y = problem()
    for k in range(6):
        bm.crossfit(mask.rewire(k), X, y, **{**CALL, "permutations": 1, "epochs": 1})
    gc.collect()
    alive = [model() is not None for model in made]
    assert alive == [False] * 4 + [True] * 2
