"""GMT files, and the readers of others; rows 1 to 14 are in acceptance/."""

import gzip
import warnings

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
    mask = read(tmp_path, b"A\td\tG1\t\t\nB\td\tG2\nC\td\tG2\t\nD\td\tG1\t\n")
    assert report_of(mask) == [("ignored trailing tabs", "file", 1)]
    assert mask.report["detail"].tolist() == ["3 lines"]


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


# ------------------------------------------------------------------------ everything that is told


def told(error):
    return [(p.code, p.line, p.genes, p.problem) for p in error.problems]


def rows(mask):
    return [tuple(row) for row in mask.report.fillna(-1).to_numpy().tolist()]


def test_every_problem_says_what_is_wrong_and_where(tmp_path):
    content = f"{'x' * 41}\nA\td\tG1\n \td\tG1\nB\tonly text\nC\td\t\t\n"
    assert told(refused(tmp_path, content)) == [
        ("E-GMT-TABS", 1, [], f"no tab in the line, which starts with '{'x' * 40}'"),
        ("E-GMT-NAME", 3, [], "a gene set without a name"),
        ("E-GMT-EMPTY", 4, [], "gene set 'B' has no genes (fewer than three fields)"),
        ("E-GMT-EMPTY", 5, [], "gene set 'C' has no genes (fewer than three fields)"),
    ]


def test_a_file_without_sets_says_so(tmp_path):
    assert told(refused(tmp_path, "\n \t\n")) == [("E-EMPTY", None, [], "no gene set in the file")]


def test_sets_without_genes_alone_make_no_mask(tmp_path):
    error = refused(tmp_path, "A\td\n", on_empty="keep")
    problem = "no connection in a mask of 0 genes x 1 pathways"
    assert told(error) == [("E-MASK-EMPTY", None, [], problem)]


def test_a_repeated_name_says_where_it_was_and_which_genes_differ(tmp_path):
    content = "A\td\tG1\tG2\nB\td\tG1\nA\td\tG2\tG3\nA\td\tG3\tG2\nA\td\tG4\n"
    problem = "gene set 'A' is on line 1 too, with other genes"
    assert told(refused(tmp_path, content)) == [
        ("E-GMT-DUPLICATE", 3, ["G1", "G3"], problem),  # line 4 has the genes of line 3
        ("E-GMT-DUPLICATE", 5, ["G1", "G2", "G4"], problem),
    ]


REPEATED = "A\tone\tG1\tG2\nA\ttwo\tG2\tG3\tG4\nA\ttwo\tG4\tG3\tG2\nA\tone\tG5\n"
LEFT_OUT = "the description 'two' of line"


@pytest.mark.parametrize(
    ("how", "sets", "texts", "report"),
    [
        (
            "first",
            {"A": ["G1", "G2"]},
            ["one"],
            [
                (
                    "dropped repeated set",
                    "A",
                    f"line 1 was kept; 2 genes only here; {LEFT_OUT} 2 was left out",
                    2,
                ),
                ("kept once", "A", "line 2 has the same genes", 3),
                ("dropped repeated set", "A", "line 1 was kept; 1 genes only here", 4),
            ],
        ),
        (
            "union",
            {"A": ["G1", "G2", "G3", "G4", "G5"]},
            ["one"],
            [
                (
                    "merged sets",
                    "A",
                    f"line 1 has this name and other genes; {LEFT_OUT} 2 was left out",
                    2,
                ),
                ("kept once", "A", "line 2 has the same genes", 3),
                ("merged sets", "A", "line 1 has this name and other genes", 4),
            ],
        ),
        (
            "rename",
            {"A": ["G1", "G2"], "A (2)": ["G2", "G3", "G4"], "A (3)": ["G5"]},
            ["one", "two", "one"],
            [
                ("renamed set", "A", "to 'A (2)'; line 1 has it", 2),
                ("kept once", "A", "line 2 has the same genes", 3),
                ("renamed set", "A", "to 'A (3)'; line 1 has it", 4),
            ],
        ),
    ],
)
def test_what_becomes_of_a_repeat_is_reported(tmp_path, how, sets, texts, report):
    mask = read(tmp_path, REPEATED, on_duplicate=how)
    assert mask.to_sets() == sets
    assert mask.descriptions.tolist() == texts
    assert rows(mask) == report


def test_a_repeat_of_the_merged_set_is_kept_once(tmp_path):
    content = "A\td\tG1\nA\td\tG2\nA\te\tG1\tG2\n"
    mask = read(tmp_path, content, on_duplicate="union")
    assert mask.to_sets() == {"A": ["G1", "G2"]}
    assert rows(mask)[1:] == [
        (
            "kept once",
            "A",
            "line 1 has the same genes; the description 'e' of line 3 was left out",
            3,
        )
    ]


def test_the_report_of_a_file_with_every_oddity(tmp_path):
    content = "A\td\tG2\t\tG1\t \tG2\tG3\tG1\tG2\n\nB\td\t\nC\td\tG1\t\t\n\n"
    mask = read(tmp_path, content, on_empty="keep")
    assert mask.to_sets() == {"A": ["G2", "G1", "G3"], "B": [], "C": ["G1"]}
    assert mask.genes.tolist() == ["G2", "G1", "G3"]
    assert rows(mask) == [
        ("skipped empty lines", "file", "2 lines", 2),
        ("ignored trailing tabs", "file", "2 lines", 3),
        ("skipped empty field", "A", "2 between the genes", 1),
        ("kept once", "G2", "listed 3 times in 'A'", 1),
        ("kept once", "G1", "listed 2 times in 'A'", 1),
        ("kept empty set", "B", "no genes", 3),
    ]


def test_genes_of_a_repeat_that_was_left_out_leave_no_row(tmp_path):
    content = "A\td\tG1\nA\td\tG2\tG3\nB\td\tG4\tG1\n"
    mask = read(tmp_path, content, on_duplicate="first")
    assert mask.genes.tolist() == ["G1", "G4"]
    assert mask.to_dense().to_numpy().tolist() == [[1, 1], [0, 1]]


@pytest.mark.filterwarnings("error::biomask.BiomaskWarning")
@pytest.mark.parametrize(("suspects", "others"), [(2, 0), (3, 3), (0, 4)])
def test_few_descriptions_that_are_genes_are_no_reason_to_warn(tmp_path, suspects, others):
    sets = [f"S{i}\tG{i}\tG0\tG{i + 1}" for i in range(suspects)]
    sets += [f"O{i}\ttext\tG0\tO{i}" for i in range(others)]
    read(tmp_path, "\n".join(sets))


def test_a_missing_description_column_is_told_where_the_file_is_read(tmp_path):
    sets = [f"S{i}\tG{i}\tG0\tG{i + 1}" for i in range(3)]
    sets += [f"O{i}\ttext\tG0\tO{i}" for i in range(2)]
    (tmp_path / "sets.gmt").write_text("\n".join(sets))
    with pytest.warns(BiomaskWarning) as caught:
        bm.read_gmt(tmp_path / "sets.gmt")
    assert [warning.filename for warning in caught] == [__file__]
    assert str(caught[0].message).startswith(
        f"{tmp_path}/sets.gmt: the descriptions of 3 of 5 sets, such as 'G0', are genes of other "
        "sets. "
    )


def test_choices_are_listed(tmp_path):
    with pytest.raises(ArgumentError) as caught:
        read(tmp_path, CLEAN, on_duplicate="last")
    assert caught.value.code == "E-ARGUMENT"
    assert caught.value.problem == (
        "on_duplicate must be one of 'error', 'first', 'union', 'rename', received 'last'"
    )
    with pytest.raises(ArgumentError) as caught:
        read(tmp_path, CLEAN, on_empty="drop")
    assert caught.value.problem == "on_empty must be one of 'error', 'keep', received 'drop'"


def test_another_encoding(tmp_path):
    mask = read(tmp_path, "Größe\td\tG1\n".encode("latin-1"), encoding="latin-1")
    assert mask.to_sets() == {"Größe": ["G1"]}


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


# ------------------------------------------------------------------------ look like GMT

SIX = {
    "CYCLE": ["CDK1", "CCNB1", "TP53", "E2F1", "ATM"],
    "REPAIR": ["TP53", "ATM", "BRCA1"],
    "DEATH": ["BAX", "TP53", "CASP3", "ATM", "CDK1"],
}


def lines(*rows):
    return "".join("\t".join(row) + "\n" for row in rows)


def gmx(*above, gap=False, sets=SIX):
    """Sets in columns, below their names and the rows `above`."""
    depth = max(map(len, sets.values()))
    padded = [genes + [""] * (depth - len(genes)) for genes in sets.values()]
    rows = [list(sets), *above, *map(list, zip(*padded, strict=True))]
    return lines(*([row[0], "", *row[1:]] if gap else row for row in rows))


FREE = ["Cells divide.", "DNA is mended", "They die"]
APART = {"ONE": ["A1", "A2", "A3"], "TWO": ["B1", "B2", "B3"], "THREE": ["C1", "C2", "C3"]}
TURNED = {
    "GSEA": ("sets.gmx", gmx(["na"] * 3), SIX),
    "named GMT": ("sets.gmt", gmx(["na"] * 3), SIX),
    "names again": ("sets.gmx", gmx(list(SIX)), SIX),
    "links": ("sets.txt", gmx([f"https://x.org/{name}" for name in SIX]), SIX),
    "free text": ("sets.gmx", gmx(FREE), SIX),
    "free text, named GMT": ("sets.gmt", gmx(FREE), SIX),
    "without descriptions": ("sets.gmx", gmx(), SIX),
    "without descriptions, named GMT": ("sets.gmt", gmx(), SIX),
    "an empty second column": ("sets.gmx", gmx(["na"] * 3, gap=True), SIX),
    "an empty second column, nothing else": ("sets.gmt", gmx(gap=True), SIX),
    "no gene twice": ("sets.gmx", gmx(["na"] * 3, sets=APART), APART),
    "no gene twice, free text": ("sets.gmx.gz", gmx(FREE, sets=APART), APART),
    "GMT named GMX": ("sets.gmx", lines(*([p, "na", *g] for p, g in SIX.items())), SIX),
    "GMT with text, named GMX": (
        "sets.gmx",
        lines(*([p, t, *g] for (p, g), t in zip(SIX.items(), FREE, strict=True))),
        SIX,
    ),
}


@pytest.mark.filterwarnings("ignore::biomask.errors.BiomaskWarning")
@pytest.mark.parametrize("kind", TURNED)
def test_sets_in_columns_are_read_as_sets(tmp_path, kind):
    name, content, wanted = TURNED[kind]
    mask = read(tmp_path, content, name)
    assert {pathway: set(genes) for pathway, genes in mask.to_sets().items()} == {
        pathway: set(genes) for pathway, genes in wanted.items()
    }
    assert ("read columns as sets" in set(mask.report["action"])) == ("GMT " not in kind)
    if "free text" in kind:
        assert mask.descriptions.tolist() == FREE


def test_columns_taken_for_sets_by_their_names_alone_are_warned_of(tmp_path):
    with pytest.warns(BiomaskWarning, match="GMX"):
        read(tmp_path, gmx())


def test_a_network_of_factors_that_regulate_each_other_stays_gmt(tmp_path):
    content = "MYC\tna\tTP53\tE2F1\tCDK1\nTP53\tna\tMYC\tE2F1\nE2F1\tna\tMYC\tTP53\n"
    assert read(tmp_path, content).pathways.tolist() == ["MYC", "TP53", "E2F1"]


@pytest.mark.parametrize(
    ("content", "told", "warned"),
    [
        (lines(["A", "", "TP53,1.0", "MYC,1.0", ""], ["B", "", "TP53,1.0"]), "all 1", False),
        (lines(["A", "", "TP53", "MYC"], ["B", "", "TP53,1.0"]), "all 1", False),
        (lines(["A", "", "TP53,1", "MYC,1"], ["B", "", "TP53,1"]), "all 1", False),
        (lines(["A", "", "TP53,0.73", "MYC,-2"], ["B", "", "TP53,1e-3"]), "-2 to 0.73", True),
    ],
)
def test_weights_behind_genes_are_left_out_and_noted(tmp_path, content, told, warned):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mask = read(tmp_path, content)
    assert mask.to_sets() == {"A": ["TP53", "MYC"], "B": ["TP53"]}
    assert not mask.weighted
    (detail,) = mask.report.loc[mask.report["action"] == "dropped weights", "detail"]
    assert told in detail
    assert ["weights" in str(w.message) for w in caught if "dense" not in str(w.message)] == (
        [True] if warned else []
    )


def test_commas_that_are_part_of_a_name_stay(tmp_path):
    names = ["D-myo-Inositol 1,4", "1,2-Propanediol", "alpha,1", "Glucose"]
    assert read(tmp_path, lines(["A", "na", *names])).genes.tolist() == names


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("A,na,TP53,MYC\nB,na,MYC,ATM\n", "commas"),
        ("A;na;TP53;MYC\nB;na;MYC;ATM\n", "semicolons"),
        ("A na TP53 MYC\nB na MYC ATM\n", "spaces"),
        ("# INTERFERON\nTP53\nMYC\nATM\n", "list of genes"),
        ("TP53", "list of genes"),
        ('{"A": {"geneSymbols": ["TP53", "MYC"]}}', "JSON"),
        ('{\n\t"A": {\n\t\t"geneSymbols": ["TP53"]\n\t}\n}\n', "JSON"),
        ('<?xml version="1.0"?>\n<MSIGDB NAME="msigdb">\n</MSIGDB>\n', "XML"),
        ("source\ttarget\tweight\nMYC\tTP53\t1.0\n", "read_edges"),
        ("TF\tTarget\nMYC\tTP53\n", "read_edges"),
        ("gene\tA\tB\nTP53\t1\t0\nMYC\t1\t1\n", "read_matrix"),
    ],
)
def test_another_format_is_named(tmp_path, content, told):
    error = refused(tmp_path, content)
    assert len(error.problems) == 1
    assert told in str(error)


@pytest.mark.parametrize("mark", [",", "; ", " ", "/", "|"])
def test_the_genes_of_a_set_in_one_field_are_warned_of(tmp_path, mark):
    with pytest.warns(BiomaskWarning, match="in one field"):
        read(tmp_path, lines(["A", "na", mark.join(["TP53", "MYC"])], ["B", "na", f"MYC{mark}ATM"]))


def test_signs_of_a_sif_network_are_warned_of(tmp_path):
    with pytest.warns(BiomaskWarning, match="'inhibits'"):
        read(tmp_path, "MYC\tinhibits\tTP53\tATM\nATM\tactivates\tTP53\n", "network.sif")


def test_names_with_percent_signs_and_spaces_are_kept(tmp_path):
    name = "Apoptosis%WikiPathways_2024%WP254%Homo sapiens"
    mask = read(tmp_path, f"{name}\thttps://wikipathways.org\t7157\t581\n")
    assert mask.pathways.tolist() == [name]
    assert mask.genes.tolist() == ["7157", "581"]
