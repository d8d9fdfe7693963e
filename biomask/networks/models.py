"""build_model: an ordinary compiled Keras model whose hidden units are pathways."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers, regularizers

from biomask.errors import ArgumentError, ModelError
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.mask import Mask
from biomask.networks.deep import (
    mask_of,
    pathway_layers,
    read_by_head,
    reads_all,
    stack_levels,
)
from biomask.networks.heads import HEAD, head_layer, linear_layers, skip_layer, skips, start_linear
from biomask.networks.initializers import checked_replicates, checked_seed, replicate_seeds
from biomask.networks.layers import MaskedDense, as_mask
from biomask.networks.replicates import ReplicateLoss, replicate_metrics

# The last layer is named after what it predicts, so a loaded model still knows its task.
OUTPUT_OF_TASK = {
    "binary": "probability",
    "multiclass": "class_probabilities",
    "regression": "prediction",
}
DROPOUT = "pathways_dropout"
OUTPUTS = ("all", "top")
_ACTIVATION = {"binary": "sigmoid", "multiclass": "softmax", "regression": "linear"}


def build_model(
    mask: Mask | Hierarchy,
    task: str = "binary",
    n_classes: int | None = None,
    activation: str = "tanh",
    dropout: float = 0.0,
    l2: float = 0.0,
    learning_rate: float = 1e-3,
    replicates: int | None = None,
    *,
    signed: bool = False,
    kernel: str = "auto",
    kernel_initializer="glorot_uniform",
    seed: int | Sequence[int] | None = None,
    outputs: str = "all",
    skip: bool = False,
) -> keras.Model:
    """genes -> pathways (masked) -> outcome, compiled and ready for `fit`.

    Layers: ``genes`` (input), ``pathways`` (`MaskedDense`), ``pathways_dropout``, ``head``
    (linear), and the output: ``probability``, ``class_probabilities`` or ``prediction``. With a
    hierarchy, ``pathways_2``, ``pathways_3``, ... lie above ``pathways``, each reading its
    ``pathways_2_children``, ... from whatever level computes them: what the hierarchy carries on
    has no parameter and is not computed again.

    Parameters
    ----------
    mask : Mask, Hierarchy, or 2-D 0/1 array, shape (n_genes, n_pathways)
    task : {"binary", "multiclass", "regression"}
        Labels are 0/1, 0 to n_classes - 1, or numbers.
    n_classes : int, optional
        For "multiclass", and only there.
    activation : str
        Of the pathway units.
    dropout : float
        Share of the pathway units left out in each training step, 0 to 1, at every level.
    l2 : float
        Weight decay: ``l2 * sum(w**2)`` over edges and head is added to the loss.
    learning_rate : float
        Of Adam.
    replicates : int, optional
        Train this many independent networks as one. They share no parameter, and the loss is
        summed over them, so that each trains as if alone.
    signed, kernel, kernel_initializer
        As in `MaskedDense`. The initializer is that of the edges from genes; edges between
        pathways are always Glorot-uniform.
    seed : int or sequence of int, optional
        Of the initial weights. With replicates, a sequence gives each network its own, and an int
        s means s, s + 1, ...: replicate r starts as ``build_model(..., seed=s + r)`` does.
    outputs : {"all", "top"}
        Which units of a hierarchy the head reads: those of every level, each once, so that the
        logit is the sum of one linear output for each level, trained with one loss (P-NET,
        Elmarakeby et al. 2021, has a loss for each level); or the roots only. Of a mask, all.
    skip : bool
        Let the genes also reach the outcome by linear connections of their own (layer ``skip``).

    Returns
    -------
    keras.Model
        Input ``(batch, n_genes)`` float32, columns in the order of ``mask.genes``. Output
        ``(batch, 1)``, or ``(batch, n_classes)``; with replicates ``(batch, R)`` or
        ``(batch, R, n_classes)``, and y is ``(batch,)`` or one column for each replicate.

    Raises
    ------
    ArgumentError
        An argument is outside what is described here.
    """
    n_outputs = _checked_outputs(task, n_classes)
    _check_number("dropout", dropout, lambda x: 0 <= x < 1, "at least 0 and below 1")
    _check_number("l2", l2, lambda x: x >= 0, "a number of at least 0")
    _check_number("learning_rate", learning_rate, lambda x: x > 0, "a number above 0")
    check_outputs(outputs)
    decay = regularizers.L2(l2) if l2 else None
    seeds = _drawn(seed, replicates)
    mask = mask if isinstance(mask, Hierarchy) else as_mask(mask)

    def layer_of(part: Mask, level: int, name: str) -> MaskedDense:
        return MaskedDense(
            part,
            activation,
            replicates=replicates,
            kernel=kernel,
            signed=signed,
            kernel_initializer=kernel_initializer if level == 0 else "glorot_uniform",
            kernel_regularizer=decay,
            seed=seeds,
            name=name,
        )

    genes = keras.Input((mask.shape[0],), name="genes", dtype="float32")
    units = stack_levels(genes, mask, dropout, layer_of)
    x = head_layer(n_outputs, replicates, decay)(read_by_head(units, mask, outputs))
    if skip:
        x = layers.Add(name="logit")([x, skip_layer(n_outputs, replicates, decay)(genes)])
    outcome = layers.Activation(_ACTIVATION[task], name=OUTPUT_OF_TASK[task], dtype="float32")(x)
    model = keras.Model(genes, outcome, name="biomask")
    start_linear(model, seeds)
    compile_model(model, learning_rate)
    return model


def compile_model(model: keras.Model, learning_rate: float) -> None:
    """Give the model Adam, and the loss and the metrics of its task."""
    task, replicates = task_of(model), pathway_layer(model).replicates
    if replicates is not None:
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
    masked = pathway_layers(model)
    drawn = _drawn(list(seeds), masked[0].replicates)
    for layer in masked:
        layer.seed = drawn
        layer.kernel.assign(layer.initial_edges(layer.kernel.shape))
    start_linear(model, drawn)
    biases = [layer.bias for layer in [*masked, model.get_layer(HEAD)]]
    state = [v for v in model.optimizer.variables if v.name != "learning_rate"]
    for variable in biases + state:
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
    masked = pathway_layers(model)
    layer = masked[0]
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
    task = task_of(model)
    single = build_model(
        mask_of(model),
        task,
        n_classes=model.output_shape[-1] if task == "multiclass" else None,
        activation=layer.activation,
        dropout=model.get_layer(DROPOUT).rate,
        l2=float(layer.kernel_regularizer.l2) if layer.kernel_regularizer else 0.0,
        learning_rate=float(model.optimizer.learning_rate),
        signed=layer.signed,
        kernel=layer.kernel_kind,
        kernel_initializer=layer.kernel_initializer,
        seed=layer.seed[replicate],
        outputs="all" if reads_all(model) else "top",
        skip=skips(model),
    )
    for layer in masked:
        kernel, bias = layer.get_weights()
        single.get_layer(layer.name).set_weights([kernel[:, replicate], bias[replicate]])
    for layer in linear_layers(model):
        like = single.get_layer(layer.name)
        weights = zip(layer.get_weights(), like.get_weights(), strict=True)
        like.set_weights([many[replicate].reshape(one.shape) for many, one in weights])
    return single


def pathway_layer(model: keras.Model) -> MaskedDense:
    """The model's masked layer that reads the genes.

    Raises
    ------
    ModelError
        There is none.
    """
    return pathway_layers(model)[0]


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


def check_outputs(outputs: str) -> None:
    """Refuse what names no way for the head to read a hierarchy."""
    if outputs not in OUTPUTS:
        raise ArgumentError(
            f"outputs must be one of {OUTPUTS}. Received: outputs={outputs!r}", code="E-ARGUMENT"
        )


def _check_number(name: str, value, inside: Callable[[float], bool], expected: str) -> None:
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (number and np.isfinite(value) and inside(value)):
        raise ArgumentError(
            f"{name} must be {expected}. Received: {name}={value!r}", code="E-ARGUMENT"
        )
