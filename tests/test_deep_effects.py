"""Ablation in a hierarchy against a plain forward pass that is run again for every removal."""

from __future__ import annotations

import functools
from itertools import islice

import numpy as np
import pandas as pd
import pytest

import biomask as bm
from biomask.inference import deep_effects, effects
from biomask.inference.deep_effects import Networks, wiring_of

N, R = 17, 3
TASKS = {"binary": 1, "multiclass": 3, "regression": 1, "survival": 1}


def small_hierarchy() -> bm.Hierarchy:
    """7 units on 3 levels: b is read at two levels, top reads ab and b: two ways from b to top."""
    sets = {
        "a": ["g0", "g1"],
        "b": ["g2", "g3"],
        "c": ["g3", "g4"],
        "ab": ["g0", "g1", "g2", "g3"],
        "top": [f"g{i}" for i in range(6)],
        "e": ["g6", "g7"],
    }
    relations = pd.DataFrame(
        {"child": ["a", "b", "ab", "c", "b"], "parent": ["ab", "ab", "top", "top", "top"]}
    )
    return bm.Hierarchy.from_sets(bm.Mask.from_sets(sets), relations)


HIER = small_hierarchy()


def make(mask, task, activation="tanh", scale=1.0):
    """Random networks, data and labels: (plain NumPy parts, Networks, wiring)."""
    rng = np.random.default_rng(3)
    wiring, n_genes, n_units = wiring_of(mask), *mask.shape
    net = {
        "x": rng.normal(size=(N, n_genes)).astype(np.float32),
        "x_mean": rng.normal(size=n_genes).astype(np.float32) * 0.1,
        "w": rng.normal(size=(len(wiring.sources), R)),
        "b": rng.normal(size=(R, n_units)) * 0.2,
        "v": rng.normal(size=(R, n_units, TASKS[task])) * scale,
        "c": rng.normal(size=(R, TASKS[task])),
        "h_mean": rng.normal(size=(R, n_units)) * 0.1,
        "activation": {"tanh": np.tanh, "relu": lambda a: np.maximum(a, 0)}[activation],
    }
    net["y"] = {
        "binary": rng.integers(0, 2, (N, R)),
        "multiclass": rng.integers(0, 3, (N, R)),
        "regression": rng.normal(size=(N, R)),
        "survival": np.stack([rng.integers(1, 9, (N, R)), rng.integers(0, 2, (N, R))], -1),
    }[task]
    a, h = (
        np.stack(part, axis=1)
        for part in zip(*(forward(mask, net, r) for r in range(R)), strict=True)
    )
    outputs = effects.linear_output(h, net["v"], net["c"])
    parts = (a, net["h_mean"], net["w"], net["v"], outputs)
    return net, Networks(*(part.astype(np.float32) for part in parts), activation), wiring


def forward(mask, net, r, unit=None, edge=None):
    """Pre-activations and activations of all units, by name and one at a time, in float64.

    `unit` is held at its mean; `edge`, a (source, target) pair of names, reads its source's mean.
    """
    place = {name: k for k, name in enumerate(mask.pathways)}
    a, h = np.zeros((2, len(net["x"]), len(place)))
    for name, p in place.items():
        a[:, p] = net["b"][r, p]
        for (source, target), w in zip(ends_of(mask), net["w"][:, r], strict=True):
            if target != name:
                continue
            if source in place:
                value, mean = h[:, place[source]], net["h_mean"][r, place[source]]
            else:
                g = mask.genes.get_loc(source)
                value, mean = net["x"][:, g].astype(float), float(net["x_mean"][g])
            a[:, p] += w * (mean if (source, target) == edge else value)
        h[:, p] = net["h_mean"][r, p] if p == unit else net["activation"](a[:, p])
    return a, h


@functools.cache
def ends_of(mask):
    """(source, target) of every edge, in the order of the networks' edges."""
    sources, targets, level = deep_effects.unit_positions(mask)
    names = [mask.pathways[s] if i else mask.genes[s] for s, i in zip(sources, level, strict=True)]
    return list(zip(names, mask.pathways[targets], strict=True))


def loss_of(net, r, h, task):
    z = h @ net["v"][r] + net["c"][r]
    y = net["y"][:, r]
    if task == "regression":
        return (y - z[:, 0]) ** 2
    if task == "binary":
        return np.logaddexp(0, z[:, 0]) - y * z[:, 0]
    if task == "multiclass":
        return np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]
    time, event = y.T
    risk = [np.exp(z[time >= t, 0]).sum() for t in time]
    return event * (np.log(risk) - z[:, 0])


def brute_force(mask, net, task, removals):
    total = np.zeros((len(net["b"]), len(removals)))
    for r in range(len(total)):
        full = loss_of(net, r, forward(mask, net, r)[1], task).sum()
        for k, removal in enumerate(removals):
            total[r, k] = loss_of(net, r, forward(mask, net, r, **removal)[1], task).sum() - full
    return total


def test_the_wiring_has_every_edge_once():
    sources, targets, level = deep_effects.unit_positions(HIER)
    found = set(zip(*zip(*ends_of(HIER), strict=True), level.tolist(), strict=True))
    edges = HIER.to_edges()
    assert found == set(zip(edges["source"], edges["target"], edges["level"], strict=True))
    assert len(sources) == len(targets) == HIER.n_edges == 15


def test_paths_by_hand():
    wiring = wiring_of(HIER)
    names = HIER.pathways
    found = deep_effects.paths(wiring, np.arange(len(names)))
    pairs = {(names[k], names[u]) for k, u in zip(found.removal, found.unit, strict=True)}
    above = {("a", "ab"), ("a", "top"), ("b", "ab"), ("b", "top"), ("c", "top"), ("ab", "top")}
    above.add(("top (own genes)", "top"))
    assert pairs == above | {(name, name) for name in names}
    assert len(found.removal) == len(pairs)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (6, [(0, 2), (2, 5), (5, 7)]),  # 3 + 3, 2 + 2 + 1 and not another 2, 2 + 1
        (5, [(0, 1), (1, 3), (3, 6), (6, 7)]),
        (2, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7)]),  # at least one
        (99, [(0, 7)]),
    ],
)
def test_removals_go_together_as_far_as_they_reach_few_units(limit, expected):
    order = ["a", "b", "c", "top (own genes)", "e", "ab", "top"]  # reach 3, 3, 2, 2, 1, 2, 1 units
    starts = HIER.pathways.get_indexer(order)
    parts = islice(deep_effects._parts(wiring_of(HIER), starts, limit), 9)
    assert [(part.start, part.stop) for part in parts] == expected


@pytest.mark.parametrize("block", [1, 1 << 16])
@pytest.mark.parametrize("task", TASKS)
def test_unit_ablation_equals_the_network_run_again(task, block, monkeypatch):
    monkeypatch.setattr(effects, "BLOCK", block)
    monkeypatch.setattr(deep_effects, "PAIRS", 4 if block == 1 else 1 << 16)
    net, networks, wiring = make(HIER, task)
    expected = brute_force(HIER, net, task, [{"unit": p} for p in range(HIER.shape[1])])
    got = deep_effects.unit_ablation(networks, wiring, net["y"], task)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_edge_ablation_equals_the_network_run_again(task, monkeypatch):
    monkeypatch.setattr(deep_effects, "COLUMNS", 60)  # survival: a few removals at a time
    net, networks, wiring = make(HIER, task)
    first = wiring.n_entry  # of those from units
    asked = np.array([first, 14, 0, 9, 3, 10, 8])  # from units and from genes, in no order
    removals = [{"edge": ends_of(HIER)[e]} for e in asked]
    expected = brute_force(HIER, net, task, removals)
    got = deep_effects.edge_ablation(
        networks, wiring, asked, net["x"], net["x_mean"], net["y"], task
    )
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("place", [0, -1])
def test_one_edge_alone_from_a_gene_or_from_a_unit(place):
    net, networks, wiring = make(HIER, "regression")
    edge = np.arange(HIER.n_edges)[[place]]
    expected = brute_force(HIER, net, "regression", [{"edge": ends_of(HIER)[place]}])
    parts = net["x"], net["x_mean"], net["y"], "regression"
    got = deep_effects.edge_ablation(networks, wiring, edge, *parts)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_another_activation():
    net, networks, wiring = make(HIER, "binary", "relu")
    expected = brute_force(HIER, net, "binary", [{"unit": p} for p in range(HIER.shape[1])])
    got = deep_effects.unit_ablation(networks, wiring, net["y"], "binary")
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_logits_of_any_size():
    net, networks, wiring = make(HIER, "multiclass", scale=100.0)
    got = deep_effects.unit_ablation(networks, wiring, net["y"], "multiclass")
    expected = brute_force(HIER, net, "multiclass", [{"unit": p} for p in range(HIER.shape[1])])
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=0.1)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_contributions_are_what_the_outputs_lose(task):
    net, networks, wiring = make(HIER, task)
    got = deep_effects.contributions(networks, wiring)
    for r in range(R):
        full = forward(HIER, net, r)[1] @ net["v"][r]
        for p in range(HIER.shape[1]):
            lost = full - forward(HIER, net, r, unit=p)[1] @ net["v"][r]
            np.testing.assert_allclose(got[:, r, p], lost, atol=2e-5)


@pytest.mark.parametrize("task", TASKS)
def test_one_level_is_the_ablation_of_a_mask(task, small_mask):
    mask = small_mask.select(pathways=["p0", "p1", "p2", "p4"])
    net, networks, wiring = make(mask, task)
    h = np.tanh(networks.a)
    expected = effects.pathway_ablation(
        h, networks.means, networks.weights, net["c"], net["y"], task
    )
    got = deep_effects.unit_ablation(networks, wiring, net["y"], task)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    asked = np.array([7, 0, 3])
    edges = tuple(ends[asked] for ends in mask.edge_index)
    expected = effects.edge_ablation(
        networks.a, net["x"], net["x_mean"], networks.edges[asked], edges, networks.weights,
        networks.outputs, net["y"], task, "tanh",
    )  # fmt: skip
    got = deep_effects.edge_ablation(
        networks, wiring, asked, net["x"], net["x_mean"], net["y"], task
    )
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
