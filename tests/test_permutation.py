"""Which label vectors are drawn, how many there are, and what p they allow."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import biomask as bm
from biomask.inference.exchange import codes, exchange_units
from biomask.inference.permutation import (
    attainable_note,
    count_permutations,
    count_tests,
    freedman_lane,
    permute_labels,
)


def every_vector(y, block):
    """All distinct label vectors that keep the labels inside their blocks, by brute force."""
    y, block = np.asarray(y), np.asarray(block)
    return {
        tuple(y[list(order)])
        for order in itertools.permutations(range(len(y)))
        if (block[list(order)] == block).all()
    }


def vectors(y, index):
    return [tuple(row) for row in np.asarray(y)[index].tolist()]


CASES = {
    "two classes": ([0, 0, 0, 1, 1, 1], [0] * 6),
    "unequal classes": ([0, 1, 1, 1, 1], [0] * 5),
    "strata": ([0, 1, 1, 0, 0, 1, 1], [0, 0, 0, 1, 1, 1, 1]),
    "three classes": (["a", "b", "c", "a", "b", "c"], [0] * 6),
    "numbers": ([1.5, 2.5, 3.5, 3.5], [0] * 4),
}


@pytest.mark.parametrize("case", CASES)
def test_count_equals_enumeration(case):
    y, strata = CASES[case]
    assert count_permutations(y, strata=strata) == len(every_vector(y, strata))


@pytest.mark.parametrize("case", CASES)
def test_all_vectors_are_drawn_once_when_more_are_wanted(case):
    y, strata = CASES[case]
    index = permute_labels(y, 10_000, 1, strata=strata)
    drawn = vectors(y, index)
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == every_vector(y, strata) - {tuple(y)}
    assert (np.sort(index, axis=1) == np.arange(len(y))).all()


def test_count_is_exact_beyond_floats():
    assert count_permutations([0, 1] * 500) == math.comb(1000, 500)
    strata = np.repeat([0, 1], 500)
    assert count_permutations([0, 1] * 500, strata=strata) == math.comb(500, 250) ** 2
    assert count_tests([0, 1] * 600, "binary") == math.comb(1200, 600) // 2
    assert permute_labels([0, 1] * 600, 1, 0, task="binary").shape == (1, 1200)


def test_renamed_classes_are_one_question():
    y = [0, 0, 0, 1, 1, 1]
    assert (count_permutations(y), count_tests(y, "binary")) == (20, 10)
    drawn = vectors(y, permute_labels(y, 100, 0, task="binary"))
    assert len(drawn) == 9
    assert (1, 1, 1, 0, 0, 0) not in drawn
    mirrored = {tuple(1 - np.array(v)) for v in drawn}
    assert not mirrored & set(drawn)
    # 2 + 2 + 2: 90 vectors, 3! names; classes of different sizes keep their names
    assert count_tests([0, 0, 1, 1, 2, 2], "multiclass") == 15
    assert count_tests([0, 0, 1, 1, 2], "multiclass") == 15  # 30 vectors, 2! names
    assert count_tests([0, 1, 1, 1], "binary") == 4
    # equal in total but not in each stratum: renaming would change a stratum's labels
    assert count_tests([0, 0, 1, 1, 1, 0], "binary", strata=[0, 0, 0, 1, 1, 1]) == 9
    assert count_tests([1.0, 2.0, 3.0], "regression") == 6


def test_draws_are_uniform():
    y = [0, 0, 1, 1, 1]  # ten vectors, nine of them not the real one
    counts = {}
    for seed in range(630):
        vector = vectors(y, permute_labels(y, 1, seed))[0]
        counts[vector] = counts.get(vector, 0) + 1
    assert len(counts) == 9
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_same_seed_same_permutations():
    y = np.arange(30) % 2
    np.testing.assert_array_equal(permute_labels(y, 5, 7), permute_labels(y, 5, 7))
    assert (permute_labels(y, 5, 7) != permute_labels(y, 5, 8)).any()
    none = permute_labels(y, 0, 7)
    assert (none.shape, none.dtype) == ((0, 30), np.intp)


def test_a_seed_gives_the_same_permutations_in_every_release():
    drawn = permute_labels([0, 0, 1, 1, 1], 2, 0)
    assert drawn.tolist() == [[3, 2, 1, 0, 4], [3, 1, 2, 0, 4]]
    # the even samples in the order of their random numbers, and the odd ones
    drawn = permute_labels(np.arange(50), 1, 3, strata=np.arange(50) % 2)[0]
    order = np.random.default_rng(3).random(50).argsort()
    assert drawn[::2].tolist() == order[order % 2 == 0].tolist()
    assert drawn[1::2].tolist() == order[order % 2 == 1].tolist()


class TestSubjects:
    # subjects a (1 sample), b (2), c (3), d (1); cases are a and b
    groups = np.array(list("abbcccd"))
    y = np.array([1, 1, 1, 0, 0, 0, 0])

    def test_whole_subjects_move(self):
        drawn = vectors(self.y, permute_labels(self.y, 100, 0, groups=self.groups))
        expected = set()
        for cases in itertools.combinations("abcd", 2):
            expected.add(tuple(int(g in cases) for g in self.groups))
        assert count_permutations(self.y, groups=self.groups) == 6
        assert set(drawn) == expected - {tuple(self.y)}
        assert len(drawn) == 5

    def test_only_inside_their_stratum(self):
        strata = np.array([0, 1, 1, 0, 0, 0, 1])  # a with c, b with d
        drawn = vectors(self.y, permute_labels(self.y, 100, 0, self.groups, strata))
        assert set(drawn) == {
            (0, 1, 1, 1, 1, 1, 0),  # a and c changed places
            (1, 0, 0, 0, 0, 0, 1),  # b and d
            (0, 0, 0, 1, 1, 1, 1),  # both
        }

    def test_a_subject_in_two_strata_is_refused(self):
        with pytest.raises(bm.DataError, match="subjects b have samples in several strata"):
            permute_labels(self.y, 5, 0, self.groups, strata=[0, 0, 1, 0, 0, 0, 0])

    def test_labels_that_vary_in_every_subject_move_inside_it(self):
        groups, y = list("aabbb"), [0, 1, 0, 0, 1]
        drawn = vectors(y, permute_labels(y, 100, 0, groups=groups))
        assert set(drawn) == every_vector(y, [0, 0, 1, 1, 1]) - {tuple(y)}
        assert count_permutations(y, groups=groups) == 6

    def test_strata_inside_subjects_hold_too(self):
        groups, y, strata = list("aaaabb"), [0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 0, 0]
        drawn = vectors(y, permute_labels(y, 100, 0, groups, strata))
        assert set(drawn) == every_vector(y, [0, 0, 1, 1, 2, 2]) - {tuple(y)}

    def test_labels_that_vary_in_some_subjects_only_are_refused(self):
        y = [0, 1, 1, 1, 1]
        with pytest.raises(bm.DataError, match=r"vary within 1 of 2 subjects.*: a vary") as caught:
            permute_labels(y, 5, 0, groups=list("aabbb"))
        assert caught.value.code == "E-GROUPS-MIXED"
        assert "subjects as strata" in caught.value.hint

    def test_strata_of_several_subjects_do_not_part_them(self):
        with pytest.raises(bm.DataError, match="vary within 1 of 2 subjects"):
            permute_labels([0, 1, 1, 1, 1], 5, 0, groups=list("aabbb"), strata=[0] * 5)

    def test_at_most_ten_subjects_at_fault_are_named(self):
        """By all their columns: person 9 of a is "9 a"."""
        groups = pd.DataFrame({"person": np.repeat(np.arange(12), 2), "site": "a"})
        ten = ", ".join(f"{k} a" for k in range(10))
        with pytest.raises(bm.DataError) as caught:
            exchange_units([0, 1] * 11 + [1, 1], groups)
        assert caught.value.problem == (
            "labels vary within 11 of 12 subjects and are constant in the others, so neither "
            f"subjects nor samples within subjects can be permuted: {ten} vary"
        )
        with pytest.raises(bm.DataError) as caught:
            exchange_units(np.repeat([0, 1], 12), groups, strata=[0, 1] * 11 + [0, 0])
        assert caught.value.code == "E-GROUPS-STRATA"
        assert caught.value.problem == (
            f"subjects {ten} have samples in several strata, so they cannot change places as a "
            "whole"
        )

    def test_subjects_with_one_label_each_are_units_even_as_strata(self):
        units = exchange_units([1, 1, 0, 0, 0], list("bbaaa"), strata=list("bbaaa"))
        assert [part.tolist() for part in units] == [[1, 1, 0, 0, 0], [2, 0], [0, 1], [0, 1]]

    def test_unless_the_subjects_are_the_strata(self):
        y = [0, 1, 0, 1, 1]
        drawn = vectors(y, permute_labels(y, 5, 0, groups=list("aaabb"), strata=list("aaabb")))
        assert set(drawn) == {(1, 0, 0, 1, 1), (0, 0, 1, 1, 1)}


def test_a_row_of_time_and_event_is_one_label():
    y = np.array([[3.0, 1], [3.0, 0], [3.0, 1]])
    assert count_permutations(y) == 3
    np.testing.assert_array_equal(
        np.unique(y[permute_labels(y, 5, 0)][:, :, 1], axis=0), [[0, 1, 1], [1, 1, 0]]
    )


def test_strata_may_be_several_columns_and_categories():
    frame = pd.DataFrame({"batch": pd.Categorical(list("xxyy")), "sex": list("fmfm")})
    units = exchange_units([0, 1, 0, 1], strata=frame)
    assert len(np.unique(units.block)) == 4
    assert len(np.unique(exchange_units([0, 1, 0, 1], strata=frame[["batch"]]).block)) == 2


def test_rows_are_numbered_in_sorted_order():
    assert codes(["b", "a", "c", "a"], "names").tolist() == [1, 0, 2, 0]
    assert codes([[2, 1], [1, 9], [2, 0]], "pairs").tolist() == [2, 0, 1]
    order = pd.Categorical(["x", "z", "x"], ["z", "y", "x"])
    assert codes(order, "categories").tolist() == [1, 0, 1]  # of which y has no sample


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"y": [0, None, 1]}, "labels are missing for 1 samples, first at position 1"),
        ({"y": [0, 1, 1], "groups": ["a", "b", np.nan]}, "groups are missing for 1"),
        (
            {"y": [0, 1, 1], "strata": [["a", "b"], ["a", None], [None, None]]},
            "strata are missing for 2 samples, first at position 1",
        ),
        ({"y": [0, 1, 1], "strata": [0, 1]}, "strata has 2 entries for 3 samples"),
        ({"y": [1, 1, 1]}, "no permutation of these labels"),
        ({"y": [0, 1, 1], "strata": [0, 1, 1]}, "no permutation of these labels"),
        ({"y": [0, 1], "task": "binary"}, "no permutation of these labels"),
    ],
)
def test_unusable_labels(arguments, text):
    with pytest.raises(bm.DataError, match=text):
        permute_labels(arguments.pop("y"), 5, 0, **arguments)


def test_negative_number_of_permutations():
    with pytest.raises(bm.ArgumentError, match="received -1"):
        permute_labels([0, 1, 1], -1, 0)


class TestAttainable:
    def test_three_against_three(self):
        assert attainable_note([0, 0, 0, 1, 1, 1], "binary", 199) == (
            "no p can reach 0.05 with 3 against 3: the labels can be dealt in only 10 different "
            "ways, so the smallest p is 0.1"
        )

    def test_three_against_four_can(self):  # 35 ways
        assert attainable_note([0] * 3 + [1] * 4, "binary", 199) == ""
        assert "smallest p is 0.029" in attainable_note([0] * 3 + [1] * 4, "binary", 99, alpha=0.01)

    def test_one_in_twenty_is_enough(self):
        y = [0, 0, 0, 1, 1, 1]  # 20 ways: as amounts, 0 and 1 are not exchangeable
        assert attainable_note(y, "regression", 19) == ""
        assert "only 20 different ways" in attainable_note(y, "regression", 19, alpha=0.049)

    def test_subjects_count_not_samples(self):
        y, groups = np.repeat([0, 0, 0, 1, 1, 1], 200), np.repeat(np.arange(6), 200)
        assert "3 against 3:" in attainable_note(y, "binary", 199, groups=groups)
        assert "3 subjects" in attainable_note(
            np.repeat([1.0, 2.0, 3.0], 9), "regression", 199, groups=np.repeat([1, 2, 3], 9)
        )

    def test_too_few_permutations(self):
        y = np.arange(40) % 2
        assert "with 18 permutations: the smallest p is 0.053; use at least 19" in (
            attainable_note(y, "binary", 18)
        )
        assert attainable_note(y, "binary", 19) == ""


class TestFreedmanLane:
    rng = np.random.default_rng(3)
    age = rng.normal(size=(40, 1))
    y = 5 + 2 * age[:, 0] + rng.normal(size=40)

    def test_residuals_are_shuffled_around_the_fit(self):
        labels = freedman_lane(self.y, self.age, 20, 0)
        slope, intercept = stats.linregress(self.age[:, 0], self.y)[:2]
        fitted = intercept + slope * self.age[:, 0]
        np.testing.assert_array_equal(labels[0], self.y)
        assert labels.shape == (21, 40)
        for row in labels[1:]:
            np.testing.assert_allclose(np.sort(row - fitted), np.sort(self.y - fitted), atol=1e-9)
            assert np.abs(row - self.y).max() > 0.1

    @pytest.mark.parametrize("unit", [1e-30, 1e30])
    def test_units_of_a_covariate_do_not_matter(self, unit):
        expected = freedman_lane(self.y, self.age, 20, 0)
        np.testing.assert_allclose(freedman_lane(self.y, self.age * unit, 20, 0), expected)

    def test_several_covariates_are_fitted_together(self):
        age = self.age[:, 0]
        labels = freedman_lane(self.y, np.column_stack([age, age**2]), 3, 0)
        left = labels - np.polyval(np.polyfit(age, self.y, 2), age)
        np.testing.assert_allclose(np.sort(left), np.sort(left[:1].repeat(4, 0)), atol=1e-9)
        assert np.abs(left[1:] - left[0]).max(axis=1).min() > 0.1

    def test_strata_hold(self):
        strata = np.repeat([0, 1], 20)
        labels = freedman_lane(self.y, self.age, 5, 0, strata=strata)
        # the slope inside strata: what differs between them is no effect of age
        inner = [
            v - np.repeat([v[:20].mean(), v[20:].mean()], 20) for v in (self.age[:, 0], self.y)
        ]
        slope = inner[0] @ inner[1] / (inner[0] @ inner[0])
        residual = labels - slope * self.age[:, 0]
        assert np.abs(residual[1:] - residual[0]).max(axis=1).min() > 0.1
        for row in residual:
            np.testing.assert_allclose(np.sort(row[:20]), np.sort(residual[0, :20]), atol=1e-9)

    def test_subjects_move_as_a_whole(self):
        """Three samples a subject; age and y belong to the subject."""
        groups = np.repeat(np.arange(12), 3)
        age, y = self.age[groups], self.y[groups]
        labels = freedman_lane(y, age, 5, 0, groups=groups)
        assert (labels.reshape(6, 12, 3) == labels.reshape(6, 12, 3)[:, :, :1]).all()
        slope, intercept = stats.linregress(self.age[:12, 0], self.y[:12])[:2]
        residual = labels[:, ::3] - intercept - slope * self.age[:12, 0]
        np.testing.assert_allclose(np.sort(residual), np.sort(residual[:1].repeat(6, 0)), atol=1e-9)

    def test_numbers_of_any_type_are_used(self):
        numbers = np.round(10 * self.y).astype(int), np.round(10 * self.age).astype(int)
        expected = freedman_lane(*numbers, 5, 0)
        assert expected.dtype == float
        for kind in (object, str):
            got = freedman_lane(*(values.astype(kind) for values in numbers), 5, 0)
            np.testing.assert_array_equal(got, expected)

    def test_what_it_refuses(self):
        for scale in (0, 1e-6, 1, 1e9):
            with pytest.raises(bm.DataError, match="explained by the covariates"):
                freedman_lane(scale * (1 + 2 * self.age[:, 0]), self.age, 5, 0)
        with pytest.raises(bm.DataError, match="NaN"):
            freedman_lane(self.y, self.age * np.nan, 5, 0)
        groups = np.repeat(np.arange(10), 4)
        with pytest.raises(bm.DataError, match="varies within subjects while y does not"):
            freedman_lane(groups.astype(float), self.age, 5, 0, groups=groups)
