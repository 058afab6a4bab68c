"""The examples in docstrings, run as they stand in a folder that has a run, and without Ray; and what those of the pages import."""

import ast
import doctest
import importlib
import re
import sys
from pathlib import Path

import pytest

import suite
from helpers.places import ROOT
from helpers.sources import STACK, modules

NOTATION = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def docstrings(module: str) -> dict[str, str]:
    """Return the docstrings of a module, its classes and its functions by their dotted names."""
    found = {}

    def visit(node: ast.AST, name: str) -> None:
        if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
            found[name] = text
        for child in ast.iter_child_nodes(node):
            visit(child, f"{name}.{child.name}" if isinstance(child, DOCUMENTED[1:]) else name)

    visit(ast.parse(modules()[module].read_text(encoding="utf-8")), module)
    return found


WRITTEN = {(module, name): text for module in modules() for name, text in docstrings(module).items()}
EXAMPLES = [where for where, text in WRITTEN.items() if ">>>" in text]
WITH_CODE = (ROOT / "README.md", *(page for part in STACK for page in sorted((ROOT / part).rglob("*.md"))))
PAGES = [page for page in WITH_CODE if "```python" in page.read_text(encoding="utf-8")]
API = (
    "suite",
    "suite.api.run",
    "suite.api.train",
    "suite.api.evaluate",
    "suite.report.results.load_results",
    "suite.transmission",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A working folder with the run ``results/quick``: of the quick grid, one method, one ratio, one picture."""
    here = tmp_path_factory.mktemp("examples")
    settings = {"cr": ["1/24"], "metrics": ["psnr"]}
    suite.run("quick", methods="digital/jpeg", limit=1, settings=settings, out=here / "results" / "quick", executor="inline", quiet=True)
    return here


def ray_is_up() -> bool:
    return "ray" in sys.modules and sys.modules["ray"].is_initialized()


@pytest.mark.parametrize(("module", "name"), EXAMPLES, ids=[name for _, name in EXAMPLES])
def test_an_example_runs_as_it_stands(module, name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    before = ray_is_up()
    names = vars(importlib.import_module(module)).copy()
    example = doctest.DocTestParser().get_doctest(WRITTEN[module, name], names, name, str(modules()[module]), 0)
    said: list[str] = []
    doctest.DocTestRunner(optionflags=NOTATION).run(example, out=said.append)
    assert not said, "".join(said)
    assert ray_is_up() == before


def test_every_example_is_one_that_runs():
    silent = [name for (_, name), text in WRITTEN.items() if "\nExample" in f"\n{text}" and ">>>" not in text]
    assert not silent, f"an example without '>>>' is never run: {', '.join(silent)}"


def test_the_python_interface_shows_its_use():
    assert set(API) - {name for _, name in EXAMPLES} == set()


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_what_a_page_imports_is_there(page):
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(str(node.module))
                absent = [alias.name for alias in node.names if not hasattr(module, alias.name)]
                assert not absent, f"{node.module} has no {', '.join(absent)}"
