"""Mask: labelled, immutable, equal by content; and every mask made from it."""

import hashlib
import itertools
import re
import struct
import warnings
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import biomask as bm
from biomask.masks.mask import Note
from biomask.masks.overlap import identical_columns, jaccard, linked, nearest
from biomask.masks.packing import mask_from_config, mask_to_config
from biomask.masks.rewiring import curveball
from biomask.masks.transforms import rename_genes
from biomask.storage import pack, unpack

DENSE = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1]])
GENES, PATHWAYS = ["A", "B", "C", "D"], ["P1", "P2", "P3"]


@pytest.fixture
def mask():
    return bm.Mask.from_dense(DENSE, GENES, PATHWAYS)


@pytest.fixture
def weighted():
    return bm.Mask.from_dense([[1.5, 0], [-2, 0.5], [0, 1]], list("ABC"), list("PQ"), weighted=True)


@st.composite
def masks(draw, max_genes=7, max_pathways=5):
    shape = draw(st.integers(1, max_genes)), draw(st.integers(1, max_pathways))
    cells = st.lists(st.booleans(), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1])
    dense = np.array(draw(cells.filter(any))).reshape(shape)
    names = st.lists(st.text(min_size=1), min_size=sum(shape), max_size=sum(shape), unique=True)
    names = draw(names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bm.BiomaskWarning)
        return bm.Mask.from_dense(dense, names[: shape[0]], names[shape[0] :])


# ------------------------------------------------------------------------ what it is


def test_members(mask):
    assert mask.genes.tolist() == GENES
    assert mask.pathways.tolist() == PATHWAYS
    assert (mask.genes.name, mask.pathways.name) == ("gene", "pathway")
    assert mask.shape == (4, 3)
    assert mask.n_edges == 6
    assert mask.density == 0.5
    assert mask.weighted is False
    assert mask.sizes().to_dict() == {"P1": 2, "P2": 3, "P3": 1}
    assert mask.degrees().to_dict() == {"A": 1, "B": 2, "C": 1, "D": 2}
    assert mask.to_sets() == {"P1": ["A", "B"], "P2": ["B", "C", "D"], "P3": ["D"]}
    assert (mask.sizes().name, mask.degrees().name) == ("size", "degree")
    assert mask.descriptions.name == "description"
    assert mask.report.columns.tolist() == ["action", "subject", "detail", "line"]


def test_edges_are_sorted_by_pathway_then_gene(mask):
    rows, cols = mask.edge_index
    assert rows.tolist() == [0, 1, 1, 2, 3, 3]
    assert cols.tolist() == [0, 0, 1, 1, 1, 2]
    assert rows.dtype == cols.dtype == np.int32
    assert mask.edge_values.tolist() == [1] * 6
    edges = mask.to_edges()
    assert edges.columns.tolist() == ["gene", "pathway", "weight"]
    assert edges["gene"].tolist() == list("ABBCDD")
    assert edges["pathway"].tolist() == ["P1", "P1", "P2", "P2", "P2", "P3"]
    assert edges["weight"].tolist() == [1] * 6
    assert edges["weight"].dtype == np.float32


def test_to_dense_is_labelled(mask, weighted):
    dense = mask.to_dense()
    pd.testing.assert_frame_equal(
        dense, pd.DataFrame(DENSE, mask.genes, mask.pathways, dtype=np.int8)
    )
    values = weighted.to_dense()
    assert values.to_numpy().tolist() == [[1.5, 0], [-2, 0.5], [0, 1]]
    assert (values.dtypes == np.float32).all()


def test_to_scipy(mask):
    matrix = mask.to_scipy()
    assert isinstance(matrix, sparse.csc_array)
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix.toarray(), DENSE)


def test_names_of_an_unnamed_matrix():
    mask = bm.Mask.from_dense(np.eye(3))
    assert mask.genes.tolist() == ["gene_0", "gene_1", "gene_2"]
    assert mask.pathways.tolist() == ["pathway_0", "pathway_1", "pathway_2"]


def test_frame_brings_its_names(mask):
    assert bm.Mask.from_dense(pd.DataFrame(DENSE, GENES, PATHWAYS)) == mask
    other = bm.Mask.from_dense(pd.DataFrame(DENSE, GENES, PATHWAYS), genes=list("wxyz"))
    assert other.genes.tolist() == list("wxyz")


@pytest.mark.parametrize(
    "convert",
    [np.asarray, np.float16, np.bool_, np.object_, sparse.csr_matrix, sparse.coo_array, list, iter],
)
def test_from_dense_accepts_any_matrix(mask, convert):
    array = DENSE if convert is iter else convert(DENSE)
    names = (iter(GENES), iter(PATHWAYS)) if convert is iter else (GENES, PATHWAYS)
    assert bm.Mask.from_dense(array, *names) == mask


def test_integer_names_become_text():
    mask = bm.Mask.from_dense([[1], [1]], [7157, np.int64(672)], ["nan"])
    assert mask.genes.tolist() == ["7157", "672"]
    assert mask.pathways.tolist() == ["nan"]


def test_from_sets(mask):
    assert bm.Mask.from_sets({"P1": list("AB"), "P2": list("BCD"), "P3": ["D"]}) == mask
    twice = bm.Mask.from_sets({"P1": ["A", "B", "A"], "P2": list("BCD"), "P3": ["D"]})
    assert twice == mask
    assert not twice.weighted
    ordered = bm.Mask.from_sets({"P": ["B", "A"]}, genes=["A", "B", "C"])
    assert ordered.genes.tolist() == ["A", "B", "C"]
    assert ordered.sizes().tolist() == [2]


def test_empty_pathway_and_idle_gene_are_kept():
    mask = bm.Mask.from_sets({"P": ["A"], "empty": []}, genes=["A", "idle"])
    assert mask.sizes().to_dict() == {"P": 1, "empty": 0}
    assert mask.degrees().to_dict() == {"A": 1, "idle": 0}
    assert mask.to_sets() == {"P": ["A"], "empty": []}
    assert "empty" in mask._repr_html_()


# ------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("make", "code", "told"),
    [
        (lambda: bm.Mask.from_dense([[1, 2], [0.5, 0]]), "E-MASK-VALUE", "gene_0 x pathway_1 = 2"),
        (lambda: bm.Mask.from_dense([[1, np.nan]]), "E-MASK-VALUE", "gene_0 x pathway_1 = nan"),
        (lambda: bm.Mask.from_dense([["a"]]), "E-MASK-VALUE", "numbers"),
        (lambda: bm.Mask.from_dense([[1, np.inf]], weighted=True), "E-MASK-VALUE", "not finite"),
        (lambda: bm.Mask.from_dense([1, 0]), "E-MASK-SHAPE", "shape (2,)"),
        (lambda: bm.Mask.from_dense(np.ones((1, 1, 1))), "E-MASK-SHAPE", "shape (1, 1, 1)"),
        (lambda: bm.Mask.from_dense(np.zeros((2, 2))), "E-MASK-EMPTY", "2 genes x 2 pathways"),
        (lambda: bm.Mask.from_dense(np.zeros((0, 2))), "E-MASK-EMPTY", "no connection"),
        (
            lambda: bm.Mask.from_dense([[1]], ["A", "B"]),
            "E-MASK-NAMES",
            "1 genes, but 2 gene names",
        ),
        (lambda: bm.Mask.from_dense([[1], [1]], ["A", "A"]), "E-MASK-DUPLICATE", "[[1, 2]]"),
        (lambda: bm.Mask.from_dense([[1, 1]], ["A"], ["P", "P"]), "E-MASK-DUPLICATE", "pathway"),
        (lambda: bm.Mask.from_dense([[1], [1]], ["A", ""]), "E-MASK-NAMES", "positions '2'"),
        (lambda: bm.Mask.from_dense([[1], [1]], ["A", None]), "E-MASK-NAMES", "text"),
        (lambda: bm.Mask.from_dense([[1], [1]], ["A", np.nan]), "E-MASK-NAMES", "text"),
        (lambda: bm.Mask.from_dense([[1], [1]], ["A", True]), "E-MASK-NAMES", "text"),
        (lambda: bm.Mask.from_dense([[1]], "A"), "E-MASK-NAMES", "single text"),
        (lambda: bm.Mask.from_sets({"P": ["A", "B"]}, genes=["A"]), "E-MASK-NAMES", "'B'"),
        (lambda: bm.Mask.from_sets({"P": []}), "E-MASK-EMPTY", "no connection"),
        (lambda: bm.Mask.from_sets({}), "E-MASK-EMPTY", "no connection"),
    ],
)
def test_errors(make, code, told):
    with pytest.raises(bm.MaskError) as caught:
        make()
    assert caught.value.code == code
    assert told in str(caught.value)


def refused(make):
    with pytest.raises(bm.MaskError) as caught:
        make()
    return caught.value.code, caught.value.genes, caught.value.problem


@pytest.mark.parametrize(
    ("names", "code", "told", "problem"),
    [
        (
            "AB",
            "E-MASK-NAMES",
            [],
            "gene names must be a list of names, received the single text 'AB'",
        ),
        (["A"], "E-MASK-NAMES", [], "the matrix has 2 genes, but 1 gene names were given"),
        (
            ["A", "B", "C"],
            "E-MASK-NAMES",
            [],
            "the matrix has 2 genes, but 3 gene names were given",
        ),
        (["A", np.True_], "E-MASK-NAMES", ["True"], "gene names must be text"),
        ([False, 1.0], "E-MASK-NAMES", ["False", "1.0"], "gene names must be text"),
        (["", ""], "E-MASK-NAMES", [], "gene names are empty at positions '1', '2'"),
        (["7", 7], "E-MASK-DUPLICATE", ["7"], "1 gene names are repeated, at positions [[1, 2]]"),
    ],
)
def test_names_that_make_no_mask_are_told(names, code, told, problem):
    assert refused(lambda: bm.Mask.from_dense([[1], [1]], names)) == (code, told, problem)


def test_repeated_names_are_told_with_the_places_of_the_first_ten():
    names = [f"P{i % 12}" for i in range(25)]
    code, genes, problem = refused(lambda: bm.Mask.from_dense(np.eye(25), pathways=names))
    assert (code, genes) == ("E-MASK-DUPLICATE", [f"P{i}" for i in range(12)])
    places = [[1, 13, 25], *([i, i + 12] for i in range(2, 11))]
    assert problem == f"12 pathway names are repeated, at positions {places}"


def test_values_that_need_weights_are_told_with_the_first_ten():
    dense = np.array([[0, 2, 1, 0.5], [0, -1, 1, 0]])
    problem = (
        "3 values are neither 0 nor 1: gene_0 x pathway_1 = 2.0; gene_1 x pathway_1 = -1.0; "
        "gene_0 x pathway_3 = 0.5"
    )
    assert refused(lambda: bm.Mask.from_dense(dense)) == ("E-MASK-VALUE", [], problem)
    eleven = "; ".join(f"gene_{i} x pathway_{i} = 2.0" for i in range(10))
    problem = f"11 values are neither 0 nor 1: {eleven}"
    assert refused(lambda: bm.Mask.from_dense(np.eye(11) * 2)) == ("E-MASK-VALUE", [], problem)


def test_stored_zeros_need_no_weights():
    matrix = sparse.csc_array(([1, 0, 1], [0, 1, 1], [0, 2, 3]), shape=(2, 2))
    assert bm.Mask.from_dense(matrix).to_dense().to_numpy().tolist() == [[1, 0], [0, 1]]


def test_weights_that_are_not_finite_are_told_with_their_genes():
    dense = [[1, np.inf, np.nan], [1, 1, 1], [-np.inf, 0, 2]]
    expected = ("E-MASK-VALUE", ["gene_0", "gene_2"], "3 edge weights are not finite")
    assert refused(lambda: bm.Mask.from_dense(dense, weighted=True)) == expected
    expected = ("E-MASK-EMPTY", [], "no connection in a mask of 3 genes x 2 pathways")
    assert refused(lambda: bm.Mask.from_dense(np.zeros((3, 2)))) == expected


@pytest.mark.parametrize("kind", [np.longdouble, np.float16, np.uint64, object, str])
def test_numbers_of_any_kind_make_the_same_mask(mask, kind):
    assert bm.Mask.from_dense(DENSE.astype(kind), GENES, PATHWAYS) == mask


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        ([["a"]], "<U1"),
        ([[{}]], "object"),
        ([[1j, 1]], "complex128"),
        (sparse.csr_array([[1j, 1]]), "complex128"),
    ],
    ids=["text", "objects", "complex", "sparse"],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_what_is_no_number_is_told(array, dtype, weighted):
    problem = f"a mask must hold numbers, received dtype {dtype}"
    found = refused(lambda: bm.Mask.from_dense(array, weighted=weighted))
    assert found == ("E-MASK-VALUE", [], problem)


def test_names_that_are_asked_for_in_vain_are_told(mask):
    with pytest.raises(bm.MaskError) as caught:
        mask.select(genes=["A", "Q", "B", "R", "S"])
    assert caught.value.code == "E-MASK-UNKNOWN"
    assert caught.value.genes == ["Q", "R", "S"]
    assert caught.value.problem == "3 of 5 genes are not in the mask"
    expected = ("E-MASK-DUPLICATE", ["P3", "P1"], "pathways are asked for twice")
    assert refused(lambda: mask.select(pathways=["P1", "P3", "P3", "P1", "P1"])) == expected


def test_the_digest_is_a_hash_of_names_and_edges_written_out():
    """Stored files hold digests, so no release may change them."""
    mask = bm.Mask.from_dense(
        [[0.5, 0], [0, 2], [-1, 0]], ["A", "\u00df", "\ud800"], ["P", "Q"], weighted=True
    )
    sha = hashlib.sha256()
    for names in ([b"A", b"\xc3\x9f", b"\xed\xa0\x80"], [b"P", b"Q"]):
        for name in names:
            sha.update(struct.pack("<Q", len(name)) + name)
        sha.update(struct.pack("<Q", len(names)))
    sha.update(struct.pack("<3q", 0, 2, 3))  # where each pathway begins
    sha.update(struct.pack("<3q", 0, 2, 1))  # genes of the edges
    sha.update(struct.pack("<3f", 0.5, -1, 2))
    assert mask.digest == sha.hexdigest()


def test_genes_that_the_given_ones_lack_are_named_once_each():
    with pytest.raises(bm.MaskError) as caught:
        bm.Mask.from_sets({"P": ["A", "X", "X"], "Q": ["Y", "A"]}, genes=["A"])
    assert caught.value.problem == "genes of the sets are missing from the given genes"
    assert caught.value.genes == ["X", "Y"]


def test_a_number_among_the_genes_of_a_set_is_no_name():
    with pytest.raises(bm.MaskError) as caught:
        bm.Mask.from_sets({"P": ["A", 1.5]})
    assert (caught.value.code, caught.value.genes) == ("E-MASK-NAMES", ["1.5"])
    with pytest.raises(bm.MaskError) as caught:
        bm.Mask.from_sets({"P": [7157]}, genes=[7157, None])
    assert (caught.value.code, caught.value.genes) == ("E-MASK-NAMES", ["None"])


# ------------------------------------------------------------------------ immutable, a value


def test_nothing_given_or_returned_can_change_it(mask):
    digest = mask.digest
    given = sparse.csc_array(DENSE, dtype=np.float32)
    other = bm.Mask(given, GENES, PATHWAYS)
    given.data[:] = 7
    assert other == mask
    mask.to_scipy().data[:] = 7
    dense, edges, sizes = mask.to_dense(), mask.to_edges(), mask.sizes()
    dense.iloc[:, :] = 7
    edges["weight"] = 7
    sizes["P1"] = 7
    mask.edge_index[0][:] = 3
    mask.to_sets()["P1"].append("D")
    with pytest.raises(ValueError, match="read-only"):
        mask.edge_values[0] = 7
    with pytest.raises(AttributeError):
        mask.genes = ["x"]
    with pytest.raises(TypeError):
        mask.genes[0] = "x"
    assert bm.Mask(mask.to_scipy(), mask.genes, mask.pathways).digest == mask.digest == digest


def test_notes_and_descriptions_of_sets_are_kept():
    note = Note("skipped", "P", "because", 3)
    mask = bm.Mask.from_sets({"P": ["A"]}, descriptions={"P": "text"}, notes=[note])
    assert mask.notes == (note,)
    assert mask.descriptions.tolist() == ["text"]


def test_names_that_are_no_text_are_listed():
    with pytest.raises(bm.MaskError, match="gene names must be text") as caught:
        bm.Mask.from_dense([[1], [1], [1]], ["A", 1.5, None], ["P"])
    assert caught.value.genes == ["1.5", "None"]


def test_a_mask_of_ones_warns_from_two_by_two_on():
    with pytest.warns(bm.BiomaskWarning, match="every one of 2 genes feeds every one of 2"):
        bm.Mask.from_dense(np.ones((2, 2)))
    with pytest.warns(bm.BiomaskWarning) as caught:
        bm.Mask(np.ones((2, 3)), ["A", "B"], PATHWAYS)
    assert str(caught[0].message) == (
        "the mask is dense: every one of 2 genes feeds every one of 3 pathways, so it carries no "
        "knowledge"
    )
    assert caught[0].filename == __file__


@pytest.mark.parametrize("shape", [(1, 3), (3, 1)])
def test_a_single_gene_or_pathway_is_no_dense_mask(shape):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bm.Mask.from_dense(np.ones(shape)).density == 1


def test_digest_sees_order_names_edges_and_weights(mask):
    others = [
        mask.select(genes=["B", "A", "C", "D"]),
        mask.select(pathways=["P2", "P1", "P3"]),
        bm.Mask.from_dense(DENSE, ["A", "B", "C", "E"], PATHWAYS),
        bm.Mask.from_dense(DENSE, GENES, ["P1", "P2", "P4"]),
        bm.Mask.from_dense(DENSE[::-1], GENES, PATHWAYS),
        bm.Mask.from_dense(DENSE * 2, GENES, PATHWAYS, weighted=True),
    ]
    digests = {other.digest for other in others} | {mask.digest}
    assert len(digests) == len(others) + 1
    assert len(mask.digest) == 64


def test_digest_sees_where_one_pathway_ends():
    """The same genes in the same order, parted elsewhere."""
    one = bm.Mask.from_sets({"P": ["A", "B"], "Q": ["C"]})
    two = bm.Mask.from_sets({"P": ["A"], "Q": ["B", "C"]})
    assert one.edge_index[0].tolist() == two.edge_index[0].tolist()
    assert one.digest != two.digest


def test_digest_does_not_run_names_together():
    one = bm.Mask.from_dense([[1], [1]], ["AB", "C"], ["P"])
    two = bm.Mask.from_dense([[1], [1]], ["A", "BC"], ["P"])
    assert one.digest != two.digest


def test_equality_and_hash(mask):
    same = bm.Mask.from_dense(DENSE, GENES, PATHWAYS)
    assert mask == same
    assert len({mask, same}) == 1
    assert mask != mask.select(genes=["D", "C", "B", "A"])
    assert mask != "mask"


def test_explicit_zeros_are_no_edges(mask):
    matrix = sparse.csc_array(DENSE, dtype=np.float32)
    padded = matrix.copy()
    padded.data = np.append(padded.data, 0)
    padded.indices = np.append(padded.indices, 0)
    padded.indptr = padded.indptr + np.array([0, 0, 0, 1], padded.indptr.dtype)
    assert bm.Mask(padded, GENES, PATHWAYS) == mask


def test_unsorted_indices_make_the_same_mask(mask):
    data, rows = np.ones(6, np.float32), np.array([1, 0, 3, 1, 2, 3])
    assert bm.Mask(sparse.csc_array((data, rows, [0, 2, 5, 6]), (4, 3)), GENES, PATHWAYS) == mask


def test_repr(mask):
    assert repr(mask) == (
        f"Mask(4 genes x 3 pathways, 6 edges, density 50.00%, digest {mask.digest[:8]})"
    )


def test_html_is_escaped_and_short():
    sets = {"<script>alert(1)</script>": ["<b>x</b>", "y"], **{f"P{i}": ["y"] for i in range(9)}}
    page = bm.Mask.from_sets(sets)._repr_html_()
    assert "<script>" not in page
    assert "<b>x" not in page
    assert "&lt;script&gt;" in page
    assert "pathway sizes 1 to 2, median 1" in page
    assert "P3" in page
    assert "P4" not in page  # five pathways are enough


def test_html_is_a_table_of_sizes_and_first_genes():
    sets = {"P": "abcdefg", "Q": "fedcba", "none": "", "R": "a", "S": "bc", "T": "a"}
    mask = bm.Mask.from_sets({name: list(genes) for name, genes in sets.items()})
    page = mask._repr_html_()
    assert page.startswith(f"<p><b>{mask!r}</b><br>pathway sizes 0 to 7, median 1.5</p><table")
    cells = re.findall(r"<t[hd]>(.*?)</t[hd]>", page)
    assert cells == [
        *("", "genes", "first genes", "pathway", "", ""),
        *("P", "7", "a, b, c, d, e, f"),
        *("Q", "6", "a, b, c, d, e, f"),
        *("none", "0", ""),
        *("R", "1", "a"),
        *("S", "2", "b, c"),
    ]


# ------------------------------------------------------------------------ other masks from it


def test_filter(mask):
    kept = mask.filter(min_genes=2, max_genes=2)
    assert kept.pathways.tolist() == ["P1"]
    assert kept.genes.tolist() == GENES
    assert kept.report[["action", "subject", "detail"]].values.tolist() == [
        ["dropped pathway", "P2", "3 genes, outside 2 to 2"],
        ["dropped pathway", "P3", "1 genes, outside 2 to 2"],
    ]
    assert mask.filter().pathways.tolist() == PATHWAYS
    assert mask.filter(2).pathways.tolist() == ["P1", "P2"]
    assert mask.filter(2).report["detail"].tolist() == ["1 genes, outside 2 to any"]
    assert mask.filter(min_genes=1, max_genes=1).pathways.tolist() == ["P3"]
    with pytest.raises(bm.MaskError) as caught:
        mask.filter(min_genes=10)
    assert caught.value.problem == (
        "no pathway has 10 to any number of genes; sizes run from 1 to 3"
    )
    assert caught.value.code == "E-MASK-EMPTY"
    with pytest.raises(bm.MaskError, match="0 to 0 genes"):
        mask.filter(min_genes=0, max_genes=0)


def test_select_keeps_the_order_given(mask):
    chosen = mask.select(genes=["D", "B"], pathways=["P3", "P2"])
    expected = mask.to_dense().loc[["D", "B"], ["P3", "P2"]]
    pd.testing.assert_frame_equal(chosen.to_dense(), expected)
    assert chosen.report[["action", "subject", "detail"]].values.tolist() == [
        ["dropped gene", "A", "not selected"],
        ["dropped gene", "C", "not selected"],
        ["dropped pathway", "P1", "not selected"],
    ]
    assert mask.select() == mask
    assert mask.select(pathways="P2").shape == (4, 1)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ({"genes": ["A", "Q", "R"]}, "2 of 3 genes are not in the mask: 'Q', 'R'"),
        ({"pathways": ["P9"]}, "1 of 1 pathways are not in the mask"),
        ({"genes": ["A", "A"]}, "asked for twice"),
        ({"genes": ["A"], "pathways": ["P3"]}, "no connection"),
    ],
)
def test_select_errors(mask, names, told):
    with pytest.raises(bm.MaskError, match=told):
        mask.select(**names)


def test_merge_identical():
    mask = bm.Mask.from_sets(
        {"P": ["A", "B"], "Q": ["B", "C"], "R": ["B", "A"], "S": ["C"]},
        descriptions={"P": "one", "R": "two"},
    )
    merged = mask.merge_identical()
    assert merged.pathways.tolist() == ["P | R", "Q", "S"]
    assert merged.to_sets() == {"P | R": ["A", "B"], "Q": ["B", "C"], "S": ["C"]}
    assert merged.descriptions.tolist() == ["one | two", "", ""]
    assert merged.report[["action", "subject", "detail"]].values.tolist() == [
        ["merged pathways", "P | R", "2 pathways have the same genes"]
    ]
    assert merged.merge_identical() == merged


def test_merge_identical_respects_weights():
    values = [[1, 2, 1], [1, 1, 1], [0, 0, 0]]
    mask = bm.Mask.from_dense(values, list("ABC"), list("PQR"), weighted=True)
    assert mask.merge_identical().pathways.tolist() == ["P | R", "Q"]


@settings(max_examples=30, deadline=None)
@given(masks())
def test_merging_against_a_slow_reference(mask):
    dense = mask.to_dense()
    groups = []
    for name in dense.columns:
        for group in groups:
            if (dense[group[0]] == dense[name]).all():
                group.append(name)
                break
        else:
            groups.append([name])
    found = [mask.pathways[members].tolist() for members in identical_columns(mask.to_scipy())]
    assert found == groups


def test_rename_genes(mask):
    renamed = rename_genes(mask, {"B": "X", "unknown": "Y"})
    assert renamed.genes.tolist() == ["A", "X", "C", "D"]
    np.testing.assert_array_equal(renamed.to_dense(), mask.to_dense())
    assert renamed.report[["subject", "detail"]].values.tolist() == [["B", "now X"]]
    with pytest.raises(bm.MaskError, match="repeated"):
        rename_genes(mask, {"B": "A"})


def test_notes_descriptions_and_lines_travel(mask):
    noted = bm.Mask(
        mask.to_scipy(),
        GENES,
        PATHWAYS,
        descriptions={"P2": "R-HSA-1", "unknown": "x"},
        notes=[Note("skipped line", "", "empty", 3)],
    )
    last = noted.select(pathways=["P2", "P1"]).filter(min_genes=3)
    assert last.report["action"].tolist() == ["skipped line", "dropped pathway", "dropped pathway"]
    assert last.report["line"].tolist() == [3, pd.NA, pd.NA]
    assert last.descriptions.to_dict() == {"P2": "R-HSA-1"}
    assert noted == mask  # what happened on the way is no part of the value
    assert mask.report.empty


# ------------------------------------------------------------------------ rewiring


@settings(max_examples=30, deadline=None)
@given(masks(), st.integers(0, 10))
def test_rewire_keeps_sizes_and_degrees(mask, seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bm.BiomaskWarning)
        random = mask.rewire(seed)
        assert random == mask.rewire(seed)
    pd.testing.assert_series_equal(random.sizes(), mask.sizes())
    pd.testing.assert_series_equal(random.degrees(), mask.degrees())
    assert random.n_edges == mask.n_edges
    assert not random.weighted


def test_rewire_changes_the_membership():
    rng = np.random.default_rng(0)
    mask = bm.Mask.from_dense(rng.random((60, 20)) < 0.2)
    random = [mask.rewire(seed) for seed in (0, 1)]
    assert random[0] != random[1]
    # Chance agreement of two such masks is about the density; the same mask would give 1.
    shared = (mask.to_dense().to_numpy() & random[0].to_dense().to_numpy()).sum() / mask.n_edges
    assert shared < 0.4
    assert random[0].report[["action", "subject", "detail"]].values.tolist() == [
        ["rewired", "seed 0", "sizes and degrees kept, membership random"]
    ]


def test_two_pathways_trade_with_each_other_and_one_with_none():
    mask = bm.Mask.from_sets({"P": list("ABCD"), "Q": list("EFGH")})
    assert mask.rewire(0) != mask
    alone = bm.Mask.from_sets({"P": list("AB")}, genes=list("ABC"))
    assert alone.rewire(0) == alone


def test_rewire_deals_the_weights_of_each_pathway_anew():
    dense = np.where(np.random.default_rng(0).random((30, 8)) < 0.4, 1.0, 0.0)
    dense[dense > 0] = np.arange(1, dense.sum() + 1)
    mask = bm.Mask.from_dense(dense, weighted=True)
    random = mask.rewire(3)
    for name in mask.pathways:
        of = [np.sort(m.to_dense()[name].to_numpy()) for m in (mask, random)]
        np.testing.assert_array_equal(*of)
    assert random != mask
    assert (random.edge_values != mask.edge_values).any()  # in the order of genes


def test_a_seed_gives_the_same_mask_in_every_release():
    sets = {"P": ["A", "B", "C"], "Q": ["C", "D"], "R": ["E", "F", "G"], "S": ["A", "G"]}
    assert bm.Mask.from_sets(sets).rewire(0).to_sets() == {
        "P": ["C", "D", "E"],
        "Q": ["A", "B"],
        "R": ["A", "C", "G"],
        "S": ["F", "G"],
    }


def states_with(sizes, degrees):
    """Every 0/1 matrix with these column and row sums, by trying all."""
    choices = [itertools.combinations(range(len(degrees)), size) for size in sizes]
    for sets in itertools.product(*choices):
        if np.bincount(np.concatenate(sets), minlength=len(degrees)).tolist() == degrees:
            yield tuple(map(tuple, sets))


def test_rewire_reaches_every_state_about_uniformly():
    sets = [np.array(s) for s in ([0, 1], [0, 2, 3], [3])]
    states = list(states_with([2, 3, 1], [2, 1, 1, 2]))
    n = 1500
    found = Counter(
        tuple(tuple(s.tolist()) for s in curveball(sets, 30, np.random.default_rng(seed)))
        for seed in range(n)
    )
    assert set(found) == set(states)
    expected = n / len(states)
    chi2 = sum((found[state] - expected) ** 2 / expected for state in states)
    assert len(states) == 8
    assert chi2 < 24.3  # 99.9 % point of chi-square with 7 degrees of freedom


# ------------------------------------------------------------------------ overlap, packing


@settings(max_examples=30, deadline=None)
@given(masks())
def test_jaccard_against_sets(mask):
    sets = [set(genes) for genes in mask.to_sets().values()]
    expected = [[len(a & b) / len(a | b) if a | b else 0 for b in sets] for a in sets]
    np.testing.assert_allclose(jaccard(mask.to_scipy()), expected, rtol=1e-6)


def test_jaccard_by_hand(mask, weighted):
    expected = [[1, 0.25, 0], [0.25, 1, 1 / 3], [0, 1 / 3, 1]]
    np.testing.assert_allclose(jaccard(mask.to_scipy()), expected, rtol=1e-6)
    np.testing.assert_allclose(jaccard(weighted.to_scipy())[0, 1], 1 / 3, rtol=1e-6)


@pytest.mark.parametrize("threshold", [0.1, 1 / 3, 0.8, 1.0])
def test_linked_columns_are_those_of_the_dense_table(threshold):
    dense = np.random.default_rng(3).random((20, 30)) < 0.2
    dense[:, 4], dense[:, 9] = dense[:, 2], False
    matrix = sparse.csc_array(dense.astype(np.float32))
    expected = np.where(jaccard(matrix) >= np.float32(threshold), jaccard(matrix), 0)
    np.testing.assert_array_equal(linked(matrix, threshold).toarray(), expected)


def test_columns_without_a_link_count_in_the_shape():
    mask = bm.Mask.from_sets({"P": ["A"], "Q": ["A", "B"], "empty": []})
    assert linked(mask.to_scipy(), 0.5).toarray().tolist() == [[1, 0.5, 0], [0.5, 1, 0], [0, 0, 0]]


def test_nearest_is_the_first_of_equals():
    rng = np.random.default_rng(4)
    for _ in range(20):
        matrix = sparse.csc_array((rng.random((6, 12)) < 0.3).astype(np.float32))
        index = jaccard(matrix)
        np.fill_diagonal(index, 0)
        expected = np.where(index.any(axis=1), index.argmax(axis=1), np.arange(12))
        which, best = nearest(matrix)
        assert which.tolist() == expected.tolist()
        np.testing.assert_allclose(best, index.max(axis=1), rtol=1e-6)


def test_nearest_by_hand():
    # P and Q share B of A, B, C; Q and R share B, C of B, C, D, E; S shares nothing
    sets = {"P": ["A", "B"], "Q": ["B", "C"], "R": ["B", "C", "D", "E"], "S": ["F"]}
    which, index = nearest(bm.Mask.from_sets(sets).to_scipy())
    assert which.tolist() == [1, 2, 1, 3]
    np.testing.assert_allclose(index, [1 / 3, 1 / 2, 1 / 2, 0])


@settings(max_examples=30, deadline=None)
@given(masks(), st.data())
def test_permuting_changes_nothing_by_name(mask, data):
    genes = data.draw(st.permutations(mask.genes.tolist()))
    pathways = data.draw(st.permutations(mask.pathways.tolist()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bm.BiomaskWarning)
        shuffled = mask.select(genes=genes, pathways=pathways)
        assert shuffled.select(genes=mask.genes, pathways=mask.pathways) == mask
    assert shuffled.sizes().to_dict() == mask.sizes().to_dict()
    assert shuffled.degrees().to_dict() == mask.degrees().to_dict()
    assert {n: set(g) for n, g in shuffled.to_sets().items()} == {
        n: set(g) for n, g in mask.to_sets().items()
    }


@settings(max_examples=30, deadline=None)
@given(masks())
def test_every_form_leads_back(mask):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bm.BiomaskWarning)
        assert bm.Mask.from_dense(mask.to_dense()) == mask
        assert bm.Mask.from_sets(mask.to_sets(), genes=mask.genes) == mask
        assert bm.Mask(mask.to_scipy(), mask.genes, mask.pathways) == mask
        assert mask_from_config(mask_to_config(mask)) == mask


def test_packing_keeps_weights_and_descriptions(weighted):
    described = bm.Mask(
        weighted.to_scipy(), weighted.genes, weighted.pathways, descriptions={"Q": "text"}
    )
    back = mask_from_config(mask_to_config(described))
    assert back == described
    assert back.descriptions.tolist() == ["", "text"]


def test_a_million_edges_pack_into_little_text():
    rows = np.random.default_rng(0).integers(0, 20_000, (2000, 500))
    mask = bm.Mask.from_sets({f"P{j}": map(str, set(row)) for j, row in enumerate(rows.tolist())})
    config = mask_to_config(mask)
    text = sum(len(value) for key, value in config.items() if isinstance(value, str))
    assert mask.n_edges > 980_000
    assert text < 6_000_000
    assert mask_from_config(config) == mask


@pytest.mark.parametrize(
    "damage",
    [
        {"members": "AAAA"},
        {"n_edges": 5},
        {"n_edges": 10**12},
        {"n_edges": -1},
        {"sizes": 3},
        {"genes": ["A", "B"]},
        {"genes": ["A", "A", "C", "D"]},
        {"pathways": None},
        {"descriptions": ["x"]},
        {"members": None},
    ],
)
def test_damaged_config_is_refused(mask, damage):
    config = {**mask_to_config(mask), **damage}
    with pytest.raises(bm.BiomaskError):
        mask_from_config(config)


@pytest.mark.parametrize(
    ("damage", "code", "told"),
    [
        ({"n_edges": -1}, "E-PACKED", "'-1 edges in a mask of 4 x 3'"),
        ({"n_edges": 5}, "E-PACKED", "expected 20"),
        ({"n_edges": 12}, "E-PACKED", "expected 48"),  # as many as there are places
        ({"genes": ["A", "B"]}, "E-MASK-SPARSE", "the sparse matrix is damaged"),
        ({"pathways": None}, "E-PACKED", "a stored mask is damaged: TypeError("),
        ({"descriptions": ["x"]}, "E-PACKED", "a stored mask is damaged: ValueError("),
        ({"n_edges": 0, "members": pack(np.array([], np.int32))}, "E-MASK-SPARSE", "is damaged"),
    ],
)
def test_damage_is_told(mask, damage, code, told):
    with pytest.raises(bm.BiomaskError) as caught:
        mask_from_config({**mask_to_config(mask), **damage})
    assert caught.value.code == code
    assert told in caught.value.problem


def test_a_stored_pathway_without_genes_stays():
    mask = bm.Mask.from_sets({"P": ["A"], "empty": []}, genes=["A", "idle"])
    assert mask_from_config(mask_to_config(mask)).sizes().to_dict() == {"P": 1, "empty": 0}


def test_what_is_stored_of_a_mask(mask, weighted):
    names = ["genes", "pathways", "n_edges", "sizes", "members", "descriptions"]
    config = mask_to_config(mask)
    assert list(config) == names
    assert config["n_edges"] == 6
    assert unpack(config["sizes"], np.int32, 3).tolist() == [2, 3, 1]
    assert unpack(config["members"], np.int32, 6).tolist() == [0, 1, 1, 2, 3, 3]
    config = mask_to_config(weighted)
    assert list(config) == [*names, "weights"]
    assert unpack(config["weights"], np.float32, 4).tolist() == [1.5, -2, 0.5, 1]


def test_more_edges_than_places_are_refused_unread(mask):
    with pytest.raises(bm.StorageError, match="13 edges in a mask of 4 x 3"):
        mask_from_config({**mask_to_config(mask), "n_edges": 13})


def test_config_that_lacks_a_part_is_refused(mask):
    for key in mask_to_config(mask):
        config = mask_to_config(mask)
        del config[key]
        with pytest.raises(bm.StorageError):
            mask_from_config(config)


# ------------------------------------------------------------------------ lists of names

NO_LIST = {
    "text": "TP53",
    "several in one text": "TP53, MYC, EGFR",
    "bytes": b"TP53",
    "number": 1,
    "NaN": np.nan,
    "None": None,
    "NA": pd.NA,
    "lists in a list": [["A", "B"], ["C", "D"]],
    "weights": {"TP53": 1.0},
    "a Series of weights": pd.Series({"TP53": 0.5}),
    "frame": pd.DataFrame({"A": ["TP53"]}),
    "a padded column": ["TP53", np.nan],
    "0-d": np.array("TP53"),
}


@pytest.mark.parametrize("wrong", NO_LIST.values(), ids=NO_LIST)
def test_a_list_of_names_is_one_wherever_it_is_asked_for(wrong):
    mask = bm.Mask.from_sets({"P": ["A", "B"], "Q": ["B"]})
    relations = pd.DataFrame({"child": ["Q"], "parent": ["P"]})
    calls = [lambda: bm.Mask.from_sets({"P": ["A", "B"], "Q": wrong})]
    if wrong is not None:  # which leaves the argument out
        calls += [
            lambda: bm.Mask.from_dense(np.eye(2), wrong, ["P", "Q"]),
            lambda: bm.Mask.from_sets({"P": ["A"]}, genes=wrong),
            lambda: bm.Hierarchy.from_sets(mask, relations, genes=wrong),
            lambda: mask.select(pathways=wrong),
            lambda: bm.plots.plot_mask_overlap(mask, pathways=wrong),
        ]
    for call in calls:
        with pytest.raises(bm.BiomaskError) as caught:
            call()
        assert caught.value.code in ("E-MASK-NAMES", "E-MASK-UNKNOWN")


@pytest.mark.parametrize(
    "names",
    [("A", "B"), np.array(["A", "B"]), pd.Series(["A", "B"]), pd.Index(["A", "B"]), iter("AB")],
)
def test_any_list_of_names_makes_a_set(names):
    assert bm.Mask.from_sets({"P": names, "Q": ["B"]}).to_sets() == {"P": ["A", "B"], "Q": ["B"]}


@pytest.mark.parametrize("sets", ["sets.gmt", [("P", ["A"])], None])
def test_sets_are_a_mapping(sets):
    with pytest.raises(bm.MaskError, match="mapping") as caught:
        bm.Mask.from_sets(sets)
    assert caught.value.code == "E-MASK-NAMES"


def test_numbers_and_their_text_are_the_same_name():
    mask = bm.Mask.from_sets({"P": [7157, "672"], 2: ["7157"]}, genes=["672", 7157])
    assert mask.to_sets() == {"P": ["672", "7157"], "2": ["7157"]}
    assert mask.select(genes=[7157], pathways="2").shape == (1, 1)


def test_a_gene_twice_in_the_order_of_genes():
    with pytest.raises(bm.MaskError) as caught:
        bm.Mask.from_sets({"P": ["A"]}, genes=["A", "A"])
    assert caught.value.code == "E-MASK-DUPLICATE"
