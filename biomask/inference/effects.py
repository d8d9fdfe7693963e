"""Held-out ablation: how much worse a trained network predicts without one pathway or one edge.

Arrays in, arrays out. Networks that share the mask are trained side by side, so every array has a
replicate axis of length R. One hidden masked layer and a linear head are assumed,

    h_p = activation(a_p),   a_p = sum_g w_gp x_g + b_p,   z_c = sum_p v_pc h_p + bias_c,

for which ablation is exact and needs no second pass through the network: unit p held at its
training mean takes d_pc = v_pc (h_p - mean h_p) away from output c, and edge g -> p held at the
training mean of gene g takes d = v_pc [activation(a_p) - activation(a_p - w_gp (x_g - mean x_g))].
The losses after such a removal are in `biomask.inference.losses`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from biomask.errors import ArgumentError
from biomask.inference import losses
from biomask.inference.activations import activation_function
from biomask.masks.mask import Mask
from biomask.masks.rows import Rows, batches

BLOCK = 1 << 16  # elements of one temporary: a few of them stay in a core's cache


def pathway_ablation(
    h: np.ndarray,
    means: np.ndarray,
    weights: np.ndarray,
    bias: np.ndarray,
    y: np.ndarray,
    task: str,
) -> np.ndarray:
    """Summed increase of the held-out loss when a pathway is held at its training mean.

    Parameters
    ----------
    h : float array, shape (n, R, P)
        Activations of the hidden layer on held-out samples.
    means : float array, shape (R, P)
        Mean activation of every unit over the training samples.
    weights, bias : float arrays, shapes (R, P, C) and (R, C)
        The linear head. C is 1, or the number of classes when `task` is "multiclass". A bias of
        shape (n, R, C) is what each sample has beside its pathways, such as its covariates.
    y : array
        Held-out labels, shape (n,) shared by all replicates or (n, R) one vector each: 0/1
        ("binary"), class number ("multiclass"), value ("regression"). For "survival" a last axis
        of length 2 holds time and event (1 seen, 0 censored).
    task : "binary", "multiclass", "regression" or "survival"

    Returns
    -------
    float64 array, shape (R, P)
        Sum over the n samples of loss(ablated) - loss(full): log-loss, squared error, or negative
        log partial likelihood (natural logarithms). Positive: the pathway helps. Sums, so that
        chunks of samples can be added; a survival fold must come in one piece, because a sample's
        risk set is the fold. Divide by n, or see `mean_effects`.

    Raises
    ------
    ArgumentError
        Shapes do not fit each other, or the task is unknown.
    DataError
        The labels are not what the task needs.
    """
    h, means, weights, bias = _as_float32(h, means, weights, bias)
    _check_shapes(h.shape, {"means": means, "weights": weights, "bias": bias}, task)

    def removed(rows: slice, reps: slice) -> np.ndarray:
        return h[rows, reps] - means[reps]

    return ablate(removed, linear_output(h, weights, bias), weights, y, task)


def edge_ablation(
    a: np.ndarray,
    x: np.ndarray,
    gene_means: np.ndarray,
    edge_weights: np.ndarray,
    edges: tuple[np.ndarray, np.ndarray],
    weights: np.ndarray,
    outputs: np.ndarray,
    y: np.ndarray,
    task: str,
    activation: str | Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Summed increase of the held-out loss when a gene is cut from one pathway.

    Parameters
    ----------
    a : float array, shape (n, R, P)
        Pre-activations on held-out samples, of all pathways or of those asked about.
    x : float array, shape (n, G)
        The input of those samples, as the network saw it (scaled).
    gene_means : float array, shape (G,)
        Mean of every gene over the training samples, on the scale of `x`.
    edge_weights : float array, shape (E, R)
        Kernel values of the edges asked about.
    edges : (int array, int array), both of shape (E,)
        Gene position in `x` and pathway position in `a` of those edges.
    weights : float array, shape (R, P, C)
        Of the linear head.
    outputs : float array, shape (n, R, C)
        What the whole network gives: see `linear_output`.
    y, task
        As in `pathway_ablation`.
    activation : str or callable
        Of the hidden layer; see `biomask.inference.activations`.

    Returns
    -------
    float64 array, shape (R, E)
        As `pathway_ablation`, one column an edge.
    """
    function = activation_function(activation)
    a, x, gene_means, edge_weights, weights, outputs = _as_float32(
        a, x, gene_means, edge_weights, weights, outputs
    )
    _check_shapes(a.shape, {"weights": weights, "outputs": outputs}, task)
    genes, pathways = edges
    centred = (x - gene_means)[:, genes]  # (n, E)
    kernel = np.ascontiguousarray(edge_weights.T)  # (R, E)

    def removed(rows: slice, reps: slice) -> np.ndarray:
        before = np.take(a[rows, reps], pathways, axis=2)
        after = before - centred[rows, None, :] * kernel[reps]
        return function(before) - function(after)

    return ablate(removed, outputs, weights[:, pathways], y, task)


def linear_output(h: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """z = h v + bias for every replicate: (n, R, P), (R, P, C), ([n, ]R, C) -> (n, R, C)."""
    by_class = np.ascontiguousarray(np.moveaxis(weights, 2, 0))  # (C, R, P)
    return np.stack([np.einsum("nrp,rp->nr", h, v) for v in by_class], axis=-1) + bias


def mean_effects(
    sums: Sequence[np.ndarray], counts: Sequence[int], members: np.ndarray
) -> np.ndarray:
    """T: fold sums -> mean over all samples of the mean over the replicates of a group.

    Every sample is held out in exactly one fold and counts once, whatever the size of its fold.

    Parameters
    ----------
    sums : sequence over folds of float arrays, each (R, P)
        What `pathway_ablation` or `edge_ablation` returned.
    counts : sequence of int
        Held-out samples of each fold.
    members : int array, shape (R,)
        Group of each replicate, 0, 1, ...: its label vector for T_b, its seed for T per seed.

    Returns
    -------
    float64 array, shape (number of groups, P)
    """
    total = np.sum(sums, axis=0) / np.sum(counts)
    members = np.asarray(members)
    out = np.zeros((members.max() + 1, total.shape[1]))
    np.add.at(out, members, total)
    return out / np.bincount(members)[:, None]


def pathway_means(x: np.ndarray | Rows, mask: Mask) -> np.ndarray:
    """Mean over a pathway's genes, inhibiting genes (negative edge) with their sign turned.

    Parameters
    ----------
    x : float array or Rows, shape (n, genes)
        Scaled expression, columns in the order of `mask.genes`.

    Returns
    -------
    float64 array, shape (n, pathways)
    """
    if isinstance(x, Rows):
        means = np.empty((len(x), mask.shape[1]))
        for where, values in batches(x):
            means[where] = pathway_means(values, mask)
        return means
    signs = mask.to_scipy().astype(np.float64)
    signs.data = np.sign(signs.data)
    return np.asarray(x, dtype=np.float64) @ signs / np.maximum(mask.sizes().to_numpy(), 1)


def direction(
    h: np.ndarray, weights: np.ndarray, y: np.ndarray, task: str, reference: np.ndarray
) -> np.ndarray:
    """Signed effect, for display: which way the outcome goes when the pathway's genes go up.

    The product v_p h_p does not change when a unit and its head weight both change sign, so on its
    own it says only how much the unit contributes. A trained unit may point either way, and seeds
    differ in that; each unit is therefore first turned so that it rises with `reference`, the mean
    expression of its genes: o_p = sign cov(h_p, reference_p). What is reported is

        |v_p| o_p sum_i c_i h_ip

    with weights c_i that make the sum the difference of means between class 1 and class 0
    ("binary"), between class c and the other classes ("multiclass", v_p centred over classes), the
    covariance with y ("regression"), or with the martingale residual event - cumulative hazard
    ("survival": positive is higher risk). Turned units may be averaged over seeds.

    Parameters
    ----------
    h, weights, y, task
        As in `pathway_ablation`.
    reference : float array, shape (n, P)
        `pathway_means` of the same samples.

    Returns
    -------
    float64 array, shape (R, P); (R, P, C) when `task` is "multiclass"
        On the scale of the output (log-odds for "binary"). NaN when a class has no sample.
    """
    h, weights = _as_float32(h, weights)
    labels = losses.check_labels(y, h.shape[:2], weights.shape[2], task)
    centred = (reference - reference.mean(axis=0)).astype(np.float32)
    orientation = np.sign(np.einsum("nrp,np->rp", h, centred))
    if task == "multiclass":
        size = np.abs(weights - weights.mean(axis=2, keepdims=True))
        contrast = losses.class_contrasts(labels, weights.shape[2])  # (n, R, C)
        change = np.stack(
            [np.einsum("nrp,nr->rp", h, c) for c in np.moveaxis(contrast, 2, 0)], axis=-1
        )
        return orientation[:, :, None] * size * change
    change = np.einsum("nrp,nr->rp", h, losses.contrast(labels, task))
    return orientation * np.abs(weights[:, :, 0]) * change


def ablate(removed, outputs: np.ndarray, weights: np.ndarray, y, task: str) -> np.ndarray:
    """Sum the change of the loss block by block, float64, (R, K).

    `removed(rows, reps)` is `drop` of `biomask.inference.losses`: (rows, reps, K[, C]).
    """
    n, n_replicates, n_outputs = outputs.shape
    labels = losses.check_labels(y, (n, n_replicates), n_outputs, task)
    change = losses.CHANGES[task]
    width = weights.shape[1]
    total = np.zeros((n_replicates, width))

    def add_up(reps: slice, rows_a_block: int) -> None:
        for i in range(0, n, rows_a_block):
            rows = slice(i, i + rows_a_block)
            with np.errstate(over="ignore", invalid="ignore"):  # of this thread
                block = change(
                    removed(rows, reps), weights[reps], outputs[rows, reps], labels[rows, reps]
                )
            total[reps] += block.sum(axis=0, dtype=np.float64)

    slices = _blocks(n, n_replicates, width, whole_column=task == "survival")
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # NumPy lets go of the interpreter
        list(threads.map(add_up, *zip(*slices, strict=True)))
    for r in np.flatnonzero(~np.isfinite(total).all(axis=1)):
        total[r] = _ablate_in_float64(removed, outputs, weights, labels, task, int(r))
    return total


def _ablate_in_float64(removed, outputs, weights, labels, task: str, r: int) -> np.ndarray:
    """One replicate again, where exp(d) left the range of float32 (|d| > 88)."""
    rows, one = slice(None), slice(r, r + 1)
    change = losses.EXACT.get(task, losses.CHANGES[task])
    v, z = weights[one].astype(np.float64), outputs[:, one].astype(np.float64)
    drop = removed(rows, one).astype(np.float64)
    step = max(1, BLOCK // len(z))
    pieces = [
        change(drop[:, :, k : k + step], v[:, k : k + step], z, labels[:, one]).sum(axis=0)
        for k in range(0, drop.shape[2], step)
    ]
    return np.concatenate(pieces, axis=1)[0]


def _blocks(
    n: int, n_replicates: int, width: int, whole_column: bool
) -> Iterator[tuple[slice, int]]:
    """Slices of replicates, and how many samples at a time make temporaries of about BLOCK."""
    smallest = n * width if whole_column else width
    reps = min(n_replicates, max(1, BLOCK // max(1, smallest)))
    rows = n if whole_column else max(1, BLOCK // max(1, reps * width))
    for r in range(0, n_replicates, reps):
        yield slice(r, r + reps), rows


def _as_float32(*arrays: np.ndarray) -> list[np.ndarray]:
    return [np.asarray(array, dtype=np.float32) for array in arrays]


def _check_shapes(shape: tuple[int, ...], arrays: dict[str, np.ndarray], task: str) -> None:
    if task not in losses.CHANGES:
        raise ArgumentError(
            f"ablation knows no task {task!r}",
            code="E-TASK",
            hint=f"Use one of {', '.join(losses.CHANGES)}.",
        )
    n_outputs = arrays["weights"].shape[-1] if task == "multiclass" else 1
    sizes = (*shape[1:], n_outputs)  # replicates, pathways, outputs
    wanted = {
        "means": sizes[:2],
        "weights": sizes,
        "bias": sizes[::2],
        "outputs": (shape[0], *sizes[::2]),
    }
    if "bias" in arrays and arrays["bias"].ndim == 3:
        wanted["bias"] = wanted["outputs"]
    if len(shape) != 3 or any(array.shape != wanted[name] for name, array in arrays.items()):
        received = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ArgumentError(
            f"shapes do not fit: activations {shape}, {received}",
            code="E-SHAPE",
            hint="Expected activations (samples, replicates, pathways), means (replicates, "
            "pathways), weights (replicates, pathways, outputs), bias (replicates, outputs), "
            "outputs (samples, replicates, outputs); outputs is 1 unless the task is multiclass.",
        )
