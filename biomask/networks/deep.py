"""The levels of a network: one masked layer each, which reads units of the levels below it.

A mask is a hierarchy of one level, so every model is built here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers
from scipy import sparse

from biomask.errors import ModelError
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.levels import quiet_when_dense
from biomask.masks.mask import Mask
from biomask.masks.steps import Level, grouped, levels_of, places
from biomask.networks.layers import MaskedDense
from biomask.networks.streams import Dropout

PATHWAYS = "pathways"  # the first level; the others are pathways_2, pathways_3, ...
_UPPER = re.compile(rf"{PATHWAYS}_\d+")
ALL_UNITS, ROOTS = "all_units", "roots"  # what the head reads


@keras.saving.register_keras_serializable(package="biomask")
class Units(layers.Layer):
    """Some units of some levels, side by side, unchanged and without a parameter.

    Parameters
    ----------
    positions : list of lists of int
        For each input, which of its units.
    """

    def __init__(self, positions, **kwargs):
        super().__init__(**kwargs)
        self.positions = [[int(p) for p in part] for part in positions]

    def call(self, inputs):
        pairs = zip(inputs, self.positions, strict=True)
        return tf.concat([tf.gather(x, part, axis=-1) for x, part in pairs], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[0][:-1], sum(map(len, self.positions)))

    def get_config(self):
        return {**super().get_config(), "positions": self.positions}


def stack_levels(
    genes, mask: Mask | Hierarchy, dropout: float, seed: int, units_of: Callable
) -> list:
    """Lay one masked layer over the other; the units of each level after dropout, as tensors.

    Parameters
    ----------
    genes : tensor
    mask : Mask or Hierarchy
    dropout : float
    seed : int
        Of dropout.
    units_of : callable
        ``units_of(x, mask, level, name)``, what the masked layer of a level, counted from 0, makes
        of its input.
    """
    units = []
    for i, level in enumerate(levels_of(mask)):
        name = PATHWAYS if i == 0 else f"{PATHWAYS}_{i + 1}"
        x = genes if i == 0 else _units(units, level.sources, f"{name}_children")
        x = units_of(x, level.mask, i, name)
        # A seed of its own: a unit left out says nothing of those above it.
        units.append(Dropout(dropout, seed=seed + i, name=f"{name}_dropout")(x))
    return units


def read_by_head(units: list, mask: Mask | Hierarchy, outputs: str):
    """The units that the head reads, as one tensor, in the order of `read_names`."""
    if len(units) == 1:
        return units[0]
    if outputs == "all":
        return layers.Concatenate(name=ALL_UNITS)(units)
    place = places(mask)
    return _units(units, grouped(sorted(map(place.get, mask.roots))), ROOTS)


def _units(units: list, sources: dict[int, list[int]], name: str):
    return Units(list(sources.values()), name=name)([units[level] for level in sources])


def unit_values(masked: Sequence[MaskedDense], levels: Sequence[Level], genes) -> tuple:
    """Pre-activations and activations of all units without dropout, level by level side by side.

    Parameters
    ----------
    masked : list of MaskedDense
        The layers of a model, `pathway_layers`.
    levels : list of Level
        Of its mask or hierarchy, `levels_of`.
    genes : tensor, shape (batch, n_genes)
    """
    before, units = [], []
    for layer, level in zip(masked, levels, strict=True):
        parts = [tf.gather(units[i], at, axis=-1) for i, at in level.sources.items()]
        before.append(layer.pre_activation(tf.concat(parts, axis=-1) if parts else genes))
        units.append(layer.activation(before[-1]))
    return tf.concat(before, axis=-1), tf.concat(units, axis=-1)


def pathway_layers(model: keras.Model) -> list[MaskedDense]:
    """The model's masked layers whose units are pathways, from the genes upwards.

    Raises
    ------
    ModelError
        There is none.
    """
    found = [layer for layer in getattr(model, "layers", []) if isinstance(layer, MaskedDense)]
    if found:
        first, *others = found
        return [first, *(layer for layer in others if _UPPER.fullmatch(layer.name))]
    raise ModelError(
        "the model has no MaskedDense layer",
        code="E-NO-MASK",
        hint="Pass a model made by biomask.build_model, or one with a biomask.MaskedDense in it.",
    )


def mask_of(model: keras.Model) -> Mask | Hierarchy:
    """The mask or the hierarchy that `build_model` made the model for.

    Raises
    ------
    ModelError
        The model has no masked layer.
    """
    masks = [layer.mask for layer in pathway_layers(model)]
    if len(masks) == 1:
        return masks[0]
    last = {name: i for i, mask in enumerate(masks) for name in mask.genes}  # level that reads it
    chain = masks[:1]
    for i, mask in enumerate(masks[1:], 1):
        chain.append(_with_carried(chain[-1], mask, lambda name: last.get(name, i + 1) > i))  # noqa: B023
    return Hierarchy(chain)


def reads_all(model: keras.Model) -> bool:
    """Whether the head reads the units of every level, and not only the roots."""
    return any(layer.name == ALL_UNITS for layer in model.layers)


def unit_names(model: keras.Model) -> pd.Index:
    """Names of all units, level by level."""
    names = [name for layer in pathway_layers(model) for name in layer.mask.pathways]
    return pd.Index(names, dtype=object)


def read_names(model: keras.Model) -> pd.Index:
    """Names of the units that the head reads, in its order."""
    names = unit_names(model)
    if reads_all(model) or len(pathway_layers(model)) == 1:
        return names
    inner = {name for layer in pathway_layers(model)[1:] for name in layer.mask.genes}
    return names[~names.isin(inner)]


def _with_carried(below: Mask, mask: Mask, still_read: Callable[[str], bool]) -> Mask:
    """The mask of a level as a hierarchy has it: rows and carried units are what is `below`."""
    rows, cols = mask.edge_index
    carried = [name for name in below.pathways if still_read(name)]
    rows = np.append(
        below.pathways.get_indexer(mask.genes)[rows], below.pathways.get_indexer(carried)
    )
    cols = np.append(cols, np.arange(len(carried)) + mask.shape[1])
    names = [*mask.pathways, *carried]
    matrix = sparse.coo_array((np.ones(len(rows)), (rows, cols)), (below.shape[1], len(names)))
    texts = {**below.descriptions, **mask.descriptions}
    with quiet_when_dense():
        return Mask(matrix, below.pathways, names, descriptions=texts)
