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
    assert [(p.code, p.line, p.problem, p.genes) for p in error.problems] == [
        ("E-NAME", 1, "columns '3' have no name", []),
        ("E-NAME", 3, "a row without a gene name", []),
    ]
    error = refused(tmp_path, ",P1\nA,1,1\nB,0,1\n")  # a cell for every pathway, one unnamed
    assert error.problem == "columns '1' have no name"


@pytest.mark.parametrize(("corner", "places"), [("gene,", (2, 4)), ("", (1, 3))])
def test_repeated_pathways_are_at_their_columns(tmp_path, corner, places):
    error = refused(tmp_path, f"\n{corner}P1,P2,P1\nA,1,0,1\n")
    assert error.problem == f"pathway 'P1' names columns {places[0]}, {places[1]}"
    assert (error.code, error.line, error.column) == ("E-DUPLICATE", 2, places[1])


def test_every_problem_of_a_row_says_what_and_where(tmp_path):
    rows = ["A,1,0", "B,1", "A,0,1", "C,2,x"]
    error = refused(tmp_path, "\n".join(["gene,P1,P2", *rows, ""]))
    assert [(p.code, p.line, p.column, p.genes, p.problem) for p in error.problems] == [
        ("E-RAGGED", 3, None, ["B"], "2 fields, expected 3"),
        ("E-DUPLICATE", 4, None, ["A"], "gene 'A' is on line 2 too"),
        (
            *("E-CELL", 5, "P1", ["C"]),
            "neither 0 nor 1: '2' in column 'P1', 'x' in column 'P2'",
        ),
    ]
    with pytest.raises(ReadError) as caught:
        read(tmp_path, "gene,P1,P2\nA,2,-0.5\nB,x,inf\n", weighted=True)
    assert caught.value.problem == ("not a finite number: 'x' in column 'P1', 'inf' in column 'P2'")


@pytest.mark.parametrize("cell", ["1_0", "nan", "-inf", "", "1,5", "0x1"])
def test_cells_that_are_no_finite_numbers(tmp_path, cell):
    with pytest.raises(ReadError) as caught:
        read(tmp_path, f"gene\tP1\tP2\nA\t1\t{cell}\n", weighted=True)
    assert caught.value.problem == f"not a finite number: {cell!r} in column 'P2'"


def test_weights_are_asked_for_where_they_are_found(tmp_path):
    assert "weighted=True" in refused(tmp_path, "gene,P\nA,2\n").hint
    with pytest.raises(ReadError) as caught:
        read(tmp_path, "gene,P\nA,x\n", weighted=True)
    assert "weighted=True" not in caught.value.hint


def test_one_bad_row_far_down_is_the_only_problem_of_a_table_as_r_writes_it(tmp_path):
    rows = "".join(f"g{i},1,1\n" for i in range(20))
    error = refused(tmp_path, f"P,Q\n{rows}bad,1\n")
    assert [(p.line, p.problem) for p in error.problems] == [(22, "2 fields, expected 3")]


def test_weights_are_kept(tmp_path):
    mask = read(tmp_path, "gene,P1,P2\nA,2,-0.5\nB,0.0,1e-3\n", weighted=True)
    assert mask.to_edges().to_numpy().tolist() == [
        ["A", "P1", 2],
        ["A", "P2", -0.5],
        ["B", "P2", pytest.approx(1e-3)],
    ]


@pytest.mark.parametrize("corner", ["gene,", ""])
def test_rows_behind_those_that_are_looked_at_first(tmp_path, corner):
    for n in (20, 21, 25):
        rows = "".join(f"g{i},{i % 2},1\n" for i in range(n))
        mask = read(tmp_path, f"{corner}P,Q\n{rows}")
        assert mask.genes.tolist() == [f"g{i}" for i in range(n)]
        assert mask.to_sets()["P"] == [f"g{i}" for i in range(1, n, 2)]
        assert mask.sizes()["Q"] == n


def test_a_matrix_without_names_is_recognised(tmp_path):
    error = refused(tmp_path, "1,0,1\n0,0,1\n1,1,1\n")
    assert (error.code, error.line) == ("E-NO-NAMES", 1)
    assert "Mask.from_dense" in error.hint
    error = refused(tmp_path, "P1,P2,P3\n0,0,1\n1,1,1\n")  # pandas to_csv(index=False)
    assert (error.code, error.line) == ("E-NO-NAMES", 2)


def test_what_is_said_of_a_matrix_without_names(tmp_path):
    error = refused(tmp_path, "1,0,1\n0,0,1\n1,1,1\n")
    assert error.problem == "the first row holds only 0 and 1, not the names of pathways"
    error = refused(tmp_path, "P1,P2,P3\n0,0,1\n1,1,1\n")
    assert error.problem == "the first column holds only 0 and 1, not the names of genes"


def test_a_row_of_numbers_is_no_header_however_they_are_written(tmp_path):
    error = refused(tmp_path, "0,1,0.0,1.0\nA,1,1,1\n")
    assert (error.code, error.line) == ("E-NO-NAMES", 1)


def test_a_single_gene_may_be_called_1(tmp_path):
    assert read(tmp_path, "gene,P\n1,1\n").genes.tolist() == ["1"]


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
    error = refused(tmp_path, f"\n{line}\n")
    assert error.problem == (
        f"neither tabs nor commas separate the first line, which starts with {line[:40]!r}"
    )
    assert (error.code, error.line) == ("E-DELIMITER", 2)


@pytest.mark.parametrize(
    ("line", "seen"), [("a;b", "semicolons"), ("a|b c", "bars"), ("a b", "spaces"), ("a;b,c;d", "")]
)
def test_other_separators_are_named(tmp_path, line, seen):
    told = refused(tmp_path, f"{line}\n").problem
    assert told.endswith(f"; there are {seen or 'semicolons'} in it")


def test_a_comma_separates_where_semicolons_are_no_more_than_commas(tmp_path):
    assert read(tmp_path, "gene,P;1\nA,1\n").pathways.tolist() == ["P;1"]


def test_ten_wrong_cells_of_a_row_are_shown(tmp_path):
    header = ",".join(["gene", *(f"P{j}" for j in range(12))])
    shown = ", ".join(f"'{j + 2}' in column 'P{j}'" for j in range(10))
    for n, more in ((10, ""), (11, " and 1 more"), (12, " and 2 more")):
        cells = ",".join(str(j + 2) if j < n else "1" for j in range(12))
        error = refused(tmp_path, f"{header}\nA,{cells}\n")
        assert error.problem == f"neither 0 nor 1: {shown}{more}"


def test_numbers_however_they_are_written(tmp_path):
    mask = read(tmp_path, "gene,P1,P2\nA,0.0,1.0\nB,1e0,00\n")
    assert mask.to_sets() == {"P1": ["B"], "P2": ["A"]}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "the file is empty"),
        ("\n\n", "no row in the table"),
        (",,\n,,\n", "no row in the table"),
        ("gene,P1\n", "the table has a header and no rows"),
        ("\t\t\n", "no row in the table"),
    ],
)
def test_nothing_in_the_table(tmp_path, content, told):
    error = refused(tmp_path, content)
    assert (error.code, error.problem) == ("E-EMPTY", told)


@pytest.mark.parametrize("row", ['"A,1,0', '"A"B,1,0'])
def test_quotes_that_make_no_table(tmp_path, row):
    error = refused(tmp_path, f"gene,P1,P2\nC,1,0\n{row}\n")
    assert (error.code, error.line) == ("E-CSV", 3)


def test_a_matrix_of_zeros_is_no_mask(tmp_path):
    error = refused(tmp_path, "gene,P1,P2\nA,0,0\n")
    assert error.code == "E-MASK-EMPTY"
