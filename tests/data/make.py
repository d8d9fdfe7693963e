"""Write this release's files, and what they must say: python tests/data/make.py

Refuses to touch a release that is there already.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

import biomask as bm

HERE = Path(__file__).parent
SETS = {f"leaf {k}": [f"g{3 * k + j}" for j in range(4)] for k in range(4)}
SETS |= {f"branch {k}": SETS[f"leaf {2 * k}"] + SETS[f"leaf {2 * k + 1}"] for k in range(2)}
RELATIONS = pd.DataFrame(
    [(f"leaf {k}", f"branch {k // 2}") for k in range(4)], columns=["child", "parent"]
)
STUDY = {
    "folds": 2, "seeds": 2, "permutations": 39, "epochs": 20, "batch_size": 16,
    "learning_rate": 1e-2, "dropout": 0.0, "progress": False,
}  # fmt: skip


def main() -> None:
    folder = HERE / bm.__version__
    folder.mkdir()
    mask = bm.Mask.from_sets(SETS)
    hierarchy = bm.Hierarchy.from_sets(mask, RELATIONS)
    sim = bm.simulate(mask, n_samples=60, active=["leaf 1"], effect=3.0, random_state=1)
    score = sim.X[SETS["leaf 1"]].mean(axis=1).to_numpy()
    models = {
        "model": (bm.build_model(mask, seed=0), sim.y),
        "networks": (bm.build_model(mask, "regression", replicates=2, seed=0), score),
        "deep": (
            bm.build_model(hierarchy, "multiclass", n_classes=3, seed=0),
            pd.qcut(score, 3, labels=False),
        ),
    }
    expected = {}
    for name, (model, y) in models.items():
        X = sim.X[(hierarchy if name == "deep" else mask).genes]
        model.fit(X.to_numpy(), np.asarray(y), epochs=2, shuffle=False, verbose=0)
        bm.save_model(model, folder / f"{name}.keras")
        predictions = model.predict(X[:5].to_numpy(), verbose=0)
        expected[name] = {
            "genes": list(X.columns),
            "X": X[:5].to_numpy().tolist(),
            "predictions": predictions.tolist(),
        }
    for name, structure in (("study", mask), ("hierarchy", hierarchy)):
        study = bm.crossfit(structure, sim.X, sim.y, **STUDY)
        study.save(folder / f"{name}.biomask")
        expected[name] = {
            "mask": study.mask.digest,
            "pathways": study.pathways[["effect", "p", "q"]].to_dict(),
            "edges": study.edges[["effect", "p"]].to_numpy().tolist(),
        }
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
