"""Four pathways, data for them, and an `align` that leaves none out and lets no warning pass."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

import biomask as bm

SETS = {"P1": ["A", "B", "C"], "P2": ["C", "D"], "P3": ["E"], "P4": ["A", "F", "G", "H"]}


def frame(genes, n=4, seed=0):
    """Positive, neither whole nor equal in total, so that nothing is worth a warning."""
    values = np.random.default_rng(seed).uniform(2.5, 9, (n, len(genes)))
    return pd.DataFrame(values, index=[f"s{i}" for i in range(n)], columns=list(genes))


def align(mask, data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error", bm.BiomaskWarning)
        return bm.align(mask, data, **{"min_genes": 1, "max_genes": None, **options})
