"""The one registry: names -> objects, filled by decorators, by the classes that a package's sources declare and by entry points.

::

    get("swinjscc") ── known? ───────────────────────────────────────────────────> object
                   └─ no ── import the module with @METHODS.register("swinjscc") ──> object
                          └ load the entry point swinjscc ───────────────────────> object   (another distribution registers it)
                          └ neither: UnknownNameError with the nearest name

Nothing is imported before it is asked for: what a package declares is read from its sources, so listing names costs no deep-learning
import, and a file without the decorator is no entry, whatever lies in the folder.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Generic, TypeVar

from benchmarks.common.errors import DuplicateNameError, UnknownNameError
from benchmarks.common.names import unknown
from benchmarks.common.sources import Declaration, declaration_at, declarations

T = TypeVar("T")


class Registry(Generic[T]):
    """Named objects of one kind.

    Args:
        kind: what the entries are, for messages ("method", "metric").
        entries: objects known from the start.
        package: a package in whose files classes register themselves; searched without importing them.
        decorator: how they do it, ``METHODS.register``.
        group: an entry-point group through which other distributions add entries.
        besides: how else an entry is named, which the message of an unknown name says.
    """

    def __init__(
        self,
        kind: str,
        entries: Mapping[str, T] | None = None,
        *,
        package: str | None = None,
        decorator: str = "",
        group: str | None = None,
        besides: str = "",
    ) -> None:
        self.kind = kind
        self._entries: dict[str, T] = dict(entries or {})
        self._package = package
        self._decorator = decorator
        self._group = group
        self._besides = besides

    def register(self, name: str) -> Callable[[T], T]:
        """Decorate an object to register it as ``name``.

        Raises:
            DuplicateNameError: ``name`` is taken by another definition.
        """

        def decorate(entry: T) -> T:
            taken = self._entries.get(name)
            if taken is not None and self._origin(taken) != self._origin(entry):
                raise DuplicateNameError(
                    f"the {self.kind} '{name}' is defined twice, by {self._origin(taken)} and by {self._origin(entry)}; rename one of them"
                )
            self._entries[name] = entry
            return entry

        return decorate

    def get(self, name: str) -> T:
        """Return the entry called ``name``, importing its module if need be.

        Raises:
            UnknownNameError: no such entry; the message suggests the nearest name.
        """
        if name not in self._entries:
            self._load(name)
        if name not in self._entries:
            if (declared := self.declared(name)) is not None:
                raise UnknownNameError(
                    f"{declared.source.module} registers no {self.kind} '{name}' when it is imported, although it says so; "
                    "let the decorator stand on a class that is defined in any case"
                )
            raise unknown(self.kind, name, self.names(), self._besides)
        return self._entries[name]

    def _load(self, name: str) -> None:
        declared, points = self.declared(name), self._entry_points()
        if declared is not None and name in points:
            both = f"a class of {declared.source.module} and an entry point"
            raise DuplicateNameError(f"the {self.kind} '{name}' is both {both}; rename one of them")
        if declared is not None:
            importlib.import_module(declared.source.module)
        elif name in points:
            loaded = points[name].load()
            if not isinstance(loaded, ModuleType):
                self.register(name)(loaded)
            elif name not in self._entries:
                raise UnknownNameError(
                    f"the entry point '{name}' leads to {points[name].value}, which registers no {self.kind} of that name; "
                    f"let it lead to the class, or register it as '{name}'"
                )

    def check_alone(self, name: str) -> None:
        """Raise a :class:`DuplicateNameError` if the entry called ``name`` hides one of the package or of an entry point."""
        entry, declared = self._entries[name], self.declared(name)
        elsewhere = declared is not None and self._origin(entry) != f"{declared.source.module}.{declared.node.name}"
        if elsewhere or name in self._entry_points():
            del self._entries[name]
            raise DuplicateNameError(f"the {self.kind} '{name}' of {self._origin(entry)} bears a name that is taken; rename it")

    def here(self) -> Mapping[str, T]:
        """Return the entries that are there without importing anything."""
        return dict(self._entries)

    def forget(self, module: str) -> None:
        """Let go of the entries that a module has registered, which is about to be imported again."""
        self._entries = {name: entry for name, entry in self._entries.items() if getattr(entry, "__module__", None) != module}

    def declared(self, name: str) -> Declaration | None:
        """Return what the package's sources say of ``name`` without importing it; ``None`` for what comes from elsewhere.

        Raises:
            DuplicateNameError: two classes of the package register it.
        """
        found = self._declared().get(name, [])
        if len(found) > 1:
            places = " and by ".join(f"{each.source.module}.{each.node.name}" for each in found)
            raise DuplicateNameError(f"the {self.kind} '{name}' is defined twice, by {places}; rename one of them")
        return found[0] if found else None

    def sources(self, name: str) -> Declaration | None:
        """Return what sources say of ``name``, those of another distribution's entry point included, without importing it; else ``None``.

        Raises:
            DuplicateNameError: two classes of the package register it.
            UnreadableSourceError: its file is no valid Python.
        """
        if (own := self.declared(name)) is not None:
            return own
        point = self._entry_points().get(name)
        return None if point is None or not point.attr else declaration_at(name, point.module, point.attr)

    def loaded(self, name: str) -> T | None:
        """Return the entry called ``name`` if it is there without importing anything."""
        return self._entries.get(name)

    def names(self) -> list[str]:
        """Return every name that :meth:`get` answers, sorted."""
        return sorted({*self._entries, *self._declared(), *self._entry_points()})

    def items(self) -> Iterator[tuple[str, T]]:
        """Yield each name with its entry, importing what is not imported yet."""
        for name in self.names():
            yield name, self.get(name)

    def __contains__(self, name: str) -> bool:
        return name in self.names()

    def _declared(self) -> dict[str, list[Declaration]]:
        return declarations(self._package, self._decorator) if self._package else {}

    def _entry_points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self._group)} if self._group else {}

    @staticmethod
    def _origin(entry: object) -> str:
        return f"{getattr(entry, '__module__', type(entry).__module__)}.{getattr(entry, '__qualname__', repr(entry))}"
