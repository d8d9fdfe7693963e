"""GMT files: rows 1 to 9, 12 and 14 of the acceptance table, and the readers of others."""

import gzip

import decoupler
import gseapy.parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import biomask as bm
from biomask import datasets
from biomask.errors import ArgumentError, BiomaskWarning, ReadError

CLEAN = b"Cell cycle\tR-HSA-1\tTP53\tCDK1\nRepair\tR-HSA-2\tTP53\tBRCA1\tATM\n"
SETS = {"Cell cycle": ["TP53", "CDK1"], "Repair": ["TP53", "BRCA1", "ATM"]}


def read(tmp_path, content, name="sets.gmt", **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return bm.read_gmt(path, **options)


def refused(tmp_path, content, **options) -> ReadError:
    with pytest.raises(ReadError) as caught:
        read(tmp_path, content, **options)
    assert caught.value.file == str(tmp_path / "sets.gmt")
    return caught.value


def report_of(mask):
    return [tuple(row) for row in mask.report[["action", "subject", "line"]].to_numpy().tolist()]


def test_reads_names_genes_and_descriptions(tmp_path):
    mask = read(tmp_path, CLEAN)
    assert mask.to_sets() == SETS
    assert mask.genes.tolist() == ["TP53", "CDK1", "BRCA1", "ATM"]
    assert mask.descriptions.to_dict() == {"Cell cycle": "R-HSA-1", "Repair": "R-HSA-2"}
    assert mask.to_dense().to_numpy().tolist() == [[1, 1], [1, 0], [0, 1], [0, 1]]
    assert mask.report.empty


def test_row_01_lines_without_tabs_are_all_reported(tmp_path):
    error = refused(tmp_path, b"A\td\tG1\nB  d  G1  G2\nC,d,G1\n")
    assert [p.line for p in error.problems] == [2, 3]
    assert error.code == "E-GMT-TABS"
    assert f"{tmp_path}/sets.gmt:2: no tab in the line, which starts with 'B  d  G1  G2'" in str(
        error
    )
    assert "save the file as tab-separated text" in str(error)


@pytest.mark.parametrize("line", ["B\tonly a description", "B\t", "B\td\t\t \t"])
def test_row_02_a_set_without_genes(tmp_path, line):
    content = f"A\td\tG1\n{line}\n"
    error = refused(tmp_path, content)
    assert (error.code, error.line) == ("E-GMT-EMPTY", 2)
    mask = read(tmp_path, content, on_empty="keep")
    assert mask.sizes().to_dict() == {"A": 1, "B": 0}
    assert ("kept empty set", "B", 2) in report_of(mask)


def test_a_set_without_a_name(tmp_path):
    error = refused(tmp_path, b"A\td\tG1\n\td\tG1\n")
    assert (error.code, error.line) == ("E-GMT-NAME", 2)


@pytest.mark.parametrize("text", ["", "na", " ", "http://a.org/x?y=1", "NA", "> free text"])
def test_row_03_the_first_gene_is_kept_whatever_the_description(tmp_path, text):
    mask = read(tmp_path, f"A\t{text}\tG1\tG2\n")
    assert mask.to_sets() == {"A": ["G1", "G2"]}
    assert mask.descriptions["A"] == text


def test_row_03_a_missing_description_column_is_suspected(tmp_path):
    content = "A\tG1\tG2\tG3\nB\tG2\tG3\tG1\nC\tG3\tG1\tG2\n"
    with pytest.warns(BiomaskWarning, match="descriptions of 3 of 3 sets, such as 'G1'"):
        read(tmp_path, content)


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


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.replace(b"\n", b"\r\n"),
        lambda raw: raw.replace(b"\n", b"\r"),
        lambda raw: b"\xef\xbb\xbf" + raw,
        lambda raw: raw.replace(b"\n", b"\t\t\t\n"),
        lambda raw: raw + b"\n",
        lambda raw: raw + b"\r\n\r\n",
        lambda raw: raw.removesuffix(b"\n"),
        lambda raw: b"\n" + raw,
    ],
    ids=["crlf", "cr", "bom", "tabs", "blank", "blanks", "no-end", "blank-first"],
)
@settings(max_examples=30, deadline=None)
@given(lines=LINES)
def test_row_04_06_harmless_changes_of_the_bytes_keep_the_digest(tmp_path_factory, change, lines):
    tmp_path = tmp_path_factory.getbasetemp()
    raw = "".join("\t".join(fields) + "\n" for fields in lines).encode()
    mask, changed = read(tmp_path, raw), read(tmp_path, change(raw))
    assert changed.digest == mask.digest
    assert changed.descriptions.tolist() == [fields[1] for fields in lines]
    assert {name: set(genes) for name, genes in mask.to_sets().items()} == {
        fields[0]: set(fields[2:]) for fields in lines
    }


def test_row_04_trailing_tabs_are_counted(tmp_path):
    mask = read(tmp_path, b"A\td\tG1\t\t\nB\td\tG2\nC\td\tG2\t\n")
    assert report_of(mask) == [("ignored trailing tabs", "file", 1)]
    assert mask.report["detail"].tolist() == ["2 lines"]


def test_row_05_empty_lines_in_the_middle_are_skipped_and_counted(tmp_path):
    mask = read(tmp_path, b"A\td\tG1\n\n \t\nB\td\tG2\tG1\n")
    assert mask.to_sets() == {"A": ["G1"], "B": ["G1", "G2"]}
    assert report_of(mask) == [("skipped empty lines", "file", 2)]
    assert mask.report["detail"].tolist() == ["2 lines"]


def test_an_empty_field_between_genes_is_skipped_and_noted(tmp_path):
    mask = read(tmp_path, b"A\td\tG1\t\tG2\n")
    assert mask.to_sets() == {"A": ["G1", "G2"]}
    assert report_of(mask) == [("skipped empty field", "A", 1)]


@pytest.mark.parametrize("name", ["\"quoted\" 'name'", "α → β", " lead", "trail ", "a,b;c", "nan"])
def test_row_06_names_are_kept_exactly(tmp_path, name):
    mask = read(tmp_path, f"{name}\td\t{name} gene\n")
    assert mask.to_sets() == {name: [f"{name} gene"]}


def test_row_07_a_repeat_with_the_same_genes_is_kept_once(tmp_path):
    mask = read(tmp_path, b"A\td\tG1\tG2\nB\td\tG1\nA\tother\tG2\tG1\n")
    assert mask.to_sets() == {"A": ["G1", "G2"], "B": ["G1"]}
    assert report_of(mask) == [("kept once", "A", 3)]
    assert "description 'other' of line 3 was left out" in mask.report["detail"][0]


REPEATED = b"A\td\tG1\tG2\nB\td\tG1\nA\te\tG2\tG3\nA\tf\tG2\tG3\n"


def test_row_07_a_repeat_with_other_genes_is_an_error_with_both_lines(tmp_path):
    error = refused(tmp_path, REPEATED)
    assert (error.code, error.line) == ("E-GMT-DUPLICATE", 3)
    assert "gene set 'A' is on line 1 too" in str(error)
    assert error.genes == ["G1", "G3"]


@pytest.mark.parametrize(
    ("how", "sets", "actions"),
    [
        (
            "first",
            {"A": ["G1", "G2"], "B": ["G1"]},
            [("dropped repeated set", "A", 3), ("kept once", "A", 4)],
        ),
        (
            "union",
            {"A": ["G1", "G2", "G3"], "B": ["G1"]},
            [("merged sets", "A", 3), ("kept once", "A", 4)],
        ),
        (
            "rename",
            {"A": ["G1", "G2"], "B": ["G1"], "A (2)": ["G2", "G3"]},
            [("renamed set", "A", 3), ("kept once", "A", 4)],
        ),
    ],
)
def test_row_07_on_duplicate(tmp_path, how, sets, actions):
    mask = read(tmp_path, REPEATED, on_duplicate=how)
    assert mask.to_sets() == sets
    assert report_of(mask) == actions
    assert mask.genes.tolist() == (["G1", "G2"] if how == "first" else ["G1", "G2", "G3"])


def test_row_07_a_new_name_never_takes_one_of_the_file(tmp_path):
    mask = read(tmp_path, b"A\td\tG1\nA\td\tG2\nA (2)\td\tG3\n", on_duplicate="rename")
    assert mask.to_sets() == {"A": ["G1"], "A (3)": ["G2"], "A (2)": ["G3"]}


def test_row_07_three_sets_of_one_name(tmp_path):
    mask = read(tmp_path, b"A\td\tG1\nA\td\tG2\nA\td\tG3\n", on_duplicate="rename")
    assert mask.to_sets() == {"A": ["G1"], "A (2)": ["G2"], "A (3)": ["G3"]}
    mask = read(tmp_path, b"A\td\tG1\nA\td\tG2\nA\td\tG3\n", on_duplicate="union")
    assert mask.to_sets() == {"A": ["G1", "G2", "G3"]}


def test_row_07_every_repeat_is_reported(tmp_path):
    error = refused(tmp_path, b"A\td\tG1\nA\td\tG2\nB\td\tG1\nB\td\tG3\n")
    assert [p.line for p in error.problems] == [2, 4]


def test_row_08_a_gene_twice_in_a_set_is_kept_once(tmp_path):
    mask = read(tmp_path, b"A\td\tG1\tG2\tG1\tG1\n")
    assert mask.to_dense().to_numpy().max() == 1
    assert mask.to_sets() == {"A": ["G1", "G2"]}
    assert mask.report.to_numpy().tolist() == [["kept once", "G1", "listed 3 times in 'A'", 1]]


@pytest.mark.parametrize("name", ["sets.gmt.gz", "sets.txt", "sets", "sets.csv", "sets.gmt"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_row_09_told_by_content(tmp_path, name, pack):
    assert read(tmp_path, pack(CLEAN), name=name) == read(tmp_path, CLEAN)


def test_row_12_encodings(tmp_path):
    content = "A\tcafé\tG1\nB\tnaïve\tG2\n"
    error = refused(tmp_path, content.encode("latin-1"))
    assert error.code == "E-ENCODING"
    assert [(p.line, p.column) for p in error.problems] == [(1, 6), (2, 5)]
    assert f"{tmp_path}/sets.gmt:1:6" in str(error)
    assert 'encoding="latin-1"' in str(error)
    assert read(tmp_path, content.encode("latin-1"), encoding="latin-1") == read(tmp_path, content)


def test_row_14_a_web_page_is_named(tmp_path):
    error = refused(tmp_path, b"\n  <!DOCTYPE html>\n<html><body>404</body></html>")
    assert error.code == "E-HTML"
    assert "looks like HTML, not GMT" in str(error)


@pytest.mark.parametrize("content", [b"", b"\n\n", gzip.compress(b"")])
def test_empty_files(tmp_path, content):
    assert refused(tmp_path, content).code == "E-EMPTY"


@pytest.mark.parametrize("option", ["on_duplicate", "on_empty"])
def test_unknown_options_are_refused(tmp_path, option):
    with pytest.raises(ArgumentError, match=f"{option} must be one of 'error'.*received 'skip'"):
        read(tmp_path, CLEAN, **{option: "skip"})


def test_problems_of_different_kinds_are_reported_together(tmp_path):
    error = refused(tmp_path, b"A d G1\nB\td\n\td\tG1\n")
    assert [p.code for p in error.problems] == ["E-GMT-TABS", "E-GMT-EMPTY", "E-GMT-NAME"]


# ------------------------------------------------------------------------ the readers of others

FILES = datasets.__path__[0] + "/files/"


@pytest.fixture(scope="module", params=["hallmark", "reactome"])
def collection(request, tmp_path_factory):
    """A bundled file as plain .gmt, which is all that others read, and our mask of it."""
    name = {
        "hallmark": "h.all.v2023.1.Hs.symbols.gmt",
        "reactome": "ReactomePathways.gmt.gz",
    }[request.param]
    with open(FILES + name, "rb") as file:
        raw = file.read()
    path = tmp_path_factory.mktemp("gmt") / "sets.gmt"
    path.write_bytes(gzip.decompress(raw) if name.endswith(".gz") else raw)
    return path, bm.read_gmt(FILES + name)


def test_gseapy_reads_the_same_sets(collection):
    path, mask = collection
    theirs = gseapy.parser.read_gmt(str(path))
    assert list(theirs) == mask.pathways.tolist()
    assert {name: set(genes) for name, genes in theirs.items()} == {
        name: set(genes) for name, genes in mask.to_sets().items()
    }


def test_decoupler_reads_the_same_sets_once_no_name_has_a_space(collection, tmp_path):
    path, mask = collection
    spaceless = tmp_path / "spaceless.gmt"
    spaceless.write_text(path.read_text().replace(" ", "\N{OPEN BOX}"))
    theirs = decoupler.pp.read_gmt(str(spaceless)).groupby("source", sort=False)["target"].agg(set)
    assert {
        name.replace("\N{OPEN BOX}", " "): {gene.replace("\N{OPEN BOX}", " ") for gene in genes}
        for name, genes in theirs.items()
    } == {name: set(genes) for name, genes in mask.to_sets().items()}


def test_decoupler_cuts_names_that_ours_keeps(collection):
    path, mask = collection
    theirs = decoupler.pp.read_gmt(str(path))
    spaced = [name for name in [*mask.pathways, *mask.genes] if " " in name]
    if "HALLMARK_HYPOXIA" in mask.pathways:
        assert not spaced
        return
    assert len(mask.pathways) == 2681
    assert theirs["source"].nunique() == 1128
    assert "18S rRNA" in mask.genes
    assert not set(spaced) & {*theirs["source"], *theirs["target"]}


def test_where_others_silently_differ_ours_keeps_gene_and_name(tmp_path):
    path = tmp_path / "sets.gmt"
    path.write_text(
        "Cell cycle\tR-HSA-1\tTP53\tCDK1\nRepair\t\tATM\tBRCA1\nRepair\tx\tATR\tFANCA\n"
    )
    decouplers = decoupler.pp.read_gmt(str(path)).groupby("source")["target"].agg(list)
    assert decouplers["Cell"] == ["R-HSA-1", "TP53", "CDK1"]  # the name is cut, the id is a gene
    assert decouplers["Repair"] == ["BRCA1", "ATR", "FANCA"]  # ATM was taken for the description
    assert gseapy.parser.read_gmt(str(path))["Repair"] == ["ATR", "FANCA"]  # the first set is gone
    mask = bm.read_gmt(path, on_duplicate="union")
    assert mask.to_sets() == {
        "Cell cycle": ["TP53", "CDK1"],
        "Repair": ["ATM", "BRCA1", "ATR", "FANCA"],
    }
