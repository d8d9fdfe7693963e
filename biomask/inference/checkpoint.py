"""The folder in which an interrupted cross-fit keeps its finished blocks."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from biomask.errors import StorageError
from biomask.storage import atomic_write


@contextlib.contextmanager
def study_folder(checkpoint: str | Path | None, facts: dict) -> Iterator[Path]:
    """Where finished blocks are kept; refuses a folder that belongs to another study."""
    if checkpoint is None:
        with tempfile.TemporaryDirectory(prefix="biomask") as name:
            yield Path(name)
        return
    folder = Path(checkpoint)
    note = folder / "study.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = dict(json.loads(note.read_text("utf-8"))) if note.exists() else None
        orphans = found is None and any(folder.glob("fold*.zip"))
    except (OSError, ValueError, TypeError) as error:
        raise StorageError(
            f"the checkpoint cannot be read: {error}", code="E-CHECKPOINT", file=note
        ) from error
    changed = [
        f"{name}: {found.get(name)!r} there, {facts.get(name)!r} here"
        for name in {**facts, **(found or {})}
        if found is not None and found.get(name) != facts.get(name)
    ]
    if changed or orphans:
        reason = "; ".join(changed) or f"it has blocks but no {note.name}"
        raise StorageError(
            f"the checkpoint belongs to another study ({reason})",
            code="E-CHECKPOINT",
            file=folder,
            hint="Use another folder, or delete this one to start again.",
        )
    if found is None:
        with atomic_write(note) as temporary:
            temporary.write_text(json.dumps(facts, indent=1), "utf-8")
    for left in folder.glob(".*.tmp.zip"):  # of a process that was killed while it wrote
        left.unlink(missing_ok=True)
    yield folder


def digest(*parts) -> str:
    """sha256 of arrays and of sequences of names, in this order; None counts too."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            content = np.ascontiguousarray(part).tobytes()
        else:
            content = json.dumps(None if part is None else [str(item) for item in part]).encode()
        sha.update(f"{len(content)}:".encode() + content)
    return sha.hexdigest()
