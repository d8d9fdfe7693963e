"""Execute every numbered notebook in place, two at a time, then list the figures they wrote.

    python notebooks/run.py

Outputs are kept. What changes from run to run without meaning anything (times, widget state,
addresses, progress bars) is not, so that a rerun makes small diffs. A notebook that fails is left
as it was, its traceback is printed (or the last words of its kernel), and the exit status is 1.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError

from biomask.storage import atomic_write

HERE = Path(__file__).resolve().parent
FIGURES = HERE.parent / "figures"
CELL_SECONDS = 1800  # a cell that takes longer hangs
LAST_WORDS = 4000  # characters shown of what a kernel that died had written
TOGETHER = 2  # notebooks at a time: one by itself leaves half of two cores idle
WIDGET = "application/vnd.jupyter.widget-view+json"
# TensorFlow's start-up log, whatever TF_CPP_MIN_LOG_LEVEL says: times and process numbers.
START_UP = re.compile(
    r"^(?:WARNING: All log messages before absl|[IWE]\d{4} [\d:.]+ +\d+ \S+:\d+\]"
    r"|To enable the following instructions).*\n?",
    re.MULTILINE,
)
BAR = re.compile(r"\d%\|")  # the text of a progress bar in a notebook
# Of the kernel: the same order of sets every time, no progress bars, no start-up log.
ENVIRONMENT = {"PYTHONHASHSEED": "0", "TQDM_DISABLE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}


def execute(path: Path, folder: Path, **environment: str) -> nbformat.NotebookNode:
    """The notebook at `path`, executed from top to bottom in `folder`, and tidied.

    Raises
    ------
    CellControlSignal, DeadKernelError
        A cell failed or took too long, or the kernel died.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        extra_arguments=[
            "--Application.log_level=ERROR",  # not that it runs without encryption
            "--IPKernelApp.capture_fd_output=False",  # what C++ writes goes to `log` at once
        ],
        resources={"metadata": {"path": str(folder)}},
        coalesce_streams=True,
        store_widget_state=False,
        record_timing=False,
    )
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        try:
            env = {**os.environ, **ENVIRONMENT, **environment}
            client.execute(env=env, stdout=log, stderr=log)
        except RuntimeError as error:  # it died, and its last words are not in the notebook
            log.seek(0)
            raise DeadKernelError(f"{error}\n{log.read()[-LAST_WORDS:]}") from error
    return tidy(notebook)


def tidy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Without what changes from run to run or from machine to machine. Changes in place."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"file_extension": ".py", "name": "python"},
        }
    )
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict(
            {key: cell.metadata[key] for key in ("tags",) if key in cell.metadata}
        )
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)
            for holder, key in ((output, "text"), (output.get("data", {}), "text/plain")):
                if key in holder:
                    holder[key] = re.sub(r" at 0x[0-9a-f]+", "", holder[key])
            if output.get("name") == "stderr":
                output["text"] = START_UP.sub("", output["text"])
        if "outputs" in cell:
            cell.outputs = [o for o in cell.outputs if not _is_empty(o)]
    return notebook


def _is_empty(output: nbformat.NotebookNode) -> bool:
    """Nothing is left of it, or nothing but the text of a progress bar that was a widget."""
    return output.get("text") == "" or bool(
        BAR.search(output.get("data", {}).get("text/plain", ""))
    )


def save(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write `notebook` to `path`, in one step."""
    nbformat.validate(notebook)
    with atomic_write(path) as temporary:
        temporary.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def written_since(start: float) -> list[str]:
    """One line for each figure: its files that are not older than `start` (seconds of time)."""
    figures: dict[str, list[str]] = {}
    for path in sorted(FIGURES.glob("*")):
        if path.suffix in {".png", ".pdf", ".csv"} and path.stat().st_mtime >= start:
            figures.setdefault(path.stem, []).append(f"figures/{path.name}")
    return ["  ".join(files) for files in figures.values()]


def run(path: Path) -> tuple[float, str]:
    """Execute one in place: the seconds it took, and why it failed, if it did."""
    begun, why = time.perf_counter(), ""
    try:
        save(execute(path, HERE), path)
    except (CellControlSignal, DeadKernelError) as error:
        why = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # colours, unreadable in a log
    return time.perf_counter() - begun, why


def main() -> int:
    """Run them all; 0 when none failed."""
    start = time.time()
    paths, failed = sorted(HERE.glob("[0-9]*.ipynb")), []
    pool = ThreadPoolExecutor(TOGETHER)
    try:
        for path, (seconds, why) in zip(paths, pool.map(run, paths), strict=True):
            failed += [path.name] if why else []
            ended = f"FAILED after {seconds:.0f} s\n{why}" if why else f"{seconds:.0f} s"
            print(f"notebooks/{path.name} ... {ended}", flush=True)
    finally:
        pool.shutdown(cancel_futures=True)  # interrupted: begin no other
    figures = written_since(start)
    print(f"{len(figures)} figures written:", *figures, sep="\n")
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
