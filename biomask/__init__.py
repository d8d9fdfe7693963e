"""biomask: neural networks whose hidden units are pathways, and a test of what they say.

Every public name is listed here and imported on first use, so that ``import biomask`` costs
nothing and TensorFlow is loaded only by what needs it.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_HOME = {
    "biomask.errors": (
        "BiomaskError",
        "BiomaskWarning",
        "ReadError",
        "MaskError",
        "AlignmentError",
        "DataError",
        "ArgumentError",
        "ModelError",
        "StorageError",
    ),
    "biomask.masks.mask": ("Mask",),
    "biomask.masks.hierarchy": ("Hierarchy",),
    "biomask.masks.readers": (
        "read_gmt",
        "read_matrix",
        "read_edges",
        "read_varm",
        "read_hierarchy",
    ),
    "biomask.masks.writers": ("write_gmt", "write_edges"),
    "biomask.masks.alignment": ("align", "Aligned", "AlignmentReport"),
    "biomask.masks.modalities": ("split_modality",),
    "biomask.networks.layers": ("MaskedDense",),
    "biomask.networks.models": ("build_model",),
    "biomask.networks.extraction": ("take_replicate",),
    "biomask.networks.divergence": ("StopOnNaN",),
    "biomask.networks.strategies": ("MultiWorkerMirroredStrategy",),
    "biomask.networks.replicates": ("ReplicateEarlyStopping",),
    "biomask.networks.storage": ("save_model", "load_model"),
    "biomask.networks.reading": (
        "predict",
        "edge_weights",
        "pathway_activity",
        "gene_attributions",
        "pathway_attributions",
    ),
    "biomask.inference.simulate": ("simulate", "Simulation"),
    "biomask.inference.crossfit": ("crossfit",),
    "biomask.inference.stream": ("stream",),
    "biomask.inference.compare": ("compare_models",),
    "biomask.inference.study": ("Study", "load_study"),
    "biomask.views.figures": ("save_figure",),
    "biomask.views.spreadsheet": ("save_table",),
    "biomask.views.report": ("report",),
    "biomask.views.explorer": ("explore",),
    "biomask.datasets": (
        "load_dataset",
        "load_gene_sets",
        "load_relations",
        "load_hierarchy",
        "toy",
    ),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
# Rooms one may reach by name, such as ``bm.plots.plot_mask_sizes``.
_ROOMS = {"plots": "biomask.views.plots"}

__all__ = [*_MODULE_OF, *_ROOMS, "__version__"]


def __getattr__(name: str):
    if name in _ROOMS:
        value = importlib.import_module(_ROOMS[name])
    elif name in _MODULE_OF:
        value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    else:
        raise AttributeError(f"module 'biomask' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
