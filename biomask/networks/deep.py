"""The levels of a network: one masked layer each, and what passes a unit on to a later level.

A mask is a hierarchy of one level, so every model is built here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers
from scipy import sparse

from biomask.errors import BiomaskWarning, ModelError
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.mask import Mask
from biomask.networks.layers import MaskedDense

PATHWAYS = "pathways"  # the first level; the others are pathways_2, pathways_3, ...
ALL_UNITS = "all_units"


class Level(NamedTuple):
    """One level of a hierarchy.

    Attributes
    ----------
    mask : Mask
        Inputs x the units that are computed here.
    carried : int array
        Positions among the inputs of the units that a later level reads too.
    """

    mask: Mask
    carried: np.ndarray


class Levels(NamedTuple):
    """What `add_levels` built.

    Attributes
    ----------
    masked : list of MaskedDense
    units : list of tensors
        The units that each level computes, after dropout.
    top : tensor
        The roots.
    """

    masked: list[MaskedDense]
    units: list
    top: object

    def read_by_head(self, outputs: str):
        """The units that the head reads, as one tensor."""
        if outputs == "top":
            return self.top
        return layers.Concatenate(name=ALL_UNITS)(self.units) if len(self.units) > 1 else self.top


@keras.saving.register_keras_serializable(package="biomask")
class Carry(layers.Layer):
    """The units of a level, and behind them those of its inputs that a later level reads.

    They are passed on unchanged and have no parameter.

    Parameters
    ----------
    positions : sequence of int
        Of the inputs that are carried.
    """

    def __init__(self, positions, **kwargs):
        super().__init__(**kwargs)
        self.positions = [int(p) for p in positions]

    def call(self, inputs):
        units, below = inputs
        return tf.concat([units, tf.gather(below, self.positions, axis=-1)], axis=-1)

    def compute_output_shape(self, input_shape):
        units = input_shape[0]
        return (*units[:-1], units[-1] + len(self.positions))

    def get_config(self):
        return {**super().get_config(), "positions": self.positions}


def levels_of(mask: Mask | Hierarchy) -> list[Level]:
    """The levels, from the genes upwards; a mask, or an array that stands for one, has one."""
    if not isinstance(mask, Hierarchy):
        return [Level(mask, np.empty(0, np.int32))]
    parts = []
    for i, whole in enumerate(mask):
        own = whole.shape[1] - mask.n_carried(i)
        rows, cols = whole.edge_index
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BiomaskWarning)  # two roots may read every unit
            part = whole.select(pathways=whole.pathways[:own])
        parts.append(Level(part, rows[cols >= own]))
    return parts


def add_levels(
    genes, mask: Mask | Hierarchy, dropout: float, layer_of: Callable[..., MaskedDense]
) -> Levels:
    """Lay one masked layer over the other, each with dropout of its units.

    Parameters
    ----------
    genes : tensor
    mask : Mask or Hierarchy
    dropout : float
    layer_of : callable
        ``layer_of(mask, level, name=...)``, the masked layer of a level counted from 0.
    """
    x, masked, units = genes, [], []
    for i, (own, carried) in enumerate(levels_of(mask)):
        name = PATHWAYS if i == 0 else f"{PATHWAYS}_{i + 1}"
        layer = layer_of(own, i, name=name)
        seed = layer.seed[0] + i  # a unit left out says nothing of those above it
        new = layers.Dropout(dropout, seed=seed, name=f"{name}_dropout")(layer(x))
        x = Carry(carried, name=f"{name}_carried")([new, x]) if len(carried) else new
        masked.append(layer)
        units.append(new)
    return Levels(masked, units, x)


def pathway_layers(model: keras.Model) -> list[MaskedDense]:
    """The model's masked layers, from the genes upwards.

    Raises
    ------
    ModelError
        There is none.
    """
    found = [layer for layer in getattr(model, "layers", []) if isinstance(layer, MaskedDense)]
    if not found:
        raise ModelError(
            "the model has no MaskedDense layer",
            code="E-NO-MASK",
            hint="Pass a model made by biomask.build_model, or one with a biomask.MaskedDense in "
            "it.",
        )
    return found


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
    carried = {x.name: x.positions for x in model.layers if isinstance(x, Carry)}
    whole = masks[:1]
    for i, mask in enumerate(masks[1:], 2):
        whole.append(_with_carried(mask, carried.get(f"{PATHWAYS}_{i}_carried", [])))
    return Hierarchy(whole)


def reads_all(model: keras.Model) -> bool:
    """Whether the head reads the units of every level, and not only the roots."""
    return any(layer.name == ALL_UNITS for layer in model.layers)


def unit_names(model: keras.Model) -> pd.Index:
    """Names of all units, level by level."""
    names = [name for layer in pathway_layers(model) for name in layer.mask.pathways]
    return pd.Index(names, dtype=object)


def read_names(model: keras.Model) -> pd.Index:
    """Names of the units that the head reads, in its order."""
    if reads_all(model) or len(pathway_layers(model)) == 1:
        return unit_names(model)
    return mask_of(model).roots


def _with_carried(mask: Mask, positions: list[int]) -> Mask:
    """The mask with a column for each carried unit."""
    ends = np.array(positions, int), np.arange(len(positions))
    own = sparse.coo_array((np.ones(len(positions)), ends), (mask.shape[0], len(positions)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BiomaskWarning)
        return mask.derive(
            sparse.hstack([mask.to_scipy(), own], format="csc"),
            mask.genes,
            [*mask.pathways, *mask.genes[positions]],
            [],
        )
