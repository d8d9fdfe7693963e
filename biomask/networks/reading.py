"""What one trained model says: edge weights, pathway activity, attributions.

These describe the function that was fitted. They are not evidence: see `biomask.crossfit`.
"""

from __future__ import annotations

import numbers

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from biomask.errors import ArgumentError, ModelError
from biomask.masks.matrices import as_frame
from biomask.networks.layers import MaskedDense
from biomask.networks.models import HEAD, pathway_layer, task_of

_BATCH = 256  # samples at a time


def edge_weights(model: keras.Model) -> pd.DataFrame:
    """The trained weight of every gene -> pathway connection.

    Returns
    -------
    DataFrame
        Columns ``gene``, ``pathway``, ``weight``, one row an edge; with replicates also
        ``replicate``, one row an edge and replicate.

    Raises
    ------
    ModelError
        The model has no `MaskedDense` layer.
    """
    layer = pathway_layer(model)
    frame = layer.mask.to_edges()[["gene", "pathway"]]
    if layer.replicates is None:
        return frame.assign(weight=layer.edges)
    parts = [frame.assign(replicate=r, weight=w) for r, w in enumerate(layer.edges.T)]
    return pd.concat(parts, ignore_index=True)[["gene", "pathway", "replicate", "weight"]]


def pathway_activity(model: keras.Model, X) -> pd.DataFrame:
    """The output of every pathway unit for every sample.

    Parameters
    ----------
    model : keras.Model
    X : DataFrame (samples x genes), AnnData, what `align` returned, or array (samples, genes)
        Matched to the mask's genes by name.

    Returns
    -------
    DataFrame, shape (n_samples, n_pathways)
        With replicates, the columns are (replicate, pathway). The sign and the scale of a unit
        are arbitrary: only differences within one pathway mean something.

    Raises
    ------
    DataError
        Genes are missing from X, or a value is not finite.
    ModelError
        The model has no `MaskedDense` layer, or is not a functional or sequential one.
    """
    layer = pathway_layer(model)
    X = as_frame(X, layer.mask.genes)
    values = _outputs(model, layer, X)
    if layer.replicates is None:
        return pd.DataFrame(values, index=X.index, columns=layer.mask.pathways)
    names = [range(layer.replicates), layer.mask.pathways]
    columns = pd.MultiIndex.from_product(names, names=["replicate", "pathway"])
    return pd.DataFrame(values.reshape(len(X), -1), index=X.index, columns=columns)


def gene_attributions(
    model: keras.Model, X, *, target: int | None = None, baseline=None, steps: int = 32
) -> pd.DataFrame:
    """Integrated gradients of the head's output (the logit) with respect to every gene.

    ``(x - x0) * integral of d f(x0 + a (x - x0)) / dx over a from 0 to 1``, Sundararajan et al.
    2017 (ICML), equation 1, by the Gauss-Legendre rule. A row sums to f(x) - f(x0); covariates add
    the same to both.

    Parameters
    ----------
    model : keras.Model
        Made by `build_model`, without replicates.
    X : as in `pathway_activity`
    target : int, optional
        The class, for a multiclass model, and only there.
    baseline : Series indexed by gene, optional
        x0; zero for every gene unless given, which is the training mean of scaled data.
    steps : int
        Points of the rule, at least 1.

    Returns
    -------
    DataFrame, shape (n_samples, n_genes)

    Raises
    ------
    ArgumentError, DataError, ModelError
    """
    layer, column = _single(model), _checked_target(model, target)
    if not isinstance(steps, numbers.Integral) or steps < 1:
        raise ArgumentError(
            f"steps must be a whole number of at least 1. Received: steps={steps!r}",
            code="E-ARGUMENT",
        )
    X = as_frame(X, layer.mask.genes)
    start = _baseline(layer, baseline)
    logit = keras.Model(model.inputs[0], model.get_layer(HEAD).output)
    nodes, shares = np.polynomial.legendre.leggauss(steps)

    @tf.function(reduce_retracing=True)
    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outcome = logit(x, training=False)[:, column]
        return tape.gradient(outcome, x)

    def of_batch(x):
        points = [(start + (node + 1) / 2 * (x - start)).astype(np.float32) for node in nodes]
        slopes = [slope(tf.constant(point)).numpy() for point in points]
        return (x - start) * np.tensordot(shares / 2, slopes, axes=1)

    parts = [of_batch(part) for part in _batches(X)]
    return pd.DataFrame(np.concatenate(parts), index=X.index, columns=X.columns)


def pathway_attributions(
    model: keras.Model, X, *, target: int | None = None, baseline=None
) -> pd.DataFrame:
    """How much every pathway unit moves the head's output (the logit) away from the baseline.

    ``v_p (h_p(x) - h_p(x0))``, which is the conductance of Dhamdhere et al. 2019 (ICLR) through
    unit p, exact because the head is linear. A row sums to f(x) - f(x0).

    Parameters and errors are those of `gene_attributions`.

    Returns
    -------
    DataFrame, shape (n_samples, n_pathways)
    """
    layer, column = _single(model), _checked_target(model, target)
    X = as_frame(X, layer.mask.genes)
    at_start = _units(model, layer)(_baseline(layer, baseline), training=False).numpy()
    weights = model.get_layer(HEAD).kernel.numpy()[:, column]
    values = (_outputs(model, layer, X) - at_start) * weights
    return pd.DataFrame(values, index=X.index, columns=layer.mask.pathways)


def _outputs(model: keras.Model, layer: MaskedDense, X: pd.DataFrame) -> np.ndarray:
    units = _units(model, layer)
    return np.concatenate([units(part, training=False).numpy() for part in _batches(X)])


def _units(model: keras.Model, layer: MaskedDense) -> keras.Model:
    """The model from its input to the pathway units."""
    try:
        return keras.Model(model.inputs[0], layer.output)
    except (AttributeError, TypeError, ValueError) as error:
        raise ModelError(
            f"layer {layer.name!r} cannot be reached from the model's input: {error}",
            code="E-NOT-FUNCTIONAL",
            hint="Build the model with keras.Input and the functional API, or as Sequential.",
        ) from error


def _batches(X: pd.DataFrame) -> list[np.ndarray]:
    values = X.to_numpy(np.float32)
    return [values[i : i + _BATCH] for i in range(0, len(values), _BATCH)]


def _single(model: keras.Model) -> MaskedDense:
    """The masked layer of a model that holds one trained network."""
    layer = pathway_layer(model)
    if layer.replicates is not None:
        raise ModelError(
            f"attributions are of one network, this model holds {layer.replicates}",
            code="E-REPLICATES",
            hint="Take one out first: biomask.take_replicate(model, r).",
        )
    if np.array_equal(layer.kernel, layer.initial_edges(layer.kernel.shape)):
        raise ModelError(
            "the model is not trained: its edges still have their initial weights",
            code="E-UNTRAINED",
            hint="Call model.fit first; attributions of random weights mean nothing.",
        )
    return layer


def _checked_target(model: keras.Model, target: int | None) -> int:
    task, n_outputs = task_of(model), model.get_layer(HEAD).units
    if task != "multiclass":
        if target is not None:
            raise ArgumentError(
                f"target belongs to a multiclass model. Received: target={target!r}, task {task!r}",
                code="E-ARGUMENT",
            )
        return 0
    if not isinstance(target, numbers.Integral) or not 0 <= target < n_outputs:
        raise ArgumentError(
            f"target must be a class from 0 to {n_outputs - 1}. Received: target={target!r}",
            code="E-ARGUMENT",
        )
    return int(target)


def _baseline(layer: MaskedDense, baseline) -> np.ndarray:
    if baseline is None:
        return np.zeros((1, layer.mask.shape[0]), np.float32)
    frame = pd.Series(baseline).to_frame().T
    return as_frame(frame, layer.mask.genes, what="baseline").to_numpy(np.float32)
