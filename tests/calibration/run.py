"""Every calibration experiment on many data sets: ``make calibrate``.

    python tests/calibration/run.py [SHARE]

SHARE of the data sets, 1 unless given. Writes the figures fig_calibration_* and the table of the
checks, results/checks.csv; the exit status is 1 when a check fails.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from calibration_figures import null_quantiles, plot_decoys, plot_null, plot_power, plot_size
from experiments import (
    Design,
    annotation_set,
    batch_set,
    collect,
    decoy_set,
    edge_set,
    identical_set,
    null_set,
    planted_set,
    subject_set,
    three_against_three,
)
from scipy import stats
from summaries import (
    decoy_rates,
    edge_errors,
    false_alarms,
    interval,
    power,
    trend,
    type_one,
)

RESULTS = Path(__file__).resolve().parent / "results"
SMALL = Design(n=60)
LARGE = Design(n=200)
# Decay of both layers and no dropout favour few units with many genes: what a true mask offers.
GROUPED = {"l2": 0.05, "dropout": 0.0}
CANARY = 2.0  # effect in A3, where A1 has its power


class Run:
    """Collects data sets and checks."""

    def __init__(self, share: float):
        self.share, self.checks = share, []

    def sets(self, number: int, function: Callable, **arguments) -> pd.DataFrame:
        start = time.monotonic()
        count = max(4, round(number * self.share))
        table = collect(function, count, **arguments)
        minutes = (time.monotonic() - start) / 60
        print(f"{function.__name__}: {count} data sets, {minutes:.1f} minutes", flush=True)
        return table

    def check(self, name: str, what: str, value: float, low: float, high: float) -> None:
        row = (name, what, value, low, high, bool(low <= value <= high))
        self.checks.append(row)
        print(*row, flush=True)
        columns = ["id", "what", "value", "low", "high", "holds"]
        RESULTS.mkdir(exist_ok=True)
        table = pd.DataFrame(self.checks, columns=columns)
        table.to_csv(RESULTS / "checks.csv", index=False, float_format="%.4g")

    def type_one(self, name: str, table: pd.DataFrame, *alphas: float) -> None:
        for alpha in alphas:
            self.check(name, f"type-I error at {alpha:g}", *type_one(table, alpha))


def nulls(run: Run) -> None:
    """N0 to N4."""
    null = run.sets(500, null_set, design=Design(60, permutations=99))
    run.type_one("N0", null, 0.01, 0.05, 0.1)
    rate, limit = false_alarms(null)
    run.check("N0", "data sets with p_fwer <= .05", rate, 0, limit)
    wide = run.sets(250, null_set, largest=500, n_pathways=40, design=SMALL)
    for column in ("size", "degree"):
        run.check("N1", f"Spearman(p, {column})", trend(wide, column)[0], -0.05, 0.05)
    plot_size(_by_size(wide))
    inside = run.sets(60, batch_set, stratified=True, design=SMALL)
    across = run.sets(30, batch_set, stratified=False, design=LARGE)
    run.type_one("N2", inside, 0.05)
    run.check("N2 guard", "type-I error at .05, not stratified", type_one(across, 0.05)[0], 0.2, 1)
    whole = run.sets(60, subject_set, cells=25, whole=True, design=SMALL)
    cells = run.sets(10, subject_set, cells=200, whole=False, design=SMALL)
    run.type_one("N3", whole, 0.05)
    run.check("N3 guard", "type-I error at .05, cells permuted", type_one(cells, 0.05)[0], 0.2, 1)
    smallest = three_against_three().pathways["p"].min()
    run.check("N4", "smallest p, 3 against 3", smallest, 0.1, 1)
    named = {
        "no effect": null,
        "no effect, hubs, 5 to 500 genes": wide,
        "batch, stratified": inside,
        "subjects, permuted whole": whole,
        "guard: batch, not stratified": across,
        "guard: cells permuted": cells,
    }
    plot_null(null_quantiles(named))


def alternatives(run: Run) -> None:
    """A1 to A4."""
    rows = []

    def point(panel: str, experiment: str, x: float, sets: int, **arguments) -> pd.DataFrame:
        table = run.sets(sets, planted_set, **arguments)
        accuracy = table["accuracy"].mean()
        rows.append((panel, experiment, x, power(table), power(table, "p_fwer"), accuracy))
        print(*rows[-1], flush=True)
        return table

    for effect in (0.5, 1.0, 1.5, 2.0, 3.0):
        point("effect", "1 planted pathway", effect, 40, effect=effect, design=Design())
    reached = [row for row in rows if row[5] <= 0.65][-1]
    run.check("A1", f"power at n = 100, accuracy {reached[5]:.2f}", reached[3], 0.9, 1)
    canary = point(
        "effect", "genes permuted", CANARY, 60, effect=CANARY, permuted_genes=True, design=Design()
    )
    found = canary.loc[canary["active"], "p"]
    run.check("A3", "power with genes permuted", power(canary), 0, interval(0.05, len(found))[1])
    for active in (1, 3, 10):
        name = f"{active} planted pathway{'s' if active > 1 else ''}"
        for n in (50, 100, 200, 500, 1000):
            sets = 20 if n < 500 else 8
            point("n", name, n, sets, effect=1.0, active=active, design=Design(n))
    columns = ["panel", "experiment", "x", "power", "power_fwer", "accuracy"]
    curve = pd.DataFrame(rows, columns=columns)
    plot_power(curve)
    for panel in ("effect", "n"):
        shown = curve[(curve["panel"] == panel) & (curve["experiment"] == "1 planted pathway")]
        rise = stats.spearmanr(shown["x"], shown["power"]).statistic
        run.check("A1", f"power rises with {panel}: Spearman", rise, 0.7, 1)
    decoy_rows = []
    for index in (0.2, 0.5, 0.8):
        table = run.sets(50, decoy_set, jaccard_index=index, effect=1.5, design=Design())
        rates = decoy_rates(table)
        decoy_rows.append(rates.reset_index().assign(jaccard=index))
        network, marginal = rates.loc["decoy", ["network effect", "t-test"]]
        run.check(
            "A2", f"decoy rate, Jaccard {index}; t-test's {marginal:.2f}", network, 0, marginal
        )
    plot_decoys(pd.concat(decoy_rows, ignore_index=True))
    twins = run.sets(20, identical_set, effect=1.5, design=Design())
    effect = twins.groupby("pathway")["effect"].mean()
    run.check(
        "A4", "T of identical pathways, ratio", effect["decoy_1"] / effect["planted"], 0.8, 1.25
    )
    marked = twins[twins["not_separable"].notna()]["pathway"].unique()
    run.check("A4", "pathways marked not separable", len(marked), 2, 2)


def edges_and_annotation(run: Run) -> None:
    """E1, M1."""
    for correlation in (0.0, 0.3):
        table = run.sets(
            30, edge_set, effect=2.0, gene_correlation=correlation, design=Design(200, 2, 2, 199)
        )
        found = edge_errors(table)
        print(found, flush=True)
        name = f"E1, gene correlation {correlation:g}"
        run.check(name, "discoveries", found["discoveries"], 1, float("inf"))
        run.check(name, "edge FDR at q = .05", found["fdr"], 0, 0.05 + 2.58 * found["fdr_se"])
        run.check(name, "right signs of discoveries", found["sign_right"], 0.95, 1)
    p = run.sets(10, annotation_set, true=True, rewired=19, design=LARGE, **GROUPED)["p"]
    run.check("M1", "annotation p, true mask, median", p.median(), 0, 0.05)
    p = run.sets(10, annotation_set, true=True, gene_correlation=0.3, rewired=19, design=LARGE)["p"]
    run.check("M1, correlated genes, default settings", "annotation p, median", p.median(), 0, 1)
    p = run.sets(24, annotation_set, true=False, rewired=19, design=LARGE, **GROUPED)["p"]
    uniform = stats.kstest(p - 0.025, "uniform").pvalue
    run.check("M1", "annotation p, random mask: uniform (Kolmogorov-Smirnov p)", uniform, 0.01, 1)


def _by_size(table: pd.DataFrame) -> pd.DataFrame:
    grouped = table.groupby("size")
    low, high = (grouped["effect"].quantile(q) for q in (0.05, 0.95))
    means = grouped[["effect", "null_mean", "p"]].mean()
    return means.assign(low=low, high=high).reset_index()


if __name__ == "__main__":
    calibration = Run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
    nulls(calibration)
    alternatives(calibration)
    edges_and_annotation(calibration)
    failed = [row for row in calibration.checks if not row[-1]]
    print(f"{len(calibration.checks) - len(failed)} of {len(calibration.checks)} checks hold")
    sys.exit(bool(failed))
