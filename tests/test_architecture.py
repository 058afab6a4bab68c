"""The stack suite -> methods -> benchmarks, read from the sources: no arrow up, no circle, no hidden import, nothing heavy at the start."""

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from helpers.places import ROOT
from helpers.sources import STACK, modules

HEAVY = ("torch", "ray")
# What a help page does without besides: each takes longer to load than the page to print.
HEAVIER_THAN_HELP = (*HEAVY, "pandas", "pyarrow", "scipy", "skimage", "sklearn", "matplotlib", "numpy", "pydantic")
MODULE_LINES, FUNCTION_LINES = 300, 60
REASON = "# Late:"
COMMANDS = (
    *(
        "suite.run",
        "suite.train",
        "suite.evaluate",
        "suite.tables",
        "suite.list",
        "suite.doctor",
        "suite.trends",
        "suite.compare",
        "suite.export",
        "suite.complexity",
        "suite.submit",
        "suite.leaderboard",
        "suite.saliency",
    ),
    *("suite.scene_models", "suite.speed", "suite.faults", "suite.shipping", "suite.assets", "suite.docs", "suite.new", "suite.check"),
)


@dataclass(frozen=True)
class Import:
    """One import of a module of the project.

    Attributes:
        module: who imports.
        target: the module that is imported.
        line: where.
        late: whether it stands inside a function.
        explained: whether a comment beside or above it states why.
    """

    module: str
    target: str
    line: int
    late: bool
    explained: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def visited(node: ast.AST, late: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Yield every node that runs, and whether it stands inside a function; what only type checkers read is left out."""
    for child in ast.iter_child_nodes(node):
        inside = late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield child, inside
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from visited(other, inside)
            continue
        yield from visited(child, inside)


def named(node: ast.AST, module: str) -> list[str]:
    """Return the modules, of whatever origin, that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    assert not node.level, f"{module} imports relatively; write the whole name"
    whole = [f"{node.module}.{alias.name}" for alias in node.names]
    return [name if name in modules() else str(node.module) for name in whole]


def explained(lines: list[str], first: int, last: int) -> bool:
    """Return whether the import in these lines, or the block of imports it stands in, has its reason beside or above it."""
    if any(REASON in line for line in lines[first - 1 : last]):
        return True
    above = first - 2
    while above >= 0 and (not lines[above].strip() or lines[above].lstrip().startswith(("import ", "from ", "#"))):
        if lines[above].lstrip().startswith(REASON):
            return True
        above -= 1
    return False


@functools.cache
def imports() -> tuple[Import, ...]:
    """Return every import of one module of the project by another."""
    found = []
    for module, path in modules().items():
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        for node, late in visited(ast.parse(text)):
            for target in dict.fromkeys(named(node, module)):
                if target.partition(".")[0] in STACK and target != module:
                    found.append(Import(module, target, node.lineno, late, explained(lines, node.lineno, node.end_lineno or node.lineno)))
    return tuple(found)


def test_nothing_imports_what_stands_on_it():
    rank = {package: height for height, package in enumerate(STACK)}
    upward = [str(each) for each in imports() if rank[each.target.partition(".")[0]] > rank[each.module.partition(".")[0]]]
    assert not upward, "\n".join(upward)


def test_no_modules_import_one_another_in_a_circle():
    """Tarjan's strongly connected components, late imports included: they would only hide a circle."""
    graph: dict[str, set[str]] = {module: set() for module in modules()}
    for each in imports():
        if each.target in graph:
            graph[each.module].add(each.target)
    assert not (circles := ["  ".join(sorted(component)) for component in components(graph)]), "\n".join(circles)


def components(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of more than one module of which each reaches all others."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = [stack.pop()]
            while group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(group)

    for node in graph:
        if node not in index:
            visit(node)
    return found


def test_an_import_inside_a_function_states_its_reason():
    hidden = [str(each) for each in imports() if each.late and not each.explained]
    assert not hidden, "\n".join(hidden)


def test_ray_is_imported_under_suite_alone():
    found = []
    for module, path in modules().items():
        names = [name for node, _ in visited(ast.parse(path.read_text(encoding="utf-8"))) for name in named(node, module)]
        if not module.startswith("suite") and any(name.partition(".")[0] == "ray" for name in names):
            found.append(module)
    assert not found, "\n".join(found)


def test_modules_and_functions_are_short():
    long = []
    for module, path in modules().items():
        text = path.read_text(encoding="utf-8")
        if (lines := len(text.splitlines())) > MODULE_LINES:
            long.append(f"{module}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (span := node.end_lineno - node.lineno + 1) > FUNCTION_LINES:
                long.append(f"{module}.{node.name}: {span} lines")
    assert not long, "\n".join(long)


def loaded(code: str, libraries: tuple[str, ...], *arguments: str) -> set[str]:
    """Return which of ``libraries`` a fresh process has loaded after ``code``, whatever it printed or however it ended."""
    report = (
        f"import atexit, sys; atexit.register(lambda: print('LOADED', *[n for n in {libraries!r} if n in sys.modules], file=sys.stderr))"
    )
    done = subprocess.run([sys.executable, "-c", f"{report}\n{code}", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300)
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("LOADED"))
    assert "Traceback" not in done.stderr, done.stderr
    return set(line.split()[1:])


def command(module: str, *arguments: str) -> str:
    return f"import runpy, sys; sys.argv = {[module, *arguments]!r}; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"


def test_the_packages_load_nothing():
    assert loaded("import suite, methods, benchmarks, methods.generative", HEAVIER_THAN_HELP) == set()


@pytest.mark.parametrize("module", COMMANDS)
def test_a_help_page_loads_no_library_it_does_not_need(module):
    assert loaded(command(module, "--help"), HEAVIER_THAN_HELP) == set()


@pytest.mark.parametrize("arguments", [(), ("methods", "--json")])
def test_the_listing_loads_neither_torch_nor_ray(arguments):
    assert loaded(command("suite.list", *arguments), (*HEAVY, "pandas", "scipy", "transformers")) == set()


def test_the_tables_of_a_run_load_neither_torch_nor_ray(tmp_path):
    assert loaded(command("suite.tables", str(tmp_path)), HEAVY) == set()
    reference = "import sys; from suite.report import tables, figures, page, qualitative, capacity"
    assert loaded(reference, HEAVY) == set()


@pytest.mark.parametrize("key", ["chanels=[awgn]", "training.stps=3"])
def test_a_misspelt_key_is_told_before_anything_heavy_is_loaded(key):
    check = f"from suite.config.reading import build_grid, override, read_grid; build_grid(override(read_grid('quick'), [{key!r}]))"
    assert loaded(f"try:\n    {check}\nexcept Exception as error:\n    print(error)", HEAVY) == set()
