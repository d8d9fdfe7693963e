"""Tables as files: CSV that is the same everywhere, Excel whose text stays text."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from biomask.errors import ArgumentError, StorageError, listed
from biomask.storage import atomic_write

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # OWASP, "CSV injection"
_ROWS, _COLUMNS, _CHARACTERS = 1_048_576, 16_384, 32_767  # of a sheet, and in a cell
_DIGITS = 10**15  # Excel keeps 15 digits of a number


def save_table(table: pd.DataFrame, path: str | Path, *, overwrite: bool = True) -> Path:
    """Write a table to a file that a spreadsheet opens unchanged.

    Excel reads a CSV as it likes: MARCH1 becomes the 1st of March, 2310009E13 a number. In an
    ``.xlsx`` file every name is a text cell and stays what it is; nor is ``=cmd()`` a formula.

    Parameters
    ----------
    table : DataFrame
        The index is written unless it only counts rows.
    path : path ending in ``.xlsx`` or ``.csv``
        Replaced atomically. A CSV has six significant digits, and an apostrophe in front of a text
        that a spreadsheet would take for a formula (it starts with ``= + - @``, a tab or a line
        end). Excel's format, which needs openpyxl, has sixteen digits.
    overwrite : bool
        False refuses to replace a file.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    ArgumentError
        `table` is no table, or Excel has no place for it: over 1,048,576 rows, 16,384 columns, or
        32,767 characters in a cell, or a control character in a text.
    StorageError
        The name ends otherwise, openpyxl is not installed, or the file cannot be written.
    """
    path = Path(path)
    if not isinstance(table, pd.DataFrame):
        raise ArgumentError(
            f"save_table needs a DataFrame, received {type(table).__name__}",
            code="E-TABLE",
            hint="Of a study, pass one of its tables, such as study.pathways.",
        )
    kind = path.suffix.lower()
    if kind not in (".csv", ".xlsx"):
        raise StorageError(
            "a table is saved to a name that ends in .csv or .xlsx",
            code="E-SUFFIX",
            file=path,
            hint=f"Use {path.with_suffix('.xlsx').name}.",
        )
    with atomic_write(path, overwrite=overwrite) as temporary:
        if kind == ".csv":
            temporary.write_text(csv_text(table), "utf-8", newline="\n")
        else:
            _write_xlsx(table, temporary, path)
    return path


def csv_text(data: pd.DataFrame) -> str:
    """`data` as CSV that gives the same bytes everywhere and that no spreadsheet executes.

    Numbers have six significant digits. A text cell or name that starts with ``= + - @``, a tab
    or a line end gets an apostrophe in front. The index is written unless it only counts rows.
    """
    table = data.copy()
    for position, kind in enumerate(table.dtypes):
        if not (pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_datetime64_any_dtype(kind)):
            cells = [_cell(value) for value in table.iloc[:, position]]
            table.isetitem(position, pd.Series(cells, index=table.index, dtype=object))
    table = table.rename(index=_cell, columns=_cell).rename_axis(index=_cell, columns=_cell)
    return table.to_csv(index=not _counted(data), float_format="%.6g", lineterminator="\n")


def _cell(value: object) -> object:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return f"{value:.6g}" if isinstance(value, float) and value == value else value


def _counted(table: pd.DataFrame) -> bool:
    return isinstance(table.index, pd.RangeIndex) and table.index.name is None


# ------------------------------------------------------------------------ Excel


def _write_xlsx(data: pd.DataFrame, temporary: Path, path: Path) -> None:
    try:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
    except ImportError:
        raise StorageError(
            "Excel files are written with openpyxl, which is not installed",
            code="E-NO-OPENPYXL",
            file=path,
            hint="Run: pip install openpyxl. Or save a name that ends in .csv.",
        ) from None
    table = data
    if not _counted(data):
        names = ["" if name is None else name for name in data.index.names]
        table = data.reset_index(names=names, allow_duplicates=True)
    _check_limits(table)
    book = Workbook(write_only=True)
    sheet = book.create_sheet("table")
    for row in [table.columns, *table.itertuples(index=False, name=None)]:
        cells = []
        for value in map(_excel_value, row):
            cell = WriteOnlyCell(sheet, value)
            if isinstance(value, str):
                cell.data_type = "s"  # openpyxl takes "=1" for a formula, "#N/A" for an error
                cell.number_format = "@"  # and an edited cell stays text
            cells.append(cell)
        sheet.append(cells)
    book.save(temporary)


def _excel_value(value: object) -> object:
    """A number, a truth value or None where Excel has a like of it; else text."""
    if isinstance(value, str):
        return value
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if pd.api.types.is_bool(value):
        return bool(value)
    if pd.api.types.is_integer(value):
        return int(value) if abs(int(value)) < _DIGITS else str(value)
    if pd.api.types.is_float(value):
        return float(value) if math.isfinite(value) else str(value)
    return str(value)


def _check_limits(table: pd.DataFrame) -> None:
    """Refuse what openpyxl would cut off, or what makes a file that Excel calls damaged."""
    if len(table) >= _ROWS or table.shape[1] > _COLUMNS:
        raise ArgumentError(
            f"the table of {len(table):,} rows and {table.shape[1]:,} columns is larger than a "
            f"sheet of Excel, {_ROWS:,} x {_COLUMNS:,} with the header",
            code="E-EXCEL-SIZE",
            hint="Save a part of it, or a name that ends in .csv.",
        )
    texts = [str(name) for name in table.columns]
    for _, column in table.select_dtypes(exclude="number").items():
        texts += [str(value) for value in column]
    wrong = [text for text in texts if len(text) > _CHARACTERS or _unprintable(text)]
    if wrong:
        raise ArgumentError(
            f"texts with a control character, or longer than the {_CHARACTERS:,} characters of a "
            f"cell of Excel: {listed([text[:40] for text in wrong], 3)}",
            code="E-EXCEL-TEXT",
            hint="Rename them, or save a name that ends in .csv.",
        )


def _unprintable(text: str) -> bool:
    """Whether XML 1.0 has no place for a character of it."""
    return any(
        (c < " " and c not in "\t\n\r") or "\ud800" <= c <= "\udfff" or c in "\ufffe\uffff"
        for c in text
    )
