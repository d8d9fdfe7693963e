"""The units, the levels and the edges of a hierarchy, as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from biomask.masks.levels import OWN, RESIDUAL
from biomask.masks.mask import Mask

if TYPE_CHECKING:
    from biomask.masks.hierarchy import Hierarchy


def reach(masks: Sequence[Mask], carried: Sequence[int]) -> sparse.csc_array:
    """Genes x units in the order of computation, 1 where a path leads from one to the other."""
    below = masks[0].to_scipy()
    pieces = [below]
    for mask, n in zip(masks[1:], carried[1:], strict=True):
        below = sparse.csc_array(below @ mask.to_scipy())
        below.data[:] = 1
        pieces.append(below[:, : mask.shape[1] - n])
    return sparse.csc_array(sparse.hstack(pieces))


def unit_table(hier: Hierarchy) -> pd.DataFrame:
    """One row a unit; see `Hierarchy.table`."""
    names, edges = hier.pathways, hier.relations
    level = np.repeat(np.arange(len(hier)), hier.levels["units"])
    parents: dict[str, list[str]] = {name: [] for name in names}
    for child, parent in zip(edges["child"], edges["parent"], strict=True):
        parents[child].append(parent)
    depth = dict(zip(names, (len(hier) - level).tolist(), strict=True))  # right for level >= 1
    for name in names[level == 0]:
        depth[name] = 1 + max((depth[parent] for parent in parents[name]), default=0)
    return pd.DataFrame(
        {
            "level": level,
            "depth": list(depth.values()),
            "genes": hier.sizes().to_numpy(),
            "n_children": edges["parent"].value_counts().reindex(names, fill_value=0).to_numpy(),
            "n_parents": [len(above) for above in parents.values()],
            "parents": ["; ".join(above) for above in parents.values()],
            "kind": [_kind(name, i) for name, i in zip(names, level, strict=True)],
        },
        index=names,
    )


def level_table(hier: Hierarchy) -> pd.DataFrame:
    """One row a mask; see `Hierarchy.levels`."""
    carried = [hier.n_carried(i) for i in range(len(hier))]
    return pd.DataFrame(
        {
            "inputs": [mask.shape[0] for mask in hier],
            "units": [mask.shape[1] - n for mask, n in zip(hier, carried, strict=True)],
            "carried": carried,
            "edges": [mask.n_edges - n for mask, n in zip(hier, carried, strict=True)],
        },
        index=pd.RangeIndex(len(hier), name="level"),
    )


def edge_table(hier: Hierarchy) -> pd.DataFrame:
    """One row an edge, without what is carried; see `Hierarchy.to_edges`."""
    pieces = []
    for level, mask in enumerate(hier):
        rows, cols = mask.edge_index
        new = cols < len(hier.computed(level))
        source, target = mask.genes[rows[new]], mask.pathways[cols[new]]
        pieces.append(pd.DataFrame({"level": level, "source": source, "target": target}))
    return pd.concat(pieces, ignore_index=True)


def _kind(name: str, level: int) -> str:
    if level:
        return "inner"
    if name == RESIDUAL:
        return "residual"
    return "own genes" if name.endswith(OWN) else "leaf"
