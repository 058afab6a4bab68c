"""What a run would ask of generative models, told without asking: questions, answers in the bank, calls, cost.

::

    units left ──Captions.asks──> describe with a desk that only counts ──> exactly these captions, which of them the bank has
           └───Traits.asks x cells──────────────────────────────────────> at most so many pictures: what arrives is not known yet
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from methods.base import Method
from methods.generative import CaptionerSettings, Desk, DeskUser
from methods.generative.bank import Bank
from methods.generative.settings import ModelSettings
from methods.generative.spending import LocalSpending
from suite.contestants import is_metered
from suite.evaluate.describe import Ask, Captions, Writer
from suite.evaluate.desks import bank_of
from suite.evaluate.pictures import assemble, load
from suite.evaluate.plan import WorkUnit
from suite.evaluate.spending import read_spending
from suite.storage import Place


@dataclass
class Forecast:
    """What one model would be asked.

    Attributes:
        what: "captions" or "pictures".
        model: its name.
        metered: its calls are counted and may cost money.
        asked: questions; for pictures the most there can be.
        known: how many of them the bank answers, ``None`` where that shows only as texts arrive.
        cost: US dollars expected for the others.
    """

    what: str
    model: str
    metered: bool
    asked: int = 0
    known: int | None = None
    cost: float = 0.0

    def __str__(self) -> str:
        price = f", about ${self.cost:.2f}" if self.metered else ", run on workers of one's own"
        if self.known is not None:
            made = self.asked - self.known
            return f"{self.what} by {self.model}: {self.asked:,} to ask for, {self.known:,} in the bank, {made:,} calls{price}"
        return (
            f"{self.what} by {self.model}: at most {self.asked:,} calls{price.replace('about', 'at most about')}; "
            "which of them the bank answers shows as texts arrive, equal ones are asked once"
        )


class CountingDesk(Desk):
    """A desk that notes what it is asked for and answers with nothing."""

    def __init__(self, bank: Bank, spending: LocalSpending) -> None:
        super().__init__(bank, spending)
        self.found: dict[str, tuple[ModelSettings, bool]] = {}

    def caption(
        self, settings: CaptionerSettings, images: Tensor, captions: Sequence[str] | None = None, *, prompt: str = "caption"
    ) -> list[str]:
        """Note each question, and whether the bank has its answer."""
        if settings.backend != "dataset":
            for request in self.requests(settings, images=images, texts=captions, prompt=prompt):
                self.found[request.digest] = settings, self.known([request]) == 1
        return [""] * len(images)


def forecasts(units: Sequence[WorkUnit], run_dir: Place) -> list[Forecast]:
    """Return what is still to be asked for ``units``."""
    if not units:
        return []
    grid = units[0].grid
    desk = CountingDesk(Bank(bank_of(grid, run_dir)), LocalSpending(grid.generative.limits))
    captions = Captions(run_dir)
    for metered in (False, True):
        for ask in captions.asks(units, metered):
            _count(ask, desk)
    found: dict[tuple[str, str], Forecast] = {}
    for settings, known in desk.found.values():
        forecast = found.setdefault(("captions", settings.model), Forecast("captions", settings.model, is_metered(settings), known=0))
        forecast.asked += 1
        forecast.known = (forecast.known or 0) + known
        forecast.cost += 0.0 if known else desk.price_of_call(settings)
    for unit in units:
        who = unit.contestant
        for name, questions in who.traits.asks.items() if not unit.obstacle else ():
            model = who.models[name]
            forecast = found.setdefault(("pictures", model.model), Forecast("pictures", model.model, is_metered(model)))
            forecast.asked += questions * unit.reconstructions
            forecast.cost += questions * unit.reconstructions * desk.price_of_call(model)
    return list(found.values())


def told(units: Sequence[WorkUnit], run_dir: Place) -> list[str]:
    """Return the sentences of a dry run: what is still to be asked, the limits, and what was spent before."""
    found = forecasts(units, run_dir)
    sentences = [str(forecast) for forecast in found]
    if any(forecast.metered for forecast in found):
        limits = units[0].grid.generative.limits
        calls = "any number of calls" if limits.max_calls is None else f"{limits.max_calls:,} calls"
        cost = "any cost" if limits.max_cost is None else f"${limits.max_cost:.2f}"
        unpriced = sorted({each.model for each in found if each.metered} - set(limits.prices))
        sentences.append(f"limits of this run folder: {calls}, {cost}; spent so far: {str(read_spending(run_dir)) or 'nothing'}")
        sentences += [f"no price is given for {', '.join(unpriced)}: its calls count as free"] if unpriced else []
    return sentences


@torch.inference_mode()
def _count(ask: Ask, desk: CountingDesk) -> None:
    samples, _ = load(ask.pictures, ask.grid)
    for writer in ask.writers:
        method = _describing(writer, ask, desk)
        for image, sample in samples.items():
            batch = assemble(samples, [image], 1, "cpu")
            if method is not None:
                method.describe(batch.images, batch.captions)
            elif writer.contestant is None and writer.captioner is not None and not sample.caption:
                desk.caption(writer.captioner, batch.images, batch.captions)


def _describing(writer: Writer, ask: Ask, desk: CountingDesk) -> Method | None:
    """Return the method that describes, if it asks a desk: on no device, since its question rests on picture and settings alone."""
    if writer.contestant is None:
        return None
    size = ask.grid.image_size
    with torch.device("meta"):
        method = writer.contestant.build(size, size, writer.contestant.ratios(ask.grid.cr)[0])
    if not isinstance(method, DeskUser):
        return None
    method.desk = desk
    return method
