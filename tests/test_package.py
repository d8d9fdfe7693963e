"""What importing costs, which way imports point, and that the README's example runs."""

import ast
import graphlib
import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import biomask as bm

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "biomask"
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
# What each part of the house may import, beside itself; "base" is errors and storage.
MAY_IMPORT = {
    "base": set(),
    "masks": {"base"},
    "datasets": {"base", "masks"},
    "networks": {"base", "masks"},
    "inference": {"base", "masks", "networks"},
    "views": {"base", "masks", "inference"},
}


def fresh_python(code):
    """Run `code` in a new interpreter and return what it printed."""
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


# ------------------------------------------------------------------------ what importing costs


def test_import_biomask_loads_nothing_heavy():
    code = """
import sys, biomask
dir(biomask)
heavy = ("tensorflow", "keras", "anndata", "pandas", "numpy", "scipy", "matplotlib")
print(*[name for name in heavy if name in sys.modules])
"""
    assert fresh_python(code) == []


def test_masks_datasets_and_views_leave_tensorflow_out():
    modules = [
        name
        for name in SOURCES
        if name.split(".")[1:2] in (["masks"], ["datasets"], ["views"], ["errors"], ["storage"])
    ]
    assert "biomask.masks.mask" in modules
    code = f"""
import importlib, sys
for name in {modules!r}:
    importlib.import_module(name)
print(*[name for name in ("tensorflow", "keras") if name in sys.modules])
"""
    assert fresh_python(code) == []


# ------------------------------------------------------------------------ public names


def signatures() -> list[str]:
    """Every public function, class and method, as name(parameters with defaults)."""
    found = {}
    for name in bm.__all__:
        value = getattr(bm, name)
        if callable(value) and value is not bm.BiomaskWarning:  # which has none
            found[name] = value
        if inspect.isclass(value) or inspect.ismodule(value):
            found |= {
                f"{name}.{key}": member
                for key, member in inspect.getmembers(value, inspect.isroutine)
                if key[0] != "_" and str(getattr(member, "__module__", "")).startswith("biomask")
            }
    return [f"{name}{_without_types(found[name])}" for name in sorted(found)]


def _without_types(function) -> inspect.Signature:
    signature = inspect.signature(function)
    plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return signature.replace(parameters=plain, return_annotation=signature.empty)


def test_defaults_are_those_of_the_release():
    """A default that changes changes results. One changed on purpose is written here too."""
    kept = Path(__file__).with_name("data") / "signatures.txt"
    assert signatures() == kept.read_text("utf-8").splitlines()


@pytest.mark.parametrize("name", bm.__all__)
def test_public_name_resolves_and_is_documented(name):
    value = getattr(bm, name)
    if name != "__version__":
        assert inspect.getdoc(value)


def test_public_names_are_unique_and_unknown_ones_are_refused():
    assert len(set(bm.__all__)) == len(bm.__all__)
    assert set(bm.__all__) <= set(dir(bm))
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        bm.no_such_name  # noqa: B018


def test_version_is_that_of_the_project():
    (version,) = re.findall(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert bm.__version__ == version
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## {version}" in (ROOT / "CHANGELOG.md").read_text()


# ------------------------------------------------------------------------ the source


def room(module):
    """The room of a module, "base" for errors and storage, None for the facade."""
    parts = module.split(".")
    if len(parts) == 1:
        return None
    return parts[1] if parts[1] in MAY_IMPORT else "base"


def imported(module, *, typing):
    """Modules of biomask that `module` imports anywhere; `typing` adds those for types only."""
    path = SOURCES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in [] if typing else list(ast.walk(tree)):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names = {f"{base}.{alias.name}" for alias in node.names} - {"biomask.__version__"}
            found |= {name if name in SOURCES else base for name in names}
    return {name for name in found if name.split(".")[0] == "biomask"}


@pytest.mark.parametrize("module", [name for name in SOURCES if room(name)])
def test_imports_point_one_way(module):
    here = room(module)
    for other in imported(module, typing=True):
        there = room(other)
        assert there is not None, f"{module} imports the facade"
        assert there == here or there in MAY_IMPORT[here], f"{module} imports {other}"


def test_no_module_imports_itself_through_others():
    graph = {module: imported(module, typing=False) for module in SOURCES}
    tuple(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("module", SOURCES)
def test_no_assert_is_used_as_validation(module):
    tree = ast.parse(SOURCES[module].read_text(encoding="utf-8"))
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)] == []


# ------------------------------------------------------------------------ the README


def readme_blocks():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)


def test_readme_examples_run(tmp_path, monkeypatch):
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BIOMASK_FIGURES", str(tmp_path))
    plt.switch_backend("Agg")
    blocks = readme_blocks()
    assert blocks
    names = {"__name__": "__main__"}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"README.md, block {number}", "exec"), names)
    plt.close("all")


@pytest.mark.parametrize("page", ["README.md", "notebooks/README.md"])
def test_links_lead_to_files(page):
    path = ROOT / page
    links = re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))
    inside = {link.partition("#")[0] for link in links if not link.startswith(("http", "#"))}
    assert inside
    assert [link for link in sorted(inside) if not (path.parent / link).exists()] == []
