"""What one trained model says: edge weights, pathway activity, attributions.

These describe the function that was fitted. They are not evidence: see `biomask.crossfit`.
"""

from __future__ import annotations

import numbers
import warnings

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from biomask.errors import ArgumentError, BiomaskWarning, DataError, ModelError, listed
from biomask.masks.matrices import as_frame, as_pandas, read_table
from biomask.networks.autoencoder import RECONSTRUCTION, loadings
from biomask.networks.deep import pathway_layers, read_names, unit_names
from biomask.networks.heads import HEAD, skips
from biomask.networks.layers import MaskedDense
from biomask.networks.models import pathway_layer, task_of

_BATCH = 256  # samples at a time


def edge_weights(model: keras.Model) -> pd.DataFrame:
    """The trained weight of every gene -> pathway connection.

    Returns
    -------
    DataFrame
        Columns ``gene``, ``pathway``, ``weight``, one row an edge; with replicates also
        ``replicate``, one row an edge and replicate. For an autoencoder also ``loading``, the
        weight of the way back, from the pathway to the gene. Of a hierarchy also ``level``: 0 for
        edges from genes; above, an edge runs from the child named in ``gene`` to its parent.

    Raises
    ------
    ModelError
        The model has no `MaskedDense` layer.
    """
    masked = pathway_layers(model)
    frames = [layer.mask.to_edges()[["gene", "pathway"]] for layer in masked]
    if len(masked) > 1:
        frames = [frame.assign(level=level) for level, frame in enumerate(frames)]
    frame = pd.concat(frames, ignore_index=True)
    weights = {"weight": np.concatenate([layer.edges for layer in masked])}
    if model.layers[-1].name == RECONSTRUCTION:
        weights["loading"] = loadings(model)
    if masked[0].replicates is None:
        return frame.assign(**weights)
    parts = [
        frame.assign(replicate=r, **{name: w[:, r] for name, w in weights.items()})
        for r in range(masked[0].replicates)
    ]
    return pd.concat(parts, ignore_index=True)


def predict(
    model: keras.Model, data, *, fill=None, layer: str | None = None, batch_size: int = _BATCH
) -> pd.Series | pd.DataFrame:
    """What the model predicts for each sample, genes matched by name.

    ``model.predict`` takes the columns of a table by position; this does not.

    Parameters
    ----------
    model : keras.Model
        Whose first layer is a `MaskedDense`, such as `build_model` makes, without covariates.
    data : DataFrame (samples x genes), AnnData, what `align` returned, or array (samples, genes)
        Scaled as the training data were. Further genes are ignored. An array has no names: its
        columns are ``mask.genes`` in that order.
    fill : Series indexed by gene, or mapping, optional
        Values for genes that `data` lacks, such as the means of the training data.
    layer : str, optional
        Layer of an AnnData; ``.X`` without it.
    batch_size : int
        Samples at a time.

    Returns
    -------
    Series or DataFrame, indexed by sample
        A Series of shape (n_samples,) where the model gives one number: the probability of the
        second class, a value, or a log risk. Else a DataFrame whose columns are the classes 0 to
        C - 1, or the genes that an autoencoder reconstructs. With replicates the columns are
        ``replicate``, or (``replicate``, class or gene). ``attrs`` reports the genes that were
        ``"filled"``, and those of the data that were ``"ignored"``.

    Raises
    ------
    DataError
        Genes are missing from `data` and from `fill`, or a value is not finite.
    ModelError
        The model has no `MaskedDense` layer, or takes covariates too.

    Warns
    -----
    BiomaskWarning
        Genes were filled.

    Examples
    --------
    >>> import biomask as bm
    >>> mask = bm.Mask.from_sets({"p": ["TP53", "MYC"]})
    >>> model = bm.build_model(mask, seed=0)
    >>> X = pd.DataFrame({"MYC": [0.5, 1.0], "TP53": [2.0, 0.0]}, index=["a", "b"])
    >>> bm.predict(model, X).index.tolist()
    ['a', 'b']
    """
    first = pathway_layers(model)[0]
    if len(model.inputs) > 1:
        raise ModelError(
            "the model takes covariates beside the genes",
            code="E-COVARIATES",
            hint='Use model.predict({"genes": aligned.X, "covariates": ...}), with columns in the '
            "order of mask.genes.",
        )
    X = _by_name(first, data, fill=fill, layer=layer)
    values = model.predict(X.to_numpy(), batch_size=batch_size, verbose=0)
    widths = values.shape[1:]
    axes = [] if first.replicates is None else [pd.RangeIndex(widths[0], name="replicate")]
    if len(widths) > len(axes) and (axes or widths != (1,)):
        genes = model.layers[-1].name == RECONSTRUCTION
        axes.append(X.columns if genes else pd.RangeIndex(widths[-1], name="class"))
    if not axes:
        result = pd.Series(values[:, 0], index=X.index, name="prediction")
    else:
        columns = axes[0] if len(axes) == 1 else pd.MultiIndex.from_product(axes)
        result = pd.DataFrame(values.reshape(len(X), -1), index=X.index, columns=columns)
    result.attrs = X.attrs
    return result


def pathway_activity(model: keras.Model, X) -> pd.DataFrame:
    """The output of every pathway unit, of every level, for every sample.

    Parameters
    ----------
    model : keras.Model
    X : DataFrame (samples x genes), AnnData, what `align` returned, or array (samples, genes)
        Matched to the mask's genes by name.

    Returns
    -------
    DataFrame, shape (n_samples, n_pathways)
        With replicates, the columns are (replicate, pathway). The sign and the scale of a unit
        are arbitrary: only differences within one pathway mean something. For a variational
        autoencoder these are the means of the latent variables.

    Raises
    ------
    DataError
        Genes are missing from X, or a value is not finite.
    ModelError
        The model has no `MaskedDense` layer, or is not a functional or sequential one.
    """
    masked, units = pathway_layers(model), unit_names(model)
    layer = masked[0]
    X = _by_name(layer, X)
    values = _outputs(model, masked, X)
    if layer.replicates is None:
        return pd.DataFrame(values, index=X.index, columns=units)
    names = [range(layer.replicates), units]
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
    X = _by_name(layer, X)
    start = _baseline(layer, baseline)
    last = model.get_layer("with_skip" if skips(model) else HEAD)
    logit = keras.Model(model.inputs[0], last.output)
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
    unit p, exact because the head is linear. A row sums to f(x) - f(x0), but for what genes add
    past the pathways (``skip=True``). Of a hierarchy, the units that the head reads.

    Parameters and errors are those of `gene_attributions`.

    Returns
    -------
    DataFrame, shape (n_samples, n_pathways)
    """
    layer, column = _single(model), _checked_target(model, target)
    X = _by_name(layer, X)
    masked, read = pathway_layers(model), read_names(model)
    position = unit_names(model).get_indexer(read)
    at_start = _outputs(model, masked, _baseline(layer, baseline))
    weights = model.get_layer(HEAD).kernel.numpy()[:, column]
    values = (_outputs(model, masked, X) - at_start)[:, position] * weights
    return pd.DataFrame(values, index=X.index, columns=read)


def _by_name(first: MaskedDense, data, *, fill=None, layer: str | None = None) -> pd.DataFrame:
    """The genes of the first masked layer, by name, as float32; `predict` says what `fill` is."""
    genes, data = first.mask.genes, as_pandas(data, "X")
    names = pd.Index(read_table(data, layer=layer, genes=genes, what="X").genes, dtype=object)
    absent = genes[~genes.isin(names)]
    if fill is None or len(absent) in (0, len(genes)):
        frame, absent = as_frame(data, genes, layer=layer), []
    else:
        fill = pd.Series(fill, dtype=np.float32)
        unknown = absent[~absent.isin(fill.index[np.isfinite(fill)])]
        if len(unknown):
            raise DataError(
                f"X and fill both lack {len(unknown)} of {len(genes)} genes",
                code="E-DATA-GENES",
                genes=unknown,
                hint="Give fill a finite value for each, such as the mean of the training data.",
            )
        frame = as_frame(data, genes.drop(absent), layer=layer).reindex(columns=genes)
        frame[absent] = fill[absent].to_numpy()
        warnings.warn(
            f"{len(absent)} of {len(genes)} genes are not in X and were filled: "
            f"{listed(absent, 5)}",
            BiomaskWarning,
            stacklevel=3,
        )
    frame = frame.copy(deep=False)
    frame.attrs = {"filled": list(absent), "ignored": list(names[~names.isin(genes)])}
    return frame


def _outputs(model: keras.Model, masked: list[MaskedDense], X) -> np.ndarray:
    """Outputs of these layers side by side, (n, ..., units)."""
    units = _units(model, masked)
    batches = [keras.tree.flatten(units(part, training=False)) for part in _batches(X)]
    return np.concatenate([np.concatenate(parts, axis=-1) for parts in batches])


def _units(model: keras.Model, masked: list[MaskedDense]) -> keras.Model:
    """The model from its input to the units of every level."""
    try:
        return keras.Model(model.inputs[0], [layer.output for layer in masked])
    except (AttributeError, TypeError, ValueError) as error:
        raise ModelError(
            f"layer {masked[0].name!r} cannot be reached from the model's input: {error}",
            code="E-NOT-FUNCTIONAL",
            hint="Build the model with keras.Input and the functional API, or as Sequential.",
        ) from error


def _batches(X) -> list[np.ndarray]:
    values = np.asarray(X, np.float32)
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
    task = task_of(model)
    if task == "autoencoder":
        raise ModelError(
            "attributions are of an outcome, and an autoencoder predicts none",
            code="E-NO-OUTCOME",
            hint="Its loadings are in biomask.edge_weights(model).",
        )
    n_outputs = model.get_layer(HEAD).units
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
