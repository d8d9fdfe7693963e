"""Acceptance, rows 45, 46 and 50: training. Rows 47 to 49 have files of their own."""

from __future__ import annotations

import itertools
import os
import signal

import keras
import numpy as np
import pytest
from small_problem import CALL, problem

import biomask as bm
from biomask.inference import blocks

BATCHES = 4  # of 12 samples


class MaskHolds(keras.callbacks.Callback):
    """After every batch: what the layer multiplies by is exactly 0 off the mask.

    Measured through the layer itself: the rows of the kernel are its answers to unit vectors, here
    of a million units, so that no forbidden weight could vanish beside the bias.
    """

    def on_train_begin(self, logs=None):
        self.layer, self.batches = self.model.get_layer("pathways"), 0
        self.allowed = self.layer.mask.to_dense().to_numpy() != 0
        self.start = self.layer.edges

    def on_train_batch_end(self, batch, logs=None):
        unit = 1e6 * np.eye(len(self.allowed), dtype=np.float32)
        found = self.layer.pre_activation(unit) - self.layer.pre_activation(0 * unit)
        found = np.asarray(found).reshape(*self.allowed.shape[:1], -1, self.allowed.shape[1])
        assert (found.swapaxes(0, 1)[:, ~self.allowed] == 0).all()
        dense = self.layer.dense_kernel()
        assert (dense[~self.allowed] == 0).all()
        assert np.isfinite(dense).all()
        assert self.layer.kernel.shape[0] == self.allowed.sum()  # nothing to leak from
        self.batches += 1

    def on_train_end(self, logs=None):
        assert self.batches == BATCHES
        assert not np.array_equal(self.layer.edges, self.start)


def fit_and_check(model, optimizer, data, **options):
    X, y = data
    model.compile(optimizer, "binary_crossentropy", **options)
    watch = {"verbose": 0, "callbacks": [MaskHolds()]}
    model.fit(X.to_numpy(), y, batch_size=len(X) // BATCHES, **watch)


OPTIMIZERS = {
    "sgd": lambda rate, **k: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, **k),
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "lion": keras.optimizers.Lion,
}
DECAYS = (0.0, 0.1)
AVERAGES = ({}, {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 2})
CLIPS = ({}, {"clipnorm": 0.5}, {"global_clipnorm": 0.5})
STEPS = (None, 2)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_row_45_forbidden_weights_are_zero_with_every_optimizer_and_option(
    optimizer, small_mask, small_data
):
    """Weight decay x moving average x clipping x gradient accumulation, after every batch."""
    model = bm.build_model(small_mask, seed=0)
    for decay, average, clip, steps in itertools.product(DECAYS, AVERAGES, CLIPS, STEPS):
        options = {"weight_decay": decay, "gradient_accumulation_steps": steps}
        made = OPTIMIZERS[optimizer](0.1, **options, **average, **clip)
        fit_and_check(model, made, small_data, run_eagerly=True)


ALL_ON = {
    "weight_decay": 0.1,
    "global_clipnorm": 0.5,
    "gradient_accumulation_steps": 2,
    **AVERAGES[1],
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("how", ["compiled", "XLA", "mixed precision"])
def test_row_45_forbidden_weights_are_zero_however_it_is_run(
    how, optimizer, small_mask, small_data
):
    """All options at once in a compiled step, under XLA, and in mixed_float16."""
    made = OPTIMIZERS[optimizer](0.1, **ALL_ON)
    keras.config.set_dtype_policy("mixed_float16" if how == "mixed precision" else "float32")
    try:
        model = bm.build_model(small_mask, kernel="batched" if how == "XLA" else "auto", seed=0)
    finally:
        keras.config.set_dtype_policy("float32")
    if how == "mixed precision":
        assert model.get_layer("pathways").compute_dtype == "float16"
        made = keras.optimizers.LossScaleOptimizer(made)
    fit_and_check(model, made, small_data, jit_compile=how == "XLA")


@pytest.mark.parametrize("kernel", ["csr", "dense", "batched"])
def test_row_45_forbidden_weights_are_zero_in_replicates_and_every_kernel(
    kernel, small_mask, small_data
):
    """Networks side by side, with each way to multiply: none has a forbidden connection."""
    model = bm.build_model(small_mask, kernel=kernel, replicates=2, seed=0)
    X, y = small_data
    watch = {"verbose": 0, "callbacks": [MaskHolds()]}
    model.fit(X.to_numpy(), y, batch_size=len(X) // BATCHES, **watch)


def test_row_45_forbidden_weights_are_zero_after_set_weights(small_mask):
    """set_weights takes one number for each edge, and no dense kernel."""
    layer = bm.MaskedDense(small_mask)
    layer.build((None, 8))
    layer.set_weights([np.full(10, 9.0), np.zeros(5)])
    np.testing.assert_array_equal(layer.dense_kernel(), 9 * small_mask.to_dense())
    with pytest.raises(ValueError, match="shape"):
        layer.set_weights([np.ones((8, 5)), np.zeros(5)])


def test_row_45_lora_and_quantisation_cannot_write_through_the_mask(small_mask):
    """The layer has no enable_lora, and refuses to be quantised."""
    layer = bm.MaskedDense(small_mask)
    layer.build((None, 8))
    assert not hasattr(layer, "enable_lora")
    with pytest.raises(NotImplementedError, match="quantize"):
        layer.quantize("int8")


# ------------------------------------------------------------------------ 46: no number


def test_row_46_a_loss_that_is_no_number_stops_and_keeps_the_last_good_weights(
    small_mask, small_data
):
    """With StopOnNaN: the weights and optimizer of the last good epoch, the layer and the genes.

    A tanh network with Adam stays finite at lr=1e6, so the rate goes up to 1e38 in epoch 3.
    """
    X, y = small_data
    X, kept = X.to_numpy(), []

    def rate(epoch, now):
        kept.append([v.numpy() for v in model.weights + model.optimizer.variables[2:]])
        return 1e38 if epoch == 2 else 0.01

    model = bm.build_model(small_mask, "regression", seed=0)
    callbacks = [keras.callbacks.LearningRateScheduler(rate), bm.StopOnNaN()]
    with pytest.raises(bm.ModelError, match=r"the loss is no number .* epoch 3") as caught:
        model.fit(X, y, epochs=9, batch_size=12, verbose=0, callbacks=callbacks)
    error = caught.value
    assert error.code == "E-DIVERGED"
    assert "weights of 'pathways', 'head'" in str(error)
    assert "has the weights of epoch 2 again" in str(error)
    assert error.genes == [g for g in small_mask.genes if g != "g5"]  # g5 has no edge
    assert "Lower the learning rate" in error.hint
    assert len(model.history.history["loss"]) == 2
    for value, variable in zip(kept[2], model.weights + model.optimizer.variables[2:], strict=True):
        np.testing.assert_array_equal(value, variable.numpy())
    model.optimizer.learning_rate = 0.01
    assert np.isfinite(model.fit(X, y, verbose=0).history["loss"]).all()


def test_row_46_before_the_first_good_epoch_the_model_is_as_it_was(small_mask, small_data):
    """A hole in X at once: the weights are those that training began with."""
    X, y = small_data
    model = bm.build_model(small_mask, seed=0)
    before = model.get_weights()
    with pytest.raises(bm.ModelError, match=r"in batch 1 of epoch 1.*weights of the start"):
        model.fit(X.assign(g2=np.nan).to_numpy(), y, verbose=0, callbacks=[bm.StopOnNaN()])
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.isfinite(model.fit(X.to_numpy(), y, verbose=0).history["loss"]).all()


@pytest.mark.parametrize(
    ("least", "told"),
    [
        (50, "weights of 'pathways', 'head' are no numbers"),  # nothing is watched
        (1, "the loss of 8 of 8 networks was never a number"),
    ],
)
def test_row_46_a_study_of_networks_that_diverge_is_refused(least, told, tmp_path, monkeypatch):
    """crossfit keeps no network whose weights are no numbers, and writes no block of them.

    So too where samples are watched for early stopping: no weights of an earlier fold are kept.
    """
    monkeypatch.setattr(blocks, "MIN_WATCHED", least)
    mask, X, y = problem()
    with pytest.raises(bm.ModelError, match=told) as caught:
        bm.crossfit(mask, X, y, **{**CALL, "learning_rate": 1e38, "checkpoint": tmp_path})
    assert caught.value.code == "E-DIVERGED"
    assert "Lower the learning rate" in caught.value.hint
    assert not list(tmp_path.glob("fold*"))


# ------------------------------------------------------------------------ 50: interrupted


def test_row_50_an_interrupted_fit_leaves_a_usable_model_and_its_history(small_mask, small_data):
    """Ctrl-C in the middle of the third epoch: the history has two, and the model goes on."""

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_begin(self, batch, logs=None):
            if (self.epoch, batch) == (2, 1):
                os.kill(os.getpid(), signal.SIGINT)

    X, y = small_data
    model = bm.build_model(small_mask, seed=0)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    try:
        with pytest.raises(KeyboardInterrupt):
            model.fit(X.to_numpy(), y, epochs=5, batch_size=12, verbose=0, callbacks=[Interrupt()])
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(model.history.history["loss"]) == 2
    assert int(model.optimizer.iterations) == 9
    assert np.isfinite(bm.pathway_activity(model, X)).all(axis=None)
    assert np.isfinite(model.fit(X.to_numpy(), y, verbose=0).history["loss"]).all()
