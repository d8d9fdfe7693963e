"""PyTorch's ways to a masked layer; imported only where torch is installed."""

from __future__ import annotations

import importlib.util

import numpy as np
import torch
from torch import nn

import biomask as bm


class WeightTimesMask(nn.Module):
    """A dense weight multiplied by the 0/1 matrix in every step."""

    def __init__(self, mask: bm.Mask, edges: np.ndarray):
        super().__init__()
        rows, cols = (torch.as_tensor(index.astype(np.int64)) for index in mask.edge_index)
        weight = torch.zeros(mask.shape[::-1])
        weight[cols, rows] = torch.as_tensor(edges)
        self.register_buffer("mask", (weight != 0).float())
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(mask.shape[1]))

    def forward(self, x):
        return nn.functional.linear(x, self.weight * self.mask, self.bias)


class PackedEdges(nn.Module):
    """One weight for each edge: gather the inputs of all edges, multiply, add up by unit."""

    def __init__(self, mask: bm.Mask, edges: np.ndarray):
        super().__init__()
        rows, cols = (torch.as_tensor(index.astype(np.int64)) for index in mask.edge_index)
        self.register_buffer("rows", rows)
        self.register_buffer("cols", cols)
        self.weight = nn.Parameter(torch.as_tensor(edges.copy()))
        self.bias = nn.Parameter(torch.zeros(mask.shape[1]))

    def forward(self, x):
        messages = x[..., self.rows] * self.weight
        return x.new_zeros(len(x), len(self.bias)).index_add(1, self.cols, messages) + self.bias


def _kpnn2(mask: bm.Mask, edges: np.ndarray) -> nn.Module:
    """kpnn2's own layer, from its package."""
    import kpnn2

    layer = kpnn2.PackedLinear(*mask.edge_index, *mask.shape[::-1])
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(edges))
        layer.bias.zero_()
    return layer


LAYERS = {"torch weight x mask": WeightTimesMask, "torch packed edges": PackedEdges}
if importlib.util.find_spec("kpnn2"):
    LAYERS["kpnn2"] = _kpnn2


class Network(nn.Module):
    """genes -> pathways (tanh) -> one logit, with the weights of a biomask model.

    Parameters
    ----------
    name : str
        One of `LAYERS`.
    like : keras.Model
        From `approaches.biomask_model`; weights are copied.
    """

    def __init__(self, name: str, like):
        super().__init__()
        ours, head = like.get_layer("pathways"), like.get_layer("head")
        self.pathways = LAYERS[name](ours.mask, ours.edges)
        self.head = nn.Linear(ours.mask.shape[1], 1)
        with torch.no_grad():
            for parameter, value in zip(
                (self.head.weight, self.head.bias), head.get_weights(), strict=True
            ):
                parameter.copy_(torch.as_tensor(value.T))
        # Keras' Adam: its epsilon is 1e-7
        rate = float(like.optimizer.learning_rate)
        self.optimizer = torch.optim.Adam(self.parameters(), lr=rate, eps=1e-7)

    def forward(self, x):
        return self.head(torch.tanh(self.pathways(x)))[:, 0]

    def train_on(self, x: torch.Tensor, y: torch.Tensor) -> float:
        """One training step: forward, loss, backward, Adam. Returns the loss."""
        self.optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(self(x), y)
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def fit(self, X: torch.Tensor, y: torch.Tensor, *, batch_size: int, epochs: int) -> None:
        """The barest loop over shuffled batches; no data loader, no metrics: the fastest case."""
        for _ in range(epochs):
            for batch in torch.randperm(len(X)).split(batch_size):
                self.train_on(X[batch], y[batch])
