"""crossfit: folds x seeds x permuted labels, trained together -> Study."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from tqdm.auto import tqdm

from biomask import __version__
from biomask.errors import BiomaskWarning
from biomask.inference.activations import activation_function
from biomask.inference.assembly import activity_table, assemble, in_given_order, with_edges
from biomask.inference.blocks import (
    Plan,
    activities,
    edge_block,
    fitted_and_watched,
    labels_a_block,
    read_arrays,
    results,
    run_block,
    trained_networks,
    watched_share,
)
from biomask.inference.checkpoint import digest, study_folder
from biomask.inference.checks import check_class_weight, check_counts
from biomask.inference.conditional import attainable, exchange_facts, label_vectors
from biomask.inference.engines import run_jobs
from biomask.inference.folds import outer_folds
from biomask.inference.labels import Samples, read_samples
from biomask.inference.latent import TASK as AUTOENCODER
from biomask.inference.latent import assemble_latent, latent_block
from biomask.inference.moments import fold_moments
from biomask.inference.notices import warn_of_classes
from biomask.inference.study import Study
from biomask.inference.survival import check_folds
from biomask.inference.training import Settings, epoch_of
from biomask.inference.wired import wired
from biomask.masks.backed import DiskTable
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.mask import Mask
from biomask.masks.steps import sorted_hierarchy
from biomask.networks.arguments import check_one_level, check_outputs


def crossfit(
    mask: Mask | Hierarchy,
    X,
    y,
    task: str = "binary",
    groups=None,
    strata=None,
    folds: int = 5,
    seeds: int = 5,
    permutations: int = 199,
    epochs: int = 50,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    dropout: float = 0.5,
    l2: float = 1e-3,
    random_state: int = 0,
    n_jobs: int | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = True,
    *,
    activation: str = "tanh",
    covariates=None,
    class_weight: str | None = None,
    outputs: str = "all",
) -> Study:
    """What each pathway adds to the prediction of held-out samples, and whether that is chance.

    In every fold, `seeds` networks are trained for each of ``permutations + 1`` label vectors,
    the real one and permuted ones, many at a time. The effect of a pathway is the increase of the
    held-out loss when its unit is held at its training mean,

        D_ip = mean_k [ l(y_i, f_-p(x_i)) - l(y_i, f(x_i)) ],    T_p = mean_i D_ip,

    over samples i and seeds k, and its p-value compares T_p with its values under permuted labels.
    Scaling and early stopping happen inside the training part of each fold. Edges are measured in
    the same way inside the selected pathways.

    With ``task="autoencoder"`` y only names two groups: the networks reconstruct X, and the effect
    of a pathway is the difference of its held-out latent activity between the groups, in standard
    deviations (`biomask.inference.latent`). There are no edges then.

    Parameters
    ----------
    mask : Mask or Hierarchy
        Of a hierarchy, every unit of every level is measured; the levels above it run again
        without it. The table of pathways then has ``level``, ``depth`` and ``parents``, and that
        of edges ``level``: above 0, an edge runs from the child named in ``gene`` to its parent.
    X : DataFrame (samples x genes), AnnData, what `align` returned, or array (samples, genes)
        Normalised expression, on a log scale; scaled here. Matched to the mask by gene name. Or on
        disk: an AnnData opened with ``backed="r"``, or the path of its file or Zarr store, or a
        zarr.Group. Where its values would take more than 128 MB, they are read a few at a time, for
        every epoch anew, in chunks of samples that are mixed at random; results differ from
        those of the same data in memory as much as with another order of the samples. Every
        process and machine that takes part opens the same path. "survival" and "autoencoder" need
        data in memory.
    y : Series (matched to X by its index) or array, shape (n_samples,)
        Two classes, several, numbers, or two groups, by `task`. The class that sorts last is the
        positive one. For "survival" a DataFrame with the columns ``time`` and ``event`` (1 seen, 0
        censored), or an array (n_samples, 2), time first. The two are permuted together, which
        tests whether either has to do with expression: where censoring does, pass what it follows
        as `strata`.
    task : {"binary", "multiclass", "regression", "survival", "autoencoder"}
        The loss of "survival" is the negative log partial likelihood: in training with tied events
        after Efron, its risk sets those of the batch; held out after Breslow, those of the fold.
    groups : Series or array, optional
        The subject of every sample. Subjects are held out whole, and permuted whole where their
        label is constant.
    strata : Series or array, optional
        Labels are only permuted within a stratum, such as a batch or a centre.
    folds, seeds, permutations : int
    epochs : int
        At most; where an epoch has fewer than 8 steps, as many epochs as make 8 count as one, so
        that small data sets are trained too. Where 15 % of the training part are at least 50
        samples, they are watched instead of fitted: a network keeps the weights with which their
        loss was lowest, and stops when that has not fallen for 80 steps. For "survival" 50 events
        are asked of them: below some 330 events all epochs are trained, and 20 find more than 50.
    batch_size, learning_rate, dropout, l2, activation
        As in `build_model`.
    covariates : DataFrame (samples x covariates), optional
        Age, batch, ...: matched to X by its index; text, categories and booleans become 0/1
        columns. They are scaled as the genes are and enter the linear head beside the pathways,
        where an ablation leaves them in place. Labels are then permuted given the covariates:
        residuals of a regression (`freedman_lane`), classes by their probabilities in a logistic
        regression on the covariates (`conditional_labels`). Either is as good as that linear
        model: give age squared too where age does not act linearly.
    class_weight : {None, "balanced"}
        "balanced" weights every sample's training loss by n / (classes x samples of its class), so
        that a rare class counts as much as a common one. Held-out losses are not weighted.
    outputs : {"all", "top"}
        As in `build_model`. With "all" a hierarchy predicts better, but what an inner pathway says
        is mostly read from its parts; with "top" all must pass through the pathways above, which
        then have effects too.
    random_state : int
        The same call gives the same bytes, in whatever order samples, genes and pathways come.
        Networks are float32 whatever policy or float type Keras is set to.
    n_jobs : int, optional
        Processes, through joblib; 1, or what `joblib.parallel_config` says, which may also send the
        blocks to the machines of a Dask or Ray cluster. The result is the same to the byte.
    checkpoint : path, optional
        A folder for finished blocks: the same call goes on from there after an interruption.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Study

    Raises
    ------
    ArgumentError, DataError
        An argument or the data cannot be used.
    StorageError
        `checkpoint` holds the blocks of another mask, data set or settings, or cannot be written.
    """
    check_counts(folds=folds, seeds=seeds, epochs=epochs, batch_size=batch_size)
    check_counts(0, permutations=permutations, random_state=random_state)
    activation_function(activation)  # refused now rather than when the edges are reached
    check_class_weight(class_weight, task)
    check_outputs(outputs)
    check_one_level(task, isinstance(mask, Hierarchy), skip=False)
    samples = read_samples(mask, X, y, task, groups, strata, covariates)
    n_classes = len(samples.classes) if task == "multiclass" else None
    rates = map(float, (learning_rate, dropout, l2))
    beside = () if samples.covariates is None else tuple(samples.covariates)
    sizes = int(epochs), int(batch_size)
    settings = Settings(task, n_classes, activation, *sizes, *rates, beside, class_weight, outputs)
    ordered = _sorted(mask)
    samples_of = samples._replace(X=samples.X[ordered.genes])
    plan = make_plan(ordered, samples_of, settings, folds, seeds, permutations, random_state)
    facts = _facts(plan, samples, mask)
    run = latent_block if task == AUTOENCODER else run_block
    with study_folder(checkpoint, facts) as folder:
        _run(run, plan, folder, n_jobs, progress)
        study = _tables(plan, samples, folder, facts, mask.pathways, n_jobs, progress)
    return in_given_order(study, mask, samples)


def make_plan(
    mask: Mask | Hierarchy,
    samples: Samples,
    settings: Settings,
    folds: int,
    seeds: int,
    permutations: int,
    random_state: int,
) -> Plan:
    """Fix everything that is random before anything is trained."""
    n = len(samples.X)
    held_out = outer_folds(n, folds, random_state, samples.groups, samples.strata)
    vectors = label_vectors(samples, settings.task, permutations, random_state)
    most = max(len(part) for part in held_out)
    if settings.task in ("binary", "multiclass"):
        warn_of_classes(samples.numbers, samples.classes, held_out)
    telling = 1.0  # share of the samples that tell a network's loss: those with an event
    if settings.task == "survival":
        check_folds(samples.numbers[:, 1], held_out)
        telling = float(samples.numbers[:, 1].mean())
    on_disk = isinstance(samples.X, DiskTable)
    return Plan(
        mask,
        samples.X.rows if on_disk else samples.X.to_numpy(np.float32),
        vectors,
        None if samples.covariates is None else samples.covariates.to_numpy(np.float64),
        held_out,
        samples.groups,
        [int(random_state) * 1000 + k for k in range(seeds)],
        watched_share(telling * (n - most)),
        settings,
        len(vectors)  # labels change no autoencoder: one block a fold
        if settings.task == AUTOENCODER
        else labels_a_block(len(vectors), seeds, most, mask),
        int(random_state),
        fold_moments(samples.X.rows, held_out) if on_disk else None,
    )


def _run(run: Callable, plan: Plan, folder: Path, n_jobs: int | None, progress: bool) -> None:
    """Train what is not in the folder yet."""
    waiting = [(block,) for block in plan.blocks if not (folder / block.file).exists()]
    bar = tqdm(desc="networks", total=len(waiting), unit="block", disable=not progress)
    for block, trained in run_jobs(run, plan, waiting, n_jobs, bar):
        trained.write(block, folder)


def _tables(
    plan: Plan,
    samples: Samples,
    folder: Path,
    facts: dict,
    pathways: pd.Index,
    n_jobs: int | None,
    progress: bool,
) -> Study:
    """The study of finished blocks, whose arrays are let go before it is put in order."""
    if plan.settings.task == AUTOENCODER:
        blocks = [read_arrays(folder / block.file) for block in plan.blocks]
        return assemble_latent(plan, samples, blocks, facts, pathways)
    activity = activity_table(plan, samples, activities(plan, folder), pathways)
    blocks = [results(block, folder) for block in plan.blocks]
    study = assemble(plan, samples, blocks, facts, activity)
    selected = np.flatnonzero(study.pathways["selected"])
    if not len(selected):
        return study
    positions = np.flatnonzero(np.isin(wired(plan.mask, plan.settings).targets, selected))
    effects = _edge_effects(plan, folder, positions, n_jobs, progress)
    real = _real_units(plan, folder, positions, blocks)
    return with_edges(study, plan, positions, effects, real)


def _edge_effects(
    plan: Plan, folder: Path, positions: np.ndarray, n_jobs: int | None, progress: bool
) -> np.ndarray:
    """T of these edges for every label vector, shape (B + 1, E)."""
    jobs = ((block, trained_networks(block, folder), positions) for block in plan.blocks)
    bar = tqdm(desc="edges", total=len(plan.blocks), unit="block", disable=not progress)
    sums = dict(run_jobs(edge_block, plan, jobs, n_jobs, bar))
    total = np.zeros((len(plan.vectors), len(positions)))
    for block in plan.blocks:  # in this order, whichever came first
        rows = total[block.first : block.first + plan.labels_a_block]
        rows += sums[block][: len(rows)]  # the last block is filled up
    return total / len(plan.X)


def _real_units(
    plan: Plan, folder: Path, positions: np.ndarray, blocks: list[dict]
) -> list[dict[str, np.ndarray]]:
    """Of every fold, the trained units of the real labels' networks, one for each seed."""
    n_seeds, reading = len(plan.seeds), wired(plan.mask, plan.settings)
    return [
        {
            "edges": reading.towards_genes(
                read_arrays(folder / block.units_file)["edges"][:, :n_seeds], arrays["turn"]
            )[positions],
            "orientation": arrays["orientation"],
        }
        for block, arrays in zip(plan.blocks, blocks, strict=True)
        if block.first == 0
    ]


def _sorted(mask: Mask | Hierarchy) -> Mask | Hierarchy:
    """The mask with its genes and pathways in the order of their names, at every level."""
    if isinstance(mask, Hierarchy):
        return sorted_hierarchy(mask)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BiomaskWarning)  # of a dense mask, already given
        return mask.select(sorted(mask.genes), sorted(mask.pathways))


def _facts(plan: Plan, samples: Samples, mask: Mask | Hierarchy) -> dict:
    """What the result depends on, as JSON-able values."""
    fitted = [len(fitted_and_watched(plan, fold)[0]) for fold in range(len(plan.held_out))]
    passes = {epoch_of(n, plan.settings.batch_size)[0] for n in fitted}
    return {
        "biomask": __version__,
        "versions": {module.__name__: module.__version__ for module in (keras, np, tf)},
        "mask": mask.digest,
        "data": digest(
            [samples.X.content] if isinstance(samples.X, DiskTable) else plan.X, samples.X.index
        ),
        "labels": digest(plan.labels, samples.y, samples.groups, samples.strata),
        "classes": samples.classes,
        "outcome": samples.outcome,
        **plan.settings._asdict(),
        "covariates": list(plan.settings.covariates),
        "covariate_values": None if plan.covariates is None else digest(plan.covariates),
        "folds": len(plan.held_out),
        "seeds": len(plan.seeds),
        "permutations": len(plan.vectors) - 1,
        "labels_a_block": plan.labels_a_block,
        "watched": plan.watched,
        "passes": sorted(passes),  # over the samples in an epoch; more than one where folds differ
        "on_disk": isinstance(samples.X, DiskTable),
        "random_state": plan.random_state,
        "samples": len(plan.X),
        "genes": plan.mask.shape[0],
        "subjects": None if plan.groups is None else len(np.unique(plan.groups)),
        "strata": None if samples.strata is None else len(np.unique(samples.strata)),
        **exchange_facts(samples, plan.settings.task, len(plan.vectors) - 1),
        "attainable": attainable(samples, plan.settings.task, plan.vectors),
    }
