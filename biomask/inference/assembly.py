"""From the arrays of finished blocks to the tables of a Study."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import special

from biomask.inference.blocks import Plan
from biomask.inference.labels import Samples
from biomask.inference.scores import score_table
from biomask.inference.significance import (
    edge_q_values,
    fwer_p_values,
    p_values,
    q_values,
    resolution_note,
)
from biomask.inference.stability import (
    mean_rank_correlation,
    nogueira,
    not_separable,
    rank_summary,
    select_top,
    sign_agreement,
    stability_wording,
)
from biomask.inference.study import Study
from biomask.inference.wired import wired
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.mask import Mask

LEVEL = 0.05  # of p_fwer or q, for a pathway to be selected
TOP = 10  # pathways whose selection the stability index is about


def assemble(
    plan: Plan, samples: Samples, blocks: list[dict], facts: dict, activity: pd.DataFrame
) -> Study:
    """All tables but that of the edges.

    Parameters
    ----------
    plan, samples
    blocks : list of dict
        Their `results`, in the order of ``plan.blocks``.
    facts : dict
        Goes into the settings as it is.
    activity : DataFrame
        See `activity_table`.
    """
    sums = fold_sums(plan, [block["effects"] for block in blocks])  # (folds, B + 1, K, P)
    effects = sums.sum(axis=0).mean(axis=1) / len(plan.X)  # (B + 1, P)
    held = np.array([len(part) for part in plan.held_out])
    each = sums[:, 0] / held[:, None, None]  # the real labels: (folds, K, P)
    n_seeds = len(plan.seeds)
    first = {
        block.fold: {**arrays, "outputs": arrays["outputs"][:, :n_seeds]}  # of the real labels
        for block, arrays in zip(plan.blocks, blocks, strict=True)
        if block.first == 0
    }
    directions = _directions(plan, first, samples.classes)
    table = pathway_table(plan.mask, effects, each, directions)
    by_seed = sums[:, 0].sum(axis=0)
    stability = stability_of(by_seed, each.mean(axis=1), each)
    null = pd.DataFrame(effects[1:], columns=plan.mask.pathways)
    null.index.name = "permutation"
    return Study(
        mask=plan.mask,
        pathways=table,
        edges=no_edges(),
        scores=score_table(plan, first, samples.classes),
        stability=stability,
        null=null,
        predictions=_predictions(plan, samples, first),
        activity=activity,
        settings=facts,
        notes=shared_notes(table, null, stability, facts),
        effects=pd.DataFrame(each.reshape(-1, each.shape[-1]), columns=plan.mask.pathways),
    )


def shared_notes(
    pathways: pd.DataFrame, null: pd.DataFrame, stability: pd.Series, facts: dict
) -> list[str]:
    """What has to be said with the tables of any task."""
    selected = int(pathways["selected"].sum())
    notes = [
        facts["attainable"],
        resolution_note(len(pathways), len(null), int((pathways["q"] <= LEVEL).sum())),
        stability_wording(float(stability["seeds"])),
        f"{selected} of {len(pathways)} pathways are selected (p_fwer or q at most {LEVEL})",
    ]
    return [note for note in notes if note]


def with_edges(
    study: Study, plan: Plan, positions: np.ndarray, effects: np.ndarray, real: list[dict]
) -> Study:
    """The study with the table of the edges inside selected pathways.

    Parameters
    ----------
    positions : int array, shape (E,)
        Of these edges, in the order of the mask.
    effects : float array, shape (B + 1, E)
        Of every label vector.
    real : list of dict
        For every fold, the ``edges`` (E, seeds) and ``orientation`` (seeds, P) of the networks of
        the real labels.
    """
    reading = wired(plan.mask, plan.settings)
    cols = reading.targets[positions]
    weights = np.concatenate([arrays["edges"].T for arrays in real])
    orientation = np.concatenate([arrays["orientation"] for arrays in real])
    agreement, sign = sign_agreement(weights, cols, orientation)
    p = p_values(effects)
    selected = np.flatnonzero(study.pathways["selected"])
    edges = pd.DataFrame(
        {
            "gene": reading.sources[positions],
            "pathway": plan.mask.pathways[cols],
            "effect": effects[0],
            "p": p,
            "q": edge_q_values(p, cols, selected, len(study.pathways)),
            "sign": sign,
            "sign_agreement": agreement,
        }
    )
    if isinstance(plan.mask, Hierarchy):
        edges["level"] = reading.level[positions]
    return study.replace(edges=edges)


def in_given_order(study: Study, mask: Mask | Hierarchy, samples: Samples) -> Study:
    """The study with its tables in the order of the mask and of the samples it was asked for.

    Inside, genes, pathways and samples are sorted by name, so that no order changes a number.
    """
    sources = mask.genes.get_indexer(study.edges["gene"])
    if "level" in study.edges:  # above, the source is a unit, and may be called like a gene
        units = mask.pathways.get_indexer(study.edges["gene"])
        sources = np.where(study.edges["level"] == 0, sources, units)
    places = sources, mask.pathways.get_indexer(study.edges["pathway"])
    return study.replace(
        mask=mask,
        pathways=study.pathways.loc[mask.pathways],
        edges=study.edges.iloc[np.lexsort(places)].reset_index(drop=True),
        null=study.null[mask.pathways],
        predictions=study.predictions.loc[samples.given],
        effects=study.effects[mask.pathways],
    )


def fold_sums(plan: Plan, arrays: list[np.ndarray]) -> np.ndarray:
    """Block arrays (labels, seeds, K) put together: (folds, B + 1, seeds, K)."""
    by_fold: dict[int, list[np.ndarray]] = {}
    for block, array in zip(plan.blocks, arrays, strict=True):
        by_fold.setdefault(block.fold, []).append(array)
    n_labels = len(plan.vectors)
    return np.stack([np.concatenate(by_fold[f])[:n_labels] for f in sorted(by_fold)])


def pathway_table(
    mask: Mask | Hierarchy,
    effects: np.ndarray,
    each: np.ndarray,
    directions: dict[str, np.ndarray],
) -> pd.DataFrame:
    """`Study.pathways`.

    Parameters
    ----------
    mask : Mask or Hierarchy
    effects : float array, shape (B + 1, P)
        Of every label vector.
    each : float array, shape (folds, seeds, P)
        Of the real labels.
    directions : dict
        Name of a column to its values, (P,).
    """
    p = p_values(effects)
    table = pd.DataFrame(
        {
            "size": mask.sizes(),
            "effect": effects[0],
            "p": p,
            "p_fwer": fwer_p_values(effects),
            "q": q_values(p),
        },
        index=mask.pathways,
    )
    null = effects[1:] if len(effects) > 1 else np.full((1, effects.shape[1]), np.nan)
    table["null_mean"] = null.mean(axis=0)
    table["null_low"], table["null_high"] = np.quantile(null, [0.05, 0.95], axis=0)
    table["selected"] = (table["p_fwer"] <= LEVEL) | (table["q"] <= LEVEL)
    table = table.join(rank_summary(each.reshape(-1, each.shape[-1]), mask.pathways))
    table = table.assign(**directions)
    if not isinstance(mask, Hierarchy):
        return table.join(not_separable(mask))
    return table.join(not_separable(mask.flatten())).join(mask.table[["level", "depth", "parents"]])


def _directions(plan: Plan, first: dict, classes: list) -> dict[str, np.ndarray]:
    """Signed effects: the mean over seeds and folds, folds weighted by their samples."""
    signed = np.stack([first[f]["direction"].mean(axis=0) for f in sorted(first)])
    held = [len(plan.held_out[f]) for f in sorted(first)]
    with np.errstate(invalid="ignore"):
        mean = np.ma.average(np.ma.masked_invalid(signed), axis=0, weights=held).filled(np.nan)
    if mean.ndim == 1:
        return {"direction": mean}
    return {f"direction_{name}": mean[:, c] for c, name in enumerate(classes)}


def stability_of(by_seed: np.ndarray, by_fold: np.ndarray, each: np.ndarray) -> pd.Series:
    """Agreement of the ranking over seeds and over folds, and of the top of it."""
    rows = each.reshape(-1, each.shape[-1])
    m = min(TOP, max(1, rows.shape[1] // 2))
    top = nogueira(select_top(rows, m)) if rows.shape[1] > 1 else nogueira(rows > np.inf)
    return pd.Series(
        {
            "seeds": mean_rank_correlation(by_seed),
            "folds": mean_rank_correlation(by_fold),
            "top": float(m),
            "top_index": top.index,
            "top_low": top.low,
            "top_high": top.high,
        },
        name="stability",
    )


def _predictions(plan: Plan, samples: Samples, first: dict) -> pd.DataFrame:
    """Held-out prediction of every sample, the mean over seeds, and its fold."""
    task = plan.settings.task
    parts = []
    for fold in sorted(first):
        outputs = first[fold]["outputs"].astype(np.float64)
        if task == "binary":
            outputs = special.expit(outputs)
        elif task == "multiclass":
            outputs = special.softmax(outputs, axis=2)
        elif task == "survival":  # a partial likelihood gives no level that folds would share
            outputs -= outputs.mean(axis=0)
        parts.append(outputs.mean(axis=1))
    if task == "regression":
        y = samples.y.to_numpy()
        parts = [part * y.std() + y.mean() for part in parts]
    several = [f"prediction_{name}" for name in samples.classes]
    names = several if task == "multiclass" else ["prediction"]
    frame = by_sample(plan, samples, parts, names)
    frame.insert(0, "fold", fold_column(plan))
    given = samples.y if task == "survival" else samples.y.rename("y")
    return pd.concat([given, frame], axis=1)


def fold_column(plan: Plan) -> np.ndarray:
    """The fold in which each sample is held out, int, shape (n,)."""
    fold = np.empty(len(plan.X), int)
    for f, part in enumerate(plan.held_out):
        fold[part] = f
    return fold


def activity_table(
    plan: Plan, samples: Samples, parts: Iterable[np.ndarray], pathways: pd.Index
) -> pd.DataFrame:
    """Activity of the held-out samples of each fold, as one table in the order asked for.

    It may be a gigabyte, so that `parts` had better come one by one.
    """
    rows = samples.given.get_indexer(samples.X.index)
    columns = plan.mask.pathways.get_indexer(pathways)
    values = None
    for held_out, part in zip(plan.held_out, parts, strict=True):
        if values is None:
            values = np.empty((len(rows), len(columns)), part.dtype)
        for i in range(0, len(held_out), 512):
            values[rows[held_out[i : i + 512]]] = part[i : i + 512][:, columns]
    return pd.DataFrame(values, samples.given, pathways)


def by_sample(plan: Plan, samples: Samples, parts: list[np.ndarray], columns=None) -> pd.DataFrame:
    """Arrays of the held-out samples of each fold, as one table in the order of X."""
    columns = plan.mask.pathways if columns is None else columns
    values = np.empty((len(plan.X), len(columns)), parts[0].dtype)
    for held_out, part in zip(plan.held_out, parts, strict=True):
        values[held_out] = part
    return pd.DataFrame(values, index=samples.X.index, columns=columns)


def no_edges() -> pd.DataFrame:
    """`Study.edges` without a row."""
    text, number = pd.Series(dtype=object), pd.Series(dtype=float)
    columns = {"gene": text, "pathway": text, "effect": number, "p": number, "q": number}
    return pd.DataFrame({**columns, "sign": pd.Series(dtype=int), "sign_agreement": number})
