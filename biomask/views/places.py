"""Where figures and tables are written, and what they may be called."""

from __future__ import annotations

import os
import re
from pathlib import Path

from biomask.errors import ArgumentError, StorageError

_CHECKOUT = ("pyproject.toml", "biomask/__init__.py")
_NAME = re.compile(r'[^\s./\\:*?"<>|\x00-\x1f][^/\\:*?"<>|\x00-\x1f]*')


def figures_folder() -> Path:
    """Where `save_figure` writes when it is not told; see its `folder`."""
    named = os.environ.get("BIOMASK_FIGURES")
    if named:
        return Path(named)
    here = Path.cwd()
    for parent in (here, *here.parents):
        if all((parent / part).exists() for part in _CHECKOUT):
            return parent / "figures"
    return here / "figures"


def checked_name(name: object) -> str:
    """`name`, when it can name a file.

    Raises
    ------
    ArgumentError
        It holds a folder or an extension, or what no file name may.
    """
    extension = str(name).lower().endswith((".png", ".pdf", ".csv", ".xlsx"))
    if not isinstance(name, str) or not _NAME.fullmatch(name) or extension:
        raise ArgumentError(
            f"{name!r} cannot name a figure",
            code="E-FIGURE-NAME",
            hint="Give a plain file name without folder or extension, such as 'mask_sizes'; "
            "the folder goes into folder=.",
        )
    return name


def made_folder(folder: Path) -> Path:
    """`folder`, made when missing.

    Raises
    ------
    StorageError
        It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot make the folder: {error.strerror or error}",
            code="E-WRITE",
            file=folder,
            hint="Pass another folder=, or set BIOMASK_FIGURES.",
        ) from error
    return folder
