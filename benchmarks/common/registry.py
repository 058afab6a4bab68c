"""The one registry: names -> objects, filled by decorators, by modules found on disk and by entry points.

::

    get("swinjscc") ── known? ──────────────────────────────> object
                   └─ no ── import <package>.swinjscc ──────> object   (the module's decorator registers it)
                          └ load the entry point swinjscc ──> object   (another distribution registers it)
                          └ neither: UnknownNameError with the nearest name

Nothing is imported before it is asked for, so listing names costs no deep-learning import.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Generic, TypeVar

from methods.errors import DuplicateNameError, UnknownNameError

T = TypeVar("T")


def nearest(name: str, candidates: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the candidate closest to ``name``, or an empty string."""
    close = difflib.get_close_matches(name, list(candidates), n=1, cutoff=0.5)
    return f" Did you mean '{close[0]}'?" if close else ""


class Registry(Generic[T]):
    """Named objects of one kind.

    Args:
        kind: what the entries are, for messages ("method", "metric").
        entries: objects known from the start.
        package: a package whose modules each register the entry of their own name; searched lazily.
        infrastructure: module names in ``package`` that are not entries.
        group: an entry-point group through which other distributions add entries.
    """

    def __init__(
        self,
        kind: str,
        entries: Mapping[str, T] | None = None,
        *,
        package: str | None = None,
        infrastructure: Iterable[str] = (),
        group: str | None = None,
    ) -> None:
        self.kind = kind
        self._entries: dict[str, T] = dict(entries or {})
        self._package = package
        self._infrastructure = frozenset(infrastructure)
        self._group = group

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
            if name in self._module_names():
                if name in self._entry_points():
                    both = f"a module of {self._package} and an entry point"
                    raise DuplicateNameError(f"the {self.kind} '{name}' is both {both}; rename one of them")
                importlib.import_module(f"{self._package}.{name}")
            elif name in (points := self._entry_points()):
                loaded = points[name].load()
                if not isinstance(loaded, ModuleType):
                    self.register(name)(loaded)
        if name not in self._entries:
            raise UnknownNameError(f"unknown {self.kind} '{name}'.{nearest(name, self.names())} Known: {', '.join(self.names())}.")
        return self._entries[name]

    def names(self) -> list[str]:
        """Return every name that :meth:`get` answers, sorted."""
        return sorted({*self._entries, *self._module_names(), *self._entry_points()})

    def items(self) -> Iterator[tuple[str, T]]:
        """Yield each name with its entry, importing what is not imported yet."""
        for name in self.names():
            yield name, self.get(name)

    def __contains__(self, name: str) -> bool:
        return name in self.names()

    def _module_names(self) -> set[str]:
        if self._package is None:
            return set()
        path = importlib.import_module(self._package).__path__
        return {module.name for module in pkgutil.iter_modules(path)} - self._infrastructure

    def _entry_points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self._group)} if self._group else {}

    @staticmethod
    def _origin(entry: object) -> str:
        return f"{getattr(entry, '__module__', type(entry).__module__)}.{getattr(entry, '__qualname__', repr(entry))}"
