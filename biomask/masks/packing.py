"""A mask as JSON-able values, for the files that carry one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from biomask.masks.checks import checked_csc
from biomask.masks.mask import Mask
from biomask.storage import pack, unpack


def mask_to_config(mask: Mask) -> dict:
    """Everything but the notes; a million edges take about 3 MB of text."""
    rows, cols = mask.edge_index
    config = {
        "genes": mask.genes.tolist(),
        "pathways": mask.pathways.tolist(),
        "n_edges": mask.n_edges,
        "sizes": pack(np.bincount(cols, minlength=mask.shape[1]).astype(np.int32)),
        "members": pack(rows),
        "descriptions": mask.descriptions.tolist(),
    }
    if mask.weighted:
        config["weights"] = pack(mask.edge_values)
    return config


def mask_from_config(config: Mapping) -> Mask:
    """The mask that `mask_to_config` was given; equal to it in digest."""
    n_edges, shape = config["n_edges"], (len(config["genes"]), len(config["pathways"]))
    sizes = unpack(config["sizes"], np.int32, shape[1])
    members = unpack(config["members"], np.int32, n_edges)
    weights = np.ones(n_edges, np.float32)
    if "weights" in config:
        weights = unpack(config["weights"], np.float32, n_edges)
    starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    matrix = checked_csc(weights, members, starts, shape)
    descriptions = dict(zip(config["pathways"], config["descriptions"], strict=True))
    return Mask(matrix, config["genes"], config["pathways"], descriptions=descriptions)
