"""What a study asks of trained networks: one object for a mask, another for a hierarchy."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from biomask.inference import deep_effects, effects
from biomask.inference.activations import activation_function
from biomask.inference.block_trainer import BlockTrainer, pre_activations
from biomask.inference.edge_effects import COMPILED, FUSED, fused_edge_ablation
from biomask.inference.training import Settings
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.mask import Mask
from biomask.masks.rows import batches, row_mean


class Held(NamedTuple):
    """R trained networks on n held-out samples.

    Attributes
    ----------
    before, hidden : float32 arrays, shape (n, R, P)
        Pre-activations (None where nobody asks for them) and activations of all units.
    means : float32 array, shape (R, P)
        Mean activation over the training samples.
    head, offset : float32 arrays, shapes (R, P, C) and (R, C)
        Of a linear head; with covariates (n, R, C), what the outputs are without pathways.
    edges : float32 array, shape (E, R)
    outputs : float32 array, shape (n, R, C)
    """

    before: np.ndarray | None
    hidden: np.ndarray
    means: np.ndarray
    head: np.ndarray
    offset: np.ndarray
    edges: np.ndarray
    outputs: np.ndarray

    def first(self, n: int) -> Held:
        """The first n networks."""
        before = None if self.before is None else self.before[:, :n]
        parts = self.means[:n], self.head[:n], self.offset[..., :n, :]
        return Held(before, self.hidden[:, :n], *parts, self.edges[:, :n], self.outputs[:, :n])


@functools.lru_cache(maxsize=2)
def wired(mask: Mask | Hierarchy, settings: Settings) -> WiredMask | WiredHierarchy:
    """How to read the networks of a study."""
    return (WiredHierarchy if isinstance(mask, Hierarchy) else WiredMask)(mask, settings)


class WiredMask:
    """Networks on a mask: one level, and a head that reads every unit.

    Attributes
    ----------
    flat : Mask
        The genes from which a path leads to each unit.
    level : int array, shape (E,)
        Of every edge; 0 for edges from genes.
    sources : object array, shape (E,)
        Names: genes at level 0, units above.
    targets : int array, shape (E,)
        Positions of units.
    """

    def __init__(self, mask: Mask, settings: Settings):
        self.flat, self._settings = mask, settings
        rows, self.targets = mask.edge_index
        self.sources, self.level = mask.genes.to_numpy()[rows], np.zeros(len(rows), int)

    def read(
        self,
        trainer: BlockTrainer,
        X: np.ndarray,
        training: np.ndarray,
        covariates: np.ndarray | None,
    ) -> Held:
        """The networks of a trainer on held-out samples, which are X and, maybe, covariates."""
        return _held(trainer, None, trainer.activations(X), training, covariates)

    def unit_effects(self, held: Held, Y: np.ndarray) -> np.ndarray:
        """Summed held-out ablation of every unit, (R, P)."""
        parts = held.hidden, held.means, held.head, held.offset
        return effects.pathway_ablation(*parts, Y, self._settings.task)

    def edge_effects(
        self,
        trained: dict[str, np.ndarray],
        X: np.ndarray,
        training: np.ndarray,
        Y: np.ndarray,
        edges: np.ndarray,
        trainer_of: Callable[[], BlockTrainer],
    ) -> np.ndarray:
        """Summed held-out ablation of some edges, (R, K).

        Parameters
        ----------
        trained : dict
            ``edges``, ``unit_bias``, ``head`` and ``outputs`` of a block's networks.
        X, training : float32 arrays, or Rows
            Held-out and training samples.
        Y : array, shape (n, R)
            Held-out labels.
        edges : int array, shape (K,)
        trainer_of : callable
            Makes the trainer of the block, for what cannot be done without.
        """
        genes, pathways = (ends[edges] for ends in self.flat.edge_index)
        asked, place = np.unique(pathways, return_inverse=True)
        task = self._settings.task
        work = len(edges) * len(X) * trained["edges"].shape[1]
        fused = task in FUSED and work >= COMPILED
        ablation = fused_edge_ablation if fused else effects.edge_ablation
        means, total = row_mean(training), 0.0
        for where, values in batches(X):
            total = total + ablation(
                pre_activations(self.flat, asked, trained["edges"], trained["unit_bias"], values),
                values,
                means,
                trained["edges"][edges],
                (genes, place),
                trained["head"][:, asked],
                trained["outputs"][where],
                Y[where],
                task,
                self._settings.activation,
            )
        return total

    def direction(self, held: Held, y: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """As `effects.direction`."""
        task = self._settings.task
        return effects.direction(held.hidden, held.head, y, task, reference)

    def orientation(self, held: Held, turn: np.ndarray) -> np.ndarray:
        """The way in which a unit moves the outcome or, with several, its turn: (R, P)."""
        return turn if self._settings.task == "multiclass" else held.head[:, :, 0]

    def towards_genes(self, edges: np.ndarray, turn: np.ndarray) -> np.ndarray:
        """Edge weights (E, R) as if every source rose with its genes, which genes do."""
        return edges


class WiredHierarchy(WiredMask):
    """Networks on a hierarchy: what lies above a unit is computed again without it."""

    def __init__(self, hier: Hierarchy, settings: Settings):
        self._settings = settings
        self.flat = hier.flatten()
        self._wiring = deep_effects.wiring_of(hier)
        self.targets, self.level = self._wiring.targets, self._wiring.level
        n_entry, sources = self._wiring.n_entry, self._wiring.sources
        parts = hier.genes[sources[:n_entry]], hier.pathways[sources[n_entry:]]
        self.sources = np.concatenate(parts)

    def read(self, trainer: BlockTrainer, X, training, covariates) -> Held:
        before = trainer.pre_activations(X)
        hidden = activation_function(self._settings.activation)(before)
        return _held(trainer, before, hidden, training, covariates)

    def unit_effects(self, held: Held, Y: np.ndarray) -> np.ndarray:
        networks, task = self._networks(held), self._settings.task
        return deep_effects.unit_ablation(networks, self._wiring, Y, task)

    def edge_effects(self, trained, X, training, Y, edges, trainer_of) -> np.ndarray:
        trainer = trainer_of()
        trainer.load(trained["edges"], trained["unit_bias"])
        means, gene_means = trainer.mean_activation(training), row_mean(training)
        total = 0.0
        for where, values in batches(X):
            networks = deep_effects.Networks(
                trainer.pre_activations(values),
                means,
                trained["edges"],
                trained["head"],
                trained["outputs"][where],
                self._settings.activation,
            )
            parts = values, gene_means, Y[where], self._settings.task
            total = total + deep_effects.edge_ablation(networks, self._wiring, edges, *parts)
        return total

    def direction(self, held: Held, y: np.ndarray, reference: np.ndarray) -> np.ndarray:
        """As `effects.direction` of a unit whose output is what it adds to the outcome."""
        added = deep_effects.contributions(self._networks(held), self._wiring)  # (n, R, P, C)
        task, n_outputs = self._settings.task, added.shape[3]
        if task != "multiclass":
            return _direction(added[..., 0], 0, 1, y, task, reference)
        added -= added.mean(axis=3, keepdims=True)
        by_class = [
            _direction(added[..., c], c, n_outputs, y, task, reference) for c in range(n_outputs)
        ]
        return np.stack(by_class, axis=-1)

    def orientation(self, held: Held, turn: np.ndarray) -> np.ndarray:
        """Of the outcome: whether what a unit adds to it rises with the unit."""
        if self._settings.task == "multiclass":
            return turn
        added = deep_effects.contributions(self._networks(held), self._wiring)[..., 0]
        return np.sign(np.einsum("nrp,nrp->rp", held.hidden - held.means, added))

    def towards_genes(self, edges: np.ndarray, turn: np.ndarray) -> np.ndarray:
        turned, n_entry = edges.copy(), self._wiring.n_entry
        turned[n_entry:] *= turn[:, self._wiring.sources[n_entry:]].T
        return turned

    def _networks(self, held: Held) -> deep_effects.Networks:
        parts = held.before, held.means, held.edges, held.head, held.outputs
        return deep_effects.Networks(*parts, self._settings.activation)


def _held(trainer: BlockTrainer, before, hidden: np.ndarray, training, covariates) -> Held:
    means, (head, offset) = trainer.mean_activation(training), trainer.head()
    if covariates is not None:
        offset = offset + np.einsum("nk,rkc->nrc", covariates, trainer.covariate_weights())
    outputs = effects.linear_output(hidden, head, offset)
    return Held(before, hidden, means, head, offset, trainer.edges(), outputs)


def _direction(added, c: int, n_outputs: int, y, task: str, reference) -> np.ndarray:
    """`effects.direction` of one output, for units with a head weight of 1 on it."""
    weights = np.zeros((*added.shape[1:], n_outputs), np.float32)
    weights[..., c] = n_outputs / (n_outputs - 1) if n_outputs > 1 else 1  # 1 when centred
    found = effects.direction(added, weights, y, task, reference)
    return found[..., c] if n_outputs > 1 else found
