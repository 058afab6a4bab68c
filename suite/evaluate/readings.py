"""The readings of a grid's link as a method meets them: one grid a reading that can change its results, cut at slow fading.

::

    Grid(link, readings) ──which concern the method──> its own link [label], then the others, each on its channels ──> work units
"""

from dataclasses import dataclass, replace
from typing import Literal

from benchmarks.link.digital.mcs import SLOW_FADING
from suite.config.grid import Grid
from suite.config.methods import ConfiguredMethod
from suite.config.readings import concerns, same_analog

Coarse = Literal["own", "shared", "none"]


@dataclass(frozen=True)
class ReadGrid:
    """The grid as a method meets it under one reading of the link.

    Attributes:
        label: as the work unit's ``reading``.
        grid: with that link, and the channels that the reading is of interest on.
        coarse: as the work unit's ``coarse``.
    """

    label: str
    grid: Grid
    coarse: Coarse = "own"


def read_grids(configured: ConfiguredMethod, grid: Grid) -> list[ReadGrid]:
    """Return the grids of every reading that can change a method's results, that of the grid's own link first."""
    traits, found = configured.traits, []
    own = ""
    for label, reading in grid.readings.items():
        link, channels = reading.over(grid.link), reading.among(grid.channels)
        if link == grid.link:
            own = label
        elif channels and concerns(traits, grid.link, link):
            # What is decoded before the messages are read is the same under each reading of these.
            shared = "digital" in traits.refine_only and same_analog(grid.link, link)
            changed = grid.model_copy(update={"link": link, "channels": channels, "readings": {}})
            found.append(ReadGrid(label, changed, "none" if shared else "own"))
    first: Coarse = "shared" if own and found and "digital" in traits.refine_only else "own"
    return [part for read in (ReadGrid(own if found else "", grid, first), *found) for part in _parts(read)]


def _parts(read: ReadGrid) -> list[ReadGrid]:
    """Return the grid of fast fading and that of slow, whose cells depend on more: so the former do not change with the latter."""
    kinds = [tuple(each for each in read.grid.channels if (each in SLOW_FADING) == slow) for slow in (False, True)]
    return [replace(read, grid=read.grid.model_copy(update={"channels": kind})) for kind in kinds if kind]
