"""Several modalities per gene: names decide, samples are matched, a gene counts once."""

import warnings

import anndata
import numpy as np
import pandas as pd
import pytest

import biomask as bm
from biomask.errors import (
    AlignmentError,
    ArgumentError,
    BiomaskWarning,
    DataError,
    raise_together,
)
from biomask.masks.modalities import named

SETS = {"P1": ["A", "B", "C"], "P2": ["C", "D"], "P3": ["E", "F"]}


@pytest.fixture
def mask():
    return bm.Mask.from_sets(SETS, descriptions={"P1": "first"})


def table(genes, samples, first):
    """Value of gene j in sample i: first + 10 i + j, plus a third so that none is whole."""
    values = first + 10 * np.arange(len(samples))[:, None] + np.arange(len(genes)) + 1 / 3
    return pd.DataFrame(values, index=list(samples), columns=list(genes))


@pytest.fixture
def data():
    return {
        "expression": table("CABDE", ["s1", "s2", "s3"], 0),
        "mutation": table("BCAX", ["s3", "s0", "s1"], 5),
    }


def align(mask, data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error", BiomaskWarning)
        return bm.align(mask, data, **{"min_genes": 1, "max_genes": None, **options})


# ------------------------------------------------------------------------ align


def test_every_gene_and_modality_is_a_row_and_a_column(mask, data):
    aligned = align(mask, data)
    assert aligned.mask.to_sets() == {
        "P1": [
            "A (expression)",
            "A (mutation)",
            "B (expression)",
            "B (mutation)",
            "C (expression)",
            "C (mutation)",
        ],
        "P2": ["C (expression)", "C (mutation)", "D (expression)"],
        "P3": ["E (expression)"],
    }
    assert aligned.mask.descriptions["P1"] == "first"
    assert aligned.X.columns.equals(aligned.mask.genes)
    assert (aligned.X.dtypes == np.float32).all()
    assert aligned.X.index.tolist() == ["s1", "s3"]  # s2 and s0 are in one table only
    third = np.float32(1 / 3)
    assert aligned.X["A (expression)"].tolist() == pytest.approx([1 + third, 21 + third])
    assert aligned.X["A (mutation)"].tolist() == pytest.approx([27 + third, 7 + third])
    assert aligned.X["D (expression)"].tolist() == pytest.approx([3 + third, 23 + third])
    pd.testing.assert_series_equal(aligned.means, aligned.X.mean())


def test_a_pathway_may_be_of_any_size_in_a_modality():
    """max_genes=300, the default of a single table, is asked of the genes of all together."""
    genes = [f"g{i}" for i in range(301)]
    data = {name: table(genes, ["s1", "s2"], 0) / 100 for name in "xy"}
    large = bm.Mask.from_sets({"P": genes})
    assert align(large, data).mask.n_edges == 602
    with pytest.raises(AlignmentError, match="no pathway has 1 to 300 genes"):
        align(large, data, max_genes=300)


def test_a_hierarchy_has_one_modality(mask, data):
    hier = bm.Hierarchy.from_sets(mask, pd.DataFrame({"child": ["P1"], "parent": ["P2"]}))
    with pytest.raises(ArgumentError, match="several modalities need a Mask") as caught:
        align(hier, data)
    assert caught.value.code == "E-MODALITY"


def test_weights_of_the_mask_hold_for_every_modality(data):
    weighted = bm.read_edges(
        pd.DataFrame({"gene": list("ABC"), "pathway": ["P"] * 3, "weight": [2, -1, 0.5]})
    )
    edges = align(weighted, data).mask.to_edges().set_index("gene")["weight"]
    assert edges["B (expression)"] == edges["B (mutation)"] == -1
    assert edges["C (mutation)"] == 0.5


def test_the_report_names_what_each_modality_lacks(mask, data):
    report = align(mask, data).report
    entries = set(report.to_frame().itertuples(index=False, name=None))
    assert ("dropped", "sample", "s2", "", "not in mutation") in entries
    assert ("dropped", "sample", "s0", "", "not in expression") in entries
    assert ("dropped", "mask", "D", "", "mutation: not in the data") in entries
    assert ("dropped", "mask", "F", "", "expression: not in the data") in entries
    assert ("dropped", "data", "X", "", "mutation: not in the mask") in entries
    assert report.only_in_mask.tolist() == ["F"]
    assert report.only_in_data.tolist() == ["X"]
    assert report.n_samples == 2
    coverage = report.coverage
    assert coverage["present"].tolist() == [3, 2, 1]
    assert coverage["coverage"].tolist() == [1, 1, 0.5]


def test_the_whole_report(data):
    sets = {**SETS, "P4": ["A"], "none": []}
    mask = bm.Mask.from_sets(sets, genes=list("ABCDEFG"))
    data["expression"]["e"] = 4.25
    data["mutation"]["A"] = 2.5
    report = align(mask, data).report
    assert report.coverage.index.equals(mask.pathways)
    assert report.coverage.reset_index().to_numpy().tolist() == [
        ["P1", 3, 3, 1.0, True],
        ["P2", 2, 2, 1.0, True],
        ["P3", 2, 1, 0.5, True],
        ["P4", 1, 1, 1.0, True],
        ["none", 0, 0, 0.0, False],
    ]
    assert list(report.coverage) == ["size", "present", "coverage", "kept"]
    assert report.matched.tolist() == list("ABCDE")
    assert report.only_in_mask.tolist() == ["F", "G"]
    assert report.only_in_data.tolist() == ["e", "X"]
    assert report.state == (
        "expression: logged (values from 0.333 to 24.3); mutation: logged (values from 2.5 to 26.3)"
    )
    assert report.cause == ""
    values = ["note", "data", "values", ""]
    assert report.to_frame().to_numpy().tolist() == [
        ["dropped", "sample", "s2", "", "not in mutation"],
        ["dropped", "sample", "s0", "", "not in expression"],
        ["dropped", "pathway", "none", "", "0 genes in the data"],
        [*values, "expression: logged (values from 0.333 to 24.3)."],
        ["dropped", "mask", "F", "", "expression: not in the data"],
        ["dropped", "mask", "G", "", "expression: not in the data"],
        ["dropped", "data", "e", "", "expression: not in the mask"],
        [*values, "mutation: logged (values from 2.5 to 26.3)."],
        ["constant", "data", "A", "", "mutation: 2.5 in every sample"],
        *(["dropped", "mask", gene, "", "mutation: not in the data"] for gene in "DEFG"),
        ["dropped", "data", "X", "", "mutation: not in the mask"],
    ]


def test_the_cause_is_told_of_its_modality(mask, data):
    data["mutation"] = data["mutation"].rename(columns={"X": "d"})
    told = "mutation: 33% of the names differ in upper and lower case; rename the data's columns."
    assert align(mask, data).report.cause == told


def test_a_sample_is_told_with_every_modality_that_lacks_it(mask, data):
    data["other"] = table("AB", ["s1", "s4"], 2)
    report = align(mask, data).report.to_frame()
    assert report[report["side"] == "sample"][["name", "detail"]].to_numpy().tolist() == [
        ["s2", "not in mutation, other"],
        ["s3", "not in other"],
        ["s0", "not in expression, other"],
        ["s4", "not in expression, mutation"],
    ]


def test_genes_of_dropped_pathways_go_from_every_modality(mask, data):
    aligned = align(mask, data, min_genes=3)
    assert aligned.mask.genes.tolist() == [
        f"{gene} ({name})" for gene in "ABC" for name in ("expression", "mutation")
    ]
    assert aligned.X.columns.equals(aligned.mask.genes)
    assert aligned.modalities["expression"].mask.genes.tolist() == list("ABC")


def test_every_modality_keeps_a_report_of_its_own(mask, data):
    modalities = align(mask, data).modalities
    assert list(modalities) == ["expression", "mutation"]
    assert modalities["mutation"].report.only_in_mask.tolist() == ["D", "E", "F"]
    assert modalities["mutation"].report.n_samples == 2
    assert modalities["mutation"].X.columns.tolist() == ["A", "B", "C"]
    assert modalities["expression"].report.only_in_mask.tolist() == ["F"]


def test_a_gene_counts_once(mask, data):
    assert align(mask, data, min_genes=2).mask.pathways.tolist() == ["P1", "P2"]
    assert align(mask, data, max_genes=2).mask.pathways.tolist() == ["P2", "P3"]
    dropped = align(mask, data, min_genes=3).report.dropped
    dropped = dropped[dropped["side"].isin(["pathway", "gene"])]
    assert dropped["name"].tolist() == ["P2", "P3", "D", "E"]
    with pytest.raises(AlignmentError, match="no pathway has 4 to any number of genes"):
        align(mask, data, min_genes=4)


def test_a_pathway_whose_genes_are_in_different_modalities_counts_both(mask):
    data = {"a": table("ABD", ["s1", "s2"], 0), "b": table("AC", ["s1", "s2"], 5)}
    aligned = align(mask, data, min_genes=2)
    assert aligned.mask.to_sets()["P2"] == ["C (b)", "D (a)"]
    with pytest.raises(AlignmentError, match="modality 'b' has no gene of the 1 pathways"):
        align(
            bm.Mask.from_sets({"P": ["A", "B"], "Q": ["C"]}),
            {**data, "b": data["b"][["C"]]},
            min_genes=2,
        )


def test_rows_and_columns_in_another_order_give_the_same(mask, data):
    other = {name: part.iloc[:, ::-1] for name, part in data.items()}
    other["mutation"] = other["mutation"].iloc[[2, 0, 1]]
    first, second = align(mask, data), align(mask, other)
    pd.testing.assert_frame_equal(first.X, second.X)
    assert first.mask.digest == second.mask.digest


def test_inputs_stay_as_they_were_and_anndata_will_do(mask, data):
    before = {name: part.copy() for name, part in data.items()}
    plain = align(mask, data)
    data["mutation"] = anndata.AnnData(data["mutation"].astype(np.float32))
    mixed = align(mask, data)
    pd.testing.assert_frame_equal(plain.X, mixed.X)
    pd.testing.assert_frame_equal(data["expression"], before["expression"])


def test_names_are_cleaned_in_every_modality(mask, data):
    data["mutation"] = data["mutation"].rename(columns={"A": "a1", "B": " B"})
    aligned = align(mask, data, rename={"a1": "A"})
    assert {"A (mutation)", "B (mutation)"} <= set(aligned.mask.genes)
    changed = aligned.report.renamed
    assert "mutation: rename=" in changed["detail"].tolist()


def test_errors_and_warnings_say_which_modality(mask, data):
    bad = {**data, "mutation": data["mutation"].copy()}
    bad["mutation"].loc["s3", "A"] = np.nan
    with pytest.raises(DataError, match="modality 'mutation': the data has 1 NaN") as caught:
        align(mask, bad)
    assert caught.value.code == "E-DATA-NAN"
    assert caught.value.genes == ["A"]
    with pytest.raises(AlignmentError, match="modality 'other': "):
        align(mask, {**data, "other": table("VWXYZ", ["s1", "s3"], 0)})
    counts = {**data, "counts": table("ABC", ["s1", "s3"], 3) - 1 / 3}
    counts["counts"] = counts["counts"].round()
    with pytest.warns(BiomaskWarning, match="modality 'counts': .*raw counts") as caught:
        bm.align(mask, counts, min_genes=1)
    assert {warning.filename for warning in caught} == {__file__}
    with pytest.raises(BiomaskWarning, match="modality 'counts': "):
        align(mask, counts)  # which makes an error of a warning


def test_an_error_of_a_modality_keeps_all_that_it_tells():
    given = {"code": "E-X", "genes": ["A"], "hint": "Do."}
    with pytest.raises(DataError) as caught, named("m"):
        raise DataError("no good", **given)
    error = caught.value
    assert error.problem == "modality 'm': no good"
    assert {name: getattr(error, name) for name in given} == given
    assert error.problems == [error]
    several = [ArgumentError("one", code="E-X"), ArgumentError("two", code="E-Y")]
    with pytest.raises(ArgumentError) as caught, named("m"):
        raise_together(several)
    assert caught.value.problem == "modality 'm': 2 problems"
    assert caught.value.problems == several


@pytest.mark.parametrize("names", [{}, {"a(b": 0}, {"b)": 0}, {"": 0}, {" ": 0}, {3: 0}])
def test_modalities_need_names_that_can_be_told_apart(mask, names):
    with pytest.raises(ArgumentError) as caught:
        align(mask, {**names, "good": 0} if names else {})
    received = repr(str(next(iter(names)))) if names else "none"
    assert caught.value.problem == f"modalities need names without brackets, received {received}"
    assert caught.value.code == "E-MODALITY"


def test_samples_without_names_or_partners_are_refused(mask, data):
    with pytest.raises(DataError) as caught:
        align(mask, {**data, "x": np.zeros((3, 6))})
    assert caught.value.problem == "modality 'x' has no sample names"
    assert caught.value.code == "E-SAMPLES"
    with pytest.raises(DataError) as caught:
        align(mask, {**data, "x": table("AB", ["s1", *"abcdabcd"], 0)})
    assert caught.value.problem == "modality 'x' repeats sample names 'a', 'b', 'c' and 1 more"
    with pytest.raises(AlignmentError) as caught:
        align(mask, {**data, "x": table("AB", "tuvw", 0)})
    assert caught.value.problem == (
        "no sample is in all of the 3 modalities (expression: 's1', 's2', 's3'; mutation: 's3', "
        "'s0', 's1'; x: 't', 'u', 'v' and 1 more)"
    )
    assert caught.value.code == "E-ALIGN-SAMPLES"
    with pytest.raises(AlignmentError, match=r"no sample is in all .*expression: 's1'.*x: 't1'"):
        align(mask, {**data, "x": table("AB", ["t1", "t2"], 0)})


# ------------------------------------------------------------------------ match


def test_new_data_get_the_same_columns(mask, data):
    aligned = align(mask, data)
    new = {
        "mutation": table("ABC", ["n2", "n1"], 0),
        "expression": table("EDCBAZ", ["n1", "n2"], 100),
    }
    matched = aligned.match(new)
    assert matched.mask is aligned.mask
    assert matched.X.index.tolist() == ["n1", "n2"]
    assert matched.X.columns.equals(aligned.mask.genes)
    assert matched.X.loc["n1", "A (mutation)"] == pytest.approx(10 + 1 / 3)
    assert matched.X.loc["n2", "E (expression)"] == pytest.approx(110 + 1 / 3)
    assert matched.report.only_in_data.tolist() == ["Z"]
    assert matched.report.coverage["kept"].dtype == bool
    assert matched.report.coverage["kept"].all()


def test_a_missing_gene_is_refused_or_filled_in_its_modality(mask, data):
    aligned = align(mask, data)
    new = {"expression": table("EDCBA", ["n1"], 100), "mutation": table("AB", ["n1"], 0)}
    with pytest.raises(AlignmentError, match=r"modality 'mutation': .*'C'"):
        aligned.match(new)
    filled = aligned.match(new, fill="train_mean")
    assert filled.X.loc["n1", "C (mutation)"] == aligned.X["C (mutation)"].mean()
    assert filled.report.only_in_mask.tolist() == ["C (mutation)"]
    found = filled.report.to_frame()
    assert found[found["action"] == "filled"]["detail"].tolist() == [
        "mutation: mean of the first data"
    ]


def test_new_data_need_the_modalities_of_the_first(mask, data):
    aligned = align(mask, data)
    with pytest.raises(ArgumentError) as caught:
        aligned.match({"other": data["mutation"], "expression": data["expression"]})
    assert caught.value.problem == (
        "the modalities must be 'expression', 'mutation', received 'expression', 'other'"
    )
    assert caught.value.code == "E-MODALITY"
    with pytest.raises(ArgumentError, match="modalities must be 'expression', 'mutation'"):
        aligned.match({"expression": data["expression"]})
    with pytest.raises(ArgumentError, match="aligned with a mapping of modalities"):
        aligned.match(data["expression"])
    with pytest.raises(ArgumentError, match="aligned with one table"):
        align(mask, data["expression"]).match(data)


def test_every_modality_has_a_mask_of_its_own_genes(mask, data):
    modalities = align(mask, data, min_genes=2).modalities  # without P3: E and F
    expected = {
        "expression": {"P1": ["A", "B", "C"], "P2": ["C", "D"]},
        "mutation": {"P1": ["A", "B", "C"], "P2": ["C"]},
    }
    for name, sets in expected.items():
        part = modalities[name]
        assert part.mask.to_sets() == sets
        assert part.X.columns.equals(part.mask.genes)
        pd.testing.assert_series_equal(part.means, part.X.mean())


def test_options_hold_for_every_modality(mask, data):
    arrays = {name: anndata.AnnData(part.astype(np.float32)) for name, part in data.items()}
    for part in arrays.values():
        part.layers["other"] = part.X + 1
    plain, other = align(mask, arrays), align(mask, arrays, layer="other")
    pd.testing.assert_frame_equal(other.X, plain.X + 1)
    pd.testing.assert_frame_equal(plain.match(arrays, layer="other").X, other.X)
    data["mutation"] = data["mutation"].rename(columns={"X": "A"})
    with pytest.raises(AlignmentError, match="modality 'mutation': 1 genes have several columns"):
        align(mask, data)
    merged = align(mask, data, on_duplicate="max").X  # X is the last column
    assert (
        merged["A (mutation)"].tolist()
        == data["mutation"].loc[["s1", "s3"]].iloc[:, 3].astype(np.float32).tolist()
    )
    with pytest.raises(AlignmentError, match="fewer than min_overlap=60%"):
        align(mask, data, on_duplicate="max", min_overlap=0.6)


def test_ids_lose_their_version_in_every_modality():
    ids = ["ENSG00000141510", "ENSG00000182378"]
    mask = bm.Mask.from_sets({"P": [f"{name}.1" for name in ids]})
    data = {
        name: table([f"{gene}.{version}" for gene in ids], ["s1", "s2"], version)
        for version, name in [(2, "a"), (3, "b")]
    }
    aligned = align(mask, data, strip_versions=True)
    assert aligned.mask.genes.tolist() == [f"{gene} ({name})" for gene in ids for name in "ab"]
    assert aligned.report.matched.tolist() == ids


def test_what_is_wrong_with_modalities_has_a_code(mask, data):
    hier = bm.Hierarchy.from_sets(mask, pd.DataFrame({"child": ["P1"], "parent": ["P2"]}))
    aligned, single = align(mask, data), align(mask, data["expression"])
    one = {"a": table("ABD", ["s1", "s2"], 0), "b": table("EF", ["s1", "s2"], 5)}
    cases = [
        (
            lambda: align(hier, data),
            ArgumentError,
            "E-MODALITY",
            "several modalities need a Mask, received a Hierarchy",
        ),
        (
            lambda: aligned.match(data["expression"]),
            ArgumentError,
            "E-MODALITY",
            "the mask was aligned with a mapping of modalities, received DataFrame",
        ),
        (
            lambda: single.match(data),
            ArgumentError,
            "E-MODALITY",
            "the mask was aligned with one table, not modalities, received dict",
        ),
        (
            lambda: align(mask, one, min_genes=3),
            AlignmentError,
            "E-ALIGN-EMPTY",
            "no pathway has 3 to any number of genes in the data; the 3 pathways of the mask have "
            "1 to 2",
        ),
        (
            lambda: align(bm.Mask.from_sets({"P": list("ABD"), "Q": list("EF")}), one, min_genes=3),
            AlignmentError,
            "E-ALIGN-EMPTY",
            "modality 'b' has no gene of the 1 pathways that are kept",
        ),
    ]
    for make, kind, code, problem in cases:
        with pytest.raises(kind) as caught:
            make()
        assert (caught.value.code, caught.value.problem) == (code, problem)


def test_the_joint_report_word_for_word(mask, data):
    report = align(mask, data, min_genes=2).report
    assert list(report.to_frame().itertuples(index=False, name=None)) == [
        ("dropped", "sample", "s2", "", "not in mutation"),
        ("dropped", "sample", "s0", "", "not in expression"),
        ("dropped", "pathway", "P3", "", "1 genes in the data"),
        ("dropped", "gene", "E", "", "in no kept pathway"),
        ("note", "data", "values", "", "expression: logged (values from 0.333 to 24.3)."),
        ("dropped", "mask", "F", "", "expression: not in the data"),
        ("note", "data", "values", "", "mutation: logged (values from 5.33 to 27.3)."),
        ("dropped", "mask", "D", "", "mutation: not in the data"),
        ("dropped", "mask", "E", "", "mutation: not in the data"),
        ("dropped", "mask", "F", "", "mutation: not in the data"),
        ("dropped", "data", "X", "", "mutation: not in the mask"),
    ]
    assert report.coverage["kept"].tolist() == [True, True, False]
    assert report.coverage["size"].tolist() == [3, 2, 2]


def test_new_data_have_a_joint_report_of_their_own(mask, data):
    aligned = align(mask, data, min_genes=2)
    new = {
        "mutation": table("BC", ["n2", "n1"], 0),
        "expression": table("DCBAZ", ["n1", "n2", "n3"], 100),
    }
    matched = aligned.match(new, fill="train_mean")
    assert matched.report.counts.to_dict() == {
        "samples": 2,
        "matched": 6,
        "only_in_mask": 1,
        "only_in_data": 1,
        "pathways": 2,
        "pathways_kept": 2,
    }
    assert list(matched.report.to_frame().itertuples(index=False, name=None)) == [
        ("dropped", "sample", "n3", "", "not in mutation"),
        ("dropped", "data", "Z", "", "expression: not in the mask"),
        ("filled", "data", "A", "", "mutation: mean of the first data"),
        ("dropped", "mask", "A", "", "mutation: not in the data"),
    ]
    assert list(matched.modalities) == ["expression", "mutation"]
    assert matched.modalities["mutation"].X.index.tolist() == ["n1", "n2"]
    assert matched.rules is aligned.rules
    pd.testing.assert_series_equal(matched.means, aligned.means)


# ------------------------------------------------------------------------ gene and modality


def test_gene_and_modality_part_at_the_last_brackets():
    edges = pd.DataFrame({"gene": ["TP53 (mutation)", "ATP (ER) (copy number)"], "p": [0.1, 0.2]})
    parted = bm.split_modality(edges)
    assert parted.columns.tolist() == ["gene", "modality", "p"]
    assert parted["gene"].tolist() == ["TP53", "ATP (ER)"]
    assert parted["modality"].tolist() == ["mutation", "copy number"]
    assert edges["gene"].tolist() == ["TP53 (mutation)", "ATP (ER) (copy number)"]
    moved = bm.split_modality(edges[["p", "gene"]].assign(q=1))
    assert moved.columns.tolist() == ["p", "gene", "modality", "q"]


def test_genes_without_a_modality_are_counted_once_each():
    table = pd.DataFrame({"gene": ["A", "B (x)", "A", "C ()", "(y)", "D(z)"]})
    with pytest.raises(DataError) as caught:
        bm.split_modality(table)
    assert caught.value.problem == "4 genes have no modality"
    assert (caught.value.code, caught.value.genes) == ("E-MODALITY", ["A", "C ()", "(y)", "D(z)"])


def test_a_gene_without_a_modality_is_refused(mask):
    with pytest.raises(DataError, match="6 genes have no modality: 'A'"):
        bm.split_modality(mask.to_edges())
    with pytest.raises(DataError) as caught:
        bm.split_modality(pd.DataFrame({"pathway": ["P"]}))
    assert caught.value.problem == "the table has no column 'gene'"
    assert caught.value.code == "E-COLUMN"


# ------------------------------------------------------------------------ through the engine


def test_a_pathway_planted_in_one_modality_is_found_there(tmp_path):
    rng = np.random.default_rng(5)
    genes = [f"g{j}" for j in range(40)]
    mask = bm.Mask.from_sets({f"P{p}": genes[5 * p : 5 * p + 5] for p in range(8)})
    samples = [f"s{i}" for i in range(100)]
    shape = (100, 40)
    expression = pd.DataFrame(rng.normal(size=shape), samples, genes)
    mutation = pd.DataFrame(rng.normal(size=shape) > 1, samples, genes).astype(float)
    burden = mutation[mask.to_sets()["P3"]].sum(axis=1)
    y = (burden + rng.normal(scale=0.5, size=100) > burden.median()).astype(int)
    aligned = bm.align(mask, {"expression": expression, "mutation": mutation}, min_genes=1)
    study = bm.crossfit(
        aligned.mask,
        aligned,
        y,
        folds=2,
        seeds=1,
        permutations=39,
        learning_rate=1e-2,
        progress=False,
    )
    assert study.pathways["effect"].idxmax() == "P3"
    assert study.pathways.loc["P3", "p_fwer"] == 1 / 40
    edges = bm.split_modality(study.edges[study.edges["pathway"] == "P3"])
    assert len(edges) == 10
    by_modality = edges.groupby("modality")["effect"].sum()
    assert by_modality["mutation"] > 5 * abs(by_modality["expression"])
    bm.report(study, tmp_path / "report.html")
    model = bm.build_model(aligned.mask)
    assert model.input_shape == (None, 80)
