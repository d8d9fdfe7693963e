"""The approaches written for comparison give biomask's numbers, and ratios are what they say."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import approaches, crossover, floor, genome, inputs, report, streaming, timing


@pytest.fixture(scope="module")
def case():
    """A mask of 60 genes and 9 pathways, 40 samples."""
    mask = inputs.make_mask(60, 9, mean=8)
    return mask, *inputs.make_data(mask, 40)


@pytest.mark.parametrize("name", inputs.KERAS)
def test_every_approach_trains_like_biomask(case, name):
    mask, X, y = case
    ours = approaches.biomask_model(mask)
    other = approaches.other_model(name, ours)
    steps = [approaches.bare_step(model, X, y) for model in (ours, other)]
    for _ in range(3):
        losses = [step() for step in steps]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    np.testing.assert_allclose(other.predict(X, verbose=0), ours.predict(X, verbose=0), atol=1e-5)


@pytest.mark.parametrize("name", inputs.KERAS)
def test_parameters_of_an_approach(case, name):
    mask, _, _ = case
    kernel = approaches.other_model(name, approaches.biomask_model(mask)).layers[1].kernel
    edges = mask.shape if name == "kernel x mask" else (mask.n_edges,)
    assert tuple(kernel.shape) == edges


@pytest.mark.skipif(not inputs.TORCH, reason="torch is not installed")
@pytest.mark.parametrize("name", inputs.TORCH)
def test_torch_trains_like_biomask(case, name):
    import torch

    from benchmarks.torch_approaches import Network

    mask, X, y = case
    ours = approaches.biomask_model(mask)
    network = Network(name, ours)
    step = approaches.bare_step(ours, X, y)
    for _ in range(3):
        assert network.train_on(*map(torch.as_tensor, (X, y))) == pytest.approx(step(), rel=1e-4)


def test_c_program_against_a_dense_product(case):
    mask, X, _ = case
    rng = np.random.default_rng(3)
    w = rng.standard_normal(mask.n_edges, dtype=np.float32)
    dy = rng.standard_normal((len(X), mask.shape[1]), dtype=np.float32)
    run = floor.c_run(mask, X, w, dy)
    if run is None:
        pytest.skip("gcc is not installed")
    rows, cols = mask.edge_index
    dense = np.zeros(mask.shape)
    dense[rows, cols] = w
    y, dw = run()
    np.testing.assert_allclose(y, X @ dense, atol=1e-4)
    np.testing.assert_allclose(dw, (X.T @ dy)[rows, cols], atol=1e-4)


@pytest.mark.parametrize("mean", [2, 30])  # drawn edge by edge, and all at once
def test_mask_has_the_sizes_that_were_drawn(mean):
    mask = inputs.make_mask(60, 200, mean=mean, spread=0.5, seed=5)
    drawn = mean * np.exp(0.5 * np.random.default_rng(5).standard_normal(200) - 0.125)
    assert mask.sizes().tolist() == np.clip(np.round(drawn), 1, 60).tolist()
    degrees = mask.degrees()
    assert degrees.max() > 2 * degrees.mean()  # some genes are popular


def test_summary_is_a_median_of_ratios_not_a_ratio_of_medians():
    times = pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": [3.0, 2.0, 8.0]})
    table = timing.summary(times, "a", calls=2)
    assert table.loc["b", "ratio"] == 2.0  # of 3, 1 and 2; the medians' ratio is 1.5
    assert table.loc["b", "ms"] == 1500.0


def test_turns_rotate_and_warm_up_is_not_timed():
    order = []
    runs = {name: (lambda name=name: order.append(name)) for name in "ab"}
    times = timing.take_turns(runs, rounds=3, warm_up=1)
    assert "".join(order) == "ab" + "ab" + "ba" + "ab"
    assert times.shape == (3, 2)


def test_report_says_what_was_reached():
    assert report._at_least("x", 2.5, 3.0)[-1] == "yes"
    assert report._at_least("x", 2.5, 2.0)[-1] == "no"
    assert report._at_most("x", 4.0, float("nan"))[-1] == "not run"


def test_auto_beside_the_fastest():
    row = {"n_genes": 9180, "n_pathways": 230, "own_input": False, "edges": 13_600, "replicates": 1}
    times = {"ms_csr": 6.0, "ms_dense": 4.0, "ms_batched": 8.0}
    found = crossover.with_auto(pd.DataFrame([row | times])).iloc[0]
    assert (found["best"], found["auto"], found["auto_over_best"]) == ("dense", "csr", 1.5)


def test_simulated_cells_and_genotypes_are_stores_that_stream(tmp_path, monkeypatch):
    import anndata as ad

    import biomask as bm

    for module, sizes in (
        (streaming, {"GENES": 60, "PATHWAYS": 9, "BATCH": 16}),
        (genome, {"PEOPLE": 40, "SNPS": 200, "GENES": 20, "PATHWAYS": 5, "ROWS": 10, "PLANTED": 3}),
    ):
        for name, value in sizes.items():
            monkeypatch.setattr(module, name, value)
    streaming.write_store(tmp_path / "cells.h5ad", 70)
    cells = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    assert (cells.shape, cells.X.format) == ((70, 60), "csr")
    assert cells.obs["y"].isin([0, 1]).all()
    assert streaming.fit_all(str(tmp_path / "cells.h5ad"))["cells"] == 70
    genome.write_store(tmp_path / "people.zarr")
    hier, y = genome.hierarchy(), genome._outcome(str(tmp_path / "people.zarr"))
    assert hier.levels["units"].tolist() == [20, 5]
    ((x, labels),) = bm.stream(tmp_path / "people.zarr", hier, y, batch_size=40, shuffle=False)
    assert set(np.unique(x)) == {0, 1, 2}
    np.testing.assert_array_equal(labels, y)
    of_gene = x.numpy()[:, 30:40].sum(axis=1)
    assert of_gene[y == 1].mean() > of_gene[y == 0].mean()
