"""Whole cross-fits on real cells: seconds, and whether the answer depends on the random state.

    python -m benchmarks.studies

Writes results/studies.csv. Interferon-treated cells against controls; the first call of a process
traces its functions too, as it does for everybody.
"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
from scipy import stats

import biomask as bm
from benchmarks.timing import write_results

STATES = range(5)  # of the Reactome study


def cells_and_labels() -> tuple[pd.DataFrame, pd.Series]:
    """Kang's cells on a log scale, and 1 where they were stimulated."""
    data = bm.load_dataset("kang")
    counts = data.to_df()
    X = np.log1p(counts.div(counts.sum(axis=1), axis=0) * 10_000)
    return X, (data.obs["condition"] == "stimulated").astype(int)


def masks(X: pd.DataFrame) -> dict[str, bm.Mask]:
    """Gene sets on the measured genes; Reactome's of 10 to 300 genes, identical ones merged."""
    reactome, hallmark = (bm.load_gene_sets(name) for name in ("reactome", "hallmark"))
    measured = reactome.select(genes=reactome.genes[reactome.genes.isin(X.columns)])
    reactome = measured.merge_identical().filter(10, 300)
    return {
        "reactome": bm.align(reactome, X).mask,
        "hallmark": bm.align(hallmark, X).mask,
    }


def measured(name: str, mask: bm.Mask, X: pd.DataFrame, y: pd.Series, **call) -> dict:
    """One row: how long it took, and what came out."""
    start = time.perf_counter()
    study = bm.crossfit(mask, X, y, progress=False, **call)
    seconds = time.perf_counter() - start
    settings, table = study.settings, study.pathways.sort_values("effect", ascending=False)
    networks = settings["folds"] * settings["seeds"] * (settings["permutations"] + 1)
    return {
        "gene sets": name,
        "pathways": mask.shape[1],
        "edges": mask.n_edges,
        "networks": networks,
        "epochs, at most": settings["epochs"],
        "random_state": settings["random_state"],
        "seconds": seconds,
        "effect_by_size": stats.spearmanr(table["effect"], table["size"]).statistic,
        "interferon_in_top_5": int(
            table.index[:5].str.lower().str.contains("interferon|isg").sum()
        ),
        "top_5": "; ".join(table.index[:5]),
    }


def main() -> None:
    X, y = cells_and_labels()
    of = masks(X)
    rows = []
    for state in STATES:
        short = {"folds": 2, "seeds": 3, "permutations": 39, "epochs": 8, "random_state": state}
        rows.append(measured("reactome", of["reactome"], X, y, **short))
        print(rows[-1], flush=True)
    short = {"folds": 2, "seeds": 5, "permutations": 199, "epochs": 10}
    rows.append(measured("hallmark", of["hallmark"], X, y, **short))
    print(rows[-1], flush=True)
    rows.append(measured("hallmark", of["hallmark"], X, y))
    write_results("studies", pd.DataFrame(rows))


if __name__ == "__main__":
    main()
