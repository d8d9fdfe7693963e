"""The Cox partial likelihood as a loss, for one network and for many side by side."""

from __future__ import annotations

import keras
import tensorflow as tf

from biomask.errors import ArgumentError

TIES = ("efron", "breslow")


def cox_costs(y_true, y_pred, ties: str = "efron"):
    """Each sample's part of the negative log partial likelihood of its batch, shape (batch, R).

    With log risks z, and R_i the samples whose time is not shorter than t_i (Cox 1972, 1975),

        l_i = event_i (log S_i - z_i),      S_i = sum_{j in R_i} exp(z_j).

    Where d events share a time, "breslow" (Breslow 1974, Biometrics 30:89) keeps this for each of
    them; "efron" (Efron 1977, JASA 72:557) takes k / d of their own D = sum exp(z) out of the sum
    of the k-th of them, k = 0 to d - 1, here as log S + log1p(-k/d D/S), whose argument is at least
    1/d. Which of them is the k-th is arbitrary: only the sum over samples means something. Log-sums
    are cumulative log-sum-exps in the order of time, so that no risk overflows or vanishes.

    Parameters
    ----------
    y_true : tensor, shape (batch, 2), shared by all networks, or (batch, R, 2)
        Time and event (1 seen, 0 censored). Times are compared as float32: pass ranks where that
        is too coarse.
    y_pred : tensor, shape (batch, R); R is 1 without replicates
        Log risk: higher is sooner. A constant added to all of them changes nothing.
    ties : {"efron", "breslow"}
    """
    risk = tf.transpose(tf.convert_to_tensor(y_pred))  # (R, batch): a network is a row
    y_true = tf.cast(y_true, risk.dtype)
    n = tf.shape(risk)[1]
    y_true = tf.transpose(tf.reshape(y_true, (n, -1, 2)), (2, 1, 0))
    given, event = tf.unstack(tf.broadcast_to(y_true, (2, tf.shape(risk)[0], n)), num=2)
    order = tf.argsort(given, axis=1)
    time, event, z = (tf.gather(x, order, axis=1, batch_dims=1) for x in (given, event, risk))
    first = tf.searchsorted(time, time, side="left")  # where each one's risk set begins
    log_sum = _at(tf.math.cumulative_logsumexp(z, axis=1, reverse=True), first)
    if ties == "efron":
        end = tf.searchsorted(time, time, side="right")
        before = _running(event)
        deaths = _at(before, end) - _at(before, first)
        rank = before[:, :-1] - _at(before, first)
        shares = _running(event * tf.exp(z - log_sum))
        share = _at(shares, end) - _at(shares, first)  # D / S
        taken = event * tf.math.divide_no_nan(rank, deaths) * share
        log_sum += tf.math.log1p(-taken)
    costs = event * (log_sum - z)
    back = tf.argsort(order, axis=1)
    return tf.transpose(_at(costs, back))


@keras.saving.register_keras_serializable(package="biomask")
class CoxLoss(keras.losses.Loss):
    """Negative log partial likelihood of the batch, divided by the samples in it.

    Right under mini-batches, in this sense. Who else is in a batch does not depend on who has an
    event, so that its risk sets are simple random subsets of the full ones, and what is summed is
    itself a partial likelihood, that of a sampled cohort: it has the true log risk as its maximum
    in expectation (nested case-control sampling: Goldstein & Langholz 1992, Ann Stat 20:1903). The
    average over random batches, which is what stochastic gradients minimise, is consistent for
    networks and, for linear risks, root-n consistent and asymptotically normal with a variance
    that comes down to that of the full likelihood as batches grow (Zeng, Tang, Ren & Ding 2024,
    arXiv:2408.02839; in use since Kvamme, Borgan & Scheel 2019, JMLR 20:129). It is not an unbiased
    estimate of the gradient of the full likelihood, and needs none. Events are summed and divided
    by the size of the batch, not by its events, so that a batch weighs by what it knows; one
    without events, or with one sample, adds 0. Batches must be shuffled, as `fit` does.

    With replicates, the sum over them of each one's loss, so that none changes another's gradient.
    A sample weight weighs the sample's event, not its place in the risk sets of others.

    Parameters
    ----------
    ties : {"efron", "breslow"}
        What tied events count; see `cox_costs`. Without ties both are the same.

    Raises
    ------
    ArgumentError
        Another `ties`.
    """

    def __init__(
        self, ties: str = "efron", name: str = "cox_loss", reduction: str = "sum_over_batch_size"
    ):
        if ties not in TIES:
            raise ArgumentError(
                f"ties must be one of {', '.join(TIES)}. Received: ties={ties!r}",
                code="E-ARGUMENT",
            )
        super().__init__(name=name, reduction=reduction)
        self.ties = ties

    def call(self, y_true, y_pred):
        return tf.reduce_sum(cox_costs(y_true, y_pred, self.ties), axis=1)

    def get_config(self):
        return {**super().get_config(), "ties": self.ties}


def _at(values, positions):
    """values[r, positions[r, i]]."""
    return tf.gather(values, positions, axis=1, batch_dims=1)


def _running(values):
    """Sums of the first 0, 1, ..., n values of each row, shape (R, n + 1)."""
    return tf.pad(tf.cumsum(values, axis=1), [[0, 0], [1, 0]])
