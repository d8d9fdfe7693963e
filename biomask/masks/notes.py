"""What a mask remembers of the way it was made."""

from __future__ import annotations

from typing import NamedTuple


class Note(NamedTuple):
    """Something that was dropped, merged, renamed or skipped on the way to a mask."""

    action: str
    subject: str
    detail: str
    line: int | None = None
