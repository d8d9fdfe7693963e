"""Long tables; rows 17 and 22 are in acceptance/."""

import gzip
import warnings

import numpy as np
import pandas as pd
import pytest

import biomask as bm
from biomask.errors import ArgumentError, ReadError

CLEAN = "gene,pathway\nTP53,P1\nATM,P1\nTP53,P2\n"
SETS = {"P1": ["TP53", "ATM"], "P2": ["TP53"]}


def read(tmp_path, content, **options):
    path = tmp_path / "edges.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return bm.read_edges(path, **options)


def refused(tmp_path, content, **options) -> ReadError:
    with pytest.raises(ReadError) as caught:
        read(tmp_path, content, **options)
    assert caught.value.file == str(tmp_path / "edges.csv")
    assert all(problem.hint for problem in caught.value.problems)
    return caught.value


@pytest.mark.parametrize(
    "content",
    [
        CLEAN,
        CLEAN.replace(",", "\t"),
        CLEAN.replace("\n", "\r\n"),
        CLEAN.replace("gene,pathway", "target,source"),
        CLEAN.replace("gene,pathway", " Gene ,PATHWAY"),
        "source,target\nP1,TP53\nP1,ATM\nP2,TP53\n",
        "weight,source,target\n1,P1,TP53\n1.0,P1,ATM\n1,P2,TP53\n",
        gzip.compress(CLEAN.encode()),
    ],
    ids=["csv", "tsv", "crlf", "target-source", "case", "decoupler", "weight", "gzip"],
)
def test_the_column_names_decide_the_direction(tmp_path, content):
    mask = read(tmp_path, content)
    assert mask.to_sets() == SETS
    assert mask.genes.tolist() == ["TP53", "ATM"]
    assert mask.report.empty


def test_gene_and_pathway_win_and_the_rest_is_noted(tmp_path):
    mask = read(tmp_path, "source,gene,pathway,target\nx,TP53,P1,y\n")
    assert mask.to_sets() == {"P1": ["TP53"]}
    assert mask.report[["action", "subject"]].to_numpy().tolist() == [
        ["ignored column", "source"],
        ["ignored column", "target"],
    ]


def test_frames_read_the_same_as_files(tmp_path):
    frame = pd.DataFrame({"source": ["P1", "P1", "P2"], "target": ["TP53", "ATM", "TP53"]})
    before = frame.copy()
    assert bm.read_edges(frame) == read(tmp_path, CLEAN)
    pd.testing.assert_frame_equal(frame, before)
    categories = frame.astype("category").set_index(pd.Index([5, 5, 5]))
    assert bm.read_edges(categories) == read(tmp_path, CLEAN)


def test_what_a_mask_gives_is_read_back():
    mask = bm.Mask.from_dense(np.array([[0.5, -1], [0, 2]]), weighted=True)
    back = bm.read_edges(mask.to_edges())
    assert back == mask
    assert back.to_dense().to_numpy().tolist() == [[0.5, -1], [0, 2]]


def test_names_of_a_frame_that_are_no_names_are_all_reported():
    frame = pd.DataFrame({"gene": [7157.0, np.nan, None, True, " ", "ok"], "pathway": ["P"] * 6})
    with pytest.raises(ReadError) as caught:
        bm.read_edges(frame.astype({"gene": object}))
    assert [p.line for p in caught.value.problems] == [1, 2, 3, 4, 5]
    assert caught.value.code == "E-NAME"
    assert "dtype=str, keep_default_na=False" in caught.value.hint


def test_self_loops_are_an_error_or_kept(tmp_path):
    with pytest.raises(ArgumentError, match="received 'drop'"):
        read(tmp_path, CLEAN, on_self_loop="drop")


def test_a_column_twice(tmp_path):
    error = refused(tmp_path, "gene,pathway,gene\nTP53,P1,x\n")
    assert (error.code, error.column) == ("E-COLUMN", "gene")


def test_weights(tmp_path):
    content = "gene,pathway,weight\nA,P,0.5\nB,P,0\nA,Q,-2\n"
    mask = read(tmp_path, content)
    assert mask.to_dense().to_numpy().tolist() == [[0.5, -2], [0, 0]]
    assert mask.report.to_numpy().tolist() == [["skipped edge", "B -> P", "its weight is 0", 3]]
    mask = read(tmp_path, content, weighted=False)
    assert mask.to_dense().to_numpy().tolist() == [[1, 1], [1, 0]]
    assert mask.report.iloc[:, :3].to_numpy().tolist() == [
        ["ignored column", "weight", "weighted=False"]
    ]


@pytest.mark.parametrize("weight", ["", "nan", "x", "inf", "1_0"])
def test_weights_that_are_no_numbers(tmp_path, weight):
    content = f"gene,pathway,weight\nA,P,1\nB,P,{weight}\n"
    error = refused(tmp_path, content)
    assert (error.code, error.line) == ("E-WEIGHT", 3)
    assert f"the weight is {weight!r}" in str(error)
    assert read(tmp_path, content, weighted=False).n_edges == 2


def test_all_problems_are_reported_together(tmp_path):
    error = refused(tmp_path, "gene,pathway\nA\nB,P\n,P\nP,P\nC,P,x\n")
    found = [(p.code, p.line) for p in error.problems]
    assert found == [("E-RAGGED", 2), ("E-NAME", 4), ("E-SELF-LOOP", 5), ("E-RAGGED", 6)]


def test_empty_lines_are_counted_and_an_empty_table_is_refused(tmp_path):
    mask = read(tmp_path, CLEAN.replace("ATM", "\nATM"))
    assert mask.report.to_numpy().tolist() == [["skipped empty lines", "file", "1 lines", 3]]
    for content in ("gene,pathway\n", ",,\n,,\n"):
        assert refused(tmp_path, content).code == "E-EMPTY"
    with pytest.raises(ReadError, match="no rows"):
        bm.read_edges(pd.DataFrame({"gene": [], "pathway": []}))


# ------------------------------------------------------------------------ everything that is told


def told(error):
    return [(p.code, p.line, p.column, p.genes, p.problem) for p in error.problems]


def test_every_problem_says_what_is_wrong_and_where(tmp_path):
    content = (
        "gene,pathway,weight\nA,P,1\nB,P\nQ,Q,1\n,P,x\nA,P,2.5\nA, ,1\nA,P,1,1\nA,P,3\n , ,1\n"
    )
    assert told(refused(tmp_path, content)) == [
        ("E-RAGGED", 3, None, [], "2 fields, expected 3 as in the header"),
        ("E-SELF-LOOP", 4, None, ["Q"], "gene and pathway are both 'Q'"),
        ("E-NAME", 5, None, [], "the gene is '', not a name"),
        ("E-WEIGHT", 5, None, [], "the weight is 'x', not a finite number"),
        ("E-DUPLICATE", 6, None, ["A"], "edge A -> P has weight 2.5 here and 1 on line 2"),
        ("E-NAME", 7, None, [], "the pathway is ' ', not a name"),
        ("E-RAGGED", 8, None, [], "4 fields, expected 3 as in the header"),
        ("E-DUPLICATE", 9, None, ["A"], "edge A -> P has weight 3 here and 1 on line 2"),
        ("E-NAME", 10, None, [], "the gene is ' ', not a name"),
        ("E-NAME", 10, None, [], "the pathway is ' ', not a name"),
    ]


def test_a_row_of_a_frame_with_three_faults_is_told_three_times():
    frame = pd.DataFrame([["A", "P", 1], [np.True_, None, None]], columns=list("abc"), dtype=object)
    with pytest.raises(ReadError) as caught:
        bm.read_edges(frame.set_axis(["gene", "pathway", "weight"], axis=1))
    assert told(caught.value) == [
        ("E-NAME", 2, None, [], f"the gene is {np.True_!r}, not a name"),
        ("E-NAME", 2, None, [], "the pathway is None, not a name"),
        ("E-WEIGHT", 2, None, [], "the weight is None, not a finite number"),
    ]
    assert {problem.file for problem in caught.value.problems} == {"DataFrame"}


def test_wrong_columns_are_named_with_their_line(tmp_path):
    for header, name, times in [
        ("gene,pathway,Gene", "gene", 2),
        ("pathway,gene,pathway,Pathway", "pathway", 3),
        ("source,target,weight,Weight", "weight", 2),
    ]:
        problem = f"column {name!r} occurs {times} times"
        error = refused(tmp_path, f"\n{header}\n" + "A," * header.count(",") + "B\n")
        assert told(error) == [("E-COLUMN", 2, name, [], problem)]
    for columns in (["gene", "source"], ["pathway", "target"], ["Gene", "source"]):
        with pytest.raises(ReadError) as caught:
            bm.read_edges(pd.DataFrame([["A", "P"]], columns=columns))
        problem = f"the columns must be gene and pathway, or source and target; found {columns}"
        assert told(caught.value) == [("E-COLUMN", None, None, [], problem)]
        assert caught.value.file == "DataFrame"


def test_other_columns_may_occur_twice(tmp_path):
    mask = read(tmp_path, "x,gene,x,pathway,gene id\n1,A,2,P,3\n1,A,2,Q,3\n")
    assert mask.to_sets() == {"P": ["A"], "Q": ["A"]}
    assert mask.report.iloc[:, :3].to_numpy().tolist() == [
        ["ignored column", name, "not gene, pathway or weight"] for name in ("x", "x", "gene id")
    ]


def test_the_report_has_columns_then_lines_then_edges(tmp_path):
    content = "gene,pathway,weight,x\nA,P,0,\n\nA,P,0,\nB,P,2,\n"
    assert read(tmp_path, content).report.fillna(-1).to_numpy().tolist() == [
        ["ignored column", "x", "not gene, pathway or weight", -1],
        ["skipped empty lines", "file", "1 lines", 3],
        ["skipped edge", "A -> P", "its weight is 0", 2],
        ["kept once", "A -> P", "also on line 2", 4],
    ]


def test_without_weights_a_repeat_is_a_repeat_whatever_its_weight(tmp_path):
    mask = read(tmp_path, "gene,pathway,weight\nA,P,2\nA,P,nonsense\nA,Q,0\n", weighted=False)
    assert mask.to_dense().to_numpy().tolist() == [[1, 1]]
    assert not mask.weighted
    assert mask.report.fillna(-1).to_numpy().tolist() == [
        ["ignored column", "weight", "weighted=False", -1],
        ["kept once", "A -> P", "also on line 2", 3],
    ]


def test_numbers_of_a_frame_are_names_and_weights():
    frame = pd.DataFrame({"gene": [7157, 472], "pathway": ["P", "P"], "weight": [0.5, -3]})
    mask = bm.read_edges(frame)
    assert mask.genes.tolist() == ["7157", "472"]
    assert mask.edge_values.tolist() == [0.5, -3]
    assert bm.read_edges(frame.drop(columns="weight")).edge_values.tolist() == [1, 1]


def test_edges_that_make_no_mask_are_refused_with_the_file(tmp_path):
    error = refused(tmp_path, "gene,pathway,weight\nA,P,0\nB,Q,0\n")
    problem = "no connection in a mask of 2 genes x 2 pathways"
    assert told(error) == [("E-MASK-EMPTY", None, None, [], problem)]
    error = refused(tmp_path, "gene,pathway\n")
    assert told(error) == [("E-EMPTY", None, None, [], "the table has a header and no rows")]


def test_edges_in_another_encoding(tmp_path):
    mask = read(tmp_path, "gene,pathway\nA,Größe\n".encode("latin-1"), encoding="latin-1")
    assert mask.to_sets() == {"Größe": ["A"]}


def test_what_to_do_with_self_loops_is_one_of_two(tmp_path):
    with pytest.raises(ArgumentError) as caught:
        read(tmp_path, CLEAN, on_self_loop=True)
    assert caught.value.problem == "on_self_loop must be 'error' or 'keep', received True"
    assert caught.value.code == "E-ARGUMENT"


# ------------------------------------------------------------------------ signs

NETWORK = {"source": ["MYC", "MYC", "TP53", "TP53"], "target": ["A", "B", "A", "C"]}
SIGNS = [1, -1, -1, 1]
OTHERS = {  # columns beside source and target -> weights of the edges
    "weight": ({"weight": SIGNS}, SIGNS),
    "mor": ({"mor": SIGNS}, SIGNS),
    "case": ({" MOR ": SIGNS}, SIGNS),
    "dorothea": ({"confidence": list("ABCD"), "mor": SIGNS}, SIGNS),
    "likelihood": ({"mor": SIGNS, "likelihood": [1, 0.5, 0.5, 1]}, SIGNS),
    "collectri": ({"weight": SIGNS, "PMID": list("1234"), "sign_decision": ["PMID"] * 4}, SIGNS),
    "progeny": ({"weight": [2.5, -3, -1, 4], "padj": [0.1, 0.2, 0, 1]}, [2.5, -3, -1, 4]),
    "sign": ({"Sign": list("+--+")}, SIGNS),
    "effect": ({"effect": ["activation", "inhibition", "Repression", "Activation"]}, SIGNS),
    "signor": ({"EFFECT": ["up-regulates", "down-regulates quantity by repression"] * 2}, None),
    "arrows": ({"effect": ["-->", "--|", "--|", "-->"]}, SIGNS),
    "up and down": ({"mode of regulation": ["up", "down", "Down", "UP"]}, SIGNS),
    "weight and mor": ({"mor": SIGNS, "weight": [2, -0.5, -1, 1]}, [2, -0.5, -1, 1]),
    "no sign": ({"score": [2, 3, 0.5, 1], "curated": [True, False] * 2}, [1, 1, 1, 1]),
    "asked": ({"mor": SIGNS}, [1, 1, 1, 1]),
}
LOST = {
    "unknown": {"mor": ["Activation", "Repression", "Repression", "Unknown"]},
    "missing": {"mor": [1, -1, None, 1]},
    "zero": {"sign": [1, -1, 0, 1]},
    "another name": {"interaction": ["activation", "inhibition", "inhibition", "activation"]},
    "numbers": {"score": [2.5, -1, -3, 1]},
    "omnipath": {"is_stimulation": [True, False, False, True], "is_inhibition": [0, 1, 1, 0]},
    "text of booleans": {"consensus_inhibition": ["False", "True", "True", "False"]},
    "weight says otherwise": {"weight": [1, 0.5, 1, 1], "mor": SIGNS},
}


def network(tmp_path, columns, as_file):
    frame = pd.DataFrame(NETWORK | columns)
    if as_file:
        frame.to_csv(tmp_path / "network.tsv", sep="\t", index=False)
        return tmp_path / "network.tsv"
    return frame


@pytest.mark.parametrize("as_file", [False, True])
@pytest.mark.parametrize("kind", OTHERS)
def test_signs_are_the_weights_of_the_edges(tmp_path, kind, as_file):
    columns, wanted = OTHERS[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mask = bm.read_edges(network(tmp_path, columns, as_file), weighted=kind != "asked")
    edges = mask.to_edges().set_index(["pathway", "gene"])["weight"]
    found = edges[list(zip(*NETWORK.values(), strict=True))].tolist()
    assert found == (wanted or [1, -1, 1, -1])


@pytest.mark.parametrize("as_file", [False, True])
@pytest.mark.parametrize("kind", LOST)
def test_signs_that_are_lost_are_warned_of_and_noted(tmp_path, kind, as_file):
    name = list(LOST[kind])[-1]
    with pytest.warns(bm.BiomaskWarning, match=f"column '{name}'"):
        mask = bm.read_edges(network(tmp_path, LOST[kind], as_file))
    assert (mask.edge_values > 0).all()
    notes = mask.report.set_index("subject")["detail"]
    assert "sign" in notes[name]


def test_a_table_of_tf_and_target_without_a_header_needs_one(tmp_path):
    trrust = "AATF\tBAX\tRepression\t22909821\nAATF\tCDKN1A\tUnknown\t17157788\n"
    assert refused(tmp_path, trrust).code == "E-COLUMN"
    mask = read(tmp_path, "TF\ttarget\teffect\tpmid\n" + trrust.splitlines()[0] + "\n")
    assert mask.to_edges().to_numpy().tolist() == [["BAX", "AATF", -1]]


def test_signs_of_a_network_are_those_of_a_signed_layer():
    layer = bm.MaskedDense(bm.read_edges(pd.DataFrame(NETWORK | {"mor": SIGNS})), signed=True)
    layer.build((None, 3))
    kernel = pd.DataFrame(layer.dense_kernel(), layer.mask.genes, layer.mask.pathways)
    found = [kernel.loc[gene, tf] for tf, gene in zip(*NETWORK.values(), strict=True)]
    assert np.sign(found).tolist() == SIGNS
