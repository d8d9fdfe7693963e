"""Initial weights: drawn by name, spread as the fan of each unit asks."""

from __future__ import annotations

import hashlib

import keras
import numpy as np
import pytest
from scipy import stats

from biomask.errors import ArgumentError
from biomask.networks.initializers import (
    checked_replicates,
    checked_seed,
    draw_edges,
    edge_uniforms,
    given_seed,
    name_hashes,
    replicate_seeds,
)

GENES = name_hashes([f"g{i}" for i in range(200)])
PATHWAYS = name_hashes([f"p{j}" for j in range(50)])
SOURCES, TARGETS = np.repeat(GENES, 50), np.tile(PATHWAYS, 200)  # 10,000 edges


def test_uniforms_are_uniform():
    draws = edge_uniforms(3, SOURCES, TARGETS)
    assert draws.min() > 0
    assert draws.max() < 1
    assert stats.kstest(draws, "uniform").pvalue > 0.01


@pytest.mark.parametrize("kind", ["same gene", "same pathway", "next seed"])
def test_uniforms_of_neighbours_are_unrelated(kind):
    square = edge_uniforms(3, SOURCES, TARGETS).reshape(200, 50)
    a, b = {
        "same gene": (square[:, 0], square[:, 1]),
        "same pathway": (square[0], square[1]),
        "next seed": (square.ravel(), edge_uniforms(4, SOURCES, TARGETS)),
    }[kind]
    assert stats.pearsonr(a, b).pvalue > 0.01


def test_each_gene_and_each_pathway_is_uniform_by_itself():
    square = edge_uniforms(3, SOURCES, TARGETS).reshape(200, 50)
    by_gene = [stats.kstest(row, "uniform").pvalue for row in square]
    by_pathway = [stats.kstest(column, "uniform").pvalue for column in square.T]
    assert stats.kstest(by_gene, "uniform").pvalue > 0.01  # p-values of true nulls are uniform
    assert stats.kstest(by_pathway, "uniform").pvalue > 0.01


def test_a_draw_belongs_to_its_names_not_to_its_place():
    order = np.random.default_rng(0).permutation(len(SOURCES))
    straight = edge_uniforms(5, SOURCES, TARGETS)
    np.testing.assert_array_equal(edge_uniforms(5, SOURCES[order], TARGETS[order]), straight[order])
    np.testing.assert_array_equal(edge_uniforms(5, SOURCES[:3], TARGETS[:3]), straight[:3])


def test_draws_are_the_same_on_every_machine_and_in_every_process():
    """Worked out with Python's integers from the SplitMix64 finalizer and BLAKE2b."""

    def word(name):
        return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")

    def mix(z):
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        return z ^ z >> 31

    z = mix(mix((word("TP53") + 11 * 0x9E3779B97F4A7C15) % 2**64) ^ word("Apoptosis"))
    found = edge_uniforms(11, name_hashes(["TP53"]), name_hashes(["Apoptosis"]))
    assert found[0] == ((z >> 11) + 0.5) / 2**53


def test_a_gene_and_a_pathway_of_the_same_name_are_not_exchangeable():
    a, b = name_hashes(["A", "B"])
    assert edge_uniforms(0, np.array([a]), np.array([b])) != edge_uniforms(
        0, np.array([b]), np.array([a])
    )


def test_negative_and_huge_seeds_are_accepted_and_differ():
    draws = [edge_uniforms(seed, SOURCES[:1], TARGETS[:1])[0] for seed in (-1, 0, 2**63, 2**64 - 2)]
    assert len(set(draws)) == 4


def _draw(initializer, seed=0, fan_in=60, fan_out=4):
    n = len(SOURCES)
    fans = np.full(n, fan_in), np.full(n, fan_out)
    return draw_edges(keras.initializers.get(initializer), seed, SOURCES, TARGETS, *fans)


@pytest.mark.parametrize(
    ("initializer", "variance"),
    [
        ("glorot_uniform", 2 / (60 + 4)),
        ("glorot_normal", 2 / (60 + 4)),
        ("he_uniform", 2 / 60),
        ("he_normal", 2 / 60),
        ("lecun_uniform", 1 / 60),
        ("lecun_normal", 1 / 60),
        (keras.initializers.VarianceScaling(3.0, "fan_out", "untruncated_normal"), 3 / 4),
        (keras.initializers.RandomNormal(0.5, 0.2), 0.04),
        (keras.initializers.TruncatedNormal(0.0, 0.2), 0.04 * 0.87962566**2),
        (keras.initializers.RandomUniform(-1.0, 3.0), 16 / 12),
    ],
    ids=str,
)
def test_variance_is_that_of_one_unit(initializer, variance):
    draws = _draw(initializer)
    assert draws.dtype == np.float32
    # the standard error of a variance over 10,000 draws is 1.4 % for a normal, less otherwise
    assert draws.var() == pytest.approx(variance, rel=0.05)


@pytest.mark.parametrize("name", ["glorot_uniform", "he_normal", "lecun_normal", "glorot_normal"])
def test_distribution_is_that_of_a_keras_dense_layer_of_the_unit(name):
    """A unit of 60 genes draws as `keras.layers.Dense` does on 60 inputs."""
    kind = type(keras.initializers.get(name))
    kernels = [kind(seed=seed)((60, 4)).numpy().ravel() for seed in range(20)]
    assert stats.ks_2samp(_draw(name), np.concatenate(kernels)).pvalue > 0.01


def test_keras_on_a_one_dimensional_kernel_would_start_far_too_small():
    """Why the fan is ours: for 10,000 edges Keras takes the fan-in of one unit to be 10,000."""
    naive = keras.initializers.HeNormal(seed=0)((10_000,)).numpy().std()
    assert _draw("he_normal").std() / naive == pytest.approx(np.sqrt(10_000 / 60), rel=0.05)


def test_fan_in_is_each_units_own():
    fan_in = np.where(np.arange(len(SOURCES)) < 5000, 10, 1000)
    draws = draw_edges(
        keras.initializers.HeNormal(), 0, SOURCES, TARGETS, fan_in, np.ones_like(fan_in)
    )
    assert draws[:5000].var() == pytest.approx(2 / 10, rel=0.07)
    assert draws[5000:].var() == pytest.approx(2 / 1000, rel=0.07)


@pytest.mark.parametrize(
    "initializer", ["glorot_uniform", "he_normal", "random_normal", "random_uniform"]
)
def test_drawn_by_name_and_by_seed(initializer):
    order = np.random.default_rng(0).permutation(len(SOURCES))
    initializer = keras.initializers.get(initializer)
    fans = np.full(len(SOURCES), 7), np.full(len(SOURCES), 3)
    straight = draw_edges(initializer, 5, SOURCES, TARGETS, *fans)
    shuffled = draw_edges(initializer, 5, SOURCES[order], TARGETS[order], *fans)
    np.testing.assert_array_equal(shuffled, straight[order])
    assert not np.array_equal(draw_edges(initializer, 6, SOURCES, TARGETS, *fans), straight)


def test_other_initializers_are_called_as_they_are():
    assert (_draw("zeros") == 0).all()
    assert (_draw(keras.initializers.Constant(0.25)) == 0.25).all()
    assert (_draw(lambda shape, dtype=None: np.full(shape, 2.0)) == 2).all()


def test_a_seeded_initializer_of_another_kind_follows_the_seed():
    @keras.saving.register_keras_serializable("tests")
    class Coin(keras.initializers.Initializer):
        def __init__(self, seed=None):
            self.seed = seed

        def __call__(self, shape, dtype=None):
            return np.random.default_rng(self.seed).integers(0, 2, shape)

        def get_config(self):
            return {"seed": self.seed}

    np.testing.assert_array_equal(_draw(Coin(), 3), np.random.default_rng(3).integers(0, 2, 10_000))


def test_the_seed_given_to_the_initializer_is_found():
    assert given_seed(keras.initializers.GlorotUniform(seed=3)) == 3
    assert given_seed(keras.initializers.GlorotUniform()) is None
    assert given_seed(keras.initializers.Zeros()) is None
    assert given_seed(lambda shape, dtype=None: None) is None


def test_seeds_of_replicates():
    assert replicate_seeds(7, None) == [7]
    assert replicate_seeds(7, 3) == [7, 8, 9]
    assert replicate_seeds([4, 1], 2) == [4, 1]
    keras.utils.set_random_seed(5)
    drawn = replicate_seeds(None, 2)
    assert drawn[1] == drawn[0] + 1
    assert replicate_seeds(None, 2) != drawn
    keras.utils.set_random_seed(5)
    assert replicate_seeds(None, 2) == drawn


def test_checked_seed():
    assert checked_seed(None, 3) is None
    assert checked_seed(np.int64(4), None) == 4
    assert checked_seed(np.array([1, 2]), 2) == [1, 2]
    assert checked_seed((5,), None) == [5]
    for wrong in (1.5, "7", [1, 2.5], ["a"]):
        with pytest.raises(ArgumentError, match="seed must be None, a whole number"):
            checked_seed(wrong, None)
    with pytest.raises(ArgumentError, match=r"one for each of 3 networks. Received: 2 seeds"):
        checked_seed([1, 2], 3)


def test_checked_replicates():
    assert checked_replicates(None) is None
    assert checked_replicates(np.int32(2)) == 2
    for wrong in (0, -1, 1.5, "2", True):
        with pytest.raises(ArgumentError, match="replicates must be None or a whole number"):
            checked_replicates(wrong)
