"""build_model: an ordinary compiled Keras model whose hidden units are pathways."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import layers, regularizers

from biomask.errors import ModelError
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.mask import Mask
from biomask.networks.arguments import (
    check_no_covariates,
    check_number,
    check_one_level,
    check_outputs,
    check_variational,
    checked_outputs,
)
from biomask.networks.autoencoder import (
    RECONSTRUCTION,
    decoder,
    sampled,
)
from biomask.networks.deep import (
    pathway_layers,
    read_by_head,
    stack_levels,
)
from biomask.networks.heads import (
    HEAD,
    covariate_head,
    pathway_head,
    skip_head,
    start_heads,
    with_covariates,
)
from biomask.networks.initializers import (
    checked_replicates,
    checked_seed,
    replicate_seeds,
)
from biomask.networks.layers import MaskedDense, as_mask
from biomask.networks.replicates import ReplicateLoss, replicate_metrics
from biomask.networks.survival import CoxLoss

# The last layer is named after what it predicts, so a loaded model still knows its task.
OUTPUT_OF_TASK = {
    "binary": "probability",
    "multiclass": "class_probabilities",
    "regression": "prediction",
    "survival": "log_risk",
    "autoencoder": RECONSTRUCTION,
}
DROPOUT = "pathways_dropout"
_ACTIVATION = {"binary": "sigmoid", "multiclass": "softmax"}  # linear for the other tasks


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
    covariates: int | Sequence[str] | None = None,
    signed: bool = False,
    kernel: str = "auto",
    kernel_initializer="glorot_uniform",
    seed: int | Sequence[int] | None = None,
    variational: bool = False,
    beta: float | None = None,
    outputs: str = "all",
    skip: bool = False,
) -> keras.Model:
    """genes -> pathways (masked) -> outcome, compiled and ready for `fit`.

    Layers: ``genes`` (input), ``pathways`` (`MaskedDense`), ``pathways_dropout``, ``head``
    (linear), and the output: ``probability``, ``class_probabilities``, ``prediction`` or
    ``log_risk``. With covariates also ``covariates`` (input) and ``covariates_head``, added to
    ``head``. An autoencoder has ``reconstruction`` (`MaskedDense`, pathways to genes) instead
    of the last two, and its labels are X: ``model.fit(X, X)``; see `biomask.networks.autoencoder`.

    With a hierarchy ``pathways_2``, ``pathways_3``, ... lie above ``pathways``, each reading its
    ``pathways_2_children``, ... from whatever level computes them: what the hierarchy carries on
    has no parameter and is not computed again.

    Parameters
    ----------
    mask : Mask, Hierarchy, or 2-D 0/1 array, shape (n_genes, n_pathways)
    task : {"binary", "multiclass", "regression", "survival", "autoencoder"}
        Labels are 0/1, 0 to n_classes - 1, numbers, pairs of time and event (1 seen, 0 censored),
        for which the loss is that of `biomask.networks.survival.CoxLoss`, or the input itself.
    n_classes : int, optional
        For "multiclass", and only there.
    activation : str
        Of the pathway units.
    dropout : float
        Share of the pathway units left out in each training step, 0 to 1, at every level.
    l2 : float
        Weight decay: ``l2 * sum(w**2)`` over edges and head is added to the loss; for an
        autoencoder a G-th of it, G being the number of genes.
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
        As in `MaskedDense`. The initializer is that of the edges from genes; edges between
        pathways are always Glorot-uniform.
    seed : int or sequence of int, optional
        Of the initial weights. With replicates, a sequence gives each network its own, and an int
        s means s, s + 1, ...: replicate r starts as ``build_model(..., seed=s + r)`` does.
        Training on a CPU then gives the same bytes each time. On a GPU ``unsorted_segment_sum``
        (kernel "batched") and sparse products ("csr") add up in no fixed order: ask for
        kernel="dense" and `tf.config.experimental.enable_op_determinism`.
    variational : bool
        For "autoencoder": `activation` gives the means of normal latent variables, drawn in
        training; at all other times they are their means.
    beta : float, optional
        Weight of their divergence from N(0, 1); 1 unless given, the evidence lower bound.
    outputs : {"all", "top"}
        Which units of a hierarchy the head reads: those of every level, each once, so that the
        logit is the sum of one linear output for each level, trained with one loss (P-NET,
        Elmarakeby et al. 2021, has a loss for each level); or the roots only. Of a mask, all.
    skip : bool
        Let the genes also reach the outcome by linear connections of their own (layer ``skip``).

    Returns
    -------
    keras.Model
        Input ``(batch, n_genes)`` float32, columns in the order of ``mask.genes``; with covariates
        ``{"genes": (batch, n_genes), "covariates": (batch, k)}``. Output
        ``(batch, 1)``, or ``(batch, n_classes)``; with replicates ``(batch, R)`` or
        ``(batch, R, n_classes)``, and y is ``(batch,)`` or one column for each replicate, with a
        last axis of 2 for "survival". Of an autoencoder ``(batch, n_genes)`` or
        ``(batch, R, n_genes)``, and y ``(batch, n_genes)``.

    Raises
    ------
    ArgumentError
        An argument is outside what is described here.
    """
    n_outputs = checked_outputs(task, n_classes, OUTPUT_OF_TASK)
    check_number("dropout", dropout, lambda x: 0 <= x < 1, "at least 0 and below 1")
    check_number("l2", l2, lambda x: x >= 0, "a number of at least 0")
    check_number("learning_rate", learning_rate, lambda x: x > 0, "a number above 0")
    beta = check_variational(task, variational, beta)
    check_outputs(outputs)
    check_one_level(task, isinstance(mask, Hierarchy), skip)
    mask = mask if isinstance(mask, Hierarchy) else as_mask(mask)
    decay = regularizers.L2(l2 / loss_terms(task, mask)) if l2 else None
    seeds, masked = _drawn(seed, replicates), []

    def units_of(x, part: Mask, level: int, name: str):
        layer = MaskedDense(
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
        masked.append(layer)
        return sampled(x, layer(x), layer, beta) if variational else layer(x)

    genes = keras.Input((mask.shape[0],), name="genes", dtype="float32")
    units = stack_levels(genes, mask, dropout, seeds[0], units_of)
    inputs = genes
    if task == "autoencoder":
        check_no_covariates(task, covariates)
        outcome = decoder(masked[0])(units[0])
    else:
        # No bias where a constant added to all outputs changes no loss: it would follow rounding.
        head = pathway_head(n_outputs, replicates, decay, bias=task != "survival")
        x = head(read_by_head(units, mask, outputs))
        if skip:
            past = skip_head(n_outputs, replicates, decay)(genes)
            x = layers.Add(name="with_skip")([x, past])
        if covariates is not None:
            beside, x = with_covariates(x, covariates, n_outputs, replicates)
            inputs = [genes, beside]
        final = _ACTIVATION.get(task, "linear")
        outcome = layers.Activation(final, name=OUTPUT_OF_TASK[task], dtype="float32")(x)
    model = keras.Model(inputs, outcome, name="biomask")
    if task != "autoencoder":
        start_heads(model, seeds)
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
    zeros = []
    for layer in masked_layers(model):
        layer.seed = _drawn(list(seeds), layer.replicates)
        layer.kernel.assign(layer.initial_edges(layer.kernel.shape))
        zeros.append(layer.bias)
    if task_of(model) != "autoencoder":
        head, beside = model.get_layer(HEAD), covariate_head(model)
        start_heads(model, pathway_layer(model).seed)
        zeros += [head.bias, None if beside is None else beside.kernel]
    zeros = [variable for variable in zeros if variable is not None]
    state = [v for v in model.optimizer.variables if v.name != "learning_rate"]
    for variable in zeros + state:
        variable.assign(tf.zeros_like(variable))


def pathway_layer(model: keras.Model) -> MaskedDense:
    """The model's masked layer from genes to pathways.

    Raises
    ------
    ModelError
        There is none.
    """
    return pathway_layers(model)[0]


def masked_layers(model: keras.Model) -> list[MaskedDense]:
    """All masked layers, from the genes on."""
    return [x for x in getattr(model, "layers", []) if isinstance(x, MaskedDense)]


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


def loss_terms(task: str, mask: Mask | Hierarchy) -> int:
    """Numbers that a sample's loss is the mean of."""
    return mask.shape[0] if task == "autoencoder" else 1
