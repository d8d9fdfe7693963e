"""The paths gene -> pathway -> parent -> outcome that a study's held-out effects speak for."""

from __future__ import annotations

import heapq
from itertools import count
from typing import NamedTuple

import numpy as np
import pandas as pd

from biomask.errors import ArgumentError
from biomask.inference.study import Study
from biomask.masks.hierarchy import Hierarchy
from biomask.views.tables import at_least_one

GENE, PATHWAY, OUTCOME = "gene", "pathway", "outcome"
COLUMNS = ["source_kind", "source", "target_kind", "target", "effect"]


class Node(NamedTuple):
    """A gene and a pathway may have the same name, so the kind belongs to it."""

    kind: str
    name: str


END = Node(OUTCOME, "outcome")
Link = tuple[Node, Node, float]


def path_links(study: Study, *, n_paths: int = 20) -> pd.DataFrame:
    """The links of the strongest paths from a gene to the outcome.

    A path is as strong as its weakest link: what passes through it passes through every link.
    Equal paths, which share that link, are ranked by their first. A link into a pathway has the
    effect of the edge in ``study.edges``, which holds the edges into selected pathways. The link
    to the outcome has the effect of the pathway in ``study.pathways``. It leaves every pathway
    that the head reads (with ``outputs="top"`` the roots), and those without a selected parent,
    above which nothing was measured. A link without a positive effect is on no path.

    Parameters
    ----------
    study : Study
        Of a mask or a hierarchy.
    n_paths : int
        How many paths at most. They share links, which are listed once.

    Returns
    -------
    DataFrame
        A row each link: ``source_kind`` ("gene" or "pathway"), ``source``, ``target_kind``
        ("pathway" or "outcome"), ``target``, ``effect``; the links of the strongest path first.
        ``attrs["paths"]`` is the number of paths.

    Raises
    ------
    ArgumentError
        `study` is none (E-PATHS-STUDY), or no path leads from a gene to the outcome
        (E-PATHS-NONE).
    """
    if not isinstance(study, Study):
        raise ArgumentError(
            f"paths need a Study, received {type(study).__name__}",
            code="E-PATHS-STUDY",
            hint="crossfit makes one, load_study reads one from its file.",
        )
    at_least_one(n_paths, "path_links")
    paths = _strongest(_links_from(study), n_paths)
    if not paths:
        selected = int(study.pathways["selected"].sum())
        raise ArgumentError(
            f"no path from a gene to the outcome has positive effects on all its links; "
            f"{selected} of {len(study.pathways)} pathways are selected",
            code="E-PATHS-NONE",
            hint="Edges are measured inside selected pathways: see study.pathways and study.edges.",
        )
    links = dict.fromkeys(link for path in paths for link in path)
    table = pd.DataFrame([(*one, *other, effect) for one, other, effect in links], columns=COLUMNS)
    table.attrs["paths"] = len(paths)
    return table


def steps_to(links: pd.DataFrame) -> dict[Node, int]:
    """The column of every node: the most links on a way to it from a gene, the outcome last.

    Parameters
    ----------
    links : DataFrame
        As `path_links` gives it.
    """
    pairs = [(Node(*link[:2]), Node(*link[2:4])) for link in links.itertuples(index=False)]
    column = dict.fromkeys([node for pair in pairs for node in pair], 0)
    for _ in column:  # the longest way has fewer links than there are nodes
        moved = False
        for source, target in pairs:
            if column[target] <= column[source]:
                column[target], moved = column[source] + 1, True
        if not moved:
            break
    return column


def pathway_effects(study: Study, nodes: list[Node]) -> np.ndarray:
    """The effect of every pathway among the nodes, NaN for the others."""
    effects = study.pathways["effect"]
    return np.array([effects[n.name] if n.kind == PATHWAY else np.nan for n in nodes])


def _links_from(study: Study) -> dict[Node, list[Link]]:
    """The links with a positive effect that leave each node."""
    leaving: dict[Node, list[Link]] = {}
    edges, effects = study.edges, study.pathways["effect"]
    level = edges["level"] if "level" in edges else pd.Series(0, index=edges.index)
    for name, target, effect, i in zip(
        edges["gene"], edges["pathway"], edges["effect"], level, strict=True
    ):
        source = Node(PATHWAY if i else GENE, name)
        leaving.setdefault(source, []).append((source, Node(PATHWAY, target), effect))
    only_roots = study.settings.get("outputs") == "top" and isinstance(study.mask, Hierarchy)
    roots = set(study.mask.roots) if only_roots else set()
    for name in dict.fromkeys(edges["pathway"]):
        node = Node(PATHWAY, name)
        if not only_roots or name in roots or node not in leaving:
            leaving.setdefault(node, []).append((node, END, effects[name]))
    return {node: [link for link in links if link[2] > 0] for node, links in leaving.items()}


def _strongest(leaving: dict[Node, list[Link]], n: int) -> list[tuple[Link, ...]]:
    """The n best paths, by best-first search: no path is stronger than its beginning."""
    number = count()
    waiting = [
        (-link[2], -link[2], next(number), (link,))
        for node, links in leaving.items()
        if node.kind == GENE
        for link in links
    ]
    heapq.heapify(waiting)
    found: list[tuple[Link, ...]] = []
    while waiting and len(found) < n:
        weakest, first, _, path = heapq.heappop(waiting)
        if path[-1][1] == END:
            found.append(path)
            continue
        for link in leaving.get(path[-1][1], []):
            longer = (max(weakest, -link[2]), first, next(number), (*path, link))
            heapq.heappush(waiting, longer)
    return found
