"""Loaders of the bundled data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from biomask.datasets.catalogue import DATASETS, GENE_SETS, RELATIONS, Source
from biomask.errors import ArgumentError, listed

if TYPE_CHECKING:
    from anndata import AnnData

    from biomask.masks.hierarchy import Hierarchy
    from biomask.masks.mask import Mask

_FLU_CONDITIONS = {"asx": "asymptomatic", "sx": "symptomatic"}


def load_dataset(name: str) -> AnnData:
    """A bundled data set, samples x genes. Everything needed is inside the package.

    ``"kang"``
        2,080 blood cells (PBMCs) x 9,428 genes, single-cell RNA sequencing.

        - ``X``: raw UMI counts, float32 CSR. Normalise before training.
        - ``obs``: ``condition`` (``control`` or ``stimulated`` with IFN-beta, 1,040 each) and
          ``cell_type`` (8 types), both categorical; 130 cells of each type and condition.
        - There is no donor column: cells of one stimulation are not independent samples.
        - Kang et al. 2018, GEO GSE96583. GEO places no restriction on use; cite the paper.

    ``"flu"``
        252 blood samples x 4,147 genes of 17 people infected with influenza A on purpose,
        each sampled up to 15 times.

        - ``X``: log2 intensity of a microarray, dense float32.
        - ``obs``: ``subject`` (17), ``hours`` (since the inoculation), ``condition``
          (``asymptomatic`` or ``symptomatic``, a property of the subject), ``gender``.
        - Samples of one subject are not independent: split and permute by ``subject``.
        - Huang et al. 2011, GEO GSE30550. GEO places no restriction on use; cite the paper.

    ``"myoblasts"``
        271 human muscle precursors x 3,100 genes, single-cell RNA sequencing, at four times after
        they were made to form muscle fibres.

        - ``X``: FPKM, dense float32; stored as ``log2(FPKM + 1)`` in steps of 1/16. Log them before
          training.
        - ``var``: the index are Ensembl ids with versions; ``gene_short_name`` are the symbols, six
          of which have two ids. Only genes of Hallmark are here.
        - ``obs``: ``hours`` (0, 24, 48 or 72) and ``medium`` (``growth`` at 0, else
          ``differentiation``). The cells of a time were captured together: time and batch are one.
        - Trapnell et al. 2014, GEO GSE52529. GEO places no restriction on use; cite the paper.

    Parameters
    ----------
    name : str
        ``"kang"``, ``"flu"`` or ``"myoblasts"``.

    Returns
    -------
    AnnData
        A fresh copy; ``uns`` has ``name``, ``origin``, ``licence`` and ``citation``.

    Raises
    ------
    ArgumentError
        There is no such data set; the text lists those there are.
    """
    source = _chosen(name, DATASETS, "data set")
    with np.load(source.path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    adata = {"kang": _kang, "flu": _flu, "myoblasts": _myoblasts}[name](arrays)
    adata.uns.update(
        name=name, origin=source.origin, licence=source.licence, citation=source.citation
    )
    return adata


def load_gene_sets(name: str) -> Mask:
    """A bundled collection of human gene sets as a mask of gene symbols.

    ``"reactome"``
        2,681 pathways, 11,613 genes, as downloaded: names contain spaces, 249 sets have the same
        genes as an earlier one (see `Mask.merge_identical`), and 137 ids are not upper-case
        symbols. ``descriptions`` are the R-HSA ids. Reactome annotation files, CC0; cite Milacic
        et al. 2024.
    ``"hallmark"``
        The 50 Hallmark sets of MSigDB 2023.1. ``descriptions`` are their web pages. CC BY 4.0;
        cite Liberzon et al. 2015.

    Parameters
    ----------
    name : str
        ``"reactome"`` or ``"hallmark"``.

    Raises
    ------
    ArgumentError
        There is no such collection; the text lists those there are.
    """
    from biomask.masks.readers import read_gmt

    return read_gmt(_chosen(name, GENE_SETS, "gene-set collection").path)


def load_relations(name: str) -> pd.DataFrame:
    """Which pathway is part of which: the relations of a bundled collection.

    ``"reactome"``
        2,769 relations among 2,751 human pathways, 29 of them roots; 36 pathways have more than
        one parent. The ids are those in ``load_gene_sets("reactome").descriptions``. Names are
        not unique (2,734), ids are. Reactome of January 2025, CC0; cite Milacic et al. 2024.

    Parameters
    ----------
    name : str
        ``"reactome"``.

    Returns
    -------
    DataFrame
        One row a relation: ``parent`` and ``child`` (R-HSA ids), ``parent_name`` and
        ``child_name``; all text. Sorted by parent, then child.

    Raises
    ------
    ArgumentError
        There is no such collection; the text lists those there are.
    """
    source = _chosen(name, RELATIONS, "collection with relations")
    table = pd.read_csv(source.path, sep="\t", dtype=str, keep_default_na=False, quoting=3)
    return table.rename(columns={"parent_id": "parent", "child_id": "child"})


def load_hierarchy(
    name: str, *, min_genes: int = 1, max_depth: int | None = None, residual: bool = False
) -> Hierarchy:
    """A bundled collection of gene sets and its relations as one hierarchy.

    ``"reactome"``
        ``load_gene_sets("reactome")`` by ``load_relations("reactome")``: 2,681 pathways and 269
        units of own genes in 12 levels. The relations are of another release than the gene sets:
        72 of their pathways have no gene set, and are listed in `Hierarchy.report`.

    Parameters
    ----------
    name : str
        ``"reactome"``.
    min_genes, max_depth, residual
        As in `read_hierarchy`.

    Raises
    ------
    ArgumentError
        There is no such collection; the text lists those there are.
    """
    from biomask.masks.readers import read_hierarchy

    _chosen(name, RELATIONS, "hierarchy")
    return read_hierarchy(
        load_gene_sets(name),
        load_relations(name),
        min_genes=min_genes,
        max_depth=max_depth,
        residual=residual,
    )


def _chosen(name: str, catalogue: Mapping[str, Source], kind: str) -> Source:
    if isinstance(name, str) and name in catalogue:
        return catalogue[name]
    raise ArgumentError(
        f"there is no bundled {kind} {name!r}",
        code="E-DATASET",
        hint=f"Choose one of: {listed(catalogue)}.",
    )


def _kang(arrays: dict[str, np.ndarray]) -> AnnData:
    from anndata import AnnData

    counts = sparse.csr_matrix(
        (
            arrays["data"].astype(np.float32),
            arrays["indices"].astype(np.int32),
            arrays["indptr"],
        ),
        shape=tuple(arrays["shape"]),
    )
    labels = {key: pd.Categorical(arrays[key]) for key in ("condition", "cell_type")}
    return AnnData(
        X=counts,
        obs=pd.DataFrame(labels, index=arrays["cells"]),
        var=pd.DataFrame(index=arrays["genes"]),
    )


def _flu(arrays: dict[str, np.ndarray]) -> AnnData:
    from anndata import AnnData

    conditions = [_FLU_CONDITIONS[code] for code in arrays["condition"]]
    obs = pd.DataFrame(
        {
            "subject": pd.Categorical(arrays["subject"]),
            "hours": arrays["hours"],
            "condition": pd.Categorical(conditions),
            "gender": pd.Categorical(arrays["gender"]),
        },
        index=arrays["samples"],
    )
    return AnnData(
        X=arrays["X"].astype(np.float32), obs=obs, var=pd.DataFrame(index=arrays["genes"])
    )


def _myoblasts(arrays: dict[str, np.ndarray]) -> AnnData:
    from anndata import AnnData

    hours = arrays["hours"].astype(np.int64)
    medium = pd.Categorical(np.where(hours == 0, "growth", "differentiation"))
    return AnnData(
        X=np.exp2(arrays["sixteenths"].astype(np.float32) / 16) - 1,
        obs=pd.DataFrame({"hours": hours, "medium": medium}, index=arrays["cells"]),
        var=pd.DataFrame({"gene_short_name": arrays["symbols"]}, index=arrays["genes"]),
    )
