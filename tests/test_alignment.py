"""align: names decide, nothing is dropped or changed silently, inputs stay as they were."""

import re
import subprocess
import sys
import warnings
from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest
from alignment_case import SETS, align, frame
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import biomask as bm
from biomask.inference.labels import read_samples
from biomask.masks.expression import state_from, state_of
from biomask.masks.matrices import as_frame, is_anndata


@pytest.fixture
def mask():
    return bm.Mask.from_sets(SETS)


# ------------------------------------------------------------------------ the result


def test_align_basics(mask):
    data = frame("ZHCBAD")  # no E, F, G
    aligned = align(mask, data, min_genes=2)
    assert aligned.mask.genes.tolist() == ["A", "B", "C", "D", "H"]
    assert aligned.mask.pathways.tolist() == ["P1", "P2", "P4"]
    assert aligned.mask.to_sets() == {"P1": ["A", "B", "C"], "P2": ["C", "D"], "P4": ["A", "H"]}
    assert aligned.X.columns.equals(aligned.mask.genes)
    assert aligned.X.index.equals(data.index)
    assert (aligned.X.dtypes == np.float32).all()
    expected = data.reindex(columns=aligned.mask.genes).astype(np.float32)
    np.testing.assert_array_equal(aligned.X.to_numpy(), expected.to_numpy())


def test_aligned_shows_itself(mask):
    aligned = align(mask, frame("AB"))
    assert repr(aligned) == f"Aligned(4 samples, {aligned.mask!r})"


def test_aligned_is_fixed_and_equal_to_itself_alone(mask):
    aligned, again = align(mask, frame("AB")), align(mask, frame("AB"))
    with pytest.raises(AttributeError):
        aligned.mask = mask
    assert {aligned, again, aligned} == {again, aligned}
    assert aligned != again
    assert aligned.modalities == {}


def test_report_word_for_word(mask):
    data = frame(["A", "B", "C", "E", "F", "G", " H", "z", "SEPT2"]).assign(B=2.5)
    report = align(mask, data, min_genes=3).report
    assert report.state.startswith("logged (values from ")
    state = report.state
    assert repr(report) == (
        "AlignmentReport\n"
        "  7 of the mask's 8 genes are in the data (87.5%)\n"
        "  data: 4 samples x 9 genes, 2 not in the mask\n"
        "  pathways: 2 of 4 kept\n"
        f"  values: {state}\n"
        "  renamed (data): 1\n"
        "  note (data): 1\n"
        "  constant (data): 1\n"
        "  dropped (pathway): 2\n"
        "  dropped (gene): 1\n"
        "  dropped (mask): 1\n"
        "  dropped (data): 2"
    )
    assert list(report.to_frame().itertuples(index=False, name=None)) == [
        ("renamed", "data", " H", "H", "white space removed"),
        ("note", "data", "values", "", f"{state}."),
        ("constant", "data", "B", "", "2.5 in every sample"),
        ("dropped", "pathway", "P2", "", "1 genes in the data"),
        ("dropped", "pathway", "P3", "", "1 genes in the data"),
        ("dropped", "gene", "E", "", "in no kept pathway"),
        ("dropped", "mask", "D", "", "not in the data"),
        ("dropped", "data", "z", "", "not in the mask"),
        ("dropped", "data", "SEPT2", "", "not in the mask"),
    ]
    assert report.dropped.index.tolist() == list(range(6))
    assert report.renamed.values.tolist() == [["renamed", "data", " H", "H", "white space removed"]]
    assert report.counts.name == "count"


def test_one_gene_of_one_is_all():
    lines = repr(align(bm.Mask.from_sets({"P": ["A"]}), frame("A")).report).splitlines()
    assert lines[1] == "  1 of the mask's 1 genes are in the data (100.0%)"


def test_a_repeated_name_beside_the_mask_is_one_gene_of_the_data(mask):
    report = align(mask, frame(["A", "B", "z", "z", "", "y"])).report
    assert report.only_in_data.tolist() == ["z", "y"]
    assert report.duplicates.index.tolist() == [0]


def test_the_page_shows_the_eight_lowest_coverages_in_order():
    sets = {f"P{i:02d}": [f"g{i}", "x"] for i in range(40)}
    sets |= {f"P{i:02d}": [f"g{i}", f"h{i}", f"k{i}", "x"] for i in (31, 13)}
    there = ["x", *(f"g{i}" for i in range(40) if i not in (13, 31))]
    page = align(bm.Mask.from_sets(sets), frame(there)).report._repr_html_()
    shown = re.findall(r"<th>(P\d\d)</th>", page)
    assert shown == ["P13", "P31", "P00", "P01", "P02", "P03", "P04", "P05"]
    assert "<li>pathways: 40 of 40 kept</li>" in page


def test_numbers_beside_symbols_are_what_a_spreadsheet_made_of_them():
    usual = [f"KRT{i}" for i in range(40)]
    mask = bm.Mask.from_sets({"P": [*usual, "MARCHF1", "SEPTIN2"]})
    with pytest.warns(bm.BiomaskWarning) as caught:
        report = bm.align(mask, frame([*usual, "43891", "99999999"])).report
    assert report.cause == (
        "a spreadsheet turned names into dates or numbers (50% of the mask's genes)."
    )
    assert report.candidates.values.tolist() == [
        ["candidate", "data", "43891", "MARCHF1", "converted by a spreadsheet"]
    ]
    assert [warning.filename for warning in caught] == [__file__]
    assert str(caught[0].message) == (
        "1 names of the data look converted by a spreadsheet: '43891 (MARCHF1)'. Restore them "
        "from the source, or pass rename={...}; none was guessed."
    )


def test_a_layer_needs_an_anndata(mask):
    with pytest.raises(bm.DataError, match="needs an AnnData, received DataFrame") as caught:
        align(mask, frame("AB"), layer="counts")
    assert caught.value.code == "E-DATA-LAYER"


def test_sizes_count_the_genes_that_are_present(mask):
    data = frame("ABCDEF")  # P1: 3 of 3, P2: 2 of 2, P3: 1 of 1, P4: 2 of 4
    aligned = align(mask, data, min_genes=2, max_genes=2)
    assert aligned.mask.pathways.tolist() == ["P2", "P4"]
    coverage = aligned.report.coverage
    assert coverage["size"].tolist() == [3, 2, 1, 4]
    assert coverage["present"].tolist() == [3, 2, 1, 2]
    assert coverage["coverage"].tolist() == [1, 1, 1, 0.5]
    assert coverage["kept"].tolist() == [False, True, False, True]
    assert coverage.index.equals(mask.pathways)


def test_report_accounts_for_every_name(mask):
    report = align(mask, frame("ZABCDEF"), min_genes=2).report
    assert report.counts.to_dict() == {
        "samples": 4,
        "matched": 6,
        "only_in_mask": 2,
        "only_in_data": 1,
        "pathways": 4,
        "pathways_kept": 3,
    }
    assert report.matched.tolist() == list("ABCDEF")
    assert report.only_in_mask.tolist() == ["G", "H"]
    assert report.only_in_data.tolist() == ["Z"]
    told = set(zip(report.dropped["side"], report.dropped["name"], strict=True))
    assert told == {
        ("pathway", "P3"),
        ("gene", "E"),
        ("mask", "G"),
        ("mask", "H"),
        ("data", "Z"),
    }
    assert report.to_frame().columns.tolist() == ["action", "side", "name", "to", "detail"]
    assert len(report.to_frame()) == len(report.entries)


def test_report_shows_itself():
    mask = bm.Mask.from_sets({"<script>alert(1)</script>": ["A", "B"]})
    report = align(mask, frame("ABZ")).report
    text = repr(report)
    assert "2 of the mask's 2 genes are in the data (100.0%)" in text
    assert "4 samples x 3 genes, 1 not in the mask" in text
    assert "pathways: 1 of 1 kept" in text
    page = report._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_report_counts_what_is_absent_on_each_side(mask):
    text = repr(align(mask, frame("ABCXY")).report)
    assert "3 of the mask's 8 genes are in the data (37.5%)" in text
    assert "4 samples x 5 genes, 2 not in the mask" in text


def test_default_filters_on_a_toy_mask_say_what_to_change(mask):
    with pytest.raises(bm.AlignmentError, match=r"min_genes=10 or max_genes=300") as caught:
        bm.align(mask, frame("ABCDEFGH"))
    assert caught.value.code == "E-ALIGN-EMPTY"
    assert "have 1 to 4" in str(caught.value)


def test_default_limits_are_ten_and_three_hundred_genes():
    genes = [f"KRT{i}" for i in range(301)]
    sets = {str(n): genes[:n] for n in (9, 10, 300, 301)}
    assert bm.align(bm.Mask.from_sets(sets), frame(genes)).mask.pathways.tolist() == ["10", "300"]


def test_pathway_without_a_present_gene_goes_even_at_zero(mask):
    aligned = align(mask, frame("ABCD"), min_genes=0)
    assert aligned.mask.pathways.tolist() == ["P1", "P2", "P4"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"min_genes": 5, "max_genes": 4}, "min_genes=5 and max_genes=4 admit no pathway size"),
        ({"min_genes": -1}, "min_genes=-1 and max_genes=None admit no pathway size"),
        ({"min_overlap": 1.5}, "min_overlap must be a share between 0 and 1, received 1.5"),
        ({"min_overlap": -0.1}, "min_overlap must be a share between 0 and 1, received -0.1"),
        (
            {"on_duplicate": "median"},
            "on_duplicate must be one of ['error', 'first', 'sum', 'mean', 'max'], received "
            "'median'",
        ),
    ],
)
def test_arguments_are_checked(mask, options, problem):
    with pytest.raises(bm.ArgumentError) as caught:
        align(mask, frame("ABCD"), **options)
    assert (caught.value.problem, caught.value.code) == (problem, "E-ARGUMENT")


def test_the_bounds_of_the_arguments_are_accepted(mask):
    assert align(mask, frame("ABCDEFGH"), min_overlap=1).mask == mask
    assert align(mask, frame("AXYZ"), min_overlap=0).mask.genes.tolist() == ["A"]
    assert align(mask, frame("ABC"), min_genes=3, max_genes=3).mask.pathways.tolist() == ["P1"]
    assert align(mask, frame("E"), min_genes=0, max_genes=1, min_overlap=0).mask.shape == (1, 1)
    with pytest.raises(bm.AlignmentError) as caught:
        align(mask, frame("XYZ"), min_overlap=0)
    assert caught.value.code == "E-ALIGN-NONE"
    with pytest.raises(bm.AlignmentError) as caught:
        align(mask, frame("AB"), min_overlap=0.26)
    assert caught.value.code == "E-ALIGN-LOW"


def test_the_sizes_there_are_are_told(mask):
    for options, wanted in [
        ({"min_genes": 4}, "4 to any number of"),
        ({"min_genes": 4, "max_genes": 7}, "4 to 7"),
    ]:
        with pytest.raises(bm.AlignmentError) as caught:
            align(mask, frame("ABDGH"), **options)  # P1: A and B, P2: D, P4: A, G and H
        assert caught.value.code == "E-ALIGN-EMPTY"
        assert caught.value.problem == (
            f"no pathway has {wanted} genes in the data; the 4 pathways of the mask have 0 to 3"
        )


def test_arguments_swapped(mask):
    with pytest.raises(bm.ArgumentError, match=r"bm\.align\(mask, data\)") as caught:
        bm.align(frame("AB"), mask)
    assert caught.value.code == "E-ARGUMENT"
    assert caught.value.problem == (
        "the first argument must be a Mask or a Hierarchy, received DataFrame"
    )


# ------------------------------------------------------------------------ order means nothing


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(8)), st.permutations(range(4)), st.permutations(range(8)))
def test_permuting_anything_changes_nothing_by_name(columns, pathways, genes):
    mask, data = bm.Mask.from_sets(SETS), frame("ABCDEFGH")
    expected = align(mask, data)
    shuffled = mask.select(genes=mask.genes[genes], pathways=mask.pathways[pathways])
    found = align(shuffled, data.iloc[:, columns])
    assert found.X.columns.equals(found.mask.genes)
    pd.testing.assert_frame_equal(found.X[expected.X.columns], expected.X)
    assert found.mask.select(genes=mask.genes, pathways=mask.pathways) == expected.mask


# ------------------------------------------------------------------------ overlap


def test_transposed_data(mask):
    with pytest.raises(bm.AlignmentError, match=r"pass data\.T") as caught:
        align(mask, frame("ABCDEFGH").T)
    assert caught.value.code == "E-ALIGN-TRANSPOSED"


def test_no_overlap_shows_five_names_of_each_side(mask):
    with pytest.raises(bm.AlignmentError) as caught:
        align(mask, frame("stuvwyz"))
    assert caught.value.problem == (
        "none of the 8 genes of the mask is in the data. Only in the mask: 'A', 'B', 'C', 'D', "
        "'E' and 3 more. Only in the data: 's', 't', 'u', 'v', 'w' and 2 more"
    )
    assert caught.value.hint == "Probable cause: unknown; compare the names above."


def test_transposed_mask(mask):
    flipped = bm.Mask.from_dense(mask.to_dense().T)
    with pytest.raises(bm.AlignmentError, match="mask looks transposed") as caught:
        align(flipped, frame("ABCDEFGH"))
    assert caught.value.code == "E-ALIGN-TRANSPOSED"


def test_var_column_that_holds_the_names_is_pointed_out(mask):
    var = pd.DataFrame({"symbol": list("ABCD")}, index=[f"ENSG{i:011d}" for i in range(4)])
    data = anndata.AnnData(np.ones((2, 4), np.float32), var=var)
    with pytest.raises(bm.AlignmentError, match=r"'symbol' of \.var has 4 of the mask's genes"):
        align(mask, data)


def test_var_column_without_the_names_is_not(mask):
    var = pd.DataFrame({"symbol": list("wxyz")}, index=list("stuv"))
    with pytest.raises(bm.AlignmentError) as caught:
        align(mask, anndata.AnnData(np.ones((2, 4), np.float32), var=var))
    assert caught.value.hint == "Probable cause: unknown; compare the names above."


def test_cause_is_told_when_some_match(mask):
    data = frame(["A", "B", "C", "d", "e", "f"])
    assert "upper and lower case" in align(mask, data).report.cause


def failed(mask, data, **options):
    with pytest.raises(bm.AlignmentError) as caught:
        align(mask, data, **options)
    return caught.value


def test_little_overlap_is_told_in_numbers(mask):
    """P1 has two of its three genes, P2 one of two, P3 none, P4 one of four."""
    error = failed(mask, frame("ACx"), min_overlap=0.5)
    assert error.problem == (
        "2 of the mask's 8 genes (25.0%) are in the data, fewer than min_overlap=50%. Only in the "
        "mask: 'B', 'D', 'E', 'F', 'G' and 1 more. Only in the data: 'x'. Half or more of their "
        "genes: 2 of 4 pathways"
    )
    assert error.code == "E-ALIGN-LOW"
    assert align(mask, frame("ACx"), min_overlap=0.25).mask.genes.tolist() == ["A", "C"]


def test_what_looks_transposed_is_told_in_numbers(mask):
    assert failed(mask, frame("ABCDEFGH").T).problem == (
        "the data look transposed: 8 genes of the mask are among the rows, 0 among the columns"
    )
    flipped = bm.Mask.from_dense(mask.to_dense().T)
    assert failed(flipped, frame("ABCDEFGH")).problem == (
        "the mask looks transposed: 8 of its pathways are named like columns of the data, 0 of its "
        "genes are"
    )


@pytest.mark.parametrize(("columns", "rows"), [("Ax", "Bz"), (["A", "P1"], "xz")])
def test_as_many_names_on_the_wrong_side_as_on_the_right_are_no_sign(mask, columns, rows):
    assert failed(mask, frame(columns, n=2).set_axis(list(rows))).code == "E-ALIGN-LOW"


@pytest.mark.parametrize(
    ("var", "told"),
    [
        ({}, ""),
        ({"other": ["x", "B", "y"]}, ""),  # one there, as among the names
        (
            {"symbol": ["A", "B", "z"], "x": ["x", "B", "y"]},
            " Column 'symbol' of .var has 2 of the mask's genes: set data.var_names to it (in a "
            "copy).",
        ),
    ],
)
def test_a_column_with_more_of_the_names_is_pointed_out(mask, var, told):
    data = anndata.AnnData(np.ones((2, 3), np.float32), var=pd.DataFrame(var, index=list("Avw")))
    error = failed(mask, data)
    assert error.code == "E-ALIGN-LOW"
    assert error.hint == (
        f"Probable cause: unknown; compare the names above.{told} Lower min_overlap to go on; the "
        "report's coverage shows each pathway."
    )


def test_a_number_is_a_date_where_the_other_names_are_symbols():
    mask = bm.Mask.from_sets({"P": ["MARCHF1", "A", "B"]})
    told = "Probable cause: a spreadsheet turned names into dates or numbers"
    data = frame(["43891", "A", "B"])
    assert failed(mask, data, min_overlap=1).hint.startswith(told)
    aligned = align(mask, frame(["MARCHF1", "A", "B"]))
    with pytest.raises(bm.AlignmentError) as caught:
        aligned.match(data)
    assert caught.value.hint.startswith(told)


def test_aligned_data_without_a_gene_of_the_mask_share_none(mask):
    aligned = align(bm.Mask.from_sets({"P": ["x", "y"]}), frame("xy"))
    assert failed(mask, aligned).code == "E-ALIGN-NONE"


def test_genes_that_new_data_lack_are_counted_and_named(mask):
    aligned = align(mask, frame("ABCDEFGH"))
    with pytest.raises(bm.AlignmentError) as caught:
        aligned.match(frame("ABCDFG"))
    error = caught.value
    assert error.problem == "2 of 8 genes of the mask are not in the new data"
    assert (error.code, error.genes) == ("E-ALIGN-MISSING", ["E", "H"])
    assert error.hint == 'fill="train_mean" gives them their mean in the first data.'
    with pytest.raises(bm.AlignmentError) as caught:
        aligned.match(frame("xyz"))
    assert (caught.value.genes, caught.value.hint) == (list("ABCDEFGH"), "")
    with pytest.raises(bm.AlignmentError) as caught:
        aligned.match(frame("abcdefgh"))
    assert caught.value.hint == (
        "Probable cause: 100% of the names differ in upper and lower case; rename the data's "
        "columns."
    )


# ------------------------------------------------------------------------ repeats


def test_repeated_genes_are_told_with_their_columns(mask):
    error = failed(mask, frame(["A", "B", "A", "Z", "Z", " B"]))
    assert error.problem == (
        "2 genes have several columns in the data ('A' at column 1, 'A' at column 3; 'B' at column "
        "2, ' B' at column 6)"
    )
    assert (error.code, error.genes) == ("E-ALIGN-DUPLICATE", ["A", "B"])
    assert failed(mask, frame("ABBA")).genes == ["A", "B"]  # in the order of the first of each
    error = failed(mask, frame("ABCDEFABCDEF"))
    assert error.problem.startswith("6 genes have several columns")
    assert error.problem.count("at column") == 10  # of the first five
    assert error.genes == list("ABCDEF")


def test_merged_and_ignored_columns_are_reported(mask):
    data = frame(["A", "B", "A", "Z", "Z"])
    data.columns = [*"ABAZZ"]
    data[["u", "v"]] = 3.5
    data.columns = [*"ABAZZ", None, None]
    aligned = align(mask, data, on_duplicate="sum")
    assert aligned.report.duplicates.to_numpy().tolist() == [
        ["merged", "data", "A", "", "sum of 'A' at column 1, 'A' at column 3"],
        ["ignored", "data", "Z", "", "not used by the mask: 'Z' at column 4, 'Z' at column 5"],
    ]
    np.testing.assert_allclose(aligned.X["A"], data["A"].sum(axis=1), rtol=1e-6)


@pytest.mark.parametrize(("how", "a"), [("sum", 8.0), ("mean", 4.0), ("max", 5.5), ("first", 2.5)])
def test_ways_to_merge(mask, how, a):
    data = pd.DataFrame([[2.5, 3.25, 5.5]], columns=["A", "B", "A"])
    assert align(mask, data, on_duplicate=how).X.iloc[0].tolist() == [a, 3.25]


def test_repeated_gene_outside_the_mask_is_only_reported(mask):
    aligned = align(mask, frame(["A", "B", "Z", "Z"]))
    assert aligned.report.duplicates.values.tolist() == [
        ["ignored", "data", "Z", "", "not used by the mask: 'Z' at column 3, 'Z' at column 4"]
    ]
    assert aligned.report.only_in_data.tolist() == ["Z"]


# ------------------------------------------------------------------------ names


def test_every_change_of_a_name_is_reported():
    mask = bm.Mask.from_sets({"P": [" A", "B", "C", "D"]})
    data = frame([" A ", "b", " c", "D", "E"])
    report = align(mask, data, rename={"b": "B", "c": "C", "gone": "D", "E": "E"}).report
    assert report.renamed.to_numpy().tolist() == [
        ["renamed", "mask", " A", "A", "white space removed"],
        ["renamed", "data", " A ", "A", "white space removed"],
        ["renamed", "data", "b", "B", "rename="],
        ["renamed", "data", " c", "C", "rename="],
    ]
    notes = report.to_frame()
    notes = notes[(notes["action"] == "note") & (notes["side"] == "data")]
    assert ["note", "data", "gone", "", "rename= names it; not in the data"] in (
        notes.to_numpy().tolist()
    )
    assert not notes["name"].isin(["b", "c", "E"]).any()


def test_names_of_columns_without_one_are_counted(mask):
    data = frame("ABxyz").set_axis(["A", "B", None, np.nan, ""], axis=1)
    notes = align(mask, data).report.to_frame()
    notes = notes[notes["detail"].str.contains("have no name")]
    assert notes.to_numpy().tolist() == [
        ["note", "data", "", "", "3 columns have no name and are left out"]
    ]


def test_ways_to_merge_are_listed_where_another_was_asked_for(mask):
    with pytest.raises(bm.ArgumentError) as caught:
        align(mask, frame("AB"), on_duplicate="median")
    assert caught.value.problem == (
        "on_duplicate must be one of ['error', 'first', 'sum', 'mean', 'max'], received 'median'"
    )


def test_trimming_that_makes_a_repeat_is_an_error(mask):
    with pytest.raises(bm.AlignmentError, match="'A' at column 1, 'A ' at column 3"):
        align(mask, frame(["A", "B", "A "]))
    with pytest.raises(bm.MaskError, match="repeated"):
        align(bm.Mask.from_sets({"P": ["A ", "A"]}), frame("AB"))


def test_rename_finds_names_as_given_and_as_cleaned(mask):
    data = frame([" x", " y"])
    aligned = align(mask, data, rename={" x": "A", "y": "B"})
    assert aligned.mask.genes.tolist() == ["A", "B"]
    np.testing.assert_array_equal(aligned.X["A"], data[" x"].astype(np.float32))


def test_absent_names_to_rename_are_noted_in_the_order_given(mask):
    names = [f"old {i}" for i in range(8)]
    notes = align(mask, frame("AB"), rename=dict.fromkeys(names, "C")).report.to_frame()
    assert notes[notes["detail"].str.startswith("rename=")]["name"].tolist() == names


def test_rename_of_an_absent_name_is_noted(mask):
    notes = align(mask, frame("AB"), rename={"Q": "C"}).report.to_frame()
    assert "Q" in notes[notes["action"] == "note"]["name"].tolist()


def test_ensembl_versions_only_on_request_and_only_ensembl():
    mask = bm.Mask.from_sets({"P": ["ENSG00000141510", "IGF2.1", "AN4965.2"]})
    data = frame(["ENSG00000141510.16", "IGF2.1", "AN4965.2", "IGF2"])
    assert align(mask, data).mask.genes.tolist() == ["IGF2.1", "AN4965.2"]
    stripped = align(mask, data, strip_versions=True)
    assert stripped.mask.genes.tolist() == ["ENSG00000141510", "IGF2.1", "AN4965.2"]
    assert stripped.report.renamed[["name", "detail"]].values.tolist() == [
        ["ENSG00000141510.16", "Ensembl version removed"]
    ]
    padded = align(mask, data.rename(columns=lambda name: f" {name}"), strip_versions=True)
    assert padded.report.renamed["detail"].tolist() == [
        "white space removed, Ensembl version removed",
        *["white space removed"] * 3,
    ]


def test_spreadsheet_dates_warn_with_the_probable_gene():
    mask = bm.Mask.from_sets({"P": ["MARCHF1", "SEPTIN2", "A", "B"]})
    with pytest.warns(bm.BiomaskWarning, match=r"'1-Mar \(MARCHF1\)', '2-Sep \(SEPTIN2\)'"):
        aligned = bm.align(mask, frame(["1-Mar", "2-Sep", "A", "B"]), min_genes=1)
    assert aligned.mask.genes.tolist() == ["A", "B"]
    assert aligned.report.candidates["to"].tolist() == ["MARCHF1", "SEPTIN2"]


def test_nameless_columns_are_left_out_and_noted(mask):
    data = frame(["A", "B", "C", "x", "y"])
    data.columns = ["A", "B", "C", None, np.nan]
    report = align(mask, data).report
    assert "2 columns have no name and are left out" in report.to_frame()["detail"].tolist()
    assert len(report.only_in_data) == 0


def test_entrez_numbers_match_text():
    mask = bm.Mask.from_sets({"P": ["7157", "672"]})
    data = pd.DataFrame([[2.5, 4.5]], columns=[672, 7157])
    assert align(mask, data).X.iloc[0].tolist() == [4.5, 2.5]


def test_several_levels_of_names_are_refused(mask):
    data = pd.DataFrame([[1.5]], columns=pd.MultiIndex.from_tuples([("A", "x")]))
    with pytest.raises(bm.AlignmentError, match="2 levels"):
        align(mask, data)


# ------------------------------------------------------------------------ values


def test_not_finite_values_of_unused_genes_do_not_matter(mask):
    data = frame("ABYZ").assign(Z=np.nan)
    assert align(mask, data).X.shape == (4, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert align(mask, data.assign(Y=np.inf, Z=-np.inf)).X.shape == (4, 2)


def test_text_column_of_a_gene_is_an_error_and_of_no_gene_is_not(mask):
    assert align(mask, frame("AB").assign(label="ill")).mask.genes.tolist() == ["A", "B"]
    with pytest.raises(bm.DataError, match="do not hold numbers") as caught:
        align(mask, frame("AB").assign(C="ill"))
    assert caught.value.genes == ["C"]


def test_empty_x_points_to_the_layers(mask):
    data = anndata.AnnData(layers={"counts": np.ones((2, 1))}, var=pd.DataFrame(index=["A"]))
    with pytest.raises(bm.DataError, match=r"empty \.X.*'counts'"):
        align(mask, data)


def test_no_samples(mask):
    with pytest.raises(bm.DataError, match="no sample"):
        align(mask, frame("ABCD").iloc[:0])


def test_repeated_samples_are_noted(mask):
    data = frame("ABCD", n=9)
    data.index = list("stsuvtuvv")
    notes = align(mask, data).report.to_frame()
    assert notes[notes["side"] == "sample"].values.tolist() == [
        ["note", "sample", "'s', 't', 'u' and 1 more", "", "repeated names"]
    ]
    data.index = list("abcdefghi")
    notes = align(mask, data).report.to_frame()
    assert "sample" not in set(notes["side"])


def test_constant_takes_two_samples(mask):
    data = frame("ABCD", n=2).assign(D=4.0)
    assert align(mask, data).report.constant.values.tolist() == [
        ["constant", "data", "D", "", "4 in every sample"]
    ]
    assert align(mask, data.iloc[:1]).report.constant.empty


def test_values_that_are_not_used_are_noted(mask):
    data = as_anndata(frame("ABCD"), np.asarray)
    data.layers["other"] = data.X + 1
    assert ".raw" not in set(align(mask, data).report.to_frame()["name"])
    data.raw = data.copy()
    for layer, used in [(None, ".X"), ("other", "layer 'other'")]:
        notes = align(mask, data, layer=layer).report.to_frame()
        assert notes[notes["name"] == ".raw"].values.tolist() == [
            ["note", "data", ".raw", "", f"not used; the values are {used}"]
        ]


def test_the_totals_of_two_hundred_samples_are_looked_at(mask):
    values = frame("ABCDEFGH", n=202).to_numpy()
    values *= 1000 / values.sum(axis=1, keepdims=True)
    values[200:] *= 1.5
    data = pd.DataFrame(values, columns=list("ABCDEFGH"))
    state = "normalised to equal totals, not logged"
    with pytest.warns(bm.BiomaskWarning) as caught:
        assert bm.align(mask, data, min_genes=1).report.state == state
    assert [warning.filename for warning in caught] == [__file__]
    assert str(caught[0].message) == (
        f"the values look like this: {state}. Log them (log1p) unless this is what you want."
    )
    values[199] *= 1.5
    with pytest.warns(bm.BiomaskWarning):
        report = bm.align(mask, pd.DataFrame(values, columns=data.columns), min_genes=1).report
    assert report.state.startswith("not logged (values from ")


# ------------------------------------------------------------------------ state of the values

COUNTS = np.random.default_rng(1).poisson(3, (30, 200)).astype(float)
NORMALISED = COUNTS / COUNTS.sum(axis=1, keepdims=True) * 1e4


def test_two_samples_cannot_show_a_normalisation():
    logged = np.log1p(NORMALISED[:2]).astype(np.float32)
    assert state_of(logged, logged)[0].startswith("logged")


@pytest.mark.parametrize(
    ("totals", "state"),
    [
        ([1000, 1000.3, 1000.9], "normalised to equal totals, not logged"),  # .09 % apart
        ([999.5, 1000, 1000.5], "normalised to equal totals, not logged"),  # .1 %
        ([1000, 1000.3, 1001.1], "not logged (values from 0.5 to 501)"),  # .11 %
    ],
)
def test_totals_are_equal_to_a_thousandth(totals, state):
    values = np.array([[0.5, total - 500.5, 500] for total in totals], np.float32)
    assert state_of(values, values) == (state, "Log them (log1p) unless this is what you want.")


def test_small_whole_numbers_end_at_two():
    assert state_of(np.float32([[0, 2]]), np.float32([[0, 2]]))[0].startswith("small whole numbers")
    assert state_of(np.float32([[0, 3]]), np.float32([[0, 3]]))[0].startswith("raw counts")


@pytest.mark.parametrize(
    ("low", "high", "whole", "state", "advised"),
    [
        (-0.1, 9, False, "centred or scaled (negative values)", False),
        (-1, 2, True, "centred or scaled (negative values)", False),
        (0, 2, True, "small whole numbers (0, 1, 2)", False),
        (0, 3, True, "raw counts (whole numbers)", True),
        (0, 1, False, "on a unit scale (values from 0 to 1)", False),
        (0, 1.01, False, "logged, perhaps twice (values from 0 to 1.01)", False),
        (0, 2.4, False, "logged, perhaps twice (values from 0 to 2.4)", False),
        (0, 2.41, False, "logged (values from 0 to 2.41)", False),
        (0, 30, False, "logged (values from 0 to 30)", False),
        (1.25, 30, False, "logged (values from 1.25 to 30)", False),
        (0, 30.1, False, "not logged (values from 0 to 30.1)", True),
    ],
)
@pytest.mark.parametrize("few", [[[0.5, 1]], [[0, 0]] * 3, [[1, np.inf]] * 3])
def test_the_range_tells_the_state_where_totals_do_not(low, high, whole, state, advised, few):
    found, advice = state_from(low, high, whole, np.array(few, np.float32))
    assert (found, bool(advice)) == (state, advised)


def test_shares_of_a_sample_have_equal_totals():
    state, advice = state_from(0.25, 0.75, False, np.float32([[0.25, 0.75]] * 3))
    assert state == "normalised to equal totals, not logged"
    assert advice


def test_whole_numbers_are_neither_negative_nor_broken():
    for values, whole in [([0, 1, 2], True), ([0, 1, 1.5], False), ([-1, 0, 2], False)]:
        state, advice = state_of(np.float32([values]), np.float32([values]))
        assert state.startswith("small whole numbers") == whole
        assert advice == ""


# ------------------------------------------------------------------------ kinds of matrices


def as_anndata(values, convert):
    # Object names: anndata refuses to write the string type of pandas 3 by default.
    obs, var = (
        pd.DataFrame(index=names.astype(object)) for names in (values.index, values.columns)
    )
    return anndata.AnnData(convert(values.to_numpy()), obs=obs, var=var)


CONVERSIONS = {
    "dense": np.asarray,
    "fortran": np.asfortranarray,
    "csr_array": sparse.csr_array,
    "csc_array": sparse.csc_array,
    "csr_matrix": sparse.csr_matrix,
    "csc_matrix": sparse.csc_matrix,
    "float32": np.float32,
    "float16": np.float16,
    "int": lambda values: values.astype(np.int64),
    "uint16": lambda values: sparse.csr_matrix(values.astype(np.uint16)),
}


@pytest.fixture
def whole():
    """Whole numbers, so that every dtype holds them exactly."""
    values = np.random.default_rng(3).integers(0, 60, (6, 9)) * 1.0
    return pd.DataFrame(values, index=[f"s{i}" for i in range(6)], columns=list("HZAGBFCED"))


@pytest.mark.filterwarnings("ignore::biomask.BiomaskWarning")
@pytest.mark.parametrize("name", CONVERSIONS)
@pytest.mark.parametrize("view", [False, True])
def test_every_kind_of_anndata_gives_the_same(mask, whole, name, view):
    data = as_anndata(whole, CONVERSIONS[name])
    rows = [4, 0, 3] if view else range(6)
    if view:
        data = data[rows]
    before = data.copy()
    aligned = bm.align(mask, data, min_genes=1)
    expected = whole.iloc[rows].reindex(columns=mask.genes)
    np.testing.assert_array_equal(aligned.X.to_numpy(), expected.to_numpy())
    assert aligned.X.index.equals(expected.index)
    assert type(data.X) is type(before.X) or view
    from anndata.tests.helpers import assert_equal

    assert_equal(data, before, exact=True)


@pytest.mark.filterwarnings("ignore::biomask.BiomaskWarning")
@pytest.mark.parametrize("name", ["dense", "csr_matrix", "csc_matrix"])
def test_backed_anndata_gives_the_same(mask, whole, name, tmp_path, monkeypatch):
    as_anndata(whole, CONVERSIONS[name]).write_h5ad(tmp_path / "x.h5ad")
    monkeypatch.setattr("biomask.masks.matrices._ROWS", 4)  # two blocks
    data = anndata.read_h5ad(tmp_path / "x.h5ad", backed="r")
    aligned = bm.align(mask, data, min_genes=1)
    np.testing.assert_array_equal(aligned.X, whole.reindex(columns=mask.genes))
    assert data.isbacked
    part = bm.align(mask, data[[1, 4]], min_genes=1)
    np.testing.assert_array_equal(part.X, whole.iloc[[1, 4]].reindex(columns=mask.genes))


@pytest.mark.filterwarnings("ignore::biomask.BiomaskWarning")
def test_dask_gives_the_same(mask, whole):
    dask = pytest.importorskip("dask.array")
    data = as_anndata(whole, lambda values: dask.from_array(values, chunks=(2, 3)))
    aligned = bm.align(mask, data, min_genes=1)
    np.testing.assert_array_equal(aligned.X, whole.reindex(columns=mask.genes))


@pytest.mark.filterwarnings("ignore::biomask.BiomaskWarning")
@pytest.mark.parametrize("dtype", ["Int64", "Float32", "boolean", "Sparse[float]", "float16"])
def test_pandas_dtypes(mask, whole, dtype):
    small = whole > 30 if dtype == "boolean" else whole
    data = small.astype(dtype)
    before = data.copy()
    aligned = bm.align(mask, data, min_genes=1)
    np.testing.assert_array_equal(aligned.X, small.reindex(columns=mask.genes))
    pd.testing.assert_frame_equal(data, before)


def test_pandas_missing_value_is_not_a_number(mask):
    data = frame("ABCD").astype("Float64")
    data.loc["s2", "C"] = pd.NA
    with pytest.raises(bm.DataError, match="1 NaN") as caught:
        align(mask, data)
    assert caught.value.genes == ["C"]


def test_result_shares_no_memory_with_the_data(mask):
    data = frame("ABCDEFGH").astype(np.float32)
    before = data.copy()
    aligned = align(mask, data)
    aligned.X.iloc[:, :] = 0
    pd.testing.assert_frame_equal(data, before)


@pytest.mark.parametrize("copy_on_write", [False, True])
@pytest.mark.parametrize("columns", ["ABCDEFGHA", "ABA", "AA"])
def test_merging_leaves_float32_data_as_they_were(mask, columns, copy_on_write):
    data = frame(columns).astype(np.float32)
    before = data.copy()
    with pd.option_context("mode.copy_on_write", copy_on_write):
        aligned = align(mask, data, on_duplicate="sum", min_overlap=0)
    np.testing.assert_allclose(aligned.X["A"], before["A"].sum(axis=1), rtol=1e-6)
    aligned.X.iloc[:, :] = 0
    pd.testing.assert_frame_equal(data, before)


def test_array_means_the_mask_order(mask):
    values = frame("ABCDEFGH")
    aligned = align(mask, values.to_numpy(), min_genes=2)
    expected = values.set_axis(mask.genes, axis=1)[aligned.mask.genes]
    np.testing.assert_allclose(aligned.X.to_numpy(), expected.to_numpy(), rtol=1e-6)
    with pytest.raises(bm.DataError, match=r"shape \(4, 7\)"):
        align(mask, values.to_numpy()[:, :7])


def test_sparse_stays_sparse_until_the_genes_are_chosen():
    genes = [f"KRT{i}" for i in range(20000)]
    rng = np.random.default_rng(0)
    places = rng.integers(50_000, size=2000), rng.integers(20_000, size=2000)
    huge = sparse.csr_array((np.ones(2000), places), shape=(50_000, 20_000))  # 8 GB dense
    data = anndata.AnnData(huge, var=pd.DataFrame(index=genes))
    mask = bm.Mask.from_sets({"P": genes[::2000]})
    aligned = bm.align(mask, data, min_genes=1)
    np.testing.assert_allclose(aligned.X, huge[:, ::2000].toarray(), rtol=1e-6)


# ------------------------------------------------------------------------ new data


def test_match_fills_never_everything(mask):
    aligned = align(mask, frame("ABCDEFGH"))
    with pytest.raises(bm.AlignmentError, match=r"8 of 8 genes.*upper and lower case"):
        aligned.match(frame("abcdefgh"), fill="train_mean")
    with pytest.raises(bm.ArgumentError, match="train_mean"):
        aligned.match(frame("ABCDEFGH"), fill="zero")


def test_match_reports_on_the_genes_and_keeps_every_pathway(mask):
    coverage = align(mask, frame("ABCDE")).match(frame("ABCDEFGHZ")).report.coverage
    assert coverage.index.tolist() == ["P1", "P2", "P3", "P4"]
    assert coverage["present"].tolist() == coverage["size"].tolist() == [3, 2, 1, 1]
    assert coverage["kept"].dtype == bool
    assert coverage["kept"].all()


def test_the_rules_cannot_be_changed(mask):
    rules = align(mask, frame("AB"), rename={"old": "C"}, strip_versions=True).rules
    assert (rules.rename, rules.strip_versions, rules.on_duplicate) == ({"old": "C"}, True, "error")
    with pytest.raises(AttributeError):
        rules.on_duplicate = "sum"


def test_match_keeps_the_rules(mask):
    aligned = align(mask, frame(["A", "B", "old"]), rename={"old": "C"}, on_duplicate="max")
    new = pd.DataFrame([[1.0, 2.0, 3.0, 4.0]], columns=["old", "B", "A", "A "])
    assert aligned.match(new).X.iloc[0].to_dict() == {"A": 4, "B": 2, "C": 1}
    strict = align(mask, frame("AB"))
    with pytest.raises(bm.AlignmentError, match="several columns"):
        strict.match(pd.DataFrame([[2.0, 3.0, 4.0]], columns=["B", "A", "A "]))


def test_match_word_for_word(mask):
    aligned = align(mask, frame("ABCDEFGH"))
    matched = aligned.match(frame(["B", " C", "D", "E", "F", "G", "H", "q"]), fill="train_mean")
    assert list(matched.report.to_frame().itertuples(index=False, name=None)) == [
        ("renamed", "data", " C", "C", "white space removed"),
        ("filled", "data", "A", "", "mean of the first data"),
        ("dropped", "mask", "A", "", "not in the data"),
        ("dropped", "data", "q", "", "not in the mask"),
    ]
    assert matched.report.counts.to_dict() == {
        "samples": 4,
        "matched": 7,
        "only_in_mask": 1,
        "only_in_data": 1,
        "pathways": 4,
        "pathways_kept": 4,
    }
    assert matched.report.state == ""
    assert (matched.X.dtypes == np.float32).all()
    assert matched.X.columns.equals(mask.genes)
    assert (matched.X["A"] == aligned.means["A"]).all()
    assert matched.rules is aligned.rules
    assert matched.means is aligned.means
    assert repr(matched.report).splitlines()[-1] == "  dropped (data): 1"


def test_a_report_without_entries_shows_itself(mask):
    report = align(mask, frame("ABCDEFGH")).match(frame("ABCDEFGH", n=2)).report
    assert report.entries == ()
    assert report.to_frame().columns.tolist() == ["action", "side", "name", "to", "detail"]
    assert report.renamed.empty
    assert repr(report) == (
        "AlignmentReport\n"
        "  8 of the mask's 8 genes are in the data (100.0%)\n"
        "  data: 2 samples x 8 genes, 0 not in the mask\n"
        "  pathways: 4 of 4 kept"
    )


def test_match_takes_arrays_and_layers(mask):
    aligned = align(mask, frame("ABCD"))
    new = frame("ABCD", seed=1)
    found = aligned.match(new.to_numpy()).X
    np.testing.assert_array_equal(found, new.astype(np.float32))
    data = as_anndata(new, np.asarray)
    data.layers["other"] = new.to_numpy() + 1
    other = aligned.match(data, layer="other").X
    np.testing.assert_array_equal(other, (new + 1).astype(np.float32))
    np.testing.assert_array_equal(aligned.match(data).X, found)


def test_match_takes_two_ways_to_fill(mask):
    aligned = align(mask, frame("ABCD"))
    with pytest.raises(bm.ArgumentError) as caught:
        aligned.match(frame("ABCD"), fill="mean")
    assert caught.value.code == "E-ARGUMENT"
    assert caught.value.problem == "fill must be None or 'train_mean', received 'mean'"


def test_repeats_are_merged_in_double_precision(mask):
    data = pd.DataFrame([[1e8, 1.0, -1e8, 5.5]], columns=["A", "A", "A", "B"])
    assert align(mask, data, on_duplicate="sum").X.iloc[0].tolist() == [1, 5.5]
    aligned = align(mask, frame("AB"), on_duplicate="mean")
    matched = aligned.match(data)
    assert matched.X.iloc[0].tolist() == [np.float32(1 / 3), 5.5]
    assert matched.report.duplicates.values.tolist() == [
        [
            "merged",
            "data",
            "A",
            "",
            "mean of 'A' at column 1, 'A' at column 2, 'A' at column 3",
        ]
    ]


def test_match_refuses_nan(mask):
    aligned = align(mask, frame("ABCDEFGH"))
    with pytest.raises(bm.DataError, match="1 NaN"):
        aligned.match(frame("ABCDEFGH").mask(lambda x: x == x.loc["s0", "A"]))


# ------------------------------------------------------------------------ as_frame


def test_as_frame_of_everything_is_the_same(mask, whole):
    expected = whole.reindex(columns=mask.genes).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        aligned = bm.align(mask, whole, min_genes=1)
    sources = {
        "frame": whole,
        "anndata": as_anndata(whole, sparse.csr_matrix),
        "aligned": aligned,
        "array": expected.to_numpy(),
        "csr": sparse.csr_array(expected.to_numpy()),
        "coo": sparse.coo_array(expected.to_numpy()),
        "coo matrix": sparse.coo_matrix(expected.to_numpy()),
        "list": expected.to_numpy().tolist(),
    }
    for name, source in sources.items():
        found = as_frame(source, mask.genes)
        assert found.columns.equals(mask.genes), name
        assert (found.dtypes == np.float32).all(), name
        np.testing.assert_array_equal(found.to_numpy(), expected.to_numpy(), err_msg=name)
    assert as_frame(whole, mask.genes).index.equals(whole.index)


def test_as_frame_returns_what_is_already_right(mask):
    data = frame("ABCDEFGH").astype(np.float32)[mask.genes]
    assert as_frame(data, mask.genes) is data


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda x: x.drop(columns="C"), "E-DATA-GENES"),
        (lambda x: x[["A", *x.columns]], "E-DATA-DUPLICATE"),
        (lambda x: x.to_numpy()[:, 1:], "E-DATA-SHAPE"),
        (lambda x: x.to_numpy()[0], "E-DATA-SHAPE"),
        (lambda x: x.to_numpy().astype(str), "E-DATA-DTYPE"),
        (lambda x: x.astype(complex), "E-DATA-DTYPE"),
        (lambda x: x.mask(x == x.iloc[0, 0]), "E-DATA-NAN"),
        (lambda x: x.iloc[:0], "E-DATA-EMPTY"),
        (lambda x: None, "E-DATA-SHAPE"),
    ],
)
def test_as_frame_errors(mask, change, code):
    with pytest.raises(bm.DataError, match="inputs") as caught:
        as_frame(change(frame("ABCDEFGH")), mask.genes, what="inputs")
    assert caught.value.code == code


def test_as_frame_reads_a_layer_and_not_another(mask, whole):
    data = as_anndata(whole, np.asarray)
    data.layers["double"] = whole.to_numpy() * 2
    found = as_frame(data, mask.genes, layer="double")
    np.testing.assert_array_equal(found, 2 * whole.reindex(columns=mask.genes))
    assert found.index.tolist() == whole.index.tolist()
    with pytest.raises(bm.DataError) as caught:
        as_frame(data, mask.genes, layer="single", what="inputs")
    assert caught.value.problem == "inputs has no layer 'single'"
    assert caught.value.code == "E-DATA-LAYER"


@pytest.mark.parametrize(
    ("change", "problem", "genes"),
    [
        (lambda x: x.drop(columns=["C", "E"]), "inputs lacks 2 of 8 genes", ["C", "E"]),
        (
            lambda x: x[["A", "B", *x.columns, "A"]],
            "inputs has several columns of the same gene",
            ["A", "B"],
        ),
        (
            lambda x: x.to_numpy()[:, 1:],
            "inputs has shape (4, 7) and no names; an array needs shape (n_samples, 8), its "
            "columns being mask.genes in that order",
            [],
        ),
        (
            lambda x: np.ones((2, 8, 1)),
            "inputs has shape (2, 8, 1) and no names; an array needs shape (n_samples, 8), its "
            "columns being mask.genes in that order",
            [],
        ),
        (lambda x: x.to_numpy().astype("S3"), "inputs holds |S3, not real numbers", []),
        (
            lambda x: x.astype({"B": object, "D": complex}),
            "columns of inputs do not hold numbers (dtype object)",
            ["B", "D"],
        ),
        (
            lambda x: x.assign(B=[1, np.nan, np.nan, 1], D=[1, np.inf, 1, -np.inf]),
            "inputs has 2 NaN and 2 infinite values in 3 samples ('s1', 's2', 's3') and 2 genes",
            ["B", "D"],
        ),
        (lambda x: x.iloc[:0], "inputs has no sample", []),
    ],
)
def test_what_as_frame_tells(mask, change, problem, genes):
    with pytest.raises(bm.DataError) as caught:
        as_frame(change(frame("ABCDEFGH")), mask.genes, what="inputs")
    assert (caught.value.problem, caught.value.genes) == (problem, genes)


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "Float32"])
def test_a_missing_value_of_any_dtype_is_told(dtype):
    data = pd.DataFrame({"A": pd.array([1, None], dtype), "B": pd.array([0, 1], dtype)})
    with pytest.raises(bm.DataError, match="X has 1 NaN and 0 infinite values in 1 sam"):
        as_frame(data, ["A", "B"])


def test_an_anndata_is_told_by_its_class(whole):
    data = as_anndata(whole, np.asarray)
    data.raw = data
    assert is_anndata(data)
    assert is_anndata(type("Mine", (anndata.AnnData,), {})(data))
    assert not is_anndata(data.raw)
    assert not is_anndata(type("AnnData", (), {})())


def test_numbers_too_large_for_float32_are_told_without_a_warning(mask):
    data = frame("ABCDEFGH")
    data.loc["s1", "B"] = 1e300
    sources = [data, data.to_numpy(), sparse.csr_array(data.to_numpy()), as_anndata(data, np.array)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for source in sources:
            with pytest.raises(bm.DataError, match="X has 0 NaN and 1 infinite values in 1 samp"):
                as_frame(source, mask.genes)


def test_an_array_has_numbered_samples_and_names_to_the_last_character(whole):
    genes = ["A", "B\0", "C"]
    found = as_frame(np.ones((2, 3)), genes)
    assert found.index.tolist() == [0, 1]
    assert found.columns.tolist() == genes
    assert as_frame(np.ones((2, 3)), iter(genes)).columns.tolist() == genes


def test_as_frame_gives_its_own_copy_unless_it_is_what_was_asked_for(mask):
    data = frame("ABCDEFGH")
    assert as_frame(data, mask.genes) is not data  # float64
    single = data.astype(np.float32)
    other = as_frame(single[mask.genes[::-1]], mask.genes)
    pd.testing.assert_frame_equal(other, single[mask.genes], check_names=False)
    array = single.to_numpy()
    found = as_frame(array, mask.genes)
    found.iloc[:, :] = 0
    assert array.all()


# ------------------------------------------------------------------------ the house


def test_importing_alignment_loads_nothing_heavy():
    code = (
        "import sys, biomask.masks.alignment; "
        "print([m for m in ('tensorflow', 'keras', 'anndata', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ------------------------------------------------------------------------ tables of other libraries


class Foreign:
    """A table or a column of a library that is not installed: columns, no row names."""

    def __init__(self, values):
        self._values, self.columns = values, getattr(values, "columns", None)

    def to_pandas(self):
        return self._values.reset_index(drop=True)

    def __array__(self, dtype=None, copy=None):
        return self._values.to_numpy(dtype)


def _xarray(table):
    xarray = pytest.importorskip("xarray")
    if isinstance(table, pd.DataFrame):
        return xarray.DataArray(
            table, dims=["obs", "var"], coords={"obs": table.index, "var": table.columns}
        )
    return xarray.DataArray(table, dims=["obs"], coords={"obs": table.index})


def _pyarrow(table):
    pyarrow = pytest.importorskip("pyarrow")
    if isinstance(table, pd.DataFrame):
        return pyarrow.Table.from_pandas(table, preserve_index=False)
    return pyarrow.array(table)


FOREIGN = {
    "stand-in": Foreign,
    "records": lambda t: t.to_records(index=False) if isinstance(t, pd.DataFrame) else t.to_numpy(),
    "polars": lambda t: pytest.importorskip("polars").from_pandas(t),
    "pyarrow": _pyarrow,
    "xarray": _xarray,
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_named_tables_of_other_libraries_are_matched_by_name(mask, kind):
    data = frame("ABCDEFGH")
    wanted = align(mask, data)
    shuffled = FOREIGN[kind](data[list("HCADFEGB")])
    np.testing.assert_array_equal(align(mask, shuffled).X, wanted.X)
    np.testing.assert_array_equal(wanted.match(shuffled).X, wanted.X)
    np.testing.assert_array_equal(as_frame(shuffled, wanted.mask.genes), wanted.X)
    values = pd.DataFrame(np.eye(2), columns=["Q", "P"])
    assert bm.Mask.from_dense(FOREIGN[kind](values)).pathways.tolist() == ["Q", "P"]


@pytest.mark.parametrize("kind", FOREIGN)
def test_labels_and_covariates_of_other_libraries(small_mask, small_data, kind):
    """By name where the rows have names, as xarray's have; else in the order of X."""
    X, y = small_data
    rng = np.random.default_rng(0)
    beside = pd.DataFrame({"age": rng.normal(size=48), "dose": rng.normal(size=48)}, X.index)
    label = pd.Series(y, X.index)
    wanted = read_samples(small_mask, X, label, "binary", label, None, beside)
    order = rng.permutation(48) if kind == "xarray" else np.arange(48)
    given = (FOREIGN[kind](part.iloc[order]) for part in (label, label, beside))
    y, groups, covariates = given
    found = read_samples(small_mask, X, y, "binary", groups, None, covariates)
    np.testing.assert_array_equal(found.numbers, wanted.numbers)
    np.testing.assert_array_equal(found.groups, wanted.groups)
    pd.testing.assert_frame_equal(found.covariates, wanted.covariates)


def test_what_holds_several_tables_is_refused_at_once(mask):
    several = SimpleNamespace(mod={}, obs=pd.DataFrame(), var=pd.DataFrame())
    with pytest.raises(bm.DataError, match="rna"):
        align(mask, several)
    with pytest.raises(bm.DataError, match="named rows"):
        align(mask, [pd.Series(1.0, list("ABCDEFGH"))] * 3)
    raw = anndata.AnnData(frame("HGFEDCBA"))
    raw.raw = raw
    assert align(mask, raw.raw).X.equals(align(mask, raw).X)
