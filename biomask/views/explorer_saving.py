"""What the explorer writes: its table, and the pictures of a pathway."""

from __future__ import annotations

import pandas as pd

from biomask.errors import ArgumentError
from biomask.views import spreadsheet
from biomask.views.explorer_figures import Picture
from biomask.views.figures import save_figure
from biomask.views.places import checked_name, figures_folder, made_folder


def save_table(name: str, table: pd.DataFrame) -> str:
    """Write NAME.csv, or NAME.xlsx where the name ends so, where `save_figure` writes; say so.

    Raises
    ------
    ArgumentError
        `name` cannot name a file, or the table is empty.
    StorageError
        The file cannot be written.
    """
    if table.empty:
        raise ArgumentError("the table is empty", code="E-EXPLORE", hint="Loosen the filters.")
    excel = name.lower().endswith(".xlsx")
    stem = checked_name(name[: -len(".xlsx")] if excel else name)
    file = f"{stem}.xlsx" if excel else f"{stem}.csv"
    path = spreadsheet.save_table(table, made_folder(figures_folder()) / file)
    return f"Wrote {len(table):,} pathways to {path}"


def save_pictures(name: str, pictures: list[Picture]) -> str:
    """Write each picture as NAME_KEY.png, .pdf and .csv, and say so.

    Raises
    ------
    ArgumentError
        `name` cannot name a file, or there is no picture.
    StorageError
        A file cannot be written.
    """
    if not pictures:
        raise ArgumentError("there is no picture", code="E-EXPLORE", hint="Choose another pathway.")
    paths = [
        save_figure(picture.figure, f"{checked_name(name)}_{picture.key}", picture.data)
        for picture in pictures
    ]
    return f"Wrote {', '.join(path.name for path in paths)}, with PDF and CSV, to {paths[0].parent}"
