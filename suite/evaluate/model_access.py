"""How the actors of a run reach generative models: one response cache, one count of calls, a model client an actor."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from benchmarks.common.storage import StoragePath, open_path
from methods.generative import ModelClient
from methods.generative.backends.base import open_backend
from methods.generative.response_cache import ResponseCache
from methods.generative.settings import ModelSettings
from suite.config.grid import Grid
from suite.config.methods import is_remote
from suite.evaluate.costs import FolderSpending, SharedSpending
from suite.evaluate.plan import WorkUnit
from suite.keys import Keys
from suite.runs.layout import RunLayout


def cache_folder(grid: Grid, run_dir: StoragePath) -> StoragePath:
    """Return where a run keeps answers: the grid's bank, by default a folder beside the run folder, which other runs share."""
    return open_path(grid.generative.bank) if grid.generative.bank else RunLayout(run_dir).response_cache


def asks_others(unit: WorkUnit) -> bool:
    """Return whether a unit's method or metrics ask a model whose calls are counted."""
    return any(is_remote(model) for model in _asked(unit))


def asks_models(unit: WorkUnit) -> bool:
    """Return whether a unit's method or metrics ask any generative model."""
    return bool(_asked(unit))


def _asked(unit: WorkUnit) -> list[ModelSettings]:
    references = unit.reference_captioner
    return [*unit.configured.captioner_models, *unit.configured.refine_models, *([references] if references is not None else [])]


def weights_bytes(units: Iterable[WorkUnit]) -> int:
    """Return the size of the files of all local models that are asked for ``units``."""
    # Their settings are equal in many units, and have no hash.
    models = {model.model_dump_json(): model for unit in units for model in _asked(unit)}
    return sum(open_backend(model).weights_bytes for model in models.values())


@dataclass(frozen=True)
class Access:
    """What an actor needs to open its model client; picklable where the count is a shared one.

    Attributes:
        bank: where the response cache lies.
        concurrency: calls under way at once.
        spending: the count of calls, ``None`` where no call is counted.
        keys: what models ask for; only those who ask them bear any.
    """

    bank: StoragePath
    concurrency: int
    spending: SharedSpending | FolderSpending | None = None
    keys: Keys = field(default_factory=Keys)

    @classmethod
    def shared(cls, units: Sequence[WorkUnit], run_dir: StoragePath) -> "Access":
        """Return access for the actors of a Ray cluster, their calls counted by one of them."""
        grid = units[0].grid
        counted = any(asks_others(unit) for unit in units)
        spending = SharedSpending.start(grid.generative.limits, run_dir) if counted else None
        return cls(cache_folder(grid, run_dir), grid.generative.concurrency, spending)

    @classmethod
    def local(cls, units: Sequence[WorkUnit], run_dir: StoragePath) -> "Access":
        """Return access for this process."""
        grid = units[0].grid
        counted = any(asks_others(unit) for unit in units)
        spending = FolderSpending(grid.generative.limits, run_dir) if counted else None
        return cls(cache_folder(grid, run_dir), grid.generative.concurrency, spending)

    def with_keys(self, names: Iterable[str]) -> "Access":
        """Return access that bears the keys of this process's environment variables ``names`` that are set."""
        return replace(self, keys=Keys(names))

    def model_client(self) -> ModelClient:
        """Return a model client; its keys are in the environment of this process from now on."""
        self.keys.give()
        return ModelClient(ResponseCache(self.bank), self.spending)

    def refused(self) -> str:
        """Return the sentence of the first call that a limit refused, "" while there is none."""
        return "" if self.spending is None else self.spending.refused()
