"""Every notebook is executed, small, explained, and still runs from top to bottom."""

import importlib.util
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)

spec = importlib.util.spec_from_file_location("run", ROOT / "notebooks" / "run.py")
run = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run)


def code_cells(notebook):
    return [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def texts(notebook):
    """Sources and textual outputs, without the pictures."""
    for cell in notebook.cells:
        yield cell.source
    for output in outputs(notebook):
        yield output.get("text", "")
        yield from (str(v) for k, v in output.get("data", {}).items() if k.startswith("text/"))


def check_executed(notebook):
    """Every code cell ran once, in order, and none failed."""
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    assert [o.ename for o in outputs(notebook) if o.output_type == "error"] == []


def test_notebooks_are_numbered_without_a_repeat():
    numbers = [path.name[:2] for path in NOTEBOOKS]
    assert numbers
    assert len(set(numbers)) == len(numbers)
    assert all(re.fullmatch(r"\d\d_[a-z0-9_]+", path.stem) for path in NOTEBOOKS)
    others = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert others == {path.name for path in NOTEBOOKS}  # no Untitled, no Copy


@each_notebook
def test_committed_notebook_is_executed_small_and_explained(path):
    assert path.stat().st_size < 500_000
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    check_executed(notebook)
    assert any("image/png" in o.get("data", {}) for o in outputs(notebook))
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert len(" ".join(prose).split()) > 100


@each_notebook
def test_committed_notebook_has_no_noise(path):
    notebook = nbformat.read(path, as_version=4)
    before = nbformat.writes(notebook)
    assert nbformat.writes(run.tidy(notebook)) == before
    machine = re.compile(r"/(home|root|Users|tmp|work)/")
    assert not [text for text in texts(notebook) if machine.search(text)]
    streams = [o.text for o in outputs(notebook) if o.output_type == "stream"]
    assert not any("\r" in stream or "Traceback" in stream for stream in streams)


def answers(notebook):
    """The code of every folded answer, in order."""
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    folded = re.findall(r"<details>(.*?)</details>", prose, re.DOTALL)
    return [code for part in folded for code in re.findall(r"```python\n(.*?)```", part, re.DOTALL)]


@each_notebook
def test_committed_notebook_has_exercises_with_answers_and_links_forward(path):
    notebook = nbformat.read(path, as_version=4)
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    exercises = re.sub(r"(?s)<details>.*?</details>", "", prose.split("## Exercises\n", 1)[1])
    assert 2 <= len(re.findall(r"(?m)^(?:\*\*)?\d\.", exercises)) <= 3
    assert answers(notebook)
    assert re.search(r"minutes to read|to read;", prose)
    assert re.search(r"\]\(\d\d_\w+\.ipynb\)", prose)


@pytest.fixture(scope="module")
def executions(request, tmp_path_factory):
    """Of every notebook asked for: its folder, and the future that executes it there."""
    items = [item for item in request.session.items if "executions" in item.fixturenames]
    folders = {item.callspec.params["path"]: tmp_path_factory.mktemp("notebook") for item in items}
    pool = ThreadPoolExecutor(run.TOGETHER)
    yield {path: (folder, pool.submit(executed, path, folder)) for path, folder in folders.items()}
    pool.shutdown(cancel_futures=True)


def executed(path, folder):
    """The notebook and the answers of its exercises, from top to bottom."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells += [nbformat.v4.new_code_cell(code) for code in answers(notebook)]
    nbformat.write(notebook, folder / path.name)
    return run.execute(folder / path.name, path.parent, BIOMASK_FIGURES=str(folder / "figures"))


@each_notebook
def test_notebook_runs_with_its_answers_and_writes_its_figures(path, executions):
    folder, execution = executions[path]
    notebook = execution.result()
    check_executed(notebook)
    saved = {name for c in code_cells(notebook) for name in saved_figures(c.source)}
    for name in saved:
        for suffix in (".png", ".pdf", ".csv"):
            assert (folder / "figures" / f"{name}{suffix}").stat().st_size > 0
            assert (ROOT / "figures" / f"{name}{suffix}").exists(), "make figures was not run"


def saved_figures(source):
    return re.findall(r'save_figure\([^,]+,\s*"([^"]+)"', source)


# ------------------------------------------------------------------------ the runner


def notebook_of(*sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=cells, metadata={"widgets": {"state": {}}})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A checkout with notebooks/ and figures/ for `run` to work in."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "figures").mkdir()
    monkeypatch.setattr(run, "HERE", tmp_path / "notebooks")
    monkeypatch.setattr(run, "FIGURES", tmp_path / "figures")
    return tmp_path


def test_run_keeps_outputs_lists_figures_and_changes_nothing_the_second_time(folder, capsys):
    (folder / "figures" / "old.png").write_bytes(b"of an earlier run")
    run.os.utime(folder / "figures" / "old.png", (1, 1))
    path = folder / "notebooks" / "01_first.ipynb"
    source = "import pathlib\npathlib.Path('../figures/new.png').write_bytes(b'x')\nobject()"
    notebook = notebook_of(source, "print('a' + chr(13) + 'b'); print({'x', 'y', 'z'})")
    notebook.cells[0].metadata = {"tags": ["kept"], "execution": {"iopub.status.busy": "now"}}
    nbformat.write(notebook, path)
    assert run.main() == 0
    printed = capsys.readouterr().out
    assert re.match(r"notebooks/01_first.ipynb ... \d+ s\n1 figures written:\n", printed)
    assert printed.endswith("\nfigures/new.png\n")
    first = path.read_bytes()
    done = nbformat.read(path, as_version=4)
    check_executed(done)
    assert done.cells[0].outputs[0].data["text/plain"] == "<object>"
    assert done.cells[1].outputs[0].text.startswith("b\n")
    assert done.cells[0].metadata == {"tags": ["kept"]}
    assert set(done.metadata) == {"kernelspec", "language_info"}
    assert run.main() == 0
    assert path.read_bytes() == first


def test_tidy_drops_the_start_up_log_of_tensorflow_and_no_other_warning():
    log = "WARNING: All log messages before absl::InitializeLog() is called are ...\n" + (
        "I0000 00:00:1795377290.806007    5748 port.cc:153] oneDNN custom operations are on.\n"
    )
    notebook = notebook_of("import tensorflow", "import warnings")
    for cell, text in zip(notebook.cells, (log, log + "UserWarning: counts\n"), strict=True):
        cell.outputs = [nbformat.v4.new_output("stream", name="stderr", text=text)]
    first, second = (cell.outputs for cell in run.tidy(notebook).cells)
    assert first == []
    assert [output.text for output in second] == ["UserWarning: counts\n"]


def test_tidy_drops_progress_bars_and_no_other_result():
    notebook = notebook_of("bar", "50")
    for cell, text in zip(
        notebook.cells, ("folds:   0%|          | 0/2 [00:00<?, ?fold/s]", "50%"), strict=True
    ):
        data = {"text/plain": text, run.WIDGET: {"model_id": "x"}}
        cell.outputs = [nbformat.v4.new_output("display_data", data=data)]
    assert [len(cell.outputs) for cell in run.tidy(notebook).cells] == [0, 1]


def test_run_leaves_a_failed_notebook_as_it_was_and_goes_on(folder, capsys):
    bad, good = folder / "notebooks" / "01_bad.ipynb", folder / "notebooks" / "02_good.ipynb"
    nbformat.write(notebook_of("1 / 0"), bad)
    nbformat.write(notebook_of("1 + 1"), good)
    before = bad.read_bytes()
    assert run.main() == 1
    printed = capsys.readouterr()
    assert "ZeroDivisionError: division by zero" in printed.out
    assert printed.err == "Failed: 01_bad.ipynb\n"
    assert bad.read_bytes() == before
    assert nbformat.read(good, as_version=4).cells[0].outputs[0].data["text/plain"] == "2"


def test_the_terminal_shows_what_c_code_wrote_only_where_the_kernel_died(folder, capfd):
    """TensorFlow's start-up log is such; written into the pipe of a cell it would be lost."""
    write = "import os\nos.write(2, b'start-up log')\nos.write(1, b'of C')"
    nbformat.write(notebook_of(write), folder / "notebooks" / "01_good.ipynb")
    assert run.main() == 0
    printed = capfd.readouterr()
    assert re.fullmatch(r"notebooks/01_good.ipynb \.\.\. \d+ s\n0 figures written:\n", printed.out)
    assert printed.err == ""
    died = "import os\nos.write(2, b'check failed: last words')\nos.abort()"
    nbformat.write(notebook_of(died), folder / "notebooks" / "02_died.ipynb")
    assert run.main() == 1
    printed = capfd.readouterr()
    assert "check failed: last words" in printed.out
    assert printed.err == "Failed: 02_died.ipynb\n"


def test_execute_hands_variables_to_the_kernel_and_raises_on_failure(tmp_path):
    path = tmp_path / "01_x.ipynb"
    nbformat.write(
        notebook_of("import os\nprint(os.environ['BIOMASK_FIGURES'], os.getcwd())"), path
    )
    done = run.execute(path, tmp_path, BIOMASK_FIGURES="elsewhere")
    assert done.cells[0].outputs[0].text == f"elsewhere {tmp_path}\n"
    nbformat.write(notebook_of("raise ValueError('no')"), path)
    with pytest.raises(CellExecutionError, match="no"):
        run.execute(path, tmp_path)
