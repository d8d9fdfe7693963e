"""The linear layers that make a network's output: from its pathway units, and from its genes."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from biomask.networks.deep import pathway_layers, read_names
from biomask.networks.initializers import draw_edges, name_hashes

HEAD = "head"  # from pathways to the outcome
SKIP = "skip"  # from genes to the outcome


def head_layer(n_outputs: int, replicates: int | None, decay) -> layers.Layer:
    """The layer from the pathway units to the outcome, one for each network."""
    if replicates is None:
        return layers.Dense(n_outputs, kernel_regularizer=decay, name=HEAD)
    several = n_outputs > 1
    return layers.EinsumDense(
        "brp,rpc->brc" if several else "brp,rp->br",
        output_shape=(replicates, n_outputs) if several else (replicates,),
        bias_axes="rc" if several else "r",
        kernel_regularizer=decay,
        name=HEAD,
    )


def skip_layer(n_outputs: int, replicates: int | None, decay) -> layers.Layer:
    """The layer from the genes straight to the outcome, without a bias of its own."""
    options = {"kernel_regularizer": decay, "name": SKIP}
    if replicates is None:
        return layers.Dense(n_outputs, use_bias=False, **options)
    several = n_outputs > 1
    return layers.EinsumDense(
        "bg,rgc->brc" if several else "bg,rg->br",
        output_shape=(replicates, n_outputs) if several else (replicates,),
        **options,
    )


def skips(model: keras.Model) -> bool:
    """Whether the genes reach the outcome past the pathways."""
    return any(layer.name == SKIP for layer in model.layers)


def linear_layers(model: keras.Model) -> list[layers.Layer]:
    """The head, and the connections that skip the pathways where there are some."""
    return [model.get_layer(name) for name in (HEAD, SKIP)[: 1 + skips(model)]]


def start_linear(model: keras.Model, seeds: list[int]) -> None:
    """Glorot-uniform weights drawn by name and seed, like those of the masked layers."""
    names = read_names(model), pathway_layers(model)[0].mask.genes
    glorot = keras.initializers.GlorotUniform()
    for layer, units in zip(linear_layers(model), names, strict=False):
        shape, n_units = tuple(layer.kernel.shape), len(units)
        n_outputs = int(np.prod(shape)) // (n_units * len(seeds))
        sources = np.repeat(name_hashes(units), n_outputs)
        targets = np.tile(name_hashes([f"output {c}" for c in range(n_outputs)]), n_units)
        fans = np.full(len(sources), n_units), np.full(len(sources), n_outputs)
        drawn = {
            seed: draw_edges(glorot, seed, sources, targets, *fans) for seed in dict.fromkeys(seeds)
        }
        layer.kernel.assign(np.stack([drawn[seed] for seed in seeds]).reshape(shape))
