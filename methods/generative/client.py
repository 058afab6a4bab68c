"""Where every question to a model passes: the response cache first, then the limits of the run, then the model itself.

::

    images, texts ──> Requests ──> equal ones, also of other threads, as one
                                       ├─ in the response cache? ────────────────────────────────┐
                                       └─ reserve ──> model ──> bank ──> settle ───────┴─> captions, images of the wanted size
                                                        ├─ one's own: the batch, one thread at a time
                                                        └─ somebody else's: all started, each kept as it is answered

No thread is made here: questions under way at once are the backend's own business, and its own bound.
"""

import json
import threading
from collections.abc import Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from torch import Tensor

from methods.base import Refined
from methods.errors import MethodError
from methods.generative.backends.base import Backend, Captioner, Concurrent, Editor, Generator, Outcome, open_backend
from methods.generative.costs import Limits, Spending
from methods.generative.images import asked_size, quantised, refined
from methods.generative.prompts import filled_prompt, one_line, shortened
from methods.generative.response_cache import CacheError, ResponseCache
from methods.generative.responses import (
    CacheWriteError,
    GenerativeError,
    ModelUnavailableError,
    RefusalError,
    Request,
    Response,
    SpendingLimitError,
    Task,
    UnusableResponseError,
)
from methods.generative.settings import CaptionerSettings, EditorSettings, GeneratorSettings, ModelSettings


@dataclass(frozen=True)
class _Opened:
    """A model with the lock that keeps one that is not concurrent to one thread at a time."""

    backend: Backend
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class _Claim:
    """A request that one thread answers for all that ask it meanwhile."""

    request: Request
    digest: str
    outcome: "Future[Response | MethodError]" = field(default_factory=Future)


class ModelClient:
    """Asks generative models, each distinct question once.

    Args:
        bank: where answers are kept; without one they are forgotten.
        spending: where calls are counted and limited; without one they are free and without limit.
    """

    def __init__(self, bank: ResponseCache | None = None, spending: Spending | None = None) -> None:
        self.bank = bank
        self.spending = spending
        self._models: dict[str, _Opened] = {}
        self._claims: dict[str, _Claim] = {}
        self._lock = threading.Lock()
        self._unkept = ""

    def caption(
        self, settings: CaptionerSettings, images: Tensor, captions: Sequence[str] | None = None, *, prompt: str = "caption"
    ) -> list[str]:
        """Return a caption of each of (B, 3, H, W) images in [0, 1], one line of at most ``settings.max_bytes`` bytes; it may be empty.

        Args:
            settings: the captioner.
            images: the images.
            captions: B captions that came with the data set, for the captioner ``dataset``.
            prompt: which of the prompts beside this module is used where the settings name no file.

        Raises:
            GenerativeError: the model gave no answer to one of the requests; the answers to the others are in the response cache.
            SpendingLimitError: a limit of the run is reached, or answers that were paid for cannot be kept.
            MethodError: the settings are wrong, or a file they name or the response cache is not readable.
        """
        responses = self._ask(settings, self.requests(settings, images=images, texts=captions, prompt=prompt))
        return [shortened(one_line(response.text or ""), settings.max_bytes) for response in responses]

    def generate(
        self, settings: GeneratorSettings, texts: Sequence[str], height: int, width: int, variation: int = 0, *, prompt: str = "generate"
    ) -> Refined:
        """Return a (B, 3, height, width) image in [0, 1] of each text; errors as in :meth:`caption`."""
        requests = self.requests(settings, texts=texts, size=(height, width), prompt=prompt, variation=variation)
        return refined(requests, self._ask(settings, requests), (height, width))

    def edit(self, settings: EditorSettings, images: Tensor, texts: Sequence[str], variation: int = 0, *, prompt: str = "edit") -> Refined:
        """Return (B, 3, H, W) images in [0, 1], changed as the prompt and the texts say; errors as in :meth:`caption`."""
        requests = self.requests(settings, images=images, texts=texts, prompt=prompt, variation=variation)
        result = refined(requests, self._ask(settings, requests), (images.shape[-2], images.shape[-1]))
        return replace(result, images=result.images.to(images.device))

    def requests(
        self,
        settings: ModelSettings,
        *,
        images: Tensor | None = None,
        texts: Sequence[str] | None = None,
        size: tuple[int, int] | None = None,
        prompt: str = "",
        variation: int = 0,
    ) -> list[Request]:
        """Return what would be asked, without asking or loading anything; the arguments are those of the three calls."""
        backend = self._opened(settings).backend
        shared: dict[str, Any] = {"model": backend.identity, "settings": backend.settings, "seed": settings.seed, "variation": variation}
        if isinstance(settings, CaptionerSettings):
            if images is None:
                raise MethodError("a caption is asked for without an image")
            if settings.backend == "dataset":
                return [Request("caption", prompt=text, **shared) for text in texts or [""] * len(images)]
            asking = filled_prompt(settings, prompt or "caption")
            return [Request("caption", prompt=asking, pixels=pixels, **shared) for pixels in quantised(images)]
        if texts is None:
            raise MethodError(f"{settings.model} is asked for an image without a text; an empty text will do")
        task: Literal["generate", "edit"] = "generate" if isinstance(settings, GeneratorSettings) else "edit"
        words = [filled_prompt(settings, prompt or task, text, caption_first=backend.caption_first) for text in texts]
        if task == "generate":
            asked = asked_size(settings, backend, size)
            return [Request(task, prompt=each, size=asked, **shared) for each in words]
        asked = asked_size(settings, backend, None if images is None else (images.shape[-2], images.shape[-1]))
        pairs = zip(quantised(cast(Tensor, images)), words, strict=True)
        return [Request(task, prompt=each, pixels=pixels, size=asked, **shared) for pixels, each in pairs]

    def known(self, requests: Sequence[Request]) -> int:
        """Return to how many of ``requests`` the response cache has the answer or the refusal."""
        bank = self.bank
        return 0 if bank is None else sum(request in bank for request in requests)

    def price_of_call(self, settings: ModelSettings) -> float:
        """Return what a call is expected to cost, US dollars; 0 for a model that costs nothing.

        Raises:
            UnpricedModelError: there is a limit of cost and the model has no price.
        """
        images: Task = "edit" if isinstance(settings, EditorSettings) else "generate"
        task: Task = "caption" if isinstance(settings, CaptionerSettings) else images
        return self._limits.price(settings.model).expected(task) if self._opened(settings).backend.remote else 0.0

    @property
    def _limits(self) -> Limits:
        return Limits() if self.spending is None else self.spending.limits

    def _opened(self, settings: ModelSettings) -> _Opened:
        key = json.dumps([type(settings).__name__, settings.model, settings.options, settings.access], sort_keys=True, default=str)
        with self._lock:
            if key not in self._models:
                self._models[key] = _Opened(open_backend(settings))
            return self._models[key]

    def _ask(self, settings: ModelSettings, requests: Sequence[Request]) -> list[Response]:
        opened = self._opened(settings)
        digests = [request.digest for request in requests]
        claims: dict[str, _Claim] = {}
        mine: list[_Claim] = []
        with self._lock:
            for digest, request in zip(digests, requests, strict=True):
                if digest not in claims and digest not in self._claims:
                    self._claims[digest] = _Claim(request, digest)
                    mine.append(self._claims[digest])
                claims.setdefault(digest, self._claims[digest])
        try:
            self._answer(settings.model, opened, mine)
        finally:
            with self._lock:
                for claim in mine:
                    del self._claims[claim.digest]
                    if not claim.outcome.done():
                        claim.outcome.set_result(GenerativeError("the same question was given up elsewhere; ask again"))
        return _answers([claims[digest].outcome.result() for digest in digests])

    def _answer(self, model: str, opened: _Opened, claims: Sequence[_Claim]) -> None:
        """Give every claim its outcome."""
        bank = self.bank if opened.backend.kept else None
        unknown: list[_Claim] = []
        for claim in claims:
            kept = None if bank is None else bank.get(claim.request)
            if kept is None:
                unknown.append(claim)
            else:
                claim.outcome.set_result(kept)
        asked: list[tuple[_Claim, float]] = []
        for claim in unknown:
            try:
                asked.append((claim, self._reserve(model, opened.backend, claim.request)))
            except SpendingLimitError as error:
                claim.outcome.set_result(error)
        if isinstance(opened.backend, Concurrent):
            self._ask_at_once(model, opened.backend, asked)
        elif asked:
            self._ask_in_turn(model, opened, asked)

    def _ask_at_once(self, model: str, backend: Concurrent, asked: Sequence[tuple[_Claim, float]]) -> None:
        under_way: dict[Future[Outcome], tuple[_Claim, float]] = {}
        try:
            for claim, estimate in asked:
                under_way[backend.start(claim.request)] = claim, estimate
            for future in as_completed(under_way):
                claim, estimate = under_way[future]
                claim.outcome.set_result(self._booked(model, backend, claim.request, estimate, future.result()))
        finally:
            for future in under_way:
                future.cancel()

    def _ask_in_turn(self, model: str, opened: _Opened, asked: Sequence[tuple[_Claim, float]]) -> None:
        outcomes: Sequence[Response | MethodError]
        size, failed = opened.backend.batch, None
        for part in (asked[start : start + size] for start in range(0, len(asked), size)):
            try:
                with opened.lock:
                    outcomes = [failed] * len(part) if failed else _call(opened.backend, [claim.request for claim, _ in part])
            except MethodError as error:
                # What it cannot do at all it need not try again for the others.
                failed = error
                outcomes = [error] * len(part)
            for (claim, estimate), outcome in zip(part, outcomes, strict=True):
                claim.outcome.set_result(self._booked(model, opened.backend, claim.request, estimate, outcome))

    def _reserve(self, model: str, backend: Backend, request: Request) -> float:
        if backend.remote and self._unkept:
            raise CacheWriteError(self._unkept)
        if not backend.remote or self.spending is None:
            return 0.0
        estimate = self._limits.price(model).expected(request.task)
        self.spending.reserve(model, estimate)
        return estimate

    def _booked(
        self, model: str, backend: Backend, request: Request, estimate: float, outcome: Response | MethodError
    ) -> Response | MethodError:
        """Keep an outcome and settle its cost: what tells no cost of its own at its estimate, a fault at nothing."""
        spending, cost = self.spending if backend.remote else None, 0.0
        if isinstance(outcome, Response):
            cost = self._limits.price(model).charged(request.task, outcome.metadata) if spending is not None else 0.0
            outcome = replace(outcome, cost=cost)
        elif isinstance(outcome, RefusalError | UnusableResponseError):
            cost = estimate
        try:
            return self._kept(request, backend, outcome)
        finally:
            if spending is not None and isinstance(outcome, ModelUnavailableError):
                spending.withdraw(model, estimate)
            elif spending is not None:
                spending.settle(model, estimate, cost)

    def _kept(self, request: Request, backend: Backend, outcome: Response | MethodError) -> Response | MethodError:
        if self.bank is None or not backend.kept or not isinstance(outcome, Response | RefusalError):
            return outcome
        try:
            return self.bank.put(request, outcome)
        except CacheError as error:
            if not backend.remote:
                raise
            self._unkept = f"{error}; calls cost money, so none is made while their answers are lost"
            return CacheWriteError(self._unkept)


class UsesModels:
    """Mixin of methods that ask generative models; the engine gives them a model client with a response cache and limits.

    Attributes:
        model_client: without a response cache and limits, for use outside the engine.
    """

    model_client: ModelClient = ModelClient()


def _call(backend: Backend, requests: Sequence[Request]) -> Sequence[Response | GenerativeError]:
    task = requests[0].task
    if task == "caption":
        return cast(Captioner, backend).caption(requests)
    if task == "generate":
        return cast(Generator, backend).generate(requests)
    return cast(Editor, backend).edit(requests)


def _answers(outcomes: Sequence[Response | MethodError]) -> list[Response]:
    # A limit ends the run, so it goes before the failure of a single image.
    for kind in (SpendingLimitError, MethodError):
        for outcome in outcomes:
            if isinstance(outcome, kind):
                raise outcome
    return [outcome for outcome in outcomes if isinstance(outcome, Response)]
