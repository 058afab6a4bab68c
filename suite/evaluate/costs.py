"""What calls of a run came to, kept in its folder over all commands that work on it, counted in one place for all workers.

::

    client of an actor ──SharedSpending──> Counter, one actor ──> FolderSpending ──> results/NAME/spending.json
    client of this process ──────────────────────────────────────────┘
"""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Annotated, Any

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmarks.common.atomic import read_sealed_json, write_sealed_json
from benchmarks.common.storage import RemotePath, StoragePath, open_path
from methods.generative import SpendingLimitError
from methods.generative.costs import Limits, LocalSpending
from suite.errors import RunFolderError
from suite.runs.layout import RunLayout

# A count is held for some milliseconds.
_LONGEST_HOLD_S = 120.0


@dataclass(frozen=True)
class Spent:
    """What a run has spent.

    Attributes:
        calls: by model.
        cost: US dollars by model.
    """

    calls: dict[str, int] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        calls, cost = sum(self.calls.values()), sum(self.cost.values())
        return f"{calls:,} calls, ${cost:.2f}" if calls else ""

    def content(self) -> dict[str, Any]:
        """Return it as it stands in ``run.json`` and ``spending.json``."""
        return {"calls": self.calls, "cost_usd": {model: round(cost, 9) for model, cost in self.cost.items()}}


class _Kept(BaseModel):
    """The content of ``spending.json``."""

    model_config = ConfigDict(strict=True)

    calls: dict[str, Annotated[int, Field(ge=0)]]
    cost_usd: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]


def read_spending(run_dir: StoragePath) -> Spent:
    """Return what a run has spent; nothing where no call was made.

    Raises:
        RunFolderError: the file is damaged.
    """
    path = RunLayout(run_dir).spending
    try:
        kept = _Kept.model_validate(read_sealed_json(path))
    except FileNotFoundError:
        return Spent()
    # RecursionError: it is nested more deeply than JSON is read.
    except (ValueError, RecursionError) as error:
        raise RunFolderError(
            f"{path} cannot be read ({_problem(error)}) and the limits of spending rest on it: "
            'restore it, or write down what was spent, such as {"calls": {"openai:NAME": 12}, "cost_usd": {"openai:NAME": 0.5}}'
        ) from None
    return Spent(kept.calls, kept.cost_usd)


def _problem(error: ValueError | RecursionError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


class FolderSpending(LocalSpending):
    """A count that goes on where earlier commands on the same run folder left it, and that commands at work on it share.

    A call is written down before it is made, so that a killed run has counted too much rather than too little. In a folder, a lock
    keeps commands apart; a bucket has none, so of calls within the same instant one may be missed there.

    Args:
        limits: of the run.
        run_dir: the run folder.
    """

    def __init__(self, limits: Limits, run_dir: StoragePath) -> None:
        super().__init__(limits)
        self._run_dir = run_dir
        self._writing = threading.Lock()
        self._refused = ""
        self._take(read_spending(run_dir))

    def reserve(self, model: str, estimate: float) -> None:
        """Count a call before it is made; :class:`SpendingLimitError` if it would pass a limit, or if the count cannot be kept."""
        try:
            with self._together():
                super().reserve(model, estimate)
        except (SpendingLimitError, RunFolderError) as error:
            self._refused = self._refused or str(error)
            raise error if isinstance(error, SpendingLimitError) else SpendingLimitError(str(error)) from error

    def settle(self, model: str, estimate: float, cost: float) -> None:
        """Put the real cost of a counted call in the place of its estimate."""
        with self._together():
            super().settle(model, estimate, cost)

    def withdraw(self, model: str, estimate: float) -> None:
        """Take back a counted call that reached no model."""
        with self._together():
            super().withdraw(model, estimate)

    def refused(self) -> str:
        """Return the sentence of the first call that a limit refused, "" while there is none."""
        return self._refused

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Change the count of all commands at once: read what they wrote, and write what comes of it."""
        with self._writing, _alone(self._run_dir):
            self._take(read_spending(self._run_dir))
            yield
            write_sealed_json(RunLayout(self._run_dir).spending, Spent(dict(self.calls), dict(self.cost)).content())

    def _take(self, kept: Spent) -> None:
        # A file that was removed under way does not make what was spent undone.
        if kept.calls or not self.calls:
            self.calls, self.cost = kept.calls, kept.cost


@contextmanager
def _alone(run_dir: StoragePath) -> Iterator[None]:
    lock: AbstractContextManager[Any] = nullcontext()
    if not isinstance(run_dir, RemotePath):
        run_dir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(RunLayout(run_dir).spending_lock, timeout=_LONGEST_HOLD_S)
    try:
        with lock:
            yield
    except Timeout:
        raise RunFolderError(
            f"{RunLayout(run_dir).spending_lock} is held by another command for {_LONGEST_HOLD_S:g} s, so calls cannot be counted; "
            "end that command and run again"
        ) from None


class Counter:
    """The count as an actor; a limit is told in a sentence, because Ray wraps errors."""

    def __init__(self, limits: Limits, run_dir: str) -> None:
        self._spending = FolderSpending(limits, open_path(run_dir))

    def reserve(self, model: str, estimate: float) -> str:
        """Count a call before it is made; return why not, or ""."""
        try:
            self._spending.reserve(model, estimate)
        except SpendingLimitError as error:
            return str(error)
        return ""

    def settle(self, model: str, estimate: float, cost: float) -> None:
        """Put the real cost of a counted call in the place of its estimate."""
        self._spending.settle(model, estimate, cost)

    def withdraw(self, model: str, estimate: float) -> None:
        """Take back a counted call that reached no model."""
        self._spending.withdraw(model, estimate)

    def refused(self) -> str:
        """Return the sentence of the first call that a limit refused."""
        return self._spending.refused()


class SharedSpending:
    """The count of a :class:`Counter` as the model clients of other actors see it; picklable.

    Args:
        counter: handle of the actor.
        limits: as the actor's.
    """

    def __init__(self, counter: Any, limits: Limits) -> None:
        self._counter = counter
        self.limits = limits

    @classmethod
    def start(cls, limits: Limits, run_dir: StoragePath) -> "SharedSpending":
        """Start the actor; it begins anew from the run folder should its machine be lost."""
        import ray

        # A damaged file is told here, where no layer of Ray is about the sentence.
        read_spending(run_dir)
        actor: Any = ray.remote(Counter)
        return cls(actor.options(num_cpus=0, max_restarts=-1, max_task_retries=-1).remote(limits, str(run_dir)), limits)

    def reserve(self, model: str, estimate: float) -> None:
        """Count a call before it is made; :class:`SpendingLimitError` if it would pass a limit."""
        import ray

        sentence = ray.get(self._counter.reserve.remote(model, estimate))
        if sentence:
            raise SpendingLimitError(sentence)

    def settle(self, model: str, estimate: float, cost: float) -> None:
        """Put the real cost of a counted call in the place of its estimate."""
        import ray

        ray.get(self._counter.settle.remote(model, estimate, cost))

    def withdraw(self, model: str, estimate: float) -> None:
        """Take back a counted call that reached no model."""
        import ray

        ray.get(self._counter.withdraw.remote(model, estimate))

    def refused(self) -> str:
        """Return the sentence of the first call that a limit refused."""
        import ray

        return str(ray.get(self._counter.refused.remote()))
