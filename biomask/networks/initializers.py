"""Initial weights that belong to names: the same edge starts the same wherever it stands.

A weight is drawn from a hash of (seed, source name, target name), so that permuting the genes or
the pathways of a mask gives the same network, and replicate r of many equals the network trained
alone with replicate r's seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from keras import initializers
from scipy.special import ndtr, ndtri

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
    initializer: initializers.Initializer,
    seed: int,
    sources: np.ndarray,
    targets: np.ndarray,
    fan_in: np.ndarray,
    fan_out: np.ndarray,
) -> np.ndarray:
    """Initial weights of the edges of one network, float32, shape (n_edges,).

    Variance scaling (Glorot & Bengio 2010, He et al. 2015, and their like) uses the fan of each
    edge's own unit: Keras would take all edges for the fan-in of one unit and start them many
    times too small. Any other initializer is called as it is, with this seed.

    Parameters
    ----------
    initializer : keras Initializer
    seed : int
    sources, targets : uint64 arrays, shape (n_edges,)
        From `name_hashes`.
    fan_in, fan_out : arrays, shape (n_edges,)
        Inputs of the edge's target, outputs of its source.
    """
    if not isinstance(initializer, initializers.VarianceScaling):
        config = initializer.get_config()
        if "seed" in config:
            initializer = type(initializer).from_config({**config, "seed": seed})
        return np.asarray(initializer((len(sources),), dtype="float32"))
    fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
    sd = np.sqrt(initializer.scale / np.maximum(fan[initializer.mode], 1.0))
    uniform = edge_uniforms(seed, sources, targets)
    if initializer.distribution == "uniform":
        standard = np.sqrt(3.0) * (2 * uniform - 1)
    elif initializer.distribution == "untruncated_normal":
        standard = ndtri(uniform)
    else:
        low, high = ndtr(-2.0), ndtr(2.0)
        standard = ndtri(low + uniform * (high - low)) / _TRUNCATED_SD
    return (sd * standard).astype(np.float32)
