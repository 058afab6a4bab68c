"""Describing: what methods and the grid's reference captioner say of images, asked before anything is sent, once an image."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import torch

from benchmarks.common.errors import sentence_of
from benchmarks.common.images import padded
from benchmarks.datasets import Sample
from methods.generative import ModelClient, SpendingLimitError
from suite.errors import TimeLimitError
from suite.evaluate.plan import WorkUnit
from suite.evaluate.stages.captions import Caption, CaptionRequest, CaptionResult, Captions, CaptionSource, caption_row
from suite.evaluate.stages.images import Batch, assemble, chunks, load
from suite.evaluate.stages.messages import Description
from suite.evaluate.stages.networks import Networks
from suite.evaluate.stages.outcomes import guard, in_threads, limit_of, without_trace


class Describer:
    """Describes images; several threads may call it at once.

    Args:
        model_client: where captioners are asked.
        concurrency: images under way at once to models that are somebody else's, over all requests.
        device: where networks run.
    """

    def __init__(self, model_client: ModelClient, concurrency: int = 1, device: str = "cpu") -> None:
        self.device = device
        self._model_client = model_client
        self._networks = Networks(device, model_client)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="describe")

    def __call__(self, request: CaptionRequest) -> CaptionResult:
        """Return the text of each image and source, or why there is none."""
        samples, unreadable = load(request.images, request.grid)
        done = [
            caption_row(request, source, image, Description(error=why)) for source in request.sources for image, why in unreadable.items()
        ]
        try:
            for source in request.sources:
                done += self._described(request, source, samples)
        except SpendingLimitError as error:
            return CaptionResult(done, str(error))
        return CaptionResult(done)

    def given_up(self, request: CaptionRequest, reason: str) -> CaptionResult:
        """Return a request that nobody can answer: no image has a text, for this reason."""
        nothing = Description(error=reason)
        return CaptionResult([caption_row(request, source, image, nothing) for source in request.sources for image in request.images.ids])

    def _described(self, request: CaptionRequest, source: CaptionSource, samples: dict[str, Sample]) -> list[Caption]:
        # Metrics of text prefer the data set's own captions.
        own = {image: each.caption for image, each in samples.items() if source.configured is None and each.caption}
        done = [replace(caption_row(request, source, image, Description(text)), model="dataset") for image, text in own.items()]
        ids, size = [image for image in samples if image not in own], request.grid.evaluation.batch
        if source.remote:
            singles = [assemble(samples, [image], 1, self.device) for image in ids]
            return done + in_threads(self._threads, [partial(self._batch, request, source, each) for each in singles])
        for start, chunk in zip(range(0, len(ids), size), chunks(ids, size), strict=True):
            batch = assemble(samples, chunk, size, self.device)
            try:
                done += self._batch(request, source, batch, lambda image: assemble(samples, [image], size, self.device))
            except TimeLimitError as error:
                # What hangs once would hang for each image; and the thread that hangs keeps the network.
                self._networks.forget()
                late = Description(error=sentence_of(error))
                return done + [caption_row(request, source, image, late) for image in ids[start:]]
        return done

    def _batch(
        self, request: CaptionRequest, source: CaptionSource, batch: Batch, alone: Callable[[str], Batch] | None = None
    ) -> list[Caption]:
        """Describe a batch; where that fails, each of its images alone."""
        texts, reason = guard(partial(self._texts, request, source, batch), limit_of(request.grid, source.remote))
        if texts is not None:
            return [caption_row(request, source, image, texts[row]) for row, image in enumerate(batch.ids)]
        if alone is None or len(batch.ids) == 1:
            return [caption_row(request, source, image, Description(error=without_trace(reason))) for image in batch.ids]
        return [each for image in batch.ids for each in self._batch(request, source, alone(image))]

    @torch.inference_mode()
    def _texts(self, request: CaptionRequest, source: CaptionSource, batch: Batch) -> list[Description]:
        started = time.perf_counter()
        if source.configured is not None:
            size = request.size(source.configured)
            method = self._networks.describing(source.configured, size, request.grid, source.identity)
            texts = method.describe(padded(batch.images, *size), batch.captions)
        elif source.captioner is not None:
            texts = self._model_client.caption(source.captioner, batch.images, batch.captions)
        seconds = (time.perf_counter() - started) / len(batch.images)
        if texts is None or len(texts) != len(batch.images):
            raise ValueError(f"describe gave {'nothing' if texts is None else len(texts)} for {len(batch.images)} images")
        for text in texts:
            # Half of a surrogate pair could neither be sent nor kept.
            text.encode()
        return [Description(text, seconds) for text in texts]


def describe(
    captions: Captions, units: Sequence[WorkUnit], run: Callable[[list[CaptionRequest], bool], Iterator[CaptionResult]]
) -> Iterator[CaptionResult]:
    """Describe what units need, models of one's own first, and keep it; yield each part as it comes, up to one that a limit stopped."""
    try:
        for remote in (False, True):
            requests = captions.requests(units, remote)
            stopped = ""
            for done in run(requests, remote) if requests else ():
                captions.add(done.captions)
                stopped = stopped or done.stopped
                yield replace(done, stopped="")
            if stopped:
                yield CaptionResult([], stopped)
                return
    finally:
        captions.write()
