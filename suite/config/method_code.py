"""The code of a method as its results depend on it: a hash of what its modules do, whatever their comments say.

::

    class ──modules of its bases──> imports, as far as they are the project's methods or the method's own ──> syntax trees ──> digest

Read from the source by its syntax, so nothing is imported for it. Comments, docstrings and formatting are not in a tree.
"""

import ast
import functools
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType

from benchmarks.common.hashing import digest
from benchmarks.common.lazy import lazy_attribute
from methods.files import INSTALLED

# The package of the project's own methods and of what they share.
METHODS = "methods"
# What only tables, legends and checks read of a class.
_NAMES = {"display_names", "legend_names", "expected_failures"}
# Fields of a tree that say nothing of what the code does, or that only some versions of Python have.
_UNSAID = {"type_ignores", "type_comment", "type_params", "kind", "ctx"}


@functools.cache
def method_code(cls: type) -> str:
    """Return the digest of a method's code: of its class's modules and of all it reaches of ``methods`` and of its own package.

    A class in a single file reaches the modules that lie beside it. "" for a class whose source is nowhere, such as one typed
    into a shell.

    Raises:
        OSError: a module cannot be read.
    """
    start = {base.__module__: path for base in cls.__mro__ if (path := _source(base)) is not None}
    if cls.__module__ not in start:
        return ""
    return digest("code", _reached(start, _where(cls, start[cls.__module__])))


@dataclass(frozen=True)
class _Where:
    """Where modules are looked for.

    Attributes:
        packages: folders of the packages that count, by name.
        beside: folder of the class's file where that is in no package.
    """

    packages: Mapping[str, tuple[Path, ...]]
    beside: Path | None

    def counts(self, module: str) -> bool:
        """Return whether a module belongs to one of the packages."""
        return module.partition(".")[0] in self.packages

    def find(self, module: str) -> Path | None:
        """Return the file of a module that counts, or ``None``."""
        top, *rest = module.split(".")
        folders = self.packages.get(top, () if self.beside is None else (self.beside / top,))
        for folder in folders:
            target = folder.joinpath(*rest)
            for path in (target / "__init__.py", target.with_name(f"{target.name}.py")):
                if path.is_file():
                    return path
        return None


def _where(cls: type, file: Path) -> _Where:
    own = cls.__module__.partition(".")[0]
    packages = {name: found for name in (METHODS, own) if (found := tuple(map(Path, getattr(sys.modules.get(name), "__path__", ()))))}
    # Beside an installed file lies the whole environment.
    alone = own not in packages and not INSTALLED.intersection(file.parts)
    return _Where(packages, file.parent if alone else None)


def _source(cls: type) -> Path | None:
    """Return the file of a class that is written in Python and no part of it."""
    # A function knows its file, where two modules of one name may stand for one another.
    functions = [each for each in vars(cls).values() if isinstance(each, FunctionType)]
    file = functions[0].__code__.co_filename if functions else getattr(sys.modules.get(cls.__module__), "__file__", None)
    return Path(file) if file is not None and file.endswith(".py") and Path(file).is_file() else None


def _reached(start: Mapping[str, Path], where: _Where) -> dict[str, str]:
    """Return the modules that count and are reached from ``start`` by imports, at any depth, with the hashes of what they say."""
    own = next(iter(start))
    left = [(name, path) for name, path in start.items() if name == own or where.counts(name)]
    found: dict[str, str] = {}
    while left:
        name, path = left.pop()
        if name in found:
            continue
        state = path.stat()
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        imported, found[name] = _read(path, package, state.st_mtime_ns, state.st_size)
        for module in imported:
            if module not in found and (file := where.find(module)) is not None:
                left.append((module, file))
    return found


@functools.cache
def _read(path: Path, package: str, changed: int, size: int) -> tuple[frozenset[str], str]:
    """Return what a file imports, and the hash of what it says, its comments, docstrings and form left out.

    ``changed`` and ``size`` tell apart the states of one file.
    """
    text = path.read_bytes()
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return frozenset(), digest("module", repr(text))
    return _imported(tree, path, package), digest("module", _spelled(tree))


def _imported(tree: ast.Module, path: Path, package: str) -> frozenset[str]:
    """Return the names that a file imports, of modules or of what is in them, with the packages they lie in."""
    named = set(_names(tree, package))
    folder = {f"{name[:-1]}{each.stem}" for name in named if name.endswith("*") for each in _siblings(path, package, name)}
    whole = {name for name in named | folder if not name.endswith("*")}
    return frozenset(".".join(parts[:count]) for name in whole for parts in [name.split(".")] for count in range(1, len(parts) + 1))


def _siblings(path: Path, package: str, name: str) -> list[Path]:
    """Return the modules beside a file that imports ``<its package>.<a name that only a run knows>``."""
    return [each for each in path.parent.glob("*.py") if each.stem != "__init__"] if name == f"{package}.*" else []


def _names(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        parts = package.split(".")
        above = parts[: len(parts) - node.level + 1] if node.level else []
        base = ".".join([*above, *([node.module] if node.module else [])])
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")
    elif isinstance(node, ast.Call) and _called(node) == "import_module" and node.args:
        yield from _computed(node.args[0])
    elif isinstance(node, ast.Call) and _called(node) == lazy_attribute.__name__:
        # A package's names come from these of its modules when they are first asked for.
        yield from (f"{package}.{each.value!s}" for each in ast.walk(node.args[-1]) if isinstance(each, ast.Constant))
    # What is imported for a type checker alone never runs.
    skipped = node.body if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING") else []
    for child in ast.iter_child_nodes(node):
        if child not in skipped:
            yield from _names(child, package)


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func).rpartition(".")[2]


def _computed(name: ast.expr) -> Iterator[str]:
    """Yield the name that is given to ``import_module``; ``package.*`` for one of which the beginning alone is known."""
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        yield name.value
    elif isinstance(name, ast.JoinedStr) and isinstance(first := name.values[0], ast.Constant):
        beginning = str(first.value)
        yield from [f"{beginning}*"] if beginning.endswith(".") else []


def _spelled(value: object) -> str:
    """Return one spelling of a syntax tree, the same for every version of Python that knows its nodes."""
    if isinstance(value, ast.AST):
        said = [(name, each) for name, each in ast.iter_fields(value) if name not in _UNSAID and each is not None and each != []]
        return f"{type(value).__name__}({','.join(f'{name}={_spelled(each)}' for name, each in said)})"
    if isinstance(value, list):
        return f"[{','.join(_spelled(each) for each in value if not _is_text(each) and not _is_name(each))}]"
    return repr(value)


def _is_text(node: object) -> bool:
    """Return whether a statement is a string alone, which does nothing."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_name(node: object) -> bool:
    """Return whether a statement assigns only what a method is called."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return bool(targets) and all(isinstance(target, ast.Name) and target.id in _NAMES for target in targets)
