"""A mask as JSON-able values, for the files that carry one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from biomask.errors import StorageError
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
    """The mask that `mask_to_config` was given; equal to it in digest.

    Raises
    ------
    StorageError
        A part is missing or is not what `mask_to_config` writes.
    MaskError
        The parts are readable but make no mask.
    """
    try:
        genes, pathways = list(config["genes"]), list(config["pathways"])
        n_edges, shape = config["n_edges"], (len(genes), len(pathways))
        if not 0 <= n_edges <= shape[0] * shape[1]:
            raise ValueError(f"{n_edges} edges in a mask of {shape[0]} x {shape[1]}")
        sizes = unpack(config["sizes"], np.int32, shape[1])
        members = unpack(config["members"], np.int32, n_edges)
        weights = np.ones(n_edges, np.float32)
        if "weights" in config:
            weights = unpack(config["weights"], np.float32, n_edges)
        descriptions = dict(zip(pathways, config["descriptions"], strict=True))
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(
            f"a stored mask is damaged: {error!r}",
            code="E-PACKED",
            hint="Restore the file from a copy.",
        ) from error
    starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    matrix = checked_csc(weights, members, starts, shape)
    return Mask(matrix, genes, pathways, descriptions=descriptions)
