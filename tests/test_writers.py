"""Written, then read: nothing changes. What could not be read back is refused."""

import gzip
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import biomask as bm
from biomask.errors import BiomaskWarning, MaskError, StorageError

MASK = bm.Mask.from_sets({"B b": ["TP53", "CDK1"], "A": ["ATM", "TP53"]}, descriptions={"A": "x y"})
WEIGHTED = bm.Mask.from_dense(
    np.array([[0.1, -2.0], [0.0, 1e-7]]), genes=["g1", "g2"], pathways=["p", "q"], weighted=True
)

TEXT = st.text(st.characters(exclude_characters="\t\n\r\0", exclude_categories=["Cs"]), max_size=8)
NAMES = TEXT.filter(lambda name: name.strip() and not name.startswith(("\ufeff", "<", "PK", "%")))
SETS = st.dictionaries(
    NAMES, st.lists(NAMES, min_size=1, max_size=5, unique=True), min_size=1, max_size=5
)


@settings(max_examples=60, deadline=None)
@given(
    sets=SETS, name=st.sampled_from(["e.csv", "e.tsv", "e.csv.gz", "e"]), seed=st.integers(0, 99)
)
def test_written_edges_read_back_for_any_names(tmp_path_factory, sets, name, seed):
    matrix = bm.Mask.from_sets(sets).to_scipy()
    genes = bm.Mask.from_sets(sets).genes
    matrix.data[:] = np.random.default_rng(seed).normal(size=matrix.nnz)
    mask = bm.Mask(matrix, genes, list(sets))
    path = tmp_path_factory.getbasetemp() / name
    bm.write_edges(mask, path)
    back = bm.read_edges(path, on_self_loop="keep")
    assert back.select(genes=mask.genes, pathways=mask.pathways) == mask  # weights to the last bit


def test_gmt_text(tmp_path):
    bm.write_gmt(MASK, tmp_path / "m.gmt")
    assert (tmp_path / "m.gmt").read_bytes() == b"B b\t\tTP53\tCDK1\nA\tx y\tTP53\tATM\n"


def test_edges_text(tmp_path):
    bm.write_edges(MASK, tmp_path / "m.tsv")
    assert (tmp_path / "m.tsv").read_bytes() == (
        b"gene\tpathway\nTP53\tB b\nCDK1\tB b\nTP53\tA\nATM\tA\n"
    )
    bm.write_edges(WEIGHTED, tmp_path / "w.csv")
    assert (tmp_path / "w.csv").read_bytes() == (
        b"gene,pathway,weight\ng1,p,0.1\ng1,q,-2.0\ng2,q,1e-07\n"
    )


@pytest.mark.parametrize("write", [bm.write_gmt, bm.write_edges])
def test_gz_is_packed_and_always_the_same_bytes(tmp_path, write):
    write(MASK, tmp_path / "a.gz")
    write(MASK, tmp_path / "b.gz")
    write(MASK, tmp_path / "plain")
    packed = (tmp_path / "a.gz").read_bytes()
    assert packed == (tmp_path / "b.gz").read_bytes()
    assert packed[3:8] == b"\0\0\0\0\0"  # no file name, time 0
    assert gzip.decompress(packed) == (tmp_path / "plain").read_bytes()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a\tb", "holds a tab"),
        ("a\nb", "holds a newline"),
        ("a\rb", "holds a carriage return"),
        ("a\0b", "holds a NUL character"),
        ("a\ud800", "holds half a surrogate pair"),
        ("\ufeffa", "begins with a byte-order mark"),
        (" ", "is white space only"),
    ],
)
@pytest.mark.parametrize("write", [bm.write_gmt, bm.write_edges])
def test_names_that_could_not_be_read_back_are_refused_together(tmp_path, write, name, why):
    mask = bm.Mask.from_sets({name: ["g", name + name]})
    with pytest.raises(MaskError, match=why) as caught:
        write(mask, tmp_path / "m")
    assert caught.value.code == "E-WRITE-NAME"
    assert len(caught.value.problems) == 2
    assert caught.value.genes == [name + name]
    assert not (tmp_path / "m").exists()


def test_a_description_with_a_tab_is_refused_and_a_blank_one_is_not(tmp_path):
    bad = bm.Mask.from_sets({"A": ["g"]}, descriptions={"A": "x\ty"})
    with pytest.raises(MaskError, match=r"the description .* holds a tab"):
        bm.write_gmt(bad, tmp_path / "m.gmt")
    bm.write_edges(bad, tmp_path / "m.tsv")  # which has no descriptions
    bm.write_gmt(bm.Mask.from_sets({"A": ["g"]}, descriptions={"A": " "}), tmp_path / "m.gmt")
    assert bm.read_gmt(tmp_path / "m.gmt").descriptions["A"] == " "


@pytest.mark.parametrize("name", ["<HTML>", "PK\x03\x04", "%PDF-1", '{"A'])
def test_a_file_that_would_be_taken_for_another_kind_is_refused(tmp_path, name):
    with pytest.raises(MaskError, match=r"be taken for "):
        bm.write_gmt(bm.Mask.from_sets({name: ["g"]}), tmp_path / "m.gmt")
    bm.write_gmt(bm.Mask.from_sets({"A": ["g"], name: ["g"]}), tmp_path / "m.gmt")
    assert bm.read_gmt(tmp_path / "m.gmt").pathways.tolist() == ["A", name]


def test_a_gene_that_gmt_would_take_for_a_weighted_one_is_refused(tmp_path):
    mask = bm.Mask.from_sets({"A": ["TP53,1.0"]})
    with pytest.raises(MaskError, match="weight") as caught:
        bm.write_gmt(mask, tmp_path / "m.gmt")
    assert caught.value.code == "E-WRITE-NAME"
    bm.write_edges(mask, tmp_path / "m.tsv")
    assert bm.read_edges(tmp_path / "m.tsv") == mask


def test_gmt_refuses_weights(tmp_path):
    with pytest.raises(MaskError, match="Use write_edges") as caught:
        bm.write_gmt(WEIGHTED, tmp_path / "m.gmt")
    assert caught.value.code == "E-WRITE-WEIGHTS"


def test_what_the_file_cannot_hold_is_counted_in_a_warning(tmp_path):
    dense = np.array([[1, 0], [0, 0], [1, 0]])
    mask = bm.Mask.from_dense(dense, genes=["a", "b", "c"], pathways=["p", "empty"])
    with pytest.warns(BiomaskWarning, match="1 genes in no pathway are not in the file") as caught:
        bm.write_gmt(mask, tmp_path / "m.gmt")
    assert caught[0].filename == __file__
    assert str(caught[0].message) == (
        "1 genes in no pathway are not in the file: GMT has no place for them."
    )
    with pytest.warns(BiomaskWarning) as caught:
        bm.write_edges(mask, tmp_path / "m.tsv")
    assert str(caught[0].message) == (
        "1 genes and 1 pathways without an edge are not in the file: an edge list has no place "
        "for them."
    )
    assert caught[0].filename == __file__
    back = bm.read_gmt(tmp_path / "m.gmt", on_empty="keep")
    assert back.to_sets() == {"p": ["a", "c"], "empty": []}


@pytest.mark.parametrize(
    ("lost", "told"),
    [("genes", "1 genes and 0 pathways without"), ("pathways", "0 genes and 1 pathways without")],
)
def test_genes_or_pathways_without_an_edge_are_enough_for_a_warning(tmp_path, lost, told):
    sets = {"p": ["a"]} | ({"empty": []} if lost == "pathways" else {})
    mask = bm.Mask.from_sets(sets, genes=["a", "b"] if lost == "genes" else ["a"])
    with pytest.warns(BiomaskWarning, match=told):
        bm.write_edges(mask, tmp_path / "m.tsv")


def test_what_the_file_holds_whole_is_no_cause_for_a_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bm.write_edges(MASK, tmp_path / "m.tsv")
        bm.write_gmt(MASK, tmp_path / "m.gmt")


@pytest.mark.parametrize(
    ("name", "mark"),
    [
        *(("m.csv", b","), ("m.CSV", b","), ("m.csv.gz", b","), ("m.Csv.GZ", b",")),
        *(("m.tsv", b"\t"), ("m.csv.old.gz", b"\t"), ("csv", b"\t")),
    ],
)
def test_the_ending_tells_what_separates_and_packs(tmp_path, name, mark):
    bm.write_edges(MASK, tmp_path / name)
    content = (tmp_path / name).read_bytes()
    if name.lower().endswith(".gz"):
        content = gzip.decompress(content)
    assert content.startswith(b"gene" + mark + b"pathway\n")


def test_what_could_not_be_read_back_is_told(tmp_path):
    mask = bm.Mask.from_sets({"P\t1": ["g", " "]})
    with pytest.raises(MaskError) as caught:
        bm.write_gmt(mask, tmp_path / "m")
    assert [(p.problem, p.code, p.genes) for p in caught.value.problems] == [
        (
            *("the gene ' ' is white space only, which could not be read back", "E-WRITE-NAME"),
            [" "],
        ),
        (r"the pathway 'P\t1' holds a tab, which could not be read back", "E-WRITE-NAME", []),
    ]
    with pytest.raises(MaskError) as caught:
        bm.write_gmt(bm.Mask.from_sets({"<html>" + "x" * 20: ["g"]}), tmp_path / "m")
    assert (caught.value.problem, caught.value.code) == (
        "the file would begin with '<html>xxxxxxxxxxxxxx' and be taken for an HTML page",
        "E-WRITE-NAME",
    )


@pytest.mark.parametrize("write", [bm.write_gmt, bm.write_edges])
def test_overwrite_and_missing_folder(tmp_path, write):
    path = tmp_path / "m"
    path.write_text("mine")
    with pytest.raises(StorageError, match="the file exists"):
        write(MASK, path, overwrite=False)
    assert path.read_text() == "mine"
    write(MASK, path)
    assert path.read_text() != "mine"
    with pytest.raises(StorageError, match="cannot write the file"):
        write(MASK, tmp_path / "no" / "m")
