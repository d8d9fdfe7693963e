"""One piece of work, started again and again, and killed each time at a random moment.

    python killed.py crossfit|fit FOLDER

test_kill_and_resume.py starts it and judges what is left.
Every life is a process of its own, forked from this one, which has imported everything and run
nothing. Moments are counted in steps of the work, not in seconds: the same ones on any machine.
Prints JSON: how the lives ended.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import zipfile
from pathlib import Path

import keras
from small_problem import CALL, problem

import biomask as bm
from biomask.inference import assembly, blocks, crossfit, training

KILLS = {"crossfit": 20, "fit": 4}
LONGEST = {"crossfit": 40, "fit": 9}  # steps of a life
BLOCKS, AFTER = 8, 20  # blocks of the study; steps of a life when they are finished


class Countdown:
    """Ends the process, by SIGKILL, at a step; says which step that was."""

    def __init__(self, steps: int | None, note: Path):
        self.left, self.note, self.done = steps, note, 0

    def __call__(self, name: str) -> None:
        self.done += 1
        if self.done == self.left:
            self.note.write_text(name)
            os.kill(os.getpid(), signal.SIGKILL)

    def before(self, owner, name: str) -> None:
        """A step is where this function is called."""
        function = vars(owner)[name]

        def counted(*args, **kwargs):
            self(name)
            return function(*args, **kwargs)

        setattr(owner, name, counted)


def crossfit_life(folder: Path, step: Countdown) -> None:
    """A study of 8 blocks with edges; steps are epochs and every piece written."""
    blocks.MAX_REPLICATES, assembly.LEVEL = 4, 1.0
    step.before(training.Networks, "_epoch")
    step.before(crossfit, "edge_block")
    step.before(zipfile.ZipFile, "writestr")
    step.before(os, "fsync")
    step.before(os, "replace")
    call = {**CALL, "permutations": 7, "checkpoint": folder / "blocks"}
    bm.crossfit(*problem(), **call).save(folder / "result")


def fit_life(folder: Path, step: Countdown) -> None:
    """8 epochs of 4 batches with dropout; a step is a batch, and every begun epoch is written."""

    class Steps(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            with (folder / "epochs").open("a") as file:
                file.write(f"{epoch}\n")

        def on_train_batch_begin(self, batch, logs=None):
            step("batch")

    mask, X, y = problem()
    model = bm.build_model(mask, dropout=0.5, l2=1e-3, learning_rate=0.01, seed=0)
    keras.utils.set_random_seed(0)
    backup = keras.callbacks.BackupAndRestore(folder / "backup")
    how = {"epochs": 8, "batch_size": 10, "shuffle": False, "verbose": 0}
    model.fit(X[mask.genes].to_numpy(), y.to_numpy(), **how, callbacks=[backup, Steps()])
    bm.save_model(model, folder / "result.keras")


LIVES = {"crossfit": crossfit_life, "fit": fit_life}


def live(work: str, folder: Path, steps: int | None) -> dict:
    """One life; how it ended, and what it left."""
    folder.mkdir(exist_ok=True)
    note = folder / "killed"
    child = os.fork()
    if not child:
        step = Countdown(steps, note)
        LIVES[work](folder, step)
        note.write_text(str(step.done))
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {
        "code": code,
        "said": note.read_text(),
        "blocks": len(list(folder.glob("blocks/fold*[0-9].zip"))),
        "epochs": (folder / "epochs").read_text().split() if work == "fit" else [],
    }


def main(work: str, folder: Path) -> None:
    draw = random.Random(1)
    lives = [live(work, folder / "whole", None)]
    for _ in range(KILLS[work]):
        longest = AFTER if lives[1:] and lives[-1]["blocks"] == BLOCKS else LONGEST[work]
        lives.append(live(work, folder / "killed", draw.randint(1, longest)))
    lives.append(live(work, folder / "killed", None))
    print(json.dumps(lives))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
