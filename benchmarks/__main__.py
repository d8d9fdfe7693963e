"""Runs every benchmark, each in a process of its own, and writes results/README.md.

    python -m benchmarks [--only-write]

With --only-write the tables that are there are put together again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from benchmarks.report import write_report

PARTS = (
    "one_network",
    "replicates",
    "crossover",
    "floor",
    "memory",
    "equality",
    "studies",
    "soak",
    "explorer",
    "reading",
    "streaming",
    "genome",
    "scaling",
)


def main() -> None:
    if "--only-write" not in sys.argv:
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        for part in PARTS:
            start = time.perf_counter()
            command = [sys.executable, "-W", "ignore", "-m", f"benchmarks.{part}"]
            subprocess.run(command, check=True, env={**os.environ, **quiet})
            print(f"{part}: {time.perf_counter() - start:.0f} s", flush=True)
    print(f"wrote {write_report()}")


if __name__ == "__main__":
    main()
