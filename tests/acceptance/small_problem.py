"""A small problem and the call of its study, shared by the tests here and by processes they start.

Every call with this mask and these settings trains the same compiled networks.
"""

from __future__ import annotations

import pandas as pd

import biomask as bm

CALL = {
    "folds": 2,
    "seeds": 2,
    "permutations": 3,
    "epochs": 2,
    "batch_size": 16,
    "random_state": 1,
    "progress": False,
}
SETS = {f"p{k}": [f"g{(3 * k + j) % 14}" for j in range(4)] for k in range(5)}


def problem() -> tuple[bm.Mask, pd.DataFrame, pd.Series]:
    """14 genes, 5 pathways of 4; 40 samples, whose class follows p1."""
    mask = bm.Mask.from_sets(SETS)
    sim = bm.simulate(mask, n_samples=40, active=["p1"], effect=3.0, random_state=0)
    names = [f"s{i}" for i in range(len(sim.y))]
    return mask, sim.X.set_axis(names), sim.y.set_axis(names)


def other_mask(mask: bm.Mask) -> bm.Mask:
    """The same names and as many edges, elsewhere."""
    return bm.Mask.from_dense(mask.to_dense().to_numpy()[::-1], mask.genes, mask.pathways)
