"""Acceptance, misuse: what users do by accident ends in an error or a warning that names it."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from small_problem import CALL, problem

import biomask as bm


@pytest.fixture(scope="module")
def study():
    return crossfit(*problem())


def crossfit(mask, X, y, **changes) -> bm.Study:
    return bm.crossfit(mask, X, y, **{**CALL, **changes})


def assert_same_by_name(found: bm.Study, study: bm.Study) -> None:
    order, rows = study.pathways.index, study.predictions.index
    exact = {"check_exact": True}
    pd.testing.assert_frame_equal(found.pathways.loc[order], study.pathways, **exact)
    pd.testing.assert_frame_equal(found.null[order], study.null, **exact)
    pd.testing.assert_frame_equal(found.predictions.loc[rows], study.predictions, **exact)


@pytest.mark.parametrize("seed", range(2))
def test_permuted_genes_change_nothing(seed, study):
    """Columns of X in another order: every number of every pathway is the same."""
    mask, X, y = problem()
    order = np.random.default_rng(seed).permutation(X.columns)
    assert_same_by_name(crossfit(mask, X[order], y), study)


@pytest.mark.parametrize("seed", range(2))
def test_permuted_mask_changes_nothing(seed, study):
    """Rows and columns of the mask in another order: every number by name is the same."""
    mask, X, y = problem()
    rng = np.random.default_rng(seed)
    mask = mask.select(rng.permutation(mask.genes), rng.permutation(mask.pathways))
    assert_same_by_name(crossfit(mask, X, y), study)


def test_permuted_samples_change_nothing_where_they_have_names(study):
    """Rows of X, and labels, each in an order of its own: matched by sample name."""
    mask, X, y = problem()
    rng = np.random.default_rng(0)
    X, y = X.iloc[rng.permutation(len(X))], y.iloc[rng.permutation(len(y))]
    assert_same_by_name(crossfit(mask, X, y), study)


def test_genes_without_names_are_refused_unless_they_are_the_masks():
    """An array of another width than the mask has no names to go by; one of its width has its."""
    mask, X, y = problem()
    named = crossfit(mask, X[mask.genes[::-1]].reset_index(drop=True), y.to_numpy())
    assert_same_by_name(crossfit(mask, X[mask.genes].to_numpy(), y.to_numpy()), named)
    with pytest.raises(bm.DataError, match="no names; an array needs shape") as caught:
        crossfit(mask, X.assign(more=0.0).to_numpy(), y.to_numpy())
    assert "Pass a DataFrame whose columns are gene names" in caught.value.hint


def test_counts_where_log_values_belong_are_named():
    """Raw counts: a warning that says what to do; the same, of equal totals and logged: none."""
    mask, _, y = problem()
    values = np.random.default_rng(0).poisson(4, (len(y), len(mask.genes))).astype(float)
    counts = pd.DataFrame(values, y.index, mask.genes)
    logged = np.log1p(counts.div(counts.sum(axis=1), axis=0) * 1e4)
    with pytest.warns(bm.BiomaskWarning, match=r"raw counts .* Normalise and log them"):
        crossfit(mask, counts, y.to_numpy())
    with warnings.catch_warnings():
        warnings.simplefilter("error", bm.BiomaskWarning)
        crossfit(mask, logged, y.to_numpy())


def with_hole(X, y):
    X = X.copy()
    X.iloc[3, 2] = np.nan
    return X, y


WRONG = {
    "labels from another index": (
        lambda X, y: (X, y.set_axis([f"cell{i}" for i in range(len(y))])),
        "y has no entry for 40 of 40 samples, such as 's0', 's1', 's2'",
        "matched to X by its index",
    ),
    "one label too few": (
        lambda X, y: (X, y.to_numpy()[1:]),
        "y has shape (39,), X has 40 samples",
        "one entry for each sample",
    ),
    "one sample in each class": (
        lambda X, y: (X.iloc[:2], [0, 1]),
        "classes with a single sample cannot be held out and learnt: '0 (s0)', '1 (s1)'",
        "Remove them",
    ),
    "NaN": (with_hole, "X has 1 NaN and 0 infinite values in 1 samples ('s3')", "Impute or drop"),
    "strings for numbers": (
        lambda X, y: (X.assign(g3=[f"{v:.2f}" for v in X["g3"]]), y),
        "columns of X do not hold numbers",
        "pandas.to_numeric",
    ),
    "an array of strings": (
        lambda X, y: (X.to_numpy().astype(str), y.to_numpy()),
        "X holds <U",
        "Convert them to numbers",
    ),
    "samples and genes transposed": (
        lambda X, y: (X.T, y),
        "X lacks 14 of 14 genes",
        "bm.align",
    ),
    "every gene constant": (
        lambda X, y: (X * 0 + 2.5, y),
        "every gene is the same in all 40 samples",
        "the values you meant",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_data_are_refused(name):
    """Each with what is wrong, where, and what to do."""
    change, told, hint = WRONG[name]
    mask, X, y = problem()
    with pytest.raises(bm.DataError, match=re.escape(told)) as caught:
        crossfit(mask, *change(X, y))
    assert hint in caught.value.hint
    assert caught.value.hint


def test_constant_genes_are_named():
    """Some constant genes: in the report of the alignment, each with its value."""
    mask, X, _ = problem()
    report = bm.align(mask, X.assign(g1=0.0), min_genes=1).report
    assert report.constant["name"].tolist() == ["g1"]
    assert "constant" in repr(report)


def test_classes_that_a_fold_lacks_are_named():
    """A class of two samples, both held out together, or none of it: a warning names the fold.

    Folds cannot be balanced by class: the permutation test would no longer be exact.
    """
    mask, X, y = problem()
    y = y.map(str)
    folds = crossfit(mask, X, y, permutations=0, epochs=1).predictions["fold"]
    y[folds.index[folds == 1][:2]] = "rare"
    with pytest.warns(bm.BiomaskWarning) as caught:
        study = crossfit(mask, X, y, task="multiclass", permutations=1)
    assert study.predictions["fold"].equals(folds)
    caught = [w for w in caught if w.category is bm.BiomaskWarning]
    told = [str(w.message) for w in caught]
    assert [text.split(":")[0] for text in told] == [
        "all samples of class 'rare' in fold 2 are held out",
        "no sample of class 'rare' in fold 1 is held out",
    ]
    assert all("Use fewer folds" in text for text in told)
    assert {w.filename for w in caught} == {__file__}


def test_one_sample_a_subject_is_the_same_as_no_subjects(study):
    """Groups of one sample each hold nothing together, and change no number."""
    mask, X, y = problem()
    assert_same_by_name(crossfit(mask, X, y, groups=pd.Series(X.index, X.index)), study)


def test_rows_copied_across_folds_are_named():
    """Copies, also when the copy has another name and label."""
    mask, X, y = problem()
    X = pd.concat([X, X.iloc[:2].set_axis(["a", "b"])])
    y = pd.concat([y, 1 - y.iloc[:2].set_axis(["a", "b"])])
    with pytest.warns(bm.BiomaskWarning, match="2 samples are exact copies of others"):
        crossfit(mask, X, y)
