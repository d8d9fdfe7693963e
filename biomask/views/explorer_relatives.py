"""The place of a pathway in a hierarchy, read from the columns of a study's table."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd


def parents_of(table: pd.DataFrame) -> dict[str, list[str]]:
    """Each pathway that has parents in the table, with their names.

    Parameters
    ----------
    table : DataFrame, indexed by pathway
        The column ``parents`` holds names, or lists of names, or several names joined by ``"; "``;
        names that are not in the table (the root) are passed over. Without the column: empty.
    """
    if "parents" not in table:
        return {}
    known = set(table.index)
    found = {name: _names(cell, known) for name, cell in table["parents"].items()}
    return {name: parents for name, parents in found.items() if parents}


def children_of(parents: dict[str, list[str]], name: str) -> list[str]:
    """The pathways that have `name` as a parent."""
    return [child for child, found in parents.items() if name in found]


def _names(cell: object, known: set[str]) -> list[str]:
    if isinstance(cell, str):
        parts = [cell] if cell in known else cell.split("; ")
    else:
        parts = list(cell) if isinstance(cell, Iterable) else []
    return [str(part) for part in parts if part in known]
