"""Random membership with exact degrees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def curveball(
    members: Sequence[np.ndarray], trades: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Shuffle members between sets; every set's size and every member's count stay exact.

    One trade picks two sets and deals the members that only one of them has out again at random,
    each set getting back as many as it gave. Strona et al. 2014, Nature Communications 5:4114.

    Parameters
    ----------
    members : sequence of integer arrays
        The members of each set, without repeats.
    trades : int
        Number of trades.
    rng : numpy Generator

    Returns
    -------
    list of sorted integer arrays, as long as `members`.
    """
    sets = [np.sort(piece).astype(np.int32) for piece in members]
    if len(sets) > 1:
        first = rng.integers(len(sets), size=trades)
        second = (first + rng.integers(1, len(sets), size=trades)) % len(sets)  # never the same
        for a, b in zip(first.tolist(), second.tolist(), strict=True):
            sets[a], sets[b] = _traded(sets[a], sets[b], rng)
    return [np.sort(piece) for piece in sets]


def _traded(
    a: np.ndarray, b: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    both = np.sort(np.concatenate([a, b]))
    repeated = both[1:] == both[:-1]
    once = np.ones(len(both), dtype=bool)
    once[1:] &= ~repeated
    once[:-1] &= ~repeated
    shared, pool = both[1:][repeated], both[once]
    rng.shuffle(pool)
    own = len(a) - len(shared)
    return np.concatenate([shared, pool[:own]]), np.concatenate([shared, pool[own:]])
