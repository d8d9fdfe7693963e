"""A copy of the package with a fault in it, and what the tests say to that."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180  # seconds until a fault counts as noticed, as it makes the tests hang
LIMIT_MB = 8192


def pytest(
    arguments: list[str], *folders: Path, timeout: float | None = None, **environment: str
) -> subprocess.CompletedProcess:
    """pytest where these folders come first of all that is imported from."""
    command = [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, "--hypothesis-seed=0", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders)), **environment},
        timeout=timeout,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_limit,
    )


def killer(module: str, source: str, tests: list[str]) -> str:
    """The test that fails when this is the source of the module, or ""."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "biomask", Path(folder) / "biomask", copy_function=os.symlink)
        (Path(folder) / module).unlink()
        (Path(folder) / module).write_text(source)
        try:
            done = pytest(["-x", "-q", *tests], Path(folder), timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return "out of time"
    if not done.returncode:
        return ""
    said = done.stdout + done.stderr
    return re.search(r"^(?:FAILED|ERROR):? (.+)$|\Z", said, re.M)[1] or said.strip()[-300:]


def _limit() -> None:
    os.nice(19)
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_MB << 20,) * 2)
