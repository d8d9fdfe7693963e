"""Training whose loss is no longer a number: stopped, and put back to where it still was one."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import pandas as pd

from biomask.errors import ModelError
from biomask.networks.layers import MaskedDense


class StopOnNaN(keras.callbacks.Callback):
    """Stop when the loss is NaN or infinite, and keep the weights of the last good epoch.

    ``model.fit(X, y, callbacks=[bm.StopOnNaN()])``. An epoch is good when its mean loss and every
    weight after it are finite; before the first, it is the weights that training began with. The
    optimizer's state is put back too, so that the model may be trained on at once. Unlike
    `keras.callbacks.TerminateOnNaN`, which leaves the model with the weights that are no numbers.

    Raises
    ------
    ModelError
        From ``fit`` (E-DIVERGED), with everything back in its place. Names the epoch, the layers
        whose weights were not finite and, in ``genes``, those whose edges were not; the gradient
        of a loss that is NaN is NaN for every weight that it reaches.
    """

    def on_train_begin(self, logs=None):
        self._epoch, self._good = 0, 0
        self._keep()

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        if not np.isfinite(logs["loss"]):
            self._stop(f"in batch {batch + 1} of epoch {self._epoch}")

    def on_epoch_end(self, epoch, logs=None):
        if not_finite(self.model)[0]:
            self._stop(f"after epoch {self._epoch}")
        self._good = self._epoch
        self._keep()

    def _keep(self) -> None:
        self._kept = [variable.numpy() for variable in self._variables()]

    def _variables(self) -> list:
        state = [v for v in self.model.optimizer.variables if v.name != "learning_rate"]
        return [*self.model.weights, *state]

    def _stop(self, when: str) -> None:
        layers, genes = not_finite(self.model)
        # Kept before the first step, where an optimizer may have no state yet: then it is zeros.
        for variable, value in zip(self._variables(), self._kept, strict=False):
            variable.assign(value)
        for variable in self._variables()[len(self._kept) :]:
            variable.assign(np.zeros(variable.shape))
        kept = f"epoch {self._good}" if self._good else "the start"
        where = f", and so are weights of {', '.join(layers)}" if layers else ""
        raise ModelError(
            f"the loss is no number {when}{where}; the model has the weights of {kept} again",
            code="E-DIVERGED",
            genes=genes,
            hint=f"Lower the learning rate, {float(self.model.optimizer.learning_rate):g}; check "
            "that X and y are finite numbers (bm.align does) and X is scaled.",
        )


def not_finite(model: keras.Model) -> tuple[list[str], Sequence[str]]:
    """Names of the layers with weights that are not finite, and of the genes whose edges are not.

    Genes are those of the first masked layer that has such an edge.
    """
    names, genes = [], pd.Index([], dtype=object)
    for layer in model.layers:
        wrong = [w for w in layer.weights if not np.isfinite(w.value.numpy()).all()]
        if wrong:
            names.append(repr(layer.name))
        if wrong and isinstance(layer, MaskedDense) and not len(genes):
            edges = ~np.isfinite(layer.edges).reshape(layer.mask.n_edges, -1).all(axis=1)
            genes = layer.mask.genes[np.unique(layer.mask.edge_index[0][edges])]
    return names, genes
