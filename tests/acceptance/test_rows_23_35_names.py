"""Acceptance, rows 23 to 35: names, and the alignment of data and mask."""

from __future__ import annotations

import os
import subprocess
import sys

import anndata
import numpy as np
import pandas as pd
import pytest
from alignment_case import SETS, align, frame

import biomask as bm

HUMAN = ["TP53", "BRCA1", "MDM2", "CDKN1A", "GAPDH", "ACTB"]


@pytest.fixture
def mask():
    return bm.Mask.from_sets(SETS)


def refused(mask, data, **options) -> bm.AlignmentError:
    with pytest.raises(bm.AlignmentError) as caught:
        align(mask, data, **options)
    assert caught.value.hint
    return caught.value


# ------------------------------------------------------------------------ 23 to 25: order


def trained(mask, X, y):
    """A network after three epochs."""
    model = bm.build_model(mask, learning_rate=0.05, seed=2)
    model.fit(X[mask.genes].to_numpy(), y, epochs=3, batch_size=16, shuffle=False, verbose=0)
    return model


def test_row_23_permuted_genes_give_identical_results(small_mask, small_data):
    """Columns in another order: the same network, predictions, interpretation; to the last bit."""
    X, y = small_data
    shuffled = X.sample(frac=1, axis=1, random_state=0)
    assert X.columns.tolist() != shuffled.columns.tolist()
    results = []
    for data in (X, shuffled):
        aligned = align(small_mask, data)
        model = trained(aligned.mask, aligned.X, y)
        new = aligned.match(data.iloc[:9]).X
        results.append(
            [
                bm.edge_weights(model),
                pd.DataFrame(model.predict(new.to_numpy(), verbose=0)),
                bm.pathway_activity(model, data),
                bm.gene_attributions(model, data.iloc[:9], steps=4),
                bm.pathway_attributions(model, data.iloc[:9]),
            ]
        )
    for found, expected in zip(*results, strict=True):
        pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_row_24_permuted_genes_and_pathways_train_to_the_same_network_by_name(
    small_mask, small_data
):
    """Rows and columns of the mask in another order: initial weights exactly equal by name.

    Sums run in another order, so the trained ones agree to rounding. `crossfit` sorts by name
    first, and its results are equal to the last bit: tests/test_crossfit.py.
    """
    X, y = small_data
    genes, pathways = small_mask.genes[[5, 2, 7, 0, 1, 6, 3, 4]], small_mask.pathways[::-1]
    shuffled = small_mask.select(genes, pathways)

    def weights(model):
        return bm.edge_weights(model).set_index(["gene", "pathway"])["weight"].sort_index()

    first, second = (weights(bm.build_model(m, seed=2)) for m in (small_mask, shuffled))
    pd.testing.assert_series_equal(first, second, check_exact=True)
    model, other = trained(small_mask, X, y), trained(shuffled, X, y)
    pd.testing.assert_series_equal(weights(model), weights(other), rtol=0, atol=1e-6)
    assert np.abs(weights(model) - first).max() > 0.01
    activity = bm.pathway_activity(model, X)
    np.testing.assert_allclose(activity, bm.pathway_activity(other, X)[activity.columns], atol=1e-6)
    predicted = model(X[small_mask.genes].to_numpy()), other(X[shuffled.genes].to_numpy())
    np.testing.assert_allclose(*predicted, atol=1e-6)


FILES = """
import sys
import biomask as bm
folder = sys.argv[1]
mask = bm.read_gmt(sys.argv[2])
bm.write_gmt(mask, f"{folder}/sets.gmt")
bm.write_edges(mask, f"{folder}/edges.csv.gz")
sim = bm.simulate(mask, n_samples=30, active=["P1"], random_state=0)
aligned = bm.align(mask, sim.X[reversed(sim.X.columns)], min_genes=1)
aligned.X.to_csv(f"{folder}/X.csv")
aligned.report.to_frame().to_csv(f"{folder}/report.csv")
with open(f"{folder}/names.txt", "w") as file:
    print(mask.digest, aligned.mask.merge_identical().rewire(0).digest, file=file)
"""


def test_row_25_the_hash_seed_changes_no_byte(mask, tmp_path):
    """Three values of PYTHONHASHSEED: every file that is written has the same bytes.

    Weights of a network trained in another process: rows 47 and 49.
    """
    bm.write_gmt(mask, tmp_path / "in.gmt")
    written = []
    for seed in ("0", "1", "31337"):
        (tmp_path / seed).mkdir()
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", FILES, tmp_path / seed, tmp_path / "in.gmt"],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        written.append({path.name: path.read_bytes() for path in (tmp_path / seed).iterdir()})
    assert len(written[0]) == 5
    assert written[0] == written[1] == written[2]


# ------------------------------------------------------------------------ 26, 27: overlap

CAUSES = {
    "case": ([g.lower() for g in HUMAN], HUMAN, "differ in upper and lower case"),
    "Ensembl ids": ([f"ENSG{i:011d}" for i in range(6)], HUMAN, "Ensembl ids where the mask has"),
    "symbols": (HUMAN, [f"ENSG{i:011d}" for i in range(6)], "gene symbols where the mask has Ense"),
    "Entrez ids": (["7157", "672", "4193"], HUMAN, "Entrez ids where the mask has gene symbols"),
    "version": (
        [f"ENSG{i:011d}.{i + 1}" for i in range(6)],
        [f"ENSG{i:011d}" for i in range(6)],
        "version suffixes (ENSG00000141510.16); pass strip_versions=True",
    ),
    "species": (["Trp53", "Brca1", "Mdm2", "Gapdh"], HUMAN, "species: the data have mouse symbols"),
    "species of Ensembl ids": (
        [f"ENSMUSG{i:011d}" for i in range(6)],
        [f"ENSG{i:011d}" for i in range(6)],
        "species: Ensembl ids of 'MUS' in the data, of 'human' in the mask",
    ),
    "spreadsheet": (["1-Mar", "2-Sep"], ["MARCHF1", "SEPTIN2"], "a spreadsheet turned names into"),
    "older symbols": (["SEPT2", "G6PC"], ["SEPTIN2", "G6PC1"], "under their older symbols"),
    "punctuation": (["HLA.A", "HLA.B"], ["HLA-A", "HLA-B"], "differ in punctuation"),
    "Cyrillic": (["\u0422\u042053"], ["TP53"], "only look the same (Cyrillic letters"),
    "no names": (["0", "1", "2"], HUMAN, "numbered, not named"),
    "unknown": (["FOO", "BAR"], HUMAN, "unknown; compare the names above"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_row_26_zero_overlap_names_the_probable_cause(cause):
    """Why no gene of the mask is in the data, for every usual reason."""
    data, genes, told = CAUSES[cause]
    error = refused(bm.Mask.from_sets({"P": genes}), frame(data))
    assert error.code == "E-ALIGN-NONE"
    assert "Probable cause: " in error.hint
    assert told in error.hint


def test_row_26_zero_overlap_shows_five_names_of_each_side():
    """And how many more there are; of an AnnData, the column of .var that holds the right ones."""
    genes = [f"KRT{i}" for i in range(7)]
    mask, data = bm.Mask.from_sets({"P": genes}), frame([f"x{i}" for i in range(6)])
    text = str(refused(mask, data))
    assert "Only in the mask: 'KRT0', 'KRT1', 'KRT2', 'KRT3', 'KRT4' and 2 more" in text
    assert "Only in the data: 'x0', 'x1', 'x2', 'x3', 'x4' and 1 more" in text
    var = pd.DataFrame({"symbol": genes[:6]}, index=data.columns.astype(object))
    text = str(refused(mask, anndata.AnnData(data.to_numpy(), var=var)))
    assert "Column 'symbol' of .var has 6 of the mask's genes" in text


def test_row_27_low_overlap_is_an_error_unless_allowed(mask):
    """Under a quarter of the mask's genes; the coverage of every pathway is in the report."""
    data = frame("AZYX")  # 1 of 8 genes
    error = refused(mask, data)
    assert error.code == "E-ALIGN-LOW"
    assert "1 of the mask's 8 genes (12.5%) are in the data, fewer than min_overlap=25%" in str(
        error
    )
    assert "Half or more of their genes: 0 of 4 pathways" in str(error)
    assert "Lower min_overlap" in error.hint
    aligned = align(mask, data, min_overlap=0.125)
    assert aligned.mask.to_sets() == {"P1": ["A"], "P4": ["A"]}
    coverage = aligned.report.coverage
    assert coverage.index.tolist() == ["P1", "P2", "P3", "P4"]
    assert coverage["size"].tolist() == [3, 2, 1, 4]
    assert coverage["present"].tolist() == [1, 0, 0, 1]
    assert coverage["coverage"].tolist() == [1 / 3, 0, 0, 0.25]
    assert coverage["kept"].tolist() == [True, False, False, True]
    assert align(mask, frame("AB")).mask.shape == (2, 2)  # a quarter is enough


# ------------------------------------------------------------------------ 28 to 33: names


@pytest.fixture(params=["apart", "adjacent"])
def repeated(request):
    """A, B, A or A, A, B; the columns of A and their values are the same."""
    data = pd.DataFrame([[1.5, 2.0, 5.0], [3.25, 8.5, 7.0]], columns=["A", "A", "B"])
    return data.iloc[:, [0, 2, 1]] if request.param == "apart" else data


def columns_of(data, gene):
    return ", ".join(f"'{gene}' at column {i + 1}" for i in np.flatnonzero(data.columns == gene))


def test_row_28_a_duplicate_gene_is_an_error_with_its_columns(mask, repeated):
    """Adjacent or not, and what may be done about it."""
    error = refused(mask, repeated)
    assert (error.code, error.genes) == ("E-ALIGN-DUPLICATE", ["A"])
    assert f"1 genes have several columns in the data ({columns_of(repeated, 'A')})" in str(error)
    assert 'on_duplicate="sum", "mean", "max" or "first"' in error.hint


@pytest.mark.parametrize(
    ("how", "a"),
    [("sum", [3.5, 11.75]), ("mean", [1.75, 5.875]), ("max", [2, 8.5]), ("first", [1.5, 3.25])],
)
def test_row_28_a_duplicate_gene_is_merged_as_asked(mask, repeated, how, a):
    """on_duplicate= sum, mean, max or first, with an entry; the other genes stay as they are."""
    before = repeated.copy()
    aligned = align(mask, repeated, on_duplicate=how)
    assert aligned.X["A"].tolist() == a
    assert aligned.X["B"].tolist() == [5, 7]
    (row,) = aligned.report.duplicates.itertuples()
    assert (row.action, row.name) == ("merged", "A")
    assert row.detail == f"{how} of {columns_of(repeated, 'A')}"
    pd.testing.assert_frame_equal(repeated, before)


CONVERTED = {  # month, day -> what was typed, under its present symbol
    **{(3, n): f"MARCHF{n}" for n in range(1, 12)},
    **{(9, n): f"SEPTIN{n}" for n in (*range(1, 13), 14)},
    (9, 15): "SELENOF",
    (12, 1): "DELEC1",
    (10, 4): "POU5F1",
}
MONTHS = {  # of March, September, October and December
    "English": ("Mar", "Sep", "Oct", "Dec"),
    "German": ("Mrz", "Sep", "Okt", "Dez"),
    "French": ("mars", "sept", "oct", "déc"),
    "Spanish": ("mar", "sep", "oct", "dic"),
    "Italian": ("mar", "set", "ott", "dic"),
    "Portuguese": ("mar", "set", "out", "dez"),
    "Dutch": ("mrt", "sep", "okt", "dec"),
}
LOCALES = {
    language: lambda month, day, names=names: f"{day}-{names[(3, 9, 10, 12).index(month)]}"
    for language, names in MONTHS.items()
} | {
    "English, month first": lambda month, day: f"{LOCALES['English'](month, day)[-3:]}-{day:02d}",
    "German with dots": lambda month, day: f"{day:02d}. {LOCALES['German'](month, day)[-3:]}",
    "ISO 8601": lambda month, day: f"2020-{month:02d}-{day:02d}",
    "United States": lambda month, day: f"{month}/{day}/2020",
    "dots and digits": lambda month, day: f"{day:02d}.{month:02d}.2020",
    "serial number": lambda month, day: str(
        (pd.Timestamp(2020, month, day) - pd.Timestamp(1899, 12, 30)).days
    ),
}


@pytest.mark.parametrize("locale", LOCALES)
def test_row_29_dates_of_a_spreadsheet_are_listed_with_the_probable_gene(locale):
    """Every symbol that becomes a date, in every language: warned of, and none is guessed.

    9/2/2020 is 2 September or 9 February: both are looked up. A serial number is a date where most
    names of the data are no numbers, even if all that are left without a partner are.
    """
    genes, usual = list(CONVERTED.values()), [f"KRT{i}" for i in range(40)]
    shown = [LOCALES[locale](*date) for date in CONVERTED]
    mask = bm.Mask.from_sets({"P": [*usual, *genes]})
    with pytest.warns(bm.BiomaskWarning, match="names of the data look converted by a spread"):
        aligned = bm.align(mask, frame([*usual, *shown]), min_genes=1)
    assert aligned.mask.genes.tolist() == usual
    found = aligned.report.candidates
    assert found["name"].tolist() == shown
    assert [gene in told.split(" or ") for gene, told in zip(genes, found["to"], strict=True)] == [
        True
    ] * len(genes)


def test_row_29_what_two_genes_become_is_listed_with_both():
    """MARCH1 and MARC1 are both shown as 1-Mar; a clone's number loses its digits."""
    mask = bm.Mask.from_sets({"P": ["MARCHF1", "MTARC1", "2310001E07Rik", "TP53", "MDM2"]})
    with pytest.warns(bm.BiomaskWarning, match=r"'1-Mar \(MARCHF1 or MTARC1\)'"):
        aligned = bm.align(mask, frame(["1-Mar", "2.31E+13", "TP53", "MDM2"]), min_genes=1)
    assert aligned.report.candidates["to"].tolist() == ["MARCHF1 or MTARC1", "2310001E07Rik"]
    assert aligned.mask.genes.tolist() == ["TP53", "MDM2"]


def test_row_29_43891_is_a_date_only_among_symbols():
    """Among Entrez numbers it is a gene."""
    mask = bm.Mask.from_sets({"P": ["MARCHF1", "7157", "672"]})
    assert align(mask, frame(["43891", "7157", "672"])).report.candidates.empty


def test_row_30_aliases_are_proposed_and_applied_only_on_request():
    """SEPT2 for SEPTIN2, G6PC for G6PC1; after rename=, repeats are looked for again."""
    mask = bm.Mask.from_sets({"P": ["SEPTIN2", "G6PC1", "A"]})
    data = frame(["SEPT2", "G6PC", "A"])
    aligned = align(mask, data)
    proposed = aligned.report.candidates
    assert proposed[["name", "to"]].values.tolist() == [["SEPT2", "SEPTIN2"], ["G6PC", "G6PC1"]]
    assert aligned.mask.genes.tolist() == ["A"]  # proposed, not applied
    applied = align(mask, data, rename=dict(zip(proposed["name"], proposed["to"], strict=True)))
    assert applied.mask.genes.tolist() == ["SEPTIN2", "G6PC1", "A"]
    np.testing.assert_array_equal(applied.X["G6PC1"], data["G6PC"].astype(np.float32))
    assert applied.report.renamed["detail"].tolist() == ["rename=", "rename="]
    error = refused(mask, frame(["G6PC", "G6PC1", "A"]), rename={"G6PC": "G6PC1"})
    assert error.code == "E-ALIGN-DUPLICATE"
    assert "'G6PC' at column 1, 'G6PC1' at column 2" in str(error)


def test_row_31_only_ensembl_ids_lose_a_version_and_only_on_request():
    """IGF2.1 and AN4965.2 are names of their own."""
    mask = bm.Mask.from_sets({"P": ["ENSG00000141510", "IGF2.1", "AN4965.2"]})
    data = frame(["ENSG00000141510.16", "IGF2.1", "AN4965.2", "IGF2"])
    assert align(mask, data).mask.genes.tolist() == ["IGF2.1", "AN4965.2"]
    stripped = align(mask, data, strip_versions=True)
    assert stripped.mask.genes.tolist() == ["ENSG00000141510", "IGF2.1", "AN4965.2"]
    assert stripped.report.renamed[["name", "detail"]].values.tolist() == [
        ["ENSG00000141510.16", "Ensembl version removed"]
    ]


def test_row_31_stripped_versions_are_checked_for_repeats():
    """The copy on the Y chromosome (_PAR_Y) comes to have the name of that on X."""
    mask = bm.Mask.from_sets({"P": ["ENSG00000182378", "ENSG00000141510"]})
    data = frame(["ENSG00000182378.15", "ENSG00000182378.15_PAR_Y", "ENSG00000141510.1"])
    assert refused(mask, data, strip_versions=True).code == "E-ALIGN-DUPLICATE"
    merged = align(mask, data, strip_versions=True, on_duplicate="sum")
    np.testing.assert_allclose(merged.X["ENSG00000182378"], data.iloc[:, :2].sum(axis=1), rtol=1e-6)


@pytest.mark.parametrize("data_are", ["mouse", "human"])
def test_row_32_mouse_and_human_case_is_a_difference_of_species(data_are):
    """Told as such: other gene sets or an ortholog table, and a warning against changing case."""
    mouse, human = ["Trp53", "Brca1", "Mdm2", "Gapdh"], ["TP53", "BRCA1", "MDM2", "GAPDH"]
    data, genes = (mouse, human) if data_are == "mouse" else (human, mouse)
    hint = refused(bm.Mask.from_sets({"P": genes}), frame(data)).hint
    assert f"Probable cause: species: the data have {data_are} symbols" in hint
    assert "gene sets of the data's species or an ortholog table" in hint
    assert "Changing the case is no ortholog mapping" in hint
    assert "rename" not in hint


def test_row_33_white_space_is_trimmed_on_both_sides_and_reported():
    """Ordinary, non-breaking and zero-width spaces around a name."""
    mask = bm.Mask.from_sets({"P": ["A ", "B"]})
    aligned = align(mask, frame(["\u00a0A", "B\u200b"]))
    assert aligned.mask.genes.tolist() == ["A", "B"]
    assert aligned.report.renamed[["side", "name", "to"]].values.tolist() == [
        ["mask", "A ", "A"],
        ["data", "\u00a0A", "A"],
        ["data", "B\u200b", "B"],
    ]
    assert set(aligned.report.renamed["detail"]) == {"white space removed"}


@pytest.mark.parametrize(
    ("name", "read"),
    [("\u0422\u042053", "TP53"), ("HLA\u2011A", "HLA-A"), ("\uff34P53", "TP53")],
    ids=["Cyrillic", "non-breaking hyphen", "full width"],
)
def test_row_33_letters_that_only_look_the_same_are_flagged(name, read):
    """As candidates in the report; never applied."""
    mask = bm.Mask.from_sets({"P": [read, "A"]})
    aligned = align(mask, frame([name, "A"]))
    assert aligned.mask.genes.tolist() == ["A"]
    assert aligned.report.candidates[["name", "to", "detail"]].values.tolist() == [
        [name, read, "looks the same but has other characters"]
    ]


# ------------------------------------------------------------------------ 34, 35: new data


def test_row_34_a_gene_missing_from_new_data_is_an_error(mask):
    """By default, in alignment and in a model, with the genes and what may be done."""
    aligned = align(mask, frame("ABCDEFGH"))
    with pytest.raises(bm.AlignmentError, match="2 of 8 genes") as caught:
        aligned.match(frame("HGFEDC"))
    assert caught.value.genes == ["A", "B"]
    assert 'fill="train_mean"' in caught.value.hint
    model = bm.build_model(aligned.mask)
    with pytest.raises(bm.DataError, match="lacks 2 of 8 genes: 'A', 'B'"):
        bm.pathway_activity(model, frame("HGFEDC"))


def test_row_34_a_missing_gene_gets_its_training_mean_on_request(mask):
    """fill="train_mean" is pandas' reindex with the first data's means; the report lists them."""
    first = frame("ABCDEFGH")
    aligned = align(mask, first)
    new = frame("HGFEDC", n=3, seed=5)
    filled = aligned.match(new, fill="train_mean")
    means = first.astype(np.float32).mean()
    expected = new.reindex(columns=mask.genes).fillna(means).astype(np.float32)
    np.testing.assert_allclose(filled.X, expected, rtol=1e-6)
    entries = filled.report.to_frame()
    assert entries[entries["action"] == "filled"]["name"].tolist() == ["A", "B"]
    again = filled.match(new, fill="train_mean")  # still the first data's means
    pd.testing.assert_frame_equal(again.X, filled.X)


def test_row_35_extra_genes_in_new_data_are_ignored_by_name_and_counted(mask):
    """Wherever they stand; the others are in the mask's order, as pandas' reindex has them."""
    aligned = align(mask, frame("ABCDEFGH"))
    new = frame("YHGFEDCBAZ", n=3, seed=5)
    matched = aligned.match(new)
    expected = new.reindex(columns=aligned.mask.genes).astype(np.float32)
    pd.testing.assert_frame_equal(matched.X, expected, check_exact=True)
    assert matched.mask is aligned.mask
    assert matched.report.only_in_data.tolist() == ["Y", "Z"]
    assert matched.report.counts["only_in_data"] == 2
    model = bm.build_model(aligned.mask)
    activity = bm.pathway_activity(model, new)
    pd.testing.assert_frame_equal(activity, bm.pathway_activity(model, matched.X), check_exact=True)
