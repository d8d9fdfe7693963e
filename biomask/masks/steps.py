"""A hierarchy as a network reads it: every level from the units that it needs, and no others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from biomask.masks.hierarchy import Hierarchy
from biomask.masks.levels import quiet_when_dense
from biomask.masks.mask import Mask


class Level(NamedTuple):
    """One level of a hierarchy.

    Attributes
    ----------
    mask : Mask
        What is read x the units that are computed here.
    sources : dict of int to list of int
        Where what is read comes from, in the order of the rows of `mask`: for each level below,
        from the lowest, the positions among the units that it computes. Empty for the genes.
    """

    mask: Mask
    sources: dict[int, list[int]]


def levels_of(mask: Mask | Hierarchy) -> list[Level]:
    """The levels, from the genes upwards; a mask has one.

    A unit whose parent stands several levels above is read there from where it was computed:
    carrying it from level to level would copy it each time.
    """
    if not isinstance(mask, Hierarchy):
        return [Level(mask, {})]
    place = places(mask)
    parts = [Level(mask[0], {})]
    for i in range(1, len(mask)):
        own = mask.computed(i)
        rows, cols = mask[i].edge_index
        read = sorted(mask[i].genes[np.unique(rows[cols < len(own)])], key=place.get)
        with quiet_when_dense():  # two units may read the same two
            parts.append(Level(mask[i].select(read, own), grouped(map(place.get, read))))
    return parts


def places(mask: Hierarchy) -> dict[str, tuple[int, int]]:
    """Level and position of every unit."""
    pairs = ((i, mask.computed(i)) for i in range(len(mask)))
    return {name: (i, k) for i, names in pairs for k, name in enumerate(names)}


def grouped(places: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    sources: dict[int, list[int]] = {}
    for level, position in places:
        sources.setdefault(level, []).append(position)
    return sources


def unit_positions(mask: Mask | Hierarchy) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Source, target and level of every edge, in the order of the levels' edges.

    Sources are positions of genes at level 0 and of units above; targets are positions of units,
    among all units in the order of `mask.pathways`.
    """
    index, parts = mask.pathways, []
    for i, (part, _) in enumerate(levels_of(mask)):
        rows, cols = part.edge_index
        sources = rows if i == 0 else index.get_indexer(part.genes)[rows]
        parts.append((sources, index.get_indexer(part.pathways)[cols], np.full(len(rows), i)))
    sources, targets, level = (np.concatenate(ends) for ends in zip(*parts, strict=True))
    return sources, targets, level


def sorted_hierarchy(hier: Hierarchy) -> Hierarchy:
    """The same hierarchy with its genes, and the units of every level, in the order of names."""
    rows, masks = sorted(hier.genes), []
    for i, mask in enumerate(hier):
        new = sorted(hier.computed(i))
        with quiet_when_dense():
            carried = sorted(mask.pathways.difference(new))
            masks.append(mask.select(rows, [*new, *carried]))
        rows = list(masks[-1].pathways)
    return Hierarchy(masks)
