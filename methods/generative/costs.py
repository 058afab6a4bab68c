"""What calls may cost: prices, the limits of a run, and the count kept while it runs.

::

    call ──reserve(estimate)──> within max_calls and max_cost? ──no──> SpendingLimitError: the run stops, the cache keeps its answers
                                  └ yes ──> the model ──settle(estimate, cost)──> the real cost takes the estimate's place
"""

import threading
from collections.abc import Mapping
from typing import Any, Literal, Protocol

from pydantic import Field

from benchmarks.common.validation import Settings
from methods.generative.responses import SpendingLimitError, Task

_MILLION = 1e6
# Of one call; more than any model reads or writes, and few enough for every sum of costs to be a number.
_MOST_TOKENS = 1e12
# Sums of prices are not exact in binary; a billionth of a dollar is nobody's limit.
_ROUNDING = 1e-9
# An average question: an instruction of a paragraph and one image go in, a paragraph or a square image of medium quality comes out.
# A chat does not tell the kinds of its input, so the image that a captioner sees counts as text, here as when it is charged.
_TYPICAL: Mapping[Task, Mapping[str, int]] = {
    "caption": {"input_text": 1000, "output_text": 150},
    "generate": {"input_text": 200, "output_image": 1100},
    "edit": {"input_text": 200, "input_image": 400, "output_image": 1100},
}


class UnpricedModelError(SpendingLimitError):
    """A run has a limit of cost and a model without a price, so the limit could not be kept."""


class Price(Settings):
    """What a model costs, in US dollars; what is not given costs nothing.

    Attributes:
        call: of each call, whatever it says.
        input_text, input_image, output_text, output_image: of a million tokens of each kind; counted from the usage that
            the response tells. Input that a server had cached counts in full, so a cost is never understated.
        estimate: of a call before it is made; by default ``call`` and the tokens of an average question at these prices.
    """

    call: float = Field(default=0.0, ge=0)
    input_text: float = Field(default=0.0, ge=0)
    input_image: float = Field(default=0.0, ge=0)
    output_text: float = Field(default=0.0, ge=0)
    output_image: float = Field(default=0.0, ge=0)
    estimate: float | None = Field(default=None, ge=0)

    def expected(self, task: Task) -> float:
        """Return the assumed cost of a call for ``task``, US dollars."""
        return self.of(_TYPICAL[task]) if self.estimate is None else self.estimate

    def of(self, tokens: Mapping[str, int]) -> float:
        """Return the cost of a call that used ``tokens``, by kind, US dollars."""
        return self.call + sum(getattr(self, kind) * tokens.get(kind, 0) for kind in _KINDS) / _MILLION

    def charged(self, task: Task, metadata: Mapping[str, Any]) -> float:
        """Return the cost of an answered call: from the tokens in its metadata or, where they tell nothing one can believe, as expected."""
        tokens = metadata.get("tokens") or {}
        counts = [tokens.get(kind, 0) for kind in _KINDS]
        # No model answers without reading or writing, so a count of nothing at all is none.
        believed = any(counts) and all(isinstance(count, int | float) and 0 <= count <= _MOST_TOKENS for count in counts)
        return self.of(tokens) if believed else self.expected(task)


_KINDS: tuple[Literal["input_text", "input_image", "output_text", "output_image"], ...] = (
    "input_text",
    "input_image",
    "output_text",
    "output_image",
)


class Limits(Settings):
    """How much a run may ask of models that cost something; calls whose answers are in the response cache are not counted.

    Attributes:
        max_calls: number of calls; what a client repeats after a fault of the server is the same call.
        max_cost: US dollars; every model that is called must then have a price.
        prices: by the model's name as the settings give it, such as ``openai:gpt-image-2``.
    """

    max_calls: int | None = Field(default=None, ge=0)
    max_cost: float | None = Field(default=None, ge=0)
    prices: dict[str, Price] = {}

    def price(self, model: str) -> Price:
        """Return the price of a model, nothing for one that is not listed.

        Raises:
            UnpricedModelError: it is not listed, and there is a limit of cost to keep.
        """
        if model not in self.prices and self.max_cost is not None:
            raise UnpricedModelError(
                f"max_cost is {self.max_cost} and {model} has no price; give it one under prices ({{call: 0}} for a server of your own)"
            )
        return self.prices.get(model, Price())

    def check(self, calls: int, cost: float, estimate: float) -> None:
        """Raise :class:`SpendingLimitError` if one more call of ``estimate`` dollars passes a limit."""
        if self.max_calls is not None and calls >= self.max_calls:
            raise SpendingLimitError(
                f"max_calls is {self.max_calls} and so many calls are made; raise it and run again, what is answered is not asked again"
            )
        if self.max_cost is not None and cost + estimate > self.max_cost + _ROUNDING:
            raise SpendingLimitError(
                f"max_cost is {self.max_cost:g} dollars, {cost:.4f} are spent and the next call may cost {estimate:.4f}; "
                "raise it and run again, what is answered is not asked again"
            )


class Spending(Protocol):
    """Where calls are counted: in this process, or for all workers of a run in one place."""

    @property
    def limits(self) -> Limits:
        """The limits and prices."""

    def reserve(self, model: str, estimate: float) -> None:
        """Count a call before it is made; :class:`SpendingLimitError` if it would pass a limit."""

    def settle(self, model: str, estimate: float, cost: float) -> None:
        """Put the real cost of a counted call in the place of its estimate; 0 for one that failed."""

    def withdraw(self, model: str, estimate: float) -> None:
        """Take back a counted call that reached no model."""


class LocalSpending:
    """The count of one process, for any number of threads.

    Attributes:
        limits: as given.
        calls: calls by model.
        cost: US dollars by model, calls under way at their estimates.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.calls: dict[str, int] = {}
        self.cost: dict[str, float] = {}
        self._lock = threading.Lock()

    def reserve(self, model: str, estimate: float) -> None:
        """Count a call before it is made.

        Raises:
            SpendingLimitError: it would pass a limit; nothing is counted then.
        """
        with self._lock:
            self.limits.price(model)
            self.limits.check(sum(self.calls.values()), sum(self.cost.values()), estimate)
            self.calls[model] = self.calls.get(model, 0) + 1
            self.cost[model] = self.cost.get(model, 0.0) + estimate

    def settle(self, model: str, estimate: float, cost: float) -> None:
        """Put the real cost of a counted call in the place of its estimate."""
        with self._lock:
            self.cost[model] = max(0.0, self.cost.get(model, 0.0) + cost - estimate)

    def withdraw(self, model: str, estimate: float) -> None:
        """Take back a counted call that reached no model."""
        with self._lock:
            self.calls[model] = max(0, self.calls.get(model, 0) - 1)
            self.cost[model] = max(0.0, self.cost.get(model, 0.0) - estimate)
