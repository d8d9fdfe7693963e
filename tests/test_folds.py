"""Which samples are held out, and which are watched."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

from biomask.errors import ArgumentError
from biomask.inference.folds import inner_split, outer_folds


def assert_partition(held_out: list[np.ndarray], n: int) -> None:
    assert sorted(np.concatenate(held_out).tolist()) == list(range(n))
    assert all((np.diff(part) > 0).all() for part in held_out)


@pytest.mark.parametrize(("n", "folds"), [(10, 2), (11, 3), (7, 7), (100, 5)])
def test_every_sample_is_held_out_once_and_folds_are_of_equal_size(n, folds):
    held_out = outer_folds(n, folds, 0, None, None)
    assert len(held_out) == folds
    assert_partition(held_out, n)
    sizes = [len(part) for part in held_out]
    assert max(sizes) - min(sizes) <= 1


def test_folds_are_drawn_from_the_seed():
    first, again, other = (outer_folds(30, 3, seed, None, None) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_seed_gives_the_same_folds_in_every_release():
    folds = outer_folds(7, 3, 0, None, None)
    assert [part.tolist() for part in folds] == [[1, 2, 6], [0, 3], [4, 5]]
    spread = outer_folds(7, 3, 1, None, np.array([0, 0, 0, 0, 1, 1, 1]))
    assert [part.tolist() for part in spread] == [[2, 3, 4], [1, 6], [0, 5]]
    fitted, watched = inner_split(np.arange(7), 0.3, 0, None)
    assert (fitted.tolist(), watched.tolist()) == ([0, 1, 3, 5, 6], [2, 4])


def test_folds_cannot_see_the_labels():
    assert list(inspect.signature(outer_folds).parameters) == [
        "n",
        "folds",
        "seed",
        "groups",
        "strata",
    ]
    assert list(inspect.signature(inner_split).parameters) == [
        "training",
        "share",
        "seed",
        "groups",
    ]


def test_subjects_stay_whole_and_are_spread_by_number():
    groups = np.repeat(np.arange(9), [1, 5, 2, 7, 3, 1, 4, 6, 2])
    held_out = outer_folds(len(groups), 3, 0, groups, None)
    assert_partition(held_out, len(groups))
    subjects = [set(groups[part]) for part in held_out]
    assert [len(s) for s in subjects] == [3, 3, 3]
    assert set.union(*subjects) == set(range(9))  # with 3 + 3 + 3 of 9 none is in two folds


def test_a_stratum_is_spread_evenly():
    strata = np.array([0] * 20 + [1] * 10 + [2] * 5)
    for part in outer_folds(35, 5, 3, None, strata):
        assert np.bincount(strata[part]).tolist() == [4, 2, 1]


def test_strata_of_one_sample_a_fold_are_spread_evenly():
    strata = np.repeat([0, 1, 2], 5)
    for part in outer_folds(15, 5, 0, None, strata):
        assert strata[part].tolist() == [0, 1, 2]


def test_a_stratum_of_subjects_is_spread_evenly():
    groups = np.repeat(np.arange(12), 3)
    strata = np.where(groups < 8, 0, 1)  # 8 and 4 subjects
    for part in outer_folds(36, 4, 0, groups, strata):
        assert np.bincount(strata[part]).tolist() == [6, 3]
        assert len(set(groups[part])) == 3


@pytest.mark.parametrize(
    ("groups", "strata"),
    [
        (None, np.arange(12) // 2),  # every stratum smaller than the number of folds
        (None, np.array([0] * 11 + [1])),  # one is
        (np.arange(12) // 2, np.arange(12) // 2),  # subjects as strata: permuting inside subjects
        (np.arange(12) // 2, np.arange(12) % 2),  # every subject is in both strata
        (np.array([0] * 10 + [1, 2]), np.zeros(12, int)),  # one subject has nearly everything
    ],
)
def test_strata_that_cannot_be_spread_still_make_silent_full_folds(groups, strata):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        held_out = outer_folds(12, 3, 0, groups, strata)
    assert_partition(held_out, 12)
    assert all(len(part) for part in held_out)
    if groups is not None:
        assert sum(len(set(groups[part])) for part in held_out) == len(set(groups))


@pytest.mark.parametrize(
    ("n", "folds", "groups", "message"),
    [
        (10, 1, None, "between 2 and the number of samples, 10. Received: folds=1"),
        (10, 11, None, "between 2 and the number of samples, 10. Received: folds=11"),
        (10, 4, np.arange(10) % 3, "between 2 and the number of subjects, 3. Received: folds=4"),
    ],
)
def test_folds_that_cannot_be_made_are_refused(n, folds, groups, message):
    with pytest.raises(ArgumentError, match=message) as caught:
        outer_folds(n, folds, 0, groups, None)
    assert caught.value.code == "E-FOLDS"


def test_the_watched_samples_are_a_share_of_the_training_samples():
    training = np.arange(100, 200)
    fitted, watched = inner_split(training, 0.15, 0, None)
    assert len(watched) == 15
    assert sorted([*fitted, *watched]) == training.tolist()
    assert not np.array_equal(watched, inner_split(training, 0.15, 1, None)[1])


def test_watched_subjects_are_whole():
    groups = np.repeat(np.arange(10), 4)
    training = np.flatnonzero(groups != 3)
    fitted, watched = inner_split(training, 0.3, 0, groups)
    assert len(set(groups[watched])) == 3  # of 9
    assert not set(groups[watched]) & set(groups[fitted])
    assert sorted([*fitted, *watched]) == training.tolist()


@pytest.mark.parametrize(("share", "n_fitted"), [(0.01, 2), (0.99, 1)])
def test_something_is_fitted_and_something_watched(share, n_fitted):
    fitted, watched = inner_split(np.arange(3), share, 0, None)
    assert (len(fitted), len(watched)) == (n_fitted, 3 - n_fitted)


def test_a_single_subject_is_fitted():
    fitted, watched = inner_split(np.arange(5), 0.15, 0, np.zeros(5, int))
    assert fitted.tolist() == [0, 1, 2, 3, 4]
    assert len(watched) == 0
