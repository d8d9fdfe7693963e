"""A copy of the package with a fault in it, and pytest on that copy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = ["-p", "no:cacheprovider", "--hypothesis-seed=0"]


@contextmanager
def copied(module: str, source: str) -> Iterator[Path]:
    """A folder with the package, in which this is the source of the module."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "biomask", Path(folder) / "biomask", copy_function=os.symlink)
        (Path(folder) / module).unlink()
        (Path(folder) / module).write_text(source)
        yield Path(folder)


def run_pytest(
    arguments: list[str], *folders: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """pytest where these folders come first of all that is imported from."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "pytest", *OPTIONS, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders)), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
