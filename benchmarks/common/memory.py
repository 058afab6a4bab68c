"""How much memory this process may still take."""

from collections.abc import Iterator
from contextlib import suppress

import psutil

from benchmarks.common.cores import control_groups

# Both versions of control groups: the limit, and what is taken of it.
_FILES = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))


def available_memory() -> int:
    """Return the bytes that the machine has left, lowered by what the control groups of the process leave; at least 0.

    Example:
        >>> available_memory() >= 0
        True
    """
    return max(0, min([int(psutil.virtual_memory().available), *_left()]))


def _left() -> Iterator[int]:
    for folder in control_groups("memory"):
        for limit, taken in _FILES:
            # There is none, or it says "max".
            with suppress(OSError, ValueError):
                yield int((folder / limit).read_text()) - int((folder / taken).read_text())
