"""What Python sources state, read without running them, so that what is registered can be named without loading what it needs.

::

    package folder ──files with the decorator──> Declaration(name, module, class) ── attribute("paper") ──> the expression
                                                                                        │ of the class or of its first-party bases
                                                                                        └─ constant(), keys(): its value, or NotStatedError
"""

import ast
import functools
import importlib
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common.errors import UnreadableSourceError


class NotStatedError(Exception):
    """A value that the source computes and does not state; only running it would tell."""


@dataclass(frozen=True, eq=False)
class Source:
    """A module's syntax tree and what its top level binds.

    Attributes:
        module: dotted name.
        tree: its syntax tree.
    """

    module: str
    tree: ast.Module

    @functools.cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """Its classes by name."""
        return {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}

    @functools.cached_property
    def values(self) -> dict[str, ast.expr]:
        """What its names are assigned."""
        return dict(_assigned(self.tree.body))

    @functools.cached_property
    def imported(self) -> dict[str, tuple[str, str]]:
        """Names from other modules: (module, name there)."""
        froms = [node for node in self.tree.body if isinstance(node, ast.ImportFrom) and node.module and not node.level]
        return {alias.asname or alias.name: (str(node.module), alias.name) for node in froms for alias in node.names}


@dataclass(frozen=True)
class Stated:
    """An expression and the module whose names it uses."""

    source: Source
    node: ast.expr

    def constant(self) -> Any:
        """Return the string, number or the like that it is.

        Raises:
            NotStatedError: it is none.
        """
        found = self._followed()
        if isinstance(found.node, ast.Constant):
            return found.node.value
        raise NotStatedError(f"{self.source.module}: {ast.unparse(self.node)} is computed")

    def keys(self) -> list[str]:
        """Return the keys of the dictionary that it is; errors as in :meth:`constant`."""
        found = self._followed()
        if not isinstance(found.node, ast.Dict):
            raise NotStatedError(f"{self.source.module}: {ast.unparse(self.node)} is computed")
        keys: list[str] = []
        for key, value in zip(found.node.keys, found.node.values, strict=True):
            keys += Stated(found.source, value).keys() if key is None else [Stated(found.source, key).constant()]
        return keys

    def texts(self) -> dict[str, str]:
        """Return the dictionary of strings that it is; errors as in :meth:`constant`."""
        found = self._followed()
        if not isinstance(found.node, ast.Dict):
            raise NotStatedError(f"{self.source.module}: {ast.unparse(self.node)} is computed")
        texts: dict[str, str] = {}
        for key, value in zip(found.node.keys, found.node.values, strict=True):
            stated = Stated(found.source, value)
            texts |= stated.texts() if key is None else {str(Stated(found.source, key).constant()): str(stated.constant())}
        return texts

    def _followed(self) -> "Stated":
        """Return what a name stands for, wherever in the package it is assigned."""
        if not isinstance(self.node, ast.Name):
            return self
        if (value := self.source.values.get(self.node.id)) is not None:
            return Stated(self.source, value)._followed()
        module, name = self.source.imported.get(self.node.id, ("", ""))
        if (other := _source_of(module, self.source)) is None:
            raise NotStatedError(f"{self.source.module}: {self.node.id} comes from elsewhere")
        return Stated(other, ast.Name(name))._followed()


@dataclass(frozen=True)
class Declaration:
    """A class that its decorator registers.

    Attributes:
        name: as registered.
        source: the module it stands in.
        node: the class.
    """

    name: str
    source: Source
    node: ast.ClassDef

    def attribute(self, name: str) -> Stated | None:
        """Return what the class or the nearest base inside the package assigns to ``name``, or ``None``."""
        for source, node in self.lineage():
            if (value := dict(_assigned(node.body)).get(name)) is not None:
                return Stated(source, value)
        return None

    def method(self, name: str) -> tuple[ast.FunctionDef, Source]:
        """Return the definition of a method in the class or in the nearest base inside the package that has one, and its module.

        Raises:
            NotStatedError: there is none.
        """
        for source, cls in self.lineage():
            for node in cls.body:
                if isinstance(node, ast.FunctionDef) and node.name == name:
                    return node, source
        raise NotStatedError(f"{self.source.module}.{self.node.name} defines no {name}")

    def lineage(self) -> Iterator[tuple[Source, ast.ClassDef]]:
        """Yield the class and its bases inside the package, depth first; Python's order where no base has two heirs."""
        return _lineage(self.source, self.node)


def declarations(package: str, decorator: str) -> dict[str, list[Declaration]]:
    """Return the classes below ``package`` that carry ``@decorator(NAME)``, by name.

    Raises:
        UnreadableSourceError: a file that mentions the decorator is no valid Python.
    """
    found: dict[str, list[Declaration]] = {}
    for module, path in _modules(package):
        source = _read(module, path, path.stat().st_mtime_ns, decorator)
        for node in source.classes.values() if source is not None else ():
            for call in node.decorator_list:
                if source and isinstance(call, ast.Call) and ast.unparse(call.func) == decorator and len(call.args) == 1:
                    name = str(Stated(source, call.args[0]).constant())
                    found.setdefault(name, []).append(Declaration(name, source, node))
    return found


def declaration_at(name: str, module: str, attribute: str) -> Declaration | None:
    """Return what the source of ``module`` says of its class ``attribute``, registered as ``name``; nothing of its package is imported.

    Returns:
        ``None`` where the module has no source here or defines no such class.

    Raises:
        UnreadableSourceError: its file is no valid Python.
    """
    for path in _files(module):
        source = _read(module, path, path.stat().st_mtime_ns)
        if source is not None and (found := _class(source, attribute)) is not None:
            return Declaration(name, *found)
    return None


def _files(module: str) -> Iterator[Path]:
    """Yield the file of a module, found beside its topmost package, which is looked for and not imported."""
    root, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(root)
    except ValueError:
        return
    if spec is None:
        return
    if not rest:
        bases = [Path(spec.origin)] if spec.origin and spec.origin.endswith(".py") else []
    else:
        folders = [Path(folder, *rest) for folder in spec.submodule_search_locations or ()]
        bases = [path for folder in folders for path in (folder.with_suffix(".py"), folder / "__init__.py")]
    yield from (path for path in bases if path.is_file())


def _modules(package: str) -> Iterator[tuple[str, Path]]:
    """Yield every module below ``package`` with its file: modules beside it and packages, to any depth."""

    def below(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
        for path in sorted(folder.iterdir()):
            if path.suffix == ".py" and path.stem != "__init__":
                yield f"{prefix}.{path.stem}", path
            elif (path / "__init__.py").is_file():
                yield f"{prefix}.{path.name}", path / "__init__.py"
                yield from below(path, f"{prefix}.{path.name}")

    for folder in importlib.import_module(package).__path__:
        yield from below(Path(folder), package)


@functools.lru_cache(maxsize=1024)
def _read(module: str, path: Path, changed: int, mentioning: str = "") -> Source | None:
    """Return a file's tree, ``None`` where its text lacks ``mentioning``; ``changed`` tells apart the states of one file."""
    text = path.read_text(encoding="utf-8")
    if mentioning not in text:
        return None
    try:
        return Source(module, ast.parse(text))
    except SyntaxError as error:
        raise UnreadableSourceError(f"{path} is no valid Python: {error.msg}, line {error.lineno}; correct it") from None


def _source_of(module: str, asking: Source) -> Source | None:
    """Return a module of the package that ``asking`` belongs to, ``None`` for one of elsewhere."""
    root, _, rest = module.partition(".")
    if not rest or root != asking.module.partition(".")[0]:
        return None
    path = next(_files(module), None)
    return None if path is None else _read(module, path, path.stat().st_mtime_ns)


def _lineage(source: Source, node: ast.ClassDef) -> Iterator[tuple[Source, ast.ClassDef]]:
    yield source, node
    for base in node.bases:
        name = base.value if isinstance(base, ast.Subscript) else base
        if isinstance(name, ast.Name) and (found := _class(source, name.id)) is not None:
            yield from _lineage(*found)


def _class(source: Source, name: str) -> tuple[Source, ast.ClassDef] | None:
    if name in source.classes:
        return source, source.classes[name]
    module, there = source.imported.get(name, ("", ""))
    other = _source_of(module, source)
    return None if other is None else _class(other, there)


def _assigned(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value
        elif isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
