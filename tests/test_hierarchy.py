"""Hierarchy: every pathway once, every rule in the report, against a drawing and networkx."""

import json
import random
import re
import warnings

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import biomask as bm
from biomask.masks.notes import Note
from biomask.masks.packing import hierarchy_from_config, hierarchy_to_config
from biomask.masks.steps import levels_of, places, sorted_hierarchy, unit_positions
from biomask.storage import pack, unpack

# R (a-g) is made of A (a-d), B (e, f) and C (a, b); A is made of C and D (c). So B is a branch cut
# short, C has parents at two depths, d is A's own gene and g is R's; I (x, y) is alone.
LETTERS = {"R": "abcdefg", "A": "abcd", "B": "ef", "C": "ab", "D": "c", "I": "xy"}
SETS = {name: list(genes) for name, genes in LETTERS.items()}
PAIRS = [("A", "R"), ("B", "R"), ("C", "A"), ("D", "A"), ("C", "R")]
A_OWN, R_OWN = "A (own genes)", "R (own genes)"


def frame(pairs):
    return pd.DataFrame(pairs, columns=["child", "parent"], dtype=object)


def build(sets=SETS, pairs=PAIRS, **options):
    mask = bm.Mask.from_sets({name: list(genes) for name, genes in sets.items()})
    return bm.Hierarchy.from_sets(mask, frame(pairs), **options)


def told(hier):
    return list(zip(hier.report["action"], hier.report["subject"], strict=True))


def edges_of(mask):
    table = mask.to_edges()
    return set(zip(table["gene"], table["pathway"], strict=True))


def reached(hier):
    """Genes below each unit, as a dictionary of sets."""
    return {name: set(genes) for name, genes in hier.flatten().to_sets().items()}


# ------------------------------------------------------------------------ the drawing


def test_the_drawing_level_by_level():
    hier = build()
    assert len(hier) == 3
    entry, middle, top = hier
    assert entry.pathways.tolist() == ["B", "C", "D", "I", A_OWN, R_OWN]
    assert edges_of(entry) == {
        *(("e", "B"), ("f", "B"), ("a", "C"), ("b", "C"), ("c", "D")),
        *(("x", "I"), ("y", "I"), ("d", A_OWN), ("g", R_OWN)),
    }
    assert middle.genes.tolist() == entry.pathways.tolist()
    assert middle.pathways.tolist() == ["A", "B", "C", "I", R_OWN]
    assert edges_of(middle) == {
        *(("C", "A"), ("D", "A"), (A_OWN, "A")),
        *(("B", "B"), ("C", "C"), ("I", "I"), (R_OWN, R_OWN)),
    }
    assert top.genes.tolist() == middle.pathways.tolist()
    assert top.pathways.tolist() == ["R", "I"]
    assert edges_of(top) == {("A", "R"), ("B", "R"), ("C", "R"), (R_OWN, "R"), ("I", "I")}
    assert [hier.n_carried(i) for i in range(3)] == [0, 4, 1]
    assert [hier.computed(i).tolist() for i in (1, 2)] == [["A"], ["R"]]


def test_the_drawing_as_numbers_and_tables():
    hier = build()
    assert hier.shape == (9, 8)
    assert hier.n_edges == 9 + 3 + 4
    assert hier.genes.tolist() == list("abcdefgxy")
    assert hier.pathways.tolist() == ["B", "C", "D", "I", A_OWN, R_OWN, "A", "R"]
    assert hier.pathways.name == "pathway"
    assert hier.roots.tolist() == ["R", "I"]
    expected = pd.DataFrame(
        [
            ["B", 0, 2, 2, 0, 1, "R", "leaf"],
            ["C", 0, 3, 2, 0, 2, "A; R", "leaf"],
            ["D", 0, 3, 1, 0, 1, "A", "leaf"],
            ["I", 0, 1, 2, 0, 0, "", "leaf"],
            [A_OWN, 0, 3, 1, 0, 1, "A", "own genes"],
            [R_OWN, 0, 2, 1, 0, 1, "R", "own genes"],
            ["A", 1, 2, 4, 3, 1, "R", "inner"],
            ["R", 2, 1, 7, 4, 0, "", "inner"],
        ],
        columns=["name", "level", "depth", "genes", "n_children", "n_parents", "parents", "kind"],
    ).set_index("name")
    pd.testing.assert_frame_equal(hier.table, expected, check_names=False, check_dtype=False)
    assert hier.sizes().to_dict() == expected["genes"].to_dict()
    assert set(map(tuple, hier.relations[["child", "parent"]].to_numpy())) == {
        *PAIRS,
        (A_OWN, "A"),
        (R_OWN, "R"),
    }
    assert hier.table.index.name == "pathway"
    assert hier.levels.to_numpy().tolist() == [[9, 6, 0, 9], [6, 1, 4, 3], [5, 1, 1, 4]]
    assert list(hier.levels) == ["inputs", "units", "carried", "edges"]
    assert hier.levels.index.name == "level"
    edges = hier.to_edges()
    assert list(edges) == ["level", "source", "target"]
    assert len(edges) == hier.n_edges
    assert edges["level"].value_counts().to_dict() == {0: 9, 1: 3, 2: 4}
    assert edges.index.tolist() == list(range(16))
    assert edges.to_numpy()[9:].tolist() == [
        *([1, "C", "A"], [1, "D", "A"], [1, A_OWN, "A"]),
        *([2, "A", "R"], [2, "B", "R"], [2, "C", "R"], [2, R_OWN, "R"]),
    ]
    assert hier.report[["action", "subject", "detail"]].to_numpy().tolist() == [
        ["own genes", "A", "1 of 4 genes that none of its children has"],
        ["own genes", "R", "1 of 7 genes that none of its children has"],
    ]


def test_without_relations_there_is_one_mask():
    hier = build(pairs=[])
    assert len(hier) == 1
    assert hier[0] == bm.Mask.from_sets(SETS)
    assert hier.roots.tolist() == list(SETS)
    assert hier.relations.empty
    assert set(hier.table["kind"]) == {"leaf"}


def test_descriptions_follow_their_units():
    sets = bm.Mask.from_sets(SETS, descriptions={"A": "id A", "C": "id C"})
    texts = bm.Hierarchy.from_sets(sets, frame(PAIRS)).descriptions
    assert texts["A"] == "id A"
    assert texts["C"] == "id C"
    assert texts[A_OWN] == ""


# ------------------------------------------------------------------------ the rules


def test_small_pathways_go_and_their_genes_stay_above():
    hier = build(min_genes=2)
    # D (c) goes; c and d become A's own genes; g alone is too few to enter R by itself.
    assert hier.pathways.tolist() == ["B", "C", "I", A_OWN, "A", "R"]
    assert reached(hier)[A_OWN] == {"c", "d"}
    assert reached(hier)["R"] == set("abcdef")
    assert told(hier) == [
        ("dropped pathway", "D"),
        ("own genes", "A"),
        ("left out genes", "R"),
        ("dropped gene", "g"),
    ]
    assert hier.report["detail"].tolist() == [
        "1 genes, fewer than min_genes=2",
        "2 of 4 genes that none of its children has",
        "1 of its own genes, fewer than min_genes=2: g",
        "in no kept pathway",
    ]
    assert "g" not in hier.genes


def test_genes_too_few_for_a_unit_enter_further_up_where_they_are_enough():
    hier = build({"R": "abdg", "A": "abd", "C": "ab"}, [("A", "R"), ("C", "A")], min_genes=2)
    assert reached(hier)["A"] == {"a", "b"}  # d alone is no unit of A ...
    assert reached(hier)[R_OWN] == {"d", "g"}  # ... but with g it is one of R
    assert hier.report.set_index("action").loc["left out genes", "detail"].endswith(": d")


def test_genes_that_are_left_out_are_listed_in_their_order():
    hier = build({"R": "xaby", "A": "ab"}, [("A", "R")], min_genes=3, genes=list("yx"))
    assert hier.report["detail"][0] == "2 genes, fewer than min_genes=3"
    hier = build({"R": "xabcy", "A": "abc"}, [("A", "R")], min_genes=3)
    assert hier.report["detail"][0] == "2 of its own genes, fewer than min_genes=3: x, y"


def test_deep_pathways_go_and_their_genes_stay_above():
    hier = build(max_depth=2)
    assert len(hier) == 2
    assert hier.pathways.tolist() == ["A", "B", "I", R_OWN, "R"]
    assert reached(hier)["A"] == set("abcd")
    assert told(hier)[:2] == [("dropped pathway", "C"), ("dropped pathway", "D")]
    assert hier.report["detail"][0] == (
        "depth 3, below max_depth=2; its genes are in those of A; R"
    )
    assert len(build(max_depth=1)) == 1


def test_parents_get_the_genes_that_only_their_children_have():
    hier = build({"R": "g", "A": "", "C": "ab", "D": "c"}, [("A", "R"), ("C", "A"), ("D", "A")])
    assert reached(hier)["R"] == set("abcg")
    assert reached(hier)["A"] == set("abc")
    assert told(hier) == [("added genes", "R"), ("added genes", "A"), ("own genes", "R")]
    assert hier.report["detail"][0] == "3 genes that only its children had"


def test_unknown_pathways_are_reported_and_what_is_below_joins_what_is_above():
    pairs = [("A", "R"), ("U", "A"), ("V", "U"), ("C", "V"), ("leaf", "A"), ("B", "top")]
    pairs += [("other 1", "other 2")]
    hier = build(pairs=pairs)
    assert hier.table.loc["C", "parents"] == "A"
    assert hier.table.loc["B", "parents"] == ""
    notes = hier.report[hier.report["action"].str.startswith("unknown")].set_index("subject")
    assert sorted(notes.index) == ["2 pathways", "U", "V", "leaf", "top"]
    assert notes.loc["U", "detail"] == "no gene set of this name; 'C' joined to 'A'"
    assert "no child that has one" in notes.loc["leaf", "detail"]
    assert "'B' joined to nothing" in notes.loc["top", "detail"]
    assert "'other 2'" in notes.loc["2 pathways", "detail"]


def test_two_unknown_ways_to_the_same_parent_are_one_edge():
    hier = build(pairs=[("U", "A"), ("V", "A"), ("C", "U"), ("C", "V"), ("A", "R")])
    assert hier.table.loc["C", "parents"] == "A"
    assert ("C", "A") in edges_of(hier[1])


def test_a_cycle_is_printed():
    with pytest.raises(bm.MaskError) as caught:
        build(pairs=[("A", "R"), ("B", "A"), ("C", "B"), ("A", "C")])
    assert caught.value.code == "E-HIERARCHY-CYCLE"
    assert sorted(caught.value.genes) == ["A", "B", "C"]
    circles = ["A -> B -> C -> A", "B -> C -> A -> B", "C -> A -> B -> C"]
    assert any(f"circle: {circle} (each" in str(caught.value) for circle in circles)
    with pytest.raises(bm.MaskError, match="A -> A"):
        build(pairs=[("A", "A")])


def test_repeated_relations_count_once():
    hier = build(pairs=[*PAIRS, PAIRS[0]])
    assert hier == build()
    assert told(hier)[0] == ("kept once", "A -> R")


def test_residual_takes_the_genes_of_no_pathway():
    hier = build(min_genes=2, residual=True, genes=[*"gcz"])
    assert reached(hier)["(residual)"] == {"g", "z"}
    assert hier.table.loc["(residual)", ["level", "depth", "kind"]].tolist() == [0, 1, "residual"]
    assert "(residual)" in hier.roots
    assert told(hier)[-1] == ("residual", "(residual)")
    assert hier.report["detail"].iloc[-1] == "2 genes in no kept pathway"
    assert "(residual)" not in build(residual=True).pathways  # every gene is in a pathway
    with_others = build(genes=["z"])
    assert with_others == build()
    assert told(with_others)[-1] == ("dropped gene", "z")


@pytest.mark.parametrize(
    ("options", "error", "code"),
    [
        ({"min_genes": 0}, bm.ArgumentError, "E-ARGUMENT"),
        ({"min_genes": True}, bm.ArgumentError, "E-ARGUMENT"),
        ({"max_depth": 0}, bm.ArgumentError, "E-ARGUMENT"),
        ({"max_depth": 2.0}, bm.ArgumentError, "E-ARGUMENT"),
        ({"min_genes": 8}, bm.MaskError, "E-MASK-EMPTY"),
        ({"pairs": [("u", "v")]}, bm.MaskError, "E-HIERARCHY-UNKNOWN"),
        ({"sets": {"A (own genes)": "a"}, "pairs": []}, bm.MaskError, "E-HIERARCHY-NAME"),
        ({"sets": {"(residual)": "a"}, "pairs": []}, bm.MaskError, "E-HIERARCHY-NAME"),
    ],
)
def test_what_makes_no_hierarchy(options, error, code):
    with pytest.raises(error) as caught:
        build(**options)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("options", "problem", "genes"),
    [
        ({"min_genes": 0}, "min_genes must be a whole number from 1, received 0", []),
        ({"min_genes": None}, "min_genes must be a whole number from 1, received None", []),
        ({"max_depth": 2.0}, "max_depth must be a whole number from 1, received 2.0", []),
        ({"min_genes": 8}, "no pathway has 8 genes or more; the largest has 7", []),
        (
            {"sets": {A_OWN: "a", "A": "b", "(residual)": "a"}, "pairs": []},
            "a name that ends in ' (own genes)' or is '(residual)' is kept for what a hierarchy "
            "adds",
            [A_OWN, "(residual)"],
        ),
    ],
)
def test_what_is_told_of_wrong_limits_and_names(options, problem, genes):
    with pytest.raises(bm.BiomaskError) as caught:
        build(**options)
    assert (caught.value.problem, caught.value.genes) == (problem, genes)


def test_limits_may_be_numbers_of_numpy_and_the_largest_there_is():
    assert build(min_genes=np.int64(2), max_depth=np.int64(3)) == build(min_genes=2)
    assert build(min_genes=7).pathways.tolist() == ["R"]


def test_units_that_all_feed_all_are_no_cause_for_a_warning():
    pairs = [("A", "R"), ("B", "R"), ("A", "S"), ("B", "S")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hier = build({"R": "abc", "S": "abc", "A": "ab", "B": "bc"}, pairs)
        assert hier[1].density == 1
        assert hier.rewire(0) == hier.rewire(0)
        assert hierarchy_from_config(hierarchy_to_config(hier)) == hier
        assert [level.mask.shape for level in levels_of(hier)] == [(3, 2), (2, 2)]
        assert sorted_hierarchy(hier) == hier


def test_other_inputs_are_refused():
    mask = bm.Mask.from_sets(SETS)
    with pytest.raises(bm.ArgumentError, match=r"columns child and parent.*'down'"):
        bm.Hierarchy.from_sets(mask, pd.DataFrame({"down": [], "parent": []}))
    with pytest.raises(bm.ArgumentError, match="must be a Mask, received dict"):
        bm.Hierarchy.from_sets(SETS, frame(PAIRS))
    with pytest.raises(bm.ArgumentError, match="received list"):
        bm.Hierarchy.from_sets(mask, PAIRS)
    for name in (None, np.nan, " ", 1.5, True):
        with pytest.raises(bm.ArgumentError, match="parent is no name in rows '2'"):
            bm.Hierarchy.from_sets(mask, frame([*PAIRS[:1], ("B", name)]))
    numbers = bm.Mask.from_sets({"1": list("ab"), "2": ["a"]})
    assert bm.Hierarchy.from_sets(numbers, frame([(2, 1)])).table.loc["2", "parents"] == "1"
    weighted = bm.Mask.from_dense([[0.5]], weighted=True)
    with pytest.raises(bm.MaskError) as caught:
        bm.Hierarchy.from_sets(weighted, frame([]))
    assert caught.value.code == "E-HIERARCHY-WEIGHTS"
    assert caught.value.problem == (
        "the gene sets have weights, which a hierarchy has no use for: the genes of a pathway "
        "reach it through others"
    )


# ------------------------------------------------------------------------ as a chain, as a value


def masks(*columns_of):
    """Masks from one {column: rows} a level; rows of the later ones are the columns before."""
    made, rows = [], None
    for sets in columns_of:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", bm.BiomaskWarning)
            made.append(bm.Mask.from_sets({k: list(v) for k, v in sets.items()}, genes=rows))
        rows = made[-1].pathways
    return made


def test_a_chain_by_hand():
    hier = bm.Hierarchy(masks({"p": "ab", "q": "c"}, {"r": "p", "q": "q"}, {"s": "rq"}))
    assert [hier.n_carried(i) for i in range(3)] == [0, 1, 0]
    assert hier.table["depth"].to_dict() == {"p": 3, "q": 2, "r": 2, "s": 1}


@pytest.mark.parametrize(
    ("chain", "problem"),
    [
        (masks({"p": "a", "q": "b"}, {"q": "q", "r": "p"}), "carried columns must come last"),
        (masks({"p": "a", "q": "b"}, {"r": "p", "q": "p"}), "a carried column has one edge"),
        (masks({"p": "a", "q": "b"}, {"r": "p", "q": "pq"}), "a carried column has one edge"),
        (masks({"p": "a", "q": "b"}, {"p": "p", "q": "q"}), "it computes no unit"),
        (masks({"p": "a", "q": "b"}, {"r": "p"}), "nothing reads some rows: 'q'"),
        (masks({"p": "a", "q": ""}, {"r": "pq"}), "units have no edge: 'q'"),
        (masks({"p": "a"}, {"r": "p"}, {"p": "r"}), "computed a second time: 'p'"),
        (
            masks({"p": "a", "q": "b"}, {"r": "p", "t": "q"}, {"s": "r", "t": "t"}, {"u": "st"}),
            "computes units that no unit here reads: 't'",
        ),
        ([*masks({"p": "a", "q": "b"}), *masks({"r": "qp"})], "not the columns of the mask before"),
    ],
)
def test_masks_that_are_no_chain(chain, problem):
    with pytest.raises(bm.MaskError) as caught:
        bm.Hierarchy(chain)
    assert problem in str(caught.value)
    assert caught.value.code == "E-HIERARCHY-CHAIN"


@pytest.mark.parametrize(
    ("chain", "told"),
    [
        (masks({"p": "a", "q": ""}), "0 of the hierarchy: units have no edge: 'q'"),
        (
            [bm.Mask.from_sets({"p": ["a"]}, genes=list("abc"))],
            "0 of the hierarchy: nothing reads some rows: 'b', 'c'",
        ),
        (
            [*masks({"p": "a"}), *masks({"r": "q"})],
            "1 of the hierarchy: its rows are not the columns of the mask before, in their order",
        ),
        (
            masks({"p": "a", "q": "b", "t": "c"}, {"q": "q", "r": "p", "t": "t"}),
            "1 of the hierarchy: carried columns must come last: 'q', 't'",
        ),
        (
            masks({"p": "a", "q": "b"}, {"q": "q", "p": "p"}),
            "1 of the hierarchy: it computes no unit",
        ),
        (
            masks({"p": "a", "q": "b", "t": "c"}, {"r": "p", "q": "pq", "t": "pt"}),
            "1 of the hierarchy: a carried column has one edge, from itself: 'q', 't'",
        ),
        (
            masks({"p": "a", "q": "b"}, {"r": "pq", "q": ""}),
            "1 of the hierarchy: a carried column has one edge, from itself",
        ),
        (
            masks({"p": "a"}, {"r": "p"}, {"s": "r"}, {"r": "s"}),
            "3 of the hierarchy: units are computed a second time: 'r'",
        ),
        (
            masks({"p": "a"}, {"r": "p"}, {"s": "r", "p": ""}),
            "2 of the hierarchy: units are computed a second time: 'p'",
        ),
        (
            masks({"p": "a", "q": "b"}, {"r": "p", "t": "q"}, {"s": "r", "t": "t"}),
            "2 of the hierarchy: the mask before computes units that no unit here reads: 't'",
        ),
        (
            masks(
                {f"p{i}": "a" for i in range(9)},
                {f"r{i}": [f"p{i}"] for i in range(9)},
                {"s": ["r8"], **{f"r{i}": [f"r{i}"] for i in range(8)}},
            ),
            "2 of the hierarchy: the mask before computes units that no unit here reads: "
            + ", ".join(f"'r{i}'" for i in range(8)),
        ),
        (
            masks({"p": "a", "q": "b"}, {"r": "p", "t": "q"}, {"s": "r"}),
            "2 of the hierarchy: nothing reads some rows: 't'",
        ),
    ],
)
def test_the_mask_that_breaks_a_chain_is_named(chain, told):
    with pytest.raises(bm.MaskError) as caught:
        bm.Hierarchy(chain)
    assert caught.value.problem == f"mask {told}"
    assert caught.value.code == "E-HIERARCHY-CHAIN"


def test_what_a_chain_is_made_of_is_told():
    mask, weighted = bm.Mask.from_sets({"p": ["a"]}), bm.Mask.from_dense([[2.0]], weighted=True)
    for chain, kinds in [([], []), ([mask, "x"], ["Mask", "str"]), ([mask, 1], ["Mask", "int"])]:
        with pytest.raises(bm.ArgumentError) as caught:
            bm.Hierarchy(chain)
        assert caught.value.code == "E-ARGUMENT"
        assert caught.value.problem == (
            f"a hierarchy is made of one or more Masks, received {kinds}"
        )
    with pytest.raises(bm.MaskError) as caught:
        bm.Hierarchy([mask, weighted])
    assert caught.value.code == "E-HIERARCHY-CHAIN"
    assert caught.value.problem == "mask 1 of the hierarchy: it has weights"


def test_units_may_be_carried_past_several_masks():
    chain = masks(
        {"p": "a", "q": "b", "u": "c"},
        {"r": "p", "q": "q", "u": "u"},
        {"s": "r", "q": "q", "u": "u"},
        {"t": "sq", "u": "u"},
    )
    hier = bm.Hierarchy(iter(chain))
    assert [hier.n_carried(i) for i in range(4)] == [0, 2, 2, 1]
    assert hier.n_edges == 3 + 1 + 1 + 2
    assert hier.roots.tolist() == ["t", "u"]
    assert hier.table["depth"].to_dict() == {"p": 4, "q": 2, "u": 1, "r": 3, "s": 2, "t": 1}


def test_a_chain_needs_masks_without_weights():
    with pytest.raises(bm.ArgumentError, match="one or more Masks"):
        bm.Hierarchy([])
    with pytest.raises(bm.ArgumentError, match="received \\['str'\\]"):
        bm.Hierarchy(["mask"])
    with pytest.raises(bm.MaskError, match="it has weights"):
        bm.Hierarchy([bm.Mask.from_dense([[2.0]], weighted=True)])


def test_value():
    hier = build()
    assert hier == build()
    assert hash(hier) == hash(build())
    assert hier != build(max_depth=2)
    assert hier != "hierarchy"
    assert hier.digest != build({**SETS, "D": "b"}).digest
    assert repr(hier) == (
        f"Hierarchy(9 -> 6 -> 1 -> 1 units, 16 edges, 2 roots, digest {hier.digest[:8]})"
    )
    assert list(hier) == list(hier.masks)
    assert hier[-1] is hier.masks[2]


def test_nothing_given_out_changes_the_hierarchy():
    hier = build()
    digest, table = hier.digest, hier.table
    for value in (hier.table, hier.relations, hier.report, hier.levels, hier.to_edges()):
        value.iloc[:, 0] = value.iloc[::-1, 0].to_numpy()
    sizes = hier.sizes()
    sizes += 1
    hier.flatten().to_scipy().data[:] = 0
    pd.testing.assert_frame_equal(hier.table, table)
    assert build().digest == digest == hier.digest
    with pytest.raises(TypeError):
        hier.masks[0] = None
    with pytest.raises(AttributeError):
        hier.masks = ()


def test_html_escapes_names():
    text = build({"<b>": "ab"}, [])._repr_html_()
    assert "&lt;b&gt;" in text
    assert "<b>" not in text.replace("<p><b>Hierarchy", "")


def test_wrong_relations_are_told():
    mask = bm.Mask.from_sets(SETS)
    for relations, received in [
        (pd.DataFrame({"down": [], "parent": []}), ["down", "parent"]),
        (pd.DataFrame({"child": []}), ["child"]),
        ({"child": [], "parent": []}, "dict"),
    ]:
        with pytest.raises(bm.ArgumentError) as caught:
            bm.Hierarchy.from_sets(mask, relations)
        assert caught.value.code == "E-ARGUMENT"
        assert caught.value.problem == (
            f"relations must be a DataFrame with columns child and parent, received {received}"
        )
    with pytest.raises(bm.ArgumentError) as caught:
        bm.Hierarchy.from_sets(mask, frame([(None, "A"), ("B", "R"), (np.True_, "R")]))
    assert caught.value.code == "E-ARGUMENT"
    assert caught.value.problem == "the child is no name in rows '1', '3' of the relations (from 1)"


def test_relations_of_strangers_alone_are_refused():
    with pytest.raises(bm.MaskError) as caught:
        build(pairs=[("u", "v"), ("w", "v")])
    assert caught.value.code == "E-HIERARCHY-UNKNOWN"
    assert caught.value.genes == ["v", "u", "w"]
    assert caught.value.problem == (
        "none of the 3 pathways of the relations is among the gene sets"
    )


def test_unknown_pathways_are_told_with_three_of_each_side():
    sets = {**{f"C{i}": "a" for i in range(4)}, **{f"P{i}": "abc" for i in range(4)}}
    pairs = [(f"C{i}", "U") for i in range(4)] + [("U", f"P{i}") for i in range(4)]
    pairs += [("x", "y"), ("C0", "top"), ("low", "P0")]
    hier = build(sets, pairs)
    assert hier.table.loc["C3", "parents"] == "P0; P1; P2; P3"
    assert hier.report.iloc[:4, :3].sort_values("subject").to_numpy().tolist() == [
        [
            "unknown pathways",
            "2 pathways",
            "not among the gene sets, nor is anything they are related to: 'y', 'x'",
        ],
        [
            "unknown pathway",
            "U",
            "no gene set of this name; 'C3', 'C2', 'C1' and 1 more joined to "
            "'P0', 'P1', 'P2' and 1 more",
        ],
        ["unknown pathway", "low", "no gene set of this name; it has no child that has one"],
        [
            "unknown pathway",
            "top",
            "no gene set of this name; 'C0' joined to nothing: no gene set is above it",
        ],
    ]


def test_a_repeated_relation_is_noted_each_time():
    hier = build(pairs=[("A", "R"), ("B", "R"), ("A", "R"), ("B", "R"), ("A", "R")])
    assert hier.report.iloc[:3].fillna(0).to_numpy().tolist() == [
        ["kept once", f"{child} -> R", "the relation is repeated", 0] for child in "ABA"
    ]


def test_a_circle_is_told():
    with pytest.raises(bm.MaskError) as caught:
        build(pairs=[("A", "R"), ("B", "A"), ("A", "B")])
    first, second = caught.value.genes
    assert {first, second} == {"A", "B"}
    assert caught.value.problem == (
        f"the relations go around in a circle: {first} -> {second} -> {first} (each the parent of "
        "the next)"
    )


def test_what_happened_before_comes_first_in_the_report():
    note = Note("skipped", "x", "because", 3)
    hier = build(pairs=[("A", "R"), ("A", "R")], notes=iter([note]))
    assert hier.notes[0] == note
    assert hier.report.columns.tolist() == ["action", "subject", "detail", "line"]
    assert hier.report["line"].dtype == "Int64"
    assert hier.report["action"].tolist()[:2] == ["skipped", "kept once"]
    assert bm.Hierarchy(hier.masks, notes=[note]).notes == (note,)
    nothing = bm.Hierarchy(hier.masks).report
    assert nothing.empty
    assert nothing.columns.tolist() == ["action", "subject", "detail", "line"]


def test_names_are_objects_whatever_pandas_makes_of_text():
    """pandas 3 has a type of its own for text, which this option brings to pandas 2."""
    pytest.importorskip("pyarrow")  # pandas 2.2 knows no other
    with pd.option_context("future.infer_string", True):
        hier = build()
        report = bm.align(hier, data(hier.genes), min_genes=1).report
        assert hier.genes.dtype == hier.roots.dtype == hier.pathways.dtype == object
        assert set(report.to_frame().dtypes) == {np.dtype(object)}


def test_a_residual_is_asked_for_or_there():
    assert not build().residual
    assert build(residual=True).residual
    with_unit = build(residual=True, genes=["z"])
    assert bm.Hierarchy(with_unit.masks).residual
    assert bm.Hierarchy(build().masks, residual=True).residual
    assert not bm.Hierarchy(build().masks).residual


def test_every_name_and_type_of_what_it_gives():
    sets = bm.Mask.from_sets(SETS, descriptions={"A": "id A", "I": "id I"})
    hier = bm.Hierarchy.from_sets(sets, frame(PAIRS))
    names = ["B", "C", "D", "I", A_OWN, R_OWN, "A", "R"]
    index = pd.Index(names, dtype=object, name="pathway")
    pd.testing.assert_index_equal(hier.pathways, index, exact=True)
    pd.testing.assert_index_equal(hier.descriptions.index, index, exact=True)
    pd.testing.assert_index_equal(hier.sizes().index, index, exact=True)
    assert hier.sizes().name == "size"
    assert hier.descriptions.tolist() == ["", "", "", "id I", "", "", "id A", ""]
    relations = pd.DataFrame(
        [["C", "A"], ["D", "A"], [A_OWN, "A"], ["B", "R"], ["C", "R"], [R_OWN, "R"], ["A", "R"]],
        columns=["child", "parent"],
    )
    found = hier.relations.sort_values(["parent"], kind="stable")
    assert found.index.tolist() == list(range(7))
    assert set(map(tuple, found.to_numpy())) == set(map(tuple, relations.to_numpy()))
    assert found.columns.tolist() == ["child", "parent"]
    flat = hier.flatten()
    pd.testing.assert_series_equal(flat.descriptions, hier.descriptions)
    assert flat.genes.equals(hier.genes)


def test_a_hierarchy_of_one_path_flattens_quietly():
    with warnings.catch_warnings():
        warnings.simplefilter("error", bm.BiomaskWarning)
        sets = bm.Mask.from_sets({"R": list("ab"), "A": list("ab")}, genes=list("abc"))
        flat = bm.Hierarchy.from_sets(sets, frame([("A", "R")])).flatten()
    assert flat.to_dense().to_numpy().tolist() == [[1, 1], [1, 1]]


def test_html_has_the_masks_and_five_roots():
    hier = build({**SETS, **{f"S{i}": "x" for i in range(5)}})
    page = hier._repr_html_()
    assert page.startswith(f"<p><b>{hier!r}</b></p><table".replace("->", "-&gt;"))
    cells = re.findall(r"<t[hd]>(.*?)</t[hd]>", page)
    assert cells == [
        *("", "inputs", "units", "carried", "edges", "level", "", "", "", ""),
        *("0", "9", "11", "0", "14", "1", "11", "1", "9", "3", "2", "10", "1", "6", "4"),
        *("", "depth", "genes", "n_children", "kind", "pathway", "", "", "", ""),
        *("R", "1", "7", "4", "inner", "I", "1", "2", "0", "leaf"),
        *(cell for i in range(3) for cell in (f"S{i}", "1", "1", "0", "leaf")),
    ]


# ------------------------------------------------------------------------ as a network reads it


def test_a_level_reads_each_unit_where_it_was_computed():
    hier = build()
    entry, middle, top = levels_of(hier)
    assert (entry.mask, entry.sources) == (hier[0], {})
    assert middle.mask.to_sets() == {"A": ["C", "D", A_OWN]}
    assert middle.sources == {0: [1, 2, 4]}
    assert top.mask.to_sets() == {"R": ["B", "C", R_OWN, "A"]}
    assert top.sources == {0: [0, 1, 5], 1: [0]}
    assert levels_of(hier[0]) == [(hier[0], {})]
    assert places(hier) == {
        **{name: (0, k) for k, name in enumerate(["B", "C", "D", "I", A_OWN, R_OWN])},
        **{"A": (1, 0), "R": (2, 0)},
    }


def test_positions_of_the_ends_of_every_edge():
    sources, targets, level = unit_positions(build())
    assert sources.tolist() == [*(4, 5, 0, 1, 2, 7, 8, 3, 6), *(1, 2, 4), *(0, 1, 5, 6)]
    assert targets.tolist() == [*(0, 0, 1, 1, 2, 3, 3, 4, 5), *(6, 6, 6), *(7, 7, 7, 7)]
    assert level.tolist() == [0] * 9 + [1] * 3 + [2] * 4


def test_sorted_by_name_whatever_the_order_was():
    hier = sorted_hierarchy(build())
    backwards = {name: genes[::-1] for name, genes in reversed(SETS.items())}
    assert hier == sorted_hierarchy(build(backwards, PAIRS[::-1]))
    assert [mask.pathways.tolist() for mask in hier] == [
        [A_OWN, "B", "C", "D", "I", R_OWN],
        ["A", "B", "C", "I", R_OWN],
        ["R", "I"],
    ]
    assert hier.genes.tolist() == list("abcdefgxy")
    assert reached(hier) == reached(build())


# ------------------------------------------------------------------------ rewiring and storing


def many(seed=0, n=40, n_genes=60):
    """A random hierarchy with every kind of unit."""
    rng = random.Random(seed)
    genes = [f"g{i}" for i in range(n_genes)]
    sets = {f"p{i}": rng.sample(genes, rng.randint(1, 9)) for i in range(n)}
    pairs = [(f"p{j}", f"p{i}") for j in range(n) for i in rng.sample(range(j + 1), min(j, 2))]
    return build(sets, [(c, p) for c, p in pairs if c != p])


def test_rewiring_keeps_every_degree_and_every_carried_unit():
    hier = many()
    other = hier.rewire(3)
    assert other == hier.rewire(3)
    assert other != hier.rewire(4)
    assert other != hier
    changed = 0
    for i, (before, after) in enumerate(zip(hier, other, strict=True)):
        assert after.pathways.equals(before.pathways)
        pd.testing.assert_series_equal(after.sizes(), before.sizes())
        pd.testing.assert_series_equal(after.degrees(), before.degrees())
        new = before.shape[1] - hier.n_carried(i)
        assert (after.to_scipy()[:, new:] != before.to_scipy()[:, new:]).nnz == 0
        changed += after != before
    assert changed > 2
    assert told(other)[-1] == ("rewired", "seed 3")
    assert build(residual=True).rewire(0).residual
    assert hier == many()


@pytest.mark.parametrize("hier", [build(), build(pairs=[]), many(), many().rewire(0)])
def test_config_round_trip(hier):
    config = json.loads(json.dumps(hierarchy_to_config(hier)))
    back = hierarchy_from_config(config)
    assert back == hier
    pd.testing.assert_series_equal(back.descriptions, hier.descriptions)
    pd.testing.assert_frame_equal(back.table, hier.table)


def test_config_keeps_the_text_of_every_unit_at_every_level():
    sets = bm.Mask.from_sets({**SETS, "E": ["e"]}, descriptions={n: f"id {n}" for n in "RABCDIE"})
    hier = bm.Hierarchy.from_sets(sets, frame([*PAIRS, ("E", "B")]))
    assert hier.computed(1).tolist() == ["A", "B"]
    back = hierarchy_from_config(json.loads(json.dumps(hierarchy_to_config(hier))))
    for before, after in zip(hier, back, strict=True):
        assert after.descriptions.to_dict() == before.descriptions.to_dict()
    assert back[2].descriptions.to_dict() == {"R": "id R", "I": "id I"}  # one computed, one carried


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("entry"),
        lambda c: c.pop("levels"),
        lambda c: c["levels"][0].pop("carried"),
        lambda c: c["levels"][0].update(n_carried=5),
        lambda c: c["levels"][0].update(n_carried="many"),
        lambda c: c["levels"][0].update(n_edges=10**12),
        lambda c: c["levels"][0].update(pathways=["A", "Z"]),
        lambda c: c["levels"][0].update(members=c["levels"][0]["carried"]),
        lambda c: c["levels"][0].update(descriptions=[]),
        lambda c: c["entry"].update(genes=[]),
    ],
)
def test_damaged_config_is_refused(change):
    config = hierarchy_to_config(build())
    change(config)
    with pytest.raises(bm.BiomaskError):
        hierarchy_from_config(config)


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        ({"n_carried": 6}, "E-PACKED", "expected 24"),  # as many as there are units
        ({"n_carried": 7}, "E-PACKED", "'3 edges and 7 units carried over 6 units'"),
        ({"n_carried": -1}, "E-PACKED", "'3 edges and -1 units carried over 6 units'"),
        ({"n_edges": 6}, "E-PACKED", "expected 24"),
        ({"n_edges": 7}, "E-PACKED", "'7 edges and 4 units carried over 6 units'"),
        ({"n_edges": -1}, "E-PACKED", "'-1 edges and 4 units carried over 6 units'"),
        ({"pathways": ["A", "Z"]}, "E-PACKED", "expected 8"),
        ({"descriptions": []}, "E-PACKED", "a stored hierarchy is damaged: ValueError("),
        ({"n_edges": "x"}, "E-PACKED", "a stored hierarchy is damaged: TypeError("),
    ],
)
def test_damage_of_a_level_is_told(change, code, told):
    config = hierarchy_to_config(build())
    config["levels"][0].update(change)
    with pytest.raises(bm.BiomaskError) as caught:
        hierarchy_from_config(config)
    assert caught.value.code == code
    assert told in caught.value.problem


def test_a_stored_level_that_computes_nothing_is_no_hierarchy():
    config = hierarchy_to_config(build())
    none = pack(np.array([], np.int32))
    config["levels"] = [
        {
            **{"pathways": [], "descriptions": [], "n_edges": 0, "sizes": none, "members": none},
            **{"n_carried": 6, "carried": pack(np.arange(6, dtype=np.int32))},
        }
    ]
    with pytest.raises(bm.MaskError) as caught:
        hierarchy_from_config(config)
    assert caught.value.code == "E-HIERARCHY-CHAIN"


def test_what_is_stored_of_a_level():
    config = hierarchy_to_config(build())
    assert list(config) == ["entry", "levels"]
    middle, top = config["levels"]
    names = ["pathways", "n_edges", "n_carried", "sizes", "members", "carried", "descriptions"]
    assert list(middle) == names
    assert [middle[name] for name in (*names[:3], names[-1])] == [["A"], 3, 4, [""]]
    assert unpack(middle["sizes"], np.int32, 1).tolist() == [3]
    assert unpack(middle["members"], np.int32, 3).tolist() == [1, 2, 4]
    assert unpack(middle["carried"], np.int32, 4).tolist() == [0, 1, 3, 5]
    assert (top["n_edges"], top["n_carried"]) == (4, 1)


# ------------------------------------------------------------------------ against networkx


@st.composite
def drawings(draw):
    """Gene sets and relations without a cycle, some of unknown pathways, in a random order."""
    n = draw(st.integers(1, 9))
    names = [f"p{i}" for i in range(n)]
    sets = {name: draw(st.sets(st.sampled_from("abcdefgh"), max_size=5)) for name in names}
    sets["p0"] = sets["p0"] | {"a"}
    pairs = [(names[j], names[i]) for j in range(n) for i in range(j) if draw(st.booleans())]
    hidden = draw(st.sets(st.sampled_from(names[1:]), max_size=2)) if n > 1 else set()
    known = {name: sorted(genes) for name, genes in sets.items() if name not in hidden}
    if hidden and pairs and not any(name in known for pair in pairs for name in pair):
        pairs = []
    return known, draw(st.permutations(pairs))


def slow(sets, pairs, min_genes=1):
    """(graph of the kept pathways, their genes with those below), the long way."""
    graph = nx.DiGraph([(parent, child) for child, parent in pairs])
    graph.add_nodes_from(sets)
    joined = nx.DiGraph()
    full = {
        name: set(sets[name]).union(*(sets.get(p, ()) for p in nx.descendants(graph, name)))
        for name in sets
    }
    kept = {name for name in sets if len(full[name]) >= min_genes}
    joined.add_nodes_from(kept)
    for upper in kept:
        for lower in kept & nx.descendants(graph, upper):
            between = graph.subgraph({upper, lower} | (set(graph) - set(sets)))
            if nx.has_path(between, upper, lower):
                joined.add_edge(upper, lower)
    return joined, {name: full[name] for name in kept}


@settings(deadline=None, max_examples=80)
@given(drawings(), st.integers(1, 3))
def test_every_pathway_is_computed_once_from_what_is_below(drawing, min_genes):
    sets, pairs = drawing
    graph, full = slow(sets, pairs, min_genes)
    if not graph:
        return
    hier = build(sets, pairs, min_genes=min_genes)
    table, genes = hier.table, reached(hier)
    added = table["kind"] == "own genes"
    assert hier.pathways.is_unique
    assert set(table.index[~added]) == set(graph)
    above = {name: set(filter(None, text.split("; "))) for name, text in table["parents"].items()}
    assert {name: above[name] for name in graph} == {n: set(graph.pred[n]) for n in graph}
    for name in graph:
        longest = nx.dag_longest_path_length(graph.subgraph({name} | nx.ancestors(graph, name)))
        assert table.loc[name, "depth"] == longest + 1
        assert genes[name] <= full[name]
        if min_genes == 1 or not graph.succ[name]:
            assert genes[name] == full[name]
    for name in table.index[added]:
        parent = name.removesuffix(" (own genes)")
        assert above[name] == {parent}
        assert len(genes[name]) >= min_genes
        assert not genes[name] & set().union(*(genes[child] for child in graph.succ[parent]))
    for i in range(1, len(hier)):
        assert hier[i].genes.equals(hier[i - 1].pathways)
        inner = table.index[(table["kind"] == "inner") & (table["depth"] == len(hier) - i)]
        assert hier.computed(i).tolist() == inner.tolist()
    assert set(hier.roots) == {name for name in table.index if not above[name]}
    # A path in the table of edges is a path in the chain.
    paths = nx.DiGraph(hier.to_edges()[["source", "target"]].itertuples(index=False, name=None))
    for name in hier.pathways:
        assert nx.ancestors(paths, name) & set("abcdefgh") == genes[name]


@settings(deadline=None, max_examples=40)
@given(drawings(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_changes_nothing_by_name(drawing, rng):
    sets, pairs = drawing
    first = build(sets, pairs)
    shuffled = {
        name: rng.sample(sets[name], len(sets[name])) for name in sorted(sets, reverse=True)
    }
    other = build(shuffled, rng.sample(pairs, len(pairs)))
    assert reached(first) == reached(other)
    columns = ["level", "depth", "genes", "n_children", "n_parents", "kind"]
    pd.testing.assert_frame_equal(
        first.table[columns].sort_index(), other.table[columns].sort_index()
    )
    assert set(map(tuple, first.to_edges().to_numpy())) == set(
        map(tuple, other.to_edges().to_numpy())
    )


@settings(deadline=None, max_examples=40)
@given(drawings())
def test_config_keeps_any_hierarchy(drawing):
    hier = build(*drawing)
    assert hierarchy_from_config(json.loads(json.dumps(hierarchy_to_config(hier)))) == hier


# ------------------------------------------------------------------------ with data


def data(genes, n=4, seed=0):
    values = np.random.default_rng(seed).uniform(2.5, 9, (n, len(genes)))
    return pd.DataFrame(values, index=[f"s{i}" for i in range(n)], columns=list(genes))


def test_align_builds_the_hierarchy_of_the_genes_that_are_there():
    hier, X = build(), data("zyfedcba")  # no g, no x
    aligned = bm.align(hier, X, min_genes=1)
    left = {name: [g for g in genes if g not in "gx"] for name, genes in SETS.items()}
    assert aligned.mask == build(left)
    assert aligned.X.columns.equals(aligned.mask.genes)
    assert aligned.X.columns.tolist() == list("abcdefy")
    np.testing.assert_array_equal(aligned.X["d"], X["d"].astype(np.float32))
    coverage = aligned.report.coverage
    assert coverage["present"].to_dict() == {"B": 2, "C": 2, "D": 1, "I": 1, "A": 4, "R": 6}
    assert coverage["size"]["R"] == 7
    assert coverage["kept"].all()
    assert aligned.report.only_in_mask.tolist() == ["g", "x"]
    assert hier == build()
    narrow = bm.align(hier, X, min_genes=1, max_genes=1)
    assert narrow.mask == aligned.mask
    assert narrow.report.coverage["kept"].all()


def test_align_drops_small_pathways_and_says_so():
    aligned = bm.align(build(), data("abcdfy"), min_genes=2)  # B: f, I: y
    assert aligned.mask.pathways.tolist() == ["C", A_OWN, "A", "R"]
    assert aligned.mask.table.loc[A_OWN, "genes"] == 2  # c and d
    dropped = aligned.report.dropped
    assert set(dropped["name"][dropped["side"] == "pathway"]) == {"B", "D", "I"}
    assert set(dropped["name"][dropped["side"] == "gene"]) == {"f", "y"}
    entries = aligned.report.to_frame()
    notes = entries[(entries["action"] == "note") & (entries["side"] == "pathway")]
    assert notes[["name", "to", "detail"]].to_numpy().tolist() == [
        ["A", "", "own genes: 2 of 4 genes that none of its children has"],
        ["R", "", "left out genes: 1 of its own genes, fewer than min_genes=2: f"],
        ["max_genes", "", "has no say in a hierarchy"],
    ]
    with pytest.raises(bm.AlignmentError) as caught:
        bm.align(build(), data("abcdefg"), min_genes=8)
    assert caught.value.code == "E-ALIGN-EMPTY"


def test_align_of_what_fits_changes_nothing():
    for hier in (build(), build(min_genes=2), build(max_depth=2), many()):
        aligned = bm.align(hier, data(hier.genes), min_genes=1)
        assert aligned.mask == hier
        assert bm.align(hier, aligned, min_genes=1).mask == hier


def test_align_gives_the_residual_every_gene_of_the_data():
    aligned = bm.align(build(residual=True), data("abcdefgxyzw"), min_genes=2)
    assert reached(aligned.mask)["(residual)"] == {"g", "z", "w"}
    assert set(aligned.X.columns) == set("abcdefgxyzw")
    assert aligned.report.only_in_data.empty
    again = bm.align(aligned.mask, aligned.X, min_genes=2)
    assert again.mask == aligned.mask
    assert "(residual)" not in bm.align(build(), data("abcdefgxyz"), min_genes=1).mask.pathways
    twice = pd.concat([data("abcdefgxyz"), data("z")], axis=1)
    with pytest.raises(bm.AlignmentError) as caught:
        bm.align(build(residual=True), twice, min_genes=1)
    assert caught.value.genes == ["z"]


def test_match_gives_new_data_the_same_genes():
    aligned = bm.align(build(), data("abcdefgxy"), min_genes=1)
    new = data("zyxgfedcba", n=3, seed=1)
    matched = aligned.match(new)
    assert matched.mask is aligned.mask
    assert matched.X.columns.equals(aligned.mask.genes)
    np.testing.assert_array_equal(matched.X["a"], new["a"].astype(np.float32))
    with pytest.raises(bm.AlignmentError) as caught:
        aligned.match(new.drop(columns="g"))
    assert caught.value.genes == ["g"]
    filled = aligned.match(new.drop(columns="g"), fill="train_mean")
    assert (filled.X["g"] == aligned.X["g"].mean()).all()
    assert filled.report.coverage["present"]["R"] == 6


def test_align_cleans_the_names_of_a_hierarchy():
    hier = build({"A": ["ENSG00000000003.14", "b"]}, [])
    X = data(["ENSG00000000003", "b"])
    aligned = bm.align(hier, X, min_genes=1, strip_versions=True)
    assert aligned.mask.genes.tolist() == ["ENSG00000000003", "b"]


def test_a_rewired_hierarchy_is_aligned_before():
    sets = {"R": "abc", "A": "b", "S": "cde", "B": "d"}
    hier = build(sets, [("A", "R"), ("B", "S")])
    moved = next(h for h in map(hier.rewire, range(20)) if h.table.loc[R_OWN, "parents"] == "S")
    with pytest.raises(bm.MaskError) as caught:
        bm.align(moved, data("abcde"), min_genes=1)
    assert caught.value.code == "E-HIERARCHY-REWIRED"
    assert caught.value.problem == (
        "the hierarchy was rewired, and own genes are no longer those of their pathway"
    )
    assert sorted(caught.value.genes) == [R_OWN, "S (own genes)"]


def test_align_keeps_the_notes_of_a_hierarchy_and_says_anew_which_units_it_added():
    aligned = bm.align(build(min_genes=2, residual=True), data("abcdefgz"), min_genes=2)
    assert told(aligned.mask) == [
        *(("dropped pathway", "D"), ("left out genes", "R")),  # of the hierarchy that was given
        *(("dropped pathway", "I"), ("own genes", "A"), ("residual", "(residual)")),
    ]
    entries = aligned.report.to_frame()
    notes = entries[(entries["action"] == "note") & (entries["side"] == "pathway")]
    assert notes[["name", "detail"]].to_numpy().tolist() == [
        ["A", "own genes: 2 of 4 genes that none of its children has"],
        ["(residual)", "residual: 2 genes in no kept pathway"],
        ["max_genes", "has no say in a hierarchy"],
    ]


# ------------------------------------------------------------------------ Reactome


@pytest.fixture(scope="module")
def reactome():
    return bm.load_hierarchy("reactome")


def test_reactome_level_by_level(reactome):
    table = reactome.table
    assert table["kind"].value_counts().to_dict() == {"leaf": 1886, "inner": 795, "own genes": 269}
    assert reactome.levels["units"].tolist() == [
        *(2155, 1, 1, 3, 6, 16, 43, 110, 235, 225, 126, 29)
    ]
    assert reactome.shape == (11613, 2950)
    assert len(reactome.roots) == 31  # 29, and two pathways that the relations do not name
    assert (reactome.report["action"] == "unknown pathway").sum() == 72
    sets = bm.load_gene_sets("reactome")
    sizes = reactome.sizes()[sets.pathways]  # no gene is lost, and none was added
    pd.testing.assert_series_equal(sizes, sets.sizes(), check_dtype=False)


def test_reactome_depths_against_networkx(reactome):
    relations = bm.load_relations("reactome")
    graph = nx.DiGraph(list(zip(relations["parent"], relations["child"], strict=True)))
    depth = dict.fromkeys(graph, 1)
    for name in nx.topological_sort(graph):
        for child in graph.succ[name]:
            depth[child] = max(depth[child], depth[name] + 1)
    table = reactome.table[reactome.table["kind"] != "own genes"]
    ids = reactome.descriptions[table.index]
    # Of the pathways without a gene set one has a child with one, which so comes one step up.
    assert depth["R-HSA-9772755"] == 4
    assert "R-HSA-9917777" in set(reactome.report["subject"])
    depth["R-HSA-9772755"] = 3
    assert table["depth"].tolist() == [depth.get(name, 1) for name in ids]


def test_reactome_beside_p_net():
    """P-NET has 1,387, 1,066, 447, 147 and 26 units in its five levels, of another release.

    It repeats a branch cut short as a copy at every deeper level, so what it counts at one are the
    pathways of that depth (there by the shortest path) and all leaves above. Here every pathway is
    one unit: 2,259 of them (and 194 of own genes) instead of 3,509.
    """
    hier = bm.load_hierarchy("reactome", max_depth=5)
    table = hier.table[hier.table["kind"] != "own genes"]
    depth, leaf = table["depth"], table["kind"] == "leaf"
    assert depth.value_counts().sort_index().tolist() == [31, 174, 467, 845, 742]
    copied = [int(((depth == d) | ((depth < d) & leaf)).sum()) for d in (5, 4, 3, 2, 1)]
    assert copied == [1647, 1138, 517, 176, 31]
    assert len(table) == 2259
    assert len(hier.table) - len(table) == 194


def test_kang_alignment(reactome):
    kang = bm.load_dataset("kang")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bm.BiomaskWarning)  # they are counts
        aligned = bm.align(reactome, kang)
    assert aligned.X.shape == (2080, 5662)
    assert aligned.X.columns.equals(aligned.mask.genes)
    assert aligned.mask.levels["units"].tolist() == [864, 3, 4, 9, 30, 60, 138, 166, 97, 28]
    assert aligned.report.coverage["kept"].sum() == 1255
    assert (aligned.mask.sizes() >= 10).all()
    some = kang[:5, ::-1].copy()
    pd.testing.assert_frame_equal(aligned.match(some).X, aligned.X.iloc[:5])
