"""The layers of an autoencoder whose latent variables are pathways, plain and variational.

    genes x -> masked encoder -> latent z_p -> masked linear decoder -> reconstruction

VEGA (Seninge et al. 2021, Nat Commun 12:5684) and expiMap (Lotfollahi et al. 2023, Nat Cell Biol
25:337) mask the decoder alone. Under their dense encoder any gene may move any latent variable;
here the encoder has the same mask, so that the activity of a pathway is read from its own genes.

A network's loss is the mean over samples of

    [ sum_g (x_g - r_g)^2  +  2 beta sum_p KL_p  +  l2 sum w^2 ] / G

over its G genes: the mean squared error of a gene, and the other terms on that scale. With beta 1
the first two are 2/G times the negative evidence lower bound (Kingma & Welling 2014, equation 10)
for genes of unit noise variance, up to a constant; beta is that of Higgins et al. 2017 (ICLR).
"""

from __future__ import annotations

import warnings

import keras
import numpy as np
from keras import ops

from biomask.errors import BiomaskWarning
from biomask.masks.mask import Mask
from biomask.networks.layers import MaskedDense
from biomask.networks.streams import SavedStreams

LOG_VARIANCE = "pathways_log_variance"
LATENT = "latent"
RECONSTRUCTION = "reconstruction"  # the decoder, which is the last layer


@keras.saving.register_keras_serializable(package="biomask")
class GaussianLatent(SavedStreams, keras.layers.Layer):
    """Draws the latent variables in training, returns their means otherwise.

    ``z = mean + exp(log_variance / 2) * noise`` with standard normal noise (Kingma & Welling 2014,
    section 2.4), and ``weight * sum_p KL_p`` is added to the loss.

    Parameters
    ----------
    weight : float
        Of the divergence.
    seed : int, optional
        Of the noise.

    Notes
    -----
    Input: two tensors of shape ``(batch, pathways)`` or ``(batch, R, pathways)``, the means and the
    log-variances. Output: one of that shape. The divergence is averaged over the batch and summed
    over replicates, so that none changes another's gradient.
    """

    def __init__(self, weight: float, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.weight, self.seed = weight, seed
        self.noise = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        mean, log_variance = inputs
        of_sample = ops.sum(divergence(mean, log_variance), axis=tuple(range(1, len(mean.shape))))
        self.add_loss(self.weight * ops.mean(of_sample))
        if not training:
            return mean
        noise = keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=self.noise)
        return mean + ops.exp(0.5 * log_variance) * noise

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "weight": self.weight, "seed": self.seed}


def divergence(mean, log_variance):
    """KL(N(mean, variance) || N(0, 1)) of every latent variable, of the shape of the inputs.

    ``(mean^2 + variance - log variance - 1) / 2``: Kingma & Welling 2014, appendix B.
    """
    return 0.5 * (ops.square(mean) + ops.exp(log_variance) - log_variance - 1.0)


def sampled(genes, means, pathways: MaskedDense, beta: float):
    """The latent variables of a variational autoencoder.

    Parameters
    ----------
    genes, means : Keras tensors
        Input and output of `pathways`.
    pathways : MaskedDense
        The encoder; a second layer like it gives the log-variances, which start at 0.
    beta : float
    """
    log_variance = _layer_like(
        pathways, pathways.mask, kernel_initializer="zeros", name=LOG_VARIANCE
    )
    weight = 2.0 * beta / pathways.mask.shape[0]
    latent = GaussianLatent(weight, pathways.seed[0], name=LATENT)
    return latent([means, log_variance(genes)])


def decoder(pathways: MaskedDense) -> MaskedDense:
    """The layer from pathways back to genes: linear, one weight an edge and one bias a gene."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BiomaskWarning)  # of a dense mask, already given
        mask = Mask(pathways.mask.to_scipy().T, pathways.mask.pathways, pathways.mask.genes)
    start = pathways.kernel_initializer
    return _layer_like(
        pathways, mask, kernel_initializer=start, dtype="float32", name=RECONSTRUCTION
    )


def _layer_like(pathways: MaskedDense, mask: Mask, **changes) -> MaskedDense:
    return MaskedDense(
        mask,
        replicates=pathways.replicates,
        kernel=pathways.kernel_kind,
        signed=pathways.signed,
        kernel_regularizer=pathways.kernel_regularizer,
        seed=pathways.seed,
        **changes,
    )


def latent_settings(model: keras.Model) -> dict:
    """How `build_model` was asked to make this autoencoder: ``variational`` and ``beta``."""
    layers = {layer.name: layer for layer in model.layers}
    if LATENT not in layers:
        return {"variational": False}
    n_genes = model.input_shape[-1]
    return {"variational": True, "beta": layers[LATENT].weight * n_genes / 2.0}


def loadings(model: keras.Model) -> np.ndarray:
    """Weight of every pathway in the reconstruction of a gene, in the order of the mask's edges.

    Returns
    -------
    float32 array, shape (n_edges,), or (n_edges, R)
    """
    layer = model.get_layer(RECONSTRUCTION)
    pathways, genes = layer.mask.edge_index  # sorted by gene, then pathway
    return layer.edges[np.lexsort((genes, pathways))]
