"""Which pathway is part of which: files, tables and OBO, and the gene sets that ids mean."""

import gzip
import sys

import numpy as np
import pandas as pd
import pytest

import biomask as bm
from biomask.masks.relations import read_relations

GMT = (
    "Cell cycle\tR-HSA-1\ta\tb\tc\n"
    "Mitosis, late\tR-HSA-2\ta\tb\n"
    "007\tR-HSA-3\ta\n"
    "Apoptosis\tR-HSA-4\tc\td\n"
)
REACTOME = "R-HSA-1\tR-HSA-2\nR-HSA-2\tR-HSA-3\nR-BTA-1\tR-BTA-2\n"
OBO = """format-version: 1.2
ontology: go

[Term]
id: GO:1
name: process

[Term]
id: GO:2
name: part
is_a: GO:1 ! process

[Term]
id: GO:3
name: small part
is_a: GO:2 {source="x"} ! part
relationship: part_of GO:4 ! other

[Term]
id: GO:4
name: other
is_a: GO:1

[Term]
id: GO:5
name: old
is_a: GO:1
is_obsolete: true

[Typedef]
id: part_of
name: part of
"""
GO = "process\tGO:1\ta\npart\tGO:2\tb\nsmall part\tGO:3\tc\nother\tGO:4\td\n"


def read(tmp_path, relations, gmt=GMT, **options):
    (tmp_path / "sets.gmt").write_text(gmt)
    path = tmp_path / "relations"
    path.write_bytes(relations if isinstance(relations, bytes) else relations.encode())
    return bm.read_hierarchy(tmp_path / "sets.gmt", path, **options)


def refused(tmp_path, relations, gmt=GMT, **options) -> bm.ReadError:
    with pytest.raises(bm.ReadError) as caught:
        read(tmp_path, relations, gmt, **options)
    assert caught.value.file == str(tmp_path / "relations")
    assert all(problem.hint for problem in caught.value.problems)
    return caught.value


def parents(hier):
    table = hier.table[hier.table["kind"] != "own genes"]
    return table["parents"].to_dict()


EXPECTED = {
    "Apoptosis": "",
    "007": "Mitosis, late",
    "Mitosis, late": "Cell cycle",
    "Cell cycle": "",
}


@pytest.mark.parametrize(
    "content",
    [
        REACTOME,
        REACTOME.replace("\n", "\r\n"),
        REACTOME.replace("\t", ","),
        "\n" + REACTOME + "\n",
        gzip.compress(REACTOME.encode()),
        "child\tparent\nR-HSA-2\tR-HSA-1\nR-HSA-3\tR-HSA-2\n",
        " Parent ,CHILD\nR-HSA-1,R-HSA-2\nR-HSA-2,R-HSA-3\n",
        "parent_id\tchild_id\tparent_name\tchild_name\n"
        "R-HSA-1\tR-HSA-2\tx\ty\nR-HSA-2\tR-HSA-3\ty\tz\n",
        'child,parent\n"Mitosis, late",Cell cycle\n007,R-HSA-2\n',
    ],
    ids=["reactome", "crlf", "comma", "blank", "gzip", "header", "case", "bundled", "names"],
)
def test_every_table_means_the_same(tmp_path, content):
    assert parents(read(tmp_path, content)) == EXPECTED


def test_frames_and_masks_mean_the_same(tmp_path):
    hier = read(tmp_path, REACTOME)
    sets = bm.read_gmt(tmp_path / "sets.gmt")
    frame = pd.DataFrame({"parent": ["R-HSA-1", "R-HSA-2"], "child": ["R-HSA-2", "007"], "x": 0})
    before = frame.copy()
    assert bm.read_hierarchy(sets, frame) == hier
    assert bm.read_hierarchy(sets, frame.astype("category")) == hier
    pd.testing.assert_frame_equal(frame, before)
    numbers = bm.Mask.from_sets({"1": list("ab"), "2": ["a"]})
    hier = bm.read_hierarchy(numbers, pd.DataFrame({"child": [2], "parent": [1]}))
    assert hier.table.loc["2", "parents"] == "1"


def test_names_win_over_descriptions():
    sets = bm.Mask.from_sets(
        {"A": list("ab"), "B": ["a"], "C": ["c"]}, descriptions={"A": "x", "C": "B"}
    )
    hier = bm.read_hierarchy(sets, pd.DataFrame({"child": ["B"], "parent": ["x"]}))
    assert hier.table.loc["B", "parents"] == "A"
    assert hier.table.loc["C", "parents"] == ""


def test_a_name_is_clear_even_where_it_describes_others():
    sets = bm.Mask.from_sets(
        {"A": list("ab"), "B": ["a"], "C": ["c"]}, descriptions={"A": "B", "C": "B"}
    )
    hier = bm.read_hierarchy(sets, pd.DataFrame({"child": ["B"], "parent": ["A"]}))
    assert hier.table.loc["B", "parents"] == "A"


def test_what_was_read_is_noted(tmp_path):
    report = read(tmp_path, REACTOME, gmt=GMT + "\nApoptosis\tR-HSA-4\tc\td\n").report
    assert report["action"].tolist() == [
        *("skipped empty lines", "kept once", "read relations"),  # two of the GMT file
        *("unknown pathways", "own genes", "own genes"),
    ]
    assert report["detail"][2] == "3 of 5 pathways in 3 relations have a gene set"
    assert "'R-BTA-1', 'R-BTA-2'" in report["detail"][3]


def test_unknown_ids_are_shown_beside_those_that_would_be_known(tmp_path):
    assert refused(tmp_path, "x\ty\nz\ty\nw\ty\n").problem == (
        "none of the 4 pathways of the relations, such as 'y', 'x', 'z' and 1 more, is among the "
        "gene sets: their names are like 'Cell cycle', 'Mitosis, late' and 2 more and their "
        "descriptions like 'R-HSA-1', 'R-HSA-2' and 2 more"
    )


def test_options_pass_through(tmp_path):
    assert read(tmp_path, REACTOME, min_genes=2).pathways.tolist() == [
        *("Mitosis, late", "Apoptosis", "Cell cycle"),
    ]
    assert len(read(tmp_path, REACTOME, max_depth=2)) == 2
    assert read(tmp_path, REACTOME, residual=True).residual
    assert not read(tmp_path, REACTOME).residual
    with pytest.raises(bm.ArgumentError, match="max_depth"):
        read(tmp_path, REACTOME, max_depth=0)
    latin = "child,parent\né,Cell cycle\n".encode("latin-1")
    gmt = "Cell cycle\t\ta\tb\né\t\ta\n"
    path = tmp_path / "latin"
    path.write_bytes(latin)
    (tmp_path / "latin.gmt").write_bytes(gmt.encode("latin-1"))
    hier = bm.read_hierarchy(tmp_path / "latin.gmt", path, encoding="latin-1")
    assert hier.table.loc["é", "parents"] == "Cell cycle"


# ------------------------------------------------------------------------ what is wrong


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        ("source,target\nR-HSA-1,R-HSA-2\n", "E-COLUMN", 1),
        ("\nfrom\tto\n", "E-COLUMN", 2),
        ("a\tb\tc\n", "E-COLUMN", 1),
        ("child,parent,child\na,b,c\n", "E-COLUMN", 1),
        ("child,parent\n", "E-EMPTY", None),
        ("", "E-EMPTY", None),
        ("child parent\n", "E-DELIMITER", 1),
        ("<html>\n", "E-HTML", None),
        ("R-HSA-1\tR-HSA-2\nR-HSA-1\n", "E-RAGGED", 2),
        ("child,parent\nR-HSA-2, \n", "E-NAME", 2),
        ("R-HSA-1\tR-HSA-1\n", "E-SELF-LOOP", 1),
        ("x\ty\n", "E-HIERARCHY-UNKNOWN", None),
        ("R-HSA-1\tR-HSA-2\nR-HSA-2\tR-HSA-1\n", "E-HIERARCHY-CYCLE", None),
    ],
)
def test_wrong_tables(tmp_path, content, code, line):
    error = refused(tmp_path, content)
    assert (error.code, error.line) == (code, line)
    assert error.hint


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            "\nfrom\tto\n",
            {"problem": "the columns must be child and parent; found ['from', 'to']", "line": 2},
        ),
        (
            "\nchild,Parent ,child\na,b,c\n",
            {"problem": "column 'child' occurs 2 times", "line": 2, "column": "child"},
        ),
        ("child,parent\n", {"problem": "there is no relation in it"}),
        (
            "R-HSA-1\tR-HSA-2\nR-HSA-1\n",
            {"problem": "1 fields, expected 2 as in the first row", "line": 2},
        ),
        (
            "child,parent\nR-HSA-2, \n",
            {"problem": "the parent is '', not a name", "line": 2},
        ),
        (
            "R-HSA-1\tR-HSA-1\n",
            {"problem": "'R-HSA-1' is its own parent", "line": 1, "genes": ["R-HSA-1"]},
        ),
    ],
)
def test_what_is_told_of_a_wrong_table(tmp_path, content, told):
    error = refused(tmp_path, content)
    whole = {"line": None, "column": None, "genes": []} | told
    assert {name: getattr(error, name) for name in whole} == whole


def test_all_problems_come_together(tmp_path):
    content = "child,parent\nR-HSA-2,\nR-HSA-2\nR-HSA-3,R-HSA-3\n,\nR-HSA-2,R-HSA-1\n"
    error = refused(tmp_path, content)
    assert [(p.line, p.code) for p in error.problems] == [
        *((2, "E-NAME"), (3, "E-RAGGED"), (4, "E-SELF-LOOP")),  # line 5 is empty
    ]


def test_unknown_ids_are_shown_beside_the_known(tmp_path):
    text = str(refused(tmp_path, "x\ty\n"))
    assert "none of the 2 pathways of the relations, such as 'y', 'x', is among" in text
    assert "names are like 'Cell cycle', 'Mitosis, late'" in text
    assert "descriptions like 'R-HSA-1', 'R-HSA-2'" in text


def test_ids_of_several_sets_are_refused(tmp_path):
    gmt = GMT.replace("R-HSA-3", "R-HSA-2")
    error = refused(tmp_path, REACTOME, gmt)
    assert error.code == "E-RELATION-AMBIGUOUS"
    assert error.problem == "1 ids are the descriptions of several gene sets each"
    assert error.genes == ["R-HSA-2"]
    by_name = "child,parent\n007,Cell cycle\n"
    assert parents(read(tmp_path, by_name, gmt))["007"] == "Cell cycle"


@pytest.mark.parametrize("name", [None, np.nan, "", " ", 1.5, True])
def test_frames_need_names(tmp_path, name):
    sets = bm.Mask.from_sets({"A": ["a"]})
    frame = pd.DataFrame({"child": ["B", name], "parent": ["A", "A"]}, dtype=object)
    with pytest.raises(bm.ReadError) as caught:
        bm.read_hierarchy(sets, frame)
    assert (caught.value.file, caught.value.line, caught.value.code) == ("DataFrame", 2, "E-NAME")
    assert caught.value.problem == f"the child is {name!r}, not a name"
    with pytest.raises(bm.ReadError, match="columns must be child and parent") as caught:
        bm.read_hierarchy(sets, frame.set_axis(["a", "b"], axis=1))
    assert (caught.value.file, caught.value.line) == ("DataFrame", None)
    with pytest.raises(bm.ReadError, match="there is no relation in it") as caught:
        bm.read_hierarchy(sets, frame.iloc[:0])
    assert (caught.value.file, caught.value.code) == ("DataFrame", "E-EMPTY")
    with pytest.raises(bm.ArgumentError, match="and the relations are none"):
        bm.read_hierarchy(sets, frame.iloc[:1], part_of=True)


def test_missing_and_bad_gene_sets(tmp_path):
    with pytest.raises(bm.ReadError) as caught:
        bm.read_hierarchy(tmp_path / "none.gmt", tmp_path / "none")
    assert caught.value.file == str(tmp_path / "none.gmt")
    with pytest.raises(bm.ReadError) as caught:
        bm.read_hierarchy(bm.Mask.from_sets({"A": ["a"]}), tmp_path / "none")
    assert caught.value.code == "E-NO-FILE"


# ------------------------------------------------------------------------ OBO


def test_obo_takes_is_a_and_part_of_on_request(tmp_path):
    hier = read(tmp_path, OBO, GO)
    assert parents(hier) == {
        "process": "",
        "part": "process",
        "small part": "part",
        "other": "process",
    }
    genes = {name: set(members) for name, members in hier.flatten().to_sets().items()}
    assert genes["part"] == {"b", "c"}
    assert genes["process"] == {"a", "b", "c", "d"}
    assert (hier.report["action"] == "added genes").sum() == 2
    assert [row[1:] for row in read_relations(tmp_path / "relations")] == [
        *(("GO:2", "GO:1"), ("GO:3", "GO:2"), ("GO:4", "GO:1")),
    ]
    both = read(tmp_path, gzip.compress(OBO.encode()), GO, part_of=True)
    assert set(parents(both)["small part"].split("; ")) == {"part", "other"}


def test_obo_errors(tmp_path, monkeypatch):
    error = refused(tmp_path, OBO + "\n[Term]\nid: GO:9\nno colon\n", GO)
    assert error.code == "E-OBO"
    assert error.problem.startswith("the OBO file is damaged: ")
    assert refused(tmp_path, "format-version: 1.2\n", GO).code == "E-EMPTY"
    with pytest.raises(bm.ArgumentError, match="part_of=True is for OBO files"):
        read(tmp_path, REACTOME, part_of=True)
    monkeypatch.setitem(sys.modules, "obonet", None)
    with pytest.raises(bm.ArgumentError, match="pip install obonet") as caught:
        read(tmp_path, OBO, GO)
    assert caught.value.code == "E-OBONET"


# ------------------------------------------------------------------------ bundled


def test_the_bundled_files_are_read_as_they_are():
    from biomask.datasets.catalogue import GENE_SETS, RELATIONS

    hier = bm.read_hierarchy(GENE_SETS["reactome"].path, RELATIONS["reactome"].path, max_depth=3)
    assert hier == bm.load_hierarchy("reactome", max_depth=3)
    assert len(hier) == 3
    small = bm.load_hierarchy("reactome", min_genes=100, residual=True)
    assert (small.sizes() >= 100).all()
    with pytest.raises(bm.ArgumentError, match="'reactome'"):
        bm.load_hierarchy("hallmark")
