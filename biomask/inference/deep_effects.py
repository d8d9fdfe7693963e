"""Held-out ablation in a hierarchy: one unit, or one connection, of any level taken away.

Arrays in, arrays out. Units p are numbered in the order in which they are computed, and a linear
head reads them (with weight 0 those it does not read):

    h_p = activation(a_p),   a_p = sum_c w_cp h_c + b_p over what p reads (genes: x_g for h_c),
    z_c = sum_p v_pc h_p + bias_c.

Taking away unit p (held at its training mean) changes only p and what lies above it. The changes
are carried up one level at a time,

    delta_p = mean h_p - h_p,   delta_q = activation(a_q + sum_c w_cq delta_c) - activation(a_q),

over the pairs (p, q) with q above p, which are few; output c loses d_pc = -sum_q v_qc delta_q.
An edge held at the mean of its source starts with the change of the one unit that it feeds. The
losses after such a removal are in `biomask.inference.losses`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from biomask.inference import effects
from biomask.inference.activations import activation_function
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.mask import Mask
from biomask.masks.steps import unit_positions

PAIRS = 1 << 16  # (removal, unit) pairs at a time
COLUMNS = 1 << 22  # elements of a column of pairs, where all samples of a fold go together


class Wiring(NamedTuple):
    """Which unit reads what.

    Attributes
    ----------
    sources, targets : int arrays, shape (E,)
        Ends of every edge: a gene or, from `n_entry` on, a unit; and a unit.
    level : int array, shape (E,)
        Level of the target; edges are sorted by it, and those of level 0 come from genes.
    n_entry : int
        Number of edges from genes.
    n_units : int
        P.
    """

    sources: np.ndarray
    targets: np.ndarray
    level: np.ndarray
    n_entry: int
    n_units: int


class Step(NamedTuple):
    """How the changes of some pairs make those of the next: summed over groups, then activated."""

    pairs: np.ndarray
    edges: np.ndarray
    starts: np.ndarray


class Paths(NamedTuple):
    """All (removal, unit) pairs, the removals themselves first, and the steps that fill them."""

    removal: np.ndarray
    unit: np.ndarray
    steps: list[Step]


class Networks(NamedTuple):
    """R trained networks on n held-out samples.

    Attributes
    ----------
    a : float32 array, shape (n, R, P)
        Pre-activations of all units.
    means : float32 array, shape (R, P)
        Mean activation of every unit over the training samples.
    edges : float32 array, shape (E, R)
        Weight of every edge, in the order of the wiring.
    weights : float32 array, shape (R, P, C)
        Of the linear head.
    outputs : float32 array, shape (n, R, C)
        z: see `effects.linear_output`.
    activation : str or callable
    """

    a: np.ndarray
    means: np.ndarray
    edges: np.ndarray
    weights: np.ndarray
    outputs: np.ndarray
    activation: str | Callable[[np.ndarray], np.ndarray]


def wiring_of(mask: Mask | Hierarchy) -> Wiring:
    """The wiring of the network that `build_model` makes for a mask or a hierarchy."""
    sources, targets, level = unit_positions(mask)
    return Wiring(sources, targets, level, int((level == 0).sum()), mask.shape[1])


def unit_ablation(networks: Networks, wiring: Wiring, y: np.ndarray, task: str) -> np.ndarray:
    """Summed increase of the held-out loss when a unit is held at its training mean.

    Parameters
    ----------
    networks, wiring
    y, task
        As in `effects.pathway_ablation`.

    Returns
    -------
    float64 array, shape (R, P)
        As `effects.pathway_ablation`, one column a unit.
    """
    units = np.arange(wiring.n_units)
    return _ablation(networks, wiring, units, lambda k: _unit_start(networks, units[k]), y, task)


def edge_ablation(
    networks: Networks,
    wiring: Wiring,
    edges: np.ndarray,
    x: np.ndarray,
    gene_means: np.ndarray,
    y: np.ndarray,
    task: str,
) -> np.ndarray:
    """Summed increase of the held-out loss when the source of an edge is cut from its target.

    Parameters
    ----------
    networks, wiring
    edges : int array, shape (K,)
        Positions of the edges asked about.
    x : float array, shape (n, G)
        The input of the samples, as the networks saw it (scaled).
    gene_means : float array, shape (G,)
        Mean of every gene over the training samples, on the scale of `x`.
    y, task
        As in `effects.pathway_ablation`.

    Returns
    -------
    float64 array, shape (R, K)
    """
    centred = (x - gene_means).astype(np.float32)
    total = np.empty((networks.a.shape[1], len(edges)))
    for inside in (edges < wiring.n_entry, edges >= wiring.n_entry):
        part = edges[inside]
        from_genes = centred if len(part) and part[0] < wiring.n_entry else None

        def start(k, part=part, from_genes=from_genes):
            return _edge_start(networks, wiring, part[k], from_genes)

        total[:, inside] = _ablation(networks, wiring, wiring.targets[part], start, y, task)
    return total


def contributions(networks: Networks, wiring: Wiring) -> np.ndarray:
    """What each unit adds to each output beyond its training mean, on all ways, (n, R, P, C)."""
    units = np.arange(wiring.n_units)
    removed = _removal(networks, paths(wiring, units), wiring, _unit_start(networks, units))
    n, n_replicates, n_units = networks.a.shape
    out = np.empty((n, n_replicates, n_units, networks.weights.shape[2]), np.float32)
    step = max(1, effects.BLOCK // n_units)
    for r in range(n_replicates):
        for i in range(0, n, step):
            block = removed(slice(i, i + step), slice(r, r + 1))
            out[i : i + step, r : r + 1] = block.reshape(*block.shape[:3], -1)
    return out


def paths(wiring: Wiring, starts: np.ndarray) -> Paths:
    """Everything above the units where removals start.

    Parameters
    ----------
    starts : int array, shape (K,)
        The unit that each removal changes first.
    """
    removal, unit, steps = np.arange(len(starts)), np.asarray(starts), []
    for level in range(1, int(wiring.level.max()) + 1):
        edges = np.flatnonzero(wiring.level == level)
        edges = edges[np.argsort(wiring.sources[edges], kind="stable")]
        ends = np.searchsorted(wiring.sources[edges], np.arange(wiring.n_units + 1))
        counts = np.diff(ends)[unit]  # how many parents each pair's unit has at this level
        pairs = np.repeat(np.arange(len(unit)), counts)
        first = np.repeat(ends[unit] - np.cumsum(counts) + counts, counts)
        used = edges[first + np.arange(len(pairs))]
        key = removal[pairs] * wiring.n_units + wiring.targets[used]
        order = np.argsort(key, kind="stable")
        found, begin = np.unique(key[order], return_index=True)
        steps.append(Step(pairs[order], used[order], begin))
        removal = np.append(removal, found // wiring.n_units)
        unit = np.append(unit, found % wiring.n_units)
    return Paths(removal, unit, steps)


class Part(NamedTuple):
    """Some samples and networks, and what their units are."""

    rows: slice
    reps: slice
    a: np.ndarray
    h: np.ndarray


Start = Callable[[Part], np.ndarray]  # the first change of each removal, (rows, reps, K)


def _unit_start(networks: Networks, units: np.ndarray) -> Start:
    return lambda part: networks.means[part.reps][:, units] - np.take(part.h, units, axis=2)


def _edge_start(
    networks: Networks, wiring: Wiring, edges: np.ndarray, centred: np.ndarray | None
) -> Start:
    """`centred`: the genes without their training mean, (n, G); None for edges from units."""
    function = activation_function(networks.activation)
    sources, targets = wiring.sources[edges], wiring.targets[edges]
    kernel = np.ascontiguousarray(networks.edges[edges].T)  # (R, K)

    def start(part: Part) -> np.ndarray:
        if centred is None:
            moved = np.take(part.h, sources, axis=2) - networks.means[part.reps][:, sources]
        else:
            moved = centred[part.rows][:, None, sources]
        after = np.take(part.a, targets, axis=2) - moved * kernel[part.reps]
        return function(after) - np.take(part.h, targets, axis=2)

    return start


def _ablation(
    networks: Networks,
    wiring: Wiring,
    starts: np.ndarray,
    start_of: Callable[[slice], Start],
    y: np.ndarray,
    task: str,
) -> np.ndarray:
    """Change of the loss for every removal, (R, K), some removals at a time."""
    n_outputs = networks.weights.shape[2]
    total = np.zeros((networks.a.shape[1], len(starts)))
    limit = COLUMNS // len(networks.a) if task == "survival" else PAIRS
    for part in _parts(wiring, starts, limit):
        removed = _removal(networks, paths(wiring, starts[part]), wiring, start_of(part))
        ones = np.ones((len(total), part.stop - part.start, n_outputs), np.float32)
        total[:, part] = effects.ablate(removed, networks.outputs, ones, y, task)
    return total


def _removal(
    networks: Networks, found: Paths, wiring: Wiring, start: Start
) -> Callable[[slice, slice], np.ndarray]:
    """d of every removal and output: (rows, reps, K), or (rows, reps, K, C) for classes."""
    function = activation_function(networks.activation)
    kernel = np.ascontiguousarray(networks.edges.T)
    by_removal = np.argsort(found.removal, kind="stable")
    begin = np.searchsorted(found.removal[by_removal], np.arange(found.removal.max() + 1))
    heads = np.ascontiguousarray(np.moveaxis(networks.weights, 2, 0)[:, :, found.unit[by_removal]])
    alone = len(begin) == len(found.removal)

    def removed(rows: slice, reps: slice) -> np.ndarray:
        a = networks.a[rows, reps]
        part = Part(rows, reps, a, function(a))
        delta = np.empty((*a.shape[:2], len(found.unit)), np.float32)
        first = start(part)
        stop = first.shape[2]
        delta[..., :stop] = first
        for step in found.steps:
            change = np.take(delta, step.pairs, axis=2) * kernel[reps][:, step.edges]
            if len(step.starts) < len(step.pairs):
                change = np.add.reduceat(change, step.starts, axis=2)
            here = slice(stop, stop + len(step.starts))
            change += np.take(a, found.unit[here], axis=2)
            np.subtract(
                function(change), np.take(part.h, found.unit[here], axis=2), delta[..., here]
            )
            stop = here.stop
        delta = np.take(delta, by_removal, axis=2)
        lost = [delta * -head[reps] for head in heads]
        if not alone:
            lost = [np.add.reduceat(part, begin, axis=2) for part in lost]
        return lost[0] if len(lost) == 1 else np.stack(lost, axis=-1)

    return removed


def _parts(wiring: Wiring, starts: np.ndarray, limit: int) -> Iterator[slice]:
    """Slices of removals that together reach about `limit` units."""
    every = paths(wiring, np.arange(wiring.n_units))
    reached = np.cumsum(np.bincount(every.removal)[starts])
    first = 0
    while first < len(starts):
        before = reached[first - 1] if first else 0
        stop = max(first + 1, int(np.searchsorted(reached, before + limit, side="right")))
        yield slice(first, stop)
        first = stop
