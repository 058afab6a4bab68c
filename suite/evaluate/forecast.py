"""What a run would ask of generative models, told without asking: questions, answers in the response cache, calls, cost.

::

    units left ──Captions.requests──> describe, with a model client that only counts ──> exactly these captions, and which are cached
           └─────Traits.asks x cells───────────────────────────────────> at most so many images: what arrives is not known yet
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.common.images import padded
from benchmarks.common.storage import StoragePath
from methods.base import Method
from methods.generative import CaptionerSettings, ModelClient, UsesModels
from methods.generative.costs import LocalSpending
from methods.generative.response_cache import ResponseCache
from methods.generative.settings import ModelSettings
from suite.config.methods import is_remote
from suite.evaluate.costs import read_spending
from suite.evaluate.model_access import cache_folder
from suite.evaluate.plan import WorkUnit
from suite.evaluate.stages.captions import CaptionRequest, Captions, CaptionSource
from suite.evaluate.stages.images import assemble, load


@dataclass
class Forecast:
    """What one model would be asked.

    Attributes:
        what: "captions" or "images".
        model: its name.
        remote: its calls are counted and may cost money.
        asked: questions; for images the most there can be.
        known: how many of them the response cache answers, ``None`` where that shows only as texts arrive.
        cost: US dollars expected for the others.
    """

    what: str
    model: str
    remote: bool
    asked: int = 0
    known: int | None = None
    cost: float = 0.0

    def __str__(self) -> str:
        price = f", about ${self.cost:.2f}" if self.remote else ", run on workers of one's own"
        if self.known is not None:
            made = self.asked - self.known
            return f"{self.what} by {self.model}: {self.asked:,} to ask for, {self.known:,} in the response cache, {made:,} calls{price}"
        return (
            f"{self.what} by {self.model}: at most {self.asked:,} calls{price.replace('about', 'at most about')}; "
            "which of them the response cache answers shows as texts arrive, equal ones are asked once"
        )


class CountingClient(ModelClient):
    """A model client that notes what it is asked for and answers with nothing."""

    def __init__(self, bank: ResponseCache, spending: LocalSpending) -> None:
        super().__init__(bank, spending)
        self.found: dict[str, tuple[ModelSettings, bool]] = {}

    def caption(
        self, settings: CaptionerSettings, images: Tensor, captions: Sequence[str] | None = None, *, prompt: str = "caption"
    ) -> list[str]:
        """Note each question, and whether the response cache has its answer."""
        if settings.backend != "dataset":
            for request in self.requests(settings, images=images, texts=captions, prompt=prompt):
                self.found[request.digest] = settings, self.known([request]) == 1
        return [""] * len(images)


def forecasts(units: Sequence[WorkUnit], run_dir: StoragePath) -> list[Forecast]:
    """Return what is still to be asked for ``units``."""
    if not units:
        return []
    grid = units[0].grid
    model_client = CountingClient(ResponseCache(cache_folder(grid, run_dir)), LocalSpending(grid.generative.limits))
    captions = Captions(run_dir)
    for remote in (False, True):
        for request in captions.requests(units, remote):
            _count(request, model_client)
    found: dict[tuple[str, str], Forecast] = {}
    for settings, known in model_client.found.values():
        forecast = found.setdefault(("captions", settings.model), Forecast("captions", settings.model, is_remote(settings), known=0))
        forecast.asked += 1
        forecast.known = (forecast.known or 0) + known
        forecast.cost += 0.0 if known else model_client.price_of_call(settings)
    for unit in units:
        who = unit.configured
        for name, questions in who.traits.asks.items() if not unit.failure_reason else ():
            model = who.models[name]
            forecast = found.setdefault(("images", model.model), Forecast("images", model.model, is_remote(model)))
            forecast.asked += questions * unit.reconstructions
            forecast.cost += questions * unit.reconstructions * model_client.price_of_call(model)
    return list(found.values())


def told(units: Sequence[WorkUnit], run_dir: StoragePath) -> list[str]:
    """Return the sentences of a dry run: what is still to be asked, the limits, and what was spent before."""
    found = forecasts(units, run_dir)
    sentences = [str(forecast) for forecast in found]
    if any(forecast.remote for forecast in found):
        limits = units[0].grid.generative.limits
        calls = "any number of calls" if limits.max_calls is None else f"{limits.max_calls:,} calls"
        cost = "any cost" if limits.max_cost is None else f"${limits.max_cost:.2f}"
        unpriced = sorted({each.model for each in found if each.remote} - set(limits.prices))
        sentences.append(f"limits of this run folder: {calls}, {cost}; spent so far: {str(read_spending(run_dir)) or 'nothing'}")
        sentences += [f"no price is given for {', '.join(unpriced)}: its calls count as free"] if unpriced else []
    return sentences


@torch.inference_mode()
def _count(request: CaptionRequest, model_client: CountingClient) -> None:
    samples, _ = load(request.images, request.grid)
    for source in request.sources:
        method = _describing(source, request, model_client)
        for image, sample in samples.items():
            batch = assemble(samples, [image], 1, "cpu")
            if method is not None and source.configured is not None:
                method.describe(padded(batch.images, *request.size(source.configured)), batch.captions)
            elif source.configured is None and source.captioner is not None and not sample.caption:
                model_client.caption(source.captioner, batch.images, batch.captions)


def _describing(source: CaptionSource, request: CaptionRequest, model_client: CountingClient) -> Method | None:
    """Return the method that describes, if it asks a model client: on no device, since its question rests on image and settings alone."""
    if source.configured is None:
        return None
    with torch.device("meta"):
        method = source.configured.build(*request.size(source.configured), source.configured.ratios(request.grid.cr)[0])
    if not isinstance(method, UsesModels):
        return None
    method.model_client = model_client
    return method
