"""What there is to know about one pathway: its genes, its neighbours, its samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from biomask.errors import ArgumentError
from biomask.inference.study import Study
from biomask.views.explorer_relatives import children_of
from biomask.views.explorer_source import Source

NEIGHBOURS = 6
LEVELS = 20  # groups that a picture has room for
CLASS = "class"


class Details(NamedTuple):
    """One pathway.

    Attributes
    ----------
    name, description : str
    genes : DataFrame
        ``gene``, ``pathways`` (how many have it) and, where the edges were tested, ``effect``,
        ``p``, ``q``, ``sign``, ``sign_agreement``; the largest effect first.
    tested : bool
        Whether the genes have effects.
    neighbours : DataFrame, indexed by pathway
        ``shared`` genes, ``jaccard``, ``separable``; those that share most.
    inseparable : list of str
        Pathways with nearly the same genes.
    parents, children : list of str
    """

    name: str
    description: str
    genes: pd.DataFrame
    tested: bool
    neighbours: pd.DataFrame
    inseparable: list[str]
    parents: list[str]
    children: list[str]


def details(source: Source, name: str) -> Details:
    """Everything about the pathway `name`."""
    genes = _genes(source, name)
    alike = _inseparable(source, name)
    return Details(
        name,
        source.descriptions[name],
        genes,
        "effect" in genes,
        _neighbours(source, name, alike),
        alike,
        source.parents.get(name, []),
        children_of(source.parents, name),
    )


def _genes(source: Source, name: str) -> pd.DataFrame:
    column = source.members[:, [source.table.index.get_loc(name)]]
    own = source.genes[np.sort(column.indices)]
    degrees = pd.Series(np.asarray(source.members.sum(axis=1)).ravel().astype(int), source.genes)
    table = pd.DataFrame({"gene": own, "pathways": degrees[own].to_numpy()})
    if source.study is None:
        return table.sort_values("pathways", kind="stable", ignore_index=True)
    edges = source.study.edges
    edges = edges[edges["pathway"] == name].drop(columns="pathway")
    if edges.empty:
        return table
    # outer: above the first level of a hierarchy an edge may come from a pathway
    table = edges.merge(table, on="gene", how="outer")
    return table.sort_values("effect", ascending=False, kind="stable", ignore_index=True)


def _neighbours(source: Source, name: str, alike: list[str]) -> pd.DataFrame:
    place = source.table.index.get_loc(name)
    shared = np.asarray((source.members.T @ source.members[:, [place]]).todense()).ravel()
    sizes = np.diff(source.members.indptr)
    union = sizes + sizes[place] - shared
    index = np.divide(shared, union, out=np.zeros(len(sizes)), where=union > 0)
    table = pd.DataFrame(
        {"shared": shared.astype(int), "jaccard": index, "separable": True}, source.table.index
    )
    table.loc[alike, "separable"] = False
    table = table[table["shared"] > 0].drop(index=name, errors="ignore")
    return table.sort_values("jaccard", ascending=False, kind="stable").head(NEIGHBOURS)


def _inseparable(source: Source, name: str) -> list[str]:
    if "not_separable" not in source.table or pd.isna(source.table.loc[name, "not_separable"]):
        return []
    group = source.table["not_separable"] == source.table.loc[name, "not_separable"]
    return [other for other in source.table.index[group.fillna(False)] if other != name]


# ------------------------------------------------------------------------ samples


def groupings(study: Study, groups: pd.Series | pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    """Ways to group the held-out samples, the most telling first.

    Parameters
    ----------
    study : Study
    groups : Series or DataFrame, indexed by sample, optional
        Such as the cell type. Samples are matched by name; samples of no pathway activity are
        passed over.

    Returns
    -------
    dict
        Title to a table of one or two columns, indexed like ``study.activity``. The classes are
        among them where the study has classes.

    Raises
    ------
    ArgumentError
        `groups` is no table, names a sample twice, misses one, or has missing values.
    """
    found = {}
    classes = study.predictions["y"] if study.settings["classes"] else None
    given = _groups(study, groups)
    for column in given:
        if classes is not None:
            both = {column: given[column], CLASS: classes.astype(str)}
            found[f"{column} and class"] = pd.DataFrame(both)
        found[column] = given[[column]]
    if classes is not None:
        found[CLASS] = classes.astype(str).rename(CLASS).to_frame()
    return {title: _most_frequent(table) for title, table in found.items()}


def _groups(study: Study, groups: pd.Series | pd.DataFrame | None) -> pd.DataFrame:
    samples = study.activity.index
    if groups is None:
        return pd.DataFrame(index=samples)
    if not isinstance(groups, pd.Series | pd.DataFrame):
        raise ArgumentError(
            f"groups must be a Series or DataFrame indexed by sample. Received: "
            f"{type(groups).__name__}",
            code="E-GROUPS",
            hint="Such as adata.obs['cell_type'].",
        )
    table = groups.to_frame(groups.name or "group") if isinstance(groups, pd.Series) else groups
    repeated = table.index[table.index.duplicated()].unique()
    absent = samples.difference(table.index)
    for wrong, what in ((repeated, "names samples twice"), (absent, "lacks samples of the study")):
        if len(wrong):
            raise ArgumentError(
                f"groups {what}",
                code="E-GROUPS",
                genes=wrong,
                hint="Its index must have every sample of study.activity once.",
            )
    table = table.loc[samples].rename(columns=str)
    for column in table:
        if table[column].isna().any():
            raise ArgumentError(
                "groups has no value for some samples",
                code="E-GROUPS",
                column=column,
                genes=samples[table[column].isna()],
                hint="Give them a group of their own, such as 'unknown'.",
            )
    return table


def _most_frequent(table: pd.DataFrame) -> pd.DataFrame:
    """Only the samples of the largest groups, where there are too many to draw."""
    first = table.iloc[:, 0]
    if first.nunique() <= LEVELS:
        return table
    return table[first.isin(first.value_counts().index[:LEVELS])]
