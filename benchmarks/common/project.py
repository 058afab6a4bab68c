"""Where the project lies, and what comes with its repository: trained networks and scene models, found from any working folder.

::

    results/reference/scene_models/clip ──there──> itself
                                        ──not───> PROJECT/results/reference/scene_models/clip ──not there either──> not_shipped: why
"""

import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
_RELATIVE = Path("results", "reference")
REFERENCE = PROJECT / _RELATIVE
LICENCE = "Apache-2.0"
"""Of the project and of the networks that come with it, in SPDX's short form."""


def search_path() -> str:
    """Return PYTHONPATH for another process of this machine: the project, then wherever this process finds modules."""
    return os.pathsep.join([str(PROJECT), *filter(None, sys.path)])


def shipped(path: Path) -> Path:
    """Return where a path that a grid names lies: what begins with ``results/reference`` and is not here is the project's.

    Example:
        >>> shipped(Path("my/prompt.txt")).as_posix()
        'my/prompt.txt'
    """
    return PROJECT / path if _of_reference(path) and not path.exists() else path


def not_shipped(path: Path) -> str:
    """Return the sentence on a file that comes with the repository and is not there, "" for a path of anybody else's."""
    relative = path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path
    if not _of_reference(relative) or (PROJECT / relative).exists():
        return ""
    return (
        f"{relative.as_posix()} comes with the project's repository and not with an installed package; "
        "install from a checkout (pip install -e .) or copy its results/reference into the working folder"
    )


def _of_reference(path: Path) -> bool:
    return path.parts[: len(_RELATIVE.parts)] == _RELATIVE.parts
