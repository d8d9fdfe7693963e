"""A million SNPs -> 20,000 genes -> 300 pathways -> outcome, genotypes on disk: GenNet's case.

    python -m benchmarks.genome

Writes results/genome.csv. 2,000 people's dosages 0, 1, 2 are int8 in a Zarr store (1 GB) in a
temporary folder. One gene of 50 SNPs explains a part of the liability to a disease. A process each:
an epoch of `fit`, and a cross-fit whose effects of genes should find that one.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from benchmarks.streaming import measured, peak_mb
from benchmarks.timing import write_results

PEOPLE, SNPS, GENES, PATHWAYS = 2_000, 1_000_000, 20_000, 300
PLANTED, EXPLAINED = 777, 0.5  # the gene, and its share of the variance of the liability
BATCH, ROWS = 32, 50  # people of a training step, and of a chunk of the store
CALL = {"folds": 2, "seeds": 1, "permutations": 5, "epochs": 1, "learning_rate": 0.01}


def names(letter: str, n: int) -> list[str]:
    return [f"{letter}{k:07d}" for k in range(n)]


def hierarchy():
    """Neighbouring SNPs make a gene; every gene is in one pathway, some in two."""
    import biomask as bm

    snp, gene = np.arange(SNPS), np.arange(GENES)
    to_gene = sparse.csc_array((np.ones(SNPS, np.float32), (snp, snp * GENES // SNPS)))
    rng = np.random.default_rng(0)
    second = rng.choice(GENES, GENES // 3, replace=False)
    ends = np.concatenate([gene, second]), np.concatenate([gene, second * 7 + 1]) % PATHWAYS
    to_pathway = sparse.csc_array((np.ones(len(ends[0]), np.float32), ends))
    to_pathway.data[:] = 1
    labels = names("rs", SNPS), names("gene", GENES), names("path", PATHWAYS)
    return bm.Hierarchy(
        [bm.Mask(to_gene, *labels[:2]), bm.Mask(to_pathway, *labels[1:])], residual=False
    )


def write_store(path: Path) -> None:
    """Dosages of common variants, and who fell ill, in an AnnData store."""
    import zarr
    from anndata.io import write_elem

    rng = np.random.default_rng(1)
    frequency = rng.uniform(0.05, 0.5, SNPS)
    limit = np.round(256 * frequency).astype(np.uint8)
    group = zarr.open_group(path, mode="w")
    X = group.create_array("X", shape=(PEOPLE, SNPS), chunks=(ROWS, SNPS // 10), dtype="int8")
    mine = slice(PLANTED * SNPS // GENES, (PLANTED + 1) * SNPS // GENES)
    scores = []
    for i in range(0, PEOPLE, ROWS):
        copies = rng.integers(0, 256, (2, ROWS, SNPS), dtype=np.uint8) < limit
        X[i : i + ROWS] = copies.sum(axis=0, dtype=np.int8)
        scores.append(copies[..., mine].sum(axis=(0, 2)))
    score = np.concatenate(scores).astype(float)
    score = (score - score.mean()) / score.std()
    noise = rng.standard_normal(PEOPLE)
    liability = np.sqrt(EXPLAINED) * score + np.sqrt(1 - EXPLAINED) * noise
    y = (liability > 0).astype(int)
    write_elem(group, "obs", pd.DataFrame({"y": y}, index=names("person", PEOPLE)))
    write_elem(group, "var", pd.DataFrame(index=names("rs", SNPS)))


def fit_epoch(path: str) -> dict:
    """An epoch of `fit` over everybody."""
    import biomask as bm

    hier, y = hierarchy(), _outcome(path)
    model = bm.build_model(hier, seed=0)
    dataset = bm.stream(path, hier, y, batch_size=BATCH)
    start = time.perf_counter()
    model.fit(dataset, epochs=1, shuffle=False, verbose=0)
    return _row("fit, one epoch", start)


def crossfit_genes(path: str) -> dict:
    """Six networks in every fold, and where the planted gene ended up among all."""
    import biomask as bm

    hier, y = hierarchy(), _outcome(path)
    start = time.perf_counter()
    study = bm.crossfit(hier, path, y, batch_size=BATCH, progress=False, **CALL)
    table = study.pathways
    genes = table[table["level"] == 0].sort_values("effect", ascending=False)
    planted = f"gene{PLANTED:07d}"
    found = {
        "rank_of_planted": genes.index.get_loc(planted) + 1,
        "p_of_planted": float(genes.loc[planted, "p"]),
        "p_fwer_of_planted": float(genes.loc[planted, "p_fwer"]),
        "auc": float(study.scores["auc"].mean()),
    }
    return {**_row("crossfit, 12 networks of one epoch", start), **found}


def _outcome(path: str) -> pd.Series:
    import zarr
    from anndata.io import read_elem

    return read_elem(zarr.open_group(path, mode="r")["obs"])["y"]


def _row(what: str, start: float) -> dict:
    return {"what": what, "seconds": time.perf_counter() - start, "peak_mb": peak_mb()}


PARTS: dict[str, Callable[[str], dict]] = {"fit": fit_epoch, "crossfit": crossfit_genes}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "genotypes.zarr"
        write_store(path)
        rows = [measured("genome", part, path) for part in PARTS]
    write_results("genome", pd.DataFrame(rows))


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(PARTS[sys.argv[1]](sys.argv[2])))
    else:
        main()
