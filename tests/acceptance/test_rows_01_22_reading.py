"""Acceptance, rows 1 to 22: reading masks."""

from __future__ import annotations

import csv
import gzip
import io
import json
import pickle
import subprocess
import sys
import tracemalloc

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import biomask as bm
from biomask.masks.gmt import WEIGHT

CLEAN = b"Cell cycle\tR-HSA-1\tTP53\tCDK1\nRepair\tR-HSA-2\tTP53\tBRCA1\tATM\n"
DENSE = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0], [1, 0, 0]])
GENES, PATHWAYS = ["TP53", "nan", "7157", "ATM"], ["P 1", "NA", "P3"]
ODD_NAMES = ["nan", "NA", "NULL", "TRUE", "1e5", "007", "7157", "None", "inf", "1-Mar", "#N/A"]


def written(folder, content, name):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / name


def read_gmt(folder, content, name="sets.gmt", **options):
    return bm.read_gmt(written(folder, content, name), **options)


def read_table(folder, content, **options):
    return bm.read_matrix(written(folder, content, "mask.csv"), **options)


def read_edges(folder, content, **options):
    return bm.read_edges(written(folder, content, "edges.csv"), **options)


def refused(read, *args, **options) -> bm.ReadError:
    """The error, which names the file and says what to do."""
    with pytest.raises(bm.ReadError) as caught:
        read(*args, **options)
    assert caught.value.file
    assert str(caught.value).startswith(caught.value.file)
    assert all(problem.hint for problem in caught.value.problems)
    return caught.value


def report_of(mask):
    return [tuple(row) for row in mask.report[["action", "subject", "line"]].to_numpy().tolist()]


# ------------------------------------------------------------------------ 1 to 8: GMT


def test_row_01_lines_without_tabs_are_all_reported(tmp_path):
    """Each line without a tab is named with file, number and beginning, and what to do."""
    error = refused(read_gmt, tmp_path, b"A\td\tG1\nB  d  G1  G2\nC,d,G1\n")
    assert [p.line for p in error.problems] == [2, 3]
    assert error.code == "E-GMT-TABS"
    told = f"{tmp_path}/sets.gmt:2: no tab in the line, which starts with 'B  d  G1  G2'"
    assert told in str(error)
    assert "save the file as tab-separated text" in str(error)


@pytest.mark.parametrize("line", ["B\tonly a description", "B\t", "B\td\t\t \t"])
def test_row_02_a_set_without_genes_is_an_error_or_on_request_empty(tmp_path, line):
    """Fewer than three fields: an error, or an empty pathway that the report lists."""
    content = f"A\td\tG1\n{line}\n"
    error = refused(read_gmt, tmp_path, content)
    assert (error.code, error.line) == ("E-GMT-EMPTY", 2)
    mask = read_gmt(tmp_path, content, on_empty="keep")
    assert mask.sizes().to_dict() == {"A": 1, "B": 0}
    assert ("kept empty set", "B", 2) in report_of(mask)


@pytest.mark.parametrize(
    "text",
    ["", "na", " ", "http://a.org/x?y=1", "NA", "> free text"],
    ids=["empty", "na", "blank", "url", "NA", "text"],
)
def test_row_03_the_first_gene_is_kept_whatever_the_description(tmp_path, text):
    """The second field is the description, and the third is a gene, always."""
    mask = read_gmt(tmp_path, f"A\t{text}\tG1\tG2\n")
    assert mask.to_sets() == {"A": ["G1", "G2"]}
    assert mask.descriptions["A"] == text


TEXT = st.text(st.characters(exclude_characters="\t\n\r\0", exclude_categories=["Cs"]), max_size=8)
# Not the weights of Enrichr, GENE,1.0, which write_gmt refuses, nor what GMX has for descriptions.
NAMES = TEXT.filter(
    lambda name: (
        name.strip()
        and not name.startswith(("\ufeff", "<", "PK", "%"))
        and not WEIGHT.fullmatch(name)
        and name.strip().casefold() not in ("na", "n/a", "nan", "none", "null")
    )
)
SETS = st.dictionaries(
    NAMES, st.lists(NAMES, min_size=1, max_size=5, unique=True), min_size=1, max_size=5
)


@settings(max_examples=60, deadline=None)
@given(sets=SETS, text=TEXT.filter(lambda text: not text.startswith("\ufeff")))
def test_row_03_06_what_is_written_reads_back_the_same(tmp_path_factory, sets, text):
    """Any set name, gene and description, whatever it is made of, survives writing and reading."""
    mask = bm.Mask.from_sets(sets, descriptions=dict.fromkeys(sets, text))
    path = tmp_path_factory.getbasetemp() / "sets.gmt"
    bm.write_gmt(mask, path)
    back = bm.read_gmt(path)
    # Within a set the file lists genes in the order of the mask, so new genes come in that order.
    assert back.pathways.tolist() == list(sets)
    assert back.select(genes=mask.genes) == mask
    assert set(back.descriptions) == {text}
    assert back.report.empty


LINES = st.lists(
    st.lists(
        st.text(
            st.characters(exclude_characters="\t\n\r\0\ufeff", exclude_categories=["Cs"])
        ).filter(str.strip),
        min_size=3,
        max_size=6,
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda fields: fields[0],
)
HARMLESS = {
    "crlf": lambda raw: raw.replace(b"\n", b"\r\n"),
    "cr": lambda raw: raw.replace(b"\n", b"\r"),
    "bom": lambda raw: b"\xef\xbb\xbf" + raw,
    "trailing tabs": lambda raw: raw.replace(b"\n", b"\t\t\t\n"),
    "blank last line": lambda raw: raw + b"\n",
    "blank last lines": lambda raw: raw + b"\r\n\r\n",
    "no last newline": lambda raw: raw.removesuffix(b"\n"),
    "blank first line": lambda raw: b"\n" + raw,
}


@pytest.mark.parametrize("change", HARMLESS)
@settings(max_examples=30, deadline=None)
@given(lines=LINES)
def test_row_04_06_harmless_changes_of_the_bytes_keep_the_digest(tmp_path_factory, change, lines):
    """Line endings, a byte-order mark, trailing tabs and blank lines change nothing."""
    folder = tmp_path_factory.getbasetemp()
    raw = "".join("\t".join(fields) + "\n" for fields in lines).encode()
    mask, changed = read_gmt(folder, raw), read_gmt(folder, HARMLESS[change](raw))
    assert changed.digest == mask.digest
    assert changed.descriptions.tolist() == [fields[1] for fields in lines]
    assert {name: set(genes) for name, genes in mask.to_sets().items()} == {
        fields[0]: set(fields[2:]) for fields in lines
    }


def test_row_05_empty_lines_in_the_middle_are_skipped_and_counted(tmp_path):
    """The report counts them and names the first."""
    mask = read_gmt(tmp_path, b"A\td\tG1\n\n \t\nB\td\tG2\tG1\n")
    assert mask.to_sets() == {"A": ["G1"], "B": ["G1", "G2"]}
    assert report_of(mask) == [("skipped empty lines", "file", 2)]
    assert mask.report["detail"].tolist() == ["2 lines"]


@pytest.mark.parametrize("name", ["\"quoted\" 'name'", "α → β", " lead", "trail ", "a,b;c", "nan"])
def test_row_06_names_are_kept_exactly(tmp_path, name):
    """Spaces, quotes and Unicode stay as they are, in pathways and in genes."""
    mask = read_gmt(tmp_path, f"{name}\td\t{name} gene\n")
    assert mask.to_sets() == {name: [f"{name} gene"]}


REPEATED = b"A\td\tG1\tG2\nB\td\tG1\nA\te\tG2\tG3\nA\tf\tG2\tG3\n"


def test_row_07_a_duplicate_set_name_with_the_same_genes_is_noted(tmp_path):
    """It is kept once, with a note of the line and of the description that was left out."""
    mask = read_gmt(tmp_path, b"A\td\tG1\tG2\nB\td\tG1\nA\tother\tG2\tG1\n")
    assert mask.to_sets() == {"A": ["G1", "G2"], "B": ["G1"]}
    assert report_of(mask) == [("kept once", "A", 3)]
    assert "description 'other' of line 3 was left out" in mask.report["detail"][0]


def test_row_07_a_duplicate_set_name_with_other_genes_is_an_error_with_both_lines(tmp_path):
    """Both lines, the genes that differ, and the choices there are."""
    error = refused(read_gmt, tmp_path, REPEATED)
    assert (error.code, error.line) == ("E-GMT-DUPLICATE", 3)
    assert "gene set 'A' is on line 1 too" in str(error)
    assert error.genes == ["G1", "G3"]
    assert 'on_duplicate="first", "union" or "rename"' in str(error)


@pytest.mark.parametrize(
    ("how", "sets", "action"),
    [
        ("first", {"A": ["G1", "G2"], "B": ["G1"]}, "dropped repeated set"),
        ("union", {"A": ["G1", "G2", "G3"], "B": ["G1"]}, "merged sets"),
        ("rename", {"A": ["G1", "G2"], "B": ["G1"], "A (2)": ["G2", "G3"]}, "renamed set"),
    ],
)
def test_row_07_a_duplicate_set_name_is_treated_as_asked(tmp_path, how, sets, action):
    """on_duplicate= first, union or rename, each with a note; the third is the second again."""
    mask = read_gmt(tmp_path, REPEATED, on_duplicate=how)
    assert mask.to_sets() == sets
    assert report_of(mask) == [(action, "A", 3), ("kept once", "A", 4)]
    assert mask.genes.tolist() == (["G1", "G2"] if how == "first" else ["G1", "G2", "G3"])


def test_row_08_a_gene_twice_in_a_set_is_kept_once(tmp_path):
    """The mask stays binary, and the report has the line."""
    mask = read_gmt(tmp_path, b"A\td\tG1\tG2\tG1\tG1\n")
    assert mask.to_dense().to_numpy().max() == 1
    assert mask.to_sets() == {"A": ["G1", "G2"]}
    assert mask.report.to_numpy().tolist() == [["kept once", "G1", "listed 3 times in 'A'", 1]]


# ------------------------------------------------------------------------ 9 to 14: any file


@pytest.mark.parametrize("name", ["sets.gmt.gz", "sets.txt", "sets", "sets.csv", "sets.gmt"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_row_09_gmt_is_told_by_content(tmp_path, name, pack):
    """What the file is called means nothing."""
    assert read_gmt(tmp_path, pack(CLEAN), name=name) == read_gmt(tmp_path, CLEAN)


def matrix_files() -> dict[str, bytes]:
    """One content of each kind, all of the same matrix."""
    frame = pd.DataFrame(DENSE, GENES, PATHWAYS)
    npy, npz, dense = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(npy, DENSE)
    sparse.save_npz(npz, sparse.csc_array(DENSE))
    np.savez(dense, m=DENSE, genes=GENES, pathways=PATHWAYS)
    return {
        "csv": frame.to_csv().encode(),
        "tsv": frame.to_csv(sep="\t").encode(),
        "npy": npy.getvalue(),
        "sparse npz": npz.getvalue(),
        "dense npz": dense.getvalue(),
    }


@pytest.mark.parametrize("kind", matrix_files())
@pytest.mark.parametrize("suffix", [".csv", ".npz", ".npy", ".gz", ""])
def test_row_09_a_matrix_is_told_by_content(tmp_path, kind, suffix):
    """The same matrix under any name; npy and scipy's npz hold no names, so some are made."""
    path = written(tmp_path, matrix_files()[kind], f"mask{suffix}")
    mask = bm.read_matrix(str(path))
    assert (mask.to_dense().to_numpy() == DENSE).all()
    named = kind not in ("npy", "sparse npz")
    assert mask.genes.tolist() == (GENES if named else [f"gene_{i}" for i in range(4)])


LONG = "".join(f"SET_{i}\tdesc {i * 7919}\tG{i}\tG{i * 31}\n" for i in range(1, 400))


@pytest.mark.parametrize("tenth", range(1, 10))
def test_row_10_a_truncated_gz_says_how_much_was_read(tmp_path, tenth):
    """Cut at every tenth: E-TRUNCATED with the size, and nothing is left behind.

    A plain text that was cut is a shorter text: only its sha256 could tell, as for bundled data.
    """
    packed = gzip.compress(LONG.encode())
    cut = packed[: len(packed) * tenth // 10]
    error = refused(read_gmt, tmp_path, cut)
    assert error.code == "E-TRUNCATED"
    assert f"truncated or damaged: its {len(cut)} bytes unpack to" in str(error)
    assert [path.name for path in tmp_path.iterdir()] == ["sets.gmt"]


@pytest.mark.parametrize("tenth", range(1, 10))
@pytest.mark.parametrize("name", ["m.npz", "m.npy"])
def test_row_10_a_truncated_array_says_how_much_was_read(tmp_path, name, tenth):
    """Cut at every tenth: an error with the sizes; a cut header is named as such."""
    path = tmp_path / name
    (np.save if name == "m.npy" else np.savez)(path, DENSE)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) * tenth // 10])
    error = refused(bm.read_matrix, path)
    if name == "m.npz":
        assert error.code == "E-TRUNCATED"
        assert f"{len(raw) * tenth // 10} bytes" in str(error)
    else:
        assert error.code == ("E-NPY" if tenth < 6 else "E-TRUNCATED")


LIMITED = """
import resource, sys
import biomask as bm
from biomask.masks import readers  # imported before memory is limited
import numpy, pandas, scipy.sparse
with open("/proc/self/statm") as f:
    used = int(f.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (100 << 20),) * 2)
gz, npz = sys.argv[1:]
for read, path in [(bm.read_gmt, gz), (bm.read_matrix, gz), (bm.read_matrix, npz)]:
    try:
        read(path)
    except bm.ReadError as error:
        print(error.code)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_row_11_bombs_are_refused_with_100_mb_of_memory(tmp_path):
    """1 MB of gzip that holds 1 GB, and 200 kB of npz that hold 200 MB: nothing is allocated."""
    megabyte = gzip.compress(bytes(1 << 20))  # about 1 kB; gzip members simply follow each other
    gz = written(tmp_path, megabyte * 1024, "bomb.gmt.gz")
    np.savez_compressed(tmp_path / "bomb.npz", np.zeros((20_000, 10_000), np.uint8))
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, gz, tmp_path / "bomb.npz"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["E-BOMB"] * 3, done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("codec", ["latin-1", "utf-16"])
def test_row_12_other_encodings_are_named_by_line_and_byte(tmp_path, codec):
    """Every line that is no UTF-8, with its first byte; or the mark of UTF-16."""
    content = "A\tcafé\tG1\nB\tnaïve\tG2\n"
    error = refused(read_gmt, tmp_path, content.encode(codec))
    assert error.code == "E-ENCODING"
    places = {"latin-1": [(1, 6), (2, 5)], "utf-16": [(1, 1)]}[codec]
    assert [(p.line, p.column) for p in error.problems] == places
    assert f'encoding="{codec}"' in str(error)
    assert codec == "utf-16" or f"{tmp_path}/sets.gmt:1:6" in str(error)
    assert read_gmt(tmp_path, content.encode(codec), encoding=codec) == read_gmt(tmp_path, content)


def large_gmt(n_sets: int) -> bytes:
    """Sets of 40 out of 5,000 genes; about 300 bytes each, as in real collections."""
    members = np.random.default_rng(0).integers(0, 5000, (n_sets, 40))
    return "".join(
        f"SET_{i}\tdescription\t" + "\t".join(f"GENE{g}" for g in genes) + "\n"
        for i, genes in enumerate(members)
    ).encode()


def test_row_13_memory_grows_with_the_file_and_no_faster(tmp_path):
    """Under 20 bytes for each of the file (2 GB for 100 MB); benchmarks/reading.py has the time."""
    peaks, sizes = [], []
    for n_sets in (1000, 4000):
        path = written(tmp_path, large_gmt(n_sets), "sets.gmt")
        tracemalloc.start()
        assert bm.read_gmt(path).shape == (5000, n_sets)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        sizes.append(path.stat().st_size)
    assert peaks[1] < 20 * sizes[1]
    assert peaks[1] < 1.2 * peaks[0] * sizes[1] / sizes[0]


def test_row_13_a_large_file_shows_its_progress(tmp_path, monkeypatch):
    """A bar over all lines, for files that take seconds."""
    shown = []

    def bar(lines, **options):
        shown.append((len(lines), options["desc"]))
        return lines

    monkeypatch.setattr("tqdm.auto.tqdm", bar)
    small = read_gmt(tmp_path, CLEAN)
    assert not shown
    monkeypatch.setattr("biomask.masks.text._BIG", len(CLEAN))
    assert read_gmt(tmp_path, CLEAN) == small
    assert shown == [(2, "reading")]


@pytest.mark.parametrize(
    ("read", "kind"), [(read_gmt, "GMT"), (read_table, "a table"), (read_edges, "a table")]
)
def test_row_14_a_web_page_is_named(tmp_path, read, kind):
    """An error page that was saved under the name of the file."""
    error = refused(read, tmp_path, b"\n  <!DOCTYPE html>\n<html><body>404</body></html>")
    assert error.code == "E-HTML"
    assert f"looks like HTML, not {kind}" in str(error)


# ------------------------------------------------------------------------ 15 to 18: tables

TABLE = "gene,P1,P2\nTP53,1,0\nATM,1,1\n"


@pytest.mark.parametrize("mark", [";", "|", " "], ids=["semicolon", "bar", "space"])
def test_row_15_a_wrong_delimiter(tmp_path, mark):
    """Neither commas nor tabs: the line, what it starts with, and what to save it as."""
    error = refused(read_table, tmp_path, TABLE.replace(",", mark))
    assert (error.code, error.line) == ("E-DELIMITER", 1)
    assert "Save the table as tab- or comma-separated text" in str(error)


def test_row_15_ragged_rows_and_wrong_cells_are_reported_together(tmp_path):
    """All of a file at once, each with row, gene, column and value."""
    error = refused(read_table, tmp_path, "gene,P1,P2\nA,1\nB,2,\nC,1,0\nD,nan,1\nE,1,0,0\n")
    assert [(p.code, p.line, p.column, p.genes) for p in error.problems] == [
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
    """Row, column and value of the cell."""
    error = refused(read_table, tmp_path, f"gene,P1,P2\nA,1,0\nB,0,{cell}\n")
    assert (error.code, error.line, error.column) == ("E-CELL", 3, "P2")
    assert f"{cell!r} in column 'P2'" in str(error)


def test_row_15_weights_only_on_request(tmp_path):
    """weighted=True takes any finite number, and nothing else."""
    content = "gene,P1,P2\nA,0.5,0\nB,-2,1e-3\n"
    assert refused(read_table, tmp_path, content).code == "E-CELL"
    mask = read_table(tmp_path, content, weighted=True)
    assert mask.to_dense().to_numpy().tolist() == [[0.5, 0], [-2, np.float32(1e-3)]]
    for cell in ("nan", "", "1_0", "inf"):
        error = refused(read_table, tmp_path, f"gene,P1,P2\nA,0.5,{cell}\n", weighted=True)
        assert (error.code, error.column) == ("E-CELL", "P2")
        assert "not a finite number" in str(error)


def test_row_16_repeated_names_are_listed_with_both_positions(tmp_path):
    """From the header as it is written: never TP53.1, which pandas would make of the second."""
    error = refused(read_table, tmp_path, "gene,P1,P2,P1\nA,1,0,1\nB,1,0,0\nA,1,1,1\n")
    assert [(p.code, p.line) for p in error.problems] == [("E-DUPLICATE", 1), ("E-DUPLICATE", 4)]
    assert "pathway 'P1' names columns 2, 4" in str(error)
    assert "gene 'A' is on line 2 too" in str(error)
    error = refused(read_table, tmp_path, "P1,P1\nA,1,0\n")  # without the cell above the genes
    assert "pathway 'P1' names columns 1, 2" in str(error)


ANY_NAME = st.one_of(st.sampled_from(ODD_NAMES), NAMES.filter(lambda name: "\t" not in name))


@pytest.mark.parametrize("mark", [",", "\t"], ids=["csv", "tsv"])
@settings(max_examples=40, deadline=None)
@given(
    genes=st.lists(ANY_NAME, min_size=3, max_size=8, unique=True),
    pathways=st.lists(ANY_NAME, min_size=2, max_size=5, unique=True),
    seed=st.integers(0, 99),
)
def test_row_17_names_of_a_matrix_stay_text(tmp_path_factory, mark, genes, pathways, seed):
    """nan, NA, TRUE, 1e5, Entrez numbers and whatever else is a name is read as that name."""
    values = np.random.default_rng(seed).integers(0, 2, (len(genes), len(pathways)))
    values[0, 0] = 1
    out = io.StringIO()
    writer = csv.writer(out, delimiter=mark, quoting=csv.QUOTE_ALL)
    writer.writerow(["gene", *pathways])
    writer.writerows([gene, *row] for gene, row in zip(genes, values.tolist(), strict=True))
    mask = read_table(tmp_path_factory.getbasetemp(), out.getvalue())
    assert mask.genes.tolist() == genes
    assert mask.pathways.tolist() == pathways
    assert (mask.to_dense().to_numpy() == values).all()


@pytest.mark.parametrize("mark", [",", "\t"], ids=["csv", "tsv"])
def test_row_17_names_that_are_not_quoted_stay_text(tmp_path, mark):
    """The same without quotes around them, in a matrix and in an edge list."""
    ones = np.eye(len(ODD_NAMES), dtype=int).astype(str).tolist()
    rows = [["gene", *ODD_NAMES], *([n, *row] for n, row in zip(ODD_NAMES, ones, strict=True))]
    mask = read_table(tmp_path, "\n".join(map(mark.join, rows)))
    assert mask.to_sets() == {name: [name] for name in ODD_NAMES}
    rows = [["gene", "pathway"], *([name, "1e5 NA"] for name in ODD_NAMES)]
    mask = read_edges(tmp_path, "\n".join(map(mark.join, rows)))
    assert mask.to_sets() == {"1e5 NA": ODD_NAMES}


def test_row_17_entrez_numbers_of_a_frame_become_text():
    """Integers are names; floats, which may have been NaN, are refused."""
    mask = bm.read_edges(pd.DataFrame({"gene": [7157, 472], "pathway": [1, "NA"]}))
    assert mask.to_sets() == {"1": ["7157"], "NA": ["472"]}
    error = refused(bm.read_edges, pd.DataFrame({"gene": [7157.0], "pathway": ["P"]}))
    assert (error.code, error.line) == ("E-NAME", 1)


def test_row_18_a_transposed_matrix_is_recognised(tmp_path):
    """Overlap with the data's genes is looked at both ways, by the reader and by align."""
    content = "pathway,TP53,ATM,CDK1\nP1,1,0,1\nP2,1,1,1\n"
    error = refused(read_table, tmp_path, content, genes=["ATM", "TP53", "EGFR"])
    assert error.code == "E-TRANSPOSED"
    assert "looks transposed: 2 of its 3 columns are genes of the data, and 0 of" in str(error)
    assert error.genes == ["TP53", "ATM"]
    assert read_table(tmp_path, TABLE, genes=["ATM", "P1"]).genes.tolist() == ["TP53", "ATM"]
    mask = read_table(tmp_path, content)  # nothing to compare with yet
    data = pd.DataFrame(np.ones((2, 3)), columns=["ATM", "TP53", "EGFR"])
    with pytest.raises(bm.AlignmentError, match="mask looks transposed") as caught:
        bm.align(mask, data)
    assert caught.value.code == "E-ALIGN-TRANSPOSED"


# ------------------------------------------------------------------------ 19, 20: arrays


class Canary:
    """Unpickled, it writes a file."""

    def __reduce__(self):
        return (open, ("canary", "w"))


@pytest.mark.parametrize("where", ["m.npz", "m.npy", "names.npz"])
def test_row_19_an_array_of_objects_is_refused_and_not_run(tmp_path, monkeypatch, where):
    """Pickled objects as the matrix or as names: refused, and no code of theirs runs."""
    monkeypatch.chdir(tmp_path)
    objects = np.full((2, 2), Canary(), dtype=object)
    if where == "m.npz":
        np.savez(where, objects)
    elif where == "m.npy":
        np.save(where, objects)
    else:
        np.savez(where, m=DENSE, genes=objects[0])
    error = refused(bm.read_matrix, where)
    assert error.code == "E-PICKLE"
    assert "np.array(names, dtype=str)" in error.hint
    assert not (tmp_path / "canary").exists()
    arrays = np.load(where, allow_pickle=True)  # which does run it
    for name in getattr(arrays, "files", []):
        arrays[name]
    assert (tmp_path / "canary").exists()


def test_row_19_a_bare_pickle_is_no_table(tmp_path, monkeypatch):
    """Named .npy, but only a pickle: no reader opens it."""
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, pickle.dumps(Canary()), "m.npy")
    assert refused(bm.read_matrix, path).code in ("E-ENCODING", "E-DELIMITER")
    assert not (tmp_path / "canary").exists()


def altered(path, matrix, **changes):
    """What `scipy.sparse.save_npz` writes, with some of its members changed or (None) left out."""
    sparse.save_npz(path, matrix)
    with np.load(path) as arrays:
        arrays = dict(arrays)
    np.savez(path, **{k: v for k, v in (arrays | changes).items() if v is not None})
    return path


DAMAGED = {
    "index out of range": {"indices": np.array([0, 2, 1, 1, 99])},
    "negative index": {"indices": np.array([0, 2, 1, 1, -1])},
    "huge index": {"indices": np.array([0, 2, 1, 1, 2**62])},
    "index beyond int64": {"indices": np.array([0, 2, 1, 1, 2**64 - 1], dtype=np.uint64)},
    "indices of floats": {"indices": np.array([0.0, 2, 1, 1, 0])},
    "indices in 2-D": {"indices": np.array([[0, 2, 1, 1, 0]])},
    "indptr not monotone": {"indptr": np.array([0, 4, 2, 4, 5])},
    "indptr beyond the data": {"indptr": np.array([0, 2, 4, 4, 500])},
    "indptr not from 0": {"indptr": np.array([1, 2, 4, 4, 5])},
    "indptr too short": {"indptr": np.array([0, 2, 5])},
    "wrong nnz": {"data": np.ones(3)},
    "no data": {"data": None},
    "shape too small": {"shape": np.array([4, 1])},
    "shape of 10^12 rows": {"shape": np.array([10**12, 3])},
    "shape of 10^12 columns": {"shape": np.array([4, 10**12])},
    "negative shape": {"shape": np.array([-4, 3])},
    "shape in 1-D": {"shape": np.array([4])},
    "shape of floats": {"shape": np.array([4.0, 3.0])},
    "another format": {"format": np.array("dia")},
    "format of a number": {"format": np.array(7)},
    "two formats": {"format": np.array(["csr", "csr"])},
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_row_20_a_damaged_sparse_matrix(tmp_path, damage):
    """Every part is checked before SciPy uses it: SciPy itself would crash the process."""
    path = altered(tmp_path / "m.npz", sparse.csr_array(DENSE), **DAMAGED[damage])
    assert refused(bm.read_matrix, path).code == "E-NPZ"


@pytest.mark.parametrize("part", ["row", "col"])
@pytest.mark.parametrize("position", [4, -1])
def test_row_20_a_damaged_coo_matrix(tmp_path, part, position):
    """The same where edges are pairs."""
    matrix = sparse.coo_array(DENSE)
    wrong = matrix.coords[part == "col"].copy()
    wrong[-1] = position
    path = altered(tmp_path / "m.npz", matrix, **{part: wrong})
    assert refused(bm.read_matrix, path).code == "E-NPZ"


MUTATIONS = """
import collections, json, sys, zipfile
import numpy as np
import biomask as bm
rng = np.random.default_rng(0)
path = sys.argv[1]
with zipfile.ZipFile(path) as archive:
    members = {name: archive.read(name) for name in archive.namelist()}
outcomes = collections.Counter()
file = open(path, "r+b")
for _ in range(10_000):
    changed = {name: bytearray(raw) for name, raw in members.items()}
    for _ in range(rng.integers(1, 4)):
        raw = changed[rng.choice(list(changed))]
        start = rng.choice([8, 60, 128, 128, len(raw) - 8])  # header and data alike
        raw[min(len(raw) - 1, start + rng.integers(0, 16))] = rng.integers(0, 256)
    file.seek(0)
    file.truncate()
    with zipfile.ZipFile(file, "w") as archive:  # with right checksums: the content is what is bad
        for name, raw in changed.items():
            archive.writestr(name, bytes(raw))
    file.flush()
    try:
        bm.read_matrix(path, weighted=True).to_dense()
        outcomes["read"] += 1
    except bm.BiomaskError as error:
        outcomes[error.code] += 1
print(json.dumps(outcomes))
"""


def test_row_20_ten_thousand_mutations_crash_nothing(tmp_path):
    """Members with changed bytes and right checksums: read or refused, by BiomaskError only."""
    named = {"genes": np.array(GENES), "pathways": np.array(PATHWAYS)}
    path = altered(tmp_path / "m.npz", sparse.csr_array(DENSE), **named)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MUTATIONS, path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    assert sum(outcomes.values()) == 10_000
    assert outcomes["read"] > 100  # some harmless, and most of each kind of check reached:
    assert {"E-NPY", "E-NPZ", "E-TRUNCATED", "E-MASK-NAMES"} <= outcomes.keys()


# ------------------------------------------------------------------------ 21: h5ad


@pytest.fixture
def h5ad(tmp_path):
    """A file with two matrices in varm."""
    data = anndata.AnnData(np.ones((4, 4), np.float32), var=pd.DataFrame(index=GENES))
    data.varm["array"], data.varm["sparse"] = DENSE, sparse.csr_matrix(DENSE)
    data.write_h5ad(tmp_path / "data.h5ad")
    return tmp_path / "data.h5ad"


def test_row_21_an_absent_key_names_those_there_are(h5ad):
    """The keys of varm are listed."""
    assert (bm.read_varm(h5ad, "sparse").to_dense().to_numpy() == DENSE).all()
    error = refused(bm.read_varm, h5ad, "mask")
    assert error.code == "E-KEY"
    assert "no key 'mask'; it has 'array', 'sparse'" in str(error)


@pytest.mark.parametrize("tenth", range(1, 10))
def test_row_21_a_truncated_file_says_how_much_is_there(h5ad, tenth):
    """n of m bytes, at every tenth."""
    raw = h5ad.read_bytes()
    h5ad.write_bytes(raw[: len(raw) * tenth // 10])
    error = refused(bm.read_varm, h5ad, "array")
    assert error.code == "E-TRUNCATED"
    assert f"truncated: {len(raw) * tenth // 10} of {len(raw)} bytes" in str(error)


@pytest.mark.parametrize("where", ["varm/outside", "obsm/outside", "varm/frame/outside"])
def test_row_21_links_to_other_files_are_refused(h5ad, tmp_path, where):
    """An external link anywhere in the file, with the file that it leads to."""
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret"] = DENSE
    with h5py.File(h5ad, "r+") as file:
        file[where] = h5py.ExternalLink(tmp_path / "other.h5", "secret")
    error = refused(bm.read_varm, h5ad, "array")
    assert error.code == "E-LINK"
    assert f"links to other files: '{where} -> {tmp_path}/other.h5'" in str(error)


@pytest.mark.parametrize("way", ["external", "virtual"])
def test_row_21_data_kept_in_other_files_is_refused(h5ad, tmp_path, way):
    """HDF5's two other ways to read from elsewhere."""
    secret = written(tmp_path, bytes(12), "secret")
    with h5py.File(h5ad, "r+") as file:
        if way == "external":
            file.create_dataset("varm/outside", (4, 3), "u1", external=[(secret, 0, 12)])
        else:
            layout = h5py.VirtualLayout((4, 3), "u1")
            layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "secret", (4, 3))
            file.create_virtual_dataset("varm/outside", layout)
    error = refused(bm.read_varm, h5ad, "outside")
    assert error.code == "E-LINK"
    assert "varm/outside (data in other files)" in str(error)


# ------------------------------------------------------------------------ 22: edges

EDGES = "gene,pathway\nTP53,P1\nATM,P1\nTP53,P2\n"


def test_row_22_a_missing_column(tmp_path):
    """The columns that there are, and which are wanted."""
    error = refused(read_edges, tmp_path, "\ngene,set\nTP53,P1\n")
    assert (error.code, error.line) == ("E-COLUMN", 2)
    assert "must be gene and pathway, or source and target; found ['gene', 'set']" in str(error)


def test_row_22_self_loops(tmp_path):
    """An error with its line, or kept on request: transcription factors regulate themselves."""
    content = "source,target\nTP53,ATM\nTP53,TP53\n"
    error = refused(read_edges, tmp_path, content)
    assert (error.code, error.line, error.genes) == ("E-SELF-LOOP", 3, ["TP53"])
    assert read_edges(tmp_path, content, on_self_loop="keep").to_sets() == {"TP53": ["ATM", "TP53"]}


def test_row_22_repeated_edges_are_kept_once_and_noted(tmp_path):
    """With both lines; there is nothing to decide."""
    mask = read_edges(tmp_path, EDGES + "TP53,P1\n")
    assert mask.to_sets() == {"P1": ["TP53", "ATM"], "P2": ["TP53"]}
    assert mask.report.to_numpy().tolist() == [["kept once", "TP53 -> P1", "also on line 2", 5]]


def test_row_22_repeated_edges_with_other_weights_are_refused(tmp_path):
    """With both lines and both weights."""
    error = refused(read_edges, tmp_path, "gene,pathway,weight\nA,P,1\nB,P,1\nA,P,-1\n")
    assert (error.code, error.line, error.genes) == ("E-DUPLICATE", 4, ["A"])
    assert "edge A -> P has weight -1 here and 1 on line 2" in str(error)


HIERARCHY = b"All\tid1\ta\tb\tc\nPart\tid2\ta\tb\nSmall\tid3\ta\n"


def test_row_22_a_cycle_between_pathways_is_printed(tmp_path):
    """Pathways that are parts of each other: the way around, by name."""
    gmt = written(tmp_path, HIERARCHY, "sets.gmt")
    path = written(tmp_path, "id1\tid2\nid2\tid3\nid3\tid1\n", "relations")
    error = refused(bm.read_hierarchy, gmt, path)
    assert error.code == "E-HIERARCHY-CYCLE"
    around = ["All", "Part", "Small"]
    turns = [" -> ".join([*around[i:], *around[:i], around[i]]) for i in range(3)]
    assert any(f"circle: {turn} (" in str(error) for turn in turns)


def test_row_22_a_node_without_a_gene_set_is_left_out_and_noted(tmp_path):
    """One is no error, as files of relations hold other species; none that is known is one."""
    gmt = written(tmp_path, HIERARCHY, "sets.gmt")
    hier = bm.read_hierarchy(gmt, written(tmp_path, "id1\tid2\nid9\tid3\n", "relations"))
    assert hier.report.set_index("action").loc["unknown pathway", "subject"] == "id9"
    assert hier.table.loc["Part", "parents"] == "All"
    path = written(tmp_path, "id8\tid9\n", "relations")
    assert refused(bm.read_hierarchy, gmt, path).code == "E-HIERARCHY-UNKNOWN"


def test_row_22_a_pathway_that_is_its_own_parent(tmp_path):
    """An error with its line, together with the other problems of the file."""
    gmt = written(tmp_path, HIERARCHY, "sets.gmt")
    path = written(tmp_path, "id1\tid2\nid2\tid2\nid3\n", "relations")
    error = refused(bm.read_hierarchy, gmt, path)
    assert [(p.code, p.line) for p in error.problems] == [("E-SELF-LOOP", 2), ("E-RAGGED", 3)]
