"""Files and tables of which pathway is part of which, and the pathways that their ids mean."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from biomask.errors import ArgumentError, BiomaskError, ReadError, listed, raise_together
from biomask.masks.checks import is_name
from biomask.masks.mask import Mask
from biomask.masks.matrices import as_pandas
from biomask.masks.notes import Note
from biomask.masks.tables import Row, Table
from biomask.masks.text import read_text

_HEADERS = (("child", "parent"), ("child_id", "parent_id"))
_UNCLEAR = ({"source", "target"}, {"from", "to"})  # headers that do not say which is the parent
_OBO = ("format-version:", "[Term]")  # one of them is in the first lines of an OBO file
_FIRST = 2000  # characters of a file that tell what it is


class Relation(NamedTuple):
    """One row of a file or a frame."""

    line: int | None
    child: object
    parent: object


def read_relations(
    relations: str | Path | pd.DataFrame, *, part_of: bool = False, encoding: str = "utf-8"
) -> list[Relation]:
    """The relations of a file or a frame, as `read_hierarchy` describes them; ids are not matched.

    Raises
    ------
    ReadError
        With all problems together: columns that do not say which is the child (E-COLUMN), a row
        of the wrong length (E-RAGGED), an id that is empty or no text (E-NAME), a pathway that is
        its own parent (E-SELF-LOOP); or an OBO file that cannot be parsed (E-OBO).
    ArgumentError
        The file is OBO and the package obonet is missing (E-OBONET), or `part_of` was asked of
        another kind of file.
    """
    relations = as_pandas(relations, "the table of relations")
    where = "DataFrame" if isinstance(relations, pd.DataFrame) else relations
    if isinstance(relations, pd.DataFrame):
        rows: Iterable[Relation | BiomaskError] = _frame_rows(relations)
        obo = False
    else:
        text = read_text(relations, kind="relations", encoding=encoding)
        obo = text.lstrip()[:_FIRST].startswith(_OBO) or "\n[Term]\n" in text[:_FIRST]
        rows = _obo_rows(text, relations, part_of) if obo else _text_rows(text, relations)
    if part_of and not obo:
        raise ArgumentError(
            "part_of=True is for OBO files, and the relations are none",
            code="E-ARGUMENT",
            hint="Leave it out.",
        )
    found = list(rows)
    problems = [p for row in found for p in _problems(row, where)]
    raise_together(problems)
    if not found:
        raise ReadError(
            "there is no relation in it",
            code="E-EMPTY",
            file=where,
            hint="Without relations there is no hierarchy: bm.read_gmt reads gene sets alone.",
        )
    return [Relation(row.line, str(row.child), str(row.parent)) for row in found]


def named(
    relations: Sequence[Relation], sets: Mask, where: str | Path
) -> tuple[pd.DataFrame, list[Note]]:
    """Relations by the names of the gene sets, and what to note about the ids.

    Parameters
    ----------
    relations : sequence of Relation
    sets : Mask
        An id that is the name of a gene set means that one, else the one with this description.
        What is neither stays as it is.
    where : path
        The file, for messages.

    Raises
    ------
    ReadError
        An id is the description of several gene sets (E-RELATION-AMBIGUOUS), or none of the ids
        is known (E-HIERARCHY-UNKNOWN).
    """
    by_text = pd.Series(sets.pathways, index=sets.descriptions.to_numpy(), dtype=object)
    several = by_text.index[by_text.index.duplicated()].unique()
    ids = pd.unique(np.array([i for row in relations for i in row[1:]], dtype=object))
    known = dict.fromkeys(sets.pathways)
    unclear = [i for i in ids if i in several and i not in known]
    if unclear:
        raise ReadError(
            f"{len(unclear)} ids are the descriptions of several gene sets each",
            code="E-RELATION-AMBIGUOUS",
            file=where,
            genes=unclear,
            hint="Name the pathways in the relations, or give each gene set an id of its own.",
        )
    meaning = by_text[~by_text.index.isin(several)].to_dict()
    meaning |= {name: name for name in known}
    if not any(i in meaning for i in ids):
        texts = [text for text in sets.descriptions if text]
        raise ReadError(
            f"none of the {len(ids)} pathways of the relations, such as {listed(ids, 3)}, is among "
            f"the gene sets: their names are like {listed(sets.pathways, 2)}"
            + (f" and their descriptions like {listed(texts, 2)}" if texts else ""),
            code="E-HIERARCHY-UNKNOWN",
            file=where,
            hint="Ids must be the names or the descriptions (second column) of the gene sets.",
        )
    frame = pd.DataFrame(
        {
            "child": [meaning.get(row.child, row.child) for row in relations],
            "parent": [meaning.get(row.parent, row.parent) for row in relations],
        },
        dtype=object,
    )
    matched = sum(i in meaning for i in ids)
    detail = f"{matched} of {len(ids)} pathways in {len(relations)} relations have a gene set"
    return frame, [Note("read relations", str(where), detail)]


# ------------------------------------------------------------------------ tables


def _frame_rows(frame: pd.DataFrame) -> Iterator[Relation]:
    header = [str(name) for name in frame.columns]
    places = _columns(header, "DataFrame", None)
    if places is None:
        raise _no_columns(header, "DataFrame", None)
    children, parents = (frame.iloc[:, i].tolist() for i in places)
    return map(Relation, range(1, len(frame) + 1), children, parents)


def _text_rows(text: str, path: str | Path) -> Iterator[Relation | BiomaskError]:
    table = Table(text, path)
    rows: Iterator[Row] = iter(table)
    first = table.header
    places = _columns(first.cells, path, first.line)
    if places is None:  # as Reactome writes it: parent, child, and no header
        names = {cell.strip().casefold() for cell in first.cells}
        if len(first.cells) != 2 or names in _UNCLEAR:
            raise _no_columns(first.cells, path, first.line)
        places, rows = (1, 0), itertools.chain([first], rows)
    for line, cells in rows:
        if len(cells) != len(first.cells):
            yield ReadError(
                f"{len(cells)} fields, expected {len(first.cells)} as in the first row",
                code="E-RAGGED",
                file=path,
                line=line,
                hint="Give every row the same fields.",
            )
        else:
            yield Relation(line, cells[places[0]].strip(), cells[places[1]].strip())


def _columns(header: Sequence[str], path: str | Path, line: int | None) -> tuple[int, int] | None:
    """Where the child and the parent stand; None if the header does not say so."""
    names = [name.strip().casefold() for name in header]
    for pair in _HEADERS:
        if not set(pair) <= set(names):
            continue
        for name in pair:
            if names.count(name) > 1:
                raise ReadError(
                    f"column {name!r} occurs {names.count(name)} times",
                    code="E-COLUMN",
                    file=path,
                    line=line,
                    column=name,
                    hint="Every column must have a name of its own.",
                )
        return names.index(pair[0]), names.index(pair[1])
    return None


def _no_columns(header: Sequence[str], path: str | Path, line: int | None) -> ReadError:
    return ReadError(
        f"the columns must be child and parent; found {list(header)}",
        code="E-COLUMN",
        file=path,
        line=line,
        hint="Rename the columns; a file without a header has two, parent first, as Reactome's.",
    )


def _problems(row: Relation | BiomaskError, where: str | Path) -> list[BiomaskError]:
    if isinstance(row, BiomaskError):
        return [row]
    problems = [
        ReadError(
            f"the {kind} is {name!r}, not a name",
            code="E-NAME",
            file=where,
            line=row.line,
            hint="Fill it in, or drop the row; a root needs none.",
        )
        for kind, name in (("child", row.child), ("parent", row.parent))
        if not is_name(name)
    ]
    if not problems and row.child == row.parent:
        problems.append(
            ReadError(
                f"{row.child!r} is its own parent",
                code="E-SELF-LOOP",
                file=where,
                line=row.line,
                genes=[row.child],
                hint="Remove the row.",
            )
        )
    return problems


# ------------------------------------------------------------------------ OBO


def _obo_rows(text: str, path: str | Path, part_of: bool) -> Iterator[Relation]:
    try:
        import obonet  # optional: only such files need it, and networkx
    except ImportError as error:
        raise ArgumentError(
            f"{path} is an OBO file, and the package obonet that reads them is not installed",
            code="E-OBONET",
            hint="Run: pip install obonet.",
        ) from error
    try:
        graph = obonet.read_obo(io.StringIO(text))
    except Exception as error:  # obonet checks little: a damaged file fails anywhere in it
        raise ReadError(
            f"the OBO file is damaged: {error}",
            code="E-OBO",
            file=path,
            hint="Download it again.",
        ) from error
    wanted = {"is_a", "part_of"} if part_of else {"is_a"}
    for child, parent, kind in graph.edges(keys=True):
        if kind in wanted:
            yield Relation(None, child, parent)
