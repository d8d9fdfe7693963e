"""Names: what is cleaned, what is only suspected, and the cause that is told."""

import ast
import re

import numpy as np
import pandas as pd
import pytest

import biomask as bm
from biomask.errors import AlignmentError
from biomask.masks import naming
from biomask.masks.naming import candidates, excel_genes, kind_of, probable_cause
from biomask.masks.symbols import PREDECESSOR, SUCCESSOR

HUMAN = ["TP53", "BRCA1", "MDM2", "CDKN1A", "GAPDH", "ACTB"]


# ------------------------------------------------------------------------ cleaning


@pytest.mark.parametrize("space", [" ", "\t", "\r\n", "\u00a0", "\u200b", "\ufeff", "\u2009\u00a0"])
def test_trim_takes_any_space_around_and_none_inside(space):
    assert naming.trim(f"{space}HLA A{space}") == "HLA A"


@pytest.mark.parametrize(
    ("name", "stripped"),
    [
        ("ENSG00000141510.16", "ENSG00000141510"),
        ("ENSG00000182378.15_PAR_Y", "ENSG00000182378"),
        ("ENSMUSG00000059552.8", "ENSMUSG00000059552"),
        ("ENSDARG00000035559.2", "ENSDARG00000035559"),
        ("ENST00000269305.9", "ENST00000269305"),
        ("ENSG00000141510", "ENSG00000141510"),
        # none of these is an Ensembl id with a version
        ("IGF2.1", "IGF2.1"),
        ("AN4965.2", "AN4965.2"),
        ("RP11-34P13.7", "RP11-34P13.7"),
        ("ENSG00000141510.16.1", "ENSG00000141510.16.1"),
        ("ENSG0141510.16", "ENSG0141510.16"),
        ("xENSG00000141510.16", "xENSG00000141510.16"),
        ("ENSG00000141510.x", "ENSG00000141510.x"),
    ],
)
def test_only_ensembl_ids_lose_a_version(name, stripped):
    assert naming.strip_version(name) == stripped


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("\u0422\u042053", "TP53"),  # Cyrillic Te and Er
        ("\u0391\u039a\u03a41", "AKT1"),  # Greek Alpha, Kappa, Tau
        ("HLA\u2011A", "HLA-A"),  # non-breaking hyphen
        ("NKX2\u22125", "NKX2-5"),  # minus sign
        ("HLA\u00a0B", "HLAB"),  # non-breaking space
        ("\uff34P53", "TP53"),  # full width
    ],
)
def test_plain_is_what_the_eye_reads(name, read):
    assert name != read
    assert naming.plain(name) == read
    (found,) = candidates([name], [read])
    assert (found.name, found.candidate, found.why) == (name, read, naming.LOOK)


# ------------------------------------------------------------------------ spreadsheets

CONVERTED = {
    **{f"{n}-Mar": f"MARCHF{n}" for n in range(1, 12)},
    **{f"{n}-Sep": f"SEPTIN{n}" for n in (*range(1, 13), 14)},
    "1-Apr": "MAGEH1",
    "3-Apr": "ATRAID",
    "15-Sep": "SELENOF",
    "1-Oct": "POU2F1",
    "2-Oct": "POU2F2",
    "3-Oct": "SLC22A3",
    "4-Oct": "POU5F1",
    "6-Oct": "POU3F1",
    "7-Oct": "POU3F2",
    "8-Oct": "POU3F3",
    "9-Oct": "POU3F4",
    "11-Oct": "POU2F3",
    "1-Dec": "DELEC1",
    "2-Dec": "BHLHE41",
}


@pytest.mark.parametrize(("shown", "gene"), CONVERTED.items())
def test_every_converted_symbol_has_its_probable_gene(shown, gene):
    assert excel_genes(shown)[0] == gene
    assert excel_genes(shown, [gene, "TP53"]) == (gene,)


def test_ambiguous_dates_list_every_gene():
    assert excel_genes("1-Mar") == ("MARCHF1", "MARCH1", "MTARC1", "MARC1")
    assert excel_genes("2-Mar", ["MARCHF2", "MTARC2"]) == ("MARCHF2", "MTARC2")
    assert excel_genes("3-Mar") == ("MARCHF3", "MARCH3")  # MARC has two members only
    assert excel_genes("13-Sep") == ()  # a date, but SEPT13 is no gene


@pytest.mark.parametrize(
    "shown",
    [
        "2-Sep",
        "02-Sep",
        "Sep-02",
        "2-Sep-20",
        "02-Sep-2020",
        "2020-09-02",
        "2020-09-02 00:00:00",
        "2-sept",
        "2. Sep",
        "2/set",
        "2-SEP",
        "9/2/2020",
        "02.09.2020",
        "44076",
    ],
)
def test_formats_and_languages_of_the_same_date(shown):
    assert "SEPTIN2" in excel_genes(shown)


@pytest.mark.parametrize(
    "shown", ["1-Mar", "1. Mär", "1. Mrz", "1-mars", "1-mrt", "Mar-01", "43891", "2020-03-01"]
)
def test_first_of_march(shown):
    assert excel_genes(shown)[0] == "MARCHF1"


def test_serial_number_is_the_day_it_stands_for():
    assert excel_genes("43891") == excel_genes("1-Mar")  # 43891 is 1 March 2020
    assert excel_genes("39873") == excel_genes("1-Mar")  # of 2009
    assert excel_genes("43892") == excel_genes("2-Mar")
    assert excel_genes("43710") == excel_genes("2-Sep")  # of 2019, before a leap day
    assert excel_genes("43831") is None  # 1 January: no symbol becomes that


@pytest.mark.parametrize(
    "name",
    [
        "TP53",
        "MARCH1",
        "SEPT2",
        "sep-1",
        "apr-1",
        "1-Foo",
        "NKX2-5",
        "HLA-A",
        "1e5",
        "12345",
        "2-Sept-x",
        "H3-3A",
        "7SK",
        "5S_rRNA",
        "DEC1",
        "2E10",
        "43891.5",
        "",
        "SEPT-2",
    ],
)
def test_ordinary_names_are_not_suspected(name):
    assert excel_genes(name) is None


def test_clones_in_scientific_notation():
    genes = ["2310009E13Rik", "2310001E07Rik", "4930012E10Rik"]
    assert excel_genes("2.31E+19", genes) == ("2310009E13Rik",)
    assert excel_genes("2.31E+13", genes) == ("2310001E07Rik",)
    assert excel_genes("2,31E+13", genes) == ("2310001E07Rik",)
    assert excel_genes("2.310001E+13", genes) == ("2310001E07Rik",)
    assert excel_genes("2.31E+13") == ()
    assert excel_genes("2E+13", ["2000001E07Rik"]) == ("2000001E07Rik",)


def test_numbers_are_serials_only_where_names_are_not_numbers():
    assert candidates(["43891", "TP53", "BRCA1"], ["MARCHF1"])[0].candidate == "MARCHF1"
    assert candidates(["43891", "7157", "672"], ["MARCHF1"]) == []
    assert candidates(["43891"], ["MARCHF1"]) == []
    assert candidates(["43891"], ["MARCHF1"], among=["43891", "TP53", "BRCA1"])


# ------------------------------------------------------------------------ candidates


@pytest.mark.parametrize(
    ("name", "candidate", "why"),
    [
        ("SEPT2", "SEPTIN2", naming.SUCCEEDED),
        ("SEPTIN2", "SEPT2", naming.PRECEDED),
        ("G6PC", "G6PC1", naming.SUCCEEDED),
        ("G6PC1", "G6PC", naming.PRECEDED),
        ("MARCH1", "MARCHF1", naming.SUCCEEDED),
        ("MARC1", "MTARC1", naming.SUCCEEDED),
        ("DEC1", "DELEC1", naming.SUCCEEDED),
        ("HLA.A", "HLA-A", naming.PUNCTUATION),
        ("NKX2_5", "NKX2-5", naming.PUNCTUATION),
        ("1-Mar", "MARCHF1 or MTARC1", naming.SPREADSHEET),
    ],
)
def test_candidates(name, candidate, why):
    assert candidates([name, "OTHER"], ["TP53", *candidate.split(" or ")]) == [
        (name, candidate, why)
    ]


def test_candidates_are_genes_that_are_wanted():
    assert candidates(["SEPT2", "HLA.A"], ["TP53"]) == []


def test_table_of_symbols_is_consistent():
    assert len(PREDECESSOR) == len(SUCCESSOR)  # one old symbol for each new one
    assert not SUCCESSOR.keys() & SUCCESSOR.values()  # nothing was renamed twice
    assert sum(old.startswith("MARCH") for old in SUCCESSOR) == 11
    assert sum(old.startswith("SEPT") for old in SUCCESSOR) == 13


# ------------------------------------------------------------------------ kinds and causes


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (HUMAN, "gene symbols"),
        (["ENSG00000141510", "ENSG00000012048.21", "TP53"], "Ensembl ids"),
        (["7157", "672"], "Entrez ids"),
        (["7157.0", "672.0"], "Entrez ids read as decimal numbers (7157.0)"),
        (["201746_at", "1007_s_at"], "probe set ids"),
        (["NM_000546.6", "NP_000537"], "RefSeq accessions"),
        (["P04637", "Q00987", "A0A024R161"], "UniProt accessions"),
        (["TP53", "7157"], "gene symbols"),  # a half is not most
    ],
)
def test_kind_of_names(names, kind):
    assert kind_of(names) == kind


@pytest.mark.parametrize(
    ("data", "mask", "told"),
    [
        (["tp53", "brca1"], HUMAN, "upper and lower case"),
        (["Gapdh"], ["GAPDH"], "species: the data have mouse symbols"),
        (["tp53"], ["TP53", *(f"KRT{i}" for i in range(19))], "5% of the"),
        (["Trp53", "Brca1", "Mdm2", "Gapdh"], HUMAN, "species: the data have mouse symbols"),
        (HUMAN, ["Trp53", "Brca1", "Mdm2"], "species: the data have human symbols"),
        (["ENSG00000141510"], HUMAN, "Ensembl ids where the mask has gene symbols"),
        (HUMAN, ["7157", "672"], "gene symbols where the mask has Entrez ids"),
        (["ENSG00000141510.16"], ["ENSG00000141510"], "strip_versions=True"),
        (["ENSMUSG00000059552"], ["ENSG00000141510"], "species: Ensembl ids of 'MUS' in the data"),
        (["1-Mar", "2-Sep"], ["MARCHF1", "SEPTIN2"], "spreadsheet"),
        (["SEPT2", "SEPT7"], ["SEPTIN2", "SEPTIN7"], "older symbols"),
        (["SEPTIN2", "SEPTIN7"], ["SEPT2", "SEPT7"], "the data have the newer ones"),
        (["HLA.A", "HLA.B"], ["HLA-A", "HLA-B"], "punctuation"),
        (["\u0422\u042053"], ["TP53"], "Cyrillic"),
        (["0", "1", "2"], HUMAN, "numbered, not named"),
        (["FOO", "BAR"], HUMAN, ""),
        (["ENSG00000141510"], ["ENSG00000012048"], ""),
        ([], HUMAN, ""),
        (HUMAN, [], ""),
    ],
)
def test_probable_cause(data, mask, told):
    cause = probable_cause(data, mask)
    assert told in cause
    assert bool(cause) == bool(told)


def test_case_is_never_offered_across_species():
    cause = probable_cause(["Trp53", "Brca1", "Gapdh"], HUMAN)
    assert "rename" not in cause
    assert "no ortholog mapping" in cause


@pytest.mark.parametrize("data", [["Fn1"], ["Gapdh", "Actb", "MDm2"]])
def test_most_names_tell_the_species(data):
    """Of Fn1 two letters are enough."""
    mask = [name.upper() for name in data]
    assert probable_cause(data, mask).startswith("species: the data have mouse symbols, the mask")
    assert probable_cause(mask, data).startswith("species: the data have human symbols, the mask")


def test_half_of_the_names_are_not_most():
    assert probable_cause(["Gapdh", "ACTb"], ["GAPDH", "ACTB"]) == (
        "100% of the names differ in upper and lower case; rename the data's columns."
    )


def test_the_share_is_of_the_names_of_the_mask():
    assert probable_cause(["SEPT2", "SEPT7", "FOO"], ["SEPTIN2", "SEPTIN7", "A", "B"]) == (
        "50% of the mask's genes stand in the data under their older symbols."
    )


def test_one_version_in_twenty_is_a_cause():
    mask = [f"ENSG{i:011d}" for i in range(20)]
    told = "Ensembl version suffixes (ENSG00000141510.16); pass strip_versions=True."
    assert probable_cause(["ENSG00000000003.1", "ENSG00000099999"], mask) == told
    assert probable_cause(["ENSG00000000003.1"], [*mask, "ENSG00000000020"]) == ""


def test_a_number_among_symbols_may_be_a_date():
    told = "a spreadsheet turned names into dates or numbers (100% of the mask's genes)."
    assert probable_cause(["43891"], ["MARCHF1"], among=["43891", "TP53", "BRCA1"]) == told


def test_ensembl_ids_of_other_species_are_told():
    assert probable_cause(["ENSMUSG00000059552", "ENSRNOG00000010756"], ["ENSG00000141510"]) == (
        "species: Ensembl ids of 'MUS', 'RNO' in the data, of 'human' in the mask; use gene sets "
        "of the data's species or map orthologs."
    )


def test_names_as_text():
    names = naming.text_names(pd.Index(["TP53", None, 7157, float("nan")], dtype=object))
    assert names.tolist() == ["TP53", "", "7157", ""]
    assert names.dtype == object
    levels = pd.MultiIndex.from_tuples([("A", "x")], names=["gene", "probe"])
    with pytest.raises(AlignmentError) as caught:
        naming.text_names(levels)
    assert caught.value.problem == "gene names have 2 levels ('gene', 'probe')"
    assert caught.value.code == "E-ALIGN-LEVELS"


def test_a_rare_difference_is_no_cause():
    mask = [f"GENE{i}" for i in range(100)]
    assert probable_cause(["gene1", "FOO"], mask) == ""


# ------------------------------------------------------------------------ names with more in them

SYMBOLS = [f"{stem}{i}" for stem in ("KRT", "CDK", "IL", "STAT") for i in range(1, 11)]
FORMS = {
    "DepMap": "{} (7157)",
    "organism": "{} [Homo sapiens]",
    "Firehose": "{}|7157",
    "id first": "7157|{}",
    "Ensembl first": "ENSG00000141510.16|{}",
    "10x of two genomes": "GRCh38_{}",
    "10x, padded": "GRCh38_____{}",
    "hg19": "hg19_{}",
    "UniProt": "{}_HUMAN",
    "with Ensembl": "{}_ENSG00000141510",
    "Ensembl before": "ENSG00000141510_{}",
    "dash and Ensembl": "{}-ENSG00000141510",
    "NCBI": "gene-{}",
    "a colon": "Gene:{}",
    "dot": "rna.{}",
    "make.unique": "{}.1",
    "transcript": "{}-201",
    "several": "{} /// OTHER",
    "semicolon": "{};OTHER",
    "bytes": "b'{}'",
    "quotes": '"{}"',
}


@pytest.mark.parametrize("side", ["data", "mask"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_names_with_more_in_them_are_told_with_the_way_out(form, side):
    mask = bm.Mask.from_sets({"P": SYMBOLS[:20], "Q": SYMBOLS[20:]})
    names = [form.format(name) for name in [*SYMBOLS, *(f"OTHER{i}" for i in range(60))]]
    if side == "mask":
        mask = bm.Mask.from_sets({"P": names[:20], "Q": names[20:40]})
        names = [*SYMBOLS, *(f"OTHER{i}" for i in range(60))]
    data = pd.DataFrame(np.random.default_rng(0).normal(size=(4, 100)), columns=names)
    with pytest.raises(AlignmentError) as caught:
        bm.align(mask, data)
    assert "more in them" in caught.value.hint
    if side == "data":
        pattern = re.search(r"replace\((r?['\"].*['\"]), '', regex=True\)", caught.value.hint)[1]
        data.columns = data.columns.str.replace(ast.literal_eval(pattern), "", regex=True)
        rename = None
    else:
        line = re.search(r"rename=(\{.*\})", caught.value.hint)[1]
        rename = eval(line, {"re": re, "mask": mask})
    assert len(bm.align(mask, data, rename=rename).report.matched) == 40


def test_entrez_ids_of_r_lose_their_x():
    mask, data = [str(i) for i in range(100, 140)], [f"X{i}" for i in range(100, 200)]
    assert "'X100' for '100'" in probable_cause(data, mask)


@pytest.mark.parametrize(
    ("data", "mask", "then"),
    [
        ([f"mm10___{name.title()}" for name in SYMBOLS], SYMBOLS, "species"),
        ([f"GRCh38_{name.lower()}" for name in SYMBOLS], SYMBOLS, "upper and lower case"),
        (
            [f"GRCh38_ENSG{i:011}.4" for i in range(9)],
            [f"ENSG{i:011}" for i in range(9)],
            "version",
        ),
    ],
)
def test_what_remains_after_that_is_told_too(data, mask, then):
    cause = probable_cause(data, mask)
    assert "more in them" in cause
    assert then in cause
    assert candidates(data, mask) == [] or then == "version"


def test_some_names_with_more_in_them_are_candidates():
    half = [f"{name}|7157" for name in SYMBOLS[:20]]
    mask = bm.Mask.from_sets({"P": SYMBOLS})
    data = pd.DataFrame(
        np.random.default_rng(0).normal(size=(4, 40)), columns=[*half, *SYMBOLS[20:]]
    )
    report = bm.align(mask, data).report
    pairs = dict(report.candidates[["name", "to"]].to_numpy())
    assert pairs == dict(zip(half, SYMBOLS[:20], strict=True))
    assert "more in them" in report.cause
    assert len(bm.align(mask, data, rename=pairs).report.matched) == 40


def test_names_of_other_genes_are_no_candidates():
    others = ["TP53-AS1", "MIR-21", "HLA-DRB1", "H3-3A", "AC004-2", "RP11-34P13.7", "KRT18P5"]
    assert candidates(others, ["TP53", "KRT18", "A", "MDM2", "ATM", "RP11"]) == []
