"""How a mask shows itself in a notebook."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from biomask.masks.hierarchy import Hierarchy
    from biomask.masks.mask import Mask

ROWS = 5  # pathways shown
GENES = 6  # genes shown of each


def mask_html(mask: Mask) -> str:
    """Shape, edges, density, the spread of the sizes, and the first few pathways."""
    sizes = mask.sizes()
    edges = mask.to_edges()
    first = edges.groupby("pathway", sort=False)["gene"].agg(lambda genes: ", ".join(genes[:GENES]))
    shown = pd.DataFrame({"genes": sizes, "first genes": first.reindex(sizes.index).fillna("")})
    spread = f"pathway sizes {sizes.min()} to {sizes.max()}, median {sizes.median():g}"
    return (
        f"<p><b>{html.escape(repr(mask))}</b><br>{spread}</p>"
        f"{shown.head(ROWS).to_html(escape=True)}"
    )


def hierarchy_html(hier: Hierarchy) -> str:
    """What each mask holds, and the first few roots."""
    roots = hier.table.loc[hier.roots[:ROWS], ["depth", "genes", "n_children", "kind"]]
    return (
        f"<p><b>{html.escape(repr(hier))}</b></p>{hier.levels.to_html(escape=True)}"
        f"<p>The first roots</p>{roots.to_html(escape=True)}"
    )
