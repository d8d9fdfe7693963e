"""build_model of a hierarchy: a masked layer for each level, and every unit computed once."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest
from test_deep_effects import HIER, ends_of

import biomask as bm
from biomask.errors import ArgumentError
from biomask.masks.steps import levels_of, sorted_hierarchy
from biomask.networks.deep import mask_of, pathway_layers, read_names
from biomask.networks.models import restart

X = np.random.default_rng(0).normal(size=(12, 8)).astype(np.float32)
FRAME = pd.DataFrame(X, columns=HIER.genes)


def model_of(task="binary", **options):
    return bm.build_model(HIER, task, n_classes=3 if task == "multiclass" else None, **options)


def labels(task):
    score = X[:, 0] + X[:, 2]
    return score if task == "regression" else np.digitize(score, [0.0, 1.0][: len(task) - 5])


def test_every_unit_and_edge_has_its_parameters_and_no_other():
    """9 + 2 + 4 edges and 7 units: nothing for the units that a hierarchy carries on."""
    assert sum(HIER.n_carried(i) for i in range(3)) == 5
    for outputs, read in (("all", 7), ("top", 2)):
        model = model_of(outputs=outputs)
        assert model.count_params() == 15 + 7 + read + 1
        assert model_of(outputs=outputs, skip=True).count_params() == 15 + 7 + read + 1 + 8
        assert model_of(outputs=outputs, replicates=4).count_params() == 4 * (15 + 7 + read + 1)
    layers = [layer.name for layer in pathway_layers(model)]
    assert layers == ["pathways", "pathways_2", "pathways_3"]
    assert not model.get_layer("pathways_3_children").weights


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("outputs", ["all", "top"])
def test_the_output_is_the_formula(outputs, skip):
    """Unit by unit and by name, in float64."""
    model = model_of(outputs=outputs, skip=skip, seed=2)
    weight, bias = {}, {}
    for layer in pathway_layers(model):
        layer.bias.assign(np.linspace(-0.5, 0.5, layer.mask.shape[1]))
        bias |= dict(zip(layer.mask.pathways, layer.bias.numpy(), strict=True))
    for row in bm.edge_weights(model).itertuples():
        weight[row.gene, row.pathway] = row.weight
    assert list(weight) == ends_of(HIER)
    value = {gene: X[:, g].astype(float) for g, gene in enumerate(HIER.genes)}
    for unit in HIER.pathways:
        read = [source for source, target in weight if target == unit]
        value[unit] = np.tanh(sum(weight[s, unit] * value[s] for s in read) + bias[unit])
    head = model.get_layer("head").kernel.numpy()[:, 0]
    names = HIER.pathways if outputs == "all" else ["e", "top"]
    assert read_names(model).tolist() == list(names)
    logit = sum(v * value[name] for v, name in zip(head, names, strict=True))
    if skip:
        logit = logit + X @ model.get_layer("skip").kernel.numpy()[:, 0]
    np.testing.assert_allclose(model(X).numpy()[:, 0], 1 / (1 + np.exp(-logit)), atol=1e-6)
    activity = bm.pathway_activity(model, FRAME)
    for unit in HIER.pathways:
        np.testing.assert_allclose(activity[unit], value[unit], atol=1e-6)


@pytest.mark.parametrize(
    ("task", "outputs"), [("binary", "all"), ("multiclass", "top"), ("regression", "all")]
)
def test_each_replicate_trains_as_the_network_alone(task, outputs):
    options = {"outputs": outputs, "l2": 1e-3, "learning_rate": 0.01, "skip": True}
    many = model_of(task, replicates=3, seed=[5, 8, 6], **options)
    alone = model_of(task, seed=8, **options)
    fit = {"epochs": 5, "batch_size": 4, "shuffle": False, "verbose": 0}
    for model in (many, alone):
        model.fit(X, labels(task), **fit)
    np.testing.assert_allclose(many(X).numpy()[:, 1], np.squeeze(alone(X)), atol=1e-5)
    taken = bm.take_replicate(many, 1)
    assert mask_of(taken) == HIER
    for a, b in zip(taken.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    restart(many, [5, 8, 6])
    for a, b in zip(
        many.get_weights(),
        model_of(task, replicates=3, seed=[5, 8, 6], **options).get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("outputs", "replicates"), [("all", None), ("top", 2)])
def test_a_saved_model_comes_back_to_the_last_bit(outputs, replicates, tmp_path):
    model = model_of("multiclass", outputs=outputs, replicates=replicates, skip=True, dropout=0.2)
    model.fit(X, labels("multiclass"), epochs=2, verbose=0)
    bm.save_model(model, tmp_path / "m.keras")
    loaded = bm.load_model(tmp_path / "m.keras")
    assert mask_of(loaded) == HIER
    assert mask_of(loaded).descriptions.tolist() == HIER.descriptions.tolist()
    assert read_names(loaded).equals(read_names(model))
    np.testing.assert_array_equal(loaded(X).numpy(), model(X).numpy())
    pd.testing.assert_frame_equal(bm.edge_weights(loaded), bm.edge_weights(model))
    for a, b in zip(model.optimizer.variables, loaded.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_bundled_hierarchy_comes_back_from_its_layers():
    hier = bm.load_hierarchy("reactome")
    model = bm.build_model(hier)
    assert mask_of(model) == hier
    assert model.count_params() == hier.n_edges + 2 * hier.shape[1] + 1


def test_a_unit_left_out_is_left_out_for_every_reader():
    """b is read by ab and by top: dropout hits it once a step."""
    model = model_of(dropout=0.5, seed=0)
    taps = [model.get_layer(f"pathways_{i}_children").output for i in (2, 3)]
    for _ in range(10):
        low, high = keras.Model(model.input, taps)(X, training=True)
        np.testing.assert_array_equal(low[:, 1], high[:, 0])  # of a, b; of b, c, own genes, ab
    assert (low.numpy() == 0).any()


def test_names_decide_and_not_the_order():
    other = sorted_hierarchy(HIER)
    turned = bm.Hierarchy([HIER[0].select(genes=HIER.genes[::-1]), *HIER.masks[1:]])
    for hier in (other, turned):
        model = bm.build_model(hier, seed=3)
        X_of = FRAME[hier.genes].to_numpy()
        np.testing.assert_allclose(model(X_of), model_of(seed=3)(X), atol=1e-6)


def test_levels_read_what_they_need():
    levels = levels_of(HIER)
    assert [list(level.mask.genes) for level in levels[1:]] == [
        ["a", "b"],
        ["b", "c", "top (own genes)", "ab"],
    ]
    assert levels[2].sources == {0: [1, 2, 4], 1: [0]}


@pytest.mark.parametrize("outputs", ["all", "top"])
def test_attributions_add_up(outputs):
    model = model_of(outputs=outputs, seed=1)
    model.fit(X, labels("binary"), verbose=0)
    p = model(np.vstack([X, np.zeros((1, 8))]).astype(np.float32)).numpy()[:, 0]
    logit = np.log(p / (1 - p))
    for found in (bm.gene_attributions(model, FRAME), bm.pathway_attributions(model, FRAME)):
        np.testing.assert_allclose(found.sum(axis=1), logit[:-1] - logit[-1], atol=1e-4)
    assert list(found) == list(read_names(model))


def test_gene_attributions_count_what_skips_the_pathways():
    model = model_of(skip=True, seed=1)
    model.fit(X, labels("binary"), verbose=0)
    p = model(np.vstack([X, np.zeros((1, 8))]).astype(np.float32)).numpy()[:, 0]
    logit = np.log(p / (1 - p))
    found = bm.gene_attributions(model, FRAME).sum(axis=1)
    np.testing.assert_allclose(found, logit[:-1] - logit[-1], atol=1e-4)


def test_a_mask_may_have_skip_connections_too(small_mask):
    model = bm.build_model(small_mask, skip=True, replicates=2, task="multiclass", n_classes=3)
    assert model.count_params() == 2 * (10 + 5 + 6 * 3 + 8 * 3)


def test_unknown_outputs():
    with pytest.raises(ArgumentError, match="outputs='some'"):
        model_of(outputs="some")
