"""Do the tests notice a small fault in the code?  ``make mutation``

    python tests/mutation/run.py [PART [SAMPLE [SEED]]]

Of every part a sample of faults is drawn (see mutants.py), each is put into a copy of the package,
and the tests that run its line are run, the quickest first. A fault that no test notices survives.
Survivors of which survivors.csv says that they change nothing are no part of the score.
Writes .mutation/PART.csv and prints the score; ends with 1 when one is below 95 %.
"""

from __future__ import annotations

import ast
import csv
import importlib
import multiprocessing
import os
import random
import re
import resource
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from coverage import CoverageData
from mutants import count, mutant
from scipy.stats import binomtest
from tqdm import tqdm
from trial import OPTIONS, ROOT, copied, run_pytest

TOOL = ROOT / ".mutation"
CHILDREN = 2
BUDGET = 15  # seconds of tests for one fault; the slowest of many are left out
PATIENCE = 180  # seconds until a fault counts as noticed, as it makes the tests hang
LIMIT_MB = 8192
GOAL = 0.95
# What the tests import, loaded once, before the process of a fault branches off.
SLOW_IMPORTS = (
    "anndata.tests.helpers dask.array decoupler gseapy.parser hypothesis keras lifelines "
    "matplotlib.pyplot pytest scipy.stats sklearn.linear_model sklearn.model_selection"
)


class Part(NamedTuple):
    modules: str
    tests: str
    sample: int


PARTS = {
    "masks": Part(
        "masks/*",
        "test_alignment test_arrays test_backed test_deep test_edges test_gmt test_hierarchy "
        "test_mask test_modalities test_naming test_readers test_reading test_relations "
        "test_tables test_text test_varm test_writers acceptance/test_misuse "
        "acceptance/test_rows_01_22_reading acceptance/test_rows_23_35_names "
        "acceptance/test_rows_36_44_data",
        300,
    ),
    "inference": Part(  # the statistics
        "inference/activations inference/effects inference/exchange inference/feeding "
        "inference/folds inference/labels inference/losses inference/moments inference/notices "
        "inference/permutation inference/significance inference/simulate* inference/stability "
        "inference/stream inference/survey",
        "test_effects test_folds test_labels test_permutation test_significance test_simulate "
        "test_stability test_stream acceptance/test_rows_36_44_data "
        "acceptance/test_rows_59_60_interpretation",
        300,
    ),
    "training": Part(  # what trains networks, or waits for them: minutes for each fault
        "inference/assembly inference/block* inference/c* inference/deep_effects "
        "inference/edge_effects inference/engines inference/latent inference/scores "
        "inference/stacking inference/study inference/survival inference/training inference/wired",
        "test_blocks test_compare test_covariates test_crossfit test_deep_crossfit "
        "test_deep_effects test_effects test_engines test_latent test_scores test_study "
        "test_survival test_training test_wired",
        40,
    ),
}


class Outcome(NamedTuple):
    module: str
    line: int
    before: str
    after: str
    killer: str  # the test that noticed it, or ""
    reason: str  # why none did, as far as it is known


class Tests:
    """Which tests run a line, and how long each of them takes."""

    def __init__(self, name: str):
        files = [f"tests/{file}.py" for file in PARTS[name].tests.split()]
        record = TOOL / f"{name}.coverage"
        options = ["--cov=biomask", "--cov-context=test", "--cov-report=", "--durations=0"]
        done = run_pytest([*files, *options, "-vv"], ROOT, TOOL, COVERAGE_FILE=str(record))
        if done.returncode:
            sys.exit(f"the tests of {name} fail without any fault:\n{done.stdout[-4000:]}")
        self.seconds: dict[str, float] = {}
        for time, test in re.findall(r"^([\d.]+)s (?:call|setup) +(.+)$", done.stdout, re.M):
            self.seconds[test] = self.seconds.get(test, 0) + float(time)
        self.record = CoverageData(str(record))
        self.record.read()
        self.every = {c.rpartition("|")[0] for c in self.record.measured_contexts() if c}

    def of(self, path: Path, line: int) -> list[str]:
        """Tests that run the smallest statement around the line that any test runs.

        What a fixture runs may be shared by all tests of the file.
        """
        contexts = self.record.contexts_by_lineno(str(path))
        tree = ast.parse(path.read_text())
        around = [(n.lineno, n.end_lineno) for n in ast.walk(tree) if isinstance(n, ast.stmt)]
        around = [(line, line), *around, (1, sys.maxsize)]
        for start, end in sorted(around, key=lambda span: span[1] - span[0]):
            if start <= line <= end:
                who = {c for n, names in contexts.items() if start <= n <= end for c in names if c}
                found = {context.rpartition("|")[0] for context in who}
                shared = {c.partition("::")[0] for c in who if c.endswith("|setup")}
                found |= {test for test in self.every if test.partition("::")[0] in shared}
                if found:
                    return self.quickest(found)
        return []

    def quickest(self, tests: set[str]) -> list[str]:
        chosen, total = [], 0.0
        for test in sorted(tests, key=lambda test: (self.seconds.get(test, 0), test)):
            total += self.seconds.get(test, 0)
            if not chosen or total <= BUDGET:
                chosen.append(test)
        return chosen


def killer(module: str, source: str, tests: list[str]) -> str:
    """The test that fails when this is the source of the module, or ""."""
    with copied(module, source) as folder:
        arguments = (folder, [*OPTIONS, "-x", "-q", *tests])
        child = multiprocessing.get_context("fork").Process(target=branch, args=arguments)
        child.start()
        child.join(PATIENCE)
        if child.is_alive():
            os.killpg(child.pid, signal.SIGKILL)
            child.join()
            return "out of time"
        if not child.exitcode:
            return ""
        said = (folder / "said").read_text(errors="replace")
    failed = re.search(r"^(?:FAILED|ERROR):? (.+)$", said, re.M)
    return failed[1] if failed else said.strip()[-300:] or f"exit status {child.exitcode}"


def branch(folder: Path, arguments: list[str]) -> None:
    """pytest on the package in the folder, in a process of its own."""
    os.setsid()
    os.nice(19)
    os.chdir(ROOT)
    sys.dont_write_bytecode = False  # else every fault compiles the tests again
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_MB << 20,) * 2)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream.fileno())
    os.environ["PYTHONPATH"] = str(folder)
    sys.path.insert(0, str(folder))
    os._exit(sys.modules["pytest"].main(arguments))


def known_survivors() -> dict[tuple[str, str, str], str]:
    """Module, line before and after, to the reason."""
    with Path(__file__).with_name("survivors.csv").open(newline="") as file:
        return {
            (row["module"], row["before"], row["after"]): row["reason"]
            for row in csv.DictReader(file)
        }


def outcomes(name: str, sample: int, seed: int) -> list[Outcome]:
    known = known_survivors()
    tests = Tests(name)
    globs = PARTS[name].modules.split()
    paths = sorted(path for glob in globs for path in (ROOT / "biomask").glob(f"{glob}.py"))
    every = [(path, number) for path in paths for number in range(count(path.read_text()))]
    chosen = random.Random(seed).sample(every, min(sample, len(every)))
    print(f"{name}: {len(chosen)} of {len(every)} faults", flush=True)
    unchanged = (ROOT / "biomask/__init__.py").read_text()
    if failed := killer("biomask/__init__.py", unchanged, tests.quickest(tests.every)):
        sys.exit(f"fails in a copy without any fault: {failed}")

    def outcome(place: tuple[Path, int]) -> Outcome:
        path, number = place
        fault = mutant(path.read_text(), number)
        module = str(path.relative_to(ROOT))
        relevant = tests.of(path, fault.line)
        noticed = killer(module, fault.source, relevant) if relevant else ""
        reason = "" if noticed else known.get((module, fault.before, fault.after), "unknown")
        if not noticed:
            change = f"- {fault.before}\n+ {fault.after}"
            print(f"{module}:{fault.line} {reason}\n{change}", flush=True)
        return Outcome(module, fault.line, fault.before, fault.after, noticed, reason)

    with ThreadPoolExecutor(CHILDREN) as pool:
        return list(tqdm(pool.map(outcome, chosen), name, len(chosen)))


def main() -> int:
    names = sys.argv[1:2] or list(PARTS)
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    for name in SLOW_IMPORTS.split():
        importlib.import_module(name)
    good = True
    for name in names:
        sample = int(sys.argv[2]) if len(sys.argv) > 2 else PARTS[name].sample
        found = outcomes(name, sample, seed)
        with (TOOL / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([Outcome._fields, *found])
        counted = [one for one in found if not one.reason.startswith("equivalent")]
        killed = sum(bool(one.killer) for one in counted)
        interval = binomtest(killed, len(counted)).proportion_ci(method="wilson")
        low, high = (100 * share for share in interval)
        share = killed / len(counted)
        print(f"{name}: {len(found) - len(counted)} of {len(found)} change nothing")
        print(f"{name}: {killed} of {len(counted)} killed, {share:.1%} ({low:.1f} to {high:.1f} %)")
        good = good and share >= GOAL
    return not good


if __name__ == "__main__":
    sys.exit(main())
