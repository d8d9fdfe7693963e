"""Seconds that the explorer takes to open, and for each thing one can do in it.

    python -m benchmarks.explorer

Writes results/explorer.csv. 20,000 genes x 2,000 pathways, 500 samples, 199 permutations. Opening
is a process of its own: start, `import biomask`, reading the saved study, all widgets, first
pictures. Measured is the kernel's side; the browser draws a page of ten rows.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

import biomask as bm
from benchmarks.inputs import make_mask
from benchmarks.timing import write_results

N_GENES, N_PATHWAYS, N_SAMPLES, PERMUTATIONS = 20_000, 2_000, 500, 199
FOLDS, SEEDS, REPEATS = 5, 5, 5
OPEN = """
import sys, time
import biomask as bm
study = bm.load_study(sys.argv[1])
read = time.time()
bm.explore(study)
print(read, "tensorflow" in sys.modules)
"""


def made_study(mask: bm.Mask) -> bm.Study:
    """A study over `mask` whose numbers are random; nothing is trained."""
    rng, n = np.random.default_rng(0), mask.shape[1]
    samples = pd.Index([f"s{i}" for i in range(N_SAMPLES)])
    each = rng.normal(size=(FOLDS * SEEDS, n))
    rank = pd.Series(-each.mean(axis=0)).rank().to_numpy()
    numbers = {name: rng.random(n) for name in ("p", "p_fwer", "q")}
    numbers |= {"null_mean": 0.0, "null_low": -0.1, "null_high": 0.1}
    numbers |= {"rank_low": rank, "rank_median": rank, "rank_high": rank, "direction": 0.1}
    pathways = pd.DataFrame(
        {"size": mask.sizes().to_numpy(), "effect": each.mean(axis=0), **numbers},
        index=mask.pathways,
    ).assign(selected=rank <= 40, not_separable=pd.array([pd.NA] * n, "Int64"))
    edges = mask.to_edges()[["gene", "pathway"]]
    edges = edges[edges["pathway"].isin(pathways.index[rank <= 40])].reset_index(drop=True)
    tested = {"effect": rng.normal(size=len(edges)), "p": 0.01, "q": 0.1, "sign": 1}
    fold, seed = np.divmod(np.arange(len(each)), SEEDS)
    labels = np.where(rng.random(N_SAMPLES) < 0.5, "a", "b")
    settings = {
        "task": "binary", "classes": ["a", "b"], "samples": N_SAMPLES, "genes": mask.shape[0],
        "folds": FOLDS, "seeds": SEEDS, "permutations": PERMUTATIONS, "subjects": None,
        "strata": None, "biomask": bm.__version__, "attainable": "",
    }  # fmt: skip
    return bm.Study(
        mask,
        pathways,
        edges.assign(**tested, sign_agreement=1.0),
        pd.DataFrame({"fold": fold, "seed": seed, "auc": 0.8}),
        pd.Series({"seeds": 0.5, "folds": 0.5, "top": 10.0}, name="stability"),
        pd.DataFrame(rng.normal(size=(PERMUTATIONS, n)), columns=mask.pathways),
        pd.DataFrame({"y": labels, "fold": np.arange(N_SAMPLES) % FOLDS}, samples),
        pd.DataFrame(rng.normal(size=(N_SAMPLES, n)), samples, mask.pathways),
        settings,
        [],
        pd.DataFrame(each, columns=mask.pathways),
    )


def opening(path: Path) -> dict[str, float]:
    """From the start of a process; and the part of it after the study is read."""
    start = time.time()
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True, check=True
    )
    read, tensorflow = done.stdout.split()
    if tensorflow == "True":
        raise RuntimeError("opening a study loaded TensorFlow")
    return {"open a saved study": time.time() - start, "of it, explore": time.time() - float(read)}


def actions(study: bm.Study) -> dict[str, float]:
    """Each action as its widget starts it."""
    explorer, mask = bm.explore(study), study.mask
    gene, names = mask.genes[7], study.top(40).index

    def turn(k: int) -> None:
        explorer._table._on.click()

    doing = {
        "type a gene": lambda k: setattr(explorer._gene, "value", gene[: len(gene) - k % 2]),
        "type a name": lambda k: setattr(explorer._text, "value", f"p{k}"),
        "move the limit": lambda k: setattr(explorer._limit, "index", k),
        "move the seed": lambda k: setattr(explorer._seed, "index", k % (SEEDS + 1)),
        "sort": lambda k: explorer._table._heads[k % 2].click(),
        "turn the page": turn,
        "choose a pathway": lambda k: explorer.choose(names[k]),
        "explore(mask)": lambda k: bm.explore(mask),
    }
    return {name: _median(do, explorer) for name, do in doing.items()}


def _median(do, explorer) -> float:
    times = []
    for k in range(REPEATS):
        start = time.perf_counter()
        do(k)
        times.append(time.perf_counter() - start)
    explorer._gene.value = explorer._text.value = ""
    explorer._limit.value = "all"
    return float(np.median(times))


def main() -> None:
    study = made_study(make_mask(N_GENES, N_PATHWAYS))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.biomask"
        study.save(path)
        first = [opening(path) for _ in range(3)]
    seconds = {name: float(np.median([run[name] for run in first])) for name in first[0]}
    seconds |= actions(study)
    table = pd.DataFrame({"action": list(seconds), "seconds": list(seconds.values())})
    print(table.round(3).to_string(index=False))
    write_results("explorer", table)


if __name__ == "__main__":
    main()
