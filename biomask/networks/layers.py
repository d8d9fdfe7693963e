"""MaskedDense: a dense layer in which only the allowed connections exist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import activations, constraints, initializers, regularizers

from biomask.errors import ArgumentError, ModelError
from biomask.masks.mask import Mask
from biomask.masks.packing import mask_from_config, mask_to_config
from biomask.networks.initializers import (
    checked_replicates,
    checked_seed,
    draw_edges,
    given_seed,
    name_hashes,
    replicate_seeds,
)
from biomask.networks.kernels import KERNELS, Edges, pick_kernel

OTHER_MASK = "E-OTHER-MASK"  # code of the error of weights that belong to another mask

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "biomask needs Keras on TensorFlow; set the environment variable KERAS_BACKEND=tensorflow "
        f"before Keras is imported. Received: {keras.backend.backend()}"
    )


@keras.saving.register_keras_serializable(package="biomask")
class MaskedDense(keras.layers.Layer):
    """``activation(x @ W + b)`` where W has one trainable number for each edge of a mask.

    A forbidden connection has no parameter, so no optimizer, constraint, checkpoint or clone can
    bring it back.

    Parameters
    ----------
    mask : Mask or 2-D 0/1 array, shape (n_genes, n_pathways)
        Which input feeds which unit.
    activation : str or callable, optional
        As in `keras.layers.Dense`.
    use_bias : bool
        One bias for each unit (and replicate).
    replicates : int, optional
        Train this many independent networks at once. The kernel is ``(n_edges, R)``.
    kernel : {"auto", "csr", "dense", "batched"}
        How the product is computed; the result is the same (see `biomask.networks.kernels`).
    signed : bool
        Keep the sign of every edge: positive where the mask's weight is positive (activating),
        negative where it is negative (inhibiting). The edge is ``sign * |parameter|``.
    kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, \
activity_regularizer, kernel_constraint, bias_constraint
        As in `keras.layers.Dense`, over the edges. Variance-scaling initializers use the number of
        genes of each unit as its fan-in.
    seed : int or sequence of int, optional
        Of the initial weights; with replicates, a sequence gives each its own, and an int s means
        s, s + 1, ... Without one, Keras' global seed decides.

    Notes
    -----
    Input ``(batch, genes)`` or ``(batch, steps, genes)`` gives ``(batch, pathways)`` or
    ``(batch, steps, pathways)``. With replicates, ``(batch, genes)`` is shared by all and
    ``(batch, R, genes)`` holds an input for each; both give ``(batch, R, pathways)``.

    Raises
    ------
    ArgumentError
        An argument is outside what is described here.
    ModelError
        The input is sparse, or lacks the one column for each gene of the mask; or saved weights
        belong to another mask.
    """

    def __init__(
        self,
        mask,
        activation=None,
        use_bias: bool = True,
        *,
        replicates: int | None = None,
        kernel: str = "auto",
        signed: bool = False,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        seed: int | Sequence[int] | None = None,
        **kwargs,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.mask = as_mask(mask)
        self.replicates = checked_replicates(replicates)
        if kernel != "auto" and kernel not in KERNELS:
            raise ArgumentError(
                f"kernel must be 'auto' or one of {sorted(KERNELS)}. Received: kernel={kernel!r}",
                code="E-ARGUMENT",
            )
        self.activation = _get(activations, activation=activation)
        self.use_bias = use_bias
        self.kernel_kind = kernel
        self.signed = signed
        self.kernel_initializer = _get(initializers, kernel_initializer=kernel_initializer)
        self.bias_initializer = _get(initializers, bias_initializer=bias_initializer)
        self.kernel_regularizer = _get(regularizers, kernel_regularizer=kernel_regularizer)
        self.bias_regularizer = _get(regularizers, bias_regularizer=bias_regularizer)
        self.kernel_constraint = _get(constraints, kernel_constraint=kernel_constraint)
        self.bias_constraint = _get(constraints, bias_constraint=bias_constraint)
        self.seed = checked_seed(seed, self.replicates)
        self._signs = np.sign(self.mask.edge_values) if signed else None
        self._product = None
        # A model may be compiled before its layers are built: promise only what will hold.
        inputs = (False,) if self.replicates is None else (False, True)
        self.supports_jit = all(self._kernel_for(own).supports_jit for own in inputs)
        self.supports_masking = True  # of time steps, as every Keras layer means it

    def build(self, input_shape):
        self._check_width(input_shape)
        edges = self._edges(self.replicates is not None and len(input_shape) == 3)
        self._product = self._kernel_for(edges.own_input)(edges)
        self.supports_jit = self._product.supports_jit
        self.kernel = self.add_weight(
            name="kernel",
            shape=(len(edges),) if self.replicates is None else (len(edges), self.replicates),
            initializer=self.initial_edges,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=tuple(edges.output_shape),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    def __call__(self, inputs, *args, **kwargs):
        # Checked here because Keras turns what `call` raises into a RuntimeError.
        known = isinstance(inputs, tf.SparseTensor | tf.RaggedTensor)
        if known or getattr(inputs, "sparse", False):
            raise ModelError(
                f"layer {self.name!r} needs a dense input, not a sparse {type(inputs).__name__}",
                code="E-SPARSE-INPUT",
                hint="Use keras.Input(..., sparse=False); fit accepts a SciPy CSR matrix for it "
                "and makes it dense a batch at a time.",
            )
        if hasattr(inputs, "shape"):
            self._check_width(inputs.shape)
        return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs):
        return self.activation(self.pre_activation(inputs))

    def pre_activation(self, inputs) -> tf.Tensor:
        """``x @ W + b``, of the shape of the output."""
        x = tf.cast(inputs, tf.float32)
        steps = self.replicates is None and len(inputs.shape) != 2
        if steps:
            x = tf.reshape(x, [-1, self.mask.shape[0]])
        y = self._product(x, tf.cast(self._effective_edges(), tf.float32))
        if steps:
            y = tf.reshape(y, tf.concat([tf.shape(inputs)[:-1], [self.mask.shape[1]]], axis=0))
            y.set_shape([*inputs.shape[:-1], self.mask.shape[1]])
        y = tf.cast(y, self.compute_dtype)
        if self.bias is not None:
            y = y + tf.cast(self.bias, y.dtype)
        return y

    def compute_output_shape(self, input_shape):
        n_pathways = self.mask.shape[1]
        if self.replicates is None:
            return (*input_shape[:-1], n_pathways)
        return (input_shape[0], self.replicates, n_pathways)

    def _edges(self, own_input: bool) -> Edges:
        rows, cols = self.mask.edge_index
        return Edges(rows, cols, *self.mask.shape, self.replicates, own_input)

    def _kernel_for(self, own_input: bool) -> type:
        kind = self.kernel_kind
        return KERNELS[pick_kernel(self._edges(own_input)) if kind == "auto" else kind]

    # ------------------------------------------------------------------ the weights

    @property
    def edges(self) -> np.ndarray:
        """The weight of every edge, float32, ``(n_edges,)`` or ``(n_edges, R)``, in mask order."""
        return keras.ops.convert_to_numpy(self._effective_edges())

    def dense_kernel(self) -> np.ndarray:
        """The kernel as ``(genes, pathways[, replicates])``, float32, exactly 0 off the mask."""
        edges = self.edges
        dense = np.zeros((*self.mask.shape, *edges.shape[1:]), np.float32)
        dense[self.mask.edge_index] = edges
        return dense

    def _effective_edges(self):
        edges = tf.convert_to_tensor(self.kernel)
        if self._signs is None:
            return edges
        signs = self._signs if self.replicates is None else self._signs[:, None]
        return tf.abs(edges) * tf.cast(signs, edges.dtype)

    def initial_edges(self, shape, dtype=None):
        """The kernel before any training."""
        rows, cols = self.mask.edge_index
        sources, targets = name_hashes(self.mask.genes), name_hashes(self.mask.pathways)
        fan_in, fan_out = self.mask.sizes().to_numpy(), self.mask.degrees().to_numpy()
        start = given_seed(self.kernel_initializer) if self.seed is None else self.seed
        ends = (sources[rows], targets[cols], fan_in[cols], fan_out[rows])
        seeds = replicate_seeds(start, self.replicates)
        drawn = {s: draw_edges(self.kernel_initializer, s, *ends) for s in dict.fromkeys(seeds)}
        kernel = np.stack([drawn[seed] for seed in seeds], axis=-1).reshape(shape)
        return tf.cast(kernel, dtype or "float32")

    def _check_width(self, shape):
        n_genes = self.mask.shape[0]
        accepted = [(n_genes,), (self.replicates, n_genes)]
        if self._product is not None:  # built for one of the two
            accepted = [accepted[self._product.edges.own_input]]
        fits = tuple(shape[1:]) in accepted
        if self.replicates is None:
            accepted = accepted[:1]
            fits = len(shape) >= 2 and shape[-1] == n_genes
        if not fits:
            expected = " or ".join(f"(batch, {str(inner)[1:].rstrip(',)')})" for inner in accepted)
            raise ModelError(
                f"layer {self.name!r} expects input of shape {expected}, one column for each gene "
                f"of its mask. Received: shape {tuple(shape)}",
                code="E-INPUT-SHAPE",
                hint="Restrict the data to the mask's genes by name with biomask.align.",
            )

    # ------------------------------------------------------------------ saving

    def get_config(self):
        return {
            **super().get_config(),
            "mask": mask_to_config(self.mask),
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "replicates": self.replicates,
            "kernel": self.kernel_kind,
            "signed": self.signed,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "seed": self.seed,
        }

    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["mask_sha256"] = np.frombuffer(bytes.fromhex(self.mask.digest), np.uint8)

    def load_own_variables(self, store):
        found = bytes(np.asarray(store["mask_sha256"])).hex() if "mask_sha256" in store else "none"
        if found != self.mask.digest:
            raise ModelError(
                f"these weights belong to another mask: digest {found[:12]}, but layer "
                f"{self.name!r} has {self.mask.digest[:12]}",
                code=OTHER_MASK,
                hint="Load the model together with its mask (biomask.load_model).",
            )
        super().load_own_variables({k: store[k] for k in store.keys() if k != "mask_sha256"})  # noqa: SIM118


def as_mask(mask) -> Mask:
    """The mask itself, or the one that a saved layer or a 0/1 array describes."""
    if isinstance(mask, Mask):
        return mask
    if isinstance(mask, Mapping):
        return mask_from_config(mask)
    return Mask.from_dense(mask)


def _get(kind, **named):
    """What Keras means by the one named value, such as ``activation="tanh"``."""
    [(name, value)] = named.items()
    try:
        return kind.get(value)
    except ValueError as error:
        raise ArgumentError(
            f"Keras knows no such {name}. Received: {name}={value!r}", code="E-ARGUMENT"
        ) from error
