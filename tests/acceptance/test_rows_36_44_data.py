"""Acceptance, rows 36 to 44: the structure of masks, and the data."""

from __future__ import annotations

import re
import warnings

import anndata
import dask.array
import numpy as np
import pandas as pd
import pytest
from anndata.tests.helpers import assert_equal, gen_adata
from scipy import sparse
from small_problem import CALL, problem

import biomask as bm
from biomask.inference import blocks
from biomask.masks import matrices


@pytest.fixture(scope="module")
def mask():
    return problem()[0]


@pytest.fixture
def data():
    return problem()[1:]


def crossfit(mask, X, y, **changes) -> bm.Study:
    return bm.crossfit(mask, X, y, **{**CALL, **changes})


def quiet_crossfit(mask, X, y, **changes) -> bm.Study:
    with warnings.catch_warnings():
        warnings.simplefilter("error", bm.BiomaskWarning)
        return crossfit(mask, X, y, **changes)


def as_anndata(X: pd.DataFrame, convert=np.asarray) -> anndata.AnnData:
    # Names as objects: anndata refuses to write the string type of pandas 3 by default.
    obs, var = (pd.DataFrame(index=names.astype(object)) for names in (X.index, X.columns))
    return anndata.AnnData(convert(X.to_numpy()), obs=obs, var=var)


# ------------------------------------------------------------------------ 36, 37: the mask


def test_row_36_a_set_without_genes_is_refused_or_kept_on_request(tmp_path):
    """A set without genes in a file is an error with its line, or an empty pathway if asked for."""
    path = tmp_path / "sets.gmt"
    path.write_text("A\t\tg1\tg2\nEMPTY\t\n")
    with pytest.raises(bm.ReadError, match="'EMPTY' has no genes") as caught:
        bm.read_gmt(path)
    assert caught.value.line == 2
    assert bm.read_gmt(path, on_empty="keep").sizes().to_dict() == {"A": 2, "EMPTY": 0}


@pytest.mark.parametrize(
    ("min_genes", "kept"), [(0, ["one", "three"]), (1, ["one", "three"]), (2, ["three"])]
)
def test_row_36_alignment_reports_what_it_leaves_out(min_genes, kept):
    """Empty, absent and small pathways and genes in no pathway go, each with an entry.

    Not even min_genes=0 keeps a pathway without a gene: its unit would be dead.
    """
    sets = {"empty": [], "absent": ["x"], "one": ["a"], "three": ["b", "c", "d"]}
    mask = bm.Mask.from_sets(sets, genes=[*"abcd", "x", "idle"])
    X = pd.DataFrame(np.eye(6), columns=[*"abcd", "y", "idle"]) - 0.5
    aligned = bm.align(mask, X, min_genes=min_genes)
    assert aligned.mask.pathways.tolist() == kept
    assert (aligned.mask.degrees() > 0).all()
    entries = aligned.report.to_frame()
    dropped = entries.loc[entries["action"] == "dropped", "name"].tolist()
    gone = ["a"] if min_genes == 2 else []  # in no kept pathway
    missing = ["x", "y"]  # of the data, of the mask
    assert sorted(dropped) == sorted([*sets.keys() - set(kept), "idle", *missing, *gone])


def test_row_36_genes_in_no_pathway_have_a_unit_on_request():
    """A gene in no pathway goes or, with residual=True, enters through a unit of that name."""
    sets = bm.Mask.from_sets({"P": ["a", "b"], "Q": ["a"]}, genes=["a", "b", "idle"])
    relations = pd.DataFrame({"child": ["Q"], "parent": ["P"]})
    without = bm.Hierarchy.from_sets(sets, relations)
    assert "idle" not in without.genes
    assert "idle" in set(without.report["subject"])
    kept = bm.Hierarchy.from_sets(sets, relations, residual=True)
    assert kept.flatten().to_sets()["(residual)"] == ["idle"]


def test_row_36_identical_pathways_are_merged_on_request_and_told(mask, data):
    """Pathways with the same genes stay apart unless merged, and a study says it cannot tell."""
    sets = mask.to_sets()
    twins = bm.Mask.from_sets({**sets, "twin": sets["p1"]}, genes=mask.genes)
    merged = twins.merge_identical()
    renamed = {"p1 | twin" if name == "p1" else name: genes for name, genes in sets.items()}
    assert merged.to_sets() == renamed
    assert "p1 | twin" in set(merged.report["subject"])
    table = quiet_crossfit(twins, *data, permutations=1).pathways
    same = table["not_separable"].dropna()
    assert sorted(same.index) == ["p1", "twin"]
    assert same.nunique() == 1


@pytest.mark.parametrize("kernel", ["csr", "dense", "batched"])
def test_row_36_no_gradient_is_nan_whatever_the_mask(kernel, small_mask, small_data):
    """An empty pathway, one of one gene, an idle gene: finite losses and weights after training."""
    X, y = small_data
    model = bm.build_model(small_mask, kernel=kernel, learning_rate=0.1, l2=0.01, seed=0)
    losses = model.fit(X.to_numpy(), y, epochs=3, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert all(np.isfinite(w).all() for w in model.get_weights())
    layer = model.get_layer("pathways")
    empty = list(small_mask.pathways).index("p3")
    np.testing.assert_array_equal(layer.dense_kernel()[:, empty], 0)
    # a tanh unit without genes is the same for every sample
    assert np.ptp(layer(X.to_numpy()).numpy()[:, empty]) == 0


def test_row_36_a_dead_unit_is_no_surprise(mask, data):
    """A study warns of a pathway without genes; its effect is 0 and its p 1, all else finite."""
    odd = bm.Mask.from_sets({**mask.to_sets(), "empty": [], "one": ["g3"]}, genes=mask.genes)
    with pytest.warns(bm.BiomaskWarning, match=r"1 pathways have no gene \('empty'\).*bm\.align"):
        study = crossfit(odd, *data)
    table = study.pathways
    assert table.loc["empty", ["effect", "p", "p_fwer"]].tolist() == [0, 1, 1]
    assert np.isfinite(table[["effect", "p", "p_fwer", "q"]]).all(axis=None)
    assert table.loc["one", "effect"] != 0


def test_row_37_a_dense_mask_warns():
    """A mask of ones says that it carries no knowledge."""
    with pytest.warns(bm.BiomaskWarning, match="carries no knowledge"):
        bm.Mask.from_dense(np.ones((2, 2)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bm.Mask.from_dense(np.ones((3, 1)))  # one pathway of all genes is a set, not a mistake


def test_row_37_a_mask_of_zeros_is_refused():
    """A mask without an edge is an error that says of what size it is."""
    with pytest.raises(bm.MaskError, match="no connection in a mask of 3 genes x 2 pathways"):
        bm.Mask.from_dense(np.zeros((3, 2)))


# ------------------------------------------------------------------------ 38 to 40: the values

KINDS = {
    "frame": lambda X: X,
    "dense": as_anndata,
    "csr": lambda X: as_anndata(X, sparse.csr_array),
    "csc": lambda X: as_anndata(X, sparse.csc_array),
}


@pytest.mark.parametrize("kind", KINDS)
def test_row_38_values_that_are_no_numbers_are_named(kind, mask, data):
    """NaN and infinite values, sparse ones too: an error with genes, samples and counts."""
    X, y = data
    X = X.astype(np.float64)
    X.loc["s1", "g3"], X.loc["s2", "g3"], X.loc["s2", "g7"] = np.nan, np.inf, 1e300  # not float32
    before = X.copy()
    calls = [lambda X: bm.align(mask, X, min_genes=1), lambda X: crossfit(mask, X, y)]
    for call in calls:
        with pytest.raises(bm.DataError, match="1 NaN and 2 infinite values") as caught:
            call(KINDS[kind](X))
        assert caught.value.genes == ["g3", "g7"]
        assert "in 2 samples ('s1', 's2') and 2 genes" in str(caught.value)
    pd.testing.assert_frame_equal(X, before)


def test_row_39_constant_genes_are_kept_and_reported(mask, data):
    """A gene that is the same in every sample keeps its edges and has an entry with its value."""
    X = data[0].assign(g2=0.0, g9=3.5)
    aligned = bm.align(mask, X, min_genes=1)
    assert aligned.mask.n_edges == mask.n_edges
    assert aligned.report.constant[["name", "detail"]].values.tolist() == [
        ["g2", "0 in every sample"],
        ["g9", "3.5 in every sample"],
    ]
    assert len(bm.align(mask, X.iloc[:1], min_genes=1).report.constant) == 0  # says nothing


def test_row_39_the_scaler_makes_no_nan_of_a_constant_gene(mask, data):
    """A constant gene adds exactly nothing, whatever its value: 0 and a million give one study."""
    X, y = data
    studies = [quiet_crossfit(mask, X.assign(g4=value), y) for value in (0.0, 1e6)]
    assert np.isfinite(studies[0].pathways["effect"]).all()
    pd.testing.assert_frame_equal(studies[0].pathways, studies[1].pathways, check_exact=True)
    pd.testing.assert_frame_equal(studies[0].null, studies[1].null, check_exact=True)


def test_row_39_a_gene_that_varies_in_one_sample_alone_does_not_move_it(mask, data):
    """The networks that have s5 held out saw a constant g4: what s5 has there changes nothing."""
    X, y = data
    studies = []
    for value in (0.0, 9999.0):
        X = X.assign(g4=0.0)
        X.loc["s5", "g4"] = value
        studies.append(quiet_crossfit(mask, X, y))
    first, other = (study.predictions["prediction"] for study in studies)
    assert first["s5"] == other["s5"]
    assert (first != other).any()  # others, whose networks did see it


COUNTS = np.random.default_rng(1).poisson(3, (30, 200)).astype(float)
NORMALISED = COUNTS / COUNTS.sum(axis=1, keepdims=True) * 1e4
STATES = {
    "counts": (COUNTS, "raw counts", True),
    "not logged": (NORMALISED, "normalised to equal totals, not logged", True),
    "logged": (np.log1p(NORMALISED), "normalised and log1p", False),
    "logged twice": (np.log1p(np.log1p(NORMALISED)), "log1p applied twice", True),
    "logged, unequal totals": (np.log1p(COUNTS * 2.5), "logged", False),
    "negative": (COUNTS - COUNTS.mean(axis=0), "centred or scaled", False),
    "large": (COUNTS * 12.3, "not logged", True),
    "mutations": (np.minimum(COUNTS, 2), "small whole numbers", False),
    "shares": (COUNTS / COUNTS.max(), "on a unit scale", False),
    "small": (np.log1p(np.log1p(COUNTS * 99)), "logged, perhaps twice", False),
}


@pytest.mark.parametrize("name", STATES)
def test_row_40_the_state_of_the_values_is_named(name):
    """Counts, logged twice, negative, ...: named in the report, and what is unfit is warned of.

    There is no normalize=: totals need all genes, and the mask has only some of them.
    """
    values, state, warned = STATES[name]
    genes = [f"KRT{i}" for i in range(200)]
    mask = bm.Mask.from_sets({"P": genes[:50]})
    data = pd.DataFrame(values, columns=genes)
    before = data.copy()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        aligned = bm.align(mask, data)
    report = aligned.report
    assert report.state.startswith(state)
    assert f"values: {report.state}" in repr(report)
    assert [str(w.message).count(state) for w in caught] == [1] * warned
    if warned:
        assert caught[0].filename == __file__
    np.testing.assert_array_equal(aligned.X, before[genes[:50]].astype(np.float32))  # as they were
    pd.testing.assert_frame_equal(data, before)


def test_row_40_a_study_of_counts_warns_unless_alignment_has(mask, data):
    """Counts given to crossfit without bm.align are named too; after it, not a second time."""
    y = data[1]
    X = pd.DataFrame(COUNTS[:, :14], columns=mask.genes).iloc[:20]
    y = y.iloc[:20].to_numpy()
    with pytest.warns(bm.BiomaskWarning, match="raw counts .* Normalise and log them") as caught:
        crossfit(mask, X, y, permutations=1)
    assert [w.filename for w in caught if w.category is bm.BiomaskWarning] == [__file__]
    with pytest.warns(bm.BiomaskWarning, match="raw counts"):
        aligned = bm.align(mask, X, min_genes=1)
    quiet_crossfit(mask, aligned, y, permutations=1)


def test_row_40_raw_is_never_used_and_layers_only_by_name(mask, data):
    """The values are .X, or the layer that was named; .raw is never used, and that is said."""
    X = data[0].astype(np.float64)
    ann = as_anndata(X)
    ann.layers["other"] = X.to_numpy() + 1
    ann.raw = ann.copy()
    ann.X = X.to_numpy() * 1.1
    aligned = bm.align(mask, ann, min_genes=1)
    np.testing.assert_allclose(aligned.X, X[aligned.mask.genes] * 1.1, rtol=1e-6)
    notes = aligned.report.to_frame()
    assert notes[notes["name"] == ".raw"]["detail"].tolist() == ["not used; the values are .X"]
    other = bm.align(mask, ann, min_genes=1, layer="other")
    np.testing.assert_allclose(other.X, X[aligned.mask.genes] + 1, rtol=1e-6, atol=1e-6)
    with pytest.raises(bm.DataError, match=r"no layer 'counts'.*'other'"):
        bm.align(mask, ann, layer="counts")


# ------------------------------------------------------------------------ 41, 42: labels, leaks

LABELS = {
    "one class": (lambda y: y * 0, "y has 1 classes ('0'), task='binary' needs exactly 2"),
    "a class of one sample": (
        lambda y: y.where(y.index != "s7", 2),
        "classes with a single sample cannot be held out and learnt: '2 (s7)'",
    ),
    "missing": (lambda y: y.where(y.index != "s7"), "y is missing for 1 samples, such as 's7'"),
    "another index": (
        lambda y: y.rename({"s3": "t3"}),
        "y has no entry for 1 of 40 samples, such as 's3'",
    ),
    "too short": (lambda y: y.to_numpy()[1:], "y has shape (39,), X has 40 samples"),
}


@pytest.mark.parametrize("name", LABELS)
def test_row_41_labels_that_cannot_be_used_are_named(name, mask, data):
    """One class, a class of one sample, a hole, another index: an error with class and sample."""
    change, told = LABELS[name]
    task = "multiclass" if name == "a class of one sample" else "binary"
    with pytest.raises(bm.DataError, match=re.escape(told)):
        crossfit(mask, data[0], change(data[1]), task=task)


def test_row_41_labels_are_aligned_by_their_index(mask, data):
    """Labels in another order are the same labels, because they are matched by sample name."""
    X, y = data
    study, other = quiet_crossfit(mask, X, y), quiet_crossfit(mask, X, y[::-1])
    pd.testing.assert_frame_equal(study.pathways, other.pathways, check_exact=True)
    assert study.predictions["y"].tolist() == y.tolist()


def test_row_42_a_label_among_the_genes_warns(mask, data):
    """A gene that follows the label exactly is named."""
    X, y = data
    with pytest.warns(bm.BiomaskWarning, match="labels are among the genes: 'g5' follow y"):
        crossfit(mask, X.assign(g5=7.0 - 2 * y), y)


def test_row_42_copies_across_folds_warn_unless_a_group_holds_them(mask, data):
    """Equal rows are named, unless groups keep them in one fold."""
    X, y = data
    X = X.copy()
    X.loc["s9"] = X.loc["s2"]
    with pytest.warns(bm.BiomaskWarning, match=r"1 samples are exact copies .*\('s9 = s2'\)"):
        crossfit(mask, X, y)
    y = y.copy()
    y["s9"] = y["s2"]
    groups = pd.Series(X.index, X.index).replace("s9", "s2")
    study = quiet_crossfit(mask, X, y, groups=groups)
    assert study.predictions.loc["s9", "fold"] == study.predictions.loc["s2", "fold"]


def test_row_42_donors_are_never_parted(mask, data):
    """All samples of a donor are held out in one fold."""
    X = data[0]
    donors = pd.Series([f"d{i % 10}" for i in range(40)], X.index)
    label = (donors.str[1].astype(int) % 2).rename("y")
    folds = quiet_crossfit(mask, X, label, groups=donors).predictions["fold"]
    assert folds.groupby(donors).nunique().tolist() == [1] * 10
    assert folds.nunique() == 2


@pytest.mark.parametrize("least", [50, 1])
def test_row_42_held_out_rows_reach_no_scaler_no_fit_and_no_early_stopping(
    least, mask, data, tmp_path, monkeypatch
):
    """Whatever is done to the held-out rows of a fold, its networks keep every bit.

    With 20 training samples none are watched for early stopping; where one is enough, 3 are.
    """
    monkeypatch.setattr(blocks, "MIN_WATCHED", least)
    X, y = data
    study = quiet_crossfit(mask, X, y, checkpoint=tmp_path / "a", epochs=10)
    assert study.settings["watched"] == (0.15 if least == 1 else 0)
    held = study.predictions.index[study.predictions["fold"] == 0]
    wild = X.copy()
    wild.loc[held] = wild.loc[held] * -50 + 1000
    crossfit(mask, wild, y, checkpoint=tmp_path / "b", epochs=10)
    for fold, same in ((0, True), (1, False)):
        name = f"fold{fold:02d}_labels00000_units.zip"
        a, b = (blocks.read_arrays(tmp_path / part / name)["edges"] for part in "ab")
        assert np.array_equal(a, b) == same


# ------------------------------------------------------------------------ 43, 44: sizes, kinds

SIZES = {
    "no sample": (0, "binary", "X has no sample"),
    "one sample": (1, "binary", "y has 1 classes"),
    "as many classes as samples": (3, "multiclass", "classes with a single sample"),
    "fewer samples than folds": (4, "binary", "folds must be between 2 and the number of samples"),
}


@pytest.mark.parametrize("name", SIZES)
def test_row_43_too_few_samples_are_an_error_that_says_so(name, mask, data):
    """No sample, one, as many as classes, fewer than folds; a study is no scikit-learn estimator,
    so that scikit-learn's own checks do not apply."""
    n, task, told = SIZES[name]
    y = np.array([0, 0, 1, 1] if task == "binary" else [0, 1, 2])[:n]
    with pytest.raises(bm.BiomaskError, match=told):
        crossfit(mask, data[0].iloc[:n], y, task=task, folds=5)


def test_row_43_one_gene_is_enough(data):
    """One gene in one pathway makes a study like any other."""
    X, y = data
    study = quiet_crossfit(bm.Mask.from_sets({"p": ["g3"]}), X, y)
    assert np.isfinite(study.pathways[["effect", "p", "p_fwer", "q"]]).all(axis=None)


MATRICES = {
    "frame": lambda X, path: X,
    "float16": lambda X, path: X.astype(np.float16),
    "int": lambda X, path: X.astype(int),
    "array": lambda X, path: X.iloc[:, 2:].to_numpy(),
    "coo": lambda X, path: sparse.coo_array(X.iloc[:, 2:].to_numpy()),
    "anndata": lambda X, path: as_anndata(X),
    "anndata, fortran order": lambda X, path: as_anndata(X, np.asfortranarray),
    "anndata, float16": lambda X, path: as_anndata(X, np.float16),
    "anndata, csr": lambda X, path: as_anndata(X, sparse.csr_array),
    "anndata, csc": lambda X, path: as_anndata(X, sparse.csc_matrix),
    "anndata, int csr": lambda X, path: as_anndata(X, lambda v: sparse.csr_matrix(v.astype(int))),
    "anndata, view": lambda X, path: as_anndata(pd.concat([X, X[::-1]]))[: len(X)],
    "anndata, dask": lambda X, path: as_anndata(X, lambda v: dask.array.from_array(v, (2, 3))),
    "anndata, backed": lambda X, path: backed(X, path),
}


def backed(X: pd.DataFrame, path) -> anndata.AnnData:
    as_anndata(X).write_h5ad(path / "x.h5ad")
    return anndata.read_h5ad(path / "x.h5ad", backed="r")


@pytest.fixture(scope="module")
def model(mask):
    return bm.build_model(mask, seed=0)


@pytest.mark.parametrize("kind", MATRICES)
@pytest.mark.filterwarnings("ignore:Observation names are not unique")
def test_row_44_every_kind_of_matrix_gives_the_same(kind, mask, model, tmp_path, monkeypatch):
    """Views, backed, dask, float16 to 64, int, csr, csc, coo: one result; the input as it was."""
    monkeypatch.setattr(matrices, "_ROWS", 4)  # what is not in memory comes in two pieces
    values = np.random.default_rng(3).integers(-9, 9, (6, 16)) * 1.0  # whole: float16 holds them
    names = ["other", "another", *mask.genes]
    X = pd.DataFrame(values, [f"s{i}" for i in range(6)], names)
    layer = model.get_layer("pathways")
    expected = np.tanh(values[:, 2:] @ layer.dense_kernel())
    given = MATRICES[kind](X, tmp_path)
    before = given.to_memory() if kind == "anndata, backed" else given.copy()
    found = bm.pathway_activity(model, given)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    if isinstance(given, anndata.AnnData):
        assert given.is_view == (kind == "anndata, view")  # what writes to a view makes it a copy
        assert given.X.dtype == before.X.dtype  # which assert_equal does not look at
        assert_equal(given.to_memory(), before.to_memory(), exact=True)
        assert found.index.tolist() == list(given.obs_names)
    else:
        given, before = (x.toarray() if sparse.issparse(x) else x for x in (given, before))
        assert_equal(given, before, exact=True)


@pytest.mark.filterwarnings("ignore::biomask.BiomaskWarning")
@pytest.mark.parametrize("fmt", ["csr", "csc"])
def test_row_44_generated_anndata_is_never_changed(fmt):
    """AnnData's own generator of test data, whole and as a view, is the same afterwards."""
    data = gen_adata((20, 12), sparse_fmt=fmt, random_state=np.random.default_rng(0))
    before = data.copy()
    mask = bm.Mask.from_sets({"P": ["gene7", "gene1"], "Q": ["gene3"]})
    for source in (data, data[3:9]):
        aligned = bm.align(mask, source, min_genes=1, min_overlap=0)
        expected = source.to_df()[["gene7", "gene1", "gene3"]].astype(np.float32)
        np.testing.assert_allclose(aligned.X, expected, atol=1e-6)
    assert_equal(data, before, exact=True)
