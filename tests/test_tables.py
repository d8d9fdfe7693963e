"""Genes x pathways as text; rows 15 to 18 are in acceptance/."""

import gzip

import pandas as pd
import pytest

import biomask as bm
from biomask.errors import ReadError

CLEAN = "gene,P1,P2\nTP53,1,0\nATM,1,1\n"


def read(tmp_path, content, name="mask.csv", **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return bm.read_matrix(path, **options)


def refused(tmp_path, content, **options) -> ReadError:
    with pytest.raises(ReadError) as caught:
        read(tmp_path, content, **options)
    assert caught.value.file == str(tmp_path / "mask.csv")
    assert all(problem.hint for problem in caught.value.problems)
    return caught.value


@pytest.mark.parametrize(
    "content",
    [
        CLEAN,
        CLEAN.replace(",", "\t"),
        CLEAN.replace("gene,", ","),
        CLEAN.replace("gene,", ""),  # as R writes it
        CLEAN.replace("\n", "\r\n"),
        "\ufeff" + CLEAN,
        CLEAN.replace("1", "1.0").replace("P1.0", "P1"),
        '"","P1","P2"\n"TP53",1,0\n"ATM",1,1\n',
        gzip.compress(CLEAN.encode()),
    ],
    ids=["csv", "tsv", "corner", "R", "crlf", "bom", "floats", "quoted", "gzip"],
)
def test_named_tables(tmp_path, content):
    mask = read(tmp_path, content, name="told_by.content")
    assert mask.genes.tolist() == ["TP53", "ATM"]
    assert mask.pathways.tolist() == ["P1", "P2"]
    assert mask.to_dense().to_numpy().tolist() == [[1, 0], [1, 1]]
    assert mask.report.empty


def test_what_pandas_writes(tmp_path):
    frame = pd.DataFrame([[0, 1], [1, 1]], index=["a b", 'c"d'], columns=["x,y", "z"])
    frame.to_csv(tmp_path / "m.tsv", sep="\t")
    read_back = bm.read_matrix(tmp_path / "m.tsv").to_dense()
    assert read_back.to_dict() == frame.to_dict()
    assert [*read_back.index, *read_back.columns] == [*frame.index, *frame.columns]


@pytest.mark.parametrize("mark", [",", "\t"])
def test_a_single_pathway(tmp_path, mark):
    mask = read(tmp_path, f"gene{mark}P 1\nA{mark}1\nB{mark}0\n")
    assert mask.pathways.tolist() == ["P 1"]
    assert mask.to_sets() == {"P 1": ["A"]}


def test_names_that_are_missing(tmp_path):
    error = refused(tmp_path, "gene,P1,\nA,1,0\n ,1,0\n")
    assert [(p.code, p.line) for p in error.problems] == [("E-NAME", 1), ("E-NAME", 3)]
    assert "columns '3' have no name" in str(error)


def test_a_matrix_without_names_is_recognised(tmp_path):
    error = refused(tmp_path, "1,0,1\n0,0,1\n1,1,1\n")
    assert (error.code, error.line) == ("E-NO-NAMES", 1)
    assert "Mask.from_dense" in error.hint
    error = refused(tmp_path, "P1,P2,P3\n0,0,1\n1,1,1\n")  # pandas to_csv(index=False)
    assert (error.code, error.line) == ("E-NO-NAMES", 2)


def test_numbers_are_no_names_however_they_are_written(tmp_path):
    error = refused(tmp_path, "gene,P\n0,1\n1,1\n0.0,1\n1.0,1\n")
    assert (error.code, error.line) == ("E-NO-NAMES", 2)


def test_empty_lines_are_skipped_and_counted(tmp_path):
    mask = read(tmp_path, "\ngene,P1,P2\n\nA,1,0\n,,\nB,1,1\n")
    assert mask.genes.tolist() == ["A", "B"]
    assert mask.report.to_numpy().tolist() == [["skipped empty lines", "file", "3 lines", 1]]
    assert refused(tmp_path, "\ngene,P1,P2\n\nA,1,7\n").line == 4


def test_a_line_without_separators_is_shown_from_its_start(tmp_path):
    line = "0123456789" * 5
    assert refused(tmp_path, f"\n{line}\n").problem == (
        f"neither tabs nor commas separate the first line, which starts with {line[:40]!r}"
    )


def test_ten_wrong_cells_of_a_row_are_shown(tmp_path):
    header = ",".join(["gene", *(f"P{j}" for j in range(12))])
    cells = ",".join(str(j + 2) for j in range(12))
    shown = ", ".join(f"'{j + 2}' in column 'P{j}'" for j in range(10))
    error = refused(tmp_path, f"{header}\nA,{cells}\n")
    assert error.problem == f"neither 0 nor 1: {shown} and 2 more"


def test_numbers_however_they_are_written(tmp_path):
    mask = read(tmp_path, "gene,P1,P2\nA,0.0,1.0\nB,1e0,00\n")
    assert mask.to_sets() == {"P1": ["B"], "P2": ["A"]}


@pytest.mark.parametrize("content", ["", "\n\n", ",,\n,,\n", "gene,P1\n", "\t\t\n"])
def test_nothing_in_the_table(tmp_path, content):
    assert refused(tmp_path, content).code == "E-EMPTY"


@pytest.mark.parametrize("row", ['"A,1,0', '"A"B,1,0'])
def test_quotes_that_make_no_table(tmp_path, row):
    error = refused(tmp_path, f"gene,P1,P2\nC,1,0\n{row}\n")
    assert (error.code, error.line) == ("E-CSV", 3)


def test_a_matrix_of_zeros_is_no_mask(tmp_path):
    error = refused(tmp_path, "gene,P1,P2\nA,0,0\n")
    assert error.code == "E-MASK-EMPTY"
