"""The bundled data: where each set comes from, its licence, and the functions that load it."""

from biomask.datasets.bundled import (
    load_dataset,
    load_gene_sets,
    load_hierarchy,
    load_relations,
)
from biomask.datasets.planted import toy

__all__ = ["load_dataset", "load_gene_sets", "load_hierarchy", "load_relations", "toy"]
