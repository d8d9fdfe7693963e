"""Large GMT files: seconds and peak memory of reading each, in a process of its own.

    python -m benchmarks.reading

Writes results/reading.csv. A file holds sets of random genes; names of genes have nine letters.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.timing import write_results

# sets, genes of a set, packed; the first is 100 MB
CASES = [(50_000, 200, False), (50_000, 200, True), (12_500, 200, False), (2_500, 40, False)]
N_GENES = 20_000
CHILD = """
import json, resource, sys, time
from biomask.masks.readers import read_gmt
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, start, busy = peak(), time.perf_counter(), time.process_time()
mask = read_gmt(sys.argv[1])
print(json.dumps({
    "edges": mask.n_edges, "seconds": time.perf_counter() - start,
    "cpu_seconds": time.process_time() - busy, "before_mb": before, "peak_mb": peak(),
}))
"""


def write_file(path: Path, n_sets: int, size: int, packed: bool) -> float:
    """Write random sets and return the size of the text, MB."""
    rng = np.random.default_rng(0)
    names = np.array([f"GENE{i:05d}" for i in range(N_GENES)], dtype=object)
    lines = (
        f"SET_{i}\thttps://example.org/set/{i}\t"
        + "\t".join(names[rng.choice(N_GENES, size, replace=False)])
        + "\n"
        for i in range(n_sets)
    )
    with gzip.open(path, "wt", compresslevel=6) if packed else path.open("w") as file:
        return sum(map(file.write, lines)) / 1e6


def measured(path: Path) -> dict:
    """Seconds, and peak resident memory in MiB, of a new process that reads the file."""
    command = [sys.executable, "-W", "ignore", "-c", CHILD, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sets.gmt"
        for n_sets, size, packed in CASES:
            megabytes = write_file(path, n_sets, size, packed)
            rows.append({"text_mb": megabytes, "gzip": packed, "sets": n_sets, **measured(path)})
    write_results("reading", pd.DataFrame(rows))


if __name__ == "__main__":
    main()
