"""What a method's modules and classes hold beside its instances, set back for a while: a receiver elsewhere would not have it.

::

    state = ModuleState(cls) ──> encode fills a dictionary of the module ──> with state.as_it_was(): decode, which finds it as it was before
"""

import functools
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_KINDS = (dict, list, set, deque)
# What every method stands on, which holds registries and no images.
_SHARED = "methods"


class ModuleState:
    """The content of the containers that the modules and classes of a method hold now.

    Args:
        cls: class of the method; its bases count, and the modules of its package.

    Example:
        >>> class Keeping:
        ...     kept = {}
        >>> state = ModuleState(Keeping)
        >>> Keeping.kept["message"] = "image"
        >>> with state.as_it_was():
        ...     len(Keeping.kept)
        0
        >>> Keeping.kept
        {'message': 'image'}
    """

    def __init__(self, cls: type) -> None:
        self._before = [(each, _content(each)) for each in _containers(cls)]

    @contextmanager
    def as_it_was(self) -> Iterator[None]:
        """Set the containers back for the length of the block; afterwards they hold what they held before it."""
        now = [(each, _content(each)) for each, _ in self._before]
        try:
            for each, content in self._before:
                _fill(each, content)
            yield
        finally:
            for each, content in now:
                _fill(each, content)


@functools.cache
def state_at_first(cls: type) -> ModuleState:
    """Return the state when this process first asked for it, before a variant of the method has sent anything here."""
    return ModuleState(cls)


def _containers(cls: type) -> list[Any]:
    # A library's containers are its own business, and other code's as well.
    own = cls.__module__.partition(".")[0]
    bases = [base for base in cls.__mro__ if base.__module__.partition(".")[0] == own]
    modules = {base.__module__ for base in bases}
    packages = tuple(f"{package}." for each in modules if (package := each.rpartition(".")[0]) not in ("", _SHARED))
    named = (module for name, module in list(sys.modules.items()) if name in modules or f"{name}.".startswith(packages))
    holders: list[type | ModuleType] = [*bases, *(module for module in named if isinstance(module, ModuleType))]
    found = {id(value): value for holder in holders for name, value in list(vars(holder).items()) if _own(name, value)}
    return list(found.values())


def _own(name: str, value: Any) -> bool:
    return type(value) in _KINDS and not (name.startswith("__") and name.endswith("__"))


def _content(container: Any) -> list[Any]:
    return list(container.items()) if isinstance(container, dict) else list(container)


def _fill(container: Any, content: list[Any]) -> None:
    container.clear()
    if isinstance(container, list | deque):
        container.extend(content)
    else:
        container.update(content)
