"""Text tables, comma- or tab-separated, with nothing guessed: every cell stays the text it was."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import sparse

from biomask.errors import BiomaskError, ReadError, listed, raise_together
from biomask.masks.mask import Mask
from biomask.masks.notes import Note
from biomask.masks.text import is_blank, numbered_lines, reading

_PEEK = 20  # rows looked at to see whether the header names the column of names


class Row(NamedTuple):
    line: int
    cells: list[str]


class Table:
    """The header and the rows of a delimited text.

    Parameters
    ----------
    text : str
        As `biomask.masks.text.read_text` returns it.
    path : path
        For messages.

    Attributes
    ----------
    header : Row
        The first line that is not empty.
    blank : list of int
        Lines skipped so far because they were empty.

    Raises
    ------
    ReadError
        Neither tabs nor commas separate the first line (E-DELIMITER), or there is none (E-EMPTY).
    """

    def __init__(self, text: str, path: str | Path):
        self.path = path
        self.blank: list[int] = []
        self._rows = self._read(text, _delimiter(text, path))
        header = next(self._rows, None)
        if header is None:
            raise ReadError(
                "no row in the table", code="E-EMPTY", file=path, hint="Write it again."
            )
        self.header = header

    def __iter__(self) -> Iterator[Row]:
        return self._rows

    def notes(self) -> list[Note]:
        """What iterating skipped."""
        if not self.blank:
            return []
        return [Note("skipped empty lines", "file", f"{len(self.blank)} lines", self.blank[0])]

    def _read(self, text: str, delimiter: str) -> Iterator[Row]:
        lines = (line + "\n" for _, line in numbered_lines(text, "row"))
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                if any(map(str.strip, cells)):
                    yield Row(reader.line_num, cells)
                else:
                    self.blank.append(reader.line_num)
        except csv.Error as error:
            raise ReadError(
                f"quotes or fields that make no table: {error}",
                code="E-CSV",
                file=self.path,
                line=reader.line_num,
                hint='A field that begins with " must end with one, and "" stands for one inside.',
            ) from error


def _delimiter(text: str, path: str | Path) -> str:
    first = next((line for line in text.split("\n", 100) if not is_blank(line)), "")
    if not first:
        raise ReadError("no row in the table", code="E-EMPTY", file=path, hint="Write it again.")
    if "\t" in first:
        return "\t"
    if first.count(",") and first.count(",") >= first.count(";"):
        return ","
    seen = [
        name
        for mark, name in ((";", "semicolons"), ("|", "bars"), (" ", "spaces"))
        if mark in first
    ]
    raise ReadError(
        f"neither tabs nor commas separate the first line, which starts with {first[:40]!r}"
        + (f"; there are {seen[0]} in it" if seen else ""),
        code="E-DELIMITER",
        file=path,
        line=text[: text.index(first)].count("\n") + 1,
        hint="Save the table as tab- or comma-separated text.",
    )


# ------------------------------------------------------------------------ genes x pathways


def matrix_from_text(text: str, path: str | Path, *, weighted: bool) -> Mask:
    """A mask from a table with pathway names in the first row and gene names in the first column.

    The first row may lack the cell above the gene names, as R writes it.

    Raises
    ------
    ReadError
        With all problems of the file: no names (E-NO-NAMES), empty or repeated names
        (E-NAME, E-DUPLICATE), rows of the wrong length (E-RAGGED), cells that are not 0 or 1, or
        not a finite number when `weighted` (E-CELL).
    """
    table = Table(text, path)
    first = list(islice(table, _PEEK))
    if not first:
        raise ReadError(
            "the table has a header and no rows", code="E-EMPTY", file=path, hint="A row is a gene."
        )
    width = len(table.header.cells)
    bare = all(len(row.cells) == width + 1 for row in first)
    pathways = table.header.cells if bare else table.header.cells[1:]
    _check_has_names(table.header, first, path)
    rows = _MatrixRows(pathways, path, weighted=weighted)
    for row in first:
        rows.add(row)
    for row in table:
        rows.add(row)
    raise_together(_name_problems(pathways, 1 if bare else 2, table.header, path) + rows.problems)
    with reading(path):
        return Mask(rows.matrix(), list(rows.lines), pathways, notes=table.notes())


def _check_has_names(header: Row, first: list[Row], path: str | Path) -> None:
    numbers = {"0", "1", "0.0", "1.0"}
    if set(header.cells) <= numbers:
        where, line = "the first row holds only 0 and 1, not the names of pathways", header.line
    elif len(first) > 1 and {row.cells[0] for row in first} <= numbers:
        where, line = "the first column holds only 0 and 1, not the names of genes", first[0].line
    else:
        return
    raise ReadError(
        where,
        code="E-NO-NAMES",
        file=path,
        line=line,
        hint="Write the table with both names (pandas: to_csv with index and header), or use "
        "Mask.from_dense(array, genes=..., pathways=...).",
    )


def _name_problems(
    pathways: list[str], offset: int, header: Row, path: str | Path
) -> list[BiomaskError]:
    places: dict[str, list[int]] = {}
    for column, name in enumerate(pathways, start=offset):
        places.setdefault("" if is_blank(name) else name, []).append(column)
    problems = []
    if empty := places.pop("", None):
        problems.append(
            ReadError(
                f"columns {listed(empty)} have no name",
                code="E-NAME",
                file=path,
                line=header.line,
                hint="Name every pathway; delimiters at the end of the lines make such columns.",
            )
        )
    problems += [
        ReadError(
            f"pathway {name!r} names columns {', '.join(map(str, columns))}",
            code="E-DUPLICATE",
            file=path,
            line=header.line,
            column=columns[1],
            hint="Every name must occur once.",
        )
        for name, columns in places.items()
        if len(columns) > 1
    ]
    return problems


class _MatrixRows:
    """Collects rows into a sparse matrix, and keeps account of what is wrong with them."""

    def __init__(self, pathways: list[str], path: str | Path, *, weighted: bool):
        self.pathways, self.path, self.weighted = pathways, path, weighted
        self.lines: dict[str, int] = {}  # gene -> line; its keys are the genes in order
        self.problems: list[BiomaskError] = []
        self._columns, self._values, self._starts = array("q"), array("d"), array("q", [0])

    def add(self, row: Row) -> None:
        gene, *cells = row.cells
        if len(cells) != len(self.pathways):
            self._refuse(
                row.line,
                "E-RAGGED",
                f"{len(row.cells)} fields, expected {len(self.pathways) + 1}",
                gene,
                "Every row needs a gene name and one field for each pathway.",
            )
            return
        if is_blank(gene):
            self._refuse(row.line, "E-NAME", "a row without a gene name", None, "Name every gene.")
            return
        if gene in self.lines:
            self._refuse(
                row.line,
                "E-DUPLICATE",
                f"gene {gene!r} is on line {self.lines[gene]} too",
                gene,
                "Every gene must occur once.",
            )
            return
        self.lines[gene] = row.line
        self._add_cells(gene, cells, row.line)

    def _add_cells(self, gene: str, cells: list[str], line: int) -> None:
        wrong = []
        for j, cell in enumerate(cells):
            if cell == "0":
                continue
            value = cell_value(cell)
            if value is None or not (self.weighted or value in (0, 1)):
                wrong.append(j)
            elif value:
                self._columns.append(j)
                self._values.append(value)
        self._starts.append(len(self._columns))
        if wrong:
            what = "not a finite number" if self.weighted else "neither 0 nor 1"
            shown = [f"{cells[j]!r} in column {self.pathways[j]!r}" for j in wrong[:10]]
            more = f" and {len(wrong) - 10} more" if len(wrong) > 10 else ""
            hint = (
                "Every cell must be a number."
                if self.weighted
                else ("Write 0 or 1, or pass weighted=True if these are edge weights.")
            )
            self._refuse(
                line,
                "E-CELL",
                f"{what}: {', '.join(shown)}{more}",
                gene,
                hint,
                self.pathways[wrong[0]],
            )

    def _refuse(
        self,
        line: int,
        code: str,
        problem: str,
        gene: str | None,
        hint: str,
        column: str | None = None,
    ) -> None:
        genes = [] if gene is None else [gene]
        self.problems.append(
            ReadError(
                problem,
                code=code,
                file=self.path,
                line=line,
                column=column,
                genes=genes,
                hint=hint,
            )
        )

    def matrix(self) -> sparse.csc_array:
        parts = np.array(self._values), np.array(self._columns), np.array(self._starts)
        return sparse.csr_array(parts, shape=(len(self.lines), len(self.pathways))).tocsc()


def cell_value(cell: str) -> float | None:
    """The finite number a cell holds, or None."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in cell else None
