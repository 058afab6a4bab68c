"""The order of the work: what takes longest comes first, so that no long unit begins when all others are done.

A method's units stay together, because a worker keeps one network loaded. How long they take is known from earlier starts in the
same run folder; methods that were never met come before those, the ones with the heaviest stages first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from benchmarks.common.atomic import read_sealed_json, write_sealed_json
from benchmarks.common.storage import StoragePath
from suite.errors import RunFolderError
from suite.evaluate.plan import WorkUnit
from suite.runs.layout import RunLayout


@dataclass
class RuntimeEstimates:
    """Seconds and records of the methods that were worked on.

    Attributes:
        seconds, records: by method label, over all starts of a run.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)

    def add(self, label: str, seconds: float, records: int) -> None:
        """Count a published unit."""
        self.seconds[label] = self.seconds.get(label, 0.0) + seconds
        self.records[label] = self.records.get(label, 0) + records

    def per_record(self) -> dict[str, float]:
        """Return the mean seconds of a record by method."""
        return {label: self.seconds[label] / count for label, count in self.records.items() if count}

    def write(self, run_dir: StoragePath) -> None:
        """Keep them in the run folder."""
        write_sealed_json(RunLayout(run_dir).costs, {"seconds": self.seconds, "records": self.records})

    @classmethod
    def read(cls, run_dir: StoragePath) -> "RuntimeEstimates":
        """Return those of the run folder, empty ones where there are none.

        Raises:
            RunFolderError: the file is damaged.
        """
        path = RunLayout(run_dir).costs
        try:
            content = read_sealed_json(path)
            seconds = {str(label): float(value) for label, value in content["seconds"].items()}
            return cls(seconds, {str(label): int(value) for label, value in content["records"].items()})
        except (FileNotFoundError, NotADirectoryError):
            return cls()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunFolderError(f"{path} cannot be read ({error}); it only tells which work is long") from error


def longest_first(units: Iterable[WorkUnit], seconds: Mapping[str, float]) -> list[WorkUnit]:
    """Return the units by the longest of their network's units, those of one network next to one another.

    Args:
        units: what is left to do.
        seconds: of a record, by method label, where it is known.
    """
    groups: dict[tuple[str, Fraction | None], list[WorkUnit]] = {}
    for unit in units:
        groups.setdefault((unit.configured.label, unit.cr), []).append(unit)

    def length(group: Sequence[WorkUnit]) -> tuple[bool, float, int]:
        known = seconds.get(group[0].configured.label)
        largest = max(unit.reconstructions for unit in group)
        return (known is None, (known or 0.0) * largest if known is not None else _weight(group[0]), largest)

    return [unit for group in sorted(groups.values(), key=length, reverse=True) for unit in group]


def _weight(unit: WorkUnit) -> int:
    """Return how heavy the stages of a method are that was never met."""
    traits = unit.configured.traits
    return 4 * traits.refines + 2 * traits.describes + traits.trainable
