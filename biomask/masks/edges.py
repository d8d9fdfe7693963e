"""Long tables: one connection a row."""

from __future__ import annotations

import numbers
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from biomask.errors import ArgumentError, BiomaskError, ReadError, raise_together
from biomask.masks.mask import Mask
from biomask.masks.notes import Note
from biomask.masks.tables import Table, cell_value
from biomask.masks.text import is_blank, read_text, reading

_DIRECTIONS = (("gene", "pathway"), ("target", "source"))  # (gene, pathway) columns, best first


class _Columns(NamedTuple):
    gene: int
    pathway: int
    weight: int | None


class _Record(NamedTuple):
    line: int
    gene: object
    pathway: object
    weight: object


def read_edges(
    path_or_frame: str | Path | pd.DataFrame,
    *,
    weighted: bool = True,
    on_self_loop: Literal["error", "keep"] = "error",
    encoding: str = "utf-8",
) -> Mask:
    """Read a mask from a long table, one connection a row.

    The names of the columns decide the direction: ``gene, pathway`` say it themselves;
    ``source, target`` are read as decoupler means them, so the source is the pathway and the
    target is the gene. ``gene, pathway`` win where all four are there. Upper or lower case does
    not matter; other columns are ignored and noted.

    Parameters
    ----------
    path_or_frame : path or DataFrame
        A file with a header, separated by tabs or commas, plain or gzip; every name is read as
        the text it is. In a frame names are str or int.
    weighted : bool
        Use the column ``weight`` when there is one; a weight of 0 is no connection. False makes
        every row a connection of weight 1.
    on_self_loop : {"error", "keep"}
        What to do with a row whose gene and pathway have the same name. Networks of
        transcription factors, which regulate themselves, need "keep".
    encoding : str
        How the text is encoded. Nothing is guessed.

    Returns
    -------
    Mask
        Genes and pathways in order of first appearance. `Mask.report` lists repeated edges, which
        are kept once, and columns and rows left out. Lines of a frame are its rows, from 1.

    Raises
    ------
    ReadError
        With all problems together: a column is missing (E-COLUMN), a name is empty or no text
        (E-NAME), a weight is no finite number (E-WEIGHT), an edge is repeated with another
        weight (E-DUPLICATE), a self-loop (E-SELF-LOOP), a row of the wrong length (E-RAGGED).
    """
    if on_self_loop not in ("error", "keep"):
        raise ArgumentError(
            f"on_self_loop must be 'error' or 'keep', received {on_self_loop!r}", code="E-ARGUMENT"
        )
    if isinstance(path_or_frame, pd.DataFrame):
        path, header = "DataFrame", [str(name) for name in path_or_frame.columns]
        columns = _columns(header, path, None)
        records, table = _frame_records(path_or_frame, columns), None
    else:
        path = path_or_frame
        table = Table(read_text(path, kind="a table", encoding=encoding), path)
        header = table.header.cells
        columns = _columns(header, path, table.header.line)
        records = _text_records(table, columns)
    edges = _Edges(path, weighted=weighted, keep_loops=on_self_loop == "keep")
    edges.add_all(records)
    raise_together(edges.problems)
    notes = _ignored(header, columns, weighted) + ([] if table is None else table.notes())
    with reading(path):
        return edges.mask(notes)


def _columns(header: Sequence[str], path: str | Path, line: int | None) -> _Columns:
    names = [name.strip().casefold() for name in header]
    for gene, pathway in _DIRECTIONS:
        if gene in names and pathway in names:
            break
    else:
        raise ReadError(
            f"the columns must be gene and pathway, or source and target; found {list(header)}",
            code="E-COLUMN",
            file=path,
            line=line,
            hint="Rename the columns; source is the pathway and target the gene.",
        )
    for name in (gene, pathway, "weight"):
        if names.count(name) > 1:
            raise ReadError(
                f"column {name!r} occurs {names.count(name)} times",
                code="E-COLUMN",
                file=path,
                line=line,
                column=name,
                hint="Every column must have a name of its own.",
            )
    weight = names.index("weight") if "weight" in names else None
    return _Columns(names.index(gene), names.index(pathway), weight)


def _ignored(header: Sequence[str], columns: _Columns, weighted: bool) -> list[Note]:
    used = set(columns) if weighted else {columns.gene, columns.pathway}
    return [
        Note(
            "ignored column",
            name,
            "not gene, pathway or weight" if i != columns.weight else "weighted=False",
        )
        for i, name in enumerate(header)
        if i not in used
    ]


def _frame_records(frame: pd.DataFrame, columns: _Columns) -> Iterator[_Record]:
    genes, pathways = (frame.iloc[:, i].tolist() for i in (columns.gene, columns.pathway))
    weights = [1] * len(frame)
    if columns.weight is not None:
        weights = frame.iloc[:, columns.weight].tolist()
    return map(_Record, range(1, len(frame) + 1), genes, pathways, weights)


def _text_records(table: Table, columns: _Columns) -> Iterator[_Record | BiomaskError]:
    width = len(table.header.cells)
    for line, cells in table:
        if len(cells) != width:
            yield ReadError(
                f"{len(cells)} fields, expected {width} as in the header",
                code="E-RAGGED",
                file=table.path,
                line=line,
                hint="Give every row the same fields.",
            )
        else:
            weight = 1 if columns.weight is None else cells[columns.weight]
            yield _Record(line, cells[columns.gene], cells[columns.pathway], weight)


class _Edges:
    """Collects edges, and keeps account of what is odd or wrong."""

    def __init__(self, path: str | Path, *, weighted: bool, keep_loops: bool):
        self.path, self.weighted, self.keep_loops = path, weighted, keep_loops
        self.genes: defaultdict[str, int] = defaultdict()
        self.pathways: defaultdict[str, int] = defaultdict()
        self.genes.default_factory = self.genes.__len__
        self.pathways.default_factory = self.pathways.__len__
        self.edges: dict[tuple[int, int], tuple[float, int]] = {}  # -> (weight, line)
        self.notes: list[Note] = []
        self.problems: list[BiomaskError] = []

    def add_all(self, records: Iterable[_Record | BiomaskError]) -> None:
        for record in records:
            if isinstance(record, BiomaskError):
                self.problems.append(record)
            else:
                self._add(record)

    def _add(self, record: _Record) -> None:
        line = record.line
        gene = self._name(record.gene, "gene", line)
        pathway = self._name(record.pathway, "pathway", line)
        weight = self._weight(record.weight, line)
        if gene is None or pathway is None or weight is None:
            return
        if gene == pathway and not self.keep_loops:
            self._refuse(
                line,
                "E-SELF-LOOP",
                f"gene and pathway are both {gene!r}",
                'Remove the row, or pass on_self_loop="keep".',
                gene,
            )
            return
        edge = self.genes[gene], self.pathways[pathway]
        earlier = self.edges.get(edge)
        subject = f"{gene} -> {pathway}"
        if earlier is None:
            self.edges[edge] = weight, line
            if weight == 0:
                self.notes.append(Note("skipped edge", subject, "its weight is 0", line))
        elif earlier[0] == weight:
            self.notes.append(Note("kept once", subject, f"also on line {earlier[1]}", line))
        else:
            self._refuse(
                line,
                "E-DUPLICATE",
                f"edge {subject} has weight {weight:g} here and {earlier[0]:g} on line "
                f"{earlier[1]}",
                "Keep one of them.",
                gene,
            )

    def _name(self, name: object, kind: str, line: int) -> str | None:
        if isinstance(name, numbers.Integral) and not isinstance(name, bool | np.bool_):
            name = str(name)
        if isinstance(name, str) and not is_blank(name):
            return str(name)
        self._refuse(
            line,
            "E-NAME",
            f"the {kind} is {name!r}, not a name",
            "Read names as text (dtype=str, keep_default_na=False) and fill in or drop the rest.",
        )
        return None

    def _weight(self, weight: object, line: int) -> float | None:
        if not self.weighted:
            return 1.0
        value = cell_value(str(weight))
        if value is None:
            self._refuse(
                line,
                "E-WEIGHT",
                f"the weight is {weight!r}, not a finite number",
                "Correct it, or pass weighted=False to ignore the weights.",
            )
        return value

    def _refuse(self, line: int, code: str, problem: str, hint: str, gene: str | None = None):
        genes = [] if gene is None else [gene]
        self.problems.append(
            ReadError(problem, code=code, file=self.path, line=line, genes=genes, hint=hint)
        )

    def mask(self, notes: list[Note]) -> Mask:
        if not self.edges:
            raise ReadError(
                "the table has a header and no rows",
                code="E-EMPTY",
                file=self.path,
                hint="A row is one connection: a gene and a pathway.",
            )
        rows, cols = np.array(list(self.edges), dtype=np.int64).T
        weights = np.array([weight for weight, _ in self.edges.values()], dtype=np.float32)
        matrix = sparse.coo_array(
            (weights, (rows, cols)), shape=(len(self.genes), len(self.pathways))
        )
        return Mask(matrix, list(self.genes), list(self.pathways), notes=[*notes, *self.notes])
