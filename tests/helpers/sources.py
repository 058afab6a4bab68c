"""The project's own modules, found by their files, so that reading them imports none."""

import functools
import itertools
from pathlib import Path

from helpers.places import ROOT

# Each stands on those before it.
STACK = ("benchmarks", "methods", "suite")


@functools.cache
def modules() -> dict[str, Path]:
    """Return every module of the project by its dotted name."""
    files = itertools.chain.from_iterable(sorted((ROOT / package).rglob("*.py")) for package in STACK)
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}
