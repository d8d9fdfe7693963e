"""Expression data with a planted truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from biomask.errors import ArgumentError, MaskError, raise_together
from biomask.inference.simulated_outcomes import outcome, standard
from biomask.masks import checks
from biomask.masks.mask import Mask
from biomask.masks.overlap import jaccard

TASKS = ("binary", "multiclass", "regression", "survival")


@dataclass(frozen=True)
class Simulation:
    """What `simulate` made, and the truth behind it.

    Attributes
    ----------
    X : DataFrame, samples x ``mask.genes``, float32
        Expression, every gene with mean 0 and variance 1 in expectation.
    y : Series, or DataFrame with the columns time and event for "survival"
        0/1, class number, or value.
    truth : DataFrame, index pathway
        ``active``; ``effect``, the signed coefficient; ``sign``, -1, 0 or 1; ``overlap``, the
        largest Jaccard index with an active pathway (1 for an active one).
    edges : DataFrame
        Every edge of the mask: ``gene``, ``pathway``, ``active``, and ``sign``, the direction in
        which the gene moves the outcome through this pathway.
    groups, batch : Series or None
        Subject and batch of every sample.
    """

    X: pd.DataFrame
    y: pd.Series | pd.DataFrame
    truth: pd.DataFrame
    edges: pd.DataFrame
    groups: pd.Series | None
    batch: pd.Series | None


def simulate(
    mask: Mask,
    n_samples: int = 200,
    active: Iterable[str] = (),
    effect: float | Iterable[float] = 1.0,
    *,
    task: str = "binary",
    n_classes: int = 3,
    censoring: float = 0.3,
    gene_correlation: float = 0.3,
    edges: pd.DataFrame | None = None,
    n_subjects: int | None = None,
    subject_share: float = 0.5,
    n_batches: int | None = None,
    batch_share: float = 0.3,
    batch_effect: float = 0.0,
    random_state: int = 0,
) -> Simulation:
    """Expression with correlated genes over a mask, and an outcome that active pathways drive.

    Expression. Every pathway has a latent factor z_p, every gene its noise e_g, all standard
    normal; D_g is the number of pathways of gene g and s_gp the sign of its edge:

        x_g = sqrt(rho) sum_{p of g} s_gp z_p / sqrt(D_g) + sqrt(1 - rho) e_g,

    so that var x_g = 1 and two genes correlate by rho (number of shared pathways) /
    sqrt(D_g D_h): rho inside a pathway that overlaps with no other. A gene in no pathway is noise.

    Subjects and batches. Each z and each e is a sum of a sample's, a subject's and a batch's part
    with shares 1 - subject_share - batch_share, subject_share and batch_share of the variance.

    Outcome. The activity of an active pathway is what its genes say, scaled to variance 1:
    a_p = sum_g s_gp x_g / sd, over all its genes or over the planted `edges`. With effects b_p and
    the standardised batch number c,

        eta = sum_p b_p a_p + batch_effect c.

    "binary": y = 1 for the upper half of eta + logistic noise, so classes are equally large and b
    is the log-odds per standard deviation of activity. "regression": y = eta + standard normal
    noise. "multiclass": active pathway j raises class j mod C: eta_c = sum_j b_j a_j
    (1[c = j mod C] - 1/C), plus batch_effect c times the standardised class number; y is drawn
    with softmax probabilities. "survival": times are exponential with hazard exp(eta), so b is the
    log hazard ratio, and censored at exponential times that do not depend on eta. With subjects
    there is one outcome a subject, from the mean of the activity over its samples, again scaled to
    variance 1.

    The same `random_state` gives the same X whatever the effects, the task and the active pathways.

    Parameters
    ----------
    mask : Mask
    n_samples : int
    active : names of the pathways that drive the outcome; none is the global null
    effect : float, or one for each active pathway; negative turns the direction round, 0 is null
    task : "binary", "multiclass", "regression" or "survival"
    n_classes : int, for "multiclass"
    censoring : float, for "survival", 0 to below 1
        The expected share of samples without an event.
    gene_correlation : float, rho, 0 to below 1
    edges : DataFrame with columns gene, pathway and sign, optional
        Which edges of active pathways the outcome reads, with +1 or -1 each. An active pathway
        without a row is read by all its genes.
    n_subjects, n_batches : int, optional
        Subjects hold consecutive samples, as equally many as possible. Batches are dealt out in
        turn, to whole subjects.
    subject_share, batch_share : float
        Shares of the variance, below 1 together; used with `n_subjects` and `n_batches`.
    batch_effect : float
        Of the batch itself on the outcome, beside every pathway.
    random_state : int

    Raises
    ------
    ArgumentError
        A number out of range.
    MaskError
        Active pathways or planted edges that the mask does not have.
    """
    shares = (subject_share if n_subjects else 0.0, batch_share if n_batches else 0.0)
    _check(task, n_samples, n_classes, censoring, gene_correlation, sum(shares))
    positions = checks.positions(mask.pathways, active, "pathway")
    effects = _effects(effect, len(positions))
    reading = _reading(mask, positions, edges)
    rng = np.random.default_rng(random_state)
    unit, unit_batch = _units(n_samples, n_subjects, n_batches)
    batch = unit_batch[unit]
    x = _expression(mask, gene_correlation, shares, unit, batch, rng)
    activity = x @ reading / _activity_sd(mask, reading, gene_correlation)
    size = np.bincount(unit)
    own_share = (1 - sum(shares)) / size + sum(shares)  # variance left in the mean of a unit
    activity = _sums(activity, unit) / (size * np.sqrt(own_share))[:, None]
    confounder = batch_effect * standard(unit_batch)
    y = outcome(task, activity * effects, confounder, n_classes, censoring, rng)[unit]
    samples = pd.Index([f"S{k + 1}" for k in range(n_samples)], dtype=object, name="sample")
    names = pd.Index([f"subject_{k + 1}" for k in range(len(size))], dtype=object)
    return Simulation(
        X=pd.DataFrame(x.astype(np.float32), index=samples, columns=mask.genes),
        y=pd.Series(y, samples, name="y") if y.ndim == 1 else _times(y, samples),
        truth=_truth(mask, positions, effects),
        edges=_edge_truth(mask, positions, effects, reading),
        groups=pd.Series(names[unit], samples, name="subject") if n_subjects else None,
        batch=pd.Series(batch, samples, name="batch") if n_batches else None,
    )


def _times(y: np.ndarray, samples: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(y, samples, ["time", "event"]).astype({"event": np.int64})


def _check(task, n_samples, n_classes, censoring, correlation, shares) -> None:
    wrong = {
        f"task must be one of {', '.join(TASKS)}, received {task!r}": task not in TASKS,
        f"n_samples must be at least 2, received {n_samples}": n_samples < 2,
        f"n_classes must be at least 2, received {n_classes}": n_classes < 2,
        f"censoring must be 0 to below 1, received {censoring}": not 0 <= censoring < 1,
        f"gene_correlation must be 0 to below 1, received {correlation}": not 0 <= correlation < 1,
        f"subject_share and batch_share must be below 1 together, received {shares}": (
            not 0 <= shares < 1
        ),
    }
    raise_together([ArgumentError(text, code="E-SIMULATE") for text, bad in wrong.items() if bad])


def _effects(effect, n_active: int) -> np.ndarray:
    effects = np.asarray(list(effect) if np.iterable(effect) else effect, dtype=float)
    if effects.ndim and len(effects) != n_active:
        raise ArgumentError(
            f"{len(effects)} effects for {n_active} active pathways",
            code="E-SIMULATE",
            hint="Pass one number for all, or one for each.",
        )
    return np.broadcast_to(effects, (n_active,))


def _units(
    n_samples: int, n_subjects: int | None, n_batches: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Unit (sample or subject) of every sample, and batch of every unit."""
    n_units = n_subjects or n_samples
    limits = {"n_subjects": (n_subjects, n_samples), "n_batches": (n_batches, n_units)}
    problems = [
        ArgumentError(f"{name} must be 2 to {most}, received {n}", code="E-SIMULATE")
        for name, (n, most) in limits.items()
        if n is not None and not 2 <= n <= most
    ]
    raise_together(problems)
    return np.arange(n_samples) * n_units // n_samples, np.arange(n_units) % (n_batches or 1)


def _signs(mask: Mask) -> sparse.csc_array:
    signs = mask.to_scipy().astype(np.float64)
    signs.data = np.sign(signs.data)
    return signs


def _loadings(mask: Mask, correlation: float) -> sparse.csc_array:
    """Weight of every latent factor in every gene, shape (genes, pathways)."""
    degree = np.maximum(mask.degrees().to_numpy(), 1)
    return sparse.csc_array(sparse.diags_array(np.sqrt(correlation / degree)) @ _signs(mask))


def _expression(mask: Mask, correlation: float, shares, unit, batch, rng) -> np.ndarray:
    """Shape (samples, genes), float64."""
    n_genes, n_pathways = mask.shape

    def normal(share: float, of_sample: np.ndarray) -> np.ndarray:
        draws = rng.standard_normal((of_sample.max() + 1, n_pathways + n_genes))
        return np.sqrt(share) * draws[of_sample]

    parts = normal(1 - sum(shares), np.arange(len(unit)))
    for share, of_sample in zip(shares, (unit, batch), strict=True):
        if share:
            parts += normal(share, of_sample)
    factors, noise = parts[:, :n_pathways], parts[:, n_pathways:]
    free = np.where(mask.degrees().to_numpy() > 0, np.sqrt(1 - correlation), 1.0)
    return (_loadings(mask, correlation) @ factors.T).T + free * noise


def _reading(mask: Mask, positions: np.ndarray, edges: pd.DataFrame | None) -> np.ndarray:
    """Sign with which each active pathway reads each gene, shape (genes, active)."""
    reading = _signs(mask)[:, positions].toarray()
    if edges is None:
        return reading
    missing = [name for name in ("gene", "pathway", "sign") if name not in edges.columns]
    if missing or not np.isin(edges["sign"], [-1, 1]).all():
        raise ArgumentError(
            "planted edges need the columns gene, pathway and sign, with signs -1 and 1",
            code="E-SIMULATE",
        )
    gene = mask.genes.get_indexer(edges["gene"])
    column = pd.Index(mask.pathways[positions]).get_indexer(edges["pathway"])
    known = (gene >= 0) & (column >= 0)
    known[known] = reading[gene[known], column[known]] != 0
    if not known.all():
        unknown = edges[~known]
        raise MaskError(
            f"{len(unknown)} planted edges are not edges of active pathways",
            code="E-MASK-UNKNOWN",
            genes=unknown["gene"] + " -> " + unknown["pathway"],
        )
    reading[:, np.unique(column)] = 0
    reading[gene, column] = edges["sign"].to_numpy()
    return reading


def _activity_sd(mask: Mask, reading: np.ndarray, correlation: float) -> np.ndarray:
    """Standard deviation of sum_g s_g x_g under the model, shape (active,)."""
    shared = _loadings(mask, correlation).T @ reading  # (pathways, active)
    return np.sqrt((shared**2).sum(axis=0) + (1 - correlation) * (reading**2).sum(axis=0))


def _sums(values: np.ndarray, unit: np.ndarray) -> np.ndarray:
    out = np.zeros((unit.max() + 1, values.shape[1]))
    np.add.at(out, unit, values)
    return out


def _truth(mask: Mask, positions: np.ndarray, effects: np.ndarray) -> pd.DataFrame:
    coefficient = np.zeros(mask.shape[1])
    coefficient[positions] = effects
    active = coefficient != 0
    overlap = jaccard(mask.to_scipy())[:, active].max(axis=1, initial=0).astype(float)
    return pd.DataFrame(
        {
            "active": active,
            "effect": coefficient,
            "sign": np.sign(coefficient).astype(int),
            "overlap": overlap,
        },
        index=mask.pathways,
    )


def _edge_truth(mask: Mask, positions, effects: np.ndarray, reading: np.ndarray) -> pd.DataFrame:
    genes, pathways = mask.edge_index
    column = np.zeros(mask.shape[1], dtype=int)  # 0 stands for every pathway that is not active
    column[positions] = np.arange(1, len(positions) + 1)
    signs = np.column_stack([np.zeros(mask.shape[0]), reading * np.sign(effects)])
    sign = signs[genes, column[pathways]].astype(int)
    frame = mask.to_edges().drop(columns="weight")
    return frame.assign(active=sign != 0, sign=sign)
