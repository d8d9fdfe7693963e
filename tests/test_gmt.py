"""GMT files, and the readers of others; rows 1 to 14 are in acceptance/."""

import gzip

import decoupler
import gseapy.parser
import pytest

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
    assert all(problem.hint for problem in caught.value.problems)
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


def test_a_set_without_a_name(tmp_path):
    error = refused(tmp_path, b"A\td\tG1\n\td\tG1\n")
    assert (error.code, error.line) == ("E-GMT-NAME", 2)


def test_a_missing_description_column_is_suspected(tmp_path):
    content = "A\tG1\tG2\tG3\nB\tG2\tG3\tG1\nC\tG3\tG1\tG2\n"
    with pytest.warns(BiomaskWarning, match="descriptions of 3 of 3 sets, such as 'G1'"):
        read(tmp_path, content)


def test_trailing_tabs_are_counted(tmp_path):
    mask = read(tmp_path, b"A\td\tG1\t\t\nB\td\tG2\nC\td\tG2\t\n")
    assert report_of(mask) == [("ignored trailing tabs", "file", 1)]
    assert mask.report["detail"].tolist() == ["2 lines"]


def test_an_empty_field_between_genes_is_skipped_and_noted(tmp_path):
    mask = read(tmp_path, b"A\td\tG1\t\tG2\n")
    assert mask.to_sets() == {"A": ["G1", "G2"]}
    assert report_of(mask) == [("skipped empty field", "A", 1)]


def test_a_new_name_never_takes_one_of_the_file(tmp_path):
    mask = read(tmp_path, b"A\td\tG1\nA\td\tG2\nA (2)\td\tG3\n", on_duplicate="rename")
    assert mask.to_sets() == {"A": ["G1"], "A (3)": ["G2"], "A (2)": ["G3"]}


def test_three_sets_of_one_name(tmp_path):
    mask = read(tmp_path, b"A\td\tG1\nA\td\tG2\nA\td\tG3\n", on_duplicate="rename")
    assert mask.to_sets() == {"A": ["G1"], "A (2)": ["G2"], "A (3)": ["G3"]}
    mask = read(tmp_path, b"A\td\tG1\nA\td\tG2\nA\td\tG3\n", on_duplicate="union")
    assert mask.to_sets() == {"A": ["G1", "G2", "G3"]}


def test_every_repeat_is_reported(tmp_path):
    error = refused(tmp_path, b"A\td\tG1\nA\td\tG2\nB\td\tG1\nB\td\tG3\n")
    assert [p.line for p in error.problems] == [2, 4]


@pytest.mark.parametrize("content", [b"", b"\n\n", gzip.compress(b"", mtime=0)])
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
