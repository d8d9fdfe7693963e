"""A study, its report, a figure and a trained model, written to a folder.

    python produced.py FOLDER

test_determinism.py starts it several times and compares the files.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
from small_problem import CALL, problem

import biomask as bm


def main(folder: Path) -> None:
    mask, X, y = problem()
    study = bm.crossfit(mask, X, y, **{**CALL, "permutations": 19, "learning_rate": 0.01})
    study.save(folder / "study.biomask")
    bm.report(study, folder / "report.html")
    ax = bm.plots.plot_effects(study.pathways)
    bm.save_figure(ax.figure, "effects", study.pathways.reset_index(), folder=folder)
    keras.utils.set_random_seed(3)
    model = bm.build_model(mask, dropout=0.5, l2=1e-3, learning_rate=0.01)
    model.fit(X[mask.genes].to_numpy(), y.to_numpy(), epochs=3, batch_size=16, verbose=0)
    bm.save_model(model, folder / "model.keras")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
