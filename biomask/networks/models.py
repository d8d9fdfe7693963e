"""build_model: an ordinary compiled Keras model whose hidden units are pathways."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers, regularizers

from biomask.errors import ArgumentError, ModelError
from biomask.masks.mask import Mask
from biomask.networks.heads import (
    HEAD,
    covariate_head,
    pathway_head,
    start_head,
    with_covariates,
)
from biomask.networks.initializers import (
    checked_replicates,
    checked_seed,
    replicate_seeds,
)
from biomask.networks.layers import MaskedDense
from biomask.networks.replicates import ReplicateLoss, replicate_metrics
from biomask.networks.survival import CoxLoss

# The last layer is named after what it predicts, so a loaded model still knows its task.
OUTPUT_OF_TASK = {
    "binary": "probability",
    "multiclass": "class_probabilities",
    "regression": "prediction",
    "survival": "log_risk",
}
PATHWAYS = "pathways"
DROPOUT = "pathways_dropout"
_ACTIVATION = {"binary": "sigmoid", "multiclass": "softmax"}  # linear for the other tasks


def build_model(
    mask: Mask,
    task: str = "binary",
    n_classes: int | None = None,
    activation: str = "tanh",
    dropout: float = 0.0,
    l2: float = 0.0,
    learning_rate: float = 1e-3,
    replicates: int | None = None,
    *,
    covariates: int | Sequence[str] | None = None,
    signed: bool = False,
    kernel: str = "auto",
    kernel_initializer="glorot_uniform",
    seed: int | Sequence[int] | None = None,
) -> keras.Model:
    """genes -> pathways (masked) -> outcome, compiled and ready for `fit`.

    Layers: ``genes`` (input), ``pathways`` (`MaskedDense`), ``pathways_dropout``, ``head``
    (linear), and the output: ``probability``, ``class_probabilities``, ``prediction`` or
    ``log_risk``. With covariates also ``covariates`` (input) and ``covariates_head``, added to
    ``head``.

    Parameters
    ----------
    mask : Mask or 2-D 0/1 array, shape (n_genes, n_pathways)
    task : {"binary", "multiclass", "regression", "survival"}
        Labels are 0/1, 0 to n_classes - 1, numbers, or pairs of time and event (1 seen, 0
        censored), for which the loss is that of `biomask.networks.survival.CoxLoss`.
    n_classes : int, optional
        For "multiclass", and only there.
    activation : str
        Of the pathway units.
    dropout : float
        Share of the pathway units left out in each training step, 0 to 1.
    l2 : float
        Weight decay: ``l2 * sum(w**2)`` over edges and head is added to the loss.
    learning_rate : float
        Of Adam.
    replicates : int, optional
        Train this many independent networks as one. They share no parameter, and the loss is
        summed over them, so that each trains as if alone.
    covariates : int or sequence of str, optional
        How many covariates (age, batch) there are beside the genes, or their names. They enter the
        linear head only, with weights that start at zero and do not decay; scale them as you
        scale the genes.
    signed, kernel, kernel_initializer
        As in `MaskedDense`.
    seed : int or sequence of int, optional
        Of the initial weights. With replicates, a sequence gives each network its own, and an int
        s means s, s + 1, ...: replicate r starts as ``build_model(..., seed=s + r)`` does.

    Returns
    -------
    keras.Model
        Input ``(batch, n_genes)`` float32, columns in the order of ``mask.genes``; with covariates
        ``{"genes": (batch, n_genes), "covariates": (batch, k)}``. Output
        ``(batch, 1)``, or ``(batch, n_classes)``; with replicates ``(batch, R)`` or
        ``(batch, R, n_classes)``, and y is ``(batch,)`` or one column for each replicate, with a
        last axis of 2 for "survival".

    Raises
    ------
    ArgumentError
        An argument is outside what is described here.
    """
    n_outputs = _checked_outputs(task, n_classes)
    _check_number("dropout", dropout, lambda x: 0 <= x < 1, "at least 0 and below 1")
    _check_number("l2", l2, lambda x: x >= 0, "a number of at least 0")
    _check_number("learning_rate", learning_rate, lambda x: x > 0, "a number above 0")
    decay = regularizers.L2(l2) if l2 else None
    pathways = MaskedDense(
        mask,
        activation,
        replicates=replicates,
        kernel=kernel,
        signed=signed,
        kernel_initializer=kernel_initializer,
        kernel_regularizer=decay,
        seed=_drawn(seed, replicates),
        name=PATHWAYS,
    )
    genes = keras.Input((pathways.mask.shape[0],), name="genes", dtype="float32")
    x = pathways(genes)
    x = layers.Dropout(dropout, seed=pathways.seed[0], name=DROPOUT)(x)
    # No bias where a constant added to all outputs changes no loss: it would only follow rounding.
    head = pathway_head(n_outputs, replicates, decay, bias=task != "survival")
    x, inputs = head(x), genes
    if covariates is not None:
        beside, x = with_covariates(x, covariates, n_outputs, replicates)
        inputs = [genes, beside]
    final = _ACTIVATION.get(task, "linear")
    outcome = layers.Activation(final, name=OUTPUT_OF_TASK[task], dtype="float32")(x)
    start_head(head, pathways)
    model = keras.Model(inputs, outcome, name="biomask")
    compile_model(model, learning_rate)
    return model


def compile_model(model: keras.Model, learning_rate: float) -> None:
    """Give the model Adam, and the loss and the metrics of its task."""
    task, replicates = task_of(model), pathway_layer(model).replicates
    if task == "survival":  # concordance counts pairs of samples, which batches would part
        loss, metrics = CoxLoss(), [] if not replicates else replicate_metrics(task, replicates)
    elif replicates is not None:
        loss, metrics = ReplicateLoss(task), replicate_metrics(task, replicates)
    elif task == "binary":
        loss, metrics = "binary_crossentropy", ["accuracy", keras.metrics.AUC(name="auc")]
    elif task == "multiclass":
        loss, metrics = "sparse_categorical_crossentropy", ["accuracy"]
    else:
        loss, metrics = "mean_squared_error", [keras.metrics.MeanAbsoluteError(name="mae")]
    # Named, or Keras counts: the second model of a process would not be the first one's equal.
    optimizer = keras.optimizers.Adam(learning_rate, name="adam")
    model.compile(optimizer, loss=loss, metrics=metrics)


def restart(model: keras.Model, seeds: Sequence[int]) -> None:
    """Put every weight back to where `build_model` with these seeds starts, optimizer included.

    Parameters
    ----------
    model : keras.Model
        Made by `build_model`.
    seeds : sequence of int
        One for each network.
    """
    pathways, head = pathway_layer(model), model.get_layer(HEAD)
    pathways.seed = _drawn(list(seeds), pathways.replicates)
    pathways.kernel.assign(pathways.initial_edges(pathways.kernel.shape))
    start_head(head, pathways)
    beside = covariate_head(model)
    zeros = [pathways.bias, head.bias, None if beside is None else beside.kernel]
    zeros = [v for v in zeros if v is not None]
    state = [v for v in model.optimizer.variables if v.name != "learning_rate"]
    for variable in zeros + state:
        variable.assign(tf.zeros_like(variable))


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
    layer, head = pathway_layer(model), model.get_layer(HEAD)
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
    single = build_model(
        layer.mask,
        task,
        n_classes=model.output_shape[-1] if task == "multiclass" else None,
        activation=layer.activation,
        dropout=model.get_layer(DROPOUT).rate,
        l2=float(layer.kernel_regularizer.l2) if layer.kernel_regularizer else 0.0,
        learning_rate=float(model.optimizer.learning_rate),
        covariates=None if beside is None else beside.names,
        signed=layer.signed,
        kernel=layer.kernel_kind,
        kernel_initializer=layer.kernel_initializer,
        seed=layer.seed[replicate],
    )
    kernel, bias = layer.get_weights()
    single.get_layer(PATHWAYS).set_weights([kernel[:, replicate], bias[replicate]])
    alone = single.get_layer(HEAD)
    alone.set_weights(
        [
            w[replicate].reshape(v.shape)
            for w, v in zip(head.get_weights(), alone.weights, strict=True)
        ]
    )
    if beside is not None:
        covariate_head(single).kernel.assign(beside.kernel[replicate : replicate + 1])
    return single


def pathway_layer(model: keras.Model) -> MaskedDense:
    """The model's masked layer.

    Raises
    ------
    ModelError
        There is none.
    """
    for layer in getattr(model, "layers", []):
        if isinstance(layer, MaskedDense):
            return layer
    raise ModelError(
        "the model has no MaskedDense layer",
        code="E-NO-MASK",
        hint="Pass a model made by biomask.build_model, or one with a biomask.MaskedDense in it.",
    )


def task_of(model: keras.Model) -> str:
    """The task that `build_model` made the model for.

    Raises
    ------
    ModelError
        `build_model` did not make it.
    """
    names = {name: task for task, name in OUTPUT_OF_TASK.items()}
    last = model.layers[-1].name
    if last not in names:
        raise ModelError(
            f"the last layer is {last!r}, not one of {sorted(names)}",
            code="E-NO-TASK",
            hint="Pass a model made by biomask.build_model.",
        )
    return names[last]


def _drawn(seed: int | Sequence[int] | None, replicates: int | None) -> list[int]:
    """Explicit seeds, so that both layers of a network start from the same one."""
    replicates = checked_replicates(replicates)
    return replicate_seeds(checked_seed(seed, replicates), replicates)


def _checked_outputs(task: str, n_classes: int | None) -> int:
    if task not in OUTPUT_OF_TASK:
        raise ArgumentError(
            f"task must be one of {sorted(OUTPUT_OF_TASK)}. Received: task={task!r}",
            code="E-ARGUMENT",
        )
    if task != "multiclass":
        if n_classes is not None:
            raise ArgumentError(
                f"n_classes belongs to task='multiclass'. Received: task={task!r}, "
                f"n_classes={n_classes!r}",
                code="E-ARGUMENT",
            )
        return 1
    whole = isinstance(n_classes, int | np.integer) and not isinstance(n_classes, bool)
    if not whole or n_classes < 2:
        raise ArgumentError(
            f"task='multiclass' needs n_classes, a whole number of at least 2. "
            f"Received: n_classes={n_classes!r}",
            code="E-ARGUMENT",
        )
    return int(n_classes)


def _check_number(name: str, value, inside: Callable[[float], bool], expected: str) -> None:
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (number and np.isfinite(value) and inside(value)):
        raise ArgumentError(
            f"{name} must be {expected}. Received: {name}={value!r}", code="E-ARGUMENT"
        )
