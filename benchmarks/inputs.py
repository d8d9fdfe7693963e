"""Masks and data of the benchmarks."""

from __future__ import annotations

import importlib.util
from typing import NamedTuple

import numpy as np
from scipy import sparse

import biomask as bm


class Size(NamedTuple):
    """A masked layer, how it is fed, and how many samples an epoch of `fit` has."""

    n_genes: int
    n_pathways: int
    batch: int
    n_samples: int

    def __str__(self) -> str:
        return f"{self.n_genes:,} x {self.n_pathways:,}"


SIZES = {
    "seed": Size(9_180, 230, 128, 2_048),
    "middle": Size(20_000, 2_000, 128, 1_024),
    "large": Size(20_000, 10_000, 128, 512),
    "huge": Size(1_000_000, 20_000, 64, 128),
}
MEMORY_ONLY = {"wide": Size(20_000, 17_000, 256, 512)}  # a million edges, a large batch

BASE = "biomask"
DENSE = ("kernel x mask", "scatter to dense", "torch weight x mask")  # need a dense kernel
KERAS = ("kernel x mask", "scatter to dense", "tf.sparse matmul")
TORCH = tuple(
    name
    for name, package in (
        ("torch weight x mask", "torch"),
        ("torch packed edges", "torch"),
        ("kpnn2", "kpnn2"),
    )
    if importlib.util.find_spec("torch") and importlib.util.find_spec(package)
)


def approaches_at(size: Size) -> list[str]:
    """What is run at this size, biomask first: the others where a batch x edges array fits."""
    return [BASE] if size.n_genes > 100_000 else [BASE, *KERAS, *TORCH]


def free_bytes() -> int:
    """Memory that nobody occupies."""
    with open("/proc/meminfo", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("MemAvail")) * 1024


def make_mask(
    n_genes: int, n_pathways: int, *, mean: float = 60.0, spread: float = 1.0, seed: int = 0
) -> bm.Mask:
    """Pathway sizes log-normal with the given mean, genes drawn with log-normal popularity.

    Parameters
    ----------
    mean : float
        Genes of a pathway, on average; sizes are kept between 1 and n_genes.
    spread : float
        Standard deviation of the logarithm of the sizes. 0 makes all the same.
    """
    rng = np.random.default_rng(seed)
    sizes = mean * np.exp(spread * rng.standard_normal(n_pathways) - spread**2 / 2)
    sizes = np.clip(np.round(sizes), 1, n_genes).astype(np.int64)
    if sizes.sum() > 0.05 * n_genes * n_pathways:  # the rarest genes take for ever to be drawn
        matrix = sparse.csc_array(_drawn_dense(rng, sizes, n_genes))
    else:
        matrix = _drawn_sparse(rng, sizes, n_genes)
    names = [f"g{k}" for k in range(n_genes)], [f"p{k}" for k in range(n_pathways)]
    return bm.Mask(matrix, *names)


def _drawn_sparse(rng, sizes: np.ndarray, n_genes: int) -> sparse.csc_array:
    popularity = np.cumsum(np.exp(rng.standard_normal(n_genes)))
    popularity /= popularity[-1]
    edges, missing = np.empty(0, np.int64), sizes
    while missing.any():
        pathways = np.repeat(np.arange(len(sizes)), missing)
        genes = np.searchsorted(popularity, rng.random(len(pathways)))
        edges = np.union1d(edges, pathways * n_genes + np.minimum(genes, n_genes - 1))
        missing = sizes - np.bincount(edges // n_genes, minlength=len(sizes))
    index = edges % n_genes, edges // n_genes
    shape = (n_genes, len(sizes))
    return sparse.csc_array((np.ones(len(edges), np.float32), index), shape=shape)


def _drawn_dense(rng, sizes: np.ndarray, n_genes: int) -> np.ndarray:
    """The same distribution where pathways are large: exponential races, won by the popular."""
    popularity = np.exp(rng.standard_normal(n_genes))
    times = rng.exponential(size=(n_genes, len(sizes))) / popularity[:, None]
    rank = times.argsort(axis=0).argsort(axis=0)
    return (rank < sizes).astype(np.float32)


def make_data(mask: bm.Mask, n_samples: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """X float32 standard normal, (n_samples, n_genes), and y 0/1 float32, (n_samples,)."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, mask.shape[0]), dtype=np.float32)
    return X, (X[:, 0] > 0).astype(np.float32)
