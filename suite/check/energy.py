"""What the processor packages of a Linux machine spend, by the counters that the kernel shows (powercap, Intel's and AMD's RAPL).

::

    /sys/class/powercap/intel-rapl:N/energy_uj ──before and after many calls──> joules a call

A counter is of a whole package: whatever else runs there at that time, and what it takes when it idles, is in it.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
# Counters move every millisecond: of so many seconds of work a tick is nothing.
LEAST_S = 0.5
# Packages alone: theirs hold cores and memory controllers (intel-rapl:0:0), which have counters of their own.
_PACKAGE = re.compile(r"intel-rapl:\d+")
# A zone of the whole platform, in which the packages are counted once more.
_PLATFORM = "psys"


@dataclass(frozen=True)
class Counter:
    """One package.

    Attributes:
        path: file of the count, in microjoules.
        wraps_at: where the count begins anew, in microjoules.
    """

    path: Path
    wraps_at: int

    def read(self) -> int:
        """Return the count in microjoules.

        Raises:
            OSError: it cannot be read.
        """
        return int(self.path.read_text())


class EnergyMeter:
    """The counters of all packages of a machine.

    Args:
        counters: at least one.
    """

    def __init__(self, counters: tuple[Counter, ...]) -> None:
        self._counters = counters

    def joules(self, work: Callable[[], object], least_s: float = LEAST_S) -> float:
        """Return the joules that a call of ``work`` takes, the mean over as many calls as fill ``least_s`` seconds.

        Raises:
            OSError: a counter cannot be read any more.
        """
        before, started, calls = self._counts(), time.perf_counter(), 0
        while not calls or time.perf_counter() - started < least_s:
            work()
            calls += 1
        spent = zip(self._counters, before, self._counts(), strict=True)
        return sum((after - first) % counter.wraps_at for counter, first, after in spent) / 1e6 / calls

    def _counts(self) -> list[int]:
        return [counter.read() for counter in self._counters]


def find_meter(folder: Path = POWERCAP) -> tuple[EnergyMeter | None, str]:
    """Return the meter of this machine, or ``None`` and why it has none.

    Args:
        folder: where the kernel shows its counters.
    """
    zones = sorted(path for path in folder.glob("intel-rapl:*") if _PACKAGE.fullmatch(path.name)) if folder.is_dir() else []
    counters: list[Counter] = []
    for zone in zones:
        try:
            if (zone / "name").read_text().strip() == _PLATFORM:
                continue
            counters.append(Counter(zone / "energy_uj", int((zone / "max_energy_range_uj").read_text())))
            counters[-1].read()
        except PermissionError:
            return None, f"{zone / 'energy_uj'} may be read by root alone here"
        except (OSError, ValueError) as error:
            return None, f"the counter {zone} cannot be read ({error})"
    return (EnergyMeter(tuple(counters)), "") if counters else (None, f"this machine shows no counter of a package in {folder}")
