"""What calls of a run came to, kept in its folder over all commands that work on it, counted in one place for all workers.

::

    Desk of an actor ──SharedSpending──> Counter, one actor ──> FolderSpending ──> results/NAME/spending.json
    Desk of this process ──────────────────────────────────────────┘
"""

import threading
from dataclasses import dataclass, field
from typing import Any

from methods.generative import SpendingLimitError
from methods.generative.spending import Limits, LocalSpending
from suite.errors import RunFolderError
from suite.files import read_sealed_json, write_sealed_json
from suite.storage import Place, place

SPENDING = "spending.json"


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


def read_spending(run_dir: Place) -> Spent:
    """Return what a run has spent; nothing where no call was made.

    Raises:
        RunFolderError: the file is damaged.
    """
    path = run_dir / SPENDING
    try:
        content = read_sealed_json(path)
        return Spent(
            {str(model): int(calls) for model, calls in content["calls"].items()},
            {str(model): float(cost) for model, cost in content["cost_usd"].items()},
        )
    except FileNotFoundError:
        return Spent()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunFolderError(f"{path} cannot be read ({error}); the limits of spending rest on it: restore it or delete it") from error


class FolderSpending(LocalSpending):
    """A count that goes on where earlier commands on the same run folder left it.

    A call is written down before it is made, so that a killed run has counted too much rather than too little.

    Args:
        limits: of the run.
        run_dir: the run folder.
    """

    def __init__(self, limits: Limits, run_dir: Place) -> None:
        super().__init__(limits)
        self._run_dir = run_dir
        self._writing = threading.Lock()
        self._refused = ""
        before = read_spending(run_dir)
        self.calls, self.cost = before.calls, before.cost

    def reserve(self, model: str, estimate: float) -> None:
        """Count a call before it is made; :class:`SpendingLimitError` if it would pass a limit."""
        try:
            super().reserve(model, estimate)
        except SpendingLimitError as error:
            self._refused = self._refused or str(error)
            raise
        self._write()

    def settle(self, model: str, estimate: float, cost: float) -> None:
        """Put the real cost of a counted call in the place of its estimate."""
        super().settle(model, estimate, cost)
        self._write()

    def withdraw(self, model: str, estimate: float) -> None:
        """Take back a counted call that reached no model."""
        super().withdraw(model, estimate)
        self._write()

    def refused(self) -> str:
        """Return the sentence of the first call that a limit refused, "" while there is none."""
        return self._refused

    def _write(self) -> None:
        with self._writing:
            write_sealed_json(self._run_dir / SPENDING, Spent(dict(self.calls), dict(self.cost)).content())


class Counter:
    """The count as an actor; a limit is told in a sentence, because Ray wraps errors."""

    def __init__(self, limits: Limits, run_dir: str) -> None:
        self._spending = FolderSpending(limits, place(run_dir))

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
    """The count of a :class:`Counter` as the desks of other actors see it; picklable.

    Args:
        counter: handle of the actor.
        limits: as the actor's.
    """

    def __init__(self, counter: Any, limits: Limits) -> None:
        self._counter = counter
        self.limits = limits

    @classmethod
    def start(cls, limits: Limits, run_dir: Place) -> "SharedSpending":
        """Start the actor; it begins anew from the run folder should its machine be lost."""
        import ray

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
