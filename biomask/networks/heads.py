"""The head of a model: linear in the pathways, and in genes and covariates beside them."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from biomask.errors import ArgumentError, listed
from biomask.networks.deep import pathway_layers, read_names
from biomask.networks.initializers import draw_edges, name_hashes

HEAD = "head"  # the linear layer from pathways to the outcome
SKIP = "skip"  # the linear layer from genes to the outcome
COVARIATES = "covariates"  # the input
COVARIATES_HEAD = "covariates_head"  # the linear layer from there to the outcome


def pathway_head(n_outputs: int, replicates: int | None, decay, bias: bool = True) -> layers.Layer:
    """The linear layer from the pathway units to the outcome, of one network or of many."""
    if replicates is None:
        return layers.Dense(n_outputs, use_bias=bias, kernel_regularizer=decay, name=HEAD)
    several = n_outputs > 1
    return layers.EinsumDense(
        "brp,rpc->brc" if several else "brp,rp->br",
        output_shape=(replicates, n_outputs) if several else (replicates,),
        bias_axes=("rc" if several else "r") if bias else None,
        kernel_regularizer=decay,
        name=HEAD,
    )


def skip_head(n_outputs: int, replicates: int | None, decay) -> layers.Layer:
    """The linear layer from the genes straight to the outcome; the bias is that of the head."""
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
    """Whether genes reach the outcome past the pathways."""
    return any(layer.name == SKIP for layer in model.layers)


def linear_layers(model: keras.Model) -> list[layers.Layer]:
    """The head, and the layer that skips the pathways where there is one."""
    return [model.get_layer(name) for name in (HEAD, SKIP)[: 1 + skips(model)]]


def start_heads(model: keras.Model, seeds: Sequence[int]) -> None:
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


@keras.saving.register_keras_serializable(package="biomask")
class CovariateHead(layers.Layer):
    """``sum_k u_k c_k`` for every output of every network: no mask, no bias, no penalty.

    The weights start at zero.

    Parameters
    ----------
    names : sequence of str
        The covariates, in the order of the input's columns.
    n_outputs : int
    replicates : int, optional

    Notes
    -----
    Input ``(batch, k)``; output ``(batch, n_outputs)``, or with replicates ``(batch, R)`` and
    ``(batch, R, n_outputs)``, as the head beside it. `kernel` is ``(R or 1, k, n_outputs)``.
    """

    def __init__(
        self, names: Sequence[str], n_outputs: int = 1, replicates: int | None = None, **kwargs
    ):
        super().__init__(**kwargs)
        self.names = checked_covariates(names)
        self.n_outputs = int(n_outputs)
        self.replicates = None if replicates is None else int(replicates)

    def build(self, input_shape):
        if input_shape[-1] != len(self.names):
            raise ArgumentError(
                f"{len(self.names)} covariates are expected ({listed(self.names)}). "
                f"Received: an input of shape {tuple(input_shape)}",
                code="E-SHAPE",
            )
        self.kernel = self.add_weight(
            shape=(self.replicates or 1, len(self.names), self.n_outputs),
            initializer="zeros",
            name="kernel",
        )
        self.built = True

    def call(self, inputs):
        x = ops.einsum("bk,rkc->brc", inputs, self.kernel)
        if self.replicates is None:
            return x[:, 0]
        return x if self.n_outputs > 1 else x[:, :, 0]

    def compute_output_shape(self, input_shape):
        if self.replicates is None:
            return (input_shape[0], self.n_outputs)
        tail = (self.n_outputs,) if self.n_outputs > 1 else ()
        return (input_shape[0], self.replicates, *tail)

    def get_config(self):
        own = {"names": self.names, "n_outputs": self.n_outputs, "replicates": self.replicates}
        return {**super().get_config(), **own}


def with_covariates(x, covariates, n_outputs: int, replicates: int | None):
    """(the input ``covariates``, `x` plus what they add to it)."""
    head = CovariateHead(covariates, n_outputs, replicates, name=COVARIATES_HEAD)
    beside = keras.Input((len(head.names),), name=COVARIATES, dtype="float32")
    return beside, layers.Add(name="with_covariates")([x, head(beside)])


def covariate_head(model: keras.Model) -> CovariateHead | None:
    """The model's layer for covariates, if it has one."""
    return next((x for x in model.layers if isinstance(x, CovariateHead)), None)


def checked_covariates(covariates: int | Sequence[str]) -> list[str]:
    """Names of the covariates; a number k means ``covariate_0`` to ``covariate_{k-1}``.

    Raises
    ------
    ArgumentError
        Neither a number of at least 1 nor different names.
    """
    names = covariates
    if isinstance(covariates, int | np.integer) and not isinstance(covariates, bool):
        names = [f"covariate_{k}" for k in range(covariates)]
    valid = not isinstance(names, str) and isinstance(names, Sequence) and len(names)
    if not valid or not all(isinstance(n, str) and n for n in names) or len({*names}) < len(names):
        raise ArgumentError(
            "covariates must be a whole number of at least 1, or a list of different names. "
            f"Received: covariates={covariates!r}",
            code="E-ARGUMENT",
        )
    return list(names)
