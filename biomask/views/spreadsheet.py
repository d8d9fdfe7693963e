"""Tables as CSV that is the same everywhere and safe to open in a spreadsheet."""

from __future__ import annotations

import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # OWASP, "CSV injection"


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
    counted = isinstance(data.index, pd.RangeIndex) and data.index.name is None
    return table.to_csv(index=not counted, float_format="%.6g", lineterminator="\n")


def _cell(value: object) -> object:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return f"{value:.6g}" if isinstance(value, float) and value == value else value
