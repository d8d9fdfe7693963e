"""Acceptance, row 66: the tests notice small faults in alignment, GMT and mask code.

`make mutation` draws hundreds of them, which takes an hour; here are seven of the kind that
silently spoil a result, and the record of the long run.
"""

from __future__ import annotations

import ast
import csv
import sys
from pathlib import Path

import pytest

MUTATION = Path(__file__).resolve().parents[1] / "mutation"
sys.path.append(str(MUTATION))

from trial import ROOT, copied, run_pytest  # noqa: E402

# The module, what is there, what is put there, and the test that must notice.
FAULTS = {
    "the description is a gene": (
        "gmt",
        r'name, description, *genes = line.split("\t")',
        r'name, *genes = line.split("\t"); description = genes[0]',
        "test_gmt.py::test_reads_names_genes_and_descriptions",
    ),
    "the second set of a name is lost": (
        "gmt",
        "members=np.union1d(first.members, again.members)",
        "members=first.members",
        "test_gmt.py::test_three_sets_of_one_name",
    ),
    "genes in the order of the data": (
        "alignment",
        "values_of(table, names, result.genes, rules)",
        "values_of(table, names, names[names.isin(result.genes)], rules)",
        "test_alignment.py::test_align_basics",
    ),
    "an overlap that is too small is let pass": (
        "alignment",
        "there.mean() < min_overlap or not there.any()",
        "not there.any()",
        "acceptance/test_rows_23_35_names.py::test_row_27_low_overlap_is_an_error_unless_allowed",
    ),
    "sizes count absent genes": (
        "alignment_steps",
        "present = present_sizes(mask, there)\n    kept",
        "present = mask.sizes().to_numpy()\n    kept",
        "test_alignment.py::test_sizes_count_the_genes_that_are_present",
    ),
    "a repeat is merged into the wrong column": (
        "alignment_steps",
        "values[:, j] = MERGES",
        "values[:, j - 1] = MERGES",
        "acceptance/test_rows_23_35_names.py::test_row_28_a_duplicate_gene_is_merged_as_asked",
    ),
    "selected genes keep their old order": (
        "mask",
        "return transforms.keep_names(self, genes, pathways)",
        "return transforms.keep_names(self, self.genes[self.genes.isin(genes)], pathways)",
        "test_mask.py::test_select_keeps_the_order_given",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_row_66_a_classic_fault_is_noticed(fault):
    name, before, after, test = FAULTS[fault]
    module = f"biomask/masks/{name}.py"
    source = (ROOT / module).read_text()
    assert source.count(before) == 1
    with copied(module, source.replace(before, after)) as folder:
        done = run_pytest(["-x", "-q", f"tests/{test}"], folder)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr


def rows(name: str) -> list[dict[str, str]]:
    with (MUTATION / name).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("part", ["masks", "inference"])
def test_row_66_nineteen_of_twenty_sampled_faults_are_noticed(part):
    """Of those that change what the code does; what of the others: tests/mutation/README.md."""
    (score,) = [row for row in rows("scores.csv") if row["part"] == part]
    sampled, killed, equivalent = (int(score[key]) for key in ("sampled", "killed", "equivalent"))
    assert killed >= 0.95 * (sampled - equivalent)


def test_row_66_every_survivor_is_explained_and_still_there():
    for row in rows("survivors.csv"):
        plain = ast.unparse(ast.parse((ROOT / row["module"]).read_text()))
        assert row["before"] in map(str.strip, plain.splitlines()), row
        assert row["reason"]
