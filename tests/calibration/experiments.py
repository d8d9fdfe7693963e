"""One data set of every calibration experiment, through the real engine, as rows of a table.

Every function takes the number of the data set first and returns a DataFrame with a row for each
tested pathway (or edge, or network comparison). `collect` runs many and puts them together.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import stats

import biomask as bm
from biomask.inference.simulated_masks import decoy_mask, hub_mask


class Design(NamedTuple):
    """How a data set is tested; the rest are the defaults of `crossfit`."""

    n: int = 100
    folds: int = 2
    seeds: int = 1
    permutations: int = 19


def collect(function: Callable, sets: int, n_jobs: int = 2, first: int = 0, **arguments):
    """Rows of many data sets, with the column ``set``.

    Parameters
    ----------
    function : callable
        Takes the number of the data set, and `arguments`.
    sets : int
    n_jobs : int
        Processes. The results do not depend on it.
    first : int
        Number of the first data set.
    """
    jobs = (delayed(_one)(function, first + k, arguments) for k in range(sets))
    tables = Parallel(n_jobs=n_jobs, batch_size=1)(jobs)
    return pd.concat(tables, ignore_index=True)


def _one(function: Callable, number: int, arguments: dict) -> pd.DataFrame:
    for kind in ("INTRAOP", "INTEROP"):  # before TensorFlow loads: one thread in each process
        os.environ[f"TF_NUM_{kind}_THREADS"] = "1"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    return function(number, **arguments).assign(set=number)


def fit(mask, X, y, design: Design, number: int, **more) -> bm.Study:
    """`crossfit` with a design."""
    return bm.crossfit(
        mask,
        X,
        y,
        folds=design.folds,
        seeds=design.seeds,
        permutations=design.permutations,
        random_state=number,
        progress=False,
        **more,
    )


# ------------------------------------------------------------------------------- masks


@functools.cache
def hubs(largest: int = 100, n_pathways: int = 20) -> bm.Mask:
    """Pathways of 5 to `largest` genes, some genes in many of them."""
    sizes = np.geomspace(5, largest, n_pathways).round().astype(int)
    return hub_mask(sizes, n_genes=4 * largest, hubness=1.5)


@functools.cache
def disjoint(n_pathways: int = 20, size: int = 20, n_genes: int = 2000) -> bm.Mask:
    """Pathways that share no gene, and genes in no pathway."""
    sets = {f"P{p}": [f"g{p * size + k}" for k in range(size)] for p in range(n_pathways)}
    return bm.Mask.from_sets(sets, genes=[f"g{k}" for k in range(max(n_genes, n_pathways * size))])


@functools.cache
def decoys(jaccard_index: float, n_decoys: int = 3) -> bm.Mask:
    return decoy_mask(jaccard_index=jaccard_index, n_decoys=n_decoys)


def _degree(mask: bm.Mask) -> np.ndarray:
    """Mean number of pathways of the genes of each pathway."""
    member = mask.to_scipy() != 0
    return (member.T @ mask.degrees().to_numpy()) / np.maximum(mask.sizes().to_numpy(), 1)


# ------------------------------------------------------------------------------- null


def null_set(number: int, *, largest: int = 100, n_pathways: int = 20, design: Design):
    """N0, N1: the outcome depends on nothing."""
    mask = hubs(largest, n_pathways)
    sim = bm.simulate(mask, design.n, random_state=number)
    table = fit(mask, sim.X, sim.y, design, number).pathways
    columns = ["size", "effect", "null_mean", "p", "p_fwer"]
    return table[columns].rename_axis("pathway").reset_index().assign(degree=_degree(mask))


def batch_set(number: int, *, stratified: bool, design: Design):
    """N2: the outcome and the expression depend on the batch, and on nothing else together."""
    mask = hubs()
    sim = bm.simulate(mask, design.n, n_batches=2, batch_effect=2.0, random_state=number)
    study = fit(mask, sim.X, sim.y, design, number, strata=sim.batch if stratified else None)
    return study.pathways[["p", "p_fwer"]].rename_axis("pathway").reset_index()


def subject_set(number: int, *, cells: int, whole: bool, design: Design):
    """N3: 8 subjects, each with its own expression and one label, which are unrelated."""
    mask = hubs()
    sim = bm.simulate(mask, 8 * cells, n_subjects=8, random_state=number)
    study = fit(mask, sim.X, sim.y, design, number, groups=sim.groups if whole else None)
    return study.pathways[["p", "p_fwer"]].rename_axis("pathway").reset_index()


def three_against_three() -> bm.Study:
    """N4."""
    sim = bm.simulate(hubs(), 6, random_state=0)
    return fit(hubs(), sim.X, sim.y, Design(permutations=99), 0)


# ------------------------------------------------------------------------------- alternative


def planted_set(
    number: int, *, effect: float, active: int = 1, permuted_genes: bool = False, design: Design
):
    """A1; with `permuted_genes` A3: the columns of X get each other's names."""
    mask = disjoint()
    names = list(mask.pathways[:active])
    sim = bm.simulate(mask, design.n, active=names, effect=effect, random_state=number)
    X = sim.X
    if permuted_genes:
        order = np.random.default_rng(number).permutation(X.shape[1])
        X = X.set_axis(X.columns[order], axis=1)
    study = fit(mask, X, sim.y, design, number)
    return pd.DataFrame(
        {
            "pathway": mask.pathways,
            "active": sim.truth["active"].to_numpy(),
            "effect": study.pathways["effect"].to_numpy(),
            "p": study.pathways["p"].to_numpy(),
            "p_fwer": study.pathways["p_fwer"].to_numpy(),
            "accuracy": study.scores["accuracy"].mean(),
            "auc": study.scores["auc"].mean(),
        }
    )


def decoy_set(number: int, *, jaccard_index: float, effect: float, design: Design):
    """A2: p of the network's effect, of its weight under the same permutations, of a t-test."""
    mask = decoys(jaccard_index)
    sim = bm.simulate(mask, design.n, active=["planted"], effect=effect, random_state=number)
    with tempfile.TemporaryDirectory() as folder:
        study = fit(mask, sim.X, sim.y, design, number, checkpoint=folder)
        weight_p = _weight_p(Path(folder), study, mask)
    member = (mask.to_scipy() != 0).astype(float)
    means = sim.X.to_numpy() @ member.toarray() / mask.sizes().to_numpy()
    case = sim.y.to_numpy() == 1
    return pd.DataFrame(
        {
            "pathway": mask.pathways,
            "kind": mask.pathways.str.replace(r"_\d+$", "", regex=True),
            "effect": study.pathways["effect"].to_numpy(),
            "p": study.pathways["p"].to_numpy(),
            "p_weight": weight_p,
            "p_marginal": stats.ttest_ind(means[case], means[~case]).pvalue,
        }
    )


def _weight_p(folder: Path, study: bm.Study, mask: bm.Mask) -> np.ndarray:
    """p of |head weight|, the mean over folds and seeds, by the same permutations.

    The head's columns are in the order of the names, which is how the engine works inside.
    """
    from biomask.inference.blocks import read_arrays

    settings = study.settings
    heads = [
        read_arrays(path)["head"][..., 0] for path in sorted(folder.glob("fold??_labels?????.zip"))
    ]
    shape = (len(heads), settings["permutations"] + 1, settings["seeds"], -1)
    weight = np.abs(np.stack(heads)).reshape(shape).mean(axis=(0, 2))
    weight = pd.DataFrame(weight, columns=sorted(mask.pathways))[mask.pathways].to_numpy()
    return (1 + (weight[1:] >= weight[0]).sum(axis=0)) / len(weight)


def identical_set(number: int, *, effect: float, design: Design):
    """A4: two pathways with the same genes."""
    mask = decoys(1.0, 1)
    sim = bm.simulate(mask, design.n, active=["planted"], effect=effect, random_state=number)
    table = fit(mask, sim.X, sim.y, design, number).pathways
    return table[["effect", "p", "not_separable"]].rename_axis("pathway").reset_index()


def edge_set(number: int, *, effect: float, gene_correlation: float = 0.0, design: Design):
    """E1: two active pathways of four, each with 3 of its 10 genes planted."""
    mask = disjoint(4, 10, 40)
    planted = pd.DataFrame(
        [(f"g{p * 10 + k}", f"P{p}", 1 if k % 2 else -1) for p in range(2) for k in range(3)],
        columns=["gene", "pathway", "sign"],
    )
    sim = bm.simulate(
        mask,
        design.n,
        active=["P0", "P1"],
        effect=effect,
        edges=planted,
        gene_correlation=gene_correlation,
        random_state=number,
    )
    edges = fit(mask, sim.X, sim.y, design, number).edges
    truth = sim.edges.rename(columns={"sign": "true_sign"})
    return edges.merge(truth, on=["gene", "pathway"])


def annotation_set(
    number: int, *, true: bool, rewired: int, gene_correlation: float = 0.0, design: Design, **more
):
    """M1: the mask that made the data, or a random one of the same shape."""
    mask = disjoint(20, 10, 200)
    sim = bm.simulate(
        mask,
        design.n,
        active=["P0", "P1"],
        effect=3.0,
        gene_correlation=gene_correlation,
        random_state=number,
    )
    used = mask if true else mask.rewire(10_000_019 + number)
    table = bm.compare_models(
        used,
        sim.X,
        sim.y,
        folds=design.folds,
        seeds=design.seeds,
        rewired=rewired,
        random_state=number,
        progress=False,
        **more,
    )
    return pd.DataFrame({"p": [table.attrs["p_annotation"]]})
