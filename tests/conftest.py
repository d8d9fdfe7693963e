"""What every test shares: a quiet, reproducible TensorFlow on two threads, and tiny fixtures.

Nothing here imports TensorFlow, so that the tests of the rooms without it stay quick.
"""

from __future__ import annotations

import os
import random
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # these four are read when TensorFlow loads
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "2")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import pandas as pd
import pytest

import biomask as bm


@pytest.fixture(autouse=True)
def seeds():
    """Every test starts from the same random state, in whatever order they run."""
    random.seed(0)
    np.random.seed(0)
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)


@pytest.fixture(scope="session")
def small_mask():
    """8 genes, 5 pathways, 10 edges; p3 is empty, g5 is in no pathway, p0 has one gene."""
    edges = {
        "p0": ["g0"],
        "p1": ["g0", "g1", "g2"],
        "p2": ["g2", "g3"],
        "p3": [],
        "p4": ["g1", "g4", "g6", "g7"],
    }
    return bm.Mask.from_sets(edges, genes=[f"g{i}" for i in range(8)])


@pytest.fixture(scope="session")
def small_data(small_mask):
    """48 samples; y follows g0 and g2. Returns (X: DataFrame float32, y: int array)."""
    rng = np.random.default_rng(7)
    values = rng.normal(size=(48, len(small_mask.genes))).astype(np.float32)
    X = pd.DataFrame(values, columns=small_mask.genes, index=[f"s{i}" for i in range(48)])
    return X, (values[:, 0] + values[:, 2] > 0).astype(np.int64)


@pytest.fixture(scope="session")
def study_of():
    """A real study of every kind, by name: see `real_studies.KINDS`."""
    import real_studies

    return real_studies.study_of
