"""Does the mask earn its keep? The same folds for baselines and rewired masks."""

from __future__ import annotations

import functools
import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import special, stats
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from tqdm.auto import tqdm

from biomask.errors import ArgumentError, BiomaskWarning
from biomask.inference.blocks import Part, Plan, split
from biomask.inference.checks import check_counts
from biomask.inference.crossfit import make_plan
from biomask.inference.effects import pathway_means
from biomask.inference.engines import run_jobs
from biomask.inference.labels import read_samples
from biomask.inference.scores import score
from biomask.inference.stacking import StackTrainer
from biomask.inference.training import Settings
from biomask.masks.backed import refuse_on_disk
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.mask import Mask

MASKED, REWIRED, DENSE = "masked network", "rewired masks", "dense network"
LINEAR, FOREST, MEANS = "linear model", "random forest", "pathway means + linear"


def compare_models(
    mask: Mask,
    X,
    y,
    task: str = "binary",
    groups=None,
    strata=None,
    folds: int = 5,
    seeds: int = 3,
    rewired: int = 20,
    epochs: int = 50,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    dropout: float = 0.5,
    l2: float = 1e-3,
    random_state: int = 0,
    progress: bool = True,
    *,
    activation: str = "tanh",
) -> pd.DataFrame:
    """Held-out scores of the masked network beside what one would use instead, on the same folds.

    - ``masked network``: as in `crossfit`, the prediction averaged over `seeds`;
    - ``rewired masks``: the same with random masks of exactly the same pathway sizes and gene
      degrees (`Mask.rewire`); the row is their mean;
    - ``dense network``: the same with every gene feeding every unit;
    - ``linear model``: logistic regression, or ridge regression, on all genes of the mask;
    - ``random forest``: 500 trees;
    - ``pathway means + linear``: the linear model on the mean of each pathway's genes.

    Every model is scaled and fitted inside the training part of each fold. Folds are independent:
    `joblib.parallel_config` sends them to other processes or machines, with the same result.

    Parameters
    ----------
    mask, X, y, task, groups, strata, folds, epochs, batch_size, learning_rate, dropout, l2, \
random_state, progress, activation
        As in `crossfit`.
    seeds : int
        Networks averaged in each prediction.
    rewired : int
        Random masks, at least 1; 20 make p-values down to .048, 99 down to .01.

    Returns
    -------
    DataFrame, indexed by model
        ``loss``: mean held-out loss (log-loss, or squared error in variances of y); the scores of
        the task (``accuracy``, ``auc``, or ``r2``) over all held-out samples together;
        ``difference``: loss minus that of the masked network, with its 95 % interval ``low`` to
        ``high`` (Student's t) from the paired differences of samples, or of subjects where there
        are groups: then each subject counts once. Folds share training samples, so the interval
        is rather too narrow. Probabilities of the models without a network are kept above .001.
        ``attrs["p_annotation"]`` is (1 + rewired masks at least as good) / (1 + rewired masks),
        ``attrs["sentence"]`` says it in words, and ``attrs["rewired"]`` lists their losses.

    Raises
    ------
    ArgumentError, DataError
        As in `crossfit`; and task="survival" is refused.
    """
    if isinstance(mask, Hierarchy):
        raise ArgumentError(
            "compare_models compares masks, and received a Hierarchy",
            code="E-ARGUMENT",
            hint="Pass hierarchy.flatten(), in which every pathway reads the genes below it.",
        )
    if task == "autoencoder":
        raise ArgumentError(
            "compare_models compares predictions of y, and an autoencoder makes none. "
            "Received: task='autoencoder'",
            code="E-TASK",
            hint="With two groups as y, task='binary' asks whether the mask helps to predict them.",
        )
    check_counts(folds=folds, seeds=seeds, rewired=rewired, epochs=epochs, batch_size=batch_size)
    check_counts(0, random_state=random_state)
    if task == "survival":
        raise ArgumentError(
            "compare_models has no task 'survival': most of what it compares with has no partial "
            "likelihood",
            code="E-TASK",
            hint="crossfit(task='survival') scores held-out samples; a baseline to hold beside it "
            "is lifelines.CoxPHFitter on pathway means.",
        )
    samples = read_samples(mask, X, y, task, groups, strata)
    refuse_on_disk(samples.X, "compare_models")
    n_classes = len(samples.classes) if task == "multiclass" else None
    settings = Settings(task, n_classes, activation, epochs, batch_size, learning_rate, dropout, l2)
    plan = make_plan(mask, samples, settings, folds, seeds, 0, random_state)
    random = [mask.rewire(random_state * 10_000 + r) for r in range(1, rewired + 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BiomaskWarning)  # that the mask is dense is the point
        full = Mask.from_dense(np.ones(mask.shape), mask.genes, mask.pathways)
    jobs = [(fold,) for fold in range(folds)]
    bar = tqdm(desc="folds", total=folds, unit="fold", disable=not progress)
    found = dict(run_jobs(_fold_outputs, Models(plan, (mask, *random), full), jobs, None, bar))
    parts = [found[fold] for fold in range(folds)]
    order = np.concatenate(plan.held_out)
    outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return _table(plan.labels[order], outputs, task, None if groups is None else plan.groups[order])


class Models(NamedTuple):
    """What every fold compares.

    Attributes
    ----------
    plan : Plan
    masks : tuple of Mask
        The one that is asked about, and its rewired ones.
    full : Mask
        Of the dense network.
    """

    plan: Plan
    masks: tuple[Mask, ...]
    full: Mask


def _fold_outputs(models: Models, fold: int) -> dict[str, np.ndarray]:
    """Outputs of every model on the held-out samples of a fold, (n, C)."""
    plan = models.plan
    part, settings, seeds = split(plan, fold), plan.settings, len(plan.seeds)
    outputs = _network_outputs(_stack(models.masks, settings, seeds), plan, part, fold)
    dense = _network_outputs(_stack((models.full,), settings, seeds), plan, part, fold)
    rewired = {f"{REWIRED} {r}": out for r, out in enumerate(outputs[1:], 1)}
    networks = {MASKED: outputs[0], DENSE: dense[0], **rewired}
    return networks | _baseline_outputs(plan, part)


@functools.lru_cache(maxsize=2)
def _stack(masks: tuple[Mask, ...], settings: Settings, seeds: int) -> StackTrainer:
    """Compiled once for all folds."""
    return StackTrainer(masks, settings, seeds)


def _network_outputs(networks: StackTrainer, plan: Plan, part: Part, fold: int) -> list[np.ndarray]:
    """Outputs on the held-out samples for each mask, (n, C): the mean over seeds."""
    Y = np.repeat(plan.labels[:, None], networks.n_networks, axis=1)
    networks.fit(
        (part.X[part.fitted], Y[part.fitted]),
        (part.X[part.watched], Y[part.watched]),
        plan.seeds,
        plan.random_state * 100 + fold,
    )
    return list(np.moveaxis(networks.outputs(part.X[part.held_out]).mean(axis=1), 1, 0))


def _baseline_outputs(plan: Plan, part: Part) -> dict[str, np.ndarray]:
    """Outputs of the models without a network, (n, C)."""
    numbers = plan.settings.task == "regression"
    y = plan.labels[part.training] if numbers else plan.labels[part.training].astype(int)
    means = pathway_means(part.X, plan.mask)
    forest = RandomForestRegressor if numbers else RandomForestClassifier
    linear = [Ridge(alpha=len(y)) if numbers else LogisticRegression(C=0.01, max_iter=2000)] * 2
    if not numbers and len(np.unique(y)) == 1:  # few subjects: nothing to tell apart
        linear = [DummyClassifier()] * 2
    models = {
        LINEAR: (linear[0], part.X),
        FOREST: (forest(500, random_state=plan.random_state, n_jobs=-1), part.X),
        MEANS: (linear[1], means / np.maximum(means[part.training].std(axis=0), 1e-6)),
    }
    outputs = {}
    for name, (model, features) in models.items():
        model.fit(features[part.training], y)
        outputs[name] = _outputs_of(model, features[part.held_out], plan.settings)
    return outputs


def _outputs_of(model, features: np.ndarray, settings: Settings) -> np.ndarray:
    """Values, or logits, in the form of a network's head: (n, C)."""
    if settings.task == "regression":
        return model.predict(features)[:, None]
    n_classes = settings.n_classes or 2
    probabilities = np.zeros((len(features), n_classes))
    probabilities[:, model.classes_] = model.predict_proba(features)
    logits = np.log(np.clip(probabilities, 1e-3, 1))  # a forest is often certain, and then wrong
    return logits if settings.task == "multiclass" else logits[:, 1:] - logits[:, :1]


def _losses(y: np.ndarray, outputs: np.ndarray, task: str) -> np.ndarray:
    """Loss of every sample, shape (n,)."""
    if task == "regression":
        return (y - outputs[:, 0]) ** 2
    logits = outputs if task == "multiclass" else np.hstack([np.zeros_like(outputs), outputs])
    return -special.log_softmax(logits, axis=1)[np.arange(len(y)), y.astype(int)]


def _table(y, outputs: dict[str, np.ndarray], task: str, groups) -> pd.DataFrame:
    losses = pd.DataFrame({name: _losses(y, out, task) for name, out in outputs.items()})
    random = [name for name in losses if name.startswith(REWIRED)]
    losses[REWIRED] = losses[random].mean(axis=1)
    scores = {name: score(y, out, task) for name, out in outputs.items()}
    scores[REWIRED] = pd.DataFrame([scores[name] for name in random]).mean().to_dict()
    rows = {}
    for name in (MASKED, REWIRED, DENSE, LINEAR, FOREST, MEANS):
        found = {k: v for k, v in scores[name].items() if k not in ("log_loss", "squared_error")}
        paired = losses[name] - losses[MASKED]
        if groups is not None:
            paired = paired.groupby(groups).mean()
        half = stats.t.ppf(0.975, len(paired) - 1) * paired.std() / np.sqrt(len(paired))
        mean = paired.mean()
        rows[name] = {"loss": losses[name].mean(), **found, "difference": mean}
        rows[name] |= {"low": mean - half, "high": mean + half}
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    means = losses[random].mean()
    p = (1 + int((means <= losses[MASKED].mean()).sum())) / (1 + len(random))
    table.attrs = {
        "p_annotation": p,
        "sentence": annotation_sentence(p, len(random)),
        "rewired": means.tolist(),
    }
    return table


def annotation_sentence(p: float, n_rewired: int) -> str:
    """Whether the annotation predicts better than random masks of the same shape, in words."""
    better = "is" if p <= 0.05 else "is not"
    return (
        f"The annotation {better} better than random masks of the same shape at predicting the "
        f"outcome (p = {p:.3g}, {n_rewired} rewired masks). Genes of a pathway are correlated and "
        "those of a rewired one are not, which makes this test anti-conservative."
    )
