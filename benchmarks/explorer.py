"""Seconds that the explorer takes to open, and for each thing one can do in it.

    python -m benchmarks.explorer

Writes results/explorer.csv, seconds of the clock and of the processor: on a busy machine only the
second says what a quiet one would take. 20,000 genes x 2,000 pathways, 500 samples, 199
permutations. Opening is what one waits for in a new kernel, a process of its own: `import biomask`,
reading the saved study, all widgets, first pictures. Measured is the kernel's side; the browser
draws a page of ten rows.
"""

from __future__ import annotations

import json
import os
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
import json, sys, time
start, used = time.perf_counter(), time.process_time()
import biomask as bm
bm.explore(bm.load_study(sys.argv[1]))
if "tensorflow" in sys.modules:
    sys.exit("opening a study loaded TensorFlow")
print(json.dumps([time.perf_counter() - start, time.process_time() - used]))
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


def opening(path: Path) -> tuple[float, float]:
    """In a new process, with byte code kept as an installed package keeps it."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(path)], stdout=subprocess.PIPE, check=True, env=kept
    )
    return tuple(json.loads(done.stdout))


def actions(study: bm.Study) -> dict[str, tuple[float, float]]:
    """Each action as its widget starts it."""
    explorer, mask = bm.explore(study), study.mask
    gene, names = mask.genes[7], study.top(40).index
    doing = {
        "type a gene": lambda k: setattr(explorer._gene, "value", gene[: len(gene) - k % 2]),
        "type a name": lambda k: setattr(explorer._text, "value", f"p{k}"),
        "move the limit": lambda k: setattr(explorer._limit, "index", k),
        "move the seed": lambda k: setattr(explorer._seed, "index", k % (SEEDS + 1)),
        "sort": lambda k: explorer._table._heads[k % 2].click(),
        "turn the page": lambda k: explorer._table._on.click(),
        "choose a pathway": lambda k: explorer.choose(names[k]),
        "explore(mask)": lambda k: bm.explore(mask),
    }
    found = {}
    for name, do in doing.items():
        found[name] = _median([_timed(do, k) for k in range(REPEATS)])
        explorer._gene.value = explorer._text.value = ""
        explorer._limit.value = "all"
    return found


def _timed(do, k: int) -> tuple[float, float]:
    start, used = time.perf_counter(), time.process_time()
    do(k)
    return time.perf_counter() - start, time.process_time() - used


def _median(times: list[tuple[float, float]]) -> tuple[float, float]:
    return tuple(np.median(times, axis=0))


def main() -> None:
    study = made_study(make_mask(N_GENES, N_PATHWAYS))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.biomask"
        study.save(path)
        seconds = {"open a saved study": _median([opening(path) for _ in range(REPEATS)])}
    seconds |= actions(study)
    table = pd.DataFrame(seconds, ["seconds", "cpu_seconds"]).T.rename_axis("action")
    write_results("explorer", table.reset_index())


if __name__ == "__main__":
    main()
