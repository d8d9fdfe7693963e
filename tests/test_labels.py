"""Samples and labels: matched by name, checked, numbered."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pandas as pd
import pytest
from disk_case import on_disk

import biomask as bm
from biomask.errors import ArgumentError, BiomaskWarning, DataError
from biomask.inference.labels import matched_values, read_samples
from biomask.inference.notices import warn_of_classes
from biomask.masks import backed

NAMES = ["s3", "s1", "s2", "s0", "s4", "s5"]


@pytest.fixture(scope="module")
def mask():
    return bm.Mask.from_sets({"a": ["g0", "g1"], "b": ["g1", "g2"]})


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.normal(size=(6, 3)), index=NAMES, columns=["g0", "g1", "g2"])


def series(values, index=NAMES):
    return pd.Series(values, index=index)


# ---------------------------------------------------------------------------- matching


def test_labels_are_matched_by_index_and_samples_are_sorted_by_name(mask, data):
    y = series(list("aabbab"))
    shuffled = y.iloc[[4, 2, 0, 5, 1, 3]]
    groups = pd.DataFrame({"subject": series(list("xyzxyz")).iloc[::-1]})
    strata = series(list("yxxyyx")).iloc[::-1]
    found = read_samples(mask, data, shuffled, "binary", groups=groups, strata=strata)
    assert found.X.index.tolist() == ["s0", "s1", "s2", "s3", "s4", "s5"]
    assert found.given.tolist() == NAMES
    assert found.y.tolist() == ["b", "a", "b", "a", "a", "b"]  # s0 has the b at position 3
    assert found.numbers.tolist() == [1, 0, 1, 0, 0, 1]
    assert found.groups.tolist() == [0, 1, 2, 0, 1, 2]
    assert found.strata.tolist() == [1, 0, 0, 1, 1, 0]  # in the order of their names
    assert np.array_equal(found.X.loc["s3"], data.loc["s3"].astype(np.float32))


def test_rows_in_another_order_are_the_same_samples(mask, data):
    y = series(list("aabbab"))
    other = [5, 0, 3, 1, 4, 2]
    a = read_samples(mask, data, y, "binary", strata=y)
    b = read_samples(mask, data.iloc[other, [2, 0, 1]], y, "binary", strata=y)
    pd.testing.assert_frame_equal(a.X, b.X)
    assert a.numbers.tolist() == b.numbers.tolist()
    assert a.strata.tolist() == b.strata.tolist()
    assert b.given.tolist() == [NAMES[i] for i in other]


def test_an_array_of_labels_is_in_the_order_of_x(mask, data):
    values = [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    for y in (values, np.array(values), pd.Index(values)):
        found = read_samples(mask, data, y, "regression")
        assert found.y.to_dict() == dict(zip(NAMES, values, strict=True))
        assert matched_values(y, data.index, "y").to_dict() == found.y.to_dict()


def test_integer_sample_names_stay_integers_and_are_sorted_as_numbers(mask, data):
    data = data.set_axis([10, 9, 2, 1, 30, 4])
    found = read_samples(mask, data, [0, 0, 0, 1, 1, 1], "binary")
    assert found.X.index.tolist() == [1, 2, 4, 9, 10, 30]
    assert found.numbers.tolist() == [1, 0, 1, 0, 0, 1]


def test_data_and_labels_are_left_as_they_were(mask, data):
    y = series(list("aabbab"))
    before = data.copy(), y.copy()
    read_samples(mask, data, y, "binary")
    pd.testing.assert_frame_equal(data, before[0])
    pd.testing.assert_series_equal(y, before[1])


# ---------------------------------------------------------------------------- numbering


@pytest.mark.parametrize(
    ("values", "numbers", "classes", "kind"),
    [
        (["t", "t", "c", "c", "t", "c"], [1, 1, 0, 0, 1, 0], ["c", "t"], object),
        ([True, False, True, False, True, False], [1, 0, 1, 0, 1, 0], [False, True], bool),
        ([2, 1, 2, 1, 1, 2], [1, 0, 1, 0, 0, 1], [1, 2], np.int64),
        ([0.0, 1.0, 1.0, 0.0, 1.0, 0.0], [0, 1, 1, 0, 1, 0], [0, 1], np.int64),
        ([2.5, 10.0, 10.0, 2.5, 10.0, 2.5], [0, 1, 1, 0, 1, 0], [2.5, 10.0], np.float64),
        (np.float32([0.1, 0.7] * 3), [0, 1, 0, 1, 0, 1], [0.1, 0.7], np.float64),
        (
            pd.Categorical(["t", "c"] * 3, categories=["t", "c"]),
            [0, 1, 0, 1, 0, 1],
            ["t", "c"],
            object,
        ),
        (pd.Categorical([2, 1] * 3), [1, 0, 1, 0, 1, 0], [1, 2], np.int64),
        (pd.array([1, 2] * 3, dtype="Int64"), [0, 1, 0, 1, 0, 1], [1, 2], np.int64),
    ],
)
def test_two_classes_are_numbered_in_sorted_order(mask, data, values, numbers, classes, kind):
    found = read_samples(mask, data, series(values), "binary")
    by_name = pd.Series(found.numbers, index=found.X.index)
    assert by_name[NAMES].tolist() == numbers
    assert found.classes == classes
    assert found.numbers.dtype == np.float32
    assert found.y.dtype == kind
    assert found.y[NAMES].tolist() == [classes[number] for number in numbers]


def test_several_classes(mask, data):
    found = read_samples(mask, data, series(list("bacbac")), "multiclass")
    assert found.classes == ["a", "b", "c"]
    assert pd.Series(found.numbers, found.X.index)[NAMES].tolist() == [1, 0, 2, 1, 0, 2]


def test_values_get_mean_0_and_deviation_1(mask, data):
    found = read_samples(mask, data, series([1, 2, 3, 4, 5, 9]), "regression")
    deviation = np.sqrt(np.mean((np.array([1, 2, 3, 4, 5, 9]) - 4) ** 2))  # 2.582
    expected = {"s3": -3, "s1": -2, "s2": -1, "s0": 0, "s4": 1, "s5": 5}
    for name, number in zip(found.X.index, found.numbers, strict=True):
        assert number == pytest.approx(expected[name] / deviation, rel=1e-6)
    assert found.classes == []


# ---------------------------------------------------------------------------- errors


def refused(mask, data, y, task="binary", **kwargs):
    with pytest.raises(DataError) as caught:
        read_samples(mask, data, y, task, **kwargs)
    return str(caught.value)


def test_an_unknown_task_is_refused(mask, data):
    with pytest.raises(ArgumentError, match="task must be one of binary"):
        read_samples(mask, data, [0, 1] * 3, "regresion")


@pytest.mark.parametrize("what", ["y", "groups", "strata"])
def test_samples_without_an_entry_are_named(mask, data, what):
    short = series(list("aabbab")).drop(["s2", "s5"])
    given = {"y": series(list("aabbab")), what: short}
    message = refused(mask, data, given.pop("y"), **given)
    assert f"{what} has no entry for 2 of 6 samples, such as 's2', 's5'" in message


@pytest.mark.parametrize("what", ["y", "groups", "strata"])
def test_missing_values_are_named(mask, data, what):
    holes = series(["a", None, "b", "b", np.nan, "a"])
    given = {"y": series(list("aabbab")), what: holes}
    message = refused(mask, data, given.pop("y"), **given)
    assert f"{what} is missing for 2 samples, such as 's1', 's4'" in message


def test_a_hole_in_a_plain_list_is_not_a_class(mask, data):
    assert "y is missing for 1 samples, such as 's2'" in refused(
        mask, data, ["a", "b", np.nan, "a", "b", "a"]
    )


def test_several_entries_for_a_sample_are_named(mask, data):
    twice = series([*"aabbab", "b"], [*NAMES, "s2"])
    assert "y has several entries for 1 samples, such as 's2'" in refused(mask, data, twice)
    elsewhere = series([*"aabbab", "b", "b"], [*NAMES, "other", "other"])
    assert len(read_samples(mask, data, elsewhere, "binary").y) == 6


def test_another_number_of_labels_is_refused(mask, data):
    assert "y has shape (5,), X has 6 samples" in refused(mask, data, [0, 1, 0, 1, 1])
    assert "y has shape (6, 2), X has 6 samples" in refused(mask, data, np.zeros((6, 2)))


def test_data_that_never_vary_are_refused(mask, data):
    same = data.assign(g0=1.0, g1=2.0, g2=3.0)
    assert "every gene is the same in all 6 samples" in refused(mask, same, [0, 1] * 3)
    read_samples(mask, same.assign(g2=data["g2"]), [0, 1] * 3, "binary")


def test_repeated_sample_names_are_named(mask, data):
    twice = data.set_axis(["s1", "s1", *NAMES[2:]])
    assert "1 sample names are repeated, such as 's1'" in refused(mask, twice, [0, 1] * 3)


def test_one_class_is_refused_by_name(mask, data):
    assert "y has 1 classes ('case'), task='binary' needs exactly 2" in refused(
        mask, data, ["case"] * 6
    )
    assert "task='multiclass' needs at least 2" in refused(mask, data, ["x"] * 6, "multiclass")


def test_three_classes_are_not_binary(mask, data):
    message = refused(mask, data, list("aabbcc"))
    assert "y has 3 classes ('a', 'b', 'c')" in message
    assert "Keep the samples of two classes, or choose task='multiclass'" in message


def test_five_classes_are_shown(mask, data):
    assert "('a', 'b', 'c', 'd', 'e' and 1 more)" in refused(mask, data, list("abcdef"))


def test_a_class_of_one_sample_is_named_with_its_sample(mask, data):
    message = refused(mask, data, series(list("aabbbc")), "multiclass")
    assert "classes with a single sample cannot be held out and learnt: 'c (s5)'" in message


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["low", "high"] * 3, "y must be numbers for task='regression'"),
        ([1, 2, 3, np.inf, 5, 6], "y is infinite for 1 samples, such as 's0'"),
        ([0.1] * 6, "y is 0.1 for every sample"),  # whose standard deviation is not exactly 0
        ([0.3, 0.1 + 0.2] * 3, "y is 0.3 for every sample"),
    ],
)
def test_values_that_cannot_be_predicted_are_refused(mask, data, y, message):
    assert message in refused(mask, data, y, "regression")


def test_of_many_names_three_are_shown(mask, data):
    y = series([1, 2, 3, 4, 5, 6.0])
    many = "'s3', 's1', 's2' and 1 more"
    twice = pd.concat([y, y[:4]])
    assert f"y has several entries for 4 samples, such as {many}" in refused(
        mask, data, twice, "regression"
    )
    assert f"y has no entry for 4 of 6 samples, such as {many}" in refused(
        mask, data, y[4:], "regression"
    )
    assert f"y is missing for 4 samples, such as {many}" in refused(
        mask, data, y.where(y > 4), "regression"
    )
    assert "y is infinite for 4 samples, such as 's0', 's1', 's2' and 1 more" in refused(
        mask, data, y.where(y > 4, -np.inf), "regression"
    )
    assert f"4 sample names are repeated, such as {many}" in refused(
        mask, pd.concat([data, data[:4]]), np.arange(10), "regression"
    )


def test_one_sample_has_nothing_to_be_told_from(mask, data):
    for y in ([5.0], pd.DataFrame({"y": [5.0]}, ["s3"])):
        assert "y is 5 for every sample" in refused(mask, data[:1], y, "regression")


# ---------------------------------------------------------------------------- leaks


def many(n=20):
    rng = np.random.default_rng(1)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=["g0", "g1", "g2"])
    return X, rng.permutation(n) % 2


def test_copies_of_samples_are_named_unless_a_subject_holds_them_together(mask):
    X, y = many()
    X.iloc[7] = X.iloc[2]
    with pytest.warns(BiomaskWarning, match=r"1 samples are exact copies of others \('7 = 2'\)"):
        read_samples(mask, X, y, "binary")
    groups = np.arange(20)
    with pytest.warns(BiomaskWarning, match="7 = 2"):
        read_samples(mask, X, y, "binary", groups=groups)
    groups[7] = 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_samples(mask, X, y, "binary", groups=groups)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_label_among_the_genes_is_named(mask, task):
    X, y = many()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_samples(mask, X, y, task)
    with pytest.warns(BiomaskWarning, match="labels are among the genes: 'g1' follow y exactly"):
        read_samples(mask, X.assign(g1=5 - 3 * y), y, task)


def test_a_time_among_the_genes_is_named(mask):
    X, _ = many()
    y = pd.DataFrame({"time": (np.arange(20.0) + 1) ** 2, "event": 1})
    with pytest.warns(BiomaskWarning, match="labels are among the genes: 'g2' follow y exactly"):
        read_samples(mask, X.assign(g2=-y["time"]), y, "survival")
    assert told(mask, X - 100, y, "survival") == []  # genes and labels far from 0


def test_ten_samples_and_an_exact_match_make_a_leak(mask):
    X, y = many()
    nearly = X.assign(g1=y + 0.01 * X["g0"])  # their correlation is .9998
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_samples(mask, nearly, y, "binary")
        read_samples(mask, X.assign(g1=y)[:9], y[:9], "binary")
    with pytest.warns(BiomaskWarning, match="labels are among the genes"):
        read_samples(mask, X.assign(g1=y)[:10], y[:10], "binary")


# ---------------------------------------------------------------------------- other warnings


def test_counts_are_named_unless_alignment_has(mask):
    X, y = many()
    counts = (X.abs() * 100).round() + np.arange(20)[:, None]
    with pytest.warns(BiomaskWarning, match=r"look like this: raw counts .*\. Normalise and log"):
        read_samples(mask, counts, y, "binary")


def test_a_warning_points_to_whoever_called_the_caller(mask):
    X, y = many()

    def in_place_of_crossfit():
        read_samples(mask, X * 0 + np.arange(20.0)[:, None] + 1, y, "binary")

    line = inspect.currentframe().f_lineno + 2
    with pytest.warns(BiomaskWarning, match="raw counts") as caught:
        in_place_of_crossfit()
    assert (caught[0].filename, caught[0].lineno) == (__file__, line)


def told_of_classes(labels, classes, held_out) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_classes(np.array(labels), classes, held_out)
    return [str(warning.message).partition(". Use fewer folds")[0] for warning in caught]


def test_classes_that_a_fold_lacks_are_named():
    halves = [np.arange(3), np.arange(3, 6)]
    assert told_of_classes([0, 1, 0, 1, 0, 1], ["a", "b"], halves) == []
    assert told_of_classes([0, 0, 1, 1, 2, 2], ["a", "b", "c"], halves) == [
        "all samples of class 'a' in fold 1, class 'c' in fold 2 are held out: none is left to "
        "learn",
        "no sample of class 'c' in fold 1, class 'a' in fold 2 is held out: nothing there tells "
        "how well it is predicted",
    ]
    apart = told_of_classes([0, 1, 2, 3, 4], list("abcde"), [np.array([k]) for k in range(5)])
    assert "class 'c' in fold 3 and 2 more are held out" in apart[0]
    four = told_of_classes([0, 1, 2, 3], list("abcd"), [np.array([k]) for k in range(4)])
    assert "class 'c' in fold 3 and 1 more are held out" in four[0]
    three = told_of_classes([0, 1, 2], list("abc"), [np.array([k]) for k in range(3)])
    assert "class 'c' in fold 3 are held out" in three[0]


def test_a_warning_of_classes_points_to_who_called_the_caller_of_the_caller():
    labels, held_out = np.array([0, 0, 1, 1]), [np.array(part) for part in ([0, 2], [1], [3])]
    with pytest.warns(BiomaskWarning, match="no sample of class 'b' in fold 2") as caught:
        (lambda: (lambda: warn_of_classes(labels, ["a", "b"], held_out))())()
    assert {warning.filename for warning in caught} == {__file__}


def test_the_outcome_keeps_the_name_it_came_with(mask, data):
    y = series([1.0, 2.0, 0.5, 3.0, 2.5, 4.0]).rename("age")
    assert read_samples(mask, data, y, "regression").outcome == "age"
    assert read_samples(mask, data, y.to_frame(), "regression").outcome == "age"
    assert read_samples(mask, data, y.to_numpy(), "regression").outcome is None
    y = pd.DataFrame({"time": y, "event": 1})
    assert read_samples(mask, data, y, "survival").outcome is None


# ---------------------------------------------------------------------------- data on disk


@pytest.fixture(params=["in memory", "on disk"])
def held(request, tmp_path_factory, monkeypatch):
    """Where the data are; small data stay on disk."""
    monkeypatch.setattr(backed, "IN_MEMORY", 0)

    def hold(X):
        folder = tmp_path_factory.mktemp("data")
        return X if request.param == "in memory" else on_disk(X, "h5ad csr", folder)

    return hold


def told(mask, X, y, task="binary", **kwargs) -> list[str]:
    """The texts of all warnings, which point here."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        line = inspect.currentframe().f_lineno + 1
        (lambda: read_samples(mask, X, y, task, **kwargs))()
    assert {(warning.filename, warning.lineno) for warning in caught} <= {(__file__, line)}
    return [str(warning.message) for warning in caught]


def test_all_warnings_of_data(held):
    names = [f"s{i}" for i in range(10, 24)]
    y = series([0, 1, 1, 0, 1, 1] * 2 + [1, 1], names)
    genes = {f"g{k}": 3 * k + 1 + (k + 1) * y for k in range(4)}
    X = pd.DataFrame({**genes, "g4": np.arange(14.0) ** 2}, names, dtype=np.float32)
    X.iloc[[6, 7, 8, 9]] = X.iloc[[0, 1, 2, 3]].to_numpy()
    sets = {"p": list(X), **{f"empty {k}": [] for k in range(4)}}
    mask = bm.Mask.from_sets(sets)
    found = told(mask, held(X), y)
    assert found[0].startswith(
        "4 pathways have no gene ('empty 0', 'empty 1', 'empty 2' and 1 more): their units"
    )
    assert found[1].startswith("the values look like this: raw counts (whole numbers). Normalise")
    assert found[2].startswith(
        "4 samples are exact copies of others ('s16 = s10', 's17 = s11', 's18 = s12' and 1 more):"
    )
    assert found[3].startswith(
        "labels are among the genes: 'g0', 'g1', 'g2' and 1 more follow y exactly. Remove"
    )
    assert len(found) == 4
    together = series([*range(6), *range(4), *range(6, 10)], names)
    assert told(mask, held(X), y, groups=together) == [found[0], found[1], found[3]]
    assert told(mask, held(X), y, strata=together) == found
    assert told(mask, held(X), y, "multiclass") == found[:3]


def test_genes_too_small_for_float32_are_named(held, mask):
    X, y = many()
    X.index = [f"s{i}" for i in range(20)]
    y = series((np.arange(20) < 7).astype(int), X.index)
    found = told(mask, held(X.astype(float).assign(g1=X["g1"] * 1e-37)), y)
    assert [text.partition(",")[0] for text in found] == [
        "1 genes have no value above 1e-36 ('g1')"
    ]


def test_a_gene_that_follows_the_label_is_named_on_any_scale(held, mask):
    X, y = many()
    X.index = [f"s{i}" for i in range(20)]
    y = series((np.arange(20) < 7).astype(int), X.index)
    assert told(mask, held(X.assign(g1=0.1)), y) == []  # whose products with y are not exactly 0
    assert told(mask, held(X * np.float32(1e-30)), y) == []
    for scale in (1e-4, 1e4):
        found = told(mask, held(X.assign(g1=1e-30 * y)), y)
        assert found[0].startswith("labels are among the genes: 'g1' follow")
        found = told(mask, held(X.assign(g1=1 - scale * y)), y)
        assert [text.partition(" follow")[0] for text in found] == [
            "labels are among the genes: 'g1'"
        ]


def test_samples_are_the_same_wherever_they_are(held, mask, data):
    y = series(list("aabbab"))
    found = read_samples(mask, held(data), y, "binary")
    rows = np.asarray(found.X.rows if isinstance(found.X, backed.DiskTable) else found.X)
    assert found.X.index.tolist() == ["s0", "s1", "s2", "s3", "s4", "s5"]
    np.testing.assert_array_equal(rows, data.loc[sorted(NAMES)].to_numpy(np.float32))
    assert found.y.to_dict() == y.to_dict()


def test_what_was_read_from_disk_is_known_again(tmp_path_factory, monkeypatch, mask, data):
    monkeypatch.setattr(backed, "IN_MEMORY", 0)
    contents = [
        read_samples(
            mask, on_disk(X, "h5ad dense", tmp_path_factory.mktemp("data")), y, "binary"
        ).X.content
        for X, y in (
            (data, [0, 1] * 3),
            (data.iloc[::-1], [1, 0] * 3),
            (data + np.eye(6, 3, dtype=np.float32), [0, 1] * 3),
        )
    ]
    assert contents[0] == contents[1] != contents[2]
    assert len(contents[0]) == 64


@pytest.mark.parametrize("task", ["survival", "autoencoder"])
def test_tasks_that_need_data_in_memory_say_so(tmp_path, monkeypatch, mask, data, task):
    monkeypatch.setattr(backed, "IN_MEMORY", 0)
    y = pd.DataFrame({"time": [1, 2, 3, 4, 5, 6.0], "event": 1}, NAMES)
    y = y if task == "survival" else series([0, 1] * 3)
    message = refused(mask, on_disk(data, "h5ad csr", tmp_path), y, task)
    assert f"task='{task}' needs X in memory" in message
