"""Genes x pathways as text: rows 15 to 18 of the acceptance table."""

import csv
import gzip
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import biomask as bm
from biomask.errors import ReadError

CLEAN = "gene,P1,P2\nTP53,1,0\nATM,1,1\n"
ODD = ["nan", "NA", "NULL", "TRUE", "1e5", "007", "7157", "None", "", "inf", "1-Mar", '"q"', "#N/A"]


def read(tmp_path, content, name="mask.csv", **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return bm.read_matrix(path, **options)


def refused(tmp_path, content, **options) -> ReadError:
    with pytest.raises(ReadError) as caught:
        read(tmp_path, content, **options)
    assert caught.value.file == str(tmp_path / "mask.csv")
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


@pytest.mark.parametrize("mark", [";", "|", " "])
def test_row_15_wrong_delimiter(tmp_path, mark):
    error = refused(tmp_path, CLEAN.replace(",", mark))
    assert (error.code, error.line) == ("E-DELIMITER", 1)
    assert "Save the table as tab- or comma-separated text" in str(error)


def test_row_15_ragged_rows_and_wrong_cells_are_reported_together(tmp_path):
    error = refused(tmp_path, "gene,P1,P2\nA,1\nB,2,\nC,1,0\nD,nan,1\nE,1,0,0\n")
    found = [(p.code, p.line, p.column, p.genes) for p in error.problems]
    assert found == [
        ("E-RAGGED", 2, None, ["A"]),
        ("E-CELL", 3, "P1", ["B"]),
        ("E-CELL", 5, "P1", ["D"]),
        ("E-RAGGED", 6, None, ["E"]),
    ]
    assert "neither 0 nor 1: '2' in column 'P1', '' in column 'P2'" in str(error)
    assert "pass weighted=True" in str(error)
    assert "2 fields, expected 3" in str(error)


@pytest.mark.parametrize(
    "cell", ["", "nan", "NaN", "NA", "x", "0.5", "2", "-1", "inf", "1_0", "True"]
)
def test_row_15_every_cell_that_is_not_0_or_1(tmp_path, cell):
    error = refused(tmp_path, f"gene,P1,P2\nA,1,0\nB,0,{cell}\n")
    assert (error.code, error.line, error.column) == ("E-CELL", 3, "P2")
    assert f"{cell!r} in column 'P2'" in str(error)


def test_row_15_weights_only_on_request(tmp_path):
    content = "gene,P1,P2\nA,0.5,0\nB,-2,1e-3\n"
    assert refused(tmp_path, content).code == "E-CELL"
    mask = read(tmp_path, content, weighted=True)
    assert mask.to_dense().to_numpy().tolist() == [[0.5, 0], [-2, np.float32(1e-3)]]
    for cell in ("nan", "", "1_0", "inf"):
        error = refused(tmp_path, f"gene,P1,P2\nA,0.5,{cell}\n", weighted=True)
        assert (error.code, error.column) == ("E-CELL", "P2")
        assert "not a finite number" in str(error)


@pytest.mark.parametrize("mark", [",", "\t"])
def test_a_single_pathway(tmp_path, mark):
    mask = read(tmp_path, f"gene{mark}P 1\nA{mark}1\nB{mark}0\n")
    assert mask.pathways.tolist() == ["P 1"]
    assert mask.to_sets() == {"P 1": ["A"]}


def test_row_16_repeated_names_with_their_places(tmp_path):
    error = refused(tmp_path, "gene,P1,P2,P1\nA,1,0,1\nB,1,0,0\nA,1,1,1\n")
    assert [(p.code, p.line) for p in error.problems] == [("E-DUPLICATE", 1), ("E-DUPLICATE", 4)]
    assert "pathway 'P1' names columns 2, 4" in str(error)
    assert "gene 'A' is on line 2 too" in str(error)
    error = refused(tmp_path, "P1,P1\nA,1,0\n")  # without the cell above the genes
    assert "pathway 'P1' names columns 1, 2" in str(error)


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


NAME = st.one_of(
    st.sampled_from([name for name in ODD if name]),
    st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=6),
).filter(lambda name: name.strip() and not name.startswith(("\ufeff", "<")))


@settings(max_examples=60, deadline=None)
@given(
    genes=st.lists(NAME, min_size=3, max_size=8, unique=True),
    pathways=st.lists(NAME.filter(lambda n: "\t" not in n), min_size=2, max_size=5, unique=True),
    mark=st.sampled_from([",", "\t"]),
    seed=st.integers(0, 99),
)
def test_row_17_names_stay_the_text_they_are(tmp_path_factory, genes, pathways, mark, seed):
    values = np.random.default_rng(seed).integers(0, 2, (len(genes), len(pathways)))
    values[0, 0] = 1
    out = io.StringIO()
    writer = csv.writer(out, delimiter=mark, quoting=csv.QUOTE_ALL)
    writer.writerow(["gene", *pathways])
    writer.writerows([gene, *row] for gene, row in zip(genes, values.tolist(), strict=True))
    mask = read(tmp_path_factory.getbasetemp(), out.getvalue())
    assert mask.genes.tolist() == genes
    assert mask.pathways.tolist() == pathways
    assert (mask.to_dense().to_numpy() == values).all()


@pytest.mark.parametrize("mark", [",", "\t"])
def test_row_17_unquoted(tmp_path, mark):
    names = [name for name in ODD if name and '"' not in name]
    rows = [mark.join(["gene", *names])]
    rows += [mark.join([name, *("1" if i == j else "0" for j in range(len(names)))])
             for i, name in enumerate(names)]  # fmt: skip
    mask = read(tmp_path, "\n".join(rows))
    assert mask.genes.tolist() == mask.pathways.tolist() == names
    assert mask.n_edges == len(names)


def test_row_18_a_matrix_on_its_side(tmp_path):
    content = "pathway,TP53,ATM,CDK1\nP1,1,0,1\nP2,1,1,1\n"
    error = refused(tmp_path, content, genes=["ATM", "TP53", "EGFR"])
    assert error.code == "E-TRANSPOSED"
    assert "matrix looks transposed: 2 of its 3 columns are genes of the data, and 0 of" in str(
        error
    )
    assert error.genes == ["TP53", "ATM"]
    assert read(tmp_path, content).genes.tolist() == ["P1", "P2"]  # nothing to compare with
    assert read(tmp_path, CLEAN, genes=["ATM", "P1"]).genes.tolist() == ["TP53", "ATM"]


def test_empty_lines_are_skipped_and_counted(tmp_path):
    mask = read(tmp_path, "\ngene,P1,P2\n\nA,1,0\n,,\nB,1,1\n")
    assert mask.genes.tolist() == ["A", "B"]
    assert mask.report.to_numpy().tolist() == [["skipped empty lines", "file", "3 lines", 1]]
    assert refused(tmp_path, "\ngene,P1,P2\n\nA,1,7\n").line == 4


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
