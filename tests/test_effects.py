"""Ablation against networks rebuilt by explicit loops."""

import math

import numpy as np
import pytest

import biomask as bm
from biomask.inference import activations as activations_of
from biomask.inference import edge_effects, effects, losses
from biomask.inference.edge_effects import FUSED, fused_edge_ablation

N, R, P, G = 23, 3, 4, 6
TASKS = {"binary": 1, "multiclass": 3, "regression": 1, "survival": 1}


def make_network(task, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    n_outputs = TASKS[task]
    genes, pathways = np.array([0, 1, 1, 2, 3, 4, 5]), np.array([0, 0, 1, 1, 2, 3, 3])
    net = {
        "x": rng.normal(size=(N, G)),
        "x_mean": rng.normal(size=G) * 0.1,
        "edges": (genes, pathways),
        "w": rng.normal(size=(7, R)),
        "b": rng.normal(size=(R, P)) * 0.2,
        "v": rng.normal(size=(R, P, n_outputs)) * scale,
        "c": rng.normal(size=(R, n_outputs)),
        "h_mean": rng.normal(size=(R, P)) * 0.1,
    }
    net["y"] = {
        "binary": rng.integers(0, 2, (N, R)),
        "multiclass": rng.integers(0, 3, (N, R)),
        "regression": rng.normal(size=(N, R)),
        # whole times, so that some are tied
        "survival": np.stack([rng.integers(1, 9, (N, R)), rng.integers(0, 2, (N, R))], -1),
    }[task]
    return net


def loop_hidden(net, r, without_edge=None, act=math.tanh):
    """Pre-activations and activations, one sample and one edge at a time."""
    a = np.zeros((N, P))
    for i in range(N):
        for p in range(P):
            a[i, p] = net["b"][r, p]
        for e, (g, p) in enumerate(zip(*net["edges"], strict=True)):
            value = net["x_mean"][g] if e == without_edge else net["x"][i, g]
            a[i, p] += net["w"][e, r] * value
    return a, np.vectorize(act)(a)


def loop_loss(net, r, h, task):
    z = np.array([[h[i] @ net["v"][r, :, c] + net["c"][r, c] for c in range(TASKS[task])]
                  for i in range(N)])  # fmt: skip
    return textbook_loss(z, net["y"][:, r], task)


def textbook_loss(z, y, task):
    """Loss of every sample from textbook formulas; z is (samples, outputs)."""
    if task == "binary":
        prob = 1 / (1 + np.exp(-z[:, 0]))
        return -np.where(y == 1, np.log(prob), np.log(1 - prob))
    if task == "multiclass":
        return np.array(
            [math.log(sum(math.exp(t) for t in z[i])) - z[i, y[i]] for i in range(len(z))]
        )
    if task == "regression":
        return (y - z[:, 0]) ** 2
    time, event = y.T
    loss = np.zeros(len(z))
    for i in range(len(z)):
        risk = sum(math.exp(z[j, 0]) for j in range(len(z)) if time[j] >= time[i])
        loss[i] = event[i] * (math.log(risk) - z[i, 0])
    return loss


def activations(net):
    pairs = [loop_hidden(net, r) for r in range(R)]
    return np.stack([a for a, _ in pairs], 1), np.stack([h for _, h in pairs], 1)


@pytest.mark.parametrize("block", [1, 8, 12, 1 << 16])
@pytest.mark.parametrize("task", TASKS)
def test_pathway_ablation_equals_the_rebuilt_network(task, block, monkeypatch):
    monkeypatch.setattr(effects, "BLOCK", block)
    net = make_network(task)
    expected = np.zeros((R, P))
    for r in range(R):
        _, h = loop_hidden(net, r)
        full = loop_loss(net, r, h, task)
        for p in range(P):
            ablated = h.copy()
            ablated[:, p] = net["h_mean"][r, p]
            expected[r, p] = (loop_loss(net, r, ablated, task) - full).sum()
    _, h = activations(net)
    got = effects.pathway_ablation(h, net["h_mean"], net["v"], net["c"], net["y"], task)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("block", [8, 1 << 16])
@pytest.mark.parametrize("task", TASKS)
def test_edge_ablation_equals_the_rebuilt_network(task, block, monkeypatch):
    monkeypatch.setattr(effects, "BLOCK", block)
    net = make_network(task)
    asked = [6, 0, 2]  # a subset, not in the mask's order
    expected = np.zeros((R, len(asked)))
    for r in range(R):
        full = loop_loss(net, r, loop_hidden(net, r)[1], task)
        for k, e in enumerate(asked):
            ablated = loop_hidden(net, r, without_edge=e)[1]
            expected[r, k] = (loop_loss(net, r, ablated, task) - full).sum()
    a, _ = activations(net)
    edges = tuple(index[asked] for index in net["edges"])
    outputs = effects.linear_output(np.tanh(a), net["v"], net["c"])
    arguments = (
        a, net["x"], net["x_mean"], net["w"][asked], edges, net["v"], outputs, net["y"], task,
        "tanh",
    )  # fmt: skip
    got = effects.edge_ablation(*arguments)
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-5)
    if task in FUSED:
        np.testing.assert_allclose(fused_edge_ablation(*arguments), got, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("scale", [1.0, 3000.0])  # at the second, exp() leaves float32
@pytest.mark.parametrize("task", FUSED)
def test_the_compiled_loop_takes_a_few_samples_and_edges_at_a_time(task, scale, monkeypatch):
    """23 samples in pieces of 8, and 7 edges in pieces of 3: the last are filled up."""
    monkeypatch.setattr(edge_effects, "ROWS", 8)
    monkeypatch.setattr(edge_effects, "CHUNK", 3)
    net = make_network(task, scale=scale)
    net["v"][1] /= scale  # one network in which nothing is large
    asked = [6, 0, 2, 1, 3, 5, 4]
    a, h = activations(net)
    outputs = effects.linear_output(h, net["v"], net["c"])
    edges = tuple(index[asked] for index in net["edges"])
    arguments = (
        a, net["x"], net["x_mean"], net["w"][asked], edges, net["v"], outputs, net["y"], task,
        "tanh",
    )  # fmt: skip
    if scale == 1:  # no network is done again
        monkeypatch.setattr(edge_effects, "edge_ablation", None)
    got, expected = fused_edge_ablation(*arguments), effects.edge_ablation(*arguments)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_the_compiled_loop_knows_other_activations():
    net = make_network("binary")
    pairs = [loop_hidden(net, r, act=lambda a: max(a, 0.0)) for r in range(R)]
    a, h = (np.stack(part, 1) for part in zip(*pairs, strict=True))
    outputs = effects.linear_output(h, net["v"], net["c"])
    expected = np.zeros((R, 7))
    for r, e in np.ndindex(R, 7):
        less = loop_hidden(net, r, without_edge=e, act=lambda a: max(a, 0.0))[1]
        change = loop_loss(net, r, less, "binary") - loop_loss(net, r, pairs[r][1], "binary")
        expected[r, e] = change.sum()
    got = fused_edge_ablation(
        a, net["x"], net["x_mean"], net["w"], net["edges"], net["v"], outputs, net["y"], "binary",
        "relu",
    )  # fmt: skip
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_a_number_by_hand():
    # One sample, one unit: z = 2 * 0.5 + 0 = 1; without the unit z = 0. y = 1:
    # loss log(1 + e^-1) = 0.313262 becomes log 2 = 0.693147.
    got = effects.pathway_ablation(
        np.full((1, 1, 1), 0.5), np.zeros((1, 1)), np.full((1, 1, 1), 2.0), np.zeros((1, 1)),
        np.array([1]), "binary",
    )  # fmt: skip
    assert got[0, 0] == pytest.approx(0.3798854930417224, rel=1e-6)


@pytest.mark.filterwarnings("error")  # NumPy's, of what overflows and is done again
@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize(("scale", "block"), [(60.0, 1 << 16), (3000.0, 1 << 16), (3000.0, 2 * N)])
def test_logits_of_any_size_give_the_exact_change(task, scale, block, monkeypatch):
    """exp(d) overflows float32 at the first scale and float64 at the second."""
    monkeypatch.setattr(effects, "BLOCK", block)
    net = make_network(task, scale=scale)
    _, h = activations(net)
    h32, v32 = h.astype(np.float32).astype(float), net["v"].astype(np.float32).astype(float)
    got = effects.pathway_ablation(h, net["h_mean"], net["v"], net["c"], net["y"], task)
    expected = np.zeros((R, P))
    for r in range(R):
        z = h32[:, r] @ v32[r] + net["c"][r]
        for p in range(P):
            less = z - np.outer(h32[:, r, p] - net["h_mean"][r, p], v32[r, p])
            for logits, sign in ((less, 1), (z, -1)):
                if task == "binary":
                    logits = np.hstack([np.zeros((N, 1)), logits])
                right = logits[np.arange(N), net["y"][:, r]]
                top = logits.max(axis=1)
                loss = top + np.log(np.exp(logits - top[:, None]).sum(axis=1)) - right
                expected[r, p] += sign * loss.sum()
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-3 * scale)


@pytest.mark.filterwarnings("error")  # NumPy's, of what overflows and is done again
@pytest.mark.parametrize("scale", [1.0, 60.0, 3000.0])
def test_log_risks_of_any_size_give_the_exact_change(scale):
    net = make_network("survival", scale=scale)
    _, h = activations(net)
    h, v = h.astype(np.float32).astype(float), net["v"].astype(np.float32).astype(float)
    got = effects.pathway_ablation(h, net["h_mean"], v, net["c"], net["y"], "survival")
    expected = np.zeros((R, P))
    for r in range(R):
        time, event = net["y"][:, r].T
        z = h[:, r] @ v[r, :, 0] + net["c"][r]
        for p in range(P):
            less = z - (h[:, r, p] - net["h_mean"][r, p]) * v[r, p, 0]
            for risks, sign in ((less, 1), (z, -1)):
                for i in np.flatnonzero(event):
                    total = np.logaddexp.reduce(risks[time >= time[i]])
                    expected[r, p] += sign * (total - risks[i])
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-3 * scale)


def test_small_changes_keep_their_digits():
    """A unit that moves the logit by 1e-5: subtracting two float32 losses would lose it."""
    rng = np.random.default_rng(0)
    h, y = rng.normal(size=(200, 1, 2)), rng.integers(0, 2, 200)
    v, bias = np.array([[[2.0], [1e-5]]]), np.zeros((1, 1))
    got = effects.pathway_ablation(h, np.zeros((1, 2)), v, bias, y, "binary")[0, 1]
    z = 2 * h[:, 0, 0] + 1e-5 * h[:, 0, 1]
    d = 1e-5 * h[:, 0, 1]
    exact = np.sum(np.logaddexp(0, z - d) - np.logaddexp(0, z) + y * d)
    assert got == pytest.approx(exact, rel=1e-4)


def test_sums_over_samples_keep_their_digits():
    """Squared errors h^2 where the whole network is exact; float32 adds 1 to 2^24 in vain."""
    one = np.array([4096.0, 1, 1, 1])
    h = np.stack([one, one], axis=1)[:, :, None]  # two replicates
    got = effects.pathway_ablation(
        h, np.zeros((2, 1)), np.ones((2, 1, 1)), np.zeros((2, 1)), one, "regression"
    )
    assert got.tolist() == [[2.0**24 + 3]] * 2


@pytest.mark.parametrize("task", TASKS)
def test_what_a_sample_has_beside_its_pathways_may_be_its_own(task):
    net = make_network(task)
    _, h = activations(net)
    beside = np.repeat(net["c"][None], N, axis=0)
    labels = (net["y"], task)
    np.testing.assert_array_equal(
        effects.pathway_ablation(h, net["h_mean"], net["v"], beside, *labels),
        effects.pathway_ablation(h, net["h_mean"], net["v"], net["c"], *labels),
    )
    with pytest.raises(bm.ArgumentError, match=r"bias \(22, 3, "):
        effects.pathway_ablation(h, net["h_mean"], net["v"], beside[1:], *labels)


def test_whole_numbers_are_taken_as_numbers():
    """a = -5 without x = -3: leaky relu of -5 less that of -2, times 2: d = -1.2; y = z = -2."""
    one, edge = np.ones((1, 1), int), (np.array([0]), np.array([0]))
    got = effects.edge_ablation(
        -5 * one[None], -3 * one, np.zeros(1, int), one, edge, 2 * one[None], -2 * one[None],
        np.array([-2]), "regression", "leaky_relu",
    )  # fmt: skip
    np.testing.assert_allclose(got, [[1.44]], rtol=1e-6)


def test_a_unit_at_its_mean_or_without_weight_has_no_effect_at_all():
    net = make_network("multiclass")
    _, h = activations(net)
    h[:, :, 1] = net["h_mean"][:, 1]
    net["v"][:, 2] = 0
    got = effects.pathway_ablation(h, net["h_mean"], net["v"], net["c"], net["y"], "multiclass")
    assert (got[:, 1:3] == 0).all()
    assert (got[:, 0] != 0).all()


def test_labels_shared_by_all_replicates_are_broadcast():
    net = make_network("binary")
    _, h = activations(net)
    shared = net["y"][:, 0]
    args = (h, net["h_mean"], net["v"], net["c"])
    np.testing.assert_array_equal(
        effects.pathway_ablation(*args, shared, "binary"),
        effects.pathway_ablation(*args, np.repeat(shared[:, None], R, 1), "binary"),
    )


def test_chunks_of_samples_add_up():
    net = make_network("regression")
    _, h = activations(net)
    parts = [
        effects.pathway_ablation(h[s], net["h_mean"], net["v"], net["c"], net["y"][s], "regression")
        for s in (slice(0, 9), slice(9, N))
    ]
    whole = effects.pathway_ablation(h, net["h_mean"], net["v"], net["c"], net["y"], "regression")
    np.testing.assert_allclose(parts[0] + parts[1], whole, rtol=1e-6)


def test_inputs_are_not_changed():
    net = make_network("binary")
    _, h = activations(net)
    h, v = h.astype(np.float32), net["v"].astype(np.float32)
    before = h.copy(), v.copy()
    effects.pathway_ablation(h, net["h_mean"], v, net["c"], net["y"], "binary")
    np.testing.assert_array_equal(h, before[0])
    np.testing.assert_array_equal(v, before[1])


@pytest.mark.parametrize("name", sorted(activations_of.ACTIVATIONS))
def test_activations_agree_with_keras(name):
    keras = pytest.importorskip("keras")
    a = np.linspace(-4, 4, 33, dtype=np.float32)
    expected = np.asarray(keras.activations.get(name)(a))
    np.testing.assert_allclose(activations_of.activation_function(name)(a), expected, atol=2e-6)


def test_activation_may_be_a_function_but_not_an_unknown_name():
    assert activations_of.activation_function(np.cos) is np.cos
    with pytest.raises(bm.ArgumentError, match=r"'mystery' has no NumPy counterpart.*tanh"):
        activations_of.activation_function("mystery")


def test_mean_effects_weighs_samples_not_folds():
    # Folds of 1 and 3 samples, replicates of two groups: (2 + 4)/2 + (6 + 8)/2 = 10 over 4.
    sums = [np.array([[2.0], [4.0], [1.0]]), np.array([[6.0], [8.0], [1.0]])]
    got = effects.mean_effects(sums, [1, 3], np.array([0, 0, 1]))
    np.testing.assert_array_equal(got, [[2.5], [0.5]])


def test_pathway_means_turn_inhibiting_genes():
    mask = bm.Mask.from_dense([[1, 0, 0], [-1, 1, 0], [0, 1, 2]], weighted=True)
    np.testing.assert_allclose(
        effects.pathway_means(np.array([[1.0, 2.0, 4.0]]), mask), [[-0.5, 3.0, 4.0]]
    )


class TestDirection:
    reference = np.array([[0.0], [1.0], [2.0], [3.0]])
    # Replicate 1 is replicate 0 with unit and head turned round: the same function.
    h = np.stack([reference - 1, 1 - reference], axis=1)
    v = np.array([[[-0.5]], [[0.5]]])

    def test_difference_between_classes_by_hand(self):
        y = np.array([1, 1, 0, 0])  # genes higher in class 0, mean 2.5 against 0.5
        got = effects.direction(self.h, self.v, y, "binary", self.reference)
        np.testing.assert_allclose(got, [[-1.0], [-1.0]])  # 0.5 * (0.5 - 2.5)

    def test_covariance_with_a_number_by_hand(self):
        y = np.array([0.0, 2.0, 4.0, 6.0])
        got = effects.direction(self.h, self.v, y, "regression", self.reference)
        expected = 0.5 * np.cov(self.reference[:, 0], y)[0, 1]
        np.testing.assert_allclose(got, [[expected], [expected]], rtol=1e-6)

    def test_each_class_against_the_others(self):
        y = np.array([0, 1, 1, 2])
        v = np.array([[[0.0, 3.0, 0.0]], [[0.0, -3.0, 0.0]]])
        got = effects.direction(self.h, v, y, "multiclass", self.reference)
        # means 0 / 1.5 / 3 against 2 / 1.5 / 1; |v - mean v| = 1, 2, 1
        np.testing.assert_allclose(got, [[[-2.0, 0.0, 2.0]]] * 2, atol=1e-6)

    def test_each_class_with_the_size_of_its_weight(self):
        y = np.array([0, 0, 2, 1])
        v = np.array([[[0.0, 3.0, 0.0]], [[0.0, -3.0, 0.0]]])
        got = effects.direction(self.h, v, y, "multiclass", self.reference)
        # means 1/2, 3, 2 against 5/2, 1, 4/3; |v - mean v| = 1, 2, 1
        np.testing.assert_allclose(got, [[[-2.0, 4.0, 2 / 3]]] * 2, atol=1e-6)

    def test_units_turn_by_their_own_genes(self):
        """Genes of the second pathway are 100 times as high; its unit falls with them."""
        reference = np.hstack([self.reference, 100 + self.reference])
        h = np.stack([self.reference + 1, 5 - self.reference], axis=2)
        v = np.array([[[0.5], [0.5]]])
        got = effects.direction(h, v, np.array([1, 1, 0, 0]), "binary", reference)
        np.testing.assert_allclose(got, [[-1.0, -1.0]])

    def test_survival_is_positive_for_risk(self):
        y = np.array([[4.0, 1], [3.0, 1], [2.0, 1], [1.0, 1]])  # high genes die first
        got = effects.direction(self.h, self.v, y, "survival", self.reference)
        # residuals 1 - (1/4 + 1/3 + 1/2 + 1), ...: -13/12, -1/12, 5/12, 9/12
        expected = 0.5 * np.cov([0, 1, 2, 3], [-13 / 12, -1 / 12, 5 / 12, 9 / 12])[0, 1]
        np.testing.assert_allclose(got, [[expected], [expected]], rtol=1e-5)

    def test_a_unit_turns_by_its_covariance_wherever_its_mean_is(self):
        h = (13 - self.reference)[:, None]  # falls with its genes
        got = effects.direction(h, self.v[1:], np.array([1, 1, 0, 0]), "binary", self.reference)
        np.testing.assert_allclose(got, [[-1.0]])  # 0.5 * -(12.5 - 10.5)

    @pytest.mark.filterwarnings("error")  # NumPy's
    def test_an_empty_class_gives_nan(self):
        got = effects.direction(self.h, self.v, np.ones(4, int), "binary", self.reference)
        assert np.isnan(got).all()


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"task": "ranking"}, bm.ArgumentError, "no task 'ranking'"),
        ({"v": np.zeros((R, P))}, bm.ArgumentError, r"weights \(3, 4\)"),
        ({"v": np.zeros((R, P, 2))}, bm.ArgumentError, r"weights \(3, 4, 2\)"),
        ({"h": np.zeros((N, P))}, bm.ArgumentError, r"activations \(23, 4\)"),
        ({"y": np.zeros(N - 1)}, bm.ArgumentError, r"labels of shape \(22,\)"),
        ({"y": np.zeros((R, 1))}, bm.ArgumentError, "do not fit 23 samples and 3 replicates"),
        ({"y": np.full(N, 2)}, bm.DataError, r"binary labels must be 0 to 1, received \[2\]"),
        ({"y": np.arange(N)}, bm.DataError, r"received \[0 1 2 3 4 5 6 7 8 9\]\."),
        ({"y": np.full(N, np.nan), "task": "regression"}, bm.DataError, "NaN"),
    ],
)
def test_errors(change, error, text):
    net = make_network("binary")
    given = {"h": activations(net)[1], "v": net["v"], "y": net["y"], "task": "binary"} | change
    with pytest.raises(error, match=text):
        effects.pathway_ablation(
            given["h"], net["h_mean"], given["v"], net["c"], given["y"], given["task"]
        )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"task": "ranking"}, "no task 'ranking'"),
        ({"outputs": np.zeros((N - 1, R, 1))}, r"weights \(3, 4, 1\), outputs \(22, 3, 1\)"),
        ({"outputs": np.zeros((N, R, 2))}, r"outputs \(23, 3, 2\)"),
        ({"weights": np.zeros((R, P + 1, 1))}, r"activations \(23, 3, 4\), weights \(3, 5, 1\)"),
    ],
)
def test_errors_of_edges(change, text):
    net = make_network("binary")
    given = {
        "a": activations(net)[0],
        "x": net["x"],
        "gene_means": net["x_mean"],
        "edge_weights": net["w"],
        "edges": net["edges"],
        "weights": net["v"],
        "outputs": np.zeros((N, R, 1)),
        "y": net["y"],
        "task": "binary",
        "activation": "tanh",
    }
    with pytest.raises(bm.ArgumentError, match=text):
        effects.edge_ablation(**(given | change))


def test_a_drop_of_each_output_is_that_of_the_unit_times_its_weights():
    net = make_network("multiclass")
    h = activations(net)[1]
    outputs = effects.linear_output(h, net["v"], net["c"])
    drop = h - net["h_mean"]
    by_output = drop[..., None] * net["v"]
    for change in (losses.multiclass_change, losses.cross_entropy_change_exact):
        found = change(by_output, net["v"], outputs, net["y"])
        expected = change(drop, net["v"], outputs, net["y"])
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_tied_times_share_one_risk_set():
    # Two deaths at time 1 among three: both risk sets hold all three samples (Breslow).
    loss = losses.partial_likelihood(
        np.zeros((3, 1)), np.array([1.0, 1.0, 2.0]), np.array([1.0, 1.0, 1.0])
    )
    np.testing.assert_allclose(loss[:, 0], [math.log(3), math.log(3), 0.0])


@pytest.mark.filterwarnings("error")  # NumPy's, of numbers that would have to be done again
@pytest.mark.parametrize("task", TASKS)
def test_changes_of_each_loss_are_those_of_the_textbook(task):
    rng = np.random.default_rng(4)
    n, n_replicates, n_units, y = 12, 2, 3, make_network(task)["y"][:12, :2]
    drop = rng.normal(size=(n, n_replicates, n_units))
    weights = rng.normal(size=(n_replicates, n_units, TASKS[task]))
    outputs = rng.normal(size=(n, n_replicates, TASKS[task]))
    outputs[:4, :, 0] = 0
    expected = np.zeros(drop.shape)
    for r in range(n_replicates):
        full = textbook_loss(outputs[:, r], y[:, r], task)
        for k in range(n_units):
            less = outputs[:, r] - drop[:, r, k, None] * weights[r, k]
            expected[:, r, k] = textbook_loss(less, y[:, r], task) - full
    for change in {losses.CHANGES[task], losses.EXACT.get(task, losses.CHANGES[task])}:
        got = change(drop, weights, outputs, y)
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("error")  # NumPy's
def test_what_all_log_risks_have_in_common_changes_nothing():
    """Neither 200 in all outputs of a replicate, nor 10 in all that a unit takes away."""
    rng = np.random.default_rng(5)
    drop = (1e-3 * rng.normal(size=(20, 2, 2)) + [0, 10]).astype(np.float32)
    outputs = (rng.normal(size=(20, 2, 1)) + np.array([[0], [200]])).astype(np.float32)
    y = np.stack([np.tile(np.arange(20) // 2, (2, 1)).T, np.ones((20, 2))], -1)
    got = losses.survival_change(drop, np.ones((2, 2, 1), np.float32), outputs, y)
    assert got.dtype == np.float32
    for r in range(2):
        full = outputs[:, r].astype(float)
        for k in range(2):
            less = full - drop[:, r, k, None].astype(float)
            expected = textbook_loss(less, y[:, r], "survival")
            expected -= textbook_loss(full, y[:, r], "survival")
            np.testing.assert_allclose(got[:, r, k], expected, rtol=1e-4, atol=1e-8)


@pytest.mark.filterwarnings("error")  # NumPy's
def test_contrasts_by_hand():
    values = np.array([[1.0, 5.0], [3.0, 1.0]])
    np.testing.assert_array_equal(losses.contrast(values, "regression"), [[-1, 2], [1, -2]])
    np.testing.assert_array_equal(losses.contrast(values[:1], "regression"), [[0, 0]])
    classes = np.array([[0, 1], [1, 1], [1, 0]])
    expected = np.array([[-1, 0.5], [0.5, 0.5], [0.5, -1]])
    np.testing.assert_array_equal(losses.contrast(classes, "binary"), expected)
    assert np.isnan(losses.contrast(np.ones((3, 1)), "binary")).all()  # of no other class


def test_martingale_residuals_of_tied_times_by_hand():
    # hazard 1/3 at time 1, when all three are at risk, and 1 more at time 2
    y = np.array([[[2.0, 1.0]], [[1.0, 1.0]], [[1.0, 0.0]]])
    np.testing.assert_allclose(losses.martingale_residuals(y), [[-1 / 3], [2 / 3], [-1 / 3]])
