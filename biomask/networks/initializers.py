"""Initial weights that belong to names: the same edge starts the same wherever it stands.

A weight is drawn from a hash of (seed, source name, target name), so that permuting the genes or
the pathways of a mask gives the same network, and replicate r of many equals the network trained
alone with replicate r's seed.
"""

from __future__ import annotations

import hashlib
import numbers
import random
from collections.abc import Callable, Sequence

import numpy as np
from keras import initializers
from scipy.special import ndtr, ndtri

from biomask.errors import ArgumentError

_TRUNCATED_SD = 0.87962566103423978  # of a standard normal cut at -2 and 2


def edge_uniforms(seed: int, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """One uniform number in (0, 1) for each edge.

    Parameters
    ----------
    seed : int
    sources, targets : uint64 arrays, shape (n_edges,)
        Hashes of the names at both ends (`name_hashes`).
    """
    with np.errstate(over="ignore"):
        z = _mix(sources + np.uint64(seed % 2**64) * np.uint64(0x9E3779B97F4A7C15))
        z = _mix(z ^ targets)
    return ((z >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def _mix(z: np.ndarray) -> np.ndarray:
    """The finalizer of SplitMix64 (Steele, Lea & Flood 2014, OOPSLA, figure 13)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def name_hashes(names: Sequence[str]) -> np.ndarray:
    """64 bits of BLAKE2b of each name, uint64, shape (n_names,)."""
    digests = b"".join(
        hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for name in names
    )
    return np.frombuffer(digests, "<u8").astype(np.uint64)


def draw_edges(
    initializer: initializers.Initializer | Callable,
    seed: int,
    sources: np.ndarray,
    targets: np.ndarray,
    fan_in: np.ndarray,
    fan_out: np.ndarray,
) -> np.ndarray:
    """Initial weights of the edges of one network, float32, shape (n_edges,).

    Keras' variance-scaling, uniform and normal initializers are drawn by name. Variance scaling
    (Glorot & Bengio 2010, He et al. 2015, and their like) uses the fan of each edge's own unit:
    Keras would take all edges for the fan-in of one unit and start them many times too small. Any
    other initializer is called as it is, with this seed.

    Parameters
    ----------
    initializer : keras Initializer or callable of a shape
    seed : int
    sources, targets : uint64 arrays, shape (n_edges,)
        From `name_hashes`.
    fan_in, fan_out : arrays, shape (n_edges,)
        Inputs of the edge's target, outputs of its source.
    """
    uniform = edge_uniforms(seed, sources, targets)
    if isinstance(initializer, initializers.VarianceScaling):
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        sd = np.sqrt(initializer.scale / np.maximum(fan[initializer.mode], 1.0))
        weights = sd * _UNIT_VARIANCE[initializer.distribution](uniform)
    elif isinstance(initializer, initializers.RandomUniform):
        weights = initializer.minval + (initializer.maxval - initializer.minval) * uniform
    elif isinstance(initializer, initializers.RandomNormal):
        weights = initializer.mean + initializer.stddev * ndtri(uniform)
    elif isinstance(initializer, initializers.TruncatedNormal):
        weights = initializer.mean + initializer.stddev * _truncated_normal(uniform)
    else:
        weights = np.asarray(_reseeded(initializer, seed)((len(sources),), dtype="float32"))
    return weights.astype(np.float32)


def _truncated_normal(uniform: np.ndarray) -> np.ndarray:
    low, high = ndtr(-2.0), ndtr(2.0)
    return ndtri(low + uniform * (high - low))


_UNIT_VARIANCE = {
    "uniform": lambda uniform: np.sqrt(3.0) * (2 * uniform - 1),
    "untruncated_normal": ndtri,
    "truncated_normal": lambda uniform: _truncated_normal(uniform) / _TRUNCATED_SD,
}


def _reseeded(initializer, seed: int):
    config = _config(initializer)
    if "seed" not in config:
        return initializer
    return type(initializer).from_config({**config, "seed": seed})


def _config(initializer) -> dict:
    return initializer.get_config() if isinstance(initializer, initializers.Initializer) else {}


def given_seed(initializer) -> int | None:
    """The seed that the user gave to the initializer itself, such as ``GlorotUniform(seed=3)``."""
    seed = _config(initializer).get("seed")
    return seed if isinstance(seed, int) else None


def checked_replicates(replicates) -> int | None:
    """None, or a number of networks.

    Raises
    ------
    ArgumentError
        It is neither.
    """
    whole = isinstance(replicates, numbers.Integral) and not isinstance(replicates, bool)
    if replicates is not None and not (whole and replicates >= 1):
        raise ArgumentError(
            f"replicates must be None or a whole number of at least 1. "
            f"Received: replicates={replicates!r}",
            code="E-ARGUMENT",
        )
    return None if replicates is None else int(replicates)


def checked_seed(seed, replicates: int | None) -> int | list[int] | None:
    """The seed as it is kept: None, a number, or one number for each network.

    Raises
    ------
    ArgumentError
        It is none of these.
    """
    many = isinstance(seed, Sequence | np.ndarray) and not isinstance(seed, str)
    seeds = list(seed) if many else [] if seed is None else [seed]
    if not all(isinstance(s, numbers.Integral) for s in seeds):
        raise ArgumentError(
            f"seed must be None, a whole number or a sequence of them. Received: seed={seed!r}",
            code="E-ARGUMENT",
        )
    if many and len(seeds) != (replicates or 1):
        raise ArgumentError(
            f"seed must be one number, or one for each of {replicates or 1} networks. "
            f"Received: {len(seeds)} seeds",
            code="E-ARGUMENT",
        )
    return [int(s) for s in seeds] if many else None if seed is None else int(seed)


def replicate_seeds(seed: int | list[int] | None, replicates: int | None) -> list[int]:
    """One seed for each network; without any, drawn where Keras draws its own."""
    if isinstance(seed, list):
        return seed
    # A seed of initial weights is no secret; `random` is what keras' set_random_seed sets.
    start = random.randint(1, 10**9) if seed is None else seed  # nosec B311
    return [start + r for r in range(replicates or 1)]
