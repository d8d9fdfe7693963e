"""A mask or a hierarchy as JSON-able values, for the files that carry one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from biomask.errors import BiomaskError, StorageError
from biomask.masks.checks import checked_csc
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.levels import quiet_when_dense
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
    except BiomaskError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged("mask", error) from error
    starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    matrix = checked_csc(weights, members, starts, shape)
    return Mask(matrix, genes, pathways, descriptions=descriptions)


def hierarchy_to_config(hier: Hierarchy) -> dict:
    """Everything but the notes: the first mask, and of the others what is new in each."""
    texts = hier.descriptions
    return {
        "entry": mask_to_config(hier[0]),
        "levels": [_level_to_config(hier, i, texts) for i in range(1, len(hier))],
    }


def hierarchy_from_config(config: Mapping) -> Hierarchy:
    """The hierarchy that `hierarchy_to_config` was given; equal to it in digest.

    Raises
    ------
    StorageError
        A part is missing or is not what `hierarchy_to_config` writes.
    MaskError
        The parts are readable but make no mask or no hierarchy.
    """
    try:
        masks = [mask_from_config(config["entry"])]
        for level in list(config["levels"]):
            masks.append(_level_from_config(level, masks[-1]))
    except BiomaskError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged("hierarchy", error) from error
    return Hierarchy(masks)


def _level_to_config(hier: Hierarchy, level: int, texts: pd.Series) -> dict:
    rows, cols = hier[level].edge_index
    new = hier.computed(level)
    members = rows[cols < len(new)]
    return {
        "pathways": new.tolist(),
        "n_edges": len(members),
        "n_carried": hier.n_carried(level),
        "sizes": pack(np.bincount(cols, minlength=len(new))[: len(new)].astype(np.int32)),
        "members": pack(members),
        "carried": pack(rows[cols >= len(new)]),
        "descriptions": texts[new].tolist(),
    }


def _level_from_config(config: Mapping, below: Mask) -> Mask:
    names, n_rows = list(config["pathways"]), len(below.pathways)
    n_edges, n_carried = config["n_edges"], config["n_carried"]
    if not 0 <= n_edges <= n_rows * len(names) or not 0 <= n_carried <= n_rows:
        raise ValueError(f"{n_edges} edges and {n_carried} units carried over {n_rows} units")
    sizes = unpack(config["sizes"], np.int32, len(names))
    members = unpack(config["members"], np.int32, n_edges)
    carried = unpack(config["carried"], np.int32, n_carried)
    sizes = np.concatenate([sizes, np.ones(n_carried, np.int32)])
    starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    rows = np.concatenate([members, carried])
    matrix = checked_csc(np.ones(len(rows), np.float32), rows, starts, (n_rows, len(sizes)))
    texts = dict(zip(names, config["descriptions"], strict=True))
    texts |= below.descriptions.to_dict()
    pathways = [*names, *below.pathways[carried]]
    with quiet_when_dense():
        return Mask(matrix, below.pathways, pathways, descriptions=texts)


def _damaged(what: str, error: Exception) -> StorageError:
    return StorageError(
        f"a stored {what} is damaged: {error!r}",
        code="E-PACKED",
        hint="Restore the file from a copy.",
    )
