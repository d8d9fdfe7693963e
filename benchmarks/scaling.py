"""What a block of networks costs as genes, edges, samples or networks double.

    python -m benchmarks.scaling

Writes results/scaling.csv, a row for every size, and results/scaling_slopes.csv: the exponents b of
cost ~ size^b, by least squares on the logarithms of the three larger sizes of each quantity (the
smallest is mostly what a block costs at any size). A block is what `crossfit` sends to a worker:
the plan with the data goes there once, the block's networks are trained and every pathway ablated,
and what it found comes back.
"""

from __future__ import annotations

import functools
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.inputs import make_data, make_mask
from benchmarks.timing import take_turns, write_results

BASE = {"genes": 4_000, "edges": 20_000, "samples": 1_024, "networks": 16}
PATHWAYS, SEEDS, FOLDS, EPOCHS = 200, 2, 4, 2
FACTORS = (1, 2, 4, 8)
COSTS = ("seconds", "peak_mb", "plan_mb", "result_mb")


def sizes() -> dict[str, dict[str, int]]:
    """Every size by a name such as "genes x4"; the base is there once."""
    found = {"base": BASE}
    for what in BASE:
        found |= {f"{what} x{f}": {**BASE, what: BASE[what] * f} for f in FACTORS[1:]}
    return found


def plan_of(size: dict[str, int]):
    """The plan of a study with one block a fold."""
    from biomask.inference.crossfit import make_plan
    from biomask.inference.labels import read_samples
    from biomask.inference.training import Settings

    mask = make_mask(size["genes"], PATHWAYS, mean=size["edges"] / PATHWAYS, spread=0)
    X, y = make_data(mask, size["samples"])
    samples = read_samples(mask, pd.DataFrame(X, columns=mask.genes), y, "binary")
    settings = Settings("binary", None, "tanh", EPOCHS, 64, 1e-3, 0.5, 1e-3)
    return make_plan(mask, samples, settings, FOLDS, SEEDS, size["networks"] // SEEDS - 1, 0)


def megabytes(what) -> float:
    """Of it on its way to another process."""
    return len(pickle.dumps(what, protocol=5)) / 2**20


def peak_mb() -> float:
    """The most memory of this process that was ever in RAM, MiB."""
    status = Path("/proc/self/status").read_text()
    return int(next(x.split()[1] for x in status.splitlines() if x.startswith("VmHWM"))) / 1024


def measure_memory(name: str) -> None:
    """In a process of its own: print what a block adds to the process that runs it."""
    from biomask.inference.blocks import run_block

    run_block(plan_of({"genes": 64, "edges": 400, "samples": 64, "networks": 4}), _first())
    before = peak_mb()
    plan = plan_of(sizes()[name])
    result = run_block(plan, _first())
    print(peak_mb() - before, megabytes(plan), megabytes(result))


def _first():
    from biomask.inference.blocks import Block

    return Block(0, 0)


def slopes(table: pd.DataFrame) -> pd.DataFrame:
    """The exponent of every cost in every quantity."""
    rows = []
    for what in BASE:
        larger = table[table["size"].isin([f"{what} x{f}" for f in FACTORS[1:]])]
        x = np.log2(larger[what].to_numpy(float))
        fits = {cost: np.polyfit(x, np.log2(larger[cost].to_numpy(float)), 1)[0] for cost in COSTS}
        rows.append({"as_this_doubles": what, **fits})
    return pd.DataFrame(rows)


def main() -> None:
    from biomask.inference import blocks

    # Every size keeps its compiled networks, so that the turns are of training alone.
    blocks.trainer_of = functools.lru_cache(None)(blocks.trainer_of.__wrapped__)
    plans = {name: plan_of(size) for name, size in sizes().items()}
    runs = {
        name: functools.partial(blocks.run_block, plan, _first()) for name, plan in plans.items()
    }
    times = take_turns(runs, rounds=7, seconds=120, warm_up=1)
    rows = []
    for name, size in sizes().items():
        command = [sys.executable, "-m", "benchmarks.scaling", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        measured = map(float, done.stdout.split()[-3:])
        costs = dict(zip(COSTS, [times[name].min(), *measured], strict=True))
        rows.append({"size": name, **size, **costs})
    table = pd.DataFrame(rows)
    write_results("scaling", table)
    write_results("scaling_slopes", slopes(table))


if __name__ == "__main__":
    if sys.argv[1:]:
        measure_memory(sys.argv[1])
    else:
        main()
