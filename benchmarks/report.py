"""One page of all results, and each target of the project beside what was measured."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pandas as pd

from benchmarks.inputs import BASE, SIZES
from benchmarks.timing import RESULTS

HEADER = """# Benchmarks

Written by `make bench` from the tables beside it. Machine: {machine}. Times are medians of runs
taken in turn in one process; ratios are medians of the ratios inside a round, so that a busy
machine changes both sides alike. float32, Adam, batch as given.
"""
NOTES = {
    "one_network": "One network. `step`: forward, loss, backward, Adam on one batch. `fit`: a step "
    "inside `model.fit` with the same metrics for all; PyTorch's rows are a bare loop over "
    "shuffled batches without metrics. `ratio`: over biomask. At 20,000 x 10,000 dense kernels are "
    "not taken through `fit`, and run at all only where their copies fit into memory; 1,000,000 x "
    "20,000 is biomask alone (a dense kernel is 80 GB).",
    "replicates": "R networks at 9,180 x 230 trained as one, inside `fit`. Separate fits are one "
    "fit timed in every round and counted R times, without building and tracing each.",
    "crossover": "Product and gradients by kernel, milliseconds (figure: crossover.png). "
    "`auto_over_best`: how much slower the kernel that `auto` picks is than the fastest. Empty: "
    "not run, because with fewer networks it was many times slower than the fastest.",
    "floor": "Product and weight gradient alone. The C program is floor.c, one thread, transposes "
    "included.",
    "profile": "Where a step of `fit` goes, 9,180 x 230: each row does what the row above does, "
    "and more.",
    "memory": "Peak resident memory of a process that trains four steps, MiB; Python, TensorFlow "
    "and the data included.",
    "equality": "Largest differences of what must be equal.",
    "studies": "Whole calls of `crossfit` on 2,080 cells, all ablations included: 240 networks on "
    "Reactome in five random states, 2,000 networks on Hallmark, and the default call.",
    "soak": "A hundred small studies in one process, each with its own data: resident memory, MiB, "
    "and open files after every tenth. With another mask each time networks are compiled anew.",
    "reading": "`read_gmt` on random sets: MB of text, seconds of the clock and of the processor, "
    "peak resident memory in MiB before and after.",
    "streaming": "Training from an .h5ad on disk, 100,000 cells x 20,000 genes x 2,000 pathways, "
    "5 % of the values not zero (8 GB as float32): peak resident memory in MiB of a process that "
    "goes through all of them; and the speed beside training in memory, 10,000 cells, in turns.",
    "genome": "1,000,000 SNPs x 20,000 genes x 300 pathways, dosages of 2,000 people as int8 in a "
    "Zarr store: seconds and peak resident memory in MiB; where the one gene that acts ended up "
    "among the effects of 20,000.",
    "scaling": "What a block of 16 networks costs on 4,000 genes, 200 pathways of 100 genes and "
    "1,024 samples in two epochs, and as one quantity grows: seconds, MiB of memory beyond a tiny "
    "block, MiB of the plan that a worker gets once, MiB that come back.",
    "scaling_slopes": "Exponents b in cost ~ size^b, from two to eight times the size.",
    "explorer": "The explorer at 20,000 genes x 2,000 pathways: seconds of the clock and of the "
    "processor; only the second tells what a quiet machine would take.",
}


def write_report() -> Path:
    """Write results/README.md from the tables and return its path."""
    tables = {
        name: pd.read_csv(RESULTS / f"{name}.csv")
        for name in NOTES
        if (RESULTS / f"{name}.csv").exists()
    }
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"
    parts = [HEADER.format(machine=machine)]
    if len(tables) == len(NOTES):
        parts += ["## Targets\n", markdown(targets(tables))]
    for name, table in tables.items():
        parts += [f"## {name}\n", NOTES[name] + "\n", markdown(table)]
    path = RESULTS / "README.md"
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def targets(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """What had to be reached, and what was."""
    one, many, memory = tables["one_network"], tables["replicates"], tables["memory"]
    studies = tables["studies"]
    seed, middle, huge = (str(SIZES[key]) for key in ("seed", "middle", "huge"))
    rows = [
        _at_least("kernel x mask, inside fit, seed's size", 2.5, _ratio(one, seed, "fit")),
        _at_least("kernel x mask, bare step, seed's size", 3, _ratio(one, seed, "step")),
        _at_least("kpnn2, bare step, seed's size", 2.5, _ratio(one, seed, "step", "kpnn2")),
        _at_least("kernel x mask, bare step, 20,000 x 2,000", 10, _ratio(one, middle, "step")),
        _at_least("kpnn2, bare step, 20,000 x 2,000", 7, _ratio(one, middle, "step", "kpnn2")),
        _at_most("peak memory, 1,000,000 x 20,000, MiB", 4096, _peak(memory, huge, 64)),
        _at_most("peak over inputs, 1,000,000 edges, batch 256, MiB", 2048, _over_inputs(memory)),
        _at_least(
            "256 networks over separate kernel x mask fits",
            60,
            many.loc[
                (many["networks"] == 256) & (many["how"] == "biomask, together"),
                "over_separate_dense_fits",
            ].max(),
        ),
        _at_most(
            "auto over the best kernel, worst point", 1.3, tables["crossover"].auto_over_best.max()
        ),
    ]
    for sets, networks, seconds in (
        ("reactome", 240, 47),
        ("hallmark", 2000, 31),
        ("hallmark", 5000, 360),
    ):
        call = studies[(studies["gene sets"] == sets) & (studies["networks"] == networks)]
        what = f"crossfit of {networks:,} networks on {sets}, median seconds"
        rows.append(_at_most(what, seconds, call["seconds"].median()))
    for name, value in tables["equality"].itertuples(index=False):
        limit = 0 if "processes" in name else 1e-6 if "thread" in name else 1e-5
        rows.append(_at_most(name, limit, value))
    large = tables["reading"].iloc[0]
    rows.append(_at_most("100 MB of GMT, seconds", 30, large["seconds"]))
    rows.append(_at_most("100 MB of GMT, peak memory, MiB", 2048, large["peak_mb"]))
    soak = tables["soak"]
    growth = soak.loc[soak["studies"] == soak["studies"].max(), "over_20th"].max()
    rows.append(_at_most("memory after 100 studies over that after 20", 1.05, growth))
    streaming, genome = tables["streaming"], tables["genome"]
    rows.append(
        _at_most("100,000 cells from disk, peak memory, MiB", 3072, streaming.peak_mb.max())
    )
    slowest = streaming["speed_over_memory"].min()
    rows.append(_at_least("speed from disk over that from memory", 0.5, slowest))
    peak = genome["peak_mb"].max()
    rows.append(_at_most("a million SNPs from disk, peak memory, MiB", 4096, peak))
    rank = genome["rank_of_planted"].max()
    rows.append(_at_most("rank of the planted gene among 20,000", 1, rank))
    return pd.DataFrame(rows, columns=["what", "target", "measured", "reached"])


def _at_least(what: str, limit: float, value: float) -> tuple:
    return what, f"at least {limit:g}", value, _verdict(value, value >= limit)


def _at_most(what: str, limit: float, value: float) -> tuple:
    return what, f"at most {limit:g}", value, _verdict(value, value <= limit)


def _verdict(value: float, reached: bool) -> str:
    return "not run" if pd.isna(value) else "yes" if reached else "no"


def _ratio(table: pd.DataFrame, size: str, measured: str, name: str = "kernel x mask") -> float:
    found = table[
        (table["size"] == size) & (table["measured"] == measured) & (table["approach"] == name)
    ]
    return float(found["ratio"].max())


def _peak(table: pd.DataFrame, size: str, batch: int) -> float:
    found = table[(table["size"] == size) & (table["batch"] == batch) & (table["approach"] == BASE)]
    return float(found["peak_mb"].max())


def _over_inputs(table: pd.DataFrame) -> float:
    """Of the runs with a million edges and a batch of 256: peak without the data."""
    found = table[(table["edges"] >= 1_000_000) & (table["batch"] == 256)]
    return float((found["peak_mb"] - found["data_mb"]).max())


def markdown(table: pd.DataFrame) -> str:
    """The table in Markdown, four significant digits."""

    def cell(value) -> str:
        if isinstance(value, float):
            return "" if pd.isna(value) else f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
        return f"{value:,}" if isinstance(value, int) else str(value)

    lines = ["| " + " | ".join(map(str, table.columns)) + " |", "|" + "---|" * table.shape[1]]
    lines += ["| " + " | ".join(map(cell, row)) + " |" for row in table.itertuples(index=False)]
    return "\n".join(lines) + "\n"
