"""One network out of many that were trained as one."""

from __future__ import annotations

import numbers

import keras

from biomask.errors import ArgumentError, ModelError
from biomask.networks.autoencoder import latent_settings
from biomask.networks.deep import mask_of, reads_all
from biomask.networks.heads import covariate_head, linear_layers, skips
from biomask.networks.models import (
    DROPOUT,
    build_model,
    loss_terms,
    masked_layers,
    pathway_layer,
    task_of,
)


def take_replicate(model: keras.Model, replicate: int) -> keras.Model:
    """One network of a model with replicates, as an ordinary model with the same weights.

    Parameters
    ----------
    model : keras.Model
        Made by ``build_model(..., replicates=R)``.
    replicate : int
        From 0 to R - 1.

    Raises
    ------
    ArgumentError
        There is no such replicate.
    ModelError
        The model has no replicates.
    """
    layer = pathway_layer(model)
    if layer.replicates is None:
        raise ModelError(
            "the model is a single network already",
            code="E-REPLICATES",
            hint="Only biomask.build_model(..., replicates=R) has replicates.",
        )
    if not isinstance(replicate, numbers.Integral) or not 0 <= replicate < layer.replicates:
        raise ArgumentError(
            f"replicate must be from 0 to {layer.replicates - 1}. Received: {replicate!r}",
            code="E-ARGUMENT",
        )
    task, beside = task_of(model), covariate_head(model)
    decay = float(layer.kernel_regularizer.l2) if layer.kernel_regularizer else 0.0
    single = build_model(
        mask_of(model),
        task,
        n_classes=model.output_shape[-1] if task == "multiclass" else None,
        activation=layer.activation,
        dropout=model.get_layer(DROPOUT).rate,
        l2=decay * loss_terms(task, layer.mask),
        learning_rate=float(model.optimizer.learning_rate),
        covariates=None if beside is None else beside.names,
        signed=layer.signed,
        kernel=layer.kernel_kind,
        kernel_initializer=layer.kernel_initializer,
        seed=layer.seed[replicate],
        outputs="all" if reads_all(model) else "top",
        skip=skips(model),
        **(latent_settings(model) if task == "autoencoder" else {}),
    )
    for masked in masked_layers(model):
        kernel, bias = masked.get_weights()
        single.get_layer(masked.name).set_weights([kernel[:, replicate], bias[replicate]])
    if task == "autoencoder":
        return single
    for linear in linear_layers(model):
        alone = single.get_layer(linear.name)
        weights = zip(linear.get_weights(), alone.weights, strict=True)
        alone.set_weights([w[replicate].reshape(v.shape) for w, v in weights])
    if beside is not None:
        covariate_head(single).kernel.assign(beside.kernel[replicate : replicate + 1])
    return single
