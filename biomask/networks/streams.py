"""Layers that draw random numbers, whose place in the stream of them is saved with their weights.

Keras saves it with no layer: training that goes on from a file or a backup would draw the first
numbers again, and end elsewhere than training that was never interrupted.
"""

from __future__ import annotations

import keras

_PREFIX = "stream_"


class SavedStreams:
    """To be named before `keras.layers.Layer` among the bases of a layer."""

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for i, stream in enumerate(self._seed_generators):
            store[f"{_PREFIX}{i}"] = stream.state.value.numpy()

    def load_own_variables(self, store):
        names = list(store.keys())  # of h5py, or of Keras
        super().load_own_variables({k: store[k] for k in names if not k.startswith(_PREFIX)})
        for i, stream in enumerate(self._seed_generators):
            if f"{_PREFIX}{i}" in names:  # not in a file that was written by Keras' own layer
                stream.state.assign(store[f"{_PREFIX}{i}"])


@keras.saving.register_keras_serializable(package="biomask")
class Dropout(SavedStreams, keras.layers.Dropout):
    """`keras.layers.Dropout`, interrupted or not."""
