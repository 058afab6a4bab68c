"""Ratios over time: a file of one line a measurement, and what changed since the last.

Seconds differ between machines and with what else they do, so ratios of two things measured in one run are kept, and nothing else.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from suite.errors import SettingsError
from suite.runs.provenance import git_state, hardware

# Names that the measurements give to what does not depend on the machine's pace.
RATIO = re.compile(r"^(share_of_|times_|ours_over_)|_of_once$|_of_tenfold_\w+$")


def ratios(measures: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Return the ratios among nested results, by their place.

    Example:
        >>> ratios({"literal": {"batch 8": {"s": 8.3, "times_as_fast": 1.7}}, "startup": None})
        {'literal/batch 8/times_as_fast': 1.7}
    """
    found: dict[str, float] = {}
    for name, value in measures.items():
        if isinstance(value, Mapping):
            found |= ratios(value, f"{prefix}{name}/")
        elif RATIO.search(name) and isinstance(value, int | float):
            found[prefix + name] = value
    return found


def entries(path: Path) -> list[dict[str, Any]]:
    """Return what a history holds, the oldest first; nothing where there is no file.

    Raises:
        SettingsError: a line is none of a history's.
    """
    lines = path.read_text().splitlines() if path.is_file() else []
    found = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            found.append({**entry, "ratios": {str(name): float(value) for name, value in entry["ratios"].items()}})
        except (ValueError, KeyError, TypeError, AttributeError):
            raise SettingsError(f"line {number} of {path} is no measurement; take the line out, or name another file") from None
    return found


def changes(now: Mapping[str, float], before: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a sentence for each ratio: what it is, what it was when it was last kept, and where."""
    for name, value in now.items():
        last = next((entry for entry in reversed(before) if name in entry["ratios"]), None)
        if last is None:
            yield f"{name}: {value:.3g}, not measured before"
            continue
        old = last["ratios"][name]
        change = f" ({value / old - 1:+.0%})" if old else ""
        yield f"{name}: {value:.3g}, was {old:.3g}{change} at {last['commit'][:8]} on {last['machine']}"


def add(path: Path, now: Mapping[str, float]) -> None:
    """Add a line to the history; nothing where there is no ratio."""
    if not now:
        return
    here = hardware()
    machine = f"{here.get('processor') or here.get('machine')}, {here.get('cpu_cores')} cores"
    entry = {"at": datetime.now(UTC).date().isoformat(), "commit": str(git_state().get("commit")), "machine": machine, "ratios": dict(now)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(entry) + "\n")
