"""How many cores this process may use: those of the job, not those of the machine."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Return the cores that the affinity allows, lowered by the CPU quota of the control groups the process is in; at least 1.

    Example:
        >>> available_cores() >= 1
        True
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *map(math.ceil, _quotas())]))


def _quotas() -> Iterator[float]:
    """Yield the quotas that hold, in cores: of the process's own group and of those above it."""
    for folder in control_groups("cpu"):
        try:
            quota, _, period = (folder / "cpu.max").read_text().partition(" ")
            if quota != "max":
                yield int(quota) / int(period)
        except (OSError, ValueError, ZeroDivisionError):
            pass
        try:
            # The first version of control groups; -1 stands for no quota.
            quota, period = (folder / "cpu.cfs_quota_us").read_text(), (folder / "cpu.cfs_period_us").read_text()
            if int(quota) > 0:
                yield int(quota) / int(period)
        except (OSError, ValueError, ZeroDivisionError):
            pass


def control_groups(controller: str) -> Iterator[Path]:
    """Yield the folders of the control groups of this process, its own and those above it, that may hold limits of "cpu" or "memory"."""
    try:
        lines = _MEMBERSHIP.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        root = _CGROUPS / controllers if controllers else _CGROUPS
        group = root / path.strip("/")
        while True:
            yield group
            if group == root or root not in group.parents:
                break
            group = group.parent
    # Within a container the group's own path is often not to be seen.
    yield _CGROUPS
    yield _CGROUPS / controller
