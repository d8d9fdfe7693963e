"""What is read of networks whose weights are given, against the same networks run in NumPy."""

from __future__ import annotations

import functools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from test_deep_effects import HIER, TASKS, N, R, brute_force, ends_of, forward, make

import biomask as bm
from biomask.inference import wired as module
from biomask.inference.block_trainer import BlockTrainer
from biomask.inference.training import Settings
from biomask.inference.wired import Held, wired
from biomask.networks.heads import HEAD, covariate_head

SETS = {"p": ["a", "b"], "q": ["b", "c"], "r": ["d"], "s": ["a", "b", "c", "d", "e"]}
KINDS = {"mask": bm.Mask.from_sets(SETS), "hierarchy": HIER}


def given(kind: str, task: str, beside: bool = False) -> SimpleNamespace:
    """What is read of a trainer with random weights, and the same networks as NumPy parts."""
    case = networks_of(kind, task, beside)
    put_weights(case.trainer, case.net)
    reading = wired(case.mask, case.settings)
    held = reading.read(case.trainer, case.net["x"], case.training, case.covariates)
    return SimpleNamespace(**vars(case), reading=reading, held=held)


@functools.cache
def networks_of(kind: str, task: str, beside: bool) -> SimpleNamespace:
    mask, rng = KINDS[kind], np.random.default_rng(8)
    net = make(mask, task)[0]
    training = rng.normal(size=(40, mask.shape[0])).astype(np.float32)
    n_classes = TASKS[task] if task == "multiclass" else None
    names = ("age", "sex") if beside else ()
    settings = Settings(task, n_classes, "tanh", 1, 16, 1e-2, 0.0, 0.0, names)
    trainer = BlockTrainer(mask, settings, R)
    if task == "survival":  # a log risk has no bias
        net["c"] = np.zeros_like(net["c"])
    covariates = rng.normal(size=(N, 2)) if beside else None
    net["beside"] = rng.normal(size=(R, 2, TASKS[task])) if beside else None
    if beside:
        net["bias"] = net["c"]
        net["c"] = net["c"][:, None] + np.einsum("nk,rkc->rnc", covariates, net["beside"])
    net["x_mean"] = training.mean(axis=0)
    whole = {**net, "x": training}
    net["h_mean"] = np.stack([forward(mask, whole, r)[1].mean(axis=0) for r in range(R)])
    pairs = [forward(mask, net, r) for r in range(R)]
    a, h = (np.stack(part, axis=1) for part in zip(*pairs, strict=True))
    z = np.stack([h[:, r] @ net["v"][r] + net["c"][r] for r in range(R)], axis=1)
    return SimpleNamespace(
        mask=mask, net=net, settings=settings, trainer=trainer, training=training,
        covariates=covariates, a=a, h=h, z=z,
    )  # fmt: skip


def put_weights(trainer: BlockTrainer, net: dict) -> None:
    trainer.load(net["w"], net["b"])
    head = trainer.model.get_layer(HEAD)
    pairs = zip(
        (net["v"], net.get("bias", net["c"])), head.get_weights(), strict=False
    )  # the bias may be missing
    head.set_weights([values.reshape(old.shape) for values, old in pairs])
    if net["beside"] is not None:
        covariate_head(trainer.model).kernel.assign(net["beside"])


def added(case) -> np.ndarray:
    """What each unit adds to the linear outputs beyond its training mean, (n, R, P, C)."""
    found = np.empty((*case.h.shape, case.z.shape[2]))
    for r in range(R):
        for p in range(case.h.shape[2]):
            without = forward(case.mask, case.net, r, unit=p)[1]
            found[:, r, p] = (case.h[:, r] - without) @ case.net["v"][r]
    return found


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_held_is_that_of_the_networks_run_again(kind, beside):
    case = given(kind, "binary", beside)
    held, net = case.held, case.net
    assert (held.before is None) == (kind == "mask")
    if kind == "hierarchy":
        np.testing.assert_allclose(held.before, case.a, atol=1e-5)
    np.testing.assert_allclose(held.hidden, case.h, atol=1e-5)
    np.testing.assert_allclose(held.means, net["h_mean"], atol=1e-5)
    np.testing.assert_allclose(held.head, net["v"], rtol=1e-6)
    offset = net["c"].swapaxes(0, 1) if beside else net["c"]
    np.testing.assert_allclose(held.offset, offset, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(held.edges, net["w"], rtol=1e-6)
    np.testing.assert_allclose(held.outputs, case.z, atol=1e-5)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_effects_are_those_of_the_networks_run_again(kind, task):
    case = given(kind, task)
    removals = [{"unit": p} for p in range(case.mask.shape[1])]
    expected = brute_force(case.mask, case.net, task, removals)
    found = case.reading.unit_effects(case.held, case.net["y"])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("compiled", [0, module.COMPILED])
@pytest.mark.parametrize("task", ["multiclass", "survival"])
@pytest.mark.parametrize("kind", KINDS)
def test_effects_of_edges_are_those_of_the_networks_run_again(kind, task, compiled, monkeypatch):
    monkeypatch.setattr(module, "COMPILED", compiled)
    case = given(kind, task)
    trained = {
        "edges": case.held.edges,
        "unit_bias": case.net["b"].astype(np.float32),
        "head": case.held.head,
        "outputs": case.held.outputs,
    }
    asked = np.array([7, 2, 5])
    removals = [{"edge": ends_of(case.mask)[e]} for e in asked]
    expected = brute_force(case.mask, case.net, task, removals)
    case.trainer.load(np.zeros_like(case.held.edges), np.zeros_like(case.held.means))
    parts = trained, case.net["x"], case.training, case.net["y"], asked
    found = case.reading.edge_effects(*parts, lambda: case.trainer)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_the_first_networks_of_those_held():
    rng = np.random.default_rng(0)
    shapes = (4, 5, 3), (4, 5, 3), (5, 3), (5, 3, 2), (5, 2), (6, 5), (4, 5, 2)
    held = Held(*(rng.normal(size=shape) for shape in shapes))
    first = held.first(2)
    for part, (name, every) in zip(first, held._asdict().items(), strict=True):
        axis = every.shape.index(5)
        np.testing.assert_array_equal(part, np.take(every, [0, 1], axis), name)
    beside = rng.normal(size=(4, 5, 2))  # the offset of every sample
    first = held._replace(before=None, offset=beside).first(3)
    assert first.before is None
    np.testing.assert_array_equal(first.offset, beside[:, [0, 1, 2]])


@pytest.mark.parametrize("kind", KINDS)
def test_the_names_of_edges(kind):
    case = given(kind, "binary")
    reading, mask = case.reading, case.mask
    names = list(zip(reading.sources, mask.pathways[reading.targets], strict=True))
    assert names == ends_of(mask)
    level = HIER.table["level"] if kind == "hierarchy" else dict.fromkeys(mask.pathways, 0)
    assert reading.level.tolist() == [level[target] for _, target in names]
    assert reading.flat == (HIER.flatten() if kind == "hierarchy" else mask)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_direction_of_a_unit_of_a_hierarchy(task):
    """Of what it adds to the outcome, turned to rise with its genes."""
    case = given("hierarchy", task)
    y, reference = case.net["y"][:, 0], np.random.default_rng(1).normal(size=(N, HIER.shape[1]))
    adds = added(case)
    adds = adds - adds.mean(axis=3, keepdims=True) if task == "multiclass" else adds
    expected = np.zeros(adds.shape[1:])
    for place in np.ndindex(expected.shape):
        values = adds[:, *place]
        turn = np.sign(np.cov(values, reference[:, place[1]])[0, 1])
        inside = y == (place[2] if task == "multiclass" else 1)
        change = values[inside].mean() - values[~inside].mean() if inside.any() else np.nan
        if task == "regression":
            change = np.cov(values, y)[0, 1]
        expected[place] = turn * change
    found = case.reading.direction(case.held, y, reference)
    assert found.shape == (expected.shape if task == "multiclass" else expected.shape[:2])
    np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=1e-3, atol=1e-4)


def test_the_direction_of_one_of_two_classes():
    rng = np.random.default_rng(0)
    added, reference, y = rng.normal(size=(9, 2, 3)), rng.normal(size=(9, 3)), np.arange(9) % 2
    found = module._direction(added, 1, 2, y, "multiclass", reference)
    for r, p in np.ndindex(2, 3):
        turn = np.sign(np.cov(added[:, r, p], reference[:, p])[0, 1])
        change = added[y == 1, r, p].mean() - added[y == 0, r, p].mean()
        assert found[r, p] == pytest.approx(turn * change, rel=1e-4)


def test_the_direction_of_a_unit_of_a_mask():
    """Class 1 less class 0 of the unit, turned to rise with its genes, in units of the outcome."""
    case = given("mask", "binary")
    y, reference = case.net["y"][:, 0], np.random.default_rng(1).normal(size=case.h[:, 0].shape)
    found = case.reading.direction(case.held, y, reference)
    for r, p in np.ndindex(found.shape):
        h = case.h[:, r, p] * np.sign(np.cov(case.h[:, r, p], reference[:, p])[0, 1])
        change = h[y == 1].mean() - h[y == 0].mean()
        assert found[r, p] == pytest.approx(abs(case.net["v"][r, p, 0]) * change, rel=1e-4)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_the_way_in_which_a_unit_moves_the_outcome(task):
    turn = np.random.default_rng(2).choice([-1, 1], (R, 7))
    case = given("hierarchy", task)
    found = case.reading.orientation(case.held, turn)
    rises = ((case.h - case.net["h_mean"]) * added(case)[..., 0]).sum(axis=0)
    np.testing.assert_array_equal(found, turn if task == "multiclass" else np.sign(rises))
    case = given("mask", task)
    expected = turn[:, :4] if task == "multiclass" else case.net["v"][:, :, 0]
    np.testing.assert_allclose(case.reading.orientation(case.held, turn[:, :4]), expected)


def test_edges_as_if_every_source_rose_with_its_genes():
    """Those of a unit that falls with its genes are turned; genes rise with themselves."""
    case, rng = given("hierarchy", "binary"), np.random.default_rng(2)
    edges, turn = rng.normal(size=case.held.edges.shape), rng.choice([-1, 0, 1], (R, 7))
    before = edges.copy()
    found = case.reading.towards_genes(edges, turn)
    turns = pd.DataFrame(turn.T, HIER.pathways)
    for e, (source, _) in enumerate(ends_of(HIER)):
        sign = turns.loc[source] if source in turns.index else 1
        np.testing.assert_array_equal(found[e], before[e] * sign)
    np.testing.assert_array_equal(edges, before)
    assert given("mask", "binary").reading.towards_genes(edges, turn) is edges
