"""Public names of a package that are imported when they are first used, so that naming the package loads nothing (PEP 562)."""

import importlib
import sys
from collections.abc import Collection, Sequence
from typing import Any


def lazy_attribute(package: str, name: str, public: Collection[str], modules: Sequence[str]) -> Any:
    """Return what ``package`` exports as ``name``, for its ``__getattr__``, and keep it there for the next time.

    Args:
        package: ``__name__`` of the package.
        name: the attribute asked for.
        public: ``__all__`` of the package.
        modules: modules below the package that define the names, the light ones first, since each is imported until one has the name.

    Raises:
        AttributeError: the package exports no such name.
    """
    for module in modules if name in public else ():
        found = importlib.import_module(f"{package}.{module}")
        if hasattr(found, name):
            setattr(sys.modules[package], name, getattr(found, name))
            return getattr(found, name)
    raise AttributeError(f"module '{package}' has no attribute '{name}'")
