"""A hundred small cross-fits in one process: does memory grow, does a file stay open?

    python -m benchmarks.soak

Writes results/soak.csv: resident memory after every tenth study, with the same mask and with
another one each time, for which networks are compiled anew. Each way in a process of its own.
"""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pandas as pd

from benchmarks.timing import write_results

STUDIES, EVERY = 100, 10
WAYS = ("same mask", "another mask")
CALL = {"folds": 2, "seeds": 2, "permutations": 3, "epochs": 2, "batch_size": 16, "progress": False}


def resident_mb() -> float:
    """Memory of this process that is in RAM, MiB."""
    status = Path("/proc/self/status").read_text()
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kilobytes) / 1024


def open_files() -> int:
    """File handles of this process, but for the one that counts them."""
    return len(list(Path("/proc/self/fd").iterdir())) - 1


def soak(way: str, studies: int) -> None:
    """Run them, and print a line after every tenth."""
    import biomask as bm

    mask = bm.Mask.from_sets(
        {f"p{k}": [f"g{(3 * k + j) % 30}" for j in range(6)] for k in range(10)}
    )
    for k in range(1, studies + 1):
        used = mask if way == "same mask" else mask.rewire(k)
        sim = bm.simulate(used, n_samples=40, active=["p1"], effect=2.0, random_state=k)
        bm.crossfit(used, sim.X, sim.y, random_state=k, **CALL)
        if k % EVERY == 0:
            gc.collect()
            print(f"{way},{k},{resident_mb():.1f},{open_files()}", flush=True)


def main() -> None:
    rows = []
    for way in WAYS:
        command = [sys.executable, "-m", "benchmarks.soak", way]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows += [line.split(",") for line in done.stdout.splitlines()]
    columns = ["masks", "studies", "resident_mb", "open_files"]
    table = pd.DataFrame(rows, columns=columns).astype(
        {"studies": int, "resident_mb": float, "open_files": int}
    )
    settled = table[table["studies"] == 2 * EVERY].set_index("masks")["resident_mb"]
    table["over_20th"] = table["resident_mb"] / table["masks"].map(settled)
    write_results("soak", table)


if __name__ == "__main__":
    if sys.argv[1:]:
        soak(sys.argv[1], STUDIES)
    else:
        main()
