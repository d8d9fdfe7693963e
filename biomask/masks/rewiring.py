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
    sets = [set(piece.tolist()) for piece in members]
    if len(sets) > 1:
        for _ in range(trades):
            a, b = rng.choice(len(sets), 2, replace=False)
            only_a, only_b = sets[a] - sets[b], sets[b] - sets[a]
            if only_a and only_b:
                pool = np.array(sorted(only_a) + sorted(only_b))
                rng.shuffle(pool)
                dealt = set(pool[: len(only_a)].tolist())
                sets[a] = (sets[a] - only_a) | dealt
                sets[b] = (sets[b] - only_b) | (set(pool.tolist()) - dealt)
    return [np.array(sorted(piece), dtype=np.int32) for piece in sets]
