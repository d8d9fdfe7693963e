"""Stability figures against hand-worked examples and other formulas."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import biomask as bm
from biomask.inference.stability import (
    mean_rank_correlation,
    nogueira,
    not_separable,
    rank_summary,
    select_top,
    sign_agreement,
    stability_wording,
)


def test_mean_rank_correlation_equals_scipy_over_pairs():
    effects = np.random.default_rng(0).normal(size=(4, 12))
    effects[:, :5] = np.round(effects[:, :5])  # ties
    pairs = [stats.spearmanr(effects[i], effects[j])[0] for i in range(4) for j in range(i)]
    assert mean_rank_correlation(effects) == pytest.approx(np.mean(pairs))


def test_rank_correlation_of_nothing():
    assert np.isnan(mean_rank_correlation(np.ones((1, 5))))
    assert np.isnan(mean_rank_correlation(np.ones((5, 1))))
    assert mean_rank_correlation(np.array([[1, 2], [4, 3]])) == pytest.approx(-1)
    # one of three rows is constant: pairs 1, 0, 0
    assert mean_rank_correlation(np.array([[1, 2, 3], [2, 4, 6], [7, 7, 7.0]])) == (
        pytest.approx(1 / 3)
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (-0.1, "the ranking is not stable"),
        (0.399, "the ranking is not stable"),
        (0.4, "the stability of the ranking is intermediate"),
        (0.749, "the stability of the ranking is intermediate"),
        (0.75, "the ranking is stable"),
        (float("nan"), "the stability of the ranking was not assessed"),
    ],
)
def test_wording(value, words):
    assert stability_wording(value) == words


class TestNogueira:
    def test_by_hand(self):
        # p = 1, 2/3, 1/3, 0; sizes 2, 1, 3, mean 2; k/P (1 - k/P) = 1/4
        # index = 1 - (3/2 * 2/9 * 2 / 4) / (1/4) = 1/3
        # phi = 1, 5/6, 5/6; sum of squares 1/54; variance 4/9 / 54 = 2/243
        got = nogueira(np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]]))
        assert got.index == pytest.approx(1 / 3)
        assert got.variance == pytest.approx(2 / 243)
        assert got.low == pytest.approx(1 / 3 - 1.959964 * (2 / 243) ** 0.5, abs=1e-6)
        assert got.high == pytest.approx(1 / 3 + 1.959964 * (2 / 243) ** 0.5, abs=1e-6)

    def test_by_hand_where_sizes_count(self):
        # p = 1, 1/2, 0, 0; k/P = 3/8; index = 1 - (2 * 1/4 / 4) / (15/64) = 7/15
        # phi = 276/225, 292/225; sum of squares 2 (8/225)^2, times 4/2^2
        got = nogueira(np.array([[1, 0, 0, 0], [1, 1, 0, 0]]))
        assert got.index == pytest.approx(7 / 15)
        assert got.variance == pytest.approx(128 / 225**2)

    def test_the_interval_ends_at_1(self):
        got = nogueira(np.array([[1, 1, 0, 0, 0, 0]] * 4 + [[1, 0, 0, 0, 0, 0]]))
        assert got.low < got.index < got.high == 1

    def test_is_kunchevas_index_for_equal_sizes(self):
        """Mean over pairs of (overlap - k^2/P) / (k - k^2/P), Kuncheva 2007."""
        selected = select_top(np.random.default_rng(1).normal(size=(6, 15)), 4)
        pairs = [
            ((selected[i] & selected[j]).sum() - 16 / 15) / (4 - 16 / 15)
            for i in range(6)
            for j in range(i)
        ]
        assert nogueira(selected).index == pytest.approx(np.mean(pairs))

    def test_variance_is_that_of_repeated_draws(self):
        """The estimate, averaged over simulated selections, against the spread of the index."""
        rng = np.random.default_rng(2)
        chance = np.repeat([0.9, 0.5, 0.1], [3, 4, 13])
        draws = [nogueira(rng.random((40, 20)) < chance) for _ in range(400)]
        spread = np.var([draw.index for draw in draws])
        assert np.mean([draw.variance for draw in draws]) == pytest.approx(spread, rel=0.2)

    def test_two_selections_of_nothing_in_common(self):
        # p = 1/2 twice, k/P = 1/2: index = 1 - (2/1 * 1/4) / (1/4)
        assert nogueira(np.array([[1, 0], [0, 1]])).index == -1

    def test_limits(self):
        always = np.tile([1, 0, 1, 0], (5, 1))
        assert nogueira(always) == (1.0, 1.0, 1.0, 0.0)
        noisy = np.random.default_rng(3).random((10, 30)) < 0.98
        assert nogueira(noisy).high <= 1
        for undefined in (np.ones((3, 4)), np.zeros((3, 4)), always[:1]):
            assert np.isnan(nogueira(undefined)).all()


def test_select_top_leaves_out_ties_at_the_limit():
    effects = np.array([[4, 3, 2, 1], [4, 2, 2, 1], [0, 0, 0, 0]])
    np.testing.assert_array_equal(
        select_top(effects, 2), [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    )
    # the three that are equal rank 2 to 4: none of them is among three
    assert select_top(np.array([[4, 2, 2, 2, 1]]), 3).tolist() == [[True] + [False] * 4]
    np.testing.assert_array_equal(select_top(effects, 1).sum(axis=1), [1, 1, 0])
    for m in (0, 4):
        with pytest.raises(bm.ArgumentError, match=f"top {m} of 4"):
            select_top(effects, m)


def test_rank_summary_by_hand():
    # ranks of A: 1, 1, 1, 2, 3; median 1; 5 %: 1; 95 % at position 3.8: 2 + .8
    effects = np.array([[3, 2, 1], [3, 1, 2], [9, 8, 7], [2, 3, 1], [1, 2, 3.0]])
    got = rank_summary(effects, pd.Index(["A", "B", "C"]))
    assert list(got.loc["A"]) == pytest.approx([1.0, 1.0, 2.8])
    assert list(got.columns) == ["rank_low", "rank_median", "rank_high"]
    tied = rank_summary(np.array([[1.0, 1.0, 0.0]]), pd.Index(["A", "B", "C"]))
    assert list(tied["rank_median"]) == [1.5, 1.5, 3.0]


def test_sign_agreement_does_not_see_a_unit_turned_round():
    weights = np.array([[0.5, -1.0, 0.0], [-0.7, 2.0, 1.0], [0.1, 3.0, 1.0], [0.2, -1.0, -1.0]])
    head = np.array([[1.0, 1.0], [-2.0, 1.0], [1.0, 1.0], [0.3, -1.0]])
    agreement, sign = sign_agreement(weights, np.array([0, 0, 1]), head)
    # signs: + + + + | - - + - | 0 + + +
    np.testing.assert_array_equal(agreement, [1.0, 0.75, 0.75])
    np.testing.assert_array_equal(sign, [1, -1, 1])
    turned = np.array([1, -1, -1, 1.0])[:, None]
    again = sign_agreement(weights * turned, np.array([0, 0, 1]), head * turned)
    np.testing.assert_array_equal(again[0], agreement)
    head[3] = 0  # a unit that moves no output has no sign
    agreement, sign = sign_agreement(weights, np.array([0, 0, 1]), head)
    np.testing.assert_array_equal(agreement, [0.75, 0.5, 0.5])
    np.testing.assert_array_equal(sign, [1, -1, 1])


def test_not_separable_follows_links():
    # A-B share 8 of 10 (.8), B-C 8 of 10, A-C 6 of 10; D = E; F alone; A-D nothing
    sets = {
        "F": ["x", "y"],
        "A": [f"g{i}" for i in range(9)],
        "D": ["d1", "d2"],
        "B": [f"g{i}" for i in range(1, 10)],
        "E": ["d2", "d1"],
        "C": [f"g{i}" for i in range(2, 11)],
    }
    got = not_separable(bm.Mask.from_sets(sets))
    assert (got.name, got.dtype) == ("not_separable", "Int64")
    assert got.dropna().to_dict() == {"A": 1, "B": 1, "C": 1, "D": 2, "E": 2}
    assert got["F"] is pd.NA
    stricter = not_separable(bm.Mask.from_sets(sets), threshold=0.81)
    assert stricter.dropna().to_dict() == {"D": 1, "E": 1}


def test_shapes_are_checked():
    with pytest.raises(bm.ArgumentError, match=r"received shape \(3,\)"):
        mean_rank_correlation(np.ones(3))
