"""The independent pieces of a cross-fit: one fold, some label vectors, every seed.

A block is trained and measured on the held-out samples, here or by another process; whoever asked
for it keeps it in a folder, and a run that was interrupted goes on from the blocks that are there.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from biomask.errors import StorageError
from biomask.inference.block_trainer import BlockTrainer
from biomask.inference.effects import pathway_means
from biomask.inference.folds import inner_split
from biomask.inference.moments import Moments, scale_of
from biomask.inference.training import Settings
from biomask.inference.wired import Held, wired
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.mask import Mask
from biomask.masks.rows import LARGEST, Rows
from biomask.storage import read_zip, write_zip

WATCHED = 0.15  # of the training samples, for early stopping
MIN_WATCHED = 50  # fewer tell a network's loss from noise too badly to stop it by
MEMORY = 1 << 29  # bytes that the largest arrays of a block may take
MAX_REPLICATES = 256  # more at a time is no faster


@dataclass(frozen=True)
class Plan:
    """Everything the blocks of a study share.

    Attributes
    ----------
    mask : Mask or Hierarchy
    X : float32 array or Rows, shape (n, genes)
    vectors : float32 array, shape (B + 1, n)
        The label vectors, as the networks see them: 0/1, class numbers, or standardised values;
        (B + 1, n, 2) for survival. Row 0 is the real one.
    covariates : float64 array, shape (n, k), or None
    held_out : list of int arrays
        Positions of the held-out samples of each fold.
    groups : int array, shape (n,), or None
    seeds : list of int
        Of the initial weights.
    watched : float
        Share of the training samples that early stopping looks at; 0 where they would be too few,
        and every network is trained for all epochs.
    settings : Settings
    labels_a_block : int
    random_state : int
    moments : list of Moments, or None
        Of the training samples of each fold, where X is on disk.
    """

    mask: Mask | Hierarchy
    X: np.ndarray | Rows
    vectors: np.ndarray
    covariates: np.ndarray | None
    held_out: list[np.ndarray]
    groups: np.ndarray | None
    seeds: list[int]
    watched: float
    settings: Settings
    labels_a_block: int
    random_state: int
    moments: list[Moments] | None = None

    @property
    def labels(self) -> np.ndarray:
        """The real label vector, shape (n,)."""
        return self.vectors[0]

    @property
    def blocks(self) -> list[Block]:
        """All blocks, fold by fold."""
        starts = range(0, len(self.vectors), self.labels_a_block)
        return [Block(f, s) for f in range(len(self.held_out)) for s in starts]


class Block(NamedTuple):
    """A fold, and the first of the label vectors."""

    fold: int
    first: int

    @property
    def file(self) -> str:
        """What the tables need; written last, so that a block with this file is finished."""
        return f"fold{self.fold:02d}_labels{self.first:05d}.zip"

    @property
    def units_file(self) -> str:
        """The trained pathway units: large, and read again for the edges alone."""
        return f"fold{self.fold:02d}_labels{self.first:05d}_units.zip"


class Trained(NamedTuple):
    """What a block found.

    Attributes
    ----------
    arrays : dict of str to array
        What the tables need.
    units : dict of str to array, or None
        ``edges`` and ``unit_bias`` of the networks, where edges are to be measured later.
    """

    arrays: dict[str, np.ndarray]
    units: dict[str, np.ndarray] | None = None

    def write(self, block: Block, folder: Path) -> None:
        """Keep it: a block whose ``block.file`` is there is finished."""
        if self.units is not None:
            write_arrays(folder / block.units_file, self.units, block._asdict())
        write_arrays(folder / block.file, self.arrays, block._asdict())


class Part(NamedTuple):
    """A fold's scaled data, parted."""

    held_out: np.ndarray
    training: np.ndarray
    fitted: np.ndarray
    watched: np.ndarray
    X: np.ndarray | Rows
    covariates: np.ndarray | None

    def inputs(self, rows: np.ndarray):
        """What the networks take: genes, and covariates where there are any."""
        genes = self.X[rows]
        if self.covariates is None:
            return genes
        return {"genes": genes, "covariates": self.covariates[rows]}


def labels_a_block(n_labels: int, n_seeds: int, n_held: int, mask: Mask | Hierarchy) -> int:
    """How many label vectors fit a block; blocks of a study are of equal size where possible."""
    bytes_each = n_seeds * max(8 * n_held * mask.shape[1], 24 * mask.n_edges)
    most = max(1, min(MEMORY // bytes_each, MAX_REPLICATES // n_seeds))
    n_blocks = -(-n_labels // most)
    return -(-n_labels // n_blocks)


def watched_share(n_training: float) -> float:
    """The share of this many training samples, or events, that early stopping looks at, or 0."""
    return WATCHED if WATCHED * n_training >= MIN_WATCHED else 0.0


def run_block(plan: Plan, block: Block) -> Trained:
    """Train one block, and what it found."""
    part = split(plan, block.fold)
    Y = _label_columns(plan, block)
    trainer = trainer_of(plan.mask, plan.settings, Y.shape[1])
    steps = trainer.fit(
        (part.inputs(part.fitted), Y[part.fitted]),
        (part.inputs(part.watched), Y[part.watched]),
        plan.seeds * plan.labels_a_block,
        block_seed(plan.random_state, 2, block.fold, block.first),
    )
    reading, beside = wired(plan.mask, plan.settings), part.covariates
    held = reading.read(
        trainer,
        part.X[part.held_out],
        part.X[part.training],
        None if beside is None else beside[part.held_out],
    )
    effects = reading.unit_effects(held, Y[part.held_out])
    arrays = {
        "effects": effects.reshape(plan.labels_a_block, len(plan.seeds), -1),
        "steps": steps.astype(np.int64),
        "head": held.head,
        "head_bias": trainer.head()[1],
        "outputs": held.outputs,
    }
    if beside is not None:
        arrays["covariates"] = trainer.covariate_weights()
    if block.first == 0:
        arrays |= _of_real_labels(plan, part, held.first(len(plan.seeds)))
    units = {"edges": held.edges, "unit_bias": trainer.unit_bias()}
    return Trained(arrays, units)


def _of_real_labels(plan: Plan, part: Part, held: Held) -> dict[str, np.ndarray]:
    """What only the networks of the real labels are asked for, one for each seed."""
    reading = wired(plan.mask, plan.settings)
    reference = pathway_means(part.X[part.held_out], reading.flat)
    turn = np.sign(np.einsum("nrp,np->rp", held.hidden, reference - reference.mean(axis=0)))
    return {
        "activity": (held.hidden * turn).mean(axis=1),
        "direction": reading.direction(held, plan.labels[part.held_out], reference),
        "turn": turn,
        "orientation": reading.orientation(held, turn),
    }


def results(block: Block, folder: Path) -> dict[str, np.ndarray]:
    """What the tables need of a block, but for the ``activity``, which is large."""
    arrays = read_arrays(folder / block.file)
    arrays.pop("activity", None)
    return arrays


def activities(plan: Plan, folder: Path) -> Iterator[np.ndarray]:
    """The ``activity`` of the real labels, fold by fold, (held-out samples, P)."""
    for block in plan.blocks:
        if not block.first:
            yield read_arrays(folder / block.file)["activity"]


def trained_networks(block: Block, folder: Path) -> dict[str, np.ndarray]:
    """``edges``, ``unit_bias``, ``head`` and ``outputs`` of a block's networks."""
    arrays = read_arrays(folder / block.file)
    kept = {name: arrays[name] for name in ("head", "outputs")}
    return kept | read_arrays(folder / block.units_file)


def edge_block(
    plan: Plan, block: Block, trained: dict[str, np.ndarray], edges: np.ndarray
) -> np.ndarray:
    """Summed held-out ablation of some edges, the mean over seeds: float64, (labels, edges).

    Parameters
    ----------
    trained : dict
        `trained_networks` of this block.
    edges : int array
        Positions in the mask's order of edges.
    """
    part = split(plan, block.fold)
    total = wired(plan.mask, plan.settings).edge_effects(
        trained,
        part.X[part.held_out],
        part.X[part.training],
        _label_columns(plan, block)[part.held_out],
        edges,
        lambda: trainer_of(plan.mask, plan.settings, trained["edges"].shape[1]),
    )
    return total.reshape(plan.labels_a_block, len(plan.seeds), -1).mean(axis=1)


def split(plan: Plan, fold: int) -> Part:
    """The fold's parts, scaled by the mean and the deviation of its training samples.

    Genes, or covariates, that are constant there become 0; nothing goes beyond ten deviations.
    """
    held_out = plan.held_out[fold]
    training = np.setdiff1d(np.arange(len(plan.X)), held_out)
    fitted, watched = fitted_and_watched(plan, fold)
    beside = None if plan.covariates is None else _scaled(plan.covariates, training)
    return Part(held_out, training, fitted, watched, _genes(plan, fold, training), beside)


def fitted_and_watched(plan: Plan, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """The fold's training samples, parted for early stopping where there are enough."""
    training = np.setdiff1d(np.arange(len(plan.X)), plan.held_out[fold])
    if not plan.watched:
        return training, training[:0]
    seed = block_seed(plan.random_state, 1, fold)
    return inner_split(training, plan.watched, seed, plan.groups)


def _scaled(X: np.ndarray, training: np.ndarray) -> np.ndarray:
    mean = X[training].mean(axis=0, dtype=np.float64)
    scale = scale_of(mean, X[training].std(axis=0, dtype=np.float64), X.dtype)
    scaled = np.empty(X.shape, np.float32)
    for i in range(0, len(scaled), 512):  # in float64, a few rows at a time
        scaled[i : i + 512] = ((X[i : i + 512] - mean) / scale).clip(-LARGEST, LARGEST)
    return scaled


def _genes(plan: Plan, fold: int, training: np.ndarray) -> np.ndarray | Rows:
    if plan.moments is None:
        return _scaled(plan.X, training)
    found = plan.moments[fold]
    return plan.X.scaled(found.mean, scale_of(found.mean, found.sd))


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], manifest: Mapping) -> None:
    """Write arrays to one file with a sha256 each, atomically."""
    members = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        members[f"{name}.npy"] = buffer.getvalue()
    write_zip(path, members, manifest)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read what `write_arrays` wrote.

    Raises
    ------
    StorageError
        The file is missing or damaged.
    """
    members = read_zip(path)[1]
    try:
        return {
            name.removesuffix(".npy"): np.load(io.BytesIO(content), allow_pickle=False)
            for name, content in members.items()
        }
    except (ValueError, EOFError) as error:
        raise StorageError(f"an array is damaged: {error}", code="E-ARRAY", file=path) from error


def _label_columns(plan: Plan, block: Block) -> np.ndarray:
    """The labels of every network of a block, (n, R): label vector by label vector, all seeds.

    For survival (n, R, 2). The last block is filled up with the real labels, so that all blocks
    have the same shape.
    """
    rows = np.arange(block.first, block.first + plan.labels_a_block)
    rows = np.where(rows < len(plan.vectors), rows, 0)
    return np.repeat(plan.vectors[rows].swapaxes(0, 1), len(plan.seeds), axis=1)


@functools.lru_cache(maxsize=2)
def trainer_of(mask: Mask | Hierarchy, settings: Settings, replicates: int) -> BlockTrainer:
    """A trainer, compiled once for all folds and blocks of its size."""
    return BlockTrainer(mask, settings, replicates)


def block_seed(*numbers: int) -> int:
    """A seed that is its own for every sequence of numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
