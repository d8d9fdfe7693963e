"""p, p_fwer and q against loops, and their error rates under exchangeability."""

import numpy as np
import pytest

import biomask as bm
from biomask.inference.significance import (
    edge_q_values,
    fwer_p_values,
    p_values,
    permutations_needed,
    q_values,
    resolution_note,
    standardise,
)


def test_p_values_by_hand():
    effects = np.array([[3.0, 0.0, 1.0], [1.0, 0.0, 2.0], [2.0, 0.0, 3.0], [3.0, 0.0, 0.5]])
    # first: one tie; second: all tie; third: two higher
    np.testing.assert_array_equal(p_values(effects), [0.5, 1.0, 0.75])


def test_fwer_equals_the_loop():
    rng = np.random.default_rng(0)
    effects = rng.normal(size=(30, 6)) * np.arange(1, 7)
    effects[:, 2] = np.round(effects[:, 2])  # ties
    effects[0, 4] = 30.0
    z = np.empty_like(effects)
    for p in range(6):
        column = effects[:, p]
        mean = sum(column) / 30
        z[:, p] = (column - mean) / (sum((t - mean) ** 2 for t in column) / 30) ** 0.5
    expected = [(1 + sum(max(z[b]) >= z[0, p] for b in range(1, 30))) / 30 for p in range(6)]
    np.testing.assert_allclose(fwer_p_values(effects), expected)
    assert fwer_p_values(effects)[4] == 1 / 30


def test_a_pathway_without_variation_is_neither_significant_nor_in_the_way():
    rng = np.random.default_rng(1)
    effects = rng.normal(size=(40, 3))
    effects[0, 0] = 9.0
    effects[:, 2] = 0.1 + 0.2  # not representable: rounding must not become a signal
    got = fwer_p_values(effects)
    assert got[2] == 1.0
    for kind in (np.float64, np.float32):
        z = standardise(effects.astype(kind))
        assert (z[:, 2] == -np.inf).all()
        assert z.dtype == np.float64
    np.testing.assert_array_equal(got[:2], fwer_p_values(effects[:, :2]))
    assert (fwer_p_values(np.zeros((5, 2))) == 1).all()
    assert (standardise(np.zeros((5, 2))) == -np.inf).all()


def test_scale_and_offset_of_a_pathway_do_not_matter():
    effects = np.random.default_rng(2).normal(size=(50, 4))
    np.testing.assert_allclose(
        fwer_p_values(effects), fwer_p_values(effects * [1, 10, 0.1, 3] + [5, 0, -2, 1])
    )
    for scale in (1e-9, 1e9, [1, 1e-15, 1, 1]):
        np.testing.assert_allclose(standardise(scale * effects), standardise(effects))


def test_leaving_each_vector_out_of_its_own_deviation_gives_the_same_fwer():
    """The claim in the docstring of `standardise`."""
    effects = np.random.default_rng(3).gamma(0.5, size=(25, 5))
    effects[0] *= 2
    z = np.empty_like(effects)
    for b in range(25):
        others = np.delete(effects, b, axis=0)
        z[b] = (effects[b] - others.mean(axis=0)) / others.std(axis=0)
    expected = [(1 + (z[1:].max(axis=1) >= z[0, p]).sum()) / 25 for p in range(5)]
    np.testing.assert_allclose(fwer_p_values(effects), expected)


def test_both_are_exact_when_all_rows_are_alike():
    """With B + 1 = 20 and continuous effects, P(p <= k/20) is k/20: check 5 %, 25 % and 50 %.

    Leaving row 0 out of mean and deviation makes max-T reject 11 % at 5 % here.
    """
    rng = np.random.default_rng(4)
    single, family = [], []
    for _ in range(3000):
        effects = rng.standard_t(3, size=(20, 8)) + rng.normal(size=(20, 1))
        single.append(p_values(effects)[0])
        family.append(fwer_p_values(effects).min())
    for p in (np.array(single), np.array(family)):
        for alpha in (0.05, 0.25, 0.5):
            error = 2.58 * np.sqrt(alpha * (1 - alpha) / 3000)
            assert (p <= alpha + 1e-9).mean() == pytest.approx(alpha, abs=error)


def test_q_values_by_hand():
    # p m / rank: .04, .04, .08, .5 -> .04 .04 .0667 .5 (running minimum from the right)
    np.testing.assert_allclose(
        q_values(np.array([0.01, 0.05, 0.5, 0.02])), [0.04, 0.2 / 3, 0.5, 0.04]
    )


@pytest.mark.parametrize(
    ("n_pathways", "rejected", "level", "needed"),
    [(20, 1, 0.05, 399), (1107, 1, 0.05, 22139), (1107, 10, 0.05, 2213), (50, 50, 0.05, 19),
     (3, 1, 0.1, 29), (1, 1, 1.0, 0)],
)  # fmt: skip
def test_permutations_needed(n_pathways, rejected, level, needed):
    assert permutations_needed(n_pathways, rejected, level=level) == needed
    if (rejected, level) == (1, 0.05):  # as by default
        assert permutations_needed(n_pathways) == needed


def test_permutations_needed_is_what_benjamini_hochberg_needs():
    """At exactly B, R pathways at the smallest p are rejected; at B - 1 they are not."""
    for n_permutations, rejected in ((399, True), (398, False)):
        p = np.array([1 / (n_permutations + 1), *[1.0] * 19])
        assert (q_values(p)[0] <= 0.05 + 1e-12) == rejected


def test_resolution_note():
    assert resolution_note(1107, 199) == (
        "199 permutations are too few for q: they cannot bring fewer than 111 of the 1107 "
        "pathways together to q <= 0.05 (22139 permutations could); rely on p_fwer"
    )
    assert "cannot bring any of the 50 pathways to" in resolution_note(50, 9)
    assert "fewer than 50 of the 50 pathways together" in resolution_note(50, 19)
    assert resolution_note(1107, 199, n_rejected=111) == ""
    assert resolution_note(10, 199) == resolution_note(10, 198, level=0.1) == ""
    assert resolution_note(10, 998, level=0.01).endswith(
        "fewer than 2 of the 10 pathways together to q <= 0.01 (999 permutations could); rely on "
        "p_fwer"
    )


def test_edges_are_tested_inside_selected_pathways_only():
    p = np.array([0.01, 0.04, 0.02, 0.30, 0.001])
    pathways = np.array([0, 0, 3, 3, 1])
    got = edge_q_values(p, pathways, np.array([0, 3]), n_pathways=8)
    # BH inside: .02 .04 | .04 .30; times 8 / 2
    np.testing.assert_allclose(got, [0.08, 0.16, 0.16, 1.0, np.nan])
    # the same decisions as BH at level q |S| / P in each pathway
    level = 0.16 * 2 / 8
    for pathway in (0, 3):
        inside = pathways == pathway
        assert ((q_values(p[inside]) <= level) == (got[inside] <= 0.16)).all()
    assert np.isnan(edge_q_values(p, pathways, np.array([], int), 8)).all()


def test_effects_must_be_finite():
    with pytest.raises(bm.DataError, match=r"1 values not finite.*learning rate"):
        p_values(np.array([[1.0, np.nan], [1.0, 2.0]]))
