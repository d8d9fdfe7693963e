"""Held-out scores of one network, by hand and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special
from sklearn import metrics

from biomask.inference.scores import recall, score


def test_values_by_hand():
    y, outputs = np.array([1.0, 2, 3, 6]), np.array([[2.0], [2], [2], [4]])
    # errors 1, 0, 1, 4: mean 6/4; variance of y (4 + 1 + 0 + 9)/4
    assert score(y, outputs, "regression") == pytest.approx(
        {"squared_error": 1.5, "r2": 1 - 6 / 14}
    )


def test_values_that_never_vary_have_no_r2():
    found = score(np.ones(3), np.zeros((3, 1)), "regression")
    assert found == pytest.approx({"squared_error": 1, "r2": np.nan}, nan_ok=True)


def test_two_classes_are_scored_as_by_scikit_learn():
    rng = np.random.default_rng(0)
    y, outputs = np.repeat([0, 1], [18, 12]), rng.normal(size=(30, 1)).astype(np.float32)
    p = special.expit(outputs[:, 0].astype(float))
    expected = {
        "log_loss": metrics.log_loss(y, p),
        "accuracy": metrics.accuracy_score(y, p > 0.5),
        "auc": metrics.roc_auc_score(y, p),
    }
    assert score(y, outputs, "binary") == pytest.approx(expected, rel=1e-9)
    assert np.isnan(score(y[:5], outputs[:5], "binary")["auc"])


def test_several_classes_are_scored_as_by_scikit_learn():
    rng = np.random.default_rng(1)
    y, outputs = np.arange(30) % 3, rng.normal(size=(30, 3))
    p = special.softmax(outputs, axis=1)
    expected = {
        "log_loss": metrics.log_loss(y, p),
        "accuracy": metrics.accuracy_score(y, p.argmax(axis=1)),
    }
    assert score(y, outputs, "multiclass") == pytest.approx(expected, rel=1e-9)


def test_recall_by_hand():
    y = np.array([0, 0, 0, 1])
    outputs = np.array([[-1.0], [0], [2], [1]])  # 0 is no vote for the second class
    assert recall(y, outputs, ["a", "b"]) == pytest.approx({"recall_a": 2 / 3, "recall_b": 1})
    several = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0]])
    expected = {"recall_a": 1 / 3, "recall_b": 1, "recall_c": np.nan}
    assert recall(y, several, ["a", "b", "c"]) == pytest.approx(expected, nan_ok=True)
    two = np.array([[1.0, 0], [1, 2], [0, 2], [0, 2]])
    assert recall(y * 0, two, ["a", "b"]) == pytest.approx(
        {"recall_a": 1 / 4, "recall_b": np.nan}, nan_ok=True
    )
    assert recall(y, outputs, []) == {}


def test_log_risks_are_scored_as_survival():
    y = np.array([[1.0, 1], [2, 0], [3, 1], [4, 1]])
    risks = np.array([[2.0], [1], [-1], [0]])
    # pairs that can be told apart: the first with each, the third with the fourth
    assert score(y, risks, "survival")["concordance"] == 3 / 4
