"""Functions that a setting names as ``package.module:callable``."""

import importlib
from collections.abc import Callable
from typing import Any

from methods.errors import MissingAssetError


def named(setting: str, name: str) -> Callable[..., Any]:
    """Return the callable that the setting's value points at.

    Raises:
        MissingAssetError: the value is not of that form, or there is no such callable.
    """
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise MissingAssetError(f"{setting} is '{name}' and must be of the form package.module:callable, a function from images")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise MissingAssetError(f"{setting} '{name}' cannot be loaded: {error}; check the module's and the function's name") from error
