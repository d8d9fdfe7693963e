"""pyproject.toml, environment.yml and requirements.lock say the same."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENVIRONMENT = (ROOT / "environment.yml").read_text(encoding="utf-8")
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def specifiers(lines):
    requirements = [Requirement(line) for line in lines]
    found = {canonicalize_name(r.name): r.specifier for r in requirements}
    assert len(found) == len(requirements), "a package is named twice"
    return found


WANTED = specifiers([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]])


def locked():
    lines = [line for line in LOCK.splitlines() if line and not line.startswith("#")]
    for line in lines:  # exact versions only: no path, no address, no option
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+", line), line
    return {canonicalize_name(name): Version(v) for name, v in (x.split("==") for x in lines)}


def test_environment_asks_pip_for_what_pyproject_asks_for():
    dependencies = yaml.safe_load(ENVIRONMENT)["dependencies"]
    (by_pip,) = [entry["pip"] for entry in dependencies if isinstance(entry, dict)]
    assert by_pip[-1] == "-e ."
    assert specifiers(by_pip[:-1]) == WANTED


def test_environment_takes_only_python_graphviz_and_pip_from_conda_forge():
    environment = yaml.safe_load(ENVIRONMENT)
    assert environment["channels"] == ["conda-forge"]
    by_conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    assert by_conda == ["python=3.12", "graphviz", "pip"]


def test_python_of_conda_is_one_that_pyproject_allows_and_names():
    (version,) = re.findall(r"- python=(\S+)", ENVIRONMENT)
    assert Version(version) in SpecifierSet(PROJECT["requires-python"])
    assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]


def test_every_dependency_of_the_environment_has_a_comment():
    entries = re.findall(r"^ +- (?!pip:).*$", ENVIRONMENT.split("dependencies:")[1], re.M)
    assert len(entries) == len(WANTED) + 4
    assert [line for line in entries if not re.search(r"  # \w", line)] == []


@pytest.mark.parametrize("name", sorted(WANTED))
def test_lock_has_a_version_that_pyproject_allows(name):
    assert locked()[name] in WANTED[name]


def imported(*sources):
    """Distributions that these sources import, wherever in them."""
    found = set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module.split(".")[0])
    return {"scikit-learn" if name == "sklearn" else name for name in found}


PACKAGE = [path.read_text(encoding="utf-8") for path in (ROOT / "biomask").rglob("*.py")]


def test_package_imports_only_what_is_declared():
    extras = PROJECT["optional-dependencies"]
    chosen = [line for name, extra in extras.items() if name != "dev" for line in extra]
    needed = [*PROJECT["dependencies"], *chosen]
    declared = {*specifiers(needed), "biomask", "rdata"}  # rdata: build.py says
    assert imported(*PACKAGE) - sys.stdlib_module_names <= declared


def test_package_and_notebooks_import_all_that_is_declared():
    notebooks = (nbformat.read(path, 4) for path in (ROOT / "notebooks").glob("*.ipynb"))
    cells = [c.source for book in notebooks for c in book.cells if c.cell_type == "code"]
    code = [re.sub(r"^[ ]*[%!].*$", "", source, flags=re.M) for source in cells]
    not_imported = {"jupyterlab"}  # what the notebooks are opened in
    assert set(specifiers(PROJECT["dependencies"])) - imported(*PACKAGE, *code) == not_imported


def test_lock_leaves_biomask_out():
    assert "biomask" not in locked()
