"""Long tables: one connection a row."""

from __future__ import annotations

import itertools
import numbers
import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from biomask.errors import (
    ArgumentError,
    BiomaskError,
    BiomaskWarning,
    ReadError,
    listed,
    raise_together,
)
from biomask.masks.mask import Mask
from biomask.masks.matrices import as_pandas
from biomask.masks.notes import Note
from biomask.masks.tables import Row, Table, cell_value
from biomask.masks.text import is_blank, read_text, reading

# (gene, pathway) columns, best first
DIRECTIONS = (("gene", "pathway"), ("target", "source"), ("target", "tf"))
# Columns of signs, best first, used where there is no column weight; decoupleR has mor, the mode of
# regulation.
_SIGNS = ("mor", "mode_of_regulation", "mode of regulation", "sign", "effect")
_ACTIVATES = re.compile(
    r"\+|[-=]*>|→|up\b.*|upregulat.*|pos|positive.*|activat.*|stimulat.*|induc.*|increas.*", re.I
)
_INHIBITS = re.compile(
    r"[-−–]|[-=]*[|]|⊣|down\b.*|downregulat.*|neg|negative.*|inhibit.*|repress.*|suppress.*|"
    r"decreas.*|deactivat.*|inactivat.*",
    re.I,
)
_INHIBITION = re.compile(r".*(inhibition|repression)")  # columns that say yes or no, as OmniPath's


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
    ``source, target`` (or ``tf, target``) are read as decoupler means them, so the source is the
    pathway and the target is the gene. ``gene, pathway`` win where all four are there. Upper or
    lower case does not matter; other columns are ignored and noted.

    Parameters
    ----------
    path_or_frame : path or DataFrame
        A file with a header, separated by tabs or commas, plain or gzip; every name is read as
        the text it is. In a frame names are str or int.
    weighted : bool
        Use the column ``weight`` when there is one; a weight of 0 is no connection. Else the signs
        in ``mor``, ``sign`` or ``effect``: numbers, or words such as "activation" and "repression",
        which become 1 and -1; not where some of them are neither. False makes every row a
        connection of weight 1.
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

    Warns
    -----
    BiomaskWarning
        A column has signs that are not used.
    """
    if on_self_loop not in ("error", "keep"):
        raise ArgumentError(
            f"on_self_loop must be 'error' or 'keep', received {on_self_loop!r}", code="E-ARGUMENT"
        )
    path_or_frame = as_pandas(path_or_frame, "the table of edges")
    if isinstance(path_or_frame, pd.DataFrame):
        path, header, table = "DataFrame", [str(name) for name in path_or_frame.columns], None
        columns = _columns(header, path, None)
        cells = (path_or_frame.iloc[:, i].tolist() for i in range(len(header)))
        rows = list(map(Row, itertools.count(1), zip(*cells, strict=True)))
    else:
        path = path_or_frame
        table = Table(read_text(path, kind="a table", encoding=encoding), path)
        header = table.header.cells
        columns = _columns(header, path, table.header.line)
        rows = list(table)
    whole = [row.cells for row in rows if len(row.cells) == len(header)]
    weights, lost = [1.0] * len(whole), {}
    if weighted:
        columns, weights, lost = _weights(header, columns, whole, path)
    edges = _Edges(path, weighted=weighted, keep_loops=on_self_loop == "keep")
    edges.add_all(_records(rows, weights, columns, len(header), path))
    raise_together(edges.problems)
    notes = _ignored(header, columns, weighted, lost) + ([] if table is None else table.notes())
    with reading(path):
        return edges.mask(notes)


def _columns(header: Sequence[str], path: str | Path, line: int | None) -> _Columns:
    names = [name.strip().casefold() for name in header]
    for gene, pathway in DIRECTIONS:
        if gene in names and pathway in names:
            break
    else:
        raise ReadError(
            f"the columns must be gene and pathway, or source and target; found {list(header)}",
            code="E-COLUMN",
            file=path,
            line=line,
            hint="Rename the columns, or add a header where there is none; source is the pathway "
            "and target the gene.",
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


def _ignored(
    header: Sequence[str], columns: _Columns, weighted: bool, lost: Mapping[int, str]
) -> list[Note]:
    used = set(columns) if weighted else {columns.gene, columns.pathway}
    usual = "not gene, pathway or weight"
    return [
        Note(
            "ignored column",
            name,
            lost.get(i, usual) if i != columns.weight else "weighted=False",
        )
        for i, name in enumerate(header)
        if i not in used
    ]


def _records(
    rows: Iterable[Row], weights: Iterable, columns: _Columns, width: int, path: str | Path
) -> Iterator[_Record | BiomaskError]:
    """The edges, with the `weights` of those rows that have the right width."""
    weights = iter(weights)
    for line, cells in rows:
        if len(cells) != width:
            yield ReadError(
                f"{len(cells)} fields, expected {width} as in the header",
                code="E-RAGGED",
                file=path,
                line=line,
                hint="Give every row the same fields.",
            )
        else:
            yield _Record(line, cells[columns.gene], cells[columns.pathway], next(weights))


# ------------------------------------------------------------------------ signs


def _weights(
    header: Sequence[str], columns: _Columns, rows: Sequence[Sequence], path: str | Path
) -> tuple[_Columns, list, dict[int, str]]:
    """The columns, the weight of every row, and the columns whose signs are lost, with a note."""
    names = [name.strip().casefold() for name in header]
    cells = {i: [row[i] for row in rows] for i in range(len(header)) if i not in columns}
    signs = {i: _signs_of(names[i], column) for i, column in cells.items()}
    weights = [1.0] * len(rows)
    if columns.weight is not None:
        weights = [row[columns.weight] for row in rows]
    for name in _SIGNS:
        if columns.weight is None and name in names and None not in signs[names.index(name)]:
            columns = columns._replace(weight=names.index(name))
            weights = signs[columns.weight]
    used = np.sign([cell_value(str(weight)) or 0 for weight in weights])
    lost = {}
    for i, column in cells.items():
        values = np.array([np.nan if sign is None else sign for sign in signs[i]])
        known = ~np.isnan(values)
        if not _has_signs(names[i], column, values[known]):
            continue
        if (np.sign(values[known]) != used[known]).any():
            unknown = pd.unique(np.array(column, dtype=object)[~known])
            lost[i] = "its signs are not used: " + _why_lost(
                names[i], unknown, None if columns.weight is None else header[columns.weight]
            )
            warnings.warn(f"{path}: column {header[i]!r}: {lost[i]}", BiomaskWarning, stacklevel=3)
    return columns, weights, lost


def _signs_of(name: str, cells: Iterable) -> list[float | None]:
    """The signed number that each cell is or stands for; None where it is or says neither."""
    if _INHIBITION.fullmatch(name):
        return [-1.0 if str(cell).casefold() in ("true", "1", "1.0") else None for cell in cells]
    cells = list(map(str, cells))
    meaning = {cell: sign_of(cell.strip()) for cell in set(cells)}
    return [meaning[cell] for cell in cells]


def sign_of(cell: str) -> float | None:
    """The signed number, not 0, that a cell is or stands for, such as "activation"; else None."""
    value = cell_value(cell)
    if value is not None:
        return value or None
    if _INHIBITS.fullmatch(cell):
        return -1.0
    return 1.0 if _ACTIVATES.fullmatch(cell) else None


def _has_signs(name: str, cells: Sequence, known: np.ndarray) -> bool:
    """Whether a column tells what inhibits; one of another name, if most of its cells do."""
    if not (known < 0).any():
        return False
    if name in _SIGNS or _INHIBITION.fullmatch(name):
        return True
    words = any(cell_value(str(cell)) is None and len(str(cell)) > 1 for cell in cells)
    return 2 * len(known) >= len(cells) and (words or (known > 0).any())


def _why_lost(name: str, unknown: Sequence, weight: str | None) -> str:
    if weight is not None:
        return f"the weights are those of {weight!r}; drop the column that is wrong."
    if name in _SIGNS:
        return (
            f"{listed(unknown, 3)} is neither 1 nor -1, activation nor inhibition. Every edge "
            "counts as activating; drop or correct these rows to use the signs."
        )
    return (
        "every edge counts as activating. Name a column of 1 and -1 'sign' to use them; "
        "weighted=False says that they are not wanted."
    )


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
