"""Runs taken in turn, and medians of their ratios.

Times on a shared machine drift by a factor of two within minutes. Runs that take turns meet the
same drift, so the ratio inside a round says what a single time cannot.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

RESULTS = Path(__file__).resolve().parent / "results"


def take_turns(
    runs: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 15,
    seconds: float = 20.0,
    warm_up: int = 2,
) -> pd.DataFrame:
    """Wall seconds of every run, one row for each round.

    Parameters
    ----------
    runs : mapping of name to function
        Each does its work before it returns.
    rounds : int
        At most; at least three are taken.
    seconds : float
        No further round is begun when this much time has gone by.
    warm_up : int
        Untimed calls of each run beforehand: tracing, and caches.
    """
    for run in runs.values():
        for _ in range(warm_up):
            run()
    names, times = list(runs), []
    began = time.perf_counter()
    gc.collect()
    for k in range(rounds):
        if k >= 3 and time.perf_counter() - began > seconds:
            break
        row = {}
        for name in names[k % len(names) :] + names[: k % len(names)]:
            start = time.perf_counter()
            runs[name]()
            row[name] = time.perf_counter() - start
        times.append(row)
    return pd.DataFrame(times, columns=names)


def repeated(run: Callable[[], object], times: int) -> Callable[[], None]:
    """A run of several calls, so that one turn is long beside the clock's jitter."""

    def several() -> None:
        for _ in range(times):
            run()

    return several


def summary(times: pd.DataFrame, base: str, *, calls: int = 1) -> pd.DataFrame:
    """One row for each run: ``ms`` (median, of one call), ``ratio`` (median, over base), quartiles.

    Parameters
    ----------
    times : DataFrame
        From `take_turns`.
    base : str
        The run that others are compared with.
    calls : int
        What one turn of every run consists of.
    """
    ratios = times.div(times[base], axis=0)
    return pd.DataFrame(
        {
            "ms": times.median() * 1e3 / calls,
            "ratio": ratios.median(),
            "ratio_q25": ratios.quantile(0.25),
            "ratio_q75": ratios.quantile(0.75),
            "rounds": len(times),
        }
    ).rename_axis("approach")


def write_results(name: str, table: pd.DataFrame) -> Path:
    """Write ``results/NAME.csv``, numbers with five significant digits, and print it."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.csv"
    table.to_csv(path, index=False, float_format="%.5g", lineterminator="\n")
    print(f"\n{name} (load {load()})\n{table.to_string(index=False, float_format='%.4g'.__mod__)}")
    return path


def load() -> float:
    """What the machine is busy with, averaged over a minute; ours is part of it."""
    return float(np.round(os.getloadavg()[0], 1))


def time_once(run: Callable[[], object]) -> float:
    """Seconds of one call, after one untimed call."""
    run()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
