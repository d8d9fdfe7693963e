"""All plots: each takes a table and, if given, the axes to draw into, and returns the axes.

They are drawn in the one style of `biomask.views.figures`, whatever the notebook has set.
"""

from biomask.views.figures import COLUMN, PAGE, PALETTE, panels, style, use_style
from biomask.views.paths import path_links
from biomask.views.plots_effects import (
    plot_effects,
    plot_null,
    plot_pvalue_qq,
    plot_stability,
)
from biomask.views.plots_interpretation import (
    plot_activity,
    plot_attributions,
    plot_edge_weights,
)
from biomask.views.plots_masks import (
    plot_coverage,
    plot_mask,
    plot_mask_overlap,
    plot_mask_sizes,
)
from biomask.views.plots_paths import plot_paths, sankey_paths
from biomask.views.plots_quality import plot_comparison, plot_power
from biomask.views.plots_ranking import plot_weight_by_size, plot_weight_rank_agreement
from biomask.views.plots_survival import plot_survival
from biomask.views.plots_training import (
    plot_calibration,
    plot_confusion,
    plot_learning_curves,
    plot_roc,
)

__all__ = [
    "COLUMN",
    "PAGE",
    "PALETTE",
    "panels",
    "path_links",
    "plot_activity",
    "plot_attributions",
    "plot_calibration",
    "plot_comparison",
    "plot_confusion",
    "plot_coverage",
    "plot_edge_weights",
    "plot_effects",
    "plot_learning_curves",
    "plot_mask",
    "plot_mask_overlap",
    "plot_mask_sizes",
    "plot_null",
    "plot_paths",
    "plot_power",
    "plot_pvalue_qq",
    "plot_roc",
    "plot_stability",
    "plot_survival",
    "plot_weight_by_size",
    "plot_weight_rank_agreement",
    "sankey_paths",
    "style",
    "use_style",
]
