"""The cross-fit of autoencoders: do two groups differ in the held-out activity of a pathway?

No network sees a label. Permuting the labels therefore changes no network, and folds x seeds of
them serve every label vector.

Of fold f and seed k, the latent variable h_p is turned to rise with the mean expression of the
pathway's genes and standardised, both by the training samples; a_ip is its mean over seeds for the
held-out sample i. With group means m, over all samples, each held out once,

    d_p = (m_1p - m_0p) / s_p,   s_p^2 = sum_i (a_ip - mean of i's group)^2 / (n - 2),   T_p = |d_p|

(Cohen 1988, Statistical power analysis, equations 2.2.1 and 2.5.1). The sign of d is the direction.
T is not taken in each fold and then averaged: its absolute value would hide in the noise of a few
samples, and a fold may lack a group.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from biomask.inference.assembly import (
    activity_table,
    by_sample,
    fold_column,
    no_edges,
    pathway_table,
    shared_notes,
    stability_of,
)
from biomask.inference.block_trainer import BlockTrainer, in_batches
from biomask.inference.blocks import Block, Plan, Trained, block_seed, split, trainer_of
from biomask.inference.effects import pathway_means
from biomask.inference.labels import Samples
from biomask.inference.study import Study
from biomask.networks.replicates import LOSS_OF_TASK, per_replicate

TASK = "autoencoder"
SWITCHED_OFF = 1e-6  # deviation below which a latent variable does nothing: its activity is 0
NOTES = (
    "effects and p-values are of differences in held-out latent activity between two groups, not "
    "of a prediction: the networks never saw a group, and a pathway that shares genes with one "
    "that differs may differ with it",
    "no edges are tested: a latent variable is one number, and what each gene adds to it follows "
    "from weights that many networks choose differently",
)


def latent_block(plan: Plan, block: Block) -> Trained:
    """Train the networks of one fold, and what they make of its held-out samples."""
    part = split(plan, block.fold)
    trainer = trainer_of(plan.mask, plan.settings, len(plan.seeds))
    fitted, watched = part.X[part.fitted], part.X[part.watched]
    steps = trainer.fit(
        (fitted, fitted),
        (watched, watched),
        plan.seeds,
        block_seed(plan.random_state, 2, block.fold, block.first),
    )
    held = part.X[part.held_out]
    mean, sd, turn = training_moments(trainer, part.X[part.training], plan)
    scale = np.where(sd < SWITCHED_OFF, np.inf, sd)
    arrays = {
        "activity": (turn * (trainer.activations(held) - mean) / scale).astype(np.float32),
        "squared_error": in_batches(lambda x: _squared_error(trainer, x), held),
        "size": (held.astype(np.float64) ** 2).mean(axis=1),  # the error of the training means
        "steps": steps.astype(np.int64),
    }
    return Trained(arrays)


def _squared_error(trainer: BlockTrainer, x):
    return per_replicate(LOSS_OF_TASK[TASK], x, trainer.model(x, training=False))


def training_moments(
    trainer: BlockTrainer, X: np.ndarray, plan: Plan
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, deviation and turn of every latent variable over the samples, float64, (R, P).

    The turn is the sign of the covariance with the mean expression of the pathway's genes.
    """
    n, total, squares, product = len(X), 0.0, 0.0, 0.0
    reference = pathway_means(X, plan.mask)
    reference -= reference.mean(axis=0)
    for i in range(0, n, 128):
        h = trainer.activations(X[i : i + 128]).astype(np.float64)
        total = total + h.sum(axis=0)
        squares = squares + (h**2).sum(axis=0)
        product = product + np.einsum("nrp,np->rp", h, reference[i : i + 128])
    mean = total / n
    return mean, np.sqrt(np.maximum(squares / n - mean**2, 0)), np.sign(product)


def standardised_difference(activity: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """d of every pathway for every label vector.

    Parameters
    ----------
    activity : float array, shape (n, P)
    labels : array of 0 and 1, shape (B + 1, n)

    Returns
    -------
    float64 array, shape (B + 1, P)
        Class 1 minus class 0, in pooled standard deviations within classes; 0 where the activity
        is constant, NaN where a class is empty.
    """
    a = activity.astype(np.float64)
    a -= a.mean(axis=0)
    labels = labels.astype(np.float64)
    n = len(a)
    ones = labels.sum(axis=1, keepdims=True)
    zeros = n - ones
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = labels @ a * n / (ones * zeros)  # the activity sums to 0
    whole = (a**2).sum(axis=0)
    within = np.maximum(whole - difference**2 * ones * zeros / n, 1e-12 * whole)
    sd = np.sqrt(within / max(n - 2, 1))
    return difference / np.where(whole > 0, sd, 1.0)


def assemble_latent(
    plan: Plan, samples: Samples, blocks: list[dict], facts: dict, pathways: pd.Index
) -> Study:
    """The tables of a study of autoencoders; see `biomask.inference.assembly.assemble`."""
    every = np.empty((len(plan.X), len(plan.seeds), plan.mask.shape[1]), np.float32)
    for held, arrays in zip(plan.held_out, blocks, strict=True):
        every[held] = arrays["activity"]
    signed = standardised_difference(every.mean(axis=1), plan.vectors)
    by_seed = _of_each_seed(every, plan.labels)
    each = _in_each_fold(plan, every)
    rows = each if len(each) == len(plan.held_out) else each[:0]  # as in scores, or none
    if not len(each):  # no fold holds out both groups
        each = by_seed[None]
    by_seed, each = np.abs(by_seed), np.abs(each)
    table = pathway_table(plan.mask, np.abs(signed), each, {"direction": signed[0]})
    stability = stability_of(by_seed, each.mean(axis=1), each)
    null = pd.DataFrame(np.abs(signed[1:]), columns=plan.mask.pathways)
    null.index.name = "permutation"
    error = [arrays["squared_error"].mean(axis=1).astype(np.float64)[:, None] for arrays in blocks]
    predictions = by_sample(plan, samples, error, ["squared_error"])
    predictions.insert(0, "y", samples.y)
    predictions.insert(1, "fold", fold_column(plan))
    means = (every[held].mean(axis=1) for held in plan.held_out)
    return Study(
        mask=plan.mask,
        pathways=table,
        edges=no_edges(),
        scores=_scores(blocks),
        stability=stability,
        null=null,
        predictions=predictions,
        activity=activity_table(plan, samples, means, pathways),
        settings=facts,
        notes=[*shared_notes(table, null, stability, facts), *NOTES],
        effects=pd.DataFrame(
            np.abs(rows).reshape(-1, plan.mask.shape[1]), columns=plan.mask.pathways
        ),
    )


def _in_each_fold(plan: Plan, activity: np.ndarray) -> np.ndarray:
    """d of the real labels in every fold that holds out both groups, (folds, seeds, P)."""
    found = []
    for held in plan.held_out:
        y = plan.labels[held]
        if len(np.unique(y)) == 2:
            found.append(_of_each_seed(activity[held], y))
    return np.array(found).reshape(-1, *activity.shape[1:])


def _of_each_seed(activity: np.ndarray, y: np.ndarray) -> np.ndarray:
    """d of one label vector by every seed's activity (n, seeds, P), shape (seeds, P)."""
    seeds = np.moveaxis(activity, 1, 0)
    return np.stack([standardised_difference(of_seed, y[None])[0] for of_seed in seeds])


def _scores(blocks: list[dict]) -> pd.DataFrame:
    """Held-out reconstruction of every network, in variances of a gene.

    ``squared_error`` is the mean over samples and genes; ``r2`` is 1 minus its share of the error
    of answering with the training mean of every gene.
    """
    rows = []
    for fold, arrays in enumerate(blocks):
        for k, error in enumerate(arrays["squared_error"].mean(axis=0, dtype=np.float64)):
            r2 = 1 - error / arrays["size"].mean() if arrays["size"].any() else np.nan
            rows.append({"fold": fold, "seed": k, "squared_error": error, "r2": r2})
    return pd.DataFrame(rows)
