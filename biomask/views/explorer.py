"""explore: look around in a study, or in a mask before anything is trained."""

from __future__ import annotations

import pandas as pd

from biomask.errors import ArgumentError
from biomask.inference.study import Study
from biomask.masks.alignment import Aligned
from biomask.masks.hierarchy import Hierarchy
from biomask.masks.mask import Mask
from biomask.views.explorer_details import groupings
from biomask.views.explorer_source import aligned_source, mask_source, study_source
from biomask.views.explorer_widgets import Explorer


def explore(
    source: Study | Mask | Hierarchy | Aligned, *, groups: pd.Series | pd.DataFrame | None = None
) -> Explorer:
    """Widgets to look around in a study or a mask; the last line of a notebook cell shows them.

    A table of pathways that is searched by name and by gene, filtered by a limit and sorted by
    its headings; one page at a time, so that thousands are no burden. Choosing a pathway shows its
    genes, its activity on held-out samples, its effect beside those of permuted labels, the
    pathways it shares genes with and, of a hierarchy, its parents and children. The seed slider
    shows the effects and ranks of one seed alone, which tells how much the order is worth;
    the p-values stay those of the whole study. Table and pictures are saved as files.

    Of a mask: sizes, overlap and, where `bm.align` brought it together with data, coverage.

    Everything is reached by the keyboard, and follows JupyterLab's light or dark theme.
    TensorFlow is not needed.

    Parameters
    ----------
    source : Study, Mask, Hierarchy or Aligned
    groups : Series or DataFrame, indexed by sample, optional
        Of a study: what else to group the activity by, such as the cell type. Samples are matched
        by name.

    Returns
    -------
    Explorer
        A widget. Its `shown` is the table as filtered and sorted, its `chosen` the pathway;
        `choose` picks one.

    Raises
    ------
    ArgumentError
        `source` is none of these, or `groups` does not fit the samples of the study.
    """
    if isinstance(source, Study):
        return Explorer(study_source(source), groupings(source, groups))
    if not isinstance(source, Mask | Hierarchy | Aligned):
        raise ArgumentError(
            f"explore needs a Study, a Mask, a Hierarchy or what align returned. Received: "
            f"{type(source).__name__}",
            code="E-EXPLORE",
            hint="crossfit makes a study, load_study reads one from its file.",
        )
    if groups is not None:
        raise ArgumentError(
            "groups belong to the samples of a study; a mask has none", code="E-EXPLORE"
        )
    of = aligned_source if isinstance(source, Aligned) else mask_source
    return Explorer(of(source), {})
